"""What the registry holds, for the tests that walk over all of it."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Any

from theorylab import registry
from theorylab.claim import Claim
from theorylab.parameters import Choices, Integers, Interval, Observed, Parameter
from theorylab.prediction import ClosedForm, Implicit

ENTRIES = registry.select([], controls=True)
NAMES = [e.name for e in ENTRIES]


def closed_forms() -> dict[str, ClosedForm | Implicit]:
    """Every distinct closed form and implicit prediction, by the first claim that uses it, its other side included."""
    found: dict[int, tuple[str, ClosedForm | Implicit]] = {}
    for entry in ENTRIES:
        for label, side in _sides(entry.claim):
            if isinstance(side, ClosedForm | Implicit) and not entry.control:
                found.setdefault(id(side), (entry.name + label, side))
    return dict(found.values())


def _sides(claim: Claim) -> Iterator[tuple[str, Any]]:
    yield "", claim.prediction
    yield " (other side)", getattr(claim.check, "other", None)


def points(prediction: ClosedForm | Implicit, count: int, seed: str) -> Iterator[dict[str, Any]]:
    """The declared corners, then random points of the domain, half of them with a parameter near one of its ends."""
    source = random.Random(seed)
    yield from (dict(c) for c in prediction.corners)
    drawn = 0
    for _ in range(300 * count):
        parameters = [p for p in prediction.space.parameters if not isinstance(p.domain, Observed)]
        point = {p.name: _draw(p, source, near=source.random() < 0.25) for p in parameters}
        try:
            prediction.space.validate(point)
        except ValueError:
            continue
        yield point
        drawn += 1
        if drawn == count:
            return


def _draw(parameter: Parameter, source: random.Random, near: bool) -> Any:
    domain = parameter.domain
    if isinstance(domain, Choices):
        return source.choice(domain.options)
    if isinstance(domain, Integers):
        return source.randint(domain.low, int(min(domain.high, domain.low + 60)))
    assert isinstance(domain, Interval)
    if math.isinf(domain.low) and math.isinf(domain.high):
        return source.uniform(-5.0, 5.0)
    if math.isinf(domain.high):
        return domain.low + 10.0 ** source.uniform(-8.0 if near else -2.0, 3.0 if near else 1.5)
    width = domain.high - domain.low
    if near:
        step = width * 10.0 ** source.uniform(-8.0, -2.0)
        return domain.low + step if source.random() < 0.5 else domain.high - step
    return source.uniform(domain.low, domain.high)
