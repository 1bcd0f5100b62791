"""Eigenvalues with multiplicities, and sums over them without loss of digits, for `eigenframework`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from theorylab.errors import DomainError


class Spectrum:
    """Eigenvalues with multiplicities.

    Parameters
    ----------
    eigenvalues : array_like[M]
        Not negative, in any order, not all zero. Those that are zero are never learned.
    multiplicities : array_like[M], optional
        Positive, whole or not; one each by default.

    Attributes
    ----------
    eigenvalues, multiplicities : float64[M]
        As given.
    rank : float
        Number of eigenvalues that are not zero, with multiplicity.

    Raises
    ------
    DomainError
        One line for a spectrum that is empty, zero, not finite or negative, and for multiplicities that do not fit.
    """

    def __init__(self, eigenvalues: Any, multiplicities: Any = None) -> None:
        values = vector("the eigenvalues", eigenvalues)
        weights = np.ones_like(values) if multiplicities is None else vector("the multiplicities", multiplicities)
        if weights.size != values.size:
            raise DomainError(f"{weights.size} multiplicities for {values.size} eigenvalues: give one for each")
        if np.any(values < 0.0):
            i = int(np.argmin(values))
            raise DomainError(f"eigenvalue {values[i]:g} (number {i}) is negative: a kernel has none below 0")
        if np.any(weights <= 0.0):
            i = int(np.argmin(weights))
            raise DomainError(f"multiplicity {weights[i]:g} (number {i}): take multiplicities above 0")
        if not np.any(values):
            raise DomainError("all eigenvalues are 0: nothing can be learned")
        self.eigenvalues, self.multiplicities = values, weights
        order = np.argsort(-values, kind="stable")
        order = order[: np.count_nonzero(values)]
        self._descending = values[order]
        self._weights = None if multiplicities is None else weights[order]
        # Number of eigenvalues, with multiplicity, before each place.
        counts = np.arange(order.size + 1.0) if self._weights is None else np.append(0.0, np.cumsum(self._weights))
        self._counts, self.rank = counts, float(counts[-1])

    def split(self, gamma: float) -> Split:
        """The balance at a gamma > 0; see `Split`."""
        values = self._descending
        j = values.size - int(np.searchsorted(values[::-1], gamma, side="right"))
        above, below = gamma / (values[:j] + gamma), values[j:] / (values[j:] + gamma)
        if self._weights is None:
            missed, seen = float(above.sum()), float(below.sum())
            square = float(above @ above) + float(below @ below)
        else:
            upper, lower = self._weights[:j] * above, self._weights[j:] * below
            missed, seen = float(upper.sum()), float(lower.sum())
            square = float(upper @ above) + float(lower @ below)
        return Split(float(self._counts[j]), missed, seen, missed + seen - square)

    def place(self, count: float) -> float:
        """The eigenvalue with `count` others before it; the last one where there are not so many."""
        i = int(np.searchsorted(self._counts[1:], count, side="right"))
        return float(self._descending[min(i, self._descending.size - 1)])


class Split(NamedTuple):
    """Number of eigenvalues above gamma, the sum of 1 - L over them, of L over the others, and p = sum L (1 - L)."""

    larger: float
    missed: float
    seen: float
    spread: float

    def short(self, target: float) -> float:
        """`target` minus sum L, without loss of digits."""
        left, right = self.sides(target, 0.0)
        return left - right

    def sides(self, target: float, spare: float) -> tuple[float, float]:
        """The two sides of sum L + spare = target, both sums of positive terms."""
        excess = self.larger - target
        return self.missed + max(-excess, 0.0), self.seen + spare + max(excess, 0.0)


def vector(what: str, values: Any) -> np.ndarray:
    """Finite numbers as float64[M], or one line on what is wrong with them."""
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise DomainError(f"{what} must be numbers") from None
    if array.ndim != 1 or array.size == 0:
        raise DomainError(f"{what} must be a list of numbers, not an array of shape {array.shape}")
    if not np.all(np.isfinite(array)):
        i = int(np.argmin(np.isfinite(array)))
        raise DomainError(f"{what} must be finite: number {i} is {array[i]:g}")
    return array
