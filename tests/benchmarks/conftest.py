"""What the speed comparisons share: a clock that other users of the machine do not move, and a table of the ratios."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from kernel_peers import cpu_medians


@pytest.fixture
def interleaved_medians() -> Callable[..., np.ndarray]:
    """Median seconds of processor time of several functions, called in turn."""

    def measure(*functions: Callable[[], object], rounds: int = 31) -> np.ndarray:
        return cpu_medians(*functions, rounds=rounds)

    return measure


def pytest_terminal_summary(terminalreporter: Any, config: Any) -> None:
    """The ratios of all comparisons as Markdown, for docs/benchmarks.md."""
    session = getattr(config, "_benchmarksession", None)
    if session is None or session.disabled:
        return
    terminalreporter.section("ratios")
    for bench in session.benchmarks:
        shown = ", ".join(f"{name} {value:.3g}" for name, value in bench.extra_info.items())
        if shown:
            terminalreporter.write_line(f"| {bench.name.removeprefix('test_')} | {shown} |")
