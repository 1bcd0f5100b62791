r"""Wide networks of any depth evolve as linear models: mean and covariance of an ensemble along training.

Model
    Fully connected networks of L weight layers in the neural-tangent parametrisation: all parameters N(0, 1), Var W =
    C_W/n and Var b = C_b by scales; loss $\frac12 \sum_i (f(x_i) - y_i)^2$; full-batch gradient descent with learning
    rate $\eta$ of these parameters, of all layers or of the last one alone. K and Theta are the kernels of `recursion`.
Result
    As the width grows $f_t$ is Gaussian, with $A_t(x) = \Theta(x, X) \Theta^{-1} (1 - (1 - \eta \Theta)^t)$:

        $E f_t(x) = A_t(x) Y$,
        $\mathrm{Cov}[f_t(x), f_t(x')] = K(x, x') + A_t(x) K(X, X) A_t(x')^T - A_t(x) K(X, x') - K(x, X) A_t(x')^T$;

    for gradient flow $e^{-\eta t \Theta}$ stands in the place of $(1 - \eta \Theta)^t$. Descent converges iff
    $\eta \lambda_{max} < 2$. Of the last layer alone: K in the place of Theta, exactly at every width with the
    network's own K; then, and only then, the limit of many steps is the posterior of the Gaussian process.
Assumptions
    Inputs here are m points of an arc of the circle of given radius, at angles spread i/(m - 1), with labels
    cos(waves * angle); `ntk_ensemble_numerics.ensemble` takes any. Biases in every layer, the output's included.
Source
    Lee et al., arXiv:1902.06720v4, eqs. (13)-(16) and appendix; Jacot et al., arXiv:1806.07572v4.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import ndtr

from theorylab.derivation import Derivation
from theorylab.derivations.infinite_width import ntk_ensemble_steps as steps
from theorylab.derivations.infinite_width.ntk_ensemble_numerics import (
    Moments,
    ensemble,
    gains,
    mean_and_covariance,
    terms,
)
from theorylab.parameters import Choices, Integers, Interval, Observed, Parameter, Space
from theorylab.prediction import Numerical

POSITIVE = Interval(0.0, open_low=True)
CIRCLE = Interval(-2 * np.pi, 2 * np.pi)
ACTIVATION = Parameter("activation", Choices(("erf", "linear", "relu", "tanh")), "activation", "erf")
DEPTH = Parameter("depth", Integers(2), "number of weight layers", 2)
WEIGHTS = Parameter("C_W", POSITIVE, "variance of a weight times the width of its input", 1.5)
BIASES = Parameter("C_b", Interval(0.0), "variance of a bias", 0.1)
TRAINED = Parameter("trained", Choices(("all", "readout")), "layers that are trained", "all")
SAMPLES = Parameter("m", Integers(2), "number of training inputs", 3)
SPREAD = Parameter("spread", Interval(0.0, 2 * np.pi, open_low=True), "arc of the inputs", 2.0, unit="rad")
WAVES = Parameter("waves", Interval(0.0), "labels are cos(waves * angle)", 2.0)
RADIUS = Parameter("radius", POSITIVE, "length of all inputs, in two dimensions", 1.0)
RATE = Parameter("eta", POSITIVE, "learning rate of the standard normal parameters", 0.2)
STEPS = Parameter("t", Integers(0), "number of steps", 10)
PLACE = Parameter("psi", CIRCLE, "angle of the test point", 0.5, unit="rad")
OTHER = Parameter("psi2", CIRCLE, "angle of a second test point", 1.5, unit="rad")
TIME = Parameter("tau", Interval(0.0), "training time, eta times the number of steps", 1.0)
OUTPUT = Parameter("f", Interval(), "output at the test point", 0.0)
KERNEL = Parameter(
    "kernel", Observed("features' inner products at the start, over training inputs and points: float[m + k, m + k]"),
    "kernel of the last layer",
)  # fmt: skip

CONVENTIONS = {
    "loss": "half the squared error, summed over samples and not averaged",
    "eta": "multiplies the gradient with respect to standard normal parameters",
    "t": "counts steps of full-batch descent; tau = eta t for the flow",
    "biases": "in every layer, the output's included",
    "K": "x.x'/n_0 in the first layer, n_0 = 2",
}
_NETWORK = (ACTIVATION, DEPTH, WEIGHTS, BIASES, TRAINED)
_DATA = (SAMPLES, SPREAD, WAVES, RADIUS)
TRAINING = Space([*_NETWORK, *_DATA, RATE, STEPS, PLACE])
PAIRS = Space([*_NETWORK, *_DATA, RATE, STEPS, PLACE, OTHER])


def circle(angles: Any, radius: float) -> np.ndarray:
    """Points of the circle, float[q, 2]."""
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=-1)


def data(m: float, spread: float, waves: float, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Inputs [m, 2] and labels [m]."""
    angles = spread * np.arange(int(m)) / (int(m) - 1)
    return circle(angles, radius), np.cos(waves * angles)


def _points(compute: Any, arrays: dict[str, Any], along: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """`compute(columns, **rest) -> (values, error)` once for each setting of what is not in `along`."""
    full = dict(zip(arrays, np.broadcast_arrays(*arrays.values())))
    shape = next(iter(full.values())).shape
    columns = {k: v.ravel() for k, v in full.items()}
    names = [k for k in arrays if k not in along]
    keys = list(zip(*(columns[k].tolist() for k in names)))
    value, error = np.empty(len(keys)), np.empty(len(keys))
    for key in dict.fromkeys(keys):
        at = np.array([k == key for k in keys])
        value[at], error[at] = compute(*(columns[k][at] for k in along), **dict(zip(names, key)))
    return value.reshape(shape), error.reshape(shape)


def moments(
    times: Any, places: Any, *, activation: str, depth: float, C_W: float, C_b: float, trained: str, m: float,
    spread: float, waves: float, radius: float, eta: float, flow: bool = False, crossed: float = 2.0,
) -> Moments:  # fmt: skip
    """Mean and covariance on the circle; see `ensemble`."""
    x, y = data(m, spread, waves, radius)
    return ensemble(
        activation, x, y, circle(places, radius), depth=int(depth), eta=eta, times=times, weight_variance=C_W,
        bias_variance=C_b, trained=trained, flow=flow, crossed=crossed,
    )  # fmt: skip


def mean(flow: bool = False, **arrays: Any) -> tuple[np.ndarray, np.ndarray]:
    """E f_t(x) with its error; the flow takes `tau` for `t` and no `eta`."""

    def compute(t: Any, psi: Any, **rest: Any) -> Any:
        times, when = np.unique(t, return_inverse=True)
        places, where = np.unique(psi, return_inverse=True)
        found = moments(times, places, flow=flow, **({"eta": 1.0, **rest} if flow else rest))
        return found.mean[when, where], found.mean_error

    return _points(compute, arrays, ("tau" if flow else "t", "psi"))


def covariance(flow: bool = False, crossed: float = 2.0, **arrays: Any) -> tuple[np.ndarray, np.ndarray]:
    """Cov[f_t(x), f_t(x')] with its error; see `mean` and `ensemble`."""

    def compute(t: Any, psi: Any, psi2: Any, **rest: Any) -> Any:
        times, when = np.unique(t, return_inverse=True)
        places, where = np.unique(np.append(psi, psi2), return_inverse=True)
        one, two = np.split(where, 2)
        found = moments(times, places, flow=flow, crossed=crossed, **({"eta": 1.0, **rest} if flow else rest))
        return found.covariance[when, one, two], found.covariance_error

    return _points(compute, arrays, ("tau" if flow else "t", "psi", "psi2"))


def _posterior(*, activation: Any, depth: Any, C_W: Any, C_b: Any, trained: Any, m: Any, spread: Any, waves: Any,
               radius: Any, psi: Any, psi2: Any) -> Any:  # fmt: skip
    """Of the Gaussian process with kernel K, given the labels without noise; by a solve."""
    from theorylab.derivations.infinite_width.recursion import gram

    def compute(psi: Any, psi2: Any, *, activation: str, depth: float, C_W: float, C_b: float, m: float, spread: float,
                waves: float, radius: float) -> Any:  # fmt: skip
        x, _ = data(m, spread, waves, radius)
        network: dict[str, Any] = {"depth": int(depth), "weight_variance": C_W, "bias_variance": C_b, "tangent": False}
        one, two = circle(psi, radius), circle(psi2, radius)
        prior = gram(activation, x, **network).K
        left, right = (gram(activation, z, x, **network).K for z in (one, two))
        own = np.array([gram(activation, a[None], b[None], **network).K[0, 0] for a, b in zip(one, two)])
        value = own - np.sum(left * np.linalg.solve(prior, right.T).T, axis=1)
        return value, 1e-14 * np.linalg.cond(prior) * np.max(np.abs(own))

    return _points(compute, {"activation": activation, "depth": depth, "C_W": C_W, "C_b": C_b, "m": m,
                             "spread": spread, "waves": waves, "radius": radius, "psi": psi, "psi2": psi2},
                   ("psi", "psi2"))  # fmt: skip


def _law(*, f: Any, **arrays: Any) -> Any:
    (middle, doubt), (square, blur) = mean(**arrays), covariance(psi2=arrays["psi"], **arrays)
    z = (f - middle) / np.sqrt(square)
    return ndtr(z), 0.4 * (doubt / np.sqrt(square) + np.abs(z) * blur / square) + 1e-12


def given(
    part: str, kernel: np.ndarray, m: float, spread: float, waves: float, times: Any, eta: float, flow: bool = False
) -> np.ndarray:
    """Output's mean or variance over readouts, at given features, for the k-th time at the k-th point.

    Parameters
    ----------
    part
        "mean" or "variance".
    kernel : float64[trials, m + k, m + k]
    m, spread, waves, eta
        Data and learning rate.
    times
        k of them.

    Returns
    -------
    float64[trials, k]
    """
    _, y = data(m, spread, waves, 1.0)
    kernel = np.asarray(kernel, dtype=float)
    t = terms(kernel, kernel, len(y))
    found = mean_and_covariance(t, gains(t, eta, times, flow), y)
    index = np.arange(len(np.atleast_1d(times)))
    return found[0][:, index, index] if part == "mean" else found[1][:, index, index, index]


def _given(part: str, flow: bool = False) -> Any:
    def function(
        *, kernel: Any, m: Any, spread: Any, waves: Any, eta: Any = 1.0, t: Any = None, tau: Any = None
    ) -> Any:
        times = np.atleast_1d(tau if flow else t)
        value = given(part, kernel, float(m), float(spread), float(waves), times, float(eta), flow)
        return value, 1e-12 * (1.0 + np.abs(value))

    return function


_ALL = Derivation("linear dynamics under the tangent kernel", lambda: [
    *steps.tangent(), *steps.dynamics(), *steps.second_moments()])  # fmt: skip
_READOUT = Derivation("the last layer is a linear model", lambda: [*steps.dynamics(), *steps.second_moments()])


def _without(space: Space, *names: str, more: tuple[Parameter, ...] = ()) -> Space:
    return Space([*(p for p in space.parameters if p.name not in names), *more])


MEAN = Numerical(
    function=mean,
    space=TRAINING,
    quantity="mean output E f_t(x)",
    conventions=CONVENTIONS,
    derivation=_ALL,
    formula=r"\mathbb E f_t(x) = \Theta(x, X)\,\Theta^{-1} (1 - (1 - \eta\Theta)^t)\,Y",
)
COVARIANCE = Numerical(
    function=covariance,
    space=PAIRS,
    quantity="covariance of outputs Cov[f_t(x), f_t(x')]",
    conventions=CONVENTIONS,
    derivation=_ALL,
    formula=r"K(x,x') + A_t(x) K A_t(x')^T - A_t(x) K(X,x') - K(x,X) A_t(x')^T",
)
FLOW_MEAN = Numerical(
    function=lambda **arrays: mean(flow=True, **arrays),
    space=_without(TRAINING, "eta", "t", more=(TIME,)),
    quantity="mean output E f(x) of gradient flow",
    conventions=CONVENTIONS,
    derivation=_ALL,
    formula=r"\Theta(x, X)\,\Theta^{-1} (1 - e^{-\tau\Theta})\,Y",
)
FLOW_COVARIANCE = Numerical(
    function=lambda **arrays: covariance(flow=True, **arrays),
    space=_without(PAIRS, "eta", "t", more=(TIME,)),
    quantity="covariance of outputs of gradient flow",
    conventions=CONVENTIONS,
    derivation=_ALL,
    formula=COVARIANCE.formula,
)
POSTERIOR = Numerical(
    function=_posterior,
    space=_without(PAIRS, "eta", "t"),
    quantity="posterior covariance of the Gaussian process",
    conventions=CONVENTIONS,
    derivation=_READOUT,
    formula=r"K(x,x') - K(x,X) K(X,X)^{-1} K(X,x')",
)
LAW = Numerical(
    function=_law,
    space=_without(TRAINING, more=(OUTPUT,)),
    quantity="distribution function of the output",
    conventions=CONVENTIONS,
    derivation=_ALL,
    formula=r"\Phi\left((f - \mathbb E f_t(x))/\sqrt{\mathrm{Var} f_t(x)}\right)",
)
_GIVEN = Space([KERNEL, SAMPLES, SPREAD, WAVES, RATE, STEPS])
MEAN_GIVEN = Numerical(
    function=_given("mean"),
    space=_GIVEN,
    quantity="mean output over readouts, at given features",
    conventions=CONVENTIONS,
    derivation=_READOUT,
    formula=r"K(x, X) K^{-1} (1 - (1 - \eta K)^t)\,Y",
)
VARIANCE_GIVEN = Numerical(
    function=_given("variance"),
    space=_GIVEN,
    quantity="variance of the output over readouts, at given features",
    conventions=CONVENTIONS,
    derivation=_READOUT,
    formula=COVARIANCE.formula,
)
FLOW_GIVEN = Numerical(
    function=_given("mean", flow=True),
    space=Space([KERNEL, SAMPLES, SPREAD, WAVES, TIME]),
    quantity="mean output of gradient flow over readouts, at given features",
    conventions=CONVENTIONS,
    derivation=_READOUT,
    formula=r"K(x, X) K^{-1} (1 - e^{-\tau K})\,Y",
)
