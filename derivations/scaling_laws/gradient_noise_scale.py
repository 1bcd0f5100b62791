r"""The gradient noise scale: what a step of SGD gains at a batch size, and the batch beyond which more is wasted.

Model
    L(theta + s) = L + G.s + s^T H s/2; a step s = -eta g_B with the mean g_B of B gradients of single examples, mean G
    and covariance Sigma/B.
Result
    The expected decrease of L is eta |G|^2 - (eta^2/2)(G^T H G + tr(H Sigma)/B), largest at
    eta* = eta_max/(1 + B_noise/B), where it is dL_max/(1 + B_noise/B): eta_max = |G|^2/(G^T H G),
    dL_max = |G|^4/(2 G^T H G), B_noise = tr(H Sigma)/(G^T H G). Along a trajectory on which B_noise stays the same and
    a step gains little of what is left, S = S_min (1 + B_noise/B) steps and E = B S examples lie on (S/S_min -
    1)(E/E_min - 1) = 1, E_min = B_noise S_min. If H is a multiple of the identity, B_noise = tr Sigma/|G|^2; without
    bias |G|^2 = (B_2 |g_2|^2 - B_1 |g_1|^2)/(B_2 - B_1) and tr Sigma = (|g_1|^2 - |g_2|^2)/(1/B_1 - 1/B_2). The
    reference quadratic of the claims: H = diag(1/i), Sigma = sigma^2 diag(1 + i/10), G = (1, ..., 1) in R^P.
Assumptions
    L is quadratic over a step; examples are independent.
Source
    S. McCandlish et al., An Empirical Model of Large-Batch Training, arXiv:1812.06162v1, section 2 and appendix A.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.parameters import Integers, Interval, Observed, Parameter, Space
from theorylab.prediction import ClosedForm, Numerical

POSITIVE = Interval(0, open_low=True)
G2_ = Parameter("G2", POSITIVE, "|G|^2, squared norm of the gradient", default=10.0)
GHG_ = Parameter("GHG", POSITIVE, "G^T H G", default=3.0)
HS_ = Parameter("HS", POSITIVE, "tr(H Sigma)", default=12.0)
B_ = Parameter("B", Integers(1), "batch size", default=4)
ETA = Parameter("eta", POSITIVE, "learning rate")
RATIO = Parameter("ratio", Interval(1e-6, 1e6), "batch size over noise scale, B/B_noise", default=1.0)
P_ = Parameter("P", Integers(2, 10_000), "parameters of the reference quadratic", default=20)
SIGMA = Parameter("sigma", Interval(1e-3, 1e3), "scale of the gradients' noise", default=1.0)
G2, GHG, HS, B, eta, ratio, P, sigma = (p.symbol for p in (G2_, GHG_, HS_, B_, ETA, RATIO, P_, SIGMA))

CONVENTIONS = {
    "L": "as written, H its Hessian",
    "g_B": "mean over the batch; Sigma is the covariance of one example's gradient",
    "decrease": "L before less the mean of L after",
}
SOURCE = "McCandlish et al., arXiv:1812.06162v1, section 2.2"

noise_batch = HS / GHG
fastest = G2 / GHG
decrease_form = eta * G2 - eta**2 / 2 * (GHG + HS / B)
best_rate = fastest / (1 + noise_batch / B)
best_gain = G2**2 / (2 * GHG) / (1 + noise_batch / B)

# The reference quadratic: sums over i of 1, 1/i and (1 + i/10)/i.
harmonic = sp.digamma(P + 1) + sp.EulerGamma
REFERENCE = {G2: P, GHG: harmonic, HS: sigma**2 * (harmonic + P / 10)}
spread = sigma**2 * (P + P * (P + 1) / 20)


def _steps() -> list[Step]:
    g1, g2, h11, h12, h22, e = sp.symbols("g1 g2 h11 h12 h22 e", real=True)
    s11, s12, s22 = sp.symbols("s11 s12 s22", real=True)
    x, y = sp.symbols("x y", real=True)
    hessian, noise = sp.Matrix([[h11, h12], [h12, h22]]), sp.Matrix([[s11, s12], [s12, s22]])
    gradient, drawn = sp.Matrix([g1, g2]), sp.Matrix([g1 + x, g2 + y])
    change = -e * (gradient.T * drawn)[0] + e**2 / 2 * (drawn.T * hessian * drawn)[0]
    moments = {(0, 0): sp.S.One, (2, 0): s11 / B, (0, 2): s22 / B, (1, 1): s12 / B}
    mean = sum(factor * moments.get(powers, sp.S.Zero) for powers, factor in sp.Poly(change, x, y).terms())
    return [
        Step(
            "mean over batches",
            -mean,
            e * (gradient.T * gradient)[0]
            - e**2 / 2 * ((gradient.T * hessian * gradient)[0] + (hessian * noise).trace() / B),
            "the noise of g_B has mean 0 and covariance Sigma/B: E[z^T H z] = tr(H Sigma)/B (in two dimensions)",
        )
    ]


def _best_steps() -> list[Step]:
    return [
        *_steps(),
        Step("stationary", sp.diff(decrease_form, eta).subs(eta, best_rate), sp.S.Zero, "a concave parabola in eta"),
        Step("its value", decrease_form.subs(eta, best_rate), best_gain, "put in"),
        Step("without noise", sp.Limit(best_gain, B, sp.oo), G2**2 / (2 * GHG), "dL_max"),
    ]


def _trajectory_steps() -> list[Step]:
    least, gain, crit = sp.symbols("least gain crit", positive=True)
    steps = least * (1 + crit / B)
    return [
        *_best_steps(),
        Step(
            "steps",
            least * gain / (gain / (1 + crit / B)),
            steps,
            "the same decrease, summed from gains that are all divided by 1 + B_noise/B",
        ),
        Step(
            "hyperbola",
            (steps / least - 1) * (B * steps / (crit * least) - 1),
            sp.S.One,
            "E = B S, E_min = B_noise S_min",
        ),
    ]


def _reference_steps() -> list[Step]:
    i = sp.Symbol("i", positive=True, integer=True)
    n = sp.Symbol("P", positive=True, integer=True)
    seven = {n: 7}
    return [
        *_best_steps(),
        Step(
            "G^T H G",
            sp.Sum(1 / i, (i, 1, 7)),
            (sp.digamma(n + 1) + sp.EulerGamma).subs(seven),
            "harmonic numbers (at P = 7)",
        ),
        Step(
            "tr(H Sigma)",
            sp.Sum((1 + i / 10) / i, (i, 1, 7)),
            (sp.harmonic(n) + n / 10).subs(seven),
            "term by term (at P = 7)",
        ),
        Step("tr Sigma", sp.Sum(1 + i / 10, (i, 1, n)).doit(), n + n * (n + 1) / 20, "an arithmetic series"),
    ]


def _estimator_steps() -> list[Step]:
    one, two, trace = sp.symbols("B1 B2 T", positive=True)
    first, second = G2 + trace / one, G2 + trace / two
    return [
        Step(
            "squared norm",
            (two * second - one * first) / (two - one),
            G2,
            "E|g_B|^2 = |G|^2 + tr Sigma/B: two batch sizes give two equations",
        ),
        Step("trace", (first - second) / (1 / one - 1 / two), trace, "and their difference the other unknown"),
    ]


def _isotropic_steps() -> list[Step]:
    h, trace = sp.symbols("h T", positive=True)
    return [
        Step(
            "isotropic curvature",
            noise_batch.subs({HS: h * trace, GHG: h * G2}),
            trace / G2,
            "H = h I: tr(H Sigma) = h tr Sigma, G^T H G = h |G|^2",
        )
    ]


def _closed(expr: Any, parameters: tuple[Parameter, ...], quantity: str, steps: Any, **options: Any) -> ClosedForm:
    return ClosedForm(
        expr=expr,
        space=Space(parameters),
        quantity=quantity,
        conventions=CONVENTIONS,
        derivation=Derivation(SOURCE, steps),
        **options,
    )


GENERAL = (G2_, GHG_, HS_, B_)
best_learning_rate = _closed(best_rate, GENERAL, "learning rate of the largest expected decrease", _best_steps)
best_decrease = _closed(best_gain, GENERAL, "largest expected decrease of the loss in a step", _best_steps)
steps_needed = _closed(1 + 1 / ratio, (RATIO,), "steps S/S_min at batch B", _trajectory_steps)

reference_rate = _closed(
    best_rate.subs(REFERENCE), (P_, SIGMA, B_), "learning rate of the largest expected decrease", _reference_steps
)


def _share(P: Any, B: Any, sigma: Any, eta: Any) -> Any:
    from scipy.special import digamma

    total = digamma(P + 1) + np.euler_gamma
    return 1.0 - eta / (2 * P) * (total + sigma**2 * (total + P / 10) / B)


# In units of eta |G|^2, what is gained without curvature: the difference may vanish.
reference_share = _closed(
    (decrease_form / (eta * G2)).subs(REFERENCE),
    (P_, SIGMA, B_, Parameter("eta", Interval(0, 1, open_low=True), ETA.meaning)),
    "expected decrease over eta |G|^2",
    _reference_steps,
    # Where the terms cancel, digits are lost relative to the result alone: such points are outside of the claims.
    rtol=1e-10,
)
squared_norm = _closed(P, (P_,), "squared norm of the gradient", _estimator_steps)
noise_trace = _closed(spread, (P_, SIGMA), "trace of the covariance of a gradient", _estimator_steps)
isotropic_scale = _closed(
    noise_trace.expr / P, (P_, SIGMA), "noise scale for isotropic curvature, tr Sigma/|G|^2", _isotropic_steps
)


def _decrease(**x: np.ndarray) -> tuple[Any, Any]:
    value = x["eta"] * x["G2"] - 0.5 * x["eta"] ** 2 * (x["GHG"] + x["HS"] / x["B"])
    return value, 1e-13 * x["eta"] * x["G2"]


expected_decrease = Numerical(
    function=_decrease,
    formula=sp.latex(decrease_form),
    space=Space([*(Parameter(p.name, Observed("one number a trial"), p.meaning) for p in GENERAL[:3]), B_, ETA]),
    quantity="expected decrease of the loss in a step",
    conventions=CONVENTIONS,
    derivation=Derivation(SOURCE, _steps),
)


def _numerical(form: ClosedForm, value: Any) -> Numerical:
    def function(**x: np.ndarray) -> tuple[Any, Any]:
        columns = np.broadcast_arrays(*x.values())
        rows = [value(**dict(zip(x, map(float, row)))) for row in zip(*(c.ravel() for c in columns))]
        out = np.array(rows, dtype=float).T
        return tuple(out.reshape(2, *columns[0].shape))

    return Numerical(function=function, space=form.space, quantity=form.quantity, conventions=CONVENTIONS)


def _maximised(G2: float, GHG: float, HS: float, B: float) -> tuple[float, float]:
    """The largest decrease over eta, by ternary search in forty digits."""
    import mpmath as mp

    with mp.workdps(40):
        low, high = mp.mpf(0), mp.mpf(2 * G2 / GHG)

        def gain(rate: Any) -> Any:
            return rate * G2 - rate**2 / 2 * (GHG + mp.mpf(HS) / B)

        while high - low > mp.mpf(10) ** -15 * high:
            left, right = low + (high - low) / 3, high - (high - low) / 3
            low, high = (left, high) if gain(left) < gain(right) else (low, right)
        found = float(gain((low + high) / 2))
        return found, 1e-14 * found


def _counted(ratio: float) -> tuple[float, float]:
    """Steps at batch B over those without noise, along a descent whose steps gain ever less of what is left.

    The gain without noise is c L^2, from L = 1 to L = 1/2; the counts (interpolated in a step) are extrapolated to c =
    0.
    """
    table = []
    for k in range(5):
        c = 2.0**-k / 50
        counts = []
        for factor in (1.0, 1.0 + 1.0 / ratio):
            loss, steps = 1.0, 0
            while (after := loss - c * loss**2 / factor) > 0.5:
                loss, steps = after, steps + 1
            # Between steps 1/L grows by nearly the same.
            counts.append(steps + (2.0 - 1.0 / loss) / (1.0 / after - 1.0 / loss))
        table.append(counts[1] / counts[0])
    first = [2 * fine - coarse for coarse, fine in pairwise(table)]
    second = [(4 * fine - coarse) / 3 for coarse, fine in pairwise(first)]
    return second[-1], 10 * abs(second[-1] - first[-1]) + 1e-6


best_maximised = _numerical(best_decrease, _maximised)
steps_counted = _numerical(steps_needed, _counted)
