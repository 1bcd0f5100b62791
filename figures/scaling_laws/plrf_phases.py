"""The phases of compute-optimal scaling: the phase plane, compute-optimal frontiers, and how far finite compute is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import sympy as sp
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from theorylab.derivations.scaling_laws import plrf_frontier as frontier
from theorylab.derivations.scaling_laws import plrf_phases as phases

RIGHT = 1.5
# Where a phase's name stands in the plane.
LABELS = {
    "Ia": (1.0, 0.25),
    "Ib": (0.41, 0.3),
    "Ic": (0.125, 1.0),
    "II": (1.15, 0.75),
    "III": (0.75, 1.2),
    "IVa": (0.4, 1.0),
    "IVb": (0.271, 1.0),
}
# Largest number of features (binary logarithm) and spacing, for the frontiers.
FRONTIERS = {"quick": (18.0, 0.5), "standard": (26.0, 0.5), "paper": (34.0, 0.5)}
# Points to a side of the plane, and largest number of features, for the deviations.
MAPS = {"quick": (5, 18.0), "standard": (12, 26.0), "paper": (30, 26.0)}
# What a map is content with: its colours show no less.
MAP_ERROR = 0.02


def _boundaries(axes: Axes, points: int = 601) -> None:
    """The curves on which a condition of a region ends, as far as they bound it."""
    grid = np.linspace(1e-3, RIGHT, points)
    alpha, beta = np.meshgrid(grid, grid)
    symbols = (phases.a, phases.b)
    domain = alpha + beta - 0.5
    for region in phases.PHASES.values():
        values = [
            np.broadcast_to(sp.lambdify(symbols, condition)(alpha, beta), alpha.shape)
            for condition in region.conditions
        ]
        for i, value in enumerate(values):
            inside = np.all([v > -2.0 / points for v in values[:i] + values[i + 1 :]] + [domain > 0], axis=0)
            axes.contour(alpha, beta, np.where(inside, value, np.nan), levels=[0.0], colors="black", linewidths=0.9)
    axes.plot([0.0, 0.5], [0.5, 0.0], color="black", linewidth=0.9)
    axes.fill([0.0, 0.5, 0.0], [0.5, 0.0, 0.0], facecolor="0.88", edgecolor="none")
    axes.text(0.14, 0.12, "no power\nlaw", ha="center", va="center", fontsize=8, color="0.3")
    axes.set(xlim=(0.0, RIGHT), ylim=(0.0, RIGHT), xlabel=r"data complexity $\alpha$", aspect="equal")


def _names(axes: Axes, color: str = "white") -> None:
    for name, (x, y) in LABELS.items():
        axes.text(x, y, name, ha="center", va="center", color=color, rotation=90 if name == "IVb" else 0)


def diagram(budget: str = "quick") -> Figure:
    r"""The plane of exponents coloured by $\eta$ and $\xi$, with the boundaries derived."""
    grid = np.linspace(1e-3, RIGHT, 401)
    alpha, beta = np.meshgrid(grid, grid)
    allowed = alpha + beta > 0.5
    figure = Figure(figsize=(9.6, 4.3), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    forms = (
        (phases.LOSS, r"$\eta$:  loss $P^\star \sim f^{-\eta}$", "viridis"),
        (phases.SIZE, r"$\xi$:  size $d^\star \sim f^{\,\xi}$", "plasma"),
    )
    for axes, (form, label, colours) in zip(panels, forms):
        value = np.full(alpha.shape, np.nan)
        value[allowed] = form(alpha=alpha[allowed], beta=beta[allowed])
        image = axes.pcolormesh(alpha, beta, value, cmap=colours, shading="gouraud", rasterized=True)
        figure.colorbar(image, ax=axes, label=label, shrink=0.85)
        _boundaries(axes)
        _names(axes)
    panels[0].set_ylabel(r"target complexity $\beta$")
    return figure


def frontiers(budget: str = "quick") -> Figure:
    """Loss against compute for many sizes, with the compute-optimal frontier, at one point of each phase."""
    top, step = FRONTIERS[budget]
    sizes = np.arange(6.0, top + step / 2, step)
    figure = Figure(figsize=(12.0, 5.8), layout="constrained")
    panels = figure.subplots(2, 4).ravel()
    last = panels[-1]
    for k, (name, point) in enumerate(phases.NAMES.items()):
        axes, (alpha, beta) = panels[k], map(float, point)
        xi, eta = (float(form(alpha=alpha, beta=beta)) for form in (phases.SIZE, phases.LOSS))
        budgets = np.arange(14.0, np.floor(top / xi) + 6.0)
        value = frontier.losses(alpha, beta, budgets, sizes).value
        for size, row in zip(sizes, value):
            if size == round(size) and round(size) % 2 == 0:
                long = budgets >= size
                axes.plot(budgets[long], row[long], color="0.72", linewidth=0.8)
        best = np.argmin(value, axis=0)
        inner = budgets[(best > 0) & (best < len(sizes) - 1) & (budgets > 18.0)]
        found = frontier.frontier(alpha, beta, inner, sizes)
        axes.plot(inner, found.loss.value, color="C3", linewidth=1.8, label="frontier")
        axes.plot(inner, found.loss.value[-1] - eta * (inner - inner[-1]), "k--", linewidth=1.0, label="slope $-\\eta$")
        axes.set_title(rf"{name}: $\alpha={alpha:g}$, $\beta={beta:g}$, $\eta={eta:.3f}$", fontsize=10)
        axes.set_ylim(found.loss.value[-1] - 1.0, float(np.max(value[:, 4])) + 0.5)
        axes.set_xlim(budgets[0], inner[-1] + 4.0)
        last.plot(inner, found.size.value, color=f"C{k}", linewidth=1.6, label=name)
        last.plot(
            inner, found.size.value[-1] + xi * (inner - inner[-1]), "--", color=f"C{k}", linewidth=0.8, dashes=(4, 3)
        )
    panels[0].legend(frameon=False, fontsize=8, loc="lower left")
    for axes in panels[3:7]:
        axes.set_xlabel(r"compute $\log_2 f$, $f = rBd$")
    for axes in panels[::4]:
        axes.set_ylabel(r"risk $\log_2 P$")
    last.set(xlabel=r"compute $\log_2 f$, $f = rBd$", ylabel=r"optimal size $\log_2 d^\star$")
    last.set_title(r"sizes (dashed: slope $\xi$)", fontsize=10)
    last.legend(frameon=False, fontsize=8, ncols=2)
    return figure


def deviations(budget: str = "quick") -> Figure:
    """Slopes of the numerical frontier minus the exponents, over the plane."""
    count, top = MAPS[budget]
    centres = (np.arange(count) + 0.5) * RIGHT / count
    alpha, beta = np.meshgrid(centres, centres)
    gaps = np.full((2, count, count), np.nan)
    for i, j in np.ndindex(count, count):
        point = float(alpha[i, j]), float(beta[i, j])
        if sum(point) > 0.55:
            found = frontier.slopes(*point, top, MAP_ERROR)
            for k, form in enumerate((phases.LOSS, phases.SIZE)):
                measured = (found.loss, found.size)[k].value
                gaps[k, i, j] = measured - form(alpha=point[0], beta=point[1])
    figure = Figure(figsize=(9.6, 4.3), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, gap, symbol in zip(panels, gaps, (r"\eta", r"\xi")):
        image = axes.pcolormesh(alpha, beta, gap, cmap="RdBu_r", vmin=-0.05, vmax=0.05, shading="nearest")
        label = rf"measured $-$ theory, ${symbol}$  ($d^\star$ near $2^{{{top - 1:.0f}}}$)"
        figure.colorbar(image, ax=axes, label=label, extend="both", shrink=0.85)
        _boundaries(axes)
        _names(axes, "black")
    panels[0].set_ylabel(r"target complexity $\beta$")
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {
    "plrf-phase-diagram": diagram,
    "plrf-compute-optimal-frontiers": frontiers,
    "plrf-finite-compute-deviations": deviations,
}
