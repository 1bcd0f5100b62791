r"""Losses of quadratic networks along training on finitely many samples, with control variates; and when they fall.

The losses of a data set scatter with its moments: that of the train loss by 15 % at D = 100 and P = 300. Fourteen
moments of the data and of the weights at the start, whose expectation is known exactly at every size, are subtracted
with coefficients from pilot runs of `PILOT` small data sets with a seed of their own. Whatever the coefficients, the
means stay what they are; the variance falls two to eight times.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from theorylab.kernels.arrays import host, namespace
from theorylab.kernels.random import Stream
from theorylab.sims.learning_dynamics import quadratic_network as q
from theorylab.simulation import Cost, simulation

PILOT, PILOT_SIZE, PILOT_SEED = 512, 40, 310110
# Stands for the loss of a run that has diverged.
DIVERGED = 1e300


def _controls(net: q.Network, x: Any, w: Any, own: Any, teacher: Any, overlap: float) -> Any:
    """Moments of expectation zero, averaged over runs, array[trials, 14].

    Parameters
    ----------
    x, w
        As in `quadratic_network.data` and `weights`.
    own, teacher : array[trials, runs, N, N], array[trials, runs, N]
        Overlaps at the start.
    """
    xp = namespace(x)
    size = math.sqrt(x.shape[2])
    signs = xp.asarray(net.signs())
    u = xp.reshape(x @ w, (*x.shape[:2], net.runs, net.neurons))
    z = size * x[:, :, :1]
    total, squares, signed = xp.sum(u, axis=3), xp.sum(u**2, axis=3), u @ signs
    second, fourth = z**2 - 1.0, z**4 - 6.0 * z**2 + 3.0
    sixth, third = z**6 - 15.0 * z**4 + 45.0 * z**2 - 15.0, z**3 - 3.0 * z
    trace, joint = xp.sum(own * xp.eye(net.neurons), axis=(2, 3)), xp.sum(own, axis=(2, 3))
    seen, square, sum_seen = teacher @ signs, xp.sum(teacher**2, axis=2), xp.sum(teacher, axis=2)
    balance = float(np.sum(net.signs())) ** 2

    def mean(values: Any) -> Any:
        return xp.mean(values, axis=(1, 2))

    def run_mean(values: Any) -> Any:
        return xp.mean(values, axis=1)

    columns = [
        mean(second),
        mean(fourth),
        mean(sixth),
        mean(total),
        mean(second * total),
        mean(z * signed) - run_mean(seen),
        mean(third * signed),
        run_mean(seen) - net.neurons * overlap,
        run_mean(trace) - net.neurons,
        run_mean(joint) - net.neurons - overlap**2 * (balance - net.neurons),
        mean(squares) - run_mean(trace),
        mean(total**2) - run_mean(joint),
        mean(second * squares) - 2.0 * run_mean(square),
        mean(second * total**2) - 2.0 * run_mean(sum_seen**2),
    ]
    return xp.stack(columns, axis=1)


def _losses(
    trials: int, rng: Stream, D: int, nu: float, net: q.Network, eta: float, overlap: float, t: Any
) -> tuple[Any, Any, Any]:
    """Train and test losses array[trials, times], and the controls."""
    x, target = q.data(trials, rng, D, round(nu * D))
    w = q.weights(trials, rng, D, net, overlap)
    course = q.train(rng, net, x, target, w, eta, q.instants(t))
    controls = _controls(net, x, w, course.own[:, 0, ...], course.teacher[:, 0, ...], overlap)
    xp = namespace(x)
    train, test = (xp.mean(q.among(t, a), axis=2) for a in (course.train, q.test_loss(net, course)))
    return train, test, controls


@lru_cache(16)
def _coefficients(nu: float, net: q.Network, eta: float, overlap: float, t: tuple[int, ...]) -> np.ndarray:
    """Least-squares coefficients of the controls in both losses, float64[14, 2 times]."""
    rng = Stream.from_seed(PILOT_SEED)
    train, test, controls = _losses(PILOT, rng, PILOT_SIZE, nu, net, eta, overlap, np.array(t))
    losses = np.concatenate([train, test], axis=1)
    found = np.linalg.lstsq(controls - controls.mean(axis=0), losses - losses.mean(axis=0), rcond=1e-10)[0]
    return np.asarray(found)


def _cost(*, D: float, N: float, nu: float, t: Any, runs: float, **_: object) -> Cost:
    times, P, columns = np.atleast_1d(host(t)), nu * D, N * runs
    return q.training_cost(
        D=D,
        P=P,
        columns=columns,
        neurons=N,
        steps=float(times.max()),
        times=times.size + 1.0,
        extra=P * (2.0 * columns + 5.0 * runs + 6.0),
    )


@simulation(backends=("numpy", "numba", "cupy"), cost=_cost)
def finite_samples(
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
    runs: int,
) -> dict[str, Any]:
    """Losses after t steps, averaged over the runs of a data set, less their controls.

    Returns
    -------
    train, test : float64[trials, times]
    """
    net = q.Network(N, runs, alpha, eps, output == "centred")
    train, test, controls = _losses(trials, rng, D, nu, net, eta, overlap, t)
    times = tuple(int(s) for s in np.atleast_1d(host(t)))
    coefficients = namespace(train).asarray(_coefficients(nu, net, eta, overlap, times))
    known = controls @ coefficients
    return {"train": train - known[:, : len(times)], "test": test - known[:, len(times) :]}


def _crossing(losses: Any, threshold: float) -> Any:
    """Time at which a loss array[trials, steps + 1, runs] first falls below the threshold, logarithms interpolated.

    The last step where it never does, as when training diverges, and half a step where it is below at the start: rare
    data sets, at small D. array[trials, runs].
    """
    xp = namespace(losses)
    logs = xp.log(xp.where(xp.isfinite(losses), losses, xp.asarray(DIVERGED)) / threshold)
    last = losses.shape[1] - 1
    below = xp.where(logs < 0.0, xp.asarray(1.0), xp.asarray(0.0))
    # Steps before the first one below.
    before = xp.sum(xp.where(xp.cumulative_sum(below, axis=1) == 0.0, xp.asarray(1.0), xp.asarray(0.0)), axis=1)
    index = xp.asarray(np.arange(last + 1.0))[None, :, None]
    zero = xp.asarray(0.0)
    high = xp.sum(xp.where(index == before[:, None, :] - 1.0, logs, zero), axis=1)
    low = xp.sum(xp.where(index == before[:, None, :], logs, zero), axis=1)
    found = before - 1.0 + high / xp.where(high == low, xp.asarray(1.0), high - low)
    return xp.where(before > last, xp.asarray(float(last)), xp.where(before == 0.0, xp.asarray(0.5), found))


def _delay_cost(*, D: float, N: float, nu: float, longest: float, runs: float, **_: object) -> Cost:
    return q.training_cost(D=D, P=nu * D, columns=N * runs, neurons=N, steps=longest, times=longest + 1.0)


@simulation(backends=("numpy", "numba", "cupy"), cost=_delay_cost)
def delay(
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
    threshold: float,
    longest: int,
    runs: int,
) -> dict[str, Any]:
    r"""When the losses fall below a part `threshold` of that of f = 0, in at most `longest` steps.

    Returns
    -------
    delay : float64[trials]
        $\ln(t_{test}/t_{train})$, averaged over runs.
    train, test : float64[trials]
        $\ln t$ of each, in units of time, $\eta$ times steps.
    """
    net = q.Network(N, runs, alpha, eps, output == "centred")
    x, target = q.data(trials, rng, D, round(nu * D))
    w = q.weights(trials, rng, D, net, overlap)
    # Numbers overflow where a run diverges.
    with np.errstate(over="ignore", invalid="ignore"):
        course = q.train(rng, net, x, target, w, eta, np.arange(longest + 1))
        both = course.train, q.test_loss(net, course)
    xp = namespace(x)
    # E y^2 / 2 of y = z^2 / 2, times the threshold.
    train, test = (xp.mean(xp.log(eta * _crossing(a, 0.375 * threshold)), axis=1) for a in both)
    return {"delay": test - train, "train": train, "test": test}
