"""The steps behind the table of phases: what each component is of the order of, and why each optimum is one."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

import sympy as sp

from theorylab.derivation import Step
from theorylab.derivations.scaling_laws.tropical import Region, Term

Point = tuple[sp.Rational, sp.Rational]
# Half the width of the boxes, around a point of each phase, from which the 50-digit replays draw.
BOX = sp.Rational(1, 100)


def build(
    phases: Mapping[str, Region],
    terms: Callable[[sp.Expr], tuple[Term, ...]],
    parameters: tuple[sp.Symbol, sp.Symbol],
    points: Mapping[str, Point],
    boundary: sp.Expr,
) -> list[Step]:
    """All steps."""
    a, _ = parameters
    optima = itertools.chain.from_iterable(
        _optimum(name, phases[name], terms(1 - 2 * a if point[0] < sp.Rational(1, 2) else sp.Integer(0)), *at)
        for name, point in points.items()
        for at in [(parameters, point)]
    )
    return [*_components(*parameters), *_death(terms, *parameters), *optima, *_boundary(phases, terms, a, boundary)]


def _components(a: sp.Symbol, b: sp.Symbol) -> list[Step]:
    u, s, q, d = sp.symbols("u s q d", positive=True)
    j = u ** (-1 / (2 * a))
    per_eigenvalue = -j.diff(u)
    return [
        Step(
            "target seen by the spectrum",
            j ** (-2 * a - 2 * b) * per_eigenvalue,
            u ** ((2 * a + 2 * b - 1) / (2 * a) - 1) / (2 * a),
            "eigenvalues are u = j^(-2a): the sum over j of j^(-2a-2b) is the integral over u of u^(q-1)/(2a), with "
            "the q of F_pp",
        ),
        Step(
            "kernel seen by the spectrum",
            u**2 * per_eigenvalue,
            u ** ((4 * a - 1) / (2 * a) - 1) / (2 * a),
            "a step adds gamma^2 B u^2 of the loss to each direction: the q of K_pp",
        ),
        Step(
            "spread of the target over the spectrum",
            u * per_eigenvalue,
            u ** ((2 * a - 1) / (2 * a) - 1) / (2 * a),
            "to first order m = 1 - (1/d) sum_j u_j/(u_j - z), whose imaginary part is pi/d times this density: the q "
            "of F_ac; the forcing changes by it times the sum over j <= d of j^(-2b), of the order 1 + d^(1-2b)",
        ),
        Step(
            "decay",
            sp.Integral(u ** (q - 1) * sp.exp(-s * u), (u, 0, sp.oo)),
            sp.gamma(q) * s**-q,
            "for q > 0 the integral of u^(q-1) exp(-s u) is of the order of s^-q",
        ),
        Step(
            "cut-off",
            sp.Integral(u ** (-q - 1), (u, d ** (-2 * a), 1)),
            (d ** (2 * a * q) - 1) / q,
            "for an exponent -q < 0 it is of the order of its lower end, until s = d^(2a)",
        ),
    ]


def _death(terms: Callable[[sp.Expr], tuple[Term, ...]], a: sp.Symbol, b: sp.Symbol) -> list[Step]:
    """Where s = d^(2a), nothing is larger than F_0."""
    out = []
    for line, slowing, low in (("above", sp.Integer(0), sp.Rational(1, 2)), ("below", 1 - 2 * a, sp.Rational(1, 20))):
        every = terms(slowing)
        x = 1 / (1 + slowing + 2 * a)
        remains = [t.at(x) for t in every if t.name.startswith("F_0")]
        out.append(
            Step(
                f"death, {line} the high-dimensional line",
                sp.Max(*(t.at(x) for t in every)),
                sp.Max(*remains),
                "at s = d^(2a) no component exceeds F_0, which alone is left at smaller d, and decreases in d",
                where={a: (low, low + sp.Rational(9, 20)), b: (sp.Rational(1, 2), sp.Rational(3, 2))},
                method="50 digits",
            )
        )
    return out


def _optimum(
    name: str, region: Region, every: tuple[Term, ...], parameters: tuple[sp.Symbol, sp.Symbol], point: Point
) -> list[Step]:
    x = sp.Symbol("x", real=True)
    at = dict(zip(parameters, point))
    where = {symbol: (value - BOX, value + BOX) for symbol, value in at.items()}
    active = [t for t in every if t.name in region.largest]
    rising, falling = next(
        (s, t) for s, t in itertools.permutations(active, 2) if s.slope.subs(at) > 0 > t.slope.subs(at)
    )
    share = falling.slope / (falling.slope - rising.slope)
    return [
        Step(
            f"{name}: crossing",
            (falling.power - rising.power) / (rising.slope - falling.slope),
            region.x,
            f"{rising.name} = {falling.name} at d = f^xi",
        ),
        Step(
            f"{name}: no size does better",
            share * rising.at(x) + (1 - share) * falling.at(x),
            region.value,
            f"at every x the larger of {rising.name}, which grows with d, and {falling.name}, which falls, is at least "
            "this mean of them, which is -eta",
        ),
        Step(
            f"{name}: it is a mean",
            sp.Abs(share) + sp.Abs(1 - share),
            sp.Integer(1),
            "both weights are positive in the region",
            where=where,
        ),
        Step(
            f"{name}: nothing else is larger there",
            sp.Max(*(t.at(region.x) for t in every)),
            region.value,
            "so the bound is attained",
            where=where,
            method="50 digits",
        ),
    ]


def _boundary(
    phases: Mapping[str, Region], terms: Callable[[sp.Expr], tuple[Term, ...]], a: sp.Symbol, boundary: sp.Expr
) -> list[Step]:
    x = sp.Symbol("x", real=True)
    noise = next(t for t in terms(1 - 2 * a) if t.name == "K_pp")
    return [
        Step(
            "noise at a fixed budget",
            sp.Derivative(noise.at(x), x),
            -(2 * a**2 - 4 * a + 1) / a,
            "the power of d in K_pp at fixed f below the high-dimensional line",
        ),
        Step(
            "end of universality",
            (2 * a**2 - 4 * a + 1).subs(a, boundary),
            sp.Integer(0),
            "where K_pp no longer grows with d, the optimum leaves the death point: IVa ends and IVb begins",
        ),
        Step("its place", boundary, 1 - 1 / sp.sqrt(2), "the root below 1/2"),
        Step(
            "the loss is continuous there",
            (phases["IVb"].value - phases["IVa"].value).subs(a, boundary),
            sp.Integer(0),
            "only the size jumps",
        ),
    ]
