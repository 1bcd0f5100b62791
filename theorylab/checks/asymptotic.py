"""E[X_N] -> f as N grows, with a stated rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import numpy as np

from theorylab.checks.base import (
    UNBOUNDED,
    Cell,
    Level,
    Scale,
    Trend,
    compare_means,
    describe,
)
from theorylab.checks.expectation import distance, margin_scale, residuals
from theorylab.checks.fits import Fit, fit, power_design
from theorylab.claim import Budget, Claim
from theorylab.inference import means, tails
from theorylab.inference.means import Moments
from theorylab.prediction import Prediction
from theorylab.simulation import Samples
from theorylab.verdict import Finding


@dataclass(frozen=True)
class Asymptotic(Trend):
    """The mean tends to the prediction, and the difference vanishes like N^-rate.

    Over at least four sizes E[X_N] - f(N), on a relative scale E[X_N] / f(N) - 1, is fitted by `limit + c N^-rate`
    (+ further orders). The limit is a linear combination of independent means, so that its interval needs no
    bootstrap; it must lie inside the margin, also when widened by the extrapolation's own doubt: what the limit
    moves, beyond one standard error, when the smallest size is left out. The residuals must fit, and where a
    finite-size term is seen at all its freely fitted rate must be within `rate_tolerance` of the stated one. A
    single size confirms nothing about an asymptotic formula. The error level is that of the model: a correction that
    falls as slowly as the stated one but is not of its form is seen only as far as the residuals, the rate and the
    smallest size show it. A mutant is rejected when its limit is outside the margin, and also when its residuals do not
    fit while those of the prediction do.

    Parameters
    ----------
    size
        Parameter that grows; the budget gives its values.
    rate
        Power of the leading correction.
    observable
        Which output of the simulation. It may be a vector, as a curve is: every component is extrapolated, and the
        band over all of them is simultaneous by the union bound.
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
        shape = parts[-1][0].shape[1:]
        values, errors = (np.stack([np.broadcast_to(part[i], shape) for part in parts]) for i in (1, 2))
        scales = np.stack(
            [
                np.broadcast_to(margin_scale(self, claim, prediction, v, c, s), shape)
                for v, c, s in zip(values, cells, samples)
            ]
        )
        # In the unit of the largest size: on a relative scale each size is compared with its own prediction.
        unit = scales[-1] / scales
        moments = [Moments.of(u * r) for u, (r, _, _) in zip(unit, parts)]
        trust = next((t for r, _, _ in parts if (t := tails.distrust(r, level.z(values[0].size)))), None)
        alpha = level.alpha / values[0].size
        trends = [self._extrapolate(n, [_pick(m, i) for m in moments]) for i in np.ndindex(shape)]
        drift = np.array([t.drift for t in trends]).reshape(shape)
        # Each size's prediction enters the limit with that size's weight.
        weights = np.stack([np.abs(t.fit.rows[0]) for t in trends], axis=1).reshape(-1, *shape)
        compare = partial(
            compare_means,
            where=f"{_fixed(cells[-1], self.size)}; {self.size} = {n[0]:g}..{n[-1]:g}",
            difference=_joined([t.limit for t in trends], shape),
            value=values[-1],
            error=np.sum(weights * unit * errors, axis=0),
            scale=scales[-1],
            budget=budget,
            level=level,
            notes=self._notes(trends, max(n) ** self.rate, scales[-1]),
            distrust=trust,
        )
        tension = [t.fit.tension(alpha) for t in trends]
        finding = replace(compare(extrapolation=drift), misfit=any(tension))
        if self.order == 1 and (finding.status == "holds" or not shape):
            notes, compatible = self._rates(n, trends, alpha)
            finding = replace(finding, notes=(*finding.notes, *notes))
            if finding.status == "holds" and not compatible:
                return finding.undecided("the limit agrees but the rate does not: sizes too small, or another rate")
        if finding.status != "inconclusive" and finding.misfit:
            tense = np.array([t is not None for t in tension]).reshape(shape)
            rest = compare(extrapolation=np.where(tense, UNBOUNDED, drift))
            return rest if rest.status == "fails" else finding.undecided(next(t for t in tension if t))
        return finding

    def _extrapolate(self, n: Sequence[float], moments: Sequence[Moments]) -> _Component:
        difference = np.array([float(m.mean) for m in moments])
        error = np.array([float(np.sqrt(m.variance / m.n)) for m in moments])
        design = power_design(n, [-k * self.rate for k in range(self.order + 1)])
        fitted = fit(n, design, difference, error)
        limit, leading = fitted.coefficient(0, moments), fitted.coefficient(1, moments)
        return _Component(fitted, limit, leading, _drift(n, design, difference, error, moments), difference, error)

    def _notes(self, trends: Sequence[_Component], unit: float, scale: np.ndarray) -> list[str]:
        """Coefficient of the leading correction, of a vector relative to the margin's scale; and the drift."""
        one = not scale.ndim
        scales = [1.0] if one else scale.ravel()
        each = [
            f"{float(t.leading.value) * unit / s:.4g} +- {float(t.leading.error) * unit / s:.2g}"
            for t, s in zip(trends, scales)
        ]
        what = f"coefficient of {self.size}^-{self.rate:g}" + ("" if one else f" ({self.scale}, each component)")
        notes = [f"{what}: {', '.join(each)} (1 s.e.)"]
        if (drift := max(t.drift / s for t, s in zip(trends, scales))) > 0:
            notes.append(f"without the smallest size the limit moves by {drift:.2g} more than one standard error")
        return notes

    def _rates(self, n: Sequence[float], trends: Sequence[_Component], alpha: float) -> tuple[list[str], bool]:
        """Freely fitted rates where a correction is seen, and whether they are compatible with the stated one."""
        notes, compatible = [], True
        for t in trends:
            c_low, c_high = t.leading.interval(alpha)
            if not c_low <= 0.0 <= c_high:
                low, high = _rate_interval(np.array(n), t.difference, t.error, Level(alpha, 1.0).z())
                notes.append(f"fitted rate in [{low:.2f}, {high:.2f}]")
                compatible &= low - self.rate_tolerance <= self.rate <= high + self.rate_tolerance
        return notes, compatible

    def separation(
        self, claim: Claim, mutant: Prediction, budget: Budget, cells: Sequence[Cell], samples: Sequence[Samples]
    ) -> float:
        """Largest distance of a mutant from the prediction at the largest size of each point."""
        largest = [group[-1] for group in self.groups(claim, budget, cells)]
        return max(distance(self, claim, mutant, cells[i], samples[i]) for i in largest)


@dataclass(frozen=True)
class _Component:
    """One component over the sizes: its fit, limit and leading coefficient, drift, means and standard errors."""

    fit: Fit
    limit: means.Estimate
    leading: means.Estimate
    drift: float
    difference: np.ndarray
    error: np.ndarray


def _pick(m: Moments, index: tuple[int, ...]) -> Moments:
    return Moments(m.n, *(np.asarray(a[index]) for a in (m.mean, m.variance, m.third, m.fourth)))


def _joined(estimates: Sequence[means.Estimate], shape: tuple[int, ...]) -> means.Estimate:
    """Estimates of the components as one."""
    columns = zip(*((e.value, e.error, e.skewness, e.df, e.unseen) for e in estimates))
    return means.Estimate(*(np.array([float(x) for x in column]).reshape(shape) for column in columns))


def _drift(
    sizes: Sequence[float],
    design: np.ndarray,
    difference: np.ndarray,
    error: np.ndarray,
    moments: Sequence[Moments],
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
