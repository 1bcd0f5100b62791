r"""Adversarial comp-sum losses: the rho-margin loss, its smooth upper bound, and the loss that is only maximised.

Model: perturbations $|x' - x|_p \le g$; scores $h(x', \cdot) \in R^n$; $\Phi_\rho(u) = \min(1, \max(0, 1 - u/\rho))$.

- adversarial zero-one loss: 1 where some $x'$ has $\min_{y' \ne y} (h_y - h_{y'})(x') \le 0$ (a tie is an error);
- rho-margin loss $\tilde\ell = \sup_{x'} \Phi^\tau(\sum_{y' \ne y} \Phi_\rho((h_y - h_{y'})(x')))$;
- smooth loss $\Phi^\tau(\sum_{y' \ne y} e^{-(h_y - h_{y'})(x)/\rho}) + \nu \sup_{x'} |\Delta(x') - \Delta(x)|_2$
  with $\Delta = (h_y - h_{y'})_{y' \ne y}$.

Hypotheses: symmetric and locally rho-consistent (at every x some h keeps all gaps at rho or more over the ball, in any
order of the classes). Results, with ranked posteriors $p_{(1)} \ge p_{(2)} \ge \dots$:

- $C^*_{\tilde\ell} = \sum_k p_{(k)} \Phi^\tau(k-1)$; adversarial zero-one: $1 - p_{(1)}$;
- $\Phi^\tau(1)\,(R_g(h) - R^*_g + M_g) \le R_{\tilde\ell}(h) - R^*_{\tilde\ell} + M_{\tilde\ell}$, tight;
- the smooth loss is at least $\tilde\ell$ when $\nu \ge \sqrt{n-1}/\rho$ (published); for $\tau \le 2$ just when
  $\nu \ge \max_{1 \le k < n} \sqrt k (1+k)^{-\tau}/\rho$ (ours: $1/(2\rho)$ for cross-entropy, for every n);
- linear scores: $\sup |\Delta(x') - \Delta(x)|_2 = g\,\sigma_{\max}(D)$ for p = 2, D the rows $w_y - w_{y'}$; the
  least margin is $\min_{y'} (D_{y'} \cdot x - g |D_{y'}|_q)$, $1/p + 1/q = 1$;
- the comp-sum loss maximised over the ball alone is not consistent: for two classes its sharp transform is
  $T_\tau((2\beta - 1)_+)$, which is zero up to $\beta = 1/2$ (ours).

Source: A. Mao, M. Mohri, Y. Zhong, "Cross-entropy loss functions: theoretical analysis and applications",
arXiv:2304.07288v2, section 5 (adversarial losses).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation
from theorylab.derivations.surrogate_losses import comp_sum_adversarial_steps as steps
from theorylab.derivations.surrogate_losses import comp_sum_loss as loss
from theorylab.derivations.surrogate_losses import comp_sum_numerics as numerics
from theorylab.derivations.surrogate_losses.comp_sum_common import (
    BETA,
    CONVENTIONS,
    MAO,
    TAU,
    TAU_BELOW_TWO,
    P,
    beta,
    tau,
)
from theorylab.derivations.surrogate_losses.comp_sum_conditional_risk import check_distribution
from theorylab.derivations.surrogate_losses.comp_sum_h_consistency_steps import CROSS_ENTROPY, power_transform
from theorylab.errors import DomainError
from theorylab.parameters import Integers, Interval, Observed, Parameter, Space
from theorylab.prediction import ClosedForm, Numerical

Array = np.ndarray
SOURCE = f"{MAO}, section 5"
OURS = "this catalogue (no published source)"
ADVERSARIAL = {
    **CONVENTIONS,
    "ties": "a margin of 0 somewhere in the ball is an error",
    "beta": "adversarial zero-one regret against the pointwise best scores",
    "rho-margin loss": "summed over the n - 1 wrong labels inside Phi^tau",
}
# Every order of the classes is tried in simulations.
CLASSES = Parameter("n", Integers(2, 5), "number of classes", default=3)
RHO = Parameter("rho", Interval(0.0, open_low=True), "score gap from which the rho-margin loss is 0", default=0.5)
RADIUS = Parameter("radius", Interval(0.0), "radius g of the perturbations", default=0.1)
NU = Parameter("nu", Interval(0.0), "weight of the variation in the smooth loss", default=1.0)
VARIATION = Parameter("variation", Interval(0.0), "largest change of the score differences in the ball", default=0.1)
TAU_UP_TO_TWO = Parameter("tau", Interval(0.0, 2.0), TAU.meaning, default=1.0)
INVERSE_NORM = Parameter("inverse_norm", Interval(0.0, 1.0), "1/p of the perturbations' norm; 0 for p infinite", 0.5)
SCORERS = Parameter("scorers", Observed("slopes of the n linear scores"), "slopes w_y")
BIASES = Parameter("biases", Observed("biases of the n linear scores"), "biases b_y")
INPUT = Parameter("x", Observed("the input"), "input x")

n, rho, variation = (parameter.symbol for parameter in (CLASSES, RHO, VARIATION))
AT_ONE = loss.PHI.xreplace({loss.u: sp.S.One})
CORNERS = (0.0, 1.0 - 1e-9, 1.0, 1.0 + 1e-12, 1.5, 2.0)


def _ranked(tau: Any, p: Any) -> tuple[Array, Array]:
    p = np.sort(check_distribution(p), axis=-1)[..., ::-1]
    value = (p * numerics.comp_sum(np.asarray(tau)[..., None], np.arange(p.shape[-1]))).sum(axis=-1)
    return value, 1e-14 * (1.0 + value)


infimum = Numerical(
    function=_ranked,
    formula=r"\sum_{k=1}^n p_{(k)} \Phi^\tau(k-1)",
    space=Space([TAU, P]),
    quantity="infimum of the conditional risk of the adversarial rho-margin loss",
    conventions=ADVERSARIAL,
    derivation=Derivation(SOURCE, steps.ranking),
)

zero_one_infimum = Numerical(
    function=lambda p: (1.0 - check_distribution(p).max(axis=-1), np.full(np.shape(p)[:-1], 1e-15)),
    formula=r"1 - p_{(1)}",
    space=Space([P]),
    quantity="infimum of the conditional adversarial zero-one risk",
    conventions=ADVERSARIAL,
    derivation=Derivation(SOURCE, steps.ranking),
)

regret_bound = ClosedForm(
    expr=AT_ONE * beta,
    numeric=lambda tau, beta: numerics.comp_sum(tau, 1.0) * beta,
    space=Space([TAU, BETA]),
    quantity="least surrogate regret at an adversarial zero-one regret",
    conventions=ADVERSARIAL,
    derivation=Derivation(SOURCE, lambda: [*steps.ranking(), *steps.regret()]),
    corners=tuple({"tau": x, "beta": y} for x in (*CORNERS, 10.0) for y in (0.0, 1e-12, 0.5, 1.0)),
)

smoothing = ClosedForm(
    expr=sp.sqrt(n - 1) / rho * variation,
    space=Space([CLASSES, RHO, VARIATION]),
    quantity="published bound on the rise of the rho-margin loss above the smooth one",
    conventions=ADVERSARIAL,
    derivation=Derivation(SOURCE, steps.smoothing),
)


def worst_count(tau: Any, n: Any) -> Array:
    """The number k < n of score differences that maximises sqrt(k) (1 + k)^-tau: at 1/(2 tau - 1) but for rounding."""
    tau, most = np.broadcast_arrays(np.asarray(tau, dtype=float), np.asarray(n, dtype=float) - 1.0)
    peak = np.where(2.0 * tau > 1.0, 1.0 / np.where(2.0 * tau > 1.0, 2.0 * tau - 1.0, 1.0), np.inf)
    low = np.clip(np.floor(np.minimum(peak, most)), 1.0, most)
    high = np.minimum(low + 1.0, most)
    better = np.sqrt(low) * (1.0 + low) ** -tau >= np.sqrt(high) * (1.0 + high) ** -tau
    return np.asarray(np.where(better, low, high))


def _least_smoothing(tau: Any, n: Any, rho: Any, variation: Any) -> tuple[Array, Array]:
    k = worst_count(tau, n)
    value = np.sqrt(k) * (1.0 + k) ** -np.asarray(tau) / rho * variation
    return value, 1e-14 * value


least_smoothing = Numerical(
    function=_least_smoothing,
    formula=r"\max_{1 \le k < n} \frac{\sqrt k}{(1+k)^\tau} \frac{\mathrm{variation}}{\rho}",
    space=Space([TAU_UP_TO_TWO, CLASSES, RHO, VARIATION]),
    quantity="largest rise of the rho-margin loss above the smooth one",
    conventions=ADVERSARIAL,
    derivation=Derivation(OURS, steps.smoothing),
)


def differences(scorers: Any) -> Array:
    """Rows w_0 - w_y, y > 0, of slopes float[..., n, d]."""
    w = np.asarray(scorers, dtype=float)
    if w.ndim < 2 or w.shape[-2] < 2:
        raise DomainError(f"slopes of shape {w.shape}: two classes or more are needed, a row for each")
    return np.asarray(w[..., :1, :] - w[..., 1:, :])


def _variation(scorers: Any, radius: Any) -> tuple[Array, Array]:
    value = radius * np.linalg.norm(differences(scorers), 2, axis=(-2, -1))
    return value, 1e-14 * value


linear_variation = Numerical(
    function=_variation,
    formula=r"g\, \sigma_{\max}(D)",
    space=Space([SCORERS, RADIUS]),
    quantity="largest change of the score differences of class 0 in the ball",
    conventions={**ADVERSARIAL, "norm": "perturbations in the 2-norm"},
    derivation=Derivation(SOURCE, steps.linear),
)


def dual_norm(v: Array, inverse_norm: float) -> Array:
    """|v|_q over the last axis, 1/p + 1/q = 1."""
    other = 1.0 - float(inverse_norm)
    return np.asarray(np.linalg.norm(v, np.inf if other == 0.0 else 1.0 / other, axis=-1))


def _margin(scorers: Any, biases: Any, x: Any, radius: Any, inverse_norm: Any) -> tuple[Array, Array]:
    rows, b = differences(scorers), np.asarray(biases, dtype=float)
    at = (rows * np.asarray(x)[..., None, :]).sum(axis=-1) + b[..., :1] - b[..., 1:]
    value = (at - radius * dual_norm(rows, inverse_norm)).min(axis=-1)
    return value, 1e-13 * (1.0 + np.abs(value))


linear_margin = Numerical(
    function=_margin,
    formula=r"\min_{y'} (D_{y'} \cdot x + b_0 - b_{y'} - g |D_{y'}|_q)",
    space=Space([SCORERS, BIASES, INPUT, RADIUS, INVERSE_NORM]),
    quantity="least margin of class 0 in the ball",
    conventions=ADVERSARIAL,
    derivation=Derivation(f"{SOURCE}; Hölder's inequality", steps.linear),
)


def _two_class(
    tau: Any, rho: Any, scorers: Any, biases: Any, x: Any, radius: Any, inverse_norm: Any
) -> tuple[Array, Array]:
    margin = _margin(scorers, biases, x, radius, inverse_norm)[0]
    value = numerics.comp_sum(tau, np.clip(1.0 - margin / rho, 0.0, 1.0))
    return value, 1e-13 * (1.0 + value)


linear_loss = Numerical(
    function=_two_class,
    formula=r"\Phi^\tau(\Phi_\rho(D \cdot x + b_0 - b_1 - g |D|_q))",
    space=Space([TAU, RHO, SCORERS, BIASES, INPUT, RADIUS, INVERSE_NORM]),
    quantity="adversarial rho-margin loss of class 0 of two",
    conventions=ADVERSARIAL,
    derivation=Derivation(f"{SOURCE}; monotone in the margin", steps.linear),
)

_beyond = sp.Max(0, 2 * beta - 1)
maximised_transform = ClosedForm(
    expr=sp.Piecewise(
        (CROSS_ENTROPY.xreplace({beta: _beyond}), sp.Eq(tau, 1)),
        (power_transform(2).xreplace({beta: _beyond}), True),
    ),
    numeric=lambda tau, beta: numerics.power_transform(tau, np.maximum(0.0, 2.0 * beta - 1.0), 2.0),
    space=Space([TAU_BELOW_TWO, BETA]),
    quantity="least regret of the comp-sum loss maximised over the ball, two classes",
    conventions=ADVERSARIAL,
    derivation=Derivation(OURS, steps.naive),
    corners=tuple(
        {"tau": x, "beta": y} for x in (0.0, 0.5, 1.0 - 1e-9, 1.0, 1.5, 1.9) for y in (0.0, 0.25, 0.5, 0.75, 1.0)
    ),
)
