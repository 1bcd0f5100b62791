r"""The kernels of deep leaky ReLU networks in one pass over each row of the matrix, compiled.

Pairs go through all layers while they are in the cache. What is carried beside the covariance is its distance from
coincidence, p = sqrt(ab) - c, so that pairs that depth brings together keep their digits. Arc-cosine functions are
polynomials of the half-angle (`half_angle`), which the compiler turns into vector instructions.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from theorylab.derivations.infinite_width.half_angle import series_coefficients

# From the highest power of 4 y - 1 down.
ANGLE = np.ascontiguousarray(series_coefficients(0)[::-1])
SEGMENT = np.ascontiguousarray(series_coefficients(1)[::-1])
TERMS = len(ANGLE)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def rows(low, high, symmetric, covariance, tangent, first, second, scales, alpha):  # type: ignore[no-untyped-def]
    """Turn inner products of inputs into the last layer's kernels, rows `low` to `high`.

    Parameters
    ----------
    low, high, symmetric
        Rows to work on; whether only the columns from the diagonal on are wanted, and written to both sides.
    covariance : float[m, m']
        x.x'/n_0; the kernel K on return.
    tangent : float[m, m'] or float[0, 0]
        Theta on return; of no rows when it is not wanted.
    first, second : float[L, m], float[L, m']
        Square roots of K(x, x) in every layer.
    scales : float[L, 4]
        C_W, C_b, lambda_W, lambda_b of every layer.
    alpha
        Slope on the left.
    """
    depth, columns = scales.shape[0], covariance.shape[1]
    with_tangent = tangent.shape[0] > 0
    jump = (1.0 - alpha) ** 2 / (2.0 * math.pi)
    even, odd = (1.0 + alpha) ** 2 / 2.0, (1.0 - alpha) ** 2 / 2.0
    top = (1.0 + alpha * alpha) / 2.0
    work = np.empty((3, columns))
    for i in range(low, high):
        start = i if symmetric else 0
        # Views that begin at zero: the compiler vectorises loops over them.
        c, p, t, inputs = work[0, start:], work[1, start:], work[2, start:], covariance[i, start:]
        weights, biases, weight_rate, bias_rate = scales[0]
        root, roots = first[0, i], second[0, start:]
        for j in range(len(c)):
            c[j] = biases + weights * inputs[j]
            p[j] = root * roots[j] - c[j]
            t[j] = bias_rate + weight_rate * inputs[j]
        if symmetric:
            c[0], p[0] = root * root, 0.0
        for layer in range(1, depth):
            weights, biases, weight_rate, bias_rate = scales[layer]
            root, new_root, roots = first[layer - 1, i], first[layer, i], second[layer - 1, start:]
            for j in range(len(c)):
                mean = root * roots[j]
                near = p[j] if p[j] > 0.0 else 0.0
                far = 2.0 * mean - near
                acute = near <= mean
                smaller = near if acute else far
                y = smaller / (2.0 * mean)
                half = math.sqrt(y)
                x, first_sum, second_sum = 4.0 * y - 1.0, 0.0, 0.0
                for k in range(TERMS):
                    first_sum = first_sum * x + ANGLE[k]
                    second_sum = second_sum * x + SEGMENT[k]
                angle, segment = half * first_sum, y * half * second_sum
                # J_1, its fall from theta = 0, and J_0: what is left of theta to pi.
                straight = math.pi * (1.0 - 2.0 * y)
                value = segment + (straight if acute else 0.0)
                lost = alpha * near + jump * mean * (2.0 * math.pi * y - segment)
                left = even * mean - alpha * far - jump * mean * segment
                g = alpha * c[j] + jump * mean * value
                fall = lost if acute else left
                rise = odd * mean + alpha * far + jump * mean * value
                beyond = math.pi - angle
                slope = alpha + jump * (beyond if acute else angle)
                t[j] = bias_rate + weight_rate * g + weights * slope * t[j]
                new = biases + weights * g
                gap = root - roots[j]
                determinant = weights * (weights * fall * rise + biases * (2.0 * fall + top * gap * gap))
                # Recomputed, for each array more is one more that the compiler must prove not to overlap.
                new_mean = new_root * math.sqrt(biases + weights * top * roots[j] * roots[j])
                c[j] = new
                ratio, plain = determinant / (new_mean + abs(new)), new_mean - new
                p[j] = ratio if new >= 0.0 else plain
        inputs[:] = c
        if with_tangent:
            tangent[i, start:] = t


@njit(cache=True, nogil=True, error_model="numpy")
def mirror(low, high, matrix):  # type: ignore[no-untyped-def]
    """Copy what is right of the diagonal in rows `low` to `high` to the other side, in square tiles."""
    n, tile = matrix.shape[0], 64
    for i in range(low, high, tile):
        for j in range(i, n, tile):
            for k in range(i, min(i + tile, high)):
                for m in range(max(j, k + 1), min(j + tile, n)):
                    matrix[m, k] = matrix[k, m]
