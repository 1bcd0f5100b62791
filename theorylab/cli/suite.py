"""Verifying many claims, one after the other, their blocks side by side."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import Executor

from theorylab.claim import BUDGETS, Claim
from theorylab.cli.progress import Bar
from theorylab.display import status_text
from theorylab.engine import verify
from theorylab.errors import TheorylabError, UnknownNameError, UsageError
from theorylab.fingerprint import fingerprint
from theorylab.simulation import BACKENDS
from theorylab.store import Store
from theorylab.verdict import Verdict


def demand(claims: Sequence[Claim], budget: str, backend: str) -> None:
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
                claim.check.cells(claim, claim.budget(budget))
                claim.simulator.backend(backend)
                # Of the code as it was just imported, whatever becomes of the file during the run.
                fingerprint(claim.simulator)
        except TheorylabError as error:
            raise UsageError(f"{claim.name}: {error}") from error


def announce(claims: Sequence[Claim], budget: str) -> None:
    """Print on standard error the most that each claim can cost: trials, operations, memory of a trial."""
    for claim in claims:
        if not claim.check.sampled:
            continue
        spend, cost = claim.budget(budget), claim.simulator.cost
        cells = claim.check.cells(claim, spend)
        line = f"{claim.name}: at most {spend.trials} trials at each of {len(cells)} points"
        if cost is not None:
            each = [cost(**{k: v for k, v in c.params.items() if k in claim.simulator.parameters}) for c in cells]
            operations, memory = spend.trials * sum(e.flops for e in each), max(e.bytes for e in each)
            line += f", {operations:.2g} operations, {memory / 2**20:.2g} MiB for a trial"
        print(line, file=sys.stderr)


def verify_all(
    claims: Sequence[Claim], budget: str, seed: int, backend: str, store: Store, executor: Executor | None, bar: Bar
) -> list[Verdict]:
    """Verify claims in order, reporting each as it is decided."""
    verdicts = []
    for claim in claims:
        bar.start(claim.name)
        verdict = verify(claim, budget, seed=seed, backend=backend, store=store, executor=executor, progress=bar.blocks)
        k, of = verdict.mutants_rejected
        bar.finish(f"{claim.name}: {status_text(verdict)}, mutants {k}/{of}, {verdict.seconds:.1f} s")
        verdicts.append(verdict)
    return verdicts


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """0 when all are as expected, 1 when any is the opposite, 3 when some are undecided."""
    if any(not v.as_expected and v.status != "inconclusive" for v in verdicts):
        return 1
    return 0 if all(v.as_expected for v in verdicts) else 3
