r"""The texts that a new theory starts from.

The example is the variance of normal observations about their own mean, $E V = \sigma^2 (n - 1) / n$. It verifies as
it stands, so that whatever breaks later was broken by an edit.
"""

from __future__ import annotations

from collections.abc import Mapping
from string import Template


class _Template(Template):
    # Neither LaTeX nor a decorator.
    delimiter = "~"


def rooms(names: Mapping[str, str]) -> dict[str, str]:
    """The five files of a theory in theorylab itself, by path; `names` gives family, theory and module."""
    family, module = names["family"], names["module"]
    given = {**names, "d": "derivation.", "s": "simulation.", "imports": _Template(_CLAIM_INNER).substitute(names)}
    templates = {
        f"derivations/{family}/{module}.py": _ABOUT + _DERIVATION_IMPORTS + _DERIVATION,
        f"sims/{family}/{module}.py": _SIMULATION_ABOUT + _SIMULATION_IMPORTS + _SIMULATION,
        f"theorylab/claims/{family}/{module}.py": _CLAIM_ABOUT + _CLAIM_IMPORTS + _CLAIM,
        f"figures/{family}/{module}.py": _FIGURE,
        f"tests/{family}/test_{module}.py": _TEST,
    }
    return {path: _Template(template).substitute(given) for path, template in templates.items()}


def project(names: Mapping[str, str]) -> dict[str, str]:
    """The files of a theory in a project of its own, by path."""
    given = {**names, "d": "", "s": "", "imports": ""}
    templates = {
        f"{names['module']}.py": _ABOUT + _PROJECT_IMPORTS + _DERIVATION + _SIMULATION + "\n\n" + _CLAIM,
        f"test_{names['module']}.py": _PROJECT_TEST,
        "pyproject.toml": _PROJECT_FILE,
    }
    return {path: _Template(template).substitute(given) for path, template in templates.items()}


_ABOUT = '''"""Variance of normal observations about their own mean.

Model
    x_1, ..., x_n independent, normal with mean 0 and variance sigma^2; V = (1/n) sum_i (x_i - xbar)^2,
    where xbar is the mean of the x_i.
Result
    E V = sigma^2 (n - 1) / n, for every n >= 2.
Source
    Student, "The Probable Error of a Mean", Biometrika 6 (1908), section I.
"""

from __future__ import annotations

'''

_DERIVATION_IMPORTS = """\
import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.parameters import Integers, Interval, Parameter, Space
from theorylab.prediction import ClosedForm
"""

_DERIVATION = """\

N = Parameter("n", Integers(2), "number of observations")
SIGMA = Parameter("sigma", Interval(0, open_low=True), "standard deviation of an observation", default=1.0)
n, sigma = N.symbol, SIGMA.symbol


def _steps() -> list[Step]:
    x, i = sp.Symbol("x", real=True), sp.Symbol("i", integer=True)
    density = sp.exp(-(x**2) / (2 * sigma**2)) / (sp.sqrt(2 * sp.pi) * sigma)
    return [
        Step(
            "one observation",
            sp.Integral(x**2 * density, (x, -sp.oo, sp.oo)),
            sigma**2,
            "E x^2, from the normal density",
        ),
        Step(
            "the mean",
            sp.Sum(sigma**2, (i, 1, n)) / n**2,
            sigma**2 / n,
            "E xbar^2: the observations are independent, so that the cross terms vanish",
        ),
        Step(
            "about the mean",
            (n * sigma**2 - n * (sigma**2 / n)) / n,
            sigma**2 * (n - 1) / n,
            "sum_i (x_i - xbar)^2 = sum_i x_i^2 - n xbar^2",
        ),
    ]


VARIANCE = ClosedForm(
    expr=sigma**2 * (n - 1) / n,
    space=Space([N, SIGMA]),
    quantity="expected variance",
    conventions={"normalisation": "divided by n, not by n - 1"},
    derivation=Derivation("Student (1908), section I", _steps),
)
"""

_SIMULATION_ABOUT = '''"""Normal observations and their variance."""

from __future__ import annotations

'''

_SIMULATION_IMPORTS = """\
import numpy as np

from theorylab.kernels.arrays import namespace
from theorylab.kernels.random import Stream
from theorylab.simulation import Cost, simulation
"""

_SIMULATION = '''\


def _cost(*, n: int, sigma: float) -> Cost:
    return Cost(flops=1.0, bytes=24.0 * n, draws=n, moved=80.0 * n)


@simulation(backends=("numpy", "numba", "cupy"), cost=_cost)
def variance_about_mean(trials: int, rng: Stream, *, n: int, sigma: float) -> np.ndarray:
    """Mean squared deviation of `n` normal observations from their own mean.

    Parameters
    ----------
    n
        Number of observations.
    sigma
        Standard deviation of an observation.

    Returns
    -------
    float64[trials]
        In units of sigma^2's unit.
    """
    x = sigma * rng.normal(trials, n)
    variance: np.ndarray = namespace(x).var(x, axis=1)
    return variance
'''

_CLAIM_ABOUT = '''"""Variance of normal observations about their own mean: the claims."""

from __future__ import annotations

'''

_CLAIM_IMPORTS = """\
from theorylab.claim import Budget, Claim, Mutant, Source, grid
from theorylab.theory import Theory

"""

_CLAIM_INNER = """\
    from theorylab.checks import Expectation
    from theorylab.derivations.~family import ~module as derivation
    from theorylab.sims.~family import ~module as simulation

    n, sigma = derivation.n, derivation.sigma
"""

_CLAIM = '''\
theory = Theory(
    "~family/~theory",
    title="Variance of normal observations about their own mean",
    source=Source(
        authors="Student",
        title="The Probable Error of a Mean",
        year=1908,
        where="section I",
        journal="Biometrika 6 (1), 1-25",
        doi="10.1093/biomet/6.1.1",
    ),
)


@theory.claim
def expected_variance() -> Claim:
    """The mean squared deviation of n normal observations from their own mean is sigma^2 (n - 1)/n on average.

    It is too small by the variance of the mean, sigma^2/n.
    """
~imports    return Claim(
        prediction=~{d}VARIANCE,
        simulation=~{s}variance_about_mean,
        check=Expectation(),
        points=grid(n=[3, 10], sigma=[0.5, 2.0]),
        mutants=[
            Mutant("the variance of the mean forgotten", sigma**2),
            Mutant("n - 2 degrees of freedom instead of n - 1", sigma**2 * (n - 2) / n),
            Mutant("sigma instead of sigma^2", sigma * (n - 1) / n),
        ],
        budgets={
            "quick": Budget(trials=200_000, margin=0.03),
            "standard": Budget(trials=1_500_000, margin=0.01),
            "paper": Budget(trials=6_000_000, margin=0.005),
        },
    )
'''

_FIGURE = '''"""Variance of normal observations about their own mean, against their number."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from theorylab.registry import claim


def variance_against_n(budget: str = "quick") -> Figure:
    """Theory as a line, simulation as points with 95 % error bars."""
    expected = claim("~family/~theory/expected-variance")
    trials = {"quick": 2_000, "standard": 20_000, "paper": 200_000}[budget]
    figure = Figure(figsize=(4.5, 3.2), layout="constrained")
    axes = figure.add_subplot()
    n = np.arange(2, 31)
    axes.plot(n, expected.predict(n=n, sigma=1.0), label=r"theory, $(n - 1)/n$")
    sizes = [2, 3, 5, 10, 20, 30]
    samples = [expected.simulate(trials, n=size, sigma=1.0)["value"] for size in sizes]
    axes.errorbar(
        sizes,
        [np.mean(v) for v in samples],
        yerr=[1.96 * np.std(v, ddof=1) / np.sqrt(trials) for v in samples],
        fmt="o",
        label=f"simulation, {trials} trials",
    )
    axes.set_xlabel(r"observations $n$")
    axes.set_ylabel(r"$\\mathbb{E}\\, V / \\sigma^2$ (divided by $n$)")
    axes.legend(frameon=False)
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {"~theory-against-n": variance_against_n}
'''

_TEST = '''"""Variance about the mean: derivation, limits, scaling, precision, twins, domain."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab.derivations.~family.~module import VARIANCE
from theorylab.errors import DomainError
from theorylab.kernels.random import Stream
from theorylab.sims.~family.~module import variance_about_mean


def test_derivation_replays() -> None:
    assert VARIANCE.derivation is not None
    assert len(VARIANCE.derivation.replay()) == 3


def test_many_observations_know_their_mean() -> None:
    assert VARIANCE(n=10**9, sigma=1.5) == pytest.approx(1.5**2, rel=1e-8)


@settings(derandomize=True, deadline=None)
@given(n=st.integers(2, 10**6), sigma=st.floats(1e-3, 1e3))
def test_scales_with_the_square_of_sigma_and_grows_with_n(n: int, sigma: float) -> None:
    assert VARIANCE(n=n, sigma=sigma) == pytest.approx(sigma**2 * VARIANCE(n=n, sigma=1.0), rel=1e-12)
    assert VARIANCE(n=n + 1, sigma=sigma) > VARIANCE(n=n, sigma=sigma)


@settings(derandomize=True, deadline=None, max_examples=20)
@given(n=st.integers(2, 10**6), sigma=st.floats(1e-3, 1e3))
def test_double_precision_against_fifty_digits(n: int, sigma: float) -> None:
    assert VARIANCE(n=n, sigma=sigma) == pytest.approx(float(VARIANCE.mp(n=n, sigma=sigma)), rel=1e-12)


def test_twins_agree_trial_by_trial() -> None:
    numpy, numba = (
        variance_about_mean(100, Stream.from_seed(1, backend), n=7, sigma=2.0)["value"]
        for backend in ("numpy", "numba")
    )
    np.testing.assert_allclose(numba, numpy, rtol=1e-12)


def test_one_observation_has_no_variance() -> None:
    with pytest.raises(DomainError, match="n = 1 is outside its domain"):
        VARIANCE(n=1, sigma=1.0)
'''

_PROJECT_IMPORTS = """\
import numpy as np
import sympy as sp
from theorylab.checks import Expectation
from theorylab.claim import Budget, Claim, Mutant, Source, grid
from theorylab.derivation import Derivation, Step
from theorylab.kernels.arrays import namespace
from theorylab.kernels.random import Stream
from theorylab.parameters import Integers, Interval, Parameter, Space
from theorylab.prediction import ClosedForm
from theorylab.simulation import Cost, simulation
from theorylab.theory import Theory
"""

_PROJECT_TEST = '''"""The claims of ~module hold, and its derivation replays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ~module


def test_expected_variance(verify: Callable[..., Any]) -> None:
    verify(~module.expected_variance())


def test_derivation() -> None:
    assert ~module.VARIANCE.derivation is not None
    assert ~module.VARIANCE.derivation.replay()
'''

_PROJECT_FILE = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "~theory"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = ["theorylab"]

# Once this project is installed, theorylab lists and verifies the theory as one of its own.
[project.entry-points."theorylab.theories"]
~theory = "~module:theory"

[tool.setuptools]
py-modules = ["~module"]
"""
