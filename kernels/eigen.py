r"""Eigenvalues of random matrices: dense Gram matrices by LAPACK, tridiagonal ensembles by recursion, as twins.

Two routes, because a Gaussian ensemble needs no dense matrix. Householder reflections turn a real Wishart or
GOE matrix into a tridiagonal one whose entries are independent chi and normal variables (Silverstein 1985;
Dumitriu and Edelman 2002, arXiv:math-ph/0206043); its extreme eigenvalues and traces cost O(p), not O(p^3).

*Dense.* The floor is one LAPACK call a matrix, `numpy.linalg.eigvalsh` on the smaller of the two Gram matrices,
with or without Numba, hence no twin. `tests/benchmarks/test_eigen.py` measures the time over that floor.

*Tridiagonal.* A pivot of T - x needs the one before it, so that a step of any recursion here waits for a
division: 4-5 ns a row is the floor on a current core. The search for the largest eigenvalue takes about 55
such sweeps, each ended at the first positive pivot. The NumPy twins take the same steps for a whole batch at once
and give the same bits.

*Chi variables.* Marsaglia and Tsang (2000, ACM Trans. Math. Softw. 26:363), each variable with counters of its own
(fourth word: one more than its place), so that rejection in one never moves another and a longer vector has a
shorter one as its prefix.

Speed on one core of a Xeon with AVX-512. Dense, 200 x 400: 0.9 to 1.04 of a symmetric product and LAPACK's eigenvalues,
one after the other. Tridiagonal: traces 8 ns a row, for two divisions and a logarithm; a largest eigenvalue of order
200, 55 to 65 us. Chi variables 9.6 ns; floor: two Philox blocks (1.7 ns each), a normal from them (1.0), two logarithms
(0.5 each), a root and a quotient, 7 ns, of which 75 % is reached. NumPy's generator takes 2.2 times as long.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, uint32

from theorylab.kernels.arrays import namespace
from theorylab.kernels.philox import philox4x32, philox4x32_numba
from theorylab.kernels.random import cos_sin_turns, log_unit, normal_pair, to_uniform
from theorylab.kernels.vectors import wide

# More halvings than a bracket of double precision can bear.
STEPS = 200
TINY = float(np.finfo(float).tiny)


def gram_eigenvalues(x: np.ndarray) -> np.ndarray:
    """Eigenvalues of x x^T without its structural zeros, ascending, from the smaller Gram matrix.

    Parameters
    ----------
    x : float64[..., p, n]

    Returns
    -------
    float64[..., min(p, n)]
        The other max(p - n, 0) eigenvalues of x x^T are zero.
    """
    xp = namespace(x)
    p, n = x.shape[-2:]
    other = xp.matrix_transpose(x)
    values: np.ndarray = xp.linalg.eigvalsh(x @ other if p <= n else other @ x)
    return values


def covariance_eigenvalues(x: np.ndarray) -> np.ndarray:
    """All eigenvalues of x x^T / n, float64[..., p], ascending, its zeros included; x is float64[..., p, n]."""
    xp = namespace(x)
    p, n = x.shape[-2:]
    # Rounding may leave a zero of a singular matrix a hair below zero.
    values = xp.maximum(gram_eigenvalues(x) / n, xp.asarray(0.0))
    everything: np.ndarray = xp.concat([xp.zeros((*x.shape[:-2], p - min(p, n))), values], axis=-1)
    return everything


def chi_numpy(key: np.ndarray, draw: int, first_trial: int, trials: int, df: np.ndarray) -> np.ndarray:
    """Reference: chi variables, float64[trials, len(df)], with integer degrees of freedom `df` >= 1.

    Parameters
    ----------
    key : uint32[2]
    draw, first_trial
        Counter words, as in `kernels.random`.
    trials
        Rows.
    df : int64[k]
    """
    shape = (trials, len(df))
    # One degree of freedom is the modulus of a normal; it is drawn here as chi_3 times sqrt of a power of a uniform.
    lifted = np.where(df < 2, df + 2, df)
    d = np.broadcast_to(lifted / 2.0 - 1.0 / 3.0, shape)
    c = 1.0 / np.sqrt(9.0 * d)
    out = np.empty(shape)
    left = np.ones(shape, dtype=bool)
    attempt = 0
    while left.any():
        rows, columns = np.nonzero(left)
        (u0, u1), (u2, _) = (_uniforms(key, 2 * attempt + i, draw, first_trial + rows, columns) for i in range(2))
        z = np.sqrt(-2.0 * np.log(u0)) * np.cos(2.0 * np.pi * u1)
        v = 1.0 + c[left] * z
        cube = v * v * v
        with np.errstate(invalid="ignore", divide="ignore"):
            bound = 0.5 * z * z + d[left] - d[left] * cube + d[left] * np.log(cube)
            accepted = (v > 0) & ((u2 < 1.0 - 0.0331 * (z * z) * (z * z)) | (np.log(u2) < bound))
        out[rows[accepted], columns[accepted]] = np.sqrt(2.0 * d[left][accepted] * cube[accepted])
        left[rows[accepted], columns[accepted]] = False
        attempt += 1
    for j in np.flatnonzero(df < 2):
        rows = np.arange(trials)
        _, boost = _uniforms(key, 1, draw, first_trial + rows, np.full(trials, j))
        out[:, j] *= boost
    return out


def _uniforms(
    key: np.ndarray, quad: int, draw: int, trial: np.ndarray, place: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    counter = np.empty((trial.size, 4), dtype=np.uint32)
    counter[:, 0], counter[:, 1], counter[:, 2], counter[:, 3] = quad, draw, trial, place + 1
    words = philox4x32(counter, key).astype(np.uint64)
    k = (words[:, 0::2] << np.uint64(20)) | (words[:, 1::2] >> np.uint64(12))
    u = (k.astype(float) + 0.5) * 2.0**-52
    return u[:, 0], u[:, 1]


@njit(cache=True, nogil=True, error_model="numpy")
def chi_numba(key, draw, first_trial, trials, df):  # type: ignore[no-untyped-def]
    """Numba twin of `chi_numpy` (equal to a few units in the last place of 1)."""
    k = df.size
    out = np.empty((trials, k))
    d, c, z, u, boost = np.empty(k), np.empty(k), np.empty(k), np.empty(k), np.empty(k)
    for j in range(k):
        lifted = df[j] + 2 if df[j] < 2 else df[j]
        d[j] = lifted / 2.0 - 1.0 / 3.0
        c[j] = 1.0 / math.sqrt(9.0 * d[j])
    for t in range(trials):
        _first_attempts(key, draw, first_trial + t, df, d, c, z, u, boost, out[t])
        for j in range(k):
            if out[t, j] < 0.0:
                out[t, j] = _further_attempts(key, draw, first_trial + t, j, d[j], c[j]) * boost[j]
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _first_attempts(key, draw, trial, df, d, c, z, u, boost, out):  # type: ignore[no-untyped-def]
    """The chi variables of one trial; -1 for those that are refused. Short loops that the compiler vectorises."""
    wide()
    k0, k1, ordinal, lane = uint32(key[0]), uint32(key[1]), uint32(draw), uint32(trial)
    for j in range(df.size):
        place = uint32(j + 1)
        a0, a1, a2, a3 = philox4x32_numba(uint32(0), ordinal, lane, place, k0, k1)
        b0, b1, b2, b3 = philox4x32_numba(uint32(1), ordinal, lane, place, k0, k1)
        z[j], out[j] = to_uniform(a0, a1), to_uniform(a2, a3)
        u[j], boost[j] = to_uniform(b0, b1), (to_uniform(b2, b3) if df[j] < 2 else 1.0)
    for j in range(df.size):
        z[j] = -2.0 * log_unit(z[j])
    for j in range(df.size):
        x, _ = cos_sin_turns(out[j])
        z[j] = math.sqrt(z[j]) * x
    for j in range(df.size):
        v = 1.0 + c[j] * z[j]
        cube = v * v * v
        bound = 0.5 * z[j] * z[j] + d[j] - d[j] * cube + d[j] * log_unit(cube if v > 0.0 else 1.0)
        accepted = v > 0.0 and log_unit(u[j]) < bound
        out[j] = math.sqrt(2.0 * d[j] * cube) * boost[j] if accepted else -1.0


@njit(cache=True, nogil=True, error_model="numpy")
def _further_attempts(key, draw, trial, j, d, c):  # type: ignore[no-untyped-def]
    """The chi variable of place j, from its second pair of quadruples on."""
    k0, k1, ordinal, lane, place = uint32(key[0]), uint32(key[1]), uint32(draw), uint32(trial), uint32(j + 1)
    quad = uint32(2)
    while True:
        a0, a1, a2, a3 = philox4x32_numba(quad, ordinal, lane, place, k0, k1)
        b0, b1, _, _ = philox4x32_numba(uint32(quad + 1), ordinal, lane, place, k0, k1)
        quad = uint32(quad + 2)
        z, _ = normal_pair(a0, a1, a2, a3)
        v = 1.0 + c * z
        if v > 0.0:
            cube = v * v * v
            if log_unit(to_uniform(b0, b1)) < 0.5 * z * z + d - d * cube + d * log_unit(cube):
                return math.sqrt(2.0 * d * cube)


def largest_tridiagonal_numpy(diagonal: np.ndarray, off: np.ndarray) -> np.ndarray:
    """Reference: the largest eigenvalue of symmetric tridiagonal matrices, by bisection to the last digit.

    Parameters
    ----------
    diagonal : float64[trials, k]
    off : float64[trials, k - 1]

    Returns
    -------
    float64[trials]
        Accurate to a few units in the last place of the norm.
    """
    trials, k = diagonal.shape
    radius = np.zeros((trials, k))
    radius[:, :-1] += np.abs(off)
    radius[:, 1:] += np.abs(off)
    low, high = diagonal.max(axis=1), (diagonal + radius).max(axis=1)
    square = np.square(off)
    for _ in range(STEPS):
        middle = 0.5 * (low + high)
        live = (middle > low) & (middle < high)
        if not live.any():
            break
        pivot = diagonal[:, 0] - middle
        above = pivot > 0
        for i in range(1, k):
            pivot = np.where(pivot == 0, -TINY, pivot)
            pivot = diagonal[:, i] - middle - square[:, i - 1] / pivot
            above |= pivot > 0
        low, high = np.where(live & above, middle, low), np.where(live & ~above, middle, high)
    return np.asarray(0.5 * (low + high))


@njit(cache=True, nogil=True, error_model="numpy")
def largest_tridiagonal_numba(diagonal, off):  # type: ignore[no-untyped-def]
    """Numba twin of `largest_tridiagonal_numpy`."""
    trials, k = diagonal.shape
    out = np.empty(trials)
    square = np.empty(k)
    for t in range(trials):
        low, high = diagonal[t, 0], diagonal[t, 0]
        for i in range(k):
            radius = 0.0
            if i + 1 < k:
                radius += abs(off[t, i])
                square[i] = off[t, i] * off[t, i]
            if i > 0:
                radius += abs(off[t, i - 1])
            low = max(low, diagonal[t, i])
            high = max(high, diagonal[t, i] + radius)
        for _ in range(STEPS):
            middle = 0.5 * (low + high)
            if not (low < middle < high):
                break
            pivot = diagonal[t, 0] - middle
            above = pivot > 0
            i = 1
            while not above and i < k:
                if pivot == 0:
                    pivot = -TINY
                pivot = diagonal[t, i] - middle - square[i - 1] / pivot
                above = pivot > 0
                i += 1
            if above:
                low = middle
            else:
                high = middle
        out[t] = 0.5 * (low + high)
    return out


def leading_weight_numpy(diagonal: np.ndarray, off: np.ndarray, largest: np.ndarray) -> np.ndarray:
    """Reference: squared first component of the unit eigenvector of the largest eigenvalue.

    The ratios of neighbouring components follow from the last row upwards. There the recursion is stable: all
    pivots of `largest` - T, with its first row left out, are positive.

    Parameters
    ----------
    diagonal : float64[trials, k]
    off : float64[trials, k - 1]
    largest : float64[trials]

    Returns
    -------
    float64[trials]
    """
    k = diagonal.shape[1]
    # After row i: the squared norm of components i, i+1, ... in units of component i.
    norm, ratio = np.ones(len(diagonal)), np.zeros(len(diagonal))
    for i in range(k - 1, 0, -1):
        below = off[:, i] * ratio if i + 1 < k else 0.0
        ratio = off[:, i - 1] / (largest - diagonal[:, i] - below)
        norm = 1.0 + ratio * ratio * norm
    return np.asarray(1.0 / norm)


@njit(cache=True, nogil=True, error_model="numpy")
def leading_weight_numba(diagonal, off, largest):  # type: ignore[no-untyped-def]
    """Numba twin of `leading_weight_numpy`."""
    trials, k = diagonal.shape
    out = np.empty(trials)
    for t in range(trials):
        norm, ratio = 1.0, 0.0
        for i in range(k - 1, 0, -1):
            below = off[t, i] * ratio if i + 1 < k else 0.0
            ratio = off[t, i - 1] / (largest[t] - diagonal[t, i] - below)
            norm = 1.0 + ratio * ratio * norm
        out[t] = 1.0 / norm
    return out


def shifted_traces_numpy(diagonal: np.ndarray, off: np.ndarray, shift: float) -> tuple[np.ndarray, np.ndarray]:
    """Reference: tr (T + shift)^-1 and log det (T + shift) of positive definite tridiagonal T + shift.

    The pivots q_i multiply to the determinant; the trace is the derivative of its logarithm, carried along.

    Parameters
    ----------
    diagonal : float64[trials, k]
    off : float64[trials, k - 1]
    shift
        Positive.

    Returns
    -------
    float64[trials], float64[trials]
    """
    q = diagonal[:, 0] + shift
    slope = np.ones(len(q))
    trace, logdet = slope / q, np.log(q)
    for i in range(1, diagonal.shape[1]):
        ratio = off[:, i - 1] / q
        slope = 1.0 + ratio * ratio * slope
        q = diagonal[:, i] + shift - off[:, i - 1] * ratio
        trace, logdet = trace + slope / q, logdet + np.log(q)
    return trace, logdet


@njit(cache=True, nogil=True, error_model="numpy")
def shifted_traces_numba(diagonal, off, shift):  # type: ignore[no-untyped-def]
    """Numba twin of `shifted_traces_numpy`."""
    trials, k = diagonal.shape
    trace, logdet = np.empty(trials), np.empty(trials)
    for t in range(trials):
        q = diagonal[t, 0] + shift
        slope = 1.0
        tr, ld = slope / q, math.log(q)
        for i in range(1, k):
            ratio = off[t, i - 1] / q
            slope = 1.0 + ratio * ratio * slope
            q = diagonal[t, i] + shift - off[t, i - 1] * ratio
            tr += slope / q
            ld += math.log(q)
        trace[t], logdet[t] = tr, ld
    return trace, logdet
