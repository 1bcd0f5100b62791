"""Parameters, their domains, and the joint constraints that bind them."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from theorylab.errors import DomainError, UnknownNameError

if TYPE_CHECKING:
    import sympy as sp


@dataclass(frozen=True)
class Interval:
    """Real interval; `open_low` and `open_high` exclude the ends (infinite ends are always excluded)."""

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False

    def contains(self, x: np.ndarray) -> np.ndarray:
        """Elementwise membership."""
        above = x > self.low if self.open_low else x >= self.low
        below = x < self.high if self.open_high else x <= self.high
        return np.asarray(above & below & np.isfinite(x))

    def assumptions(self) -> dict[str, bool]:
        """SymPy assumptions implied by the domain."""
        if self.low > 0 or (self.low == 0 and self.open_low):
            return {"positive": True}
        return {"nonnegative": True} if self.low == 0 else {"real": True}

    def __str__(self) -> str:
        left = "(" if self.open_low or math.isinf(self.low) else "["
        right = ")" if self.open_high or math.isinf(self.high) else "]"
        return f"{left}{self.low:g}, {self.high:g}{right}"


@dataclass(frozen=True)
class Integers:
    """Integers from `low` to `high`, both included."""

    low: int = 0
    high: float = math.inf

    def contains(self, x: np.ndarray) -> np.ndarray:
        """Elementwise membership."""
        return np.asarray((x >= self.low) & (x <= self.high) & (x == np.floor(x)) & np.isfinite(x))

    def assumptions(self) -> dict[str, bool]:
        """SymPy assumptions implied by the domain."""
        if self.low > 0:
            return {"integer": True, "positive": True}
        return {"integer": True, "nonnegative": True} if self.low == 0 else {"integer": True}

    def __str__(self) -> str:
        if math.isinf(self.high):
            return f"integers >= {self.low}"
        return f"integers {self.low}..{self.high:g}"


@dataclass(frozen=True)
class Choices:
    """A finite set of named options."""

    options: tuple[str, ...]

    def contains(self, x: np.ndarray) -> np.ndarray:
        """Elementwise membership."""
        return np.isin(x, self.options)

    def __str__(self) -> str:
        return "{" + ", ".join(self.options) + "}"


@dataclass(frozen=True)
class Observed:
    """Data that a simulation hands to a conditional prediction (a spectrum, a Gram matrix).

    `shape` says in words what one trial supplies. A user may supply it from their own data.
    """

    shape: str

    def contains(self, x: np.ndarray) -> np.ndarray:
        """Elementwise finiteness."""
        return np.asarray(np.isfinite(x))

    def __str__(self) -> str:
        return f"observed: {self.shape}"


Domain = Interval | Integers | Choices | Observed


@dataclass(frozen=True)
class Parameter:
    """A named quantity of a theory.

    Parameters
    ----------
    name
        Identifier used in Python, on the command line and as the SymPy symbol's name.
    domain
        Where the theory is defined.
    meaning
        One line, in the field's standard terms.
    default
        Value used when none is given; None makes the parameter required.
    unit
        Unit, where it has one.
    written
        How formulas show it, when not by its name: "sigma**2" for a parameter called sigma2.
    """

    name: str
    domain: Domain
    meaning: str
    default: Any = None
    unit: str | None = None
    written: str | None = None

    @cached_property
    def symbol(self) -> sp.Symbol:
        """The SymPy symbol, with the assumptions that the domain implies."""
        import sympy as sp

        if isinstance(self.domain, Choices | Observed):
            raise TypeError(f"parameter {self.name} ({self.domain}) has no symbol")
        return sp.Symbol(self.name, **self.domain.assumptions())

    def validate(self, value: Any) -> np.ndarray:
        """Return `value` as an array (float for reals and integers), or raise `DomainError`."""
        if isinstance(self.domain, Choices):
            array = np.asarray(value)
            if array.dtype.kind not in "UO" or not np.all(self.domain.contains(array)):
                raise DomainError(f"{self.name} = {value!r} is not one of {self.domain}")
            return array
        try:
            array = np.asarray(value, dtype=float)
        except (TypeError, ValueError, OverflowError):
            raise DomainError(f"{self.name} = {value!r} is not a number; allowed: {self.domain}") from None
        inside = self.domain.contains(array)
        if not np.all(inside):
            bad = array[~inside].flat[0] if array.ndim else float(array)
            raise DomainError(f"{self.name} = {bad:g} is outside its domain {self.domain} ({self.meaning})")
        return array

    def scalar(self, value: np.ndarray) -> Any:
        """A zero-dimensional array as the Python number or string that it stands for."""
        return int(value) if isinstance(self.domain, Integers) else value.item()


@dataclass(frozen=True)
class Constraint:
    """A joint condition on parameters.

    Parameters
    ----------
    condition
        SymPy Boolean in the parameters' symbols.
    why
        What goes wrong where it does not hold, in words.
    """

    condition: sp.Basic
    why: str

    def __str__(self) -> str:
        return f"{_plain(self.condition)}: {self.why}"

    def holds(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Elementwise truth at broadcast `values`."""
        names, function = self._compiled
        # Of one shape, because NumPy joins the parts of a condition as the rows of an array.
        return np.asarray(function(*np.broadcast_arrays(*(values[name] for name in names))), dtype=bool)

    @cached_property
    def _compiled(self) -> tuple[list[str], Callable[..., Any]]:
        import sympy as sp

        symbols = sorted(self.condition.free_symbols, key=str)
        return [str(s) for s in symbols], sp.lambdify(symbols, self.condition, "numpy")


@dataclass(frozen=True)
class Space:
    """An ordered set of parameters with joint constraints: the domain of validity of a formula."""

    parameters: tuple[Parameter, ...]
    constraints: tuple[Constraint, ...] = ()
    _by_name: dict[str, Parameter] = field(init=False, repr=False, compare=False)

    def __init__(self, parameters: Sequence[Parameter], constraints: Sequence[Constraint] = ()) -> None:
        object.__setattr__(self, "parameters", tuple(parameters))
        object.__setattr__(self, "constraints", tuple(constraints))
        object.__setattr__(self, "_by_name", {p.name: p for p in parameters})

    @property
    def names(self) -> list[str]:
        """Names of the parameters, in order."""
        return list(self._by_name)

    def __getitem__(self, name: str) -> Parameter:
        if name not in self._by_name:
            raise UnknownNameError("parameter", name, self.names)
        return self._by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __or__(self, other: Space) -> Space:
        """Union; a parameter of both must be the same in both, except that `self`'s default wins."""
        extra = [p for p in other.parameters if p.name not in self._by_name]
        more = [c for c in other.constraints if c not in self.constraints]
        return Space((*self.parameters, *extra), (*self.constraints, *more))

    def only(self, names: Collection[str]) -> Space:
        """The parameters in `names`, with the constraints that bind no others."""
        kept = [p for p in self.parameters if p.name in names]
        inside = [c for c in self.constraints if {str(s) for s in c.condition.free_symbols} <= set(names)]
        return Space(kept, inside)

    def complete(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Fill in defaults; raise when a name is unknown or a required value is missing."""
        for name in values:
            self[name]
        missing = [p.name for p in self.parameters if p.name not in values and p.default is None]
        if missing:
            raise DomainError(
                f"missing parameter{'s' * (len(missing) > 1)} {', '.join(missing)}: "
                + "; ".join(f"{m} is {self[m].meaning}, {self[m].domain}" for m in missing)
            )
        return {p.name: values.get(p.name, p.default) for p in self.parameters}

    def validate(self, values: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Return completed values as arrays inside the domain, or raise `DomainError`."""
        arrays = {k: self[k].validate(v) for k, v in self.complete(values).items()}
        for c in self.constraints:
            ok = c.holds(arrays)
            if not np.all(ok):
                used = sorted(str(s) for s in c.condition.free_symbols)
                shape = ok.shape
                where = int(np.flatnonzero(~ok)[0]) if shape else 0
                at = {k: np.broadcast_to(arrays[k], shape).flat[where] for k in used}
                got = ", ".join(f"{k} = {v:g}" for k, v in at.items())
                raise DomainError(f"{got} violates {c}")
        return arrays

    def displayed(self, expr: sp.Basic | int) -> sp.Basic:
        """An expression with its parameters as they are written, to be shown and not to be computed with."""
        import sympy as sp

        shown = {p.symbol: sp.parse_expr(p.written) for p in self.parameters if p.written}
        bases = {s: sp.Symbol(s.name, positive=True) for e in shown.values() for s in e.free_symbols}
        return sp.sympify(expr).xreplace({symbol: e.xreplace(bases) for symbol, e in shown.items()})

    def plain(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Validated values as Python numbers and strings (int for integers); arrays stay arrays."""
        return {k: v if v.ndim else self[k].scalar(v) for k, v in self.validate(values).items()}


def _plain(condition: sp.Basic) -> str:
    import sympy as sp

    if isinstance(condition, sp.Or):
        return " or ".join(_plain(a) for a in condition.args)
    if isinstance(condition, sp.And):
        return " and ".join(_plain(a) for a in condition.args)
    return str(condition)
