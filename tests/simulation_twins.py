"""What every simulation promises, for the tests of theories: twins agree, and a trial does not know its company."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from theorylab.backends import BATCH
from theorylab.kernels.random import Stream
from theorylab.simulation import Simulation


def demand_twins(
    simulation: Simulation, at: dict[str, Any], *, trials: int = 7, rtol: float = 1e-9, atol: float = 1e-12
) -> None:
    """The backends agree trial by trial, and the numbers do not depend on how trials are batched or where they begin.

    `rtol` and `atol` are for NumPy against the compiled twin; batches may differ by a hundredth of them.
    """
    backend = simulation.backend("auto")
    key = Stream.from_seed(3).key
    whole = simulation(trials, Stream(key, backend), **at)
    reference = simulation(trials, Stream(key, "numpy"), **at)
    first = trials // 2
    later = simulation(trials - first, Stream(key, backend, first), **at)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BATCH, backend, 1)
        one_by_one = simulation(trials, Stream(key, backend), **at)
    for name, values in whole.items():
        np.testing.assert_allclose(reference[name], values, rtol=rtol, atol=atol)
        np.testing.assert_allclose(later[name], values[first:], rtol=rtol / 100, atol=atol)
        np.testing.assert_allclose(one_by_one[name], values, rtol=rtol / 100, atol=atol)


def strict_stream(seed: int, backend: str) -> Stream:
    """A stream that hands out arrays of array-api-strict; skips the test where that is not installed."""
    strict = pytest.importorskip("array_api_strict", reason="array-api-strict is not installed")

    class Strict(Stream):
        def _filled(self, normal: bool, trials: int, shape: tuple[int, ...]) -> Any:
            return strict.asarray(super()._filled(normal, trials, shape))

    return Strict.from_seed(seed, backend)


def demand_array_standard(
    simulation: Simulation, at: dict[str, Any], *, trials: int = 4, rtol: float = 1e-9, atol: float = 1e-12
) -> None:
    """Code for any array library keeps to the array API standard: it runs on array-api-strict, to the same numbers."""
    plain = simulation(trials, Stream.from_seed(3, "numpy"), **at)
    other = simulation.function(trials, strict_stream(3, "numpy"), **at)
    other = other if isinstance(other, dict) else {"value": other}
    for name, values in plain.items():
        np.testing.assert_allclose(np.asarray(other[name]), values, rtol=rtol, atol=atol)
