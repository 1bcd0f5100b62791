r"""Robust fits of two power laws and a constant to the logarithms of positive data, many at a time.

The prediction is $f_i = \log(e^{p_1 - p_4 x_i} + e^{p_2 - p_5 y_i} + e^{p_3})$; the objective is the sum over the
points of Huber's loss of $r_i = f_i - t_i$: $r^2/2$ within delta, $\delta |r| - \delta^2/2$ beyond. A fit descends
from its start by damped Newton steps, whose matrix is $H + \lambda W$: H is the Hessian and $W = \sum_i \min(1,
\delta/|r_i|) J_i J_i^T$ that of reweighted least squares. At $\lambda = 1$ a step goes downhill from afar, where
hardly a residual is within delta and H says little; $\lambda \to 0$ gives Newton's method, which ends in a few steps
because the loss is nearly quadratic by pieces. $\lambda$ follows the ratio of the decrease to the one foreseen.

A fit has converged when half the Newton decrement is below `TOLERANCE` of the objective. One that never does has run
along a direction in which a term vanishes.

The compiled twin sums in lanes, so that its bits depend on no vector width. On one core of a Xeon with AVX-512 a fit of
240 points from nearby takes 37 us: 110 times less than BFGS of SciPy with the same objective and gradient, and 9 times
less than the array form.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from theorylab.kernels.arrays import namespace
from theorylab.kernels.elementary import exponential
from theorylab.kernels.random import log_unit

PARAMETERS = 5
STEPS = 100
TOLERANCE = 1e-13
# An objective that is rounding, for logarithms of order 1 and some hundred points.
NOTHING = 1e-28
# Damping at first, after a step that failed undamped, and that ends a fit; below the least it is none.
FIRST, AGAIN, MOST, LEAST = 1.0, 1e-3, 1e10, 1e-6
# Longest step in a parameter.
LONGEST = 4.0
# Pivot, relative to its diagonal entry, at which a matrix counts as singular; part of the trace of W added to it.
PIVOT, RIDGE = 1e-12, 1e-10
LANES = 8
# Sums over the points: loss and gradient; Hessian and W, each the lower triangle by rows.
SUMS = 5 + 2 * 15


class Fits(NamedTuple):
    """Minima: parameters float64[fits, 5], objective float64[fits], and whether each converged, bool[fits]."""

    parameters: Any
    objective: Any
    converged: Any


def fit_arrays(x: Any, y: Any, target: Any, which: Any, start: Any, delta: float) -> Fits:
    """The reference, for the arrays of any library.

    Parameters
    ----------
    x, y, target : float64[sets, n]
        Data sets.
    which : int64[fits]
        The data set of each fit.
    start : float64[fits, 5]
        Where it begins.
    delta
        Residual from which the loss is linear, positive.
    """
    xp = namespace(x, y, target, start)
    x, y, target = (xp.take(a, which, axis=0) for a in (x, y, target))
    theta = xp.asarray(start, copy=True)
    value, parts, r = _predict_arrays(xp, x, y, target, theta, delta)
    gradient, hessian, weight = _sums_arrays(xp, x, y, parts, r, delta)
    damping = xp.full_like(value, FIRST)
    alive, converged = value == value, value != value
    for _ in range(STEPS):
        step, definite = _solve_arrays(xp, hessian + damping[:, None, None] * weight, gradient)
        slope = xp.sum(gradient * step, axis=1)
        curved = slope - damping * xp.sum(step * _times(xp, weight, step), axis=1)
        ended = alive & definite & (0.5 * slope <= TOLERANCE * value + NOTHING) & (damping <= FIRST)
        theta = xp.where(ended[:, None], theta - step, theta)
        converged, alive = converged | ended, alive & ~ended
        scale = LONGEST / xp.clip(xp.max(xp.abs(step), axis=1), LONGEST, None)
        tried = theta - xp.where((alive & definite)[:, None], scale[:, None] * step, 0.0 * step)
        new, parts, r = _predict_arrays(xp, x, y, target, tried, delta)
        foreseen = scale * slope - 0.5 * scale * scale * curved
        ratio = (value - new) / xp.where(foreseen == 0.0, xp.ones_like(foreseen), foreseen)
        better = alive & definite & (ratio > 1e-4)
        eased = xp.where(damping > 10.0 * LEAST, 0.1 * damping, 0.0 * damping)
        more = xp.clip(damping, AGAIN, None)
        kept = xp.where(ratio > 0.75, eased, xp.where(ratio < 0.25, 4.0 * more, damping))
        damping = xp.where(alive, xp.where(better, kept, 8.0 * more), damping)
        alive = alive & (better | (damping <= MOST))
        if not bool(xp.any(alive)):
            break
        theta, value = xp.where(better[:, None], tried, theta), xp.where(better, new, value)
        sums = _sums_arrays(xp, x, y, parts, r, delta)
        gradient = xp.where(better[:, None], sums[0], gradient)
        hessian, weight = (xp.where(better[:, None, None], a, b) for a, b in zip(sums[1:], (hessian, weight)))
    return Fits(theta, value, converged)


def _predict_arrays(xp: Any, x: Any, y: Any, target: Any, theta: Any, delta: float) -> tuple[Any, Any, Any]:
    """Objective [fits], weights of the terms [fits, 3, n], residuals [fits, n]."""
    a, b, e, alpha, beta = (theta[:, j, None] for j in range(PARAMETERS))
    logs = xp.stack([a - alpha * x, b - beta * y, e + 0.0 * x], axis=1)
    top = xp.max(logs, axis=1, keepdims=True)
    parts = xp.exp(logs - top)
    total = xp.sum(parts, axis=1, keepdims=True)
    r = (top + xp.log(total))[:, 0, :] - target
    size = xp.abs(r)
    loss = xp.where(size < delta, 0.5 * size * size, delta * (size - 0.5 * delta))
    return xp.sum(loss, axis=1), parts / total, r


def _sums_arrays(xp: Any, x: Any, y: Any, parts: Any, r: Any, delta: float) -> tuple[Any, Any, Any]:
    """Gradient [fits, 5], Hessian and W [fits, 5, 5]."""
    size = xp.abs(r)
    w = delta / xp.clip(size, delta, None)
    psi = w * r
    inside = xp.astype(size < delta, r.dtype)
    p, q, s = parts[:, 0, :], parts[:, 1, :], parts[:, 2, :]
    jacobian = xp.stack([p, q, s, -p * x, -q * y], axis=1)
    transposed = xp.matrix_transpose(jacobian)
    hessian = ((inside - psi)[:, None, :] * jacobian) @ transposed
    weight = (w[:, None, :] * jacobian) @ transposed
    sums = [xp.sum(psi * term, axis=1) for term in (p, q, s, p * x, q * y, p * x * x, q * y * y)]
    zero = 0.0 * sums[0]
    rows = [
        (sums[0], zero, zero, -sums[3], zero),
        (zero, sums[1], zero, zero, -sums[4]),
        (zero, zero, sums[2], zero, zero),
        (-sums[3], zero, zero, sums[5], zero),
        (zero, -sums[4], zero, zero, sums[6]),
    ]
    hessian = hessian + xp.stack([xp.stack(row, axis=1) for row in rows], axis=1)
    trace = xp.sum(weight * xp.eye(PARAMETERS), axis=(1, 2))
    weight = weight + RIDGE * trace[:, None, None] * xp.eye(PARAMETERS)
    return xp.sum(psi[:, None, :] * jacobian, axis=2), hessian, weight


def _solve_arrays(xp: Any, matrix: Any, right: Any) -> tuple[Any, Any]:
    """Solution by Cholesky [fits, 5], zero where the matrix is not positive definite, and where it is [fits]."""
    factor: list[list[Any]] = []
    definite = right[:, 0] == right[:, 0]
    for i in range(PARAMETERS):
        row: list[Any] = []
        for j in range(i):
            value = matrix[:, i, j] - sum((row[k] * factor[j][k] for k in range(j)), 0.0 * right[:, 0])
            row.append(value / factor[j][j])
        diagonal = matrix[:, i, i]
        value = diagonal - sum((part * part for part in row), 0.0 * diagonal)
        fine = value > PIVOT * diagonal
        definite = definite & fine
        factor.append([*row, xp.sqrt(xp.where(fine, value, xp.ones_like(value)))])
    step = [right[:, i] for i in range(PARAMETERS)]
    for i in range(PARAMETERS):
        for k in range(i):
            step[i] = step[i] - factor[i][k] * step[k]
        step[i] = step[i] / factor[i][i]
    for i in reversed(range(PARAMETERS)):
        for k in range(i + 1, PARAMETERS):
            step[i] = step[i] - factor[k][i] * step[k]
        step[i] = step[i] / factor[i][i]
    solution = xp.stack(step, axis=1)
    return xp.where(definite[:, None], solution, 0.0 * right), definite


def _times(xp: Any, matrix: Any, vector: Any) -> Any:
    return xp.sum(matrix * vector[:, None, :], axis=2)


@njit(inline="always", error_model="numpy")
def _predict(x, y, target, theta, delta, pa, pb, pe, r, lanes):  # type: ignore[no-untyped-def]
    """Objective; fills the weights of the terms and the residuals."""
    n = x.shape[0]
    a, b, e, alpha, beta = theta[0], theta[1], theta[2], theta[3], theta[4]
    for i in range(n):
        u, v = a - alpha * x[i], b - beta * y[i]
        m = u if u > v else v
        m = m if m > e else e
        p, q, s = exponential(u - m), exponential(v - m), exponential(e - m)
        total = p + q + s
        # The sum lies in [1, 3].
        r[i] = m + (log_unit(0.25 * total) + 1.3862943611198906) - target[i]
        total = 1.0 / total
        pa[i], pb[i], pe[i] = p * total, q * total, s * total
    lanes[:LANES] = 0.0
    whole = n - n % LANES
    for start in range(0, whole, LANES):
        for k in range(LANES):
            size = abs(r[start + k])
            lanes[k] += 0.5 * size * size if size < delta else delta * (size - 0.5 * delta)
    for i in range(whole, n):
        size = abs(r[i])
        lanes[i - whole] += 0.5 * size * size if size < delta else delta * (size - 0.5 * delta)
    return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) + ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]))


@njit(inline="always", error_model="numpy")
def _add(lanes, k, x, y, pa, pb, pe, r, delta, on):  # type: ignore[no-untyped-def]
    """One point's part in the gradient, the Hessian and W, in lane k."""
    size = abs(r)
    inside = size < delta
    w = on * (1.0 if inside else delta / size)
    psi = w * r
    h = (on if inside else 0.0) - psi
    c, d = -pa * x, -pb * y
    lanes[k] += psi * pa
    lanes[LANES + k] += psi * pb
    lanes[2 * LANES + k] += psi * pe
    lanes[3 * LANES + k] += psi * c
    lanes[4 * LANES + k] += psi * d
    first, second = 5 * LANES + k, 20 * LANES + k
    lanes[first] += h * pa * pa + psi * pa
    lanes[first + LANES] += h * pb * pa
    lanes[first + 2 * LANES] += h * pb * pb + psi * pb
    lanes[first + 3 * LANES] += h * pe * pa
    lanes[first + 4 * LANES] += h * pe * pb
    lanes[first + 5 * LANES] += h * pe * pe + psi * pe
    lanes[first + 6 * LANES] += h * c * pa + psi * c
    lanes[first + 7 * LANES] += h * c * pb
    lanes[first + 8 * LANES] += h * c * pe
    lanes[first + 9 * LANES] += h * c * c - psi * c * x
    lanes[first + 10 * LANES] += h * d * pa
    lanes[first + 11 * LANES] += h * d * pb + psi * d
    lanes[first + 12 * LANES] += h * d * pe
    lanes[first + 13 * LANES] += h * d * c
    lanes[first + 14 * LANES] += h * d * d - psi * d * y
    lanes[second] += w * pa * pa
    lanes[second + LANES] += w * pb * pa
    lanes[second + 2 * LANES] += w * pb * pb
    lanes[second + 3 * LANES] += w * pe * pa
    lanes[second + 4 * LANES] += w * pe * pb
    lanes[second + 5 * LANES] += w * pe * pe
    lanes[second + 6 * LANES] += w * c * pa
    lanes[second + 7 * LANES] += w * c * pb
    lanes[second + 8 * LANES] += w * c * pe
    lanes[second + 9 * LANES] += w * c * c
    lanes[second + 10 * LANES] += w * d * pa
    lanes[second + 11 * LANES] += w * d * pb
    lanes[second + 12 * LANES] += w * d * pe
    lanes[second + 13 * LANES] += w * d * c
    lanes[second + 14 * LANES] += w * d * d


@njit(error_model="numpy")
def _sums(x, y, pa, pb, pe, r, delta, lanes, sums):  # type: ignore[no-untyped-def]
    """Gradient, Hessian and W at the point that `_predict` was called for."""
    n = x.shape[0]
    lanes[:] = 0.0
    whole = n - n % LANES
    for start in range(0, whole, LANES):
        for k in range(LANES):
            i = start + k
            _add(lanes, k, x[i], y[i], pa[i], pb[i], pe[i], r[i], delta, 1.0)
    for i in range(whole, n):
        _add(lanes, i - whole, x[i], y[i], pa[i], pb[i], pe[i], r[i], delta, 1.0)
    for j in range(SUMS):
        o = j * LANES
        sums[j] = ((lanes[o] + lanes[o + 4]) + (lanes[o + 1] + lanes[o + 5])) + (
            (lanes[o + 2] + lanes[o + 6]) + (lanes[o + 3] + lanes[o + 7])
        )
    ridge = RIDGE * (sums[20] + sums[22] + sums[25] + sums[29] + sums[34])
    for j in (20, 22, 25, 29, 34):
        sums[j] += ridge


@njit(error_model="numpy")
def _solve(sums, damping, factor, step):  # type: ignore[no-untyped-def]
    """Solve (H + damping W) step = gradient by Cholesky; False where the matrix is not positive definite."""
    for i in range(PARAMETERS):
        row = i * (i + 1) // 2
        for j in range(i + 1):
            col = j * (j + 1) // 2
            value = sums[5 + row + j] + damping * sums[20 + row + j]
            diagonal = value
            for k in range(j):
                value -= factor[row + k] * factor[col + k]
            if i == j:
                if not value > PIVOT * diagonal:
                    return False
                factor[row + j] = math.sqrt(value)
            else:
                factor[row + j] = value / factor[col + j]
    for i in range(PARAMETERS):
        row = i * (i + 1) // 2
        value = sums[i]
        for k in range(i):
            value -= factor[row + k] * step[k]
        step[i] = value / factor[row + i]
    for i in range(PARAMETERS - 1, -1, -1):
        value = step[i]
        for k in range(i + 1, PARAMETERS):
            value -= factor[k * (k + 1) // 2 + i] * step[k]
        step[i] = value / factor[i * (i + 1) // 2 + i]
    return True


@njit(error_model="numpy")
def _foreseen(sums, damping, step):  # type: ignore[no-untyped-def]
    """The products gradient . step and step . H step, for the step that solves the damped equations."""
    slope, damped, longest = 0.0, 0.0, 0.0
    for i in range(PARAMETERS):
        row = i * (i + 1) // 2
        slope += sums[i] * step[i]
        longest = max(longest, abs(step[i]))
        damped += sums[20 + row + i] * step[i] * step[i]
        for j in range(i):
            damped += 2.0 * sums[20 + row + j] * step[i] * step[j]
    return slope, slope - damping * damped, longest


@njit(cache=True, nogil=True, error_model="numpy")
def _fit(x, y, target, which, start, delta):  # type: ignore[no-untyped-def]
    fits, n = start.shape[0], x.shape[1]
    out, objective, converged = start.copy(), np.empty(fits), np.zeros(fits, dtype=np.bool_)
    pa, pb, pe, r = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    lanes, sums = np.empty(SUMS * LANES), np.empty(SUMS)
    factor, step, tried = np.empty(15), np.empty(PARAMETERS), np.empty(PARAMETERS)
    for f in range(fits):
        s, theta, damping = which[f], out[f], FIRST
        value = _predict(x[s], y[s], target[s], theta, delta, pa, pb, pe, r, lanes)
        _sums(x[s], y[s], pa, pb, pe, r, delta, lanes, sums)
        for _ in range(STEPS):
            if not _solve(sums, damping, factor, step):
                damping = max(damping, AGAIN) * 8.0
                if damping > MOST:
                    break
                continue
            slope, curved, longest = _foreseen(sums, damping, step)
            if 0.5 * slope <= TOLERANCE * value + NOTHING and damping <= FIRST:
                for j in range(PARAMETERS):
                    theta[j] -= step[j]
                converged[f] = True
                break
            scale = LONGEST / longest if longest > LONGEST else 1.0
            for j in range(PARAMETERS):
                tried[j] = theta[j] - scale * step[j]
            new = _predict(x[s], y[s], target[s], tried, delta, pa, pb, pe, r, lanes)
            ratio = (value - new) / (scale * slope - 0.5 * scale * scale * curved)
            if ratio > 1e-4:
                value = new
                theta[:] = tried
                _sums(x[s], y[s], pa, pb, pe, r, delta, lanes, sums)
                if ratio > 0.75:
                    damping = damping * 0.1 if damping > 10.0 * LEAST else 0.0
                elif ratio < 0.25:
                    damping = max(damping, AGAIN) * 4.0
            else:
                damping = max(damping, AGAIN) * 8.0
                if damping > MOST:
                    break
        objective[f] = value
    return out, objective, converged


def fit_numba(
    x: np.ndarray, y: np.ndarray, target: np.ndarray, which: np.ndarray, start: np.ndarray, delta: float
) -> Fits:
    """Compiled twin of `fit_arrays`."""
    arrays = (np.ascontiguousarray(a, dtype=float) for a in (x, y, target))
    return Fits(*_fit(*arrays, np.ascontiguousarray(which), np.ascontiguousarray(start, dtype=float), float(delta)))
