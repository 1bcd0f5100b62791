"""Values with their first two derivatives in one variable, carried through arithmetic: exact to rounding."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Jet(NamedTuple):
    """A value with its first and second derivative, arrays of one shape."""

    value: Any
    first: Any
    second: Any

    def __add__(self, other: Any) -> Jet:
        if isinstance(other, Jet):
            return Jet(*(a + b for a, b in zip(self, other)))
        return Jet(self.value + other, self.first, self.second)

    def __sub__(self, other: Jet) -> Jet:
        return self + other * -1.0

    def __mul__(self, other: Any) -> Jet:
        if not isinstance(other, Jet):
            return Jet(*(a * other for a in self))
        u, v = self, other
        return Jet(
            u.value * v.value,
            u.first * v.value + u.value * v.first,
            u.second * v.value + 2.0 * (u.first * v.first) + u.value * v.second,
        )

    def __truediv__(self, other: Jet) -> Jet:
        value = 1.0 / other.value
        return self * other.through(value, -(value**2), 2.0 * value**3)

    def through(self, value: Any, slope: Any, curvature: Any) -> Jet:
        """A function of this, from its value and its first two derivatives there."""
        return Jet(value, slope * self.first, curvature * self.first**2 + slope * self.second)

    def sqrt(self) -> Jet:
        """Square root of a positive value."""
        root = np.sqrt(self.value)
        return self.through(root, 0.5 / root, -0.25 / root**3)

    def tanh(self) -> Jet:
        """Hyperbolic tangent."""
        value = np.tanh(self.value)
        slope = 1.0 / np.cosh(np.minimum(self.value, 300.0)) ** 2
        return self.through(value, slope, -2.0 * value * slope)
