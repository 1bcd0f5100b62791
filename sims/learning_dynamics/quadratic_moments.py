r"""What quadratic networks do on average over fresh inputs: losses, one step of gradient descent, and tangent kernels.

The model is that of `quadratic_network`. Overlaps with the teacher are $Q_{ij} = w_i \cdot w_j / D$ and
$m_i = w_i \cdot \beta / D$; every trial returns those of its weights, for predictions that are conditional on them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from theorylab.kernels.arrays import namespace
from theorylab.kernels.random import Stream
from theorylab.sims.learning_dynamics import quadratic_network as q
from theorylab.simulation import Cost, simulation


def _overlaps(w: Any) -> tuple[Any, Any]:
    """Q, array[trials, N, N], and m, array[trials, N]; weights array[trials, D, N]."""
    D = w.shape[1]
    return namespace(w).matrix_transpose(w) @ w / D, w[:, 0, :] / D**0.5


def _fresh_cost(*, D: float, N: float, nu: float, steps: float, fresh: float, **_: object) -> Cost:
    cost = q.training_cost(D=D, P=nu * D, columns=N, neurons=N, steps=steps, times=2.0)
    seen = 8.0 * fresh * (D + 3.0 * N + 5.0)
    return Cost(
        flops=cost.flops + 2.0 * fresh * D * N,
        bytes=cost.bytes + seen + 8.0 * (2.0 * D * N + 2.0 * N * N),
        draws=cost.draws + fresh * D,
        moved=cost.moved + 8.0 * fresh * (3.0 * D + 12.0 * N),
        products=cost.products + 2.0 * fresh * D * N,
        order=D,
    )


@simulation(backends=("numpy", "numba", "cupy"), cost=_fresh_cost)
def fresh_loss(
    trials: int, rng: Stream, *, D: int, N: int, nu: float, alpha: float, eps: float, eta: float, steps: int, fresh: int
) -> dict[str, Any]:
    """Loss on `fresh` new samples of a network that was trained for some steps; the output is not centred.

    Returns
    -------
    loss : float64[trials]
    overlaps, teacher : float64[trials, N, N], float64[trials, N]
        After training.
    """
    net = q.Network(N, 1, alpha, eps, False)
    x, target = q.data(trials, rng, D, round(nu * D))
    w = q.weights(trials, rng, D, net, 0.0)
    for _ in range(steps):
        w = w + _move(net, x, target, w, eta)
    overlaps, teacher = _overlaps(w)
    seen, truth = q.data(trials, rng, D, fresh)
    errors = _errors(net, seen @ w, truth)
    return {"loss": 0.5 * namespace(x).mean(errors**2, axis=1), "overlaps": overlaps, "teacher": teacher}


def _errors(net: q.Network, h: Any, target: Any) -> Any:
    return target - net.alpha / net.neurons * namespace(h).sum(h + 0.5 * net.eps * h**2, axis=2)


def _move(net: q.Network, x: Any, target: Any, w: Any, eta: float) -> Any:
    """What a step adds to the weights, array[trials, D, N]."""
    xp = namespace(x)
    h = x @ w
    forces = _errors(net, h, target)[:, :, None] * (1.0 + net.eps * h)
    return eta / net.alpha * x.shape[2] / x.shape[1] * (xp.matrix_transpose(x) @ forces)


def _step_cost(*, D: float, N: float, batch: float, **_: object) -> Cost:
    return Cost(
        flops=8.0 * batch * D * N + 8.0 * D * N * N,
        bytes=8.0 * (batch * (D + 3.0 * N + 5.0) + 5.0 * D * N + 6.0 * N * N),
        draws=2.0 * batch * D + D * N,
        moved=48.0 * batch * D + 160.0 * batch * N,
        products=8.0 * batch * D * N,
        order=D,
    )


@simulation(backends=("numpy", "numba", "cupy"), cost=_step_cost)
def one_step(
    trials: int, rng: Stream, *, D: int, N: int, alpha: float, eps: float, eta: float, overlap: float, batch: int
) -> dict[str, Any]:
    """Overlaps after one step, of which the expectation is that of a step on infinitely many samples.

    Both factors of an inner product have taken their step on a batch of their own, so that the noise of the gradient
    averages out.

    Returns
    -------
    moved : float64[trials, N + N (N + 1) / 2]
        m, then Q by rows, each from the diagonal on.
    overlaps, teacher : float64[trials, N, N], float64[trials, N]
        Before the step.
    """
    net = q.Network(N, 1, alpha, eps, False)
    w = q.weights(trials, rng, D, net, overlap)
    overlaps, teacher = _overlaps(w)
    one, other = (w + _move(net, *q.data(trials, rng, D, batch), w, eta) for _ in range(2))
    xp = namespace(w)
    product = xp.matrix_transpose(one) @ other / D
    product = 0.5 * (product + xp.matrix_transpose(product))
    m = 0.5 * (one + other)[:, 0, :] / D**0.5
    upper = [product[:, i, i:] for i in range(N)]
    return {"moved": xp.concat([m, *upper], axis=1), "overlaps": overlaps, "teacher": teacher}


def _course_cost(*, D: float, N: float, nu: float, t: Any, extra: float = 0.0, **_: object) -> Cost:
    times = np.atleast_1d(t)
    return q.training_cost(
        D=D,
        P=nu * D,
        columns=N,
        neurons=N,
        steps=float(np.max(times)),
        times=times.size + 1.0,
        extra=2.0 * N * N + times.size + extra,
    )


@simulation(backends=("numpy", "numba", "cupy"), cost=_course_cost)
def many_samples(
    trials: int,
    rng: Stream,
    *,
    D: int,
    N: int,
    nu: float,
    alpha: float,
    eps: float,
    eta: float,
    overlap: float,
    output: str,
    t: np.ndarray,
) -> dict[str, Any]:
    """Test loss after t steps of full-batch training on nu D samples.

    Returns
    -------
    test : float64[trials, times]
    overlaps, teacher : float64[trials, N, N], float64[trials, N]
        At the start.
    """
    net = q.Network(N, 1, alpha, eps, output == "centred")
    x, target = q.data(trials, rng, D, round(nu * D))
    course = q.train(rng, net, x, target, q.weights(trials, rng, D, net, overlap), eta, q.instants(t))
    test = q.among(t, q.test_loss(net, course))[:, :, 0]
    return {"test": test, "overlaps": course.own[:, 0, 0, ...], "teacher": course.teacher[:, 0, 0, ...]}


def _returning_cost(*, D: float, N: float, nu: float, t: Any, **_: object) -> Cost:
    return _course_cost(D=D, N=N, nu=nu, t=t, extra=nu * D * (D + 1.0))


@simulation(backends=("numpy", "numba", "cupy"), cost=_returning_cost)
def centred_training(
    trials: int, rng: Stream, *, D: int, N: int, nu: float, alpha: float, eps: float, eta: float, t: np.ndarray
) -> dict[str, Any]:
    """Losses after t steps with a centred output, for comparison with what the tangent kernel of the start does.

    Returns
    -------
    losses : float64[trials, 2 times]
        Train losses, then test losses, each over that of f = 0.
    inputs, weights : float64[trials, P, D], float64[trials, D, N]
        Inputs (not divided by sqrt(D)), and weights at the start.
    """
    net = q.Network(N, 1, alpha, eps, True)
    x, target = q.data(trials, rng, D, round(nu * D))
    w = q.weights(trials, rng, D, net, 0.0)
    course = q.train(rng, net, x, target, w, eta, q.instants(t))
    xp = namespace(x)
    untrained = 0.5 * xp.mean(target**2, axis=1)[:, None]
    train, test = (q.among(t, a)[:, :, 0] for a in (course.train, q.test_loss(net, course)))
    # E y^2 / 2 of y = z^2 / 2 is 3/8.
    return {"losses": xp.concat([train / untrained, test / 0.375], axis=1), "inputs": D**0.5 * x, "weights": w}


def _kernel_cost(*, D: float, N: float, inputs: float, **_: object) -> Cost:
    return Cost(
        flops=2.0 * inputs * (2.0 * D * N + inputs * (D + N)),
        bytes=8.0 * (inputs * (3.0 * D + 5.0 * N + 4.0) + 3.5 * inputs**2 + D * N),
        draws=2.0 * inputs * D + D * N,
        moved=8.0 * inputs * (8.0 * D + 12.0 * N + 8.0 * inputs),
        products=2.0 * inputs * (2.0 * D * N + inputs * (D + N)),
        order=D,
    )


@simulation(backends=("numpy", "numba", "cupy"), cost=_kernel_cost)
def tangent_kernel(trials: int, rng: Stream, *, D: int, N: int, eps: float, inputs: int) -> dict[str, Any]:
    """Tangent kernels at the start, between two sets of fresh inputs.

    Returns
    -------
    kernel, inner : float64[trials, inputs]
        K(x, x') and x . x' of the first of one set with the first of the other, the second with the second, and so on.
    alignment : float64[trials]
        Mean over all pairs of y(x) K(x, x') y(x').
    """
    net = q.Network(N, 1, 1.0, eps, False)
    w = q.weights(trials, rng, D, net, 0.0)
    (x, y), (other, truth) = (q.data(trials, rng, D, inputs) for _ in range(2))
    xp = namespace(w)
    one, two = (1.0 + eps * (a @ w) for a in (x, other))
    inner = D * (x @ xp.matrix_transpose(other))
    kernel = inner * (one @ xp.matrix_transpose(two)) / N
    alignment = xp.mean(y[:, :, None] * kernel * truth[:, None, :], axis=(1, 2))
    paired = xp.eye(inputs)
    return {
        "kernel": xp.sum(kernel * paired, axis=2),
        "inner": xp.sum(inner * paired, axis=2),
        "alignment": alignment,
    }
