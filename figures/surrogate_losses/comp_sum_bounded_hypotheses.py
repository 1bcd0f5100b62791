"""Least surrogate regret with bounded scores: two classes, and many, which do not see small zero-one regrets."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from theorylab.derivations.surrogate_losses import comp_sum_bounded_hypotheses as theory
from theorylab.derivations.surrogate_losses import comp_sum_sharp
from theorylab.kernels.random import Stream
from theorylab.sims.surrogate_losses.bounded_scores import bounded_search

# From tight bounds to none.
BOUNDS = {0.25: "#2166ac", 0.5: "#67a9cf", 1.0: "#ef8a62", 2.0: "#b2182b"}
TAUS = {0.0: r"$\tau = 0$, sum-exponential", 1.0: r"$\tau = 1$, cross-entropy"}
MANY = 10
# Label distributions of a search, and vertices shown.
EFFORT = {"quick": 1 << 11, "standard": 1 << 15, "paper": 10 << 17}
SHOWN = 12


def _found(axes: Axes, tau: float, n: int, bound: float, colour: str, searched: int) -> None:
    """Vertices of the hull of the points searched, evenly along it."""
    hull = bounded_search(searched, Stream.from_seed(0), tau=tau, n=n, score_bound=bound)
    x, y = hull["x"], hull["y"]
    way = np.cumsum(np.hypot(np.diff(x, prepend=0.0), np.diff(y, prepend=0.0)))
    some = np.unique(np.searchsorted(way, np.linspace(way[0], way[-1], SHOWN)))
    axes.plot(x[some], y[some], "o", ms=3.5, mfc="w", mew=0.9, color=colour, zorder=3, clip_on=False)


def _panel(axes: Axes, tau: float, n: int, searched: int) -> None:
    beta = np.linspace(0.0, 1.0, 401)
    axes.plot(beta, comp_sum_sharp.binary_transform(tau=tau, beta=beta), color="0.25", lw=1.4)
    for bound, colour in BOUNDS.items():
        axes.plot(
            beta, theory.several_transform(tau=tau, n=n, score_bound=bound, beta=beta), color=colour, lw=1.4, zorder=2
        )
        _found(axes, tau, n, bound, colour, searched)
        if n == 2:
            at = float(theory.threshold(tau=tau, score_bound=bound))
            value = float(theory.transform(tau=tau, score_bound=bound, beta=at))
            axes.plot(at, value, "|", ms=11, mew=1.3, color=colour, zorder=4)
    axes.set(xlim=(0, 1), ylim=(0, 1.02 if tau == 0.0 else 0.71))
    axes.set_title(f"{TAUS[tau]}, $n = {n}$", fontsize=10)


def transforms(budget: str = "quick") -> Figure:
    """Transforms of two and of ten classes for four bounds on the scores and none, and the outermost points found."""
    figure = Figure(figsize=(8.0, 6.4), layout="constrained")
    for row, n in zip(figure.subplots(2, 2, sharex=True), (2, MANY)):
        for axes, tau in zip(row, TAUS):
            _panel(axes, tau, n, EFFORT[budget])
    marks = [
        *(Line2D([], [], color=colour, lw=1.4, label=rf"$\Lambda = {bound:g}$") for bound, colour in BOUNDS.items()),
        Line2D([], [], color="0.25", lw=1.4, label=r"$\Lambda = \infty$"),
        Line2D([], [], color="0.3", ls="", marker="o", ms=3.5, mfc="w", mew=0.9, label="outermost points found"),
        Line2D([], [], color="0.3", ls="", marker="|", ms=11, mew=1.3, label=r"$\beta_1 = \tanh((2-\tau)\Lambda)$"),
    ]
    figure.legend(handles=marks, loc="outside upper center", ncols=7, frameon=False, fontsize=8.5, columnspacing=1.2)
    figure.supxlabel(r"zero-one regret $\beta$", fontsize=10)
    figure.supylabel(r"least surrogate regret $T_\Lambda(\beta)$, scores in $[-\Lambda, \Lambda]$", fontsize=10)
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {"comp-sum-bounded-hypotheses": transforms}
