"""Parameter values on the command line: numbers, lists and grids."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from theorylab.errors import UsageError
from theorylab.parameters import Choices, Integers, Parameter, Space

FORM = "a number, a list 1,2,5 or a grid START:STOP:COUNT[:log]"
MOST_POINTS = 1_000_000


def parse(assignments: Iterable[str], space: Space) -> dict[str, Any]:
    """Parse `name=value` assignments against a space; lists and grids become arrays."""
    values: dict[str, Any] = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"-p {text}: write NAME=VALUE, where VALUE is {FORM}")
        if name in values:
            raise UsageError(f"parameter {name} is given twice")
        values[name] = parse_value(value, space[name])
    if (count := math.prod(np.size(v) for v in values.values())) > MOST_POINTS:
        raise UsageError(f"the lists and grids combine to {count} points; at most {MOST_POINTS} are allowed")
    return values


def parse_value(text: str, parameter: Parameter) -> Any:
    """One value: a scalar, or an array for a list or a grid."""
    where = f"{parameter.name}={text}"
    if isinstance(parameter.domain, Choices):
        parts = text.split(",")
        return np.array(parts) if len(parts) > 1 else text
    if ":" in text:
        return _grid(text, where, isinstance(parameter.domain, Integers))
    parts = text.split(",")
    if any(not part.strip() for part in parts):
        raise UsageError(f"{where}: empty value; write {FORM}")
    numbers = [_number(part, where) for part in parts]
    return np.array(numbers) if len(numbers) > 1 else numbers[0]


def _grid(text: str, where: str, integers: bool) -> np.ndarray:
    parts = text.split(":")
    spacing = parts[3] if len(parts) == 4 else "linear"
    if len(parts) not in (3, 4) or spacing not in ("log", "linear"):
        raise UsageError(f"{where}: a grid is START:STOP:COUNT, with :log for equal ratios")
    start, stop, count = (_number(part, where) for part in parts[:3])
    if count < 1 or count != int(count) or count > MOST_POINTS:
        empty = "the grid is empty: " if count < 1 else ""
        raise UsageError(f"{where}: {empty}COUNT = {parts[2]} must be a whole number from 1 to {MOST_POINTS}")
    if stop < start:
        raise UsageError(f"{where}: the grid is reversed; write {parts[1]}:{parts[0]}:{':'.join(parts[2:])}")
    if count > 1 and start == stop:
        raise UsageError(f"{where}: the grid has no width: START equals STOP")
    if spacing == "log" and start <= 0:
        raise UsageError(f"{where}: a log grid needs START > 0")
    make = np.geomspace if spacing == "log" else np.linspace
    values = make(start, stop, int(count))
    return np.unique(np.round(values)) if integers else values


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise UsageError(f"{where}: {text!r} is not a number; write {FORM}") from None
    if not np.isfinite(value):
        raise UsageError(f"{where}: {text!r} is not a finite number")
    return value
