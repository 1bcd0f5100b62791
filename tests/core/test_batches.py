"""Trials in batches of bounded memory: the same trials, whatever is computed with them, on whatever array library."""

from __future__ import annotations

import importlib
from typing import Any

import array_api_strict
import numpy as np
import pytest
import registered

from theorylab.backends import BATCH
from theorylab.errors import LackOfMemory
from theorylab.kernels.random import Stream
from theorylab.sampling import Block, job, run
from theorylab.simulation import Cost, Simulation

TRIALS = 7


def simulations() -> list[Any]:
    """Every simulation of the catalogue at the cheapest point of a quick budget."""
    found: dict[int, Any] = {}
    for entry in registered.ENTRIES:
        claim = entry.claim
        if claim.simulation is None or not claim.simulator.per_trial or id(claim.simulator) in found:
            continue
        cells = claim.check.cells(claim, claim.budget("quick"))
        cheapest = min(cells, key=lambda c: claim.simulator.heaviest([c.params]))
        name = f"{claim.simulator.function.__module__.rsplit('.', 1)[1]}.{claim.simulator.function.__name__}"
        found[id(claim.simulator)] = pytest.param(claim.simulator, cheapest.params, id=name)
    return list(found.values())


EVERY = simulations()


class StrictStream(Stream):
    """Hands out arrays that offer the array API standard and nothing else, in the place of a GPU's."""

    def _filled(self, normal: bool, trials: int, shape: tuple[int, ...]) -> Any:
        numpy = Stream(self.key, "numba", self.first_trial, self.next_draw())
        return array_api_strict.asarray(numpy._filled(normal, trials, shape))


@pytest.mark.parametrize(("simulation", "at"), EVERY)
def test_a_trial_does_not_know_its_company(simulation, at, monkeypatch):
    """One trial at a time, a few at a time, or all: equal but for the rounding of products of matrices."""
    backend = simulation.backend("auto")
    whole = simulation.run(TRIALS, Stream.from_seed(1, backend), at)
    for some in (1, 3):
        monkeypatch.setitem(BATCH, backend, (some + 0.5) * simulation.work(at).bytes)
        assert simulation.batch(simulation.work(at), backend) == some
        parts = simulation.run(TRIALS, Stream.from_seed(1, backend), at)
        for name, values in whole.items():
            np.testing.assert_allclose(parts[name], values, rtol=1e-6, atol=1e-7, err_msg=name)


@pytest.mark.parametrize(("simulation", "at"), [p for p in EVERY if "cupy" in p.values[0].backends])
def test_array_code_keeps_to_the_standard(simulation, at, monkeypatch):
    """What runs on a GPU runs on any library of the array API, trial by trial."""
    monkeypatch.setattr(importlib.import_module("theorylab.simulation"), "room", lambda *_: 2.0**40)
    try:
        strict = simulation.run(TRIALS, StrictStream.from_seed(2, "cupy"), at)
    except ImportError:
        pytest.skip("a kernel with a CUDA twin of its own, which tests/kernels compile for the host")
    plain = simulation.run(TRIALS, Stream.from_seed(2, "numba"), at)
    for name, values in plain.items():
        assert type(strict[name]) is np.ndarray
        np.testing.assert_allclose(strict[name], values, rtol=1e-7, atol=1e-9, err_msg=name)


def test_the_batch_depends_on_the_cost_alone():
    simulation = Simulation(lambda trials, rng: rng.normal(trials), cost=lambda: Cost(flops=1.0, bytes=2**20))
    cost = simulation.work({})
    assert simulation.batch(cost, "numpy") == simulation.batch(cost, "numpy", memory=2**33) == 4
    assert Simulation(lambda trials, rng: rng.normal(trials)).batch(None, "numpy", memory=1) is None


def normals(trials, rng):
    return rng.normal(trials)


def test_the_cost_reaches_workers_that_cannot_know_it():
    """A simulation made without the decorator is sent without its cost model, which may be a lambda."""
    costly = Simulation(normals, cost=lambda: Cost(flops=1.0, bytes=2**60))
    with pytest.raises(LackOfMemory):
        run(job(Block("a/b/c", {}, 0, 0, 3, "numpy"), costly, None))


@pytest.mark.parametrize(("per_trial", "noun"), [(True, "a single trial"), (False, "the search")])
def test_too_little_memory(per_trial, noun):
    greedy = Simulation(
        lambda trials, rng: rng.normal(trials),
        cost=lambda **_: Cost(flops=1.0, bytes=2**40 * 100),
        per_trial=per_trial,
    )
    with pytest.raises(LackOfMemory, match=f"{noun} of <lambda> at a time: 100 TiB of memory needed, .* is free"):
        greedy(1, Stream.from_seed(0, "numpy"))
    with pytest.raises(LackOfMemory, match="0 bytes is left of --memory 1 MiB for it on backend 'numpy'"):
        greedy.run(1, Stream.from_seed(0, "numpy"), {}, memory=2**20)
