"""`theorylab apply learning_dynamics/network`: limits that are known, and one line for every mistake."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import theorylab as tl
from theorylab.application import Result
from theorylab.cli import run as main
from theorylab.errors import TheorylabError

X = np.array([[1.0, 0.2, -0.5], [-0.4, 1.1, 0.3], [0.1, -0.6, 1.2]])
Y = np.array([1.0, -0.5, 0.7])
SMALL = {"samples": 128, "steps": 6, "networks": 4, "width": 48}


def study(what: object = "tanh", **parameters: object) -> Result:
    return tl.apply("learning_dynamics/network", what, {"x": X, "y": Y}, **{**SMALL, **parameters})


def test_the_lazy_limit_is_the_kernel_limit() -> None:
    result = study(gamma=1e-4, networks=0, samples=1024)
    assert np.allclose(result.data["outputs"], result.data["lazy"], atol=0.01)
    assert result["kernel change"].value < 1e-3
    assert "no networks were trained" in str(result)


def test_a_linear_network_with_one_hidden_layer_follows_its_closed_form() -> None:
    # Whitened data, |y| = 1: phi' = 2 sqrt(1 + gamma^2 phi^2) (1 - phi) along y, and nothing across it.
    from theorylab.derivations.learning_dynamics.mode_ode import unbalanced_numeric

    gamma, steps = 1.3, 120
    data = {"x": np.sqrt(2.0) * np.eye(2), "y": [1.0, 0.0]}
    result = tl.apply(
        "learning_dynamics/network", "linear", data, depth=1, gamma=gamma, steps=steps, rate=0.01, networks=0
    )
    t = np.arange(steps + 1) * result["rate"].value
    flow = unbalanced_numeric(t=t, s=gamma, k=2.0, u0=0.0) / gamma
    # Of first order in the step.
    assert np.allclose(result.data["outputs"][:, 0], flow, atol=0.01)
    assert np.allclose(result.data["outputs"][:, 1], 0.0, atol=1e-12)


def test_networks_are_nearer_to_mean_field_than_to_the_kernel() -> None:
    result = study(gamma=1.5, steps=14, networks=16, width=200, samples=512)
    assert result["nets - mean field"].value < 0.35 * result["nets - kernel limit"].value
    assert result["loss, mean field"].value < result["loss, kernel limit"].value
    low, high = result["loss, mean field"].interval or (0.0, 0.0)
    assert low < result["loss, mean field"].value < high


def test_the_critical_rate_is_that_of_the_tangent_kernel() -> None:
    from theorylab.derivations.infinite_width.recursion import gram

    theta = gram("erf", X, depth=3).Theta
    result = study("erf", networks=0)
    assert result["critical rate"].value == pytest.approx(2.0 / np.linalg.eigvalsh(theta)[-1])
    assert result["rate"].value == pytest.approx(0.1 * result["critical rate"].value)


def test_a_user_may_write_the_activation() -> None:
    named, written = study("tanh", networks=2), study("tanh(z)", networks=2)
    assert np.array_equal(named.data["outputs"], written.data["outputs"])
    assert named["scatter"].value == written["scatter"].value
    own = study("z*exp(-z**2/4)", networks=2)
    assert "is theory alone" in str(own)
    assert own.data["curves"].trained is None


def test_the_same_seed_gives_the_same_numbers() -> None:
    assert str(study()) == str(study())


def test_the_result_is_written(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=X, y=Y)
    assert main(["apply", "learning_dynamics/network", "tanh", str(tmp_path / "data.npz"), "-o", str(tmp_path / "out"),
                 *(f"-p{k}={v}" for k, v in SMALL.items())]) == 0  # fmt: skip
    assert {f.name for f in (tmp_path / "out").iterdir()} == {"result.json", "result.txt", "training.png"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"what": "tanz"}, "tanz"),
        ({"what": "exp(z**2)"}, "second moment"),
        ({"what": "heaviside"}, "jumps"),
        ({"rate": 1.0}, "rate"),
        ({"gamma": 0.0}, "gamma"),
        ({"samples": 100}, "power of two"),
        ({"depth": 0}, "depth"),
        ({"gamma": 60.0, "steps": 40, "rate": 0.9}, "rate|diverge"),
    ],
)
def test_mistakes_get_one_line(change: dict[str, object], message: str) -> None:
    with pytest.raises(TheorylabError, match=message) as caught:
        study(**{"networks": 0, **change})  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_data_that_cannot_be_learnt_get_one_line() -> None:
    with pytest.raises(TheorylabError, match="all labels are 0"):
        tl.apply("learning_dynamics/network", "tanh", {"x": X, "y": 0 * Y})
    with pytest.raises(TheorylabError, match="65 rows of data; at most 64"):
        tl.apply("learning_dynamics/network", "tanh", {"x": np.ones((65, 2)), "y": np.ones(65)})
