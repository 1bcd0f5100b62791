"""Kernels whose work is linear in a size take ten times as long for ten times as much: nothing grows with it."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_peers import cpu_medians, one_core, record  # noqa: F401

from theorylab.kernels import comp_sum_search, exponential_sums, ntk, sgd
from theorylab.kernels.gradient_descent import train
from theorylab.kernels.least_squares import ridge_numba
from theorylab.kernels.random import Stream

X = np.random.default_rng(0).standard_normal((40, 20)) / 5


def sgd_steps(steps):
    spectrum, gap = np.arange(1.0, 151) ** -2.0, np.arange(1.0, 151) ** -1.7
    sgd.linear(4, Stream.from_seed(1), spectrum, gap, rate=0.2, batch=1, times=np.array([steps]))


def direct_sgd_runs(runs):
    features, target = np.ones((200, 50)) / 1e3, np.ones(200) / 1e3
    options = {"rate": 0.1, "batch": 1, "times": np.array([200]), "form": "direct"}
    sgd.random_features(runs, Stream.from_seed(1), features, target, **options)


def terms_of_sums(terms):
    exponential_sums.isotropic(1, Stream.from_seed(1), terms, np.linspace(0.5, 4, 4), 4.4, 20)


def pairs_of_the_search(pairs):
    comp_sum_search.pairs_numba(np.array([1, 2], dtype=np.uint32), 0, 0, pairs, 0.5, 10, hull=True)


def draws_of_kernels(draws):
    ntk.moments(draws, Stream.from_seed(1), X, 256)


def ridge_trials(trials):
    design = np.ones((trials, 1, 1)) * np.random.default_rng(0).standard_normal((60, 30))
    ridge_numba(design, design[:, :, 0], 0.1)


def steps_of_descent(steps):
    options = {"widths": [20, 64, 1], "scales": [0.2, 0.1], "rates": [0.1, 0.1], "activation": "relu"}
    train(2, Stream.from_seed(1), X, X[:, :1], times=np.array([steps]), **options)


# Sizes at which a call takes some milliseconds.
LINEAR = {
    sgd_steps: 3000, direct_sgd_runs: 10, terms_of_sums: 200_000, pairs_of_the_search: 2**17, draws_of_kernels: 10,
    ridge_trials: 100, steps_of_descent: 150,
}  # fmt: skip


@pytest.mark.usefixtures("one_core")
@pytest.mark.parametrize("work", LINEAR)
def test_ten_times_the_size_takes_at_most_eleven_times_as_long(benchmark, work):
    size = LINEAR[work]
    benchmark.pedantic(work, (size if benchmark.enabled else max(2, size // 100),), rounds=1, warmup_rounds=1)
    if benchmark.enabled:
        once, tenfold, hundredfold = cpu_medians(
            lambda: work(size), lambda: work(10 * size), lambda: work(100 * size), rounds=5
        )
        record(benchmark, milliseconds=1e3 * once, tenfold=tenfold / once, hundredfold=hundredfold / once)
        assert tenfold <= 11 * once
        assert hundredfold <= 115 * once
