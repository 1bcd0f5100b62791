"""Sample covariances of a general population at finite size: exact moments, the term of order 1/p, the edges."""

from __future__ import annotations

from typing import Any

import numpy as np

from theorylab.claim import Budget, Claim, Mutant, Source, grid
from theorylab.claims.random_matrix.rmt_generalized_mp import DIMENSION, ENTRIES, SIZES, TWO, theory

BAI = Source(
    authors="Bai, Z. D. and Silverstein, Jack W.",
    title="CLT for linear spectral statistics of large-dimensional sample covariance matrices",
    year=2004,
    where="Theorem 1.1, equation (1.10)",
    journal="Annals of Probability 32(1A), 553-605",
    doi="10.1214/aop/1078415845",
)
LEE = Source(
    authors="Lee, Ji Oon and Schnelli, Kevin",
    title="Tracy-Widom distribution for the largest eigenvalue of real sample covariance matrices with general "
    "population",
    year=2016,
    where="Theorem 2.4",
    arxiv="1409.4979v2",
    journal="Annals of Applied Probability 26(6), 3786-3839",
)


@theory.claim(source=BAI)
def exact_moments() -> Claim:
    """For real Gaussian entries, at every p and n, E (1/p) tr S^k is <t>; <t^2> (1 + 1/n) + (p/n) <t>^2;
    <t^3> (1 + 3/n + 4/n^2) + 3 (p/n)(1 + 1/n) <t> <t^2> + (p/n)^2 <t>^3."""
    import sympy as sp

    from theorylab.checks import Expectation
    from theorylab.derivations.random_matrix import rmt_generalized_mp as d
    from theorylab.sims.random_matrix import covariances

    ratio = d.steps.p / d.steps.n
    limits = sp.Piecewise(*((limit.subs(d.c, ratio), sp.Eq(d.k, o)) for o, limit in d.steps.limit_moments.items()))
    return Claim(
        prediction=d.EXACT_MOMENT,
        simulation=covariances.power_mean,
        check=Expectation(),
        points=grid(p=5, n=7, k=[1, 2, 3]),
        mutants=[
            Mutant("the limits", limits),
            Mutant("n - 1 for n in S", d.EXACT_MOMENT.expr * (d.steps.n / (d.steps.n - 1)) ** d.k),
        ],
        budgets={
            "quick": Budget(65_536, 0.05),
            "standard": Budget(2_000_000, 0.01),
            "paper": Budget(16_000_000, 0.004),
        },
    )


@theory.claim(source=BAI)
def resolvent_correction() -> Claim:
    """For real Gaussian entries E tr (S + lam)^-1 - p m(-lam) tends to kappa'^2 int c t^2 dH/(kappa + t)^3: half the
    derivative of log dkappa/dlam, up to its sign."""
    from theorylab.checks import Asymptotic
    from theorylab.derivations.random_matrix import rmt_generalized_mp as d
    from theorylab.prediction import Numerical
    from theorylab.sims.random_matrix import covariances

    def trace(share: float) -> Numerical:
        def function(*, p: Any, **at: Any) -> tuple[Any, Any]:
            limit, limit_error = d.RESOLVENT.evaluate(**at)
            more, error = d.CORRECTION.evaluate(**at)
            return p * limit + share * more, p * limit_error + error

        return Numerical(
            function=function,
            space=d.CORRECTION.space | d.MEAN_EXTREMES.space,
            quantity="E tr (S + lam)^-1",
            conventions=d.CONVENTIONS,
            derivation=d.CORRECTION.derivation,
            formula=r"p\,m(-\lambda) + \kappa'^2 \int \frac{c\,t^2\,dH}{(\kappa + t)^3}",
        )

    return Claim(
        prediction=trace(1.0),
        simulation=covariances.resolvents,
        check=Asymptotic(size="p", observable="trace", scale="absolute"),
        points=({"c": 1.0, "lam": 0.1, "entries": "gaussian"},),
        parameters=[ENTRIES],
        mutants=[
            Mutant("none, as for complex entries", trace(0.0)),
            Mutant("twice as much", trace(2.0)),
        ],
        budgets={
            "quick": Budget(8_192, 0.25, sizes=(5, 10, 20, 40)),
            "standard": Budget(65_536, 0.12, sizes=(10, 20, 40, 80)),
            "paper": Budget(262_144, 0.08, sizes=(20, 40, 80, 160)),
        },
    )


@theory.claim(source=LEE)
def mean_extreme_eigenvalues() -> Claim:
    """At finite n the mean extreme eigenvalues are z +- 1.2065 (omega^4 |z''|/2)^(1/3) n^(-2/3)
    + (omega^2 z'''/(6 z''))/n at the edges.

    The term of order 1/n is our own: the density's term of order 1/n falls off beside the edge like that of an edge
    moved by so much. For equal variances it is the 1/2 taken off n and p. What is left is of relative order n^(-2/3).
    Logarithms are compared: those of both edges scatter alike.
    """
    from theorylab.checks import Asymptotic
    from theorylab.derivations.random_matrix import rmt_generalized_mp as d
    from theorylab.sims.random_matrix import covariances

    def bare(*, c: Any, p: Any, **population: Any) -> np.ndarray:
        sides = [np.log(edge(c=c, **population)) * (p / c) ** (2.0 / 3.0) for edge in (d.LOWER_EDGE, d.UPPER_EDGE)]
        return np.stack(np.broadcast_arrays(*sides), axis=-1)

    def wider(value: np.ndarray, *, c: Any, p: Any, **population: Any) -> np.ndarray:
        edges = bare(c=c, p=p, **population)
        return np.asarray(edges + (value - edges) * np.asarray(p / c)[..., None] ** (1.0 / 6.0))

    return Claim(
        prediction=d.MEAN_EXTREMES,
        simulation=covariances.extremes,
        check=Asymptotic(size="p", rate=2.0 / 3.0, observable="logs", scale="absolute"),
        points=grid(c=0.25, **TWO),
        parameters=[DIMENSION],
        mutants=[
            Mutant("outside the edges", lambda value, **at: 2.0 * bare(**at) - value),
            Mutant("n^(-1/2) for n^(-2/3)", wider),
        ],
        budgets={
            "quick": Budget(3_072, 1.2, sizes=(6, 12, 24, 48)),
            "standard": Budget(8_192, 0.8, sizes=(20, 40, 80, 160)),
            "paper": Budget(32_768, 0.4, sizes=SIZES["standard"]),
        },
    )


@theory.claim(source=LEE)
def edge_fluctuations() -> Claim:
    """The largest eigenvalue follows the Tracy-Widom law F_1, moved and scaled as its mean is."""
    from theorylab.checks import Law
    from theorylab.derivations.random_matrix import rmt_generalized_mp as d
    from theorylab.derivations.random_matrix.tracy_widom import TracyWidom
    from theorylab.sims.random_matrix import covariances

    def white(value: np.ndarray, *, x: Any, c: Any, p: Any, **population: Any) -> np.ndarray:
        centre, width, _ = d.finite_edge(1, c=c, p=p, **population)
        return TracyWidom(1).cdf((x - centre) / (width / 2.0))

    return Claim(
        prediction=d.EDGE_LAW,
        simulation=covariances.extremes,
        check=Law(variable="x", observable="top"),
        points=grid(p=40, c=0.5, **TWO),
        mutants=[
            Mutant("half the scale", white),
            Mutant("without the shift of the mean by Tracy-Widom", lambda value, x, **at: d.EDGE_LAW(x=x + 15.0, **at)),
        ],
        budgets={
            "quick": Budget(4_096, 0.09),
            "standard": Budget(8_192, 0.04, points=grid(p=160, c=0.5, **TWO)),
            "paper": Budget(32_768, 0.02, points=grid(p=400, c=0.5, **TWO)),
        },
    )
