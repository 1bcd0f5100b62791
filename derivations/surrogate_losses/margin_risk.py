r"""The conditional risk of any margin loss and its infima over scores of either sign.

Model: binary labels, a score z at each input, loss $\phi(z)$ of the label 1 and $\phi(-z)$ of the label -1, posterior
$\eta = (1+\theta)/2 \ge 1/2$ of the label 1: conditional risk $C(\eta, z) = \eta\phi(z) + (1-\eta)\phi(-z)$. The excess
$\tilde\psi(\theta) = \inf_{z \le 0} C(\eta, z) - \inf_z C(\eta, z)$ is the least regret of a score of the wrong sign (a
score of 0 counts as wrong). Scores may be bounded, $|z| \le B$.

No convexity is assumed: both infima are taken over a grid of scores, geometric towards 0 and towards $10^8$, and
refined around the lowest local minima by golden section. The error is what a grid of half the points changes, what the
last decade of scores still gains where the infimum is at infinity, and rounding.

Source: P. L. Bartlett, M. I. Jordan, J. D. McAuliffe, "Convexity, classification, and risk bounds", JASA 101 (2006),
definitions 1 and 2; bounded scores after P. Awasthi, A. Mao, M. Mohri, Y. Zhong, "H-consistency bounds for surrogate
loss minimizers", ICML 2022.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import mpmath
import numpy as np
import sympy as sp

from theorylab.errors import DomainError
from theorylab.symbolic import compile_expression, mpmath_function

Array = np.ndarray
z = sp.Symbol("z", real=True)
# Largest score tried where scores are free, and the score up to which they are evenly spaced too.
FARTHEST, NEAR, SPACING = 1e8, 50.0, 0.005
PER_DECADE, NEAREST = 150, 1e-8
# Local minima refined for each posterior, steps of golden section, and posteriors at a time.
LOWEST, SECTIONS, ROWS = 6, 80, 16
GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
# Rounding relative to the risk, and a drop from decade to decade, relative to the drop before, that has no end.
ROUNDING, ENDLESS = 1e-15, 0.9
# A refined minimum that far below the grid's is a pole.
POLE = 1e6


class MarginLoss:
    """A margin loss, from a SymPy expression of a real z.

    Parameters
    ----------
    expr
        phi(z).

    Raises
    ------
    DomainError
        On evaluation, where the expression is not real or not defined.
    """

    def __init__(self, expr: sp.Expr) -> None:
        self.expr = sp.sympify(expr).xreplace({s: z for s in sp.sympify(expr).free_symbols if s.name == "z"})
        if self.expr.free_symbols - {z}:
            raise DomainError(f"{self.expr}: a margin loss is an expression of z alone")
        self._array = compile_expression(self.expr, [z])

    @cached_property
    def _digits(self) -> Callable[[Any], Any]:
        return mpmath_function(self.expr, z)

    def __str__(self) -> str:
        return str(self.expr)

    def __call__(self, scores: Any) -> Array:
        """phi at each score; infinite where it overflows."""
        scores = np.asarray(scores, dtype=float)
        with np.errstate(all="ignore"):
            values = np.array(np.broadcast_to(self._array(scores), scores.shape))
        if values.dtype.kind == "c":
            values = np.where(values.imag == 0.0, values.real, np.nan)
        # What double precision cannot say: an overflow on the way to a finite value, or no value at all.
        flat, at = values.reshape(-1), scores.reshape(-1)
        for i in np.flatnonzero(~np.isfinite(flat)):
            flat[i] = self._slowly(float(at[i]))
        return np.asarray(flat.reshape(scores.shape), dtype=float)

    def _slowly(self, score: float) -> float:
        try:
            with mpmath.workdps(30):
                found = self._digits(mpmath.mpf(score))
        except (ZeroDivisionError, ValueError, OverflowError, TypeError, NotImplementedError):
            raise DomainError(f"the loss {self} is not defined at z = {score:g}") from None
        if isinstance(found, mpmath.mpc | complex) and found.imag != 0:
            raise DomainError(f"the loss {self} is not real at z = {score:g}")
        value = float(found.real)
        if math.isnan(value):
            raise DomainError(f"the loss {self} is not defined at z = {score:g}")
        return value


def _sizes(bound: float) -> Array:
    """Sizes |z| of the scores tried, from 0."""
    top = bound if bound else FARTHEST
    decades = math.log10(top / NEAREST)
    tail = np.geomspace(NEAREST, top, max(2, int(PER_DECADE * decades)) // 2 * 2 + 1)
    even = SPACING * np.arange(1, int(min(NEAR, top) / SPACING) + 1)
    sizes = np.unique(np.concatenate([[0.0], even, tail, np.linspace(0.0, min(top, 1.0), 201)]))
    # Of points that differ by rounding one will do.
    sizes = sizes[np.concatenate([[True], np.diff(sizes) > 1e-9 * sizes[1:]])]
    # An odd number: every other point includes both ends.
    return np.asarray(sizes if len(sizes) % 2 else np.delete(sizes, 1))


@dataclass(frozen=True)
class Risk:
    """The conditional risk of a margin loss over scores of bounded size.

    Parameters
    ----------
    loss
        The margin loss.
    bound
        Largest size of a score; 0 for any.

    Raises
    ------
    DomainError
        For a loss that is not real, or not bounded below.
    """

    loss: MarginLoss
    bound: float = 0.0

    def __post_init__(self) -> None:
        self._demand_real()
        self._demand_below()

    @cached_property
    def sizes(self) -> Array:
        """Sizes of the scores tried, float[m]."""
        return _sizes(self.bound)

    @cached_property
    def _table(self) -> tuple[Array, Array]:
        return self.loss(self.sizes), self.loss(-self.sizes)

    def _demand_real(self) -> None:
        """Name a plain score where the loss has no value."""
        top = self.bound or FARTHEST
        for score in (0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 10.0, -10.0, self.bound, -self.bound):
            if abs(score) <= top:
                self.loss(score)

    def _demand_below(self) -> None:
        for sign, values in zip((1.0, -1.0), self._table):
            if np.isneginf(values).any():
                where = sign * self.sizes[int(np.isneginf(values).argmax())]
                raise DomainError(f"the loss {self.loss} is not bounded below: it is -infinity at z = {where:g}")
            if self.bound:
                continue
            least = [values[self.sizes <= top].min() for top in (1e6, 1e7, 1e8)]
            before, after = least[0] - least[1], least[1] - least[2]
            if after > 0.0 and after >= ENDLESS * before and after > ROUNDING * abs(least[2]):
                raise DomainError(
                    f"the loss {self.loss} is not bounded below: it falls from {least[1]:.4g} to {least[2]:.4g} "
                    f"between z = {sign * 1e7:g} and {sign * 1e8:g}, without end"
                )

    def lowest(self, eta: Array, sign: float, every: int = 1) -> tuple[Array, Array]:
        """Infima of C(eta, z) over the scores z of a sign, and 0, and the scores nearest to 0 that reach them.

        Parameters
        ----------
        eta : float[m]
        sign
            1 or -1.
        every
            Take each so many-th score of the grid.

        Returns
        -------
        value, score : float[m]
        """
        at = np.concatenate([self._minima(eta[i : i + ROWS], sign, every) for i in range(0, len(eta), ROWS)])
        sizes, eta = self.sizes[::every], eta[:, None]
        low, high = sizes[np.maximum(at - 1, 0)], sizes[np.minimum(at + 1, len(sizes) - 1)]
        place = sizes[at]
        value = grid = _mixed(eta, *(side[::every][at] for side in self._table[:: int(sign)]))
        for _ in range(SECTIONS):
            inner = np.stack([high - GOLDEN * (high - low), low + GOLDEN * (high - low)])
            found = _mixed(eta, self.loss(sign * inner), self.loss(-sign * inner))
            for tried, height in zip(inner, found):
                better = height < value
                value, place = np.where(better, height, value), np.where(better, tried, place)
            left = found[0] <= found[1]
            low, high = np.where(left, low, inner[0]), np.where(left, inner[1], high)
        rows, best = np.arange(len(eta)), value.argmin(axis=1)
        least, where, before = value[rows, best], place[rows, best], grid.min(axis=1)
        if np.any(pole := before - least > POLE * (1.0 + np.abs(before))):
            raise DomainError(f"the loss {self.loss} is not bounded below near z = {sign * where[pole.argmax()]:.6g}")
        return least, sign * where

    def _minima(self, eta: Array, sign: float, every: int) -> Array:
        """Places of the lowest local minima on the grid, int[m, LOWEST], by increasing size of the score."""
        risk = _mixed(eta[:, None], *(side[::every] for side in self._table[:: int(sign)]))
        # Of equal neighbours the one nearer to 0.
        padded = np.pad(risk, ((0, 0), (1, 1)), constant_values=np.inf)
        heights = np.where((risk < padded[:, :-2]) & (risk <= padded[:, 2:]), risk, np.inf)
        at = np.argpartition(heights, LOWEST, axis=1)[:, :LOWEST]
        # Where there are fewer, the lowest again.
        at = np.where(np.isfinite(np.take_along_axis(heights, at, axis=1)), at, heights.argmin(axis=1)[:, None])
        return np.sort(at, axis=1)

    def _at_infinity(self, eta: Array, score: Array) -> Array:
        """What the last decade of scores gains, where the infimum is at the largest score tried."""
        if self.bound:
            return np.zeros(len(eta))
        last = np.abs(score) >= 0.9 * FARTHEST
        ends = [_mixed(eta, self.loss(s), self.loss(-s)) for s in (0.1 * score, score)]
        return np.where(last, np.abs(ends[0] - ends[1]), 0.0)

    def excess(self, theta: Any) -> tuple[Array, Array, Array, Array]:
        """The least regret of the wrong sign, its error, and the scores that reach the infima.

        Parameters
        ----------
        theta : float[m]
            In [0, 1].

        Returns
        -------
        value, error, wrong, right : float[m]
        """
        eta = (1.0 + np.asarray(theta, dtype=float)) / 2.0
        (wrong, below), (right, above) = (self.lowest(eta, sign) for sign in (-1.0, 1.0))
        rough = [self.lowest(eta, sign, 2)[0] for sign in (-1.0, 1.0)]
        error = np.abs(rough[0] - wrong) + np.abs(rough[1] - right)
        error += self._at_infinity(eta, below) + self._at_infinity(eta, above)
        error += ROUNDING * (1.0 + np.abs(wrong) + np.abs(right))
        return np.maximum(wrong - right, 0.0), error, below, above

    def regret(self, theta: float) -> float:
        """The least regret of the wrong sign at one theta."""
        eta = np.array([(1.0 + theta) / 2.0])
        return max(0.0, float(self.lowest(eta, -1.0)[0][0] - self.lowest(eta, 1.0)[0][0]))


def _mixed(eta: Array, own: Array, other: Array) -> Array:
    """eta own + (1 - eta) other; an infinite loss of probability 0 does not count."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(eta == 1.0, own, eta * own + (1.0 - eta) * other))
