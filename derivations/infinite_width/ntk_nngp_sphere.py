r"""Eigenvalues of wide-network kernels on the sphere.

Model
    A kernel f(x.x') on the unit sphere of R^d with its uniform probability measure. Bias-free ReLU networks with
    C_W = 2: S <- kappa_1(S), Theta <- kappa_1(S) + Theta kappa_0(S), D times, from S = Theta = t.
Result
    mu_k = Gamma(d/2)/(sqrt(pi) Gamma((d-1)/2)) int f(t) P_k(t) (1 - t^2)^((d-3)/2) dt (Funk-Hecke), with multiplicity
    N(d, k) = (2k + d - 2)/k binom(k + d - 3, d - 2). For f = (1 - t)^alpha, exactly,
    mu_k = Gamma(d/2)/sqrt(pi) (-alpha)_k 2^(alpha + d - 2) Gamma(alpha + (d-1)/2)/Gamma(alpha + k + d - 1),
    which falls like k^-(2 alpha + d - 1); the tangent kernel of ReLU^s has alpha = s - 1/2. A singularity
    c_+ (1 - t)^alpha + c_- (1 + t)^alpha multiplies that by c_+ + (-1)^k c_-. The tangent kernel of depth D has
    alpha = 1/2, c_+ = -(sqrt 2/pi) D (D + 1)/2 and c_- = -(sqrt 2/pi) prod_{j<D} kappa_0(S_j), S_1 = 0,
    S_(j+1) = kappa_1(S_j), so that mu_k k^d -> 2^(d-2) Gamma(d/2)^2/pi^2 [D (D + 1)/2 + (-1)^k prod].
Source
    Bach, JMLR 18 (2017) 1, arXiv:1412.8690v2, appendix D; Bietti and Mairal, arXiv:1905.12173v2, Propositions 5 and 6;
    Bietti and Bach, arXiv:2009.14397v2, Theorem 1 and Corollary 3. On the circle, d = 2, P_k = cos(k theta).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp
from scipy import special

from theorylab.derivation import Derivation, Step
from theorylab.derivations.infinite_width.dual_quadrature import panels
from theorylab.derivations.infinite_width.half_angle import arc_cosine
from theorylab.parameters import Choices, Constraint, Integers, Interval, Parameter, Space
from theorylab.prediction import ClosedForm, Numerical, PredictionError

DIMENSION = Parameter("d", Integers(2, 40), "dimension: the sphere is that of R^d")
DEGREE = Parameter("k", Integers(0, 2000), "degree of the spherical harmonics")
POWER = Parameter("alpha", Interval(-0.9, 20.0), "power of 1 - t, not an integer >= 0")
DEPTH = Parameter("D", Integers(1, 12), "hidden layers")
PARITY = Parameter("parity", Integers(0, 1), "0 for even k, 1 for odd k")
KERNEL = Parameter(
    "kernel",
    Choices(("heaviside", "relu", "ntk", "ntk_squared", "exponential")),
    "kappa_0, NNGP and tangent kernel of D hidden layers, the latter of one layer of ReLU^2, exp(t - 1)",
)
d, k, alpha, D, parity = (q.symbol for q in (DIMENSION, DEGREE, POWER, DEPTH, PARITY))

CONVENTIONS = {
    "measure": "eigenvalues with respect to the uniform probability measure on the sphere",
    "kernel": "normalised: kappa_0(1) = kappa_1(1) = 1, Theta(1) = D + 1",
}
mellin = (
    sp.gamma(d / 2)
    / sp.sqrt(sp.pi)
    * sp.rf(-alpha, k)
    * 2 ** (alpha + d - 2)
    * sp.gamma(alpha + (d - 1) / 2)
    / sp.gamma(alpha + k + d - 1)
)
mellin_constant = (
    sp.gamma(d / 2) * 2 ** (alpha + d - 2) * sp.gamma(alpha + (d - 1) / 2) / (sp.sqrt(sp.pi) * sp.gamma(-alpha))
)


def kernel_values(name: str, layers: int, theta: np.ndarray) -> np.ndarray:
    """The kernel at angles between inputs."""
    p, q = 2 * np.sin(theta / 2) ** 2, 2 * np.cos(theta / 2) ** 2
    if name == "exponential":
        return np.asarray(np.exp(-p))
    if name == "heaviside":
        return arc_cosine(0, p, q)[0] / np.pi
    if name == "ntk_squared":
        return np.asarray((arc_cosine(2, p, q)[0] + 4 * (1 - p) * arc_cosine(1, p, q)[0]) / (2 * np.pi))
    tangent = 1 - p
    for _ in range(layers):
        value, lost = (v / np.pi for v in arc_cosine(1, p, q))
        tangent = value + tangent * arc_cosine(0, p, q)[0] / np.pi
        p, q = lost, 1 + value
    return np.asarray(tangent if name == "ntk" else value)


def eigenvalues(function: Callable[[np.ndarray], np.ndarray], dimension: int, degree: int) -> tuple[float, float]:
    """mu_k of f(cos(theta)) and its numerical error, integrated in the angle at two resolutions."""
    found = []
    for factor in (1.0, 1.37):
        # Panels of 16 nodes, none longer than a wave of P_k, and shorter where sin^(d-2) is steep.
        theta, weights = panels(0.0, np.pi, np.pi / (factor * (12 + 0.4 * degree)), ())
        integrand = function(theta) * gegenbauer(dimension, degree, np.cos(theta)) * np.sin(theta) ** (dimension - 2)
        found.append(float(weights @ integrand) * _normalisation(dimension))
    # Rounding of terms that nearly cancel, and what the resolution changes.
    noise = 4e-16 * float(weights @ np.abs(integrand)) * _normalisation(dimension)
    return found[1], abs(found[1] - found[0]) + noise


def gegenbauer(dimension: int, degree: int, t: np.ndarray) -> np.ndarray:
    """P_k(t), normalised to 1 at t = 1."""
    before, value = np.ones_like(t), t
    if degree == 0:
        return before
    for j in range(1, degree):
        before, value = value, ((2 * j + dimension - 2) * t * value - j * before) / (j + dimension - 2)
    return value


def multiplicity(dimension: int, degree: int) -> float:
    """N(d, k)."""
    if degree == 0:
        return 1.0
    return float((2 * degree + dimension - 2) / degree * special.binom(degree + dimension - 3, dimension - 2))


def _normalisation(dimension: int) -> float:
    return float(np.exp(special.gammaln(dimension / 2) - special.gammaln((dimension - 1) / 2)) / np.sqrt(np.pi))


def _each(function: Callable[..., tuple[float, float]], *arrays: Any) -> tuple[np.ndarray, np.ndarray]:
    columns = np.broadcast_arrays(*arrays)
    found = np.array([function(*row) for row in zip(*(v.reshape(-1) for v in columns))], dtype=float)
    return found[:, 0].reshape(columns[0].shape), found[:, 1].reshape(columns[0].shape)


def _eigenvalue(d: Any, k: Any, kernel: Any, D: Any) -> tuple[np.ndarray, np.ndarray]:
    def one(dimension: float, degree: float, name: str, layers: float) -> tuple[float, float]:
        return eigenvalues(lambda angle: kernel_values(name, int(layers), angle), int(dimension), int(degree))

    return _each(one, d, k, kernel, D)


def _power_eigenvalue(d: Any, k: Any, alpha: Any) -> tuple[np.ndarray, np.ndarray]:
    def one(dimension: float, degree: float, power: float) -> tuple[float, float]:
        # sin(theta/2) is the root of what is raised: of half-integer powers the integrand is analytic.
        return eigenvalues(lambda angle: (2 * np.sin(angle / 2) ** 2) ** power, int(dimension), int(degree))

    return _each(one, d, k, alpha)


def _scaled_limit(d: Any, parity: Any, D: Any) -> tuple[np.ndarray, np.ndarray]:
    def one(dimension: float, odd: float, layers: float) -> tuple[float, float]:
        # (k + (d - 2)/2)^d mu_k has a series in 1/(k + (d - 2)/2)^2: extrapolated over three degrees, and over two.
        degrees = np.array([48, 96, 192]) + int(odd)
        shifted = degrees + (dimension - 2) / 2
        found = [
            eigenvalues(lambda angle: kernel_values("ntk", int(layers), angle), int(dimension), int(m)) for m in degrees
        ]
        values = np.array([v for v, _ in found]) * shifted**dimension
        noise = max(e * s**dimension for (_, e), s in zip(found, shifted))
        design = shifted[:, None] ** -np.array([0.0, 2.0, 4.0])
        best = float(np.linalg.solve(design, values)[0])
        lower = float(np.linalg.solve(design[1:, :2], values[1:])[0])
        return best, abs(best - lower) + 4 * noise

    return _each(one, d, parity, D)


def _slope(d: Any, kernel: Any) -> tuple[np.ndarray, np.ndarray]:
    def one(dimension: float, name: str) -> tuple[float, float]:
        # The parity that survives: odd degrees of kappa_0 and of ReLU^2, even ones of the rest.
        degrees = np.array([64, 128, 256]) + (name in ("heaviside", "ntk_squared"))
        shifted = degrees + (dimension - 2) / 2
        found = [eigenvalues(lambda angle: kernel_values(name, 1, angle), int(dimension), int(m)) for m in degrees]
        values = np.log([abs(v) for v, _ in found])
        if any(e > 0.1 * abs(v) for v, e in found):
            raise PredictionError(f"eigenvalues of {name} at d = {int(dimension)} are below rounding: take a smaller d")
        noise = max(e / abs(v) for v, e in found)
        slopes = -np.diff(values) / np.diff(np.log(shifted))
        # Slopes have a series in 1/k^2.
        return float((4 * slopes[1] - slopes[0]) / 3), float(abs(slopes[1] - slopes[0]) + 3 * noise)

    return _each(one, d, kernel)


def product_of_slopes(layers: int) -> float:
    """prod_{j<D} kappa_0(S_j) with S_1 = 0, S_(j+1) = kappa_1(S_j)."""
    similarity, out = 0.0, 1.0
    for _ in range(layers - 1):
        pair = 1 - similarity, 1 + similarity
        out *= float(arc_cosine(0, *pair)[0]) / np.pi
        similarity = float(arc_cosine(1, *pair)[0]) / np.pi
    return out


def constant(antipode: bool = True, summed: bool = True) -> Numerical:
    """The limit of mu_k k^d; without the singularity at t = -1, or with D for D (D + 1)/2, as mistakes have it."""

    def function(d: Any, parity: Any, D: Any) -> tuple[np.ndarray, np.ndarray]:
        def one(dimension: float, odd: float, layers: float) -> tuple[float, float]:
            scale = 2.0 ** (dimension - 2) * special.gamma(dimension / 2) ** 2 / np.pi**2
            near = layers * (layers + 1) / 2 if summed else layers
            far = (-1) ** odd * product_of_slopes(int(layers)) if antipode else 0.0
            return scale * (near + far), 1e-13 * scale * layers**2

        return _each(one, d, parity, D)

    return Numerical(
        function=function,
        space=Space([DIMENSION, PARITY, DEPTH]),
        quantity="limit of mu_k k^d of the tangent kernel",
        conventions=CONVENTIONS,
        derivation=_MELLIN,
        formula=r"\frac{2^{d-2} \Gamma(d/2)^2}{\pi^2} \Big[\frac{D (D + 1)}{2} + (-1)^k \prod_{j<D} \kappa_0(S_j)\Big]",
    )


def _trace(d: Any, kernel: Any) -> tuple[np.ndarray, np.ndarray]:
    def one(dimension: float, name: str) -> tuple[float, float]:
        found = [
            (multiplicity(int(dimension), m), *eigenvalues(lambda t: kernel_values(name, 1, t), int(dimension), m))
            for m in range(41)
        ]
        return sum(n * v for n, v, _ in found), sum(n * e for n, _, e in found)

    return _each(one, d, kernel)


def _steps() -> list[Step]:
    t, m = sp.Symbol("t", real=True), sp.Symbol("m", positive=True)
    power = sp.Symbol("beta", positive=True)
    steps = []
    for degree in (1, 2, 3):
        weight = (1 - t**2) ** (degree + (d - 3) / 2)
        rodrigues = (
            sp.Rational(-1, 2) ** degree
            * sp.gamma((d - 1) / 2)
            / sp.gamma(degree + (d - 1) / 2)
            * (1 - t**2) ** ((3 - d) / 2)
            * sp.diff(weight, t, degree)
        )
        ordinary = sp.gegenbauer(degree, (d - 2) / 2, t) / sp.gegenbauer(degree, (d - 2) / 2, 1)
        steps.append(
            Step(
                f"Rodrigues, degree {degree}",
                rodrigues,
                ordinary,
                "P_k (1 - t^2)^((d-3)/2) is a k-th derivative: integrate by parts k times",
                where={t: (-0.8, 0.8), d: (3, 8)},
                method="50 digits",
            )
        )
        steps.append(
            Step(
                f"derivative of the kernel, degree {degree}",
                (-1) ** degree * sp.diff((1 - t) ** alpha, t, degree),
                (-1) ** degree * sp.rf(-alpha, degree) * (1 - t) ** (alpha - degree),
                "each derivative brings a factor",
                where={t: (-0.8, 0.8), alpha: (0.1, 3)},
            )
        )
    beta = 2 ** (alpha + m + d - 2) * sp.gamma(alpha + (d - 1) / 2) * sp.gamma(m + (d - 1) / 2)
    steps += [
        Step(
            "Beta integral",
            sp.Integral((1 - t) ** (alpha + (d - 3) / 2) * (1 + t) ** (m + (d - 3) / 2), (t, -1, 1)),
            beta / sp.gamma(alpha + m + d - 1),
            "(1 - t)^(alpha - k) (1 - t^2)^(k + (d-3)/2), with t = 2 s - 1",
            where={alpha: [1, 2], m: [2, 3], d: [3, 5, 7]},
            method="50 digits",
        ),
        Step(
            "together",
            sp.gamma(d / 2)
            / (sp.sqrt(sp.pi) * sp.gamma((d - 1) / 2))
            * 2 ** (-k)
            * sp.gamma((d - 1) / 2)
            / sp.gamma(k + (d - 1) / 2)
            * sp.rf(-alpha, k)
            * beta.subs(m, k)
            / sp.gamma(alpha + k + d - 1),
            mellin,
            "normalisation, Rodrigues, k derivatives with (-1)^k (-1)^k, and the integral",
            where={alpha: (0.1, 3), k: (1, 6), d: (3, 8)},
            method="50 digits",
        ),
        Step(
            "rising factorial",
            sp.rf(-power, k),
            sp.gamma(k - power) / sp.gamma(-power),
            "so that mu_k is a ratio of Gamma functions of k, which falls like k^-(2 alpha + d - 1)",
            where={power: [sp.Rational(1, 3), sp.Rational(5, 2)]},
            method="50 digits",
        ),
        Step(
            "trace, for t^2",
            1 / d + (d + 2) * (d - 1) / 2 * (d * 3 / (d * (d + 2)) - 1 / d) / (d - 1),
            sp.S.One,
            "mu_0 = E t^2 = 1/d; N(d, 2) mu_2 with P_2 = (d t^2 - 1)/(d - 1), E t^4 = 3/(d (d + 2)): they sum to f(1)",
        ),
        Step(
            "kappa_0 near coincidence",
            sp.Limit((1 - (sp.pi - sp.acos(1 - power**2)) / sp.pi) / power, power, 0, "+"),
            sp.sqrt(2) / sp.pi,
            "kappa_0 = 1 - (sqrt 2/pi)(1 - t)^(1/2) + ..., power = (1 - t)^(1/2)",
        ),
        Step(
            "the constant of a square root",
            (-sp.sqrt(2) / sp.pi * mellin_constant).subs(alpha, sp.S.Half),
            2 ** (d - 2) * sp.gamma(d / 2) ** 2 / sp.pi**2,
            "alpha = 1/2, Gamma(-1/2) = -2 sqrt(pi)",
        ),
        Step(
            "depth at coincidence",
            sp.Sum(k, (k, 1, D)),
            D * (D + 1) / 2,
            "layer j multiplies Theta_(j-1)(1) = j by kappa_0's singularity: S_j = 1 + ... stays at 1 with slope 1",
        ),
    ]
    return steps


_MELLIN = Derivation("Bach (2017), appendix D", _steps)
MELLIN = ClosedForm(
    expr=mellin,
    numeric=lambda d, k, alpha: _mellin_numeric(d, k, alpha),
    space=Space(
        [DIMENSION, DEGREE, POWER],
        [
            Constraint(sp.Or(alpha < 0, sp.Ne(alpha, sp.floor(alpha))), "a polynomial has finitely many eigenvalues"),
            Constraint(alpha + (d - 1) / 2 > 0, "the kernel is not integrable"),
        ],
    ),
    quantity="eigenvalue of (1 - t)^alpha",
    conventions=CONVENTIONS,
    derivation=_MELLIN,
    corners=({"d": 3, "k": 400, "alpha": 0.5}, {"d": 6, "k": 60, "alpha": 1.5}, {"d": 3, "k": 0, "alpha": -0.5}),
)


def _mellin_numeric(d: Any, k: Any, alpha: Any) -> np.ndarray:
    # (-alpha)_k/(alpha + d - 1)_k as a product of k ratios: logarithms of Gamma functions would lose digits.
    columns = np.broadcast_arrays(d, k, alpha)
    out = np.empty(columns[0].shape)
    for index in np.ndindex(out.shape):
        dimension, degree, power = (float(v[index]) for v in columns)
        j = np.arange(int(degree))
        ratio = np.prod((j - power) / (power + dimension - 1 + j))
        out[index] = (
            ratio
            * special.gamma(dimension / 2)
            / np.sqrt(np.pi)
            * 2 ** (power + dimension - 2)
            * special.gamma(power + (dimension - 1) / 2)
            / special.gamma(power + dimension - 1)
        )
    return out


POWER_EIGENVALUE = Numerical(
    function=_power_eigenvalue, space=MELLIN.space, quantity="eigenvalue of (1 - t)^alpha", conventions=CONVENTIONS
)
EIGENVALUE = Numerical(
    function=_eigenvalue,
    space=Space([DIMENSION, DEGREE, KERNEL, DEPTH]),
    quantity="eigenvalue on the sphere",
    conventions=CONVENTIONS,
    derivation=_MELLIN,
)
SCALED_LIMIT = Numerical(
    function=_scaled_limit,
    space=Space([DIMENSION, PARITY, DEPTH]),
    quantity="limit of mu_k k^d of the tangent kernel",
    conventions=CONVENTIONS,
)
DEPTH_CONSTANT = constant()


def _exponent(d: Any, kernel: Any) -> tuple[np.ndarray, np.ndarray]:
    value = np.asarray(d + 2.0 * np.isin(kernel, ("relu", "ntk_squared")))
    return value, np.zeros_like(value)


def _ones(d: Any, kernel: Any) -> tuple[np.ndarray, np.ndarray]:
    shape = np.broadcast_shapes(np.shape(d), np.shape(kernel))
    return np.ones(shape), np.zeros(shape)


EXPONENT = Numerical(
    function=_exponent,
    space=Space([DIMENSION, KERNEL]),
    quantity="exponent of the eigenvalues",
    conventions=CONVENTIONS,
    derivation=_MELLIN,
    formula="2 \\alpha + d - 1",
)
VALUE_AT_ONE = Numerical(
    function=_ones,
    space=Space([DIMENSION, KERNEL]),
    quantity="f(1)",
    conventions=CONVENTIONS,
    derivation=_MELLIN,
    formula="f(1)",
)
SLOPE = Numerical(
    function=_slope, space=Space([DIMENSION, KERNEL]), quantity="exponent of the eigenvalues", conventions=CONVENTIONS
)
TRACE = Numerical(
    function=_trace,
    space=Space([DIMENSION, KERNEL]),
    quantity="sum of N(d, k) mu_k up to k = 40",
    conventions=CONVENTIONS,
)
