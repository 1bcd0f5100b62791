"""Random numbers for kernels that stream: consecutive draws of one trial, as `Stream` would give them one by one.

A loop over steps that asks a stream for fresh numbers at every step, `rng.normal(trials, m)`, uses one ordinal a
step. The compiled twin of such a loop reserves the same ordinals and fills them in here, a trial at a time, so
that its numbers are those of the reference however the steps and the trials are cut.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, uint32, uint64

from theorylab.kernels.philox import philox4x32_numba
from theorylab.kernels.random import Stream, cos_sin_turns, log_unit, to_uniform
from theorylab.kernels.vectors import wide

# Quadruples per pass: the work arrays (8 kB) stay in the first-level cache.
PASS = 256


def reserve(rng: Stream, draws: int) -> int:
    """Reserve that many consecutive ordinals of the stream; return the first."""
    first = rng.next_draw()
    for _ in range(draws - 1):
        rng.next_draw()
    return first


@njit(cache=True, nogil=True, error_model="numpy")
def fill(out, size, key, first_draw, trial, normal):  # type: ignore[no-untyped-def]
    """Fill `out` with consecutive draws of one trial, `size` numbers each.

    Parameters
    ----------
    out : float64[draws * size]
    size
        Even: with an odd one a draw's last number would be half of a quadruple.
    key : uint32[2]
    first_draw
        Ordinal of the first draw.
    trial
        Number of the trial.
    normal
        Whether normals or uniforms are wanted.
    """
    wide()
    width = size // 2
    total = out.size // 2
    length = min(PASS, total)
    u, v = np.empty(length), np.empty(length)
    quad, draw = np.empty(length, dtype=np.uint64), np.empty(length, dtype=np.uint64)
    for i in range(length):
        quad[i], draw[i] = i % width, first_draw + i // width
    k0, k1, lane, zero = uint32(key[0]), uint32(key[1]), uint32(trial), uint32(0)
    wrap, quad_step, draw_step = uint64(width), uint64(PASS % width), uint64(PASS // width)
    for start in range(0, total, PASS):
        length = min(PASS, total - start)
        for i in range(length):
            q, n = quad[i], draw[i]
            a, b, c, d = philox4x32_numba(uint32(q), uint32(n), lane, zero, k0, k1)
            u[i], v[i] = to_uniform(a, b), to_uniform(c, d)
            q, n = q + quad_step, n + draw_step
            quad[i] = q - wrap if q >= wrap else q
            draw[i] = n + uint64(1) if q >= wrap else n
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
