r"""How closely a kernel should fit its labels: the best ratio of training to test error, predicted and measured.

The ridge is varied at a fixed number n of training rows. Theory (`derivations/double_descent/transductive.py`) takes
the spectrum of all rows; the measurement takes random training rows, the same for every ridge, locates the ridge of
least test error by a parabola in its logarithm, and reads the ratio there. Intervals are from the bootstrap over draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from theorylab.application import Application, Quantity, Result
from theorylab.applications.double_descent.data_kernels import PARAMETERS as KERNEL_PARAMETERS
from theorylab.applications.double_descent.data_kernels import kernel_matrix
from theorylab.applications.double_descent.learning_curve import centred, training_sizes
from theorylab.errors import UsageError
from theorylab.inputs import Labelled
from theorylab.parameters import Integers, Interval, Parameter

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PARAMETERS = (
    *KERNEL_PARAMETERS,
    Parameter("n", Integers(0, 10**6), "training rows; 0 for a quarter of all", 0),
    Parameter("noise", Interval(0, 1e6), "variance of noise added to the labels, over theirs", 0.0),
    Parameter("least", Interval(0, 1e12, open_low=True), "smallest ridge tried; the kernel's mean diagonal is 1", 1e-5),
    Parameter("most", Interval(0, 1e12, open_low=True), "largest ridge tried", 1e2),
    Parameter("draws", Integers(4, 100_000), "random training sets", 24),
    Parameter("level", Interval(0.5, 0.999), "nominal coverage of the intervals", 0.95),
    Parameter("seed", Integers(0, 2**53), "names the random numbers", 0),
)
# Ridges for each factor of ten, and bootstrap resamples.
DENSITY, RESAMPLES = 5, 1999
# Points on either side of the least one through which the parabola goes.
REACH = 3


@dataclass(frozen=True)
class Sweep:
    """Errors against the ridge, and the best one.

    Parameters
    ----------
    ridges, predicted, predicted_train, measured, measured_train, error, error_train : float64[ridges]
        Theory; means over draws and their standard errors.
    best, ratio : float
        Predicted ridge of least test error, and training over test error there.
    found, found_ratio : float
        Measured.
    """

    ridges: np.ndarray
    predicted: np.ndarray
    predicted_train: np.ndarray
    measured: np.ndarray
    measured_train: np.ndarray
    error: np.ndarray
    error_train: np.ndarray
    best: float
    ratio: float
    found: float
    found_ratio: float


def located(logs: np.ndarray, test: np.ndarray, train: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logarithm of the best ridge, training over test error there, and cost of the smallest ridge, for each row.

    Parameters
    ----------
    logs : float64[ridges]
    test, train : float64[rows, ridges]
    """
    best, ratio = np.empty((2, len(test)))
    lowest = np.empty(len(test))
    for row, (risk, fit) in enumerate(zip(np.log(test), np.log(train))):
        i = int(np.argmin(risk))
        part = slice(max(i - REACH, 0), i + REACH + 1)
        curvature, slope, level = np.polyfit(logs[part] - logs[i], risk[part], 2)
        inside = curvature > 0.0 and 0 < i < len(logs) - 1
        step = float(np.clip(-slope / (2.0 * curvature), *(logs[part][[0, -1]] - logs[i]))) if inside else 0.0
        best[row], lowest[row] = logs[i] + step, level + 0.5 * slope * step if inside else risk[i]
        ratio[row] = np.exp(np.interp(best[row], logs, fit - risk))
    return best, ratio, test[:, 0] / np.exp(lowest)


def sweep(data: tuple[np.ndarray, np.ndarray], **options: Any) -> Result:
    """The application: see `PARAMETERS`."""
    from scipy.optimize import minimize_scalar

    from theorylab.derivations.double_descent.transductive import Population, errors
    from theorylab.kernels.random import Stream
    from theorylab.sims.double_descent import subsets

    x, y = data
    if not options["least"] < options["most"]:
        raise UsageError(
            f"least = {options['least']:g} is not below most = {options['most']:g}: give a range of ridges"
        )
    (n,) = training_sizes(options["n"] or max(2, len(y) // 4), len(y))
    draws, rng = options["draws"], Stream.from_seed(options["seed"])
    labels = centred(y)
    labels = labels + np.sqrt(options["noise"] * np.mean(labels**2)) * np.asarray(rng.normal(1, len(labels)))[0]
    kernel = kernel_matrix(x, options)
    population = Population.of(kernel, labels)
    ends = np.log(options["least"]), np.log(options["most"])
    logs = np.linspace(*ends, 2 * REACH + 2 + int(DENSITY * (ends[1] - ends[0]) / np.log(10.0)))
    theory = [errors(population, n, float(np.exp(u))) for u in logs]
    least = int(np.argmin([e.test for e in theory]))
    place = minimize_scalar(
        lambda u: errors(population, n, float(np.exp(u))).test,
        bounds=(logs[max(least - 1, 0)], logs[min(least + 1, len(logs) - 1)]),
        method="bounded",
        options={"xatol": 1e-6},
    )
    best = errors(population, n, float(np.exp(place.x)))
    found = subsets.ridges(kernel, labels, n, list(np.exp(logs)), draws, rng)
    one = located(logs, found.test.mean(axis=0)[None], found.train.mean(axis=0)[None])
    chosen = np.floor(np.asarray(rng.uniform(RESAMPLES, draws)) * draws).astype(int)
    weights = np.stack([np.bincount(row, minlength=draws) for row in chosen]) / draws
    many = located(logs, weights @ found.test, weights @ found.train)
    tails = np.array([0.5 - options["level"] / 2.0, 0.5 + options["level"] / 2.0])
    u, ratio, cost = one
    bounds = [np.quantile(part, tails) for part in many]
    scale = np.sqrt(draws)
    result = Sweep(
        np.exp(logs),
        np.array([e.test for e in theory]),
        np.array([e.train for e in theory]),
        found.test.mean(axis=0),
        found.train.mean(axis=0),
        found.test.std(axis=0, ddof=1) / scale,
        found.train.std(axis=0, ddof=1) / scale,
        float(np.exp(place.x)),
        best.train / best.test,
        float(np.exp(u[0])),
        float(ratio[0]),
    )
    quantities = [
        Quantity("predicted R*", result.ratio, None, "training over test error at the best ridge, from the spectrum"),
        Quantity("measured R*", result.found_ratio, _pair(bounds[1]), f"of models trained on {n} rows"),
        Quantity("predicted ridge", result.best, None, "of least test error"),
        Quantity("measured ridge", result.found, _pair(np.exp(bounds[0]))),
        Quantity(
            "predicted cost", theory[0].test / best.test, None, f"test error at ridge {options['least']:g} over it"
        ),
        Quantity("measured cost", float(cost[0]), _pair(bounds[2]), "the same, measured"),
    ]
    return Result(
        "double_descent/fitting-ratio",
        f"{options['kernel']} kernel, {n} training rows of {len(y)} in {x.shape[1]} dimensions",
        quantities,
        _notes(logs, least, found.test.mean(axis=0), options),
        {"fitting-ratio": lambda: _figure(result, n, options)},
        {"sweep": result, "population": population},
    )


def _pair(ends: np.ndarray) -> tuple[float, float]:
    return float(ends[0]), float(ends[1])


def _notes(logs: np.ndarray, predicted: int, measured: np.ndarray, options: dict[str, Any]) -> list[str]:
    notes = [f"intervals of level {options['level']:g} are from the bootstrap over {options['draws']} draws"]
    for who, i in (("predicted", predicted), ("measured", int(np.argmin(measured)))):
        if i in (0, len(logs) - 1):
            side = "smallest: no ridge may be best; -p least=" if i == 0 else "largest; -p most="
            notes.append(f"the {who} best ridge is the {side}... for a wider range")
    return notes


def _figure(found: Sweep, n: int, options: dict[str, Any]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.8, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(found.ridges, found.predicted, color="C0", label="predicted, left out")
    left.errorbar(
        found.ridges, found.measured, 1.96 * found.error, fmt="o", ms=3, color="C0", label="measured, left out"
    )
    left.plot(found.ridges, found.predicted_train, color="C1", ls="--", label="predicted, training")
    left.errorbar(
        found.ridges,
        found.measured_train,
        1.96 * found.error_train,
        fmt="s",
        ms=3,
        color="C1",
        label="measured, training",
    )
    left.axvline(found.best, color="C0", lw=0.8)
    left.axvline(found.found, color="C0", lw=0.8, ls=":")
    left.set(xscale="log", yscale="log", xlabel="ridge, kernel of mean diagonal 1", ylabel="mean squared error")
    left.set_ylim(0.3 * np.min(found.measured) * max(found.found_ratio, 1e-3), None)
    left.set_title(f"{options['kernel']} kernel, $n = {n}$", fontsize=9)
    left.legend(frameon=False, fontsize=8)
    low, low_measured = np.min(found.predicted), np.min(found.measured)
    right.plot(found.predicted_train / found.predicted, found.predicted / low, color="C0", label="predicted")
    right.plot(
        found.measured_train / found.measured, found.measured / low_measured, "o", ms=3, color="C0", label="measured"
    )
    right.axvline(found.ratio, color="C0", lw=0.8, label=rf"predicted $R^* = {found.ratio:.3g}$")
    right.axvline(found.found_ratio, color="C0", lw=0.8, ls=":", label=rf"measured $R^* = {found.found_ratio:.3g}$")
    right.set(
        xscale="symlog", xlabel=r"training over test error $R$", ylabel="test error over its least", ylim=(0.98, 2.0)
    )
    right.set_xscale("symlog", linthresh=max(0.1 * found.ratio, 1e-3))
    right.set_xlim(0.0, 1.0)
    right.legend(frameon=False, fontsize=8)
    return figure


fitting_ratio = Application(
    "double_descent/fitting-ratio",
    "predict and measure how closely a kernel should fit the training labels",
    sweep,
    (Labelled(least=16),),
    PARAMETERS,
)
