"""Minima of functions of one variable from their values alone, in mpmath's working precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def least(function: Callable[[Any], Any], low: float, high: float, width: float) -> Any:
    """Place of the minimum of a function that falls and then rises, to within `width`, by golden sections.

    The values near a minimum differ by the square of the distance: twice the digits of `width` are needed to tell them
    apart.
    """
    import mpmath as mp

    a, b = mp.mpf(low), mp.mpf(high)
    golden = (mp.sqrt(5) - 1) / 2
    left, right = b - golden * (b - a), a + golden * (b - a)
    f, g = function(left), function(right)
    while b - a > width:
        if f < g:
            b, right, g = right, left, f
            left = b - golden * (b - a)
            f = function(left)
        else:
            a, left, f = left, right, g
            right = a + golden * (b - a)
            g = function(right)
    return (a + b) / 2
