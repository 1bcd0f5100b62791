"""What a verification will cost: the arithmetic, the command, and how near it comes to what runs take."""

from __future__ import annotations

import dataclasses
import json
import re
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from claim_files import LARGEST, written
from machines import ROUND, kept
from synthetic import A, closed, make

from theorylab import machine, registry
from theorylab.checks import Expectation, Identity
from theorylab.cli import run
from theorylab.cli.plan import lines, short
from theorylab.cli.plan import time as told
from theorylab.fingerprint import fingerprint
from theorylab.kernels.random import Stream
from theorylab.plan import Plan, plan, points_of, wall
from theorylab.sampling import compute
from theorylab.simulation import Cost, Simulation
from theorylab.store import Store
from theorylab.timings import timings

PLANNED = LARGEST.replace(
    "simulation=draw",
    "simulation=tl.Simulation(draw, cost=lambda n: tl.Cost(flops=1e3 * n, bytes=2.0**20 * n, draws=2.0 * n))",
)


def draw(trials: int, rng: Stream, *, a: float) -> Any:
    return rng.uniform(trials) * a


def toy(cost: Any = None, **options: Any) -> Any:
    """A claim at the points a = 1 and a = 3: 1024 trials at most, in blocks of 64."""
    points = [{"a": 1.0}, {"a": 3.0}]
    return make(Expectation(), closed(A.symbol / 2, A), Simulation(draw, cost=cost), points=points, **options)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a claim of the user's, and a machine of round figures."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("THEORYLAB_STORE", str(tmp_path / "store.sqlite"))
    kept(tmp_path, monkeypatch)
    written(tmp_path, PLANNED)
    return tmp_path


def test_arithmetic() -> None:
    cost = lambda a: Cost(flops=1e6 * a, bytes=2.0**18 * a, draws=100.0 * a, steps=10.0)  # noqa: E731
    found = plan(toy(cost), "quick", machine=ROUND)
    # Seconds of a block of 64 trials, at each point.
    near, far = (64 * (1e-3 * a + 1e-6 * a + 1e-7) + 1e-3 for a in (1.0, 3.0))
    assert (found.points, found.first_look, found.trials, found.backend) == (2, 128, 2048, "numpy")
    assert found.operations == 1024 * (4e6 + 20.0)
    assert found.draws == 1024 * 400
    assert found.trial_bytes == 3 * 2.0**18
    # A batch is as many trials as fit into 4 MiB: 16 of the small ones.
    assert found.batch_bytes == 2.0**22
    assert found.first_seconds == pytest.approx(near + far)
    assert found.seconds == pytest.approx(16 * (near + far))
    assert found.longest_block == pytest.approx(far)
    assert found.actual is None


def test_a_batch_is_at_most_a_block_and_at_least_a_trial() -> None:
    assert plan(toy(lambda a: Cost(1.0, 100.0)), "quick").batch_bytes == 6400.0
    assert plan(toy(lambda a: Cost(1.0, 1e9)), "quick").batch_bytes == 1e9


def test_a_search_states_the_memory_of_all_of_it() -> None:
    claim = toy()
    search = Simulation(draw, cost=lambda a: Cost(1.0, 1e6), per_trial=False)
    assert plan(dataclasses.replace(claim, simulation=search), "quick").batch_bytes == 1e6


def test_what_is_not_known_is_not_made_up() -> None:
    unknown = plan(toy(), "quick", machine=ROUND)
    assert (unknown.points, unknown.trials) == (2, 2048)
    assert unknown.operations is unknown.trial_bytes is unknown.seconds is None
    unmeasured = plan(toy(lambda a: Cost(1.0, 1.0)), "quick")
    assert unmeasured.operations == 2048
    assert unmeasured.seconds is None
    elsewhere = dataclasses.replace(ROUND, backends={})
    assert plan(toy(lambda a: Cost(1.0, 1.0)), "quick", machine=elsewhere).seconds is None
    assert wall([unknown], 2) is None


def test_an_identity_draws_nothing() -> None:
    claim = make(Identity(other=A.symbol / 2), closed(A.symbol / 2, A))
    found = plan(claim, "quick", machine=ROUND)
    assert (found.backend, found.points, found.trials, found.seconds) == (None, 0, 0, 0.0)


def test_wall_time() -> None:
    def taking(seconds: float, longest: float) -> Plan:
        return Plan("x", "numpy", 1, 1, 1, 1.0, 1.0, 1.0, 1.0, seconds, seconds, longest)

    assert wall([taking(10.0, 1.0), taking(6.0, 1.0)], 4) == 4.0
    assert wall([taking(10.0, 5.0), taking(6.0, 1.0)], 4) == 5.0
    assert wall([], 4) == 0.0


@pytest.mark.parametrize(
    ("x", "text"), [(0, "0"), (950, "950"), (1024, "1.02k"), (999_999, "1M"), (3.4e9, "3.4G"), (2e13, "20T")]
)
def test_counts_for_people(x: float, text: str) -> None:
    assert short(x) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0 ms"), (0.0031, "3.1 ms"), (0.0999, "100 ms"), (0.1, "0.1 s"), (41.2, "41 s"), (119.6, "120 s"),
     (150.0, "2.5 min"), (11520.0, "3.2 h"), (864000.0, "10 d")],
)  # fmt: skip
def test_times_for_people(seconds: float, text: str) -> None:
    assert told(seconds) == text


def test_plan_says_it_all_and_makes_nothing(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = sorted(p.name for p in here.iterdir())
    assert run(["plan", "my_theory.py", "--jobs", "2"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    # 3 and 5 draws; 4096 trials a point in blocks of 128, at 3 us and 5 us a trial, and 1 ms for each block.
    assert re.search(r"^claim +points +first look +at most +operations +random +trial +batch +time$", out, re.MULTILINE)
    assert re.search(r"^  largest +2 +256 +8\.19k +32\.8M +65\.5k +5 MiB +5 MiB +3 ms - 97 ms$", out, re.MULTILINE)
    assert "1 claim: at most 8.19k trials, 32.8M operations\n" in out
    assert "at most on 2 workers" in out
    assert sorted(p.name for p in here.iterdir()) == before


def test_times_on_a_gpu_are_unknown() -> None:
    text = lines([Plan("a/b/c", "cupy", 1, 64, 64, 1.0, 1.0, 1.0, 1.0, None, None, None)], 2, 100)
    assert text[-1] == "there is no profile of a GPU: times on backend 'cupy' are unknown"
    assert text[-3].endswith("unknown")


@pytest.mark.parametrize("width", [40, 60, 80, 100])
def test_a_table_fits(width: int) -> None:
    made = [Plan(f"a/b/{'c' * 30}", "numpy", 12, 64, 6400, 1e9, 1e6, 1e6, 1e7, 10.0, 100.0, 1.0)]
    assert max(map(len, lines(made, 2, width)[:3])) <= max(width, 66)


def test_plan_as_data(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "my_theory.py", "--jobs", "2", "--json"]) == 0
    data = json.loads(capfd.readouterr().out)
    (claim,) = data["claims"]
    assert (data["budget"], data["jobs"], data["machine"]) == ("quick", 2, machine.name())
    assert claim["claim"] == "my_theory/largest"
    assert claim["operations"] == 4096 * 8e3
    assert claim["actual"] is None
    assert data["seconds"] == pytest.approx(max(claim["seconds"] / 2, claim["longest_block"]))


def test_without_a_cost_model(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    written(here, LARGEST)
    assert run(["plan", "my_theory.py"]) == 0
    out = capfd.readouterr().out
    assert re.search(r"^  largest +2 .*unknown", out, re.MULTILINE)
    assert "without a cost model, so that nothing more is known: 1 claim\n" in out


def test_actual_beside_predicted(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", "my_theory.py", "--jobs", "1"]) == 0
    line = capfd.readouterr().out.splitlines()[-1]
    told_at_once = re.fullmatch(r"computed (\S+) trials in \S+ s of processor time \(predicted (\S+) s\)", line)
    assert told_at_once, line
    assert run(["plan", "my_theory.py", "--json"]) == 0
    actual = json.loads(capfd.readouterr().out)["claims"][0]["actual"]
    assert actual["trials"] == pytest.approx(float(told_at_once[1]), rel=0.01)
    assert actual["predicted"] == pytest.approx(float(told_at_once[2]), rel=0.01)
    with Store(here / "store.sqlite") as store, sqlite3.connect(store.path) as db:
        assert actual["seconds"] == pytest.approx(db.execute("SELECT SUM(seconds) FROM blocks").fetchone()[0])
    assert run(["plan", "my_theory.py"]) == 0
    out = capfd.readouterr().out
    assert "computed  predicted" in out
    assert "finished blocks took" in out
    assert run(["verify", "my_theory.py", "--jobs", "1"]) == 0
    assert capfd.readouterr().out.splitlines()[-1] == "computed no trials"


def test_blocks_of_other_code_do_not_count(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", "my_theory.py", "--jobs", "1"]) == 0
    assert timings("my_theory/largest", "another", "numpy") == {}
    assert timings("another", "another", "numpy", here / "nowhere.sqlite") == {}
    capfd.readouterr()
    assert run(["plan", "my_theory.py", "--store", "nowhere.sqlite"]) == 0
    assert "actual" not in capfd.readouterr().out
    assert not (here / "nowhere.sqlite").exists()


def test_reading_neither_waits_nor_makes_others_wait(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", "my_theory.py", "--jobs", "1"]) == 0
    left = sorted(p.name for p in here.iterdir())
    capfd.readouterr()
    with sqlite3.connect(here / "store.sqlite", isolation_level=None) as db:
        db.execute("BEGIN IMMEDIATE")
        # Had it waited for the other in vain, it would know nothing of the run before.
        assert run(["plan", "my_theory.py"]) == 0
        beside = capfd.readouterr().out
        db.execute("COMMIT")
    db.close()
    assert run(["plan", "my_theory.py"]) == 0
    assert "finished blocks took" in beside
    assert capfd.readouterr().out == beside
    assert sorted(p.name for p in here.iterdir()) == left


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["double_descnt"], "did you mean"),
        (["my_theory.py:largst"], "did you mean"),
        (["my_theory.py", "--budget", "quik"], "unknown budget 'quik'; did you mean 'quick'?"),
        (["my_theory.py", "--backend", "nump"], "unknown backend 'nump'; did you mean"),
        (["my_theory.py", "--backend", "numba"], "backend 'numba': this simulation runs on numpy only"),
        (["my_theory.py", "--jobs", "0"], "'--jobs'"),
        (["my_theory.py", "--memory", "much"], "memory 'much': a size such as 800M"),
        (["my_theory.py", "--memory", "1K"], "my_theory/largest: a single trial of draw at a time: 3 MiB"),
        (["my_theory.py", "--store", "text.txt"], "store text.txt cannot be read (file is not a database)"),
        (["my_theory.py", "--store", "other.sqlite"], "other.sqlite is not a store"),
        (["my_theory.py", "--store", "."], "store . cannot be read"),
    ],
)
def test_a_mistake_is_one_line(here: Path, arguments: list[str], words: str, capfd: pytest.CaptureFixture[str]) -> None:
    (here / "text.txt").write_text("no store, but long enough not to be an empty file" * 100)
    with sqlite3.connect(here / "other.sqlite") as db:
        db.execute("CREATE TABLE other (x)")
    db.close()
    assert run(["plan", *arguments]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert re.fullmatch(r"theorylab: [^\n]+\n", err)
    assert words in err


# One of each kind of work: compiled recursions, LAPACK, products and a factor, passes over small arrays, searches.
KINDS = [
    "random_matrix/rmt-marchenko-pastur/mean-largest-eigenvalue",
    "random_matrix/rmt-marchenko-pastur/resolvent",
    "random_matrix/granziol-ggn/rotation",
    "double_descent/gaussian-ols-exact/hidden-features",
    "random_matrix/granziol-learning-rate/divergence-at-batch-edge",
    "surrogate_losses/comp-sum-h-consistency/transform",
    "surrogate_losses/comp-sum-conditional-risk/label-noise-risk",
]


@pytest.fixture(scope="module")
def measured() -> machine.Machine:
    return machine.measure()


@pytest.mark.parametrize("name", KINDS)
def test_prediction_is_near_the_truth(name: str, measured: machine.Machine) -> None:
    """Within a factor of 4, in processor time, for a block at the last point: a machine may be busy."""
    claim = registry.claim(name)
    simulation = claim.simulator
    params = points_of(claim, "quick")[-1]
    cost, backend = simulation.work(params), simulation.backend("auto")
    assert cost is not None
    trials = max(16, min(claim.budget("quick").block_trials, int(0.1 / (measured.seconds(cost, backend) or 1.0))))
    predicted = (measured.seconds(cost, backend) or 0.0) * trials + measured.block
    from theorylab.sampling import Block

    # The first time includes what is loaded once.
    took = [compute(Block(name, params, 0, i, trials, backend), simulation)[1] for i in range(4)][1:]
    assert predicted / 4 < min(took) < 4 * predicted


def test_predictions_by_parameters_are_those_of_the_blocks(here: Path) -> None:
    """The key by which stored blocks are found is the one by which they are stored, arrays included."""
    claim = registry.claim("random_matrix/granziol-learning-rate/crossover")
    with Store(here / "store.sqlite") as store:
        claim.verify("quick", store=store)
    used = claim.simulator.backend("auto")
    found = plan(
        claim, "quick", machine=ROUND, found=lambda c, backend: timings(c.name, fingerprint(c.simulator), backend)
    )
    assert used == found.backend
    assert found.actual is not None
    assert 0 < found.actual.trials <= found.trials
    assert found.actual.predicted == pytest.approx((found.seconds or 0.0) * found.actual.trials / found.trials)
    assert np.isfinite(found.actual.seconds)
