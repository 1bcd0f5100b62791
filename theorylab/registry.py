"""The catalogue: built-in theories, those of installed packages, and those in a user's file.

Wherever a claim is named, FILE.py stands for the claims in a file of the user's and FILE.py:NAME for one of them.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import linecache
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from theorylab.application import Application
from theorylab.blame import one_line, shown
from theorylab.claim import Claim
from theorylab.errors import DesignError, UnknownNameError, UsageError
from theorylab.theory import ClaimEntry, Theory

ENTRY_POINTS = "theorylab.theories"
CATALOGUE = "theorylab.claims"
_PREFIX = "theorylab_user_"
_FILE = re.compile(r"(?P<path>.*\.py)(:(?P<claim>[^:/\\]+(/[^:\\]+)*))?")


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
    """The claim called `family/theory/claim`, FILE.py:NAME, or FILE.py when there is one in the file.

    Raises
    ------
    UnknownNameError
        With the nearest names.
    UsageError
        When a file cannot be imported, or holds several claims and none is named.
    """
    return entry(name).claim


def entry(name: str) -> ClaimEntry:
    """The claim of this name, not built yet; see `claim`."""
    below, _ = _below(name)
    if len(below) > 1:
        file = _FILE.fullmatch(name)
        choices = [f"{file['path']}:{_last(e.name)}" if file else e.name for e in below]
        raise UsageError(f"{name} holds {len(below)} claims; choose one of {', '.join(choices)}")
    return below[0]


def claims(prefix: str = "") -> list[Claim]:
    """The claims below a prefix (a family, a theory or a claim; all when empty), built."""
    return [entry.claim for entry in select([prefix] if prefix else [])]


def select(names: Sequence[str], controls: bool = False) -> list[ClaimEntry]:
    """The claims below any of the names, in catalogue order; all when there are none.

    FILE.py selects every `Claim` and `Theory` at the top level of a user's file, FILE.py:NAME one of them.
    A control is selected when it is named in full, or with `controls`.
    """
    if not names:
        return list(entries(controls).values())
    chosen: dict[str, ClaimEntry] = {}
    homes: dict[str, str] = {}
    for name in names:
        file = _FILE.fullmatch(name)
        home = shown(file["path"]) if file else "the catalogue"
        below, in_full = _below(name)
        wanted = [e for e in below if controls or in_full or not e.control]
        if not wanted:
            raise UsageError(f"below {name} there are only controls, false on purpose: add --controls")
        for e in wanted:
            if homes.setdefault(e.name, home) != home:
                raise UsageError(f"{e.name} is defined in {homes[e.name]} and in {home}: verify them one by one")
            chosen[e.name] = e
    return list(chosen.values())


def _below(name: str) -> tuple[list[ClaimEntry], bool]:
    """The claims that a name selects, and whether it names a single one in full."""
    if match := _FILE.fullmatch(name):
        return _in_file(match["path"], match["claim"]), match["claim"] is not None
    known = entries(controls=True)
    below = [e for n, e in known.items() if n == name or n.startswith(f"{name.rstrip('/')}/")]
    if not below:
        prefixes = {"/".join(n.split("/")[:i]) for n in known for i in (1, 2, 3)}
        raise UnknownNameError("claim, theory or family", name, [*sorted(prefixes), *_file_beside(name)])
    return below, name in known


@cache
def load_file(path: str) -> ModuleType:
    """Import a user's file under a name of its own, once.

    Raises
    ------
    UsageError
        When there is no such file, or importing it fails: one line with the file and line at fault.
    """
    file = Path(path).resolve()
    if not file.is_file():
        raise UnknownNameError("file", shown(path), [shown(f) for f in file.parent.glob("*.py")])
    name = f"{_PREFIX}{file.stem}_{hashlib.sha256(str(file).encode()).hexdigest()[:8]}"
    module = ModuleType(name)
    module.__file__ = str(file)
    sys.modules[name] = module
    # A file may import its neighbours, as a script does.
    if str(file.parent) not in sys.path:
        sys.path.insert(0, str(file.parent))
    try:
        text = importlib.util.decode_source(file.read_bytes())
        # Compiled from the text, never from a cached bytecode file, and remembered, so that the fingerprint is of the
        # code that runs whatever happens to the file in the meantime.
        linecache.cache[str(file)] = (len(text), None, text.splitlines(keepends=True), str(file))
        exec(compile(text, str(file), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise UsageError(f"{shown(file)} cannot be imported: {one_line(error)}") from error
    return module


def loaded_folders() -> set[Path]:
    """The folders of the users' files that were imported."""
    own = [m for name, m in list(sys.modules.items()) if name.startswith(_PREFIX)]
    return {Path(m.__file__).parent for m in own if m.__file__}


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


def _in_file(path: str, wanted: str | None = None) -> list[ClaimEntry]:
    """The claims of a file, or the one that is wanted: by its full name, the last part of it, or its variable."""
    origin = str(Path(path).resolve())
    module = load_file(origin)
    entries = [e for theory in _theories_in(module) for e in theory.entries.values()]
    found = {e.name: (replace(e, build=_from_file(e, origin)), "") for e in entries}
    for variable, value in vars(module).items():
        if not isinstance(value, Claim):
            continue
        claim = replace(value, name=value.name or f"{Path(path).stem}/{variable.replace('_', '-')}", origin=origin)
        if claim.name not in found:
            found[claim.name] = (_entry(claim), variable)
        elif getattr(module, found[claim.name][1], None) is not value:
            raise UsageError(f"{shown(origin)}: two claims are called {claim.name}; give one of them another name")
    if not found:
        raise UsageError(f"{shown(origin)} defines no theorylab.Claim or Theory at its top level")
    if wanted is None:
        return [e for e, _ in found.values()]
    names = {wanted, wanted.replace("_", "-")}
    chosen = [e for e, variable in found.values() if names & {e.name, _last(e.name), variable}]
    if not chosen:
        raise UnknownNameError("claim", f"{path}:{wanted}", [f"{path}:{_last(name)}" for name in found])
    return chosen


def _entry(claim: Claim) -> ClaimEntry:
    return ClaimEntry(claim.name, claim.statement, claim.notes, claim.expected, claim.source, False, lambda: claim)


def _from_file(entry: ClaimEntry, origin: str) -> Callable[[], Claim]:
    return lambda: replace(entry.claim, origin=origin)


def _file_beside(name: str) -> list[str]:
    """The file that was meant by a name without its ending, if there is one."""
    return [f"{name}.py"] if Path(f"{name}.py").is_file() else []


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _theories_in(module: ModuleType) -> list[Theory]:
    return list({id(v): v for v in vars(module).values() if isinstance(v, Theory)}.values())


def _modules() -> Iterator[ModuleType]:
    yield from _submodules(CATALOGUE)
    for point in entry_points(group=ENTRY_POINTS):
        try:
            loaded = point.load()
        except (Exception, SystemExit) as error:
            home = point.dist.name if point.dist is not None else point.value
            raise UsageError(
                f"the theories of the installed package {home} ({point.value}) cannot be imported: {one_line(error)}; "
                "mend or uninstall it"
            ) from error
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
