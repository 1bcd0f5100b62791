r"""The equation of Silverstein for any population spectrum, in the variable in which everything is explicit.

With H the population's spectral law, c = p/n and v the companion transform, put omega = -1/v. Then

    z = omega + c int t dH + int c t^2 dH/(omega - t)

maps the region above the curve S(omega) = int c t^2 dH/|omega - t|^2 = 1 one to one onto the upper half-plane: for
omega = a + i b, Im z = b (1 - S), and S falls as b grows. So for each a there is one height on the curve, Re z
increases along it, and every root here has a bracket. On the real line S = 1 at the edges of the support: at most twice
between neighbouring atoms of H, once below and once above all of them.

Source
    Marchenko and Pastur, Math. USSR Sbornik 1 (1967) 457; Silverstein and Choi, J. Multivariate Anal. 54 (1995) 295,
    for the support. The curve is that of Biane, Indiana Univ. Math. J. 46 (1997) 705, for this equation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import mpmath
import numpy as np
from scipy.optimize import elementwise

from theorylab.errors import DomainError
from theorylab.prediction import PredictionError

# Residual of a root, relative to the largest term of its equation, and the most steps that are taken towards it.
RESIDUAL, STEPS = 1e-13, 60
# How closely a root must solve the imaginary part of the equation, divided by Im omega.
LEVEL = 1e-6
TIGHT = {"xatol": 0.0, "xrtol": 4e-16, "fatol": 0.0, "frtol": 0.0}
# Elements of the arrays that are worked on at a time.
AT_A_TIME = 1 << 20
# Edges times atoms up to which edges are known to twice double precision.
POLISHED = 20_000
# How far the masses may be from one, for rounding.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Edge:
    """An end of an interval of the support: omega, and x = high + low to twice double precision."""

    omega: float
    high: float
    low: float


class Population:
    """Spectral law of a population covariance, with the aspect ratio of its samples.

    Parameters
    ----------
    c
        p/n.
    values
        Population eigenvalues, none negative.
    masses
        Their probabilities; equal ones when None.

    Raises
    ------
    DomainError
        For a negative or missing eigenvalue or mass, masses that do not sum to one, or c that is not positive.
    """

    def __init__(self, c: float, values: Any, masses: Any = None) -> None:
        t = np.atleast_1d(np.asarray(values, dtype=float))
        w = np.full(t.shape, 1.0 / max(t.size, 1)) if masses is None else np.atleast_1d(np.asarray(masses, dtype=float))
        if not (np.isfinite(c) and c > 0.0):
            raise DomainError(f"c = {c:g} must be positive and finite")
        if t.ndim != 1 or t.size == 0 or w.shape != t.shape:
            raise DomainError(f"{t.size} population eigenvalues need as many masses, at least one; got {w.size}")
        for name, array, why in (
            ("population eigenvalue", t, "covariances have none below 0"),
            ("mass", w, "masses are probabilities"),
        ):
            bad = ~(np.isfinite(array) & (array >= 0.0))
            if np.any(bad):
                raise DomainError(f"{name} {int(np.argmax(bad))} is {array[bad][0]:g}: {why}, and all are finite")
        total = float(w.sum())
        if abs(total - 1.0) > ROUNDING:
            raise DomainError(f"the masses sum to {total:g}, not to 1: divide them by their sum")
        self.c = float(c)
        self.empty = float(w[(t == 0.0)].sum())
        kept = (t > 0.0) & (w > 0.0)
        if not np.any(kept):
            raise DomainError("the population is zero: give it a positive eigenvalue with a positive mass")
        self.t, place = np.unique(t[kept], return_inverse=True)
        self.w = np.bincount(place, weights=w[kept])
        self.mean = float(self.w @ self.t)
        self.q = self.c * self.w * self.t**2
        # 1 - c (1 - H({0})), exact where H has no mass at 0.
        self.spare = 1.0 - self.c * (1.0 - self.empty)

    def place(self, omega: Any) -> np.ndarray:
        """z at omega."""
        o = np.asarray(omega)[..., None]
        with np.errstate(divide="ignore", invalid="ignore"):
            plain = omega + self.c * self.mean + np.sum(self.q / (o - self.t), axis=-1)
            small = omega * (self.spare + self.c * np.sum(self.w * o / (o - self.t), axis=-1))
        return np.asarray(np.where(np.abs(omega) < self.t[0] / 2.0, small, plain))

    def slope(self, omega: Any) -> np.ndarray:
        """dz/d omega = 1 - sum q/(omega - t)^2, without cancellation near 0 for c near 1."""
        o = np.asarray(omega)[..., None]
        with np.errstate(divide="ignore", invalid="ignore"):
            plain = 1.0 - np.sum(self.q / (o - self.t) ** 2, axis=-1)
            small = self.spare - self.c * np.sum(self.w * o * (2.0 * self.t - o) / (o - self.t) ** 2, axis=-1)
        return np.asarray(np.where(np.abs(omega) < self.t[0] / 2.0, small, plain))

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """Edges of the support, ascending: an even number."""
        t, q = self.t, self.q
        reach = float(np.sqrt(q.sum()))
        # No term of S exceeds 1 at an edge: so far from an atom it is at least.
        away = np.sqrt(q) / 2.0
        pairs = [(t[0] - reach * (1.0 + 1e-9) - 1e-300, float(np.min(t - away)))]
        if len(t) > 1:
            low, high = t[:-1] * (1.0 + 1e-15), t[1:] * (1.0 - 1e-15)
            bend = elementwise.find_root(
                lambda a: -np.sum(q / (a[..., None] - t) ** 3, axis=-1), (low, high), tolerances=TIGHT
            )
            for left, middle, right in zip(t[:-1], bend.x, t[1:]):
                if left < middle < right and self.slope(np.asarray(middle)) > 0.0:
                    pairs += [(left, middle), (middle, right)]
        pairs.append((float(np.max(t + away)), t[-1] + reach * (1.0 + 1e-9)))
        low, high = (np.array(side) for side in zip(*pairs))
        # At an atom the slope is -infinity: step off it.
        width = high - low
        found = elementwise.find_root(
            self.slope, (low + 1e-15 * width, high - 1e-15 * width), tolerances=TIGHT, maxiter=2000
        )
        if not np.all(found.success):
            raise PredictionError("an edge of the support was not found: two atoms of the population nearly coincide")
        polish = len(found.x) * len(t) <= POLISHED
        return tuple(self._edge(float(omega), polish) for omega in found.x)

    def _edge(self, omega: float, polish: bool) -> Edge:
        if not polish:
            return Edge(omega, float(self.place(omega)), 0.0)
        with mpmath.workdps(45):
            # Exact masses sum to one whatever rounding says: the first one yields.
            c, t, w = mpmath.mpf(self.c), [mpmath.mpf(v) for v in self.t], [mpmath.mpf(v) for v in self.w]
            point = mpmath.mpf(omega)
            for _ in range(4):
                gap = [point - v for v in t]
                slope = 1 - c * mpmath.fsum(m * v**2 / g**2 for m, v, g in zip(w, t, gap))
                bend = 2 * c * mpmath.fsum(m * v**2 / g**3 for m, v, g in zip(w, t, gap))
                if bend == 0 or slope == 0:
                    break
                point -= slope / bend
            exact = point * (1 + c * mpmath.fsum(m * v / (point - v) for m, v in zip(w, t)))
            high = float(exact)
            return Edge(float(point), high, float(exact - high))

    def omega(self, z: Any) -> np.ndarray:
        """The root of Silverstein's equation with Im omega > 0, for Im z >= 0 inside the support, Im z > 0 elsewhere.

        Raises
        ------
        PredictionError
            When a residual stays above RESIDUAL.
        """
        flat = np.ravel(np.asarray(z, dtype=complex))
        out = np.empty_like(flat)
        size = max(1, AT_A_TIME // len(self.t))
        for start in range(0, len(flat), size):
            out[start : start + size] = self._omega(flat[start : start + size])
        return out.reshape(np.shape(z))

    def _omega(self, z: np.ndarray) -> np.ndarray:
        found = self._newton(z, self._guess(z))
        # On the real line the conjugate of a root is another.
        found = np.where((z.imag == 0.0) & (found.imag < 0.0), np.conj(found), found)
        for halvings in (12, 1200):
            left = ~self._solved(z, found)
            if not np.any(left):
                return found
            found[left] = self._newton(z[left], self._bracketed(z[left], halvings))
        if not np.all(self._solved(z, found)):
            raise PredictionError("Silverstein's equation was not solved to its residual")
        return found

    def _newton(self, z: np.ndarray, omega: np.ndarray) -> np.ndarray:
        omega = omega.copy()
        live = np.ones(len(z), dtype=bool)
        for _ in range(STEPS):
            here = omega[live]
            with np.errstate(all="ignore"):
                step = (self.place(here) - z[live]) / self.slope(here)
            # Nothing beyond the size of omega in one step: Newton's method may throw a point away.
            limit = np.abs(here) + self.t[-1]
            step = np.where(np.isfinite(step), step, 0.0)
            step = step * np.minimum(1.0, limit / np.maximum(np.abs(step), limit))
            omega[live] = here - step
            moving = np.abs(step) > 1e-15 * np.abs(here)
            live[live] = moving
            if not np.any(live):
                break
        return omega

    def _solved(self, z: np.ndarray, omega: np.ndarray) -> np.ndarray:
        """Above the real line, to the residual, and not at one of the roots of the real equation by its side."""
        with np.errstate(all="ignore"):
            gap = np.abs(omega[:, None] - self.t)
            size = np.abs(omega) + self.c * self.mean + np.sum(self.q / gap, axis=1)
            level = np.sum(self.q / gap**2, axis=1)
            solved = np.abs(self.place(omega) - z) <= RESIDUAL * size
            return np.asarray(solved & (np.abs(1.0 - level - z.imag / omega.imag) <= LEVEL) & (omega.imag > 0.0))

    def _guess(self, z: np.ndarray) -> np.ndarray:
        """On the curve inside the support, at like parts of its interval; above everything elsewhere."""
        x, y = z.real, z.imag
        ends = np.array([e.high for e in self.edges])
        low = np.clip(np.searchsorted(ends, x, side="right") // 2 * 2 - 0, 0, len(ends) - 2)
        low = np.where(x < ends[low], np.maximum(low - 2, 0), low)
        omegas = np.array([e.omega for e in self.edges])
        part = np.clip((x - ends[low]) / (ends[low + 1] - ends[low]), 0.0, 1.0)
        a = omegas[low] + part * (omegas[low + 1] - omegas[low])
        b = self._height(a)
        far = x - self.c * self.mean
        a = np.where((x < ends[0]) | (x > ends[-1]), far, a)
        b = np.where(y > 0.0, y / 2.0 + np.sqrt(y * y / 4.0 + b * b + 1e-30), b)
        return np.asarray(a + 1j * b)

    def _height(self, a: np.ndarray) -> np.ndarray:
        """The b >= 0 with S(a + i b) = 1, or 0: 1/S is concave in b^2, so that Newton's steps come from below."""
        square = (a[:, None] - self.t) ** 2
        s = np.maximum(np.max(self.q - square, axis=1), 1e-300)
        for _ in range(STEPS):
            gap = square + s[:, None]
            level = np.sum(self.q / gap, axis=1)
            step = level * (level - 1.0) / np.sum(self.q / gap**2, axis=1)
            s = s + np.maximum(step, 0.0)
            if np.all(step <= 1e-14 * s):
                break
        return np.asarray(np.sqrt(s))

    def _bracketed(self, z: np.ndarray, halvings: int) -> np.ndarray:
        """The root by two nested searches with brackets, for what Newton's method did not reach."""
        reach = 1.001 * float(np.sqrt(self.q.sum()))
        centre = z.real - self.c * self.mean
        low, high = centre - reach, centre + reach
        for _ in range(halvings):
            middle = 0.5 * (low + high)
            above = self.place(middle + 1j * self._lifted(middle, z.imag)).real > z.real
            if not np.any((low < middle) & (middle < high)):
                break
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        middle = 0.5 * (low + high)
        return np.asarray(middle + 1j * self._lifted(middle, z.imag))

    def _lifted(self, a: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The b > 0 with b (1 - S(a + i b)) = y, by halving its logarithm."""
        square = (a[:, None] - self.t) ** 2
        low, high = np.full(len(a), 1e-150), 1.001 * (y / 2.0 + np.sqrt(y * y / 4.0 + self.q.sum()))
        while True:
            middle = np.sqrt(low * high)
            if not np.any((low < middle) & (middle < high)):
                return np.asarray(high)
            below = 1.0 - np.sum(self.q / (square + middle[:, None] ** 2), axis=1) < y / middle
            low, high = np.where(below, middle, low), np.where(below, high, middle)
