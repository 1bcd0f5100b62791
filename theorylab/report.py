"""The report: one page of verdicts with the formulas, derivations and figures behind them."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from pathlib import Path

from theorylab.claim import Claim
from theorylab.display import colour, number, span, status_text, verdict_html
from theorylab.files import write_atomically
from theorylab.verdict import Verdict, versions

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75em; margin: 2em auto; padding: 0 1em; color: #222 }
table { border-collapse: collapse; margin: 1em 0; font-size: 13px } td, th { border-bottom: 1px solid #ddd;
padding: .25em .7em; text-align: left; vertical-align: top } caption { text-align: left; font-weight: 600 }
.green { color: #176b2c } .red { color: #a11 } .yellow { color: #8a6100 } pre { white-space: pre-wrap }
img { max-width: 100%; margin: 1em 0 }
"""


def write(folder: Path, claims: Sequence[Claim], verdicts: Sequence[Verdict], pictures: Sequence[Path]) -> Path:
    """Write index.html and verdicts.json into `folder`; return the page."""
    text = json.dumps([v.to_dict() for v in verdicts], indent=1, allow_nan=False)
    write_atomically(folder / "verdicts.json", lambda p: Path(p).write_text(text, encoding="utf-8"))
    page = _page(claims, verdicts, [p.relative_to(folder).as_posix() for p in pictures])
    write_atomically(folder / "index.html", lambda p: Path(p).write_text(page, encoding="utf-8"))
    return folder / "index.html"


def _page(claims: Sequence[Claim], verdicts: Sequence[Verdict], pictures: Sequence[str]) -> str:
    rows = "".join(_row(v) for v in verdicts)
    head = "".join(
        f"<th>{h}</th>" for h in ("claim", "verdict", "measured", "interval", "predicted", "margin", "mutants")
    )
    details = "".join(_claim(c, v) for c, v in zip(claims, verdicts))
    figures = "".join(f'<img src="{html.escape(p)}" alt="{html.escape(Path(p).stem)}">' for p in pictures)
    made = ", ".join(f"{k} {v}" for k, v in versions().items())
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>theorylab report</title>'
        f"<style>{_STYLE}</style></head><body><h1>theorylab report</h1>"
        f"<p>{html.escape(made)}; budget {html.escape(verdicts[0].budget if verdicts else '-')}.</p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{figures}{details}</body></html>"
    )


def _row(v: Verdict) -> str:
    k, of = v.mutants_rejected
    cells = (number(v.estimate), span(v.interval), number(v.predicted), number(v.margin, 2), f"{k}/{of}")
    name = html.escape(v.claim)
    return (
        f'<tr><td><a href="#{name}">{name}</a></td><td class="{colour(v)}">{html.escape(status_text(v))}</td>'
        + "".join(f"<td>{html.escape(c)}</td>" for c in cells)
        + "</tr>"
    )


def _claim(claim: Claim, verdict: Verdict) -> str:
    steps = ""
    if claim.prediction.derivation is not None:
        steps = "".join(
            f"<li>{html.escape(s.name)}: <code>{html.escape(f'{s.lhs} = {s.rhs}')}</code>. {html.escape(s.reason)}</li>"
            for s in claim.prediction.derivation
        )
    mutants = "".join(
        f"<li>{html.escape(name)}: {'rejected' if gone else 'not rejected'}</li>"
        for name, gone in verdict.mutants.items()
    )
    notes = "".join(f"<p>{html.escape(n)}</p>" for n in verdict.notes)
    return (
        f'<h2 id="{html.escape(claim.name)}">{html.escape(claim.name)}</h2><p>{html.escape(claim.statement)}</p>'
        f"<p><code>{html.escape(claim.prediction.latex())}</code></p>{verdict_html(verdict)}{notes}"
        f"<h3>Mutants</h3><ul>{mutants}</ul><h3>Derivation</h3><ol>{steps}</ol>"
        + (f"<pre>{html.escape(claim.notes)}</pre>" if claim.notes else "")
    )
