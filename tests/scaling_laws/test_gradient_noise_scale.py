"""The gradient noise scale: limits, symmetries, 50 digits, twins, replays; deterministic, fixed streams."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab.derivations.scaling_laws import gradient_noise_scale as d
from theorylab.derivations.scaling_laws import kaplan_laws
from theorylab.errors import DomainError
from theorylab.kernels.random import Stream
from theorylab.prediction import ClosedForm, Prediction
from theorylab.sims.scaling_laws import gradient_noise

FORMS = {name: value for name, value in vars(d).items() if isinstance(value, Prediction) and value.derivation}
QUADRATICS = st.fixed_dictionaries(
    {"G2": st.floats(0.1, 100), "GHG": st.floats(0.1, 100), "HS": st.floats(0.1, 100), "B": st.integers(1, 1000)}
)


@pytest.mark.parametrize("name", FORMS)
def test_derivations_replay(name):
    FORMS[name].derivation.replay()


@pytest.mark.parametrize("name", [n for n, f in FORMS.items() if isinstance(f, ClosedForm)])
def test_fifty_digits(name):
    form = FORMS[name]
    for P, sigma in ((2, 1e-3), (10_000, 1e3), (37, 2.0)):
        at = {k: v for k, v in {"P": P, "sigma": sigma, "eta": 1e-8}.items() if k in form.space}
        assert abs(float(form(**at)) / float(form.mp(**at)) - 1) < 1e-10


@given(at=QUADRATICS)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_best_rate_and_gain(at):
    """The gain is half of what the best rate would gain without curvature; both grow with the batch to their limits."""
    rate, gain = float(d.best_learning_rate(**at)), float(d.best_decrease(**at))
    assert gain == pytest.approx(rate * at["G2"] / 2, rel=1e-12)
    more = {**at, "B": 2 * at["B"]}
    assert rate < float(d.best_learning_rate(**more)) < at["G2"] / at["GHG"]
    assert gain < float(d.best_decrease(**more)) < 2 * gain * (1 + 1e-12)


@given(at=QUADRATICS, scale=st.floats(0.1, 10))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_units_of_loss_and_of_parameters(at, scale):
    """A loss in other units scales gains and leaves rates' products; parameters in other units change no gain."""
    loss = {**at, "G2": at["G2"] * scale**2, "GHG": at["GHG"] * scale**3, "HS": at["HS"] * scale**3}
    assert float(d.best_decrease(**loss)) == pytest.approx(scale * float(d.best_decrease(**at)), rel=1e-12)
    stretched = {**at, "G2": at["G2"] / scale**2, "GHG": at["GHG"] / scale**4, "HS": at["HS"] / scale**4}
    assert float(d.best_decrease(**stretched)) == pytest.approx(float(d.best_decrease(**at)), rel=1e-12)


def test_at_the_noise_scale_half_is_gained():
    """And twice the steps are needed, as Kaplan's law of the critical batch has it."""
    assert float(d.best_decrease(G2=4.0, GHG=2.0, HS=16.0, B=8)) == pytest.approx(0.5 * 16 / 4)
    ratio = np.geomspace(0.01, 100, 9)
    np.testing.assert_allclose(d.steps_needed(ratio=ratio), kaplan_laws.steps_needed(ratio=ratio), rtol=1e-14)


def test_counted_steps_state_their_error():
    for ratio in (0.1, 1.0, 10.0):
        found = d.steps_counted.evaluate(ratio=ratio)
        assert abs(float(found.value) - (1 + 1 / ratio)) < float(found.error) < 1e-3


def test_one_gradient_by_hand():
    """Without noise the step is that of gradient descent, on the quadratic and on its formula."""
    out = gradient_noise.quadratic_step(2, Stream.from_seed(0), P=5, B=1, sigma=1e-12, eta=0.3)
    total = sum(1 / i for i in range(1, 6))
    np.testing.assert_allclose(out["share"], 1 - 0.3 * total / 10, rtol=1e-9)
    np.testing.assert_allclose(out["slope"], 0.3 * total / 5 - 1, rtol=1e-9)


def test_features_agree_with_a_loss_evaluated():
    """A huge batch of the features: the decrease is that of the loss, computed from weights."""
    at = {"d": 3, "ratio": 2, "alpha": 0.7, "beta": 0.4, "eta": 0.2}
    out = gradient_noise.feature_step(2, Stream.from_seed(3), B=40_000, **at)
    predicted = d.expected_decrease(G2=out["G2"], GHG=out["GHG"], HS=out["HS"], B=40_000, eta=0.2)
    np.testing.assert_allclose(out["decrease"], predicted, rtol=0.1)
    index = np.arange(1.0, 7.0)
    W = Stream.from_seed(3).normal(2, 6, 3) / np.sqrt(3)
    A, c = index[:, None] ** -0.7 * W, index**-1.1
    for t in range(2):
        gradient = -A[t].T @ c
        step = -0.2 * gradient
        before, after = (0.5 * np.sum((A[t] @ w - c) ** 2) for w in (0 * step, step))
        expected = before - after
        formula = 0.2 * out["G2"][t] - 0.02 * out["GHG"][t]
        assert formula == pytest.approx(expected, rel=1e-9)


CASES = {
    "quadratic_step": {"P": 6, "B": 2, "sigma": 1.0, "eta": 0.4},
    "two_batches": {"P": 6, "sigma": 1.0, "small": 2, "large": 8},
    "feature_step": {"d": 3, "ratio": 2, "alpha": 0.7, "beta": 0.4, "B": 2, "eta": 0.2},
}


@pytest.mark.parametrize("name", CASES)
def test_twins_agree_trial_by_trial(name):
    ours, reference = (
        getattr(gradient_noise, name)(40, Stream.from_seed(9, backend), **CASES[name]) for backend in ("numba", "numpy")
    )
    for key in ours:
        np.testing.assert_allclose(ours[key], reference[key], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("bad", [{"B": 0}, {"G2": 0.0}, {"HS": -1.0}, {"B": 1.5}])
def test_bad_input(bad):
    with pytest.raises(DomainError, match=next(iter(bad))):
        d.best_learning_rate(**bad)
