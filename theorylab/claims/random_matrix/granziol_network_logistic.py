"""The batch Hessian of logistic regression, exactly solvable at every ratio of parameters to samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from theorylab.claim import Budget, Claim, Mutant, Source
from theorylab.theory import Theory

GRANZIOL = Source(
    authors="Granziol, Diego and Zohren, Stefan and Roberts, Stephen",
    title="Learning Rates as a Function of Batch Size: A Random Matrix Theory Approach to Neural Network Training",
    year=2022,
    where="batch Hessian; solved for logistic regression here",
    arxiv="2006.09092v6",
    journal="Journal of Machine Learning Research 23(173), 1-65",
)
BENAYCH = Source(
    authors="Benaych-Georges, Florent and Nadakuditi, Raj Rao",
    title="The singular values and vectors of low rank perturbations of large rectangular random matrices",
    year=2012,
    where="Theorems 2.8 and 2.9, with weights",
    arxiv="1103.2221v2",
    journal="Journal of Multivariate Analysis 111, 120-135",
)

theory = Theory(
    "random_matrix/granziol-network-logistic",
    title="The batch Hessian of logistic regression on two Gaussian classes",
    source=GRANZIOL,
)

SEPARATED = {"mu": 2.4, "w_par": 0.5, "w_perp": 0.5}
SIZES = (8, 16, 32, 64)


def _inverted(prediction: Any) -> Callable[..., Any]:
    """The prediction with B/P for P/B."""
    return lambda value, c, **at: prediction(c=1.0 / c, **at)


def _spectrum(mu: Any, w_par: Any, w_perp: Any, c: Any, uniform: bool = False) -> Any:
    from theorylab.derivations.random_matrix.granziol_network_logistic_numerics import curvature

    return curvature(float(mu), float(w_par), float(w_perp), float(c), uniform=uniform)


def _uniform(name: str) -> Callable[..., Any]:
    """What every sample's curvature at its mean would give."""

    def wrong(value: Any, mu: Any, w_par: Any, w_perp: Any, c: Any, **_: Any) -> Any:
        return getattr(_spectrum(mu, w_par, w_perp, c, uniform=True).outlier(), name)

    return wrong


def _trend(
    prediction: Any,
    observable: str,
    points: Any,
    mutants: list[Mutant],
    budgets: dict[str, tuple[int, float]],
    factors: tuple[int, ...] = (1, 2, 2),
    sizes: tuple[int, ...] = SIZES,
    simulation: Any = None,
) -> Claim:
    """The limit of an observable of fresh batches; budgets give trials and margins, factors multiply their sizes."""
    from theorylab.checks import Asymptotic
    from theorylab.derivations.random_matrix import granziol_network_logistic as d
    from theorylab.sims.random_matrix.logistic_batches import extremes

    return Claim(
        prediction=prediction,
        simulation=simulation or extremes,
        check=Asymptotic(size="P", observable=observable),
        points=points,
        parameters=[d.DIM],
        mutants=mutants,
        budgets={
            name: Budget(trials, margin, sizes=[factor * size for size in sizes])
            for factor, (name, (trials, margin)) in zip(factors, budgets.items())
        },
    )


@theory.claim
def outlier() -> Claim:
    """As P and B grow with c = P/B fixed, the largest eigenvalue of the batch tends to the root of det(Mx(z) - z) = 0,
    Mx = E[a u u^T/(1 + a c m(z))], above the bulk.

    The limit is approached like 1/P with a small coefficient: P = 100 is within 0.2 %.
    """
    from theorylab.derivations.random_matrix import granziol_network_logistic as d

    return _trend(
        d.OUTLIER,
        "value",
        [{**SEPARATED, "c": 0.4}, {**SEPARATED, "c": 2.0}],
        [
            Mutant("every curvature at its mean", _uniform("value")),
            Mutant("B/P for P/B", _inverted(d.OUTLIER)),
            Mutant("no 1/(1 + a c m) in Mx: the population's outlier", lambda value, c, **at: d.POPULATION(**at)),
        ],
        {"quick": (768, 0.04), "standard": (8_192, 0.01), "paper": (40_000, 0.004)},
    )


@theory.claim(source=BENAYCH)
def plane_overlap() -> Claim:
    """The squared overlap of the top eigenvector with the plane of the means and the weights tends to
    1/(1 - k^T Mx'(z) k), k the null vector of Mx - z."""
    from theorylab.derivations.random_matrix import granziol_network_logistic as d

    return _trend(
        d.PLANE,
        "plane",
        [{**SEPARATED, "c": 0.4}, {**SEPARATED, "c": 2.0}],
        [
            Mutant("every curvature at its mean", _uniform("plane")),
            Mutant("B/P for P/B", _inverted(d.PLANE)),
            Mutant("all of it", lambda value, **_: 1.0 + 0.0 * value),
        ],
        {"quick": (2_048, 0.044), "standard": (8_192, 0.015), "paper": (40_000, 0.006)},
    )


@theory.claim(source=BENAYCH)
def axis_overlap() -> Claim:
    """Its squared overlap with the direction of the means tends to k_1^2/(1 - k^T Mx'(z) k)."""
    from theorylab.derivations.random_matrix import granziol_network_logistic as d

    return _trend(
        d.AXIS,
        "axis",
        [{"mu": 2.4, "w_par": 1.0, "w_perp": 1.0, "c": 0.2}],
        [
            Mutant("the plane's overlap", lambda value, **at: d.PLANE(**at)),
            Mutant("k_1 for k_1^2", lambda value, **at: (value * d.PLANE(**at)) ** 0.5),
        ],
        {"quick": (768, 0.017), "standard": (8_192, 0.008), "paper": (20_000, 0.004)},
    )


@theory.claim(source=BENAYCH)
def lower_outlier() -> Claim:
    """Inputs without classes have an outlier below the bulk along strong weights, where samples of large logit are
    flat: the least root of det(Mx(z) - z) = 0."""
    from theorylab.derivations.random_matrix import granziol_network_logistic as d

    return _trend(
        d.LOW_OUTLIER,
        "low",
        [{"mu": 0.0, "w_par": 0.3, "w_perp": 2.0, "c": 0.1}],
        [
            Mutant("the lower edge", lambda value, **at: d.LOWER_EDGE(**at)),
            Mutant(
                "no 1/(1 + a c m) in Mx: the population's",
                lambda value, mu, w_par, w_perp, c: _spectrum(mu, w_par, w_perp, c).population()[0][0],
            ),
        ],
        {"quick": (512, 0.04), "standard": (4_096, 0.01), "paper": (10_000, 0.005)},
        sizes=(6, 12, 24, 48),
    )


@theory.claim(source=BENAYCH)
def lower_overlap() -> Claim:
    """The eigenvector of the outlier below the bulk has the squared overlap 1/(1 - k^T Mx'(z) k) with the plane."""
    from theorylab.derivations.random_matrix import granziol_network_logistic as d

    return _trend(
        d.LOW_PLANE,
        "low_plane",
        [{"mu": 0.0, "w_par": 0.3, "w_perp": 2.0, "c": 0.05}],
        [
            Mutant("all of it", lambda value, **_: 1.0 + 0.0 * value),
        ],
        {"quick": (1_024, 0.018), "standard": (4_096, 0.008), "paper": (20_000, 0.004)},
    )


@theory.claim
def mean_edge() -> Claim:
    """Without an outlier the mean largest eigenvalue is z_+ - 1.2065 P^(-2/3) (z''(m_+)/2)^(1/3): the edge, and the
    Tracy-Widom mean on the scale that the curvature of z(m) sets.

    What remains is of order 1/P, from the scatter of the curvatures among other things. At P of a few hundred the bare
    edge is 1-2 % too large.
    """
    from theorylab.derivations.random_matrix import granziol_network_logistic as d
    from theorylab.sims.random_matrix.logistic_batches import spectra

    return _trend(
        d.MEAN_EDGE,
        "value",
        [{"mu": 0.0, "w_par": 0.5, "w_perp": 0.5, "c": 2.0}],
        [
            Mutant("the bare edge", lambda value, P, **at: d.UPPER_EDGE(**at)),
            Mutant("B/P for P/B", _inverted(d.MEAN_EDGE)),
            Mutant("twice the Tracy-Widom shift", lambda value, P, **at: 2.0 * value - d.UPPER_EDGE(**at)),
        ],
        {"quick": (16_384, 0.019), "standard": (32_768, 0.018), "paper": (200_000, 0.012)},
        (1, 1, 2),
        simulation=spectra,
    )


@theory.claim
def resolvent() -> Claim:
    """(1/P) tr (H + lam)^-1 tends to the root of m = 1/(E[a/(1 + a c m)] + lam)."""
    from theorylab.derivations.random_matrix import granziol_network_logistic as d
    from theorylab.sims.random_matrix.logistic_batches import resolvent as simulation

    def unweighted(value: Any, lam: Any, mu: Any, w_par: Any, w_perp: Any, c: Any) -> Any:
        return 1.0 / (_spectrum(mu, w_par, w_perp, c).mean + lam)

    return _trend(
        d.RESOLVENT,
        "value",
        [{**SEPARATED, "c": 0.4, "lam": 0.1}, {**SEPARATED, "c": 2.0, "lam": 0.1}],
        [
            Mutant("B/P for P/B", _inverted(d.RESOLVENT)),
            Mutant("E a for E[a/(1 + a c m)]", unweighted),
        ],
        {"quick": (512, 0.02), "standard": (4_096, 0.006), "paper": (40_000, 0.002)},
        simulation=simulation,
    )


@theory.claim(control=True, expected="fails")
def control_resolvent() -> Claim:
    """Control: a resolvent that is 5 % larger."""
    from dataclasses import replace

    from theorylab.derivations.random_matrix import granziol_network_logistic as d

    return replace(resolvent(), prediction=d.RESOLVENT.altered(lambda value, **_: 1.05 * value), mutants=())


@theory.claim
def inflation() -> Claim:
    """From a data set of N samples to a batch of B the outlier moves by the difference of the roots at P/B and P/N.

    With the control variate v^T (H_batch - H) v a batch tells the move to a third of itself at P = 32.
    """
    from theorylab.derivations.random_matrix import granziol_network_logistic as d
    from theorylab.sims.random_matrix.logistic_batches import inflation as simulation

    return _trend(
        d.INFLATION,
        "value",
        [{**SEPARATED, "c": 0.5, "t": 0.25}],
        [
            Mutant("P/B for P/b: as if N were infinite", lambda value, t, **at: d.INFLATION(t=1e-3, **at)),
            Mutant("B/P for P/B", _inverted(d.INFLATION)),
        ],
        {"quick": (512, 0.1), "standard": (8_192, 0.03), "paper": (40_000, 0.012)},
        simulation=simulation,
    )


@theory.claim
def large_batches() -> Claim:
    """For large batches the outlier moves by (P/b) E[a^2 (u.v)^2]/(lambda_1 - E a), 1/b = 1/B - 1/N, lambda_1 and v of
    the population: second-order perturbation theory, as for any network.

    The relative correction is of order P/B: 3 % at P = B.
    """
    from theorylab.checks import Identity
    from theorylab.derivations.random_matrix import granziol_network_logistic as d

    first = d.FIRST_ORDER_INFLATION
    ranges = {"mu": (1.5, 3.0), "w_par": (0.2, 0.8), "w_perp": (0.2, 0.8), "c": (1e-4, 1e-3), "t": (0.1, 0.9)}
    return Claim(
        prediction=first,
        check=Identity(other=d.INFLATION, ranges=ranges),
        mutants=[
            Mutant("P/B for P/b", lambda value, t, **_: value / (1.0 - t)),
            Mutant("additive noise: lambda_1 for lambda_1 - E a", _over_the_whole),
        ],
        budgets={
            "quick": Budget(trials=12, margin=0.005),
            "standard": Budget(trials=40, margin=0.005),
            "paper": Budget(trials=100, margin=0.005),
        },
    )


def _over_the_whole(value: Any, mu: Any, w_par: Any, w_perp: Any, c: Any, t: Any) -> Any:
    spectrum = _spectrum(mu, w_par, w_perp, c)
    top = spectrum.population()[0][1]
    return value * (top - spectrum.mean) / top


@theory.claim
def threshold() -> Claim:
    """The classes leave an outlier when mu exceeds the root of lambda_1(Mx(z_+)) = z_+: at w = (1/2, 1) and P/B = 0.1
    beyond 0.632, at 0.4 beyond 0.899.

    The weight of the plane on the top eigenvectors falls like 1/P below the transition, like P^(-1/3) at it and not at
    all above: its change when the matrix doubles, plus (1/3) log 2, changes sign there. At finite size the crossing
    sits a little higher: by 6 % at P/B = 0.1, P = 16.
    """
    from theorylab.checks import Boundary
    from theorylab.derivations.random_matrix import granziol_network_logistic as d
    from theorylab.sims.random_matrix.logistic_batches import overlap_growth

    def unweighted(value: Any, w_par: Any, w_perp: Any, c: Any) -> Any:
        return d.crossing(
            lambda mu: (lambda s: float(s.population()[0][1] - s.edge()))(_spectrum(mu, w_par, w_perp, c))
        )

    weights = {"w_par": 0.5, "w_perp": 1.0}
    return Claim(
        prediction=d.THRESHOLD,
        simulation=overlap_growth,
        check=Boundary(parameter="mu", ladder=(-1.0, 1.0)),
        points=[{**weights, "c": 0.1, "P": 24}],
        parameters=[d.DIM, d.MU],
        mutants=[
            Mutant("the population's outlier at the edge", unweighted),
            Mutant("B/P for P/B", _inverted(d.THRESHOLD)),
        ],
        budgets={
            "quick": Budget(trials=1_536, margin=0.16),
            "standard": Budget(trials=8_192, margin=0.1, points=[{**weights, "c": 0.1, "P": 32}]),
            "paper": Budget(trials=16_384, margin=0.06, points=[{**weights, "c": 0.1, "P": 128}]),
        },
    )
