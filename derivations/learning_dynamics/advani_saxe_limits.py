r"""A linear student at the end of training, stopped at the best time, and regularised by ridge.

Model
    As in `advani_saxe_linear_dynamics`: N inputs, P examples, alpha = P/N, E_g the noisy test error over sw^2.
Result
    t -> infinity, exactly at finite size: (1 + INR)(1 - P/N) + (P/(N - P - 1))/SNR + 1/SNR for P < N - 1 and
    (N/(P - N - 1))/SNR + 1/SNR for P > N + 1; their limits alpha/(1 - alpha), 1/(alpha - 1) diverge at alpha = 1.
    A mode of eigenvalue l is best stopped at log(1 + l SNR (1 + INR))/l; the whole at the root of dE_g/dt.
    Ridge w = y X^T (X X^T + g)^-1 has E_g = int rho (g^2 + l/SNR)/(l + g)^2 + 1/SNR, least at g = 1/SNR whatever the
    spectrum: there the noise-free part is g m(-g), m the resolvent. Stopping early from w = 0 is never better; the
    largest excess of its noise-free error over alpha in [0.3, 5] and SNR in [0.1, 1000] is 4.0 %.
    1/N: E tr f(X X^T) - N int rho f tends to (f(l_-) + f(l_+))/4 - (1/(2 pi)) int_0^pi f(1 + alpha + 2 sqrt(alpha)
    cos th) dth, which gives N E_g to order 1.
Assumptions
    Real Gaussian inputs for the exact limits and for 1/N.
Source
    Advani and Saxe, arXiv:1710.03667v1, sections 2 to 4; the inverse moment and the 1/N measure from
    `rmt_marchenko_pastur_moments` and `rmt_marchenko_pastur_finite`.
"""

from __future__ import annotations

import itertools
from functools import cache
from typing import Any

import numpy as np
import sympy as sp
from scipy.optimize import brentq, minimize

from theorylab.derivation import Derivation, Step
from theorylab.derivations.learning_dynamics import advani_saxe_linear_dynamics as model
from theorylab.derivations.random_matrix import rmt_marchenko_pastur as law
from theorylab.derivations.random_matrix import rmt_marchenko_pastur_averages as averages
from theorylab.derivations.random_matrix import rmt_marchenko_pastur_finite as finite
from theorylab.derivations.random_matrix import rmt_marchenko_pastur_moments as moments
from theorylab.derivations.random_matrix import rmt_marchenko_pastur_numerics as numerics
from theorylab.errors import DomainError
from theorylab.parameters import Constraint, Integers, Interval, Parameter, Space
from theorylab.prediction import ClosedForm, Numerical, Value

ALPHA, SNR, INR, TIME, INPUTS = model.ALPHA, model.SNR, model.INR, model.TIME, model.INPUTS
alpha, snr, inr, N = model.alpha, model.snr, model.inr, model.N
EXAMPLES = Parameter("P", Integers(1), "examples")
RIDGE = Parameter("g", model.POSITIVE, "ridge, in units of the eigenvalues of X X^T")
EIGENVALUE = Parameter("lam", model.POSITIVE, "eigenvalue of X X^T")
P, g, lam = (p.symbol for p in (EXAMPLES, RIDGE, EIGENVALUE))
CONVENTIONS = {**model.CONVENTIONS, "ridge": "w = y X^T (X X^T + g)^-1, g not divided by P"}

# The domain of the largest excess.
LEAST_ALPHA, MOST_ALPHA, LEAST_SNR, MOST_SNR = 0.3, 5.0, 0.1, 1000.0
# Of times and excesses found by bracketing: the bracket's width, far above rounding in the averages.
BRACKETED = 1e-10

few_examples = (1 + inr) * (1 - P / N) + P / (N - P - 1) / snr + 1 / snr
many_examples = N / (P - N - 1) / snr + 1 / snr
mode_stop = sp.log(1 + lam * snr * (1 + inr)) / lam
# At c sigma^2 = 1 the resolvent of X X^T is (root - g - alpha + 1)/(2 g).
_root = sp.sqrt((g + alpha - 1) ** 2 + 4 * g)
resolvent = (_root - g - alpha + 1) / (2 * g)
learned = 2 * alpha / (_root * (_root + g + alpha + 1))
ridge = g * resolvent - g * learned + learned / snr + 1 / snr
best_ridge = (g * resolvent).subs(g, 1 / snr) + 1 / snr


def _resolvent_numeric(alpha: Any, g: Any) -> np.ndarray:
    return np.asarray(numerics.resolvent(c=1.0 / alpha, lam=g, sigma=np.sqrt(alpha)))


def _ridge_numeric(*, alpha: Any, snr: Any, g: Any) -> np.ndarray:
    squared = numerics.squared_resolvent(c=1.0 / alpha, lam=g, sigma=np.sqrt(alpha))
    root = np.sqrt((g + alpha - 1.0) ** 2 + 4.0 * g)
    return np.asarray(g * g * squared + 2.0 * alpha / (root * (root + g + alpha + 1.0)) / snr + 1.0 / snr)


def _best_numeric(*, alpha: Any, snr: Any) -> np.ndarray:
    return np.asarray(_resolvent_numeric(alpha, 1.0 / snr) / snr + 1.0 / snr)


def _slope(x: Any, snr: Any, inr: Any, t: Any) -> Any:
    """Half the rate of change of a mode's test error."""
    left, moved = model.flow(x, t)
    return x * left * (moved / snr - (1.0 + inr) * left)


def _stop_at(alpha: float, snr: float, inr: float) -> tuple[float, float]:
    """The time at which the test error is least, and its error."""

    def rate(t: float) -> Value:
        return averages.average(lambda x: _slope(x, snr, inr, t), 1.0 / alpha, np.sqrt(alpha))

    # All modes improve before the fastest one's best time, none after the slowest one's.
    rise = snr * (1.0 + inr)
    low, high = (float(e(c=1.0 / alpha, sigma=np.sqrt(alpha))) for e in (law.LOWER_EDGE, law.UPPER_EDGE))
    first, last = (np.log1p(x * rise) / x if x * rise > 1e-12 else rise for x in (high, low))
    root = float(brentq(lambda t: float(rate(t).value), first, last, xtol=BRACKETED * first / 10.0, rtol=1e-13))
    step = 1e-4 * root
    curvature = float(rate(root + step).value - rate(root - step).value) / (2.0 * step)
    return root, BRACKETED * root + float(rate(root).error) / abs(curvature)


def _stop(*, alpha: Any, snr: Any, inr: Any) -> tuple[Any, Any]:
    found = np.vectorize(_stop_at, otypes=[float, float])(alpha, snr, inr)
    return found[0], found[1]


def _excess_at(alpha: float, snr: float) -> tuple[float, float]:
    """Relative excess of the noise-free error of early stopping over optimal ridge, and its error."""
    stop, _ = _stop_at(alpha, snr, 0.0)
    stopped, error = model.TEST.evaluate(alpha=alpha, snr=snr, inr=0.0, t=stop)
    best = float(_resolvent_numeric(alpha, 1.0 / snr)) / snr
    # The error at the best time is stationary: that time's own error enters squared.
    return (float(stopped) - 1.0 / snr) / best - 1.0, (float(error) + 4e-16 / snr) / best


def _excess(*, alpha: Any, snr: Any) -> tuple[Any, Any]:
    found = np.vectorize(_excess_at, otypes=[float, float])(alpha, snr)
    return found[0], found[1]


@cache
def largest_excess() -> tuple[float, float, float, float]:
    """The largest excess over alpha in [0.3, 5] and SNR in [0.1, 1000], its error, and where it is: alpha, SNR."""
    ends = np.log([[LEAST_ALPHA, MOST_ALPHA], [LEAST_SNR, MOST_SNR]])
    grids = (np.linspace(low, high, points) for (low, high), points in zip(ends, (7, 9)))
    places = list(itertools.product(*grids))
    heights = [_excess_at(*np.exp(p))[0] for p in places]
    # From the two highest points of a grid.
    found = [
        minimize(
            lambda p: -_excess_at(*np.exp(np.clip(p, ends[:, 0], ends[:, 1])))[0],
            places[i],
            method="Nelder-Mead",
            options={"xatol": 3e-3, "fatol": 1e-9},
        )
        for i in np.argsort(heights)[-2:]
    ]
    top = min(found, key=lambda f: f.fun)
    a, s = np.exp(top.x)
    return -float(top.fun), abs(found[0].fun - found[1].fun) + 1e-9, float(a), float(s)


def _largest(*, alpha: Any) -> tuple[Any, Any]:
    value, error, _, _ = largest_excess()
    return np.full(np.shape(alpha), 1.0 + value), error


def _peak_at(snr: float, inr: float, t: float) -> tuple[float, float]:
    """The alpha at which the test error after time t is largest near 1, and its error."""

    def rate(a: float, h: float) -> float:
        # Fourth-order difference of the test error.
        e = model.TEST(alpha=a + h * np.array([-2.0, -1.0, 1.0, 2.0]), snr=snr, inr=inr, t=t)
        return float(e[0] - 8.0 * e[1] + 8.0 * e[2] - e[3]) / (12.0 * h)

    # The peak is as wide as the hard edge seen at time t.
    wide = 0.05 / np.sqrt(1.0 + t)
    grid = np.linspace(0.3, 1.2, 91)
    top = int(np.argmax(model.TEST(alpha=grid[30:], snr=snr, inr=inr, t=t))) + 30
    if top in (30, 90):
        raise DomainError(
            f"snr = {snr:g}, inr = {inr:g}, t = {t:g}: the test error has no peak between alpha = 0.6 and 1.2; take a "
            "later time or more noise"
        )
    ends = grid[top - 1], grid[top + 1]
    roots = [float(brentq(rate, *ends, args=(h,), xtol=1e-11)) for h in (wide, wide / 2.0)]
    return roots[1], abs(roots[1] - roots[0]) + 1e-10


def _peak(*, snr: Any, inr: Any, t: Any) -> tuple[Any, Any]:
    found = np.vectorize(_peak_at, otypes=[float, float])(snr, inr, t)
    return found[0], found[1]


def _sized(*, N: Any, alpha: Any, snr: Any, inr: Any, t: Any) -> tuple[Any, Any]:
    value, error = model.TEST.evaluate(alpha=alpha, snr=snr, inr=inr, t=t)
    first, own = _first_order(alpha=alpha, snr=snr, inr=inr, t=t)
    return N * value + first, N * error + own


def _first_order(*, alpha: Any, snr: Any, inr: Any, t: Any) -> tuple[Any, Any]:
    return tuple(
        model.over_spectrum(
            lambda x, snr, inr, t: model.test_mode(x, *model.flow(x, t), snr, inr),
            averages.correction,
            alpha,
            snr=snr,
            inr=inr,
            t=t,
        )
    )


def _final_steps() -> list[Step]:
    size = sp.Symbol("n", positive=True)
    inverse = moments.INVERSE_MOMENT.expr.subs(law.sigma, 1)
    return [
        Step(
            "noise learned with many examples",
            (inverse.subs({moments.p: N, moments.n: P}, simultaneous=True) * N / P).subs(P, N + size),
            (N / (P - N - 1)).subs(P, N + size),
            "at t = infinity the noise term is (1/(N SNR)) E tr (X X^T)^-1, X X^T = (P/N) S with S of p = N, n = P",
        ),
        Step(
            "noise learned with few",
            P / N * (inverse.subs({moments.p: P, moments.n: N}, simultaneous=True)),
            P / (N - P - 1),
            "the nonzero eigenvalues are those of X^T X = S with p = P, n = N: P of N modes learn, the others keep "
            "(1 + INR)",
        ),
        Step(
            "limit of few examples",
            sp.Limit((P / (N - P - 1)).subs(P, N / (1 + size)), N, sp.oo),
            (alpha / (1 - alpha)).subs(alpha, 1 / (1 + size)),
            "P/N = alpha < 1",
        ),
        Step(
            "limit of many examples",
            sp.Limit((N / (P - N - 1)).subs(P, N * (1 + size)), N, sp.oo),
            (1 / (alpha - 1)).subs(alpha, 1 + size),
            "P/N = alpha > 1",
        ),
    ]


def _stop_steps() -> list[Step]:
    x = sp.Symbol("t", positive=True)
    left = sp.exp(-lam * x)
    mode = (1 + inr) * left**2 + (1 - left) ** 2 / (lam * snr)
    return [
        Step(
            "best time of a mode",
            sp.Derivative(mode, x).doit().subs(x, mode_stop),
            sp.S.Zero,
            "the mode's test error is stationary there",
        ),
        Step(
            "before and after",
            sp.Derivative(mode, x).doit(),
            2 * left * (1 - left * (1 + lam * snr * (1 + inr))) / snr,
            "it falls before that time and rises after it: the best time of a spectrum lies between those of its ends",
        ),
    ]


def _ridge_steps() -> list[Step]:
    x = sp.Symbol("x", positive=True)
    mode = (g**2 + x / snr) / (x + g) ** 2
    units = {law.c: 1 / alpha, law.sigma: sp.sqrt(alpha), law.lam: g}
    return [
        Step(
            "bias and variance of a mode",
            (1 - x / (x + g)) ** 2 + x / (x + g) ** 2 / snr,
            mode,
            "w = (teacher sqrt(l) + noise) sqrt(l)/(l + g) along an eigenvector",
        ),
        Step(
            "its minimum",
            mode.diff(g),
            2 * x * (g - 1 / snr) / (x + g) ** 3,
            "zero at g = 1/SNR for every eigenvalue, negative below and positive above",
        ),
        Step("there", mode.subs(g, 1 / snr), (g / (x + g)).subs(g, 1 / snr), "the average of g/(l + g) is g m(-g)"),
        Step("resolvent", law.resolvent.subs(units), resolvent, "Marchenko-Pastur of ratio 1/alpha, variance alpha"),
        Step("what is learned", 1 - g * resolvent, 2 * alpha / (_root + g + alpha + 1), "the average of l/(l + g)"),
        Step("its derivative", -(1 - g * resolvent).diff(g), learned, "the average of l/(l + g)^2"),
        Step(
            "average of the bias",
            g**2 * law.squared_resolvent.subs(units),
            g * resolvent - g * learned,
            "g^2/(l + g)^2 = g/(l + g) - g l/(l + g)^2",
        ),
    ]


def _frozen_steps() -> list[Step]:
    entries = sp.symbols("x1:7", positive=True)
    x = sp.Matrix(3, 2, entries)
    gram = x.T * x
    outside = sp.eye(3) - x * gram.adjugate() * x.T / gram.det()
    return [
        Step(
            "no example reaches it",
            sum((e**2 for e in (x.T * outside).applyfunc(sp.cancel)), sp.S.Zero),
            sp.S.Zero,
            "dw/dt P_0 = (y - wX) X^T P_0 = 0, flow or descent alike (shown for N = 3, P = 2)",
        ),
        Step(
            "its dimension",
            sp.cancel(outside.trace()),
            sp.S.One,
            "P_0 has trace N - P, and E |w(0) P_0|^2 = s0^2 tr P_0",
        ),
        Step("in units", (N - P) * inr / N, inr * (1 - P / N), "over N sw^2"),
    ]


_BOTH = Derivation(model.SOURCE, lambda: [*model.FLOW, *_stop_steps(), *_ridge_steps()])
FINAL = ClosedForm(
    expr=sp.Piecewise((few_examples, P < N), (many_examples, True)),
    space=Space(
        [INPUTS, EXAMPLES, SNR, INR],
        [Constraint((N - P > 1) | (P - N > 1), "the mean is infinite for |N - P| <= 1")],
    ),
    quantity="test error over sw^2 at the end of training",
    conventions=CONVENTIONS,
    derivation=Derivation(model.SOURCE, lambda: [*(moments.INVERSE_MOMENT.derivation or ()), *_final_steps()]),
)
MODE_STOP = ClosedForm(
    expr=mode_stop,
    numeric=lambda *, lam, snr, inr: np.log1p(lam * snr * (1.0 + inr)) / lam,
    space=Space([EIGENVALUE, SNR, INR]),
    quantity="best stopping time of one mode",
    conventions=CONVENTIONS,
    derivation=Derivation(model.SOURCE, _stop_steps),
    corners=({"lam": 1e-12, "snr": 1.0}, {"lam": 4.0, "snr": 1e-12, "inr": 3.0}),
)
STOP = Numerical(
    function=_stop,
    space=Space([ALPHA, SNR, INR]),
    quantity="best stopping time",
    conventions=CONVENTIONS,
    derivation=_BOTH,
    formula=r"t^*: \; \frac{d E_g}{dt} = 0",
)
RIDGE_TEST = ClosedForm(
    expr=ridge,
    numeric=_ridge_numeric,
    space=Space([ALPHA, SNR, RIDGE]),
    quantity="test error over sw^2 of ridge regression",
    conventions=CONVENTIONS,
    derivation=Derivation(model.SOURCE, _ridge_steps),
    corners=({"alpha": 1.0, "snr": 1.0, "g": 1e-9}, {"alpha": 0.5, "snr": 1e-3, "g": 1e6}),
)
BEST_RIDGE = ClosedForm(
    expr=1 / snr,
    space=Space([SNR]),
    quantity="best ridge",
    conventions=CONVENTIONS,
    derivation=RIDGE_TEST.derivation,
)
BEST_RIDGE_TEST = ClosedForm(
    expr=best_ridge,
    numeric=_best_numeric,
    space=Space([ALPHA, SNR]),
    quantity="test error over sw^2 of optimal ridge",
    conventions=CONVENTIONS,
    derivation=RIDGE_TEST.derivation,
    corners=({"alpha": 1.0, "snr": 1e9}, {"alpha": 1e-6, "snr": 1e-6}),
)
NEVER_BETTER = ClosedForm(
    expr=sp.S.One,
    space=Space([ALPHA]),
    quantity="least ratio of the noise-free errors of early stopping and optimal ridge",
    conventions={**CONVENTIONS, "start": "w(0) = 0"},
    derivation=RIDGE_TEST.derivation,
)
EXCESS = Numerical(
    function=_excess,
    space=Space([ALPHA, SNR]),
    quantity="relative excess of the noise-free error of early stopping over optimal ridge",
    conventions={**CONVENTIONS, "start": "w(0) = 0"},
    derivation=_BOTH,
    formula=r"\frac{E_g(t^*) - 1/\mathrm{SNR}}{\min_g E_g(g) - 1/\mathrm{SNR}} - 1",
)
LARGEST_RATIO = Numerical(
    function=_largest,
    space=Space([Parameter("alpha", Interval(LEAST_ALPHA, MOST_ALPHA), "examples per input, P/N")]),
    quantity="largest ratio of the noise-free errors of early stopping and optimal ridge",
    conventions=EXCESS.conventions,
    derivation=_BOTH,
    formula=r"1 + \max_{0.3 \le \alpha \le 5,\; 0.1 \le \mathrm{SNR} \le 1000} \mathrm{excess}",
)
PEAK = Numerical(
    function=_peak,
    space=Space([SNR, INR, TIME]),
    quantity="examples per input at which the test error is largest",
    conventions=CONVENTIONS,
    derivation=model.TEST.derivation,
    formula=r"\alpha^*: \; \partial_\alpha E_g(t; \alpha) = 0",
)
FROZEN = ClosedForm(
    expr=inr * (1 - P / N),
    space=Space([INPUTS, EXAMPLES, INR], [Constraint(P < N, "the examples leave no direction out otherwise")]),
    quantity="squared weight outside the span of the examples, over N sw^2",
    conventions=CONVENTIONS,
    derivation=Derivation(model.SOURCE, _frozen_steps),
)
SIZED = Numerical(
    function=_sized,
    space=Space([INPUTS, ALPHA, SNR, INR, TIME]),
    quantity="N times the test error over sw^2",
    conventions=CONVENTIONS,
    derivation=Derivation(
        "loop equation by Gaussian integration by parts",
        lambda: [*(finite.RESOLVENT_TRACE.derivation or ()), *model.FLOW],
    ),
    formula=r"N E_g^\infty + \frac{f(\lambda_-) + f(\lambda_+)}{4} - \frac{1}{2\pi} \int_0^\pi "
    r"f(1 + \alpha + 2\sqrt\alpha \cos\theta)\, d\theta",
)
