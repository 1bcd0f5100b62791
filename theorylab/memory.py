"""Memory: how much there is, how much this process holds, and how much a block may take."""

from __future__ import annotations

import os
import re
import sys
from functools import cache
from pathlib import Path

from theorylab.errors import UsageError

UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}
# Of what is free when nobody said how much may be used: the rest is for everybody else.
SHARE = 0.5
# Of the room of a process: its results, and what an allocator cannot give back, also need some.
USED = 0.8


def size(text: str) -> int:
    """Bytes of "800M", "1.5GiB" or a plain number of bytes (K = 1024 bytes, M = 1024 K, ...).

    Raises
    ------
    UsageError
        When it is not a positive size.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*", text, re.IGNORECASE)
    amount = float(found.group(1)) * 2.0 ** UNITS[found.group(2).upper()] if found else 0.0
    if amount < 1.0:
        raise UsageError(f"memory {text!r}: a size such as 800M or 1.5G is needed")
    return int(amount)


def words(amount: float) -> str:
    """A number of bytes for people."""
    unit = max((u for u in UNITS if amount >= 2 ** UNITS[u]), key=lambda u: UNITS[u], default="")
    value = amount / 2.0 ** UNITS[unit]
    return f"{value:.3g} {unit}iB" if unit else f"{value:.0f} bytes"


def room(limit: int | None) -> float:
    """Bytes that blocks may take in this process.

    Parameters
    ----------
    limit
        The most that the process may hold, its code included; when None, this process's part of what is free.
    """
    if limit is not None:
        return USED * (limit - _before_any_block())
    from theorylab.executors import cores

    return SHARE * (free() or 2**31) / cores()


@cache
def _before_any_block() -> int:
    # Measured once: what earlier blocks have left behind is used again by later ones.
    return resident()


def resident() -> int:
    """Bytes of memory that this process holds."""
    status = Path("/proc/self/statm")
    if status.exists():
        return int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    if sys.platform == "win32":
        return 0
    import resource

    # The most it ever held, in bytes on macOS and in KiB elsewhere.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def free() -> int | None:
    """Bytes that can still be used, of the machine or of the control group; None if unknown."""
    found: list[int] = []
    system = Path("/proc/meminfo")
    if system.exists() and (available := re.search(r"MemAvailable:\s*(\d+) kB", system.read_text())):
        found.append(int(available.group(1)) * 1024)
    elif "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    limit = control_group("memory.max")
    if limit.isdigit():
        # File pages that can be dropped at once are counted as used by the kernel, but are free to us.
        droppable = re.search(r"^inactive_file (\d+)$", control_group("memory.stat"), re.MULTILINE)
        used = int(control_group("memory.current")) - (int(droppable.group(1)) if droppable else 0)
        found.append(int(limit) - used)
    return min(found, default=None)


def control_group(file: str) -> str:
    """A file of this process's control group (Linux), empty when there is none."""
    path = Path("/sys/fs/cgroup") / file
    return path.read_text().strip() if path.exists() else ""
