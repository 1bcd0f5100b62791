"""A program: the working memory of one trial of every simulation of the catalogue, measured; JSON on standard output.

The growth of a process's peak memory from a batch of k trials to one of 4 k, divided by 3 k. Of a search, the peak of
all of it. Linux only. Memory from the allocator must go back at once: run with $MALLOC_MMAP_THRESHOLD_ set.
"""

from __future__ import annotations

import ctypes
import gc
import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from theorylab import registry
from theorylab.kernels.random import Stream
from theorylab.plan import points_of
from theorylab.simulation import Cost, Simulation

# Bytes that the smaller batch should take.
SOME = 8e5


def held(name: str) -> int:
    """A figure of this process's memory."""
    found = re.search(rf"^{name}:\s*(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) * 1024


def peak(run: Callable[[], Any], trimmed: bool = False) -> int:
    """Bytes that the process holds at most while it runs, above what it held before (and gave back, if trimmed)."""
    gc.collect()
    if trimmed:
        getattr(ctypes.CDLL(None), "malloc_trim", int)(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = held("VmRSS")
    run()
    return held("VmHWM") - before


def measured(simulation: Simulation, params: dict[str, Any], cost: Cost, block: int) -> float:
    """Bytes of a trial, or of a search of a block of cases."""
    backend = simulation.backend("auto")

    def run(trials: int) -> None:
        # The function itself: the simulation would cut the trials into batches.
        simulation.function(trials, Stream.from_seed(1, backend), **params)

    if not simulation.per_trial:
        run(block)
        return peak(lambda: run(block))
    trials = max(1, int(SOME / cost.bytes))
    run(max(2, trials // 8))

    def growth(trimmed: bool = False) -> float:
        small, large = (peak(partial(run, many), trimmed) for many in (trials, 4 * trials))
        return (large - small) / (3 * trials)

    once = growth()
    if once > 1.1 * cost.bytes:
        # A program needs what it needs at least; what else happens in the process meanwhile is only ever added.
        return min(once, growth(), growth())
    if once < 0.7 * cost.bytes:
        # What an earlier run freed and the allocator kept was not seen to grow.
        return max(once, growth(trimmed=True))
    return once


def main() -> None:
    """Measure each simulation at the first point at which it is used."""
    found = {}
    with threadpool_limits(1), np.errstate(all="ignore"):
        for entry in registry.select([], controls=True):
            claim = entry.claim
            if not claim.check.sampled:
                continue
            simulation, params = claim.simulator, points_of(claim, "quick")[0]
            name = f"{simulation.function.__module__}.{simulation.function.__qualname__}"
            cost = simulation.work(params)
            if name not in found and cost is not None:
                found[name] = {
                    "claim": claim.name,
                    "declared": cost.bytes,
                    "measured": measured(simulation, params, cost, claim.budget("quick").block_trials),
                }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
