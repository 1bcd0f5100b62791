r"""Full-batch gradient descent of fully connected networks, two layers or more, over many replicas.

The network is $h^1 = s_1 W^1 x + c_1 b^1$, $h^{l+1} = s_{l+1} W^{l+1} \phi(h^l) + c_{l+1} b^{l+1}$ with output
$f = h^L$, all $W^l$ and $b^l$ standard normal at the start; the loss is $\frac12 \sum_i |f(x_i) - y_i|^2$, a step is
$W^l \mapsto W^l - \eta_l\, \partial_{W^l} \text{loss}$, $b^l \mapsto b^l - \eta_l\, \partial_{b^l} \text{loss}$.
Standard, neural-tangent, mean-field and maximal-update parametrisations are choices of the scales $s_l$, $c_l$ and
rates $\eta_l$. Layers of rate 0 below all others are computed once: training only the last layer costs no more.

`train` draws the weights from the stream, replica by replica, in batches that keep within a given memory;
`descend` and `descend_numba` (`descender` says which) start from weights that are given. Reference and GPU share array
code; the compiled twin runs one replica after the other, so that its weights stay in cache from step to step. No
replica's bits depend on the others.

Speed on one core of a Xeon with AVX-512. Floor: the products of a step at the rate of a large one. Two layers of
100-500-1 on 100 points take 450 to 500 us a step, 69 (tanh) to 76 % (ReLU) of the floor is reached; 100-400-400-10 on
200 points 4.2 to 4.4 ms, 87 % and more. NumPy, with all replicas abreast, takes 1.4 to 2.5 times as long. Biases add 1
to 5 %. Small networks (10-64-1 on 20 points: 3 to 5 us a step, floor 1.0) wait for passes over activations and for
calls of BLAS; there NumPy takes 2.7 to 6 times as long.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg.cython_blas  # noqa: F401  (the BLAS of compiled products: a limit on threads must find it loaded)
from numba import njit

from theorylab.kernels.activations import ACTIVATIONS, LINEAR, activate, apply, times_slope
from theorylab.kernels.arrays import host, namespace
from theorylab.kernels.random import Stream
from theorylab.kernels.vectors import aligned, wide


class Trained(NamedTuple):
    r"""Networks along training.

    Parameters
    ----------
    outputs : array[replicas, k, q, n_L]
        At the instants and points asked for.
    weights, biases
        After the last step, as they were given; no biases, no entries.
    kernels : array[replicas, k, L - 1, q, q] or None
        Second moments over the units of every hidden layer, $\frac1n \sum_i \phi(h_i(x)) \phi(h_i(x'))$.
    """

    outputs: Any
    weights: list[Any]
    biases: list[Any]
    kernels: Any = None


def train(
    trials: int,
    rng: Stream,
    inputs: np.ndarray,
    targets: np.ndarray,
    *,
    widths: Sequence[int],
    scales: Sequence[float],
    rates: Sequence[float],
    activation: str,
    times: np.ndarray,
    test: np.ndarray | None = None,
    bias_scales: Sequence[float] | None = None,
    memory: float = 2.0**28,
    dtype: Any = np.float64,
) -> np.ndarray:
    """Outputs along training, from standard normal weights.

    Parameters
    ----------
    trials, rng
        Replicas and their random numbers.
    inputs : float[m, widths[0]]
        Training inputs, shared.
    targets : float[m, widths[-1]]
        Their labels.
    widths
        Inputs, hidden layers and outputs: L + 1 numbers.
    scales, rates
        s_l and eta_l, one for each of the L layers of weights.
    activation
        "linear", "relu", "tanh" or "erf".
    times : int64[k]
        Numbers of steps after which outputs are wanted, ascending.
    test : float[q, widths[0]]
        Further inputs whose outputs are wanted.
    bias_scales
        c_l, one for each of the L layers; None for a network without biases.
    memory
        Bytes that the replicas worked on at a time may take.
    dtype
        float64 or float32, of weights and all arithmetic.

    Returns
    -------
    float[trials, k, m + q, widths[-1]]

    Raises
    ------
    ValueError
        If names or shapes do not fit, or one replica needs more than `memory`.
    """
    shapes = list(zip(widths[1:], widths[:-1]))
    points = len(inputs) + (0 if test is None else len(test))
    parameters = sum(n * p for n, p in shapes) + (0 if bias_scales is None else sum(widths[1:]))
    size = 3 * parameters + 3 * points * sum(widths[1:]) + len(times) * points * widths[-1]
    at_most = int(memory // (size * np.dtype(dtype).itemsize))
    if at_most < 1:
        raise ValueError(f"one replica takes {size * np.dtype(dtype).itemsize:.3g} bytes of the {memory:.3g} allowed")
    common: dict[str, Any] = {"scales": scales, "rates": rates, "activation": activation, "times": times}
    body = descender(rng.backend)
    x, y = np.asarray(inputs, dtype=dtype), np.asarray(targets, dtype=dtype)
    at = x if test is None else np.concatenate([x, np.asarray(test, dtype=dtype)])
    parts = []
    for part, count in rng.split(trials, at_most):
        weights = [part.normal(count, *shape).astype(dtype, copy=False) for shape in shapes]
        if bias_scales is not None:
            drawn = [part.normal(count, n).astype(dtype, copy=False) for n in widths[1:]]
            common |= {"biases": drawn, "bias_scales": bias_scales}
        xp = namespace(*weights)
        outputs = host(body(weights, xp.asarray(x), xp.asarray(y), points=xp.asarray(at), **common).outputs)
        parts.append(outputs)
    return np.concatenate(parts)


def descender(backend: str) -> Callable[..., Trained]:
    """The function that trains given weights on a backend: `descend`, or for "numba" its compiled twin."""
    return descend_numba if backend == "numba" else descend


def descend(
    weights: Sequence[Any],
    inputs: Any,
    targets: Any,
    *,
    scales: Sequence[float],
    rates: Sequence[float],
    activation: str,
    times: np.ndarray,
    points: Any = None,
    biases: Sequence[Any] = (),
    bias_scales: Sequence[float] = (),
    kernels: bool = False,
) -> Trained:
    """Reference: outputs along training from given weights, in the array library of the arguments.

    Parameters
    ----------
    weights
        W^l, each [replicas, n_l, n_{l-1}].
    inputs, targets
        [m, n_0] and [m, n_L].
    scales, rates, activation, times
        As in `train`.
    points
        Inputs [q, n_0] whose outputs are wanted; by default the training inputs.
    biases, bias_scales
        b^l, each [replicas, n_l], and c_l; none for a network without biases.
    kernels
        Whether the second moments of the hidden layers at `points` are wanted too.

    Returns
    -------
    Trained
        The given weights are left as they are.

    Raises
    ------
    ValueError
        If names or shapes do not fit.
    """
    at = inputs if points is None else points
    xp = namespace(*weights, inputs, targets, at)
    kind, instants = _checked(weights, inputs, targets, scales, rates, activation, times, at, biases, bias_scales)
    # Python's own numbers leave the precision of the arrays as it is, and are known to every library.
    scales, rates, shifts = ([float(s) for s in v] for v in (scales, rates, bias_scales))
    w, b = [+x for x in weights], [+x for x in biases]  # copies
    first = _lowest_trained(rates)
    fixed, fixed_at = (_forward(xp, w, b, x, scales, shifts, kind, 0, first) for x in (inputs, at))
    outputs, moments = [], []
    for step in range(instants[-1] + 1):
        if step in instants:
            layers = fixed_at + _forward(xp, w, b, fixed_at[-1][1] if first else at, scales, shifts, kind, first)
            outputs.append(layers[-1][0])
            if kernels and len(w) > 1:
                grams = [xp.matmul(a, _transposed(xp, a)) / a.shape[-1] for _, a in layers[:-1]]
                moments.append(xp.stack(grams, axis=1))
        if step == instants[-1]:
            break
        layers = fixed + _forward(xp, w, b, fixed[-1][1] if first else inputs, scales, shifts, kind, first)
        gradient = layers[-1][0] - targets
        for l in range(len(w) - 1, first - 1, -1):
            change = xp.matmul(_transposed(xp, gradient), inputs if l == 0 else layers[l - 1][1])
            if b:
                b[l] -= rates[l] * shifts[l] * xp.sum(gradient, axis=-2)
            if l > first:
                gradient = times_slope(xp, kind, scales[l] * xp.matmul(gradient, w[l]), *layers[l - 1])
            w[l] -= rates[l] * scales[l] * change
    return Trained(xp.stack(outputs, axis=1), w, b, xp.stack(moments, axis=1) if moments else None)


def hidden_features(
    weights: Sequence[Any],
    points: Any,
    *,
    scales: Sequence[float],
    activation: str,
    biases: Sequence[Any] = (),
    bias_scales: Sequence[float] = (),
) -> Any:
    """Activations of the last hidden layer at points [q, n_0], in the array library of the arguments.

    Parameters
    ----------
    weights, scales, activation, biases, bias_scales
        Of the hidden layers, as in `descend`.

    Returns
    -------
    array[replicas, q, n_L]
    """
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation {activation!r}; known are {', '.join(ACTIVATIONS)}")
    xp, kind = namespace(*weights, points), ACTIVATIONS.index(activation)
    shifts = [float(c) for c in bias_scales]
    layers = _forward(xp, weights, biases, points, [float(s) for s in scales], shifts, kind, 0)
    return apply(xp, kind, layers[-1][0])


def _checked(
    weights: Sequence[Any],
    inputs: Any,
    targets: Any,
    scales: Sequence[float],
    rates: Sequence[float],
    activation: str,
    times: np.ndarray,
    points: Any,
    biases: Sequence[Any],
    bias_scales: Sequence[float],
) -> tuple[int, list[int]]:
    """Code of the activation and list of instants."""
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation {activation!r}; known are {', '.join(ACTIVATIONS)}")
    if not len(weights) == len(scales) == len(rates) > 0:
        raise ValueError(f"{len(weights)} layers of weights, {len(scales)} scales, {len(rates)} rates: want one each")
    if len(biases) not in (0, len(weights)) or len(bias_scales) != len(biases):
        raise ValueError(
            f"{len(weights)} layers of weights, {len(biases)} of biases, {len(bias_scales)} scales of biases: want one "
            "of both for each layer, or none"
        )
    shapes = [tuple(x.shape) for x in weights]
    widths = [inputs.shape[-1], *(shape[1] for shape in shapes)]
    fit = all(shape == (shapes[0][0], n, p) for shape, n, p in zip(shapes, widths[1:], widths))
    if not fit or targets.shape != (inputs.shape[0], widths[-1]) or points.shape[1:] != inputs.shape[1:]:
        raise ValueError(
            f"weights {shapes}, inputs {inputs.shape}, targets {targets.shape}, points {points.shape} do not fit"
        )
    if any(tuple(b.shape) != shape[:2] for b, shape in zip(biases, shapes)):
        raise ValueError(f"biases {[tuple(b.shape) for b in biases]} and weights {shapes} do not fit")
    instants = [int(t) for t in times]
    if not instants or instants[0] < 0 or any(b <= a for a, b in pairwise(instants)):
        raise ValueError("times must be ascending numbers of steps, 0 or more")
    return ACTIVATIONS.index(activation), instants


def _lowest_trained(rates: Sequence[float]) -> int:
    """The lowest layer with a rate above 0, the last one if none has: what lies below is computed once."""
    return next((l for l, rate in enumerate(rates) if rate != 0), len(rates) - 1)


def _forward(
    xp: Any,
    w: Sequence[Any],
    b: Sequence[Any],
    x: Any,
    scales: Sequence[float],
    shifts: Sequence[float],
    kind: int,
    start: int,
    stop: int | None = None,
) -> list[tuple[Any, Any]]:
    """Preactivations and activations of the layers from `start`, whose input is x; the last has no activation."""
    layers = []
    for l in range(start, len(w) if stop is None else stop):
        h = scales[l] * xp.matmul(x, _transposed(xp, w[l]))
        if b:
            h = h + shifts[l] * b[l][:, None, :]
        x = h if l == len(w) - 1 else apply(xp, kind, h)
        layers.append((h, x))
    return layers


def _transposed(xp: Any, x: Any) -> Any:
    return xp.moveaxis(x, -1, -2)


def descend_numba(
    weights: Sequence[np.ndarray],
    inputs: np.ndarray,
    targets: np.ndarray,
    *,
    scales: Sequence[float],
    rates: Sequence[float],
    activation: str,
    times: np.ndarray,
    points: np.ndarray | None = None,
    biases: Sequence[np.ndarray] = (),
    bias_scales: Sequence[float] = (),
    kernels: bool = False,
) -> Trained:
    """Twin of `descend` for NumPy arrays."""
    at = inputs if points is None else points
    kind, instants = _checked(weights, inputs, targets, scales, rates, activation, times, at, biases, bias_scales)
    dtype, replicas = weights[0].dtype, len(weights[0])
    flat = np.concatenate([w.reshape(replicas, -1) for w in weights], axis=1)
    shifted = np.concatenate(biases, axis=1) if biases else np.empty((replicas, 0), dtype)
    widths = np.array([inputs.shape[1], *(w.shape[1] for w in weights)])
    x, y, at = (np.ascontiguousarray(a, dtype=dtype) for a in (inputs, targets, at))
    out = np.empty((replicas, len(instants), len(at), widths[-1]), dtype=dtype)
    hidden = len(weights) - 1 if kernels else 0
    moments = np.empty((replicas, len(instants), hidden, len(at), len(at)), dtype=dtype)
    shifts = bias_scales if len(bias_scales) else [0.0] * len(weights)
    factors = [np.array(v, dtype=dtype) for v in (scales, rates, shifts)]
    _descend(flat, shifted, widths, x, y, at, *factors, kind, np.array(instants), _lowest_trained(rates), out, moments)
    parts = np.split(flat, np.cumsum(widths[1:] * widths[:-1])[:-1], axis=1)
    return Trained(
        out,
        [part.reshape(w.shape) for part, w in zip(parts, weights)],
        np.split(shifted, np.cumsum(widths[1:])[:-1], axis=1) if biases else [],
        moments if hidden else None,
    )


@njit(cache=True, nogil=True, error_model="numpy")
def _descend(  # type: ignore[no-untyped-def]
    flat, shifted, widths, x, y, at, scales, rates, shifts, kind, times, first, out, moments
):
    change = _matrices(np.empty_like(flat[0]), widths)
    h, a = _layers(widths, x), _layers(widths, x)
    h_at, a_at = _layers(widths, at), _layers(widths, at)
    depth, biased = len(scales), shifted.shape[1] > 0
    for replica in range(len(out)):
        w, b = _matrices(flat[replica], widths), _vectors(shifted[replica], widths)
        _forward_numba(w, b, x, scales, shifts, kind, h, a, 0, first)
        _forward_numba(w, b, at, scales, shifts, kind, h_at, a_at, 0, first)
        j = 0
        for step in range(times[-1] + 1):
            if times[j] == step:
                _forward_numba(w, b, at, scales, shifts, kind, h_at, a_at, first, depth)
                _copy(out[replica, j].reshape(-1), a_at[-1].reshape(-1))
                for l in range(moments.shape[2]):
                    np.dot(a_at[l], a_at[l].T, moments[replica, j, l])
                    moments[replica, j, l] /= moments.dtype.type(widths[l + 1])
                j += 1
            if step == times[-1]:
                break
            _forward_numba(w, b, x, scales, shifts, kind, h, a, first, depth)
            # From the last layer down, the gradient of a layer takes the place of its activations.
            _subtract(a[-1].reshape(-1), y.reshape(-1), y.dtype.type(1))
            for l in range(depth - 1, first - 1, -1):
                np.dot(a[l].T, a[l - 1] if l > 0 else x, change[l])
                if biased:
                    _subtract_sum(b[l], a[l], rates[l] * shifts[l])
                if l > first:
                    np.dot(a[l], w[l], a[l - 1])
                    _multiply(a[l - 1].reshape(-1), h[l - 1].reshape(-1))
                _subtract(w[l].reshape(-1), change[l].reshape(-1), rates[l] * scales[l])


@njit(cache=True, nogil=True, error_model="numpy")
def _matrices(flat, widths):  # type: ignore[no-untyped-def]
    """The weights of every layer, as views."""
    out, start = [], 0
    for l in range(widths.size - 1):
        stop = start + widths[l + 1] * widths[l]
        out.append(flat[start:stop].reshape(widths[l + 1], widths[l]))
        start = stop
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _vectors(flat, widths):  # type: ignore[no-untyped-def]
    """The biases of every layer, as views; empty ones where there are none."""
    out, start = [], 0
    for width in widths[1:]:
        out.append(flat[start : start + width])
        start += width
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _layers(widths, x):  # type: ignore[no-untyped-def]
    """Room for a number for every input and unit, layer by layer."""
    return [aligned(len(x) * width, x.dtype).reshape(len(x), width) for width in widths[1:]]


@njit(cache=True, nogil=True, error_model="numpy")
def _forward_numba(w, b, x, scales, shifts, kind, h, a, start, stop):  # type: ignore[no-untyped-def]
    """Activations a of the layers (of the last, the outputs); h becomes their slopes times the next scale."""
    for l in range(start, stop):
        np.dot(x if l == 0 else a[l - 1], w[l].T, h[l])
        if b[l].size > 0:
            _add(h[l], b[l], shifts[l] / scales[l])
        last = l == len(w) - 1
        after = scales[0] if last else scales[l + 1]
        activate(h[l].reshape(-1), a[l].reshape(-1), scales[l], after, LINEAR if last else kind)


@njit(cache=True, nogil=True, error_model="numpy")
def _copy(out, x):  # type: ignore[no-untyped-def]
    for i in range(out.size):
        out[i] = x[i]


@njit(cache=True, nogil=True, error_model="numpy")
def _multiply(g, slope):  # type: ignore[no-untyped-def]
    wide()
    for i in range(g.size):
        g[i] *= slope[i]


@njit(cache=True, nogil=True, error_model="numpy")
def _subtract(w, change, factor):  # type: ignore[no-untyped-def]
    wide()
    for i in range(w.size):
        w[i] -= factor * change[i]


@njit(cache=True, nogil=True, error_model="numpy")
def _add(h, b, factor):  # type: ignore[no-untyped-def]
    """Add `factor` times b to every row."""
    wide()
    for i in range(h.shape[0]):
        for k in range(h.shape[1]):
            h[i, k] += factor * b[k]


@njit(cache=True, nogil=True, error_model="numpy")
def _subtract_sum(b, gradient, factor):  # type: ignore[no-untyped-def]
    """Subtract `factor` times the sum of the rows."""
    wide()
    for i in range(gradient.shape[0]):
        for k in range(b.size):
            b[k] -= factor * gradient[i, k]
