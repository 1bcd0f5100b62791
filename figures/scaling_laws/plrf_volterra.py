"""Risk of SGD on power-law random features: theory as lines, runs of SGD as points; one panel a phase."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from theorylab.derivations.scaling_laws import plrf_volterra as v
from theorylab.kernels.random import Stream
from theorylab.sims.scaling_laws import power_law_features as sim

# Exponents and learning rates (times the trace of the inputs' covariance) of the panels.
PANELS = {
    "Ia": (0.8, 0.3, 0.35),
    "Ib": (0.4, 0.3, 0.5),
    "Ic": (0.15, 0.8, 0.5),
    "II": (1.0, 0.7, 0.27),
    "III": (0.8, 1.2, 0.3),
    "IVa": (0.4, 1.0, 0.5),
    "IVb": (0.27, 0.7, 0.5),
}
RATIO = 4.0
# Octaves between the numbers of features whose theory is shown.
OCTAVES = {"quick": 3.0, "standard": 1.5, "paper": 1.0}
# Features whose runs are simulated, with draws of the features and runs of SGD on each, and steps.
RUNS = {
    "quick": ((32, 128), 24, 2, 1000),
    "standard": ((25, 100, 400), 64, 4, 10_000),
    "paper": ((100, 400, 1600), 100, 10, 100_000),
}


def _times(last: float, count: int) -> np.ndarray:
    return np.unique(np.round(np.geomspace(1.0, last, count)))


def phases(budget: str = "quick") -> Figure:
    """Risk against compute r B d in the seven phases, for widths up to 2^20, with the least risk at each compute."""
    figure = Figure(figsize=(11.0, 5.6), layout="constrained")
    grid = figure.subplots(2, 4)
    compute = np.geomspace(1e2, 1e12, 120)
    sizes = np.round(2 ** np.arange(5.0, 24.0, OCTAVES[budget]))
    colour, norm = colormaps["viridis"], LogNorm(sizes[0], 4 * sizes[-1])
    for axes, (name, (alpha, beta, rate)) in zip(grid.flat, PANELS.items()):
        frontier = np.full(compute.size, np.inf)
        for d in sizes:
            ratio = 400.0 if alpha > 0.5 else RATIO
            value = v.RISK(alpha=alpha, beta=beta, d=int(d), ratio=ratio, rate=rate, r=np.maximum(compute / d, 1e-9))
            started = compute >= d
            frontier = np.where(started, np.minimum(frontier, value), frontier)
            shown = started & (compute <= d * 1e9)
            axes.plot(compute[shown], value[shown], color=colour(norm(d)), linewidth=0.9)
        axes.plot(compute, frontier, color="crimson", linewidth=1.4, linestyle="--", label="least at this compute")
        axes.set(xscale="log", yscale="log", xlim=(1e2, 1e12))
        axes.set_ylim(0.6 * frontier[-1], 1.3 * frontier[0])
        axes.set_title(rf"{name}:  $\alpha = {alpha:g}$, $\beta = {beta:g}$", fontsize=10)
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_locator(LogLocator(numticks=5))
    grid[0, 0].legend(frameon=False, fontsize=8, loc="lower left")
    for axes in grid[1]:
        axes.set_xlabel(r"compute $f = r B d$")
    for row in grid:
        row[0].set_ylabel(r"risk $P_r$ (no half)")
    last = grid[1, 3]
    last.axis("off")
    bar = figure.colorbar(ScalarMappable(norm, colour), cax=last.inset_axes((0.0, 0.05, 0.1, 0.9)))
    bar.set_label(r"number of features $d$")
    last.text(
        0.48,
        0.5,
        "theory:\ndeterministic\nequivalent,\n$B = 1$\n\n"
        "learning rate\n$\\gamma\\,\\mathrm{tr} D$ = 0.27 to 0.5\n\n"
        "$v = 400\\,d$ above\n$\\alpha = 1/2$, else $4\\,d$",
        transform=last.transAxes,
        fontsize=9,
        verticalalignment="center",
    )
    return figure


def runs(budget: str = "quick") -> Figure:
    """Runs of SGD, averaged over features, on the lines of the deterministic equivalent, in four phases."""
    sizes, draws, repeats, last = RUNS[budget]
    rng = Stream.from_seed(0)
    figure = Figure(figsize=(11.0, 3.2), layout="constrained")
    panels = figure.subplots(1, 4)
    lines, points = np.geomspace(1.0, 1e6, 120), _times(last, 9)
    for axes, name in zip(panels, ("Ia", "II", "III", "IVa")):
        alpha, beta, rate = PANELS[name]
        for k, d in enumerate(sizes):
            at = {"alpha": alpha, "beta": beta, "d": d, "ratio": RATIO, "rate": rate, "B": 1}
            axes.plot(lines, v.RISK(**at, r=lines), color=f"C{k}", label=f"$d = {d}$")
            risk = sim.stochastic(draws, rng, **at, r=points, runs=repeats)["risk"]
            mean, error = risk.mean(axis=0), risk.std(axis=0, ddof=1) / np.sqrt(draws)
            axes.errorbar(points, mean, error, fmt="o", color=f"C{k}", markersize=3.5, capsize=2, linewidth=1)
        axes.set(xscale="log", yscale="log", xlabel="steps $r$")
        axes.set_title(rf"{name}:  $\alpha = {alpha:g}$, $\beta = {beta:g}$", fontsize=10)
    panels[0].set_ylabel(r"risk $P_r$ (no half)")
    panels[0].legend(frameon=False, fontsize=8, title="line: theory; dots: SGD", title_fontsize=8)
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {
    "plrf-volterra-phases": phases,
    "plrf-volterra-runs": runs,
}
