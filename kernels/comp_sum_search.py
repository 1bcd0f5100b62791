r"""Violation search: random pairs of label distribution and score vector, many millions a second.

A case is a pair $(p, h)$, a pure function of the stream's key and the case number, so that it can be replayed.
Its point is $(\beta, y)$: zero-one regret of the predicted class and surrogate regret. Only the vertices of the
lower convex hull of the cloud and the origin are kept. That is exact for every convex $T$ with $T(0) \le 0$: if
$T \le y$ at the vertices, then on each edge $T \le$ the chord of its end values, and that is below every point;
conversely a violated vertex is itself a point of the cloud.

`SHARE` consecutive cases share a label distribution: $p_y \propto E_y^c$ with exponential $E_y$ and
$c = 10^{U(-1, 1)}$, from uniform to concentrated on few classes. Scores are $c_y + \sigma t_y$ with $t_y$
triangular on $(-1, 1)$, in four equally likely kinds: two free ones ($c_y = 0$ and $\sigma = \sqrt6\,
10^{U(-2, 1)}$; $c_y = \min(a, 16) \log p_y$, the risk minimiser where $a \le 16$, and a tenth of that $\sigma$)
and their tied forms, where a random class is raised to the top score and predicted (ties may go to any class:
relabelling the classes turns one deterministic rule into another).

Speed at 10 classes on one core of a 3.5 GHz Xeon with AVX-512 (256-bit vectors): 46 ns a pair for cross-entropy, 60
to 70 ns for other losses, 15 to 20 million pairs a second. Floor: 22 exponentials of 20 instructions, three Philox
blocks of 110, and 200 others, on vectors of 4 to 8 pairs and two or three ports, make 70 cycles or 20 ns; a third of
it is reached. The label distributions take 11 ns, by library logarithms; the filter, which looks up pairs one by one,
10 to 20.
"""

from __future__ import annotations

import math

import numpy as np
from numba import float64, int64, njit, uint32, uint64

from theorylab.kernels.conditional_risk import infimum_numpy, risk_numpy, rounding_error
from theorylab.kernels.lower_hull import CELLS, NOTHING, below, lower_hull, tabulate
from theorylab.kernels.philox import philox4x32, philox4x32_numba
from theorylab.kernels.random import bits_of, double_of, log_unit, to_uniform

Array = np.ndarray
SHARE = 32
BUFFER = 8192
# Below this zero-one regret rounding is not small against a regret of order beta^2.
LEAST_BETA = 1e-2
STEEPEST = 16.0


def steepness(tau: float) -> float:
    """Exponent a of the risk minimiser's scores a log p, at most `STEEPEST`."""
    return min(1.0 / (2.0 - tau), STEEPEST) if tau < 2.0 else STEEPEST


def words_numpy(key: Array, draw: int, trials: Array, count: int) -> Array:
    """Random words uint32[len(trials), count] of the given trials of a draw."""
    counter = np.zeros((len(trials), -(-count // 4), 4), dtype=np.uint32)
    counter[..., 0] = np.arange(counter.shape[1], dtype=np.uint32)
    counter[..., 1] = np.uint32(draw)
    counter[..., 2] = np.asarray(trials).astype(np.uint32)[:, None]
    return philox4x32(counter, key).reshape(len(trials), -1)[:, :count]


def pairs_numpy(key: Array, draw: int, cases: Array, tau: float, n: int) -> dict[str, Array]:
    """Reference: replay cases.

    Parameters
    ----------
    key : uint32[2]
    draw : int
        Ordinal of the draw of the label distributions; the scores use the next one.
    cases : int[m]
    tau : float
    n : int
        Classes.

    Returns
    -------
    dict
        p, h : float[m, n]; label : int[m], the predicted class; x, y, error : float[m], the point and a bound
        on the rounding error of y.
    """
    cases = np.asarray(cases)
    words = words_numpy(key, draw, cases // SHARE, 2 * n + 2).astype(np.uint64)
    k = (words[:, 0::2] << np.uint64(20)) | (words[:, 1::2] >> np.uint64(12))
    u = (k.astype(float) + 0.5) * 2.0**-52
    log_p = 10.0 ** (2.0 * u[:, :1] - 1.0) * np.log(-np.log(u[:, 1:]))
    log_p -= log_p.max(axis=1, keepdims=True)
    log_p -= np.log(np.exp(log_p).sum(axis=1, keepdims=True))
    p = np.exp(log_p)
    words = words_numpy(key, draw + 1, cases, n + 2).astype(np.int64)
    tied, centred = (words[:, 1] >> 30) & 1, words[:, 1] >> 31
    width = np.sqrt(6.0) * 10.0 ** (3.0 * (words[:, 0] + 0.5) * 2.0**-32 - 2.0) * np.where(centred, 0.1, 1.0)
    t = ((words[:, 2:] & 0xFFFF) + (words[:, 2:] >> 16) - 65535) / 65536.0
    h = np.where(centred, steepness(tau), 0.0)[:, None] * log_p + width[:, None] * t
    rows = np.arange(len(cases))
    # The largest index among equal scores.
    label = n - 1 - np.argmax(h[:, ::-1], axis=1)
    label = np.where(tied, ((words[:, 1] & 0xFFFF) * n) >> 16, label)
    h[rows, label] = h.max(axis=1)
    risk, least = risk_numpy(p, h, tau), infimum_numpy(p, tau)
    return {
        "p": p,
        "h": h,
        "label": label,
        "x": p.max(axis=1) - p[rows, label],
        "y": risk - least,
        "error": np.asarray(rounding_error(np.maximum(risk, least), tau)),
    }


@njit(inline="always", error_model="numpy")
def fast_exp(x):  # type: ignore[no-untyped-def]
    """Exponential for |x| <= 700 (clipped there), without branches; relative error 1e-14."""
    x = x if x > -700.0 else -700.0
    x = x if x < 700.0 else 700.0
    shifted = x * 1.4426950408889634 + 6755399441055744.0  # 1.5 * 2^52: rounds to an integer, its last bits
    k = shifted - 6755399441055744.0
    r = (x - k * 0.6931471803691238) - k * 1.9082149292705877e-10
    s = 1.0 / 362880 + r * (1.0 / 3628800 + r * (1.0 / 39916800))
    s = 1.0 / 720 + r * (1.0 / 5040 + r * (1.0 / 40320 + r * s))
    s = 1.0 / 6 + r * (1.0 / 24 + r * (1.0 / 120 + r * s))
    s = 1.0 + r * (1.0 + r * (0.5 + r * s))
    return s * double_of((bits_of(shifted) + int64(1023)) << int64(52))


@njit(cache=True, nogil=True, error_model="numpy")
def _labels(key, draw, group, p, log_p):  # type: ignore[no-untyped-def]
    """Fill float[n] `p` and `log_p` with the label distribution of a group of cases; return its largest."""
    n = p.size
    k0, k1, power = uint32(key[0]), uint32(key[1]), 0.0
    for q in range(n // 2 + 1):
        a, b, c, d = philox4x32_numba(uint32(q), uint32(draw), uint32(group), uint32(0), k0, k1)
        u, v = to_uniform(a, b), to_uniform(c, d)
        if q == 0:
            power = 10.0 ** (2.0 * u - 1.0)
        else:
            log_p[2 * q - 1] = power * math.log(-math.log(u))
        if 2 * q < n:
            log_p[2 * q] = power * math.log(-math.log(v))
    top, total = log_p.max(), 0.0
    for y in range(n):
        total += math.exp(log_p[y] - top)
    shift = top + math.log(total)
    for y in range(n):
        log_p[y] -= shift
        p[y] = math.exp(log_p[y])
    return p.max()


@njit(inline="always", error_model="numpy")
def _infimum(p, top, tau):  # type: ignore[no-untyped-def]
    """Infimum of the conditional risk of float[n] `p` with the largest probability `top`."""
    if tau >= 2.0:
        return (1.0 - top) / (tau - 1.0)
    total = 0.0
    if tau == 1.0:
        for y in range(p.size):
            total -= p[y] * math.log(p[y])
        return total
    for y in range(p.size):
        total += math.exp(math.log(p[y] / top) / (2.0 - tau))
    return (top * math.exp(math.log(total) * (2.0 - tau)) - 1.0) / (1.0 - tau)


@njit(inline="always", error_model="numpy")
def _triangular(word):  # type: ignore[no-untyped-def]
    """Sum of the two halves of a 32-bit word as a triangular variable, symmetric on (-1, 1)."""
    # The halves as fractions of doubles in [1, 2): no conversion from integers, which few processors vectorise.
    one = uint64(0x3FF0000000000000)
    low = double_of(int64(one | (uint64(word & uint32(0xFFFF)) << uint64(36))))
    high = double_of(int64(one | (uint64(word >> uint32(16)) << uint64(36))))
    return (low + high) - (3.0 - 2.0**-16)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _scores(key, draw, group, steep, p, log_p, words, h, best, own):  # type: ignore[no-untyped-def]
    """Scores h float[n, SHARE] of a group, their maxima `best` and the probabilities `own` of the predictions."""
    n, lanes = h.shape
    k0, k1 = uint32(key[0]), uint32(key[1])
    for q in range(words.shape[0] // 4):
        for j in range(lanes):
            trial = uint32(group * lanes + j)
            a, b, c, d = philox4x32_numba(uint32(q), uint32(draw), trial, uint32(0), k0, k1)
            words[4 * q, j], words[4 * q + 1, j], words[4 * q + 2, j], words[4 * q + 3, j] = a, b, c, d
    width, centre = np.empty(lanes), np.empty(lanes)
    for j in range(lanes):
        centred = words[1, j] >= uint32(0x80000000)
        exponent = 3.0 * (float64(words[0, j]) + 0.5) * 2.0**-32 - 2.0
        width[j] = fast_exp(exponent * math.log(10.0)) * (math.sqrt(6.0) / 10.0 if centred else math.sqrt(6.0))
        centre[j] = steep if centred else 0.0
        best[j] = -NOTHING
    for y in range(n):
        probability, log_probability, word, score = p[y], log_p[y], words[y + 2], h[y]
        for j in range(lanes):
            x = centre[j] * log_probability + width[j] * _triangular(word[j])
            score[j] = x
            # The largest index among equal scores.
            wins = x >= best[j]
            best[j] = x if wins else best[j]
            own[j] = probability if wins else own[j]
    for j in range(lanes):
        if words[1, j] & uint32(0x40000000):
            label = int64((words[1, j] & uint32(0xFFFF)) * uint32(n)) >> 16
            h[label, j] = best[j]
            own[j] = p[label]


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _risks(tau, p, h, best, risk):  # type: ignore[no-untyped-def]
    """Conditional risks float[SHARE] of the scores h float[n, SHARE] with maxima `best`."""
    n, lanes = h.shape
    total, q = np.zeros(lanes), tau - 1.0
    for j in range(lanes):
        risk[j] = 0.0
    for y in range(n):
        probability, score = p[y], h[y]
        if tau == 1.0:
            for j in range(lanes):
                total[j] += fast_exp(score[j] - best[j])
                risk[j] -= probability * (score[j] - best[j])
        else:
            for j in range(lanes):
                total[j] += fast_exp(score[j] - best[j])
                risk[j] += probability * fast_exp(q * (score[j] - best[j]))
    for j in range(lanes):
        total[j] = -log_unit(1.0 / total[j])
    if tau == 1.0:
        for j in range(lanes):
            risk[j] += total[j]
    else:
        for j in range(lanes):
            risk[j] = (1.0 - risk[j] * fast_exp(-q * total[j])) / q


@njit(cache=True, nogil=True, error_model="numpy")
def _candidates(key, draw, group, first_case, last_case, tau, steep, n, table, kept, x, y):  # type: ignore[no-untyped-def]
    """Work through groups of cases until the buffers `kept`, `x`, `y` are nearly full or the cases are done.

    Returns the number of candidates in the buffers and the next group.
    """
    p, log_p = np.empty(n), np.empty(n)
    words = np.empty((4 * ((n + 5) // 4), SHARE), dtype=np.uint32)
    h, best, own, risk = np.empty((n, SHARE)), np.empty(SHARE), np.empty(SHARE), np.empty(SHARE)
    count = 0
    while group * SHARE < last_case and count + SHARE <= kept.size:
        top = _labels(key, draw, group, p, log_p)
        least = _infimum(p, top, tau)
        _scores(key, draw + 1, group, steep, p, log_p, words, h, best, own)
        _risks(tau, p, h, best, risk)
        for j in range(SHARE):
            case, beta = group * SHARE + j, top - own[j]
            inside = beta >= LEAST_BETA and case >= first_case and case < last_case
            if inside and below(beta, risk[j] - least, table):
                kept[count], x[count], y[count] = case, beta, risk[j] - least
                count += 1
        group += 1
    return count, group


def pairs_numba(
    key: Array, draw: int, first_case: int, cases: int, tau: float, n: int, hull: bool = True
) -> tuple[Array, Array, Array]:
    """Compiled search through the cases first_case, ..., first_case + cases - 1.

    Parameters
    ----------
    key, draw, tau, n
        As in `pairs_numpy`.
    hull
        Return only the vertices of the lower convex hull; else every case with beta >= `LEAST_BETA`.

    Returns
    -------
    case : int[m]
    x, y : float[m]
        Accurate to 1e-12 only: replay a case with `pairs_numpy` for all digits.
    """
    kept, x, y = np.empty(BUFFER, dtype=np.int64), np.empty(BUFFER), np.empty(BUFFER)
    table = np.full(CELLS + 1, NOTHING)
    found: list[tuple[Array, Array, Array]] = []
    vertices = (kept[:0], x[:0], y[:0])
    group, last = first_case // SHARE, first_case + cases
    while group * SHARE < last:
        count, group = _candidates(key, draw, group, first_case, last, float(tau), steepness(tau), n, table, kept, x, y)
        fresh = (kept[:count].copy(), x[:count].copy(), y[:count].copy())
        if hull:
            pool = tuple(np.concatenate(both) for both in zip(vertices, fresh))
            index = lower_hull(pool[1], pool[2])
            vertices = (pool[0][index], pool[1][index], pool[2][index])
            table = tabulate(vertices[1], vertices[2])
        else:
            found.append(fresh)
    if hull:
        return vertices
    return tuple(np.concatenate(column) for column in zip(*found))  # type: ignore[return-value]
