r"""Second moments of SGD with fresh Gaussian batches, exact at every step, and the threshold of the learning rate.

Model
    Error vector theta in R^P, theta <- theta - (eta/B) sum_b x_b (x_b.theta - eps_b), x ~ N(0, Sigma) and
    eps ~ N(0, tau^2) independent, B fresh samples at every step. Sigma has eigenvalues lambda_j (`spectrum`).
Result
    M = E theta theta^T obeys M' = (I - eta Sigma) M (I - eta Sigma) + (eta^2/B) [Sigma M Sigma + tr(Sigma M) Sigma]
    + (eta^2 tau^2/B) Sigma; in the eigenbasis c_j = E theta_j^2 obeys c' = K c + (eta^2 tau^2/B) lambda,
    K = diag(1 - 2 eta lambda + eta^2 lambda^2 (1 + 1/B)) + (eta^2/B) lambda lambda^T. Second moments decay iff
    eta < eta_c, q(eta_c) = 1, q(eta) = (eta/B) sum_j lambda_j/(2 - eta lambda_j (1 + 1/B)), which rises from 0 to
    infinity below 2/(lambda_max (1 + 1/B)): one root. With X = tr Sigma/(B lambda_max) and Y = X + 1/B,
    2/(1 + Y) <= eta_c lambda_max <= min(2, 2/X): linear in B below B = tr Sigma/lambda_max, constant above;
    the lower bound is reached for equal eigenvalues, eta_c = 2B/(lambda (B + P + 1)), where eta_c/2 is best and
    multiplies E|theta|^2 by (P + 1)/(B + P + 1). With noise c_j -> (eta/B) (tau^2 + S)/(2 - eta lambda_j (1 + 1/B)),
    S = sum_j lambda_j c_j = tau^2 q/(1 - q). A single run converges below the zero of E log of a step, which is larger.
Assumptions
    Gaussian inputs; P, B and the number of steps are finite.
Source
    Isserlis' theorem. Thresholds of this kind: Wu and Su (2023), arXiv:2305.17490v2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp
from scipy.optimize import brentq

from theorylab.derivation import Derivation, Step
from theorylab.derivations.random_matrix.granziol_learning_rate import SIGMA
from theorylab.derivations.random_matrix.granziol_learning_rate_lyapunov import lyapunov_threshold
from theorylab.errors import DomainError
from theorylab.parameters import Integers, Interval, Parameter, Space
from theorylab.prediction import ClosedForm, Numerical

SPECTRUM = Parameter("spectrum", Interval(0, open_low=True), "eigenvalues of the covariance of the inputs, an array")
BATCH = Parameter("B", Integers(1), "batch size, fresh at every step")
ETA = Parameter("eta", Interval(0, open_low=True), "learning rate")
NOISE = Parameter("tau", Interval(0), "standard deviation of the labels' noise", default=0.0)
STEPS = Parameter("steps", Integers(0), "number of steps, from theta = (1, ..., 1)")
START = Parameter("start", Interval(), "theta before the step, an array")
RUNS = Parameter("runs", Integers(1), "runs whose mean is one sample", default=32)
DIM = Parameter("P", Integers(1), "number of parameters")
WEIGHT = Parameter("X", Interval(0, open_low=True), "tr Sigma/(B lambda_max)")
LOAD = Parameter("Y", Interval(0, open_low=True), "(tr Sigma/lambda_max + 1)/B")
B, P, X, Y = BATCH.symbol, DIM.symbol, WEIGHT.symbol, LOAD.symbol

CONVENTIONS = {
    "loss": "(1/2) (x.theta - eps)^2 per sample; gradient x (x.theta - eps)",
    "batches": "fresh at every step, the gradient averaged over the batch",
    "c": "c_j = E theta_j^2 in the eigenbasis, without 1/2",
    "eta_c": "threshold of the second moments",
}
SOURCE = "Isserlis' theorem; Wu and Su (2023), arXiv:2305.17490v2"


def _isserlis_steps() -> list[Step]:
    z = sp.Symbol("z", real=True)
    l1, l2, m11, m22, m12, n = sp.symbols("l1 l2 m11 m22 m12 n", positive=True)
    gauss = sp.exp(-(z**2) / 2) / sp.sqrt(2 * sp.pi)
    fourth = sp.Integral(z**4 * gauss, (z, -sp.oo, sp.oo))
    trace = l1 * m11 + l2 * m22
    return [
        Step("fourth moment", fourth, sp.Integer(3), "of a standard normal"),
        Step(
            "on the diagonal",
            fourth.doit() * l1**2 * m11 + l1 * l2 * m22,
            2 * l1**2 * m11 + trace * l1,
            "E x x^T M x x^T = 2 Sigma M Sigma + tr(Sigma M) Sigma: on two axes E x_1^2 (x_1^2 M_11 + x_2^2 M_22)",
        ),
        Step("off the diagonal", l1 * l2 * (m12 + m12), 2 * l1 * l2 * m12, "E x_1^2 x_2^2 = l1 l2, M_12 = M_21"),
        Step(
            "a batch",
            (n * (2 * l1**2 * m11 + trace * l1) + n * (n - 1) * l1**2 * m11) / n**2,
            l1**2 * m11 * (1 + 1 / n) + trace * l1 / n,
            "n pairs of equal samples, n (n - 1) of different ones; the step adds M - eta (Sigma M + M Sigma)",
        ),
    ]


def _threshold_steps() -> list[Step]:
    eta, n = sp.symbols("eta n", positive=True)
    spectrum = sp.symbols("l1:4", positive=True)
    keep = 1 + 1 / n
    update = sp.diag(*(1 - 2 * eta * l + eta**2 * l**2 * keep for l in spectrum)) + eta**2 / n * sp.Matrix(
        3, 3, lambda i, j: spectrum[i] * spectrum[j]
    )
    q = eta / n * sum(l / (2 - eta * l * keep) for l in spectrum)
    rest = sp.prod([eta * l * (2 - eta * l * keep) for l in spectrum])
    trace, noise, total, one = sp.symbols("T tau2 S lambda", positive=True)
    stationary = eta / n * (noise + total) / (2 - eta * one * keep)
    rate = sp.Symbol("y", positive=True)
    size = sp.Symbol("p", positive=True)
    iso = 1 - 2 * rate + rate**2 * (1 + (size + 1) / n)
    return [
        Step(
            "the root is one",
            sp.factor((sp.eye(3) - update).det()),
            sp.factor(rest * (1 - q)),
            "determinant lemma (shown for P = 3): below 2/(lambda_max (1 + 1/B)) det(I - K) has the sign of 1 - q, and "
            "K has no negative entries, so that its largest eigenvalue passes 1 at q = 1",
        ),
        Step(
            "stationary moments",
            one * (2 * eta * one - eta**2 * one**2 * keep) * stationary / one - eta**2 * one / n * (noise + total),
            sp.S.Zero,
            "(I - K) c = (eta^2 tau^2/B) lambda, component by component",
        ),
        Step(
            "their sum",
            sp.solve(sp.Eq(total, sp.Symbol("q", positive=True) * (noise + total)), total)[0],
            noise * sp.Symbol("q", positive=True) / (1 - sp.Symbol("q", positive=True)),
            "S = sum lambda_j c_j = q (tau^2 + S)",
        ),
        Step("equal eigenvalues", iso.subs(rate, 2 * n / (n + size + 1)), sp.S.One, "eta_c = 2B/(lambda (B + P + 1))"),
        Step("best rate", sp.diff(iso, rate).subs(rate, n / (n + size + 1)), sp.S.Zero, "eta_c/2"),
        Step("best factor", iso.subs(rate, n / (n + size + 1)), (size + 1) / (n + size + 1), "1 - B/(B + P + 1)"),
        Step(
            "lower bound",
            (rate * trace / (2 - rate * keep)).subs(rate, 2 / (1 + trace + 1 / n)),
            sp.S.One,
            "lambda_j <= lambda_max = 1 in the denominators makes q larger; T = tr Sigma/B, y = eta",
        ),
        Step("upper bound", (rate * trace / 2).subs(rate, 2 / trace), sp.S.One, "denominators below 2 make q smaller"),
    ]


_MOMENTS = Derivation(SOURCE, _isserlis_steps)
_THRESHOLD = Derivation(SOURCE, lambda: [*_isserlis_steps(), *_threshold_steps()])


def _spectrum(values: np.ndarray) -> np.ndarray:
    if values.ndim != 1 or values.size == 0:
        raise DomainError(f"spectrum of shape {values.shape}: want the eigenvalues along one axis")
    return values


def update(spectrum: np.ndarray, B: float, eta: float, own: float = 1.0, power: int = 1) -> np.ndarray:
    """K, float64[P, P]; `own` and `power` are 1, but for mistakes: the share of 1/B, the power in the rank-one part."""
    step = eta * spectrum
    # A square and a rest: the plain sum loses digits near eta lambda = 1.
    return np.asarray(np.diag((1.0 - step) ** 2 + own * step**2 / B) + np.outer(step**power, step**power) / B)


def march(
    spectrum: Any, B: Any, eta: Any, tau: Any, steps: Any, own: float = 1.0, power: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """c after some steps from c = (1, ..., 1), and its error; `own` and `power` as in `update`."""
    lam, drive = _spectrum(spectrum), eta**2 * tau**2 / B * spectrum
    c, matrix = np.ones(lam.size), update(lam, float(B), float(eta), own, power)
    for _ in range(int(steps)):
        c = matrix @ c + drive
    # All terms are positive: rounding adds up, relative, step by step.
    return c, 4e-16 * (float(steps) + 1.0) * (lam.size + 4.0) * c


def _outer(spectrum: Any, B: Any, eta: Any, tau: Any, start: Any) -> tuple[np.ndarray, np.ndarray]:
    """M' after one step from theta, float64[P, P] in one row."""
    sigma, m = np.diag(spectrum), np.outer(start, start)
    keep = np.eye(spectrum.size) - eta * sigma
    inner = sigma @ m @ sigma + np.trace(sigma @ m) * sigma
    value = keep @ m @ keep + eta**2 / B * (inner + tau**2 * sigma)
    return value.ravel(), np.full(value.size, 1e-14 * np.abs(value).max())


def secular(eta: float, spectrum: np.ndarray, B: float) -> float:
    """q(eta)."""
    return float(eta / B * np.sum(spectrum / (2.0 - eta * spectrum * (1.0 + 1.0 / B))))


def critical(spectrum: Any, B: Any, own: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """eta_c and its error; `own` as in `update`."""
    lam, n = _spectrum(spectrum), float(B)
    top = float(lam.max())
    unit, share = lam / top, 1.0 + own / n
    # The bounds of the theory, in units of 1/lambda_max.
    x = unit.sum() / n
    low, high = 2.0 / (share + x), min(2.0 / share, 2.0 / x)

    def residual(y: float) -> float:
        gap = 2.0 - y * unit * share
        # q - 1, without the pole at the upper end.
        return float(y / n * np.sum(unit * gap.min() / gap) - gap.min()) if gap.min() > 0 else y / n

    root = brentq(residual, low * (1 - 1e-9), high, xtol=1e-16, rtol=8.9e-16)
    return np.asarray(root / top), np.asarray(4e-15 * lam.size**0.5 * root / top)


def _stationary(spectrum: Any, B: Any, eta: Any, tau: Any) -> tuple[np.ndarray, np.ndarray]:
    """c for ever, in closed form."""
    q = secular(float(eta), _demand_stable(spectrum, B, eta), float(B))
    value = eta / B * tau**2 / (1.0 - q) / (2.0 - eta * spectrum * (1.0 + 1.0 / B))
    return value, 1e-14 * value / (1.0 - q)


def _solved(spectrum: Any, B: Any, eta: Any, tau: Any) -> tuple[np.ndarray, np.ndarray]:
    """c for ever, by the linear equations."""
    matrix = np.eye(spectrum.size) - update(_demand_stable(spectrum, B, eta), float(B), float(eta))
    value = np.linalg.solve(matrix, eta**2 * tau**2 / B * spectrum)
    return value, 1e-14 * np.linalg.cond(matrix) * np.abs(value)


def _demand_stable(spectrum: np.ndarray, B: Any, eta: Any) -> np.ndarray:
    limit = float(critical(spectrum, B)[0])
    if float(eta) >= limit:
        raise DomainError(f"eta = {float(eta):g} has no stationary second moments; they need eta < {limit:.6g}")
    return spectrum


_common: dict[str, Any] = {"conventions": CONVENTIONS, "derivation": _THRESHOLD}
_RUN = [SPECTRUM, BATCH, ETA, NOISE]
moments = Numerical(
    space=Space([*_RUN, STEPS]),
    quantity="E theta_j^2 after some steps",
    function=march,
    formula=r"c_{t+1} = K c_t + \frac{\eta^2 \tau^2}{B} \lambda",
    conventions=CONVENTIONS,
    derivation=_MOMENTS,
)
outer = Numerical(
    space=Space([*_RUN, START]),
    quantity="E theta theta^T after one step",
    function=_outer,
    formula=r"(I - \eta \Sigma) M (I - \eta \Sigma) + \frac{\eta^2}{B} [\Sigma M \Sigma + \mathrm{tr}(\Sigma M) \Sigma"
    r" + \tau^2 \Sigma]",
    conventions=CONVENTIONS,
    derivation=_MOMENTS,
)
threshold = Numerical(
    space=Space([SPECTRUM, BATCH]),
    quantity="mean-square stability threshold of the learning rate",
    function=critical,
    formula=r"\frac{\eta}{B} \sum_j \frac{\lambda_j}{2 - \eta \lambda_j (1 + 1/B)} = 1",
    **_common,
)
full_batch = Numerical(
    space=Space([SPECTRUM, BATCH]),
    quantity="stability limit of gradient descent on the mean loss, 2/lambda_max",
    function=lambda spectrum, B: (2.0 / spectrum.max() + 0.0 * B, 1e-16 + 0.0 * B),
    formula=r"2/\lambda_{\max}",
    **_common,
)


def _flat(P: Any, B: Any, sigma: Any) -> tuple[np.ndarray, np.ndarray]:
    value, error = critical(np.full(int(P), float(sigma) ** 2), B)
    return value, error


flat_threshold = Numerical(
    space=Space([DIM, BATCH, SIGMA]),
    quantity="mean-square stability threshold, equal eigenvalues",
    function=_flat,
    formula=r"\frac{\eta}{B} \sum_j \frac{\lambda_j}{2 - \eta \lambda_j (1 + 1/B)} = 1",
    **_common,
)
stationary = Numerical(
    space=Space(_RUN),
    quantity="stationary E theta_j^2",
    function=_stationary,
    formula=r"\frac{\eta}{B} \frac{\tau^2 / (1 - q)}{2 - \eta \lambda_j (1 + 1/B)}",
    **_common,
)
solved = Numerical(
    space=Space(_RUN),
    quantity="stationary E theta_j^2, by linear equations",
    function=_solved,
    formula=r"\frac{\eta^2 \tau^2}{B} (I - K)^{-1} \lambda",
    **_common,
)
best_factor = ClosedForm(
    space=Space([DIM, BATCH]),
    quantity="least E|theta_{t+1}|^2/|theta_t|^2 on white data",
    expr=(P + 1) / (B + P + 1),
    corners=({"P": 1, "B": 1}, {"P": 10**9, "B": 1}, {"P": 1, "B": 10**9}),
    **_common,
)
least_threshold = ClosedForm(
    space=Space([LOAD]),
    quantity="lower bound on eta_c lambda_max",
    expr=2 / (1 + Y),
    **_common,
)
largest_threshold = ClosedForm(
    space=Space([WEIGHT]),
    quantity="upper bound on eta_c lambda_max",
    expr=sp.Piecewise((sp.Integer(2), X < 1), (2 / X, True)),
    corners=({"X": 1.0},),
    **_common,
)


def _alone(B: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return lyapunov_threshold(np.ones_like(B), B, np.ones_like(B))


almost_sure = Numerical(
    space=Space([BATCH]),
    quantity="almost-sure stability threshold of eta lambda, one parameter",
    function=_alone,
    formula=r"\eta: \; E \log |1 - \eta \lambda \chi^2_B / B| = 0",
    **_common,
)
