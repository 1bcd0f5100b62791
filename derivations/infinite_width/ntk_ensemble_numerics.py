r"""Mean and covariance of an ensemble of infinitely wide networks along training, for any inputs.

    moments = ensemble("erf", x, y, at, depth=3, weight_variance=1.5, bias_variance=0.1, eta=0.1, times=[0, 10, 100])
    moments.mean[k, j], moments.covariance[k, j, j']

Full-batch gradient descent, its t-th power of $1 - \eta\Theta$ taken in the eigenbasis of $\Theta$ (no inverse: also
for kernels that are singular), or gradient flow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from theorylab.derivations.infinite_width.activations import Activation, activation
from theorylab.derivations.infinite_width.recursion import gram
from theorylab.errors import DomainError


class Moments(NamedTuple):
    """Mean float64[k, q] and covariance float64[k, q, q] at k instants and q points, and bounds on their errors."""

    mean: np.ndarray
    covariance: np.ndarray
    mean_error: float
    covariance_error: float


class Terms(NamedTuple):
    """The kernels between training inputs X and points x: K(X, X), K(x, X), K(x, x), Theta(X, X), Theta(x, X)."""

    prior: np.ndarray
    cross: np.ndarray
    own: np.ndarray
    tangent: np.ndarray
    reach: np.ndarray


def terms(K: np.ndarray, Theta: np.ndarray, m: int) -> Terms:
    """From kernels [..., m + q, m + q] over training inputs and points."""
    return Terms(K[..., :m, :m], K[..., m:, :m], K[..., m:, m:], Theta[..., :m, :m], Theta[..., m:, :m])


def gains(t: Terms, eta: float, times: Any, flow: bool = False) -> np.ndarray:
    r"""$A_t = \Theta(x, X) \Theta^{-1} (1 - (1 - \eta\Theta)^t)$, or with $e^{-\eta t \Theta}$ for the flow.

    Returns
    -------
    float64[..., k, q, m]

    Raises
    ------
    DomainError
        When a step of this learning rate makes the largest mode grow; the critical one is named.
    """
    values, vectors = np.linalg.eigh(t.tangent)
    largest = float(np.max(values))
    if not flow and not eta * largest < 2.0:
        raise DomainError(
            f"eta = {eta:g} is not stable: take eta < {2.0 / largest:.4g}, 2 over the largest eigenvalue of the "
            "tangent kernel"
        )
    x = eta * np.maximum(values, 0.0)[..., None, :]
    count = np.asarray(times, dtype=float)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        if flow:
            part = -np.expm1(-x * count)
        else:
            # (1 - x)^t, of a number below 0 too; near x = 0 by its logarithm.
            part = np.where(x < 0.5, -np.expm1(count * np.log1p(-x)), 1.0 - (1.0 - x) ** count)
        factors = np.where(x > 0, eta * part / x, eta * count)
    return np.asarray(np.einsum("...xi,...ij,...kj,...lj->...kxl", t.reach, vectors, factors, vectors))


def mean_and_covariance(
    t: Terms, gain: np.ndarray, y: np.ndarray, crossed: float = 2.0
) -> tuple[np.ndarray, np.ndarray]:
    """E f = A y and Cov f = K + A K A^T - A K - (A K)^T; `crossed` counts the cross terms, 1 to forget one of them."""
    covariance = t.own[..., None, :, :] + gain @ t.prior[..., None, :, :] @ np.swapaxes(gain, -1, -2)
    once = gain @ np.swapaxes(t.cross, -1, -2)[..., None, :, :]
    return gain @ y, covariance - crossed * 0.5 * (once + np.swapaxes(once, -1, -2))


def kernel_error(act: Activation, x: np.ndarray, **network: Any) -> float:
    """Relative error of the kernels: that of the duals, layer by layer, and of rounding."""
    total = 1e-14
    for depth in range(1, network["depth"]):
        K = gram(act, x, tangent=False, **{**network, "depth": depth}).K
        a = np.diag(K)
        pairs = (np.broadcast_to(a[:, None], K.shape), np.broadcast_to(a, K.shape), K)
        for value, error in (act.dual_with_error(*pairs), act.dual_slope_with_error(*pairs)):
            total += float(np.max(error) / np.max(np.abs(value)))
    return total


def ensemble(
    act: Any,
    x: Any,
    y: Any,
    at: Any,
    *,
    depth: int,
    eta: float,
    times: Sequence[float] | np.ndarray,
    weight_variance: float = 1.0,
    bias_variance: float = 0.0,
    trained: str = "all",
    flow: bool = False,
    crossed: float = 2.0,
) -> Moments:
    r"""Mean and covariance of the outputs of infinitely wide networks in the neural-tangent parametrisation.

    Parameters
    ----------
    act
        Activation, or its name or expression.
    x, y, at
        Inputs [m, n_0], labels [m], and points [q, n_0].
    depth
        Layers of weights.
    eta, times
        Learning rate of the standard normal parameters under the summed half squared error, and numbers of steps; for
        the flow eta times t is the training time.
    weight_variance, bias_variance
        C_W and C_b, of every layer; C_b = 0 is a network without biases.
    trained
        "all", or "readout": the last layer alone.
    flow
        Gradient flow instead of descent.
    crossed
        2; 1 forgets one of the two cross terms, for comparison.

    Raises
    ------
    DomainError
        When the learning rate is beyond stability, the kernels are not defined, or the arrays do not fit.
    """
    act = activation(act)
    x, at, y = (np.asarray(v, dtype=float) for v in (x, at, y))
    if x.ndim != 2 or at.ndim != 2 or x.shape[1] != at.shape[1] or y.shape != x.shape[:1]:
        raise DomainError(
            f"inputs {x.shape}, labels {y.shape} and points {at.shape} do not fit: want [m, n_0], [m] and [q, n_0]"
        )
    both = np.concatenate([x, at])
    network: dict[str, Any] = {"depth": depth, "weight_variance": weight_variance, "bias_variance": bias_variance}
    K, tangent = gram(act, both, **network)
    # Training the last layer alone: its gradients are the features, whose kernel is that of the start.
    Theta = K if trained == "readout" or tangent is None else tangent
    t = terms(K, Theta, len(x))
    gain = gains(t, eta, times, flow)
    mean, covariance = mean_and_covariance(t, gain, y, crossed)
    # A relative error d of Theta moves 1 - (1 - eta Theta)^t by at most d eta t |Theta|, and by no more than it is.
    strain = 1.0 + np.minimum(eta * np.max(np.asarray(times)) * np.linalg.norm(t.tangent, 2), 1e3)
    doubt = kernel_error(act, both, **network) * float(strain) * 10.0
    size = float(np.max(np.abs(gain), initial=1.0))
    return Moments(
        mean,
        covariance,
        doubt * size * float(np.max(np.abs(y))) * len(x),
        doubt * (1.0 + size) ** 2 * float(np.max(np.abs(K))) * len(x),
    )
