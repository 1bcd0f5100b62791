"""Weighted linear fits over system sizes, whose coefficients are linear combinations of independent means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from theorylab.inference import means
from theorylab.inference.means import Estimate, Moments


@dataclass(frozen=True)
class Fit:
    """A weighted least-squares fit.

    Parameters
    ----------
    rows : float64[coefficients, sizes]
        Coefficient i is `rows[i] @ y`.
    leverage : float64[sizes]
        How much of its own fitted value each size determines.
    residual
        Weighted sum of squared residuals.
    freedom
        Sizes minus coefficients.
    lopsided
        Whether some values but not all came without any spread: they would carry all of the weight.
    """

    rows: np.ndarray
    leverage: np.ndarray
    residual: float
    freedom: int
    lopsided: bool

    def coefficient(self, index: int, moments: Sequence[Moments]) -> Estimate:
        r"""One coefficient, from the moments of the values fitted, freed of the bias of fitted weights.

        The weights :math:`1/v_i` are estimated from the same samples as the means :math:`y_i`, and of a skewed
        observable a large mean comes with a large variance, hence with a small weight. As
        :math:`\partial a_i / \partial v_i = -a_i (1 - h_i) / v_i` for coefficient :math:`\sum_i a_i y_i` and
        leverages :math:`h_i`, and :math:`\mathrm{cov}(v_i, y_i) = \mu_{3,i} / n_i^2`, the bias is
        :math:`-\sum_i a_i (1 - h_i) \mu_{3,i} / (n_i \sigma_i^2)`. To the same order the weights change neither
        the variance (they are at its minimum) nor the third cumulant.
        """
        row = self.rows[index]
        estimate = means.combination(list(row), moments)
        bias = -sum(
            float(a * (1.0 - h) * m.third / (m.n * m.variance))
            for a, h, m in zip(row, self.leverage, moments)
            if m.variance > 0
        )
        return replace(estimate, value=np.asarray(estimate.value - bias))

    def tension(self, level: float) -> str | None:
        """Say that the residuals are too large for the model at `level`, or what else forbids the fit, or None."""
        from scipy.special import chdtrc

        if self.lopsided:
            return "at some sizes all trials gave the same value, at others not: their weights are unknown"

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
    return Fit(
        rows,
        np.einsum("ij,ji->i", design, rows),
        residual,
        len(y) - design.shape[1],
        bool(0 < np.count_nonzero(error) < len(y)),
    )


def power_design(sizes: Sequence[float] | np.ndarray, exponents: Sequence[float]) -> np.ndarray:
    """Columns N^e for each exponent, normalised at the largest size so that no column over- or underflows."""
    n = np.asarray(sizes, dtype=float)
    return np.stack([(n / n.max()) ** e for e in exponents], axis=1)
