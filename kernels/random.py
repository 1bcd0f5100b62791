"""Random arrays from Philox4x32-10: uniform, normal and friends, identical bits on every backend.

Counter words: (index of the quadruple within the draw, ordinal of the draw, trial, 0). So a trial's numbers do
not depend on how many trials are drawn with it, a larger draw has a smaller one as its prefix, and two
draws of one trial never overlap. Uniforms take two words each (53 bits), so that a quadruple gives two
uniforms, or by Box-Muller two normals.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numba import njit, uint32, uint64

from theorylab.kernels.philox import philox4x32, philox4x32_numba

TWO_TO_MINUS_53 = 2.0**-53


def uniform_numpy(key: np.ndarray, draw: int, first_trial: int, trials: int, count: int) -> np.ndarray:
    """Reference: uniforms in (0, 1), float64[trials, count]; never exactly 0 or 1."""
    quads = (count + 1) // 2
    counter = np.zeros((trials, quads, 4), dtype=np.uint32)
    counter[..., 0] = np.arange(quads, dtype=np.uint32)
    counter[..., 1] = np.uint32(draw)
    counter[..., 2] = (first_trial + np.arange(trials, dtype=np.uint32))[:, None]
    words = philox4x32(counter, key).astype(np.uint64)
    high, low = words[..., 0::2] >> np.uint64(5), words[..., 1::2] >> np.uint64(6)
    u = ((high * np.uint64(1 << 26) + low).astype(float) + 0.5) * TWO_TO_MINUS_53
    return u.reshape(trials, 2 * quads)[:, :count]


def normal_numpy(key: np.ndarray, draw: int, first_trial: int, trials: int, count: int) -> np.ndarray:
    """Reference: standard normals by Box-Muller, float64[trials, count]."""
    even = count + count % 2
    u = uniform_numpy(key, draw, first_trial, trials, even)
    radius, angle = np.sqrt(-2.0 * np.log(u[:, 0::2])), 2.0 * np.pi * u[:, 1::2]
    out = np.empty((trials, even))
    out[:, 0::2], out[:, 1::2] = radius * np.cos(angle), radius * np.sin(angle)
    return out[:, :count]


@njit(inline="always")
def to_uniform(high, low):  # type: ignore[no-untyped-def]
    """Two 32-bit words to a double in (0, 1)."""
    return (float((uint64(high) >> uint64(5)) * uint64(1 << 26) + (uint64(low) >> uint64(6))) + 0.5) * TWO_TO_MINUS_53


@njit(cache=True, nogil=True)
def uniform_numba(key, draw, first_trial, trials, count):  # type: ignore[no-untyped-def]
    """Numba twin of `uniform_numpy`."""
    out = np.empty((trials, count))
    for t in range(trials):
        for q in range((count + 1) // 2):
            a, b, c, d = philox4x32_numba(
                uint32(q), uint32(draw), uint32(first_trial + t), uint32(0), uint32(key[0]), uint32(key[1])
            )
            out[t, 2 * q] = to_uniform(a, b)
            if 2 * q + 1 < count:
                out[t, 2 * q + 1] = to_uniform(c, d)
    return out


@njit(cache=True, nogil=True)
def normal_numba(key, draw, first_trial, trials, count):  # type: ignore[no-untyped-def]
    """Numba twin of `normal_numpy` (equal to a few units in the last place)."""
    out = np.empty((trials, count))
    for t in range(trials):
        for q in range((count + 1) // 2):
            a, b, c, d = philox4x32_numba(
                uint32(q), uint32(draw), uint32(first_trial + t), uint32(0), uint32(key[0]), uint32(key[1])
            )
            radius = math.sqrt(-2.0 * math.log(to_uniform(a, b)))
            angle = 2.0 * math.pi * to_uniform(c, d)
            out[t, 2 * q] = radius * math.cos(angle)
            if 2 * q + 1 < count:
                out[t, 2 * q + 1] = radius * math.sin(angle)
    return out


@dataclass
class Stream:
    """The random numbers of one block of trials.

    Every method takes the shape of the array wanted, whose first axis counts trials; each call is a new,
    independent draw. Kernels that generate inside their loops take `key`, `first_trial` and `next_draw()`.

    Parameters
    ----------
    key
        Two 32-bit words that name the block.
    backend
        "numpy" or "numba".
    first_trial
        Trial number of the first row.
    """

    key: np.ndarray
    backend: str = "numba"
    first_trial: int = 0
    _draws: int = field(default=0, repr=False)

    @classmethod
    def from_seed(cls, seed: int, backend: str = "numba") -> Stream:
        """A stream outside any claim, for scripts and tests."""
        return cls(np.array([seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF], dtype=np.uint32), backend)

    def next_draw(self) -> int:
        """Reserve the ordinal of a draw."""
        self._draws += 1
        return self._draws - 1

    def split(self, trials: int, at_most: int) -> Iterator[tuple[Stream, int]]:
        """Yield (stream, count) over consecutive batches of trials: same numbers, bounded memory."""
        for start in range(0, trials, at_most):
            part = Stream(self.key, self.backend, self.first_trial + start, self._draws)
            yield part, min(at_most, trials - start)

    def uniform(self, trials: int, *shape: int) -> np.ndarray:
        """Uniform in (0, 1), float64[trials, *shape]."""
        fill = uniform_numpy if self.backend == "numpy" else uniform_numba
        flat = fill(self.key, self.next_draw(), self.first_trial, trials, math.prod(shape))
        return flat.reshape(trials, *shape)

    def normal(self, trials: int, *shape: int) -> np.ndarray:
        """Standard normal, float64[trials, *shape]."""
        fill = normal_numpy if self.backend == "numpy" else normal_numba
        flat = fill(self.key, self.next_draw(), self.first_trial, trials, math.prod(shape))
        return flat.reshape(trials, *shape)

    def exponential(self, trials: int, *shape: int) -> np.ndarray:
        """Exponential with mean 1."""
        return -np.log(self.uniform(trials, *shape))

    def rademacher(self, trials: int, *shape: int) -> np.ndarray:
        """Signs, -1.0 or 1.0 with equal chance."""
        return np.where(self.uniform(trials, *shape) < 0.5, -1.0, 1.0)

    def permutation(self, trials: int, n: int) -> np.ndarray:
        """Uniform permutations of 0..n-1, int64[trials, n]."""
        return np.argsort(self.uniform(trials, n), axis=1)

    def chi(self, df: np.ndarray, trials: int) -> np.ndarray:
        """Chi variables, float64[trials, len(df)], with degrees of freedom `df` (positive)."""
        from scipy.special import gammaincinv

        df = np.asarray(df, dtype=float)
        return np.sqrt(2.0 * gammaincinv(df / 2.0, self.uniform(trials, df.size)))

    def haar(self, trials: int, n: int) -> np.ndarray:
        """Haar-distributed orthogonal matrices, float64[trials, n, n]."""
        q, r = np.linalg.qr(self.normal(trials, n, n))
        # Without the sign fix the law depends on LAPACK's convention and is not Haar.
        return q * np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None, :]
