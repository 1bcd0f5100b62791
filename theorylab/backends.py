"""Backends: where array code and kernels run, and which is chosen when nobody says."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

from theorylab.errors import BackendError, UnknownNameError

BACKENDS = ("numpy", "numba", "cupy")
EXTRAS = "pip install 'theorylab[cuda12]' (or [cuda13])"
# Bytes of a batch: small enough for the caches of a core, large enough for a GPU's many.
BATCH = {"numpy": 2**22, "numba": 2**22, "cupy": 2**30}
# A block with fewer operations than this is done on a core before a GPU has been spoken to.
GPU_WORK = 1e10


def resolve(wanted: str, offered: Sequence[str], work: float = 0.0) -> str:
    """The backend to use.

    Parameters
    ----------
    wanted
        One of `BACKENDS`, or "auto": the GPU where the simulation and this machine have one and a block is worth it,
        else compiled code, else NumPy.
    offered
        The simulation's backends.
    work
        Operations of its largest block.

    Raises
    ------
    UnknownNameError
        When there is no such backend.
    BackendError
        When the simulation or this machine does not have it.
    """
    if wanted == "auto":
        if "cupy" in offered and work >= GPU_WORK and gpu_trouble() is None:
            return "cupy"
        return "numba" if "numba" in offered else offered[0]
    if wanted not in BACKENDS:
        raise UnknownNameError("backend", wanted, ["auto", *BACKENDS])
    if wanted not in offered:
        raise BackendError(f"backend {wanted!r}: this simulation runs on {', '.join(offered)} only")
    if wanted == "cupy" and (trouble := gpu_trouble()):
        raise BackendError(f"backend 'cupy' {trouble}")
    return wanted


def gpu_trouble() -> str | None:
    """Why no GPU can be used here; None when one can."""
    if importlib.util.find_spec("cupy") is None:
        return f"is not installed: {EXTRAS}"
    try:
        import cupy

        if cupy.cuda.runtime.getDeviceCount() > 0:
            return None
    except Exception as error:
        return f"is installed, but no GPU can be used: {' '.join(str(error).split())}"
    return "is installed, but there is no GPU"


def room(backend: str, limit: int | None) -> float:
    """Bytes that a batch may take on a backend; `limit` is the most memory of the process, when not None.

    The memory of a GPU is counted as well where that is the backend.
    """
    from theorylab import memory

    if backend != "cupy":
        return memory.room(limit)
    import cupy

    free: float = memory.SHARE * cupy.cuda.Device().mem_info[0]
    return free if limit is None else min(free, float(limit))
