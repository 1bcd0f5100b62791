r"""Double-precision evaluation of comp-sum quantities, accurate to rounding up to every corner of the domain.

Write $e = 1 - \tau$ and $a = 1/(2 - \tau) = 1/(1 + e)$. Every quantity has the form $x\, E(\pm e x)$ with
$E(y) = (e^y - 1)/y$ (`exprel`, $E(0) = 1$) and $x$ a logarithm, a Rényi entropy or a Rényi divergence:

- $\Phi^\tau(u) = L\, E(e L)$ with $L = \log(1 + u)$;
- $C^*_\tau(p) = H_a\, E(e H_a)$ with $H_a$ the Rényi entropy of order $a$ of $p$;
- $T_\tau(\beta) = k^{e} D_a\, E(-e D_a)$ with $D_a$ the Rényi divergence of order $a$ of
  $((1+\beta)/2, (1-\beta)/2)$ from the uniform distribution, and $k = 2$ or $n$.

So $\tau \to 1$ needs no limit, and what remains is $H_a$ and $D_a$ near $a = 1$, near $a = \infty$, for nearly
certain labels and for $\beta \to 0$: each by the form of the sum that does not cancel there.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import exprel

Array = np.ndarray


def log_relative(x: Array) -> Array:
    """log(1 + x) / x, equal to 1 at 0."""
    safe = np.where(x == 0, 1.0, x)
    return np.where(x == 0, 1.0, np.log1p(safe) / safe)


def sinh_relative(x: Array) -> Array:
    """sinh(x) / x, equal to 1 at 0."""
    safe = np.where(x == 0, 1.0, x)
    return np.where(x == 0, 1.0, np.sinh(safe) / safe)


def comp_sum(tau: Any, u: Any) -> Array:
    """The outer function Phi^tau(u)."""
    length = np.log1p(u)
    return np.asarray(length * exprel((1.0 - tau) * length))


def comp_sum_slope_in_tau(tau: Any, u: Any) -> Array:
    r"""Derivative of Phi^tau(u) with respect to tau, $-\int_0^L x e^{(1-\tau)x} dx$ with $L = \log(1+u)$."""
    length = np.log1p(u)
    y = np.asarray((1.0 - tau) * length)
    # int_0^1 x e^(y x) dx = (1 + (y - 1) e^y) / y^2, by its series where that cancels.
    close = np.abs(y) < 1.0
    series = sum(np.where(close, y, 0.0) ** k / (math.factorial(k) * (k + 2)) for k in range(20))
    far = np.where(close, 1.0, y)
    return np.asarray(-(length**2) * np.where(close, series, (1.0 + (far - 1.0) * np.exp(far)) / far**2))


def renyi_entropy(tau: Any, p: Any, weight: Any = 1.0, complement: Any = None) -> Array:
    """Rényi entropy of order 1/(2 - tau), tau < 2, in nats.

    Parameters
    ----------
    tau : float[...]
    p : float[..., n]
        Probabilities; the last axis is summed.
    weight : float[..., n]
        Number of classes that each entry of `p` stands for.
    complement : float[..., n], optional
        1 - p where it is known more accurately than by subtraction.

    Returns
    -------
    float[...]
    """
    p = np.asarray(p, dtype=float)
    e = 1.0 - np.asarray(tau, dtype=float)[..., None]
    b = 1.0 + e
    positive = p > 0
    rest = np.where(positive, 1.0 - p if complement is None else complement, 0.0)
    safe = np.where(positive, p, 1.0)
    wait = -np.where(safe > 0.5, np.log1p(-np.where(safe > 0.5, rest, 0.0)), np.log(safe))
    # sum p^a = 1 + e A with A >= 0: no cancellation unless the sum is small.
    area = np.sum(weight * np.where(positive, p * wait * exprel(e / b * wait), 0.0), axis=-1) / b[..., 0]
    small = e[..., 0] * area
    near = b[..., 0] * area * log_relative(np.maximum(small, -0.5))
    # Else the largest probability is taken out.
    least = np.min(np.where(positive, wait, np.inf), axis=-1, keepdims=True)
    ratio = np.where(positive, np.exp(-np.where(positive, wait - least, 0.0) / b), 0.0)
    divisor = np.where(e[..., 0] == 0, 1.0, e[..., 0])
    far = (b[..., 0] * np.log(np.sum(weight * ratio, axis=-1)) - least[..., 0]) / divisor
    return np.asarray(np.where(small > -0.5, near, far))


def infimum_below_two(tau: Any, entropy: Any) -> Array:
    """Infimum of the conditional risk for tau < 2 from the Rényi entropy of order 1/(2 - tau)."""
    return np.asarray(entropy * exprel((1.0 - np.asarray(tau)) * entropy))


def binary_divergence(tau: Any, beta: Any) -> Array:
    r"""Rényi divergence $D_a$ of ((1+beta)/2, (1-beta)/2) from (1/2, 1/2), $a = 1/(2-\tau)$, tau < 2.

    $D_a = \log(M)/(a-1)$ with $M = ((1+\beta)^a + (1-\beta)^a)/2$. With $\theta = \operatorname{artanh}\beta$ and
    $\delta = (a-1)\theta$, $M = (\cosh\delta + \beta\sinh\delta)(1-\beta^2)^{(a-1)/2}$: used for small $\beta$.
    """
    tau, beta = np.broadcast_arrays(np.asarray(tau, dtype=float), np.asarray(beta, dtype=float))
    e = 1.0 - tau
    b = 1.0 + e
    excess = -e / b  # a - 1
    out = np.empty(beta.shape)
    low = beta < 0.3
    out[low] = _divergence_small_beta(excess[low], beta[low])
    out[~low] = _divergence_large_beta(excess[~low], beta[~low])
    return out


def _divergence_small_beta(excess: Array, beta: Array) -> Array:
    theta = np.arctanh(beta)
    delta = excess * theta
    # (cosh d + beta sinh d - 1) / (a - 1), exact at a = 1.
    half = np.minimum(delta, 1.0) / 2.0
    slope = theta * (np.sinh(half) * sinh_relative(half) + beta * sinh_relative(2.0 * half))
    near = slope * log_relative(excess * slope)
    ratio = np.exp(-2.0 * np.maximum(delta, 1.0))
    far = theta + np.log((1.0 + beta + (1.0 - beta) * ratio) / 2.0) / np.where(excess == 0, 1.0, excess)
    return np.asarray(np.where(delta < 1.0, near, far) + 0.5 * np.log1p(-beta * beta))


def _divergence_large_beta(excess: Array, beta: Array) -> Array:
    up = np.log1p(beta)
    inside = beta < 1.0
    down = np.log1p(-np.where(inside, beta, 0.0))
    moderate = np.minimum(excess, 1.0)
    slope = 0.5 * (1.0 + beta) * up * exprel(moderate * up)
    slope += np.where(inside, 0.5 * (1.0 - beta) * down * exprel(moderate * down), 0.0)
    near = slope * log_relative(moderate * slope)
    steep = np.maximum(excess, 1.0)
    ratio = np.where(inside, np.exp((1.0 + steep) * (down - up)), 0.0)
    far = up + (up + np.log1p(ratio) - np.log(2.0)) / steep
    return np.asarray(np.where(excess < 1.0, near, far))


def power_transform(tau: Any, beta: Any, classes: Any) -> Array:
    """T_tau(beta) = classes^(1-tau) D E(-(1-tau) D) for tau < 2; `classes` is 2 or n."""
    e = 1.0 - np.asarray(tau)
    divergence = binary_divergence(tau, beta)
    return np.asarray(np.power(classes, e) * divergence * exprel(-e * divergence))
