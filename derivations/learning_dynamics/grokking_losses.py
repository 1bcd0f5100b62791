r"""Test losses of quadratic networks from their overlaps: Isserlis' theorem for sums of quadratic functions.

For jointly normal $h_a$ with covariance G,

    $E (\sum_a c_a h_a + \frac{e_a}{2} h_a^2)^2 = c^T G c + \frac12 e^T (G \circ G) e + \frac14 (\sum_a e_a G_{aa})^2$.

A network is such a sum, with $c_i = \alpha/N$ and $e_i = \alpha\epsilon/N$; the teacher is one more term, with c = 0
and e = -1, and so is each neuron at the start where the output there is subtracted. The three parts are the power in
the linear mode, half the squared Frobenius norm of the mismatch A of the quadratic forms, and a quarter of its squared
trace; the loss is half their sum.
"""

from __future__ import annotations

import numpy as np


def parts(linear: np.ndarray, quadratic: np.ndarray, gram: np.ndarray) -> np.ndarray:
    """The three parts of E (sum_a c_a h_a + e_a h_a^2 / 2)^2.

    Parameters
    ----------
    linear, quadratic : float64[n]
    gram : float64[..., n, n]

    Returns
    -------
    float64[..., 3]
        Linear mode, mismatch, trace.
    """
    trace = np.einsum("a,...aa->...", quadratic, gram)
    return np.stack(
        [
            np.einsum("a,...ab,b->...", linear, gram, linear),
            0.5 * np.einsum("a,...ab,b->...", quadratic, np.square(gram), quadratic),
            0.25 * np.square(trace),
        ],
        axis=-1,
    )


def of_overlaps(alpha: float, eps: float, overlaps: np.ndarray, teacher: np.ndarray, square: float = 1.0) -> np.ndarray:
    """Half of each part, of a network whose output is not centred, float64[..., 3].

    Parameters
    ----------
    overlaps : float64[..., N, N]
        w_i . w_j / D.
    teacher : float64[..., N]
        w_i . beta / D.
    square
        |beta|^2 / D.
    """
    n = teacher.shape[-1]
    gram = np.empty((*teacher.shape[:-1], n + 1, n + 1))
    gram[..., :n, :n] = overlaps
    gram[..., n, :n] = gram[..., :n, n] = teacher
    gram[..., n, n] = square
    ones = np.append(np.ones(n), 0.0)
    return 0.5 * parts(alpha / n * ones, alpha * eps / n * ones - (1.0 - ones), gram)


def centred(alpha: float, eps: float, now: np.ndarray, then: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Half of each part, of a network whose output at the start is subtracted, float64[..., 3].

    Parameters
    ----------
    now, then, across : float64[..., N + 1, N + 1]
        Inner products over D of (w_1, ..., w_N, beta) at the time, at the start, and of the former with the latter.
    """
    n = now.shape[-1] - 1
    gram = np.empty((*now.shape[:-2], 2 * n + 1, 2 * n + 1))
    gram[..., : n + 1, : n + 1] = now
    gram[..., n + 1 :, n + 1 :] = then[..., :n, :n]
    gram[..., : n + 1, n + 1 :] = across[..., :, :n]
    gram[..., n + 1 :, : n + 1] = np.swapaxes(across[..., :, :n], -1, -2)
    linear = alpha / n * np.concatenate([np.ones(n), [0.0], -np.ones(n)])
    return 0.5 * parts(linear, eps * linear - (np.arange(2 * n + 1) == n), gram)
