"""Compute-optimal allocation: published numbers, limits, symmetries, 50 digits, replays; deterministic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from theorylab.derivations.scaling_laws import chinchilla_allocation as d
from theorylab.errors import DomainError
from theorylab.prediction import ClosedForm

FORMS = {name: value for name, value in vars(d).items() if isinstance(value, ClosedForm) and value.derivation}
LAWS = st.fixed_dictionaries(
    {"A": st.floats(1, 1e4), "B": st.floats(1, 1e4), "a": st.floats(0.1, 1), "b": st.floats(0.1, 1)}
)


@pytest.mark.parametrize("name", [n for n in FORMS if FORMS[n].corners])
def test_corners_agree_with_fifty_digits(name):
    for corner in FORMS[name].corners:
        exact = FORMS[name].mp(**corner)
        assert abs(float(FORMS[name](**corner)) / float(exact) - 1) < 1e-12


@pytest.mark.parametrize("name", FORMS)
def test_derivations_replay(name):
    FORMS[name].derivation.replay()


def test_published_numbers():
    """At C = 5.76e23, from an independent computation: the published constants and the refitted ones."""
    published = (4.036e10, 2.379e12, 58.9, 1.91841)
    refitted = (7.225e10, 1.3287e12, 18.39, 1.97444)
    for constants, E, expected in ((d.HOFFMANN, np.exp(0.5267228), published), (d.BESIROGLU, 1.8172, refitted)):
        assert float(d.optimal_size(**constants)) == pytest.approx(expected[0], rel=3e-4)
        assert float(d.optimal_tokens(**constants)) == pytest.approx(expected[1], rel=3e-4)
        assert float(d.tokens_per_parameter(**constants)) == pytest.approx(expected[2], rel=1e-3)
        assert float(d.optimal_loss(**constants, E=E)) == pytest.approx(expected[3], abs=1e-5)
    exponents = [float(d.size_exponent(a=c["a"], b=c["b"])) for c in (d.HOFFMANN, d.BESIROGLU)]
    assert exponents == pytest.approx([0.4565, 0.5126], abs=5e-5)


@given(law=LAWS, C=st.floats(1e15, 1e27))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_minimisation_by_scipy_agrees(law, C):
    """A third way: Brent's method on the loss over ln N in double precision."""
    best = float(np.log(d.optimal_size(**law, C=C)))
    budget = np.log(C / 6)

    def loss(n):
        return law["A"] * np.exp(-law["a"] * n) + law["B"] * np.exp(-law["b"] * (budget - n))

    found = minimize_scalar(loss, bracket=(best - 3, best + 2), options={"xtol": 1e-12})
    assert found.x == pytest.approx(best, abs=1e-5)
    assert found.fun == pytest.approx(float(d.reducible_loss(**law, C=C)), rel=1e-12)


@given(law=LAWS, C=st.floats(1e15, 1e27), u=st.floats(-3, 3))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_exchange_of_size_and_tokens(law, C, u):
    """The symmetry: (A, a) and (B, b) exchanged exchange N* and D*, and keep the loss; u changes its sign."""
    other = {"A": law["B"], "B": law["A"], "a": law["b"], "b": law["a"]}
    assert float(d.optimal_size(**other, C=C)) == pytest.approx(float(d.optimal_tokens(**law, C=C)), rel=1e-10)
    assert float(d.reducible_loss(**other, C=C)) == pytest.approx(float(d.reducible_loss(**law, C=C)), rel=1e-10)
    lost = [float(d.misallocation(**x, C=C, u=v)) for x, v in ((law, u), (other, -u))]
    assert lost[0] == pytest.approx(lost[1], rel=1e-9, abs=1e-300)
    assert lost[0] >= 0


@given(law=LAWS, C=st.floats(1e15, 1e27))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_more_compute_is_better_and_everything_grows(law, C):
    more, less = ({**law, "C": C * f} for f in (2.0, 1.0))
    assert d.reducible_loss(**more) < d.reducible_loss(**less)
    assert d.optimal_size(**more) > d.optimal_size(**less)
    assert d.optimal_tokens(**more) > d.optimal_tokens(**less)


def test_small_misallocation_is_quadratic():
    law = d.BESIROGLU
    curvature = law["a"] * (law["a"] + law["b"]) * law["A"] * float(d.optimal_size(**law)) ** -law["a"]
    assert float(d.misallocation(**law, u=1e-5)) == pytest.approx(curvature * 1e-10 / 2, rel=1e-4)
    assert float(d.misallocation(**law, u=0.0)) == 0.0


def test_minimum_knows_its_error():
    """Bracketing to fourteen digits gives the size to thirteen."""
    at = {**d.BESIROGLU, "C": 1e21, "k": 6.0}
    found = d.minimum(at)
    exact = float(d.optimal_size.mp(**at))
    assert abs(found["size"] - exact) <= found["size error"] + 4e-16 * exact
    assert found["size error"] < 1e-12 * exact


@pytest.mark.parametrize("bad", [{"C": 0.0}, {"a": 0.0}, {"A": -1.0}, {"k": float("nan")}])
def test_bad_input(bad):
    with pytest.raises(DomainError, match=next(iter(bad))):
        d.optimal_size(**bad)
