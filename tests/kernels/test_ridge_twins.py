"""Ridge regression: twins, primal against dual, limits of the penalty, and 50 digits where it is ill-conditioned."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from theorylab.kernels.least_squares import (
    FORMS,
    minimum_norm,
    minimum_norm_numpy,
    ridge,
    ridge_numba,
    ridge_numpy,
)
from theorylab.kernels.random import Stream

# On both sides of the order from which LAPACK takes over.
SHAPES = [(30, 20), (20, 30), (12, 12), (5, 1), (1, 5), (1, 1), (130, 100), (90, 110)]
BODIES = pytest.mark.parametrize("body", [ridge_numba, ridge])


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(limits=1):
        yield


def problem(n, p, trials=8):
    stream = Stream.from_seed(2)
    return stream.normal(trials, n, p), stream.normal(trials, n)


def distance(a, b):
    """Largest relative distance of two batches of vectors."""
    return np.max(np.linalg.norm(np.asarray(a) - b, axis=1) / np.linalg.norm(b, axis=1))


@BODIES
@pytest.mark.parametrize("penalty", [1e-3, 1.0, 1e4])
@pytest.mark.parametrize(("n", "p"), SHAPES)
def test_twins_agree_trial_by_trial_and_the_primal_form_is_the_dual_one(n, p, penalty, body):
    design, response = problem(n, p)
    expected = ridge_numpy(design, response, penalty)
    for form in FORMS:
        assert distance(body(design, response, penalty, form), expected) < 1e-12


@pytest.mark.parametrize("body", [ridge_numpy, ridge_numba, ridge])
def test_the_gradient_vanishes(body):
    design, response = problem(25, 15)
    found = body(design, response, 0.7)
    residual = response - np.einsum("tnp,tp->tn", design, found)
    np.testing.assert_allclose(np.einsum("tnp,tn->tp", design, residual), 0.7 * found, atol=1e-12)


@BODIES
@pytest.mark.parametrize(("n", "p"), [(40, 25), (25, 40), (150, 90)])
def test_small_penalties_lead_to_the_solution_of_least_norm(n, p, body):
    """The distance from it is linear in the penalty, down to zero itself."""
    design, response = problem(n, p)
    limit = minimum_norm_numpy(design, response)
    assert distance(body(design, response, 0.0), limit) < 1e-12
    gaps = [distance(body(design, response, penalty), limit) for penalty in (1e-4, 1e-6)]
    np.testing.assert_allclose(gaps[0] / gaps[1], 100.0, rtol=1e-3)


@BODIES
def test_large_penalties_lead_to_the_scaled_gradient(body):
    design, response = problem(20, 30)
    gradient = np.einsum("tnp,tn->tp", design, response)
    assert distance(1e9 * body(design, response, 1e9), gradient) < 1e-6


def exact(x, y, penalty):
    """Fifty digits by the primal normal equations, or the dual ones if those are smaller."""
    with mpmath.workdps(50):
        a, b = mpmath.matrix(x), mpmath.matrix(y)
        if x.shape[0] >= x.shape[1]:
            found = mpmath.lu_solve(a.T * a + penalty * mpmath.eye(a.cols), a.T * b)
        else:
            found = a.T * mpmath.lu_solve(a * a.T + penalty * mpmath.eye(a.rows), b)
        return np.array([[float(v) for v in found]])


@BODIES
@pytest.mark.parametrize("tall", [True, False])
@pytest.mark.parametrize("condition", [1e1, 1e4, 1e7, 1e10])
@pytest.mark.parametrize("penalty", [1e-18, 1e-12, 1e-6, 1.0])
def test_accuracy_against_fifty_digits(condition, penalty, tall, body):
    """Errors of the order of the condition number of the design stacked on the root of the penalty, in both forms."""
    source = np.random.default_rng(4)
    left, right = np.linalg.qr(source.normal(size=(12, 6)))[0], np.linalg.qr(source.normal(size=(6, 6)))[0]
    x = (left * np.geomspace(1, 1 / condition, 6)) @ right
    x = x if tall else np.ascontiguousarray(x.T)
    y = x @ source.normal(size=x.shape[1])
    truth, worst = exact(x, y, penalty), min(condition, penalty**-0.5)
    for form in FORMS:
        assert distance(body(x[None], y[None], penalty, form), truth) < 60 * worst * 2.0**-52


@BODIES
@pytest.mark.parametrize("order", [6, 100])
def test_singular_designs_leave_the_other_trials_alone(order, body):
    """A Gram matrix without a Cholesky factor goes to the reference; the forms with more unknowns always do."""
    design, response = problem(order + 5, order, 3)
    design[1, :, -1] = 0.0
    for penalty in (0.0, 1e-30, 2.0):
        found = body(design, response, penalty)
        alone = np.concatenate([body(design[i : i + 1], response[i : i + 1], penalty) for i in range(3)])
        assert distance(found, alone) < 1e-13
        assert abs(found[1, -1]) < 1e-14
    limit = minimum_norm_numpy(design[:1], response[:1])
    assert distance(body(design[:1], response[:1], 0.0, "dual"), limit) < 1e-12


@pytest.mark.parametrize(("n", "p"), [(30, 20), (20, 30), (8, 8)])
def test_array_code_keeps_to_the_standard(n, p):
    strict = pytest.importorskip("array_api_strict", reason="array-api-strict is not installed")
    design, response = problem(n, p)
    mine, labels = strict.asarray(design), strict.asarray(response)
    assert distance(minimum_norm(mine, labels), minimum_norm_numpy(design, response)) < 1e-9
    for penalty in (0.0, 0.1):
        assert distance(ridge_numpy(mine, labels, penalty), ridge_numpy(design, response, penalty)) < 1e-12
        for form in FORMS if penalty else ["auto"]:
            got = ridge(mine, labels, penalty, form)
            assert distance(got, ridge(design, response, penalty, form)) < 1e-12
    singular = np.array(design)
    singular[0, :, 0] = 0.0
    assert np.asarray(ridge(strict.asarray(singular), labels, 0.0)).shape == (8, p)


@pytest.mark.parametrize("body", [ridge_numba, ridge])
@pytest.mark.parametrize(("change", "message"), [
    ({"penalty": -1.0}, "penalty -1.0 must be 0 or more"), ({"penalty": np.nan}, "penalty nan must be"),
    ({"form": "gram"}, "form 'gram'; known are auto, primal, dual"), ({"response": np.ones((2, 4))}, "do not fit"),
    ({"design": np.ones((5, 3))}, "do not fit"),
])  # fmt: skip
def test_bad_input_is_refused(body, change, message):
    arguments = {"design": np.ones((2, 5, 3)), "response": np.ones((2, 5)), "penalty": 1.0, "form": "auto", **change}
    with pytest.raises(ValueError, match=message):
        body(**arguments)
