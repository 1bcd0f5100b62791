"""Comp-sum losses: their outer functions, and the least conditional risk with two classes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from theorylab.derivations.surrogate_losses import comp_sum_conditional_risk, comp_sum_loss
from theorylab.kernels.random import Stream
from theorylab.sims.surrogate_losses.conditional_risk import label_noise_minimum

# From amplified to damped hard examples.
LOSSES = {
    0.0: ("#b2182b", r"$\tau = 0$, sum-exponential"),
    0.5: ("#ef8a62", r"$\tau = 1/2$"),
    1.0: ("0.25", r"$\tau = 1$, cross-entropy"),
    1.5: ("#67a9cf", r"$\tau = 3/2$, generalized cross-entropy"),
    2.0: ("#2166ac", r"$\tau = 2$, mean absolute error"),
}
# Probabilities at which the scores are minimised over, and minimisations at each.
EFFORT = {"quick": (13, 4), "standard": (25, 50), "paper": (49, 500)}


def losses_and_risks(budget: str = "quick") -> Figure:
    """Outer functions against their argument, and infima of the risk against one of two label probabilities."""
    points, trials = EFFORT[budget]
    figure = Figure(figsize=(7.6, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    rng = Stream.from_seed(0)
    u = np.linspace(0.0, 5.0, 201)
    q = np.linspace(0.0, 1.0, 401)
    at = np.linspace(0.0, 1.0, points + 2)[1:-1]
    for tau, (colour, label) in LOSSES.items():
        left.plot(u, comp_sum_loss.outer_function(tau=tau, u=u), color=colour, lw=1.4, label=label)
        right.plot(q, comp_sum_conditional_risk.label_noise_risk(tau=tau, n=2, q=q), color=colour, lw=1.4)
        found = [label_noise_minimum(trials, rng, n=2, tau=tau, q=float(p)) for p in at]
        value = np.array([minima["value"].mean() for minima in found])
        error = np.array([np.ptp(minima["value"]) + minima["residual"].max() for minima in found])
        right.errorbar(at, value, error, fmt="o", ms=3.5, lw=1, color=colour)
    left.set(xlim=(0, 5), ylim=(0, 5.5))
    left.set_xlabel(r"$u = \sum_{y' \neq y} e^{h_{y'} - h_y} = 1/s_y - 1$")
    left.set_ylabel(r"loss $\Phi^\tau(u)$")
    left.legend(frameon=False, fontsize=8, loc="upper left")
    right.set(xlim=(0, 1), ylim=(0, 1.12))
    right.set_xlabel(r"probability $p$ of the first of two classes")
    right.set_ylabel(r"least conditional risk $C^*_\tau((p, 1-p))$")
    right.plot([], [], color="0.4", lw=1.4, label="closed form")
    right.plot([], [], "o", ms=3.5, color="0.4", label="minimised over the scores")
    right.legend(frameon=False, fontsize=8, loc="upper center", ncols=2)
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {"comp-sum-conditional-risk": losses_and_risks}
