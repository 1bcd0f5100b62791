r"""Ridge regression on random features of a kernel: test and training error, the peak, and why more is better.

Model
    The eigensystem of `krr_eigenframework`; k features, independent Gaussian combinations
    $g_j = \sum_i \sqrt{\lambda_i} w_{ji} \phi_i$, give the kernel $\hat K = (1/k) \sum_j g_j g_j'$; the predictor
    from n samples is $\hat K_x (\hat K + \delta)^{-1} y$.
Result
    $\kappa, \gamma$ solve $n = z + \delta/\kappa$, $k = z + k \kappa/\gamma$ with $z = \sum_i L_i$,
    $L_i = \lambda_i/(\lambda_i + \gamma)$; with $q = \sum_i L_i^2$

    $E_{te} = \left[1 - \frac{q(k - 2z) + z^2}{n(k - q)}\right]^{-1}
    \left(\sum_i \left[\frac{\gamma}{\lambda_i + \gamma} - \frac{\kappa \lambda_i}{(\lambda_i + \gamma)^2}
    \frac{k}{k - q}\right] v_i^2 + \sigma^2\right)$,
    $E_{tr} = (\delta/(n\kappa))^2 E_{te}$, noise included. In terms of $a = n - z$, $b = k - z$, $p = z - q$ and
    $\rho = b/(b + p)$ all terms are positive:

        $E_{te} = \frac{n}{a + \rho p} (\sum_i U_i (\rho U_i + 1 - \rho) v_i^2 + \sigma^2)$,  $U_i = 1 - L_i$.

    - $k \to \infty$ is the kernel. Without a ridge $E_{te}$ diverges at $k = n$ like $(\sum_i U_i v_i^2 + \sigma^2)
      /|k/n - 1|$, the same on both sides.
    - At given $\gamma$ the risk falls with n and with k, and a larger problem has every $\gamma$ that a smaller one
      has: with the best ridge, more samples and more features are better.
Assumptions
    Eigenfunctions behave like independent standard normal variables. The mean test error is then above the formula by
    0.5 to 1.3 of it over min(n, k); near interpolation the training error by up to 4 of it. As a function of the ridge
    the risk may have several minima, where eigenvalues come in groups.
Sources
    J. B. Simon, D. Karkada, N. Ghosh, M. Belkin, arXiv:2311.14646v4; the equations also in S. Mei, A. Montanari,
    arXiv:1908.05355, and L. Defilippis, B. Loureiro, T. Misiakiewicz, arXiv:2405.15699.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import sympy as sp

from theorylab.derivation import Derivation
from theorylab.derivations.double_descent import krr_eigenframework as kernel
from theorylab.derivations.double_descent import rf_eigenframework_steps as steps
from theorylab.derivations.double_descent.eigenframework import Equivalent, solve_krr, solve_rf
from theorylab.derivations.double_descent.krr_eigenframework import accuracy, pointwise, power, power_law
from theorylab.parameters import Constraint, Interval, Parameter, Space
from theorylab.prediction import ClosedForm, Numerical

ALPHA, BETA, N, RATIO, RIDGE, NOISE = (
    kernel.ALPHA, kernel.BETA, kernel.N, kernel.RATIO, kernel.RIDGE, kernel.NOISE,
)  # fmt: skip
RHO = Parameter("rho", Interval(0.0, open_low=True), "features per sample, k/n (k is rounded)", default=1.0)
GAP = Parameter("gap", Interval(-1.0, 1.0), "distance from the threshold, k/n - 1; k need not be whole", default=1e-5)
GROWTH = Parameter("growth", Interval(1.0), "how many times as many samples, times that of features", default=1.0)
rho, h, gap = RHO.symbol, RIDGE.symbol, GAP.symbol

SIMON = "Simon, Karkada, Ghosh, Belkin, arXiv:2311.14646v4"
CONVENTIONS = {
    **kernel.CONVENTIONS,
    "ridge": "delta = h n^(1 - alpha) is added to the features' kernel, which has the factor 1/k: no factor n",
}


@lru_cache(256)
def solution(alpha: float, n: float, rho: float, ratio: float, h: float) -> Equivalent:
    """rho n features of the spectrum i^-alpha, i = 1..ratio n, with the ridge h n^(1 - alpha)."""
    return solve_rf(power_law(alpha, round(ratio * n)), n, round(rho * n), h * n ** (1.0 - alpha))


def _test(*, alpha: float, beta: float, n: float, rho: float, ratio: float, h: float, s: float) -> Any:
    found = solution(alpha, n, rho, ratio, h)
    return found.test_risk(power(beta, round(ratio * n)), s * n ** (1.0 - beta)), accuracy(found)


def _train(*, alpha: float, beta: float, n: float, rho: float, ratio: float, h: float, s: float) -> Any:
    found = solution(alpha, n, rho, ratio, h)
    return found.train_error(power(beta, round(ratio * n)), s * n ** (1.0 - beta)), accuracy(found)


def _trace(*, alpha: float, n: float, rho: float, ratio: float, h: float) -> Any:
    found = solution(alpha, n, rho, ratio, h)
    return 1.0 / found.kappa, accuracy(found)


def _amplitude(*, alpha: float, beta: float, n: float, ratio: float, s: float) -> Any:
    M = round(ratio * n)
    found = solve_krr(power_law(alpha, M), n, 0.0)
    return float((found.unlearned * power(beta, M)).sum()) + s * n ** (1.0 - beta), accuracy(found)


def _near(*, alpha: float, beta: float, n: float, ratio: float, s: float, gap: float) -> Any:
    M = round(ratio * n)
    found = solve_rf(power_law(alpha, M), n, n * (1.0 + gap), 0.0)
    return abs(gap) * found.test_risk(power(beta, M), s * n ** (1.0 - beta)), accuracy(found)


_MODEL = [ALPHA, BETA, N, RHO, RATIO, RIDGE, NOISE]
_INTERPOLATING = Constraint(RATIO.symbol > 1, "the peak is at k = n where there are more eigenvalues: take ratio > 1")
_RISK = Derivation(SIMON, steps.risk)
_LIMITS = Derivation(SIMON, steps.limits)
_TEST_FORMULA = (
    r"E_{te} = \left[1 - \frac{q(k-2z)+z^2}{n(k-q)}\right]^{-1} \left(\sum_i \left[\frac{\gamma}{\lambda_i+\gamma} - "
    r"\frac{\kappa\lambda_i}{(\lambda_i+\gamma)^2} \frac{k}{k-q}\right] v_i^2 + \sigma^2\right)"
)
TEST = Numerical(
    function=pointwise(_test),
    space=Space(_MODEL),
    quantity="test error",
    conventions=CONVENTIONS,
    derivation=_LIMITS,
    formula=_TEST_FORMULA,
)
TRAIN = Numerical(
    function=pointwise(_train),
    space=Space(_MODEL),
    quantity="training error",
    conventions=CONVENTIONS,
    derivation=_RISK,
    formula=r"E_{tr} = \left(\frac{\delta}{n \kappa}\right)^2 E_{te}",
)
TRACE = Numerical(
    function=pointwise(_trace),
    space=Space([ALPHA, N, RHO, RATIO, RIDGE], [Constraint(h > 0, "without a ridge it may be infinite: take h > 0")]),
    quantity="trace of the resolvent",
    conventions=CONVENTIONS,
    derivation=Derivation(SIMON, steps.composition),
    formula=r"\operatorname{tr} (\hat K + \delta)^{-1} \to 1/\kappa, \quad n = z + \delta/\kappa, \quad "
    r"k = z + k \kappa/\gamma",
)
AMPLITUDE = Numerical(
    function=pointwise(_amplitude),
    space=Space([ALPHA, BETA, N, RATIO, NOISE], [_INTERPOLATING]),
    quantity="test error without a ridge, times |k/n - 1|, at the peak",
    conventions=CONVENTIONS,
    derivation=_LIMITS,
    formula=r"\sum_i \frac{\gamma}{\lambda_i + \gamma} v_i^2 + \sigma^2, \quad "
    r"\sum_i \frac{\lambda_i}{\lambda_i + \gamma} = n",
)
NEAR_PEAK = Numerical(
    function=pointwise(_near),
    space=Space(
        [ALPHA, BETA, N, RATIO, NOISE, GAP],
        [_INTERPOLATING, Constraint(sp.Ne(gap, 0), "the test error diverges at the threshold, k = n, without a ridge")],
    ),
    quantity="test error without a ridge, times |k/n - 1|",
    conventions=CONVENTIONS,
    derivation=_LIMITS,
    formula=_TEST_FORMULA,
)
MORE_IS_BETTER = ClosedForm(
    expr=sp.Integer(1),
    space=Space([GROWTH]),
    quantity="test error with the best ridge, after over before more samples or features",
    conventions={"error": "full squared error, label noise included", "best ridge": "zero or more, for the same noise"},
    derivation=Derivation("slopes at given gamma", steps.monotone),
)
