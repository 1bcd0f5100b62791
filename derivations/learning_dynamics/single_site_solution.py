r"""Outputs and kernels of deep networks at infinite width, with the error of each number.

    network = Network("tanh", depth=2, gamma=1.5, gram=((1.0,),), targets=(1.0,))
    found = descent(network, rate=0.15, steps=16)             # gradient descent, exact in time
    found = flow(network, until=2.4, steps=8)                 # gradient flow, by extrapolation in the step

Errors, reported apart:

- Monte Carlo: the samples come in independent batches, each of which is solved by itself (`single_site`);
  the scatter of the batches gives the error of their mean. What the finite size of a batch shifts is estimated by
  batches of half the size, on the same points.
- Fixed point: the residual of the self-consistent equations at the solution, by one evaluation of the whole map.
- Discretisation: gradient descent has none. Flow is extrapolated from descents with steps $\delta, \delta/2, \delta/4$,
  whose errors are of first order; the difference of the last two extrapolations is the error.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import sympy as sp
from threadpoolctl import ThreadpoolController

from theorylab.derivations.infinite_width.activations import Activation, activation, z
from theorylab.derivations.learning_dynamics.single_site import ALL, Jet, Order, Sweep, Terms, bytes_of, kernels_of
from theorylab.derivations.learning_dynamics.single_site_points import Points
from theorylab.errors import DomainError, LackOfMemory
from theorylab.prediction import PredictionError

BATCHES = 8
# Standard errors of a mean of that many batches in a bound: exceeded with probability 0.003 (Student, 7 degrees).
BOUND = 4.4
# Most bytes of a sweep.
MEMORY = 2.0**31
# Residual with which a fixed point counts as reached, relative.
RESIDUAL = 1e-10
# Iterations in which the residual must fall by a tenth.
PATIENCE = 20
# Errors of the output beyond these, in units of the largest label, mean that descent diverges.
DIVERGED = 4.0


class NotConverged(PredictionError):
    """A fixed point that was not reached."""


@dataclass(frozen=True)
class Network:
    r"""A network at infinite width and what it learns.

    Parameters
    ----------
    activation
        A name or an expression of z, as `infinite_width.activations.activation` takes them.
    depth, gamma
        Hidden layers L, and laziness.
    gram, targets
        Gram matrix K of the inputs (over their dimension), as a tuple of rows, and labels.
    """

    activation: Any
    depth: int
    gamma: float
    gram: tuple[tuple[float, ...], ...]
    targets: tuple[float, ...]


@dataclass(frozen=True)
class Method:
    """How the equations are solved.

    Parameters
    ----------
    samples
        Points of a batch, before mirroring: a power of two.
    seed
        Names the random numbers.
    tangents
        Responses by tangents, not by correlations; of activations with a second derivative only.
    lattice
        Whether the points are those of shifted lattices, or independent.
    terms
        What is kept.
    """

    samples: int = 1024
    seed: int = 0
    tangents: bool = False
    lattice: bool = True
    terms: Terms = ALL


@dataclass(frozen=True)
class Estimate:
    """A number or an array of them, and bounds on its errors, of the same shape."""

    value: np.ndarray
    monte_carlo: np.ndarray
    discretisation: np.ndarray

    @property
    def error(self) -> np.ndarray:
        """All together."""
        return np.asarray(self.monte_carlo + self.discretisation)


@dataclass(frozen=True)
class Solution:
    """Order parameters at all steps.

    Parameters
    ----------
    f
        Outputs, [steps + 1, P].
    H, G
        Two-time kernels, [L, n, n] with n = (steps + 1) P, patterns running fastest.
    ntk
        Tangent kernels at equal times, [steps + 1, P, P].
    residual
        Of the fixed point, relative.
    """

    f: Estimate
    H: Estimate
    G: Estimate
    ntk: Estimate
    residual: float


@lru_cache(32)
def jet_of(what: Any) -> tuple[Activation, Jet, bool]:
    """The activation, its values with two derivatives, and whether it is odd.

    Raises
    ------
    DomainError
        When it jumps: its slope, and with it all that is learnt below, has no second moment.
    """
    act = activation(what)
    if act.jumps:
        raise DomainError(f"{act.name} jumps at z = {act.jumps[0]:g}: gradient descent needs a continuous activation")
    curvature = sp.diff(act.slope_expr, z).replace(sp.DiracDelta, lambda *_: sp.S.Zero).doit()
    found = sp.lambdify([z], [act.expr, act.slope_expr, curvature], ["scipy", "numpy"], cse=True)

    def jet(h: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        phi, slope, bend = (np.broadcast_to(np.asarray(x), h.shape) for x in found(h))
        return phi, slope, bend

    at = np.array([0.1234, 0.777, 1.618, 3.21])
    return act, jet, bool(np.allclose(act(-at), -act(at), rtol=1e-12, atol=1e-15))


def descent(network: Network, rate: float, steps: int, method: Method = Method()) -> Solution:
    """Gradient descent: exact in time.

    Raises
    ------
    DomainError
        When the learning rate is not stable (the critical value is named), or the method does not fit the activation.
    LackOfMemory
        When a batch would take more than `MEMORY`.
    """
    return _descent(network, float(rate), int(steps), method)


@lru_cache(128)
def _descent(network: Network, rate: float, steps: int, method: Method) -> Solution:
    _refuse(network, steps, method)
    if steps > 0:
        start = _descent(network, rate, 0, replace(method, terms=ALL))
        _demand_stable(start, rate, "at the start")
    whole, half = (_batches(network, rate, steps, method, part) for part in (1, 2))
    f, H, G, ntk = (_estimated(a, b) for a, b in zip(zip(*whole), zip(*half)))
    solution = Solution(f, H, G, ntk, residual(network, rate, steps, method))
    if solution.residual > RESIDUAL:
        raise NotConverged(_not_converged(solution.residual, 1.0))
    beyond = np.abs(np.array(network.targets) - solution.f.value).max(axis=1) > DIVERGED * np.abs(network.targets).max()
    if np.any(beyond) or not np.all(np.isfinite(solution.f.value)):
        raise DomainError(
            f"rate = {rate:g} lets the output diverge from step {int(np.argmax(beyond))}: take a smaller rate"
        )
    return solution


def flow(
    network: Network, until: float, steps: int, method: Method = Method(), tolerance: float | None = None
) -> Solution:
    """Gradient flow up to a time, at `steps` + 1 equidistant times.

    Parameters
    ----------
    until, steps
        Last time, and the number of intervals.
    tolerance
        Largest error of discretisation of the output; None takes any.

    Raises
    ------
    DomainError
        When the grid is too coarse for the tolerance; the step that is needed is named.
    """
    return _flow(network, float(until), int(steps), method, tolerance)


@lru_cache(32)
def _flow(network: Network, until: float, steps: int, method: Method, tolerance: float | None) -> Solution:
    fine = 4 * steps
    _refuse(network, fine, method)
    _demand_stable(_descent(network, until / steps, 0, method), until / steps, "for the coarsest of three grids")
    parts = []
    for part in (1, 2):
        grids = [
            [
                _thinned(x, len(network.targets), k)
                for x in _batches(network, until / (k * steps), k * steps, method, part)
            ]
            for k in (1, 2, 4)
        ]
        parts.append([[_richardson(*levels) for levels in zip(*batch)] for batch in zip(*grids)])
    estimates = []
    for a, b in zip(zip(*parts[0]), zip(*parts[1])):
        found = _estimated([x[1] for x in a], [x[1] for x in b])
        steps_apart = np.mean([x[1] - x[0] for x in a], axis=0)
        estimates.append(replace(found, discretisation=np.abs(steps_apart)))
    worst = float(estimates[0].discretisation.max())
    if tolerance is not None and worst > tolerance:
        needed = until / steps * (tolerance / worst) ** (1.0 / 3.0)
        raise DomainError(
            f"the time grid is too coarse: error {worst:.2g} of the output at step {until / steps:.3g}, {tolerance:g} "
            f"wanted: take steps of {needed:.2g}, steps = {int(np.ceil(until / needed))}"
        )
    f, H, G, ntk = estimates
    return Solution(f, H, G, ntk, residual(network, until / fine, fine, method))


def residual(network: Network, rate: float, steps: int, method: Method) -> float:
    """Largest change of any order parameter of the first batch under the map, relative to the largest of its kind."""
    found = sweep(network, rate, steps, method)
    return _change(found, sweep(network, rate, steps, method, given=found))


def iterate(
    network: Network, rate: float, steps: int, method: Method = Method(), damping: float = 0.7, batch: int = 0
) -> tuple[Order, float]:
    """The fixed point of one batch by damped iteration of the whole map, from what it is without learning.

    The sweep reaches the same point at the cost of one iteration; late times wander off before early ones have settled.
    This way is for checking the other.

    Returns
    -------
    order, residual

    Raises
    ------
    NotConverged
        When the residual no longer falls.
    """
    order = sweep(network, 0.0, steps, method, batch=batch)
    best, since = np.inf, 0
    while True:
        with np.errstate(all="ignore"):
            new = sweep(network, rate, steps, method, batch=batch, given=order)
        change = _change(order, new)
        if change <= RESIDUAL:
            return new, change
        since = 0 if change < 0.9 * best else since + 1
        best = min(best, change)
        if not np.isfinite(change) or since > PATIENCE:
            raise NotConverged(_not_converged(change, damping))
        order = order.towards(new, damping)


def sweep(
    network: Network,
    rate: float,
    steps: int,
    method: Method = Method(),
    *,
    batch: int = 0,
    part: int = 1,
    given: Order | None = None,
) -> Order:
    """Order parameters of one batch."""
    _, jet, odd = jet_of(network.activation)
    return Sweep(
        Points(method.samples, odd, batch, method.seed, part, method.lattice),
        jet,
        np.array(network.gram),
        np.array(network.targets),
        depth=network.depth,
        gamma=network.gamma,
        rate=rate,
        steps=steps,
        terms=method.terms,
        tangents=method.tangents,
        given=given,
    ).run()


@lru_cache(1)
def _libraries() -> ThreadpoolController:
    """The linear algebra that is loaded: its products here are too small to be shared by several threads."""
    return ThreadpoolController()


def _batches(network: Network, rate: float, steps: int, method: Method, part: int) -> list[tuple[np.ndarray, ...]]:
    """f, H, G and NTK of every batch."""
    with np.errstate(all="ignore"), _libraries().limit(limits=1):
        found = [sweep(network, rate, steps, method, batch=b, part=part) for b in range(BATCHES)]
    return [_observables(network, order, steps + 1) for order in found]


def _observables(network: Network, order: Order, times: int) -> tuple[np.ndarray, ...]:
    H, G, P = kernels_of(order.C), kernels_of(order.Cr), len(network.targets)
    t = np.arange(times)
    at_once = [x.reshape(-1, times, P, times, P)[:, t, :, t, :].swapaxes(0, 1) for x in (H, G)]
    below = np.concatenate([np.broadcast_to(np.array(network.gram), (1, times, P, P)), at_once[0]])
    above = np.concatenate([at_once[1], np.ones((1, times, P, P))])
    return order.f.reshape(times, P), H, G, np.sum(below * above, axis=0)


def _estimated(whole: Any, half: Any) -> Estimate:
    """From values of all batches, and of batches of half the size."""
    whole, mean = np.array(whole), np.mean(whole, axis=0)
    scatter = BOUND * whole.std(axis=0, ddof=1) / np.sqrt(len(whole))
    return Estimate(mean, scatter + np.abs(mean - np.mean(half, axis=0)), np.zeros_like(mean))


def _richardson(coarse: np.ndarray, middle: np.ndarray, fine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Extrapolations to steps of 0 of second and of third order."""
    first, second = 2.0 * middle - coarse, 2.0 * fine - middle
    return second, (4.0 * second - first) / 3.0


def _thinned(observables: tuple[np.ndarray, ...], patterns: int, k: int) -> tuple[np.ndarray, ...]:
    """Every k-th time."""
    f, H, G, ntk = observables
    kept = np.arange(len(f) * patterns).reshape(-1, patterns)[::k].ravel()
    return f[::k], H[:, kept][:, :, kept], G[:, kept][:, :, kept], ntk[::k]


def _change(a: Order, b: Order) -> float:
    pairs = zip((a.C, a.Cr, a.A, a.B, a.f), (b.C, b.Cr, b.A, b.B, b.f))
    return max(float(np.max(np.abs(y - x)) / max(1.0, float(np.max(np.abs(y))))) for x, y in pairs)


def _not_converged(residual: float, damping: float) -> str:
    return (
        f"the fixed point does not converge: residual {residual:.2g} at damping = {damping:g}, {RESIDUAL:g} wanted: "
        f"try damping = {damping / 2:g}, or a smaller rate"
    )


def _demand_stable(start: Solution, rate: float, where: str) -> None:
    largest = float(np.linalg.eigvalsh(start.ntk.value[0])[-1])
    if rate * largest >= 2.0:
        raise DomainError(
            f"rate = {rate:g} is beyond stability {where}: take rate < {2.0 / largest:.4g}, 2 over the largest "
            "eigenvalue of the tangent kernel"
        )


def _refuse(network: Network, steps: int, method: Method) -> None:
    act, _, odd = jet_of(network.activation)
    if method.tangents and act.kinks:
        raise DomainError(f"{act.name} has no second derivative at z = {act.kinks[0]:g}: take tangents = False")
    if method.samples < 4 or method.samples & (method.samples - 1):
        raise DomainError(f"samples = {method.samples}: take a power of two, 4 or more")
    instants = (steps + 1) * len(network.targets)
    size = method.samples * (2 if odd else 4)
    if (needed := bytes_of(network.depth, instants, size, method.tangents)) > MEMORY:
        least = bytes_of(network.depth, instants, 0, method.tangents)
        raise LackOfMemory(
            f"{instants} instants of {method.samples} samples take {needed:.2g} bytes, {MEMORY:.2g} are allowed: take "
            f"samples < {max(0.0, MEMORY - least) / (needed - least) * method.samples:.0f}"
        )
