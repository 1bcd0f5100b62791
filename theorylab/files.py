"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from theorylab.errors import UsageError


def write_atomically(path: Path, write: Callable[[str], Any]) -> None:
    """Call `write` with a temporary name in the same folder, then rename; on any error nothing is left.

    Raises
    ------
    UsageError
        When the folder does not exist or the file cannot be written.
    """
    if not path.parent.is_dir():
        raise UsageError(f"no folder {path.parent}")
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
        os.close(handle)
        write(temporary)
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)
