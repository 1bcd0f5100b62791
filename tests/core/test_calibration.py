"""The promise of the engine, measured: false `holds` and false `fails` at the margin's edge are no more than the level.

The small form runs with the suite; the long one (`-m full -s`) prints the tables of docs/calibration.md. A count fails
the test when it would be expected less than once in 1e5 at the promised rate; a seed is fixed, so that a change of the
engine is the only thing that can change a count.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import replace

import numpy as np
import pytest
from calibration import KINDS, LEVELS, MARGIN, ONE, Count, count, interval, spread, surprise
from rare_misses import LAWS, Miss, miss
from synthetic import judge, make, noise

from theorylab import executors
from theorylab.checks import Expectation
from theorylab.claim import Mutant

RARE = 1e-5
CELLS = [(kind, law) for kind in KINDS for law in KINDS[kind].noises]
# Claims per kind, noise and level; an ensemble takes ten times as long as the others.
FEW, MANY, MANY_ENSEMBLES = 24, 400, 250
SIZES = (64, 128, 256, 512, 1024, 4096)
SMALL_LEVELS = (1e-4, 1e-7)


def check(total: Count, level: float) -> None:
    """The counts are compatible with the promise."""
    assert surprise(total.holds, total.claims, level) > RARE, total
    assert surprise(total.fails, total.claims, level) > RARE, total


@pytest.mark.parametrize("kind", KINDS)
def test_errors_at_the_edge(kind):
    """A few claims of every noise at the level 0.05. False alarm 2e-5 a kind."""
    total = Count()
    for law in KINDS[kind].noises:
        total.add(count(kind, law, 0.05, FEW if "ensemble" not in kind else 8, seed=0))
    check(total, 0.05)


@pytest.mark.parametrize("side", [-1, 1])
def test_the_edge_is_where_errors_are(side, rng):
    """The experiments can see errors: with the level ten times what is promised there are many, on both accounts."""
    level = 0.05
    total = Count()
    for _ in range(200):
        x = 1.0 + side * MARGIN + spread(level) * noise("normal", rng, 1024)
        status = judge(make(Expectation(), ONE, points=[{"a": 1.0}]), [x], min(0.9, 10 * level)).status
        total.add(Count(1, status == "holds", status == "fails"))
    assert total.holds > 10
    assert total.fails > 10


def simulated(trials, stream, *, shift, scale):
    """Exponential noise from the engine's own random numbers."""
    return 1.0 + shift + scale * (stream.exponential(trials) - 1.0)


def verified(level: float, seeds: range) -> Count:
    """Claims at the edge through `verify` itself: blocks, streams, looks and all."""
    from theorylab.parameters import Interval, Parameter

    extra = [Parameter(name, Interval(), name) for name in ("shift", "scale")]
    total = Count()
    for seed in seeds:
        point = {"a": 1.0, "shift": MARGIN if seed % 2 else -MARGIN, "scale": spread(level)}
        claim = make(Expectation(), ONE, simulated, points=[point], parameters=extra, name="test/calibration/edge")
        claim = replace(claim, mutants=[Mutant("rejected at the first look", 10)])
        status = claim.verify(seed=seed, level=level).status
        total.add(Count(1, status == "holds", status == "fails"))
    return total


def test_errors_of_verify():
    """False alarm 2e-5."""
    check(verified(0.05, range(60)), 0.05)


@pytest.mark.parametrize(("name", "n", "side"), [("normal", 256, 1), ("normal", 1024, -1)])
def test_importance_sampling_of_a_known_tail(name, n, side, rng):
    """Student's t is exact for normal trials: half the level on each side, at 1e-7. False alarm 1e-6."""
    found = miss(LAWS[name], n, 1e-7, side, 1500, rng)
    assert abs(found.plain[0] - 0.5) < 5 * found.plain[1]
    assert found.plain[1] < 0.05


@pytest.mark.parametrize("name", ["exponential", "chi-square(1)"])
def test_level_is_kept_at_64_trials(name, rng):
    """Where Student's interval misses hundreds of times too often at 1e-7, the engine's keeps its level."""
    found = miss(LAWS[name], 64, 1e-7, -1, 1500, rng)
    assert found.plain[0] > 100
    assert found.engine[0] < 1.0
    assert found.decided[0] <= found.engine[0]


def test_clopper_pearson():
    """Against the textbook case: 0 of n gives 1 - (level/2)^(1/n)."""
    assert interval(0, 100) == pytest.approx((0.0, 1 - 0.025**0.01))
    assert interval(100, 100)[1] == 1.0
    low, high = interval(5, 100)
    assert low < 0.05 < high
    assert surprise(0, 100, 0.1) == 1.0
    assert surprise(3, 3, 0.1) == pytest.approx(1e-3)


@pytest.fixture(scope="module")
def pool() -> Iterator[Executor | None]:
    with executors.local() as executor:
        yield executor


def everything(pool: Executor | None, function, tasks):
    """Results in the order of the tasks."""
    if pool is None:
        return [function(*task) for task in tasks]
    return [future.result() for future in [pool.submit(function, *task) for task in tasks]]


def rate(errors: int, claims: int) -> str:
    """Count and 95 % interval of a rate."""
    low, high = interval(errors, claims)
    return f"{errors} ({low:.2g} to {high:.2g})"


@pytest.mark.full
def test_errors_at_the_edge_in_full(pool):
    """Thousands of claims a kind, at three levels. False alarm 2e-5 a row."""
    tasks = [
        (kind, law, level, MANY if "ensemble" not in kind else MANY_ENSEMBLES, 1)
        for kind, law in CELLS
        for level in LEVELS
    ]
    counts = dict(zip([task[:3] for task in tasks], everything(pool, count, tasks)))
    print("\n\n| check | level | claims | false `holds` (rate) | false `fails` (rate) |\n|---|---|---|---|---|")
    for kind in KINDS:
        for level in LEVELS:
            total = Count()
            for law in KINDS[kind].noises:
                total.add(counts[kind, law, level])
            held, failed = rate(total.holds, total.claims), rate(total.fails, total.claims)
            print(f"| {kind} | {level:g} | {total.claims} | {held} | {failed} |")
            check(total, level)
    print("\n| noise | level | claims | false `holds` (rate) | false `fails` (rate) |\n|---|---|---|---|---|")
    for law in dict.fromkeys(law for _, law in CELLS):
        for level in LEVELS:
            total = Count()
            for kind, name in CELLS:
                if name == law:
                    total.add(counts[kind, law, level])
            held, failed = rate(total.holds, total.claims), rate(total.fails, total.claims)
            print(f"| {law} | {level:g} | {total.claims} | {held} | {failed} |")
            check(total, level)


@pytest.mark.full
def test_errors_of_verify_in_full(pool):
    """Hundreds of claims through `verify`. False alarm 2e-5 a row."""
    print("\n\n| level | claims | false `holds` (rate) | false `fails` (rate) |\n|---|---|---|---|")
    tasks = [(level, range(i, i + 100)) for level in LEVELS for i in range(0, 800, 100)]
    parts = everything(pool, verified, tasks)
    for level in LEVELS:
        total = Count()
        for (own, _), part in zip(tasks, parts):
            if own == level:
                total.add(part)
        print(f"| {level:g} | {total.claims} | {rate(total.holds, total.claims)} | {rate(total.fails, total.claims)} |")
        check(total, level)


def sampled(name: str, n: int, level: float, side: int) -> Miss:
    """Importance sampling with a seed of its own."""
    rng = np.random.default_rng([*name.encode(), n, int(-np.log10(level)), side + 1])
    return miss(LAWS[name], n, level, side, int(np.clip(1_500_000 // n, 500, 4000)), rng)


@pytest.mark.full
def test_coverage_at_the_levels_used(pool):
    """Chance of a decided miss on the worse side, in units of the level: at most 1, to three standard errors."""
    cases = [(name, n, level) for name in LAWS for n in SIZES for level in SMALL_LEVELS]
    tasks = [(*case, side) for case in cases for side in (-1, 1)]
    found = dict(zip(tasks, everything(pool, sampled, tasks)))
    worst = {case: max((found[*case, side] for side in (-1, 1)), key=lambda m: m.decided[0]) for case in cases}
    for level in SMALL_LEVELS:
        print(
            f"\n\nLevel {level:g}: plain t interval / engine\n\n| noise | "
            + " | ".join(f"n = {n}" for n in SIZES)
            + " |"
        )
        print("|---" * (len(SIZES) + 1) + "|")
        for name in LAWS:
            plain = [max(found[name, n, level, side].plain[0] for side in (-1, 1)) for n in SIZES]
            row = [f"{p:.2g} / {worst[name, n, level].decided[0]:.2g}" for p, n in zip(plain, SIZES)]
            print(f"| {name} | " + " | ".join(row) + " |")
    for case in cases:
        value, error = worst[case].decided
        assert value < 1.0 + 3.0 * error, (case, worst[case])
        assert error < 0.5, (case, worst[case])


def test_projection_is_not_confirmed_by_accident(rng):
    """A claim inside its margin holds, one far outside fails, at every level: the engine is not merely timid."""
    for level in LEVELS:
        for shift, expected in [(0.0, "holds"), (3 * MARGIN, "fails"), (-3 * MARGIN, "fails")]:
            x = 1.0 + shift + 0.5 * spread(level) * noise("exponential", rng, 1024)
            claim = replace(make(Expectation(), ONE, points=[{"a": 1.0}]), name="test/calibration/inside")
            assert judge(claim, [x], level).status == expected
