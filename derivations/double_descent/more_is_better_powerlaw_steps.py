r"""Derivation of the best fitting ratio for power-law spectra.

Sums over eigenvalues $i^{-\alpha}$ become integrals over $x = i \kappa^{1/\alpha}$ as the implicit ridge $\kappa$
falls; with $t = 1/(1 + x^\alpha)$, the learnability, they are Beta integrals.
"""

from __future__ import annotations

import sympy as sp

from theorylab.derivation import Step

alpha, beta, x, t, u, s, n, kappa, h = sp.symbols("alpha beta x t u s n kappa h", positive=True)
r = sp.Symbol("r", nonnegative=True)

RANGES = {alpha: [sp.Rational(3, 2), 2, 3], beta: [sp.Rational(3, 2), sp.Rational(5, 2), 3]}
# sum L = C1 kappa^(-1/alpha).
C1 = sp.pi / alpha / sp.sin(sp.pi / alpha)
# sum (1 - L)^2 i^-beta = C_beta kappa^((beta - 1)/alpha).
C_BETA = sp.gamma((beta - 1) / alpha) * sp.gamma(2 - (beta - 1) / alpha) / alpha


def curve(alpha: sp.Expr, beta: sp.Expr, s: sp.Expr, u: sp.Expr) -> sp.Expr:
    """Test error over that of noiseless interpolation, u = 1 - sqrt(R)."""
    return (u ** (1 - beta) + alpha * s) / (alpha - (alpha - 1) * u)


def stationary(alpha: sp.Expr, beta: sp.Expr, s: sp.Expr, r: sp.Expr) -> sp.Expr:
    """Its derivative vanishes where this does, r = sqrt(R)."""
    return alpha - beta - (alpha - 1) * beta * r + alpha * (alpha - 1) * (1 - r) ** beta * s


def threshold(alpha: sp.Expr, beta: sp.Expr) -> sp.Expr:
    """Relative noise up to which no ridge is best."""
    return (beta - alpha) / (alpha * (alpha - 1))


def sums() -> list[Step]:
    """The three integrals."""
    learned = x**-alpha / (x**-alpha + 1)
    beta_integral = t ** (-1 / alpha) * (1 - t) ** (1 / alpha - 1) / alpha
    squared = t ** (1 - 1 / alpha) * (1 - t) ** (1 / alpha - 1) / alpha
    a = (beta - 1) / alpha
    return [
        Step(
            "variable",
            sp.simplify(learned.subs(x, (1 / t - 1) ** (1 / alpha))),
            t,
            "t = L = 1/(1 + x^alpha) as the variable",
            where={**RANGES, t: (0, 1)},
        ),
        Step(
            "sum of learnabilities",
            sp.Integral(1 / (1 + x**alpha), (x, 0, sp.oo)).subs(alpha, 3),
            C1.subs(alpha, 3),
            "the integral of L over x (written for alpha = 3)",
        ),
        Step(
            "reflection",
            sp.gamma(1 / alpha) * sp.gamma(1 - 1 / alpha) / alpha,
            C1,
            "B(1 - 1/alpha, 1/alpha)/alpha and Euler's reflection formula",
            where=RANGES,
        ),
        Step(
            "sum of squares",
            sp.gamma(2 - 1 / alpha) * sp.gamma(1 / alpha) / sp.gamma(2) / alpha,
            (1 - 1 / alpha) * C1,
            "the integral of L^2, B(2 - 1/alpha, 1/alpha)/alpha: sum L^2 = (1 - 1/alpha) sum L",
            where=RANGES,
        ),
        Step(
            "by parts",
            sp.simplify(squared / beta_integral),
            t,
            "the two integrands differ by the factor t = L",
            where={**RANGES, t: (0, 1)},
        ),
        Step(
            "what is missed",
            sp.Integral(x**-beta / (1 + x**-alpha) ** 2, (x, 0, sp.oo)).subs({alpha: 2, beta: 3}),
            C_BETA.subs({alpha: 2, beta: 3}),
            "sum (1 - L)^2 i^-beta: B((beta-1)/alpha, 2 - (beta-1)/alpha)/alpha, finite for 1 < beta < 2 alpha + 1 "
            "(written for alpha = 2, beta = 3)",
        ),
        Step(
            "Beta function",
            sp.gamma(a) * sp.gamma(2 - a) / sp.gamma(2) / alpha,
            C_BETA,
            "in general",
            where={alpha: [2, 3], beta: [2, 3, 4]},
        ),
    ]


def risk() -> list[Step]:
    """From the sums to the curve."""
    first, second = sp.symbols("C1 C_beta", positive=True)
    implicit = (first / (n * u)) ** alpha
    signal = second * implicit ** ((beta - 1) / alpha)
    interpolated = alpha * signal.subs(u, 1)
    return [
        Step(
            "implicit ridge",
            first * implicit ** (-1 / alpha),
            n * u,
            "u = (sum L)/n = 1 - delta/(n kappa) = 1 - sqrt(R) in place of the ridge",
        ),
        Step(
            "factor of the noise",
            n / (n - (1 - 1 / alpha) * n * u),
            alpha / (alpha - (alpha - 1) * u),
            "e_0 = n/(n - sum L^2)",
        ),
        Step(
            "curve",
            alpha / (alpha - (alpha - 1) * u) * (signal + s * interpolated) / interpolated,
            curve(alpha, beta, s, u),
            "over the test error of noiseless interpolation, alpha C_beta (C1/n)^(beta - 1)",
        ),
    ]


def optimum() -> list[Step]:
    """The best ratio."""
    slope = sp.diff(curve(alpha, beta, s, u), u)
    positive = u**-beta / (alpha - (alpha - 1) * u) ** 2
    return [
        Step(
            "slope",
            slope,
            positive * (alpha * (alpha - 1) * s * u**beta + beta * (alpha - 1) * u - alpha * (beta - 1)),
            "derivative of the curve in u",
            where={**RANGES, u: (0, 1)},
        ),
        Step(
            "in terms of the ratio",
            alpha * (alpha - 1) * s * u**beta + beta * (alpha - 1) * u - alpha * (beta - 1),
            stationary(alpha, beta, s, 1 - u),
            "r = sqrt(R) = 1 - u",
        ),
        Step(
            "no noise",
            stationary(alpha, beta, 0, (alpha - beta) / ((alpha - 1) * beta)),
            sp.S.Zero,
            "sqrt(R) = (alpha - beta)/((alpha - 1) beta) for beta < alpha, otherwise 0",
        ),
        Step(
            "threshold",
            stationary(alpha, beta, threshold(alpha, beta), sp.S.Zero),
            sp.S.Zero,
            "no ridge is best as long as the slope at u = 1 is not positive",
        ),
        Step(
            "ridge",
            (C1 / u) ** alpha * (1 - u),
            (C1 / u) ** alpha - C1 * (C1 / u) ** (alpha - 1),
            "delta n^(alpha - 1) = h = (C1/u)^alpha (1 - u)",
            where={**RANGES, u: (0, 1)},
        ),
    ]


def everything() -> list[Step]:
    """All steps."""
    return [*sums(), *risk(), *optimum()]
