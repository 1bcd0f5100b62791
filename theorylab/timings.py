"""How long finished blocks took: read from a store, without making or changing anything or keeping others waiting."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from theorylab.errors import StoreError
from theorylab.store import VERSION, default_path


@dataclass(frozen=True)
class Timing:
    """Blocks of one parameter point: how many, their trials, and the processor seconds that they took."""

    blocks: int
    trials: int
    seconds: float


def timings(claim: str, fingerprint: str, backend: str, path: str | Path | None = None) -> dict[str, Timing]:
    """Finished blocks of a claim.

    Parameters
    ----------
    claim, fingerprint, backend
        Its name, the fingerprint of its simulation as it is now, and the backend.
    path
        The store; `store.default_path()` when None.

    Returns
    -------
    dict
        By parameters, as `sampling.canonical` writes them; empty when there is no store.

    Raises
    ------
    StoreError
        When the file is not a store of this version, or damaged.
    """
    store = Path(path) if path is not None else default_path()
    if not store.exists():
        return {}
    # Without a log of pending writes nobody has the store open: then nothing has to be made beside it to read it.
    quiet = not Path(f"{store}-wal").exists()
    address = f"{store.resolve().as_uri()}?mode=ro{'&immutable=1' if quiet else ''}"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=1.0)) as db:
            tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if not tables:
                return {}
            if "blocks" not in tables or db.execute("PRAGMA user_version").fetchone()[0] != VERSION:
                raise StoreError(f"{store} is not a store of this version of theorylab; name another with --store")
            rows = db.execute(
                "SELECT params, COUNT(*), SUM(trials), SUM(seconds) FROM blocks "
                "WHERE claim = ? AND fingerprint = ? AND backend = ? GROUP BY params",
                (claim, fingerprint, backend),
            ).fetchall()
    except sqlite3.DatabaseError as error:
        raise StoreError(
            f"store {store} cannot be read ({' '.join(str(error).split())}); name another with --store"
        ) from None
    return {params: Timing(blocks, trials, seconds) for params, blocks, trials, seconds in rows}
