r"""Parameters and symbols of the comp-sum losses.

Notation: labels $y \in \{1..n\}$, scores $h \in R^n$, softmax $s$, loss $\ell_\tau = \Phi^\tau(S)$ with
$S = \sum_{y' \ne y} e^{h_{y'} - h_y}$ and $d\Phi^\tau/du = (1+u)^{-\tau}$; $a = 1/(2-\tau)$.
"""

from __future__ import annotations

import sympy as sp

from theorylab.parameters import Integers, Interval, Observed, Parameter

MAO = "Mao, Mohri, Zhong, arXiv:2304.07288v2"

# The upper end keeps n^(1 - tau) in the range of doubles for every n that a vocabulary may have.
TAU = Parameter(
    "tau",
    Interval(0.0, 10.0),
    "exponent of the comp-sum loss, whose outer function has slope (1 + u)^-tau "
    "(0 sum-exponential, 1 cross-entropy, 1 to 2 generalized cross-entropy, 2 mean absolute error)",
    default=1.0,
)
TAU_BELOW_TWO = Parameter("tau", Interval(0.0, 2.0, open_high=True), TAU.meaning, default=1.0)
TAU_ABOVE_TWO = Parameter("tau", Interval(2.0, 10.0), TAU.meaning, default=2.0)
N = Parameter("n", Integers(2, 10**12), "number of classes", default=3)
BETA = Parameter("beta", Interval(0.0, 1.0), "zero-one regret max p - p_{h(x)}", default=0.5)
REGRET = Parameter("t", Interval(0.0), "surrogate regret", unit="nats", default=0.1)
P = Parameter("p", Observed("n label probabilities"), "label distribution p(. | x)")

tau, n, beta, t = (parameter.symbol for parameter in (TAU, N, BETA, REGRET))
a = 1 / (2 - tau)

CONVENTIONS = {
    "risk": "full expected loss, no factor 1/2 or 1/n",
    "logarithm": "natural",
    "ties": "broken by a fixed rule (largest index)",
    "zero probabilities": "0^a = 0 and 0 log 0 = 0; scores of minus infinity are limits",
}


def xlogx(x: sp.Expr) -> sp.Expr:
    """x log x, with 0 at 0."""
    return sp.Piecewise((x * sp.log(x), x > 0), (sp.S.Zero, True))


def in_tau(at_one: sp.Expr, below_two: sp.Expr, above: sp.Expr) -> sp.Piecewise:
    """One formula at tau = 1, one elsewhere below 2, one from 2 on."""
    return sp.Piecewise((at_one, sp.Eq(tau, 1)), (below_two, tau < 2), (above, True))
