"""The schedule of looks and the split of the level."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theorylab.checks.base import Level
from theorylab.inference.levels import CLAIM_LEVEL, MOST_LOOKS, SHARES, SUITE_LEVEL, looks


@given(trials=st.integers(1, 10**7), block=st.integers(1, 10**5))
def test_looks(trials, block):
    schedule = looks(trials, block)
    assert schedule == sorted(set(schedule))
    assert 1 <= len(schedule) <= MOST_LOOKS
    assert all(n % block == 0 for n in schedule)
    assert schedule[-1] - block < trials <= schedule[-1], "the budget, rounded up to a block"
    # Doubling, up to the rounding to blocks.
    assert all(b <= 2 * a for a, b in itertools.pairwise(schedule))
    assert all(b >= 2 * a - block for a, b in itertools.pairwise(schedule))
    if len(schedule) < MOST_LOOKS:
        assert schedule[0] == block, "looking starts with the first block where there are looks enough"


def test_looks_of_a_small_budget():
    assert looks(1024, 64) == [64, 128, 256, 512, 1024]
    assert looks(100, 64) == [64, 128]
    assert looks(1, 64) == [64]
    assert looks(2**20, 1)[0] == 2**13


def test_suite_level_is_split_evenly():
    assert pytest.approx(SUITE_LEVEL / SHARES) == CLAIM_LEVEL == 1e-6


def test_quantile_of_a_level():
    assert Level(0.05, 1.0).z() == pytest.approx(1.959963985, rel=1e-9)
    assert Level(0.05, 1.0).z(5) == Level(0.01, 1.0).z() == pytest.approx(2.575829304, rel=1e-9)
    assert Level(0.05, 1.0).z(0) == Level(0.05, 1.0).z()
