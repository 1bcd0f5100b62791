r"""Powers of the width through training, counted update by update.

A quantity of typical size $n^{-e}$ has *decay exponent* $e$. Three rules carry exponents through the updates of a
network whose layers have $n \to \infty$ units:

- a product of sizes adds exponents, and a sum is as large as its largest term, $e = \min$;
- a sum over $n$ independent terms gains $n^{1/2}$ (central limit): an initial weight matrix times a vector;
- a sum over $n$ terms of one sign gains $n$ (law of large numbers): an update, which is an outer product
  $\delta x^\top$, times a later $x$; the initial readout times features that were moved along it.

`count` applies them to gradient descent on one sample, layer by layer and step by step, with exponents that are
numbers or symbols. Activations and the residual count as of order 1. What an update adds to the signals that are sent
back through it is counted apart, as `feedback`: it is as small against them as the update's effect on the
preactivations is against 1, hence negligible until something blows up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Number = Any


@dataclass(frozen=True)
class Counted:
    """Decay exponents after a number of steps; tuples run over the hidden layers 1..L.

    Parameters
    ----------
    preactivations, output
        At the start.
    signals
        Gradients of the output by the preactivations, through the initial hidden weights, at the last step.
    feedback
        What earlier updates of the hidden weights add to these signals, layers 1..L-1; none at the first step.
    updates
        Change of the preactivations by the update of the layer's own weights.
    features
        Change of the preactivations in all.
    by_readout, by_features
        Change of the output by that of the readout, and by that of the features.
    """

    preactivations: tuple[Number, ...]
    output: Number
    signals: tuple[Number, ...]
    feedback: tuple[Number, ...]
    updates: tuple[Number, ...]
    features: tuple[Number, ...]
    by_readout: Number
    by_features: Number


def count(
    a: Sequence[Number], b: Sequence[Number], c: Number, steps: int, least: Callable[..., Number], half: Number
) -> Counted:
    """Exponents after `steps` >= 1 steps on one sample.

    Parameters
    ----------
    a, b, c
        Exponents of the L + 1 multipliers, of the L + 1 standard deviations, and of the rate: numbers or symbols.
    steps
        Number of steps.
    least
        `min` for numbers, `sympy.Min` for symbols.
    half
        One half, as a number of the same kind.
    """
    depth, one = len(a) - 1, 2 * half
    weights = [p + q for p, q in zip(a, b)]
    # The gradient by w carries the multiplier, and the update meets it again.
    rates = [2 * p + c for p in a]
    preactivations = [weights[0], *(w - half for w in weights[1:-1])]
    features: list[Number] = []
    readout = weights[-1]
    for _ in range(steps):
        signals, feedback = [readout], []
        for l in range(depth - 1, 0, -1):
            # W^T delta through the initial weights; x (delta' . delta) through an update.
            feedback.append(rates[l] + 2 * signals[-1] - one)
            signals.append(weights[l] + signals[-1] - half)
        signals.reverse()
        feedback.reverse()
        # delta (x . x'): over the n units below, over the fixed input in the first layer.
        updates = [rates[l] + signals[l] - (one if l > 0 else 0) for l in range(depth)]
        moved = [updates[0]]
        for l in range(1, depth):
            moved.append(least(updates[l], weights[l] + moved[l - 1] - half))
        features = [least(old, new) for old, new in zip(features, moved)] or moved
        # From the next step on, the readout is as large as the larger of its start and its update, eta chi x.
        readout = least(weights[-1], rates[-1])
    return Counted(
        preactivations=tuple(preactivations),
        output=weights[-1] - half,
        signals=tuple(signals),
        feedback=tuple(feedback) if steps > 1 else (),
        updates=tuple(updates),
        features=tuple(features),
        by_readout=rates[-1] - one,
        by_features=weights[-1] + features[-1] - one,
    )
