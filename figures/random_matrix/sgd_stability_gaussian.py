"""SGD with fresh Gaussian batches: threshold against batch size, and what grows beyond it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import brentq

from theorylab.derivations.random_matrix import sgd_stability_gaussian as theory
from theorylab.kernels.random import Stream
from theorylab.sims.random_matrix import sgd_moments

SPECTRUM = np.array([0.1, 0.3, 0.6, 1.2, 2.0])
# Samples of a point, and runs of the growth of logarithms.
EFFORT = {"quick": (2000, 2000), "standard": (20_000, 20_000), "paper": (200_000, 100_000)}


def measured(B: int, samples: int, rng: Stream) -> tuple[float, float]:
    """Learning rate at which det(I - K) changes sign, K measured column by column, and its standard error."""
    centre = float(theory.threshold(spectrum=SPECTRUM, B=B))
    rates = centre * np.array([0.97, 1.03])
    # Large batches scatter less.
    samples = max(samples // max(B // 4, 1), 200)
    orders = [
        sgd_moments.moment_order(samples, rng, spectrum=SPECTRUM, B=B, eta=float(eta), runs=32)["value"]
        for eta in rates
    ]
    mean = np.array([order.mean() for order in orders])
    slope = (mean[1] - mean[0]) / (rates[1] - rates[0])
    error = np.hypot(*(order.std() / np.sqrt(samples) for order in orders)) / 2.0 / slope
    return float(rates.mean() - mean.mean() / slope), float(error)


def thresholds(budget: str = "quick") -> Figure:
    """eta_c against B between its two asymptotes, with the measured change of sign."""
    samples, runs = EFFORT[budget]
    rng = Stream.from_seed(1)
    figure = Figure(figsize=(5.4, 4.0), layout="constrained")
    axes = figure.subplots()
    B = np.unique(np.rint(np.geomspace(1, 256, 60)))
    top, trace = SPECTRUM.max(), SPECTRUM.sum()
    exact = [float(theory.threshold(spectrum=SPECTRUM, B=b)) for b in B]
    axes.loglog(B, exact, "k", label=r"mean square, $\eta_c$")
    axes.loglog(B, 2.0 * B / trace, "C0--", lw=1.0, label=r"$2B/\mathrm{tr}\,\Sigma$")
    axes.axhline(2.0 / top, color="C1", ls="--", lw=1.0, label=r"$2/\lambda_{\max}$")
    axes.loglog(B, 2.0 / (top * (1.0 + (trace / top + 1.0) / B)), color="0.6", lw=0.9, label="lower bound")
    for n, b in enumerate((1, 2, 4, 8, 16, 64, 256)):
        found, error = measured(b, samples, rng)
        label = r"measured, $\det(I - K) = 0$" if n == 0 else None
        axes.errorbar(b, found, error, fmt="o", ms=4, color="k", capsize=2, label=label)
    for n, b in enumerate((1, 2, 4, 8, 16, 64)):
        label = r"measured, $\mathbb{E} \log|\theta|^2$ grows" if n == 0 else None
        axes.plot(b, typical(b, runs // 4, rng), "s", ms=4, color="C3", mfc="none", label=label)
    axes.axvline(trace / top, color="0.8", lw=0.8)
    axes.text(1.05 * trace / top, 0.22, r"$B = \mathrm{tr}\,\Sigma/\lambda_{\max}$", fontsize=8)
    axes.set(xlabel="batch size $B$", ylabel=r"learning rate $\eta$ (loss $\frac{1}{2} (x \cdot \theta)^2$)")
    axes.set_ylim(0.18, 2.2)
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    return figure


def growth(B: int, eta: float, runs: int, rng: Stream) -> np.ndarray:
    """Growth of log|theta|^2 a step of each run, the first steps left out."""
    times = np.array([8, 24])
    logs = sgd_moments.logarithms(runs, rng, spectrum=SPECTRUM, B=B, eta=eta, times=times)["value"]
    rates: np.ndarray = (logs[:, 1] - logs[:, 0]) / 16.0
    return rates


def typical(B: int, runs: int, rng: Stream) -> float:
    """Learning rate at which the mean growth of log|theta|^2 changes sign, by the same random numbers throughout."""
    critical = float(theory.threshold(spectrum=SPECTRUM, B=B))
    key = rng.key

    def mean(eta: float) -> float:
        return float(growth(B, eta, runs, Stream(key, rng.backend)).mean())

    return float(brentq(mean, 0.7 * critical, 4.0 * critical, xtol=0.01 * critical))


def growth_rates(budget: str = "quick") -> Figure:
    """Growth a step of log E|theta|^2, exact, and of E log|theta|^2, measured, for learning rates around eta_c."""
    _, runs = EFFORT[budget]
    rng = Stream.from_seed(2)
    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for colour, B in (("C0", 1), ("C1", 2), ("C2", 8)):
        critical = float(theory.threshold(spectrum=SPECTRUM, B=B))
        ratio = np.linspace(0.1, 2.2, 80)
        square = [np.log(np.linalg.eigvalsh(theory.update(SPECTRUM, float(B), c * critical))[-1]) for c in ratio]
        left.plot(ratio, square, color=colour, label=f"$B = {B}$")
        for c in np.linspace(0.2, 2.2, 9):
            found = growth(B, c * critical, runs, rng)
            error = found.std() / np.sqrt(runs)
            left.errorbar(c, found.mean(), error, fmt="o", ms=3, color=colour, capsize=2)
    left.axhline(0.0, color="0.7", lw=0.8)
    left.axvline(1.0, color="0.7", lw=0.8)
    left.set(xlabel=r"$\eta/\eta_c$", ylabel="growth a step", ylim=(-0.3, 0.8))
    left.set_title(r"$\log \mathbb{E}|\theta|^2$ (lines), $\mathbb{E} \log|\theta|^2$ (points, late steps)", fontsize=9)
    left.legend(frameon=False, fontsize=8)
    B, times = 2, np.arange(0, 61, 4)
    critical = float(theory.threshold(spectrum=SPECTRUM, B=B))
    for colour, c in (("C0", 0.7), ("C1", 1.25), ("C3", 1.7)):
        logs = sgd_moments.logarithms(runs, rng, spectrum=SPECTRUM, B=B, eta=c * critical, times=times)["value"]
        low, middle, high = np.quantile(logs, [0.05, 0.5, 0.95], axis=0) / np.log(10.0)
        exact = [float(np.log10(theory.march(SPECTRUM, B, c * critical, 0.0, t)[0].sum())) for t in times]
        right.plot(times, exact, color=colour, label=rf"$\eta = {c:g}\,\eta_c$")
        right.plot(times, middle, color=colour, ls="--", lw=1.0)
        right.fill_between(times, low, high, color=colour, alpha=0.15, lw=0)
    right.set(xlabel="steps", ylabel=r"$\log_{10} |\theta|^2$")
    right.set_title(f"$B = {B}$: mean square (solid), median of runs and 90 % of them", fontsize=9)
    right.legend(frameon=False, fontsize=8, loc="upper left")
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {
    "sgd-stability-thresholds": thresholds,
    "sgd-stability-growth": growth_rates,
}
