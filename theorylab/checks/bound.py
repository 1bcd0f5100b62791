"""X <= f or X >= f always, tight somewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from theorylab.checks.base import UNBOUNDED, Cell, Check, Level, observable, points_of, predict
from theorylab.claim import Budget, Claim, Status
from theorylab.prediction import Prediction
from theorylab.simulation import Samples
from theorylab.verdict import Finding


@dataclass(frozen=True)
class Violation:
    """A case on the wrong side of a bound by more than the numerical errors of both.

    Parameters
    ----------
    x, y, value
        The variable, what was found there, and the bound.
    block, case
        Where it is: see `theorylab.replay`.
    """

    x: float
    y: float
    value: float
    block: int
    case: int


@dataclass(frozen=True)
class Bound(Check):
    """An adversarial search finds no violation, and a named extremal instance comes within the margin of equality.

    There is no error level here but an effort, the number of cases; a violation must exceed the numerical
    error of both sides. The simulation is a search (`per_trial=False`) that returns the cases worth keeping:
    `x` (the variable), `y`, `error` (of y) and `case` (its number, for replay).

    Parameters
    ----------
    variable
        The parameter of the prediction that takes `x`.
    sense
        ">=": y >= f(x) for all cases; "<=": y <= f(x).
    tight
        A function `f(x, **parameters) -> y` that builds the named extremal instance and measures it; "search"
        to demand that the search itself come within the margin; None for a bound not claimed to be tight.
    at
        Values of the variable at which the extremal instance is measured. With "search", ranges (low, high), in
        each of which the search must come within the margin; a single range when empty.
    """

    kind: ClassVar[str] = "bound"
    variable: str = "x"
    sense: Literal[">=", "<="] = ">="
    tight: Callable[..., Any] | Literal["search"] | None = None
    at: tuple[Any, ...] = ()

    def statement(self) -> str:
        """The requirement in one line."""
        tight = {None: "", "search": ", approached by the search"}.get(self.tight, ", attained by a named instance")  # type: ignore[arg-type]
        return f"y {self.sense} f({self.variable}) in every case searched{tight}"

    def cells(self, claim: Claim, budget: Budget) -> list[Cell]:
        """The points; the variable belongs to the cases."""
        return [Cell(claim.point(p, without=self.variable)) for p in points_of(claim, budget)]

    def assess(
        self,
        claim: Claim,
        prediction: Prediction,
        budget: Budget,
        cells: Sequence[Cell],
        samples: Sequence[Samples],
        level: Level,
    ) -> Finding:
        """Look for a violation among the cases and measure how nearly equality is reached."""
        (cell,), (sample,) = cells, samples
        x, y = (observable(sample, name) for name in ("x", "y"))
        if x.size == 0:
            return _nothing_found(cell, budget)
        sign = 1.0 if self.sense == ">=" else -1.0
        value, own, excess = self._excess(prediction, cell, sample)
        slack = sign * (y - value)
        worst = int(np.argmax(excess))
        violated = bool(excess[worst] > 0)
        gap, notes = self._tightness(prediction, cell, x, y, value, sign)
        done = level.spent >= 1.0
        status: Status = "inconclusive"
        if violated:
            status = "fails"
            notes.insert(0, self._counterexample(sample, x, y, value, worst))
        elif gap is not None and gap > budget.margin and (callable(self.tight) or done):
            status = "fails"
        elif done:
            status = "holds"
        relative = slack / np.where(value == 0, 1.0, np.abs(value))
        nearest = int(np.argmin(relative))
        notes.append(f"smallest slack {relative[nearest]:.3g} of f at {self.variable} = {x[nearest]:.5g}")
        shown = worst if violated else nearest
        return Finding(
            where=str(cell),
            status=status,
            estimate=float(y[shown]),
            interval=None,
            predicted=float(value[shown]),
            prediction_error=float(own[shown]),
            discrepancy=(float(min(relative[worst], 0.0)) if violated else 0.0, min(gap or 0.0, UNBOUNDED)),
            margin=budget.margin,
            notes=tuple(notes),
        )

    def violation(self, prediction: Prediction, cell: Cell, sample: Samples) -> Violation | None:
        """The worst violation of a predicted bound among the cases, if there is one."""
        if observable(sample, "x").size == 0:
            return None
        value, _, excess = self._excess(prediction, cell, sample)
        i = int(np.argmax(excess))
        if excess[i] <= 0:
            return None
        x, y, block, case = (sample[name][i] for name in ("x", "y", "block", "case"))
        return Violation(float(x), float(y), float(value[i]), int(block), int(case))

    def _excess(self, prediction: Prediction, cell: Cell, sample: Samples) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The bound in every case, its own error, and by how much the case is beyond all errors on the wrong side."""
        x, y, error = (observable(sample, name) for name in ("x", "y", "error"))
        value, own = predict(prediction, {**cell.params, self.variable: x})
        sign = 1.0 if self.sense == ">=" else -1.0
        return value, own, -sign * (y - value) - error - own

    def _tightness(
        self, prediction: Prediction, cell: Cell, x: np.ndarray, y: np.ndarray, value: np.ndarray, sign: float
    ) -> tuple[float | None, list[str]]:
        if self.tight is None:
            return None, []
        if self.tight == "search":
            ranges = self.at or ((-np.inf, np.inf),)
            gaps = []
            for low, high in ranges:
                inside = (x >= low) & (x <= high) & (value != 0)
                gaps.append(float(np.min(np.abs(y[inside] / value[inside] - 1.0))) if inside.any() else np.inf)
            where = ranges[int(np.argmax(gaps))]
            return max(gaps), [f"nearest to equality within {max(gaps):.3g} for {self.variable} in {where}"]
        points = np.asarray(self.at, dtype=float)
        reached = np.asarray(self.tight(points, **cell.params))
        claimed, _ = predict(prediction, {**cell.params, self.variable: points})
        relative = np.abs(reached - claimed) / np.where(claimed == 0, 1.0, np.abs(claimed))
        i = int(np.argmax(relative))
        return float(relative[i]), [
            f"extremal instance within {relative[i]:.3g} of equality (worst, {self.variable} = {points[i]:g})"
        ]

    def _counterexample(self, sample: Samples, x: np.ndarray, y: np.ndarray, value: np.ndarray, i: int) -> str:
        return (
            f"counterexample: {self.variable} = {x[i]:.12g}, y = {y[i]:.12g}, f = {value[i]:.12g} "
            f"(block {int(sample['block'][i])}, case {int(sample['case'][i])})"
        )


def _nothing_found(cell: Cell, budget: Budget) -> Finding:
    """A search that kept no case has shown nothing."""
    return Finding(
        where=str(cell),
        status="inconclusive",
        estimate=None,
        interval=None,
        predicted=None,
        prediction_error=None,
        discrepancy=(0.0, 0.0),
        margin=budget.margin,
        notes=("the search returned no case",),
    )
