r"""Neural tangent kernel of deep random networks at one input, at initialisation.

A network with hidden widths $n_1, \ldots, n_{L-1}$, scalar output, weights of variance $C_W/n_{l-1}$ and biases 0; the
activation has slope 1 above and alpha at and below 0. Its kernel is the sum of squared gradients, with factor lambda_b
for each bias and lambda_W/n_{l-1} for each weight of layer l:

$$\Theta = \sum_{l=1}^L \left( \lambda_b + \lambda_W \frac{|s^{l-1}|^2}{n_{l-1}} \right)
  \left| \frac{\partial f}{\partial z^l} \right|^2.$$

`chains` draws the norms by the chain of layers (`kernels/tangent_chain.py`), `matrices` multiplies the matrices. A
trial is an ensemble of networks, over which $\Theta$ and $\Theta^2$ are averaged: their tails are heavy.

Cost of a network: two random numbers a unit for the chain, one a weight for the matrices.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np

from theorylab.kernels import tangent_chain
from theorylab.kernels.arrays import namespace
from theorylab.kernels.random import Stream
from theorylab.simulation import Cost, simulation

# Networks of a trial.
NETWORKS = 64
# Inputs of the networks that are multiplied out.
INPUTS = 3


def averaged(forward: Any, backward: Any, q0: float, lambda_b: float, lambda_W: float, networks: int) -> dict[str, Any]:
    """Averages of the kernel and of its square over the networks of each trial."""
    xp = namespace(forward)
    theta = xp.sum((lambda_b + lambda_W * q0 * forward) * backward, axis=1)
    theta = xp.reshape(theta, (-1, networks))
    return {"theta": xp.mean(theta, axis=1), "square": xp.mean(theta * theta, axis=1)}


def _of_all(trials: int, rng: Stream, networks: int, sizes: list[int], alpha: float, C_W: float) -> tuple[Any, Any]:
    """Norms of all networks, those of a trial side by side: the normals of a trial are one draw."""
    count = tangent_chain.numbers(sizes)
    normals = rng.normal(trials, networks, count)
    normals = namespace(normals).reshape(normals, (trials * networks, count))
    norms = tangent_chain.norms_numba if rng.backend == "numba" else tangent_chain.norms_of
    return norms(normals, sizes, alpha, C_W)


def _cost(units: float, depth: float, networks: float = NETWORKS) -> Cost:
    return Cost(
        flops=networks * (12.0 * units + 30.0 * depth),
        bytes=8.0 * networks * (2.0 * units + 2.2 * depth + 3.0),
        draws=networks * (2.0 * units + 1.0),
        steps=networks * 6.0 * depth,
    )


def _chain_cost(*, widths: Any, networks: float = NETWORKS, **_: object) -> Cost:
    return _cost(float(np.sum(widths)), float(np.size(widths)) + 1.0, networks)


@simulation(backends=("numpy", "numba", "cupy"), cost=_chain_cost)
def chains(
    trials: int,
    rng: Stream,
    *,
    widths: np.ndarray,
    alpha: float,
    C_W: float,
    q0: float,
    lambda_b: float,
    lambda_W: float,
    networks: int = NETWORKS,
) -> dict[str, Any]:
    """The kernel by chains of layers.

    Parameters
    ----------
    widths : int[L - 1]
        Hidden widths.
    q0
        |x|^2/n_0.

    Returns
    -------
    theta, square : float64[trials]
        Averages of the kernel and of its square over the trial's networks.
    """
    forward, backward = _of_all(trials, rng, networks, [int(n) for n in np.atleast_1d(widths)], alpha, C_W)
    return averaged(forward, backward, q0, lambda_b, lambda_W, networks)


@simulation(
    backends=("numpy", "numba", "cupy"),
    cost=lambda *, n, r, networks=NETWORKS, **_: _cost(n * (max(1, round(r * n)) - 1), max(1, round(r * n)), networks),
)
def chains_at_ratio(
    trials: int, rng: Stream, *, n: int, r: float, alpha: float, networks: int = NETWORKS
) -> dict[str, Any]:
    """Square of the kernel over that of its depth, for L = r n layers of width n at criticality, weights alone.

    C_W = 2/(1 + alpha^2), lambda_b = 0, lambda_W |x|^2/n_0 = 1.

    Returns
    -------
    square : float64[trials]
    """
    depth = max(1, round(r * n))
    forward, backward = _of_all(trials, rng, networks, [n] * (depth - 1), alpha, 2.0 / (1.0 + alpha**2))
    return {"square": averaged(forward, backward, 1.0, 0.0, 1.0, networks)["square"] / depth**2}


def _matrix_cost(*, widths: Any, networks: float = NETWORKS, **_: object) -> Cost:
    sizes = [INPUTS, *(float(n) for n in np.atleast_1d(widths)), 1.0]
    weights = sum(a * b for a, b in pairwise(sizes))
    return Cost(
        flops=8.0 * networks * weights,
        bytes=8.0 * networks * (weights + 3.0 * sum(sizes)),
        draws=networks * weights,
        moved=40.0 * networks * weights,
    )


@simulation(backends=("numpy", "numba", "cupy"), cost=_matrix_cost)
def matrices(
    trials: int,
    rng: Stream,
    *,
    widths: np.ndarray,
    alpha: float,
    C_W: float,
    q0: float,
    lambda_b: float,
    lambda_W: float,
    networks: int = NETWORKS,
) -> dict[str, Any]:
    """The kernel by forward and backward passes through weight matrices, at an input along the first axis.

    Parameters and results as those of `chains`.
    """
    forward, backward = passes(trials * networks, rng, networks, [int(n) for n in np.atleast_1d(widths)], alpha, C_W)
    return averaged(forward, backward, q0, lambda_b, lambda_W, networks)


def passes(count: int, rng: Stream, networks: int, sizes: list[int], alpha: float, C_W: float) -> tuple[Any, Any]:
    """|s^l|^2/n_l and |d f/d z^l|^2 as `tangent_chain.norms` returns them, from the matrices of `count` networks."""
    shape = [INPUTS, *sizes, 1]
    trials = count // networks
    w = []
    for a, b in pairwise(shape):
        drawn = rng.normal(trials, networks, b, a)
        w.append(math.sqrt(C_W / a) * namespace(drawn).reshape(drawn, (count, b, a)))
    xp = namespace(w[0])
    s = xp.zeros_like(w[0][:, 0, :])
    s[:, 0] = math.sqrt(INPUTS)
    forward, gates = [], []
    for matrix in w:
        forward.append(xp.sum(s * s, axis=1) / s.shape[1])
        z = xp.matmul(matrix, s[:, :, None])[:, :, 0]
        gates.append(xp.where(z > 0, xp.ones_like(z), alpha * xp.ones_like(z)))
        s = gates[-1] * z
    delta = xp.ones_like(z)
    backward = [xp.sum(delta * delta, axis=1)]
    for matrix, gate in zip(w[:0:-1], gates[-2::-1]):
        delta = gate * xp.matmul(delta[:, None, :], matrix)[:, 0, :]
        backward.append(xp.sum(delta * delta, axis=1))
    return xp.stack(forward, axis=1), xp.stack(backward[::-1], axis=1)
