"""`theorylab apply surrogate_losses/transform`: closed forms, hulls, refusals with their counterexamples, one line."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
import sympy as sp

import theorylab as tl
from theorylab.application import Result
from theorylab.applications.surrogate_losses.transform import NAMES
from theorylab.cli import run as main
from theorylab.derivations.surrogate_losses import margin_risk as risks
from theorylab.derivations.surrogate_losses.margin_losses import KNOWN
from theorylab.derivations.surrogate_losses.margin_transform import lower_hull, sharp_transform
from theorylab.errors import TheorylabError
from theorylab.expressions import parse

# Zero-one loss but for a dent: a score of the wrong sign is as good as the best up to eta = 2/3.
KINKED = "max(0, 1 - z, 1 - 2*z)"


@pytest.fixture(autouse=True)
def fewer_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    """A grid of scores a fifth as fine: what it finds is refined all the same."""
    monkeypatch.setattr(risks, "SPACING", 0.025)
    monkeypatch.setattr(risks, "PER_DECADE", 40)


def study(what: object, **parameters: object) -> Result:
    result = tl.apply("surrogate_losses/transform", what, **parameters)
    assert isinstance(result, Result)
    return result


def loss_of(text: str) -> risks.MarginLoss:
    return risks.MarginLoss(parse(text, risks.z))


def test_the_words_are_the_losses_whose_transforms_are_known() -> None:
    assert {name: known.text for name, known in KNOWN.items()} == NAMES


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bound", [0.0, 0.6])
def test_computed_transforms_are_the_closed_forms(name: str, bound: float) -> None:
    result = study(name, bound=bound, theta=[0.3, 1.0], regret=0.01)
    found = result.data["match"]
    assert found.known.name == name
    gap = np.abs(result.data["excess"] - found.transform(result.data["theta"], bound))
    assert gap.max() < 1e-14
    theta = result["Gamma(0.01)"].value
    assert found.transform(np.array([theta]), bound)[0] == pytest.approx(0.01, rel=1e-9)
    low, high = result["psi(0.3)"].interval or (1.0, 0.0)
    assert low <= float(found.transform(np.array([0.3]), bound)[0]) <= high


def test_named_values() -> None:
    logistic = study("log(1+exp(-z))", theta=[0.5, 1.0])
    assert logistic["psi(1)"].value == pytest.approx(math.log(2.0), rel=1e-13)
    assert logistic["psi(0.5)"].value == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5), rel=1e-13)
    assert logistic["k"].value == pytest.approx(2.0, abs=1e-3)
    assert study("exp(-z)", regret=0.2)["Gamma(0.2)"].value == pytest.approx(math.sqrt(0.2 * 1.8), rel=1e-12)
    assert study("hinge")["k"].value == pytest.approx(1.0, abs=1e-9)


def test_multiples_and_constants_are_recognised_and_the_scale_of_the_score_is_nothing() -> None:
    result = study("5 + log(1 + exp(-z))/log(2)", theta=0.5)
    assert "1.4427 times the logistic loss" in str(result)
    assert result["psi(0.5)"].value == pytest.approx(study("logistic", theta=0.5)["psi(0.5)"].value / math.log(2.0))
    steep = study("log(1 + exp(-3*z))", theta=0.5)
    assert steep.data["match"] is None
    assert steep["psi(0.5)"].value == pytest.approx(study("logistic", theta=0.5)["psi(0.5)"].value, rel=1e-12)


def test_a_sympy_expression_in_any_z_will_do() -> None:
    z = sp.Symbol("z")
    assert study(sp.exp(-z), theta=0.5)["psi(0.5)"].value == pytest.approx(1.0 - math.sqrt(0.75), rel=1e-13)


def test_bounded_scores_say_less() -> None:
    wide, narrow = (study("logistic", bound=b, theta=0.9)["psi(0.9)"].value for b in (5.0, 0.5))
    assert narrow < wide
    assert narrow == pytest.approx(0.9 * 0.25 - math.log(math.cosh(0.25)), rel=1e-12)


def test_an_excess_that_is_not_convex_is_bridged() -> None:
    # Concave in the risk of the wrong sign: a loss with a step below the ramp.
    text = "min(1, max(0, 1 - z)) + 2*max(0, -1 - z)/(1 + max(0, -1 - z))"
    transform = sharp_transform(loss_of(text))
    steps = np.diff(transform.excess)
    psi = transform.psi(transform.theta)[0]
    assert np.all(psi <= transform.excess + 1e-15)
    assert np.all(np.diff(np.diff(psi)) >= -1e-12)
    assert bool(transform.bridges) == bool(np.any(np.diff(steps) < -1e-12))


def test_a_hull_with_a_bridge() -> None:
    # Savage, and from eta = 0.9 on little more to gain: psi-tilde is concave there.
    from theorylab.derivations.surrogate_losses.margin_transform import Transform

    theta = np.arange(201) / 200
    excess = np.where(theta < 0.5, theta**2, 0.25 + 0.25 * np.sqrt(np.maximum(theta - 0.5, 0.0)))
    made = Transform(risks.Risk(loss_of("squared".replace("squared", NAMES["squared"]))), theta, excess,
                     np.full(201, 1e-15), -theta, theta)  # fmt: skip
    ((low, high),) = made.bridges
    assert high == 1.0
    assert 0.1 < low < 0.5
    # The tangent from (1, excess(1)) to theta^2.
    top = excess[-1]
    assert low == pytest.approx(1.0 - math.sqrt(1.0 - top), abs=0.005)
    at = np.array([0.8])
    value, error = made.psi(at)
    assert value[0] < float(np.interp(0.8, theta, excess))
    assert made.gamma(value)[0][0] == pytest.approx(0.8, abs=1e-12)
    assert error[0] < 1e-3


def test_lower_hull_of_a_line_and_of_a_parabola() -> None:
    x = np.linspace(0.0, 1.0, 11)
    assert list(lower_hull(x, x**2)) == list(range(11))
    assert list(lower_hull(x, np.sqrt(x))) == [0, 10]


@pytest.mark.parametrize("loss", ["1/(1 + exp(z**3))", "(1 - tanh(z))**2", "min(1, max(0, 1 - z/3))", "heaviside(-z)"])
def test_losses_that_are_not_convex_are_minimised_over_all_scores(loss: str) -> None:
    """Against a brute search over the plane of posteriors and scores."""
    transform = sharp_transform(loss_of(loss))
    z = np.linspace(0.0, 30.0, 60_001)
    for i in (40, 120, 200):
        eta = (1.0 + transform.theta[i]) / 2.0
        wrong, right = (
            (eta * transform.risk.loss(s * z) + (1 - eta) * transform.risk.loss(-s * z)).min() for s in (-1, 1)
        )
        assert transform.excess[i] == pytest.approx(wrong - min(wrong, right), abs=1e-6)


def test_overflow_on_the_way_to_a_finite_value_is_no_mistake() -> None:
    plain, written = sharp_transform(loss_of("sigmoid(-z)")), sharp_transform(loss_of("exp(-z)/(1 + exp(-z))"))
    assert np.allclose(plain.excess, written.excess, atol=1e-15)


def test_an_infimum_at_infinity_has_its_error_measured() -> None:
    transform = sharp_transform(loss_of("1/(1 + max(0, z))"))
    # The limit is theta; the largest score tried is 1e8.
    assert np.all(np.abs(transform.excess - transform.theta) <= transform.error)
    assert 1e-9 < transform.error.max() < 1e-6


@pytest.mark.parametrize(
    ("loss", "parameters", "message"),
    [
        ("max(0, -z)", {}, "not classification-calibrated: at eta = .* = 0.75 the score z = 0, a tie .* infimum 0 of"),
        (KINKED, {}, r"not classification-calibrated: at eta = .* = 0.65 the score z = 0, a tie .* infimum 1 of"),
        ("exp(z)", {}, "not classification-calibrated: .* of the wrong sign, reaches the infimum"),
        ("exp(z)", {"bound": 1.0}, r"the score z = -0.549\d*, .* infimum 0.866025 of .* among \|z\| <= 1"),
        ("exp(-z**2)", {}, "not classification-calibrated"),
        ("atan(z)", {}, "scores z -> -infinity, of the wrong sign, approach the infimum"),
        ("1", {}, "not classification-calibrated"),
        ("-z", {}, "the loss -z is not bounded below: it falls from .* without end"),
        ("-log(2 + z**2)", {}, "not bounded below"),
        ("log(abs(z))", {}, "is not bounded below: it is -infinity at z = 0"),
        ("sqrt(z)", {}, r"the loss sqrt\(z\) is not real at z = -1"),
        ("asin(z)", {}, "is not real at z = 2"),
        ("1/z", {}, "the loss 1/z is not defined at z = 0"),
        ("z**", {}, "'z\\*\\*' is not an expression"),
        ("log(1+exp(-x))", {}, "unknown name 'x'"),
        ("log(1+ep(-z))", {}, "did you mean 'exp'"),
        ("logistic", {"bound": -1.0}, "bound = -1 is outside its domain"),
        ("logistic", {"bound": 1e-6}, "scores that small say nothing"),
        ("logistic", {"theta": 1.5}, "theta = 1.5 is outside its domain"),
        ("logistic", {"regret": 0.0}, "regret = 0 is outside its domain"),
        ("logistic", {"bound": [1.0, 2.0]}, "bound takes one value"),
        (sp.Symbol("w") ** 2, {}, "LOSS is an expression of z, not of w"),
    ],
)
def test_mistakes_are_one_line(loss: object, parameters: dict[str, object], message: str) -> None:
    with pytest.raises(TheorylabError, match=message) as caught:
        study(loss, **parameters)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_the_counterexample_is_one() -> None:
    with pytest.raises(TheorylabError) as caught:
        study("cos(z)")
    found = re.search(
        r"eta = .* = (\S+) the score z = (\S+), of the wrong sign, reaches the infimum (\S+) of", str(caught.value)
    )
    assert found
    eta, score, least = (float(x) for x in found.groups())
    assert eta > 0.5 > 0.0 > score
    assert eta * math.cos(score) + (1 - eta) * math.cos(-score) == pytest.approx(least, abs=1e-5)
    assert least == pytest.approx(-1.0)


def test_the_command_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["apply", "surrogate_losses/transform", "log(1+exp(-z))", "-p", "theta=0.5,1", "-o", str(tmp_path)]) == 0
    )
    out = capfd.readouterr().out
    assert "classification-calibrated; scores of any size" in out
    assert "the logistic loss: closed form and computation differ by at most" in out
    assert {f.name for f in tmp_path.iterdir()} == {"result.json", "result.txt", "transform.png"}
    assert main(["apply", "surrogate_losses/transform", "max(0, -z)"]) == 2
    assert capfd.readouterr().err.count("\n") == 1


def test_numbers_do_not_depend_on_the_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    coarse = sharp_transform(loss_of("cosh(z) - z"), 2.0)
    monkeypatch.setattr(risks, "SPACING", 0.005)
    monkeypatch.setattr(risks, "PER_DECADE", 150)
    fine = sharp_transform(loss_of("cosh(z) - z"), 2.0)
    assert np.all(np.abs(coarse.excess - fine.excess) <= coarse.error + fine.error)
