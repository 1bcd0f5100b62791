r"""Infimum over all scores of the conditional risk of a comp-sum loss.

Model: label distribution $p = p(\cdot\,|\,x)$, scores $h(x, \cdot)$ sweeping $R^n$, loss
$(s_y^{\tau-1} - 1)/(1-\tau)$ of the softmax $s$ ($-\log s_y$ at $\tau = 1$), $a = 1/(2-\tau)$. Results:

- $0 \le \tau < 2$: $C^*_\tau(p) = [(\sum_y p_y^a)^{1/a} - 1]/(1-\tau)$, at $s_y \propto p_y^a$; the entropy
  $-\sum p_y \log p_y$ at $\tau = 1$. In one form, $C^*_\tau = (e^{(1-\tau) H_a(p)} - 1)/(1-\tau)$ with the
  Rényi entropy $H_a$;
- $\tau \ge 2$: $C^*_\tau(p) = (1 - \max_y p_y)/(\tau - 1)$, approached at a vertex of the simplex;
- zero-one loss: $1 - \max_y p_y$, regret of predicting $i$: $\max_y p_y - p_i$.

Assumptions: scores unrestricted at each x. The infimum is not attained where some $p_y = 0$ or $\tau \ge 2$.

Source: A. Mao, M. Mohri, Y. Zhong, "Cross-entropy loss functions: theoretical analysis and applications",
arXiv:2304.07288v2, section 4 (minimisability gaps).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.derivations.surrogate_losses import comp_sum_numerics as numerics
from theorylab.derivations.surrogate_losses.comp_sum_common import (
    CONVENTIONS,
    MAO,
    TAU,
    TAU_BELOW_TWO,
    N,
    P,
    a,
    in_tau,
    n,
    tau,
    xlogx,
)
from theorylab.errors import DomainError
from theorylab.parameters import Constraint, Interval, Observed, Parameter, Space
from theorylab.prediction import ClosedForm, Numerical

Q = Parameter("q", Interval(0.0, 1.0), "probability of one class; the others share the rest equally", default=0.7)
LABEL = Parameter("label", Observed("index of the predicted class"), "predicted class")

q = Q.symbol
p1, p2, p3 = sp.symbols("p1 p2 p3", positive=True)
TAUS = [sp.Rational(k, 10) for k in (0, 4, 8, 12, 14, 16, 17)]
BELOW_TWO = {tau: TAUS}


def risk_at(probabilities: list[sp.Expr], softmax: list[sp.Expr]) -> sp.Expr:
    """Conditional risk at softmax probabilities, tau != 1."""
    return sum(p * (s ** (tau - 1) - 1) / (1 - tau) for p, s in zip(probabilities, softmax))


def infimum_below_two(probabilities: list[sp.Expr]) -> sp.Expr:
    """The closed form for tau < 2, tau != 1."""
    return (sum(p**a for p in probabilities) ** (1 / a) - 1) / (1 - tau)


def _minimisation() -> list[Step]:
    s = sp.Symbol("s", positive=True)
    last = 1 - p1 - p2
    power = p1**a + p2**a + last**a
    shares = [sp.Rational(k, 10) for k in (1, 2, 3, 4)]
    where = {**BELOW_TWO, p1: shares, p2: shares, s: (0.1, 0.9)}
    return [
        Step(
            "derivative in a softmax probability",
            sp.Derivative(p1 * (s ** (tau - 1) - 1) / (1 - tau), s),
            -p1 * s ** (tau - 2),
            "the risk is a sum over labels; the constraint is that the s_y sum to 1",
            where=where,
        ),
        Step(
            "second derivative",
            sp.Derivative(-p1 * s ** (tau - 2), s),
            (2 - tau) * p1 * s ** (tau - 3),
            "positive below tau = 2 (a stationary point is the minimum), negative above (a vertex is)",
            where=where,
        ),
        Step(
            "stationarity",
            p1 * (p1**a / power) ** (tau - 2),
            power ** (2 - tau),
            "at s_y = p_y^a / sum p^a all derivatives are the same Lagrange multiplier",
            where=where,
            method="50 digits",
        ),
        Step(
            "value",
            risk_at([p1, p2, last], [x**a / power for x in (p1, p2, last)]),
            infimum_below_two([p1, p2, last]),
            "substitute; sum_y p_y p_y^(a (tau-1)) = sum p^a since 1 + a (tau - 1) = a",
            where=where,
            method="50 digits",
        ),
        Step("exponents", 1 + a * (tau - 1), a, "used in the previous step", where=BELOW_TWO),
        Step(
            "Rényi form",
            infimum_below_two([p1, p2, last]),
            (sp.exp((1 - tau) * sp.log(power) / (1 - a)) - 1) / (1 - tau),
            "H_a = log(sum p^a)/(1-a), and (1-tau)/(1-a) = 2 - tau",
            where=where,
            method="50 digits",
        ),
    ]


def _special_cases() -> list[Step]:
    r = sp.Symbol("r", positive=True)
    numerator = (p1**a + (1 - p1) ** a) ** (2 - tau)
    entropy = -p1 * sp.log(p1) - (1 - p1) * sp.log(1 - p1)
    inside = {p1: (0.1, 0.9)}
    return [
        Step(
            "cross-entropy",
            -sp.diff(numerator, tau).subs(tau, 1),
            entropy,
            "l'Hopital at tau = 1: minus the derivative of the numerator is the entropy (two labels)",
            where=inside,
        ),
        Step(
            "sum-exponential",
            infimum_below_two([p1, 1 - p1]).subs(tau, 0),
            (sp.sqrt(p1) + sp.sqrt(1 - p1)) ** 2 - 1,
            "tau = 0, a = 1/2",
            where=inside,
        ),
        Step(
            "towards tau = 2",
            sp.Limit(n ** (1 / r), r, sp.oo),
            sp.S.One,
            "max p <= (sum p^a)^(1/a) <= n^(1/a) max p and a -> infinity: the limit is 1 - max p",
        ),
        Step(
            "vertex, tau >= 2",
            p2 * (0 - 1) / (1 - tau) + (1 - p1 - p2) * (0 - 1) / (1 - tau),
            (1 - p1) / (tau - 1),
            "s = (1, 0, 0): the risk is concave in s, so the infimum is at the vertex of the largest p",
            where={tau: [sp.Rational(k, 10) for k in (21, 25, 30)]},
        ),
    ]


def _label_noise() -> list[Step]:
    k = sp.Symbol("k", integer=True, positive=True)
    rest = (1 - q) / (n - 1)
    where = {**BELOW_TWO, q: (0.1, 0.9), n: [2, 3, 7]}
    return [
        *_minimisation(),
        *_special_cases(),
        Step(
            "shared rest",
            q**a + sp.Sum(rest**a, (k, 1, n - 1)),
            q**a + (n - 1) * rest**a,
            "p = (q, (1-q)/(n-1), ...)",
            where=where,
        ),
        Step(
            "tau >= 2, q < 1/n",
            1 - rest,
            (q + (n - 2)) / (n - 1),
            "the largest probability is then that of the others; this form does not cancel",
        ),
    ]


def check_distribution(p: np.ndarray) -> np.ndarray:
    """Return `p` when its last axis sums to one; raise `DomainError` otherwise."""
    p = np.atleast_1d(np.asarray(p, dtype=float))
    total = p.sum(axis=-1)
    if np.any(p < 0) or p.shape[-1] < 2 or np.any(np.abs(total - 1.0) > 1e-9):
        worst = float(total.flat[np.argmax(np.abs(total - 1.0))])
        raise DomainError(f"p is not a distribution over two or more labels (a row sums to {worst:.6g})")
    return p


def check_labels(label: Any, classes: int) -> np.ndarray:
    """Return `label` as indices int[...] of so many classes; raise `DomainError` otherwise."""
    label = np.asarray(label)
    wrong = label[(label != np.floor(label)) | (label < 0) | (label >= classes)]
    if wrong.size:
        raise DomainError(f"label {wrong.flat[0]:g} is no class of {classes}: classes are counted from 0")
    return np.asarray(label, dtype=int)


def _infimum(tau: Any, p: Any) -> tuple[np.ndarray, np.ndarray]:
    p = check_distribution(p)
    tau = np.asarray(tau, dtype=float)
    below = np.minimum(tau, 1.5)
    entropy = numerics.renyi_entropy(np.where(tau < 2.0, tau, below), p)
    low = numerics.infimum_below_two(np.where(tau < 2.0, tau, below), entropy)
    high = (1.0 - p.max(axis=-1)) / np.where(tau >= 2.0, tau - 1.0, 1.0)
    value = np.where(tau < 2.0, low, high)
    # The formula takes sum p = 1, which holds to rounding.
    return value, 1e-12 * value + 1e-15


def _minimiser(tau: Any, p: Any) -> tuple[np.ndarray, np.ndarray]:
    p = np.sort(check_distribution(p), axis=-1)[..., ::-1]
    ratio = p / p[..., :1]
    weight = ratio ** (1.0 / (2.0 - tau)) if tau < 2.0 else np.where(ratio == 1.0, 1.0, 0.0)
    value = weight / weight.sum(axis=-1, keepdims=True)
    return value, 1e-12 * value + 1e-15


def _zero_one(p: Any, label: Any) -> tuple[np.ndarray, np.ndarray]:
    p = check_distribution(p)
    chosen = np.take_along_axis(p, check_labels(label, p.shape[-1])[..., None], axis=-1)[..., 0]
    return p.max(axis=-1) - chosen, np.full(p.shape[:-1], 1e-16)


def _label_noise_numeric(tau: Any, n: Any, q: Any) -> np.ndarray:
    tau, n, q = np.broadcast_arrays(*(np.asarray(x, dtype=float) for x in (tau, n, q)))
    rest = (1.0 - q) / (n - 1.0)
    other = (q + (n - 2.0)) / (n - 1.0)
    below = np.where(tau < 2.0, tau, 1.5)
    entropy = numerics.renyi_entropy(
        below,
        np.stack([q, rest], axis=-1),
        weight=np.stack([np.ones_like(n), n - 1.0], axis=-1),
        complement=np.stack([1.0 - q, other], axis=-1),
    )
    high = np.where(q >= rest, 1.0 - q, other) / np.where(tau >= 2.0, tau - 1.0, 1.0)
    return np.where(tau < 2.0, numerics.infimum_below_two(below, entropy), high)


infimum = Numerical(
    function=_infimum,
    formula=r"\frac{(\sum_y p_y^{1/(2-\tau)})^{2-\tau} - 1}{1-\tau}\ (\tau < 2),"
    r"\quad -\sum_y p_y \log p_y\ (\tau = 1),\quad \frac{1 - \max_y p_y}{\tau-1}\ (\tau \ge 2)",
    space=Space([TAU, P]),
    quantity="infimum of the conditional risk",
    conventions=CONVENTIONS,
    derivation=Derivation(f"{MAO}, section 4", lambda: [*_minimisation(), *_special_cases()]),
)

minimiser = Numerical(
    function=_minimiser,
    formula=r"\frac{p_y^{1/(2-\tau)}}{\sum_{y'} p_{y'}^{1/(2-\tau)}}\ (\tau < 2),"
    r"\quad 1[y = \arg\max p]\ (\tau \ge 2)",
    space=Space([TAU, P]),
    quantity="softmax probabilities of the risk minimiser",
    conventions={**CONVENTIONS, "order": "by decreasing p"},
    derivation=Derivation(f"{MAO}, section 4", _minimisation),
)

zero_one_regret = Numerical(
    function=_zero_one,
    formula=r"\max_y p_y - p_{h(x)}",
    space=Space([P, LABEL]),
    quantity="conditional zero-one regret",
    conventions=CONVENTIONS,
    derivation=Derivation("P(y != i) = 1 - p_i", lambda: [Step("regret", (1 - p2) - (1 - p1), p1 - p2, "subtract")]),
)


def label_noise_below(inner: sp.Expr, outer: sp.Expr) -> sp.Expr:
    """The closed form for tau < 2 under label noise, with the exponents of the p_y and of their sum."""
    return ((q**inner + (n - 1) * ((1 - q) / (n - 1)) ** inner) ** outer - 1) / (1 - tau)


binary_entropy = -xlogx(q) - xlogx(1 - q)
label_noise_entropy = binary_entropy + (1 - q) * sp.log(n - 1)
ONE = sp.S.One
label_noise_above = (1 - sp.Max(q, (1 - q) / (n - 1))) / (tau - 1)


def renyi_entropy(order: sp.Expr) -> sp.Expr:
    """Rényi entropy under label noise."""
    if order == 1:
        return label_noise_entropy
    return sp.log(q**order + (n - 1) * ((1 - q) / (n - 1)) ** order) / (1 - order)


def renyi_risk(order: sp.Expr) -> sp.Expr:
    """Infimum under label noise, tau != 1, from the Rényi entropy of an order."""
    return (sp.exp((1 - tau) * renyi_entropy(order)) - 1) / (1 - tau)


label_noise_risk = ClosedForm(
    expr=in_tau(label_noise_entropy, label_noise_below(a, 1 / a), label_noise_above),
    numeric=_label_noise_numeric,
    space=Space([TAU, N, Q]),
    quantity="infimum of the conditional risk under symmetric label noise",
    conventions={**CONVENTIONS, "label noise": "the other n - 1 classes share 1 - q equally"},
    derivation=Derivation(f"{MAO}, section 4", _label_noise),
    corners=tuple(
        {"tau": x, "n": m, "q": y}
        for x in (0.0, 1.0 - 1e-9, 1.0, 1.0 + 1e-12, 1.5, 1.99, 2.0 - 1e-6, 2.0, 3.0)
        for m, y in ((2, 1e-12), (2, 0.5), (2, 1.0 - 2.0**-40), (10, 0.0), (10, 1.0), (1000, 1e-3), (3, 1.0 - 1e-12))
    ),
)

label_noise_renyi = ClosedForm(
    expr=renyi_risk(a),
    numeric=_label_noise_numeric,
    space=Space([TAU_BELOW_TWO, N, Q], [Constraint(sp.Ne(tau, 1), "the entropy of order 1 is a limit")]),
    quantity=label_noise_risk.quantity,
    conventions=label_noise_risk.conventions,
    derivation=label_noise_risk.derivation,
)
