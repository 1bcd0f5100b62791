"""Ridge regression on random features of a kernel.

That more is better with the best ridge is in `rf_eigenframework_more`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from theorylab.claim import Budget, Claim, Mutant, Source
from theorylab.theory import Theory

theory = Theory(
    "double_descent/rf-eigenframework",
    title="Random-feature ridge regression: test and training error from the kernel's eigenvalues",
    source=Source(
        authors="Simon, James B. and Karkada, Dhruva and Ghosh, Nikhil and Belkin, Mikhail",
        title="More is Better in Modern Machine Learning: when Infinite Overparameterization is Optimal and "
        "Overfitting is Obligatory",
        year=2023,
        where="random-feature eigenframework",
        arxiv="2311.14646v4",
        journal="ICLR 2024",
    ),
)

SHAPE = {"alpha": 1.5, "beta": 1.5, "ratio": 3.0}
# Where the factor k/(k - q) counts: little noise, somewhat more features than samples, a small ridge.
FEW = {**SHAPE, "rho": 0.5, "h": 3.0, "s": 0.05}
MANY = {**SHAPE, "alpha": 1.2, "rho": 1.25, "h": 0.5, "s": 0.02}
POINTS = [FEW, MANY]
MORE = [
    *POINTS,
    {**SHAPE, "rho": 1.0, "h": 0.5, "s": 0.5},
    {**SHAPE, "rho": 3.0, "h": 2.0, "s": 0.5, "ratio": 5.0},
    {**SHAPE, "beta": 2.0, "rho": 1.25, "h": 0.5, "s": 0.02},
]
TRACES = [{"alpha": 1.5, "ratio": 3.0, "rho": 0.5, "h": 3.0}, {"alpha": 1.5, "ratio": 3.0, "rho": 2.0, "h": 1.0}]


def budgets(
    quick: tuple[int, float], standard: tuple[int, float], paper: tuple[int, float], more: Any = None
) -> dict[str, Budget]:
    """Budgets (trials, margin), with more points beyond quick."""
    return {
        "quick": Budget(*quick, sizes=(12, 24, 48, 96), block=64),
        "standard": Budget(*standard, sizes=(16, 32, 64, 128), points=more, block=64),
        "paper": Budget(*paper, sizes=(40, 80, 160, 320), points=more, block=64),
    }


def _changed(change: Callable[..., Any]) -> Callable[..., Any]:
    """A mutant: `change(found, weights, noise)` of the solution, the target's squared coefficients, the label noise."""

    def wrong(value: Any, **at: Any) -> Any:
        from theorylab.derivations.double_descent import rf_eigenframework as d
        from theorylab.derivations.double_descent.krr_eigenframework import power

        alpha, n, rho, ratio, h = (float(at[name]) for name in ("alpha", "n", "rho", "ratio", "h"))
        beta, s = float(at.get("beta", 1.0)), float(at.get("s", 0.0))
        return change(d.solution(alpha, n, rho, ratio, h), power(beta, round(ratio * n)), s * n ** (1.0 - beta))

    return wrong


def _published(found: Any, weights: Any, noise: float, q_term: float = 2.0, feature_factor: bool = True) -> float:
    """The published formula, at the solution's kappa and gamma, with parts that can be changed."""
    n, k, g, learned = found.n, found.k, found.gamma, found.learnabilities
    z, q = learned.sum(), (learned**2).sum()
    factor = k / (k - q) if feature_factor else 1.0
    turned = found.kappa / g * learned * found.unlearned * factor
    signal = ((found.unlearned - turned) * weights).sum()
    return float((signal + noise) / (1.0 - (q * (k - q_term * z) + z**2) / (n * (k - q))))


def _kappa_over_gamma(found: Any, weights: Any, noise: float) -> float:
    """The formula at the roots of k = z + kappa/gamma: kappa is k times as large, as if the ridge were k times less."""
    from theorylab.derivations.double_descent.eigenframework import solve_rf

    other = solve_rf(found.spectrum, found.n, found.k, found.ridge / found.k)
    return _published(replace(other, kappa=other.kappa * found.k), weights, noise)


def _kernel(found: Any, weights: Any, noise: float) -> float:
    from theorylab.derivations.double_descent.eigenframework import solve_krr

    return solve_krr(found.spectrum, min(found.n, found.k), found.ridge).test_risk(weights, noise)


def _sampled(prediction: Any, observable: str, mutants: list[Mutant], points: Any, budgets: Any) -> Claim:
    from theorylab.checks import Asymptotic
    from theorylab.derivations.double_descent import rf_eigenframework as d
    from theorylab.sims.double_descent.eigenfunctions import random_features

    own = prediction.space.names
    return Claim(
        prediction=prediction,
        simulation=random_features,
        check=Asymptotic(size="n", observable=observable),
        points=points,
        parameters=[p for p in (d.N, d.BETA, d.NOISE) if p.name not in own],
        mutants=mutants,
        budgets=budgets,
    )


@theory.claim
def test_error() -> Claim:
    """As n, k and the number of eigenvalues grow in proportion, the test error of random-feature ridge regression tends
    to [1 - (q(k-2z) + z^2)/(n(k-q))]^-1 (sum [g/(lambda+g) - kappa lambda/(lambda+g)^2 k/(k-q)] v^2 + sigma2).

    With z = sum lambda/(lambda+g), q the sum of squares, n = z + delta/kappa, k = z + k kappa/g. Finite sizes are above
    by 0.5 to 1.3 of it over min(n, k).
    """
    from theorylab.derivations.double_descent import rf_eigenframework as d

    mutants = [
        Mutant(
            "without k/(k - q) in the braces",
            _changed(lambda found, w, noise: _published(found, w, noise, feature_factor=False)),
        ),
        Mutant(
            "q(k - z) + z^2 in the prefactor", _changed(lambda found, w, noise: _published(found, w, noise, q_term=1.0))
        ),
        Mutant("kappa/g for k kappa/g", _changed(_kappa_over_gamma)),
        Mutant("a kernel with min(n, k) samples", _changed(_kernel)),
    ]
    return _sampled(d.TEST, "test", mutants, POINTS, budgets((512, 0.032), (1536, 0.015), (4096, 0.005), MORE))


@theory.claim
def training_error() -> Claim:
    """The training error tends to (delta/(n kappa))^2 times the test error.

    Near interpolation, k > n with a small ridge, finite sizes are above by up to 4/n of it.
    """
    from theorylab.derivations.double_descent import rf_eigenframework as d

    mutants = [
        Mutant(
            "delta/(n kappa) without its square",
            _changed(lambda found, w, noise: found.spare / found.n * found.test_risk(w, noise)),
        ),
        Mutant(
            "delta/(n gamma)",
            _changed(lambda found, w, noise: (found.ridge / found.n / found.gamma) ** 2 * found.test_risk(w, noise)),
        ),
    ]
    points = [FEW, {**SHAPE, "rho": 2.0, "h": 2.0, "s": 0.5}]
    return _sampled(d.TRAIN, "train", mutants, points, budgets((512, 0.05), (1536, 0.015), (4096, 0.006), points))


@theory.claim
def implicit_ridge() -> Claim:
    """The trace of (K + delta)^-1 for the features' kernel tends to 1/kappa: generalized cross-validation is right for
    random features too."""
    from theorylab.derivations.double_descent import rf_eigenframework as d

    mutants = [
        Mutant("1/gamma: that of the kernel", _changed(lambda found, *_: 1.0 / found.gamma)),
        Mutant("k/(n gamma)", _changed(lambda found, *_: found.k / found.n / found.gamma)),
    ]
    return _sampled(d.TRACE, "resolvent", mutants, TRACES, budgets((128, 0.04), (1024, 0.01), (2048, 0.004)))


@theory.claim(control=True, expected="fails")
def implicit_ridge_four_percent_off() -> Claim:
    """A control: the trace of the resolvent 4 % too large."""
    from theorylab.derivations.double_descent import rf_eigenframework as d

    wrong = d.TRACE.altered(lambda value, **_: 1.04 * value)
    return _sampled(wrong, "resolvent", [], TRACES, budgets((128, 0.015), (1024, 0.01), (2048, 0.004)))


def _without_ridge(points: Any, budgets: Any) -> Claim:
    from theorylab.derivations.double_descent import rf_eigenframework as d

    mutants = [
        Mutant("a kernel with min(n, k) samples", _changed(_kernel)),
        Mutant("U^2 for all terms", _changed(lambda found, w, noise: found.e_0 * (found.bias(w) + noise))),
        Mutant("without e_0", _changed(lambda found, w, noise: found.signal(w) + noise)),
    ]
    return _sampled(d.TEST, "test", mutants, points, budgets)


@theory.claim
def more_samples_than_features() -> Claim:
    """Without a ridge, for k < n, the test error tends to (sum U v^2 + sigma2)/(1 - k/n), U = g/(lambda + g) at
    sum L = k."""
    shape = {**SHAPE, "alpha": 1.2, "beta": 1.2, "h": 0.0, "s": 0.5}
    sizes = {"quick": (20, 40, 80, 160), "standard": (32, 64, 128, 256), "paper": (64, 128, 256, 512)}
    each = budgets((512, 0.05), (1536, 0.015), (4096, 0.006), [{**shape, "rho": rho} for rho in (0.125, 0.25)])
    each = {name: replace(budget, sizes=sizes[name]) for name, budget in each.items()}
    return _without_ridge([{**shape, "rho": 0.25}], each)


@theory.claim
def more_features_than_samples() -> Claim:
    """Without a ridge, for k > n, the test error tends to n(k-q)/((n-q)(k-n)) (sum U (rho U + 1 - rho) v^2 + sigma2),
    U = g/(lambda + g) at sum L = n and rho = (k - n)/(k - q)."""
    shape = {**SHAPE, "h": 0.0, "s": 0.5}
    each = budgets((512, 0.05), (1536, 0.015), (4096, 0.006), [{**shape, "rho": rho} for rho in (1.5, 2.0, 2.5)])
    return _without_ridge([{**shape, "rho": 2.0}], each)


@theory.claim
def peak() -> Claim:
    """Without a ridge the test error diverges at k = n as (sum U v^2 + sigma2)/|k/n - 1|, with the same amplitude on
    both sides: double descent.

    The two formulas for k < n and k > n, at k/n = 1 -+ 1e-5, against the amplitude at k = n.
    """
    from theorylab.checks import Identity
    from theorylab.derivations.double_descent import rf_eigenframework as d
    from theorylab.derivations.double_descent.eigenframework import solve_krr
    from theorylab.derivations.double_descent.krr_eigenframework import power, power_law

    def kernel_like(value: Any, **at: Any) -> Any:
        alpha, beta, n, ratio, s = (float(at[name]) for name in ("alpha", "beta", "n", "ratio", "s"))
        M = round(ratio * n)
        return solve_krr(power_law(alpha, M), n, 0.0).bias(power(beta, M)) + s * n ** (1.0 - beta)

    return Claim(
        prediction=d.AMPLITUDE,
        check=Identity(other=d.NEAR_PEAK),
        points=[{**SHAPE, "n": n, "s": s, "gap": gap} for n in (20, 200) for s in (0.02, 0.5) for gap in (-1e-5, 1e-5)],
        parameters=[d.GAP],
        mutants=[
            Mutant("U^2: the bias of a kernel", kernel_like),
            Mutant("label noise alone", lambda value, *, n, beta, s, **_: s * n ** (1.0 - beta)),
            Mutant("half", lambda value, **_: value / 2.0),
        ],
        budgets={name: Budget(1, 1e-4) for name in ("quick", "standard", "paper")},
    )


@theory.claim
def infinitely_many_features() -> Claim:
    """With infinitely many features the test error is that of the kernel: `krr-eigenframework`.

    At 10^9 features for each sample the difference is below 1e-7.
    """
    from theorylab.checks import Identity
    from theorylab.derivations.double_descent import krr_eigenframework as kernel
    from theorylab.derivations.double_descent import rf_eigenframework as d

    point = {"alpha": 1.5, "beta": 2.0, "ratio": 5.0, "rho": 1e9}
    many = {**point, "rho": 30.0}
    return Claim(
        prediction=kernel.TEST,
        check=Identity(other=d.TEST),
        points=[{**point, "n": 100, "h": h, "s": s} for h in (0.0, 0.5) for s in (0.02, 0.5)],
        parameters=[d.RHO],
        mutants=[
            Mutant(
                "30 n features are infinitely many",
                lambda value, *, n, h, s, **_: d.TEST(**{**many, "n": n, "h": h, "s": s}),
            ),
            Mutant("label noise left out", lambda value, *, n, beta, s, **_: value - s * n ** (1.0 - beta)),
        ],
        budgets={name: Budget(1, 1e-6) for name in ("quick", "standard", "paper")},
    )
