"""What a verification will cost, before it runs: from each simulation's cost model and the machine profile."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from theorylab.claim import Claim
from theorylab.inference.levels import looks
from theorylab.sampling import Block, canonical
from theorylab.simulation import Cost, Simulation

if TYPE_CHECKING:
    from theorylab.machine import Machine
    from theorylab.timings import Timing

T = TypeVar("T")
# Finds the finished blocks of a claim on a backend, by their parameters.
Found = Callable[[Claim, str], Mapping[str, "Timing"]]


@dataclass(frozen=True)
class Actual:
    """Trials that were computed, the processor seconds that they took, and those predicted for the same trials."""

    trials: int
    seconds: float
    predicted: float | None


@dataclass(frozen=True)
class Plan:
    """What verifying a claim may cost. What no cost model or machine profile tells is None.

    Parameters
    ----------
    claim, backend
        The claim and the backend that it runs on (None for an identity, which draws nothing).
    points
        Points at which trials are drawn, every size of a point counted.
    first_look, trials
        Trials of all points together at the first look, and at most.
    operations, draws
        Operations and random numbers of `trials`.
    trial_bytes, batch_bytes
        Working memory of the largest trial, and of the largest batch of trials that are simulated at a time.
    first_seconds, seconds
        Processor seconds of `first_look` and of `trials`.
    longest_block
        Processor seconds of the longest block, which one worker computes.
    actual
        What finished blocks in the store took; None when there are none.
    """

    claim: str
    backend: str | None
    points: int
    first_look: int
    trials: int
    operations: float | None
    draws: float | None
    trial_bytes: float | None
    batch_bytes: float | None
    first_seconds: float | None
    seconds: float | None
    longest_block: float | None
    actual: Actual | None = None


def plan(
    claim: Claim, budget: str, *, backend: str = "auto", machine: Machine | None = None, found: Found | None = None
) -> Plan:
    """Predict the cost of verifying a claim.

    Parameters
    ----------
    claim, budget, backend
        As in `theorylab.verify`.
    machine
        Where it runs; times stay unknown when None.
    found
        Finds the finished blocks of the claim on a backend, for what they took.

    Returns
    -------
    Plan

    Raises
    ------
    UsageError
        When the budget or backend does not exist, or a parameter is outside its domain.
    """
    from theorylab.engine import heaviest_block

    spend = claim.budget(budget)
    if not claim.check.sampled:
        return Plan(claim.name, None, 0, 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    simulation, block = claim.simulator, spend.block_trials
    points = points_of(claim, budget)
    used = simulation.backend(backend, heaviest_block(claim, budget))
    schedule = looks(spend.trials, block)
    first, last = schedule[0], schedule[-1]
    costs = _known([simulation.work(p) for p in points])
    # Of a whole block at each point.
    times = _known([block_seconds(machine, c, used, block) for c in costs]) if costs is not None else None
    return Plan(
        claim=claim.name,
        backend=used,
        points=len(points),
        first_look=first * len(points),
        trials=last * len(points),
        operations=None if costs is None else last * sum(c.flops + c.steps for c in costs),
        draws=None if costs is None else last * sum(c.draws for c in costs),
        trial_bytes=None if costs is None else max(c.bytes for c in costs),
        batch_bytes=None if costs is None else max(_batch_bytes(simulation, c, used, block) for c in costs),
        first_seconds=None if times is None else sum(times) * (first // block),
        seconds=None if times is None else sum(times) * (last // block),
        longest_block=None if times is None else max(times),
        actual=_actual(claim, used, points, costs, machine, found),
    )


def points_of(claim: Claim, budget: str) -> list[dict[str, Any]]:
    """Parameters of the simulation at each point of a budget."""
    own = claim.simulator.parameters
    return [{k: v for k, v in c.params.items() if k in own} for c in claim.check.cells(claim, claim.budget(budget))]


def block_seconds(machine: Machine | None, cost: Cost, backend: str, trials: int, blocks: int = 1) -> float | None:
    """Processor seconds of so many trials in so many blocks; None when the machine or the backend is unknown."""
    trial = machine.seconds(cost, backend) if machine is not None else None
    return None if machine is None or trial is None else trial * trials + machine.block * blocks


def wall(plans: Sequence[Plan], jobs: int) -> float | None:
    """Seconds that so many processes, each on a core of its own, compute at most; None when a plan is unknown."""
    seconds = _known([p.seconds for p in plans])
    longest = _known([p.longest_block for p in plans])
    return None if seconds is None or longest is None else max([sum(seconds) / jobs, *longest])


class Tally:
    """Counts the blocks that a run computes, and what was predicted for them.

    Parameters
    ----------
    claims
        What is verified.
    machine
        The machine profile; nothing is predicted when None.
    """

    def __init__(self, claims: Sequence[Claim], machine: Machine | None) -> None:
        self._simulations = {c.name: c.simulator for c in claims if c.simulation is not None}
        self._machine = machine
        self.actual = Actual(0, 0.0, 0.0)

    def __call__(self, block: Block, seconds: float) -> None:
        """A block was computed."""
        cost = self._simulations[block.claim].work(block.params)
        more = None if cost is None else block_seconds(self._machine, cost, block.backend, block.trials)
        so_far = self.actual
        predicted = None if so_far.predicted is None or more is None else so_far.predicted + more
        self.actual = Actual(so_far.trials + block.trials, so_far.seconds + seconds, predicted)

    def __str__(self) -> str:
        a = self.actual
        if not a.trials:
            return "computed no trials"
        predicted = f" (predicted {a.predicted:.3g} s)" if a.predicted else ""
        return f"computed {a.trials:.3g} trials in {a.seconds:.3g} s of processor time{predicted}"


def _known(values: Sequence[T | None]) -> list[T] | None:
    """The values, when none of them is None."""
    found = [v for v in values if v is not None]
    return found if len(found) == len(values) else None


def _batch_bytes(simulation: Simulation, cost: Cost, backend: str, block: int) -> float:
    return cost.bytes * min(block, simulation.at_a_time(cost, backend))


def _actual(
    claim: Claim,
    backend: str,
    points: Sequence[Mapping[str, Any]],
    costs: Sequence[Cost] | None,
    machine: Machine | None,
    found: Found | None,
) -> Actual | None:
    stored = found(claim, backend) if found is not None else {}
    mine = {i: stored[key] for i, key in enumerate(map(canonical, points)) if key in stored}
    if not mine:
        return None
    predicted = None
    if costs is not None:
        predicted = _known([block_seconds(machine, costs[i], backend, t.trials, t.blocks) for i, t in mine.items()])
    return Actual(
        trials=sum(t.trials for t in mine.values()),
        seconds=sum(t.seconds for t in mine.values()),
        predicted=None if predicted is None else sum(predicted),
    )
