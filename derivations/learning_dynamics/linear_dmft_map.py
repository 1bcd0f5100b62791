r"""Two-time kernels of deep linear networks as a fixed point: what is solved for, the map, and its damped iteration.

See `linear_dmft` for the model, and for the solution by substitution, which needs no iteration. This is the second
formulation: the map of all kernels at once, whose residual is the error of the other, and whose iteration, grown over
windows of time, reaches the same fixed point.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.linalg import solve_triangular

from theorylab.prediction import PredictionError

# What the equations determine.
KERNELS = ("outputs", "fields", "gradients", "mixed", "forward", "backward")


@dataclass(frozen=True)
class Solution:
    """Kernels of every layer after 0..T-1 updates.

    Parameters
    ----------
    outputs : float64[T, P]
    fields : float64[L, T P, T P]
        $H_l$, index (t, mu) in row-major order.
    gradients : float64[L, T, T]
        $G_l$.
    mixed : float64[L, T P, T]
        $\\langle h_l g_l^T \\rangle / \\gamma$.
    forward, backward : float64[L, T P, T], float64[L, T, T P]
        The responses A and B.
    gram, targets, gamma, eta
        The problem.
    residual
        Largest relative residual of the equations.
    """

    outputs: np.ndarray
    fields: np.ndarray
    gradients: np.ndarray
    mixed: np.ndarray
    forward: np.ndarray
    backward: np.ndarray
    gram: np.ndarray
    targets: np.ndarray
    gamma: float
    eta: float
    residual: float = 0.0

    @property
    def depth(self) -> int:
        """Number of hidden layers."""
        return len(self.fields)

    def equal_times(self) -> tuple[np.ndarray, np.ndarray]:
        """$H_l(t, t)$ float64[L, T, P, P] and $G_l(t, t)$ float64[L, T]."""
        count, patterns = self.outputs.shape
        blocks = self.fields.reshape(self.depth, count, patterns, count, patterns)
        return np.einsum("ltmtn->ltmn", blocks), np.einsum("ltt->lt", self.gradients)

    def tangent(self) -> np.ndarray:
        """The tangent kernel, the sum over l = 0..L of $H_l G_{l+1}$, float64[T, P, P]."""
        fields, gradients = self.equal_times()
        below = np.concatenate([np.broadcast_to(self.gram, fields[:1].shape), fields])
        above = np.concatenate([gradients, np.ones_like(gradients[:1])])
        return np.asarray(np.einsum("ltmn,lt->tmn", below, above))

    def layer_outputs(self) -> np.ndarray:
        """f from every layer, float64[L, T, P]: equal, by theory."""
        count, patterns = self.outputs.shape
        return np.asarray(np.einsum("ltmt->ltm", self.mixed.reshape(self.depth, count, patterns, count)))


def residual(found: Solution) -> float:
    """Largest relative residual of the equations at a solution: the map, evaluated on whole matrices."""
    mapped = fixed_point_map(found)
    return distance(found, mapped)


def distance(one: Solution, other: Solution) -> float:
    """Largest difference of the kernels, each relative to its own size."""
    worst = 0.0
    for name in KERNELS:
        before, after = getattr(one, name), getattr(other, name)
        scale = np.max(np.abs(before)) or 1.0
        gap = float(np.max(np.abs(after - before)) / scale)
        worst = gap if not gap <= worst else worst
    return worst


def fixed_point_map(found: Solution) -> Solution:
    r"""The equations' right-hand sides: with $P = (1 - \gamma^2 c d)^{-1}$ and $Q = (1 - \gamma^2 d c)^{-1}$,

    $H_l = P (H_{l-1} + \gamma^2 c\, G_{l+1} c^T) P^T$,  $G_l = Q (G_{l+1} + \gamma^2 d\, H_{l-1} d^T) Q^T$,
    $\langle h g^T \rangle_l / \gamma = P (H_{l-1} d^T + c\, G_{l+1}) Q^T$,  $A_l = P c$,  $B_l = Q d$.
    """
    depth, (count, patterns), square = found.depth, found.outputs.shape, found.gamma**2
    long = count * patterns
    errors = found.targets - found.outputs
    # Weights that sum over the patterns of a time.
    push = np.zeros((long, count))
    push[np.arange(long), np.repeat(np.arange(count), patterns)] = found.eta * errors.ravel()
    before = np.arange(count)[:, None] > np.arange(count)
    causal = np.repeat(before, patterns, axis=0)
    H = [np.tile(found.gram, (count, count)), *found.fields]
    G = [None, *found.gradients, np.ones((count, count))]
    A = [np.zeros((long, count)), *found.forward]
    B = [None, *found.backward, np.zeros((count, long))]
    rows: dict[str, list[np.ndarray]] = {n: [] for n in ("fields", "gradients", "mixed", "forward", "backward")}
    c = np.zeros((long, count))
    for layer in range(1, depth + 2):
        c = np.where(causal, A[layer - 1] + H[layer - 1] @ push, 0.0)
        if layer > depth:
            break
        d = np.where(np.repeat(before, patterns, axis=1), B[layer + 1] + G[layer + 1] @ push.T, 0.0)
        P, Q = np.eye(long) - square * c @ d, np.eye(count) - square * d @ c
        rows["fields"].append(_both_sides(P, H[layer - 1] + square * c @ G[layer + 1] @ c.T, P))
        rows["gradients"].append(_both_sides(Q, G[layer + 1] + square * d @ H[layer - 1] @ d.T, Q))
        rows["mixed"].append(_both_sides(P, H[layer - 1] @ d.T + c @ G[layer + 1], Q))
        rows["forward"].append(_solved(P, c))
        rows["backward"].append(_solved(Q, d))
    outputs = np.sum(c.reshape(count, patterns, count), axis=2)
    changed: dict[str, Any] = {name: np.stack(values) for name, values in rows.items()}
    return replace(found, **changed, outputs=outputs)


def _solved(triangular: np.ndarray, right: np.ndarray) -> np.ndarray:
    """X^-1 Y for a lower triangular X with a unit diagonal."""
    return np.asarray(solve_triangular(triangular, right, lower=True, unit_diagonal=True, check_finite=False))


def _both_sides(left: np.ndarray, middle: np.ndarray, right: np.ndarray) -> np.ndarray:
    """X^-1 Y Z^-T for such X and Z."""
    return _solved(right, _solved(left, middle).T).T


def sweep(start: Solution, *, damping: float = 0.0, tolerance: float = 1e-12, window: int = 1) -> Solution:
    """Iterate the map until its residual is below the tolerance.

    A step keeps the part `damping` of what there was. The times that take part grow by `window` when those before have
    converged: iterated all at once, late times blow up before they know their past.

    Parameters
    ----------
    start
        The problem; its kernels are the first guess.

    Raises
    ------
    PredictionError
        When the residual stops falling: it is named, with a damping to try.
    """
    count, patterns = start.outputs.shape
    found = start
    for size in [*range(window, count, window), count]:
        found = _converged(found, size, patterns, damping, tolerance)
    return found


def _converged(found: Solution, size: int, patterns: int, damping: float, tolerance: float) -> Solution:
    part = restrict(found, size)
    best, since = np.inf, 0
    while True:
        with np.errstate(over="ignore", invalid="ignore"):
            mapped = fixed_point_map(part)
            worst = distance(part, mapped)
        if worst < tolerance:
            return extend(found, mapped)
        # The map forgets a wrong start within as many sweeps as there are times, more when damped.
        since = 0 if worst < 0.5 * best else since + 1
        best = min(best, worst)
        if not np.isfinite(worst) or since > (size + 10) / (1.0 - damping):
            raise PredictionError(
                f"the two-time equations do not converge at {size} times: residual {worst:.1g}, wanted "
                f"{tolerance:.1g}; try damping = {(1.0 + damping) / 2.0:g}, or windows of one time"
            )
        part = replace(part, **{n: damping * getattr(part, n) + (1.0 - damping) * getattr(mapped, n) for n in KERNELS})


def restrict(found: Solution, size: int) -> Solution:
    """The first `size` times alone."""
    patterns = found.outputs.shape[1]
    parts: dict[str, Any] = {n: _view(getattr(found, n), n, size, patterns) for n in KERNELS}
    return replace(found, **parts)


def extend(found: Solution, part: Solution) -> Solution:
    """`found` with its first times replaced by those of `part`."""
    size, patterns = part.outputs.shape
    changed: dict[str, Any] = {}
    for name in KERNELS:
        changed[name] = getattr(found, name).copy()
        _view(changed[name], name, size, patterns)[...] = getattr(part, name)
    return replace(found, **changed)


def _view(array: np.ndarray, name: str, size: int, patterns: int) -> np.ndarray:
    if name == "outputs":
        return array[:size]
    rows = size if name in ("gradients", "backward") else size * patterns
    columns = size * patterns if name in ("fields", "backward") else size
    return array[:, :rows, :columns]


def lazy_start(gram: Any, targets: Any, depth: int, gamma: float, eta: float, steps: int) -> Solution:
    """The kernels before training at all times, without responses: a first guess."""
    gram, targets = np.atleast_2d(np.asarray(gram, dtype=float)), np.atleast_1d(np.asarray(targets, dtype=float))
    count, patterns = steps + 1, len(targets)
    long = count * patterns
    return Solution(
        outputs=np.zeros((count, patterns)),
        fields=np.tile(gram, (depth, count, count)),
        gradients=np.ones((depth, count, count)),
        mixed=np.zeros((depth, long, count)),
        forward=np.zeros((depth, long, count)),
        backward=np.zeros((depth, count, long)),
        gram=gram,
        targets=targets,
        gamma=gamma,
        eta=eta,
    )
