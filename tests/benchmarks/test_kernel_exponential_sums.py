"""Speed of exponential sums against vectorised NumPy, their own reference, their floor, and JAX."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_peers import cpu_medians, drawn, jax_in_double, one_core, record  # noqa: F401
from numba import njit

from theorylab.kernels import exponential_sums as sums
from theorylab.kernels.elementary import exponential
from theorylab.kernels.random import Stream
from theorylab.kernels.vectors import wide

# Dimensions of a case, and least ratio to vectorised NumPy at one temperature and at sixteen.
CASES = {
    "gaussian": (1, 2.5, 3), "isotropic 20": (20, 10, 8), "isotropic 100": (100, 30, 30), "quadratic 20": (20, 3, 2.5)
}  # fmt: skip
TERMS = {"gaussian": 1_000_000, "isotropic 20": 200_000, "isotropic 100": 100_000, "quadratic 20": 100_000}
# Terms of a piece: NumPy's best.
PIECE = 10_000


def norm(d):
    return np.sqrt(float(d))


def log_sums(energy, t):
    lowest = energy.min()
    return np.log([np.exp(-s * (energy - lowest)).sum() for s in t]) - t * lowest


def in_pieces(piece, terms, t):
    """Log-sums of pieces that suit NumPy's caches, added."""
    parts = [log_sums(piece(min(PIECE, terms - start)), t) for start in range(0, terms, PIECE)]
    return np.logaddexp.reduce(parts, axis=0)


def plain(name, terms, t):
    """What one writes in NumPy, with its own generator."""
    rng, d = np.random.default_rng(0), CASES[name][0]
    if name == "gaussian":
        return in_pieces(rng.standard_normal, terms, t)
    return in_pieces(lambda m: 0.5 * ((np.ones(d) - rng.standard_normal((m, d))) ** 2).sum(axis=1), terms, t)


def by_chi_squares(name, terms, t):
    """The same law in NumPy by two numbers a term, for a reader of this kernel."""
    rng, d = np.random.default_rng(0), CASES[name][0]
    return in_pieces(lambda m: 0.5 * ((norm(d) - rng.standard_normal(m)) ** 2 + rng.chisquare(d - 1, m)), terms, t)


def with_jax(jax, name, terms, t):
    jnp, d = jax.numpy, CASES[name][0]

    def run(key):
        if name == "gaussian":
            energy = jax.random.normal(key, (terms,))
        else:
            energy = 0.5 * ((jnp.ones(d) - jax.random.normal(key, (terms, d))) ** 2).sum(axis=1)
        return jax.scipy.special.logsumexp(-t[:, None] * energy, axis=1)

    compiled, key = jax.jit(run), jax.random.key(0)
    return lambda: compiled(key).block_until_ready()


def ours(name, backend, terms, t):
    d = CASES[name][0]
    rng, kind = Stream.from_seed(1, backend), name.partition(" ")[0]
    rest = {"gaussian": (), "isotropic": (norm(d), d), "quadratic": (np.ones(d), np.ones(d))}[kind]
    return getattr(sums, kind)(1, rng, terms, t, *rest)


@pytest.mark.usefixtures("one_core")
@pytest.mark.parametrize("count", [1, 16])
@pytest.mark.parametrize("name", CASES)
def test_sums(benchmark, name, count):
    """Distances: ten times vectorised NumPy and more. Where every number must be drawn, three times, near the floor."""
    t, terms = np.linspace(0.5, 4, count), TERMS[name]
    benchmark.pedantic(ours, (name, "numba", terms if benchmark.enabled else 5000, t), rounds=3, warmup_rounds=1)
    if not benchmark.enabled:
        return
    x = np.random.default_rng(0).uniform(-10, 0, 2048)
    out, times = np.empty_like(x), -(-terms // 2048)
    kind = {"gaussian": sums.GAUSSIAN, "isotropic": sums.RADIAL, "quadratic": sums.QUADRATIC}[name.partition(" ")[0]]
    normals, uniforms = sums.numbers(kind, CASES[name][0])
    peers = [
        lambda: ours(name, "numba", terms, t), lambda: plain(name, terms, t), lambda: ours(name, "numpy", terms, t),
        lambda: [np.exp(x, out=out) for _ in range(times)],
        drawn(terms * normals, True), drawn(terms * uniforms // 2 * 2, False),
    ]  # fmt: skip
    if name.startswith("isotropic"):
        peers.append(lambda: by_chi_squares(name, terms, t))
    jax = jax_in_double()
    if jax is not None:
        peers.append(with_jax(jax, name, terms, t))
        peers[-1]()
    mine, theirs, reference, exp, normal, uniform, *others = cpu_medians(*peers, rounds=5)
    names = ["NumPy_by_chi_squares"] * name.startswith("isotropic") + ["JAX"]
    ratios = dict(zip(names, (time / mine for time in others)))
    record(
        benchmark, vectorised_NumPy=theirs / mine, **ratios, NumPy_twin=reference / mine,
        nanoseconds_a_term=1e9 * mine / terms, draws_over_time=(normal + uniform) / mine,
        NumPys_exponentials_over_time=count * exp / mine,
    )  # fmt: skip
    assert theirs > CASES[name][1 if count == 1 else 2] * mine
    assert reference > 3 * mine
    # A sixteenth of the exponentials, by products of equally spaced ones.
    assert normal + uniform + exp > (0.4 if count == 1 else 0.2) * mine
    assert all(ratio > 1 for ratio in ratios.values())


@njit(error_model="numpy")
def exponentials(x, out, times):
    """As many exponentials as a compiled loop can make from the first cache."""
    wide()
    for _ in range(times):
        for i in range(x.size):
            out[i] = exponential(x[i])


@pytest.mark.usefixtures("one_core")
def test_rate_of_exponentials(benchmark):
    """A further temperature costs one exponential a term: 60 % and more of the rate at which these can be made."""
    terms, more = TERMS["isotropic 20"] if benchmark.enabled else 5000, 16
    one, many = np.array([0.5]), np.sort(np.random.default_rng(1).uniform(0.5, 4.0, more + 1))
    benchmark.pedantic(ours, ("isotropic 20", "numba", terms, many), rounds=3, warmup_rounds=1)
    if not benchmark.enabled:
        return
    x = np.random.default_rng(0).uniform(-10, 0, 2048)
    out, times = np.empty_like(x), -(-terms // 2048)
    exponentials(x, out, 1)
    least, most, compiled, numpys = cpu_medians(
        lambda: ours("isotropic 20", "numba", terms, one), lambda: ours("isotropic 20", "numba", terms, many),
        lambda: exponentials(x, out, times), lambda: [np.exp(x, out=out) for _ in range(times)], rounds=11,
    )  # fmt: skip
    further = (most - least) / more
    record(
        benchmark, share_of_compiled_exponentials=compiled / further, share_of_NumPys_exponentials=numpys / further,
        nanoseconds_a_term=1e9 * further / terms, share_at_one_temperature=compiled / least,
    )  # fmt: skip
    assert compiled / further > 0.6
