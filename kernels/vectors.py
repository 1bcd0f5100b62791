"""Vectors as wide as the processor has them, for compiled loops that are bound by arithmetic.

LLVM keeps to 256-bit vectors on most processors with AVX-512, for whose first generations wider ones meant a lower
clock. The function attribute that says otherwise is clang's `-mprefer-vector-width=512`; where there are no such
vectors it changes nothing. Nor does it change a bit of a result: only a loop that may be reassociated has bits that
depend on the width, and no such function asks for it.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

# Bytes of a cache line, and of the widest vector.
LINE = 64


@intrinsic
def wide(typing):  # type: ignore[no-untyped-def]
    """Vectorise the loops of the function that calls this with 512 bits."""

    def mark(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        # As a member of the set: the method `add` knows no attributes that have a value.
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.none(), mark


@njit(cache=True, nogil=True, error_model="numpy")
def aligned(count, dtype):  # type: ignore[no-untyped-def]
    """An empty array that starts at a cache line; Numba's own start at multiples of half a line.

    A wide vector across two lines takes two loads, and cannot be read back before its store has left the processor.
    """
    raw = np.empty(count + LINE, dtype=dtype)
    skip = (-raw.ctypes.data) % LINE // raw.itemsize
    return raw[skip : skip + count]
