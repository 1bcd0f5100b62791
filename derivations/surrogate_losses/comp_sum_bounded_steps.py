r"""Derivation of the transforms of bounded scores: two classes, n classes, and the losses that are concave in s."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Step
from theorylab.derivations.surrogate_losses.comp_sum_common import a, beta, n, tau, xlogx
from theorylab.derivations.surrogate_losses.comp_sum_h_consistency_steps import BETAS, TAUS, power_transform
from theorylab.derivations.surrogate_losses.comp_sum_loss import GENERIC, PHI, u
from theorylab.parameters import Interval, Parameter

SCORE = Parameter("score_bound", Interval(1e-3, 20.0), "bound Lambda on the size of every score", default=1.0)
lam = SCORE.symbol
z = sp.Symbol("z", real=True)
LAMBDAS = [sp.Rational(k, 4) for k in (1, 2, 3, 5)]
WHERE = {tau: TAUS, beta: BETAS, lam: LAMBDAS, n: [3, 4, 10]}

# Weight of the classes left out, zero-one regret up to which the minimiser ties, and the two coins.
rest = (n - 2) * sp.exp(-2 * lam)
blind = rest / (2 + rest)
eta, other = (1 + beta) / 2, (1 - beta) / 2


def outer(argument: sp.Expr) -> sp.Expr:
    """Phi^tau of an expression, for every tau."""
    return PHI.subs(u, argument)


def generic(argument: sp.Expr) -> sp.Expr:
    """Phi^tau of an expression, tau != 1."""
    return GENERIC.subs(u, argument)


def log_cosh(x: Any) -> np.ndarray:
    """log cosh x, accurate at small x too."""
    size = np.abs(x)
    near = np.log1p(2.0 * np.sinh(np.minimum(size, 1.0) / 2.0) ** 2)
    return np.asarray(np.where(size < 1.0, near, size + np.log1p(np.exp(-2.0 * size)) - np.log(2.0)))


# Sum over the two coins (1 +- beta)/2 and (1 +- beta_0)/2, in a form without 0^0.
_power = ((1 + blind) / 2) ** (1 - a) * eta**a + ((1 - blind) / 2) ** (1 - a) * other**a
_relative = xlogx(eta) + xlogx(other) - eta * sp.log((1 + blind) / 2) - other * sp.log((1 - blind) / 2)
divergence_form = sp.Piecewise(
    (_relative, sp.Eq(tau, 1)), ((2 + rest) ** (1 - tau) * (1 - _power ** (1 / a)) / (1 - tau), True)
)


def _regret(at: sp.Expr, left: sp.Expr, phi: Any) -> sp.Expr:
    """Regret of the tie of two classes against the margin `at` between them, with weight `left` on the others."""
    return phi(1 + left) - eta * phi(sp.exp(-at) + left) - other * phi(sp.exp(at) * (1 + left))


clipped_form = _regret(2 * lam, rest, outer)


def two_classes() -> list[Step]:
    """Stationary margin, where it is clipped, and the two forms of the regret of the tie."""
    risk = eta * generic(sp.exp(-z)) + other * generic(sp.exp(z))
    star = sp.log((1 + beta) / (1 - beta)) / (2 - tau)
    beyond = generic(1) - risk.subs(z, 2 * lam)
    turn = sp.tanh((2 - tau) * lam)
    place = {**WHERE, z: [-sp.Rational(3, 2), -sp.Rational(1, 2), sp.Rational(4, 5)]}
    return [
        Step(
            "slope in the margin",
            sp.Derivative(risk, z),
            ((1 - beta) * sp.exp((2 - tau) * z) - (1 + beta)) / 2 * sp.exp(-z) * (1 + sp.exp(-z)) ** -tau,
            "of one sign on either side of its only zero: negative for z <= 0, where the less likely class is "
            "predicted, so that its least risk is at the tie z = 0, which bounds do not exclude",
            where=place,
            method="50 digits",
        ),
        Step(
            "stationary margin",
            ((1 - beta) * sp.exp((2 - tau) * star) - (1 + beta)),
            sp.S.Zero,
            "the infimum is at z*, or at 2 Lambda where z* is larger",
            where=place,
        ),
        Step(
            "threshold",
            star.subs(beta, turn),
            2 * lam,
            "z* reaches the end of its range at beta_1 = tanh((2-tau) Lambda)",
            where=WHERE,
            method="50 digits",
        ),
        Step(
            "threshold of cross-entropy",
            turn.subs(tau, 1).rewrite(sp.exp),
            (sp.exp(2 * lam) - 1) / (sp.exp(2 * lam) + 1),
            "tau = 1",
            where=WHERE,
        ),
        Step(
            "regret of the tie before",
            generic(1) - risk.subs(z, star),
            power_transform(2),
            "the transform of free scores",
            where=WHERE,
            method="50 digits",
        ),
        Step(
            "slopes meet",
            sp.diff(power_transform(2), beta).subs(beta, turn),
            sp.Derivative(beyond, beta),
            "T is continuously differentiable: as a maximum over z its slope is that at the best z",
            where={**WHERE, tau: [t for t in TAUS if t < sp.Rational(3, 2)]},
            method="50 digits",
        ),
        Step(
            "affine in beta",
            sp.Derivative(risk, (beta, 2)),
            sp.S.Zero,
            "for every z: T, a maximum of such functions, is convex",
            where=place,
        ),
    ]


def many_classes() -> list[Step]:
    """Two classes tied at the upper bound, the others at the lower one."""
    left = sp.Symbol("u", positive=True)
    risk = eta * generic(sp.exp(-z) + left) + other * generic(sp.exp(z) * (1 + left))
    star = sp.log((1 + beta) / ((1 - beta) * (1 + left))) / (2 - tau)
    low = left / (2 + left)
    power = ((1 + low) / 2) ** (1 - a) * eta**a + ((1 - low) / 2) ** (1 - a) * other**a
    place = {**WHERE, left: [sp.Rational(1, 3), sp.Rational(3, 2)], z: [sp.Rational(1, 2), sp.Rational(4, 5)]}
    return [
        Step(
            "sum at the tie",
            sp.exp(lam - lam) + (n - 2) * sp.exp(-lam - lam),
            1 + rest,
            "scores (Lambda, Lambda, -Lambda, ...): the same for both classes",
            where=WHERE,
        ),
        Step(
            "slope as the second score falls by z",
            sp.Derivative(risk, z),
            ((1 - beta) * (1 + left) * sp.exp((2 - tau) * z) - (1 + beta))
            / 2
            * sp.exp(-z)
            * (1 + left + sp.exp(-z)) ** -tau,
            "the first class's sum is exp(-z) + u, the second's exp(z) (1 + u)",
            where=place,
            method="50 digits",
        ),
        Step(
            "sign at the tie",
            (1 - beta) * (1 + left) - (1 + beta),
            (2 + left) * (low - beta),
            "nonnegative up to beta_0 = u/(2+u), whatever tau: the tie is the minimiser, and nothing is lost by "
            "predicting the less likely class",
            where=place,
        ),
        Step(
            "stationary margin",
            star,
            2 / (2 - tau) * (sp.atanh(beta) - sp.atanh(low)),
            "beyond beta_0",
            where={**place, beta: [sp.Rational(7, 10), sp.Rational(4, 5)]},
            method="50 digits",
        ),
        Step(
            "value",
            generic(1 + left) - risk.subs(z, star),
            (2 + left) ** (1 - tau) * (1 - power ** (1 / a)) / (1 - tau),
            "a Rényi divergence of order a = 1/(2-tau) between the coins (1 +- beta)/2 and (1 +- beta_0)/2",
            where=place,
            method="50 digits",
        ),
        Step(
            "two classes",
            ((2 + left) ** (1 - tau) * (1 - power ** (1 / a)) / (1 - tau)).subs(left, 0),
            power_transform(2),
            "u = 0",
            where=place,
            method="50 digits",
        ),
    ]


def steep() -> list[Step]:
    """Two classes, tau >= 2: the risk is concave in the softmax, and every minimum at an end."""
    s = sp.Symbol("s", positive=True)
    place = {**WHERE, tau: [sp.Integer(2), sp.Rational(5, 2), sp.Integer(3)], s: [sp.Rational(1, 5), sp.Rational(3, 5)]}
    top, bottom = generic(sp.exp(2 * lam)), generic(sp.exp(-2 * lam))
    best = eta * bottom + other * top
    tie, away = generic(1) - best, eta * top + other * bottom - best
    return [
        Step(
            "concave in the softmax",
            sp.Derivative(generic(1 / s - 1), (s, 2)),
            (2 - tau) * s ** (tau - 3),
            "not positive: of the margins in [-2 Lambda, 0] that predict the less likely class one end is best",
            where=place,
        ),
        Step("other end", away, beta * (top - bottom), "z = -2 Lambda against z = 2 Lambda", where=place),
        Step(
            "mean absolute error",
            tie.subs(tau, 2),
            beta * sp.tanh(lam).rewrite(sp.exp) / 2,
            "tau = 2: linear",
            where=place,
            method="50 digits",
        ),
        Step(
            "certain labels",
            tie.subs(beta, 1),
            generic(1) - bottom,
            "the least regret is zero at beta = 0 and concave, so that its convex envelope is the line to its value "
            "at beta = 1, where the tie is the better end",
            where=place,
        ),
    ]
