"""How verdicts look in a terminal and in a notebook."""

from __future__ import annotations

import html
from collections.abc import Sequence

from rich.table import Table

from theorylab.claim import Status
from theorylab.verdict import Finding, Verdict

COLOURS: dict[Status, str] = {"holds": "green", "fails": "red", "inconclusive": "yellow"}


def number(x: float | None, digits: int = 4) -> str:
    """A number in a table, or a dash."""
    return "-" if x is None else f"{x:.{digits}g}"


def span(interval: tuple[float, float] | None, digits: int = 4) -> str:
    """An interval in a table, or a dash."""
    return "-" if interval is None else f"[{interval[0]:.{digits}g}, {interval[1]:.{digits}g}]"


def status_text(verdict: Verdict) -> str:
    """The status, with a remark when it is not the expected one or is a known failure."""
    if verdict.status == "inconclusive":
        return "inconclusive"
    if verdict.as_expected:
        return verdict.status + (" (as known)" if verdict.status == "fails" else "")
    return f"{verdict.status.upper()} (expected {verdict.expected})"


def colour(verdict: Verdict) -> str:
    """Green for as expected, red for the opposite, yellow for undecided."""
    if verdict.as_expected:
        return "green"
    return "yellow" if verdict.status == "inconclusive" else "red"


def suite_table(verdicts: Sequence[Verdict]) -> Table:
    """One row for each verdict."""
    table = Table(title=None, header_style="bold", show_lines=False)
    for name, justify in (
        ("claim", "left"), ("verdict", "left"), ("measured", "right"), ("interval", "left"), ("predicted", "right"),
        ("margin", "right"), ("mutants", "right"), ("samples", "right"), ("s", "right"),
    ):  # fmt: skip
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for v in verdicts:
        k, of = v.mutants_rejected
        table.add_row(
            v.claim, f"[{colour(v)}]{status_text(v)}[/]", number(v.estimate), span(v.interval), number(v.predicted),
            number(v.margin, 2), f"{k}/{of}", str(v.samples), f"{v.seconds:.1f}",
        )  # fmt: skip
    return table


def verdict_table(verdict: Verdict) -> Table:
    """The findings of one verdict."""
    k, of = verdict.mutants_rejected
    table = Table(
        title=f"{verdict.claim}: [{colour(verdict)}]{status_text(verdict)}[/]",
        caption=f"budget {verdict.budget}, margin {verdict.margin:g}, mutants rejected {k}/{of}, "
        f"{verdict.samples} samples, seed {verdict.seed}, {verdict.seconds:.1f} s",
    )
    for name in ("where", "status", "measured", "interval", "predicted", "discrepancy", "notes"):
        table.add_column(name, overflow="fold")
    for f in verdict.findings:
        table.add_row(*_row(f))
    return table


def verdict_html(verdict: Verdict) -> str:
    """The findings of one verdict for a notebook."""
    head = "".join(
        f"<th>{c}</th>" for c in ("where", "status", "measured", "interval", "predicted", "discrepancy", "notes")
    )
    rows = "".join("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in _row(f)) + "</tr>" for f in verdict.findings)
    title = html.escape(f"{verdict.claim}: {status_text(verdict)}")
    return f"<table><caption>{title}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _row(f: Finding) -> list[str]:
    notes = [*f.notes, *([f.behaves_as] if f.behaves_as else [])]
    return [
        f.where, f.status, number(f.estimate, 6), span(f.interval, 5), number(f.predicted, 6),
        span(f.discrepancy, 2), "; ".join(notes),
    ]  # fmt: skip
