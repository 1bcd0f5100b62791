r"""Curvature of a batch under additive noise: outliers, edges and eigenvectors against the batch size.

Model
    N sample Hessians h_n of size P with mean H; H_batch is the mean of B of them drawn without replacement. The noise
    H_batch - H is a Gaussian matrix, variance sigma_eps^2 of the entries of one sample (twice that on the diagonal).
    H has outliers lambda_1 > 0 > lambda_P and a bulk of law mu; in the simplest form the bulk is at zero.
Result
    For any h_n: E ||H_batch - H||_F^2 = S2/b, 1/b = 1/B - 1/N, S2 = (1/(N-1)) sum_n ||h_n - H||_F^2, which is
    P (P + 1) sigma_eps^2 for Gaussian noise. With s^2 = P sigma_eps^2/b, as P, B, N -> infinity in proportion,
    bulk at zero: lambda_1' = lambda_1 + s^2/lambda_1 and overlap 1 - s^2/lambda_1^2 iff lambda_1 > s, else the edge 2 s
    and overlap 0; the outlier is lost below b_c = P sigma_eps^2/lambda_1^2, B_c = N b_c/(N + b_c), at 2 lambda_1;
    any bulk: lambda_1' = lambda_1 + s^2 int dmu/(lambda_1 - x), overlap 1 - s^2 int dmu/(lambda_1 - x)^2 while this is
    positive; bulk of the batch: mu plus a semicircle (`subordination.DeformedSemicircle`). Negative outliers mirror.
Assumptions
    Noise that is Gaussian with independent entries: what networks have is larger along the outliers' eigenvectors.
Source
    Granziol, Zohren and Roberts, JMLR 23 (2022), arXiv:2006.09092v6; Pastur, Theor. Math. Phys. 10 (1972) 67, for the
    bulk; Capitaine, Donati-Martin, Feral and Fevrier, EJP 16 (2011) 1750, arXiv:1006.3684, for outliers of a deformed
    semicircle. The form given an observed spectrum is that with the empirical law of the others for mu.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.derivations.random_matrix.subordination import DeformedSemicircle
from theorylab.parameters import Constraint, Integers, Interval, Observed, Parameter, Space
from theorylab.prediction import ClosedForm, Numerical

POSITIVE = Interval(0, open_low=True)
DIM = Parameter("P", Integers(1), "number of parameters")
BATCH = Parameter("B", Integers(1), "batch size")
DATA = Parameter("N", Integers(2), "samples in the data set")
RATIO = Parameter("r", POSITIVE, "parameters per batch sample, P/B")
FRACTION = Parameter("t", Interval(0, 1, open_low=True, open_high=True), "part of the data set in a batch, B/N")
TOP_SPIKE = Parameter("lam1", POSITIVE, "largest eigenvalue of H", default=1.5)
DEPTH = Parameter("depth", POSITIVE, "size of the smallest eigenvalue of H, -lambda_P", default=1.2)
NOISE = Parameter("sigma_eps", POSITIVE, "standard deviation of an entry of one sample's Hessian", default=1.0)
WIDTH = Parameter("a", POSITIVE, "half-width of the bulk of H, about zero", default=1.0)
SPREAD = Parameter("S2", Observed("(1/(N-1)) sum_n ||h_n - H||_F^2 of the data set"), "spread of the sample Hessians")
SPECTRUM = Parameter("spectrum", Observed("all P eigenvalues of H, ascending"), "spectrum of H")
X = Parameter("x", Interval(), "eigenvalue", default=0.0)
P, B, N, r, t, lam1, depth, sigma_eps, a = (
    q.symbol for q in (DIM, BATCH, DATA, RATIO, FRACTION, TOP_SPIKE, DEPTH, NOISE, WIDTH)
)
S2 = sp.Symbol("S2", positive=True)
CONVENTIONS = {
    "H": "Hessian of the loss as it is, no 1/2",
    "sigma_eps": "off the diagonal, of ONE sample's Hessian; twice the variance on the diagonal",
    "b": "B/(1 - B/N): 1/b = 1/B - 1/N, batches without replacement",
    "s": "sigma_eps sqrt(P/b), half the radius of the noise's semicircle",
    "overlap": "squared inner product of unit eigenvectors of batch and full Hessian",
}
SOURCE = "Granziol, Zohren and Roberts (2022), arXiv:2006.09092v6"

square = r * (1 - t) * sigma_eps**2
s = sp.sqrt(square)
outlier = lam1 + square / lam1
overlap = 1 - square / lam1**2
critical_b = P * sigma_eps**2 / lam1**2
critical_batch = N * critical_b / (N + critical_b)
uniform_shift = square * sp.atanh(a / lam1) / a
uniform_overlap = 1 - square / (lam1**2 - a**2)
two_level_rotation = square * (lam1**2 + a**2) / (lam1**2 - a**2) ** 2
turn = sp.sqrt(a**2 + square)
uniform_edge = turn + square * sp.asinh(a / s) / a
SEEN = Constraint(lam1**2 > square, "below this the batch hides the outlier: its largest eigenvalue is the edge 2 s")
SEEN_UNIFORM = Constraint(lam1**2 > a**2 + square, "below this the batch hides the outlier in its bulk")


def _sampling_steps() -> list[Step]:
    one, two = B / N, B * (B - 1) / (N * (N - 1))
    many = {N: (6, 12), B: (2, 5)}
    return [
        Step(
            "one sample",
            sp.binomial(N - 1, B - 1) / sp.binomial(N, B),
            one,
            "part of all batches that hold a given sample",
            where=many,
        ),
        Step(
            "two samples", sp.binomial(N - 2, B - 2) / sp.binomial(N, B), two, "that hold two given samples", where=many
        ),
        Step(
            "covariance",
            two - one**2,
            -one * (1 - one) / (N - 1),
            "of the indicators of two samples: negative, as the size is fixed",
        ),
        Step(
            "without replacement",
            (N - 1) * S2 / B**2 * (one - two),
            S2 * (1 / B - 1 / N),
            "deviations d_n = h_n - H sum to zero, so that sum_{n != m} <d_n, d_m> = -sum ||d_n||^2 = -(N - 1) S2",
        ),
        Step("b", (1 / B - 1 / N).subs(B, N), sp.S.Zero, "a batch of the whole data set has no noise"),
        Step("large data sets", sp.Limit(1 / (1 / B - 1 / N), N, sp.oo), B, "b -> B"),
    ]


def _replacement_steps() -> list[Step]:
    return [
        Step(
            "with replacement",
            B * ((N - 1) * S2 / N) / B**2,
            (N - 1) / N * S2 / B,
            "B independent draws, each of variance (1/N) sum_n ||d_n||^2",
        )
    ]


def _noise_steps() -> list[Step]:
    v = sp.Symbol("v", positive=True)
    return [
        Step(
            "squared norm",
            P * 2 * v + P * (P - 1) * v,
            P * (P + 1) * v,
            "P diagonal entries of variance 2 v and P (P - 1) others of variance v",
        ),
        Step(
            "noise of a sample",
            (P * (P + 1) * v).subs(v, sigma_eps**2) / (P * (P + 1)),
            sigma_eps**2,
            "S2 is an unbiased estimate of the variance of one sample's Hessian",
        ),
        Step("radius", P * sigma_eps**2 * (1 / B - 1 / N), square.subs({r: P / B, t: B / N}), "s^2 = P sigma_eps^2/b"),
    ]


def _outlier_steps() -> list[Step]:
    z, g, k, c, e, x = sp.symbols("z g k c e x", positive=True)
    omega = sp.Symbol("omega", positive=True)
    matrix = sp.Matrix([[k + c, e], [e, g]])
    integral = sp.Integral(1 / (2 * a * (lam1 - x)), (x, -a, a))
    outside = {a: (0.1, 0.9), lam1: (1.0, 3.0)}
    place = omega + square * sp.Function("G")(omega)
    return [
        Step(
            "leave one row out",
            (z * sp.eye(2) - matrix).det() / (z - g),
            z - k - c - e**2 / (z - g),
            "the resolvent's entry of a row of H with eigenvalue k is 1/(z - k - E_kk - E_k. (z - rest)^-1 E_.k); the "
            "last term tends to s^2 G(z), so that G(z) = int dmu/(z - s^2 G - x): Pastur's equation",
        ),
        Step(
            "outlier",
            place.subs(omega, lam1) - square * sp.Function("G")(lam1),
            lam1,
            "its row has a pole where z - s^2 G(z) = lambda_1, and there G(z) = int dmu/(lambda_1 - x)",
        ),
        Step(
            "overlap",
            sp.Derivative(omega + square / omega, omega).doit().subs(omega, lam1),
            overlap,
            "the residue of 1/(omega(z) - lambda_1) is dz/domega: for a bulk at zero",
        ),
        Step("bulk at zero", (omega + square / omega).subs(omega, lam1), outlier, "G = 1/lambda_1"),
        Step("at the threshold", outlier.subs(lam1, s), 2 * s, "lambda_1 = s: the outlier meets the edge of the noise"),
        Step(
            "critical batch",
            (P * sigma_eps**2 * (1 / critical_batch - 1 / N)) / lam1**2,
            sp.S.One,
            "lambda_1 = s at 1/B_c = 1/b_c + 1/N",
        ),
        Step(
            "uniform bulk",
            integral,
            sp.atanh(a / lam1) / a,
            "mean of 1/(lambda_1 - x) over [-a, a]",
            where=outside,
            method="50 digits",
        ),
        Step(
            "overlap over a uniform bulk",
            1 - square / (2 * a) * (1 / (lam1 - a) - 1 / (lam1 + a)),
            uniform_overlap,
            "mean of 1/(lambda_1 - x)^2",
        ),
        Step(
            "two levels",
            square / 2 * (1 / (lam1 - a) ** 2 + 1 / (lam1 + a) ** 2),
            two_level_rotation,
            "the same mean over two levels -a and a",
        ),
        Step("threshold over a uniform bulk", uniform_overlap.subs(lam1, turn), sp.S.Zero, "lambda_1^2 = a^2 + s^2"),
        Step(
            "edge over a uniform bulk",
            (lam1 + uniform_shift).subs(lam1, turn),
            uniform_edge,
            "where dz/domega = 0; artanh(a/sqrt(a^2 + s^2)) = arsinh(a/s)",
            method="50 digits",
            where={t: (0.1, 0.9)},
        ),
        Step("narrow bulk", sp.Limit(sp.atanh(a / lam1) / a, a, 0), 1 / lam1, "back to a bulk at zero"),
    ]


def _small_steps() -> list[Step]:
    b = sp.Symbol("b", positive=True)
    edge = 2 * sigma_eps * sp.sqrt(P / b)
    return [
        Step("edge", (2 * s).subs({r: P / B, t: B / N}) ** 2, 4 * P * sigma_eps**2 * (1 / B - 1 / N), "2 s, squared"),
        Step("exponent", (b * edge.diff(b)) / edge, -sp.Rational(1, 2), "below b_c the edge rules: b^(-1/2)"),
    ]


# Absolute error of a distribution function and relative error of a sum, generously.
ROUNDING = 1e-12
SAMPLING = Derivation("sampling from a finite population", _sampling_steps)
REPLACEMENT = Derivation("independent draws", _replacement_steps)
GAUSSIAN = Derivation(SOURCE, _noise_steps)
OUTLIERS = Derivation("Capitaine, Donati-Martin, Feral and Fevrier (2011); Pastur (1972)", _outlier_steps)
SMALL = Derivation(SOURCE, _small_steps)
_NOISY = [RATIO, FRACTION, NOISE]
_CORNERS = ({"r": 1e-12, "t": 0.5}, {"r": 1e9, "t": 1 - 1e-12}, {"r": 4.0, "t": 0.5}, {"r": 1e9, "t": 1e-9})


def _overlap_numeric(*, r: Any, t: Any, lam1: Any, sigma_eps: Any) -> np.ndarray:
    x = sigma_eps / lam1 * np.sqrt(r * (1.0 - t))
    return np.asarray(np.where(x < 1.0, (1.0 - x) * (1.0 + x), 0.0))


def _closed(expr: sp.Expr, parameters: list[Parameter], quantity: str, **more: Any) -> ClosedForm:
    constraints = more.pop("constraints", [])
    more.setdefault("derivation", OUTLIERS)
    return ClosedForm(
        expr=expr, space=Space(parameters, constraints), quantity=quantity, conventions=CONVENTIONS, **more
    )


TOP = _closed(
    sp.Piecewise((outlier, lam1**2 > square), (2 * s, True)),
    [TOP_SPIKE, *_NOISY],
    "largest eigenvalue of the batch",
    corners=_CORNERS,
)
SHIFT = _closed(
    square / lam1,
    [TOP_SPIKE, *_NOISY],
    "largest eigenvalue, batch minus full",
    constraints=[SEEN],
    corners=_CORNERS[:1],
)
BOTTOM_SHIFT = _closed(
    -square / depth,
    [DEPTH, *_NOISY],
    "smallest eigenvalue, batch minus full",
    constraints=[Constraint(depth**2 > square, "below this the batch hides the negative outlier")],
)
OVERLAP = _closed(
    sp.Piecewise((overlap, lam1**2 > square), (0, True)),
    [TOP_SPIKE, *_NOISY],
    "squared overlap of the top eigenvectors of batch and full Hessian",
    numeric=_overlap_numeric,
    corners=_CORNERS[:3],
)
EDGE = _closed(2 * s, [*_NOISY], "upper edge of a batch's bulk", corners=_CORNERS)
CRITICAL_B = _closed(critical_b, [DIM, TOP_SPIKE, NOISE], "effective batch size at which the outlier is lost")
CRITICAL_BATCH = _closed(critical_batch, [DIM, DATA, TOP_SPIKE, NOISE], "batch size at which the outlier is lost")
AT_CRITICAL = _closed(
    lam1 + P * sigma_eps**2 / critical_b / lam1,
    [DIM, TOP_SPIKE, NOISE],
    "largest eigenvalue of the batch at the critical size",
)
SMALL_BATCHES = _closed(
    -sp.Rational(1, 2), [TOP_SPIKE, NOISE], "exponent of the largest eigenvalue in b, far below b_c", derivation=SMALL
)
NOISE_VARIANCE = _closed(sigma_eps**2, [NOISE], "variance of an entry of one sample's Hessian", derivation=GAUSSIAN)
_UNIFORM = [TOP_SPIKE, WIDTH, *_NOISY]
UNIFORM_SHIFT = _closed(
    uniform_shift, _UNIFORM, "largest eigenvalue, batch minus full, uniform bulk", constraints=[SEEN_UNIFORM]
)
FLAT_SHIFT = _closed(
    square / lam1, _UNIFORM, "largest eigenvalue, batch minus full, bulk at zero", constraints=[SEEN_UNIFORM]
)
TWO_LEVEL_ROTATION = _closed(
    two_level_rotation,
    _UNIFORM,
    "1 less the squared overlap, bulk of two levels -a and a",
    constraints=[
        Constraint(lam1 > a, "the outlier is above the bulk"),
        Constraint(two_level_rotation < 1, "below this the batch hides the outlier in its bulk"),
    ],
)
UNIFORM_EDGE = _closed(
    uniform_edge,
    [WIDTH, *_NOISY],
    "upper edge of a batch's bulk, uniform bulk",
    corners=({"a": 1e-9, "r": 1.0, "t": 0.5}, {"a": 1.0, "r": 1e-12, "t": 0.5}),
)


def _two_atoms(*, x: Any, a: Any, r: Any, t: Any, sigma_eps: Any) -> tuple[np.ndarray, np.ndarray]:
    x, *settings = np.broadcast_arrays(x, a, np.sqrt(r * (1.0 - t)) * sigma_eps)
    out = np.empty(x.shape)
    pairs = np.stack(settings, axis=-1)
    for half, scale in np.unique(pairs.reshape(-1, 2), axis=0):
        at = (pairs == (half, scale)).all(axis=-1)
        out[at] = DeformedSemicircle([-half, half], scale).cdf(x[at])
    return out, np.full(out.shape, ROUNDING)


def _distance(factor: Any) -> Any:
    def value(*, S2: Any, B: Any, N: Any) -> tuple[np.ndarray, np.ndarray]:
        mean = np.asarray(S2 * factor(B, N))
        return mean, ROUNDING * mean

    return value


def _conditional(
    function: Any, formula: str, quantity: str, parameters: list[Parameter], derivation: Derivation, **more: Any
) -> Numerical:
    return Numerical(
        function=function,
        formula=formula,
        space=Space(parameters, **more),
        quantity=quantity,
        conventions=CONVENTIONS,
        derivation=derivation,
    )


_SAMPLES = [SPREAD, BATCH, DATA]
DISTANCE = _conditional(
    _distance(lambda B, N: (N - B) / (B * N)),
    r"S_2 \left(\frac{1}{B} - \frac{1}{N}\right)",
    "E ||H_batch - H||_F^2",
    _SAMPLES,
    SAMPLING,
    constraints=[Constraint(N >= B, "a batch without replacement is part of the data set")],
)
DISTANCE_WITH_REPLACEMENT = _conditional(
    _distance(lambda B, N: (N - 1) / (N * B)),
    r"\frac{N - 1}{N} \frac{S_2}{B}",
    "E ||H_batch - H||_F^2",
    _SAMPLES,
    REPLACEMENT,
)


def _given(spectrum: Any, r: Any, t: Any, sigma_eps: Any) -> tuple[np.ndarray, np.ndarray]:
    """s^2 (1/P) sum_j 1/(lambda_1 - lambda_j) and s^2 (1/P) sum_j 1/(lambda_1 - lambda_j)^2, j > 1."""
    spectrum = np.asarray(spectrum)
    gaps = 1.0 / (spectrum[..., -1:] - spectrum[..., :-1])
    variance = np.asarray(r * (1.0 - t) * sigma_eps**2) / spectrum.shape[-1]
    return variance * gaps.sum(axis=-1), variance * np.square(gaps).sum(axis=-1)


def _given_shift(*, spectrum: Any, r: Any, t: Any, sigma_eps: Any) -> tuple[np.ndarray, np.ndarray]:
    value = _given(spectrum, r, t, sigma_eps)[0]
    return value, ROUNDING * np.abs(value)


def _given_rotation(*, spectrum: Any, r: Any, t: Any, sigma_eps: Any) -> tuple[np.ndarray, np.ndarray]:
    value = _given(spectrum, r, t, sigma_eps)[1]
    return value, ROUNDING * value


TWO_ATOM_CDF = _conditional(
    _two_atoms,
    r"\tfrac12(\delta_{-a} + \delta_a) \boxplus \text{semicircle of radius } 2 s",
    "P(eigenvalue of a batch <= x), bulk of two levels -a and a",
    [X, WIDTH, *_NOISY],
    OUTLIERS,
)
_OBSERVED = [SPECTRUM, *_NOISY]
GIVEN_SHIFT = _conditional(
    _given_shift,
    r"\frac{s^2}{P} \sum_{j > 1} \frac{1}{\lambda_1 - \lambda_j}",
    "largest eigenvalue, batch minus full",
    _OBSERVED,
    OUTLIERS,
)
GIVEN_ROTATION = _conditional(
    _given_rotation,
    r"\frac{s^2}{P} \sum_{j > 1} \frac{1}{(\lambda_1 - \lambda_j)^2}",
    "1 less the squared overlap of the top eigenvectors of batch and full Hessian",
    _OBSERVED,
    OUTLIERS,
)
