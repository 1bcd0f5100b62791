r"""Ensembles of fully connected networks in the neural-tangent parametrisation, trained by full-batch gradient descent.

L weight layers of one hidden width n with biases everywhere, all parameters N(0, 1); scales sqrt(C_W / fan-in) and
sqrt(C_b). Inputs are m points of an arc of a circle in two dimensions, labels cos(waves * angle). Every draw of the
hidden layers is trained twice, with the readout and its bias as drawn and with the opposite sign: half the sum of the
two outputs scatters little, half their difference carries what the start left. For covariances a trial has two such
draws.

Where the last layer alone is trained, the average over its start can be taken exactly: f_t(x) = z_t . v + the part that
does not depend on v, and z_t follows the adjoint of descent, step by step, from the features of x.

Cost of a step of one network: its products, the activations, and passes over both.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from theorylab.kernels.arrays import namespace
from theorylab.kernels.gradient_descent import descender, hidden_features
from theorylab.kernels.random import Stream
from theorylab.simulation import Cost, simulation

BACKENDS = ("numpy", "numba", "cupy")


def _weights(n: float, depth: float) -> float:
    """Numbers that a network has."""
    return 3.0 * n + (depth - 2.0) * n * (n + 1.0) + n + 1.0


def _network_cost(networks: float, drawn: float) -> Any:
    def cost(*, n: float, depth: float, m: float, t: Any, psi: Any, psi2: Any = 0.0, **_: object) -> Cost:
        steps, parameters = float(np.max(t)), _weights(n, depth)
        points = float(np.unique(np.append(psi, psi2)).size)
        products = networks * 6.0 * m * parameters * (steps + 1.0)
        # One draw at a time: drawn, mirrored, in one array for the descent, and copied out of it.
        held = (1.0 + 2.2 * networks / drawn) * parameters + networks * np.unique(t).size * points
        return Cost(
            flops=products + networks * steps * 60.0 * m * n * (depth - 1.0), bytes=8.0 * held,
            draws=drawn * parameters, products=products, order=(m * n * n) ** (1.0 / 3.0),
        )  # fmt: skip

    return cost


def _integrated_cost(
    *, n: float, depth: float, m: float, psi: Any, activation: str, t: Any = None, tau: Any = 0.0, grain: float = 1.0,
    **_: object,
) -> Cost:  # fmt: skip
    # SciPy's error function makes copies.
    arrays = 7.2 if activation == "erf" else 4.2
    steps = float(np.max(tau if t is None else t)) * grain
    points = float(max(np.size(psi), np.size(tau if t is None else t)))
    return Cost(
        flops=2.0 * (_weights(n, depth) * 2.0 * (m + points) + steps * 4.0 * m * n * points),
        bytes=8.0 * (1.2 * _weights(n, depth) + arrays * (m + points) * n + 50.0),
        draws=2.0 * _weights(n, depth),
        moved=2.0 * 24.0 * steps * 4.0 * points * n,
        order=m,
    )


def _circle(angles: Any, radius: float) -> np.ndarray:
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=-1)


def _data(m: int, spread: float, waves: float, radius: float) -> tuple[np.ndarray, np.ndarray]:
    angles = np.linspace(0.0, spread, m)
    return _circle(angles, radius), np.cos(waves * angles)


def _drawn(trials: int, rng: Stream, n: int, depth: int) -> tuple[list[Any], list[Any]]:
    """Standard normal weights and biases of all layers."""
    widths = [2] + [n] * (depth - 1) + [1]
    weights = [rng.normal(trials, wide, below) for wide, below in zip(widths[1:], widths)]
    return weights, [rng.normal(trials, wide) for wide in widths[1:]]


def _scales(n: int, depth: int, C_W: float, C_b: float) -> tuple[list[float], list[float]]:
    below = [2] + [n] * (depth - 1)
    return [math.sqrt(C_W / wide) for wide in below], [math.sqrt(C_b)] * depth


def _outputs(
    trials: int, rng: Stream, n: int, depth: int, activation: str, C_W: float, C_b: float, trained: str, m: int,
    spread: float, waves: float, radius: float, eta: float, times: list[int], places: np.ndarray,
    signs: tuple[int, ...],
) -> Any:  # fmt: skip
    """Outputs [signs, trials, times, places] of networks that differ in the sign of the readout alone."""
    weights, biases = _drawn(trials, rng, n, depth)
    xp = namespace(*weights)
    x, y = _data(m, spread, waves, radius)
    scales, shifts = _scales(n, depth, C_W, C_b)
    both = [xp.concat([w] * len(signs), axis=0) for w in weights[:-1]]
    below = [xp.concat([b] * len(signs), axis=0) for b in biases[:-1]]
    out = descender(rng.backend)(
        [*both, xp.concat([s * weights[-1] for s in signs], axis=0)],
        xp.asarray(x),
        xp.asarray(y[:, None]),
        points=xp.asarray(_circle(places, radius)),
        biases=[*below, xp.concat([s * biases[-1] for s in signs], axis=0)],
        scales=scales,
        bias_scales=shifts,
        rates=[0.0 if trained == "readout" else eta] * (depth - 1) + [eta],
        activation=activation,
        times=np.array(times),
    ).outputs[:, :, :, 0]
    return xp.reshape(out, (len(signs), trials, len(times), len(places)))


def _pairs(*arrays: Any) -> list[np.ndarray]:
    return list(np.broadcast_arrays(*(np.atleast_1d(a) for a in arrays)))


def _along(xp: Any, array: Any, when: np.ndarray, where: np.ndarray) -> Any:
    return xp.stack([array[..., int(i), int(j)] for i, j in zip(when, where)], axis=-1)


@simulation(backends=BACKENDS, cost=_network_cost(2.0, 1.0))
def mean_output(
    trials: int, rng: Stream, *, n: int, depth: int, activation: str, C_W: float, C_b: float, trained: str, m: int,
    spread: float, waves: float, radius: float, eta: float, t: Any, psi: Any,
) -> Any:  # fmt: skip
    """Mean output of two networks with opposite readouts: float64[trials, k], for k pairs of t and psi."""
    t, psi = _pairs(t, psi)
    times, when = np.unique(t.astype(int), return_inverse=True)
    places, where = np.unique(psi, return_inverse=True)
    out = _outputs(trials, rng, n, depth, activation, C_W, C_b, trained, m, spread, waves, radius, eta,
                   times.tolist(), places, (1, -1))  # fmt: skip
    return _along(namespace(out), 0.5 * (out[0, ...] + out[1, ...]), when, where)


@simulation(backends=BACKENDS, cost=_network_cost(1.0, 1.0))
def output(
    trials: int, rng: Stream, *, n: int, depth: int, activation: str, C_W: float, C_b: float, trained: str, m: int,
    spread: float, waves: float, radius: float, eta: float, t: Any, psi: Any,
) -> Any:  # fmt: skip
    """Output of one network: float64[trials, k] for k pairs of t and psi, float64[trials] where both are numbers."""
    one = np.ndim(t) == np.ndim(psi) == 0
    t, psi = _pairs(t, psi)
    times, when = np.unique(t.astype(int), return_inverse=True)
    places, where = np.unique(psi, return_inverse=True)
    out = _outputs(trials, rng, n, depth, activation, C_W, C_b, trained, m, spread, waves, radius, eta,
                   times.tolist(), places, (1,))  # fmt: skip
    found = _along(namespace(out), out[0, ...], when, where)
    return found[:, 0] if one else found


@simulation(backends=BACKENDS, cost=_network_cost(4.0, 2.0))
def covariance(
    trials: int, rng: Stream, *, n: int, depth: int, activation: str, C_W: float, C_b: float, trained: str, m: int,
    spread: float, waves: float, radius: float, eta: float, t: Any, psi: Any, psi2: Any,
) -> Any:  # fmt: skip
    """Unbiased estimates of the covariance of outputs at two points, from two pairs of networks: float64[trials, k]."""
    t, psi, psi2 = _pairs(t, psi, psi2)
    times, when = np.unique(t.astype(int), return_inverse=True)
    places, where = np.unique(np.append(psi, psi2), return_inverse=True)
    drawn = [
        _outputs(trials, rng, n, depth, activation, C_W, C_b, trained, m, spread, waves, radius, eta, times.tolist(),
                 places, (1, -1))
        for _ in range(2)
    ]  # fmt: skip
    xp = namespace(*drawn)
    one, two = np.split(where, 2)

    def product(a: Any) -> Any:
        return _along(xp, a, when, one) * _along(xp, a, when, two)

    # Of the readout's sign, within each pair; of the hidden layers, between the pairs.
    within = [product(0.5 * (out[0, ...] - out[1, ...])) for out in drawn]
    sums = [0.5 * (out[0, ...] + out[1, ...]) for out in drawn]
    return 0.5 * (within[0] + within[1]) + 0.5 * product(sums[0] - sums[1])


def _features(
    trials: int, rng: Stream, n: int, depth: int, activation: str, C_W: float, C_b: float, points: np.ndarray
) -> Any:
    """What the readout and its bias are multiplied by, at the points: float64[trials, q, n + 1]."""
    weights, biases = _drawn(trials, rng, n, depth)
    xp = namespace(*weights)
    scales, shifts = _scales(n, depth, C_W, C_b)
    hidden = scales[-1] * hidden_features(
        weights[:-1], xp.asarray(points), scales=scales[:-1], activation=activation, biases=biases[:-1],
        bias_scales=shifts[:-1],
    )  # fmt: skip
    ones = xp.full((trials, len(points), 1), shifts[-1], dtype=hidden.dtype)
    return xp.concat([hidden, ones], axis=2)


def _integrated(
    trials: int, rng: Stream, n: int, depth: int, activation: str, C_W: float, C_b: float, m: int, spread: float,
    waves: float, radius: float, eta: float, t: np.ndarray, psi: np.ndarray,
) -> tuple[Any, Any, Any]:  # fmt: skip
    """Mean and propagated features [trials, k, n + 1] after the k-th time at the k-th point, and the kernel."""
    x, y = _data(m, spread, waves, radius)
    z = _features(trials, rng, n, depth, activation, C_W, C_b, np.concatenate([x, _circle(psi, radius)]))
    xp = namespace(z)
    kernel = xp.matmul(z, xp.matrix_transpose(z))
    train, moving = z[:, :m, :], z[:, m:, :]
    mean, ends, labels = [0.0 * moving[:, 0, 0]] * len(t), [moving[:, 0, :]] * len(t), xp.asarray(y)
    running = 0.0 * moving[:, :, 0]
    for step in range(int(np.max(t)) + 1):
        for k in np.flatnonzero(t == step).tolist():
            mean[k], ends[k] = running[:, k], moving[:, k, :]
        # f_s(x) = z . v_s = (z - eta (z Phi^T) Phi) . v_(s-1) + eta (z Phi^T) y
        seen = xp.matmul(moving, xp.matrix_transpose(train))
        running = running + eta * xp.sum(seen * labels, axis=2)
        moving = moving - eta * xp.matmul(seen, train)
    return xp.stack(mean, axis=1), xp.stack(ends, axis=1), kernel


@simulation(backends=BACKENDS, cost=_integrated_cost)
def last_layer(
    trials: int, rng: Stream, *, n: int, depth: int, activation: str, C_W: float, C_b: float, m: int, spread: float,
    waves: float, radius: float, eta: float, t: Any, psi: Any,
) -> dict[str, Any]:  # fmt: skip
    """Networks whose last layer alone is trained, averaged over its start; two draws of the hidden layers.

    Returns
    -------
    mean, variance : float64[trials, k]
        Unbiased estimates of the mean and the variance between networks, after the k-th time at the k-th point.
    own_mean, own_variance : float64[trials, k]
        Mean and variance over readouts at the first draw.
    kernel : float64[trials, m + k, m + k]
        Inner products of the first draw's features, over training inputs and points.
    """
    t, psi = _pairs(t, psi)
    common = (n, depth, activation, C_W, C_b, m, spread, waves, radius, eta, t.astype(int), psi)
    one, two = (_integrated(trials, rng, *common) for _ in range(2))
    xp = namespace(one[0])
    squares = [xp.sum(ends * ends, axis=2) for _, ends, _ in (one, two)]
    return {
        "mean": 0.5 * (one[0] + two[0]),
        "variance": 0.5 * (squares[0] + squares[1]) + 0.5 * (one[0] - two[0]) ** 2,
        "own_mean": one[0],
        "own_variance": squares[0],
        "kernel": one[2],
    }


@simulation(backends=BACKENDS, cost=_integrated_cost)
def last_layer_in_small_steps(
    trials: int, rng: Stream, *, n: int, depth: int, activation: str, C_W: float, C_b: float, m: int, spread: float,
    waves: float, radius: float, tau: Any, psi: Any, grain: int,
) -> dict[str, Any]:  # fmt: skip
    """As `last_layer`, one draw of the hidden layers, trained for times tau in steps of 1/grain.

    Returns
    -------
    mean : float64[trials, k]
    kernel : float64[trials, m + k, m + k]
    """
    tau, psi = _pairs(tau, psi)
    times = np.rint(tau * grain).astype(int)
    if not np.allclose(times, tau * grain):
        raise ValueError(f"times {tau} are not whole numbers of steps of 1/{grain}")
    mean, _, kernel = _integrated(
        trials, rng, n, depth, activation, C_W, C_b, m, spread, waves, radius, 1.0 / grain, times, psi
    )
    return {"mean": mean, "kernel": kernel}
