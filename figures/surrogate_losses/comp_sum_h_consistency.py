"""Largest zero-one regret at a surrogate regret of a comp-sum loss: published, sharp, and searched for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from theorylab.derivations.surrogate_losses import comp_sum_h_consistency as published
from theorylab.derivations.surrogate_losses import comp_sum_sharp as improved
from theorylab.kernels.comp_sum_search import LEAST_BETA, pairs_numba
from theorylab.kernels.random import Stream
from theorylab.sims.surrogate_losses.extremal import two_class_tie_inverse
from theorylab.sims.surrogate_losses.trained_models import trajectories
from theorylab.sims.surrogate_losses.violation_search import conditional_search

N = 10
# From amplified to damped hard examples.
LOSSES = {
    0.0: ("#b2182b", r"$\tau = 0$, sum-exponential"),
    0.5: ("#ef8a62", r"$\tau = 1/2$"),
    1.0: ("0.25", r"$\tau = 1$, cross-entropy"),
    1.5: ("#67a9cf", r"$\tau = 3/2$, generalized cross-entropy"),
    2.0: ("#2166ac", r"$\tau = 2$, mean absolute error"),
}
# Pairs of label distribution and scores that are searched; descents come on top.
EFFORT = {"quick": 1 << 20, "standard": 1 << 24, "paper": 10**8}
# Pairs that the cloud is taken from, cells a side, points kept in each.
CLOUD, CELLS, KEPT = 1 << 20, 60, 4
# Pairs of the histogram, at a time, and its cells a side.
REGION, AT_A_TIME, SIDE = {"quick": 1 << 22, "standard": 10**8, "paper": 10**9}, 1 << 20, 80
# Runs and steps of training, and their models.
PATHS = {"quick": (8, 200), "standard": (32, 1000), "paper": (64, 4000)}
MODELS = (("#2166ac", "linear models"), ("#ef8a62", "one hidden layer of ReLUs"))
DASHES = (0, (4, 2))
# Outermost points shown.
SHOWN = 15


def sharp_gamma(tau: float, t: np.ndarray) -> np.ndarray:
    """The least upper bound on the zero-one regret: the published one up to tau = 1."""
    if tau >= 2.0:
        return improved.hull_gamma(tau=tau, n=N, t=t)
    return published.gamma(tau=tau, n=2, t=t)


def _bounds(axes: Axes, tau: float, t: np.ndarray) -> None:
    colour = LOSSES[tau][0]
    if tau > 1.0:
        axes.plot(t, published.gamma(tau=tau, n=N, t=t), color=colour, lw=1.3, ls=DASHES)
    axes.plot(t, sharp_gamma(tau, t), color=colour, lw=1.5)


def _thinned(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points of the unit square, at most `KEPT` in each cell."""
    inside = (x < 1.0) & (y < 1.0)
    x, y = x[inside], y[inside]
    cell = (x * CELLS).astype(int) * CELLS + (y * CELLS).astype(int)
    order = np.argsort(cell, kind="stable")
    rank = np.arange(len(order)) - np.searchsorted(cell[order], cell[order])
    kept = order[rank < KEPT]
    return x[kept], y[kept]


def _search(axes: Axes, tau: float, searched: int) -> None:
    """A cloud of pairs and of their mixtures, two inputs at a time, and the outermost points found."""
    rng = Stream.from_seed(0)
    hull = conditional_search(searched, rng, tau=tau, n=N)
    _, beta, surrogate = pairs_numba(rng.key, rng.next_draw(), 0, CLOUD, tau, N, hull=False)
    rng.next_draw()
    t, beta = _thinned(np.append(hull["y"], surrogate), np.append(hull["x"], beta))
    first, second = (rng.uniform(2, 8 * len(t)) * len(t)).astype(int)
    weight = rng.uniform(len(first))
    mixed = [weight * z[first] + (1.0 - weight) * z[second] for z in (t, beta)]
    axes.plot(*_thinned(np.append(t, mixed[0]), np.append(beta, mixed[1])), ",", color="0.6", rasterized=True)
    some = np.arange(len(hull["x"]))
    if len(some) > SHOWN:
        # Evenly along the curve: the vertices are close together where it bends.
        way = np.cumsum(np.hypot(np.diff(hull["y"], prepend=0.0), np.diff(hull["x"], prepend=0.0)))
        some = np.unique(np.searchsorted(way, np.linspace(0.0, way[-1], SHOWN)))
    axes.plot(hull["y"][some], hull["x"][some], "o", ms=3.5, mfc="w", mew=0.9, color="k", zorder=3)


def regrets(budget: str = "quick") -> Figure:
    """Regions of the two regrets for five losses and ten classes, and the bounds of small regrets on log axes."""
    figure = Figure(figsize=(9.0, 5.6), layout="constrained")
    panels = figure.subplots(2, 3).ravel()
    t = np.linspace(0.0, 1.0, 401)
    for axes, (tau, (_, title)) in zip(panels, LOSSES.items()):
        _search(axes, tau, EFFORT[budget])
        _bounds(axes, tau, t)
        axes.set(xlim=(0, 1), ylim=(0, 1.02))
        axes.set_title(title, fontsize=10)
    small = np.geomspace(1e-4, 1.0, 201)
    for tau in LOSSES:
        _bounds(panels[-1], tau, small)
    panels[-1].set(xscale="log", yscale="log", xlim=(1e-4, 1), ylim=(1e-3, 1.2))
    panels[-1].set_title("the bounds at small regrets", fontsize=10)
    panels[-1].text(1.6e-4, 5e-2, r"$\propto t^{1/2}$", fontsize=9)
    panels[-1].text(6e-4, 3e-3, r"$\propto t$", fontsize=9)
    marks = [
        Line2D([], [], color="0.3", lw=1.5, label=r"sharp bound (published up to $\tau = 1$)"),
        Line2D([], [], color="0.3", lw=1.3, ls=DASHES, label="published bound"),
        Line2D([], [], color="k", ls="", marker="o", ms=3.5, mfc="w", mew=0.9, label="outermost points found"),
        Line2D([], [], color="0.6", ls="", marker=".", ms=2, label="pairs $(p, h)$ and mixtures"),
    ]
    figure.legend(handles=marks, loc="outside upper center", ncols=4, frameon=False, fontsize=9)
    figure.supxlabel(f"surrogate regret $t$ ($n = {N}$ classes)", fontsize=10)
    figure.supylabel(r"zero-one regret, and its bound $\Gamma_\tau(t)$", fontsize=10)
    return figure


def _filled(tau: float, pairs: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of pairs float[side, side] in cells of the unit square, by t and beta, and the cells' edges."""
    rng = Stream.from_seed(0)
    draw, edges = rng.next_draw(), np.linspace(0.0, 1.0, SIDE + 1)
    counts = np.zeros((SIDE, SIDE))
    for first in range(0, pairs, AT_A_TIME):
        _, beta, t = pairs_numba(rng.key, draw, first, min(AT_A_TIME, pairs - first), tau, N, hull=False)
        counts += np.histogram2d(t, beta, bins=(edges, edges))[0]
    return counts, edges


def region(budget: str = "quick") -> Figure:
    """Histograms of the regrets of the pairs searched, with the sharp bound and the two-class tie, which attains it."""
    pairs = REGION[budget]
    figure = Figure(figsize=(9.0, 3.5), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    t = np.linspace(0.0, 1.0, 401)
    for axes, tau in zip(panels, (0.0, 1.0, 1.5)):
        counts, edges = _filled(tau, pairs)
        shown = axes.pcolormesh(
            edges, edges, np.where(counts > 0, counts, np.nan).T, norm=LogNorm(1, pairs / 100), cmap="Blues"
        )
        axes.plot(t, sharp_gamma(tau, t), color="k", lw=1.3)
        at = np.array([0.004, 0.03, 0.1, 0.2, 0.3, 0.4])
        axes.plot(at, two_class_tie_inverse(at, tau=tau), "o", ms=4, mfc="w", mew=1.0, color="#b2182b")
        # Cells that lie below the bound whole, and those that lie beyond it whole.
        bound = sharp_gamma(tau, edges)
        inside = (edges[None, 1:] <= bound[:-1, None]) & (edges[None, :-1] >= LEAST_BETA)
        beyond = edges[None, :-1] > bound[1:, None]
        hit = counts > 0
        axes.text(
            0.97,
            0.05,
            f"cells below the bound: {100 * hit[inside].mean():.1f} % hit\nbeyond it: {int(hit[beyond].sum())}",
            ha="right",
            fontsize=7.5,
            transform=axes.transAxes,
            bbox={"fc": "w", "ec": "0.7", "lw": 0.6},
        )
        axes.set(xlim=(0, 1), ylim=(0, 1.02))
        axes.set_title(LOSSES[tau][1], fontsize=10)
    figure.colorbar(shown, ax=panels, label=f"pairs in a cell, of {pairs:.0e}".replace("e+0", "e"), pad=0.01)
    marks = [
        Line2D([], [], color="k", lw=1.3, label="sharp bound"),
        Line2D([], [], color="#b2182b", ls="", marker="o", ms=4, mfc="w", mew=1.0, label="tie of two classes"),
    ]
    panels[0].legend(handles=marks, frameon=False, fontsize=8.5, loc="center right")
    figure.supxlabel(f"surrogate regret $t$ ($n = {N}$ classes)", fontsize=10)
    panels[0].set_ylabel(r"zero-one regret $\beta$")
    return figure


def training(budget: str = "quick") -> Figure:
    """Paths of gradient descent in the plane of the two regrets, below the bound."""
    runs, steps = PATHS[budget]
    figure = Figure(figsize=(9.0, 3.3), layout="constrained")
    panels = figure.subplots(1, 4, sharey=True)
    t = np.geomspace(1e-4, 2.0, 301)
    for axes, tau in zip(panels, (0.0, 1.0, 1.5, 2.0)):
        found = trajectories(runs, Stream.from_seed(1), tau=tau, n=2, steps=steps)
        for kind, (colour, _) in enumerate(MODELS):
            axes.plot(found["surrogate"][kind], found["zero_one"][kind], color=colour, lw=0.8, alpha=0.7)
            axes.plot(found["surrogate"][kind][0], found["zero_one"][kind][0], ".", ms=4, color=colour)
        axes.plot(t, published.gamma(tau=tau, n=2, t=t), color="k", lw=1.4)
        axes.set(xscale="log", xlim=(1e-3, 1.2), ylim=(-0.01, 0.7))
        axes.set_title(LOSSES[tau][1].split(",")[0], fontsize=10)
    marks = [
        Line2D([], [], color="k", lw=1.4, label=r"bound $\Gamma_\tau(t)$"),
        *(Line2D([], [], color=colour, lw=1.0, marker=".", ms=5, label=name) for colour, name in MODELS),
    ]
    figure.legend(handles=marks, loc="outside upper center", ncols=3, frameon=False, fontsize=9)
    figure.supxlabel(f"surrogate regret $t$ along {steps} steps (dots: initialisation; two classes)", fontsize=10)
    panels[0].set_ylabel(r"zero-one regret $\beta$")
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {
    "comp-sum-h-consistency": regrets,
    "comp-sum-h-consistency-search": region,
    "comp-sum-h-consistency-training": training,
}
