r"""Training a linear student on a noisy linear teacher: test and train error at every time, for many inputs.

Model
    N inputs, P = alpha N examples, the columns of X (N x P) iid N(0, I/N). Labels y = w* X + e, w*_i ~ N(0, sw^2),
    e ~ N(0, se^2); student w, w(0)_i ~ N(0, s0^2), under the flow dw/dt = (y - w X) X^T or under gradient descent.
    SNR = sw^2/se^2, INR = s0^2/sw^2; errors are in units of sw^2.
Result
    With rho the law of the eigenvalues of X X^T (Marchenko-Pastur of ratio 1/alpha and variance alpha, an atom
    1 - alpha at 0 for alpha < 1), edges (sqrt(alpha) -+ 1)^2,

        E_g(t) = int rho [(1 + INR) exp(-2 l t) + (1 - exp(-l t))^2 / (l SNR)] + 1/SNR,
        E_t(t) = (1/alpha) int_(l>0) rho [l (1 + INR) + 1/SNR] exp(-2 l t) + max(0, 1 - 1/alpha)/SNR,

    and for gradient descent the same with (1 - eta l)^k for exp(-l t), exactly at every X with rho its own spectrum.
    At early times E_g is a polynomial of the law's moments. As many examples as inputs are in `advani_saxe_square`,
    limits t -> infinity, stopping times and ridge in `advani_saxe_limits`, accuracies in `advani_saxe_grokking`.
Assumptions
    Gaussian inputs; only their second moments enter the limit. For sizes N corrections are 1/N.
Source
    Advani and Saxe, arXiv:1710.03667v1, sections 2 and 3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.derivations.random_matrix import rmt_marchenko_pastur as law
from theorylab.derivations.random_matrix import rmt_marchenko_pastur_averages as averages
from theorylab.derivations.random_matrix import rmt_marchenko_pastur_moments as moments
from theorylab.errors import DomainError
from theorylab.parameters import Integers, Interval, Observed, Parameter, Space
from theorylab.prediction import ClosedForm, Numerical

POSITIVE = Interval(0, open_low=True)
ALPHA = Parameter("alpha", POSITIVE, "examples per input, P/N")
SNR = Parameter("snr", POSITIVE, "signal to noise, sw^2/se^2")
INR = Parameter("inr", Interval(0), "initial weights to teacher, s0^2/sw^2", default=0.0)
TIME = Parameter("t", Interval(0), "time of gradient flow")
RATE = Parameter("eta", POSITIVE, "learning rate, in units of the flow's time")
STEPS = Parameter("k", Integers(0), "steps of gradient descent")
INPUTS = Parameter("N", Integers(1), "inputs")
SPECTRUM = Parameter("spectrum", Observed("the N eigenvalues of X X^T"), "eigenvalues of X X^T")
alpha, snr, inr, t, eta, k, N = (p.symbol for p in (ALPHA, SNR, INR, TIME, RATE, STEPS, INPUTS))

CONVENTIONS = {
    "error": "full squared errors (no 1/2) in units of the teacher's variance, labels of the test set noisy too",
    "loss": "(1/2)|y - wX|^2 without 1/P: an eigenvalue l of X X^T decays at the rate l",
    "X": "N x P with entries of variance 1/N",
    "train error": "|y - wX|^2/P",
}
SOURCE = "Advani and Saxe (2017), sections 2 and 3"


def over_spectrum(f: Callable[..., np.ndarray], over: Any, alpha: Any, **columns: Any) -> Any:
    """An average of `rmt_marchenko_pastur_averages` over the eigenvalues of X X^T."""
    return averages.of_ratios(f, over, 1.0 / alpha, np.sqrt(alpha), **columns)


def flow(x: Any, t: Any) -> tuple[Any, Any]:
    """What is left of a mode of eigenvalue x at time t, and (1 - this)/x."""
    y = x * t
    # Without a division by zero for a mode that does not move.
    slow = np.where(y > 0, -np.expm1(-y) / np.where(y > 0, y, 1.0), 1.0)
    return np.exp(-y), t * slow


def descent(x: Any, eta: Any, k: Any) -> tuple[Any, Any]:
    """As `flow`, after k steps of gradient descent."""
    y = eta * x
    left = (1.0 - y) ** k
    slow = y < 0.5
    grown = np.where(slow, -np.expm1(k * np.log1p(-np.where(slow, y, 0.0))), 1.0 - left)
    return left, np.where(y > 0, eta * grown / np.where(y > 0, y, 1.0), eta * k)


def test_mode(x: Any, left: Any, moved: Any, snr: Any, inr: Any) -> Any:
    """Contribution of a mode to the test error."""
    return (1.0 + inr) * left**2 + x * moved**2 / snr


def train_mode(x: Any, left: Any, snr: Any, inr: Any) -> Any:
    """Contribution of a mode to P times the train error."""
    return (x * (1.0 + inr) + 1.0 / snr) * left**2


def _test(*, alpha: Any, snr: Any, inr: Any, t: Any) -> tuple[Any, Any]:
    value, error = over_spectrum(
        lambda x, snr, inr, t: test_mode(x, *flow(x, t), snr, inr), averages.average, alpha, snr=snr, inr=inr, t=t
    )
    return value + 1.0 / snr, error


def _train(*, alpha: Any, snr: Any, inr: Any, t: Any) -> tuple[Any, Any]:
    value, error = over_spectrum(
        lambda x, snr, inr, t: train_mode(x, flow(x, t)[0], snr, inr),
        averages.continuous_average,
        alpha,
        snr=snr,
        inr=inr,
        t=t,
    )
    return value / alpha + np.maximum(0.0, 1.0 - 1.0 / alpha) / snr, error / alpha


def demand_stable(eta: Any, largest: Any) -> None:
    """Refuse a learning rate at which the fastest mode does not decay.

    Raises
    ------
    DomainError
        Naming the critical learning rate, 2 over the largest eigenvalue.
    """
    eta, critical = np.broadcast_arrays(np.asarray(eta, dtype=float), 2.0 / np.asarray(largest, dtype=float))
    beyond = eta >= critical
    if np.any(beyond):
        raise DomainError(
            f"eta = {eta[beyond].flat[0]:g} is beyond stability: gradient descent diverges from "
            f"{critical[beyond].flat[0]:.6g} on (2 over the largest eigenvalue of X X^T); take a smaller one"
        )


def _descent_test(*, alpha: Any, snr: Any, inr: Any, eta: Any, k: Any) -> tuple[Any, Any]:
    demand_stable(eta, law.UPPER_EDGE(c=1.0 / alpha, sigma=np.sqrt(alpha)))
    value, error = over_spectrum(
        lambda x, snr, inr, eta, k: test_mode(x, *descent(x, eta, k), snr, inr),
        averages.average,
        alpha,
        snr=snr,
        inr=inr,
        eta=eta,
        k=k,
    )
    return value + 1.0 / snr, error


def _descent_given(*, snr: Any, inr: Any, eta: Any, k: Any, spectrum: Any) -> tuple[Any, Any]:
    demand_stable(eta, np.max(spectrum))
    x = spectrum[..., None, :]
    k = np.atleast_1d(k)[:, None]
    value = test_mode(x, *descent(x, eta, k), snr, inr).mean(axis=-1) + 1.0 / snr
    return value, 1e-12 * value


def moment(order: int) -> sp.Expr:
    """Moment of the law of X X^T, its entries of variance 1/N."""
    return sp.expand(moments.narayana(order).subs({law.sigma: sp.sqrt(alpha), law.c: 1 / alpha}))


# Of the integrand's Taylor series to third order in t.
early = (
    1 + inr + 1 / snr
    - 2 * alpha * (1 + inr) * t
    + (2 * (1 + inr) * (alpha**2 + alpha) + alpha / snr) * t**2
    - (sp.Rational(4, 3) * (1 + inr) * (alpha**3 + 3 * alpha**2 + alpha) + (alpha**2 + alpha) / snr) * t**3
)  # fmt: skip


def _mean(expr: sp.Expr, variances: dict[sp.Symbol, sp.Expr]) -> sp.Expr:
    """Mean of a quadratic form in independent centred variables."""
    total = sp.S.Zero
    for powers, coefficient in sp.Poly(sp.expand(expr), *variances).terms():
        if sorted(powers) == [0] * (len(powers) - 1) + [2]:
            total += coefficient * list(variances.values())[powers.index(2)]
        elif any(p % 2 == 0 and p > 0 for p in powers) or not any(powers):
            raise ValueError(f"not a quadratic form: {expr}")
    return total


def _mode_steps() -> list[Step]:
    lam, x, w0, w1, e = sp.symbols("lam x w_0 w_1 e", positive=True)
    z = sp.Function("z")
    equation = sp.Eq(z(x).diff(x), lam * (w1 - z(x)) + sp.sqrt(lam) * e)
    found = sp.dsolve(equation, z(x), ics={z(0): w0})
    variances = {w0: inr, w1: sp.S.One, e: 1 / snr}
    left = sp.exp(-lam * x)
    error = (w0 - w1) * left + e / sp.sqrt(lam) * (1 - left)
    residual = (sp.sqrt(lam) * (w1 - w0) + e) * left
    step = sp.Symbol("k", integer=True, nonnegative=True)
    stepped = error.subs(left, (1 - eta * lam) ** step)
    return [
        Step(
            "one mode of the flow",
            sp.checkodesol(equation, found)[1],
            sp.S.Zero,
            "along an eigenvector of X X^T, with z, w_1 and sqrt(lam) e the components of w, the teacher and e X^T: "
            "solved by dsolve, checked by checkodesol",
        ),
        Step("its error", found.rhs - w1, error, "z - w_1: the start decays, the noise is learned"),
        Step(
            "its square",
            _mean(error**2, variances),
            (1 + inr) * left**2 + (1 - left) ** 2 / (lam * snr),
            "w(0), teacher and noise are independent, of variances INR, 1 and 1/SNR in units of the teacher's",
        ),
        Step(
            "residual of an example mode",
            sp.sqrt(lam) * (w1 - found.rhs) + e,
            residual,
            "y - wX along the corresponding eigenvector of X^T X; the other P - N of them keep their noise",
        ),
        Step(
            "its square, averaged",
            _mean(residual**2, variances),
            (lam * (1 + inr) + 1 / snr) * left**2,
            "P times the train error of the mode",
        ),
        Step(
            "gradient descent",
            stepped.subs(step, step + 1),
            (1 - eta * lam) * stepped + eta * sp.sqrt(lam) * e,
            "w_(k+1) = w_k + eta (y - w_k X) X^T, mode by mode: (1 - eta lam)^k in place of exp(-lam t)",
        ),
    ]


def _law_steps() -> list[Step]:
    lam, theta = sp.symbols("lam theta", positive=True)
    units = {law.sigma: sp.sqrt(alpha), law.c: 1 / alpha, law.x: lam}
    density = law.bulk_density.subs(units)
    low, high = (sp.sqrt(alpha) - 1) ** 2, (sp.sqrt(alpha) + 1) ** 2
    place = low + 4 * sp.sqrt(alpha) * sp.sin(theta / 2) ** 2
    inside = {alpha: (1.5, 2.5), lam: (0.5, 4), theta: (0.3, 2.8)}
    return [
        Step(
            "law of the eigenvalues",
            density,
            sp.sqrt((high - lam) * (lam - low)) / (2 * sp.pi * lam),
            "X X^T = (P/N) Z Z^T/P: Marchenko-Pastur of N rows and P columns, variance alpha",
            where=inside,
        ),
        Step(
            "as an angle",
            density.subs(lam, place) * place.diff(theta),
            2 * alpha * sp.sin(theta) ** 2 / (sp.pi * place),
            "lam = lam_- + 4 sqrt(alpha) sin^2(theta/2): smooth at both edges, also at alpha = 1",
            where=inside,
            method="50 digits",
        ),
    ]


def _early_steps() -> list[Step]:
    lam = sp.Symbol("lam", positive=True)
    mode = (1 + inr) * sp.exp(-2 * lam * t) + (1 - sp.exp(-lam * t)) ** 2 / (lam * snr)
    # Taylor coefficients of the mode, powers of the eigenvalue replaced by moments.
    total = 1 / snr
    for order in range(4):
        coefficient = sp.expand(mode.diff(t, order).subs(t, 0) / sp.factorial(order))
        terms = sp.Poly(coefficient, lam).terms() if coefficient.has(lam) else [((0,), coefficient)]
        total += sum(c * (moment(p) if p else 1) for (p,), c in terms) * t**order
    return [
        Step("first moment", moment(1), alpha, "moments of the law are Narayana polynomials"),
        Step("second moment", moment(2), alpha**2 + alpha, "in units where entries have variance 1/N"),
        Step("third moment", moment(3), alpha**3 + 3 * alpha**2 + alpha, "the same"),
        Step("early times", total, early, "the integrand's Taylor series, averaged term by term"),
    ]


FLOW = Derivation(SOURCE, lambda: [*_mode_steps(), *_law_steps()])
SPACE = Space([ALPHA, SNR, INR, TIME])
TEST = Numerical(
    function=_test,
    space=SPACE,
    quantity="test error over sw^2",
    conventions=CONVENTIONS,
    derivation=FLOW,
    formula=r"\int \rho \left[(1 + \mathrm{INR}) e^{-2\lambda t} + \frac{(1 - e^{-\lambda t})^2}{\lambda\,"
    r"\mathrm{SNR}}\right] d\lambda + \frac{1}{\mathrm{SNR}}",
)
TRAIN = Numerical(
    function=_train,
    space=SPACE,
    quantity="train error over sw^2",
    conventions=CONVENTIONS,
    derivation=FLOW,
    formula=r"\frac1\alpha \int_{\lambda > 0} \rho \left[\lambda (1 + \mathrm{INR}) + \frac{1}{\mathrm{SNR}}\right] "
    r"e^{-2\lambda t} d\lambda + \frac{\max(0, 1 - 1/\alpha)}{\mathrm{SNR}}",
)
DESCENT = Numerical(
    function=_descent_test,
    space=Space([ALPHA, SNR, INR, RATE, STEPS]),
    quantity="test error over sw^2 after k steps of gradient descent",
    conventions=CONVENTIONS,
    derivation=FLOW,
    formula=r"\int \rho \left[(1 + \mathrm{INR}) (1 - \eta\lambda)^{2k} + \frac{(1 - (1 - \eta\lambda)^k)^2}{\lambda\,"
    r"\mathrm{SNR}}\right] d\lambda + \frac{1}{\mathrm{SNR}}, \quad \eta < \frac{2}{(1 + \sqrt\alpha)^2}",
)
DESCENT_GIVEN = Numerical(
    function=_descent_given,
    space=Space([SNR, INR, RATE, STEPS, SPECTRUM]),
    quantity="test error over sw^2 after k steps of gradient descent, at given inputs",
    conventions=CONVENTIONS,
    derivation=FLOW,
    formula=DESCENT.formula,
)
EARLY = ClosedForm(
    expr=early,
    space=SPACE,
    quantity="test error over sw^2 at early times, to third order",
    conventions=CONVENTIONS,
    derivation=Derivation(SOURCE, _early_steps),
)
