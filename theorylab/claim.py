"""Claims: a statement, the formula behind it, a simulation that shares no code with it, and a check."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from theorylab.errors import DesignError, UnknownNameError
from theorylab.parameters import Observed, Parameter, Space
from theorylab.prediction import Prediction, Value
from theorylab.simulation import Samples, Simulation, as_simulation

if TYPE_CHECKING:
    import xarray as xr

    from theorylab.checks.base import Check
    from theorylab.verdict import Verdict

Status = Literal["holds", "fails", "inconclusive"]
Point = Mapping[str, Any]


@dataclass(frozen=True)
class Source:
    """Where a result comes from.

    Parameters
    ----------
    authors, title, year
        As on the paper's first page; authors separated by " and ", as in BibTeX.
    where
        Theorem, section or equation number.
    arxiv, doi, journal
        Identifiers; the arXiv one with its version.
    """

    authors: str
    title: str
    year: int
    where: str = ""
    arxiv: str | None = None
    doi: str | None = None
    journal: str | None = None


@dataclass(frozen=True)
class Mutant:
    """A plausible wrong version of a prediction, which the same samples must reject.

    Parameters
    ----------
    name
        The mistake, in words ("n - p instead of n - p - 1").
    formula
        A SymPy expression in the prediction's symbols, a `Prediction`, or a function
        `f(value, **arrays) -> array` of the right value and the parameters.
    """

    name: str
    formula: Any

    def prediction(self, right: Prediction) -> Prediction:
        """The mutant as a prediction over the domain of the right one."""
        return self.formula if isinstance(self.formula, Prediction) else right.altered(self.formula)


@dataclass(frozen=True)
class Budget:
    """How much may be spent on a verdict and how sharp it must be.

    Parameters
    ----------
    trials
        Most trials (cases, for a search) per point and size.
    margin
        Largest discrepancy that still counts as agreement, on the check's own scale (relative, mostly).
    points
        Parameter points; the claim's own when None.
    sizes
        System sizes, for the checks that use them.
    block
        Trials per block: the unit that is scheduled, stored and resumed. By default a 32nd of `trials`,
        between 64 and 4096.
    """

    trials: int
    margin: float
    points: Sequence[Point] | None = None
    sizes: Sequence[int] | None = None
    block: int | None = None

    @property
    def block_trials(self) -> int:
        """Trials per block."""
        return self.block or max(min(self.trials, 64), min(4096, self.trials // 32))


BUDGETS = ("quick", "standard", "paper")


def grid(**values: Any) -> tuple[dict[str, Any], ...]:
    """All combinations of the listed values; a single value stands for a list of one."""
    lists = [v if isinstance(v, list | tuple | range) else [v] for v in values.values()]
    return tuple(dict(zip(values, combination)) for combination in itertools.product(*lists))


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A statement that can be tested.

    Parameters
    ----------
    prediction
        What theory says.
    check
        How prediction and simulation must meet.
    budgets
        By name: quick, standard, paper.
    simulation
        What the network does (a `Simulation` or a plain function); None for an `Identity`.
    points
        Parameter points at which the check is made; see `grid`.
    mutants
        Plausible wrong formulas. At least one.
    parameters
        Parameters of the simulation or the check that the prediction does not have.
    name, statement, source, expected
        `family/theory/claim`, one sentence, the paper, and the status that is known to be right. A theory's
        claims get the first three from the theory and the claim function.
    notes
        What was learned: finite-size coefficients, corrections of the literature.
    origin
        File that defines the claim, when it is outside any installed package; workers load it from there.
    """

    prediction: Prediction
    check: Check
    budgets: Mapping[str, Budget]
    simulation: Simulation | Callable[..., Any] | None = None
    points: Sequence[Point] = ({},)
    mutants: Sequence[Mutant] = ()
    parameters: Sequence[Parameter] = ()
    name: str = ""
    statement: str = ""
    source: Source | None = None
    expected: Status = "holds"
    notes: str = ""
    origin: str | None = None

    @cached_property
    def space(self) -> Space:
        """All parameters: the prediction's and the simulation's own."""
        return self.prediction.space | Space(self.parameters)

    @cached_property
    def settable(self) -> Space:
        """The parameters that a user sets: all but the observed ones."""
        return self.space.only([p.name for p in self.space.parameters if not isinstance(p.domain, Observed)])

    @cached_property
    def simulator(self) -> Simulation:
        """The simulation, or an error for a claim without one."""
        if self.simulation is None:
            raise DesignError(f"claim {self.name} is an identity: it has no simulation")
        return as_simulation(self.simulation)

    def budget(self, name: str) -> Budget:
        """The budget called `name`."""
        if name not in self.budgets:
            raise UnknownNameError("budget", name, list(self.budgets))
        return self.budgets[name]

    def point(self, values: Mapping[str, Any], without: str | None = None) -> dict[str, Any]:
        """Validated parameters of one point as plain Python numbers (arrays stay arrays).

        What a simulation observes is not part of a point, nor is the parameter `without` (the argument of a law,
        the variable of a bound).
        """
        space = self.settable.only([n for n in self.settable.names if n != without])
        return space.plain(values)

    def with_identity(self, name: str, statement: str, source: Source | None, expected: Status, notes: str) -> Claim:
        """A copy that knows where it belongs."""
        return replace(
            self,
            name=name,
            statement=self.statement or statement,
            source=self.source or source,
            expected=expected,
            notes=self.notes or notes,
        )

    def predict(self, **parameters: Any) -> np.ndarray:
        """What theory says; NumPy in, NumPy out, broadcasting."""
        return self.evaluate(**parameters).value

    def evaluate(self, **parameters: Any) -> Value:
        """What theory says, with its numerical error."""
        space = self.prediction.space
        own = {k: v for k, v in parameters.items() if k in space or k not in self.space}
        return self.prediction.evaluate(**own)

    def simulate(self, trials: int, *, seed: int = 0, backend: str = "auto", **parameters: Any) -> Samples:
        """Draw `trials` trials at one point: a dictionary of arrays, one per observable."""
        from theorylab.sampling import direct

        return direct(self, trials, seed=seed, backend=backend, **parameters)

    def verify(self, budget: str = "quick", **options: Any) -> Verdict:
        """Run the check; see `theorylab.verify` for the options."""
        from theorylab.engine import verify

        return verify(self, budget, **options)

    def sweep(self, trials: int = 200, **parameters: Any) -> xr.Dataset:
        """Prediction and simulation over a grid; see `theorylab.sweep.sweep`."""
        from theorylab.sweep import sweep

        return sweep(self, trials=trials, **parameters)
