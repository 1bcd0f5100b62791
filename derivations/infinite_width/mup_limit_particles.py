r"""A wide network with one hidden layer in the maximal-update parametrisation, as particles on a quadrature rule.

Every neuron follows a map given by the residuals, which are sums over all neurons. So the infinitely wide network is a
system of particles that start on the nodes of a Gauss-Hermite rule in (U, nu) and carry its weights:

    $f(x) = \alpha \sum_k w_k \nu_k \phi(U_k \cdot x)$,  $r_\mu = f(x_\mu) - y_\mu$,
    $\nu_k \mapsto \nu_k - (\eta/\alpha) \sum_\mu r_\mu \phi(U_k \cdot x_\mu)$,
    $U_k \mapsto U_k - (\eta/\alpha) \sum_\mu r_\mu \nu_k \phi'(U_k \cdot x_\mu) x_\mu$, both from the old values.

Only the part of U in the span of the inputs takes part; for an odd activation (U, nu) and (-U, -nu) are one neuron, and
half of the particles do. Where $\eta$ times the largest eigenvalue of the tangent kernel
reaches 2, a step makes the loss larger: such learning rates are refused, at the start and along the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from theorylab.derivations.infinite_width.activations import Activation
from theorylab.errors import DomainError

# Nodes of a dimension, and of the coarser rules whose distance is the error: two, because one may be near by chance.
NODES, FEWER = 40, (32, 26)


class Trajectory(NamedTuple):
    """Outputs and changes of the hidden second moments at the times and points asked for, float64[k, q]."""

    outputs: np.ndarray
    changes: np.ndarray


def gaussian_nodes(deviations: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Tensor Gauss-Hermite rule of independent normals: nodes [count^k, k], weights [count^k]."""
    z, w = np.polynomial.hermite_e.hermegauss(count)
    w = w / w.sum()
    grids = np.meshgrid(*(s * z for s in deviations), indexing="ij")
    weights = np.ones(1)
    for _ in deviations:
        weights = np.multiply.outer(weights, w).ravel()
    return np.stack([g.ravel() for g in grids], axis=1), weights


def coordinates(x: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inputs, and points at which outputs are wanted, in an orthonormal basis of their span."""
    both = np.concatenate([x, at])
    _, values, basis = np.linalg.svd(both, full_matrices=False)
    kept = both @ basis[values > 1e-12 * max(values[0], 1e-300)].T
    return kept[: len(x)], kept[len(x) :]


def demand_stable(eta: float, kernel: np.ndarray, when: str) -> None:
    """Refuse a learning rate that a tangent kernel does not bear; the critical one is named."""
    largest = float(np.linalg.eigvalsh(kernel)[-1])
    if not eta * largest < 2.0:
        raise DomainError(
            f"eta = {eta:g} is not stable {when}: take eta < {2.0 / largest:.4g}, "
            "2 over the largest eigenvalue of the tangent kernel there"
        )


def particles(
    phi: Activation,
    x: np.ndarray,
    y: np.ndarray,
    at: np.ndarray,
    *,
    eta: float,
    times: Sequence[int],
    sigma_u: float = 1.0,
    sigma_v: float = 1.0,
    alpha: float = 1.0,
    count: int = NODES,
    readout_first: bool = False,
) -> Trajectory:
    """Train the infinitely wide network by full-batch gradient descent.

    Parameters
    ----------
    phi
        Activation; a smooth one, because a rule on a grid loses its accuracy at a kink.
    x, y, at
        Inputs [m, d], labels [m], and points [q, d] at which outputs are wanted.
    eta, times
        Learning rate, and numbers of steps after which outputs are wanted, ascending.
    sigma_u, sigma_v, alpha
        Deviations of the weights at the start, and output scale.
    count
        Nodes of a dimension; there is one more dimension than the inputs span.
    readout_first
        Update the readout before the gradient of the hidden layer is taken: a mistake, for comparison.

    Raises
    ------
    DomainError
        When the learning rate is beyond stability, at the start or later, or the activation has a kink.
    """
    if phi.kinks:
        raise DomainError(
            f"activation {phi.name} has a kink at {phi.kinks[0]:g}, where particles on a grid lose their accuracy: "
            "take a smooth one"
        )
    x, at = coordinates(np.atleast_2d(x).astype(float), np.atleast_2d(at).astype(float))
    nodes, weights = gaussian_nodes(np.array([sigma_u] * x.shape[1] + [sigma_v]), count)
    if np.array_equal(phi(-nodes), -phi(nodes)):
        weights = 2.0 * weights[nodes[:, -1] > 0]
        nodes = nodes[nodes[:, -1] > 0]
    u, nu = nodes[:, :-1], nodes[:, -1]
    gram, before = x @ x.T, weights @ phi(u @ at.T) ** 2
    outputs, changes = np.empty((len(times), len(at))), np.empty((len(times), len(at)))
    for step in range(times[-1] + 1):
        if step in times:
            shown, k = phi(u @ at.T), times.index(step)
            outputs[k], changes[k] = alpha * (weights * nu) @ shown, weights @ shown**2 - before
        if step == times[-1]:
            break
        h = u @ x.T
        a, g = phi(h), phi.slope(h)
        push = eta / alpha * (alpha * (weights * nu) @ a - y)
        pushed = g * nu[:, None]
        kernel = (weights[:, None] * a).T @ a + gram * ((weights[:, None] * pushed).T @ pushed)
        demand_stable(eta, kernel, "at the start" if step == 0 else f"after {step} steps")
        moved = nu - a @ push
        u = u - (g * (moved if readout_first else nu)[:, None] * push) @ x
        nu = moved
    return Trajectory(outputs, changes)


def limit(
    phi: Activation,
    x: np.ndarray,
    y: np.ndarray,
    at: np.ndarray,
    **options: Any,
) -> tuple[Trajectory, Trajectory]:
    """The trajectory on the finer rule; and as its error the largest distance from those on coarser ones.

    The largest over times and points: distances at single ones may vanish by chance.
    """
    fine = particles(phi, x, y, at, count=NODES, **options)
    coarse = [particles(phi, x, y, at, count=n, **options) for n in FEWER]
    errors = (max(np.max(np.abs(a - b)) for b in others) for a, others in zip(fine, zip(*coarse)))
    return fine, Trajectory(*(np.full(a.shape, error) for a, error in zip(fine, errors)))
