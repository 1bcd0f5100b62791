r"""The competition of the loss's components by brute force: compute-optimal exponents at any (alpha, beta).

The referee of `plrf_phases`: no vertices, no certificates, no regions. The exponent of the loss at d = f^x is computed
from the orders of the components (the integral of u^(q-1) exp(-s u) from d^(-2 alpha) to 1 being of the order of the
larger of s^-q and d^(-2 alpha q)), and its minimum over x is searched on grids that zoom in. The loss falls with d up
to the death point and is convex beyond it, so that it has one minimum.
"""

from __future__ import annotations

import numpy as np

from theorylab.derivations.scaling_laws.plrf_phases import BETA, CONVENTIONS, SPACE
from theorylab.parameters import Space
from theorylab.prediction import Numerical, Value

# Points of a grid, and how often it is narrowed to the two cells around its minimum.
GRID, ZOOMS = 401, 4
# How far from 1/2 the exponent of the size has left it.
DEPARTURE = 1e-5


def loss_exponent(x: np.ndarray, alpha: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """Exponent of f in the loss at d = f^x; the arguments broadcast."""
    slowing = np.maximum(0.0, 1.0 - 2.0 * alpha)
    time = 1.0 - (1.0 + slowing) * x
    tail = np.maximum(0.0, 1.0 - 2.0 * beta) * x

    def order(q: np.ndarray) -> np.ndarray:
        return np.asarray(np.maximum(-q * time, -2.0 * alpha * q * x))

    noise = order(2.0 - 0.5 / alpha) - slowing * x
    distortion = order(1.0 - 0.5 / alpha) + tail - x
    bias = order(1.0 + beta / alpha - 0.5 / alpha)
    capacity = tail - 2.0 * alpha * x
    dead = time > 2.0 * alpha * x
    alive = np.maximum(np.maximum(noise, distortion), np.maximum(bias, capacity))
    return np.asarray(np.where(dead, capacity, alive))


def optimum(alpha: np.ndarray, beta: np.ndarray) -> tuple[Value, Value]:
    """xi and eta with their errors, of the broadcast shape of the arguments."""
    alpha, beta = np.broadcast_arrays(np.asarray(alpha, dtype=float), np.asarray(beta, dtype=float))
    low, high = np.zeros(alpha.shape), 1.0 / (1.0 + np.maximum(0.0, 1.0 - 2.0 * alpha))
    for _ in range(ZOOMS):
        x = np.linspace(low, high, GRID, axis=-1)
        loss = loss_exponent(x, alpha[..., None], beta[..., None])
        best = np.clip(np.argmin(loss, axis=-1), 1, GRID - 2)[..., None]
        here, before, after = (np.take_along_axis(x, best + k, axis=-1)[..., 0] for k in (0, -1, 1))
        least = np.take_along_axis(loss, best, axis=-1)[..., 0]
        around = np.maximum(*(np.take_along_axis(loss, best + k, axis=-1)[..., 0] for k in (-1, 1)))
        low, high = before, after
    return Value(here, high - low), Value(-least, around - least)


def departure(beta: np.ndarray) -> Value:
    """The smallest alpha between 1/4 and 1/2 down to which the optimal size is f^(1/2), by bisection."""
    low, high = (np.full(np.shape(beta), end) for end in (0.26, 0.45))
    for _ in range(26):
        middle = (low + high) / 2.0
        universal = np.abs(optimum(middle, beta)[0].value - 0.5) < DEPARTURE
        low, high = np.where(universal, low, middle), np.where(universal, middle, high)
    return Value((low + high) / 2.0, high - low + DEPARTURE)


SIZE = Numerical(
    function=lambda alpha, beta: optimum(alpha, beta)[0],
    space=SPACE,
    quantity="exponent xi of the compute-optimal size",
    conventions=CONVENTIONS,
    formula=r"\arg\min_x \max_i (p_i + q_i x)",
)
LOSS = Numerical(
    function=lambda alpha, beta: optimum(alpha, beta)[1],
    space=SPACE,
    quantity="exponent eta of the compute-optimal loss",
    conventions=CONVENTIONS,
    formula=r"-\min_x \max_i (p_i + q_i x)",
)
DEPARTURE_OF_SIZE = Numerical(
    function=departure,
    space=Space([BETA]),
    quantity="alpha at which xi leaves 1/2",
    conventions=CONVENTIONS,
)
