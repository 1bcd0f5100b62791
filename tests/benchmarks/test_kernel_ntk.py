"""Speed of Monte-Carlo tangent kernels against the same products in NumPy, the rate of a product, and JAX."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_peers import cpu_medians, gemm, jax_in_double, one_core, record  # noqa: F401

from theorylab.kernels import ntk
from theorylab.kernels.random import Stream

WIDTH, INPUTS, D, DRAWS = 1024, 200, 100, 10


def plain(x):
    """The matrix form with NumPy's own generator."""
    rng = np.random.default_rng(0)
    gram, total = x @ x.T, np.zeros((INPUTS, INPUTS), dtype=x.dtype)
    for _ in range(DRAWS):
        h = x @ rng.standard_normal((WIDTH, D), dtype=x.dtype).T
        active, slope = np.maximum(h, 0), (h > 0) * rng.standard_normal(WIDTH, dtype=x.dtype)
        total += (active @ active.T + gram * (slope @ slope.T)) / WIDTH
    return total / DRAWS


def with_jax(jax, x):
    jnp = jax.numpy
    x = jnp.asarray(x)

    def one(total, key):
        first, second = jax.random.split(key)
        h = x @ jax.random.normal(first, (WIDTH, D), dtype=x.dtype).T
        active, slope = jnp.maximum(h, 0), (h > 0) * jax.random.normal(second, (WIDTH,), dtype=x.dtype)
        return total + (active @ active.T + (x @ x.T) * (slope @ slope.T)) / WIDTH, None

    def run(key):
        zero = jnp.zeros((INPUTS, INPUTS), dtype=x.dtype)
        return jax.lax.scan(one, zero, jax.random.split(key, DRAWS))[0] / DRAWS

    compiled, key = jax.jit(run), jax.random.key(0)
    return lambda: compiled(key).block_until_ready()


@pytest.mark.usefixtures("one_core")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_draws(benchmark, dtype):
    """Ahead of the matrix form in NumPy and of JAX; at 70 % of the rate of a product, symmetric ones counted whole."""
    x = (np.random.default_rng(0).standard_normal((INPUTS, D)) / 10).astype(dtype)

    def run(backend, draws=DRAWS):
        return ntk.moments(draws, Stream.from_seed(1, backend), x, WIDTH, dtype)

    run("numba")
    benchmark(run, "numba")
    if not benchmark.enabled:
        return
    stream = Stream.from_seed(2)
    peers = [
        lambda: run("numba"), lambda: plain(x), lambda: run("numpy"), gemm(dtype),
        lambda: [stream.normal(1, WIDTH, D) for _ in range(DRAWS)], lambda: run("numba", 10 * DRAWS),
    ]  # fmt: skip
    jax = jax_in_double()
    if jax is not None:
        peers.append(with_jax(jax, x))
        peers[-1]()
    ours, theirs, reference, product, normals, ten_times, *others = cpu_medians(*peers, rounds=7)
    products = DRAWS * (2 * INPUTS * D * WIDTH + 4 * INPUTS**2 * WIDTH) * product / (2 * 600**3)
    record(
        benchmark, NumPy_matrix_form=theirs / ours, NumPy_twin=reference / ours, products_over_time=products / ours,
        normals_over_time=normals / ours, time_of_ten_times_the_draws=ten_times / ours,
        **dict(zip(["JAX"], (t / ours for t in others))),
    )  # fmt: skip
    assert theirs > ours
    assert reference > ours
    assert products > (0.7 if dtype == np.float64 else 0.4) * ours
    assert ten_times < 11 * ours
    assert all(t > ours for t in others)
