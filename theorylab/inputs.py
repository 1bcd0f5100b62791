"""What applications read besides tables: formulas, spectra, and data with labels."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from theorylab.blame import shown
from theorylab.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    import sympy as sp

X_NAMES = ("x", "inputs", "features", "data")
Y_NAMES = ("y", "labels", "targets", "target")


@dataclass(frozen=True)
class Formula:
    """An expression of one real variable, as text or as a SymPy expression.

    Parameters
    ----------
    name
        What a usage line calls it.
    variable
        Its variable.
    meaning
        What it is.
    names
        Words that stand for formulas, and the formulas.
    """

    name: str
    variable: str
    meaning: str
    names: Mapping[str, str]

    def describe(self) -> str:
        """What is expected."""
        words = f"; or one of {', '.join(self.names)}" if self.names else ""
        return f"{self.meaning}, an expression of {self.variable}{words}"

    def read(self, source: Any) -> sp.Expr:
        """The expression, in a real variable.

        Raises
        ------
        UsageError
            For text that is no expression, or an expression of other variables.
        """
        import sympy as sp

        from theorylab.expressions import parse

        variable = sp.Symbol(self.variable, real=True)
        if isinstance(source, sp.Basic):
            others = sorted(s.name for s in source.free_symbols if s.name != self.variable)
            if others:
                raise UsageError(f"{self.name} is an expression of {self.variable}, not of {', '.join(others)}")
            return source.xreplace(dict.fromkeys(source.free_symbols, variable))
        text = str(source).strip()
        return parse(self.names.get(text, text), variable)


@dataclass(frozen=True)
class Vector:
    """A list of finite numbers: a .npy file, a text file with a number in each line, or an array.

    Parameters
    ----------
    name
        What a usage line calls it.
    meaning
        What the numbers are.
    least
        Fewest numbers.
    """

    name: str
    meaning: str
    least: int = 1

    def describe(self) -> str:
        """What is expected."""
        return f"{self.meaning}: .npy, or text with a number in each line"

    def read(self, source: Any) -> np.ndarray:
        """float64[n].

        Raises
        ------
        UsageError
            Naming the file and the first entry at fault.
        """
        if isinstance(source, str | Path):
            place, found = shown(source), _loaded(Path(source), ".npy")
        else:
            place, found = self.name, source
        numbers = _real(found, place)
        if numbers.ndim != 1:
            raise UsageError(f"{place}: an array of shape {numbers.shape}; one dimension is expected ({self.meaning})")
        if len(numbers) < self.least:
            raise UsageError(f"{place}: {len(numbers)} numbers; at least {self.least} are needed ({self.meaning})")
        return numbers


@dataclass(frozen=True)
class Labelled:
    """Inputs and labels: a .npz file with arrays x[n, d] and y[n], or a mapping of two such arrays.

    Parameters
    ----------
    name
        What a usage line calls it.
    least
        Fewest rows.
    """

    name: str = "DATA.npz"
    least: int = 2

    def describe(self) -> str:
        """What is expected."""
        return f"a .npz file with x[n, d] (also {', '.join(X_NAMES[1:])}) and y[n] (also {', '.join(Y_NAMES[1:])})"

    def read(self, source: Any) -> tuple[np.ndarray, np.ndarray]:
        """Inputs float64[n, d] and labels float64[n].

        Raises
        ------
        UsageError
            Naming the array and the row at fault.
        """
        if isinstance(source, str | Path):
            place, arrays = shown(source), _loaded(Path(source), ".npz")
        else:
            place, arrays = self.name, source
        if not isinstance(arrays, Mapping):
            raise UsageError(f"{place} is one array; x and y are expected, saved by numpy.savez")
        x, y = (_picked(place, arrays, names) for names in (X_NAMES, Y_NAMES))
        if x.ndim == 1:
            x = x[:, None]
        if y.ndim == 2 and y.shape[1] == 1:
            y = y[:, 0]
        if x.ndim != 2 or y.ndim != 1:
            raise UsageError(f"{place}: x has shape {x.shape} and y {y.shape}; [n, d] and [n] are expected")
        if len(x) != len(y):
            raise UsageError(f"{place}: {len(x)} rows of x and {len(y)} labels y; equally many are expected")
        if len(x) < self.least:
            raise UsageError(f"{place}: {len(x)} rows; at least {self.least} are needed")
        return x, y


def _picked(place: str, arrays: Mapping[str, Any], names: tuple[str, ...]) -> np.ndarray:
    there = [k for k in arrays if k.lower() in names]
    if len(there) != 1:
        found = ", ".join(arrays) or "none"
        raise UsageError(f"{place}: one array called {' or '.join(names)} is expected; the arrays are {found}")
    return _real(arrays[there[0]], f"{place}, {there[0]}")


def _loaded(path: Path, suffix: str) -> Any:
    if not path.is_file():
        raise UnknownNameError("file", shown(path), [shown(f) for f in path.parent.glob(f"*{suffix}")])
    if path.suffix not in (".npy", ".npz"):
        try:
            return np.loadtxt(path, ndmin=1)
        except (ValueError, UnicodeDecodeError) as error:
            raise UsageError(f"{shown(path)} is neither {suffix} nor numbers as text: {error}") from None
    try:
        with open(path, "rb") as file:
            found = np.load(file, allow_pickle=False)
            return {k: found[k] for k in found.files} if isinstance(found, np.lib.npyio.NpzFile) else found
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise UsageError(f"{shown(path)} cannot be read as {path.suffix}: {error}") from None


def _real(values: Any, place: str) -> np.ndarray:
    """float64 array, all finite."""
    array = np.asarray(values)
    if array.dtype.kind not in "buif":
        raise UsageError(f"{place}: {array.dtype} entries; real numbers are expected")
    array = array.astype(float)
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        first = tuple(int(i) for i in bad[0])
        raise UsageError(f"{place}: entry {list(first)} is {array[first]:g}; finite numbers are expected")
    return array
