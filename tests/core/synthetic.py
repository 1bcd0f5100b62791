"""Synthetic claims with known truth, and the engine run on given samples: shared by the tests of the instrument."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import sympy as sp

from theorylab.checks.base import Cell, Check
from theorylab.claim import Budget, Claim, Mutant
from theorylab.engine import _Run
from theorylab.parameters import Integers, Interval, Parameter, Space
from theorylab.prediction import ClosedForm, Prediction
from theorylab.sampler import Steps, finish
from theorylab.simulation import Samples
from theorylab.verdict import Verdict

# Standardised noises: mean 0 and variance 1.
NOISES: dict[str, Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "exponential": lambda rng, shape: rng.standard_exponential(shape) - 1.0,
    "chi-square(1)": lambda rng, shape: (np.square(rng.standard_normal(shape)) - 1.0) / np.sqrt(2.0),
    "Student t(5)": lambda rng, shape: rng.standard_t(5.0, shape) / np.sqrt(5.0 / 3.0),
    "log-normal": lambda rng, shape: (np.exp(rng.standard_normal(shape)) - np.exp(0.5)) / np.sqrt((np.e - 1.0) * np.e),
    "Pareto(3)": lambda rng, shape: (rng.pareto(3.0, shape) - 0.5) / np.sqrt(0.75),
}


def noise(name: str, rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Standardised noise, float64[shape]."""
    return NOISES[name](rng, shape)


A = Parameter("a", Interval(0.0, 1e6, open_low=True), "scale", default=1.0)
B = Parameter("b", Interval(0.0, 1e6, open_low=True), "another scale", default=2.0)
N = Parameter("n", Integers(1), "system size", default=1)
X = Parameter("x", Interval(), "argument of a distribution function")
T = Parameter("t", Interval(0.0, 1e6), "time")
THETA = Parameter("theta", Interval(), "control parameter")


def closed(expr: Any, *parameters: Parameter) -> ClosedForm:
    """A closed form in given parameters."""
    return ClosedForm(expr=sp.sympify(expr), space=Space(parameters))


def make(
    check: Check,
    prediction: Prediction,
    simulation: Callable[..., Any] | None = None,
    *,
    trials: int = 1024,
    margin: float = 0.1,
    points: Sequence[Mapping[str, Any]] = ({},),
    sizes: Sequence[int] | None = None,
    mutants: Sequence[Mutant] = (),
    parameters: Sequence[Parameter] = (),
    block: int | None = 64,
    name: str = "test/synthetic/claim",
) -> Claim:
    """A claim with one budget, called "quick"."""
    return Claim(
        prediction=prediction,
        check=check,
        simulation=simulation or (lambda trials, rng: rng.normal(trials)),
        budgets={"quick": Budget(trials, margin, sizes=sizes, block=block)},
        points=points,
        mutants=mutants,
        parameters=parameters,
        name=name,
    )


class Given:
    """Stands in for a sampler: hands out samples that were drawn beforehand, one mapping of arrays per cell."""

    backend = "numpy"

    def __init__(self, samples: Sequence[Mapping[str, np.ndarray]]) -> None:
        self.samples = samples
        self.drawn = 0

    def drawing(self, cells: Sequence[Cell], wanted: Mapping[int, int], block: int) -> Steps[dict[int, Samples]]:
        """The first trials of each cell wanted; nothing to wait for."""
        yield from ()
        self.drawn = max(self.drawn, *wanted.values())
        return {c: {k: v[:trials] for k, v in self.samples[c].items()} for c, trials in wanted.items()}


def judge(claim: Claim, samples: Sequence[Any], level: float = 1e-6) -> Verdict:
    """The engine's verdict (looks, split of the level, early stops) on given samples, one array per cell."""
    named = [s if isinstance(s, Mapping) else {"value": s} for s in samples]
    run = _Run(claim, "quick", claim.budget("quick"), 0, level)
    run.sampler = Given(named)  # type: ignore[assignment]
    return finish(run.steps())
