"""The violation search of comp-sum losses: it touches the curve, and what it found beyond the published transforms."""

from __future__ import annotations

import numpy as np
import pytest
from simulation_twins import demand_twins
from threadpoolctl import threadpool_limits

from theorylab.cli import run
from theorylab.derivations.surrogate_losses import comp_sum_h_consistency as d
from theorylab.derivations.surrogate_losses import comp_sum_sharp as sharp
from theorylab.kernels import comp_sum_search
from theorylab.kernels.random import Stream
from theorylab.sims.surrogate_losses import violation_search


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(limits=1):
        yield


@pytest.mark.parametrize(
    ("tau", "n", "expected"),
    [(1.8, 3, 0.8469), (1.8, 4, 0.7936), (1.8, 5, 0.7779), (1.8, 9, 0.7779), (1.9, 10, 0.4517), (1.5, 10, 1.0)],
)
def test_least_ratio_to_two_classes(tau, n, expected):
    """One up to the critical tau; it never rises with the classes; attained by a competitor."""
    ratio = sharp.competitors_transform(tau=tau, n=n, beta=0.5) / sharp.binary_transform(tau=tau, beta=0.5)
    assert float(ratio) == pytest.approx(expected, abs=5e-5)
    assert float(sharp.competitors_transform(tau=tau, n=n + 1, beta=0.5)) <= float(
        sharp.competitors_transform(tau=tau, n=n, beta=0.5)
    )
    found = []
    for k in range(2, n):
        b = np.linspace(1 / k, 1, 200)[1:-1]
        p = np.concatenate([b[:, None], np.repeat((1 - b[:, None]) / (k - 1), k - 1, axis=1), 0 * b[:, None]], axis=1)
        regret = sharp.pooled_regret(tau=tau, p=p, label=np.full(len(p), k))
        found.append(np.min(regret / sharp.binary_transform(tau=tau, beta=b)))
    assert min(1.0, *found) == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("k", [2, 3, 4])
def test_order_parameter_of_larger_pools(k):
    critical = float(sharp.critical_tau(k=k))
    for tau, sign in ((critical - 1e-3, -1), (critical + 1e-3, 1)):
        values = violation_search.larger_competitor_gap(20, Stream.from_seed(1), tau=tau, k=k)["value"]
        assert np.all(sign * values > 0)
        assert np.ptp(values) < 1e-4
    demand_twins(violation_search.larger_competitor_gap, {"tau": 1.7, "k": k}, rtol=1e-6, atol=1e-9)


def test_the_search_touches_the_curve_and_does_not_cross_it():
    """In every tenth of the zero-one regret, within 1e-4."""
    for tau in (0.0, 1.0):
        rows = violation_search.conditional_search(1 << 18, Stream.from_seed(5, "numba"), tau=tau, n=10)
        value = d.transform(tau=tau, n=10, beta=rows["x"])
        assert np.all(rows["y"] >= value - rows["error"])
        for low in np.arange(0.0, 1.0, 0.1):
            inside = (rows["x"] >= low) & (rows["x"] <= low + 0.1)
            assert np.min(rows["y"][inside] / value[inside]) < 1.0 + 1e-4


@pytest.mark.parametrize("tau", [0.0, 1.0])
def test_pairs_fill_the_region_below_the_bound_and_nothing_beyond(tau):
    """Of 900 cells of the unit square, by surrogate and zero-one regret, ten classes."""
    side = 30
    edges = np.linspace(0.0, 1.0, side + 1)
    _, beta, t = comp_sum_search.pairs_numba(Stream.from_seed(0).key, 0, 0, 1 << 20, tau, 10, hull=False)
    hit = np.histogram2d(t, beta, bins=(edges, edges))[0] > 0
    bound = d.gamma(tau=tau, n=10, t=edges)
    assert np.all(hit[edges[None, 1:] <= bound[:-1, None]])
    assert not np.any(hit[edges[None, :-1] > bound[1:, None]])


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("predict {}/transform -p tau=-0.1 -p n=3 -p beta=0.5", "tau = -0.1 is outside its domain [0, 10]"),
        ("simulate {}/transform -p tau=-0.1 -p n=3", "tau = -0.1 is outside its domain [0, 10]"),
        ("predict {}/transform -p tau=1 -p n=1 -p beta=0.5", "n = 1 is outside"),
    ],
)
def test_the_command_line_refuses_in_one_line(command, message, capfd):
    assert run(command.format("surrogate_losses/comp-sum-h-consistency").split()) == 2
    out, err = capfd.readouterr()
    assert message in err
    assert (out, err.count("\n")) == ("", 1)
