r"""Kernels of a two-layer linear network in the mean-field parametrisation, from any initial kernels: GD and flow.

With $H_{\mu\nu} = \frac1N \sum_i h_i^\mu h_i^\nu$, $G = \frac1N \sum_i a_i^2$, $c_\mu = \frac1N \sum_i a_i h_i^\mu =
\gamma f_\mu$, $\Delta = y - f$ and the Gram matrix $K$ of the inputs, the kernels obey equations of their own, at any
width:

    GD, $g = \eta\gamma$, $k = K \Delta$:  $H \to H + g (c k^T + k c^T) + g^2 G k k^T$,
        $G \to G + 2 g c\cdot\Delta + g^2 \Delta^T H \Delta$,  $c \to c + g (H \Delta + G k) + g^2 k (c\cdot\Delta)$;
    flow:  the terms of first order in $g$, as rates at $g = \gamma$.

One axis of trials comes first in every array.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from theorylab.errors import DomainError
from theorylab.prediction import PredictionError

# Relative change of a flow when its step is halved, at which it is taken for converged, and steps beyond which it is
# given up: its rates then span too many orders of magnitude.
FLOW_ACCURACY, MOST_STEPS = 1e-9, 1 << 14
# Errors this many times the targets do not come back.
DIVERGED = 1e6


class Kernels(NamedTuple):
    """The state: fields float64[trials, P, P], readout float64[trials], overlap float64[trials, P]."""

    fields: np.ndarray
    readout: np.ndarray
    overlap: np.ndarray

    def tangent(self, gram: np.ndarray) -> np.ndarray:
        """The tangent kernel H + G K, float64[trials, P, P]."""
        return np.asarray(self.fields + self.readout[:, None, None] * gram)


class Path(NamedTuple):
    """Along the way: outputs float64[trials, times, P] and tangent kernels float64[trials, times, P, P]."""

    outputs: np.ndarray
    tangent: np.ndarray


def infinite_width(gram: np.ndarray) -> Kernels:
    """The kernels of infinitely many neurons before training: H = K, G = 1, c = 0."""
    return Kernels(gram, np.ones(len(gram)), np.zeros(gram.shape[:2]))


def first_order(state: Kernels, gram: np.ndarray, errors: np.ndarray) -> Kernels:
    """The terms of first order in the step."""
    kernel, readout, overlap = state
    k = _apply(gram, errors)
    cross = _outer(overlap, k)
    return Kernels(
        cross + np.swapaxes(cross, 1, 2),
        2.0 * np.sum(overlap * errors, axis=1),
        _apply(kernel, errors) + readout[:, None] * k,
    )


def second_order(state: Kernels, gram: np.ndarray, errors: np.ndarray) -> Kernels:
    """The terms of second order in the step."""
    kernel, readout, overlap = state
    k = _apply(gram, errors)
    return Kernels(
        readout[:, None, None] * _outer(k, k),
        np.sum(errors * _apply(kernel, errors), axis=1),
        k * np.sum(overlap * errors, axis=1)[:, None],
    )


def descend(start: Kernels, gram: np.ndarray, targets: np.ndarray, gamma: float, eta: float, times: np.ndarray) -> Path:
    """Full-batch gradient descent, exact.

    Parameters
    ----------
    start
        Kernels before training.
    gram : float64[trials, P, P]
    targets : float64[trials, P]
    gamma, eta
        Laziness (the smaller, the lazier) and learning rate, in units of gamma^2 N.
    times
        Numbers of updates after which to record, increasing.

    Raises
    ------
    DomainError
        When the learning rate is not stable; the critical value is named.
    """
    records, state, taken = [], start, 0
    bound = DIVERGED * (1.0 + np.max(np.abs(targets)))
    for t in times.astype(int):
        for _ in range(t - taken):
            errors = targets - state.overlap / gamma
            if not np.max(np.abs(errors)) < bound:
                steepest = float(np.max(np.linalg.eigvalsh(start.tangent(gram))))
                raise DomainError(
                    f"eta = {eta:g} is not stable at gamma = {gamma:g}: take eta < {2.0 / steepest:.4g} = 2/(largest "
                    "eigenvalue of the initial tangent kernel), less where training sharpens it"
                )
            g = eta * gamma
            one, two = first_order(state, gram, errors), second_order(state, gram, errors)
            state = Kernels(*(x + g * u + g**2 * v for x, u, v in zip(state, one, two)))
        taken = t
        records.append((state.overlap / gamma, state.tangent(gram)))
    return Path(*(np.stack(column, axis=1) for column in zip(*records)))


def flow(
    start: Kernels,
    gram: np.ndarray,
    targets: np.ndarray,
    gamma: float,
    times: np.ndarray,
    accuracy: float | None = None,
) -> tuple[Path, Path]:
    """Gradient flow, and the errors of outputs and kernels: what halving the step changes.

    Classical Runge-Kutta steps, halved until the outputs change by less than `accuracy` of the targets.

    Parameters
    ----------
    times
        When to record, increasing.

    Raises
    ------
    PredictionError
        When no step is small enough.
    """
    wanted = (FLOW_ACCURACY if accuracy is None else accuracy) * np.max(np.abs(targets))
    counts = np.ones(len(times), dtype=int) * 4
    with np.errstate(over="ignore", invalid="ignore"):
        path = _runge_kutta(start, gram, targets, gamma, times, counts)
    while True:
        counts = counts * 2
        with np.errstate(over="ignore", invalid="ignore"):
            finer = _runge_kutta(start, gram, targets, gamma, times, counts)
            change = Path(*(np.abs(a - b) for a, b in zip(finer, path)))
        worst = np.max(change.outputs)
        if worst < wanted:
            return finer, change
        if np.sum(counts) > MOST_STEPS:
            raise PredictionError(
                f"gradient flow at gamma = {gamma:g} changes by {worst:.1g} when the step is halved, wanted "
                f"{wanted:.1g}: ask for earlier times or smaller targets"
            )
        path = finer


def _runge_kutta(
    state: Kernels, gram: np.ndarray, targets: np.ndarray, gamma: float, times: np.ndarray, counts: np.ndarray
) -> Path:
    """Classical steps of order 4, `counts` of them to each of `times` from the one before; too long ones overflow."""

    def rate(state: Kernels) -> Kernels:
        change = first_order(state, gram, targets - state.overlap / gamma)
        return Kernels(*(gamma * x for x in change))

    records, now = [], 0.0
    for t, count in zip(times, counts):
        h = (float(t) - now) / count
        for _ in range(count if h > 0 else 0):
            one = rate(state)
            two = rate(_moved(state, one, h / 2))
            three = rate(_moved(state, two, h / 2))
            four = rate(_moved(state, three, h))
            state = Kernels(
                *(x + h / 6 * (a + 2 * b + 2 * c + d) for x, a, b, c, d in zip(state, one, two, three, four))
            )
        now = float(t)
        records.append((state.overlap / gamma, state.tangent(gram)))
    return Path(*(np.stack(column, axis=1) for column in zip(*records)))


def _moved(state: Kernels, rate: Kernels, step: float) -> Kernels:
    return Kernels(*(x + step * r for x, r in zip(state, rate)))


def _apply(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    return np.asarray((matrices @ vectors[..., None])[..., 0])


def _outer(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.asarray(u[:, :, None] * v[:, None, :])
