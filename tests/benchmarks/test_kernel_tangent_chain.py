"""Speed of chains of layers against their NumPy twin, the matrices of the networks, and the draws that they take."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_peers import cpu_medians, drawn, one_core, record  # noqa: F401

from theorylab.kernels import tangent_chain
from theorylab.kernels.random import Stream
from theorylab.sims.infinite_width import deep_tangent

WIDTHS, NETWORKS = (64,) * 7, 500


@pytest.mark.usefixtures("one_core")
def test_chains(benchmark):
    """At 40 % or more of the rate of the draws; ahead of NumPy, and ten times ahead of the matrices."""

    def run(backend):
        return tangent_chain.norms(NETWORKS, Stream.from_seed(1, backend), WIDTHS, 0.0, 2.0)

    def matrices():
        for seed in range(NETWORKS // 50):
            deep_tangent.passes(50, Stream.from_seed(seed), 50, list(WIDTHS), 0.0, 2.0)

    run("numba")
    benchmark(run, "numba")
    if not benchmark.enabled:
        return
    count = NETWORKS * tangent_chain.numbers(WIDTHS)
    ours, reference, full, draws = cpu_medians(
        lambda: run("numba"), lambda: run("numpy"), matrices, drawn(count, True), rounds=7
    )
    record(
        benchmark,
        NumPy_twin=reference / ours,
        matrices=full / ours,
        draws_over_time=draws / ours,
        microseconds_a_network=1e6 * ours / NETWORKS,
    )
    assert reference > ours
    assert full > 10 * ours
    assert draws > 0.4 * ours
    assert np.all(run("numba")[0] >= 0)
