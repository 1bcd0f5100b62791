"""`list`, `show` and `derive`: reading the catalogue."""

from __future__ import annotations

import json
import textwrap
from typing import Any

import click

from theorylab import registry
from theorylab.theory import ClaimEntry


@click.command("list")
@click.argument("names", nargs=-1)
@click.option("--controls", is_flag=True, help="Also the deliberately false claims that test the instrument.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def list_command(names: tuple[str, ...], controls: bool, as_json: bool) -> None:
    """List the claims of the catalogue, or those below NAMES, with their statements."""
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
        click.echo(textwrap.fill(entry.statement, 110, initial_indent="      ", subsequent_indent="      "))


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
    """Show a claim: statement, formula, conventions, parameters, check, budgets, mutants."""
    for entry in registry.select([name], controls=True):
        claim = entry.claim
        click.echo(f"{claim.name}   (expected: {claim.expected})")
        click.echo(textwrap.fill(claim.statement, 110, initial_indent="  ", subsequent_indent="  "))
        if claim.source:
            s = claim.source
            ids = ", ".join(x for x in (s.where, s.journal, s.arxiv and f"arXiv {s.arxiv}", s.doi) if x)
            click.echo(f"source      {s.authors} ({s.year}), {s.title}{', ' + ids if ids else ''}")
        p = claim.prediction
        click.echo(f"predicts    {p.quantity}")
        click.echo(f"formula     {p.latex()}")
        for k, v in p.conventions.items():
            click.echo(f"convention  {k}: {v}")
        for q in claim.space.parameters:
            unit = f" [{q.unit}]" if q.unit else ""
            default = "" if q.default is None else f", default {q.default}"
            click.echo(f"parameter   {q.name} in {q.domain}{default}: {q.meaning}{unit}")
        for c in claim.space.constraints:
            click.echo(f"constraint  {c.condition}: {c.why}")
        click.echo(f"check       {claim.check.kind}: {claim.check.statement()}")
        for budget_name, b in claim.budgets.items():
            sizes = f", sizes {', '.join(map(str, b.sizes))}" if b.sizes else ""
            click.echo(f"budget      {budget_name}: margin {b.margin:g}, at most {b.trials} trials a point{sizes}")
        for m in claim.mutants:
            click.echo(f"mutant      {m.name}")
        if claim.simulation is not None:
            click.echo(f"backends    {', '.join(claim.simulator.backends)}")
        steps = len(p.derivation) if p.derivation is not None else 0
        click.echo(f"derivation  {steps} steps" + (f", after {p.derivation.source}" if p.derivation else ""))
        if claim.notes:
            click.echo(textwrap.indent(claim.notes, "  "))
        if power and claim.simulation is not None:
            from theorylab.power import pilot

            click.echo(f"power       {pilot(claim, budget)}")
        click.echo("")


@click.command("derive")
@click.argument("name")
@click.option("--latex", is_flag=True, help="Print the two sides in LaTeX.")
def derive_command(name: str, latex: bool) -> None:
    """Replay a claim's derivation: each equality is proved by SymPy or checked to 50 digits."""
    import sympy as sp

    from theorylab.errors import UsageError

    for entry in registry.select([name], controls=True):
        derivation = entry.claim.prediction.derivation
        if derivation is None:
            raise UsageError(f"claim {entry.name} carries no derivation")
        click.echo(f"{entry.name}: {len(derivation)} steps, after {derivation.source}")
        for i, step in enumerate(derivation, 1):
            how = step.replay()
            click.echo(f"{i:3d}. {step.name}  [{how}]")
            write = sp.latex if latex else str
            click.echo(f"     {write(step.lhs)}  =  {write(step.rhs)}")
            click.echo(textwrap.fill(step.reason, 105, initial_indent="     ", subsequent_indent="     "))
