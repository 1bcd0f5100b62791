"""Fingerprints of code: a changed simulation never reuses old results."""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from types import ModuleType

from theorylab.simulation import Simulation


def fingerprint(simulation: Simulation) -> str:
    """Hash of the code that a simulation runs: its module and, recursively, the project modules it uses.

    Comments, docstrings and formatting do not count. Libraries from elsewhere (NumPy, ...) are not followed;
    neither is the instrument itself, which decides what is sampled but not what a trial is.
    """
    module = sys.modules[simulation.function.__module__]
    digest = hashlib.sha256(simulation.function.__qualname__.encode())
    for used in sorted(_closure(module), key=lambda m: m.__name__):
        digest.update(_code(used.__name__, inspect.getsource(used)).encode())
    return digest.hexdigest()[:32]


def _closure(start: ModuleType) -> set[ModuleType]:
    """Modules reachable through module globals, within the same package (or theorylab's kernels)."""
    package = start.__name__.partition(".")[0]
    seen: set[ModuleType] = set()
    waiting = [start]
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        waiting.extend(m for m in _uses(module) if _follows(m.__name__, package))
    return seen


def _follows(name: str, package: str) -> bool:
    if name.startswith("theorylab.kernels"):
        return True
    if package == "theorylab":
        return name.startswith("theorylab.sims")
    return name.partition(".")[0] == package


def _uses(module: ModuleType) -> Iterator[ModuleType]:
    for value in vars(module).values():
        name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        # Kernels compiled by Numba keep the Python function that says where they come from.
        name = getattr(getattr(value, "py_func", None), "__module__", name)
        if isinstance(value, Simulation):
            name = value.function.__module__
        if isinstance(name, str) and name in sys.modules:
            yield sys.modules[name]


@cache
def _code(name: str, source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef) and body:
            first = body[0]
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                first.value.value = ""
    return f"{name}\n{ast.dump(tree)}\n"
