"""Ridge regression with isotropic features in the proportional limit.

The best ridge and the ridgeless limit have their claims in `ridge_isotropic_best`.
"""

from __future__ import annotations

from typing import Any

from theorylab.claim import Budget, Claim, Mutant, Source, grid
from theorylab.theory import Theory

theory = Theory(
    "double_descent/ridge-isotropic",
    title="Ridge regression with isotropic features in the proportional limit",
    source=Source(
        authors="Dobriban, Edgar and Wager, Stefan",
        title="High-Dimensional Asymptotics of Prediction: Ridge Regression and Classification",
        year=2018,
        where="Theorem 2.1, identity covariance",
        arxiv="1507.03003v2",
        journal="The Annals of Statistics 46(1), 247-279",
        doi="10.1214/17-AOS1549",
    ),
)

# Features are gamma n in number: an integer at every size.
SIZES = {"quick": (24, 48, 96, 192), "standard": (64, 128, 256, 512), "paper": (128, 256, 512, 1024)}
POINTS = [{"gamma": 0.5, "lam": 0.1}, {"gamma": 2.0, "lam": 0.1}]
STANDARD = [
    *grid(gamma=[0.25, 0.5, 1.0, 2.0], lam=[0.1, 1.0]),
    {"gamma": 0.5, "lam": 0.01},
    {"gamma": 2.0, "lam": 0.01},
    {"gamma": 4.0, "lam": 0.1},
]
# 40 ratios from 0.1 to 10, evenly spaced on a logarithmic scale, in 128ths.
RATIOS = [max(1, round(128 * 10 ** (-1 + 2 * i / 39))) / 128 for i in range(40)]


def budgets(quick: tuple[int, float], standard: tuple[int, float], paper: tuple[int, float]) -> dict[str, Budget]:
    """Budgets (trials, margin) of the claims on spectra."""
    points = {"quick": None, "standard": STANDARD, "paper": grid(gamma=RATIOS, lam=[0.01, 0.1, 1.0])}
    given = {"quick": quick, "standard": standard, "paper": paper}
    return {
        name: Budget(trials, margin, sizes=SIZES[name], points=points[name], block=max(32, trials // 4))
        for name, (trials, margin) in given.items()
    }


def _spectral(prediction: Any, observable: str, mutants: list[Mutant], budgets: dict[str, Budget]) -> Claim:
    from theorylab.checks import Asymptotic
    from theorylab.derivations.double_descent import ridge_isotropic as d
    from theorylab.sims.double_descent.ridge import conditional

    own = prediction.space.names
    return Claim(
        prediction=prediction,
        simulation=conditional,
        check=Asymptotic(size="n", rate=1.0, observable=observable),
        points=POINTS,
        parameters=[d.N, *(parameter for parameter in (d.SIGMA2, d.R2) if parameter.name not in own)],
        mutants=mutants,
        budgets=budgets,
    )


@theory.claim
def bias() -> Claim:
    """The squared bias of ridge regression tends to r2 lam^2 D, D = -m'(lam) = (1/p) tr (S + lam)^-2, with corrections
    of order 1/n.

    Not r2 lam^2 m^2: eigenvalues spread, and the mean of a square is not the square of the mean. The difference is 13
    to 50 % of the bias and easily missed in the excess risk, where the variance hides it.
    """
    from theorylab.derivations.double_descent import ridge_isotropic as d

    mutants = [
        Mutant("square of the mean resolvent: r2 lam^2 m^2", d.r2 * d.lam**2 * d.resolvent**2),
        Mutant("gamma = n/p instead of p/n", d.bias.subs(d.gamma, 1 / d.gamma)),
        Mutant("fixed design: r2 lam^2/(1 + lam)^2", d.r2 * d.lam**2 / (1 + d.lam) ** 2),
    ]
    return _spectral(d.bias_risk, "bias", mutants, budgets((640, 0.04), (512, 0.02), (128, 0.01)))


@theory.claim
def variance() -> Claim:
    """The variance of ridge regression tends to sigma2 gamma (m - lam D), with corrections of order 1/n."""
    from theorylab.derivations.double_descent import ridge_isotropic as d

    m, square = d.resolvent, d.squared_resolvent
    mutants = [
        Mutant("gamma forgotten", d.variance / d.gamma),
        Mutant("sigma2 gamma m: lam D forgotten", d.sigma2 * d.gamma * m),
        Mutant("sigma2 gamma (m - lam m^2)", d.sigma2 * d.gamma * (m - d.lam * m**2)),
        Mutant("fixed design: sigma2 gamma/(1 + lam)^2", d.sigma2 * d.gamma / (1 + d.lam) ** 2),
        Mutant("sigma2 (m - lam D) D/m", d.sigma2 * (m - d.lam * square) * square / m),
    ]
    return _spectral(d.variance_risk, "variance", mutants, budgets((256, 0.02), (256, 0.01), (128, 0.005)))


@theory.claim
def excess_risk() -> Claim:
    """The excess risk of ridge regression tends to r2 lam^2 D + sigma2 gamma (m - lam D), with corrections of order
    1/n.

    With any ridge it is finite at gamma = 1; how high the peak is there, about sigma2/(2 sqrt lam), is up to the ridge.
    """
    from theorylab.derivations.double_descent import ridge_isotropic as d

    mutants = [
        Mutant("no bias", d.variance),
        Mutant("no variance", d.bias),
        Mutant("ridge doubled", d.excess.subs(d.lam, 2 * d.lam)),
        Mutant("gamma = n/p instead of p/n", d.excess.subs(d.gamma, 1 / d.gamma)),
    ]
    return _spectral(d.excess_risk, "excess", mutants, budgets((256, 0.02), (256, 0.01), (128, 0.005)))


@theory.claim
def training_error() -> Claim:
    """The training error of ridge regression tends to (1 - gamma (1 - lam m))^2 (excess risk + sigma2), with
    corrections of order 1/n."""
    from theorylab.derivations.double_descent import ridge_isotropic as d

    test = d.excess + d.sigma2
    mutants = [
        Mutant("factor not squared", d.kept * test),
        Mutant("excess risk without the noise", d.kept**2 * d.excess),
        Mutant("factor 1 - lam m without gamma", (d.lam * d.resolvent) ** 2 * test),
    ]
    return _spectral(d.training_error, "train", mutants, budgets((384, 0.03), (512, 0.02), (128, 0.01)))


@theory.claim
def degrees_of_freedom() -> Claim:
    """The degrees of freedom tr X (X^T X + n lam)^-1 X^T of ridge regression, divided by n, tend to
    gamma (1 - lam m)."""
    from theorylab.derivations.double_descent import ridge_isotropic as d

    mutants = [
        Mutant("number of features: gamma", d.gamma),
        Mutant("per feature: 1 - lam m", 1 - d.lam * d.resolvent),
        Mutant("population: gamma/(1 + lam)", d.gamma / (1 + d.lam)),
    ]
    return _spectral(d.degrees_of_freedom, "df", mutants, budgets((128, 0.015), (128, 0.004), (64, 0.002)))


@theory.claim
def generalized_cross_validation() -> Claim:
    """Training error divided by (1 - df/n)^2 tends to the test error, excess risk + sigma2: generalized
    cross-validation estimates it from the training set alone, at every ridge.

    Of every design: the mean is over noise and signal, and df is that of the design.
    """
    from theorylab.derivations.double_descent import ridge_isotropic as d

    test = d.excess + d.sigma2
    mutants = [
        Mutant("1 - df/n not squared", test * d.kept),
        Mutant("the training error itself", test * d.kept**2),
        Mutant("the error in-sample, by Mallows", test * d.kept**2 + 2 * d.sigma2 * d.degrees),
        Mutant("the excess risk", d.excess),
    ]
    return _spectral(d.test_error, "gcv", mutants, budgets((192, 0.02), (256, 0.01), (128, 0.005)))


@theory.claim
def fitted_excess_risk() -> Claim:
    """The mean of |betahat - beta|^2 over fits of drawn labels, for a fixed signal, tends to the same excess risk.

    The other claims average over noise and signal in closed form given the design, which saves a factor of 100 in
    trials; here is the estimator itself.
    """
    from theorylab.checks import Asymptotic
    from theorylab.derivations.double_descent import ridge_isotropic as d
    from theorylab.sims.double_descent.ridge import fitted

    return Claim(
        prediction=d.excess_risk,
        simulation=fitted,
        check=Asymptotic(size="n", rate=1.0, observable="excess"),
        points=POINTS,
        parameters=[d.N],
        mutants=[
            Mutant("ridge on X^T X instead of X^T X / n: lam too small", d.excess.subs(d.lam, d.lam / 10)),
            Mutant("no bias", d.variance),
            Mutant("no variance", d.bias),
            Mutant("test error: noise included", d.excess + d.sigma2),
        ],
        budgets={
            "quick": Budget(2048, 0.06, sizes=SIZES["quick"], block=512),
            "standard": Budget(32_768, 0.02, sizes=SIZES["quick"], block=4096),
            "paper": Budget(65_536, 0.01, sizes=(50, 100, 200, 400), points=grid(gamma=[0.5, 1, 2], lam=[0.1, 1.0])),
        },
    )


@theory.claim(control=True, expected="fails")
def control_bias() -> Claim:
    """False on purpose, by 4 %: the bias of ridge regression is 1.04 times what it is, at gamma = 2 and lam = 0.1."""
    from dataclasses import replace

    from theorylab.derivations.double_descent import ridge_isotropic as d

    wrong = replace(d.bias_risk, expr=1.04 * d.bias, derivation=None)
    mutants = [Mutant("square of the mean resolvent: r2 lam^2 m^2", d.r2 * d.lam**2 * d.resolvent**2)]
    claim = _spectral(
        wrong,
        "bias",
        mutants,
        {
            name: Budget(trials, 0.013, sizes=SIZES["quick"])
            for name, trials in {"quick": 128, "standard": 512, "paper": 1024}.items()
        },
    )
    return replace(claim, points=[{"gamma": 2.0, "lam": 0.1}])
