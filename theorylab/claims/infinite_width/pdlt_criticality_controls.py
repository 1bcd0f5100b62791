"""Controls of the theory of deep random networks: false by one and by five per cent."""

from __future__ import annotations

from theorylab.claim import Budget, Claim
from theorylab.claims.infinite_width.pdlt_criticality import theory, vertex
from theorylab.claims.infinite_width.pdlt_criticality_moments import LINEAR, second_moment


@theory.claim(control=True, expected="fails")
def metric_one_per_cent_off() -> Claim:
    """The mean of g is 1.01 K (C_W A_2)^L: a kernel that is wrong by one per cent."""
    from dataclasses import replace

    import sympy as sp

    from theorylab.derivations.infinite_width import pdlt_criticality as classes
    from theorylab.derivations.infinite_width import pdlt_moments as d
    from theorylab.prediction import ClosedForm

    base = second_moment()
    form = ClosedForm(
        expr=1.01 * sp.sqrt(d.second_moment / (1 + classes.nu / d.n) ** d.depth),
        space=d.SECOND_MOMENT.space,
        quantity="E g",
        conventions=d.CONVENTIONS,
    )
    return replace(
        base,
        prediction=form,
        mutants=(),
        points=({**LINEAR, "n": 100, "depth": 2, "K": 1.5, "m": 1},),
        budgets={name: Budget(trials=131_072, margin=0.004) for name in base.budgets},
    )


@theory.claim(control=True, expected="fails")
def vertex_five_per_cent_off() -> Claim:
    """V is 1.05 times what its recursion says."""
    from dataclasses import replace

    from theorylab.derivations.infinite_width import pdlt_recursion as d

    base = vertex()
    return replace(
        base,
        prediction=d.VERTEX.altered(lambda value, **_: 1.05 * value),
        mutants=(),
        points=({"activation": "relu", "depth": 1, "C_W": 2.0, "C_b": 0.0, "K": 1.0},),
        budgets={name: Budget(trials=400_000, margin=0.02, sizes=(8, 16, 32, 64)) for name in base.budgets},
    )
