r"""Gradient descent of a linear student on a noisy linear teacher, step by step: w <- w + eta (y - w X) X^T.

The model is that of `linear_student`. Nothing is diagonalised but to report the spectrum of X X^T and to project on the
space that no example reaches.

Cost of a step: two products, 4 N P operations for each of the `draws` teachers.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from theorylab.errors import DomainError
from theorylab.kernels.arrays import host, namespace
from theorylab.kernels.eigen import covariance_eigenvalues
from theorylab.kernels.random import Stream
from theorylab.simulation import Cost, simulation


def _cost(*, N: float, P: float, k: Any, draws: float = 1, **_: object) -> Cost:
    steps, few = float(np.max(k)), min(N, P)
    products, eigen = 4.0 * steps * draws * N * P + 4.0 * N * P * few, 4.0 / 3.0 * few**3
    return Cost(
        flops=products + eigen,
        bytes=8.0 * (N * P + max(N * P, 2.0 * few * few) + draws * (5.0 * N + P) + 2.0 * N),
        draws=N * P + draws * (2.0 * N + P),
        moved=24.0 * N * P + 60.0 * steps * draws * (N + P),
        products=products,
        factorisations=eigen,
        order=few,
    )


@simulation(backends=("numpy", "numba", "cupy"), cost=_cost)
def descent(
    trials: int, rng: Stream, *, N: int, P: int, snr: float, inr: float, eta: float, k: Any, draws: int
) -> dict[str, np.ndarray]:
    """Errors after numbers of steps, each trial one X and the mean over `draws` teachers, starts and noises.

    Parameters
    ----------
    k
        Numbers of steps, ascending.

    Returns
    -------
    test, frozen : float64[trials, len(k)]
        Test error, and the mean squared component of the student that is orthogonal to all examples, over N.
    spectrum : float64[trials, N]
        Eigenvalues of X X^T, ascending.

    Raises
    ------
    DomainError
        If the learning rate is beyond stability for one of the draws.
    """
    x = rng.normal(trials, N, P) / math.sqrt(N)
    xp = namespace(x)
    back = xp.matrix_transpose(x)
    spectrum = P * covariance_eigenvalues(x)
    largest = float(np.max(host(spectrum[:, -1])))
    if eta * largest >= 2.0:
        raise DomainError(
            f"eta = {eta:g} is beyond stability: with these inputs gradient descent diverges from {2.0 / largest:.6g} "
            "on (2 over the largest eigenvalue of X X^T); take a smaller one"
        )
    w = math.sqrt(inr) * rng.normal(trials, draws, N)
    teacher = rng.normal(trials, draws, N)
    y = teacher @ x + rng.normal(trials, draws, P) / math.sqrt(snr)
    # The orthogonal complement of the examples; nothing where they span everything.
    reach = xp.linalg.qr(x)[0] if N > P else None
    test, frozen, done = [], [], 0
    for k_now in np.atleast_1d(k):
        for _ in range(done, int(k_now)):
            w = w + eta * ((y - w @ x) @ back)
        done = int(k_now)
        test.append(xp.mean(xp.sum((w - teacher) ** 2.0, axis=-1), axis=1) / N + 1.0 / snr)
        if reach is None:
            frozen.append(xp.zeros(trials))
        else:
            out = w - (w @ reach) @ xp.matrix_transpose(reach)
            frozen.append(xp.mean(xp.sum(out * out, axis=-1), axis=1) / N)
    return {"test": xp.stack(test, axis=1), "frozen": xp.stack(frozen, axis=1), "spectrum": spectrum}
