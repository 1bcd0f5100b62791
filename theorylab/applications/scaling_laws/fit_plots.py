"""Figures of a fitted scaling law: runs with the frontier and its intervals, and residuals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from theorylab.applications.scaling_laws.fit import Fit

# Model sizes for which a line of the law is drawn.
LINES = 6


def frontier(law: Fit) -> Figure:
    """Loss above E against compute with the frontier; best model size and token count with their intervals."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.0, 3.8), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    compute = law.cost * np.exp(law.x + law.y)
    axis = np.geomspace(compute.min() / 2, compute.max() * 20, 120)
    best = law.allocation(axis)
    constant = float(np.exp(law.theta[2]))
    dots = left.scatter(compute, np.exp(law.target), c=law.x / np.log(10), s=9, cmap="viridis", linewidths=0, zorder=3)
    levels = np.linspace(law.x.min(), law.x.max(), LINES)
    for x in levels:
        loss = _loss(law, x, np.log(axis / law.cost) - x)
        seen = loss < 1.1 * np.exp(law.target.max())
        left.plot(axis[seen], loss[seen], color=dots.cmap(dots.norm(x / np.log(10))), linewidth=0.8, alpha=0.7)
    centre, low, high = best["L*-E"]
    left.plot(axis, constant + centre, color="k", linewidth=1.5, label="compute-optimal")
    left.axhline(constant, color="0.5", linestyle=":", linewidth=1, label="$E$")
    left.set(xscale="log", yscale="log", xlabel="training compute $C$ (flops)", ylabel="loss (nats per token)")
    _plain(left)
    left.legend(frameon=False, fontsize=8)
    figure.colorbar(dots, ax=left, label=r"$\log_{10} N$", pad=0.01)
    for axes, name, label, observed in (
        (middle, "N*", "parameters", np.exp(law.x)),
        (right, "D*", "tokens", np.exp(law.y)),
    ):
        centre, low, high = best[name]
        axes.scatter(compute, observed, s=7, color="0.7", linewidths=0, label="runs")
        axes.fill_between(axis, low, high, color="C0", alpha=0.3, linewidth=0, label=f"{law.level:.0%} interval")
        axes.plot(axis, centre, color="C0", label="compute-optimal")
        axes.set(xscale="log", yscale="log", xlabel="training compute $C$ (flops)", ylabel=label)
        axes.legend(frameon=False, fontsize=8)
    return figure


def residuals(law: Fit) -> Figure:
    """Residuals of ln L against model size, tokens and the fitted loss, and the bootstrap of the exponents."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.0, 3.2), layout="constrained")
    panels = figure.subplots(1, 4)
    r = law.residuals
    scale = 1.4826 * float(np.median(np.abs(r)))
    reach = 1.1 * max(4 * scale, float(np.quantile(np.abs(r), 0.98)))
    outside = int(np.sum(np.abs(r) > reach))
    for axes, values, label in zip(
        panels, (np.exp(law.x), np.exp(law.y), np.exp(law.target - r)), ("parameters", "tokens", "fitted loss (nats)")
    ):
        axes.axhspan(-scale, scale, color="0.9", linewidth=0)
        axes.axhline(0, color="0.5", linewidth=0.8)
        axes.scatter(values, np.clip(r, -reach, reach), s=8, linewidths=0, color="C0")
        axes.set(xscale="log", xlabel=label, ylim=(-1.05 * reach, 1.05 * reach))
    _plain(panels[2], "x")
    panels[0].set_ylabel(r"residual of $\ln L$" + (f" ({outside} at the edge)" if outside else ""))
    panels[3].scatter(law.resampled[:, 3], law.resampled[:, 4], s=3, linewidths=0, color="0.6", label="resamples")
    value, low, high = law.interval(lambda theta: theta)
    panels[3].errorbar(
        value[3],
        value[4],
        xerr=[[value[3] - low[3]], [high[3] - value[3]]],
        yerr=[[value[4] - low[4]], [high[4] - value[4]]],
        fmt="o",
        color="C0",
        capsize=2,
        label=f"fit, {law.level:.0%} intervals",
    )
    for axis, which in (("x", 3), ("y", 4)):
        width = 2.5 * (high[which] - value[which])
        panels[3].set(**{f"{axis}lim": (value[which] - width, value[which] + width)})
    panels[3].set(xlabel="exponent $a$", ylabel="exponent $b$")
    panels[3].legend(frameon=False, fontsize=8)
    return figure


def _loss(law: Fit, x: float, y: np.ndarray) -> np.ndarray:
    from theorylab.sims.scaling_laws.loss_fits import log_loss

    return np.asarray(np.exp(log_loss(np.full_like(y, x), y, law.theta)))


def _plain(axes: Axes, which: str = "y") -> None:
    """Losses as plain numbers on a logarithmic axis."""
    from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

    axis = axes.yaxis if which == "y" else axes.xaxis
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 5.0)))
    axis.set_major_formatter(ScalarFormatter())
    axis.set_minor_formatter(NullFormatter())
