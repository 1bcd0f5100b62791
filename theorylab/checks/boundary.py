"""A transition sits at theta_c."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from theorylab.checks.base import UNBOUNDED, Cell, Check, Level, describe, observable, points_of, predict
from theorylab.claim import Budget, Claim, Status
from theorylab.errors import DesignError
from theorylab.inference import means, tails
from theorylab.prediction import Prediction
from theorylab.simulation import Samples
from theorylab.verdict import Finding


@dataclass(frozen=True)
class Boundary(Check):
    """The expected order parameter is negative below the predicted transition and positive above it.

    The order parameter is measured at theta_c (1 + k margin) for each rung k of the ladder, with the margin
    narrowed by the prediction's own relative error. Its sign is certified where its interval excludes zero. The
    crossing then lies between the highest certified-negative and the lowest certified-positive rung, for an order
    parameter whose expectation is monotone in theta.

    Parameters
    ----------
    parameter
        The parameter that is varied; the simulation takes it, the points do not hold it.
    ladder
        Rungs, in margins from the prediction. It must include -1 and 1 (to show that the crossing is inside the
        margin); the outer rungs show where it is instead when the prediction is wrong.
    """

    kind: ClassVar[str] = "boundary"
    parameter: str = "theta"
    observable: str = "value"
    ladder: tuple[float, ...] = (-4.0, -2.0, -1.0, 1.0, 2.0, 4.0)

    def statement(self) -> str:
        """The requirement in one line."""
        return f"{self.observable} changes sign at {self.parameter} = f: bracketed inside the margin (relative)"

    def cells(self, claim: Claim, budget: Budget) -> list[Cell]:
        """Each point at each rung."""
        cells = []
        for point in points_of(claim, budget):
            critical, error = (float(v) for v in claim.evaluate(**point))
            step = budget.margin - error / critical if critical > 0 else 0.0
            if step <= 0:
                raise DesignError(
                    f"claim {claim.name}: a relative margin of {budget.margin:g} needs a positive transition known "
                    f"more closely than that; predicted {critical:g} +- {error:.2g}"
                )
            cells += [
                Cell(claim.point({**point, self.parameter: critical * (1.0 + k * step)})) for k in sorted(self.ladder)
            ]
        return cells

    def groups(self, claim: Claim, budget: Budget, cells: Sequence[Cell]) -> list[tuple[int, ...]]:
        """The rungs of one point."""
        rungs = len(self.ladder)
        return [tuple(range(i, i + rungs)) for i in range(0, len(cells), rungs)]

    def assess(
        self,
        claim: Claim,
        prediction: Prediction,
        budget: Budget,
        cells: Sequence[Cell],
        samples: Sequence[Samples],
        level: Level,
    ) -> Finding:
        """Bracket the crossing and compare it with a predicted transition."""
        theta = np.array([float(c.params[self.parameter]) for c in cells])
        x = [observable(s, self.observable) for s in samples]
        estimates = [means.mean(s) for s in x]
        # A sign is used only where its mean can be trusted; an uncertified rung just widens the bracket.
        ends = np.array([e.interval(level.alpha / len(cells)) for e in estimates])
        trusted = np.array([tails.distrust(s, level.z(len(cells))) is None for s in x])
        below = theta[(ends[:, 1] < 0) & trusted]
        above = theta[(ends[:, 0] > 0) & trusted]
        low, high = below.max(initial=0.0), above.min(initial=np.inf)
        value, error = (float(v) for v in predict(prediction, cells[0].params))
        slack = error / value
        # Where the crossing may be, and where it must be, in proportion to a prediction with an error of its own.
        gap = (low / value - 1.0 - slack, high / value - 1.0 + slack)
        tolerance = budget.margin * (1.0 + 1e-9)
        status: Status = "inconclusive"
        notes: list[str] = []
        if low >= high:
            notes.append("the order parameter is not monotone: signs certified in the wrong order")
        elif (low > 0 and gap[0] > tolerance) or (np.isfinite(high) and gap[1] < -tolerance):
            status = "fails"
        elif -tolerance <= gap[0] and gap[1] <= tolerance:
            status = "holds"
        order = np.array([float(e.value) for e in estimates])
        crossing = _crossing(theta, order)
        finite = low > 0 and np.isfinite(high)
        return Finding(
            where=describe({k: v for k, v in cells[0].params.items() if k != self.parameter}),
            status=status,
            estimate=crossing,
            interval=(float(low), float(high)) if finite else None,
            predicted=value,
            prediction_error=error,
            discrepancy=(float(gap[0]), min(float(gap[1]), UNBOUNDED)),
            margin=budget.margin,
            notes=(*notes, "order parameter " + ", ".join(f"{o:.3g}" for o in order)),
        )

    def separation(
        self, claim: Claim, mutant: Prediction, budget: Budget, cells: Sequence[Cell], samples: Sequence[Samples]
    ) -> float:
        """Largest relative distance of a mutant's transition from the predicted one."""
        return max(
            abs(float(predict(mutant, c.params)[0]) / float(predict(claim.prediction, c.params)[0]) - 1.0)
            for c in cells
        )


def _crossing(theta: np.ndarray, order: np.ndarray) -> float | None:
    """Linear interpolation of the first sign change, or None."""
    change = np.flatnonzero((order[:-1] < 0) & (order[1:] >= 0))
    if not change.size:
        return None
    i = int(change[0])
    return float(theta[i] - order[i] * (theta[i + 1] - theta[i]) / (order[i + 1] - order[i]))
