"""Workers of a Dask cluster, examined before they are given work. Everything else is Dask's own."""

from __future__ import annotations

import logging
import os
import pickle
import signal
import socket
import sys
import sysconfig
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from typing import Any
from uuid import uuid4

from theorylab.blame import one_line
from theorylab.errors import UsageError
from theorylab.executors import cores, deaf_children

try:
    import distributed
except ImportError as error:
    raise UsageError(f"--dask: distributed is installed but cannot be imported ({error})") from None

CONNECT_SECONDS = 5.0
WORKER_SECONDS = 60.0
# What decides the bits of a block; the first must be there at all.
PACKAGES = ("theorylab", "distributed", "numpy", "scipy", "numba")


class Workers(Executor):
    """The workers that a client's scheduler has, and those that it will have."""

    def __init__(self, client: Any) -> None:
        self._executor = client.get_executor(pure=False)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Have a function called by one of the workers."""
        # What is sent can be read without theorylab: a worker that lacks it, or a scheduler, would otherwise fall over
        # the message and leave, where now there is an error to report.
        call = pickle.dumps(_Call(partial(fn, *args, **kwargs)))
        future: Future[Any] = self._executor.submit(pickle.loads, call, key=f"{fn.__name__}-{uuid4()}")
        return future


class _Call:
    """A call that is made where it is unpickled, and comes out as what it returns."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call

    def __reduce__(self) -> tuple[Callable[[], Any], tuple[()]]:
        return self._call, ()


@contextmanager
def connected(address: str) -> Iterator[Workers]:
    """The workers of the scheduler at an address, or of a cluster on this machine if it is "local".

    Dask's own log is silent meanwhile: what matters to the user comes as an error.

    Raises
    ------
    UsageError
        When there is no scheduler, when no worker comes, or when one has other versions than this process.
    """
    with _silence():
        if address == "local":
            with _own_cluster() as cluster, _client(cluster.scheduler_address) as client:
                yield Workers(client)
        else:
            with _client(address) as client:
                _demand_workers(client, address)
                _demand_same_versions(client)
                yield Workers(client)


@contextmanager
def _silence() -> Iterator[None]:
    loggers = [logging.getLogger(n) for n in ("distributed", "distributed.client", "tornado.application", "asyncio")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        yield
    finally:
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)


@contextmanager
def _own_cluster() -> Iterator[Any]:
    """Workers on this machine, one thread each and deaf to Ctrl-C; ended at once when the run is broken off."""
    try:
        with deaf_children():
            # Any port for the dashboard: a second cluster on a machine would warn that the usual one is taken.
            cluster = distributed.LocalCluster(
                n_workers=cores(), threads_per_worker=1, processes=True, dashboard_address=":0", memory_limit=0,
                silence_logs=logging.CRITICAL,
            )  # fmt: skip
    except Exception as error:
        raise UsageError(f"no Dask cluster can be started here: {one_line(error)}; use --jobs") from error
    with cluster:
        try:
            yield cluster
        except BaseException:
            for nanny in cluster.workers.values():
                nanny.auto_restart = False
                if nanny.pid is not None:
                    os.kill(nanny.pid, signal.SIGKILL)
            raise


def _client(address: str) -> Any:
    try:
        if "://" not in address or address.startswith("tcp://"):
            _demand_answer(*distributed.comm.get_address_host_port(address))
        with warnings.catch_warnings():
            # Other versions are an error later.
            warnings.simplefilter("ignore", distributed.versions.VersionMismatchWarning)
            return _Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except Exception as error:
        raise UsageError(f"no Dask scheduler at {address}: {' '.join(str(error).split())}") from None


class _Client(distributed.Client):  # type: ignore[misc]
    def start(self, **options: Any) -> None:
        """Connect; when that fails leave nothing behind that would be closed, and waited for, once more."""
        try:
            super().start(**options)
        except BaseException:
            self.status = "closed"
            raise


def _demand_answer(host: str, port: int) -> None:
    """Raise when what listens is silent: a scheduler speaks first, and Dask itself would wait for ever."""
    try:
        with socket.create_connection((host, port), CONNECT_SECONDS) as connection:
            connection.recv(1)
    except TimeoutError:
        raise TimeoutError(f"no answer in {CONNECT_SECONDS:.0f} s") from None
    except OSError:
        # Perhaps it has only just been started: Dask tries for some seconds more, and says what is wrong.
        return


def _demand_workers(client: Any, address: str) -> None:
    if not client.nthreads():
        print(f"waiting up to {WORKER_SECONDS:.0f} s for a worker of {address}", file=sys.stderr, flush=True)
    try:
        # Work, however small: a cluster that adapts starts no worker without.
        client.submit(os.getpid, pure=False).result(timeout=WORKER_SECONDS)
    except TimeoutError:
        raise UsageError(
            f"no worker has come to the Dask scheduler at {address} in {WORKER_SECONDS:.0f} s: start some, as by "
            f"`dask worker {address}`, and run again"
        ) from None


def _demand_same_versions(client: Any) -> None:
    """Raise unless the workers have the versions on which the bits of a block depend."""
    probes: dict[str, tuple[Any, ...]] = {"Python": (sysconfig.get_python_version,)}
    probes |= {package: (version, package) for package in PACKAGES}
    for name, (function, *arguments) in probes.items():
        mine, theirs = function(*arguments), client.run(function, *arguments, on_error="return")
        others = [worker for worker, found in theirs.items() if found != mine]
        if others:
            first, more = others[0], f" (and {len(others) - 1} more)" if len(others) > 1 else ""
            has = f"has {name} {theirs[first]}" if isinstance(theirs[first], str) else f"has no {name}"
            raise UsageError(
                f"Dask worker {first}{more} {has}: install {name} {mine} there, as here; results could differ"
            )
