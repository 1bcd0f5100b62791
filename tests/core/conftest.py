"""Shared by the tests of the core."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """Random numbers that depend on the test's name alone: the same whatever else runs."""
    return np.random.default_rng(list(request.node.name.encode()))
