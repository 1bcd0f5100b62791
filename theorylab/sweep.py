"""Parameter sweeps: theory beside simulation over a grid, as a labelled dataset."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from theorylab.checks.base import Cell
from theorylab.checks.expectation import residuals
from theorylab.claim import Claim
from theorylab.errors import UsageError
from theorylab.sampler import Progress, Sampler

if TYPE_CHECKING:
    from theorylab.store import Store


def sweep(
    claim: Claim,
    *,
    trials: int = 200,
    seed: int = 0,
    backend: str = "auto",
    store: Store | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
    memory: int | None = None,
    **parameters: Any,
) -> xr.Dataset:
    """Evaluate the prediction and the simulation of a claim on a grid.

    Parameters
    ----------
    claim
        A claim with a simulation of one observable per trial.
    trials
        Trials at each point.
    seed, backend, store, executor, progress, memory
        As in `theorylab.verify`.
    **parameters
        A number, or a list or array of numbers that becomes a dimension. Defaults fill the rest.

    Returns
    -------
    xarray.Dataset
        `prediction`, `prediction_error`, `mean`, `standard_error` over the swept parameters (and over the
        components of a vector observable, or along the axis of a curve), with the fixed parameters as attributes.

    Raises
    ------
    DomainError
        When any point of the grid is outside the domain: nothing is simulated then.
    """
    check = claim.check
    name, given = getattr(check, "observable", "value"), getattr(check, "given", ())
    if not claim.simulator.per_trial or check.kind in ("law", "boundary"):
        raise UsageError(f"claim {claim.name} is a {check.kind}: it has no mean to sweep; use verify or simulate")
    along = getattr(check, "axis", None)
    if along in parameters:
        parameters[along] = np.atleast_1d(parameters[along])
    axes = {k: np.atleast_1d(v) for k, v in parameters.items() if np.ndim(v) and k != along}
    points = [dict(zip(axes, values)) for values in itertools.product(*axes.values())]
    cells = [Cell(claim.point({**parameters, **p})) for p in points]
    block = min(trials, max(64, trials // 8))
    work = block * claim.simulator.heaviest(c.params for c in cells)
    sampler = Sampler(claim, seed, backend, store, executor, progress, memory, work)
    # Whole blocks: trials are rounded up.
    counts = -(-trials // block) * block
    samples = sampler.draw(cells, dict.fromkeys(range(len(cells)), counts), block)
    rows = []
    for i, cell in enumerate(cells):
        difference, value, error = residuals(name, given, claim.prediction, cell, samples[i])
        deviation = difference.std(axis=0, ddof=1) / np.sqrt(len(difference))
        rows.append((value, error, value + difference.mean(axis=0), deviation))
    shape = tuple(len(v) for v in axes.values())
    dims = tuple(axes)
    data = {}
    for label, column in zip(("prediction", "prediction_error", "mean", "standard_error"), zip(*rows)):
        stacked = np.stack([np.broadcast_to(c, np.shape(rows[0][2])) for c in column])
        extra = (along,) if along else tuple(f"component_{k}" for k in range(stacked.ndim - 1))
        data[label] = ((*dims, *extra), stacked.reshape((*shape, *stacked.shape[1:])))
    if along:
        axes[along] = cells[0].params[along]
    fixed = {k: v for k, v in cells[0].params.items() if k not in axes and np.ndim(v) == 0}
    return _labelled(claim, data, axes, {**fixed, "trials": counts, "seed": seed, "backend": sampler.backend})


def _labelled(
    claim: Claim, data: Mapping[str, Any], axes: Mapping[str, np.ndarray], attributes: Mapping[str, Any]
) -> xr.Dataset:
    dataset = xr.Dataset(dict(data), coords={k: (k, v) for k, v in axes.items()}, attrs=dict(attributes))
    dataset.attrs |= {"claim": claim.name, "statement": claim.statement}
    for k in axes:
        dataset[k].attrs["long_name"] = claim.space[k].meaning
    for k in ("prediction", "mean"):
        dataset[k].attrs["long_name"] = claim.prediction.quantity
        dataset[k].attrs |= {f"convention_{c}": text for c, text in claim.prediction.conventions.items()}
    return dataset
