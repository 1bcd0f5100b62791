r"""Two-layer linear networks of finite width, before training and under full-batch gradient descent.

Model: $h_i^\mu = w_i \cdot x^\mu / \sqrt D$, $f_\mu = \frac{1}{\gamma N} \sum_i a_i h_i^\mu$, all weights N(0, 1), loss
$\frac12 \sum_\mu (y_\mu - f_\mu)^2$, learning rate $\eta\gamma^2 N$ for every parameter. The updates of w are linear in
the inputs, so that the fields $h_i^\mu$ move by $K_{\mu\nu} = x^\mu \cdot x^\nu / D$ alone: `fields_descent` and the
flows (`two_layer_linear_flow`) keep (h, a), `weights_descent` the weights themselves, as a test of this.

Targets alternate in sign. A pair of networks has readouts of opposite sign: what is odd in $f(0)$ cancels in its mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from theorylab.kernels.arrays import namespace
from theorylab.kernels.random import Stream
from theorylab.simulation import Cost, simulation

BACKENDS = ("numpy", "numba", "cupy")


def data(trials: int, rng: Stream, P: int, D: int, y: float) -> tuple[Any, Any, Any]:
    """Normal inputs float64[trials, P, D], their Gram matrix float64[trials, P, P], targets float64[trials, P]."""
    x = rng.normal(trials, P, D)
    xp = namespace(x)
    gram = x @ xp.matrix_transpose(x) / D
    return x, gram, alternating(xp, trials, P, y)


def alternating(xp: Any, trials: int, P: int, y: float) -> Any:
    """Targets y, -y, y, ..., float64[trials, P]."""
    return xp.broadcast_to(xp.asarray([y * (-1.0) ** k for k in range(P)]), (trials, P))


def mean_product(h: Any, a: Any) -> Any:
    """Mean over neurons of a_i h_i, float64[trials, P]; h is float64[trials, P, N], a float64[trials, N]."""
    return (h @ a[..., None])[..., 0] / a.shape[1]


def field_kernel(h: Any) -> Any:
    """Mean over neurons of h h^T, float64[trials, P, P]."""
    return h @ namespace(h).matrix_transpose(h) / h.shape[2]


def kernels_before(h: Any, a: Any) -> dict[str, Any]:
    """Kernels before training, under the names of what a conditional prediction takes."""
    xp = namespace(h)
    return {"fields": field_kernel(h), "readout": xp.mean(a * a, axis=1), "overlap": mean_product(h, a)}


def _record(times: np.ndarray, step: Callable[[], None], look: Callable[[], tuple[Any, ...]]) -> list[Any]:
    """Look after so many steps; each kind of look stacked along the times, the second axis."""
    looks, taken = [], 0
    for t in np.asarray(times).astype(int):
        for _ in range(t - taken):
            step()
        taken = t
        looks.append(look())
    xp = namespace(looks[0][0])
    return [xp.stack(list(column), axis=1) for column in zip(*looks)]


def _weights_cost(*, N: float, D: float, P: float, t: Any, **_: object) -> Cost:
    steps = float(np.max(t))
    products = steps * 4.0 * N * D * P
    return Cost(
        flops=products + steps * 8.0 * N * P,
        bytes=8.0 * (2.0 * N * D + 4.0 * P * N + 3.0 * N + P * D + np.size(t) * (P * P + P) * 2.0),
        draws=N * (D + 1.0) + P * D,
        moved=steps * (40.0 * N * D + 48.0 * N * P),
        products=products,
        order=max(P, 2.0),
    )


@simulation(backends=BACKENDS, cost=_weights_cost)
def weights_descent(
    trials: int, rng: Stream, *, N: int, D: int, P: int, gamma: float, eta: float, y: float, t: Any
) -> dict[str, np.ndarray]:
    """Gradient descent on the weights, with inputs and weights of each trial's own.

    Returns
    -------
    outputs : float64[trials, times, P]
    tangent : float64[trials, times, P, P]
        Scalar products of the gradients of the outputs, times gamma^2 N.
    gram, targets, fields, readout, overlap
        Data, and the kernels before training.
    """
    x, gram, targets = data(trials, rng, P, D, y)
    w, a = rng.normal(trials, N, D), rng.normal(trials, N)
    xp = namespace(x)
    unit = x / math.sqrt(D)

    def forward() -> Any:
        return unit @ xp.matrix_transpose(w)

    given = kernels_before(forward(), a)

    def step() -> None:
        nonlocal w, a
        h = forward()
        errors = targets - mean_product(h, a) / gamma
        push = (errors[:, None, :] @ unit)[:, 0, :]
        # The gradient with respect to f carries 1/(gamma N), the learning rate gamma^2 N.
        moved = (errors[:, None, :] @ h)[:, 0, :]
        w = w + eta * gamma * a[:, :, None] * push[:, None, :]
        a = a + eta * gamma * moved

    def look() -> tuple[Any, Any]:
        h = forward()
        return mean_product(h, a) / gamma, field_kernel(h) + xp.mean(a * a, axis=1)[:, None, None] * gram

    outputs, tangent = _record(t, step, look)
    return {"outputs": outputs, "tangent": tangent, "gram": gram, "targets": targets, **given}


def _fields_cost(*, N: float, P: float, t: Any, **_: object) -> Cost:
    steps = float(np.max(t))
    return Cost(
        flops=2.0 * steps * 10.0 * N * P,
        bytes=8.0 * (3.5 * P * N + 2.0 * N + np.size(t) * 4.0 * (P * P + P)),
        draws=N * (P + 1.0),
        moved=2.0 * steps * (72.0 * N * P + 40.0 * N),
    )


@simulation(backends=BACKENDS, cost=_fields_cost)
def fields_descent(
    trials: int, rng: Stream, *, N: int, D: int, P: int, gamma: float, eta: float, y: float, t: Any
) -> dict[str, np.ndarray]:
    """Gradient descent of a pair of networks with readouts of opposite sign, in the fields; means over the pair.

    Returns
    -------
    outputs : float64[trials, times, P]
    tangent : float64[trials, times, P, P]
        H + G K.
    gram, targets
        The data.
    """
    _, gram, targets = data(trials, rng, P, D, y)
    xp = namespace(gram)
    start, readout = xp.linalg.cholesky(gram) @ rng.normal(trials, P, N), rng.normal(trials, N)
    pair = [_descended(start, sign * readout, gram, targets, gamma, eta, t) for sign in (1.0, -1.0)]
    outputs, tangent = ((one + two) / 2.0 for one, two in zip(*pair))
    return {"outputs": outputs, "tangent": tangent, "gram": gram, "targets": targets}


def _descended(h: Any, a: Any, gram: Any, targets: Any, gamma: float, eta: float, t: Any) -> list[Any]:
    """Outputs and tangent kernels after t updates of fields and readouts."""

    def step() -> None:
        nonlocal h, a
        errors = targets - mean_product(h, a) / gamma
        push = (gram @ errors[..., None])[..., 0]
        moved = (errors[:, None, :] @ h)[:, 0, :]
        h = h + eta * gamma * push[:, :, None] * a[:, None, :]
        a = a + eta * gamma * moved

    def look() -> tuple[Any, Any]:
        readout = namespace(a).mean(a * a, axis=1)
        return mean_product(h, a) / gamma, field_kernel(h) + readout[:, None, None] * gram

    return _record(t, step, look)


def _initial_cost(*, N: float, **_: object) -> Cost:
    return Cost(flops=20.0 * N, bytes=8.0 * (6.0 * N + 20.0), draws=3.0 * N, moved=400.0 * N)


@simulation(backends=BACKENDS, cost=_initial_cost)
def untrained(trials: int, rng: Stream, *, N: int, gamma: float, rho: float) -> dict[str, np.ndarray]:
    """Networks before training on two patterns, K_11 = K_22 = 1 and K_12 = rho.

    Returns
    -------
    output : float64[trials]
        f_1.
    outputs : float64[trials, 2]
        f_1^2 and f_1 f_2.
    kernels : float64[trials, 3]
        (H_11 - 1)^2, (H_12 - rho)^2 and (G - 1)^2.
    """
    z, a = rng.normal(trials, 2, N), rng.normal(trials, N)
    xp = namespace(z)
    one = z[:, 0, :]
    two = rho * one + math.sqrt(1.0 - rho * rho) * z[:, 1, :]
    f1, f2 = (xp.mean(a * h, axis=1) / gamma for h in (one, two))
    moments = (xp.mean(one * one, axis=1) - 1.0, xp.mean(one * two, axis=1) - rho, xp.mean(a * a, axis=1) - 1.0)
    return {
        "output": f1,
        "outputs": xp.stack([f1 * f1, f1 * f2], axis=1),
        "kernels": xp.stack([m * m for m in moments], axis=1),
    }
