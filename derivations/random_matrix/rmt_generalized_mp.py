r"""Sample covariances of a general population: the laws of Marchenko and Pastur and of Silverstein.

Model
    S = Sigma^(1/2) X X^T Sigma^(1/2)/n, X p x n with independent entries of variance 1; the eigenvalues of Sigma have
    the law H, here three atoms (any H: `generalized_mp`); p, n -> infinity at c = p/n. Weighted samples:
    S = (1/n) sum_i a_i x_i x_i^T, weights a_i independent of x_i ~ (0, Sigma).
Result
    With z(omega) = omega + c int t dH + int c t^2 dH/(omega - t): the companion transform is v = -1/omega and
    m(z) = (v + (1 - c)/z)/c. At z = -lam, omega = -kappa: kappa = lam + c kappa int t dH/(t + kappa),
    m(-lam) = (1/lam) int kappa dH/(kappa + t). Edges are the critical values of z: int c t^2 dH/(omega - t)^2 = 1.
    For two atoms the bulk splits below c = (t2 - t1)^2/((w1 t1^2)^(1/3) + (w2 t2^2)^(1/3))^3. Moments <t>,
    <t^2> + c <t>^2, <t^3> + 3 c <t> <t^2> + c^2 <t>^3.
    Weighted: gamma = E[a/(1 + a delta)], delta = c int t dH/(gamma t + lam), m(-lam) = int dH/(gamma t + lam).
    Finite sizes, real Gaussian X: the exact moments; E tr (S + lam)^-1 - p m -> kappa'^2 int c t^2 dH/(kappa + t)^3,
    that is half the derivative of log dz/d omega; at an edge, with a = z''/2, b = z'''/6 and s = (omega^4 a)^(1/3),
    E lambda = z -+ 1.2065 s n^(-2/3) + (omega^2 b/(2 a))/n + O(n^(-4/3)). The term of order 1/n is our own: without
    it the next one would be of relative order n^(-1/3). For H = delta_1 it is the shift by 1/2 of p and n of Ma (2012).
Source
    Marchenko and Pastur, Math. USSR Sbornik 1 (1967) 457; Silverstein, J. Multivariate Anal. 55 (1995) 331; Silverstein
    and Choi, ibid. 54 (1995) 295; Bai and Silverstein, Ann. Probab. 32 (2004) 553, for the term of order 1/p; El
    Karoui, Ann. Probab. 35 (2007) 663, and Lee and Schnelli, Ann. Appl. Probab. 26 (2016) 3786, for the edge.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivations.random_matrix import rmt_generalized_mp_steps as steps
from theorylab.derivations.random_matrix.generalized_mp import GeneralizedMarchenkoPastur
from theorylab.derivations.random_matrix.rmt_generalized_mp_finite_steps import FINITE
from theorylab.derivations.random_matrix.rmt_generalized_mp_steps import (
    CONVENTIONS,
    POPULATION,
    SIZE,
    WEIGHTS,
    A,
    T,
    W,
    c,
    lam,
)
from theorylab.derivations.random_matrix.tracy_widom import TracyWidom
from theorylab.parameters import Constraint, Integers, Interval, Parameter, Space
from theorylab.prediction import ClosedForm, Implicit, Numerical

# Symbols and sums of `steps` that claims use, beside the predictions below.
__all__ = ["CONVENTIONS", "A", "T", "W", "c", "lam", "steps"]

RIDGE = Parameter("lam", Interval(0, open_low=True), "ridge: the resolvent is taken at -lam", default=0.3)
SAMPLES = Parameter("n", Integers(1), "samples")
ORDER = Parameter("k", Integers(1, 3), "order of the moment")
X = Parameter("x", Interval(), "point of the spectrum", default=1.0)
SCALED = Parameter("x", Interval(), "n^(2/3) times the largest eigenvalue", default=1.0)
k = ORDER.symbol
kappa, omega, delta = sp.symbols("kappa omega delta", real=True)
ERROR = 1e-11
_ONE = {"t1": 1.0, "t2": 1.0, "t3": 1.0}


def _population(**arrays: Any) -> tuple[list[Any], list[Any]]:
    values = [arrays[f"t{i}"] for i in (1, 2, 3)]
    return values, [arrays["w1"], arrays["w2"], 1.0 - arrays["w1"] - arrays["w2"]]


def _mean(masses: list[Any], values: list[Any]) -> Any:
    return sum(w * v for w, v in zip(masses, values))


def _ridge_equation(kappa: Any, *, c: Any, lam: Any, **population: Any) -> Any:
    # In the form in which nothing cancels: small kappa has 1 - c in a sum of its own.
    t, w = _population(**population)
    small = kappa * ((1.0 - c) + c * _mean(w, [kappa / (kappa + v) for v in t])) - lam
    large = kappa - lam - c * _mean(w, [v * (kappa / (kappa + v)) for v in t])
    return np.where(kappa < np.maximum.reduce(t), small, large)


def _ridge_bracket(*, c: Any, lam: Any, **population: Any) -> tuple[Any, Any]:
    t, w = _population(**population)
    return lam * (1.0 - 1e-9), (lam + c * _mean(w, t)) * (1.0 + 1e-9)


def _edge_equation(omega: Any, *, c: Any, **population: Any) -> Any:
    t, w = _population(**population)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        plain = 1.0 - c * _mean(w, [(v / (omega - v)) ** 2 for v in t])
        small = (1.0 - c) - c * _mean(w, [omega * (2.0 * v - omega) / (omega - v) ** 2 for v in t])
    return np.where(np.abs(omega) < np.minimum.reduce(t) / 2.0, small, plain)


def _edge_bracket(upper: bool, *, c: Any, **population: Any) -> tuple[Any, Any]:
    """Between the largest distance from the last atom and the least one, at which one term alone makes the sum 1."""
    t, w = _population(**population)
    sign, extreme = (1.0, np.maximum.reduce) if upper else (-1.0, np.minimum.reduce)
    seen = [np.where(m > 0.0, v, -sign * np.inf) for v, m in zip(t, w)]
    far = extreme(seen) + sign * np.sqrt(c * _mean(w, [v * v for v in t])) * (1.0 + 1e-7)
    near = extreme(
        [np.where(m > 0.0, v + sign * v * np.sqrt(c * m) * (1.0 - 1e-7), -sign * np.inf) for v, m in zip(t, w)]
    )
    return (near, far) if upper else (far, near)


def _weighted_bracket(*, c: Any, lam: Any, a1: Any, a2: Any, chance: Any, **population: Any) -> tuple[Any, Any]:
    t, w = _population(**population)
    most = (1.0 - chance) * a1 + chance * a2
    low = c * _mean(w, [v / (most * v + lam) for v in t])
    return low * (1.0 - 1e-9), c * _mean(w, t) / lam * (1.0 + 1e-9)


_SPACE = Space([steps.RATIO, *POPULATION], [steps.PROBABILITIES])
_WITH_RIDGE = Space([steps.RATIO, RIDGE, *POPULATION], [steps.PROBABILITIES])
_CORNERS = (
    {"c": 1.0, "lam": 1e-10},
    {"c": 1.0 + 1e-9, "lam": 1e-9},
    {"c": 1e-9, "lam": 1e-9},
    {"c": 1e6, "lam": 1e-6, "w1": 0.5, "w2": 0.5},
    {"c": 0.5, "lam": 0.3, "w1": 1.0, "w2": 0.0, "t2": 1e-6},
)
_RIDGE = {
    "equation": kappa - lam - c * kappa * steps.mean(t / (kappa + t) for t in T),
    "unknown": kappa,
    "bracket": _ridge_bracket,
    "numeric": _ridge_equation,
    "space": _WITH_RIDGE,
    "conventions": CONVENTIONS,
    "corners": _CORNERS,
}
RESOLVENT = Implicit(
    **_RIDGE,
    output=steps.mean(kappa / (kappa + t) for t in T) / lam,
    quantity="(1/p) tr (S + lam)^-1",
    derivation=steps.EQUATION,
)
COMPANION = Implicit(**_RIDGE, output=1 / kappa, quantity="companion resolvent", derivation=steps.EQUATION)
_slope = 1 - c * steps.mean(t**2 / (kappa + t) ** 2 for t in T)
correction = c * steps.mean(t**2 / (kappa + t) ** 3 for t in T) / _slope**2
CORRECTION = Implicit(
    **{**_RIDGE, "corners": _CORNERS[2:]},
    output=correction,
    quantity="E tr (S + lam)^-1 - p m(-lam)",
    derivation=FINITE,
)

_bend = c * steps.mean(t**2 / (omega - t) ** 3 for t in T)
_third = -c * steps.mean(t**2 / (omega - t) ** 4 for t in T)
_place = omega * ((1 - c) + c * steps.mean(omega / (omega - t) for t in T))
_width = sp.cbrt(omega**4 * sp.Abs(_bend))
_shift = omega**2 * _third / (2 * _bend)


def _edge(upper: bool, output: sp.Expr, quantity: str, derivation: Any = steps.EDGES) -> Implicit:
    return Implicit(
        equation=1 - c * steps.mean(t**2 / (omega - t) ** 2 for t in T),
        unknown=omega,
        bracket=lambda **at: _edge_bracket(upper, **at),
        numeric=_edge_equation,
        output=output,
        space=_SPACE,
        quantity=quantity,
        conventions=CONVENTIONS,
        derivation=derivation,
        corners=({"c": 1e-6, "w1": 0.2, "w2": 0.3}, {"c": 1e4, "w1": 1.0, "w2": 0.0}),
    )


UPPER_EDGE = _edge(True, _place, "upper edge")
LOWER_EDGE = _edge(False, _place, "lower edge")
WIDTHS = [_edge(upper, _width, "n^(2/3) times the scale of fluctuations", FINITE) for upper in (False, True)]
SHIFTS = [_edge(upper, _shift, "n times the shift of an edge", FINITE) for upper in (False, True)]


def finite_edge(which: int, *, c: Any, p: Any, **population: Any) -> tuple[Any, Any, Any]:
    """n^(2/3) times the centre of an edge at finite size, the scale, and n^(2/3)."""
    at, n = {"c": c, **population}, p / c
    power = n ** (2.0 / 3.0)
    centre = power * ((LOWER_EDGE, UPPER_EDGE)[which](**at) + SHIFTS[which](**at) / n)
    return centre, WIDTHS[which](**at), power


def _mean_extremes(**at: Any) -> tuple[np.ndarray, np.ndarray]:
    columns = []
    for which, sign in ((0, -1.0), (1, 1.0)):
        centre, width, power = finite_edge(which, **at)
        columns.append(power * np.log((centre + sign * TracyWidom(1).mean() * width) / power))
    value = np.stack(np.broadcast_arrays(*columns), axis=-1)
    return value, ERROR * (np.abs(value) + np.asarray(at["p"] / at["c"])[..., None])


MEAN_EXTREMES = Numerical(
    function=_mean_extremes,
    space=Space([steps.RATIO, SIZE, *POPULATION], [steps.PROBABILITIES]),
    quantity="n^(2/3) times the logarithm of the mean smallest and of the mean largest eigenvalue",
    conventions=CONVENTIONS,
    derivation=FINITE,
    formula=r"n^{2/3} \log(z \pm 1.2065\,(\omega^4 |z''|/2)^{1/3} n^{-2/3} + \tfrac{\omega^2 z'''}{6 z''} n^{-1})",
)


def _edge_law(*, x: Any, **at: Any) -> tuple[np.ndarray, np.ndarray]:
    centre, width, _ = finite_edge(1, **at)
    value = TracyWidom(1).cdf((x - centre) / width)
    return value, ERROR * np.abs(value) + 1e-12


EDGE_LAW = Numerical(
    function=_edge_law,
    space=Space([SCALED, steps.RATIO, SIZE, *POPULATION], [steps.PROBABILITIES]),
    quantity="P(n^(2/3) lambda_max <= x)",
    conventions=CONVENTIONS,
    derivation=FINITE,
    formula=r"F_1\left((x - n^{2/3} z_+ - \epsilon n^{-1/3})/s\right)",
)


def _by_population(law: Any, size: int | None = None) -> Any:
    """A function of the law object over arrays of parameters; `size` values each, or one for each x."""

    def function(**at: Any) -> tuple[np.ndarray, np.ndarray]:
        names = list(at)
        columns = np.broadcast_arrays(*at.values())
        flat = np.stack([column.ravel() for column in columns], axis=1)
        laws, place = np.unique(
            flat[:, [i for i, name in enumerate(names) if name != "x"]], axis=0, return_inverse=True
        )
        out = np.empty((len(flat),) if size is None else (len(flat), size))
        for i, row in enumerate(laws):
            values = dict(zip((name for name in names if name != "x"), row))
            which = place.ravel() == i
            made = GeneralizedMarchenkoPastur(values["c"], *_population(**values))
            out[which] = law(made, flat[which, names.index("x")] if "x" in at else None)
        shape = columns[0].shape if size is None else (*columns[0].shape, size)
        return out.reshape(shape), ERROR * np.abs(out.reshape(shape)) + 1e-13

    return function


CDF = Numerical(
    function=_by_population(lambda law, x: law.cdf(x)),
    space=Space([X, steps.RATIO, *POPULATION], [steps.PROBABILITIES]),
    quantity="spectral distribution function",
    conventions=CONVENTIONS,
    derivation=steps.EQUATION,
    formula=r"1 - \frac{1}{\pi c}\left(\arg\omega\,(1 - c) + c \int \arg(\omega - t)\,dH - x\,"
    r"\mathrm{Im}\,\omega/|\omega|^2\right)",
)
MOMENTS = Numerical(
    function=_by_population(lambda law, _: [law.expect(lambda x, j=j: x**j) for j in (1, 2, 3)], 3),
    space=_SPACE,
    quantity="first three moments of the law, by quadrature",
    conventions=CONVENTIONS,
    derivation=steps.MOMENTS,
    formula=r"\int x^k d\mu,\ k = 1, 2, 3",
)


def _closed_moments(**at: Any) -> tuple[np.ndarray, np.ndarray]:
    value = np.stack([np.asarray(LIMIT_MOMENT(k=order, **at)) for order in (1, 2, 3)], axis=-1)
    return value, 1e-12 * np.abs(value)


_TWO = [Constraint(sp.Eq(W[0] + W[1], 1), "two atoms, t1 and t2"), Constraint(T[0] < T[1], "t1 is the smaller atom")]
split = (T[1] - T[0]) ** 2 / (sp.cbrt(W[0] * T[0] ** 2) + sp.cbrt((1 - W[0]) * T[1] ** 2)) ** 3
SPLITTING = ClosedForm(
    expr=split,
    space=Space(
        [POPULATION[0], POPULATION[1], POPULATION[3]],
        [_TWO[1], Constraint((W[0] > 0) & (W[0] < 1), "both atoms have a mass")],
    ),
    quantity="aspect ratio at which the bulk splits",
    conventions=CONVENTIONS,
    derivation=steps.TWO_ATOMS,
)
_SPLIT = Space([steps.RATIO, *POPULATION], [*_TWO, Constraint(c < split, "above this the bulk is in one piece")])
EDGES = Numerical(
    function=_by_population(lambda law, _: np.ravel(law.intervals()), 4),
    space=_SPLIT,
    quantity="the four edges of a split bulk",
    conventions=CONVENTIONS,
    derivation=steps.TWO_ATOMS,
    formula=r"z(\omega_i),\ z'(\omega_i) = 0",
)


def _discriminant_edges(*, c: Any, t1: Any, t2: Any, t3: Any, w1: Any, w2: Any) -> tuple[np.ndarray, np.ndarray]:
    columns = np.broadcast_arrays(c, t1, t2, w1)
    coefficients = steps.discriminant_coefficients(*columns)
    rows = np.stack(np.broadcast_arrays(*coefficients), axis=-1).reshape(-1, 5)
    found = np.array([np.sort(np.roots(row).real) for row in rows]).reshape((*columns[0].shape, 4))
    return found, 1e-9 * np.abs(found)


DISCRIMINANT_EDGES = Numerical(
    function=_discriminant_edges,
    space=_SPLIT,
    quantity="roots of the discriminant",
    conventions=CONVENTIONS,
    derivation=steps.TWO_ATOMS,
    formula=r"\mathrm{disc}_\omega\,(\omega - t_1)(\omega - t_2)(z(\omega) - z) = 0",
)


def _by_order(formulas: dict[int, sp.Expr]) -> sp.Piecewise:
    return sp.Piecewise(*((formula, sp.Eq(k, order)) for order, formula in formulas.items()))


EXACT_MOMENT = ClosedForm(
    expr=_by_order(steps.exact_moments),
    space=Space([ORDER, SIZE, SAMPLES, *POPULATION], [steps.PROBABILITIES]),
    quantity="E (1/p) tr S^k",
    conventions=CONVENTIONS,
    derivation=steps.MOMENTS,
)
LIMIT_MOMENT = ClosedForm(
    expr=_by_order(steps.limit_moments),
    space=Space([ORDER, steps.RATIO, *POPULATION], [steps.PROBABILITIES]),
    quantity="limit of (1/p) tr S^k",
    conventions=CONVENTIONS,
    derivation=steps.MOMENTS,
)
CLOSED_MOMENTS = Numerical(
    function=_closed_moments,
    space=_SPACE,
    quantity="first three moments",
    conventions=CONVENTIONS,
    derivation=steps.MOMENTS,
    formula=r"\langle t\rangle,\ \langle t^2\rangle + c\langle t\rangle^2,\ \langle t^3\rangle + 3c\langle t\rangle"
    r"\langle t^2\rangle + c^2\langle t\rangle^3",
)
_gamma = (1 - A[2]) * A[0] / (1 + A[0] * delta) + A[2] * A[1] / (1 + A[1] * delta)
WEIGHTED = Implicit(
    equation=delta - c * steps.mean(t / (_gamma * t + lam) for t in T),
    unknown=delta,
    bracket=_weighted_bracket,
    output=steps.mean(1 / (_gamma * t + lam) for t in T),
    space=Space([steps.RATIO, RIDGE, *POPULATION, *WEIGHTS], [steps.PROBABILITIES]),
    quantity="(1/p) tr (S + lam)^-1 of weighted samples",
    conventions=CONVENTIONS,
    derivation=steps.WEIGHTED,
)
