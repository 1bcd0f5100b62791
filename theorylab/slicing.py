"""Which statements of a module a definition depends on."""

from __future__ import annotations

import ast
from collections.abc import Iterator

# Decorators that register what they decorate elsewhere than in the module itself.
_HARMLESS = {"claim", "simulation"}


def needed_by(name: str, module: ast.Module) -> list[ast.stmt]:
    """The top-level statements on which the definition of `name` depends, itself included, in order.

    Definitions, assignments and imports count when they bind a name that is used by one that counts. What may act
    without being named always counts: loops, calls, assignments to parts of objects, decorated functions, star imports.
    The block that runs only in a script, a docstring, and what theorylab's own decorators register do not. When
    `name` is not defined at top level (a lambda) every statement counts.

    Parameters
    ----------
    name
        A name at the top level of the module.
    module
        Its syntax tree.

    Returns
    -------
    list of ast.stmt
    """
    statements = [s for s in module.body if not _is_idle(s)]
    bound = {id(s): set(_binds(s)) for s in statements}
    if not any(name in names for names in bound.values()):
        return statements
    chosen = {id(s) for s in statements if _always_acts(s)}
    wanted = {name}
    while True:
        wanted |= {n for s in statements if id(s) in chosen for n in _names(s)}
        more = {id(s) for s in statements if id(s) not in chosen and bound[id(s)] & wanted}
        if not more:
            return [s for s in statements if id(s) in chosen]
        chosen |= more


def _is_idle(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.If) and ast.unparse(statement.test) in (
        "__name__ == '__main__'",
        "TYPE_CHECKING",
    )


def _binds(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name.partition(".")[0] for alias in statement.names)
    elif isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        yield from (n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name))


def _always_acts(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return not all(_last_name(d) in _HARMLESS for d in statement.decorator_list)
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return any(isinstance(n, ast.Subscript | ast.Attribute) for t in targets for n in ast.walk(t))
    if isinstance(statement, ast.ImportFrom):
        # `from __future__` changes the meaning of all that follows.
        return statement.module == "__future__" or any(alias.name == "*" for alias in statement.names)
    return not isinstance(statement, ast.Import)


def _last_name(decorator: ast.expr) -> str:
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    return target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")


def _names(statement: ast.stmt) -> Iterator[str]:
    for node in ast.walk(statement):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Global):
            yield from node.names
