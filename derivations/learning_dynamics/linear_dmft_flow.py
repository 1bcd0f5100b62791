r"""Gradient flow of deep linear networks at infinite width: descent at vanishing steps, extrapolated.

Descent with learning rate $\eta$ for $t/\eta$ updates is Euler's rule for the flow, exactly solved (`linear_dmft`): its
kernels at the times of a grid are those of the flow plus a series in powers of $\eta$. Three of them, at the grid's
step and at its half and quarter, are combined so that the first two powers cancel (Richardson); what remains is of
order three in the step. The combination of the two finer ones alone, of order two, tells the error.
"""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import numpy as np

from theorylab.derivations.learning_dynamics.linear_dmft import solve
from theorylab.derivations.learning_dynamics.linear_dmft_map import Solution
from theorylab.errors import DomainError

# Of the error of order two, what a proposed step aims at.
SAFETY = 0.8
# Of a step, what a time may miss the grid by.
MISSED = 1e-6


class Flow(NamedTuple):
    """Outputs float64[times, P], H_l(t, t) float64[L, times, P, P], G_l(t, t) float64[L, times]."""

    outputs: np.ndarray
    fields: np.ndarray
    gradients: np.ndarray


def flow(
    gram: Any,
    targets: Any,
    *,
    depth: int,
    gamma: float,
    times: np.ndarray,
    step: float,
    tolerance: float,
) -> tuple[Flow, Flow]:
    """The flow at `times`, and its errors.

    Parameters
    ----------
    gram, targets, depth, gamma
        See `linear_dmft.solve`.
    times
        Multiples of the step.
    step
        Step of the grid.
    tolerance
        Largest error of the outputs, in units of the largest target.

    Raises
    ------
    DomainError
        When a time is not on the grid, or the grid is too coarse for the tolerance: the needed step is named.
    """
    at = np.rint(np.asarray(times) / step).astype(int)
    missed = np.abs(at * step - times) > MISSED * step
    if np.any(missed):
        raise DomainError(f"t = {np.asarray(times)[missed].flat[0]:g} is not a multiple of step = {step:g}")
    levels = [_level(gram, targets, depth, gamma, at, step, 2**k) for k in range(3)]
    first = [_combined(a, b, 2.0) for a, b in itertools.pairwise(levels)]
    found = _combined(first[0], first[1], 4.0)
    error = Flow(*(np.abs(a - b) for a, b in zip(found, first[1])))
    worst = float(np.max(error.outputs) / np.max(np.abs(targets)))
    if not worst <= tolerance:
        needed = SAFETY * step * math.sqrt(tolerance / worst)
        raise DomainError(
            f"step = {step:g} is too coarse for tolerance = {tolerance:g} at depth {depth}, gamma = {gamma:g} (error "
            f"{worst:.1g}): take step <= {needed:.2g}"
        )
    return found, error


def _level(gram: Any, targets: Any, depth: int, gamma: float, at: np.ndarray, step: float, parts: int) -> Flow:
    solution = solve(gram, targets, depth=depth, gamma=gamma, eta=step / parts, steps=int(np.max(at)) * parts)
    return _recorded(solution, at * parts)


def _recorded(solution: Solution, at: np.ndarray) -> Flow:
    fields, gradients = solution.equal_times()
    return Flow(solution.outputs[at], fields[:, at], gradients[:, at])


def _combined(coarse: Flow, fine: Flow, power: float) -> Flow:
    """Cancel the error that falls by `power` from the coarse to the fine one."""
    return Flow(*((power * b - a) / (power - 1.0) for a, b in zip(coarse, fine)))
