"""Largest stable learning rate against batch size: one batch (SGD, Adam-type) and SGD with fresh batches."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from theorylab.derivations.random_matrix import granziol_learning_rate as theory
from theorylab.derivations.random_matrix import granziol_learning_rate_stability as stability
from theorylab.kernels.random import Stream
from theorylab.sims.random_matrix.bidiagonal import spiked_top
from theorylab.sims.random_matrix.sgd_quadratic import fresh_batch_growth

P, THETA, SIGMA = 200, 5.0, 1.0
# Batches, runs and steps of the measured boundary.
EFFORT = {"quick": (100, 32, 40), "standard": (1000, 200, 100), "paper": (5000, 500, 200)}


def top(B: np.ndarray) -> np.ndarray:
    """Predicted largest eigenvalue of a batch: the outlier where there is one, else the edge."""
    r = P / B
    visible = SIGMA**2 * (1 + np.sqrt(r)) < THETA
    outlier = THETA * (1 + r * SIGMA**2 / (THETA - SIGMA**2))
    edge = 2.0 / theory.isotropic_rate(r=r, sigma=SIGMA)
    return np.where(visible, outlier, edge)


def divergence(B: int, runs: int, steps: int, rng: Stream) -> tuple[float, float]:
    """Learning rate at which the mean growth of log|w| changes sign, and its standard error."""
    centre = float(stability.spiked_threshold(P=P, B=B, theta=THETA, sigma=SIGMA))
    rates = centre * np.array([0.9, 1.0, 1.1, 1.25, 1.45])
    growth = [
        fresh_batch_growth(runs, rng, P=P, B=B, theta=THETA, sigma=SIGMA, eta=float(eta), steps=steps)["value"]
        for eta in rates
    ]
    mean = np.array([g.mean() for g in growth])
    i = min(max(int(np.argmax(mean > 0)) - 1, 0), len(rates) - 2)
    slope = (mean[i + 1] - mean[i]) / (rates[i + 1] - rates[i])
    return float(rates[i] - mean[i] / slope), float(growth[i].std() / np.sqrt(runs) / slope)


def maximal_rates(budget: str = "quick") -> Figure:
    """Learning-rate limits against B with their slopes 1 and 1/2, their saturation, and where SGD really diverges."""
    batches, runs, steps = EFFORT[budget]
    rng = Stream.from_seed(0)
    figure = Figure(figsize=(6.4, 4.6), layout="constrained")
    axes = figure.add_subplot()
    B = np.geomspace(1, 2000, 200)
    axes.loglog(B, 2 / top(B), color="C0", label=r"SGD, one batch: $2/\lambda_1'$")
    axes.loglog(B, 2 / np.sqrt(top(B)), color="C1", label=r"Adam-type, one batch: $2/\sqrt{\lambda_1'}$")
    whole = np.unique(np.rint(B))
    threshold = stability.spiked_threshold(P=P, B=whole, theta=THETA, sigma=SIGMA)
    axes.loglog(whole, threshold, color="C2", label=r"SGD, fresh batches, mean square: $\eta_c$")
    for size in (1, 3, 10, 30, 100, 300, 1000):
        values = spiked_top(batches, rng, P=P, B=size, theta=THETA, sigma=SIGMA)["eigenvalue"]
        for colour, rates in (("C0", 2 / values), ("C1", 2 / np.sqrt(values))):
            error = rates.std() / np.sqrt(batches)
            axes.errorbar(size, rates.mean(), error, fmt="o", color=colour, markersize=4, capsize=2)
    for n, size in enumerate((1, 2, 5, 12, 30, 60)):
        found, error = divergence(size, runs, steps, rng)
        label = "SGD, fresh batches, measured divergence" if n == 0 else None
        axes.errorbar(size, found, error, fmt="s", color="C3", markersize=4, capsize=2, label=label)
    guide = np.array([1.0, 2.5])
    axes.loglog(guide, 0.004 * guide, "k--", linewidth=0.8)
    axes.text(2.7, 0.0095, "slope 1", fontsize=8)
    axes.loglog(guide, 0.07 * guide**0.5, "k:", linewidth=0.8)
    axes.text(2.7, 0.105, "slope 1/2", fontsize=8)
    axes.set_xlabel(rf"batch size $B$ ($P = {P}$, $\theta = {THETA:g}$, $\sigma = {SIGMA:g}$)")
    axes.set_ylabel(r"largest stable learning rate (loss $\frac{1}{2} w^T H w$)")
    axes.legend(fontsize=8, loc="lower right")
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {"granziol-learning-rate-batch-size": maximal_rates}
