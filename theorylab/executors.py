"""Where blocks are computed: local processes, a Dask cluster, or any other `concurrent.futures.Executor`."""

from __future__ import annotations

import importlib.util
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

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

    others = set(multiprocessing.active_children())
    # Processes are spawned, not forked: a fork would copy locked threads of BLAS and Numba.
    pool = _Pool(count, mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker)
    try:
        yield pool
    except BaseException:
        # Interrupted or broken off: what the workers are doing is not waited for.
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class _Pool(ProcessPoolExecutor):
    """Workers that are deaf to Ctrl-C from their first moment: it is for the coordinating process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        # Workers start here.
        with _deaf_children():
            return super().submit(fn, *args, **kwargs)


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Hold Ctrl-C back for a moment: processes that start meanwhile inherit that, and never hear it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def dask(address: str) -> Iterator[Executor]:
    """The workers of a Dask cluster: the address of its scheduler, or "local" for one on this machine."""
    if importlib.util.find_spec("distributed") is None:
        raise UsageError("--dask needs the extra: pip install 'theorylab[distributed]'")
    try:
        from distributed import Client
    except ImportError as error:
        raise UsageError(f"--dask: distributed is installed but cannot be imported ({error})") from None
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
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    """A worker whose coordinating process was killed would wait for work forever."""
    import multiprocessing

    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
