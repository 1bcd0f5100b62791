r"""Kernels of wide networks from layer to layer: at initialisation (NNGP) and of training (NTK).

For a network of L weight layers with Var W = C_W/n and Var b = C_b,
$K^{(1)} = C_b + C_W\, x \cdot x'/n_0$ and $K^{(l+1)} = C_b + C_W E\phi(u)\phi(v)$ over (u, v) of covariance $K^{(l)}$;
with learning rates $\lambda_W/n$ of the weights and $\lambda_b$ of the biases, $\Theta^{(1)} = \lambda_b + \lambda_W\,
x \cdot x'/n_0$ and $\Theta^{(l+1)} = \lambda_b + \lambda_W E\phi\phi + C_W E[\phi'\phi']\,\Theta^{(l)}$. The NTK
parametrisation at unit learning rate is $\lambda_W = C_W$, $\lambda_b = C_b$.

What is carried is not the covariance but also its distances from coincidence and opposition (`Pairs`), so that nearby
inputs keep their digits through any depth.
Source: Lee et al., arXiv:1711.00165v3, eqs. (4)-(6); Jacot et al., arXiv:1806.07572v4, Theorem 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import sympy as sp

from theorylab.derivations.infinite_width import gram_values
from theorylab.derivations.infinite_width.activations import Activation, activation
from theorylab.derivations.infinite_width.dual_quadrature import Quadrature
from theorylab.derivations.infinite_width.gaussian_pairs import Pairs, inputs
from theorylab.derivations.infinite_width.gram_values import PAIRS, parallel, slices
from theorylab.errors import DomainError

# 1 - |cosine| below which it is summed afresh from the inputs; the same where that takes quadrature of every pair.
CLOSE, CLOSEST = 0.02, 1e-6


class Gram(NamedTuple):
    """Kernels between two sets of inputs: float[m, m']; Theta is None where it was not asked for."""

    K: np.ndarray
    Theta: np.ndarray | None


class Layer(NamedTuple):
    """Scales of one weight layer: C_W, C_b, lambda_W, lambda_b."""

    weights: float
    biases: float
    weight_rate: float
    bias_rate: float


class State(NamedTuple):
    """A layer's covariances, and its tangent kernel T: T(x, x), T(x', x'), T(x, x'), and what these leave of another.

    `distance` is T(x, x) + T(x', x') - 2 T(x, x'), `total` the same with + 2, `gap` T(x, x) - T(x', x').
    """

    pairs: Pairs
    first: np.ndarray
    second: np.ndarray
    both: np.ndarray
    distance: np.ndarray
    total: np.ndarray
    gap: np.ndarray


def layers(depth: int, weight_variance: Any, bias_variance: Any, weight_rate: Any, bias_rate: Any) -> list[Layer]:
    """Scales layer by layer; each is a number, or a sequence with one for each of the `depth` weight layers.

    Raises
    ------
    DomainError
        When the depth is not a positive integer, a scale is negative, or a sequence has another length.
    """
    if int(depth) != depth or depth < 1:
        raise DomainError(f"depth = {depth} is outside its domain integers >= 1 (number of weight layers)")
    scales = {"weight_variance": weight_variance, "bias_variance": bias_variance}
    scales["weight_rate"] = weight_variance if weight_rate is None else weight_rate
    scales["bias_rate"] = bias_variance if bias_rate is None else bias_rate
    columns = []
    for name, value in scales.items():
        array = np.asarray(value, dtype=float)
        if array.ndim and array.shape != (depth,):
            raise DomainError(f"{name} has {array.size} values for {depth} weight layers: give one, or one for each")
        if not np.all(np.isfinite(array)) or np.any(array < 0):
            raise DomainError(f"{name} = {value} is outside its domain [0, inf)")
        columns.append(np.broadcast_to(array, (depth,)))
    return [Layer(*(float(v) for v in row)) for row in zip(*columns)]


def propagate(act: Activation, pairs: Pairs, scales: Sequence[Layer], tangent: bool = True) -> State:
    """Through all layers, from the inner products of the inputs divided by their dimension."""
    first = scales[0]
    state = State(
        pairs.affine(first.biases, first.weights),
        first.bias_rate + first.weight_rate * pairs.a,
        first.bias_rate + first.weight_rate * pairs.b,
        first.bias_rate + first.weight_rate * pairs.c,
        first.weight_rate * pairs.distance,
        4 * first.bias_rate + first.weight_rate * pairs.reach,
        first.weight_rate * pairs.e,
    )
    for scale in scales[1:]:
        f = act.kernel(state.pairs)
        new = f.affine(scale.biases, scale.weights)
        if not tangent:
            state = state._replace(pairs=new)
            continue
        d = act.slope_kernel(state.pairs)
        apart, together = _products(d, state)
        state = State(
            new,
            scale.bias_rate + scale.weight_rate * f.a + scale.weights * d.a * state.first,
            scale.bias_rate + scale.weight_rate * f.b + scale.weights * d.b * state.second,
            scale.bias_rate + scale.weight_rate * f.c + scale.weights * d.c * state.both,
            scale.weight_rate * f.distance + scale.weights * apart,
            4 * scale.bias_rate + scale.weight_rate * f.reach + scale.weights * together,
            scale.weight_rate * f.e + scale.weights * (d.b * state.gap + d.e * state.first),
        )
    return state


def _products(d: Pairs, state: State) -> tuple[np.ndarray, np.ndarray]:
    """d.a T_aa + d.b T_bb -+ 2 d.c T_ab as sums of terms of one sign: what is far from cancelling is subtracted."""
    tilt = np.sqrt(d.a) * d.root_gap, -np.sqrt(d.b) * d.root_gap
    like = state.both >= 0
    up = d.c >= 0
    size = np.abs(d.c)
    # d.a - |d.c| and d.b - |d.c|.
    lost = np.where(up, d.p, d.q)
    ends = (lost + tilt[0]) * state.first + (lost + tilt[1]) * state.second
    apart = ends + size * np.where(up, state.distance, state.total)
    together = ends + size * np.where(up, state.total, state.distance)
    plain = d.a * state.first + d.b * state.second
    far = plain + 2 * size * np.abs(state.both)
    same = like == up
    return np.where(same, apart, far), np.where(same, far, together)


def gram(
    act: Activation | sp.Expr | str,
    x: Any,
    y: Any = None,
    *,
    depth: int,
    weight_variance: Any = 1.0,
    bias_variance: Any = 0.0,
    weight_rate: Any = None,
    bias_rate: Any = None,
    tangent: bool = True,
) -> Gram:
    """Kernels of an infinitely wide network of `depth` weight layers.

    Parameters
    ----------
    act
        Activation, or what `activation` makes one of.
    x : float[m, n_0]
        Inputs.
    y : float[m', n_0]
        Other inputs; x itself when None.
    depth
        Weight layers L: L - 1 hidden layers.
    weight_variance, bias_variance
        C_W and C_b, one number, or one for each layer (a layer without biases has C_b = 0).
    weight_rate, bias_rate
        lambda_W and lambda_b; C_W and C_b by default, the NTK parametrisation at unit learning rate.
    tangent
        Whether Theta is wanted.

    Returns
    -------
    Gram
        `K` and `Theta`, float[m, m'].

    Raises
    ------
    DomainError
        For inputs or scales that are not finite, or an input of norm zero where the activation needs an angle.
    """
    scales = layers(depth, weight_variance, bias_variance, weight_rate, bias_rate)
    checked = _checked(act, x, y)
    with np.errstate(over="ignore", invalid="ignore"):
        return _finite(_fast(*checked, scales, tangent) or _careful(*checked, scales, tangent, False), checked[0])


def differences(
    act: Activation | sp.Expr | str,
    x: Any,
    y: Any = None,
    *,
    depth: int,
    weight_variance: Any = 1.0,
    bias_variance: Any = 0.0,
    weight_rate: Any = None,
    bias_rate: Any = None,
    tangent: bool = True,
) -> Gram:
    """K(x, x) - K(x, x') and the same of Theta, to all digits however close the inputs; as `gram` otherwise."""
    scales = layers(depth, weight_variance, bias_variance, weight_rate, bias_rate)
    checked = _checked(act, x, y)
    with np.errstate(over="ignore", invalid="ignore"):
        return _finite(_careful(*checked, scales, tangent, True), checked[0])


def _checked(act: Any, x: Any, y: Any) -> tuple[Activation, np.ndarray, np.ndarray]:
    act = activation(act)
    x = _points(x, "x")
    other = x if y is None else _points(y, "y")
    if x.shape[1] != other.shape[1]:
        raise DomainError(f"x has {x.shape[1]} coordinates and y {other.shape[1]}: inputs have the same dimension")
    return act, x, other


def _finite(found: Gram, act: Activation) -> Gram:
    if not all(np.all(np.isfinite(v)) for v in found if v is not None):
        raise DomainError(
            f"the kernels of {act.name} at these inputs exceed double precision: take fewer layers or a smaller "
            "weight_variance"
        )
    return found


def _fast(act: Activation, x: np.ndarray, y: np.ndarray, scales: Sequence[Layer], tangent: bool) -> Gram | None:
    """The kernels of all pairs, but for those that need `propagate`; None where all of them do."""
    kernel, slope = act.kernel, act.slope_kernel if tangent else None
    table, n = np.array(scales, dtype=float), x.shape[1]
    squares = np.einsum("ij,ij->i", x, x) / n
    first, slopes = gram_values.diagonals(kernel, slope, squares, table)
    symmetric = y is x
    second = first if symmetric else gram_values.diagonals(kernel, slope, np.einsum("ij,ij->i", y, y) / n, table)[0]
    alpha, largest = gram_values.leak(kernel), float(max(first[:-1].max(initial=0.0), second[:-1].max(initial=0.0)))
    smallest = min(first[:-1].min(initial=np.inf), second[:-1].min(initial=np.inf))
    if smallest <= 0 or (alpha is None and not all(gram_values.can(k, largest) for k in (kernel, slope) if k)):
        return None
    scaled = x / np.sqrt(n)
    K = scaled @ (scaled.T if symmetric else y.T / np.sqrt(n))
    roots = (np.sqrt(np.einsum("ij,ij->i", v, v) / n) for v in (x, y))
    quick = all(not isinstance(k, Quadrature) for k in (kernel, slope))
    close = gram_values.close(K, *roots, CLOSE if quick else CLOSEST, symmetric)
    if alpha is None:
        Theta = gram_values.smooth(kernel, slope, K, first, second, table, symmetric)
    else:
        Theta = gram_values.rectified(alpha, K, first, second, table, tangent, symmetric)
    for part in slices(len(close[0]), PAIRS):
        rows, columns = (index[part] for index in close)
        pairs = inputs(x[rows], y[columns]).times(1 / n)
        state = propagate(act, pairs, scales, tangent)
        for matrix, values in ((K, state.pairs.c), (Theta, state.both)):
            if matrix is not None:
                matrix[rows, columns] = values
                if symmetric:
                    matrix[columns, rows] = values
    if symmetric:
        np.fill_diagonal(K, first[-1])
        if Theta is not None:
            own = table[0, 3] + table[0, 2] * squares
            for (weights, _, weight_rate, bias_rate), before, size in zip(table[1:], first, slopes):
                own = bias_rate + weight_rate * kernel.square(before) + weights * size * own
            np.fill_diagonal(Theta, own)
    return Gram(K, Theta)


def _careful(
    act: Activation, x: np.ndarray, y: np.ndarray, scales: Sequence[Layer], tangent: bool, apart: bool
) -> Gram:
    """The kernels, or their differences, by `propagate`."""
    K = np.empty((len(x), len(y)))
    Theta = np.empty_like(K) if tangent else None

    def work(rows: slice) -> None:
        state = propagate(act, covariances(x[rows], y), scales, tangent)
        a, c = state.pairs.a, state.pairs.c
        known = state.pairs.g
        K[rows] = c if not apart else _less(a, c, state.pairs.distance, state.pairs.e) if known is None else known
        if Theta is not None:
            first, both = state.first, state.both
            Theta[rows] = _less(first, both, state.distance, state.gap) if apart else both

    parallel(work, list(slices(len(x), max(1, PAIRS // len(y)))))
    return Gram(K, Theta)


def _less(one: np.ndarray, both: np.ndarray, distance: np.ndarray, gap: np.ndarray) -> np.ndarray:
    """K(x, x) - K(x, x'), by subtraction where the two are far apart."""
    plain = one - both
    far = np.abs(plain) > 0.1 * np.maximum(one, np.abs(both))
    return np.asarray(np.where(far, plain, (distance + gap) / 2))


def covariances(x: np.ndarray, y: np.ndarray) -> Pairs:
    """x.y/n_0 of all pairs, as float[m, m'] each: by one product, and afresh where two inputs nearly coincide."""
    n = x.shape[1]
    c = x @ y.T
    a, b = (np.broadcast_to(v, c.shape) for v in (np.sum(x * x, 1)[:, None], np.sum(y * y, 1)[None, :]))
    mean = np.sqrt(a) * np.sqrt(b)
    pairs = Pairs(a.copy(), b.copy(), c, mean - c, mean + c, a - b, a - c)
    rows, columns = np.nonzero(np.abs(c) >= (1 - CLOSE) * mean)
    for part in slices(len(rows), max(1, PAIRS // n)):
        fresh = inputs(x[rows[part]], y[columns[part]])
        for old, new in zip(pairs, fresh):
            if old is not None:
                old[rows[part], columns[part]] = new
    return pairs.times(1 / n)


def _points(x: Any, name: str) -> np.ndarray:
    array = np.asarray(x, dtype=float)
    if array.ndim != 2 or not array.size:
        raise DomainError(f"{name} has shape {array.shape}; inputs are rows of a matrix [inputs, coordinates]")
    if not np.all(np.isfinite(array)):
        raise DomainError(f"{name} has values that are not finite")
    return array
