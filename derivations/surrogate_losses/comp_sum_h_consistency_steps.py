r"""Derivation of the H-consistency transform of comp-sum losses: two classes, then n."""

from __future__ import annotations

import sympy as sp

from theorylab.derivation import Step
from theorylab.derivations.surrogate_losses.comp_sum_common import a, beta, n, tau, xlogx

k = sp.Symbol("k", integer=True, positive=True)
TAUS = [sp.Rational(j, 10) for j in (0, 4, 8, 12, 14, 16, 17)]
# Short rationals: SymPy factors the bases of rational powers.
BETAS = [sp.Rational(j, 10) for j in (1, 2, 4, 5, 7, 8)]
WHERE = {tau: TAUS, beta: BETAS}

# Power mean of 1 + beta and 1 - beta of order a.
MEAN_POWER = ((1 + beta) ** a + (1 - beta) ** a) / 2
POWER_MEAN = MEAN_POWER ** (1 / a)
CROSS_ENTROPY = (xlogx(1 + beta) + xlogx(1 - beta)) / 2


def power_transform(classes: sp.Expr | int, order: sp.Expr = a) -> sp.Expr:
    """The transform for tau < 2, tau != 1, with `classes` = 2 or n; `order` is that of the power mean."""
    mean = (((1 + beta) ** order + (1 - beta) ** order) / 2) ** (1 / order)
    return sp.sympify(classes) ** (1 - tau) * (mean - 1) / (tau - 1)


def two_classes() -> list[Step]:
    """The conditional regret of the wrong sign is least at the tie."""
    z = sp.Symbol("z", real=True)
    eta = (1 + beta) / 2
    s = 1 / (1 + sp.exp(-z))
    risk = eta * ((1 + sp.exp(-z)) ** (1 - tau) - 1) / (1 - tau) + (1 - eta) * ((1 + sp.exp(z)) ** (1 - tau) - 1) / (
        1 - tau
    )
    tie = (2 ** (1 - tau) - 1) / (1 - tau)
    infimum = ((eta**a + (1 - eta) ** a) ** (1 / a) - 1) / (1 - tau)
    where = {**WHERE, z: [-sp.Rational(3, 2), -sp.Rational(1, 2), sp.Rational(4, 5)]}
    return [
        Step(
            "derivative in the margin",
            sp.Derivative(risk, z),
            s * (1 - s) * ((1 - eta) * (1 - s) ** (tau - 2) - eta * s ** (tau - 2)),
            "z = h_1 - h_2, s the softmax probability of class 1, of probability (1 + beta)/2: negative for "
            "z <= 0, where class 2 is predicted, so that the least regret is at the tie z = 0",
            where=where,
        ),
        Step("risk at the tie", risk.subs(z, 0), tie, "s = 1/2", where=WHERE),
        Step("regret at the tie", tie - infimum, power_transform(2), "subtract the infimum", where=WHERE),
        Step(
            "cross-entropy",
            sp.diff(2 ** (1 - tau) * (POWER_MEAN - 1), tau).subs(tau, 1),
            ((1 + beta) * sp.log(1 + beta) + (1 - beta) * sp.log(1 - beta)) / 2,
            "l'Hopital at tau = 1",
            where=WHERE,
        ),
        Step(
            "sum-exponential",
            power_transform(2).subs(tau, 0),
            1 - sp.sqrt(1 - beta**2),
            "tau = 0, a = 1/2",
            where=WHERE,
        ),
        Step(
            "largest value", power_transform(2).subs(beta, 1), (2 ** (1 - tau) - 1) / (1 - tau), "beta = 1", where=WHERE
        ),
    ]


def many_classes() -> list[Step]:
    """The mass of the most likely and of the predicted class is split evenly, then minimised over."""
    x, y, c, p1, p2, total = sp.symbols("x y c p1 p2 P", positive=True)

    def regret(x: sp.Expr, y: sp.Expr) -> sp.Expr:
        least = (p1**a + p2**a) ** (1 / a) * (x + y) ** (tau - 1)
        return (least - p1 * x ** (tau - 1) - p2 * y ** (tau - 1)) / (tau - 1)

    tenths = {symbol: [sp.Rational(j, 10) for j in (1, 2, 3)] for symbol in (x, y, p2)}
    halves = {c: [sp.Rational(1, 2), sp.Rational(4, 5)], p1: [sp.Rational(2, 5), sp.Rational(1, 2)]}
    where = {**WHERE, **tenths, **halves, total: [sp.Rational(9, 10), sp.Integer(1)]}
    power = ((total + beta) / 2) ** a + ((total - beta) / 2) ** a
    bracket = power ** (1 / a) - 2 ** (1 - tau) * total
    u = sp.Symbol("u", positive=True)
    return [
        Step(
            "best split",
            sp.Derivative((p1 * (u ** (tau - 1) - 1) + p2 * ((c - u) ** (tau - 1) - 1)) / (1 - tau), u),
            -p1 * u ** (tau - 2) + p2 * (c - u) ** (tau - 2),
            "the other probabilities fixed, c = s_y* + s_i is split as u, c - u; the best split has s ~ p^a and saves "
            "at least `regret`; the derivative is negative for u <= c/2, so that s_y* = s_i = c/2 is least where i is "
            "predicted",
            where={**where, u: [sp.Rational(1, 10), sp.Rational(1, 5)]},
        ),
        Step(
            "homogeneity",
            regret(c * x, c * y),
            c ** (tau - 1) * regret(x, y),
            "of degree tau - 1",
            where=where,
        ),
        Step(
            "even split",
            regret(c / 2, c / 2),
            c ** (tau - 1) / (tau - 1) * ((p1**a + p2**a) ** (1 / a) - 2 ** (1 - tau) * (p1 + p2)),
            "s_y* = s_i = c/2",
            where=where,
        ),
        Step(
            "derivative in P",
            sp.Derivative(bracket, total),
            power ** (1 / a - 1) * (((total + beta) / 2) ** (a - 1) + ((total - beta) / 2) ** (a - 1)) / 2
            - 2 ** (1 - tau),
            "P = p_1 + p_2 at fixed beta; by the power-mean inequality of orders a - 1 and a the sign is that of "
            "1 - tau, so that the regret decreases to P = 1",
            where=where,
            method="50 digits",
        ),
        Step(
            "P = 1",
            c ** (tau - 1) / (tau - 1) * bracket.subs(total, 1),
            (c / 2) ** (tau - 1) * (POWER_MEAN - 1) / (tau - 1),
            "worst label distribution at this c",
            where=where,
        ),
        Step(
            "worst mass, tau > 1",
            ((c / 2) ** (tau - 1) * (POWER_MEAN - 1) / (tau - 1)).subs(c, 2 / n),
            power_transform(n),
            "increasing in c, and s_i >= 1/n for the predicted class: c >= 2/n",
            where=WHERE,
        ),
        Step(
            "worst mass, tau < 1",
            ((c / 2) ** (tau - 1) * (POWER_MEAN - 1) / (tau - 1)).subs(c, 1),
            power_transform(2),
            "decreasing in c, and c <= 1",
            where=WHERE,
        ),
        Step(
            "tau >= 2",
            ((2 / n) ** (tau - 1) * (p1 - 2 ** (1 - tau) * (2 * p1 - beta)) / (tau - 1)),
            n ** (1 - tau) * beta / (tau - 1) + (2 / n) ** (tau - 1) * p1 * (1 - 2 ** (2 - tau)) / (tau - 1),
            "concave in the split: with c = 2/n and s_y* = s_i the regret exceeds beta / ((tau-1) n^(tau-1))",
            where={**where, tau: [2, sp.Rational(5, 2), 3]},
        ),
    ]


def shape() -> list[Step]:
    """Second derivative, hence convexity, and the behaviour at small beta."""
    curvature = k ** (1 - tau) / (2 - tau) * MEAN_POWER**-tau * (1 - beta**2) ** ((2 * tau - 3) / (2 - tau))
    where = {**WHERE, k: [2, 3, 10]}
    u, v = 1 + beta, 1 - beta
    return [
        Step(
            "slope of the power mean",
            sp.Derivative(POWER_MEAN, beta),
            MEAN_POWER ** (1 / a - 1) * (u ** (a - 1) - v ** (a - 1)) / 2,
            "chain rule",
            where=where,
            method="50 digits",
        ),
        Step(
            "collected",
            (u**a + v**a) * (u ** (a - 2) + v ** (a - 2)) - (u ** (a - 1) - v ** (a - 1)) ** 2,
            4 * (u * v) ** (a - 2),
            "the two terms of the second derivative; u + v = 2",
            where=where,
            method="50 digits",
        ),
        Step(
            "curvature",
            sp.Derivative(power_transform(k), (beta, 2)),
            curvature,
            "positive: T is convex in beta for every tau < 2, and linear from 2 on",
            where=where,
            method="50 digits",
        ),
        Step(
            "small beta",
            sp.diff(power_transform(k), beta, 2).subs(beta, 0) / 2,
            k ** (1 - tau) / (2 * (2 - tau)),
            "T = beta^2 T''(0)/2 + O(beta^4): even in beta",
            where=where,
            method="50 digits",
        ),
    ]
