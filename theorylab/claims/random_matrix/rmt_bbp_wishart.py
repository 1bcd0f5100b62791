"""A spike in a sample covariance or a rectangular matrix: the transition of Baik, Ben Arous and Peche."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from theorylab.claim import Budget, Claim, Mutant, Point, Source, grid
from theorylab.parameters import Integers, Parameter
from theorylab.theory import Theory

BAIK = Source(
    authors="Baik, Jinho and Silverstein, Jack W.",
    title="Eigenvalues of large sample covariance matrices of spiked population models",
    year=2006,
    where="Theorem 1.1",
    arxiv="math/0408165v1",
    journal="Journal of Multivariate Analysis 97(6), 1382-1408",
)
PAUL = Source(
    authors="Paul, Debashis",
    title="Asymptotics of sample eigenstructure for a large dimensional spiked covariance model",
    year=2007,
    where="Theorems 3 and 4",
    journal="Statistica Sinica 17(4), 1617-1642",
)
BLOEMENDAL = Source(
    authors="Bloemendal, Alex and Knowles, Antti and Yau, Horng-Tzer and Yin, Jun",
    title="On the principal components of sample covariance matrices",
    year=2016,
    where="Theorem 2.20",
    arxiv="1404.0788v3",
    journal="Probability Theory and Related Fields 164(1), 459-552",
)
theory = Theory(
    "random_matrix/rmt-bbp-wishart",
    title="A spike in a sample covariance or a rectangular matrix: the transition of Baik, Ben Arous and Peche",
    source=BAIK,
)
DIMENSION = Parameter("p", Integers(2), "dimension")
SIZES = {"quick": (50, 100, 200, 400), "standard": (100, 200, 400, 800), "paper": (400, 800, 1_600, 3_200)}
POINTS = ({"c": 0.5, "ell": 3.0, "sigma": 1.0}, {"c": 4.0, "ell": 9.0, "sigma": 1.2})


def budgets(quick: tuple[int, float], standard: tuple[int, float], paper: tuple[int, float]) -> dict[str, Budget]:
    """Budgets (trials, margin) over the sizes of this theory."""
    given = {"quick": quick, "standard": standard, "paper": paper}
    return {name: Budget(trials, margin, sizes=SIZES[name]) for name, (trials, margin) in given.items()}


def top(
    prediction: Any, observable: str, mutants: Sequence[Mutant], points: Sequence[Point], rate: float, spent: Any
) -> Claim:
    """A mean of the top eigenpair as p grows."""
    from theorylab.checks import Asymptotic
    from theorylab.sims.random_matrix.spiked_covariances import spiked_top

    return Claim(
        prediction=prediction,
        simulation=spiked_top,
        check=Asymptotic(size="p", observable=observable, rate=rate),
        points=points,
        parameters=[DIMENSION],
        mutants=mutants,
        budgets=budgets(*spent),
    )


@theory.claim
def outlier() -> Claim:
    """A population eigenvalue ell > sigma^2 (1 + sqrt c) takes the largest sample eigenvalue out of the bulk, to
    ell (1 + c sigma^2/(ell - sigma^2))."""
    from theorylab.derivations.random_matrix import rmt_bbp_wishart as d

    c, ell, sigma = d.c, d.ell, d.sigma
    return top(
        d.OUTLIER,
        "eigenvalue",
        [
            Mutant("the spike itself", ell),
            Mutant("c = n/p", d.steps.outlier.subs(c, 1 / c)),
            Mutant("without ell/(ell - sigma^2)", ell + c * sigma**2),
        ],
        (POINTS[0], {**POINTS[1], "ell": 6.0}),
        1.0,
        ((1_024, 0.03), (32_768, 0.006), (65_536, 0.004)),
    )


@theory.claim(source=PAUL)
def overlap() -> Claim:
    """Above the threshold the squared overlap of the top eigenvector with the spike tends to
    (1 - c sigma^4/(ell - sigma^2)^2)/(1 + c sigma^2/(ell - sigma^2))."""
    from theorylab.derivations.random_matrix import rmt_bbp_wishart as d

    return top(
        d.OVERLAP,
        "overlap",
        [
            Mutant("without the denominator", d.steps.slope),
            Mutant("c = n/p", d.steps.overlap.subs(d.c, 1 / d.c)),
            Mutant("its root: cosine, not its square", d.steps.overlap**0.5),
        ],
        POINTS,
        1.0,
        ((1_024, 0.06), (32_768, 0.01), (65_536, 0.004)),
    )


@theory.claim(source=PAUL, control=True, expected="fails")
def control_overlap() -> Claim:
    """The squared overlap tends to 0.96 times its limit."""
    from dataclasses import replace

    from theorylab.derivations.random_matrix import rmt_bbp_wishart as d

    spent = ((8_192, 0.01), (32_768, 0.008), (65_536, 0.004))
    wrong = replace(d.OVERLAP, expr=0.96 * d.steps.overlap, numeric=None)
    return top(wrong, "overlap", [Mutant("without the denominator", d.steps.slope)], POINTS[:1], 1.0, spent)


@theory.claim
def hidden_eigenvalue() -> Claim:
    """A spike below the threshold leaves no outlier: the largest eigenvalue tends to the edge
    sigma^2 (1 + sqrt c)^2."""
    from theorylab.derivations.random_matrix import rmt_bbp_wishart as d

    return top(
        d.LARGEST,
        "eigenvalue",
        [
            Mutant("the outlier's formula below its threshold", d.steps.outlier),
            Mutant("edge of c = n/p", d.edge.subs(d.c, 1 / d.c)),
        ],
        ({"c": 0.5, "ell": 1.2, "sigma": 1.0}, {"c": 4.0, "ell": 1.5, "sigma": 1.2}),
        2.0 / 3.0,
        ((1_024, 0.02), (16_384, 0.006), (65_536, 0.003)),
    )


@theory.claim(source=BLOEMENDAL)
def hidden_overlap() -> Claim:
    """Below the threshold the overlap tends to 0: n times its mean to ell sigma^2/(sigma^2 (1 + sqrt c) - ell)^2.

    Our own constant. A spike that is not seen still draws the top eigenvector: d lambda/d log ell is lambda times the
    overlap, and the spike moves the edge by (1/n) omega^2 (1/(omega - ell) - 1/(omega - sigma^2)), omega = sigma^2
    (1 + sqrt c).
    """
    from theorylab.derivations.random_matrix import rmt_bbp_wishart as d

    c, ell, sigma = d.c, d.ell, d.sigma
    return top(
        d.HIDDEN_OVERLAP,
        "weight",
        [
            Mutant("1/c, as for a random direction", 1 / c),
            Mutant("first power", ell / (sigma**2 * (1 + c**0.5) - ell)),
        ],
        grid(c=0.5, ell=1.2, sigma=1.0),
        2.0 / 3.0,
        ((8_192, 0.16), (65_536, 0.05), (262_144, 0.02)),
    )


@theory.claim
def threshold() -> Claim:
    """The spike turns the top eigenvector, and leaves an outlier, when ell exceeds sigma^2 (1 + sqrt c): not
    sigma^2 (1 + c)."""
    from theorylab.checks import Boundary
    from theorylab.derivations.random_matrix import rmt_bbp_wishart as d
    from theorylab.sims.random_matrix.spiked_covariances import overlap_growth

    return Claim(
        prediction=d.THRESHOLD,
        simulation=overlap_growth,
        check=Boundary(parameter="ell", ladder=(-2.0, -1.0, 1.0, 2.0)),
        points=grid(c=4.0, p=2_000, sigma=1.0),
        parameters=[DIMENSION, d.steps.ELL],
        mutants=[
            Mutant("1 + c", d.sigma**2 * (1 + d.c)),
            Mutant("the edge", d.edge),
            Mutant("c = n/p", d.THRESHOLD.expr.subs(d.c, 1 / d.c)),
        ],
        budgets={
            "quick": Budget(2_048, 0.16),
            "standard": Budget(8_192, 0.03, points=grid(c=[0.2, 4.0], p=20_000, sigma=1.3)),
            "paper": Budget(32_768, 0.015, points=grid(c=[0.2, 1.0, 4.0], p=200_000, sigma=1.3)),
        },
    )


@theory.claim
def spike_below_the_bulk() -> Claim:
    """A small spike, ell < sigma^2 (1 - sqrt c) with c < 1, takes the smallest eigenvalue out of the bulk, by the same
    formulas."""
    import numpy as np

    from theorylab.checks import Asymptotic
    from theorylab.derivations.random_matrix import rmt_bbp_wishart as d
    from theorylab.sims.random_matrix.spiked_covariances import spiked_bottom

    def each(*pair: Any) -> Any:
        return np.stack(np.broadcast_arrays(*pair), axis=-1)

    return Claim(
        prediction=d.LOW_SPIKE,
        simulation=spiked_bottom,
        check=Asymptotic(size="p"),
        points=grid(c=0.25, ell=0.25, sigma=1.2),
        parameters=[DIMENSION],
        mutants=[
            Mutant("the edge", lambda _, c, ell, sigma: each((sigma * (1 - np.sqrt(c))) ** 2, 0.0)),
            Mutant("pushed up", lambda v, c, ell, sigma: each(2 * ell - v[..., 0], v[..., 1])),
            Mutant(
                "without the denominator",
                lambda v, c, ell, sigma: each(v[..., 0], v[..., 0] * v[..., 1] / ell),
            ),
        ],
        budgets=budgets((2_048, 0.06), (32_768, 0.015), (65_536, 0.006)),
    )


@theory.claim(source=PAUL)
def fluctuations() -> Claim:
    """Above the threshold sqrt(n) (lambda_1 - limit) is normal, of variance
    2 ell^2 (1 - c sigma^4/(ell - sigma^2)^2)."""
    from scipy.special import ndtr

    from theorylab.checks import Law
    from theorylab.derivations.random_matrix import rmt_bbp_wishart as d
    from theorylab.sims.random_matrix.spiked_covariances import fluctuation

    return Claim(
        prediction=d.FLUCTUATIONS,
        simulation=fluctuation,
        check=Law(variable="x", observable="scaled"),
        points=grid(c=0.5, ell=1.85, sigma=1.0, p=50_000),
        parameters=[DIMENSION],
        mutants=[
            Mutant("without 1 - c sigma^4/(ell - sigma^2)^2", lambda _, x, c, ell, sigma: ndtr(x / (2**0.5 * ell))),
            Mutant("on one side only", lambda value, **at: 2.0 * value - 1.0),
        ],
        budgets={
            "quick": Budget(8_192, 0.045),
            "standard": Budget(65_536, 0.03, points=grid(c=[0.5, 2.0], ell=2.6, sigma=1.0, p=200_000)),
            "paper": Budget(262_144, 0.015, points=grid(c=[0.5, 2.0], ell=2.6, sigma=1.0, p=1_000_000)),
        },
    )


@theory.claim(source=PAUL)
def fluctuation_variance() -> Claim:
    """n E (lambda_1 - limit)^2 tends to 2 ell^2 (1 - c sigma^4/(ell - sigma^2)^2)."""
    from theorylab.checks import Asymptotic
    from theorylab.derivations.random_matrix import rmt_bbp_wishart as d
    from theorylab.sims.random_matrix.spiked_covariances import fluctuation

    return Claim(
        prediction=d.VARIANCE,
        simulation=fluctuation,
        check=Asymptotic(size="p", observable="square"),
        points=grid(c=0.5, ell=2.2, sigma=1.0),
        parameters=[DIMENSION],
        mutants=[
            Mutant("without 1 - c sigma^4/(ell - sigma^2)^2", 2 * d.ell**2),
            Mutant("complex entries", d.VARIANCE.expr / 2),
        ],
        budgets=budgets((16_384, 0.16), (131_072, 0.06), (524_288, 0.03)),
    )
