"""GPU twins of the compiled kernels, through CuPy: same arguments, same random bits, results as NumPy arrays.

Array-level kernels (gradient descent, tangent kernels, Lanczos) need none: their array code runs on CuPy arrays.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from theorylab.kernels.comp_sum_search import SHARE, steepness
from theorylab.kernels.cuda_search_source import MOST_CLASSES
from theorylab.kernels.cuda_sources import SOURCE
from theorylab.kernels.exponential_sums import LANES, RADIAL, ROW, TERMS, numbers, spacing
from theorylab.kernels.lower_hull import CELLS, NOTHING, lower_hull, tabulate
from theorylab.kernels.random import Stream

# Threads of a block: a power of two, at most 256.
THREADS = 128
# Most blocks of a grid whose threads take what is left in turns.
BLOCKS = 65536
# Cases of a search between two looks at its hull.
CASES = 2**22
# Most bytes of normals ahead of the steps of all trials.
AHEAD = 2**28


def library() -> Any:
    """CuPy.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    try:
        import cupy
    except ImportError as error:
        raise ImportError("GPU kernels need CuPy: pip install 'theorylab[cuda12]' (or [cuda13])") from error
    return cupy


@functools.cache
def _module() -> Any:
    """The device code, compiled for the present device."""
    return library().RawModule(code=SOURCE)


def launch(name: str, grid: tuple[int, ...], threads: int, *arguments: Any) -> None:
    """Start a kernel; arguments are device arrays and NumPy scalars of the declared types."""
    _module().get_function(name)(grid, (threads,), arguments)


def uniform(key: np.ndarray, draw: int, first_trial: int, trials: int, count: int) -> Any:
    """Twin of `kernels.random.uniform_numpy` on the device, equal to the bit: float64[trials, count]."""
    return _fill(key, draw, first_trial, trials, 1, count, 0)[:, 0, :count]


def normal(key: np.ndarray, draw: int, first_trial: int, trials: int, count: int) -> Any:
    """Twin of `kernels.random.normal_numba` on the device, equal to the bit: float64[trials, count]."""
    return _fill(key, draw, first_trial, trials, 1, count, 1)[:, 0, :count]


def normals(rng: Stream, trials: int, *shape: int) -> Any:
    """The stream's next normals, float64[trials, *shape], made on the device."""
    return normal(rng.key, rng.next_draw(), rng.first_trial, trials, math.prod(shape)).reshape(trials, *shape)


def _fill(key: np.ndarray, draw: int, first_trial: int, trials: int, draws: int, count: int, kind: int) -> Any:
    """Consecutive draws, float64[trials, draws, count rounded up to even]."""
    size = count + count % 2
    out = library().empty((trials, draws, size), dtype=np.float64)
    blocks = min(-(-out.size // (2 * THREADS)), BLOCKS)
    if blocks:
        numbers = (np.int64(trials), np.int64(draws), np.int64(size))
        launch("fill", (blocks,), THREADS, out, *numbers, *_words(key, draw, first_trial), np.int32(kind))
    return out


def _of(name: str, dtype: Any) -> str:
    """The name of a kernel in the given precision."""
    return name if dtype == np.float64 else f"{name}_single"


def _words(key: np.ndarray, draw: int, first_trial: int) -> tuple[np.uint32, ...]:
    return np.uint32(key[0]), np.uint32(key[1]), np.uint32(draw), np.uint32(first_trial)


def sgd_random_features(
    trials: int, rng: Stream, a: np.ndarray, c: np.ndarray, rates: np.ndarray, batch: int, times: np.ndarray
) -> np.ndarray:
    """Twin of `kernels.sgd.random_features`: features of many steps as one product, then the steps in one launch."""
    cp = library()
    v, d = a.shape[1:]
    first = rng.next_draw(len(rates))
    features, target, steps = cp.asarray(a), cp.asarray(c), cp.asarray(rates)
    theta, error = cp.zeros((trials, d), dtype=a.dtype), cp.empty((trials, batch), dtype=a.dtype)
    ahead = max(1, AHEAD // (8 * trials * batch * (v + d)))
    out = np.empty((trials, len(times)), dtype=a.dtype)
    done = 0
    for j, instant in enumerate(times):
        while done < instant:
            block = min(ahead, int(instant) - done)
            z = _fill(rng.key, first + done, rng.first_trial, trials, block, batch * v, 1)
            z = cp.ascontiguousarray(z[:, :, : batch * v], dtype=a.dtype).reshape(trials, block * batch, v)
            phi, label = _products(cp, z, features), _products(cp, z, target[:, :, None])
            shape = (np.int64(block), np.int64(batch), np.int64(d))
            given = (phi, label, steps[done : done + block])
            launch(_of("sgd_steps", a.dtype), (trials,), THREADS, theta, error, *given, *shape)
            done += block
        gap = cp.matmul(features, theta[:, :, None])[:, :, 0] - target
        out[:, j] = _host((gap * gap).sum(axis=1))
    return out


def _products(cp: Any, z: Any, stack: Any) -> Any:
    """z[trials, m, v] times one matrix, as a single product, or times one for each trial."""
    if len(stack) > 1:
        return cp.matmul(z, stack)
    return cp.matmul(z.reshape(-1, z.shape[2]), stack[0]).reshape(*z.shape[:2], -1)


def sgd_linear(
    trials: int, rng: Stream, lam: np.ndarray, gap: np.ndarray, rates: np.ndarray, batch: int, times: np.ndarray
) -> np.ndarray:
    """Twin of `kernels.sgd.linear`."""
    cp = library()
    v = gap.shape[1]
    first = rng.next_draw(len(rates))
    sizes = (len(times), v, batch * v + batch * v % 2, batch)
    out, g, z, error = (cp.empty((trials, size), dtype=gap.dtype) for size in sizes)
    launch(
        _of("sgd_linear", gap.dtype),
        (trials,),
        THREADS,
        out,
        g,
        z,
        error,
        cp.asarray(lam),
        np.int64(v * (len(lam) > 1)),
        cp.asarray(gap),
        np.int64(v * (len(gap) > 1)),
        cp.asarray(rates),
        np.int64(len(rates)),
        cp.asarray(times),
        np.int64(len(times)),
        np.int64(batch),
        np.int64(v),
        *_words(rng.key, first, rng.first_trial),
    )
    return _host(out)


def exponential_sums(
    trials: int, rng: Stream, terms: int, t: np.ndarray, kind: int, centre: np.ndarray, scales: np.ndarray
) -> np.ndarray:
    """Twin of the sums of `kernels.exponential_sums`."""
    cp = library()
    normals, uniforms = numbers(kind, scales.size)
    ordinals = normals + uniforms
    first = rng.next_draw(ordinals * -(-terms // TERMS))
    if kind == RADIAL:
        # The kernel takes the second normal and the uniform together.
        normals, uniforms = 1, 0
    out = cp.empty((trials, len(t)))
    launch(
        "exponential_sums",
        (trials, -(-len(t) // ROW)),
        LANES // 2,
        out,
        cp.asarray(t),
        np.int32(len(t)),
        np.float64(spacing(t)),
        np.int64(terms),
        np.int32(kind),
        np.int32(normals),
        np.int32(uniforms),
        np.int32(ordinals),
        cp.asarray(centre),
        np.int64(centre.shape[1] * (len(centre) > 1)),
        cp.asarray(scales),
        np.float64(0.5 * (scales.size - 1)),
        *_words(rng.key, first, rng.first_trial),
    )
    return _host(out)


def pairs(
    key: np.ndarray, draw: int, first_case: int, cases: int, tau: float, n: int, hull: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Twin of `kernels.comp_sum_search.pairs_numba`, equal to the bit.

    Raises
    ------
    ValueError
        If there are more classes than `MOST_CLASSES`.
    """
    if n > MOST_CLASSES:
        raise ValueError(f"{n} classes: the search on a GPU takes up to {MOST_CLASSES}")
    cp = library()
    table = np.full(CELLS + 1, NOTHING)
    found = (np.empty(0, dtype=np.int64), np.empty(0), np.empty(0))
    start, stop, at_once = first_case, first_case + cases, CASES // 64 if hull else CASES
    while start < stop:
        count = min(at_once, stop - start)
        x, y = cp.empty(count), cp.empty(count)
        shape = (np.int64(start), np.int64(count), np.float64(tau), np.float64(steepness(tau)), np.int32(n))
        blocks = (start + count - 1) // SHARE - start // SHARE + 1
        words = _words(key, draw, 0)[:3]
        launch("comp_sum_pairs", (blocks,), SHARE, x, y, cp.asarray(table), *shape, *words)
        kept = cp.flatnonzero(y < NOTHING)
        fresh = (start + _host(kept), _host(x[kept]), _host(y[kept]))
        pool = tuple(np.concatenate(both) for both in zip(found, fresh))
        index = lower_hull(pool[1], pool[2]) if hull else slice(None)
        found = (pool[0][index], pool[1][index], pool[2][index])
        if hull:
            table = tabulate(found[1], found[2])
        # The first cases, which no hull filters, are few.
        start, at_once = start + count, CASES
    return found


def _host(x: Any) -> np.ndarray:
    return np.asarray(library().asnumpy(x))
