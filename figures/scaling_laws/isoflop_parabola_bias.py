"""The bias of isoFLOP parabolas: a curve of equal compute with its parabola, and the shift against the width."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from theorylab.derivations.scaling_laws import isoflop_parabola_bias as d
from theorylab.kernels.random import Stream
from theorylab.sims.scaling_laws.isoflop_fits import fitted_vertex

# Noisy fits at each width.
FITS = {"quick": 4000, "standard": 40_000, "paper": 400_000}
LAW = {"A": 3000.0, "B": 300.0, "E": 1.7, "C": 1e21}
SETS = ((0.6, 0.2), (0.45, 0.25), (0.34, 0.28), (0.3, 0.3), (0.28, 0.34))


def bias(budget: str = "quick") -> Figure:
    """Left: exact curve, its points and the parabola. Right: shift against half-width, exact, leading order, noisy."""
    figure = Figure(figsize=(9.4, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    a, b, w, n = 0.6, 0.2, 3.0, 11
    u = np.linspace(-w, w, n)
    fine = np.linspace(-1.1 * w, 1.1 * w, 300)

    def curve(x: np.ndarray) -> np.ndarray:
        return np.asarray(np.exp(-a * x) - 1 + a / b * (np.exp(b * x) - 1))

    parabola = np.polynomial.Polynomial.fit(u, curve(u), 2)
    shift = float(d.vertex(a=a, b=b, w=w, n=n))
    left.plot(fine, curve(fine), color="C0", label="$(L - L^*)\\,N^{*a}/A$")
    left.plot(u, curve(u), "o", color="C0", markersize=4)
    left.plot(fine, parabola(fine), color="C3", linestyle="--", label="parabola through the points")
    left.axvline(0, color="0.6", linewidth=0.8)
    left.axvline(shift, color="C3", linewidth=0.8, linestyle=":", label=f"vertex, theory: {shift:+.2f}")
    left.set(xlabel="$u = \\ln(N/N^*)$ at fixed compute", ylabel="loss above the least, scaled", ylim=(-0.9, None))
    left.legend(frameon=False, fontsize=8, title=f"$a = {a}$, $b = {b}$", title_fontsize=8)
    rng = Stream.from_seed(8)
    widths = np.linspace(0.05, 3.0, 60)
    for i, (a, b) in enumerate(SETS):
        colour = f"C{i}"
        right.plot(widths, d.vertex(a=a, b=b, w=widths, n=15), color=colour, label=f"$a = {a}$, $b = {b}$")
        right.plot(widths, d.leading(a=a, b=b, n=15) * widths**2, color=colour, linestyle=":", linewidth=1)
        for width in (1.0, 1.5, 2.0, 2.5, 3.0):
            found = fitted_vertex(FITS[budget], rng, precision=1.0, s0=0.004, a=a, b=b, w=width, n=15, **LAW)["value"]
            right.errorbar(
                width, found.mean(), found.std() / np.sqrt(len(found)), fmt="o", color=colour, markersize=3, capsize=2
            )
    right.plot([], [], color="0.4", linestyle=":", linewidth=1, label="$-(b-a)\\,w^2 (3n^2-7)/(30(n-1)^2)$")
    right.set(xlabel="half-width $w$ of the grid in $\\ln N$", ylabel="shift of the fitted $\\ln N^*$, $n = 15$")
    right.legend(frameon=False, fontsize=8)
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {"isoflop-parabola-bias": bias}
