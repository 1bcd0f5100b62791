"""The components of the risk of SGD on power-law random features, and their sum, beside the risk itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from theorylab.derivations.scaling_laws import plrf_asymptotics as a
from theorylab.derivations.scaling_laws import plrf_volterra as v

# Exponents and v/d of the panels; the learning rate times the trace of the inputs' covariance is 0.3.
PANELS = {
    "Ia": (0.8, 0.3, 400.0),
    "II": (1.0, 0.7, 400.0),
    "III": (0.8, 1.2, 400.0),
    "IVa": (0.4, 1.0, 4.0),
}
RATE = 0.3
SIZE = {"quick": 2**16, "standard": 2**20, "paper": 2**26}


def components(budget: str = "quick") -> Figure:
    """Components against steps, one panel a phase; below, formulas over the risk."""
    d = SIZE[budget]
    figure = Figure(figsize=(11.0, 5.0), layout="constrained")
    upper, lower = figure.subplots(2, 4, sharex="col", height_ratios=[2.4, 1.0])
    for top, bottom, (name, (alpha, beta, ratio)) in zip(upper, lower, PANELS.items()):
        at = {"alpha": alpha, "beta": beta, "d": d, "ratio": ratio, "rate": RATE, "B": 1}
        r = np.geomspace(1.0, 30.0 * float(d) ** (2 * alpha) / RATE, 90)
        gamma, x = a.time(alpha, d, ratio, RATE, 1, r)
        risk = v.RISK(**at, r=r)
        pieces = {
            r"$F_{pp}$": a.POLE(alpha=alpha, beta=beta, x=x),
            r"$F_{ac}$": a.continuous(alpha, beta, d, x),
            r"$K_{pp}/(\gamma B)$": a.KERNEL(alpha=alpha, gamma=gamma, B=1, x=x) / gamma,
            r"$F_0$": np.full(r.size, float(v.LEAST_RISK(alpha=alpha, beta=beta, d=d, ratio=ratio))),
        }
        top.plot(r, risk, color="black", linewidth=2.2, label=r"risk $P_r$")
        for k, (label, values) in enumerate(pieces.items()):
            shown = values > 0.2 * risk[-1]
            top.plot(r[shown], values[shown], color=f"C{k}", linewidth=1.2, label=label)
        top.plot(r, sum(pieces.values()), color="black", linewidth=1.0, linestyle=":", label="their sum")
        top.set(xscale="log", yscale="log", ylim=(0.4 * risk[-1], 2.0 * risk[0]))
        top.set_title(rf"{name}:  $\alpha = {alpha:g}$, $\beta = {beta:g}$", fontsize=10)
        bottom.axhline(1.0, color="grey", linewidth=0.8)
        bottom.plot(r, sum(pieces.values()) / risk, color="black", linestyle=":", label="sum of components")
        if alpha > 0.5:
            formula, label = (a.SHARP, "with constants") if beta > 0.5 else (a.WITHOUT_TAIL, r"$F/(1-\|K\|)$")
            bottom.plot(r, formula(**at, r=r) / risk, color="crimson", label=label)
        bottom.set(xscale="log", ylim=(0.5, 1.6), xlabel="steps $r$")
        bottom.legend(frameon=False, fontsize=7, loc="upper right", labelspacing=0.2)
    upper[0].set_ylabel("risk (no half)")
    lower[0].set_ylabel("formula / risk")
    upper[2].legend(frameon=False, fontsize=8, loc="upper right")
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {"plrf-asymptotics-components": components}
