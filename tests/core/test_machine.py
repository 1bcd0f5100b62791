"""The machine profile: its arithmetic, and how it is measured, kept and found again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from machines import ROUND, kept

from theorylab import machine
from theorylab.simulation import Cost

LINE = "theorylab: measuring this machine, once, for a few seconds\n"


@pytest.fixture(scope="module")
def measured() -> machine.Machine:
    return machine.measure()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the profile is kept; measuring takes no time."""
    monkeypatch.setenv("THEORYLAB_MACHINE", str(tmp_path / "made" / "machine.json"))
    monkeypatch.setattr(machine, "measure", lambda: ROUND)
    return tmp_path / "made" / "machine.json"


@pytest.mark.parametrize(
    ("cost", "numpy", "numba"),
    [
        (Cost(flops=1e6, bytes=1.0), 1e-3, 1e-4),
        (Cost(flops=0.0, bytes=1.0, draws=1e6), 1e-2, 1e-3),
        (Cost(flops=0.0, bytes=1.0, moved=1e6), 1e-4, 1e-4),
        (Cost(flops=0.0, bytes=1.0, steps=1e6), 1e-2, 4e-3),
        (Cost(flops=1e6, bytes=1.0, products=1e6, order=10.0), 1e-3, 1e-3),
        (Cost(flops=1e6, bytes=1.0, factorisations=1e6, order=10.0), 1e-2, 1e-2),
        # Half-way between the orders in logarithms, and beyond them.
        (Cost(flops=1e6, bytes=1.0, products=1e6, order=100.0), 1e-4, 1e-4),
        (Cost(flops=1e6, bytes=1.0, products=1e6, order=1e5), 1e-5, 1e-5),
        (Cost(flops=1e6, bytes=1.0, products=1e6, order=1.0), 1e-3, 1e-3),
        (Cost(4e6, 1.0, 1e6, 1e6, 1e6, 1e6, 1e6, 1000.0), 2e-3 + 2e-2 + 1e-4 + 1e-5 + 1e-4, 2e-4 + 5e-3 + 2.1e-4),
    ],
)
def test_seconds_of_a_trial(cost: Cost, numpy: float, numba: float) -> None:
    assert ROUND.seconds(cost, "numpy") == pytest.approx(numpy)
    assert ROUND.seconds(cost, "numba") == pytest.approx(numba)
    assert ROUND.seconds(cost, "cupy") is None


def test_what_is_measured_is_what_machines_do(measured: machine.Machine) -> None:
    """Within a decade or two of any machine on which this will run, in the right order."""
    assert 1e9 < measured.copy < 1e12
    assert 1e-6 < measured.block < 0.1
    compiled, arrays = measured.backends["numba"], measured.backends["numpy"]
    assert 1e-10 < compiled.draw < 1e-7
    assert compiled.draw < arrays.draw < 1e-5
    assert 1e-10 < compiled.step < 1e-6
    assert 1e8 < arrays.loops < compiled.loops < 1e12
    for rates in (measured.products, measured.factorisations):
        assert tuple(rates) == machine.ORDERS
        assert 1e6 < min(rates.values()) < max(rates.values()) < 1e13
        assert rates[256] > 10 * rates[2]
    assert "GB/s" in str(measured)


def test_measured_once_and_kept(
    place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert machine.known() is None
    assert machine.machine() == ROUND
    assert capfd.readouterr().err == LINE
    monkeypatch.setattr(machine, "measure", lambda: pytest.fail("measured twice"))
    assert machine.machine() == machine.known() == ROUND
    assert capfd.readouterr().err == ""
    assert [p.name for p in place.parent.iterdir()] == ["machine.json"]


def test_measured_again_when_asked(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    machine.machine()
    capfd.readouterr()
    machine.machine(again=True)
    assert capfd.readouterr().err == LINE


def test_one_file_serves_several_machines(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "name", lambda: "another machine")
    machine.machine()
    monkeypatch.undo()
    monkeypatch.setenv("THEORYLAB_MACHINE", str(place))
    monkeypatch.setattr(machine, "measure", lambda: ROUND)
    assert machine.known() is None
    machine.machine()
    assert set(json.loads(place.read_text())) == {"another machine", machine.name()}


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: "[1, 2]",
        lambda text: text.replace("copy", "copies"),
        lambda text: text.replace('"block": 0.001', '"block": -1'),
        lambda text: text.replace('"block": 0.001', '"block": NaN'),
        lambda text: text.replace('"block": 0.001', '"block": "fast"'),
        lambda text: text.replace('"10":', '"ten":'),
        lambda text: "\udcff",
    ],
)
def test_a_damaged_profile_is_measured_again(place, damage, capfd):
    machine.machine()
    place.write_bytes(damage(place.read_text()).encode("utf-8", "surrogateescape"))
    capfd.readouterr()
    assert machine.machine() == ROUND
    assert LINE in capfd.readouterr().err
    assert machine.known() == ROUND
    assert capfd.readouterr().err == ""


def test_a_profile_that_cannot_be_kept_serves_this_run(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    place.parent.write_text("a file where a folder is needed")
    assert machine.machine() == ROUND
    err = capfd.readouterr().err
    assert "is not kept: " in err
    assert "Traceback" not in err


def test_beside_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("THEORYLAB_MACHINE", raising=False)
    monkeypatch.setenv("THEORYLAB_STORE", str(tmp_path / "blocks.sqlite"))
    assert machine.path() == tmp_path / "machine.json"
    monkeypatch.setenv("THEORYLAB_MACHINE", "elsewhere.json")
    assert machine.path() == Path("elsewhere.json")


def test_the_name_says_what_the_figures_depend_on() -> None:
    import numpy as np

    assert f"numpy {np.__version__}" in machine.name()
    assert "cores" in machine.name()


def test_kept_for_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept(tmp_path, monkeypatch)
    assert machine.known() == ROUND
