"""From SymPy expressions to numbers: NumPy or CuPy arrays in double precision, mpmath at any precision.

`sympy.lambdify` evaluates every branch of a Piecewise, so that a branch outside its domain warns or
poisons the others; here each branch is evaluated only where its condition holds.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import mpmath
import numpy as np
import sympy as sp

ArrayFunction = Callable[..., Any]


class Computed(sp.Function):  # type: ignore[misc]
    """A function of our own inside expressions: arrays and digits come from the two methods of a subclass.

    For what SymPy can write but not evaluate, or not soon enough: sums of a few hundred terms, for instance.
    """

    @staticmethod
    def on_arrays(*arrays: Any) -> Any:
        """Values in double precision, at NumPy arrays of one shape or numbers."""
        raise NotImplementedError

    @staticmethod
    def to_digits(*arguments: Any) -> Any:
        """The value at mpmath numbers, to mpmath's working precision."""
        raise NotImplementedError

    def _eval_evalf(self, prec: int) -> sp.Float | None:
        if not all(argument.is_number for argument in self.args):
            return None
        with mpmath.workprec(prec + 20):
            # What is rational is exact, the rest is as good as asked for.
            value = type(self).to_digits(*(argument._to_mpmath(prec + 20) for argument in self.args))
        return sp.Expr._from_mpmath(value, prec)


def compile_expression(expr: sp.Expr, symbols: Sequence[sp.Symbol], module: str = "numpy") -> ArrayFunction:
    """Return a function of broadcast arrays, in the order of `symbols`.

    Parameters
    ----------
    expr
        Real-valued expression; every free symbol must be in `symbols`.
    module
        "numpy" (SciPy supplies special functions) or "cupy".

    Returns
    -------
    callable
        Maps arrays (broadcast against each other) to an array of the broadcast shape.
    """
    unknown = expr.free_symbols - set(symbols)
    if unknown:
        raise ValueError(f"free symbols without a parameter: {sorted(map(str, unknown))}")
    modules: list[Any] = ["scipy", "numpy"] if module == "numpy" else ["cupyx", "cupy"]
    if own := {type(f).__name__: type(f).on_arrays for f in expr.atoms(Computed)}:
        modules.insert(0, own)
    folded = sp.piecewise_fold(expr) if expr.has(sp.Piecewise) else expr
    if isinstance(folded, sp.Piecewise):
        branches = [
            (sp.lambdify(symbols, value, modules, cse=True), sp.lambdify(symbols, condition, modules))
            for value, condition in folded.args
        ]
    else:
        branches = [(sp.lambdify(symbols, folded, modules, cse=True), lambda *_: True)]

    def evaluate(*arrays: Any) -> Any:
        xp: Any = np if module == "numpy" else importlib.import_module(module)
        args = xp.broadcast_arrays(*(xp.asarray(a, dtype=float) for a in arrays)) if arrays else []
        shape = args[0].shape if args else ()
        out = xp.full(shape, xp.nan)
        left = xp.ones(shape, dtype=bool)
        for value, condition in branches:
            mask = left & xp.broadcast_to(xp.asarray(condition(*args), dtype=bool), shape)
            if bool(xp.any(mask)):
                out[mask] = value(*(a[mask] for a in args))
                left &= ~mask
        return out

    return evaluate


def high_precision(expr: sp.Expr, values: Mapping[sp.Symbol, Any], digits: int = 50) -> mpmath.mpf:
    """Evaluate `expr` at `values` to `digits` significant digits.

    Doubles are taken at their exact binary value, so that the result is a referee for a double-precision
    evaluation at the same point. They enter as floating-point numbers of three times the digits: powers of exact
    rationals would grow without bound, and the guard digits pay for cancellation. Unevaluated integrals, sums and
    limits are computed numerically.
    """
    exact = {s: guarded_number(v, digits) for s, v in values.items()}
    # Derivatives first: a number cannot be differentiated by.
    expr = expr.replace(lambda e: isinstance(e, sp.Derivative), lambda e: e.doit())
    # xreplace, not subs: subs simplifies as it goes, and may divide by an exact zero inside an unused branch.
    # Integrals stay unevaluated for quadrature: SymPy may search long for an antiderivative at every point.
    number = sp.N(expr.xreplace(exact).doit(integrals=False), digits)
    if not number.is_number:
        raise ValueError(f"{expr} does not evaluate to a number at {dict(values)}")
    with mpmath.workdps(digits):
        parts = [sp.N(part, digits) for part in number.as_real_imag()]
        if not all(part.is_finite for part in parts):
            raise ValueError(f"{expr} is not finite at {dict(values)}")
        real, imaginary = (mpmath.mpf(str(part)) for part in parts)
        if abs(imaginary) > mpmath.mpf(10) ** (-digits // 2) * (1 + abs(real)):
            raise ValueError(f"{expr} is not real at {dict(values)}: {number}")
        return real


def mpmath_function(expr: sp.Expr, symbol: sp.Symbol) -> ArrayFunction:
    """An expression in one symbol as a function of an mpmath number."""
    own = {type(f).__name__: type(f).to_digits for f in expr.atoms(Computed)}
    function: ArrayFunction = sp.lambdify(symbol, expr, [own, "mpmath"] if own else "mpmath")
    return function


def guarded_number(value: Any, digits: int) -> sp.Basic:
    """A double or integer as it enters an evaluation to `digits` digits: with three times as many, or exact.

    Integers stay exact. Other numbers become floating-point ones: an exact rational as an exponent would make SymPy
    look for the factors of numbers with 2^53 digits.
    """
    number = exact_number(value)
    return sp.Float(number, 3 * digits) if number.is_Rational and not number.is_Integer else number


def exact_number(value: Any) -> sp.Basic:
    """SymPy number equal to the double or integer `value`."""
    if isinstance(value, sp.Basic):
        return value
    return sp.Integer(int(value)) if float(value).is_integer() else sp.Rational(float(value))
