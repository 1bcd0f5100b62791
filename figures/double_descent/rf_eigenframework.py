"""Figures of random-feature ridge regression."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from theorylab.derivations.double_descent.eigenframework import Spectrum, solve_rf
from theorylab.derivations.double_descent.eigenframework_best import best_rf
from theorylab.derivations.double_descent.krr_eigenframework import power, power_law
from theorylab.kernels.random import Stream
from theorylab.sims.double_descent.eigenfunctions import random_features

ALPHA, BETA, NOISE, SMALL = 1.5, 2.0, 0.02, 1e-5
EIGENVALUES = {"quick": 800, "standard": 1_000, "paper": 2_000}
# Numbers of samples and of features: of the map in theory and in simulation, and of the slices.
FINE = {"quick": 25, "standard": 49, "paper": 65}
COARSE = {"quick": 7, "standard": 9, "paper": 13}
LARGEST = {"quick": 160, "standard": 250, "paper": 600}
TRIALS = {"quick": 5, "standard": 24, "paper": 60}


def _ridge(spectrum: Spectrum, weights: np.ndarray, n: float, k: float, tuned: bool) -> float:
    return best_rf(spectrum, n, k, weights, NOISE).ridge if tuned else SMALL


def _simulated(trials: int, seed: int, n: int, k: int, modes: int, ridge: float) -> dict[str, np.ndarray]:
    return random_features(
        trials, Stream.from_seed(seed), n=n, rho=k / n, ratio=modes / n, alpha=ALPHA, beta=BETA,
        h=ridge * n ** (ALPHA - 1.0), s=NOISE * n ** (BETA - 1.0),
    )  # fmt: skip


def _edges(centres: np.ndarray) -> np.ndarray:
    """Ends of cells around points that are evenly spaced in the logarithm."""
    middle = np.sqrt(centres[1:] * centres[:-1])
    return np.concatenate([[centres[0] ** 2 / middle[0]], middle, [centres[-1] ** 2 / middle[-1]]])


def maps(budget: str = "quick") -> Figure:
    """Test error over samples and features: theory above, simulation below; a small ridge on the left, the best on the
    right."""
    figure = Figure(figsize=(8.6, 7.6), layout="constrained")
    axes = figure.subplots(2, 2, sharex=True, sharey=True)
    modes, largest = EIGENVALUES[budget], LARGEST[budget]
    spectrum, weights = power_law(ALPHA, modes), power(BETA, modes)
    fine = np.geomspace(8, largest, FINE[budget])
    coarse = np.unique(np.rint(np.geomspace(8, largest, COARSE[budget])).astype(int))
    norm = LogNorm(0.05, 3.0)
    levels = np.geomspace(0.05, 3.0, 13)
    shared: dict[str, Any] = {"norm": norm, "cmap": "viridis"}
    for column, tuned in enumerate((False, True)):
        theory = np.empty((fine.size, fine.size))
        for i, k in enumerate(fine):
            for j, n in enumerate(fine):
                found = solve_rf(spectrum, n, k, SMALL) if not tuned else best_rf(spectrum, n, k, weights, NOISE)
                theory[i, j] = found.test_risk(weights, NOISE)
        measured = np.empty((coarse.size, coarse.size))
        for i, k in enumerate(coarse):
            for j, n in enumerate(coarse):
                ridge = _ridge(spectrum, weights, n, k, tuned)
                # Small problems scatter more, and cost less.
                trials = TRIALS[budget] * max(1, 200 // min(n, k))
                measured[i, j] = _simulated(trials, 1, int(n), int(k), modes, ridge)["test"].mean()
        top, bottom = axes[:, column]
        mesh = top.pcolormesh(_edges(fine), _edges(fine), theory, **shared)
        bottom.pcolormesh(_edges(coarse), _edges(coarse), measured, **shared)
        for place in (top, bottom):
            place.contour(fine, fine, theory, levels=levels, colors="white", linewidths=0.6, alpha=0.8)
            place.plot([8, largest], [8, largest], color="white", lw=0.7, ls=":")
        top.set_title(rf"$\delta = 10^{{{np.log10(SMALL):.0f}}}$" if not tuned else r"best $\delta$")
        bottom.set(xlabel="samples $n$")
    axes[0, 0].set(xscale="log", yscale="log", ylabel="features $k$ (theory)")
    axes[1, 0].set(ylabel="features $k$ (simulation, theory's contours)")
    for place in axes.ravel():
        place.set(xlim=(8, largest), ylim=(8, largest))
    bar = figure.colorbar(mesh, ax=axes, shrink=0.7)
    bar.set_label(r"test error (noise $\sigma^2 = 0.02$ included)")
    figure.suptitle(rf"$\lambda_i = i^{{-1.5}}$, $v_i^2 = i^{{-2}}$, {modes} eigenvalues", fontsize=10)
    return figure


def slices(budget: str = "quick") -> Figure:
    """Test and training error against the number of features at one number of samples, and the other way round."""
    figure = Figure(figsize=(9.6, 4.0), layout="constrained")
    modes, fixed = EIGENVALUES[budget], 80
    spectrum, weights = power_law(ALPHA, modes), power(BETA, modes)
    line = np.unique(np.concatenate([np.geomspace(8, 600, 90), np.linspace(0.8, 1.25, 46) * fixed]))
    points = [10, 20, 40, 60, 80, 110, 160, 320]
    kinds = [("C3", SMALL, r"$\delta = 10^{-5}$"), ("C1", 0.05, r"$\delta = 0.05$"), ("C0", None, r"best $\delta$")]
    for axes, by_features in zip(figure.subplots(1, 2, sharey=True), (True, False)):
        for colour, ridge, label in kinds:

            def solved(x: float, by_features: bool = by_features, ridge: float | None = ridge) -> Any:
                n, k = (fixed, x) if by_features else (x, fixed)
                return solve_rf(spectrum, n, k, ridge) if ridge else best_rf(spectrum, n, k, weights, NOISE)

            curve = [solved(x) for x in line]
            axes.loglog(line, [c.test_risk(weights, NOISE) for c in curve], color=colour, lw=1.2)
            axes.loglog(line, [c.train_error(weights, NOISE) for c in curve], color=colour, lw=0.9, ls="--")
            for seed, x in enumerate(points):
                n, k = (fixed, x) if by_features else (x, fixed)
                drawn = _simulated(4 * TRIALS[budget], seed, n, k, modes, solved(x).ridge)
                for name, face in (("test", colour), ("train", "white")):
                    error = drawn[name].std(ddof=1) / np.sqrt(len(drawn[name]))
                    axes.errorbar(x, drawn[name].mean(), error, fmt="o", ms=3.8, color=colour, mfc=face, lw=0.9,
                                  label=label if x == points[0] and name == "test" else None)  # fmt: skip
        axes.axvline(fixed, color="0.7", lw=0.7, ls=":")
        other = f"$n = {fixed}$ samples" if by_features else f"$k = {fixed}$ features"
        axes.set(xlabel="features $k$" if by_features else "samples $n$", title=other)
    figure.axes[0].set(ylabel="mean squared error", ylim=(3e-5, 10.0))
    figure.axes[0].legend(frameon=False, fontsize=8, loc="lower left")
    right = figure.axes[1]
    right.text(0.97, 0.05, "solid, filled: test (noise included)\ndashed, open: training", fontsize=8, ha="right",
               transform=right.transAxes)  # fmt: skip
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {
    "rf-risk-map": maps,
    "rf-slices": slices,
}
