r"""Stability of SGD with a fresh batch at every step: in the mean square, and almost surely.

Model
    w <- (I - eta H_B) w with a fresh H_B = (1/B) sum x x^T at every step, x ~ N(0, Sigma) in R^P,
    Sigma = sigma^2 I or sigma^2 I + (theta - sigma^2) e e^T.
Result
    Isotropic: E|w|^2 is multiplied by 1 - 2 eta sigma^2 + eta^2 sigma^4 (1 + (P+1)/B) at every step, so that it grows
    beyond eta_c = 2B/(sigma^2 (B+P+1)), (1 + sqrt r)^2/(1 + r + 1/B) times the limit of descent on a
    single batch, 2/(sigma^2 (1 + sqrt r)^2): between 1 and 2 times. Spiked: eta_c solves
    (eta/B) sum_j lambda_j/(2 - eta lambda_j (1 + 1/B)) = 1 and tends to min(2/theta, 2/(sigma^2 (1 + r))).
    A single run grows when E log(|(I - eta H_B) w|/|w|) > 0: beyond a threshold that is larger than eta_c.
Assumptions
    None: P and B are finite (but for the limit stated).
Source
    Isserlis' theorem; the spectral-radius condition as in Wu and Su (2023), arXiv:2305.17490.
"""

from __future__ import annotations

import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.derivations.random_matrix.granziol_learning_rate import RATIO, SIGMA, THETA, theta
from theorylab.derivations.random_matrix.granziol_learning_rate import P as P
from theorylab.derivations.random_matrix.granziol_learning_rate import r as r
from theorylab.derivations.random_matrix.granziol_learning_rate import sigma as sigma
from theorylab.derivations.random_matrix.granziol_learning_rate_lyapunov import lyapunov_threshold
from theorylab.parameters import Constraint, Integers, Interval, Parameter, Space
from theorylab.prediction import ClosedForm, Implicit, Numerical

DIM = Parameter("P", Integers(1), "number of parameters")
BATCH = Parameter("B", Integers(1), "batch size, fresh at every step")
ETA = Parameter("eta", Interval(0, open_low=True), "learning rate")
B, eta = BATCH.symbol, ETA.symbol

CONVENTIONS = {
    "loss": "(1/2) (x.w)^2 per sample; gradient x (x.w)",
    "batches": "fresh at every step, H_B = (1/B) sum x x^T",
    "w": "error vector, no label noise",
}
SOURCE = "Isserlis' theorem; Wu and Su (2023), arXiv:2305.17490"

growth = 1 - 2 * eta * sigma**2 + eta**2 * sigma**4 * (1 + (P + 1) / B)
critical = 2 * B / (sigma**2 * (B + P + 1))
edge_rate = 2 / (sigma**2 * (1 + sp.sqrt(r)) ** 2)
ratio = (1 + sp.sqrt(r)) ** 2 / (1 + r + 1 / B)
_keep = 1 + 1 / B
# The secular equation for the spectrum (theta, sigma^2, ..., sigma^2), multiplied by its denominators.
secular = (
    eta * theta * (2 - eta * sigma**2 * _keep)
    + eta * (P - 1) * sigma**2 * (2 - eta * theta * _keep)
    - B * (2 - eta * theta * _keep) * (2 - eta * sigma**2 * _keep)
)


def _isserlis_steps() -> list[Step]:
    t, p, n = sp.symbols("t p n", positive=True)
    gauss = sp.exp(-(t**2) / 2) / sp.sqrt(2 * sp.pi)
    fourth = sp.Integral(t**4 * gauss, (t, -sp.oo, sp.oo))
    return [
        Step("fourth moment", fourth, sp.Integer(3), "of a standard normal"),
        Step(
            "one sample, twice",
            fourth.doit() + (p - 1),
            p + 2,
            "E |x|^2 (x.w)^2 for |w| = 1 and unit variance: 3 along w, 1 for each of the other p - 1 directions",
        ),
        Step(
            "a batch",
            (n * (p + 2) + n * (n - 1)) / n**2,
            1 + (p + 1) / n,
            "E|H_B w|^2: n pairs of equal samples and n (n-1) of different ones, for which E x x^T = I",
        ),
        Step(
            "one step",
            1 - 2 * eta * sigma**2 + eta**2 * sigma**4 * (1 + (P + 1) / B),
            growth,
            "E|(I - eta H_B) w|^2 = 1 - 2 eta w^T E H_B w + eta^2 E|H_B w|^2; the direction of w does not matter",
        ),
    ]


def _critical_steps() -> list[Step]:
    return [
        Step("mean-square threshold", growth.subs(eta, critical), sp.S.One, "E|w|^2 grows beyond eta_c"),
        Step(
            "largest at equal P and B",
            sp.diff((1 + sp.sqrt(r)) ** 2 / (1 + r), r).subs(r, 1),
            sp.S.Zero,
            "the ratio to the single-batch limit is stationary at r = 1, where it is 2 for B -> infinity",
        ),
        Step(
            "ratio to the single-batch limit",
            (critical / edge_rate).subs(P, r * B),
            ratio,
            "divide by 2/(sigma^2 (1 + sqrt r)^2)",
        ),
        Step(
            "lower side",
            ratio.subs(r, P / B) * (B + P + 1) - (B + P + 1),
            2 * sp.sqrt(P * B) - 1,
            "positive for P, B >= 1: eta_c >= 2/lambda'",
        ),
        Step(
            "upper side",
            2 * (B + P + 1) - ratio.subs(r, P / B) * (B + P + 1),
            (sp.sqrt(B) - sp.sqrt(P)) ** 2 + 2,
            "positive: eta_c <= 4/lambda', approached at P = B -> infinity",
        ),
    ]


def _secular_steps() -> list[Step]:
    l1, l2, q = sp.symbols("l1 l2 q", positive=True)
    spectrum = (l1, l2, l2)
    update = sp.diag(*(1 - 2 * eta * l + eta**2 * l**2 * _keep for l in spectrum)) + eta**2 / B * sp.Matrix(
        3, 3, lambda i, j: spectrum[i] * spectrum[j]
    )
    parts = sum(l / (2 - eta * l * _keep) for l in spectrum)
    product = sp.prod([eta * l * (2 - eta * l * _keep) for l in spectrum])
    scaled = sp.Symbol("x", positive=True)
    large = sp.expand((secular / B).subs(P, r * B))
    return [
        Step(
            "eigenvalue one",
            sp.factor((sp.eye(3) - update).det()),
            sp.factor(product * (1 - eta / B * parts)),
            "c_j = E w_j^2 obey c' = K c with K diagonal but for (eta^2/B) lambda lambda^T; det(I - K) "
            "by the determinant lemma (shown for P = 3)",
        ),
        Step(
            "two eigenvalues",
            sp.together(
                eta / B * (theta / (2 - eta * theta * _keep))
                + eta / B * (P - 1) * sigma**2 / (2 - eta * sigma**2 * _keep)
                - 1
            )
            * B
            * (2 - eta * theta * _keep)
            * (2 - eta * sigma**2 * _keep),
            secular,
            "multiply by the denominators, which are positive below 2/(theta (1 + 1/B))",
        ),
        Step("isotropic case", secular.subs(theta, sigma**2).subs(eta, critical), sp.S.Zero, "gives eta_c back"),
        Step(
            "large systems",
            sp.Limit(large.subs({theta: 5, sigma: 1, r: 3, eta: scaled}), B, sp.oo),
            3 * scaled * (2 - 5 * scaled) - (2 - 5 * scaled) * (2 - scaled),
            "at P = r B -> infinity the spike's own term drops out (here theta = 5, sigma = 1, r = 3)",
        ),
        Step(
            "its roots",
            (r * sigma**2 * q * (2 - q * theta) - (2 - q * theta) * (2 - q * sigma**2)),
            -(2 - q * theta) * (2 - q * sigma**2 * (1 + r)),
            "2/theta and 2/(sigma^2 (1 + r)): the smaller is the threshold",
        ),
    ]


_STEP = Derivation(SOURCE, lambda: [*_isserlis_steps(), *_critical_steps()])
one_step = ClosedForm(
    space=Space([DIM, BATCH, SIGMA, ETA]),
    quantity="E|w_{t+1}|^2 / |w_t|^2",
    expr=growth,
    # A square and a rest: the plain sum loses digits near eta sigma^2 = 1.
    numeric=lambda P, B, sigma, eta: (1 - eta * sigma**2) ** 2 + (eta * sigma**2) ** 2 * ((P + 1) / B),
    conventions=CONVENTIONS,
    derivation=_STEP,
    corners=({"P": 1, "B": 10**9, "eta": 1.0}, {"P": 10**6, "B": 1, "eta": 1e-9}),
)
mean_square_threshold = ClosedForm(
    space=Space([DIM, BATCH, SIGMA]),
    quantity="mean-square stability threshold of the learning rate",
    expr=critical,
    conventions=CONVENTIONS,
    derivation=_STEP,
    corners=({"P": 1, "B": 1}, {"P": 10**9, "B": 1}, {"P": 1, "B": 10**9}),
)
threshold_ratio = ClosedForm(
    space=Space([RATIO, BATCH]),
    quantity="mean-square threshold over single-batch threshold",
    expr=ratio,
    conventions=CONVENTIONS,
    derivation=_STEP,
    corners=({"r": 1.0, "B": 1}, {"r": 1e12, "B": 1}, {"r": 1e-12, "B": 10**9}),
)
single_batch_rate = ClosedForm(
    space=Space([RATIO]),
    quantity="least mean-square threshold, in units of 1/sigma^2",
    expr=edge_rate.subs(sigma, 1),
    conventions=CONVENTIONS,
    derivation=_STEP,
)
twice_single_batch_rate = ClosedForm(
    space=Space([RATIO]),
    quantity="largest mean-square threshold, in units of 1/sigma^2",
    expr=2 * edge_rate.subs(sigma, 1),
    conventions=CONVENTIONS,
    derivation=_STEP,
)
spiked_threshold = Implicit(
    space=Space(
        [DIM, BATCH, THETA, SIGMA],
        [Constraint(theta > sigma**2, "the spike is the largest eigenvalue of the population")],
    ),
    quantity="mean-square stability threshold of the learning rate",
    equation=secular,
    unknown=eta,
    bracket=lambda P, B, theta, sigma: (0.0 * theta, 2.0 / (theta * (1.0 + 1.0 / B))),
    conventions=CONVENTIONS,
    derivation=Derivation(SOURCE, lambda: [*_isserlis_steps(), *_secular_steps()]),
    corners=(
        {"P": 300, "B": 100, "theta": 300.0},
        {"P": 1, "B": 1, "theta": 2.0},
        {"P": 2, "B": 10**6, "theta": 1.000001},
        {"P": 10**6, "B": 3, "theta": 1e6},
    ),
)
typical_threshold = Numerical(
    space=Space([DIM, BATCH, SIGMA]),
    quantity="almost-sure stability threshold of the learning rate",
    function=lyapunov_threshold,
    formula=r"\eta: \; E \log |(I - \eta H_B) w| / |w| = 0",
    conventions=CONVENTIONS,
    derivation=_STEP,
)
published_divergence = ClosedForm(
    space=Space([DIM, BATCH, SIGMA]),
    quantity="learning rate at which SGD diverges (published identification)",
    expr=edge_rate.subs(r, P / B),
    conventions=CONVENTIONS,
    derivation=_STEP,
    corners=({"P": 1, "B": 1}, {"P": 10**9, "B": 1}, {"P": 1, "B": 10**9}),
)
control_threshold = ClosedForm(
    space=Space([DIM, BATCH, SIGMA]),
    quantity="mean-square stability threshold (control, false)",
    expr=2 * B / (sigma**2 * (B + P)),
    conventions=CONVENTIONS,
    derivation=_STEP,
    corners=({"P": 1, "B": 1}, {"P": 10**9, "B": 1}, {"P": 1, "B": 10**9}),
)
