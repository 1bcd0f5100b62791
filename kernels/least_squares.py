r"""Least squares, minimum-norm interpolation and ridge regression, for a batch of small dense designs.

The coefficients minimise $|y - X \beta|^2 + \lambda |\beta|^2$; at $\lambda = 0$ they are $X^+ y$. The references ask
LAPACK for a singular value decomposition of each design. The fast twins factor the smaller Gram matrix,
$X^T X + \lambda$ (primal form) or $X X^T + \lambda$ (dual form, $\hat\beta = X^T \alpha$), by Cholesky and then refine
once with the residual (A. Bjorck, "Stability analysis of the method of seminormal equations for linear least
squares problems", Linear Algebra Appl. 88/89 (1987) 31-48). With $\kappa$ the condition number of $X$ stacked on
$\sqrt\lambda$, the first solution is off by about $\kappa^2 \epsilon$, the refined one by
$(\kappa^2 \epsilon)^2 + \kappa \epsilon$. The refinement itself measures the first error: a trial in which it exceeds
`TRUSTED` goes to the reference, so that the normal equations are never relied on where they lose digits.

`ridge` and `minimum_norm` do the same in array code, for the array library of their arguments.

Speed on one core of a Xeon with AVX-512 at (n, p) = (200, 100): 110 to 130 us. Floor: BLAS's symmetric product and
LAPACK's Cholesky factor of the same designs, 84 us, of which 55 to 75 % is reached, 80 % at (1000, 500); most of the
rest is the refinement. NumPy's solver, not refined, takes 0.94 to 1.2 times as long, the floor of a backward-stable
route, LAPACK's QR factorisation alone, 2 times.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from scipy.linalg.blas import dsyrk
from scipy.linalg.lapack import dpotrf

from theorylab.kernels.arrays import namespace

# Largest refinement, relative to the solution, that is accepted: leaves errors below 1e-12 or so.
TRUSTED = 1e-6
# Order of a Gram matrix from which LAPACK's blocks gain more than its calls cost.
BLOCKED = 80
# Bytes of designs worked on at a time, half of a second-level cache: each is read five times.
CACHE = 2**20
FORMS = ("auto", "primal", "dual")


def minimum_norm_numpy(design: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Reference: coefficients of least squares, or of the interpolator of least norm.

    Parameters
    ----------
    design : float64[trials, n, p]
        Of full rank, min(n, p).
    response : float64[trials, n]

    Returns
    -------
    float64[trials, p]
    """
    out = np.empty((len(design), design.shape[2]))
    for row, x, y in zip(out, design, response):
        row[:] = np.linalg.lstsq(x, y, rcond=None)[0]
    return out


def minimum_norm_numba(design: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Fast twin of `minimum_norm_numpy`."""
    return ridge_numba(design, response, 0.0)


def minimum_norm(design: Any, response: Any) -> Any:
    """Twin of `minimum_norm_numpy` in the array library of the arguments."""
    return ridge(design, response, 0.0)


def ridge_numpy(design: Any, response: Any, penalty: float) -> Any:
    """Reference: coefficients of ridge regression from singular values, in the array library of the arguments.

    Parameters
    ----------
    design : float64[trials, n, p]
    response : float64[trials, n]
    penalty
        0 or more; at 0 the solution of least norm.

    Returns
    -------
    float64[trials, p]

    Raises
    ------
    ValueError
        If the shapes do not fit or the penalty is negative.
    """
    _check(design, response, penalty, "auto")
    xp = namespace(design, response)
    u, s, vh = xp.linalg.svd(design, full_matrices=False)
    coefficients = _product(_transposed(xp, u), response)
    # Singular values within rounding of zero are none, as for LAPACK's gelsd.
    cut = xp.finfo(design.dtype).eps * max(design.shape[1:]) * s[:, :1]
    seen = s > cut if penalty == 0 else s > 0
    weights = xp.where(seen, s / xp.where(seen, s * s + penalty, 1.0), 0.0)
    return _product(_transposed(xp, vh), weights * coefficients)


def ridge_numba(design: np.ndarray, response: np.ndarray, penalty: float, form: str = "auto") -> np.ndarray:
    """Fast twin of `ridge_numpy`.

    Parameters
    ----------
    design, response, penalty
        As in `ridge_numpy`.
    form
        "primal" (p unknowns), "dual" (n unknowns), or "auto": the one with fewer.

    Returns
    -------
    float64[trials, p]

    Raises
    ------
    ValueError
        As `ridge_numpy`, and if the form is unknown.
    """
    primal = _check(design, response, penalty, form)
    at_once = max(1, CACHE // max(1, design[:1].nbytes))
    if len(design) > at_once:
        starts = range(0, len(design), at_once)
        parts = [(design[i : i + at_once], response[i : i + at_once]) for i in starts]
        return np.concatenate([ridge_numba(*part, penalty, form) for part in parts])
    factor, done = _factors(np.ascontiguousarray(design), primal, penalty)
    out, refinement = _refined(np, design, response, penalty, primal, lambda b: _substitute(factor, b))
    done &= np.abs(refinement).max(axis=1) <= TRUSTED * np.abs(out).max(axis=1)
    if not done.all():
        rest = design[~done], response[~done]
        out[~done] = ridge_numpy(*rest, penalty) if penalty else minimum_norm_numpy(*rest)
    return np.asarray(out)


def ridge(design: Any, response: Any, penalty: float, form: str = "auto") -> Any:
    """Twin of `ridge_numpy` in the array library of the arguments, refined like `ridge_numba`.

    Parameters
    ----------
    design, response, penalty, form
        As in `ridge_numba`.

    Returns
    -------
    float64[trials, p]

    Raises
    ------
    ValueError
        As `ridge_numba`.
    """
    primal = _check(design, response, penalty, form)
    xp = namespace(design, response)
    gram = _gram(xp, design, primal, penalty)

    def solve(right: Any) -> Any:
        return xp.linalg.solve(gram, right[..., None])[..., 0]

    try:
        out, refinement = _refined(xp, design, response, penalty, primal, solve)
    except np.linalg.LinAlgError:  # a Gram matrix that is singular to the last bit; on a GPU its solution is no number
        return ridge_numpy(design, response, penalty)
    done = xp.max(xp.abs(refinement), axis=1) <= TRUSTED * xp.max(xp.abs(out), axis=1)
    return out if bool(xp.all(done)) else xp.where(done[:, None], out, ridge_numpy(design, response, penalty))


def _factors(design: np.ndarray, primal: bool, penalty: float) -> tuple[np.ndarray, np.ndarray]:
    """Cholesky factors of the Gram matrices, in lower triangles, and which of them exist."""
    trials, order = len(design), design.shape[2 if primal else 1]
    if order < BLOCKED:
        gram = _gram(np, design, primal, 0.0)
        gram.reshape(trials, -1)[:, :: order + 1] += penalty
        return gram, _cholesky(gram)
    gram, done = np.empty((trials, order, order)), np.empty(trials, dtype=bool)
    for t in range(trials):
        # BLAS and LAPACK count in columns: what they see are the transposes.
        columns = gram[t].T
        dsyrk(1.0, design[t].T, trans=0 if primal else 1, c=columns, overwrite_c=1)
        gram[t].reshape(-1)[:: order + 1] += penalty
        done[t] = dpotrf(columns, clean=0, overwrite_a=1)[1] == 0
    gram[~done] = np.eye(order)
    return gram, done


def _check(design: Any, response: Any, penalty: float, form: str) -> bool:
    """Whether the form is the primal one."""
    if len(design.shape) != 3 or tuple(response.shape) != tuple(design.shape[:2]):
        raise ValueError(f"designs of shape {design.shape} and responses of shape {response.shape} do not fit")
    if not penalty >= 0:
        raise ValueError(f"penalty {penalty} must be 0 or more")
    if form not in FORMS:
        raise ValueError(f"form {form!r}; known are {', '.join(FORMS)}")
    return bool(design.shape[1] >= design.shape[2]) if form == "auto" else form == "primal"


def _gram(xp: Any, design: Any, primal: bool, penalty: float) -> Any:
    transposed = _transposed(xp, design)
    gram = xp.matmul(transposed, design) if primal else xp.matmul(design, transposed)
    return gram + penalty * xp.eye(gram.shape[1], dtype=gram.dtype) if penalty else gram


def _refined(xp: Any, design: Any, response: Any, penalty: float, primal: bool, solve: Any) -> tuple[Any, Any]:
    """The refined solution and its last change, by a solver with the Gram matrices."""
    transposed = _transposed(xp, design)
    if primal:
        out = solve(_product(transposed, response))
        change = solve(_product(transposed, response - _product(design, out)) - penalty * out)
    else:
        weights = solve(response)
        out = _product(transposed, weights)
        change = _product(transposed, solve(response - _product(design, out) - penalty * weights))
    return out + change, change


def _transposed(xp: Any, x: Any) -> Any:
    return xp.moveaxis(x, -1, -2)


def _product(matrices: Any, vectors: Any) -> Any:
    """Matrix-vector products, float64[trials, rows]."""
    return (matrices @ vectors[..., None])[..., 0]


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _cholesky(matrices):  # type: ignore[no-untyped-def]
    """Overwrite the lower triangles of symmetric float64[trials, m, m] by their Cholesky factors.

    Returns
    -------
    bool[trials]
        Whether all pivots were positive.
    """
    trials, m, _ = matrices.shape
    positive = np.ones(trials, dtype=np.bool_)
    for t in range(trials):
        a = matrices[t]
        for i in range(m):
            for j in range(i + 1):
                inner = 0.0
                for k in range(j):
                    inner += a[i, k] * a[j, k]
                if j < i:
                    a[i, j] = (a[i, j] - inner) / a[j, j]
                else:
                    pivot = a[i, i] - inner
                    if not pivot > 0.0:
                        positive[t] = False
                        pivot = 1.0
                    a[i, i] = np.sqrt(pivot)
    return positive


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _substitute(factors, right):  # type: ignore[no-untyped-def]
    """Solve L L^T x = b for lower triangles L of float64[trials, m, m] and b in float64[trials, m]."""
    out = np.empty_like(right)
    trials, m = right.shape
    for t in range(trials):
        lower, b, x = factors[t], right[t], out[t]
        for i in range(m):
            inner = 0.0
            for j in range(i):
                inner += lower[i, j] * x[j]
            x[i] = (b[i] - inner) / lower[i, i]
        for i in range(m - 1, -1, -1):
            value = x[i] / lower[i, i]
            x[i] = value
            for j in range(i):
                x[j] -= value * lower[i, j]
    return out
