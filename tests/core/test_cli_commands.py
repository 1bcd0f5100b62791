"""Every command does what the README says of it, on a file of the user's and on the catalogue."""

from __future__ import annotations

import csv
import io
import json
import math
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from claim_files import LARGEST, environment, written
from claim_files import theorylab as command_line
from machines import kept

import theorylab
from theorylab import registry
from theorylab.claim import Claim
from theorylab.cli import run
from theorylab.theory import Theory

SEVERAL = (
    LARGEST
    + """
smallest_of_two = tl.Claim(
    statement="The smallest of two uniforms has mean 1/3.",
    prediction=tl.ClosedForm(expr=n.symbol / n.symbol / 3, space=tl.Space([n]), quantity="mean of the smallest"),
    simulation=lambda trials, rng, n: rng.uniform(trials, n).min(axis=1),
    check=tl.Expectation(),
    points=[{"n": 2}],
    mutants=[tl.Mutant("1/2", lambda value, n: value * 1.5)],
    budgets={"quick": tl.Budget(trials=4096, margin=0.09)},
)
source = tl.Source("Doe, Jane", "Extremes", 1999, "eq. 1")
theory = tl.Theory("toy/extremes", title="Extremes of uniforms", source=source)


@theory.claim(expected="fails")
def off_by_one() -> tl.Claim:
    \"\"\"The largest of n uniforms has mean (n - 1)/n.

    It is known to be false.
    \"\"\"
    wrong = tl.ClosedForm(expr=(n.symbol - 1) / n.symbol, space=tl.Space([n]))
    return tl.Claim(prediction=wrong, simulation=draw, check=tl.Expectation(), points=[{"n": 4}],
                    mutants=[tl.Mutant("half", wrong.expr / 2)], budgets={"quick": tl.Budget(trials=4096, margin=0.04)})


@theory.claim(control=True, expected="fails")
def control() -> tl.Claim:
    \"\"\"The largest of n uniforms has a mean larger by 8 %.\"\"\"
    wrong = tl.ClosedForm(expr=right * sp.Rational(108, 100), space=tl.Space([n]))
    return tl.Claim(prediction=wrong, simulation=draw, check=tl.Expectation(), points=[{"n": 3}],
                    mutants=[tl.Mutant("half", right / 2)], budgets={"quick": tl.Budget(trials=4096, margin=0.04)})
"""
).replace("import theorylab as tl", "import sympy as sp\nimport theorylab as tl")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("THEORYLAB_STORE", str(tmp_path / "store.sqlite"))
    written(tmp_path)
    written(tmp_path, SEVERAL, "several.py")
    return tmp_path


@pytest.fixture
def ask(capfd: pytest.CaptureFixture[str]) -> Any:
    """Run a command here and return what it prints."""

    def answer(command: str, code: int = 0) -> str:
        capfd.readouterr()
        found = run(command.split())
        out, err = capfd.readouterr()
        assert found == code, err
        return out

    return answer


# --- help and version ---------------------------------------------------------------------------------------------


def test_help_lists_every_command_in_a_moment(ask: Any) -> None:
    text = ask("--help")
    for command in ("list", "show", "derive", "predict", "simulate", "verify", "sweep", "figures", "report", "apply",
                    "doctor", "cite", "new"):  # fmt: skip
        assert re.search(rf"^  {command} ", text, re.MULTILINE)
        assert "Usage" in ask(f"{command} --help")
    assert all(len(line) <= 80 for line in text.splitlines())
    assert ask("--version") == f"theorylab, version {theorylab.__version__}\n"


def test_no_command_is_help_and_exit_code_2(capfd: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    assert "Usage: " in capfd.readouterr().err


# --- list, show, derive, cite -------------------------------------------------------------------------------------


def test_list_shows_statements_and_marks(ask: Any) -> None:
    assert ask("list several.py") == (
        "toy/extremes\n"
        "  off-by-one [known to fail]\n"
        "      The largest of n uniforms has mean (n - 1)/n.\n"
        "several\n"
        "  largest\n"
        "      The largest of n uniforms has mean n / (n + 1).\n"
        "  smallest-of-two\n"
        "      The smallest of two uniforms has mean 1/3.\n"
    )
    assert "  control [control: false on purpose]\n" in ask("list several.py --controls")
    assert "  control [control: false on purpose]\n" in ask("list several.py:control")


def test_list_json_of_the_whole_catalogue(ask: Any) -> None:
    rows = json.loads(ask("list --json"))
    assert [r["claim"] for r in rows] == list(registry.entries())
    assert all(r["statement"] and r["expected"] in ("holds", "fails", "inconclusive") for r in rows)
    assert all(not r["control"] for r in rows)


def test_list_narrows_to_a_prefix(ask: Any) -> None:
    names = list(registry.entries())
    family = names[0].partition("/")[0]
    rows = json.loads(ask(f"list {family} --json"))
    assert [r["claim"] for r in rows] == [n for n in names if n.startswith(f"{family}/")]


@pytest.mark.parametrize("name", ["largest", "my_theory/largest"])
def test_show_tells_everything(ask: Any, name: str) -> None:
    text = ask(f"show my_theory.py:{name}")
    for part in (
        "my_theory/largest\n", "expected    holds", "The largest of n uniforms has mean n / (n + 1).",
        "predicts    mean of the largest", r"formula     \frac{n}{n + 1}",
        "parameter   n in integers >= 1: number of draws", "check       expectation: E[value] = f",
        "point       n = 3", "budget      quick: margin 0.04, at most 4096 trials a point",
        "mutant      n + 2 instead of n + 1", "backends    numpy",
    ):  # fmt: skip
        assert part in text
    assert "source" not in text
    assert "Doe, Jane (1999), Extremes, eq. 1" in ask("show several.py:off-by-one")


def test_show_power_says_what_a_budget_can_see(ask: Any) -> None:
    text = " ".join(ask("show my_theory.py --power --budget quick").split())
    assert re.search(r"power 4096 trials can see a discrepancy of about 0\.02\d*; the margin is 0\.04: enough", text)


def test_text_fits_the_terminal(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    name = next(iter(registry.entries()))
    for command in (f"list {name.partition('/')[0]}", f"show {name}"):
        for line in ask(command).splitlines():
            assert len(line) <= 60 or line.startswith("formula") or " " not in line.strip() or ": " in line[:60]


def test_derive_replays_each_step(ask: Any) -> None:
    name = next(n for n, e in registry.entries().items() if e.claim.prediction.derivation is not None)
    text = ask(f"derive {name}")
    derivation = registry.claim(name).prediction.derivation
    assert derivation is not None
    assert len(re.findall(r"^ *\d+\. .*\[(symbolic|50 digits)\]$", text, re.MULTILINE)) == len(derivation)
    assert f"{len(derivation)} steps, after " in text
    assert "\\" in ask(f"derive {name} --latex")


def test_derive_stops_at_a_step_that_does_not_hold(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    steps = 'tl.Derivation("me", lambda: [tl.Step("good", right, n.symbol / (n.symbol + 1), "same"), ' \
            'tl.Step("bad", right, right + n.symbol / 10**9, "hope")])'  # fmt: skip
    written(here, LARGEST.replace('quantity="mean', f'derivation={steps}, quantity="mean'))
    assert run(["derive", "my_theory.py"]) == 1
    out, err = capfd.readouterr()
    assert "1. good  [symbolic]" in out
    assert re.fullmatch(r"theorylab: step 'bad' fails at n = \d: [^\n]+\n", err)


def test_cite_gives_the_sources_and_theorylab(ask: Any) -> None:
    text = ask("cite several.py:off-by-one")
    assert "Doe, Jane" in text
    assert "@misc{theorylab" in text
    assert text.count("@") == 2


# --- predict ------------------------------------------------------------------------------------------------------


def test_predict_a_number_a_list_and_a_grid(ask: Any) -> None:
    assert ask("predict my_theory.py -p n=3") == "# mean of the largest\nn  value    error\n3   0.75  7.5e-13\n"
    table = [line.split() for line in ask("predict my_theory.py -p n=1,3,9").splitlines()[2:]]
    assert [(int(n), float(v)) for n, v, _ in table] == [(1, 0.5), (3, 0.75), (9, 0.9)]
    rows = json.loads(ask("predict my_theory.py -p n=1:1000:4:log --json"))
    assert [r["n"] for r in rows] == [1, 10, 100, 1000]
    assert [r["value"] for r in rows] == [n / (n + 1) for n in (1, 10, 100, 1000)]
    assert all(0 < r["error"] < 1e-10 for r in rows)
    rows = list(csv.DictReader(io.StringIO(ask("predict my_theory.py -p n=1:9:5 --csv"))))
    assert [(r["n"], float(r["value"])) for r in rows] == [(str(n), n / (n + 1)) for n in (1, 3, 5, 7, 9)]


def test_predict_combines_lists_and_fills_in_defaults(ask: Any, here: Path) -> None:
    more = LARGEST.replace("tl.Space([n])", 'tl.Space([n, tl.Parameter("k", tl.Interval(0, 9), "k"), '
                           'tl.Parameter("c", tl.Interval(), "c", default=2.5)])')  # fmt: skip
    written(here, more, "more.py")
    rows = json.loads(ask("predict more.py -p n=1,2 -p k=0.5:1.5:3 --json"))
    assert [(r["n"], r["k"], r["c"]) for r in rows] == [(n, k, 2.5) for n in (1, 2) for k in (0.5, 1.0, 1.5)]
    assert "; c = 2.5\n" in ask("predict more.py -p n=1 -p k=1")


def test_predict_without_parameters_is_one_row(ask: Any, here: Path) -> None:
    written(here, LARGEST.replace('"number of draws")', '"number of draws", default=3)'), "default.py")
    assert json.loads(ask("predict default.py --json")) == [{"n": 3, "value": 0.75, "error": 7.5e-13}]
    assert len(ask("predict default.py --csv").splitlines()) == 2


# --- simulate and sweep -------------------------------------------------------------------------------------------


def test_simulate_shows_the_mean_beside_the_prediction(ask: Any, here: Path) -> None:
    text = ask("simulate my_theory.py -p n=3 --trials 20000 --seed 5")
    match = re.search(r"^value  ([\d.]+) \+- ([\d.]+)  predicted 0.75$", text, re.MULTILINE)
    assert match
    mean, error = map(float, match.groups())
    assert abs(mean - 0.75) < 5 * error
    assert error == pytest.approx(math.sqrt(3 / 80 / 20000), rel=0.1)
    data = json.loads(ask("simulate my_theory.py -p n=3 --trials 20000 --seed 5 --json -o all.npz"))
    assert data["trials"] == 20000
    (row,) = data["observables"]
    assert row["predicted"] == [0.75]
    with np.load(here / "all.npz") as archive:
        assert archive["value"].mean() == pytest.approx(row["mean"][0], abs=1e-15)
        assert archive["value"].shape == (20000,)
        # What Python gives.
        same = theorylab.claim("my_theory.py").simulate(20000, n=3, seed=5)["value"]
        assert np.array_equal(archive["value"], same)


def test_simulate_writes_the_name_that_was_asked_for(ask: Any, here: Path) -> None:
    before = set(here.iterdir())
    ask("simulate my_theory.py -p n=3 -o trials")
    assert set(here.iterdir()) - before == {here / "trials"}
    (here / "link").symlink_to(here / "trials")
    size = (here / "trials").stat().st_size
    ask("simulate my_theory.py -p n=3 --trials 2000 -o link")
    assert (here / "link").is_symlink()
    assert (here / "trials").stat().st_size > size


def test_sweep_is_read_back_by_xarray(ask: Any, here: Path) -> None:
    ask("sweep my_theory.py -p n=1,3,9 --trials 5000 --jobs 1 -o out.nc --seed 123456789012345")
    with xr.open_dataset(here / "out.nc", engine="scipy") as data:
        assert data.sizes == {"n": 3}
        assert data.prediction.values.tolist() == [0.5, 0.75, 0.9]
        assert np.all(np.abs(data["mean"] - data.prediction) < 5 * data.standard_error)
        assert data.n.attrs["long_name"] == "number of draws"
        assert data.attrs["claim"] == "my_theory/largest"
        assert data.attrs["trials"] >= 5000
        assert data.attrs["seed"] == "123456789012345"
    assert (here / "out.nc").stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    import os

    mask = os.umask(0)
    os.umask(mask)
    return mask


# --- verify -------------------------------------------------------------------------------------------------------

FIELDS = {
    "claim": str, "status": str, "expected": str, "estimate": float, "interval": list, "predicted": float,
    "prediction_error": float, "margin": float, "detectable": float, "mutants_rejected": list, "samples": int,
    "seconds": float, "seed": int, "backend": str, "budget": str, "versions": dict,
}  # fmt: skip


def test_verify_json_has_every_field(ask: Any) -> None:
    (verdict,) = json.loads(ask("verify my_theory.py --json --seed 3 --jobs 1"))
    assert {k: type(verdict[k]) for k in FIELDS} == FIELDS
    assert verdict["claim"] == "my_theory/largest"
    assert (verdict["status"], verdict["expected"], verdict["seed"]) == ("holds", "holds", 3)
    assert (verdict["budget"], verdict["backend"], verdict["margin"]) == ("quick", "numpy", 0.04)
    assert verdict["mutants_rejected"] == [1, 1]
    low, high = verdict["interval"]
    assert low < verdict["estimate"] < high
    assert abs(low / verdict["predicted"] - 1) < 0.04 > abs(high / verdict["predicted"] - 1)
    assert set(verdict["versions"]) == {"python", "theorylab", "numpy", "scipy", "numba", "sympy"}
    assert [f["where"] for f in verdict["findings"]] == ["n = 3", "n = 5"]


def test_fields_that_do_not_apply_are_null(ask: Any, here: Path) -> None:
    text = LARGEST.replace("tl.Expectation()", "tl.Identity(other=1 - 1 / (n.symbol + 1), ranges={'n': (1, 50)})")
    text = text.replace("    simulation=draw,\n", "").replace("trials=4096, margin=0.04", "trials=5, margin=1e-12")
    written(here, text)
    (verdict,) = json.loads(ask("verify my_theory.py --json"))
    assert verdict["status"] == "holds"
    assert verdict.keys() >= FIELDS.keys()
    assert all(verdict[k] is None for k in ("estimate", "interval", "backend", "detectable"))


def test_exit_codes_and_expected_failures(ask: Any, here: Path) -> None:
    text = ask("verify several.py --jobs 1 --controls")
    assert "4 of 4 claims as expected, 4 of 4 mutants rejected" in text
    assert re.search(r"off-by-one +fails \(as known\)", text)
    # The opposite of what is expected.
    text = ask("verify several.py:largest several.py:control --jobs 1")
    assert "2 of 2 claims" in text
    written(here, SEVERAL.replace('expected="fails"', 'expected="holds"'), "opposite.py")
    text = ask("verify opposite.py:off-by-one --jobs 1", code=1)
    assert re.search(r"off-by-one +FAILS \(expected holds\)", text)
    assert "the sample behaves as if the prediction were 1.07" in " ".join(text.split())
    # Undecided.
    written(here, LARGEST.replace("trials=4096, margin=0.04", "trials=256, margin=0.02"), "few.py")
    text = ask("verify few.py --jobs 1", code=3)
    assert re.search(r"largest +inconclusive", text)
    words = " ".join(text.split())
    assert re.search(r"underpowered: 256 trials can see 0\.0\d+, the margin is 0\.02; about [\d.e+]+ trials are", words)
    ask("verify few.py opposite.py:off-by-one --jobs 1", code=1)


def test_only_controls_below_a_name(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    theory = Theory("toy/false", title="False claims")

    def built() -> Claim:
        raise AssertionError("not built")

    built.__doc__ = "False."
    theory.claim(control=True, expected="fails")(built)
    monkeypatch.setattr(registry, "theories", lambda: {theory.name: theory})
    assert run(["verify", "toy"]) == 2
    assert capfd.readouterr().err == (
        "theorylab: below toy there are only controls, false on purpose: add --controls\n"
    )


def test_details_list_the_findings(ask: Any) -> None:
    text = ask("verify my_theory.py --details --jobs 1")
    assert re.search(r"^ ?n = 3 +holds +0\.7\d+ +\[0\.7", text, re.MULTILINE)
    assert re.search(r"^ ?n = 5 +holds +0\.8\d+ +\[0\.8", text, re.MULTILINE)


def test_paper_budget_announces_its_cost(
    here: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(here, monkeypatch)
    paper = LARGEST.replace('"quick"', '"paper"').replace(
        "simulation=draw", "simulation=tl.Simulation(draw, cost=lambda n: tl.Cost(flops=10.0 * n, bytes=2.0**20 * n))"
    )
    written(here, paper)
    assert run(["verify", "my_theory.py", "--budget", "paper", "--jobs", "1"]) == 0
    err = capfd.readouterr().err
    assert re.search(r"^  largest +2 .*8\.19k +328k .* 5 MiB ", err, re.MULTILINE)
    assert "1 claim: at most 8.19k trials, 328k operations\n" in err


@pytest.mark.parametrize("columns", [60, 80, 100, 140])
def test_tables_fit_the_terminal(columns: int) -> None:
    from theorylab.display import suite_table
    from theorylab.verdict import Finding, Verdict

    verdict = Verdict(
        claim="double_descent/gaussian-ols-exact/smallest-interpolating-risk", status="fails", expected="fails",
        estimate=0.123456789, interval=(0.123456789, 0.13456789), predicted=0.12345, prediction_error=1e-17,
        margin=0.033, detectable=0.01, mutants_rejected=(4, 4), samples=12345678, seconds=123.4, seed=0,
        backend="numba", budget="standard", versions={}, findings=(
            Finding("n = 30, p = 20, sigma2 = 0.5, r2 = 1", "fails", 1.0, (0.9, 1.1), 1.0, 0.0, (-0.1, 0.1), 0.03),),
    )  # fmt: skip
    lines = suite_table([verdict], columns).plain.splitlines()
    assert max(map(len, lines)) <= max(columns, 66)
    assert "fails (as known)" in lines[-1]
    assert ("interval" in lines[0]) == (columns == 140)
    from rich.console import Console

    console = Console(width=columns, file=io.StringIO())
    console.print(verdict)
    assert all(len(line) <= columns for line in console.file.getvalue().splitlines())  # type: ignore[attr-defined]
    assert "<td>n = 30, p = 20, sigma2 = 0.5, r2 = 1</td>" in verdict._repr_html_()


def test_a_terminal_shows_a_bar_and_a_file_plain_lines(here: Path) -> None:
    plain = command_line("verify", "my_theory.py", "--jobs", "1", cwd=here)
    assert re.fullmatch(r"\[1/1\] my_theory/largest: holds, mutants 1/1, \d+\.\d s\n", plain.stderr)
    assert "\x1b" not in plain.stdout + plain.stderr
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "theorylab", "verify", "my_theory.py", "--jobs", "1"],
        cwd=here, env=environment(here, TERM="xterm", COLUMNS="80"), stdout=subprocess.PIPE, stderr=follower, text=True,
    )  # fmt: skip
    import os

    os.close(follower)
    shown = b""
    while True:
        try:
            part = os.read(leader, 4096)
        except OSError:
            break
        if not part:
            break
        shown += part
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "━" in shown.decode()
    assert b"my_theory/largest: holds" in shown
    assert "training" not in out
    assert re.search(r"^  largest +holds ", out, re.MULTILINE)


# --- figures, report, doctor, new ---------------------------------------------------------------------------------


def test_doctor_finds_this_installation_sound(ask: Any) -> None:
    text = ask("doctor")
    assert "BAD" not in text
    assert {f["name"] for f in json.loads(ask("doctor --json"))} >= {"Python", "numpy", "store", "numba compiler"}


def test_new_writes_a_theory_that_verifies(ask: Any, here: Path) -> None:
    files = ask("new toy/variance-of-data").split()
    assert all((here / f).is_file() for f in files)
    (claims,) = [f for f in files if not Path(f).name.startswith("test_") and f.endswith(".py")]
    assert "1 of 1 claims as expected" in ask(f"verify {claims} --jobs 1")


def test_python_m_theorylab_is_the_command(here: Path) -> None:
    assert command_line("--version", cwd=here).stdout == f"theorylab, version {theorylab.__version__}\n"
