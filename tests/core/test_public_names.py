"""`theorylab.NAME` is the same thing whatever was imported before."""

from __future__ import annotations

import subprocess
import sys

import pytest

import theorylab

FIRST = ["pass", "theorylab.Claim", "import theorylab.sweep, theorylab.simulation, theorylab.claim",
         "from theorylab.registry import claims", "import theorylab.cli.verify, theorylab.engine"]  # fmt: skip
CHECK = """
import theorylab
{first}
import inspect
wrong = [n for n in theorylab.__all__ if inspect.ismodule(getattr(theorylab, n))]
assert not wrong, wrong
functions = ("claim", "claims", "verify", "sweep", "simulation", "select", "apply")
assert all(callable(getattr(theorylab, n)) for n in functions)
from theorylab.claim import Claim
assert Claim is theorylab.Claim
assert set(theorylab.__all__) <= set(dir(theorylab))
"""


@pytest.mark.parametrize("first", FIRST)
def test_public_names_do_not_depend_on_the_order_of_imports(first: str) -> None:
    done = subprocess.run([sys.executable, "-c", CHECK.format(first=first)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_unknown_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="module 'theorylab' has no attribute 'clam'"):
        theorylab.clam  # noqa: B018
