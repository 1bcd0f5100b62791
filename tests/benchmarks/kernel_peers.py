"""What the speed comparisons of the kernels share: one core for everybody, ceilings, and JAX."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import scipy.linalg.cython_blas  # noqa: F401  (loaded before its threads are limited)
from threadpoolctl import threadpool_limits


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


def gemm(dtype: Any = np.float64, size: int = 600) -> Callable[[], object]:
    """A square matrix product, the ceiling of kernels made of them: 2 size^3 operations."""
    a, b = np.random.default_rng(0).standard_normal((2, size, size)).astype(dtype)
    out = np.empty_like(a)
    return lambda: np.matmul(a, b, out=out)
