"""Spikes in sample covariances and in rectangular matrices."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from theorylab.derivations.random_matrix import rmt_bbp_wishart as theory
from theorylab.derivations.random_matrix.generalized_mp import GeneralizedMarchenkoPastur
from theorylab.kernels.random import Stream
from theorylab.sims.random_matrix import spiked_covariances as sims

TRIALS = {"quick": 150, "standard": 2_000, "paper": 20_000}
SIZE = {"quick": 400, "standard": 1_600, "paper": 6_400}
# Trials and dimension of dense matrices.
DENSE = {"quick": (20, 100), "standard": (200, 200), "paper": (400, 800)}
STYLE = {"fmt": "o", "ms": 3.0, "lw": 0.8}


def _mean(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(values))


def transition(budget: str = "quick") -> Figure:
    """Outlier and overlap against the spike for three aspect ratios."""
    figure = Figure(figsize=(9.4, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    places = np.linspace(1.0, 6.0, 21)
    line = np.linspace(1.0, 6.2, 521)
    for colour, c in zip(("C0", "C1", "C3"), (0.2, 1.0, 4.0)):
        threshold = float(theory.THRESHOLD(c=c))
        above = line[line > threshold]
        left.plot(line, theory.LARGEST(c=c, ell=line), color=colour, lw=1.2, label=f"$c = {c:g}$")
        right.plot([1.0, threshold, *above], [0.0, 0.0, *theory.OVERLAP(c=c, ell=above)], color=colour, lw=1.2)
        for axes in (left, right):
            axes.axvline(threshold, color=colour, lw=0.7, ls=":")
        drawn = [
            sims.spiked_top(TRIALS[budget], Stream.from_seed(i), p=SIZE[budget], c=c, ell=ell, sigma=1.0)
            for i, ell in enumerate(places)
        ]
        left.errorbar(places, *np.array([_mean(d["eigenvalue"]) for d in drawn]).T, color=colour, **STYLE)
        right.errorbar(places, *np.array([_mean(d["overlap"]) for d in drawn]).T, color=colour, **STYLE)
    left.plot(line, line, color="0.6", lw=0.9, ls="--")
    left.text(4.6, 4.0, r"$\ell$ itself", color="0.5", fontsize=8)
    left.set(xlabel=r"population spike $\ell$ ($\sigma = 1$)", ylabel=r"largest sample eigenvalue $\lambda_1$")
    right.set(xlabel=r"population spike $\ell$ ($\sigma = 1$)", ylabel=r"squared overlap $\langle v_1, e\rangle^2$")
    left.legend(frameon=False, title="$c = p/n$", fontsize=8)
    left.set_title(f"$p = {SIZE[budget]}$, {TRIALS[budget]:,} each (standard errors)", fontsize=9)
    right.set_title(r"dotted: the threshold $1 + \sqrt{c}$", fontsize=9)
    return figure


def models(budget: str = "quick") -> Figure:
    """A spike that crosses a bulk in two pieces, and the overlaps of rectangular matrices."""
    figure = Figure(figsize=(9.4, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    c = 0.1
    law = GeneralizedMarchenkoPastur(c, [1.0, 5.0])
    trials, p = DENSE[budget]
    line = np.linspace(0.05, 10.0, 800)
    seen = [law.outlier(float(alpha)) for alpha in line]
    values = np.array([o.value if o.detached else np.nan for o in seen])
    left.plot(line, values, color="C0", lw=1.4, label=r"$\psi(\alpha)$")
    for k, (low, high) in enumerate(law.intervals()):
        left.axhspan(low, high, color="0.85", lw=0, label=None if k else "the bulk")
    places = np.array([0.15, 0.3, 0.45, 1.6, 2.0, 2.4, 2.8, 3.2, 7.2, 8.0, 9.0, 10.0])
    population = {"t1": 1.0, "t2": 5.0, "t3": 5.0, "w1": 0.5, "w2": 0.5}
    drawn = [
        sims.spiked_bulk(trials, Stream.from_seed(4), p=p, c=c, alpha=float(alpha), **population)["eigenvalue"]
        for alpha in places
    ]
    left.errorbar(places, *np.array([_mean(d) for d in drawn]).T, color="C1", label=f"$p = {p}$", **STYLE)
    left.plot(line, line, color="0.6", lw=0.9, ls="--")
    left.set(xlabel=r"spike $\alpha$ beside $H = (\delta_1 + \delta_5)/2$", ylabel="its sample eigenvalue")
    left.set_title(f"$c = {c:g}$: seen above, below and between the bulks", fontsize=9)
    left.legend(frameon=False, fontsize=8)
    for colour, ratio in zip(("C0", "C3"), (0.25, 4.0)):
        start = float(theory.RECTANGULAR_THRESHOLD(c=ratio))
        theta = np.linspace(start * (1.0 + 1e-9), 3.5, 300)
        overlaps = theory.OVERLAPS(c=ratio, theta=theta)
        for side, style in ((0, "-"), (1, "--")):
            label = rf"{('left', 'right')[side]}, $c = {ratio:g}$"
            right.plot(
                [0.4, start, *theta], [0.0, 0.0, *overlaps[:, side]], color=colour, ls=style, lw=1.2, label=label
            )
        places = np.linspace(0.5, 3.4, 13)
        means_of_each = [
            _mean(sims.rectangular(TRIALS[budget], Stream.from_seed(5), p=SIZE[budget], c=ratio, theta=t)["overlaps"])
            for t in places
        ]
        for side, filled in ((0, colour), (1, "none")):
            means, errors = (np.array([d[i][side] for d in means_of_each]) for i in (0, 1))
            right.errorbar(places, means, errors, color=colour, mfc=filled, **STYLE)
    right.set(xlabel=r"strength $\theta$", ylabel="squared overlap")
    right.set_title(r"$Y = \theta u v^T + X/\sqrt{n}$: from $c^{1/4}$ on", fontsize=9)
    right.legend(frameon=False, fontsize=8)
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {
    "rmt-bbp-wishart-transition": transition,
    "rmt-bbp-wishart-models": models,
}
