"""Speed of one-pass SGD against vectorised NumPy, its own reference, its floor, and JAX."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_peers import cpu_medians, drawn, jax_in_double, one_core, record  # noqa: F401

from theorylab.kernels import sgd
from theorylab.kernels.random import Stream

V, D, TRIALS, STEPS, RATE = 600, 150, 20, 120, 0.2
TIMES = np.array([0, STEPS])


def model(own: bool):
    source = np.random.default_rng(0)
    scale = np.arange(1.0, V + 1) ** -1
    features = scale[:, None] * source.standard_normal((TRIALS, V, D) if own else (V, D)) / np.sqrt(D)
    return features, scale * np.arange(1.0, V + 1) ** -0.7


def vectorised(features, target):
    """What one writes in NumPy: all runs abreast, a step at a time, NumPy's own generator."""
    rng, theta = np.random.default_rng(0), np.zeros((TRIALS, D))
    for _ in range(STEPS):
        z = rng.standard_normal((TRIALS, V))
        phi = z @ features if features.ndim == 2 else (z[:, None] @ features)[:, 0]
        error = (phi * theta).sum(axis=1) - z @ target
        theta -= RATE * error[:, None] * phi
    gap = theta @ features.T if features.ndim == 2 else (features @ theta[:, :, None])[:, :, 0]
    return ((gap - target) ** 2).sum(axis=1)


def with_jax(jax, features, target):
    jnp = jax.numpy

    def run(key, a):
        def step(theta, key):
            z = jax.random.normal(key, (V,))
            phi = z @ a
            return theta - RATE * (phi @ theta - z @ target) * phi, None

        theta, _ = jax.lax.scan(step, jnp.zeros(D), jax.random.split(key, STEPS))
        return jnp.sum((a @ theta - target) ** 2)

    compiled = jax.jit(jax.vmap(run, (0, None if features.ndim == 2 else 0)))
    keys, a = jax.random.split(jax.random.key(0), TRIALS), jnp.asarray(features)
    return lambda: compiled(keys, a).block_until_ready()


@pytest.mark.usefixtures("one_core")
@pytest.mark.parametrize("own", [False, True], ids=["shared features", "own features"])
def test_random_features(benchmark, own):
    """Against vectorised NumPy: at least 2 with shared features, 5 with own; ahead of JAX."""
    features, target = model(own)

    def run(backend, times=TIMES):
        rng = Stream.from_seed(1, backend)
        return sgd.random_features(TRIALS, rng, features, target, rate=RATE, batch=1, times=times)

    run("numba")
    benchmark(run, "numba")
    if not benchmark.enabled:
        return
    z = np.random.default_rng(0).standard_normal((100, V))
    matrix, out = features if features.ndim == 2 else features[0], np.empty((100, D))
    peers = [
        lambda: run("numba"), lambda: vectorised(features, target), lambda: run("numpy"),
        drawn(TRIALS * STEPS * V, True), lambda: [np.matmul(z, matrix, out=out) for _ in range(TRIALS * STEPS // 100)],
        lambda: run("numba", TIMES * 10),
    ]  # fmt: skip
    jax = jax_in_double()
    if jax is not None:
        peers.append(with_jax(jax, features, target))
        peers[-1]()
    ours, plain, reference, normals, product, ten_times, *others = cpu_medians(*peers, rounds=11)
    floor = normals + product
    record(
        benchmark, vectorised_NumPy=plain / ours, NumPy_twin=reference / ours, floor_over_time=floor / ours,
        time_of_ten_times_the_steps=ten_times / ours, **dict(zip(["JAX"], (t / ours for t in others))),
    )  # fmt: skip
    assert plain > (5 if own else 2) * ours
    assert reference > 5 * ours
    assert floor > 0.6 * ours
    assert ten_times < 11 * ours
    assert all(t > ours for t in others)


@pytest.mark.usefixtures("one_core")
def test_the_same_law_without_matrices(benchmark):
    """The linear model with the law of the random features: at least 10 times as fast as NumPy on the features."""
    features, target = model(False)
    spectrum, gap = sgd.principal(features, target)

    def run(backend):
        return sgd.linear(TRIALS, Stream.from_seed(1, backend), spectrum, gap, rate=RATE, batch=1, times=TIMES)

    def plain():
        rng, g = np.random.default_rng(0), np.tile(gap, (TRIALS, 1))
        for _ in range(STEPS):
            z = rng.standard_normal(g.shape)
            g -= RATE * spectrum * z * (z * g).sum(axis=1, keepdims=True)
        return (g**2).sum(axis=1)

    run("numba")
    benchmark(run, "numba")
    if not benchmark.enabled:
        return
    ours, matrices, vectors, reference, normals = cpu_medians(
        lambda: run("numba"), lambda: vectorised(features, target), plain, lambda: run("numpy"),
        drawn(TRIALS * STEPS * (D + 1), True),
    )  # fmt: skip
    record(
        benchmark, vectorised_NumPy_on_the_features=matrices / ours, vectorised_NumPy_on_the_same_model=vectors / ours,
        NumPy_twin=reference / ours, normals_over_time=normals / ours,
    )  # fmt: skip
    assert matrices > 10 * ours
    assert vectors > 2.5 * ours
    assert reference > 10 * ours
