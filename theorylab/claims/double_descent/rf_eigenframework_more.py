"""More is better: with the best ridge, and not without.

Further claims of the theory are in `rf_eigenframework`.
"""

from __future__ import annotations

from typing import Any

from theorylab.claim import Budget, Claim, Mutant
from theorylab.claims.double_descent.rf_eigenframework import theory


def _search(simulation: Any, prediction: Any, mutants: list[Mutant], tight: Any = None) -> Claim:
    from theorylab.checks import Bound

    return Claim(
        prediction=prediction,
        simulation=simulation,
        check=Bound(variable="growth", sense="<=", tight=tight),
        mutants=mutants,
        budgets={
            "quick": Budget(64, 0.01, block=64),
            "standard": Budget(4_096, 1e-3, block=512),
            "paper": Budget(131_072, 1e-4, block=512),
        },
    )


@theory.claim
def more_is_better() -> Claim:
    """With the best ridge for either, a problem with more samples, more features or both has no larger test error.

    Climbs over spectra, targets, noise and sizes look for a counterexample, and come as near to equality as they like:
    where there is little to learn. The reason is in the derivation: at given gamma the risk falls with n and with k.
    The risk may have several minima over the ridge; the climbs find problems where two are equal, and a search for the
    best ridge that follows one of them only.
    """
    from theorylab.derivations.double_descent import rf_eigenframework as d
    from theorylab.sims.double_descent.more_is_better import best_ridge

    growth = d.GROWTH.symbol
    mutants = [
        Mutant("better in proportion", 1 / growth),
        Mutant("3 % better", 0.97 + 0 * growth),
        Mutant("may be 5 % worse", 1.05 + 0 * growth),
    ]
    return _search(best_ridge, d.MORE_IS_BETTER, mutants, "search")


@theory.claim(control=True, expected="fails")
def three_percent_better() -> Claim:
    """A control: with the best ridge more samples or features take off at least 3 % of the test error."""
    from dataclasses import replace

    import sympy as sp

    from theorylab.derivations.double_descent import rf_eigenframework as d
    from theorylab.sims.double_descent.more_is_better import best_ridge

    return _search(best_ridge, replace(d.MORE_IS_BETTER, expr=sp.Float("0.97")), [])


@theory.claim(expected="fails")
def more_is_better_without_tuning() -> Claim:
    """The test error never grows with more samples or more features when the ridge stays as it is.

    What double descent refutes, and the reason why the theorem speaks of the best ridge: the search finds ratios of
    thirty and more near k = n, where a ridge that is too small lets the peak through.
    """
    from theorylab.derivations.double_descent import rf_eigenframework as d
    from theorylab.sims.double_descent.more_is_better import one_ridge

    return _search(one_ridge, d.MORE_IS_BETTER, [])
