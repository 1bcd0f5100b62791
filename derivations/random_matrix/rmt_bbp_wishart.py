r"""A spike in a sample covariance, or in a rectangular matrix: when it is seen, where, and how well.

Model
    (a) S = (1/n) sum_i x_i x_i^T, n = p/c samples with covariance sigma^2 (I - e e^T) + ell e e^T; (b) the same with
    any bulk H in place of sigma^2, here three atoms, and one eigenvalue alpha apart; (c) Y = theta u v^T + X/sqrt n,
    |u| = |v| = 1, X p x n with independent standard normal entries.
Result
    With z(omega) of `rmt_generalized_mp`, of the bulk alone: a spike alpha stands at omega = alpha. If z' > 0 there,
    its outlier is z(alpha) = alpha + c alpha int t dH/(alpha - t) and the squared overlap alpha z'(alpha)/z(alpha).
    (a) lambda = ell (1 + c sigma^2/(ell - sigma^2)), above the bulk for ell > sigma^2 (1 + sqrt c), below it for
        ell < sigma^2 (1 - sqrt c); overlap (1 - c sigma^4/(ell - sigma^2)^2)/(1 + c sigma^2/(ell - sigma^2));
        n Var(lambda) -> 2 ell^2 (1 - c sigma^4/(ell - sigma^2)^2), Gaussian; otherwise lambda tends to the bulk's edge
        and the overlap to 0: n times it to ell sigma^2/(sigma^2 (1 + sqrt c) - ell)^2.
    (c) is (a) at ell = 1 + theta^2: sigma_1^2 -> (1 + theta^2)(c + theta^2)/theta^2 for theta > c^(1/4), overlaps
        (theta^4 - c)/(theta^2 (theta^2 + c)) on the side of R^p, (theta^4 - c)/(theta^2 (theta^2 + 1)) on that of R^n.
Assumptions
    Gaussian samples; for other entries limits are the same, variances and the hidden overlap need not be.
Source
    Baik and Silverstein, J. Multivariate Anal. 97 (2006) 1382, arXiv:math/0408165, Theorem 1.1; Paul, Stat. Sinica 17
    (2007) 1617, Theorems 3 and 4; Bai and Yao, J. Multivariate Anal. 106 (2012) 167, arXiv:0806.1141, for (b);
    Benaych-Georges and Nadakuditi, arXiv:1103.2221, for (c). The overlap below the threshold is our own; for complex
    entries its order is that of Bloemendal, Knowles, Yau and Yin, PTRF 164 (2016) 459.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp
from scipy import special

from theorylab.derivations.random_matrix import rmt_bbp_wishart_steps as steps
from theorylab.derivations.random_matrix import rmt_marchenko_pastur_numerics as exact
from theorylab.derivations.random_matrix.rmt_bbp_wishart_steps import (
    ELL,
    POPULATION,
    PROBABILITIES,
    RATIO,
    SIGMA,
    THETA,
    T,
    c,
    ell,
    mean,
    sigma,
    theta,
)
from theorylab.parameters import Constraint, Interval, Parameter, Space
from theorylab.prediction import ClosedForm, Numerical

# Symbols and sums of `steps` that claims use, beside the predictions below.
__all__ = ["T", "c", "ell", "mean", "sigma", "steps", "theta"]

X = Parameter("x", Interval(), "sqrt(n) times the largest eigenvalue less its limit", default=0.0)
ALPHA = Parameter("alpha", Interval(0, open_low=True), "population eigenvalue apart from the bulk", default=20.0)
alpha = ALPHA.symbol
CONVENTIONS = {
    "S": "(1/n) sum of x x^T over n = p/c samples, no centring",
    "overlap": "squared inner product of unit eigenvectors",
    "ell": "eigenvalue of the population covariance along the spike, sigma^2 in every other direction",
}
RECTANGULAR = {
    "Y": "theta u v^T + X/sqrt n, X p x n of unit variance, c = p/n",
    "overlap": "squared; left is the side of R^p, right that of R^n",
}
edge = sigma**2 * (1 + sp.sqrt(c)) ** 2
_OUT = Constraint(
    sp.Abs(ell - sigma**2) > sigma**2 * sp.sqrt(c),
    "no outlier: the eigenvalue is at the edge of the bulk, sigma^2 (1 + sqrt c)^2 for ell > sigma^2, "
    "sigma^2 (1 - sqrt c)^2 for ell < sigma^2",
)
_ABOVE = Constraint(
    ell > sigma**2 * (1 + sp.sqrt(c)), "no outlier: the largest eigenvalue is at the edge sigma^2 (1 + sqrt c)^2"
)
_BELOW = Constraint(ell < sigma**2 * (1 + sp.sqrt(c)), "above this the spike leaves an outlier: see the outlier's law")
_SEEN = Constraint(
    theta > c ** sp.Rational(1, 4), "no outlier: the largest singular value is at the edge 1 + sqrt c of the bulk"
)


def _slope_numeric(c: Any, ell: Any, sigma: Any) -> Any:
    # 1 - c sigma^4/u^2 as a product, whose factors keep their digits near either threshold.
    u = exact.excess(ell, sigma)
    critical = exact.multiply(exact.exact_product(sigma, sigma), exact.add((1.0, 0.0), exact.negative(exact.root(c))))
    lower = exact.double(exact.add((np.asarray(ell, dtype=float), 0.0), exact.negative(critical)))
    return exact.threshold_distance(ell, c, sigma) * lower / (u * u)


def _overlap_numeric(*, c: Any, ell: Any, sigma: Any) -> np.ndarray:
    u = exact.excess(ell, sigma)
    return np.asarray(_slope_numeric(c, ell, sigma) * u / _pushed(u, c, ell, sigma))


def _pushed(u: Any, c: Any, ell: Any, sigma: Any) -> Any:
    """u + c sigma^2; for spikes below the bulk, where it nearly vanishes for c near 1, ell - sigma^2 (1 - c)."""
    left = exact.multiply(exact.exact_product(sigma, sigma), exact.exact_sum(1.0, -np.asarray(c, dtype=float)))
    return exact.double(exact.add((np.asarray(ell, dtype=float), 0.0), exact.negative(left)))


def _outlier_numeric(*, c: Any, ell: Any, sigma: Any) -> np.ndarray:
    u = exact.excess(ell, sigma)
    return np.asarray(ell * (_pushed(u, c, ell, sigma) / u))


def _variance_numeric(*, c: Any, ell: Any, sigma: Any) -> np.ndarray:
    return np.asarray(2.0 * ell**2 * _slope_numeric(c, ell, sigma))


def _hidden_numeric(*, c: Any, ell: Any, sigma: Any) -> np.ndarray:
    return np.asarray(ell * (sigma / exact.threshold_distance(ell, c, sigma)) ** 2)


def _largest_numeric(*, c: Any, ell: Any, sigma: Any) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        out = _outlier_numeric(c=c, ell=ell, sigma=sigma)
    return np.where(exact.threshold_distance(ell, c, sigma) > 0.0, out, (sigma * (1.0 + np.sqrt(c))) ** 2)


_SPACE = [RATIO, ELL, SIGMA]
_CORNERS = (
    {"c": 0.5, "ell": 1.7071067811865477},
    {"c": 0.25, "ell": 0.5 - 1e-12},
    {"c": 1e-12, "ell": 1.00001},
    {"c": 1e8, "ell": 1.001e4},
    {"c": 0.9, "ell": 1e-9},
)
OUTLIER = ClosedForm(
    expr=steps.outlier,
    numeric=_outlier_numeric,
    space=Space(_SPACE, [_OUT]),
    quantity="sample eigenvalue of the spike",
    conventions=CONVENTIONS,
    derivation=steps.COVARIANCE,
    corners=_CORNERS,
)
OVERLAP = ClosedForm(
    expr=steps.overlap,
    numeric=_overlap_numeric,
    space=Space(_SPACE, [_OUT]),
    quantity="squared overlap with the spike",
    conventions=CONVENTIONS,
    derivation=steps.COVARIANCE,
    corners=_CORNERS,
)
LARGEST = ClosedForm(
    expr=sp.Piecewise((steps.outlier, ell > sigma**2 * (1 + sp.sqrt(c))), (edge, True)),
    numeric=_largest_numeric,
    space=Space(_SPACE),
    quantity="largest eigenvalue: the outlier, or the edge of the bulk where the spike leaves none",
    conventions=CONVENTIONS,
    derivation=steps.COVARIANCE,
    corners=(*_CORNERS[2:4], {"c": 0.5, "ell": 1.7}, {"c": 4.0, "ell": 3.0}),
)
THRESHOLD = ClosedForm(
    expr=sigma**2 * (1 + sp.sqrt(c)),
    space=Space([RATIO, SIGMA]),
    quantity="critical spike",
    conventions=CONVENTIONS,
    derivation=steps.COVARIANCE,
)
VARIANCE = ClosedForm(
    expr=2 * ell**2 * steps.slope,
    numeric=_variance_numeric,
    space=Space(_SPACE, [_OUT]),
    quantity="n times the variance of the spike's eigenvalue",
    conventions=CONVENTIONS,
    derivation=steps.NOISE,
    corners=_CORNERS,
)
HIDDEN_OVERLAP = ClosedForm(
    expr=ell * sigma**2 / (sigma**2 * (1 + sp.sqrt(c)) - ell) ** 2,
    numeric=_hidden_numeric,
    space=Space(_SPACE, [_BELOW]),
    quantity="n times the squared overlap of a hidden spike",
    conventions=CONVENTIONS,
    derivation=steps.HIDDEN,
    corners=({"c": 0.5, "ell": 1.70710678118}, {"c": 4.0, "ell": 1e-9}),
)


def _normal(*, x: Any, c: Any, ell: Any, sigma: Any) -> tuple[np.ndarray, np.ndarray]:
    value = special.ndtr(x / np.sqrt(_variance_numeric(c=c, ell=ell, sigma=sigma)))
    return value, np.full_like(value, 1e-11)


FLUCTUATIONS = Numerical(
    function=_normal,
    space=Space([X, *_SPACE], [_ABOVE]),
    quantity="P(sqrt(n) (lambda_1 - limit) <= x)",
    conventions=CONVENTIONS,
    derivation=steps.NOISE,
    formula=r"\Phi(x/s),\ s^2 = 2 \ell^2 (1 - c \sigma^4/(\ell - \sigma^2)^2)",
)


def _pair(*, c: Any, ell: Any, sigma: Any) -> tuple[np.ndarray, np.ndarray]:
    value = np.stack(np.broadcast_arrays(OUTLIER(c=c, ell=ell, sigma=sigma), OVERLAP(c=c, ell=ell, sigma=sigma)), -1)
    return value, 1e-11 * np.abs(value)


LOW_SPIKE = Numerical(
    function=_pair,
    space=Space(
        _SPACE,
        [
            Constraint(
                ell < sigma**2 * (1 - sp.sqrt(c)),
                "no outlier below the bulk: the smallest eigenvalue is at the edge sigma^2 (1 - sqrt c)^2",
            )
        ],
    ),
    quantity="smallest eigenvalue, and the squared overlap of its eigenvector",
    conventions=CONVENTIONS,
    derivation=steps.COVARIANCE,
    formula=r"\ell (1 + c\sigma^2/(\ell - \sigma^2)),\ \ldots",
)

place = alpha + c * alpha * mean(t / (alpha - t) for t in T)
slope = 1 - c * mean(t**2 / (alpha - t) ** 2 for t in T)
_BULK = Space(
    [RATIO, ALPHA, *POPULATION],
    [
        PROBABILITIES,
        Constraint(sp.And(*(sp.Ne(alpha, t) for t in T)), "the spike is apart from the bulk's eigenvalues"),
        Constraint(slope > 0, "no outlier: the spike's eigenvalue is at an edge of the bulk, or inside it"),
    ],
)


def _bulk(**at: Any) -> tuple[Any, Any]:
    """z and z' at the spike, in a form in which nothing cancels for small ones."""
    c, a = at["c"], at["alpha"]
    t = [at[f"t{i}"] for i in (1, 2, 3)]
    w = [at["w1"], at["w2"], 1.0 - at["w1"] - at["w2"]]
    gap = [a - v for v in t]
    small = a < np.minimum.reduce(t) / 2.0
    z = a * np.where(
        small,
        (1.0 - c) + c * sum(m * (a / g) for m, g in zip(w, gap)),
        1.0 + c * sum(m * (v / g) for m, v, g in zip(w, t, gap)),
    )
    near = (1.0 - c) - c * sum(m * (a / g) * ((2.0 * v - a) / g) for m, v, g in zip(w, t, gap))
    return z, np.where(small, near, 1.0 - c * sum(m * (v / g) ** 2 for m, v, g in zip(w, t, gap)))


def _bulk_overlap(**at: Any) -> np.ndarray:
    z, slope = _bulk(**at)
    return np.asarray(at["alpha"] * slope / z)


_BULK_CORNERS = (
    {"c": 0.2, "alpha": 5.5},
    {"c": 1e-9, "alpha": 10.01},
    {"c": 1e6, "alpha": 1e5},
    {"c": 0.5, "alpha": 0.2},
)
BULK_OUTLIER = ClosedForm(
    expr=place,
    numeric=lambda **at: np.asarray(_bulk(**at)[0]),
    space=_BULK,
    quantity="sample eigenvalue of the spike",
    conventions={**CONVENTIONS, "H": "of total mass 1 over the eigenvalues of the bulk"},
    derivation=steps.BULK,
    rtol=1e-11,
    corners=_BULK_CORNERS,
)
BULK_OVERLAP = ClosedForm(
    expr=alpha * slope / place,
    numeric=_bulk_overlap,
    space=_BULK,
    quantity="squared overlap with the spike",
    conventions=BULK_OUTLIER.conventions,
    derivation=steps.BULK,
    rtol=1e-10,
    corners=_BULK_CORNERS,
)


def _fourth_less_c(theta: Any, c: Any) -> np.ndarray:
    square = exact.exact_product(theta, theta)
    return exact.double(exact.add(exact.multiply(square, square), (-np.asarray(c, dtype=float), 0.0)))


_RECTANGULAR = Space([RATIO, THETA], [_SEEN])
_TIGHT = ({"c": 0.5, "theta": 0.8408964152537146}, {"c": 1e-12, "theta": 0.0011}, {"c": 1e8, "theta": 100.001})
SINGULAR = ClosedForm(
    expr=steps.singular,
    space=_RECTANGULAR,
    quantity="square of the largest singular value",
    conventions=RECTANGULAR,
    derivation=steps.RECTANGULAR,
    corners=_TIGHT,
)
LEFT = ClosedForm(
    expr=steps.left,
    numeric=lambda *, c, theta: np.asarray(_fourth_less_c(theta, c) / (theta**2 * (theta**2 + c))),
    space=_RECTANGULAR,
    quantity="squared overlap of the left singular vector",
    conventions=RECTANGULAR,
    derivation=steps.RECTANGULAR,
    corners=_TIGHT,
)
RIGHT = ClosedForm(
    expr=steps.right,
    numeric=lambda *, c, theta: np.asarray(_fourth_less_c(theta, c) / (theta**2 * (theta**2 + 1.0))),
    space=_RECTANGULAR,
    quantity="squared overlap of the right singular vector",
    conventions=RECTANGULAR,
    derivation=steps.RECTANGULAR,
    corners=_TIGHT,
)
RECTANGULAR_THRESHOLD = ClosedForm(
    expr=c ** sp.Rational(1, 4),
    space=Space([RATIO]),
    quantity="critical strength",
    conventions=RECTANGULAR,
    derivation=steps.RECTANGULAR,
)


def _overlaps(*, c: Any, theta: Any) -> tuple[np.ndarray, np.ndarray]:
    value = np.stack(np.broadcast_arrays(LEFT(c=c, theta=theta), RIGHT(c=c, theta=theta)), axis=-1)
    return value, 1e-12 * np.abs(value)


OVERLAPS = Numerical(
    function=_overlaps,
    space=_RECTANGULAR,
    quantity="squared overlaps of the left and of the right singular vector",
    conventions=RECTANGULAR,
    derivation=steps.RECTANGULAR,
    formula=r"\frac{\theta^4 - c}{\theta^2(\theta^2 + c)},\ \frac{\theta^4 - c}{\theta^2(\theta^2 + 1)}",
)
