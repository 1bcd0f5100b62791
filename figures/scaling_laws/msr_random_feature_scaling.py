"""The solvable model of neural scaling laws: loss against features and samples, against the ridge, and the spectrum."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from theorylab.derivations.scaling_laws import msr_random_feature_limits as limits
from theorylab.derivations.scaling_laws import msr_random_feature_scaling as model
from theorylab.kernels.random import Stream
from theorylab.registry import claim
from theorylab.sims.scaling_laws.random_feature_ridge import feature_spectrum

LOSS = "scaling_laws/msr-random-feature-scaling/loss-at-size"
COLOURS = ("#b2182b", "#ef8a62", "#67a9cf", "#2166ac")
UNITS = r"($\sigma_w = 1$, $\lambda_- = 0.01$)"


def _counts(low: float, high: float, points: int) -> np.ndarray:
    return np.unique(np.round(np.geomspace(low, high, points)).astype(int))


def _mean(trials: int, **at: Any) -> tuple[float, float]:
    """Simulated mean loss and half a 95 % interval."""
    value = claim(LOSS).simulate(trials, **at)["value"]
    return float(value.mean()), 1.96 * float(value.std(ddof=1)) / np.sqrt(trials)


def _errorbars(axes: Any, x: Iterable[Any], measured: Iterable[tuple[float, float]], colour: str) -> None:
    mean, half = np.transpose(list(measured))
    axes.errorbar(list(x), mean, half, fmt="o", ms=3, lw=1, color=colour)


def _best(N: Any, T: Any, M: int, alpha: float) -> Any:
    return limits.BEST_RIDGE(N=N, T=T, M=M, alpha=alpha)


def loss_against_features(budget: str = "quick") -> Figure:
    """Loss against N at several T: without a ridge (poles) and at the best one (bottlenecks)."""
    M, trials, points, counts = {
        "quick": (300, 10, 8, (15, 40, 110)),
        "standard": (1000, 40, 14, (20, 60, 180, 540)),
        "paper": (4000, 50, 18, (20, 80, 320, 1280)),
    }[budget]
    alpha = 1.0
    figure = Figure(figsize=(7.4, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    grid = _counts(5, 0.9 * M, points)
    fine = _counts(5, 0.9 * M, 150)
    for T, colour in zip(counts, COLOURS):
        # Lines are broken at the pole.
        for part in (fine[fine < T], fine[fine > T]):
            left.plot(part, model.LOSS(N=part, T=T, M=M, alpha=alpha, g=0.0), color=colour, lw=1.3)
        away = grid[np.abs(np.log(grid / T)) > 0.25]
        _errorbars(left, away, (_mean(trials, N=int(n), T=T, M=M, alpha=alpha, g=0.0) for n in away), colour)
        right.plot(fine, model.LOSS(N=fine, T=T, M=M, alpha=alpha, g=_best(fine, T, M, alpha)), color=colour, lw=1.3)
        ridges = [float(_best(n, T, M, alpha)) for n in grid]
        _errorbars(
            right,
            grid,
            (_mean(trials, N=int(n), T=T, M=M, alpha=alpha, g=g) for n, g in zip(grid, ridges)),
            colour,
        )
        plateau = float(model.INFINITE_DATA(N=T, M=M, alpha=alpha))
        right.plot([2 * T, 0.9 * M], [plateau] * 2, color=colour, lw=0.8, ls=(0, (1, 2)))
    for axes, title in ((left, "no ridge"), (right, "best ridge")):
        axes.plot(fine, limits.INFINITE_DATA(N=fine, M=M, alpha=alpha), color="0.4", lw=0.9, ls="--")
        axes.set(xscale="log", yscale="log", xlabel=f"features $N$ (dimensions $M = {M}$)", title=title)
    left.set_ylim(0.5 * float(limits.INFINITE_DATA(N=fine[-1], M=M, alpha=alpha)), 40)
    left.set_ylabel(f"mean test loss {UNITS}")
    handles = [Line2D([], [], color=c, lw=1.3, label=f"$T = {t}$") for t, c in zip(counts, COLOURS)]
    left.legend(handles=handles, frameon=False, loc="upper right", fontsize=8)
    meanings = [
        Line2D([], [], color="0.3", lw=1.3, label="deterministic equivalent"),
        Line2D([], [], color="0.3", marker="o", ms=3, ls="", label=f"{trials} simulations, 95 %"),
        Line2D([], [], color="0.4", lw=0.9, ls="--", label=r"$\lambda_- c^{1+\alpha} (M/N)^\alpha$, $T = \infty$"),
        Line2D([], [], color="0.3", lw=0.8, ls=(0, (1, 2)), label=r"plateau, $N = \infty$"),
    ]
    right.legend(handles=meanings, frameon=False, loc="upper right", fontsize=8)
    return figure


def loss_against_ridge(budget: str = "quick") -> Figure:
    """Loss without and with label noise against the ridge, with the optimum of the power-law regime.

    At alpha = 1 the best ridge is nearly the same for all N and T: it is homogeneous of degree 1 - alpha.
    """
    N, M, trials, points = {
        "quick": (40, 300, 20, 8),
        "standard": (100, 1500, 60, 13),
        "paper": (300, 4000, 60, 17),
    }[budget]
    alpha = 1.0
    figure = Figure(figsize=(5.2, 3.6), layout="constrained")
    axes = figure.add_subplot()
    ridges, fine = np.geomspace(1e-3, 300.0, points), np.geomspace(5e-4, 600.0, 150)
    for ratio, colour in zip((0.5, 1.0, 2.0, 4.0), COLOURS):
        T = round(ratio * N)
        at = {"N": N, "T": T, "M": M, "alpha": alpha}
        axes.plot(fine, model.LOSS(**at, g=fine), color=colour, lw=1.3, label=f"$T = {ratio:g}\\,N$")
        _errorbars(axes, ridges, (_mean(trials, **at, g=float(g), sigma_eps=0.0) for g in ridges), colour)
        best = float(_best(N, T, M, alpha))
        axes.plot(best, model.LOSS(**at, g=best), marker="v", ms=8, mfc="none", mew=1.3, color=colour)
        if ratio == 1.0:
            axes.plot(fine, model.LOSS(**at, g=fine, sigma_eps=0.3), color=colour, lw=1.0, ls="--")
    axes.set(xscale="log", yscale="log", ylim=(0.13, 9))
    axes.set_xlabel(r"ridge $g$, added to $\varphi\varphi^\top$")
    axes.set_ylabel(f"mean test loss {UNITS}")
    losses = axes.legend(frameon=False, loc="upper right", fontsize=8, title=f"$N = {N}$, $M = {M}$", title_fontsize=8)
    axes.add_artist(losses)
    meanings = [
        Line2D([], [], color="0.3", lw=1.3, label="deterministic equivalent"),
        Line2D([], [], color="0.3", lw=1.0, ls="--", label=r"with noise, $\sigma_\varepsilon = 0.3$"),
        Line2D([], [], color="0.3", marker="o", ms=3, ls="", label=f"{trials} simulations, 95 %"),
        Line2D([], [], color="0.3", marker="v", ms=8, mfc="none", ls="", label="predicted best ridge $g^*$"),
    ]
    axes.legend(handles=meanings, frameon=False, loc="upper center", fontsize=8)
    return figure


def loss_contours(budget: str = "quick") -> Figure:
    """Loss at the best ridge over features and samples; circles are simulated, in the same colours."""
    M, trials, points, cells = {
        "quick": (400, 8, 4, 24),
        "standard": (1500, 20, 5, 48),
        "paper": (6000, 20, 6, 80),
    }[budget]
    alpha = 1.0
    figure = Figure(figsize=(4.9, 4.0), layout="constrained")
    axes = figure.add_subplot()
    high = M / 2.5
    counts = np.round(np.geomspace(8, high, cells))
    N, T = np.meshgrid(counts, counts)
    loss = model.LOSS(N=N, T=T, M=M, alpha=alpha, g=_best(N, T, M, alpha))
    norm = LogNorm(loss.min(), loss.max())
    levels = np.geomspace(loss.min(), loss.max(), 15)
    shades = axes.contourf(N, T, loss, levels=levels, norm=norm, cmap="viridis")
    axes.contour(N, T, loss, levels=levels, colors="white", linewidths=0.4)
    for n in _counts(11, 0.75 * high, points):
        for t in _counts(11, 0.75 * high, points):
            g = float(_best(n, t, M, alpha))
            mean, _ = _mean(trials, N=int(n), T=int(t), M=M, alpha=alpha, g=g, sigma_eps=0.0)
            axes.scatter(n, t, c=[mean], norm=norm, cmap="viridis", s=48, edgecolors="white", linewidths=0.9, zorder=3)
    axes.plot([8, high], [8, high], color="white", lw=1.4, ls="--")
    axes.text(0.62 * high, 0.72 * high, "$N = T$", color="white", rotation=45, ha="center", va="center", fontsize=9)
    for product in 8 * high * np.array([0.5, 1.0, 2.0, 4.0]):
        inside = counts[(product / counts >= 8) & (product / counts <= high)]
        axes.plot(inside, product / inside, color="white", lw=0.7, ls=(0, (1, 3)))
    axes.set(xscale="log", yscale="log", xlim=(8, high), ylim=(8, high), aspect="equal")
    axes.set_xlabel(f"features $N$ (dimensions $M = {M}$)")
    axes.set_ylabel("samples $T$")
    bar = figure.colorbar(shades, ax=axes, label=f"mean test loss at the best ridge {UNITS}")
    ticks = [v for v in (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5) if loss.min() < v < loss.max()]
    bar.set_ticks(ticks, labels=[f"{v:g}" for v in ticks])
    bar.minorticks_off()
    return figure


def feature_spectra(budget: str = "quick") -> Figure:
    """Eigenvalues of the features' covariance: more features extend the power law."""
    M, trials, widths = {
        "quick": (400, 4, (10, 35, 120)),
        "standard": (1500, 20, (15, 60, 240)),
        "paper": (6000, 20, (20, 80, 320, 1280)),
    }[budget]
    alpha, lam = 1.0, 0.01
    figure = Figure(figsize=(4.9, 3.5), layout="constrained")
    axes = figure.add_subplot()
    index = np.arange(1, M + 1)
    axes.plot(index, lam * (M / index) ** (1 + alpha), color="0.3", lw=1.1, label=r"$\lambda_I$ of the data")
    for seed, (N, colour) in enumerate(zip(widths, COLOURS)):
        at = {"N": N, "T": 4 * N, "M": M, "alpha": alpha, "lam": lam, "sigma_u": 1.0}
        values = feature_spectrum(trials, Stream.from_seed(seed), **at)["value"].mean(axis=0)
        axes.plot(index[:N], values, color=colour, marker="o", ms=2.2, lw=0.8, label=f"$N = {N}$, $T = {4 * N}$")
        axes.axvline(N, color=colour, lw=0.7, ls=(0, (1, 2)))
        nu = float(model.INFINITE_DATA(N=N, M=M, alpha=alpha, lam=lam)) * M / N
        axes.plot([0.7 * N, 1.4 * N], [nu, nu], color=colour, lw=1.3, ls="--")
    axes.set(xscale="log", yscale="log", xlim=(0.9, 1.3 * M))
    axes.set_xlabel("index")
    axes.set_ylabel(r"eigenvalues of $\varphi\varphi^\top/T$, over $\sigma_u^2 N/M$")
    handles = [
        *axes.get_legend_handles_labels()[0],
        Line2D([], [], color="0.3", lw=1.3, ls="--", label=r"effective ridge $\nu$, $d_1(\nu) = N$"),
    ]
    axes.legend(handles=handles, frameon=False, fontsize=8, loc="lower left")
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {
    "msr-loss-against-features": loss_against_features,
    "msr-loss-against-ridge": loss_against_ridge,
    "msr-loss-contours": loss_contours,
    "msr-feature-spectra": feature_spectra,
}
