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
    remainder : float64[sizes, sizes]
        Maps the values to what the fit leaves of them.
    smoother : float64[sizes, sizes]
        Maps the logarithms of the standard errors to those that the weights were made of.
    residual
        Least weighted sum of squared residuals.
    freedom
        Sizes minus coefficients.
    lopsided
        Whether some values but not all came without any spread: they would carry all of the weight.
    """

    rows: np.ndarray
    remainder: np.ndarray
    smoother: np.ndarray
    residual: float
    freedom: int
    lopsided: bool

    def coefficient(self, index: int, moments: Sequence[Moments]) -> Estimate:
        r"""One coefficient, from the moments of the values fitted, corrected for weights that are fitted too.

        The weights are estimated from the same samples as the means :math:`y_i`: of a skewed observable a large
        mean comes with a large variance, hence with a small weight; and the weights favour what only seems
        precise. With smoother :math:`S`, remainder :math:`R` and coefficient :math:`\sum_i a_i y_i`, a change of
        :math:`\log v_j`, the variance of :math:`y_j`, changes the coefficient by :math:`-\sum_k G_{jk} y_k`,
        :math:`G_{jk} = \sum_i S_{ij} a_i R_{ik}`. As :math:`\mathrm{cov}(v_j, y_j) = \mu_{3,j} / n_j^2` and
        :math:`\mathrm{var}(\log v_j) = (\kappa_j + 2) / n_j` with excess kurtosis :math:`\kappa_j`, this makes a
        bias :math:`-\sum_j G_{jj} \mu_{3,j} / (n_j^2 v_j)`, which is taken off, and a variance that is
        underestimated by :math:`2 \sum_j a_j G_{jj} v_j (\kappa_j + 2) / n_j`, which is added (compare Kackar and
        Harville, J. Amer. Statist. Assoc. 79 (1984), 853, and Kenward and Roger, Biometrics 53 (1997), 983).
        """
        row = self.rows[index]
        estimate = means.combination(list(row), moments)
        influence = np.diagonal(self.smoother.T @ (row[:, None] * self.remainder))
        bias = extra = 0.0
        for a, g, m in zip(row, influence, moments):
            if m.variance > 0:
                bias -= float(g * m.third / (m.n * m.variance))
                extra += float(a * g * (m.fourth / m.variance - m.variance) / m.n**2)
        return replace(
            estimate,
            value=np.asarray(estimate.value - bias),
            error=np.sqrt(np.square(estimate.error) + 2.0 * max(extra, 0.0)),
        )

    def tension(self, level: float) -> str | None:
        """Say that the residuals are too large for the model at `level`, or what else forbids the fit, or None."""
        from scipy.special import chdtrc

        if self.lopsided:
            return "at some sizes all trials gave the same value, at others not: their weights are unknown"
        if self.freedom > 0 and chdtrc(self.freedom, self.residual) < level:
            return f"the sizes do not follow the model: chi-square {self.residual:.1f} with {self.freedom} d.o.f."
        return None


def fit(sizes: Sequence[float] | np.ndarray, design: np.ndarray, y: np.ndarray, error: np.ndarray) -> Fit:
    """Fit `y`[sizes] with standard errors `error` by the columns of `design`[sizes, coefficients].

    The weights come from a power law in the size through the standard errors: four or five noisy numbers are
    poor weights, and any fixed weights give an unbiased coefficient. Values without any spread (a deterministic
    sequence) weigh the same, and have no residual to be judged by.
    """
    count = len(y)
    spread, lopsided = bool(np.any(error)), bool(np.any(error)) and not np.all(error)
    smoother = np.eye(count)
    if spread and not lopsided:
        powers = np.stack([np.ones(count), np.log(np.asarray(sizes, dtype=float))], axis=1)
        smoother = powers @ np.linalg.pinv(powers)
    own = np.maximum(error, 1e-8 * np.max(error)) if spread else np.ones(count)
    rows = _solve(design, 1.0 / np.exp(smoother @ np.log(own)))
    # The residual is judged with each size's own error.
    least = y - design @ (_solve(design, 1.0 / own) @ y)
    residual = float(np.sum(np.square(least / own))) if spread else 0.0
    return Fit(rows, np.eye(count) - design @ rows, smoother, residual, count - design.shape[1], lopsided)


def power_design(sizes: Sequence[float] | np.ndarray, exponents: Sequence[float]) -> np.ndarray:
    """Columns N^e for each exponent, normalised at the largest size so that no column over- or underflows."""
    n = np.asarray(sizes, dtype=float)
    return np.stack([(n / n.max()) ** e for e in exponents], axis=1)


def _solve(design: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weighted least squares as a matrix, float64[coefficients, sizes]."""
    # Columns are scaled to unit length: powers of N span many orders of magnitude.
    weighted = design * weight[:, None]
    length = np.linalg.norm(weighted, axis=0)
    rows: np.ndarray = np.linalg.pinv(weighted / length) / length[:, None] * weight
    return rows
