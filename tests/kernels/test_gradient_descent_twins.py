"""Gradient descent of networks: twins, finite differences, linear networks by hand, precision and memory."""

from __future__ import annotations

import numpy as np
import pytest

from theorylab.kernels.gradient_descent import ACTIVATIONS, descend, descend_numba, train
from theorylab.kernels.random import Stream

KEY = np.array([11, 12], dtype=np.uint32)
TIMES = np.array([0, 3, 8])
WIDTHS = {"linear map": [3, 2], "two layers": [3, 6, 1], "deep": [3, 5, 7, 4, 2]}


def data(widths, m=9, q=4):
    source = np.random.default_rng(len(widths))
    return source.standard_normal((m, 3)), source.standard_normal((m, widths[-1])), source.standard_normal((q, 3))


def options(widths, activation="tanh", **changes):
    scales = [1 / np.sqrt(n) for n in widths[:-1]]
    rates = np.linspace(0.02, 0.05, len(scales))
    return {"scales": scales, "rates": rates, "activation": activation, "times": TIMES, **changes}


def run(backend, widths, activation="tanh", trials=5, first_trial=0, **changes):
    x, y, test = data(widths)
    rng = Stream(KEY, backend, first_trial=first_trial)
    return train(trials, rng, x, y, widths=widths, test=test, **options(widths, activation, **changes))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("widths", WIDTHS.values(), ids=WIDTHS)
def test_twins_agree_replica_by_replica(widths, activation):
    a, b = (run(backend, widths, activation) for backend in ("numpy", "numba"))
    assert a.shape == (5, 3, 13, widths[-1])
    np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_array_code_keeps_to_the_standard(activation):
    strict = pytest.importorskip("array_api_strict", reason="array-api-strict is not installed")
    x, y, test = data(WIDTHS["deep"])
    weights = [np.random.default_rng(0).standard_normal((2, n, p)) for n, p in ((5, 3), (7, 5), (4, 7), (2, 4))]
    expected, last = descend(weights, x, y, points=test, **options(WIDTHS["deep"], activation))
    wrapped = [strict.asarray(w) for w in weights]
    rest = strict.asarray(x), strict.asarray(y)
    got, ends = descend(wrapped, *rest, points=strict.asarray(test), **options(WIDTHS["deep"], activation))
    np.testing.assert_array_equal(np.asarray(got), expected)
    for a, b in zip(ends, last):
        np.testing.assert_array_equal(np.asarray(a), b)


@pytest.mark.parametrize("body", [descend, descend_numba])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_step_goes_down_the_gradient_of_the_loss(activation, body):
    """Central differences of the loss, error 1e-9 or so."""
    widths = WIDTHS["deep"]
    x, y, _ = data(widths)
    source = np.random.default_rng(1)
    weights = [source.standard_normal((1, n, p)) for n, p in zip(widths[1:], widths[:-1])]
    chosen = options(widths, activation, times=np.array([1]))
    _, after = body(weights, x, y, **chosen)

    def loss(changed):
        outputs, _ = descend(changed, x, y, **{**chosen, "times": np.array([0])})
        return 0.5 * np.sum((outputs[0, 0] - y) ** 2)

    for l, rate in enumerate(chosen["rates"]):
        for index in ((0, 0, 0), (0, 1, 2), (0, -1, -1)):
            ends = []
            for sign in (1, -1):
                changed = [w.copy() for w in weights]
                changed[l][index] += sign * 1e-5
                ends.append(loss(changed))
            slope = (ends[0] - ends[1]) / 2e-5
            np.testing.assert_allclose((weights[l] - after[l])[index], rate * slope, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_a_linear_map_follows_its_closed_form(backend):
    """f(t) - y = (1 - rate * scale^2 X X^T)^t (f(0) - y)."""
    x, y, _ = data([3, 2])
    chosen = {"scales": [0.7], "rates": [0.1], "activation": "linear", "times": np.array([0, 20])}
    outputs = train(3, Stream(KEY, backend), x, y, widths=[3, 2], **chosen)
    step = np.linalg.matrix_power(np.eye(len(x)) - 0.1 * 0.49 * x @ x.T, 20)
    np.testing.assert_allclose(outputs[:, 1] - y, step @ (outputs[:, 0] - y), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_initial_weights_are_the_streams(backend):
    widths = WIDTHS["two layers"]
    rng = Stream(KEY, backend)
    first, second = rng.normal(5, 6, 3), rng.normal(5, 1, 6)
    x, _, test = data(widths)
    points = np.concatenate([x, test])
    hidden = np.tanh(points @ first.transpose(0, 2, 1) / np.sqrt(3))
    expected = hidden @ second.transpose(0, 2, 1) / np.sqrt(6)
    np.testing.assert_allclose(run(backend, widths)[:, 0], expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_less_memory_and_other_batches_change_no_bit(backend):
    whole = run(backend, WIDTHS["deep"])
    np.testing.assert_array_equal(run(backend, WIDTHS["deep"], memory=12000.0), whole)
    parts = [run(backend, WIDTHS["deep"], trials=n, first_trial=start) for start, n in ((0, 2), (2, 3))]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("body", [descend, descend_numba])
def test_given_weights_are_left_alone_and_training_goes_on_from_the_last(body):
    widths = WIDTHS["two layers"]
    x, y, _ = data(widths)
    source = np.random.default_rng(2)
    weights = [source.standard_normal((2, n, p)) for n, p in zip(widths[1:], widths[:-1])]
    kept = [w.copy() for w in weights]
    outputs, last = body(weights, x, y, **options(widths))
    for w, before in zip(weights, kept):
        np.testing.assert_array_equal(w, before)
    _, middle = body(weights, x, y, **options(widths, times=np.array([3])))
    outputs_after, end = body(middle, x, y, **options(widths, times=np.array([5])))
    np.testing.assert_array_equal(outputs_after[:, 0], outputs[:, 2])
    np.testing.assert_array_equal(end[0], last[0])


def test_a_layer_of_rate_zero_is_frozen():
    widths = WIDTHS["two layers"]
    x, y, _ = data(widths)
    weights = [np.ones((1, 6, 3)), np.ones((1, 1, 6))]
    _, last = descend_numba(weights, x, y, **options(widths, rates=[0.0, 0.1]))
    np.testing.assert_array_equal(last[0], weights[0])
    assert np.all(last[1] != weights[1])


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_single_precision_follows_double(activation):
    double = run("numba", WIDTHS["deep"], activation)
    for backend in ("numpy", "numba"):
        single = run(backend, WIDTHS["deep"], activation, dtype=np.float32)
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, double, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize(("change", "message"), [
    ({"activation": "sin"}, "activation 'sin'; known are linear, relu, tanh, erf"),
    ({"scales": [1.0]}, "2 layers of weights, 1 scales"), ({"times": np.array([2, 2])}, "times must be ascending"),
    ({"memory": 100.0}, "one replica takes .* bytes of the 100 allowed"),
    ({"widths": [3, 6, 2]}, "do not fit"), ({"widths": [4, 6, 1]}, "do not fit"),
])  # fmt: skip
@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_bad_input_is_refused(backend, change, message):
    x, y, _ = data([3, 6, 1])
    arguments = {"widths": [3, 6, 1], **options([3, 6, 1]), **change}
    with pytest.raises(ValueError, match=message):
        train(2, Stream(KEY, backend), x, y, **arguments)
