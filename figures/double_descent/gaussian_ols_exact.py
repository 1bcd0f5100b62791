"""Double descent at finite size: exact test errors of minimum-norm least squares, and simulation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from theorylab.registry import claim

THEORY = "double_descent/gaussian-ols-exact"
COLOURS = ("#b2182b", "#2166ac", "#1b7837")
# Risks within this distance of the threshold have no fourth moment: a sample says little about their mean.
QUIET = 8


def _sizes(n: int, most: int, count: int) -> np.ndarray:
    """About `count` numbers of features from 1 to `most`, evenly spaced on a logarithmic axis."""
    p = np.unique(np.round(np.geomspace(1, most, count)).astype(int))
    return np.asarray(p[np.abs(p - n) >= QUIET])


def _error_bars(samples: np.ndarray) -> tuple[float, float]:
    """Mean and half a 95 % interval."""
    return float(samples.mean()), 1.96 * float(samples.std(ddof=1)) / np.sqrt(len(samples))


def risk_against_features(budget: str = "quick") -> Figure:
    """Test error against p at fixed n for three signal-to-noise ratios, from one feature to 10 n."""
    trials, n, count = {"quick": (400, 30, 22), "standard": (10_000, 30, 30), "paper": (10_000, 100, 40)}[budget]
    risk = claim(f"{THEORY}/excess-risk")
    figure = Figure(figsize=(5.2, 3.6), layout="constrained")
    axes = figure.add_subplot()
    sides = (np.arange(1, n - 1), np.arange(n + 2, 10 * n + 1))
    for snr, colour in zip((0.5, 2.0, 10.0), COLOURS):
        sigma2 = 1.0 / snr
        for p in sides:
            axes.plot(p, risk.predict(n=n, p=p, sigma2=sigma2, r2=1.0) + sigma2, color=colour, lw=1.3)
        points = _sizes(n, 10 * n, count)
        drawn = [risk.simulate(trials, n=n, p=int(p), sigma2=sigma2, r2=1.0)["excess"] + sigma2 for p in points]
        mean, half = np.transpose([_error_bars(sample) for sample in drawn])
        axes.errorbar(points, mean, half, fmt="o", ms=3, lw=1, color=colour, label=f"{snr:g}")
        axes.axhline(1.0 + sigma2, color=colour, lw=0.7, ls=(0, (1, 2)))
        if snr > 1:
            best = n * float(claim(f"{THEORY}/best-overparametrization").predict(snr=snr))
            lowest = float(claim(f"{THEORY}/smallest-interpolating-risk").predict(snr=snr, sigma2=sigma2))
            axes.plot(best, lowest + sigma2, marker="v", ms=6, mfc="none", color=colour)
    axes.axvline(n, color="0.5", lw=0.8, ls="--")
    axes.set(xscale="log", yscale="log", xlim=(0.93, 10.7 * n), ylim=(0.05, 60))
    axes.set_xlabel(f"features $p$ (samples $n = {n}$)")
    axes.set_ylabel(r"mean test error $\mathbb{E}\,(y - x^\top\hat\beta)^2$, $\|\beta\|^2 = 1$")
    ratios = axes.get_legend_handles_labels()[0][-3:]
    axes.add_artist(axes.legend(handles=ratios, title=r"$\|\beta\|^2/\sigma^2$", frameon=False, loc="upper left"))
    meanings = [
        Line2D([], [], color="0.3", lw=1.3, label="exact mean"),
        Line2D([], [], color="0.3", marker="o", ms=3, ls="", label=f"{trials:,} simulations, 95 %"),
        Line2D([], [], color="0.3", lw=0.7, ls=(0, (1, 2)), label=r"$\hat\beta = 0$"),
        Line2D([], [], color="0.3", marker="v", ms=6, mfc="none", ls="", label="minimum of the limit"),
        Line2D([], [], color="0.5", lw=0.8, ls="--", label="$p = n$"),
    ]
    axes.legend(handles=meanings, frameon=False, loc="lower right", fontsize=8)
    return figure


def hidden_features(budget: str = "quick") -> Figure:
    """Test error against the number of features fitted out of D, taken in three orders."""
    trials, count = {"quick": (400, 20), "standard": (10_000, 26), "paper": (100_000, 34)}[budget]
    n, D, decay, sigma2 = 40, 100, 1.0, 0.05
    figure = Figure(figsize=(5.2, 3.6), layout="constrained")
    axes = figure.add_subplot()
    first, random = claim(f"{THEORY}/hidden-features"), claim(f"{THEORY}/random-features")
    fixed: dict[str, Any] = {"n": n, "D": D, "sigma2": sigma2, "r2": 1.0}
    points = np.unique(np.round(np.linspace(1, D, count)).astype(int))
    points = points[np.abs(points - n) >= QUIET]
    orders = [
        (first, {**fixed, "decay": decay}, "strongest first"),
        (random, fixed, "at random"),
        (first, {**fixed, "decay": -decay}, "weakest first"),
    ]
    for (order, at, label), colour in zip(orders, COLOURS):
        for p in (np.arange(1, n - 1), np.arange(n + 2, D + 1)):
            axes.plot(p, order.predict(p=p, **at), color=colour, lw=1.3)
        drawn = [order.simulate(trials, p=int(p), **{"decay": decay, **at})["test"] for p in points]
        mean, half = np.transpose([_error_bars(sample) for sample in drawn])
        axes.errorbar(points, mean, half, fmt="o", ms=3, lw=1, color=colour, label=label)
    axes.axvline(n, color="0.5", lw=0.8, ls="--")
    axes.set(yscale="log", xlim=(0, D + 1), ylim=(0.05, 30))
    axes.set_xlabel(f"features fitted $p$, of $D = {D}$ (samples $n = {n}$)")
    axes.set_ylabel(r"mean test error $\mathbb{E}\,(y - x_T^\top\hat\beta_T)^2$, $\|\beta\|^2 = 1$")
    title = rf"$\beta_i \propto i^{{\mp {decay:g}}}$, $\sigma^2 = {sigma2}$"
    axes.legend(frameon=False, loc="upper right", title=title)
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {
    "gaussian-ols-exact-risk": risk_against_features,
    "gaussian-ols-exact-hidden-features": hidden_features,
}
