"""The spike at the transition and below it: threshold, critical laws, and what a hidden spike does."""

from __future__ import annotations

from theorylab.claim import Budget, Claim, Mutant, Source, grid
from theorylab.claims.random_matrix.rmt_bbp_wigner import theory

BLOEMENDAL = Source(
    authors="Bloemendal, Alex and Virag, Balint",
    title="Limits of spiked random matrices I",
    year=2013,
    where="Theorems 1.2 and 1.7",
    arxiv="1011.1877v2",
    journal="Probability Theory and Related Fields 156, 795-825",
)

SIZES = {
    "quick": (40, 160, 640, 2_560),
    "standard": (100, 400, 1_600, 6_400),
    "paper": (1_000, 4_000, 16_000, 64_000),
}


@theory.claim(source=BLOEMENDAL)
def threshold() -> Claim:
    """The spike leaves an outlier, and turns the top eigenvector, when theta exceeds s.

    The overlap falls like 1/P below the transition, like P^(-1/3) at it, of real matrices and others, and not at all
    above: P^(1/3) times it falls, stays and grows when the matrix doubles. The transition has width P^(-1/3).
    """
    from theorylab.checks import Boundary
    from theorylab.derivations.random_matrix import rmt_bbp_wigner as d
    from theorylab.sims.random_matrix.spiked_gaussian import overlap_growth

    return Claim(
        prediction=d.THRESHOLD,
        simulation=overlap_growth,
        check=Boundary(parameter="theta", ladder=(-2.0, -1.0, 1.0, 2.0)),
        points=grid(s=1.5, P=500, beta=2),
        parameters=[d.SIZE, d.THETA, d.BETA],
        mutants=[
            Mutant("the bulk edge 2 s for the spike", 2 * d.s),
            Mutant("the variance s^2", d.s**2),
        ],
        budgets={
            "quick": Budget(trials=2_048, margin=0.08),
            "standard": Budget(trials=8_192, margin=0.02, points=grid(s=1.5, P=16_000, beta=[1, 2, 4])),
            "paper": Budget(trials=65_536, margin=0.01, points=grid(s=1.5, P=100_000, beta=[1, 2, 4])),
        },
    )


@theory.claim(source=BLOEMENDAL)
def hidden_spike_edge() -> Claim:
    """Below the transition P^(2/3) (lambda_1/s - 2) follows the Tracy-Widom law, as without the spike.

    Of the mean the next term is P^(-1/3) (1/2 - 1/beta + x/(1 - x)), x = theta/s: for real matrices the spike s/3 takes
    it away, which lets 500 rows suffice.
    """
    from theorylab.checks import Law
    from theorylab.derivations.random_matrix import rmt_bbp_wigner as d
    from theorylab.derivations.random_matrix.tracy_widom import TracyWidom
    from theorylab.sims.random_matrix.spiked_gaussian import spiked_top

    return Claim(
        prediction=d.HIDDEN_CDF,
        simulation=spiked_top,
        check=Law(variable="x", observable="gap"),
        points=grid(P=500, theta=0.5, s=1.5, beta=1),
        parameters=[d.SIZE],
        mutants=[
            Mutant("complex law for real matrices", lambda value, x, theta, s, beta: TracyWidom(2).cdf(x)),
            Mutant("the law at the transition", lambda value, x, theta, s, beta: value**2),
        ],
        budgets={
            "quick": Budget(trials=8_192, margin=0.065),
            "standard": Budget(
                trials=65_536,
                margin=0.02,
                points=grid(P=8_000, theta=0.5, s=1.5, beta=1) + grid(P=64_000, theta=0.2, beta=2),
            ),
            "paper": Budget(trials=262_144, margin=0.01, points=grid(P=1_000_000, theta=0.5, beta=[1, 2])),
        },
    )


@theory.claim(source=BLOEMENDAL)
def critical_edge() -> Claim:
    """At the transition P^(2/3) (lambda_1/s - 2) follows F_1(x)^2 for complex matrices and F_1(2^(2/3) x) for
    quaternion ones, F_1 the Tracy-Widom law of real matrices without a spike.

    The factor is the unit of quaternion matrices (`rmt_tracy_widom`): stated as F_1(x) the second law is that of
    another scale. Means: -0.49 and -0.76. For real matrices there is a partial differential equation, no closed form.
    """
    from theorylab.checks import Law
    from theorylab.derivations.random_matrix import rmt_bbp_wigner as d
    from theorylab.derivations.random_matrix.tracy_widom import TracyWidom
    from theorylab.sims.random_matrix.spiked_gaussian import spiked_top

    return Claim(
        prediction=d.CRITICAL_CDF,
        simulation=spiked_top,
        check=Law(variable="x", observable="gap"),
        points=grid(P=2_000, theta=1.0, s=1.0, beta=[2, 4]),
        parameters=[d.SIZE, d.THETA, d.S],
        mutants=[
            Mutant("F_1, in one unit, for both", lambda value, x, beta: TracyWidom(1).cdf(x)),
            Mutant("as without the spike", lambda value, x, beta: d.HIDDEN_CDF(x=x, theta=0.1, beta=beta)),
        ],
        budgets={
            "quick": Budget(trials=8_192, margin=0.08),
            "standard": Budget(trials=32_768, margin=0.03, points=grid(P=64_000, theta=1.0, s=1.0, beta=[2, 4])),
            "paper": Budget(trials=262_144, margin=0.01, points=grid(P=1_000_000, theta=1.0, s=1.0, beta=[2, 4])),
        },
    )


def _hidden(name: str, *mutants: Mutant) -> Claim:
    from theorylab.checks import Asymptotic
    from theorylab.derivations.random_matrix import rmt_bbp_wigner as d
    from theorylab.sims.random_matrix import spiked_gaussian as sims

    return Claim(
        prediction=d.PUSH if name == "value" else d.HIDDEN_OVERLAP,
        simulation=sims.push if name == "value" else sims.spiked_top,
        check=Asymptotic(size="P", observable=name, rate=2.0 / 3.0),
        points=grid(theta=0.5, beta=4),
        parameters=[d.SIZE, d.BETA],
        mutants=mutants,
        budgets={
            "quick": Budget(trials=2_048, margin=0.15, sizes=SIZES["quick"]),
            "standard": Budget(
                trials=65_536, margin=0.05, sizes=SIZES["standard"], points=grid(theta=0.4, beta=[1, 2])
            ),
            "paper": Budget(
                trials=262_144, margin=0.02, sizes=SIZES["paper"], points=grid(theta=[0.2, 0.4], beta=[1, 2, 4])
            ),
        },
    )


@theory.claim(source=BLOEMENDAL)
def hidden_spike_overlap() -> Claim:
    """Below the transition P times the mean squared overlap tends to s^2/(s - theta)^2, like P^(-2/3).

    A spike that leaves no outlier still draws the top eigenvector: four times the weight of a random direction at
    theta = s/2.
    """
    from theorylab.derivations.random_matrix import rmt_bbp_wigner as d

    return _hidden(
        "weight",
        Mutant("1, as for a random direction", d.theta / d.theta),
        Mutant("first power", d.s / (d.s - d.theta)),
    )


@theory.claim(source=BLOEMENDAL)
def hidden_spike_push() -> Claim:
    """Below the transition the spike moves the largest eigenvalue by (s/P) theta/(s - theta) in the mean, as
    theta/(s - theta) more rows would."""
    from theorylab.derivations.random_matrix import rmt_bbp_wigner as d

    return _hidden(
        "value",
        Mutant("first order in the spike", d.theta),
        Mutant("s + theta for s - theta", d.s * d.theta / (d.s + d.theta)),
    )
