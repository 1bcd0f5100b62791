"""Diagnosis of an installation: what verification needs, what is there, and how to mend what is not."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

GIB = 2**30
# The most that one `standard` verification may use, and room for the blocks that it stores.
NEEDED_MEMORY = 4 * GIB
NEEDED_DISK = 1 * GIB


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Parameters
    ----------
    name
        What was looked at.
    ok
        Whether it is as it should be. Something optional that is absent is as it should be.
    detail
        What was found.
    mend
        What to do about it, or how to get an optional part that is absent; empty when there is nothing to do.
    """

    name: str
    ok: bool
    detail: str
    mend: str = ""


def diagnose() -> list[Finding]:
    """Look at everything; a probe that itself breaks is a finding, never an exception."""
    probes: dict[str, Callable[[], Iterator[Finding]]] = {
        "Python": _python,
        "dependencies": _dependencies,
        "BLAS threads": _blas,
        "numba compiler": _numba,
        "cupy": _cupy,
        "distributed": _distributed,
        "store": _store,
        "memory": _memory,
        "disk": _disk,
        "cores": _cores,
    }
    findings: list[Finding] = []
    for name, probe in probes.items():
        try:
            findings.extend(probe())
        except Exception as error:
            mend = "install theorylab again, in a new environment"
            findings.append(Finding(name, False, f"cannot be examined: {_line(error)}", mend))
    return findings


def _python() -> Iterator[Finding]:
    from importlib.metadata import metadata

    least = metadata("theorylab")["Requires-Python"] or ""
    found = "{}.{}.{}".format(*sys.version_info)
    ok = _release(found) >= _release(least)
    yield Finding("Python", ok, f"{found} ({sys.executable})", "" if ok else f"install Python {least}")


def _dependencies() -> Iterator[Finding]:
    from importlib.metadata import PackageNotFoundError, requires, version

    for requirement in requires("theorylab") or []:
        declared = re.fullmatch(r"([\w.-]+)\s*(?:>=\s*([\d.]+))?[^;]*", requirement)
        if declared is None:
            # A requirement with a marker belongs to an extra.
            continue
        name, least = declared.group(1), declared.group(2) or "0"
        mend = f"pip install '{name}>={least}'"
        try:
            found = version(name)
        except PackageNotFoundError:
            yield Finding(name, False, f"not installed, {least} or newer needed", mend)
            continue
        ok = _release(found) >= _release(least)
        yield Finding(name, ok, found if ok else f"{found}, {least} or newer needed", "" if ok else mend)


def _blas() -> Iterator[Finding]:
    import numpy as np
    from threadpoolctl import threadpool_info

    np.ones((2, 2)) @ np.ones((2, 2))
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    if pools:
        found = {f"{p['internal_api']} {p['version'] or ''}, {p['num_threads']} threads" for p in pools}
        yield Finding("BLAS threads", True, "; ".join(sorted(found)) + "; each worker is limited to one")
    else:
        mend = "if several jobs are slower than one, set OMP_NUM_THREADS=1 and VECLIB_MAXIMUM_THREADS=1"
        yield Finding("BLAS threads", True, "no BLAS whose threads can be limited from here", mend)


def _numba() -> Iterator[Finding]:
    import numba

    @numba.njit
    def sum_to(n):  # type: ignore[no-untyped-def]
        total = 0
        for i in range(n + 1):
            total += i
        return total

    if numba.config.DISABLE_JIT:
        mend = "unset NUMBA_DISABLE_JIT"
        yield Finding("numba compiler", False, "switched off: simulations are very slow", mend)
        return
    right = sum_to(100) == 5050
    detail = "works" if right else "compiled a sum that comes out wrong"
    yield Finding("numba compiler", right, detail, "" if right else "pip install --force-reinstall numba")


def _cupy() -> Iterator[Finding]:
    from importlib.util import find_spec

    from theorylab.backends import EXTRAS, gpu_trouble

    if find_spec("cupy") is None:
        yield Finding("cupy", True, "not installed: no GPU is used", f"for a GPU: {EXTRAS}")
        return
    if trouble := gpu_trouble():
        yield Finding("cupy", False, trouble, f"install a driver that fits, or {EXTRAS}")
        return
    import cupy

    runtime = cupy.cuda.runtime
    devices = [runtime.getDeviceProperties(i)["name"].decode() for i in range(runtime.getDeviceCount())]
    right = int(cupy.arange(101).sum()) == 5050
    detail = f"{cupy.__version__} on {', '.join(devices)}"
    yield Finding("cupy", right, detail if right else f"{detail}: a sum comes out wrong", "" if right else EXTRAS)


def _distributed() -> Iterator[Finding]:
    from importlib.metadata import version
    from importlib.util import find_spec

    if find_spec("distributed") is None:
        mend = "for a cluster: pip install 'theorylab[distributed]'"
        yield Finding("distributed", True, "not installed: runs on this machine only", mend)
    else:
        yield Finding("distributed", True, version("distributed"))


def _store() -> Iterator[Finding]:
    from theorylab.errors import StoreError
    from theorylab.store import Store, default_path

    path, folder = default_path(), _existing(default_path())
    mend = "name another file with THEORYLAB_STORE or --store"
    if folder == path:
        try:
            with Store(path) as store:
                yield Finding("store", True, f"{path}: {store.check()} blocks, sound")
        except StoreError as error:
            yield Finding("store", False, str(error), mend)
    elif folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
        yield Finding("store", True, f"{path}: made when first needed")
    else:
        yield Finding("store", False, f"{path} cannot be made: {folder} is not a folder open to you", mend)


def _memory() -> Iterator[Finding]:
    from theorylab import memory

    free = memory.free()
    if free is None:
        yield Finding("memory", True, "the system does not say how much is free")
        return
    ok = free >= NEEDED_MEMORY
    mend = f"a standard verification uses up to {NEEDED_MEMORY // GIB} GiB: use fewer jobs or the quick budget"
    yield Finding("memory", ok, f"{free / GIB:.1f} GiB free", "" if ok else mend)


def _disk() -> Iterator[Finding]:
    from theorylab.store import default_path

    folder = _existing(default_path().parent)
    free = shutil.disk_usage(folder).free
    ok = free >= NEEDED_DISK
    mend = "" if ok else "free some room, or keep the store elsewhere with THEORYLAB_STORE or --store"
    yield Finding("disk", ok, f"{free / GIB:.1f} GiB free at {folder}", mend)


def _cores() -> Iterator[Finding]:
    from theorylab import memory
    from theorylab.executors import cores

    usable = cores()
    quota = memory.control_group("cpu.max").split()
    share = int(quota[0]) / int(quota[1]) if len(quota) == 2 and quota[0].isdigit() else usable
    if share < usable:
        detail = f"{usable} seen, {share:g} granted by the control group"
        yield Finding("cores", True, detail, f"use --jobs {max(1, int(share))}")
    else:
        yield Finding("cores", True, f"{usable} usable")


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _release(version: str) -> tuple[int, ...]:
    # The release part of a version or of a lower bound: "2.4.6rc1" and ">=2.4.6" are (2, 4, 6).
    number = re.search(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in number.group().split(".")) if number else (0,)


def _existing(path: Path) -> Path:
    return next(p for p in [path, *path.absolute().parents] if p.exists())
