"""X(t) = f(t) for all t at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from theorylab.checks.base import Cell
from theorylab.checks.expectation import Expectation
from theorylab.claim import Budget, Claim
from theorylab.errors import DesignError


@dataclass(frozen=True)
class Curve(Expectation):
    """The mean curve of an observable[trials, times] equals the prediction at every time.

    The band is simultaneous by the union bound over the times. At the levels used here that is within a tenth
    of the width of the best band whatever the correlation along the curve, and unlike the multiplier
    bootstrap it can be evaluated at error probabilities of 1e-9.

    Parameters
    ----------
    axis
        The parameter that runs along the curve; the points hold an array for it.
    """

    kind: ClassVar[str] = "curve"
    axis: str = "t"

    def cells(self, claim: Claim, budget: Budget) -> list[Cell]:
        """The points, each with its values along the axis."""
        found = super().cells(claim, budget)
        for cell in found:
            if np.asarray(cell.params.get(self.axis)).ndim != 1:
                raise DesignError(f"claim {claim.name}: the points of a curve hold an array for {self.axis}")
        return found

    def statement(self) -> str:
        """The requirement in one line."""
        return (
            f"{self.observable}({self.axis}) = f({self.axis}) for all {self.axis}: "
            f"the simultaneous band lies inside the margin ({self.scale})"
        )
