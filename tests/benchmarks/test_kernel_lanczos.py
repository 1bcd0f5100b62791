"""Speed of extreme eigenvalues against LAPACK and against ARPACK on the bare matrix."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_peers import cpu_medians, jax_in_double, one_core, record  # noqa: F401
from scipy.sparse.linalg import eigsh

from theorylab.kernels.lanczos import dense, extreme, lanczos
from theorylab.kernels.random import Stream


@pytest.mark.usefixtures("one_core")
@pytest.mark.parametrize(("n", "faster_than_lapack"), [(500, 1.5), (1000, 3)])
def test_largest_eigenvalue(benchmark, n, faster_than_lapack):
    """Well ahead of LAPACK, and of ARPACK with NumPy's product where the matrix has left the cache."""
    x = Stream.from_seed(1).normal(2, n, 2 * n)
    matrices, start = x @ x.transpose(0, 2, 1) / (2 * n), Stream.from_seed(2).normal(2, n)
    benchmark(extreme, matrices, start)
    if not benchmark.enabled:
        return

    def bare():
        return [eigsh(a, 1, which="LA", v0=v, tol=1e-10, return_eigenvectors=False) for a, v in zip(matrices, start)]

    peers = [
        lambda: extreme(matrices, start), lambda: lanczos(dense(matrices), start), bare,
        lambda: np.linalg.eigvalsh(matrices),
    ]  # fmt: skip
    jax = jax_in_double()
    if jax is not None:
        several, given = jax.jit(jax.vmap(jax.numpy.linalg.eigvalsh)), jax.numpy.asarray(matrices)
        peers.append(lambda: several(given).block_until_ready())
        peers[-1]()
    ours, iteration, arpack, lapack, *others = cpu_medians(*peers, rounds=5)
    ratios = dict(zip(["JAX"], (t / ours for t in others)))
    record(benchmark, ARPACK=arpack / ours, array_code=iteration / ours, LAPACK=lapack / ours, **ratios)
    assert all(ratio > 1 for ratio in ratios.values())
    assert arpack > (1.2 if n == 1000 else 0.9) * ours
    assert lapack > faster_than_lapack * ours
