"""Claims on batches that need no population model, on batches with replacement, and on ranks."""

from __future__ import annotations

from typing import Any

from theorylab.claim import Budget, Claim, Mutant, grid
from theorylab.claims.random_matrix.granziol_ggn import DATA, SIZES, _design, theory


@theory.claim
def conditional_shift() -> Claim:
    """Given the spectrum of the data set's Gram matrix, the largest eigenvalue of a batch of t N samples is
    (lambda_1 - (1 - t)/g(lambda_1))/t, g the mean of 1/(lambda_1 - k_i) over the N - 1 others, zeros included.

    No population model enters. The error is about 1.5/N at t = 1/4, 0.3/N at t = 1/2 (theta = 5). Dividing by N instead
    of N - 1 is an error of that order too: see `conditional_normalisation`.
    """
    from theorylab.checks import Asymptotic
    from theorylab.derivations.random_matrix import granziol_ggn as population
    from theorylab.derivations.random_matrix import granziol_ggn_conditional as d
    from theorylab.sims.random_matrix.data_batches import without_replacement

    def no_zero_modes(value: Any, *, spectrum: Any, N: Any, t: Any) -> Any:
        top = spectrum[..., -1]
        g = (1.0 / (top[..., None] - spectrum[..., :-1])).mean(axis=-1)
        return (top - (1 - t) / g) / t - top

    return Claim(
        prediction=d.CONDITIONAL_SHIFT,
        simulation=without_replacement,
        check=Asymptotic(size="N", observable="shift", given=("spectrum",)),
        points=grid(rho=0.25, t=0.25, theta=8.0, batches=3),
        parameters=[population.THETA, population.SIGMA, *_design()],
        mutants=[
            Mutant("g without the zero modes", no_zero_modes),
            Mutant("no 1/t", lambda value, spectrum, N, t: t * (value + spectrum[..., -1]) - spectrum[..., -1]),
            Mutant("without the finite-population factor 1 - t", lambda value, spectrum, N, t: value / (1 - t)),
        ],
        budgets=DATA,
    )


@theory.claim
def conditional_normalisation() -> Claim:
    """In the conditional form g is a mean over the N - 1 other eigenvalues: at N = 80 the shift is right within 5 %.

    Dividing by N makes the same formula, to leading order, but takes (1 - t)/(t g N) off the shift: 21 % of it here and
    still 3 % at N = 600.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.random_matrix import granziol_ggn as population
    from theorylab.derivations.random_matrix import granziol_ggn_conditional as d
    from theorylab.sims.random_matrix.data_batches import without_replacement

    def divided_by_all(value: Any, *, spectrum: Any, N: Any, t: Any) -> Any:
        top = spectrum[..., -1]
        return (top - (top - t * (value + top)) * N / (N - 1)) / t - top

    return Claim(
        prediction=d.CONDITIONAL_SHIFT,
        simulation=without_replacement,
        check=Expectation(observable="shift", given=("spectrum",)),
        points=grid(N=80, rho=0.25, t=0.5, theta=5.0, batches=3),
        parameters=[population.THETA, population.SIGMA, *_design()],
        mutants=[Mutant("N instead of N - 1", divided_by_all)],
        budgets={
            "quick": Budget(trials=4_096, margin=0.05),
            "standard": Budget(trials=65_536, margin=0.02),
            "paper": Budget(trials=32_768, margin=0.01, points=grid(N=400, rho=0.25, t=0.5, theta=5.0, batches=10)),
        },
    )


@theory.claim
def conditional_rotation() -> Claim:
    """Given the same spectrum, the squared overlap of the top eigenvectors of batch and data set is
    D lambda_1/(t lambda_1'), D = 1 + (1 - t) g'(lambda_1)/g(lambda_1)^2."""
    from theorylab.checks import Asymptotic
    from theorylab.derivations.random_matrix import granziol_ggn as population
    from theorylab.derivations.random_matrix import granziol_ggn_conditional as d
    from theorylab.sims.random_matrix.data_batches import without_replacement

    def in_sample_space(value: Any, *, spectrum: Any, N: Any, t: Any) -> Any:
        return d.moved_eigenvalue(spectrum, N, t)[2]

    def no_correction(value: Any, *, spectrum: Any, N: Any, t: Any) -> Any:
        kept = in_sample_space(value, spectrum=spectrum, N=N, t=t)
        return value / kept * (1 - (1 - kept) / (1 - t))

    return Claim(
        prediction=d.CONDITIONAL_OVERLAP,
        simulation=without_replacement,
        check=Asymptotic(size="N", observable="overlap", given=("spectrum",)),
        points=grid(rho=0.25, t=0.25, theta=8.0, batches=3),
        parameters=[population.THETA, population.SIGMA, *_design()],
        mutants=[
            Mutant("overlap in sample space", in_sample_space),
            Mutant("without the finite-population factor 1 - t", no_correction),
        ],
        budgets={
            "quick": Budget(trials=512, margin=0.05, sizes=SIZES),
            "standard": Budget(trials=4_000, margin=0.02, sizes=(60, 120, 240, 480)),
            "paper": Budget(trials=10_000, margin=0.01, sizes=(150, 300, 600, 1200)),
        },
    )


@theory.claim
def conditional_bulk() -> Claim:
    """Given the spectrum of the data set's Gram matrix K, the bulk of a batch of t N samples has the transform
    G(z) = g(omega) at z = (omega - (1 - t)/g(omega))/t, g that of K: its free compression.

    For data sets with half of the eigenvalues at one level and half at another. No population model enters.
    """
    from theorylab.checks import Law
    from theorylab.derivations.random_matrix import granziol_ggn_conditional as d
    from theorylab.sims.random_matrix.data_batches import batch_of_levels

    def unchanged(value: Any, x: Any, rho: Any, t: Any, level: Any) -> Any:
        return 0.5 * (x >= 1.0) + 0.5 * (x >= level)

    def points(N: int, *pairs: tuple[float, float]) -> list[dict[str, Any]]:
        return [{"N": N, "rho": rho, "t": t, "level": 4.0} for rho, t in pairs]

    return Claim(
        prediction=d.CONDITIONAL_CDF,
        simulation=batch_of_levels,
        check=Law(variable="x"),
        points=points(128, (0.25, 0.5)),
        parameters=[d.DATA],
        mutants=[
            Mutant("no 1/t", lambda value, x, t, **others: d.CONDITIONAL_CDF(x=x / t, t=t, **others)),
            Mutant("half the batch", lambda value, t, **others: d.CONDITIONAL_CDF(t=t / 2, **others)),
            Mutant("the spectrum of the data set", unchanged),
        ],
        budgets={
            "quick": Budget(trials=128, margin=0.04),
            "standard": Budget(trials=256, margin=0.012, points=points(320, (0.25, 0.5), (0.5, 0.25))),
            "paper": Budget(trials=512, margin=0.006, points=points(800, (0.25, 0.5), (0.5, 0.25), (0.25, 0.75))),
        },
    )


@theory.claim
def shift_with_replacement() -> Claim:
    """When a batch draws its samples with replacement, the largest eigenvalue moves further, to theta gamma(delta),
    with gamma = E[a/(1 + a delta)] over Poisson weights a.

    There is no finite-population correction: even a batch of N draws leaves out a third of the samples. Weights
    are kept up to a largest multiplicity, as a finite data set shows them.
    """
    from theorylab.checks import Asymptotic
    from theorylab.derivations.random_matrix import granziol_ggn as population
    from theorylab.derivations.random_matrix import granziol_ggn_replacement as d
    from theorylab.sims.random_matrix.data_batches import with_replacement

    def with_correction(value: Any, *, rho: Any, t: Any, theta: Any, sigma: Any, **_: Any) -> Any:
        return population.SHIFT(r=rho / t, t=t, theta=theta, sigma=sigma)

    return Claim(
        prediction=d.REPLACEMENT_SHIFT,
        simulation=with_replacement,
        check=Asymptotic(size="N", observable="shift"),
        points=grid(rho=0.25, t=0.5, kmax=5, theta=5.0, batches=3),
        parameters=[d.DATA, *_design()],
        mutants=[
            Mutant("the shift without replacement", with_correction),
            Mutant(
                "large spikes: (P/B) sigma^2",
                lambda value, rho, t, sigma, **_: rho / t * sigma**2 + 0.0 * value,
            ),
        ],
        budgets={
            "quick": Budget(trials=512, margin=0.08, sizes=(48, 96, 192, 384)),
            "standard": Budget(trials=4_000, margin=0.04, sizes=(60, 120, 240, 480)),
            "paper": Budget(trials=10_000, margin=0.03, sizes=(150, 300, 600, 1200)),
        },
    )


RANKS = {
    "quick": Budget(trials=16_384, margin=0.02),
    "standard": Budget(trials=100_000, margin=0.005),
    "paper": Budget(trials=1_000_000, margin=0.002),
}


@theory.claim
def rank() -> Claim:
    """The batch matrix of B samples has rank min(B, P): with fewer samples than parameters descent on it needs
    damping."""
    from theorylab.checks import Expectation
    from theorylab.derivations.random_matrix import granziol_ggn_replacement as d
    from theorylab.sims.random_matrix.data_batches import batch_rank

    return Claim(
        prediction=d.RANK,
        simulation=batch_rank,
        check=Expectation(),
        points=[{"P": 30, "B": 20}, {"P": 20, "B": 30}],
        mutants=[Mutant("P", d.P), Mutant("B", d.B), Mutant("one less, as after centring", d.RANK.expr - 2)],
        budgets=RANKS,
    )


@theory.claim
def rank_with_replacement() -> Claim:
    """With replacement the mean rank is the mean number of distinct samples, N (1 - (1 - 1/N)^B), when that number
    is at most P."""
    import sympy as sp

    from theorylab.checks import Expectation
    from theorylab.derivations.random_matrix import granziol_ggn_replacement as d
    from theorylab.sims.random_matrix.data_batches import resampled_rank

    return Claim(
        prediction=d.RANK_WITH_REPLACEMENT,
        simulation=resampled_rank,
        check=Expectation(),
        points=[{"N": 20, "B": 10}, {"N": 20, "B": 20}],
        mutants=[
            Mutant("without replacement", sp.Min(d.B, d.N)),
            Mutant("1 - 1/e of the batch", d.B * (1 - sp.exp(-1))),
        ],
        budgets=RANKS,
    )
