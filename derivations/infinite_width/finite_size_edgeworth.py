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
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.polynomial import hermite_e

from theorylab.derivation import Derivation
from theorylab.derivations.infinite_width import edgeworth_moments
from theorylab.derivations.infinite_width import edgeworth_series as numbers
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


def pointwise(evaluate: Callable[..., tuple[Any, Any]], **arrays: Any) -> tuple[np.ndarray, np.ndarray]:
    """`evaluate(**point) -> (value, error)` at every point of broadcast arrays."""
    names, columns = list(arrays), np.broadcast_arrays(*arrays.values())
    points = [[column[i].item() for column in columns] for i in np.ndindex(columns[0].shape)]
    found = [evaluate(**dict(zip(names, point))) for point in points]
    value, error = (np.array([float(row[i]) for row in found]).reshape(columns[0].shape) for i in (0, 1))
    return value, error


def _cumulant(index: int) -> Callable[..., Any]:
    def one(**network: Any) -> tuple[Any, Any]:
        value, error = numbers.network_cumulants(**network)
        return value[index], error[index]

    return lambda **arrays: pointwise(one, **arrays)


def _kurtosis(**network: Any) -> tuple[Any, Any]:
    value, error = numbers.normalised(**network)
    return value[0], error[0]


def _relu_fourth(*, sigma4: Any, **network: Any) -> tuple[Any, Any]:
    value, error = RELU_KURTOSIS.evaluate(**network)
    return value * sigma4, error * np.abs(sigma4)


def _hermite(**arrays: Any) -> tuple[np.ndarray, np.ndarray]:
    return numbers.hermite_moments(**{k: v.item() for k, v in arrays.items()})


def _cdf(*, x: np.ndarray, **network: Any) -> tuple[np.ndarray, np.ndarray]:
    return numbers.law(**{k: v.item() for k, v in network.items()}).cdf(x)


def _beyond(*, level: float, **network: Any) -> tuple[Any, Any]:
    value, error = numbers.law(**network).upper(np.asarray([level]))
    return 2.0 * value[0], 2.0 * error[0]


def _tail(*, T: float, **network: Any) -> tuple[Any, Any]:
    law = numbers.law(**network)
    value, error = law.upper(np.asarray([T * law.deviation]))
    return 2.0 * value[0], 2.0 * error[0]


def _series_tail(orders: int, factor: float = 1.0) -> Callable[..., Any]:
    def one(*, T: float, **network: Any) -> tuple[Any, Any]:
        k, error = numbers.normalised(**network)
        here, there = (
            numbers.series(np.asarray(T), x * np.array([factor, 1.0, 1.0]), orders, True) for x in (k, k + error)
        )
        return here, abs(there - here) + 1e-15

    return lambda **arrays: pointwise(one, **arrays)


def _beyond_by_series(orders: int, factor: float = 1.0) -> Callable[..., Any]:
    tail = _series_tail(orders, factor)

    def one(*, level: float, **network: Any) -> Any:
        return tail(T=level / numbers.law(**network).deviation, **network)

    return lambda **arrays: pointwise(one, **arrays)


def _next_term(squares: bool = True) -> Callable[..., Any]:
    def one(*, order: float, T: float, **network: Any) -> tuple[Any, Any]:
        k, error = numbers.normalised(N=1, **network)
        here, there = (numbers.term(np.asarray(T), x, int(order) + 1) for x in (k, k + error))
        if not squares:
            only = np.zeros(2 * int(order) + 5)
            only[-1] = k[int(order)] / math.factorial(2 * int(order) + 4)
            here = there = np.asarray(hermite_e.hermeval(T, only))
        return here, abs(there - here) + 1e-14 * abs(here)

    return lambda **arrays: pointwise(one, **arrays)


def _observed_term(*, order: float, T: float, **network: Any) -> tuple[Any, Any]:
    values, errors = numbers.residuals(int(order), T, **network)
    grown = np.array(numbers.WIDTHS, dtype=float) ** (order + 1.0)
    return numbers.limit(values * grown, errors * grown)


def _observed_rate(*, order: float, T: float, **network: Any) -> tuple[Any, Any]:
    values, errors = numbers.residuals(int(order), T, **network)
    rates = np.log2(np.abs(values[:-1] / values[1:]))
    relative = errors / np.abs(values)
    return numbers.limit(rates, (relative[:-1] + relative[1:]) / math.log(2.0))


def _observed_divergence(**network: Any) -> tuple[Any, Any]:
    grown = np.array(numbers.WIDTHS, dtype=float) ** 2
    value, error = np.array([numbers.divergence(N=width, **network) for width in numbers.WIDTHS]).T
    return numbers.limit(value * grown, error * grown)


def _divergence(**network: Any) -> tuple[Any, Any]:
    k, error = numbers.normalised(N=1, **network)
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
