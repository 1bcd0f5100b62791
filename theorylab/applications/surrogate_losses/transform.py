r"""The sharp transform of a margin loss of one's own: what its regret says about the zero-one regret.

$\psi(\theta)$ is the least surrogate regret at zero-one regret $\theta$, over all distributions and scores (of any
size, or bounded), $\Gamma = \psi^{-1}$ the largest zero-one regret that a surrogate regret leaves; regrets are taken
against the pointwise best scores, that is with the minimisability gaps of the hypotheses. A loss that is not
classification-calibrated is refused with its counterexample. The claims below `surrogate_losses/margin-loss-transforms`
say how well the machinery is verified.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from theorylab.application import Application, Quantity, Result
from theorylab.errors import UsageError
from theorylab.inputs import Formula
from theorylab.parameters import Interval, Parameter

if TYPE_CHECKING:
    import sympy as sp
    from matplotlib.figure import Figure

    from theorylab.derivations.surrogate_losses.margin_losses import Known
    from theorylab.derivations.surrogate_losses.margin_transform import Transform

# The words that stand for losses; a test holds them to those whose transforms are known.
NAMES = {
    "exponential": "exp(-z)",
    "logistic": "log(1 + exp(-z))",
    "hinge": "max(0, 1 - z)",
    "rho-margin": "min(1, max(0, 1 - z))",
    "squared-hinge": "max(0, 1 - z)**2",
    "squared": "(1 - z)**2",
    "sigmoid": "1/(1 + exp(z))",
    "savage": "1/(1 + exp(z))**2",
}
PARAMETERS = (
    Parameter("bound", Interval(0, 1000), "largest size |z| of a score; 0 for any", 0.0),
    Parameter("theta", Interval(0, 1, open_low=True), "zero-one regrets to give psi at", (0.1, 0.25, 0.5, 0.75, 1.0)),
    Parameter("regret", Interval(0, open_low=True), "surrogate regrets to give Gamma at", (1e-3, 1e-2, 0.1)),
)
# Scores at which a loss is compared with the known ones, and the largest difference that is rounding.
SAMPLES, SAME = np.linspace(-3.1, 3.3, 33), 1e-12
SHOWN = 4.0


@dataclass(frozen=True)
class Match:
    """A known loss of which the user's is a multiple, but for a constant."""

    known: Known
    factor: float

    def transform(self, theta: np.ndarray, bound: float) -> np.ndarray:
        """The closed form, float[...]."""
        if bound:
            return self.factor * self.known.prediction()(theta=theta, score_bound=bound)
        from theorylab.derivations.surrogate_losses.margin_losses import THETA
        from theorylab.symbolic import compile_expression

        return self.factor * np.asarray(compile_expression(self.known.free, [THETA.symbol])(theta))


def match(loss: Any) -> Match | None:
    """The known loss of which a loss is a positive multiple, but for a constant; None where there is none."""
    from theorylab.derivations.surrogate_losses.margin_losses import KNOWN
    from theorylab.derivations.surrogate_losses.margin_risk import MarginLoss, z
    from theorylab.expressions import parse

    values = loss(SAMPLES)
    for known in KNOWN.values():
        own = MarginLoss(parse(known.text, z))(SAMPLES)
        factor = float(np.ptp(values) / np.ptp(own))
        rest = values - factor * own
        if factor > 0 and np.ptp(rest) <= SAME * (1.0 + np.abs(values).max()):
            return Match(known, factor)
    return None


def study(expr: sp.Expr, *, bound: float, theta: Any, regret: Any) -> Result:
    """The application: see `PARAMETERS`."""
    from theorylab.derivations.surrogate_losses.margin_risk import MarginLoss
    from theorylab.derivations.surrogate_losses.margin_transform import sharp_transform

    if 0 < bound < 1e-3:
        raise UsageError(
            f"bound = {bound:g}: scores that small say nothing; at least 0.001, or 0 for scores of any size"
        )
    loss = MarginLoss(expr)
    transform = sharp_transform(loss, bound)
    theta, regret = np.atleast_1d(theta), np.atleast_1d(regret)
    quantities = []
    for name, at, (values, errors), meaning in (
        ("psi", theta, transform.psi(theta), "least surrogate regret at this zero-one regret"),
        ("Gamma", regret, transform.gamma(regret), "largest zero-one regret at this surrogate regret"),
    ):
        quantities += [
            Quantity(
                f"{name}({x:g})",
                float(value),
                (float(value - error), float(value + error)),
                f"{meaning}, +-{error:.0e}",
            )
            for x, value, error in zip(at, values, errors)
        ]
    quantities.append(Quantity("k", transform.exponent, None, "psi ~ theta^k at small theta: Gamma ~ regret^(1/k)"))
    found = match(loss)
    notes = [*_notes(transform), *([_compared(transform, found)] if found else [])]
    scores = f"scores |z| <= {bound:g}" if bound else "scores of any size"
    return Result(
        "surrogate_losses/transform",
        f"loss {loss}, classification-calibrated; {scores}",
        quantities,
        notes,
        {"transform": lambda: _figure(transform, found)},
        {"transform": transform, "match": found, "theta": transform.theta, "excess": transform.excess},
    )


def _notes(transform: Transform) -> list[str]:
    notes = [
        f"computed at {len(transform.theta)} values of theta and {2 * len(transform.risk.sizes) - 1} scores, refined; "
        f"largest error of the excess {transform.error.max():.1e}"
    ]
    bridges = transform.bridges
    if bridges:
        ranges = ", ".join(f"[{low:g}, {high:g}]" for low, high in bridges[:3]) + (", ..." if len(bridges) > 3 else "")
        notes.append(f"the excess at one input is not convex: psi is its hull, below it for theta in {ranges}")
    return notes


def _compared(transform: Transform, found: Match) -> str:
    """A note on the closed form and on how far the computed transform is from it."""
    import sympy as sp

    from theorylab.derivations.surrogate_losses.margin_losses import theta

    gap = np.abs(transform.excess - found.transform(transform.theta, transform.risk.bound)).max()
    times = "" if abs(found.factor - 1.0) < SAME else f"{found.factor:.6g} times "
    form = found.known.bounded if transform.risk.bound else found.known.free
    shown = "" if form.has(sp.Piecewise) else f", psi = {form.subs(theta, 'theta')}"
    return f"{times}the {found.known.name} loss{shown}: closed form and computation differ by at most {gap:.1e}"


def _figure(transform: Transform, found: Match | None) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 3.3), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    top = transform.risk.bound or SHOWN
    z = np.linspace(-top, top, 401)
    loss = transform.risk.loss
    left.plot(z, loss(z), color="k", label=r"$\phi(z)$")
    for eta, colour in ((0.6, "C0"), (0.8, "C1")):
        risk = eta * loss(z) + (1.0 - eta) * loss(-z)
        left.plot(z, risk, color=colour, label=rf"$C(\eta, z)$, $\eta = {eta:g}$")
        i = int(np.argmin(np.abs(transform.theta - (2.0 * eta - 1.0))))
        for score, marker in ((transform.wrong[i], "x"), (transform.right[i], "o")):
            if abs(score) <= top:
                at = np.array([score])
                left.plot(at, eta * loss(at) + (1.0 - eta) * loss(-at), marker, color=colour, ms=6, mfc="w")
    left.axvspan(-top, 0.0, color="0.94", lw=0, zorder=0)
    high = float(np.quantile(loss(z), 0.8))
    low = float(loss(z).min())
    left.set(
        xlabel="score $z$ (wrong sign shaded)", ylabel="conditional risk", ylim=(low - 0.05 * (high - low), 1.2 * high)
    )
    left.legend(frameon=False, fontsize=8)
    hull = transform.theta[transform.vertices], transform.excess[transform.vertices]
    if transform.bridges:
        middle.plot(transform.theta, transform.excess, color="0.6", lw=1.0, label=r"at one input, $\tilde\psi$")
    middle.plot(*hull, color="C0", label=r"sharp transform $\psi$")
    if found is not None:
        at = np.linspace(0.05, 1.0, 20)
        middle.plot(at, found.transform(at, transform.risk.bound), "o", ms=3.5, mfc="w", color="k", label="closed form")
    middle.set(xlabel=r"zero-one regret $\theta$", ylabel="surrogate regret", xlim=(0, 1), ylim=(0, None))
    middle.legend(frameon=False, fontsize=8)
    inside = hull[1] > 0
    right.loglog(hull[1][inside], hull[0][inside], color="C0", label=r"$\Gamma = \psi^{-1}$")
    steepness = transform.exponent
    reference = hull[1][inside]
    right.loglog(
        reference,
        hull[0][inside][0] * (reference / reference[0]) ** (1.0 / steepness),
        color="0.5",
        ls=":",
        label=rf"$\propto t^{{1/{steepness:.3g}}}$",
    )
    right.set(xlabel="surrogate regret $t$", ylabel="largest zero-one regret", ylim=(None, 1.3))
    right.legend(frameon=False, fontsize=8)
    return figure


transform = Application(
    "surrogate_losses/transform",
    "what the regret of a margin loss says about the zero-one regret",
    study,
    (Formula("LOSS", "z", "a margin loss, z = y h(x)", NAMES),),
    PARAMETERS,
    ("theta", "regret"),
)
