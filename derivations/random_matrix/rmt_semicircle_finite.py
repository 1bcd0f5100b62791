r"""Gaussian matrices of finite size: exact moments, traces that do not scatter, and the correction of order 1/P.

Model
    W as in `rmt_semicircle`, of index beta = 1 (GOE), 2 (GUE), 4 or any other: the spectrum of the tridiagonal matrix
    with normal entries of variance 2/beta on the diagonal and chi_{beta j}/sqrt(beta), j = P - 1, ..., 1, beside it,
    times s/sqrt(P).
Result
    With u = 2/beta, for every P
    E (1/P) tr W^2 = s^2 (1 + (u - 1)/P),
    E (1/P) tr W^4 = s^4 (2 + 5 (u - 1)/P + (3 u^2 - 5 u + 3)/P^2),
    E (1/P) tr W^6 = s^6 (5 + 22 (u - 1)/P + (32 u^2 - 54 u + 32)/P^2 + (15 u^3 - 32 u^2 + 32 u - 15)/P^3);
    real matrices (u = 2): 1 + 1/P, 2 + 5/P + 5/P^2, 5 + 22/P + 52/P^2 + 41/P^3; complex ones (u = 1): 1, 2 + 1/P^2,
    5 + 10/P^2. Var tr W^2 = 2 u s^4 (1 + (u - 1)/P); Var tr W^4 = s^8 (72 + 304/P + 664/P^2 + 496/P^3) for real and
    s^8 (36 + 60/P^2) for complex matrices: traces do not scatter more as P grows. And
    E tr G_P(z) - P G(z) -> (u - 1) (z/(2 (z^2 - 4 s^2)) - 1/(2 sqrt(z^2 - 4 s^2))), u - 1 times the transform of
    (delta(x - 2 s) + delta(x + 2 s))/4 - 1/(2 pi sqrt(4 s^2 - x^2)).
Assumptions
    Gaussian entries with the diagonal's variance 2 s^2/(beta P): another diagonal changes the terms in 1/P.
Source
    Harer and Zagier, Invent. Math. 85 (1986) 457 (complex); Ledoux, Ann. Inst. H. Poincare 45 (2009) 754 (real);
    Dumitriu and Edelman, J. Math. Phys. 43 (2002) 5830 (tridiagonal form), 47 (2006) 063302 (corrections); Johansson,
    Duke Math. J. 91 (1998) 151.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.derivations.random_matrix import rmt_semicircle as law
from theorylab.derivations.random_matrix import semicircle
from theorylab.derivations.random_matrix.rmt_marchenko_pastur_moments import pairings
from theorylab.parameters import Constraint, Integers, Interval, Parameter, Space
from theorylab.prediction import ClosedForm, Numerical

S, s, CONVENTIONS = law.S, law.s, law.CONVENTIONS
SIZE = Parameter("P", Integers(1), "size of the matrix")
BETA = Parameter("beta", Interval(0, open_low=True), "1 real, 2 complex, 4 quaternion entries", default=1.0)
ORDER = Parameter("k", Integers(2, 6), "order of the moment: 2, 4 or 6")
INDEX = Parameter("beta", Integers(1, 2), "1 real, 2 complex entries", default=1)
P, beta, k = SIZE.symbol, BETA.symbol, ORDER.symbol
u = 2 / beta

exact_moments = {
    2: s**2 * (1 + (u - 1) / P),
    4: s**4 * (2 + 5 * (u - 1) / P + (3 * u**2 - 5 * u + 3) / P**2),
    6: s**6 * (
        5 + 22 * (u - 1) / P + (32 * u**2 - 54 * u + 32) / P**2 + (15 * u**3 - 32 * u**2 + 32 * u - 15) / P**3
    ),
}  # fmt: skip
trace_variance = 2 * u * s**4 * (1 + (u - 1) / P)
quartic_variance = {1: s**8 * (72 + 304 / P + 664 / P**2 + 496 / P**3), 2: s**8 * (36 + 60 / P**2)}


def by_order(formulas: dict[int, sp.Expr]) -> sp.Piecewise:
    """One expression in k from one for each order."""
    *first, last = formulas
    return sp.Piecewise(*((formulas[order], sp.Eq(k, order)) for order in first), (formulas[last], True))


def wick_moment(order: int, real: bool) -> sp.Expr:
    r"""E (1/P) tr W^order as a sum over pairings, for real or for complex entries.

    tr W^k = sum W_{i_1 i_2} W_{i_2 i_3} ... W_{i_k i_1} is a polygon whose side f goes from corner f to corner f + 1. A
    pair of sides contributes s^2/P where it is glued with opposite directions, and for real entries also where it is
    glued with equal ones (a twist); each corner that is left free is summed over P values.
    """
    return sp.expand(s**order * _glued(order, 1, real) / P ** (order // 2 + 1))


def wick_variance(order: int, real: bool) -> sp.Expr:
    """Var tr W^order: the gluings of two polygons that connect them."""
    return sp.expand(s ** (2 * order) * _glued(order, 2, real) / P**order)


def _glued(order: int, polygons: int, real: bool) -> sp.Expr:
    """Sum of P^(free corners) over the connected gluings of one or two polygons."""
    sides = [(order * j + f, order * j + (f + 1) % order) for j in range(polygons) for f in range(order)]
    total: sp.Expr = sp.S.Zero
    for pairing in pairings(list(range(len(sides)))):
        if polygons == 2 and not any(f < order <= g for f, g in pairing):
            continue
        for twists in product((False, True), repeat=len(pairing)) if real else [(False,) * len(pairing)]:
            joined = []
            for (f, g), twist in zip(pairing, twists):
                joined += list(zip(sides[f], sides[g] if twist else sides[g][::-1]))
            total += P ** _classes(len(sides), joined)
    return total


def _classes(count: int, joined: list[tuple[int, int]]) -> int:
    label = list(range(count))
    for one, other in joined:
        old, new = label[one], label[other]
        label = [new if entry == old else entry for entry in label]
    return len(set(label))


def walk_moment(order: int) -> sp.Expr:
    r"""E (1/P) tr W^order for any beta, from closed walks on the tridiagonal matrix.

    With a walk whose lowest row is i come normal moments of the rows where it stays and the moments
    E b_j^(2m) = j (j + u) ... (j + (m - 1) u) of the b_j^2 = chi^2_{beta j}/beta that it crosses; i runs over all rows
    that leave room for the walk.
    """
    i, v = sp.Symbol("i", integer=True), sp.Symbol("v", positive=True)
    total: sp.Expr = sp.S.Zero
    for shape, count in Counter(_walks(order)).items():
        stays, crossings = shape
        term: sp.Expr = sp.Integer(count)
        for times in stays:
            term *= v ** (times // 2) * sp.factorial2(times - 1)
        for height, times in enumerate(crossings):
            term *= sp.prod([i + height + v * m for m in range(times // 2)])
        # Rows are numbered from the end: the entry between rows i and i + 1 is b_i, i = 1, ..., P - 1.
        total += sp.summation(sp.expand(term), (i, 1, P - len(crossings)))
    return sp.expand((s**order * total / P ** (order // 2 + 1)).subs(v, u))


def _walks(order: int) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Closed walks with steps -1, 0, 1: how often each row is stayed on (even numbers), each edge crossed."""
    for steps in product((-1, 0, 1), repeat=order):
        if sum(steps):
            continue
        places = np.concatenate([[0], np.cumsum(steps)])
        places = places - places.min()
        stays = Counter(int(p) for p, step in zip(places, steps) if step == 0)
        if any(times % 2 for times in stays.values()):
            continue
        crossed = Counter(int(min(p, p + step)) for p, step in zip(places, steps) if step)
        yield tuple(sorted(stays.values())), tuple(crossed[e] for e in range(int(places.max())))


def correction(z: Any) -> sp.Expr:
    """Coefficient of (u - 1)/P in E G_P(z)."""
    root = sp.sqrt(z - 2 * s) * sp.sqrt(z + 2 * s)
    return z / (2 * root**2) - 1 / (2 * root)


def _moment_steps() -> list[Step]:
    large = sp.Symbol("L", positive=True)
    steps = []
    for order, formula in exact_moments.items():
        steps += [
            Step(
                f"closed walks, order {order}",
                walk_moment(order),
                formula,
                "the tridiagonal matrix of index beta: walks that return, with the moments of normal and chi variables",
            ),
            Step(
                f"orientable and twisted gluings, order {order}",
                wick_moment(order, real=True),
                formula.subs(beta, 1),
                f"Wick for real entries: {sp.factorial2(order - 1)} pairings, each with 2^{order // 2} twists",
            ),
            Step(
                f"orientable gluings, order {order}",
                wick_moment(order, real=False),
                formula.subs(beta, 2),
                "Wick for complex entries",
            ),
            Step(
                f"limit, order {order}",
                sp.Limit(formula.subs({P: large, s: 1}), large, sp.oo),
                sp.catalan(order // 2),
                "planar gluings alone remain",
            ),
        ]
    return steps


def _variance_steps() -> list[Step]:
    t = sp.Symbol("t", real=True)
    quartic = 6 + 8 * sp.cos(2 * t) + 2 * sp.cos(4 * t)
    return [
        Step(
            "variance of tr W^2",
            P * 2 * (u * s**2 / P) ** 2 + P * (P - 1) / 2 * 4 * (beta * 2 / beta**2) * (s**2 / P) ** 2,
            trace_variance,
            "tr W^2 is a sum of independent squares: P normal ones of variance u s^2/P, and twice P (P - 1)/2 squared "
            "moduli, chi^2_beta/beta of variance 2/beta times s^2/P",
        ),
        Step(
            "fourth power in Chebyshev polynomials",
            (2 * sp.cos(t)) ** 4,
            quartic,
            "x = 2 s cos t: coefficients c_2 = 8, c_4 = 2 in units of s^4",
        ),
        *(
            Step(
                f"variance of tr W^4, beta = {index}",
                wick_variance(4, real=index == 1),
                formula,
                "Wick: the gluings of two squares that connect them",
            )
            for index, formula in quartic_variance.items()
        ),
        *(
            Step(
                f"its limit, beta = {index}",
                sp.Limit(formula.subs(s, 1), P, sp.oo),
                sp.Rational(2, 4 * index) * (2 * 8**2 + 4 * 2**2),
                "Var tr f(W) -> (u/4) sum_j j c_j^2 for f = sum_j c_j T_j(x/2s) (Johansson 1998)",
            )
            for index, formula in quartic_variance.items()
        ),
        Step(
            "the same for tr W^2",
            (u / 4) * 2 * 2**2 * s**4,
            sp.Limit(trace_variance, P, sp.oo),
            "x^2 = 2 + 2 cos 2t: agrees with the exact variance",
        ),
    ]


def _correction_steps() -> list[Step]:
    z, w, h, t = sp.symbols("z w h t", positive=True)
    g = sp.Symbol("g")
    leading = law.transform(z)
    linear = sp.solve(z * g - 2 * s**2 * leading * g - s**2 * (-leading.diff(z)), g)[0]
    outside: dict[sp.Symbol, Any] = {z: (5, 9), s: (0.5, 2)}
    series = sp.series((w / (1 - 4 * s**2 * w**2) - w / sp.sqrt(1 - 4 * s**2 * w**2)) / 2, w, 0, 8).removeO()
    y = sp.Symbol("y", real=True)
    gauss = sp.exp(-(y**2) / (2 * u * s**2)) / s
    return [
        Step(
            "Gaussian integration by parts",
            (y / (z - y) - u * s**2 / (z - y) ** 2) * gauss,
            sp.Derivative(-u * s**2 * gauss / (z - y), y),
            "a total derivative, whose integral vanishes. For every P so "
            "E tr W R = (s^2/P) E [(tr R)^2 + (u - 1) tr R^2], R = (z - W)^-1 (shown for P = 1, W = y)",
            where={y: (0.1, 0.9), z: (5, 9)},
        ),
        Step(
            "first order",
            linear,
            correction(z),
            "tr W R = z tr R - P and Var tr R = O(1): z G_P = 1 + s^2 G_P^2 - (u - 1) (s^2/P) G_P' + O(1/P^2), "
            "solved at G + (u - 1) g/P",
            where=outside,
            method="50 digits",
        ),
        Step(
            "as a measure",
            (1 / (z - 2 * s) + 1 / (z + 2 * s)) / 4
            - sp.Integral(1 / (z - 2 * s * sp.cos(t)), (t, 0, sp.pi)) / (2 * sp.pi),
            correction(z),
            "(delta(x - 2 s) + delta(x + 2 s))/4 - 1/(2 pi sqrt(4 s^2 - x^2)) has this transform",
            where=outside,
            method="50 digits",
        ),
        Step(
            "in half the angle",
            correction(2 * s * sp.cosh(h)),
            sp.exp(-h) / (4 * s * sp.sinh(h) ** 2),
            "z = 2 s cosh h",
            where={h: (0.3, 2)},
            method="50 digits",
        ),
        *(
            Step(
                f"moment {order}",
                series.coeff(w, order + 1),
                sp.Limit(
                    ((exact_moments[order].subs(beta, 1) - law.catalan(order)) * P).subs(s, 1), P, sp.oo
                ) * s**order,
                "the coefficient of 1/P in the exact moments: 1, 5, 22",
            )
            for order in (2, 4, 6)
        ),
    ]  # fmt: skip


_WALKS = Derivation("Wick's theorem; closed walks on the tridiagonal matrix", _moment_steps)
EXACT_MOMENT = ClosedForm(
    expr=by_order(exact_moments),
    space=Space(
        [ORDER, SIZE, BETA, S], [Constraint(sp.Eq(sp.Mod(k, 2), 0), "k = 2, 4 or 6: odd moments vanish")]
    ),
    quantity="E (1/P) tr W^k",
    conventions=CONVENTIONS,
    derivation=_WALKS,
)  # fmt: skip
TRACE_VARIANCE = ClosedForm(
    expr=trace_variance,
    space=Space([SIZE, BETA, S]),
    quantity="Var tr W^2",
    conventions=CONVENTIONS,
    derivation=Derivation("independent squares; Johansson (1998)", _variance_steps),
)
QUARTIC_VARIANCE = ClosedForm(
    expr=sp.Piecewise((quartic_variance[1], sp.Eq(INDEX.symbol, 1)), (quartic_variance[2], True)),
    space=Space([SIZE, INDEX, S]),
    quantity="Var tr W^4",
    conventions=CONVENTIONS,
    derivation=TRACE_VARIANCE.derivation,
)
EXCESS_EXPONENT = ClosedForm(
    expr=sp.Piecewise((-2, sp.Eq(beta, 2)), (-1, True)),
    space=Space([BETA]),
    quantity="exponent of E (1/P) tr W^4 - 2 s^4 in P",
    conventions=CONVENTIONS,
    derivation=_WALKS,
)


def resolvent_trace(*, P: Any, a: Any, b: Any, part: Any, beta: Any, s: Any) -> tuple[np.ndarray, np.ndarray]:
    """E tr (z - W)^-1 to order 1, and its rounding error."""
    real, imaginary = semicircle.stieltjes_parts(a, b, 1.0)
    g = real + 1j * imaginary
    # With z = 2 cosh h and g = exp(-h): 2 sinh h = 1/g - g.
    first = (2.0 / beta - 1.0) * g / (1.0 / g - g) ** 2
    value = (P * g + first) / s
    error = 1e-14 * (P * np.abs(g) + np.abs(first) * (1.0 + 1.0 / np.abs(1.0 / g - g))) / s
    return np.asarray(np.where(part == 0, value.real, value.imag)), np.asarray(error)


RESOLVENT_TRACE = Numerical(
    function=resolvent_trace,
    space=Space([SIZE, law.ABSCISSA, law.HEIGHT, law.PART, BETA, S]),
    quantity="E tr (z - W)^-1 at z = (a + i b) s",
    conventions=CONVENTIONS,
    derivation=Derivation("Gaussian integration by parts", _correction_steps),
    formula=r"P G(z) + \left(\tfrac2\beta - 1\right) \left[\tfrac{z}{2 (z^2 - 4 s^2)} - "
    r"\tfrac{1}{2 \sqrt{z^2 - 4 s^2}}\right]",
)
