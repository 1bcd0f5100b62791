"""Curves of equal compute with their optimum; tokens per parameter for the two published sets of constants."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from theorylab.derivations.scaling_laws import chinchilla_allocation as d

SETS = {
    "published constants (Hoffmann et al. 2022)": (d.HOFFMANN, "C3"),
    "refitted (Besiroglu et al. 2024)": (d.BESIROGLU, "C0"),
}
E = 1.8172
# Budgets at which the loss is minimised numerically.
POINTS = {"quick": 5, "standard": 9, "paper": 17}


def allocation(budget: str = "quick") -> Figure:
    """IsoFLOP curves with the line of optima; tokens per parameter against compute."""
    figure = Figure(figsize=(9.6, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    law = d.BESIROGLU
    for compute, shade in zip(np.geomspace(1e19, 1e23, 5), np.linspace(0.35, 0.95, 5)):
        best = float(d.optimal_size(**law, C=compute))
        u = np.linspace(-2.5, 2.5, 201)
        loss = E + float(d.reducible_loss(**law, C=compute)) + d.misallocation(**law, C=compute, u=u)
        left.plot(best * np.exp(u), loss, color=_blue(shade))
        left.text(best * np.exp(2.55), loss[-1], f"$10^{{{round(np.log10(compute))}}}$", fontsize=8, va="center")
        found = d.minimum({**law, "C": compute, "k": 6.0})
        left.plot(found["size"], E + found["loss"], "o", color="C3", markersize=4)
    line = np.geomspace(4e18, 3e23, 50)
    left.plot(d.optimal_size(**law, C=line), E + d.reducible_loss(**law, C=line), color="k", linewidth=1, label="$N^*$")
    left.plot([], [], "o", color="C3", markersize=4, label="minimised numerically")
    left.set(
        xscale="log", xlabel="parameters $N$, at fixed compute $C = 6 N D$ (flops)", ylabel="loss (nats per token)"
    )
    left.legend(frameon=False, fontsize=8)
    axis = np.geomspace(1e18, 1e26, 100)
    for label, (constants, colour) in SETS.items():
        right.loglog(axis, d.tokens_per_parameter(**constants, C=axis), color=colour, label=label)
        few = np.geomspace(1e18, 1e26, POINTS[budget])
        right.plot(few, d.minimised_ratio(**constants, C=few), "o", color=colour, markersize=4)
    right.plot(
        5.76e23, 20, marker="*", markersize=12, color="k", linestyle="none", label="trained: 70e9, 1.4e12 tokens"
    )
    right.set(xlabel="compute $C$ (flops)", ylabel="optimal tokens per parameter $D^*/N^*$", ylim=(4, 400))
    right.legend(frameon=False, fontsize=8)
    return figure


def _blue(shade: float) -> tuple[float, float, float]:
    return (0.75 * (1 - shade), 0.8 * (1 - shade) + 0.1, 0.95 - 0.3 * shade)


FIGURES: dict[str, Callable[[str], Figure]] = {"chinchilla-allocation": allocation}
