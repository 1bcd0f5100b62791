"""Power before the run: what a budget can see, from a pilot block."""

from __future__ import annotations

from dataclasses import replace

from theorylab.claim import Claim
from theorylab.engine import first_look


def pilot(claim: Claim, budget: str = "standard", seed: int = 0) -> str:
    """Run one block a point and say, in one line, the smallest discrepancy that `budget` can see.

    The pilot draws the same numbers as the first block of the run itself.
    """
    full = claim.budget(budget)
    if claim.check.kind in ("bound", "identity"):
        return f"{claim.check.kind}: no error level; the effort is {full.trials} cases a point"
    verdict = first_look(replace(claim, mutants=()), budget, seed)
    if verdict.detectable is None:
        return (
            f"{claim.check.kind}: seen to the spacing of its ladder, where the signs are certain; "
            f"after the first look at {full.trials} trials a point: {verdict.status}"
        )
    able = "enough" if verdict.detectable < full.margin else "not enough"
    return (
        f"{full.trials} trials can see a discrepancy of about {verdict.detectable:.2g}; "
        f"the margin is {full.margin:g}: {able}"
    )
