r"""Dynamical mean-field theory of deep linear networks: two-time kernels of any depth, for any patterns.

Model
    L hidden layers of width $N \to \infty$, $h^1 = W^0 x / \sqrt D$, $h^{l+1} = W^l h^l / \sqrt N$,
    $f = w \cdot h^L / (\gamma N)$, all weights N(0, 1), loss $\frac12 \sum_\mu \Delta_\mu^2$ with $\Delta = y - f$,
    learning rate $\eta\gamma^2 N$; $g^l = \gamma N\, \partial f/\partial h^l$. Steps are discrete, and exact at any
    $\eta$.
Equations
    On indices (time t, pattern $\mu$) for h, and times alone for g, which is the same for all patterns:

        $h_l = u_l + \gamma\, c_l\, g_l$,   $g_l = r_l + \gamma\, d_l\, h_l$,   $u_l \sim N(0, H_{l-1})$,
        $r_l \sim N(0, G_{l+1})$,

        $c_l(t\mu, s) = A_{l-1}(t\mu, s) + \eta \sum_\nu H_{l-1}(t\mu, s\nu) \Delta_\nu(s)$,
        $d_l(t, s\nu) = B_{l+1}(t, s\nu) + \eta\, G_{l+1}(t, s) \Delta_\nu(s)$        for s < t, else 0,

    with responses $\gamma A_l = \partial h_l/\partial r_l$, $\gamma B_l = \partial g_l/\partial u_l$ and the boundary
    $H_0 = K$, $A_0 = 0$, $G_{L+1} = 1$, $B_{L+1} = 0$. Only $\gamma^2$ enters, and $\gamma = 0$ is the lazy limit. The
    outputs are $f = \frac1\gamma \langle h_l g_l \rangle$ at equal times, in every layer l.
Method
    Everything is causal: at time t the upward pass makes the rows t of $c_l$, $A_l$, $H_l$ from earlier ones and from
    the row t of the layer below, then f(t) follows, then the downward pass makes the rows of $d_l$, $B_l$, $G_l$. A
    window of times is extended by a row at a time and nothing is iterated: the fixed point is reached by substitution,
    with about 12 products of a matrix and a vector for each layer and time, $8 L T^3$ operations in all for one
    pattern. The full equations are then evaluated at the solution, and the largest relative residual is the error.
Source
    Bordelon and Pehlevan, arXiv:2205.09653v3, section 4.2 and appendix F; their A and B are those here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from theorylab.derivations.learning_dynamics.linear_dmft_map import Solution, residual
from theorylab.errors import DomainError
from theorylab.prediction import PredictionError

# Residual that is accepted: rounding of T steps is far below.
TOLERANCE = 1e-9
# Errors this many times the targets do not come back.
DIVERGED = 1e3
# Updates after which a learning rate is called stable, when a critical one is looked for.
TRIED = 80


def solve(
    gram: Any, targets: Any, *, depth: int, gamma: float, eta: float, steps: int, rows: type[Window] | None = None
) -> Solution:
    r"""Solve for the kernels after 0..`steps` updates.

    Parameters
    ----------
    gram : float64[P, P]
        $x_\mu \cdot x_\nu / D$.
    targets : float64[P]
    depth
        Number L of hidden layers.
    gamma, eta
        Richness (0 is lazy) and learning rate in units of $\gamma^2 N$.
    steps
        Number of updates.
    rows
        How a row follows from those before: `Window`, or a variant of it to compare with, whose residual is not
        judged.

    Raises
    ------
    DomainError
        When the learning rate is not stable; the critical value is named.
    PredictionError
        When the residual of the equations is not small.
    """
    gram, targets = np.atleast_2d(np.asarray(gram, dtype=float)), np.atleast_1d(np.asarray(targets, dtype=float))
    try:
        found = _extended(rows or Window, gram, targets, depth, float(gamma), float(eta), int(steps))
    except _Diverged as grown:
        critical = _critical(gram, targets, depth, float(gamma), float(eta))
        raise DomainError(
            f"eta = {eta:g} is not stable at depth {depth} and gamma = {gamma:g}: the error has grown "
            f"{DIVERGED:g}-fold after {grown} updates; take eta < {critical:.3g}"
        ) from None
    if rows is not None:
        return found
    worst = residual(found)
    if not worst < TOLERANCE:
        raise PredictionError(
            f"the two-time equations are left with a residual of {worst:.1g} after {steps} updates, wanted "
            f"{TOLERANCE:.1g}: rounding grew with an unstable direction; take fewer updates or a smaller eta"
        )
    return replace(found, residual=worst)


class _Diverged(Exception):
    """The error has grown beyond bounds after so many updates."""


def _extended(
    rows: type[Window], gram: np.ndarray, targets: np.ndarray, depth: int, gamma: float, eta: float, steps: int
) -> Solution:
    window = rows(gram, targets, depth, gamma, eta, steps + 1)
    for t in range(steps + 1):
        window.extend(t)
    return window.solution()


def _critical(gram: np.ndarray, targets: np.ndarray, depth: int, gamma: float, eta: float) -> float:
    """Largest learning rate below an unstable one at which the first updates stay bounded, to 1 %, by bisection."""

    def bounded(rate: float) -> bool:
        try:
            _extended(Window, gram, targets, depth, gamma, rate, TRIED)
        except _Diverged:
            return False
        return True

    low = eta / 2.0
    while not bounded(low):
        low /= 2.0
    high = 2.0 * low
    while high > 1.01 * low:
        middle = (low + high) / 2.0
        low, high = (middle, high) if bounded(middle) else (low, middle)
    return low


class Window:
    """The matrices of all layers, filled row by row."""

    def __init__(self, gram: np.ndarray, targets: np.ndarray, depth: int, gamma: float, eta: float, count: int) -> None:
        patterns = len(targets)
        self.gram, self.targets, self.gamma, self.eta = gram, targets, gamma, eta
        self.depth, self.count, self.patterns = depth, count, patterns
        long, short = count * patterns, count
        # Layers 0 and L + 1 are the boundary.
        self.H = np.zeros((depth + 1, long, long))
        self.G = np.zeros((depth + 2, short, short))
        self.A = np.zeros((depth + 1, long, short))
        self.B = np.zeros((depth + 2, short, long))
        self.m = np.zeros((depth + 1, long, short))
        # dh/du and dg/dr.
        self.P = np.zeros((depth + 1, long, long))
        self.Q = np.zeros((depth + 1, short, short))
        self.H[0] = np.tile(gram, (count, count))
        self.G[depth + 1] = 1.0
        self.f, self.errors = np.zeros((count, patterns)), np.zeros((count, patterns))

    def extend(self, t: int) -> None:
        """Add the rows of time t to the rows of the times before."""
        new = slice(t * self.patterns, (t + 1) * self.patterns)
        for layer in range(1, self.depth + 1):
            self.up(layer, t, new)
        self.f[t] = np.sum(self.forward_coefficients(self.depth + 1, t, new), axis=1)
        self.errors[t] = self.targets - self.f[t]
        if not np.max(np.abs(self.errors[t])) < DIVERGED * (1e-300 + np.max(np.abs(self.targets))):
            raise _Diverged(t)
        for layer in range(self.depth, 0, -1):
            self.down(layer, t, new)

    def forward_coefficients(self, layer: int, t: int, new: slice) -> np.ndarray:
        """Row t of c, float64[P, t]."""
        old = t * self.patterns
        pushed = self.H[layer - 1, new, :old].reshape(self.patterns, t, self.patterns) * self.errors[:t]
        return np.asarray(self.A[layer - 1, new, :t] + self.eta * pushed.sum(axis=2))

    def backward_coefficients(self, layer: int, t: int) -> np.ndarray:
        """Row t of d, float64[t P]."""
        pushed = self.G[layer + 1, t, :t, None] * self.errors[:t]
        return np.asarray(self.B[layer + 1, t, : t * self.patterns] + self.eta * pushed.ravel())

    def up(self, layer: int, t: int, new: slice) -> None:
        """Rows t of A, H and of the mixed kernel before it, from those of the layer below."""
        old, square = slice(0, t * self.patterns), self.gamma**2
        below = self.H[layer - 1, new, old]
        c = self.forward_coefficients(layer, t, new)
        B = self.B[layer, :t, old]
        self.A[layer, new, :t] = c @ self.Q[layer, :t, :t]
        through = square * (c @ B)
        self.P[layer, new, old] = through
        self.P[layer, new, new] = np.eye(self.patterns)
        mixed = below @ B.T + c @ self.G[layer, :t, :t]
        self.m[layer, new, :t] = mixed
        row = below @ self.P[layer, old, old].T + square * (c @ self.m[layer, old, :t].T)
        self.H[layer, new, old], self.H[layer, old, new] = row, row.T
        own = through @ below.T
        self.H[layer, new, new] = self.H[layer - 1, new, new] + own + square * (mixed @ c.T)

    def down(self, layer: int, t: int, new: slice) -> None:
        """Rows t of B and G, and column t of the mixed kernel, from those of the layer above."""
        old, now, square = slice(0, t * self.patterns), slice(0, new.stop), self.gamma**2
        above = self.G[layer + 1, t, :t]
        d = self.backward_coefficients(layer, t)
        A = self.A[layer, :, :t]
        self.B[layer, t, old] = d @ self.P[layer, old, old]
        through = square * (d @ A[old])
        self.Q[layer, t, :t], self.Q[layer, t, t] = through, 1.0
        mixed = A[now] @ above + self.H[layer, now, old] @ d
        self.m[layer, now, t] = mixed
        row = self.Q[layer, :t, :t] @ above + square * (d @ self.m[layer, old, :t])
        self.G[layer, t, :t], self.G[layer, :t, t] = row, row
        self.G[layer, t, t] = self.G[layer + 1, t, t] + through @ above + square * (mixed[old] @ d)

    def solution(self) -> Solution:
        """What was found."""
        inner = slice(1, self.depth + 1)
        return Solution(
            outputs=self.f,
            fields=self.H[inner],
            gradients=self.G[inner],
            mixed=self.m[inner],
            forward=self.A[inner],
            backward=self.B[inner],
            gram=self.gram,
            targets=self.targets,
            gamma=self.gamma,
            eta=self.eta,
        )
