"""The store gives back what was put in, bit for bit, or says in one line why it cannot; never a wrong number."""

from __future__ import annotations

import os
import random
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from claim_files import SLOW, environment, written
from claim_files import theorylab as command
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import theorylab.store
from theorylab.errors import StoreError
from theorylab.sampling import Block
from theorylab.store import Store, default_path


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


def test_every_truncation_is_noticed(path: Path) -> None:
    filled(path)
    whole = path.read_bytes()
    source = random.Random(1)
    for length in [50, 99, 100, 512, 4095, 4096, *(source.randrange(4097, len(whole) - 4096) for _ in range(20))]:
        path.write_bytes(whole[:length])
        with pytest.raises(StoreError, match=r"store\.sqlite is damaged .*move it away") as caught:
            Store(path)
        assert "\n" not in str(caught.value)


def test_a_file_cut_within_its_last_page_gives_no_wrong_number(path: Path) -> None:
    filled(path)
    path.write_bytes(path.read_bytes()[:-100])
    with Store(path) as store:
        with pytest.raises(StoreError, match="damaged"):
            store.check()
        with pytest.raises(StoreError, match="does not match its checksum"):
            assert all(same(store.get(block(i), "code") or {}, samples(i)) for i in range(30))


def test_a_flipped_bit_is_never_a_wrong_number(path: Path) -> None:
    filled(path)
    whole = path.read_bytes()
    source = random.Random(2)
    found = refused = missing = 0
    for _ in range(150):
        damaged = bytearray(whole)
        damaged[source.randrange(len(whole))] ^= 1 << source.randrange(8)
        path.write_bytes(damaged)
        for name in ("-wal", "-shm"):
            Path(f"{path}{name}").unlink(missing_ok=True)
        try:
            with Store(path) as store:
                for i in range(30):
                    kept = store.get(block(i), "code")
                    assert kept is None or same(kept, samples(i))
                    found, missing = found + (kept is not None), missing + (kept is None)
        except StoreError:
            refused += 1
    # Two thirds of the file are samples. The rest is room between rows, and keys: a block whose key is flipped is not
    # found and is computed again.
    assert refused > 90
    assert missing < 5


@pytest.fixture(scope="module")
def torn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The file of a store and its log, as a power cut in the middle of a run leaves them, by the end of their names."""
    path = tmp_path_factory.mktemp("torn") / "store.sqlite"
    filled(path, 12)
    with Store(path) as store:
        for i in range(12, 30):
            store.put(block(i), "code", samples(i), 0.1)
        return {end: Path(f"{path}{end}").read_bytes() for end in ("", "-wal")}


def laid_out(path: Path, files: dict[str, bytes]) -> None:
    for end in ("", "-wal", "-shm"):
        Path(f"{path}{end}").unlink(missing_ok=True)
    for end, content in files.items():
        Path(f"{path}{end}").write_bytes(content)


def cut(content: bytes, source: random.Random) -> bytes:
    return content[: source.randrange(len(content))]


def overwritten(content: bytes, source: random.Random) -> bytes:
    start, count = source.randrange(len(content)), source.choice([1, 30, 4096])
    return content[:start] + source.randbytes(len(content[start : start + count])) + content[start + count :]


def blanked(content: bytes, source: random.Random) -> bytes:
    start = source.randrange(len(content)) // 4096 * 4096
    return content[:start] + bytes(len(content[start : start + 4096])) + content[start + 4096 :]


def test_a_store_left_in_the_middle_of_a_run_is_whole(path: Path, torn: dict[str, bytes]) -> None:
    laid_out(path, torn)
    with Store(path) as store:
        assert store.check() == 30


@pytest.mark.parametrize("end", ["", "-wal"])
@pytest.mark.parametrize("damage", [cut, overwritten, blanked])
def test_a_run_on_a_damaged_store_ends_in_a_message_or_has_the_right_numbers(
    path: Path, torn: dict[str, bytes], end: str, damage: Callable[[bytes, random.Random], bytes]
) -> None:
    source = random.Random(f"{damage.__name__}{end}")
    for _ in range(25):
        laid_out(path, {**torn, end: damage(torn[end], source)})
        message = ""
        try:
            for _ in range(2):
                with Store(path) as store:
                    for i in range(30):
                        kept = store.get(block(i), "code")
                        if kept is None:
                            store.put(block(i), "code", samples(i), 0.1)
                        else:
                            assert same(kept, samples(i))
        except StoreError as error:
            message = str(error)
        assert message == "" or (str(path) in message and "\n" not in message)


def test_what_a_damaged_row_gives_back_need_not_be_bytes(path: Path) -> None:
    filled(path, 1)
    for damage in ("samples = 7", "samples = 'text'", "checksum = 0.5"):
        with closing(sqlite3.connect(path)) as db, db:
            db.execute(f"UPDATE blocks SET {damage}")
        with Store(path) as store:
            with pytest.raises(StoreError, match="does not match its checksum"):
                store.get(block(), "code")
            with pytest.raises(StoreError, match="does not match its checksum"):
                store.check()


def test_opening_does_not_read_the_whole_file_but_check_does(path: Path) -> None:
    filled(path, 200)
    whole = bytearray(path.read_bytes())
    whole[len(whole) * 3 // 4 : len(whole) * 3 // 4 + 4096] = bytes(4096)
    path.write_bytes(whole)
    with Store(path) as store:
        assert store.get(block(0), "code") is not None
        with pytest.raises(StoreError, match="damaged"):
            store.check()


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
