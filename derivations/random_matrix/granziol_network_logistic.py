r"""The batch Hessian of logistic regression on two Gaussian classes: bulk, outliers, overlaps, and when they appear.

Model
    x = y mu e_1 + z, z ~ N(0, I_P), y = +-1 equally likely; loss log(1 + exp(-y h)), h = w.x, at weights
    w = w_par e_1 + w_perp e_2. The Hessian of a batch of B samples is H_B = (1/B) sum a_i x_i x_i^T, a = s(h)(1 - s(h))
    with the logistic function s: labels do not matter. P, B -> infinity at c = P/B. u is x on the plane (e_1, e_2).
Result
    Bulk: m(z) = int dmu/(x - z) = 1/(E[a/(1 + a c m)] - z), or z(m) = E[a/(1 + a c m)] - 1/m, whose critical points
    are the edges. Outliers: det(Mx - z) = 0, Mx = E[a u u^T/(1 + a c m(z))]; with the unit null vector k the
    eigenvector's squared overlap with the plane is 1/(1 - k^T Mx'(z) k), and that times k_1^2 with e_1. An outlier
    leaves the bulk where the largest eigenvalue of Mx at the edge is the edge. Without one the largest eigenvalue has
    mean z_+ + TW P^(-2/3) (z''(m_+)/2)^(1/3), TW = -1.2065. For large batches it is
    lambda_1 + c E[a^2 (u.v)^2]/(lambda_1 - E a), with lambda_1 and v of E[a u u^T], above its limit E a of the rest.
Assumptions
    Fixed weights that do not depend on the batch. Weights of zero leave a = 1/4: a quarter of a sample covariance.
Source
    Granziol, Zohren and Roberts, JMLR 23 (2022), arXiv:2006.09092v6, for the batch Hessian; weighted covariances:
    Marchenko and Pastur (1967), Silverstein and Bai, J. Multivariate Anal. 54 (1995) 175; outliers by Schur complement
    as in Benaych-Georges and Nadakuditi, arXiv:1103.2221. The application to logistic regression is derived here.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.derivations.random_matrix.granziol_network_logistic_numerics import Curvature, Outlier, curvature
from theorylab.derivations.random_matrix.rmt_marchenko_pastur_finite import TRACY_WIDOM_MEAN
from theorylab.errors import DomainError
from theorylab.parameters import Constraint, Integers, Interval, Parameter, Space
from theorylab.prediction import Numerical, PredictionError

MU = Parameter("mu", Interval(0, 4), "distance of the class means from the origin", default=2.4)
W_PAR = Parameter("w_par", Interval(-4, 4), "weight along the class means", default=0.5)
W_PERP = Parameter("w_perp", Interval(-4, 4), "weight across them", default=0.5)
RATIO = Parameter("c", Interval(1e-6, 20), "parameters per sample of the batch, P/B", default=0.4)
BELOW_ONE = Parameter("c", Interval(1e-6, 1, open_high=True), "parameters per sample of the batch, P/B", default=0.1)
FRACTION = Parameter("t", Interval(1e-4, 1), "part of the data set in a batch, B/N", default=0.25)
SHIFT = Parameter("lam", Interval(1e-3, 10), "distance below zero at which the resolvent is taken", default=0.1)
DIM = Parameter("P", Integers(4), "number of parameters", default=200)

CONVENTIONS = {
    "loss": "mean of log(1 + exp(-y h)) over the batch, Hessian with respect to w",
    "x": "unit noise variance; h = w.x with the raw x",
    "c": "P/B: parameters over samples",
    "overlap": "squared inner product of unit vectors",
}
SOURCE = (
    "weighted leave-one-out and Schur complement; Silverstein and Bai (1995), Benaych-Georges and Nadakuditi (2012)"
)
# Doubt of a value from which on it is refused, relative.
WORST = 1e-7
# Where thresholds are sought, in mu.
LADDER = np.linspace(0.0, 4.0, 41)
_MODEL = (MU, W_PAR, W_PERP, RATIO)
_NONZERO = Constraint(
    sp.Ne(W_PAR.symbol, 0) | sp.Ne(W_PERP.symbol, 0),
    "zero weights leave a quarter of a sample covariance: rmt-marchenko-pastur",
)


def _curvature_steps() -> list[Step]:
    h, z = sp.symbols("h z", real=True)
    w1, w2, mu = sp.symbols("w1 w2 mu", positive=True)
    s2 = w1**2 + w2**2
    loss = sp.log(1 + sp.exp(-h))
    return [
        Step("curvature of a sample", loss.diff(h, 2), 1 / (4 * sp.cosh(h / 2) ** 2), "a(h), for the label +1"),
        Step(
            "labels do not matter",
            loss.subs(h, -h).diff(h, 2),
            loss.diff(h, 2),
            "a is even, and so is u u^T under (y, z) -> -(y, z): the mean over y = 1 is the mean",
        ),
        Step(
            "u given h",
            w1 - w1 / s2 * s2,
            sp.S.Zero,
            "u_1 - mu - (w_1/|w|^2)(h - mu w_1) is uncorrelated with h, hence independent: E[u|h] = mu e_1 + "
            "(w/|w|^2)(h - mu w_1), its covariance I - w w^T/|w|^2, and all is one-dimensional",
        ),
        Step("variance given h", 1 - w1**2 / s2, w2**2 / s2, "along e_1, given the logit"),
        Step(
            "mean of the second moment",
            sp.Integral(
                ((mu + w1 / s2 * sp.sqrt(s2) * z) ** 2 + w2**2 / s2) * sp.exp(-(z**2) / 2) / sp.sqrt(2 * sp.pi),
                (z, -sp.oo, sp.oo),
            ).subs({w1: 1, w2: 2}),
            1 + mu**2,
            "over the law of h they give E u_1^2 = 1 + mu^2 (at w = (1, 2))",
        ),
    ]


def _bulk_steps() -> list[Step]:
    a, c, m, z, mean = sp.symbols("a c m z mean", positive=True)
    x1, x2, g1, g2 = sp.symbols("x1 x2 g1 g2", positive=True)
    column, base = sp.Matrix([x1, x2]), sp.diag(g1, g2)
    form = (column.T * base.inv() * column)[0]
    place = a / (1 + a * c * m) - 1 / m
    critical = -1 / (a * (c + sp.sqrt(c)))
    return [
        Step(
            "leave one sample out",
            a * (column.T * (base + a * column * column.T).inv() * column)[0],
            a * form / (1 + a * form),
            "Sherman-Morrison (shown for 2 x 2 matrices); (1/B) x^T (H - z)^-1 x -> c m(z) on the noise coordinates",
        ),
        Step(
            "self-consistency",
            m.subs(m, 1 / (mean - z)) * (mean - z),
            sp.S.One,
            "trace of H (H - z)^-1 = 1 + z (H - z)^-1: 1 + z m = m E[a/(1 + a c m)]",
        ),
        Step(
            "uniform curvature: edge",
            place.diff(m).subs(m, critical),
            sp.S.Zero,
            "for a constant a the critical point is explicit",
            where={a: (0.1, 0.3)},
        ),
        Step(
            "uniform curvature: Marchenko-Pastur",
            place.subs(m, critical),
            a * (1 + sp.sqrt(c)) ** 2,
            "the edge of a sample covariance of ratio c, times a",
        ),
    ]


def _edge_steps() -> list[Step]:
    bend, d = sp.symbols("bend d", positive=True)
    return [
        Step(
            "density at the edge",
            (sp.sqrt(2 * d / bend) ** 2) * bend / 2,
            d,
            "z = z_+ + z'' (m - m_+)^2/2: at a depth d Im m = sqrt(2 d/z''), the density is sqrt(2/z'') sqrt(d)/pi",
        ),
        Step(
            "scale of the largest eigenvalue",
            sp.sqrt(2 / bend) ** sp.Rational(-2, 3),
            (bend / 2) ** sp.Rational(1, 3),
            "a density g sqrt(d)/pi gives fluctuations (g P)^(-2/3) of the Tracy-Widom law (g = 1: GOE, edge at 2)",
        ),
    ]


def _outlier_steps() -> list[Step]:
    a, q, c, m, z, ea, l0 = sp.symbols("a q c m z E_a lambda_0", positive=True)
    height, weighted = sp.Function("M")(z), q * a / (1 + a * c * m)
    b, y, g = sp.symbols("b y g", positive=True)
    return [
        Step(
            "plane by Schur complement",
            b - z - y**2 / (g - z) - (sp.Matrix([[b, y], [y, g]]) - z * sp.eye(2)).det() / (g - z),
            sp.S.Zero,
            "block out the plane (one direction and one noise coordinate shown); by leave-one-out the block is Mx - z",
        ),
        Step(
            "overlap",
            1 / (z - height).diff(z),
            1 / (1 - height.diff(z)),
            "residue of k^T (z - Mx(z))^-1 k at the outlier; Mx' = (dMx/dm)/(dz/dm)",
        ),
        Step(
            "population",
            weighted.subs(c, 0),
            q * a,
            "infinite batches: Mx = E[a u u^T], the noise eigenvalue is E a",
        ),
        Step(
            "first order in c",
            weighted.diff(c).subs(c, 0).subs(m, 1 / (ea - l0)),
            a**2 * q / (l0 - ea),
            "q = (u.v)^2, m = 1/(E a - lambda_1) to leading order: in expectation the slope of the outlier in c",
        ),
    ]


def _derived(*parts: Callable[[], list[Step]]) -> Derivation:
    return Derivation(SOURCE, lambda: [step for part in parts for step in part()])


_BULK = _derived(_curvature_steps, _bulk_steps)
_EDGE = _derived(_curvature_steps, _bulk_steps, _edge_steps)
_OUTLIERS = _derived(_curvature_steps, _bulk_steps, _outlier_steps)


def measured(evaluate: Callable[..., float]) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """`evaluate(refine, *point)` at all points of broadcast arrays; its error is what halving the step changes."""

    def function(**arrays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        columns = np.broadcast_arrays(*arrays.values())
        value, error = np.empty(columns[0].shape), np.empty(columns[0].shape)
        for i in np.ndindex(value.shape):
            point = dict(zip(arrays, (float(a[i]) for a in columns)))
            value[i], coarse = evaluate(2, **point), evaluate(1, **point)
            error[i] = abs(value[i] - coarse) + 1e-12 * abs(value[i])
            if error[i] > WORST * abs(value[i]):
                raise PredictionError(f"known to {error[i]:.1e} only at {point}: the logit varies too much")
        return value, error

    return function


def _visible(spectrum: Curvature, below: bool = False) -> Outlier:
    found = spectrum.outlier(below)
    if found is None:
        where, edge = ("below", spectrum.z(spectrum.lower())) if below else ("above", spectrum.edge())
        raise DomainError(f"no outlier {where} the bulk at c = {spectrum.c:g}: it ends at its edge {edge:g}")
    return found


def _of_outlier(name: str, below: bool = False) -> Callable[..., Any]:
    return measured(lambda refine, **at: float(getattr(_visible(curvature(**at, refine=refine), below), name)))


def _top(refine: int, **at: float) -> float:
    spectrum = curvature(**at, refine=refine)
    found = spectrum.outlier()
    return spectrum.edge() if found is None else found.value


def _mean_edge(refine: int, P: float, **at: float) -> float:
    spectrum = curvature(**at, refine=refine)
    return float(spectrum.edge() + float(TRACY_WIDOM_MEAN) * P ** (-2.0 / 3.0) * spectrum.edge_scale())


def crossing(excess: Callable[[float], float]) -> float | None:
    """The least mu at which a function of it becomes positive; None when it never does."""
    from scipy.optimize import brentq

    before = excess(LADDER[0])
    for low, high in itertools.pairwise(LADDER):
        after = excess(high)
        if before < 0.0 <= after:
            return float(brentq(excess, low, high, xtol=1e-13))
        before = after
    return None


def _threshold(refine: int, w_par: float, w_perp: float, c: float) -> float:
    found = crossing(lambda mu: Curvature(mu, w_par, w_perp, c, refine).emerged())
    if found is None:
        where = f"w_par = {w_par:g}, w_perp = {w_perp:g}, c = {c:g}"
        raise DomainError(f"no outlier appears for mu up to {LADDER[-1]:g} at {where}")
    return found


def _inflation(refine: int, t: float, c: float, **at: float) -> float:
    batch, whole = (_visible(curvature(c=ratio, **at, refine=refine)).value for ratio in (c, c * t))
    return batch - whole


def _inflation_by_one_over_b(refine: int, t: float, c: float, **at: float) -> float:
    return c * (1.0 - t) * curvature(c=c, **at, refine=refine).first_order()


def _numerical(
    function: Any, quantity: str, formula: str, derivation: Derivation, parameters: tuple[Parameter, ...] = _MODEL
) -> Numerical:
    return Numerical(
        function=function,
        space=Space(parameters, [_NONZERO]),
        quantity=quantity,
        formula=formula,
        conventions=CONVENTIONS,
        derivation=derivation,
    )


_SECULAR = r"\det(M_x(z) - z) = 0,\quad M_x = \mathbb E\,\frac{a\,u u^T}{1 + a c\, m(z)}"
_PLACE = r"z(m) = \mathbb E\,\frac{a}{1 + a c m} - \frac1m"
OUTLIER = _numerical(_of_outlier("value"), "outlier above the bulk", _SECULAR, _OUTLIERS)
PLANE = _numerical(
    _of_outlier("plane"), "squared overlap of the outlier with the plane", r"1/(1 - k^T M_x'(z)\, k)", _OUTLIERS
)
AXIS = _numerical(
    _of_outlier("axis"), "squared overlap of the outlier with e_1", r"k_1^2/(1 - k^T M_x'(z)\, k)", _OUTLIERS
)
_LOW = (MU, W_PAR, W_PERP, BELOW_ONE)
LOW_OUTLIER = _numerical(_of_outlier("value", True), "outlier below the bulk", _SECULAR, _OUTLIERS, _LOW)
LOW_PLANE = _numerical(
    _of_outlier("plane", True),
    "squared overlap of the lower outlier with the plane",
    r"1/(1 - k^T M_x'(z)\, k)",
    _OUTLIERS,
    _LOW,
)
TOP = _numerical(measured(_top), "largest eigenvalue: the outlier, or without one the bulk edge", _SECULAR, _OUTLIERS)
UPPER_EDGE = _numerical(
    measured(lambda refine, **at: curvature(**at, refine=refine).edge()), "upper end of the bulk", _PLACE, _BULK
)
LOWER_EDGE = _numerical(
    measured(lambda refine, **at: (lambda s: s.z(s.lower()))(curvature(**at, refine=refine))),
    "lower end of the bulk",
    _PLACE,
    _BULK,
    _LOW,
)
MEAN_EDGE = _numerical(
    measured(_mean_edge),
    "mean largest eigenvalue, without an outlier",
    r"z_+ + \mathrm{TW}\, P^{-2/3} (z''(m_+)/2)^{1/3}",
    _EDGE,
    (*_MODEL, DIM),
)
RESOLVENT = _numerical(
    measured(lambda refine, lam, **at: curvature(**at, refine=refine).transform(lam)),
    "(1/P) tr (H + lam)^-1",
    r"m = 1/(\mathbb E[a/(1 + a c m)] + \lambda)",
    _BULK,
    (*_MODEL, SHIFT),
)
POPULATION = _numerical(
    measured(lambda refine, **at: float(curvature(c=1.0, **at, refine=refine).population()[0][1])),
    "largest eigenvalue of the population Hessian",
    r"\lambda_1(\mathbb E\, a\, u u^T)",
    _OUTLIERS,
    (MU, W_PAR, W_PERP),
)
THRESHOLD = _numerical(
    measured(_threshold),
    "distance of the means at which the outlier leaves the bulk",
    r"\lambda_1(M_x(z_+)) = z_+",
    _OUTLIERS,
    (W_PAR, W_PERP, RATIO),
)
INFLATION = _numerical(
    measured(_inflation), "outlier of a batch minus that of the data set", _SECULAR, _OUTLIERS, (*_MODEL, FRACTION)
)
FIRST_ORDER_INFLATION = _numerical(
    measured(_inflation_by_one_over_b),
    "outlier of a batch minus that of the data set, first order in 1/b",
    r"\frac{P}{b}\, \frac{\mathbb E\, a^2 (u \cdot v)^2}{\lambda_1 - \mathbb E a}",
    _OUTLIERS,
    (*_MODEL, FRACTION),
)
