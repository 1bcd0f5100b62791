"""One random hidden layer at finite width: how its output's law leaves the Gaussian one."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure
from numpy.polynomial import hermite_e
from scipy.special import ndtr

from theorylab.derivations.infinite_width import edgeworth_law
from theorylab.derivations.infinite_width import edgeworth_series as exact
from theorylab.derivations.infinite_width import finite_size_edgeworth as theory
from theorylab.kernels.random import Stream
from theorylab.sims.infinite_width import one_hidden_layer

NETWORK = {"activation": "tanh", "weights": "normal", "q": 1.0, "s": 1.0, "sigma_b": 0.0}
FEW, MANY = (4, 8, 16), (4, 8, 16, 64)
# Networks a width for the histogram; ensembles of 64 a width for the moments.
DRAWN = {"quick": 1_000_000, "standard": 20_000_000, "paper": 200_000_000}
ENSEMBLES = {"quick": 40_000, "standard": 600_000, "paper": 6_000_000}


def residual(budget: str = "quick") -> Figure:
    """(p - g)/g in units of k_4/24 against the output: the collapse onto He_4, and what the second order adds."""
    figure = Figure(figsize=(9.0, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    y = np.linspace(1e-3, 3.3, 140)
    for i, width in enumerate(MANY):
        law = edgeworth_law.output(width, "tanh", "normal", 1.0, 1.0, 0.0)
        k, _ = exact.normalised(N=width, **NETWORK)
        p = law.density(y * law.deviation)[0] * law.deviation * np.sqrt(2 * np.pi) * np.exp(0.5 * y * y)
        left.plot(y, (p - 1) * 24 / k[0], color=f"C{i}", label=f"$N = {width}$")
        if width in FEW:
            right.semilogy(y, np.abs(p - exact.series(y, k, 1)), color=f"C{i}", linestyle="--", linewidth=1.0)
            right.semilogy(y, np.abs(p - exact.series(y, k, 2)), color=f"C{i}")
            right.semilogy(y, np.abs(p - 1), color=f"C{i}", linestyle=":", linewidth=1.0)
    left.plot(y, hermite_e.hermeval(y, [0, 0, 0, 0, 1]), color="black", linestyle="--", label="$He_4(y)$")
    edges = np.linspace(0.0, 3.3, 12)
    weight = np.diff(ndtr(edges))
    for i, width in enumerate(FEW[:2]):
        law = edgeworth_law.output(width, "tanh", "normal", 1.0, 1.0, 0.0)
        f = one_hidden_layer.single(DRAWN[budget], Stream.from_seed(i), N=width, **NETWORK)["value"]
        counts = np.histogram(np.abs(f) / law.deviation, edges)[0]
        unit = 24 / exact.normalised(N=width, **NETWORK)[0][0] / (2 * weight * f.size)
        # Moved to where the curve has its mean over the bin, as far as the Gaussian weight tells.
        middle = [np.average(y[(y >= a) & (y < b)], weights=np.exp(-0.5 * y[(y >= a) & (y < b)] ** 2))
                  for a, b in pairwise(edges)]  # fmt: skip
        left.errorbar(
            middle,
            (counts - 2 * weight * f.size) * unit,
            np.sqrt(counts) * unit,
            fmt="o",
            color=f"C{i}",
            markersize=3.5,
            capsize=2,
            linewidth=0.8,
        )
    left.set(xlabel=r"$y = f/\sigma$", ylabel=r"$\frac{24}{k_4}\,\frac{p(y) - g(y)}{g(y)}$", ylim=(-8, 48))
    left.legend(frameon=False, fontsize=8, title="tanh, normal weights,\n$q = s = 1$, no bias", title_fontsize=8)
    handles = [right.plot([], [], color="0.3", linestyle=style)[0] for style in (":", "--", "-")]
    right.legend(
        handles,
        ["Gaussian", r"through $1/N$ ($He_4$)", r"through $1/N^2$ ($He_6$, $He_8$)"],
        frameon=False,
        fontsize=8,
        loc="lower right",
    )
    right.set(xlabel=r"$y = f/\sigma$", ylabel=r"$|p - \mathrm{series}|/g$", ylim=(3e-7, 8))
    right.set_title("$N = 4, 8, 16$", fontsize=9)
    return figure


def moments(budget: str = "quick") -> Figure:
    """Hermite moments of the output against width, with the powers of the leading order."""
    figure = Figure(figsize=(9.0, 3.8), layout="constrained")
    panels = figure.subplots(1, 2)
    for axes, (activation, weights) in zip(panels, (("tanh", "normal"), ("tanh", "rademacher"))):
        network = {**NETWORK, "activation": activation, "weights": weights}
        widths = np.unique(np.round(np.geomspace(1, 256, 60)))
        table = np.array([exact.hermite_moments(N=n, **network)[0] for n in widths])
        scale = float(theory.VARIANCE(N=1, **network))
        site = exact.hermite_moments(N=10**6, **network)[0]
        for i, order in enumerate((4, 6, 8)):
            color, unit = f"C{i}", scale ** (order / 2)
            power = 1 if order == 4 else 2
            axes.loglog(widths, np.abs(table[:, i]) / unit, color=color, label=rf"$|E\,He_{order}(f/\sigma)|$")
            axes.loglog(
                widths, np.abs(site[i]) * (1e6 / widths) ** power / unit, color=color, linestyle=":", linewidth=0.9
            )
        for j, n in enumerate((1, 2, 4, 8)):
            found = one_hidden_layer.ensembles(ENSEMBLES[budget] // n, Stream.from_seed(10 + j), N=n, **network)
            for i, order in enumerate((4, 6, 8)):
                x = found["hermite"][:, i] / scale ** (order / 2)
                mean, error = abs(x.mean()), x.std(ddof=1) / np.sqrt(len(x))
                # What is not seen above its error has no place on a logarithmic axis.
                if mean > 2 * error:
                    axes.errorbar(n, mean, error, fmt="o", color=f"C{i}", markersize=4, capsize=2)
        axes.set(xlabel="width $N$", title=f"{activation}, {weights} weights, $q = 1$", ylim=(1e-4, 300))
        axes.title.set_fontsize(9)
    panels[0].set_ylabel(r"Hermite moment ($\sigma_b = 0$)")
    panels[0].plot([], [], color="0.3", linestyle=":", label="$N^{-1}$, $N^{-2}$, $N^{-2}$")
    panels[0].legend(frameon=False, fontsize=8)
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {
    "finite-size-edgeworth-residual": residual,
    "finite-size-edgeworth-moments": moments,
}
