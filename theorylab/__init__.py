"""theorylab: closed forms of machine-learning theory, derived in SymPy and verified by simulation.

Everything below is imported on first use, so that `import theorylab` costs nothing.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_EXPORTS = {
    "theorylab.checks": [
        "Asymptotic", "Bound", "Boundary", "Curve", "Expectation", "Exponent", "Identity", "Law",
    ],
    "theorylab.claim": ["Budget", "Claim", "Mutant", "Source", "grid"],
    "theorylab.derivation": ["Derivation", "Step"],
    "theorylab.engine": ["verify"],
    "theorylab.errors": [
        "BackendError", "DesignError", "DomainError", "StoreError", "TheorylabError", "UnknownNameError", "UsageError",
    ],
    "theorylab.parameters": ["Choices", "Constraint", "Integers", "Interval", "Observed", "Parameter", "Space"],
    "theorylab.prediction": ["ClosedForm", "Implicit", "Numerical", "Prediction", "Value"],
    "theorylab.registry": ["apply", "claim", "claims", "select"],
    "theorylab.simulation": ["Cost", "Simulation", "simulation"],
    "theorylab.store": ["Store"],
    "theorylab.sweep": ["sweep"],
    "theorylab.theory": ["Theory"],
    "theorylab.verdict": ["Verdict"],
}  # fmt: skip
_HOME = {name: module for module, names in _EXPORTS.items() for name in names}
__all__ = ["__version__", *sorted(_HOME)]

if TYPE_CHECKING:
    from theorylab.checks import Asymptotic as Asymptotic
    from theorylab.checks import Bound as Bound
    from theorylab.checks import Boundary as Boundary
    from theorylab.checks import Curve as Curve
    from theorylab.checks import Expectation as Expectation
    from theorylab.checks import Exponent as Exponent
    from theorylab.checks import Identity as Identity
    from theorylab.checks import Law as Law
    from theorylab.claim import Budget as Budget
    from theorylab.claim import Claim as Claim
    from theorylab.claim import Mutant as Mutant
    from theorylab.claim import Source as Source
    from theorylab.claim import grid as grid
    from theorylab.derivation import Derivation as Derivation
    from theorylab.derivation import Step as Step
    from theorylab.engine import verify as verify
    from theorylab.errors import BackendError as BackendError
    from theorylab.errors import DesignError as DesignError
    from theorylab.errors import DomainError as DomainError
    from theorylab.errors import StoreError as StoreError
    from theorylab.errors import TheorylabError as TheorylabError
    from theorylab.errors import UnknownNameError as UnknownNameError
    from theorylab.errors import UsageError as UsageError
    from theorylab.parameters import Choices as Choices
    from theorylab.parameters import Constraint as Constraint
    from theorylab.parameters import Integers as Integers
    from theorylab.parameters import Interval as Interval
    from theorylab.parameters import Observed as Observed
    from theorylab.parameters import Parameter as Parameter
    from theorylab.parameters import Space as Space
    from theorylab.prediction import ClosedForm as ClosedForm
    from theorylab.prediction import Implicit as Implicit
    from theorylab.prediction import Numerical as Numerical
    from theorylab.prediction import Prediction as Prediction
    from theorylab.prediction import Value as Value
    from theorylab.registry import apply as apply
    from theorylab.registry import claim as claim
    from theorylab.registry import claims as claims
    from theorylab.registry import select as select
    from theorylab.simulation import Cost as Cost
    from theorylab.simulation import Simulation as Simulation
    from theorylab.simulation import simulation as simulation
    from theorylab.store import Store as Store
    from theorylab.sweep import sweep as sweep
    from theorylab.theory import Theory as Theory
    from theorylab.verdict import Verdict as Verdict


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'theorylab' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__


class _Package(ModuleType):
    """`theorylab.claim`, `simulation` and `sweep` are functions, though there are submodules of these names too.

    Importing a submodule sets an attribute of its name on the package: not where it would hide a function.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
