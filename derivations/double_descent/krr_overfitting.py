r"""How badly kernels overfit pure noise without a ridge: benign, tempered, catastrophic.

Model
    That of `krr_eigenframework` with no ridge, no signal, label noise of variance 1, and infinitely many eigenvalues:
    the test error is $e_0 = n/(n - \sum_i L_i^2)$ with $\sum_i L_i = n$.
Result
    - $\lambda_i = i^{-\alpha}$, $\alpha > 1$: $e_0 = \alpha n/(n + 1/2)$, tempered. What is left is smaller than any
      power of n for even $\alpha$, and of order $n^{-1-\alpha}$ for others.
    - $\lambda_i = e^{-c i}$: $e_0 = c n/(1 - (4 \pi^2/c)/\sinh(2 \pi^2/c))$, catastrophic. The denominator is what the
      discreteness of the modes does: 1.002 for c = 2.
    - Degree k on the sphere in $R^d$, with the multiplicity of the harmonics: $\lambda = (k + (d-2)/2)^{-d}$, as
      kernels with a cusp have: $e_0 \to d/(d - 1)$, with corrections of order $n^{-2/(d-1)}$; none in d = 4.
    - $\lambda_i = 1/(i \log^b i)$: $e_0 - 1 \to (b - 1)/\log n$, benign, so slowly that $\log n$ less
      $\log(\log n/(b - 1))$ is needed for the next order.

    The half in $n + 1/2$, the denominator and the orders of the corrections are derived here.
Source
    N. Mallinar et al., arXiv:2207.06569, for the three kinds and the limits.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import sympy as sp
from scipy.special import gammaln

from theorylab.derivation import Derivation
from theorylab.derivations.double_descent import krr_eigenframework_steps as steps
from theorylab.derivations.double_descent.eigenframework import Spectrum, solve_krr
from theorylab.derivations.double_descent.krr_eigenframework import ALPHA, N, pointwise
from theorylab.parameters import Constraint, Integers, Interval, Parameter, Space
from theorylab.prediction import ClosedForm, Numerical

RATE = Parameter("c", Interval(0.0, 3.0, open_low=True), "rate of the spectrum: eigenvalues e^(-c i)", default=1.0)
DIMENSION = Parameter("d", Integers(3), "dimension of the space around the sphere", default=3)
LOG_POWER = Parameter("b", Interval(1.0, open_low=True), "eigenvalues 1/(i log^b i)", default=2.0)
LOG_N = Parameter("log_n", Interval(5.0, 600.0), "logarithm of the number of samples", default=400.0)
alpha, n, c, d, b, log_n = (q.symbol for q in (ALPHA, N, RATE, DIMENSION, LOG_POWER, LOG_N))

# Eigenvalues that are summed one by one; panels in log i beyond, and points on each.
HEAD, PANEL, POINTS = 2_000, 0.5, 12
# Modes end where what is left is this small beside n; it acts as a ridge.
LEFT = 1e-16
# Largest log i in double precision.
FAR = 690.0


def _panels(low: float, high: float, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre rule on equal panels."""
    x, w = np.polynomial.legendre.leggauss(points)
    edges = np.linspace(low, high, math.ceil((high - low) / PANEL) + 1)
    half = np.diff(edges)[:, None] / 2.0
    return (edges[:-1, None] + half * (1.0 + x)).ravel(), (half * w).ravel()


def _refined(coefficient: Any) -> tuple[float, float]:
    """e_0 (of a fine rule, of a coarse one) with their difference as its error, relative."""
    fine, coarse = coefficient(HEAD, POINTS), coefficient(HEAD // 2, 2 * POINTS // 3)
    return fine, abs(fine - coarse) / fine + 1e-12


def _power_law(*, alpha: float, n: float) -> tuple[float, float]:
    def coefficient(head: int, points: int) -> float:
        i = np.arange(1.0, head + 1.0)
        # Beyond the head as an integral from half a place on.
        far = math.log(n) - math.log(LEFT) / (alpha - 1.0)
        t, w = _panels(math.log(head + 0.5), max(far, 2.0 * math.log(head)), points)
        spectrum = Spectrum(
            np.concatenate([i**-alpha, np.exp(-alpha * t)]), np.concatenate([np.ones(head), w * np.exp(t)])
        )
        return solve_krr(spectrum, n, 0.0).e_0

    return _refined(coefficient)


def _exponential(*, c: float, n: float) -> tuple[float, float]:
    # All that double precision can tell from zero.
    value = solve_krr(np.exp(-c * np.arange(1.0, FAR / c)), n, 0.0).e_0
    return value, 1e-12


def _sphere(*, d: float, n: float) -> tuple[float, float]:
    half = (d - 2.0) / 2.0

    def coefficient(head: int, points: int) -> float:
        degrees = round(head / 20.0 * n ** (1.0 / (d - 1.0))) + head
        k = np.arange(degrees + 1.0)
        multiplicity = np.exp(np.log(2.0 * (k + half)) + gammaln(k + d - 2.0) - gammaln(k + 1.0) - gammaln(d - 1.0))
        # What is left is a ridge, up to the square of its eigenvalues over kappa.
        ridge = 2.0 / math.exp(gammaln(d - 1.0)) / (degrees + 0.5 + half)
        return solve_krr(Spectrum((k + half) ** -d, multiplicity), n, ridge).e_0

    return _refined(coefficient)


def _borderline(*, b: float, log_n: float) -> tuple[float, float]:
    def coefficient(head: int, points: int) -> float:
        u, w = _panels(math.log(2.0), FAR, points)
        spectrum = Spectrum(np.exp(-u) * u**-b, w * np.exp(u))
        return solve_krr(spectrum, math.exp(log_n), FAR ** (1.0 - b) / (b - 1.0)).e_0 - 1.0

    return _refined(coefficient)


_TAMED = Derivation("Mallinar et al., arXiv:2207.06569", steps.tempered)
_SHARED: dict[str, Any] = {
    "conventions": {"ridge": "none", "label noise": "variance 1, and no signal; included"},
    "derivation": _TAMED,
}
_SUMMABLE = Constraint(alpha > 1, "infinitely many eigenvalues need a finite sum: take alpha > 1")
_SEEN = Constraint(
    log_n - sp.log(log_n / (b - 1)) > 1, "so few samples do not see that the eigenvalues have a finite sum"
)
tempered = alpha * n / (n + sp.Rational(1, 2))
catastrophic = c * n / (1 - 4 * sp.pi**2 / (c * sp.sinh(2 * sp.pi**2 / c)))
sphere = d / (d - sp.Integer(1))
borderline = (b - 1) / (log_n - sp.log(log_n / (b - 1)))


def _catastrophic(*, c: Any, n: Any) -> np.ndarray:
    # x/sinh(x) without overflow.
    x = 2.0 * np.pi**2 / c
    return np.asarray(c * n / (1.0 - 4.0 * x * np.exp(-x) / -np.expm1(-2.0 * x)))


_POWER, _EXPONENTIAL = Space([ALPHA, N], [_SUMMABLE]), Space([RATE, N])
_SPHERE, _BORDERLINE = Space([DIMENSION]), Space([LOG_POWER, LOG_N], [_SEEN])
TEMPERED = ClosedForm(expr=tempered, space=_POWER, quantity="overfitting coefficient of i^-alpha", **_SHARED)
CATASTROPHIC = ClosedForm(
    expr=catastrophic,
    numeric=_catastrophic,
    space=_EXPONENTIAL,
    quantity="overfitting coefficient of e^(-c i)",
    corners=({"c": 1e-3, "n": 100}, {"c": 3.0, "n": 100}),
    **_SHARED,
)
SPHERE = ClosedForm(expr=sphere, space=_SPHERE, quantity="overfitting coefficient on the sphere", **_SHARED)
BORDERLINE = ClosedForm(
    expr=borderline, space=_BORDERLINE, quantity="overfitting coefficient of 1/(i log^b i), less 1", **_SHARED
)
TEMPERED_SUM = Numerical(function=pointwise(_power_law), space=_POWER, quantity=TEMPERED.quantity, **_SHARED)
CATASTROPHIC_SUM = Numerical(
    function=pointwise(_exponential), space=_EXPONENTIAL, quantity=CATASTROPHIC.quantity, **_SHARED
)
SPHERE_SUM = Numerical(function=pointwise(_sphere), space=Space([DIMENSION, N]), quantity=SPHERE.quantity, **_SHARED)
BORDERLINE_SUM = Numerical(function=pointwise(_borderline), space=_BORDERLINE, quantity=BORDERLINE.quantity, **_SHARED)
