r"""Tracy-Widom laws: the fluctuations of extreme eigenvalues at a soft edge.

Model
    Gaussian ensembles with off-diagonal entries of variance s^2/P, real, complex or quaternion (beta = 1, 2, 4), scaled
    to the edge 2 s; white Wishart matrices X X^* with X of p x n standard normal entries, real or complex.
Result
    P^(2/3) (lambda_1/s - 2) -> TW_beta, and (l_1 - mu)/sigma -> TW_beta for Wishart matrices, mu = (a + b)^2,
    sigma = (a + b) (1/a + 1/b)^(1/3), a^2 = n - 1/2, b^2 = p - 1/2 for real entries, a^2 = n, b^2 = p for complex ones;
    the smallest eigenvalue likewise with b -> -b. Laws, densities and quantiles: `tracy_widom.TracyWidom`.
    At finite P the mean of P^(2/3) (lambda_1/s - 2) is off by (1/2 - 1/beta) P^(-1/3): P + 1/2 - 1/beta in place of P
    in the edge takes it away, and what remains is of order P^(-2/3).
Assumptions
    Independent Gaussian entries; p/n away from 1 for the smallest eigenvalue.
Source
    Tracy and Widom, Commun. Math. Phys. 159 (1994) 151; 177 (1996) 727. Wishart: Johnstone, Ann. Statist. 29 (2001)
    295; the centring of Ma, Bernoulli 18 (2012) 322.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.derivations.random_matrix import hastings_mcleod as painleve
from theorylab.derivations.random_matrix import tracy_widom as laws
from theorylab.parameters import Choices, Constraint, Integers, Interval, Parameter, Space
from theorylab.prediction import ClosedForm, Numerical

BETA = Parameter("beta", Integers(1, 4), "1 real, 2 complex, 4 quaternion entries", default=1)
X = Parameter("x", Interval(), "standardised eigenvalue", default=0.0)
SIZE = Parameter("P", Integers(2), "size of the Gaussian matrix")
FEW = Parameter("p", Integers(2), "rows of X")
MANY = Parameter("n", Integers(2), "columns of X")
EDGE = Parameter("edge", Choices(("largest", "smallest")), "which eigenvalue of X X^*", default="largest")
beta, x, P = BETA.symbol, X.symbol, SIZE.symbol
CONVENTIONS = {
    "scale": "the largest eigenvalue of the beta-Hermite ensemble, n^(1/6) (lambda_max - 2 sqrt n); means -1.2065, "
    "-1.7711, -2.0552",
    "matrix": "variance s^2/P off the diagonal, edge at 2 s",
}
KNOWN = Constraint(sp.Ne(beta, 3), "beta = 1, 2 or 4")
SPACE = Space([X, BETA], [KNOWN])
# Relative errors of the laws: measured against 50 digits in the tests, with room.
ERROR = 5e-12


def _each(law: Callable[[laws.TracyWidom, np.ndarray], Any]) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """A method of the laws over arrays of x and beta, with its error."""

    def function(*, x: np.ndarray, beta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x, beta = np.broadcast_arrays(x, beta)
        out = np.empty(x.shape)
        for b in np.unique(beta):
            out[beta == b] = law(laws.TracyWidom(int(b)), x[beta == b])
        return out, ERROR * np.abs(out) + np.finfo(float).tiny

    return function


def _computed(law: Callable[[laws.TracyWidom, np.ndarray], Any], quantity: str, formula: str) -> Numerical:
    return Numerical(
        function=_each(law),
        space=SPACE,
        quantity=quantity,
        conventions=CONVENTIONS,
        derivation=DERIVATION,
        formula=formula,
    )


def _steps() -> list[Step]:
    s, t = sp.symbols("s t", real=True)
    w = sp.Symbol("w", positive=True)
    q = sp.Function("q")
    terms = painleve.series(6)
    total = sum(sp.Rational(a.numerator, a.denominator) * w ** (-3 * k) for k, a in enumerate(terms))
    solution = sp.sqrt(w / 2) * total
    residual = sp.series(
        sp.expand((solution.diff(w, 2) + w * solution - 2 * solution**3) * sp.sqrt(2) * w ** sp.Rational(-3, 2)).subs(
            w, 1 / t
        ),
        t,
        0,
        18,
    )
    airy, slope = sp.airyai(s), sp.airyaiprime(s)
    trace = (2 * s**2 * airy**2 - 2 * s * slope**2 - airy * slope) / 3
    value, product = sp.symbols("lambda_1 lambda_2", real=True)
    return [
        Step(
            "the series on the left",
            residual.removeO(),
            sp.S.Zero,
            "q = sqrt(w/2) sum_k a_k w^(-3k), w = -x, solves q'' = x q + 2 q^3 to the order of its six terms",
            method="symbolic",
        ),
        Step(
            "log F_2 twice integrated",
            sp.Derivative(-sp.Integral((t - s) * q(t) ** 2, (t, s, 5)), s, s),
            -(q(s) ** 2),
            "(log F_2)'' = -q^2 (shown with the integral ended at 5)",
            method="symbolic",
        ),
        Step(
            "the two determinants",
            (1 - value) * (1 - product) * (1 + value) * (1 + product),
            (1 - value**2) * (1 - product**2),
            "det(1 - A) det(1 + A) = det(1 - A^2) = F_2: so F_1 = sqrt(F_2) exp(-I/2) and F_4 = sqrt(F_2) cosh(I/2), "
            "exp(-I) = det(1 - A)/det(1 + A)",
            method="symbolic",
        ),
        Step(
            "upper tail, beta = 2",
            sp.Derivative(trace, s, s),
            airy**2,
            "1 - F_2 = tr A^2 + ..., tr A^2 = int_s^inf (y - s) Ai(y)^2 dy, whose second derivative is Ai^2",
        ),
    ]


DERIVATION = Derivation("Tracy and Widom (1994), eq. (1.17); (1996), eqs. (53)-(54)", _steps)
CDF = Numerical(
    function=_each(lambda law, x: law.cdf(x)),
    space=SPACE,
    quantity="P(standardised extreme eigenvalue <= x)",
    conventions=CONVENTIONS,
    derivation=DERIVATION,
    formula=r"F_2 = e^{-\int_x^\infty (y - x) q(y)^2 dy},\ F_1 = \sqrt{F_2}\, e^{-\frac12 \int_x^\infty q},\ "
    r"q'' = x q + 2 q^3",
)
# The same numbers by two routes, each where it has all its digits.
BY_PAINLEVE = _computed(
    lambda law, x: np.exp(law.by_painleve(x)[0]), "F by Painleve II", r"e^{-(V + I)/2},\ e^{-V},\ e^{-V/2} \cosh(I/2)"
)
BY_DETERMINANT = _computed(
    lambda law, x: np.exp(law.by_determinant(x)[0]),
    "F by determinants",
    r"\det(1 - A_x),\ \det(1 - A_x^2),\ \tfrac12 (\det(1 - A) + \det(1 + A))",
)
LOG_CDF = _computed(lambda law, x: law.logcdf(x), "log F", r"\log F_\beta")

_w = -x
_zeta = sp.Float(repr(painleve.ZETA), 20)
left_tail = sp.Piecewise(
    (-_w**3 / 24 - _w ** sp.Rational(3, 2) / (3 * sp.sqrt(2)) - sp.log(_w) / 16 + _zeta / 2 - 11 * sp.log(2) / 48,
     sp.Eq(beta, 1)),
    (-_w**3 / 12 - sp.log(_w) / 8 + _zeta + sp.log(2) / 24, True),
)  # fmt: skip
_REAL_OR_COMPLEX = Constraint(beta <= 2, "beta = 1 or 2")
LEFT_TAIL = ClosedForm(
    expr=left_tail,
    space=Space([X, BETA], [_REAL_OR_COMPLEX, Constraint(x < 0, "the left tail has x < 0")]),
    quantity="log F on the left",
    conventions=CONVENTIONS,
    derivation=DERIVATION,
)


def _mean(*, beta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    table = np.full(5, np.nan)
    table[[1, 2, 4]] = [laws.TracyWidom(b).mean() for b in (1, 2, 4)]
    value = table[beta.astype(int)]
    return value, ERROR * np.abs(value)


MEAN = Numerical(
    function=_mean,
    space=Space([BETA], [KNOWN]),
    quantity="mean of P^(2/3) (lambda_1/s - 2)",
    conventions=CONVENTIONS,
    derivation=DERIVATION,
    formula=r"\mathbb E\, \mathrm{TW}_\beta",
)
EDGE_EXPONENT = ClosedForm(
    expr=sp.Rational(-2, 3),
    space=Space([BETA], [KNOWN]),
    quantity="exponent of 2 - E lambda_1/s in P",
    conventions=CONVENTIONS,
    derivation=DERIVATION,
)
