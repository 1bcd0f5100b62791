"""Two-layer linear networks from lazy to rich: losses, alignment of the tangent kernel, and what the width does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from theorylab.derivations.learning_dynamics import dmft_two_layer_linear as d
from theorylab.kernels.random import Stream
from theorylab.sims.learning_dynamics import two_layer_linear_flow as sim

RICHNESS = (0.1, 0.5, 1.0, 2.0, 4.0)
# Width and pairs of networks for the curves; widths and networks for the fluctuations.
CURVES = {"quick": (1000, 16), "standard": (5000, 50), "paper": (20_000, 100)}
WIDTHS = {
    "quick": ((16, 32, 64, 128), 400),
    "standard": ((16, 64, 256, 1024), 1000),
    "paper": ((64, 256, 1024, 4096), 4000),
}


def losses(budget: str = "quick") -> Figure:
    """Loss against time on whitened data, from lazy to rich, and the kernel that grows meanwhile."""
    width, pairs = CURVES[budget]
    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    colour, norm = colormaps["viridis"], LogNorm(0.07, 6.0)
    t, rng = np.linspace(0.0, 2.0, 200), Stream.from_seed(0)
    points = np.linspace(0.1, 1.9, 10)
    for gamma in RICHNESS:
        shade = colour(norm(gamma))
        at = {"gamma": gamma, "y": 1.0}
        left.plot(t, 0.5 * (1.0 - d.OUTPUT(**at, t=t)) ** 2, color=shade, label=rf"$\gamma = {gamma:g}$")
        right.plot(t, d.READOUT_KERNEL(**at, t=t), color=shade)
        seen = sim.whitened_flow(pairs, rng, N=width, P=1, **at, t=points)
        for axes, values in ((left, 0.5 * (1.0 - seen["output"]) ** 2), (right, seen["readout"])):
            error = values.std(axis=0, ddof=1) / np.sqrt(pairs)
            axes.errorbar(points, values.mean(axis=0), error, fmt="o", color=shade, markersize=3.5, linewidth=1)
    left.set(
        yscale="log", xlabel="time $t$ of gradient flow", ylabel=r"loss $\frac{1}{2}(|y| - f)^2$", ylim=(1e-7, 1.0)
    )
    right.set(xlabel="time $t$ of gradient flow", ylabel=r"kernel $G = H_{yy}$")
    left.legend(frameon=False, fontsize=8, title=f"lines: $N = \\infty$\ndots: $N = {width}$", title_fontsize=8)
    return figure


def alignment(budget: str = "quick") -> Figure:
    """Alignment of the trained tangent kernel with the targets against richness, for 2, 4 and 8 whitened patterns."""
    width, pairs = CURVES[budget]
    figure = Figure(figsize=(4.6, 3.6), layout="constrained")
    axes = figure.subplots()
    gamma, rng = np.geomspace(0.05, 20.0, 100), Stream.from_seed(1)
    for k, patterns in enumerate((2, 4, 8)):
        axes.plot(gamma, d.ALIGNMENT(gamma=gamma, y=1.0, P=patterns), color=f"C{k}", label=f"$P = {patterns}$")
        for g in (0.1, 0.5, 1.0, 2.0, 5.0):
            late = np.array([7.0 / np.hypot(1.0, g)])
            seen = sim.whitened_flow(max(4, pairs // 4), rng, N=width, P=patterns, gamma=g, y=1.0, t=late)
            values = seen["alignment"][:, 0]
            error = values.std(ddof=1) / np.sqrt(len(values))
            axes.errorbar(g, values.mean(), error, fmt="o", color=f"C{k}", markersize=4, capsize=2, linewidth=1)
    axes.set(
        xscale="log", xlabel=r"richness $\gamma\,|y|$", ylabel=r"alignment $y^\top\Theta y\,/\,(|y|^2\|\Theta\|_F)$"
    )
    axes.legend(frameon=False, fontsize=9, title=f"line: $N = \\infty$; dots: $N = {width}$", title_fontsize=8)
    return figure


def widths(budget: str = "quick") -> Figure:
    """Networks of finite width: the band of their outputs, and how mean and spread deviate with the width."""
    sizes, count = WIDTHS[budget]
    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    at, rng = {"gamma": 2.0, "y": 1.0}, Stream.from_seed(2)
    t = np.linspace(0.0, 1.2, 61)
    phi = d.OUTPUT(**at, t=t)
    band = np.sqrt(d.VARIANCE(**at, t=t) / 64)
    left.plot(t, phi, color="black", label=r"$N = \infty$")
    left.fill_between(t, phi - band, phi + band, color="C0", alpha=0.25, label=r"$\pm$ theory's s.d. at $N = 64$")
    runs = sim.whitened_net(400, rng, N=64, **at, t=t)["output"]
    left.plot(t, runs[:25].T, color="C0", linewidth=0.4, alpha=0.7)
    for sign in (-1.0, 1.0):
        edge = runs.mean(axis=0) + sign * runs.std(axis=0, ddof=1)
        left.plot(t[::5], edge[::5], ".", color="C0", label="400 networks, mean $\\pm$ s.d." if sign > 0 else None)
    left.set(xlabel="time $t$ of gradient flow", ylabel="output $f$")
    left.legend(frameon=False, fontsize=8)
    when = np.array([0.5])
    line = np.geomspace(sizes[0] / 1.3, sizes[-1] * 1.3, 20)
    right.plot(line, np.sqrt(d.VARIANCE(**at, t=when) / line), color="C0", label=r"s.d.: theory, $N^{-1/2}$")
    right.plot(line, -d.BIAS(**at, t=when) / line, color="C3", label=r"$\varphi - E f$: theory, $N^{-1}$")
    for n in sizes:
        seen = sim.halves(count, rng, N=n, **at, t=when)
        bias, variance = -seen["bias"][:, 0] / n, seen["variance"][:, 0] / n
        error = bias.std(ddof=1) / np.sqrt(count)
        right.errorbar(n, bias.mean(), error, fmt="s", color="C3", markersize=4, capsize=2, linewidth=1)
        spread = np.sqrt(variance.mean())
        error = variance.std(ddof=1) / np.sqrt(count) / (2.0 * spread)
        right.errorbar(n, spread, error, fmt="o", color="C0", markersize=4, capsize=2, linewidth=1)
    right.set(xscale="log", yscale="log", xlabel="width $N$", ylabel=r"deviation of $f$ at $t = 0.5$, $\gamma = 2$")
    right.set_xticks(sizes, [str(n) for n in sizes])
    right.minorticks_off()
    right.legend(frameon=False, fontsize=8)
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {
    "dmft-two-layer-linear-losses": losses,
    "dmft-two-layer-linear-alignment": alignment,
    "dmft-two-layer-linear-widths": widths,
}
