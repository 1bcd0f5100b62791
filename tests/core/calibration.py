"""Experiments with synthetic claims whose truth lies exactly at the margin's edge, and their error counts.

At the edge both verdicts can be wrong: `holds`, seen from outside, and `fails`, seen from inside. Every experiment
returns a claim and samples for the engine (`synthetic.judge`); the spread of the samples is chosen for the level so
that the interval fits inside the margin from the second look on, to give a false `holds` as many chances.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import sympy as sp
from scipy import special, stats
from synthetic import NOISES, THETA, A, N, T, X, closed, judge, make, noise

from theorylab.checks import Asymptotic, Boundary, Curve, Expectation, Exponent, Law
from theorylab.checks.fits import fit, power_design
from theorylab.claim import Claim
from theorylab.inference.levels import looks
from theorylab.parameters import Observed, Parameter, Space
from theorylab.prediction import Numerical

TRIALS, BLOCK, MARGIN = 1024, 64, 0.1
SIZES = (8, 16, 32, 64)
TIMES = np.arange(1.0, 7.0)
VALUES = 12
LEVELS = (0.05, 0.01, 0.001)

ONE, INVERSE, MINUS = closed(A.symbol, A), closed(1 / T.symbol, T), closed(-A.symbol, A)
GIVEN = Numerical(
    function=lambda gram: (gram, 0.0 * gram), space=Space([Parameter("gram", Observed("one number"), "observed")])
)
UNIFORM = closed(sp.Max(0, sp.Min(1, X.symbol)), X)
# About twice the Dvoretzky-Kiefer-Wolfowitz radius at half of the trials.
LAW_MARGIN = {0.05: 0.075, 0.01: 0.085, 0.001: 0.1}
# An ensemble is judged at 512 points: fewer trials of a larger distance.
ENSEMBLE_TRIALS, ENSEMBLE_MARGIN = 256, 0.12

Experiment = tuple[Claim, list[dict[str, np.ndarray]]]


def spread(level: float, factor: float = 1.0, components: int = 1) -> float:
    """Standard deviation at which the half-width at an eighth of the trials is the margin."""
    z = -special.ndtri(level / len(looks(TRIALS, BLOCK)) / components / 2.0)
    return float(MARGIN * np.sqrt(TRIALS / 8.0) / z / factor)


def expectation(kind: str, level: float, side: int, rng: np.random.Generator) -> Experiment:
    """The mean is 1 +- margin where 1 is predicted."""
    x = 1.0 + side * MARGIN + spread(level) * noise(kind, rng, TRIALS)
    return make(Expectation(), ONE, points=[{"a": 1.0}]), [{"value": x}]


def conditional(kind: str, level: float, side: int, rng: np.random.Generator) -> Experiment:
    """The mean given an observed quantity is (1 +- margin) times the predicted one, with a noise that it scales."""
    seen = 0.5 + rng.random(TRIALS)
    x = (1.0 + side * MARGIN) * seen + spread(level) * noise(kind, rng, TRIALS) * seen
    return make(Expectation(given=("gram",)), GIVEN), [{"value": x, "gram": seen}]


def curve(kind: str, level: float, side: int, rng: np.random.Generator) -> Experiment:
    """Six correlated means, of which in half of the claims all are at the edge, in the others the last alone."""
    steps = noise(kind, rng, TRIALS, TIMES.size)
    walk = np.cumsum(steps, axis=1) / np.sqrt(np.arange(1, TIMES.size + 1))
    at_edge = np.ones(TIMES.size) if rng.random() < 0.5 else np.arange(TIMES.size) == TIMES.size - 1
    x = 1.0 / TIMES * (1.0 + side * MARGIN * at_edge + spread(level, components=TIMES.size) * walk)
    return make(Curve(axis="t"), INVERSE, points=[{"t": TIMES}]), [{"value": x}]


def asymptotic(kind: str, level: float, side: int, rng: np.random.Generator) -> Experiment:
    """The limit is 1 +- margin where 1 is predicted, with a correction 1/2N and spreads that differ."""
    relative = np.linspace(1.5, 0.7, len(SIZES))
    rows = fit(SIZES, power_design(SIZES, [0, -1]), np.zeros(len(SIZES)), relative).rows
    sd = spread(level, float(np.sqrt(np.square(rows[0] * relative).sum()))) * relative
    samples = [{"value": 1.0 + side * MARGIN + 0.5 / n + s * noise(kind, rng, TRIALS)} for n, s in zip(SIZES, sd)]
    return make(Asymptotic(size="n"), ONE, points=[{"a": 1.0}], sizes=SIZES, parameters=[N]), samples


def exponent(kind: str, level: float, side: int, rng: np.random.Generator) -> Experiment:
    """The mean is N^(e +- margin) where N^e is predicted."""
    logs = np.log(SIZES)
    factor = 1.0 / np.sqrt(np.square(logs - logs.mean()).sum())
    sd = spread(level, factor)
    samples = [{"value": n ** (-1.0 + side * MARGIN) * (1.0 + sd * noise(kind, rng, TRIALS))} for n in SIZES]
    return make(Exponent(size="n"), MINUS, points=[{"a": 1.0}], sizes=SIZES, parameters=[N]), samples


def boundary(kind: str, level: float, side: int, rng: np.random.Generator) -> Experiment:
    """The transition is at 1 +- margin where 1 is predicted; in half of the claims it is hardly visible."""
    check = Boundary()
    slope = 2.0 if rng.random() < 0.5 else 0.01
    rungs = 1.0 + MARGIN * np.array(check.ladder)
    sd = spread(level, components=len(rungs))
    samples = [{"value": slope * (t - 1.0 - side * MARGIN) + sd * noise(kind, rng, TRIALS)} for t in rungs]
    return make(check, ONE, points=[{"a": 1.0}], parameters=[THETA]), samples


def _bent(u: np.ndarray, height: float) -> np.ndarray:
    """Quantiles of the law on [0, 1] whose CDF is x + height at x = 1/2 and linear on either side."""
    top = 0.5 + height
    return np.where(u < top, 0.5 * u / top, 0.5 + 0.5 * (u - top) / (1.0 - top))


def law(kind: str, level: float, side: int, rng: np.random.Generator) -> Experiment:
    """Independent values at sup-distance `margin`: attained at one point, or (a shift) nearly everywhere.

    The bound does not depend on the variable; instead of a noise, `kind` names the shape.
    """
    margin = LAW_MARGIN[level]
    u = rng.random(TRIALS)
    x = _bent(u, side * margin) if kind == "at one point" else u - side * margin
    return make(Law(), UNIFORM, margin=margin), [{"value": x}]


def ensemble(kind: str, level: float, side: int, rng: np.random.Generator) -> Experiment:
    """Trials of twelve values with mean law at sup-distance `margin`: independent, repelling or all alike."""
    u = rng.random((ENSEMBLE_TRIALS, VALUES))
    if kind == "repelling values":
        u = (np.arange(VALUES) + u) / VALUES
    elif kind == "twelve alike":
        u = np.repeat(u[:, :1], VALUES, axis=1)
    claim = make(Law(), UNIFORM, trials=ENSEMBLE_TRIALS, margin=ENSEMBLE_MARGIN)
    return claim, [{"value": _bent(u, side * ENSEMBLE_MARGIN)}]


@dataclass(frozen=True)
class Kind:
    """A kind of check, how its claims are drawn, and the laws of its noise."""

    draw: Callable[[str, float, int, np.random.Generator], Experiment]
    noises: tuple[str, ...] = tuple(NOISES)


KINDS = {
    "Expectation": Kind(expectation),
    "Expectation, given": Kind(conditional),
    "Curve": Kind(curve),
    "Asymptotic": Kind(asymptotic),
    "Exponent": Kind(exponent),
    "Boundary": Kind(boundary),
    "Law": Kind(law, ("at one point", "shifted")),
    "Law, ensemble": Kind(ensemble, ("independent values", "repelling values", "twelve alike")),
}


@dataclass
class Count:
    """Claims judged, and what became of them."""

    claims: int = 0
    holds: int = 0
    fails: int = 0

    def add(self, other: Count) -> None:
        """Count another set of claims too."""
        self.claims, self.holds, self.fails = (
            self.claims + other.claims,
            self.holds + other.holds,
            self.fails + other.fails,
        )


def count(kind: str, noise_kind: str, level: float, claims: int, seed: int) -> Count:
    """Judge `claims` claims of a kind at the edge, half of them on each side."""
    rng = np.random.default_rng([seed, *kind.encode(), *noise_kind.encode(), int(1e6 * level)])
    out = Count()
    for i in range(claims):
        claim, samples = KINDS[kind].draw(noise_kind, level, 1 if i % 2 else -1, rng)
        status = judge(claim, samples, level).status
        out.add(Count(1, status == "holds", status == "fails"))
    return out


def interval(errors: int, claims: int, level: float = 0.05) -> tuple[float, float]:
    """Clopper and Pearson's interval for a rate."""
    low = stats.beta.ppf(level / 2, errors, claims - errors + 1) if errors else 0.0
    high = stats.beta.isf(level / 2, errors + 1, claims - errors) if errors < claims else 1.0
    return float(low), float(high)


def surprise(errors: int, claims: int, promised: float) -> float:
    """Chance of so many errors, or more, at the promised rate."""
    return float(stats.binom.sf(errors - 1, claims, promised))
