"""Activations of the networks that are trained, with their slopes: for arrays of any library, and compiled."""

from __future__ import annotations

import importlib
import math
from typing import Any

import numpy as np
from numba import njit

from theorylab.kernels.elementary import error_function, tangent
from theorylab.kernels.vectors import wide

ACTIVATIONS = ("linear", "relu", "tanh", "erf")
LINEAR, RELU, TANH, ERF = range(4)


def apply(xp: Any, kind: int, h: Any) -> Any:
    """The activation of an array of any library."""
    if kind == RELU:
        return xp.where(h > 0, h, 0.0)
    if kind == TANH:
        return xp.tanh(h)
    return _erf(xp, h) if kind == ERF else h


def times_slope(xp: Any, kind: int, g: Any, h: Any, a: Any) -> Any:
    """g times the derivative of the activation, given preactivation and activation."""
    if kind == RELU:
        return xp.where(h > 0, g, 0.0)
    if kind == TANH:
        return g * (1.0 - a * a)
    return g * (2.0 / math.sqrt(math.pi)) * xp.exp(-h * h) if kind == ERF else g


def _erf(xp: Any, h: Any) -> Any:
    """The error function is not in the standard."""
    if type(h).__module__.partition(".")[0] == "cupy":
        return importlib.import_module("cupyx.scipy.special").erf(h)
    from scipy.special import erf

    return xp.asarray(erf(np.asarray(h)))


@njit(cache=True, nogil=True, error_model="numpy")
def activate(h, a, scale, after, kind):  # type: ignore[no-untyped-def]
    """Write the activations of scale * h, and over h their derivatives times `after`."""
    wide()
    if kind == RELU:
        zero = h.dtype.type(0)
        for i in range(h.size):
            z = scale * h[i]
            a[i] = z if z > zero else zero
            h[i] = after if z > zero else zero
    elif kind == TANH:
        for i in range(h.size):
            a[i] = tangent(scale * h[i])
            h[i] = after * (1 - a[i] * a[i])
    elif kind == ERF:
        slope = after * 2 / math.sqrt(math.pi)
        for i in range(h.size):
            a[i], gauss = error_function(scale * h[i])
            h[i] = slope * gauss
    else:
        for i in range(h.size):
            a[i] = scale * h[i]
            h[i] = after
