"""Counting powers of the width; networks trained on one sample, with matrices that are revealed where they are seen."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation_twins import demand_array_standard, demand_twins

from theorylab.claims.infinite_width import abc_parametrization as claims
from theorylab.derivations.infinite_width import abc_classification as classification
from theorylab.derivations.infinite_width import abc_parametrization as derivation
from theorylab.derivations.infinite_width.power_counting import count
from theorylab.errors import DomainError, TheorylabError
from theorylab.kernels import gradient_descent
from theorylab.kernels.random import Stream
from theorylab.sims.infinite_width import one_sample_descent as sims

fixed = settings(derandomize=True, deadline=None, max_examples=60)
exponents = st.floats(-1.0, 1.5)


@pytest.mark.parametrize("depth", [1, 2, 3, pytest.param(4, marks=pytest.mark.full)])
def test_derivations_replay(depth):
    derivation.derivation(depth).replay()


def test_named_parametrisations():
    kinds = {name: classification.classify(*found) for name, found in derivation.NAMED.items()}
    assert {name: (found.kind, found.r) for name, found in kinds.items()} == {
        "standard": ("kernel", 0.5),
        "neural tangent": ("kernel", 0.5),
        "maximal update": ("feature learning", 0.0),
        "mean field": ("feature learning", 0.0),
    }
    assert classification.classify((0, 0, 0), (0, 0.5, 0.5), 1.25).kind == "trivial"


@fixed
@given(st.lists(exponents, min_size=2, max_size=5), exponents, exponents, st.integers(1, 3))
def test_the_count_agrees_with_the_closed_form(a, last, c, steps):
    depth = len(a) - 1
    b = [-a[0], *(0.5 - p for p in a[1:-1]), last]
    found = count(a, b, c, steps, min, 0.5)
    closed = derivation.at(derivation.features(depth, steps), a, b, c)
    assert found.features[-1] == pytest.approx(float(closed), abs=1e-12)
    assert found.preactivations == pytest.approx([0.0] * depth, abs=1e-15)


@fixed
@given(st.lists(st.tuples(exponents, exponents), min_size=2, max_size=5), exponents, st.floats(-1.0, 1.0))
def test_a_power_of_the_width_moves_between_weights_and_rate(pairs, c, theta):
    a, b = zip(*pairs)
    here = classification.conditions(a, b, c)
    there = classification.conditions([p + theta for p in a], [q - theta for q in b], c - 2 * theta)
    assert [x.value for x in here] == pytest.approx([x.value for x in there], abs=1e-9)


@fixed
@given(st.lists(st.tuples(exponents, exponents), min_size=2, max_size=5), exponents, st.floats(0.0, 1.0))
def test_a_smaller_rate_never_destabilises(pairs, c, less):
    a, b = zip(*pairs)
    now, then = classification.conditions(a, b, c), classification.conditions(a, b, c + less)
    assert all(later.value >= earlier.value for earlier, later in zip(now, then))


@settings(fixed, max_examples=12)
@given(exponents, exponents, st.floats(0.5, 1.5), exponents)
def test_critical_values_are_where_exponents_vanish(a1, a2, last, c):
    at = {"a1": a1, "a2": a2, "b3": last, "c": c}
    a3 = float(derivation.CRITICAL_MULTIPLIER(**at))
    assert float(derivation.at(derivation.features(2, 2), (a1, a2, a3), (0, 0, last), c)) == pytest.approx(0, abs=1e-12)
    at = {"a1": a1, "a2": a2, "a3": 0.5, "b3": last}
    rate = float(derivation.CRITICAL_RATE(**at))
    value = derivation.at(derivation.output(2, 2), (a1, a2, 0.5), (0, 0, last), rate)
    assert float(value) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (((0, 0, 0), (0, 0.5, 0.5), 0), r"change of the features grows like n\^1: its exponent r = -1 .* c >= 1 would"),
        (((0, 0, 0), (0, 0.5, 0.25), 1), r"output at the start grows like n\^0.25: its exponent a_3 \+ b_3 - 1/2"),
        (((0.5, 0, 0), (0, 0.5, 0.5), 1), r"layer 1 at the start vanishes like n\^-0.5: its exponent a_1 \+ b_1"),
        (((0, 0, 0), (0, 0.25, 0.5), 1), r"layer 2 at the start grows like n\^0.25: its exponent a_2 \+ b_2 - 1/2"),
        (((0, 0.5, 0.25), (0, 0, 1), 0.25), r"output by the readout grows like n\^0.25: its exponent 2 a_3 \+ c - 1"),
        (((-0.5, 0.5), (0.5, 0.25), 0.25), r"output by the features grows like n\^0.25: its exponent a_2 \+ b_2 \+ r"),
    ],
)
def test_what_blows_up_is_named(found, message):
    with pytest.raises(classification.UnstableParametrization, match=message):
        classification.classify(*found)


@pytest.mark.parametrize("found", claims.UNSTABLE)
def test_the_rate_that_is_proposed_will_do(found):
    a, b, c = found
    with pytest.raises(DomainError) as refusal:
        classification.classify(a, b, c)
    if "c >= " in str(refusal.value):
        proposed = float(str(refusal.value).split("c >= ")[1].split()[0])
        classification.classify(a, b, proposed)
        with pytest.raises(DomainError):
            classification.classify(a, b, proposed - 0.01)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (((0, 1), (0,), 0), "2 exponents a and 1 exponents b"),
        (((0,), (0,), 0), "two at least"),
        (((0, "x"), (0, 0), 0), "lists of numbers"),
        (((0, math.nan), (0, 0), 0), "finite"),
    ],
)
def test_bad_exponents_are_named(found, message):
    with pytest.raises(DomainError, match=message):
        classification.classify(*found)


def test_the_formula_is_refused_where_features_blow_up():
    with pytest.raises(DomainError, match="the features blow up"):
        derivation.growth_of_features(2, 2)(a1=0, a2=0, a3=0, b3=0.5, c=0)


def completed(matrix: sims.Revealed, rest: np.ndarray) -> np.ndarray:
    """A dense matrix with the products that were revealed, and other entries from `rest`, both [trials, n, n]."""
    (forward, backward), identity = matrix.sides, np.eye(rest.shape[-1])

    def outer(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        return np.swapaxes(u, 1, 2) @ v

    unseen = identity - outer(forward.right, forward.right)
    unsent = identity - outer(backward.right, backward.right)
    return outer(forward.left, forward.right) + (outer(backward.right, backward.left) + unsent @ rest) @ unseen


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_revealed_network_is_a_dense_one_trained_by_plain_gradient_descent(depth):
    """The matrices completed afterwards, and the generic descent of all their entries."""
    n, steps, trials, eta, target = 12, 4, 3, 0.3, 1.5
    a, b, c = (-0.3, 0.1, 0.2, 0.4)[-depth - 1 :], (0.2, 0.3, 0.1, 0.2)[-depth - 1 :], -0.1
    rng = Stream.from_seed(5)
    _, f, matrices = sims.trajectory(lambda: rng.normal(trials, n), n, a, b, c, steps=steps, eta=eta, target=target)
    again = Stream.from_seed(5)
    first, readout = again.normal(trials, n), again.normal(trials, n)
    spare = Stream.from_seed(6)
    weights = [first[:, :, None], *(completed(m, spare.normal(trials, n, n)) for m in matrices), readout[:, None, :]]
    scales = [n ** -(p + q) for p, q in zip(a, b)]
    rates = [eta * n ** -(2 * p + c) / scale**2 for p, scale in zip(a, scales)]
    outputs = gradient_descent.descend(
        weights,
        np.ones((1, 1)),
        np.full((1, 1), target),
        scales=scales,
        rates=rates,
        activation="tanh",
        times=np.arange(steps + 1),
    )[0]
    np.testing.assert_allclose(np.stack(f, axis=1)[..., 0], outputs[..., 0, 0], rtol=1e-11)


def test_a_revealed_matrix_is_normal():
    """Second moments of the products with a vector and with its image; each off by 6 standard errors at 1e-8."""
    trials, n = 20_000, 5
    rng = Stream.from_seed(9)
    v = np.broadcast_to(np.array([1.0, -2.0, 0.5, 0.0, 1.0]), (trials, n))
    matrix = sims.Revealed(lambda: rng.normal(trials, n), 3)
    forward = matrix.times(v)
    back = matrix.transposed_times(forward)
    third = matrix.times(np.roll(v, 1, axis=1))
    dense = Stream.from_seed(10).normal(trials, n, n)
    one = np.einsum("tij,tj->ti", dense, v)
    two = np.einsum("tij,ti->tj", dense, one)
    three = np.einsum("tij,tj->ti", dense, np.roll(v, 1, axis=1))
    for mine, theirs in ((forward, one), (back, two), (third, three), (forward * third, one * three)):
        for x, y in ((mine, theirs), (mine**2, theirs**2)):
            error = np.sqrt((x.var(axis=0) + y.var(axis=0)) / trials)
            assert np.all(np.abs(x.mean(axis=0) - y.mean(axis=0)) < 6 * error)


@fixed
@given(st.floats(-0.5, 0.5))
def test_the_symmetry_is_that_of_the_training_itself(theta):
    a, b, c = (-0.25, 0.25, 0.5), (0.25, 0.25, 0.5), 0.1
    runs = []
    for t in (0.0, theta):
        rng = Stream.from_seed(2)
        moved = [p + t for p in a], [q - t for q in b], c - 2 * t
        runs.append(sims.trajectory(lambda rng=rng: rng.normal(2, 30), 30, *moved, steps=2, eta=0.5, target=1.0)[1][-1])
    np.testing.assert_allclose(*runs, rtol=1e-9)


SIMULATIONS = {
    "one hidden layer": (sims.one_hidden, claims._point(claims.ONE_HIDDEN[0], n=9)),
    "two hidden layers": (sims.two_hidden, claims._point(claims.STANDARD, n=9)),
    "three hidden layers": (sims.three_hidden, claims._point(claims.THREE_HIDDEN[0], n=9)),
    "decay": (sims.decay_with_width, claims._point(claims.STANDARD, n=3)),
    "outcome": (sims.outcome, claims._point(claims.MAXIMAL_UPDATE, n=2, seeds=4)),
}


@pytest.mark.parametrize("name", SIMULATIONS)
def test_twins_and_batches(name):
    demand_twins(*SIMULATIONS[name])


@pytest.mark.parametrize("name", SIMULATIONS)
def test_array_standard(name):
    demand_array_standard(*SIMULATIONS[name])


def test_exponents_measured_at_one_width_pair_order_the_parametrisations():
    """Features move most in maximal update, as much in no kernel parametrisation: chance 1e-12 to fail."""
    moved = {}
    for name, found in (("kernel", claims.NEURAL_TANGENT), ("learning", claims.MAXIMAL_UPDATE)):
        out = sims.decay_with_width(64, Stream.from_seed(4), **claims._point(found, n=64))
        moved[name] = float(np.mean(out["features"])) / math.log(sims.WIDER)
    assert moved["kernel"] == pytest.approx(0.5, abs=0.1)
    assert moved["learning"] == pytest.approx(0.0, abs=0.05)


def test_errors_are_ours():
    assert issubclass(classification.UnstableParametrization, TheorylabError)
