"""Every kernel on a small input, by name and backend: for comparisons between backends and between places."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from theorylab.kernels import (
    comp_sum_search,
    eigen,
    exponential_sums,
    gradient_descent,
    label_descent,
    lanczos,
    least_squares,
    log_sum_fit,
    ntk,
    sgd,
    tangent_chain,
)
from theorylab.kernels.random import Stream

Case = Callable[[str], Any]
TIMES = np.array([0, 3, 20])


def _stream(backend: str) -> Stream:
    return Stream.from_seed(20, backend)


def _chosen(module: Any, name: str, backend: str) -> Any:
    return getattr(module, f"{name}_{backend}")


def _designs(backend: str, n: int, p: int) -> tuple[np.ndarray, np.ndarray]:
    rng = _stream(backend)
    return rng.normal(5, n, p), rng.normal(5, n)


def _symmetric(backend: str) -> np.ndarray:
    x = _stream(backend).normal(4, 60, 60)
    return x + np.swapaxes(x, 1, 2)


def _tridiagonal() -> tuple[np.ndarray, np.ndarray]:
    rng = _stream("numba")
    return rng.normal(6, 40), rng.uniform(6, 39)


def _features() -> tuple[np.ndarray, np.ndarray]:
    rng = _stream("numba")
    scale = np.arange(1.0, 31.0) ** -1
    return scale[:, None] * rng.normal(4, 30, 12) / np.sqrt(12.0), scale * np.ones((4, 30))


def _descent(backend: str, **options: Any) -> np.ndarray:
    rng = _stream(backend)
    x, y = _stream("numba").normal(2, 6, 4)[0], np.ones((6, 1))
    return gradient_descent.train(5, rng, x, y, times=TIMES, **options)


def _pairs(backend: str) -> dict[str, np.ndarray]:
    key = _stream(backend).key
    if backend == "numpy":
        return comp_sum_search.pairs_numpy(key, 0, np.arange(200), 1.3, 4)
    cases, x, y = comp_sum_search.pairs_numba(key, 0, 0, 200, 1.3, 4, hull=False)
    replay = comp_sum_search.pairs_numpy(key, 0, np.arange(200), 1.3, 4)
    # Cases below the least zero-one regret are left out by the compiled search.
    replay["x"][cases], replay["y"][cases] = x, y
    return replay


def _log_sums(backend: str) -> tuple[np.ndarray, ...]:
    source = np.random.default_rng(0)
    x, y = source.uniform(10.0, 20.0, (2, 3, 40))
    target = np.log(np.exp(3.0 - 0.3 * x) + np.exp(4.0 - 0.35 * y) + 1.8) + 0.01 * source.normal(size=x.shape)
    which = np.arange(3)
    start = np.tile([3.0, 4.0, 0.6, 0.3, 0.35], (3, 1))
    fit = log_sum_fit.fit_arrays if backend == "numpy" else log_sum_fit.fit_numba
    return tuple(fit(x, y, target, which, start, 1e-3)[:2])


# Where there is only array code, "numba" runs it too: the random numbers are the compiled ones then.
KERNELS: dict[str, Case] = {
    "uniform draws": lambda b: _stream(b).uniform(7, 33),
    "normal draws": lambda b: _stream(b).normal(7, 33),
    "Rademacher draws": lambda b: _stream(b).rademacher(7, 33),
    "permutations": lambda b: _stream(b).permutation(7, 33),
    "Haar rotations": lambda b: _stream(b).haar(3, 8),
    "chi draws": lambda b: _chosen(eigen, "chi", b)(_stream(b).key, 0, 0, 5, np.arange(1, 9)),
    "least squares": lambda b: _chosen(least_squares, "minimum_norm", b)(*_designs(b, 20, 9)),
    "least norm": lambda b: _chosen(least_squares, "minimum_norm", b)(*_designs(b, 9, 20)),
    "ridge, primal": lambda b: _chosen(least_squares, "ridge", b)(*_designs(b, 20, 9), 0.3),
    "ridge, dual": lambda b: _chosen(least_squares, "ridge", b)(*_designs(b, 9, 20), 0.3),
    "Gram eigenvalues": lambda b: eigen.gram_eigenvalues(_stream(b).normal(3, 12, 20)),
    "largest tridiagonal eigenvalue": lambda b: _chosen(eigen, "largest_tridiagonal", b)(*_tridiagonal()),
    "tridiagonal traces": lambda b: _chosen(eigen, "shifted_traces", b)(
        3.0 + _tridiagonal()[0] ** 2, _tridiagonal()[1], 0.5
    ),
    "extreme eigenvalues (Lanczos)": lambda b: lanczos.extreme(_symmetric(b), _stream(b).normal(4, 60)),
    "one-pass SGD, linear": lambda b: sgd.linear(
        4, _stream(b), *sgd.principal(*_features()), rate=0.1, batch=2, times=TIMES
    ),
    "one-pass SGD, random features": lambda b: sgd.random_features(
        4, _stream(b), *_features(), rate=0.1, batch=2, times=TIMES, form="direct"
    ),
    "gradient descent, two layers": lambda b: _descent(
        b, widths=(4, 16, 1), scales=(0.5, 0.25), rates=(0.1, 0.1), activation="relu"
    ),
    "gradient descent, deep": lambda b: _descent(
        b, widths=(4, 9, 9, 1), scales=(0.5, 0.3, 0.3), rates=(0.1, 0.1, 0.1), activation="tanh"
    ),
    "exponential sums, Gaussian": lambda b: exponential_sums.gaussian(3, _stream(b), 5000, np.array([0.5, 1.0, 2.0])),
    "exponential sums, isotropic": lambda b: exponential_sums.isotropic(
        3, _stream(b), 5000, np.array([0.5, 1.0]), 1.0, 20
    ),
    "exponential sums, quadratic": lambda b: exponential_sums.quadratic(
        3, _stream(b), 5000, np.array([0.5, 1.0]), np.ones(4), np.arange(1.0, 5.0)
    ),
    "deep networks, chains of layers": lambda b: tangent_chain.norms(5, _stream(b), (7, 4), 0.3, 1.5),
    "tangent kernels": lambda b: ntk.draws(3, _stream(b), _stream("numba").normal(1, 8, 5)[0], 64),
    "conditional-risk search": _pairs,
    "conditional-risk descents": lambda b: _chosen(label_descent, "descents", b)(_stream(b).key, 0, 0, 6, 1.3, 4),
    "fits of log-sums": _log_sums,
}


def compute(name: str, backend: str) -> list[np.ndarray]:
    """The arrays that a kernel gives."""
    out = KERNELS[name](backend)
    if isinstance(out, dict):
        # Bounds of the rounding error are each twin's own.
        out = [out[key] for key in sorted(out) if key != "error"]
    return [np.asarray(x) for x in (out if isinstance(out, tuple | list) else (out,))]
