"""Weighted linear fits over system sizes, whose coefficients are linear combinations of independent means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Fit:
    """A weighted least-squares fit.

    Parameters
    ----------
    rows : float64[coefficients, sizes]
        Coefficient i is `rows[i] @ y`.
    residual
        Weighted sum of squared residuals.
    freedom
        Sizes minus coefficients.
    """

    rows: np.ndarray
    residual: float
    freedom: int

    def tension(self, level: float) -> str | None:
        """Say that the residuals are too large for the model at `level`, or None."""
        from scipy.special import chdtrc

        if self.freedom > 0 and chdtrc(self.freedom, self.residual) < level:
            return f"the sizes do not follow the model: chi-square {self.residual:.1f} with {self.freedom} d.o.f."
        return None


def fit(design: np.ndarray, y: np.ndarray, error: np.ndarray) -> Fit:
    """Fit `y`[sizes] with standard errors `error` by the columns of `design`[sizes, coefficients]."""
    weight = 1.0 / np.maximum(error, 1e-300)
    # Columns are scaled to unit length: powers of N span many orders of magnitude.
    weighted = design * weight[:, None]
    length = np.linalg.norm(weighted, axis=0)
    rows = np.linalg.pinv(weighted / length) / length[:, None] * weight
    residual = float(np.sum(np.square((y - design @ (rows @ y)) * weight)))
    return Fit(rows, residual, len(y) - design.shape[1])


def power_design(sizes: Sequence[float] | np.ndarray, exponents: Sequence[float]) -> np.ndarray:
    """Columns N^e for each exponent, normalised at the largest size so that no column over- or underflows."""
    n = np.asarray(sizes, dtype=float)
    return np.stack([(n / n.max()) ** e for e in exponents], axis=1)
