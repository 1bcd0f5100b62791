"""The array library of an array: array-level code is written once, for NumPy, CuPy and what follows the standard.

The standard is the array API (https://data-apis.org/array-api/2024.12), which array-api-compat puts over the versions
of NumPy and CuPy that are in use.
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
    from array_api_compat import array_namespace

    return array_namespace(*arrays)


def host(x: Any) -> np.ndarray:
    """An array, or anything that can be made one, in NumPy: copied from its device where it lives on one."""
    return np.asarray(x.get() if type(x).__module__.partition(".")[0] == "cupy" else x)
