r"""The continuum of the solvable model of scaling laws: its power laws and its best ridge.

Model
    That of `msr_random_feature_scaling`, with M >> N, T >> 1: the spectrum has no end.
Result
    With $p = 1 + \alpha$ and $c = (\pi/p)/\sin(\pi/p)$: $\nu = \lambda_- (c M/d_1)^p$, $d_2 = d_1 \alpha/(1 + \alpha)$;
    after infinitely many samples $L = \sigma_w^2 \lambda_- c^p (M/N)^\alpha$. The best ridge (without label noise) has

        d1* = 2 alpha N T/(alpha (N + T) + sqrt(alpha^2 (N + T)^2 - 4 alpha N T A)),  A = (alpha-1)(alpha+2)/(alpha+1),
        g* = (sigma_u^2/M) nu(d1*) (N - d1*)(T - d1*),

    and at N = T simply d1* = N/(1 + sqrt(2/(alpha (alpha + 1)))). The loss there is homogeneous in (N, T) of degree
    -alpha, tends to that of infinite data, and is smallest at N = T for a given product N T.
Assumptions
    Corrections: N + 1/2 for N in nu; (N/M)^alpha from the spectrum's end; 1/N.
Source
    Maloney, Roberts and Sully, arXiv:2210.16859v1; Z. Zhang, arXiv:2405.19398v1, for the ridge.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation
from theorylab.derivations.scaling_laws import msr_random_feature_limits_steps as steps
from theorylab.derivations.scaling_laws import msr_random_feature_scaling as model
from theorylab.derivations.scaling_laws import msr_random_feature_scaling_steps as equivalent
from theorylab.derivations.scaling_laws.power_spectrum import SpectralSum, used_and_left
from theorylab.parameters import Constraint, Integers, Parameter, Space
from theorylab.prediction import ClosedForm, Implicit

N, T, M, alpha, lam = model.N, model.T, model.M, model.alpha, model.lam
sigma_w, sigma_u = model.sigma_w, model.sigma_u
p = 1 + alpha
c = steps.continuum_constant(alpha)
SQUARES = Parameter("rho", model.POSITIVE, "dimensions of the data over the square of the features, M/N^2", default=1.0)
ROWS = Parameter("rows", Integers(1), "features drawn in a trial: the mean over rows/N draws is observed")
PRODUCT = Parameter("product", Integers(2), "number of features times number of samples, N T")
THETA = Parameter("theta", model.POSITIVE, "features per sample, N/T, at a given product", default=1.0)

degrees = steps.best_degrees(N, T, alpha)


def effective_ridge(d1: sp.Expr) -> sp.Expr:
    """Continuum: nu with d1 degrees of freedom."""
    return lam * (c * M / d1) ** p


def best_ridge(nu: sp.Expr) -> sp.Expr:
    """The ridge whose effective ridge is nu, at the best degrees of freedom."""
    return sigma_u**2 / M * nu * 2 * degrees**2 / (alpha * p)


best_loss = (
    sigma_w**2
    / M
    * effective_ridge(degrees)
    * N
    * T
    / (2 * degrees / alpha + sp.sqrt((N - T) ** 2 + 8 * degrees**2 / (alpha * p)))
)


def _best_degrees(N: Any, T: Any, alpha: Any) -> Any:
    root = np.sqrt(np.square(alpha * (N - T)) + 8.0 * alpha * N * T / (1.0 + alpha))
    return 2.0 * alpha * N * T / (alpha * (N + T) + root)


def _residual(x: Any, *, N: Any, T: Any, M: Any, alpha: Any, **_: Any) -> Any:
    """d1 - d1*, from whichever of d1 and M - d1 is smaller."""
    used, left = used_and_left(x, M, 1.0 + alpha)
    best = _best_degrees(N, T, alpha)
    return np.where(used < left, used - best, (M - best) - left)


def _bracket(*, N: Any, T: Any, M: Any, alpha: Any, **_: Any) -> tuple[Any, Any]:
    best = _best_degrees(N, T, alpha)
    return np.log(0.999 * (M - best) / M), np.log(1.1 * M ** (2.0 + alpha) / best)


_SIZES = [model.FEATURES, model.SAMPLES, model.DIMENSIONS]
_SPECTRUM = [model.ALPHA, model.LEAST]
_continuum = Derivation(model.MALONEY, lambda: [*equivalent.ridgeless(), *steps.continuum()])
_optimum = Derivation(model.MALONEY, lambda: [*steps.continuum(), *steps.optimum()])
_NO_NOISE = {**model.CONVENTIONS, "noise": "no label noise"}
_WIDE = {"N": 3, "T": 1_000_000, "M": 1_000_000, "alpha": 0.01}

INFINITE_DATA = ClosedForm(
    expr=sigma_w**2 * lam * c**p * (M / N) ** alpha,
    space=Space([model.FEATURES, model.DIMENSIONS, *_SPECTRUM, model.TEACHER]),
    quantity="mean test loss after infinitely many samples, continuum",
    conventions=model.CONVENTIONS,
    derivation=_continuum,
    corners=({"alpha": 1e-8}, {"alpha": 4.0, "N": 1, "M": 10**9}),
)
COLLAPSED = ClosedForm(
    expr=c**p,
    space=Space([model.ALPHA]),
    quantity="mean test loss after infinitely many samples, times (N/M)^alpha/(sigma_w^2 lambda_-)",
    conventions=model.CONVENTIONS,
    derivation=_continuum,
    corners=({"alpha": 1e-8},),
)
HALF_SHIFTED = ClosedForm(
    expr=lam * (c * M / (N + sp.Rational(1, 2))) ** p,
    space=Space([model.FEATURES, model.DIMENSIONS, *_SPECTRUM]),
    quantity="effective ridge after infinitely many samples, continuum",
    conventions=model.CONVENTIONS,
    derivation=_continuum,
)
SLOPE = ClosedForm(
    expr=-alpha,
    space=Space([model.ALPHA]),
    quantity="exponent of the loss",
    conventions=model.CONVENTIONS,
    derivation=_continuum,
)
BEST_DEGREES = ClosedForm(
    expr=degrees,
    space=Space([model.FEATURES, model.SAMPLES, model.ALPHA]),
    quantity="degrees of freedom at the best ridge",
    conventions=_NO_NOISE,
    derivation=_optimum,
    corners=(
        {"alpha": 1.0, "N": 60, "T": 150},
        {"alpha": 0.5, "N": 3, "T": 10**9},
        {"alpha": 1e-8, "N": 60, "T": 60},
    ),
)
BEST_RIDGE = Implicit(
    equation=SpectralSum(1, 0, model.s, M, p) - degrees,
    unknown=model.s,
    bracket=_bracket,
    numeric=_residual,
    output=best_ridge(lam * sp.exp(model.s)),
    space=Space(
        [*_SIZES, *_SPECTRUM, model.WEIGHTS],
        [Constraint(sp.Or(N <= M, T <= M), "no more of both than dimensions: the power law ends there")],
    ),
    quantity="best ridge without label noise",
    conventions=_NO_NOISE,
    derivation=_optimum,
    corners=({"N": 30, "T": 30, "M": 40}, {"N": 3, "T": 10**7, "M": 50}),
)
BEST_RIDGE_CONTINUUM = ClosedForm(
    expr=best_ridge(effective_ridge(degrees)),
    space=Space([*_SIZES, *_SPECTRUM, model.WEIGHTS]),
    quantity="best ridge without label noise, continuum",
    conventions=_NO_NOISE,
    derivation=_optimum,
    corners=(_WIDE, {"alpha": 1.0}),
)
BEST_LOSS = ClosedForm(
    expr=best_loss,
    space=Space([*_SIZES, *_SPECTRUM, model.TEACHER]),
    quantity="mean test loss at the best ridge, continuum",
    conventions=_NO_NOISE,
    derivation=_optimum,
    corners=(_WIDE, {"alpha": 1.0}, {"N": 1000, "T": 1000}),
)
SQUARE_DEGREES = ClosedForm(
    expr=N / (1 + sp.sqrt(2 / (alpha * p))),
    space=Space([model.FEATURES, model.ALPHA]),
    quantity="degrees of freedom at the best ridge, N = T",
    conventions=_NO_NOISE,
    derivation=_optimum,
    corners=({"alpha": 1e-8},),
)
EQUAL_NUMBERS = ClosedForm(
    expr=sp.S.One,
    space=Space([]),
    quantity="features per sample at which the loss is least, at a given product",
    conventions=_NO_NOISE,
    derivation=Derivation("duality", lambda: [*equivalent.two_step()[-1:], *steps.shapes()]),
)
