"""Simulations: what the network does, trial by trial, with no knowledge of what theory predicts."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from theorylab.backends import BATCH, resolve, room
from theorylab.errors import LackOfMemory, TheorylabError
from theorylab.kernels.arrays import host
from theorylab.memory import words

if TYPE_CHECKING:
    from theorylab.kernels.random import Stream

Samples = dict[str, np.ndarray]


class SimulationError(TheorylabError):
    """A simulation that broke its contract: wrong shape, or values that are not finite."""


@dataclass(frozen=True)
class Cost:
    """Work of one trial (of one case, when the trials are one search).

    Parameters
    ----------
    flops
        Floating-point operations: in compiled loops (an exponential, a logarithm or a power counts as 20), in products
        and factorisations.
    bytes
        Working memory that the trial needs while it runs, its results included; of a search, all that it needs.
    draws
        Random numbers drawn.
    moved
        Bytes that array expressions read and write: 24 for each element of a sum, 8 where only a read array is long.
    steps
        Steps that wait for the one before, as of a recursion with a division or a search with branches.
    products
        The part of `flops` that is done in products of matrices.
    factorisations
        The part of `flops` that is done by LAPACK: $4 n^3/3$ for symmetric eigenvalues, $10 n^3/3$ with eigenvectors.
    order
        Order of these matrices, at which rates are taken: small matrices are slower, per operation.
    """

    flops: float
    bytes: float
    draws: float = 0.0
    moved: float = 0.0
    steps: float = 0.0
    products: float = 0.0
    factorisations: float = 0.0
    order: float = 1.0


@dataclass(frozen=True)
class Simulation:
    """A simulator with its declared backends and cost.

    Parameters
    ----------
    function
        `f(trials, rng, **parameters)`, returning an array whose first axis is the trial, or a mapping of
        such arrays (one per observable).
    backends
        Where it runs; "numpy" is the reference.
    cost
        `f(**parameters) -> Cost` of one trial.
    per_trial
        Whether the first axis of every observable counts trials. A search is the exception: it examines
        `trials` cases and returns only those worth keeping, one row each, with their case numbers.
    replay
        Of a search: `f(case, rng, **parameters)`, what the case of this number is, in arrays by name, its `x` and `y`
        among them; `rng` is the stream of its block. Without it a case is searched for again.
    """

    function: Callable[..., Any]
    backends: tuple[str, ...] = ("numpy",)
    cost: Callable[..., Cost] | None = None
    per_trial: bool = True
    replay: Callable[..., Samples] | None = None

    def __reduce__(self) -> Any:
        # A decorated simulator is found under its function's name: travel by reference, as functions do.
        module, name = self.function.__module__, self.function.__qualname__
        try:
            found = _locate(module, name)
        except (ImportError, AttributeError):
            found = None
        if found is self:
            return _locate, (module, name)
        return type(self), (self.function, self.backends, None, self.per_trial)

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters that the simulator takes."""
        return tuple(inspect.signature(self.function).parameters)[2:]

    def backend(self, wanted: str, work: float = 0.0) -> str:
        """Resolve "auto" and refuse what this simulation or this machine cannot do; see `backends.resolve`."""
        return resolve(wanted, self.backends, work)

    def work(self, parameters: Mapping[str, Any]) -> Cost | None:
        """Cost of a trial (of the whole search, when it is one), parameters that it does not take left out."""
        if self.cost is None:
            return None
        return self.cost(**{k: v for k, v in parameters.items() if k in self.parameters})

    def heaviest(self, points: Iterable[Mapping[str, Any]]) -> float:
        """Operations of a trial at the point where it takes most; 0 when no cost model tells."""
        costs = [self.work(parameters) for parameters in points]
        return max((cost.flops for cost in costs if cost is not None), default=0.0)

    def at_a_time(self, cost: Cost, backend: str) -> int:
        """Trials that make up a batch; 1 for a search, whose cost in memory is that of all of it.

        Of the cost alone, not of the memory there is: the last bits of a result may depend on what is computed with it,
        and must not depend on the machine.
        """
        return max(1, int(BATCH[backend] // max(1.0, cost.bytes))) if self.per_trial else 1

    def batch(self, cost: Cost | None, backend: str, memory: int | None = None) -> int | None:
        """Trials to simulate at a time; None for all, when there is no cost model or the trials are one search.

        Parameters
        ----------
        cost, backend
            What a trial costs (see `work`), and where it runs.
        memory
            The most bytes that the process may hold; a part of what is free when None.

        Raises
        ------
        LackOfMemory
            When there is no room for them.
        """
        if cost is None:
            return None
        count = self.at_a_time(cost, backend)
        needed, available = count * cost.bytes, room(backend, memory)
        if needed > available:
            noun = (
                "a single trial" if count == 1 and self.per_trial else f"{count} trials" if count > 1 else "the search"
            )
            allowed = "is free" if memory is None else f"is left of --memory {words(memory)}"
            raise LackOfMemory(
                f"{noun} of {self.function.__name__} at a time: {words(needed)} of memory needed, "
                f"{words(max(0.0, available))} {allowed} for it on backend {backend!r}: allow more, use fewer jobs or "
                "another machine"
            )
        return count if self.per_trial else None

    def __call__(self, trials: int, rng: Stream, **parameters: Any) -> Samples:
        """Run `trials` trials; parameters that the simulator does not take are left out."""
        return self.run(trials, rng, parameters)

    def run(
        self,
        trials: int,
        rng: Stream,
        parameters: Mapping[str, Any],
        memory: int | None = None,
        cost: Cost | None = None,
    ) -> Samples:
        """Run `trials` trials in batches whose working memory is bounded: the samples are those of one batch.

        Parameters
        ----------
        trials, rng, parameters
            Number of trials, their random numbers, and what they take; parameters that the simulator does not take
            are left out.
        memory
            See `batch`.
        cost
            Cost of a trial, where the simulation does not know its own: a worker's copy may have lost its model.

        Returns
        -------
        dict of arrays
            One for each observable, in NumPy; the first axis counts trials.

        Raises
        ------
        SimulationError
            When the simulator breaks its contract.
        """
        used = {k: v for k, v in parameters.items() if k in self.parameters}
        size = self.batch(cost or self.work(used), rng.backend, memory)
        if size is None or size >= trials:
            return self._checked(self.function(trials, rng, **used), trials, 0)
        parts = []
        for part, count in rng.split(trials, size):
            parts.append(self._checked(self.function(count, part, **used), count, part.first_trial - rng.first_trial))
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _checked(self, out: Any, trials: int, first: int) -> Samples:
        samples: Samples = {str(k): host(v) for k, v in (out if isinstance(out, Mapping) else {"value": out}).items()}
        for name, array in samples.items():
            if array.ndim == 0 or (self.per_trial and array.shape[0] != trials):
                raise SimulationError(
                    f"observable {name!r} of {self.function.__name__} has shape {array.shape}; "
                    f"its first axis must be the {trials} trials"
                )
            if not np.all(np.isfinite(array)):
                bad = first + int(np.flatnonzero(~np.isfinite(array).reshape(len(array), -1).all(axis=1))[0])
                raise SimulationError(f"observable {name!r} of {self.function.__name__} is not finite in row {bad}")
        return samples


def simulation(
    *,
    backends: tuple[str, ...] = ("numpy",),
    cost: Callable[..., Cost] | None = None,
    per_trial: bool = True,
    replay: Callable[..., Samples] | None = None,
) -> Callable[[Callable[..., Any]], Simulation]:
    """Decorate a simulator with its backends and cost model."""
    return lambda function: Simulation(function, backends, cost, per_trial, replay)


def as_simulation(function: Simulation | Callable[..., Any]) -> Simulation:
    """A `Simulation` as it is; a bare function as one that runs on NumPy."""
    return function if isinstance(function, Simulation) else Simulation(function)


def _locate(module: str, name: str) -> Any:
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found
