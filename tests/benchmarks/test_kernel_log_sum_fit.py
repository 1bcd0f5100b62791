"""Speed of batched Huber fits against SciPy's BFGS with the same objective and gradient, and against the array form."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_peers import one_core  # noqa: F401
from scipy.optimize import minimize

from theorylab.kernels.log_sum_fit import fit_arrays, fit_numba
from theorylab.kernels.random import Stream
from theorylab.sims.scaling_laws.loss_fits import grid, log_loss

DELTA = 1e-3
TRUTH = np.array([6.178, 7.643, 0.597, 0.3478, 0.3658])
# Steps of equal effect on the objective, for BFGS.
SCALE = np.array([1.0, 1.0, 0.1, 0.1, 0.1])
SETS = 16


def objective(theta, x, y, target):
    """Huber's loss times 1e4, as BFGS wants it, and its gradient in the scaled parameters."""
    theta = theta * SCALE
    a, b = theta[0] - theta[3] * x, theta[1] - theta[4] * y
    total = np.logaddexp(np.logaddexp(a, b), theta[2])
    r = total - target
    psi = np.clip(r, -DELTA, DELTA)
    p, q, s = (psi * np.exp(term - total) for term in (a, b, theta[2]))
    gradient = np.array([p.sum(), q.sum(), s.sum(), -(p @ x), -(q @ y)])
    loss = np.where(np.abs(r) < DELTA, 0.5 * r * r, DELTA * (np.abs(r) - 0.5 * DELTA)).sum()
    return 1e4 * loss, 1e4 * gradient * SCALE


@pytest.mark.usefixtures("one_core")
def test_fits_against_bfgs_and_arrays(benchmark, interleaved_medians):
    """At least 50 times as fast as BFGS from the same start, to an objective at most as high; 5 times the array form.

    Measured: 110 and 9.
    """
    x, y = (np.tile(v, (SETS, 8)) for v in grid())
    target = log_loss(x, y, TRUTH) + 0.005 * Stream.from_seed(2).normal(SETS, x.shape[1])
    start, which = np.tile(TRUTH, (SETS, 1)), np.arange(SETS)

    def peer():
        return [
            minimize(objective, TRUTH / SCALE, (x[i], y[i], target[i]), "BFGS", jac=True, options={"gtol": 1e-6}).fun
            for i in range(SETS)
        ]

    found = benchmark(fit_numba, x, y, target, which, start, DELTA)
    assert np.all(1e4 * found.objective <= np.array(peer()) * (1 + 1e-9))
    if benchmark.enabled:
        ours, bfgs, arrays = interleaved_medians(
            lambda: fit_numba(x, y, target, which, start, DELTA),
            peer,
            lambda: fit_arrays(x, y, target, which, start, DELTA),
            rounds=7,
        )
        benchmark.extra_info["us a fit"] = 1e6 * ours / SETS
        benchmark.extra_info["BFGS over ours"] = bfgs / ours
        benchmark.extra_info["arrays over ours"] = arrays / ours
        assert bfgs > 50 * ours
        assert arrays > 5 * ours
