"""Counterexamples to bounds that are too strong: printed, seen again from their seed, and right in 50 digits."""

from __future__ import annotations

import json
import re

import mpmath
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from theorylab import registry
from theorylab.cli import run
from theorylab.kernels import label_descent
from theorylab.kernels.random import Stream
from theorylab.replay import bound_at, refutations, replay
from theorylab.sims.surrogate_losses import bounded_scores, violation_search

THEORY = "surrogate_losses/comp-sum-h-consistency"
BOUNDED = "surrogate_losses/comp-sum-bounded-hypotheses"


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(limits=1):
        yield


def exact_point(instance, tau):
    """Both regrets from the loss and from the formula of its infimum, in 50 digits."""
    p = [mpmath.mpf(float(q)) for q in instance["p"]]
    p = [q / sum(p) for q in p]
    weights = [mpmath.exp(mpmath.mpf(float(x))) for x in instance["h"]]
    e = 1 - mpmath.mpf(tau)
    loss = [mpmath.log(sum(weights) / w) if e == 0 else ((sum(weights) / w) ** e - 1) / e for w in weights]
    if e == 0:
        least = -sum(q * mpmath.log(q) for q in p if q > 0)
    elif tau >= 2:
        least = (1 - max(p)) / -e
    else:
        least = (sum(q ** (1 / (1 + e)) for q in p if q > 0) ** (1 + e) - 1) / e
    return max(p) - p[int(instance["label"])], sum(q * x for q, x in zip(p, loss)) - least


@pytest.mark.parametrize(
    ("name", "strong", "weak"),
    [
        (
            f"{THEORY}/transform",
            {"n^(tau-1) in the numerator", "cross-entropy's transform doubled"},
            {"cross-entropy's transform halved"},
        ),
        (f"{THEORY}/generalized-cross-entropy", {"n^(tau-1) in the numerator", "n^(tau-1) left out"}, set()),
        (f"{THEORY}/sharp-transform-up-to-two", {"", "twice"}, set()),
        (f"{THEORY}/hull-transform", {"two classes for every tau"}, {"published"}),
    ],
)
def test_formulas_that_are_too_strong_are_refuted_by_cases_that_can_be_seen_again(name, strong, weak):
    claim = registry.claim(name)
    found = {r.formula: r for r in refutations(claim)}
    assert strong <= {formula for formula, r in found.items() if r.violation is not None}
    assert weak <= {formula for formula, r in found.items() if r.violation is None}
    formulas = {"": claim.prediction, **{m.name: m.prediction(claim.prediction) for m in claim.mutants}}
    for formula in strong:
        r = found[formula]
        assert float(r.instance["x"]) == pytest.approx(r.violation.x, rel=1e-12)
        assert float(r.instance["y"]) == pytest.approx(r.violation.y, abs=1e-12)
        with mpmath.workdps(50):
            beta, regret = exact_point(r.instance, r.params["tau"])
        assert float(beta) == pytest.approx(r.violation.x, rel=1e-12)
        assert float(regret) == pytest.approx(r.violation.y, abs=1e-12)
        # The transforms increase: at the exact zero-one regret the bound is violated all the more.
        at = {k: v for k, v in r.params.items() if k in formulas[formula].space}
        assert float(regret) < float(formulas[formula](**{**at, "beta": float(beta)}))


@pytest.mark.parametrize(("tau", "n"), [(0.5, 3), (1.0, 4), (1.8, 5), (2.0, 3), (2.5, 4)])
@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_every_case_that_a_search_keeps_can_be_seen_again(tau, n, backend):
    """Pairs and descents; the infimum is minimised for numerically."""
    key = Stream.from_seed(1).key
    rows = violation_search.conditional_search(4096, Stream(key, backend), tau=tau, n=n)
    descents = label_descent.descents_numba(key, 2, 0, 4, tau, n)
    cases = np.concatenate([rows["case"][:12], [-1, -2, -3, -4]])
    columns = [np.concatenate([rows[name][:12], descents[name]]) for name in ("x", "y")]
    for case, x, y in zip(cases, *columns):
        found = violation_search.conditional_search.replay(int(case), Stream(key, "numpy"), tau=tau, n=n)
        assert float(found["x"]) == pytest.approx(x, rel=1e-9)
        assert float(found["y"]) == pytest.approx(y, abs=1e-8)
        assert found["h"].max() == found["h"][int(found["label"])]
    inverse = violation_search.conditional_search_inverse.replay(int(case), Stream(key, "numpy"), tau=tau, n=n)
    assert (inverse["x"], inverse["y"]) == (found["y"], found["x"])


def test_cases_with_bounded_scores_can_be_seen_again():
    at = {"tau": 1.5, "n": 4, "score_bound": 0.5}
    key = Stream.from_seed(2).key
    rows = bounded_scores.bounded_search(512, Stream(key), **at)
    for case, x, y in zip(rows["case"], rows["x"], rows["y"]):
        found = bounded_scores.bounded_search.replay(int(case), Stream(key), **at)
        assert float(found["x"]) == pytest.approx(x, rel=1e-12)
        assert float(found["y"]) == pytest.approx(y, abs=1e-12)
        assert np.all(np.abs(found["h"]) <= 0.5)


def test_other_searches_run_again():
    claim = registry.claim(f"{THEORY}/risk-bound")
    refuted = next(r for r in refutations(claim) if r.violation is not None)
    assert float(refuted.instance["y"]) == refuted.violation.y
    again = replay(claim, refuted.violation.case, **refuted.params)
    assert float(again["x"]) == refuted.violation.x
    assert refuted.violation.y <= bound_at(claim, again, **refuted.params)


@pytest.fixture
def ask(capfd):
    def answer(command, code=0):
        capfd.readouterr()
        assert run(command.split()) == code
        out, err = capfd.readouterr()
        return err if code else out

    return answer


def test_the_command_prints_counterexamples_and_shows_each_by_its_number(ask):
    printed = ask(f"replay {THEORY}/sharp-transform-up-to-two")
    assert "the claim\n  counterexample at tau = 1.8, n = 3, block 0, case" in printed
    assert "mutant: twice\n  counterexample" in printed
    (row, *_) = json.loads(ask(f"replay {THEORY}/sharp-transform-up-to-two --json"))["formulas"]
    assert row["refuted"]
    assert f"case {row['case']}" in printed
    point = "-p tau={tau} -p n={n}".format(**row["point"])
    one = ask(f"replay {THEORY}/sharp-transform-up-to-two --case {row['case']} {point} --json")
    found = json.loads(one)
    assert found["p"] == row["replayed"]["p"]
    assert found["y"] < found["bound"]
    text = ask(f"replay {THEORY}/sharp-transform-up-to-two --case {row['case']} {point}")
    for label in ("beta", "y", "p", "h", "label", "bound"):
        assert f"\n{label:<12}" in text
    # A search with another seed finds another one.
    other = json.loads(ask(f"replay {THEORY}/sharp-transform-up-to-two --json --seed 3"))["formulas"][0]
    assert other["replayed"]["p"] != row["replayed"]["p"]
    assert "no counterexample: it is not too strong" in ask(f"replay {THEORY}/mae-published-part")


def test_verify_says_how_to_see_a_counterexample(ask, tmp_path):
    printed = ask(f"verify {THEORY}/small-regret-gamma --jobs 1 --seed 2 --store {tmp_path / 'store.sqlite'}")
    assert "counterexample: t = " in printed
    (command,) = (line for line in printed.splitlines() if line.startswith("  theorylab replay "))
    number = re.search(r"case\s+(-?\d+)\)", printed)[1]
    assert f"case {number}:" in ask(command.strip().removeprefix("theorylab "))


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("pooled-regret", "is no bound that a search could violate"),
        ("transform -p tau=0.5", "give --case too"),
        ("transform --case 1 -p tau=-0.5 -p n=3", "tau = -0.5 is outside its domain"),
        ("transform --case 1 -p tau=0.5,1 -p n=3", "a case belongs to one point"),
        ("risk-bound --case 7000000 -p tau=1 -p n=3", "keeps no case 7000000"),
    ],
)
def test_mistakes_are_one_line(ask, rest, message):
    err = ask(f"replay {THEORY}/{rest}", 2)
    assert message in err
    assert err.count("\n") == 1
