r"""Random arrays from Philox4x32-10: uniform, normal and friends, the same numbers on every backend.

Counter words: (index of the quadruple within the draw, ordinal of the draw, trial, 0). So a trial's numbers
do not depend on how many trials are drawn with it, a larger draw has a smaller one as its prefix, and two
draws of one trial never overlap. Uniforms take two words each: 52 bits $k$ give $(k + 1/2)\, 2^{-52}$, which
is exact in double precision, never 0 or 1, and symmetric about 1/2. So a quadruple gives two uniforms, or by
Box-Muller two normals.

The compiled normals use only IEEE additions, multiplications, divisions and square roots, in a fixed order
and unfused: their bits do not depend on the processor or on a mathematical library. NumPy's logarithm and
sine do, in the last place, so that the reference agrees to a few units in the last place.

Speed on one core of a 3.5 GHz Xeon with AVX-512, whatever the shape: 1.4 ns per uniform, 2.4 ns per normal (NumPy's
ziggurat: 10 ns). Floor: with vectors of 256 bits the instructions of the loops over the ports that take them (three,
or two for multiplications and shifts) make 8.5 cycles or 2.4 ns per normal; with 512 bits there are half as many for
two ports, 1.8 ns, so that 75 % of the floor is reached.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numba import float64, int32, int64, njit, types, uint32, uint64
from numba.extending import intrinsic

from theorylab.kernels.arrays import host, namespace
from theorylab.kernels.philox import philox4x32, philox4x32_numba
from theorylab.kernels.vectors import wide

TWO_TO_MINUS_53 = 2.0**-53
# Quadruples per pass: the four work arrays of a pass (10 kB) stay in the first-level cache.
PASS = 256


def uniform_numpy(key: np.ndarray, draw: int, first_trial: int, trials: int, count: int) -> np.ndarray:
    """Reference: uniforms in (0, 1), float64[trials, count]; never exactly 0 or 1."""
    quads = (count + 1) // 2
    counter = np.zeros((trials, quads, 4), dtype=np.uint32)
    counter[..., 0] = np.arange(quads, dtype=np.uint32)
    counter[..., 1] = np.uint32(draw)
    counter[..., 2] = (first_trial + np.arange(trials, dtype=np.uint32))[:, None]
    words = philox4x32(counter, key).astype(np.uint64)
    k = (words[..., 0::2] << np.uint64(20)) | (words[..., 1::2] >> np.uint64(12))
    u = (k.astype(float) + 0.5) * 2.0**-52
    return u.reshape(trials, 2 * quads)[:, :count]


def normal_numpy(key: np.ndarray, draw: int, first_trial: int, trials: int, count: int) -> np.ndarray:
    """Reference: standard normals by Box-Muller, float64[trials, count]."""
    even = count + count % 2
    u = uniform_numpy(key, draw, first_trial, trials, even)
    radius, turns = np.sqrt(-2.0 * np.log(u[:, 0::2])), u[:, 1::2]
    # The nearest quarter turn is taken off first, which is exact, so that no digit is lost near the zeros.
    quarter = np.rint(4.0 * turns)
    angle = 2.0 * np.pi * (turns - 0.25 * quarter)
    c, s = np.cos(angle), np.sin(angle)
    quarter = quarter.astype(int) % 4
    out = np.empty((trials, even))
    out[:, 0::2] = radius * np.choose(quarter, (c, -s, -c, s))
    out[:, 1::2] = radius * np.choose(quarter, (s, c, -s, -c))
    return out[:, :count]


@intrinsic
def bits_of(typing, x):  # type: ignore[no-untyped-def]
    """The 64 bits of a double as a signed integer."""
    return types.int64(types.float64), lambda context, builder, signature, arguments: builder.bitcast(
        arguments[0], context.get_value_type(types.int64)
    )


@intrinsic
def double_of(typing, bits):  # type: ignore[no-untyped-def]
    """The double with the given 64 bits."""
    return types.float64(types.int64), lambda context, builder, signature, arguments: builder.bitcast(
        arguments[0], context.get_value_type(types.float64)
    )


@njit(inline="always", error_model="numpy")
def to_uniform(high, low):  # type: ignore[no-untyped-def]
    """Two 32-bit words to a double in (0, 1)."""
    k = (uint64(high) << uint64(20)) | (uint64(low) >> uint64(12))
    # k as the fraction of a double in [1, 2): no conversion from integers, which few processors vectorise.
    return (double_of(int64(k | uint64(0x3FF0000000000000))) - 1.0) + TWO_TO_MINUS_53


@njit(inline="always", error_model="numpy")
def log_unit(u):  # type: ignore[no-untyped-def]
    r"""Logarithm of a double in (0, 1), without branches; within 1 unit in the last place.

    With $u = 2^k m$, $m \in [\sqrt{1/2}, \sqrt 2)$, $t = m - 1$ and $s = t / (2 + t)$,
    $\log m = 2 \operatorname{artanh} s = t - (t^2/2 - s (t^2/2 + R))$ with
    $R = 2 (\operatorname{artanh}(s) - s)/s$. The polynomial interpolates $R / s^2$ in $s^2$ at seven
    Chebyshev nodes: error 3e-16 before its factor $s^2 < 0.03$.
    """
    bits = bits_of(u)
    exponent = (bits - int64(0x3FE6A09E667F3BCD)) >> int64(52)
    t = double_of(bits - (exponent << int64(52))) - 1.0
    k = float64(int32(exponent))
    s = t / (2.0 + t)
    z = s * s
    r = 0.18182889125261723 + z * (0.15331721600556042 + z * 0.14616449685043406)
    r = 0.39999999999899505 + z * (0.28571428625975487 + z * (0.2222221113479508 + z * r))
    r = z * (0.666666666666667 + z * r)
    half = 0.5 * t * t
    # log 2 in two parts, the first short enough for its product with k to be exact.
    return k * 0.693147180559663 - ((half - (s * (half + r) + k * 2.8235290563031577e-13)) - t)


@njit(inline="always", error_model="numpy")
def cos_sin_turns(v):  # type: ignore[no-untyped-def]
    r"""$(\cos 2 \pi v, \sin 2 \pi v)$ for $v \in [0, 1]$, without branches, within 2 units in the last place.

    $4 v$ is split exactly into the nearest integer and $w \in [-1/2, 1/2]$; $\sin(\pi w / 2) / w$ and
    $\cos(\pi w / 2)$ interpolate in $w^2$ at six and seven Chebyshev nodes.
    """
    shifted = 4.0 * v + 6755399441055744.0  # 1.5 * 2^52: the sum is rounded to an integer, its last bits
    w = 4.0 * v - (shifted - 6755399441055744.0)
    quarter = bits_of(shifted)
    z = w * w
    s = 0.00016044116661409423 + z * (-3.5987029509735105e-06 + z * 5.642225369163528e-08)
    s = -0.6459640975062462 + z * (0.07969262624614423 + z * (-0.004681754134254207 + z * s))
    s = w * 1.5707963267948966 + w * (6.123233995736766e-17 + z * s)
    c = -2.5202039028029178e-05 + z * (4.710678405505227e-07 + z * -6.329396344967424e-09)
    c = -0.020863480763340773 + z * (0.0009192602745468447 + z * c)
    c = 1.0 + z * (-1.2337005501361697 + z * (0.2536695079010478 + z * c))
    odd = (quarter & int64(1)) != 0
    x, y = (s if odd else c), (c if odd else s)
    x_sign = ((quarter + int64(1)) & int64(2)) << int64(62)
    y_sign = (quarter & int64(2)) << int64(62)
    return double_of(bits_of(x) ^ x_sign), double_of(bits_of(y) ^ y_sign)


@njit(inline="always", error_model="numpy")
def normal_pair(a, b, c, d):  # type: ignore[no-untyped-def]
    """Two standard normals from the four words of a quadruple, for kernels that draw inside their loops."""
    radius = math.sqrt(-2.0 * log_unit(to_uniform(a, b)))
    x, y = cos_sin_turns(to_uniform(c, d))
    return radius * x, radius * y


@njit(cache=True, nogil=True, error_model="numpy")
def fill(out, size, key, first_draw, first_trial, next_is_draw, normal):  # type: ignore[no-untyped-def]
    """Fill `out` with rows of `size` numbers: consecutive draws of one trial, or one draw of consecutive trials.

    Quadruples are numbered through all rows and worked off in passes of `PASS`, each a few short loops that the
    compiler vectorises whatever the shape of the rows.

    Parameters
    ----------
    out : float64[rows * size]
    size
        Even: with an odd one a row's last number would be half of a quadruple.
    key : uint32[2]
    first_draw, first_trial
        Ordinal of the draw, and number of the trial, of the first row.
    next_is_draw
        Whether the next row is the next draw, or the next trial.
    normal
        Whether normals or uniforms are wanted.
    """
    wide()
    width = size // 2
    total = out.size // 2
    length = min(PASS, total)
    u, v = np.empty(length), np.empty(length)
    quad, row = np.empty(length, dtype=np.uint64), np.empty(length, dtype=np.uint64)
    for i in range(length):
        quad[i], row[i] = i % width, i // width
    k0, k1, zero = uint32(key[0]), uint32(key[1]), uint32(0)
    draw, trial = uint64(first_draw), uint64(first_trial)
    # One of the two stays where it is: masks, because products are slow.
    draw_mask = uint64(0xFFFFFFFF) if next_is_draw else uint64(0)
    trial_mask = uint64(0) if next_is_draw else uint64(0xFFFFFFFF)
    wrap, quad_step, row_step = uint64(width), uint64(PASS % width), uint64(PASS // width)
    for start in range(0, total, PASS):
        length = min(PASS, total - start)
        for i in range(length):
            q, r = quad[i], row[i]
            ordinal, lane = uint32(draw + (r & draw_mask)), uint32(trial + (r & trial_mask))
            a, b, c, d = philox4x32_numba(uint32(q), ordinal, lane, zero, k0, k1)
            u[i], v[i] = to_uniform(a, b), to_uniform(c, d)
            q, r = q + quad_step, r + row_step
            quad[i] = q - wrap if q >= wrap else q
            row[i] = r + uint64(1) if q >= wrap else r
        if normal:
            for i in range(length):
                u[i] = -2.0 * log_unit(u[i])
            for i in range(length):
                radius = math.sqrt(u[i])
                x, y = cos_sin_turns(v[i])
                u[i], v[i] = radius * x, radius * y
        piece = out[2 * start : 2 * (start + length)]
        for i in range(length):
            piece[2 * i], piece[2 * i + 1] = u[i], v[i]


def uniform_numba(key: np.ndarray, draw: int, first_trial: int, trials: int, count: int) -> np.ndarray:
    """Compiled twin of `uniform_numpy`, equal to the bit."""
    return _rows(key, draw, first_trial, trials, count, False)


def normal_numba(key: np.ndarray, draw: int, first_trial: int, trials: int, count: int) -> np.ndarray:
    """Compiled twin of `normal_numpy` (equal to a few units in the last place)."""
    return _rows(key, draw, first_trial, trials, count, True)


def _rows(key: np.ndarray, draw: int, first_trial: int, trials: int, count: int, normal: bool) -> np.ndarray:
    out = np.empty((trials, count + count % 2))
    if out.size:
        fill(out.reshape(-1), out.shape[1], key, draw, first_trial, False, normal)
    return np.ascontiguousarray(out[:, :count])


# Numbers that the reference makes at a time: its temporary arrays take ten times their memory.
REFERENCE = 1 << 16


@dataclass
class Stream:
    """The random numbers of one block of trials.

    Every method takes the shape of the array wanted, whose first axis counts trials; each call is a new,
    independent draw. Arrays live where the backend computes: in NumPy or, for "cupy", on the GPU. Kernels that
    generate inside their loops take `key`, `first_trial` and `next_draw()`.

    Parameters
    ----------
    key
        Two 32-bit words that name the block.
    backend
        "numpy", "numba" or "cupy".
    first_trial
        Trial number of the first row.
    """

    key: np.ndarray
    backend: str = "numba"
    first_trial: int = 0
    _draws: int = field(default=0, repr=False)

    @classmethod
    def from_seed(cls, seed: int, backend: str = "numba") -> Self:
        """A stream outside any claim, for scripts and tests."""
        return cls(np.array([seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF], dtype=np.uint32), backend)

    def next_draw(self, draws: int = 1) -> int:
        """Reserve the ordinals of that many consecutive draws; return the first."""
        self._draws += draws
        return self._draws - draws

    def split(self, trials: int, at_most: int) -> Iterator[tuple[Self, int]]:
        """Yield (stream, count) over consecutive batches of trials: same numbers, bounded memory.

        Once the batches are through, draws from this stream go on after those of the batches.
        """
        before = self._draws
        for start in range(0, trials, at_most):
            part = replace(self, first_trial=self.first_trial + start, _draws=before)
            yield part, min(at_most, trials - start)
            self._draws = max(self._draws, part._draws)

    def uniform(self, trials: int, *shape: int) -> np.ndarray:
        """Uniform in (0, 1), float64[trials, *shape]."""
        return self._filled(False, trials, shape)

    def normal(self, trials: int, *shape: int) -> np.ndarray:
        """Standard normal, float64[trials, *shape]."""
        return self._filled(True, trials, shape)

    def _filled(self, normal: bool, trials: int, shape: tuple[int, ...]) -> np.ndarray:
        draw, count = self.next_draw(), math.prod(shape)
        if self.backend == "numpy":
            reference = normal_numpy if normal else uniform_numpy
            rows = max(1, REFERENCE // max(1, count))
            flat = np.empty((trials, count))
            for start in range(0, trials, rows):
                some = min(rows, trials - start)
                flat[start : start + some] = reference(self.key, draw, self.first_trial + start, some, count)
        elif self.backend == "cupy":
            from theorylab.kernels import cuda

            flat = (cuda.normal if normal else cuda.uniform)(self.key, draw, self.first_trial, trials, count)
        else:
            compiled = normal_numba if normal else uniform_numba
            flat = compiled(self.key, draw, self.first_trial, trials, count)
        return flat.reshape(trials, *shape)

    def exponential(self, trials: int, *shape: int) -> np.ndarray:
        """Exponential with mean 1."""
        uniform = self.uniform(trials, *shape)
        waits: np.ndarray = -namespace(uniform).log(uniform)
        return waits

    def rademacher(self, trials: int, *shape: int) -> np.ndarray:
        """Signs, -1.0 or 1.0 with equal chance."""
        uniform = self.uniform(trials, *shape)
        xp = namespace(uniform)
        signs: np.ndarray = xp.where(uniform < 0.5, xp.asarray(-1.0), xp.asarray(1.0))
        return signs

    def permutation(self, trials: int, n: int) -> np.ndarray:
        """Uniform permutations of 0..n-1, int64[trials, n]."""
        uniform = self.uniform(trials, n)
        order: np.ndarray = namespace(uniform).argsort(uniform, axis=1)
        return order

    def chi(self, df: np.ndarray, trials: int) -> np.ndarray:
        """Chi variables, float64[trials, len(df)], with degrees of freedom `df` (positive).

        By inversion, on the CPU.
        """
        from scipy.special import gammaincinv

        df = np.asarray(df, dtype=float)
        uniform = self.uniform(trials, df.size)
        lengths: np.ndarray = np.sqrt(2.0 * gammaincinv(df / 2.0, host(uniform)))
        return namespace(uniform).asarray(lengths)

    def haar(self, trials: int, n: int) -> np.ndarray:
        """Haar-distributed orthogonal matrices, float64[trials, n, n]."""
        normal = self.normal(trials, n, n)
        xp = namespace(normal)
        q, r = xp.linalg.qr(normal)
        # Without the sign fix the law depends on LAPACK's convention and is not Haar.
        rotations: np.ndarray = q * xp.sign(xp.sum(r * xp.eye(n), axis=1))[:, None, :]
        return rotations
