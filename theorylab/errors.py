"""The errors that a user meets: one line each, naming the mistake and the mend."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any


class TheorylabError(Exception):
    """Base of every error that theorylab raises on purpose; the command line exits with `exit_code`."""

    exit_code = 2


class UsageError(TheorylabError, ValueError):
    """A request that cannot be carried out as it was put."""


class DomainError(UsageError):
    """A parameter value outside its domain, or values that violate a joint constraint."""


class UnknownNameError(UsageError, LookupError):
    """A claim, parameter, budget or backend that does not exist."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        super().__init__(f"unknown {kind} {name!r}{_suggest(name, list(known))}{hint}")

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        # Workers send errors back by pickling them; the message is all that is left of the arguments.
        return UsageError, self.args


class BackendError(UsageError):
    """A backend that is not installed, or on which a simulation does not run."""


class LackOfMemory(UsageError):
    """Not enough memory for a single trial."""


class DesignError(TheorylabError):
    """A claim that cannot be tested as it is written (for example a margin wider than its mutants allow)."""


class Interrupted(TheorylabError):
    """The user pressed Ctrl-C."""

    exit_code = 130


class StoreError(TheorylabError):
    """The result store is locked, read-only, damaged, full, or of another version."""


def _suggest(name: str, known: list[str]) -> str:
    # Compare also with the last part of a slashed name, so that `excess-rik` finds `a/b/excess-risk`.
    tails: dict[str, str] = {}
    for full in known:
        tails.setdefault(full, full)
        tails.setdefault(full.rsplit("/", 1)[-1], full)
    close = difflib.get_close_matches(name, list(tails), n=3, cutoff=0.6)
    nearest = list(dict.fromkeys(tails[c] for c in close))
    if nearest:
        return f"; did you mean {' or '.join(repr(c) for c in nearest)}?"
    if 0 < len(known) <= 12:
        return f"; choose from {', '.join(known)}"
    return ""
