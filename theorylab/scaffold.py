"""The start of a new theory: a small one that works, written where it belongs, to be edited piece by piece."""

from __future__ import annotations

import contextlib
import keyword
import os
import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from theorylab.errors import UsageError
from theorylab.skeleton import project, rooms

ROOMS = {
    "derivations": "theorylab.derivations",
    "sims": "theorylab.sims",
    "theorylab/claims": "theorylab.claims",
    "figures": "theorylab.figures",
}
_FORM = re.compile(r"([a-z][a-z0-9]*(?:_[a-z0-9]+)*)/([a-z][a-z0-9]*(?:-[a-z0-9]+)*)")


def create(name: str, root: Path) -> list[Path]:
    """Write the skeleton of the theory `family/theory`; return the paths, in the order in which to edit them.

    In a checkout of theorylab (`root` or a folder above it) these are the five files of the five rooms, and the
    packages of a new family are added to `pyproject.toml`. Elsewhere it is a project of its own in
    `root/theory`: one file with the theory, its simulation and its claim, a test, and a `pyproject.toml` that
    registers the theory with theorylab.

    Raises
    ------
    UsageError
        When the name is not of the allowed form, something of that name exists already, or the files cannot be
        written. Nothing is left behind then.
    """
    family, theory = _parse(name)
    module = theory.replace("-", "_")
    names = {"family": family, "theory": theory, "module": module}
    checkout = _checkout(root)
    if checkout is None:
        _refuse_taken_module(module)
        files = {root / theory / file: text for file, text in project(names).items()}
    else:
        _refuse_second_test(checkout, module)
        files = {checkout / file: text for file, text in rooms(names).items()}
    _refuse_existing(files)
    edits = {} if checkout is None else _packages(checkout, family)
    _write(files, edits)
    return [*files, *edits]


def _parse(name: str) -> tuple[str, str]:
    match = _FORM.fullmatch(name)
    if match is None:
        wanted = "family/theory in lower case, words joined by _ in the family and by - in the theory"
        family, _, theory = name.lower().partition("/")
        nearest = re.sub(r"\W+|_+", "_", family).strip("_") + "/" + re.sub(r"\W+|_+", "-", theory).strip("-")
        hint = f"; did you mean {nearest}?" if _FORM.fullmatch(nearest) else ", such as scaling_laws/one-pass-sgd"
        raise UsageError(f"theory name {name!r} is not of the form {wanted}{hint}")
    for part in match.groups():
        if keyword.iskeyword(part):
            raise UsageError(f"{part!r} is a word of the Python language and cannot name a module: choose another")
    return match.group(1), match.group(2)


def _checkout(root: Path) -> Path | None:
    for folder in (root.absolute(), *root.absolute().parents):
        file = folder / "pyproject.toml"
        if file.is_file():
            with contextlib.suppress(tomllib.TOMLDecodeError, UnicodeDecodeError):
                if tomllib.loads(file.read_text(encoding="utf-8")).get("project", {}).get("name") == "theorylab":
                    return folder
    return None


def _refuse_taken_module(module: str) -> None:
    from importlib.util import find_spec

    if module in sys.stdlib_module_names or find_spec(module) is not None:
        raise UsageError(f"a Python module {module!r} exists already and would be hidden: choose another theory name")


def _refuse_second_test(checkout: Path, module: str) -> None:
    # Test files are told apart by their names alone, whatever folder they are in.
    for file in sorted((checkout / "tests").rglob(f"test_{module}.py")):
        raise UsageError(f"{file.relative_to(checkout)} exists already: choose another theory name")


def _refuse_existing(files: Mapping[Path, str]) -> None:
    for path in files:
        if path.exists():
            raise UsageError(f"{path} exists already and is not overwritten: move it away, or choose another name")


def _packages(checkout: Path, family: str) -> dict[Path, str]:
    """New contents of the files that a new family changes: its empty packages, and their list in pyproject.toml."""
    edits = {
        checkout / room / family / "__init__.py": ""
        for room in ROOMS
        if not (checkout / room / family / "__init__.py").exists()
    }
    file = checkout / "pyproject.toml"
    text = file.read_text(encoding="utf-8")
    new = [f"{package}.{family}" for package in ROOMS.values() if f"{package}.{family}" not in _listed(text)]
    if new:
        edited = _extended(text, new)
        if not _lists_exactly(text, new, edited):
            raise UsageError(f"add {', '.join(new)} to [tool.setuptools] packages in {file}, then run this again")
        edits[file] = edited
    return edits


def _extended(pyproject: str, new: list[str]) -> str:
    block = re.search(r"(?<=^packages = \[\n).*?(?=^\])", pyproject, re.MULTILINE | re.DOTALL)
    if block is None:
        return pyproject
    lines = block.group().splitlines(keepends=True)
    for package in new:
        # After the last package of the same room.
        room = package.rsplit(".", 1)[0]
        last = max((i for i, line in enumerate(lines) if line.strip().startswith(f'"{room}')), default=len(lines) - 1)
        lines.insert(last + 1, f'  "{package}",\n')
    return pyproject[: block.start()] + "".join(lines) + pyproject[block.end() :]


def _listed(pyproject: str) -> list[str]:
    listed: list[str] = tomllib.loads(pyproject)["tool"]["setuptools"]["packages"]
    return listed


def _lists_exactly(before: str, new: list[str], after: str) -> bool:
    try:
        documents: list[dict[str, Any]] = [tomllib.loads(text) for text in (before, after)]
    except tomllib.TOMLDecodeError:
        return False
    old_list, new_list = (document["tool"]["setuptools"].pop("packages") for document in documents)
    return documents[0] == documents[1] and sorted(new_list) == sorted([*old_list, *new])


def _write(files: Mapping[Path, str], edits: Mapping[Path, str]) -> None:
    """Write all or nothing: every file beside its place first, then each into its place."""
    beside: dict[Path, Path] = {}
    made: list[Path] = []
    try:
        for path, text in {**files, **edits}.items():
            missing = [folder for folder in path.parents if not folder.exists()]
            path.parent.mkdir(parents=True, exist_ok=True)
            made.extend(reversed(missing))
            beside[path] = path.with_name(f".{path.name}.new")
            beside[path].write_text(text, encoding="utf-8")
        for path, temporary in beside.items():
            new = not path.exists()
            os.replace(temporary, path)
            if new:
                made.append(path)
    except OSError as error:
        for temporary in beside.values():
            temporary.unlink(missing_ok=True)
        for path in reversed(made):
            with contextlib.suppress(OSError):
                path.rmdir() if path.is_dir() else path.unlink()
        raise UsageError(f"cannot write {error.filename}: {error.strerror}; nothing was left behind") from None
