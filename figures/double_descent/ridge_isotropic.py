"""Ridge regression with isotropic features: how the ridge removes the peak, and what the training error says of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from theorylab.registry import claim

THEORY = "double_descent/ridge-isotropic"
RIDGES = ((0.0, "#67001f"), (0.01, "#d6604d"), (0.1, "#e08214"), (1.0, "#4393c3"))
BEST = "#1b7837"
NOISE = 0.5
# Without ridge a design this near to square has a risk with hardly a mean.
NEAR = 0.2
SIZES: dict[str, tuple[int, int, int]] = {"quick": (16, 128, 13), "standard": (32, 256, 17), "paper": (50, 1024, 40)}


def _ratios(n: int, count: int) -> np.ndarray:
    """Features per sample from 0.1 to 10, in n-ths."""
    return np.asarray(np.unique(np.maximum(1, np.round(n * np.geomspace(0.1, 10.0, count)))) / n)


def _bars(samples: np.ndarray) -> tuple[float, float]:
    """Mean and half a 95 % interval."""
    return float(samples.mean()), 1.96 * float(samples.std(ddof=1)) / np.sqrt(len(samples))


def _points(axes: Any, x: Any, drawn: list[np.ndarray], colour: str, **style: Any) -> None:
    mean, half = np.transpose([_bars(sample) for sample in drawn])
    axes.errorbar(x, mean, half, **{"fmt": "o", "ms": 3.2, "lw": 1, "color": colour, **style})


def risk_against_ratio(budget: str = "quick") -> Figure:
    """Excess risk against features per sample without ridge, at three ridges, and at the best."""
    designs, n, count = SIZES[budget]
    risk, best = claim(f"{THEORY}/excess-risk"), claim(f"{THEORY}/best-excess-risk")
    fixed: dict[str, Any] = {"sigma2": NOISE, "r2": 1.0}
    figure = Figure(figsize=(5.4, 3.7), layout="constrained")
    axes = figure.add_subplot()
    ratios = _ratios(n, count)
    # The peak is narrow: the line's points gather there.
    side = np.concatenate([np.geomspace(1e-5, 0.1, 120), np.geomspace(0.11, 0.9, 60)])
    below, above = 1.0 - side[::-1], np.concatenate([1.0 + side, np.geomspace(1.95, 10.0, 80)])
    for lam, colour in RIDGES:
        for gamma in (below, above):
            axes.plot(gamma, risk.predict(gamma=gamma, lam=lam, **fixed), color=colour, lw=1.4)
        at = ratios if lam else ratios[np.abs(ratios - 1.0) > NEAR]
        drawn = [risk.simulate(designs, n=n, gamma=float(g), lam=lam, **fixed)["excess"] for g in at]
        _points(axes, at, drawn, colour)
    gamma = np.geomspace(0.1, 10.0, 200)
    axes.plot(gamma, best.predict(gamma=gamma, **fixed), color=BEST, lw=1.8)
    drawn = [best.simulate(designs, n=n, gamma=float(g), **fixed)["excess"] for g in ratios]
    _points(axes, ratios, drawn, BEST, fmt="s")
    axes.axhline(1.0, color="0.4", lw=0.8, ls=(0, (1, 2)))
    axes.axvline(1.0, color="0.6", lw=0.8, ls="--")
    axes.set(xscale="log", yscale="log", xlim=(0.093, 10.8), ylim=(0.04, 30.0))
    axes.set_xlabel(r"features per sample $\gamma = p/n$")
    axes.set_ylabel(r"excess risk $\mathbb{E}\,\|\hat\beta - \beta\|^2$, $\|\beta\|^2 = 1$, $\sigma^2 = 1/2$")
    lines = [Line2D([], [], color=colour, lw=1.4, label=rf"$\lambda = {lam:g}$") for lam, colour in RIDGES]
    lines.append(Line2D([], [], color=BEST, lw=1.8, label=r"$\lambda^* = \sigma^2\gamma/\|\beta\|^2$"))
    axes.add_artist(axes.legend(handles=lines, frameon=False, loc="upper left", fontsize=8.5))
    meanings = [
        Line2D([], [], color="0.3", lw=1.4, label="limit"),
        Line2D([], [], color="0.3", marker="o", ms=3.2, ls="", label=f"$n = {n}$, {designs} designs, 95 %"),
        Line2D([], [], color="0.3", marker="s", ms=3.2, ls="", label="same, best ridge searched"),
        Line2D([], [], color="0.4", lw=0.8, ls=(0, (1, 2)), label=r"$\hat\beta = 0$"),
    ]
    axes.legend(handles=meanings, frameon=False, loc="upper right", fontsize=8)
    return figure


def errors_against_ridge(budget: str = "quick") -> Figure:
    """Test error, training error and generalized cross-validation against the ridge, below and above the threshold."""
    designs, n, _ = SIZES[budget]
    test, train = claim(f"{THEORY}/generalized-cross-validation"), claim(f"{THEORY}/training-error")
    ridge = claim(f"{THEORY}/best-ridge")
    figure = Figure(figsize=(6.6, 3.5), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    lines, ladder = np.geomspace(1e-3, 30.0, 200), np.geomspace(2e-3, 20.0, 9)
    for axes, gamma in zip(panels, (0.75, 2.0)):
        at: dict[str, Any] = {"gamma": gamma, "sigma2": NOISE, "r2": 1.0}
        axes.plot(lines, test.predict(lam=lines, **at), color="#b2182b", lw=1.4, label="test error")
        axes.plot(lines, train.predict(lam=lines, **at), color="#2166ac", lw=1.4, label="training error")
        drawn = [test.simulate(designs, n=n, lam=float(lam), **at) for lam in ladder]
        simulated = [d["excess"] + NOISE for d in drawn]
        _points(axes, ladder, simulated, "#b2182b", ms=4)
        _points(axes, ladder, [d["train"] for d in drawn], "#2166ac", ms=4)
        _points(axes, ladder, [d["gcv"] for d in drawn], "black", fmt="x", ms=6, label="cross-validation (GCV)")
        best = float(ridge.predict(**at))
        axes.axvline(best, color=BEST, lw=1, ls="--", label=r"$\lambda^* = \sigma^2\gamma/\|\beta\|^2$")
        axes.set(xscale="log", xlim=(1e-3, 30.0), ylim=(0.0, 2.1), xlabel=r"ridge $\lambda$")
        axes.set_title(rf"$\gamma = p/n = {gamma:g}$", fontsize=10)
    panels[0].set_ylabel(r"mean squared error, $\|\beta\|^2 = 1$, $\sigma^2 = 1/2$")
    handles, labels = panels[0].get_legend_handles_labels()
    handles.append(Line2D([], [], color="0.3", marker="o", ms=4, ls=""))
    labels.append(f"$n = {n}$, {designs} designs, 95 %")
    figure.legend(handles, labels, frameon=False, loc="outside upper center", ncols=3, fontsize=8.5)
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {
    "ridge-isotropic-risk": risk_against_ratio,
    "ridge-isotropic-errors": errors_against_ridge,
}
