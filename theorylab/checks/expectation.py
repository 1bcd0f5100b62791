"""E[X] = f exactly, at finite size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from theorylab.checks.base import Cell, Check, Level, Scale, compare_means, observable, predict, scale_of
from theorylab.claim import Budget, Claim
from theorylab.errors import DesignError
from theorylab.inference import means, tails
from theorylab.prediction import Prediction
from theorylab.simulation import Samples
from theorylab.verdict import Finding

if TYPE_CHECKING:
    from theorylab.checks.asymptotic import Asymptotic


@dataclass(frozen=True)
class Expectation(Check):
    """The mean of an observable equals the prediction at each point.

    The interval is that of the mean with its skewness, or the exact binomial one where every trial gave 0 or 1.

    Parameters
    ----------
    observable
        Which output of the simulation; it may be a vector, then every component is tested.
    given
        Observables that the prediction takes as parameters (a conditional prediction): E[X - f(given)] = 0.
    scale
        What a margin of 1 means: "relative" to the prediction, "absolute", or relative to the "peak" of the
        prediction over the components.
    """

    kind: ClassVar[str] = "expectation"
    observable: str = "value"
    given: tuple[str, ...] = ()
    scale: Scale = "relative"

    def statement(self) -> str:
        """The requirement in one line."""
        return f"E[{self.observable}] = f: the interval of the difference lies inside the margin ({self.scale})"

    def assess(
        self,
        claim: Claim,
        prediction: Prediction,
        budget: Budget,
        cells: Sequence[Cell],
        samples: Sequence[Samples],
        level: Level,
    ) -> Finding:
        """Compare the mean at one point with a prediction."""
        (cell,), (sample,) = cells, samples
        residual, value, error = residuals(self.observable, self.given, prediction, cell, sample)
        x = observable(sample, self.observable)
        difference: means.Estimate
        # Zeros where zero is predicted are no events that never happened.
        if not self.given and np.any(residual) and np.all((x == 0) | (x == 1)):
            difference, trust = means.Proportion.of(x, value), None
        else:
            difference = means.mean(residual)
            trust = tails.distrust(residual, level.z(difference.value.size))
        return compare_means(
            where=str(cell),
            difference=difference,
            value=value,
            error=error,
            scale=margin_scale(self, claim, prediction, value, cell, sample),
            budget=budget,
            level=level,
            distrust=trust,
        )

    def separation(
        self, claim: Claim, mutant: Prediction, budget: Budget, cells: Sequence[Cell], samples: Sequence[Samples]
    ) -> float:
        """Largest distance of a mutant from the prediction over the points."""
        return max(distance(self, claim, mutant, cell, sample) for cell, sample in zip(cells, samples))


def distance(check: Expectation | Asymptotic, claim: Claim, mutant: Prediction, cell: Cell, sample: Samples) -> float:
    """Largest distance of a mutant from the right prediction over the components at one cell, on the margin's scale."""
    _, right, _ = residuals(check.observable, check.given, claim.prediction, cell, sample)
    _, wrong, _ = residuals(check.observable, check.given, mutant, cell, sample)
    return float(np.max(np.abs(wrong - right) / scale_of(check.scale, right, claim.name)))


def margin_scale(
    check: Expectation | Asymptotic,
    claim: Claim,
    prediction: Prediction,
    value: np.ndarray,
    cell: Cell,
    sample: Samples,
) -> np.ndarray:
    """What a margin of 1 means when a prediction of this value is assessed.

    The right prediction sets the scale for its mutants too, as it does for their distance: a mutant may be zero.
    """
    if prediction is not claim.prediction:
        _, value, _ = residuals(check.observable, check.given, claim.prediction, cell, sample)
    return scale_of(check.scale, value, claim.name)


def residuals(
    name: str, given: Sequence[str], prediction: Prediction, cell: Cell, sample: Samples
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Observable minus prediction per trial, with the (mean) prediction and its largest error."""
    x = observable(sample, name)
    if not given:
        value, error = predict(prediction, cell.params)
        _demand_shape(name, x.shape[1:], value.shape)
        return x - value, value, error
    values, errors = predict(prediction, cell.params, {g: observable(sample, g) for g in given})
    _demand_shape(name, x.shape, values.shape)
    return x - values, np.asarray(values.mean(axis=0)), np.asarray(errors.max(axis=0))


def _demand_shape(name: str, observed: tuple[int, ...], predicted: tuple[int, ...]) -> None:
    """One prediction for each component, or one for all: never several for the same."""
    if len(predicted) > len(observed) or any(p not in (1, o) for p, o in zip(predicted[::-1], observed[::-1])):
        raise DesignError(f"the prediction has shape {predicted}, the observable {name!r} {observed}")
