r"""Lower convex hulls of clouds of points, and a filter that keeps only the points that can be on one.

The filter tabulates the current hull on a uniform grid of [0, 1] and interpolates linearly: chords of a convex
function lie above it, so that the filter lets through every point below the hull, and few others.
"""

from __future__ import annotations

import numpy as np
from numba import njit

CELLS = 1024
# Stands for "no hull here": finite, so that interpolation never makes a NaN.
NOTHING = 1e300


def lower_hull(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Vertices of the lower convex hull of some points and the origin.

    Parameters
    ----------
    x, y : float[m]
        Points with x > 0.

    Returns
    -------
    int[k]
        Indices of the vertices other than the origin, by increasing x.
    """
    order = np.lexsort((y, x))
    # Of points with the same x only the lowest can be a vertex.
    order = order[np.concatenate([[True], np.diff(x[order]) > 0])] if order.size else order
    chain: list[tuple[float, float, int]] = [(0.0, 0.0, -1)]
    for i, px, py in zip(order.tolist(), x[order].tolist(), y[order].tolist()):
        while len(chain) > 1:
            (ax, ay, _), (bx, by, _) = chain[-2:]
            if (bx - ax) * (py - ay) > (by - ay) * (px - ax):
                break
            chain.pop()
        chain.append((px, py, i))
    return np.array([i for _, _, i in chain[1:]], dtype=np.int64)


def tabulate(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The hull through the origin and the vertices (x, y), by increasing x, at j / `CELLS`: float[CELLS + 1]."""
    at = np.linspace(0.0, 1.0, CELLS + 1)
    heights: np.ndarray = np.interp(at, np.concatenate([[0.0], x]), np.concatenate([[0.0], y]), right=NOTHING)
    return heights


@njit(inline="always")
def below(x, y, table):  # type: ignore[no-untyped-def]
    """Whether the point may lie below the tabulated hull."""
    at = x * CELLS
    j = min(int(at), CELLS - 1)
    return y < table[j] + (at - j) * (table[j + 1] - table[j])
