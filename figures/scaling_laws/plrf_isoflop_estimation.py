"""Minima at equal compute of simulated SGD, beside the theory at the same budgets."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from theorylab.derivations.scaling_laws import plrf_frontier as frontier
from theorylab.derivations.scaling_laws import plrf_isoflop_estimation as theory
from theorylab.derivations.scaling_laws import plrf_phases as phases
from theorylab.kernels.random import Stream
from theorylab.sims.scaling_laws import isoflop_sgd

POINTS = ((0.4, 0.3, "Ib"), (0.8, 0.3, "Ia"))
RATIO, RATE, REACH, BUDGETS = 4.0, 0.5, 3, 5
# Studies, largest budget (binary logarithm), largest size, and runs at it.
STUDIES = {"quick": (24, 13, 181, 2), "standard": (64, 15, 362, 4), "paper": (128, 18, 1024, 8)}


def parabolas(budget: str = "quick") -> Figure:
    """Mean risks of many studies against the size at equal compute, with the minima that single studies find."""
    studies, last, largest, runs = STUDIES[budget]
    d = isoflop_sgd.grid(largest, 10)
    logs, f = np.log2(d), np.arange(last - BUDGETS + 1.0, last + 1.0)
    setting = frontier.Setting(ratio=RATIO, rate=RATE)
    closer = np.log2(np.unique(np.rint(2.0 ** np.arange(logs[0], logs[-1] + 0.1, 0.2))))
    figure = Figure(figsize=(10.5, 6.4), layout="constrained")
    panels = figure.subplots(2, 3, width_ratios=(1.5, 1.0, 1.0))
    for row, (alpha, beta, name) in zip(panels, POINTS):
        drawn = isoflop_sgd.study(
            studies,
            Stream.from_seed(0),
            alpha=alpha,
            beta=beta,
            ratio=RATIO,
            rate=RATE,
            largest=largest,
            sizes=len(d),
            last=last,
            budgets=BUDGETS,
            runs=runs,
            reach=REACH,
        )
        curves = frontier.losses(alpha, beta, f, closer, setting).value
        best = theory.over(alpha, beta, RATIO, RATE, last, BUDGETS)
        place, least = isoflop_sgd.minima(np.log2(drawn["risk"]), logs, REACH)
        mean = drawn["risk"].mean(axis=0)
        error = drawn["risk"].std(axis=0, ddof=1) / np.sqrt(studies) / (mean * np.log(2.0))
        left, *right = row
        for k, value in enumerate(f):
            colour = f"C{k}"
            left.plot(closer, curves[:, k], color=colour, linewidth=1.2, label=rf"$f = 2^{{{value:.0f}}}$")
            left.errorbar(logs, np.log2(mean[:, k]), error[:, k], fmt="o", color=colour, markersize=3, linewidth=0.8)
            left.plot(place[:, k], least[:, k], ".", color=colour, markersize=3, alpha=0.35, zorder=0)
        left.plot(best.size.value, best.loss.value, "k-", linewidth=1.0, marker="|", markersize=7, label="frontier")
        # Small models that a long run makes unstable would fill the panel.
        left.set_ylim(float(curves.min()) - 0.25, float(np.quantile(curves, 0.93)))
        left.set_title(rf"{name}: $\alpha = {alpha:g}$, $\beta = {beta:g}$", fontsize=10)
        left.set_ylabel(r"risk $\log_2 P$")
        for axes, found, exact, form, symbol in zip(
            right,
            (place, least),
            (best.size.value, best.loss.value),
            (phases.SIZE, phases.LOSS),
            ("d^\\star", "P^\\star"),
        ):
            axes.errorbar(
                f, found.mean(axis=0), found.std(axis=0, ddof=1), fmt="o", markersize=3.5, capsize=2, color="C0"
            )
            axes.plot(f, exact, "k-", linewidth=1.2)
            slope = (1.0 if symbol.startswith("d") else -1.0) * float(form(alpha=alpha, beta=beta))
            axes.plot(f, exact.mean() + slope * (f - f.mean()), "k:", linewidth=1.0)
            axes.set_ylabel(rf"$\log_2 {symbol}$")
    panels[0, 1].set_title("optimal size, $\\pm$ s.d. of a study", fontsize=10)
    panels[0, 2].set_title(r"loss there (dotted: slopes $\xi$, $-\eta$)", fontsize=10)
    panels[0, 0].legend(frameon=False, fontsize=8, ncols=2, loc="lower left")
    panels[1, 0].set_xlabel(r"size $\log_2 d$")
    for axes in panels[1, 1:]:
        axes.set_xlabel(r"compute $\log_2 f$, $f = rd$")
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {"plrf-isoflop-estimation-parabolas": parabolas}
