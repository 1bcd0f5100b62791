'''Theories: a result of the literature with its claims.

A theory module stays cheap to import, so that the whole catalogue can be listed in a moment: each claim is a
function that builds its `Claim` when asked, importing the derivation and the simulation inside.

    theory = Theory("double_descent/gaussian-ols-exact", title="...", source=Source(...))

    @theory.claim
    def excess_risk() -> Claim:
        """One sentence: the statement.

        What was learned, corrections of the literature, finite-size coefficients.
        """
        from theorylab.derivations.double_descent import gaussian_ols_exact as derivation
        ...
        return Claim(prediction=..., simulation=..., check=..., ...)
'''

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, overload

from theorylab.claim import Claim, Source, Status
from theorylab.errors import DesignError


@dataclass(frozen=True)
class ClaimEntry:
    """A claim's identity, and the function that builds it."""

    name: str
    statement: str
    notes: str
    expected: Status
    source: Source | None
    control: bool
    build: Callable[[], Claim]

    @cached_property
    def claim(self) -> Claim:
        """The claim, built on first use."""
        return self.build().with_identity(self.name, self.statement, self.source, self.expected, self.notes)


class Theory:
    """A result with its claims.

    Parameters
    ----------
    name
        `family/theory`, the catalogue's slugs.
    title
        One line.
    source
        The paper; a claim may name its own.
    """

    def __init__(self, name: str, *, title: str, source: Source | None = None) -> None:
        if name.count("/") != 1 or not all(name.split("/")):
            raise DesignError(f"theory name {name!r} is not of the form family/theory")
        self.name = name
        self.title = title
        self.source = source
        self.entries: dict[str, ClaimEntry] = {}

    @overload
    def claim(self, build: Callable[[], Claim]) -> Callable[[], Claim]: ...
    @overload
    def claim(
        self, *, expected: Status = "holds", control: bool = False, source: Source | None = None
    ) -> Callable[[Callable[[], Claim]], Callable[[], Claim]]: ...
    def claim(
        self,
        build: Callable[[], Claim] | None = None,
        *,
        expected: Status = "holds",
        control: bool = False,
        source: Source | None = None,
    ) -> Any:
        """Register a function that builds a claim.

        Its name becomes the claim's (underscores to hyphens), the first paragraph of its docstring the
        statement, the rest the notes. `expected="fails"` marks a claim of the literature that is false or
        loose, kept beside its correction; `control=True` a deliberately false one that tests the instrument.
        """

        def register(function: Callable[[], Claim]) -> Callable[[], Claim]:
            statement, _, notes = inspect.cleandoc(function.__doc__ or "").partition("\n\n")
            if not statement:
                raise DesignError(f"claim {function.__name__} of {self.name} has no statement in its docstring")
            name = f"{self.name}/{function.__name__.replace('_', '-')}"
            if name in self.entries:
                raise DesignError(f"claim {name} is defined twice")
            self.entries[name] = ClaimEntry(
                name, " ".join(statement.split()), notes, expected, source or self.source, control, function
            )
            return function

        return register if build is None else register(build)
