"""Eigenvalues of wide-network kernels on the sphere, with their asymptotes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from theorylab.derivations.infinite_width import ntk_nngp_sphere as d
from theorylab.kernels.random import Stream
from theorylab.sims.infinite_width.gaussian_pairs import harmonic_components

LARGEST = {"quick": 100, "standard": 200, "paper": 400}
TRIALS = {"quick": 300, "standard": 4_000, "paper": 40_000}


def _degrees(largest: int, odd: int) -> np.ndarray:
    chosen = np.unique(np.round(np.geomspace(2, largest, 18) / 2).astype(int)) * 2 + odd
    return chosen[chosen <= largest]


def spectrum(budget: str = "quick") -> Figure:
    """mu_k of the tangent kernel over k: one hidden layer in d = 3 to 6, and one to three layers in d = 3."""
    figure = Figure(figsize=(8.8, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    rng = Stream.from_seed(0)
    for colour, dimension in enumerate((3, 4, 5, 6)):
        k = _degrees(LARGEST[budget], 0)
        mu = d.EIGENVALUE(d=dimension, k=k, kernel="ntk", D=1)
        left.loglog(k, mu, "o", color=f"C{colour}", markersize=3.5, label=f"$d = {dimension}$")
        line = np.geomspace(4, 1.3 * LARGEST[budget], 30)
        constant = float(d.DEPTH_CONSTANT(d=dimension, parity=0, D=1))
        left.loglog(line, constant * line**-dimension, color=f"C{colour}", linewidth=1.0)
        drawn = harmonic_components(TRIALS[budget], rng, d=dimension, k=2, kernel="ntk", D=1)["value"]
        left.errorbar(
            2, drawn.mean(), drawn.std(ddof=1) / np.sqrt(len(drawn)), fmt="x", color="k", markersize=5, capsize=2
        )
    left.plot([], [], "x", color="k", label="random points")
    left.set(xlabel="degree $k$ (even)", title="one hidden layer")
    left.set_ylabel(r"eigenvalue $\mu_k$ (uniform probability measure)")
    left.legend(frameon=False, fontsize=8)
    for colour, depth in enumerate((1, 2, 3)):
        for odd, mark in ((0, "o"), (1, "^")):
            k = _degrees(LARGEST[budget], odd)
            constant = float(d.DEPTH_CONSTANT(d=3, parity=odd, D=depth))
            if constant == 0.0:
                continue
            label = f"$D = {depth}$, {'odd' if odd else 'even'} $k$"
            right.semilogx(
                k,
                d.EIGENVALUE(d=3, k=k, kernel="ntk", D=depth) * k**3.0,
                mark,
                color=f"C{colour}",
                markersize=3.5,
                label=label,
            )
            right.axhline(constant, color=f"C{colour}", linewidth=1.0, linestyle="--" if odd else "-")
    right.set(xlabel="degree $k$", ylabel=r"$k^d \mu_k$", title="depth, $d = 3$ (lines: limits)", ylim=(0.0, 1.15))
    right.legend(frameon=False, fontsize=8, loc="lower right", ncols=2)
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {"ntk-nngp-sphere-spectrum": spectrum}
