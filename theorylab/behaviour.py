"""What a sample that refutes a prediction behaves like, in words that a theorist can use."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import numpy as np

from theorylab.checks.base import UNBOUNDED, Cell, observable, predict
from theorylab.checks.boundary import Boundary
from theorylab.checks.law import Law
from theorylab.claim import Claim
from theorylab.errors import TheorylabError
from theorylab.inference import laws
from theorylab.parameters import Interval
from theorylab.simulation import Samples
from theorylab.verdict import Finding

# A parameter explains a sample when less than this change of it does.
MOST_MOVE = 0.5
# Values of a sample that are looked at while a law's parameters are fitted to it.
FITTED = 2000


def behaves_as(claim: Claim, cells: Sequence[Cell], samples: Sequence[Samples], finding: Finding) -> str | None:
    """Say which parameter value, or else which factor, would make the prediction agree.

    A parameter is named when moving it alone, within its domain, makes the prediction equal to the estimate;
    of several, the one that moves least in proportion. Otherwise the ratio of estimate to prediction is given.
    For a law it is the parameter that brings the distribution function nearest to the sample's, if it at least
    halves the distance; for a boundary the place of the transition.
    """
    kind = claim.check.kind
    if kind == "boundary":
        return _transition(cast(Boundary, claim.check).parameter, finding)
    if finding.estimate is None or finding.predicted is None:
        return None
    if kind == "law":
        return _law(claim, cells[0], samples[0], finding)
    if kind == "bound":
        return _extreme_case(finding)
    if kind == "identity":
        if finding.predicted == 0:
            return f"the other side is {finding.estimate:.6g} where the prediction is 0"
        return f"the other side behaves as {finding.estimate / finding.predicted:.6g} times the prediction"
    return _mean(claim, cells[-1], finding)


def _mean(claim: Claim, cell: Cell, finding: Finding) -> str:
    assert finding.estimate is not None
    assert finding.predicted is not None
    assert finding.interval is not None
    best: tuple[float, str] | None = None
    # The interval is wide (5 to 6 standard errors); the estimate is quoted with its own half-width.
    for name, start in _movable(claim, cell):
        values = [
            _solve(claim, cell, name, finding.predicted, target) for target in (finding.estimate, *finding.interval)
        ]
        if any(v is None for v in values):
            continue
        centre, low, high = (float(v) for v in values if v is not None)
        move = abs(centre / start - 1.0)
        if move < MOST_MOVE and (best is None or move < best[0]):
            best = (move, _as_if(name, centre, abs(high - low) / 2.0, start))
    if best is not None:
        return best[1]
    if finding.predicted == 0:
        return f"the sample behaves as if the prediction were {finding.estimate:.4g}, not 0"
    ratio = finding.estimate / finding.predicted
    half = abs(finding.interval[1] - finding.interval[0]) / 2.0 / abs(finding.predicted)
    return f"the sample behaves as if the prediction were {ratio:.4g} +- {half:.2g} times what it is"


def _law(claim: Claim, cell: Cell, samples: Samples, finding: Finding) -> str:
    check = cast(Law, claim.check)
    assert finding.estimate is not None
    assert finding.interval is not None
    values = np.sort(observable(samples, check.observable), axis=None)
    values = values[np.linspace(0, values.size - 1, min(values.size, FITTED)).astype(int)]

    def distances(name: str) -> Callable[[float], float]:
        def distance(factor: float) -> float:
            params = {**cell.params, name: cell.params[name] * factor}
            try:
                claim.point(params, without=check.variable)
                return laws.distance(values, check.cdf(claim.prediction, params))[0]
            except (TheorylabError, ValueError):
                return math.inf

        return distance

    # Parameters are told apart as far as the sample can see.
    radius = max(finding.interval[1] - finding.estimate, 1.0 / values.size)
    best: tuple[float, str] | None = None
    for name, start in _movable(claim, cell):
        found = _nearest(distances(name), radius)
        if found is None:
            continue
        least, factor, half = found
        if least < min(finding.estimate / 2.0, best[0] if best else math.inf):
            there = f"sup-distance {least:.2g} there, {finding.estimate:.2g} here"
            best = (least, f"{_as_if(name, start * factor, abs(start) * half, start)}: {there}")
    if best is not None:
        return best[1]
    return (
        f"the sample behaves as a law at sup-distance {finding.estimate:.3g} from the prediction "
        f"(at least {max(finding.discrepancy[0], 0.0):.3g})"
    )


def _transition(parameter: str, finding: Finding) -> str:
    assert finding.predicted is not None
    low, high = (finding.predicted * (1.0 + g) for g in finding.discrepancy)
    if finding.discrepancy[1] >= UNBOUNDED:
        return (
            f"the transition lies above {parameter} = {low:.4g}, {low / finding.predicted:.4g} times the one predicted"
        )
    if finding.discrepancy[0] <= -1.0:
        return (
            f"the transition lies below {parameter} = {high:.4g}, "
            f"{high / finding.predicted:.4g} times the one predicted"
        )
    place = "" if finding.estimate is None else f"at about {parameter} = {finding.estimate:.4g}, "
    return f"the transition lies {place}between {low:.4g} and {high:.4g} (not {finding.predicted:.4g})"


def _extreme_case(finding: Finding) -> str:
    if finding.discrepancy[0] == 0.0:
        return f"the bound is not attained: the nearest case stays {finding.discrepancy[1]:.3g} of it away"
    assert finding.estimate is not None
    assert finding.predicted is not None
    if finding.predicted == 0:
        return f"the extreme case is {finding.estimate:.6g} where the bound is 0"
    return f"the extreme case behaves as {finding.estimate / finding.predicted:.6g} times the prediction"


def _as_if(name: str, value: float, half: float, start: float) -> str:
    return f"the sample behaves as if {name} were {value:.4g} +- {half:.2g} (not {start:g})"


def _movable(claim: Claim, cell: Cell) -> Iterator[tuple[str, float]]:
    """Real parameters of the prediction that a sample may be explained by, with their values."""
    for parameter in claim.prediction.space.parameters:
        start = cell.params.get(parameter.name)
        if isinstance(parameter.domain, Interval) and isinstance(start, float) and start != 0:
            yield parameter.name, start


def _nearest(distance: Callable[[float], float], radius: float) -> tuple[float, float, float] | None:
    """Least distance, the factor on a parameter where it is, and half the range within `radius` of it; or None."""
    from scipy.optimize import brentq, minimize_scalar

    factors = np.linspace(1.0 - MOST_MOVE, 1.0 + MOST_MOVE, 21)
    seen = np.array([distance(f) for f in factors])
    i = int(np.argmin(seen))
    if not math.isfinite(seen[i]):
        return None
    low, high = factors[max(i - 1, 0)], factors[min(i + 1, factors.size - 1)]
    found = minimize_scalar(distance, bounds=(low, high), method="bounded", options={"xatol": 1e-4})
    least, factor = min((float(found.fun), float(found.x)), (float(seen[i]), float(factors[i])))

    def excess(f: float) -> float:
        return min(distance(f), 1.0) - least - radius

    ends = [
        float(brentq(excess, factor, end, xtol=1e-3)) if excess(end) > 0 else float(end)
        for end in (factors[0], factors[-1])
    ]
    return least, factor, (ends[1] - ends[0]) / 2.0


def _solve(claim: Claim, cell: Cell, name: str, predicted: float, target: float) -> float | None:
    """Value of one parameter at which the prediction, moved from `predicted`, reaches `target`; or None."""
    from scipy.optimize import brentq

    start = cell.params[name]

    def gap(factor: float) -> float:
        value, _ = predict(claim.prediction, {**cell.params, name: start * factor})
        flat = np.atleast_1d(value).ravel()
        # Of a vector prediction, the component that was reported.
        own, _ = predict(claim.prediction, cell.params)
        component = int(np.argmin(np.abs(np.atleast_1d(own).ravel() - predicted)))
        return float(flat[component]) - target

    return _bracketed(gap, brentq, start)


def _bracketed(gap: Callable[[float], float], solver: Callable[..., float], start: float) -> float | None:
    for spread in (1.02, 1.1, 1.3, 1.9):
        try:
            low, high = gap(1.0 / spread), gap(spread)
            if low * high <= 0 and low != high:
                return start * float(solver(gap, 1.0 / spread, spread, xtol=1e-10))
        except (TheorylabError, ValueError):
            # A neighbouring value may leave the domain: this parameter cannot explain the sample.
            return None
    return None
