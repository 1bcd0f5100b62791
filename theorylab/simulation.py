"""Simulations: what the network does, trial by trial, with no knowledge of what theory predicts."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from theorylab.errors import BackendError, TheorylabError, UnknownNameError

if TYPE_CHECKING:
    from theorylab.kernels.random import Stream

BACKENDS = ("numpy", "numba", "cupy")
Samples = dict[str, np.ndarray]


class SimulationError(TheorylabError):
    """A simulation that broke its contract: wrong shape, or values that are not finite."""


@dataclass(frozen=True)
class Cost:
    """Work of one trial.

    Parameters
    ----------
    flops
        Floating-point operations.
    bytes
        Working memory that the trial needs while it runs.
    """

    flops: float
    bytes: float


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
    """

    function: Callable[..., Any]
    backends: tuple[str, ...] = ("numpy",)
    cost: Callable[..., Cost] | None = None
    per_trial: bool = True

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

    def backend(self, wanted: str) -> str:
        """Resolve "auto" and refuse what this simulation or this machine cannot do."""
        if wanted == "auto":
            return "numba" if "numba" in self.backends else self.backends[0]
        if wanted not in BACKENDS:
            raise UnknownNameError("backend", wanted, ["auto", *BACKENDS])
        if wanted not in self.backends:
            raise BackendError(f"backend {wanted!r}: this simulation runs on {', '.join(self.backends)} only")
        if wanted == "cupy" and importlib.util.find_spec("cupy") is None:
            raise BackendError("backend 'cupy' is not installed: pip install 'theorylab[cuda12]' (or [cuda13])")
        return wanted

    def __call__(self, trials: int, rng: Stream, **parameters: Any) -> Samples:
        """Run `trials` trials; parameters that the simulator does not take are left out."""
        out = self.function(trials, rng, **{k: v for k, v in parameters.items() if k in self.parameters})
        samples: Samples = {
            str(k): np.asarray(v) for k, v in (out if isinstance(out, Mapping) else {"value": out}).items()
        }
        for name, array in samples.items():
            if array.ndim == 0 or (self.per_trial and array.shape[0] != trials):
                raise SimulationError(
                    f"observable {name!r} of {self.function.__name__} has shape {array.shape}; "
                    f"its first axis must be the {trials} trials"
                )
            if not np.all(np.isfinite(array)):
                bad = int(np.flatnonzero(~np.isfinite(array).reshape(len(array), -1).all(axis=1))[0])
                raise SimulationError(f"observable {name!r} of {self.function.__name__} is not finite in row {bad}")
        return samples


def simulation(
    *,
    backends: tuple[str, ...] = ("numpy",),
    cost: Callable[..., Cost] | None = None,
    per_trial: bool = True,
) -> Callable[[Callable[..., Any]], Simulation]:
    """Decorate a simulator with its backends and cost model."""
    return lambda function: Simulation(function, backends, cost, per_trial)


def as_simulation(function: Simulation | Callable[..., Any]) -> Simulation:
    """A `Simulation` as it is; a bare function as one that runs on NumPy."""
    return function if isinstance(function, Simulation) else Simulation(function)


def _locate(module: str, name: str) -> Any:
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found
