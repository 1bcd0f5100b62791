"""Verifying many claims, one after the other, their blocks side by side."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor

from theorylab.claim import Claim
from theorylab.cli.progress import Bar
from theorylab.display import status_text
from theorylab.engine import verify
from theorylab.store import Store
from theorylab.verdict import Verdict


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
