r"""Competition of monomials: which power laws win at the optimum, and where in the plane of the parameters.

A loss that is a sum of monomials $f^{\,p_i + q_i x}$ in a budget $f$, with $x$ at our disposal (say $d = f^x$), is
smallest, as $f \to \infty$, like $f^{V}$ with

    V = min over low <= x <= high of max over i of (p_i + q_i x),

a linear programme whose coefficients are rational functions of two parameters. Its optimum sits at a *vertex*: a
crossing of two terms with slopes of opposite sign, or an end of the range. That a vertex is the optimum is a
*certificate* of finitely many inequalities between rational functions: the crossing is in the range, the slopes have
opposite signs, no other term is larger there. By the duality of linear programmes nothing else is needed. So

1. every vertex and its certificate are written down once, symbolically;
2. the curves on which an inequality of the certificates used becomes an equality cut the plane into cells (a
   cylindrical algebraic decomposition over the rationals; only open cells matter), one rational point in each;
3. cells with the same optimum are a region, which is described by the fewest curves that tell it from the others.

Boundaries thus come out as polynomials, with their roots, and are nowhere typed in. Everything is exact.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import sympy as sp
from sympy.polys.fields import FracElement, FracField

from theorylab.errors import TheorylabError

Signs = dict[Any, int]


class CompetitionError(TheorylabError):
    """A competition without a bounded optimum, or with one that its terms do not decide."""


@dataclass(frozen=True)
class Term:
    """The monomial f^(power + slope x).

    Parameters
    ----------
    name
        What it is called.
    power, slope
        Rational functions of the two parameters.
    """

    name: str
    power: sp.Expr
    slope: sp.Expr

    def at(self, x: sp.Expr) -> sp.Expr:
        """Exponent of f at x."""
        return self.power + self.slope * x


@dataclass(frozen=True)
class Programme:
    """Terms that compete for low <= x <= high, where all of `where` are positive.

    Parameters
    ----------
    terms
        Present on all of the range.
    low, high
        Ends of the range of x, rational functions of the two parameters.
    where
        Polynomials in the parameters.
    """

    terms: tuple[Term, ...]
    low: sp.Expr
    high: sp.Expr
    where: tuple[sp.Expr, ...] = ()


@dataclass(frozen=True)
class Region:
    """A part of the plane of the parameters with one optimum.

    Parameters
    ----------
    x, value
        Where the optimum is and how large: rational functions of the parameters.
    largest
        Names of the terms that are all largest there.
    conditions
        Polynomials that are positive in the region and, within the domain, together nowhere else.
    points
        A rational point of each of its cells.
    """

    x: sp.Expr
    value: sp.Expr
    largest: tuple[str, ...]
    conditions: tuple[sp.Expr, ...]
    points: tuple[tuple[sp.Rational, sp.Rational], ...] = field(repr=False)

    def holds(self, at: dict[sp.Symbol, Any]) -> bool:
        """Whether a point of the domain is inside."""
        return all(bool(c.subs(at) > 0) for c in self.conditions)


@dataclass(frozen=True)
class _Vertex:
    programme: int
    x: FracElement
    value: FracElement
    conditions: tuple[FracElement, ...]
    largest: tuple[str, ...]

    def optimal(self, at: tuple[Any, Any]) -> bool:
        # Where two terms are parallel they do not cross.
        return all(_value(c.denom, at) != 0 and _value(c, at) >= 0 for c in self.conditions)


class Competition:
    """Competing terms over a part of the plane of two parameters.

    Parameters
    ----------
    programmes
        With disjoint `where`, which cover the domain but for its boundaries.
    parameters
        The two symbols.
    domain
        Polynomials that are positive in the domain.
    """

    def __init__(
        self,
        programmes: Sequence[Programme],
        parameters: tuple[sp.Symbol, sp.Symbol],
        domain: Sequence[sp.Expr],
    ) -> None:
        self.parameters = parameters
        self._field = FracField(parameters, sp.QQ)
        self._programmes = tuple(programmes)
        self._domain = [self._polynomial(p) for p in domain]
        self._where = [[self._polynomial(p) for p in programme.where] for programme in programmes]

    @cached_property
    def regions(self) -> tuple[Region, ...]:
        """All regions, by decreasing number of cells.

        Raises
        ------
        CompetitionError
            When at some point of the domain no programme applies, or none has an optimum.
        """
        chosen: list[_Vertex] = []
        while True:
            curves = self._curves(chosen)
            cells = list(self._cells(curves))
            missing = [at for at in cells if not self._certified(chosen, at)]
            if not missing:
                return self._described(chosen, curves, cells)
            # A vertex serves many cells: choose the one that serves most of those that have none.
            while missing:
                here = [v for v in self._vertices(missing[0]) if v.optimal(missing[0])]
                if not here:
                    raise CompetitionError(f"no bounded optimum at {self._named(missing[0])}")
                best = max(here, key=lambda v: sum(map(v.optimal, self._alike(v, missing))))
                chosen.append(best)
                missing = [at for at in missing if not self._certified([best], at)]

    def _certified(self, vertices: Sequence[_Vertex], at: tuple[Any, Any]) -> _Vertex | None:
        programme = self._programme(at)
        return next((v for v in vertices if v.programme == programme and v.optimal(at)), None)

    def _alike(self, vertex: _Vertex, points: Sequence[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
        return [at for at in points if self._programme(at) == vertex.programme]

    def _programme(self, at: tuple[Any, Any]) -> int:
        for i, where in enumerate(self._where):
            if all(_value(p, at) > 0 for p in where):
                return i
        raise CompetitionError(f"no terms are given at {self._named(at)}")

    def _named(self, at: tuple[Any, Any]) -> str:
        return ", ".join(f"{s} = {v}" for s, v in zip(self.parameters, at))

    def _polynomial(self, expr: sp.Expr) -> Any:
        return self._field.ring.from_expr(sp.expand(expr))

    @cached_property
    def _every_vertex(self) -> list[list[_Vertex]]:
        return [list(self._enumerate(i)) for i in range(len(self._programmes))]

    def _vertices(self, at: tuple[Any, Any]) -> list[_Vertex]:
        return self._every_vertex[self._programme(at)]

    def _enumerate(self, index: int) -> Iterator[_Vertex]:
        """All vertices of a programme with their certificates."""
        programme, convert = self._programmes[index], self._field.from_expr
        low, high = convert(programme.low), convert(programme.high)
        lines = [(t.name, convert(t.power), convert(t.slope)) for t in programme.terms]

        def vertex(x: FracElement, value: FracElement, conditions: list[FracElement]) -> _Vertex:
            gaps = [(name, value - power - slope * x) for name, power, slope in lines]
            certificate = [c for c in [*conditions, *(gap for _, gap in gaps)] if c != 0]
            return _Vertex(index, x, value, tuple(certificate), tuple(n for n, gap in gaps if gap == 0))

        for (_, p, q), (_, p2, q2) in itertools.combinations(lines, 2):
            if q != q2:
                x = (p2 - p) / (q - q2)
                yield vertex(x, p + q * x, [-q * q2, x - low, high - x])
        for _, p, q in lines:
            yield vertex(low, p + q * low, [q])
            yield vertex(high, p + q * high, [-q])

    def _curves(self, vertices: Sequence[_Vertex]) -> list[Any]:
        """Irreducible polynomials that change sign where a certificate, the domain or the terms do."""
        found: dict[Any, None] = {}
        everything = [c for v in vertices for c in v.conditions]
        for polynomial in (
            *self._domain,
            *(p for where in self._where for p in where),
            *(part for c in everything for part in (c.numer, c.denom)),
        ):
            found.update((factor, None) for factor, _ in polynomial.factor_list()[1])
        return sorted(found, key=lambda p: (sum(p.degrees()), max(p.degrees()), len(p), str(p)))

    def _cells(self, curves: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
        """A rational point in every open cell of the domain."""
        first, second = self.parameters
        plane = [sp.Poly(c.as_expr(), second, first) for c in curves]
        upright = {factor for c in plane for factor in self._projected(c)}
        for c, d in itertools.combinations([c for c in plane if c.degree() > 0], 2):
            upright |= _factors(sp.resultant(c.as_expr(), d.as_expr(), second), first)
        for at in _between(upright, first):
            across = {f for c in plane for f in _factors(c.as_expr().subs(first, at), second)}
            for height in _between(across, second):
                if all(_value(p, (at, height)) > 0 for p in self._domain):
                    yield at, height

    def _projected(self, curve: sp.Poly) -> set[sp.Poly]:
        """Polynomials of the first parameter at whose roots the number of branches of a curve may change."""
        first, second = self.parameters
        found = {f for k in sp.Poly(curve.as_expr(), second).all_coeffs() for f in _factors(k, first)}
        if curve.degree() > 1:
            found |= _factors(sp.discriminant(curve.as_expr(), second), first)
        return found

    def _described(
        self, vertices: Sequence[_Vertex], curves: Sequence[Any], cells: Sequence[tuple[Any, Any]]
    ) -> tuple[Region, ...]:
        groups: dict[tuple[Any, Any], list[tuple[Any, Any]]] = {}
        largest: dict[tuple[Any, Any], tuple[str, ...]] = {}
        for at in cells:
            vertex = self._certified(vertices, at)
            assert vertex is not None
            key = (vertex.x, vertex.value)
            groups.setdefault(key, []).append(at)
            largest[key] = vertex.largest
        signs = {at: {c: 1 if _value(c, at) > 0 else -1 for c in curves} for at in cells}
        owner = {at: key for key, points in groups.items() for at in points}
        kept = _telling(list(reversed(curves)), signs, owner)
        out = []
        for key, points in sorted(groups.items(), key=lambda item: -len(item[1])):
            conditions = _conditions(kept, signs, points, [at for at in cells if owner[at] != key])
            here = dict(zip(self.parameters, (sp.Rational(str(c)) for c in points[0])))
            x, value = (_written(e, here) for e in key)
            out.append(
                Region(x, value, largest[key], tuple(s * c.as_expr() for c, s in conditions.items()), tuple(points))
            )
        return tuple(out)


def _telling(
    curves: Sequence[Any], signs: dict[tuple[Any, Any], Signs], owner: dict[tuple[Any, Any], Any]
) -> list[Any]:
    """Few of the curves, dropped in the order given while the others' signs still tell the regions apart."""
    kept = list(curves)
    for curve in curves:
        fewer = [c for c in kept if c != curve]
        seen: dict[tuple[int, ...], Any] = {}
        if all(seen.setdefault(tuple(s[c] for c in fewer), owner[at]) == owner[at] for at, s in signs.items()):
            kept = fewer
    return kept


def _conditions(
    curves: Sequence[Any],
    signs: dict[tuple[Any, Any], Signs],
    inside: Sequence[tuple[Any, Any]],
    outside: Sequence[tuple[Any, Any]],
) -> Signs:
    """Signs that hold in all cells inside and, together, in none outside, as few as can be dropped to."""
    common = {c: signs[inside[0]][c] for c in curves if len({signs[at][c] for at in inside}) == 1}

    def excludes(these: Signs) -> bool:
        return all(any(signs[at][c] != s for c, s in these.items()) for at in outside)

    if not excludes(common):
        raise CompetitionError("a region is not where some polynomials are positive: it needs an alternative")
    for curve in list(common):
        fewer = {c: s for c, s in common.items() if c != curve}
        if excludes(fewer):
            common = fewer
    return common


def piecewise(regions: Sequence[Region], quantity: Callable[[Region], sp.Expr]) -> sp.Piecewise:
    """A quantity of the region that a point is in; on a boundary, of the first that has it as a boundary."""
    return sp.Piecewise(*((quantity(r), sp.And(*(c >= 0 for c in r.conditions))) for r in regions))


def _written(element: FracElement, at: dict[sp.Symbol, sp.Rational]) -> sp.Expr:
    """A rational function with a denominator that is positive at a point, hence in all of its region."""
    above, below = sp.fraction(sp.factor(element.as_expr()))
    if below.subs(at) < 0:
        above, below = -above, sp.expand(-below)
    return above / below


def _value(element: Any, at: tuple[Any, Any]) -> Any:
    """A polynomial or a rational function at a rational point."""
    if isinstance(element, FracElement):
        return _value(element.numer, at) / _value(element.denom, at)
    return element.evaluate(list(zip(element.ring.gens, at)))


def _factors(expr: sp.Expr, symbol: sp.Symbol) -> set[sp.Poly]:
    """Irreducible factors that depend on `symbol`."""
    if not expr.has(symbol):
        return set()
    return {factor for factor, _ in sp.Poly(expr, symbol).factor_list()[1] if factor.degree() > 0}


def _between(polynomials: set[sp.Poly], symbol: sp.Symbol) -> list[Any]:
    """Rational numbers, one in each interval into which the real roots of the polynomials cut the line."""
    if not polynomials:
        return [sp.QQ(0)]
    expressions, width = [p.as_expr() for p in polynomials], sp.Rational(1, 8)
    while True:
        ends = sorted(interval for interval, _ in sp.intervals(expressions, eps=width))
        if all(left[1] < right[0] for left, right in itertools.pairwise(ends)):
            break
        width /= 64
    if not ends:
        return [sp.QQ(0)]
    middles = [(left[1] + right[0]) / 2 for left, right in itertools.pairwise(ends)]
    return [sp.QQ(p.p, p.q) for p in (ends[0][0] - 1, *middles, ends[-1][1] + 1)]
