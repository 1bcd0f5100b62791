"""Verifying many claims, their blocks side by side."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import partial
from typing import Any

from theorylab.backends import BACKENDS
from theorylab.claim import BUDGETS, Claim
from theorylab.cli.options import Resources
from theorylab.cli.progress import Bar
from theorylab.cli.text import width
from theorylab.display import status_text
from theorylab.engine import heaviest_block, verifying
from theorylab.errors import TheorylabError, UnknownNameError, UsageError
from theorylab.fingerprint import fingerprint
from theorylab.sampler import Computed, Steps
from theorylab.verdict import Verdict

# Claims under way at once.
AT_ONCE = 3


def demand(claims: Sequence[Claim], budget: str, backend: str, memory: int | None = None) -> None:
    """Raise before any work is done when one of the claims cannot be verified as is asked, and say which."""
    if backend not in ("auto", *BACKENDS):
        raise UnknownNameError("backend", backend, ["auto", *BACKENDS])
    names = {name for claim in claims for name in claim.budgets}
    if claims and budget not in names:
        raise UnknownNameError("budget", budget, sorted(names, key=[*BUDGETS, *sorted(names)].index))
    for claim in claims:
        try:
            claim.budget(budget)
            if claim.check.sampled:
                resolved = claim.simulator.backend(backend, heaviest_block(claim, budget))
                for cell in claim.check.cells(claim, claim.budget(budget)) if memory is not None else ():
                    claim.simulator.batch(claim.simulator.work(cell.params), resolved, memory)
                # Of the code as it was just imported, whatever becomes of the file during the run.
                fingerprint(claim.simulator)
        except TheorylabError as error:
            raise UsageError(f"{claim.name}: {error}") from error


def announce(claims: Sequence[Claim], budget: str, backend: str, jobs: int) -> None:
    """Print on standard error what the claims may cost, as `theorylab plan` predicts it."""
    from theorylab.cli.plan import lines
    from theorylab.machine import machine
    from theorylab.plan import plan

    profile = machine()
    plans = [plan(claim, budget, backend=backend, machine=profile) for claim in claims]
    print("\n".join(lines(plans, jobs, width())), file=sys.stderr)


def verify_all(
    claims: Sequence[Claim],
    budget: str,
    seed: int,
    backend: str,
    resources: Resources,
    bar: Bar,
    computed: Computed | None = None,
) -> list[Verdict]:
    """Verify claims, reporting each as it is decided; the verdicts are in the order of the claims.

    With workers a few claims are under way at once, so that there are blocks to compute while a claim is assessed.
    """
    verdicts: dict[int, Verdict] = {}
    waiting = list(enumerate(claims))[::-1]
    active: dict[int, tuple[Steps[Verdict], set[Future[Any]]]] = {}
    try:
        while waiting or active:
            while waiting and len(active) < (1 if resources.executor is None else AT_ONCE):
                i, claim = waiting.pop()
                progress = partial(bar.blocks, name=claim.name)
                steps = verifying(
                    claim,
                    budget,
                    seed=seed,
                    backend=backend,
                    store=resources.store,
                    executor=resources.executor,
                    progress=progress,
                    memory=resources.memory,
                    computed=computed,
                )
                active[i] = steps, set()
            for i, (steps, pending) in list(active.items()):
                if pending and not any(future.done() for future in pending):
                    continue
                try:
                    active[i] = steps, next(steps)
                except StopIteration as end:
                    del active[i]
                    verdicts[i] = end.value
                    bar.finish(_line(end.value))
            if len(active) == AT_ONCE or not waiting:
                wait([f for _, pending in active.values() for f in pending], return_when=FIRST_COMPLETED)
    finally:
        for steps, _ in active.values():
            steps.close()
    return [verdicts[i] for i in range(len(claims))]


def _line(verdict: Verdict) -> str:
    k, of = verdict.mutants_rejected
    return f"{verdict.claim}: {status_text(verdict)}, mutants {k}/{of}, {verdict.seconds:.1f} s"


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """0 when all are as expected, 1 when any is the opposite, 3 when some are undecided."""
    if any(not v.as_expected and v.status != "inconclusive" for v in verdicts):
        return 1
    return 0 if all(v.as_expected for v in verdicts) else 3
