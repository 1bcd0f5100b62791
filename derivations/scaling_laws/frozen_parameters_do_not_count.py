r"""Frozen random parameters in the solvable model of scaling laws: when they do not count, and when they do.

Model
    That of `msr_random_feature_scaling` without a ridge (the solution of least norm) and without label noise, with a
    frozen bottleneck: features $V u x$, $u$ of H x M and $V$ of N x H, both Gaussian; only the N weights of the readout
    are trained. U is what the features (N < T) or the samples (T < N) do not see of the signal.
Result
    N < T, H >= N: the law of the loss is that of the model without a bottleneck: predictions depend on the row space of
        $V u$ alone, and given $V$ the rows of $(V V^T)^{-1/2} V u$ are Gaussian like those of $N$ features.
    H < N, H < T: it is that of H features, since then the row space is that of $u$.
    T < N, H: the metric $V^T V$ enters, and the mean given the samples is exactly
        U (1 + T (N + H - 2 T - 1)/((N - T - 1)(H - T - 1))):
        frozen features count as much as trained ones, and in the limit each layer adds its own pole, T/(N - T) + T/(H -
        T).
Source
    Chatelain, Djeghri, Hesslow, Launay and Poli, arXiv:2109.11928v1, for the question; Maloney, Roberts and Sully,
    arXiv:2210.16859v1, for the model; Zavatone-Veth and Pehlevan, arXiv:2303.00564, for deep linear features in the
    limit. The exact form for T < N, H is our own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from theorylab.derivation import Derivation, Step
from theorylab.derivations.scaling_laws import msr_random_feature_finite as finite
from theorylab.derivations.scaling_laws import msr_random_feature_scaling as model
from theorylab.derivations.scaling_laws import msr_random_feature_scaling_steps as steps
from theorylab.parameters import Constraint, Integers, Interval, Parameter, Space
from theorylab.prediction import ClosedForm, Numerical

FROZEN = Parameter("H", Integers(1), "width of the frozen layer")
WIDTH = Parameter("eta", Interval(0, open_low=True), "frozen width per feature, H/N", default=2.0)
RANK = Parameter("rank", Interval(0, 1), "place of a loss among reference losses, made uniform between them")
REFERENCES = Parameter(
    "references", Integers(1), "reference losses, without a bottleneck, to each loss with one", default=7
)
N, T, M, H = model.N, model.T, model.M, FROZEN.symbol
eta, rank, references = WIDTH.symbol, RANK.symbol, REFERENCES.symbol

# Loss over U for T < N, H.
two_layers = 1 + T * (N + H - 2 * T - 1) / ((N - T - 1) * (H - T - 1))


def _invariance_steps() -> list[Step]:
    a, b, c, d, x, y, z, w = sp.symbols("a b c d x y z w", positive=True)
    mixed, features = sp.Matrix([[a, b], [c, d]]), sp.Matrix([[x, y], [z, w]])
    along = sp.Matrix([x, z])
    before = (along.T * (features * features.T).inv() * along)[0]
    changed = mixed * features
    after = ((mixed * along).T * (changed * changed.T).inv() * (mixed * along))[0]
    v1, v2 = sp.symbols("v1 v2", positive=True)
    unit = sp.Matrix([[v1, v2]]) / sp.sqrt(v1**2 + v2**2)
    r, k = sp.symbols("r k", positive=True)
    return [
        Step(
            "only the row space counts",
            after,
            before,
            "least squares predicts the same from R phi as from phi for any invertible R: here with R = (V V^T)^-1/2 "
            "(shown for 2 x 2)",
        ),
        Step(
            "the rows are Gaussian",
            (unit * unit.T)[0],
            sp.S.One,
            "given V, (V V^T)^-1/2 V has orthonormal rows, and orthonormal combinations of Gaussian rows are Gaussian "
            "rows: the law is that of N features, whatever H (shown for N = 1)",
        ),
        Step(
            "exchangeable losses",
            sp.Integral(sp.binomial(3, 1) * r * (1 - r) ** 2, (r, 0, 1)),
            sp.Rational(1, 4),
            "of k + 1 losses of one law each place is equally likely, 1/(k + 1) (shown for the second of k + 1 = 4): "
            "made uniform between places the rank is uniform",
        ),
        Step(
            "distribution of the rank",
            sp.Integral(1, (k, 0, rank)),
            rank,
            "uniform between 0 and 1",
        ),
    ]


def _two_layer_steps() -> list[Step]:
    inner = T / (H - T - 1)
    layer = sp.Symbol("s", positive=True)
    return [
        *steps.finite(),
        Step(
            "inverse of the frozen layer",
            inner * (1 + (H - T) / (N - T - 1)),
            two_layers - 1,
            "what is unseen goes through S u (u^T S u)^-1, S = V^T V: along the T columns of u it is the inverse of u, "
            "of mean square T/(H - T - 1); across them the regression coefficients of S, (H - T)/(N - T - 1) of that",
        ),
        Step(
            "symmetric",
            two_layers.subs({N: H, H: N}, simultaneous=True),
            two_layers,
            "trained and frozen features are exchangeable",
        ),
        Step(
            "no bottleneck",
            sp.Limit(two_layers, H, sp.oo),
            (N - 1) / (N - T - 1),
            "a wide frozen layer leaves the single pole",
        ),
        Step(
            "as sizes grow",
            sp.Limit(two_layers.subs({N: layer * N, T: layer * T, H: layer * H}), layer, sp.oo),
            1 + T / (N - T) + T / (H - T),
            "a pole for each layer",
        ),
    ]


def _above(*, N: Any, T: Any, M: Any, H: Any, unseen: Any) -> tuple[Any, Any]:
    value = unseen * (1.0 + T * (N + H - 2 * T - 1) / ((N - T - 1) * (H - T - 1)))
    return value, finite.ROUNDING * np.abs(value)


def _below(*, N: Any, T: Any, M: Any, H: Any, unseen: Any) -> tuple[Any, Any]:
    value = unseen * (T - 1) / (T - N - 1)
    return value, finite.ROUNDING * np.abs(value)


_SIZES = [model.FEATURES, model.SAMPLES, model.DIMENSIONS]
_CONVENTIONS = {
    **model.CONVENTIONS,
    "g": "0: the solution of least norm",
    "parameters": "N are trained, those of V and u are frozen",
}
_INVARIANT = Derivation("rotation of Gaussian rows", _invariance_steps)
UNIFORM = ClosedForm(
    expr=rank,
    space=Space([RANK]),
    quantity="distribution of the rank among losses without a bottleneck",
    conventions=_CONVENTIONS,
    derivation=_INVARIANT,
)
MEAN_BELOW = Numerical(
    function=_below,
    formula=r"U \frac{T-1}{T-N-1}",
    space=Space(
        [*_SIZES, FROZEN, finite.UNSEEN],
        [
            Constraint(sp.And(N <= T - 2, N <= M), "fewer features than samples by 2 or more, and N <= M"),
            Constraint(H >= N, "a bottleneck narrower than the features leaves H of them"),
        ],
    ),
    quantity="mean test loss given the features",
    conventions=_CONVENTIONS,
    derivation=Derivation("rotation of Gaussian rows", lambda: [*_invariance_steps()[:2], *steps.finite()]),
)
MEAN_ABOVE = Numerical(
    function=_above,
    formula=r"U \left(1 + \frac{T (N + H - 2 T - 1)}{(N - T - 1)(H - T - 1)}\right)",
    space=Space(
        [*_SIZES, FROZEN, finite.UNSEEN],
        [
            Constraint(
                sp.And(T <= N - 2, T <= H - 2, T <= M),
                "fewer samples than features, trained and frozen, by 2 or more: else the mean is infinite; and T <= M",
            )
        ],
    ),
    quantity="mean test loss given the samples",
    conventions=_CONVENTIONS,
    derivation=Derivation("two Gaussian layers, mean inverse Wishart matrices", _two_layer_steps),
)
# The deterministic equivalent without a bottleneck, over a space that has one.
LIMIT = Numerical(
    function=model.at_ratio(model.RIDGELESS),
    formula=r"\frac{\sigma_w^2}{M} \frac{N \nu}{1 - N/T}, \quad d_1(\nu) = N",
    space=Space(
        [model.FEATURES, model.TAU, model.MU, model.ALPHA, model.LEAST, model.TEACHER, WIDTH],
        [
            Constraint(model.tau * N > N + 1, "fewer features than samples"),
            Constraint(eta >= 1, "a bottleneck narrower than the features leaves H of them"),
        ],
    ),
    quantity="mean test loss",
    conventions=_CONVENTIONS,
    derivation=Derivation(model.MALONEY, lambda: [*steps.two_step(), *steps.ridgeless()[:1], *_invariance_steps()[:2]]),
)
