r"""Sums over the power-law spectrum $\lambda_I = \lambda_- (M/I)^{1+\alpha}$ at an effective ridge $\nu$.

With $y_I = \nu/\lambda_I = e^s (I/M)^p$, $s = \log(\nu/\lambda_-)$ and $p = 1 + \alpha$, all of them are

    SpectralSum(k, j, s, M, p) = sum_I y_I^j / (1 + y_I)^k:

the degrees of freedom $d_1 = \sum_I \lambda_I/(\lambda_I+\nu)$ are (1, 0), $d_2 = \sum_I \lambda_I^2/(\lambda_I+\nu)^2$
(2, 0), what is left $M - d_1$ (1, 1), and $d_1 - d_2 = -d d_1/ds$ (2, 1); none is a small difference.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import mpmath
import numpy as np
import sympy as sp
from sympy.core.function import ArgumentIndexError

from theorylab.derivations.scaling_laws.plrf_sums import nodes
from theorylab.symbolic import Computed

# Terms of a sum that are added one by one; beyond twice as many the tail is an integral.
HEAD = 2000
# Terms that are still added to 50 digits.
MOST_TERMS = 100_000


class SpectralSum(Computed):
    r"""$\sum_{I=1}^{M} y_I^j (1 + y_I)^{-k}$ with $y_I = e^s (I/M)^p$: arguments k, j, s, M, p."""

    nargs = 5

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Derivative, with respect to s."""
        if argindex != 3:
            raise ArgumentIndexError(self, argindex)
        k, j, s, M, p = self.args
        return j * SpectralSum(k, j, s, M, p) - k * SpectralSum(k + 1, j + 1, s, M, p)

    @staticmethod
    def on_arrays(k: Any, j: Any, s: Any, M: Any, p: Any) -> np.ndarray:
        """Values in double precision; M need only be whole up to rounding."""
        s, M, p = np.broadcast_arrays(np.asarray(s, dtype=float), np.round(M), p)
        out = np.empty(s.shape)
        for terms, power in {*zip(M.flat, p.flat)}:
            here = (terms == M) & (power == p)
            logs, weight = _nodes(float(terms), float(power))
            y = np.exp(s[here][:, None] + logs)
            kept = 1.0 / (1.0 + y)
            both, rest = min(int(j), int(k)), int(j) - int(k)
            # Of quotients, never of a power of y over another: y may be near the largest double.
            out[here] = _power(y * kept, both) * (_power(y, rest) if rest > 0 else _power(kept, -rest)) @ weight
        return out

    @staticmethod
    def to_digits(k: Any, j: Any, s: Any, M: Any, p: Any) -> Any:
        """The value to mpmath's working precision, term by term."""
        terms = int(mpmath.nint(M))
        if terms > MOST_TERMS:
            raise ValueError(f"M = {terms} terms are too many to be added to {mpmath.mp.dps} digits")
        k, j, scale = int(k), int(j), mpmath.exp(s)
        ys = (scale * power for power in _powers(terms, p, mpmath.mp.prec))
        return mpmath.fsum(y**j / (1 + y) ** k for y in ys)

    def _latex(self, printer: Any) -> str:
        k, j, s, M, p = (printer._print(a) for a in self.args)
        y = rf"e^{{{s}}} (I/{M})^{{{p}}}"
        above = {"0": "1", "1": y}.get(j, rf"[{y}]^{{{j}}}")
        return rf"\sum_{{I=1}}^{{{M}}} \frac{{{above}}}{{(1 + {y})^{{{k}}}}}"


def _power(x: np.ndarray, n: int) -> Any:
    """A small power by multiplication."""
    return 1.0 if n == 0 else x if n == 1 else x * _power(x, n - 1)


@lru_cache(maxsize=64)
def _nodes(M: float, p: float) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of (I/M)^p at the nodes of a sum over I, and its weights."""
    rule = nodes(M, head=HEAD)
    return p * np.log(rule.j / M), rule.weight


def used_and_left(s: Any, M: Any, p: Any) -> tuple[np.ndarray, np.ndarray]:
    """d1 and M - d1, the smaller of them with all its digits; float64 arrays of the broadcast shape."""
    s, M, p = np.broadcast_arrays(np.asarray(s, dtype=float), np.round(M), p)
    used = SpectralSum.on_arrays(1, 0, s, M, p)
    left, many = np.asarray(M - used), used > 0.5 * M
    left[many] = SpectralSum.on_arrays(1, 1, s[many], M[many], p[many])
    return used, left


@lru_cache(maxsize=8)
def _powers(M: int, p: Any, prec: int) -> tuple[Any, ...]:
    """(I/M)^p for I = 1..M."""
    return tuple((mpmath.mpf(i) / M) ** p for i in range(1, M + 1))
