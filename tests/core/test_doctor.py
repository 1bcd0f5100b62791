"""The doctor names what is wrong and how to mend it, and never raises."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from theorylab import doctor
from theorylab.doctor import Finding, diagnose


@pytest.fixture(autouse=True)
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "data" / "store.sqlite"
    monkeypatch.setenv("THEORYLAB_STORE", str(path))
    return path


def find(name: str) -> Finding:
    found = [finding for finding in diagnose() if finding.name == name]
    assert len(found) == 1, f"{len(found)} findings called {name}"
    return found[0]


def test_this_installation_is_sound() -> None:
    findings = diagnose()
    # How much memory and disk a test machine has left is not what is tested.
    unsound = [f for f in findings if not f.ok and f.name not in ("memory", "disk")]
    assert not unsound
    names = [f.name for f in findings]
    assert len(names) == len(set(names))
    for declared in ("Python", "numpy", "sympy", "numba", "numba compiler", "BLAS threads", "store", "cores"):
        assert declared in names
    assert all("\n" not in f.detail + f.mend for f in findings)


def test_every_core_dependency_is_examined_and_no_extra() -> None:
    required = importlib.metadata.requires("theorylab") or []
    core = {r.split(">=")[0] for r in required if ";" not in r}
    extras = {r.split(">=")[0] for r in required if ";" in r}
    names = {f.name for f in diagnose()}
    assert core <= names
    assert not (extras - {"distributed"}) & names


def test_old_and_missing_dependencies_are_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.metadata.version

    def version(name: str) -> str:
        if name == "numpy":
            return "1.9.3"
        if name == "rich":
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    numpy, rich = find("numpy"), find("rich")
    assert not numpy.ok
    assert numpy.detail.startswith("1.9.3, ")
    assert numpy.mend.startswith("pip install 'numpy>=")
    assert not rich.ok
    assert "not installed" in rich.detail
    assert rich.mend.startswith("pip install 'rich>=")


def test_old_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 2))
    finding = find("Python")
    assert not finding.ok
    assert finding.mend == "install Python >=3.11"


def test_interpreted_numba_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    import numba

    monkeypatch.setattr(numba.config, "DISABLE_JIT", True)
    finding = find("numba compiler")
    assert not finding.ok
    assert finding.mend == "unset NUMBA_DISABLE_JIT"


def test_absent_extras_are_no_fault_but_say_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name in ("cupy", "distributed") else real(name, *a)
    )
    for name, extra in (("cupy", "theorylab[cuda12]"), ("distributed", "theorylab[distributed]")):
        finding = find(name)
        assert finding.ok
        assert extra in finding.mend


def test_cupy_without_a_driver_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_driver() -> int:
        raise RuntimeError("CUDA driver version is insufficient\nfor CUDA runtime version")

    module = types.ModuleType("cupy")
    module.__spec__ = importlib.util.spec_from_loader("cupy", None)
    module.cuda = types.SimpleNamespace(runtime=types.SimpleNamespace(getDeviceCount=no_driver))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cupy", module)
    finding = find("cupy")
    assert not finding.ok
    assert finding.detail.endswith("CUDA driver version is insufficient for CUDA runtime version")


def test_looking_at_the_store_does_not_make_one(own_store: Path) -> None:
    finding = find("store")
    assert finding.ok
    assert "made when first needed" in finding.detail
    assert not own_store.parent.exists()


def test_existing_store_is_opened(own_store: Path) -> None:
    from theorylab.store import Store

    Store(own_store).close()
    assert find("store") == Finding("store", True, f"{own_store}: 0 blocks, sound")


def test_damaged_store(own_store: Path) -> None:
    own_store.parent.mkdir()
    own_store.write_bytes(b"this is not an SQLite file, whatever its name says" * 100)
    finding = find("store")
    assert not finding.ok
    assert str(own_store) in finding.detail
    assert "--store" in finding.mend


def test_a_store_is_read_to_its_end(own_store: Path) -> None:
    from theorylab.sampling import Block
    from theorylab.store import Store

    with Store(own_store) as store:
        for i in range(20):
            store.put(Block("f/t/c", {}, 0, i, 500, "numpy"), "code", {"value": np.full(500, i)}, 0.0)
    content = bytearray(own_store.read_bytes())
    content[-2000] ^= 1
    own_store.write_bytes(content)
    finding = find("store")
    assert not finding.ok
    assert "is damaged" in finding.detail


def test_store_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("THEORYLAB_STORE", str(tmp_path / "file" / "store.sqlite"))
    finding = find("store")
    assert not finding.ok
    assert "cannot be made" in finding.detail


def test_little_memory_and_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "NEEDED_MEMORY", 2**60)
    monkeypatch.setattr(doctor, "NEEDED_DISK", 2**60)
    for name in ("memory", "disk"):
        assert not find(name).ok
        assert find(name).mend


def test_control_group_limits_count(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "memory.max": str(3 * 2**30),
        "memory.current": str(2 * 2**30),
        "memory.stat": f"anon 5\ninactive_file {2**30}\nactive_file 7",
        "cpu.max": "50000 100000",
    }
    monkeypatch.setattr("theorylab.memory.control_group", lambda file: files[file])
    memory, cores = find("memory"), find("cores")
    assert memory.detail == "2.0 GiB free"
    assert not memory.ok
    assert cores.detail.endswith(" seen, 0.5 granted by the control group")
    assert cores.mend == "use --jobs 1"


def test_a_probe_that_breaks_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    import threadpoolctl

    def broken() -> None:
        raise OSError("cannot open\nshared object")

    monkeypatch.setattr(threadpoolctl, "threadpool_info", broken)
    finding = find("BLAS threads")
    assert not finding.ok
    assert finding.detail == "cannot be examined: cannot open shared object"
