r"""Batches of sample Hessians whose noise is Gaussian and additive, and of sample Hessians of any kind.

Model: N sample Hessians h_n = H + W_n - mean W, W_n Gaussian of size P with variance sigma_eps^2 off the diagonal and
twice that on it, so that their mean is H. In H_batch - H the samples of a batch have the weight 1/B - 1/N and the
others -1/N: a Gaussian matrix again, drawn as one. `dense_batches` draws the sums over batch and rest one by one.

Only the first rows of a tridiagonal or pentadiagonal form are drawn where outliers alone are wanted (see
`spiked_gaussian`). With a bulk that is not at zero matrices are dense: P^2 normals and 10 P^3/3 operations for
eigenpairs, 4 P^3/3 for eigenvalues.
"""

from __future__ import annotations

import math

import numpy as np

from theorylab.kernels.arrays import namespace
from theorylab.kernels.random import Stream
from theorylab.sims.random_matrix import spiked_gaussian as spiked
from theorylab.sims.random_matrix import wigner
from theorylab.sims.random_matrix.bidiagonal import SWEEPS, largest, leading_weight, rows_cost
from theorylab.simulation import Cost, simulation


def noise_scale(P: float, B: float, N: float, sigma_eps: float) -> float:
    """sqrt(P) times the standard deviation of an entry of H_batch - H off the diagonal."""
    inside, outside = 1.0 / B - 1.0 / N, -1.0 / N
    return sigma_eps * math.sqrt(P * (B * inside**2 + (N - B) * outside**2))


def _at_ratio(P: float, r: float, t: float, sigma_eps: float) -> float:
    B = P / r
    return noise_scale(P, B, B / t, sigma_eps)


def _top_cost(*, P: float, r: float, t: float, lam1: float, sigma_eps: float) -> Cost:
    rows = spiked.kept_rows(round(P), lam1 / _at_ratio(P, r, t, sigma_eps))
    return rows_cost(rows, SWEEPS + 1.0, chis=1.0, normals=1.0, held=4.0 * rows / 3.0 + 2.0)


@simulation(backends=("numpy", "numba"), cost=_top_cost)
def top(
    trials: int, rng: Stream, *, P: int, r: float, t: float, lam1: float, sigma_eps: float
) -> dict[str, np.ndarray]:
    """The top eigenpair of a batch, B = P/r and N = B/t; H has one eigenvalue lam1, the others are zero.

    Returns
    -------
    eigenvalue, overlap : float64[trials]
        Largest eigenvalue, and squared component of its eigenvector along that of H.
    shift : float64[trials]
        Eigenvalue less lam1, less a control variate of mean zero where lam1 is well outside the bulk.
    """
    s = _at_ratio(P, r, t, sigma_eps)
    x = lam1 / s
    diagonal, off = spiked.noise(trials, rng, P, 1, spiked.kept_rows(P, x))
    control = spiked.control_variates(diagonal, off, P, x)[0] if x > 1.0 else 0.0
    diagonal[:, 0] += x
    value = largest(rng, diagonal, off)
    overlap = leading_weight(rng, diagonal, off, value)
    return {"eigenvalue": s * value, "overlap": overlap, "shift": s * (value - x - control)}


def _ends_cost(*, P: float, r: float, t: float, lam1: float, depth: float, sigma_eps: float) -> Cost:
    weaker = min(lam1, depth) / _at_ratio(P, r, t, sigma_eps)
    return spiked.pair_cost(spiked.pair_rows(round(P), weaker), vectors=False)


@simulation(backends=("numpy", "numba"), cost=_ends_cost)
def both_ends(
    trials: int, rng: Stream, *, P: int, r: float, t: float, lam1: float, depth: float, sigma_eps: float
) -> dict[str, np.ndarray]:
    """Both extreme eigenvalues of a batch; H has the eigenvalues lam1 and -depth, the others are zero.

    Returns
    -------
    top, bottom : float64[trials]
        Largest eigenvalue less lam1 and smallest less -depth, each less the noise's entry along its direction.
    """
    s = _at_ratio(P, r, t, sigma_eps)
    matrix = spiked.pentadiagonal(trials, rng, P, spiked.pair_rows(P, min(lam1, depth) / s))
    own = s * matrix[:, [0, 1], [0, 1]]
    matrix[:, 0, 0] += lam1 / s
    matrix[:, 1, 1] -= depth / s
    values = s * np.linalg.eigvalsh(matrix)
    return {"top": values[:, -1] - lam1 - own[:, 0], "bottom": values[:, 0] + depth - own[:, 1]}


def _lost_cost(*, P: float, **_: object) -> Cost:
    small, large = spiked.kept_rows(round(P)), spiked.kept_rows(2 * round(P))
    return rows_cost(small + large, SWEEPS + 1.0, chis=1.0, normals=1.0, held=large + 0.67 * small)


@simulation(backends=("numpy", "numba"), cost=_lost_cost)
def overlap_growth(trials: int, rng: Stream, *, P: int, N: int, B: float, lam1: float, sigma_eps: float) -> np.ndarray:
    """(2 P)^(1/3) times the overlap at 2 P, 2 B, 2 N, less P^(1/3) times that at P, B, N: float64[trials].

    The overlap falls like 1/P where the outlier is lost, like P^(-1/3) at the transition and not at all beyond.
    """
    s = noise_scale(P, B, N, sigma_eps)
    return np.asarray(spiked.overlap_growth.function(trials, rng, P=P, theta=lam1, s=s, beta=1))


@simulation(
    backends=("numpy", "numba"), cost=lambda *, P, b, **_: rows_cost(spiked.kept_rows(round(P)), SWEEPS + 1.0, 1.0, 1.0)
)
def small_batches(trials: int, rng: Stream, *, P: int, b: float, lam1: float, sigma_eps: float) -> np.ndarray:
    """Largest eigenvalue of a batch of b samples out of very many, float64[trials]."""
    s = noise_scale(P, b, 1e9 * b, sigma_eps)
    diagonal, off = spiked.noise(trials, rng, P, 1, spiked.kept_rows(P))
    diagonal[:, 0] += lam1 / s
    return np.asarray(s * largest(rng, diagonal, off))


def _dense_cost(*, P: float, matrices: float = 1.0, pairs: float = 1.0, **_: object) -> Cost:
    work = (pairs * 10.0 + (1.0 - min(pairs, 1.0)) * 4.0) / 3.0 * P**3
    return Cost(
        flops=work + 8.0 * P**2,
        bytes=8.0 * ((0.4 + 2.0 * matrices + 1.6 * min(pairs, 1.0)) * P**2 + 4.0 * P),
        draws=matrices * P**2,
        moved=48.0 * matrices * P**2,
        factorisations=work,
        order=P,
    )


def _diagonal(values: np.ndarray, like: np.ndarray) -> np.ndarray:
    xp = namespace(like)
    eye: np.ndarray = xp.eye(len(values)) * xp.asarray(values)
    return eye


def _over(trials: int, rng: Stream, levels: np.ndarray, s: float, lam1: float) -> dict[str, np.ndarray]:
    """A batch where H has these eigenvalues and one more at lam1, above them, under noise of radius 2 s.

    From the first two observables a control variate is taken, a combination of the noise's entry along lam1 and of
    squares of those beside it less their mean: whatever its weights, its mean is zero.
    """
    P = len(levels) + 1
    w = wigner.matrices(trials, rng, P, 1, s)
    xp = namespace(w)
    values, vectors = xp.linalg.eigh(w + _diagonal(np.append(levels, lam1), w))
    second, third = (s**2 * float(np.mean(1.0 / (lam1 - levels) ** k)) for k in (2, 3))
    inverse = xp.asarray(1.0 / (lam1 - levels))
    squares = xp.square(w[:, -1, :-1]) - s**2 / P
    along = w[:, -1, -1] + xp.sum(squares * inverse, axis=1)
    kept = 1.0 - second
    turned = 2.0 * third * along - kept * xp.sum(squares * xp.square(inverse), axis=1)
    return {
        "shift": values[:, -1] - lam1 - kept * along,
        "rotation": 1.0 - xp.square(vectors[:, -1, -1]) + turned,
        "edge": values[:, -2],
    }


@simulation(backends=("numpy", "numba", "cupy"), cost=_dense_cost)
def over_bulk(
    trials: int, rng: Stream, *, P: int, a: float, r: float, t: float, lam1: float, sigma_eps: float
) -> dict[str, np.ndarray]:
    """A batch where H has P - 1 eigenvalues spread evenly over [-a, a] and one at lam1 > a.

    Returns
    -------
    shift : float64[trials]
        Largest eigenvalue less lam1.
    rotation : float64[trials]
        1 less the squared component of its eigenvector along that of H.
    edge : float64[trials]
        Second largest eigenvalue.
    """
    levels = a * ((2.0 * np.arange(P - 1) + 1.0) / (P - 1.0) - 1.0)
    return _over(trials, rng, levels, _at_ratio(P, r, t, sigma_eps), lam1)


@simulation(backends=("numpy", "numba", "cupy"), cost=_dense_cost)
def over_two_levels(
    trials: int, rng: Stream, *, P: int, a: float, r: float, t: float, lam1: float, sigma_eps: float
) -> dict[str, np.ndarray]:
    """As `over_bulk`, with half of the P - 1 eigenvalues at -a and half at a; P is odd, or one is left over at a."""
    levels = np.repeat([-a, a], [(P - 1) // 2, P // 2])
    return _over(trials, rng, levels, _at_ratio(P, r, t, sigma_eps), lam1)


@simulation(backends=("numpy", "numba", "cupy"), cost=lambda *, P, **_: _dense_cost(P=P, pairs=0.0))
def two_levels(trials: int, rng: Stream, *, P: int, a: float, r: float, t: float, sigma_eps: float) -> np.ndarray:
    """All eigenvalues of a batch where half of those of H are -a and half a, float64[trials, P]; P is even."""
    w = wigner.matrices(trials, rng, P, 1, _at_ratio(P, r, t, sigma_eps))
    xp = namespace(w)
    values: np.ndarray = xp.linalg.eigvalsh(w + _diagonal(np.repeat([-a, a], P // 2), w))
    return values


@simulation(backends=("numpy", "numba", "cupy"), cost=lambda *, P, **_: _dense_cost(P=P, matrices=2.0, pairs=2.0))
def dense_batches(
    trials: int, rng: Stream, *, P: int, r: float, t: float, theta: float, sigma_eps: float
) -> dict[str, np.ndarray]:
    """A data set whose samples scatter about one spike theta, and a batch of it: B = P/r of N = B/t samples.

    Returns
    -------
    spectrum : float64[trials, P]
        Eigenvalues of the full Hessian, ascending.
    shift : float64[trials]
        Largest eigenvalue of the batch less that of the full Hessian.
    rotation : float64[trials]
        1 less the squared inner product of the two top eigenvectors.

    Both are less a control variate: the noise's entry along the top eigenvector of H, and squares of those beside it
    less their mean; the noise is independent of H.
    """
    B = P / r
    inside = wigner.matrices(trials, rng, P, 1, sigma_eps * math.sqrt(B * P))
    outside = wigner.matrices(trials, rng, P, 1, sigma_eps * math.sqrt((B / t - B) * P))
    xp = namespace(inside)
    first = _diagonal(np.append(np.zeros(P - 1), theta), inside)
    full, batch = first + t / B * (inside + outside), first + inside / B
    spectrum, vectors = xp.linalg.eigh(full)
    values, moved = xp.linalg.eigh(batch)
    v = vectors[:, :, -1:]
    beside = (xp.matrix_transpose(vectors) @ (batch @ v - full @ v))[..., 0]
    squares = xp.square(beside[:, :-1]) - noise_scale(P, B, B / t, sigma_eps) ** 2 / P
    inverse = 1.0 / (spectrum[:, -1:] - spectrum[:, :-1])
    overlap = xp.square(xp.sum(v[..., 0] * moved[:, :, -1], axis=1))
    return {
        "spectrum": spectrum,
        "shift": values[:, -1] - spectrum[:, -1] - beside[:, -1] - xp.sum(squares * inverse, axis=1),
        "rotation": 1.0 - overlap - xp.sum(squares * xp.square(inverse), axis=1),
    }


def _samples_cost(*, P: float, N: float, B: float, **_: object) -> Cost:
    return Cost(
        flops=8.0 * P**2 * (N + B),
        bytes=8.0 * (P**2 * (2.0 * N + B) + 4.0 * N + 4.0),
        draws=P * N + 2.0 * N,
        moved=24.0 * P**2 * (3.0 * N + 2.0 * B),
        steps=2.0 * N,
    )


@simulation(backends=("numpy", "numba", "cupy"), cost=_samples_cost)
def distances(trials: int, rng: Stream, *, P: int, N: int, B: int) -> dict[str, np.ndarray]:
    """Batches of N sample matrices that are neither Gaussian nor alike: h_n = x x^T - diag(x), x uniform in [0, 1].

    Returns
    -------
    S2 : float64[trials]
        (1/(N-1)) sum_n ||h_n - H||_F^2 of the data set.
    without, replaced : float64[trials]
        ||H_batch - H||_F^2 of a batch of B without and of one with replacement.
    """
    x = rng.uniform(trials, N, P)
    xp = namespace(x)
    h = xp.reshape(x[..., None] * x[:, :, None, :] - x[..., None] * xp.eye(P), (trials, N, P * P))
    away = h - xp.mean(h, axis=1, keepdims=True)
    once = rng.permutation(trials, N)[:, :B]
    often = xp.astype(N * rng.uniform(trials, B), xp.int64)

    def distance(drawn: np.ndarray) -> np.ndarray:
        mean = xp.mean(xp.take_along_axis(away, drawn[:, :, None], axis=1), axis=1)
        squared: np.ndarray = xp.sum(mean * mean, axis=1)
        return squared

    spread = xp.sum(away * away, axis=(1, 2)) / (N - 1.0)
    return {"S2": spread, "without": distance(once), "replaced": distance(often)}


@simulation(
    backends=("numpy", "numba", "cupy"),
    cost=lambda *, P, N, **_: Cost(
        flops=6.0 * P**2 * N, bytes=8.0 * (4.5 * P**2 * N + 8.0), draws=P**2 * N, moved=24.0 * 4.0 * P**2 * N
    ),
)
def noise_estimate(trials: int, rng: Stream, *, P: int, N: int, sigma_eps: float) -> np.ndarray:
    """S2/(P (P + 1)) of N Gaussian sample Hessians, float64[trials]."""
    x = rng.normal(trials, N, P, P)
    xp = namespace(x)
    h = (x + xp.matrix_transpose(x)) * (sigma_eps / math.sqrt(2.0))
    away = h - xp.mean(h, axis=1, keepdims=True)
    estimate: np.ndarray = xp.sum(away * away, axis=(1, 2, 3)) / ((N - 1.0) * P * (P + 1.0))
    return estimate
