r"""Networks with one hidden layer, f(x) = (alpha/n) sum_i nu_i phi(U_i . x), trained by full-batch gradient descent.

U_i ~ N(0, sigma_u^2 I), nu_i ~ N(0, sigma_v^2); loss half the squared error, summed; the gradient with respect to
(U_i, nu_i) is multiplied by eta n/alpha^2. The kernel holds standard normal weights, U = sigma_u W^1 and
nu = sigma_v W^2: its rates are eta n/(alpha sigma)^2. `mirrored` networks have every hidden neuron twice, with readouts
nu and -nu: their output is zero at the start, and scatters less later.

Inputs are (1, 0) and (cos, sin) of `angle`, test points (cos, sin) of `psi`; linear networks on one input have d = 1,
because what is orthogonal to it does not move.

Cost of a step: for each neuron and sample about six operations in products, the activation and its slope, and about
twenty more in passes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from theorylab.kernels.arrays import namespace
from theorylab.kernels.gradient_descent import Trained, descender
from theorylab.kernels.random import Stream
from theorylab.simulation import Cost, simulation

BACKENDS = ("numpy", "numba", "cupy")


def _cost(*, n: float, t: Any, psi: Any, **_: object) -> Cost:
    steps, points = float(np.max(t)), float(np.size(psi))
    # Weights drawn, copied into one array, and copied out again; the outputs and moments at some times.
    held = 12.0 * n + np.size(t) * (points * points + 2.0 * points)
    return Cost(
        flops=n * (steps + 1.0) * 2.0 * 60.0,
        bytes=8.0 * held,
        draws=3.0 * n,
        products=n * steps * 2.0 * 14.0,
        order=2.0,
    )


def _pair_cost(*, n: float, t: float, **rest: Any) -> Cost:
    one = _cost(n=2.0 * n, t=t, **rest)
    return Cost(2.0 * one.flops, 0.55 * one.bytes, one.draws, products=2.0 * one.products, order=2.0)


def _flow_cost(*, n: float, tau: Any, grain: float, growing: int = 0, **_: object) -> Cost:
    steps = float(np.max(tau)) * grain * (n if growing else 1.0)
    return Cost(flops=60.0 * n * steps, bytes=8.0 * (11.0 * n + 4.0 * np.size(tau)), draws=2.0 * n, order=2.0)


def _trained(
    rng: Stream, hidden: Any, readout: Any, x: np.ndarray, y: np.ndarray, at: np.ndarray, times: list[int],
    activation: str, eta: float, sigma_u: float, sigma_v: float, alpha: float,
) -> Trained:  # fmt: skip
    """Networks from standard normal weights [trials, n, d] and [trials, n], with outputs at `at` and `times`."""
    n, xp = hidden.shape[1], namespace(hidden, readout)
    moved = (xp.asarray(a) for a in (x, y[:, None], at))
    inputs, targets, points = moved
    return descender(rng.backend)(
        [hidden, readout[:, None, :]],
        inputs,
        targets,
        points=points,
        scales=[sigma_u, alpha * sigma_v / n],
        rates=[eta * n / (alpha * sigma_u) ** 2, eta * n / (alpha * sigma_v) ** 2],
        activation=activation,
        times=np.array(times),
        kernels=True,
    )


def _weights(rng: Stream, trials: int, n: int, d: int, mirrored: bool = False) -> tuple[Any, Any]:
    if not mirrored:
        return rng.normal(trials, n, d), rng.normal(trials, n)
    hidden, readout = rng.normal(trials, n // 2, d), rng.normal(trials, n // 2)
    xp = namespace(hidden)
    return xp.concat([hidden, hidden], axis=1), xp.concat([readout, -readout], axis=1)


def _circle(psi: Any) -> np.ndarray:
    return np.stack([np.cos(psi), np.sin(psi)], axis=-1)


def _along(xp: Any, array: Any, when: np.ndarray, where: np.ndarray) -> Any:
    """Entries [trials, when_k, where_k] for all k: float64[trials, k]."""
    return xp.stack([array[:, int(i), int(j)] for i, j in zip(when, where)], axis=1)


@simulation(backends=BACKENDS, cost=_cost)
def network(
    trials: int, rng: Stream, *, n: int, activation: str, angle: float, y1: float, y2: float, eta: float,
    sigma_u: float, sigma_v: float, alpha: float, t: Any, psi: Any, mirrored: int = 0, laziness: float = 0.0,
) -> dict[str, Any]:  # fmt: skip
    """Networks of width n (even for mirrored ones), with output scale alpha n^laziness.

    `t` and `psi` are broadcast: steps and test points, in pairs.

    Returns
    -------
    f, dq : float64[trials, k], or float64[trials] where t and psi are numbers
        Output, and change of the mean square of the hidden activations, at the k pairs (t, psi).
    moments : float64[trials, 3, 3]
        Second moments of (U_1, U_2, nu) over the neurons at the start.
    """
    one = np.ndim(t) == np.ndim(psi) == 0
    t, psi = np.broadcast_arrays(np.atleast_1d(t).astype(int), np.atleast_1d(psi))
    times, when = np.unique(np.append(0, t), return_inverse=True)
    places, where = np.unique(psi, return_inverse=True)
    hidden, readout = _weights(rng, trials, n, 2, bool(mirrored))
    trained = _trained(
        rng, hidden, readout, _circle(np.array([0.0, angle])), np.array([y1, y2]), _circle(places), times.tolist(),
        activation, eta, sigma_u, sigma_v, alpha * float(n) ** laziness,
    )  # fmt: skip
    xp = namespace(hidden)
    squares = xp.stack([trained.kernels[:, :, 0, j, j] for j in range(len(places))], axis=2)
    joint = xp.concat([sigma_u * hidden, sigma_v * readout[:, :, None]], axis=2)
    found = (_along(xp, a, when[1:], where) for a in (trained.outputs[:, :, :, 0], squares - squares[:, :1, :]))
    f, dq = (a[:, 0] if one else a for a in found)
    return {
        "f": f,
        "dq": dq,
        "moments": xp.matmul(xp.matrix_transpose(joint), joint) / n,
    }


@simulation(backends=BACKENDS, cost=_pair_cost)
def halves(
    trials: int, rng: Stream, *, n: int, activation: str, angle: float, y1: float, y2: float, eta: float,
    sigma_u: float, sigma_v: float, alpha: float, t: int, psi: float,
) -> dict[str, Any]:  # fmt: skip
    """Networks of width 2 n, and their halves as networks of their own: the same neurons at two widths.

    Returns
    -------
    scatter : float64[trials]
        Absolute difference of the outputs of the halves, two independent networks of width n.
    defect : float64[trials]
        Output of the whole minus the mean of its halves: what the width does to the mean, without most of the scatter.
    """
    hidden, readout = _weights(rng, trials, 2 * n, 2)
    outputs = []
    for part in (slice(None), slice(0, n), slice(n, None)):
        trained = _trained(
            rng, hidden[:, part, :], readout[:, part], _circle(np.array([0.0, angle])), np.array([y1, y2]),
            _circle(np.array([psi])), [int(t)], activation, eta, sigma_u, sigma_v, alpha,
        )  # fmt: skip
        outputs.append(trained.outputs[:, 0, 0, 0])
    whole, first, second = outputs
    return {"scatter": namespace(whole).abs(first - second), "defect": whole - 0.5 * (first + second)}


def _one_input(
    trials: int, rng: Stream, n: int, y: float, eta: float, sigma_u: float, sigma_v: float, times: np.ndarray
) -> dict[str, Any]:
    """Linear networks on the input 1: output and moments along training, and the moments at the start."""
    hidden, readout = _weights(rng, trials, n, 1)
    xp, one = namespace(hidden), np.ones((1, 1))
    steps, when = np.unique(np.append(0, times), return_inverse=True)
    trained = _trained(
        rng, hidden, readout, one, np.array([y]), one, steps.tolist(), "linear", eta, sigma_u, sigma_v, 1.0
    )  # fmt: skip
    u, nu = sigma_u * hidden[:, :, 0], sigma_v * readout
    q = trained.kernels[:, :, 0, 0, 0]
    end = sigma_v * trained.weights[1][:, 0, :]
    wanted = [int(i) for i in when[1:]]
    return {
        "f": xp.stack([trained.outputs[:, i, 0, 0] for i in wanted], axis=1),
        "dq": xp.stack([q[:, i] - q[:, 0] for i in wanted], axis=1),
        "triple": xp.stack([xp.mean(a, axis=1) for a in (u * u, nu * nu, u * nu)], axis=1),
        "balance": (xp.mean(end * end, axis=1) - q[:, -1])[:, None],
    }


@simulation(backends=BACKENDS, cost=lambda *, n, t, **_: _flow_cost(n=n, tau=t, grain=1.0))
def one_input(
    trials: int, rng: Stream, *, n: int, y: float, eta: float, sigma_u: float, sigma_v: float, t: Any
) -> dict[str, Any]:
    """Linear networks on one input of length 1.

    Returns
    -------
    f, dq : float64[trials, k]
        Output, and change of the mean of U^2, after t steps.
    triple : float64[trials, 3]
        Means of U^2, nu^2 and U nu over the neurons at the start.
    balance : float64[trials, 1]
        Mean of nu^2 minus that of U^2 after the last step.
    """
    return _one_input(trials, rng, n, y, eta, sigma_u, sigma_v, np.atleast_1d(t).astype(int))


@simulation(backends=BACKENDS, cost=_flow_cost)
def small_steps(
    trials: int, rng: Stream, *, n: int, y: float, sigma_u: float, sigma_v: float, tau: Any, grain: int, growing: int
) -> dict[str, Any]:
    """Linear networks on one input of length 1, trained for times tau in steps of 1/grain, or 1/(grain n) if growing.

    Returns
    -------
    As `one_input`.
    """
    fine = grain * n if growing else grain
    times = np.rint(np.atleast_1d(tau) * fine).astype(int)
    if not np.allclose(times, np.atleast_1d(tau) * fine):
        raise ValueError(f"times {tau} are not whole numbers of steps of 1/{fine}")
    return _one_input(trials, rng, n, y, 1.0 / fine, sigma_u, sigma_v, times)
