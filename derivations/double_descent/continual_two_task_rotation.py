r"""Forgetting of a linear model that learns a rotated copy of its task.

First task $X w = y$, X with p columns and rank d, realizable; second task $X O w = y$ with
$O = Q_p\, \mathrm{blockdiag}(Q_m, I_{p-m})\, Q_p^T$, the two Q independent and Haar orthogonal. Gradient descent to
convergence, from 0 and then from where it ended: $w_1 = X^+ y$, $w_2 = w_1 + (X O)^+ (y - X O w_1)$. Exactly, at finite
size, for $p \ge 4$ and $2 \le m \le p$,

$$E \|X w_2 - y\|^2 = C_1 \|X w_1\|^2 + C_2 \|X\|_F^2 \|w_1\|^2,$$

rational functions of p, d, m which `continual_two_task_rotation_steps` derives by Weingarten calculus. The worst X of
spectral norm 1 has all singular values 1: $F = C_1 + d C_2$ for $\|w_1\| = 1$. As p grows with the dissimilarity
$\alpha = m/p$ and the overparametrization $\beta = 1 - d/p$ fixed, F tends to a polynomial of both.

Source: D. Goldfarb, I. Evron, N. Weinberger, D. Soudry, P. Hand, "The Joint Effect of Task Similarity and
Overparameterization on Catastrophic Forgetting - An Analytical Model", arXiv:2401.12617v2, section 3.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation
from theorylab.derivations.double_descent import continual_two_task_rotation_steps as steps
from theorylab.derivations.double_descent.continual_two_task_rotation_steps import Polynomial
from theorylab.derivations.double_descent.gaussian_ols_exact import PowerSum
from theorylab.parameters import Constraint, Integers, Interval, Parameter, Space
from theorylab.prediction import ClosedForm, Implicit

p, d, m, alpha, beta = steps.p, steps.d, steps.m, steps.alpha, steps.beta
GOLDFARB = "Goldfarb, Evron, Weinberger, Soudry, Hand, arXiv:2401.12617v2, section 3"

MOST = 10_000
P = Parameter("p", Integers(4, MOST), "number of parameters", default=20)
D = Parameter("d", Integers(1, MOST), "rank of the data of a task", default=6)
M = Parameter("m", Integers(2, MOST), "directions that the rotation turns", default=10)
ALPHA = Parameter("alpha", Interval(0.0, 1.0), "dissimilarity of the tasks, m/p", default=0.5)
BETA = Parameter("beta", Interval(0.0, 1.0), "overparametrization, 1 - d/p", default=0.5)
DECAY = Parameter("decay", Interval(0.0, 2.0), "exponent of the singular values j^-decay of X", default=0.5)
SHARE = Parameter(
    "share",
    Interval(0.0, 1.0),
    "part of |w_1|^2 along the strongest direction, the rest along the weakest",
    default=0.5,
)
STEPS = Parameter("steps", Integers(1, 100_000), "steps of gradient descent on a task", default=100)

INSIDE = (
    Constraint(d <= p, "the rank is at most the number of parameters"),
    Constraint(m <= p, "no more directions can be turned than there are"),
)
SIZES = Space([P, D, M], INSIDE)
CONVENTIONS = {
    "forgetting": "|X w_2 - y|^2, not divided by the number of samples",
    "mean": "over rotations",
    "w_1": "in the row space of X, where gradient descent from 0 ends",
}
WORST = {**CONVENTIONS, "data": "all d singular values of X are 1 and |w_1| = 1"}


def formula(numerator: Polynomial) -> sp.Expr:
    """A mean as a SymPy expression."""
    return steps.collected(numerator) / steps.DENOMINATOR


def exact(numerator: Polynomial) -> Callable[..., np.ndarray]:
    """A mean in double precision at integers p, d, m: correctly rounded, since the polynomials are exact in them."""
    terms = [(*map(int, powers), int(c)) for powers, c in numerator.terms()]

    def value(p: int, d: int, m: int) -> float:
        below = p * (p - 1) * (p - 2) * (p - 3) * (p + 1) * (p + 2) * (p + 4) * (p + 6)
        above: int = sum(c * d**i * m**j * p**k for i, j, k, c in terms)
        return above / below

    def values(*, p: Any, d: Any, m: Any) -> np.ndarray:
        columns = np.broadcast_arrays(p, d, m)
        return np.reshape([value(*map(int, at)) for at in zip(*(c.flat for c in columns))], columns[0].shape)

    return values


def rounded(expr: sp.Expr, *symbols: sp.Symbol) -> Callable[..., np.ndarray]:
    """A polynomial with integer coefficients at doubles, correctly rounded: near its zeros no digits are lost."""
    terms = [(powers, int(c)) for powers, c in sp.Poly(expr, *symbols).terms()]
    names = [s.name for s in symbols]

    def value(*at: float) -> float:
        x = [Fraction(float(v)) for v in at]
        products = [[v**e for v, e in zip(x, powers)] for powers, _ in terms]
        return float(sum((c * np.prod(factors) for factors, (_, c) in zip(products, terms)), Fraction(0)))

    def values(**arrays: Any) -> np.ndarray:
        columns = np.broadcast_arrays(*(arrays[n] for n in names))
        return np.reshape([value(*at) for at in zip(*(c.flat for c in columns))], columns[0].shape)

    return values


_F, _C1, _C2 = steps.worst_numerator(), steps.along_numerator(), steps.across_numerator()
NUMERATORS = {"F": _F, "C1": _C1, "C2": _C2}
F, C1, C2 = (formula(numerator) for numerator in (_F, _C1, _C2))
CORNERS = (
    {"p": 4, "d": 1, "m": 2},
    {"p": 4, "d": 4, "m": 4},
    {"p": MOST, "d": MOST, "m": 2},
    {"p": MOST, "d": 1, "m": MOST},
    {"p": MOST, "d": MOST, "m": MOST},
    {"p": MOST, "d": 1, "m": 2},
)

forgetting = ClosedForm(
    expr=F,
    numeric=exact(_F),
    space=SIZES,
    quantity="forgetting",
    conventions=WORST,
    derivation=Derivation(GOLDFARB, lambda: [*steps.haar(), *steps.reduction(), *steps.means(), *steps.special()]),
    corners=CORNERS,
)

own_direction = ClosedForm(
    expr=C1 + C2,
    numeric=exact(_C1 + _C2),
    space=SIZES,
    quantity="forgetting in the teacher's own direction",
    conventions=WORST,
    derivation=Derivation(GOLDFARB, lambda: [*steps.haar(), *steps.reduction(), *steps.means()]),
    corners=CORNERS,
)

_first, _second = exact(_C1), exact(_C2)
_SQUARES = PowerSum(1, d, 2 * DECAY.symbol)


def parts(*, p: Any, d: Any, m: Any, decay: Any, share: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """C1, C2, |X w_1|^2 and |X|_F^2 for singular values j^-decay."""
    strength = share + (1.0 - share) * np.asarray(d, dtype=float) ** (-2.0 * np.asarray(decay))
    ranks, decays = np.broadcast_arrays(d, decay)
    total = [np.sum(np.arange(1.0, r + 1.0) ** (-2.0 * s)) for r, s in zip(ranks.flat, decays.flat)]
    return _first(p=p, d=d, m=m), _second(p=p, d=d, m=m), strength, np.reshape(total, ranks.shape)


def _spectrum_numeric(**arrays: Any) -> np.ndarray:
    c1, c2, strength, total = parts(**arrays)
    return np.asarray(c1 * strength + c2 * total)


spectrum = ClosedForm(
    expr=C1 * (SHARE.symbol + (1 - SHARE.symbol) * d ** (-2 * DECAY.symbol)) + C2 * _SQUARES,
    numeric=_spectrum_numeric,
    space=Space([P, D, M, DECAY, SHARE], INSIDE),
    quantity="forgetting",
    conventions={**CONVENTIONS, "data": "singular values j^-decay of X; |w_1| = 1"},
    derivation=Derivation(GOLDFARB, lambda: [*steps.haar(), *steps.reduction(), *steps.means()]),
    corners=tuple({**c, "decay": x, "share": y} for c in CORNERS[:4] for x, y in ((2.0, 0.0), (0.0, 1.0))),
)

LIMIT, ALONG_LIMIT, ACROSS_LIMIT = (steps.limit(numerator, power) for numerator, power in ((_F, 0), (_C1, 0), (_C2, 1)))
PROPORTION = {**WORST, "limit": "p to infinity with alpha = m/p and beta = 1 - d/p fixed"}
UNIT_CORNERS = tuple({"alpha": a, "beta": b} for a in (1e-9, 1 - 2.0**-40) for b in (1e-9, 0.5, 1 - 2.0**-40))


def _limit(expr: sp.Expr, quantity: str) -> ClosedForm:
    return ClosedForm(
        expr=expr,
        numeric=rounded(expr, alpha, beta),
        space=Space([ALPHA, BETA]),
        quantity=quantity,
        conventions=PROPORTION,
        derivation=Derivation(GOLDFARB, steps.limits),
        corners=UNIT_CORNERS,
    )


limiting = _limit(LIMIT, "limiting forgetting")
limiting_own = _limit(ALONG_LIMIT, "limiting forgetting in the teacher's own direction")
limiting_other = _limit(ACROSS_LIMIT, "p times the limiting forgetting in another direction")

one_sample = ClosedForm(
    expr=(alpha * (1 - alpha)) ** 2,
    space=Space([ALPHA]),
    quantity="limiting forgetting",
    conventions={**WORST, "limit": "p to infinity with alpha = m/p fixed and d = 1"},
    derivation=Derivation(GOLDFARB, steps.limits),
    corners=({"alpha": 1e-9}, {"alpha": 1 - 2.0**-40}),
)


def _threshold(factor: sp.Expr, bracket: tuple[float, float], quantity: str) -> Implicit:
    return Implicit(
        equation=factor,
        unknown=beta,
        bracket=lambda: bracket,
        space=Space([]),
        quantity=quantity,
        conventions=PROPORTION,
        derivation=Derivation("discriminants of the limiting forgetting", steps.boundaries),
    )


monotone_until = _threshold(
    steps.MONOTONE, (0.9, 0.93), "overparametrization up to which forgetting rises with dissimilarity"
)
peak_beyond = _threshold(steps.PEAK, (0.93, 0.96), "overparametrization beyond which a related task is forgotten most")

# F at alpha minus F at 1, without the factor that is there for alpha = 1 and beta = 1 alone.
RELATED = Parameter("alpha", Interval(0.35, 0.75), ALPHA.meaning, default=0.55)
UNRELATED = sp.quo(LIMIT - LIMIT.subs(alpha, 1), alpha - 1, alpha)
even_at = Implicit(
    equation=UNRELATED.xreplace({alpha: RELATED.symbol}),
    unknown=beta,
    bracket=lambda alpha: (0.85 + 0.0 * alpha, 0.999 + 0.0 * alpha),
    space=Space([RELATED]),
    quantity="overparametrization at which this dissimilarity is forgotten as much as an unrelated task",
    conventions=PROPORTION,
    derivation=Derivation("difference of the limiting forgetting", steps.boundaries),
    corners=({"alpha": 0.35}, {"alpha": 0.75}),
)
