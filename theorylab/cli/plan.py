"""`plan`: what a verification will cost, before it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from theorylab import registry
from theorylab.cli.options import MEMORY

if TYPE_CHECKING:
    from theorylab.plan import Plan


@click.command("plan")
@click.argument("names", nargs=-1)
@click.option("--budget", default="quick", show_default=True, help="quick, standard or paper.")
@click.option("--controls", is_flag=True, help="Also the deliberately false claims.")
@click.option("--backend", default="auto", show_default=True, help="auto, numpy, numba or cupy.")
@click.option("--jobs", type=click.IntRange(1, 1024), help="Worker processes [default: one for each core].")
@MEMORY
@click.option("--store", "store_path", metavar="PATH", help="Store whose finished blocks are compared.")
@click.option("--measure", is_flag=True, help="Measure this machine again, and print its profile.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def plan_command(
    names: tuple[str, ...],
    budget: str,
    controls: bool,
    backend: str,
    jobs: int | None,
    memory: int | None,
    store_path: str | None,
    measure: bool,
    as_json: bool,
) -> None:
    """Predict what verifying the catalogue, or the claims below NAMES (FILE.py: your own), will cost.

    Nothing is simulated. The times are those of one core of this machine, which is measured on first use. They are
    upper limits: sampling stops as soon as a verdict is decided, at its first look or later. Where the store has
    finished blocks of a claim, what they took stands beside what is predicted for them. A batch that does not fit into
    --memory is a mistake, as for verify.
    """
    import json
    from dataclasses import asdict

    from theorylab.cli.progress import table_width
    from theorylab.cli.suite import demand
    from theorylab.executors import cores
    from theorylab.fingerprint import fingerprint
    from theorylab.machine import machine, name
    from theorylab.plan import plan, wall
    from theorylab.timings import timings

    claims = [entry.claim for entry in registry.select(names, controls)]
    demand(claims, budget, backend, memory)
    profile = machine(again=measure)
    plans = [
        plan(
            claim,
            budget,
            backend=backend,
            machine=profile,
            found=lambda c, used: timings(c.name, fingerprint(c.simulator), used, store_path),
        )
        for claim in claims
    ]
    workers = jobs if jobs is not None else cores()
    if as_json:
        total = {"jobs": workers, "seconds": wall(plans, workers), "machine": name()}
        click.echo(json.dumps({"budget": budget, **total, "claims": [asdict(p) for p in plans]}, allow_nan=False))
        return
    if measure:
        click.echo(f"{name()}\n{profile}\n")
    click.echo("\n".join(lines(plans, workers, table_width())))


def lines(plans: Sequence[Plan], jobs: int, width: int) -> list[str]:
    """The plans as a table, one line for each that draws anything, and their total."""
    drawing = [p for p in plans if p.backend is not None]
    columns = _columns(drawing)
    widths = {title: max(map(len, [title, *cells])) for title, cells in columns.items()}
    for title in ("random", "batch", "operations", "first look", "computed", "points"):
        if sum(widths.values()) + 2 * len(widths) > width:
            widths.pop(title, None)
    rows = [_row({title: title for title in widths}, widths)] if drawing else []
    theory = ""
    for i, p in enumerate(drawing):
        home = p.claim.rpartition("/")[0]
        if home and home != theory:
            rows.append(home)
        theory = home
        rows.append(_row({title: columns[title][i] for title in widths}, widths))
    return [*rows, *_total(plans, jobs)]


def _columns(plans: Sequence[Plan]) -> dict[str, list[str]]:
    columns = {
        "claim": ["  " + p.claim.rpartition("/")[2] for p in plans],
        "points": [str(p.points) for p in plans],
        "first look": [short(p.first_look) for p in plans],
        "at most": [short(p.trials) for p in plans],
        "operations": [short(p.operations) for p in plans],
        "random": [short(p.draws) for p in plans],
        "trial": [_bytes(p.trial_bytes) for p in plans],
        "batch": [_bytes(p.batch_bytes) for p in plans],
        "time": [_span(p) for p in plans],
    }
    if any(p.actual for p in plans):
        columns["computed"] = [short(p.actual.trials) if p.actual else "" for p in plans]
        columns["predicted"] = [time(p.actual.predicted) if p.actual else "" for p in plans]
        columns["actual"] = [time(p.actual.seconds) if p.actual else "" for p in plans]
    return columns


def _row(cells: Mapping[str, str], widths: Mapping[str, int]) -> str:
    return "  ".join(
        f"{cells[title]:<{w}}" if title == "claim" else f"{cells[title]:>{w}}" for title, w in widths.items()
    ).rstrip()


def _total(plans: Sequence[Plan], jobs: int) -> list[str]:
    from theorylab.plan import wall

    drawing = [p for p in plans if p.backend is not None]
    operations = [p.operations for p in drawing if p.operations is not None]
    trials = short(sum(p.trials for p in drawing))
    found = [f"{_many(len(drawing), 'claim')}: at most {trials} trials, {short(sum(operations))} operations"]
    if identities := len(plans) - len(drawing):
        found[0] += f"; without trials: {_many(identities, 'claim')}"
    if unknown := len(drawing) - len(operations):
        found.append(f"without a cost model, so that nothing more is known: {_many(unknown, 'claim')}")
    elif any(p.backend == "cupy" for p in drawing):
        found.append("there is no profile of a GPU: times on backend 'cupy' are unknown")
    seconds = wall(plans, jobs)
    if seconds is not None:
        first = sum(p.first_seconds or 0.0 for p in plans)
        most = sum(p.seconds or 0.0 for p in plans)
        found.append(
            f"{time(most)} of processor time at most, {time(first)} if every claim is decided at its first look; "
            f"{time(seconds)} at most on {_many(jobs, 'worker')}"
        )
    compared = [p.actual for p in drawing if p.actual and p.actual.predicted is not None]
    if compared:
        took, predicted = sum(a.seconds for a in compared), sum(a.predicted or 0.0 for a in compared)
        found.append(f"finished blocks took {time(took)} of processor time, predicted {time(predicted)}")
    return found


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _span(p: Plan) -> str:
    return "unknown" if p.seconds is None else f"{time(p.first_seconds)} - {time(p.seconds)}"


def _bytes(amount: float | None) -> str:
    from theorylab.memory import words

    return "unknown" if amount is None else words(amount)


def short(x: float | None) -> str:
    """A count for people: 950, 12k, 3.4M, 1.2G."""
    if x is None:
        return "unknown"
    for power, letter in ((15, "P"), (12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if x >= 0.9995 * 10**power:
            return f"{x / 10**power:.3g}{letter}"
    return f"{x:.3g}"


def time(seconds: float | None) -> str:
    """A time for people: 3.1 ms, 41 s, 12 min, 3.2 h."""
    if seconds is None:
        return "unknown"
    units = {"d": 86400.0, "h": 3600.0, "min": 60.0, "s": 1.0, "ms": 1e-3}
    # From two of a unit on, or from a tenth of a second.
    unit = next((u for u, size in units.items() if seconds >= (0.1 if u == "s" else 2.0 * size)), "ms")
    value = seconds / units[unit]
    return f"{value:.0f} {unit}" if value >= 9.5 else f"{value:.2g} {unit}"
