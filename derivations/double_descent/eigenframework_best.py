r"""The ridge of smallest test risk in the eigenframework.

At given $\gamma$ nothing is to be solved: the ridge is $\delta = \gamma a b/k$ with $a = n - z(\gamma)$ and
$b = k - z(\gamma)$. So the search goes over $\gamma$, above the value without a ridge, where the smaller of a and b is
zero.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from theorylab.derivations.double_descent.eigenframework import (
    Equivalent,
    Spectrum,
    at_gamma,
    solve_krr,
    solve_rf,
)

# Factors in log (gamma - least gamma): how far below and above the spectrum the search goes, and its first step.
BELOW, ABOVE, STEP = 1e-10, 1e6, 0.35
# Width in log gamma at which it ends: the risk is flat at its minimum, so that half the digits suffice.
WIDTH = 1e-7


def best_krr(eigenvalues: Spectrum | Any, n: float, power: Any, noise: float) -> Equivalent:
    """Kernel ridge regression with the ridge of smallest test risk; see `best_rf`."""
    return _best(eigenvalues, n, math.inf, power, noise)


def best_rf(eigenvalues: Spectrum | Any, n: float, k: float, power: Any, noise: float) -> Equivalent:
    """Ridge regression on random features with the ridge of smallest test risk.

    Parameters
    ----------
    eigenvalues : Spectrum or array_like[M]
    n, k : float
        Numbers of samples and of features.
    power : array_like[M]
        Squared coefficients of the target.
    noise : float
        Variance of the label noise.

    Returns
    -------
    Equivalent
        At the best ridge, zero included. Where there is nothing to learn it is a ridge so large that the predictor is
        nearly zero.

    Raises
    ------
    DomainError
        For bad input, as `solve_rf`.
    """
    return _best(eigenvalues, n, k, power, noise)


def _best(eigenvalues: Spectrum | Any, n: float, k: float, power: Any, noise: float) -> Equivalent:
    spectrum = eigenvalues if isinstance(eigenvalues, Spectrum) else Spectrum(eigenvalues)
    candidates = []
    if n == min(k, spectrum.rank):
        # The interpolation threshold: the risk is infinite without a ridge, but the search has an end there.
        least = solve_krr(spectrum, n, 0.0).gamma if n < spectrum.rank else 0.0
    else:
        candidates.append(solve_krr(spectrum, n, 0.0) if math.isinf(k) else solve_rf(spectrum, n, k, 0.0))
        least = candidates[0].gamma
    top, bottom = spectrum.place(0.0), least or spectrum.place(spectrum.rank)
    top = max(top, least)
    # For little signal the best ridge is about the noise over the signal's slope.
    slope = float(np.sum(np.asarray(power, dtype=float) * spectrum.eigenvalues))
    trace = float(np.sum(spectrum.multiplicities * spectrum.eigenvalues**2))
    if slope > 0.0 and math.isfinite(slope):
        top = max(top, (float(np.sum(power)) + noise) * trace / (n * slope))
    places = np.arange(math.log(BELOW * bottom), math.log(ABOVE * top) + STEP, STEP)

    def at(u: float) -> Equivalent:
        return at_gamma(spectrum, n, k, least + math.exp(u))

    def risk(u: float) -> float:
        return at(u).test_risk(power, noise)

    risks = np.array([risk(u) for u in places])
    # There may be several minima, with groups of eigenvalues of different orders: each is looked at closely.
    sides = np.concatenate([[math.inf], risks, [math.inf]])
    for i in map(int, np.flatnonzero((risks <= sides[:-2]) & (risks <= sides[2:]))):
        bracket = places[max(i - 1, 0)], places[min(i + 1, places.size - 1)]
        found = minimize_scalar(risk, bounds=bracket, method="bounded", options={"xatol": WIDTH})
        candidates += [at(float(found.x)), at(float(places[i]))]
    return min(candidates, key=lambda c: c.test_risk(power, noise))
