r"""Kernel ridge regression in its eigensystem: learnabilities, test and training error.

Model
    A kernel with eigenvalues $\lambda_i$ and eigenfunctions $\phi_i$, a target $\sum_i v_i \phi_i$, labels with noise
    of variance $\sigma^2$ at n samples; the predictor is $K_x (K + \delta)^{-1} y$.
Result
    $\kappa$ solves $n = \sum_i \lambda_i/(\lambda_i + \kappa) + \delta/\kappa$, and with the learnabilities
    $L_i = \lambda_i/(\lambda_i + \kappa)$, $e_0 = n/(n - \sum_i L_i^2)$:

    - the mean predictor has the coefficients $L_i v_i$; learnability is conserved, $\sum_i L_i = n - \delta/\kappa$;
    - $\operatorname{tr} (K + \delta)^{-1} \to 1/\kappa$;
    - $E_{te} = e_0 (\sum_i (1 - L_i)^2 v_i^2 + \sigma^2)$, noise included; $E_{tr} = (\delta/(n\kappa))^2 E_{te}$:
      generalized cross-validation is right;
    - without a ridge, pure noise gives $e_0 \sigma^2$ (`krr_overfitting`).

    With one eigenvalue this is `ridge_isotropic`.
Assumptions
    Eigenfunctions at random points behave like independent standard normal variables, as they do in the simulations.
    The mean test error is then above the formula by about 0.25/n of itself for power laws.
Sources
    J. B. Simon, M. Dickens, D. Karkada, M. R. DeWeese, arXiv:2110.03922v6; B. Bordelon, A. Canatar, C. Pehlevan,
    arXiv:2002.02561; A. Jacot et al., arXiv:2006.09796.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation
from theorylab.derivations.double_descent import krr_eigenframework_steps as steps
from theorylab.derivations.double_descent import ridge_isotropic as isotropic
from theorylab.derivations.double_descent.eigenframework import Equivalent, Spectrum, solve_krr
from theorylab.parameters import Constraint, Integers, Interval, Observed, Parameter, Space
from theorylab.prediction import Numerical

ALPHA = Parameter("alpha", Interval(0.0, open_low=True), "exponent of the spectrum: eigenvalues i^-alpha", default=1.5)
BETA = Parameter("beta", Interval(0.0), "exponent of the target: squared coefficients i^-beta", default=2.0)
N = Parameter("n", Integers(1), "number of samples")
RATIO = Parameter("ratio", Interval(0.0, open_low=True), "eigenvalues per sample, M/n (M is rounded)", default=8.0)
RIDGE = Parameter("h", Interval(0.0), "ridge delta over n^(1 - alpha), the order of n kappa", default=0.5)
NOISE = Parameter(
    "s", Interval(0.0), "variance of the label noise over n^(1 - beta), the order of the bias", default=0.5
)
RESOLVENT = Parameter("resolvent", Observed("trace of (K + delta)^-1"), "trace of the resolvent")

EIGENLEARNING = "Simon, Dickens, Karkada, DeWeese, arXiv:2110.03922v6"
CONVENTIONS = {
    "ridge": "delta = h n^(1 - alpha) is added to K itself: no factor n",
    "noise": "of variance sigma^2 = s n^(1 - beta): n, M, ridge and noise grow together",
    "error": "full squared error; test and training error include label noise, training error divided by n",
    "signs": "of the target's coefficients do not matter",
}
# Ends of the ranges of modes, in units of n, over which learnabilities are averaged.
OCTAVES = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
# Relative rounding error of sums given gamma.
ROUNDING = 1e-13


@lru_cache(64)
def power_law(alpha: float, M: int) -> Spectrum:
    """The spectrum i^-alpha, i = 1..M."""
    return Spectrum(np.arange(1.0, M + 1.0) ** -alpha)


def power(beta: float, M: int) -> np.ndarray:
    """Squared coefficients i^-beta, float64[M]."""
    return np.arange(1.0, M + 1.0) ** -beta


@lru_cache(256)
def solution(alpha: float, n: float, ratio: float, h: float) -> Equivalent:
    """Kernel ridge regression with the spectrum i^-alpha, i = 1..ratio n, and the ridge h n^(1 - alpha)."""
    return solve_krr(power_law(alpha, round(ratio * n)), n, h * n ** (1.0 - alpha))


def accuracy(found: Equivalent) -> float:
    """Relative error of what is computed from a solution: rounding, and what is left of gamma's equation."""
    return ROUNDING + 16.0 * found.residual


def pointwise(evaluate: Any) -> Any:
    """A function of arrays from one of numbers which returns (value, relative error); values may be vectors."""

    def function(**arrays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        given = np.broadcast_arrays(*arrays.values())
        rows = zip(*(a.ravel() for a in given))
        found = [evaluate(**dict(zip(arrays, map(float, row)))) for row in rows]
        values = np.array([value for value, _ in found])
        errors = np.array([np.abs(value) * error for value, error in found])
        shape = (*given[0].shape, *values.shape[1:])
        return values.reshape(shape), errors.reshape(shape)

    return function


def _test(*, alpha: float, beta: float, n: float, ratio: float, h: float, s: float) -> Any:
    found = solution(alpha, n, ratio, h)
    return found.test_risk(power(beta, round(ratio * n)), s * n ** (1.0 - beta)), accuracy(found)


def _train(*, alpha: float, beta: float, n: float, ratio: float, h: float, s: float) -> Any:
    found = solution(alpha, n, ratio, h)
    return found.train_error(power(beta, round(ratio * n)), s * n ** (1.0 - beta)), accuracy(found)


def _bias(*, alpha: float, beta: float, n: float, ratio: float, h: float) -> Any:
    found = solution(alpha, n, ratio, h)
    return found.bias(power(beta, round(ratio * n))), accuracy(found)


def _trace(*, alpha: float, n: float, ratio: float, h: float) -> Any:
    found = solution(alpha, n, ratio, h)
    return 1.0 / found.kappa, accuracy(found)


def _overfitting(*, alpha: float, n: float, ratio: float) -> Any:
    found = solution(alpha, n, ratio, 0.0)
    return found.e_0, accuracy(found)


def octave_means(found: Equivalent) -> np.ndarray:
    """Learnabilities averaged over the modes between those of `OCTAVES`, float64[5]."""
    ends = [round(found.n * end) for end in OCTAVES]
    return np.array([found.learnabilities[a:b].mean() for a, b in pairwise(ends)])


def _learned(*, alpha: float, n: float, ratio: float, h: float) -> Any:
    found = solution(alpha, n, ratio, h)
    return octave_means(found), accuracy(found)


def _isotropic(*, gamma: float, lam: float, sigma2: float, r2: float) -> Any:
    # Per sample: only ratios matter.
    found = solve_krr(Spectrum([1.0], [gamma]), 1.0, lam)
    return found.test_risk([r2], sigma2), accuracy(found)


def _total(*, alpha: Any, n: Any, h: Any, resolvent: Any) -> Any:
    value = n - h * n ** (1.0 - alpha) * resolvent
    return value, 1e-9 * n + 0.0 * value


_RIDGELESS = "without a ridge the trace of the resolvent belongs to ratio > 1: take h > 0"
_SHAPE = [ALPHA, N, RATIO, RIDGE]
_MODEL = Space([ALPHA, BETA, N, RATIO, RIDGE, NOISE])
_RISK = Derivation(EIGENLEARNING, steps.risk)
_RESOLVENT = Derivation(EIGENLEARNING, steps.resolvent)
TEST = Numerical(
    function=pointwise(_test),
    space=_MODEL,
    quantity="test error",
    conventions=CONVENTIONS,
    derivation=_RISK,
    formula=r"E_{te} = \frac{n}{n - \sum_i L_i^2} \left(\sum_i (1 - L_i)^2 v_i^2 + \sigma^2\right)",
)
TRAIN = Numerical(
    function=pointwise(_train),
    space=_MODEL,
    quantity="training error",
    conventions=CONVENTIONS,
    derivation=_RISK,
    formula=r"E_{tr} = \left(\frac{\delta}{n \kappa}\right)^2 E_{te}",
)
BIAS = Numerical(
    function=pointwise(_bias),
    space=Space([ALPHA, BETA, N, RATIO, RIDGE]),
    quantity="squared error of the mean predictor",
    conventions=CONVENTIONS,
    derivation=Derivation(EIGENLEARNING, steps.bias),
    formula=r"\sum_i (1 - L_i)^2 v_i^2",
)
TRACE = Numerical(
    function=pointwise(_trace),
    space=Space(_SHAPE, [Constraint(sp.Or(RIDGE.symbol > 0, RATIO.symbol > 1), _RIDGELESS)]),
    quantity="trace of the resolvent",
    conventions=CONVENTIONS,
    derivation=_RESOLVENT,
    formula=r"\operatorname{tr} (K + \delta)^{-1} \to 1/\kappa, \quad "
    r"n = \sum_i \frac{\lambda_i}{\lambda_i + \kappa} + \frac\delta\kappa",
)
LEARNED = Numerical(
    function=pointwise(_learned),
    space=Space(_SHAPE, [Constraint(sp.And(RATIO.symbol >= 4, N.symbol >= 4), "modes from n/4 to 4n are looked at")]),
    quantity="mean learnability of the modes up to n/4, n/2, n, 2n and 4n",
    conventions=CONVENTIONS,
    derivation=_RESOLVENT,
    formula=r"L_i = \frac{\lambda_i}{\lambda_i + \kappa}",
)
TOTAL = Numerical(
    function=_total,
    space=Space([ALPHA, N, RIDGE, RESOLVENT]),
    quantity="sum of all learnabilities of one data set",
    conventions=CONVENTIONS,
    derivation=_RESOLVENT,
    formula=r"\sum_i \hat L_i = n - \delta \operatorname{tr} (K + \delta)^{-1}",
)
OVERFITTING = Numerical(
    function=pointwise(_overfitting),
    space=Space([ALPHA, N, RATIO]),
    quantity="test error for pure noise of variance 1, without a ridge",
    conventions=CONVENTIONS,
    derivation=_RISK,
    formula=r"e_0 = \frac{n}{n - \sum_i L_i^2}, \quad \sum_i L_i = n",
)

_LOW = Constraint(
    sp.Or(isotropic.lam > 0, sp.Ne(isotropic.gamma, 1)),
    "without ridge the variance diverges at the interpolation threshold gamma = 1: take lam > 0",
)
ISOTROPIC = Numerical(
    function=pointwise(_isotropic),
    space=Space([isotropic.GAMMA, isotropic.LAM, isotropic.SIGMA2, isotropic.R2], [_LOW]),
    quantity="test error with one eigenvalue of multiplicity gamma n",
    conventions=isotropic.NOISY,
    derivation=_RISK,
    formula=r"\frac{\gamma}{1 + \kappa} + \frac{\lambda}{\kappa} = 1",
)
