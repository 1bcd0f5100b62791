r"""How a deep network learns given data: its kernel limit, its feature-learning limit, and networks that are trained.

The network is $f = \frac{1}{\gamma N} w \cdot \phi(h^L)$ with hidden layers of width N in the mean-field convention
(learning rate $\eta \gamma^2 N$, half squared loss summed over the data). As N grows at fixed laziness $\gamma$ it is
described by dynamical mean-field theory; as $\gamma \to 0$ that becomes kernel gradient descent with the tangent kernel
at the start. The claims below `learning_dynamics/dmft-deep-nonlinear` and `infinite_width/ntk-nngp-toolbox` say how
well either is verified.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from theorylab.application import Application, Quantity, Result
from theorylab.errors import UsageError
from theorylab.inputs import Labelled
from theorylab.parameters import Integers, Interval, Parameter

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from theorylab.derivations.infinite_width.activations import Activation

PARAMETERS = (
    Parameter("depth", Integers(1, 12), "hidden layers L", 2),
    Parameter("gamma", Interval(0, 100, open_low=True), "richness: small is lazy (kernel), large learns features", 1.0),
    Parameter("rate", Interval(0, 1, open_low=True, open_high=True), "learning rate over the critical one", 0.1),
    Parameter("steps", Integers(1, 2_000), "steps of gradient descent", 20),
    Parameter("width", Integers(8, 8_192), "width N of the networks that are trained", 256),
    Parameter("networks", Integers(0, 100_000), "pairs of networks that are trained; 0 for theory alone", 16),
    Parameter("samples", Integers(4, 2**20), "samples of a batch of the mean-field theory, a power of two", 1024),
    Parameter("seed", Integers(0, 2**53), "names the random numbers", 0),
)
# Activations that networks are trained with.
TRAINED = ("linear", "relu", "tanh", "erf")
# Data whose two-time kernels are still small.
MOST_DATA = 64


class ActivationInput:
    """An activation: a name, or an expression of z."""

    name = "ACTIVATION"

    def read(self, source: Any) -> Activation:
        """The activation; `UsageError` for what is none."""
        from theorylab.derivations.infinite_width.activations import activation

        return activation(source)

    def describe(self) -> str:
        """What is expected."""
        return "relu, erf, tanh, gelu ... or an expression of z, such as 'z*exp(-z**2)'"


@dataclass(frozen=True)
class Curves:
    """Half squared loss, summed over the data, after 0..T steps, and what else was found.

    Parameters
    ----------
    lazy, rich, rich_error : float64[T + 1]
        Of kernel gradient descent, and of mean-field theory with the error of its computation.
    trained, trained_error : float64[T + 1] or None
        Of the mean output of trained networks, with its standard error.
    alignment : float64[T + 1]
        Cosine between the tangent kernel of mean-field theory and y y^T.
    """

    lazy: np.ndarray
    rich: np.ndarray
    rich_error: np.ndarray
    trained: np.ndarray | None
    trained_error: np.ndarray | None
    alignment: np.ndarray


def _loss(errors: np.ndarray) -> np.ndarray:
    return np.asarray(0.5 * np.sum(errors**2, axis=-1))


def study(
    act: Activation,
    data: tuple[np.ndarray, np.ndarray],
    *,
    depth: int,
    gamma: float,
    rate: float,
    steps: int,
    width: int,
    networks: int,
    samples: int,
    seed: int,
) -> Result:
    """The application: see `PARAMETERS`."""
    from theorylab.derivations.infinite_width.recursion import gram

    x, y = data
    if len(y) > MOST_DATA:
        raise UsageError(f"{len(y)} rows of data; at most {MOST_DATA}: the theory has kernels over all times and data")
    if not np.any(y):
        raise UsageError("all labels are 0: there is nothing to learn")
    inputs = x @ x.T / x.shape[1]
    tangent = np.asarray(gram(act, x, depth=depth + 1, bias_variance=0.0).Theta)
    largest = float(np.linalg.eigvalsh(tangent)[-1])
    eta = rate * 2.0 / largest
    lazy = _kernel_descent(tangent, y, eta, steps)
    outputs, error, kernels, residual = _mean_field(act, inputs, y, depth, gamma, eta, steps, samples, seed)
    trained = _trained(act, inputs, y, depth, gamma, eta, steps, width, networks, seed) if networks else None
    target = np.outer(y, y)
    curves = Curves(
        lazy=_loss(y - lazy),
        rich=_loss(y - outputs),
        rich_error=np.sum(np.abs(y - outputs) * error, axis=-1),
        trained=None if trained is None else _loss(y - trained[0]),
        trained_error=None if trained is None else np.sqrt(np.sum((y - trained[0]) ** 2 * trained[1] ** 2, axis=-1)),
        alignment=np.einsum("tij,ij->t", kernels, target)
        / (np.linalg.norm(kernels, axis=(1, 2)) * np.linalg.norm(target)),
    )
    change = float(np.linalg.norm(kernels[-1] - kernels[0]) / np.linalg.norm(kernels[0]))
    quantities = [
        Quantity("critical rate", 2.0 / largest, None, "2 over the largest eigenvalue of the tangent kernel"),
        Quantity("rate", eta, None, "learning rate that was used"),
        Quantity("loss, kernel limit", float(curves.lazy[-1]), None, f"after {steps} steps at gamma -> 0"),
        Quantity(
            "loss, mean field",
            float(curves.rich[-1]),
            _around(curves.rich[-1], curves.rich_error[-1]),
            f"after {steps} steps at gamma = {gamma:g}, infinite width",
        ),
        Quantity("kernel change", change, None, "of the tangent kernel, relative, at infinite width"),
        Quantity(
            "alignment", float(curves.alignment[-1]), None, f"of kernel and labels; {curves.alignment[0]:.3g} before"
        ),
    ]
    notes = [f"fixed point solved to {residual:.1e}; error of the mean-field output at most {float(error.max()):.1e}"]
    if trained is None:
        notes.append(_untrained(act, networks))
    else:
        quantities += _distances(trained, outputs, lazy, width, networks)
    return Result(
        "learning_dynamics/network",
        f"{act.name} network, {depth} hidden layers, gamma = {gamma:g}, {len(y)} data in {x.shape[1]} dimensions",
        quantities,
        notes,
        {"training": lambda: _figure(curves, width, gamma)},
        {"curves": curves, "outputs": outputs, "lazy": lazy, "tangent kernels": kernels},
    )


def _mean_field(
    act: Activation,
    inputs: np.ndarray,
    y: np.ndarray,
    depth: int,
    gamma: float,
    eta: float,
    steps: int,
    samples: int,
    seed: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Outputs and their errors, float64[steps + 1, P], tangent kernels, float64[steps + 1, P, P], and the residual."""
    from theorylab.derivations.infinite_width.activations import activation

    if act.expr == activation("linear").expr:
        from theorylab.derivations.learning_dynamics import linear_dmft

        exact = linear_dmft.solve(inputs, y, depth=depth, gamma=gamma, eta=eta, steps=steps)
        return exact.outputs, np.full_like(exact.outputs, exact.residual), exact.tangent(), exact.residual
    from theorylab.derivations.learning_dynamics.single_site_solution import Method, Network, descent

    network = Network(act.expr, depth, gamma, tuple(map(tuple, inputs.tolist())), tuple(y.tolist()))
    found = descent(network, eta, steps, Method(samples=samples, seed=seed))
    return found.f.value, found.f.error, found.ntk.value, found.residual


def _kernel_descent(tangent: np.ndarray, y: np.ndarray, eta: float, steps: int) -> np.ndarray:
    """Outputs of kernel gradient descent from 0, float64[steps + 1, P]."""
    values, vectors = np.linalg.eigh(tangent)
    left = (1.0 - eta * values) ** np.arange(steps + 1)[:, None]
    return np.asarray(((1.0 - left) * (vectors.T @ y)) @ vectors.T)


def _trained(
    act: Activation,
    inputs: np.ndarray,
    y: np.ndarray,
    depth: int,
    gamma: float,
    eta: float,
    steps: int,
    width: int,
    networks: int,
    seed: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Mean output, its standard error, and the scatter of one network, float64[steps + 1, P] each."""
    from theorylab.derivations.infinite_width.activations import activation
    from theorylab.kernels.random import Stream
    from theorylab.sims.learning_dynamics import mean_field_network as sims

    name = next((n for n in TRAINED if activation(n).expr == act.expr), None)
    if name is None:
        return None

    total, squares, scatter = (np.zeros((steps + 1, len(y))) for _ in range(3))
    # A pair has a matrix for each hidden layer and its fields at all times.
    held = 8.0 * ((depth - 1) * width**2 + 6.0 * depth * (steps + 1) * len(y) * width)
    at_a_time = max(1, int(2.0**28 / held))
    stream = Stream.from_seed(seed)
    for part, count in stream.split(networks, at_a_time):
        f = sims.networks(
            count, part, inputs, y, activation=name, L=depth, N=width, gamma=gamma, rate=eta, steps=steps
        )["f"]
        pairs = f.mean(axis=1)
        total += pairs.sum(axis=0)
        squares += (pairs**2).sum(axis=0)
        scatter += (f**2).sum(axis=(0, 1))
    mean = total / networks
    error = np.sqrt(np.maximum(squares / networks - mean**2, 0.0) / max(networks - 1, 1))
    return mean, error, np.sqrt(np.maximum(scatter / (2 * networks) - mean**2, 0.0))


def _distances(
    trained: tuple[np.ndarray, np.ndarray, np.ndarray], rich: np.ndarray, lazy: np.ndarray, width: int, networks: int
) -> list[Quantity]:
    """How far the outputs of trained networks are from either limit, at the step where they are furthest."""
    mean, error, scatter = trained
    out = []
    for name, limit in (("mean field", rich), ("kernel limit", lazy)):
        gap = np.sqrt(np.mean((mean - limit) ** 2, axis=1))
        at = int(np.argmax(gap))
        noise = float(np.sqrt(np.mean(error[at] ** 2)))
        out.append(
            Quantity(
                f"nets - {name}",
                float(gap[at]),
                _around(gap[at], 2.0 * noise),
                f"root mean square gap of the mean of {2 * networks} nets of width {width} at step {at}, its largest",
            )
        )
    out.append(
        Quantity("scatter", float(np.sqrt(np.mean(scatter[-1] ** 2))), None, "of one network's output at the end")
    )
    return out


def _around(value: float, error: float) -> tuple[float, float]:
    return float(value - error), float(value + error)


def _untrained(act: Activation, networks: int) -> str:
    if not networks:
        return "no networks were trained: -p networks=16"
    return f"networks are trained with {', '.join(TRAINED)}; {act.name} is theory alone"


def _figure(curves: Curves, width: int, gamma: float) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    t = np.arange(len(curves.lazy))
    left.plot(t, curves.lazy, color="0.5", ls="--", label=r"kernel limit, $\gamma \to 0$")
    left.plot(t, curves.rich, color="C0", label=rf"mean field, $\gamma = {gamma:g}$")
    low, high = curves.rich - curves.rich_error, curves.rich + curves.rich_error
    left.fill_between(t, np.maximum(low, 0.0), high, color="C0", alpha=0.2, lw=0)
    if curves.trained is not None:
        left.errorbar(
            t, curves.trained, curves.trained_error, fmt=".", ms=4, color="C1", label=f"nets of width {width}"
        )
    left.set(xlabel="step", ylabel=r"$\frac{1}{2} \sum_\mu (y_\mu - f_\mu)^2$", ylim=(0.0, None))
    left.legend(frameon=False, fontsize=8)
    right.plot(t, curves.alignment, color="C0")
    right.set(xlabel="step", ylabel="alignment of tangent kernel and labels")
    return figure


network = Application(
    "learning_dynamics/network",
    "how a network learns: kernel limit, feature-learning limit, and trained networks",
    study,
    (ActivationInput(), Labelled()),
    PARAMETERS,
)
