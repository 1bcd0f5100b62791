r"""The exact law of a random one-hidden-layer network at finite width, by its characteristic function.

$$C(w) = E \cos w f = e^{-\sigma_b^2 w^2 / 2} \left( E_h\, g(w \phi(h) / \sqrt N) \right)^N, \qquad
  g(u) = e^{-s^2 u^2 / 2},\quad \frac{\sin \sqrt3 s u}{\sqrt3 s u},\quad \cos s u$$

for normal, uniform and Rademacher weights.

Normal weights: C is analytic and bounded for $|\arg w| < \pi/4$, and $e^{i w x}$ decays there for $x > 0$. On the ray
$w = e^{u + i\theta}$, $\theta = \pi/8$,

$$P(f > x) = \frac12 - \frac\theta\pi - \frac1\pi \int_{-\infty}^\infty \mathrm{Im}\, e^{i w x} C(w)\, du, \qquad
  p(x) = \frac1\pi \int_{-\infty}^\infty \mathrm{Re}\, w\, e^{i w x} C(w)\, du$$

($\theta/\pi$ is the arc about the pole at 0). The integrands are analytic in a strip of half-width $\pi/8$, so that the
trapezoidal rule with step $\delta$ errs by $e^{-\pi^2/(4\delta)}$, however slowly C decays on the real axis.

Other weights: sums over midpoints of the real axis (Davies 1973), smoothly cut off where C has not decayed; the
cut-off blurs the law by the inverse of its place.

Errors are differences to half of the nodes, of both quadratures at once, and to half the cut-off. An atom at
0, of weight $P(\phi = 0)^N$ without bias, is counted in the distribution function.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property, lru_cache

import numpy as np
from scipy import special
from scipy.interpolate import CubicHermiteSpline

from theorylab.derivations.infinite_width import edgeworth_moments as moments

ANGLE = math.pi / 8.0
# Step of the logarithm along the ray, and its ends.
STEP = 0.05
RAY = (-40.0, 19.0)
# Nearest place to 0 that the ray resolves, in standard deviations.
NEAREST = 1e-6
# On the real axis, in standard deviations and their inverse: half of the period, largest cut-off, and what has decayed.
HALF_PERIOD, MOST_CUT, DECAYED = 40.0, 120.0, 1e-17
# More values than this are interpolated in a table of so many, up to so many standard deviations (on the real axis,
# well within the period).
MANY, TABLE, FARTHEST, FARTHEST_ON_AXIS = 500, 800, 50.0, 25.0


class Output:
    """The law of f at given width and parameters.

    Parameters
    ----------
    N
        Hidden units.
    name, weights
        Activation, and law of the readout weights.
    q, s, sigma_b
        Variance of preactivations; standard deviations of a readout weight and of the bias.
    """

    def __init__(self, N: int, name: str, weights: str, q: float, s: float, sigma_b: float) -> None:
        self.N, self.name, self.weights = N, name, weights
        self.q, self.s, self.sigma_b = q, s, sigma_b
        self.deviation = math.sqrt(sigma_b**2 + s**2 * float(moments.activity(name, q, 2).value))
        self.atom = 0.5**N if name == "relu" and sigma_b == 0 else 0.0

    def characteristic(self, w: np.ndarray, fine: bool = True) -> np.ndarray:
        """C at real or (normal weights) complex arguments with |arg w| < pi/4."""
        z, weight = moments.gaussian_nodes(fine, even=self.weights != "normal")
        kept = weight > 1e-20
        phi = moments.function(self.name)(math.sqrt(self.q) * z[kept]) * (self.s / math.sqrt(self.N))
        # What is the same at many nodes (an activation's flat part) is computed once.
        phi, which = np.unique(np.abs(phi), return_inverse=True)
        weight = np.bincount(which.ravel(), weight[kept]) / weight[kept].sum()
        parts = np.array_split(w, 1 + w.size * phi.size // 400_000)
        one = np.concatenate([_site(part, phi, self.weights) @ weight for part in parts])
        return np.asarray(np.exp(-0.5 * self.sigma_b**2 * w * w) * one**self.N)

    def density(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Density of the continuous part at x != 0, and its error."""
        return self._measured(x, lambda y, fine: self._evaluated(y, fine)[1])

    def cdf(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """P(f <= x), and its error."""
        x = np.asarray(x, dtype=float)
        upper, error = self.upper(np.abs(x))
        upper = np.where(x == 0, 0.5 * (1.0 - self.atom), upper)
        return np.where(x >= 0, 1.0 - upper, upper), error

    def upper(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """P(f > x) at x > 0, and its error."""
        if np.size(x) > MANY:
            return self._interpolated(x)
        return self._measured(x, lambda y, fine: self._evaluated(y, fine)[0])

    def _measured(
        self, x: np.ndarray, evaluate: Callable[[np.ndarray, bool], np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        flat = np.abs(np.ravel(x))
        near = np.maximum(flat, NEAREST * self.deviation)
        pieces = np.array_split(near, 1 + near.size // 100)
        fine, coarse = (np.concatenate([evaluate(y, which) for y in pieces]) for which in (True, False))
        error = np.abs(fine - coarse) + 1e-15
        if np.any(near > flat):
            # No density is above that of the resolved place by much more than a logarithm.
            error += (near - flat) * 10.0 * self._evaluated(np.array([NEAREST * self.deviation]), True)[1]
        return fine.reshape(np.shape(x)), error.reshape(np.shape(x))

    def _evaluated(self, x: np.ndarray, fine: bool) -> tuple[np.ndarray, np.ndarray]:
        """P(f > x) and the density at x > 0."""
        if self.weights == "normal":
            step = STEP if fine else 2.0 * STEP
            w, c = self._ray[fine]
            wave = np.exp(1j * np.multiply.outer(x, w)) * c
            return (
                0.5 - (ANGLE + step * np.sum(wave.imag, axis=1)) / math.pi,
                step * (wave @ w).real / math.pi,
            )
        w, c = self._axis[fine]
        step, phase = float(2.0 * w[0]), np.multiply.outer(x, w)
        return 0.5 - step * (np.sin(phase) @ (c / w)) / math.pi, step * (np.cos(phase) @ c) / math.pi

    @cached_property
    def _ray(self) -> dict[bool, tuple[np.ndarray, np.ndarray]]:
        found = {}
        for fine in (True, False):
            w = np.exp(np.arange(*RAY, STEP if fine else 2.0 * STEP) + 1j * ANGLE) / self.deviation
            found[fine] = w, self.characteristic(w, fine)
        return found

    @cached_property
    def _axis(self) -> dict[bool, tuple[np.ndarray, np.ndarray]]:
        """Nodes, and C times the window."""
        found = {}
        for fine, part in ((True, 1.0), (False, 0.5)):
            step = math.pi / (HALF_PERIOD * part * self.deviation)
            w = (np.arange(math.ceil(MOST_CUT / self.deviation / step)) + 0.5) * step
            c = self.characteristic(w, fine)
            if abs(c[-1]) > DECAYED:
                # Goes from 1 to 0 within rounding between no frequency and the highest.
                cut = part * w[-1]
                c = c * 0.5 * special.erfc(11.6 * (w / cut - 0.5))
            found[fine] = w, c
        return found

    @cached_property
    def _table(self) -> tuple[CubicHermiteSpline, float, float]:
        """P(f > x) over asinh(x / scale) from values and slopes, the scale, and the error with that halfway."""
        scale = 1e-3 * self.deviation
        farthest = FARTHEST if self.weights == "normal" else FARTHEST_ON_AXIS
        t = np.linspace(0.0, math.asinh(1e3 * farthest), TABLE)
        t[0] = 2.0 * math.asinh(1e3 * NEAREST)
        x = scale * np.sinh(t)
        value, error = self._measured(x, lambda y, fine: self._evaluated(y, fine)[0])
        table = CubicHermiteSpline(t, value, -self.density(x)[0] * scale * np.cosh(t))
        middle = 0.5 * (t[1:] + t[:-1])[:: TABLE // 200]
        gap = np.abs(table(middle) - self.upper(scale * np.sinh(middle))[0])
        first = float(-table(t[0], 1) * t[0])
        return table, scale, float(np.max(error) + 2.0 * np.max(gap)) + first

    def _interpolated(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        table, scale, error = self._table
        at = np.clip(np.arcsinh(x / scale), table.x[0], table.x[-1])
        return np.asarray(table(at)), np.full(np.shape(x), error)


@lru_cache(64)
def output(N: int, name: str, weights: str, q: float, s: float, sigma_b: float) -> Output:
    """The law at a parameter point, kept with its characteristic function."""
    return Output(N, name, weights, q, s, sigma_b)


def _site(w: np.ndarray, phi: np.ndarray, weights: str) -> np.ndarray:
    """E_v cos(w v phi) at E v^2 = 1, array[len(w), len(phi)]."""
    u = np.multiply.outer(w, phi)
    if weights == "normal":
        return np.asarray(np.exp(-0.5 * u * u))
    return np.asarray(np.sinc(math.sqrt(3.0) / math.pi * u) if weights == "uniform" else np.cos(u))
