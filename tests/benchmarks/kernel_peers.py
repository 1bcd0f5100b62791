"""What the speed comparisons of the kernels share: one core for everybody, ceilings, and JAX."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import scipy.linalg.cython_blas  # noqa: F401  (loaded before its threads are limited)
from threadpoolctl import threadpool_limits

from theorylab.kernels.random import fill


@pytest.fixture
def one_core() -> Iterator[None]:
    """This process on one core with one BLAS thread, so that ratios are per core, for JAX's threads too."""
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system cannot tie a process to one core")
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    with threadpool_limits(1):
        yield
    os.sched_setaffinity(0, cores)


def jax_in_double() -> Any:
    """JAX on the CPU in double precision, or None where it is not installed."""
    try:
        import jax
    except ImportError:
        return None
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_enable_x64", True)
    return jax


def record(benchmark: Any, **ratios: float) -> None:
    """Keep ratios with the result, and show them in the log of the test."""
    for name, ratio in ratios.items():
        benchmark.extra_info[name.replace("_", " ")] = float(ratio)
    print("  ".join(f"{name.replace('_', ' ')}: {ratio:.3g}" for name, ratio in ratios.items()))


def cpu_medians(*functions: Callable[[], object], rounds: int = 11) -> np.ndarray:
    """Median seconds of processor time of several functions called in turn, their own threads' work counted in.

    Time on the clock would favour whoever fits between two other users of a shared core.
    """
    times = np.empty((rounds, len(functions)))
    for row in times:
        for j, function in enumerate(functions):
            # Threads of the function before may still look for work, which would be counted here.
            time.sleep(0.003)
            start = time.process_time()
            function()
            row[j] = time.process_time() - start
    return np.median(times, axis=0)


def drawn(count: int, normal: bool) -> Callable[[], object]:
    """That many normals or uniforms into one array that stays in cache: the ceiling of kernels that draw."""
    out, key = np.empty(32768), np.zeros(2, dtype=np.uint32)

    def draw() -> None:
        for done in range(0, count, out.size):
            piece = out[: min(out.size, count - done)]
            fill(piece, piece.size, key, 0, 0, True, normal)

    return draw


def gemm(dtype: Any = np.float64, size: int = 600) -> Callable[[], object]:
    """A square matrix product, the ceiling of kernels made of them: 2 size^3 operations."""
    a, b = np.random.default_rng(0).standard_normal((2, size, size)).astype(dtype)
    out = np.empty_like(a)
    return lambda: np.matmul(a, b, out=out)
