"""Where blocks are computed: workers that come and go with the process that asked for them."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from claim_files import LARGEST, environment, numbers, stored, written
from threadpoolctl import threadpool_info, threadpool_limits

import theorylab.executors
from theorylab.engine import verify
from theorylab.errors import UnknownNameError, UsageError
from theorylab.executors import cores, dask, local
from theorylab.registry import claim
from theorylab.sampler import WorkerError
from theorylab.sampling import Block, compute, job, run
from theorylab.simulation import Simulation, SimulationError
from theorylab.store import Store


def handlers() -> tuple[bool, bool]:
    """In a worker: does it ignore Ctrl-C, and was that so from its first moment?"""
    blocked = signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, set())
    return signal.getsignal(signal.SIGINT) == signal.SIG_IGN, blocked


def fail() -> None:
    raise UnknownNameError("budget", "quik", ["quick"])


def test_one_job_needs_no_process() -> None:
    with local(1) as executor:
        assert executor is None
    assert not multiprocessing.active_children()


def test_workers_ignore_ctrl_c_from_birth_and_leave_at_the_end() -> None:
    with local(2) as executor:
        assert executor is not None
        assert executor.submit(handlers).result() == (True, True)
        assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, set())
        workers = multiprocessing.active_children()
        assert workers
    assert not any(w.is_alive() for w in workers)


def test_ctrl_c_while_a_worker_starts_is_heard_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = []

    def submit(self: ProcessPoolExecutor, *_: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        ended.append(signal.getsignal(signal.SIGINT))

    with local(2) as executor:
        assert executor is not None
        monkeypatch.setattr(ProcessPoolExecutor, "submit", submit)
        with pytest.raises(KeyboardInterrupt):
            executor.submit(os.getpid)
        monkeypatch.undo()
        assert len(ended) == 1
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, set())


def test_workers_are_not_waited_for_when_the_work_is_broken_off() -> None:
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt), local(2) as executor:  # noqa: PT012
        assert executor is not None
        executor.submit(os.getpid).result()
        executor.submit(time.sleep, 60)
        raise KeyboardInterrupt
    assert time.monotonic() - start < 30
    assert not multiprocessing.active_children()


def test_cancelled_work_leaves_no_noise(capfd: pytest.CaptureFixture[str]) -> None:
    for delay in (0.0, 0.3):
        with pytest.raises(KeyboardInterrupt), local(2) as executor:  # noqa: PT012
            assert executor is not None
            waiting = [executor.submit(time.sleep, 0.2) for _ in range(40)]
            time.sleep(delay)
            for future in waiting:
                future.cancel()
            raise KeyboardInterrupt
    assert capfd.readouterr().err == ""


def test_errors_come_back_from_a_worker_as_they_are_worded() -> None:
    with local(2) as executor:
        assert executor is not None
        with pytest.raises(UsageError, match=r"unknown budget 'quik'; did you mean 'quick'\?"):
            executor.submit(fail).result()


@pytest.mark.parametrize("jobs", [0, -1])
def test_no_jobs_are_refused(jobs: int) -> None:
    with pytest.raises(UsageError, match=f"jobs = {jobs}: at least 1 is needed"), local(jobs):
        pass


def test_cores_are_those_that_may_be_used() -> None:
    assert cores() == len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def test_dask_that_is_not_installed_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(theorylab.executors.importlib.util, "find_spec", lambda name: None)
    message = r"--dask needs the extra: pip install 'theorylab\[distributed\]'"
    with pytest.raises(UsageError, match=message), dask("local"):
        pass


def test_any_executor_gives_the_same_verdict(tmp_path: Path) -> None:
    mine = claim(str(written(tmp_path)))
    here = verify(mine)
    with ThreadPoolExecutor(2) as threads, local(2) as processes:
        for executor in (threads, processes):
            there = verify(mine, executor=executor)
            assert {**there.to_dict(), "seconds": 0} == {**here.to_dict(), "seconds": 0}


def blas_threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_blocks_in_threads_of_one_process_have_one_blas_thread_each() -> None:
    first_began, second_began, first_ended = (threading.Event() for _ in range(3))
    seen: list[set[int]] = []

    def look(begun: threading.Event, awaited: threading.Event) -> np.ndarray:
        begun.set()
        assert awaited.wait(60)
        seen.append(blas_threads())
        return np.zeros(1)

    def submit(threads: ThreadPoolExecutor, *events: threading.Event) -> Future[Any]:
        return threads.submit(compute, Block("c", {}, 0, 0, 1, "numpy"), Simulation(lambda trials, rng: look(*events)))

    with threadpool_limits(2), ThreadPoolExecutor(2) as threads:
        before = blas_threads()
        first = submit(threads, first_began, second_began)
        assert first_began.wait(60)
        second = submit(threads, second_began, first_ended)
        first.result(60)
        first_ended.set()
        second.result(60)
        assert blas_threads() == before
    assert len(seen) == 2
    assert all(counts <= {1} for counts in seen)


BY_MPI = """
from mpi4py.futures import MPIPoolExecutor

import theorylab as tl

if __name__ == "__main__":
    with MPIPoolExecutor() as executor, tl.Store() as store:
        assert executor.num_workers == 2
        print(f"[{tl.verify(tl.claim('my_theory.py'), store=store, executor=executor).to_json()}]")
"""
MPIEXEC = shutil.which("mpiexec", path=os.pathsep.join((os.path.dirname(sys.executable), os.environ["PATH"])))


@pytest.mark.skipif(find_spec("mpi4py") is None or MPIEXEC is None, reason="needs mpi4py and mpiexec")
def test_mpi_gives_the_same_bits(tmp_path: Path) -> None:
    mine = claim(str(written(tmp_path)))
    (tmp_path / "by_mpi.py").write_text(BY_MPI)
    # An MPI library may be shy of the superuser, and of more processes than cores.
    unshy = ("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "OMPI_MCA_rmaps_base_oversubscribe")
    done = subprocess.run(
        [str(MPIEXEC), "-n", "3", sys.executable, "-m", "mpi4py.futures", "by_mpi.py"],
        cwd=tmp_path,
        env=environment(tmp_path, PRTE_MCA_rmaps_default_mapping_policy=":oversubscribe", **dict.fromkeys(unshy, "1")),
        capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with Store(tmp_path / "here.sqlite") as store:
        here = verify(mine, store=store)
    assert numbers(done.stdout) == numbers(f"[{here.to_json()}]")
    assert stored(tmp_path / "store.sqlite") == stored(tmp_path / "here.sqlite")


class Broken(Executor):
    """A pool in which a worker died while it had nothing to do."""

    def submit(self, *_: Any, **__: Any) -> Any:
        raise BrokenProcessPool("A child process terminated abruptly")


def test_a_pool_that_is_broken_from_the_start_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match="a worker process died"):
        verify(claim(str(written(tmp_path))), executor=Broken())


def test_a_job_with_other_code_is_refused(tmp_path: Path) -> None:
    mine = claim(str(written(tmp_path)))
    asked = job(Block("c", {"n": 3}, 0, 0, 8, "numpy"), mine.simulator, mine.origin)
    samples, seconds = run(asked)
    assert samples["value"].shape == (8,)
    assert seconds >= 0
    other = type(asked)(asked.block, asked.payload, "0" * 32, asked.origin)
    with pytest.raises(SimulationError, match="not the same here as in the process that asked for it"):
        run(other)


def test_a_simulation_that_cannot_travel_is_named(tmp_path: Path) -> None:
    text = LARGEST.replace("simulation=draw", "simulation=lambda trials, rng, n: draw(trials, rng, n=n)")
    mine = claim(str(written(tmp_path, text)))
    with pytest.raises(UsageError, match="cannot be sent to worker processes: define it with `def`"):
        job(Block("c", {"n": 3}, 0, 0, 8, "numpy"), mine.simulator, mine.origin)
