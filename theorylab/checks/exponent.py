"""E[X] ~ N^e."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from theorylab.checks.base import (
    Cell,
    Level,
    Trend,
    compare_means,
    describe,
    observable,
    predict,
)
from theorylab.checks.fits import fit, power_design
from theorylab.claim import Budget, Claim
from theorylab.errors import DesignError
from theorylab.inference import means, tails
from theorylab.prediction import Prediction
from theorylab.simulation import Samples
from theorylab.verdict import Finding


@dataclass(frozen=True)
class Exponent(Trend):
    """The mean grows or falls as a power of the size, and the prediction is that power (with its sign).

    The slope of log E[X] against log N is fitted by weighted least squares, with a term N^drift for the
    approach to the power law where one is stated. The logarithms of independent means are treated by the delta
    method to second order. The margin is absolute.

    Parameters
    ----------
    size
        The parameter in which the power law holds; the budget gives its values.
    drift
        Power of the correction to log E[X]: negative for a law that holds at large sizes, positive for one that
        holds at small ones; None for a pure power law.
    """

    kind: ClassVar[str] = "exponent"
    observable: str = "value"
    drift: float | None = None

    def statement(self) -> str:
        """The requirement in one line."""
        return (
            f"E[{self.observable}] ~ {self.size}^f: the fitted log-slope, corrected for drift, "
            "lies inside the margin (absolute)"
        )

    def assess(
        self,
        claim: Claim,
        prediction: Prediction,
        budget: Budget,
        cells: Sequence[Cell],
        samples: Sequence[Samples],
        level: Level,
    ) -> Finding:
        """Compare the log-slope with a predicted exponent."""
        n = np.array([float(c.params[self.size]) for c in cells])
        x = [observable(s, self.observable) for s in samples]
        moments = [means.Moments.of(s) for s in x]
        mean = np.array([m.mean for m in moments])
        if np.any(mean <= 0):
            raise DesignError(f"claim {claim.name}: a power law needs positive means, found {mean.min():g}")
        logs = [m.log() for m in moments]
        y = np.array([m.mean for m in logs])
        relative = np.array([np.sqrt(m.variance / m.n) for m in logs])
        design = np.stack([np.ones_like(n), np.log(n / n.max())], axis=1)
        if self.drift is not None:
            # Scaled to be of order one where it is largest.
            column = power_design(n if self.drift > 0 else 1.0 / n, [abs(self.drift)])
            design = np.concatenate([design, column], axis=1)
        fitted = fit(n, design, y, relative)
        slope = fitted.coefficient(1, logs)
        value, error = predict(prediction, cells[-1].params)
        local = np.diff(np.log(mean)) / np.diff(np.log(n))
        trust = next((t for s in x if (t := tails.distrust(s, level.z()))), None)
        finding = compare_means(
            where=f"{describe({k: v for k, v in cells[-1].params.items() if k != self.size})}; "
            f"{self.size} = {n[0]:g}..{n[-1]:g}",
            difference=replace(slope, value=np.asarray(slope.value - value)),
            value=value,
            error=error,
            scale=np.ones_like(value),
            budget=budget,
            level=level,
            notes=[f"local slopes {', '.join(f'{s:.3f}' for s in local)}"],
            distrust=trust,
        )
        if finding.status != "inconclusive" and (tension := fitted.tension(level.alpha)):
            return finding.undecided(tension)
        return finding

    def separation(
        self, claim: Claim, mutant: Prediction, budget: Budget, cells: Sequence[Cell], samples: Sequence[Samples]
    ) -> float:
        """Largest difference of a mutant's exponent from the predicted one."""
        return max(
            float(np.max(np.abs(predict(mutant, c.params)[0] - predict(claim.prediction, c.params)[0]))) for c in cells
        )
