"""`predict`, `simulate`, `sweep` and `apply`: numbers out of theories."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np

from theorylab import registry
from theorylab.claim import Claim
from theorylab.cli.options import SEED, Running, parameters, running
from theorylab.cli.text import paragraph
from theorylab.cli.values import parse
from theorylab.errors import UsageError
from theorylab.parameters import Observed
from theorylab.simulation import Samples

# Trials that `simulate` holds in memory at once.
MOST_TRIALS = 10_000_000
# Components of a vector observable that are worth a line each.
_MOST_LINES = 20


@click.command("predict")
@click.argument("name")
@parameters
@click.option("--json", "as_json", is_flag=True, help="A JSON list, one object for each point.")
@click.option("--csv", "as_csv", is_flag=True, help="Comma-separated values with a header.")
def predict_command(name: str, assignments: tuple[str, ...], as_json: bool, as_csv: bool) -> None:
    """Evaluate what theory says about NAME (a claim, or FILE.py:CLAIM).

    Lists and grids combine to all their combinations. The prediction's own numerical error is in the last column.
    """
    if as_json and as_csv:
        raise UsageError("--json and --csv exclude each other")
    prediction = registry.claim(name).prediction
    space = prediction.space
    observed = [f"{p.name} ({p.meaning})" for p in space.parameters if isinstance(p.domain, Observed)]
    if observed:
        raise UsageError(
            f"the prediction of {name} takes data, {', '.join(observed)}: evaluate it in Python, "
            f"with theorylab.claim({name!r}).predict(...)"
        )
    values = parse(assignments, space)
    axes = {k: np.atleast_1d(v) for k, v in values.items()}
    mesh = np.meshgrid(*axes.values(), indexing="ij")
    columns = {k: m.ravel() for k, m in zip(axes, mesh)}
    value, error = prediction.evaluate(**columns)
    count = math.prod(len(v) for v in axes.values())
    value, error = (np.broadcast_to(a, (count,)) for a in (value, error))
    fixed = {k: v for k, v in space.plain(space.complete({k: v[0] for k, v in axes.items()})).items() if k not in axes}
    rows: list[dict[str, Any]] = [
        {**{k: space[k].scalar(np.asarray(c[i])) for k, c in columns.items()},
         "value": float(value[i]), "error": float(error[i])}
        for i in range(count)
    ]  # fmt: skip
    if as_json:
        click.echo(json.dumps([{**fixed, **row} for row in rows]))
    elif as_csv:
        writer = csv.DictWriter(sys.stdout, [*fixed, *rows[0]], lineterminator="\n")
        writer.writeheader()
        writer.writerows({**fixed, **row} for row in rows)
    else:
        _print_rows(prediction.quantity, prediction.conventions, fixed, rows)


def _print_rows(
    quantity: str, conventions: Mapping[str, str], fixed: Mapping[str, Any], rows: list[dict[str, Any]]
) -> None:
    click.echo("# " + "; ".join(x for x in (quantity, ", ".join(f"{k} = {v}" for k, v in fixed.items())) if x))
    for k, v in conventions.items():
        click.echo(f"# {k}: {v}")
    texts = [{k: _text(k, v) for k, v in row.items()} for row in rows]
    widths = {k: max(len(k), *(len(t[k]) for t in texts)) for k in rows[0]}
    for line in ({k: k for k in rows[0]}, *texts):
        click.echo("  ".join(f"{line[k]:>{w}}" for k, w in widths.items()))


def _text(column: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.2g}" if column == "error" else f"{value:.10g}"


@click.command("simulate")
@click.argument("name")
@parameters
@click.option("--trials", type=click.IntRange(2, MOST_TRIALS), default=1000, show_default=True)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Names the random numbers.")
@click.option("--backend", default="auto", show_default=True, help="auto, numpy, numba or cupy.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
@click.option("-o", "output", type=click.Path(dir_okay=False), help="Also write all trials to a NumPy .npz file.")
def simulate_command(
    name: str, assignments: tuple[str, ...], trials: int, seed: int, backend: str, as_json: bool, output: str | None
) -> None:
    """Draw trials of NAME's simulation at one point: mean and standard error of each observable.

    Where the claim is about the mean of an observable, the prediction stands beside it.
    """
    claim = registry.claim(name)
    values = parse(assignments, claim.settable)
    if output is not None:
        from theorylab.files import demand_place

        demand_place(Path(output))
    samples = claim.simulate(trials, seed=seed, backend=backend, **values)
    if output is not None:
        from theorylab.files import write_atomically

        write_atomically(Path(output), lambda path: _save(path, samples))
    predicted = _predicted(claim, values, samples)
    rows = [
        {"observable": label, "shape": list(x.shape), **_moments(x), "predicted": predicted.get(label)}
        for label, x in samples.items()
    ]
    if as_json:
        click.echo(json.dumps({"claim": claim.name, "trials": trials, "seed": seed, "observables": rows}))
        return
    lines = [line for row in rows for line in _lines(row)]
    wide = max(len(label) for label, _ in lines)
    click.echo(f"# {claim.name}, {trials} trials, seed {seed}: mean +- standard error")
    for label, text in lines:
        click.echo(f"{label:>{wide}}  {text}")


def _save(path: str, samples: Samples) -> None:
    # Through a handle: given a name, NumPy would add an ending to it.
    with open(path, "wb") as file:
        np.savez(file, **samples)  # type: ignore[arg-type]


def _moments(x: np.ndarray) -> dict[str, list[float]]:
    flat = x.reshape(len(x), -1).astype(float)
    deviation = flat.std(axis=0, ddof=min(1, len(flat) - 1)) / np.sqrt(len(flat))
    return {"mean": flat.mean(axis=0).tolist(), "se": deviation.tolist()}


def _predicted(claim: Claim, values: Mapping[str, Any], samples: Samples) -> dict[str, list[float]]:
    """The prediction for the mean of an observable, where the claim has one."""
    from theorylab.checks.base import Cell
    from theorylab.checks.expectation import residuals

    if claim.check.kind not in ("expectation", "curve", "asymptotic"):
        return {}
    observable, given = getattr(claim.check, "observable", "value"), getattr(claim.check, "given", ())
    _, value, _ = residuals(observable, given, claim.prediction, Cell(claim.point(values)), samples)
    return {observable: np.broadcast_to(value, samples[observable].shape[1:]).ravel().tolist()}


def _lines(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    means, errors, predicted = row["mean"], row["se"], row["predicted"]
    for i in range(min(len(means), _MOST_LINES)):
        label = row["observable"] if len(means) == 1 else f"{row['observable']}[{i}]"
        yield label, f"{means[i]:.8g} +- {errors[i]:.2g}" + (f"  predicted {predicted[i]:.8g}" if predicted else "")
    if len(means) > _MOST_LINES:
        yield "...", f"{len(means)} components of {row['observable']}; -o FILE.npz or --json gives all"


@click.command("sweep")
@click.argument("name")
@parameters
@click.option("--trials", type=click.IntRange(2), default=200, show_default=True, help="Trials at each point.")
@click.option("-o", "output", required=True, type=click.Path(dir_okay=False), help="netCDF file to write.")
@running
def sweep_command(
    name: str,
    assignments: tuple[str, ...],
    trials: int,
    output: str,
    options: Running,
) -> None:
    """Prediction and simulation of NAME over a grid, to a netCDF file (xarray.open_dataset reads it)."""
    from theorylab.cli.progress import Bar
    from theorylab.files import demand_place, write_atomically
    from theorylab.sweep import sweep

    claim = registry.claim(name)
    values = parse(assignments, claim.settable)
    path = Path(output)
    demand_place(path)
    with options.resources() as resources, Bar(1, "claims") as bar:
        bar.start(claim.name)
        dataset = sweep(
            claim,
            trials=trials,
            seed=options.seed,
            backend=options.backend,
            store=resources.store,
            executor=resources.executor,
            progress=bar.blocks,
            memory=resources.memory,
            **values,
        )
        # netCDF 3 has integers of 32 bits only.
        dataset.attrs = {k: str(v) if isinstance(v, int) and abs(v) >= 2**31 else v for k, v in dataset.attrs.items()}
        write_atomically(path, lambda p: dataset.to_netcdf(p, engine="scipy"))
        sizes = " x ".join(f"{n} {k}" for k, n in dataset.sizes.items()) or "one point"
        bar.finish(f"{output}: {sizes}, {dataset.attrs['trials']} trials each")


class WithApplications(click.Command):
    """A command whose help ends with the applications that there are."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the applications with what they read and what may be set."""
        with formatter.section("Applications"):
            for application in registry.applications().values():
                first, *rest = application.describe().splitlines()
                formatter.write("\n".join([paragraph(first, 2), *(paragraph(line, 4) for line in rest)]) + "\n")


@click.command("apply", cls=WithApplications)
@click.argument("name")
@click.argument("inputs", nargs=-1, type=click.Path())
@click.option("-p", "assignments", metavar="NAME=VALUE", multiple=True, help="Parameter of the application.")
@click.option("-o", "output", type=click.Path(), help="Folder for the result as JSON and text, and its figures.")
def apply_command(name: str, inputs: tuple[str, ...], assignments: tuple[str, ...], output: str | None) -> None:
    """Turn the theory NAME on your own data."""
    values: dict[str, Any] = {}
    for text in assignments:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise UsageError(f"-p {text}: write NAME=VALUE")
        if key in values:
            raise UsageError(f"parameter {key} is given twice")
        values[key] = value
    if output is not None:
        values["output"] = output
    click.echo(registry.apply(name, *inputs, **values))
