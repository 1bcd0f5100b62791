"""The catalogue: built-in theories, those of installed packages, and those in a user's file."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from theorylab.application import Application
from theorylab.claim import Claim
from theorylab.errors import DesignError, UnknownNameError, UsageError
from theorylab.theory import ClaimEntry, Theory

ENTRY_POINTS = "theorylab.theories"
CATALOGUE = "theorylab.claims"


@cache
def theories() -> dict[str, Theory]:
    """All registered theories by name."""
    found: dict[str, Theory] = {}
    for module in _modules():
        for theory in _theories_in(module):
            if found.setdefault(theory.name, theory) is not theory:
                raise DesignError(f"theory {theory.name} is registered twice (once by {module.__name__})")
    return dict(sorted(found.items()))


def entries(controls: bool = False) -> dict[str, ClaimEntry]:
    """All claims by name, without building them; the false controls only when asked for."""
    return {
        name: entry
        for theory in theories().values()
        for name, entry in theory.entries.items()
        if controls or not entry.control
    }


def claim(name: str) -> Claim:
    """The claim called `family/theory/claim`.

    Raises
    ------
    UnknownNameError
        With the nearest names.
    """
    known = entries(controls=True)
    if name not in known:
        raise UnknownNameError("claim", name, known)
    return known[name].claim


def claims(prefix: str = "") -> list[Claim]:
    """The claims below a prefix (a family, a theory or a claim; all when empty), built."""
    return [entry.claim for entry in select([prefix] if prefix else [])]


def select(names: Sequence[str], controls: bool = False) -> list[ClaimEntry]:
    """The claims below any of the names, in catalogue order; all when there are none.

    A name that ends in ".py" is a user's file: every `Claim` and `Theory` at its top level is selected.
    A control is selected when it is named in full, or with `controls`.
    """
    known = entries(controls=True)
    chosen: dict[str, ClaimEntry] = {}
    if not names:
        return list(entries(controls).values())
    for name in names:
        if name.endswith(".py"):
            chosen |= {entry.name: entry for entry in _in_file(name)}
            continue
        below = [e for n, e in known.items() if n == name or (n.startswith(f"{name.rstrip('/')}/"))]
        if not below:
            prefixes = {"/".join(n.split("/")[:i]) for n in known for i in (1, 2, 3)}
            raise UnknownNameError("claim, theory or family", name, sorted(prefixes))
        chosen |= {e.name: e for e in below if controls or not e.control or e.name == name}
    return list(chosen.values())


@cache
def load_file(path: str) -> ModuleType:
    """Import a user's file under a name of its own, once."""
    file = Path(path).resolve()
    if not file.is_file():
        raise UsageError(f"no file {path}")
    name = f"theorylab_user_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    # A file may import its neighbours, as a script does.
    sys.path.insert(0, str(file.parent))
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise UsageError(f"{path}, line {error.lineno}: {error.msg}") from None
    return module


def applications() -> dict[str, Application]:
    """Registered applications by name."""
    found: dict[str, Application] = {}
    for module in _submodules("theorylab.applications"):
        for value in vars(module).values():
            if isinstance(value, Application):
                found[value.name] = value
    return found


def apply(name: str, *inputs: Any, **parameters: Any) -> Any:
    """Turn a theory on your own data: run the application called `name`."""
    known = applications()
    if name not in known:
        raise UnknownNameError("application", name, known, "" if known else " (none is installed yet)")
    return known[name].run(*inputs, **parameters)


def _in_file(path: str) -> Iterator[ClaimEntry]:
    module = load_file(str(Path(path).resolve()))
    origin = str(Path(path).resolve())
    stem = Path(path).stem
    found: list[ClaimEntry] = [e for t in _theories_in(module) for e in t.entries.values()]
    for variable, value in vars(module).items():
        if isinstance(value, Claim):
            name = value.name or f"{stem}/{variable}"
            found.append(_entry(replace(value, name=name)))
    if not found:
        raise UsageError(f"{path} defines no theorylab.Claim or Theory at its top level")
    for e in found:
        yield _entry(replace(e.claim, origin=origin))


def _entry(claim: Claim) -> ClaimEntry:
    return ClaimEntry(claim.name, claim.statement, claim.notes, claim.expected, claim.source, False, lambda: claim)


def _theories_in(module: ModuleType) -> list[Theory]:
    return list({id(v): v for v in vars(module).values() if isinstance(v, Theory)}.values())


def _modules() -> Iterator[ModuleType]:
    yield from _submodules(CATALOGUE)
    for point in entry_points(group=ENTRY_POINTS):
        loaded = point.load()
        if isinstance(loaded, Theory):
            holder = ModuleType(point.value)
            holder.__dict__["theory"] = loaded
            yield holder
        else:
            yield loaded


def _submodules(package: str) -> Iterator[ModuleType]:
    parent = importlib.import_module(package)
    for found in pkgutil.walk_packages(parent.__path__, f"{package}."):
        if not found.ispkg:
            yield importlib.import_module(found.name)
