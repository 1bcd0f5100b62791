"""Options that several commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from theorylab.store import Store

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def parameters(command: Callable[..., Any]) -> Callable[..., Any]:
    """`-p NAME=VALUE`, repeatable."""
    return click.option(
        "-p", "assignments", metavar="NAME=VALUE", multiple=True,
        help="Parameter: a number, a list 1,2,5 or a grid START:STOP:COUNT[:log]. Repeatable.",
    )(command)  # fmt: skip


SEED = click.IntRange(0, 2**63 - 1)


@dataclass(frozen=True)
class Resources:
    """What a run computes with: workers (None: this process), where it keeps blocks, and the memory of a process."""

    executor: Executor | None
    store: Store
    memory: int | None


@dataclass(frozen=True)
class Running:
    """The options of every command that runs simulations."""

    seed: int
    backend: str
    jobs: int | None
    dask: str | None
    memory: int | None
    store_path: str | None

    @contextmanager
    def resources(self) -> Iterator[Resources]:
        """The executor and the store that the options ask for."""
        from theorylab import executors
        from theorylab.errors import UsageError
        from theorylab.store import Store

        if self.dask is not None and self.jobs is not None:
            raise UsageError("--jobs and --dask exclude each other: the cluster decides how many workers there are")
        with ExitStack() as stack:
            store = stack.enter_context(Store(self.store_path))
            workers = executors.dask(self.dask) if self.dask is not None else executors.local(self.jobs)
            yield Resources(stack.enter_context(workers), store, self.memory)


def _size(context: click.Context, parameter: click.Parameter, text: str | None) -> int | None:
    from theorylab.memory import size

    return None if text is None else size(text)


MEMORY = click.option(
    "--memory", metavar="SIZE", callback=_size,
    help="Most memory of a process, as 800M or 1.5G [default: its part of what is free].",
)  # fmt: skip


def running(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of `Running`; it receives them as one argument, `options`."""

    @functools.wraps(command)
    def gathered(**values: Any) -> Any:
        own = {field.name: values.pop(field.name) for field in fields(Running)}
        return command(options=Running(**own), **values)

    result: Callable[..., Any] = gathered
    for option in reversed((
        click.option("--seed", type=SEED, default=0, show_default=True, help="Names the random numbers."),
        click.option("--backend", default="auto", show_default=True, help="auto, numpy, numba or cupy."),
        click.option("--jobs", type=click.IntRange(1, 1024), help="Worker processes [default: one for each core]."),
        click.option("--dask", metavar="ADDRESS", help="Scheduler of a Dask cluster, or 'local'."),
        MEMORY,
        click.option("--store", "store_path", metavar="PATH", help="Store of finished blocks [default: see README]."),
    )):  # fmt: skip
        result = option(result)
    return result
