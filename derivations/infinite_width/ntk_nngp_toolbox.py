r"""Kernels of infinitely wide fully-connected networks, as predictions.

Model
    L weight layers, Var W = C_W/n, Var b = C_b; two inputs of squared norm n_0 at an angle theta. Learning rates
    lambda_W/n of the weights and lambda_b of the biases.
Result
    The recursions of `recursion`: at initialisation the output is Gaussian with covariance K, and under gradient flow
    it moves by Theta. For one hidden ReLU layer f = N^(-1/2) sum_i a_i relu(w_i.x) of standard normal a and w,
    E Theta_N = |x| |x'| (kappa_1(cos theta) + cos(theta) kappa_0(cos theta))/2 at every width N.
Source
    Lee et al., arXiv:1711.00165v3, eqs. (4)-(6); Jacot et al., arXiv:1806.07572v4, Proposition 1 and Theorem 1.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.derivations.infinite_width import ntk_nngp_duals as duals
from theorylab.derivations.infinite_width import recursion
from theorylab.derivations.infinite_width.activations import Activation, activation
from theorylab.derivations.infinite_width.dual_quadrature import Quadrature
from theorylab.derivations.infinite_width.gaussian_pairs import Pairs
from theorylab.derivations.infinite_width.half_angle import arc_cosine
from theorylab.derivations.infinite_width.ntk_nngp_duals import pairs_at
from theorylab.parameters import Choices, Integers, Interval, Parameter, Space
from theorylab.prediction import ClosedForm, Numerical

NOT_NEGATIVE = Interval(0)
NAMES = ("relu", "erf", "tanh", "sin", "leaky", "gelu", "linear")
ACTIVATION = Parameter("activation", Choices(NAMES), "activation; leaky is a ReLU of slope 0.1 on the left")
DEPTH = Parameter("L", Integers(1, 200), "weight layers: L - 1 hidden ones")
THETA = Parameter("theta", Interval(0, float(np.pi)), "angle between the inputs")
C_W = Parameter("C_W", Interval(0, 10, open_low=True), "variance of the weights times their fan-in", default=1.5)
C_B = Parameter("C_b", NOT_NEGATIVE, "variance of the biases", default=0.1)
LAMBDA_W = Parameter("lambda_W", NOT_NEGATIVE, "learning rate of the weights times their fan-in", default=1.5)
LAMBDA_B = Parameter("lambda_b", NOT_NEGATIVE, "learning rate of the biases", default=0.1)
WIDTH = Parameter("n", Integers(1), "hidden units of every layer")
FORMULA = Parameter(
    "formula",
    Choices(("heaviside", "relu", "relu_squared", "erf", "erf_slope", "bump", "sin", "cos", "hermite_3")),
    "dual activation",
)
theta = THETA.symbol

CONVENTIONS = {
    "Theta": "unit learning rate on parameters N(0, 1) (NTK parametrisation): lambda_W = C_W, lambda_b = C_b; "
    "no 1/m, no 1/2",
    "inputs": "squared norm n_0, so that K^(1) = C_b + C_W cos(theta)",
}
# Relative error of a layer in double precision, as the comparison with 50 digits shows with room to spare.
ROUNDING = 2e-15


@cache
def named(name: str) -> Activation:
    """An activation of `NAMES`."""
    return activation("leaky_relu", alpha=0.1) if name == "leaky" else activation(name)


def _state(activation: str, L: float, theta: float, scales: tuple[float, ...]) -> recursion.State:
    pairs = Pairs(*(np.reshape(v, 1) for v in pairs_at(1.0, 1.0, theta)[:6]))
    return recursion.propagate(named(activation), pairs, recursion.layers(int(L), *scales))


def _kernel(which: str) -> Any:
    def function(**arrays: Any) -> tuple[np.ndarray, np.ndarray]:
        names = ["activation", "L", "theta", "C_W", "C_b", "lambda_W", "lambda_b"]
        columns = np.broadcast_arrays(*(arrays.get(n, 1.0) for n in names))
        out = np.empty(columns[0].shape)
        for index in np.ndindex(out.shape):
            name, depth, angle, *scales = (v[index] for v in columns)
            state = _state(str(name), float(depth), float(angle), tuple(float(v) for v in scales))
            out[index] = {"K": state.pairs.c, "Theta": state.both}[which][0]
        return out, ROUNDING * arrays["L"] * (1 + np.abs(out))

    return function


def without_weights_on_slopes(
    value: Any, activation: Any, L: Any, theta: Any, C_W: Any, C_b: Any, lambda_W: Any, lambda_b: Any
) -> np.ndarray:
    """What Theta would be without C_W on its term with the slopes: a mistake that C_W = 1 hides."""
    act, scales = named(str(activation)), recursion.layers(1, float(C_W), float(C_b), None, None)[0]
    pairs = Pairs(*(np.reshape(v, 1) for v in pairs_at(1.0, 1.0, float(theta))[:6]))
    out = lambda_b + lambda_W * pairs.c
    pairs = pairs.affine(scales.biases, scales.weights)
    for _ in range(int(L) - 1):
        found = act.kernel(pairs)
        out = lambda_b + lambda_W * found.c + act.slope_kernel.value(pairs) * out
        pairs = found.affine(scales.biases, scales.weights)
    return np.asarray(out[0])


def _quadrature(formula: Any, a: Any, b: Any, theta: Any) -> tuple[np.ndarray, np.ndarray]:
    columns = np.broadcast_arrays(formula, a, b, theta)
    out, error = np.empty(columns[0].shape), np.empty(columns[0].shape)
    for index in np.ndindex(out.shape):
        name, first, second, angle = (v[index] for v in columns)
        found, off = _numerical(str(name)).measured(pairs_at(float(first), float(second), float(angle)))
        out[index], error[index] = found.c, off
    return out, error


@cache
def _numerical(name: str) -> Quadrature:
    """The dual of a function by quadrature alone, whatever is known of it."""
    expr = {
        "heaviside": sp.Heaviside(activation("linear").expr, 0),
        "relu": activation("relu").expr,
        "relu_squared": activation("relu").expr ** 2,
        "erf": activation("erf").expr,
        "erf_slope": activation("erf").slope_expr,
        "bump": activation("bump").expr,
        "sin": activation("sin").expr,
        "cos": activation("cos").expr,
        "hermite_3": activation("hermite", degree=3).expr,
    }[name]
    act = Activation(expr, name)
    return Quadrature(act, None if act.jumps else act.slope, act.kinks, name)


_CLOSED = {
    "heaviside": duals.HEAVISIDE,
    "relu": duals.RELU,
    "relu_squared": duals.RELU_SQUARED,
    "erf": duals.ERF,
    "erf_slope": duals.ERF_SLOPE,
    "bump": duals.BUMP,
    "sin": duals.SINE,
    "cos": duals.COSINE,
}


def _closed(formula: Any, a: Any, b: Any, theta: Any) -> tuple[np.ndarray, np.ndarray]:
    columns = np.broadcast_arrays(formula, a, b, theta)
    out = np.empty(columns[0].shape)
    for index in np.ndindex(out.shape):
        name, first, second, angle = (v[index] for v in columns)
        if name == "hermite_3":
            out[index] = activation("hermite", degree=3).kernel.value(pairs_at(first, second, angle))
        else:
            out[index] = _CLOSED[str(name)](a=first, b=second, theta=angle)
    return out, 1e-14 * (1 + np.abs(out))


def _ball(L: Any, theta: Any) -> tuple[np.ndarray, np.ndarray]:
    """Theta of a bias-free ReLU network of L weight layers, C_W = 2, by kappa_0 and kappa_1 alone."""
    L, theta = np.broadcast_arrays(L, theta)
    pairs = pairs_at(1.0, 1.0, theta)
    p, q = pairs.p, pairs.q
    tangent = pairs.c.copy()
    for layer in range(1, int(np.max(L))):
        value, lost = (v / np.pi for v in arc_cosine(1, p, q))
        new = value + tangent * arc_cosine(0, p, q)[0] / np.pi
        go = layer < L
        tangent, p, q = np.where(go, new, tangent), np.where(go, lost, p), np.where(go, 1 + value, q)
    return 2 * tangent, ROUNDING * L * (1 + np.abs(tangent))


def depth_profile(name: str, angles: np.ndarray, depth: int, weights: float, biases: float) -> np.ndarray:
    """Theta(cos theta)/Theta(1) at some depth."""
    scales = recursion.layers(depth, weights, biases, None, None)
    ones = np.ones_like(angles)
    state = recursion.propagate(named(name), pairs_at(ones, ones, angles), scales)
    return np.asarray(state.both / state.first)


one_hidden_layer = (duals.angular_factor(1) + sp.cos(theta) * duals.angular_factor(0)) / (2 * sp.pi)
one_hidden_layer = one_hidden_layer.xreplace({duals.theta: theta})
readout_alone = duals.angular_factor(1).xreplace({duals.theta: theta}) / (2 * sp.pi)


def _one_hidden_numeric(theta: Any) -> np.ndarray:
    pairs = pairs_at(1.0, 1.0, theta)
    value = arc_cosine(1, pairs.p, pairs.q)[0]
    return np.asarray((value + pairs.c * arc_cosine(0, pairs.p, pairs.q)[0]) / (2 * np.pi))


def _steps() -> list[Step]:
    c = sp.Symbol("c", real=True)
    relu = (sp.sqrt(1 - c**2) + (sp.pi - sp.acos(c)) * c) / (2 * sp.pi)
    return [
        Step(
            "readout and hidden weights",
            (relu + c * sp.diff(relu, c)).subs(c, sp.cos(theta)),
            one_hidden_layer,
            "gradient in a: E relu relu; gradient in w: x.x' E a^2 E relu' relu', the derivative of the former (Price)",
            where={theta: (0.1, 3.0)},
            method="50 digits",
        ),
        Step(
            "coincident inputs",
            one_hidden_layer.subs(theta, 0),
            sp.S.One,
            "kappa_0(1) = kappa_1(1) = 1: half from each layer",
        ),
        Step(
            "opposite inputs",
            one_hidden_layer.subs(theta, sp.pi),
            sp.S.Zero,
            "no unit is active on both",
        ),
    ]


_RECURSION = Derivation("Jacot et al. (2018), Theorem 1", _steps)
_FIRST = [ACTIVATION, DEPTH, THETA, C_W, C_B]
NNGP = Numerical(
    function=_kernel("K"),
    space=Space(_FIRST),
    quantity="covariance of the outputs at initialisation",
    conventions=CONVENTIONS,
    derivation=_RECURSION,
    formula=r"K^{(l+1)} = C_b + C_W \mathbb{E}\,\phi(u)\phi(v)",
)
NTK = Numerical(
    function=_kernel("Theta"),
    space=Space([*_FIRST, LAMBDA_W, LAMBDA_B]),
    quantity="tangent kernel",
    conventions=CONVENTIONS,
    derivation=_RECURSION,
    formula=r"\Theta^{(l+1)} = \lambda_b + \lambda_W \mathbb{E}\,\phi\phi + C_W \mathbb{E}[\phi'\phi']\,\Theta^{(l)}",
)
ONE_HIDDEN_LAYER = ClosedForm(
    expr=one_hidden_layer,
    numeric=_one_hidden_numeric,
    space=Space([THETA]),
    quantity="tangent kernel of one hidden ReLU layer at unit inputs",
    conventions=CONVENTIONS,
    derivation=_RECURSION,
    corners=({"theta": 1e-9}, {"theta": 3.14159}, {"theta": 0.0}),
)
CLOSED = Numerical(
    function=_closed,
    space=Space([FORMULA, duals.A, duals.B, THETA]),
    quantity="dual activation, closed form",
    conventions=duals.CONVENTIONS,
    derivation=duals.RELU.derivation,
)
QUADRATURE = Numerical(
    function=_quadrature,
    space=Space([FORMULA, duals.A, duals.B, THETA]),
    quantity="dual activation, quadrature",
    conventions=duals.CONVENTIONS,
)
RELU_DEPTH = Numerical(
    function=_ball,
    space=Space([DEPTH, THETA]),
    quantity="tangent kernel of a bias-free ReLU network, C_W = 2",
    conventions=CONVENTIONS,
    derivation=_RECURSION,
    formula=r"\Theta \leftarrow \kappa_1(S) + \Theta \kappa_0(S), \quad S \leftarrow \kappa_1(S)",
)
