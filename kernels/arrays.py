"""The array library of an array: array-level kernels are written once, for NumPy, CuPy and what follows the standard.

The standard is the array API (https://data-apis.org/array-api/2023.12). NumPy before version 2 and CuPy before
version 14 offer all that is used here in their main namespaces, but do not announce it.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def namespace(*arrays: Any) -> Any:
    """The one namespace of the arrays.

    Raises
    ------
    TypeError
        If they are of different libraries, or of none.
    """
    found = {_namespace(x).__name__: _namespace(x) for x in arrays}
    if len(found) != 1:
        raise TypeError(f"arrays of one library are wanted, not of {', '.join(sorted(found)) or 'none'}")
    return next(iter(found.values()))


def host(x: Any) -> np.ndarray:
    """An array, or anything that can be made one, in NumPy: copied from its device where it lives on one."""
    return np.asarray(x.get() if type(x).__module__.partition(".")[0] == "cupy" else x)


def _namespace(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        return np
    library = type(x).__module__.partition(".")[0]
    if library == "cupy":
        import cupy

        return cupy
    if not hasattr(x, "__array_namespace__"):
        raise TypeError(f"{type(x).__name__} is not an array")
    return x.__array_namespace__()
