"""Derivations: ordered equalities, each with its reason, each replayed by machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import mpmath
import sympy as sp
from sympy.core.relational import Relational

from theorylab.errors import TheorylabError
from theorylab.symbolic import high_precision

Method = Literal["symbolic", "50 digits"]
# Largest difference that SymPy is given to simplify, in operations, and what a condition counts for.
MOST_OPERATIONS, PER_CONDITION = 120, 4


class DerivationError(TheorylabError):
    """A step that does not hold when replayed."""

    exit_code = 1


@dataclass(frozen=True)
class Step:
    r"""One equality of a derivation.

    Parameters
    ----------
    name
        Short label.
    lhs, rhs
        The two sides. Unevaluated `Integral`, `Limit`, `Sum` and `Derivative` objects are welcome: replaying
        evaluates them.
    reason
        Why the equality holds, in words; the literature where the step is quoted.
    where
        Ranges `symbol: (low, high)` (or a list of values) from which the 50-digit replay draws its points.
        Symbols without a range are drawn from their assumptions: positive reals from (0.1, 3), positive
        integers from 1..9, other reals from (-2, 2).
    method
        "symbolic" demands that SymPy prove the equality; None tries that first and falls back on 50 digits.
    """

    name: str
    lhs: sp.Expr
    rhs: sp.Expr
    reason: str
    where: Mapping[sp.Symbol, Any] = field(default_factory=dict)
    method: Method | None = None

    def replay(self, points: int = 5, digits: int = 50) -> Method:
        """Prove the equality or check it at `points` random points; return how, or raise `DerivationError`."""
        if self.method != "50 digits" and is_zero(self.lhs, self.rhs):
            return "symbolic"
        if self.method == "symbolic":
            raise DerivationError(f"step {self.name!r}: SymPy does not reduce {self.lhs} - ({self.rhs}) to zero")
        for values in self._points(points):
            try:
                left, right = (high_precision(side, values, digits) for side in (self.lhs, self.rhs))
            except ValueError as error:
                raise DerivationError(f"step {self.name!r} cannot be evaluated: {error}") from None
            with mpmath.workdps(digits):
                scale = max(abs(left), abs(right), mpmath.mpf(10) ** (-digits // 2))
                if abs(left - right) > mpmath.mpf(10) ** (-(digits * 4) // 5) * scale:
                    at = ", ".join(f"{s} = {v}" for s, v in values.items())
                    raise DerivationError(
                        f"step {self.name!r} fails at {at}: {mpmath.nstr(left, 15)} != {mpmath.nstr(right, 15)}"
                    )
        return "50 digits"

    def _points(self, count: int) -> Iterator[dict[sp.Symbol, sp.Basic]]:
        import random

        source = random.Random(self.name)
        symbols = sorted(self.lhs.free_symbols | self.rhs.free_symbols, key=str)
        for _ in range(count if symbols else 1):
            yield {s: self._draw(s, source) for s in symbols}

    def _draw(self, symbol: sp.Symbol, source: Any) -> sp.Basic:
        allowed = self.where.get(symbol)
        if isinstance(allowed, tuple):
            low, high = (sp.Rational(str(end)) for end in allowed)
        elif allowed is not None:
            return sp.nsimplify(source.choice(list(allowed)))
        elif symbol.is_integer:
            return sp.Integer(source.randint(1 if symbol.is_positive else 0, 9))
        else:
            low, high = (
                (sp.Rational(1, 10), sp.Integer(3)) if symbol.is_nonnegative else (sp.Integer(-2), sp.Integer(2))
            )
        if symbol.is_integer:
            return sp.Integer(source.randint(int(sp.ceiling(low)), int(sp.floor(high))))
        return low + (high - low) * sp.Rational(source.randint(1, 9998), 9999)


def is_zero(lhs: sp.Expr, rhs: sp.Expr) -> bool:
    """Whether SymPy proves `lhs == rhs`; False means only that it did not, within a bounded effort."""
    difference = (lhs - rhs).doit()
    if difference == 0 or sp.expand(difference) == 0:
        return True
    # The time of `simplify` explodes with the size of what it is given, and with the conditions of its cases: large
    # differences go to 50 digits instead.
    effort = sp.count_ops(difference) + PER_CONDITION * len(difference.atoms(Relational))
    return bool(effort <= MOST_OPERATIONS and sp.simplify(difference) == 0)


class Derivation(Sequence[Step]):
    """An ordered derivation, built on first use (SymPy integrals can be slow to set up).

    Parameters
    ----------
    source
        Where the argument comes from.
    build
        Function returning the steps.
    """

    def __init__(self, source: str, build: Callable[[], Sequence[Step]]) -> None:
        self.source = source
        self._build = build
        self._steps: tuple[Step, ...] | None = None

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps, in order."""
        if self._steps is None:
            self._steps = tuple(self._build())
        return self._steps

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, index: Any) -> Any:
        return self.steps[index]

    def replay(self) -> list[tuple[Step, Method]]:
        """Replay every step; raise `DerivationError` at the first that does not hold."""
        return [(step, step.replay()) for step in self.steps]
