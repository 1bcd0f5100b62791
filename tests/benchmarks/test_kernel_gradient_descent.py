"""Speed of full-batch gradient descent against vectorised NumPy, the rate of a matrix product, and JAX."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_peers import cpu_medians, gemm, jax_in_double, one_core, record  # noqa: F401

from theorylab.kernels.gradient_descent import descend, descend_numba

STEPS = 20
CASES = {"small": ([10, 64, 1], 20, 40), "two layers": ([100, 500, 1], 100, 4), "deep": ([100, 400, 400, 10], 200, 2)}


def with_jax(jax, weights, x, y, scales, rates, activation):
    jnp = jax.numpy
    function = {"relu": jax.nn.relu, "tanh": jnp.tanh}[activation]

    def forward(w, x):
        for l, (matrix, scale) in enumerate(zip(w, scales)):
            x = scale * x @ matrix.T
            x = function(x) if l < len(w) - 1 else x
        return x

    def run(w):
        def step(w, _):
            change = jax.grad(lambda u: 0.5 * jnp.sum((forward(u, x) - y) ** 2))(w)
            return [a - rate * b for a, b, rate in zip(w, change, rates)], None

        w, _ = jax.lax.scan(step, w, None, length=STEPS)
        return forward(w, x)

    compiled, w = jax.jit(jax.vmap(run)), [jnp.asarray(matrix) for matrix in weights]
    return lambda: compiled(w).block_until_ready()


@pytest.mark.usefixtures("one_core")
@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("case", CASES)
def test_training(benchmark, case, activation):
    """Ahead of vectorised NumPy, level with JAX or ahead; where products dominate, at 60 % of their rate."""
    widths, points, replicas = CASES[case]
    source = np.random.default_rng(0)
    x, y = source.standard_normal((points, widths[0])), source.standard_normal((points, widths[-1]))
    weights = [source.standard_normal((replicas, n, p)) for n, p in zip(widths[1:], widths[:-1])]
    scales = [float(1 / np.sqrt(n)) for n in widths[:-1]]
    chosen = {"scales": scales, "rates": [0.01] * len(scales), "activation": activation, "times": np.array([STEPS])}
    descend_numba(weights, x, y, **chosen)
    benchmark(descend_numba, weights, x, y, **chosen)
    if not benchmark.enabled:
        return
    peers = [lambda: descend_numba(weights, x, y, **chosen), lambda: descend(weights, x, y, **chosen), gemm()]
    jax = jax_in_double()
    if jax is not None:
        peers.append(with_jax(jax, weights, x, y, scales, chosen["rates"], activation))
        peers[-1]()
    ours, reference, product, *others = cpu_medians(*peers, rounds=7)
    flops = 6 * points * sum(n * p for n, p in zip(widths[1:], widths[:-1])) - 2 * points * widths[0] * widths[1]
    floor = (STEPS * flops + flops / 3) * replicas * product / (2 * 600**3)
    record(
        benchmark,
        NumPy_twin=reference / ours,
        floor_over_time=floor / ours,
        **dict(zip(["JAX"], (t / ours for t in others))),
    )
    assert reference > ours
    if case != "small":
        assert floor > 0.6 * ours
    assert all(t > 0.9 * ours for t in others)
