r"""Infimum of the conditional risk of a comp-sum loss over bounded scores.

Model: label distribution $p$, scores $h \in [-\Lambda, \Lambda]^n$. Results:

- $\tau < 2$: $h_y = \mathrm{clip}((c + \log p_y)/(2-\tau), -\Lambda, \Lambda)$, where
  $c = \log\sum_y e^{h_y} - \log\sum_y p_y e^{(\tau-1) h_y}$. In the softmax the feasible set
  $s_i \le e^{2\Lambda} s_j$ is convex and so is the risk: every root is a global minimum. It is bracketed and bisected;
- $\tau \ge 2$: the risk is concave in the softmax, so that scores are at their bounds: $\Lambda$ on the k most likely
  classes, $-\Lambda$ on the rest, for the best k.

Source: P. Awasthi, A. Mao, M. Mohri, Y. Zhong, "H-consistency bounds for surrogate loss minimizers", ICML 2022 (bounded
hypotheses); the stationarity conditions are derived here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.derivations.surrogate_losses.comp_sum_common import CONVENTIONS, TAU, TAU_BELOW_TWO, P, tau
from theorylab.derivations.surrogate_losses.comp_sum_conditional_risk import check_distribution
from theorylab.errors import DomainError
from theorylab.parameters import Observed, Parameter, Space
from theorylab.prediction import Numerical

Array = np.ndarray
BOUNDS = Parameter("bounds", Observed("bound on the size of every score"), "score bound Lambda")
# Halvings that bring a bracket of a few hundred to the spacing of doubles.
HALVINGS = 80


def _stationarity() -> list[Step]:
    h1, h2, h3, c = sp.symbols("h1 h2 h3 c", real=True)
    p1, p2, p3 = sp.symbols("p1 p2 p3", positive=True)
    h, p = (h1, h2, h3), (p1, p2, p3)
    total = sum(sp.exp(x) for x in h)
    s = [sp.exp(x) / total for x in h]
    risk = sum(q * (x ** (tau - 1) - 1) / (1 - tau) for q, x in zip(p, s))
    mass = sum(q * x ** (tau - 1) for q, x in zip(p, s))
    place = {
        tau: [sp.Rational(k, 10) for k in (0, 5, 15, 17)],
        **dict.fromkeys(h, (-1, 1)),
        **dict.fromkeys(p, (0.1, 0.9)),
    }
    free = sp.exp((2 - tau) * h1 - c)
    return [
        Step(
            "slope in a score",
            sp.Derivative(risk, h1),
            mass * s[0] - p1 * s[0] ** (tau - 1),
            "sum of the losses' slopes",
            where=place,
            method="50 digits",
        ),
        Step(
            "at an unclipped score",
            (mass * s[0] - p1 * s[0] ** (tau - 1)).subs(p1, free),
            (s[0] * (mass - sp.exp(-c) * total ** (2 - tau))).subs(p1, free),
            "with p_k = exp((2-tau) h_k - c): all unclipped slopes have one sign, and vanish together",
            where={**place, c: (-1, 1)},
            method="50 digits",
        ),
        Step(
            "condition",
            sp.log(total ** (2 - tau) / mass),
            sp.log(total) - sp.log(sum(q * sp.exp((tau - 1) * x) for q, x in zip(p, h))),
            "the equation for c",
            where=place,
            method="50 digits",
        ),
    ]


def _log_sums(h: Array, p: Array, tau: Any) -> Array:
    """log sum exp(h) - log sum p exp((tau-1) h) over the last axis."""
    top = h.max(axis=-1, keepdims=True)
    first = top[..., 0] + np.log(np.exp(h - top).sum(axis=-1))
    power = (tau - 1.0) * h
    most = power.max(axis=-1, keepdims=True)
    return np.asarray(first - most[..., 0] - np.log((p * np.exp(power - most)).sum(axis=-1)))


def _risk(h: Array, p: Array, tau: Any) -> Array:
    top = h.max(axis=-1, keepdims=True)
    wait = top + np.log(np.exp(h - top).sum(axis=-1, keepdims=True)) - h
    e = 1.0 - tau
    loss = wait if e == 0.0 else np.expm1(e * wait) / e
    return np.asarray((p * loss).sum(axis=-1))


def _bisected(tau: float, p: Array, bound: Array) -> list[Array]:
    """Clipped scores at both ends of the bracket of c."""
    logs = np.log(np.where(p > 0, p, 1.0))
    room = (2.0 - tau) * bound
    low = -room - np.log(p.max(axis=-1))
    high = room - logs.min(axis=-1)

    def scores(c: Array) -> Array:
        h = np.clip((c[..., None] + logs) / (2.0 - tau), -bound[..., None], bound[..., None])
        return np.where(p > 0, h, -bound[..., None])

    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        below = middle - _log_sums(scores(middle), p, tau) < 0.0
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return [scores(c) for c in (low, high)]


def _smooth(tau: float, p: Array, bound: Array) -> tuple[Array, Array]:
    ends = [_risk(h, p, tau) for h in _bisected(tau, p, bound)]
    value = np.minimum(*ends)
    return value, np.abs(ends[1] - ends[0]) + 1e-14 * (1.0 + value)


def _vertices(tau: float, p: Array, bound: Array) -> tuple[Array, Array]:
    p = np.sort(p, axis=-1)[..., ::-1]
    n = p.shape[-1]
    high = np.arange(n) < np.arange(1, n + 1)[:, None]
    h = np.where(high, bound[..., None, None], -bound[..., None, None])
    value = _risk(h, p[..., None, :], tau).min(axis=-1)
    return value, 1e-14 * (1.0 + value)


def _checked(tau: Any, p: Any, bounds: Any) -> tuple[float, Array, Array]:
    p = check_distribution(p)
    bound = np.broadcast_to(np.asarray(bounds, dtype=float), p.shape[:-1])
    if np.any(bound < 0):
        raise DomainError(f"a bound on the scores is negative: {float(bound.min()):g}")
    exponents = np.unique(np.asarray(tau, dtype=float))
    if len(exponents) > 1:
        raise DomainError(f"one tau at a time over bounded scores, not {len(exponents)}")
    return float(exponents[0]), p, bound


def _infimum(tau: Any, p: Any, bounds: Any) -> tuple[Array, Array]:
    exponent, p, bound = _checked(tau, p, bounds)
    return (_smooth if exponent < 2.0 else _vertices)(exponent, p, bound)


def _minimiser(tau: Any, p: Any, bounds: Any) -> tuple[Array, Array]:
    weights = [np.exp(h - h.max(axis=-1, keepdims=True)) for h in _bisected(*_checked(tau, p, bounds))]
    low, high = (w / w.sum(axis=-1, keepdims=True) for w in weights)
    return low, np.abs(high - low) + 1e-14


clipped_infimum = Numerical(
    function=_infimum,
    formula=r"\sum_y p_y \Phi^\tau(S_y(h)),\quad h_y = \mathrm{clip}((c + \log p_y)/(2-\tau), -\Lambda, \Lambda)",
    space=Space([TAU, P, BOUNDS]),
    quantity="infimum of the conditional risk over bounded scores",
    conventions=CONVENTIONS,
    derivation=Derivation("stationarity under box constraints", _stationarity),
)

clipped_minimiser = Numerical(
    function=_minimiser,
    formula=r"\frac{e^{h_y}}{\sum_{y'} e^{h_{y'}}},\quad "
    r"h_y = \mathrm{clip}((c + \log p_y)/(2-\tau), -\Lambda, \Lambda)",
    space=Space([TAU_BELOW_TWO, P, BOUNDS]),
    quantity="softmax probabilities of the risk minimiser over bounded scores",
    conventions=CONVENTIONS,
    derivation=clipped_infimum.derivation,
)
