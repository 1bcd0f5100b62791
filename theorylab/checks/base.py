"""What all checks share: cells to sample, intervals to compare with a margin, and a word on failure."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from theorylab.claim import Budget, Claim, Status
from theorylab.errors import DesignError
from theorylab.prediction import Prediction
from theorylab.simulation import Samples
from theorylab.verdict import Finding

if TYPE_CHECKING:
    from theorylab.inference.means import Estimate

Scale = Literal["relative", "absolute", "peak"]

# Stands for infinity in a finding, which travels as JSON.
UNBOUNDED = 1e300


@dataclass(frozen=True)
class Cell:
    """One parameter point at which trials are drawn; `params` are complete and validated."""

    params: Mapping[str, Any]

    def __str__(self) -> str:
        return describe(self.params)


@dataclass(frozen=True)
class Level:
    """Error probability of one interval at one look, and the fraction of the full budget used so far."""

    alpha: float
    spent: float

    def z(self, components: int = 1) -> float:
        """Two-sided normal quantile, when the level is split over a number of components."""
        from scipy.special import ndtri

        return float(-ndtri(self.alpha / (2.0 * max(components, 1))))


@dataclass(frozen=True)
class Check(ABC):
    """How a prediction and a simulation must meet."""

    kind: ClassVar[str]
    sampled: ClassVar[bool] = True

    @abstractmethod
    def statement(self) -> str:
        """The requirement in one line."""

    def cells(self, claim: Claim, budget: Budget) -> list[Cell]:
        """Where to draw trials: by default at the points."""
        return [Cell(claim.point(p)) for p in points_of(claim, budget)]

    def groups(self, claim: Claim, budget: Budget, cells: Sequence[Cell]) -> list[tuple[int, ...]]:
        """Which cells together give one finding: by default every cell decides by itself."""
        return [(i,) for i in range(len(cells))]

    @abstractmethod
    def assess(
        self,
        claim: Claim,
        prediction: Prediction,
        budget: Budget,
        cells: Sequence[Cell],
        samples: Sequence[Samples],
        level: Level,
    ) -> Finding:
        """Compare the samples of one group of cells with a prediction (the right one or a mutant)."""

    def separation(
        self, claim: Claim, mutant: Prediction, budget: Budget, cells: Sequence[Cell], samples: Sequence[Samples]
    ) -> float | None:
        """Distance of a mutant from the prediction on the margin's scale; None when there is no such number."""
        return None


@dataclass(frozen=True)
class Trend(Check):
    """A check of how something changes with the size: every point at every size of the budget, a finding a point."""

    size: str = "n"

    def cells(self, claim: Claim, budget: Budget) -> list[Cell]:
        """Every point at every size, the sizes of a point together and increasing."""
        sizes = sorted(budget.sizes or ())
        if len(sizes) < 4:
            raise DesignError(f"claim {claim.name}: {len(sizes)} sizes; a trend needs at least 4")
        for small, large in itertools.pairwise(sizes):
            if large < 2 * small:
                raise DesignError(f"claim {claim.name}: sizes {small} and {large} are less than a factor of 2 apart")
        return [Cell(claim.point({**p, self.size: n})) for p in points_of(claim, budget) for n in sizes]

    def groups(self, claim: Claim, budget: Budget, cells: Sequence[Cell]) -> list[tuple[int, ...]]:
        """The sizes of one point."""
        points = len(points_of(claim, budget))
        sizes = len(cells) // points
        return [tuple(range(i * sizes, (i + 1) * sizes)) for i in range(points)]


def points_of(claim: Claim, budget: Budget) -> Sequence[Mapping[str, Any]]:
    """The parameter points of a budget."""
    points = claim.points if budget.points is None else budget.points
    if not points:
        raise DesignError(f"claim {claim.name} has no parameter points")
    return points


def predict(
    prediction: Prediction, params: Mapping[str, Any], given: Mapping[str, np.ndarray] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Evaluate a prediction at a cell, with what was observed there."""
    own = {k: v for k, v in {**params, **(given or {})}.items() if k in prediction.space}
    return prediction.evaluate(**own)


def observable(samples: Samples, name: str) -> np.ndarray:
    """One observable of the samples; a clear error when the simulation has no such output."""
    if name not in samples:
        raise DesignError(f"the simulation returns no observable {name!r}; it returns {', '.join(samples)}")
    return samples[name]


def decide(low: float, high: float, margin: float) -> Status:
    """`holds` inside the margin, `fails` outside, `inconclusive` across."""
    if -margin < low and high < margin:
        return "holds"
    return "fails" if low > margin or high < -margin else "inconclusive"


def compare_means(
    *,
    where: str,
    difference: Estimate,
    value: np.ndarray,
    error: np.ndarray,
    scale: np.ndarray,
    budget: Budget,
    level: Level,
    extrapolation: float | np.ndarray = 0.0,
    notes: Sequence[str] = (),
    distrust: str | None = None,
) -> Finding:
    """Turn an estimate of (observable - prediction), of one or many components, into a finding.

    The level is split over the components. The prediction's own numerical error, and that of an extrapolation,
    widen the interval, for `holds` and for `fails`. The component that decides is reported: one that
    fails, else the one nearest its margin. Distrust of the mean (heavy tails) makes the finding inconclusive,
    unless intervals ten times as wide would decide the same.
    """
    value, error, scale = (np.broadcast_to(a, difference.value.shape) for a in (value, error, scale))
    alpha = level.alpha / max(difference.value.size, 1)
    low, high = difference.interval(alpha)
    last_low, last_high = difference.with_trials(1.0 / level.spent).interval(alpha)
    if distrust is not None:
        low, high = difference.value - 10 * (difference.value - low), difference.value + 10 * (high - difference.value)
    slack = error + extrapolation
    outer = (low - slack) / scale, (high + slack) / scale
    strain = np.maximum(np.abs(outer[0]), np.abs(outer[1]))
    failing = (outer[0] > budget.margin) | (outer[1] < -budget.margin)
    status: Status = "inconclusive"
    if np.any(failing):
        status = "fails"
        strain = np.where(failing, strain, -1.0)
    elif np.all(strain < budget.margin):
        status = "holds"
    worst = np.unravel_index(int(np.argmax(strain)), strain.shape) if strain.ndim else ()
    reasons = (distrust,) if distrust is not None and status == "inconclusive" else ()
    return Finding(
        where=where if not strain.ndim else f"{where} [component {','.join(str(int(i)) for i in worst)}]",
        status=status,
        estimate=float((value + difference.value)[worst]),
        interval=(float((value + low)[worst]), float((value + high)[worst])),
        predicted=float(value[worst]),
        prediction_error=float(error[worst]),
        discrepancy=(float(outer[0][worst]), float(outer[1][worst])),
        margin=budget.margin,
        detectable=float(np.max((last_high - last_low) / (2.0 * scale))),
        notes=(*notes, *reasons),
    )


def scale_of(kind: Scale, value: np.ndarray, name: str) -> np.ndarray:
    """What a margin of 1 means, in the observable's unit."""
    if kind == "absolute":
        return np.ones_like(value, dtype=float)
    size = np.abs(value) if kind == "relative" else np.max(np.abs(value)) * np.ones_like(value)
    if np.any(size == 0):
        raise DesignError(f"claim {name}: a relative margin needs a prediction that is not zero; use scale='absolute'")
    return np.asarray(size)


def describe(params: Mapping[str, Any]) -> str:
    """Parameters in one line; arrays by their ends."""
    parts = []
    for k, v in params.items():
        if isinstance(v, np.ndarray):
            parts.append(f"{k} = {v.flat[0]:g}..{v.flat[-1]:g}")
        else:
            parts.append(f"{k} = {v}" if isinstance(v, str) else f"{k} = {v:g}")
    return ", ".join(parts)
