"""f = g."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import mpmath
import numpy as np
import sympy as sp

from theorylab.checks.base import Cell, Check, Level, Scale, decide, describe, points_of, scale_of
from theorylab.claim import Budget, Claim
from theorylab.derivation import is_zero
from theorylab.errors import DesignError
from theorylab.parameters import Integers
from theorylab.prediction import ClosedForm, Implicit, Numerical, Prediction
from theorylab.simulation import Samples
from theorylab.verdict import Finding

DIGITS = 50
AGREEMENT = mpmath.mpf(10) ** -35


@dataclass(frozen=True)
class Identity(Check):
    """Two formulas are equal: SymPy proves it, or they agree to 50 digits at random points of the domain.

    A computation has no 50 digits. Where a side is a `Numerical` prediction, the two agree when their difference,
    widened by the numerical errors of both, lies inside the margin; and the same difference must reject the mutants.

    Parameters
    ----------
    other
        A SymPy expression in the prediction's symbols, or a second prediction.
    ranges
        `name: (low, high)` from which the points are drawn. Without ranges, the points are those of the claim and of
        its budgets, and each is a finding of its own.
    scale
        What a margin of 1 means where a side is numerical: "relative" to the prediction, or "absolute".
    """

    kind: ClassVar[str] = "identity"
    sampled: ClassVar[bool] = False
    other: Any = None
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    scale: Scale = "relative"

    def statement(self) -> str:
        """The requirement in one line."""
        where = f"random points of {dict(self.ranges)}" if self.ranges else "the points"
        if isinstance(self.other, Numerical):
            return f"f = g at {where}: inside the margin ({self.scale}), numerical errors counted"
        return f"f = g: symbolically, or to 50 digits at {where}"

    def cells(self, claim: Claim, budget: Budget) -> list[Cell]:
        """Nothing is sampled: one cell for all random points (`budget.trials` of them), or one for each given."""
        if self.ranges:
            return [Cell({})]
        return [Cell(claim.point(p)) for p in points_of(claim, budget)]

    def groups(self, claim: Claim, budget: Budget, cells: Sequence[Cell]) -> list[tuple[int, ...]]:
        """Every cell decides by itself."""
        return [(i,) for i in range(len(cells))]

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
        if isinstance(prediction, Numerical) or isinstance(self.other, Numerical):
            return self._compared(claim, prediction, budget, self._places(claim, budget, cells))
        left = prediction.expr if isinstance(prediction, ClosedForm) else None
        right = self.other.expr if isinstance(self.other, ClosedForm) else self.other
        if isinstance(left, sp.Basic) and isinstance(right, sp.Basic) and is_zero(left, right):
            return self._finding("every point", budget, None, None, "SymPy reduces the difference to zero")
        worst: tuple[Any, ...] = (mpmath.mpf(-1), {}, None, None)
        places = self._places(claim, budget, cells)
        for values in places:
            a, b = self._value(prediction, values), self._value(self.other, values)
            with mpmath.workdps(DIGITS):
                gap = abs(a - b) / max(abs(a), abs(b), AGREEMENT)
            if gap > worst[0]:
                worst = (gap, values, a, b)
        gap, values, a, b = worst
        counted = f"{len(places)} random points" if self.ranges else "the point"
        note = f"{counted} at {DIGITS} digits, largest relative difference {mpmath.nstr(gap, 3)}"
        return self._finding(describe(values), budget, a, b, note, float(gap), agrees=bool(gap < AGREEMENT))

    def separation(
        self, claim: Claim, mutant: Prediction, budget: Budget, cells: Sequence[Cell], samples: Sequence[Samples]
    ) -> float | None:
        """Largest distance of a mutant from the prediction over the points; None for an identity without a margin."""
        if not isinstance(claim.prediction, Numerical) and not isinstance(self.other, Numerical):
            return None
        distance = 0.0
        for values in (p for cell in cells for p in self._places(claim, budget, [cell])):
            (right, _), (wrong, _) = (self._evaluated(side, values) for side in (claim.prediction, mutant))
            distance = max(distance, float(np.max(np.abs(wrong - right) / scale_of(self.scale, right, claim.name))))
        return distance

    def _compared(
        self, claim: Claim, prediction: Prediction, budget: Budget, places: Sequence[Mapping[str, Any]]
    ) -> Finding:
        """Compare to within the margin, at the place that strains it most."""
        findings = []
        for values in places:
            (a, ea), (b, eb) = self._evaluated(prediction, values), self._evaluated(self.other, values)
            a, ea, b, eb = np.broadcast_arrays(a, ea, b, eb)
            scale = scale_of(self.scale, a, claim.name)
            low, high = (b - a - ea - eb) / scale, (b - a + ea + eb) / scale
            worst = np.unravel_index(int(np.argmax(np.maximum(-low, high))), low.shape)
            findings.append(
                Finding(
                    where=describe(values),
                    status=decide(float(low[worst]), float(high[worst]), budget.margin),
                    estimate=float(b[worst]),
                    interval=(float((b - eb)[worst]), float((b + eb)[worst])),
                    predicted=float(a[worst]),
                    prediction_error=float(ea[worst]),
                    discrepancy=(float(low[worst]), float(high[worst])),
                    margin=budget.margin,
                    notes=(f"worst of {len(places)} random points",) if len(places) > 1 else (),
                )
            )
        return max(findings, key=lambda f: (f.status == "fails", f.strain))

    def _evaluated(self, side: Any, values: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        """Value and error of a side in double precision."""
        if isinstance(side, Prediction):
            return side.evaluate(**{k: v for k, v in values.items() if k in side.space})
        value = np.asarray(float(self._value(side, values)))
        return value, np.spacing(np.abs(value))

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

    def _places(self, claim: Claim, budget: Budget, cells: Sequence[Cell]) -> list[Mapping[str, Any]]:
        if not self.ranges:
            return [cell.params for cell in cells]
        return list(self._points(claim, budget))

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
