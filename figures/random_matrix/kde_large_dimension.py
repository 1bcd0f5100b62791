"""Kernel density estimates in large dimension: phase diagram, weights, divergence, and the three laws."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from theorylab.derivations.random_matrix import kde_large_dimension as theory
from theorylab.kernels.random import Stream
from theorylab.sims.random_matrix import kernel_sums

ALPHA = 0.35
# Trials of a point, and the largest dimension that is simulated.
EFFORT = {"quick": (400, 20), "standard": (4000, 30), "paper": (4000, 40)}


def phase_diagram(budget: str = "quick") -> Figure:
    """The three regimes in the plane of alpha and h, and the bandwidth of least divergence."""
    figure = Figure(figsize=(5.4, 4.0), layout="constrained")
    axes = figure.subplots()
    alpha = np.geomspace(0.02, 3.0, 160)
    glass = theory.glass(alpha=alpha)
    clt = theory.gaussian_limit(alpha=alpha)
    best = theory.best_width(alpha=alpha)
    axes.fill_between(alpha, clt, 20.0, color="C0", alpha=0.10, lw=0)
    axes.fill_between(alpha, glass, clt, color="C1", alpha=0.15, lw=0)
    axes.fill_between(alpha, 0.01, glass, color="C3", alpha=0.10, lw=0)
    axes.loglog(alpha, clt, "C0", label=r"$h_{\rm CLT} = \sqrt{2}\, h_G$")
    axes.loglog(alpha, glass, "C3", label=r"$h_G$")
    axes.loglog(alpha, best, "k--", lw=1.2, label=r"$h_{\rm KL}$, least divergence")
    for d, marker in ((20, "o"), (80, "s"), (320, "^")):
        a = np.array([0.1, 0.3, 1.0])
        axes.plot(
            a, theory.finite_glass(alpha=a, d=d), marker, ms=4, color="C3", mfc="none", label=f"$h_G$ at $d = {d}$"
        )
    axes.text(0.3, 3.0, "Gaussian fluctuations", ha="center", fontsize=9)
    axes.annotate(
        "stable, $1 < \\mu < 2$", (0.5, 0.82), (0.9, 1.7), fontsize=9, arrowprops={"arrowstyle": "-", "lw": 0.6}
    )
    axes.text(0.09, 0.32, "condensed, $\\mu < 1$:\nfew data points count", ha="center", fontsize=9)
    axes.set(xlabel=r"$\alpha = (\log n)/d$", ylabel="bandwidth $h$", xlim=(0.02, 3.0), ylim=(0.05, 6.0))
    axes.legend(frameon=False, fontsize=8, loc="lower left")
    return figure


def weights(budget: str = "quick") -> Figure:
    """Sum of squared weights against h/h_G, exact and simulated, and its limit."""
    trials, largest = EFFORT[budget]
    figure = Figure(figsize=(5.4, 3.9), layout="constrained")
    axes = figure.subplots()
    glass = float(theory.glass(alpha=ALPHA))
    ratio = np.linspace(0.35, 1.9, 32)
    axes.plot(ratio, np.maximum(1.0 - ratio**2, 0.0), "k", lw=1.4, label=r"limit, $1 - (h/h_G)^2$")
    for colour, d in zip(("C0", "C1", "C2", "C3"), (10, 20, 30, 200)):
        n = round(np.exp(ALPHA * d))
        axes.plot(ratio, theory.participation(d=d, n=n, h=ratio * glass), colour, lw=1.0, label=f"exact, $d = {d}$")
        if d > largest:
            continue
        for c in np.arange(0.4, 1.9, 0.2):
            found = kernel_sums.participation(trials, Stream.from_seed(1), d=d, n=n, h=float(c * glass), rho=1.0, k=2)[
                "value"
            ]
            axes.errorbar(c, found.mean(), found.std() / np.sqrt(trials), fmt="o", ms=3, color=colour, capsize=2)
    axes.axvline(1.0, color="0.7", lw=0.8)
    axes.axvline(2.0**0.5, color="0.7", lw=0.8, ls="--")
    axes.text(1.01, 0.72, "$h_G$", fontsize=9)
    axes.text(1.425, 0.72, r"$h_{\rm CLT}$", fontsize=9)
    axes.set(xlabel="$h/h_G$", ylabel=r"$\mathbb{E} \sum_i w_i^2$", ylim=(0.0, 0.95), xlim=(0.35, 1.9))
    axes.set_title(rf"$\alpha = {ALPHA}$, $n = e^{{\alpha d}}$, $|x|^2 = d$; points: simulation", fontsize=9)
    axes.legend(frameon=False, fontsize=8)
    return figure


def divergence(budget: str = "quick") -> Figure:
    """Kullback-Leibler divergence against h: both branches of the limit, exact curves, simulation."""
    trials, largest = EFFORT[budget]
    figure = Figure(figsize=(5.4, 3.9), layout="constrained")
    axes = figure.subplots()
    h = np.linspace(0.42, 1.6, 90)
    glass, best = float(theory.glass(alpha=ALPHA)), float(theory.best_width(alpha=ALPHA))
    limit = theory.kl_limit(alpha=ALPHA, h=h)
    axes.plot(h[h < glass], limit[h < glass], "C3", lw=1.6, label="limit, condensed")
    axes.plot(h[h >= glass], limit[h >= glass], "k", lw=1.6, label="limit, above $h_G$")
    axes.plot(best, float(theory.kl_limit(alpha=ALPHA, h=best)), "*", color="C3", ms=11, label=r"$h_{\rm KL}$")
    few = np.linspace(0.42, 1.6, 15)
    for colour, d in zip(("C0", "C1", "C2"), (10, 20, 100)):
        n = round(np.exp(ALPHA * d))
        axes.plot(few, theory.divergence(d=d, n=n, h=few), colour, lw=1.0, label=f"exact, $d = {d}$")
        if d > largest:
            continue
        for c in np.linspace(0.5, 1.55, 8):
            found = kernel_sums.log_ratio(4 * trials, Stream.from_seed(2), d=d, n=n, h=float(c))["value"]
            axes.errorbar(c, found.mean(), found.std() / np.sqrt(found.size), fmt="o", ms=3, color=colour, capsize=2)
    axes.set(xlabel="bandwidth $h$", ylabel=r"$\mathrm{KL}(\rho\,\|\,\hat\rho)/d$ (nats)", ylim=(0.0, 0.42))
    axes.set_title(rf"$\alpha = {ALPHA}$; points: simulation", fontsize=9)
    axes.legend(frameon=False, fontsize=8, loc="upper center")
    return figure


def laws(budget: str = "quick") -> Figure:
    """Law of rho_hat over its mean below h_G, between h_G and h_CLT, and above."""
    trials, d, n = 10 * EFFORT[budget][0], 20, 1000
    glass = float(theory.glass(alpha=ALPHA))
    figure = Figure(figsize=(9.0, 3.1), layout="constrained")
    for axes, ratio, name in zip(figure.subplots(1, 3), (0.7, 1.22, 2.5), ("condensed", "stable", "Gaussian")):
        h = ratio * glass
        sample = kernel_sums.log_sum(trials, Stream.from_seed(3), d=d, n=n, h=h, rho=1.0)["sum"]
        log_mean = np.log(n) - 0.5 * d * np.log1p(h**-2) - 0.5 * d / (1.0 + h**2)
        low, high = np.quantile(sample, [0.001, 0.999])
        x = np.linspace(low, high, 61)
        law = theory.sum_law(x=x, d=d, n=n, h=h)
        count, _ = np.histogram(sample, bins=x[::2])
        width = 2.0 * (x[1] - x[0])
        axes.errorbar(
            x[1::2] - log_mean, count / (trials * width), np.sqrt(count) / (trials * width), fmt=".", ms=4, color="C0"
        )
        axes.plot(x[1::2] - log_mean, np.diff(law[::2]) / width, "k", lw=1.2)
        mean = np.exp(log_mean)
        square = n * (1 + 2 * h**-2) ** (-d / 2) * np.exp(-d / (2 + h**2))
        spread = np.sqrt(square - mean**2 / n) / mean
        z = np.exp(x[1::2] - log_mean)
        axes.plot(
            x[1::2] - log_mean,
            z * np.exp(-0.5 * ((z - 1.0) / spread) ** 2) / (np.sqrt(2.0 * np.pi) * spread),
            "C3--",
            lw=1.0,
        )
        axes.set_title(f"$h = {ratio:g}\\, h_G$: {name}", fontsize=9)
        axes.set_xlabel(r"$\log(\hat\rho/\mathbb{E} \hat\rho)$")
        axes.set_ylim(0.0, 1.35 * np.max(np.diff(law[::2]) / width))
    figure.axes[0].set_ylabel("density")
    figure.axes[0].plot([], [], "k", label="exact law")
    figure.axes[0].plot([], [], "C3--", label="Gaussian, same variance")
    figure.axes[0].plot([], [], "C0.", label="simulation")
    figure.axes[0].legend(frameon=False, fontsize=7, loc="upper left")
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {
    "kde-phase-diagram": phase_diagram,
    "kde-weights": weights,
    "kde-divergence": divergence,
    "kde-laws": laws,
}
