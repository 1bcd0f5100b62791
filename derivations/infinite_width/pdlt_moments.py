r"""Moments and logarithm of the size of a preactivation at any width, for scale-invariant activations without biases.

Model
    That of `pdlt_criticality` with phi = a_+ z above 0 and a_- z below, C_b = 0, hidden layers of width n (or n_1, n_2,
    n_3): g, the variance of an output preactivation given the weights below, is K times a product of independent
    factors, one for each hidden layer, (C_W/n) times a sum of n squares phi(z)^2 of standard normals.
Result (exact)
    E g^2 = (E g)^2 prod (1 + nu/n_l), E g = K prod C_W A_2. Linear: E g^m = K^m prod C_W^m prod_{j<m} (1 + 2 j/n_l).
    ReLU: a factor is (C_W/n) chi^2_B, B ~ Binomial(n, 1/2) active units, so E g^m = K^m prod (C_W/n_l)^m
    E[B (B + 2) ... (B + 2m - 2)]; a layer is dead with probability 2^-n. log(g/K) at criticality has mean
    L (psi(n/2) - log(n/2)) and variance L psi'(n/2) (linear), and for ReLU, given that no layer is dead, mean
    L (log(4/n) + E psi(B/2)) and variance L (E psi'(B/2) + Var psi(B/2)), B >= 1.
Limit
    n -> infinity with r = sum 1/n_l fixed: log(g/K) -> N(-nu r/2, nu r), E g^m/(E g)^m -> exp(nu r m (m - 1)/2).
Source
    Hanin and Nica (2020), arXiv:1812.05994, for products of gated matrices and their log-normal limit; Roberts, Yaida
    and Hanin (2021), arXiv:2106.10165v2, section 3.4, for the linear moments.
"""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import sympy as sp
from scipy.special import gammaln, ndtr, polygamma, psi

from theorylab.derivation import Derivation, Step
from theorylab.derivations.infinite_width.pdlt_criticality import A2, A4, A_MINUS, A_PLUS, METRIC, nu
from theorylab.parameters import Choices, Integers, Interval, Observed, Parameter, Space
from theorylab.prediction import ClosedForm, Numerical
from theorylab.symbolic import Computed

SOURCE = "Hanin and Nica (2020), Theorem 1; Roberts, Yaida and Hanin (2021), section 3.4"
CONVENTIONS = {
    "g": "variance of an output preactivation given the weights below; E z^4 = 3 E g^2",
    "depth": "number of hidden layers, of weights with variance C_W/n",
    "log": "natural; of g/K at criticality, C_W A_2 = 1",
}
WIDTH = Parameter("n", Integers(2), "width of the hidden layers")
FEW = Parameter("n", Integers(2, 400), "width of the hidden layers")
DEPTH = Parameter("depth", Integers(1, 40), "number of hidden layers")
N1, N2, N3 = (Parameter(f"n{l}", Integers(2), f"width of hidden layer {l}") for l in (1, 2, 3))
SLOPES = tuple(Parameter(p.name, Interval(-2, 2), p.meaning, default=p.default) for p in (A_PLUS, A_MINUS))
WEIGHT_VARIANCE = Parameter("C_W", Interval(0, 4, open_low=True), "width times the variance of a weight", default=2.0)
POWER = Parameter("m", Integers(1, 6), "power of g", default=2)
RATIO = Parameter("r", Interval(0, open_low=True), "depth over width")
NU = Parameter("nu", Interval(2, 6), "5 for ReLU, 2 for linear")
X = Parameter("x", Interval(), "value of log(g/K)")
ALIVE = Parameter("alive", Observed("1 where no layer of the networks is dead, else 0"), "no dead layer")
ACTIVATION = Parameter("activation", Choices(("relu", "linear")), "activation function")
n, depth, m, C_W, K, r, nus, x = (p.symbol for p in (WIDTH, DEPTH, POWER, WEIGHT_VARIANCE, METRIC, RATIO, NU, X))


class ActiveMoment(Computed):
    """E[B (B + 2) ... (B + 2m - 2)] for B ~ Binomial(n, 1/2)."""

    nargs = 2

    @staticmethod
    def on_arrays(*arrays: Any) -> Any:
        """By the sum over B, all of whose terms are positive."""

        def one(n: float, m: float) -> float:
            k, p = _binomial(int(n), 0)
            return float(np.sum(p * np.prod(k[:, None] + 2.0 * np.arange(int(m)), axis=1)))

        return np.vectorize(one, otypes=[float])(*arrays)

    @staticmethod
    def to_digits(*arguments: Any) -> Any:
        """By the same sum."""
        n, m = (int(a) for a in arguments)
        terms = (mpmath.binomial(n, k) * mpmath.fprod(k + 2 * j for j in range(m)) for k in range(n + 1))
        return mpmath.fsum(terms) / mpmath.mpf(2) ** n


class ActiveLog(Computed):
    """log(4/n) + E[psi(B/2)] for B ~ Binomial(n, 1/2) given B >= 1."""

    nargs = 1

    @staticmethod
    def on_arrays(*arrays: Any) -> Any:
        """With psi(B/2) - log(n/4) in two small parts."""

        def one(n: float) -> float:
            k, p = _binomial(int(n), 1)
            return float(np.sum(p * (_psi_less_log(k / 2.0) + np.log(2.0 * k / n))))

        return np.vectorize(one, otypes=[float])(*arrays)

    @staticmethod
    def to_digits(*arguments: Any) -> Any:
        """By the sum over B."""
        n = int(arguments[0])
        total = mpmath.fsum(mpmath.binomial(n, k) * mpmath.psi(0, mpmath.mpf(k) / 2) for k in range(1, n + 1))
        return mpmath.log(mpmath.mpf(4) / n) + total / (mpmath.mpf(2) ** n - 1)


class ActiveLogVariance(Computed):
    """E[psi'(B/2)] + Var[psi(B/2)] for B ~ Binomial(n, 1/2) given B >= 1."""

    nargs = 1

    @staticmethod
    def on_arrays(*arrays: Any) -> Any:
        """With deviations from the mean, squared."""

        def one(n: float) -> float:
            k, p = _binomial(int(n), 1)
            values = psi(k / 2.0)
            return float(np.sum(p * (polygamma(1, k / 2.0) + (values - np.sum(p * values)) ** 2)))

        return np.vectorize(one, otypes=[float])(*arrays)

    @staticmethod
    def to_digits(*arguments: Any) -> Any:
        """By sums over B."""
        n = int(arguments[0])
        halves = [mpmath.mpf(k) / 2 for k in range(1, n + 1)]
        weights = [mpmath.binomial(n, k) / (mpmath.mpf(2) ** n - 1) for k in range(1, n + 1)]
        mean = mpmath.fdot(weights, [mpmath.psi(0, h) for h in halves])
        square = mpmath.fdot(weights, [mpmath.psi(1, h) + mpmath.psi(0, h) ** 2 for h in halves])
        return square - mean**2


def _binomial(n: int, least: int) -> tuple[np.ndarray, np.ndarray]:
    """Values from `least` on and their chances, Binomial(n, 1/2) given that it is in them."""
    k = np.arange(least, n + 1, dtype=float)
    p = np.exp(gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0) - n * np.log(2.0))
    return k, p / np.sum(p)


def _psi_less_log(v: Any) -> Any:
    """psi(v) - log(v) without cancellation at large v."""
    # Recurrence up to 12, then the asymptotic series.
    v = np.asarray(v, dtype=float)
    shift = np.maximum(0.0, np.ceil(12.0 - v))
    top = v + shift
    s = 1.0 / top**2
    series = -0.5 / top - s * (1 / 12 - s * (1 / 120 - s * (1 / 252 - s * (1 / 240 - s * (1 / 132 - s * 691 / 32760)))))
    steps = np.arange(12.0)
    used = steps < shift[..., None]
    lost = np.sum(np.where(used, 1.0 / (v[..., None] + steps), 0.0), axis=-1)
    return series + np.log1p(shift / v) - lost


second_moment = (K * (C_W * A2) ** depth) ** 2 * (1 + nu / n) ** depth
second_moment_unequal = sp.Mul((K * (C_W * A2) ** 3) ** 2, *(1 + nu / p.symbol for p in (N1, N2, N3)))
linear_moment = K**m * (C_W**m * (2 / n) ** m * sp.rf(n / 2, m)) ** depth
relu_moment = K**m * ((C_W / n) ** m * ActiveMoment(n, m)) ** depth
linear_log = depth * (sp.digamma(n / 2) + sp.log(2 / n))
linear_log_variance = depth * sp.polygamma(1, n / 2)
relu_log, relu_log_variance = depth * ActiveLog(n), depth * ActiveLogVariance(n)
survival = (1 - 2 ** (-n)) ** depth
log_normal = sp.erfc(-(x + nus * depth / n / 2) / sp.sqrt(2 * nus * depth / n)) / 2
log_normal_moment = sp.exp(nus * r * m * (m - 1) / 2)


def _steps() -> list[Step]:
    v = sp.Symbol("v", positive=True)
    chi = v ** (n / 2 - 1) * sp.exp(-v / 2) / (2 ** (n / 2) * sp.gamma(n / 2))
    k, w, t = sp.Symbol("k", integer=True, nonnegative=True), sp.Symbol("w", positive=True), sp.Symbol("t", real=True)
    half = sp.Rational(1, 2)
    return [
        Step(
            "second moment of a factor",
            (n * 3 * A4 + n * (n - 1) * A2**2) / n**2,
            A2**2 * (1 + nu / n),
            "n equal terms <phi^4> = 3 A_4 and n (n - 1) products <phi^2>^2; factors of layers are independent",
        ),
        Step(
            "moments of a chi-square variable",
            sp.Integral(v**2 * chi, (v, 0, sp.oo)),
            n * (n + 2),
            "E v^m = n (n + 2) ... (n + 2m - 2), shown for m = 2: linear networks",
            where={n: (2, 9)},
        ),
        Step(
            "as a rising factorial",
            2**m * sp.gamma(n / 2 + m) / sp.gamma(n / 2),
            2**m * sp.rf(n / 2, m),
            "n (n + 2) ... (n + 2m - 2) is 2^m times a rising factorial",
            method="50 digits",
        ),
        Step(
            "active units of a ReLU layer",
            sp.Sum(sp.binomial(6, k) * k * (k + 2), (k, 0, 6)) / 2**6,
            (sp.Integer(6) / 2) ** 2 * (1 + sp.Rational(5, 6)),
            "signs of a layer are independent: given B of them positive the sum of squares is chi^2_B; m = 2, n = 6 "
            "gives nu = 5",
        ),
        Step(
            "the sum as it is computed",
            ActiveMoment(sp.Integer(6), sp.Integer(3)),
            sp.Sum(sp.binomial(6, k) * k * (k + 2) * (k + 4), (k, 0, 6)) / 2**6,
            "m = 3",
            method="50 digits",
        ),
        Step(
            "logarithm of a chi-square variable",
            sp.Derivative(2**t * sp.gamma(n / 2 + t) / sp.gamma(n / 2), t).doit().subs(t, 0),
            sp.digamma(n / 2) + sp.log(2),
            "d/dt E v^t at t = 0",
        ),
        Step(
            "its variance",
            sp.diff(sp.loggamma(n / 2 + t), t, 2).subs(t, 0),
            sp.polygamma(1, n / 2),
            "second derivative of log E v^t",
        ),
        Step(
            "of a mixture",
            half * (w + 4) + half * w + sp.Rational(1, 4) * (3 - 1) ** 2 - (w + 3),
            sp.S.Zero,
            "variance is the mean variance plus the variance of the means (two equal parts with means 1 and 3)",
        ),
        Step("chance that a unit of each layer is active", (1 - half**n) ** depth, survival, "2^-n are dead"),
        Step(
            "limit of the second moment",
            sp.Limit((1 + nus / w) ** (r * w), w, sp.oo),
            sp.exp(nus * r),
            "depth r n: log-normal with variance nu r",
        ),
        Step(
            "limit of the linear mean",
            sp.limit((sp.Rational(1, 1) * w * sp.series(sp.log(1 + 1 / w), w, sp.oo, 2).removeO()), w, sp.oo),
            sp.S.One,
            "psi(y) - log(y) = -1/(2 y) + ..., so that n (psi(n/2) - log(n/2)) -> -1 = -nu/2",
        ),
        Step(
            "moments of a log-normal variable",
            sp.Integral(
                sp.exp(m * t) * sp.exp(-((t + nus * r / 2) ** 2) / (2 * nus * r)) / sp.sqrt(2 * sp.pi * nus * r),
                (t, -sp.oo, sp.oo),
            ),
            log_normal_moment,
            "mean 1, and exp(nu r m (m - 1)/2) for the m-th",
            where={m: (1, 3)},
        ),
    ]


DERIVATION = Derivation(SOURCE, _steps)


def _linear_moment(*, n: Any, depth: Any, C_W: Any, K: Any, m: Any) -> np.ndarray:
    n, depth, C_W, K, m = np.broadcast_arrays(n, depth, C_W, K, m)
    j = np.arange(int(np.max(m)))
    logs = np.sum(np.where(j < m[..., None], np.log1p(2.0 * j / n[..., None]), 0.0), axis=-1)
    return np.asarray((K * C_W**depth) ** m * np.exp(depth * logs))


def _closed(expr: sp.Expr, parameters: list[Parameter], quantity: str, **more: Any) -> ClosedForm:
    return ClosedForm(
        expr=expr,
        space=Space(parameters),
        quantity=quantity,
        conventions=CONVENTIONS,
        derivation=DERIVATION,
        **more,
    )


SECOND_MOMENT = _closed(
    second_moment,
    [WIDTH, DEPTH, *SLOPES, WEIGHT_VARIANCE, METRIC],
    "E g^2, a third of the fourth moment of a preactivation",
    corners=({"n": 10**9, "depth": 40}, {"n": 2, "depth": 40}, {"n": 5, "depth": 3, "a_plus": 1e-3, "a_minus": 1e-3}),
)
SECOND_MOMENT_UNEQUAL = _closed(
    second_moment_unequal,
    [N1, N2, N3, *SLOPES, WEIGHT_VARIANCE, METRIC],
    "E g^2, a third of the fourth moment of a preactivation",
)
LINEAR_MOMENT = _closed(
    linear_moment,
    [WIDTH, DEPTH, WEIGHT_VARIANCE, METRIC, POWER],
    "E g^m, linear",
    numeric=_linear_moment,
    corners=({"n": 4001, "depth": 40, "m": 6},),
)
RELU_MOMENT = _closed(relu_moment, [FEW, DEPTH, WEIGHT_VARIANCE, METRIC, POWER], "E g^m, ReLU")
LINEAR_LOG = _closed(
    linear_log,
    [WIDTH, DEPTH],
    "mean of log(g/K), linear",
    numeric=lambda n, depth: depth * _psi_less_log(n / 2.0),
    corners=({"n": 1001, "depth": 1}, {"n": 2000, "depth": 1}),
)
LINEAR_LOG_VARIANCE = _closed(
    linear_log_variance, [WIDTH, DEPTH], "variance of log(g/K), linear", corners=({"n": 1001, "depth": 1},)
)
RELU_LOG = _closed(
    relu_log, [FEW, DEPTH], "mean of log(g/K) without dead layers, ReLU", corners=({"n": 400, "depth": 1},)
)
RELU_LOG_VARIANCE = _closed(
    relu_log_variance,
    [FEW, DEPTH],
    "variance of log(g/K) without dead layers, ReLU",
    corners=({"n": 400, "depth": 1},),
)
SURVIVAL = _closed(survival, [WIDTH, DEPTH], "chance that no ReLU layer is dead", corners=({"n": 60, "depth": 40},))
LOG_NORMAL = _closed(
    log_normal,
    [X, NU, WIDTH, Parameter("depth", Integers(1), "number of hidden layers")],
    "distribution function of log(g/K)",
    numeric=lambda x, nu, n, depth: ndtr((x + nu * depth / n / 2) / np.sqrt(nu * depth / n)),
    rtol=1e-11,
)
LOG_NORMAL_MOMENT = _closed(
    log_normal_moment,
    [Parameter("r", Interval(0, 4, open_low=True), RATIO.meaning), NU, POWER],
    "limit of E g^m/(E g)^m",
)


def _given_alive(form: ClosedForm) -> Numerical:
    """The conditional value where no layer is dead, and 0 where one is."""

    def function(alive: np.ndarray, **at: Any) -> Any:
        value, error = form.evaluate(**at)
        return alive * value, alive * error

    return Numerical(
        function=function,
        space=form.space | Space([ALIVE]),
        quantity=form.quantity,
        conventions=CONVENTIONS,
        derivation=DERIVATION,
        formula=form.latex(),
    )


RELU_LOG_ALIVE, RELU_LOG_VARIANCE_ALIVE = _given_alive(RELU_LOG), _given_alive(RELU_LOG_VARIANCE)


def _limits(r: np.ndarray, nu: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    value = np.array([-0.5 * float(nu) * float(r), float(nu) * float(r)])
    return value, np.spacing(np.abs(value))


LOG_LIMITS = Numerical(
    function=_limits,
    space=Space([RATIO, NU]),
    quantity="limits of mean and variance of log(g/K)",
    conventions=CONVENTIONS,
    derivation=DERIVATION,
    formula=r"(-\nu r/2,\ \nu r)",
)


# Width at which the limit is compared with the exact moments.
WIDE = 10**6


def _wide_moment(r: Any, m: Any) -> tuple[np.ndarray, np.ndarray]:
    """Exact linear moments at width 10^6 and depth r n, C_W = K = 1."""
    j = np.arange(1, int(m))
    value = np.exp(np.round(r * WIDE) * np.sum(np.log1p(2.0 * j / WIDE)))
    return value, 1e-9 * value


WIDE_MOMENT = Numerical(
    function=_wide_moment,
    space=Space([RATIO, POWER]),
    quantity="E g^m/(E g)^m, linear, n = 10^6 and depth r n",
    conventions=CONVENTIONS,
    derivation=DERIVATION,
    formula=r"\prod_{j<m} (1 + 2j/n)^{rn}",
)
