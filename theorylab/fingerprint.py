"""Fingerprints of code: a changed simulation never reuses old results."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import inspect
import os
import pickle
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from theorylab.blame import is_installed
from theorylab.errors import UsageError
from theorylab.simulation import Simulation
from theorylab.slicing import needed_by

# What the numbers of every simulation pass through.
_ALWAYS = ("theorylab.backends", "theorylab.kernels.philox", "theorylab.kernels.random")
_FOLLOWED = ("theorylab.kernels", "theorylab.sims")
_LIBRARIES = ("numpy", "scipy", "numba")


@cache
def fingerprint(simulation: Simulation) -> str:
    """Hash of all that decides a simulation's numbers, other than its parameters and its random key.

    That is: its code and what this refers to in its module; the modules that are imported there (also inside
    functions) and, recursively, by these, when they are from the same package, from the user's own files, or from
    theorylab's simulations, kernels and random numbers; the values that the function was made with (a closure,
    `functools.partial`); and the versions of NumPy, SciPy and Numba. Comments, docstrings and formatting do not
    count. Other libraries are not followed and data files that a simulation reads are not seen; neither is the
    instrument itself, which decides what is sampled but not what a trial is.

    Raises
    ------
    UsageError
        When the source cannot be found, as for a function typed into a session.
    """
    function, values = _unwrapped(simulation.function)
    start = sys.modules[function.__module__]
    try:
        tree = ast.parse(inspect.getsource(start))
    except (OSError, TypeError):
        raise UsageError(
            f"the source of the simulation {function.__qualname__} cannot be found, so that nothing can tell whether "
            "it has changed: define it in a file, or use neither a store nor workers"
        ) from None
    own = needed_by(function.__qualname__.partition(".")[0], tree)
    digest = hashlib.sha256(function.__qualname__.encode())
    digest.update(values)
    # The module of the function goes without its name, which is another one in a worker (`__mp_main__`).
    digest.update(_text(own).encode())
    for name in sorted(_closure(start, own) | set(_ALWAYS)):
        digest.update(f"{name}\n{_module_text(_source(name))}".encode())
    digest.update(_versions().encode())
    return digest.hexdigest()[:32]


def _unwrapped(function: Callable[..., Any]) -> tuple[Any, bytes]:
    """The plain function inside, and the values that it was made with."""
    made_with: list[Any] = []
    while not isinstance(function, FunctionType):
        if isinstance(function, functools.partial):
            made_with += [function.args, sorted(function.keywords.items())]
            function = function.func
        elif hasattr(function, "py_func"):
            function = function.py_func
        else:
            # An object with `__call__`, or a bound method: its state is part of the simulation.
            made_with.append(vars(getattr(function, "__self__", function)))
            function = getattr(function, "__func__", type(function).__call__)
    made_with += [cell.cell_contents for cell in function.__closure__ or ()]
    return function, b"".join(_stable(value) for value in made_with)


def _stable(value: Any) -> bytes:
    try:
        return pickle.dumps(value, protocol=4)
    except (pickle.PicklingError, AttributeError, TypeError):
        # The text of an object without one of its own holds its address: then nothing is ever reused.
        return repr(value).encode()


def _closure(start: ModuleType, own: list[ast.stmt]) -> set[str]:
    """Names of the followed modules that can be reached from the statements `own` of `start`, without it.

    Read from the sources alone: what happens to be imported already must not matter, or a worker would disagree.
    """
    found = set(_imports(own, start.__package__ or ""))
    seen: set[str] = set()
    while found:
        new = {n for n in found if n not in seen and n != start.__name__ and _follows(n, start) and _file(n)}
        seen |= new
        found = {n for name in new for n in _imports(_parsed(_source(name)).body, _package(name))}
    return seen


def _package(name: str) -> str:
    file = _file(name)
    return name if file is not None and file.name == "__init__.py" else name.rpartition(".")[0]


def _follows(name: str, start: ModuleType) -> bool:
    top, home = name.partition(".")[0], start.__name__
    if top == "theorylab":
        return name.startswith(_FOLLOWED)
    return top == home.partition(".")[0] or (_is_own(home) and _is_own(top))


def _imports(statements: Iterable[ast.stmt], package: str) -> Iterator[str]:
    """Names that statements import, wherever in them; each may be a module or something inside one."""
    for node in (node for statement in statements for node in ast.walk(statement)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (package or not node.level):
            relative = "." * node.level + (node.module or "")
            home = importlib.util.resolve_name(relative, package) if node.level else relative
            yield from (home, *(f"{home}.{alias.name}" for alias in node.names))


@cache
def _file(name: str) -> Path | None:
    """The source file of a module, found without importing anything of the user's."""
    parent, _, last = name.rpartition(".")
    if name in sys.modules:
        origin = getattr(sys.modules[name], "__file__", None)
    elif not parent or parent.startswith("theorylab"):
        try:
            spec = importlib.util.find_spec(name)
        except ModuleNotFoundError:
            return None
        origin = spec.origin if spec is not None else None
    else:
        candidates = (os.path.join(f, last + end) for f in _folders(parent) for end in (".py", "/__init__.py"))
        origin = next((c for c in candidates if os.path.isfile(c)), None)
    return Path(origin).resolve() if origin and origin.endswith(".py") else None


def _folders(package: str) -> list[str]:
    """The folders in which the modules of a package are."""
    parent, _, last = package.rpartition(".")
    if package in sys.modules:
        return list(getattr(sys.modules[package], "__path__", ()))
    if not parent:
        spec = importlib.util.find_spec(package)
        return list(spec.submodule_search_locations or ()) if spec is not None else []
    return [f for f in (os.path.join(f, last) for f in _folders(parent)) if os.path.isdir(f)]


def _is_own(name: str) -> bool:
    """Whether a top-level module or package is the user's and not installed."""
    places = [file] if (file := _file(name)) else [Path(f).resolve() for f in _folders(name)]
    return any(not is_installed(place) for place in places)


def _source(name: str) -> bytes:
    file = _file(name)
    assert file is not None
    return file.read_bytes()


@cache
def _parsed(source: bytes) -> ast.Module:
    return ast.parse(source)


@cache
def _module_text(source: bytes) -> str:
    return _text(_parsed(source).body)


def _text(statements: Iterable[ast.stmt]) -> str:
    return "\n".join(ast.dump(_without_docstrings(s)) for s in statements)


def _without_docstrings(statement: ast.stmt) -> ast.stmt:
    for node in ast.walk(statement):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                first.value.value = None
    return statement


@cache
def _versions() -> str:
    from importlib.metadata import version

    return " ".join(f"{name} {version(name)}" for name in _LIBRARIES)
