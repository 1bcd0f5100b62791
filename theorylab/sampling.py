"""Blocks of trials: the unit that is named, scheduled, stored and resumed.

The numbers of a block depend only on its name (seed, claim, parameters, block number) and on the simulation's
code: not on the number of workers, the order of blocks, a resume, or the machine.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from theorylab.blame import one_line
from theorylab.errors import LackOfMemory, TheorylabError, UsageError
from theorylab.fingerprint import fingerprint
from theorylab.simulation import Cost, Samples, Simulation, SimulationError

if TYPE_CHECKING:
    from theorylab.claim import Claim


@dataclass(frozen=True)
class Block:
    """A block's identity.

    Parameters
    ----------
    claim
        Name of the claim.
    params
        Complete parameters of the cell.
    seed
        The user's seed.
    index
        Number of the block within the cell.
    trials
        Trials in the block.
    backend
        Resolved backend: backends agree to rounding, not to the bit.
    """

    claim: str
    params: Mapping[str, Any]
    seed: int
    index: int
    trials: int
    backend: str

    def words(self) -> np.ndarray:
        """Key of the random stream, two 32-bit words."""
        name = canonical([self.seed, self.claim, self.params, self.index])
        return np.frombuffer(hashlib.sha256(name.encode()).digest()[:8], dtype=np.uint32).copy()

    def key(self, fingerprint: str) -> str:
        """Content key in a store."""
        content = [self.seed, self.claim, self.params, self.index, self.trials, self.backend, fingerprint]
        return hashlib.sha256(canonical(content).encode()).hexdigest()


@dataclass(frozen=True)
class Job:
    """A block with what a worker needs to compute it.

    `origin` is the file of a claim outside any package; the fingerprint is that of the simulation as the
    coordinating process knows it, and so is the cost of a trial; `memory` is the most that the worker may hold.
    """

    block: Block
    payload: bytes
    fingerprint: str
    origin: str | None = None
    memory: int | None = None
    cost: Cost | None = None


def job(block: Block, simulation: Simulation, origin: str | None, memory: int | None = None) -> Job:
    """Package a block for a worker."""
    try:
        payload = pickle.dumps(simulation)
    except (pickle.PicklingError, AttributeError, TypeError):
        raise UsageError(
            f"the simulation of {block.claim} cannot be sent to worker processes: define it with `def` at the top "
            "level of its file, or use one process (--jobs 1)"
        ) from None
    return Job(block, payload, fingerprint(simulation), origin, memory, simulation.work(block.params))


def run(job: Job) -> tuple[Samples, float]:
    """Compute a block in a worker; return its samples and the processor seconds taken."""
    if job.origin is not None:
        from theorylab.registry import load_file

        load_file(job.origin)
    simulation = pickle.loads(job.payload)
    if fingerprint(simulation) != job.fingerprint:
        raise SimulationError(
            f"the code of the simulation of {job.block.claim} is not the same here as in the process that asked for it "
            "(edited during the run, or another version on this machine?): run again"
        )
    return compute(job.block, simulation, job.memory, job.cost)


def compute(
    block: Block, simulation: Simulation, memory: int | None = None, cost: Cost | None = None
) -> tuple[Samples, float]:
    """Compute a block here, with one BLAS thread: the bits must not depend on how many there are.

    Parameters
    ----------
    block, simulation
        What is computed.
    memory
        The most bytes that this process may hold; a part of what is free when None.
    cost
        Cost of a trial; the simulation's own when None.
    """
    import time

    from theorylab.kernels.random import Stream

    # Processor time, so that others on the machine do not count; a GPU is waited for.
    clock = time.perf_counter if block.backend == "cupy" else time.thread_time
    start = clock()
    stream = Stream(block.words(), block.backend)
    # What is not finite is an error below, with its row; NumPy's warnings on the way there say less.
    with _one_thread, np.errstate(all="ignore"):
        try:
            samples = simulation.run(block.trials, stream, block.params, memory, cost)
        except LackOfMemory as error:
            raise LackOfMemory(f"{block.claim}: {error}") from None
        except TheorylabError:
            raise
        except MemoryError as error:
            raise LackOfMemory(
                f"the simulation of {block.claim} ran out of memory ({one_line(error)}): its cost model states too "
                "little, or others took what was free; set --memory, use fewer jobs or another machine"
            ) from None
        except Exception as error:
            raise SimulationError(f"the simulation of {block.claim} failed: {one_line(error)}") from error
    for name, array in samples.items():
        if array.dtype.kind not in "biuf":
            raise SimulationError(f"observable {name!r} of {block.claim} holds {array.dtype}: real numbers are needed")
    return samples, clock() - start


def direct(claim: Claim, trials: int, *, seed: int, backend: str, **parameters: Any) -> Samples:
    """Draw trials at one point outside any verdict."""
    simulator = claim.simulator
    space = claim.settable.only(simulator.parameters)
    for name in parameters:
        claim.settable[name]
    params = space.plain({k: v for k, v in parameters.items() if k in space})
    block = Block(claim.name, params, seed, -1, trials, simulator.backend(backend))
    return compute(block, simulator)[0]


def canonical(content: Any) -> str:
    """JSON with sorted keys and exact floats, the same for equal content on every machine."""

    def plain(x: Any) -> Any:
        if isinstance(x, Mapping):
            return {str(k): plain(v) for k, v in x.items()}
        if isinstance(x, np.ndarray):
            return [plain(v) for v in x.tolist()]
        if isinstance(x, Sequence) and not isinstance(x, str):
            return [plain(v) for v in x]
        if isinstance(x, float | np.floating):
            return float(x).hex()
        return int(x) if isinstance(x, int | np.integer) else x

    return json.dumps(plain(content), sort_keys=True, separators=(",", ":"))


class _OneThread:
    """One BLAS thread each, while any thread of this process computes a block: the last to leave lifts the limit."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before: Any = None

    def __enter__(self) -> None:
        from threadpoolctl import threadpool_limits

        with self._lock:
            if self._inside == 0:
                _take_control()
            # Some libraries keep the limit for the process, some for each thread.
            limits = threadpool_limits(limits=1)
            if self._inside == 0:
                self._before = limits
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                _take_control()
                self._before.restore_original_limits()


def _take_control() -> None:
    """Let this thread set the limit: threadpoolctl, from 3.8 on, heeds only the thread that did so first."""
    import threadpoolctl

    controller: Any = getattr(threadpoolctl, "OpenBLASController", None)
    if hasattr(controller, "clear_controlling_thread"):
        controller.clear_controlling_thread(force=True)


_one_thread = _OneThread()


def merge(parts: Sequence[tuple[int, Samples]]) -> Samples:
    """Concatenate blocks in the order of their numbers; the rows remember their block as "block"."""
    ordered = sorted(parts, key=lambda part: part[0])
    names = ordered[0][1].keys()
    out = {name: np.concatenate([samples[name] for _, samples in ordered]) for name in names}
    rows = [len(next(iter(samples.values()))) for _, samples in ordered]
    out["block"] = np.repeat([index for index, _ in ordered], rows)
    return out
