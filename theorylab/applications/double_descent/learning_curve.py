r"""The learning curve of kernel ridge regression on labelled data: predicted from the kernel's spectrum, and measured.

All rows give the eigenvalues of the kernel and the coefficients of the labels in its eigenvectors; from these the
errors of a model that is trained on n of the rows follow without a fit (`derivations/double_descent/transductive.py`).
Beside them stand those of models trained on random rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from theorylab.application import Application, Quantity, Result
from theorylab.applications.double_descent.data_kernels import PARAMETERS as KERNEL_PARAMETERS
from theorylab.applications.double_descent.data_kernels import kernel_matrix
from theorylab.errors import UsageError
from theorylab.inputs import Labelled
from theorylab.parameters import Integers, Interval, Parameter

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PARAMETERS = (
    *KERNEL_PARAMETERS,
    Parameter("ridge", Interval(0, 1e12), "added to the diagonal of the kernel matrix, whose mean is 1", 1e-3),
    Parameter("n", Integers(0, 10**6), "training rows, one number or a list; 0 for eight from 10 to half of all", 0),
    Parameter("draws", Integers(2, 100_000), "random training sets for each n", 20),
    Parameter("level", Interval(0.5, 0.999), "nominal coverage of the intervals", 0.95),
    Parameter("seed", Integers(0, 2**53), "names the random numbers", 0),
)


@dataclass(frozen=True)
class Curve:
    """Errors against n: on the rows left out and on the training rows.

    Parameters
    ----------
    n : int64[cases]
    predicted, predicted_train, measured, measured_train, half, half_train : float64[cases]
        Theory; the mean over draws, and half the width of its interval.
    variance : float
        Of the labels: what predicting their mean costs.
    """

    n: np.ndarray
    predicted: np.ndarray
    predicted_train: np.ndarray
    measured: np.ndarray
    measured_train: np.ndarray
    half: np.ndarray
    half_train: np.ndarray
    variance: float


def centred(y: np.ndarray) -> np.ndarray:
    """Labels less their mean; `UsageError` where nothing is left."""
    labels = y - y.mean()
    if not np.any(np.abs(labels) > 1e-12 * np.max(np.abs(y), initial=0.0)):
        raise UsageError("all labels are equal: there is nothing to learn")
    return np.asarray(labels)


def training_sizes(wanted: Any, rows: int) -> list[int]:
    """The numbers of training rows; `UsageError` for those that leave nothing out."""
    chosen = np.atleast_1d(wanted).astype(int)
    if chosen.size == 1 and chosen[0] == 0:
        chosen = np.unique(np.round(np.geomspace(min(10, rows // 2), rows // 2, 8)).astype(int))
    if bad := [int(n) for n in chosen if not 1 <= n < rows]:
        raise UsageError(f"n = {bad[0]} training rows of {rows}: take 1 to {rows - 1}, so that some are left out")
    return [int(n) for n in chosen]


def curve(data: tuple[np.ndarray, np.ndarray], **options: Any) -> Result:
    """The application: see `PARAMETERS`."""
    from scipy.special import stdtrit

    from theorylab.derivations.double_descent.transductive import Population, errors
    from theorylab.kernels.random import Stream
    from theorylab.sims.double_descent import subsets

    x, y = data
    ridge, draws = options["ridge"], options["draws"]
    counts, labels = training_sizes(options["n"], len(y)), centred(y)
    kernel = kernel_matrix(x, options)
    population = Population.of(kernel, labels)
    theory = [errors(population, n, ridge) for n in counts]
    found = subsets.sizes(kernel, labels, counts, ridge, draws, Stream.from_seed(options["seed"]))
    z = float(stdtrit(draws - 1, 0.5 + options["level"] / 2.0)) / np.sqrt(draws)
    half, half_train = (z * np.std(part, axis=0, ddof=1) for part in found)
    result = Curve(
        np.array(counts),
        np.array([e.test for e in theory]),
        np.array([e.train for e in theory]),
        np.mean(found.test, axis=0),
        np.mean(found.train, axis=0),
        half,
        half_train,
        float(np.mean(labels**2)),
    )
    quantities = [
        Quantity("variance", result.variance, None, "of the labels: the error of predicting their mean"),
        *(q for i in range(len(counts)) for q in _rows(result, i)),
    ]
    gap = np.abs(np.log(result.measured / result.predicted))
    worst = int(np.argmax(gap))
    notes = [
        f"measured over predicted is furthest from 1 at n = {counts[worst]}: "
        f"{result.measured[worst] / result.predicted[worst]:.3f} +- {half[worst] / result.predicted[worst]:.3f}",
        "labels are taken less their mean; errors are mean squares on the rows left out",
        f"intervals of level {options['level']:g} are over {draws} draws",
    ]
    if population.rank < len(y):
        notes.append(
            f"the kernel matrix has rank {population.rank}: without ridge the error diverges at n = {population.rank}"
        )
    return Result(
        "double_descent/learning-curve",
        f"{options['kernel']} kernel, ridge {ridge:g}, {len(y)} rows in {x.shape[1]} dimensions",
        quantities,
        notes,
        {"learning-curve": lambda: _figure(result, population, options)},
        {"curve": result, "population": population},
    )


def _rows(found: Curve, i: int) -> list[Quantity]:
    n, value, half = int(found.n[i]), float(found.measured[i]), float(found.half[i])
    return [
        Quantity(f"predicted at {n}", float(found.predicted[i]), None, "test error, from the spectrum of all rows"),
        Quantity(f"measured at {n}", value, (value - half, value + half), "test error of models trained on n rows"),
    ]


def _figure(found: Curve, population: Any, options: dict[str, Any]) -> Figure:
    from matplotlib.figure import Figure

    from theorylab.derivations.double_descent.transductive import errors

    figure = Figure(figsize=(8.8, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    ridge, ends = options["ridge"], (int(found.n.min()), int(found.n.max()))
    dense = np.unique(np.round(np.geomspace(*ends, 80)).astype(int))
    # Without ridge there is no prediction at the threshold itself.
    dense = dense[(dense != population.rank) | (ridge > 0.0)]
    theory = [errors(population, int(n), ridge) for n in dense]
    left.plot(dense, [e.test for e in theory], color="C0", label="predicted, left out")
    left.errorbar(found.n, found.measured, found.half, fmt="o", ms=4, color="C0", mfc="w", label="measured, left out")
    if ridge > 0.0:
        left.plot(dense, [e.train for e in theory], color="C1", ls="--", label="predicted, training")
        left.errorbar(
            found.n,
            found.measured_train,
            found.half_train,
            fmt="s",
            ms=4,
            color="C1",
            mfc="w",
            label="measured, training",
        )
    left.axhline(found.variance, color="0.5", lw=0.8, ls=":", label="mean of the labels")
    left.set(xscale="log", yscale="log", xlabel="training rows $n$", ylabel="mean squared error")
    left.set_title(f"{options['kernel']} kernel, ridge {ridge:g}", fontsize=9)
    left.legend(frameon=False, fontsize=8)
    place = np.arange(1, population.size + 1)
    kept = population.eigenvalues > 0.0
    right.plot(place[kept], population.eigenvalues[kept] / population.size, color="0.3", label=r"eigenvalue $a_i/N$")
    missing = np.append(np.cumsum(population.power[::-1])[::-1], 0.0)[1:] / found.variance
    right.plot(place[:-1], np.maximum(missing[:-1], 1e-12), color="C3", label="part of the labels beyond the first $i$")
    right.set(xscale="log", yscale="log", xlabel="$i$", ylim=(1e-7, 2.0))
    right.legend(frameon=False, fontsize=8, loc="lower left")
    return figure


learning_curve = Application(
    "double_descent/learning-curve",
    "predict and measure the learning curve of kernel ridge regression",
    curve,
    (Labelled(least=8),),
    PARAMETERS,
    ("n",),
)
