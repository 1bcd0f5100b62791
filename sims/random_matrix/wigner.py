r"""Gaussian matrices, real (GOE), complex (GUE) or of any index beta, in full or in tridiagonal form.

Model: W = W^* of size P with independent Gaussian entries of variance s^2/P off the diagonal and 2 s^2/(beta P) on it.
In full it is the Hermitian part of a matrix of independent normal entries. The tridiagonal matrix with normal entries
of variance 2/beta on the diagonal and chi_{beta (P-1)}, chi_{beta (P-2)}, ... over sqrt(beta) beside it, times
s/sqrt(P), has the same spectrum in law (Dumitriu and Edelman 2002, arXiv:math-ph/0206043); traces of its resolvent need
one pass over the rows.

Cost of a trial in full: beta P^2 normals, then a product of matrices (2 P^3 operations, four times as many for complex
entries) for each doubling of the power, or eigenvalues. In tridiagonal form: for each row a normal, a chi variable
(four random numbers) and about twenty operations.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from theorylab.kernels import eigen
from theorylab.kernels.arrays import namespace
from theorylab.kernels.random import Stream
from theorylab.simulation import Cost, simulation


def matrices(trials: int, rng: Stream, P: int, beta: int, s: float) -> Any:
    """W, float64 or complex128[trials, P, P]; beta is 1 or 2."""
    x = rng.normal(trials, P, P)
    xp = namespace(x)
    if beta == 1:
        return (x + xp.matrix_transpose(x)) * (s / math.sqrt(2.0 * P))
    y = rng.normal(trials, P, P)
    real, imaginary = x + xp.matrix_transpose(x), y - xp.matrix_transpose(y)
    unit = xp.asarray(1j, dtype=xp.complex128)
    whole = xp.astype(real, xp.complex128) + unit * xp.astype(imaginary, xp.complex128)
    return whole * (s / math.sqrt(4.0 * P))


def _dense_cost(*, P: float, beta: float, products: float = 0.0, eigenvalues: bool = False) -> Cost:
    work, words = (1.0, 1.0) if beta == 1 else (4.0, 2.0)
    # Matrices that are held at once: the normals, W, its powers and a product; eigenvalues are made one by one.
    held = (2.4 if beta == 1 else 7.6) if eigenvalues else (4.2 if beta == 1 else 8.0)
    multiplied, factored = products * work * 2.0 * P**3, work * 4.0 / 3.0 * P**3 if eigenvalues else 0.0
    return Cost(
        flops=multiplied + factored + 4.0 * P**2,
        bytes=8.0 * (P**2 * held + 2.0 * P + 8.0),
        draws=beta * P**2,
        moved=(24.0 * beta + 40.0 * words) * P**2,
        products=multiplied,
        factorisations=factored,
        order=P,
    )


def _traces(w: Any) -> list[Any]:
    """tr W^2, W^4 and W^6, of each matrix."""
    xp = namespace(w)

    def inner(a: Any, b: Any) -> Any:
        # tr a b for Hermitian a and b.
        return xp.sum(xp.real(a * xp.conj(b)) if xp.isdtype(w.dtype, "complex floating") else a * b, axis=(1, 2))

    square = w @ w
    return [inner(w, w), inner(square, square), inner(square, square @ square)]


def _means(traces: list[Any], P: int, beta: int, s: float) -> dict[str, Any]:
    """(1/P) tr W^k from tr W^2, tr W^4 and, where it is there, tr W^6."""
    xp = namespace(traces[0])
    second, fourth = traces[0] / P, traces[1] / P
    # The mean of tr W^2 is that of the squared entries; with weight 4 it takes most of the scatter of large matrices.
    scatter = second - (P - 1.0 + 2.0 / beta) * s**2 / P
    means = {"low": xp.stack([second, fourth], axis=1), "excess": fourth - 4.0 * s**2 * scatter - 2.0 * s**4}
    return {**means, "sixth": traces[2] / P} if len(traces) > 2 else means


@simulation(backends=("numpy", "numba", "cupy"), cost=lambda *, P, beta, **_: _dense_cost(P=P, beta=beta, products=2.0))
def power_means(trials: int, rng: Stream, *, P: int, beta: int, s: float) -> dict[str, np.ndarray]:
    """Moments (1/P) tr W^k of the spectrum of full matrices.

    Returns
    -------
    low : float64[trials, 2]
        k = 2 and k = 4.
    sixth : float64[trials]
        k = 6.
    excess : float64[trials]
        That of k = 4 less 2 s^4, and less the scatter that it shares with tr W^2.
    """
    return _means(_traces(matrices(trials, rng, P, beta, s)), P, beta, s)


@simulation(
    backends=("numpy", "numba", "cupy"), cost=lambda *, P, beta, **_: _dense_cost(P=P, beta=beta, eigenvalues=True)
)
def eigenvalues(trials: int, rng: Stream, *, P: int, beta: int, s: float) -> np.ndarray:
    """The whole spectrum of W, float64[trials, P]: the matrix is the unit of replication."""
    w = matrices(trials, rng, P, beta, s)
    values: np.ndarray = namespace(w).linalg.eigvalsh(w)
    return values


def tridiagonal(trials: int, rng: Stream, P: int, beta: int, s: float) -> tuple[np.ndarray, np.ndarray]:
    """Diagonal float64[trials, P] and off-diagonal float64[trials, P - 1] of the tridiagonal form; beta an integer."""
    chi = eigen.chi_numpy if rng.backend == "numpy" else eigen.chi_numba
    scale = s / math.sqrt(P * beta)
    diagonal = math.sqrt(2.0) * scale * rng.normal(trials, P)
    df = beta * (P - 1 - np.arange(P - 1))
    return diagonal, scale * np.asarray(chi(rng.key, rng.next_draw(), rng.first_trial, trials, df))


def _row_cost(*, P: float, copies: float = 1.0, held: float = 7.0, **_: object) -> Cost:
    return Cost(
        flops=24.0 * copies * P,
        bytes=8.0 * (held * P + 2.0),
        draws=5.0 * copies * P,
        moved=16.0 * 24.0 * copies * P,
        steps=6.0 * copies * P,
    )


def _tridiagonal_traces(a: np.ndarray, b: np.ndarray) -> list[np.ndarray]:
    """tr T^2 and tr T^4 from the diagonal a and the off-diagonal b."""
    squares = b * b
    diagonal = a * a
    diagonal[:, :-1] += squares
    diagonal[:, 1:] += squares
    beside = squares * (a[:, :-1] + a[:, 1:]) ** 2
    far = squares[:, :-1] * squares[:, 1:]
    return [
        np.sum(diagonal, axis=1),
        np.sum(diagonal**2, axis=1) + 2.0 * np.sum(beside, axis=1) + 2.0 * far.sum(axis=1),
    ]


@simulation(backends=("numpy", "numba"), cost=_row_cost)
def tridiagonal_power_means(trials: int, rng: Stream, *, P: int, beta: int, s: float) -> dict[str, np.ndarray]:
    """`low` and `excess` of `power_means`, from the tridiagonal form, for any integer beta."""
    return _means(_tridiagonal_traces(*tridiagonal(trials, rng, P, beta, s)), P, beta, s)


@simulation(backends=("numpy", "numba"), cost=lambda *, P, **_: _row_cost(P=P, copies=2.0))
def trace_scatter(trials: int, rng: Stream, *, P: int, beta: int, s: float) -> dict[str, np.ndarray]:
    """Half the squared difference of traces of two independent matrices: its mean is their variance.

    Returns
    -------
    second, fourth : float64[trials]
        Of tr W^2 and of tr W^4.
    """
    one, other = (_tridiagonal_traces(*tridiagonal(trials, rng, P, beta, s)) for _ in range(2))
    return {name: (one[i] - other[i]) ** 2 / 2.0 for i, name in enumerate(("second", "fourth"))}


@simulation(backends=("numpy", "numba"), cost=lambda *, P, **_: _row_cost(P=P, held=3.2))
def resolvent_trace(
    trials: int, rng: Stream, *, P: int, a: float, b: float, beta: int, s: float
) -> dict[str, np.ndarray]:
    """tr (z - W)^-1 at z = (a + i b) s, not divided by P.

    Returns
    -------
    trace, mean : float64[trials, 2]
        Real and imaginary part; and the same divided by P.
    """
    diagonal, off = tridiagonal(trials, rng, P, beta, s)
    z = complex(a, b) * s
    # Pivots of z - T and their derivatives in z: the trace is the derivative of log det. With Im z > 0 no pivot is
    # smaller in modulus than Im z.
    pivot, slope = z - diagonal[:, 0], np.ones(trials, dtype=complex)
    trace = slope / pivot
    for row in range(1, P):
        ratio = off[:, row - 1] ** 2 / pivot
        slope = 1.0 + ratio * slope / pivot
        pivot = z - diagonal[:, row] - ratio
        trace += slope / pivot
    parts = np.stack([trace.real, trace.imag], axis=1)
    return {"trace": parts, "mean": parts / P}
