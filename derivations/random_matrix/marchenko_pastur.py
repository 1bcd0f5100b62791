r"""The Marchenko-Pastur law as an object: atom at zero, transform and moments in closed form.

Formulas and their derivations are those of `rmt_marchenko_pastur` and `rmt_marchenko_pastur_moments`.
"""

from __future__ import annotations

from math import comb, isfinite
from typing import Any

import numpy as np

from theorylab.derivations.random_matrix import rmt_marchenko_pastur_numerics as numerics
from theorylab.derivations.random_matrix.laws import Law
from theorylab.errors import DomainError


class MarchenkoPastur(Law):
    """The limiting spectrum of S = X X^T / n, X p x n with independent entries of variance sigma^2, at c = p/n.

    Parameters
    ----------
    c
        Aspect ratio p/n; above 1 there is an atom of mass 1 - 1/c at 0.
    sigma
        Standard deviation of an entry.

    Raises
    ------
    DomainError
        Unless both are positive and finite.
    """

    def __init__(self, c: float, sigma: float = 1.0) -> None:
        for name, value in (("c", c), ("sigma", sigma)):
            if not (isfinite(value) and value > 0.0):
                raise DomainError(f"{name} = {value:g} must be positive and finite")
        self.c, self.sigma = float(c), float(sigma)
        self.atoms = ((0.0, (self.c - 1.0) / self.c),) if self.c > 1.0 else ()

    def support(self) -> tuple[float, float]:
        """From the lower edge, or from the atom at 0, to the upper edge."""
        return (0.0 if self.c > 1.0 else self.edges()[0]), self.edges()[1]

    def edges(self) -> tuple[float, float]:
        """sigma^2 (1 -+ sqrt c)^2, between which the density lives."""
        lower = float(numerics.lower_edge(c=self.c, sigma=self.sigma))
        return lower, float((self.sigma * (1.0 + np.sqrt(self.c))) ** 2)

    def pdf(self, x: Any) -> np.ndarray:
        """Density of the continuous part, of mass min(1, 1/c)."""
        return numerics.density(x=np.asarray(x, dtype=float), c=self.c, sigma=self.sigma)

    def cdf(self, x: Any) -> np.ndarray:
        """P(X <= x), the atom included."""
        return numerics.cdf(x=x, c=self.c, sigma=self.sigma)

    def sf(self, x: Any) -> np.ndarray:
        """P(X > x)."""
        return numerics.sf(x=x, c=self.c, sigma=self.sigma)

    def _bulk(self) -> tuple[float, float]:
        return self.edges()

    def moment(self, order: int) -> float:
        """E X^order, a Narayana polynomial in c."""
        if order != int(order) or order < 0:
            raise DomainError(f"order = {order:g} has no closed form here: orders are 0, 1, 2, ...; try `expect`")
        k = int(order)
        if k == 0:
            return 1.0
        return self.sigma ** (2 * k) * sum(self.c**r / (r + 1) * comb(k, r) * comb(k - 1, r) for r in range(k))

    def var(self) -> float:
        """Variance c sigma^4."""
        return self.c * self.sigma**4

    def stieltjes(self, z: Any) -> np.ndarray:
        r"""$G(z) = \int d\mu(x)/(z - x)$, with Im G < 0 for Im z > 0.

        Raises
        ------
        DomainError
            Between the edges and at the atom: take Im z != 0.
        """
        z = np.asarray(z, dtype=complex)
        low, high = self.edges()
        bad = (z.imag == 0.0) & (((z.real > low) & (z.real < high)) | ((z.real == 0.0) & (self.c >= 1.0)))
        if np.any(bad):
            raise DomainError(f"z = {z[bad].flat[0].real:g} lies on the support, where G jumps: take Im z != 0")
        half = z - self.sigma**2 * (1.0 - self.c)
        root = np.sqrt(z - low) * np.sqrt(z - high)
        # The two forms of one root of c sigma^2 z G^2 - half G + 1 = 0; in one of them nothing cancels.
        scale = np.where(z == 0.0, 1.0, 2.0 * self.c * self.sigma**2 * z)
        with np.errstate(divide="ignore", invalid="ignore"):
            plus = 2.0 / (half + root)
        return np.asarray(np.where(np.abs(half + root) >= np.abs(half - root), plus, (half - root) / scale))

    def r_transform(self, g: Any) -> np.ndarray:
        """R(g) = G^-1(g) - 1/g = sigma^2 / (1 - c sigma^2 g)."""
        return np.asarray(self.sigma**2 / (1.0 - self.c * self.sigma**2 * np.asarray(g)))
