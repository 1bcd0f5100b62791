"""Dask clusters: the same bits whatever dies on the way, and one line for whatever is amiss."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest
from claim_files import SLOW, numbers, stored, wait_for, written

from theorylab.engine import verify
from theorylab.errors import UsageError
from theorylab.executors import dask
from theorylab.registry import claim
from theorylab.sampler import WorkerError
from theorylab.store import Store

distributed = pytest.importorskip("distributed")
cluster = pytest.importorskip("theorylab.cluster")

BRISK = SLOW.replace("time.sleep(0.15)", "time.sleep(0.05)")
BLOCKS = 24


@pytest.fixture(autouse=True)
def marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKS", str(tmp_path))


@pytest.fixture
def two_workers(marked: None) -> Iterator[Any]:
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=logging.CRITICAL
    ) as place:
        yield place


@pytest.fixture
def run_dask(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start a scheduler or a worker in an interpreter of its own, which may be made to lack theorylab."""
    processes = []

    def run(kind: str, *options: str, bare: bool = False) -> subprocess.Popen[bytes]:
        program = f"{BARE if bare else ''}from distributed.cli.dask_{kind} import main\nmain()"
        process = subprocess.Popen(
            [sys.executable, "-c", program, "--dashboard-address", ":0", *options],
            cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        processes.append(process)
        return process

    yield run
    for process in processes:
        process.kill()
        process.wait()


# An environment into which theorylab was not installed, as seen from inside.
BARE = """
import importlib.metadata, sys
sys.modules["theorylab"] = None
known = importlib.metadata.version
def version(name):
    if name == "theorylab":
        raise importlib.metadata.PackageNotFoundError(name)
    return known(name)
importlib.metadata.version = version
"""
ONE = ("--nthreads", "1", "--no-nanny")


def verified(folder: Path, name: str, **options: Any) -> tuple[Any, dict[str, bytes]]:
    """Verdict and samples of the claim file in a folder, computed into a store of that name."""
    with Store(folder / name) as store:
        verdict = verify(claim(str(folder / "my_theory.py")), store=store, **options)
    return numbers(f"[{verdict.to_json()}]"), stored(folder / name)


def test_a_killed_worker_changes_no_bit(tmp_path: Path, two_workers: Any) -> None:
    written(tmp_path, BRISK)
    undisturbed = verified(tmp_path, "undisturbed.sqlite")
    assert len(undisturbed[1]) == BLOCKS
    with dask(two_workers.scheduler_address) as executor, distributed.Client(two_workers) as client:
        pids = client.run(os.getpid)
        killed: list[int] = []

        def kill_one(done: int, planned: int) -> None:
            busy = [w.address for w in two_workers.scheduler.workers.values() if w.processing]
            if done >= 7 and busy and not killed:
                killed.append(pids[busy[0]])
                os.kill(killed[0], signal.SIGKILL)

        disturbed = verified(tmp_path, "disturbed.sqlite", executor=executor, progress=kill_one)
        assert killed
        assert disturbed == undisturbed
        assert killed[0] not in client.run(os.getpid).values()


def test_a_block_that_kills_its_workers_is_given_up_in_one_line(tmp_path: Path, two_workers: Any) -> None:
    two_workers.scheduler.allowed_failures = 0
    die = "    if 'LIVE' not in os.environ and len(os.listdir(os.environ['MARKS'])) > 12: os._exit(3)\n"
    written(tmp_path, BRISK.replace("    time.sleep", f"{die}    time.sleep"))
    with dask(two_workers.scheduler_address) as executor:
        with pytest.raises(WorkerError, match=r"a worker failed: KilledWorker: .*finished blocks are kept") as caught:
            verified(tmp_path, "store.sqlite", executor=executor)
        assert "\n" not in str(caught.value)
    kept = stored(tmp_path / "store.sqlite")
    assert 0 < len(kept) < BLOCKS
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIVE", "1")
        assert verified(tmp_path, "store.sqlite") == verified(tmp_path, "another.sqlite")
    assert kept.items() <= stored(tmp_path / "store.sqlite").items()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_a_lost_scheduler_is_one_line_and_the_run_resumes(
    tmp_path: Path, run_dask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, BRISK)
    address = f"tcp://127.0.0.1:{free_port()}"
    scheduler = run_dask("scheduler", "--host", address)
    run_dask("worker", address, *ONE)
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 60.0)

    def kill(done: int, planned: int) -> None:
        if done == 7:
            scheduler.kill()

    with dask(address) as executor, pytest.raises(WorkerError, match=r"cannot be reached any more; finished blocks"):
        verified(tmp_path, "store.sqlite", executor=executor, progress=kill)
    assert 7 <= len(stored(tmp_path / "store.sqlite")) < BLOCKS
    assert verified(tmp_path, "store.sqlite") == verified(tmp_path, "another.sqlite")


def test_a_worker_without_theorylab_is_one_line_whenever_it_comes(tmp_path: Path, run_dask: Any) -> None:
    written(tmp_path, BRISK)
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=logging.CRITICAL
    ) as place:
        address = place.scheduler_address
        with dask(address) as executor:
            run_dask("worker", address, *ONE, bare=True)
            wait_for(lambda: len(place.scheduler.workers) == 2)
            with pytest.raises(WorkerError, match=r"a worker failed: ModuleNotFoundError: .*theorylab"):
                verified(tmp_path, "store.sqlite", executor=executor)
        words = rf"^Dask worker tcp://\S+ has no theorylab: install theorylab {version('theorylab')} there"
        with pytest.raises(UsageError, match=words), dask(address):
            pass


class Answers:
    """Stands in for a client with two workers; the second finds the versions of this process, but for those given."""

    def __init__(self, **found: Any) -> None:
        self.found = found

    def run(self, function: Any, *package: str, on_error: str) -> dict[str, Any]:
        mine = function(*package)
        return {"tcp://a": mine, "tcp://b": self.found.get(package[0] if package else "Python", mine)}


@pytest.mark.parametrize(
    ("client", "words"),
    [
        (Answers(theorylab="0.0.9"), "has theorylab 0.0.9: install theorylab"),
        (Answers(numpy="1.26.4"), "has numpy 1.26.4: install numpy"),
        (Answers(numba=PackageNotFoundError("numba")), "has no numba: install numba"),
        (Answers(Python="3.10"), "has Python 3.10: install Python"),
    ],
)
def test_other_versions_are_named(client: Any, words: str) -> None:
    with pytest.raises(UsageError, match=f"^Dask worker tcp://b {words}"):
        cluster._demand_same_versions(client)


def test_the_same_versions_will_do() -> None:
    cluster._demand_same_versions(Answers())


def test_a_scheduler_without_workers_is_not_waited_for_in_vain(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cluster, "WORKER_SECONDS", 1.0)
    with distributed.LocalCluster(n_workers=0, dashboard_address=":0", silence_logs=logging.CRITICAL) as place:
        address = place.scheduler_address
        with (
            pytest.raises(UsageError, match=rf"no worker has come .* in 1 s: .*`dask worker {address}`"),
            dask(address),
        ):
            pass
        assert capsys.readouterr().err == f"waiting up to 1 s for a worker of {address}\n"


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://127.0.0.1:8786", "unknown address scheme 'http'"),
        ("127.0.0.1", "missing port number in address '127.0.0.1'"),
        ("", "missing port number"),
        ("tcp://127.0.0.1:{closed}", "Timed out trying to connect to tcp://127.0.0.1"),
        ("127.0.0.1:{silent}", "no answer in 1 s"),
        ("tls://127.0.0.1:{silent}", "TLS expects"),
    ],
)
def test_no_scheduler_there_is_one_line(address: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = address.format(silent=server.getsockname()[1], closed=free_port())
        with pytest.raises(UsageError, match=f"^no Dask scheduler at {address}: {words}") as caught, dask(address):
            pass
        assert "\n" not in str(caught.value)


def test_a_cluster_that_cannot_be_started_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(**_: Any) -> None:
        raise RuntimeError("Cluster failed to start:\nno space left")

    monkeypatch.setattr(distributed, "LocalCluster", start)
    message = "no Dask cluster can be started here: .*RuntimeError: Cluster failed to start: no space left; use --jobs"
    with pytest.raises(UsageError, match=f"^{message}$"), dask("local"):
        pass


def test_dask_writes_to_its_log_again_afterwards(two_workers: Any) -> None:
    logger = logging.getLogger("distributed.client")
    before = logger.getEffectiveLevel()
    with warnings.catch_warnings(), dask(two_workers.scheduler_address):
        assert not logger.isEnabledFor(logging.CRITICAL)
    assert logger.getEffectiveLevel() == before
