r"""Violation search over label distributions: descent at fixed zero-one regret, exact in the scores, as twins.

A start is a pure function of the stream's key and its number. It draws the zero-one regret $\beta$ of the
predicted class, which stays fixed, and a label distribution $p = \pi\, (1, (\pi - \beta)/\pi, r)$: most
likely class, predicted class, the rest relative to the first, $r \in [0, 1]^{n-2}$ with $\sum r \le (1-\beta)/\beta$
and $\pi = (1 + \beta)/(2 + \sum r)$. A compass search over $r$ (single coordinates, and transfers between two)
then lowers the least surrogate regret (`conditional_risk.pooled_regret`) to a local minimum.

Speed on one core of a Xeon: a descent over 10 classes takes 7 us at $\tau = 1$, 19 us at 1/2, 47 us at 2, where more
moves are accepted; over 30 classes 52 to 600 us. Each move waits for the regret before it, so that the floor is the
time of those regrets (see `conditional_risk`). The reference, an interpreted loop, takes 100 to 1000 times as long.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from theorylab.kernels.conditional_risk import pooled_regret, pooled_regret_numpy, rounding_error
from theorylab.kernels.random import uniform_numba, uniform_numpy

Array = np.ndarray
LEAST_BETA = 2e-2
FIRST_STEP, LAST_STEP = 0.25, 1e-5


def starts(key: Array, draw: int, first: int, count: int, n: int, compiled: bool) -> tuple[Array, Array]:
    """Zero-one regrets float[count] and rests float[count, n - 2] at which the descents begin."""
    draw_uniform = uniform_numba if compiled else uniform_numpy
    u = draw_uniform(key, draw, first, count, n + 1)
    beta = LEAST_BETA + (1.0 - LEAST_BETA) * u[:, 0]
    rest = u[:, 3:] ** (10.0 ** (2.0 * u[:, 1:2] - 1.0))
    room = ((1.0 - beta) / beta)[:, None]
    return beta, rest * np.minimum(1.0, u[:, 2:3] * room / np.maximum(rest.sum(axis=1, keepdims=True), 1e-300))


def distributions(beta: Array, rest: Array) -> Array:
    """Label distributions float[count, n]: most likely class, predicted class, the rest."""
    total = rest.sum(axis=1)
    top = (1.0 + beta) / (2.0 + total)
    own = np.maximum(1.0 - beta * (1.0 + total), 0.0) / (1.0 + beta)
    return np.asarray(top[:, None] * np.concatenate([np.ones((len(beta), 1)), own[:, None], rest], axis=1))


@njit(cache=True, nogil=True, error_model="numpy")
def _regret(beta, rest, ordered, tau):  # type: ignore[no-untyped-def]
    """Least surrogate regret at a point of the search and the size of its terms; `ordered` is work space."""
    total = 0.0
    for j in range(rest.size):
        value, k = rest[j], j
        total += value
        while k > 0 and ordered[k - 1] < value:
            ordered[k] = ordered[k - 1]
            k -= 1
        ordered[k] = value
    own = max(1.0 - beta * (1.0 + total), 0.0) / (1.0 + beta)
    return pooled_regret((1.0 + beta) / (2.0 + total), own, ordered, tau)


@njit(inline="always")
def _moved(rest, total, room, sweep, j, kind, step):  # type: ignore[no-untyped-def]
    """Move number `kind` at coordinate j: (partner, change of j, change of the partner), clipped to the domain."""
    if kind == 0:
        # A sum rounded above the room leaves none.
        return j, max(0.0, min(step, 1.0 - rest[j], room - total)), 0.0
    if kind == 1:
        return j, -min(step, rest[j]), 0.0
    k = (j + 1 + sweep % max(1, rest.size - 1)) % rest.size
    change = min(step, 1.0 - rest[j], rest[k]) if k != j else 0.0
    return k, change, -change


@njit(cache=True, nogil=True, error_model="numpy")
def _descend(beta, rest, tau):  # type: ignore[no-untyped-def]
    """Lower the regret over `rest`, in place; return the least regret and the size of its terms."""
    ordered, room = np.empty(rest.size), (1.0 - beta) / beta
    best, size = _regret(beta, rest, ordered, tau)
    step, sweep = FIRST_STEP, 0
    while step >= LAST_STEP and rest.size > 0:
        improved = False
        for j in range(rest.size):
            for kind in range(3):
                k, first, second = _moved(rest, rest.sum(), room, sweep, j, kind, step)
                if first == 0.0:
                    continue
                before_j, before_k = rest[j], rest[k]
                rest[j] += first
                rest[k] += second
                value, terms = _regret(beta, rest, ordered, tau)
                # Rounding must not pass for progress.
                if value < best - 1e-14 * terms:
                    best, size, improved = value, terms, True
                else:
                    rest[j], rest[k] = before_j, before_k
        sweep += 1
        if not improved:
            step *= 0.5
    return best, size


@njit(cache=True, nogil=True, error_model="numpy")
def _descend_all(beta, rest, tau, y, size):  # type: ignore[no-untyped-def]
    for i in range(beta.size):
        y[i], size[i] = _descend(beta[i], rest[i], tau)


def descents_numba(key: Array, draw: int, first: int, count: int, tau: float, n: int) -> dict[str, Array]:
    """Compiled search from the starts first, ..., first + count - 1.

    Parameters
    ----------
    key : uint32[2]
    draw : int
        Ordinal of the draw that the starts use.
    tau : float
    n : int
        Classes.

    Returns
    -------
    dict
        p : float[count, n], the distributions reached (class 1 is predicted); x, y, error : float[count], their
        zero-one regret, least surrogate regret, and a bound on its rounding error.
    """
    beta, rest = starts(key, draw, first, count, n, compiled=True)
    y, size = np.empty(count), np.empty(count)
    _descend_all(beta, rest, float(tau), y, size)
    return {"p": distributions(beta, rest), "x": beta, "y": y, "error": np.asarray(rounding_error(size, tau))}


def descents_numpy(key: Array, draw: int, first: int, count: int, tau: float, n: int) -> dict[str, Array]:
    """Reference twin of `descents_numba`: the same moves, with the regret of whole label distributions."""
    beta, rest = starts(key, draw, first, count, n, compiled=False)
    y = np.empty(count)
    for i in range(count):
        y[i] = _descend_numpy(beta[i], rest[i], tau)
    p = distributions(beta, rest)
    return {"p": p, "x": beta, "y": y, "error": np.asarray(rounding_error(np.ones(count), tau))}


def _descend_numpy(beta: float, rest: Array, tau: float) -> float:
    def regret(r: Array) -> float:
        return pooled_regret_numpy(distributions(np.array([beta]), r[None])[0], 1, tau)

    room, best, step, sweep = (1.0 - beta) / beta, regret(rest), FIRST_STEP, 0
    scale = 1.0 / (abs(1.0 - tau) if tau != 1.0 else 1.0)
    while step >= LAST_STEP and rest.size > 0:
        improved = False
        for j in range(rest.size):
            for kind in range(3):
                k, first, second = _moved.py_func(rest, rest.sum(), room, sweep, j, kind, step)
                if first == 0.0:
                    continue
                trial = rest.copy()
                trial[j] += first
                trial[k] += second
                value = regret(trial)
                if value < best - 1e-14 * scale:
                    best, improved = value, True
                    rest[:] = trial
        sweep += 1
        step *= 1.0 if improved else 0.5
    return best
