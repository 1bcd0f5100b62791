r"""The deterministic equivalent of the spectrum of power-law random features, in double precision.

With $\lambda_j = j^{-2\alpha}$ the resolvent of $\hat K = D^{1/2} W W^T D^{1/2}$, $W$ being $v \times d$ with entries
$N(0, 1/d)$, is equivalent to $\operatorname{diag} 1 / (\lambda_j m(z) - z)$, where
$m\,(1 + \frac1d \sum_j \lambda_j / (\lambda_j m - z)) = 1$ and $m \to 1$ at infinity. All sums over $j$ are those of
`plrf_sums`, so that sizes of $2^{36}$ cost no more than $2^{10}$.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq, minimize_scalar

from theorylab.derivations.scaling_laws.plrf_contour import CHUNK
from theorylab.derivations.scaling_laws.plrf_sums import HEAD, kappa, nodes
from theorylab.prediction import PredictionError

POINTS = 12


class Edges(NamedTuple):
    """Ends of the support of the nonzero spectrum."""

    low: float
    high: float


class Spectrum:
    r"""What does not depend on the learning rate.

    Parameters
    ----------
    alpha, beta
        Exponents of the data and of the target.
    d, v
        Numbers of features and of inputs, v > d; they need not be whole.
    points, head
        Points a panel, and terms of a sum that are added one by one.
    """

    def __init__(self, alpha: float, beta: float, d: float, v: float, points: int = POINTS, head: int = HEAD) -> None:
        self.d, self.v = float(d), float(v)
        j, self.weight = nodes(v, points, head)
        # Eigenvalues of the data's covariance, and the squared target in their directions.
        self.lam = j ** (-2.0 * alpha)
        self.target = j ** (-2.0 * (alpha + beta))

    @cached_property
    def kappa(self) -> float:
        r"""Root of $\sum_j \lambda_j / (\lambda_j + \kappa) = d$."""
        return kappa(self.lam, self.weight, self.d)

    @cached_property
    def capacity(self) -> float:
        r"""$F_0 = \sum_j j^{-2\alpha - 2\beta} \kappa / (\lambda_j + \kappa)$, the least risk."""
        return float(self.weight @ (self.target * (self.kappa / (self.lam + self.kappa))))

    @cached_property
    def initial(self) -> float:
        r"""$P_0 = \sum_j j^{-2\alpha - 2\beta}$."""
        return float(self.weight @ self.target)

    @cached_property
    def trace(self) -> float:
        r"""$\sum_j \lambda_j$."""
        return float(self.weight @ self.lam)

    @cached_property
    def edges(self) -> Edges:
        r"""Extrema of $z(\mu) = 1/\mu - \frac1d \sum_j \lambda_j / (\lambda_j \mu - 1)$, $\mu = m/z$, off the poles."""
        depth = -np.log(self.kappa)
        low = minimize_scalar(
            lambda x: -self._z(-np.exp(x)), bounds=(depth, depth + 12.0), method="bounded", options={"xatol": 1e-9}
        )
        return Edges(-float(low.fun), self._z(self._mu_edge))

    @cached_property
    def _mu_edge(self) -> float:
        """mu at the upper edge, below the first pole at 1/lam_1 = 1."""
        found = minimize_scalar(
            lambda x: self._z(-np.expm1(x)), bounds=(-16.0, -1e-9), method="bounded", options={"xatol": 1e-9}
        )
        return float(-np.expm1(found.x))

    def _z(self, mu: float) -> float:
        return float(1.0 / mu - self.weight @ (self.lam / (self.lam * mu - 1.0)) / self.d)

    def occupation(self, mu: float) -> float:
        r"""$\sum_j \lambda_j \mu / (1 - \lambda_j \mu)$, which is $d\,(m - 1)$ at $\mu = m/z > 0$."""
        return float(self.weight @ (self.lam * mu / (1.0 - self.lam * mu)))

    def excess(self, z: float) -> float:
        """d (m(z) - 1) at a real z above the spectrum."""
        top = self._mu_edge

        def gap(log_mu: float) -> float:
            mu = float(np.exp(log_mu))
            return 1.0 + self.occupation(mu) / self.d - z * mu

        if gap(np.log(top)) >= 0.0:
            raise PredictionError(f"z = {z:g} is not above the spectrum, which ends at {self.edges.high:g}")
        root = brentq(gap, -np.log(z) - 1.0, np.log(top), xtol=1e-15, rtol=1e-15)
        return self.occupation(float(np.exp(root)))

    def critical_rate(self, batch: float) -> float:
        r"""The learning rate at which the kernel's norm is 1 or, if that is less, $\gamma (B + 1) \lambda_{max} = 2$.

        The norm is $d\,(m(\zeta) - 1)/(B + 1)$ at $\zeta = 2/(\gamma (B + 1))$. So it is 1 where
        $\sum_j \lambda_j \mu / (1 - \lambda_j \mu) = B + 1$ at $\mu = m/\zeta$.
        """
        top = self._mu_edge
        if self.occupation(top) <= batch + 1.0:
            return 2.0 / ((batch + 1.0) * self.edges.high)
        low = (batch + 1.0) / (self.trace + batch + 1.0)
        mu = brentq(lambda x: self.occupation(x) - (batch + 1.0), min(low, top / 2.0), top, xtol=1e-300, rtol=1e-14)
        return float(2.0 * mu / ((batch + 1.0) * (1.0 + (batch + 1.0) / self.d)))

    def arc(self, z: np.ndarray) -> np.ndarray:
        """m along an arc that ends above the spectrum, from that end back to the other.

        Parameters
        ----------
        z : complex128[n]

        Returns
        -------
        complex128[n]
        """
        m = np.empty(z.size, dtype=complex)
        here = 1.0 + 0.0j
        for far in z[-1] * np.geomspace(50.0, 1.0, 13):
            here = self._newton(complex(far), here)
        m[-1] = here
        logs = np.log(z)
        for k in range(z.size - 2, -1, -1):
            guess = complex(m[k + 1])
            if k + 2 < z.size:
                # Continued as a power of z.
                guess *= (m[k + 1] / m[k + 2]) ** ((logs[k] - logs[k + 1]) / (logs[k + 1] - logs[k + 2]))
            m[k] = self._newton(complex(z[k]), guess)
        return m

    def _newton(self, z: complex, m: complex) -> complex:
        weight = self.weight * self.lam / self.d
        for _ in range(40):
            r = 1.0 / (self.lam * m - z)
            first = 1.0 + r @ weight
            step = complex((m * first - 1.0) / (first - m * ((r * r * self.lam) @ weight)))
            m -= step
            # Newton's next step is of the order of this one's square.
            if abs(step) <= 1e-8 * abs(m):
                return m
        raise PredictionError(f"Newton's method for the Stieltjes transform does not converge at z = {z}")

    def measures(self, z: np.ndarray, m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        r"""Resolvents on the arc without the kernel's pole at 0, complex128[n] each.

        Of the forcing, $\sum_j j^{-2\alpha - 2\beta} / (\lambda_j m - z) + F_0/z$, and of the kernel,
        $\sum_j 1 / (\lambda_j m - z) + v/z = (m/z) \sum_j \lambda_j / (\lambda_j m - z)$.
        """
        forcing, kernel = np.empty(z.size, dtype=complex), np.empty(z.size, dtype=complex)
        columns = np.stack([self.weight * self.target, self.weight * self.lam], axis=1)
        step = max(1, CHUNK // self.lam.size)
        for start in range(0, z.size, step):
            part = slice(start, start + step)
            sums = (1.0 / (self.lam * m[part, None] - z[part, None])) @ columns
            forcing[part] = sums[:, 0] + self.capacity / z[part]
            kernel[part] = m[part] / z[part] * sums[:, 1]
        return forcing, kernel
