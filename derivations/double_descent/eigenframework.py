r"""Solver of the eigenframework: ridge regression in a given eigensystem, with a kernel or with random features.

    spectrum = Spectrum(eigenvalues, multiplicities)    (or plain eigenvalues: every function takes either)
    kernel = solve_krr(spectrum, n, ridge)              kernel.kappa, kernel.learnabilities, kernel.e_0
    features = solve_rf(spectrum, n, k, ridge)          features.kappa, features.gamma, features.e_0
    features.test_risk(power, noise)                    power: v_i^2, the squared coefficients of the target

Equations
    With $z = \sum_i L_i$, $L_i = \lambda_i/(\lambda_i + \gamma)$, and $p = \sum_i L_i (1 - L_i)$:
    $n = z + \delta/\kappa$, $k = z + k \kappa/\gamma$; for a kernel $k = \infty$, $\gamma = \kappa$. In terms of the
    spare samples $a = n - z$ and spare features $b = k - z$ this is $a b = \delta k/\gamma$, and with
    $\rho = b/(b + p)$ (1 for a kernel)

        $E_{te} = e_0 (\sum_i (1 - L_i)(\rho (1 - L_i) + 1 - \rho) v_i^2 + \sigma^2)$,  $e_0 = n/(a + \rho p)$,
        $E_{tr} = (a/n)^2 E_{te}$,

    sums of positive terms; `krr_eigenframework` and `rf_eigenframework` derive them.
Numerics
    Of each eigenvalue only the smaller of $L_i$ and $1 - L_i$ enters: with $N$ eigenvalues above $\gamma$,

        $\sum_{\lambda_i > \gamma} (1 - L_i) + (m - N)_+ = \sum_{\lambda_i \le \gamma} L_i + s + (N - m)_+$,

    $m = \min(n, k)$ and $s$ the smaller of $a$ and $b$. No digits cancel, and a relative error of either side is at
    most four times as large in $\gamma$, whatever the spectrum. Newton steps in $\log \gamma$, inside a bracket as soon
    as there is one, stop when the two sides agree to `TOLERANCE`. At $10^4$ eigenvalues a solution takes 0.2 ms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from theorylab.derivations.double_descent.spectrum import Spectrum, Split, vector
from theorylab.errors import DomainError
from theorylab.prediction import PredictionError

# Relative difference of the two sides at which gamma is found: the rounding of sums of 10^6 terms is below it.
TOLERANCE = 1e-14
# First step in log gamma where there is no bracket yet and Newton's step does not help; doubled each time.
REACH = 1.0

__all__ = ["Equivalent", "Spectrum", "at_gamma", "solve_krr", "solve_rf"]


@dataclass(frozen=True, eq=False)
class Equivalent:
    """Ridge regression in the limit, at one n, k and ridge.

    Attributes
    ----------
    spectrum : Spectrum
    n, k, ridge : float
        Numbers of samples and of features (infinite for a kernel), and the ridge on the kernel matrix.
    kappa, gamma : float
        Implicit ridges: that of the features' kernel, and that of the kernel which the features sample (the same for a
        kernel). Zero where least squares are determined.
    spare, spread : float
        $n - \\sum L$ = ridge/kappa, and $\\sum L (1 - L)$.
    breadth : float
        $\\rho = b/(b + p)$ with $b = k - \\sum L$: 1 for a kernel.
    residual : float
        Relative difference of the two sides of the equation for gamma.
    """

    spectrum: Spectrum
    n: float
    k: float
    ridge: float
    kappa: float
    gamma: float
    spare: float
    spread: float
    breadth: float
    residual: float

    @cached_property
    def learnabilities(self) -> np.ndarray:
        """L, float64[M] in the order of the eigenvalues: the part of each coefficient that is learned, on average."""
        values = self.spectrum.eigenvalues
        return values / (values + self.gamma) if self.gamma > 0.0 else (values > 0.0).astype(float)

    @cached_property
    def unlearned(self) -> np.ndarray:
        """1 - L, float64[M]."""
        values = self.spectrum.eigenvalues
        return self.gamma / (values + self.gamma) if self.gamma > 0.0 else (values == 0.0).astype(float)

    @property
    def e_0(self) -> float:
        """Factor from the error of fit to the test risk: the test risk for pure noise of variance 1."""
        return self.n / (self.spare + self.breadth * self.spread)

    @property
    def train_factor(self) -> float:
        """Training error over test risk."""
        return (self.spare / self.n) ** 2

    def bias(self, power: Any) -> float:
        """Squared error of the mean predictor, over data, features and noise: sum (1 - L)^2 v^2."""
        return float(np.sum(self.unlearned**2 * _power(power, self.spectrum)))

    def signal(self, power: Any) -> float:
        """What the target contributes beside the noise: sum (1 - L) (rho (1 - L) + 1 - rho) v^2."""
        missed = self.unlearned
        return float(np.sum(missed * (self.breadth * missed + (1.0 - self.breadth)) * _power(power, self.spectrum)))

    def test_risk(self, power: Any, noise: float) -> float:
        """Mean squared error on fresh noisy labels.

        Parameters
        ----------
        power : array_like[M]
            Squared coefficients v_i^2 of the target, summed over the eigenspace where there is multiplicity.
        noise : float
            Variance of the label noise.
        """
        if not noise >= 0.0 or math.isinf(noise):
            raise DomainError(f"noise = {noise:g}: take a finite variance, not below 0")
        return self.e_0 * (self.signal(power) + noise)

    def train_error(self, power: Any, noise: float) -> float:
        """Mean squared residual of the training labels; parameters as in `test_risk`."""
        return self.train_factor * self.test_risk(power, noise)


def solve_krr(eigenvalues: Spectrum | Any, n: float, ridge: float) -> Equivalent:
    """Kernel ridge regression: n = sum lambda/(lambda + kappa) + ridge/kappa.

    Parameters
    ----------
    eigenvalues : Spectrum or array_like[M]
    n : float
        Number of samples, above 0; it need not be whole.
    ridge : float
        What is added to the diagonal of the kernel matrix; 0 for least norm.

    Raises
    ------
    DomainError
        For bad input, and without a ridge at n = number of eigenvalues, where the risk diverges.
    PredictionError
        When kappa is too small or too large for double precision.
    """
    return _solve(eigenvalues, n, math.inf, ridge)


def solve_rf(eigenvalues: Spectrum | Any, n: float, k: float, ridge: float) -> Equivalent:
    """Ridge regression on k random features: n = sum L + ridge/kappa, k = sum L + k kappa/gamma.

    Parameters
    ----------
    eigenvalues : Spectrum or array_like[M]
    n, k : float
        Numbers of samples and of features, above 0; they need not be whole.
    ridge : float
        What is added to the diagonal of the features' kernel matrix (1/k in the kernel); 0 for least norm.

    Raises
    ------
    DomainError
        For bad input, and without a ridge at n = min(k, number of eigenvalues), where the risk diverges.
    PredictionError
        When gamma is too small or too large for double precision.
    """
    if not 0.0 < k < math.inf:
        raise DomainError(f"k = {k:g} features: take a finite number above 0 (solve_krr for infinitely many)")
    return _solve(eigenvalues, n, float(k), ridge)


def at_gamma(spectrum: Spectrum, n: float, k: float, gamma: float) -> Equivalent:
    """The solution that has this gamma > 0, for the ridge which belongs to it: no equation to solve.

    Raises
    ------
    DomainError
        When sum L at gamma is above n or k: the ridge would be negative.
    """
    split = spectrum.split(gamma)
    a, b = split.short(n), math.inf if math.isinf(k) else split.short(k)
    if min(a, b) < 0.0:
        raise DomainError(f"gamma = {gamma:g} belongs to a negative ridge at n = {n:g}, k = {k:g}: take a larger gamma")
    ratio = 1.0 if math.isinf(k) else b / k
    return _equivalent(spectrum, n, k, a * ratio * gamma, gamma, a, b, split.spread, 0.0)


def _solve(eigenvalues: Spectrum | Any, n: float, k: float, ridge: float) -> Equivalent:
    spectrum = eigenvalues if isinstance(eigenvalues, Spectrum) else Spectrum(eigenvalues)
    if not 0.0 < n < math.inf:
        raise DomainError(f"n = {n:g} samples: take a finite number above 0")
    if not 0.0 <= ridge < math.inf:
        raise DomainError(f"ridge = {ridge:g}: take a finite ridge, not below 0")
    n, ridge = float(n), float(ridge)
    fewer = min(n, k)
    if ridge == 0.0:
        if n == min(k, spectrum.rank):
            other = "features" if k <= spectrum.rank else "nonzero eigenvalues"
            raise DomainError(
                f"zero ridge at the interpolation threshold, as many samples as {other} ({n:g}): the risk diverges "
                "there; take ridge > 0 or another n"
            )
        if fewer >= spectrum.rank:
            a, b = n - spectrum.rank, k - spectrum.rank
            return _equivalent(spectrum, n, k, 0.0, 0.0, a, b, 0.0, 0.0)
    more = abs(n - k)
    # s (s + more) = ridge k/gamma; for a kernel s = ridge/gamma.
    product = ridge if math.isinf(k) else ridge * k

    def spare(gamma: float) -> tuple[float, float]:
        """s and -ds/d log gamma."""
        if product == 0.0:
            return 0.0, 0.0
        c = product / gamma
        if math.isinf(k):
            return c, c
        s = 2.0 * c / (more + math.sqrt(more * more + 4.0 * c))
        return s, s * (s + more) / (2.0 * s + more)

    gamma, s, split, residual = _root(spectrum, fewer, spare, max(spectrum.place(fewer), ridge / n))
    a, b = (s, s + more) if n <= k else (s + more, s)
    return _equivalent(spectrum, n, k, ridge, gamma, a, b, split.spread, residual)


def _equivalent(
    spectrum: Spectrum, n: float, k: float, ridge: float, gamma: float, a: float, b: float, p: float, residual: float
) -> Equivalent:
    kernel = math.isinf(k)
    kappa = gamma if kernel else gamma * b / k
    breadth = 1.0 if kernel or p == 0.0 else b / (b + p)
    return Equivalent(spectrum, n, k, ridge, kappa, gamma, a, p, breadth, residual)


def _root(spectrum: Spectrum, m: float, spare: Any, start: float) -> tuple[float, float, Split, float]:
    """gamma with sum L + s = m, s there, the balance there and its relative residual."""
    low, high, gamma, reach, last = 0.0, math.inf, start, REACH, math.inf
    rest = max(spectrum.rank - m, 0.0)
    while True:
        split = spectrum.split(gamma)
        s, slope = spare(gamma)
        left, right = split.sides(m, s)
        excess = right - left
        residual = abs(excess) / (left + right)
        if residual <= TOLERANCE:
            return gamma, s, split, residual
        low, high = (gamma, high) if excess > 0.0 else (low, gamma)
        step = _newton(excess, m, rest + s, split.spread, slope, 2.0 * m <= spectrum.rank)
        # Newton's step where it stays inside the bracket and the last one halved the residual, or else halve the
        # bracket in the logarithm, or look for its other end.
        following = gamma * math.exp(step) if abs(step) < 700.0 else 0.0
        if not (low < following < high and residual < 0.5 * last):
            if low > 0.0 and high < math.inf:
                following = math.sqrt(low) * math.sqrt(high)
            else:
                following, reach = gamma * math.exp(math.copysign(min(reach, 700.0), excess)), 2.0 * reach
        last = residual
        if following in (low, high) or not 0.0 < following < math.inf:
            raise PredictionError(
                f"no implicit ridge for {m:g} samples or features found near {gamma:g} (residual {residual:.1e}): "
                "beyond double precision; rescale the eigenvalues and the ridge"
            )
        gamma = following


def _newton(excess: float, m: float, rest: float, spread: float, slope: float, few: bool) -> float:
    """Newton's step in log gamma, on log (sum L + s) where m is small and on log (sum (1 - L)) else; 0 for none."""
    if few:
        total = m + excess
        return math.log1p(excess / m) * total / (spread + slope) if total > 0.0 and spread + slope > 0.0 else 0.0
    total = rest - excess
    if not total > 0.0 or not rest > 0.0 or not spread + slope > 0.0:
        return 0.0
    return -math.log1p(-excess / rest) / (spread / total + slope / rest)


def _power(power: Any, spectrum: Spectrum) -> np.ndarray:
    array = vector("the target's squared coefficients", power)
    if array.size != spectrum.eigenvalues.size:
        raise DomainError(
            f"{array.size} squared coefficients of the target for {spectrum.eigenvalues.size} eigenvalues: give one "
            "for each"
        )
    if np.any(array < 0.0):
        i = int(np.argmin(array))
        raise DomainError(f"squared coefficient {array[i]:g} (number {i}) of the target is negative: give v_i^2")
    return array
