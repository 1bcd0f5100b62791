"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
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


def running(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of every command that runs simulations."""
    for option in reversed((
        click.option("--seed", type=SEED, default=0, show_default=True, help="Names the random numbers."),
        click.option("--backend", default="auto", show_default=True, help="auto, numpy, numba or cupy."),
        click.option("--jobs", type=click.IntRange(1, 1024), help="Worker processes [default: one for each core]."),
        click.option("--dask", metavar="ADDRESS", help="Scheduler of a Dask cluster, or 'local'."),
        click.option("--store", "store_path", metavar="PATH", help="Store of finished blocks [default: see README]."),
    )):  # fmt: skip
        command = option(command)
    return command


@contextmanager
def resources(jobs: int | None, dask: str | None, store_path: str | None) -> Iterator[tuple[Executor | None, Store]]:
    """The executor and the store that the options ask for."""
    from theorylab import executors
    from theorylab.errors import UsageError
    from theorylab.store import Store

    if dask is not None and jobs is not None:
        raise UsageError("--jobs and --dask exclude each other: the cluster decides how many workers there are")
    with ExitStack() as stack:
        store = stack.enter_context(Store(store_path))
        executor = stack.enter_context(executors.dask(dask) if dask is not None else executors.local(jobs))
        yield executor, store
