"""`predict`, `simulate`, `sweep` and `apply`: numbers out of theories."""

from __future__ import annotations

import csv
import itertools
import json
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np

from theorylab import registry
from theorylab.cli.options import parameters, resources, running
from theorylab.cli.values import parse
from theorylab.errors import UsageError


@click.command("predict")
@click.argument("name")
@parameters
@click.option("--json", "as_json", is_flag=True, help="A JSON list, one object for each point.")
@click.option("--csv", "as_csv", is_flag=True, help="Comma-separated values with a header.")
def predict_command(name: str, assignments: tuple[str, ...], as_json: bool, as_csv: bool) -> None:
    """Evaluate what theory says about NAME.

    Lists and grids combine to all their combinations. The prediction's own numerical error is in the last column.
    """
    if as_json and as_csv:
        raise UsageError("--json and --csv exclude each other")
    prediction = registry.claim(name).prediction
    values = parse(assignments, prediction.space)
    axes = {k: np.atleast_1d(v) for k, v in values.items()}
    mesh = np.meshgrid(*axes.values(), indexing="ij")
    columns = {k: m.ravel() for k, m in zip(axes, mesh)}
    value, error = prediction.evaluate(**columns)
    count = len(mesh[0].ravel()) if mesh else 1
    value, error = (np.broadcast_to(np.atleast_1d(a), (count,)) for a in (value, error))
    fixed = {k: v for k, v in prediction.space.plain(prediction.space.complete(values)).items() if k not in axes}
    rows: list[dict[str, Any]] = [
        {**{k: prediction.space[k].scalar(np.asarray(c[i])) for k, c in columns.items()},
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
        _print_rows(prediction.quantity, dict(prediction.conventions), fixed, rows)


def _print_rows(quantity: str, conventions: dict[str, str], fixed: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    click.echo(f"# {quantity}" + (f"; {', '.join(f'{k} = {v}' for k, v in fixed.items())}" if fixed else ""))
    for k, v in conventions.items():
        click.echo(f"# {k}: {v}")
    click.echo("  ".join(f"{k:>14}" for k in rows[0]))
    for row in rows:
        click.echo("  ".join(f"{v:>14.10g}" if not isinstance(v, str) else f"{v:>14}" for v in row.values()))


@click.command("simulate")
@click.argument("name")
@parameters
@click.option("--trials", type=click.IntRange(2), default=1000, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--backend", default="auto", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
@click.option("-o", "output", type=click.Path(dir_okay=False), help="Also write all trials to a NumPy .npz file.")
def simulate_command(
    name: str, assignments: tuple[str, ...], trials: int, seed: int, backend: str, as_json: bool, output: str | None
) -> None:
    """Draw trials of NAME's simulation at one point: mean and standard error of each observable."""
    claim = registry.claim(name)
    values = parse(assignments, claim.settable)
    samples = claim.simulate(trials, seed=seed, backend=backend, **values)
    if output is not None:
        from theorylab.files import write_atomically

        write_atomically(Path(output), lambda path: np.savez(path, **samples))  # type: ignore[arg-type]
    rows = []
    for label, x in samples.items():
        flat = x.reshape(len(x), -1)
        mean, deviation = flat.mean(axis=0), flat.std(axis=0, ddof=1) / np.sqrt(len(flat))
        rows.append({"observable": label, "shape": list(x.shape), "mean": mean.tolist(), "se": deviation.tolist()})
    if as_json:
        click.echo(json.dumps({"claim": name, "trials": trials, "seed": seed, "observables": rows}))
        return
    for row in rows:
        for i, (m, s) in enumerate(itertools.islice(zip(row["mean"], row["se"]), 20)):
            label = row["observable"] if len(row["mean"]) == 1 else f"{row['observable']}[{i}]"
            click.echo(f"{label:>20}  {m:.8g} +- {s:.2g}")


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
    seed: int,
    backend: str,
    jobs: int | None,
    dask: str | None,
    store_path: str | None,
) -> None:
    """Prediction and simulation of NAME over a grid, to a netCDF file (xarray.open_dataset reads it)."""
    from theorylab.cli.progress import Bar
    from theorylab.files import write_atomically
    from theorylab.sweep import sweep

    claim = registry.claim(name)
    values = parse(assignments, claim.settable)
    path = Path(output)
    if not path.parent.is_dir():
        raise UsageError(f"no folder {path.parent}")
    with resources(jobs, dask, store_path) as (executor, store), Bar(1) as bar:
        bar.start(name)
        dataset = sweep(
            claim,
            trials=trials,
            seed=seed,
            backend=backend,
            store=store,
            executor=executor,
            progress=bar.blocks,
            **values,
        )
        write_atomically(path, lambda p: dataset.to_netcdf(p, engine="scipy"))
        bar.finish(f"{output}: {dict(dataset.sizes) or 'one point'}, {dataset.attrs['trials']} trials each")


@click.command("apply")
@click.argument("name")
@click.argument("inputs", nargs=-1, type=click.Path())
@click.option("-p", "assignments", metavar="NAME=VALUE", multiple=True, help="Parameter of the application.")
@click.option("-o", "output", type=click.Path(), help="Where to write results.")
def apply_command(name: str, inputs: tuple[str, ...], assignments: tuple[str, ...], output: str | None) -> None:
    """Turn the theory NAME on your own data."""
    values: dict[str, Any] = dict(a.partition("=")[::2] for a in assignments)
    if output is not None:
        values["output"] = output
    click.echo(registry.apply(name, *inputs, **values))
