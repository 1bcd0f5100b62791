"""Deep linear networks: the staircase of modes, and learning time against depth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from theorylab.derivations.learning_dynamics import deep_linear_sigmoids as deep
from theorylab.kernels.random import Stream
from theorylab.sims.learning_dynamics import deep_linear

STRENGTHS = (3.0, 1.7, 1.0, 0.5)
# Inputs, outputs and hidden units; independent starts.
SIZES = {"quick": (8, 12), "standard": (16, 40), "paper": (32, 20)}
DEPTHS = (2, 3, 4, 5, 7, 10, 14, 20)


def _from_small_starts(d: int, runs: int, sigma: float, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Strengths float64[runs, times, modes] of two layers, and their effective starts.

    These are |a + b|^2/4 of the part of a + b that is orthogonal to those of all stronger modes: what lies along a
    direction that a mode has already taken decays as soon as that mode is learned.
    """
    rng = Stream.from_seed(0)
    weights = [sigma * rng.normal(runs, d, d) for _ in range(2)]
    target = np.zeros((runs, d, d))
    modes = np.arange(len(STRENGTHS))
    target[:, modes, modes] = STRENGTHS
    both = weights[0][:, :, : len(modes)] + np.swapaxes(weights[1], 1, 2)[:, :, : len(modes)]
    starts = np.square(np.diagonal(np.linalg.qr(both)[1], axis1=1, axis2=2)) / 4
    seen = []
    for before, after in zip((0.0, *t[:-1]), t):
        steps = int(np.ceil((after - before) / 0.02))
        for _ in range(steps):
            weights = deep_linear.runge_kutta(weights, target, (after - before) / steps)
        seen.append(deep_linear.product(weights)[:, modes, modes])
    return np.stack(seen, axis=1), starts


def staircase(budget: str = "quick") -> Figure:
    """Modes are learned one after the other: two layers of small unaligned weights against sigmoids."""
    d, runs = SIZES[budget]
    sigma = 1e-3
    t = np.linspace(0.25, 20.0, 80)
    seen, starts = _from_small_starts(d, runs, sigma, t)
    figure = Figure(figsize=(8.4, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    fine = np.linspace(0.0, 20.0, 500)
    for i, s in enumerate(STRENGTHS):
        color = f"C{i}"
        left.plot(t, seen[0, :, i], "o", color=color, markersize=2.5)
        left.plot(fine, deep.mode(2, s, float(starts[0, i])).strength(fine), color=color, label=rf"$s = {s:g}$")
        half = np.array([np.interp(0.5 * s, run[:, i], t) if run[-1, i] > 0.5 * s else np.nan for run in seen])
        right.plot(np.log(s / starts[:, i] - 1) / (2 * s), half, "o", color=color, markersize=3.5)
    total = sum(deep.mode(2, s, float(starts[0, i])).strength(fine) for i, s in enumerate(STRENGTHS))
    left.plot(fine, total, color="0.6", linewidth=0.8, linestyle="--", label="sum")
    left.set(xlabel=r"time $t$", ylabel=r"mode strength $u_i(t)$", title="one start, not aligned, $\\sigma = 10^{-3}$")
    left.legend(fontsize=8, frameon=False)
    right.plot([0, 16], [0, 16], color="0.7", linewidth=0.8)
    right.set(
        xlim=(1, 16),
        ylim=(1, 16),
        xlabel=r"$\log(s/u_0 - 1)/(2s)$, $u_0 = |(a + b)_\perp|^2/4$",
        ylabel="time until half is learned",
        title=f"{runs} starts, {d} x {d} weights",
    )
    return figure


def depth(budget: str = "quick") -> Figure:
    """Learning time against depth, from equal layers and from equal products, with matrices integrated."""
    runs = {"quick": 2, "standard": 4, "paper": 8}[budget]
    figure = Figure(figsize=(8.4, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    many = np.arange(2, 41)
    for i, w in enumerate((0.9, 0.8, 0.6)):
        at = {"u": 0.9, "s": 1.0}
        left.plot(many, [deep.DEEP_TIME(n=n, u0=w**n, **at) for n in many], color=f"C{i}", label=rf"$w_l(0) = {w:g}$")
    for i, u0 in enumerate((0.3, 0.1, 0.03)):
        scaled = [float(n * deep.DEEP_TIME(n=n, u=0.9, s=1.0, u0=u0)) for n in many]
        right.plot(many, scaled, color=f"C{i}", label=rf"$u(0) = {u0:g}$")
        right.axhline(float(deep.INFINITE_TIME(u=0.9, s=1.0, u0=u0)), color=f"C{i}", linestyle=":", linewidth=1.0)
        for n in DEPTHS:
            end = float(deep.DEEP_TIME(n=n, u=0.9, s=1.0, u0=u0))
            t = np.linspace(0.8, 1.2, 9) * end
            path = deep_linear.aligned(runs, Stream.from_seed(n), n=n, d=3, s=1.0, u0=u0, t=t)["value"].mean(axis=0)
            right.plot(n, n * np.interp(0.9, path, t), "o", color=f"C{i}", markersize=3.5)
    left.set(yscale="log", xlabel="layers $n$", ylabel=r"time until $u = 0.9\,s$", title="equal layers, $s = 1$")
    right.set(
        xscale="log",
        xlabel="layers $n$",
        ylabel=r"$n$ times the time until $u = 0.9\,s$",
        title="equal products, $s = 1$",
    )
    right.set_xticks([2, 5, 10, 20, 40], ["2", "5", "10", "20", "40"])
    right.minorticks_off()
    right.plot([], [], "k:", label=r"$n \to \infty$")
    right.plot([], [], "ko", markersize=3.5, label="matrices")
    for axes in (left, right):
        axes.legend(fontsize=8, frameon=False)
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {
    "deep-linear-staircase": staircase,
    "deep-linear-depth": depth,
}
