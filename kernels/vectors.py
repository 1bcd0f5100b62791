"""Vectors as wide as the processor has them, for compiled loops that are bound by arithmetic.

LLVM keeps to 256-bit vectors on most processors with AVX-512, for whose first generations wider ones meant a lower
clock. The function attribute that says otherwise is clang's `-mprefer-vector-width=512`; where there are no such
vectors it changes nothing. Nor does it change a bit of a result: only a loop that may be reassociated has bits that
depend on the width, and no such function asks for it.
"""

from __future__ import annotations

from numba import types
from numba.extending import intrinsic


@intrinsic
def wide(typing):  # type: ignore[no-untyped-def]
    """Vectorise the loops of the function that calls this with 512 bits."""

    def mark(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        # As a member of the set: the method `add` knows no attributes that have a value.
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.none(), mark
