r"""Minimisability gaps of comp-sum losses in closed form.

Model: $M_\tau(H) = R^*_\tau(H) - E_x C^*_\tau(H, x) \ge 0$, the least risk over a set of hypotheses less the mean of
the pointwise infima over the same set. Results:

- scores that do not depend on x: $M_\tau = C^*_\tau(P_Y) - E_x C^*_\tau(p(\cdot|x))$, a Jensen gap of the concave
  $C^*_\tau$; at $\tau = 1$ the mutual information $I(X; Y)$ in nats. For the zero-one loss
  $E_x \max_y p(y|x) - \max_y P_Y(y)$;
- no bounds and $\log p(y|x)$ affine in x up to a term common to the classes: $M_\tau = 0$ over linear scorers, for
  every $\tau$, because the pointwise minimiser $s \propto p^{1/(2-\tau)}$ is the softmax of affine scores too;
- scores in $[-\Lambda(x), \Lambda(x)]$, a certain label: $C^*_\tau(H, x) = \Phi^\tau((n-1) e^{-2\Lambda(x)})$, with
  $\Lambda = W|x|_p + B$ for linear scorers ($|W_y|_q \le W$, $|b_y| \le B$, $1/p + 1/q = 1$) and
  $L(W|x|_p + B)$ for one hidden layer of ReLUs;
- certain labels, one $\Lambda$ at all inputs: $M_\tau \le \Phi^\tau(R^*_0) - \Phi^\tau(R^*_0 - M_0)$, where
  $R^*_0 - M_0 = (n-1) e^{-2\Lambda}$; attained on two opposite inputs with different labels.

Assumptions: as stated with each result. Source: A. Mao, M. Mohri, Y. Zhong, "Cross-entropy loss functions: theoretical
analysis and applications", arXiv:2304.07288v2, section 4 and appendix (minimisability gaps).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.derivations.surrogate_losses import comp_sum_numerics as numerics
from theorylab.derivations.surrogate_losses.comp_sum_clipped import clipped_infimum
from theorylab.derivations.surrogate_losses.comp_sum_common import CONVENTIONS, MAO, TAU, n, tau
from theorylab.derivations.surrogate_losses.comp_sum_conditional_risk import check_distribution, infimum
from theorylab.derivations.surrogate_losses.comp_sum_loss import GENERIC, TAUS
from theorylab.derivations.surrogate_losses.comp_sum_loss import PHI as OUTER
from theorylab.derivations.surrogate_losses.comp_sum_loss import u as U
from theorylab.derivations.surrogate_losses.comp_sum_loss import v as V
from theorylab.errors import DomainError
from theorylab.parameters import Integers, Interval, Observed, Parameter, Space
from theorylab.prediction import ClosedForm, Numerical

Array = np.ndarray

CLASSES = Parameter("n", Integers(2, 10**6), "number of classes", default=3)
TAU_TO_ONE = Parameter("tau", Interval(0.0, 1.0), TAU.meaning, default=1.0)
SLOPE = Parameter("slope_bound", Interval(0.0, 10.0), "bound W on the q-norm of slopes", default=1.0)
BIAS = Parameter("bias_bound", Interval(0.0, 10.0), "bound B on biases", default=0.5)
OUTER_BOUND = Parameter("outer_bound", Interval(0.0, 2.0), "bound L on the 1-norm of output weights", default=1.0)
NORM = Parameter("norm", Interval(0.0, 4.0), "p-norm of the input", default=1.0)
SCORE = Parameter("score_bound", Interval(0.0, 100.0), "bound Lambda on every score", default=1.0)
GAP = Parameter("gap", Interval(0.0, 1e12), "minimisability gap at tau = 0", default=0.5)
LOW = Parameter("low", Interval(0.0, 1e12), "mean pointwise infimum R*_0 - M_0 at tau = 0", default=0.3)

ATOMS = Parameter("atoms", Integers(1, 10**6), "number of inputs of the distribution", default=4)
WEIGHTS = Parameter("weights", Observed("probabilities of the inputs"), "distribution of x")
P = Parameter("p", Observed("n label probabilities for each input"), "label distributions p(. | x)")
RISK = Parameter("risk", Observed("least risk over the hypotheses"), "least risk R*(H)", unit="loss")
NORMS = Parameter("norms", Observed("p-norm of each input"), "norms |x|_p")

W, B, L, r, lam, gap, low = (x.symbol for x in (SLOPE, BIAS, OUTER_BOUND, NORM, SCORE, GAP, LOW))
GAPS = {**CONVENTIONS, "gap": "in the units of the loss (nats at tau = 1)"}


def outer(argument: sp.Expr) -> sp.Expr:
    """Phi^tau of an expression."""
    return OUTER.subs(U, argument)


linear_range = W * r + B
relu_range = L * (W * r + B)


def certain(score: sp.Expr) -> sp.Expr:
    """Infimum under a certain label when every score is at most `score` in size."""
    return outer((n - 1) * sp.exp(-2 * score))


# Sum of exponentiated differences at the symmetric scorer on two opposite inputs, and its infimum at one of them.
two_input_sum = sp.exp(-2 * W) + (n - 2) * sp.exp(-2 * B - W)
least_sum = (n - 1) * sp.exp(-2 * lam)
two_input_expression = outer(two_input_sum) - certain(W + B)
jensen_expression = outer(least_sum + gap) - outer(least_sum)

LOGS = {tau: TAUS, n: [2, 3, 5]}


def _range() -> list[Step]:
    h, k = sp.symbols("h k", real=True)
    place = {**LOGS, lam: (0.1, 2.0)}
    return [
        Step(
            "range of linear scores",
            sp.Max(*(s * W * r + t * B for s in (-1, 1) for t in (-1, 1))),
            linear_range,
            "Hoelder's inequality is attained: W_y . x covers [-W |x|_p, W |x|_p]",
            where={W: (0.1, 2.0), B: (0.1, 2.0), r: (0.1, 2.0)},
            method="50 digits",
        ),
        Step(
            "range of ReLU scores",
            L * sp.Max(0, W * r + B),
            relu_range,
            "a sum of |u_j| <= L times at most W |x|_p + B each, attained by one unit",
            where={W: (0.1, 2.0), B: (0.1, 2.0), r: (0.1, 2.0), L: (0.1, 2.0)},
            method="50 digits",
        ),
        Step(
            "monotone",
            sp.Derivative(sp.exp(h - k), h) + sp.Derivative(sp.exp(h - k), k),
            sp.S.Zero,
            "each term of S rises with its wrong score as it falls with the true one: the best are -Lambda, Lambda",
        ),
        Step(
            "infimum",
            GENERIC.subs(U, sp.Sum(sp.exp(-lam - lam), (sp.Symbol("j", integer=True), 1, n - 1))),
            GENERIC.subs(U, least_sum),
            "n - 1 wrong scores, each at distance 2 Lambda",
            where=place,
            method="50 digits",
        ),
    ]


def _two_inputs() -> list[Step]:
    b, w, c = sp.symbols("b w c", real=True)
    scores = sp.exp(-2 * w) + (n - 2) * sp.exp(c - w - b)
    place = {n: [2, 3, 5], **dict.fromkeys((b, w, c, W, B), (0.1, 1.5))}
    return [
        *_range(),
        Step(
            "symmetric scorer",
            sp.exp((-w + b) - (w + b)) + (n - 2) * sp.exp(c - (w + b)),
            scores,
            "the risk is convex in linear scorers for tau <= 1: averaging with the mirror image (x to -x, classes 1 "
            "and 2 exchanged) does not raise it, so that h_1 = w x + b, h_2 = -w x + b, h_j = c",
            where=place,
        ),
        Step("in the bias", sp.Derivative(scores, b), -(n - 2) * sp.exp(c - w - b), "falls: b = B", where=place),
        Step("in the others", sp.Derivative(scores, c), (n - 2) * sp.exp(c - w - b), "rises: c = -B", where=place),
        Step(
            "in the slope",
            sp.Derivative(scores, w),
            -2 * sp.exp(-2 * w) - (n - 2) * sp.exp(c - w - b),
            "falls: w = W",
            where=place,
        ),
        Step(
            "value",
            scores.subs({b: B, c: -B, w: W}),
            two_input_sum,
            "the same at both inputs; the gap is Phi of it less the infimum",
            where=place,
        ),
    ]


def _jensen() -> list[Step]:
    place = {**LOGS, low: (0.1, 2.0), gap: (0.1, 2.0)}
    high = low + gap
    return [
        *_range(),
        Step(
            "least risk at tau = 0",
            (least_sum + gap) - gap,
            least_sum,
            "R*_0 - M_0 is the infimum at tau = 0, which is the same at every input",
        ),
        Step(
            "concavity",
            sp.Derivative((1 + U) ** -tau, U),
            -tau * (1 + U) ** (-tau - 1),
            "Phi^tau is concave: at the minimiser of tau = 0, R*_tau <= E Phi^tau(l_0) <= Phi^tau(E l_0)",
        ),
        Step(
            "as an integral",
            sp.Integral((1 + V) ** -tau, (V, low, high)),
            GENERIC.subs(U, high) - GENERIC.subs(U, low),
            "the slope of Phi^tau, which decreases with tau: so does the bound",
            where=place,
            method="50 digits",
        ),
        Step("sum-exponential", jensen_expression.subs(tau, 0), gap, "equality at tau = 0"),
    ]


def _constant() -> list[Step]:
    q, a, b = sp.symbols("q a b", positive=True)
    joint = [[q * a, q * (1 - a)], [(1 - q) * b, (1 - q) * (1 - b)]]
    inputs = [q, 1 - q]
    labels = [sum(row[j] for row in joint) for j in range(2)]

    def entropy(p: list[sp.Expr]) -> sp.Expr:
        return -sum(x * sp.log(x) for x in p)

    information = sum(joint[i][j] * sp.log(joint[i][j] / (inputs[i] * labels[j])) for i in range(2) for j in range(2))
    place = dict.fromkeys((q, a, b), (0.1, 0.9))
    s = sp.Symbol("s", positive=True)
    return [
        Step(
            "risk of constant scores",
            q * (a * s + (1 - a)) + (1 - q) * (b * s + (1 - b)),
            labels[0] * s + labels[1],
            "linear in the label distribution: the risk at P_Y, whose infimum is C*(P_Y)",
        ),
        Step(
            "mutual information",
            entropy(labels) - q * entropy([a, 1 - a]) - (1 - q) * entropy([b, 1 - b]),
            information,
            "entropy algebra: H(Y) - H(Y|X) = I(X; Y)",
            where=place,
            method="50 digits",
        ),
    ]


def _affine() -> list[Step]:
    f, g, c = sp.symbols("f g c", real=True)
    a = 1 / (2 - tau)
    s = sp.exp(f - c) ** a / (sp.exp(f - c) ** a + sp.exp(g - c) ** a)
    return [
        Step(
            "minimiser",
            s,
            sp.exp(a * f) / (sp.exp(a * f) + sp.exp(a * g)),
            "with log p_y = f_y - c, s is the softmax of a f_y, affine with f_y; from tau = 2 on the infimum is "
            "approached by large multiples of f_y",
            where={tau: [sp.Rational(k, 10) for k in (0, 5, 10, 15, 18)]},
            method="50 digits",
        )
    ]


def difference(tau: Any, low: Any, rise: Any) -> Array:
    """Phi^tau(low + rise) - Phi^tau(low) without cancellation, by the law of products of Phi^tau."""
    scale = np.exp((1.0 - tau) * np.log1p(low))
    return np.asarray(scale * numerics.comp_sum(tau, rise / (1.0 + low)))


def _certain_numeric(tau: Any, n: Any, slope_bound: Any, bias_bound: Any, norm: Any, outer_bound: Any = 1.0) -> Array:
    return numerics.comp_sum(tau, (n - 1.0) * np.exp(-2.0 * outer_bound * (slope_bound * norm + bias_bound)))


def _two_input_numeric(tau: Any, n: Any, slope_bound: Any, bias_bound: Any) -> Array:
    rise = -np.exp(-2.0 * slope_bound) * np.expm1(-2.0 * bias_bound)
    rise = rise - (n - 2.0) * np.exp(-2.0 * bias_bound - slope_bound) * np.expm1(-slope_bound)
    return difference(tau, (n - 1.0) * np.exp(-2.0 * (slope_bound + bias_bound)), rise)


def _jensen_numeric(tau: Any, n: Any, score_bound: Any, gap: Any) -> Array:
    return difference(tau, (n - 1.0) * np.exp(-2.0 * np.asarray(score_bound)), gap)


def _integrated(tau: Any, low: Any, gap: Any) -> tuple[Array, Array]:
    """Integral of (1+u)^-tau from low to low + gap in x = log(1+u), by Gauss-Legendre rules of two orders."""
    start = np.log1p(low)
    length = np.log1p(gap / (1.0 + low))
    found = []
    for order in (24, 40):
        nodes, weights = np.polynomial.legendre.leggauss(order)
        x = start + 0.5 * length * (1.0 + nodes)
        found.append(0.5 * length * (weights * np.exp((1.0 - tau) * x)).sum())
    return np.asarray(found[1]), np.asarray(abs(found[1] - found[0]) + 1e-14 * found[1])


def check_inputs(weights: Any, p: Any) -> tuple[Array, Array]:
    """Return weights float[..., atoms] and label distributions float[..., atoms, n], or raise `DomainError`."""
    weights, p = np.asarray(weights, dtype=float), check_distribution(p)
    if weights.ndim == 0 or weights.shape != p.shape[:-1]:
        raise DomainError(
            f"weights of shape {weights.shape} do not belong to label distributions of shape {p.shape}: "
            "give one weight for each input"
        )
    total = weights.sum(axis=-1)
    if np.any(weights < 0) or np.any(np.abs(total - 1.0) > 1e-9):
        worst = float(total.flat[np.argmax(np.abs(total - 1.0))])
        raise DomainError(f"weights are not a distribution over the inputs (they sum to {worst:.6g})")
    return weights, p


def _constant_gap(tau: Any, weights: Any, p: Any) -> tuple[Array, Array]:
    weights, p = check_inputs(weights, p)
    mixed = infimum.evaluate(tau=tau, p=(weights[..., None] * p).sum(axis=-2))
    each = infimum.evaluate(tau=tau, p=p)
    return mixed.value - (weights * each.value).sum(axis=-1), mixed.error + (weights * each.error).sum(axis=-1)


def _information(weights: Any, p: Any) -> tuple[Array, Array]:
    weights, p = check_inputs(weights, p)
    marginal = (weights[..., None] * p).sum(axis=-2, keepdims=True)
    ratio = np.where(p > 0, p / np.where(marginal > 0, marginal, 1.0), 1.0)
    value = (weights[..., None] * p * np.log(ratio)).sum(axis=(-2, -1))
    return value, np.full(np.shape(value), 1e-14)


def _zero_one_gap(weights: Any, p: Any) -> tuple[Array, Array]:
    weights, p = check_inputs(weights, p)
    value = (weights * p.max(axis=-1)).sum(axis=-1) - (weights[..., None] * p).sum(axis=-2).max(axis=-1)
    return value, np.full(np.shape(value), 1e-15)


def _no_gap(weights: Any, p: Any) -> tuple[Array, Array]:
    weights, p = check_inputs(weights, p)
    return np.zeros(weights.shape[:-1]), np.zeros(weights.shape[:-1])


def _certain_gap(
    tau: Any, n: Any, slope_bound: Any, bias_bound: Any, risk: Any, weights: Any, norms: Any
) -> tuple[Array, Array]:
    each = _certain_numeric(tau, n, slope_bound, bias_bound, norms)
    value = risk - (weights * each).sum(axis=-1)
    return value, 1e-14 * (1.0 + np.abs(risk))


def _noisy_gap(
    tau: Any, slope_bound: Any, bias_bound: Any, risk: Any, weights: Any, p: Any, norms: Any
) -> tuple[Array, Array]:
    weights, p = check_inputs(weights, p)
    each = clipped_infimum.evaluate(tau=tau, p=p, bounds=slope_bound * norms + bias_bound)
    value = risk - (weights * each.value).sum(axis=-1)
    return value, (weights * each.error).sum(axis=-1) + 1e-14 * (1.0 + np.abs(risk))


certain_infimum = ClosedForm(
    expr=certain(linear_range),
    numeric=_certain_numeric,
    space=Space([TAU, CLASSES, SLOPE, BIAS, NORM]),
    quantity="infimum of the conditional risk over bounded linear scorers under a certain label",
    conventions=GAPS,
    derivation=Derivation(f"{MAO}, section 4", _range),
    corners=tuple(
        {"tau": t, "n": 3, "slope_bound": w, "bias_bound": b, "norm": 1.0}
        for t in (0.0, 1.0, 1.0 + 1e-9, 2.0, 10.0)
        for w, b in ((0.0, 0.0), (10.0, 10.0), (1e-9, 0.0))
    ),
)

relu_infimum = ClosedForm(
    expr=certain(relu_range),
    numeric=_certain_numeric,
    space=Space([TAU, CLASSES, SLOPE, BIAS, OUTER_BOUND, NORM]),
    quantity="infimum of the conditional risk over bounded ReLU scorers under a certain label",
    conventions=GAPS,
    derivation=certain_infimum.derivation,
)

two_input_gap = ClosedForm(
    expr=two_input_expression,
    numeric=_two_input_numeric,
    space=Space([TAU_TO_ONE, CLASSES, SLOPE, BIAS]),
    quantity="minimisability gap of bounded linear scorers on two opposite unit inputs with different labels",
    conventions=GAPS,
    derivation=Derivation(f"symmetry and convexity; definition: {MAO}, section 4", _two_inputs),
    corners=tuple(
        {"tau": t, "n": m, "slope_bound": w, "bias_bound": b}
        for t in (0.0, 1.0 - 1e-12, 1.0)
        for m in (2, 1000)
        for w, b in ((1e-9, 1e-9), (10.0, 1e-6), (10.0, 10.0), (1.0, 0.5))
    ),
)

jensen_bound = ClosedForm(
    expr=jensen_expression,
    numeric=_jensen_numeric,
    space=Space([TAU, CLASSES, SCORE, GAP]),
    quantity="upper bound on the minimisability gap from that of tau = 0",
    conventions={**GAPS, "labels": "certain; one bound on the scores at all inputs"},
    derivation=Derivation(f"{MAO}, section 4; Jensen's inequality", _jensen),
    corners=tuple(
        {"tau": t, "n": 3, "score_bound": s, "gap": g}
        for t in (0.0, 1.0, 1.0 + 1e-9, 2.0, 10.0)
        for s in (0.0, 1.0, 100.0)
        for g in (0.0, 1e-12, 1.0, 1e9)
    ),
)
jensen_rise = ClosedForm(
    expr=outer(low + gap) - outer(low),
    numeric=lambda tau, low, gap: difference(tau, low, gap),
    space=Space([TAU, LOW, GAP]),
    quantity=jensen_bound.quantity,
    conventions=jensen_bound.conventions,
    derivation=jensen_bound.derivation,
)

jensen_integral = Numerical(
    function=_integrated,
    formula=sp.latex(sp.Integral((1 + V) ** -tau, (V, low, low + gap))),
    space=Space([TAU, LOW, GAP]),
    quantity=jensen_bound.quantity,
    conventions=jensen_bound.conventions,
)

constant_gap = Numerical(
    function=_constant_gap,
    formula=r"C^*_\tau(P_Y) - E_x C^*_\tau(p(\cdot|x))",
    space=Space([TAU, WEIGHTS, P]),
    quantity="minimisability gap of constant scores",
    conventions=GAPS,
    derivation=Derivation(f"{MAO}, section 4", _constant),
)

mutual_information = Numerical(
    function=_information,
    formula=r"I(X; Y) = \sum_x P(x) \sum_y p(y|x) \log\frac{p(y|x)}{P_Y(y)}",
    space=Space([WEIGHTS, P]),
    quantity="mutual information",
    conventions=GAPS,
    derivation=Derivation("entropy algebra", _constant),
)

zero_one_gap = Numerical(
    function=_zero_one_gap,
    formula=r"E_x \max_y p(y|x) - \max_y P_Y(y)",
    space=Space([WEIGHTS, P]),
    quantity="minimisability gap of constant predictions for the zero-one loss",
    conventions=CONVENTIONS,
    derivation=Derivation(
        "R*_01(H) - E(1 - max p)",
        lambda: [Step("difference", (1 - U) - (1 - V), V - U, "the least zero-one risks are 1 - max P_Y, 1 - max p")],
    ),
)

affine_gap = Numerical(
    function=_no_gap,
    formula="0",
    space=Space([WEIGHTS, P]),
    quantity="minimisability gap of unbounded linear scorers where log p(y|x) is affine in x",
    conventions=GAPS,
    derivation=Derivation(f"{MAO}, section 4", _affine),
)

certain_gap = Numerical(
    function=_certain_gap,
    formula=r"R^*_\tau(H) - E_x \Phi^\tau((n-1) e^{-2 (W|x|_p + B)})",
    space=Space([TAU, CLASSES, SLOPE, BIAS, RISK, WEIGHTS, NORMS]),
    quantity="minimisability gap of bounded linear scorers under certain labels",
    conventions=GAPS,
    derivation=certain_infimum.derivation,
)

noisy_gap = Numerical(
    function=_noisy_gap,
    formula=r"R^*_\tau(H) - E_x \sum_y p_y \Phi^\tau(S_y(h)),\quad"
    r"h_y = \mathrm{clip}((c + \log p_y)/(2-\tau), -\Lambda(x), \Lambda(x))",
    space=Space([TAU, SLOPE, BIAS, RISK, WEIGHTS, P, NORMS]),
    quantity="minimisability gap of bounded linear scorers under label noise",
    conventions=GAPS,
    derivation=clipped_infimum.derivation,
)
