r"""Where limiting forgetting changes its shape, found by search over the dissimilarity.

Independent of the discriminants: for a given overparametrization the least slope of $F(\alpha)$, and the largest
$F(\alpha) - F(1)$ divided by $1 - \alpha$, over $0 \le \alpha \le 1$ are found on a grid and refined between its
points; the overparametrization at which they cross zero is bracketed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp
from scipy.optimize import brentq, minimize_scalar

from theorylab.derivations.double_descent.continual_two_task_rotation import (
    LIMIT,
    PROPORTION,
    UNRELATED,
    alpha,
    beta,
    limiting,
)
from theorylab.parameters import Space
from theorylab.prediction import Numerical

GRID = np.linspace(0.0, 1.0, 401)
TOLERANCE = 1e-13


def least(function: Callable[..., Any], overparametrization: float) -> float:
    """The least value over alpha, golden section around the best point of the grid."""
    values = function(GRID, overparametrization)
    best = int(np.clip(np.argmin(values), 1, GRID.size - 2))
    found = minimize_scalar(
        lambda a: function(a, overparametrization),
        bounds=(GRID[best - 1], GRID[best + 1]),
        method="bounded",
        options={"xatol": 1e-9},
    )
    return float(found.fun)


def crossing(expr: sp.Expr, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Overparametrization at which the least value changes its sign, and the error of the search."""
    function = sp.lambdify((alpha, beta), expr)
    root = brentq(lambda b: least(function, b), low, high, xtol=TOLERANCE, rtol=TOLERANCE)
    # Rounding and the inexact minimum move the root by their size over the slope there.
    h = 1e-4
    slope = (least(function, root + h) - least(function, root - h)) / (2.0 * h)
    noise = 64.0 * np.finfo(float).eps * float(np.max(np.abs(function(GRID, root)))) + abs(least(function, root))
    return np.asarray(root), np.asarray(TOLERANCE + noise / abs(slope))


monotone_until = Numerical(
    function=lambda: crossing(sp.diff(LIMIT, alpha), 0.88, 0.94),
    space=Space([]),
    quantity="overparametrization up to which forgetting rises with dissimilarity",
    conventions=PROPORTION,
    derivation=limiting.derivation,
    formula=r"\min_\alpha \partial_\alpha F(\alpha, \beta) = 0",
)
# F(1) - F(alpha) over 1 - alpha.
peak_beyond = Numerical(
    function=lambda: crossing(UNRELATED, 0.92, 0.97),
    space=Space([]),
    quantity="overparametrization beyond which a related task is forgotten most",
    conventions=PROPORTION,
    derivation=limiting.derivation,
    formula=r"\max_{\alpha < 1} F(\alpha, \beta) = F(1, \beta)",
)
