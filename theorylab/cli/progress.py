"""Progress: a bar on a terminal, plain lines elsewhere; always on standard error."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class Bar:
    """Two bars, tasks and the blocks of the current task; a context manager.

    Parameters
    ----------
    tasks
        How many tasks there are.
    noun
        What a task is, in the plural.
    """

    def __init__(self, tasks: int, noun: str = "claims") -> None:
        self._console = Console(stderr=True)
        self._live = self._console.is_terminal
        self._count, self._tasks = 0, tasks
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            console=self._console, transient=True, disable=not self._live,
        )  # fmt: skip
        self._all = self._progress.add_task(noun, total=tasks)
        self._blocks = self._progress.add_task("blocks", total=None)

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def start(self, name: str) -> None:
        """A task begins."""
        self._progress.reset(self._blocks, total=None, description=name)

    def blocks(self, done: int, planned: int, name: str | None = None) -> None:
        """Blocks of a task (the current one, or the one that is named) have finished."""
        self._progress.update(self._blocks, completed=done, total=planned, description=name)

    def finish(self, line: str) -> None:
        """A task has ended; `line` is what came of it."""
        self._count += 1
        self._progress.advance(self._all)
        if self._live:
            self._progress.console.print(line, highlight=False, markup=False)
        else:
            print(f"[{self._count}/{self._tasks}] {line}", file=sys.stderr, flush=True)


def table_width() -> int:
    """Columns that a table on standard output may have: those of the terminal, or plenty in a file or pipe."""
    console = Console()
    return console.width if console.is_terminal else 220


def table(renderable: Any) -> None:
    """Print a table to standard output."""
    Console(width=table_width()).print(renderable)
