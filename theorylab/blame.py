"""Errors in a user's own code, in one line that says where."""

from __future__ import annotations

import os
import sysconfig
import traceback
from functools import cache
from pathlib import Path

from theorylab.errors import TheorylabError

# The rooms of theorylab that hold theories; the rest is the instrument.
_ROOMS = {"applications", "claims", "derivations", "figures", "sims"}


def one_line(error: BaseException) -> str:
    """What an error says, with the innermost file and line that the instrument is not to blame for."""
    place = blamed(error)
    if isinstance(error, SyntaxError):
        text = error.msg
    else:
        text = " ".join(str(error).split())
        if not isinstance(error, TheorylabError):
            text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return f"{place[0]}, line {place[1]}: {text}" if place else text


def blamed(error: BaseException, below: Path | None = None) -> tuple[str, int] | None:
    """File and line of the innermost call outside of Python, its packages and the instrument, below a folder if any."""
    places = [(f.filename, f.lineno or 0) for f in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        places.append((error.filename, error.lineno or 0))
    for name, line in reversed(places):
        file = Path(name).resolve()
        if file.is_file() and not _is_instrument(file) and (below is None or file.is_relative_to(below)):
            return shown(file), line
    return None


def shown(path: str | Path) -> str:
    """A path as a user would type it: relative to the current folder when it lies below."""
    absolute, here = Path(path).resolve(), Path.cwd()
    return os.path.relpath(absolute, here) if absolute.is_relative_to(here) else str(absolute)


def is_installed(file: Path) -> bool:
    """Whether a file belongs to Python or to an installed package, and is not the user's own."""
    return bool({"site-packages", "dist-packages"} & set(file.parts)) or any(
        file.is_relative_to(folder) for folder in _installed()
    )


def _is_instrument(file: Path) -> bool:
    home = Path(__file__).resolve().parent
    if file.is_relative_to(home):
        return file.relative_to(home).parts[0] not in _ROOMS
    return is_installed(file)


@cache
def _installed() -> set[Path]:
    return {Path(sysconfig.get_path(k)).resolve() for k in ("stdlib", "platstdlib", "purelib", "platlib")}
