r"""The semicircle law as an object, to all digits at its edges and near the real line.

With x = -2 s cos(u/2) the distribution function is (u - sin u)/(2 pi), and with z = 2 s cosh(eta + i phi) the Stieltjes
transform is exp(-eta - i phi)/s. Both need x - 2 s and x + 2 s alone, which are exact to a rounding.

Source
    Wigner, Ann. Math. 67 (1958) 325; Kahan, in "The State of the Art in Numerical Analysis" (1987), for arcosh of
    complex arguments without cancellation.
"""

from __future__ import annotations

from math import comb, isfinite
from typing import Any

import numpy as np

from theorylab.derivations.random_matrix.laws import Law
from theorylab.errors import DomainError
from theorylab.prediction import PredictionError

# Below SMALL u - sin u is summed as a series of so many terms.
SMALL, TERMS = 1.0, 9
# Newton's method on a convex function from the cubic's root: three to six steps.
STEPS = 50


class Semicircle(Law):
    """The limiting spectrum of a Gaussian matrix whose off-diagonal entries have variance s^2/P.

    Parameters
    ----------
    s
        Half the radius, which is the standard deviation.

    Raises
    ------
    DomainError
        Unless s is positive and finite.
    """

    def __init__(self, s: float = 1.0) -> None:
        if not (isfinite(s) and s > 0.0):
            raise DomainError(f"s = {s:g} is not a standard deviation: it must be positive and finite")
        self.s = float(s)

    def support(self) -> tuple[float, float]:
        """-2 s to 2 s."""
        return -2.0 * self.s, 2.0 * self.s

    def pdf(self, x: Any) -> np.ndarray:
        """Density sqrt(4 s^2 - x^2) / (2 pi s^2)."""
        return density(x=x, s=self.s)

    def cdf(self, x: Any) -> np.ndarray:
        """P(X <= x)."""
        return distribution(x=x, s=self.s)

    def sf(self, x: Any) -> np.ndarray:
        """P(X > x)."""
        return distribution(x=-np.asarray(x, dtype=float), s=self.s)

    def ppf(self, q: Any) -> np.ndarray:
        """The x with P(X <= x) = q.

        Raises
        ------
        DomainError
            For q outside [0, 1].
        """
        q = np.asarray(q, dtype=float)
        if not np.all((q >= 0.0) & (q <= 1.0)):
            raise DomainError(f"q = {q[~((q >= 0.0) & (q <= 1.0))].flat[0]:g} is not a probability in [0, 1]")
        angle = _kepler(2.0 * np.pi * np.minimum(q, 1.0 - q))
        return np.asarray(np.where(q <= 0.5, -2.0, 2.0) * self.s * np.cos(angle / 2.0))

    def isf(self, q: Any) -> np.ndarray:
        """The x with P(X > x) = q."""
        return 0.0 - self.ppf(q)

    def moment(self, order: int) -> float:
        """E X^order: a Catalan number times a power of s, 0 for odd orders."""
        if order != int(order) or order < 0:
            raise DomainError(f"order = {order:g} has no closed form: orders are 0, 1, 2, ...; try `expect`")
        half, odd = divmod(int(order), 2)
        return 0.0 if odd else float(comb(2 * half, half) // (half + 1)) * self.s**order

    def stats(self) -> tuple[float, float, float, float]:
        """Mean, variance, skewness and excess kurtosis."""
        return 0.0, self.s**2, 0.0, -1.0

    def var(self) -> float:
        """Variance."""
        return self.s**2

    def stieltjes(self, z: Any) -> np.ndarray:
        r"""$G(z) = \int d\mu(x)/(z - x)$, with Im G < 0 for Im z > 0.

        Raises
        ------
        DomainError
            On the support, where G jumps: take Im z != 0.
        """
        z = np.asarray(z, dtype=complex)
        cut = (z.imag == 0.0) & (np.abs(z.real) < 2.0 * self.s)
        if np.any(cut):
            raise DomainError(f"z = {z[cut].flat[0].real:g} lies on the support, where G jumps: take Im z != 0")
        real, imaginary = stieltjes_parts(z.real, np.abs(z.imag), self.s)
        return np.asarray(real + 1j * np.where(z.imag < 0.0, -imaginary, imaginary))

    def r_transform(self, g: Any) -> np.ndarray:
        """R(g) = G^-1(g) - 1/g = s^2 g."""
        return np.asarray(self.s**2 * np.asarray(g))


def density(*, x: Any, s: Any) -> np.ndarray:
    """Density, accurate relative to itself up to the edges."""
    x, s = np.asarray(x, dtype=float), np.asarray(s, dtype=float)
    product = np.maximum(2.0 * s - x, 0.0) * np.maximum(2.0 * s + x, 0.0)
    return np.asarray(np.sqrt(product) / (2.0 * np.pi * s**2))


def distribution(*, x: Any, s: Any) -> np.ndarray:
    """P(X <= x), accurate relative to itself."""
    x, s = np.broadcast_arrays(np.asarray(x, dtype=float), np.asarray(s, dtype=float))
    lower = np.clip((2.0 * s + x) / s, 0.0, 4.0)
    upper = np.clip((2.0 * s - x) / s, 0.0, 4.0)
    # The nearer edge.
    angle = 4.0 * np.arctan2(np.sqrt(np.minimum(lower, upper)), np.sqrt(np.maximum(lower, upper)))
    tail = _less_its_sine(angle) / (2.0 * np.pi)
    return np.asarray(np.where(x <= 0.0, tail, 1.0 - tail))


def stieltjes_parts(x: Any, y: Any, s: Any) -> tuple[np.ndarray, np.ndarray]:
    """Real and imaginary part of G(x + i y), y >= 0, each accurate relative to itself.

    On the support y must be positive.
    """
    x, y, s = (np.asarray(a, dtype=float) for a in (x, y, s))
    # Square roots of z -+ 2 s in the first quadrant: sums of products of their parts do not cancel.
    below, above = np.sqrt((x - 2.0 * s) + 1j * y), np.sqrt((x + 2.0 * s) + 1j * y)
    sinh = (below.real * above.real + below.imag * above.imag) / (2.0 * s)
    decay = 1.0 / (sinh + np.sqrt(1.0 + sinh * sinh))
    with np.errstate(divide="ignore", invalid="ignore"):
        sine = np.where(y > 0.0, y / (2.0 * s * sinh), 0.0)
    return np.asarray(decay * x / (2.0 * s * s * np.sqrt(1.0 + sinh * sinh))), np.asarray(-decay * sine / s)


def _less_its_sine(u: Any) -> np.ndarray:
    """u - sin u, without cancellation."""
    u = np.asarray(u, dtype=float)
    square = np.minimum(u, SMALL) ** 2
    series = np.ones_like(square)
    for k in range(TERMS, 1, -1):
        series = 1.0 - square / ((2 * k) * (2 * k + 1)) * series
    return np.asarray(np.where(u < SMALL, u * square / 6.0 * series, u - np.sin(u)))


def _kepler(c: np.ndarray) -> np.ndarray:
    """The u in [0, pi] with u - sin u = c in [0, pi]."""
    # u - sin u <= u^3/6 and u - sin u is convex: from the second step on the iterates come down to the root.
    u = np.cbrt(6.0 * c)
    for _ in range(STEPS):
        with np.errstate(invalid="ignore"):
            step = np.where(u > 0.0, (_less_its_sine(u) - c) / (2.0 * np.sin(u / 2.0) ** 2), 0.0)
        u = u - step
        if np.all(np.abs(step) <= 1e-15 * u):
            return np.asarray(u)
    raise PredictionError("a quantile of the semicircle law did not converge")
