"""Where blocks are computed: local processes, a Dask cluster, or any other `concurrent.futures.Executor`."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager

from theorylab.errors import UsageError


@contextmanager
def local(jobs: int | None = None) -> Iterator[Executor | None]:
    """A pool of local processes with one BLAS thread each; None (compute here) for a single job.

    Parameters
    ----------
    jobs
        Number of processes; as many as there are usable cores when None.
    """
    count = jobs if jobs is not None else cores()
    if count < 1:
        raise UsageError(f"jobs = {count}: at least 1 is needed")
    if count == 1:
        yield None
        return
    import multiprocessing

    # Processes are spawned, not forked: a fork would copy locked threads of BLAS and Numba.
    pool = ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def dask(address: str) -> Iterator[Executor]:
    """The workers of a Dask cluster: the address of its scheduler, or "local" for one on this machine."""
    if importlib.util.find_spec("distributed") is None:
        raise UsageError("--dask needs the extra: pip install 'theorylab[distributed]'")
    from distributed import Client

    try:
        client = Client(threads_per_worker=1) if address == "local" else Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise UsageError(f"no Dask scheduler at {address}: {' '.join(str(error).split())}") from None
    with client:
        yield client.get_executor(pure=False)


def cores() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def _start_worker() -> None:
    import signal

    # Ctrl-C is for the coordinating process, which lets the workers go.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
