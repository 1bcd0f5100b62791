r"""Full-batch gradient descent of deep networks in the mean-field parametrisation, with all fields along training.

With Gram matrix $K$ of the inputs, $h^1_\mu$ has independent coordinates with covariance K over patterns, and
$h^{l+1} = W^l \phi(h^l) / \sqrt N$, $f_\mu = w \cdot \phi(h^L_\mu) / (\gamma N)$. A step of gradient descent on
$\frac12 \sum_\mu \Delta_\mu^2$, $\Delta = y - f$, at rate $\eta \gamma^2 N$ adds

    $\eta \gamma \sum_\nu K_{\mu\nu} \Delta_\nu g^1_\nu$ to $h^1_\mu$,
    $\eta \gamma \sum_\mu \Delta_\mu g^{l+1}_\mu \phi(h^l_\mu)^T / \sqrt N$ to $W^l$,
    $\eta \gamma \sum_\mu \Delta_\mu \phi(h^L_\mu)$ to $w$,

where $g^l = \gamma N\, \partial f / \partial h^l$. The weights of the first layer act on inputs through $h^1$ only,
and are never formed. A change of $W^l$ has the rank of the steps times the patterns, and its factors are the fields
that are recorded anyway: $W^l$ stays what it was at the start, and a step costs products with a few vectors. Several
readouts of one network ("heads", each of which trains it its own way) share these products.

Speed: a step passes twice over each matrix. The compiled twin trains one replica after the other, whose matrices of
up to N = 500 stay in a second-level cache of 2 MB; beyond, both wait for memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit

from theorylab.kernels.arrays import namespace
from theorylab.kernels.gradient_descent import ACTIVATIONS, _activate, _activation, _times_slope

Fields = tuple[Any, Any, Any]


def descend(
    first: Any,
    hidden: Sequence[Any],
    readout: Any,
    gram: Any,
    targets: Any,
    *,
    activation: str,
    gamma: float,
    rate: float,
    steps: int,
) -> Fields:
    r"""Reference: outputs and fields of every step, in the array library of the arguments.

    Parameters
    ----------
    first
        $h^1$ at the start, [replicas, P, N].
    hidden
        $W^1 \dots W^{L-1}$ at the start, each [replicas, N, N]; they are left as they are.
    readout
        w at the start, [replicas, heads, N].
    gram, targets
        K [P, P] and y [P].
    activation
        "linear", "relu", "tanh" or "erf".
    gamma, rate
        $\gamma$ and $\eta$.
    steps
        T, the number of updates.

    Returns
    -------
    f : array[replicas, heads, T + 1, P]
    forward, backward : array[replicas, L, heads, T + 1, P, N]
        $\phi(h^l)$ and $g^l$ after t updates.

    Raises
    ------
    ValueError
        If names or shapes do not fit.
    """
    xp = namespace(first, *hidden, readout, gram, targets)
    kind = _checked(first, hidden, readout, gram, targets, activation)
    replicas, patterns, width = first.shape
    heads, depth, root, eta = readout.shape[1], len(hidden) + 1, math.sqrt(width), rate * gamma
    f = xp.zeros((replicas, heads, steps + 1, patterns))
    forward = xp.zeros((replicas, depth, heads, steps + 1, patterns, width))
    backward = xp.zeros((replicas, depth, heads, steps + 1, patterns, width))
    errors = xp.zeros((replicas, heads, 1, steps * patterns))
    h_first = xp.zeros((replicas, heads, patterns, width)) + first[:, None, :, :]
    w = +readout

    def stacked(x: Any) -> Any:
        return xp.reshape(x, (replicas, heads * patterns, width))

    def past(x: Any, l: int, t: int) -> Any:
        return xp.reshape(x[:, l, :, :t, :, :], (replicas, heads, t * patterns, width))

    def changed(new: Any, seen: Any, sent: Any, t: int) -> Any:
        """What the updates so far send of `new`, which they saw as `seen`."""
        overlaps = xp.matmul(new, xp.matrix_transpose(seen)) * errors[..., : t * patterns]
        return eta / width * xp.matmul(overlaps, sent)

    for t in range(steps + 1):
        h, layers = h_first, []
        for l in range(depth):
            if l > 0:
                below = layers[-1][1]
                product = xp.matmul(stacked(below), xp.matrix_transpose(hidden[l - 1]))
                h = xp.reshape(product, h.shape) / root
                if t > 0:
                    h = h + changed(below, past(forward, l - 1, t), past(backward, l, t), t)
            layers.append((h, _activation(xp, kind, h)))
            forward[:, l, :, t, :, :] = layers[-1][1]
        f[:, :, t, :] = xp.sum(layers[-1][1] * w[:, :, None, :], axis=-1) / (gamma * width)
        error = targets - f[:, :, t, :]
        z = xp.zeros(h.shape) + w[:, :, None, :]
        for l in range(depth - 1, -1, -1):
            g = _times_slope(xp, kind, z, *layers[l])
            backward[:, l, :, t, :, :] = g
            if l > 0:
                z = xp.reshape(xp.matmul(stacked(g), hidden[l - 1]), h.shape) / root
                if t > 0:
                    z = z + changed(g, past(backward, l, t), past(forward, l - 1, t), t)
        if t < steps:
            errors[:, :, 0, t * patterns : (t + 1) * patterns] = error
            h_first = h_first + eta * xp.matmul(gram, error[..., None] * g)
            w = w + eta * xp.sum(error[..., None] * layers[-1][1], axis=2)
    return f, forward, backward


def descend_numba(
    first: np.ndarray,
    hidden: Sequence[np.ndarray],
    readout: np.ndarray,
    gram: np.ndarray,
    targets: np.ndarray,
    *,
    activation: str,
    gamma: float,
    rate: float,
    steps: int,
) -> Fields:
    """Twin of `descend` for NumPy arrays."""
    kind = _checked(first, hidden, readout, gram, targets, activation)
    replicas, patterns, width = first.shape
    heads, depth = readout.shape[1], len(hidden) + 1
    f = np.empty((replicas, heads, steps + 1, patterns))
    forward = np.empty((replicas, depth, heads, steps + 1, patterns, width))
    backward = np.empty_like(forward)
    for replica in range(replicas):
        # One after the other in the compiled loop too: of a stack of matrices NumPy would make a copy.
        _descend(
            first[replica],
            tuple(matrix[replica] for matrix in hidden) or (np.empty((0, 0)),),
            readout[replica],
            np.ascontiguousarray(gram, dtype=float),
            np.ascontiguousarray(targets, dtype=float),
            kind,
            float(gamma),
            float(rate),
            f[replica],
            forward[replica],
            backward[replica],
        )
    return f, forward, backward


@njit(cache=True, nogil=True, error_model="numpy")
def _descend(first, hidden, readout, gram, targets, kind, gamma, rate, f, forward, backward):  # type: ignore[no-untyped-def]
    depth, heads, times, patterns, width = forward.shape
    root, eta = math.sqrt(width), rate * gamma
    rows = heads * patterns
    h, a, g = np.empty((rows, width)), np.empty((rows, width)), np.empty((rows, width))
    slopes = np.empty((depth, rows, width))
    h_first, w = np.empty((rows, width)), readout.copy()
    for i in range(heads):
        h_first[i * patterns : (i + 1) * patterns] = first
    errors = np.zeros((heads, times * patterns))
    for t in range(times):
        h[:] = h_first
        for l in range(depth):
            if l > 0:
                np.dot(a, hidden[l - 1].T, h)
                h /= root
                _add_changes(a, forward[l - 1], backward[l], errors, eta / width, t, h)
            slopes[l] = h
            _activate(slopes[l].reshape(-1), a.reshape(-1), 1.0, 1.0, kind)
            for i in range(heads):
                forward[l, i, t] = a[i * patterns : (i + 1) * patterns]
        for i in range(heads):
            f[i, t] = np.dot(forward[depth - 1, i, t], w[i]) / (gamma * width)
            errors[i, t * patterns : (t + 1) * patterns] = targets - f[i, t]
            for m in range(patterns):
                h[i * patterns + m] = w[i]
        for l in range(depth - 1, -1, -1):
            np.multiply(h, slopes[l], g)
            for i in range(heads):
                backward[l, i, t] = g[i * patterns : (i + 1) * patterns]
            if l > 0:
                np.dot(g, hidden[l - 1], h)
                h /= root
                _add_changes(g, backward[l], forward[l - 1], errors, eta / width, t, h)
        for i in range(heads):
            error = errors[i, t * patterns : (t + 1) * patterns]
            for m in range(patterns):
                w[i] += (eta * error[m]) * forward[depth - 1, i, t, m]
                for n in range(patterns):
                    h_first[i * patterns + m] += (eta * gram[m, n] * error[n]) * g[i * patterns + n]


@njit(cache=True, nogil=True, error_model="numpy")
def _add_changes(new, seen, sent, errors, factor, t, out):  # type: ignore[no-untyped-def]
    """Add to `out` what the first t updates send of `new`, head by head."""
    if t == 0:
        return
    heads, _, patterns, width = seen.shape
    count = t * patterns
    for i in range(heads):
        rows = slice(i * patterns, (i + 1) * patterns)
        overlaps = np.dot(new[rows], seen[i].reshape(-1, width)[:count].T)
        overlaps *= factor * errors[i, :count]
        out[rows] += np.dot(overlaps, sent[i].reshape(-1, width)[:count])


def _checked(first: Any, hidden: Sequence[Any], readout: Any, gram: Any, targets: Any, activation: str) -> int:
    """Code of the activation."""
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation {activation!r}; known are {', '.join(ACTIVATIONS)}")
    replicas, patterns, width = first.shape
    square = all(tuple(matrix.shape) == (replicas, width, width) for matrix in hidden)
    last = readout.shape[0] == replicas and readout.shape[2] == width
    if not square or not last or tuple(gram.shape) != (patterns, patterns) or tuple(targets.shape) != (patterns,):
        raise ValueError(
            f"first {first.shape}, hidden {[m.shape for m in hidden]}, readout {readout.shape}, gram {gram.shape}, "
            f"targets {targets.shape} do not fit"
        )
    return ACTIVATIONS.index(activation)
