r"""Batches of the exact per-sample Hessians of a small network, drawn without replacement.

Model: f(x) = a . tanh(W x), loss (f - y)^2/2 on N samples. Inputs have the constant 2 as first coordinate (a bias: it
leaves one eigenvalue far above the others) and standard normal others; W has variance 1/d, a variance 1/h; targets are
those of another such network plus noise of standard deviation 0.3. All of it follows from the number of the network:
draws of its seed, in the order inputs, W, a, teacher's W and a, noise. It is trained by full-batch gradient descent at
rate 0.2 for so many steps. Then every h_n is exact, H is their mean, and a batch of B = t N has its own mean H_B;
E = H_B - H.

The orders of an eigenvalue's change in E have means that follow from the finite population: the first zero, the second
and the third from the second and third moments of h_n. They are control variates: what is left scatters little.

Cost of a trial: a permutation of N, one product of N P^2 operations and an eigenvalue problem of order P. Of a call:
the network and its Hessians, remembered.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from theorylab.kernels.perceptron_hessians import hessians_numba
from theorylab.kernels.random import Stream
from theorylab.simulation import Cost, simulation

BIAS, NOISE, RATE = 2.0, 0.3, 0.2
# Batches of a trial where a single one has heavy tails.
TOGETHER = 8


class Population(NamedTuple):
    """A trained network's Hessians in the eigenbasis of their mean."""

    values: np.ndarray
    """Eigenvalues of H, float64[P], ascending."""
    vectors: np.ndarray
    """Eigenvectors in columns, float64[P, P]."""
    deviations: np.ndarray
    """h_n - H in that basis, float64[N, P, P]."""


def trained(network: int, d: int, h: int, N: int, steps: int) -> tuple[np.ndarray, ...]:
    """W, a, inputs and targets of a network after training."""
    rng = Stream.from_seed(network)
    x = rng.normal(1, N, d)[0]
    w, a = rng.normal(1, h, d)[0] / math.sqrt(d), rng.normal(1, h)[0] / math.sqrt(h)
    teacher = rng.normal(1, h, d)[0] / math.sqrt(d), rng.normal(1, h)[0] / math.sqrt(h)
    x[:, 0] = BIAS
    y = np.tanh(x @ teacher[0].T) @ teacher[1] + NOISE * rng.normal(1, N)[0]
    for _ in range(steps):
        hidden = np.tanh(x @ w.T)
        residual = (hidden @ a - y) / N
        back = residual[:, None] * a * (1.0 - hidden**2)
        w, a = w - RATE * (back.T @ x), a - RATE * (residual @ hidden)
    return w, a, x, y


@lru_cache(16)
def population(network: int, d: int, h: int, N: int, steps: int) -> Population:
    """The Hessians of a network, remembered."""
    each = hessians_numba(*trained(network, d, h, N, steps))
    mean = each.mean(axis=0)
    values, vectors = np.linalg.eigh(mean)
    return Population(values, vectors, vectors.T @ (each - mean) @ vectors)


def batch_noise(trials: int, rng: Stream, whole: Population, B: int) -> np.ndarray:
    """E = H_B - H of batches without replacement, in the eigenbasis of H, float64[trials, P, P]."""
    N, P = whole.deviations.shape[:2]
    member = np.zeros((trials, N))
    np.put_along_axis(member, rng.permutation(trials, N)[:, :B], 1.0 / B, axis=1)
    return np.asarray((member @ whole.deviations.reshape(N, P * P)).reshape(trials, P, P))


def _cost(*, d: float, h: float, N: float, batches: float = 1.0, **_: object) -> Cost:
    P = h * (d + 1.0)
    product, eigen = 2.0 * batches * N * P * P, batches * 10.0 / 3.0 * P**3
    return Cost(
        flops=product + eigen,
        bytes=8.0 * (1.5 * N + (1.0 if batches == 2.0 else 2.6) * P * P),
        draws=batches * N,
        moved=batches * (40.0 * N + 60.0 * P * P),
        steps=batches * N * math.log2(N),
        products=product,
        factorisations=eigen,
        order=P,
    )


class Change(NamedTuple):
    """An eigenvalue's change by orders in E, and the means of these over batches."""

    rest: np.ndarray
    """What the first three orders leave."""
    second: np.ndarray
    third: np.ndarray
    mean_second: float
    mean_third: float


def _third(column: np.ndarray, noise: np.ndarray, first: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    reach = column * inverse
    return np.asarray(np.sum((noise @ reach[:, :, None])[:, :, 0] * reach, axis=1) - first * np.sum(reach**2, axis=1))


def _change(whole: Population, noise: np.ndarray, moved: np.ndarray, which: int, B: int) -> Change:
    each = whole.deviations
    N = len(each)
    gap = whole.values[which] - whole.values
    inverse = np.divide(1.0, gap, out=np.zeros_like(gap), where=np.arange(len(gap)) != which % len(gap))
    column, samples = noise[:, :, which], each[:, :, which]
    second, third = column**2 @ inverse, _third(column, noise, column[:, which], inverse)
    # Moments of the mean of B of N numbers without replacement.
    variance = (1.0 / B - 1.0 / N) * N / (N - 1.0)
    skewness = (N - B) * (N - 2.0 * B) / (B**2 * (N - 1.0) * (N - 2.0))
    return Change(
        rest=moved[:, which] - whole.values[which] - column[:, which] - second - third,
        second=second,
        third=third,
        mean_second=variance * float(np.mean(samples**2 @ inverse)),
        mean_third=skewness * float(np.mean(_third(samples, each, samples[:, which], inverse))),
    )


@simulation(backends=("numpy", "numba"), cost=_cost)
def batches(
    trials: int, rng: Stream, *, network: int, d: int, h: int, N: int, t: float, steps: int
) -> dict[str, np.ndarray]:
    """A trial draws one batch of B = t N samples without replacement.

    Returns
    -------
    norm : float64[trials]
        Squared Frobenius norm of E.
    second, third : float64[trials]
        Terms of second and third order in E of the largest eigenvalue.
    shift, low_shift : float64[trials]
        Change of the largest (smallest) eigenvalue, less the deviations of its first three orders from their means.
    turned : float64[trials]
        1 minus the squared overlap of the top eigenvectors of the batch and of all samples.
    """
    whole = population(network, d, h, N, steps)
    B = round(t * N)
    noise = batch_noise(trials, rng, whole, B)
    values, vectors = np.linalg.eigh(noise + np.diag(whole.values))
    top, low = (_change(whole, noise, values, which, B) for which in (-1, 0))
    return {
        "norm": np.sum(noise**2, axis=(1, 2)),
        "second": top.second,
        "third": top.third,
        "shift": top.rest + top.mean_second + top.mean_third,
        "low_shift": low.rest + low.mean_second + low.mean_third,
        # Without cancellation: the weight of all other components.
        "turned": np.sum(vectors[:, :-1, -1] ** 2, axis=1),
    }


@simulation(backends=("numpy", "numba"), cost=lambda **at: _cost(**at, batches=TOGETHER))
def excess(trials: int, rng: Stream, *, network: int, d: int, h: int, N: int, t: float, steps: int) -> np.ndarray:
    """N^2 times what the largest eigenvalue gains beyond its first two orders, float64[trials], the deviation of its
    third from its mean subtracted; the mean over TOGETHER batches, as single ones have heavy tails."""
    whole = population(network, d, h, N, steps)
    B, total = round(t * N), np.zeros(trials)
    for _ in range(TOGETHER):
        noise = batch_noise(trials, rng, whole, B)
        change = _change(whole, noise, np.linalg.eigvalsh(noise + np.diag(whole.values)), -1, B)
        total += change.rest + change.mean_third
    return np.asarray(N**2 * total / TOGETHER)


@simulation(backends=("numpy", "numba"), cost=lambda **at: _cost(**at, batches=2.0))
def variance(trials: int, rng: Stream, *, network: int, d: int, h: int, N: int, t: float, steps: int) -> np.ndarray:
    """Half the squared difference of the largest eigenvalues of two independent batches, float64[trials]."""
    whole = population(network, d, h, N, steps)
    first, second = (
        np.linalg.eigvalsh(batch_noise(trials, rng, whole, round(t * N)) + np.diag(whole.values))[:, -1]
        for _ in range(2)
    )
    return np.asarray((first - second) ** 2 / 2.0)


@simulation(backends=("numpy", "numba"), cost=_cost)
def spectra(
    trials: int, rng: Stream, *, network: int, d: int, h: int, N: int, t: float, steps: int
) -> dict[str, np.ndarray]:
    """All eigenvalues of a batch, float64[trials, P], ascending, and the overlap of its top eigenvector.

    Returns
    -------
    value : float64[trials, P]
    overlap : float64[trials]
    """
    whole = population(network, d, h, N, steps)
    noise = batch_noise(trials, rng, whole, round(t * N))
    values, vectors = np.linalg.eigh(noise + np.diag(whole.values))
    return {"value": values, "overlap": vectors[:, -1, -1] ** 2}
