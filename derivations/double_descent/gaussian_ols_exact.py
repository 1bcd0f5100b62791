r"""Exact mean risks of least squares and of minimum-norm interpolation on Gaussian designs.

Model: $x_i \sim N(0, I_p)$ i.i.d., $i = 1..n$; $y = X \beta + \varepsilon$, $\varepsilon \sim N(0, \sigma^2 I_n)$;
$\hat\beta = X^+ y$ (Moore-Penrose), $r^2 = \|\beta\|^2$. Means are over $X$ and $\varepsilon$, exact at finite size:

- excess risk $E \|\hat\beta - \beta\|^2 = \sigma^2 \frac{p}{n-p-1}$ for $p \le n - 2$ and
  $r^2 (1 - \frac np) + \sigma^2 \frac{n}{p-n-1}$ for $p \ge n + 2$; infinite between;
- training error $E \|y - X \hat\beta\|^2 / n = \sigma^2 (1 - p/n)_+$;
- squared norm $E \|\hat\beta\|^2 = r^2 \min(1, n/p)$ + the same variance;
- with $D$ features of which $p$ are fitted, the others act as label noise: with $A$ the squared norm of the
  coefficients fitted and $B$ that of the others plus $\sigma^2$, the test error is $B \frac{n-1}{n-p-1}$ or
  $A (1 - \frac np) + B \frac{p-1}{p-n-1}$;
- for $p < n$ and features of covariance $\Sigma$ the $\Sigma$-weighted excess risk is the same.

Sources: L. Breiman and D. Freedman, "How many variables should be entered in a regression equation?", JASA 78
(1983) 131-136 (below the threshold); M. Belkin, D. Hsu, J. Xu, "Two models of double descent for weak features",
arXiv:1903.07571v2, section 2, Theorem 1 and Corollary 1 (both sides, hidden features); T. Hastie, A. Montanari,
S. Rosset, R. Tibshirani, "Surprises in high-dimensional ridgeless least squares interpolation",
arXiv:1903.08560v5, section 3 (the limits, isotropic features).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import mpmath
import numpy as np
import sympy as sp

from theorylab.derivation import Derivation
from theorylab.derivations.double_descent import gaussian_ols_exact_steps as steps
from theorylab.derivations.double_descent.gaussian_ols_exact_steps import (
    excess_above,
    excess_below,
    hidden_above,
    hidden_below,
    norm_above,
    norm_below,
)
from theorylab.parameters import Constraint, Integers, Interval, Parameter, Space
from theorylab.prediction import ClosedForm
from theorylab.symbolic import Computed

BREIMAN = "Breiman and Freedman, JASA 78 (1983) 131-136"
BELKIN = "Belkin, Hsu, Xu, arXiv:1903.07571v2, section 2, Theorem 1"
HASTIE = "Hastie, Montanari, Rosset, Tibshirani, arXiv:1903.08560v5, section 3"

N = Parameter("n", Integers(1), "number of samples", default=30)
P = Parameter("p", Integers(1), "number of fitted features", default=60)
SIGMA2 = Parameter("sigma2", Interval(0.0), "variance of the label noise", default=0.5)
R2 = Parameter("r2", Interval(0.0), "squared norm of the coefficient vector", default=1.0)
D = Parameter("D", Integers(1, 10_000), "number of features that the labels depend on", default=150)
DECAY = Parameter(
    "decay", Interval(-4.0, 4.0), "exponent of the coefficients beta_i ~ i^-decay; negative: weakest first", default=0.5
)
SPREAD = Parameter("spread", Interval(-4.0, 4.0), "exponent of the covariance's eigenvalues j^-spread", default=1.0)
GAMMA = Parameter("gamma", Interval(0.0, open_low=True), "features per sample, p/n", default=2.0)
SNR = Parameter("snr", Interval(1.0, open_low=True), "signal-to-noise ratio r2/sigma2", default=4.0)

n, p, sigma2, r2 = (parameter.symbol for parameter in (N, P, SIGMA2, R2))
gamma, snr, decay = GAMMA.symbol, SNR.symbol, DECAY.symbol

INFINITE = (
    "the variance, and with it the mean risk, is infinite at the interpolation threshold |n - p| <= 1 "
    "(an inverse Wishart matrix has a mean from |n - p| = 2 on)"
)
TWO_SIDED = Constraint(sp.Or(p <= n - 2, p >= n + 2), INFINITE)
BELOW = Constraint(p <= n - 2, f"only with fewer features than samples does the covariance drop out, and {INFINITE}")
FITTED = Constraint(p <= D.symbol, "no more features can be fitted than there are")

CONVENTIONS = {
    "error": "full squared error, no factor 1/2",
    "excess risk": "label noise not included",
    "mean": "over designs and label noise",
}
CORNERS = (
    {"n": 30, "p": 28},
    {"n": 30, "p": 32},
    {"n": 1, "p": 3},
    {"n": 3, "p": 1},
    {"n": 100_000_000, "p": 100_000_002},
    {"n": 100_000_002, "p": 100_000_000},
)


def two_sided(below: sp.Expr, above: sp.Expr) -> sp.Piecewise:
    """One formula for fewer features than samples, one for the rest."""
    return sp.Piecewise((below, p < n), (above, True))


excess_risk = ClosedForm(
    expr=two_sided(excess_below(n, p, sigma2), excess_above(n, p, sigma2, r2)),
    space=Space([N, P, SIGMA2, R2], [TWO_SIDED]),
    quantity="excess risk",
    conventions=CONVENTIONS,
    derivation=Derivation(f"{BREIMAN}; {BELKIN}", lambda: [*steps.below(), *steps.above()]),
    corners=CORNERS,
)

training_error = ClosedForm(
    expr=two_sided(sigma2 * (n - p) / n, sp.S.Zero),
    space=Space([N, P, SIGMA2]),
    quantity="training error",
    conventions={**CONVENTIONS, "training error": "mean over the n samples, divided by n and not by n - p"},
    derivation=Derivation("rank of the residual projector", steps.training),
    corners=({"n": 30, "p": 30}, {"n": 30, "p": 29}, {"n": 100_000_001, "p": 100_000_000}),
)

squared_norm = ClosedForm(
    expr=two_sided(norm_below(n, p, sigma2, r2), norm_above(n, p, sigma2, r2)),
    space=Space([N, P, SIGMA2, R2], [TWO_SIDED]),
    quantity="squared norm of the estimate",
    conventions=CONVENTIONS,
    derivation=Derivation(BELKIN, lambda: [*steps.below(), *steps.above(), *steps.norm()]),
    corners=CORNERS,
)

correlated_excess_risk = ClosedForm(
    expr=excess_below(n, p, sigma2),
    space=Space([N, replace(P, default=20), SIGMA2, R2, SPREAD], [BELOW]),
    quantity="covariance-weighted excess risk",
    conventions={**CONVENTIONS, "weight": "error vector weighted by the features' covariance: fresh features"},
    derivation=Derivation(BREIMAN, lambda: [*steps.below(), *steps.correlated()]),
    corners=tuple(c for c in CORNERS if c["p"] < c["n"]),
)


class PowerSum(Computed):
    r"""$\sum_{i=l}^{h} i^{-s}$ for integers l and h; zero when h < l.

    A class of its own because SymPy evaluates such a sum neither to 50 digits nor within minutes.
    """

    nargs = 3

    @classmethod
    def eval(cls, low: sp.Expr, high: sp.Expr, power: sp.Expr) -> sp.Expr | None:
        """Zero when the range is visibly empty."""
        return sp.S.Zero if (low - high).is_positive else None

    @staticmethod
    def to_digits(low: Any, high: Any, power: Any) -> Any:
        """The sum to mpmath's working precision, term by term."""
        return mpmath.fsum(mpmath.power(i, -power) for i in range(int(low), int(high) + 1))

    def _latex(self, printer: Any) -> str:
        low, high, power = (printer._print(a) for a in self.args)
        return rf"\sum_{{i={low}}}^{{{high}}} i^{{-{power}}}"


_all = PowerSum(1, D.symbol, 2 * decay)
SEEN = r2 * PowerSum(1, p, 2 * decay) / _all
UNSEEN = r2 * PowerSum(p + 1, D.symbol, 2 * decay) / _all
MEAN_SEEN, MEAN_UNSEEN = r2 * p / D.symbol, r2 * (D.symbol - p) / D.symbol


def power_law_shares(p: np.ndarray, D: np.ndarray, decay: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares of the squared norm of D coefficients i^-decay that the first p have, and that the others have."""
    p, D, decay = np.broadcast_arrays(p, D, decay)
    seen, unseen = np.empty(p.shape), np.empty(p.shape)
    for total, exponent in {*zip(D.flat, decay.flat)}:
        squares = np.arange(1.0, total + 1.0) ** (-2.0 * exponent)
        # The unseen share is summed from the far end: as a difference it would lose digits near p = D.
        head = np.concatenate([[0.0], np.cumsum(squares)])
        tail = np.concatenate([np.cumsum(squares[::-1])[::-1], [0.0]])
        here = (total == D) & (exponent == decay)
        index = p[here].astype(int)
        seen[here], unseen[here] = head[index] / head[-1], tail[index] / tail[0]
    return seen, unseen


def _first_features_numeric(
    n: np.ndarray, p: np.ndarray, D: np.ndarray, decay: np.ndarray, sigma2: np.ndarray, r2: np.ndarray
) -> np.ndarray:
    """The test error with the sums over features accumulated once for each (D, decay)."""
    seen, unseen = power_law_shares(p, D, decay)
    noise = r2 * unseen + sigma2
    above = p > n
    return np.asarray(
        np.where(
            above,
            r2 * seen * (p - n) / p + noise * (p - 1) / np.where(above, p - n - 1, 1),
            noise * (n - 1) / np.where(above, 1, n - p - 1),
        )
    )


_HIDDEN = Space([N, P, D, DECAY, SIGMA2, R2], [TWO_SIDED, FITTED])
_HIDDEN_CONVENTIONS = {
    "error": CONVENTIONS["error"],
    "test error": "label noise included",
    "mean": CONVENTIONS["mean"],
}

first_features_test_error = ClosedForm(
    expr=two_sided(hidden_below(n, p, UNSEEN + sigma2), hidden_above(n, p, SEEN, UNSEEN + sigma2)),
    space=_HIDDEN,
    quantity="test error",
    conventions={**_HIDDEN_CONVENTIONS, "features": "the first p of D, coefficients proportional to i^-decay"},
    derivation=Derivation(BELKIN, lambda: [*steps.hidden(), *steps.power_law(PowerSum)]),
    numeric=_first_features_numeric,
    corners=(
        {"n": 30, "p": 150, "sigma2": 0.0},
        {"n": 30, "p": 149, "decay": 4.0, "sigma2": 0.0},
        {"n": 30, "p": 28, "decay": 4.0, "sigma2": 0.0},
        {"n": 30, "p": 32, "decay": -4.0},
        {"n": 300, "p": 5000, "D": 10_000, "decay": 0.0},
    ),
)

random_features_test_error = ClosedForm(
    expr=two_sided(hidden_below(n, p, MEAN_UNSEEN + sigma2), hidden_above(n, p, MEAN_SEEN, MEAN_UNSEEN + sigma2)),
    space=Space([N, P, D, SIGMA2, R2], [TWO_SIDED, FITTED]),
    quantity="test error",
    conventions={**_HIDDEN_CONVENTIONS, "features": "p of D, drawn uniformly for each training set"},
    derivation=Derivation(
        "Belkin, Hsu, Xu, arXiv:1903.07571v2, section 2, Corollary 1", lambda: [*steps.hidden(), *steps.random_subset()]
    ),
    corners=({"n": 30, "p": 150, "sigma2": 0.0}, {"n": 30, "p": 28}, {"n": 30, "p": 32, "sigma2": 0.0}),
)

limiting_excess_risk = ClosedForm(
    expr=sp.Piecewise((steps.limit_below(gamma, sigma2), gamma < 1), (steps.limit_above(gamma, sigma2, r2), True)),
    space=Space(
        [GAMMA, SIGMA2, R2],
        [Constraint(sp.Ne(gamma, 1), "the limiting risk is infinite at the interpolation threshold gamma = 1")],
    ),
    quantity="limiting excess risk",
    conventions={**CONVENTIONS, "ratio": "gamma = p/n, features per sample", "limit": "n, p to infinity, p/n fixed"},
    derivation=Derivation(HASTIE, steps.limits),
    corners=({"gamma": 1 - 2.0**-40}, {"gamma": 1 + 2.0**-40}, {"gamma": 1e-9}, {"gamma": 1e9}),
)

best_ratio = ClosedForm(
    expr=steps.best_ratio(snr),
    space=Space([SNR]),
    quantity="features per sample at the smallest risk of interpolation",
    conventions={"ratio": "gamma = p/n, features per sample", "snr": "r2 / sigma2"},
    derivation=Derivation(HASTIE, steps.null_comparison),
    corners=({"snr": 1 + 2.0**-40}, {"snr": 1e12}),
)

best_risk = ClosedForm(
    expr=steps.best_risk(snr, sigma2),
    space=Space([SNR, SIGMA2]),
    quantity="smallest limiting excess risk of interpolation",
    conventions={**CONVENTIONS, "snr": "r2 / sigma2"},
    derivation=Derivation(HASTIE, steps.null_comparison),
    corners=({"snr": 1 + 2.0**-40}, {"snr": 1e12}),
)
