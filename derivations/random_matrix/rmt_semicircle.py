r"""The semicircle law: the spectrum of a large Gaussian matrix.

Model
    W = W^*, P x P, independent Gaussian entries of variance s^2/P off the diagonal (of the modulus), 2 s^2/(beta P) on
    it; beta = 1 real (GOE), beta = 2 complex (GUE).
Result
    As P -> infinity the spectrum has density sqrt(4 s^2 - x^2)/(2 pi s^2) on |x| <= 2 s, Stieltjes transform
    G(z) = (z - sqrt(z - 2 s) sqrt(z + 2 s))/(2 s^2), moments s^(2j) C_j with the Catalan numbers C_j and R-transform
    R(g) = s^2 g. Finite P is in `rmt_semicircle_finite`, the law as an object in `semicircle`.
Assumptions
    Independent entries with a finite variance are enough for the limit; the diagonal does not matter there.
Source
    Wigner, Ann. Math. 62 (1955) 548 and 67 (1958) 325; Pastur, Theor. Math. Phys. 10 (1972) 67, for the equation of G.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.derivations.random_matrix import semicircle
from theorylab.parameters import Integers, Interval, Parameter, Space
from theorylab.prediction import ClosedForm

S = Parameter("s", Interval(0, open_low=True), "sqrt(P) times the standard deviation off the diagonal", default=1.0)
X = Parameter("x", Interval(), "point of the spectrum", default=0.0)
# Where z = x + i y is far away, or close to the real line, all digits of both parts are still there.
ABSCISSA = Parameter("a", Interval(), "real part of z over s", default=0.5)
HEIGHT = Parameter("b", Interval(0, open_low=True), "imaginary part of z over s", default=0.4)
PART = Parameter("part", Integers(0, 1), "0 for the real part, 1 for the imaginary part", default=0)
ORDER = Parameter("k", Integers(1, 16), "order of the moment")
s, x, a, b, part, k = (p.symbol for p in (S, X, ABSCISSA, HEIGHT, PART, ORDER))
CONVENTIONS = {
    "W": "variance s^2/P off the diagonal, 2 s^2/(beta P) on it; edges at -2 s and 2 s",
    "G": "(1/P) tr (z - W)^-1, so that G ~ 1/z and Im G < 0 for Im z > 0",
    "moments": "(1/P) tr W^k",
}
SOURCE = "Wigner (1958); Pastur (1972) for the equation of G"

bulk_density = sp.sqrt(4 * s**2 - x**2) / (2 * sp.pi * s**2)
bulk_cdf = sp.Rational(1, 2) + x * sp.sqrt(4 * s**2 - x**2) / (4 * sp.pi * s**2) + sp.asin(x / (2 * s)) / sp.pi


def transform(z: Any) -> sp.Expr:
    """G(z) on the branch with G ~ 1/z."""
    return (z - sp.sqrt(z - 2 * s) * sp.sqrt(z + 2 * s)) / (2 * s**2)


def catalan(order: int) -> sp.Expr:
    """Moment of the given order."""
    return sp.S.Zero if order % 2 else s**order * sp.catalan(order // 2)


def _steps() -> list[Step]:
    g, h, t = sp.symbols("g h t", positive=True)
    z = sp.Symbol("z", positive=True)
    w = sp.Symbol("w", positive=True)
    a11, a12, a22 = sp.symbols("a11 a12 a22", real=True)
    block = (z * sp.eye(2) - sp.Matrix([[a11, a12], [a12, a22]])).inv()[0, 0]
    outside = {z: (5, 9), s: (0.5, 2)}
    return [
        Step(
            "Schur complement",
            block,
            1 / (z - a11 - a12 * (1 / (z - a22)) * a12),
            "(z - W)^-1_11 = 1/(z - W_11 - w^T (z - W')^-1 w), with w the rest of the first row and W' of the matrix "
            "(shown for 2 x 2)",
        ),
        Step(
            "self-consistency",
            (g * (z - s**2 * g) - 1).subs(g, transform(z)),
            sp.S.Zero,
            "W_11 -> 0 and w^T (z - W')^-1 w -> s^2 G(z), w being independent of W': G = 1/(z - s^2 G)",
            where=outside,
        ),
        Step(
            "branch",
            sp.Limit((z * transform(z)).subs(s, 1), z, sp.oo),
            sp.S.One,
            "G ~ 1/z as for every probability law (at s = 1)",
        ),
        Step(
            "R-transform",
            ((1 / g + s**2 * g) * g - s**2 * g**2 - 1).expand(),
            sp.S.Zero,
            "s^2 G^2 - z G + 1 = 0 is linear in z: G^-1(g) = 1/g + s^2 g, so that R(g) = s^2 g",
        ),
        Step(
            "density",
            sp.sqrt(-((s * h) ** 2 - 4 * s**2)) / (2 * s**2) / sp.pi,
            bulk_density.subs(x, s * h),
            "-(1/pi) Im G(x + i 0): the root is i sqrt(4 s^2 - x^2) on the support",
            where={h: (0.1, 1.9)},
        ),
        Step(
            "distribution function",
            sp.Derivative(bulk_cdf.subs(x, s * h), h) / s,
            bulk_density.subs(x, s * h),
            "differentiate; it is 1/2 at 0",
            where={h: (0.1, 1.9)},
            method="50 digits",
        ),
        Step("upper end", bulk_cdf.subs(x, 2 * s), sp.S.One, "all mass lies below 2 s"),
        *(
            Step(
                f"moment {2 * j}",
                sp.series((1 - sp.sqrt(1 - 4 * s**2 * w**2)) / (2 * s**2 * w), w, 0, 2 * j + 2)
                .removeO()
                .coeff(w, 2 * j + 1),
                catalan(2 * j),
                "G(1/w) = sum_k m_k w^(k+1)",
            )
            for j in range(1, 5)
        ),
        Step(
            "fourth moment by quadrature",
            sp.Integral((2 * s * sp.cos(t)) ** 4 * 2 / sp.pi * sp.sin(t) ** 2, (t, 0, sp.pi)),
            catalan(4),
            "x = 2 s cos t",
        ),
    ]


DERIVATION = Derivation(SOURCE, _steps)
DENSITY = ClosedForm(
    expr=sp.Piecewise((bulk_density, sp.Abs(x) < 2 * s), (0, True)),
    numeric=semicircle.density,
    space=Space([X, S]),
    quantity="spectral density",
    conventions=CONVENTIONS,
    derivation=DERIVATION,
    corners=({"x": 2 - 1e-14, "s": 1.0}, {"x": -2 + 1e-9, "s": 1.0}, {"x": 3.0, "s": 1.5}, {"x": 1e-30, "s": 1e-20}),
)
CDF = ClosedForm(
    expr=sp.Piecewise((0, x <= -2 * s), (1, x >= 2 * s), (bulk_cdf, True)),
    numeric=semicircle.distribution,
    space=Space([X, S]),
    quantity="spectral distribution function",
    conventions=CONVENTIONS,
    derivation=DERIVATION,
    corners=(
        {"x": -2 + 1e-12, "s": 1.0},
        {"x": -2 + 1e-4, "s": 1.0},
        {"x": 2 - 1e-15, "s": 1.0},
        {"x": 0.0, "s": 3.0},
        {"x": 9.0, "s": 1.0},
    ),
)
MOMENT = ClosedForm(
    expr=sp.Piecewise((0, sp.Eq(sp.Mod(k, 2), 1)), (s**k * sp.binomial(k, k / 2) / (k / 2 + 1), True)),
    numeric=lambda *, k, s: np.vectorize(lambda k, s: semicircle.Semicircle(s).moment(k), otypes=[float])(k, s),
    space=Space([ORDER, S]),
    quantity="k-th spectral moment",
    conventions=CONVENTIONS,
    derivation=DERIVATION,
)


def _transform_numeric(*, a: Any, b: Any, s: Any, part: Any) -> np.ndarray:
    real, imaginary = semicircle.stieltjes_parts(a, b, 1.0)
    return np.asarray(np.where(part == 0, real, imaginary) / s)


_unit = transform(a + sp.I * b).subs(s, 1) / s
TRANSFORM = ClosedForm(
    expr=sp.Piecewise((sp.re(_unit), sp.Eq(part, 0)), (sp.im(_unit), True)),
    numeric=_transform_numeric,
    space=Space([ABSCISSA, HEIGHT, PART, S]),
    quantity="G((a + i b) s)",
    conventions=CONVENTIONS,
    derivation=DERIVATION,
    corners=tuple(
        {"a": u, "b": v, "part": i}
        for u, v in ((2.0, 1e-12), (1.999999, 1e-9), (-2.0, 1e-6), (1e-9, 1e-9), (1e6, 1e-3), (3.0, 1e9), (0.0, 1e-7))
        for i in (0, 1)
    ),
)
