"""The fixture `verify`, in a project of its own: it asserts a claim's status and returns the verdict."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from claim_files import LARGEST, written

TESTS = """
import pytest
import theorylab as tl
from my_theory import largest


def test_holds(verify):
    verdict = verify(largest)
    assert verdict.status == "holds"
    assert verdict.seed == 0


def test_options(verify):
    assert verify(largest, budget="quick", seed=4, backend="numpy").seed == 4


def test_file_name(verify):
    verify("my_theory.py")


def test_unknown_name(verify):
    with pytest.raises(tl.UnknownNameError, match="unknown claim, theory or family 'no-such'"):
        verify("no-such")


def test_fails(verify):
    from dataclasses import replace

    wrong = tl.ClosedForm(expr=largest.prediction.expr * 9 / 10, space=largest.prediction.space)
    verify(replace(largest, name="wrong", prediction=wrong, mutants=[tl.Mutant("half", wrong.expr / 2)]))


def test_inconclusive(verify):
    from dataclasses import replace

    verify(replace(largest, name="undecided", budgets={"quick": tl.Budget(trials=128, margin=0.04)}))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    written(tmp_path, LARGEST)
    (tmp_path / "test_paper.py").write_text(TESTS)
    return tmp_path


def pytest_in(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=folder, capture_output=True, text=True, timeout=300, env=dict(os.environ),
    )  # fmt: skip


def test_a_project_asserts_its_claims(project: Path) -> None:
    done = pytest_in(project)
    assert "2 failed, 4 passed" in done.stdout, done.stdout + done.stderr
    assert "expected holds: wrong: fails; measured" in done.stdout
    assert "the sample behaves as if" in done.stdout
    assert "expected holds: undecided: inconclusive" in done.stdout
    # One line says it: no traceback through the instrument.
    assert "engine.py" not in done.stdout


def test_the_fixture_is_documented(project: Path) -> None:
    done = pytest_in(project, "--fixtures")
    assert "verify" in done.stdout
    assert "Verify a claim and fail the test when its status is not the expected one" in done.stdout
