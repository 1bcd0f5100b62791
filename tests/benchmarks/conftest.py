"""What the speed comparisons share."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest


@pytest.fixture
def interleaved_medians() -> Callable[..., np.ndarray]:
    """Median seconds of several functions, called in turn so that all see the same load of the machine."""

    def measure(*functions: Callable[[], object], rounds: int = 31) -> np.ndarray:
        times = np.empty((rounds, len(functions)))
        for row in times:
            for j, function in enumerate(functions):
                start = time.perf_counter()
                function()
                row[j] = time.perf_counter() - start
        return np.median(times, axis=0)

    return measure
