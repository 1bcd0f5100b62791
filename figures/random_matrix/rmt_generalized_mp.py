"""Sample covariances of a general population: a bulk that splits, its edges, and what is left at finite size."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from theorylab.derivations.random_matrix import rmt_generalized_mp as theory
from theorylab.derivations.random_matrix.generalized_mp import GeneralizedMarchenkoPastur
from theorylab.kernels.random import Stream
from theorylab.sims.random_matrix import covariances

TWO = {"t1": 1.0, "t2": 5.0, "t3": 5.0, "w1": 0.5, "w2": 0.5}
# Dimension and matrices of a spectrum, and matrices of a mean edge.
SPECTRA = {"quick": (200, 30), "standard": (480, 200), "paper": (960, 400)}
MEANS = {"quick": 200, "standard": 4_000, "paper": 40_000}


def _density(axes: Axes, c: float, budget: str) -> None:
    law = GeneralizedMarchenkoPastur(c, [1.0, 5.0])
    p, matrices = SPECTRA[budget]
    values = covariances.eigenvalues(matrices, Stream.from_seed(1), p=p, c=c, entries="gaussian", **TWO)["value"]
    for low, high in law.intervals():
        x = low + (high - low) * np.sin(np.linspace(0.0, np.pi / 2.0, 400)[1:-1]) ** 2
        axes.plot(x, law.pdf(x), color="C0", lw=1.3)
        bins = np.linspace(low, high, max(8, int(28 * (high - low) / np.ptp(law.support()))))
        counts = np.stack([np.histogram(row, bins)[0] for row in values]) / p / np.diff(bins)
        error = counts.std(axis=0, ddof=1) / np.sqrt(matrices)
        exact = np.diff(law.cdf(bins)) / np.diff(bins)
        centres = 0.5 * (bins[1:] + bins[:-1])
        # A bin's mean density stands at the bin's centre: drawn where the curve would be, off by the bin's own bend.
        axes.errorbar(
            centres, counts.mean(axis=0) - exact + law.pdf(centres), error, fmt="o", color="C1", ms=2.8, lw=0.8
        )


def splitting(budget: str = "quick") -> Figure:
    """Densities as c passes the splitting, and the curves z(omega) whose critical values are the edges."""
    split = float(theory.SPLITTING(t1=1.0, t2=5.0, w1=0.5))
    ratios = (0.25, split, 0.8)
    figure = Figure(figsize=(9.4, 5.4), layout="constrained")
    upper, lower = figure.subplots(2, 3)
    for axes, below, c in zip(upper, lower, ratios):
        _density(axes, c, budget)
        axes.set(title=f"$c = {c:.4g}$" + (", the splitting" if c == split else ""))
        axes.set(xlabel=r"eigenvalue $x$", ylim=(0.0, None), xlim=(-0.3, None))
        law = GeneralizedMarchenkoPastur(c, [1.0, 5.0])
        population = law.population
        ends = [-2.0, 1.0, 5.0, 14.0]
        for start, end in pairwise(ends):
            omega = np.linspace(start, end, 600)[1:-1]
            place = population.place(omega)
            slope = population.slope(omega) > 0.0
            below.plot(omega, np.where(slope, place, np.nan), color="C0", lw=1.6)
            below.plot(omega, np.where(slope, np.nan, place), color="0.7", lw=0.9)
        for edge in population.edges:
            below.plot(edge.omega, edge.high, "o", color="C3", ms=4)
        for low, high in law.intervals():
            below.axhspan(low, high, color="C1", alpha=0.18, lw=0)
        for t in (1.0, 5.0):
            below.axvline(t, color="0.8", lw=0.7, ls=":")
        below.set(xlabel=r"$\omega = -1/v$", xlim=(-2.0, 12.0), ylim=(-2.0, 17.0))
    upper[0].set_ylabel(r"density, $H = (\delta_1 + \delta_5)/2$")
    lower[0].set_ylabel(r"$z(\omega)$; shaded: the support")
    p, matrices = SPECTRA[budget]
    figure.suptitle(f"points: {matrices} matrices of $p = {p}$ (standard errors); dots: edges", fontsize=9)
    return figure


def finite_size(budget: str = "quick") -> Figure:
    """The mean extreme eigenvalues against the size, with and without the terms that vanish."""
    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    sizes = np.array([20, 40, 80, 160])
    line = np.unique(np.round(np.geomspace(15, 220, 60)))
    c = 0.25
    drawn = [
        covariances.extremes(MEANS[budget], Stream.from_seed(2), p=int(p), c=c, **TWO)["edges"][:, [0, 3]]
        for p in sizes
    ]
    means = np.array([d.mean(axis=0) for d in drawn])
    errors = np.array([d.std(axis=0, ddof=1) / np.sqrt(len(d)) for d in drawn])
    corrected = np.exp(theory.MEAN_EXTREMES(c=c, p=line, **TWO) / (line[:, None] / c) ** (2.0 / 3.0))
    for which, (axes, edge, name) in enumerate(
        zip(figure.subplots(1, 2), (theory.LOWER_EDGE, theory.UPPER_EDGE), ("smallest", "largest"))
    ):
        bare = float(edge(c=c, **TWO))
        shift = theory.SHIFTS[which](c=c, **TWO) * c / line
        axes.axhline(bare, color="0.6", lw=0.9, ls=":", label="edge")
        axes.semilogx(
            line, corrected[:, which] - shift, color="C2", lw=1.0, ls="--", label=r"with $n^{-2/3}$ (Tracy-Widom)"
        )
        axes.semilogx(line, corrected[:, which], color="C0", lw=1.3, label=r"and $1/n$")
        axes.errorbar(sizes, means[:, which], errors[:, which], fmt="o", color="C1", ms=4, lw=0.9)
        axes.set(xlabel="dimension $p$", ylabel=f"mean {name} eigenvalue")
        axes.set_xticks(sizes, [str(p) for p in sizes])
        axes.minorticks_off()
        axes.legend(frameon=False, fontsize=8)
    figure.suptitle(rf"$H = (\delta_1 + \delta_5)/2$, $c = {c:g}$, {MEANS[budget]:,} matrices each", fontsize=9)
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {
    "rmt-generalized-mp-splitting": splitting,
    "rmt-generalized-mp-finite-size": finite_size,
}
