"""What a parametrisation of a wide network does: unstable, trivial, kernel regime or feature learning."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivations.infinite_width.abc_parametrization import (
    CONVENTIONS,
    CRITICAL,
    RATE,
    at,
    critical_rate,
    derivation,
    parameters,
    slowest,
)
from theorylab.derivations.infinite_width.power_counting import count
from theorylab.errors import DomainError
from theorylab.parameters import Space
from theorylab.prediction import Numerical


@dataclass(frozen=True)
class Condition:
    """One of the conditions of stability.

    Parameters
    ----------
    what
        What would grow or vanish.
    formula
        Its decay exponent in the exponents of the model.
    value
        The number.
    vanishing
        Whether it may be positive.
    """

    what: str
    formula: str
    value: float
    vanishing: bool

    @property
    def met(self) -> bool:
        """Whether the quantity stays of order 1, or vanishes where it may."""
        return abs(self.value) <= CRITICAL or (self.vanishing and self.value > 0)

    def __str__(self) -> str:
        verb, needed = ("grows", ">=" if self.vanishing else "=") if self.value < 0 else ("vanishes", "=")
        return (
            f"{self.what} {verb} like n^{-self.value:g}: its exponent {self.formula} = {self.value:g} "
            f"must be {needed} 0"
        )


class UnstableParametrization(DomainError):
    """A parametrisation in which something blows up, or the signal vanishes, as the width grows."""


@dataclass(frozen=True)
class Classification:
    """A stable parametrisation.

    Parameters
    ----------
    kind
        "feature learning", "kernel" or "trivial".
    r
        Decay exponent of the change of the last hidden layer.
    output
        Decay exponent of the change of the output, 0 unless trivial.
    layers
        Decay exponents of the change of every hidden layer, 1..L.
    """

    kind: str
    r: float
    output: float
    layers: tuple[float, ...]


def conditions(a: Sequence[float], b: Sequence[float], c: float) -> tuple[Condition, ...]:
    """The conditions of stability with their exponents, for a network with len(a) - 1 hidden layers.

    Raises
    ------
    DomainError
        When the exponents are not L + 1 >= 2 pairs of finite numbers, and a finite c.
    """
    a, b, c = _numbers(a, b, c)
    found = count(a, b, c, 3, min, 0.5)
    top = len(a)
    start = [
        Condition(
            f"the preactivation of layer {l + 1} at the start",
            f"a_{l + 1} + b_{l + 1}" + (" - 1/2" if l else ""),
            value,
            vanishing=False,
        )
        for l, value in enumerate(found.preactivations)
    ]
    return (
        *start,
        Condition("the output at the start", f"a_{top} + b_{top} - 1/2", found.output, vanishing=True),
        Condition("the change of the features", "r", found.features[-1], vanishing=True),
        Condition("the change of the output by the readout", f"2 a_{top} + c - 1", found.by_readout, vanishing=True),
        Condition(
            "the change of the output by the features", f"a_{top} + b_{top} + r - 1", found.by_features, vanishing=True
        ),
    )


def classify(a: Sequence[float], b: Sequence[float], c: float) -> Classification:
    """What a network in this parametrisation does as its width grows.

    Parameters
    ----------
    a, b : float[L + 1]
        Exponents of multipliers and standard deviations, hidden layers first, the readout last.
    c
        Exponent of the learning rate.

    Raises
    ------
    UnstableParametrization
        Naming the first exponent that violates stability.
    DomainError
        When the exponents are not L + 1 >= 2 pairs of finite numbers, and a finite c.
    """
    if broken := [condition for condition in conditions(a, b, c) if not condition.met]:
        raise UnstableParametrization(f"this parametrisation is not stable: {broken[0]}{_mend(a, b, broken[0])}")
    a, b, c = _numbers(a, b, c)
    found = count(a, b, c, 3, min, 0.5)
    r, moved = found.features[-1], min(found.by_readout, found.by_features)
    regime = "trivial" if moved > CRITICAL else "kernel" if r > CRITICAL else "feature learning"
    return Classification(regime, r, moved, found.features)


def kind(a: Sequence[float], b: Sequence[float], c: float) -> str:
    """As `classify`, but in a word: "unstable", "trivial", "kernel" or "feature learning"."""
    return classify(a, b, c).kind if all(condition.met for condition in conditions(a, b, c)) else "unstable"


def _mend(a: Sequence[float], b: Sequence[float], broken: Condition) -> str:
    """Where the rate is to blame: the smallest c that keeps features and output from blowing up."""
    if broken.what.endswith("at the start"):
        return ""
    depth = len(a) - 1
    readout, last = (p[-1].symbol for p in parameters(depth))
    m = slowest(depth)
    features_held = sp.Max(1 - readout - last - m, (1 - m) / 2 - readout)
    return f"; c >= {float(at(sp.Max(critical_rate(depth), features_held), a, b, 0)):g} would do"


def _numbers(a: Sequence[float], b: Sequence[float], c: float) -> tuple[list[float], list[float], float]:
    try:
        multipliers, deviations, rate = [float(x) for x in a], [float(x) for x in b], float(c)
    except (TypeError, ValueError):
        raise DomainError("a and b are lists of numbers, hidden layers first, and c is a number") from None
    if not len(multipliers) == len(deviations) >= 2:
        raise DomainError(
            f"{len(multipliers)} exponents a and {len(deviations)} exponents b: give one of each for every hidden "
            "layer and the readout, two at least"
        )
    if not all(map(math.isfinite, (*multipliers, *deviations, rate))):
        raise DomainError("exponents are finite numbers")
    return multipliers, deviations, rate


def _outcome(**at: Any) -> tuple[np.ndarray, np.ndarray]:
    """Stable, trained and feature learning, as 0 or 1 each."""
    a, b = ([float(at[f"{letter}{l}"]) for l in (1, 2, 3)] for letter in "ab")
    found = kind(a, b, float(at["c"]))
    flags = [found != "unstable", found in ("kernel", "feature learning"), found == "feature learning"]
    return np.array(flags, dtype=float), np.zeros(3)


OUTCOME = Numerical(
    function=_outcome,
    space=Space([*parameters(2)[0], *parameters(2)[1], RATE]),
    quantity="stable, trained, feature learning (0 or 1 each)",
    conventions={**CONVENTIONS, "trained": "stable and not trivial"},
    derivation=derivation(2),
)
