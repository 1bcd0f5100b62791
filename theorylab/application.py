"""Applications: theories turned on a user's own data.

An application declares what it reads (`Input`s), what may be set (parameters with domains and units) and what it
computes from both: a `Result`, quantities with intervals, notes, and figures that are drawn when they are asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from theorylab.errors import UsageError
from theorylab.parameters import Parameter, Space

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Input(Protocol):
    """Something that an application reads: `theorylab.tables.Table` for columns of numbers."""

    @property
    def name(self) -> str:
        """What it is called, in capitals, as in a usage line: RUNS.csv."""
        ...

    def read(self, source: Any) -> Any:
        """The data in a file, or in the arrays that stand for it; `UsageError` in one line for what is wrong."""
        ...

    def describe(self) -> str:
        """What is expected, in a line or two."""
        ...


@dataclass(frozen=True)
class Quantity:
    """One number of a result.

    Parameters
    ----------
    name, meaning, unit
        As for a parameter.
    value
        The estimate.
    interval
        Its ends, or None for a number that is known.
    """

    name: str
    value: float
    interval: tuple[float, float] | None = None
    meaning: str = ""
    unit: str = ""

    def row(self) -> tuple[str, str, str, str]:
        """Name, value, interval and meaning as text."""
        ends = "" if self.interval is None else f"[{self.interval[0]:.4g}, {self.interval[1]:.4g}]"
        return self.name, f"{self.value:.5g}", ends, self.meaning + (f" [{self.unit}]" if self.unit else "")


@dataclass(frozen=True)
class Result:
    """What an application found.

    Parameters
    ----------
    application, title
        Its name, and what was done to what, in a line.
    quantities
        Numbers with their intervals.
    notes
        What a reader of the numbers should know, a sentence each.
    draw
        Figures by name, drawn when they are asked for.
    data
        Arrays and options behind the numbers, for use in Python.
    """

    application: str
    title: str
    quantities: Sequence[Quantity]
    notes: Sequence[str] = ()
    draw: Mapping[str, Callable[[], Figure]] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Quantity:
        for quantity in self.quantities:
            if quantity.name == name:
                return quantity
        raise KeyError(name)

    def __str__(self) -> str:
        rows = [("quantity", "value", "interval", ""), *(q.row() for q in self.quantities)]
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        lines = [f"# {self.title}"]
        lines += [f"{r[0]:<{widths[0]}}  {r[1]:>{widths[1]}}  {r[2]:<{widths[2]}}  {r[3]}".rstrip() for r in rows]
        return "\n".join([*lines, *(f"# {note}" for note in self.notes)])

    def as_dict(self) -> dict[str, Any]:
        """The result as JSON has it."""
        return {
            "application": self.application,
            "title": self.title,
            "quantities": [
                {"name": q.name, "value": q.value, "interval": q.interval, "unit": q.unit, "meaning": q.meaning}
                for q in self.quantities
            ],
            "notes": list(self.notes),
        }

    def save(self, folder: str | Path) -> list[Path]:
        """Write `result.json`, `result.txt` and the figures into a folder, which is made; return the files.

        Raises
        ------
        UsageError
            When the folder cannot be written.
        """
        from theorylab.files import write_atomically

        home = Path(folder)
        _make(home)
        texts = {"result.json": json.dumps(self.as_dict(), indent=1), "result.txt": str(self)}
        for name, text in texts.items():
            write_atomically(home / name, lambda path, text=text: Path(path).write_text(text + "\n"))  # type: ignore[misc]
        for name, draw in self.draw.items():
            write_atomically(home / f"{name}.png", lambda path, draw=draw: draw().savefig(path, dpi=150))  # type: ignore[misc]
        return [home / name for name in (*texts, *(f"{name}.png" for name in self.draw))]


@dataclass(frozen=True)
class Application:
    """A theory applied to data.

    Parameters
    ----------
    name
        `family/verb`.
    summary
        One line.
    compute
        `f(*data, **options) -> Result`: what the inputs read, in their order, and all parameters.
    inputs
        What it reads.
    parameters
        What may be set, with defaults.
    lists
        Names of the parameters that may have several values.
    """

    name: str
    summary: str
    compute: Callable[..., Result]
    inputs: tuple[Input, ...]
    parameters: tuple[Parameter, ...] = ()
    lists: tuple[str, ...] = ()

    @property
    def space(self) -> Space:
        """The parameters as a space."""
        return Space(self.parameters)

    def run(self, *sources: Any, output: str | Path | None = None, **parameters: Any) -> Result:
        """Read the inputs (paths, or arrays), compute, and write the result where an output folder is given.

        Parameters may be text, as on the command line: a number, a list 1,2,5 or a grid START:STOP:COUNT[:log].

        Raises
        ------
        UsageError
            In one line, for anything wrong with the data or the parameters.
        """
        from theorylab.cli.values import parse_value

        if len(sources) != len(self.inputs):
            wanted = " ".join(i.name for i in self.inputs)
            raise UsageError(f"{self.name} takes {len(self.inputs)} input ({wanted}); {len(sources)} given")
        space = self.space
        values = {k: parse_value(v, space[k]) if isinstance(v, str) else v for k, v in parameters.items()}
        options = space.plain(values)
        if several := [k for k, v in options.items() if np.ndim(v) and k not in self.lists]:
            raise UsageError(f"{self.name}: {several[0]} takes one value")
        if output is not None:
            _make(Path(output))
        result = self.compute(*(i.read(s) for i, s in zip(self.inputs, sources)), **options)
        if output is not None:
            result.save(output)
        return result

    def describe(self) -> str:
        """The usage: inputs, and parameters with their domains and defaults."""
        lines = [f"{self.name} {' '.join(i.name for i in self.inputs)}: {self.summary}"]
        lines += [f"{i.name}: {i.describe()}" for i in self.inputs]
        for p in self.parameters:
            unit = f" [{p.unit}]" if p.unit else ""
            default = ",".join(map(str, p.default)) if isinstance(p.default, tuple) else p.default
            lines.append(f"-p {p.name}={default}: {p.meaning}{unit}, {p.domain}")
        return "\n".join(lines)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {folder}: {error.strerror or error}") from None
