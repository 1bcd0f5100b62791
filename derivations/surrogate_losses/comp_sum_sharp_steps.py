r"""Derivation of the sharp transforms of comp-sum losses: pooling, the competitor of the binary one, the hull."""

from __future__ import annotations

import sympy as sp

from theorylab.derivation import Step
from theorylab.derivations.surrogate_losses.comp_sum_common import a, tau
from theorylab.derivations.surrogate_losses.comp_sum_h_consistency_steps import TAUS

b = sp.Symbol("b", positive=True)
k, j = sp.symbols("k j", integer=True, positive=True)
p1, p2, p3 = sp.symbols("p1 p2 p3", positive=True)
beta = sp.Symbol("beta", positive=True)

ABOVE_TWO = [sp.Integer(2), sp.Rational(11, 5), sp.Rational(5, 2), sp.Integer(3)]
# From here on spreading the prediction's mass over three classes never beats two, in k^(1-tau) (k-1).
STEEP = 1 + sp.log(2) / sp.log(sp.Rational(3, 2))


def competitor(classes: sp.Expr) -> sp.Expr:
    r"""Regret of the competitor of the binary instance, less the binary one, times tau - 1.

    $p = (b, (1-b)/(k-1), \ldots, 0)$, the class of probability 0 predicted, all k + 1 classes pooled, against two
    classes at the same zero-one regret b; `classes` is k.
    """
    power = b**a + (classes - 1) * ((1 - b) / (classes - 1)) ** a
    binary = (((1 + b) ** a + (1 - b) ** a) / 2) ** (1 / a)
    return power ** (1 / a) - (classes + 1) ** (1 - tau) - 2 ** (1 - tau) * (binary - 1)


def pooling() -> list[Step]:
    """Three classes, the least likely of two unequal ones predicted."""
    s = sp.Symbol("s", positive=True)
    risk = (p1 * (s ** (tau - 1) - 1) + p2 * (s ** (tau - 1) - 1) + p3 * ((1 - 2 * s) ** (tau - 1) - 1)) / (1 - tau)
    mean = (p1 + p2) / 2
    power = 2 * mean**a + p3**a
    tenths = [sp.Rational(i, 10) for i in (1, 2, 3)]
    where = {tau: TAUS, s: tenths, p1: tenths, p2: tenths, p3: tenths}
    tied = [mean**a / power, mean**a / power, p3**a / power]
    return [
        Step(
            "tied classes",
            p1 * (s ** (tau - 1) - 1) + p2 * (s ** (tau - 1) - 1),
            2 * mean * (s ** (tau - 1) - 1),
            "classes with the same softmax probability act as if each had their mean probability",
        ),
        Step(
            "stationarity",
            sp.diff(risk, s).subs(s, tied[0]),
            sp.S.Zero,
            "the tie constraint s_1 = s_2 = s: the minimiser is that of the pooled distribution",
            where=where,
            method="50 digits",
        ),
        Step(
            "value",
            risk.subs({s: tied[0], p3: 1 - p1 - p2}).subs(p3, 1 - p1 - p2),
            ((power ** (1 / a) - 1) / (1 - tau)).subs(p3, 1 - p1 - p2),
            "C* of the pooled distribution: the least regret is C*(pooled) - C*(p)",
            where=where,
            method="50 digits",
        ),
        Step(
            "tau >= 2, uniform on k classes",
            (1 - p1) * (0 - 1) / (1 - tau) - (p2 * (k ** (1 - tau) - 1) + (1 - p2) * (0 - 1)) / (1 - tau),
            (k ** (1 - tau) * p2 - p1) / (tau - 1),
            "p_1 the largest, p_2 the mass of the k classes: minus the regret (p_1 - k^(1-tau) p_2)/(tau-1) of the "
            "vertex with s = 1/k on them",
            where={tau: [sp.Rational(5, 2), sp.Integer(3)]},
        ),
    ]


def criticality() -> list[Step]:
    """The competitor's regret over the binary one, k classes with label mass and one without."""
    power = b**a + (k - 1) * ((1 - b) / (k - 1)) ** a
    pooled = ((k + 1) * (1 / (k + 1)) ** a) ** (1 / a)
    eta = (1 + b) / 2
    where = {tau: TAUS, b: [sp.Rational(i, 10) for i in (4, 6, 8)], k: [2, 3, 4]}
    return [
        Step("all pooled", pooled, (k + 1) ** (1 - tau), "1/(k+1) each, k + 1 classes", where=where),
        Step(
            "difference of regrets",
            ((pooled - 1) - (power ** (1 / a) - 1)) / (1 - tau)
            - ((2 ** (1 - tau) - 1) - ((eta**a + (1 - eta) ** a) ** (1 / a) - 1)) / (1 - tau),
            competitor(k) / (tau - 1),
            "C*(pooled) - C*(p) of the competitor, less that of two classes at the same zero-one regret b",
            where=where,
            method="50 digits",
        ),
    ]


def hull() -> list[Step]:
    """tau >= 2: extreme rays, and the piecewise linear transform of the mean absolute error."""
    height = 1 / (k * (k + 1))
    return [
        Step(
            "regret on a ray",
            1 / k - j ** (1 - tau) * (j - 1) / k,
            (1 - (j - 1) * j ** (1 - tau)) / k,
            "p uniform on k classes, another predicted, s uniform on it and j - 1 of them: beta = 1/k. For a fixed "
            "order the regret is a minimum of linear functions of p, so concave, on the cone p_1 >= ... >= 0, "
            "0 <= p_i <= p_1, whose extreme rays are these and those with p_i = p_1 (beta = 0, regret 0): the "
            "minimum of regret - slope beta is on one of them",
            where={tau: ABOVE_TWO},
        ),
        Step(
            "mean absolute error",
            (1 - (j - 1) * j ** (1 - tau)).subs({tau: 2, j: k + 1}),
            1 / (k + 1),
            "tau = 2: 1 - 1/j grows with j, so that j = k + 1 is best",
        ),
        Step(
            "chord",
            (height.subs(k, k - 1) - height) / (1 / (k - 1) - 1 / k),
            2 / (k + 1),
            "slopes decrease with k: all points (1/k, 1/(k(k+1))) are vertices of the hull",
            where={k: [2, 3, 5, 8]},
        ),
        Step(
            "on the chord",
            height + 2 / (k + 1) * (beta - 1 / k),
            (2 * k * beta - 1) / (k * (k + 1)),
            "1/k <= beta <= 1/(k-1)",
        ),
        Step(
            "common curve",
            (beta**2 / (1 + beta)).subs(beta, 1 / k),
            height,
            "all vertices lie on beta^2/(1+beta), which is convex, so that the chords lie above it",
        ),
        Step(
            "inverse of the common curve",
            (beta**2 / (1 + beta)).subs(beta, (b + sp.sqrt(b**2 + 4 * b)) / 2),
            b,
            "Gamma <= (t + sqrt(t^2 + 4 t))/2 for every n",
        ),
        Step(
            "three against two",
            (2 * 3 ** (1 - tau)).subs(tau, STEEP),
            (2 ** (1 - tau)).subs(tau, STEEP),
            "(j-1) j^(1-tau) at j = 3 and j = 2 are equal at tau = 1 + log 2/log 1.5: from there on r_k = 1 - "
            "2^(1-tau) for every k, and T is linear",
        ),
    ]
