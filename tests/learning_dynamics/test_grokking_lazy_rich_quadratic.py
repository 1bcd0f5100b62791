"""Quadratic networks between lazy and rich training: references, limits, symmetries, twins, bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation_twins import demand_twins

from theorylab.derivations.learning_dynamics import grokking_dmft as dmft
from theorylab.derivations.learning_dynamics import grokking_lazy, grokking_losses
from theorylab.derivations.learning_dynamics import grokking_lazy_rich_quadratic as d
from theorylab.derivations.learning_dynamics.grokking_modes import Modes
from theorylab.derivations.learning_dynamics.grokking_population import Population, alike
from theorylab.errors import DomainError
from theorylab.kernels import quadratic_descent
from theorylab.kernels.random import Stream
from theorylab.prediction import ClosedForm, Prediction, PredictionError
from theorylab.sims.learning_dynamics import quadratic_moments as moments
from theorylab.sims.learning_dynamics import quadratic_network as q
from theorylab.sims.learning_dynamics import quadratic_training as training

fixed = settings(derandomize=True, deadline=None, max_examples=25)
PREDICTIONS = {name: value for name, value in vars(d).items() if isinstance(value, Prediction)}
CLOSED = [name for name, value in PREDICTIONS.items() if isinstance(value, ClosedForm)]


def vectors(neurons: int, size: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Weights [N, D] and a teacher [D] of squared length D."""
    rng = np.random.default_rng(seed)
    beta = rng.standard_normal(size)
    return rng.standard_normal((neurons, size)), beta * np.sqrt(size) / np.linalg.norm(beta)


@pytest.mark.parametrize("name", CLOSED)
def test_closed_forms_to_fifty_digits(name: str) -> None:
    prediction = PREDICTIONS[name]
    at = {"D": 37, "N": 3, "alpha": 1.7, "eps": 0.31}
    for point in (*prediction.corners, {k: v for k, v in at.items() if k in prediction.space}):
        assert float(prediction(**point)) == pytest.approx(float(prediction.mp(**point)), rel=1e-12)


def test_derivations_replay() -> None:
    for derivation in {id(p.derivation): p.derivation for p in PREDICTIONS.values()}.values():
        derivation.replay()


# (A)


def by_matrices(alpha: float, eps: float, w: np.ndarray, beta: np.ndarray, start: np.ndarray | None = None) -> float:
    """The test loss from D x D matrices: E (l.x + x.A x/2)^2 = |l|^2 + (2 tr A^2 + (tr A)^2)/4."""
    n, size = w.shape
    extra = np.zeros_like(w) if start is None else start
    linear = alpha / n * (w - extra).sum(axis=0) / np.sqrt(size)
    form = (alpha * eps / n * (w.T @ w - extra.T @ extra) - np.outer(beta, beta)) / size
    return float(0.5 * (linear @ linear + 0.25 * (2 * np.sum(form**2) + np.trace(form) ** 2)))


@pytest.mark.parametrize(("neurons", "size"), [(1, 2), (2, 5), (4, 7)])
def test_the_loss_of_overlaps_is_that_of_matrices(neurons: int, size: int) -> None:
    w, beta = vectors(neurons, size)
    start, _ = vectors(neurons, size, 1)
    at = {"alpha": 1.3, "eps": 0.7, "overlaps": (w @ w.T / size)[None], "teacher": (w @ beta / size)[None]}
    assert d.TEST_LOSS(**at)[0] == pytest.approx(by_matrices(1.3, 0.7, w, beta), rel=1e-12)
    now, then = (np.vstack([a, beta]) for a in (w, start))
    found = grokking_losses.centred(1.3, 0.7, now @ now.T / size, then @ then.T / size, now @ then.T / size).sum()
    assert found == pytest.approx(by_matrices(1.3, 0.7, w, beta, start), rel=1e-12)


@fixed
@given(st.floats(0.1, 5.0), st.floats(0.1, 3.0))
def test_a_perfect_network_exists(alpha: float, eps: float) -> None:
    q_matrix = np.array([[[1.0, -1.0], [-1.0, 1.0]]]) / (alpha * eps)
    m = np.array([[1.0, -1.0]]) / np.sqrt(alpha * eps)
    assert d.TEST_LOSS(alpha=alpha, eps=eps, overlaps=q_matrix, teacher=m)[0] == pytest.approx(0.0, abs=1e-12)


def test_the_loss_does_not_name_neurons() -> None:
    w, beta = vectors(5, 8)
    order = np.array([3, 0, 4, 1, 2])
    one, two = (
        d.TEST_LOSS(alpha=0.8, eps=1.1, overlaps=(a @ a.T / 8)[None], teacher=(a @ beta / 8)[None])
        for a in (w, w[order])
    )
    assert one == pytest.approx(two, rel=1e-13)


def test_the_loss_at_the_start_is_the_mean_over_weights() -> None:
    """20000 draws; 6 standard errors, false alarm 2e-9."""
    w = np.random.default_rng(3).standard_normal((20_000, 3, 6))
    values = d.TEST_LOSS(alpha=1.2, eps=0.9, overlaps=w @ np.swapaxes(w, 1, 2) / 6, teacher=w[:, :, 0] / np.sqrt(6))
    error = values.std() / np.sqrt(len(values))
    assert abs(values.mean() - float(d.START(D=6, N=3, alpha=1.2, eps=0.9))) < 6 * error


# (B)


@pytest.mark.parametrize("centred", [False, True])
def test_a_step_is_that_of_vectors_along_the_numerical_gradient(centred: bool) -> None:
    alpha, eps, eta, neurons, size = 1.4, 0.6, 0.3, 2, 4
    w, beta = vectors(neurons, size)
    start = w if centred else None
    gradient = np.zeros_like(w)
    for index in np.ndindex(w.shape):
        h = np.zeros_like(w)
        h[index] = 1e-5
        gradient[index] = (
            by_matrices(alpha, eps, w + h, beta, start) - by_matrices(alpha, eps, w - h, beta, start)
        ) / 2e-5
    moved = w - eta * neurons * size / alpha**2 * gradient
    model = Population(alpha, eps, neurons, centred)
    found = model.step(model.gram(w @ w.T / size, w @ beta / size), eta)
    stack = np.vstack([moved, beta, w] if centred else [moved, beta])
    np.testing.assert_allclose(found, stack @ stack.T / size, rtol=1e-8, atol=1e-9)


@settings(fixed, max_examples=6)
@given(st.floats(0.3, 4.0), st.floats(0.2, 1.5), st.floats(0.1, 0.9), st.sampled_from(["plain", "centred"]))
def test_the_flow_descends(alpha: float, eps: float, overlap: float, output: str) -> None:
    time = np.linspace(0.0, 2.0, 5)
    value, error = d.FLOW.evaluate(N=2, alpha=alpha, eps=eps, overlap=overlap, output=output, time=time)
    assert np.all(np.diff(value) <= error[1:] + error[:-1])
    assert np.all(value >= 0)


def test_steps_tend_to_the_flow_with_the_rate() -> None:
    at = {"N": 3, "alpha": 1.0, "eps": 0.6, "overlap": 0.0, "output": "plain"}
    flow = float(d.FLOW(**at, time=2.0))
    gaps = [float(d.short_steps(eta)(**at, time=2.0)) - flow for eta in (0.02, 0.01)]
    assert gaps[0] / gaps[1] == pytest.approx(2.0, rel=0.02)


def test_the_teacher_is_not_found_from_no_overlap() -> None:
    model = Population(1.0, 0.6, 3)
    grams = model.descent(model.gram(*alike(3, 0.0)), 0.1, np.array([50]))
    np.testing.assert_allclose(grams[0, 3, :3], 0.0, atol=1e-14)


# (C)


@pytest.mark.parametrize(
    ("neurons", "overlap", "count"), [(1, 0.3, 1), (2, 0.3, 2), (3, 0.0, 2), (4, 0.3, 3), (6, 0.3, 3)]
)
def test_modes_are_orthogonal_and_complete(neurons: int, overlap: float, count: int) -> None:
    modes = Modes(neurons, overlap, 3)
    assert len(modes.probe) == count
    gram = modes.probe @ modes.probe.T
    np.testing.assert_allclose(gram, np.diag(np.diag(gram)), atol=1e-14)
    assert modes.dimensions.sum() == neurons
    np.testing.assert_allclose(np.diag(modes.overlaps(0, 0)), 1.0, rtol=1e-14)


def forwards(at: dmft.Setting, steps: int, samples: int) -> tuple[list[float], list[np.ndarray]]:
    """The same theory by dense N x N kernels and tangents pushed forwards, on the same samples."""
    n = at.neurons
    normal, weight = dmft.fields(n, steps, samples, 0)
    normal = normal.transpose(0, 2, 1).reshape(samples, -1)
    weight = weight.ravel()
    hs, xi, noise = normal[:, 0], normal[:, 1 : 1 + n], normal[:, 1 + n :].reshape(samples, steps, n)
    modes = Modes(n, at.overlap, steps)
    c = at.alpha / n
    memory = at.eta / (at.alpha * at.nu)

    def matrix(values: np.ndarray) -> np.ndarray:
        out = values[-1] * np.eye(n)
        for vector, value in zip(modes.special, values):
            out += (value - values[-1]) / n * np.outer(vector, vector)
        return out

    force, tangents, train, drifts = [], [], [], []
    origin: Any = None
    slope_start: Any = None
    for t in range(steps + 1):
        u = xi @ matrix(modes.start[:, t]) + modes.load[t] * hs[:, None] * modes.signs
        drive = modes.drive(t)
        for s in range(t):
            u = u + noise[:, s] @ matrix(drive[:, s])
        responses = [matrix(modes.response[:, t, s]) for s in range(t)]
        h = u + memory * sum((force[s] @ responses[s] for s in range(t)), np.zeros_like(u))
        # Last axis: fields u(0..steps) of all neurons, then the teacher's.
        dh = np.zeros((samples, n, (steps + 1) * n + 1))
        dh[:, np.arange(n), t * n + np.arange(n)] = 1.0
        for s in range(t):
            dh += memory * np.einsum("ij,zjk->zik", responses[s], tangents[s])
        slope = 1.0 + at.eps * h
        f = c * np.sum(h + 0.5 * at.eps * h**2, axis=1)
        df = c * np.einsum("zi,zik->zk", slope, dh)
        if t == 0:
            origin, slope_start = (f, df) if at.centred else (0.0 * f, 0.0 * df)
        delta = 0.5 * hs**2 - f + origin
        ddelta = slope_start - df
        ddelta[:, -1] += hs
        force.append(delta[:, None] * slope)
        tangents.append(slope[:, :, None] * ddelta[:, None, :] + at.eps * delta[:, None, None] * dh)
        train.append(0.5 * float(weight @ delta**2))
        mean = np.einsum("z,zik->ik", weight, tangents[t])
        dense = [mean[:, s * n : (s + 1) * n] for s in range(t + 1)]
        drifts.append(mean)
        found = np.array([[p @ k @ p for k in dense] for p in modes.probe])
        products = [np.einsum("z,zi,zj->ij", weight, force[t], force[s]) for s in range(t + 1)]
        special = np.array([[v @ g @ v / n for g in products] for v in modes.special]).reshape(-1, t + 1)
        whole = np.array([np.trace(g) for g in products])
        moment = np.vstack([special, whole - special.sum(axis=0)])
        if t < steps:
            modes.advance(
                t,
                at.eta / at.alpha,
                moment,
                found,
                float(modes.signs @ mean[:, -1]),
                at.eta**2 / (at.alpha**2 * at.nu),
            )
    return train, drifts


@pytest.mark.parametrize(
    ("neurons", "overlap", "centred"),
    [(1, 0.4, False), (2, 0.4, True), (3, 0.0, True), (4, 0.3, True), (4, 0.3, False)],
)
def test_backward_responses_are_forward_tangents(neurons: int, overlap: float, centred: bool) -> None:
    at = dmft.Setting(neurons, 3.0, 1.2, 0.6, 0.2, overlap, centred)
    train, _ = forwards(at, 4, 128)
    np.testing.assert_allclose(dmft.sweep(at, 4, 128, 0).train, train, rtol=1e-9)


def test_the_first_step_by_hand() -> None:
    """N = 1, not centred: the drift of the weights at equal times is -(alpha <phi'^2> - eps <Delta>)."""
    alpha, eps, eta, nu = 1.3, 0.5, 0.1, 2.0
    path = dmft.paths(dmft.Setting(1, nu, alpha, eps, eta, 0.0, False), 1, 32_768)
    norm, error = dmft.median([p.norm for p in path])
    drift = -alpha * (1 + eps**2) + eps * (0.5 - alpha * eps / 2)
    # g = (y - f)(1 + eps h): its square by Isserlis, y = z^2/2 and h independent.
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)
    z, h = np.meshgrid(nodes, nodes)
    w = np.outer(weights, weights) / (2 * np.pi)
    square = np.sum(w * ((0.5 * z**2 - alpha * (h + 0.5 * eps * h**2)) * (1 + eps * h)) ** 2)
    right = (1 + eta / alpha * drift) ** 2 + eta**2 / (alpha**2 * nu) * square
    assert abs(norm[1] - right) < error[1] + 1e-12
    assert error[1] < 1e-3


def test_start_of_the_mean_field_theory() -> None:
    """At t = 0 both losses are known: (A) for any D -> infinity, 3/8 for a centred output."""
    at = {"N": 2, "alpha": 1.0, "eps": 0.6, "eta": 0.1, "t": 0}
    for prediction in (d.TRAIN, d.TEST):
        value, error = prediction.evaluate(**at, output="plain")
        assert abs(value - float(d.START(D=10**9, N=2, alpha=1.0, eps=0.6))) < error + 1e-8
        value, error = prediction.evaluate(**at, output="centred", overlap=0.3)
        assert abs(value - 0.375) < error + 1e-12


def test_losses_on_fresh_samples_agree_with_those_of_the_overlaps() -> None:
    found = dmft.paths(dmft.Setting(2, 3.0, 1.0, 0.6, 0.1, 0.4, True), 10, 32_768)
    fresh, one = dmft.median([p.fresh for p in found])
    test, two = dmft.median([p.test.sum(axis=1) for p in found])
    assert np.all(np.abs(fresh - test) < one + two + 1e-12)
    # The overlaps carry far less noise.
    assert np.all(two[1:] < 0.5 * one[1:])


def test_the_error_of_the_quadrature_covers_finer_ones() -> None:
    at = {"N": 2, "nu": 3.0, "alpha": 1.0, "eps": 0.6, "eta": 0.1, "t": np.arange(13)}
    coarse, error = d.TRAIN.evaluate(**at, samples=4096)
    fine, rest = d.TRAIN.evaluate(**at, samples=65_536)
    assert np.all(np.abs(coarse - fine) < error + rest)
    assert np.all(rest < 0.4 * error)
    assert np.all(rest < 0.004 * fine)


@pytest.mark.parametrize("quantity", [d.train_of, d.test_of])
def test_the_response_at_equal_times_is_the_drift(quantity: Any) -> None:
    at = {"N": 2, "nu": 3.0, "alpha": 1.0, "eps": 0.6, "eta": 0.1, "t": np.array([0, 5])}
    right = d.finite(quantity, "right")(**at)
    wrong = d.finite(quantity, "wrong", equal_time=0.0)(**at)
    assert wrong[0] == pytest.approx(right[0], rel=1e-12)
    assert abs(wrong[1] / right[1] - 1) > 0.2


def test_more_samples_bring_train_and_test_together() -> None:
    at = {"N": 2, "alpha": 1.0, "eps": 0.6, "eta": 0.1, "overlap": 0.4, "output": "centred", "t": 8}
    gaps = [float(d.TEST(**at, nu=nu) - d.TRAIN(**at, nu=nu)) for nu in (2.0, 4.0, 8.0, 1e6)]
    assert np.all(np.diff(gaps) < 0)
    assert gaps[-1] == pytest.approx(0.0, abs=2e-3)


def test_lazier_networks_wait_longer() -> None:
    at = {"N": 2, "nu": 4.0, "eps": 0.4, "eta": 0.2, "overlap": 0.5, "output": "centred", "samples": 2048}
    delays, tests = (
        [float(p(**at, alpha=a, threshold=0.2, steps=48)) for a in (0.4, 0.7)] for p in (d.DELAY, d.TEST_TIME)
    )
    assert 0 < delays[0] < delays[1]
    assert tests[0] < tests[1]


# (D)


def test_the_lazy_reference_is_gradient_descent_on_features() -> None:
    """Kernel descent against descent of the linearised network's own parameters."""
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((1, 9, 4)), rng.standard_normal((1, 4, 3))
    eps, eta = 0.5, 0.1
    found = grokking_lazy.losses(x, w, eps, eta, np.array([0, 7]))[0]
    slopes = 1 + eps * (x[0] @ w[0]) / 2.0
    features = np.einsum("pd,pi->pdi", x[0], slopes).reshape(9, -1) / np.sqrt(3)
    target, v = 0.5 * x[0, :, 0] ** 2, np.zeros(12)
    for _ in range(7):
        v += eta / 9 * features.T @ (target - features @ v)
    assert found[1] == pytest.approx(np.mean((target - features @ v) ** 2) / np.mean(target**2), rel=1e-12)
    assert found[0] == pytest.approx(1.0, rel=1e-13)
    assert found[2] == pytest.approx(1.0, rel=1e-13)
    # The test loss by a Monte Carlo average: 6 standard errors.
    fresh = rng.standard_normal((400_000, 4))
    seen = np.einsum("pd,pi->pdi", fresh, 1 + eps * (fresh @ w[0]) / 2.0).reshape(len(fresh), -1) / np.sqrt(3)
    squares = (0.5 * fresh[:, 0] ** 2 - seen @ v) ** 2 / 0.75
    assert abs(found[3] - squares.mean()) < 6 * squares.std() / np.sqrt(len(fresh))


# Simulations

NET = {"N": 2, "nu": 3.0, "alpha": 1.0, "eps": 0.6, "eta": 0.1}
SIMULATIONS = {
    "finite samples": (
        training.finite_samples,
        {"D": 12, "overlap": 0.4, "output": "centred", "t": np.array([1.0, 5.0]), "runs": 2, **NET},
    ),
    "delay": (
        training.delay,
        {"D": 16, "overlap": 0.5, "output": "centred", "threshold": 0.3, "longest": 30, "runs": 2, **NET},
    ),
    "fresh": (moments.fresh_loss, {"D": 8, "steps": 3, "fresh": 5, **NET}),
    "step": (moments.one_step, {"D": 8, "N": 3, "alpha": 1.0, "eps": 0.6, "eta": 0.2, "overlap": 0.3, "batch": 6}),
    "many": (moments.many_samples, {"D": 8, "overlap": 0.0, "output": "plain", "t": np.array([0.0, 4.0]), **NET}),
    "lazy": (moments.centred_training, {"D": 8, "t": np.array([2.0, 6.0]), **NET, "alpha": 20.0}),
    "kernel": (moments.tangent_kernel, {"D": 5, "N": 3, "eps": 0.8, "inputs": 4}),
}


@pytest.mark.parametrize("name", SIMULATIONS)
def test_twins_and_batches(name: str) -> None:
    demand_twins(*SIMULATIONS[name], rtol=1e-8, atol=1e-11)


def test_array_code_follows_the_standard() -> None:
    strict = pytest.importorskip("array_api_strict", reason="array-api-strict is not installed")
    rng = np.random.default_rng(1)
    x, target, w = rng.standard_normal((2, 9, 4)) / 2, rng.random((2, 9)), rng.standard_normal((2, 4, 6))
    at = {"neurons": 3, "eps": 0.6, "coupling": 0.3, "rate": 0.1, "centred": True, "times": np.array([0, 2, 3])}
    found = quadratic_descent.descend(*(strict.asarray(a) for a in (x, target, w)), **at)
    right = quadratic_descent.descend_numba(x, target, w, **at)
    for one, two in zip(found, right):
        np.testing.assert_allclose(np.asarray(one), two, rtol=1e-11)
    net = q.Network(3, 2, 0.9, 0.6, True)
    np.testing.assert_allclose(np.asarray(q.test_loss(net, found)), q.test_loss(net, right), rtol=1e-11)
    controls = training._controls(
        net, strict.asarray(x), strict.asarray(w), found.own[:, 0, ...], found.teacher[:, 0, ...], 0.2
    )
    falls = training._crossing(found.train, float(right.train.mean()))
    assert np.all(np.isfinite(np.asarray(controls)))
    assert np.all(np.isfinite(np.asarray(falls)))


@pytest.mark.parametrize("centred", [False, True])
def test_a_compiled_step_is_gradient_descent(centred: bool) -> None:
    """Against the numerical gradient of the train loss."""
    rng = np.random.default_rng(2)
    x, target, w = rng.standard_normal((1, 7, 3)), rng.random((1, 7)), rng.standard_normal((1, 3, 2))

    def loss(v: np.ndarray) -> float:
        f, f0 = (0.5 * np.sum(h + 0.3 * h**2, axis=1) for h in (x[0] @ v, x[0] @ w[0]))
        return float(0.5 * np.sum((target[0] - f + (f0 if centred else 0.0)) ** 2))

    gradient = np.zeros((3, 2))
    for index in np.ndindex(3, 2):
        h = np.zeros((3, 2))
        h[index] = 1e-6
        gradient[index] = (loss(w[0] + h) - loss(w[0] - h)) / 2e-6
    # dw = rate x^T (Delta phi') is rate/coupling times the gradient of half the sum of squares.
    moved = w[0] - 0.2 * gradient
    course = quadratic_descent.descend_numba(
        x, target, w, neurons=2, eps=0.6, coupling=0.5, rate=0.1, centred=centred, times=np.array([0, 1])
    )
    np.testing.assert_allclose(course.own[0, 1, 0], moved.T @ moved / 3, rtol=1e-7)
    np.testing.assert_allclose(course.across[0, 1, 0], moved.T @ w[0] / 3, rtol=1e-7)
    assert course.train[0, 0, 0] == pytest.approx(loss(w[0]) / 7, rel=1e-12)
    assert course.train[0, 1, 0] == pytest.approx(loss(moved) / 7, rel=1e-7)


def test_the_controls_have_mean_zero_and_earn_their_cost() -> None:
    """Over 4000 data sets, 6 standard errors for each of 14: false alarm below 1e-7."""
    net = q.Network(2, 2, 1.0, 0.6, True)
    train, test, controls = training._losses(4000, Stream.from_seed(5), 12, 3.0, net, 0.1, 0.4, np.array([4]))
    error = controls.std(axis=0) / np.sqrt(len(controls))
    assert np.all(np.abs(controls.mean(axis=0)) < 6 * error)
    coefficients = training._coefficients(3.0, net, 0.1, 0.4, (4,))
    left = np.concatenate([train, test], axis=1) - controls @ coefficients
    assert np.all(left.var(axis=0) < 0.5 * np.array([train.var(), test.var()]))


def test_both_sides_agree_on_when_a_loss_falls() -> None:
    losses = np.exp(-np.linspace(0.0, 4.0, 9)) * (1 + 0.1 * np.sin(np.arange(9)))
    simulated = training._crossing(losses[None, :, None], 0.2)[0, 0]
    assert simulated == pytest.approx(d.crossing(losses, 0.2), rel=1e-13)
    unusual = np.stack([np.full(9, 2.0), np.full(9, 0.1), np.r_[2.0, np.full(8, np.nan)]], axis=1)[None]
    np.testing.assert_array_equal(training._crossing(unusual, 0.2)[0], [8.0, 0.5, 8.0])


# Bad input


@pytest.mark.parametrize(
    ("prediction", "at", "error", "message"),
    [
        (d.TRAIN, {"N": 3, "overlap": 0.2}, DomainError, "take an even N"),
        (d.TRAIN, {"samples": 1000}, DomainError, "powers of two"),
        (d.TRAIN, {"nu": 0.0}, DomainError, "samples over dimension"),
        (d.TRAIN, {"output": "shifted"}, DomainError, "not one of"),
        (
            d.TRAIN,
            {"eta": 3.0, "nu": 1.0, "samples": 512},
            PredictionError,
            "training runs away at step .* take eta < ",
        ),
        (d.DESCENT, {"eta": 5.0, "t": 60}, DomainError, "diverges after .* take eta < "),
        (d.DELAY, {"steps": 3, "samples": 512, "output": "centred"}, PredictionError, "take more steps"),
        (d.TEST_LOSS, {"alpha": 1.0}, DomainError, "missing parameter"),
        (
            d.LAZY,
            {"eta": 5.0, "t": [3.0], "inputs": np.ones((1, 4, 2)), "weights": np.ones((1, 2, 1))},
            DomainError,
            "unstable for the tangent kernel of these data: take eta < ",
        ),
    ],
)
def test_bad_input_is_named(prediction: Prediction, at: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        prediction(**at)


def test_the_named_rate_is_near_the_edge() -> None:
    """Training is stable at half of the rate that an error names, and runs away at three times it."""
    rate = dmft.critical_rate(2.0, 0.5)
    slow = dmft.sweep(dmft.Setting(2, 2.0, 20.0, 0.5, 0.5 * rate, 0.0, True), 20, 128, 0)
    assert slow.train[-1] < slow.train[0]
    with pytest.raises(PredictionError, match="runs away"):
        dmft.sweep(dmft.Setting(2, 2.0, 20.0, 0.5, 3.0 * rate, 0.0, True), 30, 128, 0)
