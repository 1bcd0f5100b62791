r"""Numerical minimisation of the conditional risk of a comp-sum loss over the scores, many problems at once.

Saddle-free Newton steps (the Hessian's eigenvalues replaced by their absolute values) with backtracking, from
several starts. It knows the loss and its derivatives, nothing of the infimum's closed form. Half the Newton
decrement, the decrease that the local quadratic model still promises, is returned as the measure of convergence:
the minimum found is one-sided, never below the infimum but for rounding. For tau >= 2 the infimum is at infinity:
steps go on until what is promised is rounding.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from theorylab.simulation import Cost

Array = np.ndarray
MOST_STEPS = 200
LARGEST_MOVE = 3.0
# Relative decrease below which a minimum counts as reached.
PROMISE = 1e-17


def waits(h: Array) -> Array:
    """-log softmax of scores float[..., n]."""
    shifted = h - h.max(axis=-1, keepdims=True)
    return np.asarray(np.log(np.exp(shifted).sum(axis=-1, keepdims=True)) - shifted)


def risk(p: Array, h: Array, tau: float) -> Array:
    """Conditional risk, float[...], of scores h at label distributions p, both float[..., n]."""
    w = waits(h)
    loss = w if tau == 1.0 else np.expm1((1.0 - tau) * w) / (1.0 - tau)
    return np.asarray((p * loss).sum(axis=-1))


@dataclass(frozen=True)
class Problems:
    """Label distributions p float[b, n] with free scores h = z, or with a class that has the largest score.

    With `label` int[b], h = -z^2 except h = 0 at the label.
    """

    p: Array
    tau: float
    label: Array | None = None

    def __getitem__(self, rows: Array) -> Problems:
        return Problems(self.p[rows], self.tau, None if self.label is None else self.label[rows])

    def scores(self, z: Array) -> Array:
        """Scores float[b, n] at the variables z."""
        if self.label is None:
            return z
        h = -(z**2)
        h[np.arange(len(h)), self.label] = 0.0
        return h

    def risk(self, z: Array) -> Array:
        """Risks float[b]."""
        return risk(self.p, self.scores(z), self.tau)

    def derivatives(self, z: Array) -> tuple[Array, Array, Array]:
        """Gradient float[b, n] and Hessian float[b, n, n] in z, and positive scales of the variables float[b, n]."""
        wait = waits(self.scores(z))
        s = np.exp(-wait)
        w = self.p * np.exp((1.0 - self.tau) * wait)
        total = w.sum(axis=1, keepdims=True)
        outer = s[:, :, None] * w[:, None, :]
        squares = s[:, :, None] * s[:, None, :]
        every, rows = np.arange(z.shape[1]), np.arange(len(z))
        gradient, scale = total * s - w, total * s + w
        hessian = (self.tau - 1.0) * (outer + outer.transpose(0, 2, 1)) - self.tau * total[:, :, None] * squares
        hessian[:, every, every] += total * s - (self.tau - 1.0) * w
        if self.label is not None:
            hessian *= 4.0 * z[:, :, None] * z[:, None, :]
            hessian[:, every, every] -= 2.0 * gradient
            scale = 4.0 * z**2 * scale + 2.0 * np.abs(gradient) + 1e-300
            gradient = -2.0 * z * gradient
            # The largest score does not move.
            gradient[rows, self.label] = 0.0
            hessian[rows, self.label, :] = hessian[rows, :, self.label] = 0.0
            hessian[rows, self.label, self.label] = scale[rows, self.label] = 1.0
        return gradient, hessian, scale


def _newton(gradient: Array, hessian: Array, scale: Array) -> tuple[Array, Array]:
    """Saddle-free steps float[b, n], and the decreases float[b] that they promise."""
    root = np.sqrt(scale)
    values, vectors = np.linalg.eigh(hessian / (root[:, :, None] * root[:, None, :]))
    inner = np.einsum("bij,bi->bj", vectors, gradient / root)
    # The scaled Hessian has eigenvalues of order one; one is zero where all scores may shift together.
    inner /= np.maximum(np.abs(values), 1e-12)
    step = -np.einsum("bij,bj->bi", vectors, inner) / root
    return step, -0.5 * (gradient * step).sum(axis=1)


def _backtrack(problems: Problems, z: Array, step: Array, value: Array) -> Array:
    """Halve the steps until the risk falls; move z and value, return bool[b], where there was progress."""
    waiting, factor = np.arange(len(z)), 1.0
    while waiting.size and factor > 1e-9:
        trial = z[waiting] + factor * step[waiting]
        tried = problems[waiting].risk(trial)
        good = tried < value[waiting]
        z[waiting[good]], value[waiting[good]] = trial[good], tried[good]
        waiting, factor = waiting[~good], factor / 2.0
    progress = np.ones(len(z), dtype=bool)
    progress[waiting] = False
    return progress


def minimise(problems: Problems, starts: Array) -> dict[str, Array]:
    """Least risk found from several starts.

    Parameters
    ----------
    problems
        b problems.
    starts : float[b, m, n]
        Variables at m starts of each.

    Returns
    -------
    dict
        value : float[b], the least risk; softmax : float[b, n] where it was found; residual : float[b], half the
        Newton decrement there.
    """
    count, several, n = starts.shape
    every = problems[np.repeat(np.arange(count), several)]
    z = starts.reshape(-1, n).copy()
    value, promise, active = every.risk(z), np.full(len(z), np.inf), np.arange(len(z))
    for _ in range(MOST_STEPS):
        if not active.size:
            break
        mine = every[active]
        step, promise[active] = _newton(*mine.derivatives(z[active]))
        step *= np.minimum(1.0, LARGEST_MOVE / np.maximum(np.abs(step).max(axis=1, keepdims=True), 1e-300))
        here, reached = z[active], value[active]
        progress = _backtrack(mine, here, step, reached)
        z[active], value[active] = here, reached
        active = active[progress & (promise[active] > PROMISE * (1.0 + np.abs(reached)))]
    best = np.arange(count) * several + value.reshape(count, several).argmin(axis=1)
    softmax = np.exp(-waits(every[best].scores(z[best])))
    return {"value": value[best], "softmax": softmax, "residual": promise[best]}


def minimum_cost(tries: float, n: int, tau: float, problems: float = 1.0) -> Cost:
    """Cost of `minimise` from so many starts of a problem of n classes.

    A Newton step has an eigenvalue problem of order n, 15 passes over n x n numbers and 80 over n. About 20 steps are
    taken from a start, 40 where the minimum is flat, at infinity or nearly so.
    """
    runs = problems * tries
    steps = runs * (20.0 if tau < 1.5 else 40.0)
    eigen = 10.0 / 3.0 * n**3
    return Cost(
        flops=steps * eigen,
        bytes=8.0 * runs * (3.5 * n**2 + 18.0 * n),
        draws=runs * n,
        moved=24.0 * steps * (15.0 * n**2 + 80.0 * n),
        factorisations=steps * eigen,
        order=n,
    )


def starts(noise: Array, tau: float, tied: bool) -> Array:
    """Starts float[b, m, n] from standard normals `noise` float[b, >= m, n], as many as `count_starts`.

    Three random ones; from tau = 2 on, where the risk is concave in the softmax and every face of the simplex may
    hold a local minimum, one near each vertex as well, or with a tied class near each set of classes.
    """
    n = noise.shape[2]
    centres = np.concatenate([np.zeros((3, n)), _faces(n, tied) if tau >= 2.0 else np.zeros((0, n))])
    size = np.where(np.arange(len(centres)) < 3, 1.0, 0.1)[:, None]
    return np.asarray(centres + size * noise[:, : len(centres)])


def count_starts(n: int, tau: float, tied: bool) -> int:
    """Number of starts for n classes."""
    return 3 + (len(_faces(n, tied)) if tau >= 2.0 else 0)


def _faces(n: int, tied: bool) -> Array:
    if not tied:
        return 4.0 * np.eye(n)
    return np.array(
        [[0.1 if inside else 2.0 for inside in face] for face in itertools.product((True, False), repeat=n)]
    )
