"""Power before the run: what a budget can see, from a pilot block."""

from __future__ import annotations

from dataclasses import replace

from theorylab.claim import Claim
from theorylab.engine import verify


def pilot(claim: Claim, budget: str = "standard", seed: int = 0) -> str:
    """Run one block a point and say, in one line, the smallest discrepancy that `budget` can see.

    The pilot draws the same numbers as the first block of the run itself.
    """
    full = claim.budget(budget)
    block = full.block_trials
    trial = replace(claim, budgets={budget: replace(full, trials=block, block=block)}, mutants=())
    verdict = verify(trial, budget, seed=seed)
    if verdict.detectable is None:
        return f"a {claim.check.kind} has no error level: its effort is {full.trials} cases a point"
    looks_ahead = verdict.detectable * (block / full.trials) ** 0.5
    able = "enough" if looks_ahead < full.margin else "not enough"
    return (
        f"{full.trials} trials can see a discrepancy of about {looks_ahead:.2g}; the margin is {full.margin:g}: {able}"
    )
