"""Figures of a spike in a Gaussian matrix."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from theorylab.derivations.random_matrix import rmt_bbp_wigner as theory
from theorylab.kernels.random import Stream
from theorylab.sims.random_matrix.spiked_gaussian import outlier, spiked_top

TRIALS = {"quick": 200, "standard": 2_000, "paper": 20_000}
SIZES = (100, 400, 1_600)
NAMES = {1: "real", 2: "complex", 4: "quaternion"}


def _mean(values: np.ndarray) -> tuple[float, float]:
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def transition(budget: str = "quick") -> Figure:
    """Largest eigenvalue and overlap against the spike; inset: the overlap near the transition at three sizes."""
    figure = Figure(figsize=(9.4, 4.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    above = np.linspace(1.0001, 3.0, 300)
    left.plot([0.0, 1.0, *above], [2.0, 2.0, *theory.OUTLIER(theta=above)], color="0.2", lw=1.2)
    right.plot([0.0, 1.0, *above], [0.0, 0.0, *theory.OVERLAP(theta=above)], color="0.2", lw=1.2, label=r"$P\to\infty$")
    left.plot([0.0, 3.0], [0.0, 3.0], color="0.6", lw=0.9, ls=":")
    left.text(2.25, 2.12, r"$\theta$ itself", color="0.5", fontsize=8)
    inset = right.inset_axes((0.57, 0.12, 0.41, 0.40))
    for colour, size in zip(("C0", "C1", "C3"), SIZES):
        places = np.linspace(0.05, 3.0, 31)
        near = 1.0 + np.linspace(-3.0, 3.0, 13) * size ** (-1.0 / 3.0)
        for axes, x in ((None, places), (inset, near)):
            drawn = [spiked_top(TRIALS[budget], Stream.from_seed(i), P=size, theta=t, s=1.0, beta=1)
                     for i, t in enumerate(x)]  # fmt: skip
            values = np.array([_mean(d["eigenvalue"]) for d in drawn]).T
            overlaps = np.array([_mean(d["overlap"]) for d in drawn]).T
            style = {"fmt": "o", "ms": 2.6, "color": colour, "lw": 0.8, "label": f"$P = {size}$"}
            if axes is None:
                left.errorbar(x, *values, **style)
                right.errorbar(x, *overlaps, **style)
                shown = x[x > 1.0 + 2.0 * size ** (-1.0 / 3.0)]
                limit, first = theory.OVERLAP(theta=shown), theory.OVERLAP_SHIFT(theta=shown, s=1.0, beta=1)
                right.plot(shown, limit + first / size, color=colour, lw=0.8)
            else:
                axes.errorbar((x - 1.0) * np.cbrt(size), *(np.cbrt(size) * overlaps), **style)
    inset.set_xlabel(r"$(\theta/s - 1) P^{1/3}$", fontsize=7, labelpad=1)
    inset.set_ylabel(r"$P^{1/3} \times$ overlap", fontsize=7, labelpad=1)
    inset.tick_params(labelsize=6)
    left.set(xlabel=r"spike $\theta/s$", ylabel=r"largest eigenvalue $\lambda_1/s$", xlim=(0.0, 3.05), ylim=(1.6, 3.5))
    right.set(xlabel=r"spike $\theta/s$", ylabel=r"squared overlap $\langle v_1, u\rangle^2$", xlim=(0.0, 3.05))
    right.set_ylim(-0.02, 1.0)
    left.set_title(f"real matrices, {TRIALS[budget]:,} each (standard errors)", fontsize=9)
    right.set_title("coloured lines: with the term of order $1/P$", fontsize=9)
    right.legend(frameon=False, fontsize=8, loc="upper left")
    return figure


def corrections(budget: str = "quick") -> Figure:
    """What is left at finite size: the shift of order 1/P above the transition, and the weight of a hidden spike."""
    figure = Figure(figsize=(9.4, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    trials = 5 * TRIALS[budget]
    line, places = np.linspace(1.35, 4.0, 200), np.array([1.5, 1.75, 2.0, 2.5, 3.0, 3.75])
    for colour, beta in zip(("C0", "C1", "C2"), NAMES):
        left.plot(line, theory.SHIFT(theta=line, s=1.0, beta=beta), color=colour, lw=1.1)
        drawn = [outlier(trials, Stream.from_seed(2), P=1_600, theta=t, s=1.0, beta=beta)["shift"] for t in places]
        left.errorbar(places, *np.array([_mean(d) for d in drawn]).T, fmt="o", ms=3.5, color=colour,
                      label=rf"$\beta = {beta}$ ({NAMES[beta]})")  # fmt: skip
    left.axhline(0.0, color="0.7", lw=0.7)
    left.set(xlabel=r"spike $\theta/s$", ylabel=r"$P\,(\mathbb{E}\lambda_1 - \theta - s^2/\theta)/s$")
    left.set_title(r"above: $\frac{2/\beta - 1}{x (x^2 - 1)} - \frac{1}{x}$, matrices of 1600 rows", fontsize=9)
    left.legend(frameon=False, fontsize=8)
    hidden = np.linspace(0.0, 0.85, 200)[1:]
    right.semilogy(hidden, theory.HIDDEN_OVERLAP(theta=hidden, s=1.0), color="0.2", lw=1.1, label="$1/(1 - x)^2$")
    places = np.linspace(0.1, 0.8, 8)
    for marker, size in (("o", 400), ("s", 3_200)):
        for colour, beta in zip(("C0", "C1", "C2"), NAMES):
            drawn = [spiked_top(trials, Stream.from_seed(3), P=size, theta=t, s=1.0, beta=beta)["weight"]
                     for t in places]  # fmt: skip
            right.errorbar(places + 0.008 * (beta - 2), *np.array([_mean(d) for d in drawn]).T, fmt=marker, ms=3.5,
                           color=colour, mfc="none" if size == 400 else colour,
                           label=f"$P = {size}$" if beta == 1 else None)  # fmt: skip
    right.set(xlabel=r"spike $\theta/s$", ylabel=r"$P\,\mathbb{E}\langle v_1, u\rangle^2$")
    right.set_title("below: a hidden spike draws the top eigenvector", fontsize=9)
    right.legend(frameon=False, fontsize=8)
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {
    "bbp-wigner-transition": transition,
    "bbp-wigner-corrections": corrections,
}
