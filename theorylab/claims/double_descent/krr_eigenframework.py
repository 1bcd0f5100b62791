"""Kernel ridge regression in its eigensystem.

How badly kernels overfit without a ridge is in `krr_eigenframework_overfitting`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from theorylab.claim import Budget, Claim, Mutant, Source, grid
from theorylab.theory import Theory

theory = Theory(
    "double_descent/krr-eigenframework",
    title="Kernel ridge regression: test and training error from the kernel's eigenvalues",
    source=Source(
        authors="Simon, James B. and Dickens, Madeline and Karkada, Dhruva and DeWeese, Michael R.",
        title="The Eigenlearning Framework: A Conservation Law Perspective on Kernel Regression and Wide Neural "
        "Networks",
        year=2023,
        where="eigenlearning equations",
        arxiv="2110.03922v6",
        journal="Transactions on Machine Learning Research",
    ),
)

POINTS = [{"alpha": 1.5, "beta": 1.3, "h": 0.5, "s": 0.5, "ratio": 5.0}]
MORE = [
    *POINTS,
    {"alpha": 1.2, "beta": 1.5, "h": 2.0, "s": 0.5, "ratio": 5.0},
    {"alpha": 1.8, "beta": 2.0, "h": 1.0, "s": 1.0, "ratio": 5.0},
]
SMALL_RIDGE = [{"alpha": 1.5, "beta": 1.3, "h": 0.01, "s": 0.5, "ratio": 5.0}]


def _only(points: Any, *names: str) -> list[dict[str, float]]:
    return [{name: point[name] for name in names} for point in points]


def budgets(
    quick: tuple[int, float], standard: tuple[int, float], paper: tuple[int, float], more: Any = None
) -> dict[str, Budget]:
    """Budgets (trials, margin), with more points beyond quick."""
    return {
        "quick": Budget(*quick, sizes=(10, 20, 40, 80), block=64),
        "standard": Budget(*standard, sizes=(24, 48, 96, 192), points=more, block=64),
        "paper": Budget(*paper, sizes=(48, 96, 192, 384), points=more, block=64),
    }


def _changed(change: Callable[..., Any]) -> Callable[..., Any]:
    """A mutant: `change(found, weights, **point)` of the solution and the target's squared coefficients."""

    def wrong(value: Any, **at: Any) -> Any:
        from theorylab.derivations.double_descent import krr_eigenframework as d

        point = {name: float(array) for name, array in at.items()}
        found = d.solution(*(point[name] for name in ("alpha", "n", "ratio", "h")))
        return change(found, d.power(point.get("beta", 0.0), round(point["ratio"] * point["n"])), **point)

    return wrong


def _twice_the_ridge(quantity: Callable[..., Any]) -> Callable[..., Any]:
    """A mutant: the right formula at twice the ridge."""
    from theorylab.derivations.double_descent import krr_eigenframework as d

    return _changed(
        lambda found, weights, *, alpha, n, ratio, h, **rest: quantity(
            d.solution(alpha, n, ratio, 2.0 * h), weights, n=n, **rest
        )
    )


def _sampled(prediction: Any, observable: str, mutants: list[Mutant], points: Any, budgets: Any, **check: Any) -> Claim:
    from theorylab.checks import Asymptotic
    from theorylab.derivations.double_descent import krr_eigenframework as d
    from theorylab.sims.double_descent import eigenfunctions as sims

    simulation: Any = {"bias": sims.mean_predictor, "gcv": sims.cross_validation}.get(observable, sims.kernel_ridge)
    own = prediction.space.names
    return Claim(
        prediction=prediction,
        simulation=simulation,
        check=Asymptotic(size="n", observable=observable, **check),
        points=points,
        parameters=[p for p in (d.N, d.BETA, d.NOISE) if p.name not in own and p.name in simulation.parameters],
        mutants=mutants,
        budgets=budgets,
    )


def _noise(*, n: float, beta: float, s: float, **_: float) -> float:
    """Variance of the label noise."""
    return float(s * n ** (1.0 - beta))


def _noisy(signal: Callable[..., float], factor: Callable[..., float]) -> Callable[..., Any]:
    return _changed(lambda found, weights, **at: factor(found) * (signal(found, weights) + _noise(**at)))


def _test_mutants() -> list[Mutant]:
    def unsquared(found: Any, weights: Any) -> float:
        return float((found.unlearned * weights).sum())

    return [
        Mutant(
            "1/(1 - sum L/n) for e_0: n kappa/delta",
            _noisy(lambda found, weights: found.bias(weights), lambda found: found.n / found.spare),
        ),
        Mutant("1 - L without its square", _noisy(unsquared, lambda found: found.e_0)),
        Mutant("no overfitting factor", _noisy(lambda found, weights: found.bias(weights), lambda found: 1.0)),
    ]


@theory.claim
def test_error() -> Claim:
    """As n and the number of eigenvalues grow, the test error of kernel ridge regression tends to
    e_0 (sum (1 - L)^2 v^2 + sigma2), e_0 = n/(n - sum L^2).

    At finite n it is above that by 0.25/n to 0.35/n of itself for power laws, over a wide range of ridges.
    """
    from theorylab.derivations.double_descent import krr_eigenframework as d

    return _sampled(
        d.TEST,
        "test",
        _test_mutants(),
        POINTS,
        budgets((320, 0.012), (1024, 0.005), (2048, 0.002), [*MORE, *SMALL_RIDGE]),
    )


@theory.claim(control=True, expected="fails")
def test_error_three_percent_off() -> Claim:
    """A control: the test error 3 % too large."""

    from theorylab.derivations.double_descent import krr_eigenframework as d

    return _sampled(
        d.TEST.altered(lambda value, **_: 1.03 * value),
        "test",
        [],
        POINTS,
        budgets((192, 0.015), (1024, 0.005), (2048, 0.002)),
    )


@theory.claim
def training_error() -> Claim:
    """The training error tends to (delta/(n kappa))^2 times the test error."""
    from theorylab.derivations.double_descent import krr_eigenframework as d

    mutants = [
        Mutant(
            "delta/(n kappa) without its square",
            _changed(lambda found, w, **at: found.spare / found.n * found.test_risk(w, _noise(**at))),
        ),
        Mutant(
            "without e_0",
            _changed(lambda found, w, **at: found.train_factor * (found.bias(w) + _noise(**at))),
        ),
        Mutant(
            "twice the ridge: that of half squared errors",
            _twice_the_ridge(lambda found, weights, **at: found.train_error(weights, _noise(**at))),
        ),
    ]
    return _sampled(d.TRAIN, "train", mutants, POINTS, budgets((320, 0.02), (1024, 0.008), (2048, 0.003), MORE))


@theory.claim
def implicit_ridge() -> Claim:
    """The trace of (K + delta)^-1 tends to 1/kappa, the root of n = sum lambda/(lambda + kappa) + delta/kappa."""
    from theorylab.derivations.double_descent import krr_eigenframework as d

    mutants = [
        Mutant("ridge alone, n/delta", _changed(lambda found, w, **_: found.n / found.ridge)),
        Mutant("with the ridge on top", _changed(lambda found, w, **_: 1.0 / (found.kappa + found.ridge / found.n))),
        Mutant("twice the ridge", _twice_the_ridge(lambda found, w, **_: 1.0 / found.kappa)),
    ]
    points = _only(POINTS, "alpha", "h", "ratio")
    more = _only(MORE, "alpha", "h", "ratio")
    return _sampled(d.TRACE, "resolvent", mutants, points, budgets((192, 0.015), (1024, 0.005), (2048, 0.002), more))


@theory.claim
def learnabilities() -> Claim:
    """The mean predictor has the coefficients L_i v_i, L = lambda/(lambda + kappa): averaged over octaves of modes,
    from those learned to those far beyond n."""
    from theorylab.derivations.double_descent import krr_eigenframework as d

    def half(found: Any, *_: Any, **__: Any) -> Any:
        return d.octave_means(found) ** 2

    mutants = [
        Mutant("L squared", _changed(half)),
        Mutant("without implicit ridge: lambda/(lambda + delta)", _changed(_explicit)),
        Mutant("twice the ridge", _twice_the_ridge(lambda found, w, **_: d.octave_means(found))),
    ]
    points = _only(POINTS, "alpha", "h", "ratio")
    more = _only(MORE, "alpha", "h", "ratio")
    return _sampled(d.LEARNED, "learned", mutants, points, budgets((320, 0.02), (1024, 0.006), (2048, 0.003), more))


def _explicit(found: Any, *_: Any, **__: Any) -> Any:
    from itertools import pairwise

    from theorylab.derivations.double_descent import krr_eigenframework as d
    from theorylab.derivations.double_descent.eigenframework import at_gamma

    # At gamma = delta, whatever n.
    fixed = at_gamma(found.spectrum, found.spectrum.rank, float("inf"), found.ridge)
    ends = [round(found.n * end) for end in d.OCTAVES]
    return [fixed.learnabilities[a:b].mean() for a, b in pairwise(ends)]


@theory.claim
def conservation() -> Claim:
    """For every data set the learnabilities add up to n - delta tr (K + delta)^-1: to n without a ridge, however many
    modes there are.

    An identity at every size and draw; the margin is that of rounding.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.double_descent import krr_eigenframework as d
    from theorylab.sims.double_descent.eigenfunctions import kernel_ridge

    points = grid(n=[20, 40], h=[0.0, 0.5, 5.0])
    return Claim(
        prediction=d.TOTAL,
        simulation=kernel_ridge,
        check=Expectation(observable="total", given=("resolvent",)),
        points=points,
        parameters=[d.ALPHA, d.BETA, d.RATIO, d.NOISE],
        mutants=[
            Mutant("all n samples, with a ridge too", lambda value, n, **_: n + 0.0 * value),
            Mutant("delta/n for delta", lambda value, n, **_: n - (n - value) / n),
        ],
        budgets={"quick": Budget(64, 1e-6), "standard": Budget(256, 1e-6), "paper": Budget(1024, 1e-6)},
    )


@theory.claim
def bias() -> Claim:
    """The squared error of the predictor averaged over data sets and noise tends to sum (1 - L)^2 v^2.

    All that e_0 adds is variance. Two independent data sets in each trial give the square of a mean without bias.
    """
    from theorylab.derivations.double_descent import krr_eigenframework as d

    mutants = [
        Mutant("with e_0", _changed(lambda found, weights, **_: found.e_0 * found.bias(weights))),
        Mutant("without the square", _changed(lambda found, weights, **_: float((found.unlearned * weights).sum()))),
    ]
    points = _only(POINTS, "alpha", "beta", "h", "ratio")
    more = _only(MORE, "alpha", "beta", "h", "ratio")
    return _sampled(d.BIAS, "bias", mutants, points, budgets((192, 0.02), (1024, 0.006), (2048, 0.003), more))


@theory.claim
def cross_validation() -> Claim:
    """The training error over the square of (delta/n) tr (K + delta)^-1 tends to the test error: generalized
    cross-validation."""
    from theorylab.derivations.double_descent import krr_eigenframework as d

    mutants = [
        Mutant(
            "without the square",
            _changed(lambda found, w, **at: found.spare / found.n * found.test_risk(w, _noise(**at))),
        ),
        Mutant(
            "label noise left out", _changed(lambda found, w, **at: found.test_risk(w, _noise(**at)) - _noise(**at))
        ),
    ]
    return _sampled(d.TEST, "gcv", mutants, POINTS, budgets((192, 0.02), (1024, 0.006), (2048, 0.003), MORE))


@theory.claim
def one_eigenvalue() -> Claim:
    """With one eigenvalue the test error is that of ridge regression on isotropic features: `ridge-isotropic`."""
    from theorylab.checks import Identity
    from theorylab.derivations.double_descent import krr_eigenframework as d
    from theorylab.derivations.double_descent import ridge_isotropic as isotropic

    ranges = {"gamma": (0.1, 5.0), "lam": (0.001, 3.0), "sigma2": (0.05, 2.0), "r2": (0.1, 3.0)}
    return Claim(
        prediction=isotropic.test_error,
        check=Identity(other=d.ISOTROPIC, ranges=ranges),
        mutants=[
            Mutant("excess risk: label noise left out", isotropic.excess),
            Mutant("gamma = n/p", (isotropic.excess + isotropic.sigma2).subs(isotropic.gamma, 1 / isotropic.gamma)),
        ],
        budgets={name: Budget(trials, 1e-10) for name, trials in (("quick", 20), ("standard", 200), ("paper", 1000))},
    )
