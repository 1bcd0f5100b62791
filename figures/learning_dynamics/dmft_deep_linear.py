"""Deep linear networks from lazy to rich: outputs and kernels against trained networks, and how width matters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from theorylab.derivations.learning_dynamics import dmft_deep_linear as d
from theorylab.kernels.random import Stream
from theorylab.sims.learning_dynamics import mean_field_network as sim

# Width and pairs of networks for the curves; widths and pairs for the deviations.
CURVES = {"quick": (200, 24), "standard": (500, 60), "paper": (2000, 100)}
WIDTHS = {
    "quick": ((25, 50, 100, 200), 300),
    "standard": ((50, 100, 200, 400), 2000),
    "paper": ((125, 250, 500, 1000), 4000),
}
RICHNESS = (0.2, 1.0, 3.0)
LINEAR = {"K": 1.0, "y": 1.0}


def _nets(pairs: int, seed: int, **at: Any) -> dict[str, np.ndarray]:
    return sim.one_pattern(pairs, Stream.from_seed(seed), activation="linear", **LINEAR, **at)


def curves(budget: str = "quick") -> Figure:
    """Outputs and kernels of all layers against updates, at L = 3."""
    width, pairs = CURVES[budget]
    at = {"L": 3, "gamma": 1.5, "rate": 0.025}
    t, points = np.arange(0.0, 26.0), np.arange(1.0, 26.0, 4.0)
    seen = _nets(pairs, 0, N=width, t=points, **at)
    figure = Figure(figsize=(10.5, 3.4), layout="constrained")
    first, second, third = figure.subplots(1, 3)
    first.plot(t, d.ONE["f"](t=t, **LINEAR, **at), color="black", label=rf"$\gamma = {at['gamma']:g}$")
    lazy = d.LAZY(L=3, rate=at["rate"], t=t, **LINEAR)
    first.plot(t, lazy, color="0.6", linestyle="--", label=r"lazy, $\gamma \to 0$")
    _dots(first, points, seen["f"], "black")
    first.set(xlabel="updates $t$", ylabel="output $f(t)$")
    first.legend(frameon=False, fontsize=8, title=f"lines: $N = \\infty$; dots: $N = {width}$", title_fontsize=8)
    for axes, name, label in ((second, "H", r"$H^\ell(t, t)$"), (third, "G", r"$G^\ell(t, t)$")):
        for l, line in enumerate(d.ONE[name](t=t, **LINEAR, **at)):
            axes.plot(t, line, color=f"C{l}", label=rf"$\ell = {l + 1}$")
            _dots(axes, points, seen[name][:, l], f"C{l}")
        axes.set(xlabel="updates $t$", ylabel=label)
        axes.legend(frameon=False, fontsize=8)
    return figure


def _dots(axes: Any, x: np.ndarray, values: np.ndarray, colour: Any) -> None:
    error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
    axes.errorbar(x, values.mean(axis=0), error, fmt="o", color=colour, markersize=3.5, capsize=2, linewidth=1)


def two_times(budget: str = "quick") -> Figure:
    """Kernels H_l(t, s) between updates: theory above the diagonal, networks below."""
    width, pairs = CURVES[budget]
    at = {"L": 3, "gamma": 1.5, "rate": 0.025}
    t = np.arange(0.0, 24.0)
    theory = d.ONE["H(t, s)"](t=t, **LINEAR, **at)
    nets = sim.two_times(8 * pairs, Stream.from_seed(1), activation="linear", N=width, t=t, **LINEAR, **at)["H"].mean(
        axis=0
    )
    figure = Figure(figsize=(10.5, 3.3), layout="constrained")
    for l, axes in enumerate(figure.subplots(1, 3)):
        shown = np.where(t[:, None] >= t, nets[l], theory[l])
        image = axes.imshow(shown, origin="lower", cmap="magma", extent=(-0.5, 23.5, -0.5, 23.5))
        levels = np.linspace(theory[l].min(), theory[l].max(), 7)[1:-1]
        axes.contour(t, t, np.where(t[:, None] <= t, theory[l], np.nan), levels=levels, colors="white", linewidths=1)
        below = np.where(t[:, None] >= t, nets[l], np.nan)
        axes.contour(t, t, below, levels=levels, colors="white", linewidths=1, linestyles="--")
        axes.plot((-0.5, 23.5), (-0.5, 23.5), color="white", linewidth=0.8)
        axes.set(xlabel="update $s$", title=rf"$H^{l + 1}(t, s)$")
        box = {"facecolor": "black", "alpha": 0.6, "edgecolor": "none", "pad": 1.5}
        axes.text(22.5, 0.6, "theory", color="white", ha="right", fontsize=8, bbox=box)
        axes.text(0.5, 21.8, f"networks, $N = {width}$", color="white", fontsize=8, bbox=box)
        figure.colorbar(image, ax=axes, shrink=0.85)
        if l == 0:
            axes.set_ylabel("update $t$")
    return figure


def losses(budget: str = "quick") -> Figure:
    """Loss against updates for laziness and depth."""
    width, pairs = CURVES[budget]
    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    t, points = np.arange(0.0, 41.0), np.arange(2.0, 41.0, 6.0)
    colour, norm = colormaps["viridis"], LogNorm(0.12, 5.0)
    lines: list[Any] = [
        (left, {"L": 2, "gamma": g, "rate": 0.02}, colour(norm(g)), rf"$\gamma = {g:g}$") for g in RICHNESS
    ]
    lines += [(right, {"L": l, "gamma": 1.0, "rate": 0.02}, f"C{l}", f"$L = {l}$") for l in (1, 2, 3)]
    for k, (axes, at, shade, label) in enumerate(lines):
        axes.plot(t, 0.5 * (1.0 - d.ONE["f"](t=t, **LINEAR, **at)) ** 2, color=shade, label=label)
        _dots(axes, points, 0.5 * (1.0 - _nets(pairs, k, N=width, t=points, **at)["f"]) ** 2, shade)
    left.plot(t, 0.5 * (1.0 - d.LAZY(L=2, rate=0.02, t=t, **LINEAR)) ** 2, color="0.6", linestyle="--", label="lazy")
    for axes, title in ((left, "$L = 2$"), (right, r"$\gamma = 1$")):
        axes.set(yscale="log", xlabel="updates $t$", title=title, ylim=(1e-7, 1.0))
        axes.legend(frameon=False, fontsize=8)
    left.set_ylabel(rf"loss $\frac{{1}}{{2}}(y - f)^2$;  dots: $N = {width}$")
    return figure


def widths(budget: str = "quick") -> Figure:
    """Deviation of mean outputs and kernels from infinite width: it falls like 1/N."""
    sizes, pairs = WIDTHS[budget]
    at = {"L": 2, "gamma": 1.5, "rate": 0.04}
    figure = Figure(figsize=(4.8, 3.8), layout="constrained")
    axes = figure.subplots()
    t = np.array([8.0])
    shown: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
        "f": (r"$f$", lambda x: x[..., 0]),
        "H": (r"$H^1$", lambda x: x[..., 0, 0]),
        "ntk": ("tangent kernel", lambda x: x[..., 0]),
    }
    gaps: dict[str, list[float]] = {name: [] for name in shown}
    for k, n in enumerate(sizes):
        seen = _nets(pairs, 10 + k, N=n, t=t, **at)
        for i, (name, (label, pick)) in enumerate(shown.items()):
            exact = pick(d.GIVEN[name](t=t, norms=seen["norms"], **LINEAR, **at))
            relative = np.abs(1.0 / pick(d.ONE[name](t=t, **LINEAR, **at))) * (exact - pick(seen[name]))
            error = relative.std(ddof=1) / np.sqrt(pairs)
            gaps[name].append(float(relative.mean()))
            axes.errorbar(n, relative.mean(), error, fmt="o", color=f"C{i}", markersize=4, capsize=2, linewidth=1)
            if n == sizes[-1]:
                scale = np.mean(np.array(gaps[name]) * np.array(sizes))
                axes.plot(sizes, scale / np.array(sizes), color=f"C{i}", label=rf"{label}: ${scale:.2g}/N$")
    axes.set(xscale="log", yscale="log", xlabel="width $N$", ylabel="(theory - mean of networks)/theory, $t = 8$")
    axes.set_xticks(sizes, [str(n) for n in sizes])
    axes.set_yticks((0.003, 0.01, 0.03), ("0.3 %", "1 %", "3 %"))
    axes.minorticks_off()
    axes.legend(
        frameon=False, fontsize=9, title=rf"$L = 2$, $\gamma = {at['gamma']:g}$; lines: slope $-1$", title_fontsize=8
    )
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {
    "dmft-deep-linear-curves": curves,
    "dmft-deep-linear-two-times": two_times,
    "dmft-deep-linear-losses": losses,
    "dmft-deep-linear-widths": widths,
}
