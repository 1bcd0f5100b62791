r"""Kernel ridge regression on part of a finite set of labelled points: the eigenframework without replacement.

N points with kernel matrix A and labels y; n of them, drawn without replacement, are the training set S, the others T
are predicted: $\hat y_T = A_{TS} (A_{SS} + \delta)^{-1} y_S$. Nothing is assumed of how labels depend on points: what
matters are the eigenvalues $a_i$ of A and the squared coefficients $v_i^2$ of y in its eigenvectors.

Where the eigenvectors are in general position with respect to the points, so that the choice of S acts like a random
projection free from A,

1. $E\, S^T (A_{SS} + \delta)^{-1} S \simeq (A + \omega)^{-1}$ with $\sum_i (a_i + \delta)/(a_i + \omega) = n$: the
   subordination of free compression, Speicher, "Free convolution and the random sum of matrices", Publ. RIMS 29 (1993),
   and Nica and Speicher, "On the multiplication of free N-tuples of noncommutative random variables", Amer. J. Math.
   118 (1996);
2. with $\kappa = \omega - \delta$ this is the equation of the eigenframework without ridge for the eigenvalues
   $a_i + \delta$, as it must be: off the training set the predictor is the interpolator of the kernel $A + \delta$;
3. the training error is $E_{tr} = -\frac{\delta^2}{n} \frac{d}{d\delta} \sum_i \frac{v_i^2}{a_i + \omega}$, and the
   error of leaving one out is $E_{te} = E_{tr}/(\frac{\delta}{n} \mathrm{tr} (A_{SS} + \delta)^{-1})^2$, which is that
   on T.

With $L_i = (a_i + \delta)/(a_i + \omega)$ and $v_i^2$ normalised to sum to the mean square of the labels,

$$E_{te} = \frac{N}{N - n} \frac{n}{n - \sum L_i^2} \sum_i (1 - L_i)^2 v_i^2, \qquad
E_{tr} = \Big(\frac{\delta (N - n)}{n \kappa}\Big)^2 E_{te}.$$

As N grows at fixed n this is the eigenframework for points drawn from a population (`krr_eigenframework`), with the
labels' share of unlearnable directions for the noise. As n tends to N it is the error of leaving one out of all N,
$N^2 \sum_i v_i^2 b_i^{-2} / (\sum_i b_i^{-1})^2$ with $b_i = a_i + \delta$.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from theorylab.derivations.double_descent.eigenframework import solve_krr
from theorylab.errors import DomainError

# Eigenvalues below this part of the largest, for each point, are zero: what is left of rounding.
ZERO = 4.0 * float(np.finfo(float).eps)


@dataclass(frozen=True, eq=False)
class Population:
    """Labelled points through the eyes of a kernel.

    Parameters
    ----------
    eigenvalues : float64[N]
        Of the kernel matrix of all points, largest first; zero where rounding left nothing.
    power : float64[N]
        Squared coefficients of the labels in its eigenvectors, divided by N: their sum is the mean square.
    """

    eigenvalues: np.ndarray
    power: np.ndarray

    @classmethod
    def of(cls, kernel: Any, labels: Any) -> Population:
        """From the kernel matrix float64[N, N] and the labels float64[N].

        Raises
        ------
        DomainError
            For a kernel that has eigenvalues below zero by more than rounding.
        """
        values, vectors = np.linalg.eigh(np.asarray(kernel, dtype=float))
        values, vectors = values[::-1], vectors[:, ::-1]
        small = ZERO * len(values) * float(values[0])
        if values[-1] < -small:
            raise DomainError(
                f"the kernel matrix has the eigenvalue {values[-1]:.3g} (largest {values[0]:.3g}): a kernel has none "
                "below 0"
            )
        coefficients = vectors.T @ np.asarray(labels, dtype=float)
        return cls(np.where(values > small, values, 0.0), coefficients**2 / len(values))

    @property
    def size(self) -> int:
        """Number of points N."""
        return int(self.eigenvalues.size)

    @property
    def rank(self) -> int:
        """Number of eigenvalues that are not zero."""
        return int(np.count_nonzero(self.eigenvalues))


@dataclass(frozen=True)
class Errors:
    """Mean squared errors on the points left out and on the training set."""

    test: float
    train: float


def errors(population: Population, n: int, ridge: float) -> Errors:
    """What n training points give.

    Parameters
    ----------
    n
        1 to N - 1.
    ridge
        What is added to the diagonal of the kernel matrix.

    Raises
    ------
    DomainError
        For n out of range, and without ridge at n = rank, where the error diverges.
    """
    N, rank = population.size, population.rank
    if not 1 <= n <= N - 1:
        raise DomainError(f"n = {n} training points of {N}: take 1 to {N - 1}")
    if ridge == 0.0 and n > rank:
        # Least squares: what is not in the span of the eigenvectors acts as noise.
        noise = float(population.power[rank:].sum())
        test = n * N * noise / ((n - rank) * (N - rank))
        return Errors(test, ((n - rank) / n) ** 2 * test)
    found = solve_krr(population.eigenvalues + ridge, n, 0.0)
    test = N / (N - n) * found.test_risk(population.power, 0.0)
    train = (ridge * (N - n) / (n * found.kappa)) ** 2 * test
    return Errors(test, train)
