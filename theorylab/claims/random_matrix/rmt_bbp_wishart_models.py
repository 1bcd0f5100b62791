"""Spikes apart from a general bulk, and spikes in rectangular matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from theorylab.claim import Budget, Claim, Mutant, Source, grid
from theorylab.claims.random_matrix.rmt_bbp_wishart import DIMENSION, budgets, theory

BAI = Source(
    authors="Bai, Zhidong and Yao, Jianfeng",
    title="On sample eigenvalues in a generalized spiked population model",
    year=2012,
    where="Theorems 4.1 and 4.2",
    arxiv="0806.1141v1",
    journal="Journal of Multivariate Analysis 106, 167-177",
)
BENAYCH = Source(
    authors="Benaych-Georges, Florent and Nadakuditi, Raj Rao",
    title="The singular values and vectors of low rank perturbations of large rectangular random matrices",
    year=2012,
    where="Theorems 2.8 to 2.10, section 3.1",
    arxiv="1103.2221v2",
    journal="Journal of Multivariate Analysis 111, 120-135",
)
TWO = {"t1": 1.0, "t2": 5.0, "w1": 0.5, "w2": 0.5}


def _bulk(prediction: Any, observable: str, mutants: Sequence[Mutant], margins: tuple[float, float, float]) -> Claim:
    from theorylab.checks import Asymptotic
    from theorylab.sims.random_matrix.spiked_covariances import spiked_bulk

    quick, standard, paper = margins
    both = ({"c": 0.4, "alpha": 14.0, **TWO}, {"c": 0.1, "alpha": 2.3, **TWO})
    return Claim(
        prediction=prediction,
        simulation=spiked_bulk,
        check=Asymptotic(size="p", observable=observable),
        points=both if observable == "eigenvalue" else both[:1],
        parameters=[DIMENSION],
        mutants=mutants,
        budgets={
            "quick": Budget(1_024, quick, sizes=(8, 16, 32, 64)),
            "standard": Budget(2_048, standard, sizes=(20, 40, 80, 160), points=both),
            "paper": Budget(2_048, paper, sizes=(100, 200, 400, 800), points=both),
        },
    )


@theory.claim(source=BAI)
def outlier_of_a_general_bulk() -> Claim:
    """A population eigenvalue alpha apart from a bulk H is seen at psi(alpha) = alpha + c alpha int t dH/(alpha - t),
    if psi'(alpha) > 0: above the bulk, and in a gap of it too."""
    from theorylab.derivations.random_matrix import rmt_bbp_wishart as d

    c, alpha = d.c, d.alpha
    average = d.mean(t for t in d.T)
    return _bulk(
        d.BULK_OUTLIER,
        "eigenvalue",
        [
            Mutant("the spike itself", alpha),
            Mutant("c = n/p", d.place.subs(c, 1 / c)),
            Mutant("a bulk of equal eigenvalues", alpha + c * alpha * average / (alpha - average)),
        ],
        (0.037, 0.02, 0.01),
    )


@theory.claim(source=BAI)
def overlap_of_a_general_bulk() -> Claim:
    """The squared overlap with that spike is alpha psi'(alpha)/psi(alpha)."""
    from theorylab.derivations.random_matrix import rmt_bbp_wishart as d

    return _bulk(
        d.BULK_OVERLAP,
        "overlap",
        [
            Mutant("1, the population's eigenvector", d.alpha / d.alpha),
            Mutant("c = 2 p/n", d.BULK_OVERLAP.expr.subs(d.c, 2 * d.c)),
        ],
        (0.053, 0.02, 0.01),
    )


def _rectangular(
    prediction: Any, observable: str, mutants: Sequence[Mutant], margins: tuple[float, float, float]
) -> Claim:
    from theorylab.checks import Asymptotic
    from theorylab.sims.random_matrix.spiked_covariances import rectangular

    return Claim(
        prediction=prediction,
        simulation=rectangular,
        check=Asymptotic(size="p", observable=observable),
        points=grid(c=[0.25, 2.0], theta=2.0),
        parameters=[DIMENSION],
        mutants=mutants,
        budgets=budgets((1_024, margins[0]), (16_384, margins[1]), (65_536, margins[2])),
    )


@theory.claim(source=BENAYCH)
def singular_value() -> Claim:
    """In Y = theta u v^T + X/sqrt n with theta > c^(1/4) the square of the largest singular value tends to
    (1 + theta^2)(c + theta^2)/theta^2: a covariance with the spike 1 + theta^2."""
    from theorylab.derivations.random_matrix import rmt_bbp_wishart as d

    c, theta = d.c, d.theta
    return _rectangular(
        d.SINGULAR,
        "value",
        [
            Mutant("theta^2 alone", theta**2),
            Mutant("c = n/p", d.steps.singular.subs(c, 1 / c)),
            Mutant("theta for 1 + theta^2 in the covariance", theta * (1 + c / (theta - 1))),
        ],
        (0.03, 0.008, 0.004),
    )


@theory.claim(source=BENAYCH)
def singular_vectors() -> Claim:
    """Its squared overlaps are (theta^4 - c)/(theta^2 (theta^2 + c)) on the side of R^p and
    (theta^4 - c)/(theta^2 (theta^2 + 1)) on that of R^n: the longer side is seen less well."""
    from theorylab.derivations.random_matrix import rmt_bbp_wishart as d

    return _rectangular(
        d.OVERLAPS,
        "overlaps",
        [
            Mutant("left and right swapped", lambda value, **at: value[..., ::-1]),
            Mutant("c = n/p", lambda value, c, theta: d.OVERLAPS(c=1.0 / c, theta=theta)),
            Mutant("cosines", lambda value, **at: np.sqrt(value)),
        ],
        (0.04, 0.01, 0.005),
    )


@theory.claim(source=BENAYCH)
def rectangular_threshold() -> Claim:
    """The spike turns the singular vectors when theta exceeds c^(1/4)."""
    from theorylab.checks import Boundary
    from theorylab.derivations.random_matrix import rmt_bbp_wishart as d
    from theorylab.sims.random_matrix.spiked_covariances import rectangular_growth

    return Claim(
        prediction=d.RECTANGULAR_THRESHOLD,
        simulation=rectangular_growth,
        check=Boundary(parameter="theta", ladder=(-2.0, -1.0, 1.0, 2.0)),
        points=grid(c=0.2, p=2_000),
        parameters=[DIMENSION, d.steps.THETA],
        mutants=[
            Mutant("sqrt c", d.c**0.5),
            Mutant("the bulk's edge", 1 + d.c**0.5),
            Mutant("1, whatever c", d.c / d.c),
        ],
        budgets={
            "quick": Budget(2_048, 0.11),
            "standard": Budget(8_192, 0.03, points=grid(c=[0.2, 4.0], p=20_000)),
            "paper": Budget(32_768, 0.015, points=grid(c=[0.2, 1.0, 4.0], p=200_000)),
        },
    )
