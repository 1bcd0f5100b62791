"""The Marchenko-Pastur law at finite size: the claims."""

from __future__ import annotations

from typing import Any

from theorylab.claim import Budget, Claim, Mutant, Source, grid
from theorylab.claims.random_matrix.rmt_marchenko_pastur import theory
from theorylab.parameters import Integers, Parameter

_MUIRHEAD = Source(
    authors="Robb J. Muirhead", title="Aspects of Multivariate Statistical Theory", year=1982, where="section 3.2"
)
_DUMITRIU = Source(
    authors="Ioana Dumitriu and Alan Edelman",
    title="Global spectrum fluctuations for the beta-Hermite and beta-Laguerre ensembles via matrix models",
    year=2006,
    where="Theorem 1.4",
    arxiv="math-ph/0510043v1",
    doi="10.1063/1.2200144",
)
_MA = Source(
    authors="Zongming Ma",
    title="Accuracy of the Tracy-Widom limits for the extreme eigenvalues in white Wishart matrices",
    year=2012,
    where="Theorems 1 and 2",
    arxiv="0810.1329v3",
    doi="10.3150/10-BEJ334",
)
_EDELMAN = Source(
    authors="Alan Edelman",
    title="Eigenvalues and condition numbers of random matrices",
    year=1988,
    where="Corollary 3.1",
    doi="10.1137/0609045",
)

SIDE = Parameter("n", Integers(1), "side of the square matrix", 64)


@theory.claim(source=_MUIRHEAD)
def exact_moments() -> Claim:
    """For real Gaussian entries, at every p and n, E (1/p) tr S^k has the value of Wick's theorem, k = 1, 2, 3.

    In units of sigma^(2k): 1, 1 + (p+1)/n, 1 + 3(p+1)/n + (p^2+3p+4)/n^2.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.random_matrix import rmt_marchenko_pastur_moments as derivation
    from theorylab.sims.random_matrix import wishart

    p, n, sigma = derivation.p, derivation.n, derivation.sigma
    right = derivation.exact_moments
    return Claim(
        prediction=derivation.EXACT_MOMENT,
        simulation=wishart.power_mean,
        check=Expectation(),
        points=grid(p=4, n=7, sigma=1.2, k=[1, 2, 3]),
        mutants=[
            Mutant("p/n instead of (p + 1)/n", derivation.by_order({**right, 2: sigma**4 * (1 + p / n)})),
            Mutant(
                "complex entries: p/n and (p^2 + 1)/n^2",
                derivation.by_order(
                    {1: sigma**2, 2: sigma**4 * (1 + p / n), 3: sigma**6 * (1 + 3 * p / n + (p**2 + 1) / n**2)}
                ),
            ),
            Mutant(
                "the limiting moments",
                derivation.by_order({o: derivation.narayana(o).subs(derivation.c, p / n) for o in right}),
            ),
        ],
        budgets={
            "quick": Budget(131072, 0.02),
            "standard": Budget(2_000_000, 0.005),
            "paper": Budget(16_000_000, 0.002),
        },
    )


@theory.claim(source=_MUIRHEAD)
def inverse_moment() -> Claim:
    """For real Gaussian entries E S^-1 = n / (sigma^2 (n - p - 1)) I when n > p + 1.

    The fourth moment of the inverse is finite from n - p = 8 on; the points stay well inside.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.random_matrix import rmt_marchenko_pastur_moments as derivation
    from theorylab.sims.random_matrix import wishart

    p, n, sigma = derivation.p, derivation.n, derivation.sigma
    return Claim(
        prediction=derivation.INVERSE_MOMENT,
        simulation=wishart.power_mean,
        check=Expectation(),
        points=[{"p": 4, "n": 21, "sigma": 1.2, "k": -1}],
        parameters=[Parameter("k", Integers(-1, 8), "power of S", -1)],
        mutants=[
            Mutant("n - p instead of n - p - 1", n / (sigma**2 * (n - p))),
            Mutant("inverse of the mean", 1 / sigma**2),
        ],
        budgets={"quick": Budget(32768, 0.015), "standard": Budget(524_288, 0.004), "paper": Budget(4_194_304, 0.002)},
    )


def _trace(prediction: Any, observable: str, mutants: Any, points: Any, margins: Any) -> Claim:
    from theorylab.checks import Asymptotic
    from theorylab.sims.random_matrix import bidiagonal

    quick, standard, paper = margins
    return Claim(
        prediction=prediction,
        simulation=bidiagonal.traces,
        check=Asymptotic(size="p", rate=1.0, observable=observable, scale="absolute"),
        points=points,
        mutants=mutants,
        budgets={
            "quick": Budget(32768, quick, sizes=(8, 16, 32, 64)),
            "standard": Budget(524_288, standard, sizes=(8, 16, 32, 64)),
            "paper": Budget(2_097_152, paper, sizes=(16, 32, 64, 128)),
        },
    )


@theory.claim(source=_DUMITRIU)
def resolvent_correction() -> Claim:
    """For real Gaussian entries E tr (S + lam)^-1 - p m(-lam) -> (1/4) ((lam + a_-)^(-1/2) - (lam + a_+)^(-1/2))^2.

    The trace is compared, not its mean over p eigenvalues, so that the correction stays finite as p grows. The
    formula is usually stated for c != 1; for a function that is smooth at 0 it holds there too, as tested here.
    """
    from theorylab.derivations.random_matrix import rmt_marchenko_pastur as law
    from theorylab.derivations.random_matrix import rmt_marchenko_pastur_finite as derivation

    right = derivation.RESOLVENT_TRACE.expr
    masses = (1 / (law.lam + law.lower_edge) + 1 / (law.lam + law.upper_edge)) / 4
    mutants = [
        Mutant("no 1/p term (as for complex entries)", derivation.p * law.resolvent),
        Mutant("masses 1/4 at the edges without the arcsine part", right - derivation.resolvent_correction + masses),
        Mutant("half the correction", right - derivation.resolvent_correction / 2),
    ]
    points = grid(c=[0.5, 1.0, 2.0], lam=0.3, sigma=1.0)
    return _trace(derivation.RESOLVENT_TRACE, "resolvent", mutants, points, (0.075, 0.02, 0.01))


@theory.claim(source=_DUMITRIU)
def log_determinant_correction() -> Claim:
    """For real Gaussian entries E log det (S + lam) has a term of order 1: log(sqrt(alpha beta) / ((alpha + beta)/2)).

    Here alpha, beta = sqrt(lam + a_-), sqrt(lam + a_+): the logarithm of their geometric over their arithmetic mean.
    """
    from theorylab.derivations.random_matrix import rmt_marchenko_pastur as law
    from theorylab.derivations.random_matrix import rmt_marchenko_pastur_finite as derivation

    right = derivation.LOGDET_TRACE.expr
    mutants = [
        Mutant("no 1/p term (as for complex entries)", derivation.p * law.log_determinant),
        Mutant("twice the correction", right + derivation.logdet_correction),
    ]
    points = grid(c=[0.5, 1.0], lam=0.05, sigma=1.0)
    return _trace(derivation.LOGDET_TRACE, "logdet", mutants, points, (0.06, 0.015, 0.008))


def _extreme(prediction: Any, simulation: Any, mutants: Any, points: Any) -> Claim:
    from theorylab.checks import Asymptotic

    return Claim(
        prediction=prediction,
        simulation=simulation,
        check=Asymptotic(size="p", rate=2.0 / 3.0, observable="scaled", scale="absolute"),
        points=points,
        mutants=mutants,
        budgets={
            "quick": Budget(8192, 0.35, sizes=(32, 128, 512, 2048)),
            "standard": Budget(65536, 0.1, sizes=(32, 128, 512, 2048)),
            "paper": Budget(131072, 0.05, sizes=(100, 1000, 10000, 100000)),
        },
    )


def _scaled(centre: Any, scale: Any, mean: Any, sign: int) -> Any:
    """n^(2/3) times an extreme eigenvalue, from its centre, scale and mean fluctuation."""
    import sympy as sp

    from theorylab.derivations.random_matrix import rmt_marchenko_pastur_finite as derivation

    n = derivation.p / derivation.c
    return derivation.sigma**2 * n ** sp.Rational(2, 3) * (centre + sign * mean * scale) / n


@theory.claim(source=_MA)
def mean_largest_eigenvalue() -> Claim:
    """E lambda_max = (sigma^2/n) (mu - 1.2065 s), with the Tracy-Widom centre mu and scale s at n - 1/2 and p - 1/2.

    Compared after multiplication by n^(2/3). At p of a few hundred the bare edge is 1-3 % too large.
    """
    from theorylab.derivations.random_matrix import rmt_marchenko_pastur_finite as derivation
    from theorylab.sims.random_matrix import bidiagonal

    p, mean = derivation.p, derivation.TRACY_WIDOM_MEAN
    centre, scale = derivation.edge_centre_and_scale(p, p / derivation.c, 1)
    mutants = [
        Mutant("the bare edge", _scaled(centre, scale, 0, 1)),
        Mutant("mean of the complex law, -1.7711", _scaled(centre, scale, -1.7710868074, 1)),
        Mutant("power 1/2 instead of 1/3 in the scale", _scaled(centre, scale**1.5 / centre**0.25, mean, 1)),
    ]
    return _extreme(derivation.TOP_MEAN, bidiagonal.largest_eigenvalue, mutants, grid(c=[0.5, 2.0], sigma=1.0))


@theory.claim(source=_MA)
def mean_smallest_eigenvalue() -> Claim:
    """E lambda_min = (sigma^2/n) (mu_- + 1.2065 s_-) for the smallest nonzero eigenvalue, c != 1."""
    from theorylab.derivations.random_matrix import rmt_marchenko_pastur_finite as derivation
    from theorylab.sims.random_matrix import bidiagonal

    p, mean = derivation.p, derivation.TRACY_WIDOM_MEAN
    centre, scale = derivation.edge_centre_and_scale(p, p / derivation.c, -1)
    mutants = [
        Mutant("the bare edge", _scaled(centre, scale, 0, -1)),
        Mutant("sign of the shift", _scaled(centre, scale, mean, 1)),
        Mutant("mean of the complex law, -1.7711", _scaled(centre, scale, -1.7710868074, -1)),
    ]
    return _extreme(derivation.BOTTOM_MEAN, bidiagonal.smallest_eigenvalue, mutants, grid(c=[0.1, 8.0], sigma=1.5))


@theory.claim(source=_EDELMAN)
def hard_edge() -> Claim:
    """For square X of unit variance n lambda_min(X X^T) has the distribution function 1 - exp(-x/2 - sqrt x).

    So that lambda_min(S) is of order n^-2: there is no gap at c = 1.
    """
    import sympy as sp

    from theorylab.checks import Law
    from theorylab.derivations.random_matrix import rmt_marchenko_pastur_finite as derivation
    from theorylab.sims.random_matrix import bidiagonal

    x = derivation.x
    return Claim(
        prediction=derivation.HARD_EDGE,
        simulation=bidiagonal.hard_edge,
        check=Law(variable="x"),
        points=[{"n": 64}],
        parameters=[SIDE],
        mutants=[
            Mutant("complex entries: exp(-x)", 1 - sp.exp(-x)),
            Mutant("sqrt x dropped", 1 - sp.exp(-x / 2)),
            Mutant("sqrt x alone", 1 - sp.exp(-sp.sqrt(x))),
        ],
        budgets={
            "quick": Budget(32768, 0.03),
            "standard": Budget(524_288, 0.008, points=[{"n": 128}]),
            "paper": Budget(2_097_152, 0.004, points=[{"n": 256}]),
        },
    )
