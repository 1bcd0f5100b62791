r"""Full-batch gradient descent of a two-layer network with quadratic activation and a fixed readout.

Inputs $x \sim N(0, I_D)$, $h_i = w_i \cdot x / \sqrt D$, output $f = \frac\alpha N \sum_i \phi(h_i)$ with
$\phi(h) = h + \frac\epsilon2 h^2$, target $y = \frac12 (\beta \cdot x)^2 / D$, $|\beta|^2 = D$, $P = \nu D$ samples.
A step is $w_i \mapsto w_i + \frac\eta\alpha \frac{\sqrt D}{P} \sum_\mu \Delta^\mu \phi'(h_i^\mu) x^\mu$ with
$\Delta = y - f$, or $\Delta = y - f + f(0)$ where the output is centred. Losses are half mean squared errors. The
teacher lies along the first axis, which is no restriction: inputs have no preferred direction. Weights start as
$s_i m_0 \beta + \sqrt{1 - m_0^2}\, g_i$ with normal $g_i$ and alternating signs $s_i$; $m_0 = 0$ is the standard start.

A trial is a data set. Several networks are trained on it at once ("runs"), side by side in one product of matrices, and
averaged over. Test losses are exact, given the weights, by the overlaps $Q_{ij} = w_i \cdot w_j / D$ and
$m_i = w_i \cdot \beta / D$.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from theorylab.kernels.arrays import host, namespace
from theorylab.kernels.quadratic_descent import Course, descender
from theorylab.kernels.random import Stream
from theorylab.simulation import Cost


@dataclass(frozen=True)
class Network:
    """N neurons in each of `runs` networks; columns of the weights are grouped by network."""

    neurons: int
    runs: int
    alpha: float
    eps: float
    centred: bool

    @property
    def columns(self) -> int:
        """Neurons of all networks."""
        return self.neurons * self.runs

    def signs(self) -> np.ndarray:
        """Signs with which neurons see the teacher at the start, float64[N]."""
        return np.where(np.arange(self.neurons) % 2 == 0, 1.0, -1.0)


def data(trials: int, rng: Stream, D: int, P: int) -> tuple[Any, Any]:
    """Inputs over sqrt(D), float64[trials, P, D], and targets, float64[trials, P]."""
    x = rng.normal(trials, P, D)
    target = 0.5 * x[:, :, 0] ** 2
    x *= 1.0 / math.sqrt(D)
    return x, target


def weights(trials: int, rng: Stream, D: int, net: Network, overlap: float) -> Any:
    """Weights at the start, float64[trials, D, columns]."""
    w = rng.normal(trials, D, net.columns)
    if overlap != 0.0:
        w *= math.sqrt(1.0 - overlap**2)
        w[:, 0, :] += overlap * math.sqrt(D) * namespace(w).asarray(np.tile(net.signs(), net.runs))
    return w


def train(rng: Stream, net: Network, x: Any, target: Any, w: Any, eta: float, times: np.ndarray) -> Course:
    """Losses and overlaps at the steps `times`, ascending."""
    return descender(rng.backend)(
        x,
        target,
        w,
        neurons=net.neurons,
        eps=net.eps,
        coupling=net.alpha / net.neurons,
        rate=eta / net.alpha * x.shape[2] / x.shape[1],
        centred=net.centred,
        times=times,
    )


def test_loss(net: Network, course: Course) -> Any:
    """Half the expected squared error on a fresh sample, array[trials, times, runs]."""
    xp = namespace(course.own)
    k = net.alpha * net.eps / net.neurons

    def sums(q: Any, m: Any) -> tuple[Any, Any, Any, Any]:
        squares = xp.sum(q**2, axis=(-2, -1))
        return xp.sum(q * xp.eye(net.neurons), axis=(-2, -1)), xp.sum(q, axis=(-2, -1)), squares, xp.sum(m, axis=-1)

    trace, total, square, teacher = sums(course.own, course.teacher**2)
    if net.centred:
        then = sums(course.own[:, :1, ...], course.teacher[:, :1, ...] ** 2)
        cross = sums(course.across, course.teacher * course.teacher[:, :1, ...])
        total = total + then[1] - 2.0 * cross[1]
        trace = trace - then[0]
        square = square + then[2] - 2.0 * cross[2]
        teacher = teacher - then[3]
    mismatch = k**2 * square - 2.0 * k * teacher + 1.0
    linear = (net.alpha / net.neurons) ** 2 * total
    return 0.5 * (linear + 0.25 * (2.0 * mismatch + (k * trace - 1.0) ** 2))


def instants(t: Any) -> np.ndarray:
    """Steps at which to look, with the start, int64[times]."""
    return np.unique(np.append(np.atleast_1d(host(t)).astype(np.int64), 0))


def among(t: Any, values: Any) -> Any:
    """Of values[trials, instants(t), ...] those at the steps t."""
    asked = np.atleast_1d(host(t)).astype(np.int64)
    return namespace(values).stack([values[:, int(i), ...] for i in np.searchsorted(instants(t), asked)], axis=1)


def training_cost(
    *, D: float, P: float, columns: float, neurons: float, steps: float, times: float, extra: float = 0.0
) -> Cost:
    """Cost of training on one data set; `extra` more floats are held, besides inputs, weights and what is returned."""
    products = 4.0 * P * D * columns * (steps + 1.0)
    kept = times * columns * (2.0 * neurons + 2.0)
    return Cost(
        flops=products + 12.0 * (steps + 1.0) * P * columns + 4.0 * times * D * columns * neurons,
        bytes=8.0 * (P * D + P + D * columns + 2.0 * kept + extra),
        draws=P * D + D * columns,
        moved=40.0 * P * D,
        products=products,
        order=D,
    )
