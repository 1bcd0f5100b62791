r"""When may a mean be trusted? Two diagnostics that turn a verdict into `inconclusive: heavy tails`.

At the levels used here (z of 5 to 6) the central limit theorem is asked for tail probabilities, so that more
is needed than a finite variance. The next term of the Edgeworth expansion after skewness changes the tail
probability at z by the relative amount :math:`\kappa z^4 / (24 n)`, with :math:`\kappa` the excess kurtosis:
it must be small. The sample kurtosis underestimates where a moment is infinite, therefore a second look: the
share of the sum of squares carried by the largest trials.

Both see what is in the sample. What is missing from it (the sample that misses the truth looks tame because of
what it misses) is the business of the allowance in `theorylab.inference.means`. An event rarer than one in
`-n / log(level)` trials is beyond both: a component that is the same in every trial is taken for a constant.
"""

from __future__ import annotations

import numpy as np

# Relative change of the tail probability that is tolerated.
MOST_CORRECTION = 0.5
# Excess kurtosis that is tolerated in the smallest samples, where a normal one's is itself uncertain by one or two:
# there the allowance of `theorylab.inference.means` is wide enough by itself.
LEAST_KURTOSIS = 3.0
# Share of the sum of squares that the largest 0.1 % of the trials may carry. In the limit of many trials it is
# normal 1.3 %, exponential 4.9 %, chi-square(1) 7.0 %, Student t(5) 4.9 %, log-normal(0,1) 20 %, Pareto(3) 34 %.
TOP = 1e-3
MOST_SHARE = 0.15
# With fewer trials "the largest 0.1 %" is a single one, whose share is then no sign of heavy tails.
LEAST_FOR_SHARE = 1000


def distrust(sample: np.ndarray, z: float) -> str | None:
    """Say why the mean of `sample`[trials, ...] cannot be trusted at `z` standard errors, or None.

    Parameters
    ----------
    sample
        One or more components; the worst decides.
    z
        Normal quantile at which the interval is used.
    """
    n = sample.shape[0]
    if n < 2:
        return "a single trial"
    kurtosis, share = _diagnostics(sample.reshape(n, -1))
    if np.max(np.abs(kurtosis)) > _most_kurtosis(n, z):
        return f"heavy tails: excess kurtosis {np.max(kurtosis):.3g} needs more than {n} trials at this level"
    if np.max(share) > MOST_SHARE:
        return f"heavy tails: the largest 0.1 % of the trials carry {np.max(share):.0%} of the variance"
    return None


def tame(sample: np.ndarray, z: float) -> np.ndarray:
    """Which components of `sample`[trials, ...] have a mean that can be trusted at `z`: bool[...]."""
    n = sample.shape[0]
    kurtosis, share = _diagnostics(sample.reshape(n, -1))
    good = (np.abs(kurtosis) <= _most_kurtosis(n, z)) & (share <= MOST_SHARE)
    return np.asarray(good.reshape(sample.shape[1:]))


def _most_kurtosis(n: int, z: float) -> float:
    return max(MOST_CORRECTION * 24.0 * n / z**4, LEAST_KURTOSIS)


def _diagnostics(flat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Excess kurtosis and share of the largest 0.1 %, each float64[components]; 0 for a constant."""
    n = flat.shape[0]
    square = np.square(flat - flat.mean(axis=0))
    total = square.sum(axis=0)
    safe = np.where(total > 0, total, 1.0)
    kurtosis = np.where(total > 0, n * np.square(square).sum(axis=0) / safe**2 - 3.0, 0.0)
    if n < LEAST_FOR_SHARE:
        return kurtosis, np.zeros_like(kurtosis)
    top = int(np.ceil(TOP * n))
    largest = np.partition(square, n - top, axis=0)[n - top :].sum(axis=0)
    return kurtosis, largest / safe
