"""The array library of an array."""

from __future__ import annotations

import numpy as np
import pytest

from theorylab.kernels.arrays import host, namespace


def test_numpy():
    assert namespace(np.ones(2), np.ones(3)).sum(np.ones(2)) == 2.0
    assert host([1.0]).dtype == float


def test_standard_arrays():
    strict = pytest.importorskip("array_api_strict", reason="array-api-strict is not installed")
    assert namespace(strict.asarray([1.0])) is strict
    assert type(host(strict.asarray([1.0]))) is np.ndarray


def test_mixtures_and_other_things_are_refused():
    strict = pytest.importorskip("array_api_strict", reason="array-api-strict is not installed")
    for bad in ((np.ones(1), strict.asarray([1.0])), (), ([1.0],)):
        with pytest.raises(TypeError):
            namespace(*bad)
