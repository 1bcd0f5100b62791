"""Verification: sample until every finding is decided and every mutant rejected, or the budget ends."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from theorylab.behaviour import behaves_as
from theorylab.checks.base import Cell, Level
from theorylab.claim import Budget, Claim, Status
from theorylab.errors import DesignError
from theorylab.inference.levels import CLAIM_LEVEL, looks
from theorylab.prediction import Prediction
from theorylab.sampler import Computed, Progress, Sampler, Steps, finish
from theorylab.simulation import Samples
from theorylab.verdict import Finding, Verdict, versions

if TYPE_CHECKING:
    from theorylab.store import Store

# A claim's margin is at most this fraction of the distance to its nearest mutant.
MUTANT_DISTANCE = 3.0
# A run is given up after its first look when the full budget would see no less than this many margins: the pilot
# itself knows the spread of a heavy-tailed observable only within some tens of per cent.
HOPELESS = 1.5


def verify(
    claim: Claim | str,
    budget: str = "quick",
    *,
    seed: int = 0,
    backend: str = "auto",
    store: Store | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
    memory: int | None = None,
    level: float = CLAIM_LEVEL,
) -> Verdict:
    """Verify a claim.

    Parameters
    ----------
    claim
        A `Claim`, or the name of a registered one.
    budget
        "quick", "standard" or "paper", or another that the claim defines.
    seed
        Names the random numbers; the same seed gives the same verdict, bit for bit.
    backend
        "auto", "numpy", "numba" or "cupy".
    store
        Where finished blocks are kept and found again; nothing is kept when None.
    executor
        Any `concurrent.futures.Executor`; blocks are computed here, one after the other, when None.
    progress
        Called with (blocks finished, blocks planned) as blocks finish.
    memory
        The most bytes that a process may hold: its trials are simulated in batches that fit. When None, its part of
        half of what is free.
    level
        Chance of a false `holds` or a false `fails` of this claim.

    Returns
    -------
    Verdict

    Raises
    ------
    UsageError
        When the claim, budget or backend does not exist, or a parameter is outside its domain.
    LackOfMemory
        When there is no room for a single trial; finished blocks are in the store.
    DesignError
        When the claim cannot be tested as written: without mutants, or with a margin too wide for them.
    """
    if isinstance(claim, str):
        from theorylab.registry import claim as find

        claim = find(claim)
    return finish(
        verifying(
            claim,
            budget,
            seed=seed,
            backend=backend,
            store=store,
            executor=executor,
            progress=progress,
            memory=memory,
            level=level,
        )
    )


def verifying(
    claim: Claim,
    budget: str,
    *,
    seed: int = 0,
    backend: str = "auto",
    store: Store | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
    memory: int | None = None,
    computed: Computed | None = None,
    level: float = CLAIM_LEVEL,
) -> Steps[Verdict]:
    """`verify` in steps, so that several claims can be under way at once; `computed` is told of every new block."""
    spend = claim.budget(budget)
    if claim.check.sampled and not claim.mutants and claim.expected == "holds":
        raise DesignError(
            f"claim {claim.name} has no mutants: a check that has rejected nothing has verified nothing; "
            "add a plausible wrong formula"
        )
    run = _Run(claim, budget, spend, seed, level)
    if claim.check.sampled:
        work = heaviest_block(claim, budget)
        run.sampler = Sampler(claim, seed, backend, store, executor, progress, memory, work, computed)
    return run.steps()


def heaviest_block(claim: Claim, budget: str) -> float:
    """Operations of the largest block that a verification may compute; 0 when no cost model tells."""
    spend = claim.budget(budget)
    return spend.block_trials * claim.simulator.heaviest(cell.params for cell in claim.check.cells(claim, spend))


def first_look(claim: Claim, budget: str, seed: int) -> Verdict:
    """What `verify` knows after its first look, with what the full budget would see as `detectable`."""
    run = _Run(claim, budget, claim.budget(budget), seed, CLAIM_LEVEL, most_looks=1)
    run.sampler = Sampler(claim, seed, "auto", None, None)
    return finish(run.steps())


@dataclass
class _Group:
    """Cells that give one finding together, and how far they have been sampled."""

    cells: tuple[int, ...]
    look: int = -1
    finding: Finding | None = None

    @property
    def decided(self) -> bool:
        return self.finding is not None and self.finding.status != "inconclusive"


@dataclass
class _Run:
    claim: Claim
    budget_name: str
    budget: Budget
    seed: int
    level: float
    most_looks: int | None = None
    sampler: Sampler | None = None
    rejected: dict[str, bool] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def steps(self) -> Steps[Verdict]:
        start = time.perf_counter()
        check, claim, budget = self.claim.check, self.claim, self.budget
        cells = check.cells(claim, budget)
        groups = [_Group(g) for g in check.groups(claim, budget, cells)]
        schedule = looks(budget.trials, budget.block_trials) if self.sampler else [budget.trials]
        samples: list[Samples] = [{} for _ in cells]
        mutants = {m.name: m.prediction(claim.prediction) for m in claim.mutants}
        self.rejected = dict.fromkeys(mutants, False)
        separated = False
        while waiting := self._waiting(groups, self.most_looks or len(schedule)):
            if self.sampler:
                wanted = {c: schedule[g.look + 1] for g in waiting for c in g.cells}
                drawn = yield from self.sampler.drawing(cells, wanted, budget.block_trials)
                for c, sample in drawn.items():
                    samples[c] = sample
            for group in waiting:
                group.look += 1
                level = self._level(schedule, group.look, len(groups))
                if not group.decided:
                    group.finding = self._assess(claim.prediction, cells, samples, group, level)
            if not separated:
                self._demand_separation(mutants, cells, samples)
                separated = True
            self._reject(mutants, cells, samples, groups, schedule)
            if any(g.finding is not None and g.finding.status == "fails" for g in groups):
                break
            if self._underpowered(waiting, schedule):
                break
        findings = tuple(g.finding for g in groups if g.finding is not None)
        status = self._status(findings)
        if status == "fails":
            findings = self._explained(findings, cells, samples)
        return self._report(status, findings, time.perf_counter() - start)

    def _level(self, schedule: Sequence[int], look: int, groups: int) -> Level:
        return Level(self.level / (len(schedule) * groups), schedule[look] / schedule[-1])

    def _waiting(self, groups: Sequence[_Group], looks_in_all: int) -> list[_Group]:
        """Groups to look at next: those undecided, or all while a mutant survives."""
        everyone = not all(self.rejected.values())
        return [g for g in groups if g.look + 1 < looks_in_all and (everyone or not g.decided)]

    def _assess(
        self, prediction: Prediction, cells: Sequence[Cell], samples: Sequence[Samples], group: _Group, level: Level
    ) -> Finding:
        finding = self.claim.check.assess(
            self.claim,
            prediction,
            self.budget,
            [cells[i] for i in group.cells],
            [samples[i] for i in group.cells],
            level,
        )
        return replace(finding, cells=group.cells)

    def _demand_separation(
        self, mutants: Mapping[str, Prediction], cells: Sequence[Cell], samples: Sequence[Samples]
    ) -> None:
        for name, mutant in mutants.items():
            distance = self.claim.check.separation(self.claim, mutant, self.budget, cells, samples)
            if distance is not None and distance < MUTANT_DISTANCE * self.budget.margin:
                raise DesignError(
                    f"claim {self.claim.name}: margin {self.budget.margin:g} is more than a third of the distance "
                    f"{distance:.3g} to its mutant {name!r}; choose a smaller margin or points where they differ more"
                )

    def _reject(
        self,
        mutants: Mapping[str, Prediction],
        cells: Sequence[Cell],
        samples: Sequence[Samples],
        groups: Sequence[_Group],
        schedule: Sequence[int],
    ) -> None:
        """A mutant is rejected when it fails at any point with the samples drawn so far.

        Or when its differences do not fall with the size as the claim says, while those of the right prediction do.
        """
        for name, mutant in mutants.items():
            if self.rejected[name]:
                continue
            for group in groups:
                level = self._level(schedule, group.look, len(groups))
                finding = self._assess(mutant, cells, samples, group, level)
                self.rejected[name] = finding.status == "fails" or (
                    finding.misfit
                    and self._assess(self.claim.prediction, cells, samples, group, level).status == "holds"
                )
                if self.rejected[name]:
                    break

    def _underpowered(self, groups: Sequence[_Group], schedule: Sequence[int]) -> bool:
        """Stop after the pilot look when even the full budget could neither confirm nor refute."""
        for group in groups:
            finding = group.finding
            if group.look > 0 or finding is None or finding.status != "inconclusive" or finding.detectable is None:
                continue
            low, high = finding.discrepancy
            sees, margin = finding.detectable, self.budget.margin
            if sees > HOPELESS * margin and abs(low + high) / 2.0 < margin + sees:
                needed = schedule[-1] * (sees / margin) ** 2
                self.notes.append(
                    f"underpowered: {schedule[-1]} trials can see {sees:.2g}, the margin is {margin:g}; "
                    f"about {needed:.2g} trials are needed"
                )
                return True
        return False

    def _status(self, findings: Sequence[Finding]) -> Status:
        if any(f.status == "fails" for f in findings):
            return "fails"
        if all(f.status == "holds" for f in findings):
            survivors = [name for name, gone in self.rejected.items() if not gone]
            if not survivors:
                return "holds"
            self.notes.append("mutants not rejected: " + "; ".join(survivors))
        return "inconclusive"

    def _explained(
        self, findings: Sequence[Finding], cells: Sequence[Cell], samples: Sequence[Samples]
    ) -> tuple[Finding, ...]:
        def explained(f: Finding) -> Finding:
            words = behaves_as(self.claim, [cells[i] for i in f.cells], [samples[i] for i in f.cells], f)
            return replace(f, behaves_as=words)

        return tuple(explained(f) if f.status == "fails" else f for f in findings)

    def _report(self, status: Status, findings: Sequence[Finding], seconds: float) -> Verdict:
        order: dict[str, int] = {"fails": 2, "inconclusive": 1, "holds": 0}
        shown = max(findings, key=lambda f: (order[f.status], f.strain))
        detectable = [f.detectable for f in findings if f.detectable is not None]
        notes = [*self.notes, *shown.notes]
        if shown.behaves_as:
            notes.append(shown.behaves_as)
        return Verdict(
            claim=self.claim.name,
            status=status,
            expected=self.claim.expected,
            estimate=shown.estimate,
            interval=shown.interval,
            predicted=shown.predicted,
            prediction_error=shown.prediction_error,
            margin=self.budget.margin,
            detectable=max(detectable) if detectable else None,
            mutants_rejected=(sum(self.rejected.values()), len(self.rejected)),
            samples=self.sampler.drawn if self.sampler else 0,
            seconds=seconds,
            seed=self.seed,
            backend=self.sampler.backend if self.sampler else None,
            budget=self.budget_name,
            versions=versions(),
            findings=tuple(findings),
            mutants=dict(self.rejected),
            notes=tuple(notes),
        )
