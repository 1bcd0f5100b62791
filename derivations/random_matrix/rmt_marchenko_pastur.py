r"""The Marchenko-Pastur law: the spectrum of a sample covariance matrix whose population covariance is a multiple of I.

Model
    S = X X^T / n, X of p rows and n columns, entries independent with mean 0 and variance sigma^2; p, n -> infinity
    at c = p/n.
Result
    Edges a_-+ = sigma^2 (1 -+ sqrt c)^2; density sqrt((a_+ - x)(x - a_-)) / (2 pi c sigma^2 x) between them, and an
    atom 1 - 1/c at 0 when c > 1; the distribution function in closed form; m(-lam) = lim (1/p) tr (S + lam)^{-1}
    as the positive root of c sigma^2 lam m^2 + (lam + sigma^2 (1 - c)) m - 1 = 0, the second resolvent moment
    and the log-determinant. Transforms and moments are in `rmt_marchenko_pastur_moments`, finite sizes in
    `rmt_marchenko_pastur_finite`.
Assumptions
    Independent entries with a finite variance; nothing else about their law enters the limit.
Source
    Marchenko and Pastur, Math. USSR Sbornik 1 (1967) 457; the leave-one-out argument as in Bai and Silverstein,
    "Spectral Analysis of Large Dimensional Random Matrices" (2010), section 3.3.
"""

from __future__ import annotations

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.derivations.random_matrix import rmt_marchenko_pastur_numerics as numerics
from theorylab.parameters import Constraint, Interval, Parameter, Space
from theorylab.prediction import ClosedForm

C = Parameter("c", Interval(0, open_low=True), "aspect ratio p/n: rows over samples")
SIGMA = Parameter("sigma", Interval(0, open_low=True), "standard deviation of an entry", default=1.0)
LAM = Parameter("lam", Interval(0, open_low=True), "ridge: the resolvent is taken at -lam")
X = Parameter("x", Interval(), "point of the spectrum", default=1.0)
c, sigma, lam, x = (p.symbol for p in (C, SIGMA, LAM, X))

CONVENTIONS = {
    "S": "X X^T / n, a p x p matrix (n, not n - 1; no centring)",
    "c": "p/n",
    "resolvent": "m(-lam) = (1/p) tr (S + lam)^-1, positive",
}
SOURCE = "Marchenko and Pastur (1967); leave-one-out as in Bai and Silverstein (2010), section 3.3"

lower_edge, upper_edge = sigma**2 * (1 - sp.sqrt(c)) ** 2, sigma**2 * (1 + sp.sqrt(c)) ** 2
_half = lam + sigma**2 * (1 - c)
_root = sp.sqrt(_half**2 + 4 * c * sigma**2 * lam)
resolvent = (_root - _half) / (2 * c * sigma**2 * lam)
squared_resolvent = resolvent**2 * (_root + lam + sigma**2 * (1 + c)) / (2 * _root)
_gap = sp.sqrt((x - lower_edge) * (upper_edge - x))
bulk_density = _gap / (2 * sp.pi * c * sigma**2 * x)
atom = sp.Max(0, 1 - 1 / c)
bulk_cdf = (
    sp.Min(1, 1 / c) * sp.acos((sigma**2 * (1 + c) - x) / (2 * sp.sqrt(c) * sigma**2))
    + _gap / (2 * c * sigma**2)
    - sp.Abs(1 - c) / c * sp.atan(_gap / (x + sigma**2 * sp.Abs(1 - c)))
) / sp.pi
# In units of sigma^2, with M = sigma^2 m and ell = lam / sigma^2.
_M = sigma**2 * resolvent
log_determinant = sp.log(sigma**2) - sp.log(_M) + sp.log(1 + c * _M) / c - _M / (1 + c * _M)


def _law_steps() -> list[Step]:
    a, b, d, q, n, m, v, y1, y2 = sp.symbols("a b d q n m v y1 y2", positive=True)
    matrix, column = sp.Matrix([[a + b, b], [b, d + b]]), sp.Matrix([y1, y2])
    form = (column.T * matrix.inv() * column)[0] / n
    updated = (column.T * (matrix + column * column.T / n).inv() * column)[0] / n
    quadratic = c * sigma**2 * lam * m**2 + _half * m - 1
    z = sp.Symbol("z", real=True)
    inverse = -1 / v + c * sigma**2 / (1 + sigma**2 * v)
    steps = [
        Step(
            "leave one sample out",
            updated,
            form / (1 + form),
            "Sherman-Morrison: with R_i the resolvent without column x_i and q = x_i^T R_i x_i / n, "
            "x_i^T R x_i / n = q / (1 + q) (shown for 2 x 2 matrices)",
        ),
        Step(
            "the trace identity",
            (lam * m + (1 / c) * (q / (1 + q)) - 1).subs(q, c * sigma**2 * m) * (1 + c * sigma**2 * m),
            quadratic,
            "(1/p) tr (S + lam) R = 1 reads lam m + (n/p) q/(1+q) = 1; x_i is independent of R_i, so that q "
            "concentrates at (sigma^2/n) tr R = c sigma^2 m",
        ),
        Step("its root", quadratic.subs(m, resolvent), sp.S.Zero, "the positive root of the quadratic"),
        Step(
            "its branch",
            sp.Limit(lam * resolvent.subs(c, 2), lam, sp.oo),
            sp.S.One,
            "lam m -> 1 as lam -> infinity, as for any probability measure (at c = 2)",
        ),
        Step(
            "edges as the zeros of the discriminant",
            (z - sigma**2 * (1 - c)) ** 2 - 4 * c * sigma**2 * z,
            (z - lower_edge) * (z - upper_edge),
            "at z = x + i0 the root is complex where the discriminant is negative: between a_- and a_+",
        ),
        Step(
            "density from the imaginary part",
            sp.sqrt(4 * c * sigma**2 * x - (x - sigma**2 * (1 - c)) ** 2) / (2 * c * sigma**2 * x) / sp.pi,
            bulk_density,
            "Stieltjes inversion: density = Im m(x + i0) / pi",
            where={x: (0.3, 1.5), c: (0.3, 0.4), sigma: (0.9, 1.1)},
        ),
    ]
    for sign, edge in ((1, upper_edge), (-1, lower_edge)):
        critical = -1 / (sigma**2 * (1 + sign * sp.sqrt(c)))
        steps += [
            Step(
                f"critical point of z(v), sign {sign:+d}",
                inverse.diff(v).subs(v, critical),
                sp.S.Zero,
                "z(v) = -1/v + c sigma^2 / (1 + sigma^2 v) inverts the companion transform v = c m - (1 - c)/z; "
                "outside the support z'(v) > 0, and the edges are its critical values",
                where={c: (0.2, 0.8)},
            ),
            Step(
                f"critical value, sign {sign:+d}",
                inverse.subs(v, critical),
                edge,
                "the edge",
                where={c: (0.2, 0.8)},
            ),
        ]
    return steps


def _atom_steps() -> list[Step]:
    k = sp.Symbol("k", positive=True)
    mass = lam * resolvent
    return [
        Step(
            "mass at zero, c > 1",
            sp.Limit(mass.subs(c, 1 + k).subs(sigma, 1), lam, 0, "+"),
            k / (1 + k),
            "lam m(-lam) -> the mass of the law at 0; here c = 1 + k",
        ),
        Step(
            "mass at zero, c < 1",
            sp.Limit(mass.subs(c, 1 / (1 + k)).subs(sigma, 1), lam, 0, "+"),
            sp.S.Zero,
            "no mass at 0; here c = 1/(1 + k)",
        ),
    ]


def _cdf_steps() -> list[Step]:
    inside = {sigma: (0.9, 1.1), x: (0.9, 1.4)}
    steps = []
    for name, ratio in (("c < 1", (0.3, 0.6)), ("c > 1", (1.5, 2.5))):
        sized = bulk_cdf.subs(sp.Abs(1 - c), 1 - c if name == "c < 1" else c - 1)
        sized = sized.subs(sp.Min(1, 1 / c), 1 if name == "c < 1" else 1 / c)
        total = 1 if name == "c < 1" else 1 / c
        steps += [
            Step(
                f"derivative, {name}",
                sized.diff(x),
                bulk_density,
                "differentiate the closed form",
                where={**inside, c: ratio},
                method="50 digits",
            ),
            Step(f"lower end, {name}", sized.subs(x, lower_edge), sp.S.Zero, "nothing lies below", where={c: ratio}),
            Step(
                f"upper end, {name}",
                sized.subs(x, upper_edge),
                total,
                "with the atom max(0, 1 - 1/c) the total mass is 1",
                where={c: ratio},
            ),
        ]
    return steps


def _squared_steps() -> list[Step]:
    return [
        Step(
            "second resolvent moment",
            -resolvent.diff(lam),
            squared_resolvent,
            "(1/p) tr (S + lam)^-2 = -d/dlam (1/p) tr (S + lam)^-1",
        )
    ]


def _logdet_steps() -> list[Step]:
    m = sp.Symbol("m", positive=True)
    ridge = 1 / m - 1 / (1 + c * m)
    closed = -sp.log(m) + sp.log(1 + c * m) / c - m / (1 + c * m)
    t = sp.Symbol("t", positive=True)
    point = 1 + c - 2 * sp.sqrt(c) * sp.cos(t)
    return [
        Step(
            "lam as a function of m",
            (c * ridge * m**2 + (ridge + 1 - c) * m - 1),
            sp.S.Zero,
            "the quadratic at sigma = 1 solved for lam",
        ),
        Step(
            "derivative",
            closed.diff(m),
            m * ridge.diff(m),
            "d/dlam (1/p) log det (S + lam) = m, by the chain rule through lam(m)",
        ),
        Step(
            "constant",
            sp.Limit((closed - sp.log(ridge)).subs(c, sp.Rational(1, 2)), m, 0, "+"),
            sp.S.Zero,
            "as lam -> infinity, m -> 0 and (1/p) log det (S + lam) - log lam -> 0 (at c = 1/2)",
        ),
        Step(
            "general variance",
            log_determinant,
            sp.log(sigma**2) + closed.subs(m, sigma**2 * resolvent),
            "S = sigma^2 times a unit-variance matrix, whose resolvent at lam/sigma^2 is sigma^2 m(-lam)",
        ),
        Step(
            "by quadrature",
            sp.Integral(2 / sp.pi * sp.sin(t) ** 2 / point * sp.log(lam + sigma**2 * point), (t, 0, sp.pi)),
            log_determinant,
            "the integral of log(x + lam) against the density, x = sigma^2 (1 + c - 2 sqrt c cos t)",
            where={c: (0.2, 0.7), lam: (0.2, 2), sigma: (0.7, 1.3)},
            method="50 digits",
        ),
    ]


_EDGES = Derivation(SOURCE, _law_steps)
UPPER_EDGE = ClosedForm(
    expr=upper_edge, space=Space([C, SIGMA]), quantity="upper edge", conventions=CONVENTIONS, derivation=_EDGES
)
LOWER_EDGE = ClosedForm(
    expr=lower_edge,
    numeric=numerics.lower_edge,
    space=Space([C, SIGMA]),
    quantity="lower edge",
    conventions=CONVENTIONS,
    derivation=_EDGES,
    corners=({"c": 1 + 1e-12}, {"c": 1 - 1e-9, "sigma": 3.0}, {"c": 1e-14}, {"c": 1e8}),
)
DENSITY = ClosedForm(
    expr=sp.Piecewise((0, (x <= lower_edge) | (x >= upper_edge)), (bulk_density, True)),
    numeric=numerics.density,
    space=Space(
        [X, C, SIGMA],
        [Constraint(sp.Ne(x, 0), "the continuous part has no density at the atom (nor, for c = 1, a finite one)")],
    ),
    quantity="density of the continuous part",
    conventions=CONVENTIONS,
    derivation=_EDGES,
    rtol=1e-11,
    corners=(
        {"x": 0.25 + 1e-12, "c": 0.25},
        {"x": 2.25 - 1e-13, "c": 0.25},
        {"x": 1e-12, "c": 1.0},
        {"x": 1.0 + 1e-7, "c": 1e-14},
        {"x": 0.17157287525381, "c": 2.0},
    ),
)
ATOM = ClosedForm(
    expr=atom,
    numeric=lambda *, c: np.maximum(0.0, (c - 1.0) / c),
    space=Space([C]),
    quantity="mass at zero",
    conventions=CONVENTIONS,
    derivation=Derivation(SOURCE, _atom_steps),
    corners=({"c": 1 + 1e-12}, {"c": 1.0}, {"c": 1e12}),
)
CDF = ClosedForm(
    expr=sp.Piecewise((0, x < 0), (1, x >= upper_edge), (atom, x <= lower_edge), (atom + bulk_cdf, True)),
    numeric=numerics.cdf,
    space=Space([X, C, SIGMA]),
    quantity="spectral distribution function",
    conventions=CONVENTIONS,
    derivation=Derivation("by integration of the density", _cdf_steps),
    rtol=1e-11,
    corners=(
        {"x": 0.25 + 1e-12, "c": 0.25},
        {"x": 0.2501, "c": 0.25},
        {"x": 2.25 - 1e-13, "c": 0.25},
        {"x": 1e-12, "c": 1.0},
        {"x": 1e-7, "c": 1 - 1e-6},
        {"x": 1e-7, "c": 1 + 1e-6},
        {"x": 1.0 + 1e-7, "c": 1e-14},
        {"x": 1.0 - 1.9e-7, "c": 1e-14},
        {"x": 1e8, "c": 1e8},
        {"x": 0.0, "c": 2.0},
        {"x": -1.0, "c": 2.0},
    ),
)
_CORNERS = (
    {"c": 1.0, "lam": 1e-12},
    {"c": 1 + 1e-9, "lam": 1e-9},
    {"c": 1 - 1e-9, "lam": 1e-12},
    {"c": 1e-12, "lam": 1.0},
    {"c": 1e-9, "lam": 1e-12},
    {"c": 1e9, "lam": 1e-9},
    {"c": 0.5, "lam": 1e12, "sigma": 1e-3},
    {"c": 2.0, "lam": 1.0, "sigma": 1e3},
    {"c": 2.0, "lam": 1.0, "sigma": 1.0},
)
RESOLVENT = ClosedForm(
    expr=resolvent,
    numeric=numerics.resolvent,
    space=Space([C, LAM, SIGMA]),
    quantity="(1/p) tr (S + lam)^-1",
    conventions=CONVENTIONS,
    derivation=_EDGES,
    corners=_CORNERS,
)
SQUARED_RESOLVENT = ClosedForm(
    expr=squared_resolvent,
    numeric=numerics.squared_resolvent,
    space=Space([C, LAM, SIGMA]),
    quantity="(1/p) tr (S + lam)^-2",
    conventions=CONVENTIONS,
    derivation=Derivation(SOURCE, _squared_steps),
    corners=_CORNERS,
)
LOG_DETERMINANT = ClosedForm(
    expr=log_determinant,
    numeric=numerics.log_determinant,
    space=Space([C, LAM, SIGMA]),
    quantity="(1/p) log det (S + lam)",
    conventions=CONVENTIONS,
    derivation=Derivation(SOURCE, _logdet_steps),
    corners=_CORNERS,
)
