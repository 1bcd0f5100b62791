r"""Derivation of the power laws and of the best ridge in the solvable model of scaling laws."""

from __future__ import annotations

import sympy as sp

from theorylab.derivation import Step
from theorylab.derivations.scaling_laws.msr_random_feature_scaling_steps import (
    M,
    N,
    T,
    alpha,
    d1,
    denominator,
    lam,
    n,
    nu,
    p,
    signal,
    t,
)


def continuum_constant(alpha: sp.Expr) -> sp.Expr:
    """c = (pi/(1 + alpha))/sin(pi/(1 + alpha)), whose sine is that of pi alpha/(1 + alpha)."""
    return sp.pi / (1 + alpha) / sp.sin(sp.pi * alpha / (1 + alpha))


def power_law_denominator(N: sp.Expr, T: sp.Expr, alpha: sp.Expr, d1: sp.Expr) -> sp.Expr:
    """The denominator where d2 = d1 alpha/(1 + alpha)."""
    return N * T - alpha / (1 + alpha) * (N + T) * d1 + (alpha - 1) / (1 + alpha) * d1**2


def best_degrees(N: sp.Expr, T: sp.Expr, alpha: sp.Expr) -> sp.Expr:
    """Degrees of freedom at the best ridge: without differences, and regular at alpha = 1."""
    root = sp.sqrt(alpha**2 * (N - T) ** 2 + 8 * alpha * N * T / (1 + alpha))
    return 2 * alpha * N * T / (alpha * (N + T) + root)


def continuum() -> list[Step]:
    """The spectrum without end, and the power laws."""
    a, x, q, s = sp.symbols("a x q s", positive=True)
    c = continuum_constant(q - 1)
    v = sp.Symbol("v", positive=True)
    j = sp.Symbol("j", integer=True, positive=True)
    third = sp.Rational(1, 3)
    return [
        Step(
            "degrees of freedom",
            (1 / (1 + a * x**q)).subs(x, (v / a) ** (1 / q)) * ((v / a) ** (1 / q)).diff(v),
            a ** (-1 / q) / q * v ** (1 / q - 1) / (1 + v),
            "d1 = int_0^oo dI/(1 + a I^p), a = nu/(lambda_- M^p); v = a I^p",
            where={q: (1.2, 4)},
        ),
        Step(
            "Euler's integral",
            sp.Integral(v ** (third - 1) / (1 + v), (v, 0, sp.oo)),
            sp.pi / sp.sin(sp.pi * third),
            "int_0^oo v^(s-1)/(1 + v) dv = Gamma(s) Gamma(1 - s) = pi/sin(pi s), s = 1/p (shown for alpha = 2)",
        ),
        Step(
            "reflection",
            sp.gamma(1 / q) * sp.gamma(1 - 1 / q) / q,
            c,
            "d1 = a^(-1/p) c",
            where={q: (1.2, 4)},
            method="50 digits",
        ),
        Step(
            "effective ridge",
            (lam * M**q * a).subs(a, (c / N) ** q),
            lam * (M / N) ** q * c**q,
            "d1 = N",
            where={q: (1.2, 4)},
        ),
        Step(
            "loss after infinitely many samples",
            N / M * (lam * (M / N) ** p * continuum_constant(alpha) ** p),
            lam * continuum_constant(alpha) ** p * (M / N) ** alpha,
            "(1/M) N nu",
        ),
        Step(
            "a sum is an integral from 1/2",
            sp.Sum(1 / (1 + j**2 / sp.Integer(9)), (j, 1, sp.oo)),
            3 * continuum_constant(sp.S.One) * sp.coth(3 * sp.pi) - sp.Rational(1, 2),
            "Euler and Maclaurin: d1 + 1/2 = a^(-1/p) c but for what is smooth in 1/N, so that N + 1/2 stands for N in "
            "nu (shown for alpha = 1, a = 1/9, where the rest is exponentially small)",
        ),
        Step(
            "second moment",
            -(s * sp.exp(-v / q)).diff(v),
            s * sp.exp(-v / q) / q,
            "d1 ~ nu^(-1/p) = exp(-log nu/p): e = d1/p, d2 = d1 alpha/(1 + alpha)",
        ),
    ]


def optimum() -> list[Step]:
    """The best ridge in the power-law regime."""
    root = best_degrees(N, T, alpha)
    den = power_law_denominator(N, T, alpha, d1)
    a = (alpha - 1) * (alpha + 2) / (alpha + 1)
    return [
        Step(
            "denominator",
            N * T - d1**2 - (d1 * alpha / (1 + alpha)) * (N + T - 2 * d1),
            den,
            "d2 = d1 alpha/(1 + alpha)",
        ),
        Step(
            "signal",
            signal(N, T, M, nu, N - d1, T - d1, d1 / p),
            nu * d1 * N * T / (M * p * den),
            "with nu ~ d1^-(1 + alpha) the loss is proportional to 1/(d1^alpha Den)",
        ),
        Step(
            "stationary",
            (d1**alpha * den).diff(d1) * d1 ** (1 - alpha),
            alpha * N * T - alpha * (N + T) * d1 + a * d1**2,
            "d/d d1 of d1^alpha Den, over d1^(alpha - 1)",
        ),
        Step(
            "root",
            root,
            2 * alpha * N * T / (alpha * (N + T) + sp.sqrt(alpha**2 * (N + T) ** 2 - 4 * alpha * N * T * a)),
            "the smaller root, in a form without 0/0 at alpha = 1, where A = 0",
            where={alpha: (0.1, 3)},
        ),
        Step(
            "it is stationary",
            (alpha * N * T - alpha * (N + T) * d1 + a * d1**2).subs(d1, root),
            sp.S.Zero,
            "the quadratic vanishes there",
            where={alpha: (0.1, 3)},
            method="50 digits",
        ),
        Step(
            "unused counts",
            alpha * N * T - alpha * (N + T) * d1 + a * d1**2,
            alpha * ((N - d1) * (T - d1) - 2 * d1**2 / (alpha * p)),
            "so that (N - d1)(T - d1) = 2 d1^2/(alpha (1 + alpha)): g* = (sigma_u^2/M) nu 2 d1^2/(alpha (1 + alpha))",
        ),
        Step(
            "loss at the best ridge",
            denominator(n, t, d1 / p).subs(n, 2 * d1**2 / (alpha * p * t)) * p / d1,
            2 * d1 / alpha + 2 * d1**2 / (alpha * p * t) + t,
            "Den p/d1 = 2 d1/alpha + (N - d1) + (T - d1), and the sum of two numbers follows from their product and "
            "difference",
        ),
        Step(
            "equal numbers",
            root.subs(T, N) / N,
            1 / (1 + sp.sqrt(2 / (alpha * (alpha + 1)))),
            "at N = T only alpha matters",
            where={alpha: (0.1, 3)},
        ),
        Step(
            "bottleneck",
            sp.Limit(best_degrees(N, T, sp.Rational(3, 2)), T, sp.oo),
            N,
            "with many samples the best ridge vanishes and all features are used (shown for alpha = 3/2)",
        ),
    ]


def shapes() -> list[Step]:
    """Equal numbers of features and samples are stationary at fixed product."""
    area, theta = sp.symbols("area theta", positive=True)
    wide, tall = sp.sqrt(area * theta), sp.sqrt(area / theta)
    best = best_degrees(wide, tall, alpha)
    loss = 1 / (best**alpha * power_law_denominator(wide, tall, alpha, best))
    return [
        Step(
            "symmetric",
            loss.subs(theta, 1 / theta),
            loss,
            "by duality, at the best ridge as at any: L(N, T) = L(T, N)",
            where={alpha: (0.2, 2), area: (1, 9), theta: (0.3, 3)},
        ),
        Step(
            "stationary at N = T",
            loss.diff(theta).subs(theta, 1),
            sp.S.Zero,
            "a symmetric function of log(N/T)",
            where={alpha: (0.2, 2), area: (1, 9)},
        ),
    ]
