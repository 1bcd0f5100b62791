"""The eight ways in which a prediction and a simulation can be required to meet."""

from theorylab.checks.asymptotic import Asymptotic
from theorylab.checks.base import Check
from theorylab.checks.bound import Bound
from theorylab.checks.boundary import Boundary
from theorylab.checks.curve import Curve
from theorylab.checks.expectation import Expectation
from theorylab.checks.exponent import Exponent
from theorylab.checks.identity import Identity
from theorylab.checks.law import Law

__all__ = ["Asymptotic", "Bound", "Boundary", "Check", "Curve", "Expectation", "Exponent", "Identity", "Law"]
