"""The figures of the catalogue, found in the modules of `theorylab.figures`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from theorylab.errors import UnknownNameError
from theorylab.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURES = "theorylab.figures"


@cache
def available() -> dict[str, Callable[[str], Figure]]:
    """All figures by name, `family/figure`; each is drawn by a function of the budget's name."""
    found: dict[str, Callable[[str], Figure]] = {}
    parent = importlib.import_module(FIGURES)
    for module in pkgutil.walk_packages(parent.__path__, f"{FIGURES}."):
        if module.ispkg:
            continue
        family = module.name.split(".")[-2]
        figures = getattr(importlib.import_module(module.name), "FIGURES", {})
        found |= {f"{family}/{name}": function for name, function in figures.items()}
    return dict(sorted(found.items()))


def select(names: Sequence[str]) -> list[str]:
    """The figures with these names, or of these theories or families; all when there are none."""
    known = available()
    chosen = {name: below(name) for name in names} if names else {"": list(known)}
    for name, found in chosen.items():
        if not found:
            raise UnknownNameError("figure", name, known)
    return list(dict.fromkeys(figure for found in chosen.values() for figure in found))


def below(name: str) -> list[str]:
    """The figure of this name, or those of this theory or family."""
    asked = name.rstrip("/")
    return [f for f, draws in available().items() if asked in (f, f.split("/")[0]) or _is_of(asked, f, draws)]


def _is_of(theory: str, name: str, figure: Callable[[str], Figure]) -> bool:
    """Whether a figure's name begins with the theory's, or the module that it is in bears it."""
    return name.startswith(f"{theory}-") or figure.__module__.split(".")[-2:] == theory.replace("-", "_").split("/")


def draw(name: str, budget: str, folder: Path, formats: Sequence[str]) -> list[Path]:
    """Draw one figure into `folder`, once for each format; return the files."""
    figure = available()[name](budget)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name.replace('/', '-')}.{kind}" for kind in formats]
    for path, kind in zip(paths, formats):
        write_atomically(path, lambda p, kind=kind: figure.savefig(p, format=kind, dpi=150))  # type: ignore[misc]
    return paths
