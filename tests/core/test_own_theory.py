"""The README does what it says: its own theory, its Python, its commands, read from the page and run as users would."""

from __future__ import annotations

import math
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from claim_files import environment
from claim_files import theorylab as command_line

from theorylab.cli import run
from theorylab.registry import theories

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


THEORY, ASSERTION, PYTHON = blocks("python")
WRONG = THEORY.replace("(1 - P / N)", "(1 - (P + 1) / N)")


def python(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment(cwd), capture_output=True, text=True, timeout=300
    )


def test_the_theory_is_short() -> None:
    assert len(THEORY.splitlines()) <= 30
    assert "import theorylab as tl" in THEORY
    assert WRONG != THEORY


def test_right_formula_holds(tmp_path: Path) -> None:
    (tmp_path / "my_theory.py").write_text(THEORY)
    done = python("my_theory.py", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("ols/training-error: holds; ")
    assert "mutants rejected 2/2" in done.stdout
    done = command_line("verify", "my_theory.py", cwd=tmp_path)
    assert done.returncode == 0
    assert re.search(r"training-error +holds ", done.stdout)
    assert "1 of 1 claims as expected, 2 of 2 mutants rejected" in done.stdout


def test_wrong_constant_fails(tmp_path: Path) -> None:
    (tmp_path / "my_theory.py").write_text(WRONG)
    done = python("my_theory.py", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("ols/training-error: fails; ")
    assert "the sample behaves as if" in done.stdout
    done = command_line("verify", "my_theory.py", cwd=tmp_path)
    assert done.returncode == 1
    assert re.search(r"training-error +FAILS \(expected holds\)", done.stdout)
    assert "the sample behaves as if" in done.stdout


def test_the_fixture_in_a_project_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "my_theory.py").write_text(THEORY)
    (tmp_path / "test_my_theory.py").write_text(ASSERTION)
    done = python("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    (tmp_path / "my_theory.py").write_text(WRONG + "# of another length\n")
    done = python("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=tmp_path)
    assert done.returncode == 1
    assert "expected holds: ols/training-error: fails" in done.stdout
    assert "Traceback" not in done.stdout


def test_the_python_of_the_readme_runs() -> None:
    names: dict[str, object] = {}
    exec(compile(PYTHON, "README.md", "exec"), names)
    assert getattr(names["verdict"], "status", None) == "holds"
    assert dict(getattr(names["data"], "sizes", {})) == {"p": 4}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the commands run one after the other."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "my_theory.py").write_text(THEORY)
    # Runs that follow a law, but for a deviation of 1 %.
    runs = [(n, d) for n in (1e7, 1e8, 1e9, 1e10) for d in (1e9, 1e10, 1e11)]
    losses = [(1.8 + 400 / n**0.34 + 2000 / d**0.36) * (1 + 0.01 * math.sin(7 * i)) for i, (n, d) in enumerate(runs)]
    lines = [f"{n},{d},{loss}" for (n, d), loss in zip(runs, losses)]
    (folder / "runs.csv").write_text("\n".join(["params,tokens,loss", *lines]))
    np.savez(folder / "data.npz", x=np.eye(3)[:, :2] + 0.5, y=np.array([1.0, -1.0, 0.5]))
    x = np.array([[math.sin(i * j) for j in range(1, 5)] for i in range(1, 49)])
    np.savez(folder / "digits.npz", x=x, y=x[:, 0] + x[:, 1] * x[:, 2])
    np.save(folder / "eigs.npy", np.append(np.linspace(0.2, 1.5, 60), [4.0, 9.0]))
    return folder


COMMANDS = [
    line.partition("#")[0].strip()
    for block in blocks("sh")
    for line in block.splitlines()
    if line.startswith("theorylab ")
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_readme_runs(
    command: str, desk: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(desk)
    monkeypatch.setenv("THEORYLAB_STORE", str(desk / "store.sqlite"))
    before = set(desk.rglob("*"))
    # There is no such cluster here.
    assert run(shlex.split(command.replace("tcp://HOST:8786", "local"))[1:]) == 0, capfd.readouterr().err
    out = capfd.readouterr().out
    if match := re.search(r" -o (\S+)", command):
        written = desk / match[1]
        assert written.is_file() or any(written.iterdir())
    else:
        assert out
    assert command.split()[1] in ("apply", "sweep", "figures", "report", "new") or set(desk.rglob("*")) - before <= {
        desk / name for name in ("store.sqlite", "store.sqlite-wal", "store.sqlite-shm", "machine.json")
    } | {p for p in desk.rglob("*") if "__pycache__" in p.parts}


def test_make_targets_of_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^make (\S+)", "\n".join(blocks("sh")), re.MULTILINE)
    assert targets[:2] == ["verify", "test"]
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


def test_the_readme_lists_the_catalogue() -> None:
    table = README.partition("## The catalogue so far")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\S+/\S+)`", table, re.MULTILINE)) == set(theories())


def test_links_of_the_readme_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert links
    assert [link for link in links if not link.startswith("https://") and not (ROOT / link).exists()] == []


@pytest.mark.parametrize("example", EXAMPLES, ids=[e.name for e in EXAMPLES])
def test_examples_hold_and_replay(
    example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("THEORYLAB_STORE", str(tmp_path / "store.sqlite"))
    assert run(["verify", str(example), "--jobs", "1"]) == 0, capfd.readouterr().out
    assert run(["derive", str(example)]) == 0
    assert run(["show", str(example)]) == 0
    for command in re.findall(r"^    theorylab (.*)$", example.read_text(encoding="utf-8"), re.MULTILINE):
        assert run(command.replace(f"examples/{example.name}", str(example)).split()) == 0
