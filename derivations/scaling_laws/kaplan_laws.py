r"""Consequences of the laws of Kaplan et al.: compute-optimal training, critical batches, overfitting.

Model
    L(N, S_min) = (N_c/N)^aN + (S_c/S_min)^aS for a model of N parameters after S_min steps at a batch that is large
    enough; B_crit(L) = B_* L^(-1/aB); (S/S_min - 1)(E/E_min - 1) = 1 with E = B S examples and B_crit = E_min/S_min;
    at the least compute for a loss, C_min = 6 N B_crit(L) S_min. With limited data L(N, D) = [(N_c/N)^(aN/aD) +
    D_c/D]^aD.
Result
    At the least loss for C_min the two terms obey (S_c/S_min)^aS = (aN/aS)(N_c/N)^aN, so that L* = (1 +
    aN/aS)(N_c/N*)^aN: training stops a fraction aN/aS above the converged loss. With 1/aC = 1/aN + 1/aB + 1/aS,
    (N_c/N*)^aN = (C_min/C_0)^-aC, C_0 = 6 N_c S_c B_* (aN/aS)^(-1/aS) (1 + aN/aS)^(-1/aB), hence L* ~ C^-aC, N* ~
    C^(aC/aN), B ~ C^(aC/aB), S_min ~ C^(aC/aS). S = S_min (1 + B_crit/B) and C = C_min (1 + B/B_crit). Overfitting
    costs L(N, D)/L(N, infinity) - 1 = (1 + (N/N_c)^(aN/aD) D_c/D)^aD - 1, a function of N^(aN/aD)/D.
Assumptions
    The laws as they stand, without irreducible loss; N without embeddings, B in tokens, C in flops.
Source
    J. Kaplan et al., arXiv:2001.08361v1, equations (1.5) to (1.8) and section 6.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.derivations.scaling_laws.golden_section import least
from theorylab.parameters import Interval, Parameter, Space
from theorylab.prediction import ClosedForm, Numerical

aN_ = Parameter("aN", Interval(0.02, 1), "exponent of the model size", default=0.077)
aS_ = Parameter("aS", Interval(0.1, 2), "exponent of the steps", default=0.76)
aB_ = Parameter("aB", Interval(0.05, 1), "exponent of the critical batch", default=0.21)
Nc_ = Parameter("Nc", Interval(1e3, 1e18), "scale of the model size", default=6.5e13, unit="parameters")
Sc_ = Parameter("Sc", Interval(1, 1e8), "scale of the steps", default=2.1e3, unit="steps")
Bs_ = Parameter("Bs", Interval(1, 1e12), "critical batch at a loss of 1", default=2e8, unit="tokens")
C_ = Parameter("C", Interval(1e10, 1e35), "least compute C_min", default=1e21, unit="flops")
FIT = (aN_, aS_, aB_, Nc_, Sc_, Bs_, C_)
aN, aS, aB, Nc, Sc, Bs, C = (p.symbol for p in FIT)
ratio_ = Parameter("ratio", Interval(1e-6, 1e6), "batch over critical batch", default=1.0)
aD_ = Parameter("aD", Interval(0.02, 1), "exponent of the data", default=0.103)
N_ = Parameter("N", Interval(1e3, 1e16), "parameters", default=1e9, unit="parameters")
D_ = Parameter("D", Interval(1e4, 1e18), "tokens", default=1e10, unit="tokens")
Dc_ = Parameter("Dc", Interval(1e3, 1e18), "scale of the data", default=1.8e13, unit="tokens")
ratio, aD, N, D, Dc = (p.symbol for p in (ratio_, aD_, N_, D_, Dc_))

CONVENTIONS = {
    "N": "parameters without embeddings",
    "B": "tokens in a batch",
    "C": "flops, 6 N B S; the paper's PF-day is 8.64e19 of them",
    "L": "nats per token, no irreducible part",
}
SOURCE = "Kaplan et al., arXiv:2001.08361v1, section 6"

share = aN / aS
aC = 1 / (1 / aN + 1 / aS + 1 / aB)
C0 = 6 * Nc * Sc * Bs * share ** (-1 / aS) * (1 + share) ** (-1 / aB)
converged = (C / C0) ** -aC
_POINTS = {aN: (0.3, 0.9), aS: (0.3, 0.9), aB: (0.3, 0.9), Nc: (1, 9), Sc: (1, 9), Bs: (1, 9), C: (1, 9)}


def _steps() -> list[Step]:
    y, z, m = sp.symbols("y z m", positive=True)
    log_cost = -sp.log(y) / aN - sp.log(z) / aS
    lagrangian = log_cost + m * (y + z)
    size = Nc * y ** (-1 / aN)
    steps = Sc * (share * y) ** (-1 / aS)
    batch = Bs * ((1 + share) * y) ** (-1 / aB)
    return [
        Step(
            "stationary in y",
            sp.diff(lagrangian, y).subs(m, 1 / (aN * y)),
            sp.S.Zero,
            "y = (N_c/N)^aN and z = (S_c/S)^aS; B_crit depends on L = y + z alone: the least compute for a loss is "
            "the least ln N + ln S = -ln(y)/aN - ln(z)/aS: the multiplier is 1/(aN y)",
        ),
        Step(
            "stationary in z",
            sp.diff(lagrangian, z).subs(m, 1 / (aN * y)).subs(z, share * y),
            sp.S.Zero,
            "so that z = (aN/aS) y",
        ),
        Step("loss", (y + z).subs(z, share * y), (1 + share) * y, "L* = (1 + aN/aS) (N_c/N)^aN"),
        Step(
            "compute",
            6 * size * steps * batch,
            C0 * y ** (-1 / aC),
            "C = 6 N B_crit(L) S_min, all powers of y; 1/aC collects the exponents",
            where={**_POINTS, y: (0.2, 0.9)},
        ),
        Step(
            "solved for y",
            C0 * converged ** (-1 / aC),
            C,
            "(N_c/N*)^aN = (C/C_0)^-aC",
            where=_POINTS,
        ),
    ]


def _exponent_steps() -> list[Step]:
    return [
        *_steps(),
        Step("exponents share the compute", aC / aN + aC / aB + aC / aS, sp.S.One, "N B S = C/6"),
    ]


def _batch_steps() -> list[Step]:
    S, least, B, crit = sp.symbols("S least B crit", positive=True)
    hyperbola = (S / least - 1) * (B * S / (crit * least) - 1) - 1
    return [
        Step(
            "steps",
            hyperbola.subs(S, least * (1 + crit / B)),
            sp.S.Zero,
            "S = S_min (1 + B_crit/B) solves (S/S_min - 1)(E/E_min - 1) = 1 with E = B S, E_min = B_crit S_min",
        ),
        Step(
            "compute",
            (B * least * (1 + crit / B)) / (crit * least),
            1 + B / crit,
            "C/C_min = E/E_min",
        ),
    ]


def _overfitting_steps() -> list[Step]:
    both = ((Nc / N) ** (aN / aD) + Dc / D) ** aD
    return [
        Step(
            "infinite data",
            sp.Limit(both.subs({aN: sp.Rational(1, 5), aD: sp.Rational(1, 2), N: 2, Nc: 3, Dc: 5}), D, sp.oo),
            ((Nc / N) ** aN).subs({aN: sp.Rational(1, 5), N: 2, Nc: 3}),
            "the law of the model size is left (at a point)",
        ),
        Step(
            "overfitting",
            both / (Nc / N) ** aN - 1,
            (1 + (N / Nc) ** (aN / aD) * Dc / D) ** aD - 1,
            "divide; N and D enter as N^(aN/aD)/D",
            where={aN: (0.1, 0.9), aD: (0.1, 0.9), N: (1, 9), Nc: (1, 9), D: (1, 9), Dc: (1, 9)},
        ),
    ]


def _closed(expr: sp.Expr, parameters: tuple[Parameter, ...], quantity: str, steps: Any, **options: Any) -> ClosedForm:
    return ClosedForm(
        expr=expr,
        space=Space(parameters),
        quantity=quantity,
        conventions=CONVENTIONS,
        derivation=Derivation(SOURCE, steps),
        **options,
    )


EXPONENTS = (aN_, aS_, aB_)
optimal_loss = _closed((1 + share) * converged, FIT, "least loss for a compute", _steps)
optimal_size = _closed(Nc * converged ** (-1 / aN), FIT, "compute-optimal model size N*", _steps)
optimal_steps = _closed(
    Sc * (share * converged) ** (-1 / aS), FIT, "compute-optimal steps at a large batch, S_min", _steps
)
optimal_batch = _closed(
    Bs * ((1 + share) * converged) ** (-1 / aB), FIT, "critical batch at the compute-optimal loss", _steps
)
loss_exponent = _closed(-aC, EXPONENTS, "exponent of the compute in the least loss", _exponent_steps)
size_exponent = _closed(aC / aN, EXPONENTS, "exponent of the compute in N*", _exponent_steps)
batch_exponent = _closed(aC / aB, EXPONENTS, "exponent of the compute in the batch", _exponent_steps)
steps_exponent = _closed(aC / aS, EXPONENTS, "exponent of the compute in S_min", _exponent_steps)
stopping = _closed(1 + share, EXPONENTS, "compute-optimal loss over the converged loss of its model", _steps)
steps_needed = _closed(1 + 1 / ratio, (ratio_,), "steps S/S_min at batch B", _batch_steps)
compute_needed = _closed(1 + ratio, (ratio_,), "compute C/C_min at batch B", _batch_steps)


def _overfitting(aN: Any, aD: Any, N: Any, D: Any, Nc: Any, Dc: Any) -> Any:
    return np.expm1(aD * np.log1p(np.exp((aN / aD) * np.log(N / Nc) + np.log(Dc / D))))


overfitting = _closed(
    (1 + (N / Nc) ** (aN / aD) * Dc / D) ** aD - 1,
    (aN_, aD_, N_, D_, Nc_, Dc_),
    "loss at limited data over that at infinite data, less 1",
    _overfitting_steps,
    numeric=_overfitting,
    corners=({"N": 1e3, "D": 1e18}, {"N": 1e16, "D": 1e4}, {"N": 1e3, "D": 1e18, "aN": 1.0, "aD": 0.1}),
)
data_exponent = _closed(
    aN / aD, (aN_, aD_), "exponent of the model size in the tokens that keep the overfitting", _overfitting_steps
)
published_size_exponent = ClosedForm(
    expr=sp.Rational(71, 100),
    space=Space(EXPONENTS),
    quantity=size_exponent.quantity,
    conventions=CONVENTIONS,
    derivation=Derivation(
        "Kaplan et al., arXiv:2001.08361v1, section 6.2",
        lambda: [
            Step(
                "from rounded exponents",
                sp.floor(100 * sp.Rational(54, 1000) / sp.Rational(76, 1000)) / 100,
                sp.Rational(71, 100),
                "aC/aN with aC = 0.054 and aN = 0.076",
            )
        ],
    ),
)


@cache
def minimum(aN: float, aS: float, aB: float, Nc: float, Sc: float, Bs: float, C: float) -> dict[str, float]:
    """The least loss over ln N at fixed C_min, by golden sections; the loss of a size by bisection and Newton's method.

    In forty digits: the loss is flat at its minimum, which costs half of them.
    """
    import mpmath as mp

    with mp.workdps(40):
        aN, aS, aB, Nc, Sc, Bs, C = (mp.mpf(v) for v in (aN, aS, aB, Nc, Sc, Bs, C))

        def log_loss(n: Any) -> Any:
            # L = y + (S_c/S)^aS with S = C/(6 N B_* L^(-1/aB)): the right side falls with L.
            y = mp.exp(aN * (mp.log(Nc) - n))
            rest = aS * (mp.log(6 * Sc * Bs / C) + n)

            def excess(value: Any) -> Any:
                return y + mp.exp(rest - aS / aB * value) - mp.exp(value)

            low, high = mp.mpf(-400), mp.mpf(400)
            for _ in range(40):
                middle = (low + high) / 2
                low, high = (middle, high) if excess(middle) > 0 else (low, middle)
            value = (low + high) / 2
            for _ in range(5):
                slope = -aS / aB * mp.exp(rest - aS / aB * value) - mp.exp(value)
                value -= excess(value) / slope
            return value

        n = least(log_loss, -20.0, 120.0, 1e-14)
        loss = mp.exp(log_loss(n))
        size = mp.exp(n)
        batch = Bs * loss ** (-1 / aB)
        return {
            "size": float(size),
            "loss": float(loss),
            "batch": float(batch),
            "steps": float(C / (6 * size * batch)),
            "stopping": float(loss / (Nc / size) ** aN),
        }


def _numerical(form: ClosedForm, value: Any, error: float) -> Numerical:
    def function(**x: np.ndarray) -> tuple[Any, Any]:
        columns = np.broadcast_arrays(*x.values())
        rows = [float(value(**dict(zip(x, map(float, row))))) for row in zip(*(c.ravel() for c in columns))]
        found = np.array(rows).reshape(columns[0].shape)
        return found, error * np.abs(found)

    return Numerical(function=function, space=form.space, quantity=form.quantity, conventions=CONVENTIONS)


_CONSTANTS = {"Nc": 6.5e13, "Sc": 2.1e3, "Bs": 2e8}


def _measured_slope(name: str) -> Any:
    """Log-slope between 1e18 and 1e24 flops, constants as published."""

    def slope(aN: float, aS: float, aB: float) -> float:
        low, high = (minimum(aN, aS, aB, **_CONSTANTS, C=c)[name] for c in (1e18, 1e24))
        return float(np.log(high / low) / np.log(1e6))

    return slope


def _stopping(aN: float, aS: float, aB: float) -> float:
    return minimum(aN, aS, aB, **_CONSTANTS, C=1e21)["stopping"]


def _hyperbola(ratio: float) -> Any:
    """S/S_min on (S/S_min - 1)(ratio S/S_min - 1) = 1, by bisection above both asymptotes."""
    import mpmath as mp

    with mp.workdps(40):
        low, high = max(mp.mpf(1), 1 / mp.mpf(ratio)), 10 * (2 + 1 / mp.mpf(ratio))
        while high - low > mp.mpf(10) ** -30 * high:
            x = (low + high) / 2
            low, high = (x, high) if (x - 1) * (mp.mpf(ratio) * x - 1) < 1 else (low, x)
        return (low + high) / 2


def _two_losses(aN: float, aD: float, N: float, D: float, Nc: float, Dc: float) -> Any:
    """L(N, D)/L(N, infinity) - 1 in forty digits."""
    import mpmath as mp

    with mp.workdps(40):
        aN, aD, N, D, Nc, Dc = (mp.mpf(v) for v in (aN, aD, N, D, Nc, Dc))
        return ((Nc / N) ** (aN / aD) + Dc / D) ** aD / ((Nc / N) ** (aN / aD)) ** aD - 1


def _data_slope(aN: float, aD: float) -> Any:
    """Log-slope of the tokens at which overfitting costs 2 %, between 1e8 and 1e10 parameters, by bisection."""
    import mpmath as mp

    def tokens(size: float) -> Any:
        low, high = mp.mpf(-800), mp.mpf(800)
        for _ in range(90):
            x = (low + high) / 2
            over = _two_losses(aN, aD, size, mp.exp(x), 6.4e13, 1.8e13) > 0.02
            low, high = (x, high) if over else (low, x)
        return (low + high) / 2

    with mp.workdps(40):
        return (tokens(1e10) - tokens(1e8)) / mp.log(100)


minimised_loss = _numerical(optimal_loss, lambda **x: minimum(**x)["loss"], 1e-15)
minimised_size = _numerical(optimal_size, lambda **x: minimum(**x)["size"], 2e-14)
minimised_steps = _numerical(optimal_steps, lambda **x: minimum(**x)["steps"], 2e-14)
minimised_batch = _numerical(optimal_batch, lambda **x: minimum(**x)["batch"], 1e-14)
loss_slope = _numerical(loss_exponent, _measured_slope("loss"), 1e-13)
size_slope = _numerical(size_exponent, _measured_slope("size"), 1e-13)
batch_slope = _numerical(batch_exponent, _measured_slope("batch"), 1e-13)
steps_slope = _numerical(steps_exponent, _measured_slope("steps"), 1e-12)
stopping_measured = _numerical(stopping, _stopping, 1e-13)
steps_on_hyperbola = _numerical(steps_needed, _hyperbola, 1e-15)
compute_on_hyperbola = _numerical(compute_needed, lambda ratio: ratio * _hyperbola(ratio), 1e-15)
overfitting_direct = _numerical(overfitting, _two_losses, 1e-15)
data_slope = _numerical(data_exponent, _data_slope, 1e-15)
