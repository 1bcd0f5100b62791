"""Steps from Gaussian integrals to the dual activations of `ntk_nngp_duals`."""

from __future__ import annotations

import sympy as sp

from theorylab.derivation import Step
from theorylab.derivations.infinite_width import ntk_nngp_duals as d

a, b, c, theta, t = d.a, d.b, d.c, d.theta, d.t
s, r, psi, x, y = sp.symbols("s r psi x y", real=True)
j = sp.Symbol("j", integer=True, nonnegative=True)


def rectified() -> list[Step]:
    """Polar coordinates, then derivatives in cos(theta)."""
    steps = [
        Step(
            f"radius, power {power}",
            sp.Integral(r ** (2 * power + 1) * sp.exp(-(r**2) / 2), (r, 0, sp.oo)),
            2**power * sp.factorial(power),
            "u = sqrt(a) r cos(psi), v = sqrt(b) r cos(psi - theta): the radius is integrated by itself",
        )
        for power in range(3)
    ]
    steps += [
        Step(
            f"angle, power {power}",
            2**power
            * sp.factorial(power)
            * sp.Integral((sp.cos(psi) * sp.cos(psi - theta)) ** power, (psi, theta - sp.pi / 2, sp.pi / 2)).doit(),
            d.angular_factor(power),
            "both are positive for theta - pi/2 < psi < pi/2",
            where={theta: (0.1, 3.0)},
        )
        for power in range(3)
    ]
    remaining = (sp.pi - theta) / sp.sin(theta)
    for power in range(1, 4):
        remaining = sp.diff(remaining, theta) / sp.sin(theta)
        steps.append(
            Step(
                f"as {power} derivatives",
                (-1) ** power * sp.sin(theta) ** (2 * power + 1) * remaining,
                d.angular_factor(power),
                "J_s = (-1)^s sin^(2s+1) ((1/sin) d/dtheta)^s (pi - theta)/sin, and -(1/sin) d/dtheta = d/d(cos theta)",
                where={theta: (0.3, 2.8)},
                method="50 digits",
            )
        )
    half = sp.cos(theta / 2) ** 2
    steps += [
        Step(
            f"in the half-angle, power {power}",
            d.angular_factor(power),
            half ** sp.Rational(2 * power + 1, 2)
            * 2 ** (power + 1)
            * sp.factorial(power) ** 2
            * sp.gamma(sp.Rational(3, 2))
            / sp.gamma(power + sp.Rational(3, 2))
            * sp.hyper([sp.S.Half, sp.S.Half], [power + sp.Rational(3, 2)], half),
            "(pi - theta)/sin(theta) = 2F1(1, 1; 3/2; y), y = cos^2(theta/2), d/dt = (1/2) d/dy, Euler's "
            "transformation: a sum of positive terms, exact near theta = pi",
            where={theta: (1.6, 3.1)},
            method="50 digits",
        )
        for power in range(3)
    ]
    steps.append(
        Step(
            "normalised",
            d.angular_factor(2).subs(theta, 0),
            3 * sp.pi,
            "kappa_2 = J_2/(3 pi) is 1 at theta = 0, as kappa_0 = J_0/pi and kappa_1 = J_1/pi are",
        )
    )
    return steps


def error_function() -> list[Step]:
    """A Gaussian integral for the slopes, then Price's theorem."""
    covariance = sp.Matrix([[a, c], [c, b]])
    inside = {a: (0.5, 2.0), b: (0.5, 2.0), c: (-0.4, 0.4)}
    first, second = 1 + a, 1 + b
    angle, rest, odd = sp.asin(c / sp.sqrt(first * second)), first * second - c**2, 1 / first + 1 / second - 1
    gelu = (c * (sp.pi / 2 + angle) + (a * b + c**2 * odd) / sp.sqrt(rest)) / (2 * sp.pi)
    gelu_slope = sp.pi / 2 + angle + c * (2 * odd + 1) / sp.sqrt(rest) + c * (a * b + c**2 * odd) / sp.sqrt(rest) ** 3
    return [
        Step(
            "Gaussian integral",
            1 / sp.sqrt((sp.eye(2) + 2 * covariance).det()),
            d.bump_in_c,
            "E exp(-u^2 - v^2) = det(1 + 2 S)^(-1/2)",
        ),
        Step(
            "slopes",
            4 / sp.pi * d.bump_in_c,
            d.erf_slope_in_c,
            "erf'(z) = (2/sqrt(pi)) exp(-z^2)",
        ),
        Step(
            "Price",
            sp.diff(d.erf_in_c, c),
            d.erf_slope_in_c,
            "d/dc E phi(u) phi(v) = E phi'(u) phi'(v)",
            where=inside,
        ),
        Step("uncorrelated", d.erf_in_c.subs(c, 0), sp.S.Zero, "erf is odd: E = 0 at c = 0, where the integral starts"),
        Step(
            "GELU, uncorrelated",
            gelu.subs(c, 0),
            a / sp.sqrt(2 * sp.pi * first) * b / sp.sqrt(2 * sp.pi * second),
            "Stein: E u (1 + erf(u/sqrt 2))/2 = a E exp(-u^2/2)/sqrt(2 pi) = a/sqrt(2 pi (1 + a)), the same for v",
            where={a: (0.5, 2.0), b: (0.5, 2.0)},
        ),
        Step(
            "GELU, Price",
            sp.diff(gelu, c),
            gelu_slope / (2 * sp.pi),
            "the dual of the slope is the derivative in c",
            where=inside,
            method="50 digits",
        ),
        Step(
            "Price, for the ReLU",
            sp.diff(sp.sqrt(a * b) / (2 * sp.pi) * (sp.sqrt(1 - t**2) + (sp.pi - sp.acos(t)) * t), t) / sp.sqrt(a * b),
            (sp.pi - sp.acos(t)) / (2 * sp.pi),
            "the slope of the ReLU is the step; t = c/sqrt(ab)",
            where={t: (-0.9, 0.9)},
        ),
    ]


def waves() -> list[Step]:
    """sin, cos and exp from E exp(i(x u + y v))."""
    generating = sp.exp(-(a * x**2 + 2 * c * x * y + b * y**2) / 2)
    like, unlike = generating.subs({x: 1, y: 1}), generating.subs({x: 1, y: -1})
    return [
        Step("sin", (unlike - like) / 2, d.sine_in_c, "sin u sin v = (cos(u - v) - cos(u + v))/2"),
        Step("cos", (unlike + like) / 2, d.cosine_in_c, "cos u cos v = (cos(u - v) + cos(u + v))/2"),
        Step("exp", generating.subs({x: -sp.I, y: -sp.I}), d.exponential_in_c, "the same at imaginary arguments"),
        Step("Price", sp.diff(d.sine_in_c, c), d.cosine_in_c, "the slope of sin is cos"),
    ]


def polynomials() -> list[Step]:
    """Moments and Hermite polynomials from the generating function."""
    generating = sp.exp((a * x**2 + 2 * c * x * y + b * y**2) / 2)
    steps = [
        Step(
            "squares",
            sp.diff(generating, x, 2, y, 2).subs({x: 0, y: 0}),
            d.quadratic_in_c,
            "E u^2 v^2 is a derivative of E exp(x u + y v) at 0",
        )
    ]
    # E exp(x u - x^2/2) exp(y v - y^2/2) = exp(rho x y), and exp(x u - x^2/2) = sum_k He_k(u) x^k/k!.
    steps.append(
        Step(
            "generating function of Hermite polynomials",
            sp.simplify(generating.subs({a: 1, b: 1}) * sp.exp(-(x**2) / 2 - y**2 / 2)),
            sp.exp(c * x * y),
            "a = b = 1",
        )
    )
    steps += [
        Step(
            f"degree {n}",
            sp.diff(sp.exp(c * x * y), x, n, y, n).subs({x: 0, y: 0}) / sp.factorial(n),
            c**n,
            "the coefficient of (xy)^k/k!: E He_k(u) He_k(v)/k! = rho^k",
        )
        for n in range(1, 5)
    ]
    return steps


def kink() -> list[Step]:
    """What a rule of spacing h makes of a ramp that begins inside a cell."""
    h, m = sp.symbols("h m", positive=True)
    trapezoid, exact = h * (1 - s) * h / 2, (h * (1 - s)) ** 2 / 2
    error = sp.pi**2 / (24 * m)
    return [
        Step("one cell", trapezoid - exact, h**2 * s * (1 - s) / 2, "the ramp begins at the part s of a cell"),
        Step(
            "on average", sp.Integral(h**2 * s * (1 - s) / 2, (s, 0, 1)), h**2 / 12, "the kink falls anywhere in a cell"
        ),
        Step("in the nodes", (h**2 / 12).subs(h, sp.pi / sp.sqrt(2 * m)), error, "spacing of m nodes near 0"),
        Step("exponent", m * sp.diff(sp.log(error), m), sp.Integer(-1), "the error falls like 1/m"),
    ]
