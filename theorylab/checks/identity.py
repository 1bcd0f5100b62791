"""f = g."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import mpmath
import sympy as sp

from theorylab.checks.base import Cell, Check, Level, describe
from theorylab.claim import Budget, Claim
from theorylab.derivation import is_zero
from theorylab.errors import DesignError
from theorylab.parameters import Integers
from theorylab.prediction import ClosedForm, Implicit, Prediction
from theorylab.simulation import Samples
from theorylab.verdict import Finding

DIGITS = 50
AGREEMENT = mpmath.mpf(10) ** -35


@dataclass(frozen=True)
class Identity(Check):
    """Two formulas are equal: SymPy proves it, or they agree to 50 digits at random points of the domain.

    Parameters
    ----------
    other
        A SymPy expression in the prediction's symbols, or a second prediction.
    ranges
        `name: (low, high)` from which the points are drawn.
    """

    kind: ClassVar[str] = "identity"
    sampled: ClassVar[bool] = False
    other: Any = None
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def statement(self) -> str:
        """The requirement in one line."""
        return f"f = g: symbolically, or to 50 digits at random points of {dict(self.ranges)}"

    def cells(self, claim: Claim, budget: Budget) -> list[Cell]:
        """Nothing is sampled; `budget.trials` points are evaluated."""
        return [Cell({})]

    def groups(self, claim: Claim, budget: Budget, cells: Sequence[Cell]) -> list[tuple[int, ...]]:
        """One finding."""
        return [(0,)]

    def assess(
        self,
        claim: Claim,
        prediction: Prediction,
        budget: Budget,
        cells: Sequence[Cell],
        samples: Sequence[Samples],
        level: Level,
    ) -> Finding:
        """Prove or refute the equality."""
        left = prediction.expr if isinstance(prediction, ClosedForm) else None
        right = self.other.expr if isinstance(self.other, ClosedForm) else self.other
        if isinstance(left, sp.Basic) and isinstance(right, sp.Basic) and is_zero(left, right):
            return self._finding("every point", budget, None, None, "SymPy reduces the difference to zero")
        worst: tuple[Any, ...] = (mpmath.mpf(-1), {}, None, None)
        for values in self._points(claim, budget):
            a, b = self._value(prediction, values), self._value(self.other, values)
            with mpmath.workdps(DIGITS):
                gap = abs(a - b) / max(abs(a), abs(b), AGREEMENT)
            if gap > worst[0]:
                worst = (gap, values, a, b)
        gap, values, a, b = worst
        note = f"{budget.trials} random points at {DIGITS} digits, largest relative difference {mpmath.nstr(gap, 3)}"
        return self._finding(describe(values), budget, a, b, note, float(gap), agrees=bool(gap < AGREEMENT))

    def _finding(
        self, where: str, budget: Budget, a: Any, b: Any, note: str, gap: float = 0.0, agrees: bool = True
    ) -> Finding:
        return Finding(
            where=where,
            status="holds" if agrees else "fails",
            estimate=None if b is None else float(b),
            interval=None,
            predicted=None if a is None else float(a),
            prediction_error=None,
            discrepancy=(-gap, gap),
            margin=budget.margin,
            notes=(note,),
        )

    def _points(self, claim: Claim, budget: Budget) -> list[dict[str, Any]]:
        import random

        source = random.Random(claim.name)
        points = []
        for _ in range(1000 * budget.trials):
            point = {
                name: source.randint(int(low), int(high))
                if isinstance(claim.space[name].domain, Integers)
                else source.uniform(low, high)
                for name, (low, high) in self.ranges.items()
            }
            try:
                claim.space.validate(point)
            except ValueError:
                continue
            points.append(point)
            if len(points) == budget.trials:
                return points
        raise DesignError(f"claim {claim.name}: the ranges {dict(self.ranges)} hardly meet the domain")

    def _value(self, side: Any, values: Mapping[str, Any]) -> mpmath.mpf:
        if isinstance(side, ClosedForm | Implicit):
            own = {k: v for k, v in values.items() if k in side.space}
            return side.mp(DIGITS, **own)
        if isinstance(side, sp.Basic):
            from theorylab.symbolic import high_precision

            symbols = {str(s): s for s in side.free_symbols}
            return high_precision(side, {s: values[n] for n, s in symbols.items()}, DIGITS)
        raise DesignError("an identity is between closed forms or implicit predictions")
