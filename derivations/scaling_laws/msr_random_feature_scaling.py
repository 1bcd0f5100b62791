r"""The solvable model of neural scaling laws: ridge regression on random features of power-law data.

Model
    Latent $x \sim N(0, \operatorname{diag} \lambda_I)$ in $R^M$, $\lambda_I = \lambda_- (M/I)^{1+\alpha}$; frozen
    features $\varphi = u x \in R^N$, $u_{jI} \sim N(0, \sigma_u^2/M)$; labels $w^T x + \varepsilon$, $w_I \sim N(0,
    \sigma_w^2/M)$, $\varepsilon \sim N(0, \sigma_\varepsilon^2)$; ridge regression on T samples, penalty g not divided
    by T.
Result
    $\nu (N - d_1)(T - d_1) = g M/\sigma_u^2$ with $d_k(\nu) = \sum_I (\lambda_I/(\lambda_I + \nu))^k$, and with
    $n = N - d_1$, $t = T - d_1$, $e = d_1 - d_2$, $Den = n t + e (n + t)$ the mean loss tends to

        sigma_w^2 nu e N T/(M Den) + sigma_eps^2 (e^2 + d2 (n + e))/Den,

    symmetric in N and T without label noise. Ridgeless: d1 = min(N, T). The power law ends at M, where the loss without
    noise is zero. In the continuum the best ridge has degrees of freedom that depend on N, T and alpha alone, and the
    loss at it is homogeneous of degree -alpha: `msr_random_feature_limits`. What is exact at finite size is in
    `msr_random_feature_finite`.
Assumptions
    N, T, M large: errors of relative order 1/min(N, T).
Source
    Maloney, Roberts and Sully, arXiv:2210.16859v1; for the ridge and the duality Z. Zhang, arXiv:2405.19398v1.
    The exact forms at finite size are our own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation
from theorylab.derivations.scaling_laws import msr_random_feature_scaling_steps as steps
from theorylab.derivations.scaling_laws.power_spectrum import SpectralSum, used_and_left
from theorylab.parameters import Constraint, Integers, Interval, Parameter, Space
from theorylab.prediction import Implicit, Numerical

POSITIVE = Interval(0, open_low=True)
FEATURES = Parameter("N", Integers(1), "number of features, the trained parameters", default=60)
SAMPLES = Parameter("T", Integers(1), "number of training samples", default=150)
DIMENSIONS = Parameter("M", Integers(1), "dimensions of the latent data", default=600)
ALPHA = Parameter("alpha", Interval(0, 4, open_low=True), "the spectrum decays like I^-(1 + alpha)", default=1.0)
LEAST = Parameter("lam", POSITIVE, "least eigenvalue of the data's covariance", default=0.01, written="lambda_minus")
RIDGE = Parameter("g", Interval(0), "ridge, added to phi phi^T without 1/T", default=0.0)
TEACHER = Parameter("sigma_w", Interval(0), "standard deviation of the teacher's weights, times sqrt M", default=1.0)
WEIGHTS = Parameter("sigma_u", POSITIVE, "standard deviation of the features' weights, times sqrt M", default=1.0)
NOISE = Parameter("sigma_eps", Interval(0), "standard deviation of the label noise", default=0.0)
TAU = Parameter("tau", POSITIVE, "samples per feature, T/N", default=2.5)
MU = Parameter("mu", POSITIVE, "dimensions per feature, M/N", default=4.0)
SCALED_RIDGE = Parameter("h", Interval(0), "ridge per feature, g/N", default=0.0)
N, T, M, alpha, lam, g = (q.symbol for q in (FEATURES, SAMPLES, DIMENSIONS, ALPHA, LEAST, RIDGE))
sigma_w, sigma_u, sigma_eps, tau, mu, h = (q.symbol for q in (TEACHER, WEIGHTS, NOISE, TAU, MU, SCALED_RIDGE))
p = 1 + alpha
# The unknown: log(nu/lambda_-).
s = sp.Symbol("s", real=True)

CONVENTIONS = {
    "loss": "full squared error of one output, no 1/2; label noise is not in the test target",
    "g": "added to phi phi^T, not divided by T",
    "variances": "sigma_u^2 and sigma_w^2 are both divided by M",
}
MALONEY = "Maloney, Roberts and Sully, arXiv:2210.16859v1"

_gap = sp.Abs(N - T)
_few = (N + T - _gap) / 2


def total(k: int, j: int) -> sp.Expr:
    """Sum over I of y^j/(1 + y)^k, y = nu/lambda_I."""
    return SpectralSum(k, j, s, M, p)


# n t = q, n - t = N - T: the smaller of the two unused counts without cancellation.
_q = g * M / (sigma_u**2 * lam) * sp.exp(-s)
_unused = 2 * _q / (sp.sqrt(_gap**2 + 4 * _q) + _gap)
_features, _samples = _unused + (_gap + N - T) / 2, _unused + (_gap + T - N) / 2
counts = (_features, _samples, total(2, 1))

equation = total(1, 0) - _few + _unused
signal = sigma_w**2 * steps.signal(N, T, M, lam * sp.exp(s), *counts)
noise = sigma_eps**2 * steps.noise(*counts, total(2, 0))


def _residual(
    x: Any, *, N: Any, T: Any, M: Any, alpha: Any, lam: Any, g: Any = 0.0, sigma_u: Any = 1.0, **_: Any
) -> np.ndarray:
    """The equation, with whichever of d1 and M - d1 is smaller."""
    q = g * M / (np.square(sigma_u) * lam) * np.exp(-x)
    gap, few = np.abs(N - T), np.minimum(N, T)
    unused = 2.0 * q / (np.sqrt(gap * gap + 4.0 * q) + gap)
    used, left = used_and_left(x, M, 1.0 + alpha)
    return np.asarray(np.where(used < left, used - few + unused, (M - few) - left + unused))


def _bracket(
    *, N: Any, T: Any, M: Any, alpha: Any, lam: Any, g: Any = 0.0, sigma_u: Any = 1.0, **_: Any
) -> tuple[Any, Any]:
    # All samples and features unused below, at most half of the fewer used above.
    few, area = np.minimum(N, T), N * T
    scaled = g * M / (np.square(sigma_u) * lam)
    low = 0.999 * np.maximum(scaled / area, (M - few) / M)
    high = np.maximum(4.0 * scaled / area, 2.1 * M ** (2.0 + alpha) / few)
    return np.log(low), np.log(high)


def at_ratio(prediction: Implicit) -> Callable[..., tuple[Any, Any]]:
    """Value and error of a prediction at T = tau N and M = mu N, rounded, and g = h N, by those of them that it has."""

    def shaped(*, N: Any, mu: Any, tau: Any = None, h: Any = None, **rest: Any) -> tuple[Any, Any]:
        sizes = {"N": N, "M": np.floor(mu * N + 0.5)}
        if tau is not None:
            sizes["T"] = np.floor(tau * N + 0.5)
        if h is not None:
            sizes["g"] = h * N
        return prediction.evaluate(**sizes, **{k: v for k, v in rest.items() if k in prediction.space})

    return shaped


def _infinite(function: Callable[..., Any]) -> Callable[..., Any]:
    """With infinitely many samples."""
    return lambda *x, N, **rest: function(*x, N=N, T=np.inf, **rest)


_POLE = "without a ridge the loss is infinite where features and samples are equally many (interpolation threshold)"
_SIZES = [FEATURES, SAMPLES, DIMENSIONS, ALPHA, LEAST]
_SCALES = [TEACHER, WEIGHTS, NOISE]
_SOLVABLE = Constraint(
    sp.Or(g > 0, sp.And(sp.Ne(N, T), sp.Or(N < M, T < M))),
    f"{_POLE}; where both are at least M the ridgeless loss is that of least squares in M dimensions, `past-the-end`",
)
_RATIOS = [FEATURES, TAU, MU, ALPHA, LEAST]

_two_step = Derivation(f"{MALONEY}; ridge: two deterministic equivalents", steps.two_step)
_ridgeless = Derivation(MALONEY, lambda: [*steps.two_step(), *steps.ridgeless()])
_EDGE: tuple[Mapping[str, Any], ...] = (
    {"g": 0.0, "N": 150, "T": 60, "M": 80, "sigma_eps": 0.3},
    {"g": 1e-9, "N": 60, "T": 60, "M": 70, "sigma_eps": 1.0},
    {"g": 1e9, "M": 40},
    {"g": 1e-9, "N": 40, "T": 90, "M": 40, "sigma_eps": 1.0},
    {"g": 1e-9, "N": 50, "T": 90, "M": 40, "sigma_eps": 1.0},
    {"g": 0.0, "N": 39, "T": 90, "M": 40, "alpha": 4.0},
    {"g": 0.0, "N": 1, "T": 2, "M": 60, "alpha": 0.05},
)

LOSS = Implicit(
    equation=equation,
    unknown=s,
    bracket=_bracket,
    numeric=_residual,
    output=signal + noise,
    space=Space([*_SIZES, RIDGE, *_SCALES], [_SOLVABLE]),
    quantity="mean test loss",
    conventions=CONVENTIONS,
    derivation=_two_step,
    corners=_EDGE,
)
NOISE_LOSS = replace(LOSS, output=noise, corners=())
FORMULA = r"\nu (N - d_1)(T - d_1) = g M/\sigma_u^2"
LOSS_AT_RATIO = Numerical(
    function=at_ratio(LOSS),
    formula=FORMULA,
    space=Space([*_RATIOS, SCALED_RIDGE, *_SCALES]),
    quantity="mean test loss",
    conventions=CONVENTIONS,
    derivation=_two_step,
)
NOISE_AT_RATIO = Numerical(
    function=at_ratio(NOISE_LOSS),
    formula=FORMULA,
    space=Space([*_RATIOS, SCALED_RIDGE, WEIGHTS, NOISE]),
    quantity="mean test loss due to label noise",
    conventions=CONVENTIONS,
    derivation=_two_step,
)

# The ridgeless form: d1 = min(N, T) = K, with the larger count Q.
_K, _Q = sp.Min(N, T), sp.Max(N, T)
_fewer_samples = (T**2 + N * total(2, 0) - 2 * T * total(2, 0)) / ((N - T) * (T - total(2, 0)))
RIDGELESS = Implicit(
    equation=total(1, 0) - _few,
    unknown=s,
    bracket=_bracket,
    numeric=_residual,
    output=sigma_w**2 / M * _few * lam * sp.exp(s) / (1 - _few / (_few + _gap))
    + sigma_eps**2 * sp.Piecewise((N / (T - N), N < T), (_fewer_samples, True)),
    space=Space(
        [*_SIZES, TEACHER, NOISE],
        [
            Constraint(sp.Ne(N, T), _POLE),
            Constraint(sp.Or(N < M, T < M), "where both are at least M see `past-the-end`"),
        ],
    ),
    quantity="mean test loss without a ridge",
    conventions=CONVENTIONS,
    derivation=_ridgeless,
    corners=({"N": 90, "T": 60, "M": 100, "sigma_eps": 0.3}, {"N": 1, "T": 2, "M": 60, "alpha": 0.05}),
)

_PLATEAU = Constraint(N < M, "as many features as dimensions see everything")
INFINITE_DATA = Implicit(
    equation=total(1, 0) - N,
    unknown=s,
    bracket=_infinite(_bracket),
    numeric=_infinite(_residual),
    output=sigma_w**2 / M * N * lam * sp.exp(s),
    space=Space([FEATURES, DIMENSIONS, ALPHA, LEAST, TEACHER], [_PLATEAU]),
    quantity="mean test loss after infinitely many samples",
    conventions=CONVENTIONS,
    derivation=_ridgeless,
    corners=({"N": 1, "M": 60, "alpha": 0.05}, {"N": 39, "M": 40, "alpha": 4.0}),
)
INFINITE_DATA_AT_RATIO = Numerical(
    function=at_ratio(INFINITE_DATA),
    formula=r"\frac{\sigma_w^2}{M} N \nu, \quad d_1(\nu) = N",
    space=Space([FEATURES, MU, ALPHA, LEAST, TEACHER]),
    quantity="mean test loss after infinitely many samples",
    conventions=CONVENTIONS,
    derivation=_ridgeless,
)
