"""The Marchenko-Pastur law: densities and distribution functions, and what is left of order 1/p."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from theorylab.derivations.random_matrix import rmt_marchenko_pastur as law
from theorylab.derivations.random_matrix import rmt_marchenko_pastur_finite as finite
from theorylab.kernels.random import Stream
from theorylab.sims.random_matrix import bidiagonal, wishart

RATIOS = (0.1, 0.5, 1.0, 2.0)
# Dimension and matrices per ratio.
SPECTRA = {"quick": (200, 40), "standard": (400, 200), "paper": (1000, 400)}
# Matrices per point of the 1/p correction.
TRACES = {"quick": 8192, "standard": 131_072, "paper": 1_048_576}


def _mean(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over matrices and its standard error."""
    return samples.mean(axis=0), samples.std(axis=0, ddof=1) / np.sqrt(len(samples))


def _fractions_below(x: np.ndarray, eigenvalues: np.ndarray) -> np.ndarray:
    """Fraction of each matrix's eigenvalues that are at most x, float64[trials, len(x)]."""
    return np.asarray(np.stack([np.searchsorted(row, x, side="right") for row in eigenvalues]) / eigenvalues.shape[1])


def spectra(budget: str = "quick") -> Figure:
    """Density (binned at equal steps of the singular value) and distribution function with its atom."""
    p, matrices = SPECTRA[budget]
    rng = Stream.from_seed(0)
    figure = Figure(figsize=(8.6, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    for n, c in enumerate(RATIOS):
        colour = f"C{n}"
        values = wishart.eigenvalues(matrices, rng, p=p, c=c, sigma=1.0, entries="gaussian")["value"]
        low, high = float(law.LOWER_EDGE(c=c)), float(law.UPPER_EDGE(c=c))
        # Dense at both edges, where the density has vertical tangents or diverges.
        x = low + (high - low) * np.sin(np.linspace(0.0, np.pi / 2, 801)[1:-1]) ** 2
        left.plot(x, law.DENSITY(x=x, c=c), color=colour, label=f"$c = {c:g}$")
        singular = np.linspace(np.sqrt(low), np.sqrt(high), 17)
        edges, middle = singular**2, (0.5 * (singular[1:] + singular[:-1])) ** 2
        counts = np.diff(_fractions_below(edges, values), axis=1)
        mean, error = _mean(counts / np.diff(edges))
        left.errorbar(middle, mean, error, fmt="o", color=colour, markersize=3, capsize=1.5, linewidth=0.8)
        wide = np.concatenate([np.linspace(-0.3, low, 50), x, [high, 6.2]])
        right.plot(wide, law.CDF(x=wide, c=c), color=colour)
        places = np.concatenate([[0.0], middle])
        mean, error = _mean(_fractions_below(places, values))
        right.errorbar(places, mean, error, fmt="o", color=colour, markersize=3, capsize=1.5, linewidth=0.8)
        atom = float(law.ATOM(c=c))
        if atom:
            left.annotate("", (0.0, 0.5), (0.0, 0.0), arrowprops={"arrowstyle": "-|>", "color": colour})
            right.annotate(
                rf"atom $1 - 1/c = {atom:g}$",
                (0.0, 0.5 * atom),
                (2.2, 0.5 * atom),
                color=colour,
                verticalalignment="center",
                arrowprops={"arrowstyle": "->", "color": colour},
            )
    left.set(xlim=(-0.3, 6.2), ylim=(0, 1.3), xlabel=r"eigenvalue $x$ of $S = XX^T/n$")
    left.set_ylabel(r"density ($\sigma = 1$)")
    left.legend(title=rf"$c = p/n$ (points: $p = {p}$)", frameon=False)
    right.set(xlim=(-0.3, 6.2), ylim=(-0.02, 1.04), xlabel=r"eigenvalue $x$ of $S = XX^T/n$")
    right.set_ylabel("distribution function")
    return figure


def corrections(budget: str = "quick") -> Figure:
    """What E tr (S + lam)^-1 and E log det (S + lam) exceed p times their limits by, real Gaussian entries."""
    matrices = TRACES[budget]
    rng = Stream.from_seed(1)
    figure = Figure(figsize=(8.6, 3.8), layout="constrained")
    panels = figure.subplots(1, 2)
    ridges, dots = np.geomspace(0.03, 5, 200), np.geomspace(0.05, 3, 6)
    kinds = (
        ("resolvent", law.RESOLVENT, finite.RESOLVENT_TRACE, r"$E\,\mathrm{tr}(S+\lambda)^{-1} - p\,m(-\lambda)$"),
        ("logdet", law.LOG_DETERMINANT, finite.LOGDET_TRACE, r"$E\,\log\det(S+\lambda) - p\,\ell(\lambda)$"),
    )
    for n, c in enumerate((0.5, 1.0, 2.0)):
        colour = f"C{n + 1}"
        for axes, (_, limit, trace, _) in zip(panels, kinds, strict=True):
            axes.plot(ridges, trace(p=1, c=c, lam=ridges) - limit(c=c, lam=ridges), color=colour, label=f"$c = {c:g}$")
        for p, filling in ((16, "none"), (64, colour)):
            for lam in dots:
                found = bidiagonal.traces(matrices, rng, p=p, c=c, lam=lam, sigma=1.0)
                for axes, (name, limit, _, _) in zip(panels, kinds, strict=True):
                    mean, error = _mean(found[name])
                    height = mean - p * float(limit(c=c, lam=lam))
                    axes.errorbar(
                        lam, height, error, fmt="o", color=colour, markerfacecolor=filling, markersize=4, capsize=2
                    )
    for axes, (_, _, _, label) in zip(panels, kinds, strict=True):
        axes.set_xscale("log")
        axes.set_xlabel(r"ridge $\lambda$")
        axes.set_ylabel(label)
    panels[0].set_yscale("log")
    for p, filling in ((16, "none"), (64, "black")):
        panels[0].plot([], [], "o", color="black", markerfacecolor=filling, markersize=4, label=f"$p = {p}$")
    panels[0].legend(title=r"$c = p/n$, $\sigma = 1$", frameon=False)
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {
    "rmt-marchenko-pastur-spectra": spectra,
    "rmt-marchenko-pastur-corrections": corrections,
}
