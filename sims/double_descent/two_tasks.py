r"""Two regression tasks in turn, the second a rotated copy of the first, each fitted from where the one before ended.

The first task is $X w = y$ with $X = \mathrm{diag}(s) V^T$, $s_j = j^{-\text{decay}}$, $y = X w_*$; the second is
$X O w = y$ with $O = \mathrm{blockdiag}(Q_m, I_{p-m})$, in the basis in which the rotation is of this form. There the
row space of X, the span of V, is Haar-distributed, and $Q_m$ is Haar in O(m) and independent of it: together this is
the rotation $Q_p\, \mathrm{blockdiag}(Q_m, I_{p-m})\, Q_p^T$ of a fixed task. Where $m > d$ the rotated part of X is
drawn without all of $Q_m$: $X_m = L W^T$ with W an orthonormal frame of d rows' span, and $W^T Q_m$ is a Haar frame.

`minimum_norm` fits by the solution nearest to the start, what gradient descent converges to; `descent` runs gradient
descent. A trial draws one rotation.
"""

from __future__ import annotations

import math

import numpy as np

from theorylab.kernels.arrays import namespace
from theorylab.kernels.random import Stream
from theorylab.simulation import Cost, Samples, simulation

BACKENDS = ("numpy", "numba", "cupy")


def _cost(p: int, d: int, m: int, teachers: int, steps: int = 0) -> Cost:
    turned = 8.0 * m * d**2 if m > d else 4.0 * m**3 + 2.0 * d * m**2
    # Twice orthogonal factors, Gram matrices, and what is fitted.
    fits = 4.0 * d**2 * p + 4.0 * d**3 + 12.0 * d * p * teachers + 8.0 * steps * d * p * teachers
    factors = 4.0 * p * d**2 + turned
    return Cost(
        flops=factors + fits,
        bytes=8.0 * (3.4 * p * d + 2.2 * min(m, d) * m + 1.6 * p * teachers + 1.5 * d * d),
        draws=p * d + m * min(m, d),
        moved=24.0 * (8.0 * p * d + 3.0 * m * min(m, d) + 4.0 * (1 + steps) * (p + d) * teachers),
        products=fits,
        factorisations=factors,
        order=d,
    )


def frame(normal: np.ndarray) -> np.ndarray:
    """Orthonormal columns, Haar-distributed, from standard normals float64[trials, n, k] with k <= n."""
    xp = namespace(normal)
    q, r = xp.linalg.qr(normal)
    # Without the sign fix the law depends on LAPACK's convention and is not Haar.
    fixed: np.ndarray = q * xp.sign(xp.sum(r * xp.eye(r.shape[-1]), axis=1))[:, None, :]
    return fixed


def _transposed(x: np.ndarray) -> np.ndarray:
    moved: np.ndarray = namespace(x).permute_dims(x, (0, 2, 1))
    return moved


def tasks(trials: int, rng: Stream, p: int, d: int, m: int, strengths: np.ndarray) -> tuple[np.ndarray, ...]:
    """V, X and X O, float64[trials, p, d] and float64[trials, d, p] twice."""
    rows = frame(rng.normal(trials, p, d))
    xp = namespace(rows)
    first = _transposed(rows) * xp.asarray(strengths)[:, None]
    part = xp.asarray(first[:, :, :m], copy=True)
    if m > d:
        _, r = xp.linalg.qr(_transposed(part))
        turned = _transposed(frame(rng.normal(trials, m, d)) @ r)
    else:
        turned = part @ rng.haar(trials, m)
    return rows, first, xp.concat([turned, first[:, :, m:]], axis=2)


def nearest(design: np.ndarray, labels: np.ndarray, start: np.ndarray) -> np.ndarray:
    """The solutions of design w = labels nearest to the start, float64[trials, p, q]."""
    xp = namespace(design)
    across = _transposed(design)
    found: np.ndarray = start + across @ xp.linalg.solve(design @ across, labels - design @ start)
    return found


def _descended(design: np.ndarray, labels: np.ndarray, start: np.ndarray, steps: int) -> np.ndarray:
    """Gradient descent on half the squared error; the largest singular value is 1, and so is the rate."""
    across, w = _transposed(design), start
    for _ in range(steps):
        w = w - across @ (design @ w - labels)
    return w


def _strengths(d: int, decay: float) -> np.ndarray:
    return np.arange(1.0, d + 1.0) ** -decay


def _isotropic(trials: int, rng: Stream, p: int, d: int, m: int) -> Samples:
    rows, first, second = tasks(trials, rng, p, d, m, np.ones(d))
    xp = namespace(rows)
    # One teacher for each direction of the row space.
    labels = first @ rows
    start = xp.zeros(rows.shape)
    squares = (first @ nearest(second, labels, nearest(first, labels, start)) - labels) ** 2
    own = xp.sum(squares * xp.eye(d), axis=(1, 2)) / d
    loss = xp.sum(squares, axis=(1, 2)) / d
    return {"loss": loss, "along": own, "across": (loss - own) / (d - 1) if d > 1 else 0.0 * loss}


@simulation(backends=BACKENDS, cost=lambda p, d, m, **_: _cost(p, d, m, d))
def isotropic(trials: int, rng: Stream, *, p: int, d: int, m: int) -> Samples:
    """All singular values of X are 1; teachers are the d directions of the row space in turn.

    Returns
    -------
    dict of float64[trials]
        ``loss``: squared error of the first task after the second, mean over the teachers; ``along``: its part in the
        teacher's own direction; ``across``: its part in another, 0 where there is none.
    """
    return _isotropic(trials, rng, p, d, m)


@simulation(
    backends=BACKENDS,
    cost=lambda p, alpha, beta, **_: _cost(p, p - round(beta * p), round(alpha * p), p - round(beta * p)),
)
def in_proportion(trials: int, rng: Stream, *, p: int, alpha: float, beta: float) -> Samples:
    """`isotropic` with m = alpha p turned directions and d = (1 - beta) p, rounded; p times ``across``."""
    found = _isotropic(trials, rng, p, p - round(beta * p), round(alpha * p))
    return {**found, "across": p * found["across"]}


@simulation(backends=BACKENDS, cost=lambda p, alpha, **_: _cost(p, 1, round(alpha * p), 1))
def one_sample(trials: int, rng: Stream, *, p: int, alpha: float) -> np.ndarray:
    """`isotropic` with d = 1, m = alpha p rounded: ``loss``, float64[trials]."""
    return _isotropic(trials, rng, p, 1, round(alpha * p))["loss"]


@simulation(
    backends=BACKENDS,
    cost=lambda p, beta, **_: _cost(p, p - round(beta * p), p, p - round(beta * p)),
)
def against_unrelated(trials: int, rng: Stream, *, p: int, alpha: float, beta: float) -> np.ndarray:
    """Loss after a rotation of alpha p directions minus that after one of all, float64[trials]; fresh for either."""
    d = p - round(beta * p)
    related = _isotropic(trials, rng, p, d, round(alpha * p))["loss"]
    return related - _isotropic(trials, rng, p, d, p)["loss"]


def _teacher(rows: np.ndarray, share: float) -> np.ndarray:
    """Unit teachers in the row space: a share of the square on the strongest direction, the rest on the weakest."""
    strongest, weakest = rows[:, :, :1], rows[:, :, rows.shape[2] - 1 :]
    if rows.shape[2] == 1:
        return strongest
    return math.sqrt(share) * strongest + math.sqrt(1.0 - share) * weakest


@simulation(backends=BACKENDS, cost=lambda p, d, m, **_: _cost(p, d, m, 1))
def spectrum(trials: int, rng: Stream, *, p: int, d: int, m: int, decay: float, share: float) -> np.ndarray:
    """Squared error of the first task after the second, singular values j^-decay, float64[trials]."""
    rows, first, second = tasks(trials, rng, p, d, m, _strengths(d, decay))
    labels = first @ _teacher(rows, share)
    start = namespace(rows).zeros((trials, p, 1))
    errors = first @ nearest(second, labels, nearest(first, labels, start)) - labels
    loss: np.ndarray = namespace(rows).sum(errors**2, axis=(1, 2))
    return loss


@simulation(backends=BACKENDS, cost=lambda p, d, m, steps, **_: _cost(p, d, m, 1, 2 * steps))
def descent(trials: int, rng: Stream, *, p: int, d: int, m: int, decay: float, share: float, steps: int) -> np.ndarray:
    """As `spectrum`, both tasks by that many steps of gradient descent, the first from 0."""
    rows, first, second = tasks(trials, rng, p, d, m, _strengths(d, decay))
    labels = first @ _teacher(rows, share)
    start = namespace(rows).zeros((trials, p, 1))
    errors = first @ _descended(second, labels, _descended(first, labels, start, steps), steps) - labels
    loss: np.ndarray = namespace(rows).sum(errors**2, axis=(1, 2))
    return loss
