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
from typing import Any

import numpy as np
from numba import njit

from theorylab.kernels.activations import ACTIVATIONS, activate, apply, times_slope
from theorylab.kernels.arrays import namespace

Fields = tuple[Any, Any, Any]


def descend(
    first: Any,
    hidden: Any,
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
        $W^1 \dots W^{L-1}$ at the start, [replicas, L - 1, N, N]; they are left as they are.
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
    xp = namespace(first, hidden, readout, gram, targets)
    kind = _checked(first, hidden, readout, gram, targets, activation)
    replicas, patterns, width = first.shape
    heads, depth, root, eta = readout.shape[1], hidden.shape[1] + 1, math.sqrt(width), rate * gamma
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
        h = h_first
        layers: list[tuple[Any, Any]] = []
        for l in range(depth):
            if l > 0:
                below = layers[-1][1]
                product = xp.matmul(stacked(below), xp.matrix_transpose(hidden[:, l - 1, :, :]))
                h = xp.reshape(product, h.shape) / root
                if t > 0:
                    h = h + changed(below, past(forward, l - 1, t), past(backward, l, t), t)
            layers.append((h, apply(xp, kind, h)))
            forward[:, l, :, t, :, :] = layers[-1][1]
        f[:, :, t, :] = xp.sum(layers[-1][1] * w[:, :, None, :], axis=-1) / (gamma * width)
        error = targets - f[:, :, t, :]
        z = xp.zeros(h.shape) + w[:, :, None, :]
        for l in range(depth - 1, -1, -1):
            g = times_slope(xp, kind, z, *layers[l])
            backward[:, l, :, t, :, :] = g
            if l > 0:
                z = xp.reshape(xp.matmul(stacked(g), hidden[:, l - 1, :, :]), h.shape) / root
                if t > 0:
                    z = z + changed(g, past(backward, l, t), past(forward, l - 1, t), t)
        if t < steps:
            errors[:, :, 0, t * patterns : (t + 1) * patterns] = error
            h_first = h_first + eta * xp.matmul(gram, error[..., None] * g)
            w = w + eta * xp.sum(error[..., None] * layers[-1][1], axis=2)
    return f, forward, backward


def descend_numba(
    first: np.ndarray,
    hidden: np.ndarray,
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
    heads, depth = readout.shape[1], hidden.shape[1] + 1
    f = np.empty((replicas, heads, steps + 1, patterns))
    rows = heads * (steps + 1) * patterns
    forward, backward = (np.empty((replicas, depth, rows, width)) for _ in range(2))
    gram, targets = (np.ascontiguousarray(x, dtype=float) for x in (gram, targets))
    _descend(first, hidden, readout, gram, targets, kind, float(gamma), float(rate), f, forward, backward)
    shape = (replicas, depth, heads, steps + 1, patterns, width)
    return f, forward.reshape(shape), backward.reshape(shape)


# Loops over elements, not array expressions: each of those takes the compiler as long as all the loops.
@njit(cache=True, nogil=True, error_model="numpy")
def _descend(first, hidden, readout, gram, targets, kind, gamma, rate, f, forward, backward):  # type: ignore[no-untyped-def]
    replicas, depth, _, width = forward.shape
    _, heads, times, patterns = f.shape
    root, eta, rows, block = math.sqrt(width), rate * gamma, heads * patterns, times * patterns
    h, a, g = np.empty((rows, width)), np.empty((rows, width)), np.empty((rows, width))
    slopes, h_first = np.empty((depth, rows, width)), np.empty((rows, width))
    w, errors = np.empty((heads, width)), np.empty(heads * block)
    for r in range(replicas):
        for k in range(rows):
            for j in range(width):
                h_first[k, j] = first[r, k % patterns, j]
                w[k // patterns, j] = readout[r, k // patterns, j]
        for t in range(times):
            for l in range(depth):
                if l == 0:
                    for k in range(rows):
                        for j in range(width):
                            slopes[l, k, j] = h_first[k, j]
                else:
                    np.dot(a, hidden[r, l - 1].T, slopes[l])
                    _add_changes(a, forward[r, l - 1], backward[r, l], errors, patterns, block, t, root, eta, slopes[l])
                activate(slopes[l].reshape(-1), a.reshape(-1), 1.0, 1.0, kind)
                for k in range(rows):
                    row = (k // patterns) * block + t * patterns + k % patterns
                    for j in range(width):
                        forward[r, l, row, j] = a[k, j]
            for k in range(rows):
                i, m = k // patterns, k % patterns
                total = 0.0
                for j in range(width):
                    total += a[k, j] * w[i, j]
                    h[k, j] = w[i, j]
                f[r, i, t, m] = total / (gamma * width)
                errors[i * block + t * patterns + m] = targets[m] - f[r, i, t, m]
            for l in range(depth - 1, -1, -1):
                for k in range(rows):
                    row = (k // patterns) * block + t * patterns + k % patterns
                    for j in range(width):
                        g[k, j] = h[k, j] * slopes[l, k, j]
                        backward[r, l, row, j] = g[k, j]
                if l > 0:
                    np.dot(g, hidden[r, l - 1], h)
                    _add_changes(g, backward[r, l], forward[r, l - 1], errors, patterns, block, t, root, eta, h)
            for k in range(rows):
                i, m = k // patterns, k % patterns
                for n in range(patterns):
                    error = errors[i * block + t * patterns + n]
                    for j in range(width):
                        h_first[k, j] += eta * gram[m, n] * error * g[i * patterns + n, j]
                error = errors[i * block + t * patterns + m]
                for j in range(width):
                    w[i, j] += eta * error * a[k, j]


@njit(cache=True, nogil=True, error_model="numpy")
def _add_changes(new, seen, sent, errors, patterns, block, t, root, eta, out):  # type: ignore[no-untyped-def]
    """Divide `out` by the root of the width, and add what the first t updates send of `new`, head by head."""
    rows, width = new.shape
    for k in range(rows):
        for j in range(width):
            out[k, j] /= root
    if t == 0:
        return
    count = t * patterns
    for i in range(rows // patterns):
        start = i * block
        overlaps = np.dot(new[i * patterns : (i + 1) * patterns], seen[start : start + count].T)
        for m in range(patterns):
            for k in range(count):
                overlaps[m, k] *= eta * errors[start + k] / width
        added = np.dot(overlaps, sent[start : start + count])
        for m in range(patterns):
            for j in range(width):
                out[i * patterns + m, j] += added[m, j]


def _checked(first: Any, hidden: Any, readout: Any, gram: Any, targets: Any, activation: str) -> int:
    """Code of the activation."""
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation {activation!r}; known are {', '.join(ACTIVATIONS)}")
    replicas, patterns, width = first.shape
    shapes = [tuple(x.shape) for x in (hidden[:, :0, ...], readout[:, :0, :], gram, targets)]
    if shapes != [(replicas, 0, width, width), (replicas, 0, width), (patterns, patterns), (patterns,)]:
        raise ValueError(
            f"first {first.shape}, hidden {hidden.shape}, readout {readout.shape}, gram {gram.shape}, "
            f"targets {targets.shape} do not fit"
        )
    return ACTIVATIONS.index(activation)
