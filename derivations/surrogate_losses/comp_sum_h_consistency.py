r"""H-consistency bounds of comp-sum losses: the transform T, its inverse Gamma, and simple upper bounds.

Model: hypothesis set H symmetric and complete (at each x the scores sweep $R^n$). For every h and every
distribution, with minimisability gaps M,
$R_{01}(h) - R^*_{01}(H) + M_{01}(H) \le \Gamma_\tau(R_\tau(h) - R^*_\tau(H) + M_\tau(H))$, both sides means over
x of conditional regrets: $\beta = E[\max p - p_{h(x)}]$ and $t = E[C_\tau(h, x) - C^*_\tau(H, x)]$.
$\Gamma_\tau = T_\tau^{-1}$ and, with $a = 1/(2-\tau)$ and $m_a(\beta) = [((1+\beta)^a + (1-\beta)^a)/2]^{1/a}$,

- $0 \le \tau < 1$: $T = 2^{1-\tau} (1 - m_a(\beta))/(1-\tau)$;
- $\tau = 1$: $T = \frac{1+\beta}2 \log(1+\beta) + \frac{1-\beta}2 \log(1-\beta)$;
- $1 < \tau < 2$: $T = (m_a(\beta) - 1)/((\tau-1) n^{\tau-1})$;
- $\tau \ge 2$: $T = \beta/((\tau-1) n^{\tau-1})$.

Tight for $\tau \le 1$, and for $n = 2$ below $\tau = 2$; loose for $1 < \tau$ and $n > 2$ (see
`comp_sum_sharp`). $T'' = k^{1-\tau} M^{-\tau} (1-\beta^2)^{(2\tau-3)/(2-\tau)}/(2-\tau) > 0$ with $k = 2$
or $n$ and $M = m_a^a$: T is convex, so that the conditional bound is one for risks.

Source: A. Mao, M. Mohri, Y. Zhong, "Cross-entropy loss functions: theoretical analysis and applications",
arXiv:2304.07288v2, section 3. The curvature is ours.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation
from theorylab.derivations.surrogate_losses import comp_sum_h_consistency_steps as steps
from theorylab.derivations.surrogate_losses import comp_sum_numerics as numerics
from theorylab.derivations.surrogate_losses.comp_sum_common import (
    BETA,
    CONVENTIONS,
    MAO,
    REGRET,
    TAU,
    TAU_BELOW_TWO,
    N,
    a,
    beta,
    in_tau,
    n,
    t,
    tau,
)
from theorylab.parameters import Constraint, Interval, Parameter, Space
from theorylab.prediction import ClosedForm, Implicit

REGRETS = {
    **CONVENTIONS,
    "beta, t": "regrets against the pointwise best scores (estimation error plus minimisability gap)",
}
PUBLISHED = Derivation(f"{MAO}, section 3", lambda: [*steps.two_classes(), *steps.many_classes(), *steps.shape()])

# The number whose power the transform carries: 2 below tau = 1, n above.
CLASSES = sp.Piecewise((sp.Integer(2), tau < 1), (n, True))


def transform_of_order(order: sp.Expr) -> sp.Expr:
    """The published transform, with another order of the power mean."""
    below, above = steps.power_transform(2, order), steps.power_transform(n, order)
    linear = beta / ((tau - 1) * n ** (tau - 1))
    return in_tau(steps.CROSS_ENTROPY, sp.Piecewise((below, tau < 1), (above, True)), linear)


TRANSFORM = transform_of_order(a)
LARGEST = in_tau(
    sp.log(2),
    sp.Piecewise(
        ((2 ** (1 - tau) - 1) / (1 - tau), tau < 1), ((2 ** (tau - 1) - 1) / ((tau - 1) * n ** (tau - 1)), True)
    ),
    1 / ((tau - 1) * n ** (tau - 1)),
)
# Slightly outside 1: brackets and bounds may be exact.
OUTWARD = 1.0 + 1e-9
TINY = 1e-200


def _classes(tau: Any, n: Any) -> np.ndarray:
    return np.where(np.asarray(tau) < 1.0, 2.0, n)


def transform_numeric(tau: Any, n: Any, beta: Any) -> np.ndarray:
    """Published transform in double precision; arrays broadcast."""
    tau, n, beta = np.broadcast_arrays(*(np.asarray(x, dtype=float) for x in (tau, n, beta)))
    below = np.where(tau < 2.0, tau, 1.5)
    linear = beta * n ** (1.0 - tau) / np.where(tau < 2.0, 1.0, tau - 1.0)
    return np.where(tau < 2.0, numerics.power_transform(below, beta, _classes(below, n)), linear)


def simple_gamma_numeric(tau: Any, n: Any, t: Any) -> np.ndarray:
    """Simple upper bound of Gamma in double precision; arrays broadcast."""
    factor = np.where(np.asarray(tau) < 1.0, 2.0**tau * (2.0 - tau), 2.0 * n ** (tau - 1.0))
    linear = (tau - 1.0) * n ** (tau - 1.0) * t
    return np.asarray(np.where(np.asarray(tau) < 2.0, np.sqrt(factor) * np.sqrt(t), linear))


def _parabola(tau: Any, n: Any) -> np.ndarray:
    """lim T(beta)/beta^2 at 0, tau < 2."""
    return np.asarray(_classes(tau, n) ** (1.0 - tau) / (2.0 * (2.0 - tau)))


def _bracket(tau: Any, n: Any, t: Any) -> tuple[np.ndarray, np.ndarray]:
    tau, n, t = np.broadcast_arrays(*(np.asarray(x, dtype=float) for x in (tau, n, t)))
    below = np.where(tau < 2.0, tau, 1.5)
    largest = transform_numeric(tau, n, 1.0)
    # T / beta^2 is at most the larger of its values at 0 and 1, and T / beta at most its value at 1.
    steepest = np.maximum(largest, _parabola(below, n))
    low = np.where(tau < 2.0, np.maximum(np.sqrt(t) / np.sqrt(steepest), t / largest), t / largest)
    inside = t < largest
    high = np.minimum(simple_gamma_numeric(tau, n, t) * OUTWARD, 1.0)
    return np.where(inside, np.minimum(low / OUTWARD, high), 1.0), np.where(inside, high, 1.0)


def _gap(x: Any, tau: Any, n: Any, t: Any) -> np.ndarray:
    gap = transform_numeric(tau, n, x) - np.minimum(t, transform_numeric(tau, n, 1.0))
    # Where the square of x would underflow the transform is its parabola.
    below = np.minimum(tau, 1.9)
    tiny = (np.asarray(tau) < 2.0) & (t < TINY)
    parabola = _parabola(np.where(tiny, tau, below), n)
    return np.asarray(np.where(tiny, np.sqrt(parabola) * x - np.sqrt(t), gap))


transform = ClosedForm(
    expr=TRANSFORM,
    numeric=transform_numeric,
    space=Space([TAU, N, BETA]),
    quantity="transform T_tau(beta): least surrogate regret",
    conventions=REGRETS,
    derivation=PUBLISHED,
    corners=tuple(
        {"tau": x, "n": m, "beta": b}
        for x in (0.0, 1.0 - 1e-9, 1.0, 1.0 + 1e-12, 1.5, 1.99, 2.0 - 1e-6, 2.0, 3.0)
        for m, b in ((2, 0.0), (3, 1e-12), (10, 1e-4), (3, 0.3), (10, 1.0 - 2.0**-50), (1000, 1.0))
    ),
)


def transform_enlarged(factor: float) -> ClosedForm:
    """The transform times a factor, for controls."""
    return replace(transform, expr=factor * TRANSFORM, numeric=lambda **arrays: factor * transform_numeric(**arrays))


gamma = Implicit(
    equation=TRANSFORM - sp.Min(t, LARGEST),
    unknown=beta,
    bracket=_bracket,
    numeric=_gap,
    space=Space([TAU, N, REGRET]),
    quantity="bound Gamma_tau(t) on the zero-one regret",
    conventions={**REGRETS, "beyond T(1)": "1: no zero-one regret is larger"},
    derivation=PUBLISHED,
    corners=tuple(
        {"tau": x, "n": m, "t": y}
        for x in (0.0, 1.0, 1.0 + 1e-9, 1.5, 1.99, 2.0, 3.0)
        for m, y in ((2, 1e-12), (3, 1e-3), (10, 0.02), (3, 5.0))
    ),
)

sum_exponential_gamma = ClosedForm(
    expr=sp.sqrt(t * (2 - t)),
    space=Space([Parameter("t", Interval(0.0, 1.0), REGRET.meaning, unit="nats", default=0.1)]),
    quantity="bound on the zero-one regret, sum-exponential loss",
    conventions=REGRETS,
    derivation=PUBLISHED,
)

simple_gamma = ClosedForm(
    expr=sp.Piecewise(
        (sp.sqrt(2**tau * (2 - tau) * t), tau < 1),
        (sp.sqrt(2 * n ** (tau - 1) * t), tau < 2),
        ((tau - 1) * n ** (tau - 1) * t, True),
    ),
    numeric=simple_gamma_numeric,
    space=Space([TAU, N, REGRET]),
    quantity="simple upper bound of Gamma_tau(t)",
    conventions=REGRETS,
    derivation=PUBLISHED,
)

# The right constant at small t from tau = 1 on, but no bound.
small_regret_gamma = ClosedForm(
    expr=sp.sqrt(2 * (2 - tau) * n ** (tau - 1) * t),
    space=Space([TAU_BELOW_TWO, N, REGRET]),
    quantity="small-regret asymptote of Gamma_tau(t)",
    conventions=REGRETS,
    derivation=PUBLISHED,
)

small_regret_coefficient = ClosedForm(
    expr=CLASSES ** (1 - tau) / (2 * (2 - tau)),
    space=Space([TAU_BELOW_TWO, N]),
    quantity="lim T_tau(beta)/beta^2 at beta = 0",
    conventions=REGRETS,
    derivation=PUBLISHED,
)


def _curvature_numeric(tau: Any, n: Any, beta: Any) -> np.ndarray:
    excess = (tau - 1.0) / (2.0 - tau)
    log_mean = excess * numerics.binary_divergence(tau, beta)
    power = (2.0 * tau - 3.0) / (2.0 - tau) * np.log1p(-(np.asarray(beta) ** 2))
    return np.asarray(_classes(tau, n) ** (1.0 - tau) / (2.0 - tau) * np.exp(power - tau * log_mean))


curvature = ClosedForm(
    expr=CLASSES ** (1 - tau) / (2 - tau) * steps.MEAN_POWER**-tau * (1 - beta**2) ** ((2 * tau - 3) / (2 - tau)),
    numeric=_curvature_numeric,
    space=Space(
        [
            Parameter("tau", Interval(0.0, 1.9), TAU.meaning, default=1.0),
            N,
            Parameter("beta", Interval(0.0, 1.0, open_high=True), BETA.meaning, default=0.5),
        ]
    ),
    quantity="second derivative of T_tau(beta)",
    conventions=REGRETS,
    derivation=PUBLISHED,
)
# The same two by differentiation of the published transform.
GENERIC = Constraint(sp.Ne(tau, 1), "the derivative is taken of the formula for tau other than 1")
transform_second_derivative = ClosedForm(
    expr=sp.diff(CLASSES ** (1 - tau) * (steps.POWER_MEAN - 1) / (tau - 1), beta, 2),
    space=Space(curvature.space.parameters, [GENERIC]),
    quantity=curvature.quantity,
)
transform_at_zero = ClosedForm(
    expr=transform_second_derivative.expr.subs(beta, 0) / 2,
    space=Space(small_regret_coefficient.space.parameters, [GENERIC]),
    quantity=small_regret_coefficient.quantity,
)
