"""E[X_N] -> f as N grows, with a stated rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from theorylab.checks.base import (
    Cell,
    Level,
    Scale,
    Trend,
    compare_means,
    describe,
    scale_of,
)
from theorylab.checks.expectation import residuals
from theorylab.checks.fits import fit, power_design
from theorylab.claim import Budget, Claim
from theorylab.inference import means, tails
from theorylab.prediction import Prediction
from theorylab.simulation import Samples
from theorylab.verdict import Finding


@dataclass(frozen=True)
class Asymptotic(Trend):
    """The mean tends to the prediction, and the difference vanishes like N^-rate.

    Over at least four sizes E[X_N] - f(N) is fitted by `limit + c N^-rate` (+ further orders). The limit is a
    linear combination of independent means, so that its interval needs no bootstrap; it must lie inside the
    margin, also when widened by the extrapolation's own doubt: what the limit moves, beyond one standard error,
    when the smallest size is left out. The residuals must fit, and where a finite-size term is seen at all its
    freely fitted rate must be within `rate_tolerance` of the stated one. A single size confirms nothing about an
    asymptotic formula. The error level is that of the model: a correction that falls as slowly as the stated one
    but is not of its form is seen only as far as the residuals, the rate and the smallest size show it.

    Parameters
    ----------
    size
        Parameter that grows; the budget gives its values.
    rate
        Power of the leading correction.
    order
        How many powers (rate, 2 rate, ...) are fitted.
    rate_tolerance
        How far the fitted rate may be from the stated one: higher orders shift it at finite sizes.
    """

    kind: ClassVar[str] = "asymptotic"
    rate: float = 1.0
    observable: str = "value"
    given: tuple[str, ...] = ()
    scale: Scale = "relative"
    order: int = 1
    rate_tolerance: float = 0.3

    def statement(self) -> str:
        """The requirement in one line."""
        return (
            f"E[{self.observable}] -> f as {self.size} grows, like {self.size}^-{self.rate:g}: "
            f"the extrapolated limit lies inside the margin ({self.scale}) and the rate is compatible"
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
        """Extrapolate the difference from a prediction to infinite size."""
        n = [float(c.params[self.size]) for c in cells]
        parts = [residuals(self.observable, self.given, prediction, c, s) for c, s in zip(cells, samples)]
        moments = [means.Moments.of(r) for r, _, _ in parts]
        difference = np.array([m.mean for m in moments])
        error = np.array([np.sqrt(m.variance / m.n) for m in moments])
        exponents = [-k * self.rate for k in range(self.order + 1)]
        design = power_design(n, exponents)
        fitted = fit(n, design, difference, error)
        limit, leading = fitted.coefficient(0, moments), fitted.coefficient(1, moments)
        value = parts[-1][1]
        # Each size's prediction enters the limit with that size's weight.
        prediction_error = np.abs(fitted.rows[0]) @ np.array([e for _, _, e in parts])
        drift = _drift(n, design, difference, error, moments)
        c_low, c_high = leading.interval(level.alpha)
        unit = max(n) ** self.rate
        notes = [
            f"coefficient of {self.size}^-{self.rate:g}: "
            f"{float(leading.value) * unit:.4g} +- {float(leading.error) * unit:.2g} (1 s.e.)"
        ]
        if drift > 0:
            notes.append(f"without the smallest size the limit moves by {drift:.2g} more than one standard error")
        rate_ok = True
        if self.order == 1 and not c_low <= 0.0 <= c_high:
            low, high = _rate_interval(np.array(n), difference, error, level.z())
            notes.append(f"fitted rate in [{low:.2f}, {high:.2f}]")
            rate_ok = low - self.rate_tolerance <= self.rate <= high + self.rate_tolerance
        trust = next((t for r, _, _ in parts if (t := tails.distrust(r, level.z()))), None)
        finding = compare_means(
            where=f"{_fixed(cells[-1], self.size)}; {self.size} = {n[0]:g}..{n[-1]:g}",
            difference=limit,
            value=value,
            error=prediction_error,
            scale=scale_of(self.scale, value, claim.name),
            budget=budget,
            level=level,
            extrapolation=drift,
            notes=notes,
            distrust=trust,
        )
        if finding.status == "holds" and not rate_ok:
            return finding.undecided("the limit agrees but the rate does not: sizes too small, or another rate")
        if finding.status != "inconclusive" and (tension := fitted.tension(level.alpha)):
            return finding.undecided(tension)
        return finding

    def separation(
        self, claim: Claim, mutant: Prediction, budget: Budget, cells: Sequence[Cell], samples: Sequence[Samples]
    ) -> float:
        """Largest distance of a mutant from the prediction at the largest size of each point."""
        distance = 0.0
        for group in self.groups(claim, budget, cells):
            cell, sample = cells[group[-1]], samples[group[-1]]
            _, right, _ = residuals(self.observable, self.given, claim.prediction, cell, sample)
            _, wrong, _ = residuals(self.observable, self.given, mutant, cell, sample)
            distance = max(distance, float(np.max(np.abs(wrong - right) / scale_of(self.scale, right, claim.name))))
        return distance


def _drift(
    sizes: Sequence[float],
    design: np.ndarray,
    difference: np.ndarray,
    error: np.ndarray,
    moments: Sequence[means.Moments],
) -> float:
    """How far the limit moves, beyond one standard error, when the smallest size is left out."""
    if len(design) <= design.shape[1]:
        return 0.0
    rest = fit(sizes[1:], design[1:], difference[1:], error[1:])
    weights = fit(sizes, design, difference, error).rows[0] - np.concatenate([[0.0], rest.rows[0]])
    move = means.combination(list(weights), moments)
    return max(0.0, float(np.abs(move.value) - move.error))


def _rate_interval(n: np.ndarray, difference: np.ndarray, error: np.ndarray, z: float) -> tuple[float, float]:
    """Profile interval of rho in difference = limit + c N^-rho, over 0.05 to 6."""
    rates = np.geomspace(0.05, 6.0, 120)
    chi = np.array([fit(n, power_design(n, [0.0, -r]), difference, error).residual for r in rates])
    inside = rates[chi <= chi.min() + z**2]
    return float(inside.min()), float(inside.max())


def _fixed(cell: Cell, size: str) -> str:
    return describe({k: v for k, v in cell.params.items() if k != size})
