r"""One random hidden layer at finite width: exact cumulants, exact law, and the Edgeworth series around the Gaussian.

Model
    $f = \sigma_b b + N^{-1/2} \sum_{i=1}^N v_i \phi(h_i)$ at one input: $h_i \sim N(0, q)$ independent, $v_i$ symmetric
    with $E v^2 = s^2$ (normal, uniform or Rademacher), $b \sim N(0, 1)$.
Result, at every N
    $\sigma^2 = \sigma_b^2 + s^2 E\phi^2$; with $m_{2j} = E v^{2j} E\phi^{2j}$,
    $\kappa_4 = (m_4 - 3 m_2^2)/N$, $\kappa_6 = (m_6 - 15 m_4 m_2 + 30 m_2^3)/N^2$, $\kappa_{2j} \propto N^{1-j}$.
    ReLU and normal weights: excess kurtosis $15/N$ without bias. The law itself by its characteristic function
    (`edgeworth_law`). The fourth joint cumulants of several inputs are in `edgeworth_joint`.
Expansion
    With $y = f/\sigma$, $k_{2j} = \kappa_{2j}/\sigma^{2j}$ and g the standard normal density,
    $p(y) = g(y) [1 + \frac{k_4}{24} He_4 + \frac{k_6}{720} He_6 + \frac{k_4^2}{1152} He_8 + O(N^{-3})]$, so that
    $P(|y| > T) = 2 Q(T) + 2 g(T) [\frac{k_4}{24} He_3(T) + \frac{k_6}{720} He_5(T) + \frac{k_4^2}{1152} He_7(T)]$ and
    $KL(p \| g) = k_4^2/48 + O(N^{-3})$. What is left after each order has the next as its limit.
Source
    Antognini, arXiv:1908.10030v1, for the fourth cumulant and the first order; Edgeworth (1905) and Petrov, Sums of
    Independent Random Variables (1975), chapter VI, for the series. Exact laws and further orders as derived here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.polynomial import hermite_e
from scipy.special import ndtr

from theorylab.derivation import Derivation
from theorylab.derivations.infinite_width import edgeworth_law, edgeworth_moments
from theorylab.derivations.infinite_width import finite_size_edgeworth_steps as steps
from theorylab.parameters import Choices, Integers, Interval, Observed, Parameter, Space
from theorylab.prediction import ClosedForm, Numerical

POSITIVE = Interval(0, 100, open_low=True)
WIDTH = Parameter("N", Integers(1), "hidden units")
ACTIVATION = Parameter("activation", Choices(tuple(edgeworth_moments.ACTIVATIONS)), "activation", default="tanh")
SMOOTH = Parameter("activation", Choices(("tanh", "sin", "relu")), "activation", default="tanh")
WEIGHTS = Parameter("weights", Choices(edgeworth_moments.WEIGHTS), "law of a readout weight", default="normal")
SPREAD = Parameter("q", POSITIVE, "variance of a preactivation", default=1.0)
SCALE = Parameter("s", POSITIVE, "standard deviation of a readout weight before 1/sqrt(N)", default=1.0)
BIAS = Parameter("sigma_b", Interval(0, 100), "standard deviation of the output bias", default=0.0)
PLACE = Parameter("x", Interval(), "value of the output")
THRESHOLD = Parameter("T", Interval(0, 8, open_low=True), "threshold in standard deviations of the output", default=2.0)
NETWORKS = Parameter("networks", Integers(4), "networks of a trial's ensemble", default=64)
LEVEL = Parameter("level", POSITIVE, "threshold of |f|", default=1.0)
SIGMA4 = Parameter("sigma4", Observed("unbiased estimate of the squared variance of the output"), "squared variance")
ORDER = Parameter("order", Integers(0, 2), "orders in 1/N that are taken off", default=1)

N, q, s, sigma_b = (p.symbol for p in (WIDTH, SPREAD, SCALE, BIAS))
CONVENTIONS = {
    "width": "variances of v and h do not depend on N, the 1/sqrt(N) is explicit",
    "s": "E v^2 = s^2 for every law of the weights",
    "kurtosis": "excess kurtosis, kappa_4/sigma^4",
    "He": "probabilists' Hermite polynomials",
}
SOURCE = "Antognini (2019); Petrov (1975), chapter VI"
NETWORK = (WIDTH, ACTIVATION, WEIGHTS, SPREAD, SCALE, BIAS)
# Widths from which limits in 1/N are extrapolated.
WIDTHS = (64, 128, 256, 512)


def network_cumulants(
    *, N: float, activation: str, weights: str, q: float, s: float, sigma_b: float
) -> tuple[np.ndarray, np.ndarray]:
    """Cumulants 2, 4, 6 and 8 of the output, and their errors, float64[4] each."""
    site, error = edgeworth_moments.site_cumulants(activation, weights, q, s)
    falls = float(N) ** -np.arange(4.0)
    return site * falls + np.array([sigma_b**2, 0.0, 0.0, 0.0]), error * falls


def normalised(**network: Any) -> tuple[np.ndarray, np.ndarray]:
    """k_4, k_6 and k_8: cumulants of the output at unit variance, and their errors, float64[3] each."""
    kappa, error = network_cumulants(**network)
    powers = np.arange(2.0, 5.0)
    k = kappa[1:] / kappa[0] ** powers
    return k, error[1:] / kappa[0] ** powers + powers * np.abs(k) * error[0] / kappa[0]


def pointwise(evaluate: Callable[..., tuple[Any, Any]], **arrays: Any) -> tuple[np.ndarray, np.ndarray]:
    """`evaluate(**point) -> (value, error)` at every point of broadcast arrays."""
    names, columns = list(arrays), np.broadcast_arrays(*arrays.values())
    points = [[column[i].item() for column in columns] for i in np.ndindex(columns[0].shape)]
    found = [evaluate(**dict(zip(names, point))) for point in points]
    value, error = (np.array([float(row[i]) for row in found]).reshape(columns[0].shape) for i in (0, 1))
    return value, error


def _cumulant(index: int) -> Callable[..., Any]:
    def one(**network: Any) -> tuple[Any, Any]:
        value, error = network_cumulants(**network)
        return value[index], error[index]

    return lambda **arrays: pointwise(one, **arrays)


def _kurtosis(**network: Any) -> tuple[Any, Any]:
    value, error = normalised(**network)
    return value[0], error[0]


def _relu_fourth(*, sigma4: Any, **network: Any) -> tuple[Any, Any]:
    value, error = RELU_KURTOSIS.evaluate(**network)
    return value * sigma4, error * np.abs(sigma4)


def hermite_moments(**network: Any) -> tuple[np.ndarray, np.ndarray]:
    """sigma^n E He_n(f/sigma) for n = 4, 6, 8, float64[3], and their errors."""
    kappa, error = network_cumulants(**network)
    eighth = kappa[3] + 35.0 * kappa[1] ** 2
    return np.array([kappa[1], kappa[2], eighth]), np.array(
        [error[1], error[2], error[3] + 70.0 * abs(kappa[1]) * error[1]]
    )


def _hermite(**arrays: Any) -> tuple[np.ndarray, np.ndarray]:
    return hermite_moments(**{k: v.item() for k, v in arrays.items()})


def _law(**point: Any) -> edgeworth_law.Output:
    return edgeworth_law.output(
        *(point[k] for k in ("N", "activation", "weights")), *(float(point[k]) for k in ("q", "s", "sigma_b"))
    )


def _cdf(*, x: np.ndarray, **network: Any) -> tuple[np.ndarray, np.ndarray]:
    return _law(**{k: v.item() for k, v in network.items()}).cdf(x)


def _beyond(*, level: float, **network: Any) -> tuple[Any, Any]:
    value, error = _law(**network).upper(np.asarray([level]))
    return 2.0 * value[0], 2.0 * error[0]


def _tail(*, T: float, **network: Any) -> tuple[Any, Any]:
    law = _law(**network)
    value, error = law.upper(np.asarray([T * law.deviation]))
    return 2.0 * value[0], 2.0 * error[0]


@cache
def corrections(order: int) -> Mapping[int, Any]:
    """Coefficients of He_n at one order in 1/N, as functions of (k4, k6, k8)."""
    import sympy as sp

    return {n: sp.lambdify(steps.K, c) for n, c in steps.hermite_coefficients(order).items()}


def series(y: np.ndarray, k: np.ndarray, orders: int, tail: bool = False) -> np.ndarray:
    """The Edgeworth series through an order in 1/N: density over the normal one, or P(|f| > y sigma)."""
    total = np.ones_like(y) if not tail else 2.0 * ndtr(-y)
    for order in range(1, orders + 1):
        total = total + term(y, k, order, tail)
    return np.asarray(total)


def term(y: np.ndarray, k: np.ndarray, order: int, tail: bool = False) -> np.ndarray:
    """One order of `series`."""
    coefficients = np.zeros(4 * order + 1)
    for n, c in corrections(order).items():
        coefficients[n] = c(*k)
    if not tail:
        return np.asarray(hermite_e.hermeval(y, coefficients))
    # The integral of g He_n from T on is g(T) He_(n-1)(T).
    density = np.exp(-0.5 * np.square(y)) / math.sqrt(2.0 * math.pi)
    return np.asarray(2.0 * density * hermite_e.hermeval(y, coefficients[1:]))


def _series_tail(orders: int, factor: float = 1.0) -> Callable[..., Any]:
    def one(*, T: float, **network: Any) -> tuple[Any, Any]:
        k, error = normalised(**network)
        here, there = (series(np.asarray(T), x * np.array([factor, 1.0, 1.0]), orders, True) for x in (k, k + error))
        return here, abs(there - here) + 1e-15

    return lambda **arrays: pointwise(one, **arrays)


def _beyond_by_series(orders: int, factor: float = 1.0) -> Callable[..., Any]:
    def one(*, level: float, **network: Any) -> tuple[Any, Any]:
        return _series_tail(orders, factor)(T=level / _law(**network).deviation, **network)

    return lambda **arrays: pointwise(one, **arrays)


def _next_term(squares: bool = True) -> Callable[..., Any]:
    def one(*, order: float, T: float, **network: Any) -> tuple[Any, Any]:
        k, error = normalised(N=1, **network)
        here, there = (term(np.asarray(T), x, int(order) + 1) for x in (k, k + error))
        if not squares:
            only = np.zeros(2 * int(order) + 5)
            only[-1] = k[int(order)] / math.factorial(2 * int(order) + 4)
            here = there = hermite_e.hermeval(T, only)
        return here, abs(there - here) + 1e-14 * abs(here)

    return lambda **arrays: pointwise(one, **arrays)


def residuals(order: int, T: float, **network: Any) -> tuple[np.ndarray, np.ndarray]:
    """p/g minus the series through an order at y = T and `WIDTHS`, and its error."""
    values, errors = [], []
    for width in WIDTHS:
        law = _law(N=width, **network)
        p, error = law.density(np.asarray(T * law.deviation))
        scale = law.deviation * math.sqrt(2.0 * math.pi) * math.exp(0.5 * T * T)
        k, e = normalised(N=width, **network)
        one = series(np.asarray(T), k, order)
        values.append(scale * p - one)
        errors.append(scale * error + abs(series(np.asarray(T), k + e, order) - one))
    return np.array(values), np.array(errors)


def limit(values: np.ndarray, errors: np.ndarray) -> tuple[float, float]:
    """Extrapolate values at the last of `WIDTHS` in powers of 1/N; the error is the last improvement."""
    sizes = np.array(WIDTHS[-len(values) :], dtype=float)
    weights = [_at_infinity(sizes[i:]) for i in (0, 1)]
    full, short = (float(w @ values[-len(w) :]) for w in weights)
    return full, abs(full - short) + float(np.abs(weights[0]) @ errors)


def _at_infinity(sizes: np.ndarray) -> np.ndarray:
    """Weights of polynomial extrapolation to 1/N = 0."""
    x = 1.0 / sizes
    return np.array([np.prod(np.delete(x, i) / (np.delete(x, i) - x[i])) for i in range(len(x))])


def _observed_term(*, order: float, T: float, **network: Any) -> tuple[Any, Any]:
    values, errors = residuals(int(order), T, **network)
    grown = np.array(WIDTHS, dtype=float) ** (order + 1.0)
    return limit(values * grown, errors * grown)


def _observed_rate(*, order: float, T: float, **network: Any) -> tuple[Any, Any]:
    values, errors = residuals(int(order), T, **network)
    rates = np.log2(np.abs(values[:-1] / values[1:]))
    relative = errors / np.abs(values)
    return limit(rates, (relative[:-1] + relative[1:]) / math.log(2.0))


def divergence(**network: Any) -> tuple[float, float]:
    """KL(p || g) of the output at unit variance, and its error; no atom, and a bounded density."""
    law = _law(**network)
    found = []
    for nodes in (20, 14):
        x, w = np.polynomial.legendre.leggauss(nodes)
        low = np.arange(0.0, 9.0, 1.5)[:, None]
        y, weight = (low + 0.75 * (x + 1.0)).ravel(), np.tile(0.75 * w, len(low))
        p, error = law.density(y * law.deviation)
        ratio = p * law.deviation * math.sqrt(2.0 * math.pi) * np.exp(0.5 * y * y)
        g = np.exp(-0.5 * y * y) / math.sqrt(2.0 * math.pi)
        # r log r - r + 1, the same integral, is of second order in the small r - 1 everywhere.
        found.append(2.0 * float(np.sum(weight * g * _entropy(ratio))))
    error = 2.0 * float(np.sum(weight * law.deviation * error * np.abs(np.log(np.maximum(ratio, 1e-300)))))
    return found[0], abs(found[0] - found[1]) + error


def _entropy(r: np.ndarray) -> np.ndarray:
    small = np.abs(r - 1.0) < 1e-3
    d = np.where(small, r - 1.0, 0.0)
    safe = np.maximum(r, 1e-300)
    return np.where(small, d * d * (0.5 - d / 6.0 + d * d / 12.0 - d**3 / 20.0), safe * np.log(safe) - safe + 1.0)


def _observed_divergence(**network: Any) -> tuple[Any, Any]:
    grown = np.array(WIDTHS, dtype=float) ** 2
    value, error = np.array([divergence(N=width, **network) for width in WIDTHS]).T
    return limit(value * grown, error * grown)


def _divergence(**network: Any) -> tuple[Any, Any]:
    k, error = normalised(N=1, **network)
    return k[0] ** 2 / 48.0, abs(k[0]) * error[0] / 24.0


def _numerical(
    function: Callable[..., Any], quantity: str, formula: str, *more: Parameter, **options: Any
) -> Numerical:
    return Numerical(
        function=function,
        formula=formula,
        space=Space([*options.get("network", NETWORK), *more]),
        quantity=quantity,
        conventions=CONVENTIONS,
        derivation=options.get("derivation", _CUMULANTS),
    )


def _each(one: Callable[..., tuple[Any, Any]]) -> Callable[..., Any]:
    return lambda **arrays: pointwise(one, **arrays)


_CUMULANTS = Derivation(SOURCE, steps.cumulant_steps)
_SERIES = Derivation(SOURCE, steps.series_steps)
_LAW = Derivation("characteristic functions; Gil-Pelaez (1951)", steps.law_steps)
VARIANCE = _numerical(_cumulant(0), "variance of the output", r"\sigma_b^2 + s^2 E\phi^2")
FOURTH = _numerical(_cumulant(1), "fourth cumulant of the output", r"\frac{E v^4 E\phi^4 - 3 (E v^2 E\phi^2)^2}{N}")
SIXTH = _numerical(_cumulant(2), "sixth cumulant of the output", r"\frac{m_6 - 15 m_4 m_2 + 30 m_2^3}{N^2}")
HERMITE = _numerical(
    _hermite,
    "Hermite moments of the output, sigma^n E He_n(f/sigma), n = 4, 6, 8",
    r"\kappa_4,\ \kappa_6,\ \kappa_8 + 35 \kappa_4^2",
)
KURTOSIS = _numerical(_each(_kurtosis), "excess kurtosis of the output", r"\kappa_4/\sigma^4")
RELU_KURTOSIS = ClosedForm(
    expr=steps.relu_kurtosis(N, q, s, sigma_b),
    space=Space([WIDTH, SPREAD, SCALE, BIAS]),
    quantity="excess kurtosis of the output, ReLU and normal weights",
    conventions=CONVENTIONS,
    derivation=_CUMULANTS,
    corners=({"N": 1, "sigma_b": 0.0}, {"N": 1, "q": 1e-8, "s": 1e-8, "sigma_b": 100.0}),
)
RELU_FOURTH = Numerical(
    function=_relu_fourth,
    formula=r"\frac{15 s^4 q^2}{4 N \sigma^4}\, \sigma^4",
    space=Space([*RELU_KURTOSIS.space.parameters, SIGMA4]),
    quantity="fourth cumulant of the output, ReLU and normal weights, by the excess kurtosis",
    conventions=CONVENTIONS,
    derivation=_CUMULANTS,
)
_CONTINUOUS = (WIDTH, SMOOTH, WEIGHTS, SPREAD, SCALE, BIAS)
CDF = _numerical(
    _cdf,
    "distribution function of the output",
    r"\frac12 + \frac1\pi \int_0^\infty \sin(w x)\, C(w)\, \frac{dw}{w}",
    PLACE,
    network=_CONTINUOUS,
    derivation=_LAW,
)
TAIL = _numerical(
    _each(_tail),
    "probability of more than T standard deviations",
    r"1 - \frac2\pi \int_0^\infty \sin(w T \sigma)\, C(w)\, \frac{dw}{w}",
    THRESHOLD,
    network=_CONTINUOUS,
    derivation=_LAW,
)
BEYOND = _numerical(
    _each(_beyond),
    "probability that |f| exceeds a level",
    r"1 - \frac2\pi \int_0^\infty \sin(w\,\mathrm{level})\, C(w)\, \frac{dw}{w}",
    LEVEL,
    network=_CONTINUOUS,
    derivation=_LAW,
)
NORMAL_BEYOND, DOUBLED_BEYOND = (
    _numerical(_beyond_by_series(orders, factor), BEYOND.quantity, "", LEVEL, network=_CONTINUOUS, derivation=_SERIES)
    for orders, factor in ((0, 1.0), (2, 2.0))
)
SERIES_TAIL = _numerical(
    _series_tail(2),
    "probability of more than T standard deviations, through 1/N^2",
    r"2 Q(T) + 2 g(T) \left[\frac{k_4}{24} He_3 + \frac{k_6}{720} He_5 + \frac{k_4^2}{1152} He_7\right]",
    THRESHOLD,
    derivation=_SERIES,
)
FIRST_TAIL, DOUBLED_TAIL, NORMAL_TAIL = (
    _numerical(_series_tail(orders, factor), SERIES_TAIL.quantity, formula, THRESHOLD, derivation=_SERIES)
    for orders, factor, formula in (
        (1, 1.0, r"2 Q(T) + 2 g(T) \frac{k_4}{24} He_3"),
        (2, 2.0, r"2 Q(T) + 2 g(T) \frac{k_4}{12} He_3 + \ldots"),
        (0, 1.0, "2 Q(T)"),
    )
)
_AT_INFINITY = (ORDER, THRESHOLD)
NEXT_TERM, WITHOUT_SQUARES = (
    _numerical(
        _next_term(squares),
        "what the series leaves of p/g at y = T, times N^(order + 1), as N grows",
        r"\lim N^{r+1} \left(\frac{p}{g} - \sum_{j \le r} \mathrm{terms}_j\right)",
        *_AT_INFINITY,
        network=NETWORK[1:],
        derivation=_SERIES,
    )
    for squares in (True, False)
)
OBSERVED_TERM = _numerical(
    _each(_observed_term), "the same, from the exact law", "", *_AT_INFINITY, network=NETWORK[1:], derivation=_LAW
)
RATE = ClosedForm(
    expr=ORDER.symbol + 1,
    space=Space([ORDER]),
    quantity="power of 1/N of what the series leaves",
    conventions=CONVENTIONS,
    derivation=_SERIES,
)
OBSERVED_RATE = _numerical(
    _each(_observed_rate),
    "power of 1/N of what the series leaves of the exact density at y = T",
    r"\log_2 \frac{R(N)}{R(2N)}",
    *_AT_INFINITY,
    network=NETWORK[1:],
    derivation=_LAW,
)
DIVERGENCE = _numerical(
    _each(_divergence),
    "N^2 KL(output || normal) as N grows",
    r"\frac{(N k_4)^2}{48}",
    network=NETWORK[1:],
    derivation=_SERIES,
)
OBSERVED_DIVERGENCE = _numerical(
    _each(_observed_divergence), "the same, from the exact law", "", network=NETWORK[1:], derivation=_LAW
)
