"""Second moments of SGD with fresh Gaussian batches, and the sharp threshold of its learning rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from theorylab.claim import Budget, Claim, Mutant, Source
from theorylab.theory import Theory

WU = Source(
    authors="Wu, Lei and Su, Weijie J.",
    title="The Implicit Regularization of Dynamical Stability in Stochastic Gradient Descent",
    year=2023,
    where="Definition 2.1",
    arxiv="2305.17490v2",
)
theory = Theory(
    "random_matrix/sgd-stability-gaussian",
    title="SGD with fresh Gaussian batches: exact second moments and the sharp threshold",
    source=WU,
)
FIVE = (0.1, 0.3, 0.6, 1.2, 2.0)
THREE = (0.3, 0.7, 1.5)
BUDGETS = ("quick", "standard", "paper")


def as_array(values: tuple[float, ...]) -> Any:
    """An array, without NumPy at import."""
    import numpy as np

    return np.array(values)


def _run(simulation: str, prediction: str, points: Any, mutants: list[Mutant], budgets: Mapping[str, Budget]) -> Claim:
    from theorylab.checks import Expectation
    from theorylab.derivations.random_matrix import sgd_stability_gaussian as d
    from theorylab.sims.random_matrix import sgd_moments

    return Claim(
        prediction=getattr(d, prediction),
        simulation=getattr(sgd_moments, simulation),
        check=Expectation(scale="peak" if simulation == "products" else "relative"),
        points=points,
        parameters=[d.RUNS] if simulation == "products" else [d.STEPS, d.RUNS],
        mutants=mutants,
        budgets=budgets,
    )


def _marched(own: float, power: int, noise: float = 1.0) -> Any:
    """A wrong run of the recursion."""

    def wrong(value: Any, spectrum: Any, B: Any, eta: Any, tau: Any, steps: Any) -> Any:
        from theorylab.derivations.random_matrix.sgd_stability_gaussian import march

        return march(spectrum, B, eta, noise * tau, steps, own, power)[0]

    return wrong


def _second_moments() -> Claim:
    spectrum = as_array(FIVE)

    def points(*runs: tuple[int, float, int]) -> list[dict[str, Any]]:
        return [{"spectrum": spectrum, "B": B, "eta": eta, "tau": 0.7, "steps": steps} for B, eta, steps in runs]

    more = points((1, 0.1, 6), (2, 0.18, 6), (8, 0.4, 12))
    return _run(
        "squares",
        "moments",
        points((1, 0.12, 3), (2, 0.2, 3), (8, 0.4, 6)),
        [
            Mutant("1 for 1 + 1/B", _marched(0.0, 1)),
            Mutant("squared eigenvalues in the rank-one part", _marched(1.0, 2)),
            Mutant("no noise of the labels", _marched(1.0, 1, 0.0)),
        ],
        {
            "quick": Budget(trials=8192, margin=0.08),
            "standard": Budget(trials=131_072, margin=0.02, points=more),
            "paper": Budget(trials=1_000_000, margin=0.01, points=more),
        },
    )


@theory.claim
def second_moments() -> Claim:
    """c_j = E theta_j^2 in the eigenbasis obeys c' = K c + (eta^2 tau^2/B) lambda, K = diag(1 - 2 eta lambda_j + eta^2
    lambda_j^2 (1 + 1/B)) + (eta^2/B) lambda lambda^T, exactly for every P, B and number of steps."""
    return _second_moments()


@theory.claim(control=True, expected="fails")
def second_moments_with_a_fifth_less() -> Claim:
    """The same with 1 + 4/(5B) in place of 1 + 1/B in K.

    A control: false by 4 % for the largest eigenvalue after three steps.
    """
    from dataclasses import replace

    from theorylab.derivations.random_matrix import sgd_stability_gaussian as d

    claim = _second_moments()
    wrong = replace(d.moments, function=lambda **at: d.march(**at, own=0.8))
    point = {"spectrum": as_array(FIVE), "B": 1, "eta": 0.12, "tau": 0.7, "steps": 3}
    return replace(
        claim,
        prediction=wrong,
        points=[point],
        mutants=[],
        budgets={name: Budget(trials=32_768, margin=0.01) for name in BUDGETS},
    )


@theory.claim
def matrix_step() -> Claim:
    """One step takes M = E theta theta^T to (I - eta Sigma) M (I - eta Sigma) + (eta^2/B) [Sigma M Sigma + tr(Sigma M)
    Sigma] + (eta^2 tau^2/B) Sigma: all entries, off the diagonal too."""
    import numpy as np

    def wrong(part: str) -> Any:
        def matrix(value: Any, spectrum: Any, B: Any, eta: Any, tau: Any, start: Any) -> Any:
            sigma, m = np.diag(spectrum), np.outer(start, start)
            lost = sigma @ m @ sigma if part == "product" else np.trace(sigma @ m) * sigma
            return value - (eta**2 / B * lost).ravel()

        return matrix

    point = {"spectrum": as_array(THREE), "B": 2, "eta": 0.3, "tau": 0.5, "start": as_array((1.0, -0.8, 0.6))}
    return _run(
        "products",
        "outer",
        [point, {**point, "B": 1, "eta": 0.2}],
        [
            Mutant("without Sigma M Sigma", wrong("product")),
            Mutant("without tr(Sigma M) Sigma", wrong("trace")),
        ],
        {
            "quick": Budget(trials=8192, margin=0.012),
            "standard": Budget(trials=65_536, margin=0.004),
            "paper": Budget(trials=500_000, margin=0.0015),
        },
    )


@theory.claim
def stationary() -> Claim:
    """With noise c_j tends to (eta/B) (tau^2 + S)/(2 - eta lambda_j (1 + 1/B)), S = tau^2 q/(1 - q)."""
    spectrum = as_array((0.5, 0.8, 1.5))

    def other(own: float, total: bool) -> Any:
        def wrong(value: Any, spectrum: Any, B: Any, eta: Any, tau: Any) -> Any:
            terms = 2 - eta * spectrum * (1 + own / B)
            q = (eta / B * spectrum / terms).sum() if total else 0.0
            return eta / B * tau**2 / (1 - q) / terms

        return wrong

    return _run(
        "squares",
        "stationary",
        [{"spectrum": spectrum, "B": 4, "eta": 0.4, "tau": 1.0, "steps": 30, "runs": 16}],
        [
            Mutant("without S", other(1.0, False)),
            Mutant("1 for 1 + 1/B", other(0.0, True)),
            Mutant("half", lambda value, **_: value / 2),
        ],
        {
            "quick": Budget(trials=6144, margin=0.04),
            "standard": Budget(trials=65_536, margin=0.015),
            "paper": Budget(trials=500_000, margin=0.005),
        },
    )


@theory.claim
def stationary_is_the_fixed_point() -> Claim:
    """The closed form of the stationary moments is (eta^2 tau^2/B) (I - K)^-1 lambda, up to 98 % of the threshold."""
    from theorylab.checks import Identity
    from theorylab.derivations.random_matrix import sgd_stability_gaussian as d

    spectrum = as_array(FIVE)
    return Claim(
        prediction=d.stationary,
        check=Identity(other=d.solved),
        points=[
            {"spectrum": spectrum, "B": B, "eta": share * float(d.critical(spectrum, B)[0]), "tau": 1.0}
            for B in (1, 8, 256)
            for share in (0.3, 0.98)
        ],
        mutants=[
            Mutant(
                "without S",
                lambda value, spectrum, B, eta, tau: value * (1 - d.secular(float(eta), spectrum, float(B))),
            ),
            Mutant("eta^2 for eta", lambda value, eta, **_: eta * value),
        ],
        budgets={name: Budget(trials=1, margin=1e-9) for name in BUDGETS},
    )


@theory.claim
def best_rate_of_white_data() -> Claim:
    """On white data the best learning rate eta_c/2 = B/(lambda (B + P + 1)) multiplies E|theta|^2 by 1 - B/(B + P + 1)
    at every step."""
    from theorylab.checks import Expectation
    from theorylab.derivations.random_matrix import granziol_learning_rate_stability as s
    from theorylab.derivations.random_matrix import sgd_stability_gaussian as d
    from theorylab.derivations.random_matrix.granziol_learning_rate import SIGMA
    from theorylab.sims.random_matrix.sgd_quadratic import one_step

    return Claim(
        prediction=d.best_factor,
        simulation=one_step,
        check=Expectation("ratio"),
        points=[{"P": P, "B": B, "sigma": 1.0, "eta": B / (B + P + 1.0)} for P, B in ((4, 2), (8, 16))],
        parameters=[SIGMA, s.ETA],
        mutants=[
            Mutant("P for P + 1", d.P / (d.B + d.P)),
            Mutant("1 - B/(B + P + 1) squared", d.best_factor.expr**2),
        ],
        budgets={
            "quick": Budget(trials=49_152, margin=0.02),
            "standard": Budget(trials=400_000, margin=0.008),
            "paper": Budget(trials=4_000_000, margin=0.003),
        },
    )
