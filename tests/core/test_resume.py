"""The same numbers, to the last bit, whatever happened on the way: workers, order, kills, interruptions."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from claim_files import SLOW, environment, numbers, theorylab, wait_for, written

from theorylab.engine import verify
from theorylab.executors import cores, local
from theorylab.registry import claim, load_file
from theorylab.sampling import Block
from theorylab.simulation import SimulationError
from theorylab.store import Store

# Blocks that an undisturbed run needs: 16 at n = 3, 8 at n = 5.
BLOCKS = 24

needs_dask = pytest.mark.skipif(find_spec("distributed") is None, reason="needs distributed")
needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")


def rows(store: Path) -> list[tuple[int, int]]:
    """(n, number) of the blocks in a store."""
    if not store.exists():
        return []
    db = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
    try:
        found = db.execute("SELECT params, block FROM blocks").fetchall()
    except sqlite3.OperationalError:
        return []
    finally:
        db.close()
    return [(int(params.removeprefix('{"n":').removesuffix("}")), block) for params, block in found]


def marks(folder: Path) -> Counter[str]:
    """How often each block was computed, by its random key."""
    return Counter(p.name.partition("_")[0] for p in folder.iterdir() if "_" in p.name and "-" in p.name)


def mark(n: int, number: int) -> str:
    words = Block("my_theory/largest", {"n": n}, 0, number, 64, "numpy").words()
    return "-".join(map(str, words))


def alive(session: int) -> list[int]:
    """Processes of a session that still run."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, of = stat.read_text().rpartition(") ")[2].split()[:4]
        except OSError:
            continue
        if int(of) == session and state != "Z":
            found.append(int(stat.parent.name))
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("undisturbed")
    done = theorylab("verify", written(folder, SLOW), "--json", "--jobs", "2", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert len(rows(folder / "store.sqlite")) == sum(marks(folder).values()) == BLOCKS
    return numbers(done.stdout)


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    processes = []

    def start(*options: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "theorylab", "verify", written(tmp_path, SLOW), "--json", *options],
            cwd=tmp_path, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def by_command(folder: Path) -> Any:
    done = theorylab("verify", folder / "my_theory.py", "--json", "--jobs", "2", cwd=folder)
    assert done.returncode == 0, done.stderr
    return numbers(done.stdout)


def here(folder: Path, **options: Any) -> Any:
    with Store(folder / "store.sqlite") as store:
        verdict = verify(claim(str(folder / "my_theory.py")), store=store, **options)
    return numbers(f"[{verdict.to_json()}]")


def resumed(folder: Path, run: Callable[[Path], Any]) -> Any:
    """Run again; check that nothing in the store was computed a second time; return what the run returns."""
    before, computed_before = rows(folder / "store.sqlite"), marks(folder)
    again = run(folder)
    after, computed = rows(folder / "store.sqlite"), marks(folder)
    assert len(after) == len(set(after))
    assert set(before) <= set(after)
    assert all(computed[mark(*row)] == computed_before[mark(*row)] for row in before)
    assert all(computed[mark(*row)] >= 1 for row in after)
    return again


def test_one_worker_gives_the_numbers_of_two(tmp_path: Path, undisturbed: Any) -> None:
    done = theorylab("verify", written(tmp_path, SLOW), "--json", "--jobs", "1", cwd=tmp_path)
    assert numbers(done.stdout) == undisturbed


@needs_proc
@pytest.mark.parametrize(
    ("workers", "kills"), [(("--jobs", "2"), 2), pytest.param(("--dask", "local"), 1, marks=needs_dask)]
)
def test_a_killed_run_is_resumed_with_the_same_numbers(
    tmp_path: Path, undisturbed: Any, started: Any, workers: tuple[str, str], kills: int
) -> None:
    source, kept = random.Random(3), 0

    def killed(folder: Path) -> None:
        process, enough = started(*workers), kept + source.randrange(2, 7)
        wait_for(lambda: len(rows(folder / "store.sqlite")) >= enough)
        time.sleep(source.uniform(0.0, 0.15))
        process.kill()
        process.wait()
        # The workers notice, and leave.
        wait_for(lambda: not alive(process.pid), 60)

    for _ in range(kills):
        before, unfinished = sum(marks(tmp_path).values()), kept
        resumed(tmp_path, killed)
        kept = len(rows(tmp_path / "store.sqlite"))
        assert unfinished < kept < BLOCKS
        # Those in flight: one with each worker, and as many waiting to be kept.
        assert sum(marks(tmp_path).values()) - before <= kept - unfinished + 2 * max(2, cores())
    assert resumed(tmp_path, by_command) == undisturbed
    assert len(rows(tmp_path / "store.sqlite")) == BLOCKS


@needs_proc
@pytest.mark.parametrize(
    "workers", [("--jobs", "1"), ("--jobs", "2"), pytest.param(("--dask", "local"), marks=needs_dask)]
)
def test_ctrl_c_keeps_finished_blocks(
    tmp_path: Path, undisturbed: Any, started: Any, workers: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    process = started(*workers)
    wait_for(lambda: len(rows(tmp_path / "store.sqlite")) >= 5)
    # A terminal sends it to every process of the group.
    os.killpg(process.pid, signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert (out, errors) == ("", "theorylab: interrupted; finished blocks are kept\n")
    wait_for(lambda: not alive(process.pid), 20)
    kept = len(rows(tmp_path / "store.sqlite"))
    assert 5 <= kept < BLOCKS
    monkeypatch.setenv("MARKS", str(tmp_path))
    assert resumed(tmp_path, here) == undisturbed
    assert len(rows(tmp_path / "store.sqlite")) == BLOCKS


@needs_proc
@pytest.mark.parametrize("workers", [("--jobs", "2"), pytest.param(("--dask", "local"), marks=needs_dask)])
def test_ctrl_c_while_workers_start_is_one_line_too(tmp_path: Path, started: Any, workers: tuple[str, str]) -> None:
    for delay in (0.0, 0.3):
        process = started(*workers)
        wait_for(lambda p=process: len(alive(p.pid)) >= 3)
        time.sleep(delay)
        os.killpg(process.pid, signal.SIGINT)
        out, errors = process.communicate(timeout=60)
        # Interrupted while it imports something, Python may end by the signal itself: 130 to a shell.
        assert process.returncode in (130, -signal.SIGINT)
        assert out == ""
        assert errors == "theorylab: interrupted; finished blocks are kept\n"
        wait_for(lambda p=process: not alive(p.pid), 20)


def test_a_worker_that_dies_is_one_line_and_the_run_resumes(tmp_path: Path, undisturbed: Any) -> None:
    die = "    if 'LIVE' not in os.environ and len(os.listdir(os.environ['MARKS'])) > 9: os._exit(3)\n"
    fatal = SLOW.replace("    time.sleep", f"{die}    time.sleep")
    path = written(tmp_path, fatal)
    done = theorylab("verify", path, "--jobs", "2", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "a worker process died" in done.stderr
    assert 0 < len(rows(tmp_path / "store.sqlite")) < BLOCKS
    done = theorylab("verify", path, "--jobs", "2", "--json", cwd=tmp_path, LIVE="1")
    assert numbers(done.stdout) == undisturbed


class Backwards(Executor):
    """Runs what is submitted last to first, in a thread."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]] = []
        self.order: list[int] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._waiting.append((future, fn, args))
        threading.Timer(0.1, self._run_last).start()
        return future

    def _run_last(self) -> None:
        future, fn, args = self._waiting.pop()
        self.order.append(args[0].block.index)
        future.set_result(fn(*args))


def test_the_order_of_blocks_does_not_matter(tmp_path: Path, undisturbed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKS", str(tmp_path))
    executor = Backwards()
    verdict = verify(claim(str(written(tmp_path, SLOW))), executor=executor)
    assert executor.order != sorted(executor.order)
    assert numbers(f"[{verdict.to_json()}]") == undisturbed


def test_another_seed_gives_other_numbers(tmp_path: Path, undisturbed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKS", str(tmp_path))
    written(tmp_path, SLOW.replace("time.sleep(0.15)", "pass"))
    assert here(tmp_path, seed=0)[0]["estimate"] == undisturbed[0]["estimate"]
    assert here(tmp_path, seed=1)[0]["estimate"] != undisturbed[0]["estimate"]


def test_a_changed_simulation_reuses_nothing_and_a_changed_formula_reuses_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKS", str(tmp_path))
    quick = SLOW.replace("time.sleep(0.15)", "pass")
    for text, total in (
        (quick, BLOCKS),
        (quick.replace("n.symbol + 2)", "n.symbol + 3)"), BLOCKS),
        (quick.replace("rng.uniform(trials, n)", "rng.uniform(trials, n + 0)"), 2 * BLOCKS),
        (quick, 2 * BLOCKS),
    ):
        written(tmp_path, text)
        load_file.cache_clear()
        here(tmp_path)
        assert len(rows(tmp_path / "store.sqlite")) == sum(marks(tmp_path).values()) == total


def test_two_runs_may_share_a_store(tmp_path: Path, undisturbed: Any, started: Any) -> None:
    together = [started("--jobs", "1") for _ in range(2)]
    for process in together:
        out, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        assert numbers(out) == undisturbed
    with Store(tmp_path / "store.sqlite") as store:
        assert store.check() == BLOCKS


def test_a_file_edited_while_workers_start_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKS", str(tmp_path))
    path = written(tmp_path, SLOW)
    known = claim(str(path))
    with Store(tmp_path / "store.sqlite") as store:
        with local(2) as executor:
            path.write_text(SLOW.replace("max(axis=1)", "min(axis=1)"))
            with pytest.raises(SimulationError, match="not the same here"):
                verify(known, executor=executor, store=store)
        assert len(store) == 0
