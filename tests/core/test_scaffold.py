"""A new theory's files: they work as written, nothing is overwritten, and nothing is left half-written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from theorylab.errors import UsageError
from theorylab.scaffold import create

REPOSITORY = Path(__file__).parents[2]
ROOMS = ("derivations", "figures", "kernels", "sims")


def run(*command: str | Path, cwd: Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "THEORYLAB_STORE": str(cwd / "store.sqlite"), "PYTHONWARNINGS": "default"}
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    return subprocess.run(
        [sys.executable, *map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def snapshot(folder: Path) -> dict[Path, bytes | None]:
    return {path: path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the parts of this checkout that a new theory touches."""
    copy = tmp_path / "a checkout"
    without_caches = shutil.ignore_patterns("__pycache__")
    for folder in ("theorylab", *ROOMS):
        shutil.copytree(REPOSITORY / folder, copy / folder, ignore=without_caches)
    shutil.copy(REPOSITORY / "pyproject.toml", copy)
    (copy / "tests").mkdir()
    return copy


def install(checkout: Path) -> Path:
    """Lay a copied checkout out as it is when installed; return the folder to import it from."""
    site = checkout.parent / "site"
    shutil.copytree(checkout / "theorylab", site / "theorylab")
    for room in ROOMS:
        shutil.copytree(checkout / room, site / "theorylab" / room)
    return site


def test_project_verifies_and_passes_its_tests(tmp_path: Path) -> None:
    paths = create("toy_models/sample-variance", tmp_path)
    project = tmp_path / "sample-variance"
    assert paths == [project / name for name in ("sample_variance.py", "test_sample_variance.py", "pyproject.toml")]
    verified = run("-m", "theorylab", "verify", "sample_variance.py", "--jobs", "1", cwd=project)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "3/3" in verified.stdout
    tested = run("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=project)
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "2 passed" in tested.stdout
    registered = tomllib.loads((project / "pyproject.toml").read_text())["project"]["entry-points"]
    assert registered == {"theorylab.theories": {"sample-variance": "sample_variance:theory"}}


def test_five_rooms_verify_and_pass_their_tests(checkout: Path) -> None:
    paths = [path.relative_to(checkout).as_posix() for path in create("toy_models/sample-variance", checkout / "tests")]
    assert paths == [
        "derivations/toy_models/sample_variance.py",
        "sims/toy_models/sample_variance.py",
        "theorylab/claims/toy_models/sample_variance.py",
        "figures/toy_models/sample_variance.py",
        "tests/toy_models/test_sample_variance.py",
        "derivations/toy_models/__init__.py",
        "sims/toy_models/__init__.py",
        "theorylab/claims/toy_models/__init__.py",
        "figures/toy_models/__init__.py",
        "pyproject.toml",
    ]
    site, out = install(checkout), checkout.parent
    verified = run("-m", "theorylab", "verify", "toy_models", "--jobs", "1", cwd=out, path=site)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "3/3" in verified.stdout
    drawn = run("-m", "theorylab", "figures", "toy_models", "-o", "drawn", cwd=out, path=site)
    assert drawn.returncode == 0, drawn.stdout + drawn.stderr
    assert len(list((out / "drawn").rglob("*.png"))) == 1
    tested = run("-m", "pytest", "-q", "-p", "no:cacheprovider", checkout / "tests", cwd=out, path=site)
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "6 passed" in tested.stdout


def test_what_is_written_passes_the_linters(checkout: Path, tmp_path: Path) -> None:
    written = [path for path in create("toy_models/sample-variance", checkout) if path.suffix == ".py"]
    for check in (["check"], ["format", "--check"]):
        linted = run("-m", "ruff", *check, "--no-cache", *written, cwd=checkout)
        assert linted.returncode == 0, linted.stdout + linted.stderr
    alone = [path for path in create("toy_models/sample-variance", tmp_path) if path.suffix == ".py"]
    style = ("--no-cache", "--config", checkout / "pyproject.toml", "--config", "lint.isort.known-first-party=[]")
    linted = run("-m", "ruff", "check", *style, "--ignore", "D103", *alone, cwd=tmp_path)
    assert linted.returncode == 0, linted.stdout + linted.stderr
    site = install(checkout)
    rooms = ("derivations", "sims", "claims", "figures")
    wanted = [argument for room in rooms for argument in ("-p", f"theorylab.{room}.toy_models")]
    cache = REPOSITORY / ".mypy_cache" / "scaffold"
    typed = run("-m", "mypy", "--config-file", checkout / "pyproject.toml", "--cache-dir", cache, *wanted, cwd=site)
    # Errors elsewhere in the package are the business of `make lint`.
    assert "8 source files" in typed.stdout, typed.stdout + typed.stderr
    assert not [line for line in typed.stdout.splitlines() if "toy_models" in line], typed.stdout


def test_second_theory_of_a_family_adds_no_package(checkout: Path) -> None:
    create("toy_models/first", checkout)
    before = (checkout / "pyproject.toml").read_bytes()
    paths = create("toy_models/second", checkout)
    assert len(paths) == 5
    assert (checkout / "pyproject.toml").read_bytes() == before


def test_packages_are_added_and_nothing_else_changes(checkout: Path) -> None:
    before = tomllib.loads((checkout / "pyproject.toml").read_text())
    create("toy_models/first", checkout)
    after = tomllib.loads((checkout / "pyproject.toml").read_text())
    packages = set(after["tool"]["setuptools"].pop("packages")) - set(before["tool"]["setuptools"].pop("packages"))
    assert packages == {f"theorylab.{room}.toy_models" for room in ("claims", "derivations", "figures", "sims")}
    assert after == before


def test_a_package_list_that_cannot_be_edited_is_left_alone(checkout: Path) -> None:
    file = checkout / "pyproject.toml"
    head, rest = file.read_text().split("packages = [\n", 1)
    listed, tail = rest.split("]", 1)
    file.write_text(f"{head}packages = [{' '.join(listed.split())}]{tail}")
    before = snapshot(checkout)
    with pytest.raises(UsageError, match=r"add theorylab.derivations.toy_models, .* then run this again"):
        create("toy_models/first", checkout)
    assert snapshot(checkout) == before


def test_nothing_is_overwritten(checkout: Path, tmp_path: Path) -> None:
    create("toy_models/twice", tmp_path)
    for root in (checkout, tmp_path):
        if root == checkout:
            create("toy_models/once", root)
        before = snapshot(tmp_path)
        with pytest.raises(UsageError, match="exists already"):
            create("toy_models/once" if root == checkout else "toy_models/twice", root)
        assert snapshot(tmp_path) == before


def test_one_existing_file_of_five_is_enough_to_refuse(checkout: Path) -> None:
    (checkout / "sims" / "toy_models").mkdir()
    (checkout / "sims" / "toy_models" / "mine.py").write_text("# precious\n")
    before = snapshot(checkout)
    with pytest.raises(UsageError, match=r"mine\.py exists already and is not overwritten"):
        create("toy_models/mine", checkout)
    assert snapshot(checkout) == before


def test_a_test_file_of_the_same_name_elsewhere_is_refused(checkout: Path) -> None:
    (checkout / "tests" / "other").mkdir()
    (checkout / "tests" / "other" / "test_mine.py").touch()
    with pytest.raises(UsageError, match=r"tests/other/test_mine\.py exists already"):
        create("toy_models/mine", checkout)


def test_nothing_is_left_when_writing_fails(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = snapshot(checkout)
    real = os.replace
    left = 6

    def full(source: Path, target: Path) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(28, "No space left on device", str(target))
        real(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(UsageError, match="No space left on device; nothing was left behind"):
        create("toy_models/mine", checkout)
    assert snapshot(checkout) == before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("theory", "is not of the form family/theory"),
        ("a/b/c", "is not of the form family/theory"),
        ("Toy Models/Sample_Variance", "did you mean toy_models/sample-variance"),
        ("toy-models/sample-variance", "did you mean toy_models/sample-variance"),
        ("../escape/theory", "is not of the form family/theory"),
        ("toy_models/2nd", "is not of the form family/theory"),
        ("", "is not of the form family/theory"),
        ("toy_models/lambda", "'lambda' is a word of the Python language"),
        ("toy_models/random", "a Python module 'random' exists already"),
        ("toy_models/numpy", "a Python module 'numpy' exists already"),
    ],
)
def test_bad_names(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        create(name, tmp_path)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_command_line(tmp_path: Path) -> None:
    made = run("-m", "theorylab", "new", "toy_models/sample-variance", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert made.stdout.splitlines()[0].endswith("sample_variance.py")
    again = run("-m", "theorylab", "new", "toy_models/sample-variance", cwd=tmp_path)
    assert again.returncode == 2
    assert again.stderr.count("\n") == 1
    assert "exists already" in again.stderr
