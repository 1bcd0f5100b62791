r"""Searches for extreme stability thresholds: SGD with fresh batches, and heavy-ball momentum.

Second moments of a Gaussian step need no sampling. From the axis k the j-th component of H_B w is
sqrt(lambda_j lambda_k) (z_j . z_k)/B with normal z in R^B: its mean square is the second moment of chi^2_B for j = k,
the first for j != k. Thresholds are roots in the learning rate, found by bracketing.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.stats import chi2

from theorylab.kernels.random import Stream
from theorylab.simulation import Cost, simulation

# A bracketed root takes about 2500 operations of the interpreter, each as slow as a dozen steps. Two eigenvalue
# problems of order two: 10 n^3 operations each, when there is no symmetry. Memory: of 4096 cases, the most in a block.
ROOT = Cost(flops=1.0, bytes=5e5, draws=2.0, steps=30_000.0)
EIGENVALUES = Cost(flops=160.0, bytes=5e5, draws=3.0, moved=700.0, factorisations=160.0, order=2.0)


def threshold(P: int, B: int, theta: float, sigma: float = 1.0) -> float:
    """Learning rate at which the second moments (E w_1^2, sum_{j>1} E w_j^2) cease to contract."""
    mean, square = float(chi2.moment(1, B)) / B, float(chi2.moment(2, B)) / B**2
    cross = float(chi2.moment(1, B)) / B**2
    bulk = sigma**2

    def determinant(eta: float) -> float:
        m11 = 1.0 - 2.0 * eta * theta * mean + eta**2 * theta**2 * square
        m22 = 1.0 - 2.0 * eta * bulk * mean + eta**2 * bulk**2 * (square + (P - 2) * cross)
        m21, m12 = eta**2 * theta * bulk * (P - 1) * cross, eta**2 * theta * bulk * cross
        return (1.0 - m11) * (1.0 - m22) - m12 * m21

    # The spike alone is unstable from here on.
    high = 2.0 * mean / (theta * square)
    if P == 1:
        return high
    return float(brentq(lambda eta: determinant(eta) / eta**2, 1e-12 * high, high, xtol=1e-15 * high, rtol=1e-14))


@simulation(backends=("numpy", "numba"), per_trial=False, cost=lambda **_: ROOT)
def isotropic_thresholds(trials: int, rng: Stream) -> dict[str, np.ndarray]:
    """Thresholds of white unit data at P and B drawn log-uniformly from 1 to 10^6.

    Returns
    -------
    x, y, error, case : float64[trials]
        P/B, the threshold, its numerical error, the number of the case.
    """
    sizes = np.rint(10.0 ** (6.0 * rng.uniform(trials, 2)))
    # A third of the cases have equal P and B.
    sizes[::3, 1] = sizes[::3, 0]
    y = np.array([threshold(int(P), int(B), 1.0) for P, B in sizes])
    return {"x": sizes[:, 0] / sizes[:, 1], "y": y, "error": 1e-12 * y, "case": np.arange(trials)}


@simulation(backends=("numpy", "numba"), per_trial=False, cost=lambda **_: ROOT)
def spiked_thresholds(trials: int, rng: Stream, *, r: float, B: int) -> dict[str, np.ndarray]:
    """Thresholds at unit sigma and P = r B for spikes drawn log-uniformly from the visible ones up to 10^4.

    Returns
    -------
    x, y, error, case : float64[trials]
        Spike, threshold, numerical error, number of the case.
    """
    least = 1.0 + np.sqrt(r)
    spike = least * (1e4 / least) ** rng.uniform(trials)
    y = np.array([threshold(round(r * B), B, float(t)) for t in spike])
    return {"x": spike, "y": y, "error": 1e-12 * y, "case": np.arange(trials)}


def spectral_radius(alpha: np.ndarray, rho: np.ndarray, h: np.ndarray) -> np.ndarray:
    """Spectral radius of the heavy-ball companion matrix at eigenvalue h, elementwise."""
    companion = np.zeros((*np.shape(h), 2, 2))
    companion[..., 0, 0], companion[..., 0, 1], companion[..., 1, 0] = 1.0 + rho - alpha * h, -rho, 1.0
    return np.asarray(np.abs(np.linalg.eigvals(companion)).max(axis=-1))


@simulation(backends=("numpy", "numba"), per_trial=False, cost=lambda: EIGENVALUES)
def momentum_search(trials: int, rng: Stream) -> dict[str, np.ndarray]:
    """Largest spectral radius over the spectrum {1, kappa} at random learning rates and momenta.

    Half of the cases are drawn over the whole stable range, half near the edge where momentum is matched to kappa.

    Returns
    -------
    x, y, error, case : float64[trials]
        kappa, spectral radius, its numerical error, number of the case.
    """
    u = rng.uniform(trials, 3)
    kappa = 10.0 ** (0.1 + 3.9 * u[:, 0])
    rho = u[:, 1]
    alpha = 2.0 * (1.0 + rho) / kappa * u[:, 2]
    near = np.arange(trials) % 2 == 0
    # Both ends critically damped would need alpha = (1 - sqrt rho)^2 = (1 + sqrt rho)^2 / kappa: random rho and alpha
    # between the two values.
    gap = (1.0 - np.sqrt(rho)) ** 2
    alpha[near] = (gap * ((1.0 + np.sqrt(rho)) ** 2 / kappa / gap) ** u[:, 2])[near]
    y = np.maximum(spectral_radius(alpha, rho, np.ones(trials)), spectral_radius(alpha, rho, kappa))
    # A double root of the characteristic polynomial is known to the square root of the rounding error.
    return {"x": kappa, "y": y, "error": np.full(trials, 1e-7), "case": np.arange(trials)}


def tuned_momentum(kappa: np.ndarray) -> np.ndarray:
    """Largest spectral radius over [1, kappa], at 101 curvatures, with learning rate and momentum tuned to the
    spectrum."""
    root = np.sqrt(np.asarray(kappa, dtype=float))
    alpha, rho = 4.0 / (root + 1.0) ** 2, ((root - 1.0) / (root + 1.0)) ** 2
    h = 1.0 + (root**2 - 1.0) * np.linspace(0.0, 1.0, 101)[:, None]
    return np.asarray(spectral_radius(alpha + 0.0 * h, rho + 0.0 * h, h).max(axis=0))
