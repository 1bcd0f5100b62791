"""The spectrum of wide-network kernels on the sphere."""

from __future__ import annotations

from theorylab.claim import Budget, Claim, Mutant, Source, grid
from theorylab.theory import Theory

BACH = Source(
    authors="Bach, Francis",
    title="Breaking the Curse of Dimensionality with Convex Neural Networks",
    year=2017,
    where="appendix D",
    arxiv="1412.8690v2",
    journal="Journal of Machine Learning Research 18(19), 1-53",
)
BIETTI = Source(
    authors="Bietti, Alberto and Bach, Francis",
    title="Deep Equals Shallow for ReLU Networks in Kernel Regimes",
    year=2021,
    where="Theorem 1 and Corollary 3",
    arxiv="2009.14397v2",
)

theory = Theory(
    "infinite_width/ntk-nngp-sphere",
    title="The spectrum of wide-network kernels on the sphere",
    source=BACH,
)


@theory.claim(source=BACH)
def power_of_distance() -> Claim:
    """On the sphere of R^d the kernel (1 - x.x')^alpha has the eigenvalues Gamma(d/2)/sqrt(pi) (-alpha)_k 2^(alpha+d-2)
    Gamma(alpha+(d-1)/2)/Gamma(alpha+k+d-1): exactly."""
    from theorylab.checks import Identity
    from theorylab.derivations.infinite_width import ntk_nngp_sphere as d

    points = [
        {"d": 3, "k": 5, "alpha": 0.5},
        {"d": 4, "k": 12, "alpha": 1.5},
        {"d": 5, "k": 3, "alpha": -0.5},
        {"d": 6, "k": 8, "alpha": 2.5},
    ]
    return Claim(
        prediction=d.MELLIN,
        check=Identity(other=d.POWER_EIGENVALUE),
        points=points,
        mutants=[
            Mutant("2^(alpha + d - 1)", 2 * d.mellin),
            Mutant("the leading power of k alone", d.mellin_constant * d.k ** -(2 * d.alpha + d.d - 1)),
        ],
        budgets={
            "quick": Budget(trials=1, margin=1e-8),
            "standard": Budget(trials=1, margin=1e-8),
            "paper": Budget(trials=1, margin=1e-8),
        },
    )


@theory.claim(source=BACH)
def exponents() -> Claim:
    """Eigenvalues on the sphere of R^d fall like k^-d for the tangent kernel of a ReLU network and for the step, like
    k^-(d+2) for the covariance of a ReLU network and for the tangent kernel of ReLU^2."""
    from theorylab.checks import Identity
    from theorylab.derivations.infinite_width import ntk_nngp_sphere as d

    kernels = ["heaviside", "relu", "ntk", "ntk_squared"]
    few = grid(d=[2, 5], kernel=kernels)
    return Claim(
        prediction=d.EXPONENT,
        check=Identity(other=d.SLOPE, scale="absolute"),
        points=few,
        mutants=[
            Mutant("d - 1 for the tangent kernel", lambda value, d, kernel: value - 1.0),
            Mutant("d + 1 for the tangent kernel", lambda value, d, kernel: value + 1.0),
        ],
        budgets={
            "quick": Budget(trials=1, margin=0.02),
            "standard": Budget(trials=1, margin=0.02, points=grid(d=[2, 3, 4, 5, 6], kernel=kernels)),
            "paper": Budget(trials=1, margin=0.02, points=grid(d=[2, 3, 4, 5, 6], kernel=kernels)),
        },
    )


@theory.claim(source=BIETTI)
def constants_in_depth() -> Claim:
    """For the tangent kernel of D hidden ReLU layers mu_k k^d tends to 2^(d-2) Gamma(d/2)^2/pi^2 [D (D + 1)/2 + (-1)^k
    prod_{j<D} kappa_0(S_j)], S_1 = 0, S_(j+1) = kappa_1(S_j): odd degrees vanish at D = 1 alone.

    The exponent is that of one hidden layer at any depth; the constant grows like D^2. The relative correction is of
    order d^2/k: with (k + d/2 - 1)^d in place of k^d it is of order 1/k^2.
    """
    from theorylab.checks import Identity
    from theorylab.derivations.infinite_width import ntk_nngp_sphere as d

    few = grid(d=[2, 3], parity=[0, 1], D=[1, 2])
    return Claim(
        prediction=d.DEPTH_CONSTANT,
        check=Identity(other=d.SCALED_LIMIT, scale="absolute"),
        points=few,
        mutants=[
            Mutant("without the singularity at t = -1", d.constant(antipode=False)),
            Mutant("D for D (D + 1)/2", d.constant(summed=False)),
        ],
        budgets={
            "quick": Budget(trials=1, margin=0.001),
            "standard": Budget(trials=1, margin=0.001, points=grid(d=[2, 3, 4, 5, 6], parity=[0, 1], D=[1, 2, 3])),
            "paper": Budget(trials=1, margin=0.001, points=grid(d=[3, 4, 5, 6], parity=[0, 1], D=[1, 2, 3, 4, 6])),
        },
    )


@theory.claim(source=BACH)
def small_degrees() -> Claim:
    """The eigenvalue of degree k is the mean of f(x.x') P_k(x.x') over uniform points of the sphere (Funk-Hecke): shown
    for the tangent kernel."""
    from theorylab.checks import Expectation
    from theorylab.derivations.infinite_width import ntk_nngp_sphere as spectrum
    from theorylab.parameters import Integers, Parameter
    from theorylab.sims.infinite_width.gaussian_pairs import harmonic_components

    few = [{"d": 3, "k": 1, "kernel": "ntk", "D": 1}, {"d": 4, "k": 1, "kernel": "heaviside", "D": 1}]
    more = [*few, {"d": 5, "k": 2, "kernel": "ntk", "D": 3}]
    return Claim(
        prediction=spectrum.EIGENVALUE,
        simulation=harmonic_components,
        check=Expectation(),
        points=few,
        parameters=[Parameter("points", Integers(1), "points averaged in one trial", default=256)],
        mutants=[
            Mutant("weight (1 - t^2)^((d - 2)/2)", lambda value, d, **rest: spectrum.EIGENVALUE(d=d + 1, **rest)),
            Mutant("times N(d, k)", lambda value, d, k, **_: value * spectrum.multiplicity(int(d), int(k))),
        ],
        budgets={
            "quick": Budget(trials=8_192, margin=0.03),
            "standard": Budget(trials=131_072, margin=0.012, points=more),
            "paper": Budget(trials=1_200_000, margin=0.004, points=more),
        },
    )


@theory.claim(source=BACH)
def trace() -> Claim:
    """The eigenvalues times their multiplicities N(d, k) sum to f(1).

    For analytic kernels a few terms do; for the tangent kernel partial sums converge only like 1/k.
    """
    from theorylab.checks import Identity
    from theorylab.derivations.infinite_width import ntk_nngp_sphere as d

    return Claim(
        prediction=d.VALUE_AT_ONE,
        check=Identity(other=d.TRACE),
        points=grid(d=[3, 6], kernel="exponential"),
        mutants=[
            Mutant("the volume of the sphere", lambda value, d, kernel: value * 4 * 3.14159),
            Mutant("f(0)", lambda value, d, kernel: value * 0.3679),
        ],
        budgets={
            "quick": Budget(trials=1, margin=1e-9),
            "standard": Budget(trials=1, margin=1e-9, points=grid(d=[3, 4, 5, 6], kernel="exponential")),
            "paper": Budget(trials=1, margin=1e-9, points=grid(d=[3, 4, 5, 6], kernel="exponential")),
        },
    )
