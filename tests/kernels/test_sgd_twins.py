"""One-pass SGD: twins trial by trial, the exact mean over samples, and the promised independence of batches."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from theorylab.kernels import sgd
from theorylab.kernels.random import Stream

KEY = np.array([5, 6], dtype=np.uint32)
FALSE_ALARM = 1e-6


def model(v, d, trials=None):
    """Power-law features and target, shared or one for each trial."""
    source = np.random.default_rng(v + d)
    scale = np.arange(1.0, v + 1) ** -1
    shape = (v, d) if trials is None else (trials, v, d)
    features = scale[:, None] * source.standard_normal(shape) / np.sqrt(d)
    target = scale * source.standard_normal(v if trials is None else (trials, v))
    return features, target


def run(backend, kind, trials=4, first_trial=0, own=False, v=9, d=4, **options):
    options = {"rate": 0.1, "batch": 2, "times": np.array([0, 1, 7]), **options}
    rng = Stream(KEY, backend, first_trial=first_trial)
    features, target = model(v, d, 10 if own else None)
    if own:
        rows = slice(first_trial, first_trial + trials)
        features, target = features[rows], target[rows]
    if kind in sgd.FORMS:
        return sgd.random_features(trials, rng, features, target, form=kind, **options)
    return sgd.linear(trials, rng, *sgd.principal(features, target), **options)


KINDS = pytest.mark.parametrize("kind", [*sgd.FORMS, "linear"])


@KINDS
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("options", [
    {"batch": 1}, {"batch": 3}, {"times": np.array([0])}, {"times": np.array([1, 400])}, {"v": 8, "d": 8},
    {"rate": np.linspace(0.1, 0.01, 9)}, {"v": 300, "d": 100, "times": np.array([500])},
])  # fmt: skip
def test_twins_agree_trial_by_trial(kind, own, options):
    a, b = (run(backend, kind, own=own, **options) for backend in ("numpy", "numba"))
    np.testing.assert_allclose(a, b, rtol=1e-11)


@KINDS
@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("own", [False, True])
def test_batches_of_trials_and_later_times_change_nothing(kind, backend, own):
    whole = run(backend, kind, trials=7, own=own)
    parts = [run(backend, kind, trials=n, first_trial=start, own=own) for start, n in ((0, 1), (1, 4), (5, 2))]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    longer = run(backend, kind, trials=7, own=own, times=np.array([0, 1, 5, 7, 60]))
    # A product of more rows may round differently.
    np.testing.assert_allclose(longer[:, [0, 1, 3]], whole, rtol=1e-13 if kind == "direct" else 0)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_draws_after_a_run_are_new_and_do_not_depend_on_the_backend(backend):
    rng = Stream(KEY, backend)
    sgd.linear(2, rng, np.ones(3), np.ones(3), rate=0.1, batch=1, times=np.array([2, 5]))
    assert rng.next_draw() == 5


def test_one_step_by_hand():
    rng, same = Stream(KEY, "numba"), Stream(KEY, "numba")
    features, target = model(5, 3)
    risk = sgd.random_features(1, rng, features, target, rate=0.3, batch=2, times=np.array([1]), form="direct")
    z = same.normal(1, 2, 5)[0]
    theta = 0.3 * features.T @ z.T @ (z @ target)
    np.testing.assert_allclose(risk, [[np.sum((features @ theta - target) ** 2)]], rtol=1e-13)


def exact_mean(spectrum, gap, rate, batch, times):
    """Mean risk: second moments of the gap go to q rho + a sum(rho), by Wick's theorem."""
    rho = gap**2
    q = 1 - 2 * rate * batch * spectrum + rate**2 * batch * (batch + 1) * spectrum**2
    out = []
    for step in range(times[-1] + 1):
        if step in times:
            out.append(rho.sum())
        rho = q * rho + rate**2 * batch * spectrum**2 * rho.sum()
    return np.array(out)


@KINDS
def test_mean_risk_is_exact(kind):
    """Two instants, 20000 runs, kurtosis below 60: false alarm below 1e-6."""
    times = np.array([3, 12])
    risks = run("numba", kind, trials=20000, times=times)
    mean = exact_mean(*sgd.principal(*model(9, 4)), 0.1, 2, times)
    error = risks.std(axis=0) / np.sqrt(len(risks))
    assert np.all(np.abs(risks.mean(axis=0) - mean) < stats.norm.isf(FALSE_ALARM / 4) * error)
    assert np.all(error < 0.02 * mean)


def test_label_noise_is_a_blind_coordinate():
    """With nothing to learn the first step adds gamma^2 B sigma^2 |lambda|^2 on average: false alarm 1e-6."""
    spectrum, gap = np.array([1.0, 0.5, 0.0]), np.array([0.0, 0.0, 2.0])
    risks = sgd.linear(40000, Stream(KEY), spectrum, gap, rate=0.1, batch=3, times=np.array([0, 1]))
    np.testing.assert_array_equal(risks[:, 0], 4.0)
    excess = risks[:, 1] - 4.0
    z = (excess.mean() - 0.01 * 3 * 4 * 1.25) / (excess.std() / np.sqrt(len(excess)))
    assert abs(z) < stats.norm.isf(FALSE_ALARM / 2)


def test_both_forms_have_one_law():
    """Risks after 20 steps by the sup-distance of two samples of 20000: false alarm 1e-6."""
    times, trials = np.array([20]), 20000
    a, b = (np.sort(run("numba", form, trials=trials, times=times)[:, 0]) for form in sgd.FORMS)
    at = np.concatenate([a, b])
    distance = np.abs(np.searchsorted(a, at, "right") - np.searchsorted(b, at, "right")).max() / trials
    assert distance < np.sqrt(np.log(2 / FALSE_ALARM) / trials)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@KINDS
def test_single_precision_follows_double(kind, backend):
    times = np.array([0, 3, 50])
    single = run(backend, kind, times=times, dtype=np.float32)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, run(backend, kind, times=times), rtol=1e-4)


@pytest.mark.parametrize(("v", "d"), [(9, 4), (4, 9), (6, 6)])
@pytest.mark.parametrize("own", [(False, False), (False, True), (True, False), (True, True)])
def test_principal_knows_all_inner_products(v, d, own):
    """Squared norms of the target and of its products with the features, for matrices and targets shared or not."""
    source = np.random.default_rng(v)
    features = source.standard_normal((3, v, d) if own[0] else (v, d))
    target = source.standard_normal((3, v) if own[1] else v)
    spectrum, gap = sgd.principal(features, target)
    assert spectrum.shape[-1] == gap.shape[-1] == min(v, d) + 1
    seen = (np.swapaxes(features, -1, -2) @ target[..., None])[..., 0]
    np.testing.assert_allclose((gap**2).sum(axis=-1), np.broadcast_to((target**2).sum(axis=-1), gap.shape[:-1]))
    np.testing.assert_allclose((spectrum * gap**2).sum(axis=-1), (seen**2).sum(axis=-1))


def test_principal_keeps_the_risk_and_its_minimum():
    features, target = model(9, 4, 3)
    spectrum, gap = sgd.principal(features, target)
    np.testing.assert_allclose((gap**2).sum(axis=1), (target**2).sum(axis=1))
    for a, c, rest, lam in zip(features, target, gap[:, -1], spectrum):
        best = np.linalg.lstsq(a, c, rcond=None)[0]
        np.testing.assert_allclose(rest**2, np.sum((a @ best - c) ** 2))
        np.testing.assert_allclose(lam[:-1], np.linalg.eigvalsh(a.T @ a))


@pytest.mark.parametrize(("change", "message"), [
    ({"times": np.array([3, 2])}, "times must be ascending"), ({"times": np.array([])}, "times must be ascending"),
    ({"times": np.array([-1])}, "times must be ascending"), ({"rate": np.ones(3)}, "rate has 3 entries for 7 steps"),
])  # fmt: skip
@KINDS
def test_bad_schedules_are_refused(kind, change, message):
    with pytest.raises(ValueError, match=message):
        run("numba", kind, **change)


def test_shapes_that_do_not_fit_are_refused():
    options = {"rate": 0.1, "batch": 1, "times": np.array([1])}
    with pytest.raises(ValueError, match="features have 3 rows and target 4 entries"):
        sgd.random_features(2, Stream(KEY), np.ones((3, 2)), np.ones(4), **options)
    with pytest.raises(ValueError, match=r"features of shape \(3, 3, 2\): want 2 axes, or one of 2 before"):
        sgd.random_features(2, Stream(KEY), np.ones((3, 3, 2)), np.ones(3), **options)
    with pytest.raises(ValueError, match="form 'primal'; known are principal, direct"):
        sgd.random_features(2, Stream(KEY), np.ones((3, 2)), np.ones(3), form="primal", **options)
    with pytest.raises(ValueError, match="spectrum has 3 entries and gap 4"):
        sgd.linear(2, Stream(KEY), np.ones(3), np.ones(4), **options)
