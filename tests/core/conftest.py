"""Shared by the tests of the core."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import settings

# The same examples in every run, and no limit on their time: machines differ, and some are busy.
settings.register_profile("core", deadline=None, derandomize=True)
settings.load_profile("core")


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """Random numbers that depend on the test's name alone: the same whatever else runs."""
    return np.random.default_rng(list(request.node.name.encode()))
