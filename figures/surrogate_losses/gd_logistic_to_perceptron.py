"""Large steps on the logistic loss: losses and accuracies over the iterations, and how many it takes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from theorylab.derivations.surrogate_losses import gd_logistic_to_perceptron as theory
from theorylab.kernels.random import Stream
from theorylab.sims.surrogate_losses.large_steps import family_counts, mean_loss, planted, update

STEPS = {1.0: "#fdd49e", 10.0: "#fdbb84", 1e2: "#fc8d59", 1e4: "#d7301f", 1e6: "#7f0000"}
ITERATIONS = {"quick": 2_000, "standard": 2_000, "paper": 10_000}
SIZES = {"quick": (8, 16, 32, 64, 128, 256), "standard": (8, 16, 32, 64, 128, 256, 512, 1024)}
# The points of the left panels, before the longest is scaled to length 1, and the one point apart of the right one.
POINTS, DIMENSION, GAP, WIDTH = 50, 5, 0.05, 4.0
APART = {"c": 0.05, "s": 0.08}
COLOURS = {"plain": "#b2182b", "normalised": "#2166ac"}
FORMS = {"plain": theory.FAMILY_PLAIN, "normalised": theory.FAMILY_NORMALISED}


def _descent(b: np.ndarray, g: float, iterations: int) -> tuple[np.ndarray, np.ndarray]:
    """Loss and accuracy before each step, float[iterations] each; a score of zero counts as wrong."""
    theta = np.zeros((1, b.shape[2]))
    losses, right = [], []
    for _ in range(iterations):
        theta, score = update(b, theta, g, False)
        losses.append(float(mean_loss(score)[0]))
        right.append(float(np.mean(score > 0)))
    return np.array(losses), np.array(right)


def descent(budget: str = "quick") -> Figure:
    """Loss and accuracy against the iteration for five steps; iterations against n, plain and normalised."""
    figure = Figure(figsize=(9.2, 5.4), layout="constrained")
    axes: dict[str, Axes] = figure.subplot_mosaic([["loss", "count"], ["accuracy", "count"]], width_ratios=[1.15, 1.0])
    b = np.asarray(planted(1, Stream.from_seed(2), POINTS, DIMENSION, GAP, WIDTH))
    b /= np.linalg.norm(b, axis=2).max()
    last = ITERATIONS[budget]
    t = np.arange(last)
    for g, colour in STEPS.items():
        losses, right = _descent(b, g, last)
        # Losses of separated points underflow.
        shown = losses > 0
        axes["loss"].plot(t[1:][shown[1:]], losses[1:][shown[1:]], ".", ms=3.5, color=colour)
        axes["accuracy"].plot(t[1:], right[1:], ".-", ms=3.5, lw=0.6, color=colour)
        done = np.flatnonzero(right == 1.0)
        if done.size:
            axes["accuracy"].plot(done[0], 1.0, "o", ms=6, mfc="w", mec=colour, mew=1.5, zorder=4)
    limit = theory.LOSS(b=b[0], t=t)
    for g in (1e2, 1e4, 1e6):
        some = (limit > 0) & (t > 0)
        axes["loss"].plot(t[some], g * limit[some], color="k", lw=0.8, zorder=0)
    axes["loss"].set(xscale="log", yscale="log", ylim=(1e-3, 1e9), ylabel=r"mean loss $f(\theta_t)$")
    marks = [
        Line2D([], [], ls="", marker="o", ms=4, color=k, label=f"$g = 10^{{{np.log10(g):.0f}}}$")
        for g, k in STEPS.items()
    ]
    marks.append(Line2D([], [], color="k", lw=0.8, label="batch perceptron"))
    axes["loss"].legend(handles=marks, ncols=3, fontsize=8, frameon=False, loc="upper right")
    axes["accuracy"].set(xscale="log", ylim=(0.4, 1.04), xlabel="iteration $t$", ylabel="training accuracy")
    axes["accuracy"].text(
        0.97,
        0.08,
        f"$n = {POINTS}$, $d = {DIMENSION}$, $R = 1$; circle: separated",
        transform=axes["accuracy"].transAxes,
        fontsize=8,
        ha="right",
    )
    _counts(axes["count"], SIZES.get(budget, SIZES["standard"]))
    return figure


def _counts(axes: Axes, sizes: tuple[int, ...]) -> None:
    """Exact and measured counts of the points with one apart, and the bounds."""
    fine = np.unique(np.geomspace(sizes[0], sizes[-1], 300).astype(int))
    for name, colour in COLOURS.items():
        axes.plot(fine, FORMS[name](n=fine, **APART), color=colour, lw=1.3)
        measured = np.array(
            [np.mean(family_counts(4, Stream.from_seed(0), n=k, algorithm=name, **APART)["value"]) for k in sizes]
        )
        axes.plot(sizes, measured, "o", ms=5, mfc="w", mew=1.2, color=colour, label=name)
    kappa = max(1.0, APART["c"] ** 2 + APART["s"] ** 2) * (1 + (1 + APART["c"]) ** 2 / APART["s"] ** 2)
    axes.plot(fine, theory.SHARPER_BOUND(n=fine, kappa=kappa), color=COLOURS["plain"], lw=1, ls=(0, (4, 2)))
    axes.plot(fine, theory.PLAIN_BOUND(n=fine, kappa=kappa), color=COLOURS["plain"], lw=1, ls=":")
    axes.axhline(kappa, color=COLOURS["normalised"], lw=1, ls=":")
    handles = [
        Line2D([], [], color=COLOURS["plain"], marker="o", mfc="w", label="plain: exact count and measured"),
        Line2D([], [], color=COLOURS["normalised"], marker="o", mfc="w", label="normalised: exact count and measured"),
        Line2D([], [], color="0.3", ls=":", label=r"published bounds $nR^2/\mu^2$, $R^2/\mu^2$"),
        Line2D([], [], color="0.3", ls=(0, (4, 2)), label=r"$(n+1)^2/(4n)\; R^2/\mu^2$"),
    ]
    axes.legend(handles=handles, fontsize=8, frameon=False, loc="upper left")
    axes.set(
        xscale="log", yscale="log", ylim=(1, 1e6), xlabel="number of points $n$", ylabel="iterations until separated"
    )
    axes.set_title(f"$n - 1$ points $(1, 0)$, one $({-APART['c']:g}, {APART['s']:g})$; $g \\geq 10^8$", fontsize=9)


FIGURES: dict[str, Callable[[str], Figure]] = {"gd-logistic-to-perceptron": descent}
