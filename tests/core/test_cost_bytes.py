"""The working memory that cost models state is that which trials need: batches are cut by it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import registered

# Pages, and what the allocator keeps for itself: a hundredth of the difference between the two batches.
SLACK = 64.0


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak of a process cannot be reset")
def test_stated_memory_bounds_the_measured() -> None:
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "32768", "MALLOC_TRIM_THRESHOLD_": "32768"}
    program = Path(__file__).with_name("measured_bytes.py")
    done = subprocess.run([sys.executable, program], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    used = {id(e.claim.simulation) for e in registered.ENTRIES if e.claim.check.sampled}
    assert len(found) > 20
    assert len(found) <= len(used)
    for name, row in found.items():
        assert row["measured"] <= 1.25 * row["declared"] + SLACK, f"{name} needs more than it states: {row}"
        # Nor are batches cut much smaller than need be; a search may take less for some of its parameters.
        if row["declared"] < 2e5:
            assert row["declared"] <= 1.6 * row["measured"] + SLACK, f"{name} states more than it needs: {row}"
