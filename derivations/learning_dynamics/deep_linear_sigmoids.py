r"""Deep linear networks under gradient flow: every mode of an aligned start learns by itself, along a sigmoid.

Model
    Loss (1/2)|A - W_n ... W_1|_F^2 (whitened inputs), A = sum_i s_i u_i v_i^T, flow dW_l/dt = -dL/dW_l; aligned start
    W_l(0) = R_{l+1} diag(w_l) R_l^T with orthogonal R, R_1 = V, R_{n+1} = U. u is the product of a mode's n layers.
Result
    The modes decouple. From equal layers du/dt = n u^(2 - 2/n) (s - u), so that with y = (u/s)^(1/n)

        t(u) = s^(2/n - 2) [y^(2-n)/(2-n) + (y^2/2) 2F1(1, 2/n; 1 + 2/n; y^n)]  between y_0 and y,

    the logistic function for n = 2, exponential relaxation for n = 1; for n -> infinity with time in units of 1/n,
    t(u) = (1/s^2) log(u (s - u_0)/(u_0 (s - u))) + 1/(s u_0) - 1/(s u). Unequal layers, n = 2: `mode_ode`.
    From any start W_l W_l^T - W_{l+1}^T W_{l+1} is conserved, for every l. A step eta of gradient descent changes it by
    exactly eta^2 (G_l G_l^T - G_{l+1}^T G_{l+1}), G = -dL/dW, and descent converges for eta < 2/(n s^(2 - 2/n)).
    Two layers of small independent Gaussian weights of deviation sigma, h units between: the mode starts, in effect, at
    u_0 = |a + b|^2/4 with a, b its two layers, of the law of sigma^2 chi^2_h/2: half of it is learned after
    log(s/u_0 - 1)/(2s), whose distribution is an incomplete gamma function.
Assumptions
    Small starts: in the limit sigma -> 0; corrections are of order sigma^2.
Source
    Saxe, McClelland and Ganguli, arXiv:1312.6120v3, sections 1 and 3 and appendices A and D.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp
from scipy.special import gammaincc

from theorylab.derivation import Derivation, Step
from theorylab.derivations.learning_dynamics import mode_ode
from theorylab.errors import DomainError
from theorylab.parameters import Constraint, Integers, Parameter, Space
from theorylab.prediction import ClosedForm, Numerical, PredictionError

LAYERS = Parameter("n", Integers(2), "layers of weights")
DEPTH = Parameter("n", Integers(1), "layers of weights")
START = Parameter("u0", mode_ode.POSITIVE, "strength of the mode at the start, the product of the layers")
STRENGTH = Parameter("u", mode_ode.POSITIVE, "strength of the mode, the product of the layers")
UNITS = Parameter("h", Integers(1), "units between the two layers")
DEVIATION = Parameter("sigma", mode_ode.POSITIVE, "standard deviation of the weights at the start")
MOMENT = Parameter("x", mode_ode.POSITIVE, "time", default=1.0)
TIME, TARGET = mode_ode.TIME, mode_ode.TARGET
n, u0, u, h, sigma, x = (p.symbol for p in (LAYERS, START, STRENGTH, UNITS, DEVIATION, MOMENT))
t, s = mode_ode.t, mode_ode.s

CONVENTIONS = {
    "loss": "(1/2)|A - W_n ... W_1|_F^2, gradient flow with time constant 1",
    "u": "product of the strengths of ALL layers; all equal at the start",
}
SOURCE = "Saxe, McClelland and Ganguli (2013), sections 1 and 3"
GROWS = Constraint(u0 < s, "the mode starts below its target")
# Gauss-Legendre rule on panels of unit length in the logit of u/s, whose poles are at a distance of pi.
SATURATED = 40.0
NODES, WEIGHTS = np.polynomial.legendre.leggauss(14)


def _antiderivative(y: Any, n: Any) -> sp.Expr:
    """Of y^(1-n)/(1 - y^n)."""
    return y ** (2 - n) / (2 - n) + y**2 / 2 * sp.hyper([1, 2 / n], [1 + 2 / n], y**n)


def deep_time(u: Any, n: Any, s: Any, u0: Any) -> sp.Expr:
    """The time t(u) of n equal layers."""
    now, then = (u / s) ** (1 / n), (u0 / s) ** (1 / n)
    general = s ** (2 / n - 2) * (_antiderivative(now, n) - _antiderivative(then, n))
    return sp.Piecewise((sp.log(u * (s - u0) / (u0 * (s - u))) / (2 * s), sp.Eq(n, 2)), (general, True))


def _travelled(u: Any, s: Any, u0: Any) -> Any:
    """Change of the logit of u/s on the way from u0."""
    return np.log1p(s * (u - u0) / (u0 * (s - u)))


def _time_of_travel(path: Any, n: Any, s: Any, u0: Any) -> np.ndarray:
    r"""Time in which the logit grows by `path`: (1/(n s)) times the integral of u^(2/n - 1) over the logit."""
    path, n, s, u0 = np.broadcast_arrays(*(np.asarray(a, dtype=float) for a in (path, n, s, u0)))
    # Beyond a logit of 40 the strength is s to the last digit.
    near = np.clip(SATURATED - np.log(u0 / (s - u0)), 0.0, path)
    panels = max(1, math.ceil(float(np.max(near, initial=0.0))))
    place = (np.arange(panels)[:, None] + 0.5 * (NODES + 1.0)).ravel() / panels
    weight = np.tile(0.5 * WEIGHTS, panels) / panels
    # u = s u0 / (u0 + (s - u0) exp(-logit travelled)): no digits are lost near either end.
    left = np.exp(-near[..., None] * place)
    strength = (s * u0)[..., None] / (u0[..., None] + (s - u0)[..., None] * left)
    moving = near * (strength ** (2.0 / n - 1.0)[..., None] @ weight)
    return np.asarray((moving + (path - near) * s ** (2.0 / n - 1.0)) / (n * s))


def _strength(*, t: Any, n: Any, s: Any, u0: Any) -> tuple[np.ndarray, np.ndarray]:
    """u(t) by inverting t(u) in the logit travelled; the error from the residual in time."""
    from scipy.optimize import elementwise

    t, n, s, u0 = np.broadcast_arrays(*(np.asarray(a, dtype=float) for a in (t, n, s, u0)))
    # Never faster than the rate n s^(2 - 2/n) of the end.
    high = 1.000001 * n * s ** (2.0 - 2.0 / n) * t + 1e-300
    found = elementwise.find_root(
        lambda path, t, n, s, u0: _time_of_travel(path, n, s, u0) - t,
        (0.0 * t, high),
        args=(t, n, s, u0),
        tolerances={"xrtol": 4e-16, "xatol": 0.0, "frtol": 0.0, "fatol": 0.0},
    )
    if not np.all(found.success | (t == 0.0)):
        raise PredictionError(f"t(u) = t has not been inverted at {int(np.sum(~found.success))} of {t.size} times")
    path = np.where(t == 0.0, 0.0, found.x)
    u = s * u0 / (u0 + (s - u0) * np.exp(-path))
    missed = np.abs(_time_of_travel(path, n, s, u0) - t)
    return np.asarray(u), np.asarray(n * u ** (2.0 - 2.0 / n) * (s - u) * missed + 1e-14 * u)


def _aligned_steps() -> list[Step]:
    w, c = sp.symbols("w c", positive=True)
    depth = sp.Symbol("n", integer=True, positive=True)
    mode = sp.Symbol("m", positive=True)
    one = s - mode**depth
    first, second, third = (sp.diag(*sp.symbols(f"{name}1:3", positive=True)) for name in "abd")
    target = sp.diag(*sp.symbols("s1:3", positive=True))
    away = target - third * second * first
    return [
        Step(
            "aligned layers stay aligned",
            sum((third * away * first)[i, j] for i in range(2) for j in range(2) if i != j),
            sp.S.Zero,
            "dW_l/dt = W_{l+1}^T .. W_n^T (A - W_n .. W_1) W_1^T .. W_{l-1}^T is diagonal in the same bases "
            "(shown for three layers of two modes)",
        ),
        Step(
            "one layer of one mode",
            -((one**2 / 2).diff(mode)) / depth,
            mode ** (depth - 1) * one,
            "dm/dt = m^(n-1) (s - m^n) for each of n equal layers m: of -dL/dm each layer has its part 1/n",
        ),
        Step(
            "their product",
            depth * mode ** (depth - 1) * (mode ** (depth - 1) * one),
            (depth * w ** (2 - 2 / depth) * (s - w)).subs(w, mode**depth),
            "du/dt = n m^(n-1) dm/dt",
            where={mode: (0.2, 0.9), depth: [2, 3, 5, 20]},
            method="50 digits",
        ),
        Step(
            "the substitution u = s y^n",
            (c**depth * s).diff(c) / (depth * (s * c**depth) ** (2 - 2 / depth) * (s - s * c**depth)),
            s ** (2 / depth - 2) * c ** (1 - depth) / (1 - c**depth),
            "dt = du / rate",
            where={c: (0.2, 0.9), depth: [1, 2, 3, 5, 20]},
            method="50 digits",
        ),
    ]


def _time_steps() -> list[Step]:
    y = sp.Symbol("y", positive=True)
    w, r = sp.Function("w"), sp.Symbol("r", positive=True)
    relaxed = sp.dsolve(sp.Eq(w(r).diff(r), s - w(r)), w(r), ics={w(0): u0})
    ranges = {y: (0.2, 0.9)}
    infinite = _infinite(u, s, u0)
    return [
        *_aligned_steps(),
        *(
            Step(
                f"antiderivative, {depth} layers",
                sp.Derivative(_antiderivative(y, sp.Integer(depth)), y),
                y ** (1 - depth) / (1 - y**depth),
                "y^(1-n)/(1 - y^n) = y^(1-n) + y/(1 - y^n), the second by its geometric series",
                where=ranges,
                method="50 digits",
            )
            for depth in (1, 3, 20)
        ),
        Step(
            "two layers",
            sp.Derivative(sp.log(y / sp.sqrt(1 - y**2)), y),
            1 / (y * (1 - y**2)),
            "y = (u/s)^(1/2): the inverse of the logistic function",
        ),
        Step(
            "one layer",
            _antiderivative(y, sp.Integer(1)),
            -sp.log(1 - y),
            "exponential relaxation",
            where=ranges,
            method="50 digits",
        ),
        Step(
            "one layer, by time",
            relaxed.rhs,
            s + (u0 - s) * sp.exp(-r),
            "dsolve of du/dt = s - u",
        ),
        Step(
            "infinitely many layers",
            infinite.diff(u),
            1 / (u**2 * (s - u)),
            "du/d(n t) = u^(2 - 2/n) (s - u) at n = infinity",
        ),
        Step("from the start", infinite.subs(u, u0), sp.S.Zero, "t(u_0) = 0"),
    ]


def _infinite(u: Any, s: Any, u0: Any) -> sp.Expr:
    return sp.log(u * (s - u0) / (u0 * (s - u))) / s**2 + 1 / (s * u0) - 1 / (s * u)


def _conservation_steps() -> list[Step]:
    above, error, below, lower, upper = sp.symbols("P E Q W_l W_{l+1}", commutative=False)
    eta = sp.Symbol("eta", positive=True)
    w1, w2, target = (sp.Matrix(2, 2, sp.symbols(f"{name}1:5")) for name in "abc")
    weights = sp.Matrix(2, 2, sp.symbols("k1:5"))
    loss = sum(e**2 for e in target - w2 * w1) / 2
    g1, g2 = (w.applyfunc(lambda e: -loss.diff(e)) for w in (w1, w2))
    drift = g1 * w1.T + w1 * g1.T - g2.T * w2 - w2.T * g2
    moved1, moved2 = w1 + eta * g1, w2 + eta * g2
    jump = (moved1 * moved1.T - moved2.T * moved2) - (w1 * w1.T - w2.T * w2)
    return [
        Step(
            "neighbouring layers",
            ((upper * above) * error * below) * lower,
            upper * (above * error * (below * lower)),
            "all symbols transposed: (dW_l/dt) W_l^T = W_{l+1}^T (dW_{l+1}/dt), because what is above layer l is what "
            "is above layer l + 1 times W_{l+1}; so W_l W_l^T and W_{l+1}^T W_{l+1} change alike, at any depth",
        ),
        Step(
            "two layers, entry by entry",
            sp.expand(sum((weights.T * drift).diagonal())),
            sp.S.Zero,
            "d/dt (W_1 W_1^T - W_2^T W_2) with the gradients of the loss (2 x 2, all entries free)",
        ),
        Step(
            "a step of gradient descent",
            sp.expand(sum((weights.T * jump).diagonal())),
            sp.expand(sum((weights.T * (eta**2 * (g1 * g1.T - g2.T * g2))).diagonal())),
            "the term of first order vanishes, the second is what is left",
        ),
    ]


def _stability_steps() -> list[Step]:
    depth = sp.Symbol("n", integer=True, positive=True)
    w = sp.Symbol("w", positive=True)
    rate = depth * w ** (2 - 2 / depth) * (s - w)
    return [
        *_aligned_steps(),
        Step("at the target", -rate.diff(w).subs(w, s), depth * s ** (2 - 2 / depth), "the rate at which s - u decays"),
    ]


def _small_steps() -> list[Step]:
    r, a, b, y = sp.symbols("r a b y", positive=True)
    order = sp.Symbol("m", positive=True)
    up, down = sp.Function("p"), sp.Function("q")
    system = [sp.Eq(up(r).diff(r), s * up(r)), sp.Eq(down(r).diff(r), -s * down(r))]
    grown, shrunk = (sp.dsolve(e, f(r), ics={f(0): v}).rhs for e, f, v in zip(system, (up, down), (a + b, a - b)))
    return [
        Step(
            "balanced layers",
            sp.Derivative(mode_ode.logistic(r, s, y), r),
            2 * mode_ode.logistic(r, s, y) * (s - mode_ode.logistic(r, s, y)),
            "du/dt = 2 u (s - u)",
        ),
        Step(
            "while small",
            sp.Limit((grown**2 - shrunk**2) / 4 * sp.exp(-2 * s * r), r, sp.oo),
            (a + b) ** 2 / 4,
            "da/dt = s b, db/dt = s a: a + b grows, a - b decays, and u = a . b; so the start counts as |a + b|^2/4, "
            "which is sigma^2 chi^2_h/2 for vectors of h independent normal entries",
        ),
        Step(
            "half of it",
            mode_ode.unbalanced_time(s / 2, s, sp.S.Zero, y),
            sp.log(s / y - 1) / (2 * s),
            "the logistic at s/2",
            where={y: (0.01, 0.2), s: (0.7, 2)},
            method="50 digits",
        ),
        Step(
            "distribution function",
            sp.Derivative(sp.uppergamma(order, a) / sp.gamma(order), a),
            -(a ** (order - 1)) * sp.exp(-a) / sp.gamma(order),
            "chi^2_h/2 is gamma distributed of order h/2; t < x means u_0 > s/(1 + exp(2 s x)) ~ s exp(-2 s x)",
        ),
    ]


_TIME = Derivation(SOURCE, _time_steps)
DEEP = Numerical(
    function=_strength,
    space=Space([TIME, LAYERS, TARGET, START], [GROWS]),
    quantity="strength of the mode",
    conventions=CONVENTIONS,
    derivation=_TIME,
    formula=r"u: \; \int_{u_0}^{u} \frac{dx}{n\, x^{2 - 2/n} (s - x)} = t",
)
DEEP_TIME = ClosedForm(
    expr=deep_time(u, DEPTH.symbol, s, u0),
    numeric=lambda *, u, n, s, u0: _time_of_travel(_travelled(u, s, u0), n, s, u0),
    space=Space(
        [STRENGTH, DEPTH, TARGET, START],
        [GROWS, Constraint((u >= u0) & (u < s), "the strength grows from u0 towards s")],
    ),
    quantity="time at which the mode has strength u",
    conventions=CONVENTIONS,
    derivation=_TIME,
    corners=(
        {"u": 0.5, "n": 20, "s": 1.0, "u0": 1e-8},
        {"u": 0.5 + 1e-9, "n": 3, "s": 1.0, "u0": 0.5},
        {"u": 1.0 - 1e-9, "n": 1, "s": 1.0, "u0": 0.5},
        {"u": 1.0 - 1e-9, "n": 7, "s": 1.0, "u0": 0.01},
    ),
)
INFINITE_TIME = ClosedForm(
    expr=_infinite(u, s, u0),
    numeric=lambda *, u, s, u0: _travelled(u, s, u0) / s**2 + (u - u0) / (s * u * u0),
    space=Space([STRENGTH, TARGET, START], DEEP_TIME.space.constraints),
    quantity="n times the time at which the mode has strength u, for infinitely many layers",
    conventions=CONVENTIONS,
    derivation=_TIME,
    corners=({"u": 0.5 + 1e-9, "s": 1.0, "u0": 0.5}, {"u": 1.0 - 1e-9, "s": 1.0, "u0": 1e-6}),
)
CRITICAL_RATE = ClosedForm(
    expr=2 / (n * s ** (2 - 2 / n)),
    space=Space([LAYERS, TARGET]),
    quantity="learning rate up to which gradient descent converges to a mode",
    conventions=CONVENTIONS,
    derivation=Derivation(SOURCE, _stability_steps),
)
CONSERVED = ClosedForm(
    expr=sp.S.Zero,
    space=Space([LAYERS]),
    quantity="relative change of W_l W_l^T - W_{l+1}^T W_{l+1}",
    conventions={"loss": CONVENTIONS["loss"], "start": "any, not aligned"},
    derivation=Derivation(SOURCE, _conservation_steps),
)
STEP_ORDER = ClosedForm(
    expr=sp.Integer(2),
    space=Space([LAYERS]),
    quantity="order in eta of what one step of gradient descent adds to W_l W_l^T - W_{l+1}^T W_{l+1}",
    conventions=CONSERVED.conventions,
    derivation=CONSERVED.derivation,
)
UNIT_TIME_ORDER = ClosedForm(
    expr=sp.Integer(1),
    space=Space([LAYERS]),
    quantity="order in eta of what gradient descent adds to W_l W_l^T - W_{l+1}^T W_{l+1} in a unit of time",
    conventions=CONSERVED.conventions,
    derivation=CONSERVED.derivation,
)
_SMALL = Derivation(SOURCE, _small_steps)
HALF_TIME = ClosedForm(
    expr=sp.log(s / u0 - 1) / (2 * s),
    space=Space([TARGET, START], [Constraint(2 * u0 < s, "half of the target is still to be reached")]),
    quantity="time at which half of the mode is learned, two layers",
    conventions=CONVENTIONS,
    derivation=_SMALL,
)
HALF_TIME_LAW = ClosedForm(
    expr=sp.uppergamma(h / sp.Integer(2), s * sp.exp(-2 * s * x) / sigma**2) / sp.gamma(h / sp.Integer(2)),
    numeric=lambda *, x, s, h, sigma: gammaincc(h / 2.0, s * np.exp(-2.0 * s * x) / sigma**2),
    space=Space([MOMENT, TARGET, UNITS, DEVIATION]),
    quantity="distribution function of the time at which half of the mode is learned",
    conventions={**CONVENTIONS, "start": "two layers of independent normal weights, sigma -> 0"},
    derivation=_SMALL,
)


@dataclass(frozen=True)
class Mode:
    """One mode from start to end: n equal layers, or two unequal ones.

    Parameters
    ----------
    layers
        Number n of layers; `math.inf` for the limit of many, with time in units of 1/n.
    target, start
        s, and the product of the layers at the start.
    gap
        k = |a^2 - b^2|, for two layers.

    Raises
    ------
    DomainError
        From the methods, outside the domain of the closed forms; here, for unequal layers other than two.
    """

    layers: float
    target: float
    start: float
    gap: float = 0.0

    def __post_init__(self) -> None:
        if self.gap and self.layers != 2:
            raise DomainError(
                f"unequal layers (gap = {self.gap:g}) have a closed form for two layers, not {self.layers:g}"
            )

    def rate(self, u: Any) -> np.ndarray:
        """du/dt at strength u."""
        u = np.asarray(u, dtype=float)
        if self.layers == 2:
            return np.asarray(np.hypot(self.gap, 2.0 * u) * (self.target - u))
        factor = 1.0 if math.isinf(self.layers) else self.layers
        return np.asarray(factor * u ** (2.0 - 2.0 / self.layers) * (self.target - u))

    def time(self, u: Any) -> np.ndarray:
        """Time at which the strength is u."""
        at = {"u": u, "s": self.target, "u0": self.start}
        if math.isinf(self.layers):
            return INFINITE_TIME(**at)
        return mode_ode.UNBALANCED_TIME(k=self.gap, **at) if self.layers == 2 else DEEP_TIME(n=self.layers, **at)

    def strength(self, t: Any) -> np.ndarray:
        """Strength at time t."""
        at = {"s": self.target, "u0": self.start}
        if self.layers == 1:
            return np.asarray(self.target + (self.start - self.target) * np.exp(-np.asarray(t, dtype=float)))
        if self.layers == 2:
            return mode_ode.UNBALANCED(t=t, k=self.gap, **at)
        # Infinitely many layers, as so many that 1/n is lost in rounding, do not change their time any more.
        if math.isinf(self.layers):
            many = 1e17
            return DEEP(t=np.asarray(t, dtype=float) / many, n=many, **at)
        return DEEP(t=t, n=self.layers, **at)


def mode(layers: float, target: float, start: float, gap: float = 0.0) -> Mode:
    """The mode of a deep linear network, with its rate, its time t(u) and its strength u(t)."""
    return Mode(layers, target, start, gap)
