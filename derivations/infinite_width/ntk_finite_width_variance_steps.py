"""Steps of the finite-width tangent kernel: Gaussian rows, the transfer matrix, geometric series, the limit in L/n."""

from __future__ import annotations

from typing import Any

import sympy as sp

from theorylab.derivation import Step

n = sp.Symbol("n", integer=True, positive=True)
L = sp.Symbol("L", integer=True, positive=True)
r = sp.Symbol("r", positive=True)
alpha = sp.Symbol("alpha", real=True)
b = sp.Symbol("b", nonnegative=True)
_m = sp.Symbol("m", positive=True)


def fourth(slope: Any) -> Any:
    """m = E d^4/(E d^2)^2 of a gate that is 1 or `slope`."""
    return 2 * (1 + slope**4) / (1 + slope**2) ** 2


def transfer(m: Any) -> sp.Matrix:
    """The transfer matrix of a critical layer of width n acting on (A_2, A_T)."""
    return sp.Matrix([[1 + (m - 1) / n, 2 * m / n], [m / n, 1 + (2 * m - 1) / n]])


def equal_widths(m: Any) -> sp.Expr:
    """E Theta^2/(E Theta)^2 at equal widths, criticality and without bias gradients."""
    c = 3 * m - 1
    ratio = (n - 1) / (n + c)
    return (1 + c / n) ** (L - 1) * (1 / L + (L - 1) / (3 * L) + sp.Rational(4, 3) * arithmetic_geometric(ratio) / L**2)


def arithmetic_geometric(ratio: Any) -> sp.Expr:
    """The sum of (L - d) ratio^d over d = 1 .. L - 1."""
    return (ratio * (L - 1) - L * ratio**2 + ratio ** (L + 1)) / (1 - ratio) ** 2


def decay(x: Any) -> sp.Expr:
    """1/x - (1 - e^-x)/x^2."""
    return 1 / x - (1 - sp.exp(-x)) / x**2


def limit(m: Any) -> sp.Expr:
    """Its limit for n to infinity at L = r n."""
    return sp.exp((3 * m - 1) * r) * (sp.Rational(1, 3) + sp.Rational(4, 3) * decay(3 * m * r))


def limit_with_biases(m: Any) -> sp.Expr:
    """The limit with a part b of the mean from bias gradients."""
    c, k = 3 * m - 1, 3 * m
    grown = sp.exp(c * r)
    twice = 2 / r**2
    biases = twice * (grown - 1 - c * r) / c**2
    forth = (r * grown - (grown - 1) / c) / (3 * c)
    back = sp.Rational(2, 3) * (grown * (1 - sp.exp(-k * r)) / k - (1 - sp.exp(-r))) / c
    return b**2 * biases + b * (1 - b) * (biases + twice * (forth + back)) + (1 - b) ** 2 * limit(m)


def correction(m: Any) -> sp.Expr:
    """Coefficient of 1/n in E Theta^2/(E Theta)^2 over its limit, at L = r n."""
    c, x = 3 * m - 1, 3 * m * r
    bracket = sp.Rational(1, 3) + sp.Rational(4, 3) * decay(x)
    change = sp.Rational(4, 3) * (c - 1) * (decay(x) - (1 - sp.exp(-x)) / (2 * x))
    return -c - c**2 * r / 2 + change / bracket


def expanded(m: Any) -> sp.Expr:
    """The same from `equal_widths`, its powers as exponentials of series in 1/n."""
    e = sp.Symbol("e", positive=True)
    c, k = 3 * m - 1, 3 * m
    growth = sp.expand(sp.series((r / e - 1) * sp.log(1 + c * e), e, 0, 2).removeO() - c * r)
    fall = sp.expand(sp.series(r / e * (sp.log(1 - e) - sp.log(1 + c * e)), e, 0, 2).removeO() + k * r)
    ratio = (1 - e) / (1 + c * e)
    summed = ratio * (k * r / (1 + c * e) - 1 + sp.exp(-k * r) * (1 + fall)) * ((1 + c * e) / (k * r)) ** 2
    bracket = sp.Rational(1, 3) + sp.Rational(2, 3) * (e / r) + sp.Rational(4, 3) * summed
    return sp.diff((1 + growth) * bracket, e).subs(e, 0) / bracket.subs(e, 0)


def _normal(*variables: sp.Symbol) -> sp.Expr:
    return sp.prod(sp.exp(-(v**2) / 2) / sp.sqrt(2 * sp.pi) for v in variables)


def recursion_steps() -> list[Step]:
    """From Gaussian rows and gates to a layer's factors."""
    x, y = sp.symbols("x y", real=True)
    on = sp.Symbol("k", integer=True, positive=True)
    a, d = sp.symbols("a d", positive=True)
    p, F, T, C, before = sp.symbols("p F T C n_before", positive=True)
    m = _m

    def mean(f: sp.Expr) -> sp.Integral:
        return sp.Integral(sp.expand(f) * _normal(x, y), (x, -sp.oo, sp.oo), (y, -sp.oo, sp.oo))

    gates = {power: (1 + alpha**power) / 2 for power in (2, 4)}
    own, others = p**2 * m * n, p**2 * n * (n - 1)
    scale = (C / before) ** 2
    now = (C / n) ** 2
    value = now * scale * (own * (F + 2 * T) + others * F)
    trace = now * scale * (own * (F + 2 * T) + others * T)
    w, a2, at = C * p, (C / before) ** 2 * F, (C / before) ** 2 * T
    return [
        Step(
            "one row",
            mean((a * x**2 + d * y**2) ** 2),
            (a + d) ** 2 + 2 * (a**2 + d**2),
            "E (w^T S w)^2 = (tr S)^2 + 2 tr S^2, shown in the eigenbasis of a 2 x 2 matrix S",
        ),
        Step(
            "two rows",
            (a * mean(x**2) + d * mean(y**2)).subs({a: a**2, d: d**2}),
            a**2 + d**2,
            "E (w^T S w')^2 = tr S^2: given w' the product is normal of variance w'^T S^2 w'",
        ),
        Step(
            "gates",
            gates[4] / gates[2] ** 2,
            fourth(alpha),
            "independent of the weights: flipping the signs of a unit's row and of its column in the next layer leaves "
            "all products of gates and matrices, and the law of the weights, as they are: the signs are fair coins",
        ),
        Step(
            "one layer of norms",
            scale.subs(C, 1).subs(before, n) * (3 * own + others) / p**2,
            1 + (3 * m - 1) / n,
            "E |D W s|^4 over C_W^2 p^2 |s|^4: 3 E d^4 from one unit, p^2 from two; nu = 3 m - 1 is 5 for ReLU, 2 for "
            "linear units",
        ),
        Step(
            "A_2 through a layer",
            value,
            w**2 * (m / n * (a2 + 2 * at) + (1 - 1 / n) * a2),
            "|D W N|_F^4: the same row twice or two rows, S = N N^T",
        ),
        Step(
            "A_T through a layer",
            trace,
            w**2 * (m / n * (a2 + 2 * at) + (1 - 1 / n) * at),
            "tr (D W N N^T W^T D)^2: sum over pairs of rows of (w_i^T S w_j)^2",
        ),
        Step(
            "dead layers",
            sp.Sum(sp.binomial(n, on) / 2**n, (on, 1, n)),
            1 - sp.Rational(1, 2) ** n,
            "some unit is on; when none is, no unit behind is above 0, and no bias gradient passes",
            where={n: range(1, 20)},
        ),
    ]


def series_steps() -> list[Step]:
    """Diagonalise the transfer matrix, sum the double geometric series, let n grow at L = r n."""
    m = _m
    c, k = 3 * m - 1, 3 * m
    matrix = transfer(m)
    both, odd = sp.Matrix([1, 1]), sp.Matrix([2, -1])
    rho = sp.Symbol("rho", positive=True)
    whole = sp.Symbol("d", integer=True, positive=True)
    grow, fall = 1 + c / n, 1 - 1 / n
    few = 3
    double = sum(
        (1 if i == j else 2) * grow ** (few - 1 - (j - i)) * (matrix ** (j - i))[0, 0]
        for i in range(few)
        for j in range(i, few)
    )
    big, tau = sp.symbols("N tau", positive=True)
    e = sp.Symbol("e", positive=True)
    far, rate = sp.symbols("k c", positive=True)
    rest = (sp.exp(rate * (r - tau)) - 1) / rate
    allowed = {m: (1, 2), r: (0.2, 1.5), b: (0, 1)}
    return [
        Step("eigenvalue 1 + c/n", (matrix * both)[0], grow, "eigenvector (1, 1), first component", method="symbolic"),
        Step("its second component", (matrix * both)[1], grow, "eigenvector (1, 1)", method="symbolic"),
        Step("eigenvalue 1 - 1/n", (matrix * odd)[0], 2 * fall, "eigenvector (2, -1)", method="symbolic"),
        Step("its second component, too", (matrix * odd)[1], -fall, "eigenvector (2, -1)", method="symbolic"),
        Step(
            "start",
            (matrix * sp.Matrix([1, 0]))[0],
            grow / 3 + 2 * fall / 3,
            "a propagator starts as the image of (1, 0) = ((1, 1) + (2, -1))/3",
        ),
        Step(
            "after three layers",
            (matrix**3)[0, 0],
            grow**3 / 3 + 2 * fall**3 / 3,
            "so A_2 = (1 + c/n)^d/3 + 2 (1 - 1/n)^d/3",
        ),
        Step(
            "inner series",
            sp.Sum((L - whole) * rho**whole, (whole, 1, L - 1)),
            arithmetic_geometric(rho),
            "pairs of layers at distance d, rho = (1 - 1/n)/(1 + c/n)",
            where={L: range(2, 9), rho: (0.1, 0.9)},
            method="50 digits",
        ),
        Step(
            "double series",
            double / few**2,
            equal_widths(m).subs(L, few),
            "sum over l <= l' of forward, propagator and backward factors, shown for L = 3",
            where={n: range(1, 40)},
        ),
        Step(
            "growth at L = r N",
            sp.Limit((1 + c / big) ** (r * big - 1), big, sp.oo),
            sp.exp(c * r),
            "the larger eigenvalue",
        ),
        Step(
            "decay at L = r N",
            sp.Limit(((1 - 1 / big) / (1 + c / big)) ** (r * big), big, sp.oo),
            sp.exp(-k * r),
            "the ratio of the eigenvalues, k = c + 1",
        ),
        Step(
            "series at L = r N",
            sp.Limit(
                ((rho * (r * big - 1) - r * big * rho**2 + rho * tau) / ((1 - rho) ** 2 * (r * big) ** 2)).subs(
                    rho, (big - 1) / (big + c)
                ),
                big,
                sp.oo,
            ),
            1 / (k * r) - (1 - tau) / (k * r) ** 2,
            "tau stands for rho^L, whose limit is e^(-k r)",
        ),
        Step(
            "pairs at a distance",
            sp.Integral((r - tau) * sp.exp(-far * tau), (tau, 0, r)),
            r**2 * decay(far * r),
            "continuous form: l = n u, l' = n (u + tau), e^(c u) before the pair, e^(c (r - u - tau)) behind it",
        ),
        Step(
            "limit",
            2 / r**2 * sp.exp(c * r) * (r**2 / 6 + sp.Rational(2, 3) * r**2 * decay(k * r)),
            limit(m),
            "with the propagator e^(c tau)/3 + 2 e^(-tau)/3",
        ),
        Step(
            "two bias gradients",
            sp.Integral(rest, (tau, 0, r)),
            (sp.exp(rate * r) - 1 - rate * r) / rate**2,
            "no forward factor, A_1 = 1: integrate e^(c v) over what is behind the pair",
        ),
        Step(
            "a bias and a weight gradient, growing part",
            sp.Integral(sp.exp(rate * tau) * rest / 3, (tau, 0, r)),
            (r * sp.exp(rate * r) - (sp.exp(rate * r) - 1) / rate) / (3 * rate),
            "A_2 for the propagator",
        ),
        Step(
            "falling part",
            sp.Integral(2 * sp.exp(-tau) * rest / 3, (tau, 0, r)),
            2 * (sp.exp(rate * r) * (1 - sp.exp(-(rate + 1) * r)) / (rate + 1) - 1 + sp.exp(-r)) / (3 * rate),
            "the other eigenvalue",
        ),
        Step(
            "weights alone",
            limit_with_biases(m).subs(b, 0),
            limit(m),
            "b = 0 in the sum of all terms",
        ),
        Step("first correction", expanded(m), correction(m), "1/n at L = r n", where=allowed, method="50 digits"),
        Step(
            "shallow",
            sp.series(sp.expand(limit(m).subs(r, e)), e, 0, 2).removeO().coeff(e, 1),
            c - sp.Rational(2, 9) * k,
            "11/3 for ReLU, 4/3 for linear units",
        ),
        Step(
            "deep",
            sp.Limit(limit(sp.Integer(2)) * sp.exp(-5 * r), r, sp.oo),
            sp.Rational(1, 3),
            "e^(5 r)/3 for ReLU",
        ),
    ]
