"""`replay`: counterexamples to bounds, seen again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click
import numpy as np

from theorylab import registry
from theorylab.claim import Claim
from theorylab.cli.options import SEED, parameters
from theorylab.cli.text import labelled
from theorylab.cli.values import parse
from theorylab.errors import UsageError
from theorylab.simulation import Samples


@click.command("replay")
@click.argument("name")
@parameters
@click.option("--case", type=int, help="Number of the case [default: search for counterexamples first].")
@click.option("--block", type=click.IntRange(0), default=0, show_default=True, help="Block of the case.")
@click.option("--budget", default="quick", show_default=True, help="Budget that the search had.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Names the random numbers.")
@click.option("--backend", default="auto", show_default=True, help="auto, numpy, numba or cupy.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def replay_command(
    name: str,
    assignments: tuple[str, ...],
    case: int | None,
    block: int,
    budget: str,
    seed: int,
    backend: str,
    as_json: bool,
) -> None:
    """See what refutes the bound NAME.

    With --case, what case this is: as `verify` names it, at the point given by -p. Without, the search runs, and the
    first counterexample to the claim and to each of its mutants is printed and made again from its seed and number.
    """
    from theorylab.replay import bound_at, replay

    claim = registry.claim(name)
    if case is None:
        if assignments:
            raise UsageError("-p names the point of a case: give --case too, or neither")
        _search(claim, budget, seed, backend, as_json)
        return
    values = parse(assignments, claim.settable)
    if any(np.size(v) > 1 for v in values.values()):
        raise UsageError("a case belongs to one point: give a single value to each parameter")
    instance = replay(claim, case, block=block, seed=seed, budget=budget, backend=backend, **values)
    bound = bound_at(claim, instance, **values)
    if as_json:
        click.echo(json.dumps({"claim": claim.name, "case": case, "bound": bound, **_plain(instance)}))
        return
    click.echo(f"{claim.name}, seed {seed}, block {block}, case {case}")
    click.echo("\n".join(_lines(claim, instance)))
    click.echo(labelled("bound", f"{bound:.15g}"))


def _search(claim: Claim, budget: str, seed: int, backend: str, as_json: bool) -> None:
    from theorylab.checks.base import describe
    from theorylab.replay import refutations

    rows: list[dict[str, Any]] = []
    if not as_json:
        click.echo(f"{claim.name}, seed {seed}, budget {budget}")
    for found in refutations(claim, budget, seed=seed, backend=backend):
        v = found.violation
        row: dict[str, Any] = {"formula": found.formula or "the claim", "refuted": v is not None}
        if v is not None:
            row |= {"point": found.params, "block": v.block, "case": v.case, "x": v.x, "y": v.y, "bound": v.value}
            row["replayed"] = _plain(found.instance)
        rows.append(row)
        if as_json:
            continue
        title = f"mutant: {found.formula}" if found.formula else "the claim"
        if v is None:
            click.echo(f"{title}\n  no counterexample" + (": it is not too strong" if found.formula else ""))
            continue
        click.echo(f"{title}\n  counterexample at {describe(found.params)}, block {v.block}, case {v.case}: ", nl=False)
        click.echo(f"{_variable(claim)} = {v.x:.12g}, y = {v.y:.12g}, bound {v.value:.12g}")
        click.echo("  replayed")
        click.echo("\n".join("    " + line for line in _lines(claim, found.instance)))
    if as_json:
        click.echo(json.dumps({"claim": claim.name, "seed": seed, "budget": budget, "formulas": rows}))


def _variable(claim: Claim) -> str:
    return str(getattr(claim.check, "variable", "x"))


def _plain(instance: Samples) -> dict[str, Any]:
    return {name: np.asarray(value).tolist() for name, value in instance.items()}


def _lines(claim: Claim, instance: Samples) -> Iterator[str]:
    for name, value in instance.items():
        if name in ("block", "case"):
            continue
        text = " ".join(f"{x:.15g}" for x in np.ravel(value))
        yield labelled(_variable(claim) if name == "x" else name, text, wrap=False)
