"""`figures` and `report`: pictures and pages."""

from __future__ import annotations

from pathlib import Path

import click

from theorylab.cli.options import Running, running
from theorylab.errors import UnknownNameError, UsageError

FORMATS = ("png", "pdf", "svg")


@click.command("figures")
@click.argument("names", nargs=-1)
@click.option("--budget", default="quick", show_default=True, help="quick, standard or paper.")
@click.option("-o", "folder", default="out/figures", show_default=True, type=click.Path(file_okay=False))
@click.option("--format", "formats", default="png", show_default=True, help="png, pdf, svg or several: png,pdf.")
@click.option("--list", "only_list", is_flag=True, help="List the figures and stop.")
def figures_command(names: tuple[str, ...], budget: str, folder: str, formats: str, only_list: bool) -> None:
    """Draw the figures NAMES (all by default): theory as lines, simulation as points with error bars."""
    from theorylab.claim import BUDGETS
    from theorylab.cli.progress import Bar
    from theorylab.gallery import available, draw, select

    if only_list:
        click.echo("\n".join(available()))
        return
    kinds = formats.split(",")
    for kind in kinds:
        if kind not in FORMATS:
            raise UnknownNameError("format", kind, FORMATS)
    if budget not in BUDGETS:
        raise UnknownNameError("budget", budget, BUDGETS)
    chosen = select(names)
    with Bar(len(chosen), "figures") as bar:
        for name in chosen:
            bar.start(name)
            bar.finish(", ".join(str(p) for p in draw(name, budget, Path(folder), kinds)))


@click.command("report")
@click.argument("names", nargs=-1)
@click.option("--budget", default="quick", show_default=True, help="quick, standard or paper.")
@click.option("-o", "folder", required=True, type=click.Path(file_okay=False), help="Folder to write.")
@click.option("--figures/--no-figures", "with_figures", default=True, show_default=True)
@running
def report_command(
    names: tuple[str, ...],
    budget: str,
    folder: str,
    with_figures: bool,
    options: Running,
) -> int:
    """Verify, and write index.html (verdicts, formulas, derivations, figures) and verdicts.json."""
    from theorylab import registry
    from theorylab.cli.progress import Bar
    from theorylab.cli.suite import demand, exit_code, verify_all
    from theorylab.gallery import below, draw
    from theorylab.report import write

    claims = [entry.claim for entry in registry.select(names, controls=not names)]
    demand(claims, budget, options.backend, options.memory)
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {folder}: {error.strerror}") from None
    theories = dict.fromkeys(claim.name.rpartition("/")[0] for claim in claims)
    wanted = [figure for theory in theories for figure in below(theory)] if with_figures else []
    with options.resources() as resources, Bar(len(claims) + len(wanted), "parts") as bar:
        verdicts = verify_all(claims, budget, options.seed, options.backend, resources, bar)
        pictures: list[Path] = []
        for name in wanted:
            bar.start(name)
            pictures += draw(name, budget, target / "figures", ["png"])
            bar.finish(name)
    click.echo(str(write(target, claims, verdicts, pictures)))
    return exit_code(verdicts)
