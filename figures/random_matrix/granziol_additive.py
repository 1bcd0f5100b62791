"""Figures of additive batch noise: extreme eigenvalues, overlap and spectra against the batch size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from theorylab.derivations.random_matrix import granziol_additive as theory
from theorylab.derivations.random_matrix.subordination import DeformedSemicircle
from theorylab.kernels.random import Stream
from theorylab.sims.random_matrix.additive_batches import noise_scale, top
from theorylab.sims.random_matrix.wigner import matrices

# Batches measured at a batch size, and matrices of a histogram.
TRIALS = {"quick": (40, 4), "standard": (400, 20), "paper": (4_000, 50)}
P, N, TOP, BOTTOM, NOISE = 1_000, 20_000, 1.5, -1.2, 1.0


def _noise(B: np.ndarray, size: int = P, samples: int = N) -> np.ndarray:
    """s = sigma_eps sqrt(P/b)."""
    return np.asarray(NOISE * np.sqrt(size * (1.0 / B - 1.0 / samples)))


def _end(strength: float, s: np.ndarray) -> np.ndarray:
    return np.where(strength > s, strength + s**2 / strength, 2.0 * s)


def batch_sizes(budget: str = "quick") -> Figure:
    """Largest and smallest eigenvalue and overlap against B, with the kinks where the outliers are lost."""
    trials = TRIALS[budget][0]
    figure = Figure(figsize=(9.4, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    line, places = np.geomspace(30, 0.98 * N, 400), np.rint(np.geomspace(40, 0.9 * N, 13))
    s = _noise(line)
    left.fill_between(line, 0.01, 2.0 * s, color="0.92", lw=0, label="bulk, up to $2 s$")
    for strength, colour, name in ((TOP, "C0", r"$\lambda_1'$"), (-BOTTOM, "C3", r"$|\lambda_P'|$")):
        left.loglog(line, _end(strength, s), color=colour, lw=1.3, label=name)
        left.axhline(strength, color=colour, lw=0.7, ls=":")
        critical = float(theory.CRITICAL_BATCH(P=P, N=N, lam1=strength, sigma_eps=NOISE))
        for axes in (left, right):
            axes.axvline(critical, color=colour, lw=0.7, ls="--")
        right.semilogx(
            line, theory.OVERLAP(lam1=strength, r=P / line, t=line / N, sigma_eps=NOISE), color=colour, lw=1.3
        )
        drawn = [top(trials, Stream.from_seed(i), P=P, r=P / B, t=B / N, lam1=strength, sigma_eps=NOISE)
                 for i, B in enumerate(places)]  # fmt: skip
        for axes, key in ((left, "eigenvalue"), (right, "overlap")):
            mean, error = (np.array([f(d[key]) for d in drawn]) for f in (np.mean, lambda v: np.std(v) / trials**0.5))
            axes.errorbar(places, mean, error, fmt="o", ms=3.5, color=colour, lw=0.8)
    left.set(xlabel="batch size $B$", ylabel="extreme eigenvalues of the batch", ylim=(0.9, 14.0), xlim=(30, N))
    left.set_title(rf"$P = {P}$, $N = {N}$, $\lambda_1 = {TOP}$, $\lambda_P = {BOTTOM}$", fontsize=9)
    left.legend(frameon=False, fontsize=8)
    right.set(xlabel="batch size $B$", ylabel="squared overlap with the full eigenvector", ylim=(-0.03, 1.03))
    right.set_title(r"dashed: $B_c = N b_c/(N + b_c)$, $b_c = P \sigma_\epsilon^2/\lambda^2$", fontsize=9)
    right.set_xlim(30, N)
    return figure


def spectra(budget: str = "quick") -> Figure:
    """Spectra of batches of three sizes, eigenvalues of the bulk spread over [-1/2, 1/2]: it swallows the outliers."""
    repeats, size, samples, half = TRIALS[budget][1], 600, 12_000, 0.5
    levels = half * ((2.0 * np.arange(size - 2) + 1.0) / (size - 2) - 1.0)
    figure = Figure(figsize=(9.4, 3.0), layout="constrained")
    panels = figure.subplots(1, 3)
    for axes, B in zip(panels, (4_800, 900, 240)):
        s = noise_scale(size, B, samples, NOISE)
        w = matrices(repeats, Stream.from_seed(1), size, 1, s)
        values = np.linalg.eigvalsh(w + np.diag([*levels, TOP, BOTTOM]))
        law = DeformedSemicircle(levels, s)
        x, density, _ = law.curve(law.grid(800))
        edges = np.linspace(*law.support(), 41)
        axes.hist(values.ravel(), bins=edges, weights=np.full(values.size, 1.0 / np.diff(edges)[0] / values.size),
                  color="0.8", label="simulated")  # fmt: skip
        axes.plot(x, density, color="C0", lw=1.3, label="theory")
        ends = law.outlier(TOP), [-v for v in DeformedSemicircle(-levels, s).outlier(-BOTTOM)]
        for (place, rate), exact, column in zip(ends, (TOP, BOTTOM), (-1, 0)):
            axes.axvline(exact, color="0.6", lw=0.7, ls=":")
            axes.plot(values[:, column], np.full(repeats, 0.03 * density.max()), "|", color="k", ms=9, mew=0.8)
            if rate:
                axes.plot(float(place), 0.03 * density.max(), "v", color="C3", ms=5,
                          label="outliers" if B > 1_000 and exact > 0 else None)  # fmt: skip
        kept = float(law.outlier(TOP)[1])
        axes.set_title(f"$B = {B}$: overlap {kept:.2f}" if kept else f"$B = {B}$: outliers lost", fontsize=9)
        axes.set(xlabel="eigenvalue", ylim=(0.0, 1.12 * density.max()))
    panels[0].set_ylabel("density")
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False, fontsize=8
    )
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {
    "granziol-additive-batch-size": batch_sizes,
    "granziol-additive-spectra": spectra,
}
