"""The largest stable learning rate as a function of the batch size: SGD, Adam, momentum and damping."""

from __future__ import annotations

from theorylab.claim import Budget, Claim, Mutant, Source, grid
from theorylab.theory import Theory

GRANZIOL = Source(
    authors="Granziol, Diego and Zohren, Stefan and Roberts, Stephen",
    title="Learning Rates as a Function of Batch Size: A Random Matrix Theory Approach to Neural Network Training",
    year=2022,
    where="sections 4 to 6",
    arxiv="2006.09092v3",
    journal="Journal of Machine Learning Research 23(173), 1-65",
)

theory = Theory(
    "random_matrix/granziol-learning-rate",
    title="Maximal learning rate against batch size: linear for SGD, square root for Adam, and where they saturate",
    source=GRANZIOL,
)


@theory.claim
def linear_then_saturating() -> Claim:
    """Under generalised Gauss-Newton noise the largest stable learning rate 2/(lambda_1 + P sigma^2/b) is
    (2 b/(P sigma^2)) / (1 + b/b*) with b* = P sigma^2/lambda_1: linear in the batch size below b*, constant above.

    The large-spike form of lambda_1'. The exact crossover of the population outlier is at P sigma^2/(theta - sigma^2).
    """
    from theorylab.checks import Identity
    from theorylab.derivations.random_matrix import granziol_learning_rate as d

    P, b, lam1, sigma = d.P, d.b, d.lam1, d.sigma
    star = P * sigma**2 / lam1

    def other(crossover: object, factor: object = 2) -> object:
        return (factor * b / (P * sigma**2)) / (1 + b / crossover)  # type: ignore[operator]

    return Claim(
        prediction=d.ggn_rate,
        check=Identity(
            other=other(star), ranges={"P": (1, 1000), "b": (1.0, 1000.0), "lam1": (0.1, 50.0), "sigma": (0.2, 3.0)}
        ),
        mutants=[
            Mutant("crossover of additive noise, P sigma^2/lambda_1^2", other(P * sigma**2 / lam1**2)),
            Mutant("1/lambda_1'", other(star, 1)),
        ],
        budgets={name: Budget(trials=20, margin=0.01) for name in ("quick", "standard", "paper")},
    )
