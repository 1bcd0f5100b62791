"""A machine with round figures, for tests that predict without measuring."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from theorylab import machine
from theorylab.machine import Machine, Speed

ROUND = Machine(
    products={10: 1e9, 1000: 1e11},
    factorisations={10: 1e8, 1000: 1e10},
    copy=1e10,
    block=1e-3,
    backends={"numpy": Speed(loops=1e9, draw=1e-8, step=1e-8), "numba": Speed(loops=1e10, draw=1e-9, step=4e-9)},
)


def kept(folder: Path, monkeypatch: pytest.MonkeyPatch, profile: Machine = ROUND) -> Path:
    """Have this machine taken for one of the given profile."""
    path = folder / "machine.json"
    path.write_text(json.dumps({machine.name(): asdict(profile)}))
    monkeypatch.setenv("THEORYLAB_MACHINE", str(path))
    return path
