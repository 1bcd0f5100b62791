"""Files with claims, as a user writes them, and the command line as a user runs it."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

LARGEST = """
import theorylab as tl

n = tl.Parameter("n", tl.Integers(1), "number of draws")
right = n.symbol / (n.symbol + 1)


def draw(trials, rng, *, n):
    return rng.uniform(trials, n).max(axis=1)


largest = tl.Claim(
    statement="The largest of n uniforms has mean n / (n + 1).",
    prediction=tl.ClosedForm(expr=right, space=tl.Space([n]), quantity="mean of the largest"),
    simulation=draw,
    check=tl.Expectation(),
    points=tl.grid(n=[3, 5]),
    mutants=[tl.Mutant("n + 2 instead of n + 1", n.symbol / (n.symbol + 2))],
    budgets={"quick": tl.Budget(trials=4096, margin=0.04)},
)
"""

# A trial takes long, and every block leaves a mark: one more file in the folder $MARKS, named after its random key.
SLOW = LARGEST.replace(
    "def draw(trials, rng, *, n):\n",
    "def draw(trials, rng, *, n):\n"
    "    import os, time, uuid\n"
    "    mark = '-'.join(map(str, rng.key))\n"
    "    open(os.path.join(os.environ['MARKS'], f'{mark}_{uuid.uuid4()}'), 'x').close()\n"
    "    time.sleep(0.15)\n",
).replace("trials=4096, margin=0.04", "trials=1024, margin=0.06, block=64")


def written(folder: Path, text: str = LARGEST, name: str = "my_theory.py") -> Path:
    """Write a file of claims."""
    path = folder / name
    path.write_text(text)
    return path


def environment(folder: Path, **more: str) -> dict[str, str]:
    """The environment of a command, with a store of its own."""
    return {**os.environ, "THEORYLAB_STORE": str(folder / "store.sqlite"), "MARKS": str(folder), **more}


def theorylab(*arguments: str | Path, cwd: Path, timeout: float = 120, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a process of its own, in the folder of the user's files."""
    return subprocess.run(
        [sys.executable, "-m", "theorylab", *map(str, arguments)],
        cwd=cwd,
        env=environment(cwd, **more),
        capture_output=True,
        text=True,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
    )


def numbers(json_text: str) -> list[dict[str, Any]]:
    """Verdicts without the time that they took."""
    verdicts = json.loads(json_text)
    for verdict in verdicts:
        del verdict["seconds"]
    return list(verdicts)


def stored(path: Path) -> dict[str, bytes]:
    """What decides every number in a store: samples by key."""
    with closing(sqlite3.connect(path)) as db:
        return dict(db.execute("SELECT key, samples FROM blocks"))


def wait_for(condition: Callable[[], object], seconds: float = 240) -> None:
    """Wait until a condition holds; fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
