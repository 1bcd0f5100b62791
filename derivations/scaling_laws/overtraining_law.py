r"""Training beyond the compute-optimal number of tokens: a power law in the compute for every token multiplier.

Model
    L(N, D) = E + A N^-alpha + B D^-alpha with equal exponents, compute C = 6 N D, token multiplier M = D/N.
Result
    N = (C/(6M))^(1/2), D = (CM/6)^(1/2), so that with h = alpha/2 L(C, M) = E + lambda(M) C^-h with
    lambda(M) = 6^h (A M^h + B M^-h): the same exponent for every M. The best multiplier is M* = (B/A)^(1/alpha), and
    lambda(M)/lambda(M*) = cosh(h ln(M/M*)). Unequal exponents a, b break it: the reducible loss falls like
    C^(-min(a,b)/2) at large C, with the prefactor (6M)^(a/2) A or (M/6)^(-b/2) B. If the downstream error is eps -
    kappa e^(-gamma L), it is eps - kappa e^(-gamma E) e^(-gamma lambda(M) C^-h) in C and M.
Assumptions
    C = 6 N D exactly; continuous N and D.
Source
    S. Y. Gadre et al., arXiv:2403.08540v2, equations (4) and (5), appendix B. Their coefficients of C absorb 6^h.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.derivations.scaling_laws.golden_section import least
from theorylab.parameters import Interval, Parameter, Space
from theorylab.prediction import ClosedForm, Numerical

POSITIVE = Interval(0, open_low=True)
A_ = Parameter("A", Interval(1e-2, 1e8), "coefficient of the model-size term", default=150.0)
B_ = Parameter("B", Interval(1e-2, 1e8), "coefficient of the token term", default=300.0)
E_ = Parameter("E", Interval(0, 100), "irreducible loss", default=1.8, unit="nats per token")
alpha_ = Parameter("alpha", Interval(0.02, 2), "exponent of both terms", default=0.28)
C_ = Parameter("C", Interval(1e6, 1e32), "training compute", default=1e20, unit="flops")
M_ = Parameter("M", Interval(1e-4, 1e8), "tokens per parameter D/N", default=20.0)
kappa_ = Parameter("kappa", POSITIVE, "scale of the downstream error", default=2.0)
gamma_ = Parameter("gamma", Interval(0, 20, open_low=True), "rate at which skill is lost with the loss", default=0.75)
A, B, E, alpha, C, M, kappa, gamma = (p.symbol for p in (A_, B_, E_, alpha_, C_, M_, kappa_, gamma_))
h = alpha / 2

CONVENTIONS = {
    "L": "E + A N^-alpha + B D^-alpha, nats per token",
    "C": "6 N D flops",
    "M": "tokens per parameter, not multiples of 20",
}
SOURCE = "Gadre et al., arXiv:2403.08540v2, equation (4)"

size, tokens = sp.sqrt(C / (6 * M)), sp.sqrt(C * M / 6)
prefactor = 6**h * (A * M**h + B * M**-h)
best = (B / A) ** (1 / alpha)


def _steps() -> list[Step]:
    return [
        Step("the compute", 6 * size * tokens, C, "N and D from C = 6 N D and D = M N"),
        Step("the multiplier", tokens / size, M, "and their ratio"),
        Step(
            "a power of the compute",
            A * size**-alpha + B * tokens**-alpha,
            prefactor * C**-h,
            "both terms have the same power of C",
            where={C: (1, 100), alpha: (0.1, 1)},
        ),
    ]


def _best_steps() -> list[Step]:
    x, star = sp.symbols("x star", positive=True)
    return [
        *_steps(),
        Step("stationary", sp.diff(A * x + B / x, x).subs(x, sp.sqrt(B / A)), sp.S.Zero, "with x = M^h; convex"),
        Step("best multiplier", best**h, sp.sqrt(B / A), "x = (B/A)^(1/2)", where={alpha: (0.1, 1)}),
        Step(
            "penalty",
            ((A * x + B / x) / (2 * sp.sqrt(A * B))).subs(x, sp.sqrt(B / A) * sp.exp(star)),
            sp.cosh(star),
            "lambda(M)/lambda(M*) with star = h ln(M/M*)",
        ),
    ]


def _downstream_steps() -> list[Step]:
    loss = E + prefactor * C**-h
    return [
        *_steps(),
        Step(
            "composition",
            kappa * sp.exp(-gamma * loss),
            kappa * sp.exp(-gamma * E) * sp.exp(-gamma * prefactor * C**-h),
            "put the loss into kappa e^(-gamma L), what the error is below that without skill",
            where={C: (1, 100), alpha: (0.1, 1)},
        ),
    ]


def _unequal_steps() -> list[Step]:
    a, b = sp.Rational(1, 5), sp.Rational(2, 5)
    loss = A * size**-a + B * tokens**-b
    slope = C * sp.diff(sp.log(loss), C)
    return [
        Step(
            "local exponent",
            sp.Limit(slope.subs({A: 1, B: 1, M: 1}), C, sp.oo),
            -a / 2,
            "the term with the smaller exponent is left at large compute (here a = 1/5, b = 2/5)",
        ),
        Step(
            "prefactor",
            sp.Limit((loss * C ** (a / 2)).subs({A: 1, B: 1, M: 1}), C, sp.oo),
            6 ** (a / 2),
            "A (6M)^(a/2)",
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


loss = _closed(E + prefactor * C**-h, (A_, B_, E_, alpha_, C_, M_), "loss at compute C and multiplier M", _steps)
reducible = _closed(
    prefactor * C**-h,
    (A_, B_, alpha_, C_, M_),
    "loss above E at compute C and multiplier M",
    _steps,
    corners=({"alpha": 2.0, "C": 1e32, "M": 1e8}, {"alpha": 0.02, "C": 1e6, "M": 1e-4}),
)
best_multiplier = _closed(best, (A_, B_, alpha_), "multiplier of least loss M*", _best_steps)
penalty = _closed(
    sp.cosh(h * sp.log(M / best)), (A_, B_, alpha_, M_), "reducible loss relative to that at M*", _best_steps
)
exponent = _closed(-h, (A_, B_, alpha_, M_), "exponent of the compute in L - E at fixed M", _steps)
downstream = _closed(
    kappa * sp.exp(-gamma * E) * sp.exp(-gamma * prefactor * C**-h),
    (A_, B_, E_, alpha_, C_, M_, kappa_, gamma_),
    "downstream skill, eps less the error, at compute C and multiplier M",
    _downstream_steps,
)

a_ = Parameter("a", Interval(0.05, 1), "exponent of the model size", default=0.3)
b_ = Parameter("b", Interval(0.05, 1), "exponent of the token count", default=0.4)
unequal_exponent = _closed(
    -sp.Min(a_.symbol, b_.symbol) / 2,
    (A_, B_, a_, b_, M_),
    "exponent of the compute in L - E at fixed M, at large compute",
    _unequal_steps,
)


def _solved(C: float, M: float) -> tuple[Any, Any]:
    """N and D with 6 N D = C and D = M N, by bisection on ln N in forty digits."""
    import mpmath as mp

    budget, ratio = mp.log(mp.mpf(C) / 6), mp.log(mp.mpf(M))
    low, high = mp.mpf(-200), mp.mpf(200)
    while high - low > mp.mpf(10) ** -36:
        middle = (low + high) / 2
        low, high = (middle, high) if 2 * middle + ratio < budget else (low, middle)
    return mp.exp(low), mp.exp(low + ratio)


def computed(function: Any) -> Any:
    """A vectorised evaluation, in forty digits, of a function of plain numbers."""

    def evaluate(**x: np.ndarray) -> tuple[Any, Any]:
        import mpmath as mp

        columns = np.broadcast_arrays(*x.values())
        with mp.workdps(40):
            rows = [float(function(**dict(zip(x, map(float, row))))) for row in zip(*(c.ravel() for c in columns))]
        value = np.array(rows).reshape(columns[0].shape)
        return value, 1e-13 * np.abs(value)

    return evaluate


def _raw(A: float, B: float, alpha: float, C: float, M: float) -> Any:
    import mpmath as mp

    N, D = _solved(C, M)
    return A * N ** -mp.mpf(alpha) + B * D ** -mp.mpf(alpha)


def _golden(A: float, B: float, alpha: float) -> Any:
    """ln of the multiplier of least loss at C = 1e20, by golden sections."""
    import mpmath as mp

    half = mp.mpf(alpha) / 2

    def loss(m: Any) -> Any:
        budget = mp.log(mp.mpf(1e20) / 6)
        return A * mp.exp(-half * (budget - m)) + B * mp.exp(-half * (budget + m))

    return least(loss, -700.0, 700.0, 1e-15)


def _slope(A: float, B: float, alpha: float, M: float) -> Any:
    import mpmath as mp

    return mp.log(_raw(A, B, alpha, 1e24, M) / _raw(A, B, alpha, 1e18, M)) / mp.log(mp.mpf(1e24) / mp.mpf(1e18))


def _far_slope(A: float, B: float, a: float, b: float, M: float) -> Any:
    """Local exponent between e^3999 and e^4000 flops: the smaller term is gone there to many digits."""
    import mpmath as mp

    def log_loss(budget: Any) -> Any:
        size, tokens = (budget - mp.log(6 * mp.mpf(M))) / 2, (budget + mp.log(mp.mpf(M) / 6)) / 2
        return mp.log(A * mp.exp(-mp.mpf(a) * size) + B * mp.exp(-mp.mpf(b) * tokens))

    return log_loss(mp.mpf(4000)) - log_loss(mp.mpf(3999))


def _numerical(form: ClosedForm, function: Any) -> Numerical:
    return Numerical(
        function=computed(function),
        space=form.space,
        quantity=form.quantity,
        conventions=CONVENTIONS,
    )


def _star(A: float, B: float, alpha: float) -> Any:
    import mpmath as mp

    return mp.exp(_golden(A, B, alpha))


def _ratio(A: float, B: float, alpha: float, M: float) -> Any:
    return _raw(A, B, alpha, 1e20, M) / _raw(A, B, alpha, 1e20, float(_star(A, B, alpha)))


def _skill(A: float, B: float, E: float, alpha: float, C: float, M: float, kappa: float, gamma: float) -> Any:
    import mpmath as mp

    return kappa * mp.exp(-mp.mpf(gamma) * (E + _raw(A, B, alpha, C, M)))


reducible_solved = _numerical(reducible, _raw)
best_minimised = _numerical(best_multiplier, _star)
penalty_minimised = _numerical(penalty, _ratio)
exponent_measured = _numerical(exponent, _slope)
unequal_measured = _numerical(unequal_exponent, _far_slope)
downstream_solved = _numerical(downstream, _skill)
