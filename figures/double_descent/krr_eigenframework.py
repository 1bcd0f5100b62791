"""Figures of kernel ridge regression in its eigensystem."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from theorylab.derivations.double_descent import krr_overfitting as overfitting
from theorylab.derivations.double_descent.eigenframework import solve_krr
from theorylab.derivations.double_descent.krr_eigenframework import power, power_law
from theorylab.kernels.random import Stream
from theorylab.sims.double_descent.eigenfunctions import kernel_ridge, pure_noise

TRIALS = {"quick": 24, "standard": 100, "paper": 200}
SIZES = {"quick": (10, 20, 40, 80, 160), "standard": (10, 20, 40, 80, 160), "paper": (10, 20, 40, 80, 160, 320, 640)}
EIGENVALUES = {"quick": 800, "standard": 1_000, "paper": 4_000}
EXPONENTS = {1.2: "C0", 1.5: "C1", 2.0: "C2", 3.0: "C3"}


def _mean(values: np.ndarray) -> tuple[float, float]:
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def learning_curves(budget: str = "quick") -> Figure:
    """Test error against the number of samples: four spectra without noise, and one with four noise levels."""
    figure = Figure(figsize=(9.6, 4.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    modes, sizes = EIGENVALUES[budget], SIZES[budget]
    line, delta = np.geomspace(8, 1.1 * sizes[-1], 60), 1e-3
    panels = [(left, 3.5, alpha, 0.0, colour, rf"$\alpha = {alpha:g}$") for alpha, colour in EXPONENTS.items()]
    panels += [
        (right, 2.0, 1.5, noise, colour, rf"$\sigma^2 = {noise:g}$")
        for noise, colour in zip((0.0, 0.01, 0.1, 1.0), ("C0", "C1", "C2", "C3"))
    ]
    for seed, (axes, beta, alpha, noise, colour, label) in enumerate(panels):
        spectrum, weights = power_law(alpha, modes), power(beta, modes)
        solved = [solve_krr(spectrum, n, delta) for n in line]
        axes.loglog(line, [s.test_risk(weights, noise) for s in solved], color=colour, lw=1.1)
        axes.loglog(line, [s.train_error(weights, noise) for s in solved], color=colour, lw=0.9, ls="--")
        for n in sizes:
            drawn = kernel_ridge(
                TRIALS[budget], Stream.from_seed(seed), n=n, ratio=modes / n, alpha=alpha, beta=beta,
                h=delta * n ** (alpha - 1.0), s=noise * n ** (beta - 1.0),
            )  # fmt: skip
            for name, face in (("test", colour), ("train", "white")):
                style = {"fmt": "o", "ms": 3.8, "color": colour, "mfc": face, "lw": 0.9}
                first = n == sizes[0] and name == "test"
                axes.errorbar(n, *np.array([_mean(drawn[name])]).T, **style, label=label if first else None)
        axes.set(xlabel="samples $n$")
    left.set(
        ylabel=r"mean squared error",
        title=r"four spectra $\lambda_i = i^{-\alpha}$, no label noise, $v_i^2 = i^{-3.5}$",
    )
    right.set(title=r"four noise levels, $\alpha = 1.5$, $v_i^2 = i^{-2}$")
    left.set_ylim(1e-10, 3.0)
    right.set_ylim(1e-8, 5.0)
    for axes in (left, right):
        axes.legend(frameon=False, fontsize=8, loc="lower left", ncols=2)
    left.text(0.97, 0.95, "solid, filled: test (noise included)\ndashed, open: training", fontsize=8, ha="right",
              va="top", transform=left.transAxes)  # fmt: skip
    figure.suptitle(rf"kernel ridge regression, $\delta = 10^{{-3}}$, {modes} eigenvalues", fontsize=10)
    return figure


def taxonomy(budget: str = "quick") -> Figure:
    """Overfitting coefficient without a ridge: its approach to alpha; and benign, tempered, catastrophic spectra."""
    figure = Figure(figsize=(9.6, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    line, modes = np.geomspace(2, 600, 100), EIGENVALUES[budget]
    for seed, (alpha, colour) in enumerate(EXPONENTS.items()):
        left.semilogx(line, alpha * line / (line + 0.5), color=colour, lw=0.9, ls=":")
        finite = line[line < 0.5 * modes]
        spectrum = power_law(alpha, modes)
        left.semilogx(finite, [solve_krr(spectrum, n, 0.0).e_0 for n in finite], color=colour, lw=1.2)
        for n in SIZES[budget][:5]:
            value = pure_noise(4 * TRIALS[budget], Stream.from_seed(seed), n=n, ratio=modes / n, alpha=alpha)["value"]
            left.errorbar(n, *np.array([_mean(value)]).T, fmt="o", ms=3.8, color=colour, lw=0.9,
                          label=rf"$\alpha = {alpha:g}$" if n == SIZES[budget][0] else None)  # fmt: skip
    left.set(xlabel="samples $n$", ylabel=r"test error for pure noise, $\sigma^2 = 1$", ylim=(1.0, 4.2))
    left.set_title(rf"$\lambda_i = i^{{-\alpha}}$, {modes} of them (dotted: $\alpha n/(n + 1/2)$)", fontsize=9)
    left.legend(frameon=False, fontsize=8, ncols=2, loc="upper left")
    decades = np.geomspace(1e3, 1e9, 19)
    kinds: list[tuple[Any, dict[str, float], str, str]] = [
        (overfitting.CATASTROPHIC, {"c": 0.01}, "C3", r"$e^{-0.01 i}$: catastrophic, $c\,n$"),
        (overfitting.TEMPERED, {"alpha": 2.0}, "C2", r"$i^{-2}$: tempered, $\alpha$"),
        (overfitting.TEMPERED, {"alpha": 1.5}, "C1", r"$i^{-3/2}$ and a cusp on the sphere in $R^3$"),
        (overfitting.SPHERE_SUM, {"d": 10}, "C4", r"a cusp on the sphere in $R^{10}$, to $10/9$"),
    ]
    for prediction, at, colour, label in kinds:
        x = decades[:5] if prediction is overfitting.CATASTROPHIC else decades
        y = [float(prediction(n=round(n), **at)) for n in x]
        right.loglog(x, np.array(y) - 1.0, color=colour, lw=1.2, label=label)
    benign = [float(overfitting.BORDERLINE_SUM(b=2.0, log_n=np.log(n))) for n in decades]
    right.loglog(decades, benign, color="C0", lw=1.2, label=r"$1/(i \log^2 i)$: benign, $1/\log n$")
    right.loglog(
        decades, [float(overfitting.BORDERLINE(b=2.0, log_n=np.log(n))) for n in decades], color="C0", lw=0.9, ls=":"
    )
    right.set(xlabel="samples $n$", ylabel=r"$e_0 - 1$", ylim=(0.04, 800.0))
    right.set_title("sums over infinitely many eigenvalues", fontsize=9)
    right.legend(frameon=False, fontsize=8, loc="upper right")
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {
    "krr-learning-curves": learning_curves,
    "krr-overfitting": taxonomy,
}
