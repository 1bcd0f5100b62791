"""Kernel ridge regression on random parts of a labelled data set, measured on what is left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from theorylab.kernels.random import Stream

# Eigenvalues of a kernel matrix below this part of the largest, for each row, are rounding: not inverted without ridge.
ZERO = 4.0 * float(np.finfo(float).eps)


class Measured(NamedTuple):
    """Mean squared errors on the points left out and on the training set, float64[draws, cases]."""

    test: np.ndarray
    train: np.ndarray


def _permutations(rng: Stream, draws: int, count: int) -> np.ndarray:
    return np.asarray(rng.permutation(draws, count))


def _fitted(kernel: np.ndarray, labels: np.ndarray, ridge: float) -> np.ndarray:
    """(kernel + ridge)^-1 labels; the solution of least norm without ridge."""
    if ridge > 0.0:
        return np.asarray(cho_solve(cho_factor(kernel + ridge * np.eye(len(labels)), overwrite_a=True), labels))
    values, vectors = np.linalg.eigh(kernel)
    kept = values > ZERO * len(values) * values[-1]
    return np.asarray((vectors[:, kept] / values[kept]) @ (vectors[:, kept].T @ labels))


def sizes(
    kernel: np.ndarray, labels: np.ndarray, counts: Sequence[int], ridge: float, draws: int, rng: Stream
) -> Measured:
    """Errors for several numbers of training points: a draw is one order of the points, of which the first are taken.

    Parameters
    ----------
    kernel, labels : float64[N, N], float64[N]
    counts
        Numbers of training points, below N.
    """
    orders = _permutations(rng, draws, len(labels))
    test, train = np.empty((2, draws, len(counts)))
    for draw, order in enumerate(orders):
        mixed, y = kernel[np.ix_(order, order[: max(counts)])], labels[order]
        for i, n in enumerate(counts):
            residual = y - mixed[:, :n] @ _fitted(mixed[:n, :n], y[:n], ridge)
            train[draw, i], test[draw, i] = np.mean(residual[:n] ** 2), np.mean(residual[n:] ** 2)
    return Measured(test, train)


def ridges(
    kernel: np.ndarray, labels: np.ndarray, n: int, values: Sequence[float], draws: int, rng: Stream
) -> Measured:
    """Errors of n training points for several ridges > 0, all on the same draws."""
    orders = _permutations(rng, draws, len(labels))
    test, train = np.empty((2, draws, len(values)))
    for draw, order in enumerate(orders):
        seen, left = order[:n], order[n:]
        spectrum, vectors = np.linalg.eigh(kernel[np.ix_(seen, seen)])
        shifts = np.maximum(spectrum, 0.0)[:, None] + np.asarray(values)
        solved = (vectors.T @ labels[seen])[:, None] / shifts
        across = kernel[np.ix_(left, seen)] @ vectors
        test[draw] = np.mean((labels[left, None] - across @ solved) ** 2, axis=0)
        train[draw] = np.mean((np.asarray(values) * solved) ** 2, axis=0)
    return Measured(test, train)
