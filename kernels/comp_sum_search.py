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

Speed at 10 classes on one core of a Xeon with AVX-512: 33 ns a pair for cross-entropy, 41 ns for other losses, so that
two cores search 50 to 60 million pairs a second. Floor: 10 exponentials (0.42 ns each; twice as many for other losses),
three Philox blocks (1.7 ns each) and some 130 other vector instructions for 8 pairs, two a cycle: 15 ns (19), of which
45 % is reached: rows of 32 pairs are short, and every loop over one has a start. NumPy takes 10 to 12 times as long, at
30 and more classes 6 to 9 times.
"""

from __future__ import annotations

import math

import numpy as np
from numba import float64, int32, njit, uint32

from theorylab.kernels.conditional_risk import infimum_numpy, risk_numpy, rounding_error
from theorylab.kernels.elementary import exponential
from theorylab.kernels.lower_hull import CELLS, NOTHING, below, lower_hull, tabulate
from theorylab.kernels.philox import philox4x32, philox4x32_numba
from theorylab.kernels.random import log_unit, to_uniform
from theorylab.kernels.vectors import aligned, wide

Array = np.ndarray
# Cases of a group, groups of a block, cases of a block: 2^5, 2^4 and 2^9.
SHARE, GROUPS, BLOCK = 32, 16, 512
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
    return philox4x32(counter, key).reshape(len(trials), 4 * counter.shape[1])[:, :count]


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
def _clipped(x):  # type: ignore[no-untyped-def]
    """Exponential, of at most 700."""
    return exponential(x if x < 700.0 else 700.0)


@njit(cache=True, nogil=True, error_model="numpy")
def _labels(key, draw, group, tau, n, first, second, p, log_p, work, top, least):  # type: ignore[no-untyped-def]
    """Label distributions p float[n * GROUPS] of consecutive groups of cases, and their logarithms.

    Also the largest probabilities `top` and the infima `least` of the conditional risk, float[GROUPS]. `first` and
    `second`, float[(n // 2 + 1) * GROUPS], and `work`, like p, are work space. No array is cut into views here and
    in the next two functions, and no loop is shorter than it must be: both would cost as much as the work.
    """
    wide()
    k0, k1 = uint32(key[0]), uint32(key[1])
    for i in range(first.size):
        a, b, c, d = philox4x32_numba(
            uint32(i >> 4), uint32(draw), uint32(group + (i & (GROUPS - 1))), uint32(0), k0, k1
        )
        first[i], second[i] = to_uniform(a, b), to_uniform(c, d)
    for y in range(n):
        at, start = y * GROUPS, ((y + 1) >> 1) * GROUPS
        if y & 1:
            for g in range(GROUPS):
                log_p[at + g] = first[start + g]
        else:
            for g in range(GROUPS):
                log_p[at + g] = second[start + g]
    for i in range(p.size):
        log_p[i] = log_unit(-log_unit(log_p[i]))
    # From here on `first` holds the exponents, then the normalisation; `top` the maxima, `second` the totals.
    for g in range(GROUPS):
        first[g] = exponential((2.0 * first[g] - 1.0) * math.log(10.0))
        top[g], second[g], least[g] = -NOTHING, 0.0, 0.0
    for y in range(n):
        for g in range(GROUPS):
            log_p[y * GROUPS + g] *= first[g]
            top[g] = max(top[g], log_p[y * GROUPS + g])
    for y in range(n):
        for g in range(GROUPS):
            log_p[y * GROUPS + g] -= top[g]
    rate = 1.0 / (2.0 - tau) if tau < 2.0 else 1.0
    for i in range(p.size):
        p[i] = exponential(log_p[i])
        work[i] = exponential(rate * log_p[i])
    for y in range(n):
        for g in range(GROUPS):
            second[g] += p[y * GROUPS + g]
    for g in range(GROUPS):
        top[g], first[g] = 1.0 / second[g], log_unit(second[g])
    for y in range(n):
        for g in range(GROUPS):
            i = y * GROUPS + g
            p[i] *= top[g]
            log_p[i] -= first[g]
            least[g] += -p[i] * log_p[i] if tau == 1.0 else work[i]
    if tau >= 2.0:
        for g in range(GROUPS):
            least[g] = (1.0 - top[g]) / (tau - 1.0)
    elif tau != 1.0:
        for g in range(GROUPS):
            least[g] = (top[g] * exponential(log_unit(least[g]) * (2.0 - tau)) - 1.0) / (1.0 - tau)


@njit(cache=True, nogil=True, error_model="numpy")
def _words(key, draw, case, steep, n, a, b, c, d, width, centre, raised):  # type: ignore[no-untyped-def]
    """What is random in the scores of BLOCK cases from `case` on.

    Fills the words of their quadruples, uint32[m * BLOCK] each, and float[BLOCK]: the scale of the scores, that of
    their centre, and the class raised to the top, -1 for none.
    """
    wide()
    k0, k1 = uint32(key[0]), uint32(key[1])
    for i in range(a.size):
        a[i], b[i], c[i], d[i] = philox4x32_numba(
            uint32(i >> 9), uint32(draw), uint32(case + (i & (BLOCK - 1))), uint32(0), k0, k1
        )
    for j in range(BLOCK):
        centred = b[j] >= uint32(0x80000000)
        exponent = 3.0 * (float64(a[j]) + 0.5) * 2.0**-32 - 2.0
        # Over 2^16: the scale of sums of two halves of a word.
        width[j] = exponential(exponent * math.log(10.0)) * (math.sqrt(6.0) / (655360.0 if centred else 65536.0))
        centre[j] = steep if centred else 0.0
        label = float64(((b[j] & uint32(0xFFFF)) * uint32(n)) >> uint32(16))
        raised[j] = label if b[j] & uint32(0x40000000) else -1.0


@njit(cache=True, nogil=True, error_model="numpy")
def _scores(g, n, p, log_p, words, width, centre, raised, best, h, own):  # type: ignore[no-untyped-def]
    """Scores h float[n * SHARE] of group g of a block, less their maxima; probabilities `own` of the predictions.

    `words` uint32[4 * m * BLOCK] holds the first words of all quadruples before the second; `own` is float[BLOCK], and
    `best` float[SHARE] is work space.
    """
    wide()
    # Masked: the compiler must see that no index is negative, or it does not vectorise.
    size, first = words.size // 4, (g & (GROUPS - 1)) * SHARE
    for j in range(SHARE):
        best[j] = -NOTHING
    for y in range(n):
        at, start = y * SHARE, ((y + 2) & 3) * size + ((y + 2) >> 2) * BLOCK + first
        probability, log_probability = p[y * GROUPS + g], log_p[y * GROUPS + g]
        for j in range(SHARE):
            halves = int32((words[start + j] & uint32(0xFFFF)) + (words[start + j] >> uint32(16)))
            x = centre[first + j] * log_probability + width[first + j] * (float64(halves) - 65535.0)
            h[at + j] = x
            # The largest index among equal scores.
            wins = x >= best[j]
            best[j] = x if wins else best[j]
            own[first + j] = probability if wins else own[first + j]
    for y in range(n):
        label, probability = float64(y), p[y * GROUPS + g]
        for j in range(SHARE):
            tied = raised[first + j] == label
            h[y * SHARE + j] = 0.0 if tied else h[y * SHARE + j] - best[j]
            own[first + j] = probability if tied else own[first + j]


@njit(inline="always", error_model="numpy")
def _add_products(g, first, n, p, x, risk):  # type: ignore[no-untyped-def]
    """Add the mean of x float[n * SHARE] under label distribution g."""
    for y in range(0, n - 1, 2):
        at, one, other = y * SHARE, p[y * GROUPS + g], p[(y + 1) * GROUPS + g]
        for j in range(SHARE):
            risk[first + j] += one * x[at + j] + other * x[at + SHARE + j]
    if n & 1:
        at, one = (n - 1) * SHARE, p[(n - 1) * GROUPS + g]
        for j in range(SHARE):
            risk[first + j] += one * x[at + j]


@njit(cache=True, nogil=True, error_model="numpy")
def _risks(tau, g, n, p, h, weight, total, risk):  # type: ignore[no-untyped-def]
    """Conditional risks of the scores h float[n * SHARE] less their maxima, into group g of float[BLOCK].

    `weight`, like h, and `total` float[SHARE] are work space.
    """
    wide()
    q, first = tau - 1.0, (g & (GROUPS - 1)) * SHARE
    for i in range(h.size):
        weight[i] = exponential(h[i])
    for j in range(SHARE):
        total[j], risk[first + j] = 0.0, 0.0
    # Two classes at a time: a sum waits for the one before.
    for y in range(0, n - 1, 2):
        at = y * SHARE
        for j in range(SHARE):
            total[j] += weight[at + j] + weight[at + SHARE + j]
    if n & 1:
        at = (n - 1) * SHARE
        for j in range(SHARE):
            total[j] += weight[at + j]
    if tau == 1.0:
        _add_products(g, first, n, p, h, risk)
        for j in range(SHARE):
            risk[first + j] = log_unit(total[j]) - risk[first + j]
        return
    for i in range(h.size):
        weight[i] = _clipped(q * h[i])
    _add_products(g, first, n, p, weight, risk)
    for j in range(SHARE):
        risk[first + j] = (1.0 - risk[first + j] * _clipped(-q * log_unit(total[j]))) / q


@njit(cache=True, nogil=True, error_model="numpy")
def _filter(top, least, own, risk, table, found):  # type: ignore[no-untyped-def]
    """Turn `own` and `risk` into the points of a block; mark in `found` those below the table, and count them."""
    wide()
    for g in range(GROUPS):
        for j in range(SHARE):
            own[g * SHARE + j] = top[g] - own[g * SHARE + j]
            risk[g * SHARE + j] -= least[g]
    some = 0
    for i in range(BLOCK):
        found[i] = (own[i] >= LEAST_BETA) & below(own[i], risk[i], table)
        some += found[i]
    return some


@njit(cache=True, nogil=True, error_model="numpy")
def _candidates(key, draw, group, first_case, last_case, tau, steep, n, table, kept, x, y):  # type: ignore[no-untyped-def]
    """Work through blocks of cases until the buffers `kept`, `x`, `y` are nearly full or the cases are done.

    Returns the number of candidates in the buffers and the next group.
    """
    real = np.float64
    p, log_p, work = aligned(n * GROUPS, real), aligned(n * GROUPS, real), aligned(n * GROUPS, real)
    first, second = aligned((n // 2 + 1) * GROUPS, real), aligned((n // 2 + 1) * GROUPS, real)
    tops, leasts, best = aligned(GROUPS, real), aligned(GROUPS, real), aligned(SHARE, real)
    size = (n + 5) // 4 * BLOCK
    words, h, weight = aligned(4 * size, np.uint32), aligned(n * SHARE, real), aligned(n * SHARE, real)
    a, b, c, d = words[:size], words[size : 2 * size], words[2 * size : 3 * size], words[3 * size :]
    width, centre, raised = aligned(BLOCK, real), aligned(BLOCK, real), aligned(BLOCK, real)
    own, risk, found = aligned(BLOCK, real), aligned(BLOCK, real), aligned(BLOCK, np.int64)
    count = 0
    while group * SHARE < last_case and count + BLOCK <= kept.size:
        case = group * SHARE
        _labels(key, draw, group, tau, n, first, second, p, log_p, work, tops, leasts)
        _words(key, draw + 1, case, steep, n, a, b, c, d, width, centre, raised)
        for g in range(GROUPS):
            _scores(g, n, p, log_p, words, width, centre, raised, best, h, own)
            _risks(tau, g, n, p, h, weight, best, risk)
        # Of most blocks little is left.
        if _filter(tops, leasts, own, risk, table, found):
            for i in range(max(0, first_case - case), min(BLOCK, last_case - case)):
                if found[i]:
                    kept[count], x[count], y[count] = case + i, own[i], risk[i]
                    count += 1
        group += GROUPS
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
    # The first blocks, which no hull filters, are kept few.
    room = 2 * BLOCK if hull else BUFFER
    while group * SHARE < last:
        buffers = kept[:room], x[:room], y[:room]
        count, group = _candidates(key, draw, group, first_case, last, float(tau), steepness(tau), n, table, *buffers)
        room = min(2 * room, BUFFER)
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
