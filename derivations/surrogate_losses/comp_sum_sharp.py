r"""Sharp transforms of comp-sum losses for tau > 1, where the published ones are loose for n > 2.

Model and notation as in `comp_sum_h_consistency`; a transform is sharp when the infimum of the surrogate regret
over label distributions, scores (and mixtures of them) at zero-one regret beta is T(beta). Results:

- least regret of predicting class i at p, $\tau < 2$: $C^*_\tau(\tilde p) - C^*_\tau(p)$, where $\tilde p$ pools
  $p_i$ with the classes of larger probability (pool adjacent violators); for $\tau \ge 2$,
  $(\max p - \max_k k^{1-\tau}(p_i + \text{the } k - 1 \text{ largest others}))/(\tau - 1)$;
- $1 < \tau \le \tau_c$: the binary transform $(m_a(\beta) - 1)/((\tau-1) 2^{\tau-1})$ for every n, larger than the
  published one by $(n/2)^{\tau-1}$ (found by search, no proof for n > 2). $\tau_c = 1.66298...$ is where three
  pooled classes, $p = (b, 1-b, 0)$ with the third predicted, first do as well;
- $\tau \ge 2$ (theorem): the lower convex hull of (0, 0) and $(1/k, r_k/(k(\tau-1)))$, k = 1..n-1, with
  $r_k = 1 - \max_{2 \le j \le k+1} (j-1) j^{1-\tau}$. At $\tau = 2$ (mean absolute error) piecewise linear through
  $(1/k, 1/(k(k+1)))$; from $\tau = 1 + \log 2/\log 1.5$ on, $\beta (1 - 2^{1-\tau})/(\tau-1)$ for every n.

The published transforms: A. Mao, M. Mohri, Y. Zhong, arXiv:2304.07288v2, section 3. Pooling: R. Barlow,
D. Bartholomew, J. Bremner, H. Brunk, "Statistical inference under order restrictions", 1972. The sharp forms are
ours.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import mpmath
import numpy as np
import sympy as sp

from theorylab.derivation import Derivation
from theorylab.derivations.surrogate_losses import comp_sum_h_consistency_steps as published_steps
from theorylab.derivations.surrogate_losses import comp_sum_numerics as numerics
from theorylab.derivations.surrogate_losses import comp_sum_sharp_steps as steps
from theorylab.derivations.surrogate_losses.comp_sum_common import (
    BETA,
    REGRET,
    TAU,
    TAU_ABOVE_TWO,
    TAU_BELOW_TWO,
    N,
    P,
    beta,
    n,
    t,
    tau,
)
from theorylab.derivations.surrogate_losses.comp_sum_conditional_risk import (
    LABEL,
    check_distribution,
    check_labels,
    infimum,
)
from theorylab.derivations.surrogate_losses.comp_sum_h_consistency import REGRETS
from theorylab.parameters import Integers, Interval, Parameter, Space
from theorylab.prediction import ClosedForm, Numerical, PredictionError

OURS = "this catalogue (no published source)"
K = Parameter("k", Integers(2, 50), "classes that share the label mass in the competitor", default=2)
N_HULL = Parameter("n", Integers(2, 100_000), N.meaning, default=3)
TAU_STEEP = Parameter("tau", Interval(float(steps.STEEP), 10.0), TAU.meaning, default=3.0)
TAU_TO_TWO = Parameter("tau", Interval(1.0, 2.0, open_low=True, open_high=True), TAU.meaning, default=1.8)
HULL = Derivation(OURS, lambda: [*steps.pooling()[-1:], *steps.hull()])

binary_transform = ClosedForm(
    expr=sp.Piecewise((published_steps.CROSS_ENTROPY, sp.Eq(tau, 1)), (published_steps.power_transform(2), True)),
    numeric=lambda tau, beta: numerics.power_transform(tau, beta, 2.0),
    space=Space([TAU_BELOW_TWO, BETA]),
    quantity="two-class transform T_tau(beta)",
    conventions=REGRETS,
    derivation=Derivation("arXiv:2304.07288v2, section 3, at n = 2", published_steps.two_classes),
    corners=tuple(
        {"tau": x, "beta": y}
        for x in (0.0, 1.0 - 1e-9, 1.0, 1.0 + 1e-12, 1.5, 1.99, 2.0 - 1e-6)
        for y in (0.0, 1e-12, 1e-4, 0.3, 1.0 - 2.0**-50, 1.0)
    ),
)


def _pooled_regret(tau: Any, p: Any, label: Any, pool: str = "violators") -> tuple[np.ndarray, np.ndarray]:
    """Least regret of predicting `label`; `pool` = "pair" or "all" are wrong ways to pool, for mutants."""
    p = check_distribution(p)
    label = check_labels(label, p.shape[-1])[..., None]
    own = np.take_along_axis(p, label, axis=-1)
    order = np.argsort(np.where(np.arange(p.shape[-1]) == label, -1.0, p), axis=-1)[..., :0:-1]
    ordered = np.concatenate([own, np.take_along_axis(p, order, axis=-1)], axis=-1)
    counts = np.arange(1, p.shape[-1] + 1)
    sums = np.cumsum(ordered, axis=-1)
    sizes = {"pair": 2, "all": p.shape[-1]}
    if tau >= 2.0:
        reached = counts ** (1.0 - tau) * sums
        best = reached.max(axis=-1) if pool not in sizes else reached[..., sizes[pool] - 1]
        return (p.max(axis=-1) - best) / (tau - 1.0), np.full(p.shape[:-1], 1e-14)
    # The running mean over the pool grows while the next class is larger: the pool ends at its maximum.
    means = sums / counts
    last = means.argmax(axis=-1)[..., None] if pool not in sizes else np.full((*p.shape[:-1], 1), sizes[pool] - 1)
    pooled = np.where(counts <= last + 1, np.take_along_axis(means, last, axis=-1), ordered)
    value = infimum.evaluate(tau=tau, p=pooled).value - infimum.evaluate(tau=tau, p=p).value
    return value, np.full(value.shape, 1e-13)


def pooled_regret_variant(pool: str) -> Numerical:
    """The pooled regret with another rule of pooling: "pair" or "all"."""
    return replace(pooled_regret, function=partial(_pooled_regret, pool=pool))


pooled_regret = Numerical(
    function=_pooled_regret,
    formula=r"C^*_\tau(\tilde p) - C^*_\tau(p)\ (\tau < 2),\quad "
    r"\frac{\max p - \max_k k^{1-\tau}(p_i + p_{(1)} + \cdots + p_{(k-1)})}{\tau-1}\ (\tau \ge 2)",
    space=Space([TAU, P, LABEL]),
    quantity="least conditional surrogate regret of predicting a class",
    conventions=REGRETS,
    derivation=Derivation("pool adjacent violators; vertices of the tied simplex", steps.pooling),
)


@lru_cache(maxsize=64)
def _critical(k: int) -> tuple[float, float, float]:
    """Critical tau, the competitor's b, and a bound on the error of tau."""
    gap = steps.competitor(sp.Integer(k))
    coarse = sp.lambdify((tau, steps.b), gap, "numpy")
    value = sp.lambdify((tau, steps.b), gap, "mpmath")
    slope = sp.lambdify((tau, steps.b), sp.diff(gap, steps.b), "mpmath")
    grid = np.linspace(1.0 / k, 0.99, 50)
    # Where the competitor first beats the binary instance, coarsely; then both equations by Newton's method.
    for start in np.linspace(1.5, 1.98, 97):
        gaps = coarse(start, grid)
        if np.min(gaps) < 0:
            break
    else:
        raise PredictionError(f"no critical tau below 1.98 with k = {k}")
    with mpmath.workdps(30):
        guess = (mpmath.mpf(start), mpmath.mpf(grid[int(np.argmin(gaps))]))
        root = mpmath.findroot(lambda x, y: (value(x, y), slope(x, y)), guess)
        residual = abs(value(*root)) / abs(mpmath.diff(lambda x: value(x, root[1]), root[0]))
    return float(root[0]), float(root[1]), float(residual) + 1e-15


def _critical_tau(k: Any) -> tuple[np.ndarray, np.ndarray]:
    found = np.array([_critical(int(x)) for x in np.ravel(k)]).reshape(*np.shape(k), 3)
    return found[..., 0], found[..., 2]


critical_tau = Numerical(
    function=_critical_tau,
    formula=r"\tau: \min_b \left\{ (b^a + (k-1)^{1-a} (1-b)^a)^{1/a} - (k+1)^{1-\tau}"
    r" - 2^{1-\tau} (m_a(b) - 1) \right\} = 0",
    space=Space([K]),
    quantity="tau from which k + 1 pooled classes beat two",
    conventions=REGRETS,
    derivation=Derivation(OURS, steps.criticality),
)


@lru_cache(maxsize=64)
def _least_ratio(tau_value: float, classes: int) -> tuple[float, float]:
    """Least ratio of competitors' regrets to that of two classes, over b and 2 <= k < n, and what halving b's steps
    changes."""
    a_value = 1.0 / (2.0 - tau_value)

    def least(steps_of_b: int) -> float:
        best = 1.0
        for k in range(2, min(classes, 50)):
            b = np.linspace(1.0 / k, 1.0, steps_of_b)[1:]
            power = b**a_value + (k - 1.0) ** (1.0 - a_value) * (1.0 - b) ** a_value
            regret = (power ** (2.0 - tau_value) - (k + 1.0) ** (1.0 - tau_value)) / (tau_value - 1.0)
            best = min(best, float(np.min(regret / numerics.power_transform(tau_value, b, 2.0))))
        return best

    fine = least(20_001)
    return fine, abs(fine - least(10_001)) + 1e-12


def _competitors(tau: Any, n: Any, beta: Any) -> tuple[np.ndarray, np.ndarray]:
    pairs = zip(np.ravel(tau), np.ravel(np.broadcast_to(n, np.shape(tau))))
    found = np.array([_least_ratio(float(x), int(m)) for x, m in pairs]).reshape(*np.shape(tau), 2)
    binary = numerics.power_transform(tau, beta, 2.0)
    return found[..., 0] * binary, found[..., 1] * binary


competitors_transform = Numerical(
    function=_competitors,
    formula=r"r\, T_\tau(\beta),\quad r = \min_{b,\, k < n} \frac{(b^a + (k-1)^{1-a} (1-b)^a)^{1/a} - (k+1)^{1-\tau}}"
    r"{2^{1-\tau} (m_a(b) - 1)}",
    space=Space([TAU_TO_TWO, N, BETA]),
    quantity="two-class transform lowered to touch the best pooled competitor",
    conventions=REGRETS,
    derivation=Derivation(OURS, steps.criticality),
)

mae_transform = ClosedForm(
    expr=sp.Piecewise(
        (beta / n, beta <= 1 / (n - 1)),
        (
            (2 * sp.ceiling(1 / beta) * beta - 1) / (sp.ceiling(1 / beta) * (sp.ceiling(1 / beta) + 1)),
            True,
        ),
    ),
    space=Space([N, BETA]),
    quantity="sharp transform of the mean absolute error",
    conventions=REGRETS,
    derivation=HULL,
    corners=tuple({"n": m, "beta": y} for m in (2, 3, 10, 10**6) for y in (0.0, 1e-9, 1 / 3, 0.5, 0.9, 1.0)),
)

# Number k of the edge 1/k <= beta <= 1/(k-1) on which the inverse lies.
_EDGE = sp.ceiling((sp.sqrt(1 + 4 / t) - 1) / 2)
mae_gamma = ClosedForm(
    expr=sp.Piecewise(
        (n * t, n * (n - 1) * t <= 1), (sp.S.One, 2 * t >= 1), ((_EDGE * (_EDGE + 1) * t + 1) / (2 * _EDGE), True)
    ),
    space=Space([N, REGRET]),
    quantity="sharp bound on the zero-one regret, mean absolute error",
    conventions=REGRETS,
    derivation=HULL,
    corners=tuple({"n": m, "t": y} for m in (2, 3, 10, 10**6) for y in (0.0, 1e-15, 1 / 12, 0.1, 0.5, 2.0)),
)

mae_gamma_any_n = ClosedForm(
    expr=(t + sp.sqrt(t**2 + 4 * t)) / 2,
    space=Space([REGRET]),
    quantity="bound on the zero-one regret for every n, mean absolute error",
    conventions=REGRETS,
    derivation=HULL,
)

_tau = TAU_STEEP.symbol
steep_transform = ClosedForm(
    expr=beta * (1 - 2 ** (1 - _tau)) / (_tau - 1),
    space=Space([TAU_STEEP, BETA]),
    quantity="sharp transform for tau >= 1 + log 2 / log 1.5",
    conventions=REGRETS,
    derivation=HULL,
)

_above = TAU_ABOVE_TWO.symbol
two_class_regret = ClosedForm(
    expr=sp.Min(beta, (1 + beta) / 2 - 2 ** (1 - _above)) / (_above - 1),
    space=Space([TAU_ABOVE_TWO, BETA]),
    quantity="least conditional regret of the less likely of two classes",
    conventions=REGRETS,
    derivation=Derivation(OURS, steps.pooling),
)


def hull_vertices(tau: float, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (beta, T) of the sharp transform for tau >= 2, from (0, 0), by increasing beta."""
    # Beyond the best j the rays lie on one line through the origin.
    best = n if tau == 2.0 else min(n, int(np.ceil((tau - 1.0) / (tau - 2.0))) + 1)
    j = np.arange(2, best + 1, dtype=float)
    r = -np.expm1(np.maximum.accumulate((2.0 - tau) * np.log(j) + np.log1p(-1.0 / j)))
    x = np.concatenate([[0.0], 1.0 / (j[::-1] - 1.0)])
    y = np.concatenate([[0.0], r[::-1] / (tau - 1.0)]) * x
    keep: list[int] = []
    for i in range(len(x)):
        while len(keep) > 1:
            u, v = keep[-2:]
            if (x[v] - x[u]) * (y[i] - y[u]) > (y[v] - y[u]) * (x[i] - x[u]) * (1.0 + 1e-15):
                break
            keep.pop()
        keep.append(i)
    return x[keep], y[keep]


def _along_hull(tau: Any, n: Any, at: Any, inverse: bool) -> tuple[np.ndarray, np.ndarray]:
    tau, n, at = np.broadcast_arrays(tau, n, at)
    out = np.empty(at.shape)
    for pair in {(float(x), int(m)) for x, m in zip(tau.flat, n.flat)}:
        here = (tau == pair[0]) & (n == pair[1])
        x, y = hull_vertices(*pair)
        out[here] = np.interp(at[here], y, x) if inverse else np.interp(at[here], x, y)
    return out, 1e-13 * out


hull_transform = Numerical(
    function=lambda tau, n, beta: _along_hull(tau, n, beta, inverse=False),
    formula=r"\mathrm{conv}\{(0, 0), (1/k, r_k/(k(\tau-1))): k < n\},\quad"
    r" r_k = 1 - \max_{2 \le j \le k+1} (j-1) j^{1-\tau}",
    space=Space([TAU_ABOVE_TWO, N_HULL, BETA]),
    quantity="sharp transform for tau >= 2",
    conventions=REGRETS,
    derivation=HULL,
)

hull_gamma = Numerical(
    function=lambda tau, n, t: _along_hull(tau, n, t, inverse=True),
    formula=r"\text{inverse of the hull; 1 beyond its largest value}",
    space=Space([TAU_ABOVE_TWO, N_HULL, REGRET]),
    quantity="sharp bound on the zero-one regret for tau >= 2",
    conventions=REGRETS,
    derivation=HULL,
)
