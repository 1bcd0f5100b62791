r"""Sharp transforms of named margin losses in closed form, over scores of any size and over bounded ones.

Model: binary labels, loss $\phi(z)$, posterior $\eta = (1+\theta)/2$, scores $|z| \le B$. For these losses a score of
the wrong sign does best at z = 0, and the risk falls from there to its minimum at $z^*(\theta)$, so that
$\psi(\theta) = \phi(0) - C(\eta, \min(z^*, B))$. (Not for the rho-margin loss: there the wrong sign does best at
$z = -\min(1, B)$, and both risks are lower by $(1-\eta) \min(1, B)$.)

- exponential $e^{-z}$: $1 - \sqrt{1-\theta^2}$; for $B < z^* = \operatorname{artanh}\theta$:
  $1 - \cosh B + \theta \sinh B$;
- logistic $\log(1+e^{-z})$: $\frac{1+\theta}2 \log(1+\theta) + \frac{1-\theta}2 \log(1-\theta)$; for
  $B < 2\operatorname{artanh}\theta$: $\theta B/2 - \log\cosh(B/2)$;
- hinge $(1-z)_+$ and rho-margin $\min(1, (1-z)_+)$: $\theta \min(1, B)$;
- squared hinge $(1-z)_+^2$ and squared $(1-z)^2$: $\theta^2$; for $B < \theta$: $B(2\theta - B)$;
- sigmoid $1/(1+e^z)$: $\theta \tanh(B/2)/2$;
- Savage $(1+e^z)^{-2}$: $\theta^2/4$; for $d = \tanh(B/2)/2 < \theta/2$: $d(\theta - d)$.

Sources: P. L. Bartlett, M. I. Jordan, J. D. McAuliffe, "Convexity, classification, and risk bounds", JASA 101 (2006),
section 2 (unbounded); P. Awasthi, A. Mao, M. Mohri, Y. Zhong, "H-consistency bounds for surrogate loss minimizers",
ICML 2022 (bounded linear hypotheses); Savage: H. Masnadi-Shirazi, N. Vasconcelos, NIPS 2008. The bounded forms in B
are derived here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.derivations.surrogate_losses import comp_sum_numerics as numerics
from theorylab.derivations.surrogate_losses.comp_sum_common import xlogx
from theorylab.derivations.surrogate_losses.margin_risk import MarginLoss, Risk, z
from theorylab.expressions import parse
from theorylab.parameters import Choices, Interval, Parameter, Space
from theorylab.prediction import ClosedForm, Numerical

BJM = "Bartlett, Jordan, McAuliffe, JASA 101 (2006), section 2"
THETA = Parameter("theta", Interval(0.0, 1.0), "zero-one regret, 2 eta - 1 at one input", default=0.5)
SCORE_BOUND = Parameter("score_bound", Interval(0.0, 100.0, open_low=True), "largest size |z| of a score", default=1.0)
CONVENTIONS = {
    "risk": "full expected loss, no factor 1/2",
    "logarithm": "natural",
    "ties": "a score of 0 is an error",
    "bound": "on the margin z, not on each of two scores",
}
theta, B = THETA.symbol, SCORE_BOUND.symbol
inner = sp.Symbol("theta", positive=True)
size = sp.Symbol("score_bound", positive=True)


@dataclass(frozen=True)
class Known:
    """A margin loss whose transform is known.

    Parameters
    ----------
    name, text
        What it is called, and the loss as a user types it.
    near
        The loss where its risk falls to its minimum, |z| <= z*: without Min and Max.
    best
        z*(theta), or None when the risk falls for ever.
    free, clipped, least
        The transform of scores of any size, that of scores bounded below z*, and the bound from which it is free.
    numeric
        Double precision (theta, score_bound), where the plain expressions lose digits.
    """

    name: str
    text: str
    near: sp.Expr
    best: sp.Expr | None
    free: sp.Expr
    clipped: sp.Expr
    least: sp.Expr | None
    numeric: Callable[..., Any] | None = None

    @property
    def bounded(self) -> sp.Expr:
        """The transform of bounded scores."""
        if self.least is None:
            return self.clipped
        return sp.Piecewise((self.free, self.least <= B), (self.clipped, True))

    def prediction(self) -> ClosedForm:
        """The transform of bounded scores as a prediction."""
        return ClosedForm(
            expr=self.bounded,
            numeric=self.numeric,
            space=Space([THETA, SCORE_BOUND]),
            quantity=f"least {self.name} regret of a score of the wrong sign",
            conventions=CONVENTIONS,
            derivation=Derivation(f"{BJM}; bounded scores derived here", self.steps),
            corners=tuple(
                {"theta": x, "score_bound": y}
                for x in (0.0, 1e-9, 1e-3, 0.5, 1.0 - 1e-9, 1.0)
                for y in (1e-6, 0.3, 1.0, 2.0, 50.0)
            ),
        )

    def steps(self) -> list[Step]:
        """The minimum of the conditional risk, free and at the bound."""
        eta = (1 + inner) / 2
        risk = eta * self.near + (1 - eta) * self.near.subs(z, -z)
        where = {inner: (0.05, 0.95), size: (0.05, 0.95)}
        free, clipped = (e.xreplace({theta: inner, B: size}) for e in (self.free, self.clipped))
        out = [
            Step(
                "at the bound",
                self.near.subs(z, 0) - risk.subs(z, size),
                clipped.subs(sp.Min(1, size), size),
                "the wrong sign does best at z = 0; the right sign at the largest score, where the risk still falls",
                where=where,
                method="50 digits",
            )
        ]
        if self.best is None:
            out.append(
                Step("any score", sp.Limit(clipped, size, sp.oo), free, "the risk falls for ever", where=where)
                if not clipped.has(sp.Min)
                else Step("any score", clipped.subs(size, 1), free, "beyond z = 1 the risk falls no more")
            )
            return out
        best = self.best.xreplace({theta: inner})
        out.append(
            Step(
                "stationary",
                sp.diff(risk, z).subs(z, best),
                sp.S.Zero,
                "the risk has its minimum at z*",
                where=where,
                method="50 digits",
            )
        )
        out.append(
            Step(
                "any score",
                self.near.subs(z, 0) - risk.subs(z, best),
                free,
                "substitute z*",
                where=where,
                method="50 digits",
            )
        )
        return out


def _exponential(theta: Any, score_bound: Any) -> np.ndarray:
    half = np.asarray(score_bound) / 2.0
    free = theta**2 / (1.0 + np.sqrt((1.0 - theta) * (1.0 + theta)))
    with np.errstate(over="ignore"):
        clipped = 2.0 * np.sinh(half) * (theta * np.cosh(half) - np.sinh(half))
    return np.asarray(np.where(theta <= np.tanh(score_bound), free, clipped))


def _logistic(theta: Any, score_bound: Any) -> np.ndarray:
    half = np.asarray(score_bound) / 2.0
    # log cosh, for small and for large arguments.
    small = np.log1p(2.0 * np.sinh(np.minimum(half, 1.0) / 2.0) ** 2)
    large = half - np.log(2.0) + np.log1p(np.exp(-2.0 * half))
    clipped = theta * half - np.where(half < 1.0, small, large)
    return np.asarray(np.where(theta <= np.tanh(half), numerics.power_transform(1.0, theta, 2.0), clipped))


def _savage(theta: Any, score_bound: Any) -> np.ndarray:
    d = np.tanh(np.asarray(score_bound) / 2.0) / 2.0
    return np.asarray(np.where(theta <= 2.0 * d, theta**2 / 4.0, d * (theta - d)))


def _squared(theta: Any, score_bound: Any) -> np.ndarray:
    return np.asarray(np.where(theta <= score_bound, theta**2, score_bound * (2.0 * theta - score_bound)))


_tanh = sp.tanh(B / 2)
KNOWN = {
    known.name: known
    for known in (
        Known(
            "exponential",
            "exp(-z)",
            sp.exp(-z),
            sp.atanh(theta),
            1 - sp.sqrt(1 - theta**2),
            1 - sp.cosh(B) + theta * sp.sinh(B),
            sp.atanh(theta),
            _exponential,
        ),
        Known(
            "logistic",
            "log(1 + exp(-z))",
            sp.log(1 + sp.exp(-z)),
            2 * sp.atanh(theta),
            (xlogx(1 + theta) + xlogx(1 - theta)) / 2,
            theta * B / 2 - sp.log(sp.cosh(B / 2)),
            2 * sp.atanh(theta),
            _logistic,
        ),
        Known("hinge", "max(0, 1 - z)", 1 - z, None, theta, theta * sp.Min(1, B), None),
        Known("rho-margin", "min(1, max(0, 1 - z))", 1 - z, None, theta, theta * sp.Min(1, B), None),
        Known("squared-hinge", "max(0, 1 - z)**2", (1 - z) ** 2, theta, theta**2, B * (2 * theta - B), theta, _squared),
        Known("squared", "(1 - z)**2", (1 - z) ** 2, theta, theta**2, B * (2 * theta - B), theta, _squared),
        Known("sigmoid", "1/(1 + exp(z))", 1 / (1 + sp.exp(z)), None, theta / 2, theta * _tanh / 2, None),
        Known(
            "savage",
            "1/(1 + exp(z))**2",
            (1 + sp.exp(z)) ** -2,
            2 * sp.atanh(theta),
            theta**2 / 4,
            _tanh / 2 * (theta - _tanh / 2),
            2 * sp.atanh(theta),
            _savage,
        ),
    )
}
# The bare words, for simulations that take one.
LOSS = Parameter("loss", Choices(tuple(KNOWN)), "the margin loss", default="logistic")


def computed(name: str) -> Numerical:
    """The transform of bounded scores of a known loss, computed from its conditional risk as that of any other loss."""

    def function(theta: Any, score_bound: Any) -> tuple[Any, Any]:
        shape = np.broadcast_shapes(np.shape(theta), np.shape(score_bound))
        pairs = zip(np.broadcast_to(theta, shape).flat, np.broadcast_to(score_bound, shape).flat)
        found = [Risk(loss, float(b)).excess(np.array([x]))[:2] for x, b in pairs]
        value, error = (np.array([part[i][0] for part in found]).reshape(shape) for i in (0, 1))
        return value, error

    known = KNOWN[name]
    loss = MarginLoss(parse(known.text, z))
    right = known.prediction()
    return Numerical(
        function=function,
        formula=r"\inf_{-B \le z \le 0} C(\eta, z) - \inf_{|z| \le B} C(\eta, z)",
        space=right.space,
        quantity=right.quantity,
        conventions=CONVENTIONS,
    )
