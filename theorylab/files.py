"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from theorylab.errors import UsageError


def demand_place(path: Path) -> None:
    """Raise `UsageError` when a file cannot be written at `path`; to be asked before any long work is done."""
    if not path.parent.is_dir():
        raise UsageError(f"no folder {path.parent}: make it first")
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is not a file that can be replaced")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise UsageError(f"cannot write {path}: the folder {path.parent} is closed to you")


def write_atomically(path: Path, write: Callable[[str], Any]) -> None:
    """Call `write` with a temporary name in the same folder, then rename; on any error nothing is left.

    Raises
    ------
    UsageError
        When the folder does not exist or the file cannot be written.
    """
    demand_place(path)
    # A link stays a link: the file that it leads to is replaced.
    target = path.resolve()
    temporary = target.with_name(f".{target.stem}-{secrets.token_hex(4)}{target.suffix}")
    try:
        write(str(temporary))
        os.replace(temporary, target)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        temporary.unlink(missing_ok=True)
