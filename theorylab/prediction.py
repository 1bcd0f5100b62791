r"""Predictions: what a theory says, with its own numerical error, conventions and derivation.

Three kinds share one interface, `evaluate(**parameters) -> Value`:

- `ClosedForm`: a SymPy expression, turned into NumPy, CuPy and mpmath functions;
- `Implicit`: a root of a SymPy equation, found by a vectorised bracketing method, residual checked;
- `Numerical`: any computation that returns its own error, typically from refinement.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from theorylab.errors import DomainError, TheorylabError, UsageError
from theorylab.parameters import Choices, Observed, Space

if TYPE_CHECKING:
    import mpmath
    import sympy as sp

    from theorylab.derivation import Derivation


# Relative distance from a root in double precision at which it is looked for with more digits.
NEIGHBOUR = 1e-9
# Evaluations that a computed prediction remembers, and the most bytes of parameters for which it does.
KEPT, KEPT_BYTES = 256, 1 << 16


class Value(NamedTuple):
    """A predicted value and a bound on its numerical error, arrays of the same shape."""

    value: np.ndarray
    error: np.ndarray


class PredictionError(TheorylabError):
    """A prediction that could not be computed to the promised accuracy."""


@dataclass(frozen=True, kw_only=True)
class Prediction(ABC):
    """What a theory predicts.

    Parameters
    ----------
    space
        Parameters and joint constraints: the domain of validity.
    quantity
        What is predicted, as an axis label ("excess risk").
    conventions
        Facts that change the number and that papers state differently (risk or half-risk, d/n or n/d).
    derivation
        How the formula follows from the definitions.
    """

    space: Space
    quantity: str = ""
    conventions: Mapping[str, str] = field(default_factory=dict)
    derivation: Derivation | None = None

    def evaluate(self, **parameters: Any) -> Value:
        """Predict, broadcasting over array parameters.

        Raises
        ------
        DomainError
            When a value is outside its domain or a joint constraint is violated.
        PredictionError
            When the computation misses its accuracy or yields a value that is not finite.
        """
        arrays = self.space.validate(parameters)
        self._demand_common_shape(arrays)
        # What is not finite is an error just below; NumPy's warnings on the way there say less.
        with np.errstate(all="ignore"):
            value, error = self._evaluate(arrays)
        if not np.all(np.isfinite(value)):
            raise PredictionError(f"{self.quantity or 'the prediction'} is not finite at {_short(arrays)}")
        return Value(np.asarray(value), np.broadcast_to(np.asarray(error), np.shape(value)))

    def _demand_common_shape(self, arrays: Mapping[str, np.ndarray]) -> None:
        # What was observed has axes of its own.
        shapes = {k: a.shape for k, a in arrays.items() if not isinstance(self.space[k].domain, Observed)}
        try:
            np.broadcast_shapes(*shapes.values())
        except ValueError:
            named = ", ".join(f"{k} {s}" for k, s in shapes.items() if s)
            raise DomainError(f"arrays of these shapes cannot be combined: {named}") from None

    def __call__(self, **parameters: Any) -> np.ndarray:
        """The predicted value alone."""
        return self.evaluate(**parameters).value

    def altered(self, formula: Any) -> Prediction:
        """A wrong version of this prediction, in its domain and conventions, without its derivation.

        Parameters
        ----------
        formula
            A SymPy expression in the parameters' symbols, or a function `f(value, **arrays) -> array` of the right
            value, whose numerical error the wrong one keeps.
        """
        about: dict[str, Any] = {"space": self.space, "quantity": self.quantity, "conventions": self.conventions}
        if not callable(formula):
            return ClosedForm(expr=formula, **about)

        def function(**arrays: np.ndarray) -> tuple[Any, Any]:
            value, error = self.evaluate(**arrays)
            return formula(value, **arrays), error

        return Numerical(function=function, **about)

    @abstractmethod
    def _evaluate(self, arrays: dict[str, np.ndarray]) -> tuple[Any, Any]: ...

    def displayed(self) -> sp.Basic | None:
        """The formula as a SymPy object to be shown, or None where there is none."""
        return None

    def latex(self) -> str:
        """The formula in LaTeX, or a description where there is none."""
        import sympy as sp

        shown = self.displayed()
        return rf"\text{{{self.quantity}}}" if shown is None else str(sp.latex(shown))


@dataclass(frozen=True, kw_only=True)
class ClosedForm(Prediction):
    """A SymPy expression in the parameters' symbols.

    Parameters
    ----------
    expr
        The formula. It is the truth: 50-digit values come from it.
    numeric
        Double-precision evaluation, `f(**arrays) -> array`, where the expression itself loses digits
        (cancellation near a singular corner); tested against `expr` at 50 digits like the rest.
    rtol
        Relative accuracy in double precision over the whole domain, checked by the tests against 50 digits.
    corners
        Points of the domain where digits are easily lost; the tests visit them.
    """

    expr: sp.Expr
    numeric: Callable[..., Any] | None = None
    rtol: float = 1e-12
    corners: tuple[Mapping[str, Any], ...] = ()

    def __post_init__(self) -> None:
        import sympy as sp

        # A formula may be a plain number.
        try:
            expr = sp.sympify(self.expr, strict=True)
        except sp.SympifyError:
            expr = None
        if not isinstance(expr, sp.Expr):
            raise UsageError(f"a closed form is a SymPy expression or a number, not {self.expr!r}")
        object.__setattr__(self, "expr", expr)

    @cached_property
    def _function(self) -> Callable[..., Any]:
        from theorylab.symbolic import compile_expression

        return compile_expression(self.expr, self._symbols)

    @cached_property
    def _symbols(self) -> list[sp.Symbol]:
        return [p.symbol for p in self.space.parameters if not isinstance(p.domain, Choices | Observed)]

    def _evaluate(self, arrays: dict[str, np.ndarray]) -> tuple[Any, Any]:
        if self.numeric is not None:
            value = np.asarray(self.numeric(**arrays), dtype=float)
        else:
            value = np.asarray(self._function(*(arrays[s.name] for s in self._symbols)))
        return value, self.rtol * np.abs(value)

    def mp(self, digits: int = 50, **parameters: Any) -> mpmath.mpf:
        """The value at one point to `digits` digits, from the symbolic expression."""
        from theorylab.symbolic import high_precision

        values = self.space.complete(parameters)
        self.space.validate(values)
        return high_precision(self.expr, {s: values[s.name] for s in self._symbols}, digits)

    def on(self, module: str) -> Callable[..., Any]:
        """The expression as a function of arrays of another library ("numpy" or "cupy"), keywords in, array out."""
        from theorylab.symbolic import compile_expression

        function = compile_expression(self.expr, self._symbols, module)
        return lambda **arrays: function(*(arrays[s.name] for s in self._symbols))

    def displayed(self) -> sp.Basic:
        """The formula with its parameters as they are written."""
        return self.space.displayed(self.expr)


@dataclass(frozen=True, kw_only=True)
class Implicit(Prediction):
    r"""The root in `unknown` of `equation` = 0, one real root per point inside the bracket.

    Parameters
    ----------
    equation
        SymPy expression in `unknown` and the parameters' symbols.
    unknown
        The symbol solved for.
    bracket
        `f(**arrays) -> (low, high)`: ends at which the equation has opposite signs (or a zero).
    numeric
        Double-precision evaluation of the equation, `f(x, **arrays)`, where the expression loses digits.
    output
        Expression of `unknown` and the parameters that is predicted; the root itself by default.
    rtol
        Relative accuracy over the whole domain, checked by the tests against 50 digits.
    corners
        Points of the domain where digits are easily lost; the tests visit them.
    """

    equation: sp.Expr
    unknown: sp.Symbol
    bracket: Callable[..., tuple[Any, Any]]
    numeric: Callable[..., Any] | None = None
    output: sp.Expr | None = None
    rtol: float = 1e-11
    corners: tuple[Mapping[str, Any], ...] = ()

    @cached_property
    def _symbols(self) -> list[sp.Symbol]:
        return [p.symbol for p in self.space.parameters if not isinstance(p.domain, Choices | Observed)]

    @cached_property
    def _functions(self) -> tuple[Callable[..., Any], Callable[..., Any]]:
        from theorylab.symbolic import compile_expression

        symbols = [self.unknown, *self._symbols]
        equation = compile_expression(self.equation, symbols)
        output = compile_expression(self.unknown if self.output is None else self.output, symbols)
        return equation, output

    def _evaluate(self, arrays: dict[str, np.ndarray]) -> tuple[Any, Any]:
        columns = np.broadcast_arrays(*(arrays[s.name] for s in self._symbols))
        value = self._functions[1](self._root(arrays), *columns)
        return value, self.rtol * np.abs(value)

    def _root(self, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The root in double precision, of the shape of all parameters together."""
        from scipy.optimize import elementwise

        names = [s.name for s in self._symbols]
        columns = np.broadcast_arrays(*(arrays[n] for n in names))
        shape = columns[0].shape if columns else ()
        equation, _ = self._functions
        if self.numeric is not None:
            numeric = self.numeric

            def residual(x: Any, *values: Any) -> Any:
                return numeric(x, **dict(zip(names, values)))
        else:
            residual = equation
        low, high = (
            np.broadcast_to(np.asarray(end, dtype=float), shape) for end in self.bracket(**dict(zip(names, columns)))
        )
        found = elementwise.find_root(
            residual,
            (low, high),
            args=tuple(columns),
            tolerances={"xrtol": 4e-16, "xatol": 0.0, "frtol": 0.0, "fatol": 0.0},
        )
        # Status 0 is convergence, -1 "no sign change": an end of the bracket may itself be the root.
        ends = np.stack([np.abs(residual(low, *columns)), np.abs(residual(high, *columns))])
        root = np.where(ends[0] == 0, low, np.where(ends[1] == 0, high, found.x))
        bad = ~(np.asarray(found.success) | (ends == 0).any(axis=0))
        if np.any(bad):
            raise PredictionError(f"no root of {self.equation} in the bracket at {_short(arrays)}")
        return np.asarray(root)

    def mp(self, digits: int = 50, **parameters: Any) -> mpmath.mpf:
        """The value at one point to `digits` digits: the symbolic equation, bracketed and solved in mpmath.

        The search starts beside the root in double precision, if it has a root between its neighbours there. A bracket
        of one point is the root.
        """
        import mpmath
        import sympy as sp

        from theorylab.symbolic import guarded_number, high_precision, mpmath_function

        values = self.space.complete(parameters)
        arrays = self.space.validate(values)
        # Twice the digits, because the residual is a small difference near the root.
        working = 2 * digits + 10
        exact = {s: guarded_number(values[s.name], working) for s in self._symbols}
        residual = mpmath_function(self.equation.xreplace(exact), self.unknown)
        with mpmath.workdps(working):
            ends = [mpmath.mpf(float(end)) for end in self.bracket(**arrays)]
            start = mpmath.mpf(float(self._root(arrays)))
            near = [max(min(start * (1 + step), max(ends)), min(ends)) for step in (-NEIGHBOUR, NEIGHBOUR)]
            if residual(near[0]) * residual(near[1]) < 0:
                ends = near
            root = ends[0]
            if ends[0] != ends[1]:
                root = mpmath.findroot(
                    residual,
                    tuple(ends),
                    solver="anderson",
                    tol=mpmath.mpf(10) ** (-2 * working),
                    maxsteps=500,
                    verify=False,
                )
            output = self.unknown if self.output is None else self.output
            return high_precision(output, {**exact, self.unknown: sp.Float(root, working)}, digits)

    def displayed(self) -> sp.Basic:
        """The equation with its parameters as they are written."""
        import sympy as sp

        return self.space.displayed(sp.Eq(self.equation, 0, evaluate=False))


@dataclass(frozen=True, kw_only=True)
class Numerical(Prediction):
    """A computation that returns its own error.

    Parameters
    ----------
    function
        `f(**arrays) -> (value, error)`; the error is a bound obtained by refinement, a residual or an
        enclosure. Parameters with an `Observed` domain arrive with the trial axis first.
    formula
        LaTeX of what is computed.
    """

    function: Callable[..., tuple[Any, Any]]
    formula: str = ""
    _known: dict[Any, tuple[np.ndarray, np.ndarray]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def _evaluate(self, arrays: dict[str, np.ndarray]) -> tuple[Any, Any]:
        # The looks of a verification and all mutants ask for the same values, which may take long to compute.
        if sum(a.nbytes for a in arrays.values()) > KEPT_BYTES:
            return self.function(**arrays)
        key = tuple((k, a.shape, a.dtype.str, a.tobytes()) for k, a in sorted(arrays.items()))
        if key not in self._known:
            found = self.function(**arrays)
            if len(self._known) >= KEPT:
                self._known.clear()
            self._known[key] = (np.asarray(found[0]), np.asarray(found[1]))
        value, error = self._known[key]
        return value.copy(), error.copy()

    def latex(self) -> str:
        """The formula in LaTeX."""
        return self.formula or super().latex()


def _short(arrays: Mapping[str, np.ndarray]) -> str:
    return ", ".join(
        f"{k} = {v}" if v.dtype.kind in "UO" else f"{k} = {v.flat[0]:g}" + (" ..." if v.size > 1 else "")
        for k, v in arrays.items()
        if v.size
    )
