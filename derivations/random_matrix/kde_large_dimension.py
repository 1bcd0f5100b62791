r"""Kernel density estimates of Gaussian data in high dimension: three regimes of the bandwidth.

Model
    Data y_1..y_n ~ N(0, Sigma) in R^d, n = e^(alpha d), Gaussian kernel of bandwidth h,
    rho_hat(x) = (1/n) sum_i (2 pi h^2)^(-d/2) e^(-|x - y_i|^2/(2 h^2)), at a typical x: x_j^2 = s_j, the variances.
    Weights w_i are the kernels over their sum. Half of the variances are 1, the other half s.
Result
    phi(tau) = (1/d) log E e^(-tau |x - y|^2/2) = -<log(1 + tau s)>/2 - <tau s/(1 + tau s)>/2, and the entropy of the
    data points that count, alpha + phi - tau phi', falls to zero at tau_c. With h_G = tau_c^(-1/2):
    above h_CLT = sqrt(2) h_G fluctuations are Gaussian; between h_G and h_CLT they are stable of index
    mu = (h/h_G)^2 while rho_hat still tends to rho smoothed; below h_G few points count: weights are those of Poisson
    and Dirichlet, E sum w_i^k -> Gamma(k - mu)/(Gamma(k) Gamma(1 - mu)). The Kullback-Leibler divergence is least at
    h_KL^2 = 1/(1 + tau_c) + 1/(1 + tau_c)^2 (Sigma = I), inside the condensed regime.
    At finite d the same hold with tau_d, entropy(tau_d) = log(tau_d sqrt(2 pi d phi''(tau_d)))/d, up to O(1/d).
    Mean and variance of rho_hat are exact at every n and d; so are the integrals of `kde_exact` and the laws of
    `kde_law`.
Assumptions
    Gaussian data and kernel; n -> infinity like e^(alpha d) where nothing else is said.
Source
    Biroli and Mezard (2024), arXiv:2408.05807v3. tau_d is our own, from the theorem of Bahadur and Ranga Rao (1960).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation
from theorylab.derivations.random_matrix import kde_exact, kde_law
from theorylab.derivations.random_matrix.kde_steps import density_steps, entropy_steps, limit_steps, weight_steps
from theorylab.parameters import Constraint, Integers, Interval, Parameter, Space
from theorylab.prediction import ClosedForm, Implicit, Numerical

ALPHA = Parameter("alpha", Interval(0, 20, open_low=True), "(log n)/d")
RATIO = Parameter("s", Interval(0, open_low=True), "variance of half of the axes; of the others it is 1", default=1.0)
WIDTH = Parameter("h", Interval(0, open_low=True), "bandwidth")
DIM = Parameter("d", Integers(1), "dimension")
COUNT = Parameter("n", Integers(1), "number of data points")
ORDER = Parameter("k", Integers(2), "power of the weights", default=2)
RHO = Parameter("rho", Interval(0), "|x|^2/d", default=1.0)
NEAREST = Parameter("k", Integers(1), "nearest data points", default=1)
ENERGY = Parameter("e", Interval(0), "half of the squared distance to the nearest data point")
LOG_SUM = Parameter("x", Interval(), "logarithm of the sum of kernels of height 1", default=0.0)
alpha, s, h, d, n, k = (p.symbol for p in (ALPHA, RATIO, WIDTH, DIM, COUNT, ORDER))
tau = sp.Symbol("tau", positive=True)

CONVENTIONS = {
    "alpha": "(log n)/d, natural logarithm",
    "kernel": "normalised Gaussian of standard deviation h on every axis",
    "x": "typical, x_j^2 = variance of axis j, unless said otherwise",
    "KL": "KL(rho || rho_hat) in nats, over d",
}
SOURCE = "Biroli and Mezard (2024), arXiv:2408.05807v3; own finite-size expansion"
_entropy = Derivation(SOURCE, lambda: entropy_steps(alpha, h))
_weights = Derivation(SOURCE, lambda: [*entropy_steps(alpha, h), *weight_steps()])
_limits = Derivation(SOURCE, lambda: [*entropy_steps(alpha, h), *limit_steps(alpha, h)])
_density = Derivation("Gaussian integrals, axis by axis", density_steps)


def entropy(at: sp.Expr, variance: sp.Expr) -> sp.Expr:
    """alpha + phi - tau phi' of an axis."""
    return alpha - sp.log(1 + at * variance) / 2 + at * variance / (1 + at * variance) ** 2 / 2


def _loss(t: Any) -> Any:
    """log(1 + t) - t/(1 + t)^2 >= 0 without cancellation."""
    z = t / (1.0 + t)
    series = sum(z**j / j for j in range(2, 22))
    return np.where(z < 0.12, series, np.log1p(t) - z) + z**2


def _top(alpha: Any, s: Any) -> Any:
    """Above the root: log(1 + t) - t/(1 + t)^2 is more than log(1 + t) - 1/4."""
    return np.expm1(2.0 * alpha + 0.5) / np.minimum(1.0, s)


_condition = (entropy(tau, sp.S.One) + entropy(tau, s)) / 2
_isotropic = entropy(tau, sp.S.One)
_ENTROPY: dict[str, Any] = {
    "equation": _condition,
    "unknown": tau,
    "bracket": lambda alpha, s: (0.0 * alpha, _top(alpha, s)),
    "numeric": lambda x, alpha, s: alpha - 0.25 * (_loss(x) + _loss(x * s)),
    "conventions": CONVENTIONS,
    "derivation": _entropy,
    "space": Space([ALPHA, RATIO]),
    "corners": ({"alpha": 1e-12, "s": 1.0}, {"alpha": 20.0, "s": 1e-6}, {"alpha": 0.01, "s": 1e6}),
}
_ONE_KIND: dict[str, Any] = {
    "equation": _isotropic,
    "unknown": tau,
    "bracket": lambda alpha, **_: (0.0 * alpha, _top(alpha, 1.0)),
    "numeric": lambda x, alpha, **_: alpha - 0.5 * _loss(x),
    "conventions": CONVENTIONS,
    "derivation": _limits,
}
glass = Implicit(quantity="h_G, where few data points begin to count", output=tau ** sp.Rational(-1, 2), **_ENTROPY)
root_two_glass = Implicit(quantity="sqrt(2) h_G", output=sp.sqrt(2 / tau), **_ENTROPY)
_width = sp.Symbol("w", positive=True)
gaussian_limit = Implicit(
    space=Space([ALPHA, RATIO]),
    quantity="h_CLT, below which fluctuations are no longer Gaussian",
    equation=_condition.subs(tau, 2 / _width**2),
    unknown=_width,
    bracket=lambda alpha, s: (np.sqrt(2.0 / _top(alpha, s)), 1e12 * np.sqrt(1.0 + s) / np.minimum(alpha, 1.0)),
    numeric=lambda x, alpha, s: alpha - 0.25 * (_loss(2.0 / x**2) + _loss(2.0 * s / x**2)),
    conventions=CONVENTIONS,
    derivation=_entropy,
    corners=({"alpha": 1e-12, "s": 1.0}, {"alpha": 20.0, "s": 1e-6}, {"alpha": 0.01, "s": 1e6}),
)
_small = ({"alpha": 1e-12}, {"alpha": 20.0})
least_energy = Implicit(
    space=Space([ALPHA]),
    quantity="min |x - y|^2/(2 d)",
    output=(1 / (1 + tau) + 1 / (1 + tau) ** 2) / 2,
    corners=_small,
    **_ONE_KIND,
)
best_width = Implicit(
    space=Space([ALPHA]),
    quantity="h_KL, the bandwidth of least Kullback-Leibler divergence",
    output=sp.sqrt(1 / (1 + tau) + 1 / (1 + tau) ** 2),
    corners=_small,
    **_ONE_KIND,
)
_energy = (1 / (1 + tau) + 1 / (1 + tau) ** 2) / 2
_frozen = h**2 * tau < 1
log_density_limit = Implicit(
    space=Space([ALPHA, WIDTH]),
    quantity="(1/d) log rho_hat",
    output=-sp.log(2 * sp.pi * h**2) / 2
    + sp.Piecewise((-alpha - _energy / h**2, _frozen), (-sp.log(1 + h**-2) / 2 - 1 / (1 + h**2) / 2, True)),
    **_ONE_KIND,
)
kl_limit = Implicit(
    space=Space(
        [ALPHA, WIDTH], [Constraint(h >= sp.Rational(1, 5), "below it the digits of this difference are lost")]
    ),
    quantity="(1/d) KL(rho || rho_hat)",
    output=sp.Piecewise(
        (alpha + sp.log(h) + _energy / h**2 - sp.Rational(1, 2), _frozen),
        (sp.log(1 + h**2) / 2 - h**2 / (1 + h**2) / 2, True),
    ),
    **_ONE_KIND,
)


def weight_moment(mu: sp.Expr) -> sp.Expr:
    """E sum w^k of Poisson and Dirichlet, index mu; 0 above 1."""
    condensed = sp.gamma(k - mu) / (sp.gamma(k) * sp.gamma(1 - mu))
    return sp.Piecewise((condensed, mu < 1), (sp.S.Zero, True))


_WITH_ORDER = Space([ALPHA, WIDTH, ORDER])
weights_limit = Implicit(
    space=_WITH_ORDER,
    quantity="sum of the k-th powers of the weights, d -> infinity",
    output=weight_moment(h**2 * tau),
    **{**_ONE_KIND, "derivation": _weights},
)


def weights_limit_of(power: int) -> Implicit:
    """The limit with one power for all."""
    return replace(weights_limit, output=weight_moment(h**2 * tau).subs(k, power))


z = 1 / (1 + tau)
curvature = z**2 / 2 + z**3
_finite: dict[str, Any] = {
    "equation": _isotropic - sp.log(2 * sp.pi * d * tau**2 * curvature) / (2 * d),
    "unknown": tau,
    "bracket": lambda alpha, **_: (1e-9 + 0.0 * alpha, np.exp(2.0 * alpha + 3.0)),
    "conventions": CONVENTIONS,
    "derivation": _weights,
}
weights_at_size = Implicit(
    space=Space([ALPHA, WIDTH, ORDER, DIM]),
    quantity="sum of the k-th powers of the weights",
    output=weight_moment(h**2 * tau),
    **_finite,
)
squares_at_size = Implicit(
    space=Space([ALPHA, WIDTH, DIM]),
    quantity="sum of the squared weights of the squared kernel",
    output=sp.Piecewise((1 - h**2 * tau / 2, h**2 * tau < 2), (sp.S.Zero, True)),
    **_finite,
)
finite_glass = Implicit(
    space=Space([ALPHA, DIM]), quantity="h_G at dimension d", output=tau ** sp.Rational(-1, 2), **_finite
)

# Mean and variance of rho_hat at x_j^2 = (r^2/d) s_j, d = 2 m axes, m of each variance.
HALF = Parameter("m", Integers(1, 25), "axes of either variance: half of the dimension")
RADIUS = Parameter("r", Interval(0, 8), "Mahalanobis norm of x, sqrt(d) where x is typical")
VARIANCE = Parameter("s", Interval(0.1, 10), "variance of half of the axes; of the others it is 1", default=1.0)
MODERATE = Parameter("h", Interval(0.2, 10), "bandwidth")
m, r, v, w = (p.symbol for p in (HALF, RADIUS, VARIANCE, MODERATE))


def normal(variance: sp.Expr, own: sp.Expr) -> sp.Expr:
    """N(x; 0, variance) over the m axes of variance `own`."""
    return (2 * sp.pi * variance) ** (-m / 2) * sp.exp(-(r**2) * own / (4 * variance))


mean_expr = normal(1 + w**2, sp.S.One) * normal(v + w**2, v)
square_expr = (4 * sp.pi * w**2) ** (-m) * normal(1 + w**2 / 2, sp.S.One) * normal(v + w**2 / 2, v)
variance_expr = (square_expr - mean_expr**2) / n


def _variance(m: Any, r: Any, s: Any, h: Any, n: Any) -> Any:
    """n Var/mean^2 + 1 = E K^2/(E K)^2, as an exponential of small numbers."""
    log_mean, log_ratio = 0.0, 0.0
    for own in (1.0, s):
        total = own + h**2
        log_mean = log_mean - 0.5 * m * np.log(2.0 * np.pi * total) - r**2 * own / (4.0 * total)
        log_ratio = log_ratio + 0.5 * m * np.log1p(own**2 / (h**2 * (2.0 * own + h**2)))
        log_ratio = log_ratio + 0.5 * r**2 * own**2 / (total * (total + own))
    return np.exp(2.0 * log_mean) * np.expm1(log_ratio) / n


mean_density = ClosedForm(
    space=Space([HALF, RADIUS, VARIANCE, MODERATE]),
    quantity="mean of rho_hat(x)",
    expr=mean_expr,
    conventions=CONVENTIONS,
    derivation=_density,
    corners=({"m": 25, "r": 8.0, "s": 10.0, "h": 10.0}, {"m": 25, "r": 8.0, "s": 0.1, "h": 0.2}),
)
density_variance = ClosedForm(
    space=Space([HALF, RADIUS, VARIANCE, MODERATE, COUNT]),
    quantity="variance of rho_hat(x)",
    expr=variance_expr,
    numeric=_variance,
    conventions=CONVENTIONS,
    derivation=_density,
    corners=(
        {"m": 25, "r": 8.0, "s": 10.0, "h": 10.0, "n": 1},
        {"m": 1, "r": 0.0, "s": 0.1, "h": 10.0, "n": 1000},
        {"m": 25, "r": 8.0, "s": 0.1, "h": 0.2, "n": 7},
    ),
)

# Exact at finite n and d, by quadrature.
VISIBLE = Parameter("h", Interval(0.2), "bandwidth")
_EXACT: dict[str, Any] = {"conventions": CONVENTIONS, "derivation": Derivation(SOURCE, weight_steps)}
_LIMIT = Space([ALPHA, WIDTH])
FAR = 400


def _with_width(function: Any) -> Any:
    """A quantity at FAR dimensions and e^(alpha FAR) data points, as a function of alpha and h."""
    return lambda alpha, h: function(np.full_like(h, FAR), np.exp(alpha * FAR), h, np.ones_like(h))


weights_far = Numerical(
    space=_WITH_ORDER,
    quantity="sum of the k-th powers of the weights, d = 400",
    function=lambda alpha, h, k: kde_exact.participation(
        np.full_like(h, FAR), np.exp(alpha * FAR), h, np.ones_like(h), k
    ),
    **_EXACT,
)
log_density_far = Numerical(
    space=_LIMIT, quantity="(1/d) log rho_hat, d = 400", function=_with_width(kde_exact.mean_log_density), **_EXACT
)
kl_far = Numerical(
    space=_LIMIT,
    quantity="(1/d) KL(rho || rho_hat), d = 400",
    function=_with_width(lambda d, n, h, _: kde_exact.divergence(d, n, h)),
    **_EXACT,
)


def _least_divergence(alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the limit is least, by successively narrower grids of bandwidths up to twice h_G."""
    low, high = np.maximum(0.2, 0.5 * glass(alpha=alpha)), 2.0 * glass(alpha=alpha)
    for _ in range(4):
        grid = np.linspace(low, high, 41)
        best = np.argmin(kl_limit(alpha=alpha, h=grid), axis=0)
        low = np.take_along_axis(grid, np.maximum(best - 1, 0)[None], axis=0)[0]
        high = np.take_along_axis(grid, np.minimum(best + 1, 40)[None], axis=0)[0]
    return 0.5 * (low + high), 0.5 * (high - low)


least_divergence = Numerical(
    space=Space([ALPHA]),
    quantity="bandwidth of least divergence in the limit",
    function=_least_divergence,
    formula=r"rg\min_h \mathrm{KL}",
    conventions=CONVENTIONS,
    derivation=_limits,
)

INDEX = Parameter("mu", Interval(0, 2, open_low=True, open_high=True), "index of the stable law, (h/h_G)^2")
UNITS = Parameter("y", Interval(), "sum of kernels, less its mean where mu > 1, in units of the weight with F = 1/n")


def _stable(mu: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mu, y = np.broadcast_arrays(mu, y)
    fine, coarse = (
        np.array([kde_law.stable_law(np.array([b]), float(a), terms)[0] for a, b in zip(mu.flat, y.flat)])
        for terms in (400, 200)
    )
    return fine.reshape(mu.shape), (np.abs(fine - coarse) + 1e-9).reshape(mu.shape)


def _law_far(mu: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The exact law at FAR dimensions, alpha = 0.35, and the bandwidth sqrt(mu/tau_d)."""
    values, errors = np.broadcast_arrays(mu + 0.0 * y, y)
    found = [
        kde_law.scaled_law(float(b), float(a), FAR, 0.35, _tau(0.35, FAR)) for a, b in zip(values.flat, errors.flat)
    ]
    table = np.array(found).reshape(*values.shape, 2)
    return table[..., 0], table[..., 1]


def _tau(alpha: float, d: int) -> float:
    return float(finite_glass(alpha=alpha, d=d)) ** -2


def gaussian_law(y: np.ndarray) -> np.ndarray:
    """The normal distribution function."""
    from scipy.special import ndtr

    return np.asarray(ndtr(y))


_INDEXED = Space([INDEX, UNITS], [Constraint(sp.Ne(INDEX.symbol, 1), "at index 1 units are other ones")])
stable_law = Numerical(
    space=_INDEXED,
    quantity="distribution function of the sum of kernels, d -> infinity",
    function=_stable,
    formula=r"\mathcal L^{-1}[e^{-\Gamma(1 - \mu) s^\mu} / s]",
    conventions=CONVENTIONS,
    derivation=_weights,
)
law_far = Numerical(
    space=_INDEXED,
    quantity="distribution function of the sum of kernels, d = 400",
    function=_law_far,
    **_EXACT,
)
participation = Numerical(
    space=Space([DIM, COUNT, VISIBLE, RHO, ORDER]),
    quantity="sum of the k-th powers of the weights",
    function=kde_exact.participation,
    formula=r"\frac{n}{\Gamma(k)} \int_0^\infty s^{k-1} (-1)^k \psi^{(k)}(s)\, \psi(s)^{n-1}\, ds",
    **_EXACT,
)
mean_log_density = Numerical(
    space=Space([DIM, COUNT, VISIBLE, RHO]),
    quantity="(1/d) log rho_hat",
    function=kde_exact.mean_log_density,
    formula=r"\frac1d \int_0^\infty (e^{-s} - \psi(s)^n) \frac{ds}{s} - \frac{\log n}{d} - \frac12 \log 2 \pi h^2",
    **_EXACT,
)
divergence = Numerical(
    space=Space([DIM, COUNT, VISIBLE]),
    quantity="(1/d) KL(rho || rho_hat)",
    function=kde_exact.divergence,
    formula=r"-\frac12 (\log 2 \pi + 1) - \frac1d \mathbb E_x \mathbb E \log \hat\rho",
    **_EXACT,
)
sum_law = Numerical(
    space=Space([LOG_SUM, DIM, COUNT, VISIBLE, RHO]),
    quantity="P(log of the sum of kernels <= x)",
    function=kde_law.sum_law,
    formula=r"\mathcal L^{-1}[\psi(s)^n / s]",
    **_EXACT,
)
nearest_law = Numerical(
    space=Space([ENERGY, DIM, COUNT, RHO]),
    quantity="P(min |x - y|^2/2 <= e)",
    function=kde_law.nearest_law,
    formula=r"1 - (1 - F(e))^n",
    **_EXACT,
)
hill = Numerical(
    space=Space([DIM, COUNT, RHO, NEAREST]),
    quantity="mean of E_(k+1) less the k smallest energies",
    function=kde_law.hill,
    formula=r"\frac1k \sum_{j \le k} j \binom nj \int F^j (1 - F)^{n-j}\, de",
    **_EXACT,
)
