"""`theorylab apply scaling_laws/fit`: a known law comes back, published runs give the published one, mistakes a line.

Intervals at level 0.999 of eleven quantities are compared with the truth once, with a fixed stream: had the stream been
random, one test in a hundred would fail by chance.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import theorylab as tl
from theorylab import registry
from theorylab.application import Application, Quantity, Result
from theorylab.cli import run as main
from theorylab.derivations.scaling_laws import chinchilla_allocation
from theorylab.errors import UsageError
from theorylab.kernels.random import Stream
from theorylab.sims.scaling_laws import loss_fits

PUBLISHED = Path(__file__).resolve().parents[3] / "shared" / "data" / "chinchilla_runs.csv"
LAW = {"A": 482.01, "B": 2085.43, "E": 1.8172, "a": 0.3478, "b": 0.3658}


def table(copies=4, noise=0.002):
    x, y = (np.tile(v, copies) for v in loss_fits.grid())
    theta = np.array([np.log(LAW["A"]), np.log(LAW["B"]), np.log(LAW["E"]), LAW["a"], LAW["b"]])
    target = loss_fits.log_loss(x, y, theta) + noise * Stream.from_seed(11).normal(1, x.size)[0]
    return {"params": np.exp(x), "tokens": np.exp(y), "loss": np.exp(target)}


def written(path, columns, names=None):
    names = names or list(columns)
    rows = [",".join(names), *(",".join(f"{v:.12g}" for v in row) for row in zip(*columns.values()))]
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module")
def result():
    return tl.apply("scaling_laws/fit", table(), level=0.999, resamples=299, compute=[1e21, 5.76e23])


def test_a_known_law_comes_back(result):
    truth = {
        **LAW,
        "b/(a+b)": LAW["b"] / (LAW["a"] + LAW["b"]),
        "a/(a+b)": LAW["a"] / (LAW["a"] + LAW["b"]),
        "N* at 5.76e+23": float(chinchilla_allocation.optimal_size()),
        "D* at 5.76e+23": float(chinchilla_allocation.optimal_tokens()),
        "D*/N* at 5.76e+23": float(chinchilla_allocation.tokens_per_parameter()),
        "L*-E at 5.76e+23": float(chinchilla_allocation.reducible_loss()),
    }
    for name, value in truth.items():
        low, high = result[name].interval
        assert low < value < high, name
        assert low < result[name].value < high


def test_without_noise_the_law_is_exact():
    found = tl.apply("scaling_laws/fit", table(noise=0.0), resamples=19)
    for name, value in LAW.items():
        assert found[name].value == pytest.approx(value, rel=1e-6)


def test_units_columns_and_order_change_nothing(result, tmp_path):
    """Symmetries: rows in any order, other headers, other units, a column too many."""
    runs = {k: v[::-1] for k, v in table().items()}
    other = {
        "N": runs["params"] / 1e6,
        "D": runs["tokens"] / 1e9,
        "Loss": runs["loss"] / np.log(2),
        "seed": 0 * runs["loss"],
    }
    found = tl.apply(
        "scaling_laws/fit",
        written(tmp_path / "runs.csv", other),
        params_in="1e6",
        tokens_in="1e9",
        loss_in="bits",
        resamples=19,
    )
    for name in LAW:
        assert found[name].value == pytest.approx(result[name].value, rel=1e-6)


def test_intervals_narrow_with_the_runs_and_widen_with_the_level():
    few, many = (tl.apply("scaling_laws/fit", table(c, 0.005), resamples=99) for c in (2, 16))
    sure = tl.apply("scaling_laws/fit", table(2, 0.005), resamples=99, level=0.99)
    widths = [np.ptp(r["a"].interval) for r in (many, few, sure)]
    assert widths[0] < 0.6 * widths[1]
    assert widths[2] == pytest.approx(widths[1] * 2.5758 / 1.6449, rel=1e-3)


@pytest.mark.skipif(not PUBLISHED.is_file(), reason="no published runs beside the project")
def test_published_runs_give_the_published_law(tmp_path, capsys):
    """Besiroglu et al. (2024), table 1: estimates and standard errors, without the five runs of the highest loss."""
    out = tmp_path / "out"
    assert main(["apply", "scaling_laws/fit", str(PUBLISHED), "-p", "drop=5", "-o", str(out)]) == 0
    assert "fitted to 240 runs" in capsys.readouterr().out
    found = {q["name"]: q for q in json.loads((out / "result.json").read_text())["quantities"]}
    published = {
        "E": (1.8172, 0.03),
        "A": (482.01, 124.58),
        "B": (2085.43, 1293.23),
        "a": (0.3478, 0.02),
        "b": (0.3658, 0.02),
    }
    for name, (value, error) in published.items():
        assert abs(found[name]["value"] - value) < 0.25 * error, "a quarter of the published standard error"
        low, high = found[name]["interval"]
        assert low < value < high
    low, high = found["D*/N* at 5.76e+23"]["interval"]
    assert low < 20 < high, "twenty tokens per parameter"
    assert {f.name for f in out.iterdir()} == {"result.json", "result.txt", "frontier.png", "residuals.png"}


def test_result_is_text_json_and_figures(result, tmp_path):
    files = result.save(tmp_path / "new" / "folder")
    assert all(f.stat().st_size > 0 for f in files)
    assert json.loads(files[0].read_text())["quantities"][0]["name"] == "E"
    text = str(result)
    assert text.splitlines()[0] == "# L = E + A/N^a + B/D^b fitted to 120 runs"
    assert "extrapolation" in text
    with pytest.raises(KeyError):
        result["no such quantity"]


def edited(column, row, value):
    runs = {k: list(v) for k, v in table(1).items()}
    runs[column][row] = value
    return runs


MISTAKES = {
    "missing columns tokens (training tokens D, tokens), loss": {"params": [1e9] * 9},
    "RUNS.csv, row 4: loss = 'high' is not a number": edited("loss", 3, "high"),
    "RUNS.csv, row 4: loss = nan is not a finite number": edited("loss", 3, float("nan")),
    "RUNS.csv, row 2: params = -1e+09 is outside": edited("params", 1, -1e9),
    "row 1: tokens = 0 is outside": edited("tokens", 0, 0.0),
    "RUNS.csv, run 1: loss = 25 is no loss to fit: more than 20 nats": edited("loss", 0, 25.0),
    "RUNS.csv, run 1: params = 70 is no params to fit: parameters are counted one by one": edited("params", 0, 70.0),
    "RUNS.csv: 5 rows; at least 6 are needed: the law has five parameters": {k: v[:5] for k, v in table(1).items()},
    "1 distinct value of params; at least 3": {k: v[:6] for k, v in table(1).items()},
    "2 distinct values of tokens": {k: v.reshape(5, 6)[:, :2].ravel() for k, v in table(1).items()},
    "flops are 1e+03 times 6 x params x tokens (median): a unit is mixed up": {
        **table(1),
        "flops": 6e3 * table(1)["params"] * table(1)["tokens"],
    },
    "RUNS.csv: the columns have different lengths": {**table(1), "loss": [2.0] * 7},
    "RUNS.csv: params and N are both model size N; keep one": {**table(1), "N": table(1)["params"]},
    "all losses are equal": {**table(1), "loss": np.full(30, 2.0)},
    "the best fit has": {**table(1), "loss": table(1)["loss"][::-1]},
}


@pytest.mark.parametrize("message", MISTAKES)
def test_bad_tables_are_named_in_one_line(message):
    with pytest.raises(UsageError) as error:
        tl.apply("scaling_laws/fit", MISTAKES[message], resamples=19)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


FILES = {
    "line 3: loss is empty": "params,tokens,loss\n1e9,1e10,2\n1e9,1e10,\n",
    "line 2: loss = '2,5' is not a number": 'params,tokens,loss\n1e9,1e10,"2,5"\n',
    "line 2: 2 cells under 3 headers": "params,tokens,loss\n1e9,1e10\n",
    "two columns are called loss": "params,loss,loss\n1,2,3\n",
    "is empty: a header": "",
    "0 rows": "params,tokens,loss\n",
}


@pytest.mark.parametrize("message", FILES)
def test_bad_files_are_named_with_their_line(message, tmp_path, capsys):
    path = tmp_path / "runs.csv"
    path.write_text(FILES[message])
    assert main(["apply", "scaling_laws/fit", str(path)]) == 2
    told = capsys.readouterr().err
    assert message in " ".join(told.split())
    assert "Traceback" not in told


COMMANDS = {
    "unknown application 'scaling_laws/fti'; did you mean 'scaling_laws/fit'?": ["scaling_laws/fti", "runs.csv"],
    "unknown file 'run.csv'; did you mean 'runs.csv'?": ["scaling_laws/fit", "run.csv"],
    "scaling_laws/fit takes 1 input (RUNS.csv); 0 given": ["scaling_laws/fit"],
    "unknown parameter 'dleta'; did you mean 'delta'?": ["scaling_laws/fit", "runs.csv", "-p", "dleta=1"],
    "delta = 0 is outside its domain": ["scaling_laws/fit", "runs.csv", "-p", "delta=0"],
    "delta=big: 'big' is not a number": ["scaling_laws/fit", "runs.csv", "-p", "delta=big"],
    "drop = 28 leaves 2 runs; at least 6": ["scaling_laws/fit", "runs.csv", "-p", "drop=28"],
    "loss_in = 'nat' is not one of {nats, bits}": ["scaling_laws/fit", "runs.csv", "-p", "loss_in=nat"],
    "cannot make the folder": ["scaling_laws/fit", "runs.csv", "-o", "runs.csv"],
    "delta takes one value": ["scaling_laws/fit", "runs.csv", "-p", "delta=1,2"],
}


@pytest.mark.parametrize("message", COMMANDS)
def test_mistakes_on_the_command_line(message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "runs.csv", table(1))
    assert main(["apply", *COMMANDS[message]]) == 2
    told = capsys.readouterr().err
    assert message in " ".join(told.split())
    assert "Traceback" not in told


def test_applications_are_listed(capsys):
    assert "scaling_laws/fit" in registry.applications()
    assert main(["apply", "--help"]) == 0
    told = capsys.readouterr().out
    for word in ("scaling_laws/fit RUNS.csv", "params (model size N, parameters", "-p delta=0.001"):
        assert word in " ".join(told.split())


def test_an_application_of_another_kind():
    """The machinery asks only for inputs that read and a function that computes."""

    class Words:
        name = "WORDS"

        def read(self, source):
            return source.split()

        def describe(self):
            return "text"

    def count(words):
        return Result("texts/count", "words counted", [Quantity("words", float(len(words)))])

    application = Application("texts/count", "count words", count, (Words(),))
    assert application.run("one two three")["words"].value == 3
    assert application.describe().splitlines() == ["texts/count WORDS: count words", "WORDS: text"]
