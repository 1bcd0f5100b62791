r"""The table of phases as published, with the published conditions: typed in, to be compared with what is derived.

Source: Paquette, Paquette, Xiao and Pennington (2024), arXiv:2405.15074v2, Table 1. In its notation d* ~ f^xi and
P* ~ f^-eta; a run at the optimum lasts until s = gamma r = d^sigma.
"""

from __future__ import annotations

import sympy as sp

from theorylab.derivations.scaling_laws.plrf_phases import a, b

_HALF = sp.Rational(1, 2)
_ROOT = 1 - 1 / sp.sqrt(2)
_CONDITIONS = {
    "Ia": sp.And(2 * a > 1, 2 * b < 1),
    "Ib": sp.And(2 * a < 1, 2 * b < 1),
    "Ic": sp.And(4 * a < 1, 2 * b > 1),
    "II": sp.And(2 * a > 1, 2 * b > 1, b < a),
    "III": sp.And(2 * a > 1, 2 * b > 1, b > a),
    "IVa": sp.And(a > _ROOT, 2 * a < 1, 2 * b > 1),
    "IVb": sp.And(4 * a > 1, a < _ROOT, 2 * b > 1),
}


def _table(**formulas: sp.Expr) -> sp.Piecewise:
    return sp.Piecewise(*((formulas[name], condition) for name, condition in _CONDITIONS.items()))


SIZE = _table(
    Ia=1 / (2 * a + 1),
    Ib=_HALF,
    Ic=(1 - 2 * (a + b)) / (2 * (a * (2 * b - 3) - 2 * b + 1)),
    II=(b / a) / (1 + b / a),
    III=_HALF,
    IVa=_HALF,
    IVb=(a - b) / (2 * a * b + a - 2 * b),
)
LOSS = _table(
    Ia=(1 - 1 / (2 * a + 1)) * (1 + b / a - 1 / (2 * a)),
    Ib=a + b - _HALF,
    Ic=a * (2 * a + 2 * b - 1) / (a * (3 - 2 * b) + 2 * b - 1),
    II=(2 * a + 2 * b - 1) / (2 * (a + b)),
    III=1 - 1 / (4 * a),
    IVa=a,
    IVb=(1 - 2 * a) * (2 * a + 2 * b - 1) / (2 * (2 * b - a - 2 * a * b)),
)
DURATION = _table(
    Ia=2 * a,
    Ib=2 * a,
    Ic=4 * a**2 / (2 * a + 2 * b - 1),
    II=a / b,
    III=sp.Integer(1),
    IVa=2 * a,
    IVb=a * (1 - 2 * a) / (b - a),
)
