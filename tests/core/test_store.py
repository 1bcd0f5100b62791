"""The store gives back what was put in, bit for bit, or says in one line why it cannot; never a wrong number."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from claim_files import SLOW, environment, written
from claim_files import theorylab as command
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from stored_blocks import block, filled, same, samples

import theorylab.store
from theorylab.errors import StoreError
from theorylab.sampling import Block
from theorylab.store import Store, default_path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


@pytest.fixture
def open_folder() -> Iterator[Path]:
    # Pytest's own folders are closed to other users, as whom the programs of some tests run.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_returns_what_was_put(path: Path) -> None:
    filled(path)
    with Store(path) as store:
        assert len(store) == 30
        assert store.check() == 30
        for i in range(30):
            kept = store.get(block(i), "code")
            assert kept is not None
            assert same(kept, samples(i))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    st.dictionaries(
        st.text("abcxyz_", min_size=1, max_size=8),
        hnp.arrays(
            st.sampled_from([np.float64, np.float32, np.int64, np.bool_]),
            hnp.array_shapes(min_dims=1, max_dims=3, max_side=4),
        ),
        min_size=1,
        max_size=3,
    )
)
def test_keeps_every_bit_of_any_observable(observables: dict[str, np.ndarray]) -> None:
    with Store(Path(":memory:")) as store:
        store.put(block(), "code", observables, 0.0)
        kept = store.get(block(), "code")
        assert kept is not None
        assert same(kept, observables)


@pytest.mark.parametrize(
    "other",
    [
        block(1), block(seed=1), block(trials=9), block(backend="numba"), block(claim="f/t/d"),
        block(params={"n": 20, "x": np.nextafter(0.5, 1)}), block(params={"n": 20}), block(params={"n": 21, "x": 0.5}),
    ],
)  # fmt: skip
def test_nothing_is_found_for_another_block(path: Path, other: Block) -> None:
    with Store(path) as store:
        store.put(block(), "code", samples(0), 0.1)
        assert store.get(other, "code") is None
        assert store.get(block(), "changed code") is None


def test_equal_parameters_are_found_however_they_are_written(path: Path) -> None:
    with Store(path) as store:
        store.put(block(params={"x": 0.5, "n": 20}), "code", samples(0), 0.1)
        assert store.get(block(params={"n": np.int64(20), "x": np.float64(0.5)}), "code") is not None


def test_a_finished_block_is_never_overwritten(path: Path) -> None:
    with Store(path) as store:
        store.put(block(), "code", samples(0), 0.1)
        store.put(block(), "code", samples(1), 0.1)
        kept = store.get(block(), "code")
    assert kept is not None
    assert same(kept, samples(0))


def test_an_empty_store_is_not_false(path: Path) -> None:
    with Store(path) as store:
        assert len(store) == 0
        assert store


def test_a_file_of_something_else_is_refused_and_left_alone(path: Path) -> None:
    path.write_text("my precious notes, long enough to be more than a header\n" * 20)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"store\.sqlite is damaged .*not a database"):
        Store(path)
    assert path.read_bytes() == before


def test_another_sqlite_file_is_refused_and_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE molecules (name TEXT)")
    db.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="SQLite file of something else; name another with --store"):
        Store(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("version", [0, theorylab.store.VERSION + 1])
def test_another_version_is_refused(path: Path, version: int) -> None:
    filled(path, 1)
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {version}")
    db.close()
    with pytest.raises(StoreError, match=f"has version {version}, this theorylab writes version"):
        Store(path)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot be written .*--store"):
        Store(tmp_path)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="name another file with --store"):
        Store(tmp_path / "file" / "store.sqlite")


def test_a_lock_of_another_program_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(theorylab.store, "_LOCK_SECONDS", 0.2)
    filled(path, 1)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked by another program"):
        Store(path)
    other.execute("COMMIT")
    other.close()
    Store(path).close()


WRITE_UNTIL_FULL = """
import resource, sys
import numpy as np
from theorylab.errors import StoreError
from theorylab.sampling import Block
from theorylab.store import Store
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
with Store(sys.argv[1]) as store:
    for i in range(1000):
        data = np.random.default_rng(i).normal(size=1000)
        try:
            store.put(Block("c", {}, 0, i, 1000, "numpy"), "code", {"value": data}, 0.0)
        except StoreError as error:
            print(i, error)
            break
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="needs a limit on the size of files")
def test_a_full_disk_keeps_the_finished_blocks(path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", WRITE_UNTIL_FULL, path], capture_output=True, text=True, check=True)
    count, _, message = done.stdout.strip().partition(" ")
    assert "the disk is full" in message
    assert "free room and run again" in message
    assert done.stderr == ""
    with Store(path) as store:
        assert store.check() == int(count) > 5
        for i in range(int(count)):
            kept = store.get(Block("c", {}, 0, i, 1000, "numpy"), "code")
            assert kept is not None
            assert same(kept, {"value": np.random.default_rng(i).normal(size=1000)})
        store.put(Block("c", {}, 0, int(count), 1000, "numpy"), "code", samples(0), 0.0)


VERIFY_UNTIL_FULL = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
from theorylab.cli import main
main()
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="needs a limit on the size of files")
def test_a_disk_that_fills_up_during_a_run_is_one_line_and_the_run_resumes(tmp_path: Path, path: Path) -> None:
    mine = written(tmp_path, SLOW.replace("time.sleep(0.15)", "pass"))
    done = subprocess.run(
        [sys.executable, "-c", VERIFY_UNTIL_FULL, "verify", mine, "--jobs", "1"],
        cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"theorylab: store {path}: the disk is full")
    with Store(path) as store:
        kept = store.check()
    assert 0 < kept < 24
    # Every computation leaves a mark in the folder: those kept are not computed again.
    before = len(list(tmp_path.glob("*-*_*")))
    done = command("verify", mine, "--jobs", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("*-*_*"))) == before + 24 - kept


OPEN_STORE = """
import os, sys
from theorylab.errors import StoreError
from theorylab.store import Store
if os.geteuid() == 0:
    os.seteuid(65534)  # the superuser may write everywhere
try:
    Store(sys.argv[1])
except StoreError as error:
    print(error)
"""


def open_as_nobody(path: Path) -> str:
    done = subprocess.run([sys.executable, "-c", OPEN_STORE, path], capture_output=True, text=True, check=True)
    return done.stdout


def test_a_read_only_store_is_named_before_anything_is_computed(open_folder: Path) -> None:
    path = open_folder / "store.sqlite"
    filled(path, 1)
    path.chmod(0o444)
    open_folder.chmod(0o555)
    message = open_as_nobody(path)
    assert "store.sqlite cannot be written" in message
    assert "name another file with --store" in message


def test_a_closed_folder_is_named(open_folder: Path) -> None:
    open_folder.chmod(0o555)
    assert "name another file with --store" in open_as_nobody(open_folder / "new" / "store.sqlite")
    assert "name another file with --store" in open_as_nobody(open_folder / "store.sqlite")


FILL_TOGETHER = """
import sys
import numpy as np
from theorylab.sampling import Block
from theorylab.store import Store
with Store(sys.argv[1]) as store:
    for i in range(60):
        block = Block("c", {}, 0, i, 100, "numpy")
        data = {"value": np.random.default_rng(i).normal(size=100)}
        kept = store.get(block, "code")
        if kept is None:
            store.put(block, "code", data, 0.0)
        else:
            assert kept["value"].tobytes() == data["value"].tobytes()
"""


def test_processes_may_share_a_new_store(path: Path) -> None:
    together = [
        subprocess.Popen([sys.executable, "-c", FILL_TOGETHER, path], stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for process in together:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    with Store(path) as store:
        assert store.check() == 60


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_nothing_that_was_reported_is_lost_in_two_hundred_kills(tmp_path: Path) -> None:
    program = Path(__file__).with_name("killed_writers.py")
    # One thread: a process that is forked must be all there is.
    done = subprocess.run(
        [sys.executable, program, tmp_path, "200"],
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    killed, reported = map(int, done.stdout.split())
    assert killed == 200
    assert reported > 200


def test_default_path_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("THEORYLAB_STORE", str(tmp_path / "named.sqlite"))
    assert default_path() == tmp_path / "named.sqlite"
    monkeypatch.delenv("THEORYLAB_STORE")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_path() == tmp_path / "theorylab" / "store.sqlite"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_path() == tmp_path / ".local" / "share" / "theorylab" / "store.sqlite"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert default_path() == tmp_path / "Library" / "Application Support" / "theorylab" / "store.sqlite"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert default_path() == tmp_path / "theorylab" / "store.sqlite"


# Opens one new store after the other, each at an agreed time.
MAKER = """
import sys, time
from pathlib import Path
from theorylab.store import Store

print("ready", flush=True)
start = float(sys.stdin.readline())
for i in range(60):
    while time.time() < start + 0.03 * i:
        pass
    with Store(Path(sys.argv[1]) / f"{i}.sqlite") as store:
        assert len(store) == 0
"""


def test_many_may_make_a_store_at_once(tmp_path: Path) -> None:
    """While one of them turns a new file into a store, SQLite tells the others that it is locked without waiting."""
    command = [sys.executable, "-c", MAKER, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    makers = [subprocess.Popen(command, **pipes) for _ in range(4)]  # type: ignore[call-overload]
    for maker in makers:
        assert maker.stdout.readline() == "ready\n"
    for maker in makers:
        maker.stdin.write(f"{time.time() + 0.2}\n")
        maker.stdin.flush()
    for maker in makers:
        _, errors = maker.communicate(timeout=120)
        assert maker.returncode == 0, errors
