"""A damaged store says so, or has the right numbers; never a wrong one."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from stored_blocks import block, filled, same, samples

from theorylab.errors import StoreError
from theorylab.store import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


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
