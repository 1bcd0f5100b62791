"""Formulas for a web page: MathML, which browsers show without any script."""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.printing.mathml import MathMLPresentationPrinter


def mathml(*sides: sp.Basic) -> str:
    """A formula, or a chain of equal ones, as a `<math>` element."""
    printer = _Printer()
    text = "<mo>=</mo>".join(printer.doprint(side) for side in sides)
    # The printer leaves these two signs as they are.
    text = text.replace("<mo><</mo>", "<mo>&lt;</mo>").replace("<mo>></mo>", "<mo>&gt;</mo>")
    return f'<math display="block">{text}</math>'


class _Printer(MathMLPresentationPrinter):  # type: ignore[misc]
    def _print_Piecewise(self, expr: sp.Piecewise) -> Any:
        table = self.dom.createElement("mtable")
        table.setAttribute("columnalign", "left")
        for value, condition in expr.args:
            row = self.dom.createElement("mtr")
            for shown in (self._print(value), self._condition(condition)):
                cell = self.dom.createElement("mtd")
                cell.appendChild(shown)
                row.appendChild(cell)
            table.appendChild(row)
        brace = self.dom.createElement("mo")
        brace.appendChild(self.dom.createTextNode("{"))
        out = self.dom.createElement("mrow")
        out.appendChild(brace)
        out.appendChild(table)
        return out

    def _condition(self, condition: sp.Basic) -> Any:
        if condition != sp.true:
            return self._print(condition)
        otherwise = self.dom.createElement("mtext")
        otherwise.appendChild(self.dom.createTextNode("otherwise"))
        return otherwise
