r"""Gradient descent on the logistic loss with a large step is the batch perceptron.

Model
    Points a_i in R^d with labels y_i = +-1, b_i = y_i a_i, i = 1..n, separable by a hyperplane through the origin.
    f(theta) = (1/n) sum_i log(1 + exp(-b_i . theta)); gradient descent from theta_0 = 0 with step g,
    plain:       theta_{t+1} = theta_t + (g/n) sum_i b_i s_i,           s_i = sigmoid(-b_i . theta_t),
    normalised:  theta_{t+1} = theta_t + g sum_i b_i s_i / sum_i s_i.
    T is the smallest t at which b_i . theta_t > 0 for all i; R = max_i |b_i|, mu = max_{|v|=1} min_i b_i . v, which
    is the distance of 0 from the convex hull of the b_i.
Result
    As g -> infinity theta_t/g tends to the batch perceptron v_t, of weights sigmoid(-g u) -> 1[u < 0] + 1[u = 0]/2,
    and f(theta_t)/g to (1/n) sum_i max(0, -b_i . v_t). With m the least |b_i . v_s| for 1 <= s < t,
    |theta_t/g - v_t| <= 2 (t-1) R exp(-g m) whenever 2 g (t-1) R^2 exp(-g m) <= log 2.
    Iterations: plain T <= n R^2/mu^2, and sharper T <= (n+1)^2/(4n) R^2/mu^2; normalised T <= R^2/mu^2.
    n - 1 copies of (1, 0) and one point (-c, s): T = 2 + floor(X), X = (c (n-1-c) - s^2)/(2 (c^2 + s^2)), normalised
    X = (c (n-1-c) - s^2)/(n (c^2 + s^2)), as long as no copy is ever misclassified.
Source
    Tyurin, arXiv:2412.08424v1, for the limit and for the published bounds; Novikoff (1962) for the argument. The
    error bound, the factor (n+1)^2/(4n) and the family with one point apart are derived here.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.errors import DomainError
from theorylab.parameters import Choices, Constraint, Integers, Interval, Observed, Parameter, Space
from theorylab.prediction import ClosedForm, Numerical

POSITIVE = Interval(0, open_low=True)
POINTS = Parameter("n", Integers(2), "number of points")
MINORITY = Parameter("c", POSITIVE, "the one point apart is (-c, s), the others are (1, 0)", default=0.35)
ACROSS = Parameter("s", POSITIVE, "its coordinate across", default=0.21)
CONDITION = Parameter("kappa", Interval(1), "squared largest norm over squared margin, R^2/mu^2")
GAP = Parameter("x", POSITIVE, "step times least |b_i . v_s| before the last iteration, g m")
DATA = Parameter("b", Observed("n points times their labels, float[n, d]"), "points times labels")
TIME = Parameter("t", Integers(0), "iterations done")
ALGORITHM = Parameter(
    "algorithm", Choices(("plain", "normalised")), "gradient descent, or its normalised form", "plain"
)
STEP = Parameter("g", POSITIVE, "step size", default=1e9)
DIMENSION = Parameter("d", Integers(1), "dimension of the points")
SPREAD = Parameter("gap", Interval(0), "least coordinate of the points along the planted direction", default=0.05)
WIDTH = Parameter("width", POSITIVE, "standard deviation of the other coordinates", default=4.0)
RESOLUTION = Parameter("m", Integers(2), "inverse scale of the point apart: c = s is 1/m, to a tenth")
EPS = float(np.finfo(float).eps)

n, c, s, kappa, x = (p.symbol for p in (POINTS, MINORITY, ACROSS, CONDITION, GAP))
CONVENTIONS = {
    "loss": "mean over points, natural logarithm",
    "start": "theta_0 = 0, so that the first step weighs every point by 1/2",
    "T": "smallest t with b_i . theta_t > 0 for all i; updates made",
}

excess = (c * (n - 1 - c) - s**2) / (2 * (c**2 + s**2))
normalised_excess = 2 * excess / n
plain_bound = n * kappa
sharper_bound = (n + 1) ** 2 / (4 * n) * kappa


def _limit_steps() -> list[Step]:
    u, g = sp.symbols("u g", positive=True)
    weight, loss = 1 / (1 + sp.exp(g * u)), sp.log(1 + sp.exp(-g * u)) / g
    return [
        Step("well classified", sp.Limit(weight, g, sp.oo), sp.S.Zero, "sigmoid(-g u), u > 0"),
        Step("misclassified", sp.Limit(weight.subs(u, -u), g, sp.oo), sp.S.One, "sigmoid(g u), u > 0"),
        Step("tie", weight.subs(u, 0), sp.Rational(1, 2), "u = 0: always at theta_0 = 0"),
        Step("its loss", sp.Limit(loss, g, sp.oo), sp.S.Zero, "log(1 + exp(-g u))/g, u > 0"),
        Step(
            "loss of the misclassified",
            sp.log(1 + sp.exp(g * u)) / g,
            u + loss,
            "log(1 + e^z) = z + log(1 + e^-z): tends to u",
        ),
    ]


def _approach_steps() -> list[Step]:
    u, r, e, g = sp.symbols("u R e g", positive=True)
    grown = sp.exp(-g * (u - r * e))
    return [
        Step(
            "weight's error",
            1 / (1 + sp.exp(g * u)),
            sp.exp(-g * u) * (1 - 1 / (1 + sp.exp(g * u))),
            "so that |sigmoid(-z) - 1[z < 0]| <= exp(-|z|)",
        ),
        Step(
            "a step at distance e from the perceptron",
            grown.subs(e, sp.log(2) / (g * r)),
            2 * sp.exp(-g * u),
            "b_i . theta/g is off by R e at most, and g R e <= log 2 by hypothesis: each step adds at most "
            "2 R exp(-g m), and the first adds none",
        ),
    ]


def _novikoff_steps() -> list[Step]:
    k, big, t = sp.symbols("k S T", positive=True)
    worst = sp.Rational(1, 2) * (n + 1) * kappa
    return [
        Step(
            "weights between 1/n and 1",
            (n + 1) * k - n - k**2,
            (k - 1) * (n - k),
            "k_t = n times the sum of the weights at step t lies in [1, n] before T (n/2 at the first), so that "
            "k^2 <= (n+1) k - n; Novikoff: mu S/n <= |v_T| and |v_T|^2 <= R^2 sum (k_t/n)^2, S = sum k_t, whence "
            "S^2 <= kappa sum k_t^2 <= kappa ((n+1) S - n T)",
        ),
        Step(
            "most iterations at S",
            sp.solve(sp.Eq(big**2, kappa * ((n + 1) * big - n * t)), t)[0],
            ((n + 1) * big - big**2 / kappa) / n,
            "solved for T",
        ),
        Step(
            "the best S",
            sp.diff((n + 1) * big - big**2 / kappa, big).subs(big, worst),
            sp.S.Zero,
            "a parabola that opens downwards",
        ),
        Step(
            "its value",
            (((n + 1) * big - big**2 / kappa) / n).subs(big, worst),
            sharper_bound,
            "T is at most the parabola's top",
        ),
        Step(
            "the published bound is weaker",
            plain_bound - sharper_bound,
            kappa * (3 * n + 1) * (n - 1) / (4 * n),
            "k_t^2 <= n k_t alone gives T <= S <= n kappa",
        ),
    ]


def _normalised_steps() -> list[Step]:
    t = sp.Symbol("T", positive=True)
    mu, r = sp.symbols("mu R", positive=True)
    found = sp.solve(sp.Eq(mu * t, r * sp.sqrt(t)), t)
    return [
        Step(
            "Novikoff",
            found[0],
            (r / mu) ** 2,
            "weights sum to 1 at every step: mu T <= |v_T| <= R sqrt(T)",
        )
    ]


def _family_steps() -> list[Step]:
    k = sp.Symbol("k", nonnegative=True)
    apart, copies = sp.Matrix([-c, s]), sp.Matrix([1, 0])
    first = (apart + (n - 1) * copies) / (2 * n)
    later = first + k * apart / n
    of_normalised = 2 * first + k * apart
    return [
        Step(
            "after the half step and k more",
            apart.dot(later),
            (k - excess) * (c**2 + s**2) / n,
            "only (-c, s) is misclassified: it is added with weight 1/n until k > X, first at k = floor(X) + 1",
        ),
        Step(
            "copies stay well classified",
            copies.dot(later),
            (n - 1 - c) / (2 * n) - k * c / n,
            "positive up to k = floor(X) + 1 by the condition",
        ),
        Step(
            "normalised",
            apart.dot(of_normalised),
            (k - normalised_excess) * (c**2 + s**2),
            "the first step is the mean, each further one the whole point",
        ),
    ]


def _rate_steps() -> list[Step]:
    margin = s / sp.sqrt(s**2 + (1 + c) ** 2)
    return [
        Step(
            "plain",
            sp.Limit((excess * margin / n).subs(c, s), s, 0, "+"),
            (n - 1) / (4 * n),
            "T mu/n with T = X + O(1); mu is the distance of 0 from the segment between the two points",
        ),
        Step(
            "normalised",
            sp.Limit((normalised_excess * margin).subs(c, s), s, 0, "+"),
            (n - 1) / (2 * n),
            "T mu likewise",
        ),
    ]


SOURCE = "Tyurin, arXiv:2412.08424v1; Novikoff (1962)"
_LIMIT = Derivation(SOURCE, _limit_steps)
_FAMILY = Derivation("by hand, an arithmetic progression", _family_steps)
_RATE = Derivation("the family with one point apart, c = s -> 0", _rate_steps)


def _run(b: np.ndarray, last: int, normalised: bool, tie: float = 0.5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Batch perceptron: v float[trials, last + 1, d], steps until separated (-1: not yet), error float[trials].

    A point at a tie has weight `tie`. The normalised form stops once it has separated the points: there is no
    misclassified point to average.
    The error is that of rounding, and R where rounding leaves open on which side a point lies.
    """
    trials, size, dim = b.shape
    v = np.zeros((trials, last + 1, dim))
    steps = np.full(trials, -1.0)
    longest = np.linalg.norm(b, axis=2).max(axis=1)
    error = 8.0 * EPS * (last + 1) * size * longest
    for t in range(last + 1):
        u = np.einsum("kij,kj->ki", b, v[:, t])
        weight = (u < 0) + tie * (u == 0)
        steps = np.where((steps < 0) & np.all(u > 0, axis=1), t, steps)
        if t > 0:
            unsure = np.any(np.abs(u) <= 8.0 * EPS * (t + 1) * size * longest[:, None] ** 2, axis=1)
            error = np.where(unsure & (steps < 0), longest, error)
        if t < last:
            total = np.maximum(weight.sum(axis=1, keepdims=True), 0.5) if normalised else float(size)
            v[:, t + 1] = v[:, t] + np.einsum("ki,kij->kj", weight / total, b)
    return v, steps, error


def _several(b: np.ndarray) -> tuple[np.ndarray, bool]:
    """Points with an axis of trials in front, and whether there was one."""
    if b.ndim not in (2, 3) or 0 in b.shape:
        raise DomainError(f"b has shape {b.shape}: n points times labels in d dimensions are an array (n, d)")
    return (b, True) if b.ndim == 3 else (b[None], False)


def _times(t: np.ndarray) -> np.ndarray:
    return np.atleast_1d(t).astype(int)


def iterates_with(normalised: bool, tie: float = 0.5) -> Any:
    """The batch perceptron's iterates as a function of (b, t), with the weight of points at a tie."""

    def function(b: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        many, batched = _several(b)
        v, _, error = _run(many, int(_times(t).max()), normalised, tie)
        value = v[:, _times(t)]
        spread = np.broadcast_to(error[:, None, None], value.shape)
        return (value, spread) if batched else (value[0], spread[0])

    return function


def losses_with(tie: float = 0.5) -> Any:
    """The mean positive part of -b_i . v_t as a function of (b, t), with the weight of points at a tie."""

    def function(b: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        many, batched = _several(b)
        v, _, error = _run(many, int(_times(t).max()), False, tie)
        value = np.maximum(0.0, -np.einsum("kij,ktj->kti", many, v[:, _times(t)])).mean(axis=2)
        spread = np.broadcast_to((error * np.linalg.norm(many, axis=2).max(axis=1))[:, None], value.shape)
        return (value, spread) if batched else (value[0], spread[0])

    return function


def counts_with(normalised: bool, tie: float = 0.5) -> Any:
    """The batch perceptron's iterations as a function of b, with the weight of points at a tie."""

    def function(b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        many, batched = _several(b)
        last, found = 64, np.full(len(many), -1.0)
        while np.any(found < 0):
            todo = np.flatnonzero(found < 0)
            if last > 64:
                _demand_separable(many[todo])
            _, steps, _ = _run(many[todo], last, normalised, tie)
            found[todo] = steps
            last *= 4
        return (found, np.zeros_like(found)) if batched else (found[0], np.zeros(()))

    return function


def _demand_separable(many: np.ndarray) -> None:
    """Raise unless a hyperplane through the origin leaves all points of each set on one side."""
    from scipy.optimize import linprog

    for b in many:
        size, dim = b.shape
        if linprog(np.zeros(dim), A_ub=-b, b_ub=-np.ones(size), bounds=(None, None)).status != 0:
            raise DomainError(
                "the points are not separable by a hyperplane through the origin: no number of iterations will do; "
                "append a constant coordinate to allow for an offset, or remove the points that contradict"
            )


def labelled(a: Any, y: Any) -> np.ndarray:
    """Points times labels, float[n, d], from a user's own points `a` (n, d) and labels `y` (n), -1 or 1.

    Raises
    ------
    DomainError
        For arrays of unequal length, labels other than -1 and 1, values that are not finite, inseparable points.
    """
    points, labels = np.asarray(a, dtype=float), np.asarray(y, dtype=float)
    if points.ndim != 2 or labels.shape != points.shape[:1]:
        raise DomainError(f"points of shape {points.shape}, labels of shape {labels.shape}: give (n, d) and (n,)")
    if not np.all(np.abs(labels) == 1.0):
        bad = int(np.flatnonzero(~(np.abs(labels) == 1.0))[0])
        raise DomainError(f"label {bad} is {labels[bad]:g}: labels are -1 or 1")
    if not np.all(np.isfinite(points)):
        bad = int(np.flatnonzero(~np.isfinite(points).all(axis=1))[0])
        raise DomainError(f"point {bad} is not finite: remove it or mend it")
    b: np.ndarray = labels[:, None] * points
    _demand_separable(b[None])
    return b


def exact_count(b: Sequence[Sequence[Fraction]], normalised: bool = False) -> int:
    """Iterations of the batch perceptron in rational numbers: ties are ties.

    Equal points are counted, not repeated.

    Raises
    ------
    DomainError
        When the points are not separable.
    """
    _demand_separable(np.array([[float(z) for z in row] for row in b])[None])
    counts: dict[tuple[Fraction, ...], int] = {}
    for row in b:
        counts[tuple(row)] = counts.get(tuple(row), 0) + 1
    size = len(b)
    v, t = [Fraction(0)] * len(b[0]), 0
    while True:
        u = {row: sum((z * w for z, w in zip(row, v)), Fraction(0)) for row in counts}
        if all(z > 0 for z in u.values()):
            return t
        weights = {row: k * (Fraction(u[row] < 0) + Fraction(u[row] == 0, 2)) for row, k in counts.items()}
        total = sum(weights.values(), Fraction(0)) if normalised else Fraction(size)
        v = [z + sum((w * row[j] for row, w in weights.items()), Fraction(0)) / total for j, z in enumerate(v)]
        t += 1


def _family_counts(normalised: bool) -> Any:
    def one(size: float, along: float, across: float) -> int:
        apart = (-Fraction(float(along)), Fraction(float(across)))
        return exact_count([(Fraction(1), Fraction(0))] * (int(size) - 1) + [apart], normalised)

    def function(n: np.ndarray, c: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        value = np.vectorize(one, otypes=[float])(n, c, s)
        return value, np.zeros_like(value)

    return function


def _family_space(over: sp.Expr, most: sp.Expr) -> Space:
    return Space(
        [POINTS, MINORITY, ACROSS],
        [
            Constraint(over >= 0, "the first step separates the points"),
            Constraint(sp.floor(over) + 1 < most, "copies of (1, 0) get misclassified, too"),
        ],
    )


_PLAIN_SPACE = _family_space(excess, (n - 1 - c) / (2 * c))
_NORMALISED_SPACE = _family_space(normalised_excess, (n - 1 - c) / (n * c))

PLAIN_ITERATES = Numerical(
    function=iterates_with(False),
    space=Space([DATA, TIME]),
    quantity="theta_t/g",
    conventions=CONVENTIONS,
    derivation=_LIMIT,
    formula=r"v_{t+1} = v_t + \frac1n \sum_i b_i \left(1[b_i v_t < 0] + \tfrac12 1[b_i v_t = 0]\right)",
)
NORMALISED_ITERATES = Numerical(
    function=iterates_with(True),
    space=Space([DATA, TIME]),
    quantity="theta_t/g",
    conventions=CONVENTIONS,
    derivation=_LIMIT,
    formula=r"v_{t+1} = v_t + \text{mean of the misclassified } b_i",
)
LOSS = Numerical(
    function=losses_with(),
    space=Space([DATA, TIME]),
    quantity="f(theta_t)/g",
    conventions=CONVENTIONS,
    derivation=_LIMIT,
    formula=r"\frac1n \sum_i \max(0, -b_i v_t)",
)
PLAIN_COUNT = Numerical(
    function=counts_with(False),
    space=Space([DATA]),
    quantity="iterations until separated",
    conventions=CONVENTIONS,
    derivation=_LIMIT,
    formula=r"\min\{t : b_i v_t > 0\ \forall i\}",
)
APPROACH = ClosedForm(
    expr=2 * sp.exp(-x),
    space=Space([GAP]),
    quantity="|theta_t/g - v_t|/((t-1) R)",
    conventions=CONVENTIONS,
    derivation=Derivation("induction over the iterations", _approach_steps),
)
PLAIN_BOUND = ClosedForm(
    expr=plain_bound,
    space=Space([POINTS, CONDITION]),
    quantity="iterations until separated",
    conventions=CONVENTIONS,
    derivation=Derivation(SOURCE, _novikoff_steps),
)
SHARPER_BOUND = ClosedForm(
    expr=sharper_bound,
    space=Space([POINTS, CONDITION]),
    quantity="iterations until separated",
    conventions=CONVENTIONS,
    derivation=PLAIN_BOUND.derivation,
)
NORMALISED_BOUND = ClosedForm(
    expr=kappa,
    space=Space([CONDITION]),
    quantity="iterations until separated",
    conventions=CONVENTIONS,
    derivation=Derivation(SOURCE, _normalised_steps),
)
FAMILY_PLAIN = ClosedForm(
    expr=2 + sp.floor(excess),
    space=_PLAIN_SPACE,
    quantity="iterations until separated",
    conventions=CONVENTIONS,
    derivation=_FAMILY,
    corners=({"n": 50, "c": 0.7, "s": 0.3}, {"n": 10, "c": 0.5, "s": 0.5}, {"n": 1000, "c": 0.04, "s": 0.04}),
)
FAMILY_NORMALISED = ClosedForm(
    expr=2 + sp.floor(normalised_excess),
    space=_NORMALISED_SPACE,
    quantity="iterations until separated",
    conventions=CONVENTIONS,
    derivation=_FAMILY,
    corners=({"n": 50, "c": 0.05, "s": 0.08}, {"n": 1000, "c": 0.04, "s": 0.04}),
)
EXACT_PLAIN = Numerical(
    function=_family_counts(False),
    space=_PLAIN_SPACE,
    quantity="iterations until separated, in rational numbers",
    conventions=CONVENTIONS,
    derivation=_FAMILY,
)
EXACT_NORMALISED = Numerical(
    function=_family_counts(True),
    space=_NORMALISED_SPACE,
    quantity="iterations until separated, in rational numbers",
    conventions=CONVENTIONS,
    derivation=_FAMILY,
)
PLAIN_RATE = ClosedForm(
    expr=(n - 1) / (4 * n),
    space=Space([POINTS]),
    quantity="T mu/n",
    conventions=CONVENTIONS,
    derivation=_RATE,
)
NORMALISED_RATE = ClosedForm(
    expr=(n - 1) / (2 * n),
    space=Space([POINTS]),
    quantity="T mu",
    conventions=CONVENTIONS,
    derivation=_RATE,
)
FIRST_POWER = ClosedForm(
    expr=sp.S.One, space=Space([]), quantity="exponent of T", conventions=CONVENTIONS, derivation=_RATE
)
NO_POWER = ClosedForm(
    expr=sp.S.Zero, space=Space([]), quantity="exponent of T", conventions=CONVENTIONS, derivation=_RATE
)
