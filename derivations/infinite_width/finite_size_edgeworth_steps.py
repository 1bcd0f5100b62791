"""Steps of the cumulants, the exact law and the Edgeworth series of a random hidden layer."""

from __future__ import annotations

from typing import Any

import sympy as sp

from theorylab.derivation import Step
from theorylab.derivations.infinite_width.edgeworth_moments import cumulants

K = sp.symbols("k4 k6 k8", real=True)
_Y = sp.Symbol("y", real=True)


def hermite(n: int, y: sp.Expr) -> sp.Expr:
    """Probabilists' Hermite polynomial, by its recursion."""
    value, before = sp.S.One, sp.S.Zero
    for k in range(n):
        value, before = sp.expand(y * value - k * before), value
    return value


def hermite_coefficients(order: int) -> dict[int, sp.Expr]:
    """Coefficients of He_n in the Edgeworth series at one order in 1/N, as functions of `K`.

    From exp(k4 t^4/4! + k6 t^6/6! + k8 t^8/8!), with k4, k6, k8 of orders 1, 2, 3: a factor t^n is n derivatives of the
    normal density, (-1)^n He_n times it.
    """
    t, e = sp.symbols("t e")
    k4, k6, k8 = K
    exponent = e * k4 * t**4 / 24 + e**2 * k6 * t**6 / 720 + e**3 * k8 * t**8 / 40320
    total = sp.expand(sum(exponent**j / sp.factorial(j) for j in range(order + 1)))
    part = sp.Poly(total.coeff(e, order), t)
    return {powers[0]: c for powers, c in part.terms()}


def relu_kurtosis(N: Any, q: Any, s: Any, sigma_b: Any) -> sp.Expr:
    """Excess kurtosis of a ReLU layer with normal weights."""
    m2, m4 = s**2 * q / 2, 3 * s**4 * sp.Rational(3, 2) * q**2
    return sp.factor(cumulants(m2, m4, 0, 0)[1]) / (N * (sigma_b**2 + m2) ** 2)


def _normal(z: sp.Symbol, q: sp.Expr = sp.S.One) -> sp.Expr:
    return sp.exp(-(z**2) / (2 * q)) / sp.sqrt(2 * sp.pi * q)


def cumulant_steps() -> list[Step]:
    """From the moments of one unit to the cumulants of the output."""
    m2, m4, m6, m8 = sp.symbols("m2 m4 m6 m8", positive=True)
    N, q, s, sb = sp.symbols("N q s sigma_b", positive=True)
    t, v = sp.symbols("t v", real=True)
    h = sp.Symbol("h", positive=True)
    small = m2 * t**2 / 2 + m4 * t**4 / 24 + m6 * t**6 / 720 + m8 * t**8 / 40320
    log = sp.expand(sum((-1) ** (j + 1) * small**j / j for j in range(1, 5)))
    site = cumulants(m2, m4, m6, m8)
    output = sp.expand(N * log.subs(t, t / sp.sqrt(N)) + sb**2 * t**2 / 2)
    found = [
        Step(
            f"cumulant {n} of one unit",
            log.coeff(t, n) * sp.factorial(n),
            site[n // 2 - 1],
            "coefficient of t^n/n! in log E exp(t v phi); odd moments vanish because v is symmetric",
        )
        for n in (4, 6, 8)
    ]
    found += [
        Step(
            f"cumulant {n} of the output",
            output.coeff(t, n) * sp.factorial(n),
            site[n // 2 - 1] * N ** (1 - sp.Rational(n, 2)) + (sb**2 if n == 2 else 0),
            "cumulants of independent variables add: N log M(t/sqrt N); those of the normal bias end with the second",
        )
        for n in (2, 4, 6, 8)
    ]
    found += [
        Step(
            f"E phi^{n} of ReLU",
            sp.Integral(h**n * _normal(h, q), (h, 0, sp.oo)),
            q ** (n // 2) * sp.factorial2(n - 1) / 2,
            "half of a normal moment",
        )
        for n in (2, 4)
    ]
    found += [
        Step(
            f"E v^{n} of uniform weights",
            sp.Integral(v**n / (2 * sp.sqrt(3) * s), (v, -sp.sqrt(3) * s, sp.sqrt(3) * s)),
            3 ** (n // 2) * s**n / (n + 1),
            "uniform on [-sqrt 3 s, sqrt 3 s], variance s^2",
        )
        for n in (2, 4, 6)
    ]
    found += [
        Step(
            "ReLU, normal weights",
            relu_kurtosis(N, q, s, 0),
            15 / N,
            "kappa_4/sigma^4 with E v^4 = 3 s^4, E phi^4 = 3 q^2/2, E phi^2 = q/2",
        ),
        Step(
            "constant |phi|, Rademacher weights",
            cumulants(m2, m2**2, 0, 0)[1] / (N * m2**2),
            -2 / N,
            "E v^4 E phi^4 = (E v^2 E phi^2)^2: a sum of signs",
        ),
    ]
    return found


def law_steps() -> list[Step]:
    """The characteristic function of a unit under three laws of the weights, and its inversion."""
    w, s, N, q, x, u = sp.symbols("w s N q x u", positive=True)
    v = sp.Symbol("v", real=True)
    positive = sp.Symbol("h", positive=True)
    return [
        Step(
            "normal weights",
            sp.Integral(sp.cos(u * v) * _normal(v, s**2), (v, -sp.oo, sp.oo)),
            sp.exp(-(s**2) * u**2 / 2),
            "u = w phi(h)/sqrt(N)",
        ),
        Step(
            "uniform weights",
            sp.Integral(sp.cos(u * v) / (2 * sp.sqrt(3) * s), (v, -sp.sqrt(3) * s, sp.sqrt(3) * s)),
            sp.sin(sp.sqrt(3) * s * u) / (sp.sqrt(3) * s * u),
            "the same, v uniform",
        ),
        Step(
            "ReLU, normal weights",
            sp.S.Half
            + sp.Integral(sp.exp(-(s**2) * w**2 * positive**2 / (2 * N)) * _normal(positive, q), (positive, 0, sp.oo)),
            sp.S.Half + 1 / (2 * sp.sqrt(1 + s**2 * w**2 * q / N)),
            "the unit is off with probability 1/2: C falls to 2^-N only, the atom of the law at 0",
        ),
        Step(
            "inversion",
            sp.Derivative(sp.S.Half + sp.Integral(sp.sin(w * x) / w * sp.exp(-(w**2) / 2), (w, 0, sp.oo)) / sp.pi, x),
            _normal(x),
            "Gil-Pelaez, shown for the normal law: its density is the derivative of the distribution function",
        ),
    ]


def series_steps() -> list[Step]:
    """The Edgeworth series, its tail and its divergence."""
    k4, k6, k8 = K
    y = _Y
    g = _normal(y)
    first, second, third = (hermite_coefficients(order) for order in (1, 2, 3))
    found = [
        Step(
            f"He_{n} in the integral of the tail",
            -sp.diff(hermite(n - 1, y) * g, y),
            hermite(n, y) * g,
            "so that the integral of g He_n from T on is g(T) He_(n-1)(T)",
        )
        for n in (4, 6, 8)
    ]
    x = sp.Symbol("x", real=True)
    found += [
        Step(
            f"He_{n}",
            sp.diff(sp.exp(-(x**2) / 2), x, n) * sp.exp(x**2 / 2),
            hermite(n, x),
            "a factor (it)^n of the characteristic function is (-1)^n times n derivatives of the normal density",
        )
        for n in (4, 6, 8)
    ]
    found += [
        Step("order 1/N", sum(c * hermite(n, x) for n, c in first.items()), k4 * hermite(4, x) / 24, "k_4 t^4/4!"),
        Step(
            "order 1/N^2",
            sum(c * hermite(n, x) for n, c in second.items()),
            k6 * hermite(6, x) / 720 + k4**2 * hermite(8, x) / 1152,
            "k_6 t^6/6! + (k_4 t^4/4!)^2/2",
        ),
        Step(
            "order 1/N^3",
            sum(c * hermite(n, x) for n, c in third.items()),
            k8 * hermite(8, x) / 40320 + k4 * k6 * hermite(10, x) / 17280 + k4**3 * hermite(12, x) / 82944,
            "what is left after two orders",
        ),
        Step(
            "divergence",
            sp.Integral((k4 * sp.expand(hermite(4, y)) / 24) ** 2 / 2 * g, (y, -sp.oo, sp.oo)),
            k4**2 / 48,
            "r log r - r + 1 = (r - 1)^2/2 + ..., r - 1 = k_4 He_4/24 and E He_4^2 = 4!",
        ),
        Step(
            "moment of He_8",
            sp.Integral(sp.expand(hermite(8, y)) * k4**2 * sp.expand(hermite(8, y)) / 1152 * g, (y, -sp.oo, sp.oo)),
            35 * k4**2,
            "E He_8 = k_8 + 35 k_4^2: of order 1/N^2, because of the square",
        ),
    ]
    return found


def joint_steps() -> list[Step]:
    """The joint fourth cumulant, from the logarithm of the joint characteristic function of one unit."""
    t = sp.symbols("t0:4")
    v2, v4, N = sp.symbols("v2 v4 N", positive=True)
    pair = {(i, j): sp.Symbol(f"g{i}{j}") for i in range(4) for j in range(i, 4)}
    quartic = sp.Symbol("g0123")

    def g(i: int, j: int) -> sp.Symbol:
        return pair[min(i, j), max(i, j)]

    second = v2 * sum(t[i] * t[j] * g(i, j) for i in range(4) for j in range(4)) / 2
    log = v4 * quartic * t[0] * t[1] * t[2] * t[3] - sp.expand(second**2) / 2
    joint = v4 * quartic - v2**2 * (g(0, 1) * g(2, 3) + g(0, 2) * g(1, 3) + g(0, 3) * g(1, 2))
    scaled = sp.expand(N * log.subs({x: x / sp.sqrt(N) for x in t}, simultaneous=True))
    one = {symbol: sp.Symbol("m2") for symbol in pair.values()}
    return [
        Step(
            "one unit",
            sp.diff(sp.expand(log), *t),
            joint,
            "coefficient of t_0 t_1 t_2 t_3 in log E exp(v sum_a t_a phi_a) = M - M^2/2 + ...: "
            "4! v^4 phi_0 phi_1 phi_2 phi_3/4! in M, and the square of its second order",
        ),
        Step("N units", sp.diff(scaled, *t), joint / N, "cumulants add: N log M(t/sqrt N)"),
        Step(
            "one input",
            joint.subs(one),
            v4 * quartic - 3 * (v2 * sp.Symbol("m2")) ** 2,
            "all inputs equal: the cumulant kappa_4",
        ),
    ]
