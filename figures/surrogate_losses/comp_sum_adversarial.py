"""Adversarial losses: regrets that the rho-margin loss bounds and the maximised loss does not; the smooth loss."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from theorylab.derivations.surrogate_losses import comp_sum_adversarial as theory
from theorylab.derivations.surrogate_losses.comp_sum_numerics import comp_sum
from theorylab.kernels.random import Stream
from theorylab.sims.surrogate_losses import adversarial_linear as linear
from theorylab.sims.surrogate_losses import adversarial_scores as scores

LOSSES = {0.0: ("#b2182b", "sum-exponential"), 1.0: ("#1b7837", "cross-entropy"), 2.0: ("#2166ac", "absolute error")}
CASES = {"quick": 6000, "standard": 30_000, "paper": 100_000}
RHO, CLASSES = 0.5, 3
BETAS = np.array([0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 1.0])
INPUTS = 60


def _cloud(axes: Axes, t: np.ndarray, beta: np.ndarray) -> None:
    axes.plot(t, beta, ".", ms=2.4, mew=0, color="0.62", rasterized=True)


def _margin(axes: Axes, tau: float, cases: int) -> None:
    colour, name = LOSSES[tau]
    beta, t, _ = scores.margin_regrets(cases, Stream.from_seed(0), CLASSES, tau, RHO)
    _cloud(axes, t, beta)
    line = np.array([0.0, 1.0])
    axes.plot(theory.regret_bound(tau=tau, beta=line), line, color=colour, lw=1.7)
    reached = scores.swapped(BETAS, n=CLASSES, tau=tau, rho=RHO)
    axes.plot(reached, BETAS, "o", ms=4, mfc="w", mew=0.9, color="k", zorder=3)
    axes.set_title(rf"$\rho$-margin, {name}: slope {1 / float(comp_sum(tau, 1.0)):.3g}", fontsize=9.5)


def _maximised(axes: Axes, cases: int) -> None:
    beta, t, _ = scores.maximised_regrets(cases, Stream.from_seed(1), 1.0)
    _cloud(axes, t, beta)
    line = np.linspace(0.0, 1.0, 201)
    axes.plot(theory.maximised_transform(tau=1.0, beta=line), line, color=LOSSES[1.0][0], lw=1.7)
    axes.plot(theory.regret_bound(tau=1.0, beta=line), line, color="0.3", lw=1.2, ls=(0, (4, 2)))
    at = np.linspace(0.5, 1.0, 7)
    axes.plot(scores.tied(at, tau=1.0), at, "o", ms=4, mfc="w", mew=0.9, color="k", zorder=3)
    axes.set_title("cross-entropy, only maximised over the ball", fontsize=9.5)


def regrets(budget: str = "quick") -> Figure:
    """Adversarial zero-one regret against the regret of the loss that is trained."""
    figure = Figure(figsize=(8.0, 6.0), layout="constrained")
    panels = figure.subplots(2, 2).ravel()
    for axes, tau in zip(panels, LOSSES):
        _margin(axes, tau, CASES[budget])
    _maximised(panels[-1], CASES[budget])
    for axes in panels:
        axes.set(xlim=(0, 1), ylim=(0, 1.02))
    marks = [
        Line2D([], [], color="0.3", lw=1.7, label="sharp bound"),
        Line2D([], [], color="0.3", lw=1.2, ls=(0, (4, 2)), label=r"$\rho$-margin bound (violated)"),
        Line2D([], [], color="k", ls="", marker="o", ms=4, mfc="w", mew=0.9, label="named instances"),
        Line2D([], [], color="0.6", ls="", marker=".", ms=3, label="random posteriors and balls of scores"),
    ]
    figure.legend(handles=marks, loc="outside upper center", ncols=4, frameon=False, fontsize=8.5)
    figure.supxlabel(
        rf"surrogate regret ($\rho$-margin: $n = {CLASSES}$ classes, $\rho = {RHO:g}$; maximised: 2 classes)",
        fontsize=9.5,
    )
    figure.supylabel("adversarial zero-one regret (a tie is an error)", fontsize=9.5)
    return figure


def smooth_loss(budget: str = "quick") -> Figure:
    """Risks of one linear model against the radius, and the least weight of the variation against the classes."""
    figure = Figure(figsize=(8.4, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    rng, n, rho = Stream.from_seed(2), 4, 0.5
    w, x = 1.5 * rng.normal(1, n, 2)[0], 1.2 * rng.normal(1, INPUTS, 2)[0]
    b = np.zeros(n)
    # Labels that the model gives: it errs only under attack.
    label = np.eye(n)[linear.scores(w, b, x).argmax(axis=1)]
    radii = np.linspace(0.0, 0.4, {"quick": 13, "standard": 25, "paper": 41}[budget])
    constants = {
        "published": math.sqrt(n - 1.0) / rho,
        "least": float(theory.least_smoothing(tau=1.0, n=n, rho=rho, variation=1.0)),
    }

    def risk(loss: np.ndarray) -> float:
        return float((label * loss).sum(axis=1).mean())

    left.plot(
        radii,
        [risk(linear.smooth_loss(w, b, x, 1.0, rho, g, constants["published"])) for g in radii],
        color="0.4",
        ls=(0, (4, 2)),
        label=r"smooth, published $\nu = \sqrt{n-1}/\rho$",
    )
    left.plot(
        radii,
        [risk(linear.smooth_loss(w, b, x, 1.0, rho, g, constants["least"])) for g in radii],
        color=LOSSES[1.0][0],
        label=r"smooth, least $\nu = 1/(2\rho)$",
    )
    left.plot(
        radii,
        [risk(linear.margin_loss(w, b, x, 1.0, rho, g)) for g in radii],
        "o",
        ms=3.5,
        color="k",
        label=r"adversarial $\rho$-margin, searched",
    )
    errors = [math.log(2.0) * risk(linear.zero_one_loss(w, b, x, g)) for g in radii]
    left.plot(radii, errors, color="C1", lw=1.2, label=r"$\log 2\ \times$ adversarial zero-one")
    left.set(xlabel=r"radius $g$ of the attack (2-norm)", ylabel="risk, cross-entropy ($\\tau = 1$)", ylim=(0, None))
    left.legend(frameon=False, fontsize=7.5)
    count = np.arange(2, 6)
    for tau, (colour, name) in {**LOSSES, 0.5: ("#ef8a62", r"$\tau = 1/2$")}.items():
        least = theory.least_smoothing(tau=tau, n=count, rho=1.0, variation=1.0)
        right.plot(count, least, color=colour, label=name)
        at = np.full(1, 1e-4)
        measured = [float(scores.dropped(at, n=int(m), tau=tau, rho=1.0)[0]) / 1e-4 for m in count]
        right.plot(count, measured, "o", ms=4, mfc="w", mew=0.9, color=colour)
    right.plot(count, np.sqrt(count - 1.0), color="0.4", ls=(0, (4, 2)), label="published, every loss")
    right.set(xlabel="classes $n$", ylabel=r"least weight of the variation, $\nu \rho$", ylim=(0, 2.8), xticks=count)
    right.legend(frameon=False, fontsize=8)
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {
    "comp-sum-adversarial": regrets,
    "comp-sum-adversarial-smooth-loss": smooth_loss,
}
