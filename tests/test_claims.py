"""The catalogue itself: every claim at the quick budget has its expected status.

False-alarm rate: 1e-6 a claim by construction, and the seed is fixed.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor

import pytest

from theorylab import executors, registry
from theorylab.engine import verify
from theorylab.theory import ClaimEntry

ENTRIES = registry.select([], controls=True)


@pytest.fixture(scope="module")
def pool() -> Iterator[Executor | None]:
    with executors.local() as executor:
        yield executor


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: e.name)
def test_expected_status(entry: ClaimEntry, pool: Executor | None) -> None:
    verdict = verify(entry.claim, "quick", executor=pool)
    assert verdict.status == entry.expected, verdict.summary()
    if entry.expected == "holds":
        assert verdict.mutants_rejected[0] == verdict.mutants_rejected[1] > 0
    if entry.control:
        assert any(f.behaves_as for f in verdict.findings), verdict.summary()


def test_controls_of_every_kind() -> None:
    kinds = {e.claim.check.kind for e in ENTRIES if e.control}
    assert kinds == {"expectation", "asymptotic", "bound", "exponent", "law", "curve", "boundary", "identity"}
