"""The laws are as accurate as `docs/laws.md` says: a few places in the short form, all of them in the full one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from law_accuracy import DENSITY, QUANTITIES, Case, cases

CASES = {case.name: case for case in cases()}
PAGE = Path(__file__).parents[2] / "docs" / "laws.md"


def stated() -> dict[tuple[str, str], float]:
    """Our column of the document's table."""
    rows = re.findall(r"^\| ([a-z-]+(?: [0-9.]+)?) \| ([^|]+?) \| ([0-9.e+-]+) \|", PAGE.read_text(), re.MULTILINE)
    return {(name, quantity): float(error) for name, quantity, error in rows}


def test_the_table_has_every_law() -> None:
    assert set(stated()) == {(case.name, quantity) for case in CASES.values() for quantity in case.quantities}
    assert DENSITY in QUANTITIES


def demand(case: Case, small: bool) -> None:
    for quantity in case.quantities:
        # Machines differ: by a few units in the last place, the laws of Tracy and Widom by a factor.
        allowed = 2.0 * stated()[case.name, quantity] + 2e-15
        assert case.worst(quantity, small) <= allowed, (case.name, quantity)


@pytest.mark.parametrize("name", CASES)
def test_a_few_places(name: str) -> None:
    demand(CASES[name], small=True)


@pytest.mark.full
@pytest.mark.parametrize("name", CASES)
def test_all_places(name: str) -> None:
    demand(CASES[name], small=False)
