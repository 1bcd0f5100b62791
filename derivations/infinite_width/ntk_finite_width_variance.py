r"""The neural tangent kernel of a finite network at one input: its exact mean and second moment, and the limit in L/n.

Model
    $z^l = W^l s^{l-1}$, $s^l = \phi(z^l)$, scalar linear output, $W^l_{ij} \sim N(0, C_W/n_{l-1})$, no biases but their
    gradients counted: $\Theta = \sum_{l=1}^L (\lambda_b + \lambda_W |s^{l-1}|^2/n_{l-1}) |\partial f/\partial z^l|^2$.
    $\phi$ has slope 1 above 0 and $\alpha$ at and below it: ReLU ($\alpha = 0$), leaky ReLU, linear (1), $|z|$ (-1).
Result, at every width
    The recursion of `ntk_finite_width_recursion`. At equal widths, $C_W E\phi'^2 = 1$ and $\lambda_b = 0$, with
    $m = E\phi'^4/(E\phi'^2)^2$ (2 for ReLU, 1 for linear units), $c = 3m - 1$ and $\rho = (n - 1)/(n + c)$,

        $E\Theta^2/(E\Theta)^2 = (1 + c/n)^{L-1} [1/L + (L-1)/(3L) + (4/3) L^{-2} \sum_{d=1}^{L-1} (L - d) \rho^d]$.
Limit
    $n \to \infty$ at $L = r n$: $e^{cr} \{1/3 + (4/3) [1/(kr) - (1 - e^{-kr})/(kr)^2]\}$, $k = c + 1$, with relative
    correction of order 1/n; $1 + (c - 2k/9) r$ for small r. At finite width the curve holds with
    $(L - 1) \log(1 + c/n)/c$ in the place of r, to 6 % down to n = 8.
Corrections
    With $\lambda_b > 0$ and ReLU the usual formulas hold up to the probability of a dead layer, which stops all bias
    gradients behind it. Here they carry it and are exact. The rate $e^{5r}$ that is quoted for the whole is that of
    its first factor: 40 % too much at r = 1/3, and three times at large r.
Source
    Hanin and Nica, arXiv:1909.05989v1, Theorem 1, for rates; Roberts, Yaida and Hanin, arXiv:2106.10165v2, chapter 8.
    Exact values, other slopes, biases, dead layers and the limit as derived here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp
from scipy.special import exprel

from theorylab.derivation import Derivation
from theorylab.derivations.infinite_width import ntk_finite_width_recursion as recursion
from theorylab.derivations.infinite_width import ntk_finite_width_variance_steps as steps
from theorylab.derivations.infinite_width.ntk_finite_width_recursion import RIGHT, Wrong
from theorylab.errors import DomainError
from theorylab.parameters import Integers, Interval, Parameter, Space
from theorylab.prediction import ClosedForm, Numerical

POSITIVE = Interval(0, open_low=True)
WIDTHS = Parameter("widths", Integers(1), "hidden widths n_1 .. n_(L-1), an array")
SLOPE = Parameter("alpha", Interval(-1, 1), "slope of the activation at and below 0: 0 ReLU, 1 linear", default=0.0)
VARIANCE = Parameter("C_W", POSITIVE, "weight variance times fan-in", default=2.0)
INPUT = Parameter("q0", POSITIVE, "mean square of the input's coordinates, |x|^2/n_0", default=1.0)
BIASES = Parameter("lambda_b", Interval(0), "factor of the squared bias gradients", default=0.0)
WEIGHTS = Parameter("lambda_W", Interval(0), "factor of the squared weight gradients, times fan-in", default=1.0)
WIDTH = Parameter("n", Integers(1), "width of every hidden layer", default=16)
DEPTH = Parameter("L", Integers(1), "weight layers", default=4)
DEEP = Parameter("L", Integers(2), "weight layers", default=4)
RATIO = Parameter("r", Interval(0, 10, open_low=True), "depth over width, L/n", default=0.25)
SHARE = Parameter("b", Interval(0, 1), "part of the mean kernel that is from bias gradients", default=0.0)
NETWORKS = Parameter("networks", Integers(1), "networks of a trial's ensemble", default=64)

CONVENTIONS = {
    "Theta": "squared gradients, lambda_b for a bias and lambda_W/fan-in for a weight (standard sampling)",
    "L": "weight layers, so that L - 1 are hidden",
    "NTK parametrisation": "lambda_W = C_W, lambda_b = C_b",
    "slope at 0": "alpha, as below 0",
}
SOURCE = "Hanin and Nica (2019); Roberts, Yaida and Hanin (2021), chapter 8"
NETWORK = (WIDTHS, SLOPE, VARIANCE, INPUT, BIASES, WEIGHTS)
# Widths at which limits in 1/n are extrapolated.
SIZES = (200, 400, 800, 1600)
_m = steps.fourth(steps.alpha)


def _network(index: int, wrong: Wrong = RIGHT) -> Callable[..., Any]:
    def function(*, widths: np.ndarray, **rest: np.ndarray) -> tuple[Any, Any]:
        if any(v.size != 1 for v in rest.values()):
            raise DomainError("widths is the array of one network's widths: give one number for every other parameter")
        values = {k: v.item() for k, v in rest.items()}
        value = recursion.moments(widths.ravel().tolist(), **values, wrong=wrong)[index]
        return np.asarray(value), np.asarray(1e-13 * abs(value))

    return function


def ratio(n: float, L: int, alpha: float, share: float = 0.0, wrong: Wrong = RIGHT) -> float:
    """E Theta^2/(E Theta)^2 of L layers at equal widths and criticality, by the recursion."""
    C_W = 1.0 / recursion.constants(alpha)[0]
    mean, second = recursion.moments([n] * (L - 1), alpha, C_W, 1.0, share, 1.0 - share, wrong)
    return second / mean**2


def _pointwise(evaluate: Callable[..., tuple[float, float]]) -> Callable[..., Any]:
    def function(**arrays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        columns = np.broadcast_arrays(*arrays.values())
        rows = [evaluate(**dict(zip(arrays, (float(v) for v in row)))) for row in zip(*(c.ravel() for c in columns))]
        value, error = np.array(rows).reshape(*columns[0].shape, 2).T if rows else (np.empty(0), np.empty(0))
        return value.T, error.T

    return function


def _equal(wrong: Wrong = RIGHT) -> Callable[..., Any]:
    def one(n: float, L: float, alpha: float) -> tuple[float, float]:
        value = ratio(n, int(L), alpha, wrong=wrong)
        return value, 1e-13 * L * value

    return _pointwise(one)


def _of_depth(n: float, r: float, alpha: float, share: float = 0.0) -> float:
    return ratio(n, round(r * n), alpha, share)


def _extrapolated(values: np.ndarray) -> tuple[float, float]:
    """Limit of values at `SIZES` (the last of them), by polynomials in 1/n, and its last improvement."""
    x = 1.0 / np.array(SIZES[-len(values) :])
    found = []
    for skip in (0, 1):
        part = x[skip:]
        weights = [np.prod(np.delete(part, i) / (np.delete(part, i) - part[i])) for i in range(len(part))]
        found.append(float(np.dot(weights, values[skip:])))
    return found[0], abs(found[0] - found[1]) + 1e-9


def _observed_correction(r: float, alpha: float) -> tuple[float, float]:
    limit = float(LIMIT(r=r, alpha=alpha))
    return _extrapolated(np.array([n * (_of_depth(n, r, alpha) / limit - 1.0) for n in SIZES]))


def _observed_rate(r: float, alpha: float) -> tuple[float, float]:
    limit = float(LIMIT(r=r, alpha=alpha))
    gaps = np.array([_of_depth(n, r, alpha) / limit - 1.0 for n in SIZES])
    return _extrapolated(np.log2(np.abs(gaps[:-1] / gaps[1:])))


def _observed_limit(r: float, alpha: float, b: float) -> tuple[float, float]:
    return _extrapolated(np.array([_of_depth(n, r, alpha, b) for n in SIZES]))


def decay(x: Any) -> np.ndarray:
    """1/x - (1 - e^-x)/x^2, near x = 0 by its series."""
    x = np.asarray(x, dtype=float)
    near = x < 0.5
    small = np.where(near, x, 0.0)
    series = sum((-small) ** j / math.factorial(j + 2) for j in range(14))
    large = np.where(near, 1.0, x)
    return np.where(near, series, (large + np.expm1(-large)) / large**2)


def _c(alpha: Any) -> Any:
    return 3.0 * 2.0 * (1.0 + alpha**4) / (1.0 + alpha * alpha) ** 2 - 1.0


def _curve(r: Any, c: Any) -> np.ndarray:
    return np.asarray(np.exp(c * r) * (1.0 / 3.0 + 4.0 / 3.0 * decay((c + 1.0) * r)))


def _limit(*, r: Any, alpha: Any) -> np.ndarray:
    return _curve(r, _c(alpha))


def _limit_with_biases(*, r: Any, alpha: Any, b: Any) -> np.ndarray:
    c = np.asarray(_c(alpha))[..., None]
    x, w = np.polynomial.legendre.leggauss(80)
    s, length = 0.5 * (x + 1.0), np.asarray(r)[..., None]
    rest = (1.0 - s) * exprel(c * length * (1.0 - s))
    pair = np.exp(c * length * s) / 3.0 + 2.0 * np.exp(-length * s) / 3.0
    biases, cross = np.sum(w * rest, axis=-1), np.sum(w * rest * (1.0 + pair), axis=-1)
    return np.asarray(b * b * biases + b * (1.0 - b) * cross + (1.0 - b) ** 2 * _limit(r=r, alpha=alpha))


def _correction(*, r: Any, alpha: Any) -> np.ndarray:
    c = np.asarray(_c(alpha))
    x = (c + 1.0) * r
    change = (c - 1.0) * (decay(x) - 0.5 * exprel(-x)) / (0.25 + decay(x))
    return np.asarray(-c - 0.5 * c * c * r + change)


def _equal_widths(*, n: Any, L: Any, alpha: Any) -> np.ndarray:
    n, L, alpha = np.broadcast_arrays(n, L, alpha)
    c = _c(alpha)
    total = np.empty(n.shape)
    for i in np.ndindex(n.shape):
        d = np.arange(1.0, L[i])
        total[i] = np.sum((L[i] - d) * ((n[i] - 1.0) / (n[i] + c[i])) ** d)
    return np.asarray(
        np.exp((L - 1.0) * np.log1p(c / n)) * (1.0 / L + (L - 1.0) / (3.0 * L) + 4.0 / 3.0 * total / L**2)
    )


def _effective(*, n: Any, L: Any, alpha: Any) -> np.ndarray:
    c = _c(alpha)
    return _curve((L - 1.0) * np.log1p(c / n) / c, c)


def _numerical(function: Callable[..., Any], quantity: str, formula: str, *parameters: Parameter) -> Numerical:
    return Numerical(
        function=function,
        formula=formula,
        space=Space(parameters),
        quantity=quantity,
        conventions=CONVENTIONS,
        derivation=_RECURSION if parameters[0] is WIDTHS else _SERIES,
    )


_RECURSION = Derivation(SOURCE, steps.recursion_steps)
_SERIES = Derivation(SOURCE, steps.series_steps)
_SUMS = (
    r"\sum_l (\lambda_b^2 + 2 \lambda_b \lambda_W S_{l-1} + \lambda_W^2 S^{(2)}_{l-1}) R_l + 2 \sum_{l < l'} R_{l'} "
    r"\{ \lambda_b^2 A_1 + \lambda_b \lambda_W S_{l-1} (A_1 + A_2) + \lambda_W^2 S^{(2)}_{l-1} A_2 \}"
)
MEAN, PUBLISHED_MEAN = (
    _numerical(
        _network(0, wrong), "mean kernel E Theta", r"\sum_l (\lambda_b + \lambda_W q_0 w^{l-1}) w^{L-l}", *NETWORK
    )
    for wrong in (RIGHT, Wrong(dead=True))
)
SECOND, PUBLISHED_SECOND, SLOW, UNTRACED, TOO_FAR = (
    _numerical(_network(1, wrong), "second moment of the kernel, E Theta^2", _SUMS, *NETWORK)
    for wrong in (RIGHT, Wrong(dead=True), Wrong(growth=3.0), Wrong(trace=0.0), Wrong(further=True))
)
EQUAL_RECURSION, EQUAL_SLOW, EQUAL_UNTRACED, EQUAL_TOO_FAR = (
    _numerical(_equal(wrong), "E Theta^2/(E Theta)^2", "", WIDTH, DEPTH, SLOPE)
    for wrong in (RIGHT, Wrong(growth=3.0), Wrong(trace=0.0), Wrong(further=True))
)
EQUAL_WIDTHS = ClosedForm(
    expr=steps.equal_widths(_m),
    numeric=_equal_widths,
    space=Space([WIDTH, DEPTH, SLOPE]),
    quantity="E Theta^2/(E Theta)^2 at equal widths, criticality, weights alone",
    conventions=CONVENTIONS,
    derivation=_SERIES,
    corners=({"n": 1, "L": 7, "alpha": 0.0}, {"n": 100_000, "L": 3, "alpha": 1.0}, {"n": 9, "L": 1, "alpha": -1.0}),
)
LIMIT = ClosedForm(
    expr=steps.limit(_m),
    numeric=_limit,
    space=Space([RATIO, SLOPE]),
    quantity="E Theta^2/(E Theta)^2 as n grows at L = r n, criticality, weights alone",
    conventions=CONVENTIONS,
    derivation=_SERIES,
    corners=({"r": 1e-9, "alpha": 0.0}, {"r": 0.0834, "alpha": 0.0}, {"r": 10.0, "alpha": 1.0}),
)
LIMIT_WITH_BIASES = ClosedForm(
    expr=steps.limit_with_biases(_m),
    numeric=_limit_with_biases,
    space=Space([RATIO, SLOPE, SHARE]),
    quantity="E Theta^2/(E Theta)^2 as n grows at L = r n, criticality",
    conventions={**CONVENTIONS, "b": "lambda_b/(lambda_b + lambda_W q0)"},
    derivation=_SERIES,
    corners=({"r": 1e-9, "alpha": 0.0, "b": 0.5}, {"r": 10.0, "alpha": 0.0, "b": 1.0}, {"r": 1.0, "b": 0.0}),
)
QUOTED = ClosedForm(
    expr=sp.exp((3 * _m - 1) * steps.r),
    space=Space([RATIO, SLOPE]),
    quantity="E Theta^2/(E Theta)^2 as n grows at L = r n, criticality, weights alone",
    conventions=CONVENTIONS,
    derivation=_SERIES,
)
_place = (steps.L - 1) * sp.log(1 + (3 * _m - 1) / steps.n) / (3 * _m - 1)
EFFECTIVE = ClosedForm(
    expr=steps.limit(_m).subs(steps.r, _place),
    numeric=_effective,
    space=Space([WIDTH, DEEP, SLOPE]),
    quantity="E Theta^2/(E Theta)^2, the curve at r = (L - 1) log(1 + c/n)/c",
    conventions=CONVENTIONS,
    derivation=_SERIES,
    corners=({"n": 1_000_000, "L": 2, "alpha": 0.0}, {"n": 1, "L": 30, "alpha": 1.0}),
)
CORRECTION = ClosedForm(
    expr=steps.correction(_m),
    numeric=_correction,
    space=Space([RATIO, SLOPE]),
    quantity="coefficient of 1/n in E Theta^2/(E Theta)^2 over its limit, at L = r n",
    conventions=CONVENTIONS,
    derivation=_SERIES,
    corners=({"r": 1e-9, "alpha": 0.0}, {"r": 0.0834, "alpha": 1.0}),
)
OBSERVED_LIMIT = _numerical(
    _pointwise(_observed_limit),
    "E Theta^2/(E Theta)^2 as n grows at L = r n, by the recursion",
    "",
    RATIO,
    SLOPE,
    SHARE,
)
OBSERVED_CORRECTION = _numerical(
    _pointwise(_observed_correction), "coefficient of 1/n, by the recursion", "", RATIO, SLOPE
)
OBSERVED_RATE = _numerical(_pointwise(_observed_rate), "power of 1/n, by the recursion", "", RATIO, SLOPE)
RATE = ClosedForm(
    expr=sp.S.One,
    space=Space([]),
    quantity="power of 1/n with which the limit in L/n is approached",
    conventions=CONVENTIONS,
    derivation=_SERIES,
)
