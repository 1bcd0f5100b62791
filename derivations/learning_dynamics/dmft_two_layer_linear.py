r"""Two-layer linear networks in the mean-field parametrisation: kernels that evolve, in closed form.

Model
    $h_i^\mu = w_i \cdot x^\mu / \sqrt D$, $f_\mu = \frac{1}{\gamma N} \sum_i a_i h_i^\mu$, weights N(0, 1), loss
    $\frac12 \sum_\mu (y_\mu - f_\mu)^2$; gradient flow, or descent with learning rate $\eta$, in units of $\gamma^2 N$
    for every parameter, so that $df/dt = O(1)$. $K_{\mu\nu} = x^\mu \cdot x^\nu / D$. $\gamma \to 0$ is lazy, large
    $\gamma$ rich.
Result
    $H = \frac1N \sum_i h_i h_i^T$, $G = \frac1N \sum_i a_i^2$ and $c = \gamma f$ obey equations of their own at any
    width (`two_layer_kernels`); width enters by their initial values alone, which are K, 1 and 0 at infinite width. The
    tangent kernel is $H + G K$. On whitened data, K = I, only the direction of the targets learns. There, with
    $f = \varphi\, y/|y|$, $A = \gamma |y|$, $B = \sqrt{1 + A^2}$, $\tau = \tanh(B t)$,

        $\dot\varphi = 2 \sqrt{1 + \gamma^2 \varphi^2}\, (|y| - \varphi)$, $G = H_{yy} = \sqrt{1 + \gamma^2 \varphi^2}$,
        $|y| - \varphi = |y| B^2 / (A^2 + \cosh 2 B t + B \sinh 2 B t)$,

    since $1/(|y| - \varphi)$ obeys a linear equation. From any $S = H_{yy} + G$ and $c = \gamma f$ at the start, with
    $R^2 = S^2 - 4 c^2 + 4 A^2$,

        $|y| - f = (|y| - f_0) R^2 / (4 A (A - c) + (S^2 - 4 c^2 + 4 A c) \cosh R t + R S \sinh R t)$,

    from which the finite width follows by the delta method: with Var S = 4/N and Var c = 1/N, the mean of f is
    $\varphi + \frac1N (2 \partial_S^2 + \frac12 \partial_c^2) f$ and its variance
    $\frac1N (4 (\partial_S f)^2 + (\partial_c f)^2)$ to leading order.
Assumptions
    Full batch; Gaussian initial weights. $f(0)$ has covariance $K/(\gamma^2 N)$ at any width, and is normal in the
    limit.
Source
    Bordelon and Pehlevan, arXiv:2205.09653v3, section 4.1 and appendix F. The closed forms in t, and those of finite
    width, as derived here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp
from scipy import special

from theorylab.derivation import Derivation
from theorylab.derivations.learning_dynamics import dmft_two_layer_linear_steps as steps
from theorylab.derivations.learning_dynamics import mode_ode
from theorylab.derivations.learning_dynamics import two_layer_kernels as maps
from theorylab.derivations.learning_dynamics.jets import Jet
from theorylab.parameters import Integers, Interval, Observed, Parameter, Space
from theorylab.prediction import ClosedForm, Numerical

POSITIVE = Interval(0.0, 100.0, open_low=True)
GAMMA = Parameter("gamma", POSITIVE, "richness: 0 is lazy training")
TARGET = Parameter("y", POSITIVE, "length |y| of the targets")
TIME = Parameter("t", Interval(0.0), "time of gradient flow")
UPDATES = Parameter("t", Integers(0), "updates of gradient descent")
RATE = Parameter("eta", Interval(0.0, open_low=True), "learning rate in units of gamma^2 N")
WIDTH = Parameter("N", Integers(2), "width")
PATTERNS = Parameter("P", Integers(1), "patterns")
FRACTION = Parameter("fraction", Interval(0.0, 1.0, True, True), "part of the target that has been learned")
RHO = Parameter("rho", Interval(-1.0, 1.0), "correlation K_12 of two patterns")
OUTPUT_AT = Parameter("x", Interval(), "output")
GRAM = Parameter("gram", Observed("Gram matrix of the inputs over their dimension, float[P, P]"), "Gram matrix")
TARGETS = Parameter("targets", Observed("targets, float[P]"), "targets")
FIELDS = Parameter("fields", Observed("mean of h h^T over neurons before training, float[P, P]"), "fields")
READOUT = Parameter("readout", Observed("mean of a^2 over neurons before training, float"), "readout")
OVERLAP = Parameter("overlap", Observed("mean of a h over neurons before training, float[P]"), "overlap")
TOTAL = Parameter("total", Observed("H + G before training, float"), "tangent kernel at the start")
BEFORE = Parameter("neurons_before", Observed("|a_1 a_2 - h_1^T K^-1 h_2| before training, float"), "invariant")

gamma, y, t, N, fraction, rho, x = (p.symbol for p in (GAMMA, TARGET, TIME, WIDTH, FRACTION, RHO, OUTPUT_AT))
CONVENTIONS = {
    "loss": "half squared error, summed over patterns",
    "rate": "eta gamma^2 N for every parameter; f carries 1/(gamma N)",
    "t": "t = 0 is before training",
}
SOURCE = "Bordelon and Pehlevan (2022), section 4.1"
FLOW = Space([GAMMA, TARGET, TIME])
_NEURONS = Derivation(SOURCE, steps.from_neurons)
_CLOSED = Derivation(SOURCE, lambda: [*steps.whitened(), *steps.closed()])
_BEFORE = Derivation("Isserlis' theorem", steps.before_training)
_CORNERS = tuple({"gamma": g, "y": 1.3, "t": t} for g in (1e-9, 0.5, 100.0) for t in (0.0, 1e-9, 0.3, 40.0))


def _closed(quantity: str, expr: sp.Expr, space: Space, **more: Any) -> ClosedForm:
    options = {"derivation": _CLOSED, "rtol": 1e-11, **more}
    return ClosedForm(expr=expr, space=space, quantity=quantity, conventions=CONVENTIONS, **options)


def _tangent_numeric(*, gamma: Any, y: Any, t: Any) -> Any:
    return 2.0 * np.hypot(1.0, gamma * OUTPUT(gamma=gamma, y=y, t=t))


_CORNERS = tuple({"gamma": g, "y": 1.3, "t": t} for g in (1e-9, 0.5, 100.0) for t in (0.0, 1e-9, 0.3, 40.0))
output = steps.output(gamma, y, t)


def _readout_numeric(*, gamma: Any, y: Any, t: Any) -> Any:
    return np.hypot(1.0, gamma * OUTPUT(gamma=gamma, y=y, t=t))


def _time_numeric(*, gamma: Any, y: Any, fraction: Any) -> Any:
    a, b = gamma * y, np.hypot(1.0, gamma * y)
    above = b * b * (fraction / (1.0 - fraction))
    # The level is 1 + above, the root at fraction 0 is b.
    gained = above * (1.0 + (2.0 + above) / (np.hypot(1.0 + above, a) + b))
    return np.log1p(gained / (1.0 + b)) / (2.0 * b)


OUTPUT = _closed("output phi along the targets", output, FLOW, corners=_CORNERS)
READOUT_KERNEL = _closed(
    "mean squared readout G, and mean squared field H along the targets",
    sp.sqrt(1 + gamma**2 * output**2),
    FLOW,
    numeric=_readout_numeric,
    corners=_CORNERS,
)
FINAL = _closed("final kernel, G and H along the targets", sp.sqrt(1 + gamma**2 * y**2), Space([GAMMA, TARGET]))
LAZY = _closed(
    "output of lazy training",
    y * (1 - sp.exp(-2 * t)),
    Space([TARGET, TIME]),
    numeric=lambda *, y, t: -y * np.expm1(-2.0 * t),
)
TIME_TO_REACH = _closed(
    "time at which a fraction of the target is learned",
    steps.time_to_reach(gamma, y, fraction),
    Space([GAMMA, TARGET, FRACTION]),
    numeric=_time_numeric,
    corners=tuple({"gamma": g, "y": 1.3, "fraction": q} for g in (1e-9, 0.5, 100.0) for q in (1e-9, 0.5, 1 - 1e-9)),
)
_B, _P = sp.sqrt(1 + gamma**2 * y**2), PATTERNS.symbol
ALIGNMENT = _closed(
    "alignment of the final tangent kernel with the targets",
    2 * _B / sp.sqrt(4 * _B**2 + (_P - 1) * (1 + _B) ** 2),
    Space([GAMMA, TARGET, PATTERNS]),
)
TRACE = _closed("mean of G - tr(K^-1 H)", 1 - _P, Space([PATTERNS]), derivation=_NEURONS)
NORMAL = _closed(
    "distribution of f_1 before training, K_11 = 1",
    sp.erfc(-x * gamma * sp.sqrt(N / 2)) / 2,
    Space([GAMMA, WIDTH, OUTPUT_AT]),
    numeric=lambda *, gamma, N, x: special.ndtr(x * gamma * np.sqrt(N)),
    derivation=_BEFORE,
)


def _numerical(quantity: str, function: Callable[..., Any], parameters: list[Parameter], **more: Any) -> Numerical:
    options = {"derivation": _NEURONS, **more}
    return Numerical(function=function, space=Space(parameters), quantity=quantity, conventions=CONVENTIONS, **options)


def _exact(function: Callable[..., Any]) -> Callable[..., Any]:
    """A formula without cancellation as a function that returns its rounding errors too."""

    def with_error(**at: Any) -> tuple[Any, Any]:
        value = function(**at)
        return value, 4.0 * np.spacing(np.abs(value))

    return with_error


INITIAL_OUTPUTS = _numerical(
    "means of f_1^2 and f_1 f_2 before training, K_11 = 1 and K_12 = rho",
    _exact(lambda *, gamma, N, rho: np.stack([1.0 / (gamma**2 * N), rho / (gamma**2 * N)], axis=-1)),
    [GAMMA, WIDTH, RHO],
    derivation=_BEFORE,
    formula=r"E f_\mu f_\nu = K_{\mu\nu} / (\gamma^2 N)",
)
INITIAL_KERNELS = _numerical(
    "variances of H_11, H_12 and G before training, K_11 = K_22 = 1 and K_12 = rho",
    _exact(lambda *, N, rho: np.stack([2.0 / N, (1.0 + rho**2) / N, 2.0 / N], axis=-1)),
    [WIDTH, RHO],
    derivation=_BEFORE,
    formula=r"\mathrm{Var} H_{\mu\nu} = (K_{\mu\mu} K_{\nu\nu} + K_{\mu\nu}^2)/N, \quad \mathrm{Var}\,G = 2/N",
)
CONSERVED = _numerical(
    "size of a_i a_j - h_i^T K^-1 h_j of two neurons",
    _exact(lambda *, t, neurons_before: neurons_before[:, None] * np.ones(np.size(t))),
    [TIME, BEFORE],
    formula=r"\frac{d}{dt} (a_i a_j - h_i^T K^{-1} h_j) = 0",
)


def _from_start(*, gamma: Any, y: Any, t: Any, total: Any, overlap: Any) -> Any:
    k = np.sqrt(total**2 - 4.0 * overlap**2)
    return mode_ode.unbalanced_numeric(t=t, s=gamma * y, k=k[:, None], u0=overlap[:, None]) / gamma


def _rounded(function: Callable[..., Any]) -> Callable[..., Any]:
    """A formula as a function that returns its errors too, from its value in extended precision."""

    def with_error(**at: Any) -> tuple[Any, Any]:
        long = function(**{k: np.asarray(v, dtype=np.longdouble) for k, v in at.items()})
        value = function(**at)
        return value, np.abs((long - value).astype(float)) + np.spacing(np.abs(value))

    return with_error


def derivatives(gamma: Any, y: Any, t: Any) -> tuple[Jet, Jet]:
    """f(t) at infinite width with its derivatives in S and in c."""
    one = np.ones_like(gamma * y * t)
    S, c = Jet(2.0 * one, one, 0.0 * one), Jet(0.0 * one, one, 0.0 * one)
    fixed = Jet(2.0 * one, 0.0 * one, 0.0 * one), Jet(0.0 * one, 0.0 * one, 0.0 * one)
    return _start(gamma, y, t, S, fixed[1]), _start(gamma, y, t, fixed[0], c)


def _start(gamma: Any, y: Any, t: Any, S: Jet, c: Jet) -> Jet:
    """`steps.given_start`."""
    a = gamma * y
    square = S * S - c * c * 4.0
    length = (square + 4.0 * a * a).sqrt()
    tau = (length * (t / 2.0)).tanh()
    gained = tau * ((square + c * (4.0 * a)) * tau + length * S) * 2.0
    part = gained / (length * length * (tau * tau * -1.0 + 1.0) + gained)
    found: Jet = c * (1.0 / gamma) + (c * (-1.0 / gamma) + y) * part
    return found


def _bias(*, gamma: Any, y: Any, t: Any) -> Any:
    s, c = derivatives(gamma, y, t)
    return 2.0 * s.second + 0.5 * c.second


def _variance(*, gamma: Any, y: Any, t: Any) -> Any:
    s, c = derivatives(gamma, y, t)
    return 4.0 * s.first**2 + c.first**2


GIVEN_START = _numerical(
    "output at the kernels of one network before training, K = 1",
    _exact(_from_start),
    [GAMMA, TARGET, TIME, TOTAL, OVERLAP],
    derivation=_CLOSED,
    formula=r"|y| - f = (|y| - f_0) R^2 / (4A(A - c) + (S^2 - 4c^2 + 4Ac)\cosh Rt + R S \sinh Rt)",
)
BIAS = _numerical(
    "N (E f - phi) for large width, K = 1",
    _rounded(_bias),
    [GAMMA, TARGET, TIME],
    derivation=_CLOSED,
    formula=r"(2 \partial_S^2 + \frac12 \partial_c^2) f",
)
VARIANCE = _numerical(
    "N Var f for large width, K = 1",
    _rounded(_variance),
    [GAMMA, TARGET, TIME],
    derivation=_CLOSED,
    formula=r"4 (\partial_S f)^2 + (\partial_c f)^2",
)


def _descended(which: str, start: Callable[..., maps.Kernels]) -> Callable[..., Any]:
    def function(*, gamma: Any, eta: Any, t: Any, gram: Any, targets: Any, **given: Any) -> tuple[Any, Any]:
        path = maps.descend(start(gram, **given), gram, targets, float(gamma), float(eta), np.atleast_1d(t))
        value = getattr(path, which)
        # An update rounds each of its terms, and a stable one damps what went before.
        return value, 1e-15 * np.max(t) * np.max(np.abs(value)) * np.ones_like(value)

    return function


def _flowed(which: str, start: Callable[..., maps.Kernels]) -> Callable[..., Any]:
    def function(*, gamma: Any, t: Any, gram: Any, targets: Any, **given: Any) -> tuple[Any, Any]:
        path, error = maps.flow(start(gram, **given), gram, targets, float(gamma), np.atleast_1d(t))
        return getattr(path, which), getattr(error, which)

    return function


def _given(_: Any, fields: Any, readout: Any, overlap: Any) -> maps.Kernels:
    return maps.Kernels(fields, readout, overlap)


_DATA, _START = [GRAM, TARGETS], [FIELDS, READOUT, OVERLAP]
_LABEL = {"outputs": "outputs f", "tangent": "tangent kernel H + G K"}
DESCENT = {
    which: _numerical(
        f"{label} after t updates, infinite width",
        _descended(which, maps.infinite_width),
        [GAMMA, RATE, UPDATES, *_DATA],
    )
    for which, label in _LABEL.items()
}
DESCENT_GIVEN = {
    which: _numerical(
        f"{label} after t updates, at the kernels of one network before training",
        _descended(which, _given),
        [GAMMA, RATE, UPDATES, *_DATA, *_START],
    )
    for which, label in _LABEL.items()
}
FLOW_GIVEN = {
    which: _numerical(
        f"{label} at time t, at the kernels of one network before training",
        _flowed(which, _given),
        [GAMMA, TIME, *_DATA, *_START],
    )
    for which, label in _LABEL.items()
}
