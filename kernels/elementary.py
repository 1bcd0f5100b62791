r"""Exponential, hyperbolic tangent and error function for compiled loops: no branches, so that the loops vectorise.

Additions, multiplications, divisions and fused multiply-adds only, in a fixed order, so that the bits depend
neither on the processor nor on a mathematical library, and a GPU gives the same.

Speed on one core of a Xeon with AVX-512, in cache: 0.42 to 0.48 ns an exponential, 0.84 a tangent, 1.6 an error
function with its Gaussian (0.66 an exponential in vectors of 256 bits). NumPy takes 0.8 and 1.6 ns, SciPy 10 for an
error function. Floor: the 18 vector instructions of eight exponentials, two a cycle, are 9 cycles, 0.35 ns each: 75 to
85 %.
"""

from __future__ import annotations

from numba import njit, types
from numba.extending import intrinsic

from theorylab.kernels.random import bits_of, double_of

# Below it the exponential is set to 0: the result would be subnormal.
SMALLEST = -708.0


@intrinsic
def fused(typing, a, b, c):  # type: ignore[no-untyped-def]
    """The double a b + c, rounded once."""
    signature = types.float64(types.float64, types.float64, types.float64)
    return signature, lambda context, builder, signature, arguments: builder.fma(*arguments)


@njit(inline="always", error_model="numpy")
def reduced(x):  # type: ignore[no-untyped-def]
    r"""For $x = k \log 2 + r$, $|r| \le \log(2)/2$: the pair ($2^k$, $e^r - 1$).

    $(e^r - 1 - r)/r^2$ interpolates at ten Chebyshev nodes: error 1.3e-17 in $e^r$.
    """
    shifted = fused(x, 1.4426950408889634, 6755399441055744.0)  # 1.5 * 2^52: rounds to an integer
    k = shifted - 6755399441055744.0
    r = fused(-k, 0.6931471805599453, x)
    r = fused(-k, 2.3190468138462996e-17, r)
    q = fused(r, 2.510038549551032e-08, 2.7620088445409746e-07)
    q = fused(r, q, 2.7557268459997064e-06)
    q = fused(r, q, 2.4801521295954376e-05)
    q = fused(r, q, 0.00019841269863053618)
    q = fused(r, q, 0.0013888888917213717)
    q = fused(r, q, 0.008333333333330062)
    q = fused(r, q, 0.04166666666662413)
    q = fused(r, q, 0.16666666666666669)
    q = fused(r, q, 0.5000000000000001)
    return double_of((bits_of(shifted) + 1023) << 52), fused(r * r, q, r)


@njit(inline="always", error_model="numpy")
def exponential(x):  # type: ignore[no-untyped-def]
    """e^x for x <= 709, within 1 unit in the last place; 0 below `SMALLEST`."""
    small = x < SMALLEST
    power, excess = reduced(SMALLEST if small else x)
    return 0.0 if small else fused(power, excess, power)


@njit(inline="always", error_model="numpy")
def tangent(x):  # type: ignore[no-untyped-def]
    """tanh x within 3 units in the last place."""
    y = -2.0 * abs(x)
    power, excess = reduced(-80.0 if y < -80.0 else y)
    lost = (1.0 - power) - power * excess  # 1 - e^(-2|x|), accurate near 0, where the power is 1
    return double_of(bits_of(lost / (2.0 - lost)) | (bits_of(x) & bits_of(-0.0)))


@njit(inline="always", error_model="numpy")
def error_function(x):  # type: ignore[no-untyped-def]
    r"""The pair ($\operatorname{erf} x$, $e^{-x^2}$): within 2 units in the last place, and $x^2 + 1$ units.

    Below 1, $\operatorname{erf}(x)/x$ interpolates in $x^2$ at twelve Chebyshev nodes. On [1, 6],
    $e^{x^2} \operatorname{erfc} x$ interpolates in $(x - 3)/(x + 3)$ at thirteen (error 7e-17 in erf). Above, erf is 1.
    """
    y = abs(x)
    square = y * y
    gauss = exponential(-square)
    p = fused(square, -7.795898827002142e-10, 1.3720064546777686e-08)
    p = fused(square, p, -1.6208483801871705e-07)
    p = fused(square, p, 1.6447424703317362e-06)
    p = fused(square, p, -1.492473690741966e-05)
    p = fused(square, p, 0.00012055294904839707)
    p = fused(square, p, -0.0008548325975389692)
    p = fused(square, p, 0.0052239776071164225)
    p = fused(square, p, -0.02686617064323777)
    p = fused(square, p, 0.11283791670945006)
    p = fused(square, p, -0.37612638903183543)
    p = fused(square, p, 1.1283791670955126)
    t = (y - 3.0) / (y + 3.0)
    q = fused(t, -8.668536150153648e-06, -1.2383892608514314e-05)
    q = fused(t, q, 6.436074396760298e-05)
    q = fused(t, q, 4.523670628663236e-05)
    q = fused(t, q, -0.0005971019299440755)
    q = fused(t, q, 0.0007077436205791401)
    q = fused(t, q, 0.004269138643318906)
    q = fused(t, q, -0.02439249905225781)
    q = fused(t, q, 0.07166583713850745)
    q = fused(t, q, -0.1501159365078385)
    q = fused(t, q, 0.24560380171289325)
    q = fused(t, q, -0.32623356004299003)
    q = fused(t, q, 0.17900115118138907)
    value = 1.0 if y >= 6.0 else (y * p if y < 1.0 else fused(-gauss, q, 1.0))
    return double_of(bits_of(value) | (bits_of(x) & bits_of(-0.0))), gauss
