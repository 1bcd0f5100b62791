"""Feature learning at infinite width: trained networks beside their limit, and what scale and width do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from theorylab.derivations.infinite_width import mup_limit_one_hidden as d
from theorylab.kernels.random import Stream
from theorylab.sims.infinite_width import mup_network as sim

ETA, ANGLE, LABELS = 0.1, 1.2, (1.0, -0.7)
DATA = {"activation": "tanh", "angle": ANGLE, "y1": LABELS[0], "y2": LABELS[1], "sigma_u": 1.0, "sigma_v": 1.0}
# Widths and networks of each, by budget.
WIDTHS = {"quick": ((64, 512, 4096), 12), "standard": ((64, 256, 1024, 4096, 16384), 20),
          "paper": ((64, 256, 1024, 4096, 16384), 100)}  # fmt: skip
NETWORKS = {"quick": 400, "standard": 4000, "paper": 40_000}


def trajectories(budget: str = "quick") -> Figure:
    """Loss and hidden second moment along training, for networks of growing width and in the limit."""
    widths, count = WIDTHS[budget]
    steps = np.arange(0, 61, 2)
    t, psi = np.tile(steps, 2), np.repeat([0.0, ANGLE], steps.size)
    at = {**DATA, "eta": ETA, "alpha": 1.0, "t": t, "psi": psi}
    figure = Figure(figsize=(9.4, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    labels = np.repeat(LABELS, steps.size)

    def loss(f: np.ndarray) -> np.ndarray:
        return np.asarray(0.5 * np.sum(((f - labels) ** 2).reshape(*f.shape[:-1], 2, -1), axis=-2))

    rng = Stream.from_seed(0)
    shades = colormaps["viridis"](np.linspace(0.85, 0.15, len(widths)))
    for n, shade in zip(widths, shades):
        out = sim.network(count, rng, n=n, **at)
        shown = {left: np.sqrt(loss(out["f"])), right: out["dq"][:, : steps.size]}
        for axes, curves in shown.items():
            middle, spread = curves.mean(axis=0), curves.std(axis=0, ddof=1)
            axes.fill_between(ETA * steps, middle - spread, middle + spread, color=shade, alpha=0.25, linewidth=0)
            axes.plot(ETA * steps, middle, color=shade, linewidth=1.0, label=f"$n = {n}$")
    left.plot(ETA * steps, np.sqrt(loss(d.OUTPUT(**at))), color="black", linewidth=1.6, label="limit")
    left.plot(ETA * steps, np.sqrt(loss(d.LAZY(**at))), color="crimson", linestyle="--", label="fixed features")
    right.plot(ETA * steps, d.CHANGE(**at)[: steps.size], color="black", linewidth=1.6, label="limit")
    right.axhline(0.0, color="crimson", linestyle="--")
    left.set(
        yscale="log", xlabel=r"training time $\eta t$", ylabel=r"$\sqrt{\mathrm{loss}}$, loss $= \frac{1}{2}\sum r^2$"
    )
    right.set(xlabel=r"training time $\eta t$", ylabel=r"$\Delta q = E\,\phi(U_t x_1)^2 - E\,\phi(U_0 x_1)^2$")
    left.set_xlim(0, ETA * steps[-1])
    right.set_xlim(0, ETA * steps[-1])
    left.legend(frameon=False, fontsize=8, title=r"tanh, $\eta = 0.1$; bands: $\pm$ s.d.", title_fontsize=8)
    return figure


def feature_change(budget: str = "quick") -> Figure:
    """Feature change against width in both parametrisations, and against the output scale."""
    count = NETWORKS[budget]
    figure = Figure(figsize=(9.4, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    at = {**DATA, "eta": 0.3, "t": 10, "psi": 0.0}
    rng = Stream.from_seed(1)
    widths = 2 ** np.arange(4, 11)
    learned = float(d.CHANGE(**at))
    for power, colour, label in ((0.0, "C0", r"maximal update, $\alpha = 1$"),
                                 (0.5, "C3", r"neural tangent, $\alpha = \sqrt{n}$")):  # fmt: skip
        for n in widths:
            dq = sim.network(count, rng, n=int(n), alpha=1.0, mirrored=1, laziness=power, **at)["dq"]
            left.errorbar(n, dq.mean(), dq.std(ddof=1) / np.sqrt(count), fmt="o", color=colour, markersize=4, capsize=2,
                          label=label if n == widths[0] else None)  # fmt: skip
    left.axhline(learned, color="C0", label=r"limit of $\alpha = 1$")
    fine = np.geomspace(widths[0], widths[-1], 9)
    left.plot(fine, d.CHANGE(alpha=np.sqrt(fine), **at), color="C3", label=r"limit at $\alpha = \sqrt{n}$")
    left.set(xscale="log", yscale="log", xlabel="width $n$", ylabel=r"$\Delta q$ after 10 steps, $\eta = 0.3$")
    left.legend(frameon=False, fontsize=8)
    scales = np.geomspace(0.3, 30.0, 15)
    right.plot(scales, d.CHANGE(alpha=scales, **at), color="black", label=r"limit, $n = \infty$")
    large = scales[scales > 3]
    right.plot(large, float(d.CHANGE(alpha=30.0, **at)) * (30.0 / large) ** 2, color="0.6", linestyle=":",
               label=r"$\alpha^{-2}$")  # fmt: skip
    for alpha in np.geomspace(0.3, 30.0, 7):
        dq = sim.network(count, rng, n=256, alpha=float(alpha), mirrored=1, **at)["dq"]
        right.errorbar(alpha, dq.mean(), dq.std(ddof=1) / np.sqrt(count), fmt="o", color="C0", markersize=4, capsize=2,
                       label="networks, $n = 256$" if alpha < 0.31 else None)  # fmt: skip
    right.set(
        xscale="log", yscale="log", xlabel=r"output scale $\alpha$", ylabel=r"$\Delta q$ after 10 steps, $\eta = 0.3$"
    )
    right.legend(frameon=False, fontsize=8)
    return figure


def flow(budget: str = "quick") -> Figure:
    """Gradient flow of a linear network on one input: output and feature change, closed form and networks."""
    count = NETWORKS[budget] // 4
    figure = Figure(figsize=(9.4, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    fine, some = np.linspace(0.0, 2.0, 201), np.linspace(0.125, 2.0, 16)
    rng = Stream.from_seed(2)
    for y, colour in ((0.5, "C0"), (1.0, "C1"), (2.0, "C2"), (-1.0, "C3")):
        left.plot(fine, d.FLOW(y=y, tau=fine), color=colour, label=f"$y = {y:g}$")
        left.plot(fine, -y * np.expm1(-2.0 * fine), color=colour, linestyle="--", linewidth=0.9)
        right.plot(fine, d.FLOW_CHANGE(y=y, tau=fine), color=colour)
        right.axhline(float(d.FINAL_CHANGE(y=y)), color=colour, linestyle=":", linewidth=0.8)
        out = sim.small_steps(count, rng, n=128, y=y, sigma_u=1.0, sigma_v=1.0, tau=some, grain=128, growing=0)
        for axes, name in ((left, "f"), (right, "dq")):
            error = out[name].std(axis=0, ddof=1) / np.sqrt(count)
            axes.errorbar(some, out[name].mean(axis=0), error, fmt="o", color=colour, markersize=3, capsize=1.5)
    left.plot([], [], color="0.4", linestyle="--", linewidth=0.9, label=r"fixed features: $y\,(1 - e^{-a_0\tau})$")
    left.set(xlabel=r"training time $\tau = \eta t$", ylabel="output $f$", xlim=(0, 2))
    right.set(xlabel=r"training time $\tau = \eta t$", ylabel=r"$\Delta q = (\sqrt{a_0^2 + 4 f^2} - a_0)/2$")
    right.set(xlim=(0, 2), ylim=(0, None))
    left.legend(
        frameon=False, fontsize=8, title=r"linear, $a_0 = 2$; points: $n = 128$", title_fontsize=8, loc=(0.45, 0.16)
    )
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {
    "mup-limit-trajectories": trajectories,
    "mup-limit-feature-change": feature_change,
    "mup-limit-flow": flow,
}
