"""Start-up time of whole processes above that of a bare interpreter, and what may not be imported early."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

import pytest

RUNS = 7


def seconds(*arguments: str) -> float:
    """Processor time of a process: what else the machine does is not counted."""
    before = os.times()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


@pytest.mark.parametrize(
    ("arguments", "limit"),
    [
        (("-c", "import theorylab"), 0.3),
        (("-m", "theorylab", "--help"), 0.5),
        (("-m", "theorylab", "list"), 1.0),
    ],
)
def test_start_up_time(arguments: tuple[str, ...], limit: float) -> None:
    # One run of each before the clock starts: bytecode is compiled once per installation.
    seconds(*arguments), seconds("-c", "pass")
    pairs = [(seconds(*arguments), seconds("-c", "pass")) for _ in range(RUNS)]
    above = statistics.median(whole for whole, _ in pairs) - statistics.median(bare for _, bare in pairs)
    assert above < limit, f"{above:.3f} s above a bare interpreter"


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import theorylab", {"numpy", "sympy", "scipy", "numba", "xarray", "matplotlib", "rich", "click"}),
        ("from theorylab.cli.group import cli", {"numpy", "sympy", "scipy", "numba", "xarray", "matplotlib"}),
        ("from theorylab.registry import theories; theories()", {"sympy", "scipy", "numba", "xarray", "matplotlib"}),
    ],
)
def test_heavy_libraries_are_imported_late(statement: str, absent: set[str]) -> None:
    program = f"{statement}; import sys; print(*({absent!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.split() == []
