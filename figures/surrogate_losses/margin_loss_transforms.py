"""Margin losses: what their regret says about the zero-one regret, over scores of any size and over bounded ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from theorylab.derivations.surrogate_losses.margin_losses import KNOWN
from theorylab.kernels.random import Stream
from theorylab.sims.surrogate_losses import margin_scores as sims

COLOURS = {
    "hinge": "#7f7f7f",
    "squared-hinge": "#9467bd",
    "exponential": "#d62728",
    "logistic": "#2ca02c",
    "sigmoid": "#1f77b4",
    "savage": "#17becf",
}
# Scores bounded by next to nothing less than any.
FREE = 50.0
BOUNDS = (0.5, 1.0, 2.0, FREE)
CASES = {"quick": 1 << 14, "standard": 1 << 17, "paper": 1 << 20}


def _gamma(axes: Axes, name: str, budget: str) -> None:
    theta = np.linspace(0.0, 1.0, 301)
    psi = KNOWN[name].prediction()(theta=theta, score_bound=FREE)
    label = "hinge, rho-margin" if name == "hinge" else name.replace("-", " ")
    axes.plot(psi, theta, color=COLOURS[name], lw=1.6, label=label)
    found = sims.wrong_signs(CASES[budget], Stream.from_seed(0), loss=name, score_bound=20.0)
    some = np.unique(np.searchsorted(found["x"], np.linspace(0.1, 0.95, 8)).clip(max=len(found["x"]) - 1))
    axes.plot(found["y"][some], found["x"][some], "o", ms=3.8, mfc="w", mew=0.9, color=COLOURS[name])


def _bounded(axes: Axes, name: str, budget: str) -> None:
    theta = np.linspace(0.0, 1.0, 301)
    for bound, shade in zip(BOUNDS, (0.75, 0.55, 0.3, 0.0)):
        colour = (shade, shade, shade) if bound == FREE else (shade, 0.35 + shade / 2, 0.9)
        label = "any" if bound == FREE else f"{bound:g}"
        psi = KNOWN[name].prediction()(theta=theta, score_bound=bound)
        axes.plot(theta, psi, color=colour, lw=1.6, label=f"$|z| \\leq$ {label}" if bound != FREE else "any score")
        found = sims.wrong_signs(CASES[budget], Stream.from_seed(1), loss=name, score_bound=min(bound, 20.0))
        some = np.unique(np.linspace(0, len(found["x"]) - 1, 12).astype(int))
        axes.plot(found["x"][some], found["y"][some], "o", ms=3.8, mfc="w", mew=0.9, color=colour)
    axes.set(xlabel=r"zero-one regret $\theta$", xlim=(0, 1.02), ylim=(0, None))
    axes.set_title(name, fontsize=10)


def transforms(budget: str = "quick") -> Figure:
    """Bounds on the zero-one regret for six losses, and transforms of bounded scores for two."""
    figure = Figure(figsize=(10.8, 3.5), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    for name in COLOURS:
        _gamma(left, name, budget)
    left.set(
        xlabel="surrogate regret $t$", ylabel=r"largest zero-one regret $\Gamma(t)$", xlim=(0, 1.02), ylim=(0, 1.02)
    )
    left.set_title("scores of any size", fontsize=10)
    left.legend(frameon=False, fontsize=8, loc="lower right")
    for axes, name in ((middle, "logistic"), (right, "exponential")):
        _bounded(axes, name, budget)
    middle.set_ylabel(r"least surrogate regret $\psi(\theta)$")
    middle.legend(frameon=False, fontsize=8)
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {"margin-loss-transforms": transforms}
