r"""Deep linear networks of infinite width that learn features: outputs and kernels, by dynamical mean-field theory.

Model
    L hidden layers in the mean-field parametrisation, weights N(0, 1), full-batch gradient descent with learning rate
    $\eta\gamma^2 N$ on half the squared error: see `linear_dmft`. One pattern with $|x|^2/D = K$ and target y (whitened
    data are the same: only the direction of the targets learns), or two of correlation $\rho$.
Result
    The closed two-time equations of `linear_dmft`, for descent at any learning rate, and their limit of vanishing
    steps, gradient flow. Consequences: f is the same from every layer; for K = 1 the layers mirror one another,
    $H_l(t, s) = G_{L+1-l}(t, s)$; L = 1 is the closed system of `dmft_two_layer_linear`; as $\gamma \to 0$ the tangent
    kernel stays at $(L + 1) K$ and $f = y (1 - (1 - \eta (L + 1) K)^t)$.
Assumptions
    Infinite width: corrections are of order 1/N.
Source
    Bordelon and Pehlevan, arXiv:2205.09653v3, section 4.2 and appendix F.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import Any, cast

import numpy as np

from theorylab.derivation import Derivation
from theorylab.derivations.learning_dynamics import dmft_deep_linear_steps as steps
from theorylab.derivations.learning_dynamics.linear_dmft import Window, solve
from theorylab.derivations.learning_dynamics.linear_dmft_flow import flow
from theorylab.derivations.learning_dynamics.linear_dmft_map import Solution, lazy_start, sweep
from theorylab.parameters import Constraint, Integers, Interval, Observed, Parameter, Space
from theorylab.prediction import ClosedForm, Numerical

POSITIVE = Interval(0.0, open_low=True)
DEPTH = Parameter("L", Integers(1, 100), "hidden layers; there are L + 1 layers of weights")
GAMMA = Parameter("gamma", Interval(0.0, 100.0), "richness: 0 is lazy training")
RATE = Parameter("rate", POSITIVE, "learning rate in units of gamma^2 N")
NORM = Parameter("K", POSITIVE, "squared length of an input over its dimension", 1.0)
TARGET = Parameter("y", POSITIVE, "target")
SECOND = Parameter("y2", Interval(), "target of the second pattern")
RHO = Parameter("rho", Interval(-1.0, 1.0), "correlation of two patterns")
UPDATES = Parameter("t", Integers(0), "updates of gradient descent")
TIME = Parameter("t", Interval(0.0), "time of gradient flow, a multiple of the step")
STEP = Parameter("step", POSITIVE, "step of the time grid", 0.02)
TOLERANCE = Parameter("tolerance", POSITIVE, "largest error, in units of the target", 1e-4)
NORMS = Parameter("norms", Observed("norms of the initial weights, of mean 1, float[L + 1]"), "norms")
WIDTH = Parameter("N", Integers(2), "width")

L, K, y, rate, t = (p.symbol for p in (DEPTH, NORM, TARGET, RATE, UPDATES))
CONVENTIONS = {
    "loss": "half squared error, summed over patterns",
    "rate": "eta gamma^2 N for every weight; f carries 1/(gamma N)",
    "L": "counts hidden layers",
    "G": "kernel of g^l = gamma N df/dh^l",
    "t": "after t updates",
}
SOURCE = "Bordelon and Pehlevan (2022), section 4.2"
# Solutions at a parameter point serve a claim and all its mutants.
KEPT = 64


@lru_cache(KEPT)
def one_pattern(
    L: int, gamma: float, rate: float, K: float, y: float, count: int, rows: type[Window] | None = None
) -> Solution:
    """The kernels for one pattern; `rows` for a variant of the equations."""
    return solve([[K]], [y], depth=L, gamma=gamma, eta=rate, steps=count, rows=rows)


@lru_cache(KEPT)
def two_patterns(L: int, gamma: float, rate: float, K: float, rho: float, y: float, y2: float, count: int) -> Solution:
    """The kernels for two patterns of the same length."""
    gram = K * np.array([[1.0, rho], [rho, 1.0]])
    return solve(gram, [y, y2], depth=L, gamma=gamma, eta=rate, steps=count)


def solved(t: Any, *, L: Any, gamma: Any, rate: Any, K: Any, y: Any, rows: type[Window] | None = None) -> Solution:
    """The solution up to the last of the times t."""
    return one_pattern(int(L), float(gamma), float(rate), float(K), float(y), int(np.max(t)), cast(Hashable, rows))


def rounding(solution: Solution, value: np.ndarray) -> np.ndarray:
    """Error of a value from a solution: a residual in every row, which later rows inherit, and what layers disagree."""
    outputs = solution.layer_outputs()
    spread = np.max(np.ptp(outputs, axis=0)) / (np.max(np.abs(outputs)) or 1.0)
    error = len(solution.outputs) * max(solution.residual, np.finfo(float).eps) + spread
    return np.asarray(error * np.max(np.abs(value)) * np.ones_like(value))


def _view(look: Callable[[Solution, np.ndarray], np.ndarray], solution: Callable[..., Solution]) -> Callable[..., Any]:
    def function(*, t: Any, **at: Any) -> tuple[Any, Any]:
        found = solution(t, **at)
        value = look(found, np.atleast_1d(t).astype(int))
        value = value if np.ndim(t) else value[..., 0]
        return value, rounding(found, value)

    return function


def _two(t: Any, *, L: Any, gamma: Any, rate: Any, K: Any, rho: Any, y: Any, y2: Any) -> Solution:
    return two_patterns(*(int(L), *(float(x) for x in (gamma, rate, K, rho, y, y2)), int(np.max(t))))


def _swept(t: Any, *, L: Any, gamma: Any, rate: Any, K: Any, y: Any) -> Solution:
    return sweep(lazy_start([[float(K)]], [float(y)], int(L), float(gamma), float(rate), int(np.max(t))))


# What is read off a solution at the times t; the axis of times comes last.
LOOKS: dict[str, Callable[[Solution, np.ndarray], np.ndarray]] = {
    "f": lambda s, t: s.outputs[t, 0],
    "H": lambda s, t: s.equal_times()[0][:, t, 0, 0],
    "G": lambda s, t: s.equal_times()[1][:, t],
    "ntk": lambda s, t: s.tangent()[t, 0, 0],
    "first": lambda s, t: s.layer_outputs()[0, t, 0],
    "mirrored": lambda s, t: s.equal_times()[1][::-1, t],
    "H(t, s)": lambda s, t: s.fields[:, t[:, None], t],
    "outputs": lambda s, t: s.outputs[t].T,
    "kernels": lambda s, t: np.moveaxis(s.tangent()[t], 0, -1),
}
_QUANTITIES = {
    "f": "output f(t)",
    "H": "kernels H_l(t, t) of the fields",
    "G": "kernels G_l(t, t) of the gradients",
    "ntk": "tangent kernel",
    "first": "output from the first layer, <h_1 g_1>/gamma",
    "mirrored": "kernels G_(L+1-l)(t, t)",
    "H(t, s)": "kernels H_l(t, s) of the fields",
    "outputs": "outputs f_mu(t)",
    "kernels": "tangent kernel of two patterns",
}
_PROBLEM = [DEPTH, GAMMA, RATE, NORM, TARGET]
_EQUATIONS = Derivation(SOURCE, lambda: [*steps.single_site(), *steps.two_times(), *steps.first_updates()])


def _numerical(quantity: str, function: Callable[..., Any], parameters: list[Parameter], **more: Any) -> Numerical:
    options = {"derivation": _EQUATIONS, "formula": steps.FORMULA, **more}
    return Numerical(function=function, space=Space(parameters), quantity=quantity, conventions=CONVENTIONS, **options)


ONE = {
    name: _numerical(_QUANTITIES[name], _view(LOOKS[name], solved), [*_PROBLEM, UPDATES])
    for name in ("f", "H", "G", "ntk", "first", "mirrored", "H(t, s)")
}
TWO = {
    name: _numerical(
        _QUANTITIES[name], _view(LOOKS[name], _two), [DEPTH, GAMMA, RATE, NORM, RHO, TARGET, SECOND, UPDATES]
    )
    for name in ("outputs", "kernels")
}
SWEPT = _numerical("output f(t), by sweeps", _view(LOOKS["f"], _swept), [*_PROBLEM, UPDATES])


def slopes(name: str, value: np.ndarray, y: float, L: int) -> np.ndarray:
    """How a network's observable moves with the norms of its initial weights, [L + 1, ...]: a guess that cuts scatter.

    The norms have mean 1, so that no guess biases a mean. Of the L + 1 products that make up the tangent kernel, the
    norm of the first layer and that of the readout enter L, that of W^l acting forward L - l; f follows it as in lazy
    training. To the field of a layer the norms below it contribute, to every gradient that of the readout.
    """
    if name in ("f", "ntk"):
        left = np.clip(1.0 - value / y, 1e-12, None)
        share = np.array([1.0, *((L - l) / L for l in range(1, L)), 1.0]) * L / (L + 1.0)
        return np.asarray(share[:, None] * (-y * left * np.log(left) if name == "f" else value))
    norm, layer = np.arange(L + 1)[:, None, None], np.arange(L)[:, None]
    return np.asarray((norm == L if name == "G" else norm <= layer) * np.ones_like(value))


def at_norms(name: str, rows: type[Window] | None = None) -> Callable[..., Any]:
    """Prediction for networks whose initial weights have the norms given; `rows` for a variant of the equations."""

    def function(*, t: Any, norms: Any, **at: Any) -> tuple[Any, Any]:
        found, times = solved(t, **at), np.atleast_1d(t).astype(int)
        value = LOOKS[name](found, times)
        control = np.tensordot(norms - 1.0, slopes(name, value, float(at["y"]), int(at["L"])), 1)
        shown = value if rows is None else LOOKS[name](solved(t, **at, rows=rows), times)
        return shown + control, rounding(found, value) + 0.0 * control

    return function


GIVEN = {
    name: _numerical(
        f"{_QUANTITIES[name]}, given the norms of the initial weights", at_norms(name), [*_PROBLEM, UPDATES, NORMS]
    )
    for name in ("f", "H", "G", "ntk")
}


@lru_cache(KEPT)
def _flow(L: int, gamma: float, K: float, y: float, times: tuple[float, ...], step: float, tolerance: float) -> Any:
    return flow([[K]], np.array([y]), depth=L, gamma=gamma, times=np.array(times), step=step, tolerance=tolerance)


def _flowed(look: Callable[[Any], np.ndarray]) -> Callable[..., Any]:
    def function(*, L: Any, gamma: Any, K: Any, y: Any, t: Any, step: Any, tolerance: Any) -> tuple[Any, Any]:
        times = tuple(float(x) for x in np.atleast_1d(t))
        pair = _flow(int(L), float(gamma), float(K), float(y), times, float(step), float(tolerance))
        value, error = (look(part) for part in pair)
        return (value, error) if np.ndim(t) else (value[..., 0], error[..., 0])

    return function


FLOW = {
    name: _numerical(
        f"{_QUANTITIES[name]}, gradient flow", _flowed(look), [DEPTH, GAMMA, NORM, TARGET, TIME, STEP, TOLERANCE]
    )
    for name, look in (
        ("f", lambda part: part.outputs[:, 0]),
        ("H", lambda part: part.fields[:, :, 0, 0]),
        ("G", lambda part: part.gradients),
    )
}

LAZY = ClosedForm(
    expr=y * (1 - (1 - rate * (L + 1) * K) ** t),
    numeric=lambda *, L, rate, K, y, t: _lazy(L, rate, K, y, t),
    space=Space(
        [DEPTH, RATE, NORM, TARGET, UPDATES],
        [Constraint(rate * (L + 1) * K < 1, "the error alternates or grows: take rate < 1/((L + 1) K)")],
    ),
    quantity="output of lazy training",
    conventions=CONVENTIONS,
    derivation=Derivation(SOURCE, steps.lazy),
    corners=(
        {"L": 3, "rate": 1e-9, "K": 1.0, "y": 1.0, "t": 3},
        {"L": 1, "rate": 0.4999, "K": 1.0, "y": 1.0, "t": 60},
    ),
)


def _lazy(L: Any, rate: Any, K: Any, y: Any, t: Any) -> Any:
    return -y * np.expm1(t * np.log1p(-rate * (L + 1.0) * K))
