"""Gradient descent of networks: twins, finite differences, linear networks by hand, precision and memory."""

from __future__ import annotations

import numpy as np
import pytest

from theorylab.kernels.activations import ACTIVATIONS
from theorylab.kernels.gradient_descent import descend, descend_numba, descender, hidden_features, train
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


def weights_of(widths, replicas=2, seed=0):
    """Weights, and arguments for biases."""
    source = np.random.default_rng(seed)
    weights = [source.standard_normal((replicas, n, p)) for n, p in zip(widths[1:], widths[:-1])]
    biases = [source.standard_normal((replicas, n)) for n in widths[1:]]
    return weights, {"biases": biases, "bias_scales": np.linspace(0.3, 0.6, len(biases))}


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
    weights, biases = weights_of(WIDTHS["deep"])
    chosen = {**options(WIDTHS["deep"], activation), "kernels": True}
    expected = descend(weights, x, y, points=test, **chosen, **biases)
    wrapped = [strict.asarray(w) for w in weights]
    moved = {**biases, "biases": [strict.asarray(b) for b in biases["biases"]]}
    rest = strict.asarray(x), strict.asarray(y)
    got = descend(wrapped, *rest, points=strict.asarray(test), **chosen, **moved)
    np.testing.assert_array_equal(np.asarray(got.outputs), expected.outputs)
    np.testing.assert_array_equal(np.asarray(got.kernels), expected.kernels)
    for a, b in zip([*got.weights, *got.biases], [*expected.weights, *expected.biases]):
        np.testing.assert_array_equal(np.asarray(a), b)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("rates", [(0.02, 0.03, 0.04), (0.0, 0.03, 0.04), (0.0, 0.0, 0.04), (0.03, 0.0, 0.04)])
def test_twins_agree_with_biases_moments_and_frozen_layers(activation, rates):
    widths = [3, 6, 5, 2]
    x, y, test = data(widths)
    weights, biases = weights_of(widths)
    chosen = options(widths, activation, rates=rates, kernels=True, points=test)
    a, b = (body(weights, x, y, **chosen, **biases) for body in (descend, descend_numba))
    for mine, theirs in zip(
        [a.outputs, a.kernels, *a.weights, *a.biases], [b.outputs, b.kernels, *b.weights, *b.biases]
    ):
        np.testing.assert_allclose(mine, theirs, rtol=1e-11, atol=1e-12)
    assert a.kernels.shape == (2, 3, 2, 4, 4)
    for l, rate in enumerate(rates):
        assert np.array_equal(a.weights[l], weights[l]) == (rate == 0)
        assert np.array_equal(b.biases[l], biases["biases"][l]) == (rate == 0)


@pytest.mark.parametrize("body", [descend, descend_numba])
def test_moments_of_hidden_layers(body):
    """At the start, by their definition; after training, from the weights that it ends with."""
    widths = [3, 6, 5, 2]
    x, y, test = data(widths)
    weights, biases = weights_of(widths)
    chosen = options(widths, kernels=True, points=test)
    trained = body(weights, x, y, **chosen, **biases)
    for j, (w, b) in ((0, (weights, biases["biases"])), (-1, (trained.weights, trained.biases))):
        a = np.broadcast_to(test, (2, *test.shape))
        for l in range(2):
            h = chosen["scales"][l] * a @ w[l].transpose(0, 2, 1) + biases["bias_scales"][l] * b[l][:, None, :]
            a = np.tanh(h)
            np.testing.assert_allclose(trained.kernels[:, j, l], a @ a.transpose(0, 2, 1) / a.shape[2], rtol=1e-12)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_features_have_the_moments_of_the_last_hidden_layer(activation):
    widths = [3, 6, 5, 2]
    x, y, test = data(widths)
    weights, biases = weights_of(widths)
    chosen = options(widths, activation, kernels=True, points=test, times=np.array([0]))
    expected = descend(weights, x, y, **chosen, **biases).kernels[:, 0, 1]
    hidden = {"biases": biases["biases"][:2], "bias_scales": biases["bias_scales"][:2]}
    a = hidden_features(weights[:2], test, scales=chosen["scales"][:2], activation=activation, **hidden)
    np.testing.assert_allclose(a @ a.transpose(0, 2, 1) / 5, expected, rtol=1e-12)
    with pytest.raises(ValueError, match="known are"):
        hidden_features(weights[:2], test, scales=[1.0, 1.0], activation="sin")


@pytest.mark.parametrize("body", [descend, descend_numba])
def test_a_bias_is_an_input_that_is_one(body):
    """Of a single layer: the same map, with the bias as one more column."""
    x, y, test = data([3, 2])
    weights, biases = weights_of([3, 2])
    ends = body(weights, x, y, **options([3, 2], "linear", scales=[0.5], points=test), **biases)
    column = biases["biases"][0][:, :, None]
    ratio = biases["bias_scales"][0] / 0.5
    more = [np.concatenate([a, np.full((len(a), 1), ratio)], axis=1) for a in (x, test)]
    wide = body(
        [np.concatenate([weights[0], column], axis=2)], more[0], y,
        **options([3, 2], "linear", scales=[0.5], points=more[1]),
    )  # fmt: skip
    np.testing.assert_allclose(ends.outputs, wide.outputs, rtol=1e-11)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_biases_are_drawn_after_the_weights(backend):
    widths = WIDTHS["two layers"]
    x, y, test = data(widths)
    rng = Stream(KEY, backend)
    weights, biases = [rng.normal(5, 6, 3), rng.normal(5, 1, 6)], [rng.normal(5, 6), rng.normal(5, 1)]
    points, scales = np.concatenate([x, test]), [0.3, 0.2]
    expected = descender(backend)(
        weights, x, y, points=points, biases=biases, bias_scales=scales, **options(widths)
    ).outputs
    np.testing.assert_array_equal(run(backend, widths, bias_scales=scales), expected)


@pytest.mark.parametrize("body", [descend, descend_numba])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_step_goes_down_the_gradient_of_the_loss(activation, body):
    """Central differences of the loss, error 1e-9 or so."""
    widths = WIDTHS["deep"]
    x, y, _ = data(widths)
    weights, extra = weights_of(widths, 1, seed=1)
    chosen = {**options(widths, activation, times=np.array([1])), "bias_scales": extra["bias_scales"]}
    after = body(weights, x, y, biases=extra["biases"], **chosen)

    def loss(changed):
        start = {**chosen, "times": np.array([0])}
        outputs = descend(changed[:4], x, y, biases=changed[4:], **start).outputs
        return 0.5 * np.sum((outputs[0, 0] - y) ** 2)

    before, ends = [*weights, *extra["biases"]], [*after.weights, *after.biases]
    for l, rate in enumerate([*chosen["rates"], *chosen["rates"]]):
        for index in ((0, 0, 0), (0, 1, 2), (0, -1, -1)) if l < 4 else ((0, 0), (0, -1)):
            losses = []
            for sign in (1, -1):
                changed = [w.copy() for w in before]
                changed[l][index] += sign * 1e-5
                losses.append(loss(changed))
            slope = (losses[0] - losses[1]) / 2e-5
            np.testing.assert_allclose((before[l] - ends[l])[index], rate * slope, rtol=1e-6, atol=1e-9)


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
    outputs, last, *_ = body(weights, x, y, **options(widths))
    for w, before in zip(weights, kept):
        np.testing.assert_array_equal(w, before)
    middle = body(weights, x, y, **options(widths, times=np.array([3]))).weights
    outputs_after, end, *_ = body(middle, x, y, **options(widths, times=np.array([5])))
    np.testing.assert_array_equal(outputs_after[:, 0], outputs[:, 2])
    np.testing.assert_array_equal(end[0], last[0])


def test_a_layer_of_rate_zero_is_frozen():
    widths = WIDTHS["two layers"]
    x, y, _ = data(widths)
    weights = [np.ones((1, 6, 3)), np.ones((1, 1, 6))]
    last = descend_numba(weights, x, y, **options(widths, rates=[0.0, 0.1])).weights
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
    ({"bias_scales": [0.1]}, "2 layers of weights, 2 of biases, 1 scales of biases"),
    ({"widths": [3, 6, 2]}, "do not fit"), ({"widths": [4, 6, 1]}, "do not fit"),
])  # fmt: skip
@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_bad_input_is_refused(backend, change, message):
    x, y, _ = data([3, 6, 1])
    arguments = {"widths": [3, 6, 1], **options([3, 6, 1]), **change}
    with pytest.raises(ValueError, match=message):
        train(2, Stream(KEY, backend), x, y, **arguments)
