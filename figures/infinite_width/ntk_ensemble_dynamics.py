"""Ensembles of wide networks along training: bands of the theory, trained networks, and what the width leaves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from theorylab.derivations.infinite_width import ntk_ensemble_dynamics as d
from theorylab.derivations.infinite_width.recursion import gram
from theorylab.kernels.random import Stream
from theorylab.sims.infinite_width import wide_networks as sim

NETWORK = {"depth": 2, "activation": "erf", "C_W": 1.5, "C_b": 0.1, "trained": "all"}
DATA = {"m": 3, "spread": 2.0, "waves": 2.0, "radius": 1.0}
ANGLES = np.array([0.0, 1.0, 2.0])
# Networks, and their width.
ENSEMBLES = {"quick": (300, 256), "standard": (2000, 1024), "paper": (10_000, 4096)}
# Trials and widths of the finite-width figure.
FINITE = {"quick": (1200, (16, 32, 64)), "standard": (12_000, (16, 32, 64, 128, 256)),
          "paper": (100_000, (16, 32, 64, 128, 256, 512))}  # fmt: skip


def bands(budget: str = "quick") -> Figure:
    """Outputs along the circle before, during and after training: mean, two standard deviations, and networks."""
    count, n = ENSEMBLES[budget]
    psi, eta = np.linspace(-1.0, 3.0, 81), 0.1
    some = psi[::8]
    figure = Figure(figsize=(10.0, 3.3), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    rng = Stream.from_seed(0)
    instants = np.array([0, 4, 400])
    at = np.concatenate([psi, some])
    drawn = sim.output(
        count, rng, n=n, **NETWORK, **DATA, eta=eta, t=np.repeat(instants, at.size), psi=np.tile(at, 3)
    )["value"].reshape(count, 3, at.size)  # fmt: skip
    for k, (axes, t) in enumerate(zip(panels, instants)):
        mean = d.MEAN(**NETWORK, **DATA, eta=eta, t=t, psi=psi)
        deviation = np.sqrt(np.maximum(d.COVARIANCE(**NETWORK, **DATA, eta=eta, t=t, psi=psi, psi2=psi), 0.0))
        axes.fill_between(psi, mean - 2 * deviation, mean + 2 * deviation, color="C0", alpha=0.2, linewidth=0,
                          label=r"theory: mean $\pm$ 2 s.d.")  # fmt: skip
        axes.plot(psi, mean, color="C0")
        axes.plot(psi, drawn[:6, k, : psi.size].T, color="0.5", linewidth=0.6)
        axes.plot([], [], color="0.5", linewidth=0.6, label="single networks")
        ends = drawn[:, k, psi.size :]
        axes.errorbar(some, ends.mean(axis=0), 2 * ends.std(axis=0, ddof=1), fmt="o", color="C3", markersize=3.5,
                      capsize=2, linewidth=0.9, label=rf"{count} networks, $n = {n}$")  # fmt: skip
        axes.plot(ANGLES, np.cos(2 * ANGLES), "k*", markersize=9, label="training data")
        axes.set(xlabel=r"angle of the input $\psi$", title=rf"$\eta t = {eta * t:g}$", xlim=(psi[0], psi[-1]))
    panels[0].set_ylabel(r"output $f_t(x)$")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, fontsize=8, loc="outside lower center", ncol=4)
    return figure


def modes(budget: str = "quick") -> Figure:
    """Residuals at the training inputs along eigenvectors of the tangent kernel, for steps of two sizes.

    Networks leave the lines where what they have left to learn is of the order of 1/n.
    """
    count, n = ENSEMBLES[budget]
    figure = Figure(figsize=(9.4, 3.6), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    labels = np.cos(2 * ANGLES)
    x = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
    theta = gram("erf", x, depth=2, weight_variance=1.5, bias_variance=0.1).Theta
    assert theta is not None
    values, vectors = np.linalg.eigh(theta)
    rng = Stream.from_seed(1)
    for axes, eta in zip(panels, (0.02, 0.6)):
        t = np.unique(np.round(np.linspace(0, 3.0 / eta, 13))).astype(int)
        out = sim.mean_output(
            count, rng, n=n, **NETWORK, **DATA, eta=eta, t=np.repeat(t, 3), psi=np.tile(ANGLES, t.size)
        )["value"].reshape(count, t.size, 3)  # fmt: skip
        residual = np.abs((out - labels).mean(axis=0) @ vectors)
        error = ((out - labels) @ vectors).std(axis=0, ddof=1) / np.sqrt(count)
        fine = np.arange(t[-1] + 1)
        smooth = np.linspace(0.0, t[-1], 200)
        for i in range(3):
            start = abs(labels @ vectors[:, i])
            label = rf"$\lambda = {values[i]:.2f}$"
            axes.plot(eta * fine, start * np.abs(1 - eta * values[i]) ** fine, color=f"C{i}", label=label)
            axes.plot(
                eta * smooth, start * np.exp(-eta * values[i] * smooth), color=f"C{i}", linestyle=":", linewidth=0.9
            )
            axes.errorbar(eta * t, residual[:, i], error[:, i], fmt="o", color=f"C{i}", markersize=4, capsize=2)
        largest = eta * values[-1]
        axes.set(yscale="log", ylim=(1e-3, 3), xlabel=r"training time $\eta t$",
                 title=rf"$\eta\lambda_{{\max}} = {largest:.2f}$")  # fmt: skip
    panels[0].plot([], [], color="0.4", linestyle=":", linewidth=0.9, label="gradient flow")
    panels[0].set_ylabel(r"$|v_i \cdot (E f_t(X) - Y)|$")
    panels[0].legend(frameon=False, fontsize=8, title=rf"erf, points: $n = {n}$", title_fontsize=8)
    return figure


def finite_width(budget: str = "quick") -> Figure:
    """Distance of the mean and of the variance from the limit, times the width, against 1/n."""
    trials, widths = FINITE[budget]
    figure = Figure(figsize=(9.4, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    rng = Stream.from_seed(2)
    for i, (depth, eta) in enumerate(((2, 0.2), (3, 0.15), (4, 0.08))):
        at = {**NETWORK, **DATA, "depth": depth, "eta": eta, "t": 6, "psi": 1.0}
        both = {**at, "t": 3, "psi": 0.5, "psi2": 0.5}
        limits = float(d.MEAN(**at)), float(d.COVARIANCE(**both))
        for axes, simulate, chosen, limit in (
            (left, sim.mean_output, at, limits[0]), (right, sim.covariance, both, limits[1])
        ):  # fmt: skip
            ratios, errors = [], []
            for n in widths:
                value = simulate(trials, rng, n=n, **chosen)["value"][:, 0] / limit - 1
                ratios.append(value.mean())
                errors.append(value.std(ddof=1) / np.sqrt(trials))
            axes.errorbar(1 / np.array(widths), ratios, errors, fmt="o", color=f"C{i}", markersize=4, capsize=2)
            c = np.sum(np.array(ratios) / np.array(widths) / np.array(errors) ** 2)
            c /= np.sum(1 / np.array(widths) ** 2 / np.array(errors) ** 2)
            fine = np.linspace(0, 1.05 / widths[0], 50)
            name = "hidden layer" if depth == 2 else "hidden layers"
            axes.plot(fine, c * fine, color=f"C{i}", linewidth=0.9, label=rf"{depth - 1} {name}: ${c:.2g}/n$")
    for axes in (left, right):
        axes.axhline(0.0, color="0.5", linewidth=0.8)
        axes.set(xlabel="1 / width", xlim=(0, None))
        axes.legend(frameon=False, fontsize=8)
    left.set_ylabel(r"$E f_t(x)$ relative to the limit, minus 1")
    right.set_ylabel(r"$\mathrm{Var} f_t(x)$ relative to the limit, minus 1")
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {
    "ntk-ensemble-bands": bands,
    "ntk-ensemble-modes": modes,
    "ntk-ensemble-finite-width": finite_width,
}
