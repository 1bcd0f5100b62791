"""Applications: theories turned on a user's own data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Application:
    """A theory applied to data.

    Parameters
    ----------
    name
        `family/verb`.
    summary
        One line.
    run
        `f(*inputs, **parameters) -> result`; inputs are paths or arrays.
    """

    name: str
    summary: str
    run: Callable[..., Any]
