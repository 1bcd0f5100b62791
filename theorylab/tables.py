"""Tables of numbers from CSV files or mappings of arrays, with every mistake named in one line."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from theorylab.blame import shown
from theorylab.errors import UnknownNameError, UsageError
from theorylab.parameters import Interval


@dataclass(frozen=True)
class Column:
    """A column of numbers.

    Parameters
    ----------
    name
        Its header.
    domain
        Where its values may lie.
    meaning, unit
        What they are.
    aliases
        Other headers that are understood; letters of either case are, in all.
    required
        Whether the column must be there.
    """

    name: str
    domain: Interval
    meaning: str
    unit: str
    aliases: tuple[str, ...] = ()
    required: bool = True


@dataclass(frozen=True)
class Table:
    """Columns of numbers in a CSV file with a header line; further columns are left alone.

    Parameters
    ----------
    name
        What a usage line calls it.
    columns
        What is read.
    least
        Fewest rows.
    why
        Why there must be so many.
    """

    name: str
    columns: tuple[Column, ...]
    least: int = 1
    why: str = ""

    def describe(self) -> str:
        """The columns with their units."""
        parts = [
            f"{c.name} ({c.meaning}, {c.unit}{'' if c.required else '; optional'}"
            + (f"; also {', '.join(c.aliases)}" if c.aliases else "")
            + ")"
            for c in self.columns
        ]
        return "CSV with columns " + ", ".join(parts)

    def read(self, source: Any) -> dict[str, np.ndarray]:
        """The columns as float64[rows], by name.

        Parameters
        ----------
        source
            Path of a CSV file, or a mapping (a data frame) of arrays.

        Raises
        ------
        UsageError
            Naming the file, the column and the row.
        """
        if isinstance(source, str | Path):
            place, word, (cells, rows) = shown(source), "line", self._cells(Path(source))
        else:
            place, word, cells = self.name, "row", {str(k): list(np.asarray(source[k]).ravel()) for k in source}
            rows = list(range(1, 1 + max((len(v) for v in cells.values()), default=0)))
        found = self._columns(place, cells)
        if len({len(v) for v in found.values()}) > 1:
            raise UsageError(f"{place}: the columns have different lengths")
        numbers = {
            c.name: _numbers(f"{place}, {word}", c, found[c.name], rows) for c in self.columns if c.name in found
        }
        if len(rows) < self.least:
            why = f": {self.why}" if self.why else ""
            raise UsageError(f"{place}: {len(rows)} rows; at least {self.least} are needed{why}")
        return numbers

    def _cells(self, path: Path) -> tuple[dict[str, list[str]], list[int]]:
        """Text of the cells by header, and the line of each row."""
        if not path.is_file():
            raise UnknownNameError("file", shown(path), [shown(f) for f in path.parent.glob("*.csv")])
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{shown(path)} cannot be read as text: {error}") from None
        try:
            reader = csv.reader(text.splitlines(), strict=True)
            header = [h.strip() for h in next(reader, [])]
            records = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
        except csv.Error as error:
            raise UsageError(f"{shown(path)}: not a CSV file: {error}") from None
        if not any(header):
            raise UsageError(f"{shown(path)} is empty: a header and rows of numbers are expected")
        if twice := [h for h in header if h and header.count(h) > 1]:
            raise UsageError(f"{shown(path)}: two columns are called {twice[0]}")
        for line, row in records:
            if len(row) != len(header):
                raise UsageError(f"{shown(path)}, line {line}: {len(row)} cells under {len(header)} headers")
        return {h: [row[i] for _, row in records] for i, h in enumerate(header)}, [line for line, _ in records]

    def _columns(self, place: str, cells: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
        """The wanted columns under their own names."""
        found: dict[str, list[Any]] = {}
        for column in self.columns:
            names = [h for h in cells if h.lower() in {n.lower() for n in (column.name, *column.aliases)}]
            if len(names) > 1:
                raise UsageError(f"{place}: {' and '.join(names)} are both {column.meaning}; keep one of them")
            if names:
                found[column.name] = cells[names[0]]
        missing = [c for c in self.columns if c.required and c.name not in found]
        if missing:
            what = ", ".join(f"{c.name} ({c.meaning}, {c.unit})" for c in missing)
            there = ", ".join(cells) or "none"
            raise UsageError(f"{place}: missing column{'s' * (len(missing) > 1)} {what}; the columns are {there}")
        return found


def _numbers(place: str, column: Column, cells: list[Any], rows: list[int]) -> np.ndarray:
    out = np.empty(len(cells))
    for i, (cell, row) in enumerate(zip(cells, rows)):
        where = f"{place} {row}: {column.name}"
        try:
            out[i] = float(cell)
        except (TypeError, ValueError):
            empty = not str(cell).strip()
            raise UsageError(f"{where} is empty" if empty else f"{where} = {str(cell)!r} is not a number") from None
        if not math.isfinite(out[i]):
            raise UsageError(f"{where} = {cell} is not a finite number")
        if not column.domain.contains(out[i : i + 1])[0]:
            raise UsageError(f"{where} = {out[i]:g} is outside {column.domain} ({column.meaning}, {column.unit})")
    return out
