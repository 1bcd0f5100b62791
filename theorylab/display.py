"""How verdicts look in a terminal and in a notebook."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from theorylab.claim import Status
from theorylab.verdict import Finding, Verdict

_COLUMNS = ("where", "status", "measured", "interval", "predicted", "discrepancy", "notes")
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


def remarks(verdict: Verdict) -> str:
    """What there is to say beside the numbers; why, for a verdict that is none."""
    if verdict.status == "inconclusive" and not verdict.notes:
        seen = "" if verdict.detectable is None else f": it can see {verdict.detectable:.2g}, "
        return f"the budget ended first{seen}the margin is {verdict.margin:g}"
    return "; ".join(verdict.notes)


def suite_table(verdicts: Sequence[Verdict], width: int = 220) -> Text:
    """One line for each verdict, below the name of its theory; fewer columns where `width` has no room for all."""
    columns = {
        "claim": ["  " + v.claim.rpartition("/")[2] for v in verdicts],
        "verdict": [status_text(v) for v in verdicts],
        "measured": [number(v.estimate) for v in verdicts],
        "interval": [span(v.interval) for v in verdicts],
        "predicted": [number(v.predicted) for v in verdicts],
        "margin": [number(v.margin, 2) for v in verdicts],
        "mutants": ["{}/{}".format(*v.mutants_rejected) for v in verdicts],
        "samples": [str(v.samples) for v in verdicts],
        "seconds": [f"{v.seconds:.1f}" for v in verdicts],
    }
    widths = {name: max(map(len, [name, *cells])) for name, cells in columns.items()}
    for name in ("interval", "samples", "margin", "seconds", "mutants", "predicted"):
        if sum(widths.values()) + 2 * len(widths) > width:
            del widths[name]
    text = Text(_line(list(widths), widths), style="bold", no_wrap=True)
    theory = ""
    for i, v in enumerate(verdicts):
        home = v.claim.rpartition("/")[0]
        if home and home != theory:
            text.append("\n" + home, style="not bold")
        theory = home
        cells = {name: columns[name][i] for name in widths}
        before, after = _line(list(cells.values()), widths).split(cells["verdict"], 1)
        text.append("\n" + before, style="not bold")
        text.append(cells["verdict"], style=f"not bold {colour(v)}")
        text.append(after, style="not bold")
    return text


def _line(cells: Sequence[str], widths: Mapping[str, int]) -> str:
    left = ("claim", "verdict", "interval")
    return "  ".join(
        f"{cell:<{w}}" if name in left else f"{cell:>{w}}" for cell, (name, w) in zip(cells, widths.items())
    ).rstrip()


def verdict_table(verdict: Verdict) -> Table:
    """The findings of one verdict."""
    k, of = verdict.mutants_rejected
    table = Table(
        title=f"{escape(verdict.claim)}: [{colour(verdict)}]{status_text(verdict)}[/]",
        caption=f"budget {verdict.budget}, margin {verdict.margin:g}, mutants rejected {k}/{of}, "
        f"{verdict.samples} samples, seed {verdict.seed}, {verdict.seconds:.1f} s",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        title_justify="left",
        caption_justify="left",
    )
    rows = [_row(f) for f in verdict.findings]
    columns = _COLUMNS if any(row[-1] for row in rows) else _COLUMNS[:-1]
    for name in columns:
        table.add_column(name, no_wrap=name not in ("where", "notes"))
    for row in rows:
        table.add_row(*(escape(cell) for cell in row[: len(columns)]))
    return table


def verdict_html(verdict: Verdict) -> str:
    """The findings of one verdict for a notebook."""
    head = "".join(f"<th>{c}</th>" for c in _COLUMNS)
    rows = "".join("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in _row(f)) + "</tr>" for f in verdict.findings)
    title = html.escape(f"{verdict.claim}: {status_text(verdict)}")
    return f"<table><caption>{title}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _row(f: Finding) -> list[str]:
    notes = [*f.notes, *([f.behaves_as] if f.behaves_as else [])]
    return [
        f.where, f.status, number(f.estimate, 6), span(f.interval, 5), number(f.predicted, 6),
        span(f.discrepancy, 2), "; ".join(notes),
    ]  # fmt: skip
