"""Steps of `rmt_bbp_wishart`, with the symbols that both use."""

from __future__ import annotations

import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.derivations.random_matrix.rmt_generalized_mp_steps import (
    POPULATION,
    PROBABILITIES,
    RATIO,
    TWO,
    T,
    c,
    mean,
    place,
    two,
)
from theorylab.parameters import Interval, Parameter

__all__ = ["POPULATION", "PROBABILITIES", "RATIO", "T", "c", "mean"]

POSITIVE = Interval(0, open_low=True)
ELL = Parameter("ell", POSITIVE, "population eigenvalue of the spike", default=3.0)
SIGMA = Parameter("sigma", POSITIVE, "standard deviation in every other direction", default=1.0)
THETA = Parameter("theta", POSITIVE, "strength of the spike", default=2.0)
ell, sigma, theta = (q.symbol for q in (ELL, SIGMA, THETA))

outlier = ell * (1 + c * sigma**2 / (ell - sigma**2))
slope = 1 - c * sigma**4 / (ell - sigma**2) ** 2
overlap = slope / (1 + c * sigma**2 / (ell - sigma**2))
singular = (1 + theta**2) * (c + theta**2) / theta**2
left = (theta**4 - c) / (theta**2 * (theta**2 + c))
right = (theta**4 - c) / (theta**2 * (theta**2 + 1))
w, z = sp.symbols("omega z", positive=True)
# z(omega) of a bulk sigma^2 alone.
_white = w + c * sigma**2 + c * sigma**4 / (w - sigma**2)


def _bulk_steps() -> list[Step]:
    a, b, d, f, alpha = sp.symbols("a b d f alpha", positive=True)
    v = sp.Symbol("v", negative=True)
    first, rest = sp.Matrix([[a, b]]), sp.Matrix([[d, f]])
    samples = sp.Integer(2)
    direct = (first * first.T)[0] / samples + ((first * rest.T)[0] / samples) ** 2 / (z - (rest * rest.T)[0] / samples)
    pushed = z * (first * (z * sp.eye(2) - rest.T * rest / samples).inv() * first.T)[0] / samples
    inverse = -1 / v + c * two(t / (1 + t * v) for t in T[:2])
    psi = alpha + c * alpha * two(t / (alpha - t) for t in T[:2])
    return [
        Step(
            "eliminate the other directions",
            direct,
            pushed,
            "Schur complement: z is an eigenvalue iff 1 = (1/n) x_e^T (z - K)^-1 x_e, x_e the samples along the spike, "
            "K the n x n Gram matrix of the other directions (shown for p = n = 2)",
        ),
        Step(
            "outlier",
            inverse.subs(v, -1 / alpha),
            psi,
            "x_e is independent of K and has variance alpha: 1 = -alpha v(z), v the companion transform of the bulk",
            where={**TWO, alpha: (6, 9)},
        ),
        Step(
            "in omega",
            place(alpha),
            psi,
            "v = -1/omega: the spike stands at omega = alpha",
            where={**TWO, alpha: (6, 9)},
        ),
        Step(
            "overlap",
            -1 / (alpha * z) / (-(1 / w**2) / sp.Symbol("zp", positive=True)).subs(w, alpha),
            alpha * sp.Symbol("zp", positive=True) / z,
            "e^T (z - S)^-1 e = 1/(z (1 - alpha G)), G = -v = 1/omega, has the residue -1/(alpha z G') at the outlier, "
            "and G' = -1/(omega^2 z')",
        ),
        Step(
            "slope",
            psi.diff(alpha),
            1 - c * two(t**2 / (alpha - t) ** 2 for t in T[:2]),
            "an outlier exists where z(omega) increases: elsewhere omega = alpha is not the transform of a point",
        ),
    ]


def _covariance_steps() -> list[Step]:
    one = {T[0]: sigma**2, T[1]: sigma**2}
    return [
        Step("equal variances", place(w).subs(one), _white, "H = delta at sigma^2"),
        Step("outlier", _white.subs(w, ell), outlier, "omega = ell"),
        Step("slope", _white.diff(w).subs(w, ell), slope, "an outlier where it is positive"),
        Step("overlap", ell * slope / outlier, overlap, "ell z'(ell)/z(ell)"),
        Step("threshold above", slope.subs(ell, sigma**2 * (1 + sp.sqrt(c))), sp.S.Zero, "ell = sigma^2 (1 + sqrt c)"),
        Step("threshold below", slope.subs(ell, sigma**2 * (1 - sp.sqrt(c))), sp.S.Zero, "ell = sigma^2 (1 - sqrt c)"),
        Step(
            "at the threshold it is at the edge",
            outlier.subs(ell, sigma**2 * (1 + sp.sqrt(c))),
            sigma**2 * (1 + sp.sqrt(c)) ** 2,
            "continuity with the bulk",
        ),
    ]


def _noise_steps() -> list[Step]:
    rise = sp.Symbol("zp", positive=True)
    companion = sp.Function("omega")(z)
    return [
        Step(
            "slope of the companion",
            (1 / companion).diff(z).subs(companion.diff(z), 1 / rise).subs(companion, ell),
            -1 / (ell**2 * rise),
            "G = 1/omega, d omega/dz = 1/z'",
        ),
        Step(
            "response",
            2 / (ell**2 * slope) * (ell**2 * slope) ** 2,
            2 * ell**2 * slope,
            "z solves 1/ell = q(z) = (1/n) xi^T (z - K)^-1 xi, xi standard normal: n Var q = (2/n) tr (z - K)^-2 "
            "= -2 G', and z moves by the deviation of q over -G' = 1/(ell^2 z')",
        ),
        Step("many samples", sp.Limit(2 * ell**2 * slope, c, 0, "+"), 2 * ell**2, "the variance of ell chi^2_n/n"),
    ]


def _hidden_steps() -> list[Step]:
    e, a = sp.symbols("epsilon a", positive=True)
    start = sigma**2 * (1 + sp.sqrt(c))
    shift = start**2 * (1 / (start - ell) - 1 / (start - sigma**2))
    distance = sp.Symbol("d", positive=True)
    return [
        Step(
            "what a spike adds",
            sp.diff(sp.log((w - ell) / (w - sigma**2)), w),
            1 / (w - ell) - 1 / (w - sigma**2),
            "int log(z - x) dmu has a term (1/n) log((omega - t)/omega) for each eigenvalue of the population: one of "
            "them moves from sigma^2 to ell",
        ),
        Step(
            "as a shift of the edge",
            (e / (2 * w**2 * sp.sqrt(a))).subs(e, w**2 * (1 / (w - ell) - 1 / (w - sigma**2))),
            (1 / (w - ell) - 1 / (w - sigma**2)) / (2 * sp.sqrt(a)),
            "beside the edge z - z_e = a (omega - omega_e)^2: the coefficients of (z - z_e)^(-1/2)/n of the two, as in "
            "`rmt_generalized_mp`",
        ),
        Step(
            "overlap",
            (ell / start**2 * sigma**2 * shift.diff(ell)).subs(ell, start - distance),
            ((start - distance) * sigma**2 / distance**2),
            "d lambda/d log ell = lambda times the overlap, always; at the edge lambda = omega_e^2/sigma^2",
        ),
        Step(
            "no spike",
            (ell * sigma**2 / (start - ell) ** 2).subs(ell, sigma**2),
            1 / c,
            "overlap 1/(n c) = 1/p, that of a random direction",
        ),
    ]


def _rectangular_steps() -> list[Step]:
    a, g, h = sp.symbols("a g h", positive=True)
    white = _white.subs(sigma, 1)
    there = 1 + theta**2
    # (z - X X^T)^-1 and (z - X^T X)^-1 of a diagonal 1 x 1 X = a, u = v = 1.
    noise = sp.sqrt(z)
    linear = sp.Matrix([[noise, -(a + theta)], [-(a + theta), noise]])
    bare = sp.Matrix([[noise, -a], [-a, noise]])
    resolvent = bare.inv()
    condition = (1 - theta * resolvent[0, 1]) ** 2 - theta**2 * resolvent[0, 0] * resolvent[1, 1]
    slope = white.diff(w).subs(w, there)
    return [
        Step(
            "linearisation",
            linear.det() / bare.det(),
            condition,
            "singular values of Y are eigenvalues of [[0, Y], [Y^T, 0]]: 2 x 2 determinant (shown for p = n = 1). For "
            "large matrices u^T (.) v averages to 0, and 1 = theta^2 z G(z) G_c(z), G over R^p, G_c over R^n",
        ),
        Step(
            "in omega",
            (w / (w - 1)) * (1 / w),
            1 / (w - 1),
            "z G = omega/(omega - 1), G_c = 1/omega: omega = 1 + theta^2, as for a covariance with this spike",
        ),
        Step("square of the singular value", white.subs(w, there), singular, "z(1 + theta^2)"),
        Step("threshold", slope.subs(theta, c ** sp.Rational(1, 4)), sp.S.Zero, "z' = 1 - c/theta^4 = 0"),
        Step(
            "residue",
            g / (theta**2 * h).subs(h, 1 / (slope * theta**4)),
            g * theta**2 * slope,
            "u^T (z - Y Y^T)^-1 u = G/(1 - theta^2 D), D = 1/(omega - 1), -D' = 1/(z' theta^4)",
        ),
        Step("left", (there / (z * theta**2) * theta**2 * slope).subs(z, singular), left, "G = omega/(z (omega - 1))"),
        Step("right", (1 / there) * theta**2 * slope, right, "G_c = 1/omega in place of G"),
    ]


BULK = Derivation("Bai and Yao (2012)", _bulk_steps)
COVARIANCE = Derivation("Baik and Silverstein (2006), Theorem 1.1; Paul (2007)", _covariance_steps)
NOISE = Derivation("Paul (2007), Theorem 3", _noise_steps)
HIDDEN = Derivation("matching at the edge, as in `rmt_generalized_mp`", _hidden_steps)
RECTANGULAR = Derivation("Benaych-Georges and Nadakuditi (2012), section 3.1", _rectangular_steps)
