r"""Least conditional risk of a comp-sum loss over scores in a box, many problems at once.

For $\tau < 2$ the risk is convex in the softmax s, and so is the set of s that scores in $[-\Lambda, \Lambda]^n$ reach.
Projected Newton steps in the scores (those that their slopes send to a bound are fixed there) with backtracking. The
residual is the largest decrease that the linear model in s still promises, over the set's vertices, which bounds what
is left to gain: no closed form of the minimiser is used, and the minimum found is certified.

For $\tau \ge 2$ the risk is concave in s: all vertices are tried. Where a class must be predicted, of two, the margins
are tried on a grid with both ends.
"""

from __future__ import annotations

import itertools

import numpy as np

from theorylab.sims.surrogate_losses.score_minimisation import risk, waits
from theorylab.simulation import SimulationError

Array = np.ndarray
# Gap, relative to one plus the risk, at which a minimum counts as reached, and steps after which it never will be.
REACHED, MOST_STEPS = 1e-12, 100
# What is left where rounding stops the descent is still a bound, but must not be more than this.
TOLERATED = 1e-9
# Risks that differ by rounding only count as equal: the last Newton steps lower the slope alone.
ROUNDING = 4e-15
LARGEST_MOVE = 2.0
MARGINS = np.linspace(0.0, 1.0, 65)


def _slopes(p: Array, h: Array, tau: float) -> tuple[Array, Array, Array]:
    """Softmax, weights p s^(tau-1) and gradient in the scores, float[b, n] each."""
    wait = waits(h)
    s, w = np.exp(-wait), p * np.exp((1.0 - tau) * wait)
    return s, w, w.sum(axis=1, keepdims=True) * s - w


def _left(s: Array, w: Array, bound: Array) -> Array:
    """Decrease that the linear model in s promises over the set: float[b].

    Its vertices have scores at their bounds, the classes of the largest weights w/s at the upper one.
    """
    slope = np.sort(-w / s, axis=1)
    n = s.shape[1]
    low = np.exp(-2.0 * bound)[:, None]
    high = np.cumsum(slope, axis=1)
    count = np.arange(1, n + 1)
    least = (high + low * (high[:, -1:] - high)) / (count + low * (n - count))
    return np.asarray(np.maximum(-w.sum(axis=1) - least.min(axis=1), 0.0))


def _step(s: Array, w: Array, gradient: Array, h: Array, bound: Array, tau: float) -> Array:
    """Newton steps of the scores; the Hessian is a diagonal less the product of s with itself.

    Scores that the diagonal alone would send beyond their bounds are sent there, and the others take them as fixed.
    """
    room, total = bound[:, None], w.sum(axis=1, keepdims=True)
    alone = np.clip(h - gradient / s / ((2.0 - tau) * total), -room, room)
    held = np.abs(alone) >= room
    slope = np.where(held, 0.0, gradient)
    mass = np.where(held, s, 0.0).sum(axis=1, keepdims=True)
    # Without a held score all scores may shift together, which changes nothing.
    shift = np.where(mass > 0.0, slope.sum(axis=1, keepdims=True) / np.where(mass > 0.0, mass, 1.0), 0.0)
    step = np.where(held, 0.0, -(slope / s + shift) / ((2.0 - tau) * total))
    step *= np.minimum(1.0, LARGEST_MOVE / np.maximum(np.abs(step).max(axis=1, keepdims=True), 1e-300))
    return np.asarray(np.where(held, alone - h, step))


def box_minimum(p: Array, tau: float, bound: Array) -> dict[str, Array]:
    """Least risks over scores in boxes, tau < 2.

    Parameters
    ----------
    p : float[b, n]
    tau : float
    bound : float[b]
        Bounds Lambda on the scores.

    Returns
    -------
    dict
        value : float[b]; h : float[b, n], scores at which it is reached; residual : float[b], bound on what is left.

    Raises
    ------
    SimulationError
        When a minimum is not reached.
    """
    h = np.zeros(p.shape)
    value = risk(p, h, tau)
    left = np.full(len(p), np.inf)
    active: Array = np.arange(len(p))
    for _ in range(MOST_STEPS):
        s, w, gradient = _slopes(p[active], h[active], tau)
        left[active] = _left(s, w, bound[active])
        far = left[active] > REACHED * (1.0 + value[active])
        active, s, w, gradient = active[far], s[far], w[far], gradient[far]
        if not active.size:
            break
        step = _step(s, w, gradient, h[active], bound[active], tau)
        h[active], value[active] = _descended(p[active], h[active], step, value[active], bound[active], tau)
    if np.any(left > TOLERATED * (1.0 + value)):
        raise SimulationError(f"a least risk over bounded scores was not reached: {left.max():.3g} may be left")
    return {"value": value, "h": h, "residual": left}


def _descended(p: Array, h: Array, step: Array, value: Array, bound: Array, tau: float) -> tuple[Array, Array]:
    """Projected steps, halved until the risk falls; those that never do stay."""
    new, there = h.copy(), value.copy()
    waiting, factor = np.arange(len(p)), 1.0
    while waiting.size and factor > 1e-12:
        room = bound[waiting, None]
        trial = np.clip(h[waiting] + factor * step[waiting], -room, room)
        found = risk(p[waiting], trial, tau)
        good = found <= value[waiting] + ROUNDING * (1.0 + value[waiting])
        new[waiting[good]], there[waiting[good]] = trial[good], found[good]
        waiting, factor = waiting[~good], factor / 2.0
    return new, there


def vertex_minimum(p: Array, tau: float, bound: Array) -> Array:
    """Least risks float[b] over scores in boxes, tau >= 2, by trying all 2^n vertices."""
    signs = np.array(list(itertools.product((1.0, -1.0), repeat=p.shape[1])))
    return np.asarray(risk(p[:, None], bound[:, None, None] * signs, tau).min(axis=1))


def mistaken_minimum(beta: float, tau: float, bound: Array) -> Array:
    """Least risks float[b] of predicting the less likely of two classes, p = ((1+beta)/2, (1-beta)/2), on a grid."""
    margin = -2.0 * bound[:, None] * MARGINS
    p = np.array([(1.0 + beta) / 2.0, (1.0 - beta) / 2.0])
    return np.asarray(risk(p, np.stack([margin, np.zeros(margin.shape)], axis=2), tau).min(axis=1))
