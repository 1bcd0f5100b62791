r"""The batch eigenvalue when samples are drawn with replacement, and the rank of a batch matrix.

Model
    As in `granziol_ggn`, but the batch draws each of its B = t N samples from all N: sample n has the weight
    a_n = (N/B) (times drawn), asymptotically a = k/E k with k Poisson of mean t. rho = P/N.
Result
    lambda_1' = theta gamma(delta), gamma(delta) = E[a/(1 + a delta)], where delta in (-1/a_max, 0) solves
    (theta - sigma^2) gamma(delta) delta + rho sigma^2 = 0; an outlier iff rho > delta^2 E[a^2/(1 + a delta)^2].
    Multiplicities are kept up to kmax, the largest that a finite data set shows (N Poisson(kmax; t) >= 0.1): each is a
    pole, a sample drawn k times being itself an outlier near k P sigma^2/B.
    rank G_batch = min(B, P) without replacement; with it the number of distinct samples, when that is at most P, on
    average N (1 - (1 - 1/N)^B).
Source
    Weighted sample covariances: Marchenko and Pastur (1967); Silverstein and Bai, J. Multivariate Anal. 54 (1995) 175.
    The application to batches with replacement is our own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.derivations.random_matrix import granziol_ggn as population
from theorylab.parameters import Constraint, Integers, Interval, Parameter, Space
from theorylab.prediction import ClosedForm, Implicit

# Largest multiplicity that can be asked for.
MOST = 6
POINTS = Parameter("rho", population.POSITIVE, "parameters per sample of the data set, P/N")
FRACTION = Parameter("t", Interval(0.01, 3), "draws per sample of the data set, B/N")
MULTIPLICITY = Parameter("kmax", Integers(1, MOST), "largest number of draws of one sample that is kept", default=3)
THETA, SIGMA, DIM, BATCH, DATA = (getattr(population, n) for n in ("THETA", "SIGMA", "DIM", "BATCH", "DATA"))
rho, t, kmax, theta, sigma = (q.symbol for q in (POINTS, FRACTION, MULTIPLICITY, THETA, SIGMA))
P, B, N = population.P, population.B, population.N

# delta = -(mean/kmax)(1 - e^-s) with the mean multiplicity: s > 0 resolves both ends, zero and the pole.
_s = sp.Symbol("s", positive=True)
_y = sp.exp(-_s)


def _mean(of: Any, none: Any = 0) -> sp.Expr:
    """E of a function of the multiplicity k, over the kept values of a Poisson law; `none` is its value at k = 0."""
    kept = [sp.Min(1, sp.Max(0, kmax - k + 1)) * t**k / sp.factorial(k) for k in range(1, MOST + 1)]
    total = 1 + sum(kept, sp.S.Zero)
    return sum((weight * of(sp.Integer(k)) for k, weight in enumerate(kept, 1)), sp.sympify(none)) / total


def _gap(k: sp.Integer) -> sp.Expr:
    """1 + a delta for a sample drawn k <= kmax times, without cancellation at the pole; positive for other k."""
    return sp.Max(0, kmax - k) / kmax + k * _y / kmax


_average = _mean(lambda k: k)
_delta = -2 * _average / kmax * sp.exp(-_s / 2) * sp.sinh(_s / 2)
gamma = _mean(lambda k: k / _average / _gap(k))
spread = _mean(lambda k: (k / _average / _gap(k)) ** 2)
# gamma - 1 - rho sigma^2/(theta - sigma^2), by E a = 1 and E[1/(1 + a delta)] = 1 - delta gamma.
_moved = -_delta / (1 + _delta) * _mean(lambda k: (k / _average - 1) ** 2 / _gap(k), none=1)


def _steps() -> list[Step]:
    a, q, g, d = sp.symbols("a q g d", positive=True)
    y1, y2, m11, m12, m22 = sp.symbols("y1 y2 m11 m12 m22", positive=True)
    column = sp.Matrix([y1, y2])
    base = sp.Matrix([[m11 + m12, m12], [m12, m22 + m12]])
    form = (column.T * base.inv() * column)[0]
    updated = (column.T * (base + a * column * column.T).inv() * column)[0]
    unweighted = -rho * sigma**2 / (theta - sigma**2 + rho * sigma**2)
    height = sp.Function("gamma")(d)
    return [
        Step(
            "leave one sample out",
            a * updated,
            a * form / (1 + a * form),
            "Sherman-Morrison with a weight (shown for 2 x 2 matrices): on average (S - z)^-1 ~ (gamma Sigma - z)^-1, "
            "gamma = E[a/(1 + a delta)], delta = (1/N) tr Sigma (S - z)^-1",
        ),
        Step(
            "outlier",
            (d * (sigma**2 * g - theta * g) - rho * sigma**2) * (-1),
            (theta - sigma**2) * g * d + rho * sigma**2,
            "the spike gives the pole z = gamma theta; the flat rest delta = rho sigma^2/(gamma sigma^2 - z)",
        ),
        Step(
            "all weights 1",
            ((theta - sigma**2) * d / (1 + d) + rho * sigma**2).subs(d, unweighted),
            sp.S.Zero,
            "gamma = 1/(1 + delta): the root is explicit",
        ),
        Step(
            "all weights 1: eigenvalue",
            (theta / (1 + d)).subs(d, unweighted),
            population.outlier.subs(population.r, rho),
            "the full data set's Lambda_N",
        ),
        Step(
            "threshold",
            (height * sigma**2 - rho * sigma**2 / d).diff(d).subs(height.diff(d), -q) * d**2,
            sigma**2 * (rho - q * d**2),
            "z(delta) = gamma sigma^2 - rho sigma^2/delta increases outside the bulk; "
            "q = -gamma' = E[a^2/(1 + a delta)^2]",
        ),
        Step(
            "derivative of gamma",
            -gamma.subs(kmax, 3).diff(_s) / _delta.subs(kmax, 3).diff(_s),
            spread.subs(kmax, 3),
            "term by term (here with multiplicities up to 3)",
            where={t: (0.3, 2)},
            method="50 digits",
        ),
        Step(
            "shift",
            (gamma - 1 + _delta * gamma).subs(kmax, 3),
            _moved.subs(kmax, 3),
            "lambda_1' - Lambda_N = theta (gamma - 1 - rho sigma^2/(theta - sigma^2)), with -delta gamma for its last "
            "term: a form without cancellation, from E a = 1",
            where={t: (0.3, 2)},
            method="50 digits",
        ),
    ]


def _rank_steps() -> list[Step]:
    j = sp.Symbol("j", integer=True, positive=True)
    return [
        Step(
            "distinct samples",
            sp.Sum(1 - (1 - 1 / N) ** B, (j, 1, N)),
            N * (1 - (1 - 1 / N) ** B),
            "each sample is missed with probability (1 - 1/N)^B; columns in general position are independent",
        )
    ]


def _weights(t: Any, kmax: Any) -> tuple[Any, Any, Any, Any]:
    """Largest kept weight t^k/k!, and the sums of weights times 1, k and k^2 over the kept multiplicities."""
    weight = np.ones(np.broadcast_shapes(np.shape(t), np.shape(kmax)))
    last, total, mean, square = (
        np.zeros_like(weight),
        np.ones_like(weight),
        np.zeros_like(weight),
        np.zeros_like(weight),
    )
    for k in range(1, MOST + 1):
        weight = weight * t / k
        kept = np.where(k <= kmax, weight, 0.0)
        last = np.where(k == kmax, weight, last)
        total, mean, square = total + kept, mean + k * kept, square + k * k * kept
    return last, total, mean, square


def _widened(low: Any, high: Any) -> tuple[Any, Any]:
    return np.log1p(low) * (1.0 - 1e-9), np.log1p(high) * (1.0 + 1e-9)


def _outlier_bracket(*, rho: Any, t: Any, kmax: Any, theta: Any, sigma: Any) -> tuple[Any, Any]:
    # -gamma delta lies between its last term and its value if every multiplicity were as near its pole.
    last, total, mean, _ = _weights(t, kmax)
    needed = rho * sigma**2 / (theta - sigma**2)
    return _widened(needed * kmax * total / mean, needed * total / last)


def _threshold_bracket(*, rho: Any, t: Any, kmax: Any, sigma: Any) -> tuple[Any, Any]:
    last, total, _, square = _weights(t, kmax)
    return _widened(kmax * np.sqrt(rho * total / square), np.sqrt(rho * total / last))


def _distinct(*, N: Any, B: Any) -> np.ndarray:
    return np.asarray(-N * np.expm1(B * np.log1p(-1.0 / N)))


_DERIVATION = Derivation("weighted leave-one-out", _steps)
_SPIKED = Constraint(theta > sigma**2, "a spike above the background")
_CONVENTIONS = {
    "G": population.CONVENTIONS["G"],
    "theta": population.CONVENTIONS["theta"],
    "batch": "B draws with replacement, t = B/N; rho = P/N",
}
REPLACEMENT_OUTLIER = Implicit(
    # Multiplied by e^-s, so that it is finite at the pole.
    equation=_y * ((theta - sigma**2) * gamma * _delta + rho * sigma**2),
    unknown=_s,
    bracket=_outlier_bracket,
    # theta gamma at the root, where gamma follows from the equation.
    output=-theta * rho * sigma**2 / ((theta - sigma**2) * _delta),
    space=Space([POINTS, FRACTION, MULTIPLICITY, THETA, SIGMA], [_SPIKED]),
    quantity="largest eigenvalue of a batch with replacement",
    conventions=_CONVENTIONS,
    derivation=_DERIVATION,
    corners=(
        {"rho": 0.25, "t": 0.2, "kmax": 3, "theta": 4.0},
        {"rho": 1e-9, "t": 0.2},
        {"rho": 0.25, "t": 3.0, "kmax": 6},
    ),
)
REPLACEMENT_SHIFT = Implicit(
    equation=REPLACEMENT_OUTLIER.equation,
    unknown=_s,
    bracket=_outlier_bracket,
    output=theta * _moved,
    space=REPLACEMENT_OUTLIER.space,
    quantity="largest eigenvalue, batch with replacement minus full data set",
    conventions=_CONVENTIONS,
    derivation=_DERIVATION,
)
REPLACEMENT_THRESHOLD = Implicit(
    equation=_y**2 * (rho - _delta**2 * spread),
    unknown=_s,
    bracket=_threshold_bracket,
    output=sigma**2 * (1 - rho / (gamma * _delta)),
    space=Space([POINTS, FRACTION, MULTIPLICITY, SIGMA]),
    quantity="critical curvature of the spike, batches with replacement",
    conventions=_CONVENTIONS,
    derivation=_DERIVATION,
)
RANK = ClosedForm(
    expr=sp.Min(B, P),
    space=Space([DIM, BATCH]),
    quantity="rank of the batch matrix, without replacement",
    conventions=population.CONVENTIONS,
    derivation=Derivation("columns in general position", _rank_steps),
)
RANK_WITH_REPLACEMENT = ClosedForm(
    expr=N * (1 - (1 - 1 / N) ** B),
    numeric=_distinct,
    space=Space([BATCH, DATA], [Constraint(N > 1, "a data set of one sample gives rank 1")]),
    quantity="mean rank of the batch matrix, with replacement",
    conventions={**_CONVENTIONS, "P": "at least the number of distinct samples"},
    derivation=RANK.derivation,
    corners=({"N": 2, "B": 50}, {"N": 10**9, "B": 3}),
)
