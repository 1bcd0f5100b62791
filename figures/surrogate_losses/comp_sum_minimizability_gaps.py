"""Minimisability gaps of bounded linear scorers against the bound on their slopes, and what they do to a bound."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from theorylab.derivations.surrogate_losses import comp_sum_loss
from theorylab.derivations.surrogate_losses import comp_sum_minimizability_gaps as theory
from theorylab.derivations.surrogate_losses.comp_sum_clipped import clipped_infimum
from theorylab.kernels.random import Stream
from theorylab.sims.surrogate_losses.minimizability import noisy_gap, two_input_gap

N, BIAS, ATOMS = 3, 0.5, 4
# From amplified to damped hard examples.
LOSSES = {
    0.0: ("#b2182b", r"$\tau = 0$"),
    0.5: ("#ef8a62", r"$\tau = 1/2$"),
    1.0: ("0.25", r"$\tau = 1$"),
    1.5: ("#67a9cf", r"$\tau = 3/2$"),
    2.0: ("#2166ac", r"$\tau = 2$"),
}
# Slopes at which risks are minimised, and problems drawn of noisy labels.
EFFORT = {"quick": (7, 16), "standard": (13, 64), "paper": (20, 512)}
DASHES = (0, (4, 2))


def _two_inputs(axes: Axes, slopes: np.ndarray) -> None:
    fine = np.geomspace(0.1, 10.0, 201)
    for tau, (colour, label) in LOSSES.items():
        # Beyond tau = 1 the closed form is that of the symmetric scorer.
        rise = theory.two_input_gap if tau <= 1.0 else _symmetric(tau)
        axes.plot(fine, rise(tau=tau, n=N, slope_bound=fine, bias_bound=BIAS), color=colour, lw=1.4, label=label)
        found = [
            two_input_gap(4, Stream.from_seed(0), n=N, tau=tau, slope_bound=float(w), bias_bound=BIAS)["value"].min()
            for w in slopes
        ]
        axes.plot(slopes, found, "o", ms=3.5, color=colour)
    axes.set(xscale="log", yscale="log", ylim=(1e-3, 1))
    axes.set_ylabel(r"minimisability gap $M_\tau$")
    axes.set_title("two opposite inputs, certain labels", fontsize=10)
    axes.legend(frameon=False, fontsize=8, loc="lower left")


def _symmetric(tau: float) -> Callable[..., np.ndarray]:
    def gap(*, slope_bound: np.ndarray, n: int, bias_bound: float, **_: float) -> np.ndarray:
        total = np.exp(-2 * slope_bound) + (n - 2) * np.exp(-2 * bias_bound - slope_bound)
        least = theory.certain_infimum(tau=tau, n=n, slope_bound=slope_bound, bias_bound=bias_bound, norm=1.0)
        return np.asarray(comp_sum_loss.outer_function(tau=tau, u=total) - least)

    return gap


def _noisy(gaps: Axes, bounds: Axes, slopes: np.ndarray, problems: int) -> None:
    """The same problems at every slope: means over them, and the arguments of the bound at the scores zero."""
    for tau, (colour, _) in LOSSES.items():
        gap, spread, full = [], [], []
        for w in slopes:
            found = noisy_gap(
                problems, Stream.from_seed(0), n=N, tau=tau, slope_bound=float(w), bias_bound=BIAS, atoms=ATOMS
            )
            ranges = float(w) * found["norms"] + BIAS
            infima = clipped_infimum(tau=tau, p=found["p"], bounds=ranges)
            zero = float(comp_sum_loss.outer_function(tau=tau, u=N - 1.0))
            gap.append(found["value"].mean())
            spread.append(found["value"].std() / np.sqrt(problems))
            full.append(zero - (found["weights"] * infima).sum(axis=1).mean())
        gaps.errorbar(slopes, gap, spread, fmt="o-", ms=3.5, lw=1.0, color=colour)
        bounds.plot(slopes, full, "-", lw=1.4, color=colour)
        bounds.plot(slopes, np.array(full) - np.array(gap), ls=DASHES, lw=1.3, color=colour)
    gaps.set(xscale="log", ylim=(0, 0.3))
    gaps.set_title(f"{ATOMS} random inputs, noisy labels", fontsize=10)
    gaps.set_ylabel(r"mean of $M_\tau$")
    bounds.set(xscale="log", ylim=(0, 0.75))
    bounds.set_title(r"argument of $\Gamma_\tau$ at scores zero", fontsize=10)
    bounds.set_ylabel("surrogate regret, mean over problems")
    marks = [
        Line2D([], [], color="0.3", lw=1.4, label=r"$R_\tau(h) - R^*_\tau(H) + M_\tau(H)$"),
        Line2D([], [], color="0.3", lw=1.3, ls=DASHES, label=r"$R_\tau(h) - R^*_\tau(H)$"),
    ]
    bounds.legend(handles=marks, frameon=False, fontsize=8, loc="upper left")


def gaps_against_slopes(budget: str = "quick") -> Figure:
    """Closed form and measured gaps on two inputs; gaps on random ones; the bound's argument with and without them."""
    points, problems = EFFORT[budget]
    slopes = np.geomspace(0.1, 10.0, points)
    figure = Figure(figsize=(9.6, 3.4), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    _two_inputs(left, slopes)
    _noisy(middle, right, slopes, problems)
    for axes in (left, middle, right):
        axes.set_xlim(0.09, 11)
    figure.supxlabel(rf"bound $W$ on the slopes of linear scorers ($n = {N}$, $B = {BIAS}$)", fontsize=10)
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {"comp-sum-minimizability-gaps": gaps_against_slopes}
