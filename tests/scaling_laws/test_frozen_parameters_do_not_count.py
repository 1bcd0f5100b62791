"""Frozen parameters in the solvable model: derivation, limits, symmetry, domain, simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation_twins import demand_array_standard, demand_twins
from threadpoolctl import threadpool_limits

from theorylab.derivations.scaling_laws import frozen_parameters_do_not_count as d
from theorylab.derivations.scaling_laws import msr_random_feature_finite as finite
from theorylab.errors import DomainError
from theorylab.kernels.random import Stream
from theorylab.sims.scaling_laws import frozen_bottleneck
from theorylab.sims.scaling_laws import random_feature_ridge as sims

fixed = settings(derandomize=True, deadline=None, max_examples=40)


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(limits=1):
        yield


@pytest.mark.parametrize("name", ["UNIFORM", "MEAN_BELOW", "MEAN_ABOVE", "LIMIT"])
def test_derivation_replays(name):
    assert getattr(d, name).derivation.replay()


@fixed
@given(st.integers(1, 40), st.integers(2, 60), st.integers(2, 60), st.floats(0.01, 10.0))
def test_trained_and_frozen_features_are_exchangeable_above_the_threshold(T, more, wider, unseen):
    at = {"T": T, "M": 100, "unseen": unseen}
    here = d.MEAN_ABOVE(N=T + more, H=T + wider, **at)
    assert d.MEAN_ABOVE(N=T + wider, H=T + more, **at) == pytest.approx(float(here), rel=1e-12)
    assert d.MEAN_ABOVE(N=T + more, H=T + wider + 1, **at) < here
    assert here > finite.ABOVE(N=T + more, T=T, M=100, unseen=unseen, fitted=0.0, spill=0.0)


def test_limits_above_the_threshold():
    at = {"N": 30, "T": 10, "M": 50, "unseen": 2.0}
    single = float(finite.ABOVE(N=30, T=10, M=50, unseen=2.0, fitted=0.0, spill=0.0))
    assert d.MEAN_ABOVE(H=10**9, **at) == pytest.approx(single, rel=1e-7)
    # A pole for each layer.
    large = float(d.MEAN_ABOVE(N=30_000, T=10_000, H=20_000, M=50_000, unseen=1.0))
    assert large == pytest.approx(1 + 10 / 20 + 10 / 10, rel=3e-4)


def test_below_the_threshold_the_width_is_in_no_formula():
    values = [float(d.MEAN_BELOW(N=10, T=30, M=50, H=h, unseen=2.0)) for h in (10, 20, 10**6)]
    assert values == [values[0]] * 3
    assert values[0] == pytest.approx(float(finite.BELOW(N=10, T=30, M=50, unseen=2.0)), rel=1e-14)
    at = {"N": 40, "tau": 2.5, "mu": 5.0, "alpha": 0.8}
    assert d.LIMIT(eta=1.0, **at) == d.LIMIT(eta=7.0, **at)
    assert d.LIMIT(eta=1.0, **at) == pytest.approx(float(d.model.LOSS_AT_RATIO(**at, h=0.0)), rel=1e-12)


@pytest.mark.parametrize(
    ("prediction", "at", "message"),
    [
        (d.MEAN_BELOW, {"N": 10, "T": 30, "M": 50, "H": 9, "unseen": 1.0}, "narrower than the features"),
        (d.MEAN_BELOW, {"N": 10, "T": 11, "M": 50, "H": 20, "unseen": 1.0}, "by 2 or more"),
        (d.MEAN_ABOVE, {"N": 30, "T": 10, "M": 50, "H": 11, "unseen": 1.0}, "the mean is infinite"),
        (d.LIMIT, {"N": 40, "tau": 0.5}, "fewer features than samples"),
        (d.LIMIT, {"N": 40, "eta": 0.5}, "narrower than the features"),
        (d.UNIFORM, {"rank": 1.5}, "place of a loss"),
    ],
)
def test_bad_input_is_named(prediction, at, message):
    with pytest.raises(DomainError, match=message):
        prediction(**at)


def test_the_frozen_metric_drops_out_below_the_threshold_and_not_above():
    """Trial by trial: another V of the same features changes nothing for N < T, and the loss for T < N."""
    N, M = 6, 20
    change = np.random.default_rng(4).standard_normal((3, N, N))
    for T, changes in ((11, False), (4, True)):
        drawn = sims.draw(3, Stream.from_seed(6), N, T, M, 0.8, 0.3, 1.0, 9)
        mixed = sims.Drawn(drawn.root, change @ drawn.u, drawn.data)
        here, there = (sims.losses(x, sims.solve(x, 0.0), 1.0, 0.0)["value"] for x in (drawn, mixed))
        assert np.all((np.abs(here / there - 1.0) > 1e-3) == changes)
        if not changes:
            np.testing.assert_allclose(here, there, rtol=1e-9)


@pytest.mark.parametrize(("N", "T", "H"), [(9, 14, 5), (20, 14, 5)])
def test_a_narrow_bottleneck_is_least_squares_on_its_own_width(N, T, H):
    """Trial by trial: the loss of the features V u of rank H is that of the H features u."""
    stream = Stream.from_seed(8)
    u = stream.normal(3, H, 20)
    drawn = sims.draw(3, Stream.from_seed(8), N, T, 20, 0.8, 0.3, 1.0, H)
    alone = sims.Drawn(drawn.root, u, drawn.data)
    here = sims.losses(drawn, sims.solve(drawn, 0.0, H), 1.0, 0.0)["value"]
    np.testing.assert_allclose(here, sims.losses(alone, sims.solve(alone, 0.0), 1.0, 0.0)["value"], rtol=1e-8)


SIMULATIONS = {
    "loss": (
        frozen_bottleneck.bottleneck_loss,
        {"N": 6, "T": 11, "M": 20, "H": 8, "alpha": 1.0, "lam": 0.3, "sigma_w": 1.0},
    ),
    "ratios": (
        frozen_bottleneck.proportional_bottleneck,
        {"N": 6, "tau": 2.0, "mu": 3.0, "eta": 1.5, "alpha": 1.0, "lam": 0.3, "sigma_w": 1.0},
    ),
    "infinite data": (frozen_bottleneck.infinite_data_with_a_bottleneck, {"N": 6, "M": 20, "alpha": 1.0, "rows": 12}),
    "rank": (
        frozen_bottleneck.bottleneck_rank,
        {"N": 6, "T": 11, "M": 20, "H": 8, "alpha": 1.0, "lam": 0.3, "references": 3},
    ),
    "narrow": (
        frozen_bottleneck.bottleneck_rank,
        {"N": 8, "T": 11, "M": 20, "H": 5, "alpha": 1.0, "lam": 0.3, "references": 3},
    ),
}


@pytest.mark.parametrize("name", SIMULATIONS)
def test_twins_and_batches(name):
    demand_twins(*SIMULATIONS[name])


@pytest.mark.parametrize("name", SIMULATIONS)
def test_array_code_keeps_to_the_standard(name):
    demand_array_standard(*SIMULATIONS[name], rtol=1e-8)


def test_ranks_are_places():
    ranks = frozen_bottleneck.bottleneck_rank(200, Stream.from_seed(1), **SIMULATIONS["rank"][1])["value"]
    assert np.all((ranks > 0) & (ranks < 1))
    # 200 places in four quarters: none stays empty but with chance 4 (3/4)^200.
    assert set(np.floor(4 * ranks)) == {0.0, 1.0, 2.0, 3.0}
    assert math.isclose(ranks.mean(), 0.5, abs_tol=6 * math.sqrt(1 / 12 / 200))
