r"""Deep tanh networks trained on one sample, with any power of the width in weights, gradients and rate.

Model: $L$ hidden layers of $n$ units, $z^1 = W^1 \xi$, $z^l = W^l \tanh z^{l-1}$, $f = W^{L+1} \tanh z^L$, with
$W^l = n^{-a_l} w^l$, $w^l \sim N(0, n^{-2 b_l})$; the loss is $(f - y)^2/2$ and a step is
$w^l \mapsto w^l - \eta n^{-c}\, \partial_{w^l} \text{loss}$. One input of length 1 sees nothing of $W^1$ but
$W^1 \xi$, whatever its dimension.

A matrix of $n \times n$ normal numbers is not drawn but *revealed*. Training on one sample asks for its products with
few vectors, $W v$ forwards and $W^\top u$ backwards. Given the products so far, with orthonormal $v_i$ and $u_j$,
the image of a new direction $e$ orthogonal to the $v_i$ has the known components $u_j^\top W e = (W^\top u_j)^\top e$
and is standard normal in all others. So the trajectory is that of a dense matrix, in law and for one that is completed
afterwards exactly, at the cost of a few vectors: widths of $10^5$ are no trouble.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from theorylab.kernels.arrays import namespace
from theorylab.kernels.random import Stream
from theorylab.simulation import Cost, simulation

Draw = Callable[[], Any]
BACKENDS = ("numpy", "numba", "cupy")


class Pairs:
    r"""A sum of outer products $\sum_k u_k v_k^\top$, with room for so many pairs of vectors [..., n]."""

    def __init__(self, like: Any, most: int) -> None:
        xp, (*batch, n) = namespace(like), like.shape
        self._left, self._right = (xp.empty((*batch, most, n), dtype=like.dtype) for _ in range(2))
        self._count = 0

    @property
    def left(self) -> Any:
        """The u_k, [..., k, n]."""
        return self._left[..., : self._count, :]

    @property
    def right(self) -> Any:
        """The v_k, [..., k, n]."""
        return self._right[..., : self._count, :]

    def append(self, u: Any, v: Any) -> None:
        """One more pair."""
        self._left[..., self._count, :] = u
        self._right[..., self._count, :] = v
        self._count += 1


def combined(coefficients: Any, vectors: Any) -> Any:
    """Sums [..., n] of vectors [..., k, n] with coefficients [..., 1, k]."""
    return namespace(vectors).matmul(coefficients, vectors)[..., 0, :]


def products(x: Any, vectors: Any) -> Any:
    """Inner products [..., 1, k] of x [..., n] with vectors [..., k, n]."""
    xp = namespace(x)
    return xp.matmul(x[..., None, :], xp.moveaxis(vectors, -1, -2))


class Revealed:
    """Matrices of independent standard normal entries, [..., n, n], drawn where they are looked at.

    Parameters
    ----------
    draw
        Returns new standard normal numbers [..., n].
    most
        Most products of either kind that will be asked for.
    """

    def __init__(self, draw: Draw, most: int) -> None:
        self._draw, self._most = draw, most
        # (image, direction), directions orthonormal: of the matrix, and of its transpose.
        self.sides: list[Pairs] = []

    def times(self, v: Any) -> Any:
        """W v, for v [..., n]."""
        return self._product(v, 0)

    def transposed_times(self, u: Any) -> Any:
        """W^T u, for u [..., n]."""
        return self._product(u, 1)

    def _product(self, v: Any, side: int) -> Any:
        xp = namespace(v)
        if not self.sides:
            self.sides = [Pairs(v, self._most), Pairs(v, self._most)]
        here, there = self.sides[side], self.sides[1 - side]
        known = products(v, here.right)
        rest = v - combined(known, here.right)
        # Twice, because the first pass leaves what is small against v only roughly orthogonal.
        again = products(rest, here.right)
        rest = rest - combined(again, here.right)
        length = xp.sqrt(inner(rest, rest))
        direction = rest / xp.where(length > 0, length, 1.0)
        image = self._draw()
        image = image + combined(products(direction, there.left) - products(image, there.right), there.right)
        out = combined(known + again, here.left) + length * image
        here.append(image, direction)
        return out


def inner(u: Any, v: Any) -> Any:
    """Inner products [..., 1]."""
    return namespace(u, v).sum(u * v, axis=-1, keepdims=True)


def trajectory(
    draw: Draw,
    n: int,
    a: Sequence[float],
    b: Sequence[float],
    c: float,
    *,
    steps: int,
    eta: float,
    target: float,
) -> tuple[list[list[Any]], list[Any], list[Revealed]]:
    """Preactivations [..., n] of the hidden layers and outputs [..., 1], after 0, 1, ..., `steps` steps.

    Parameters
    ----------
    draw
        Returns new standard normal numbers [..., n].
    n
        Width.
    a, b, c
        Exponents: of the L + 1 multipliers, of the L + 1 standard deviations, and of the rate.
    steps, eta, target
        Number of steps, rate at width 1, label.

    Returns
    -------
    z, f, matrices
        z[t][l - 1] and f[t], and the hidden matrices as far as they were seen.
    """
    depth = len(a) - 1
    deviation = [float(n) ** -(p + q) for p, q in zip(a, b)]
    rate = [eta * float(n) ** -(2.0 * p + c) for p in a]
    first, readout = deviation[0] * draw(), deviation[-1] * draw()
    matrices = [Revealed(draw, steps + 1) for _ in range(depth - 1)]
    # Of each hidden matrix, gradients by z^l times the residual, with what they multiplied: minus its change.
    changes = [Pairs(first, steps) for _ in range(depth - 1)]
    xp = namespace(first)
    preactivations, outputs = [], []
    lowest = first
    for t in range(steps + 1):
        z = [lowest]
        x = [xp.tanh(lowest)]
        for l in range(1, depth):
            change = changes[l - 1]
            moved = combined(products(x[-1], change.right), change.left)
            z.append(deviation[l] * matrices[l - 1].times(x[-1]) - rate[l] * moved)
            x.append(xp.tanh(z[-1]))
        f = inner(readout, x[-1])
        preactivations.append(z)
        outputs.append(f)
        if t == steps:
            break
        residual = f - target
        delta = readout * (1.0 - x[-1] * x[-1])
        for l in reversed(range(1, depth)):
            change = changes[l - 1]
            moved = combined(products(delta, change.left), change.right)
            behind = deviation[l] * matrices[l - 1].transposed_times(delta) - rate[l] * moved
            change.append(residual * delta, x[l - 1])
            delta = behind * (1.0 - x[l - 1] * x[l - 1])
        lowest = lowest - rate[0] * residual * delta
        readout = readout - rate[-1] * residual * x[-1]
    return preactivations, outputs, matrices


def _observed(
    trials: int,
    rng: Stream,
    n: int,
    a: Sequence[float],
    b: Sequence[float],
    c: float,
    steps: int,
    eta: float,
    target: float,
) -> dict[str, Any]:
    z, f, _ = trajectory(lambda: rng.normal(trials, n), n, a, b, c, steps=steps, eta=eta, target=target)
    return {"features": _size(z[-1][-1] - z[0][-1]), "output": abs(f[-1] - f[0])[:, 0]}


def _size(z: Any) -> Any:
    """Root mean square over the last axis."""
    return (inner(z, z)[..., 0] / z.shape[-1]) ** 0.5


def _cost(depth: int, n: int, steps: int, kept: int = 1) -> Cost:
    """Of networks of width n, `kept` of them at a time."""
    products = (depth - 1) * (2 * steps + 1)
    # A product goes twice over the directions seen before it, and once over those of the other side.
    passes = (depth - 1) * (2 * steps + 1) * (3 * steps + 8) + (steps + 1) * depth * (steps + 4)
    # Of a hidden matrix the revealed pairs, its change and the preactivations; and temporary arrays.
    held = (7 * steps + 5) * (depth - 1) + steps + (11 if depth > 1 else 7)
    return Cost(
        flops=(2.0 * passes + 40.0 * (steps + 1) * depth) * n * kept,
        bytes=8.0 * kept * (n * held + 8),
        draws=(2.0 + products) * n * kept,
        moved=24.0 * passes * n * kept,
    )


@simulation(backends=BACKENDS, cost=lambda n, steps=3, **_: _cost(1, n, steps))
def one_hidden(
    trials: int,
    rng: Stream,
    *,
    n: int,
    a1: float,
    a2: float,
    b1: float,
    b2: float,
    c: float,
    steps: int,
    eta: float,
    target: float,
) -> dict[str, Any]:
    """Change of the features (root mean square over the preactivations of the last hidden layer) and of the output.

    Parameters
    ----------
    trials, rng
        Networks and their random numbers.
    n
        Width.
    a1, a2, b1, b2, c
        Exponents; see the module.
    steps, eta, target
        Number of steps, rate at width 1, label.

    Returns
    -------
    dict
        "features" and "output", [trials].
    """
    return _observed(trials, rng, n, (a1, a2), (b1, b2), c, steps, eta, target)


@simulation(backends=BACKENDS, cost=lambda n, steps=3, **_: _cost(2, n, steps))
def two_hidden(
    trials: int,
    rng: Stream,
    *,
    n: int,
    a1: float,
    a2: float,
    a3: float,
    b1: float,
    b2: float,
    b3: float,
    c: float,
    steps: int,
    eta: float,
    target: float,
) -> dict[str, Any]:
    """The same as `one_hidden`, of two hidden layers."""
    return _observed(trials, rng, n, (a1, a2, a3), (b1, b2, b3), c, steps, eta, target)


@simulation(backends=BACKENDS, cost=lambda n, steps=3, **_: _cost(3, n, steps))
def three_hidden(
    trials: int,
    rng: Stream,
    *,
    n: int,
    a1: float,
    a2: float,
    a3: float,
    a4: float,
    b1: float,
    b2: float,
    b3: float,
    b4: float,
    c: float,
    steps: int,
    eta: float,
    target: float,
) -> dict[str, Any]:
    """The same as `one_hidden`, of three hidden layers."""
    return _observed(trials, rng, n, (a1, a2, a3, a4), (b1, b2, b3, b4), c, steps, eta, target)


# Ratio of the two widths that are compared.
WIDER = 16


@simulation(backends=BACKENDS, cost=lambda n, steps=3, **_: _cost(2, WIDER * n, steps))
def decay_with_width(
    trials: int,
    rng: Stream,
    *,
    n: int,
    a1: float,
    a2: float,
    a3: float,
    b1: float,
    b2: float,
    b3: float,
    c: float,
    steps: int,
    eta: float,
    target: float,
) -> dict[str, Any]:
    """Logarithms of how much more a network of width n moves than one of width 16 n: negative where change grows.

    Parameters
    ----------
    trials, rng
        Pairs of networks and their random numbers.
    n, a1, a2, a3, b1, b2, b3, c, steps, eta, target
        As of `two_hidden`.

    Returns
    -------
    dict
        "features" and "output", [trials].
    """
    small, large = (
        _observed(trials, rng, width, (a1, a2, a3), (b1, b2, b3), c, steps, eta, target) for width in (n, WIDER * n)
    )
    xp = namespace(small["output"])
    return {name: xp.log(small[name]) - xp.log(large[name]) for name in small}


# Widths at which a trial of `outcome` measures exponents, in units of the smallest, and the smallest exponent that it
# takes for one: half of the smallest that is to be told from 0.
LADDER, NONZERO = (1, 4, 16, 64), 0.125


@simulation(backends=BACKENDS, cost=lambda n, seeds, steps=3, **_: _cost(2, LADDER[-1] * n, steps, seeds))
def outcome(
    trials: int,
    rng: Stream,
    *,
    n: int,
    seeds: int,
    a1: float,
    a2: float,
    a3: float,
    b1: float,
    b2: float,
    b3: float,
    c: float,
    steps: int,
    eta: float,
    target: float,
) -> Any:
    """What exponents measured on a few networks at four widths say of a parametrisation.

    A trial fits decay exponents of the initial preactivations and output and of their changes, by least squares over
    the logarithms of widths and root mean squares over the networks, and calls the parametrisation stable if the
    preactivations are of order 1 and nothing else grows; trained if moreover the output moves; feature learning if
    moreover the last hidden layer does. An exponent within 1/8 of 0 counts as 0.

    Parameters
    ----------
    trials, rng
        Trials and their random numbers.
    n
        Smallest of the widths n, 4 n, 16 n, 64 n.
    seeds
        Networks at each width.
    a1, a2, a3, b1, b2, b3, c, steps, eta, target
        As of `two_hidden`.

    Returns
    -------
    float[trials, 3]
        Stable, trained and feature learning, 0 or 1 each.
    """
    a, b = (a1, a2, a3), (b1, b2, b3)
    columns = []
    for factor in LADDER:
        width = factor * n
        draw = partial(rng.normal, trials, seeds, width)
        z, f, _ = trajectory(draw, width, a, b, c, steps=steps, eta=eta, target=target)
        xp = namespace(f[0])
        moved = [_size(late - early) for early, late in zip(z[0], z[-1])]
        sizes = (*map(_size, z[0]), f[0][..., 0], *moved, (f[-1] - f[0])[..., 0])
        columns.append(xp.stack([_size(q) for q in sizes], axis=-1))
    position = [math.log(factor) for factor in LADDER]
    middle = sum(position) / len(position)
    scale = sum((p - middle) ** 2 for p in position)
    decay = -sum((p - middle) / scale * xp.log(column) for p, column in zip(position, columns))
    first, second, start, below, features, output = (decay[:, i] for i in range(6))
    stable = (abs(first) < NONZERO) & (abs(second) < NONZERO)
    for change in (start, below, features, output):
        stable = stable & (change > -NONZERO)
    trained = stable & (output < NONZERO)
    learning = trained & (features < NONZERO)
    return xp.stack([xp.astype(flag, start.dtype) for flag in (stable, trained, learning)], axis=-1)
