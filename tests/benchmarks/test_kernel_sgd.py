"""Speed of one-pass SGD against vectorised NumPy, its own reference, its floor, and JAX."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_peers import cpu_medians, drawn, jax_in_double, one_core, record  # noqa: F401

from theorylab.kernels import sgd
from theorylab.kernels.random import Stream

TRIALS, RATE = 20, 0.2
# Inputs v, features d, and steps: how the cost of a decomposition, and of products, weighs against the draws.
SIZES = {"small": (100, 25, 2000), "middle": (600, 150, 2000), "large": (2000, 500, 1000), "short": (600, 150, 100)}


def model(v, d, own):
    source = np.random.default_rng(0)
    scale = np.arange(1.0, v + 1) ** -1
    features = scale[:, None] * source.standard_normal((TRIALS, v, d) if own else (v, d)) / np.sqrt(d)
    return features, scale * np.arange(1.0, v + 1) ** -0.7


def vectorised(features, target, steps):
    """What one writes in NumPy: all runs abreast, a step at a time, NumPy's own generator."""
    v, d = features.shape[-2:]
    rng, theta = np.random.default_rng(0), np.zeros((TRIALS, d))
    for _ in range(steps):
        z = rng.standard_normal((TRIALS, v))
        phi = z @ features if features.ndim == 2 else (z[:, None] @ features)[:, 0]
        error = (phi * theta).sum(axis=1) - z @ target
        theta -= RATE * error[:, None] * phi
    gap = theta @ features.T if features.ndim == 2 else (features @ theta[:, :, None])[:, :, 0]
    return ((gap - target) ** 2).sum(axis=1)


def vectorised_linear(spectrum, gap, steps):
    """The linear model in NumPy."""
    rng, g = np.random.default_rng(0), np.tile(gap, (TRIALS, 1))
    for _ in range(steps):
        z = rng.standard_normal(g.shape)
        g -= RATE * spectrum * z * (z * g).sum(axis=1, keepdims=True)
    return (g**2).sum(axis=1)


def with_jax(jax, features, target, steps):
    jnp = jax.numpy
    v, d = features.shape[-2:]

    def run(key, a):
        def step(theta, key):
            z = jax.random.normal(key, (v,))
            phi = z @ a
            return theta - RATE * (phi @ theta - z @ target) * phi, None

        theta, _ = jax.lax.scan(step, jnp.zeros(d), jax.random.split(key, steps))
        return jnp.sum((a @ theta - target) ** 2)

    compiled = jax.jit(jax.vmap(run, (0, None if features.ndim == 2 else 0)))
    keys, a = jax.random.split(jax.random.key(0), TRIALS), jnp.asarray(features)
    return lambda: compiled(keys, a).block_until_ready()


def linear_with_jax(jax, spectrum, gap, steps):
    jnp = jax.numpy

    def run(key):
        def step(g, key):
            z = jax.random.normal(key, g.shape)
            return g - RATE * spectrum * z * (z @ g), None

        g, _ = jax.lax.scan(step, jnp.asarray(gap), jax.random.split(key, steps))
        return jnp.sum(g * g)

    compiled, keys = jax.jit(jax.vmap(run)), jax.random.split(jax.random.key(0), TRIALS)
    return lambda: compiled(keys).block_until_ready()


@pytest.mark.usefixtures("one_core")
@pytest.mark.parametrize("own", [False, True], ids=["shared", "own"])
@pytest.mark.parametrize("size", SIZES)
def test_random_features(benchmark, size, own):
    """Ten times vectorised NumPy, but for the smallest model and the shortest runs; ahead of JAX."""
    v, d, steps = SIZES[size]
    if size == "large" and own:
        pytest.skip("twenty matrices of this size are 160 MB: the middle size says the same")
    if not benchmark.enabled:
        steps //= 10
    features, target = model(v, d, own)

    def run(backend, form="principal", steps=steps):
        rng, times = Stream.from_seed(1, backend), np.array([0, steps])
        return sgd.random_features(TRIALS, rng, features, target, rate=RATE, batch=1, times=times, form=form)

    run("numba")
    run("numba", "direct")
    benchmark.pedantic(run, ("numba",), rounds=3)
    if not benchmark.enabled:
        return
    z = np.random.default_rng(0).standard_normal((100, v))
    matrix, out = features if features.ndim == 2 else features[0], np.empty((100, d))
    peers = [
        lambda: run("numba"), lambda: run("numba", "direct"), lambda: vectorised(features, target, steps),
        drawn(TRIALS * steps * (d + 1), True), drawn(TRIALS * steps * v, True),
        lambda: [np.matmul(z, matrix, out=out) for _ in range(TRIALS * steps // 100)],
        lambda: sgd.principal(features, target),
    ]  # fmt: skip
    jax = jax_in_double()
    if jax is not None:
        peers.append(with_jax(jax, features, target, steps))
        peers[-1]()
    ours, direct, plain, normals, inputs, products, factors, *others = cpu_medians(*peers, rounds=3)
    record(
        benchmark, vectorised_NumPy=plain / ours, **dict(zip(["JAX"], (t / ours for t in others))),
        decomposition_over_time=factors / ours, floor_over_time=(normals + factors) / ours,
        vectorised_NumPy_over_direct_form=plain / direct, floor_over_direct_form=(inputs + products) / direct,
    )  # fmt: skip
    if size == "short":
        ours = min(ours, direct)
    assert plain > {"small": 7, "middle": 10, "large": 10, "short": 3}[size] * ours
    assert plain > (1.5 if own is False else 3) * direct
    assert normals + factors > 0.5 * ours
    assert inputs + products > 0.6 * direct
    assert all(t > ours for t in others)


@pytest.mark.usefixtures("one_core")
@pytest.mark.parametrize("v", [20, 151, 1000])
def test_linear_models(benchmark, v):
    """Twice vectorised NumPy on the same model, whose draws are all but a few percent of the time; ahead of JAX."""
    spectrum, gap = np.arange(1.0, v + 1) ** -2.0, np.arange(1.0, v + 1) ** -1.7
    steps = 300_000 // v // (1 if benchmark.enabled else 10)

    def run(backend, steps=steps):
        rng, times = Stream.from_seed(1, backend), np.array([0, steps])
        return sgd.linear(TRIALS, rng, spectrum, gap, rate=RATE, batch=1, times=times)

    run("numba")
    benchmark.pedantic(run, ("numba",), rounds=3)
    if not benchmark.enabled:
        return
    peers = [
        lambda: run("numba"), lambda: vectorised_linear(spectrum, gap, steps), lambda: run("numpy", steps // 10),
        drawn(TRIALS * steps * v, True),
    ]  # fmt: skip
    jax = jax_in_double()
    if jax is not None:
        peers.append(linear_with_jax(jax, spectrum, gap, steps))
        peers[-1]()
    ours, plain, reference, normals, *others = cpu_medians(*peers, rounds=5)
    record(
        benchmark, vectorised_NumPy=plain / ours, NumPy_twin=10 * reference / ours,
        **dict(zip(["JAX"], (t / ours for t in others))), normals_over_time=normals / ours,
    )  # fmt: skip
    assert plain > 2 * ours
    assert 10 * reference > 10 * ours
    assert normals > 0.6 * ours
    assert all(t > ours for t in others)
