r"""Half-stable critical points K* > 0 of GELU and swish.

Criticality at K* asks for chi_par(K*) = chi_perp(K*) = 1: K* solves d<phi^2>/dK = <phi'^2>, then C_W = 1/<phi'^2> and
C_b = K* - C_W <phi^2>. For GELU, phi = z Phi(z), the averages are elementary, and K* is the positive root of
K^2 - 3 K - 2. For swish, phi = z/(1 + e^-z), they are integrals of an analytic function that decays like a Gaussian:
trapezoidal sums give as many digits as are asked for.

Source: Roberts, Yaida and Hanin (2021), arXiv:2106.10165v2, section 5.3.4, where the numbers are given to a few digits.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import mpmath
import numpy as np
import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.derivations.infinite_width.pdlt_criticality import CONVENTIONS
from theorylab.parameters import Interval, Parameter, Space
from theorylab.prediction import ClosedForm
from theorylab.symbolic import Computed

SOURCE = "Roberts, Yaida and Hanin (2021), section 5.3.4"
K = sp.Symbol("K", positive=True)

# GELU: <Phi^2>, <phi_N^2> with the normal density phi_N, and what follows.
square_of_gate = sp.Rational(1, 4) + sp.asin(K / (1 + K)) / (2 * sp.pi)
bell = 1 / (2 * sp.pi * sp.sqrt(1 + 2 * K))
gelu_second = K * square_of_gate + 2 * K**2 * bell / (1 + K)
gelu_slope = square_of_gate + 2 * K * bell / (1 + K) + K * bell / (1 + 2 * K)
gelu_metric = (3 + sp.sqrt(17)) / 2
gelu_weight = 1 / gelu_slope.subs(K, gelu_metric)
gelu_bias = gelu_metric - gelu_weight * gelu_second.subs(K, gelu_metric)


class SwishCritical(Computed):
    """Half-stable values of swish with beta = 1: K*, C_W and C_b for the arguments 0, 1 and 2."""

    nargs = 1

    @staticmethod
    def on_arrays(*arrays: Any) -> Any:
        """Rounded from more digits."""
        with mpmath.workprec(80):
            values = np.array([float(value) for value in swish_critical(80)])
        return values[np.asarray(arrays[0], dtype=int)]

    @staticmethod
    def to_digits(*arguments: Any) -> Any:
        """The root to mpmath's working precision."""
        return swish_critical(mpmath.mp.prec)[int(arguments[0])]


@lru_cache(maxsize=16)
def swish_critical(precision: int) -> tuple[Any, Any, Any]:
    """K*, C_W and C_b to so many bits."""

    def gap(variance: Any) -> Any:
        _, parallel, perpendicular = swish_averages(variance)
        return parallel - perpendicular

    with mpmath.workprec(precision + 20):
        root = mpmath.findroot(
            gap,
            (mpmath.mpf(14), mpmath.mpf(15)),
            solver="anderson",
            tol=mpmath.mpf(2) ** (-precision - 5),
        )
        second, _, slope = swish_averages(root)
        return root, 1 / slope, root - second / slope


def swish_averages(variance: Any) -> tuple[Any, Any, Any]:
    """<phi^2>, <z phi phi'>/K and <phi'^2> at K, to mpmath's working precision."""
    root = mpmath.sqrt(variance)
    bits = (mpmath.mp.prec + 10) * mpmath.log(2)
    # The error of the rule is exp(-2 pi d/h), d the distance of the nearest pole, pi, in units of the deviation.
    step = 2 * mpmath.pi * (mpmath.pi / root) / bits
    count = int(mpmath.ceil(mpmath.sqrt(2 * bits) / step))
    sums = [mpmath.mpf(0)] * 3
    for i in range(-count, count + 1):
        x = step * i
        z = root * x
        gate = 1 / (1 + mpmath.exp(-z))
        slope = gate * (1 + z * (1 - gate))
        weight = mpmath.exp(-x * x / 2)
        terms = ((z * gate) ** 2, z * z * gate * slope / variance, slope**2)
        sums = [total + weight * term for total, term in zip(sums, terms)]
    norm = step / mpmath.sqrt(2 * mpmath.pi)
    return norm * sums[0], norm * sums[1], norm * sums[2]


def _gelu_steps() -> list[Step]:
    z = sp.Symbol("z", real=True)
    density = sp.exp(-(z**2) / (2 * K)) / sp.sqrt(2 * sp.pi * K)
    normal = sp.exp(-(z**2) / 2) / sp.sqrt(2 * sp.pi)
    return [
        Step(
            "density squared",
            sp.Integral(normal**2 * density, (z, -sp.oo, sp.oo)),
            bell,
            "a Gaussian integral",
        ),
        Step(
            "square of the gate",
            sp.diff(square_of_gate, K),
            bell / (1 + K),
            "d<F>/dK = <F''>/2 with F = Phi^2: <phi_N^2 - z Phi phi_N>, and <z Phi phi_N> = K/(1 + K) <phi_N^2> by "
            "parts; <Phi^2> = 1/4 at K = 0",
        ),
        Step("no variance", square_of_gate.subs(K, 0), sp.Rational(1, 4), "Phi(0) = 1/2"),
        Step(
            "second moment",
            gelu_second,
            K * square_of_gate + K**2 * (2 * bell - 2 * K / (1 + K) * bell),
            "<z^2 F> = K <F> + K^2 <F''>, F'' = 2 phi_N^2 - 2 z Phi phi_N",
        ),
        Step(
            "slope",
            gelu_slope,
            square_of_gate + 2 * K / (1 + K) * bell + K / (1 + 2 * K) * bell,
            "phi' = Phi + z phi_N; <z^2 phi_N^2> = K/(1 + 2 K) <phi_N^2>",
        ),
        Step(
            "criticality",
            sp.simplify((gelu_second.diff(K) - gelu_slope) / bell * (1 + K) ** 2 * (1 + 2 * K)),
            -K * (K**2 - 3 * K - 2),
            "chi_par - chi_perp, over C_W",
            where={K: (1, 5)},
        ),
        Step("K*", (K**2 - 3 * K - 2).subs(K, gelu_metric), sp.S.Zero, "its positive root"),
    ]


def _swish_steps() -> list[Step]:
    z, t = sp.Symbol("z", real=True), sp.Symbol("t", positive=True)
    phi, gate = z / (1 + sp.exp(-z)), 1 / (1 + sp.exp(-z))
    return [
        Step("slope", phi.diff(z), gate * (1 + z * (1 - gate)), "sigma' = sigma (1 - sigma)"),
        Step(
            "units",
            (z / (1 + sp.exp(-t * z))) ** 2,
            (phi.subs(z, t * z) / t) ** 2,
            "swish of t z is swish over t: K* and C_b scale with 1/t^2, C_W stays",
        ),
    ]


GELU = Derivation(SOURCE, _gelu_steps)
SWISH = Derivation(SOURCE, _swish_steps)


def _gelu(expr: sp.Expr, quantity: str) -> ClosedForm:
    return ClosedForm(
        expr=expr, space=Space([]), quantity=quantity, conventions=CONVENTIONS, derivation=GELU, corners=({},)
    )


def _swish(expr: sp.Expr, quantity: str) -> ClosedForm:
    return ClosedForm(expr=expr, space=Space([STEEPNESS]), quantity=quantity, conventions=CONVENTIONS, derivation=SWISH)


GELU_METRIC = _gelu(gelu_metric, "half-stable metric K* of GELU")
GELU_WEIGHT = _gelu(gelu_weight, "critical C_W of GELU")
GELU_BIAS = _gelu(gelu_bias, "critical C_b of GELU")
STEEPNESS = Parameter("beta", Interval(0, open_low=True), "steepness of swish, z/(1 + exp(-beta z))", default=1.0)
SWISH_METRIC = _swish(SwishCritical(0) / STEEPNESS.symbol**2, "half-stable metric K* of swish")
SWISH_WEIGHT = _swish(SwishCritical(1), "critical C_W of swish")
SWISH_BIAS = _swish(SwishCritical(2) / STEEPNESS.symbol**2, "critical C_b of swish")
