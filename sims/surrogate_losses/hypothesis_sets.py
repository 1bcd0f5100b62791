r"""Least comp-sum risk over bounded sets of linear and one-hidden-layer ReLU scorers, many problems at once.

A problem has a few inputs with weights and label distributions; the risk is exact, without sampling. Hypotheses:

- `Linear`: $h_y(x) = W_y \cdot x + b_y$ with $|W_y|_q \le W$, $|b_y| \le B$;
- `Relu`: $h_y(x) = \sum_j u_{yj} (w_{yj} \cdot x + b_{yj})_+$ with $|u_y|_1 \le L$, $|w_{yj}|_q \le W$,
  $|b_{yj}| \le B$.

Projected gradient steps with momentum, restarts and backtracking, from several starts. The residual is the
Frank-Wolfe gap $\max_{\theta'} \langle \nabla R(\theta), \theta - \theta' \rangle$ over the set: where the risk is
convex in the parameters (linear scorers, $\tau \le 1$) it bounds what is left to gain; elsewhere it measures
stationarity. The set's range of scores, and the infimum of a risk, are not known here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from theorylab.sims.surrogate_losses.score_minimisation import waits
from theorylab.simulation import Cost, SimulationError

Array = np.ndarray
# Gap, relative to one plus the risk, at which a minimum counts as reached, and steps after which it never will be.
REACHED, MOST_STEPS = 1e-8, 20_000
# Steps between two looks at the gap.
EVERY = 10


def onto_ball(v: Array, radius: Array | float, q: float) -> Array:
    """Nearest points of the q-ball to vectors float[..., d], q = 1, 2 or infinity; the radius broadcasts."""
    if q == np.inf:
        return np.asarray(np.clip(v, -radius, radius))
    if q == 2:
        length = np.sqrt((v**2).sum(axis=-1, keepdims=True))
        return np.asarray(v * np.where(length > radius, radius / np.where(length > 0.0, length, 1.0), 1.0))
    # Sum of absolute values: subtract from each what brings the sum down to the radius.
    size = np.sort(np.abs(v), axis=-1)[..., ::-1]
    level = (np.cumsum(size, axis=-1) - radius) / np.arange(1, v.shape[-1] + 1)
    count = (size > level).sum(axis=-1, keepdims=True)
    cut = np.maximum(np.take_along_axis(level, np.maximum(count - 1, 0), axis=-1), 0.0)
    return np.asarray(np.sign(v) * np.maximum(np.abs(v) - cut, 0.0))


def dual_norm(v: Array, q: float) -> Array:
    """Largest inner product of vectors float[..., d] with a vector of q-norm 1."""
    size = np.abs(v)
    if q == 2:
        return np.asarray(np.sqrt((size**2).sum(axis=-1)))
    return np.asarray(size.max(axis=-1) if q == 1 else size.sum(axis=-1))


@dataclass(frozen=True)
class Linear:
    """Linear scorers with biases; the bounds of slopes and biases are float[b]."""

    x: Array
    slope: Array
    bias: Array
    q: float = 2

    def __getitem__(self, rows: Array) -> Linear:
        return Linear(self.x[rows], self.slope[rows], self.bias[rows], self.q)

    def size(self, n: int) -> int:
        """Number of parameters."""
        return n * (self.x.shape[2] + 1)

    def _parts(self, theta: Array, n: int) -> tuple[Array, Array]:
        blocks = theta.reshape(len(theta), n, -1)
        return blocks[..., :-1], blocks[..., -1]

    def scores(self, theta: Array, n: int) -> Array:
        """Scores float[b, K, n]."""
        w, b = self._parts(theta, n)
        return np.asarray((self.x[:, :, None, :] * w[:, None]).sum(axis=-1) + b[:, None])

    def pulled_back(self, theta: Array, slope: Array) -> Array:
        """Gradient float[b, size]."""
        inner = (slope[..., None] * self.x[:, :, None, :]).sum(axis=1)
        return np.concatenate([inner, slope.sum(axis=1)[..., None]], axis=-1).reshape(len(theta), -1)

    def projected(self, theta: Array, n: int) -> Array:
        """Nearest parameters of the set."""
        w, b = self._parts(theta, n)
        b = np.clip(b, -self.bias[:, None], self.bias[:, None])
        w = onto_ball(w, self.slope[:, None, None], self.q)
        return np.concatenate([w, b[..., None]], axis=-1).reshape(len(theta), -1)

    def support(self, gradient: Array, n: int) -> Array:
        """Largest inner product, float[b]."""
        w, b = self._parts(gradient, n)
        return np.asarray(self.slope * dual_norm(w, self.q).sum(axis=1) + self.bias * np.abs(b).sum(axis=1))


@dataclass(frozen=True)
class Relu:
    """One hidden layer of `units` ReLUs for each class."""

    x: Array
    slope: float
    bias: float
    outer: float
    units: int = 2
    q: float = 2

    def __getitem__(self, rows: Array) -> Relu:
        return Relu(self.x[rows], self.slope, self.bias, self.outer, self.units, self.q)

    def size(self, n: int) -> int:
        """Number of parameters."""
        return n * self.units * (self.x.shape[2] + 2)

    def _parts(self, theta: Array) -> tuple[Array, Array, Array]:
        blocks = theta.reshape(len(theta), -1, self.units, self.x.shape[2] + 2)
        return blocks[..., :-2], blocks[..., -2], blocks[..., -1]

    def _hidden(self, theta: Array) -> Array:
        """Preactivations float[b, K, n, units]."""
        w, b, _ = self._parts(theta)
        return np.asarray((self.x[:, :, None, None, :] * w[:, None]).sum(axis=-1) + b[:, None])

    def scores(self, theta: Array, n: int) -> Array:
        """Scores float[b, K, n]."""
        return np.asarray((self._parts(theta)[2][:, None] * np.maximum(self._hidden(theta), 0.0)).sum(axis=-1))

    def pulled_back(self, theta: Array, slope: Array) -> Array:
        """Gradient float[b, size]."""
        hidden, u = self._hidden(theta), self._parts(theta)[2]
        inside = np.where(hidden > 0.0, slope[..., None] * u[:, None], 0.0)
        parts = [
            (inside[..., None] * self.x[:, :, None, None, :]).sum(axis=1),
            inside.sum(axis=1)[..., None],
            (slope[..., None] * np.maximum(hidden, 0.0)).sum(axis=1)[..., None],
        ]
        return np.concatenate(parts, axis=-1).reshape(len(theta), -1)

    def projected(self, theta: Array, n: int) -> Array:
        """Nearest parameters of the set."""
        w, b, u = self._parts(theta)
        b, u = np.clip(b, -self.bias, self.bias), onto_ball(u, self.outer, 1)
        return np.concatenate([onto_ball(w, self.slope, self.q), b[..., None], u[..., None]], axis=-1).reshape(
            len(theta), -1
        )

    def support(self, gradient: Array, n: int) -> Array:
        """Largest inner product, float[b]."""
        w, b, u = self._parts(gradient)
        units = (self.slope * dual_norm(w, self.q) + self.bias * np.abs(b)).sum(axis=-1)
        return np.asarray((units + self.outer * dual_norm(u, 1)).sum(axis=1))


Scorers = Linear | Relu


@dataclass(frozen=True)
class Risks:
    """Risks of scorers at weights float[b, K] of the inputs and label distributions p float[b, K, n]."""

    scorers: Scorers
    weights: Array
    p: Array
    tau: float

    def __getitem__(self, rows: Array) -> Risks:
        return Risks(self.scorers[rows], self.weights[rows], self.p[rows], self.tau)

    def value_and_gradient(self, theta: Array) -> tuple[Array, Array]:
        """Risks float[b] and their gradients float[b, size]."""
        wait = waits(self.scorers.scores(theta, self.p.shape[2]))
        s, power = np.exp(-wait), np.exp((1.0 - self.tau) * wait)
        loss = wait if self.tau == 1.0 else np.expm1((1.0 - self.tau) * wait) / (1.0 - self.tau)
        value = (self.weights * (self.p * loss).sum(axis=-1)).sum(axis=-1)
        w = self.p * power
        slope = self.weights[..., None] * (w.sum(axis=-1, keepdims=True) * s - w)
        return value, self.scorers.pulled_back(theta, slope)

    def gap(self, theta: Array, gradient: Array) -> Array:
        """Frank-Wolfe gap float[b]."""
        return np.asarray((gradient * theta).sum(axis=1) + self.scorers.support(-gradient, self.p.shape[2]))


def least_risk(risks: Risks, starts: Array) -> dict[str, Array]:
    """Least risk found from several starts float[b, m, size].

    Returns
    -------
    dict
        value : float[b]; theta : float[b, size], where it was found; residual : float[b], the Frank-Wolfe gap there.

    Raises
    ------
    SimulationError
        When a gap does not close.
    """
    count, several, size = starts.shape
    every, n = risks[np.repeat(np.arange(count), several)], risks.p.shape[2]
    theta = every.scorers.projected(starts.reshape(-1, size), n)
    total = len(theta)
    value, gap = np.full(total, np.inf), np.full(total, np.inf)
    mine, x, ahead = every, theta.copy(), theta.copy()
    active: Array = np.arange(total)
    clock: Array = np.ones(total)
    stiff: Array = np.ones(total)
    for step in range(1, MOST_STEPS + 1):
        here, slope = mine.value_and_gradient(ahead)
        new, there = _descended(mine, ahead, here, slope, stiff, n)
        # Momentum that points uphill is given up.
        uphill = ((ahead - new) * (new - x)).sum(axis=1) > 0.0
        clock = np.where(uphill, 1.0, clock)
        later = (1.0 + np.sqrt(1.0 + 4.0 * clock**2)) / 2.0
        ahead = new + np.where(uphill, 0.0, (clock - 1.0) / later)[:, None] * (new - x)
        x, clock, stiff = new, later, stiff * 0.95
        if step % EVERY:
            continue
        there, slope = mine.value_and_gradient(x)
        theta[active], value[active], gap[active] = x, there, mine.gap(x, slope)
        left = gap[active] > REACHED * (1.0 + there)
        if not left.any():
            break
        active, clock, stiff = np.asarray(active[left]), np.asarray(clock[left]), np.asarray(stiff[left])
        x, ahead = x[left], ahead[left]
        mine = every[active]
    else:
        raise SimulationError(
            f"a least risk was not reached: a gap of {gap.max():.3g} is left after {MOST_STEPS} steps"
        )
    best = np.arange(count) * several + value.reshape(count, several).argmin(axis=1)
    return {"value": value[best], "theta": theta[best], "residual": gap[best]}


def _descended(risks: Risks, at: Array, value: Array, slope: Array, stiff: Array, n: int) -> tuple[Array, Array]:
    """Projected steps, with `stiff` float[b] doubled in place until the quadratic model bounds the risk."""
    new, there = np.empty_like(at), np.empty_like(value)
    waiting, part = np.arange(len(at)), risks
    while waiting.size:
        trial = part.scorers.projected(at[waiting] - slope[waiting] / stiff[waiting, None], n)
        move = trial - at[waiting]
        model = value[waiting] + (slope[waiting] * move).sum(axis=1) + stiff[waiting] / 2.0 * (move**2).sum(axis=1)
        found = part.value_and_gradient(trial)[0]
        good = (found <= model + 1e-15 * (1.0 + np.abs(value[waiting]))) | (stiff[waiting] > 1e12)
        new[waiting[good]], there[waiting[good]] = trial[good], found[good]
        waiting = waiting[~good]
        stiff[waiting] *= 2.0
        part = risks[waiting]
    return new, there


def descent_cost(tries: float, inputs: int, n: int, size: int, steps: float) -> Cost:
    """Cost of `least_risk` from so many starts of a problem: about three evaluations of the risk a step.

    An evaluation makes some 40 passes over the scores and 12 over the parameters of every input.
    """
    numbers = inputs * (40.0 * n + 12.0 * size)
    return Cost(
        flops=tries * steps * inputs * n * 60.0,
        bytes=8.0 * tries * (inputs * (12.0 * n + 5.0 * size) + 14.0 * size + 12.0),
        draws=tries * size,
        moved=24.0 * 3.0 * tries * steps * numbers / 4.0,
    )
