"""Draws for kernels that stream are those that the stream gives one by one."""

from __future__ import annotations

import numpy as np
import pytest

from theorylab.kernels.random import Stream, fill

KEY = np.array([7, 8], dtype=np.uint32)


@pytest.mark.parametrize("normal", [True, False])
@pytest.mark.parametrize(("size", "draws"), [(2, 1), (2, 700), (6, 200), (510, 3), (512, 2), (514, 3), (4000, 2)])
def test_fill_equals_single_draws(size, draws, normal):
    out = np.empty(draws * size)
    fill(out, size, KEY, 3, 11, True, normal)
    stream = Stream(KEY, "numba", first_trial=11, _draws=3)
    method = stream.normal if normal else stream.uniform
    np.testing.assert_array_equal(out.reshape(draws, size), [method(1, size)[0] for _ in range(draws)])


def test_nothing_to_fill():
    fill(np.empty(0), 2, KEY, 0, 0, True, True)


def test_reserved_ordinals_are_skipped_by_later_draws():
    one, other = Stream(KEY), Stream(KEY)
    assert one.next_draw(3) == 0
    for _ in range(3):
        other.normal(1, 2)
    np.testing.assert_array_equal(one.normal(1, 2), other.normal(1, 2))
