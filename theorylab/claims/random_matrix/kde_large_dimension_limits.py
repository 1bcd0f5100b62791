"""Kernel density estimates in large dimension: what finite sizes tend to."""

from __future__ import annotations

from typing import Any

from theorylab.claim import Budget, Claim, Mutant, grid
from theorylab.claims.random_matrix.kde_large_dimension import ALPHA, GLASS, IDENTITY, theory

# e^(alpha d) = 3^(d/10) is an integer at these sizes, 43 046 721 at the largest.
SPARSE = 0.10986122886681098
SIZES = {"quick": (10, 20, 40, 80), "standard": (10, 20, 40, 80), "paper": (20, 40, 80, 160)}


def _trend(prediction: str, observable: str, ratios: tuple[float, ...], mutants: list[Mutant], **at: Any) -> Claim:
    from theorylab.checks import Asymptotic
    from theorylab.derivations.random_matrix import kde_large_dimension as d
    from theorylab.sims.random_matrix.kernel_sums import condensation as simulated

    glass = float(d.glass(alpha=SPARSE))
    return Claim(
        prediction=getattr(d, prediction),
        simulation=simulated,
        check=Asymptotic(size="d", observable=observable, rate=1.0),
        points=[{"alpha": SPARSE, "h": round(c**0.5 * glass, 4), **at} for c in ratios],
        parameters=[d.ORDER],
        mutants=mutants,
        budgets={
            "quick": Budget(trials=8192, margin=0.06, sizes=SIZES["quick"]),
            "standard": Budget(trials=16_384, margin=0.05, sizes=SIZES["standard"]),
            "paper": Budget(trials=16_384, margin=0.04, sizes=SIZES["paper"]),
        },
    )


@theory.claim
def condensation() -> Claim:
    """Below h_G few weights count: the mean of sum_i w_i^2 is 1 - mu, mu = h^2 tau_d with entropy(tau_d) =
    log(tau_d sqrt(2 pi d phi''))/d, up to 1/d.

    tau_d tends to tau_c = 1/h_G^2 like (log d)/d: without it mu is 15 % too large at d = 40. Coefficient of 1/d: 0.7.
    """
    from dataclasses import replace

    from theorylab.derivations.random_matrix import kde_large_dimension as d

    wrong = d.weights_at_size.equation - d.tau / (1 + d.tau) ** 2 / 2
    return _trend(
        "weights_at_size",
        "moments",
        (0.5,),
        [
            Mutant("entropy without its last term", replace(d.weights_at_size, equation=wrong)),
            Mutant("1 - h/h_G", lambda value, **_: 1 - (1 - value) ** 0.5),
        ],
        k=2,
    )


@theory.claim
def squares_condense_at_h_clt() -> Claim:
    """The central limit theorem fails below h_CLT = sqrt(2) h_G because the squared kernel condenses there: the mean of
    sum_i w_i^4/(sum_i w_i^2)^2 is 1 - (h/h_CLT)^2, h_CLT = (2/tau_d)^(1/2), up to 1/d.

    Squaring the kernel is dividing its bandwidth by sqrt(2).
    """
    return _trend(
        "squares_at_size",
        "squares",
        (0.8,),
        [
            Mutant("h_CLT = 2 h_G", lambda value, **_: 1 - (1 - value) / 2),
            Mutant("1 - h/h_CLT", lambda value, **_: 1 - (1 - value) ** 0.5),
        ],
    )


@theory.claim
def gaussian_limit() -> Claim:
    """h_CLT, where alpha = <log(1 + 2 s/h^2)>/2 - <s h^2/(h^2 + 2 s)^2> over the variances s, is sqrt(2) h_G for every
    covariance of the data."""
    from theorylab.checks import Identity
    from theorylab.derivations.random_matrix import kde_large_dimension as d

    return Claim(
        prediction=d.gaussian_limit,
        check=Identity(other=d.root_two_glass, ranges={"alpha": (0.01, 3.0), "s": (0.05, 20.0)}),
        mutants=[
            Mutant("2 h_G", lambda value, **_: 2**0.5 * value),
            Mutant("white data", lambda value, alpha, s: d.gaussian_limit(alpha=alpha, s=1.0)),
        ],
        budgets={name: Budget(trials=4, margin=0.01) for name in IDENTITY},
    )


@theory.claim
def best_width() -> Claim:
    """The Kullback-Leibler divergence of isotropic data is least at h_KL^2 = 2 e_min = 1/(1 + tau_c) + 1/(1 + tau_c)^2,
    below h_G: inside the condensed regime.

    At finite d the best bandwidth comes down to it slowly: at alpha = 0.5 and |x|^2 = d 0.755 (d = 16), 0.688 (48),
    0.653 (144) against 0.622 and h_G = 0.652.
    """
    from theorylab.checks import Identity
    from theorylab.derivations.random_matrix import kde_large_dimension as d

    return Claim(
        prediction=d.best_width,
        check=Identity(other=d.least_divergence),
        points=grid(alpha=[0.1, 0.35, 0.5, 1.0]),
        mutants=[
            Mutant("h_KL^2 = e_min", lambda value, **_: value / 2**0.5),
            Mutant("h_KL = h_G", lambda value, alpha: d.glass(alpha=alpha)),
        ],
        budgets={name: Budget(trials=1, margin=0.005) for name in IDENTITY},
    )


def _far(prediction: str, other: str, points: list[dict[str, Any]], mutants: list[Mutant], margin: float) -> Claim:
    """A limit against the exact integral in a thousand dimensions."""
    from theorylab.checks import Identity
    from theorylab.derivations.random_matrix import kde_large_dimension as d

    return Claim(
        prediction=getattr(d, prediction),
        check=Identity(other=getattr(d, other), scale="absolute"),
        points=points,
        mutants=mutants,
        budgets={name: Budget(trials=1, margin=margin) for name in IDENTITY},
    )


def _widths(*ratios: float) -> list[dict[str, Any]]:
    return [{"alpha": ALPHA, "h": round(ratio * GLASS, 4)} for ratio in ratios]


@theory.claim
def weights_limit() -> Claim:
    """Below h_G the weights are those of Poisson and Dirichlet, of index mu = (h/h_G)^2: the mean of sum_i w_i^k tends
    to Gamma(k - mu)/(Gamma(k) Gamma(1 - mu)), 1 - mu for k = 2, and to zero above h_G. So does the exact integral,
    within 0.03 at d = 400, n = e^140."""
    import numpy as np

    from theorylab.derivations.random_matrix import kde_large_dimension as d

    return _far(
        "weights_limit",
        "weights_far",
        [{**at, "k": np.array([2, 3, 4])} for at in _widths(0.6, 0.8)] + [{**_widths(1.4)[0], "k": 2}],
        [
            Mutant("1 - mu for all k", d.weights_limit_of(2)),
            Mutant("(1 - mu)^(k - 1)", lambda value, alpha, h, k: (1 - (h / GLASS) ** 2) ** (k - 1) * (value > 0)),
            Mutant("h_CLT in place of h_G", lambda value, h, **at: d.weights_limit(h=h / 2**0.5, **at)),
        ],
        0.03,
    )


@theory.claim
def free_energy() -> Claim:
    """(1/d) log rho_hat tends to phi(1/h^2) - log(2 pi h^2)/2 above h_G and to -alpha - e_min/h^2 - log(2 pi h^2)/2
    below: so does the exact integral, within 0.02 at d = 400."""
    import sympy as sp

    from theorylab.derivations.random_matrix import kde_large_dimension as d

    return _far(
        "log_density_limit",
        "log_density_far",
        _widths(0.6, 1.2, 2.0),
        [
            Mutant("annealed at every h", -sp.log(2 * sp.pi * (1 + d.h**2)) / 2 - 1 / (1 + d.h**2) / 2),
            Mutant("without alpha below h_G", lambda value, alpha, h: value + alpha * (h < GLASS)),
            Mutant("e_min twice", lambda value, alpha, h: value - d.least_energy(alpha=alpha) / h**2 * (h < GLASS)),
        ],
        0.02,
    )


@theory.claim
def divergence_limit() -> Claim:
    """KL(rho || rho_hat)/d tends to [log(1 + h^2) + 1/(1 + h^2) - 1]/2 above h_G and to alpha + log h + e_min/h^2 - 1/2
    below: so does the exact integral, within 0.02 at d = 400."""
    import sympy as sp

    from theorylab.derivations.random_matrix import kde_large_dimension as d

    return _far(
        "kl_limit",
        "kl_far",
        _widths(0.6, 1.2, 2.0),
        [
            Mutant("the upper branch everywhere", (sp.log(1 + d.h**2) + 1 / (1 + d.h**2) - 1) / 2),
            Mutant("log rho_hat not averaged over x: without 1/2", lambda value, **_: value + 0.5),
        ],
        0.02,
    )


@theory.claim
def stable_laws() -> Claim:
    """Between h_G and h_CLT fluctuations of rho_hat, and below h_G rho_hat itself, have a stable law of index
    mu = (h/h_G)^2, totally skewed: so has the exact law at d = 400, in units of the weight of energy e, F(e) = 1/n, to
    0.02, at mu = 0.5 and 1.5."""
    from theorylab.checks import Identity
    from theorylab.derivations.random_matrix import kde_large_dimension as d

    return Claim(
        prediction=d.stable_law,
        check=Identity(other=d.law_far, scale="absolute"),
        points=grid(mu=0.5, y=[0.3, 1.0, 4.0, 20.0]) + grid(mu=1.5, y=[-3.0, -1.0, 1.0, 4.0]),
        mutants=[
            Mutant("index mu/2, as of the squared kernel", lambda value, mu, y: d.stable_law(mu=mu / 2, y=y)),
            Mutant("Gaussian", lambda value, mu, y: d.gaussian_law(y)),
        ],
        budgets={name: Budget(trials=1, margin=0.03) for name in IDENTITY},
    )
