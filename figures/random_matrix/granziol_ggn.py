"""The batch curvature under Gauss-Newton noise: spectra as the batch shrinks, and how far its top moves and turns."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import poisson

from theorylab.derivations.random_matrix import granziol_ggn as population
from theorylab.derivations.random_matrix import granziol_ggn_replacement as replacement
from theorylab.derivations.random_matrix import rmt_marchenko_pastur as law
from theorylab.kernels.random import Stream
from theorylab.sims.random_matrix import data_batches
from theorylab.sims.random_matrix.bidiagonal import spiked_top

THETA, SIGMA = 5.0, 1.0
# Samples in the data set and matrices, for the spectra; P = N/4.
SPECTRA = {"quick": (800, 30), "standard": (1600, 60), "paper": (3200, 100)}
# Samples in the data set and data sets, four batches each, for the shift; P = N/4.
SHIFTS = {"quick": (200, 64), "standard": (600, 200), "paper": (1200, 400)}


def spectra(budget: str = "quick") -> Figure:
    """Eigenvalue densities of batches of N, N/4 and N/16 samples, with the bulk and the outlier predicted for each."""
    n, matrices = SPECTRA[budget]
    p = n // 4
    rng = Stream.from_seed(0)
    figure = Figure(figsize=(9.6, 3.2), layout="constrained")
    panels = figure.subplots(1, 3)
    for axes, part, label in zip(panels, (1, 4, 16), ("N", "N/4", "N/16")):
        size = n // part
        ratio = p / size
        drawn = data_batches.without_replacement(
            matrices, rng, N=size, rho=ratio, t=1.0, theta=THETA, sigma=SIGMA, batches=1
        )["spectrum"]
        low, high = float(law.LOWER_EDGE(c=ratio)), float(law.UPPER_EDGE(c=ratio))
        x = low + (high - low) * np.sin(np.linspace(0.0, np.pi / 2, 801)[1:-1]) ** 2
        # The nonzero eigenvalues alone, normalised to mass 1.
        mass = min(1.0, 1.0 / ratio)
        axes.plot(x, law.DENSITY(x=x, c=ratio) / mass, color="C0", label="Marchenko-Pastur")
        edges = np.linspace(np.sqrt(low), np.sqrt(high), 19) ** 2
        counts = np.stack([np.histogram(row[:-1], edges)[0] for row in drawn]) / (drawn.shape[1] - 1) / np.diff(edges)
        middle = (0.5 * (np.sqrt(edges[1:]) + np.sqrt(edges[:-1]))) ** 2
        error = counts.std(axis=0, ddof=1) / np.sqrt(matrices)
        axes.errorbar(middle, counts.mean(axis=0), error, fmt="o", color="C0", markersize=3, capsize=1.5, linewidth=0.8)
        height = 0.6 / (high - low)
        outlier = float(population.OUTLIER_AT_RATIO(r=ratio, theta=THETA, sigma=SIGMA))
        axes.vlines(outlier, 0.0, height, color="C3", label=r"outlier $\Lambda_B(\theta)$")
        top = drawn[:, -1]
        axes.errorbar(
            top.mean(),
            0.5 * height,
            xerr=top.std(ddof=1),
            fmt="s",
            color="C3",
            markersize=4,
            capsize=2,
            label="largest eigenvalue ($\\pm$ s.d.)",
        )
        axes.axvline(THETA, color="0.6", linestyle=":", linewidth=1.0, label=r"population $\theta$")
        # At P = B the density diverges at 0.
        axes.set(ylim=(0, 1.3 * np.sort(counts.mean(axis=0))[-3]), xlim=(0, 1.12 * outlier), xlabel="eigenvalue")
        zeros = rf", {1 - mass:.0%} zeros".replace("%", r"\%") if mass < 1 else ""
        axes.set_title(rf"$B = {label}$ ($P/B = {ratio:g}${zeros.replace(chr(92), '')})", fontsize=10)
    panels[0].set_ylabel(r"density of the nonzero eigenvalues ($\sigma = 1$)")
    panels[0].legend(frameon=False, fontsize=8)
    return figure


def _mean(values: np.ndarray) -> tuple[float, float]:
    """Mean over trials and its standard error."""
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def shown(n: int, t: np.ndarray) -> np.ndarray:
    """Largest number of draws of one sample that a data set of n samples shows, N Poisson(k; t) >= 0.1."""
    k = np.arange(1, replacement.MOST + 1)
    return np.asarray(np.sum(n * poisson.pmf(k, t[:, None]) >= 0.1, axis=1))


def shift(budget: str = "quick") -> Figure:
    """Shift of the largest eigenvalue against 1/B - 1/N, a straight line, and how far its eigenvector turns."""
    n, sets = SHIFTS[budget]
    p = n // 4
    rng = Stream.from_seed(1)
    figure = Figure(figsize=(8.6, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    t = np.linspace(0.11, 0.999, 200)
    inverse = p * (1 / t - 1) / n
    at = {"theta": THETA, "sigma": SIGMA}
    left.plot(
        inverse, population.SHIFT(r=0.25 / t, t=t, **at), color="C0", label=r"slope $\sigma^2\theta/(\theta-\sigma^2)$"
    )
    left.plot(
        inverse,
        population.FIRST_ORDER_SHIFT(r=0.25 / t, t=t, **at),
        color="0.5",
        linestyle="--",
        label=r"first order: slope $\sigma^2$",
    )
    right.plot(inverse, population.TURNED(r=0.25 / t, t=t, **at), color="C0", label="with the full data set's")
    right.plot(inverse, population.OVERLAP(r=0.25 / t, **at), color="C2", label="with the spike")
    few = t[t >= 0.25]
    left.plot(
        p * (1 / few - 1) / n,
        replacement.REPLACEMENT_SHIFT(rho=0.25, t=few, kmax=shown(n, few), **at),
        color="C1",
        label=r"with replacement ($B \geq P$)",
    )
    for part in (0.12, 0.16, 0.2, 0.25, 0.35, 0.5, 0.75):
        design = {"N": n, "rho": 0.25, "t": part, "batches": 4, **at}
        place = p * (1 / round(part * n) - 1 / n)
        for colour, draw in (("C0", data_batches.without_replacement), ("C1", data_batches.with_replacement)):
            out = draw(sets, rng, **design)
            for axes, name in ((left, "shift"), (right, "overlap")):
                if colour == "C1" and (axes is right or part < 0.25):
                    continue
                axes.errorbar(place, *_mean(out[name]), fmt="o", color=colour, markersize=4, capsize=2)
        fresh = spiked_top(20 * sets, rng, P=p, B=round(part * n), **at)["overlap"]
        right.errorbar(place, *_mean(fresh), fmt="o", color="C2", markersize=4, capsize=2)
    left.set(xlim=(0, None), ylim=(0, None), xlabel=r"$P\,(1/B - 1/N) = P/b$", ylabel=r"$\lambda_1(B) - \lambda_1(N)$")
    left.legend(title=rf"$\theta = {THETA:g}$, $\sigma = {SIGMA:g}$, $N = {n}$, $P = N/4$", frameon=False, fontsize=8)
    right.set(xlim=(0, None), ylim=(0, 1.02), xlabel=r"$P/b$", ylabel="squared overlap of the batch's top eigenvector")
    right.legend(frameon=False, fontsize=8)
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {
    "granziol-ggn-spectra": spectra,
    "granziol-ggn-shift": shift,
}
