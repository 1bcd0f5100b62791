"""`verify`: the main job."""

from __future__ import annotations

import click

from theorylab import registry
from theorylab.cli.options import Running, running
from theorylab.cli.text import paragraph


@click.command("verify")
@click.argument("names", nargs=-1)
@click.option("--budget", default="quick", show_default=True, help="quick, standard or paper.")
@click.option("--controls", is_flag=True, help="Also the deliberately false claims: they must fail.")
@click.option("--json", "as_json", is_flag=True, help="A JSON list of verdicts.")
@click.option("--details", is_flag=True, help="Also a table of all findings for each claim.")
@running
def verify_command(
    names: tuple[str, ...],
    budget: str,
    controls: bool,
    as_json: bool,
    details: bool,
    options: Running,
) -> int:
    """Verify the whole catalogue, or the claims below NAMES (FILE.py: your own).

    Exit code 0: every claim has its expected status; 1: at least one has the opposite; 3: at least one is
    inconclusive; 2: a mistake, with one line that names it; 130: interrupted.
    """
    import json

    from theorylab.cli.progress import Bar, table, table_width
    from theorylab.cli.suite import announce, demand, exit_code, verify_all
    from theorylab.display import remarks, suite_table
    from theorylab.executors import cores
    from theorylab.machine import known
    from theorylab.plan import Tally

    claims = [entry.claim for entry in registry.select(names, controls)]
    demand(claims, budget, options.backend, options.memory)
    if budget == "paper":
        announce(claims, budget, options.backend, options.jobs or cores())
    tally = Tally(claims, known())
    with options.resources() as resources, Bar(len(claims)) as bar:
        verdicts = verify_all(claims, budget, options.seed, options.backend, resources, bar, tally)
    if as_json:
        click.echo(json.dumps([v.to_dict() for v in verdicts], allow_nan=False))
        return exit_code(verdicts)
    table(suite_table(verdicts, table_width()))
    for v in verdicts:
        if details:
            table(v)
        elif v.status != "holds" or not v.as_expected:
            click.echo(paragraph(f"{v.claim}: {v.status}; {remarks(v)}"))
            if any(note.startswith("counterexample") for note in v.notes):
                click.echo(f"  theorylab replay {v.claim} --budget {budget} --seed {options.seed}")
    as_expected = sum(v.as_expected for v in verdicts)
    rejected, mutants = (sum(v.mutants_rejected[i] for v in verdicts) for i in (0, 1))
    click.echo(f"{as_expected} of {len(verdicts)} claims as expected, {rejected} of {mutants} mutants rejected")
    click.echo(str(tally))
    return exit_code(verdicts)
