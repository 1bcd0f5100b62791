r"""Dynamical mean-field theory of deep nonlinear networks: outputs and kernels of gradient descent at infinite width.

Model
    Mean-field parametrisation: $h^1_\mu = W^0 x_\mu / \sqrt D$, $h^{l+1} = W^l \phi(h^l) / \sqrt N$ for L hidden
    layers, $f_\mu = w \cdot \phi(h^L_\mu) / (\gamma N)$, all weights standard normal at the start; loss $\frac12
    \sum_\mu (y_\mu - f_\mu)^2$, gradient descent at rate $\eta \gamma^2 N$ on every weight; $g^l = \gamma N\,
    \partial f / \partial h^l$.
Result
    As $N \to \infty$ the kernels $H^l = \phi(h^l) \cdot \phi(h^l) / N$ and $G^l = g^l \cdot g^l / N$ between any two
    times are not random, and neurons are independent samples of the single-site processes of `single_site`, which are
    driven by the kernels of the layers next to them and by the responses $RA^l$ of $\phi(h^l)$ to $r^l$ and $RB^l$ of
    $g^l$ to $u^l$. The output is

        $f_\mu(t) = \frac1\gamma \langle z^L \phi(h^L) \rangle
                  = \sum_{s < t, \nu} [RA^L_{t\mu, s\nu} / \gamma + \eta D_\nu(s) H^L_{t\mu, s\nu}]$.

    While RA is strictly causal, RB has a part at equal times, $RB^l(t, t) = \langle \phi''(h^l) z^l \rangle +
    RB^{l+1}(t, t) \langle \phi'(h^l)^2 \rangle$, which is 0 at the start and for linear $\phi$. One hidden layer has no
    responses: its neurons are particles that meet in f. As $\gamma \to 0$ descent is that of the initial tangent kernel
    $\sum_{l=0}^{L} H^l \circ G^{l+1}$.
Source
    Bordelon and Pehlevan, arXiv:2205.09653v3, sections 3 and 4 and appendix D; discrete time and the part at equal
    times as derived here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from theorylab.derivation import Derivation
from theorylab.derivations.infinite_width.activations import activation as activation_of
from theorylab.derivations.infinite_width.recursion import gram as tangent_gram
from theorylab.derivations.learning_dynamics import dmft_deep_nonlinear_steps as steps_of
from theorylab.derivations.learning_dynamics.single_site import Terms
from theorylab.derivations.learning_dynamics.single_site_particles import one_hidden_layer
from theorylab.derivations.learning_dynamics.single_site_solution import Estimate, Method, Network, Solution, descent
from theorylab.errors import DomainError
from theorylab.parameters import Choices, Integers, Interval, Parameter, Space
from theorylab.prediction import Numerical

ACTIVATION = Parameter("activation", Choices(("linear", "relu", "tanh", "erf")), "activation", default="tanh")
DEPTH = Parameter("L", Integers(1, 12), "hidden layers", default=2)
GAMMA = Parameter("gamma", Interval(0.0, open_low=True), "laziness: 0 is lazy, large is rich", default=1.5)
RATE = Parameter("rate", Interval(0.0, open_low=True), "learning rate eta, in units of gamma^2 N", default=0.15)
NORM = Parameter("K", Interval(0.0, open_low=True), "squared norm of an input over its dimension", default=1.0)
LABEL = Parameter("y", Interval(), "label of the (first) pattern", default=1.0)
OVERLAP = Parameter("rho", Interval(-1.0, 1.0), "correlation of the two patterns", default=0.3)
SECOND = Parameter("y2", Interval(), "label of the second pattern", default=-0.5)
TIME = Parameter("t", Integers(0), "updates", default=8)
SAMPLES = Parameter("samples", Integers(4), "points of a batch of single-site processes, a power of two", default=1024)

CONVENTIONS = {
    "loss": "half the squared error, summed over patterns",
    "rate": "eta gamma^2 N on every weight",
    "G": "kernel of g = gamma N df/dh, phi' included",
    "t": "counts updates; f(0) = 0",
    "L": "hidden layers: L + 1 layers of weights",
}
_ONE = [ACTIVATION, DEPTH, GAMMA, RATE, NORM, LABEL, TIME]
ONE = Space([*_ONE, SAMPLES])
TWO = Space([*_ONE, OVERLAP, SECOND, SAMPLES])


def network_of(activation: str, L: int, gamma: float, K: float, y: float, rho: Any = None, y2: Any = None) -> Network:
    """One pattern, or two."""
    if rho is None:
        return Network(activation, int(L), float(gamma), ((float(K),),), (float(y),))
    cross = float(K) * float(rho)
    return Network(activation, int(L), float(gamma), ((float(K), cross), (cross, float(K))), (float(y), float(y2)))


def solved(
    activation: Any, L: Any, gamma: Any, rate: Any, K: Any, y: Any, last: int, method: Method, **second: Any
) -> Solution:
    """The solution at a point, up to the last time."""
    return descent(network_of(str(activation), L, gamma, K, y, **second), float(rate), last, method)


def quantity(pick: Callable[[Solution, np.ndarray], Estimate], **changes: Any) -> Callable[..., Any]:
    """A function of arrays: `pick` takes an estimate [..., times] from the solution at each point.

    Axes of the estimate other than time come before those of the parameters. Points that differ in the time alone
    share one solution. `changes` are made to the method: see `Method`.
    """

    def function(*, t: Any, samples: Any, **arrays: Any) -> tuple[np.ndarray, np.ndarray]:
        names = [*arrays, "samples"]
        columns = np.broadcast_arrays(*(np.asarray(a) for a in arrays.values()), np.asarray(samples), np.asarray(t))
        shape, flat = columns[0].shape, [c.ravel() for c in columns]
        keys = list(zip(*flat[:-1]))
        parts: dict[int, Any] = {}
        for key in dict.fromkeys(keys):
            at = [i for i, other in enumerate(keys) if other == key]
            times = flat[-1][at].astype(int)
            point = dict(zip(names, key))
            method = Method(samples=int(point.pop("samples")), **changes)
            found = pick(solved(**point, last=int(times.max()), method=method), times)
            for j, i in enumerate(at):
                parts[i] = found.value[..., j], found.error[..., j]
        value, error = (np.stack([parts[i][k] for i in range(len(keys))], axis=-1) for k in (0, 1))
        return value.reshape((*value.shape[:-1], *shape)), error.reshape((*error.shape[:-1], *shape))

    return function


def _taken(x: Estimate, take: Callable[[np.ndarray], np.ndarray]) -> Estimate:
    return Estimate(*(np.asarray(take(a)) for a in (x.value, x.monte_carlo, x.discretisation)))


def output(s: Solution, t: np.ndarray) -> Estimate:
    """f of one pattern, [times]."""
    return _taken(s.f, lambda a: a[t, 0])


def outputs(s: Solution, t: np.ndarray) -> Estimate:
    """f of all patterns, [P, times]."""
    return _taken(s.f, lambda a: a[t].T)


def forward(s: Solution, t: np.ndarray) -> Estimate:
    """H of all layers at equal times, [L, times]."""
    return _taken(s.H, lambda a: a[:, t, t])


def backward(s: Solution, t: np.ndarray) -> Estimate:
    """G of all layers at equal times, [L, times]."""
    return _taken(s.G, lambda a: a[:, t, t])


def tangent(s: Solution, t: np.ndarray) -> Estimate:
    """The tangent kernel, [times]."""
    return _taken(s.ntk, lambda a: a[t, 0, 0])


def _two_times(*, t: Any, samples: Any, **arrays: Any) -> tuple[np.ndarray, np.ndarray]:
    """H between all pairs of the times, [L, times, times]."""
    point, times = _single(samples=samples, **arrays), np.atleast_1d(np.asarray(t)).astype(int)
    method = Method(samples=int(point.pop("samples")))
    s = solved(**point, last=int(times.max()), method=method)
    return s.H.value[:, times][:, :, times], s.H.error[:, times][:, :, times]


def _single(**arrays: Any) -> dict[str, Any]:
    """The one value of each parameter."""
    if any(np.size(a) != 1 for a in arrays.values()):
        raise DomainError(f"this prediction takes arrays of t alone: give one value of {', '.join(arrays)} at a time")
    return {name: np.asarray(a).item() for name, a in arrays.items()}


def without(pick: Callable[[Solution, np.ndarray], Estimate], **terms: Any) -> Callable[..., Any]:
    """The same quantity where some terms are left out, as a mutant `f(value, **arrays)`."""
    function = quantity(pick, terms=Terms(**terms))
    return lambda _, **arrays: function(**arrays)[0]


def _lazy(*, activation: Any, L: Any, rate: Any, K: Any, y: Any, t: Any) -> Any:
    """Descent with the initial tangent kernel, for one pattern."""
    columns = np.broadcast_arrays(*(np.asarray(a) for a in (activation, L, rate, K, y, t)))
    value = np.empty(columns[0].shape)
    for i in np.ndindex(value.shape):
        name, depth, eta, norm, label, time = (c[i] for c in columns)
        theta = tangent_kernel(str(name), int(depth), float(norm))
        value[i] = float(label) * -np.expm1(float(time) * np.log1p(-float(eta) * theta))
    return value, 1e-12 * np.abs(value)


def tangent_kernel(name: str, depth: int, norm: float) -> float:
    """Initial tangent kernel of an input with itself, by the recursion for wide networks."""
    found = tangent_gram(activation_of(name), np.array([[np.sqrt(norm)]]), depth=depth + 1)
    assert found.Theta is not None
    return float(found.Theta[0, 0])


def _particles(*, t: Any, **arrays: Any) -> Any:
    point, times = _single(**arrays), np.asarray(t).astype(int)
    network = network_of(point["activation"], 1, point["gamma"], point["K"], point["y"])
    value, error = one_hidden_layer(network, point["rate"], int(times.max()))
    return value[times], error[times]


_OUTPUT = r"f(t) = \sum_{s<t} \left[RA_L(t,s)/\gamma + \eta\,\Delta(s) H_L(t,s)\right]"
_DERIVED = Derivation("Gaussian conditioning; Stein's lemma", steps_of.single_site)
_LAZY = Derivation("linear response to small gamma", steps_of.lazy)


def _prediction(function: Any, what: str, formula: str, space: Space = ONE, derivation: Any = _DERIVED) -> Numerical:
    return Numerical(
        function=function,
        space=space,
        quantity=what,
        conventions=CONVENTIONS,
        derivation=derivation,
        formula=formula,
    )


OUTPUT = _prediction(quantity(output), "output f(t)", _OUTPUT)
OUTPUTS = _prediction(quantity(outputs), "outputs f(t) of two patterns", _OUTPUT, TWO)
FORWARD = _prediction(quantity(forward), "forward kernels H_l(t, t)", r"H_l(t,t) = \langle \phi(h^l(t))^2 \rangle")
BACKWARD = _prediction(quantity(backward), "backward kernels G_l(t, t)", r"G_l(t,t) = \langle g^l(t)^2 \rangle")
TANGENT = _prediction(quantity(tangent), "tangent kernel at t", r"\sum_{l=0}^{L} H_l(t,t)\,G_{l+1}(t,t)")
TWO_TIMES = _prediction(_two_times, "forward kernels H_l(t, s)", r"\langle \phi(h^l(t)) \phi(h^l(s)) \rangle")
BY_TANGENTS = _prediction(quantity(output, tangents=True), "output f(t), responses as averaged derivatives", _OUTPUT)
LAZY = _prediction(
    _lazy,
    "output f(t) of descent with the initial tangent kernel",
    r"y\left[1 - (1 - \eta\,\Theta)^t\right]",
    Space([ACTIVATION, DEPTH, RATE, NORM, LABEL, TIME]),
    _LAZY,
)
PARTICLES = _prediction(
    _particles,
    "output f(t) of one hidden layer",
    r"\langle a(t) \phi(h(t)) \rangle / \gamma",
    Space([ACTIVATION, GAMMA, RATE, NORM, LABEL, TIME]),
)
