"""When fitting is obligatory: the best training error over spectra, targets and noise, and what it costs to miss it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from theorylab.registry import claim

THEORY = "double_descent/more-is-better-powerlaw"
COLOURS = ("#2166ac", "#1b7837", "#b2182b", "#762a83")
PIXELS = {"quick": 24, "standard": 60, "paper": 160}
TRIALS = {"quick": (24, 64, 7), "standard": (200, 128, 10), "paper": (200, 200, 15)}


def map_of_ratios(budget: str = "quick") -> Figure:
    """The best ratio over target exponent and noise, for three spectra."""
    best, threshold = claim(f"{THEORY}/best-ratio"), claim(f"{THEORY}/interpolation-threshold")
    count = PIXELS[budget]
    figure = Figure(figsize=(9.0, 3.1), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    noise = np.linspace(0.0, 5.0, count)
    shown: Any = None
    for axes, alpha in zip(panels, (1.2, 1.5, 2.0)):
        beta = np.linspace(1.0, 2.0 * alpha, count + 1)[1:]
        values = best.predict(alpha=alpha, beta=beta[None, :], s=noise[:, None])
        shown = axes.pcolormesh(beta, noise, values, vmin=0.0, vmax=0.8, cmap="viridis", rasterized=True)
        lines = axes.contour(beta, noise, values, levels=[0.05, 0.1, 0.2, 0.4, 0.6], colors="w", linewidths=0.7)
        axes.clabel(lines, fontsize=7)
        smooth = np.linspace(alpha, 2.0 * alpha, 100)[1:]
        axes.plot(smooth, threshold.predict(alpha=alpha, beta=smooth), color="#ff7043", lw=1.6)
        axes.set(xlabel=r"target exponent $\beta$", ylim=(0.0, 5.0), xlim=(beta[0], beta[-1]))
        axes.set_title(rf"spectrum $i^{{-{alpha:g}}}$", fontsize=9)
    panels[0].set_ylabel(r"relative noise $s$")
    figure.colorbar(shown, ax=panels, label=r"best ratio $R^* = E_{tr}/E_{te}$ (below the line 0)")
    return figure


def cost_of_ratio(budget: str = "quick") -> Figure:
    """Test error over its least against the ratio of training to test error."""
    cost, best = claim(f"{THEORY}/cost-of-underfitting"), claim(f"{THEORY}/best-ratio")
    points = {"quick": 100, "standard": 200, "paper": 400}[budget]
    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    axes = figure.add_subplot()
    ratio = np.linspace(0.0, 0.985, points) ** 2
    cases = ((1.3, 1.2, 0.0), (1.3, 1.2, 1.0), (1.6, 1.6, 0.3), (2.0, 2.4, 0.1))
    for (alpha, beta, s), colour in zip(cases, COLOURS):
        at = {"alpha": alpha, "beta": beta, "s": s}
        label = rf"$\alpha = {alpha:g}$, $\beta = {beta:g}$, $s = {s:g}$"
        axes.plot(ratio, cost.predict(**at, R=ratio), color=colour, lw=1.4, label=label)
        axes.plot(best.predict(**at), 1.0, "v", color=colour, ms=7, mfc="w", clip_on=False, zorder=3)
    axes.set(
        ylim=(0.99, 2.0), xlim=(-0.01, 0.95), xlabel=r"training over test error $R$", ylabel="test error over its least"
    )
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def errors_against_ridge(budget: str = "quick") -> Figure:
    """Training and test error against the ridge: limit and simulation, rough and smooth target."""
    test, train = claim(f"{THEORY}/test-error"), claim(f"{THEORY}/training-error")
    optimum = claim(f"{THEORY}/best-ridge")
    trials, n, count = TRIALS[budget]
    figure = Figure(figsize=(8.2, 3.3), layout="constrained")
    ridges, dots = np.geomspace(0.01, 100.0, 120), np.geomspace(0.01, 100.0, count)
    for axes, beta in zip(figure.subplots(1, 2), (1.6, 2.4)):
        at: dict[str, Any] = {"alpha": 2.0, "beta": beta, "nu": 0.5}
        for which, name, colour, label in (
            (test, "test", COLOURS[0], "test"),
            (train, "train", COLOURS[2], "training"),
        ):
            axes.plot(ridges, which.predict(**at, h=ridges), color=colour, lw=1.4, label=f"{label}, limit")
            drawn = [test.simulate(trials, **at, n=n, ratio=8.0, h=float(h))[name] for h in dots]
            mean = [float(x.mean()) for x in drawn]
            half = [1.96 * float(x.std(ddof=1)) / np.sqrt(trials) for x in drawn]
            axes.errorbar(dots, mean, half, fmt="o", ms=3.5, lw=1, color=colour, label=f"{label}, $n = {n}$")
        axes.axvline(float(optimum.predict(**at)), color="0.4", lw=0.9, ls="--", label="best ridge")
        axes.set(xscale="log", yscale="log", xlabel=r"ridge $\delta\, n^{\alpha - 1}$", ylim=(3e-4, None))
        axes.set_title(rf"$\alpha = 2$, $\beta = {beta:g}$, $\sigma^2 = n^{{1-\beta}}/2$", fontsize=9)
    figure.axes[0].set_ylabel(r"$n^{\beta - 1}$ times mean squared error")
    figure.axes[0].legend(frameon=False, fontsize=8)
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {
    "more-is-better-powerlaw-ratio": map_of_ratios,
    "more-is-better-powerlaw-cost": cost_of_ratio,
    "more-is-better-powerlaw-ridge": errors_against_ridge,
}
