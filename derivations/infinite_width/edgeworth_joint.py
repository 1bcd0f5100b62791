r"""Joint fourth cumulants of a random hidden layer at several inputs, exact at finite width.

$$\mathrm{cum}(f_a, f_b, f_c, f_d) = \frac1N \left( E v^4\, E \phi_a \phi_b \phi_c \phi_d
  - (E v^2)^2 \sum_{\text{3 pairings}} E \phi_a \phi_b\, E \phi_c \phi_d \right)$$

For inputs of one length in the plane, at angles $k \alpha$, an average of products of activations is an integral over
directions and lengths of one Gaussian vector: Gauss-Legendre between the angles at which a preactivation changes sign.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from theorylab.derivation import Derivation
from theorylab.derivations.infinite_width import edgeworth_moments as moments
from theorylab.derivations.infinite_width import finite_size_edgeworth as single
from theorylab.derivations.infinite_width import finite_size_edgeworth_steps as steps
from theorylab.parameters import Interval, Parameter, Space
from theorylab.prediction import Numerical

ANGLE = Parameter("angle", Interval(0.0, math.pi), "angle between neighbouring inputs, in radians", default=0.5)
# The inputs of the four cumulants predicted, by their number.
GROUPS = ((0, 0, 0, 0), (0, 0, 0, 1), (0, 0, 1, 1), (0, 1, 2, 3))
# Nodes of a panel of lengths and of directions, fine and coarse; panels of lengths.
NODES = ((14, 30), (10, 22))
LENGTHS = np.concatenate([[0.0], 2.0 ** np.arange(-4.0, 0.0), np.arange(1.0, 14.0)])


@lru_cache(64)
def average(name: str, q: float, angles: tuple[float, ...], fine: bool = True) -> float:
    """E of the product of activations at inputs of these angles, repeated ones counted."""
    radial, angular = NODES[0 if fine else 1]
    x, w = np.polynomial.legendre.leggauss(radial)
    width = np.diff(LENGTHS)[:, None]
    r = (LENGTHS[:-1, None] + width * (x + 1.0) / 2.0).ravel()
    length = (width * w / 2.0).ravel() * r * np.exp(-0.5 * r * r)
    turns = np.sort(
        np.unique(np.round(np.mod([a + sign * math.pi / 2.0 for a in angles for sign in (1, -1)], 2.0 * math.pi), 12))
    )
    ends = np.append(turns, turns[0] + 2.0 * math.pi)
    x, w = np.polynomial.legendre.leggauss(angular)
    arc = np.diff(ends)[:, None]
    theta = (ends[:-1, None] + arc * (x + 1.0) / 2.0).ravel()
    direction = (arc * w / 2.0).ravel() / (2.0 * math.pi)
    phi = moments.function(name)
    product = np.ones((r.size, theta.size))
    for a in sorted(set(angles)):
        h = math.sqrt(q) * np.multiply.outer(r, np.cos(theta - a))
        product = product * phi(h) ** angles.count(a)
    return float(length @ product @ direction)


def cumulant(name: str, weights: str, q: float, s: float, angles: Sequence[float], fine: bool = True) -> float:
    """N times the joint fourth cumulant of outputs at inputs of these four angles."""

    def mean(*which: int) -> float:
        return average(name, q, tuple(angles[i] for i in which), fine)

    pairs = mean(0, 1) * mean(2, 3) + mean(0, 2) * mean(1, 3) + mean(0, 3) * mean(1, 2)
    return s**4 * (moments.weight_moment(weights, 4) * mean(0, 1, 2, 3) - pairs)


def _joint(*, N: Any, activation: Any, weights: Any, q: Any, s: Any, angle: Any) -> tuple[np.ndarray, np.ndarray]:
    values = [
        [
            cumulant(str(activation), str(weights), float(q), float(s), [k * float(angle) for k in g], fine)
            for g in GROUPS
        ]
        for fine in (True, False)
    ]
    fine, coarse = np.array(values) / float(N)
    return fine, np.abs(fine - coarse) + 1e-13 * np.abs(fine).max()


JOINT = Numerical(
    function=_joint,
    formula=r"\frac1N \left(E v^4\, E \phi_a \phi_b \phi_c \phi_d - (E v^2)^2 \sum E \phi_a \phi_b\, "
    r"E \phi_c \phi_d\right)",
    space=Space([*single.NETWORK[:5], ANGLE]),
    quantity="joint fourth cumulants of outputs at inputs k, angles k * angle: 0000, 0001, 0011, 0123",
    conventions={**single.CONVENTIONS, "inputs": "preactivations have variance q at every input"},
    derivation=Derivation(single.SOURCE, steps.joint_steps),
)
