r"""Steps towards the infimum, the bound and the constants of adversarial comp-sum losses.

$\Phi = \Phi^\tau$ has slope $(1+u)^{-\tau}$ and $\Phi(0) = 0$; $p_1 \ge p_2 \ge \dots$ are ranked posteriors.
"""

from __future__ import annotations

import sympy as sp

from theorylab.derivation import Step
from theorylab.derivations.surrogate_losses import comp_sum_h_consistency_steps as transforms
from theorylab.derivations.surrogate_losses import comp_sum_loss as loss
from theorylab.derivations.surrogate_losses.comp_sum_common import beta, tau
from theorylab.derivations.surrogate_losses.comp_sum_conditional_risk import infimum_below_two

TAUS = [sp.Rational(k, 10) for k in (0, 2, 5, 8, 11, 15, 20, 25)]
BELOW_TWO = [sp.Rational(k, 10) for k in (0, 2, 5, 8, 11, 15, 17)]
p1, p2, p3 = sp.symbols("p1 p2 p3", positive=True)
k, f, delta, rho = (sp.Symbol(name, positive=True) for name in ("k", "f", "delta", "rho"))


def phi(u: sp.Expr) -> sp.Expr:
    """The outer function, tau != 1."""
    return loss.GENERIC.subs(loss.u, u)


def ranking() -> list[Step]:
    """The class ranked k loses to k - 1 others; the order of the posteriors is the best order."""
    j = sp.Symbol("j", positive=True, integer=True)
    v = sp.Symbol("v", nonnegative=True)
    first, second = sp.symbols("Phi_1 Phi_2", positive=True)
    return [
        Step(
            "one more class that wins",
            phi(j) - phi(j - 1),
            sp.Integral((1 + v) ** -tau, (v, j - 1, j)),
            "positive: with gaps of rho or more only the classes above count, and each costs more",
            where={tau: TAUS},
        ),
        Step(
            "exchange",
            (p1 * second + p2 * first) - (p1 * first + p2 * second),
            (p1 - p2) * (second - first),
            "neighbours in the wrong order cost more: the order of the posteriors is the best",
        ),
    ]


def regret() -> list[Step]:
    """A robust class that is not the most likely one, and no robust class."""
    first, second = sp.symbols("Phi_1 Phi_2", positive=True)
    best = p2 * first + p3 * second
    return [
        Step(
            "robust on the class ranked third",
            (p1 * first + p2 * second) - best,
            (p1 - p3) * first + (p2 - p3) * (second - first),
            "telescoping sum of nonnegative terms, the first of which is Phi(1) times the zero-one regret",
        ),
        Step(
            "robust on none",
            (p2 * first + p1 * first + p3 * second) - best,
            (p1 - p2) * first + p2 * first,
            "the class in first place, whichever, costs Phi(1) too: the wrong order, and that, make Phi(1) p_1",
        ),
        Step("slope, cross-entropy", sp.Limit(phi(sp.S.One), tau, 1), sp.log(2), "Phi(1) at tau = 1"),
        Step("slope, sum-exponential", phi(sp.S.One).subs(tau, 0), sp.S.One, "Phi(1) at tau = 0"),
        Step("slope, mean absolute error", phi(sp.S.One).subs(tau, 2), sp.Rational(1, 2), "Phi(1) at tau = 2"),
    ]


def smoothing() -> list[Step]:
    """How fast the rho-margin loss can rise with the score differences."""
    e1, e2, d1, d2, s = sp.symbols("e1 e2 d1 d2 s", positive=True)
    weight = sp.sqrt(k + f**2) * (1 + k + f) ** -tau
    rise = (phi(k) - phi(k * sp.exp(-delta / rho))) / (sp.sqrt(k) * delta)
    path = phi(sp.exp(-(1 - s * d1)) + sp.exp(-(1 - s * d2)))
    sum_of = sp.exp(-(1 - s * d1)) + sp.exp(-(1 - s * d2))
    return [
        Step(
            "Cauchy-Schwarz",
            (e1**2 + e2**2) * (d1**2 + d2**2) - (e1 * d1 + e2 * d2) ** 2,
            (e1 * d2 - e2 * d1) ** 2,
            "a sum of n - 1 drops is at most sqrt(n-1) times their length: the published constant",
        ),
        Step(
            "slope along the way",
            sp.Derivative(path, s),
            (d1 * sp.exp(-(1 - s * d1)) + d2 * sp.exp(-(1 - s * d2))) * (1 + sum_of) ** -tau,
            "Phi_rho(u) <= min(1, exp(-u/rho)) =: e, whose sum moves by at most |e| |d|: slope <= |e| (1 + sum e)^-tau",
            where={tau: TAUS, **dict.fromkeys((d1, d2), (0.1, 0.9)), s: (0.1, 0.9)},
            method="50 digits",
        ),
        Step(
            "which e is worst",
            sp.Derivative(sp.log(weight), f),
            ((1 - tau) * f**2 + (1 + k) * f - tau * k) / ((k + f**2) * (1 + k + f)),
            "at a given sum |e| is largest with k entries 1 and one f in [0, 1]; the numerator changes sign at most "
            "once, from minus to plus, for tau <= 2: f is 0 or 1",
            where={tau: TAUS},
        ),
        Step(
            "attained",
            sp.Limit(rise, delta, 0, "+"),
            sp.sqrt(k) * (1 + k) ** -tau / rho,
            "k score differences of delta -> 0 that drop to 0, the others far above",
            where={tau: TAUS},
        ),
    ]


def linear() -> list[Step]:
    """The largest length of D u on the unit circle."""
    a, b, c, angle = sp.symbols("a b c angle", real=True)
    half = sp.sqrt(((a - c) / 2) ** 2 + b**2)
    eigenvalue = (a + c) / 2 + half
    return [
        Step(
            "on the circle",
            sp.expand_trig(a * sp.cos(angle) ** 2 + 2 * b * sp.cos(angle) * sp.sin(angle) + c * sp.sin(angle) ** 2),
            sp.expand_trig((a + c) / 2 + (a - c) / 2 * sp.cos(2 * angle) + b * sp.sin(2 * angle)),
            "|D u|^2 with D^T D = [[a, b], [b, c]]: at most (a+c)/2 + sqrt(((a-c)/2)^2 + b^2) by Cauchy-Schwarz",
        ),
        Step(
            "largest singular value",
            eigenvalue**2 - (a + c) * eigenvalue + a * c - b**2,
            sp.S.Zero,
            "which is an eigenvalue of D^T D",
        ),
    ]


def naive() -> list[Step]:
    """Regret of a score that ties, under the adversarial comp-sum loss, for two classes."""
    return [
        Step(
            "tie of two classes",
            phi(sp.S.One) - infimum_below_two([beta, 1 - beta]),
            transforms.power_transform(2).subs(beta, 2 * beta - 1),
            "a ball with margins of either sign, or 0, costs Phi(1) at least; its adversarial zero-one regret is "
            "beta = p_1 >= 1/2",
            where={tau: BELOW_TWO, beta: (0.55, 0.95)},
            method="50 digits",
        ),
    ]
