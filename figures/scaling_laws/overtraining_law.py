"""Loss above E against compute for several numbers of tokens per parameter, and the price of other numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from theorylab.derivations.scaling_laws import overtraining_law as d

MULTIPLIERS = [5.0 * 2.0**k for k in range(8)]
POINTS = {"quick": 5, "standard": 9, "paper": 17}


def lines(budget: str = "quick") -> Figure:
    """Parallel lines; the penalty cosh(h ln(M/M*)) with points from solving for N and D."""
    figure = Figure(figsize=(9.4, 3.7), layout="constrained")
    left, right = figure.subplots(1, 2)
    compute = np.geomspace(1e17, 1e21, 50)
    few = np.geomspace(1e17, 1e21, POINTS[budget])
    best = float(d.best_multiplier())
    for i, multiplier in enumerate(MULTIPLIERS):
        colour = (0.1 + 0.11 * i, 0.25, 0.75 - 0.08 * i)
        left.loglog(compute, d.reducible(C=compute, M=multiplier), color=colour, label=f"{multiplier:g}")
        left.plot(few, d.reducible_solved(C=few, M=multiplier), "o", color=colour, markersize=3)
    left.plot(
        compute, d.reducible(C=compute, M=best), color="k", linestyle="--", linewidth=1, label=f"$M^* = {best:.0f}$"
    )
    left.set_yticks([0.6, 0.8, 1.0, 1.5, 2.0], ["0.6", "0.8", "1", "1.5", "2"])
    left.minorticks_off()
    left.set(xlabel="compute $C = 6 N D$ (flops)", ylabel="loss above $E$ (nats per token)")
    left.legend(frameon=False, fontsize=7, title="tokens per parameter $M$", title_fontsize=8, ncols=2)
    ratio = np.geomspace(1e-3, 1e3, 200)
    for i, alpha in enumerate((0.14, 0.28, 0.56)):
        best = float(d.best_multiplier(alpha=alpha))
        right.semilogx(ratio, d.penalty(alpha=alpha, M=ratio * best), color=f"C{i}", label=f"$\\alpha = {alpha}$")
        some = np.geomspace(1e-3, 1e3, POINTS[budget] + 2)
        right.plot(some, d.penalty_minimised(alpha=alpha, M=some * best), "o", color=f"C{i}", markersize=4)
    right.set(
        xlabel="$M/M^*$",
        ylabel="reducible loss relative to $M^*$",
        ylim=(0.9, 4),
    )
    right.legend(frameon=False, fontsize=8, title="$\\cosh(\\frac{\\alpha}{2} \\ln(M/M^*))$", title_fontsize=9)
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {"overtraining-law": lines}
