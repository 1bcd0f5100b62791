"""Cases of a search, seen again: what refutes a bound, from nothing but names and numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from theorylab.checks.base import predict
from theorylab.checks.bound import Bound, Violation
from theorylab.claim import Claim
from theorylab.errors import UsageError
from theorylab.prediction import Prediction
from theorylab.sampler import Sampler
from theorylab.sampling import Block, compute, merge
from theorylab.simulation import Samples


@dataclass(frozen=True)
class Refutation:
    """How the search of a claim treats one formula.

    Parameters
    ----------
    formula
        Name of the mutant; "" for the claim itself.
    params
        The point where it is refuted, or the last one searched.
    violation
        Its counterexample; None when there is none: the formula holds, or is too weak.
    instance
        The counterexample, seen again from its block and number.
    """

    formula: str
    params: dict[str, Any]
    violation: Violation | None
    instance: Samples


def replay(
    claim: Claim, case: int, *, block: int = 0, seed: int = 0, budget: str = "quick", backend: str = "auto", **at: Any
) -> Samples:
    """See a case of a claim's search again.

    Parameters
    ----------
    claim, case, block, seed, budget
        As the verdict named them; the budget decides how many cases a block has, where the search runs again.
    backend
        "auto", "numpy", "numba" or "cupy".
    **at
        Parameters of the point.

    Returns
    -------
    dict of arrays
        `x`, the variable of the bound, `y`, what is bounded, and what else the search knows of the case.

    Raises
    ------
    UsageError
        When the claim is not about a bound, or the search kept no such case.
    """
    check = _bound(claim)
    simulator = claim.simulator
    params = {k: v for k, v in claim.point(at, without=check.variable).items() if k in simulator.parameters}
    found = Block(claim.name, params, seed, block, claim.budget(budget).block_trials, simulator.backend(backend))
    if simulator.replay is not None:
        from theorylab.kernels.random import Stream

        return simulator.replay(case, Stream(found.words(), "numpy"), **params)
    samples, _ = compute(found, simulator)
    rows = np.flatnonzero(samples["case"] == case)
    if not rows.size:
        raise UsageError(f"block {block} of {claim.name} (seed {seed}, budget {budget}) keeps no case {case}")
    return {name: column[rows[0]] for name, column in samples.items()}


def refutations(claim: Claim, budget: str = "quick", *, seed: int = 0, backend: str = "auto") -> Iterator[Refutation]:
    """Search at every point for counterexamples to the claim and to its mutants, and see each again.

    Yields one refutation for the claim and one for each mutant, at the first point that has a counterexample.
    """
    check, spend = _bound(claim), claim.budget(budget)
    cells = check.cells(claim, spend)
    sampler = Sampler(claim, seed, backend, None, None)
    formulas: dict[str, Prediction] = {"": claim.prediction}
    formulas |= {mutant.name: mutant.prediction(claim.prediction) for mutant in claim.mutants}
    for name, prediction in formulas.items():
        last = Refutation(name, dict(cells[-1].params), None, {})
        for i, cell in enumerate(cells):
            if i not in sampler.blocks:
                sampler.draw(cells, {i: spend.trials}, spend.block_trials)
            violation = check.violation(prediction, cell, merge(sampler.blocks[i]))
            if violation is not None:
                case, block = violation.case, violation.block
                again = replay(claim, case, block=block, seed=seed, budget=budget, backend=backend, **cell.params)
                last = Refutation(name, dict(cell.params), violation, again)
                break
        yield last


def bound_at(claim: Claim, instance: Samples, **at: Any) -> float:
    """The claim's own bound at a case seen again."""
    check = _bound(claim)
    value, _ = predict(claim.prediction, {**claim.point(at, without=check.variable), check.variable: instance["x"]})
    return float(value)


def _bound(claim: Claim) -> Bound:
    if not isinstance(claim.check, Bound):
        raise UsageError(f"{claim.name} is no bound that a search could violate (its check: {claim.check.kind})")
    return claim.check
