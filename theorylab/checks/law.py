"""X has this distribution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from theorylab.checks.base import Cell, Check, Level, decide, observable, points_of, predict
from theorylab.claim import Budget, Claim
from theorylab.inference import laws
from theorylab.parameters import Interval
from theorylab.prediction import Prediction
from theorylab.simulation import Samples
from theorylab.verdict import Finding


@dataclass
class Distribution:
    """A predicted distribution function on the whole line.

    Parameters
    ----------
    prediction, params
        Distribution function, and its parameters but one.
    variable
        The one that is its argument.
    error
        Largest numerical error of the values computed so far.
    """

    prediction: Prediction
    params: Mapping[str, Any]
    variable: str
    error: float = 0.0

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Values at `x`: outside the variable's domain 0 below and 1 above."""
        domain = self.prediction.space[self.variable].domain
        out = np.zeros(np.shape(x))
        inside = np.ones(np.shape(x), dtype=bool)
        if isinstance(domain, Interval):
            inside = domain.contains(x)
            out[~inside & (x >= domain.high)] = 1.0
        if inside.any():
            value, error = predict(self.prediction, {**self.params, self.variable: x[inside]})
            out[inside] = value
            self.error = max(self.error, float(np.max(error)))
        return out


@dataclass(frozen=True)
class Law(Check):
    """The distribution function of an observable is the prediction, in sup-distance.

    An observable[trials] is an independent sample: the Dvoretzky-Kiefer-Wolfowitz band with Massart's constant
    bounds the distance. An observable[trials, m] is m dependent values a trial, such as the eigenvalues of a
    matrix: the trial is the unit of replication and the *expected* spectral distribution is compared.

    Parameters
    ----------
    variable
        The parameter of the prediction that is the argument of the distribution function. Below its domain, if
        that is an interval, the distribution function is 0, above it 1.
    """

    kind: ClassVar[str] = "law"
    variable: str = "x"
    observable: str = "value"

    def statement(self) -> str:
        """The requirement in one line."""
        return f"the CDF of {self.observable} is f({self.variable}): the sup-distance lies inside the margin"

    def cells(self, claim: Claim, budget: Budget) -> list[Cell]:
        """The points; the variable belongs to the observable."""
        return [Cell(claim.point(p, without=self.variable)) for p in points_of(claim, budget)]

    def cdf(self, prediction: Prediction, params: Mapping[str, Any]) -> Distribution:
        """The distribution function at given parameters."""
        return Distribution(prediction, params, self.variable)

    def assess(
        self,
        claim: Claim,
        prediction: Prediction,
        budget: Budget,
        cells: Sequence[Cell],
        samples: Sequence[Samples],
        level: Level,
    ) -> Finding:
        """Bound the sup-distance between the sampled and a predicted distribution."""
        (cell,), (sample,) = cells, samples
        x = observable(sample, self.observable)
        cdf = self.cdf(prediction, cell.params)
        if x.ndim == 1:
            estimate, where = laws.distance(x, cdf)
            radius = laws.dkw_radius(x.size, level.alpha)
            interval = (max(0.0, estimate - radius), min(1.0, estimate + radius))
        else:
            estimate, interval, where = laws.ensemble_distance(x, cdf, level.alpha)
        error = cdf.error
        low, high = interval[0] - error, interval[1] + error
        return Finding(
            where=str(cell),
            status=decide(low, high, budget.margin),
            estimate=estimate,
            interval=interval,
            predicted=0.0,
            prediction_error=error,
            discrepancy=(low, high),
            margin=budget.margin,
            detectable=(interval[1] - estimate) * float(np.sqrt(level.spent)),
            notes=(f"largest distance at {self.variable} = {where:.5g}",),
        )

    def separation(
        self, claim: Claim, mutant: Prediction, budget: Budget, cells: Sequence[Cell], samples: Sequence[Samples]
    ) -> float:
        """Largest sup-distance of a mutant from the prediction over the sampled values."""
        distance = 0.0
        for cell, sample in zip(cells, samples):
            x = np.sort(observable(sample, self.observable), axis=None)
            x = x[:: max(1, x.size // 2000)]
            gap = self.cdf(claim.prediction, cell.params)(x) - self.cdf(mutant, cell.params)(x)
            distance = max(distance, float(np.max(np.abs(gap))))
        return distance
