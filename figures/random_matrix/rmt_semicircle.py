"""Figures of the semicircle law."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from theorylab.derivations.random_matrix.rmt_semicircle_finite import EXACT_MOMENT
from theorylab.derivations.random_matrix.semicircle import Semicircle
from theorylab.kernels.random import Stream
from theorylab.sims.random_matrix.wigner import eigenvalues, tridiagonal_power_means

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMES = {1: "real", 2: "complex", 4: "quaternion"}
# Matrices of sizes 20, 200 and 2000; matrices for a moment; for the counting function.
DRAWS = {"quick": (2_000, 100, 1), "standard": (20_000, 1_000, 10), "paper": (100_000, 5_000, 100)}
MOMENTS = {"quick": 400_000, "standard": 4_000_000, "paper": 40_000_000}


def density(budget: str = "quick") -> Figure:
    """Spectra of three sizes against the law; on the right how far the mean count is from it, times P."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    law = Semicircle()
    x = np.linspace(-2.3, 2.3, 801)
    for colour, size, trials in zip(("C2", "C1", "C0"), (20, 200, 2_000), DRAWS[budget]):
        values = eigenvalues(trials, Stream.from_seed(size), P=size, beta=1, s=1.0)["value"]
        counts, edges = np.histogram(values, bins=70, range=(-2.3, 2.3))
        many = "matrix" if trials == 1 else "matrices"
        left.stairs(
            counts / (values.size * (edges[1] - edges[0])),
            edges,
            color=colour,
            lw=1.0,
            label=f"$P = {size}$ ({trials:,} {many})",
        )
    left.plot(x, law.pdf(x), color="k", lw=1.2, label=r"$\sqrt{4 s^2 - x^2}/2 \pi s^2$")
    left.set(xlabel="eigenvalue $/s$", ylabel="density", ylim=(0.0, 0.46))
    left.set_title(r"real matrices, $\mathrm{Var}\, W_{ij} = s^2/P$", fontsize=9)
    left.legend(frameon=False, fontsize=7, loc="upper right")
    size, trials = 40, DRAWS[budget][0]
    grid = np.linspace(-2.4, 2.4, 241)
    inside = np.linspace(-2.0, 2.0, 201)
    for beta in (1, 2):
        values = eigenvalues(trials, Stream.from_seed(5), P=size, beta=beta, s=1.0)["value"]
        mean = np.searchsorted(np.sort(values, axis=None), grid, side="right") / trials
        right.plot(
            grid, mean - size * law.cdf(grid), color=f"C{beta - 1}", lw=0.8, label=f"{NAMES[beta]}, $P = {size}$"
        )
        right.plot(
            inside, -(2.0 / beta - 1.0) * np.arcsin(inside / 2.0) / (2.0 * np.pi), color=f"C{beta - 1}", ls="--", lw=1.4
        )
    right.set(xlabel="$x/s$", ylabel="mean count below $x$, less $P F(x)$", ylim=(-0.4, 0.4))
    right.set_title(r"dashed: $-(2/\beta - 1) \arcsin(x/2s)/2\pi$, masses 1/4 at the edges", fontsize=9)
    right.legend(frameon=False, fontsize=7)
    return figure


def moments(budget: str = "quick") -> Figure:
    """Finite-size error of the fourth moment: 1/P for real and quaternion matrices, 1/P^2 for complex ones."""
    from matplotlib.figure import Figure

    sizes = np.array([2, 3, 4, 6, 8, 12, 16, 24, 32])
    figure = Figure(figsize=(5.2, 3.8), layout="constrained")
    axes = figure.subplots()
    for i, (beta, name) in enumerate(NAMES.items()):
        line = np.geomspace(2, 40)
        sign = -1.0 if beta == 4 else 1.0
        # The polynomial in 1/P between the sizes too.
        u = 2.0 / beta
        axes.plot(
            line,
            sign * (5.0 * (u - 1.0) / line + (3.0 * u**2 - 5.0 * u + 3.0) / line**2),
            color=f"C{i}",
            lw=1.1,
            label=rf"$\beta = {beta}$ ({name}){', sign turned' if beta == 4 else ''}",
        )
        for size in sizes:
            sample = tridiagonal_power_means(
                MOMENTS[budget] // 4, Stream.from_seed(int(size)), P=int(size), beta=beta, s=1.0
            )["excess"]
            error = float(np.std(sample) / np.sqrt(len(sample)))
            mean = sign * float(np.mean(sample))
            if mean > 2.0 * error:
                axes.errorbar(size, mean, error, fmt="o", ms=3.5, color=f"C{i}", lw=0.9)
    limit = float(EXACT_MOMENT(k=4, P=10**9, beta=2, s=1.0))
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="size $P$",
        ylabel=rf"$\mathbb{{E}}\, (1/P)\, \mathrm{{tr}}\, W^4/s^4 - {limit:.0f}$",
        ylim=(3e-4, 9.0),
    )
    axes.set_xticks([2, 4, 8, 16, 32], ["2", "4", "8", "16", "32"])
    axes.set_xticks([], minor=True)
    axes.set_title(r"lines: $5 (u - 1)/P + (3 u^2 - 5 u + 3)/P^2$, $u = 2/\beta$", fontsize=9)
    axes.legend(frameon=False, fontsize=8)
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {
    "semicircle-density": density,
    "semicircle-moments": moments,
}
