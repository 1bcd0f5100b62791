"""The store: one SQLite file, one row per finished block, found again by content.

Only the coordinating process writes, one transaction per block: a killed run loses at most the blocks in
flight. A row carries a checksum, so that a damaged file is a clear error and never a wrong number.
"""

from __future__ import annotations

import hashlib
import io
import os
import sqlite3
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from theorylab.errors import StoreError
from theorylab.sampling import Block, canonical
from theorylab.simulation import Samples

VERSION = 1
_LOCK_SECONDS = 10.0


def default_path() -> Path:
    """`$THEORYLAB_STORE`, or a file in the platform's user data directory."""
    if named := os.environ.get("THEORYLAB_STORE"):
        return Path(named)
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    else:
        base = Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share"))
    return base / "theorylab" / "store.sqlite"


class Store:
    """Finished blocks on disk; a context manager.

    Parameters
    ----------
    path
        The SQLite file; it and its folder are made when they do not exist. `default_path()` when None.

    Raises
    ------
    StoreError
        When the file is not a store, damaged, of another version, locked, read-only, or the disk is full.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = Path(path) if path is not None else default_path()
        with self._explained():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.path, timeout=_LOCK_SECONDS, isolation_level=None)
        try:
            with self._explained():
                self._open_patiently()
        except StoreError:
            self._db.close()
            raise

    def _open_patiently(self) -> None:
        """Open; when others make or recover the file at this moment, SQLite may call it locked without waiting."""
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                return self._open()
            except sqlite3.OperationalError as error:
                if not _is_locked(error) or time.monotonic() > deadline:
                    raise
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                time.sleep(0.02)

    def _open(self) -> None:
        tables = {name for (name,) in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if tables and "blocks" not in tables:
            raise StoreError(f"{self.path} is an SQLite file of something else; name another with --store")
        if tables and version != VERSION:
            raise StoreError(
                f"store {self.path} has version {version}, this theorylab writes version {VERSION}; "
                "name another file with --store, or move this one away"
            )
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        # Taking the lock for writing shows now, before anything is computed, whether a block can be kept.
        self._db.execute("BEGIN IMMEDIATE")
        if not tables:
            self._db.execute(
                """
                CREATE TABLE IF NOT EXISTS blocks (
                    key TEXT PRIMARY KEY, claim TEXT NOT NULL, params TEXT NOT NULL, seed INTEGER NOT NULL,
                    block INTEGER NOT NULL, trials INTEGER NOT NULL, backend TEXT NOT NULL,
                    fingerprint TEXT NOT NULL, seconds REAL NOT NULL, checksum BLOB NOT NULL, samples BLOB NOT NULL
                )
                """
            )
            self._db.execute(f"PRAGMA user_version = {VERSION}")
        self._db.execute("COMMIT")

    def get(self, block: Block, fingerprint: str) -> Samples | None:
        """The samples of a finished block, or None."""
        key = block.key(fingerprint)
        with self._explained():
            row = self._db.execute("SELECT samples, checksum FROM blocks WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        data, checksum = row
        if not _intact(key, data, checksum):
            raise StoreError(self._damaged(f"block {block.index} of {block.claim} does not match its checksum"))
        return _unpack(data)

    def put(self, block: Block, fingerprint: str, samples: Samples, seconds: float) -> None:
        """Keep a finished block: all of it or nothing."""
        data, key = _pack(samples), block.key(fingerprint)
        row = (
            key, block.claim, canonical(block.params), str(block.seed), int(block.index), int(block.trials),
            block.backend, fingerprint, seconds, _checksum(key, data), data,
        )  # fmt: skip
        with self._explained():
            self._db.execute(f"INSERT OR IGNORE INTO blocks VALUES ({', '.join('?' * len(row))})", row)

    def check(self) -> int:
        """Read everything, which takes seconds for each gigabyte; return the number of blocks.

        Opening a store does not do this: what is read later is checked when it is read.

        Raises
        ------
        StoreError
            When any part of the file is damaged.
        """
        with self._explained():
            damage = self._db.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if damage != "ok":
                raise StoreError(self._damaged(damage))
            for key, data, checksum in self._db.execute("SELECT key, samples, checksum FROM blocks"):
                if not _intact(key, data, checksum):
                    raise StoreError(self._damaged(f"block {str(key)[:12]} does not match its checksum"))
        return len(self)

    def __bool__(self) -> bool:
        # An empty store is a store: `if store` must not mean `if it holds blocks`.
        return True

    def __len__(self) -> int:
        with self._explained():
            return int(self._db.execute("SELECT COUNT(*) FROM blocks").fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _damaged(self, detail: str) -> str:
        return (
            f"store {self.path} is damaged ({' '.join(detail.split())}); move it away and run again, "
            "or restore a copy: nothing was read from it"
        )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn the errors of SQLite and of the file system into one line each."""
        try:
            yield
        except (sqlite3.ProgrammingError, sqlite3.InterfaceError):
            # A misuse of the store, such as reading it when closed: no fault of the file.
            raise
        except sqlite3.DatabaseError as error:
            raise StoreError(self._explain(error)) from None
        except OSError as error:
            raise StoreError(f"store {self.path}: {error.strerror or error}; name another file with --store") from None

    def _explain(self, error: sqlite3.DatabaseError) -> str:
        text = str(error)
        if _is_locked(error):
            return (
                f"store {self.path} is locked by another program (waited {_LOCK_SECONDS:.0f} s); "
                "run again, or name another file with --store"
            )
        if "readonly" in text or "unable to open" in text:
            return f"store {self.path} cannot be written ({text}); name another file with --store"
        if "full" in text or "disk I/O" in text:
            return f"store {self.path}: the disk is full ({text}); finished blocks are kept, free room and run again"
        return self._damaged(text)


def _intact(key: Any, data: Any, checksum: Any) -> bool:
    # What a damaged file gives back need not even be of the type that was put in.
    return isinstance(key, str) and isinstance(data, bytes) and _checksum(key, data) == checksum


def _is_locked(error: sqlite3.DatabaseError) -> bool:
    return "locked" in str(error) or "busy" in str(error)


def _checksum(key: str, data: bytes) -> bytes:
    return hashlib.sha256(key.encode() + data).digest()


def _pack(samples: Samples) -> bytes:
    buffer = io.BytesIO()
    arrays: dict[str, Any] = dict(samples)
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _unpack(data: bytes) -> Samples:
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, zipfile.BadZipFile) as error:
        raise StoreError(f"a stored block cannot be read: {error}") from None
