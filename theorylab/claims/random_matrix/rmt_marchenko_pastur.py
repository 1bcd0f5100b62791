"""The Marchenko-Pastur law: the claims."""

from __future__ import annotations

from typing import Any

import numpy as np

from theorylab.claim import Budget, Claim, Mutant, Source, grid
from theorylab.parameters import Choices, Integers, Parameter
from theorylab.theory import Theory

theory = Theory(
    "random_matrix/rmt-marchenko-pastur",
    title="The Marchenko-Pastur law of sample covariance matrices",
    source=Source(
        authors="V. A. Marchenko and L. A. Pastur",
        title="Distribution of eigenvalues for some sets of random matrices",
        year=1967,
        where="Theorem 1",
        journal="Mathematics of the USSR-Sbornik 1(4), 457-483",
        doi="10.1070/SM1967v001n04ABEH001994",
    ),
)
_FREE = Source(
    authors="Dan V. Voiculescu and Ken J. Dykema and Alexandru Nica",
    title="Free Random Variables",
    year=1992,
    where="chapter 3",
)
ENTRIES = Parameter(
    "entries", Choices(("gaussian", "signs")), "law of the entries: standard normal or random signs", "gaussian"
)
DIMENSION = Parameter("p", Integers(1), "rows of X: the dimension", 128)
SIZES = {"quick": (16, 32, 64, 128), "standard": (50, 100, 200, 400), "paper": (125, 250, 500, 1000)}


def _sized(quick: tuple[int, float], standard: tuple[int, float], paper: tuple[int, float]) -> dict[str, Budget]:
    """Budgets (trials, margin) at the sizes of this theory's dense matrices."""
    given = {"quick": quick, "standard": standard, "paper": paper}
    return {name: Budget(trials, margin, sizes=SIZES[name], block=256) for name, (trials, margin) in given.items()}


def _semicircle(_: np.ndarray, *, x: Any, c: Any, sigma: Any) -> np.ndarray:
    y = np.clip((np.asarray(x) / sigma**2 - 1.0 - c) / (2.0 * np.sqrt(c)), -1.0, 1.0)
    return np.asarray(0.5 + (y * np.sqrt(1.0 - y * y) + np.arcsin(y)) / np.pi)


def _law(cdf: Any, points: Any, mutants: Any, budgets: Any) -> Claim:
    from theorylab.checks import Law
    from theorylab.sims.random_matrix import wishart

    return Claim(
        prediction=cdf,
        simulation=wishart.eigenvalues,
        check=Law(variable="x"),
        points=points,
        parameters=[ENTRIES, DIMENSION],
        mutants=mutants,
        budgets=budgets,
    )


@theory.claim
def spectral_distribution() -> Claim:
    """The eigenvalues of S have the Marchenko-Pastur distribution function, with an atom 1 - 1/c at 0 when c > 1.

    The unit of replication is the matrix: its eigenvalues repel. The expected distribution at finite p differs by
    about 1/(4p) at the edges (see the 1/p correction). Entries need not be Gaussian: random signs give the same law.
    """
    from theorylab.derivations.random_matrix import rmt_marchenko_pastur as derivation

    law = derivation.CDF
    mutants = [
        Mutant("density without the 1/x (a semicircle between the same edges)", _semicircle),
        Mutant("c = n/p instead of p/n", lambda _, *, x, c, sigma: law(x=x, c=1 / c, sigma=sigma)),
        Mutant("standard deviation for variance", lambda _, *, x, c, sigma: law(x=x, c=c, sigma=sigma**0.5)),
    ]
    points = [
        {"c": 0.5, "sigma": 1.5, "p": 128, "entries": "gaussian"},
        {"c": 2.0, "sigma": 1.0, "p": 128, "entries": "gaussian"},
        {"c": 0.25, "sigma": 1.0, "p": 96, "entries": "signs"},
    ]
    paper = [
        {"c": c, "p": 1000, "entries": entries}
        for c in (0.1, 0.2, 0.25, 0.4, 0.5, 0.8, 1.0, 1.25, 2.0, 4.0)
        for entries in ENTRIES.domain.options  # type: ignore[union-attr]
    ]
    budgets = {
        "quick": Budget(128, 0.015),
        "standard": Budget(256, 0.005, points=[{**p, "p": 400} for p in points]),
        "paper": Budget(128, 0.004, points=paper),
    }
    return _law(law, points, mutants, budgets)


@theory.claim(control=True, expected="fails")
def control_spectral_distribution() -> Claim:
    """The eigenvalues of S have the Marchenko-Pastur distribution function of a ratio 4 % too large."""
    from theorylab.derivations.random_matrix import rmt_marchenko_pastur as derivation
    from theorylab.prediction import Numerical

    law = derivation.CDF

    def function(*, x: Any, c: Any, sigma: Any) -> tuple[Any, Any]:
        return law.evaluate(x=x, c=1.04 * c, sigma=sigma)

    wrong = Numerical(function=function, space=law.space, quantity=law.quantity, conventions=law.conventions)
    return _law(
        wrong,
        [{"c": 0.5, "p": 128}],
        [Mutant("c = n/p instead of p/n", lambda _, *, x, c, sigma: law(x=x, c=1 / c, sigma=sigma))],
        {"quick": Budget(512, 0.003), "standard": Budget(2048, 0.002), "paper": Budget(4096, 0.002)},
    )


def _edge(prediction: Any, simulation: Any, mutants: Any, points: Any) -> Claim:
    from theorylab.checks import Asymptotic

    return Claim(
        prediction=prediction,
        simulation=simulation,
        check=Asymptotic(size="p", rate=2.0 / 3.0),
        points=points,
        parameters=[DIMENSION],
        mutants=mutants,
        budgets={
            "quick": Budget(1024, 0.02, sizes=(64, 256, 1024, 4096), block=512),
            "standard": Budget(8192, 0.005, sizes=(64, 256, 1024, 4096)),
            "paper": Budget(16384, 0.002, sizes=(1000, 4000, 16000, 64000)),
        },
    )


@theory.claim
def upper_edge() -> Claim:
    """The largest eigenvalue of S tends to sigma^2 (1 + sqrt c)^2.

    From below, like p^(-2/3): see the mean at finite p.
    """
    from theorylab.derivations.random_matrix import rmt_marchenko_pastur as derivation
    from theorylab.sims.random_matrix import bidiagonal

    c, sigma = derivation.c, derivation.sigma
    mutants = [
        Mutant("1 + c instead of (1 + sqrt c)^2", sigma**2 * (1 + c)),
        Mutant("c = n/p instead of p/n", derivation.upper_edge.subs(c, 1 / c)),
    ]
    return _edge(derivation.UPPER_EDGE, bidiagonal.largest_eigenvalue, mutants, grid(c=[0.25, 2.0], sigma=1.5))


@theory.claim
def lower_edge() -> Claim:
    """The smallest nonzero eigenvalue of S tends to sigma^2 (1 - sqrt c)^2."""
    from theorylab.derivations.random_matrix import rmt_marchenko_pastur as derivation
    from theorylab.sims.random_matrix import bidiagonal

    c, sigma = derivation.c, derivation.sigma
    mutants = [
        Mutant("1 - c instead of (1 - sqrt c)^2", sigma**2 * (1 - c)),
        Mutant("c = n/p instead of p/n", derivation.lower_edge.subs(c, 1 / c)),
    ]
    return _edge(derivation.LOWER_EDGE, bidiagonal.smallest_eigenvalue, mutants, grid(c=[0.25, 4.0], sigma=1.5))


def _linear(prediction: Any, observable: str, mutants: Any, budgets: Any) -> Claim:
    from theorylab.checks import Asymptotic
    from theorylab.sims.random_matrix import wishart

    return Claim(
        prediction=prediction,
        simulation=wishart.linear_statistics,
        check=Asymptotic(size="p", rate=1.0, observable=observable),
        points=[
            {"c": 0.5, "lam": 0.3, "sigma": 1.5, "entries": "gaussian"},
            {"c": 1.0, "lam": 1.0, "sigma": 1.0, "entries": "signs"},
            {"c": 2.0, "lam": 1.0, "sigma": 1.0, "entries": "gaussian"},
        ],
        parameters=[ENTRIES, DIMENSION],
        mutants=mutants,
        budgets=budgets,
    )


@theory.claim
def resolvent() -> Claim:
    """(1/p) tr (S + lam)^-1 tends to the positive root of c sigma^2 lam m^2 + (lam + sigma^2 (1 - c)) m = 1."""
    from theorylab.derivations.random_matrix import rmt_marchenko_pastur as derivation

    c, lam = derivation.c, derivation.lam
    right = derivation.resolvent
    mutants = [
        Mutant("c = n/p instead of p/n", right.subs(c, 1 / c)),
        Mutant("transform of the n x n companion", c * right + (1 - c) / lam),
        Mutant("no dimension effect: the population's resolvent", 1 / (lam + derivation.sigma**2)),
    ]
    return _linear(derivation.RESOLVENT, "resolvent", mutants, _sized((256, 0.02), (512, 0.003), (256, 0.001)))


@theory.claim
def squared_resolvent() -> Claim:
    """(1/p) tr (S + lam)^-2 tends to -d/dlam m(-lam)."""
    from theorylab.derivations.random_matrix import rmt_marchenko_pastur as derivation

    right = derivation.squared_resolvent
    mutants = [
        Mutant("square of the mean resolvent", derivation.resolvent**2),
        Mutant("c = n/p instead of p/n", right.subs(derivation.c, 1 / derivation.c)),
    ]
    return _linear(
        derivation.SQUARED_RESOLVENT, "squared_resolvent", mutants, _sized((256, 0.04), (1024, 0.006), (512, 0.002))
    )


@theory.claim
def log_determinant() -> Claim:
    """(1/p) log det (S + lam) tends to log sigma^2 - log M + (1/c) log(1 + c M) - M/(1 + c M), M = sigma^2 m(-lam)."""
    import sympy as sp

    from theorylab.derivations.random_matrix import rmt_marchenko_pastur as derivation

    c, sigma = derivation.c, derivation.sigma
    scaled = sigma**2 * derivation.resolvent
    mutants = [
        Mutant("last term dropped", derivation.log_determinant + scaled / (1 + c * scaled)),
        Mutant("variance not put back", derivation.log_determinant - sp.log(sigma**2)),
        Mutant("log of the mean resolvent", -sp.log(derivation.resolvent)),
    ]
    return _linear(derivation.LOG_DETERMINANT, "logdet", mutants, _sized((256, 0.02), (512, 0.005), (256, 0.002)))


@theory.claim(source=_FREE)
def r_transform() -> Claim:
    """R(g) = sigma^2 / (1 - c sigma^2 g) is G^-1(g) - 1/g, with G the Cauchy transform of the law."""
    from theorylab.checks import Identity
    from theorylab.derivations.random_matrix import rmt_marchenko_pastur_moments as derivation

    c, sigma, g = derivation.c, derivation.sigma, derivation.g
    ranges = {"g": (0.01, 0.3), "c": (0.1, 2.0), "sigma": (0.5, 1.2)}
    return Claim(
        prediction=derivation.R_TRANSFORM,
        check=Identity(other=derivation.cauchy_inverse - 1 / g, ranges=ranges),
        mutants=[
            Mutant("no c", sigma**2 / (1 - sigma**2 * g)),
            Mutant("no variance under the line", sigma**2 / (1 - c * g)),
        ],
        budgets={"quick": Budget(8, 1e-9), "standard": Budget(64, 1e-9), "paper": Budget(512, 1e-9)},
    )


@theory.claim(source=_FREE)
def s_transform() -> Claim:
    """S(u) = 1 / (sigma^2 (1 + c u)) is (1 + u)/u psi^-1(u), with psi the moment series of the law."""
    import sympy as sp

    from theorylab.checks import Identity
    from theorylab.derivations.random_matrix import rmt_marchenko_pastur_moments as derivation

    c, sigma, u, g = derivation.c, derivation.sigma, derivation.u, derivation.g
    # psi(zeta) = u says that 1/zeta = G^-1(zeta (1 + u)), which is linear in zeta.
    zeta = sp.Symbol("zeta", positive=True)
    condition = sp.numer(sp.together(zeta * derivation.cauchy_inverse.subs(g, zeta * (1 + u)) - 1))
    by_inversion = (1 + u) / u * sp.solve(condition, zeta)[0]
    ranges = {"u": (0.05, 0.7), "c": (0.1, 2.0), "sigma": (0.5, 1.5)}
    return Claim(
        prediction=derivation.S_TRANSFORM,
        check=Identity(other=by_inversion, ranges=ranges),
        mutants=[
            Mutant("c = n/p instead of p/n", 1 / (sigma**2 * (1 + u / c))),
            Mutant("the R-transform's sign", 1 / (sigma**2 * (1 - c * u))),
        ],
        budgets={"quick": Budget(8, 1e-9), "standard": Budget(64, 1e-9), "paper": Budget(512, 1e-9)},
    )


@theory.claim(source=_FREE)
def sum_of_two() -> Claim:
    """R-transforms of independent sample covariances add: the resolvent of S_1 + S_2."""
    from dataclasses import replace

    import sympy as sp

    from theorylab.checks import Asymptotic
    from theorylab.derivations.random_matrix import rmt_marchenko_pastur as law
    from theorylab.derivations.random_matrix import rmt_marchenko_pastur_moments as derivation
    from theorylab.sims.random_matrix import wishart

    c1, c2, sigma = derivation.c1, derivation.c2, derivation.sigma
    swapped = derivation.SUM_RESOLVENT.equation.subs({c1: 1 / c1, c2: 1 / c2}, simultaneous=True)
    pooled = law.resolvent.subs(law.c, (c1 + c2) / 4).subs(sigma, sp.sqrt(2) * sigma)
    return Claim(
        prediction=derivation.SUM_RESOLVENT,
        simulation=wishart.sum_of_two,
        check=Asymptotic(size="p", rate=1.0),
        points=[{"c1": 0.25, "c2": 2.0, "lam": 0.5, "sigma": 1.0}],
        parameters=[DIMENSION],
        mutants=[
            Mutant("c = n/p instead of p/n", replace(derivation.SUM_RESOLVENT, equation=swapped)),
            Mutant("one matrix of the mean ratio", pooled),
        ],
        budgets=_sized((256, 0.02), (512, 0.004), (256, 0.002)),
    )


@theory.claim(source=_FREE)
def product_of_two() -> Claim:
    """S-transforms of independent sample covariances multiply: the moments of S_1 S_2."""
    from theorylab.checks import Asymptotic
    from theorylab.derivations.random_matrix import rmt_marchenko_pastur_moments as derivation
    from theorylab.sims.random_matrix import wishart

    c1, c2, sigma, k = derivation.c1, derivation.c2, derivation.sigma, derivation.k
    return Claim(
        prediction=derivation.PRODUCT_MOMENT,
        simulation=wishart.product_of_two,
        check=Asymptotic(size="p", rate=1.0),
        points=grid(c1=0.25, c2=1.0, sigma=1.0, k=[2, 3]),
        parameters=[DIMENSION],
        mutants=[
            Mutant("commuting matrices: (1 + c1)(1 + c2)", sigma ** (4 * k) * ((1 + c1) * (1 + c2)) ** (k - 1)),
            Mutant("one ratio dropped", derivation.PRODUCT_MOMENT.expr.subs(c1, 0)),
        ],
        budgets=_sized((512, 0.03), (1024, 0.01), (512, 0.005)),
    )


@theory.claim
def moments() -> Claim:
    """(1/p) tr S^k tends to sigma^(2k) sum_{r<k} c^r/(r+1) binom(k, r) binom(k-1, r), the Narayana polynomial."""
    import sympy as sp

    from theorylab.checks import Asymptotic
    from theorylab.derivations.random_matrix import rmt_marchenko_pastur_moments as derivation
    from theorylab.sims.random_matrix import wishart

    c, sigma, k = derivation.c, derivation.sigma, derivation.k
    undivided = derivation.by_order(
        {
            order: sigma ** (2 * order)
            * sum(c**r * sp.binomial(order, r) * sp.binomial(order - 1, r) for r in range(order))
            for order in range(1, 9)
        }
    )
    return Claim(
        prediction=derivation.MOMENT,
        simulation=wishart.power_mean_at_ratio,
        check=Asymptotic(size="p", rate=1.0),
        points=[
            {"c": 0.5, "k": 2, "sigma": 1.2, "entries": "gaussian"},
            {"c": 2.0, "k": 3, "sigma": 1.0, "entries": "gaussian"},
            {"c": 0.5, "k": 4, "sigma": 1.0, "entries": "signs"},
        ],
        parameters=[ENTRIES, DIMENSION],
        mutants=[
            Mutant("c = n/p instead of p/n", derivation.MOMENT.expr.subs(c, 1 / c)),
            Mutant("no 1/(r + 1)", undivided),
            Mutant("moments of the population", sigma ** (2 * k)),
        ],
        budgets=_sized((512, 0.03), (1024, 0.006), (512, 0.003)),
    )
