r"""A small trained network, the exact Hessian of its loss at every sample, and what perturbation theory makes of them.

The network is f(x) = a . tanh(W x) with loss (f - y)^2/2. Inputs have the constant 2 as first coordinate and standard
normal others; W has variance 1/d, a variance 1/h; targets are those of another such network plus noise of standard
deviation 0.3. All are drawn from the stream of the network's number, in the order inputs, W, a, the teacher's W and a,
noise; training is full-batch gradient descent at rate 0.2.

Parameters are kept unit by unit here, (w_k, a_k) together: J is the gradient of f, and the second derivatives of f are
one block for each unit, a_k phi'' x x^T and phi' x with phi' = 1 - phi^2, phi'' = -2 phi phi' of phi = tanh.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from theorylab.errors import DomainError
from theorylab.streams import Stream

CONSTANT, NOISE, RATE = 2.0, 0.3, 0.2
# Numbers in the Hessians of all samples.
MOST = 10**8
# Numbers worked on at a time.
CHUNK = 2**22


class Orders(NamedTuple):
    """Constants of the change of an extreme eigenvalue of a batch: lambda + s1/b + f3 c3 + c4/b^2, 1/b = 1/B - 1/N."""

    eigenvalue: float
    s1: float
    c3: float
    c4: float
    variance: float
    """b times the variance of the eigenvalue."""
    turned: float
    """b times 1 minus the squared overlap of the eigenvectors."""


def hessians(network: int, d: int, h: int, N: int, steps: int) -> np.ndarray:
    """Hessians of the loss at all samples of a trained network, float64[N, P, P], P = h (d + 1).

    Raises
    ------
    DomainError
        When they are too many numbers to keep.
    """
    if N * (h * (d + 1)) ** 2 > MOST:
        raise DomainError(
            f"the Hessians of {N} samples in {h * (d + 1)} parameters do not fit: take N P^2 <= {MOST:.0e}"
        )
    stream = Stream.from_seed(network)
    inputs = stream.normal(1, N, d)[0]
    inputs[:, 0] = CONSTANT
    inner, outer = stream.normal(1, h, d)[0] * d**-0.5, stream.normal(1, h)[0] * h**-0.5
    target_inner, target_outer = stream.normal(1, h, d)[0] * d**-0.5, stream.normal(1, h)[0] * h**-0.5
    targets = np.tanh(inputs @ target_inner.T) @ target_outer + NOISE * stream.normal(1, N)[0]
    for _ in range(steps):
        gradient, second, error = _derivatives(inner, outer, inputs, targets, second=False)
        step = RATE * np.einsum("n,nki->ki", error, gradient) / N
        inner, outer = inner - step[:, :d], outer - step[:, d]
    gradient, second, error = _derivatives(inner, outer, inputs, targets)
    flat = gradient.reshape(N, -1)
    out = np.einsum("ni,nj->nij", flat, flat)
    size = d + 1
    for k in range(h):
        block = slice(k * size, (k + 1) * size)
        out[:, block, block] += error[:, None, None] * second[:, k]
    return np.asarray(out)


def _derivatives(
    inner: np.ndarray, outer: np.ndarray, inputs: np.ndarray, targets: np.ndarray, second: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradient of f, float64[N, h, d + 1], its second derivatives by units, float64[N, h, d + 1, d + 1], and f - y."""
    phi = np.tanh(inputs @ inner.T)
    first = 1.0 - phi**2
    gradient = np.concatenate([(outer * first)[:, :, None] * inputs[:, None], phi[:, :, None]], axis=2)
    error = phi @ outer - targets
    if not second:
        return gradient, np.zeros(0), error
    along = np.concatenate([inputs, np.zeros((len(inputs), 1))], axis=1)
    readout = np.zeros(inputs.shape[1] + 1)
    readout[-1] = 1.0
    bent = np.einsum("nk,ni,nj->nkij", -2.0 * outer * phi * first, along, along)
    mixed = np.einsum("nk,ni,j->nkij", first, along, readout)
    return gradient, bent + mixed + np.swapaxes(mixed, 2, 3), error


def norm(each: np.ndarray) -> float:
    """S2 = sum |h_n - H|_F^2/(N - 1)."""
    return float(np.sum((each - each.mean(axis=0)) ** 2) / (len(each) - 1))


def column_norm(each: np.ndarray) -> float:
    """sum |(h_n - H) v_1|^2/(N - 1)."""
    mean = each.mean(axis=0)
    v = np.linalg.eigh(mean)[1][:, -1]
    return float(np.sum(((each - mean) @ v) ** 2) / (len(each) - 1))


# A repeated eigenvalue has no such constants: they come out infinite, and predictions refuse them.
@np.errstate(divide="ignore", invalid="ignore")
def orders(each: np.ndarray, smallest: bool = False) -> Orders:
    """The constants for the largest (or smallest) eigenvalue, from the Hessians of all samples.

    With D_n = h_n - H in the eigenbasis of H and g_j = lambda - lambda_j, G = diag(1/g_j), 0 for the eigenvalue itself.
    The fourth order is that of Gaussian noise of the samples' covariance: a sum over the pairings of four factors.
    """
    count = len(each)
    mean = each.mean(axis=0)
    values, vectors = np.linalg.eigh(mean)
    i = 0 if smallest else len(values) - 1
    D = vectors.T @ (each - mean) @ vectors
    gap = values[i] - values
    g = np.divide(1.0, gap, out=np.zeros_like(gap), where=np.arange(len(gap)) != i)
    t, own = D[:, :, i], D[:, i, i]
    per = 1.0 / (count - 1)
    c = per * t.T @ t
    reach = t * g
    third = np.mean(np.einsum("nj,njk,nk->n", reach, D, reach, optimize=True) - own * np.sum(reach**2, axis=1))
    # E t_j G E_jk G_k t_k and the like; `bent` = sum_n D_n G t_n, `wide` = sum_n D_n G D_n.
    bent = per * np.einsum("njk,nk->j", D, reach)
    wide = per * np.einsum("njk,k,nkl->jl", D, g, D, optimize=True)
    chain = bent @ (g * bent)
    chain += per * np.einsum("nj,jk,nk->", reach, wide, reach, optimize=True)
    chain += per**2 * _crossed(D, reach, g)
    diagonal = np.diag(c)
    norms = (diagonal @ g**2) * (diagonal @ g) + 2.0 * np.einsum("jk,jk,j,k->", c, c, g**2, g)
    mixed = per * np.einsum("n,njk->jk", own, D)
    along = c[i]
    once = (along * g**2) @ bent + per * np.einsum("nj,njk,k->", reach * g, D, along * g, optimize=True)
    once += np.einsum("j,jk,k,jk->", g**2, mixed, g, c)
    twice = c[i, i] * (diagonal @ g**3) + 2.0 * (along**2 @ g**3)
    return Orders(
        eigenvalue=float(values[i]),
        s1=float(diagonal @ g),
        c3=float(third),
        c4=float(chain - norms - 2.0 * once + twice),
        variance=float(c[i, i]),
        turned=float(diagonal @ g**2),
    )


def _crossed(D: np.ndarray, reach: np.ndarray, g: np.ndarray) -> float:
    """sum_nm (D_m G t_n) G (D_n G t_m), for so many n at a time."""
    total, part = 0.0, max(1, CHUNK // reach.size)
    for first in range(0, len(D), part):
        some = slice(first, first + part)
        forth = np.einsum("mjk,nk->nmj", D, reach[some], optimize=True)
        back = np.einsum("njk,mk->nmj", D[some], reach, optimize=True)
        total += float(np.einsum("nmj,j,nmj->", forth, g, back, optimize=True))
    return total


class Summary(NamedTuple):
    """What predictions need of a network."""

    top: Orders
    low: Orders
    norm: float
    column: float
    parameters: int


def summary(each: np.ndarray) -> Summary:
    """All constants from the Hessians of all samples, float64[N, P, P]."""
    return Summary(orders(each), orders(each, smallest=True), norm(each), column_norm(each), each.shape[1])


@lru_cache(64)
def summaries(network: int, d: int, h: int, N: int, steps: int) -> tuple[Summary, Summary]:
    """The constants of a network, and the same in coordinates reflected at random: they differ by rounding."""
    each = hessians(network, d, h, N, steps)
    axis = Stream.from_seed(network + 1).normal(1, each.shape[1])[0]
    axis /= np.linalg.norm(axis)
    mirror = np.eye(len(axis)) - 2.0 * np.outer(axis, axis)
    return summary(each), summary(mirror @ each @ mirror)
