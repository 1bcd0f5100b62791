r"""The spectrum of a batch from that of the full data set: which eigenvalues stand out, where, and the bulk.

Two kinds of noise
    additive: H_batch = H + a Gaussian matrix of off-diagonal variance s^2/P (`granziol_additive`);
    multiplicative: H = X X^T/N of N samples, of which a batch takes B = t N without replacement: nothing but the
    spectrum, N and B enters (`granziol_ggn_conditional`).
Rule
    The largest k eigenvalues stand out where the k-th of them is above the edge of the law of all below it: the largest
    such k that is reached in steps of at most CLUSTER. Each moves by the map of the law, its sums taken over all other
    eigenvalues that the noise does not mix with it: those further away than the standard deviation of the noise's entry
    between the two, s/sqrt(P), or sqrt(lambda_i lambda_j/b). What is left is bulk. Negative eigenvalues, of additive
    noise, mirror.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from theorylab.derivations.random_matrix.subordination import BatchLaw, DeformedSemicircle, SubordinatedLaw
from theorylab.prediction import PredictionError

# Eigenvalues at one end that may stand out of a bulk.
MOST = 200
# Outliers so near each other that only the last of them stands out of what is below.
CLUSTER = 4
# Steps of a bisection for a critical batch size.
HALVINGS = 200


@dataclass(frozen=True)
class Noise:
    """How a batch differs from its data set.

    Parameters
    ----------
    samples, batch
        N and B, B < N.
    sigma_eps
        Standard deviation of an entry of one sample's Hessian for additive noise; None for multiplicative noise.
    """

    samples: float
    batch: float
    sigma_eps: float | None = None

    @property
    def inverse(self) -> float:
        """1/b = 1/B - 1/N."""
        return 1.0 / self.batch - 1.0 / self.samples

    def radius(self, size: int) -> float:
        """s = sigma_eps sqrt(P/b) of additive noise."""
        return float(self.sigma_eps or 0.0) * float(np.sqrt(size * self.inverse))

    def law(self, rest: np.ndarray, size: int) -> SubordinatedLaw:
        """The law of these eigenvalues of P in a batch; of the batch's Gram matrix for multiplicative noise."""
        if self.sigma_eps is not None:
            return DeformedSemicircle(rest, self.radius(size) * float(np.sqrt(len(rest) / size)))
        # The Gram matrix of N samples has the nonzero eigenvalues of H and zeros.
        gone = size - len(rest)
        nonzero = rest[rest > 0.0]
        zeros = max(round(self.samples) - gone - len(nonzero), 0)
        places = np.append(nonzero, 0.0)
        masses = np.append(np.ones(len(nonzero)), float(zeros)) / (len(nonzero) + zeros)
        return BatchLaw(places, self.batch / self.samples, masses)

    def mixing(self, a: float, others: np.ndarray) -> np.ndarray:
        """Variance of the noise's entry between eigenvectors of eigenvalue a and others."""
        if self.sigma_eps is not None:
            return np.full(np.shape(others), self.sigma_eps**2 * self.inverse)
        return np.asarray(np.abs(a * others) * self.inverse)

    def moved(self, a: float, others: np.ndarray, size: int) -> tuple[float, float]:
        """Where a goes under the influence of others, and the slope of that map: not positive where a is lost."""
        away = 1.0 / (a - others)
        g, square = float(away.sum()), float(np.square(away).sum())
        if self.sigma_eps is not None:
            variance = self.radius(size) ** 2 / size
            return a + variance * g, 1.0 - variance * square
        t = self.batch / self.samples
        # Zeros of the Gram matrix that are not eigenvalues of H, or eigenvalues of H that are not of the Gram matrix.
        extra = round(self.samples) - size
        g, square = g + extra / a, square + extra / a**2
        count = len(others) + extra
        g, square = g / count, square / count
        return (a - (1.0 - t) / g) / t, 1.0 - (1.0 - t) * square / g**2

    def overlap(self, a: float, place: float, slope: float) -> float:
        """Squared inner product of the eigenvectors of an outlier before and after."""
        kept = slope if self.sigma_eps is not None else slope * a * self.samples / (self.batch * place)
        return float(np.clip(kept, 0.0, 1.0))


@dataclass(frozen=True)
class BatchSpectrum:
    """What a batch shows.

    Parameters
    ----------
    spectrum : float64[P]
        Of the full data set, descending.
    above, below
        How many eigenvalues stand out at the upper and at the lower end.
    places, overlaps : float64[above + below]
        Where those go and their overlaps, the upper ones first, each end from outside inwards.
    law
        Of the rest; for multiplicative noise that of their Gram matrix.
    edges
        Lower and upper edge of the bulk.
    zeros
        Eigenvalues of the batch that are zero, under multiplicative noise.
    """

    spectrum: np.ndarray
    above: int
    below: int
    places: np.ndarray
    overlaps: np.ndarray
    law: SubordinatedLaw
    edges: tuple[float, float]
    zeros: int

    def largest(self) -> float:
        """The largest eigenvalue: an outlier, or the edge."""
        return float(self.places[0]) if self.above else self.edges[1]

    def density(self, count: int = 800) -> tuple[np.ndarray, np.ndarray]:
        """Eigenvalues and density of the bulk, as part of all P; zeros left out."""
        x, density, _ = self.law.curve(self.law.grid(count))
        part = 1.0 - sum(mass for _, mass in self.law.atoms)
        size = len(self.spectrum)
        if isinstance(self.law, BatchLaw):
            full = size - self.zeros - self.above - self.below
            return x, density * (full / size / part if part > 0.0 else 0.0)
        return x, density * (1.0 - (self.above + self.below) / size)


def _standing(spectrum: np.ndarray, noise: Noise) -> int:
    """How many of the largest eigenvalues, of a descending spectrum, stand out."""
    size, found = len(spectrum), 0
    for k in range(1, min(MOST, size - 1) + 1):
        if k - found > CLUSTER or spectrum[k - 1] <= 0.0:
            break
        if spectrum[k - 1] > spectrum[k] and noise.moved(spectrum[k - 1], spectrum[k:], size)[1] > 0.0:
            found = k
    return found


def _outlier(spectrum: np.ndarray, i: int, noise: Noise) -> tuple[float, float]:
    """Where eigenvalue i, which stands out, goes, and its overlap."""
    a, others = float(spectrum[i]), np.delete(spectrum, i)
    apart = np.square(a - others) > noise.mixing(a, others)
    place, slope = noise.moved(a, others[apart], len(spectrum))
    return place, noise.overlap(a, place, slope)


def _edge(rest: np.ndarray, size: int, noise: Noise) -> float:
    """Upper edge of a descending bulk of P eigenvalues; its first does not push itself, as an outlier does not."""
    alone = len(rest) < 3 or rest[1] == rest[-1]
    return noise.law(rest if alone else rest[1:], size).edge()


def _low_end(law: SubordinatedLaw) -> float:
    """Lower edge of the continuous part: above the zeros, where a batch keeps some."""
    if not law.atoms:
        return law.support()[0]
    low, high = 0.0, float(law.places[law.places > 0.0][0])
    for _ in range(HALVINGS):
        u = 0.5 * (low + high)
        low, high = (low, u) if law.height(u) > 0.0 else (u, high)
        if high - low <= 1e-12 * high:
            break
    return float(law.curve(high)[0])


def batch_spectrum(spectrum: Any, noise: Noise) -> BatchSpectrum:
    """The spectrum of a batch.

    Parameters
    ----------
    spectrum : float64[P]
        All eigenvalues of the full data set; not negative, and at most N of them positive, for multiplicative noise.
    noise
        Sizes, and the kind of noise.

    Raises
    ------
    PredictionError
        When an edge is not found to rounding.
    """
    spectrum = np.sort(np.asarray(spectrum, dtype=float))[::-1]
    size = len(spectrum)
    additive = noise.sigma_eps is not None
    above = _standing(spectrum, noise)
    below = _standing(-spectrum[::-1], noise) if additive else 0
    if above + below >= size:
        below = size - 1 - above
    mirrored = -spectrum[::-1]
    upper = [_outlier(spectrum, i, noise) for i in range(above)]
    lower = [_outlier(mirrored, i, noise) for i in range(below)]
    rest = spectrum[above : size - below]
    law = noise.law(rest, size)
    zeros = 0 if additive else size - min(int(np.sum(spectrum > 0.0)), round(noise.batch))
    return BatchSpectrum(
        spectrum,
        above,
        below,
        np.array([*(p for p, _ in upper), *(-p for p, _ in lower)]),
        np.array([o for _, o in upper + lower]),
        law,
        (-_edge(-rest[::-1], size, noise) if additive else _low_end(law), _edge(rest, size, noise)),
        zeros,
    )


def critical_batch(spectrum: Any, noise: Noise) -> float:
    """Batch size at which the largest eigenvalue begins to stand out, 0 if any batch shows it: by bisection.

    Raises
    ------
    PredictionError
        When no batch up to the whole data set shows it.
    """
    spectrum = np.sort(np.asarray(spectrum, dtype=float))[::-1]

    def shown(batch: float) -> bool:
        return _standing(spectrum, Noise(noise.samples, batch, noise.sigma_eps)) > 0

    low, high = 0.0, noise.samples * (1.0 - 1e-9)
    if not shown(high):
        raise PredictionError("the largest eigenvalue does not stand out of any batch")
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if shown(middle) else (middle, high)
        if high - low <= 1e-6 * high:
            break
    return high


def fresh_batch_rate(spectrum: Any, batch: float) -> float:
    """Mean-square stability limit of SGD with fresh batches of Gaussian samples of this second moment.

    The root of (eta/B) sum_j lambda_j/(2 - eta lambda_j (1 + 1/B)) = 1 (`granziol_learning_rate_stability`).
    """
    spectrum = np.asarray(spectrum, dtype=float)
    spectrum = spectrum[spectrum > 0.0]
    low, high = 0.0, 2.0 / (float(spectrum.max()) * (1.0 + 1.0 / batch))
    for _ in range(HALVINGS):
        eta = 0.5 * (low + high)
        over = float(np.sum(spectrum / (2.0 - eta * spectrum * (1.0 + 1.0 / batch)))) * eta / batch > 1.0
        low, high = (low, eta) if over else (eta, high)
        if high - low <= 1e-14 * high:
            break
    return high


def largest(spectrum: Any, noise: Noise) -> float:
    """The largest eigenvalue of a batch, as `BatchSpectrum.largest`, without the rest of its spectrum."""
    spectrum = np.sort(np.asarray(spectrum, dtype=float))[::-1]
    above = _standing(spectrum, noise)
    return _outlier(spectrum, 0, noise)[0] if above else _edge(spectrum, len(spectrum), noise)
