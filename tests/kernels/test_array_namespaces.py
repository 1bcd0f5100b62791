"""The array library of an array."""

from __future__ import annotations

import numpy as np
import pytest

from theorylab.kernels.arrays import namespace


def test_numpy():
    assert namespace(np.ones(2), np.ones(3)) is np


def test_standard_arrays():
    strict = pytest.importorskip("array_api_strict", reason="array-api-strict is not installed")
    assert namespace(strict.asarray([1.0])) is strict


def test_mixtures_and_other_things_are_refused():
    strict = pytest.importorskip("array_api_strict", reason="array-api-strict is not installed")
    with pytest.raises(TypeError, match="arrays of one library are wanted, not of array_api_strict, numpy"):
        namespace(np.ones(1), strict.asarray([1.0]))
    with pytest.raises(TypeError, match="not of none"):
        namespace()
    with pytest.raises(TypeError, match="list is not an array"):
        namespace([1.0])
