"""Where blocks are computed: local processes, a Dask cluster, or any other `concurrent.futures.Executor`."""

from __future__ import annotations

import importlib.util
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from theorylab.errors import UsageError

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess


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
        _forget_work(pool)
        workers = set(multiprocessing.active_children()) - others
        for process in workers:
            process.terminate()
        _see_off(workers)
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _forget_work(pool: ProcessPoolExecutor) -> None:
    """Have a pool drop the work that has not begun.

    Its manager stumbles (with a traceback on standard error) over cancelled futures when the workers go away first.
    A last piece of work shows when it has gone through them all.
    """
    try:
        last = pool.submit(os.getpid)
    except RuntimeError:
        return  # broken already
    pool.shutdown(wait=False, cancel_futures=True)
    deadline = time.monotonic() + 5.0
    while not (last.done() or last.running()) and time.monotonic() < deadline:
        time.sleep(0.005)


def _see_off(workers: set[BaseProcess]) -> None:
    """Wait until ended workers are on record as ended.

    A process has one end to be collected: when the pool's own thread gets it first, `join` returns before that
    thread has written it down.
    """
    import multiprocessing

    for process in workers:
        process.join()
    deadline = time.monotonic() + 5.0
    while workers & set(multiprocessing.active_children()) and time.monotonic() < deadline:
        time.sleep(0.001)


class _Pool(ProcessPoolExecutor):
    """Workers that are deaf to Ctrl-C from their first moment: it is for the coordinating process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        # Workers start here.
        with deaf_children():
            return super().submit(fn, *args, **kwargs)


@contextmanager
def deaf_children() -> Iterator[None]:
    """Hold Ctrl-C back for a moment: processes that start meanwhile start whole, and never hear it themselves."""
    # The mask is what a new process inherits; but any other thread may still hear the signal for this one.
    heard: list[bool] = []
    answer = signal.getsignal(signal.SIGINT)
    held = callable(answer) and threading.current_thread() is threading.main_thread()
    if held:
        signal.signal(signal.SIGINT, lambda *_: heard.append(True))
    before: Iterable[int] | None = None
    if hasattr(signal, "pthread_sigmask"):
        from multiprocessing import resource_tracker

        # Python starts it with the first process, and lifts the mask when it has.
        resource_tracker.ensure_running()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        if before is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if held:
            signal.signal(signal.SIGINT, answer)
        if heard and callable(answer):
            answer(signal.SIGINT, None)


@contextmanager
def dask(address: str) -> Iterator[Executor]:
    """The workers of a Dask cluster: the address of its scheduler, or "local" for one on this machine.

    Raises
    ------
    UsageError
        When there is no scheduler, when no worker comes, or when one has other versions than this process.
    """
    if importlib.util.find_spec("distributed") is None:
        raise UsageError("--dask needs the extra: pip install 'theorylab[distributed]'")
    from theorylab.cluster import connected

    with connected(address) as workers:
        yield workers


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
