r"""One-pass SGD on power-law random features: exact second moments, and their limit for many features.

Model
    Inputs $x \in R^v$, independent Gaussian coordinates of standard deviations $j^{-\alpha}$; target
    $\langle x, b\rangle$, $b_j = j^{-\beta}$; features $W^T x$, $W_{ji} \sim N(0, 1/d)$. Risk
    $P(\theta) = |D^{1/2} (W \theta - b)|^2$, $D = \mathrm{diag}(j^{-2\alpha})$. SGD from $\theta = 0$ on fresh batches
    of B inputs, gradient summed over the batch:
    $\theta \mapsto \theta - \gamma \sum_i W^T x_i (\langle W^T x_i, \theta\rangle - \langle x_i, b\rangle)$.
Result
    At every v, d and W: with eigenpairs $\lambda_k, u_k$ of $\hat K = D^{1/2} W W^T D^{1/2}$ and
    $\rho_k = E \langle u_k, D^{1/2} (W \theta_r - b)\rangle^2$,

        $\rho_k \mapsto q(\lambda_k) \rho_k + a(\lambda_k) P_r$,  $P_r = \sum_k \rho_k$,
        $q(\lambda) = 1 - 2 \gamma B \lambda + \gamma^2 B (B + 1) \lambda^2$,  $a(\lambda) = \gamma^2 B \lambda^2$,

    or $P_r = F(r) + \sum_{s < r} K(r - 1 - s) P_s$ with $F(r) = \sum_k \rho_k(0) q(\lambda_k)^r$ and
    $K(r) = \sum_k a(\lambda_k) q(\lambda_k)^r$. It converges if $\gamma (B + 1) \lambda_{max} < 2$ and
    $|K| = \sum_r K(r) = \sum_k \gamma \lambda_k / (2 - \gamma (B + 1) \lambda_k) < 1$, then to $F_0 / (1 - |K|)$, with
    $F_0$ the least risk. As d grows with v/d fixed, the sums over the spectrum tend to those of the deterministic
    equivalent (`plrf_spectrum`). In it $|K| = d\, (m(\zeta) - 1) / (B + 1)$ at $\zeta = 2 / (\gamma (B + 1))$, so that
    the critical learning rate is that of the population spectrum divided by $1 + (B + 1)/d$.
Assumptions
    Gaussian inputs; v > d; $2 (\alpha + \beta) > 1$ for a power law.
Source
    Paquette, Paquette, Xiao and Pennington, arXiv:2405.15074v2, sections 2 and 3. Batch size and finite learning rates
    as derived here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import sympy as sp
from scipy import special

from theorylab.derivation import Derivation
from theorylab.derivations.scaling_laws import plrf_volterra_steps as steps
from theorylab.derivations.scaling_laws.plrf_numerics import Equivalent
from theorylab.derivations.scaling_laws.plrf_spectrum import Spectrum
from theorylab.errors import DomainError
from theorylab.parameters import Constraint, Integers, Interval, Observed, Parameter, Space
from theorylab.prediction import ClosedForm, Numerical, Value

ALPHA = Parameter("alpha", Interval(0.05, 2.0), "exponent of the data: standard deviations j^-alpha", default=1.0)
BETA = Parameter("beta", Interval(0.0, 3.0), "exponent of the target: coefficients j^-beta", default=0.7)
FEATURES = Parameter("d", Integers(2), "number of features, the parameters that are trained", default=200)
RATIO = Parameter("ratio", Interval(1.0, 1e6, open_low=True), "inputs over features, v/d", default=4.0)
RATE = Parameter(
    "rate", Interval(0.0, open_low=True), "learning rate in units of 1/sum_j j^(-2 alpha): gamma tr D", default=0.3
)
BATCH = Parameter("B", Integers(1), "batch size", default=1)
STEPS = Parameter("r", Interval(0.0), "number of steps", default=100.0)
EIGENVALUES = Parameter(
    "eigenvalues", Observed("nonzero eigenvalues of the features' covariance, float[d]"), "spectrum"
)
ERRORS = Parameter("errors", Observed("squared errors of zero weights along the eigenvectors, float[d]"), "errors")
LEAST = Parameter("least", Observed("least risk of any weights, float"), "least risk")

alpha, beta, d, ratio, rate, B, r = (p.symbol for p in (ALPHA, BETA, FEATURES, RATIO, RATE, BATCH, STEPS))
POWER_LAW = Constraint(2 * alpha + 2 * beta > 1, "there is no power law: take 2 (alpha + beta) > 1")
MORE_INPUTS = Constraint(ratio * d >= d + 1, "as many features as inputs: take (ratio - 1) d >= 1")
CONVENTIONS = {
    "risk": "full squared error, without a half",
    "gradient": "summed over the batch, without the factor 2 of the square",
    "r": "counts steps; r = 0 is zero weights",
    "rate": "gamma = rate / sum_j j^(-2 alpha)",
}
# Values at a parameter point serve a claim and all its mutants.
KEPT = 128


@lru_cache(KEPT)
def spectrum(alpha: float, beta: float, d: float, ratio: float) -> tuple[Spectrum, Spectrum]:
    """The equivalent spectrum, and a coarser one for its error."""
    v = float(round(ratio * d))
    return Spectrum(alpha, beta, d, v), Spectrum(alpha, beta, d, v, points=8, head=200)


@lru_cache(KEPT)
def equivalent(alpha: float, beta: float, d: float, ratio: float, rate: float, B: float) -> Equivalent:
    """The deterministic equivalent at a learning rate in units of 1/tr D.

    Raises
    ------
    DomainError
        When the learning rate is not stable; the critical value is named.
    """
    fine, _ = spectrum(alpha, beta, d, ratio)
    critical = fine.critical_rate(B) * fine.trace
    if rate >= critical:
        raise DomainError(
            f"rate = {rate:g} is not stable at alpha = {alpha:g}, d = {d:g}, ratio = {ratio:g}, B = {B:g}: take "
            f"rate < {critical:.4g}, the critical value (gamma < {critical / fine.trace:.4g})"
        )
    return Equivalent(alpha, beta, d, fine.v, rate / fine.trace, B)


def _pointwise(evaluate: Any, points: list[Any], along: Any | None = None) -> tuple[np.ndarray, np.ndarray]:
    """`evaluate(*point[, values along]) -> Value` at all points of broadcast arrays, one call for each point."""
    arrays = np.broadcast_arrays(*points, *([] if along is None else [along]))
    columns = np.stack([a.ravel() for a in arrays], axis=1).astype(float)
    value, error = np.empty(len(columns)), np.empty(len(columns))
    count = len(points)
    rows, inverse = np.unique(columns[:, :count], axis=0, return_inverse=True)
    for i, row in enumerate(rows):
        at = inverse.ravel() == i
        extra = () if along is None else (columns[at, count],)
        value[at], error[at] = evaluate(*(float(x) for x in row), *extra)
    return value.reshape(arrays[0].shape), error.reshape(arrays[0].shape)


def _curve(quantity: str) -> Any:
    def function(*, alpha: Any, beta: Any, d: Any, ratio: Any, rate: Any, B: Any, r: Any) -> Any:
        return _pointwise(
            lambda *point: getattr(equivalent(*point[:-1]), quantity)(point[-1]), [alpha, beta, d, ratio, rate, B], r
        )

    return function


def _critical(*, alpha: Any, d: Any, ratio: Any, B: Any) -> Any:
    def evaluate(alpha: float, d: float, ratio: float, B: float) -> Value:
        fine, coarse = (s.critical_rate(B) * s.trace for s in spectrum(alpha, 1.0, d, ratio))
        return Value(np.asarray(fine), np.asarray(abs(fine - coarse) + 1e-12 * fine))

    return _pointwise(evaluate, [alpha, d, ratio, B])


def _of_spectrum(quantity: Any) -> Any:
    def function(*, alpha: Any, d: Any, ratio: Any, beta: Any = 1.0) -> Any:
        def evaluate(alpha: float, beta: float, d: float, ratio: float) -> Value:
            fine, coarse = (quantity(s) for s in spectrum(alpha, beta, d, ratio))
            return Value(np.asarray(fine), np.asarray(abs(fine - coarse) + 1e-12 * abs(fine)))

        return _pointwise(evaluate, [alpha, beta, d, ratio])

    return function


def learning_rate(rate: Any, alpha: Any, d: Any, ratio: Any) -> Any:
    """gamma, from `rate` and the trace of the inputs' covariance."""
    return rate / np.sum(np.arange(1.0, float(np.round(ratio * d)) + 1.0) ** (-2.0 * alpha))


def volterra(
    gamma: Any, B: Any, r: Any, eigenvalues: Any, errors: Any, least: Any, square: Any = None, feed: float = 1.0
) -> Any:
    r"""Risk at features given, by the Volterra equation.

    Parameters
    ----------
    gamma, B, r
        Learning rate, batch size, and numbers of steps float64[times].
    eigenvalues, errors : float64[trials, d]
    least : float64[trials]
    square
        Coefficient of $\gamma^2 \lambda^2$ in q, B (B + 1) by default.
    feed
        Factor on the kernel.

    Returns
    -------
    float64[trials, times]
    """
    steps = int(np.max(r))
    x = gamma * eigenvalues
    q, a = 1.0 - 2.0 * B * x + (B * (B + 1.0) if square is None else square) * x**2, feed * B * x**2
    forcing, kernel = np.empty((steps + 1, len(x))), np.empty((steps + 1, len(x)))
    power = np.ones_like(q)
    for s in range(steps + 1):
        forcing[s], kernel[s] = (errors * power).sum(axis=1) + least, (a * power).sum(axis=1)
        power *= q
    risk = forcing
    for s in range(steps):
        risk[s + 1 :] += kernel[: steps - s] * risk[s]
    return risk[np.asarray(r, dtype=int)].T


def _given(
    *, alpha: Any, d: Any, ratio: Any, rate: Any, B: Any, r: Any, eigenvalues: Any, errors: Any, least: Any
) -> Any:
    value = volterra(learning_rate(rate, alpha, d, ratio), float(B), np.atleast_1d(r), eigenvalues, errors, least)
    return value, 1e-11 * np.abs(value)


def _limit_given(*, alpha: Any, d: Any, ratio: Any, rate: Any, B: Any, eigenvalues: Any, least: Any) -> Any:
    x = learning_rate(rate, alpha, d, ratio) * eigenvalues
    value = least / (1.0 - np.sum(x / (2.0 - (B + 1.0) * x), axis=1))
    return value[:, None], 1e-9 * np.abs(value[:, None])


def _kappa_limit(*, alpha: Any, d: Any) -> Any:
    # sin(pi/(2 alpha)) by its distance from the zero at alpha = 1/2.
    return (np.pi / (2 * alpha) / np.sin(np.pi * (alpha - 0.5) / alpha) / d) ** (2 * alpha)


_SPECTRAL = {"covariance": "W^T D W, of features with entries of W of variance 1/d"}
SIZED = Space([ALPHA, FEATURES, RATIO], [MORE_INPUTS])
MODEL = Space([ALPHA, BETA, FEATURES, RATIO, RATE, BATCH, STEPS], [POWER_LAW, MORE_INPUTS])
_EXACT = Derivation("Isserlis' theorem", steps.exact)
_EQUIVALENT = Derivation("deterministic equivalent", steps.equivalent)
_CONTINUUM = Derivation("sums as integrals", steps.continuum)

RISK = Numerical(
    function=_curve("risk"),
    space=MODEL,
    quantity="expected risk P_r",
    conventions=CONVENTIONS,
    derivation=Derivation("Isserlis; deterministic equivalent", lambda: [*steps.exact(), *steps.equivalent()]),
    formula=r"P_r = \mathcal F(r) + \sum_{s=0}^{r-1} \mathcal K(r-1-s)\,P_s",
)
FORCING = Numerical(
    function=_curve("forcing"),
    space=MODEL,
    quantity="forcing F(r)",
    conventions=CONVENTIONS,
    derivation=_EQUIVALENT,
    formula=r"\mathcal F(r) = \int q(\lambda)^r\,\mu_{\mathcal F}(d\lambda)",
)
RISK_GIVEN = Numerical(
    function=_given,
    space=Space([ALPHA, FEATURES, RATIO, RATE, BATCH, STEPS, EIGENVALUES, ERRORS, LEAST], [MORE_INPUTS]),
    quantity="risk P_r at features given, averaged over inputs",
    conventions=CONVENTIONS,
    derivation=_EXACT,
    formula=r"P_r = \sum_k \rho_k(0) q_k^r + \gamma^2 B \sum_{s<r} \sum_k \lambda_k^2 q_k^{r-1-s} P_s",
)
LIMIT_GIVEN = Numerical(
    function=_limit_given,
    space=Space([ALPHA, FEATURES, RATIO, RATE, BATCH, EIGENVALUES, LEAST], [MORE_INPUTS]),
    quantity="risk after infinitely many steps, at features given",
    conventions=CONVENTIONS,
    derivation=_EXACT,
    formula=r"P_\infty = F_0 / (1 - \sum_k \gamma \lambda_k / (2 - \gamma (B+1) \lambda_k))",
)
CRITICAL_RATE = Numerical(
    function=_critical,
    space=Space([ALPHA, FEATURES, RATIO, BATCH], [MORE_INPUTS]),
    quantity="critical learning rate times tr D",
    conventions=CONVENTIONS,
    derivation=_EQUIVALENT,
    formula=r"\frac{2 \mu\,\mathrm{tr} D}{(B+1)(1+(B+1)/d)}, \quad "
    r"\sum_j \frac{\lambda_j \mu}{1 - \lambda_j \mu} = B+1",
)
LEAST_RISK = Numerical(
    function=_of_spectrum(lambda s: s.capacity),
    space=Space([ALPHA, BETA, FEATURES, RATIO], [POWER_LAW, MORE_INPUTS]),
    quantity="least risk F_0",
    conventions={"risk": CONVENTIONS["risk"]},
    derivation=_EQUIVALENT,
    formula=r"F_0 = \sum_j \frac{j^{-2\alpha-2\beta}\kappa}{j^{-2\alpha}+\kappa}, \quad "
    r"\sum_j \frac{j^{-2\alpha}}{j^{-2\alpha}+\kappa} = d",
)
SMALLEST = Numerical(
    function=_of_spectrum(lambda s: s.edges.low),
    space=SIZED,
    quantity="smallest nonzero eigenvalue of the features' covariance",
    conventions=_SPECTRAL,
    derivation=_EQUIVALENT,
    formula=r"\max_{\mu < 0} \; \frac1\mu - \frac1d \sum_j \frac{\lambda_j}{\lambda_j \mu - 1}",
)

SMALL_STEPS = ClosedForm(
    expr=sp.Integer(2),
    space=Space([ALPHA, FEATURES, RATIO, BATCH]),
    quantity="critical learning rate times tr D, if the norm were gamma tr(D)/2",
    conventions=CONVENTIONS,
    derivation=_EXACT,
)

# Infinitely many inputs. The exponents stay off the lines at which the integrals diverge.
_TRACE_CLASS = Constraint(2 * alpha > 1, "for infinitely many inputs the trace diverges: take alpha > 1/2")
c1 = sp.pi / (2 * alpha) / sp.sin(sp.pi / (2 * alpha))
kappa_limit = (c1 / d) ** (2 * alpha)
LEAST_RISK_LAW = ClosedForm(
    expr=kappa_limit * sp.zeta(2 * beta),
    numeric=lambda *, alpha, beta, d: _kappa_limit(alpha=alpha, d=d) * special.zeta(2 * beta),
    space=Space(
        [ALPHA, BETA, FEATURES],
        [_TRACE_CLASS, Constraint(2 * beta > 1, "the target's norm diverges with the inputs: take beta > 1/2")],
    ),
    quantity="least risk F_0 of many features, for infinitely many inputs",
    conventions={"risk": CONVENTIONS["risk"]},
    derivation=_CONTINUUM,
    corners=({"alpha": 0.5 + 1e-9, "beta": 0.5 + 1e-9, "d": 2**20}, {"alpha": 2.0, "beta": 3.0, "d": 2**20}),
)
SMALLEST_LAW = ClosedForm(
    expr=kappa_limit * ((2 * alpha - 1) / (2 * alpha)) ** (2 * alpha) / (2 * alpha - 1),
    numeric=lambda *, alpha, d: (
        _kappa_limit(alpha=alpha, d=d) * ((alpha - 0.5) / alpha) ** (2 * alpha) / (2 * (alpha - 0.5))
    ),
    space=Space([ALPHA, FEATURES], [_TRACE_CLASS]),
    quantity="smallest nonzero eigenvalue for many features and infinitely many inputs",
    conventions=_SPECTRAL,
    derivation=_CONTINUUM,
    corners=({"alpha": 0.5 + 1e-9, "d": 2**20}, {"alpha": 2.0, "d": 2**20}),
)
