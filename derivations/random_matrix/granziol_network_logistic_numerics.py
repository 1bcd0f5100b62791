r"""Bulk, outliers and overlaps of the batch Hessian of logistic regression, from sums over the law of the logit.

Everything is a function of m, the Stieltjes transform int dmu/(x - z) of the bulk, by the explicit
z(m) = E[a/(1 + a c m)] - 1/m. Above the bulk m rises from the edge's m_+ < 0 to 0 and below it from 0 to the lower
edge's m_- > 0, z with it; the eigenvalues of Mx(m) fall, so that an outlier is a single root between known ends. Edges
are roots of z'(m), monotone in the variables chosen here. Expectations are sums at equal steps of the logit, whose
error falls like exp(-2 pi d/step) with the distance d of the integrand's singularities from the real line; it is
measured by halving the step.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq

# The largest curvature of the logistic loss.
MOST = 0.25
# Steps to the least of 1 and the standard deviation of the logit; standard deviations that are summed.
STEPS, REACH = 12, 9.0
# Ends of searches in the logit of tau, where m = -tau/(c MOST), and in log m.
FAR = 30.0


class Outlier(NamedTuple):
    """An eigenvalue outside the bulk, its eigenvector's squared overlaps with the plane and with e_1."""

    value: float
    plane: float
    axis: float


class Curvature:
    """The spectrum of the batch Hessian at given means and weights.

    Parameters
    ----------
    mu, w_par, w_perp
        Separation of the classes, and the weights along it and across.
    c
        Parameters per sample of the batch, P/B.
    refine
        How many times finer the sums are.
    uniform
        Whether every sample is given the mean curvature, a mistake kept for comparison.
    """

    def __init__(
        self, mu: float, w_par: float, w_perp: float, c: float, refine: int = 1, uniform: bool = False
    ) -> None:
        self.c = c
        deviation, mean = float(np.hypot(w_par, w_perp)), mu * w_par
        step = min(deviation, 1.0) / (STEPS * refine)
        count = int(np.ceil(REACH * deviation / step))
        t = step / deviation * np.arange(-count, count + 1)
        self.weight = step / deviation * np.exp(-(t**2) / 2) / np.sqrt(2 * np.pi)
        # The labels only mirror the inputs: those of y = 1 stand for all.
        self.a = MOST / np.cosh((mean + deviation * t) / 2) ** 2
        direction = np.array([w_par, w_perp]) / deviation
        given = np.array([mu, 0.0])[:, None] + direction[:, None] * t
        rest = np.eye(2) - np.outer(direction, direction)
        self.second = given[:, None] * given[None] + rest[:, :, None]
        self.mean = float(self.weight @ self.a)
        if uniform:
            self.a = np.full_like(self.a, self.mean)

    def _average(self, m: float, power: int) -> float:
        return float(self.weight @ (self.a / (1.0 + self.a * self.c * m)) ** power)

    def z(self, m: float) -> float:
        """Where the transform is m."""
        return self._average(m, 1) - 1.0 / m

    def slope(self, m: float) -> float:
        """z'(m)."""
        return 1.0 / m**2 - self.c * self._average(m, 2)

    def bend(self, m: float) -> float:
        """z''(m)."""
        return 2.0 * self.c**2 * self._average(m, 3) - 2.0 / m**3

    def plane(self, m: float) -> np.ndarray:
        """Mx = E[a u u^T/(1 + a c m)], float64[2, 2]."""
        return np.asarray(self.second @ (self.weight * self.a / (1.0 + self.a * self.c * m)))

    def plane_slope(self, m: float) -> np.ndarray:
        """dMx/dm."""
        return np.asarray(-self.c * (self.second @ (self.weight * (self.a / (1.0 + self.a * self.c * m)) ** 2)))

    def upper(self) -> float:
        """m at the upper edge."""
        most = float(self.a.max())

        def excess(x: float) -> float:
            part = self.a / (most * (1.0 + np.exp(-x)))
            return float(np.log(self.weight @ (part / (1.0 - part)) ** 2) - np.log(self.c))

        return float(-1.0 / (self.c * most * (1.0 + np.exp(-brentq(excess, -FAR, FAR, xtol=1e-14)))))

    def lower(self) -> float:
        """m at the lower edge; c < 1."""

        def excess(x: float) -> float:
            part = self.a * np.exp(x)
            return float(self.weight @ (part / (1.0 + part)) ** 2 - self.c)

        return float(np.exp(brentq(excess, -FAR, 2 * FAR, xtol=1e-14)) / self.c)

    def edge(self) -> float:
        """Upper end of the bulk."""
        return self.z(self.upper())

    def edge_scale(self) -> float:
        """(|z''|/2)^(1/3) at the upper edge: P^(2/3) times the scale of the largest eigenvalue without an outlier."""
        return float(np.cbrt(self.bend(self.upper()) / 2.0))

    def outlier(self, below: bool = False) -> Outlier | None:
        """The eigenvalue farthest above (below) the bulk; None when the plane leaves none there."""
        end, which = (self.lower(), 0) if below else (self.upper(), 1)

        def gap(part: float) -> float:
            return float(self.z(end * part) - np.linalg.eigvalsh(self.plane(end * part))[which])

        if (gap(1.0) <= 0.0) is below:
            return None
        m = end * brentq(gap, 1e-12, 1.0, xtol=1e-16, rtol=1e-14)
        vector = np.linalg.eigh(self.plane(m))[1][:, which]
        weight = 1.0 / (1.0 - vector @ self.plane_slope(m) @ vector / self.slope(m))
        return Outlier(self.z(m), float(weight), float(weight * vector[0] ** 2))

    def emerged(self) -> float:
        """Largest eigenvalue of Mx at the edge minus the edge: positive when there is an outlier above the bulk."""
        m = self.upper()
        return float(np.linalg.eigvalsh(self.plane(m))[1] - self.z(m))

    def transform(self, lam: float) -> float:
        """int dmu/(x + lam)."""
        return float(brentq(lambda m: m * (lam + self._average(m, 1)) - 1.0, 0.0, 1.0 / lam, xtol=1e-16, rtol=1e-14))

    def population(self) -> tuple[np.ndarray, np.ndarray]:
        """Eigenvalues and eigenvectors of E[a u u^T]; all others are E a."""
        found = np.linalg.eigh(self.plane(0.0))
        return found.eigenvalues, found.eigenvectors

    def first_order(self) -> float:
        """E[a^2 (u.v)^2]/(lambda_1 - E a): by how much the top of a large batch exceeds that of the population, over
        c."""
        values, vectors = self.population()
        v = vectors[:, 1]
        return float(v @ (-self.plane_slope(0.0) / self.c) @ v / (values[1] - self.mean))

    def density(self, x: np.ndarray, height: float = 1e-9) -> np.ndarray:
        """Density of the bulk at x, by Newton's iteration from far above the real line down to it."""
        z = np.asarray(x, dtype=float) + 2.0j
        m = -1.0 / z
        for above in np.geomspace(2.0, height, 60):
            z = z.real + 1j * above
            for _ in range(20):
                part = self.a / (1.0 + self.a * self.c * m[:, None])
                off = part @ self.weight - 1.0 / m - z
                m = m - off / (1.0 / m**2 - self.c * (part**2 @ self.weight))
                if np.max(np.abs(off)) < 1e-12 * (1.0 + np.max(np.abs(z))):
                    break
        return np.maximum(m.imag, 0.0) / np.pi


@lru_cache(256)
def curvature(mu: float, w_par: float, w_perp: float, c: float, refine: int = 1, uniform: bool = False) -> Curvature:
    """`Curvature`, remembered: a claim and its mutants ask for the same."""
    return Curvature(mu, w_par, w_perp, c, refine, uniform)
