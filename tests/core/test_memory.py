"""Memory: sizes, what is free, and processes that stay below their limit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from claim_files import environment, theorylab, written

from theorylab import backends, memory
from theorylab.backends import GPU_WORK, resolve
from theorylab.errors import BackendError, LackOfMemory, UnknownNameError, UsageError
from theorylab.kernels.random import Stream
from theorylab.sampling import Block, compute
from theorylab.simulation import Cost, Simulation

# A trial holds 200 000 numbers twice: a block of 1024 trials would hold 3.3 GB at a time.
GREEDY = """
import theorylab as tl

n = tl.Parameter("n", tl.Integers(1), "number of draws")


@tl.simulation(backends=("numpy", "numba"), cost=lambda n: tl.Cost(flops=2.0 * n, bytes=16.0 * n))
def mean_square(trials, rng, *, n):
    return (rng.normal(trials, n) ** 2).mean(axis=1)


claim = tl.Claim(
    statement="Standard normals have mean square 1.",
    prediction=tl.ClosedForm(expr=1 + 0 * n.symbol, space=tl.Space([n]), quantity="mean square"),
    simulation=mean_square,
    check=tl.Expectation(),
    points=tl.grid(n=[200_000]),
    mutants=[tl.Mutant("2", 2)],
    budgets={"quick": tl.Budget(trials=1024, margin=0.05, block=1024)},
)
"""
# Runs its arguments as a command and prints the most memory, in KiB, that any process below it held.
MEASURE = """
import resource, subprocess, sys
result = subprocess.run(sys.argv[1:], capture_output=True, text=True)
print(result.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, result.stderr)
"""


def peak(folder: Path, *arguments: str) -> tuple[int, float, str]:
    """Exit code, peak memory in bytes and error lines of a command."""
    command = [sys.executable, "-c", MEASURE, sys.executable, "-m", "theorylab", *arguments]
    run = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=300)
    code, kib, errors = run.stdout.split(" ", 2)
    return int(code), float(kib) * 1024.0, errors


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ru_maxrss has the units of Linux")
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_no_process_grows_beyond_its_limit(tmp_path, jobs):
    """A tenth of what one batch would need: 320 MB for 3.3 GB."""
    written(tmp_path, GREEDY)
    code, most, errors = peak(tmp_path, "verify", "my_theory.py", "--jobs", jobs, "--memory", "320M")
    assert code == 0, errors
    assert most < 320 * 2**20


def test_a_limit_too_small_for_a_trial_is_one_line(tmp_path):
    written(tmp_path, GREEDY.replace("200_000", "2_000_000_000"))
    for limit in ("1G", "150M"):
        run = theorylab("verify", "my_theory.py", "--jobs", "1", "--memory", limit, cwd=tmp_path)
        assert run.returncode == 2
        assert run.stderr.count("\n") == 1
        assert "a single trial of mean_square at a time: 29.8 GiB of memory needed" in run.stderr
    run = theorylab("verify", "my_theory.py", "--memory", "plenty", cwd=tmp_path)
    assert run.returncode == 2
    assert run.stderr == "theorylab: memory 'plenty': a size such as 800M or 1.5G is needed\n"


def test_a_trial_that_cannot_fit_is_refused_before_it_is_tried(tmp_path):
    """Without a limit it is what is free that counts; the blocks that were finished are kept."""
    written(tmp_path, GREEDY.replace("200_000", "2000, 100_000_000_000"))
    run = theorylab("verify", "my_theory.py", "--jobs", "2", cwd=tmp_path)
    assert run.returncode == 2
    assert run.stderr.strip().splitlines()[-1].startswith("theorylab: ")
    assert "1.46 TiB of memory needed" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize(
    ("text", "bytes_"),
    [("800M", 800 * 2**20), ("1.5GiB", 3 * 2**29), ("2 gb", 2**31), ("4096", 4096), ("1KB", 1024), ("0.5T", 2**39)],
)
def test_sizes(text, bytes_):
    assert memory.size(text) == bytes_


@pytest.mark.parametrize("text", ["", "M", "-1G", "1.5.2G", "1E9", "0", "3 parsecs"])
def test_what_is_not_a_size(text):
    with pytest.raises(UsageError, match=r"a size such as 800M or 1\.5G is needed"):
        memory.size(text)


def test_words():
    assert [memory.words(x) for x in (0, 512, 2**20, 3.5 * 2**30)] == ["0 bytes", "512 bytes", "1 MiB", "3.5 GiB"]


def test_what_is_held_and_what_is_free():
    assert 2**24 < memory.resident() < 2**36
    free = memory.free()
    assert free is None or 2**20 < free < 2**50


def test_memory_that_runs_out_is_one_line():
    def draw(trials, rng):
        raise MemoryError("Unable to allocate 2. PiB")

    block = Block("a/b/c", {}, 0, 0, 4, "numpy")
    with pytest.raises(LackOfMemory, match=r"the simulation of a/b/c ran out of memory \(.*Unable to allocate"):
        compute(block, Simulation(draw))


class TestBackends:
    EVERYTHING = ("numpy", "numba", "cupy")

    def test_auto_takes_compiled_code_without_a_gpu(self, monkeypatch):
        monkeypatch.setattr(backends, "gpu_trouble", lambda: "is not installed")
        assert resolve("auto", self.EVERYTHING, 1e15) == "numba"
        assert resolve("auto", ("numpy",), 1e15) == "numpy"
        with pytest.raises(BackendError, match="backend 'cupy' is not installed"):
            resolve("cupy", self.EVERYTHING)

    def test_auto_takes_a_gpu_for_large_blocks_only(self, monkeypatch):
        monkeypatch.setattr(backends, "gpu_trouble", lambda: None)
        assert resolve("auto", self.EVERYTHING, 2 * GPU_WORK) == "cupy"
        assert resolve("auto", self.EVERYTHING, GPU_WORK / 2) == "numba"
        assert resolve("auto", ("numpy", "numba"), 2 * GPU_WORK) == "numba"
        assert resolve("cupy", self.EVERYTHING) == "cupy"

    def test_mistakes(self):
        with pytest.raises(UnknownNameError, match="did you mean 'numba'"):
            resolve("numbo", self.EVERYTHING)
        with pytest.raises(BackendError, match="this simulation runs on numpy, numba only"):
            resolve("cupy", ("numpy", "numba"))

    def test_a_gpu_without_memory_is_named(self, monkeypatch):
        monkeypatch.setattr("theorylab.backends.room", lambda backend, limit: 2.0**20)
        import importlib

        monkeypatch.setattr(importlib.import_module("theorylab.simulation"), "room", lambda *_: 2.0**20)
        simulation = Simulation(
            lambda trials, rng: rng.normal(trials), self.EVERYTHING, lambda: Cost(flops=1.0, bytes=2**21)
        )
        with pytest.raises(LackOfMemory, match="1 MiB is free for it on backend 'cupy'"):
            simulation(3, Stream.from_seed(1, "cupy"))
