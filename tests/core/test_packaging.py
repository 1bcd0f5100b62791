"""The distributions: complete, installable on their own in a new environment, and working from there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
FOLDERS = PYPROJECT["tool"]["setuptools"]["package-dir"]

pytestmark = pytest.mark.packaging


def run(*command: str | Path, cwd: Path) -> str:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "THEORYLAB_STORE": str(cwd / "store.sqlite")}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sdist, built from a copy of the sources, and the wheel, built from the sdist."""
    folder = tmp_path_factory.mktemp("build")
    source = folder / "source"
    # Only what a clone has: what an earlier build left behind must not help this one.
    for name in (*FOLDERS.values(), "pyproject.toml", "README.md", "LICENSE"):
        if (REPOSITORY / name).is_dir():
            shutil.copytree(REPOSITORY / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(REPOSITORY / name, source)
    run(sys.executable, "-m", "build", "--outdir", folder, source, cwd=folder)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


@pytest.fixture(scope="module")
def from_wheel(distributions: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the wheel, what the wheel says it needs, and pytest."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
    run(
        folder / "venv" / "bin" / "python",
        "-m",
        "pip",
        "install",
        "--no-compile",
        distributions[1],
        "pytest",
        cwd=folder,
    )
    return folder


@pytest.fixture(scope="module")
def from_sdist(distributions: tuple[Path, Path], from_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the sdist, which borrows its dependencies from that of the wheel."""
    folder = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
    run(folder / "venv" / "bin" / "python", "-m", "pip", "install", "--no-deps", distributions[0], cwd=folder)
    (own,), (lender,) = ((f / "venv").glob("lib/python*/site-packages") for f in (folder, from_wheel))
    # A path file appends: what is installed here itself comes first.
    (own / "borrowed.pth").write_text(f"{lender}\n")
    return folder


def test_wheel_has_every_module_and_nothing_else(distributions: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(distributions[1]) as wheel:
        names = [name for name in wheel.namelist() if ".dist-info/" not in name]
        information = {name.split("/", 1)[1] for name in wheel.namelist() if ".dist-info/" in name}
        entry_points = next(n for n in wheel.namelist() if n.endswith("entry_points.txt"))
        registered = wheel.read(entry_points).decode()
    expected = {"theorylab/py.typed"}
    for package, folder in FOLDERS.items():
        root = distributions[0].parent / "source" / folder
        expected |= {f"{package.replace('.', '/')}/{p.relative_to(root).as_posix()}" for p in root.rglob("*.py")}
    assert sorted(names) == sorted(expected)
    assert "licenses/LICENSE" in information
    assert "theorylab = theorylab.cli:main" in registered
    assert "theorylab = theorylab.pytest_plugin" in registered


def test_sdist_has_what_a_reader_looks_for(distributions: tuple[Path, Path]) -> None:
    with tarfile.open(distributions[0]) as sdist:
        names = {name.split("/", 1)[1] for name in sdist.getnames() if "/" in name}
    assert {"LICENSE", "README.md", "pyproject.toml", "derivations/__init__.py", "sims/__init__.py"} <= names


@pytest.mark.parametrize("kind", ["from_wheel", "from_sdist"])
def test_installed_package_verifies_a_claim(kind: str, request: pytest.FixtureRequest) -> None:
    folder: Path = request.getfixturevalue(kind)
    python, theorylab = (folder / "venv" / "bin" / name for name in ("python", "theorylab"))
    where = Path(run(python, "-c", "import theorylab; print(theorylab.__file__)", cwd=folder).strip())
    assert where.is_relative_to(folder / "venv")
    claims = json.loads(run(theorylab, "list", "--json", cwd=folder))
    assert claims
    run(theorylab, "verify", claims[0]["claim"], "--budget", "quick", "--jobs", "1", cwd=folder)
    assert "@misc{theorylab," in run(theorylab, "cite", claims[0]["claim"], cwd=folder)
    diagnosis = json.loads(run(theorylab, "doctor", "--json", cwd=folder))
    # How much memory and disk a test machine has left is not what is tested.
    assert not [f for f in diagnosis if not f["ok"] and f["name"] not in ("memory", "disk")]


def test_own_project_beside_the_installed_package(from_wheel: Path) -> None:
    python, theorylab = (from_wheel / "venv" / "bin" / name for name in ("python", "theorylab"))
    run(theorylab, "new", "toy_models/sample-variance", cwd=from_wheel)
    project = from_wheel / "sample-variance"
    assert "2 passed" in run(python, "-m", "pytest", "-q", cwd=project)
    # Once installed, the theory is in the catalogue like those that came with theorylab.
    run(python, "-m", "pip", "install", "--no-deps", project, cwd=from_wheel)
    assert "expected-variance" in run(theorylab, "list", "toy_models", cwd=from_wheel)
    run(theorylab, "verify", "toy_models/sample-variance", "--budget", "quick", "--jobs", "1", cwd=from_wheel)
