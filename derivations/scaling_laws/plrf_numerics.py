r"""The deterministic equivalent of one-pass SGD on power-law random features, at any size and any time.

    Equivalent(alpha, beta, d, v, gamma, B).risk(r)      (value and error at an array of times)

Model and conventions are those of `plrf_volterra`. The spectrum's equivalent (`plrf_spectrum`) gives the measures of
the forcing and of the kernel, as nodes on a lens around it; the generating function $\sum_r P_r w^{-r-1}$ is a quotient
of integrals over them, and a second lens, in $s = 1 - w$, gives $P_r$ for all $r$ at once.

One object with a hundred times costs 0.05 s at $d = 2^{20}$ and 0.2 s at $2^{36}$. The error of every number is its
difference from coarser rules for all sums and integrals (8 points a panel instead of 12).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from scipy.optimize import brentq

from theorylab.derivations.scaling_laws.plrf_contour import cauchy, lens, log_one_minus, power_sum
from theorylab.derivations.scaling_laws.plrf_spectrum import POINTS, Edges, Spectrum
from theorylab.derivations.scaling_laws.plrf_sums import HEAD
from theorylab.errors import DomainError
from theorylab.prediction import Value

# Angles of the lenses: around the spectrum, and around its image under 1 - q.
SPECTRUM_ANGLE, TIME_ANGLE = 0.45, 0.9
# Rounding of sums of a few hundred terms.
ROUNDING = 1e-13


class _Rule:
    """One resolution of all sums and integrals."""

    def __init__(self, spectrum: Spectrum, gamma: float, batch: float, points: int) -> None:
        self.spectrum, self.gamma, self.batch, self.points = spectrum, float(gamma), float(batch), points

    def decay(self, z: Any) -> Any:
        """1 - q(z)."""
        return self.gamma * self.batch * z * (2.0 - self.gamma * (self.batch + 1.0) * z)

    @cached_property
    def _measures(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Nodes 1 - q(z), and weights of the forcing and of the kernel times a(z) = gamma^2 B z^2."""
        low, high = self.spectrum.edges
        # Within the disc on whose diameter (0, 2/(gamma (B + 1))) lies the spectrum |q| < 1.
        top = min(1.25 * high, (high + 2.0 / (self.gamma * (self.batch + 1.0))) / 2.0)
        z, dz = lens(low / 2.0, top, low, high, SPECTRUM_ANGLE, self.points)
        forcing, kernel = self.spectrum.measures(z, self.spectrum.arc(z))
        a = self.gamma**2 * self.batch * z * z
        return self.decay(z), forcing * dz / np.pi, kernel * a * dz / np.pi

    @cached_property
    def norm(self) -> float:
        """Sum of the kernel over all times."""
        return self.spectrum.excess(2.0 / (self.gamma * (self.batch + 1.0))) / (self.batch + 1.0)

    @cached_property
    def limit(self) -> float:
        """Risk after infinitely many steps."""
        return self.spectrum.capacity / (1.0 - self.norm)

    @cached_property
    def forcing_sum(self) -> float:
        """Sum over all times of the forcing above its limit."""
        x, forcing, _ = self._measures
        return float((forcing / x).sum().imag)

    def forcing(self, r: np.ndarray) -> np.ndarray:
        """F(r), float64[n]."""
        x, forcing, _ = self._measures
        return self.spectrum.capacity + power_sum(forcing, log_one_minus(x), r)

    def kernel(self, r: np.ndarray) -> np.ndarray:
        """K(r), float64[n]."""
        x, _, kernel = self._measures
        return power_sum(kernel, log_one_minus(x), r)

    def risk(self, r: np.ndarray) -> np.ndarray:
        """P_r, float64[n]."""
        s, weight = self._generating
        return self.limit + power_sum(weight, log_one_minus(s), r)

    @cached_property
    def _generating(self) -> tuple[np.ndarray, np.ndarray]:
        """Nodes s, and weights of the generating function of P_r on them."""
        x, forcing, kernel = self._measures
        low = float(min(self.decay(edge) for edge in self.spectrum.edges)) / 4.0

        def transform(s: float) -> float:
            return float((kernel / (x - s)).sum().imag)

        # The kernel's transform grows from its norm at 0: where it reaches 1, SGD's own noise decays more slowly than
        # anything in the spectrum.
        if transform(low) > 1.0:
            low = float(brentq(lambda s: transform(s) - 1.0, 0.0, low)) / 2.0
        high = float(np.max(np.abs(x)))
        s, ds = lens(low / 2.0, 1.15 * high, low, high, TIME_ANGLE, self.points)
        f, k = cauchy(np.stack([forcing, kernel]), x, s)
        return s, (f - self.spectrum.capacity / s) / (1.0 - k) * ds / np.pi


class Equivalent:
    r"""Deterministic equivalent of one-pass SGD on power-law random features.

    Full risk, without a half; the gradient is summed over the batch; r counts steps from zero weights.

    Parameters
    ----------
    alpha, beta
        Exponents: inputs have standard deviations $j^{-\alpha}$, the target has coefficients $j^{-\beta}$.
    d, v
        Numbers of features and of inputs, v > d; they need not be whole.
    gamma
        Learning rate.
    B
        Batch size.
    points
        Points a panel. The error is the difference from a rule with two thirds of them.

    Raises
    ------
    DomainError
        When the learning rate is not stable (the critical value is named), or v <= d.
    """

    def __init__(
        self, alpha: float, beta: float, d: float, v: float, gamma: float, B: float = 1, *, points: int = POINTS
    ) -> None:
        if v <= d:
            raise DomainError(f"v = {v:g} inputs for d = {d:g} features: take v > d")
        self.alpha, self.beta, self.gamma, self.B = float(alpha), float(beta), float(gamma), float(B)
        self.d, self.v = float(d), float(v)
        rules = ((points, HEAD), (2 * points // 3, HEAD // 2))
        self._rules = [_Rule(Spectrum(alpha, beta, d, v, p, head), gamma, B, p) for p, head in rules]
        self.critical_rate = self._rules[0].spectrum.critical_rate(B)
        if gamma >= self.critical_rate:
            raise DomainError(
                f"gamma = {gamma:g} is not stable at alpha = {alpha:g}, d = {d:g}, v = {v:g}, B = {B:g}: "
                f"take gamma < {self.critical_rate:.4g}, the critical value"
            )

    def _value(self, f: Callable[[_Rule], Any]) -> Value:
        fine, coarse = (np.asarray(f(rule)) for rule in self._rules)
        return Value(fine, np.abs(fine - coarse) + ROUNDING * np.abs(fine))

    def _curve(self, f: Callable[[_Rule, np.ndarray], np.ndarray], r: Any) -> Value:
        times = np.asarray(r, dtype=float)
        flat = times.ravel()
        return self._value(lambda rule: f(rule, flat).reshape(times.shape))

    def risk(self, r: Any) -> Value:
        """Expected risk P_r after `r` steps, with its error; of the shape of `r`."""
        return self._curve(_Rule.risk, r)

    def forcing(self, r: Any) -> Value:
        """Forcing F(r): the risk of gradient flow of the mean, without SGD's noise."""
        return self._curve(_Rule.forcing, r)

    def kernel(self, r: Any) -> Value:
        """Kernel K(r): what a unit of risk adds to the risk r + 1 steps later."""
        return self._curve(_Rule.kernel, r)

    @property
    def kernel_norm(self) -> Value:
        """Sum of K(r) over r >= 0; the risk converges when it is below 1."""
        return self._value(lambda rule: rule.norm)

    @property
    def forcing_sum(self) -> Value:
        """Sum of F(r) - F_0 over r >= 0."""
        return self._value(lambda rule: rule.forcing_sum)

    @property
    def capacity(self) -> Value:
        """F_0, the least risk of any weights."""
        return self._value(lambda rule: rule.spectrum.capacity)

    @property
    def limit_risk(self) -> Value:
        """Risk after infinitely many steps, F_0/(1 - kernel_norm)."""
        return self._value(lambda rule: rule.limit)

    @property
    def initial_risk(self) -> Value:
        """Risk of zero weights."""
        return self._value(lambda rule: rule.spectrum.initial)

    @property
    def edges(self) -> Edges:
        """Ends of the support of the nonzero spectrum."""
        return self._rules[0].spectrum.edges
