"""`doctor`, `cite` and `new`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def doctor_command(as_json: bool) -> int:
    """Check this installation: versions, backends, store, memory. Exit code 1 when something is broken."""
    import json
    from dataclasses import asdict

    from theorylab.doctor import diagnose

    findings = diagnose()
    if as_json:
        click.echo(json.dumps([asdict(f) for f in findings]))
    else:
        for f in findings:
            click.echo(f"{'ok ' if f.ok else 'BAD'}  {f.name:<22} {f.detail}" + (f"; {f.mend}" if f.mend else ""))
    return 0 if all(f.ok for f in findings) else 1


@click.command("cite")
@click.argument("names", nargs=-1, required=True)
def cite_command(names: tuple[str, ...]) -> None:
    """Print BibTeX for the sources of the claims below NAMES, and for theorylab."""
    from theorylab import registry
    from theorylab.cite import bibtex

    sources = [entry.source for entry in registry.select(names, controls=True) if entry.source is not None]
    click.echo(bibtex(*sources))


@click.command("new")
@click.argument("name", metavar="FAMILY/THEORY")
@click.option("-o", "root", default=".", type=click.Path(file_okay=False), help="Folder to write into.")
def new_command(name: str, root: str) -> None:
    """Write the skeleton of a new theory: a working example to edit."""
    from theorylab.scaffold import create

    for path in create(name, Path(root)):
        click.echo(str(path))
