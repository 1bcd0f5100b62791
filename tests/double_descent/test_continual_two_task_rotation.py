"""Forgetting after a rotated task: Weingarten calculus, derivation, precision, special cases, domain, simulation."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation_twins import demand_array_standard, demand_twins
from threadpoolctl import threadpool_limits

from theorylab.derivations.double_descent import continual_two_task_rotation as d
from theorylab.derivations.double_descent import continual_two_task_rotation_search as search
from theorylab.derivations.double_descent import continual_two_task_rotation_steps as steps
from theorylab.derivations.double_descent import weingarten as w
from theorylab.errors import DomainError
from theorylab.kernels.random import Stream
from theorylab.sims.double_descent import two_tasks as sims

PREDICTIONS = {
    name: getattr(d, name)
    for name in ("forgetting", "own_direction", "spectrum", "limiting", "limiting_own", "limiting_other", "one_sample")
}
unit = st.floats(0.0, 1.0)


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(limits=1):
        yield


@pytest.mark.parametrize("legs", [2, 4, 6, 8])
def test_pairings_are_counted_by_the_double_factorial(legs):
    every = w.pairings(legs)
    assert len(set(every)) == len(every) == sp.factorial2(legs - 1)
    for p in every:
        assert all(p[p[leg]] == leg != p[leg] for leg in range(legs))


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_weingarten_inverts_the_gram_matrix(order):
    every, n = w.pairings(2 * order), 7
    values = {kind: Fraction(int(v.p), int(v.q)) for kind, v in w.weingarten(order, sp.Integer(n)).items()}
    column = [values[w.coset_type(q, every[0])] for q in every]
    for i, p in enumerate(every):
        row = [n ** len(w.coset_type(p, q)) for q in every]
        assert sum(a * b for a, b in zip(row, column)) == (i == 0)


@pytest.mark.parametrize(
    ("powers", "value"),
    [((1, 1), 1), ((2,), 1), ((1, 1, 1, 1), 3), ((2, 2), 3), ((1, 1, 2), 1), ((1, 3), 0), ((4,), 1), ((1, 2), 0)],
)
def test_traces_of_rotations_have_the_moments_of_independent_normals(powers, value):
    """Diaconis and Evans: tr Q^j has mean 1 for even j and 0 for odd, and variance j, exactly at these orders."""
    assert w.trace_moment(powers, steps.m) == value


def test_moments_of_elements_against_the_sphere():
    """E Q_11^4 = 3/(p(p+2)), a moment of a uniform unit vector, from the sum over pairings."""
    total = sum(w.weingarten(2, steps.p)[w.coset_type(a, b)] for a in w.pairings(4) for b in w.pairings(4))
    assert sp.cancel(total - 3 / (steps.p * (steps.p + 2))) == 0


@pytest.mark.parametrize("name", ["forgetting", "limiting", "monotone_until", "even_at"])
def test_derivation_replays(name):
    assert getattr(d, name).derivation.replay()


@pytest.mark.parametrize(
    ("p", "rank", "m", "values"),
    [(9, 4, 5, ("746/27027", "3359/54054", "2488/9009")), (12, 7, 12, ("47/132", "9/88", "283/264"))],
)
def test_exact_values(p, rank, m, values):
    for expr, value in zip((d.C1, d.C2, d.F), values):
        assert expr.subs({d.p: p, d.d: rank, d.m: m}) == sp.Rational(value)


@pytest.mark.parametrize("name", PREDICTIONS)
@settings(max_examples=20, deadline=None, derandomize=True)
@given(data=st.data())
def test_double_precision_against_fifty_digits(name, data):
    prediction = PREDICTIONS[name]
    point = {}
    if "p" in prediction.space:
        p = data.draw(st.integers(4, 2000))
        point = {"p": p, "d": data.draw(st.integers(1, min(p, 60))), "m": data.draw(st.integers(2, p))}
    ranges = {"alpha": unit, "beta": unit, "share": unit, "decay": st.floats(0, 2)}
    point |= {k: data.draw(ranges[k]) for k in prediction.space.names if k in ranges}
    value, exact = float(prediction(**point)), prediction.mp(**point)
    # Subnormal numbers have fewer digits.
    assert abs(value - exact) <= 1e-10 * abs(exact) + 1e-300


@pytest.mark.parametrize(("name", "point"), [(name, point) for name, f in PREDICTIONS.items() for point in f.corners])
def test_corners_against_fifty_digits(name, point):
    if point.get("d", 0) > 100 and name == "spectrum":
        point = {**point, "d": 100}
    exact = PREDICTIONS[name].mp(**point)
    assert abs(float(PREDICTIONS[name](**point)) - exact) <= 1e-10 * abs(exact)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(p=st.integers(4, 200), data=st.data())
def test_means_of_squares_are_not_negative(p, data):
    """So that data with all singular values at their bound are the worst."""
    at = {"p": p, "d": data.draw(st.integers(1, p)), "m": data.draw(st.integers(2, p))}
    assert float(d.own_direction(**at)) > 0.0
    assert float(d.exact(d.NUMERATORS["C2"])(**at)) >= 0.0


def test_what_is_lost_in_the_own_direction_may_be_less_than_in_another():
    assert float(d.exact(d.NUMERATORS["C1"])(p=11, d=3, m=5)) < 0.0


@settings(max_examples=40, deadline=None, derandomize=True)
@given(p=st.integers(4, 200), data=st.data())
def test_special_cases(p, data):
    m, rank = data.draw(st.integers(2, p)), data.draw(st.integers(1, p))
    assert float(d.forgetting(p=p, d=p, m=m)) == pytest.approx(2 * m / p, rel=1e-14)
    unrelated = rank * (p**2 + 2 * rank * p - rank**2 + 2 * p - 4) / (p * (p - 1) * (p + 2))
    assert float(d.forgetting(p=p, d=rank, m=p)) == pytest.approx(unrelated, rel=1e-13)
    # A single sample: the teacher's own direction is all there is.
    assert float(d.own_direction(p=p, d=1, m=m)) == pytest.approx(float(d.forgetting(p=p, d=1, m=m)), rel=1e-14)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(p=st.integers(6, 100), data=st.data())
def test_more_data_forget_more_and_all_data_rise_with_dissimilarity(p, data):
    m, rank = data.draw(st.integers(2, p)), data.draw(st.integers(1, p - 1))
    assert float(d.forgetting(p=p, d=rank + 1, m=m)) > float(d.forgetting(p=p, d=rank, m=m))
    few, more = data.draw(st.integers(2, p - 1)), p
    assert float(d.forgetting(p=p, d=p, m=few)) < float(d.forgetting(p=p, d=p, m=more))


def test_a_single_direction_in_closed_form():
    """d = 1: A is one element of O, cosine c of the turn, and the loss is E c^2 (1-c)^2; m = p: E c^2 + E c^4."""
    for p in (4, 9, 30):
        assert float(d.forgetting(p=p, d=1, m=p)) == pytest.approx(1 / p + 3 / (p * (p + 2)), rel=1e-14)


def test_the_finite_size_tends_to_the_limit_like_one_over_p():
    p = np.array([200, 2000])
    gaps = p * (d.forgetting(p=p, d=p // 4, m=p // 2) - d.limiting(alpha=0.5, beta=0.75))
    assert gaps[1] == pytest.approx(gaps[0], rel=0.05)
    other = d.exact(d.NUMERATORS["C2"])(p=2000, d=500, m=1000) * 2000
    assert other == pytest.approx(float(d.limiting_other(alpha=0.5, beta=0.75)), rel=5e-3)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(beta=unit)
def test_edges_of_the_limit(beta):
    assert float(d.limiting(alpha=1.0, beta=beta)) == pytest.approx((1 - beta) * (2 - beta**2), rel=1e-12)
    assert float(d.limiting(alpha=0.0, beta=beta)) == 0.0
    assert float(d.limiting(alpha=beta, beta=1.0)) == pytest.approx((beta * (1 - beta)) ** 2, rel=1e-12, abs=1e-300)
    assert float(d.limiting(alpha=beta, beta=0.0)) == pytest.approx(2 * beta, rel=1e-12)


def test_shapes_on_either_side_of_the_thresholds():
    alpha = np.linspace(0.0, 1.0, 201)
    for beta, monotone, top in ((0.915, True, 1.0), (0.92, False, 1.0), (0.944, False, 1.0), (0.949, False, 0.53)):
        values = d.limiting(alpha=alpha, beta=beta)
        assert bool(np.all(np.diff(values) > 0)) == monotone
        assert alpha[np.argmax(values)] == pytest.approx(top, abs=0.03)


@pytest.mark.parametrize("name", ["monotone_until", "peak_beyond"])
def test_the_search_brackets_its_own_error(name):
    found, exact = getattr(search, name).evaluate(), getattr(d, name).mp()
    assert abs(float(found.value) - float(exact)) <= float(found.error) < 1e-7


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ({"p": 3, "d": 2, "m": 2}, "p = 3 is outside its domain"),
        ({"m": 1}, "m = 1 is outside its domain integers 2..10000"),
        ({"d": 21}, "the rank is at most the number of parameters"),
        ({"m": 21}, "no more directions can be turned than there are"),
    ],
)
def test_bad_input_is_named(point, message):
    with pytest.raises(DomainError, match=message):
        d.forgetting(**point)


@pytest.mark.parametrize(
    ("simulation", "at"),
    [
        (sims.isotropic, {"p": 8, "d": 3, "m": 5}),
        (sims.isotropic, {"p": 8, "d": 5, "m": 3}),
        (sims.spectrum, {"p": 7, "d": 3, "m": 5, "decay": 0.5, "share": 0.3}),
        (sims.descent, {"p": 7, "d": 3, "m": 2, "decay": 0.5, "share": 0.3, "steps": 5}),
        (sims.against_unrelated, {"p": 12, "alpha": 0.5, "beta": 0.75}),
        (sims.one_sample, {"p": 6, "alpha": 0.5}),
    ],
)
def test_twins_and_array_standard(simulation, at):
    demand_twins(simulation, at)
    demand_array_standard(simulation, at)


def test_gradient_descent_ends_at_the_nearest_interpolators():
    at = {"p": 7, "d": 3, "m": 4, "decay": 0.5, "share": 0.3}
    key = Stream.from_seed(5).key
    limit, early = (sims.spectrum(20, Stream(key, "numpy"), **at)["value"] for _ in range(2))
    np.testing.assert_array_equal(limit, early)
    late = sims.descent(20, Stream(key, "numpy"), **at, steps=200)["value"]
    np.testing.assert_allclose(late, limit, rtol=1e-9, atol=1e-12)


def literal(trials, p, rank, m, fixed=True):
    """Loss of a fixed task after its copy turned by Q_p blockdiag(Q_m, I) Q_p^T, pseudo-inverses and all."""
    random = np.random.default_rng(1)

    def haar(n):
        q, r = np.linalg.qr(random.normal(size=(trials, n, n)))
        return q * np.sign(np.einsum("tii->ti", r))[:, None, :] if fixed else q

    design, outer, inner = np.eye(rank, p), haar(p), np.tile(np.eye(p), (trials, 1, 1))
    inner[:, :m, :m] = haar(m)
    turned = design @ outer @ inner @ np.swapaxes(outer, 1, 2)
    w1 = np.linalg.pinv(design) @ design @ np.eye(p)[:, :rank]
    w2 = w1 + np.linalg.pinv(turned) @ (design @ w1 - turned @ w1)
    losses = np.sum((design @ (w2 - w1)) ** 2, axis=(1, 2)) / rank
    return np.mean(losses), np.std(losses) / np.sqrt(trials)


@pytest.mark.parametrize(("p", "rank", "m"), [(6, 3, 5), (6, 4, 2), (9, 4, 5)])
def test_the_literal_algorithm(p, rank, m):
    """Five standard errors: by chance once in a million seeds."""
    mean, error = literal(4000, p, rank, m)
    assert abs(mean - float(d.forgetting(p=p, d=rank, m=m))) < 5 * error


def test_a_rotation_without_its_signs_is_not_haar_and_is_noticed():
    """A third too much; what LAPACK returns is the law of its own convention."""
    mean, error = literal(4000, 6, 3, 5, fixed=False)
    assert abs(mean - float(d.forgetting(p=6, d=3, m=5))) > 8 * error
