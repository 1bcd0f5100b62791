"""The batch Hessian of logistic regression: spectra as the batch shrinks, and when two classes leave an outlier."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from theorylab.derivations.random_matrix import granziol_network_logistic as theory
from theorylab.derivations.random_matrix.granziol_network_logistic_numerics import curvature
from theorylab.kernels.random import Stream
from theorylab.sims.random_matrix import logistic_batches

MODEL = {"mu": 2.4, "w_par": 0.5, "w_perp": 0.5}
# Parameters and matrices of the spectra.
SPECTRA = {"quick": (160, 24), "standard": (400, 60), "paper": (800, 100)}
# Parameters, matrices and places in mu of the phase diagram.
PHASES = {"quick": (128, 16, 9), "standard": (400, 40, 13), "paper": (800, 60, 15)}


def spectra(budget: str = "quick") -> Figure:
    """Eigenvalue densities of batches at P/B = 0.2, 1 and 2, with the predicted bulk and outlier."""
    size, matrices = SPECTRA[budget]
    rng = Stream.from_seed(0)
    figure = Figure(figsize=(9.6, 3.2), layout="constrained")
    panels = figure.subplots(1, 3)
    for axes, c in zip(panels, (0.2, 1.0, 2.0)):
        drawn = logistic_batches.spectra(matrices, rng, P=size, c=c, **MODEL)["spectrum"]
        predicted, uniform = (curvature(*MODEL.values(), c, uniform=same) for same in (False, True))
        low = predicted.z(predicted.lower()) if c < 1.0 else 0.0
        high = predicted.edge()
        x = low + (high - low) * np.sin(np.linspace(0.0, np.pi / 2, 402)[1:-1]) ** 2
        mass = min(1.0, 1.0 / c)
        axes.plot(x, predicted.density(x) / mass, color="C0", label="bulk, predicted")
        y = np.linspace(1e-3, 1.02 * uniform.edge(), 400)
        axes.plot(y, uniform.density(y) / mass, color="0.6", ls="--", lw=1.0, label=r"all $a_i$ at their mean")
        edges = np.linspace(np.sqrt(max(low, 0.0)), np.sqrt(high), 17) ** 2
        counts = np.stack([np.histogram(row[:-1], edges)[0] for row in drawn])
        counts = counts / (drawn.shape[1] - 1) / np.diff(edges)
        middle = (0.5 * (np.sqrt(edges[1:]) + np.sqrt(edges[:-1]))) ** 2
        error = counts.std(axis=0, ddof=1) / np.sqrt(matrices)
        axes.errorbar(middle, counts.mean(axis=0), error, fmt="o", color="C0", markersize=3, capsize=1.5, linewidth=0.8)
        top = float(theory.OUTLIER(c=c, **MODEL))
        tall = 1.25 * np.sort(counts.mean(axis=0))[-2]
        axes.vlines(top, 0.0, 0.5 * tall, color="C3", label="outlier, predicted")
        found = drawn[:, -1]
        axes.errorbar(
            found.mean(),
            0.25 * tall,
            xerr=found.std(ddof=1),
            fmt="s",
            color="C3",
            markersize=4,
            capsize=2,
            label="largest eigenvalue ($\\pm$ s.d.)",
        )
        axes.axvline(float(theory.POPULATION(**MODEL)), color="0.3", ls=":", lw=1.0, label="population outlier")
        zeros = "" if mass == 1.0 else f", {1.0 - mass:.0%} zeros"
        axes.set(xlim=(0, 1.1 * top), ylim=(0, tall), xlabel="eigenvalue of the batch Hessian")
        axes.set_title(f"$P/B = {c:g}${zeros}", fontsize=10)
    panels[0].set_ylabel("density of the nonzero eigenvalues")
    panels[1].legend(frameon=False, fontsize=7)
    return figure


def phases(budget: str = "quick") -> Figure:
    """Outlier, bulk edge and overlap against the distance of the classes, at three ratios of parameters to samples."""
    size, matrices, places = PHASES[budget]
    rng = Stream.from_seed(1)
    figure = Figure(figsize=(9.0, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    weights = {"w_par": MODEL["w_par"], "w_perp": MODEL["w_perp"]}
    mus = np.linspace(0.0, 3.0, 121)
    for colour, c in (("C0", 0.2), ("C1", 0.5), ("C2", 2.0)):
        critical = float(theory.THRESHOLD(c=c, **weights))
        seen = np.linspace(critical * (1 + 1e-6), 3.0, 80)
        at = {"c": c, **weights}
        left.plot(mus, theory.UPPER_EDGE(mu=mus, **at), color=colour, lw=0.9, ls="--")
        left.plot(seen, theory.OUTLIER(mu=seen, **at), color=colour, label=rf"$P/B = {c:g}$")
        left.plot(critical, float(theory.UPPER_EDGE(mu=critical, **at)), marker="*", color=colour, markersize=9)
        right.plot(seen, theory.PLANE(mu=seen, **at), color=colour, label=rf"$P/B = {c:g}$")
        right.plot([0.0, critical], [0.0, 0.0], color=colour, lw=2.0)
        right.plot(critical, 0.0, marker="*", color=colour, markersize=9, clip_on=False)
        for mu in np.linspace(0.0, 3.0, places):
            out = logistic_batches.extremes(matrices, rng, P=size, mu=float(mu), **at)
            for axes, name in ((left, "value"), (right, "plane")):
                values = out[name]
                error = values.std(ddof=1) / np.sqrt(matrices)
                axes.errorbar(mu, values.mean(), error, fmt="o", color=colour, markersize=3.5, capsize=2)
    left.set(
        xlim=(0, 3.05),
        ylim=(0, 2.2),
        xlabel=r"distance of the classes $\mu$",
        ylabel="largest eigenvalue of the batch Hessian",
    )
    key = "solid: outlier; dashed: bulk edge; stars: predicted transition"
    left.legend(title=key, frameon=False, fontsize=8, title_fontsize=8, ncols=3, loc="upper left")
    right.set(xlim=(0, 3.05), ylim=(-0.02, 1.02), xlabel=r"distance of the classes $\mu$")
    right.set_ylabel("squared overlap with the informative plane")
    right.legend(title=f"points: $P = {size}$", frameon=False, fontsize=8, title_fontsize=8)
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {
    "granziol-network-logistic-spectra": spectra,
    "granziol-network-logistic-phases": phases,
}
