r"""How precisely a scaling law can be known from training runs: the Huber fit as an M-estimator.

Model
    n runs with log-losses ln L_i = f_i(theta) + s xi_i, xi_i standard normal, and
    f_i = ln(e^{theta_1 - theta_4 x_i} + e^{theta_2 - theta_5 y_i} + e^{theta_3}), theta = (ln A, ln B, ln E, a, b), x
    = ln N, y = ln D. The estimator minimises the sum over the runs of Huber's loss of the residual: quadratic within
    delta, linear beyond.
Result
    As n grows the errors are normal with covariance kappa s^2 (J^T J)^{-1}, J_i = df_i/dtheta = (p_A, p_B, p_E, -p_A x,
    -p_B y) with the shares p of the three terms in the loss, and with c = delta/s
    kappa = [erf(c/sqrt 2) - sqrt(2/pi) c e^{-c^2/2} + c^2 erfc(c/sqrt 2)] / erf(c/sqrt 2)^2:
    pi/2 for c -> 0 (least absolute deviations), 1 for c -> infinity (least squares). The error of the exponent b/(a+b)
    of the compute-optimal model size follows from its gradient (-b, a)/(a+b)^2. Intervals shrink like 1/sqrt(n).
Assumptions
    Gaussian noise of known scale, the same for all runs; n large. The runs of the claims lie on a grid of 5 model sizes
    from 5e7 to 1e10 and 6 token counts from 5e8 to 2e11, evenly spaced in the logarithm, equally often in each cell.
Source
    P. J. Huber, Ann. Math. Statist. 35 (1964) 73-101; Hoffmann et al., arXiv:2203.15556v1, section 3.3; Besiroglu et
    al., arXiv:2404.10102v2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.parameters import Integers, Interval, Observed, Parameter, Space
from theorylab.prediction import ClosedForm, Numerical

POSITIVE = Interval(0, open_low=True)
NOISE = Parameter("s", POSITIVE, "standard deviation of the log-loss of a run", default=0.005)
DELTA = Parameter("delta", POSITIVE, "residual from which Huber's loss is linear", default=1e-3)
LEVEL = Parameter("level", Interval(0, 1, open_low=True, open_high=True), "nominal coverage", default=0.9)
COPIES = Parameter("copies", Integers(1), "runs in each of the 30 cells of the design")
WHICH = Parameter("k", Integers(0, 5), "which of ln A, ln B, ln E, a, b, b/(a+b), from 0")
LAW = (
    Parameter("A", POSITIVE, "coefficient of the model-size term", default=482.01, unit="nats x parameters^a"),
    Parameter("B", POSITIVE, "coefficient of the token term", default=2085.43, unit="nats x tokens^b"),
    Parameter("E", POSITIVE, "irreducible loss", default=1.8172, unit="nats"),
    Parameter("a", POSITIVE, "exponent of the model size", default=0.3478),
    Parameter("b", POSITIVE, "exponent of the token count", default=0.3658),
)
s, delta, level, a, b = (p.symbol for p in (NOISE, DELTA, LEVEL, *LAW[3:]))

CONVENTIONS = {
    "objective": "sum over the runs (not mean) of Huber's loss of ln L, natural logarithm, nats",
    "theta": "(ln A, ln B, ln E, a, b)",
    "design": "5 model sizes 5e7..1e10 by 6 token counts 5e8..2e11, log-spaced",
}
SOURCE = "Huber (1964), Ann. Math. Statist. 35, 73-101"
SIZES, TOKENS = (5e7, 1e10, 5), (5e8, 2e11, 6)
CELLS = SIZES[2] * TOKENS[2]

_t, _x, _y = sp.symbols("t x y", real=True)
_density = sp.exp(-(_t**2) / 2) / sp.sqrt(2 * sp.pi)
_c = sp.Symbol("c", positive=True)
_inner = sp.erf(_c / sp.sqrt(2))
_square = _inner - sp.sqrt(2 / sp.pi) * _c * sp.exp(-(_c**2) / 2) + _c**2 * sp.erfc(_c / sp.sqrt(2))
_kappa = _square / _inner**2


def _factor_steps() -> list[Step]:
    m11, m12, m22, slope, square = sp.symbols("m11 m12 m22 slope square", positive=True)
    gram = sp.Matrix([[m11, m12], [m12, m22]])
    sandwich = (slope * gram).inv() * (square * gram) * (slope * gram).inv()
    return [
        Step(
            "sandwich",
            sandwich[0, 1],
            (square / slope**2 * gram.inv())[0, 1],
            "sum psi(r_i) J_i = 0 gives error = -(E psi' J^T J)^-1 sum psi(xi_i) J_i to first order, with covariance "
            "(E psi' M)^-1 (E psi^2 M) (E psi' M)^-1 with M = J^T J (an entry, for two parameters)",
        ),
        Step(
            "mean of psi'",
            sp.Integral(_density, (_t, -_c, _c)),
            _inner,
            "psi' = 1 within delta = c s and 0 beyond; t is the residual in units of s",
        ),
        Step(
            "mean of psi^2, within",
            sp.Integral(_t**2 * _density, (_t, -_c, _c)),
            _inner - sp.sqrt(2 / sp.pi) * _c * sp.exp(-(_c**2) / 2),
            "psi = t within",
        ),
        Step(
            "mean of psi^2, beyond",
            _c**2 * (1 - sp.Integral(_density, (_t, -_c, _c))),
            _c**2 * sp.erfc(_c / sp.sqrt(2)),
            "psi = c sign(t) beyond, where lies what is not within",
        ),
        Step(
            "small delta",
            sp.Limit(_square / _c**2, _c, 0) / sp.Limit(_inner / _c, _c, 0) ** 2,
            sp.pi / 2,
            "least absolute deviations: kappa is the mean of psi^2 over the square of the mean of psi'",
        ),
        Step("large delta", sp.Limit(_square, _c, sp.oo), sp.Limit(_inner, _c, sp.oo) ** 2, "least squares: kappa = 1"),
        Step(
            "squared error of the curve",
            (gram * gram.inv()).trace() / 2,
            sp.S.One,
            "E sum_i (J_i error)^2 = tr(M Cov) = kappa s^2 tr(M M^-1), kappa s^2 for each parameter",
        ),
    ]


def _jacobian_steps() -> list[Step]:
    theta = sp.symbols("theta1:6", real=True)
    terms = (sp.exp(theta[0] - theta[3] * _x), sp.exp(theta[1] - theta[4] * _y), sp.exp(theta[2]))
    f = sp.log(sum(terms))
    share = terms[0] / sum(terms)
    return [
        Step("constant term", sp.diff(f, theta[2]), terms[2] / sum(terms), "df/d ln E is the share of the term"),
        Step("coefficient", sp.diff(f, theta[0]), share, "and so is df/d ln A"),
        Step("exponent", sp.diff(f, theta[3]), -_x * share, "ln N times as much for the exponent, with a minus sign"),
    ]


def _exponent_steps() -> list[Step]:
    aa, bb, ab = sp.symbols("aa bb ab", real=True)
    ratio = b / (a + b)
    gradient = sp.Matrix([sp.diff(ratio, a), sp.diff(ratio, b)])
    return [
        Step("gradient, a", sp.diff(ratio, a), -b / (a + b) ** 2, "quotient rule"),
        Step("gradient, b", sp.diff(ratio, b), a / (a + b) ** 2, "quotient rule"),
        Step(
            "delta method",
            (gradient.T * sp.Matrix([[aa, ab], [ab, bb]]) * gradient)[0, 0],
            (b**2 * aa + a**2 * bb - 2 * a * b * ab) / (a + b) ** 4,
            "variance of a function: gradient . covariance . gradient",
        ),
    ]


def _coverage_steps() -> list[Step]:
    z = sp.sqrt(2) * sp.erfinv(level)
    return [
        Step(
            "coverage",
            sp.Integral(_density, (_t, -_c, _c)).doit().subs(_c, z),
            level,
            "an estimate is within z standard errors of the truth with the probability that defines z",
        ),
    ]


def _width_steps() -> list[Step]:
    n, v, z = sp.symbols("n v z", positive=True)
    width = 2 * z * sp.sqrt(v / n)
    return [
        Step(
            "exponent of the width",
            (n * sp.diff(sp.log(width), n)),
            -sp.Rational(1, 2),
            "the interval reaches z standard errors to either side, and J^T J grows like n",
        )
    ]


def _factor(s: np.ndarray, delta: np.ndarray) -> np.ndarray:
    from scipy.special import erf, erfc, gammainc

    c = delta / s
    z = c / np.sqrt(2.0)
    # The difference of the first two terms is a regularised incomplete gamma function.
    return np.asarray((gammainc(1.5, z * z) + c * c * erfc(z)) / erf(z) ** 2)


variance_factor = ClosedForm(
    expr=_kappa.subs(_c, delta / s),
    numeric=_factor,
    space=Space([NOISE, DELTA]),
    quantity="variance of a Huber fit in units of that of least squares",
    conventions=CONVENTIONS,
    derivation=Derivation(SOURCE, _factor_steps),
    corners=(
        {"s": 1.0, "delta": 1e-7},
        {"s": 1.0, "delta": 1e-3},
        {"s": 1.0, "delta": 30.0},
        {"s": 1e-3, "delta": 1e-3},
    ),
)

_AA = Parameter("aa", Interval(), "mean square error of a")
_BB = Parameter("bb", Interval(), "mean square error of b")
_AB = Parameter("ab", Interval(), "mean product of the errors of a and b")
exponent_variance = ClosedForm(
    expr=(b**2 * _AA.symbol + a**2 * _BB.symbol - 2 * a * b * _AB.symbol) / (a + b) ** 4,
    space=Space([*LAW[3:], _AA, _BB, _AB]),
    quantity="mean square error of b/(a+b)",
    conventions=CONVENTIONS,
    derivation=Derivation("delta method", _exponent_steps),
    # Where the terms cancel exactly, no accuracy relative to the result is left.
    rtol=1e-9,
)


def _exponent_error(**arrays: np.ndarray) -> tuple[Any, Any]:
    return exponent_variance._evaluate(arrays)


exponent_error = Numerical(
    function=_exponent_error,
    formula=sp.latex(exponent_variance.expr),
    space=Space([*LAW[3:], *(Parameter(p.name, Observed("one number a trial"), p.meaning) for p in (_AA, _BB, _AB))]),
    quantity=exponent_variance.quantity,
    conventions=CONVENTIONS,
    derivation=exponent_variance.derivation,
)


def gram(A: float, B: float, E: float, a: float, b: float) -> np.ndarray:
    """J^T J of one run in each cell of the design, float64[5, 5]."""
    x, y = (v.ravel() for v in np.meshgrid(*(np.log(np.geomspace(*axis)) for axis in (SIZES, TOKENS)), indexing="ij"))
    terms = np.stack([A * np.exp(-a * x), B * np.exp(-b * y), E + 0.0 * x])
    shares = terms / terms.sum(axis=0)
    jacobian = np.stack([*shares, -shares[0] * x, -shares[1] * y])
    return np.asarray(jacobian @ jacobian.T)


def covariance(s: float, delta: float, **law: float) -> tuple[np.ndarray, np.ndarray]:
    """n times the covariance of (ln A, ln B, ln E, a, b, b/(a+b)), float64[6, 6], and a bound on its error.

    The bound is what is left of J^T J times its inverse besides the identity.
    """
    matrix = gram(**law)
    inverse = np.linalg.inv(matrix)
    lost = float(np.max(np.abs(matrix @ inverse - np.eye(5))))
    a, b = law["a"], law["b"]
    gradient = np.vstack([np.eye(5), [0.0, 0.0, 0.0, -b / (a + b) ** 2, a / (a + b) ** 2]])
    value = float(_factor(np.asarray(s), np.asarray(delta))) * s**2 * CELLS * (gradient @ inverse @ gradient.T)
    return value, 10.0 * lost * np.sqrt(np.outer(np.diag(value), np.diag(value)))


def _run_variance(k: np.ndarray, **arrays: np.ndarray) -> tuple[Any, Any]:
    names, columns = list(arrays), np.broadcast_arrays(k, *arrays.values())
    out = np.empty((2, columns[0].size))
    for i, (which, *values) in enumerate(zip(*(c.ravel() for c in columns))):
        both = covariance(**dict(zip(names, map(float, values))))
        out[:, i] = [matrix[int(which), int(which)] for matrix in both]
    return tuple(out.reshape(2, *columns[0].shape))


run_variance = Numerical(
    function=_run_variance,
    formula=r"\kappa s^2 n\, g_k^T (J^T J)^{-1} g_k",
    space=Space([WHICH, NOISE, DELTA, *LAW]),
    quantity="n times the variance of a fitted parameter",
    conventions=CONVENTIONS,
    derivation=Derivation(SOURCE, lambda: [*_factor_steps()[:1], *_jacobian_steps(), *_exponent_steps()]),
)

coverage = ClosedForm(
    expr=level,
    space=Space([LEVEL]),
    quantity="probability that the interval holds the truth",
    conventions={**CONVENTIONS, "interval": "estimate -+ z times the bootstrap's scale"},
    derivation=Derivation("definition of a confidence interval", _coverage_steps),
)

width_exponent = ClosedForm(
    expr=-sp.Rational(1, 2),
    space=Space([]),
    quantity="exponent of the number of runs in the width of an interval",
    conventions=CONVENTIONS,
    derivation=Derivation(SOURCE, _width_steps),
)


def _width(copies: np.ndarray, level: np.ndarray, **arrays: np.ndarray) -> tuple[Any, Any]:
    from scipy.special import erfinv

    value, error = _run_variance(np.asarray(5), **arrays)
    scale = 2.0 * np.sqrt(2.0) * erfinv(level) / np.sqrt(CELLS * copies)
    return scale * np.sqrt(value), scale * error / np.sqrt(value)


interval_width = Numerical(
    function=_width,
    formula=r"2 z_q \sqrt{V / n}",
    space=Space([COPIES, LEVEL, NOISE, DELTA, *LAW]),
    quantity="width of the interval of b/(a+b)",
    conventions=CONVENTIONS,
    derivation=Derivation(SOURCE, lambda: [*_coverage_steps(), *_width_steps()]),
)


def _published_steps() -> list[Step]:
    low, high = sp.Rational(454, 1000), sp.Rational(455, 1000)
    return [Step("width", high - low, sp.Rational(1, 1000), "from the published ends of the 80 % interval")]


published_width = ClosedForm(
    expr=sp.Rational(1, 1000),
    space=Space([]),
    quantity=interval_width.quantity,
    conventions=CONVENTIONS,
    derivation=Derivation("Hoffmann et al., arXiv:2203.15556v1, table 2", _published_steps),
)
