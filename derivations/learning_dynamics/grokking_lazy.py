r"""The lazy reference of a quadratic network: gradient descent with the tangent kernel of the start.

As $\alpha \to \infty$ with a centred output the weights move by $O(1/\alpha)$ and the network trains like its
linearisation, $f_{t+1}(x) = f_t(x) + \frac\eta P \sum_\mu \Delta^\mu K(x, x^\mu)$ with
$K(x, x') = (x \cdot x') \frac1N \sum_i \phi'(h_i) \phi'(h_i')$. Its test loss needs no test set: what is learned is
$f_t(x) = \frac1N \sum_i \phi'(h_i(x))\, v_i \cdot x$, a quadratic function of x like the target.
"""

from __future__ import annotations

import numpy as np

from theorylab.errors import DomainError

# Data sets whose kernels are worked on at a time: a few megabytes.
CHUNK = 64


def losses(inputs: np.ndarray, weights: np.ndarray, eps: float, eta: float, times: np.ndarray) -> np.ndarray:
    """Losses of the linearised network over those of f = 0: train, then test, float64[trials, 2 times].

    Parameters
    ----------
    inputs, weights : float64[trials, P, D], float64[trials, D, N]
        The target is half the square of the first coordinate.

    Raises
    ------
    DomainError
        When the kernel makes the rate unstable; the critical one is named.
    """
    rows = [
        _losses(inputs[i : i + CHUNK], weights[i : i + CHUNK], eps, eta, times) for i in range(0, len(inputs), CHUNK)
    ]
    return np.concatenate(rows)


def _losses(inputs: np.ndarray, weights: np.ndarray, eps: float, eta: float, times: np.ndarray) -> np.ndarray:
    P, D = inputs.shape[1:]
    N = weights.shape[2]
    slopes = 1.0 + eps * (inputs @ weights) / np.sqrt(D)
    kernel = (inputs @ np.swapaxes(inputs, 1, 2)) * (slopes @ np.swapaxes(slopes, 1, 2)) / N
    target = 0.5 * inputs[:, :, 0] ** 2
    delta, pulled = target, np.zeros_like(target)
    train, test = {}, {}
    for t in range(int(np.max(times)) + 1):
        if t in times:
            train[t] = np.mean(delta**2, axis=1) / np.mean(target**2, axis=1)
            learned = eta / P * (np.swapaxes(inputs, 1, 2) @ (pulled[:, :, None] * slopes))
            test[t] = _test(learned, weights, eps) / 0.375
        pulled = pulled + delta
        moved = delta - eta / P * (kernel @ delta[:, :, None])[:, :, 0]
        if np.any(np.sum(moved**2, axis=1) > np.sum(delta**2, axis=1)):
            critical = 2.0 * P / float(np.max(np.linalg.eigvalsh(kernel)[:, -1]))
            raise DomainError(
                f"eta = {eta:g} is unstable for the tangent kernel of these data: take eta < {critical:.4g}"
            )
        delta = moved
    return np.stack([train[int(t)] for t in times] + [test[int(t)] for t in times], axis=1)


def _test(learned: np.ndarray, weights: np.ndarray, eps: float) -> np.ndarray:
    """Half the expected square of f - y, from v and w: |l|^2 + (2 tr A^2 + (tr A)^2)/4 for l.x + x.A x/2."""
    D, N = weights.shape[1:]
    linear = np.mean(learned, axis=2)
    half = eps / (N * np.sqrt(D)) * (weights @ np.swapaxes(learned, 1, 2))
    form = half + np.swapaxes(half, 1, 2)
    form[:, 0, 0] -= 1.0
    squares, trace = np.sum(form**2, axis=(1, 2)), np.trace(form, axis1=1, axis2=2)
    return np.asarray(0.5 * (np.sum(linear**2, axis=1) + 0.25 * (2.0 * squares + trace**2)))
