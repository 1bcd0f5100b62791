"""Deep random networks: the metric with depth, the growth of the kurtosis, and the phases of tanh networks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from theorylab.derivations.infinite_width import pdlt_recursion as recursion
from theorylab.derivations.infinite_width.activations import Activation
from theorylab.derivations.infinite_width.gaussian_averages import named
from theorylab.errors import DomainError
from theorylab.kernels.random import Stream
from theorylab.sims.infinite_width import layer_chain

# Width and networks of the metric's points; layers.
METRIC = {"quick": (256, 32, 64), "standard": (512, 128, 128), "paper": (2048, 256, 256)}
# Pairs of networks for the kurtosis at each depth and width.
KURTOSIS = {"quick": 4_000, "standard": 40_000, "paper": 400_000}
# Points a side of the phase diagram.
PHASES = {"quick": (41, 41), "standard": (101, 101), "paper": (201, 201)}


def metric(budget: str = "quick") -> Figure:
    """K and chi_perp against depth for tanh: ordered, critical and chaotic weights, with networks of finite width."""
    width, networks, most = METRIC[budget]
    figure = Figure(figsize=(9.2, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    act = named("tanh")
    rng = Stream.from_seed(0)
    depths = np.unique(np.geomspace(1, most, 9).astype(int))
    for colour, weight, name in (("C0", 0.9, "ordered"), ("C2", 1.0, "critical"), ("C3", 1.2, "chaotic")):
        line = recursion.layers(act, [1.0] * most, weight, 0.0, 1.0, fine=True)
        values = np.array([layer.K for layer in line])
        steps = np.array([layer.perpendicular for layer in line])
        number = np.arange(1, most + 2)
        left.plot(number, values, color=colour, label=f"$C_W = {weight:g}$, {name}")
        right.plot(number, steps, color=colour)
        for depth in depths:
            at = {"n": width, "depth": int(depth), "activation": "tanh", "C_W": weight, "C_b": 0.0}
            g = layer_chain.vertex(networks, rng, K=1.0, **at)["g"]
            error = 2 * g.std(ddof=1) / np.sqrt(networks)
            left.errorbar(depth + 1, g.mean(), error, fmt="o", color=colour, markersize=3.5, capsize=2)
            pair = layer_chain.two_inputs(networks, rng, K11=1.0, K12=0.9999, K22=1.0, **at)["distance"]
            error = 2 * pair.std(ddof=1) / np.sqrt(networks)
            right.errorbar(depth + 1, pair.mean(), error, fmt="o", color=colour, markersize=3.5, capsize=2)
    far = np.geomspace(4, most, 50)
    left.plot(far, 1.0 / (2.0 * far), color="0.4", linestyle="--", label=r"$1/(2\ell)$")
    right.plot(far, 0.9 / far, color="0.4", linestyle="--", label=r"$\propto \ell^{-p}$, $p = 1$")
    left.set(xscale="log", yscale="log", xlabel=r"layer $\ell$", ylabel=r"metric $K^{(\ell)}$", ylim=(1e-3, 1.3))
    right.set(
        xscale="log",
        yscale="log",
        xlabel=r"layer $\ell$",
        ylabel=r"distance of nearby inputs, $\prod \chi_{\mathrm{perp}}$",
        ylim=(1e-4, 2),
    )
    left.legend(frameon=False, fontsize=8, title=f"tanh, $C_b = 0$; dots: n = {width}")
    right.legend(frameon=False, fontsize=8, loc="lower left")
    return figure


def kurtosis(budget: str = "quick") -> Figure:
    """Width times excess kurtosis against depth: three slopes, 15, 6 and 2, and networks of two widths on each."""
    pairs = KURTOSIS[budget]
    figure = Figure(figsize=(5.6, 4.2), layout="constrained")
    axes = figure.subplots()
    rng = Stream.from_seed(1)
    shown = (("relu", 2.0, 15.0, "C0", "ReLU"), ("linear", 1.0, 6.0, "C1", "linear"), ("tanh", 1.0, 2.0, "C2", "tanh"))
    depths = np.arange(1, 33)
    for name, weight, slope, colour, label in shown:
        theory = [recursion.KURTOSIS(activation=name, depth=int(d), C_W=weight, C_b=0.0, K=1.0) for d in depths]
        axes.plot(depths, theory, color=colour, label=f"{label}: slope {slope:g}")
        for width, marker in ((64, "o"), (256, "s")):
            for depth in (2, 4, 8, 16):
                # Beyond this the fourth moment of a ReLU network is carried by few networks.
                if slope * depth / (3 * width) > 0.5:
                    continue
                at = {"n": width, "depth": depth, "activation": name, "C_W": weight, "C_b": 0.0, "K": 1.0}
                out = layer_chain.vertex(pairs, rng, **at)
                mean = out["metric"].mean() / width
                value = 3 * out["vertex"] / mean**2
                error = 2 * value.std(ddof=1) / np.sqrt(pairs)
                axes.errorbar(depth, value.mean(), error, fmt=marker, color=colour, markersize=4, capsize=2)
    for nu, colour in ((5.0, "C0"), (2.0, "C1")):
        axes.plot(depths, 3 * 64 * np.expm1(depths * np.log1p(nu / 64)), color=colour, linestyle=":")
    axes.plot([], [], color="0.4", linestyle=":", label=r"exact at $n = 64$, $3n((1 + \nu/n)^L - 1)$")
    for marker, width in (("o", 64), ("s", 256)):
        axes.plot([], [], marker, color="0.4", markersize=4, label=f"n = {width}")
    axes.set(
        xscale="log",
        yscale="log",
        xlabel=r"hidden layers $L$",
        ylabel=r"$n\,(\mathbb{E} z^4/(\mathbb{E} z^2)^2 - 3)$",
        ylim=(0.8, 600),
    )
    axes.legend(frameon=False, fontsize=8)
    return figure


def phases(budget: str = "quick") -> Figure:
    """chi_perp at the fixed point of tanh networks in the plane (C_b, C_W), and half-stable points beside."""
    side, up = PHASES[budget]
    figure = Figure(figsize=(9.2, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    act = named("tanh")
    biases, weights = np.linspace(0.0, 0.5, side), np.linspace(0.5, 3.0, up)
    chi = np.array([[_chi(act, float(w), float(b)) for b in biases] for w in weights])
    image = left.pcolormesh(biases, weights, chi, cmap="RdBu_r", vmin=0.2, vmax=1.8, rasterized=True)
    left.contour(biases, weights, chi, levels=[1.0], colors="black", linewidths=1.5)
    left.plot(0.0, 1.0, "*", color="black", markersize=13, clip_on=False)
    left.set(xlabel="$C_b$", ylabel="$C_W$", title=r"tanh: $\chi_{\mathrm{perp}}(K^*)$, critical line and point")
    figure.colorbar(image, ax=left)
    K = np.linspace(0.3, 30.0, 120)
    for name, colour in (("gelu", "C0"), ("swish", "C1")):
        ratio = [np.divide(*recursion.susceptibilities(named(name), 1.0, float(k))) for k in K]
        right.plot(K, ratio, color=colour, label=name.upper() if name == "gelu" else name)
        right.plot(float(recursion.HALF_STABLE(activation=name)[0]), 1.0, "*", color=colour, markersize=13)
    right.axhline(1.0, color="0.6", linewidth=0.8)
    right.set(
        xlabel="$K$",
        ylabel=r"$\chi_{\mathrm{par}}(K)/\chi_{\mathrm{perp}}(K)$",
        title="half-stable points: where the curves cross 1",
    )
    right.legend(frameon=False, fontsize=8)
    return figure


def _chi(act: Activation, weight: float, bias: float) -> float:
    try:
        K = recursion.fixed_point(act, weight, bias, fine=False)
    except DomainError:
        # The metric falls to 0, where slopes are 1.
        return weight
    return recursion.susceptibilities(act, weight, K, fine=False)[1]


FIGURES: dict[str, Callable[[str], Figure]] = {
    "pdlt-criticality-metric": metric,
    "pdlt-criticality-kurtosis": kurtosis,
    "pdlt-criticality-phases": phases,
}
