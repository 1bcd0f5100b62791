"""Speed of training quadratic networks against NumPy and against its products alone, and of their mean-field theory."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_peers import cpu_medians, one_core, record  # noqa: F401

from theorylab.derivations.learning_dynamics import grokking_dmft as dmft
from theorylab.kernels.quadratic_descent import descend, descend_numba

STEPS = 12


@pytest.mark.usefixtures("one_core")
def test_training_is_bound_by_its_products(benchmark):
    """Ahead of NumPy with all trials abreast, at 70 % or more of the rate of the two products of a step."""
    source = np.random.default_rng(0)
    trials, samples, size, columns = 16, 300, 100, 16
    x = source.standard_normal((trials, samples, size)) / np.sqrt(size)
    target, w = source.random((trials, samples)), source.standard_normal((trials, size, columns))
    at = {"neurons": 2, "eps": 0.6, "coupling": 0.5, "rate": 0.03, "centred": True, "times": np.array([0, STEPS])}
    descend_numba(x, target, w, **at)
    benchmark(descend_numba, x, target, w, **at)
    if not benchmark.enabled:
        return
    h = source.standard_normal((trials, samples, columns))

    def products():
        for k in range(trials):
            for _ in range(STEPS + 1):
                np.dot(x[k], w[k])
                np.dot(x[k].T, h[k])

    ours, reference, floor = cpu_medians(
        lambda: descend_numba(x, target, w, **at), lambda: descend(x, target, w, **at), products, rounds=7
    )
    record(benchmark, NumPy_twin=reference / ours, products_over_time=floor / ours)
    assert reference > ours
    assert floor > 0.7 * ours


@pytest.mark.usefixtures("one_core")
def test_mean_field_theory_of_fifty_steps(benchmark):
    """2000 samples over 50 steps take less than a second, of one core: no iteration, no tangents kept."""
    at = dmft.Setting(4, 4.0, 1.0, 0.3, 0.4, 0.5, True)
    dmft.sweep(at, 2, 128, 0)
    benchmark.pedantic(dmft.sweep, args=(at, 50, 2048, 0), rounds=1)
    if not benchmark.enabled:
        return
    (ours,) = cpu_medians(lambda: dmft.sweep(at, 50, 2048, 0), rounds=3)
    record(benchmark, seconds=ours)
    assert ours < 1.0
