r"""Finite batches: what the largest stable learning rate is on average over batches.

Model
    As in `granziol_learning_rate`: G = (1/B) sum x x^T over B fresh samples x in R^P,
    x ~ N(0, sigma^2 I + (theta - sigma^2) e e^T), and r = P/B.
Result
    Isotropic: E lambda_1 = sigma^2 (mu + tau s)/B up to O(B^{-4/3}) relative, mu = (sqrt(B-1/2) + sqrt(P-1/2))^2,
    s = sqrt(mu) (1/sqrt(B-1/2) + 1/sqrt(P-1/2))^{1/3}, tau = -1.2065335745820, the mean of TW_1.
    Spiked: Var lambda_1 = V/B, E lambda_1 = Lambda + beta/B + O(B^-2), and therefore
    E[2/lambda_1] = (2/Lambda) (1 + (V/Lambda^2 - beta/Lambda)/B) and
    E[2/sqrt(lambda_1)] = (2/sqrt(Lambda)) (1 + (3V/(8 Lambda^2) - beta/(2 Lambda))/B).
Assumptions
    P, B -> infinity at fixed r; a spike above its threshold.
Source
    V: Paul (2007), Statistica Sinica 17:1617; centring with 1/2: Ma (2012), arXiv:0810.1329; tau: Bornemann (2010),
    arXiv:0904.1581; mean of linear statistics: Bai and Silverstein (2004). beta is our own expansion.
"""

from __future__ import annotations

import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.derivations.random_matrix.granziol_learning_rate import (
    CONVENTIONS,
    RATIO,
    SIGMA,
    THETA,
    r,
    theta,
)
from theorylab.derivations.random_matrix.granziol_learning_rate import outlier as outlier
from theorylab.derivations.random_matrix.granziol_learning_rate import sigma as sigma
from theorylab.parameters import Constraint, Integers, Parameter, Space
from theorylab.prediction import ClosedForm

DIM = Parameter("P", Integers(2), "number of parameters")
BATCH = Parameter("B", Integers(2), "batch size")
P, B = DIM.symbol, BATCH.symbol
SOURCE = "own expansion of the secular equation to order 1/B"
TRACY_WIDOM_MEAN = sp.Rational("-1.2065335745820")

root_mean = sp.sqrt(B - sp.Rational(1, 2)) + sp.sqrt(P - sp.Rational(1, 2))
edge_scale = root_mean * (1 / sp.sqrt(B - sp.Rational(1, 2)) + 1 / sp.sqrt(P - sp.Rational(1, 2))) ** sp.Rational(1, 3)
tracy_widom_edge = sigma**2 * (root_mean**2 + TRACY_WIDOM_MEAN * edge_scale) / B

# With s = theta/sigma^2 - 1: the distance of the spike from the bulk in units of the bulk.
_s = theta / sigma**2 - 1
variance = 2 * theta**2 * (1 - r / _s**2)
shift = theta * (_s**2 - 2 * r - r * _s) / (_s * (r - _s**2))
inverse_coefficient = variance / outlier**2 - shift / outlier
root_coefficient = sp.Rational(3, 8) * variance / outlier**2 - shift / (2 * outlier)


def _fluctuation_steps() -> list[Step]:
    """In units of sigma^2, with s = theta - 1 in place of theta; functions of lambda are functions of s."""
    s, h, x, bb, var = sp.symbols("s h x B V", positive=True)
    top, q, spike = (1 + s) * (s + r) / s, (s + r) / s, 1 + s

    def slope(f: sp.Expr) -> sp.Expr:
        return sp.diff(f, s) / sp.diff(top, s)

    q1 = slope(q)
    q2 = slope(q1)
    v = q - top * q1
    gain = 1 - spike * q1
    low, high = (1 - sp.sqrt(r)) ** 2, (1 + sp.sqrt(r)) ** 2
    correction = top * ((1 / (top - low) + 1 / (top - high)) / 4 - 1 / (2 * (s - r / s)))
    fewer = -(sp.diff(q, r) - sp.diff(q, s) * sp.diff(top, r) / sp.diff(top, s))
    var_closed = 2 * (1 + s) ** 2 * (1 - r / s**2)
    shift_closed = (1 + s) * (s**2 - 2 * r - r * s) / (s * (r - s**2))
    above = {s: (2, 4), r: (0.3, 2)}
    return [
        Step(
            "mean of the quadratic form",
            (top - x - r * x / (x - 1)).subs(x, spike),
            sp.S.Zero,
            "lambda = theta Q, Q = g^T (1 - W/lambda)^-1 g / B g normal, W the Gram matrix of the others; its mean "
            "q satisfies lambda = theta q at lambda = Lambda(theta), so that q = Lambda/theta",
        ),
        Step(
            "derivative of the mean",
            top - spike * q,
            sp.S.Zero,
            "Lambda = theta q: through s, q is known as a function of lambda",
        ),
        Step(
            "variance of the quadratic form",
            v,
            -(top**2) * slope(q / top),
            "Var Q = (2/B) v, v = tr (1 - W/lambda)^-2 / B = -lambda^2 d(q/lambda)/dlambda (Isserlis)",
        ),
        Step(
            "variance of the eigenvalue",
            spike**2 * 2 * v / gain**2,
            var_closed,
            "lambda - Lambda = theta (Q - q)/(1 - theta q') to leading order: V = B Var lambda",
            method="50 digits",
        ),
        Step(
            "edges",
            (top - low) * (top - high),
            (s - r / s) ** 2,
            "the root in the mean correction of linear statistics is rational in s",
            method="50 digits",
        ),
        Step(
            "mean of Q, second order",
            correction,
            r * (1 + s) * (s + r) / (s**2 - r) ** 2,
            "E tr f(W) - limit = (f(a_-) + f(a_+))/4 - (1/2 pi) int f/sqrt((x - a_-)(a_+ - x)) dx (Bai and Silverstein "
            "2004, real case) at f = 1/(lambda - x), times lambda",
            where=above,
            method="50 digits",
        ),
        Step(
            "mean of the eigenvalue, second order",
            (spike**2 * slope(v) / gain + spike**3 * q2 * v / gain**2 + spike * (fewer + correction)) / gain,
            shift_closed,
            "expand lambda = theta Q(lambda) to second order: theta^2 Cov(Q, Q')/(1 - theta q') + theta^3 q'' Var Q / "
            "(2 (1 - theta q')^2) + theta E[Q - q], with W of P - 1 rows, not P",
            where=above,
            method="50 digits",
        ),
        Step(
            "mean of 2/lambda",
            sp.diff(2 / x, x) * h / bb + sp.diff(2 / x, x, 2) * var / (2 * bb),
            (2 / x) * (var / x**2 - h / x) / bb,
            "second-order expansion of 2/lambda at Lambda = x, with mean shift h/B",
        ),
        Step(
            "mean of 2/sqrt(lambda)",
            sp.diff(2 / sp.sqrt(x), x) * h / bb + sp.diff(2 / sp.sqrt(x), x, 2) * var / (2 * bb),
            (2 / sp.sqrt(x)) * (sp.Rational(3, 8) * var / x**2 - h / (2 * x)) / bb,
            "the same for 2/sqrt(lambda)",
        ),
    ]


def _centre_steps() -> list[Step]:
    n = sp.Symbol("n", positive=True)
    scaled = tracy_widom_edge.subs({P: n, B: n})
    return [
        Step(
            "limit of the centre",
            sp.Limit(sp.expand(root_mean**2).subs({P: n, B: n}) / n, n, sp.oo),
            sp.Integer(4),
            "mu/B tends to (1 + sqrt r)^2 (here r = 1)",
        ),
        Step(
            "learning rate",
            2 / scaled,
            2 * n / (sigma**2 * (root_mean**2 + TRACY_WIDOM_MEAN * edge_scale).subs({P: n, B: n})),
            "lambda_1 ~ sigma^2 (mu + s TW_1)/B, whose mean takes the mean of TW_1",
        ),
    ]


_clear = Constraint(
    theta >= sp.Rational(101, 100) * sigma**2 * (1 + sp.sqrt(r)),
    "the expansion in 1/B needs a spike clear of its threshold: the coefficients diverge there",
)
_spiked = Space([RATIO, THETA, SIGMA], [_clear])
_sized = Space([RATIO, BATCH, THETA, SIGMA], [_clear])
_fluctuations = Derivation(SOURCE, _fluctuation_steps)
_CORNERS: tuple[dict[str, float], ...] = (
    {"r": 1.0, "theta": 2.02, "sigma": 1.0},
    {"r": 1e-12, "theta": 1.011, "sigma": 1.0},
    {"r": 1e8, "theta": 1.02e4, "sigma": 1.0},
    {"r": 1e-9, "theta": 1e9, "sigma": 1e-3},
)
_CORNERS_SIZED = tuple({**corner, "B": size} for corner in _CORNERS for size in (10, 10**8))

corrected_isotropic_rate = ClosedForm(
    space=Space([DIM, BATCH, SIGMA]),
    quantity="mean largest stable learning rate of SGD",
    expr=2 / tracy_widom_edge,
    conventions=CONVENTIONS,
    derivation=Derivation("Ma (2012); Bornemann (2010)", _centre_steps),
    corners=({"P": 2, "B": 2}, {"P": 10**9, "B": 2}, {"P": 2, "B": 10**9}, {"P": 10**9, "B": 10**9}),
)
inverse_spread = ClosedForm(
    space=_spiked,
    quantity="B (E[2/lambda] E[lambda]/2 - 1)",
    expr=variance / outlier**2,
    conventions=CONVENTIONS,
    derivation=_fluctuations,
    corners=_CORNERS,
)
root_spread = ClosedForm(
    space=_spiked,
    quantity="B (E[1/sqrt(lambda)]^2 E[lambda] - 1)",
    expr=sp.Rational(3, 4) * variance / outlier**2,
    conventions=CONVENTIONS,
    derivation=_fluctuations,
    corners=_CORNERS,
)
# B times the mean rate, to be compared up to O(1/B).
scaled_rate = ClosedForm(
    space=_sized,
    quantity="B times the mean largest stable learning rate of SGD",
    expr=2 / outlier * (B + inverse_coefficient),
    conventions=CONVENTIONS,
    derivation=_fluctuations,
    corners=_CORNERS_SIZED,
)
scaled_root_rate = ClosedForm(
    space=_sized,
    quantity="B times the mean largest stable learning rate of an Adam-type method",
    expr=2 / sp.sqrt(outlier) * (B + root_coefficient),
    conventions=CONVENTIONS,
    derivation=_fluctuations,
    corners=_CORNERS_SIZED,
)
published_scaled_rate = ClosedForm(
    space=_sized,
    quantity="B times the mean largest stable learning rate of SGD, fluctuations alone",
    expr=2 / outlier * (B + variance / outlier**2),
    conventions=CONVENTIONS,
    derivation=_fluctuations,
    corners=_CORNERS_SIZED,
)
published_scaled_root_rate = ClosedForm(
    space=_sized,
    quantity="B times the mean largest stable learning rate of an Adam-type method, fluctuations alone",
    expr=2 / sp.sqrt(outlier) * (B + sp.Rational(3, 8) * variance / outlier**2),
    conventions=CONVENTIONS,
    derivation=_fluctuations,
    corners=_CORNERS_SIZED,
)
