r"""H-consistency of comp-sum losses with bounded scores: where the transform bends, and where it is zero.

Model: scores in $[-\Lambda, \Lambda]^n$ at each input, $p$ and $\beta$ as in `comp_sum_h_consistency`. Write
$u = (n-2) e^{-2\Lambda}$ (the weight of the classes left out, which cannot leave altogether), $\beta_0 = u/(2+u)$ and
$a = 1/(2-\tau)$. The transform is the least surrogate regret, against the pointwise infimum over bounded scores, at
zero-one regret $\beta$.

- Two classes, $\tau < 2$: the margin of the risk minimiser, $z^* = a \log\frac{1+\beta}{1-\beta}$, is inside its range
  $[-2\Lambda, 2\Lambda]$ up to $\beta_1 = \tanh((2-\tau)\Lambda)$. $T_\Lambda = T_\tau$ there, and beyond
  $\Phi^\tau(1) - \frac{1+\beta}2 \Phi^\tau(e^{-2\Lambda}) - \frac{1-\beta}2 \Phi^\tau(e^{2\Lambda})$, with one slope.
- Two classes, $\tau \ge 2$: least conditional regret
  $\min(\text{the affine form}, \beta(\Phi^\tau(e^{2\Lambda}) - \Phi^\tau(e^{-2\Lambda})))$, whose convex envelope is
  $\beta(\Phi^\tau(1) - \Phi^\tau(e^{-2\Lambda}))$; at $\tau = 2$ it is $\frac12 \beta \tanh\Lambda$.
- n classes (ours): $T = 0$ up to $\beta_0 > 0$ for every $\tau < 2$. The minimiser itself ties two classes whose
  probabilities differ by less: it would raise both further. So no bound on the zero-one regret below $\beta_0$ exists,
  however small the surrogate regret. Beyond, with $p = (\frac{1+\beta}2, \frac{1-\beta}2, 0, \ldots)$ and scores
  $(\Lambda, \Lambda, -\Lambda, \ldots)$,
  $T = \Phi^\tau(1+u) - \frac{1+\beta}2 \Phi^\tau(e^{-z}+u) - \frac{1-\beta}2 \Phi^\tau(e^z(1+u))$ with
  $z = \min(2a(\mathrm{artanh}\,\beta - \mathrm{artanh}\,\beta_0), 2\Lambda)$. Where $z < 2\Lambda$ it is
  $(2+u)^{1-\tau} (1 - M^{1/a})/(1-\tau)$ with $M = \sum_i q_i^{1-a} \eta_i^a$, $\eta = (1 \pm \beta)/2$,
  $q = (1 \pm \beta_0)/2$: a Rényi divergence of order a between two coins. Sharp to $\tau = 1.663$ by search.

As a maximum over z of functions affine in $\beta$, T is convex: the bound at one input is one for risks. With
$\Lambda(x)$ that varies it is that of $\inf_x \Lambda(x)$: T increases with $\Lambda$, to the transform of free scores.

Source: P. Awasthi, A. Mao, M. Mohri, Y. Zhong, "H-consistency bounds for surrogate loss minimizers", ICML 2022,
arXiv:2205.08017 (two classes, where the margin and not the scores is bounded: B there is $2\Lambda$ here).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp
from scipy.special import exprel

from theorylab.derivation import Derivation
from theorylab.derivations.surrogate_losses import comp_sum_bounded_steps as steps
from theorylab.derivations.surrogate_losses import comp_sum_numerics as numerics
from theorylab.derivations.surrogate_losses.comp_sum_bounded_steps import SCORE, outer
from theorylab.derivations.surrogate_losses.comp_sum_common import (
    BETA,
    TAU_ABOVE_TWO,
    TAU_BELOW_TWO,
    N,
    beta,
    tau,
)
from theorylab.derivations.surrogate_losses.comp_sum_h_consistency import REGRETS
from theorylab.derivations.surrogate_losses.comp_sum_h_consistency_steps import CROSS_ENTROPY, power_transform
from theorylab.parameters import Integers, Parameter, Space
from theorylab.prediction import ClosedForm

Array = np.ndarray
lam = SCORE.symbol
AWASTHI = "Awasthi, Mao, Mohri, Zhong, arXiv:2205.08017"
OURS = "this catalogue (no published source)"
SEVERAL = Parameter("n", Integers(3, 10**12), N.meaning, default=3)
BOUNDED = {
    **REGRETS,
    "Lambda": "bound on each score, so that margins are within 2 Lambda",
    "surrogate regret": "against the pointwise infimum over bounded scores",
}

threshold_expression = sp.tanh((2 - tau) * lam)
affine = outer(sp.S.One) - (1 + beta) / 2 * outer(sp.exp(-2 * lam)) - (1 - beta) / 2 * outer(sp.exp(2 * lam))
free = sp.Piecewise((CROSS_ENTROPY, sp.Eq(tau, 1)), (power_transform(2), True))
# Smallest step from the lower end of the transform at which powers may be subtracted.
CLOSE = 1e-3


def _excess(r: Array, a: Array) -> Array:
    """((1+r)^a - 1 - a r)/(a - 1), of order r^2, at a = 1 too; r > -1 or r = -1."""
    inside = r > -1.0
    log = np.log1p(np.where(inside, r, 0.0))
    far = np.where(inside, (1.0 + r) * log * exprel((a - 1.0) * log) - r, 1.0)
    small = np.abs(r) * np.maximum(a, 1.0) < CLOSE
    x = np.where(small, r, 0.0)
    # a r^2/2 (1 + (a-2) r/3 (1 + (a-3) r/4 (1 + ...))).
    tail = np.ones(np.shape(x))
    for k in (7, 6, 5, 4, 3):
        tail = 1.0 + (a - (k - 1.0)) * x / k * tail
    return np.asarray(np.where(small, a * x**2 / 2.0 * tail, far))


def _divergence_transform(tau: Array, rest: Array, distance: Array) -> Array:
    """Transform without clipping at zero-one regret beta_0 + distance; `rest` = u."""
    e = 1.0 - tau
    a = 1.0 / (1.0 + e)
    low = rest / (2.0 + rest)
    mean = 0.5 * (1.0 + low) * _excess(distance / (1.0 + low), a)
    mean = mean + 0.5 * (1.0 - low) * _excess(-distance / (1.0 - low), a)
    divergence = mean * numerics.log_relative((a - 1.0) * mean)
    return np.asarray((2.0 + rest) ** e * divergence * exprel(-e * divergence))


def transform_numeric(tau: Any, n: Any, score_bound: Any, beta: Any) -> Array:
    """Transform of bounded scores in double precision, from sums of positive terms; arrays broadcast."""
    tau, n, bound, beta = np.broadcast_arrays(*(np.asarray(x, dtype=float) for x in (tau, n, score_bound, beta)))
    rest = (n - 2.0) * np.exp(-2.0 * bound)
    low, turn = rest / (2.0 + rest), np.tanh((2.0 - tau) * bound)
    # From beta_0 to where the minimiser is clipped: tanh of a sum, less beta_0.
    room = turn * (1.0 - low**2) / (1.0 + turn * low)
    distance = np.clip(beta - low, 0.0, room)
    inside = _divergence_transform(tau, rest, distance)
    slope = (1.0 + rest + np.exp(-2.0 * bound)) ** (1.0 - tau) * bound * exprel(2.0 * (1.0 - tau) * bound)
    return np.asarray(inside + np.maximum(beta - low - room, 0.0) * slope)


def unclipped_numeric(tau: Any, n: Any, score_bound: Any, beta: Any) -> Array:
    """What the transform would be if no score of the minimiser but those left out were clipped."""
    rest = np.asarray((n - 2.0) * np.exp(-2.0 * np.asarray(score_bound)))
    distance = np.maximum(np.asarray(beta) - rest / (2.0 + rest), 0.0)
    return _divergence_transform(*np.broadcast_arrays(np.asarray(tau, dtype=float), rest, distance))


def _affine_numeric(tau: Any, score_bound: Any, beta: Any) -> Array:
    """Regret of the tie where the minimiser is at the end of its range, two classes."""
    e, bound = 1.0 - np.asarray(tau), np.asarray(score_bound)
    mean = steps.log_cosh(bound) + np.where(e == 0.0, 0.0, steps.log_cosh(e * bound) / np.where(e == 0.0, 1.0, e))
    rise = (1.0 + np.exp(-2.0 * bound)) ** e * bound * exprel(2.0 * e * bound)
    return np.asarray(beta * rise - 2.0**e * mean * exprel(e * mean))


def _steep_numeric(tau: Any, score_bound: Any, beta: Any) -> Array:
    e = 1.0 - np.asarray(tau)
    rise = (1.0 + np.exp(-2.0 * np.asarray(score_bound))) ** e * 2.0 * score_bound * exprel(2.0 * e * score_bound)
    return np.asarray(np.minimum(_affine_numeric(tau, score_bound, beta), beta * rise))


def _steep_transform_numeric(tau: Any, score_bound: Any, beta: Any) -> Array:
    """By the law of products: Phi(1) - Phi(l) = (1+l)^(1-tau) Phi((1-l)/(1+l))."""
    low = np.exp(-2.0 * np.asarray(score_bound))
    rise = numerics.comp_sum(tau, np.tanh(score_bound))
    return np.asarray(beta * (1.0 + low) ** (1.0 - np.asarray(tau)) * rise)


_CORNERS = tuple(
    {"tau": t, "score_bound": s, "beta": b}
    for t in (0.0, 1.0 - 1e-9, 1.0, 1.0 + 1e-12, 1.5, 1.99, 2.0 - 1e-6)
    for s, b in ((1e-3, 1e-4), (1e-3, 0.5), (0.5, 0.0), (0.5, 1e-12), (1.0, 0.6), (1.0, 1.0), (20.0, 1.0), (20.0, 0.3))
)

_STEEP_CORNERS = tuple(
    {"tau": t, "score_bound": s, "beta": b}
    for t in (2.0, 2.0 + 1e-9, 2.5, 10.0)
    for s, b in ((1e-3, 1e-4), (1e-3, 0.9), (0.5, 0.0), (0.5, 1e-12), (1.0, 0.4), (20.0, 1.0), (20.0, 0.3))
)

transform = ClosedForm(
    expr=sp.Piecewise((free, beta <= threshold_expression), (affine, True)),
    numeric=lambda tau, score_bound, beta: transform_numeric(tau, 2.0, score_bound, beta),
    space=Space([TAU_BELOW_TWO, SCORE, BETA]),
    quantity="transform of two classes with bounded scores: least surrogate regret",
    conventions=BOUNDED,
    derivation=Derivation(AWASTHI, steps.two_classes),
    corners=_CORNERS,
)

threshold = ClosedForm(
    expr=threshold_expression,
    space=Space([TAU_BELOW_TWO, SCORE]),
    quantity="zero-one regret from which the risk minimiser is at the end of its range",
    conventions=BOUNDED,
    derivation=Derivation(AWASTHI, steps.two_classes),
)

slope_beyond = ClosedForm(
    expr=(outer(sp.exp(2 * lam)) - outer(sp.exp(-2 * lam))) / 2,
    space=Space([TAU_BELOW_TWO, SCORE]),
    quantity="slope of the affine part of the transform",
    conventions=BOUNDED,
    derivation=Derivation(AWASTHI, steps.two_classes),
)
# The same from the other side: the slope of the transform of free scores there.
slope_before = sp.diff(free, beta).subs(beta, threshold_expression)

blind_range = ClosedForm(
    expr=steps.blind,
    space=Space([SEVERAL, SCORE]),
    quantity="largest zero-one regret without surrogate regret",
    conventions=BOUNDED,
    derivation=Derivation(OURS, steps.many_classes),
)

several_transform = ClosedForm(
    expr=sp.Piecewise(
        (sp.S.Zero, beta <= steps.blind),
        (steps.divergence_form, (beta - steps.blind) <= threshold_expression * (1 - steps.blind * beta)),
        (steps.clipped_form, True),
    ),
    numeric=transform_numeric,
    space=Space([TAU_BELOW_TWO, N, SCORE, BETA]),
    quantity="least surrogate regret of two tied classes among n with bounded scores",
    conventions=BOUNDED,
    derivation=Derivation(OURS, steps.many_classes),
    corners=tuple(
        {"tau": t, "n": m, "score_bound": s, "beta": b}
        for t in (0.0, 1.0 - 1e-9, 1.0, 1.0 + 1e-12, 1.5, 1.99)
        for m, s, b in ((2, 0.5, 1e-6), (3, 0.5, 0.2), (3, 1.0, 0.9), (10, 2.0, 0.3), (10, 0.1, 1.0), (1000, 5.0, 0.5))
    ),
)

steep_away = (beta * (outer(sp.exp(2 * lam)) - outer(sp.exp(-2 * lam)))).subs(tau, TAU_ABOVE_TWO.symbol)
steep_regret = ClosedForm(
    expr=sp.Min(affine.subs(tau, TAU_ABOVE_TWO.symbol), steep_away),
    numeric=_steep_numeric,
    space=Space([TAU_ABOVE_TWO, SCORE, BETA]),
    quantity="least conditional regret of the less likely of two classes with bounded scores",
    conventions=BOUNDED,
    derivation=Derivation(AWASTHI, steps.steep),
    corners=_STEEP_CORNERS,
)

steep_transform = ClosedForm(
    expr=(beta * (outer(sp.S.One) - outer(sp.exp(-2 * lam)))).subs(tau, TAU_ABOVE_TWO.symbol),
    numeric=_steep_transform_numeric,
    space=Space([TAU_ABOVE_TWO, SCORE, BETA]),
    quantity="transform of two classes with bounded scores, tau >= 2",
    conventions=BOUNDED,
    derivation=Derivation(AWASTHI, steps.steep),
    corners=_STEEP_CORNERS,
)
