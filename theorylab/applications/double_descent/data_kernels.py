"""Kernel matrices of a user's data, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from theorylab.errors import UsageError
from theorylab.parameters import Choices, Integers, Interval, Parameter

KERNELS = ("rbf", "laplace", "linear", "polynomial", "ntk", "nngp")
PARAMETERS = (
    Parameter("kernel", Choices(KERNELS), "rbf exp(-r^2/2), laplace exp(-r), linear, polynomial, ntk or nngp", "rbf"),
    Parameter("length", Interval(0, open_low=True), "unit of r in median distances between points", 1.0),
    Parameter("degree", Integers(1, 20), "of the polynomial (1 + x.x'/mean |x|^2)^degree", 3),
    Parameter("activation", Choices(("relu", "erf")), "of the network of ntk and nngp", "relu"),
    Parameter("depth", Integers(2, 12), "weight layers of that network", 3),
    Parameter("bias", Interval(0, 10), "variance of its biases, beside that of its inputs", 0.1),
)
# Rows whose kernel matrix and its eigenvectors are still small.
MOST_DATA = 6_000


def kernel_matrix(x: np.ndarray, options: Mapping[str, Any]) -> np.ndarray:
    """The kernel matrix, float64[N, N], with a mean diagonal of 1.

    Raises
    ------
    UsageError
        For too many rows, and for data on which the kernel is not defined.
    """
    if len(x) > MOST_DATA:
        raise UsageError(f"{len(x)} rows of data; at most {MOST_DATA}: the kernel matrix of all rows is decomposed")
    name = options["kernel"]
    matrix = _network(x, options) if name in ("ntk", "nngp") else _plain(x, options)
    mean = float(np.trace(matrix)) / len(x)
    if not mean > 0.0 or not np.isfinite(mean):
        raise UsageError(f"the {name} kernel is zero or not finite on these data; scale the inputs")
    return matrix / mean


def _plain(x: np.ndarray, options: Mapping[str, Any]) -> np.ndarray:
    name = options["kernel"]
    products = x @ x.T
    squares = np.diag(products)
    if name in ("linear", "polynomial"):
        size = float(np.mean(squares))
        if size == 0.0:
            raise UsageError("all inputs are 0: there is nothing to learn from")
        return np.asarray(products / size if name == "linear" else (1.0 + products / size) ** options["degree"])
    distances = np.sqrt(np.maximum(squares[:, None] + squares[None, :] - 2.0 * products, 0.0))
    np.fill_diagonal(distances, 0.0)
    unit = float(np.median(distances[np.triu_indices(len(x), 1)]))
    if unit == 0.0:
        raise UsageError("most points have the same inputs: their median distance is 0; drop copies")
    r = distances / (options["length"] * unit)
    return np.asarray(np.exp(-0.5 * r**2) if name == "rbf" else np.exp(-r))


def _network(x: np.ndarray, options: Mapping[str, Any]) -> np.ndarray:
    from theorylab.derivations.infinite_width.recursion import gram

    size = float(np.mean(x**2))
    if size == 0.0:
        raise UsageError("all inputs are 0: there is nothing to learn from")
    relu = options["activation"] == "relu"
    found = gram(
        options["activation"],
        x / np.sqrt(size),
        depth=options["depth"],
        weight_variance=2.0 if relu else 1.0,
        bias_variance=options["bias"],
        tangent=options["kernel"] == "ntk",
    )
    return np.asarray(found.Theta if options["kernel"] == "ntk" else found.K)
