"""`list`, `show` and `derive`: reading the catalogue."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click

from theorylab import registry
from theorylab.claim import Claim
from theorylab.cli.text import labelled, paragraph
from theorylab.theory import ClaimEntry

# Points of a claim that are worth a line each.
_MOST_POINTS = 4


@click.command("list")
@click.argument("names", nargs=-1)
@click.option("--controls", is_flag=True, help="Also the deliberately false claims that test the instrument.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def list_command(names: tuple[str, ...], controls: bool, as_json: bool) -> None:
    """List the claims of the catalogue, or those below NAMES (or in FILE.py), with their statements."""
    chosen = registry.select(names, controls)
    if as_json:
        click.echo(json.dumps([_row(e) for e in chosen], indent=1))
        return
    theory = ""
    for entry in chosen:
        home = entry.name.rpartition("/")[0]
        if home != theory:
            theory = home
            known = registry.theories().get(home)
            click.echo(f"{home}" + (f": {known.title}" if known else ""))
        mark = {"fails": " [known to fail]", "inconclusive": " [known to be undecided]"}.get(entry.expected, "")
        mark = " [control: false on purpose]" if entry.control else mark
        click.echo(f"  {entry.name.rpartition('/')[2]}{mark}")
        if entry.statement:
            click.echo(paragraph(entry.statement, 6))


def _row(entry: ClaimEntry) -> dict[str, Any]:
    return {
        "claim": entry.name,
        "statement": entry.statement,
        "expected": entry.expected,
        "control": entry.control,
        "source": f"{entry.source.authors} ({entry.source.year}), {entry.source.where}" if entry.source else None,
    }


@click.command("show")
@click.argument("name")
@click.option("--budget", default="standard", show_default=True, help="Budget whose power is stated.")
@click.option("--power/--no-power", default=False, help="Run the pilot look and state what the budget can see.")
def show_command(name: str, budget: str, power: bool) -> None:
    """Show a claim, or all below NAME: statement, formula, conventions, parameters, check, budgets, mutants."""
    claims = [entry.claim for entry in registry.select([name], controls=True)]
    if power:
        for claim in claims:
            claim.budget(budget)
    for i, claim in enumerate(claims):
        click.echo("\n".join([*([""] if i else []), *_lines(claim)]))
        if power and claim.simulation is not None:
            from theorylab.power import pilot

            click.echo(labelled("power", pilot(claim, budget)))


def _lines(claim: Claim) -> Iterator[str]:
    yield claim.name
    if claim.statement:
        yield paragraph(claim.statement, 2)
    yield labelled("expected", claim.expected)
    if claim.source:
        s = claim.source
        ids = ", ".join(x for x in (s.where, s.journal, s.arxiv and f"arXiv {s.arxiv}", s.doi) if x)
        yield labelled("source", f"{s.authors} ({s.year}), {s.title}{', ' + ids if ids else ''}")
    p = claim.prediction
    if p.quantity:
        yield labelled("predicts", p.quantity)
    yield labelled("formula", p.latex(), wrap=False)
    for k, v in p.conventions.items():
        yield labelled("convention", f"{k}: {v}")
    for q in claim.space.parameters:
        unit = f" [{q.unit}]" if q.unit else ""
        default = "" if q.default is None else f", default {q.default}"
        yield labelled("parameter", f"{q.name} in {q.domain}{default}: {q.meaning}{unit}")
    for c in claim.space.constraints:
        yield labelled("constraint", str(c))
    yield labelled("check", f"{claim.check.kind}: {claim.check.statement()}")
    yield from _points(claim)
    for name, b in claim.budgets.items():
        sizes = f", sizes {', '.join(map(str, b.sizes))}" if b.sizes else ""
        yield labelled("budget", f"{name}: margin {b.margin:g}, at most {b.trials} trials a point{sizes}")
    for m in claim.mutants:
        yield labelled("mutant", m.name)
    if claim.simulation is not None:
        yield labelled("backends", ", ".join(claim.simulator.backends))
    if p.derivation is not None:
        yield labelled("derivation", f"{len(p.derivation)} steps, after {p.derivation.source}")
    if claim.notes:
        yield paragraph(claim.notes, 2)


def _points(claim: Claim) -> Iterator[str]:
    import numpy as np

    from theorylab.checks.base import describe

    for point in claim.points[:_MOST_POINTS]:
        if point:
            lists = {k: np.asarray(v) for k, v in point.items() if isinstance(v, list | tuple)}
            yield labelled("point", describe({**point, **lists}))
    if len(claim.points) > _MOST_POINTS:
        yield labelled("", f"... {len(claim.points)} points in all")


@click.command("derive")
@click.argument("name")
@click.option("--latex", is_flag=True, help="Print the two sides in LaTeX.")
def derive_command(name: str, latex: bool) -> None:
    """Replay a derivation: each equality is proved by SymPy or checked to 50 digits. Exit code 1 when one fails."""
    import sympy as sp

    from theorylab.errors import UsageError

    claims = [entry.claim for entry in registry.select([name], controls=True)]
    if all(c.prediction.derivation is None for c in claims):
        raise UsageError(f"no derivation: {', '.join(c.name for c in claims)}")
    for claim in claims:
        derivation = claim.prediction.derivation
        if derivation is None:
            click.echo(f"{claim.name}: no derivation")
            continue
        click.echo(f"{claim.name}: {len(derivation)} steps, after {derivation.source}")
        for i, step in enumerate(derivation, 1):
            how = step.replay()
            click.echo(f"{i:3d}. {step.name}  [{how}]")
            sides = [claim.space.displayed(side) for side in (step.lhs, step.rhs)]
            click.echo("     " + "  =  ".join(sp.latex(s) if latex else str(s) for s in sides))
            click.echo(paragraph(step.reason, 5))
