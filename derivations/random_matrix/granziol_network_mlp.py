r"""Batch Hessians of a small network whose per-sample Hessians are all known: nothing is fitted and nothing idealised.

Model
    h_n, n = 1..N, are the Hessians of the loss at the samples, H their mean, lambda_1 > lambda_2 >= ... its eigenvalues
    with eigenvectors v_j; H_B is the mean over a batch of B drawn without replacement, 1/b = 1/B - 1/N, E = H_B - H.
Result
    E|E|_F^2 = S2/b exactly, S2 = sum |h_n - H|_F^2/(N - 1), and of the largest eigenvalue
    E lambda_1(B) = lambda_1 + S_1/b + f_3 C_3 + C_4/b^2 + ..., with D_n = h_n - H in the eigenbasis, g_j = lambda_1 -
    lambda_j: S_1 = sum_j (1/(N-1)) sum_n D_1j^2/g_j, f_3 = (N-B)(N-2B)/(B^2 (N-1)(N-2)),
    C_3 = (1/N) sum_n [sum_jk D_1j D_jk D_k1/(g_j g_k) - D_11 sum_j D_1j^2/g_j^2], C_4 the fourth order of
    Rayleigh-Schroedinger perturbation theory averaged over Gaussian E of the samples' covariance. So the relative error
    of S_1/b alone is O(1/B) and tends to -C_3/(S_1 N), not to zero, as B -> N. Likewise for the smallest eigenvalue.
    Var lambda_1(B) = (1/b)(1/(N-1)) sum_n D_11^2, and E <v_1, v_1'>^2 = 1 - (1/b) sum_j (1/(N-1)) sum_n D_1j^2/g_j^2.
    The GOE idealisation, P sigma_eps^2/(b lambda_1) with sigma_eps^2 = S2/(P(P+1)), has the right 1/b but is several
    times too small: the noise is concentrated in the columns of the outlier.
Assumptions
    An isolated eigenvalue: the noise is small against its gap.
Source
    Granziol, Zohren and Roberts, JMLR 23 (2022), arXiv:2006.09092v6, for the additive-noise form; finite populations:
    Cochran, Sampling Techniques (1977), chapter 2; perturbation theory: Kato, Perturbation Theory (1966), II 2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from theorylab.derivation import Derivation
from theorylab.derivations.random_matrix import granziol_network_mlp_steps as steps
from theorylab.derivations.random_matrix.granziol_network_mlp_hessians import Summary, summaries
from theorylab.parameters import Constraint, Integers, Interval, Parameter, Space
from theorylab.prediction import Numerical

NETWORK = Parameter("network", Integers(0, 10**6), "number of the network: the seed of its weights and data", default=0)
INPUTS = Parameter("d", Integers(2, 50), "inputs, the first of them constant", default=3)
HIDDEN = Parameter("h", Integers(1, 50), "hidden units", default=3)
DATA = Parameter("N", Integers(4, 10**5), "number of samples", default=100)
FRACTION = Parameter(
    "t", Interval(0, 1, open_low=True), "part of the data set in a batch: B is t N, rounded", default=0.5
)
TRAINING = Parameter("steps", Integers(0, 10**5), "steps of full-batch gradient descent at rate 0.2", default=1000)
N, t = DATA.symbol, FRACTION.symbol

CONVENTIONS = {
    "loss": "(f - y)^2/2 of a sample, averaged over the batch",
    "batch": "without replacement; 1/b = 1/B - 1/N",
    "norm": "Frobenius norm of the whole P x P matrix",
    "overlap": "squared inner product of unit vectors",
}
_SPACE = Space(
    [NETWORK, INPUTS, HIDDEN, DATA, FRACTION, TRAINING],
    [
        Constraint(t * N >= 1, "a batch of less than one sample"),
        Constraint(N >= 3, "third moments need three samples"),
    ],
)


def inverse_b(B: float, N: float) -> float:
    """1/b = 1/B - 1/N."""
    return (N - B) / (B * N)


def third_moment(B: float, N: float) -> float:
    """f_3: the third moment of a mean drawn without replacement, in units of the population's."""
    return (N - B) * (N - 2.0 * B) / (B * B * (N - 1.0) * (N - 2.0))


def _of(formula: Callable[[Summary, float, float], float]) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """A formula of the constants, B and N at all points of broadcast arrays; its error is rounding, measured."""

    def function(*, network: Any, d: Any, h: Any, N: Any, t: Any, steps: Any) -> tuple[np.ndarray, np.ndarray]:
        columns = np.broadcast_arrays(network, d, h, N, t, steps)
        value, error = np.empty(columns[0].shape), np.empty(columns[0].shape)
        for i in np.ndindex(value.shape):
            at = [c[i] for c in columns]
            size, batch = float(at[3]), float(round(float(at[4]) * float(at[3])))
            known, again = summaries(*(int(at[k]) for k in (0, 1, 2, 3, 5)))
            value[i] = formula(known, batch, size)
            error[i] = abs(value[i] - formula(again, batch, size)) + 1e-13 * abs(value[i])
        return value, error

    return function


def next_orders(known: Summary, B: float, N: float) -> float:
    """f_3 C_3 + C_4/b^2 of the largest eigenvalue."""
    return third_moment(B, N) * known.top.c3 + inverse_b(B, N) ** 2 * known.top.c4


def idealised(known: Summary, B: float, N: float) -> float:
    """Shift of the largest eigenvalue under GOE noise of the same norm."""
    return known.norm / (known.parameters + 1) * inverse_b(B, N) / known.top.eigenvalue


def _numerical(formula: Callable[[Summary, float, float], float], quantity: str, latex: str, *parts: Any) -> Numerical:
    return Numerical(
        function=_of(formula),
        space=_SPACE,
        quantity=quantity,
        formula=latex,
        conventions=CONVENTIONS,
        derivation=Derivation(steps.SOURCE, lambda: [step for part in parts for step in part()]),
    )


_SAMPLED = (steps.hessian_steps, steps.population_steps)
_PERTURBED = (*_SAMPLED, steps.perturbation_steps)
NORM = _numerical(lambda s, B, N: s.norm * inverse_b(B, N), "mean squared norm of the batch noise", r"S_2/b", *_SAMPLED)
SECOND = _numerical(
    lambda s, B, N: s.top.s1 * inverse_b(B, N),
    "mean shift of the largest eigenvalue, second order",
    r"S_1/b,\quad S_1 = \sum_{j > 1} \frac{1}{N - 1} \sum_n \frac{(v_j^T h_n v_1)^2}{\lambda_1 - \lambda_j}",
    *_PERTURBED,
)
THIRD = _numerical(
    lambda s, B, N: s.top.c3 * third_moment(B, N),
    "mean shift of the largest eigenvalue, third order",
    r"f_3 C_3",
    *_PERTURBED,
)
SHIFT = _numerical(
    lambda s, B, N: s.top.s1 * inverse_b(B, N) + next_orders(s, B, N),
    "mean shift of the largest eigenvalue",
    r"S_1/b + f_3 C_3 + C_4/b^2",
    *_PERTURBED,
    steps.pairing_steps,
)
EXCESS = _numerical(
    lambda s, B, N: N**2 * next_orders(s, B, N),
    "N^2 times the shift beyond its second order",
    r"N^2 (f_3 C_3 + C_4/b^2)",
    *_PERTURBED,
    steps.pairing_steps,
)
LOW_SHIFT = _numerical(
    lambda s, B, N: s.low.s1 * inverse_b(B, N),
    "mean shift of the smallest eigenvalue, second order",
    r"S_P/b",
    *_PERTURBED,
)
TURNED = _numerical(
    lambda s, B, N: s.top.turned * inverse_b(B, N),
    "1 minus the mean squared overlap of top eigenvectors",
    r"\frac1b \sum_{j > 1} \frac{1}{N - 1} \sum_n \frac{(v_j^T h_n v_1)^2}{(\lambda_1 - \lambda_j)^2}",
    *_PERTURBED,
    steps.overlap_steps,
)
VARIANCE = _numerical(
    lambda s, B, N: s.top.variance * inverse_b(B, N),
    "variance of the largest eigenvalue",
    r"\frac1b \frac{1}{N - 1} \sum_n (v_1^T h_n v_1 - \lambda_1)^2",
    *_PERTURBED,
)
GOE_SHIFT = _numerical(
    idealised,
    "mean shift of the largest eigenvalue, GOE noise of the same norm",
    r"\frac{P \sigma_\epsilon^2}{b \lambda_1},\quad \sigma_\epsilon^2 = \frac{S_2}{P (P + 1)}",
    *_SAMPLED,
    steps.idealised_steps,
)
COLUMN_SHIFT = _numerical(
    lambda s, B, N: s.column * inverse_b(B, N) / s.top.eigenvalue,
    "mean shift of the largest eigenvalue, variance of its own column",
    r"\frac{P \sigma_1^2}{b \lambda_1},\quad \sigma_1^2 = \frac{1}{(N - 1) P} \sum_n |(h_n - H) v_1|^2",
    *_SAMPLED,
    steps.idealised_steps,
)
