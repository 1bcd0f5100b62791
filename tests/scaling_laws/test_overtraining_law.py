"""Over-training: limits, symmetries, 50 digits, replays; deterministic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab.derivations.scaling_laws import chinchilla_allocation
from theorylab.derivations.scaling_laws import overtraining_law as d
from theorylab.errors import DomainError
from theorylab.prediction import ClosedForm

FORMS = {name: value for name, value in vars(d).items() if isinstance(value, ClosedForm)}
LAWS = st.fixed_dictionaries({"A": st.floats(1, 1e4), "B": st.floats(1, 1e4), "alpha": st.floats(0.1, 1)})


@pytest.mark.parametrize("name", FORMS)
def test_derivations_replay(name):
    FORMS[name].derivation.replay()


@pytest.mark.parametrize("corner", d.reducible.corners, ids=str)
def test_corners_agree_with_fifty_digits(corner):
    assert abs(float(d.reducible(**corner)) / float(d.reducible.mp(**corner)) - 1) < 1e-12


@given(law=LAWS, C=st.floats(1e15, 1e25))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_the_best_multiplier_is_the_compute_optimal_one(law, C):
    """The special case a = b of the general allocation: another derivation of the same numbers."""
    general = {"A": law["A"], "B": law["B"], "a": law["alpha"], "b": law["alpha"], "C": C}
    best = float(d.best_multiplier(**law))
    assert best == pytest.approx(float(chinchilla_allocation.tokens_per_parameter(**general)), rel=1e-9)
    if 1e-4 < best < 1e8:
        assert float(d.reducible(**law, C=C, M=best)) == pytest.approx(
            float(chinchilla_allocation.reducible_loss(**general)), rel=1e-9
        )


@given(law=LAWS, factor=st.floats(1.01, 100))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_penalty_is_symmetric_and_grows(law, factor):
    """Overtraining by a factor costs as much as undertraining by it; twice as far costs more."""
    best = float(d.best_multiplier(**law))
    if not 1e-2 < best < 1e4:
        return
    above, below, further = (float(d.penalty(**law, M=best * f)) for f in (factor, 1 / factor, 1.1 * factor))
    assert above == pytest.approx(below, rel=1e-9)
    assert 1 < above < further
    assert float(d.penalty(**law, M=best)) == pytest.approx(1.0, abs=1e-12)


def test_lines_are_parallel():
    ratio = d.reducible(C=1e20, M=np.array([5.0, 640.0])) / d.reducible(C=1e18, M=np.array([5.0, 640.0]))
    np.testing.assert_allclose(ratio, 100 ** float(d.exponent()), rtol=1e-12)


def test_quoted_penalties():
    best = float(d.best_multiplier())
    assert d.penalty(M=best * np.array([10.0, 100.0])) == pytest.approx([1.052, 1.215], abs=1e-3)


def test_downstream_limits():
    """Without compute no skill; with infinite compute that of the irreducible loss."""
    at = {"kappa": 1.5, "gamma": 1.0, "E": 1.7}
    assert float(d.downstream(**at, alpha=2.0, C=1e32)) == pytest.approx(1.5 * np.exp(-1.7), rel=1e-9)
    assert float(d.downstream(**at, alpha=0.02, C=1e6, A=1e6)) < 1e-12


@pytest.mark.parametrize("bad", [{"M": 0.0}, {"alpha": 0.0}, {"A": -1.0}])
def test_bad_input(bad):
    with pytest.raises(DomainError, match=next(iter(bad))):
        d.loss(**bad)
