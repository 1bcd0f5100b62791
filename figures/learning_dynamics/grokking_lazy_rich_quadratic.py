"""Grokking of quadratic networks: losses and overlaps, the mean-field theory beside them, and when the losses fall."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

from theorylab.derivations.learning_dynamics import grokking_lazy_rich_quadratic as d
from theorylab.derivations.learning_dynamics import grokking_losses
from theorylab.derivations.learning_dynamics.grokking_population import Population, alike
from theorylab.kernels.random import Stream
from theorylab.prediction import PredictionError
from theorylab.sims.learning_dynamics import quadratic_network as q
from theorylab.sims.learning_dynamics import quadratic_training as training

# Dimension, neurons, data sets and networks on each, of the long runs.
LONG = {"quick": (50, 10, 3, 2), "standard": (100, 20, 4, 1), "paper": (200, 20, 16, 1)}
LAST = {"quick": 2_000, "standard": 6_000, "paper": 30_000}
ETA, NU = 0.1, 6.0
LAZINESS, ALIGNMENT = (0.5, 1.0, 2.0, 4.0), (0.1, 0.3, 1.0)
STYLE = {"fmt": "o", "markersize": 3.5, "capsize": 2, "linewidth": 1, "linestyle": "none"}


def _long_run(budget: str, alpha: float, eps: float) -> tuple[np.ndarray, q.Network, Any]:
    """Steps, network and course of training of networks with a centred output."""
    D, N, sets, runs = LONG[budget]
    net = q.Network(N, runs, alpha, eps, True)
    rng = Stream.from_seed(7)
    times = np.unique(np.round(np.geomspace(1, LAST[budget], 40)).astype(int))
    times = np.concatenate([[0], times])
    x, target = q.data(sets, rng, D, round(NU * D))
    return times, net, q.train(rng, net, x, target, q.weights(sets, rng, D, net, 0.0), ETA, times)


def _mean(values: Any) -> np.ndarray:
    return np.asarray(np.asarray(values).mean(axis=(0, 2)))


def losses(budget: str = "quick") -> Figure:
    """Train and test loss, and the overlap with the teacher, for laziness and for alignment."""
    figure = Figure(figsize=(10.0, 6.0), layout="constrained")
    grid = figure.subplots(2, 2, sharex=True, sharey="row")
    D, N, sets, runs = LONG[budget]
    groups: Sequence[tuple[str, list[tuple[float, float]], str]] = (
        (r"laziness $\alpha$", [(a, 0.3) for a in LAZINESS], "viridis"),
        (r"alignment $\epsilon$", [(1.0, e) for e in ALIGNMENT], "plasma"),
    )
    for column, (title, settings, map_name) in enumerate(groups):
        colours = colormaps[map_name](np.linspace(0.05, 0.85, len(settings)))
        for colour, (alpha, eps) in zip(colours, settings):
            times, net, course = _long_run(budget, alpha, eps)
            time = ETA * times[1:]
            label = rf"$\alpha = {alpha:g}$" if column == 0 else rf"$\epsilon = {eps:g}$"
            grid[0, column].plot(time, _mean(q.test_loss(net, course))[1:], color=colour, label=label)
            grid[0, column].plot(time, _mean(course.train)[1:], color=colour, linestyle="--")
            norms = np.einsum("strii->str", course.own)
            seen = np.sum(course.teacher**2, axis=-1) / norms
            grid[1, column].plot(time, _mean(seen)[1:], color=colour)
        other = r"$\epsilon = 0.3$" if column == 0 else r"$\alpha = 1$"
        grid[0, column].set_title(f"{title}  ({other})", fontsize=10)
        grid[0, column].set(xscale="log", yscale="log", ylim=(2e-4, 0.8))
        grid[0, column].legend(frameon=False, fontsize=8, loc="lower left")
        grid[1, column].set(ylim=(0, 1), xlabel=r"time $\eta\,t$  (rate $\eta N D/\alpha^2$)")
    grid[0, 0].set_ylabel("half mean squared error\n(solid: test, dashed: train)")
    grid[1, 0].set_ylabel(r"overlap  $\sum_i m_i^2 / \sum_i Q_{ii}$")
    figure.suptitle(rf"simulation: $D = {D}$, $N = {N}$, $\nu = 6$, centred, {sets * runs} networks", fontsize=10)
    return figure


def decomposition(budget: str = "quick") -> Figure:
    """The three parts of the test loss along training, of a rich and of a lazy network."""
    figure = Figure(figsize=(9.0, 3.4), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    names = ("linear mode", "mismatch of the forms", "mismatch of the traces")
    for axes, (alpha, eps) in zip(panels, ((1.0, 0.3), (4.0, 1.0))):
        times, net, course = _long_run(budget, alpha, eps)
        parts = _parts(net, course).mean(axis=(0, 2))
        time = ETA * times[1:]
        for part, name in zip(parts[1:].T, names):
            axes.plot(time, part, label=name)
        axes.plot(time, parts[1:].sum(axis=1), color="black", label="test loss (A)")
        axes.plot(time, _mean(course.train)[1:], color="grey", linestyle="--", label="train loss")
        axes.set(xscale="log", yscale="log", ylim=(3e-4, 0.6), xlabel=r"time $\eta\,t$")
        kind = "rich" if alpha == 1.0 else "lazy"
        axes.set_title(rf"{kind}: $\alpha = {alpha:g}$, $\epsilon = {eps:g}$", fontsize=10)
    panels[0].set_ylabel("half mean squared error")
    panels[0].legend(frameon=False, fontsize=8, loc="lower left")
    return figure


def _parts(net: q.Network, course: Any) -> np.ndarray:
    """Parts of the test loss from simulated overlaps, float64[sets, times, runs, 3]."""
    n = net.neurons
    now = np.ones((*course.teacher.shape[:-1], n + 1, n + 1))
    now[..., :n, :n] = course.own
    now[..., n, :n] = now[..., :n, n] = course.teacher
    across = np.ones_like(now)
    across[..., :n, :n] = course.across
    across[..., :n, n] = course.teacher
    across[..., n, :n] = course.teacher[:, :1]
    then = np.broadcast_to(now[:, :1], now.shape)
    return np.asarray(grokking_losses.centred(net.alpha, net.eps, now, then, across))


def mean_field(budget: str = "quick") -> Figure:
    """Mean-field theory as lines, simulations extrapolated to infinite dimension as points."""
    figure = Figure(figsize=(11.0, 3.4), layout="constrained")
    panels = figure.subplots(1, 3)
    samples, size, trials = {
        "quick": (8 * 1024, 64, 256),
        "standard": (8 * 8192, 128, 1024),
        "paper": (8 * 32_768, 256, 4096),
    }[budget]
    settings: tuple[tuple[str, dict[str, Any]], ...] = (
        ("not centred", {"N": 2, "nu": 3.0, "alpha": 1.0, "eps": 0.6, "eta": 0.1, "overlap": 0.0, "output": "plain"}),
        ("centred", {"N": 3, "nu": 2.0, "alpha": 1.0, "eps": 0.6, "eta": 0.1, "overlap": 0.0, "output": "centred"}),
        ("centred", {"N": 4, "nu": 4.0, "alpha": 1.0, "eps": 0.3, "eta": 0.4, "overlap": 0.5, "output": "centred"}),
    )
    for axes, (name, at), last in zip(panels, settings, (20, 20, 32)):
        steps = np.arange(last + 1)
        points = np.unique(np.round(np.linspace(0, last, 9)).astype(int))
        found = [
            training.finite_samples(trials * f, Stream.from_seed(5 + f), **at, t=points, D=size // f, runs=2)
            for f in (1, 2)
        ]
        for colour, (quantity, prediction) in enumerate((("train", d.TRAIN), ("test", d.TEST))):
            value, error = prediction.evaluate(**at, t=steps, samples=samples)
            axes.plot(steps, value, color=f"C{colour}", label=f"{quantity}: theory")
            axes.fill_between(steps, value - error, value + error, color=f"C{colour}", alpha=0.25, linewidth=0)
            large, small = (f[quantity] for f in found)
            mean = 2.0 * large.mean(axis=0) - small.mean(axis=0)
            spread = np.sqrt(4.0 * large.var(axis=0) / len(large) + small.var(axis=0) / len(small))
            axes.errorbar(points, mean, spread, color=f"C{colour}", label=f"{quantity}: simulation", **STYLE)
        centred = at["output"] == "centred"
        model = Population(at["alpha"], at["eps"], at["N"], centred)
        grams = model.descent(model.gram(*alike(at["N"], at["overlap"])), at["eta"], steps)
        axes.plot(steps, model.loss(grams).sum(axis=-1), color="grey", linestyle=":", label=r"$\nu = \infty$ (B)")
        axes.set_title(
            rf"{name}: $N = {at['N']}$, $\nu = {at['nu']:g}$, $\epsilon = {at['eps']:g}$, "
            rf"$\eta = {at['eta']:g}$, $m_0 = {at['overlap']:g}$",
            fontsize=9,
        )
        axes.set(xlabel="steps $t$", yscale="log")
        axes.yaxis.set_major_formatter(ScalarFormatter())
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_yticks([t for t in (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5) if t > 0.8 * axes.get_ylim()[0]])
    panels[0].set_ylabel("half mean squared error")
    panels[0].legend(frameon=False, fontsize=8)
    return figure


def _falls(budget: str, alpha: float, eps: float) -> dict[str, np.ndarray]:
    """Simulated logarithms of the times at which the losses fall, and their difference."""
    size, trials = {"quick": (32, 12), "standard": (64, 48), "paper": (128, 192)}[budget]
    eta = _rate(alpha, eps)
    return training.delay(
        trials, Stream.from_seed(3), D=size, runs=2, longest=round(160 / eta), **_map(alpha, eps, eta)
    )


def _rate(alpha: float, eps: float) -> float:
    """A learning rate at which rich and aligned networks are stable."""
    return 0.4 if alpha / eps > 2.5 else 0.2


def _map(alpha: float, eps: float, eta: float) -> dict[str, Any]:
    return {
        "N": 4,
        "nu": 4.0,
        "alpha": alpha,
        "eps": eps,
        "eta": eta,
        "overlap": 0.5,
        "output": "centred",
        "threshold": 0.2,
    }


def phase_map(budget: str = "quick") -> Figure:
    """When networks generalise, and how long after they have fitted: maps over laziness and alignment, and theory."""
    figure = Figure(figsize=(11.5, 3.6), layout="constrained")
    panels = figure.subplots(1, 3, width_ratios=(1.0, 1.0, 1.15))
    count = {"quick": 5, "standard": 7, "paper": 9}[budget]
    alphas, alignments = np.geomspace(0.5, 4.0, count), np.geomspace(0.15, 0.9, count)
    test, delay = np.empty((count, count)), np.empty((count, count))
    for i, j in np.ndindex(count, count):
        found = _falls(budget, float(alphas[i]), float(alignments[j]))
        test[j, i], delay[j, i] = found["test"].mean(), found["delay"].mean()
    for axes, values, title in (
        (panels[0], test, r"generalisation, $\ln t_{\mathrm{test}}$"),
        (panels[1], delay, r"delay, $\ln (t_{\mathrm{test}}/t_{\mathrm{train}})$"),
    ):
        mesh = axes.pcolormesh(alphas, alignments, values, cmap="viridis", shading="nearest")
        lines = axes.contour(alphas, alignments, values, colors="white", linewidths=0.8, levels=5)
        axes.clabel(lines, fontsize=7)
        axes.set(xscale="log", yscale="log", xlabel=r"laziness $\alpha$", title=title)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(ScalarFormatter())
            axis.set_minor_formatter(NullFormatter())
        axes.set_xticks([0.5, 1, 2, 4])
        axes.set_yticks([0.15, 0.3, 0.6])
        axes.title.set_fontsize(10)
        figure.colorbar(mesh, ax=axes)
    panels[0].set_ylabel(r"alignment $\epsilon$")
    samples = {"quick": 8 * 256, "standard": 8 * 1024, "paper": 8 * 4096}[budget]
    size, trials = {"quick": (48, 32), "standard": (96, 192), "paper": (192, 768)}[budget]
    for colour, eps in enumerate((0.3, 0.6)):
        curve: list[tuple[float, float, float]] = []
        for alpha in (0.5, 0.7, 1.0, 1.4, 2.0):
            eta = _rate(alpha, eps)
            try:
                value, error = d.DELAY.evaluate(**_map(alpha, eps, eta), steps=60, samples=samples)
            except PredictionError:
                # The test loss has not fallen within the steps of which the theory is sure.
                continue
            curve.append((alpha, float(value), float(error)))
            both = [
                training.delay(
                    trials * f,
                    Stream.from_seed(11 + f),
                    D=size // f,
                    runs=2,
                    longest=round(60 / eta),
                    **_map(alpha, eps, eta),
                )["delay"]
                for f in (1, 2)
            ]
            mean = 2.0 * both[0].mean() - both[1].mean()
            spread = math.sqrt(4.0 * both[0].var() / len(both[0]) + both[1].var() / len(both[1]))
            panels[2].errorbar(alpha, mean, spread, color=f"C{colour}", **STYLE)
        x, value, error = np.array(curve).T
        panels[2].plot(x, value, color=f"C{colour}", label=rf"$\epsilon = {eps:g}$")
        panels[2].fill_between(x, value - error, value + error, color=f"C{colour}", alpha=0.2, linewidth=0)
    panels[2].set(
        xscale="log", xlabel=r"laziness $\alpha$", ylabel=r"delay $\ln (t_{\mathrm{test}}/t_{\mathrm{train}})$"
    )
    panels[2].set_title(r"theory (lines) and simulation, $D \to \infty$", fontsize=10)
    panels[2].xaxis.set_major_formatter(ScalarFormatter())
    panels[2].xaxis.set_minor_formatter(NullFormatter())
    panels[2].set_xticks([0.5, 1, 2])
    panels[2].legend(frameon=False, fontsize=8)
    figure.suptitle(r"$N = 4$, $\nu = 4$, $m_0 = 0.5$, losses to fall to 20 % of that of $f = 0$", fontsize=10, y=1.06)
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {
    "grokking-lazy-rich-losses": losses,
    "grokking-lazy-rich-decomposition": decomposition,
    "grokking-lazy-rich-mean-field": mean_field,
    "grokking-lazy-rich-phase-map": phase_map,
}
