"""Forgetting against the similarity of two tasks: exact at twenty parameters, in the limit, and where it peaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from theorylab.registry import claim

THEORY = "double_descent/continual-two-task-rotation"
P = 20
ROOM = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95)
TRIALS = {"quick": 400, "standard": 4_000, "paper": 100_000}
PIXELS = {"quick": 40, "standard": 96, "paper": 192}


def _colour(beta: float) -> Any:
    return colormaps["viridis"](0.92 * (1.0 - beta))


def similarity(budget: str = "quick") -> Figure:
    """Forgetting against dissimilarity: at twenty parameters with simulations, and as their number grows."""
    finite, limit = claim(f"{THEORY}/forgetting"), claim(f"{THEORY}/limit")
    figure = Figure(figsize=(8.6, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    alpha, m = np.linspace(0.0, 1.0, 101), np.arange(2, P + 1)
    dots = np.array([2, 4, 7, 10, 13, 16, 20])
    for beta in ROOM:
        d = round((1.0 - beta) * P)
        left.plot(m / P, finite.predict(p=P, d=d, m=m), color=_colour(beta), lw=1.3)
        drawn = [finite.simulate(TRIALS[budget], p=P, d=d, m=int(turned))["loss"] for turned in dots]
        mean = [float(x.mean()) for x in drawn]
        half = [1.96 * float(x.std(ddof=1)) / np.sqrt(x.size) for x in drawn]
        left.errorbar(dots / P, mean, half, fmt="o", ms=3, lw=1, color=_colour(beta))
        right.plot(alpha, limit.predict(alpha=alpha, beta=beta), color=_colour(beta), lw=1.3, label=f"{beta:g}")
    right.plot(alpha, limit.predict(alpha=alpha, beta=1.0), color="0.2", lw=1.3, ls="--", label="1")
    left.set(xlabel=f"dissimilarity $m/p$, $p = {P}$", yscale="log", ylim=(2e-3, 3.0), xlim=(0.0, 1.03))
    left.set_ylabel(r"mean forgetting $\mathbb{E}\,\|X w_2 - y\|^2$, $\|w_1\| = 1$")
    left.set_title(f"exact, and {TRIALS[budget]:,} rotations each", fontsize=9)
    right.set(xlabel=r"dissimilarity $\alpha = m/p$, $p \to \infty$", xlim=(0.0, 1.03))
    right.set_title("limit", fontsize=9)
    right.legend(title=r"$\beta = 1 - d/p$", frameon=False, fontsize=8, ncols=2, loc="lower center")
    return figure


def map_of_forgetting(budget: str = "quick") -> Figure:
    """Limiting forgetting over dissimilarity and overparametrization, relative to an unrelated task."""
    limit = claim(f"{THEORY}/limit")
    monotone, peak = (float(claim(f"{THEORY}/{name}").predict()) for name in ("monotone", "peak"))
    count = PIXELS[budget]
    alpha = np.linspace(0.0, 1.0, count)
    room = 1.0 - np.geomspace(1.0, 0.01, count)
    values = limit.predict(alpha=alpha[None, :], beta=room[:, None])
    figure = Figure(figsize=(5.2, 3.9), layout="constrained")
    axes = figure.add_subplot()
    shown = axes.pcolormesh(alpha, 1.0 - room, np.log10(np.maximum(values, 1e-4)), cmap="magma", rasterized=True)
    figure.colorbar(shown, ax=axes, label=r"$\log_{10}$ limiting forgetting $F(\alpha, \beta)$")
    lines = axes.contour(
        alpha, 1.0 - room, values, levels=[0.01, 0.03, 0.06, 0.1, 0.3, 1.0], colors="w", linewidths=0.6
    )
    axes.clabel(lines, fontsize=7)
    fine, inside = np.linspace(0.45, 0.9, 226), np.linspace(monotone + 1e-4, 0.99, 24)
    rises = np.diff(limit.predict(alpha=fine[None, :], beta=inside[:, None]), axis=1) > 0.0
    axes.plot(
        fine[np.argmin(rises, axis=1)], 1.0 - inside, color="#4dd0e1", lw=1.6, label="peak below an unrelated task"
    )
    for level, style, label in (
        (monotone, ":", rf"monotone in $\alpha$ to $\beta = {monotone:.4f}$"),
        (peak, "--", rf"peak above $F(1)$ from $\beta = {peak:.4f}$"),
    ):
        axes.axhline(1.0 - level, color="#4dd0e1", lw=1, ls=style, label=label)
    axes.set(yscale="log", xlabel=r"dissimilarity $\alpha = m/p$", ylabel=r"samples per parameter $1 - \beta = d/p$")
    legend = axes.legend(fontsize=7, loc="upper left", framealpha=0.35, facecolor="k", edgecolor="none")
    for text in legend.get_texts():
        text.set_color("w")
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {
    "continual-two-task-rotation": similarity,
    "continual-two-task-rotation-map": map_of_forgetting,
}
