"""What training runs say about a scaling law: the error ellipse of its exponents, and coverage against the runs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from theorylab.applications.scaling_laws import fit_plots
from theorylab.applications.scaling_laws.fit import Fit, fit_law
from theorylab.derivations.scaling_laws import scaling_law_inference as d
from theorylab.derivations.scaling_laws.chinchilla_allocation import optimal_size
from theorylab.kernels.random import Stream
from theorylab.sims.scaling_laws.loss_fits import CELLS, bootstrapped, fitted, log_loss

LAW = {p.name: float(p.default) for p in d.LAW}
# Fits for the variances; sets of runs and resamples of each for the intervals.
EFFORT = {"quick": (2000, 400, 49), "standard": (20_000, 2000, 99), "paper": (100_000, 10_000, 199)}
RATIOS = np.geomspace(0.05, 3.0, 7)


def precision(budget: str = "quick") -> Figure:
    """The variance factor against delta/s; the width of the interval of b/(a+b) and coverage against the runs."""
    fits, sets, resamples = EFFORT[budget]
    figure = Figure(figsize=(10.2, 3.3), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    rng = Stream.from_seed(4)
    c = np.geomspace(0.02, 6.0, 200)
    left.semilogx(c, d.variance_factor(s=1.0, delta=c), color="C0", label="theory")
    for ratio in RATIOS:
        curve = fitted(fits, rng, copies=16, s=1e-3 / ratio, delta=1e-3, **LAW)["curve"]
        left.errorbar(ratio, curve.mean(), curve.std() / np.sqrt(fits), fmt="o", color="C0", markersize=3.5, capsize=2)
    left.axhline(np.pi / 2, color="0.6", linestyle=":", linewidth=1)
    left.axhline(1.0, color="0.6", linestyle=":", linewidth=1)
    left.text(6.0, np.pi / 2 - 0.012, "least absolute deviations", ha="right", va="top", fontsize=8, color="0.4")
    left.text(0.02, 1.012, "least squares", va="bottom", fontsize=8, color="0.4")
    left.set(xlabel=r"$\delta/s$", ylabel=r"variance factor $\kappa$", ylim=(0.95, 1.62))
    copies = np.array([1, 2, 4, 8])
    runs = CELLS * copies
    fine = np.geomspace(runs[0] / 1.2, runs[-1] * 1.2, 50)
    middle.loglog(fine, d.interval_width(copies=1, level=0.9) * np.sqrt(CELLS / fine), color="C0", label="theory")
    right.axhline(0.9, color="C0", label="nominal")
    for number, n in zip(copies, runs):
        out = bootstrapped(sets, rng, copies=int(number), s=0.005, delta=1e-3, level=0.9, resamples=resamples, **LAW)
        width = out["width"]
        middle.errorbar(n, width.mean(), width.std() / np.sqrt(sets), fmt="o", color="C0", markersize=3.5, capsize=2)
        for colour, shift, name, label in (
            ("C0", 0.97, "covered", "estimate $\\mp z$ scale"),
            ("C3", 1.03, "between_percentiles", "between percentiles"),
        ):
            hits = out[name].mean(axis=1)
            right.errorbar(
                shift * n,
                hits.mean(),
                hits.std() / np.sqrt(sets),
                fmt="o" if colour == "C0" else "s",
                color=colour,
                markersize=3.5,
                capsize=2,
                label=label if number == 1 else None,
            )
    middle.set(xlabel="runs $n$", ylabel="width of the 90 % interval of $b/(a+b)$")
    middle.set_yticks([0.015, 0.02, 0.03, 0.04, 0.05], ["0.015", "0.02", "0.03", "0.04", "0.05"])
    middle.text(0.95, 0.92, r"$\propto n^{-1/2}$", transform=middle.transAxes, ha="right")
    right.set(xscale="log", xlabel="runs $n$", ylabel="coverage, mean of 6 parameters", ylim=(0.84, 1.0))
    right.legend(frameon=False, fontsize=8, title="bootstrap, $s = 0.005$, $\\delta = 0.001$", title_fontsize=8)
    for axes in (middle, right):
        axes.set_xticks(runs, [str(n) for n in runs])
        axes.minorticks_off()
    return figure


def _fitted(budget: str) -> Fit:
    """A law fitted to 63 synthetic runs: sizes spread around the best at seven budgets."""
    budgets, sizes = np.geomspace(6e18, 1e21, 7), np.exp(np.linspace(-1.2, 1.2, 9))
    x = np.log(optimal_size(C=budgets))[:, None] + np.log(sizes)
    y = np.log(budgets / 6)[:, None] - x
    theta = np.array([np.log(LAW["A"]), np.log(LAW["B"]), np.log(LAW["E"]), LAW["a"], LAW["b"]])
    target = log_loss(x.ravel(), y.ravel(), theta) + 0.005 * Stream.from_seed(5).normal(1, x.size)[0]
    law, _ = fit_law(*(np.exp(v.ravel()) for v in (x, y, target)), resamples=5 * EFFORT[budget][2])
    return law


def frontier(budget: str = "quick") -> Figure:
    """Fitted runs, the compute-optimal frontier and its intervals, as `theorylab apply scaling_laws/fit` draws them."""
    return fit_plots.frontier(_fitted(budget))


def residuals(budget: str = "quick") -> Figure:
    """Residuals of the same fit, and the bootstrap of its exponents."""
    return fit_plots.residuals(_fitted(budget))


FIGURES: dict[str, Callable[[str], Figure]] = {
    "scaling-law-inference-precision": precision,
    "scaling-law-inference-frontier": frontier,
    "scaling-law-inference-residuals": residuals,
}
