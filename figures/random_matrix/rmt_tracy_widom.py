"""Figures of the Tracy-Widom laws."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from theorylab.derivations.random_matrix.tracy_widom import TracyWidom
from theorylab.kernels.random import Stream
from theorylab.sims.random_matrix.soft_edges import gaussian_edge

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMES = {1: "real", 2: "complex", 4: "quaternion"}
COLOURS = {1: "C0", 2: "C1", 4: "C2"}
TRIALS = {"quick": 20_000, "standard": 200_000, "paper": 1_000_000}


def densities(budget: str = "quick") -> Figure:
    """Density of the largest eigenvalue, standardised, against the laws; on the right both tails."""
    from matplotlib.figure import Figure

    size, trials = 400, TRIALS[budget]
    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    x = np.linspace(-6.0, 4.0, 400)
    for beta in NAMES:
        law = TracyWidom(beta)
        sample = gaussian_edge(trials, Stream.from_seed(beta), P=size, beta=beta)["shifted"]
        count, edges = np.histogram(sample, bins=60, range=(-6.0, 4.0))
        width = edges[1] - edges[0]
        centres, height = (edges[1:] + edges[:-1]) / 2.0, count / (trials * width)
        left.errorbar(
            centres, height, np.sqrt(count) / (trials * width), fmt=".", ms=3, lw=0.7, color=COLOURS[beta], alpha=0.7
        )
        left.plot(x, law.pdf(x), color=COLOURS[beta], label=rf"$\beta = {beta}$ ({NAMES[beta]})")
        far = np.linspace(-12.0, 12.0, 400)
        right.semilogy(far, law.cdf(far), color=COLOURS[beta])
        right.semilogy(far, law.sf(far), color=COLOURS[beta], ls="--")
    left.set(xlabel=r"$P^{1/6} (\sqrt{P} \lambda_1/s - 2 \sqrt{P + 1/2 - 1/\beta})$", ylabel="density")
    left.set_title(f"{trials:,} matrices of {size} rows (points), limit (lines)", fontsize=9)
    left.legend(frameon=False, fontsize=8)
    right.set(xlabel="$x$", ylabel="probability", ylim=(1e-60, 3.0))
    right.set_title(r"$P(X \leq x)$ (solid) and $P(X > x)$ (dashed)", fontsize=9)
    return figure


def convergence(budget: str = "quick") -> Figure:
    """How the mean of the largest eigenvalue approaches that of the law, with either centring."""
    from matplotlib.figure import Figure

    sizes = [20, 60, 200, 600, 2_000, 6_000]
    figure = Figure(figsize=(5.2, 3.8), layout="constrained")
    axes = figure.subplots()
    for beta in NAMES:
        mean = TracyWidom(beta).mean()
        for name, marker, filled in (("plain", "o", False), ("shifted", "s", True)):
            if beta == 2 and not filled:
                continue
            samples = [gaussian_edge(TRIALS[budget], Stream.from_seed(7), P=p, beta=beta)[name] for p in sizes]
            gap = np.array([np.mean(s) - mean for s in samples])
            error = np.array([np.std(s) / np.sqrt(len(s)) for s in samples])
            axes.errorbar(
                sizes,
                gap,
                error,
                fmt=marker,
                ms=4,
                color=COLOURS[beta],
                mfc=COLOURS[beta] if filled else "none",
                label=rf"$\beta = {beta}$, edge of $P{' + 1/2 - 1/β' if filled else ''}$ rows",
            )
            if not filled:
                p = np.geomspace(sizes[0], sizes[-1])
                axes.plot(p, (0.5 - 1.0 / beta) * p ** (-1.0 / 3.0), color=COLOURS[beta], lw=0.9)
    axes.axhline(0.0, color="0.6", lw=0.8)
    axes.set(xscale="log", xlabel="size $P$", ylabel="mean, less its limit")
    axes.set_title(r"lines: $(1/2 - 1/\beta) P^{-1/3}$", fontsize=9)
    axes.legend(frameon=False, fontsize=7)
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {
    "tracy-widom-densities": densities,
    "tracy-widom-convergence": convergence,
}
