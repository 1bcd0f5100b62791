"""What every claim of the catalogue owes, checked without running it."""

from __future__ import annotations

import re

import pytest
import registered

from theorylab import gallery
from theorylab.claim import BUDGETS
from theorylab.theory import ClaimEntry

each = pytest.mark.parametrize("entry", registered.ENTRIES, ids=registered.NAMES)


@each
def test_identity(entry: ClaimEntry) -> None:
    assert re.fullmatch(r"[a-z0-9_]+/[a-z0-9-]+/[a-z0-9-]+", entry.name)
    assert entry.statement.endswith("."), "the statement is a sentence"
    assert entry.source is not None
    assert entry.source.authors
    assert entry.source.year > 1900
    assert entry.expected in ("holds", "fails")
    if entry.control:
        assert entry.expected == "fails"


@each
def test_budgets_points_and_mutants(entry: ClaimEntry) -> None:
    claim = entry.claim
    assert set(BUDGETS) <= set(claim.budgets)
    margins = [claim.budget(b).margin for b in BUDGETS]
    assert margins[0] >= margins[1] >= margins[2] > 0, "margins narrow as budgets grow"
    if not entry.control and entry.expected == "holds":
        assert claim.mutants, "a check that rejects nothing has verified nothing"
    names = [m.name for m in claim.mutants]
    assert len(set(names)) == len(names)
    if claim.check.sampled:
        for budget in BUDGETS:
            cells = claim.check.cells(claim, claim.budget(budget))
            assert cells
            assert claim.check.groups(claim, claim.budget(budget), cells)


@each
def test_predictions_state_their_conventions(entry: ClaimEntry) -> None:
    prediction = entry.claim.prediction
    assert prediction.quantity
    assert prediction.conventions
    assert all(p.meaning for p in entry.claim.space.parameters)


@each
def test_simulations_declare_backends_and_cost(entry: ClaimEntry) -> None:
    claim = entry.claim
    if claim.simulation is None:
        return
    simulator = claim.simulator
    assert simulator.backends[0] == "numpy", "the reference comes first"
    assert simulator.cost is not None
    cell = claim.check.cells(claim, claim.budget("quick"))[0]
    cost = simulator.cost(**{k: v for k, v in cell.params.items() if k in simulator.parameters})
    assert cost.flops > 0
    assert cost.bytes > 0


def test_every_theory_has_figures_found_by_its_name() -> None:
    theories = {entry.name.rpartition("/")[0] for entry in registered.ENTRIES}
    assert {figure for theory in theories for figure in gallery.select([theory])} == set(gallery.available())
