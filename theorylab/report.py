"""The report: one page of verdicts with the formulas, derivations and figures behind them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from theorylab.claim import Claim
from theorylab.display import colour, number, span, status_text, verdict_html
from theorylab.files import write_atomically
from theorylab.mathml import mathml
from theorylab.verdict import Verdict, versions

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75em; margin: 2em auto; padding: 0 1em; color: #222 }
table { border-collapse: collapse; margin: 1em 0; font-size: 13px } td, th { border-bottom: 1px solid #ddd;
padding: .25em .7em; text-align: left; vertical-align: top } caption { text-align: left; font-weight: 600 }
.green { color: #176b2c } .red { color: #a11 } .yellow { color: #8a6100 } pre { white-space: pre-wrap }
img { max-width: 100%; margin: 1em 0 } math { margin: .5em 0; overflow-x: auto } dt { font-weight: 600; float: left;
clear: left; width: 7em } dd { margin-left: 7em }
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
    figures = "".join(f'<img src="{escape(p)}" alt="{escape(Path(p).stem)}">' for p in pictures)
    made = ", ".join(f"{k} {v}" for k, v in versions().items())
    as_expected = sum(v.as_expected for v in verdicts)
    budgets = ", ".join(sorted({v.budget for v in verdicts}))
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>theorylab report</title>'
        f"<style>{_STYLE}</style></head><body><h1>theorylab report</h1>"
        f"<p>{as_expected} of {len(verdicts)} claims as expected; budget {escape(budgets)}; {escape(made)}.</p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{figures}{details}</body></html>\n"
    )


def _row(v: Verdict) -> str:
    k, of = v.mutants_rejected
    cells = (number(v.estimate), span(v.interval), number(v.predicted), number(v.margin, 2), f"{k}/{of}")
    name = escape(v.claim)
    return (
        f'<tr><td><a href="#{name}">{name}</a></td><td class="{colour(v)}">{escape(status_text(v))}</td>'
        + "".join(f"<td>{escape(c)}</td>" for c in cells)
        + "</tr>"
    )


def _claim(claim: Claim, verdict: Verdict) -> str:
    prediction, source, name = claim.prediction, claim.source, escape(claim.name)
    shown = prediction.displayed()
    parts = [f'<h2 id="{name}">{name}</h2>', f"<p>{escape(claim.statement)}</p>"]
    parts.append(mathml(shown) if shown is not None else f"<p><code>{escape(prediction.latex())}</code></p>")
    facts = {
        "predicts": [prediction.quantity],
        "convention": [f"{k}: {v}" for k, v in prediction.conventions.items()],
        "source": [f"{source.authors} ({source.year}), {source.title}, {source.where}"] if source else [],
        "check": [claim.check.statement()],
        "note": [*verdict.notes],
    }
    lines = [f"<dt>{label}</dt><dd>{escape(text)}</dd>" for label, texts in facts.items() for text in texts if text]
    parts += [f"<dl>{''.join(lines)}</dl>", verdict_html(verdict)]
    if verdict.mutants:
        rejected = (f"{escape(m)}: {'rejected' if gone else 'not rejected'}" for m, gone in verdict.mutants.items())
        parts.append(_list("Mutants", "ul", rejected))
    if prediction.derivation is not None:
        steps = (
            f"{escape(s.name)}{mathml(*map(claim.space.displayed, (s.lhs, s.rhs)))}{escape(s.reason)}"
            for s in prediction.derivation
        )
        parts.append(_list(f"Derivation, after {escape(prediction.derivation.source)}", "ol", steps))
    if claim.notes:
        parts.append(f"<pre>{escape(claim.notes)}</pre>")
    return "\n".join(parts)


def _list(heading: str, kind: str, items: Iterable[str]) -> str:
    return f"<h3>{heading}</h3><{kind}>{''.join(f'<li>{item}</li>' for item in items)}</{kind}>"
