"""Blocks to put into stores, for the tests of stores."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from theorylab.sampling import Block
from theorylab.store import Store


def block(index: int = 0, **changes: object) -> Block:
    fields: dict[str, object] = {
        "claim": "f/t/c", "params": {"n": 20, "x": 0.5}, "seed": 0, "index": index, "trials": 8, "backend": "numpy",
    }  # fmt: skip
    return Block(**{**fields, **changes})  # type: ignore[arg-type]


def samples(index: int) -> dict[str, np.ndarray]:
    source = np.random.default_rng(index)
    return {"value": source.normal(size=(8, 40)), "count": source.integers(0, 9, size=8)}


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return a.keys() == b.keys() and all(
        a[k].dtype == b[k].dtype and a[k].shape == b[k].shape and a[k].tobytes() == b[k].tobytes() for k in a
    )


def filled(path: Path, count: int = 30) -> None:
    with Store(path) as store:
        for i in range(count):
            store.put(block(i), "code", samples(i), 0.1)
