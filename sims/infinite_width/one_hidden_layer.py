r"""Random networks with one hidden layer: outputs at initialisation, and unbiased estimates of their cumulants.

$f(x) = \sigma_b b + N^{-1/2} \sum_{i=1}^N v_i \phi(h_i(x))$ with all weights drawn afresh for every network. A trial of
the estimates is a small ensemble of networks: products of moments are averages over different networks of it, so that
the mean of the estimate is the cumulant itself, however few the networks. Outputs have mean zero, which is used.

At a single input $h_i \sim N(0, q)$ is drawn directly; several inputs lie in the plane, with $h_i = w_i \cdot x$.

Cost of a network: 2 N random numbers and N activations.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from theorylab.kernels.arrays import namespace
from theorylab.kernels.random import Stream
from theorylab.simulation import Cost, simulation

# Operations of an activation, as `Cost` counts them.
OPERATIONS = {"relu": 1.0, "sign": 1.0, "tanh": 20.0, "sin": 20.0}


def activated(h: Any, activation: str) -> Any:
    """phi(h)."""
    xp = namespace(h)
    if activation == "relu":
        return xp.where(h > 0, h, 0.0)
    return {"tanh": xp.tanh, "sin": xp.sin, "sign": xp.sign}[activation](h)


def readout(trials: int, rng: Stream, shape: tuple[int, ...], weights: str) -> Any:
    """Weights of unit variance: "normal", "uniform" on [-sqrt 3, sqrt 3], or "rademacher" signs."""
    if weights == "normal":
        return rng.normal(trials, *shape)
    if weights == "uniform":
        return 2.0 * math.sqrt(3.0) * (rng.uniform(trials, *shape) - 0.5)
    return rng.rademacher(trials, *shape)


def outputs(
    trials: int, rng: Stream, networks: int, N: int, activation: str, weights: str, q: float, s: float, sigma_b: float
) -> Any:
    """Outputs of `networks` independent networks a trial, float64[trials, networks]."""
    hidden = activated(math.sqrt(q) * rng.normal(trials, networks, N), activation)
    v = readout(trials, rng, (networks, N), weights)
    xp = namespace(hidden)
    total = xp.sum(v * hidden, axis=2) * (s / math.sqrt(N))
    return total + sigma_b * rng.normal(trials, networks) if sigma_b else total


def products(y: Any) -> dict[str, Any]:
    """Unbiased estimates of products of moments from float64[trials, networks] of independent copies of y.

    Returns
    -------
    dict of float64[trials]
        "21" is E y^2 E y, "111" is (E y)^3, and so on through the fourth order: averages of y_i^2 y_j over i != j.
    """
    xp = namespace(y)
    square = y * y
    p1, p2, p3, p4 = (xp.sum(z, axis=1) for z in (y, square, square * y, square * square))
    m = y.shape[1]
    two, three = m * (m - 1), m * (m - 1) * (m - 2)
    return {
        "1": p1 / m,
        "2": p2 / m,
        "11": (p1 * p1 - p2) / two,
        "3": p3 / m,
        "21": (p2 * p1 - p3) / two,
        "111": (p1**3 - 3.0 * p1 * p2 + 2.0 * p3) / three,
        "4": p4 / m,
        "31": (p3 * p1 - p4) / two,
        "211": (p2 * p1 * p1 - p2 * p2 - 2.0 * p3 * p1 + 2.0 * p4) / three,
        "1111": (p1**4 - 6.0 * p1 * p1 * p2 + 8.0 * p1 * p3 + 3.0 * p2 * p2 - 6.0 * p4) / (three * (m - 3)),
    }


def _ensemble_cost(*, N: float, activation: str, networks: float = 64, **_: object) -> Cost:
    units = networks * N
    return Cost(
        flops=units * (4.0 + OPERATIONS[activation]),
        bytes=8.0 * (3.1 * units + 3.0 * networks + 30.0),
        draws=2.0 * units,
        moved=24.0 * (4.0 * units + 6.0 * networks),
    )


@simulation(backends=("numpy", "numba", "cupy"), cost=_ensemble_cost)
def ensembles(
    trials: int,
    rng: Stream,
    *,
    N: int,
    activation: str,
    weights: str,
    q: float,
    s: float,
    sigma_b: float,
    networks: int = 64,
) -> dict[str, Any]:
    """Moments and cumulants of the output, from an ensemble of networks a trial.

    Returns
    -------
    mean, second, fourth, sixth : float64[trials]
        Estimates of E f, of the variance and of the cumulants kappa_4 and kappa_6.
    sigma4 : float64[trials]
        Estimate of the squared variance.
    hermite : float64[trials, 3]
        Estimates of sigma^n E He_n(f/sigma), n = 4, 6, 8.
    """
    f = outputs(trials, rng, networks, N, activation, weights, q, s, sigma_b)
    xp = namespace(f)
    m = products(f * f)
    fourth = m["2"] - 3.0 * m["11"]
    sixth = m["3"] - 15.0 * m["21"] + 30.0 * m["111"]
    eighth = m["4"] - 28.0 * m["31"] + 210.0 * m["211"] - 315.0 * m["1111"]
    return {
        "mean": xp.sum(f, axis=1) / networks,
        "second": m["1"],
        "fourth": fourth,
        "sixth": sixth,
        "sigma4": m["11"],
        "hermite": xp.stack([fourth, sixth, eighth], axis=1),
    }


def _single_cost(*, N: float, activation: str, **_: object) -> Cost:
    return Cost(
        flops=N * (4.0 + OPERATIONS[activation]),
        bytes=8.0 * (3.1 * N + 1.5),
        draws=2.0 * N + 1.0,
        moved=96.0 * N + 72.0,
    )


@simulation(backends=("numpy", "numba", "cupy"), cost=_single_cost)
def single(
    trials: int,
    rng: Stream,
    *,
    N: int,
    activation: str,
    weights: str,
    q: float,
    s: float,
    sigma_b: float,
    level: float = 1.0,
) -> dict[str, Any]:
    """One network a trial.

    Returns
    -------
    value : float64[trials]
        Its output.
    beyond : float64[trials]
        Whether |f| > level.
    """
    f = outputs(trials, rng, 1, N, activation, weights, q, s, sigma_b)[:, 0]
    xp = namespace(f)
    return {"value": f, "beyond": xp.astype(xp.abs(f) > level, xp.float64)}


def _joint_cost(*, N: float, activation: str, networks: float = 64, **_: object) -> Cost:
    units = networks * N
    return Cost(
        flops=units * (12.0 + 4.0 * OPERATIONS[activation]),
        bytes=8.0 * (5.6 * units + 7.0 * networks),
        draws=3.0 * units,
        moved=24.0 * 14.0 * units,
    )


@simulation(backends=("numpy", "numba", "cupy"), cost=_joint_cost)
def joint(
    trials: int,
    rng: Stream,
    *,
    N: int,
    activation: str,
    weights: str,
    q: float,
    s: float,
    angle: float,
    networks: int = 64,
) -> np.ndarray:
    """Fourth joint cumulants at inputs x_0, ..., x_3 of the plane, at angles 0, angle, 2 angle, 3 angle.

    Preactivations have variance q at each input and covariance q cos(angle) between neighbours.

    Returns
    -------
    float64[trials, 4]
        Estimates of the cumulants of (f_0, f_0, f_0, f_0), (f_0, f_0, f_0, f_1), (f_0, f_0, f_1, f_1) and
        (f_0, f_1, f_2, f_3).
    """
    w = [math.sqrt(q) * rng.normal(trials, networks, N) for _ in range(2)]
    v = readout(trials, rng, (networks, N), weights)
    xp = namespace(v)
    f = []
    for k in range(4):
        h = math.cos(k * angle) * w[0] + math.sin(k * angle) * w[1]
        f.append(xp.sum(v * activated(h, activation), axis=2) * (s / math.sqrt(N)))
    cumulants = []
    for a, b, c, d in ((0, 0, 0, 0), (0, 0, 0, 1), (0, 0, 1, 1), (0, 1, 2, 3)):
        total = xp.mean(f[a] * f[b] * f[c] * f[d], axis=1)
        pairs = (_different(f[i] * f[j], f[k] * f[n]) for i, j, k, n in ((a, b, c, d), (a, c, b, d), (a, d, b, c)))
        cumulants.append(total - sum(pairs))
    return xp.stack(cumulants, axis=1)


def _different(y: Any, z: Any) -> Any:
    """Estimate of E y E z: the average of y_i z_j over i != j."""
    xp = namespace(y)
    m = y.shape[1]
    return (xp.sum(y, axis=1) * xp.sum(z, axis=1) - xp.sum(y * z, axis=1)) / (m * (m - 1))
