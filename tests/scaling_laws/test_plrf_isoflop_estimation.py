"""Studies of equal compute: parabolas, cost, twins, and the theory at the budgets of a study.

Streams are fixed: no test fails by chance.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab.derivations.scaling_laws import plrf_isoflop_estimation as theory
from theorylab.derivations.scaling_laws import plrf_phases as phases
from theorylab.errors import DomainError
from theorylab.kernels.random import Stream
from theorylab.sims.scaling_laws import isoflop_sgd

STUDY = {
    "alpha": 0.8,
    "beta": 0.3,
    "ratio": 3.0,
    "rate": 0.5,
    "largest": 32,
    "sizes": 7,
    "last": 9,
    "budgets": 3,
    "runs": 2,
    "reach": 2,
}
reproducible = settings(derandomize=True, deadline=None, max_examples=30)


@reproducible
@given(st.floats(3.5, 6.5), st.floats(0.05, 2.0), st.floats(-20.0, 20.0), st.integers(1, 3))
def test_the_vertex_of_a_parabola_is_found(vertex: float, bend: float, least: float, reach: int) -> None:
    places = np.array([2.0, 3.1, 4.0, 4.9, 6.0, 7.2, 8.0])
    logs = (least + bend * (places - vertex) ** 2)[None, :, None]
    place, value = isoflop_sgd.minima(logs, places, reach)
    # The three places around the vertex bracket it; more may reach beyond the last.
    assert place[0, 0] == pytest.approx(vertex, abs=1e-8 + 1e-10 / bend)
    assert value[0, 0] == pytest.approx(least, abs=1e-8)


def test_a_minimum_beyond_the_sizes_is_put_at_their_end() -> None:
    places = np.arange(5.0)
    falling, humped = -places, -((places - 1.0) ** 2)
    place, _ = isoflop_sgd.minima(np.stack([falling, humped], axis=1)[None], places, 1)
    assert place[0, 0] == 4.0
    assert place[0, 1] == 4.0


@reproducible
@given(st.integers(16, 4000), st.integers(2, 12))
def test_sizes_ascend_by_half_octaves_to_the_largest(largest: int, sizes: int) -> None:
    d = isoflop_sgd.grid(largest, sizes)
    assert d[-1] == largest
    assert np.all(np.diff(d) > 0)
    assert isoflop_sgd.repeats(d, 3)[-1] == 3
    assert np.all(np.diff(isoflop_sgd.repeats(d, 3)) <= 0)


def test_twins_see_the_same_study() -> None:
    one = isoflop_sgd.study(3, Stream.from_seed(5, backend="numpy"), **STUDY)
    two = isoflop_sgd.study(3, Stream.from_seed(5, backend="numba"), **STUDY)
    np.testing.assert_allclose(one["risk"], two["risk"], rtol=1e-8)
    np.testing.assert_allclose(one["size"], two["size"], rtol=1e-6, atol=1e-6)


def test_a_study_does_not_depend_on_those_beside_it() -> None:
    together = isoflop_sgd.study(4, Stream.from_seed(6), **STUDY)
    part = next(s for s, _ in list(Stream.from_seed(6).split(4, 2))[1:])
    alone = isoflop_sgd.study(2, part, **STUDY)
    np.testing.assert_array_equal(together["risk"][2:], alone["risk"])


def test_slopes_are_those_of_the_minima() -> None:
    drawn = isoflop_sgd.study(2, Stream.from_seed(7), **STUDY)
    d = isoflop_sgd.grid(STUDY["largest"], STUDY["sizes"])
    place, least = isoflop_sgd.minima(np.log2(drawn["risk"]), np.log2(d), STUDY["reach"])
    for k in range(2):
        assert np.polyfit([7, 8, 9], place[k], 1)[0] == pytest.approx(drawn["size"][k])
        assert np.polyfit([7, 8, 9], least[k], 1)[0] == pytest.approx(-drawn["loss"][k])


def test_budgets_too_small_for_the_largest_model() -> None:
    with pytest.raises(ValueError, match=r"2\^6 is less than two steps of 64 features"):
        isoflop_sgd.study(1, Stream.from_seed(0), **{**STUDY, "largest": 64, "last": 8})


def test_cost_follows_the_work() -> None:
    names = ("largest", "sizes", "ratio", "last", "runs")
    small = isoflop_sgd.study.cost(**{k: STUDY[k] for k in names})
    more = isoflop_sgd.study.cost(**{**{k: STUDY[k] for k in names}, "runs": 4})
    assert more.flops == pytest.approx(2 * small.flops, rel=0.1)
    assert more.draws == pytest.approx(2 * small.draws, rel=0.1)
    assert more.bytes == small.bytes


def test_theory_at_a_study_tends_to_the_exponents_of_the_phase() -> None:
    at = {"alpha": 0.8, "beta": 0.3}
    xi, eta = float(phases.SIZE(**at)), float(phases.LOSS(**at))
    gaps = []
    for last in (12, 18):
        size, loss = theory.SIZE.evaluate(**at, last=last), theory.LOSS.evaluate(**at, last=last)
        assert float(size.error) < 5e-3
        assert float(loss.error) < 1e-3
        gaps.append(abs(float(size.value) - xi) + abs(float(loss.value) - eta))
    assert gaps[1] < gaps[0]


def test_theory_at_a_study_is_continuous_in_the_budgets_used() -> None:
    """Slopes over five budgets lie between those of the first and of the last three."""
    at = {"alpha": 0.4, "beta": 0.3}
    parts = [float(theory.LOSS(**at, last=last, budgets=3)) for last in (12, 14)]
    whole = float(theory.LOSS(**at, last=14, budgets=5))
    assert min(parts) < whole < max(parts)


def test_bad_input() -> None:
    with pytest.raises(DomainError, match="follows no power law"):
        theory.SIZE(alpha=0.2, beta=0.2)
    with pytest.raises(DomainError, match="ratio = 1 is outside its domain"):
        theory.LOSS(alpha=0.8, beta=0.3, ratio=1.0)
