r"""Deep networks in the mean-field parametrisation, trained by full-batch gradient descent.

With L hidden layers of width N and inputs of Gram matrix K, $h^1_\mu = W^0 x_\mu / \sqrt D$,
$h^{l+1} = W^l \phi(h^l) / \sqrt N$ and $f_\mu = w \cdot \phi(h^L_\mu) / (\gamma N)$, all weights standard normal at
the start. The loss is $\frac12 \sum_\mu (y_\mu - f_\mu)^2$, the learning rate $\eta \gamma^2 N$ for every weight;
"time t" is after t updates. Recorded are outputs and the kernels

    $H_l = \phi(h^l) \cdot \phi(h^l) / N$,  $G_l = g^l \cdot g^l / N$ with $g^l = \gamma N\, \partial f / \partial h^l$,
    NTK $= \sum_{l=0}^{L} H_l \circ G_{l+1}$ with $H_0 = K$, $G_{L+1} = 1$.

A trial is a pair of networks that start from opposite readouts w and -w and the same other weights, and its observables
are averages over the pair: the outputs at the start cancel, and with them most of the scatter. As a reference for
regressions, a trial also tells the `norms` of its initial weights, whose expectation is 1 at every width: of $h^1$, of
$W^l \phi(h^l)$ over $\phi(h^l)$ for each l, and of w.

Cost: weights are W at the start plus changes of low rank (`kernels.mean_field_descent`), so that a step takes two
passes over each matrix: with one pattern and two layers a pair of N = 500 takes 3 ms for 16 steps.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from theorylab.kernels import mean_field_descent
from theorylab.kernels.arrays import host, namespace
from theorylab.kernels.random import Stream
from theorylab.simulation import Cost, simulation

# Operations of an activation with its slope, in units of a multiplication.
ACTIVATION = 20.0


def networks(
    trials: int,
    rng: Stream,
    gram: np.ndarray,
    targets: np.ndarray,
    *,
    activation: str,
    L: int,
    N: int,
    gamma: float,
    rate: float,
    steps: int,
) -> dict[str, Any]:
    """Train `trials` pairs on any patterns.

    Parameters
    ----------
    trials, rng
        Pairs and their random numbers; arrays come back in the array library of the stream's backend.
    gram, targets : float64[P, P], float64[P]
        Gram matrix of the inputs (over their dimension) and labels.
    activation
        "linear", "relu", "tanh" or "erf".
    L, N, gamma, rate, steps
        Hidden layers, width, laziness, learning rate in units of gamma^2 N, updates.

    Returns
    -------
    f : float64[trials, 2, T + 1, P]
        Outputs of either network after 0..T updates.
    forward, backward : float64[trials, L, 2, T + 1, P, N]
        Fields phi(h^l) and g^l.
    norms : float64[trials, L + 1]
        Of the initial weights; each has expectation 1.
    """
    gram, targets = np.asarray(gram, dtype=float), np.asarray(targets, dtype=float)
    patterns = len(targets)
    values, vectors = np.linalg.eigh(gram)
    mixing = vectors * np.sqrt(np.maximum(values, 0.0))
    normal = rng.normal(trials, patterns, N)
    xp = namespace(normal)
    first = xp.matmul(xp.asarray(mixing), normal)
    hidden = rng.normal(trials, L - 1, N, N)
    w = rng.normal(trials, 1, N)
    descend = mean_field_descent.descend_numba if rng.backend == "numba" else mean_field_descent.descend
    f, forward, backward = descend(
        first,
        hidden,
        xp.concat([w, -w], axis=1),
        xp.asarray(gram),
        xp.asarray(targets),
        activation=activation,
        gamma=gamma,
        rate=rate,
        steps=steps,
    )
    norms = [xp.sum(normal * normal, axis=(1, 2)) / (patterns * N)]
    for l in range(L - 1):
        seen = forward[:, l, 0, 0, 0, :, None]
        sent = xp.matmul(hidden[:, l, :, :], seen)
        size = xp.sum(seen * seen, axis=(1, 2))
        # Of a layer that is silent altogether the norm cannot be told, and counts as 1.
        silent = size == 0.0
        gain = xp.sum(sent * sent, axis=(1, 2)) / N / xp.where(silent, 1.0, size)
        norms.append(xp.where(silent, 1.0, gain))
    norms.append(xp.sum(w * w, axis=(1, 2)) / N)
    return {"f": f, "forward": forward, "backward": backward, "norms": xp.stack(norms, axis=1)}


def kernels(trained: dict[str, Any], gram: np.ndarray, t: np.ndarray) -> dict[str, Any]:
    """Observables of trained pairs at the times t.

    Parameters
    ----------
    trained
        What `networks` returned.
    gram : float64[P, P]
    t : int[times]

    Returns
    -------
    f : float64[trials, P, times]
    H, G : float64[trials, L, P, P, times]
    ntk : float64[trials, P, P, times]
    norms : float64[trials, L + 1]
    """
    xp = namespace(trained["f"])
    times = xp.asarray(np.atleast_1d(host(t)).astype(np.int64))
    fields = (xp.take(trained[name], times, axis=3) for name in ("forward", "backward"))
    H, G = (xp.matmul(x, xp.matrix_transpose(x)) / x.shape[-1] for x in fields)
    below = xp.concat([xp.zeros_like(H[:, :1, ...]) + xp.asarray(gram), H], axis=1)
    above = xp.concat([G, xp.ones_like(G[:, :1, ...])], axis=1)
    ntk = xp.sum(below * above, axis=1)
    return {
        "f": xp.matrix_transpose(xp.mean(xp.take(trained["f"], times, axis=2), axis=1)),
        "H": xp.moveaxis(xp.mean(H, axis=2), 2, -1),
        "G": xp.moveaxis(xp.mean(G, axis=2), 2, -1),
        "ntk": xp.moveaxis(xp.mean(ntk, axis=1), 1, -1),
        "norms": trained["norms"],
    }


def _steps(t: Any) -> int:
    return round(float(np.max(np.atleast_1d(np.asarray(t, dtype=float)))))


def _cost(*, L: float, N: float, t: Any, P: int = 1, **_: object) -> Cost:
    steps = _steps(t) + 1.0
    rows = 2.0 * P
    passes = 4.0 * rows * N * N * (L - 1.0)
    changes = 4.0 * P * P * steps * N * (2.0 * L - 2.0)
    fields = 2.0 * L * steps * rows * N
    # Of one kind of field at a time there is a copy of the steps that are asked for.
    copies = fields * (1.0 + 0.5 * np.size(t) / steps)
    return Cost(
        flops=steps * (passes + changes) + (ACTIVATION + 6.0) * fields / 2.0,
        bytes=8.0 * ((L - 1.0) * N * N + copies + 4.0 * rows * N),
        draws=(L - 1.0) * N * N + (P + 1.0) * N,
        moved=24.0 * (L - 1.0) * N * N / 10.0 + 16.0 * fields,
        products=steps * (passes + changes),
        order=N,
    )


@simulation(backends=("numpy", "numba", "cupy"), cost=_cost)
def one_pattern(
    trials: int,
    rng: Stream,
    *,
    activation: str,
    L: int,
    N: int,
    gamma: float,
    rate: float,
    K: float,
    y: float,
    t: np.ndarray,
) -> dict[str, np.ndarray]:
    """Pairs that learn one pattern with |x|^2/D = K and label y.

    Returns
    -------
    f, ntk : float64[trials, times]
    H, G : float64[trials, L, times]
    norms : float64[trials, L + 1]
    """
    gram = np.array([[K]])
    trained = networks(
        trials, rng, gram, np.array([y]), activation=activation, L=L, N=N, gamma=gamma, rate=rate, steps=_steps(t)
    )
    seen = kernels(trained, gram, t)
    fields = {name: seen[name][:, :, 0, 0, :] for name in ("H", "G")}
    return {"f": seen["f"][:, 0, :], "ntk": seen["ntk"][:, 0, 0, :], **fields, "norms": seen["norms"]}


def _two_times_cost(*, L: float, t: Any, **at: Any) -> Cost:
    once = _cost(L=L, t=t, **at)
    return replace(once, bytes=once.bytes + 8.0 * 6.0 * L * np.size(t) ** 2)


@simulation(backends=("numpy", "numba", "cupy"), cost=_two_times_cost)
def two_times(
    trials: int,
    rng: Stream,
    *,
    activation: str,
    L: int,
    N: int,
    gamma: float,
    rate: float,
    K: float,
    y: float,
    t: np.ndarray,
) -> dict[str, np.ndarray]:
    """Kernels between all pairs of the times t, of pairs that learn one pattern.

    Returns
    -------
    H, G : float64[trials, L, times, times]
    """
    gram, times = np.array([[K]]), np.atleast_1d(host(t)).astype(np.int64)
    trained = networks(
        trials, rng, gram, np.array([y]), activation=activation, L=L, N=N, gamma=gamma, rate=rate, steps=_steps(t)
    )
    xp = namespace(trained["f"])
    found = {}
    for name, field in (("H", "forward"), ("G", "backward")):
        x = xp.take(trained[field], xp.asarray(times), axis=3)[..., 0, :]
        found[name] = xp.mean(xp.matmul(x, xp.matrix_transpose(x)), axis=2) / N
    return found


@simulation(backends=("numpy", "numba", "cupy"), cost=lambda **at: _cost(P=2, **at))
def two_patterns(
    trials: int,
    rng: Stream,
    *,
    activation: str,
    L: int,
    N: int,
    gamma: float,
    rate: float,
    K: float,
    rho: float,
    y: float,
    y2: float,
    t: np.ndarray,
) -> dict[str, np.ndarray]:
    """Pairs that learn two patterns of square norms K and correlation rho, with labels y and y2.

    Returns
    -------
    f : float64[trials, 2, times]
    H, G : float64[trials, L, 2, 2, times]
    ntk : float64[trials, 2, 2, times]
    norms : float64[trials, L + 1]
    """
    gram = K * np.array([[1.0, rho], [rho, 1.0]])
    trained = networks(
        trials, rng, gram, np.array([y, y2]), activation=activation, L=L, N=N, gamma=gamma, rate=rate, steps=_steps(t)
    )
    return kernels(trained, gram, t)
