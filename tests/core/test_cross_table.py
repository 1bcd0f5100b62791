"""Every kernel and every claim, wherever they are computed: the same random bits in, the same numbers out.

`pytest -s -m full` prints the tables of docs/cross-table.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kernel_cases
import numpy as np
import pytest
import registered

from theorylab.backends import gpu_trouble
from theorylab.checks.base import Cell
from theorylab.claim import Claim
from theorylab.executors import dask, local
from theorylab.sampler import Sampler
from theorylab.simulation import Samples
from theorylab.store import Store

CLAIMS = [e.claim for e in registered.ENTRIES if e.claim.check.sampled]
# Two blocks of so many trials; a search starts a descent for every 1024 cases.
TRIALS, CASES = 4, 1024
# Largest difference between backends, relative to the largest value of the observable. Scores and softmax
# probabilities at a numerical minimum are known to the square root of the rounding error.
ROUNDING = 1e-6
KERNEL_ROUNDING = 1e-13


@dataclass
class Places:
    """Where blocks are computed."""

    pool: Executor
    cluster: Executor
    folder: Path


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    with local(2) as pool, dask("local") as cluster:
        assert pool is not None
        yield Places(pool, cluster, tmp_path_factory.mktemp("stores"))


def cheapest(claim: Claim) -> Cell:
    cells = claim.check.cells(claim, claim.budget("quick"))
    return min(cells, key=lambda cell: claim.simulator.heaviest([cell.params]))


def drawn(claim: Claim, backend: str = "auto", blocks: int = 2, **options: Any) -> Samples:
    size = TRIALS if claim.simulator.per_trial else CASES
    sampler = Sampler(claim, 0, backend, options.get("store"), options.get("executor"))
    return sampler.draw([cheapest(claim)], {0: blocks * size}, size)[0]


def resumed(claim: Claim, folder: Path) -> Samples:
    """One block in a run that ends there; both in the next one, the first from the store."""
    path = folder / f"{claim.name.replace('/', '-')}.sqlite"
    with Store(path) as store:
        drawn(claim, blocks=1, store=store)
    with Store(path) as store:
        assert len(store) == 1
        return drawn(claim, store=store)


def same(ours: Samples, theirs: Samples) -> bool:
    return ours.keys() == theirs.keys() and all(
        ours[name].dtype == theirs[name].dtype and ours[name].tobytes() == theirs[name].tobytes() for name in ours
    )


def distance(ours: Samples, theirs: Samples) -> float:
    """Largest difference relative to the largest value of an observable.

    Which cases a search keeps may hang on the last bit, where several lie on one straight line: then it is the hulls
    that are compared.
    """
    assert ours.keys() == theirs.keys()
    if "case" in ours and not np.array_equal(ours["case"], theirs["case"]):
        return max(hull_distance(of(ours, b), of(theirs, b)) for b in np.unique(ours["block"]))
    worst = 0.0
    for name, values in ours.items():
        assert values.shape == theirs[name].shape, name
        # What is zero but for rounding has no relative difference.
        largest = max(np.abs(values).max(initial=0.0), 1e-6)
        worst = max(worst, float(np.abs(values - theirs[name]).max(initial=0.0) / largest))
    return worst


def of(samples: Samples, block: int) -> Samples:
    return {name: values[samples["block"] == block] for name, values in samples.items()}


def hull_distance(ours: Samples, theirs: Samples) -> float:
    curves = []
    at = np.concatenate([ours["x"], theirs["x"]])
    at = at[(at >= max(x["x"].min() for x in (ours, theirs))) & (at <= min(x["x"].max() for x in (ours, theirs)))]
    assert len(at) >= 2
    for rows in (ours, theirs):
        order = np.argsort(rows["x"])
        curves.append(np.interp(at, rows["x"][order], rows["y"][order]))
    return float((np.abs(curves[0] - curves[1]) / np.abs(curves[0]).max()).max())


def row(claim: Claim, places: Places) -> list[str]:
    """A row of the table; raises where a mode gives other numbers."""
    here = drawn(claim)
    cells = [claim.name]
    backends = claim.simulator.backends
    for backend in ("numpy", "cupy"):
        if backend not in backends:
            cells.append("-")
        elif backend == "cupy" and gpu_trouble() is not None:
            cells.append("no GPU")
        elif backend == claim.simulator.backend("auto"):
            cells.append("reference")
        else:
            off = distance(here, drawn(claim, backend))
            assert off < ROUNDING, (backend, off)
            cells.append(f"{off:.0e}" if off else "same bits")
    modes = {
        "pool": lambda: drawn(claim, executor=places.pool),
        "Dask": lambda: drawn(claim, executor=places.cluster),
        "resumed": lambda: resumed(claim, places.folder),
    }
    for mode, run in modes.items():
        assert same(here, run()), mode
        cells.append("same bits")
    return cells


@pytest.mark.parametrize("claim", CLAIMS, ids=[c.name for c in CLAIMS])
def test_same_bits_in_same_numbers_out(claim: Claim, places: Places) -> None:
    row(claim, places)


def kernel_row(name: str, places: Places) -> list[str]:
    """As `row`, for a kernel."""
    here, reference = (kernel_cases.compute(name, backend) for backend in ("numba", "numpy"))
    off = max(distance({"": ours}, {"": theirs}) for ours, theirs in zip(here, reference, strict=True))
    assert off < KERNEL_ROUNDING, off
    cells = [name, f"{off:.0e}" if off else "same bits", "no GPU" if gpu_trouble() else "see tests/kernels"]
    for place in (places.pool, places.cluster):
        there = place.submit(kernel_cases.compute, name, "numba").result()
        assert [x.tobytes() for x in here] == [x.tobytes() for x in there]
        cells.append("same bits")
    return cells


@pytest.mark.parametrize("name", kernel_cases.KERNELS)
def test_kernels_give_the_same_numbers_everywhere(name: str, places: Places) -> None:
    kernel_row(name, places)


@pytest.mark.full
def test_tables(places: Places) -> None:
    print("\n\n| kernel | NumPy against Numba | CuPy | 2 processes | Dask, 2 workers |\n|---|---|---|---|---|")
    for name in kernel_cases.KERNELS:
        print("| " + " | ".join(kernel_row(name, places)) + " |")
    print_claims(places)


def print_claims(places: Places) -> None:
    print("\n\n| claim | NumPy against Numba | CuPy | 2 processes | Dask, 2 workers | resumed |")
    print("|---|---|---|---|---|---|")
    for claim in CLAIMS:
        print("| " + " | ".join(row(claim, places)) + " |")
