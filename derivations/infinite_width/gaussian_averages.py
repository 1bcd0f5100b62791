r"""Averages over one normal variable, and over two: what recursions of single inputs and of pairs need.

$\langle F \rangle_K = E F(z)$, $z \sim N(0, K)$, by Gauss-Legendre rules between the kinks of the activation; in two
dimensions by products of trapezoidal rules, which converge exponentially for smooth activations. Each rule comes in a
fine and in a coarse form: the error of whatever is computed is the difference that these make to the end of it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from theorylab.derivations.infinite_width.activations import Activation, activation
from theorylab.prediction import Value

# Half the range in standard deviations, and panels of a rule in one dimension.
REACH, PANELS = 12.0, 48
# Points of a panel, and steps of the rule in two dimensions, for the fine and the coarse form.
ORDERS, STEPS = (16, 11), (0.2, 0.3)
# What rounding may do to sums of so many terms.
ROUNDING = 1e-13


@cache
def named(name: str) -> Activation:
    """The activation of a name, built once."""
    return activation(name)


class Averages:
    """Averages over z ~ N(0, K) of one activation.

    Parameters
    ----------
    act
        The activation.
    K
        Variance, positive.
    fine
        Which of the two rules.
    """

    def __init__(self, act: Activation, K: float, fine: bool) -> None:
        self.K = K
        self.x, self._weights = _rule(tuple(kink / np.sqrt(K) for kink in act.kinks), fine)
        self.phi = act(np.sqrt(K) * self.x)
        self._act = act

    def mean(self, values: np.ndarray) -> float:
        """Average of values at the points."""
        return float(self._weights @ values)

    @property
    def slope(self) -> np.ndarray:
        """phi' at the points."""
        return self._act.slope(np.sqrt(self.K) * self.x)

    @property
    def second(self) -> float:
        """<phi^2>."""
        return self.mean(self.phi**2)

    @property
    def fourth(self) -> float:
        """<phi^4>."""
        return self.mean(self.phi**4)

    @property
    def parallel(self) -> float:
        """d<phi^2>/dK = <phi^2 (z^2 - K)>/(2 K^2)."""
        return self.mean(self.phi**2 * (self.x**2 - 1.0)) / (2.0 * self.K)

    @property
    def perpendicular(self) -> float:
        """<phi'^2>."""
        return self.mean(self.slope**2)

    @property
    def curvature(self) -> float:
        """4 d^2<phi^2>/dK^2 = <phi^2 (z^4 - 6 K z^2 + 3 K^2)>/K^4."""
        return self.mean(self.phi**2 * (self.x**4 - 6.0 * self.x**2 + 3.0)) / self.K**2


def measured(compute: Callable[[bool], Any]) -> Value:
    """A computation with the fine rule, and the difference that the coarse one makes as its error."""
    fine, coarse = (np.asarray(compute(choice), dtype=float) for choice in (True, False))
    return Value(fine, np.abs(fine - coarse) + ROUNDING * np.max(np.abs(fine)))


@lru_cache(maxsize=64)
def _rule(kinks: tuple[float, ...], fine: bool) -> tuple[np.ndarray, np.ndarray]:
    points, weights = np.polynomial.legendre.leggauss(ORDERS[0 if fine else 1])
    inside = [k for k in kinks if abs(k) < REACH]
    edges = np.unique(np.concatenate([np.linspace(-REACH, REACH, PANELS + 1), inside]))
    x = np.concatenate([(high + low) / 2 + (high - low) / 2 * points for low, high in pairwise(edges)])
    w = np.concatenate([(high - low) / 2 * weights for low, high in pairwise(edges)])
    density = np.exp(-0.5 * x * x) / np.sqrt(2.0 * np.pi)
    return x, w * density


@cache
def plane(fine: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points (x, y) and weights of two independent standard normals, by trapezoidal rules, flattened."""
    step = STEPS[0 if fine else 1]
    line = step * np.arange(-round(REACH / step), round(REACH / step) + 1)
    weights = step * np.exp(-0.5 * line * line) / np.sqrt(2.0 * np.pi)
    x, y = np.meshgrid(line, line, indexing="ij")
    return x.ravel(), y.ravel(), np.outer(weights, weights).ravel()
