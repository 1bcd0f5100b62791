"""The spread of the finite-width tangent kernel against depth over width: exact values, curve, simulated networks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from theorylab.derivations.infinite_width import ntk_finite_width_variance as exact
from theorylab.kernels.random import Stream
from theorylab.sims.infinite_width import deep_tangent

WIDTHS = (8, 12, 16, 24, 32, 64, 128, 400)
DEPTHS = (2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 100)
KINDS = (("ReLU", 0.0, 5.0), ("linear", 1.0, 2.0))
LARGEST = 1.5
# Ensembles of 64 networks at a depth, for the inset.
ENSEMBLES = {"quick": 3_000, "standard": 60_000, "paper": 1_000_000}


def spread(budget: str = "quick") -> Figure:
    """Var Theta/(E Theta)^2 of many depths and widths on one curve; inset, simulated networks of width 8."""
    figure = Figure(figsize=(9.6, 4.2), layout="constrained")
    panels = figure.subplots(1, 2)
    r = np.linspace(0.004, LARGEST, 300)
    for axes, (name, alpha, c) in zip(panels, KINDS):
        axes.semilogy(
            r, exact.LIMIT(r=r, alpha=alpha) - 1.0, color="black", zorder=1, label=r"$n \to \infty$, $L = rn$"
        )
        axes.semilogy(
            r, np.exp(c * r) - 1.0, color="0.6", linestyle="--", linewidth=1.0, label=rf"$e^{{{c:g}r}}$ alone"
        )
        count = 0
        for i, n in enumerate(WIDTHS):
            L = np.array(DEPTHS)
            place = (L - 1) * np.log1p(c / n) / c
            L, place = L[place < LARGEST], place[place < LARGEST]
            count += len(L)
            axes.plot(
                place,
                exact.EQUAL_RECURSION(n=n, L=L, alpha=alpha) - 1.0,
                marker="osD^v<>P"[i],
                markersize=4.5,
                linestyle="",
                color=f"C{i}",
                markeredgewidth=0.0,
                label=f"$n = {n}$",
            )
        axes.set(
            xlabel=rf"$r = (L - 1)\,\log(1 + {c:g}/n)/{c:g}$",
            title=f"{name}, {count} pairs $(L, n)$",
            xlim=(0, LARGEST),
        )
        axes.title.set_fontsize(10)
        _inset(axes, alpha, budget)
    panels[0].set_ylabel(r"$\mathrm{Var}\,\Theta/(E\,\Theta)^2$, criticality, $\lambda_b = 0$")
    panels[0].legend(frameon=False, fontsize=7.5, ncols=2, loc="upper left")
    return figure


def _inset(axes: object, alpha: float, budget: str) -> None:
    inset = axes.inset_axes((0.6, 0.11, 0.38, 0.36))  # type: ignore[attr-defined]
    depths = np.arange(2, 7)
    inset.semilogy(depths, exact.EQUAL_WIDTHS(n=8, L=depths, alpha=alpha) - 1.0, color="C0", linewidth=1.0)
    for L in depths:
        x = (
            deep_tangent.chains(
                ENSEMBLES[budget],
                Stream.from_seed(int(L)),
                widths=np.full(L - 1, 8),
                alpha=alpha,
                C_W=2.0 / (1.0 + alpha**2),
                q0=1.0,
                lambda_b=0.0,
                lambda_W=1.0,
            )["square"]
            / L**2
        )
        inset.errorbar(L, x.mean() - 1.0, x.std(ddof=1) / np.sqrt(len(x)), fmt="o", color="C0", markersize=3, capsize=2)
    ticks = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0]
    low, high = inset.get_ylim()
    inset.set_yticks([t for t in ticks if low < t < high], [f"{t:g}" for t in ticks if low < t < high])
    inset.minorticks_off()
    inset.set_title("$n = 8$: networks and exact", fontsize=7)
    inset.set_xlabel("$L$", fontsize=7, labelpad=0)
    inset.tick_params(labelsize=6)
    inset.patch.set_alpha(0.85)


FIGURES: dict[str, Callable[[str], Figure]] = {"ntk-finite-width-variance": spread}
