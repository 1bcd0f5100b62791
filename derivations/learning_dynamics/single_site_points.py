r"""Standard normals for single-site processes: independent batches of randomly shifted lattices, mirrored.

A batch is a lattice of S points, $x_k = k (g_1, g_2, \dots) / S$ modulo 1, all shifted, modulo 1, by random numbers of
its own; so every point is uniform, averages over a batch are unbiased, and the scatter between batches measures their
error, which falls nearly like 1/S instead of $1/\sqrt S$. The coordinates are given to the normals of a layer in the
order of their weight: the k-th normal of u, the k-th of r, the next of u, ...; beyond the lattice's they are plain
random numbers. Every point comes with its mirror images (u, -r) and, for activations that are not odd, (-u, r) and
(-u, -r); for odd ones these would say nothing new.

All random numbers are those of `theorylab.streams`: a batch is the same on every machine.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from theorylab.streams import Stream

# Component by component, for 1024 points, the least worst-case error in the Korobov space of smoothness 1 with product
# weights (1 + j/2)^-2 (Sloan and Reztsov 2002, Math. Comp. 71:263). Odd, so that they serve every power of two.
LATTICE = (
    *(
        1,
        283,
        157,
        385,
        401,
        419,
        367,
        489,
        37,
        13,
        305,
        191,
        215,
        495,
        309,
        477,
        115,
        173,
        335,
        99,
        411,
        343,
        139,
        363,
    ),
    *(225, 479, 43, 249, 275, 453, 485, 429, 317, 445, 41, 65, 231, 55, 49, 81, 451, 345, 197, 325, 361, 469, 177, 133),
)
# First word of the key of all these numbers, for seed 0.
KEY = 0x51735173
MIRRORED = {True: ((1.0, 1.0), (1.0, -1.0)), False: ((1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0))}


class Points:
    """The normals of one batch.

    Parameters
    ----------
    count
        Points before mirroring, a power of two.
    odd
        Whether the activation is odd.
    batch, seed
        Number of the batch, and of the set of batches.
    part
        Use only every so many-th point, which again is a lattice.
    lattice
        Whether to use the lattice; else all numbers are independent.
    """

    def __init__(self, count: int, odd: bool, batch: int, seed: int = 0, part: int = 1, lattice: bool = True) -> None:
        self.images = MIRRORED[odd]
        self._count, self._part, self._batch, self._seed, self._lattice = count, part, batch, seed, lattice

    @property
    def size(self) -> int:
        """Points with their images."""
        return self._count // self._part * len(self.images)

    def normals(self, layer: int, kind: int, k: int) -> np.ndarray:
        """The k-th normals of u (kind 0) or r (kind 1) of a layer, float64[size]."""
        place = 2 * k + kind
        key = np.array([KEY + self._seed, layer * 2**16 + place], dtype=np.uint32)
        stream = Stream(key, first_trial=self._batch)
        if self._lattice and place < len(LATTICE):
            regular = np.arange(self._count) * LATTICE[place] % self._count / self._count
            uniform = (regular + stream.uniform(1, 2)[0, 0]) % 1.0
            # A shifted point may be rounded to an end.
            uniform = np.clip(uniform, 2.0**-54, 1.0 - 2.0**-53)
        else:
            uniform = stream.uniform(1, self._count)[0]
        normal = ndtri(uniform[:: self._part])
        return np.concatenate([image[kind] * normal for image in self.images])
