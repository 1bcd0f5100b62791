"""The engine: looks, early stops, the split of the level, mutants, power, and what a verdict carries.

Statistical tests use fixed seeds; each states its chance of a false alarm at a fresh seed.
"""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from synthetic import A, Given, N, X, closed, judge, make, noise

from theorylab.checks import Asymptotic, Bound, Boundary, Expectation, Identity, Law
from theorylab.claim import Mutant
from theorylab.engine import HOPELESS, MUTANT_DISTANCE, _Run, first_look, verify
from theorylab.errors import DesignError, UnknownNameError
from theorylab.inference import means
from theorylab.power import pilot
from theorylab.sampler import finish

a = A.symbol
ONE = closed(a, A)
FAR = Mutant("far", 2 * a)
TWO_POINTS = [{"a": 1.0}, {"a": 2.0}]


def claim(points=({"a": 1.0},), **options):
    """A claim that the mean is a."""
    return make(Expectation(), ONE, points=points, **options)


def spread(rng, *, mean=1.0, sd=1.0, trials=1024):
    """Normal trials."""
    return mean + sd * rng.normal(size=trials)


def run_of(claim, samples, level=1e-6, **options):
    """A run, its sampler and its verdict."""
    run = _Run(claim, "quick", claim.budget("quick"), 0, level, **options)
    run.sampler = Given([{"value": s} for s in samples])
    return run, finish(run.steps())


def test_stops_at_the_first_look_that_decides(rng):
    """Spread 0.3: half-width 0.1 needs about 400 trials, at 5 looks. False alarm 1e-6."""
    verdict = judge(claim(), [spread(rng, sd=0.2)])
    assert verdict.status == "holds"
    assert verdict.samples < 1024
    run, verdict = run_of(claim(), [spread(rng, sd=0.01)])
    assert verdict.samples == 64
    assert run.sampler.drawn == 64


def test_goes_to_the_end_when_nothing_decides(rng):
    """At the very edge of the margin."""
    verdict = judge(claim(), [spread(rng, mean=1.1, sd=0.3)])
    assert verdict.status == "inconclusive"
    assert verdict.samples == 1024


def test_level_is_split_over_looks_and_groups(rng):
    """Five looks at one point, ten shares at two: the interval is that at level / shares."""
    x = spread(rng, mean=1.1, sd=0.3)
    for points, shares in ((TWO_POINTS[:1], 5), (TWO_POINTS, 10)):
        samples = [x] if shares == 5 else [x, 2.0 * x]
        verdict = judge(claim(points=points), samples, level=1e-3)
        low, high = means.mean(x).interval(1e-3 / shares)
        assert verdict.findings[0].interval == pytest.approx((float(low), float(high)))
    assert verdict.samples == 1024


def test_decided_points_are_sampled_no_further(rng):
    """The first point decides at once, the second never: the first is left alone and keeps its finding."""
    samples = [spread(rng, sd=0.01), 2.0 * spread(rng, mean=1.1, sd=0.3)]
    run = _Run(claim(points=TWO_POINTS), "quick", claim().budget("quick"), 0, 1e-6)
    asked = []

    class Watching(Given):
        def drawing(self, cells, wanted, block):
            asked.append(dict(wanted))
            return super().drawing(cells, wanted, block)

    run.sampler = Watching([{"value": s} for s in samples])
    verdict = finish(run.steps())
    assert asked[0] == {0: 64, 1: 64}
    assert all(list(w) == [1] for w in asked[1:])
    assert [f.status for f in verdict.findings] == ["holds", "inconclusive"]
    assert verdict.status == "inconclusive"


def test_one_point_that_fails_ends_the_run(rng):
    samples = [2.0 * spread(rng, mean=1.1, sd=0.3), spread(rng, mean=1.3, sd=0.01)]
    verdict = judge(claim(points=[{"a": 2.0}, {"a": 1.0}]), samples)
    assert verdict.status == "fails"
    assert verdict.samples == 64
    assert verdict.estimate == pytest.approx(1.3, abs=0.02)
    assert verdict.findings[1].behaves_as.startswith("the sample behaves as if a were 1.")
    assert verdict.findings[0].behaves_as is None


def test_mutants_keep_the_sampling_going(rng):
    """Decided at the first look, but a mutant at a distance of 0.4 needs more trials. False alarm 1e-6."""
    near = claim(mutants=[Mutant("a quarter more", 1.4 * a)], trials=2**14, block=64)
    x = spread(rng, sd=0.4, trials=2**14)
    verdict = judge(near, [x])
    assert verdict.status == "holds"
    assert verdict.mutants == {"a quarter more": True}
    assert verdict.mutants_rejected == (1, 1)
    alone = judge(claim(trials=2**14, block=64), [x])
    assert alone.status == "holds"


def test_surviving_mutant_leaves_the_claim_open(rng):
    """A mutant that differs where there are no trials enough to see it."""
    two = claim(points=TWO_POINTS, mutants=[Mutant("square", a**2)], trials=256, margin=0.3)
    samples = [spread(rng, sd=0.01, trials=256), spread(rng, mean=2.0, sd=12.0, trials=256)]
    verdict = judge(two, samples)
    assert verdict.status == "inconclusive"
    assert verdict.mutants_rejected == (0, 1)
    assert verdict.findings[0].status == "holds"


def test_margin_too_wide_for_its_mutants(rng):
    assert MUTANT_DISTANCE == 3.0
    wide = claim(mutants=[Mutant("a quarter more", 1.25 * a)])
    with pytest.raises(DesignError, match=r"more than a third of the distance 0.25 to its mutant 'a quarter more'"):
        judge(wide, [spread(rng)])
    # The farthest point counts: there the two differ by a factor.
    both = claim(points=[{"a": 1.0}, {"a": 3.0}], mutants=[Mutant("square", a**2)])
    samples = [spread(rng, sd=0.01), spread(rng, mean=3.0, sd=0.01)]
    assert judge(both, samples).status == "holds"


def test_mutant_that_predicts_zero(rng):
    """The right prediction sets the scale of a relative margin. Spread 0.01: false alarm below 1e-6."""
    for check, trials in ((Expectation(), [spread(rng, sd=0.01)]), (Asymptotic("n"), [spread(rng, sd=0.01)] * 4)):
        nothing = make(
            check,
            ONE,
            points=[{"a": 1.0}],
            mutants=[Mutant("nothing", 0 * a)],
            parameters=[N],
            sizes=(8, 16, 32, 64),
        )
        assert judge(nothing, trials).mutants == {"nothing": True}


def test_mutant_as_a_function_of_the_right_value(rng):
    """Of an array of parameters, too: the wrong value keeps the numerical error of the right one."""
    wrong = Mutant("half", lambda value, a: value / 2 + 0 * a)
    verdict = judge(claim(mutants=[wrong]), [spread(rng, sd=0.01)])
    assert verdict.mutants == {"half": True}
    assert verdict.status == "holds"


def test_hopeless_budgets_stop_after_the_pilot(rng):
    """Spread 4: 1024 trials see 0.7, the margin is 0.1."""
    verdict = judge(claim(), [spread(rng, sd=4.0)])
    assert verdict.status == "inconclusive"
    assert verdict.samples == 64
    assert any(note.startswith("underpowered: 1024 trials can see") for note in verdict.notes)
    needed = float(verdict.notes[0].split("about ")[1].split(" trials")[0])
    assert 2e4 < needed < 2e5
    # A discrepancy that even such a budget may see is worth looking for.
    far = judge(claim(), [spread(rng, mean=1.9, sd=4.0)])
    assert far.samples > 64


def test_tight_budgets_do_not_stop(rng):
    """A pilot of 64 trials with a t quantile at 63 degrees of freedom must not condemn a budget that suffices.

    1024 trials of spread 0.45 see 0.085 of 0.1: false alarm (a pilot that sees 0.15) below 1e-9.
    """
    for _ in range(20):
        verdict = judge(claim(), [spread(rng, sd=0.45)])
        assert verdict.samples > 64
    assert HOPELESS == 1.5


def test_skewed_pilots_do_not_stop_a_budget_that_suffices(rng):
    """The pilot's kurtosis alone, which the tail diagnostic takes for heavy tails, is no lack of power."""
    stopped = 0
    for _ in range(20):
        verdict = judge(claim(trials=8192, block=64), [1 + noise("exponential", rng, 8192)])
        stopped += any("underpowered" in n for n in verdict.notes)
    assert stopped == 0


def test_first_look_projects_to_the_full_budget(rng):
    def simulate(trials, rng):
        return 1.0 + 0.3 * rng.normal(trials)

    full = replace(claim(), simulation=simulate, name="test/engine/first", mutants=[FAR])
    early, late = first_look(full, "quick", 0), verify(full, "quick", level=1e-6)
    assert early.samples == 64
    assert late.samples > 64
    # 64 trials know the spread within a quarter.
    assert early.detectable == pytest.approx(0.3 * 5.5 / 32, rel=0.35)


def test_pilot():
    def simulate(trials, rng):
        return 1.0 + 0.3 * rng.normal(trials)

    able = replace(claim(), simulation=simulate, name="test/engine/pilot", mutants=[FAR])
    assert pilot(able, "quick").endswith("the margin is 0.1: enough")
    unable = make(Expectation(), ONE, simulate, points=[{"a": 1.0}], margin=0.01)
    assert pilot(unable, "quick").endswith("the margin is 0.01: not enough")
    identity = make(Identity(other=a, ranges={"a": (1.0, 2.0)}), ONE)
    assert pilot(identity, "quick") == "identity: no error level; the effort is 1024 cases a point"
    assert "no error level" in pilot(make(Bound(variable="x"), closed(a * X.symbol, A, X)), "quick")

    def ordered(trials, rng, *, theta):
        return theta - 1.0 + 0.01 * rng.normal(trials)

    from synthetic import THETA

    boundary = make(Boundary(), ONE, ordered, points=[{"a": 1.0}], parameters=[THETA])
    assert "spacing of its ladder" in pilot(boundary, "quick")
    assert pilot(boundary, "quick").endswith("a point: holds")


def test_same_seed_same_verdict():
    def simulate(trials, rng):
        return 1.0 + 0.3 * rng.normal(trials)

    whole = replace(claim(), simulation=simulate, name="test/engine/seed", mutants=[FAR])
    first, again, other = (whole.verify(seed=s) for s in (3, 3, 4))
    assert first.interval == again.interval
    assert first.interval != other.interval
    assert first.seed == 3
    assert first.backend == "numpy"


def test_claims_by_name_and_unknown_budgets():
    with pytest.raises(UnknownNameError, match="did you mean"):
        verify("double_descent/gaussian-ols-exact/excess-rik")
    with pytest.raises(UnknownNameError, match="budget 'quik'"):
        verify(claim(), "quik")


def test_a_claim_that_could_not_fail_its_mutants_is_refused():
    with pytest.raises(DesignError, match="no mutants: a check that has rejected nothing has verified nothing"):
        verify(claim())


def test_verdict_is_plain_json(rng):
    verdict = judge(claim(points=TWO_POINTS), [spread(rng, sd=0.01), 2.0 * spread(rng, mean=3.0, sd=0.01)])
    data = json.loads(verdict.to_json())
    assert data["status"] == "fails"
    assert data["expected"] == "holds"
    assert not verdict.as_expected
    assert data["mutants_rejected"] == [0, 0]
    assert len(data["findings"]) == 2
    assert {f["status"] for f in data["findings"]} == {"holds", "fails"}
    assert data["margin"] == 0.1
    assert data["samples"] == 64
    assert set(data["versions"]) >= {"python", "numpy", "theorylab"}


def test_report_shows_the_point_that_decides(rng):
    """Of several that hold, the one nearest its margin; of a mixture, the undecided one."""
    samples = [spread(rng, sd=0.01), 2.0 * spread(rng, mean=1.05, sd=0.01)]
    verdict = judge(claim(points=TWO_POINTS), samples)
    assert verdict.status == "holds"
    assert verdict.predicted == 2.0
    samples = [spread(rng, mean=1.1, sd=0.3), 2.0 * spread(rng, sd=0.001)]
    verdict = judge(claim(points=TWO_POINTS), samples)
    assert verdict.status == "inconclusive"
    assert verdict.predicted == 1.0


def test_budget_of_less_than_a_block(rng):
    """Twenty trials: one block, one look."""
    small = claim(trials=20, block=None)
    assert small.budget("quick").block_trials == 20
    verdict = judge(small, [spread(rng, sd=1e-4, trials=20)])
    assert verdict.status == "holds"
    assert verdict.samples == 20


def test_checks_without_findings_cannot_hold():
    """A claim without points is a design error, not a claim that holds."""
    with pytest.raises(DesignError, match="no parameter points"):
        judge(claim(points=()), [])


def test_a_law_and_a_limit_run_through(rng):
    """The same engine for all kinds: one finding for each group of cells."""
    import sympy as sp

    law = make(Law(), closed(sp.Max(0, sp.Min(1, X.symbol)), X), trials=4096)
    assert judge(law, [rng.random(4096)]).status == "holds"
    sizes = (8, 16, 32, 64)
    limit = make(Asymptotic(size="n"), ONE, points=TWO_POINTS, sizes=sizes, parameters=[N])
    samples = [p["a"] * (1 + 1 / n + 0.01 * rng.normal(size=1024)) for p in TWO_POINTS for n in sizes]
    verdict = judge(limit, samples)
    assert verdict.status == "holds"
    assert [f.cells for f in verdict.findings] == [(0, 1, 2, 3), (4, 5, 6, 7)]


def test_observable_without_spread_that_agrees():
    """A deterministic simulation: the interval has no width, and equality is agreement."""
    assert judge(claim(), [np.ones(1024)]).status == "holds"
    assert judge(claim(), [np.full(1024, 1.3)]).status == "fails"
