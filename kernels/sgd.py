r"""One-pass stochastic gradient descent on linear models: every step sees fresh samples; risks are exact.

*Random features.* Inputs $x$ with independent Gaussian coordinates of variance $\lambda_j$, features $W^T x$, label
$\langle x, b\rangle$. With $A = \operatorname{diag}(\lambda)^{1/2} W$, $c = \operatorname{diag}(\lambda)^{1/2} b$ and
$z \sim N(0, I_v)$ the features are $A^T z$ and the label is $c \cdot z$, so that $A$ (`features`) and $c$ (`target`)
say everything. A step from $\theta$ on a batch is $\theta - \gamma \sum_i A^T z_i (z_i \cdot (A \theta - c))$, the
risk is $P(\theta) = |A \theta - c|^2$ (no half; the gradient is summed over the batch). Label noise is one more
coordinate that no feature sees: a zero row of $A$ with its standard deviation in $c$.

*Linear.* With $W = I$ the gap $g = A \theta - c$ is all that matters:
$g \mapsto g - \gamma \sum_i \lambda \circ z_i (z_i \cdot g)$. By rotation invariance of $z$, random features with
$A = U S V^T$ have the law of a linear model with spectrum $S^2$ and gap $-U^T c$ plus one blind coordinate that
holds $|c - U U^T c|$; `principal` makes it: $d + 1$ normals a sample instead of $v$, and no product with a matrix.

`random_features` runs in that form unless told to draw the inputs themselves.

All run on the stream's backend; a step's numbers are `rng.normal(trials, batch, v)` with v the normals a sample. So a
longer run has a shorter one as its beginning (to rounding), and no run's bits depend on those beside it. In single
precision the numbers are the rounded ones of double precision.

Speed on one core of a Xeon with AVX-512 at (v, d) = (600, 150), batch 1. Direct: 5.1 us a step, 3.1 in float32.
Floor: 600 normals (1.3 us) and 90 000 multiply-adds at the rate of a matrix product (3.1 to 3.7 us), 87 to 98 % of
which is reached; NumPy with all runs abreast and its own generator takes 2.5 times as long if they share their features
and 6 times if not. Principal: 4 ms for each matrix, LAPACK's, and 0.40 us a step, of which 0.33 to 0.39 for 151
normals, its floor: at some thousand steps 15 to 25 times less than NumPy on the features, and 6 times less than NumPy
on the same linear model.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg.cython_blas  # noqa: F401  (the BLAS of compiled products: a limit on threads must find it loaded)
from numba import njit

from theorylab.kernels.random import Stream, fill

# Normals drawn ahead (512 kB, half of a second-level cache): the features of many steps are one matrix product.
AHEAD = 65536
FORMS = ("principal", "direct")


def random_features(
    trials: int,
    rng: Stream,
    features: np.ndarray,
    target: np.ndarray,
    *,
    rate: float | np.ndarray,
    batch: int,
    times: np.ndarray,
    form: str = "principal",
    dtype: Any = np.float64,
) -> np.ndarray:
    """Risk along runs of one-pass SGD on random features, from zero weights.

    Parameters
    ----------
    trials, rng
        Independent runs and their random numbers.
    features : float64[v, d] or float64[trials, v, d]
        A, shared or one for each trial.
    target : float64[v] or float64[trials, v]
        c.
    rate : float or float64[steps]
        Step size, constant or for each step.
    batch
        Samples a step.
    times : int64[k]
        Numbers of steps after which the risk is wanted, ascending.
    form
        "principal": the linear model of the same law, at the price of one decomposition of every matrix. "direct":
        the inputs are drawn and multiplied, which costs less where each matrix serves a few hundred steps only.
    dtype
        float64 or float32, of weights and all arithmetic.

    Returns
    -------
    float[trials, k]

    Raises
    ------
    ValueError
        If shapes or times do not fit, or the form is unknown.
    """
    if form not in FORMS:
        raise ValueError(f"form {form!r}; known are {', '.join(FORMS)}")
    a = _stack(features, 3, trials, "features", np.float64 if form == "principal" else dtype)
    c = _stack(target, 2, trials, "target", a.dtype)
    if a.shape[1] != c.shape[1]:
        raise ValueError(f"features have {a.shape[1]} rows and target {c.shape[1]} entries; both count inputs")
    if form == "principal":
        spectrum, gap = principal(a[0] if len(a) == 1 else a, c[0] if len(c) == 1 else c)
        return linear(trials, rng, spectrum, gap, rate=rate, batch=batch, times=times, dtype=dtype)
    instants, rates = _schedule(times, rate, dtype)
    if rng.backend == "cupy":
        from theorylab.kernels import cuda

        return cuda.sgd_random_features(trials, rng, a, c, rates, batch, instants)
    if rng.backend == "numpy":
        return _random_features_numpy(trials, rng, a, c, rates, batch, instants)
    first = rng.next_draw(len(rates))
    out = np.empty((trials, instants.size), dtype=dtype)
    _random_features_numba(rng.key, first, rng.first_trial, a, c, rates, batch, instants, out)
    return out


def linear(
    trials: int,
    rng: Stream,
    spectrum: np.ndarray,
    gap: np.ndarray,
    *,
    rate: float | np.ndarray,
    batch: int,
    times: np.ndarray,
    dtype: Any = np.float64,
) -> np.ndarray:
    r"""Risk along runs of one-pass SGD on a linear model.

    Parameters
    ----------
    trials, rng
        Independent runs and their random numbers.
    spectrum : float64[v] or float64[trials, v]
        Eigenvalues $\lambda$ of the covariance of the inputs; 0 for a coordinate that only adds noise.
    gap : float64[v] or float64[trials, v]
        $\sqrt\lambda (\theta - \theta_*)$ at the start; the risk is its squared norm.
    rate, batch, times, dtype
        As in `random_features`.

    Returns
    -------
    float[trials, k]

    Raises
    ------
    ValueError
        If shapes or times do not fit.
    """
    lam = _stack(spectrum, 2, trials, "spectrum", dtype)
    start = _stack(gap, 2, trials, "gap", dtype)
    if lam.shape[1] != start.shape[1]:
        raise ValueError(f"spectrum has {lam.shape[1]} entries and gap {start.shape[1]}; both count inputs")
    instants, rates = _schedule(times, rate, dtype)
    if rng.backend == "cupy":
        from theorylab.kernels import cuda

        return cuda.sgd_linear(trials, rng, lam, start, rates, batch, instants)
    if rng.backend == "numpy":
        return _linear_numpy(trials, rng, lam, start, rates, batch, instants)
    first = rng.next_draw(len(rates))
    out = np.empty((trials, instants.size), dtype=dtype)
    _linear_numba(rng.key, first, rng.first_trial, lam, start, rates, batch, instants, out)
    return out


def principal(features: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The linear model in which SGD has the same law as on random features.

    Parameters
    ----------
    features : float64[v, d] or float64[trials, v, d]
    target : float64[v] or float64[trials, v]

    Returns
    -------
    spectrum, gap
        float64[k] or float64[trials, k] with k = min(v, d) + 1; the last coordinate is what no feature sees.
    """
    d = features.shape[-1]
    several = features.ndim < target.ndim + 1
    columns = target.T if several else np.broadcast_to(target[..., None], (*features.shape[:-1], 1))
    # The triangle of the QR factorisation of [A, c] knows all inner products; a long side of A matters to it alone.
    triangle: Any = np.linalg.qr(np.concatenate([features, columns], axis=-1), mode="r")
    side, right = triangle[..., :d, :d], triangle[..., :d, d:]
    # Descent sees the spectrum only, to rounding of its largest value: squaring the singular values loses nothing.
    s, u = np.linalg.eigh(side @ np.swapaxes(side, -1, -2))
    seen = np.swapaxes(u, -1, -2) @ right
    unseen = np.linalg.norm(triangle[..., d:, d:], axis=-2, keepdims=True)
    # An eigenvector has no sign: without a choice, rounding would choose, and runs on other backends would take other
    # ways.
    gap = np.concatenate([-np.abs(seen), unseen], axis=-2)
    spectrum = np.concatenate([np.maximum(s, 0.0), np.zeros_like(s[..., :1])], axis=-1)
    return spectrum, gap.T if several else gap[..., 0]


def _stack(array: np.ndarray, ndim: int, trials: int, name: str, dtype: Any) -> np.ndarray:
    """One array for all trials, or one each, as a contiguous stack of 1 or `trials`."""
    array = np.ascontiguousarray(array, dtype=dtype)
    stack = array[None] if array.ndim == ndim - 1 else array
    if stack.ndim != ndim or len(stack) not in (1, trials):
        raise ValueError(f"{name} of shape {array.shape}: want {ndim - 1} axes, or one of {trials} before them")
    return stack


def _schedule(times: np.ndarray, rate: float | np.ndarray, dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    """Checked instants and the rate of every step up to the last."""
    instants = np.asarray(times, dtype=np.int64)
    if instants.ndim != 1 or instants.size == 0 or instants[0] < 0 or np.any(np.diff(instants) <= 0):
        raise ValueError("times must be ascending numbers of steps, 0 or more")
    steps = int(instants[-1])
    rates = np.asarray(rate, dtype=dtype)
    if rates.ndim and len(rates) < steps:
        raise ValueError(f"rate has {len(rates)} entries for {steps} steps")
    return instants, np.ascontiguousarray(np.broadcast_to(rates, steps) if rates.ndim == 0 else rates[:steps])


def _random_features_numpy(
    trials: int, rng: Stream, a: np.ndarray, c: np.ndarray, rates: np.ndarray, batch: int, times: np.ndarray
) -> np.ndarray:
    """Reference. Products are stacked, one a trial, so that no trial's bits depend on the others."""
    v, d = a.shape[1:]
    theta = np.zeros((trials, d, 1), dtype=a.dtype)
    out = np.empty((trials, len(times)), dtype=a.dtype)
    for step in range(len(rates) + 1):
        for j in np.flatnonzero(times == step):
            out[:, j] = np.square(a @ theta - c[..., None]).sum(axis=(1, 2))
        if step < len(rates):
            z = rng.normal(trials, batch, v).astype(a.dtype, copy=False)
            phi = z @ a
            error = phi @ theta - z @ c[..., None]
            theta -= rates[step] * (np.swapaxes(phi, 1, 2) @ error)
    return out


def _linear_numpy(
    trials: int, rng: Stream, lam: np.ndarray, gap: np.ndarray, rates: np.ndarray, batch: int, times: np.ndarray
) -> np.ndarray:
    """Reference."""
    g = np.broadcast_to(gap, (trials, gap.shape[1])).copy()
    out = np.empty((trials, len(times)), dtype=gap.dtype)
    for step in range(len(rates) + 1):
        for j in np.flatnonzero(times == step):
            out[:, j] = np.square(g).sum(axis=1)
        if step < len(rates):
            z = rng.normal(trials, batch, g.shape[1]).astype(g.dtype, copy=False)
            error = (z * g[:, None]).sum(axis=2)
            g -= rates[step] * lam * (z * error[:, :, None]).sum(axis=1)
    return out


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _random_features_numba(key, first_draw, first_trial, a, c, rates, batch, times, out):  # type: ignore[no-untyped-def]
    """Twin: features of many steps ahead as one matrix product, then the steps one by one."""
    v, d = a.shape[1:]
    steps = rates.size
    sample, even = batch * v, batch * v + batch * v % 2
    ahead = max(1, min(steps, AHEAD // even))
    normals = np.empty(ahead * even, dtype=a.dtype)
    phi, label = np.empty((ahead * batch, d), dtype=a.dtype), np.empty(ahead * batch, dtype=a.dtype)
    theta, error = np.empty(d, dtype=a.dtype), np.empty(batch, dtype=a.dtype)
    for t in range(len(out)):
        matrix, goal = a[t if len(a) > 1 else 0], c[t if len(c) > 1 else 0]
        for k in range(d):
            theta[k] = 0.0
        j = 0
        for start in range(0, max(steps, 1), ahead):
            block = min(ahead, steps - start)
            if block > 0:
                fill(normals[: block * even], even, key, first_draw + start, first_trial + t, True, True)
                if even > sample:
                    for s in range(1, block):
                        for i in range(sample):
                            normals[s * sample + i] = normals[s * even + i]
                z = normals[: block * sample].reshape(block * batch, v)
                np.dot(z, matrix, phi[: block * batch])
                np.dot(z, goal, label[: block * batch])
            for s in range(block + (start + block == steps)):
                if j < times.size and times[j] == start + s:
                    total = rates.dtype.type(0)
                    for i in range(v):
                        inner = -goal[i]
                        for k in range(d):
                            inner += matrix[i, k] * theta[k]
                        total += inner * inner
                    out[t, j] = total
                    j += 1
                if s < block:
                    x = phi[s * batch : (s + 1) * batch]
                    for i in range(batch):
                        inner = -label[s * batch + i]
                        for k in range(d):
                            inner += x[i, k] * theta[k]
                        error[i] = rates[start + s] * inner
                    for i in range(batch):
                        for k in range(d):
                            theta[k] -= error[i] * x[i, k]


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _linear_numba(key, first_draw, first_trial, lam, gap, rates, batch, times, out):  # type: ignore[no-untyped-def]
    """Twin: a trial at a time, all of it in the first two levels of cache."""
    v = gap.shape[1]
    steps = rates.size
    even = batch * v + batch * v % 2
    ahead = max(1, min(steps, AHEAD // (8 * even)))
    normals = np.empty(ahead * even, dtype=gap.dtype)
    g, error = np.empty(v, dtype=gap.dtype), np.empty(batch, dtype=gap.dtype)
    for t in range(len(out)):
        spectrum, origin = lam[t if len(lam) > 1 else 0], gap[t if len(gap) > 1 else 0]
        for k in range(v):
            g[k] = origin[k]
        j = 0
        for start in range(0, max(steps, 1), ahead):
            block = min(ahead, steps - start)
            if block > 0:
                fill(normals[: block * even], even, key, first_draw + start, first_trial + t, True, True)
            for s in range(block + (start + block == steps)):
                if j < times.size and times[j] == start + s:
                    total = rates.dtype.type(0)
                    for k in range(v):
                        total += g[k] * g[k]
                    out[t, j] = total
                    j += 1
                if s < block:
                    z = normals[s * even : s * even + batch * v]
                    for i in range(batch):
                        inner = rates.dtype.type(0)
                        for k in range(v):
                            inner += z[i * v + k] * g[k]
                        error[i] = rates[start + s] * inner
                    for i in range(batch):
                        for k in range(v):
                            g[k] -= error[i] * spectrum[k] * z[i * v + k]
