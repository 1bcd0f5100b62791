"""Power laws and the best ridge of the solvable model of scaling laws.

Further claims of the theory in `msr_random_feature_scaling`.
"""

from __future__ import annotations

from typing import Any

from theorylab.claim import Budget, Claim, Mutant, grid
from theorylab.claims.scaling_laws.msr_random_feature_scaling import ZHANG, theory

IDENTITY = {
    "quick": Budget(trials=10, margin=1e-12),
    "standard": Budget(trials=50, margin=1e-12),
    "paper": Budget(trials=500, margin=1e-12),
}


@theory.claim
def infinite_data() -> Claim:
    """After infinitely many samples the mean loss of N features tends to (sigma_w^2/M) N nu, d1(nu) = N, as N and M
    grow in proportion.

    The loss is above it by a relative 0.4/N. By duality it is also the loss of T samples with infinitely many features.
    """
    from theorylab.checks import Asymptotic
    from theorylab.derivations.scaling_laws import msr_random_feature_scaling as d
    from theorylab.sims.scaling_laws.random_feature_limits import infinite_data as simulated

    right = d.INFINITE_DATA_AT_RATIO
    return Claim(
        prediction=right,
        simulation=simulated,
        check=Asymptotic(size="N", rate=1.0),
        points=grid(mu=[2.0, 4.0]),
        mutants=[
            Mutant("(sigma_w^2/M) (M - N) nu", lambda value, mu, **_: value * (mu - 1.0)),
            Mutant("N (1 - N/M): what is seen taken off twice", lambda value, mu, **_: value * (1.0 - 1.0 / mu)),
            Mutant("half-risk", lambda value, **_: value / 2),
        ],
        budgets={
            "quick": Budget(trials=256, margin=0.05, sizes=(12, 24, 48, 96)),
            "standard": Budget(
                trials=768, margin=0.01, sizes=(24, 48, 96, 192), points=grid(mu=[2.0, 4.0], alpha=[0.5, 1.5])
            ),
            "paper": Budget(
                trials=1024, margin=0.01, sizes=(50, 100, 200, 400), points=grid(mu=[2.0, 8.0], alpha=[0.3, 1.0, 2.0])
            ),
        },
    )


@theory.claim
def continuum_amplitude() -> Claim:
    """With infinitely many samples, M ~ N^2 and growing N, the loss times (N/M)^alpha/(sigma_w^2 lambda_-) tends to
    c^(1 + alpha), c = (pi/(1 + alpha))/sin(pi/(1 + alpha)).

    From below: N + 1/2 stands for N in nu, which takes off a relative (1 + alpha)/(2 N), and the fluctuations of the
    features put 0.4/N to 1/N back; 0.5/N remain at alpha = 2. At alpha = 1 and M = N^2/2 it is 2.2/N, because the end
    of the spectrum takes off (N/M)^alpha as well.
    """
    from theorylab.checks import Asymptotic
    from theorylab.derivations.scaling_laws import msr_random_feature_limits as d
    from theorylab.derivations.scaling_laws import msr_random_feature_scaling as model
    from theorylab.sims.scaling_laws.random_feature_limits import collapsed_infinite_data

    c, alpha = d.c, d.alpha
    return Claim(
        prediction=d.COLLAPSED,
        simulation=collapsed_infinite_data,
        check=Asymptotic(size="N", rate=1.0, order=2),
        points=grid(alpha=1.0, rho=0.5),
        parameters=[model.FEATURES, d.SQUARES],
        mutants=[
            Mutant("c", c),
            Mutant("c^alpha", c**alpha),
            Mutant("an integral without its constant", 1 + 0 * c),
        ],
        budgets={
            "quick": Budget(trials=512, margin=0.1, sizes=(8, 16, 32, 64)),
            "standard": Budget(trials=4096, margin=0.02, sizes=(8, 16, 32, 64), points=grid(alpha=[1.0, 2.0], rho=0.5)),
            "paper": Budget(
                trials=4096, margin=0.015, sizes=(10, 20, 40, 80, 160), points=grid(alpha=[1.0, 2.0], rho=2.0)
            ),
        },
    )


@theory.claim
def half_a_feature() -> Claim:
    """The effective ridge after infinitely many samples is within 0.2 % that of the continuum with N + 1/2 in place of
    N, lambda_- (c M/(N + 1/2))^(1 + alpha), at N = 100 and alpha >= 1.5.

    A sum over the spectrum is an integral from 1/2, not from 0. The end of the spectrum adds a relative (N/M)^alpha:
    at N = 100, M = 200,000 the two differ by 1.8 % at alpha = 0.5 and 0.2 % at 0.8.
    """
    import sympy as sp

    from theorylab.checks import Expectation
    from theorylab.derivations.scaling_laws import msr_random_feature_limits as d
    from theorylab.sims.scaling_laws.random_feature_limits import kernel_ridge_parameter

    N = d.N
    return Claim(
        prediction=d.HALF_SHIFTED,
        simulation=kernel_ridge_parameter,
        check=Expectation(),
        points=grid(N=100, M=200_000, alpha=[1.5, 2.0], lam=0.01),
        mutants=[
            Mutant("N", d.HALF_SHIFTED.expr.subs(N, N - sp.Rational(1, 2))),
            Mutant("N - 1/2", d.HALF_SHIFTED.expr.subs(N, N - 1)),
        ],
        budgets={
            "quick": Budget(trials=2, margin=0.002),
            "standard": Budget(trials=2, margin=0.002, points=grid(N=[50, 100], M=200_000, alpha=[1.5, 2.0], lam=0.01)),
            "paper": Budget(trials=2, margin=0.002, points=grid(N=[100, 200], M=10**6, alpha=[1.5, 2.0], lam=0.01)),
        },
    )


@theory.claim
def exponent() -> Claim:
    """After infinitely many samples the loss falls like N^-alpha while N << M; by duality like T^-alpha with many
    features.

    Seen through a drift N^-1 of the logarithm (N + 1/2 for N, and fluctuations); from N = M/10 on the end of the
    spectrum makes the loss fall faster.
    """
    from theorylab.checks import Exponent
    from theorylab.derivations.scaling_laws import msr_random_feature_limits as d
    from theorylab.derivations.scaling_laws import msr_random_feature_scaling as model
    from theorylab.sims.scaling_laws.random_feature_limits import infinite_data_at

    alpha = d.alpha
    return Claim(
        prediction=d.SLOPE,
        simulation=infinite_data_at,
        check=Exponent(size="N", drift=-1.0),
        points=grid(M=500, alpha=1.5, lam=1.0, rows=64),
        parameters=[model.FEATURES, model.DIMENSIONS, model.LEAST, d.ROWS],
        mutants=[
            Mutant("that of the spectrum, 1 + alpha", -(1 + alpha)),
            Mutant("alpha/(1 + alpha), of a fixed ridge", -alpha / (1 + alpha)),
            Mutant("2 alpha", -2 * alpha),
        ],
        budgets={
            "quick": Budget(trials=256, margin=0.2, sizes=(8, 16, 32, 64)),
            "standard": Budget(
                trials=1024,
                margin=0.03,
                sizes=(10, 20, 40, 80),
                points=grid(M=3000, alpha=[1.5, 2.0], lam=1.0, rows=80),
            ),
            "paper": Budget(
                trials=2048,
                margin=0.03,
                sizes=(10, 20, 40, 80, 160),
                points=grid(M=40_000, alpha=[1.2, 1.5, 2.0], lam=1.0, rows=160),
            ),
        },
    )


@theory.claim(source=ZHANG)
def exponent_at_the_best_ridge() -> Claim:
    """At the best ridge and T/N fixed the loss without label noise falls like N^-alpha, N, T << M: it is homogeneous of
    degree -alpha in (N, T), the best ridge of degree 1 - alpha.
    """
    from theorylab.checks import Exponent
    from theorylab.derivations.scaling_laws import msr_random_feature_limits as d
    from theorylab.derivations.scaling_laws import msr_random_feature_scaling as model
    from theorylab.sims.scaling_laws.random_feature_limits import scaled_ridge

    alpha = d.alpha

    def at(M: int, rows: int, *exponents: float) -> list[dict[str, Any]]:
        # At N = 1: the ridge is this times N^(1 - alpha).
        best = d.BEST_RIDGE_CONTINUUM
        return [
            {"tau": 3.0, "M": M, "rows": rows, "alpha": a, "h": float(best(N=1, T=3, M=M, alpha=a, lam=1.0))}
            for a in exponents
        ]

    return Claim(
        prediction=d.SLOPE,
        simulation=scaled_ridge,
        check=Exponent(size="N", drift=-1.0),
        points=at(500, 48, 1.5),
        parameters=[model.FEATURES, model.TAU, model.DIMENSIONS, model.SCALED_RIDGE, d.ROWS],
        mutants=[
            Mutant("that of the spectrum, 1 + alpha", -(1 + alpha)),
            Mutant("alpha/(1 + alpha)", -alpha / (1 + alpha)),
            Mutant("2 alpha: features and samples count twice", -2 * alpha),
        ],
        budgets={
            "quick": Budget(trials=256, margin=0.2, sizes=(6, 12, 24, 48)),
            "standard": Budget(trials=1024, margin=0.03, sizes=(10, 20, 40, 80), points=at(2000, 80, 1.5, 2.0)),
            "paper": Budget(
                trials=2048, margin=0.03, sizes=(10, 20, 40, 80, 160), points=at(20_000, 160, 1.2, 1.5, 2.0)
            ),
        },
    )


@theory.claim(source=ZHANG)
def best_degrees_of_freedom() -> Claim:
    """In the power-law regime the ridge that minimises the loss without label noise has (N - d1)(T - d1) =
    2 d1^2/(alpha (1 + alpha)): the smaller root of alpha N T - alpha (N + T) d1 + A d1^2,
    A = (alpha - 1)(alpha + 2)/(alpha + 1).
    """
    import sympy as sp

    from theorylab.checks import Identity
    from theorylab.derivations.scaling_laws import msr_random_feature_limits as d

    N, T, alpha = d.N, d.T, d.alpha
    quadratic = (alpha - 1) * (alpha + 2) / (alpha + 1)
    root = sp.sqrt(alpha**2 * (N + T) ** 2 - 4 * alpha * N * T * quadratic)
    return Claim(
        prediction=d.BEST_DEGREES,
        check=Identity(
            other=(alpha * (N + T) - root) / (2 * quadratic),
            ranges={"N": (10, 900), "T": (10, 900), "alpha": (0.2, 3.0)},
        ),
        mutants=[
            Mutant("the larger root", (alpha * (N + T) + root) / (2 * quadratic)),
            Mutant("harmonic mean", N * T / (N + T)),
            Mutant("half of the fewer", sp.Min(N, T) / 2),
        ],
        budgets=IDENTITY,
    )


@theory.claim(source=ZHANG)
def best_degrees_of_equal_numbers() -> Claim:
    """With as many features as samples the best ridge leaves d1 = N/(1 + sqrt(2/(alpha (1 + alpha)))) degrees of
    freedom: half of them at alpha = 1.
    """
    import sympy as sp

    from theorylab.checks import Identity
    from theorylab.derivations.scaling_laws import msr_random_feature_limits as d

    N, T, alpha = d.N, d.T, d.alpha
    return Claim(
        prediction=d.SQUARE_DEGREES,
        check=Identity(other=d.degrees.subs(T, N), ranges={"N": (10, 900), "alpha": (0.2, 3.0)}),
        mutants=[
            Mutant("half of them always", N / 2),
            Mutant("alpha for alpha (1 + alpha)", N / (1 + sp.sqrt(2 / alpha))),
        ],
        budgets=IDENTITY,
    )


@theory.claim(source=ZHANG)
def best_ridge() -> Claim:
    """The mean loss without label noise is least at g* = (sigma_u^2/M) nu (N - d1*)(T - d1*), d1(nu) = d1*: its
    derivative in log g changes sign there.

    The best degrees of freedom are those of a spectrum without end; nu is that of the M eigenvalues.
    """
    from dataclasses import replace

    import numpy as np

    from theorylab.checks import Boundary
    from theorylab.derivations.scaling_laws import msr_random_feature_limits as d
    from theorylab.derivations.scaling_laws import msr_random_feature_scaling as model
    from theorylab.sims.scaling_laws.random_feature_limits import ridge_slope

    right = d.BEST_RIDGE

    early = replace(
        right,
        equation=right.equation + d.degrees - d.N,
        numeric=None,
        bracket=lambda N, M, alpha, **_: (np.log(0.999 * (M - N) / M), np.log(1.1 * M ** (2.0 + alpha) / N)),
        derivation=None,
    )
    return Claim(
        prediction=right,
        simulation=ridge_slope,
        check=Boundary(parameter="g"),
        points=grid(N=30, T=30, M=500, alpha=1.5),
        parameters=[model.RIDGE],
        mutants=[
            Mutant("hardly any ridge: a thousandth", lambda value, **_: value / 1000.0),
            Mutant("nu of infinitely many samples, d1 = N", early),
            Mutant("ridge divided by T", lambda value, T, **_: value / T),
        ],
        budgets={
            "quick": Budget(trials=1024, margin=0.15, block=256),
            "standard": Budget(
                trials=1024, margin=0.08, points=[{"N": 100, "T": t, "M": 2000, "alpha": 1.5} for t in (100, 180)]
            ),
            "paper": Budget(
                trials=2048,
                margin=0.05,
                points=[{"N": 200, "T": t, "M": 6000, "alpha": a} for t in (200, 360) for a in (1.2, 1.5)],
            ),
        },
    )


@theory.claim(source=ZHANG)
def equal_numbers_are_best() -> Claim:
    """At a given product N T (the cost of training) and a ridge, the loss without label noise is least at N = T.

    Stationary by duality, at every ridge; a minimum where the ridge is large enough for the peak of double descent to
    be gone. The losses at N/T = 2 theta and theta/2 differ in sign with log theta.
    """
    import sympy as sp

    from theorylab.checks import Boundary
    from theorylab.derivations.scaling_laws import msr_random_feature_limits as d
    from theorylab.derivations.scaling_laws import msr_random_feature_scaling as model
    from theorylab.sims.scaling_laws.random_feature_limits import two_shapes

    return Claim(
        prediction=d.EQUAL_NUMBERS,
        simulation=two_shapes,
        check=Boundary(parameter="theta"),
        points=grid(product=3600, M=200, alpha=1.0, lam=0.01, g=2.0),
        parameters=[d.PRODUCT, d.THETA, model.DIMENSIONS, model.ALPHA, model.LEAST, model.RIDGE],
        mutants=[
            Mutant("twice as many samples as features", 1 / sp.Integer(2)),
            Mutant("twice as many features as samples", sp.Integer(2)),
        ],
        budgets={
            "quick": Budget(trials=512, margin=0.15),
            "standard": Budget(
                trials=4096, margin=0.1, points=grid(product=10_000, M=500, alpha=[0.5, 1.5], lam=0.01, g=3.0)
            ),
            "paper": Budget(
                trials=8192, margin=0.05, points=grid(product=40_000, M=1000, alpha=[0.5, 1.5], lam=0.01, g=10.0)
            ),
        },
    )
