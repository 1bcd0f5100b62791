"""Speed of the random streams against NumPy's own generator."""

from __future__ import annotations

import numpy as np
import pytest

from theorylab.kernels.random import Stream

NUMBERS = 200_000


@pytest.mark.parametrize("per_trial", [20_000, 200, 4])
@pytest.mark.parametrize(
    ("method", "peer", "at_most"), [("normal", "standard_normal", 0.6), ("uniform", "random", 1.5)]
)
def test_streams_against_numpy(benchmark, interleaved_medians, method, peer, at_most, per_trial):
    """At most 0.6 of NumPy's time for normals (measured: 0.30) and 1.5 for uniforms (measured: 0.87)."""
    shape = (NUMBERS // per_trial, per_trial)
    stream, generator = Stream.from_seed(1), np.random.default_rng(1)
    ours, theirs = getattr(stream, method), getattr(generator, peer)
    ours(*shape)
    benchmark(ours, *shape)
    if benchmark.enabled:
        mine, numpys = interleaved_medians(lambda: ours(*shape), lambda: theirs(shape))
        benchmark.extra_info["ratio to NumPy"] = mine / numpys
        assert mine < at_most * numpys
