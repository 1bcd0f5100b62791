r"""One hidden layer at infinite width: neurons are particles that meet in the output, and an average is a quadrature.

    $h_\mu \mapsto h_\mu + \eta\gamma \sum_\nu K_{\mu\nu} D_\nu\, a\, \phi'(h_\nu)$,
    $a \mapsto a + \eta\gamma \sum_\mu D_\mu \phi(h_\mu)$,  $f_\mu = \langle a\, \phi(h_\mu) \rangle / \gamma$,

from $h \sim N(0, K)$ and $a \sim N(0, 1)$. The average over these P + 1 normals is a product of Gauss-Hermite rules,
and its error the difference from that of rules with two thirds of the nodes. Without random numbers and without
responses, it is what the general solver is held against.
"""

from __future__ import annotations

import numpy as np

from theorylab.derivations.learning_dynamics.single_site_solution import Network, jet_of
from theorylab.errors import DomainError

# Nodes of a rule by number of patterns: more would be too many points together.
NODES = {1: 96, 2: 48}


def one_hidden_layer(network: Network, rate: float, last: int) -> tuple[np.ndarray, np.ndarray]:
    """Outputs after 0..last updates and their errors, of shape [last + 1], or [last + 1, 2] for two patterns.

    Raises
    ------
    DomainError
        When there is more than one hidden layer, or more than two patterns.
    """
    patterns = len(network.targets)
    if network.depth != 1 or patterns not in NODES:
        raise DomainError(
            f"particles are for one hidden layer and one or two patterns, not L = {network.depth} and {patterns}"
        )
    fine, coarse = (_descended(network, rate, last, NODES[patterns] // 3 * k) for k in (3, 2))
    error = np.abs(fine - coarse) + 1e-13 * np.abs(fine)
    return (fine[:, 0], error[:, 0]) if patterns == 1 else (fine, error)


def _descended(network: Network, rate: float, last: int, nodes: int) -> np.ndarray:
    gram, targets = np.array(network.gram), np.array(network.targets)
    _, jet, _ = jet_of(network.activation)
    x, w = np.polynomial.hermite_e.hermegauss(nodes)
    axes = np.meshgrid(*[x] * (len(targets) + 1), indexing="ij")
    weight = np.prod(np.meshgrid(*[w / w.sum()] * (len(targets) + 1), indexing="ij"), axis=0).ravel()
    values, vectors = np.linalg.eigh(gram)
    h = (vectors * np.sqrt(np.maximum(values, 0.0))) @ np.stack([axis.ravel() for axis in axes[:-1]])
    a, step = axes[-1].ravel(), rate * network.gamma
    f = np.empty((last + 1, len(targets)))
    for t in range(last + 1):
        phi, slope, _ = jet(h)
        f[t] = (a * phi) @ weight / network.gamma
        error = targets - f[t]
        h, a = h + step * (gram * error) @ (a * slope), a + step * error @ phi
    return f
