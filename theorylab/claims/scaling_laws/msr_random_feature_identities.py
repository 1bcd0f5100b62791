"""Identities of the loss in the solvable model of scaling laws: its ridgeless form, and duality.

Further claims of the theory in `msr_random_feature_scaling`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from theorylab.claim import Budget, Claim, Mutant
from theorylab.claims.scaling_laws.msr_random_feature_scaling import ZHANG, theory, with_output

if TYPE_CHECKING:
    from theorylab.prediction import Implicit

_RANGES = {
    "N": (3, 9),
    "T": (3, 9),
    "M": (6, 12),
    "alpha": (0.3, 2.0),
    "lam": (0.01, 1.0),
    "sigma_w": (0.5, 2.0),
    "sigma_eps": (0.1, 1.0),
}
_IDENTITY = {
    "quick": Budget(trials=3, margin=1e-12),
    "standard": Budget(trials=30, margin=1e-12),
    "paper": Budget(trials=200, margin=1e-12),
}


def _exchanged() -> Implicit:
    """The loss without label noise, with features and samples exchanged wherever they appear."""
    from dataclasses import replace

    from theorylab.derivations.scaling_laws import msr_random_feature_scaling as d

    swap = {d.N: d.T, d.T: d.N}
    return replace(d.LOSS, equation=d.equation.xreplace(swap), output=d.signal.xreplace(swap), numeric=None, corners=())


def _squared_pole_identity() -> Implicit:
    import sympy as sp

    from theorylab.derivations.scaling_laws import msr_random_feature_scaling as d

    return with_output(d.LOSS, d.signal * sp.Max(d.N, d.T) / sp.Abs(d.N - d.T) + d.noise)


@theory.claim
def ridgeless_limit() -> Claim:
    """The loss with ridge at g = 0 is the ridgeless formula with d1 = min(N, T), label noise included."""
    from theorylab.checks import Identity
    from theorylab.derivations.scaling_laws import msr_random_feature_scaling as d

    return Claim(
        prediction=d.LOSS,
        check=Identity(other=d.RIDGELESS, ranges={**_RANGES, "g": (0.0, 0.0)}),
        mutants=[
            Mutant("pole of second order", _squared_pole_identity()),
            Mutant("no label noise", with_output(d.LOSS, d.signal)),
        ],
        budgets=_IDENTITY,
    )


@theory.claim(source=ZHANG)
def duality() -> Claim:
    """Without label noise the loss is symmetric in the numbers of features and samples, at every ridge.

    More is true: the loss of N features and T samples has the law of that of T features and N samples at every size,
    since X A u and its transpose exchange the roles of u and X. Label noise is not symmetric.
    """
    from theorylab.checks import Identity
    from theorylab.derivations.scaling_laws import msr_random_feature_scaling as d

    noiseless = {k: v for k, v in _RANGES.items() if k != "sigma_eps"}
    return Claim(
        prediction=d.LOSS,
        check=Identity(other=_exchanged(), ranges={**noiseless, "g": (0.001, 2.0)}),
        mutants=[
            Mutant("with unit label noise", with_output(d.LOSS, d.signal + d.noise / d.sigma_eps**2)),
            Mutant("loss per sample", with_output(d.LOSS, d.signal / d.T)),
        ],
        budgets=_IDENTITY,
    )
