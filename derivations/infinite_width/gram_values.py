r"""The kernels of all pairs of inputs, fast: in blocks of rows, on two threads, one half where they are symmetric.

Leaky ReLU networks go through a compiled pass (`rectified_gram`), smooth activations through array code on rounded
covariances (of which their kernels are smooth functions), or sums over Hermite coefficients where there is no closed
form. Pairs that need more are left to `recursion.propagate`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numba import njit

from theorylab.derivations.infinite_width.closed_duals import Dual, Leaky, Rectified
from theorylab.derivations.infinite_width.dual_quadrature import Quadrature

# Pairs worked on at a time, by one of THREADS threads.
PAIRS, THREADS = 1 << 15, 2


def slices(count: int, size: int) -> Iterator[slice]:
    """Consecutive parts of `count` things."""
    return (slice(i, min(i + size, count)) for i in range(0, count, size))


def parallel(work: Callable[[slice], Any], parts: Sequence[slice]) -> None:
    """Do the work on every part, on a few threads."""
    if len(parts) == 1:
        work(parts[0])
        return
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(work, parts):
            pass


def leak(kernel: Dual) -> float | None:
    """The slope on the left, where the activation is a leaky ReLU."""
    if isinstance(kernel, Rectified) and kernel.power == 1:
        return 0.0
    return kernel.alpha if isinstance(kernel, Leaky) else None


def diagonals(
    kernel: Dual, slope: Dual | None, squares: np.ndarray, scales: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """K(x, x) and E phi'^2 of every layer, float[L, m] and float[L - 1, m], from |x|^2/n_0."""
    norms, slopes = [scales[0, 1] + scales[0, 0] * squares], []
    for weights, biases, _, _ in scales[1:]:
        slopes.append(np.ones_like(squares) if slope is None else slope.square(norms[-1]))
        norms.append(biases + weights * kernel.square(norms[-1]))
    return np.array(norms), np.array(slopes).reshape(len(norms) - 1, len(squares))


def rectified(
    alpha: float,
    covariance: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    scales: np.ndarray,
    tangent: bool,
    symmetric: bool,
) -> np.ndarray | None:
    """Turn x.x'/n_0 into K in its place, and return Theta; `first` and `second` are K(x, x) of every layer."""
    from theorylab.derivations.infinite_width import rectified_gram

    theta = np.empty_like(covariance) if tangent else np.empty((0, covariance.shape[1]))
    roots = np.sqrt(first), np.sqrt(second)
    size = max(1, PAIRS // covariance.shape[1])
    parallel(
        lambda rows: rectified_gram.rows(rows.start, rows.stop, symmetric, covariance, theta, *roots, scales, alpha),
        list(slices(len(covariance), size)),
    )
    if symmetric:
        for matrix in (covariance, theta)[: 1 + tangent]:
            _mirror(matrix)
    return theta if tangent else None


def _mirror(matrix: np.ndarray) -> None:
    """Fill the lower half of a symmetric matrix from the upper one, in place."""
    from theorylab.derivations.infinite_width import rectified_gram

    parallel(
        lambda rows: rectified_gram.mirror(rows.start, rows.stop, matrix),
        list(slices(len(matrix), 64 * max(1, PAIRS // (64 * len(matrix))))),
    )


def smooth(
    kernel: Dual,
    slope: Dual | None,
    covariance: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    scales: np.ndarray,
    symmetric: bool,
) -> np.ndarray | None:
    """As `rectified`, of a smooth activation."""
    theta = None if slope is None else np.empty_like(covariance)
    tables = [[_table(k, a, b) for k in (kernel, slope)] for a, b in zip(first[:-1], second[:-1])]

    def work(rows: slice) -> None:
        start = rows.start if symmetric else 0
        c = covariance[rows, start:]
        t = scales[0, 3] + scales[0, 2] * c if slope is not None else None
        c = scales[0, 1] + scales[0, 0] * c
        for layer, (weights, biases, weight_rate, bias_rate) in enumerate(scales[1:]):
            a, b = first[layer, rows, None], second[layer, None, start:]
            g = _dual(kernel, tables[layer][0], a, b, c, rows, start)
            if slope is not None:
                t *= _dual(slope, tables[layer][1], a, b, c, rows, start)
                t *= weights
                t += weight_rate * g
                t += bias_rate
            g *= weights
            g += biases
            c = g
        covariance[rows, start:] = c
        if theta is not None:
            theta[rows, start:] = t

    parallel(work, list(slices(len(covariance), max(1, PAIRS // covariance.shape[1]))))
    if symmetric:
        for matrix in (covariance, theta):
            if matrix is not None:
                _mirror(matrix)
    return theta


def can(kernel: Dual, largest: float) -> bool:
    """Whether variances up to `largest` may go by rounded covariances."""
    return largest <= kernel.plain_limit or (isinstance(kernel, Quadrature) and kernel.converges(largest))


def _table(kernel: Dual | None, a: np.ndarray, b: np.ndarray) -> Any:
    """Hermite coefficients at both sets of variances, over the standard deviations, as many as are needed."""
    if not isinstance(kernel, Quadrature) or max(a.max(), b.max()) <= kernel.plain_limit:
        return None
    return kernel.scaled_table(a, b)


def _dual(kernel: Dual, table: Any, a: np.ndarray, b: np.ndarray, c: np.ndarray, rows: slice, start: int) -> np.ndarray:
    if table is None:
        return np.asarray(kernel.plain(a, b, c))
    first, second = table
    out = np.empty_like(c)
    _sum(c, 1 / np.sqrt(a[:, 0]), 1 / np.sqrt(b[0]), first[rows], second[:, start:], out)
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def close(covariance, first, second, part, symmetric):  # type: ignore[no-untyped-def]
    """Rows and columns of pairs with |cosine| above 1 - part; of a symmetric matrix those right of the diagonal.

    `first` and `second` are the standard deviations of either side.
    """
    hits = np.zeros(covariance.shape[0], dtype=np.int64)
    for i in range(len(hits)):
        start = i + 1 if symmetric else 0
        row, others, least = covariance[i, start:], second[start:], (1.0 - part) * first[i]
        found = 0
        # Counted first, in a loop without branches.
        for j in range(len(row)):
            found += 1 if abs(row[j]) >= least * others[j] else 0
        hits[i] = found
    rows, columns = np.empty(hits.sum(), dtype=np.int64), np.empty(hits.sum(), dtype=np.int64)
    count = 0
    for i in range(len(hits)):
        if hits[i] == 0:
            continue
        for j in range(i + 1 if symmetric else 0, covariance.shape[1]):
            if abs(covariance[i, j]) >= ((1.0 - part) * first[i]) * second[j]:
                rows[count], columns[count] = i, j
                count += 1
    return rows[:count], columns[:count]


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _sum(c, one, other, first, second, out):  # type: ignore[no-untyped-def]
    """out = sum_k first[i, k] second[k, j] (c[i, j] one[i] other[j])^k."""
    terms = second.shape[0]
    rho = np.empty(c.shape[1])
    for i in range(c.shape[0]):
        row = out[i]
        for j in range(c.shape[1]):
            rho[j] = c[i, j] * one[i] * other[j]
            row[j] = 0.0
        for k in range(terms - 1, -1, -1):
            factor, line = first[i, k], second[k]
            for j in range(len(row)):
                row[j] = row[j] * rho[j] + factor * line[j]
