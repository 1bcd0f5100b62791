"""Formulas that a user types: text to SymPy, without evaluating it as Python."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import sympy as sp

from theorylab.errors import UnknownNameError, UsageError

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": sp.Abs,
    "heaviside": sp.Heaviside,
    "max": sp.Max,
    "min": sp.Min,
    "acos": sp.acos,
    "acosh": sp.acosh,
    "asin": sp.asin,
    "asinh": sp.asinh,
    "atan": sp.atan,
    "atanh": sp.atanh,
    "cos": sp.cos,
    "cosh": sp.cosh,
    "erf": sp.erf,
    "erfc": sp.erfc,
    "exp": sp.exp,
    "gamma": sp.gamma,
    "log": sp.log,
    "loggamma": sp.loggamma,
    "sign": sp.sign,
    "sin": sp.sin,
    "sinh": sp.sinh,
    "sqrt": sp.sqrt,
    "tan": sp.tan,
    "tanh": sp.tanh,
    "relu": lambda z: sp.Max(z, 0),
    "sigmoid": lambda z: 1 / (1 + sp.exp(-z)),
}
CONSTANTS = {"pi": sp.pi, "e": sp.E}
OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: lambda a, b: a**b,
    ast.UAdd: lambda a: a,
    ast.USub: lambda a: -a,
}


def parse(text: str, variable: sp.Symbol) -> sp.Expr:
    """An expression of one variable: + - * / **, numbers, pi, e and the functions of `FUNCTIONS`, in either case.

    Numbers are exact: 0.1 is a tenth.

    Parameters
    ----------
    text
        Such as "log(1 + exp(-z))".
    variable
        The variable; its name is the one to be used in the text.

    Raises
    ------
    UsageError
        In one line, for text that is no such expression; `UnknownNameError` suggests the nearest name.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError) as error:
        raise UsageError(f"{text!r} is not an expression: {getattr(error, 'msg', error)}") from None
    expr = sp.sympify(_translate(tree, text, variable))
    if expr.has(sp.nan, sp.zoo, sp.oo, sp.I):
        raise UsageError(f"{text!r} is not a real expression: it comes out as {expr}")
    return expr


def _translate(node: ast.AST, text: str, variable: sp.Symbol) -> Any:
    def below(child: ast.AST) -> Any:
        return _translate(child, text, variable)

    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return sp.Rational(ast.get_source_segment(text.strip(), node) or repr(node.value))
    if isinstance(node, ast.Name):
        if node.id == variable.name:
            return variable
        if node.id.lower() in CONSTANTS:
            return CONSTANTS[node.id.lower()]
        raise UnknownNameError(
            "name", node.id, [variable.name, *CONSTANTS, *FUNCTIONS], f" in {text!r}, an expression of {variable.name}"
        )
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        return OPERATORS[type(node.op)](below(node.left), below(node.right))
    if isinstance(node, ast.UnaryOp) and type(node.op) in OPERATORS:
        return OPERATORS[type(node.op)](below(node.operand))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        return _call(node.func.id, [below(argument) for argument in node.args], text)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitXor):
        raise UsageError(f"{text!r}: powers are written **, not ^")
    raise UsageError(f"{text!r}: {ast.unparse(node)!r} is not arithmetic; + - * / ** and functions are understood")


def _call(name: str, arguments: list[Any], text: str) -> Any:
    if name.lower() not in FUNCTIONS:
        raise UnknownNameError("function", name, FUNCTIONS, f" in {text!r}")
    try:
        return FUNCTIONS[name.lower()](*arguments)
    except TypeError:
        raise UsageError(f"{text!r}: {name} does not take {len(arguments)} arguments") from None
