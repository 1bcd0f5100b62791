r"""Quadrature on lenses: the integrals of spectral measures and of generating functions, in double precision.

A lens is the upper arc $z(u) = x_0 + (R - x_0)\, u / (1 + u)$, $u = t e^{i\varphi}$, from $x_0$ to $R$ on either side
of an interval $[a, b]$ that holds all singularities. Panels in $t$ double in length, so that twelve points on each see
every scale between $a$ and $b$.
"""

from __future__ import annotations

import numpy as np

from theorylab.derivations.scaling_laws.plrf_sums import panel_rule

# Elements of a complex matrix that is formed at a time (32 MiB).
CHUNK = 1 << 21


def lens(x0: float, top: float, low: float, high: float, angle: float, points: int) -> tuple[np.ndarray, np.ndarray]:
    r"""Nodes and weights of a lens around [low, high] from x0 to top, with x0 < low < high < top.

    Returns
    -------
    z, dz : complex128[n]
        $\int f(z)\,dz \approx \sum_k f(z_k)\, dz_k$ along the arc from x0 to top.
    """
    width = top - x0
    first, last = (low - x0) / (2.0 * width), 4.0 * width / (top - high)
    doublings = max(1, int(np.ceil(np.log2(last / first))))
    ends = np.concatenate([[0.0], np.geomspace(first, last, doublings + 1)])
    t, dt = panel_rule(ends, points)
    # The last panel runs in 1/t from 0 to 1/last.
    inverse, weight = panel_rule(np.array([0.0, 1.0 / last]), points)
    t = np.concatenate([t, 1.0 / inverse[::-1]])
    dt = np.concatenate([dt, (weight / inverse**2)[::-1]])
    turn = np.exp(1j * angle)
    u = t * turn
    return x0 + width * (u / (1.0 + u)), width * turn * dt / (1.0 + u) ** 2


def log_one_minus(s: np.ndarray) -> np.ndarray:
    """log(1 - s) for complex s, accurate relative to itself: a library's complex log1p is not for small s."""
    x, y = s.real, s.imag
    return np.asarray(0.5 * np.log1p(-2.0 * x + x * x + y * y) + 1j * np.arctan2(-y, 1.0 - x))


def power_sum(weight: np.ndarray, exponent: np.ndarray, r: np.ndarray) -> np.ndarray:
    r"""$\operatorname{Im} \sum_k c_k e^{r \ell_k}$ for each r, float64[r].

    Parameters
    ----------
    weight, exponent : complex128[n]
        c and l, with Re l < 0.
    r : float64[m]
        Times.
    """
    out = np.empty(r.size)
    step = max(1, CHUNK // weight.size)
    for start in range(0, r.size, step):
        out[start : start + step] = (np.exp(r[start : start + step, None] * exponent) @ weight).imag
    return out


def cauchy(weights: np.ndarray, x: np.ndarray, s: np.ndarray) -> np.ndarray:
    r"""$\int \mu(dx)\, (x - s)^{-1}$ at complex s, for measures given by their nodes on a lens in the upper half plane.

    With $\int \mu\,\varphi = \operatorname{Im} \sum_k c_k \varphi(x_k)$ for $\varphi$ real on the axis, a complex
    parameter makes it $\frac{1}{2i} (\sum c_k \varphi(x_k) - \sum \bar c_k \varphi(\bar x_k))$.

    Parameters
    ----------
    weights : complex128[k, n]
        c of k measures.
    x : complex128[n]
        Nodes.
    s : complex128[m]

    Returns
    -------
    complex128[k, m]
    """
    out = np.empty((len(weights), s.size), dtype=complex)
    step = max(1, CHUNK // x.size)
    for start in range(0, s.size, step):
        part = s[start : start + step]
        above, below = 1.0 / (x[:, None] - part), 1.0 / (x.conj()[:, None] - part)
        out[:, start : start + step] = (weights @ above - weights.conj() @ below) / 2j
    return out
