"""Least loss against compute with learning curves, where a growing budget goes, and the price of other batches."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from theorylab.derivations.scaling_laws import kaplan_laws as d

FIT = {p.name: float(p.default) for p in d.FIT if p.name != "C"}
# Budgets at which the loss is minimised numerically.
POINTS = {"quick": 4, "standard": 9, "paper": 17}


def optimum(budget: str = "quick") -> Figure:
    """Learning curves under their envelope; model, batch and steps against compute; steps against examples."""
    figure = Figure(figsize=(11.0, 3.5), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    axis = np.geomspace(1e17, 1e25, 80)
    some = np.geomspace(1e17, 1e25, POINTS[budget])
    found = [d.minimum(**FIT, C=float(c)) for c in some]
    steps = np.geomspace(3e2, 3e6, 200)
    for i, size in enumerate(np.geomspace(1e7, 1e12, 6)):
        loss = (FIT["Nc"] / size) ** FIT["aN"] + (FIT["Sc"] / steps) ** FIT["aS"]
        compute = 6 * size * steps * FIT["Bs"] * loss ** (-1 / FIT["aB"])
        label = f"$N = 10^{{{round(np.log10(size))}}}$"
        left.loglog(compute, loss, color=(0.15, 0.3 + 0.1 * i, 0.85 - 0.08 * i), linewidth=0.9, label=label)
    left.loglog(axis, d.optimal_loss(**FIT, C=axis), color="k", linewidth=1.5, label=r"$L^* \propto C^{-0.0525}$")
    left.plot(some, [f["loss"] for f in found], "o", color="C3", markersize=4, label="minimised numerically", zorder=5)
    left.set(
        xlim=(1e16, 1e26), ylim=(1.2, 11), xlabel="least compute $C_{min}$ (flops)", ylabel="loss (nats per token)"
    )
    left.set_yticks([1.5, 2, 3, 4, 6, 8], ["1.5", "2", "3", "4", "6", "8"])
    left.minorticks_off()
    left.legend(frameon=False, fontsize=7, ncols=2)
    for colour, name, form, exponent, label in (
        ("C0", "size", d.optimal_size, d.size_exponent, "parameters $N$"),
        ("C1", "batch", d.optimal_batch, d.batch_exponent, "batch $B$ (tokens)"),
        ("C2", "steps", d.optimal_steps, d.steps_exponent, "steps $S_{min}$"),
    ):
        values = form(**FIT, C=axis)
        power = float(exponent(aN=FIT["aN"], aS=FIT["aS"], aB=FIT["aB"]))
        middle.loglog(axis, values / values[0], color=colour, label=f"{label} $\\propto C^{{{power:.3f}}}$")
        middle.plot(some, [f[name] / values[0] for f in found], "o", color=colour, markersize=4)
    middle.set(xlabel="least compute $C_{min}$ (flops)", ylabel="growth since $10^{17}$ flops")
    middle.legend(frameon=False, fontsize=8)
    ratio = np.geomspace(0.03, 30, 100)
    right.loglog(d.compute_needed(ratio=ratio), d.steps_needed(ratio=ratio), color="C0")
    for part in (0.1, 0.3, 1.0, 3.0, 10.0):
        exact = float(d.steps_on_hyperbola(ratio=part))
        right.plot(part * exact, exact, "o", color="C3" if part == 1 else "C0", markersize=5)
        name = "B_{crit}" if part == 1 else f"{part:g}\\,B_{{crit}}"
        right.annotate(f"${name}$", (part * exact, exact), xytext=(5, 4), textcoords="offset points", fontsize=8)
    right.set(xlabel="examples $E/E_{min} = C/C_{min}$", ylabel="steps $S/S_{min}$", xlim=(0.9, 40), ylim=(0.9, 40))
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {"kaplan-laws": optimum}
