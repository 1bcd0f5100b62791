"""Powers of the width: a slice through the space of parametrisations, and how far features move in some of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from theorylab.claims.infinite_width import abc_parametrization as claims
from theorylab.derivations.infinite_width import abc_classification
from theorylab.derivations.infinite_width import abc_parametrization as theory
from theorylab.kernels.random import Stream
from theorylab.sims.infinite_width import one_sample_descent as sims

# Points a side of the measured slice (so that its lines meet the facets), networks at each width, smallest width.
SLICE = {"quick": (9, 7, 16, 32), "standard": (9, 7, 32, 64), "paper": (17, 13, 64, 256)}
# Widths and networks of the scans.
WIDTHS = {
    "quick": ((64, 256, 1024, 4096), 64),
    "standard": ((64, 256, 1024, 4096, 16384), 256),
    "paper": ((64, 256, 1024, 4096, 16384, 65536), 512),
}
KINDS = ("unstable", "trivial", "kernel", "feature learning")
COLOURS = ("#f2c6c0", "#e6e6e6", "#c3d7ee", "#bfe3c4")
MARKS = ("#c0392b", "#7f7f7f", "#1f5fa8", "#1e8449")


def _exponents(readout: float, rate: float) -> claims.Exponents:
    """The slice: hidden layers as in maximal update, the readout's multiplier and the rate free."""
    return (-0.5, 0.0, readout), (0.5, 0.5, 0.5), rate


def _kind(found: claims.Exponents) -> int:
    return KINDS.index(abc_classification.kind(*found))


def plane(budget: str = "quick") -> Figure:
    """The plane (a_3, c) through maximal update: predicted regions and what measured exponents say, point by point."""
    across, up, seeds, n = SLICE[budget]
    figure = Figure(figsize=(9.4, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.0, 1.0))
    readouts, rates = np.linspace(0.0, 1.0, 241), np.linspace(-0.5, 1.0, 241)
    kinds = np.array([[_kind(_exponents(p, c)) for p in readouts] for c in rates])
    left.pcolormesh(
        readouts, rates, kinds, cmap=ListedColormap(COLOURS), norm=BoundaryNorm(np.arange(-0.5, 4), 4), rasterized=True
    )
    # Facets are too thin for a raster: the line where the output moves, with the vertex that learns features on it.
    edge = np.linspace(0.0, 1.0, 201)
    critical = theory.CRITICAL_RATE(a1=-0.5, a2=0.0, a3=edge, b3=0.5)
    nontrivial = np.array([_kind(_exponents(float(p), float(c))) for p, c in zip(edge, critical)])
    for kind in (2, 3):
        shown = np.where(nontrivial == kind, critical, np.nan)
        left.plot(edge, shown, color=MARKS[kind], linewidth=2.5, solid_capstyle="butt")
    left.plot(0.5, 0.0, marker="*", color=MARKS[3], markersize=18, linestyle="none", zorder=5)
    grid = [(p, c) for p in np.linspace(0.0, 1.0, across) for c in np.linspace(-0.5, 1.0, up)]
    rng = Stream.from_seed(0)
    agree = 0
    for p, c in grid:
        point = claims._point(_exponents(float(p), float(c)))
        flags = sims.outcome(1, rng, n=n, seeds=seeds, **point)["value"][0]
        seen = int(flags.sum()) if flags[0] else 0
        agree += seen == _kind(_exponents(float(p), float(c)))
        left.plot(p, c, marker="o", markersize=6, color=MARKS[seen], markeredgecolor="white", zorder=6, clip_on=False)
    left.set(
        xlabel="$a_3$, exponent of the readout's multiplier",
        ylabel=r"$c$, exponent of the rate $\eta n^{-c}$",
        title=f"dots: measured ({agree} of {len(grid)} as predicted)",
    )
    left.legend(
        handles=[Patch(color=colour, label=kind) for colour, kind in zip(MARKS, KINDS)],
        frameon=False,
        fontsize=8,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.16),
        ncols=4,
    )
    _exponent_scan(right, budget)
    return figure


def _exponent_scan(axes: Any, budget: str) -> None:
    """Decay exponents of features and output against the readout's multiplier at c = 0, through maximal update."""
    sizes, trials = WIDTHS[budget]
    ends = sizes[0], sizes[-1]
    span = float(np.log(ends[1] / ends[0]))
    multipliers = np.linspace(0.5, 1.0, 101)
    at = {"a1": -0.5, "a2": 0.0, "b3": 0.5, "c": 0.0}
    styles = {
        "features": (theory.growth_of_features, "C0", "o", "features, $r$"),
        "output": (theory.growth_of_output, "C1", "s", "output"),
    }
    rng = Stream.from_seed(1)
    for form, colour, marker, label in styles.values():
        axes.plot(multipliers, -form(2, 2)(a3=multipliers, **at), color=colour, label=f"{label} (theory)")
        axes.plot([], [], marker, color=colour, markerfacecolor="white", label=f"n = {ends[0]} to {ends[1]}")
    for a3 in np.linspace(0.4, 1.0, 7):
        point = claims._point(_exponents(float(a3), 0.0))
        runs = [sims.two_hidden(trials, rng, n=n, **point) for n in ends]
        for name, (_, colour, marker, _) in styles.items():
            logs = [np.log(run[name].mean()) for run in runs]
            errors = [run[name].std(ddof=1) / run[name].mean() / np.sqrt(trials) for run in runs]
            axes.errorbar(
                a3,
                (logs[0] - logs[1]) / span,
                3 * np.hypot(*errors) / span,
                fmt=marker,
                color=colour,
                markersize=5,
                capsize=2,
                markerfacecolor="white",
            )
    axes.axvspan(0.35, 0.5, color=COLOURS[0], linewidth=0)
    axes.axhline(0.0, color="0.6", linewidth=0.8)
    axes.set(
        xlim=(0.35, 1.03),
        xlabel="$a_3$ (at $c = 0$)",
        ylabel="decay exponent of the change in 3 steps",
        title="shaded: unstable",
    )
    axes.legend(frameon=False, fontsize=8)


def widths(budget: str = "quick") -> Figure:
    """Change of the features against width: standard, neural-tangent and maximal-update, after one and three steps."""
    sizes, trials = WIDTHS[budget]
    figure = Figure(figsize=(8.6, 3.8), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    shown = (
        ("standard, $c = 1$", claims.STANDARD, "C0"),
        ("neural tangent", claims.NEURAL_TANGENT, "C1"),
        ("maximal update", claims.MAXIMAL_UPDATE, "C2"),
        ("maximal update, $b_3 = 5/4$", claims.SMALL_READOUT, "C3"),
    )
    rng = Stream.from_seed(2)
    for axes, steps in zip(panels, (1, 3)):
        for name, found, colour in shown:
            point = claims._point(found, steps)
            own = {k: point[k] for k in ("a1", "a2", "a3", "b3", "c")}
            slope = float(theory.growth_of_features(2, 1 if steps == 1 else 2)(**own))
            runs = [sims.two_hidden(trials, rng, n=n, **point)["features"] for n in sizes]
            mean = np.array([run.mean() for run in runs])
            error = np.array([run.std(ddof=1) / np.sqrt(trials) for run in runs])
            axes.errorbar(sizes, mean, 3 * error, fmt="o", color=colour, markersize=4, capsize=2)
            line = mean[-1] * (np.array(sizes) / sizes[-1]) ** slope
            axes.plot(sizes, line, color=colour, label=f"{name}: $n^{{{slope:g}}}$" if slope else f"{name}: $n^0$")
        axes.set(
            xscale="log",
            yscale="log",
            xlabel="width $n$",
            title="after one step" if steps == 1 else "after three steps",
        )
        axes.legend(frameon=False, fontsize=8, loc="lower left")
    panels[0].set_ylabel("root mean square change of $z^L$")
    panels[0].set_ylim(1e-5, 3)
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {
    "abc-parametrization-plane": plane,
    "abc-parametrization-widths": widths,
}
