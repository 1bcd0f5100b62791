"""The rooms of the house: every package is installed, and the import contracts see what breaks them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SETUPTOOLS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
# Import name of each top-level folder, theorylab itself included.
ROOMS = {folder: name for name, folder in SETUPTOOLS["package-dir"].items()}

CORE = "Only claims, applications and figures import theories"
INDEPENDENT = "Derivations and simulations share no code"
NO_KERNELS = "Derivations compute without kernels"
KERNELS = "Kernels import nothing else of theorylab"


def packages_on_disk() -> set[str]:
    found = set()
    for room, name in ROOMS.items():
        for file in (REPOSITORY / room).rglob("*.py"):
            inside = file.parent.relative_to(REPOSITORY / room).parts
            found.add(".".join([name, *inside]))
    return found


def test_every_folder_with_modules_is_a_listed_package() -> None:
    assert set(SETUPTOOLS["packages"]) == packages_on_disk()


def test_every_package_has_an_init_file() -> None:
    folders = {name: room for room, name in ROOMS.items()}
    for package in SETUPTOOLS["packages"]:
        home = max((name for name in folders if f"{package}.".startswith(f"{name}.")), key=len)
        inside = package.removeprefix(home).strip(".").split(".")
        assert (REPOSITORY / folders[home]).joinpath(*filter(None, inside), "__init__.py").is_file(), package


def test_a_family_has_the_same_name_in_every_room() -> None:
    families = {p.name for p in (REPOSITORY / "theorylab" / "claims").iterdir() if (p / "__init__.py").is_file()}
    assert families
    for room in ("derivations", "sims", "figures"):
        assert families <= {p.name for p in (REPOSITORY / room).iterdir() if p.is_dir()}, room


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy laid out as it is when installed."""
    site = tmp_path_factory.mktemp("site")
    without_caches = shutil.ignore_patterns("__pycache__")
    for room, name in ROOMS.items():
        shutil.copytree(REPOSITORY / room, site.joinpath(*name.split(".")), ignore=without_caches)
    return site


def broken_contracts(site: Path) -> set[str]:
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    options = ["--config", str(REPOSITORY / "pyproject.toml"), "--no-cache", "--no-logo"]
    done = subprocess.run(
        [sys.executable, "-c", command, *options], cwd=site, capture_output=True, text=True, check=False
    )
    output = done.stdout + done.stderr
    assert "Contracts: " in output, output
    # The verdict may be followed by "(3 ignored imports)".
    broken = set(re.findall(r"^(.*) BROKEN\b.*$", output, re.MULTILINE))
    assert done.returncode == (1 if broken else 0), output
    return broken


def test_contracts_are_kept(installed: Path) -> None:
    assert broken_contracts(installed) == set()


@pytest.mark.parametrize(
    ("module", "statement", "broken"),
    [
        ("derivations.double_descent", "import theorylab.sims.double_descent", {INDEPENDENT, CORE}),
        ("sims.double_descent", "from theorylab.derivations import double_descent", {INDEPENDENT, CORE}),
        ("derivations.double_descent", "from theorylab.kernels.random import Stream", {NO_KERNELS}),
        ("derivations.double_descent", "import theorylab.claims.double_descent", {CORE}),
        ("sims.double_descent", "import theorylab.figures.double_descent", {CORE}),
        ("kernels.philox", "from theorylab.simulation import Cost", {KERNELS}),
        # Derivations reach the generator of random bits, the one piece that they share with simulations.
        ("kernels.philox", "import theorylab.sims", {KERNELS, CORE, INDEPENDENT}),
        ("kernels.philox", "from theorylab import Claim", {KERNELS}),
        ("claims.double_descent", "import theorylab.figures.double_descent", {CORE}),
        ("engine", "import theorylab.claims.double_descent", {CORE}),
        ("engine", "import theorylab.derivations.double_descent", {CORE}),
        ("checks.base", "from theorylab.sims import double_descent", {CORE}),
        ("cli.verify", "import theorylab.applications", {CORE}),
        # Imports inside functions count, and so do those that go through another module.
        ("inference.means", "def f():\n    import theorylab.figures", {CORE}),
        ("derivations", "import theorylab.sims", {INDEPENDENT, CORE}),
    ],
)
def test_a_forbidden_import_breaks_its_contract(installed: Path, module: str, statement: str, broken: set[str]) -> None:
    path = installed.joinpath("theorylab", *module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    original = file.read_text(encoding="utf-8")
    try:
        file.write_text(f"{original}\n{statement}\n", encoding="utf-8")
        assert broken_contracts(installed) == broken
    finally:
        file.write_text(original, encoding="utf-8")
