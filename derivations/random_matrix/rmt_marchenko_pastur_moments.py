r"""Transforms, free cumulants and moments of the Marchenko-Pastur law, and the exact moments at finite size.

Model
    S = X X^T / n as in `rmt_marchenko_pastur`; for finite sizes the entries are real Gaussian.
Result
    R(g) = sigma^2 / (1 - c sigma^2 g), S(u) = 1 / (sigma^2 (1 + c u)), free cumulants c^(k-1) sigma^(2k), moments
    sigma^(2k) sum_{r<k} c^r / (r+1) binom(k, r) binom(k-1, r). Exactly, for every p and n:
    E (1/p) tr S^2 = sigma^4 (1 + (p+1)/n), E (1/p) tr S^3 = sigma^6 (1 + 3(p+1)/n + (p^2+3p+4)/n^2),
    E (1/p) tr S^-1 = n / (sigma^2 (n - p - 1)) for n > p + 1.
    The transforms do their work on sums and products of independent matrices: (S_1 + S_2) and (S_1 S_2).
Source
    Voiculescu, Dykema and Nica, "Free Random Variables" (1992), for the transforms; Lagrange inversion and
    Wick's (Isserlis') theorem for the moments; Muirhead, "Aspects of Multivariate Statistical Theory" (1982),
    section 3.2, for the inverse.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.derivations.random_matrix import rmt_marchenko_pastur as law
from theorylab.parameters import Constraint, Integers, Interval, Parameter, Space
from theorylab.prediction import ClosedForm, Implicit

C, LAM, SIGMA, CONVENTIONS = law.C, law.LAM, law.SIGMA, law.CONVENTIONS
c, lam, sigma = law.c, law.lam, law.sigma
P = Parameter("p", Integers(1), "rows of X: the dimension")
N = Parameter("n", Integers(1), "columns of X: the number of samples")
ORDER = Parameter("k", Integers(1, 8), "order of the moment")
EXACT_ORDER = Parameter("k", Integers(1, 3), "order of the moment")
PRODUCT_ORDER = Parameter("k", Integers(1, 3), "order of the moment")
ARGUMENT = Parameter("g", Interval(), "argument of the R-transform: the value of G(z) = (1/p) tr (z - S)^-1")
SHIFTED = Parameter("u", Interval(-1, open_low=True), "argument of the S-transform: the value of sum_k m_k zeta^k")
C1 = Parameter("c1", Interval(0, open_low=True), "p/n of the first matrix")
C2 = Parameter("c2", Interval(0, open_low=True), "p/n of the second matrix")
p, n, k, g, u = (q.symbol for q in (P, N, ORDER, ARGUMENT, SHIFTED))
c1, c2 = C1.symbol, C2.symbol

# z at which G(z) = g: the self-consistent equation of `rmt_marchenko_pastur` at m = -g, linear in z.
cauchy_inverse = (1 + sigma**2 * (1 - c) * g) / (g * (1 - c * sigma**2 * g))
r_transform = sigma**2 / (1 - c * sigma**2 * g)
s_transform = 1 / (sigma**2 * (1 + c * u))


def narayana(order: int) -> sp.Expr:
    """Moment of the given order."""
    terms = (c**r / sp.Integer(r + 1) * sp.binomial(order, r) * sp.binomial(order - 1, r) for r in range(order))
    return sigma ** (2 * order) * sum(terms, sp.S.Zero)


def pairings(items: list[int]) -> Iterator[list[tuple[int, int]]]:
    """All ways to group an even number of items in pairs."""
    if not items:
        yield []
        return
    first, rest = items[0], items[1:]
    for i, partner in enumerate(rest):
        for others in pairings(rest[:i] + rest[i + 1 :]):
            yield [(first, partner), *others]


def wick_moment(order: int) -> sp.Expr:
    r"""E (1/p) tr S^k for real Gaussian entries, as a sum over pairings.

    tr (X X^T)^k = sum X_{i_1 a_1} X_{i_2 a_1} X_{i_2 a_2} X_{i_3 a_2} ...: the factors 2j and 2j+1 share the column
    index a_j, the factors 2j+1 and 2j+2 the row index i_{j+1}. A pairing of factors identifies their row indices and
    their column indices; each free row index is summed over p values, each free column index over n.
    """
    row, column = [((f + 1) // 2) % order for f in range(2 * order)], [f // 2 for f in range(2 * order)]
    total = sp.S.Zero
    for pairing in pairings(list(range(2 * order))):
        free = [_classes(order, [(index[a], index[b]) for a, b in pairing]) for index in (row, column)]
        total += p ** free[0] * n ** free[1]
    return sp.expand(sigma ** (2 * order) * total / (p * n**order))


def _classes(count: int, joined: Sequence[tuple[int, int]]) -> int:
    label = list(range(count))
    for a, b in joined:
        old, new = label[a], label[b]
        label = [new if entry == old else entry for entry in label]
    return len(set(label))


def _transform_steps() -> list[Step]:
    m, z, zeta = sp.symbols("m z zeta", positive=True)
    inverse = u * s_transform / (1 + u)
    return [
        Step(
            "G inverted",
            (c * sigma**2 * z * m**2 + (z - sigma**2 * (1 - c)) * m + 1).subs({m: -g, z: cauchy_inverse}),
            sp.S.Zero,
            "the self-consistent equation at m = -G is linear in z",
        ),
        Step("R-transform", cauchy_inverse - 1 / g, r_transform, "R(g) = G^-1(g) - 1/g"),
        Step(
            "S-transform",
            (cauchy_inverse - 1 / zeta).subs(g, zeta * (1 + u)).subs(zeta, inverse),
            sp.S.Zero,
            "at psi(zeta) = u the moment series gives G(1/zeta) = zeta (1 + u); S(u) = (1 + u)/u psi^-1(u)",
        ),
        *(
            Step(
                f"free cumulant {order}",
                r_transform.diff(g, order - 1).subs(g, 0) / sp.factorial(order - 1),
                c ** (order - 1) * sigma ** (2 * order),
                "R(g) = sum_k kappa_k g^(k-1)",
            )
            for order in range(1, 6)
        ),
    ]


def _moment_steps() -> list[Step]:
    t = sp.Symbol("t")
    steps = []
    for order in range(1, 7):
        cumulants = 1 + sum(c ** (j - 1) * sigma ** (2 * j) * t**j for j in range(1, order + 1))
        coefficient = sp.Poly(sp.expand(cumulants ** (order + 1)), t).coeff_monomial(t**order)
        steps.append(
            Step(
                f"moment {order}",
                coefficient / (order + 1),
                narayana(order),
                "Lagrange inversion of z = (1 + g R(g))/g: m_k = [g^k] (1 + sum_j kappa_j g^j)^(k+1) / (k + 1)",
            )
        )
    return steps


def _wick_steps() -> list[Step]:
    large = sp.Symbol("L", positive=True)
    steps = [
        Step(
            f"sum over pairings, order {order}",
            wick_moment(order),
            exact_moments[order],
            f"Wick: {sp.factorial2(2 * order - 1)} pairings, each p^(free rows) n^(free columns)",
        )
        for order in exact_moments
    ]
    steps += [
        Step(
            f"limit, order {order}",
            sp.Limit(exact_moments[order].subs({p: c * large, n: large}), large, sp.oo),
            narayana(order),
            "p = c n -> infinity gives the moment of the law",
        )
        for order in exact_moments
    ]
    return steps


def _inverse_steps() -> list[Step]:
    t, j = sp.symbols("t j", positive=True)
    # chi^2 with 2 + 2j degrees of freedom, j > 0.
    density = t**j * sp.exp(-t / 2) / (2 ** (j + 1) * sp.gamma(j + 1))
    a, b, d = sp.symbols("a b d", positive=True)
    return [
        Step(
            "one diagonal entry",
            sp.Matrix([[a + b**2 / d, b], [b, d]]).inv()[0, 0],
            1 / a,
            "(X X^T)^-1_11 = 1 / (squared distance of the first row from the span of the others): Schur complement; "
            "that distance is sigma^2 chi^2 with n - p + 1 degrees of freedom",
        ),
        Step(
            "inverse chi-square",
            sp.Integral(density / t, (t, 0, sp.oo)),
            1 / (2 * j),
            "E 1/chi^2 with 2 + 2j degrees of freedom",
            method="symbolic",
        ),
        Step(
            "inverse moment",
            (n / sigma**2) * (1 / (2 * j)).subs(j, (n - p - 1) / 2),
            n / (sigma**2 * (n - p - 1)),
            "S = X X^T / n; n - p + 1 = 2 + 2j",
        ),
    ]


def _sum_steps() -> list[Step]:
    m = sp.Symbol("m", positive=True)
    both = sum((r_transform.subs(c, ratio) for ratio in (c1, c2)), sp.S.Zero)
    return [
        Step(
            "two equal ratios",
            both.subs({c1: c, c2: c}),
            2 * sigma**2 / (1 - (c / 2) * (2 * sigma**2) * g),
            "S_1 + S_2 with c1 = c2 = c is twice a matrix of 2n samples: R of ratio c/2 and variance 2 sigma^2",
        ),
        Step(
            "R-transforms add",
            -(1 / g + both).subs(g, -m),
            1 / m - sigma**2 / (1 + c1 * sigma**2 * m) - sigma**2 / (1 + c2 * sigma**2 * m),
            "independent Wishart matrices are asymptotically free; z = 1/g + R_1(g) + R_2(g) at z = -lam, g = -m",
        ),
    ]


def _product_steps() -> list[Step]:
    t = sp.Symbol("t")
    product = sp.prod([s_transform.subs(c, ratio) for ratio in (c1, c2)])
    steps = []
    for order, closed in product_moments.items():
        # psi^{-1}(u) = u S(u)/(1 + u); Lagrange inversion of it gives the moments.
        series = sp.series(((1 + t) / product.subs(u, t)) ** order, t, 0, order).removeO()
        steps.append(
            Step(
                f"moment {order} of the product",
                sp.expand(series).coeff(t, order - 1) / order,
                closed,
                "S-transforms multiply; m_k = (1/k) [u^(k-1)] ((1 + u)/S(u))^k",
            )
        )
    return steps


exact_moments = {
    1: sigma**2,
    2: sigma**4 * (1 + (p + 1) / n),
    3: sigma**6 * (1 + 3 * (p + 1) / n + (p**2 + 3 * p + 4) / n**2),
}
product_moments = {
    1: sigma**4,
    2: sigma**8 * (1 + c1 + c2),
    3: sigma**12 * (1 + 3 * (c1 + c2) + c1**2 + c2**2 + 3 * c1 * c2),
}


def by_order(formulas: dict[int, sp.Expr]) -> sp.Piecewise:
    """One expression in k from one for each order."""
    return sp.Piecewise(*((formula, sp.Eq(k, order)) for order, formula in formulas.items()))


R_TRANSFORM = ClosedForm(
    expr=r_transform,
    space=Space(
        [ARGUMENT, C, SIGMA],
        [Constraint(c * sigma**2 * g < 1, "G(z) outside the support stays below 1/(c sigma^2): R has a pole there")],
    ),
    quantity="R-transform",
    conventions={**CONVENTIONS, "R": "G(1/g + R(g)) = g with G(z) = (1/p) tr (z - S)^-1"},
    derivation=Derivation("Voiculescu, Dykema and Nica (1992)", _transform_steps),
    corners=({"g": 1 - 1e-6, "c": 1.0, "sigma": 1.0},),
)
S_TRANSFORM = ClosedForm(
    expr=s_transform,
    space=Space(
        [SHIFTED, C, SIGMA],
        [Constraint(c * u > -1, "the S-transform of a law with an atom 1 - 1/c at 0 lives on u > -1/c")],
    ),
    quantity="S-transform",
    conventions={**CONVENTIONS, "S": "S(u) = (1 + u)/u times the inverse of sum_k m_k zeta^k"},
    derivation=R_TRANSFORM.derivation,
    corners=({"u": -1 + 1e-6, "c": 1.0, "sigma": 1.0},),
)
MOMENT = ClosedForm(
    expr=by_order({order: narayana(order) for order in range(1, 9)}),
    space=Space([ORDER, C, SIGMA]),
    quantity="k-th spectral moment",
    conventions=CONVENTIONS,
    derivation=Derivation("Lagrange inversion of the R-transform", _moment_steps),
)
EXACT_MOMENT = ClosedForm(
    expr=by_order(exact_moments),
    space=Space([EXACT_ORDER, P, N, SIGMA]),
    quantity="E (1/p) tr S^k",
    conventions={**CONVENTIONS, "entries": "real Gaussian"},
    derivation=Derivation("Wick's theorem", _wick_steps),
)
INVERSE_MOMENT = ClosedForm(
    expr=n / (sigma**2 * (n - p - 1)),
    space=Space([P, N, SIGMA], [Constraint(n > p + 1, "E S^-1 is infinite unless n > p + 1")]),
    quantity="E (1/p) tr S^-1",
    conventions={**CONVENTIONS, "entries": "real Gaussian"},
    derivation=Derivation("Muirhead (1982), section 3.2", _inverse_steps),
)
_m = sp.Symbol("m", positive=True)


def _sum_bracket(*, c1: Any, c2: Any, lam: Any, sigma: Any) -> tuple[Any, Any]:
    # 1/(mean + lam) <= m <= 1/lam by Jensen's inequality and positivity.
    return 1.0 / (lam + 2.0 * sigma**2) * (1 - 1e-12), 1.0 / lam * (1 + 1e-12)


SUM_RESOLVENT = Implicit(
    equation=lam * _m - 1 + sigma**2 * _m / (1 + c1 * sigma**2 * _m) + sigma**2 * _m / (1 + c2 * sigma**2 * _m),
    unknown=_m,
    bracket=_sum_bracket,
    space=Space([C1, C2, LAM, SIGMA]),
    quantity="(1/p) tr (S_1 + S_2 + lam)^-1",
    conventions={**CONVENTIONS, "c1, c2": "p/n_1 and p/n_2"},
    derivation=Derivation("additivity of the R-transform", _sum_steps),
    corners=(
        {"c1": 1e-9, "c2": 1.0, "lam": 1e-9},
        {"c1": 100.0, "c2": 3.0, "lam": 1e-6},
        {"c1": 0.5, "c2": 0.5, "lam": 1e9},
    ),
)
PRODUCT_MOMENT = ClosedForm(
    expr=by_order(product_moments),
    space=Space([PRODUCT_ORDER, C1, C2, SIGMA]),
    quantity="(1/p) tr (S_1 S_2)^k",
    conventions={**CONVENTIONS, "c1, c2": "p/n_1 and p/n_2"},
    derivation=Derivation("multiplicativity of the S-transform", _product_steps),
)
