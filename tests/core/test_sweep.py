"""Sweeps: theory and simulation over a grid, labelled, the same whatever computed them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from theorylab.checks import Curve, Expectation, Law
from theorylab.claim import Budget, Claim
from theorylab.errors import DomainError, UnknownNameError, UsageError
from theorylab.parameters import Choices, Constraint, Integers, Interval, Observed, Parameter, Space
from theorylab.prediction import ClosedForm, Numerical
from theorylab.store import Store
from theorylab.sweep import sweep

N = Parameter("n", Integers(1), "draws")
S = Parameter("s", Interval(0, open_low=True), "scale", default=2.0)
T = Parameter("t", Interval(0), "time")
BUDGETS = {"quick": Budget(trials=64, margin=0.1)}


def mean_of_draws(trials: int, rng: Any, *, n: int, s: float) -> Any:
    return s * rng.uniform(trials, n).mean(axis=1)


def line(trials: int, rng: Any, *, t: Any, s: float) -> Any:
    return s * t * rng.exponential(trials, 1)


def pair(trials: int, rng: Any, *, n: int) -> Any:
    return {"both": rng.normal(trials, 2) + n, "gram": np.full((trials, 3), float(n))}


def conditional(gram: Any) -> Any:
    return np.repeat(gram.mean(axis=-1)[..., None], 2, axis=-1), 0.0


MEAN = Claim(
    name="f/t/mean", statement="The mean of uniforms.", check=Expectation(), simulation=mean_of_draws, budgets=BUDGETS,
    prediction=ClosedForm(
        expr=S.symbol / 2, space=Space([N, S], [Constraint(N.symbol < 100, "too many")]), quantity="mean",
        conventions={"uniform": "on (0, s)"},
    ),
)  # fmt: skip
CURVE = Claim(
    name="f/t/line", check=Curve(axis="t"), simulation=line, budgets=BUDGETS,
    prediction=ClosedForm(expr=S.symbol * T.symbol, space=Space([T, S])),
)  # fmt: skip
PAIR = Claim(
    name="f/t/pair", check=Expectation("both", given=("gram",)), simulation=pair, budgets=BUDGETS, parameters=[N],
    prediction=Numerical(function=conditional, space=Space([Parameter("gram", Observed("a matrix"), "matrix")])),
)  # fmt: skip


def test_grid_of_two_parameters_is_labelled() -> None:
    data = MEAN.sweep(trials=4000, n=[1, 4, 16], s=np.array([0.5, 3.0]))
    assert data.sizes == {"n": 3, "s": 2}
    assert set(data.data_vars) == {"prediction", "prediction_error", "mean", "standard_error"}
    assert data.n.values.tolist() == [1, 4, 16]
    np.testing.assert_allclose(data.prediction, [[0.25, 1.5]] * 3)
    # 6 of means with 5 standard errors: a false alarm in 3e-6 of all seeds.
    assert np.all(np.abs(data["mean"] - data.prediction) < 5 * data.standard_error)
    expected = data.s / np.sqrt(12 * data.n * data.attrs["trials"])
    np.testing.assert_allclose(data.standard_error, expected.transpose("n", "s"), rtol=0.1)
    assert data.attrs["claim"] == "f/t/mean"
    assert data.attrs["statement"] == "The mean of uniforms."
    assert data.s.attrs["long_name"] == "scale"
    assert data.prediction.attrs == {"long_name": "mean", "convention_uniform": "on (0, s)"}
    assert "s" not in data.attrs


def test_fixed_parameters_and_defaults_are_attributes() -> None:
    data = MEAN.sweep(trials=100, n=[1, 2], seed=7)
    assert (data.attrs["s"], data.attrs["seed"], data.attrs["backend"]) == (2.0, 7, "numpy")
    assert data.attrs["trials"] >= 100
    assert MEAN.sweep(trials=100, n=3).sizes == {}


def test_a_curve_keeps_its_axis() -> None:
    data = CURVE.sweep(trials=2000, t=[0.0, 1.0, 5.0], s=[1.0, 2.0])
    assert data.sizes == {"s": 2, "t": 3}
    assert data.t.values.tolist() == [0, 1, 5]
    assert data["mean"].sel(t=0).values.tolist() == [0, 0]
    np.testing.assert_allclose(data["mean"].sel(t=5), [5, 10], rtol=0.15)
    assert CURVE.sweep(trials=50, t=3.0).sizes == {"t": 1}


def test_a_vector_observable_with_a_conditional_prediction() -> None:
    data = PAIR.sweep(trials=2000, n=[1, 5])
    assert data.sizes == {"n": 2, "component_0": 2}
    np.testing.assert_allclose(data.prediction, [[1, 1], [5, 5]])
    assert np.all(np.abs(data["mean"] - data.prediction) < 5 * data.standard_error)


def test_choices_become_a_labelled_axis() -> None:
    kind = Parameter("kind", Choices(("up", "down")), "side")
    space = Space([kind])

    def signed(trials: int, rng: Any, *, kind: str) -> Any:
        return (1 if kind == "up" else -1) * rng.uniform(trials)

    prediction = Numerical(function=lambda kind: (np.where(kind == "up", 0.5, -0.5), 0.0), space=space)
    claim = Claim(name="f/t/k", prediction=prediction, check=Expectation(), simulation=signed, budgets=BUDGETS)
    data = claim.sweep(trials=1000, kind=["down", "up"])
    assert float(data["mean"].sel(kind="up")) > 0.4
    assert float(data["mean"].sel(kind="down")) < -0.4


def test_netcdf_round_trip(tmp_path: Path) -> None:
    data = MEAN.sweep(trials=64, n=[1, 2], s=[1.0, 2.0])
    data.to_netcdf(tmp_path / "out.nc", engine="scipy")
    with xr.open_dataset(tmp_path / "out.nc", engine="scipy") as back:
        xr.testing.assert_equal(back.load(), data)
        assert back.attrs["claim"] == "f/t/mean"


def test_nothing_is_simulated_when_any_point_is_outside_the_domain() -> None:
    calls = []

    def counted(trials: int, rng: Any, *, n: int, s: float) -> Any:
        calls.append(n)
        return rng.uniform(trials)

    claim = Claim(name="f/t/c", prediction=MEAN.prediction, check=Expectation(), simulation=counted, budgets=BUDGETS)
    for values, message in (({"n": [1, 2, 0]}, "n = 0 is outside"), ({"n": [1, 200]}, "n = 200 violates n < 100")):
        with pytest.raises(DomainError, match=message):
            claim.sweep(**values)
    with pytest.raises(UnknownNameError, match="unknown parameter 'm'"):
        claim.sweep(n=1, m=2)
    assert calls == []


def test_a_law_has_no_mean_to_sweep() -> None:
    law = Claim(
        name="f/t/law", check=Law("t"), simulation=mean_of_draws, budgets=BUDGETS, parameters=[N, S],
        prediction=ClosedForm(expr=T.symbol, space=Space([T])),
    )  # fmt: skip
    with pytest.raises(UsageError, match="f/t/law is a law: it has no mean to sweep; use verify or simulate"):
        sweep(law, n=1)


def test_the_same_numbers_from_threads_and_from_a_store(tmp_path: Path) -> None:
    grid: dict[str, Any] = {"trials": 700, "n": [1, 2, 3], "s": [1.0, 2.0]}
    plain = MEAN.sweep(**grid)
    with ThreadPoolExecutor(3) as executor:
        xr.testing.assert_identical(MEAN.sweep(executor=executor, **grid), plain)
    with Store(tmp_path / "s.sqlite") as store:
        xr.testing.assert_identical(MEAN.sweep(store=store, **grid), plain)
        filled = len(store)
        assert filled > 0
        xr.testing.assert_identical(MEAN.sweep(store=store, **grid), plain)
        assert len(store) == filled
    assert not MEAN.sweep(seed=1, **grid).equals(plain)


def test_progress_is_reported() -> None:
    seen: list[tuple[int, int]] = []
    threads = threading.active_count()
    MEAN.sweep(trials=640, n=[1, 2], progress=lambda done, planned: seen.append((done, planned)))
    assert [done for done, _ in seen] == list(range(1, len(seen) + 1))
    assert {planned for _, planned in seen} == {len(seen)}
    assert threading.active_count() == threads
