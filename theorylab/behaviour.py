"""What a sample that refutes a prediction behaves like, in words that a theorist can use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from theorylab.checks.base import Cell, predict
from theorylab.claim import Claim
from theorylab.errors import TheorylabError
from theorylab.parameters import Interval
from theorylab.verdict import Finding

if TYPE_CHECKING:
    from collections.abc import Callable


def behaves_as(claim: Claim, cells: Sequence[Cell], finding: Finding) -> str | None:
    """Say which parameter value, or else which factor, would make the prediction agree.

    A parameter is named when moving it alone, within its domain, makes the prediction equal to the estimate;
    of several, the one that moves least in proportion. Otherwise the ratio of estimate to prediction is given.
    """
    if finding.estimate is None or finding.predicted is None:
        return None
    kind = claim.check.kind
    if kind in ("bound", "identity", "law"):
        return _plain_words(kind, finding)
    if finding.interval is None:
        return f"the sample behaves as if the prediction were {finding.estimate:.4g}"
    best: tuple[float, str] | None = None
    # The interval is wide (5 to 6 standard errors); the estimate is quoted with its own half-width.
    for parameter in claim.prediction.space.parameters:
        name = parameter.name
        start = cells[-1].params.get(name)
        if not isinstance(parameter.domain, Interval) or not isinstance(start, float) or start == 0:
            continue
        values = [
            _solve(claim, cells[-1], name, finding.predicted, target)
            for target in (finding.estimate, *finding.interval)
        ]
        if any(v is None for v in values):
            continue
        centre, low, high = (float(v) for v in values if v is not None)
        move = abs(centre / start - 1.0)
        if move < 0.5 and (best is None or move < best[0]):
            best = (
                move,
                f"the sample behaves as if {name} were {centre:.4g} +- {abs(high - low) / 2:.2g} (not {start:g})",
            )
    if best is not None:
        return best[1]
    if finding.predicted == 0:
        return f"the sample behaves as if the prediction were {finding.estimate:.4g}, not 0"
    ratio = finding.estimate / finding.predicted
    half = abs(finding.interval[1] - finding.interval[0]) / 2.0 / abs(finding.predicted)
    return f"the sample behaves as if the prediction were {ratio:.4g} +- {half:.2g} times what it is"


def _plain_words(kind: str, finding: Finding) -> str:
    if kind == "law":
        return (
            f"the sample behaves as a law at sup-distance {finding.estimate:.3g} from the prediction "
            f"(at least {max(finding.discrepancy[0], 0.0):.3g})"
        )
    assert finding.estimate is not None
    assert finding.predicted is not None
    if finding.predicted == 0:
        return f"the other side is {finding.estimate:.6g} where the prediction is 0"
    side = "the extreme case" if kind == "bound" else "the other side"
    return f"{side} behaves as {finding.estimate / finding.predicted:.6g} times the prediction"


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
