r"""One mode of a two-layer linear network under gradient flow: its strength at every time, in closed form.

Model
    Loss (1/2)(s - a b)^2 of the strengths a, b of two layers, gradient flow da/dt = b (s - ab), db/dt = a (s - ab);
    u = ab, k = |a^2 - b^2|.
Result
    k is conserved and du/dt = sqrt(k^2 + 4 u^2) (s - u). With w = u + sqrt(u^2 + k^2/4), which is (a + b)^2/2, this is
    the Riccati equation dw/dt = 2 s w - w^2 + k^2/4, whose roots are w_+ > 0 and -m, m = k^2/(4 w_+); with
    R = w_+ + m = sqrt(k^2 + 4 s^2) and E = exp(-R t)

        w(t) = (w_+ w_0 + (k^2/4)(1 - E) + m w_0 E) / (w_0 (1 - E) + m + w_+ E),      u = w/2 - k^2/(8 w),
        t(u) = (1/R) log( (w_0 - w_+)(w + m) / ((w - w_+)(w_0 + m)) ).

    The usual form, u = (k/2) sinh th with v = tanh(th/2) = (B tanh(B k t/2 + artanh((1 + A v_0)/B)) - 1)/A, A = 2s/k,
    B = sqrt(1 + A^2), is the same function; this one needs no cases for u_0 > s, u_0 < 0 or k -> 0.
    k = 0 is the logistic s/(1 + (s/u_0 - 1) e^(-2 s t)).
Uses
    A network in the mean-field parametrisation with whitened data and f = u/g, g = gamma, obeys it at k = 2, s = g |y|:
    `unbalanced_numeric(t=t, s=g * y, k=2.0, u0=g * f0) / g`.
Source
    Saxe, McClelland and Ganguli, arXiv:1312.6120v3, section 1.1 and appendix A (hyperbolic coordinates).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.parameters import Constraint, Interval, Parameter, Space
from theorylab.prediction import ClosedForm

POSITIVE = Interval(0, open_low=True)
TIME = Parameter("t", Interval(0), "time of gradient flow")
TARGET = Parameter("s", POSITIVE, "strength of the mode in the target")
GAP = Parameter("k", Interval(0), "imbalance |a^2 - b^2| of the two layers", default=0.0)
START = Parameter("u0", Interval(), "strength of the mode at the start, the product of the layers")
STRENGTH = Parameter("u", Interval(), "strength of the mode, the product of the layers")
t, s, k, u0, u = (p.symbol for p in (TIME, TARGET, GAP, START, STRENGTH))

CONVENTIONS = {
    "loss": "(1/2)(s - ab)^2, gradient flow with time constant 1",
    "u": "product of the strengths of all layers",
    "k": "|a^2 - b^2|, conserved",
}
SOURCE = "Saxe, McClelland and Ganguli (2013), section 1.1"


def layer_sum(u: Any, k: Any) -> sp.Expr:
    """(a + b)^2/2 as a function of u = ab and k = |a^2 - b^2|."""
    return u + sp.sqrt(u**2 + k**2 / 4)


def unbalanced(t: Any, s: Any, k: Any, u0: Any) -> sp.Expr:
    """The strength u(t) of the mode."""
    w0, top = layer_sum(u0, k), layer_sum(s, k)
    low = k**2 / (4 * top)
    decay = sp.exp(-sp.sqrt(k**2 + 4 * s**2) * t)
    w = (top * w0 + k**2 / 4 * (1 - decay) + low * w0 * decay) / (w0 * (1 - decay) + low + top * decay)
    return w / 2 - k**2 / (8 * w)


def unbalanced_time(u: Any, s: Any, k: Any, u0: Any) -> sp.Expr:
    """The time t(u) at which the mode has strength u."""
    w, w0, top = layer_sum(u, k), layer_sum(u0, k), layer_sum(s, k)
    low = k**2 / (4 * top)
    return sp.log((w0 - top) * (w + low) / ((w - top) * (w0 + low))) / sp.sqrt(k**2 + 4 * s**2)


def logistic(t: Any, s: Any, u0: Any) -> sp.Expr:
    """The balanced case, k = 0."""
    return s / (1 + (s / u0 - 1) * sp.exp(-2 * s * t))


def _sum_numeric(u: Any, k: Any) -> Any:
    """`layer_sum` without cancellation at negative u."""
    length = np.hypot(u, 0.5 * k)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(u >= 0, u + length, (0.5 * k) * (0.5 * k) / (length - u))


def unbalanced_numeric(*, t: Any, s: Any, k: Any, u0: Any) -> np.ndarray:
    """`unbalanced` in double precision, accurate relative to itself (also where u is near zero, if u_0 >= 0).

    Parameters
    ----------
    t, s, k, u0
        Arrays that broadcast; s > 0, t >= 0, k >= 0, and u0 > 0 where k = 0. With u0 < 0, k^2 must not underflow.

    Returns
    -------
    float64[...]
    """
    t, s, k, u0 = (np.asarray(x, dtype=float) for x in (t, s, k, u0))
    half = 0.5 * k
    w0, top = _sum_numeric(u0, k), _sum_numeric(s, k)
    low = half * (half / top)
    decay, grown = np.exp(-(top + low) * t), -np.expm1(-(top + low) * t)
    # w = above/below; u = (w - k^2/(4w))/2 as a product, whose difference is again a sum of terms of one sign.
    above = top * w0 + half * half * grown + low * w0 * decay
    below = w0 * grown + low + top * decay
    top_excess = s * ((top + half) / (np.hypot(s, half) + half))
    start_excess = u0 * ((w0 + half) / (np.hypot(u0, half) + half))
    difference = top_excess * (w0 + low) * grown + (top + low) * start_excess * decay
    return np.asarray(0.5 * (difference / below) * (1.0 + half * (below / above)))


def unbalanced_time_numeric(*, u: Any, s: Any, k: Any, u0: Any) -> np.ndarray:
    """`unbalanced_time` in double precision, accurate relative to itself.

    Parameters
    ----------
    u, s, k, u0
        Arrays that broadcast; u between u0 and s.

    Returns
    -------
    float64[...]
    """
    u, s, k, u0 = (np.asarray(x, dtype=float) for x in (u, s, k, u0))
    half = 0.5 * k
    w, w0, top = _sum_numeric(u, k), _sum_numeric(u0, k), _sum_numeric(s, k)
    low = half * (half / top)
    lengths, to_top = np.hypot(u, half) + np.hypot(u0, half), np.hypot(u, half) + np.hypot(s, half)
    moved = (u - u0) * ((w + w0) / lengths)
    left = (s - u) * ((w + top) / to_top)
    return np.asarray(np.log1p(moved / left * ((top + low) / (w0 + low))) / (top + low))


def _flow_steps() -> list[Step]:
    a, b = sp.symbols("a b", positive=True)
    loss = (s - a * b) ** 2 / 2
    da, db = -loss.diff(a), -loss.diff(b)
    return [
        Step(
            "the imbalance is conserved",
            2 * a * da - 2 * b * db,
            sp.S.Zero,
            "d/dt (a^2 - b^2) = 2a da/dt - 2b db/dt, by the flow da/dt = -dL/da, db/dt = -dL/db",
        ),
        Step("rate of the product", b * da + a * db, (a**2 + b**2) * (s - a * b), "d/dt (ab) = b da/dt + a db/dt"),
        Step(
            "closed in u",
            (a**2 + b**2) ** 2,
            (a**2 - b**2) ** 2 + 4 * (a * b) ** 2,
            "so that du/dt = sqrt(k^2 + 4 u^2) (s - u)",
        ),
        Step("the sum of the layers", layer_sum(a * b, a**2 - b**2), (a + b) ** 2 / 2, "w = (a + b)^2/2"),
    ]


def _riccati_steps() -> list[Step]:
    x, w = sp.Symbol("x", positive=True), sp.Function("w")
    K, S, U = sp.symbols("k s u_0", positive=True)
    found = sp.dsolve(sp.Eq(w(x).diff(x), 2 * S * w(x) - w(x) ** 2 + K**2 / 4), w(x))
    constant = next(iter(found.rhs.free_symbols - {x, S, K}))
    rate = sp.sqrt(K**2 + 4 * S**2)
    w0, top = layer_sum(U, K), layer_sum(S, K)
    # The general solution holds exp(rate (t + 4 C)): its constant from the ratio (w - w_+)/(w + m) at the start.
    fixed = sp.log((w0 + top - 2 * S) / (w0 - top)) / rate
    fixed = fixed / (sp.diff(sp.log(found.rhs.atoms(sp.exp).pop()), constant) / rate)
    solution = found.rhs.subs(constant, fixed)
    closed = unbalanced(x, S, K, U)
    A = 2 * S / K
    B = sp.sqrt(1 + A**2)
    v0 = sp.tanh(sp.asinh(2 * U / K) / 2)
    v = (B * sp.tanh(B * K * x / 2 + sp.atanh((1 + A * v0) / B)) - 1) / A
    below = {U: (0.05, 0.5), S: (0.8, 2)}
    return [
        Step(
            "Riccati equation",
            sp.diff(layer_sum(u, K), u) * sp.sqrt(K**2 + 4 * u**2) * (S - u),
            2 * S * layer_sum(u, K) - layer_sum(u, K) ** 2 + K**2 / 4,
            "dw/dt = (dw/du) du/dt",
        ),
        Step(
            "the general solution solves it",
            sp.checkodesol(sp.Eq(w(x).diff(x), 2 * S * w(x) - w(x) ** 2 + K**2 / 4), found)[1],
            sp.S.Zero,
            "dsolve, checked by checkodesol",
        ),
        Step("at the start", closed.subs(x, 0), U, "u(0) = u_0", where=below),
        Step(
            "from w to u",
            solution / 2 - K**2 / (8 * solution),
            closed,
            "the constant from w(0) = w_0, and u = w/2 - k^2/(8w) from (a+b)^2 (a-b)^2 = k^2",
            where=below,
            method="50 digits",
        ),
        Step(
            "in hyperbolic coordinates",
            K * v / (1 - v**2),
            closed,
            "u = (k/2) sinh th: the form of the literature",
            where=below,
            method="50 digits",
        ),
        Step(
            "inverse",
            unbalanced_time(closed, S, K, U),
            x,
            "(w - w_+)/(w + m) decays as exp(-R t)",
            where=below,
            method="50 digits",
        ),
        Step(
            "balanced",
            sp.simplify(sp.dsolve(sp.Eq(w(x).diff(x), 2 * w(x) * (S - w(x))), w(x), ics={w(0): U}).rhs),
            logistic(x, S, U),
            "dsolve at k = 0",
            where=below,
        ),
        Step("its limit", unbalanced(x, S, sp.S.Zero, U), logistic(x, S, U), "the closed form at k = 0", where=below),
    ]


def _time_steps() -> list[Step]:
    K, S, U = sp.symbols("k s u_0", positive=True)
    return [
        Step(
            "slowness",
            unbalanced_time(u, S, K, U).diff(u),
            1 / (sp.sqrt(K**2 + 4 * u**2) * (S - u)),
            "dt/du is one over the rate of u",
            where={U: (0.05, 0.3), S: (1.5, 3), u: (0.4, 1.2)},
            method="50 digits",
        ),
        Step("from the start", unbalanced_time(U, S, K, U), sp.S.Zero, "t(u_0) = 0"),
    ]


FLOW = Derivation(SOURCE, lambda: [*_flow_steps(), *_riccati_steps()])
STARTS = Constraint((u0 > 0) | (k > 0), "balanced layers start with a positive product, or never reach the target")
UNBALANCED = ClosedForm(
    expr=unbalanced(t, s, k, u0),
    numeric=unbalanced_numeric,
    space=Space([TIME, TARGET, GAP, START], [STARTS]),
    quantity="strength of the mode",
    conventions=CONVENTIONS,
    derivation=FLOW,
    rtol=1e-11,
    corners=(
        {"t": 1e-9, "s": 1.0, "k": 1e-3, "u0": 0.0},
        {"t": 3.0, "s": 1.0, "k": 0.0, "u0": 1e-12},
        {"t": 3.0, "s": 1.0, "k": 1e-9, "u0": 1e-3},
        {"t": 2.0, "s": 1.0, "k": 1e6, "u0": 0.0},
        {"t": 0.3, "s": 1.3, "k": 0.7, "u0": 4.0},
        {"t": 0.5, "s": 1.3, "k": 1e-6, "u0": -2.0},
        {"t": 40.0, "s": 2.0, "k": 3.0, "u0": -1.0},
    ),
)
UNBALANCED_TIME = ClosedForm(
    expr=unbalanced_time(u, s, k, u0),
    numeric=unbalanced_time_numeric,
    space=Space(
        [STRENGTH, TARGET, GAP, START],
        [
            STARTS,
            Constraint((u - u0) * (s - u) >= 0, "the strength moves from u0 towards s and not beyond"),
            Constraint(sp.Ne(u, s), "the target itself is never reached"),
        ],
    ),
    quantity="time at which the mode has strength u",
    conventions=CONVENTIONS,
    derivation=Derivation(SOURCE, lambda: [*_flow_steps(), *_riccati_steps(), *_time_steps()]),
    rtol=1e-11,
    corners=(
        {"u": 1e-9, "s": 1.0, "k": 1e-3, "u0": 0.0},
        {"u": 0.5, "s": 1.0, "k": 0.0, "u0": 1e-12},
        {"u": 0.5 + 1e-12, "s": 1.0, "k": 0.3, "u0": 0.5},
        {"u": 1.0 - 1e-12, "s": 1.0, "k": 0.3, "u0": -0.5},
        {"u": 1.3 + 1e-9, "s": 1.3, "k": 0.7, "u0": 4.0},
        {"u": -1e-3, "s": 1.3, "k": 1e-9, "u0": -2.0},
    ),
)
