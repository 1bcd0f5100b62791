r"""The phases of compute-optimal scaling: one-pass SGD on power-law random features, all exponents and all boundaries.

Model
    That of `plrf_volterra`: inputs $x_j = j^{-\alpha} z_j$ with $z$ standard normal in R^v, target $b_j = j^{-\beta}$,
    features W^T x with W_ij ~ N(0, 1/d), trained by one-pass SGD with batch size B (fixed) and learning rate
    gamma = const below stability if 2 alpha > 1, gamma = const d^(2 alpha - 1) if 2 alpha < 1. Compute f = r B d.
Result
    The compute-optimal size is d* ~ f^xi and the loss there P* ~ f^-eta, with (xi, eta) by phase, a = alpha, b = beta:

    phase  region                          optimum where   xi                              eta
    Ia     2a > 1, 2b < 1                  F_pp = F_0      1/(2a+1)                        (2a+2b-1)/(2a+1)
    Ib     2a < 1, 2b < 1                  F_pp = F_0      1/2                             a+b-1/2
    Ic     a < 1/4, 2b > 1                 F_pp = F_0      (2a+2b-1)/(6a+4b-2-4ab)         2a xi
    II     2a > 1, 2b > 1, b < a           F_pp = F_ac     b/(a+b)                         (2a+2b-1)/(2(a+b))
    III    2a > 1, b > a                   K_pp = F_ac     1/2                             (4a-1)/(4a)
    IVa    1-1/sqrt2 < a < 1/2, 2b > 1     K_pp = F_0      1/2                             a
    IVb    1/4 < a < 1-1/sqrt2, 2b > 1     F_pp = K_pp     (b-a)/(2b-a-2ab)                (1-2a)(2a+2b-1)/(2(2b-a-2ab))

    valid for 2(a + b) > 1; below that line the loss has no power law. eta is continuous across every boundary; xi jumps
    at a = 1 - 1/sqrt 2 and is continuous across all others. Nothing in this table is typed in below: `terms` states the
    loss as a sum of monomials, and `tropical` finds regions, optima and boundaries.
Terms
    Each component of the loss is an integral over the spectrum, from d^(-2a) to 1, of u^(q-1) exp(-s u) with
    s = gamma r (up to constants), times a power of d. Until s = d^(2a) it is of the order of its larger end, s^-q or
    d^(-2aq); then it dies, and F_0 alone remains:

        F_pp                         q = (2a+2b-1)/(2a)
        F_ac   (1 + d^(1-2b))/d      q = (2a-1)/(2a)
        K_pp   gamma                 q = (4a-1)/(2a)
        F_0    d^(-2a) + d^(1-2a-2b)

    Which end is the larger depends on the sign of q, hence the lines a = 1/2 and a = 1/4; which part of the target's
    sum, the embedded or the rest, on that of 1 - 2b. The boundaries b = a and 2a^2 - 4a + 1 = 0 are found.
Source
    Paquette, Paquette, Xiao and Pennington (2024), arXiv:2405.15074v2, Table 1 and Sections 3-4. Ib is proved there for
    a > 1/4 only, and Ic is stated without proof.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation
from theorylab.derivations.scaling_laws import plrf_phases_steps as steps
from theorylab.derivations.scaling_laws.tropical import Competition, Programme, Region, Term, piecewise
from theorylab.parameters import Constraint, Interval, Parameter, Space
from theorylab.prediction import ClosedForm
from theorylab.symbolic import compile_expression

ALPHA = Parameter("alpha", Interval(0, open_low=True), "data complexity: the inputs' standard deviations are j^-alpha")
BETA = Parameter("beta", Interval(0, open_low=True), "target complexity: the target's coefficients are j^-beta")
a, b = ALPHA.symbol, BETA.symbol

SPACE = Space([ALPHA, BETA], [Constraint(2 * (a + b) > 1, "below this line the loss follows no power law")])
CONVENTIONS = {
    "xi": "d* ~ f^xi with f = r B d, B fixed",
    "eta": "P* ~ f^-eta, full risk P",
    "gamma": "constant if 2 alpha > 1, proportional to d^(2 alpha - 1) if 2 alpha < 1",
    "v": "v/d large if 2 alpha > 1, fixed if 2 alpha < 1",
}
SOURCE = "Paquette, Paquette, Xiao and Pennington (2024), Table 1"

# A point of each phase: what the literature calls the region that it is in.
NAMES = {
    "Ia": (sp.Rational(4, 5), sp.Rational(3, 10)),
    "Ib": (sp.Rational(2, 5), sp.Rational(3, 10)),
    "Ic": (sp.Rational(3, 20), sp.Rational(4, 5)),
    "II": (sp.Integer(1), sp.Rational(7, 10)),
    "III": (sp.Rational(4, 5), sp.Rational(6, 5)),
    "IVa": (sp.Rational(2, 5), sp.Integer(1)),
    "IVb": (sp.Rational(27, 100), sp.Rational(7, 10)),
}


def terms(slowing: sp.Expr) -> tuple[Term, ...]:
    """The loss as monomials in f at d = f^x and r = f/d, for a learning rate d^-slowing."""
    zero, one = sp.Integer(0), sp.Integer(1)
    # The power of f in s = gamma r.
    time, per_size = one, -(1 + slowing)

    def ends(name: str, prefactor: sp.Expr, q: sp.Expr) -> list[Term]:
        return [
            Term(name, -q * time, prefactor - q * per_size),
            Term(f"{name} (cut off)", zero, prefactor - 2 * a * q),
        ]

    return (
        *ends("F_pp", zero, (2 * a + 2 * b - 1) / (2 * a)),
        *ends("F_ac", -one, (2 * a - 1) / (2 * a)),
        *ends("F_ac (tail)", -2 * b, (2 * a - 1) / (2 * a)),
        *ends("K_pp", -slowing, (4 * a - 1) / (2 * a)),
        Term("F_0", zero, -2 * a),
        Term("F_0 (tail)", zero, 1 - 2 * a - 2 * b),
    )


def programme(slowing: sp.Expr, where: sp.Expr) -> Programme:
    """The competition from the death of the dynamics, s = d^(2a), to the first step, s = 1.

    For smaller d, beyond death, F_0 alone is left; it decreases in d, and at the death point no other term exceeds it:
    so nothing is gained there.
    """
    return Programme(terms(slowing), 1 / (1 + slowing + 2 * a), 1 / (1 + slowing), (where,))


COMPETITION = Competition(
    [programme(sp.Integer(0), 2 * a - 1), programme(1 - 2 * a, 1 - 2 * a)], (a, b), (a, b, 2 * a + 2 * b - 1)
)


def _named() -> dict[str, Region]:
    regions = COMPETITION.regions
    return {name: next(r for r in regions if r.holds({a: p, b: q})) for name, (p, q) in NAMES.items()}


PHASES = _named()
xi = piecewise(list(PHASES.values()), lambda region: region.x)
eta = piecewise(list(PHASES.values()), lambda region: sp.factor(-region.value))
# The learning rate is d^-slowing, and a run at the optimum lasts until s = gamma r = d*^duration.
slowing = sp.Max(0, 1 - 2 * a)


def _duration(region: Region) -> sp.Expr:
    point = dict(zip((a, b), (sp.Rational(str(c)) for c in region.points[0])))
    return sp.factor((1 - region.x) / region.x - (1 - 2 * a if slowing.subs(point) > 0 else 0))


duration = piecewise(list(PHASES.values()), _duration)
# Where IVa ends: the root, between its neighbours, of the only boundary that is not a straight line.
curved = next(c for c in PHASES["IVa"].conditions if sp.degree(c, a) == 2)
universality = next(root for root in sp.roots(curved, a) if sp.Rational(1, 4) < root < sp.Rational(1, 2))


def _numeric(form: sp.Piecewise) -> Callable[..., np.ndarray]:
    """Double precision that keeps the digits of 2a + 2b - 1 near the line where it vanishes, and of 2b - 1."""
    gap, half = sp.Symbol("gap", positive=True), sp.Symbol("half", real=True)
    shifted = {b: half + sp.Rational(1, 2)}

    @cache
    def compiled() -> Callable[..., Any]:
        branches = []
        for expr, condition in form.args:
            above, below = sp.fraction(sp.factor(expr).subs(2 * a + 2 * b - 1, gap))
            branches.append((above.subs(shifted) / sp.expand(below.subs(shifted)), condition.subs(shifted)))
        return compile_expression(sp.Piecewise(*branches), [a, half, gap])

    def numeric(alpha: Any, beta: Any) -> np.ndarray:
        # The larger of the two is at least 1/4: its difference from 1/2 is exact where it matters.
        larger, smaller = np.maximum(alpha, beta), np.minimum(alpha, beta)
        return np.asarray(compiled()(alpha, beta - 0.5, 2.0 * ((larger - 0.5) + smaller)))

    return numeric


_CORNERS = (
    {"alpha": 0.4999999999999, "beta": 1e-13 + 1e-16},
    {"alpha": 1e-9, "beta": 0.5 + 1e-9},
    {"alpha": 1e-9, "beta": 0.5 - 1e-9 + 1e-15},
    {"alpha": 0.2, "beta": 0.3 + 1e-15},
    {"alpha": 1e-7, "beta": 1e7},
    {"alpha": 0.2928, "beta": 1e6},
    {"alpha": 0.25 + 1e-12, "beta": 0.5 + 1e-12},
    {"alpha": 1.0, "beta": 1.0},
)


def _closed(form: sp.Expr, quantity: str) -> ClosedForm:
    return ClosedForm(
        expr=form,
        numeric=_numeric(form),
        space=SPACE,
        quantity=quantity,
        conventions=CONVENTIONS,
        derivation=DERIVATION,
        corners=_CORNERS,
    )


DERIVATION = Derivation(SOURCE, lambda: steps.build(PHASES, terms, (a, b), NAMES, universality))
SIZE = _closed(xi, "exponent xi of the compute-optimal size")
LOSS = _closed(eta, "exponent eta of the compute-optimal loss")
DURATION = _closed(duration, "exponent of gamma r in d* at the optimum")
BOUNDARY = ClosedForm(
    expr=universality,
    space=Space([]),
    quantity="alpha between the phases IVa and IVb",
    conventions=CONVENTIONS,
    derivation=DERIVATION,
)
