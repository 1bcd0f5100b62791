"""Text that fits the terminal."""

from __future__ import annotations

import shutil
import textwrap

_LABEL = 12


def width() -> int:
    """Columns of text: those of the terminal, and no more than can be read with ease."""
    return min(shutil.get_terminal_size((110, 24)).columns, 110)


def paragraph(text: str, indent: int = 0) -> str:
    """Text wrapped at the width of the terminal, as it is where it has lines of its own (an equation, a list)."""
    space = " " * indent
    return "\n".join(
        textwrap.fill(
            line, width(), initial_indent=space, subsequent_indent=space, break_long_words=False, break_on_hyphens=False
        )
        for line in text.splitlines()
    )


def labelled(label: str, text: str, wrap: bool = True) -> str:
    """A label in a column of its own and text beside it; formulas are not wrapped, so that they can be copied."""
    head = f"{label:<{_LABEL}}"
    if not wrap:
        return head + text
    return textwrap.fill(
        " ".join(text.split()),
        width(),
        initial_indent=head,
        subsequent_indent=" " * _LABEL,
        break_long_words=False,
        break_on_hyphens=False,
    )
