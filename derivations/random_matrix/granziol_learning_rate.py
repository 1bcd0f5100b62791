r"""The largest stable learning rate as a function of the batch size: SGD, Adam-type methods, damping.

Model
    Loss (1/2) w^T H w; a step uses the curvature of a batch, w <- w - alpha C^{-1} H_batch w. Plain SGD has C = I, an
    Adam-type method C = H_batch^{1/2}, a damped second-order method C = H_emp + delta I. The batch curvature is
    - generalised Gauss-Newton (GGN) noise: G = (1/B) sum x x^T over B fresh samples x ~ N(0, Sigma) in R^P,
      Sigma = sigma^2 I + (theta - sigma^2) e e^T (theta = sigma^2 is the isotropic case), or
    - additive noise: lambda_1 e e^T + E, E a GOE matrix whose entries have variance sigma_eps^2 / b.
Result
    On one batch, descent diverges beyond alpha_max = 2 / lambda_max(C^{-1} H_batch). GGN noise has the outlier
    Lambda_B(theta) = theta (1 + (P/B) sigma^2/(theta - sigma^2)) if theta > sigma^2 (1 + sqrt(P/B)), else the bulk edge
    sigma^2 (1 + sqrt(P/B))^2; additive noise has lambda_1 + P sigma_eps^2 / (b lambda_1) if lambda_1 > sigma_eps
    sqrt(P/b), else 2 sigma_eps sqrt(P/b). So small batches give a linear law in B under GGN noise and a square-root law
    under additive noise: the linear law of SGD needs noise that is multiplicative.
Assumptions
    P and B large (finite-size corrections are in `granziol_learning_rate_finite`); fresh batches, b = B; for a batch
    drawn without replacement from N samples b = B/(1 - B/N).
Source
    Granziol, Zohren and Roberts, JMLR 23 (2022), arXiv:2006.09092v6; the outlier as in Baik and Silverstein (2006),
    arXiv:math/0408165.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.parameters import Constraint, Integers, Interval, Parameter, Space
from theorylab.prediction import ClosedForm

POSITIVE = Interval(0, open_low=True)
DIM = Parameter("P", Integers(1), "number of parameters")
BATCH = Parameter("b", POSITIVE, "effective batch size B/(1 - B/N); the batch size itself for fresh samples")
RATIO = Parameter("r", POSITIVE, "parameters per batch sample, P/B")
THETA = Parameter("theta", POSITIVE, "population curvature along the spike", default=5.0)
SIGMA = Parameter("sigma", POSITIVE, "standard deviation of a sample in every other direction", default=1.0)
LAMBDA = Parameter("lam1", POSITIVE, "largest eigenvalue of the full-batch curvature")
NOISE = Parameter("sigma_eps", POSITIVE, "standard deviation of an entry of one sample's Hessian", default=1.0)
ALPHA = Parameter("alpha", POSITIVE, "learning rate")
FACTOR = Parameter("k", Interval(1, open_low=True), "ratio of the larger batch to the smaller")
P, b, r, theta, sigma, lam1, sigma_eps, alpha, k = (
    p.symbol for p in (DIM, BATCH, RATIO, THETA, SIGMA, LAMBDA, NOISE, ALPHA, FACTOR)
)

CONVENTIONS = {
    "loss": "(1/2) w^T H w; step w - alpha C^-1 H_batch w",
    "H_batch": "(1/B) sum over the batch, no 1/2",
    "b": "B/(1 - B/N): equal to B for fresh samples",
    "alpha_max": "stability limit of descent on one batch, 2 / lambda_max",
}
SOURCE = "Granziol, Zohren and Roberts (2022), arXiv:2006.09092v6"

edge = sigma**2 * (1 + sp.sqrt(r)) ** 2
outlier = theta * (1 + r * sigma**2 / (theta - sigma**2))
visible = Constraint(theta > sigma**2 * (1 + sp.sqrt(r)), "below this the spike leaves no outlier")
large_spike = lam1 + P * sigma**2 / b
additive_outlier = lam1 + P * sigma_eps**2 / (b * lam1)
additive_edge = 2 * sigma_eps * sp.sqrt(P / b)
critical_batch = P * sigma_eps**2 / lam1**2


def _edge_steps() -> list[Step]:
    v = sp.Symbol("v", negative=True)
    inverse = -1 / v + r * sigma**2 / (1 + sigma**2 * v)
    critical = -1 / (sigma**2 * (1 + sp.sqrt(r)))
    return [
        Step(
            "the edge is a critical point",
            inverse.diff(v).subs(v, critical),
            sp.S.Zero,
            "z(v) inverts the companion Stieltjes transform of G; above the bulk v < 0 rises with z, up to z'(v) = 0",
        ),
        Step("its value", inverse.subs(v, critical), edge, "the upper edge of the Marchenko-Pastur law"),
    ]


def _outlier_steps() -> list[Step]:
    z, y, g, v = sp.symbols("z y g v", positive=True)
    matrix = sp.Matrix([[g, y], [y, v]])
    companion = -1 / z + r * sigma**2 / (1 + sigma**2 * z)
    return [
        Step(
            "secular equation",
            (matrix - z * sp.eye(2)).det(),
            (v - z) * (g - z - y**2 / (v - z)),
            "block out the spike's row: z is an eigenvalue where z = g + y (z - W)^-1 y (for one other direction)",
        ),
        Step(
            "its limit",
            companion.subs(z, -1 / theta),
            outlier,
            "the quadratic form concentrates at -theta z v(z), so that v = -1/theta and Lambda = z(v = -1/theta)",
            where={theta: (4, 6), sigma: (0.8, 1.2)},
        ),
        Step(
            "threshold",
            sp.Derivative(outlier, theta).doit().subs(theta, sigma**2 * (1 + sp.sqrt(r))),
            sp.S.Zero,
            "the outlier leaves the bulk where z'(v) = 0, which is dLambda/dtheta = 0",
        ),
        Step(
            "it leaves from the edge",
            outlier.subs(theta, sigma**2 * (1 + sp.sqrt(r))),
            edge,
            "at the threshold the outlier is at the bulk edge",
        ),
    ]


def _criterion_steps() -> list[Step]:
    h, a = sp.symbols("h a", positive=True)
    return [
        Step(
            "marginal step",
            ((1 - a * h) ** 2).subs(a, 2 / h),
            sp.S.One,
            "along an eigenvector of C^-1 H with eigenvalue h a step multiplies w by 1 - alpha h",
        )
    ]


def _large_spike_steps() -> list[Step]:
    ratio = P / b
    return [
        Step(
            "large spike",
            sp.Limit(outlier.subs(r, ratio).subs(P, 2 * b) - theta, theta, sp.oo),
            2 * sigma**2,
            "the shift tends to (P/b) sigma^2 as theta grows (here P/b = 2), whatever the spike",
        ),
        Step(
            "linear, then saturating",
            2 / large_spike,
            (2 * b / (P * sigma**2)) / (1 + b * lam1 / (P * sigma**2)),
            "multiply numerator and denominator by b/(P sigma^2): the crossover is at b* = P sigma^2/lambda_1",
        ),
    ]


def _slope_steps() -> list[Step]:
    star = sp.Symbol("b_star", positive=True)
    log_rate = sp.log(2 / (theta * (1 + star / b)))
    return [
        Step(
            "Lambda in units of the crossover",
            outlier.subs(r, P / b),
            theta * (1 + (P * sigma**2 / (theta - sigma**2)) / b),
            "b* = P sigma^2/(theta - sigma^2) exactly; P sigma^2/theta is its large-spike form",
        ),
        Step(
            "local slope",
            b * sp.Derivative(log_rate, b).doit(),
            1 / (1 + b / star),
            "d log alpha / d log b: 1 for b << b*, 1/2 at b*, 0 beyond",
        ),
        Step(
            "published form of the slope",
            (b * sp.Derivative(sp.log(2 / large_spike), b)).doit(),
            (P * sigma**2 / b) / (lam1 + P * sigma**2 / b),
            "the same with lambda_1 + P sigma^2/b",
        ),
        Step(
            "slope between b/k and b k",
            sp.Limit(sp.log((1 + k) / (1 + 1 / k)) / (2 * sp.log(k)), k, 1),
            sp.Rational(1, 2),
            "a secant tends to the local slope as k -> 1 (here at b = b*)",
        ),
    ]


def _additive_steps() -> list[Step]:
    z, s = sp.symbols("z s", positive=True)
    g = (z - sp.sqrt(z**2 - 4 * s**2)) / (2 * s**2)
    above = lam1 + s**2 / lam1
    variance = P * sigma_eps**2 / b
    return [
        Step(
            "the semicircle's equation",
            s**2 * g**2 - z * g + 1,
            sp.S.Zero,
            "leave one row out: G = 1/(z - s^2 G) with s^2 = P sigma_eps^2 / b; real for z >= 2 s, the edge",
        ),
        Step(
            "outlier",
            s**2 / lam1**2 - above / lam1 + 1,
            sp.S.Zero,
            "the outlier solves G(z) = 1/lambda_1: put G = 1/lambda_1 into the equation",
        ),
        Step("in the paper's units", above.subs(s, sp.sqrt(variance)), additive_outlier, "s^2 = P sigma_eps^2/b"),
        Step(
            "learning rate above b_c",
            2 / additive_outlier,
            2 * lam1 * b / (lam1**2 * b + P * sigma_eps**2),
            "alpha = 2 / lambda_max",
        ),
        Step(
            "critical batch",
            additive_outlier.subs(b, critical_batch),
            2 * lam1,
            "where lambda_1 = s: at b_c the outlier is at 2 lambda_1, half the full-batch learning rate",
        ),
        Step(
            "continuity",
            additive_edge.subs(b, critical_batch),
            2 * lam1,
            "the edge takes over without a jump",
        ),
        Step("learning rate below b_c", 2 / additive_edge, sp.sqrt(b / P) / sigma_eps, "a square-root law"),
    ]


def _adaptive_steps() -> list[Step]:
    h, g = sp.symbols("h g", positive=True)
    return [
        Step(
            "preconditioned eigenvalue",
            g / sp.sqrt(g),
            sp.sqrt(g),
            "G^{-1/2} G has the square roots of G's eigenvalues",
        ),
        Step(
            "exponent",
            (h * sp.Derivative(sp.log(2 / sp.sqrt(1 / h)), h)).doit(),
            sp.Rational(1, 2),
            "where lambda_1' ~ 1/b the rate goes like sqrt(b): half of SGD's slope, whatever the slope",
        ),
    ]


def _damping_steps() -> list[Step]:
    delta, top = sp.symbols("delta e", positive=True)
    return [
        Step(
            "marginal damping",
            (alpha * top / delta).subs(delta, alpha * top / 2),
            sp.Integer(2),
            "in directions of no full-batch curvature C = delta, and a step multiplies by 1 - alpha e / delta",
        ),
        Step(
            "GGN noise",
            alpha * edge / 2,
            alpha * sigma**2 * (1 + sp.sqrt(r)) ** 2 / 2,
            "e is the Marchenko-Pastur edge",
        ),
        Step(
            "additive noise",
            alpha * additive_edge / 2,
            alpha * sigma_eps * sp.sqrt(P / b),
            "e is the edge of the semicircle",
        ),
        Step(
            "proportional to alpha / b",
            sp.Limit(edge / (r * sigma**2), r, sp.oo),
            sp.S.One,
            "for b << P the edge is sigma^2 P / b",
        ),
    ]


def secant(crossover: sp.Expr) -> sp.Expr:
    """Slope of -log(1 + crossover/b) against log b between b/k and b k."""
    return sp.log((1 + k * crossover / b) / (1 + crossover / (b * k))) / (2 * sp.log(k))


def _derived(*parts: object) -> Derivation:
    return Derivation(SOURCE, lambda: [step for part in parts for step in part()])  # type: ignore[operator]


spiked_rate = ClosedForm(
    space=Space([RATIO, THETA, SIGMA], [visible]),
    quantity="largest stable learning rate of SGD",
    expr=2 / outlier,
    conventions=CONVENTIONS,
    derivation=_derived(_outlier_steps, _criterion_steps),
    corners=(
        {"r": 1e-12, "theta": 1.00001, "sigma": 1.0},
        {"r": 1e12, "theta": 2e6, "sigma": 1.0},
        {"r": 1.0, "theta": 2.0000000001, "sigma": 1.0},
    ),
)
large_spike_rate = ClosedForm(
    space=Space([RATIO, THETA, SIGMA]),
    quantity="largest stable learning rate of SGD, large-spike form",
    expr=2 / (theta + r * sigma**2),
    conventions=CONVENTIONS,
    derivation=_derived(_large_spike_steps),
)
isotropic_rate = ClosedForm(
    space=Space([RATIO, SIGMA]),
    quantity="largest stable learning rate of SGD",
    expr=2 / edge,
    conventions=CONVENTIONS,
    derivation=_derived(_edge_steps, _criterion_steps),
    corners=({"r": 1e-14, "sigma": 1.0}, {"r": 1e14, "sigma": 1e-3}),
)
adaptive_rate = ClosedForm(
    space=Space([RATIO, THETA, SIGMA], [visible]),
    quantity="largest stable learning rate of an Adam-type method",
    expr=2 / sp.sqrt(outlier),
    conventions={**CONVENTIONS, "C": "H_batch^(1/2), on its range"},
    derivation=_derived(_outlier_steps, _adaptive_steps),
    corners=spiked_rate.corners,
)
two_batch_ratio = ClosedForm(
    space=Space([RATIO, FACTOR, THETA, SIGMA], [visible]),
    quantity="ratio of the largest stable Adam learning rates at batch sizes k B and B",
    expr=sp.sqrt(outlier / outlier.subs(r, r / k)),
    conventions={**CONVENTIONS, "r": "P/B at the smaller batch"},
    derivation=_derived(_outlier_steps, _adaptive_steps),
    corners=({"r": 1.0, "k": 1 + 1e-12}, {"r": 1e-9, "k": 1e9}),
)
ggn_rate = ClosedForm(
    space=Space([DIM, BATCH, LAMBDA, SIGMA]),
    quantity="largest stable learning rate of SGD, large-spike form",
    expr=2 / large_spike,
    conventions=CONVENTIONS,
    derivation=_derived(_large_spike_steps),
    corners=({"P": 10**9, "b": 1e-3, "lam1": 1e-6, "sigma": 1.0}, {"P": 1, "b": 1e9, "lam1": 1e6, "sigma": 1.0}),
)
additive_half = ClosedForm(
    space=Space([DIM, LAMBDA, NOISE]),
    quantity="largest stable learning rate at the critical batch, additive noise",
    expr=2 / additive_outlier.subs(b, critical_batch),
    conventions=CONVENTIONS,
    derivation=_derived(_additive_steps),
)
additive_rate_at_ratio = ClosedForm(
    space=Space([RATIO, LAMBDA, NOISE]),
    quantity="largest stable learning rate of SGD under additive noise",
    expr=sp.Piecewise(
        (2 * lam1 / (lam1**2 + r * sigma_eps**2), lam1**2 > r * sigma_eps**2),
        (1 / (sigma_eps * sp.sqrt(r)), True),
    ),
    conventions={**CONVENTIONS, "r": "P/b"},
    derivation=_derived(_additive_steps, _criterion_steps),
    corners=({"r": 1.0, "lam1": 1.0}, {"r": 1e12, "lam1": 1.0}, {"r": 1e-12, "lam1": 1e-3}),
)


def _power(value: sp.Expr, quantity: str) -> ClosedForm:
    return ClosedForm(
        space=Space([]),
        quantity=quantity,
        expr=value,
        conventions=CONVENTIONS,
        derivation=_derived(_edge_steps, _slope_steps, _adaptive_steps, _additive_steps),
    )


sgd_exponent = _power(sp.S.One, "exponent of alpha_max in B, SGD")
control_exponent = _power(sp.Rational(97, 100), "exponent of alpha_max in B, SGD (control, false)")
adam_exponent = _power(sp.Rational(1, 2), "exponent of alpha_max in B, Adam-type methods")
additive_exponent = _power(sp.Rational(1, 2), "exponent of alpha_max in b, SGD under additive noise")
secant_slope = ClosedForm(
    space=Space(
        [DIM, BATCH, FACTOR, THETA, SIGMA],
        [Constraint(theta > sigma**2 * (1 + sp.sqrt(P * k / b)), "below this the spike leaves no outlier at b/k")],
    ),
    quantity="slope of log alpha_max against log b between b/k and b k",
    expr=secant(P * sigma**2 / (theta - sigma**2)),
    numeric=lambda P, b, k, theta, sigma: _secant(P, b, k, theta, sigma),
    conventions=CONVENTIONS,
    derivation=_derived(_outlier_steps, _slope_steps),
    corners=({"P": 100, "b": 100.0, "k": 1 + 1e-9, "theta": 5.0, "sigma": 1.0}, {"P": 1, "b": 1e12, "k": 2.0}),
)
control_slope = ClosedForm(
    space=secant_slope.space,
    quantity="slope of log alpha_max against log b (control, false)",
    expr=sp.Rational(24, 25) * secant_slope.expr,
    numeric=lambda P, b, k, theta, sigma: 0.96 * _secant(P, b, k, theta, sigma),
    conventions=CONVENTIONS,
    derivation=secant_slope.derivation,
    corners=secant_slope.corners,
)
additive_rate = ClosedForm(
    space=Space([DIM, BATCH, LAMBDA, NOISE]),
    quantity="largest stable learning rate of SGD under additive noise",
    expr=sp.Piecewise(
        (2 * lam1 * b / (lam1**2 * b + P * sigma_eps**2), lam1**2 * b > P * sigma_eps**2),
        (sp.sqrt(b / P) / sigma_eps, True),
    ),
    conventions=CONVENTIONS,
    derivation=_derived(_additive_steps, _criterion_steps),
    corners=(
        {"P": 100, "b": 100.0, "lam1": 1.0},
        {"P": 10**8, "b": 1e-4, "lam1": 1.5},
        {"P": 1, "b": 1e9, "lam1": 1e-3},
    ),
)
ggn_damping = ClosedForm(
    space=Space([RATIO, ALPHA, SIGMA]),
    quantity="least damping",
    expr=alpha * edge / 2,
    conventions={**CONVENTIONS, "C": "H_emp + delta I"},
    derivation=_derived(_edge_steps, _damping_steps),
    corners=({"r": 1e-14, "alpha": 1.0}, {"r": 1e14, "alpha": 1e-6}),
)
additive_damping = ClosedForm(
    space=Space([RATIO, ALPHA, NOISE]),
    quantity="least damping under additive noise",
    expr=alpha * sigma_eps * sp.sqrt(r),
    conventions={**CONVENTIONS, "C": "H_emp + delta I", "r": "P/b"},
    derivation=_derived(_additive_steps, _damping_steps),
)


def _secant(P: Any, b: Any, k: Any, theta: Any, sigma: Any) -> Any:
    """log of a ratio near 1 by log1p of the difference, which is a product."""
    star = P * sigma**2 / (theta - sigma**2) / b
    less_one = k - 1.0
    difference = star * less_one * (k + 1.0) / k / (1.0 + star / k)
    return np.log1p(difference) / (2.0 * np.log1p(less_one))
