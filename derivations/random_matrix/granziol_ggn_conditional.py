r"""The batch eigenvalue given the full data set's spectrum: no population model.

Model
    K = X^T X / N, the N x N Gram matrix of the full data set, with eigenvalues k_1 > k_2 >= ... (zeros included) and
    eigenvectors in general position. A batch of B = t N samples without replacement: G_batch has the nonzero spectrum
    of the B x B corner of K, divided by t.
Result
    With g(x) = (1/(N-1)) sum_{i != 1} 1/(x - k_i): lambda_1' = (lambda_1 - (1 - t)/g(lambda_1))/t, an outlier iff
    D = 1 + (1 - t) g'(lambda_1)/g(lambda_1)^2 > 0; the eigenvectors in parameter space have squared overlap
    D lambda_1/(t lambda_1'). For a spiked population this is `granziol_ggn`. The bulk of the batch is the free
    compression of K (`subordination.BatchLaw`): z = (omega - (1 - t)/g(omega))/t, G_batch(z) = g(omega).
Assumptions
    The columns of X are exchangeable enough for the eigenvectors of K to be in general position: exactly so (Haar) for
    Gaussian columns. Errors are O(1/N); dividing by N instead of N - 1 is a further error of that order, and larger.
Source
    Nica and Speicher, Amer. J. Math. 118 (1996) 799, for compressions; outliers of compressions as in
    Benaych-Georges and Nadakuditi, arXiv:0910.2120. The form given the observed spectrum is our own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.derivations.random_matrix import granziol_ggn as population
from theorylab.derivations.random_matrix.subordination import BatchLaw
from theorylab.parameters import Interval, Observed, Parameter, Space
from theorylab.prediction import Numerical

SPECTRUM = Parameter(
    "spectrum",
    Observed("nonzero eigenvalues of the full-batch G, min(P, N) of them in ascending order"),
    "spectrum of G",
)
DATA, FRACTION = population.DATA, population.FRACTION
r, t, theta, sigma = population.r, population.t, population.theta, population.sigma

# Relative rounding error of the sums, generously.
ROUNDING = 1e-12


def _steps() -> list[Step]:
    x, w, g, product, ratio, moved_to = sp.symbols("x w g product ratio moved_to", positive=True)
    B, N = population.B, population.N
    full = population.outlier.subs(r, r * t)
    moved = (x - (1 - t) / w) / t
    cauchy = sp.Function("g", positive=True)(x)
    # Free compression multiplies the argument of the R-transform by t.
    whole = r * t * sigma**2 / (1 - sigma**2 * g)
    batch = r * sigma**2 / (1 - sigma**2 * g)
    bend = 1 - (1 - t) / population.slope.subs(r, r * t)
    return [
        Step(
            "R-transform of a corner",
            (t * batch.subs(g, t * g)),
            whole.subs(g, t * g),
            "the corner of K, divided by t, is the batch's Gram matrix: R_corner(g) = R(t g) (for a flat population)",
        ),
        Step(
            "outlier of the corner",
            (1 / g + (x - 1 / w)).subs(g, w / t) / t,
            moved,
            "z = 1/g + R(t g) with t g = w = g(x) and R(w) = x - 1/w: an eigenvalue at x goes to x - (1 - t)/g(x), and "
            "the batch divides by t",
        ),
        Step(
            "slope",
            (t * moved.subs(w, cauchy)).diff(x).subs(cauchy.diff(x), ratio * cauchy**2),
            1 + (1 - t) * ratio,
            "D = d(t lambda_1')/d lambda_1 with ratio = g'/g^2: positive outside the bulk, and the squared "
            "overlap of the eigenvectors in sample space",
        ),
        Step(
            "to parameter space",
            (N * x * product / sp.sqrt(N * x * B * moved_to)) ** 2,
            x * product**2 / ((B / N) * moved_to),
            "v = X u/sqrt(N lambda_1) and v' = X_b y/sqrt(B lambda_1') with X^T X u = N lambda_1 u: so v.v' = "
            "N lambda_1 (u.y)/sqrt(N lambda_1 B lambda_1'), and (u.y)^2 = D",
        ),
        Step(
            "spiked population",
            moved.subs({x: full, w: 1 / theta}),
            population.outlier,
            "g(lambda_1) = 1/theta for a spike: Lambda_N goes to Lambda_B",
        ),
        Step(
            "spiked population, eigenvector",
            bend * full / (t * population.outlier),
            population.turned,
            "g'/g^2 = -1/Lambda_N'(theta)",
        ),
    ]


def _sums(x: np.ndarray, spectrum: np.ndarray, N: Any) -> tuple[np.ndarray, np.ndarray]:
    """g(x) and 1 + g'(x)/g(x)^2."""
    inverse = 1.0 / (x[..., None] - spectrum[..., :-1])
    zeros = N - spectrum.shape[-1]
    g = (inverse.sum(axis=-1) + zeros / x) / (N - 1.0)
    minus_slope = (np.square(inverse).sum(axis=-1) + zeros / np.square(x)) / (N - 1.0)
    return g, 1.0 - minus_slope / np.square(g)


def moved_eigenvalue(spectrum: Any, N: Any, t: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """lambda_1, lambda_1' and D, with D = 0 and the edge of the batch's bulk for lambda_1' where there is no outlier.

    Parameters
    ----------
    spectrum : float64[..., min(P, N)]
        Nonzero eigenvalues of the full-batch matrix, ascending.
    N
        Samples in the data set.
    t
        Part of them in a batch.

    Returns
    -------
    float64[...], float64[...], float64[...]
    """
    spectrum, N, t = np.asarray(spectrum), np.asarray(N), np.asarray(t)
    top = spectrum[..., -1]

    def slope(x: np.ndarray) -> np.ndarray:
        return np.asarray(t + (1.0 - t) * _sums(x, spectrum, N)[1])

    # Where the map x -> x - (1 - t)/g(x) decreases at lambda_1 its minimum beyond is the edge; there D = 0.
    low, high = top.copy(), 2.0 * top
    hidden = slope(top) <= 0
    while np.any(hidden & (slope(high) < 0)):
        high = np.where(hidden & (slope(high) < 0), 2.0 * high, high)
    for _ in range(60 if np.any(hidden) else 0):
        middle = 0.5 * (low + high)
        falling = slope(middle) < 0
        low, high = np.where(falling, middle, low), np.where(falling, high, middle)
    at = np.where(hidden, high, top)
    moved = (at - (1.0 - t) / _sums(at, spectrum, N)[0]) / t
    return top, moved, np.where(hidden, 0.0, slope(top))


def _shift(*, spectrum: Any, N: Any, t: Any) -> tuple[np.ndarray, np.ndarray]:
    top, moved, _ = moved_eigenvalue(spectrum, N, t)
    return moved - top, ROUNDING * np.abs(moved)


def _overlap(*, spectrum: Any, N: Any, t: Any) -> tuple[np.ndarray, np.ndarray]:
    top, moved, slope = moved_eigenvalue(spectrum, N, t)
    value = slope * top / (t * moved)
    return value, ROUNDING * np.abs(value)


_CONVENTIONS = {
    **population.CONVENTIONS,
    "g": "(1/(N-1)) sum over the N - 1 other eigenvalues of the N x N Gram matrix, its zeros included",
}
_DERIVATION = Derivation("free compression (Nica and Speicher 1996)", _steps)
CONDITIONAL_SHIFT = Numerical(
    function=_shift,
    formula=r"\frac{1}{t}\left(\lambda_1 - \frac{1-t}{g(\lambda_1)}\right) - \lambda_1",
    space=Space([SPECTRUM, DATA, FRACTION]),
    quantity="largest eigenvalue, batch minus full data set",
    conventions=_CONVENTIONS,
    derivation=_DERIVATION,
)
CONDITIONAL_OVERLAP = Numerical(
    function=_overlap,
    formula=r"\left(1 + (1-t) \frac{g'(\lambda_1)}{g(\lambda_1)^2}\right) \frac{\lambda_1}{t \lambda_1'}",
    space=Space([SPECTRUM, DATA, FRACTION]),
    quantity="squared overlap of batch and full-data eigenvectors",
    conventions=_CONVENTIONS,
    derivation=_DERIVATION,
)

# Absolute error of the distribution function, generously.
CDF_ERROR = 1e-11
LOAD = Parameter("rho", Interval(0, 1, open_low=True), "parameters per sample of the data set, P/N")
LEVEL = Parameter("level", Interval(0, open_low=True), "the larger half of the eigenvalues of G; the others are 1")
X = Parameter("x", Interval(0), "eigenvalue", default=1.0)


def _two_levels(*, x: Any, rho: Any, t: Any, level: Any) -> tuple[np.ndarray, np.ndarray]:
    x, *settings = np.broadcast_arrays(x, rho, t, level)
    out, sets = np.empty(x.shape), np.stack(settings, axis=-1)
    for load, part, place in np.unique(sets.reshape(-1, 3), axis=0):
        at = (sets == (load, part, place)).all(axis=-1)
        gram = BatchLaw([0.0, 1.0, place], part, [1.0 - load, load / 2.0, load / 2.0])
        # B eigenvalues of the batch's Gram matrix and P of G_batch: the same but for zeros.
        out[at] = 1.0 - part / load * (1.0 - gram.cdf(x[at]))
    return out, np.full(out.shape, CDF_ERROR)


CONDITIONAL_CDF = Numerical(
    function=_two_levels,
    formula=r"G_{\mathrm{batch}}(z) = g(\omega),\ z = \frac{1}{t} \left(\omega - \frac{1-t}{g(\omega)}\right)",
    space=Space([X, LOAD, FRACTION, LEVEL]),
    quantity="P(eigenvalue of a batch <= x), half of those of G at 1 and half at `level`",
    conventions=_CONVENTIONS,
    derivation=_DERIVATION,
)
