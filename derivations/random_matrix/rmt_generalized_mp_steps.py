"""Steps of `rmt_generalized_mp`, with the symbols that both use."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.derivations.random_matrix.rmt_marchenko_pastur_moments import pairings
from theorylab.parameters import Constraint, Integers, Interval, Parameter

POSITIVE = Interval(0, open_low=True)
RATIO = Parameter("c", POSITIVE, "aspect ratio p/n", default=0.5)
SIZE = Parameter("p", Integers(1), "dimension")
POPULATION = [
    *(
        Parameter(f"t{i}", POSITIVE, f"population eigenvalue {i}", default=v)
        for i, v in ((1, 1.0), (2, 3.0), (3, 10.0))
    ),
    Parameter("w1", Interval(0, 1), "part of the population eigenvalues at t1", default=0.2),
    Parameter("w2", Interval(0, 1), "part of the population eigenvalues at t2; the rest is at t3", default=0.4),
]
WEIGHTS = [
    Parameter("a1", POSITIVE, "weight of a sample", default=0.5),
    Parameter("a2", POSITIVE, "the other weight of a sample", default=3.0),
    Parameter("chance", Interval(0, 1), "probability of the other weight", default=0.3),
]
c, p, lam = RATIO.symbol, SIZE.symbol, sp.Symbol("lam", positive=True)
n = sp.Symbol("n", positive=True, integer=True)
T, W, A = (
    [q.symbol for q in POPULATION[:3]],
    [*(q.symbol for q in POPULATION[3:]), 1 - POPULATION[3].symbol - POPULATION[4].symbol],
    [q.symbol for q in WEIGHTS],
)
PROBABILITIES = Constraint(W[0] + W[1] <= 1, "the masses of the population's eigenvalues exceed one")
CONVENTIONS = {
    "S": "Sigma^(1/2) X X^T Sigma^(1/2)/n, a p x p matrix (n, not n - 1; no centring)",
    "c": "p/n",
    "H": "masses w1, w2, 1 - w1 - w2 at t1, t2, t3, of total mass 1 over the p population eigenvalues",
    "transforms": "int dmu/(x - z): positive at z = -lam",
}
SOURCE = "Silverstein (1995); Silverstein and Choi (1995)"
TWO = {T[0]: (0.5, 1.0), T[1]: (2, 4), W[0]: (0.2, 0.8), c: (0.2, 0.8)}


def mean(values: Iterable[Any]) -> Any:
    """Mean over the population of one value for each atom."""
    return sum((w * v for w, v in zip(W, values)), sp.S.Zero)


def two(values: Iterable[Any]) -> Any:
    """The same for two atoms: enough to show a step."""
    first, second = values
    return W[0] * first + (1 - W[0]) * second


def place(omega: Any) -> Any:
    """z at omega, for two atoms."""
    return omega + c * two(T[:2]) + c * two(t**2 / (omega - t) for t in T[:2])


def _equation_steps() -> list[Step]:
    k, m, v, w, x = sp.symbols("kappa m v omega x", positive=True)
    a, b, d, y1, y2 = sp.symbols("a b d y1 y2", positive=True)
    matrix, column = sp.Matrix([[a + b, b], [b, d + b]]), sp.Matrix([y1, y2])
    form = (column.T * matrix.inv() * column)[0]
    updated = (column.T * (matrix + column * column.T).inv() * column)[0]
    ridge = k - c * k * two(t / (t + k) for t in T[:2])
    resolvent = two(k / (k + t) for t in T[:2]) / ridge
    inverse = -1 / v + c * two(t / (1 + t * v) for t in T[:2])
    one = {T[1]: T[0]}
    quadratic = c * T[0] * lam * m**2 + (lam + T[0] * (1 - c)) * m - 1
    height = sp.Symbol("h", positive=True)
    point = x + sp.I * height
    return [
        Step(
            "leave one sample out",
            updated,
            form / (1 + form),
            "Sherman-Morrison (shown for 2 x 2 matrices): (S + lam)^-1 ~ (h Sigma + lam)^-1 with "
            "h = 1/(1 + delta), delta = (1/n) tr Sigma (S + lam)^-1",
        ),
        Step(
            "the equation of kappa",
            (1 / (1 + c * two(t / (height * t + lam) for t in T[:2]))).subs(height, lam / k).subs(lam, ridge),
            (lam / k).subs(lam, ridge),
            "h = lam/kappa: 1/h = 1 + c int t dH/(h t + lam) is kappa = lam + c kappa int t dH/(t + kappa)",
            where=TWO,
        ),
        Step(
            "resolvent",
            two(1 / (lam * t / k + lam) for t in T[:2]).subs(lam, ridge),
            resolvent,
            "m(-lam) = int dH/(h t + lam)",
        ),
        Step(
            "companion",
            c * resolvent + (1 - c) / ridge,
            1 / k,
            "X^T Sigma X/n has n - p more zeros: v = c m + (1 - c)/lam, which is 1/kappa",
            where=TWO,
        ),
        Step(
            "companion equation",
            inverse.subs(v, -1 / w),
            place(w),
            "z = -1/v + c int t dH/(1 + t v) in omega = -1/v",
            where={**TWO, w: (5, 9)},
        ),
        Step(
            "one atom",
            quadratic.subs(m, resolvent.subs(one)).subs(lam, ridge.subs(one)),
            sp.S.Zero,
            "H = delta_t is the law of Marchenko and Pastur",
        ),
        Step(
            "imaginary part",
            sp.im(place(point)),
            height * (1 - c * two(t**2 / ((x - t) ** 2 + height**2) for t in T[:2])),
            "Im z = Im omega (1 - int c t^2 dH/|omega - t|^2): on the support the bracket vanishes",
            where={**TWO, x: (0.1, 5), height: (0.1, 3)},
            method="50 digits",
        ),
        Step(
            "distribution function",
            sp.diff(-v * inverse - sp.log(v) + c * two(sp.log(1 + t * v) for t in T[:2]), v),
            -v * inverse.diff(v),
            "int log(z - x) dmu has the derivative -v dz: its imaginary part is pi times the mass above z",
        ),
    ]


def _edge_steps() -> list[Step]:
    w, v = sp.symbols("omega v", positive=True)
    one = {T[1]: T[0]}
    inverse = -1 / v + c * two(t / (1 + t * v) for t in T[:2])
    upper = T[0] * (1 + sp.sqrt(c))
    return [
        Step(
            "critical points",
            place(w).diff(w),
            1 - c * two(t**2 / (w - t) ** 2 for t in T[:2]),
            "off the support z(omega) is real and increasing: edges are its critical values",
        ),
        Step(
            "the same in v",
            inverse.diff(v),
            1 / v**2 - c * two(t**2 / (1 + t * v) ** 2 for t in T[:2]),
            "1/v^2 = c int t^2 dH/(1 + t v)^2",
        ),
        Step("one atom", place(w).diff(w).subs(one).subs(w, upper), sp.S.Zero, "omega = t (1 + sqrt c)"),
        Step(
            "its edge", place(w).subs(one).subs(w, upper), T[0] * (1 + sp.sqrt(c)) ** 2, "that of Marchenko and Pastur"
        ),
    ]


def _two_atom_steps() -> list[Step]:
    w = sp.Symbol("omega", real=True)
    r = sp.cbrt(W[0] * T[0] ** 2 / ((1 - W[0]) * T[1] ** 2))
    middle = (T[0] + r * T[1]) / (1 + r)
    split = (T[1] - T[0]) ** 2 / (sp.cbrt(W[0] * T[0] ** 2) + sp.cbrt((1 - W[0]) * T[1] ** 2)) ** 3
    z = sp.Symbol("z", real=True)
    numbers = {T[0]: 1, T[1]: 8, W[0]: sp.Rational(1, 2)}
    cubic, discriminant = _discriminant(z)
    there = place(w).subs(c, split).subs(w, middle)
    return [
        Step(
            "a cubic",
            cubic,
            (w - T[0]) * (w - T[1]) * (place(w) - z),
            "Silverstein's equation times its denominators",
            where={**TWO, w: (5, 9)},
        ),
        Step(
            "curvature vanishes",
            sp.diff(place(w), w, 2).subs(w, middle),
            sp.S.Zero,
            "(omega - t1)/(t2 - omega) = (w1 t1^2/(w2 t2^2))^(1/3): the critical points of a gap meet where z'' = 0",
            where=TWO,
            method="50 digits",
        ),
        Step(
            "slope vanishes",
            sp.diff(place(w), w).subs(w, middle).subs(c, split),
            sp.S.Zero,
            "which fixes c: the splitting",
            where=TWO,
            method="50 digits",
        ),
        Step(
            "on the discriminant",
            discriminant.subs({**numbers, c: split.subs(numbers)}).subs(z, there.subs(numbers)),
            sp.S.Zero,
            "edges are roots of the discriminant in z; this one, at t = 1, 8, is a double one:",
            method="50 digits",
        ),
        Step(
            "a double root",
            discriminant.diff(z).subs({**numbers, c: split.subs(numbers)}).subs(z, there.subs(numbers)),
            sp.S.Zero,
            "its derivative vanishes too",
            method="50 digits",
        ),
        Step(
            "value for 1 and 5",
            sp.N(split.subs({T[0]: 1, T[1]: 5, W[0]: sp.Rational(1, 2)}), 60),
            16 / (sp.cbrt(sp.Rational(1, 2)) + sp.cbrt(sp.Rational(25, 2))) ** 3,
            "0.52961",
            method="50 digits",
        ),
    ]


def _discriminant(z: sp.Symbol) -> tuple[sp.Expr, sp.Expr]:
    """The cubic in omega and its discriminant, a quartic in z, for two atoms."""
    w = sp.Symbol("omega", real=True)
    t1, t2, w1 = T[0], T[1], W[0]
    average = w1 * t1 + (1 - w1) * t2
    cubic = (w + c * average - z) * (w - t1) * (w - t2) + c * w1 * t1**2 * (w - t2) + c * (1 - w1) * t2**2 * (w - t1)
    return cubic, sp.discriminant(sp.Poly(sp.expand(cubic), w))


def discriminant_coefficients(ratio: Any, t1: Any, t2: Any, w1: Any) -> tuple[Any, ...]:
    """Coefficients of the quartic in z, highest first.

    In the differences of powers of omega: the discriminant b^2 d^2 - 4 a d^3 - 4 b^3 e + 18 a b d e - 27 a^2 e^2 of a
    cubic a, b, d, e whose coefficients are linear in z.
    """
    average, sum_, prod = w1 * t1 + (1 - w1) * t2, t1 + t2, t1 * t2
    q1, q2 = ratio * w1 * t1**2, ratio * (1 - w1) * t2**2
    poly = np.polynomial.polynomial.Polynomial
    rows = []
    for values in zip(*(np.ravel(v) for v in np.broadcast_arrays(ratio * average, sum_, prod, q1, q2, t1, t2))):
        shift, s, m, first, second, low, high = (float(v) for v in values)
        y = poly([shift, -1.0])
        b, d, e = y - s, m - s * y + first + second, m * y - first * high - second * low
        rows.append((b**2 * d**2 - 4 * d**3 - 4 * b**3 * e + 18 * b * d * e - 27 * e**2).coef[:5][::-1])
    shape = np.broadcast_shapes(*(np.shape(v) for v in (ratio, t1, t2, w1)))
    return tuple(np.array(rows).T.reshape(5, *shape))


def _cycles(order: int) -> dict[tuple[int, ...], sp.Expr]:
    """Wick's theorem for E (1/p) tr S^k: pairings of the 2k factors X, by the powers of Sigma in their traces.

    Trace k factors Sigma X X^T: factor j stands at rows r_j, with column a_j twice and row indices i_j, i_{j+1}. A
    pairing identifies rows and columns of two factors; each class of rows is a trace of Sigma to the number of its
    Sigmas, each class of columns a factor n.
    """
    rows = [(j + 1) // 2 % order for j in range(2 * order)]
    columns = [j // 2 for j in range(2 * order)]
    found: dict[tuple[int, ...], sp.Expr] = {}
    for pairing in pairings(list(range(2 * order))):
        classes = [_classes(order, [(index[x], index[y]) for x, y in pairing]) for index in (rows, columns)]
        sizes = tuple(sorted(len(group) for group in classes[0]))
        found[sizes] = found.get(sizes, sp.S.Zero) + n ** len(classes[1])
    return found


def _classes(count: int, pairs: list[tuple[int, int]]) -> list[set[int]]:
    groups = [{i} for i in range(count)]
    for x, y in pairs:
        one, other = (next(g for g in groups if i in g) for i in (x, y))
        if one is not other:
            groups.remove(other)
            one |= other
    return groups


def _wick(order: int) -> sp.Expr:
    total = sp.S.Zero
    for sizes, weight in _cycles(order).items():
        total += weight * sp.prod([p * _power(size) for size in sizes])
    return sp.expand(total / (p * n**order))


def _power(order: int) -> sp.Expr:
    return mean(t**order for t in T)


exact_moments = {
    1: _power(1),
    2: _power(2) * (1 + 1 / n) + p / n * _power(1) ** 2,
    3: _power(3) * (1 + 3 / n + 4 / n**2)
    + 3 * p / n * (1 + 1 / n) * _power(1) * _power(2)
    + (p / n) ** 2 * _power(1) ** 3,
}
limit_moments = {
    1: _power(1),
    2: _power(2) + c * _power(1) ** 2,
    3: _power(3) + 3 * c * _power(1) * _power(2) + c**2 * _power(1) ** 3,
}


def _moment_steps() -> list[Step]:
    large = sp.Symbol("L", positive=True)
    y = sp.Symbol("y", positive=True)
    series = sum((c * _power(j) * y**j for j in range(1, 4)), sp.S.One)
    found = []
    for order in (1, 2, 3):
        lagrange = sp.Poly(sp.expand(series ** (order + 1)), y).coeff_monomial(y**order) / (order + 1) / c
        found += [
            Step(
                f"pairings, order {order}",
                _wick(order),
                exact_moments[order],
                "Wick: each pairing gives n for a free column and a trace of a power of Sigma for a class of rows",
                where={T[0]: (0.5, 2), W[0]: (0.1, 0.4), W[1]: (0.1, 0.4)},
            ),
            Step(
                f"limit, order {order}",
                sp.expand(exact_moments[order].subs(p, c * n)).subs(1 / n, 1 / large).coeff(large, 0),
                sp.expand(limit_moments[order]),
                "n -> infinity at p = c n: what does not fall with n",
            ),
            Step(
                f"free cumulants, order {order}",
                lagrange,
                limit_moments[order],
                "the companion has the free cumulants c <t^j>: m_k = [y^k] (1 + sum_j c <t^j> y^j)^(k+1)/(k + 1)/c",
                where={W[0]: (0.1, 0.4), W[1]: (0.1, 0.4)},
            ),
        ]
    return found


def _weighted_steps() -> list[Step]:
    a, d, form, g = sp.symbols("a delta q gamma", positive=True)
    x, y = sp.symbols("x y", positive=True)
    return [
        Step(
            "a weighted sample",
            a * (1 / (x + a * y**2)) * y**2,
            (a * (y**2 / x)) / (1 + a * (y**2 / x)),
            "Sherman-Morrison (one dimension): a x^T R x = a q/(1 + a q) with q = x^T R_i x, which concentrates at "
            "delta: (S + lam)^-1 ~ (gamma Sigma + lam)^-1, gamma = E[a/(1 + a delta)]",
        ),
        Step(
            "equal weights",
            (a / (1 + a * d)).subs(a, 1),
            1 / (1 + d),
            "a = 1 gives h of the unweighted law back",
        ),
        Step(
            "scaled weights",
            (a / (1 + a * form / a)),
            a * (1 / (1 + form)),
            "weights a alone scale the covariance: delta = q/a",
        ),
        Step(
            "trace",
            (t_ := sp.Symbol("t", positive=True)) / (g * t_ + lam),
            t_ * (1 / (g * t_ + lam)),
            "delta = (1/n) tr Sigma R = c int t dH/(gamma t + lam)",
        ),
    ]


EQUATION = Derivation(SOURCE, _equation_steps)
EDGES = Derivation("Silverstein and Choi (1995)", _edge_steps)
TWO_ATOMS = Derivation("Silverstein and Choi (1995); the splitting by z' = z'' = 0", _two_atom_steps)
MOMENTS = Derivation("Wick's theorem; free cumulants", _moment_steps)
WEIGHTED = Derivation("weighted leave-one-out", _weighted_steps)
