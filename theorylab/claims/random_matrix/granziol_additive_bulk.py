"""Additive batch noise on a spectrum with a bulk of its own, and what of it needs no model of the noise."""

from __future__ import annotations

from typing import Any

from theorylab.claim import Budget, Claim, Mutant, Source, grid
from theorylab.claims.random_matrix.granziol_additive import _limit, theory
from theorylab.parameters import Parameter

DEFORMED = Source(
    authors="Capitaine, Mireille and Donati-Martin, Catherine and Feral, Delphine and Fevrier, Maxime",
    title="Free convolution with a semicircular distribution and eigenvalues of spiked deformations of Wigner matrices",
    year=2011,
    where="Theorem 8.1",
    arxiv="1006.3684v2",
    journal="Electronic Journal of Probability 16, 1750-1792",
)
PASTUR = Source(
    authors="Pastur, Leonid A.",
    title="On the spectrum of random matrices",
    year=1972,
    journal="Theoretical and Mathematical Physics 10(1), 67-74",
)
DENSE = {"quick": (16, 32, 64, 128), "standard": (32, 64, 128, 256), "paper": (64, 128, 256, 512, 1024)}
BULKY = [{"r": 1.0, "t": 0.5, "a": 1.0, "lam1": 1.5, "sigma_eps": 1.0}]


@theory.claim(source=DEFORMED)
def shift_over_a_bulk() -> Claim:
    """Over any bulk the outlier moves by (P/b) sigma_eps^2 times the mean of 1/(lambda_1 - x) over the bulk:
    (s^2/a) artanh(a/lambda_1) for eigenvalues spread evenly over [-a, a]."""
    from theorylab.derivations.random_matrix import granziol_additive as d

    return _limit(
        "UNIFORM_SHIFT",
        "over_bulk",
        "shift",
        BULKY,
        [
            Mutant("bulk at zero", d.square / d.lam1),
            Mutant("B for b", d.uniform_shift / (1 - d.t)),
            Mutant("a bulk of [0, a]", -d.square / d.a * _log(1 - d.a / d.lam1)),
        ],
        {"quick": (768, 0.055), "standard": (4_096, 0.015), "paper": (16_384, 0.008)},
        sizes=DENSE,
    )


def _log(x: Any) -> Any:
    import sympy as sp

    return sp.log(x)


@theory.claim(expected="fails")
def bulk_neglected() -> Claim:
    """The published form (P/b) sigma_eps^2/lambda_1 holds over a wide bulk too.

    It takes the bulk to be at zero. At a = 2 lambda_1/3 a sixth of the shift is missing; the claim
    `shift_over_a_bulk` has all of it.
    """
    return _limit(
        "FLAT_SHIFT",
        "over_bulk",
        "shift",
        BULKY,
        [],
        {"quick": (768, 0.055), "standard": (4_096, 0.015), "paper": (16_384, 0.008)},
        sizes=DENSE,
    )


def _at_size(
    prediction: str,
    simulation: str,
    observable: str,
    point: dict[str, float],
    mutants: list[Mutant],
    budgets: dict[str, tuple[int, int, float]],
) -> Claim:
    """A mean at one size, where terms of order 1/P are inside the margin: `budgets` gives P, trials and margins."""
    from theorylab.checks import Expectation
    from theorylab.derivations.random_matrix import granziol_additive as d
    from theorylab.sims.random_matrix import additive_batches as sims

    predicted = getattr(d, prediction)
    given = ("spectrum",) if "spectrum" in predicted.space else ()
    extra = [d.DIM, d.WIDTH, Parameter("theta", d.POSITIVE, "spike of the samples")]
    return Claim(
        prediction=predicted,
        simulation=getattr(sims, simulation),
        check=Expectation(observable=observable, given=given),
        points=[{**point, "P": budgets["quick"][0]}],
        parameters=[p for p in extra if p.name in {"P", *point} - set(predicted.space.names)],
        mutants=mutants,
        budgets={
            name: Budget(trials=trials, margin=margin, points=[{**point, "P": P}])
            for name, (P, trials, margin) in budgets.items()
        },
    )


@theory.claim(source=DEFORMED)
def rotation_over_a_bulk() -> Claim:
    """Over any bulk the squared overlap misses 1 by (P/b) sigma_eps^2 times the mean of 1/(lambda_1 - x)^2:
    s^2 (lambda_1^2 + a^2)/(lambda_1^2 - a^2)^2 for a bulk of two levels -a and a, within 6 % at P = 128.

    The mean of squares: the square of the mean, which is the same where the bulk is at zero, is too small.
    """
    from theorylab.derivations.random_matrix import granziol_additive as d

    return _at_size(
        "TWO_LEVEL_ROTATION",
        "over_two_levels",
        "rotation",
        {"r": 1.0, "t": 0.5, "a": 1.0, "lam1": 2.2, "sigma_eps": 1.0},
        [
            Mutant("bulk at zero", d.square / d.lam1**2),
            Mutant("square of the mean", d.square * (d.lam1 / (d.lam1**2 - d.a**2)) ** 2),
            Mutant("B for b", d.two_level_rotation / (1 - d.t)),
        ],
        {"quick": (128, 768, 0.057), "standard": (400, 1_024, 0.02), "paper": (1_600, 2_048, 0.008)},
    )


@theory.claim(source=DEFORMED)
def edge_over_a_bulk() -> Claim:
    """The edge of a batch's bulk is at a_* + (P/b) sigma_eps^2 times the mean of 1/(a_* - x), where s^2 times that of
    1/(a_* - x)^2 is one: sqrt(a^2 + s^2) + (s^2/a) arsinh(a/s) for eigenvalues spread evenly over [-a, a]."""
    from theorylab.derivations.random_matrix import granziol_additive as d

    return _limit(
        "UNIFORM_EDGE",
        "over_bulk",
        "edge",
        [{"r": 1.0, "t": 0.9, "a": 1.0, "lam1": 4.0, "sigma_eps": 1.0}],
        [
            Mutant("variances add, as of two semicircles", 2 * (d.a**2 / 3 + d.square) ** 0.5),
            Mutant("edges add", d.a + 2 * d.s),
            Mutant("B for b", d.uniform_edge.subs(d.t, 0)),
        ],
        {"quick": (192, 0.02), "standard": (4_096, 0.01), "paper": (16_384, 0.005)},
        rate=2.0 / 3.0,
        sizes={**DENSE, "quick": (24, 48, 96, 192)},
    )


@theory.claim(source=PASTUR)
def bulk_law() -> Claim:
    """The bulk of a batch is the bulk of the full Hessian plus, freely, a semicircle of radius 2 sigma_eps sqrt(P/b):
    of two levels -a and a it makes one interval where s > a and two where s < a."""
    from theorylab.checks import Law
    from theorylab.derivations.random_matrix import granziol_additive as d
    from theorylab.sims.random_matrix.additive_batches import two_levels

    def semicircle(value: Any, x: Any, a: Any, r: Any, t: Any, sigma_eps: Any) -> Any:
        from theorylab.derivations.random_matrix.semicircle import distribution

        return distribution(x=x, s=(a**2 + r * (1 - t) * sigma_eps**2) ** 0.5)

    def points(P: int, *scales: float) -> list[dict[str, Any]]:
        return [{"P": P, "a": 1.0, "r": 2.0, "t": 0.5, "sigma_eps": scale} for scale in scales]

    return Claim(
        prediction=d.TWO_ATOM_CDF,
        simulation=two_levels,
        check=Law(variable="x"),
        points=points(160, 0.6),
        parameters=[d.DIM],
        mutants=[
            Mutant(
                "B for b",
                lambda value, x, a, r, t, sigma_eps: d.TWO_ATOM_CDF(x=x, a=a, r=2 * r, t=t, sigma_eps=sigma_eps),
            ),
            Mutant("a semicircle of the same variance", semicircle),
        ],
        budgets={
            "quick": Budget(trials=128, margin=0.022),
            "standard": Budget(trials=256, margin=0.008, points=points(400, 0.6, 1.0, 1.5)),
            "paper": Budget(trials=256, margin=0.004, points=points(1000, 0.6, 0.9, 1.0, 1.1, 1.5)),
        },
    )


@theory.claim
def shift_of_a_data_set() -> Claim:
    """Given the spectrum of the full Hessian, whatever it is, its largest eigenvalue moves by
    (sigma_eps^2/b) sum_j 1/(lambda_1 - lambda_j), j over all others: within 4 % at P = 96.

    Batches of one data set of samples that scatter about a spike: no model of the full Hessian enters.
    """
    return _at_size(
        "GIVEN_SHIFT",
        "dense_batches",
        "shift",
        {"r": 1.0, "t": 0.75, "theta": 2.2, "sigma_eps": 1.0},
        [
            Mutant("B for b", lambda value, t, **_: value / (1 - t)),
            Mutant("bulk at zero", lambda value, **at: _variance(**at) / at["spectrum"][..., -1]),
        ],
        {"quick": (96, 512, 0.04), "standard": (256, 1_024, 0.012), "paper": (1_024, 1_024, 0.006)},
    )


@theory.claim
def rotation_of_a_data_set() -> Claim:
    """Given the spectrum of the full Hessian, the squared overlap of the top eigenvectors of batch and full Hessian
    misses 1 by (sigma_eps^2/b) sum_j 1/(lambda_1 - lambda_j)^2: within 8 % at P = 96."""
    return _at_size(
        "GIVEN_ROTATION",
        "dense_batches",
        "rotation",
        {"r": 1.0, "t": 0.75, "theta": 2.5, "sigma_eps": 1.0},
        [
            Mutant("B for b", lambda value, t, **_: value / (1 - t)),
            Mutant("bulk at zero", lambda value, **at: _variance(**at) / at["spectrum"][..., -1] ** 2),
        ],
        {"quick": (96, 768, 0.08), "standard": (256, 1_024, 0.03), "paper": (1_024, 1_024, 0.015)},
    )


def _variance(*, spectrum: Any, r: Any, t: Any, sigma_eps: Any) -> Any:
    return r * (1 - t) * sigma_eps**2


def _sampled(prediction: str, observable: str, mutants: list[Mutant]) -> Claim:
    from theorylab.checks import Expectation
    from theorylab.derivations.random_matrix import granziol_additive as d
    from theorylab.sims.random_matrix.additive_batches import distances

    return Claim(
        prediction=getattr(d, prediction),
        simulation=distances,
        check=Expectation(observable=observable, given=("S2",)),
        points=grid(P=2, N=8, B=[3, 6]),
        parameters=[d.DIM],
        mutants=mutants,
        budgets={
            "quick": Budget(trials=65_536, margin=0.04),
            "standard": Budget(trials=500_000, margin=0.015),
            "paper": Budget(trials=4_000_000, margin=0.005),
        },
    )


@theory.claim
def finite_population() -> Claim:
    """For sample Hessians of any kind, E ||H_batch - H||_F^2 over batches drawn without replacement is S2/b exactly,
    1/b = 1/B - 1/N, S2 = (1/(N-1)) sum_n ||h_n - H||_F^2."""
    return _sampled(
        "DISTANCE",
        "without",
        [
            Mutant("1/B for 1/b", lambda value, S2, B, N: S2 / B),
            Mutant("S2 with 1/N", lambda value, S2, B, N: value * (N - 1) / N),
            Mutant("with replacement", lambda value, S2, B, N: S2 * (N - 1) / (N * B)),
        ],
    )


@theory.claim
def with_replacement() -> Claim:
    """Over batches drawn with replacement it is ((N - 1)/N) S2/B exactly."""
    return _sampled(
        "DISTANCE_WITH_REPLACEMENT",
        "replaced",
        [
            Mutant("S2/B", lambda value, S2, B, N: S2 / B),
            Mutant("without replacement", lambda value, S2, B, N: S2 * (N - B) / (B * N)),
        ],
    )


@theory.claim
def noise_estimate() -> Claim:
    """Of Gaussian sample Hessians S2/(P (P + 1)) estimates sigma_eps^2 without bias, at any P and N.

    The norm alone cannot tell where the noise is. Of networks, where it is larger along the outliers' eigenvectors, it
    gives a variance that is several times too small for the shift of an outlier.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.random_matrix import granziol_additive as d
    from theorylab.sims.random_matrix.additive_batches import noise_estimate as simulation

    return Claim(
        prediction=d.NOISE_VARIANCE,
        simulation=simulation,
        check=Expectation(),
        points=grid(P=3, N=4, sigma_eps=[0.7, 1.4]),
        parameters=[d.DIM, d.DATA],
        mutants=[
            Mutant("P^2 for P (P + 1)", lambda value, **_: value * 4 / 3),
            Mutant("1/N for 1/(N - 1)", lambda value, **_: value * 3 / 4),
            Mutant("standard deviation", d.sigma_eps),
        ],
        budgets={
            "quick": Budget(trials=16_384, margin=0.03),
            "standard": Budget(trials=200_000, margin=0.01),
            "paper": Budget(trials=1_000_000, margin=0.004),
        },
    )
