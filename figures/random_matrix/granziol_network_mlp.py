"""A small network whose per-sample Hessians are all exact: how far a batch moves its largest curvature."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from theorylab.derivations.random_matrix import granziol_network_mlp as theory
from theorylab.derivations.random_matrix.granziol_network_mlp_hessians import summaries
from theorylab.figures.random_matrix.learning_rate_paper import learning_rates
from theorylab.kernels.random import Stream
from theorylab.sims.random_matrix import perceptron_batches

# Network and batches for each point.
EFFORT = {
    "quick": ({"network": 5, "d": 6, "h": 5, "N": 400}, 600),
    "standard": ({"network": 5, "d": 6, "h": 5, "N": 400}, 4_000),
    "paper": ({"network": 5, "d": 9, "h": 10, "N": 2000}, 20_000),
}


def prefactor(budget: str = "quick") -> Figure:
    """b times the shift of the largest eigenvalue against the batch size, before training and after: S_1 and the GOE
    idealisation, with the next orders."""
    network, trials = EFFORT[budget]
    figure = Figure(figsize=(8.6, 3.8), layout="constrained")
    panels = figure.subplots(1, 2)
    N = network["N"]
    for axes, steps, label in zip(panels, (0, 1000), ("before training", "after 1000 steps")):
        at = {**network, "steps": steps}
        known = summaries(*(int(v) for v in at.values()))[0]
        t = np.linspace(0.05, 0.98, 60)
        inverse = np.array([theory.inverse_b(round(part * N), N) for part in t])
        axes.axhline(known.top.s1, color="C0", label=r"$S_1$")
        axes.plot(t, theory.SHIFT(**at, t=t) / inverse, color="C2", lw=1.0, label="and the next two orders")
        idealised = known.norm / (known.parameters + 1) / known.top.eigenvalue
        axes.axhline(idealised, color="0.5", ls="--")
        axes.text(0.97, idealised, "GOE noise of the same norm", va="bottom", ha="right", fontsize=8)
        axes.axhline(known.column / known.top.eigenvalue, color="C1", ls=":", label=r"$P \sigma_1^2/\lambda_1$")
        for part in (0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9):
            drawn = perceptron_batches.batches(trials, Stream.from_seed(1), **at, t=part)["shift"]
            scale = 1.0 / theory.inverse_b(round(part * N), N)
            error = scale * drawn.std(ddof=1) / np.sqrt(trials)
            axes.errorbar(part, scale * drawn.mean(), error, fmt="o", color="k", markersize=4, capsize=2)
        axes.set(xlim=(0, 1), xlabel="part of the data set in a batch, $B/N$", title=label)
        axes.set_ylim(0, 1.35 * max(known.top.s1, known.column / known.top.eigenvalue))
    panels[0].set_ylabel(r"$b\,(\mathrm{E}\lambda_1(B) - \lambda_1)$, $1/b = 1/B - 1/N$")
    panels[0].legend(
        title=rf"$\tanh$ network, $P = {network['h'] * (network['d'] + 1)}$, $N = {N}$",
        frameon=False,
        fontsize=8,
        loc="center",
    )
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {
    "granziol-network-mlp-prefactor": prefactor,
    "granziol-learning-rate-paper": learning_rates,
}
