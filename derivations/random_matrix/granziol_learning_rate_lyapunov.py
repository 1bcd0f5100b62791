r"""The learning rate at which a typical run of SGD on isotropic Gaussian data stops converging.

With w along the first axis, |(I - eta H_B) w|^2/|w|^2 = (1 - a y)^2 + a^2 y z with a = eta sigma^2/B and independent
y ~ chi^2_B (the batch's inner products with w) and z ~ chi^2_{P-1} (the gradient in other directions). Data are
isotropic, so that the direction of w does not matter and log|w| is a random walk with independent steps: it drifts
upwards, and w diverges with probability 1, iff E log[(1 - a y)^2 + a^2 y z] > 0.

The integrals are taken by the trapezoidal rule after double-exponential substitutions, which bear the logarithmic
singularity at a y = 1, z = 0; refinement gives the error.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.special import gammaln

# Half-width of the double-exponential rules: their weights fall below 1e-30 before it.
REACH = 4.2


def _chi_square_rule(df: float, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights for E f(z), z ~ chi^2_df, f smooth in log z; df = 0 is the point mass at zero."""
    if df == 0:
        return np.zeros(1), np.ones(1)
    t = np.arange(-REACH, REACH + step / 2, step)
    # The density in log z has its mode at log df; to the left it falls like exp(df/2 log z) only.
    width = np.sqrt(2.0 / df) + 2.0 / df
    log_z = np.log(df) + np.sinh(t) * width
    log_weight = 0.5 * df * log_z - 0.5 * np.exp(np.minimum(log_z, 700.0)) - 0.5 * df * np.log(2.0) - gammaln(0.5 * df)
    weight = np.exp(log_weight) * np.cosh(t) * width * step
    kept = weight > 0
    return np.exp(log_z[kept]), weight[kept]


def _pieces(a: float, df: float, step: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes y, distances 1 - a y without cancellation, and weights of chi^2_df, with a break at y = 1/a."""
    t = np.arange(-REACH, REACH + step / 2, step)
    bend = 0.5 * np.pi * np.sinh(t)
    slope = 0.5 * np.pi * np.cosh(t)
    # Below the break: y = s/a with s in (0, 1) by the tanh-sinh rule.
    s, gap = 1.0 / (1.0 + np.exp(-2.0 * bend)), 1.0 / (1.0 + np.exp(2.0 * bend))
    y_low, w_low = s / a, 2.0 * s * gap * slope / a
    # Above it: y = (1 + u)/a with u in (0, infinity) by the exp-sinh rule.
    u = np.exp(np.minimum(bend, 300.0))
    y_high, w_high = (1.0 + u) / a, u * slope / a
    y, away = np.concatenate([y_low, y_high]), np.concatenate([gap, -u])
    weight = np.concatenate([w_low, w_high]) * step
    log_density = (0.5 * df - 1.0) * np.log(y) - 0.5 * y - 0.5 * df * np.log(2.0) - gammaln(0.5 * df)
    weight = weight * np.exp(log_density)
    kept = weight > 0
    return y[kept], away[kept], weight[kept]


def lyapunov(eta: float, P: int, B: int, step: float = 1.0 / 32.0) -> float:
    """E log(|(I - eta H_B) w|^2 / |w|^2) at sigma = 1."""
    a = eta / B
    y, away, weight = _pieces(a, B, step)
    z, inner = _chi_square_rule(P - 1, step)
    values = np.log(away[:, None] ** 2 + a**2 * y[:, None] * z)
    return float(weight @ values @ inner)


def _root(P: int, B: int, step: float) -> float:
    """Zero of `lyapunov` in eta, above the mean-square threshold (Jensen) by less than a factor that doubles."""
    low = 2.0 * B / (B + P + 1.0)
    high = 2.0 * low
    while lyapunov(high, P, B, step) < 0.0:
        high *= 2.0
    return float(brentq(lambda eta: lyapunov(eta, P, B, step), low, high, xtol=1e-15 * low, rtol=1e-14))


def _refined(P: int, B: int) -> tuple[float, float]:
    step, previous = 1.0 / 16.0, _root(P, B, 1.0 / 16.0)
    error = np.inf
    while step > 1.0 / 256.0 and error > 1e-12 * previous:
        step /= 2.0
        value = _root(P, B, step)
        error, previous = abs(value - previous), value
    return previous, error + 1e-13 * previous


def lyapunov_threshold(P: np.ndarray, B: np.ndarray, sigma: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Threshold of the learning rate and a bound on its error, by halving the step of the quadrature."""
    P, B, sigma = np.broadcast_arrays(P, B, sigma)
    found = np.array([_refined(int(p), int(b)) for p, b in zip(P.flat, B.flat)]).reshape(*P.shape, 2)
    return found[..., 0] / sigma**2, found[..., 1] / sigma**2
