"""Every derivation of the catalogue, replayed step by step."""

from __future__ import annotations

import pytest
import registered

from theorylab.derivation import Derivation

DERIVATIONS: dict[str, Derivation] = {}
for _entry in registered.ENTRIES:
    _derivation = _entry.claim.prediction.derivation
    if _derivation is not None and all(d is not _derivation for d in DERIVATIONS.values()):
        DERIVATIONS[_entry.name] = _derivation

# Predictions share steps: each distinct step is replayed once, under the first derivation that has it.
STEPS = {}
for _name, _derivation in DERIVATIONS.items():
    for _step in _derivation:
        STEPS.setdefault((_step.name, str(_step.lhs), str(_step.rhs)), (_name, _step))


@pytest.mark.parametrize(("name", "step"), STEPS.values(), ids=[f"{n}: {s.name}" for n, s in STEPS.values()])
def test_step_holds(name: str, step: object) -> None:
    assert step.replay() in ("symbolic", "50 digits")  # type: ignore[attr-defined]


@pytest.mark.parametrize("entry", [e for e in registered.ENTRIES if not e.control], ids=lambda e: e.name)
def test_prediction_is_derived(entry: registered.registry.ClaimEntry) -> None:
    derivation = entry.claim.prediction.derivation
    assert derivation is not None
    assert len(derivation) >= 1
    assert derivation.source
