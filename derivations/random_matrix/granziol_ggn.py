r"""The largest eigenvalue of a batch Gauss-Newton matrix: multiplicative noise, population form.

Model
    G_batch = (1/B) X_b X_b^T over a batch of B of the N columns of X (P x N): x ~ N(0, Sigma),
    Sigma = sigma^2 I + (theta - sigma^2) e e^T: one direction e of curvature theta over a flat background.
    P, B, N -> infinity in proportion, r = P/B, t = B/N.
Result
    Bulk: Marchenko-Pastur of ratio P/B. Outlier Lambda_B(theta) = theta (1 + (P/B) sigma^2/(theta - sigma^2)) iff
    theta > sigma^2 (1 + sqrt(P/B)); the squared overlap of its eigenvector with e is
    (1 - r sigma^4/(theta - sigma^2)^2)/(1 + r sigma^2/(theta - sigma^2)). From the full data set to a batch it moves
    by Lambda_B - Lambda_N = (P/b) sigma^2 theta/(theta - sigma^2), 1/b = 1/B - 1/N, and the eigenvector turns to
    a squared overlap (Lambda_B' Lambda_N)/(Lambda_N' Lambda_B) with the full one.
    The forms that need no population model, and batches drawn with replacement, are in `granziol_ggn_conditional`
    and `granziol_ggn_replacement`.
Source
    Granziol, Zohren and Roberts, JMLR 23 (2022), arXiv:2006.09092v6, for the batch Hessian; Baik and Silverstein,
    J. Multivariate Anal. 97 (2006) 1382, arXiv:math/0408165, Theorem 1.1, for the outlier; Benaych-Georges and
    Nadakuditi, arXiv:1103.2221, for the overlap.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.derivations.random_matrix.rmt_marchenko_pastur_numerics import excess, threshold_distance
from theorylab.parameters import Constraint, Integers, Interval, Parameter, Space
from theorylab.prediction import ClosedForm

POSITIVE = Interval(0, open_low=True)
DIM = Parameter("P", Integers(1), "number of parameters")
BATCH = Parameter("B", Integers(1), "batch size")
DATA = Parameter("N", Integers(1), "number of samples in the data set")
RATIO = Parameter("r", POSITIVE, "parameters per batch sample, P/B")
FRACTION = Parameter("t", Interval(0, 1, open_low=True, open_high=True), "part of the data set in a batch, B/N")
THETA = Parameter("theta", POSITIVE, "population curvature along the spike", default=5.0)
SIGMA = Parameter("sigma", POSITIVE, "standard deviation of a sample in every other direction", default=1.0)
P, B, N, r, t, theta, sigma = (q.symbol for q in (DIM, BATCH, DATA, RATIO, FRACTION, THETA, SIGMA))

CONVENTIONS = {
    "G": "(1/B) sum over the batch of x x^T, no 1/2",
    "theta": "eigenvalue of the population covariance along the spike, sigma^2 in every other direction",
    "b": "B/(1 - B/N): 1/b = 1/B - 1/N, batches without replacement",
    "overlap": "squared inner product of unit eigenvectors",
}
SOURCE = "Baik and Silverstein (2006), Theorem 1.1; Granziol, Zohren and Roberts (2022)"

threshold = sigma**2 * (1 + sp.sqrt(r))
outlier = theta * (1 + r * sigma**2 / (theta - sigma**2))
slope = 1 - r * sigma**4 / (theta - sigma**2) ** 2
overlap = slope / (1 + r * sigma**2 / (theta - sigma**2))
shift = r * (1 - t) * sigma**2 * theta / (theta - sigma**2)
first_order_shift = r * (1 - t) * sigma**2
turned = sp.cancel(slope / slope.subs(r, r * t)) * outlier.subs(r, r * t) / outlier
small_batch_edge = sigma**2 * (1 + sp.sqrt(P / B)) ** 2

_VISIBLE = "below this the spike leaves no outlier: the largest eigenvalue is the bulk edge"


def _outlier_steps() -> list[Step]:
    a, b, d, f, z, v, g = sp.symbols("a b d f z v g", positive=True)
    first, rest = sp.Matrix([[a, b]]), sp.Matrix([[d, f]])
    batch = sp.Integer(2)
    direct = (first * first.T)[0] / batch + ((first * rest.T)[0] / batch) ** 2 / (z - (rest * rest.T)[0] / batch)
    pushed = z * (first * (z * sp.eye(2) - rest.T * rest / batch).inv() * first.T)[0] / batch
    m = (v + (1 - r) / z) / r
    location = -1 / v + r * sigma**2 / (1 + sigma**2 * v)
    height = 1 / g + r * sigma**2 / (1 - sigma**2 * g)
    return [
        Step(
            "eliminate the other directions",
            direct,
            pushed,
            "Schur complement: z is an eigenvalue iff 1 = (1/B) x_e^T (z - K)^-1 x_e, with x_e the B samples along e "
            "and K the B x B Gram matrix of the other directions (shown for P = B = 2)",
        ),
        Step(
            "companion transform",
            (r * sigma**2 * z * m**2 + (z - sigma**2 * (1 - r)) * m + 1).subs(z, location),
            sp.S.Zero,
            "(1/B) tr (z - K)^-1 = -v, v = r m - (1 - r)/z with m of the Marchenko-Pastur law: z as a function of v",
        ),
        Step(
            "outlier",
            location.subs(v, -1 / theta),
            outlier,
            "x_e is independent of K and has variance theta: 1 = theta G(z), G = -v",
        ),
        Step("it leaves the bulk", outlier.diff(theta), slope, "an outlier exists where Lambda is increasing"),
        Step(
            "threshold",
            slope.subs(theta, threshold),
            sp.S.Zero,
            "Lambda' = 0 at theta = sigma^2 (1 + sqrt r)",
        ),
        Step(
            "at the threshold it is at the edge",
            outlier.subs(theta, threshold),
            sigma**2 * (1 + sp.sqrt(r)) ** 2,
            "continuity with the bulk",
        ),
        Step(
            "overlap",
            (-1 / (theta * outlier)) * height.diff(g).subs(g, 1 / theta),
            overlap,
            "e^T (z - G_batch)^-1 e = 1/(z - theta z G(z)), whose residue at the outlier is -1/(theta z G'(z)), with "
            "G' = 1/z'(G)",
        ),
    ]


def _shift_steps() -> list[Step]:
    full = outlier.subs(r, r * t)
    return [
        Step(
            "shift",
            outlier - full,
            shift,
            "the full batch has ratio P/N = r t: an identity of the two limits",
        ),
        Step(
            "in terms of b",
            (r * (1 - t)).subs({r: P / B, t: B / N}),
            P * (1 / B - 1 / N),
            "P/b",
        ),
        Step(
            "large spikes",
            sp.Limit(shift, theta, sp.oo),
            first_order_shift,
            "only then is the shift (P/b) sigma^2, independent of the spike",
        ),
        Step(
            "turning",
            overlap / overlap.subs(r, r * t),
            turned,
            "overlap of the batch's and the full data set's top eigenvectors: see `granziol_ggn_conditional`",
        ),
    ]


def _small_batch_steps() -> list[Step]:
    return [
        Step(
            "edge",
            (sigma**2 * (1 + sp.sqrt(r)) ** 2).subs(r, P / B),
            small_batch_edge,
            "upper Marchenko-Pastur edge at ratio P/B",
        ),
        Step(
            "few samples",
            sp.Limit(small_batch_edge * B / P, P, sp.oo),
            sigma**2,
            "P >> B: the B samples are nearly orthogonal, each of squared length P sigma^2, divided by B",
        ),
    ]


def _above(ratio: sp.Expr) -> Constraint:
    return Constraint(theta > sigma**2 * (1 + sp.sqrt(ratio)), _VISIBLE)


def _slope_numeric(r: Any, theta: Any, sigma: Any) -> Any:
    # 1 - r sigma^4/u^2 as a product, whose first factor keeps its digits near the threshold.
    u = excess(theta, sigma)
    return threshold_distance(theta, r, sigma) * (u + np.sqrt(r) * sigma * sigma) / (u * u)


def _overlap_numeric(*, r: Any, theta: Any, sigma: Any) -> np.ndarray:
    u = excess(theta, sigma)
    return np.asarray(_slope_numeric(r, theta, sigma) * u / (u + r * sigma * sigma))


def _shift_numeric(*, r: Any, t: Any, theta: Any, sigma: Any) -> np.ndarray:
    return np.asarray(r * (1.0 - t) * sigma * sigma * theta / excess(theta, sigma))


def _sample_shift_numeric(*, P: Any, B: Any, N: Any, theta: Any, sigma: Any) -> np.ndarray:
    return np.asarray(P * (N - B) / (B * N) * sigma * sigma * theta / excess(theta, sigma))


def _turned_numeric(*, r: Any, t: Any, theta: Any, sigma: Any) -> np.ndarray:
    return np.asarray(
        _overlap_numeric(r=r, theta=theta, sigma=sigma) / _overlap_numeric(r=r * t, theta=theta, sigma=sigma)
    )


_OUTLIER = Derivation(SOURCE, _outlier_steps)
_SHIFT = Derivation(SOURCE, _shift_steps)
_EDGE_CORNERS = (
    {"r": 0.5, "theta": 1.7071067811865477},
    {"r": 1e-12, "theta": 1.00001},
    {"r": 1e8, "theta": 1.001e4},
    {"r": 1e-22, "theta": 0.01 + 1e-12, "sigma": 0.1},
)
THRESHOLD = ClosedForm(
    expr=threshold,
    space=Space([RATIO, SIGMA]),
    quantity="critical curvature of the spike",
    conventions=CONVENTIONS,
    derivation=_OUTLIER,
)
OUTLIER = ClosedForm(
    expr=outlier.subs(r, P / B),
    space=Space([DIM, BATCH, THETA, SIGMA], [_above(P / B)]),
    quantity="largest eigenvalue of the batch",
    conventions=CONVENTIONS,
    derivation=_OUTLIER,
)
OUTLIER_AT_RATIO = ClosedForm(
    expr=outlier,
    space=Space([RATIO, THETA, SIGMA], [_above(r)]),
    quantity="largest eigenvalue of the batch",
    conventions=CONVENTIONS,
    derivation=_OUTLIER,
    corners=_EDGE_CORNERS,
)
OVERLAP = ClosedForm(
    expr=overlap,
    numeric=_overlap_numeric,
    space=Space([RATIO, THETA, SIGMA], [_above(r)]),
    quantity="squared overlap with the spike",
    conventions=CONVENTIONS,
    derivation=_OUTLIER,
    corners=_EDGE_CORNERS,
)
SHIFT = ClosedForm(
    expr=shift,
    numeric=_shift_numeric,
    space=Space([RATIO, FRACTION, THETA, SIGMA], [_above(r)]),
    quantity="largest eigenvalue, batch minus full data set",
    conventions=CONVENTIONS,
    derivation=_SHIFT,
    corners=({"r": 0.5, "t": 1 - 1e-12}, {"r": 1e-22, "t": 0.5, "theta": 0.01 + 1e-12, "sigma": 0.1}),
)
SHIFT_IN_SAMPLES = ClosedForm(
    expr=outlier.subs(r, P / B) - outlier.subs(r, P / N),
    numeric=_sample_shift_numeric,
    space=Space(
        [DIM, BATCH, DATA, THETA, SIGMA], [_above(P / B), Constraint(N >= B, "a batch is part of the data set")]
    ),
    quantity="largest eigenvalue, batch minus full data set",
    conventions=CONVENTIONS,
    derivation=_SHIFT,
)
FIRST_ORDER_SHIFT = ClosedForm(
    expr=first_order_shift,
    space=Space([RATIO, FRACTION, THETA, SIGMA], [_above(r)]),
    quantity="largest eigenvalue, batch minus full data set",
    conventions=CONVENTIONS,
    derivation=_SHIFT,
)
TURNED = ClosedForm(
    expr=turned,
    numeric=_turned_numeric,
    space=Space([RATIO, FRACTION, THETA, SIGMA], [_above(r)]),
    quantity="squared overlap of batch and full-data eigenvectors",
    conventions=CONVENTIONS,
    derivation=_SHIFT,
    corners=({"r": 0.5, "t": 0.5, "theta": 1.7071067811865477}, {"r": 0.5, "t": 1 - 1e-9}),
)
SMALL_BATCH_EDGE = ClosedForm(
    expr=sigma**2,
    space=Space([SIGMA]),
    quantity="(B/P) times the largest eigenvalue",
    conventions={**CONVENTIONS, "theta": "no spike"},
    derivation=Derivation("Marchenko and Pastur (1967)", _small_batch_steps),
)
