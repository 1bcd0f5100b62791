r"""A spike in a Gaussian matrix: when its largest eigenvalue leaves the bulk, and what that still tells of the spike.

Model
    M = theta u u^* + W, P x P, |u| = 1, W Gaussian with off-diagonal entries of variance s^2/P (of the modulus) and
    diagonal entries of variance 2 s^2/(beta P); beta = 1 real, 2 complex, 4 quaternion. theta > 0; a negative spike is
    the mirror image, at the smallest eigenvalue. Spikes of different strength in orthogonal directions act alone.
Result
    With x = theta/s, as P -> infinity,
    x > 1: lambda_1 -> theta + s^2/theta and |<v_1, u>|^2 -> 1 - s^2/theta^2;
           sqrt(P) (lambda_1 - limit) -> normal of variance (2/beta) s^2 (1 - s^2/theta^2);
           E lambda_1 = limit + (s/P) ((2/beta - 1)/(x (x^2 - 1)) - 1/x) + O(P^-2),
           real matrices: (s/P) (2 - x^2)/(x (x^2 - 1)); its derivative in theta is the correction of the overlap;
    x < 1: P^(2/3) (lambda_1/s - 2) -> Tracy-Widom law, as without the spike, which moves lambda_1 by (s/P) x/(1 - x)
           only, as x/(1 - x) more rows would, and P E |<v_1, u>|^2 -> 1/(1 - x)^2;
    x = 1: P^(2/3) (lambda_1/s - 2) has the law F_1(y)^2 for complex, F_1(2^(2/3) y) for quaternion matrices; the
           transition has width P^(-1/3).
Assumptions
    Gaussian entries: fluctuations and corrections of order 1/P depend on the law of the entries and on u.
Source
    Peche, PTRF 134 (2006) 127, and Baik, Ben Arous and Peche, Ann. Probab. 33 (2005) 1643, for complex matrices;
    Capitaine, Donati-Martin and Feral, Ann. Probab. 37 (2009) 1, arXiv:0706.0136, for limits and fluctuations;
    Benaych-Georges and Nadakuditi, arXiv:0910.2120, for the overlap; Bloemendal and Virag, PTRF 156 (2013) 795,
    arXiv:1011.1877, for the tridiagonal form and the critical laws. The terms of order 1/P are our own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp
from scipy import special

from theorylab.derivation import Derivation, Step
from theorylab.derivations.random_matrix import tracy_widom as laws
from theorylab.parameters import Constraint, Integers, Interval, Parameter, Space
from theorylab.prediction import ClosedForm, Numerical

POSITIVE = Interval(0, open_low=True)
THETA = Parameter("theta", POSITIVE, "strength of the spike", default=2.0)
S = Parameter("s", POSITIVE, "sqrt(P) times the standard deviation off the diagonal", default=1.0)
BETA = Parameter("beta", Integers(1), "1 real, 2 complex, 4 quaternion entries", default=1)
SIZE = Parameter("P", Integers(2), "size of the matrix")
SECOND = Parameter("second", POSITIVE, "strength of a second, weaker spike")
X = Parameter("x", Interval(), "standardised eigenvalue", default=0.0)
theta, s, beta, P, second, x = (q.symbol for q in (THETA, S, BETA, SIZE, SECOND, X))
CONVENTIONS = {
    "W": "variance s^2/P off the diagonal, 2 s^2/(beta P) on it; bulk edge at 2 s",
    "overlap": "squared modulus of the inner product of unit vectors",
}
SOURCE = "Capitaine, Donati-Martin and Feral (2009), Theorems 2.1 and 2.2; Benaych-Georges and Nadakuditi (2011)"
ABOVE = Constraint(theta > s, "below this the spike leaves no outlier: the largest eigenvalue is at the bulk edge 2 s")
BELOW = Constraint(theta < s, "above this the spike leaves an outlier, which is not at the bulk edge")
KNOWN = Constraint(sp.Or(sp.Eq(beta, 1), sp.Eq(beta, 2), sp.Eq(beta, 4)), "beta = 1, 2 or 4")
# Relative error of the Tracy-Widom laws, which twice enters a square; that of the normal law to the same size.
ERROR = 1e-11

u = 2 / beta
outlier = theta + s**2 / theta
overlap = 1 - s**2 / theta**2
variance = u * s**2 * (1 - s**2 / theta**2)
shift = (u - 1) * s**4 / (theta * (theta**2 - s**2)) - s**2 / theta
overlap_shift = s**2 / theta**2 - (u - 1) * s**4 * (3 * theta**2 - s**2) / (theta**2 * (theta**2 - s**2) ** 2)
push = s * theta / (s - theta)
hidden_overlap = s**2 / (s - theta) ** 2


def _outlier_steps() -> list[Step]:
    z, g = sp.symbols("z g", positive=True)
    a, b, d = sp.symbols("a b d", real=True)
    noise, spike = sp.Matrix([[a, b], [b, d]]), sp.Matrix([[theta, 0], [0, 0]])
    free = z * sp.eye(2) - noise
    inverse = s**2 * g + 1 / g
    return [
        Step(
            "determinant",
            (free - spike).det(),
            free.det() * (1 - theta * free.inv()[0, 0]),
            "det(z - W - theta u u^*) = det(z - W) (1 - theta u^* (z - W)^-1 u) (shown for P = 2): 1 = theta G(z)",
        ),
        Step(
            "inverse of G",
            s**2 * g**2 - inverse * g + 1,
            sp.S.Zero,
            "s^2 G^2 - z G + 1 = 0 of the semicircle law, solved for z",
        ),
        Step("outlier", inverse.subs(g, 1 / theta), outlier, "G = 1/theta"),
        Step(
            "overlap",
            -1 / (theta**2 / inverse.diff(g).subs(g, 1 / theta)),
            overlap,
            "u^* (z - M)^-1 u = G/(1 - theta G) has the residue -1/(theta^2 G') at the outlier, and G' = 1/z'(G)",
        ),
        Step("overlap is a slope", sp.Derivative(outlier, theta), overlap, "d lambda_1/d theta = |<v_1, u>|^2, always"),
        Step("threshold", overlap.subs(theta, s), sp.S.Zero, "z(g) turns at g = 1/s: no other root outside the bulk"),
        Step("there it is at the edge", outlier.subs(theta, s), 2 * s, "continuity with the bulk"),
    ]


def _noise_steps() -> list[Step]:
    G = sp.Function("G")
    z, first, v = sp.symbols("z g_1 v", positive=True)
    g, slope, bend = sp.symbols("G_0 G_1 G_2")
    at_outlier = {g: 1 / theta, slope: -1 / (theta**2 - s**2)}
    noise = u * s**2 * (1 - s**2 * slope)
    loop = s**2 * (g + first / P) ** 2 - z * (g + first / P) + 1 - (u - 1) * s**2 / P * slope
    order = sp.expand(loop).coeff(P, -1)
    correction = (u - 1) * s**2 * slope / (2 * s**2 * g - z)
    spread = noise / (1 - s**2 * slope) ** 2
    drift = s**2 * (-g + s**2 * g * slope + correction)
    implicit = (v * G(z) ** 2 - z * G(z) + 1).diff(z)
    derived = sp.solve(implicit, G(z).diff(z))[0].subs({G(z): g, v: s**2})
    return [
        Step(
            "slope of G",
            derived.subs({z: outlier, g: 1 / theta}),
            -1 / (theta**2 - s**2),
            "differentiate s^2 G^2 - z G + 1 = 0 at the outlier",
            where={theta: (3.2, 6)},
        ),
        Step(
            "variance",
            spread.subs(at_outlier),
            variance,
            "lambda = theta + W_11 + w^* R(lambda) w with R the resolvent of the other rows: the noise has P times "
            "variance u s^2 (W_11) and -u s^4 G' (w^* R w), and lambda responds by 1/(1 - s^2 G')",
        ),
        Step(
            "loop equation",
            order.subs(first, correction),
            sp.S.Zero,
            "integration by parts, E W_ij f(W): z G - 1 = s^2 G^2 - (u - 1) (s^2/P) G' + O(P^-2), solved to order 1/P",
        ),
        Step(
            "second order of the noise",
            s**2 * bend / 2 * spread + (noise.diff(slope) * bend / 2) / (1 - s**2 * slope),
            sp.S.Zero,
            "curvature of s^2 G times the variance of lambda, and covariance of noise and its slope, which is half "
            "the derivative of the noise's variance: they cancel",
        ),
        Step(
            "mean",
            (drift / (1 - s**2 * slope)).subs({**at_outlier, z: outlier}),
            shift,
            "what remains is E w^* R w = (s^2/P) E tr R for P - 1 rows of variance s^2/P: "
            "P G - G - s^2 dG/d(s^2) with dG/d(s^2) = -G G', and the correction of G",
            where={theta: (3.2, 6)},
        ),
        Step(
            "mean, real matrices",
            shift.subs(beta, 1),
            s**2 * (2 * s**2 - theta**2) / (theta * (theta**2 - s**2)),
            "u = 2",
        ),
        Step("overlap", sp.Derivative(shift, theta), overlap_shift, "|<v_1, u>|^2 = d lambda_1/d theta"),
    ]


def _hidden_steps() -> list[Step]:
    k = sp.Symbol("k", positive=True)
    t = theta / s

    def profile(row: Any) -> Any:
        return 1 + (1 - t) * row

    wall = -1 / (1 - t)
    return [
        Step("edge profile", 2 * profile(k), profile(k - 1) + profile(k + 1), "rows of the tridiagonal form at 2 s"),
        Step("first row", 2 * profile(0), t * profile(0) + profile(1), "the spike is in the first diagonal entry"),
        Step("wall", profile(wall), sp.S.Zero, "the profile vanishes at row -1/(1 - x), at -1 without a spike"),
        Step(
            "rows",
            sp.Limit(P * (2 * sp.sqrt((P + (-1 - wall)) / P) - 2), P, sp.oo).subs({theta: 1, s: 3}),
            (push / s).subs({theta: 1, s: 3}),
            "rows before the first carry on the matrix: the edge is that of x/(1 - x) more rows (shown at x = 1/3)",
        ),
        Step("rows, any spike", s * (-1 - wall), push, "the edge of P + a rows is at 2 s + s a/P"),
        Step("overlap", sp.Derivative(push, theta), hidden_overlap, "|<v_1, u>|^2 = d lambda_1/d theta"),
    ]


def _excess(theta: Any, s: Any) -> Any:
    """theta^2 - s^2 to all digits."""
    return (theta - s) * (theta + s)


def _overlap_numeric(*, theta: Any, s: Any) -> np.ndarray:
    return np.asarray(_excess(theta, s) / theta**2)


def _variance_numeric(*, theta: Any, s: Any, beta: Any) -> np.ndarray:
    return np.asarray(2.0 / beta * s**2 * _excess(theta, s) / theta**2)


def _shift_numeric(*, theta: Any, s: Any, beta: Any) -> np.ndarray:
    root = np.sqrt(2.0 / beta) * s
    return np.asarray(s**2 * (root - theta) * (root + theta) / (theta * _excess(theta, s)))


def _overlap_shift_numeric(*, theta: Any, s: Any, beta: Any) -> np.ndarray:
    d = (s / theta) ** 2
    gap = _excess(theta, s) / theta**2
    return np.asarray(d * (1.0 - (2.0 / beta - 1.0) * d * (3.0 - d) / gap**2))


LIMITS = Derivation(SOURCE, _outlier_steps)
NOISE = Derivation("Capitaine, Donati-Martin and Feral (2009), Theorem 2.2, for the variance", _noise_steps)
HIDDEN = Derivation("after Bloemendal and Virag (2013)", _hidden_steps)
_EDGE = ({"theta": 1.0 + 1e-9, "s": 1.0}, {"theta": 0.1 + 1e-13, "s": 0.1}, {"theta": 1e8, "s": 1.0})
_HIDDEN_EDGE = ({"theta": 1.0 - 1e-9}, {"theta": 1e-12})
OUTLIER = ClosedForm(
    expr=outlier,
    space=Space([THETA, S], [ABOVE]),
    quantity="largest eigenvalue",
    conventions=CONVENTIONS,
    derivation=LIMITS,
    corners=_EDGE,
)
OVERLAP = ClosedForm(
    expr=overlap,
    numeric=_overlap_numeric,
    space=Space([THETA, S], [ABOVE]),
    quantity="squared overlap with the spike",
    conventions=CONVENTIONS,
    derivation=LIMITS,
    corners=_EDGE,
)
THRESHOLD = ClosedForm(expr=s, space=Space([S]), quantity="critical spike", conventions=CONVENTIONS, derivation=LIMITS)
VARIANCE = ClosedForm(
    expr=variance,
    numeric=_variance_numeric,
    space=Space([THETA, S, BETA], [ABOVE]),
    quantity="P times the variance of the largest eigenvalue",
    conventions=CONVENTIONS,
    derivation=NOISE,
    corners=_EDGE,
)
SHIFT = ClosedForm(
    expr=shift,
    numeric=_shift_numeric,
    space=Space([THETA, S, BETA], [ABOVE]),
    quantity="P times (E lambda_1 - limit)",
    conventions=CONVENTIONS,
    derivation=NOISE,
    corners=_EDGE,
)
OVERLAP_SHIFT = ClosedForm(
    expr=overlap_shift,
    numeric=_overlap_shift_numeric,
    space=Space([THETA, S, BETA], [ABOVE]),
    quantity="P times (E overlap - limit)",
    conventions=CONVENTIONS,
    derivation=NOISE,
    corners=_EDGE,
)
PUSH = ClosedForm(
    expr=push,
    space=Space([THETA, S], [BELOW]),
    quantity="P times the largest eigenvalue, with the spike minus without",
    conventions=CONVENTIONS,
    derivation=HIDDEN,
    corners=_HIDDEN_EDGE,
)
HIDDEN_OVERLAP = ClosedForm(
    expr=hidden_overlap,
    space=Space([THETA, S], [BELOW]),
    quantity="P times the squared overlap with the spike",
    conventions=CONVENTIONS,
    derivation=HIDDEN,
    corners=_HIDDEN_EDGE,
)
EXPONENT = ClosedForm(
    expr=-sp.Rational(1, 2),
    space=Space([THETA, S, BETA], [ABOVE]),
    quantity="exponent of the fluctuations of lambda_1 in P",
    conventions=CONVENTIONS,
    derivation=NOISE,
)


def _normal(*, x: Any, theta: Any, s: Any, beta: Any) -> tuple[np.ndarray, np.ndarray]:
    value = special.ndtr(x / np.sqrt(_variance_numeric(theta=theta, s=s, beta=beta)))
    return value, np.full_like(value, ERROR)


def _hidden_law(*, x: Any, theta: Any, s: Any, beta: Any) -> tuple[np.ndarray, np.ndarray]:
    x, beta = np.broadcast_arrays(x + 0.0 * theta * s, beta)
    out = np.empty(x.shape)
    for index in np.unique(beta):
        out[beta == index] = laws.TracyWidom(int(index)).cdf(x[beta == index])
    return out, ERROR * np.abs(out) + np.finfo(float).tiny


def _critical_law(*, x: Any, beta: Any) -> tuple[np.ndarray, np.ndarray]:
    # Quaternion matrices have a unit of their own.
    value = laws.TracyWidom(1).cdf(x * np.where(beta == 4, 2.0 ** (2.0 / 3.0), 1.0)) ** np.where(beta == 2, 2, 1)
    return value, ERROR * np.abs(value) + np.finfo(float).tiny


FLUCTUATIONS = Numerical(
    function=_normal,
    space=Space([X, THETA, S, BETA], [ABOVE]),
    quantity="P(sqrt(P) (lambda_1 - limit) <= x)",
    conventions=CONVENTIONS,
    derivation=NOISE,
    formula=r"\Phi(x/\sigma),\ \sigma^2 = \frac{2}{\beta} s^2 (1 - s^2/\theta^2)",
)
HIDDEN_CDF = Numerical(
    function=_hidden_law,
    space=Space([X, THETA, S, BETA], [BELOW, KNOWN]),
    quantity="P(P^(2/3) (lambda_1/s - 2) <= x) below the transition",
    conventions=CONVENTIONS,
    derivation=HIDDEN,
    formula=r"F_\beta(x)",
)
CRITICAL_CDF = Numerical(
    function=_critical_law,
    space=Space(
        [X, BETA],
        [Constraint(sp.Or(sp.Eq(beta, 2), sp.Eq(beta, 4)), "beta = 2 or 4: of real matrices no closed form is known")],
    ),
    quantity="P(P^(2/3) (lambda_1/s - 2) <= x) at the transition",
    conventions=CONVENTIONS,
    derivation=HIDDEN,
    formula=r"F_1(x)^2 \text{ for } \beta = 2,\ F_1(2^{2/3} x) \text{ for } \beta = 4",
)


def _each(formula: ClosedForm, *, theta: Any, second: Any, s: Any) -> tuple[np.ndarray, np.ndarray]:
    pair = [np.asarray(formula(theta=strength, s=s)) for strength in (theta, second)]
    value = np.stack(np.broadcast_arrays(*pair), axis=-1)
    return value, formula.rtol * np.abs(value)


_PAIR = Space(
    [THETA, SECOND, S],
    [Constraint(theta > second, "the second spike is the weaker one"), Constraint(second > s, ABOVE.why)],
)
OUTLIERS = Numerical(
    function=lambda **at: _each(OUTLIER, **at),
    space=_PAIR,
    quantity="the two largest eigenvalues",
    conventions=CONVENTIONS,
    derivation=LIMITS,
    formula=r"\theta_k + s^2/\theta_k",
)
OVERLAPS = Numerical(
    function=lambda **at: _each(OVERLAP, **at),
    space=_PAIR,
    quantity="squared overlaps of the two leading eigenvectors with their spikes",
    conventions=CONVENTIONS,
    derivation=LIMITS,
    formula=r"1 - s^2/\theta_k^2",
)
