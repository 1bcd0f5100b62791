"""Dual activations against the angle between their arguments."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from theorylab.derivations.infinite_width import ntk_nngp_toolbox as d
from theorylab.kernels.random import Stream
from theorylab.sims.infinite_width.gaussian_pairs import products

# Trials of 256 pairs at each angle.
TRIALS = {"quick": 300, "standard": 4_000, "paper": 40_000}
PANELS = (
    ("rectified powers", (("heaviside", "step"), ("relu", "ReLU"), ("relu_squared", r"ReLU$^2$"))),
    (
        "smooth functions",
        (("erf", "erf"), ("erf_slope", "erf'"), ("sin", "sin"), ("cos", "cos"), ("bump", r"$e^{-z^2}$")),
    ),
)
VARIANCE = 1.0


def duals(budget: str = "quick") -> Figure:
    """E f(u) f(v) over the angle, relative to its value at coincidence: closed forms and Gaussian pairs."""
    figure = Figure(figsize=(8.6, 3.5), layout="constrained")
    rng = Stream.from_seed(0)
    theta, shown = np.linspace(0.0, np.pi, 161), np.linspace(0.0, np.pi, 13)
    for axes, (title, formulas) in zip(figure.subplots(1, 2), PANELS):
        for colour, (name, label) in enumerate(formulas):
            at = {"formula": name, "a": VARIANCE, "b": VARIANCE}
            top = float(d.CLOSED(**at, theta=0.0))
            axes.plot(theta, d.CLOSED(**at, theta=theta) / top, color=f"C{colour}", label=label)
            drawn = [products(TRIALS[budget], rng, **at, theta=float(t))["value"] for t in shown]
            means = np.array([v.mean() for v in drawn]) / top
            errors = np.array([v.std(ddof=1) for v in drawn]) / np.sqrt(TRIALS[budget]) / top
            axes.errorbar(shown, means, errors, fmt="o", color=f"C{colour}", markersize=3, capsize=1.5, linewidth=0.8)
        axes.axhline(0.0, color="0.8", linewidth=0.8, zorder=0)
        axes.set(title=title, xlabel=r"angle $\theta$ of $u$ and $v$", xlim=(0.0, np.pi))
        axes.set_xticks([0, np.pi / 4, np.pi / 2, 3 * np.pi / 4, np.pi], ["0", "π/4", "π/2", "3π/4", "π"])
        axes.legend(frameon=False, fontsize=8)
    figure.axes[0].set_ylabel(r"$\mathbb{E}\,f(u) f(v)\,/\,\mathbb{E}\,f(u)^2$  (unit variances)")
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {"ntk-nngp-dual-activations": duals}
