"""Drawing blocks of trials for a claim: from the store, here, or on the workers of an executor.

Drawing is a generator that hands out the futures it waits for, so that one process can have the blocks of several
claims under way at once without threads (SymPy and mpmath are not made for them).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from theorylab.blame import one_line
from theorylab.checks.base import Cell
from theorylab.claim import Claim
from theorylab.errors import TheorylabError
from theorylab.fingerprint import fingerprint
from theorylab.sampling import Block, Job, compute, job, merge, run
from theorylab.simulation import Samples

if TYPE_CHECKING:
    from theorylab.store import Store

Progress = Callable[[int, int], None]
# Told of every block that was computed, and of the processor seconds that it took.
Computed = Callable[[Block, float], None]
T = TypeVar("T")
# Yields what it waits for, whenever it has to; resumed when at least one of them is done.
Steps = Generator[set[Future[Any]], None, T]


class WorkerError(TheorylabError):
    """A worker died, cannot be reached, or cannot carry out what it is given."""


@dataclass
class Sampler:
    """Draws and remembers the blocks of one claim.

    Parameters
    ----------
    claim, seed
        What is sampled.
    wanted_backend
        As the user asked.
    store, executor, progress, memory
        As in `theorylab.verify`.
    work
        Operations of the largest block, by which a backend is chosen.
    computed
        Told of every block that was not found in the store.
    """

    claim: Claim
    seed: int
    wanted_backend: str
    store: Store | None
    executor: Executor | None
    progress: Progress | None = None
    memory: int | None = None
    work: float = 0.0
    computed: Computed | None = None
    blocks: dict[int, list[tuple[int, Samples]]] = field(default_factory=dict)
    drawn: int = 0
    _done: int = 0
    _planned: int = 0

    @cached_property
    def backend(self) -> str:
        """The backend in use."""
        return self.claim.simulator.backend(self.wanted_backend, self.work)

    @cached_property
    def _fingerprint(self) -> str:
        return fingerprint(self.claim.simulator)

    def draw(self, cells: Sequence[Cell], wanted: Mapping[int, int], block: int) -> dict[int, Samples]:
        """Bring each cell in `wanted` up to its number of trials; return all its samples so far."""
        return finish(self.drawing(cells, wanted, block))

    def drawing(self, cells: Sequence[Cell], wanted: Mapping[int, int], block: int) -> Steps[dict[int, Samples]]:
        """`draw` in steps."""
        used = self.claim.simulator.parameters
        todo: list[tuple[int, Block]] = []
        for c, trials in wanted.items():
            have = self.blocks.setdefault(c, [])
            # A simulation's numbers depend on its own parameters only.
            params = {k: v for k, v in cells[c].params.items() if k in used}
            todo += [
                (c, Block(self.claim.name, params, self.seed, i, block, self.backend))
                for i in range(len(have), trials // block)
            ]
        self._planned += len(todo)
        missing = []
        for c, b in todo:
            stored = self.store.get(b, self._fingerprint) if self.store is not None else None
            if stored is None:
                missing.append((c, b))
            else:
                self._keep(c, b, stored)
        yield from self._compute(missing)
        return {c: merge(self.blocks[c]) for c in wanted}

    def _keep(self, cell: int, block: Block, samples: Samples) -> None:
        self.blocks[cell].append((block.index, samples))
        self.drawn += block.trials
        self._done += 1
        if self.progress:
            self.progress(self._done, self._planned)

    def _finish(self, cell: int, block: Block, result: tuple[Samples, float]) -> None:
        samples, seconds = result
        if self.store is not None:
            self.store.put(block, self._fingerprint, samples, seconds)
        if self.computed:
            self.computed(block, seconds)
        self._keep(cell, block, samples)

    def _compute(self, missing: Sequence[tuple[int, Block]]) -> Steps[None]:
        if self.executor is None or not missing:
            for c, b in missing:
                self._finish(c, b, compute(b, self.claim.simulator, self.memory))
            return
        pending: dict[Future[tuple[Samples, float]], tuple[int, Block]] = {}
        try:
            for c, b in missing:
                task = self._job(b)
                with _explained():
                    pending[self.executor.submit(run, task)] = c, b
            while pending:
                yield set(pending)
                failed: TheorylabError | None = None
                for future in [f for f in pending if f.done()]:
                    c, b = pending.pop(future)
                    try:
                        with _explained():
                            result = future.result()
                    except TheorylabError as error:
                        # What the other workers have finished is kept first.
                        failed = error
                    else:
                        self._finish(c, b, result)
                if failed is not None:
                    raise failed
        finally:
            for future in pending:
                future.cancel()

    def _job(self, block: Block) -> Job:
        return job(block, self.claim.simulator, self.claim.origin, self.memory)


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what executors raise about their workers into one line; errors on purpose come as they are."""
    kept = "finished blocks are kept: run again to resume"
    try:
        yield
    except TheorylabError:
        raise
    except BrokenExecutor:
        raise WorkerError(f"a worker process died (out of memory?); {kept}, perhaps with fewer jobs") from None
    except CancelledError:
        raise WorkerError(f"the workers cannot be reached any more; {kept}") from None
    except Exception as error:
        raise WorkerError(f"a worker failed: {one_line(error)}; {kept}") from error


def finish(steps: Steps[T]) -> T:
    """Run steps to their end, waiting where they wait."""
    while True:
        try:
            pending = next(steps)
        except StopIteration as end:
            value: T = end.value
            return value
        try:
            wait(pending, return_when=FIRST_COMPLETED)
        except BaseException:
            steps.close()
            raise
