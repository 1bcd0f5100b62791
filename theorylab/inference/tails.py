r"""When may a mean be trusted? Two diagnostics that turn a verdict into `inconclusive: heavy tails`.

At the levels used here (z of 5 to 6) the central limit theorem is asked for tail probabilities, so that more
is needed than a finite variance. The next term of the Edgeworth expansion after skewness changes the tail
probability at z by the relative amount :math:`\kappa z^4 / (24 n)`, with :math:`\kappa` the excess kurtosis:
it must be small. The sample kurtosis underestimates where a moment is infinite, therefore a second look: the
share of the sum of squares carried by the largest trials.
"""

from __future__ import annotations

import numpy as np

# Relative change of the tail probability that is tolerated.
MOST_CORRECTION = 0.5
# Share of the sum of squares that the largest 0.1 % of the trials may carry. Normal 1 %, exponential 5 %,
# chi-square(1) 7 %, Student t(5) 7 %, log-normal(0,1) 28 %, Pareto(3) 40 %.
TOP = 1e-3
MOST_SHARE = 0.15


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
    flat = sample.reshape(n, -1)
    square = np.square(flat - flat.mean(axis=0))
    total = square.sum(axis=0)
    live = total > 0
    if not np.any(live):
        return None
    square, total = square[:, live], total[live]
    kurtosis = n * np.square(square).sum(axis=0) / total**2 - 3.0
    correction = float(np.max(np.abs(kurtosis)) * z**4 / (24.0 * n))
    if correction > MOST_CORRECTION:
        return f"heavy tails: excess kurtosis {np.max(kurtosis):.3g} needs more than {n} trials at this level"
    # With few trials "the largest 0.1 %" is a single one, whose share is then no sign of heavy tails.
    top = int(np.ceil(TOP * n))
    if n >= 1000:
        largest = np.partition(square, n - top, axis=0)[n - top :].sum(axis=0)
        share = float(np.max(largest / total))
        if share > MOST_SHARE:
            return f"heavy tails: the largest 0.1 % of the trials carry {share:.0%} of the variance"
    return None
