"""The group of commands."""

from __future__ import annotations

import importlib
from typing import Any

import click

import theorylab

COMMANDS = {
    "list": ("catalogue", "List the claims of the catalogue, or of a family or theory."),
    "show": ("catalogue", "Show a claim: statement, formula, conventions, parameters, check, power."),
    "derive": ("catalogue", "Replay a claim's derivation, step by step."),
    "predict": ("evaluate", "Evaluate what theory says, at a point, a list or a grid."),
    "simulate": ("evaluate", "Draw trials at one point and compare their mean with the prediction."),
    "plan": ("plan", "Predict what verifying claims will cost: trials, memory, time."),
    "verify": ("verify", "Verify claims: holds, fails or inconclusive."),
    "replay": ("replay", "See what refutes a bound: counterexamples, again from their seed."),
    "sweep": ("evaluate", "Prediction and simulation over a grid, to a netCDF file."),
    "figures": ("output", "Draw the figures of the catalogue."),
    "report": ("output", "Verify and write a report with verdicts, formulas and figures."),
    "apply": ("evaluate", "Turn a theory on your own data."),
    "doctor": ("tools", "Check this installation."),
    "cite": ("tools", "Print BibTeX for claims and for theorylab."),
    "new": ("tools", "Write the skeleton of a new theory."),
}


class ReaderLeftError(Exception):
    """Who read our output left, as `head` does."""


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order in which they are explained."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"theorylab.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Find the command; an unknown one names its neighbours."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from theorylab.errors import UnknownNameError

            raise UnknownNameError("command", args[0], COMMANDS, "" if len(COMMANDS) <= 12 else " (see --help)")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; ends before time reach `theorylab.cli.run`, and not click's own answers to them."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            from theorylab.errors import Interrupted

            raise Interrupted("interrupted; finished blocks are kept") from None
        except BrokenPipeError:
            raise ReaderLeftError from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(theorylab.__version__, prog_name="theorylab")
def cli() -> None:
    """Closed forms of machine-learning theory, verified by simulation.

    A claim is named family/theory/claim; a prefix selects everything below it, and FILE.py selects the claims
    that you define in a file of your own.
    """
