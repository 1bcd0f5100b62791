"""Speed of exponential sums against vectorised NumPy, their own reference, their floor, and JAX."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_peers import cpu_medians, drawn, jax_in_double, one_core, record  # noqa: F401

from theorylab.kernels import exponential_sums as sums
from theorylab.kernels.random import Stream

D, NORM = 20, 4.4
TERMS = {"gaussian": 400_000, "isotropic": 50_000, "quadratic": 50_000}


def log_sums(energy, t):
    lowest = energy.min()
    return np.log([np.exp(-s * (energy - lowest)).sum() for s in t]) - t * lowest


def plain(name, t):
    """What one writes in NumPy: all energies in an array, NumPy's own generator."""
    rng = np.random.default_rng(0)
    if name == "gaussian":
        return log_sums(rng.standard_normal(TERMS[name]), t)
    x = np.full(D, NORM / np.sqrt(D))
    return log_sums(0.5 * ((x - rng.standard_normal((TERMS[name], D))) ** 2).sum(axis=1), t)


def with_jax(jax, name, t):
    jnp = jax.numpy
    x = jnp.full(D, NORM / np.sqrt(D))

    def run(key):
        if name == "gaussian":
            energy = jax.random.normal(key, (TERMS[name],))
        else:
            energy = 0.5 * ((x - jax.random.normal(key, (TERMS[name], D))) ** 2).sum(axis=1)
        return jax.scipy.special.logsumexp(-t[:, None] * energy, axis=1)

    compiled, key = jax.jit(run), jax.random.key(0)
    return lambda: compiled(key).block_until_ready()


@pytest.mark.usefixtures("one_core")
@pytest.mark.parametrize("count", [1, 16])
@pytest.mark.parametrize("name", ["gaussian", "isotropic", "quadratic"])
def test_sums(benchmark, name, count):
    """Against the twin on the same bits at least 10 at one temperature; ahead of vectorised NumPy and JAX."""
    t = np.linspace(0.5, 4, count)
    centre = np.full(D, NORM / np.sqrt(D))
    rest = {"gaussian": (), "isotropic": (NORM, D), "quadratic": (centre, np.ones(D))}[name]

    def run(backend, terms=TERMS[name]):
        return getattr(sums, name)(1, Stream.from_seed(1, backend), terms, t, *rest)

    run("numba")
    benchmark(run, "numba")
    if not benchmark.enabled:
        return
    x = np.random.default_rng(0).uniform(-10, 0, 2048)
    out, times = np.empty_like(x), -(-TERMS[name] // 2048)
    kind = {"gaussian": sums.GAUSSIAN, "isotropic": sums.ISOTROPIC, "quadratic": sums.QUADRATIC}[name]
    normals, uniforms = sums.numbers(kind, D if rest else 1)
    peers = [
        lambda: run("numba"), lambda: plain(name, t), lambda: run("numpy"),
        lambda: [np.exp(x, out=out) for _ in range(times)],
        drawn(TERMS[name] * normals, True), drawn(TERMS[name] * uniforms // 2 * 2, False),
        lambda: run("numba", 10 * TERMS[name]),
    ]  # fmt: skip
    jax = jax_in_double()
    if jax is not None:
        peers.append(with_jax(jax, name, t))
        peers[-1]()
    ours, theirs, reference, exp, normal, uniform, ten_times, *others = cpu_medians(*peers, rounds=11)
    floor = count * exp + normal + uniform
    record(
        benchmark, vectorised_NumPy=theirs / ours, NumPy_twin=reference / ours, floor_over_time=floor / ours,
        exponentials_over_time=count * exp / ours, time_of_ten_times_the_terms=ten_times / ours,
        **dict(zip(["JAX"], (time / ours for time in others))),
    )  # fmt: skip
    assert theirs > ours
    assert reference > (10 if count == 1 else 4) * ours
    assert floor > 0.6 * ours
    assert ten_times < 11 * ours
    assert all(time > ours for time in others)
