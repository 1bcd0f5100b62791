r"""What is exact at finite size in the solvable model of scaling laws, without a ridge.

Model
    That of `msr_random_feature_scaling`, g = 0 (the solution of least norm). P projects on the rows of
    $u \Lambda^{1/2}$ where N < T, on the samples where T < N; $U = (\sigma_w^2/M) \operatorname{tr} \Lambda (1 - P)$ is
    what the fewer of the two do not see.
Result
    N < T, N <= M, given u, over the samples:  U (T - 1)/(T - N - 1) + sigma_eps^2 N/(T - N - 1).
    T < N, T <= M, given the samples, over u:  U (N - 1)/(N - T - 1) + sigma_eps^2 (|X^+ Lambda^(1/2)|^2
        + tr Lambda (1 - P) tr (X^T X)^-1 /(N - T - 1)).
    M <= N and M < T: no loss without label noise, and sigma_eps^2 M/(T - M - 1); with a small ridge the signal's part
    is
        g^2 M sigma_w^2/sigma_u^4 sum_I 1/lambda_I  i(N) i(T), i(k) = (k - 1)/((k - M)(k - M - 1)(k - M - 3)).
    Duality: exchanging N and T leaves the signal's law unchanged at every ridge, not only its limit.
Source
    Maloney, Roberts and Sully, arXiv:2210.16859v1, for the model; the forms at finite size are our own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.derivations.scaling_laws import msr_random_feature_scaling as model
from theorylab.derivations.scaling_laws import msr_random_feature_scaling_steps as steps
from theorylab.derivations.scaling_laws.power_spectrum import SpectralSum
from theorylab.parameters import Constraint, Observed, Parameter, Space
from theorylab.prediction import ClosedForm, Numerical

UNSEEN = Parameter(
    "unseen", Observed("(sigma_w^2/M) tr Lambda (1 - P), P on the rows of u Lambda^(1/2), or on the samples"), "unseen"
)
FITTED = Parameter("fitted", Observed("squared norm of X^+ Lambda^(1/2)"), "label noise in the samples' directions")
SPILL = Parameter("spill", Observed("tr Lambda (1 - P) tr (X^T X)^-1"), "label noise carried into other directions")
N, T, M, alpha, lam, g = model.N, model.T, model.M, model.alpha, model.lam, model.g
sigma_w, sigma_u, sigma_eps = model.sigma_w, model.sigma_u, model.sigma_eps
# Relative rounding error of observed sums and products, generously.
ROUNDING = 1e-12

_BELOW = Constraint(
    sp.And(N <= T - 2, N <= M), "fewer features than samples by 2 or more: else the mean is infinite; and N <= M"
)
_ABOVE = Constraint(
    sp.And(T <= N - 2, T <= M), "fewer samples than features by 2 or more: else the mean is infinite; and T <= M"
)
_PAST = Constraint(sp.And(M <= N, M <= T - 2), "features and samples past the end of the spectrum, N >= M, T >= M + 2")


def square_of_inverse(k: sp.Expr) -> sp.Expr:
    """E of the squared inverse of a Wishart matrix in M dimensions with k degrees of freedom, per identity."""
    return (k - 1) / ((k - M) * (k - M - 1) * (k - M - 3))


# Sum over I of 1/lambda_I.
inverses = SpectralSum(0, 1, 0, M, 1 + alpha) / lam
small_ridge = g**2 * M * sigma_w**2 / sigma_u**4 * inverses * square_of_inverse(N) * square_of_inverse(T)


def _small_ridge_steps() -> list[Step]:
    m, k, x, y, z, r = sp.symbols("m k x y z r", positive=True)
    p, q = sp.Matrix([[x + z, z], [z, y + z]]), sp.Matrix([[y, z / 2], [z / 2, x]])
    misfit = sp.eye(2) - p * q * (g * sp.eye(2) + p * q).inv()
    freedom = r + 4
    chi_square = x ** (freedom / 2 - 1) * sp.exp(-x / 2) / (2 ** (freedom / 2) * sp.gamma(freedom / 2))
    i = sp.Symbol("I", integer=True, positive=True)
    return [
        Step(
            "first order in the ridge",
            sp.Limit(sp.together(misfit[0, 1]) / g, g, 0),
            (q.inv() * p.inv())[0, 1],
            "X A u = P Q (g + P Q)^-1 with P = X X^T and Q = u^T u, both invertible past the end: the misfit is "
            "g (P Q)^-1 (shown for 2 x 2)",
        ),
        Step(
            "mean squared inverse chi-square",
            sp.Integral(chi_square / x**2, (x, 0, sp.oo)),
            1 / (r * (r + 2)),
            "(W^-1)_11 = 1/s, s chi-square with r + 4 = k - M + 1 degrees of freedom",
        ),
        Step(
            "mean squared inverse Wishart",
            (1 / (r * (r + 2))).subs(r, k - m - 3) * (1 + (m - 1) / (k - (m - 1) - 1)),
            square_of_inverse(k).subs(M, m),
            "the first column of W^-1 is (1, -b)/s, b regression coefficients of mean square tr W_22^-1, independent "
            "of s: (W^-2)_11 = (1 + |b|^2)/s^2",
        ),
        Step(
            "sum of inverse eigenvalues",
            sp.Sum((i / M) ** (1 + alpha) / lam, (i, 1, M)),
            inverses,
            "the weight of a direction is Lambda^-1 Lambda Lambda^-1",
            where={alpha: (0.2, 2), M: [2, 3, 5]},
            method="50 digits",
        ),
        Step(
            "as sizes grow",
            sp.Limit(square_of_inverse(k).subs({k: r * k, M: r * m}) * r**2, r, sp.oo),
            k / (k - m) ** 3,
            "that of the deterministic equivalent: nu^2 N T/((N - M)(T - M)) with nu = g M/(sigma_u^2 (N - M)(T - M))",
        ),
    ]


def _noise_steps() -> list[Step]:
    x1, x2, y, w = sp.symbols("x1 x2 y w", positive=True)
    data, other = sp.Matrix([[x1], [0]]), sp.Matrix([[0], [1]])
    u = sp.Matrix([[y, w], [x2, y]])
    features = u * data
    weights = (features.T * features).inv() * features.T * u
    return [
        *steps.finite(),
        Step(
            "along the samples",
            (weights * data)[0],
            sp.S.One,
            "A u X = 1: along the samples the fitted noise is X^+, whatever the features (shown for one sample in two "
            "dimensions)",
        ),
        Step(
            "across the samples",
            (weights * other)[0],
            ((features.T * features).inv() * features.T * (u * other))[0],
            "across them A u is the pseudo-inverse of the features times weights that are independent of it",
        ),
    ]


def _below(*, N: Any, T: Any, M: Any, sigma_eps: Any, unseen: Any) -> tuple[Any, Any]:
    value = (unseen * (T - 1) + np.square(sigma_eps) * N) / (T - N - 1)
    return value, ROUNDING * np.abs(value)


def _above(*, N: Any, T: Any, M: Any, sigma_eps: Any, unseen: Any, fitted: Any, spill: Any) -> tuple[Any, Any]:
    value = unseen * (N - 1) / (N - T - 1) + np.square(sigma_eps) * (fitted + spill / (N - T - 1))
    return value, ROUNDING * np.abs(value)


def _plateau(*, unseen: Any) -> tuple[Any, Any]:
    return unseen, ROUNDING * np.abs(unseen)


_CONVENTIONS = {**model.CONVENTIONS, "g": "0: the solution of least norm"}
_SIZES = [model.FEATURES, model.SAMPLES, model.DIMENSIONS]
BELOW = Numerical(
    function=_below,
    formula=r"U \frac{T-1}{T-N-1} + \sigma_\varepsilon^2 \frac{N}{T-N-1}",
    space=Space([*_SIZES, model.NOISE, UNSEEN], [_BELOW]),
    quantity="mean test loss given the features",
    conventions=_CONVENTIONS,
    derivation=Derivation("Gaussian residuals, mean inverse Wishart matrix", steps.finite),
)
ABOVE = Numerical(
    function=_above,
    formula=r"U \frac{N-1}{N-T-1} + \sigma_\varepsilon^2 \left(\|X^+ \Lambda^{1/2}\|^2 + "
    r"\frac{\operatorname{tr} \Lambda (1 - P) \operatorname{tr} (X^T X)^{-1}}{N-T-1}\right)",
    space=Space([*_SIZES, model.NOISE, UNSEEN, FITTED, SPILL], [_ABOVE]),
    quantity="mean test loss given the samples",
    conventions=_CONVENTIONS,
    derivation=Derivation("Gaussian features, mean inverse Wishart matrix", _noise_steps),
)
PLATEAU = Numerical(
    function=_plateau,
    formula=r"\frac{\sigma_w^2}{M} \operatorname{tr} \Lambda (1 - P)",
    space=Space([UNSEEN]),
    quantity="mean test loss after infinitely many samples, given the features",
    conventions=_CONVENTIONS,
    derivation=Derivation("Gaussian residuals, mean inverse Wishart matrix", steps.finite),
)
PAST_THE_END = ClosedForm(
    expr=sigma_eps**2 * M / (T - M - 1),
    space=Space([*_SIZES, model.NOISE], [_PAST]),
    quantity="mean test loss past the end of the spectrum",
    conventions=_CONVENTIONS,
    derivation=Derivation("least squares in M dimensions", lambda: [*steps.ridgeless()[-2:-1], *steps.finite()]),
)
SMALL_RIDGE = ClosedForm(
    expr=small_ridge,
    space=Space(
        [
            *_SIZES,
            model.ALPHA,
            model.LEAST,
            model.RIDGE,
            model.TEACHER,
            model.WEIGHTS,
        ],
        [Constraint(sp.And(N >= M + 4, T >= M + 4), "past the end by 4 or more: else the mean square is infinite")],
    ),
    quantity="mean test loss past the end, leading order in the ridge",
    conventions=model.CONVENTIONS,
    derivation=Derivation(
        "mean squared inverse Wishart matrix", lambda: [*steps.ridgeless()[-1:], *_small_ridge_steps()]
    ),
)
