"""Tangent kernels against the angle, layer by layer, and how many of their digits survive between close inputs."""

from __future__ import annotations

from collections.abc import Callable

import mpmath
import numpy as np
from matplotlib.figure import Figure

from theorylab.derivations.infinite_width import ntk_nngp_toolbox as d
from theorylab.derivations.infinite_width.ntk_nngp_duals import pairs_at
from theorylab.derivations.infinite_width.recursion import layers, propagate
from theorylab.kernels.random import Stream
from theorylab.sims.infinite_width.random_networks import empirical_kernels

# Networks and their width at each angle and depth.
NETWORKS = {"quick": (60, 64), "standard": (300, 128), "paper": (3_000, 256)}
SCALES = (2.0, 0.0, 2.0, 0.0)


def depth(budget: str = "quick") -> Figure:
    """Theta(theta)/Theta(0) of ReLU and erf networks of one to eight hidden layers, with random finite networks."""
    trials, width = NETWORKS[budget]
    figure = Figure(figsize=(8.6, 3.8), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    rng = Stream.from_seed(0)
    theta, shown = np.linspace(0.0, np.pi, 161), np.linspace(0.0, np.pi, 9)
    kinds = (("relu", 2.0, 0.0, "ReLU, $C_W = 2$, $C_b = 0$"), ("erf", 1.5, 0.1, "erf, $C_W = 1.5$, $C_b = 0.1$"))
    for axes, (name, weights, biases, title) in zip(panels, kinds):
        for hidden in range(1, 9):
            shade = (hidden - 1) / 8
            colour = (0.05 + 0.8 * shade, 0.25 + 0.35 * shade, 0.65 - 0.45 * shade)
            axes.plot(
                theta,
                d.depth_profile(name, theta, hidden + 1, weights, biases),
                color=colour,
                linewidth=1.2,
                label=str(hidden),
            )
            if hidden not in (1, 2, 4):
                continue
            drawn = [
                empirical_kernels(
                    trials,
                    rng,
                    n=width,
                    L=hidden + 1,
                    theta=float(t),
                    activation=name,
                    C_W=weights,
                    C_b=biases,
                    lambda_W=weights,
                    lambda_b=biases,
                )["ntk"]
                for t in shown
            ]
            top = drawn[0].mean()
            errors = np.array([v.std(ddof=1) for v in drawn]) / np.sqrt(trials) / top
            means = np.array([v.mean() for v in drawn]) / top
            axes.errorbar(shown, means, errors, fmt="o", color=colour, markersize=3.5, capsize=1.5, linewidth=0.8)
        axes.axhline(0.0, color="0.8", linewidth=0.8, zorder=0)
        axes.set(title=title, xlabel=r"angle $\theta$ between the inputs", xlim=(0.0, np.pi))
        axes.set_xticks([0, np.pi / 4, np.pi / 2, 3 * np.pi / 4, np.pi], ["0", "π/4", "π/2", "3π/4", "π"])
    panels[0].set_ylabel(r"$\Theta(\theta)\,/\,\Theta(0)$, unit rates (NTK parametrisation)")
    panels[1].legend(
        title=f"hidden layers\n(dots: width {width})", frameon=False, fontsize=8, title_fontsize=8, ncols=2
    )
    return figure


def _exact(theta: float, hidden: int) -> tuple[mpmath.mpf, mpmath.mpf]:
    """K(0) - K(theta) and the same of Theta, to 50 digits."""
    with mpmath.workdps(60):
        similarity = tangent = mpmath.cos(mpmath.mpf(theta))
        for _ in range(hidden):
            angle = mpmath.acos(similarity)
            active = 1 - angle / mpmath.pi
            similarity = (mpmath.sin(angle) + (mpmath.pi - angle) * mpmath.cos(angle)) / mpmath.pi
            tangent = similarity + tangent * active
        return 2 * (1 - similarity), 2 * (hidden + 1 - tangent)


def _plain(theta: np.ndarray, hidden: int) -> tuple[np.ndarray, np.ndarray]:
    """The same by arccos of a rounded correlation."""
    similarity = np.cos(theta)
    tangent = similarity.copy()
    for _ in range(hidden):
        angle = np.arccos(np.minimum(similarity, 1.0))
        similarity = (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / np.pi
        tangent = similarity + tangent * (1.0 - angle / np.pi)
    return 2 * (1 - similarity), 2 * (hidden + 1 - tangent)


def digits(budget: str = "quick") -> Figure:
    """Relative errors of K(x, x) - K(x, x') and of the same difference of Theta over the angle, three hidden layers."""
    hidden = 3
    theta = 10.0 ** np.linspace(-10.0, 0.0, {"quick": 41, "standard": 81, "paper": 161}[budget])
    exact = [_exact(float(t), hidden) for t in theta]
    ones = np.ones_like(theta)
    state = propagate(d.named("relu"), pairs_at(ones, ones, theta), layers(hidden + 1, *SCALES))
    ours = state.pairs.distance / 2, state.distance / 2
    plain = _plain(theta, hidden)
    figure = Figure(figsize=(8.6, 3.4), layout="constrained")
    for index, (axes, label) in enumerate(zip(figure.subplots(1, 2, sharey=True), ("K", r"\Theta"))):
        sides = ((plain, "arccos of the correlation", "C3", "s"), (ours, "distances", "C0", "o"))
        for values, name, colour, mark in sides:
            wrong = [float(abs((mpmath.mpf(float(v)) - e[index]) / e[index])) for v, e in zip(values[index], exact)]
            axes.loglog(theta, np.maximum(wrong, 1e-17), mark, color=colour, markersize=3, label=name)
        axes.axhline(2.2e-16, color="0.6", linewidth=0.8, linestyle=":")
        title = rf"${label}(x_1, x_1) - {label}(x_1, x_2)$"
        axes.set(xlabel=r"angle $\theta$ between the inputs", title=title, ylim=(5e-18, 10))
    figure.axes[0].set_ylabel("relative error in double precision")
    figure.axes[0].legend(frameon=False, fontsize=8)
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {"ntk-nngp-depth": depth, "ntk-nngp-digits": digits}
