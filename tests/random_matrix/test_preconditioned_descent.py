"""Descent with the curvature of a batch: it decays below 2 over the largest eigenvalue and grows above.

Every assertion is deterministic: no false alarms.
"""

from __future__ import annotations

import numpy as np
import pytest
from simulation_twins import demand_array_standard, demand_twins

from theorylab.kernels.random import Stream
from theorylab.sims.random_matrix.preconditioned_descent import _preconditioned, growth

AT = {"P": 6, "B": 4, "theta": 5.0, "sigma": 1.0, "power": 0.5, "alpha": 0.3, "steps": 6}


@pytest.mark.parametrize("fresh", [0, 1])
def test_twins(fresh):
    demand_twins(growth, {**AT, "fresh": fresh}, rtol=1e-7)
    demand_array_standard(growth, {**AT, "fresh": fresh}, rtol=1e-7)


@pytest.mark.parametrize("power", [0.0, 0.5])
@pytest.mark.parametrize("B", [4, 20])
def test_one_batch_diverges_beyond_two_over_its_largest_eigenvalue(power, B):
    at = {**AT, "B": B, "power": power, "fresh": 0, "steps": 300}
    for trial in range(4):
        # The draw of w comes first.
        one = Stream.from_seed(1)
        one.normal(8, 6)
        values, _ = _preconditioned(8, one, 6, B, 5.0, 1.0, power)
        assert np.count_nonzero(values[trial]) == min(6, B)
        critical = 2.0 / values[trial].max()
        below, above = (
            growth(8, Stream.from_seed(1), **{**at, "alpha": c * critical})["value"][trial] for c in (0.97, 1.03)
        )
        assert below < 0.0 < above
        # Twice the logarithm of the factor of the top direction, which has won by then.
        assert above == pytest.approx(2.0 * np.log(1.06), rel=0.02)


def test_without_noise_the_limit_is_that_of_the_population():
    """Very many samples: fresh batches and one batch diverge together at 2/theta."""
    for fresh in (0, 1):
        at = {**AT, "B": 4000, "power": 0.0, "fresh": fresh, "steps": 30}
        assert np.all(growth(4, Stream.from_seed(2), **{**at, "alpha": 0.9 * 2 / 5})["value"] < 0.0)
        assert np.all(growth(4, Stream.from_seed(2), **{**at, "alpha": 1.1 * 2 / 5})["value"] > 0.0)
