"""Sample covariances of a general population: limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from theorylab.claim import Budget, Claim, Mutant, Point, Source, grid
from theorylab.parameters import Choices, Integers, Parameter
from theorylab.theory import Theory

SILVERSTEIN = Source(
    authors="Silverstein, Jack W.",
    title="Strong convergence of the empirical distribution of eigenvalues of large dimensional random matrices",
    year=1995,
    where="Theorem 1.1",
    journal="Journal of Multivariate Analysis 55(2), 331-339",
    doi="10.1006/jmva.1995.1083",
)
CHOI = Source(
    authors="Silverstein, Jack W. and Choi, Sang-Il",
    title="Analysis of the limiting spectral distribution of large dimensional random matrices",
    year=1995,
    where="Theorems 4.1 to 4.4",
    journal="Journal of Multivariate Analysis 54(2), 295-309",
    doi="10.1006/jmva.1995.1058",
)
theory = Theory(
    "random_matrix/rmt-generalized-mp",
    title="Sample covariances of a general population",
    source=SILVERSTEIN,
)
ENTRIES = Parameter(
    "entries", Choices(("gaussian", "signs")), "law of the entries: standard normal or random signs", "gaussian"
)
DIMENSION = Parameter("p", Integers(1), "dimension", 100)
SIZES = {"quick": (10, 20, 40, 80), "standard": (40, 80, 160, 320), "paper": (100, 200, 400, 800)}
TWO = {"t1": 1.0, "t2": 5.0, "w1": 0.5, "w2": 0.5}


def sized(quick: tuple[int, float], standard: tuple[int, float], paper: tuple[int, float]) -> dict[str, Budget]:
    """Budgets (trials, margin) at the sizes of this theory's dense matrices."""
    given = {"quick": quick, "standard": standard, "paper": paper}
    return {name: Budget(trials, margin, sizes=SIZES[name]) for name, (trials, margin) in given.items()}


def _resolvent(prediction: Any, observable: str, mutants: Sequence[Mutant], points: Sequence[Point]) -> Claim:
    from theorylab.checks import Asymptotic
    from theorylab.sims.random_matrix import covariances

    return Claim(
        prediction=prediction,
        simulation=covariances.resolvents,
        check=Asymptotic(size="p", observable=observable),
        points=points,
        parameters=[ENTRIES, DIMENSION],
        mutants=mutants,
        budgets=sized((256, 0.02), (1024, 0.004), (512, 0.001)),
    )


POINTS = (
    {"c": 0.5, "lam": 0.3, "entries": "gaussian"},
    {"c": 2.0, "lam": 1.0, "entries": "signs", **TWO},
)


@theory.claim
def resolvent() -> Claim:
    """(1/p) tr (S + lam)^-1 tends to (1/lam) int kappa dH/(kappa + t), with kappa > 0 the root of
    kappa = lam + c kappa int t dH/(t + kappa).

    Entries need not be Gaussian: random signs give the same limit.
    """
    from dataclasses import replace

    from theorylab.derivations.random_matrix import rmt_generalized_mp as d

    c, k, lam = d.c, d.kappa, d.lam
    without_t = replace(
        d.RESOLVENT, equation=k - lam - c * k * d.steps.mean(1 / (k + t) for t in d.T), numeric=None, corners=()
    )
    return _resolvent(
        d.RESOLVENT,
        "mean",
        [
            Mutant("without t in the integral", replace(without_t, bracket=lambda **at: (0.0, at["lam"] + at["c"]))),
            Mutant("c = n/p", lambda value, c, **rest: d.RESOLVENT(c=1.0 / c, **rest)),
            Mutant("the population's own resolvent", d.steps.mean(1 / (t + lam) for t in d.T)),
        ],
        POINTS,
    )


@theory.claim
def companion() -> Claim:
    """(1/n) tr (X^T Sigma X/n + lam)^-1 tends to 1/kappa, that is to c m + (1 - c)/lam."""
    from theorylab.derivations.random_matrix import rmt_generalized_mp as d

    return _resolvent(
        d.COMPANION,
        "companion",
        [
            Mutant("c and 1 - c swapped", lambda value, **at: (1 - at["c"]) * d.RESOLVENT(**at) + at["c"] / at["lam"]),
            Mutant("the p x p resolvent", lambda value, **at: d.RESOLVENT(**at)),
        ],
        POINTS,
    )


@theory.claim(control=True, expected="fails")
def control_resolvent() -> Claim:
    """(1/p) tr (S + lam)^-1 tends to its limit for c four per cent larger."""
    from dataclasses import replace

    from theorylab.derivations.random_matrix import rmt_generalized_mp as d
    from theorylab.prediction import Numerical

    wrong = Numerical(
        function=lambda c, **rest: d.RESOLVENT.evaluate(c=1.04 * c, **rest),
        space=d.RESOLVENT.space,
        quantity=d.RESOLVENT.quantity,
        conventions=d.CONVENTIONS,
    )
    claim = _resolvent(wrong, "mean", [Mutant("c = n/p", lambda _, c, **r: d.RESOLVENT(c=1 / c, **r))], POINTS[:1])
    return replace(claim, budgets=sized((4096, 0.004), (2048, 0.003), (1024, 0.002)))


@theory.claim
def spectral_distribution() -> Claim:
    """The eigenvalues of S follow the law with transform G(z) = (1/z) int omega dH/(omega - t), in one bulk or several,
    with an atom 1 - 1/c at 0 when c > 1.

    The points: a bulk in three pieces that just hang together, one split in two, one with an atom.
    """
    from theorylab.checks import Law
    from theorylab.derivations.random_matrix import rmt_generalized_mp as d
    from theorylab.derivations.random_matrix import rmt_marchenko_pastur as white
    from theorylab.sims.random_matrix import covariances

    points = (
        {"c": 0.1, "entries": "gaussian"},
        {"c": 0.3, "entries": "signs", **TWO},
        {"c": 2.0, "entries": "gaussian", **TWO},
    )

    def at(p: int) -> list[dict[str, Any]]:
        return [{**point, "p": p} for point in points]

    def one_variance(value: np.ndarray, *, x: Any, c: Any, t1: Any, t2: Any, t3: Any, w1: Any, w2: Any) -> np.ndarray:
        return white.CDF(x=x, c=c, sigma=np.sqrt(w1 * t1 + w2 * t2 + (1.0 - w1 - w2) * t3))

    return Claim(
        prediction=d.CDF,
        simulation=covariances.eigenvalues,
        check=Law(variable="x"),
        points=at(80),
        parameters=[ENTRIES, DIMENSION],
        mutants=[
            Mutant("c = n/p", lambda value, c, **rest: d.CDF(c=1.0 / c, **rest)),
            Mutant("equal variances", one_variance),
        ],
        budgets={
            "quick": Budget(64, 0.035),
            "standard": Budget(256, 0.005, points=at(400)),
            "paper": Budget(100, 0.004, points=at(800)),
        },
    )


@theory.claim(source=CHOI)
def edges() -> Claim:
    """The edges of the bulk, inner ones included, are the critical values of
    z(omega) = omega + c int t dH + int c t^2 dH/(omega - t)."""
    from theorylab.checks import Asymptotic
    from theorylab.derivations.random_matrix import rmt_generalized_mp as d
    from theorylab.sims.random_matrix import covariances

    def alone(_: np.ndarray, *, c: Any, t1: Any, t2: Any, t3: Any, w1: Any, w2: Any) -> np.ndarray:
        sides = [t * (1.0 + s * np.sqrt(c * w)) ** 2 for t, w in ((t1, w1), (t2, w2)) for s in (-1.0, 1.0)]
        return np.stack(np.broadcast_arrays(*sides), axis=-1)

    return Claim(
        prediction=d.EDGES,
        simulation=covariances.extremes,
        check=Asymptotic(size="p", rate=2.0 / 3.0, observable="edges"),
        points=grid(c=0.2, **TWO),
        parameters=[DIMENSION],
        mutants=[
            Mutant("each atom alone", alone),
            Mutant("c = 2 p/n", lambda value, c, **rest: d.EDGES(c=2.0 * c, **rest)),
        ],
        budgets={
            "quick": Budget(256, 0.06, sizes=SIZES["quick"]),
            "standard": Budget(1024, 0.02, sizes=SIZES["standard"]),
            "paper": Budget(1024, 0.01, sizes=SIZES["paper"]),
        },
    )


@theory.claim(source=CHOI)
def edges_by_discriminant() -> Claim:
    """For two atoms Silverstein's equation is a cubic in omega, and the four edges are the roots of its discriminant in
    z."""
    from theorylab.checks import Identity
    from theorylab.derivations.random_matrix import rmt_generalized_mp as d

    return Claim(
        prediction=d.EDGES,
        check=Identity(other=d.DISCRIMINANT_EDGES),
        points=grid(c=[0.1, 0.5], **TWO),
        mutants=[
            Mutant("c = 1.01 p/n", lambda value, c, **rest: d.EDGES(c=1.01 * c, **rest)),
            Mutant("edges a thousandth further out", lambda value, **at: value * 1.001),
        ],
        budgets={name: Budget(1, 1e-7) for name in ("quick", "standard", "paper")},
    )


@theory.claim(source=CHOI)
def splitting() -> Claim:
    """For two atoms the bulk splits at c = (t2 - t1)^2/((w1 t1^2)^(1/3) + (w2 t2^2)^(1/3))^3: in two pieces below it.

    0.5296 for equal masses at 1 and 5. The gap between the eigenvalues beside the split stays below, closes like 1/p
    above and like p^(-3/4) at the splitting, so that p^(3/4) times it grows, falls and stays when the matrix doubles.
    """
    import sympy as sp

    from theorylab.checks import Boundary
    from theorylab.derivations.random_matrix import rmt_generalized_mp as d
    from theorylab.sims.random_matrix import covariances

    t1, t2, w1 = d.T[0], d.T[1], d.W[0]
    touching = (sp.sqrt(t2) - sp.sqrt(t1)) ** 2 / (sp.sqrt(t2 * (1 - w1)) + sp.sqrt(t1 * w1)) ** 2
    far = [{"p": 80, "t1": 1.0, "t2": t2, "w1": w1} for t2, w1 in ((5.0, 0.5), (3.0, 0.25))]
    return Claim(
        prediction=d.SPLITTING,
        simulation=covariances.gap_closing,
        check=Boundary(parameter="c", ladder=(-1.0, 1.0)),
        points=grid(p=24, t1=1.0, t2=5.0, w1=0.5),
        parameters=[DIMENSION, d.steps.RATIO],
        mutants=[
            Mutant("where the bulks of each atom alone touch", touching),
            Mutant("half of it", d.split / 2),
            Mutant("n/p", 1 / d.split),
        ],
        budgets={
            "quick": Budget(4_096, 0.14),
            "standard": Budget(4_096, 0.1, points=far),
            "paper": Budget(16_384, 0.03, points=[{**point, "p": 640} for point in far]),
        },
    )


@theory.claim
def moments() -> Claim:
    """(1/p) tr S^k tends to <t>, <t^2> + c <t>^2, <t^3> + 3 c <t> <t^2> + c^2 <t>^3."""
    from theorylab.checks import Asymptotic
    from theorylab.derivations.random_matrix import rmt_generalized_mp as d
    from theorylab.sims.random_matrix import covariances

    third = d.steps.limit_moments[3]
    first, second = d.steps.limit_moments[1], d.steps.mean(t**2 for t in d.T)
    return Claim(
        prediction=d.LIMIT_MOMENT,
        simulation=covariances.power_mean_at_ratio,
        check=Asymptotic(size="p"),
        points=({"c": 0.5, "k": 3, "entries": "gaussian"}, {"c": 2.0, "k": 2, "entries": "signs", **TWO}),
        parameters=[ENTRIES, DIMENSION],
        mutants=[
            Mutant("c = n/p", d.LIMIT_MOMENT.expr.subs(d.c, 1 / d.c)),
            Mutant("moments of the population", d.LIMIT_MOMENT.expr.subs(d.c, 0)),
            Mutant("c <t><t^2> once", d.LIMIT_MOMENT.expr.subs(third, third - 2 * d.c * first * second)),
        ],
        budgets=sized((1024, 0.04), (2048, 0.01), (1024, 0.005)),
    )


@theory.claim
def moments_of_the_law() -> Claim:
    """The law, integrated, has these moments: density and free cumulants agree."""
    from theorylab.checks import Identity
    from theorylab.derivations.random_matrix import rmt_generalized_mp as d

    return Claim(
        prediction=d.CLOSED_MOMENTS,
        check=Identity(other=d.MOMENTS),
        points=({"c": 0.1}, {"c": 2.0}, {"c": 0.52, **TWO}),
        mutants=[
            Mutant("c = 1.001 p/n", lambda value, c, **rest: d.CLOSED_MOMENTS(c=1.001 * c, **rest)),
            Mutant("c = n/p", lambda value, c, **rest: d.CLOSED_MOMENTS(c=1.0 / c, **rest)),
        ],
        budgets={name: Budget(1, 1e-9) for name in ("quick", "standard", "paper")},
    )


@theory.claim
def weighted_samples() -> Claim:
    """When samples have weights a, (1/p) tr (S + lam)^-1 tends to int dH/(gamma t + lam), gamma = E[a/(1 + a delta)],
    delta = c int t dH/(gamma t + lam)."""
    from theorylab.checks import Asymptotic
    from theorylab.derivations.random_matrix import rmt_generalized_mp as d
    from theorylab.sims.random_matrix import covariances

    def unweighted(_: np.ndarray, *, a1: Any, a2: Any, chance: Any, **rest: Any) -> np.ndarray:
        return d.RESOLVENT(**rest)

    def mean_weight(_: np.ndarray, *, a1: Any, a2: Any, chance: Any, **rest: Any) -> np.ndarray:
        mean = (1.0 - chance) * a1 + chance * a2
        return d.WEIGHTED(a1=mean, a2=mean, chance=chance, **rest)

    return Claim(
        prediction=d.WEIGHTED,
        simulation=covariances.weighted,
        check=Asymptotic(size="p"),
        points=({"c": 2.0, "lam": 0.3, "a1": 0.1, "a2": 4.0},),
        parameters=[DIMENSION],
        mutants=[
            Mutant("weights forgotten", unweighted),
            Mutant("their mean for all", mean_weight),
        ],
        budgets=sized((1024, 0.015), (1024, 0.004), (512, 0.002)),
    )
