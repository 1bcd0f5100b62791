"""Every mistake: one line on standard error that names it and the mend, exit code 2, no traceback, nothing written."""

from __future__ import annotations

import ctypes
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from claim_files import LARGEST, environment, written
from claim_files import theorylab as command_line

import theorylab.cli.catalogue
import theorylab.store
from theorylab.cli import run
from theorylab.sampling import Block
from theorylab.store import Store

LINE = re.compile(r"theorylab: [^\n]+\n")

TWO = LARGEST + """
pair = tl.Claim(
    statement="The same with a joint constraint.",
    prediction=tl.ClosedForm(
        expr=right,
        space=tl.Space(
            [n, tl.Parameter("d", tl.Interval(0, 4, open_low=True), "dimension", default=1.0)],
            [tl.Constraint(n.symbol > tl.Parameter("d", tl.Interval(0, 4, open_low=True), "dimension").symbol,
                           "there must be more draws than dimensions")],
        ),
    ),
    simulation=draw,
    check=tl.Expectation(),
    parameters=[tl.Parameter("kind", tl.Choices(("open", "closed")), "kind of interval", default="open")],
    points=[{"n": 3}],
    budgets={"quick": tl.Budget(trials=64, margin=0.04)},
)
identity = tl.Claim(
    statement="n/(n+1) = 1 - 1/(n+1)",
    prediction=tl.ClosedForm(expr=right, space=tl.Space([n])),
    check=tl.Identity(other=1 - 1 / (n.symbol + 1)),
    mutants=[tl.Mutant("n + 2", 1 - 1 / (n.symbol + 2))],
    budgets={"quick": tl.Budget(trials=5, margin=1e-12)},
)
"""  # fmt: skip


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("THEORYLAB_STORE", str(tmp_path / "store.sqlite"))
    written(tmp_path)
    written(tmp_path, TWO, "two.py")
    written(tmp_path, LARGEST.replace("largest = tl.Claim(", "largest = tl.Claim(name='two/largest',"), "namesake.py")
    return tmp_path


P, V, S, W = "predict my_theory.py", "verify my_theory.py", "simulate my_theory.py", "sweep my_theory.py"
# A command, and what its answer says, where " ... " stands for anything.
MISTAKES = [
    # Names.
    ("verfy", "unknown command 'verfy'; did you mean 'verify'?"),
    ("verify double_descend", "unknown claim, theory or family 'double_descend'; did you mean 'double_descent'"),
    ("show excess-rik", "unknown claim, theory or family 'excess-rik'; did you mean ' ... excess-risk"),
    ("predict nothing/of/this-kind", "unknown claim, theory or family 'nothing/of/this-kind'"),
    ("verify my_theory", "did you mean 'my_theory.py'?"),
    ("predict my_theorie.py", "unknown file 'my_theorie.py'; did you mean 'my_theory.py'?"),
    ("predict my_theory.py:larges -p n=3", "unknown claim 'my_theory.py:larges'; did you mean 'my_theory.py:largest'?"),
    ("predict two.py -p n=3", "two.py holds 3 claims; choose one of two.py:largest, two.py:pair, two.py:identity"),
    ("verify two.py namesake.py", "two/largest is defined in two.py and in namesake.py"),
    (f"{V} --budget quik", "unknown budget 'quik'; did you mean 'quick'?"),
    (f"{V} --budget standard", "unknown budget 'standard'; choose from quick"),
    (f"{V} --backend nunba", "unknown backend 'nunba'; did you mean 'numba'"),
    (f"{V} --backend numba", "my_theory/largest: backend 'numba': this simulation runs on numpy only"),
    (f"{S} -p n=3 --backend gpu", "unknown backend 'gpu'; choose from auto, numpy, numba, cupy"),
    ("figures no-such-figure", "unknown figure 'no-such-figure'"),
    ("figures --format jpg", "unknown format 'jpg'; did you mean 'png'?"),
    ("figures --budget quik", "unknown budget 'quik'; did you mean 'quick'?"),
    ("apply no-such-thing", "unknown application 'no-such-thing'"),
    ("cite nobody/nothing", "unknown claim, theory or family 'nobody/nothing'"),
    ("derive my_theory.py", "no derivation: my_theory/largest"),
    # Options.
    (f"{V} --budgte quick", "No such option ... --budgte ... --budget"),
    (f"{V} --jobs 0", "--jobs ... 0 is not in the range"),
    (f"{V} --jobs two", "--jobs ... 'two' is not a valid integer"),
    (f"{V} --jobs 2 --dask local", "--jobs and --dask exclude each othe"),
    (f"{V} --seed -1", "--seed ... -1 is not in the range"),
    (f"{V} --seed 9223372036854775808", "--seed ... not in the range"),
    (f"{S} -p n=3 --trials 1", "--trials ... 1 is not in the range"),
    (f"{S} -p n=3 --trials 100000000000", "--trials ... not in the range"),
    (f"{P} -p n=3 --json --csv", "--json and --csv exclude each othe"),
    ("predict", "Missing argument 'NAME'"),
    ("sweep my_theory.py -p n=3", "Missing option '-o'"),
    # Values.
    (P, "missing parameter n: n is number of draws, integers >= 1"),
    (f"{P} -p n", "-p n: write NAME=VALUE, where VALUE is a number, a list 1,2,5 or a grid START:STOP:COUNT"),
    (f"{P} -p =3", "-p =3: write NAME=VALUE"),
    (f"{P} -p n=", "n=: empty value"),
    (f"{P} -p n=1,,2", "n=1,,2: empty value"),
    (f"{P} -p n=3 -p n=4", "parameter n is given twice"),
    (f"{P} -p m=3", "unknown parameter 'm'; choose from n"),
    (f"{P} -p n=many", "n=many: 'many' is not a number; write a number, a list"),
    (f"{P} -p n=nan", "n=nan: 'nan' is not a finite numbe"),
    (f"{P} -p n=inf", "n=inf: 'inf' is not a finite numbe"),
    (f"{P} -p n=1e999", "not a finite numbe"),
    (f"{P} -p n=0", "n = 0 is outside its domain integers >= 1 (number of draws)"),
    (f"{P} -p n=2.5", "n = 2.5 is outside its domain integers >= 1"),
    (f"{P} -p n=1,2,-3", "n = -3 is outside its domain"),
    ("predict two.py:pair -p n=5 -p d=5", "d = 5 is outside its domain (0, 4] (dimension)"),
    ("predict two.py:pair -p n=5 -p d=0", "d = 0 is outside its domain"),
    ("predict two.py:pair -p n=2,5 -p d=3", "d = 3, n = 2 violates ... : there must be more draws than dimensions"),
    ("simulate two.py:pair -p n=2 -p d=3", "d = 3, n = 2 violates"),
    ("simulate two.py:pair -p n=5 -p kind=half", "kind = 'half' is not one of {open, closed}"),
    # Grids.
    (f"{P} -p n=1:5:0", "n=1:5:0: the grid is empty: COUNT = 0"),
    (f"{P} -p n=1:5:-2", "the grid is empty"),
    (f"{P} -p n=1:5:2.5", "COUNT = 2.5 must be a whole numbe"),
    (f"{P} -p n=5:1:3", "the grid is reversed; write 1:5:3"),
    (f"{P} -p n=5:1:3:log", "the grid is reversed; write 1:5:3:log"),
    (f"{P} -p n=5:5:3", "the grid has no width"),
    (f"{P} -p n=1:x:3", "'x' is not a numbe"),
    (f"{P} -p n=1:nan:3", "'nan' is not a finite numbe"),
    (f"{P} -p n=1:5", "a grid is START:STOP:COUNT"),
    (f"{P} -p n=1:5:3:cubic", "a grid is START:STOP:COUNT, with :log for equal ratios"),
    (f"{P} -p n=1:5:3:log:2", "a grid is START:STOP:COUNT"),
    (f"{P} -p n=0:5:3:log", "a log grid needs START > 0"),
    (f"{P} -p n=1:5:1e9", "must be a whole number from 1 to 1000000"),
    ("predict two.py:pair -p n=5:6000:2000 -p d=1:2:2000", "combine to 4000000 points; at most 1000000 are allowed"),
    # Claims of the wrong kind.
    ("simulate two.py:identity -p n=3", "two/identity is an identity: it has no simulation"),
    ("sweep two.py:identity -p n=3 -o out.nc", "two/identity is an identity: it has no simulation"),
    # Outputs.
    (f"{W} -p n=3 -o no/such/folder/out.nc", "no folder no/such/folder: make it first"),
    (f"{S} -p n=3 -o no/out.npz", "no folder no: make it first"),
    (f"{W} -p n=3 -o .", "is a directory"),
    (f"{W} -p n=3 -o /dev/null", "/dev/null is not a file that can be replaced"),
    ("report my_theory.py -o my_theory.py", "my_theory.py ... is a file"),
    ("report my_theory.py -o my_theory.py/report", "cannot make the folder my_theory.py/report"),
    ("figures -o my_theory.py", "my_theory.py ... is a file"),
    # Stores.
    (f"{V} --store .", "store . cannot be written ... name another file with --store"),
    (f"{V} --store my_theory.py", "store my_theory.py is damaged ... not a database"),
    (f"{V} --store my_theory.py/store", "name another file with --store"),
    (f"{W} -p n=3 -o out.nc --store my_theory.py", "store my_theory.py is damaged"),
    # New theories.
    ("new Large-N", "is not of the form family/theory"),
]  # fmt: skip


@pytest.mark.parametrize(("command", "message"), MISTAKES, ids=[c for c, _ in MISTAKES])
def test_one_line_and_nothing_written(
    here: Path, command: str, message: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {p: p.stat().st_size for p in here.rglob("*") if p.is_file()}
    code = run(command.split())
    out, err = capfd.readouterr()
    assert LINE.fullmatch(err), err
    assert all(part in err for part in message.split(" ... ")), err
    assert (code, out) == (2, "")
    after = {p: p.stat().st_size for p in here.rglob("*") if p.is_file() and "__pycache__" not in p.parts}
    assert {p: s for p, s in after.items() if not p.name.startswith("store.sqlite")} == before


BROKEN_FILES = {
    "a syntax error": ("def f(:\n    pass\n", r"my_theory\.py, line 1: "),
    "an error on import": ("import theorylab\n\n1 / 0\n", r"my_theory\.py, line 3: ZeroDivisionError: division"),
    "a missing module": ("import no_such_module\n", r"line 1: ModuleNotFoundError: No module named 'no_such_module'"),
    "an exit": ("import sys\nsys.exit('enough')\n", r"line 2: SystemExit: enough"),
    "no claims": ("x = 1\n", r"my_theory\.py defines no theorylab\.Claim or Theory at its top level"),
    "no text": ("\x00\x01", r"my_theory\.py cannot be imported: "),
    "a wrong argument": (
        LARGEST.replace("statement=", "statment="),
        r"my_theory\.py, line 12: TypeError: .*unexpected keyword argument 'statment'",
    ),
    "a wrong name": (LARGEST.replace("tl.Budget", "tl.Buget"), r"line 19: AttributeError: .*no attribute 'Buget'"),
    "a claim twice": (
        LARGEST + "\nlargest2 = tl.Claim(**{**vars(largest), 'name': 'my_theory/largest'})\n",
        r"two claims are called my_theory/largest",
    ),
    "a symbol without a parameter": (
        LARGEST.replace("space=tl.Space([n])", "space=tl.Space([])"),
        r"my_theory/largest: unknown parameter 'n'",
    ),
    "an observable that is not there": (
        LARGEST.replace("tl.Expectation()", "tl.Expectation('risk')"),
        r"the simulation returns no observable 'risk'; it returns value",
    ),
    "a margin too wide": (LARGEST.replace("margin=0.04", "margin=0.4"), r"margin 0\.4 is more than a third"),
    "too few trials": (
        LARGEST.replace("return rng.uniform(trials, n).max(axis=1)", "return rng.uniform(trials - 1, n).max(axis=1)"),
        r"observable 'value' of draw has shape \(\d+,\); its first axis must be the \d+ trials",
    ),
    "a single number": (
        LARGEST.replace(".max(axis=1)", ".max()"),
        r"observable 'value' of draw has shape \(\); its first axis must be the \d+ trials",
    ),
    "a value that is not a number": (
        LARGEST.replace(".max(axis=1)", ".max(axis=1) * float('nan')"),
        r"observable 'value' of draw is not finite in row 0",
    ),
    "an infinite value": (
        LARGEST.replace(".max(axis=1)", ".max(axis=1) / 0.0"),
        r"observable 'value' of draw is not finite in row 0",
    ),
    "a complex value": (LARGEST.replace(".max(axis=1)", ".max(axis=1) + 0j"), r"'value' .*complex128: real numbers"),
    "an error in a trial": (
        LARGEST.replace(".max(axis=1)", ".max(axis=1) + [1, 2][n]"),
        r"the simulation of my_theory/largest failed: my_theory\.py, line 9: IndexError: list index out of range",
    ),
    "an error in NumPy": (
        LARGEST.replace("(trials, n).max(axis=1)", "(trials, n) @ rng.uniform(trials, n)"),
        r"my_theory\.py, line 9: ValueError: matmul: .*mismatch",
    ),
    "a parameter that the claim does not have": (
        LARGEST.replace("rng, *, n)", "rng, *, n, width)"),
        r"width",
    ),
    "no memory": (
        LARGEST.replace("return rng", "import numpy as np\n    np.empty(10**17)\n    return rng"),
        r"my_theory\.py, line 10: .*MemoryError: Unable to allocate",
    ),
    "a point outside the domain": (LARGEST.replace("n=[3, 5]", "n=[3, 0]"), r"n = 0 is outside its domain"),
    "a mutant that fails to evaluate": (
        LARGEST.replace('n.symbol / (n.symbol + 2))]', 'lambda value, n: value[5])]'),
        r"my_theory\.py, line \d+: IndexError",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN_FILES)
def test_a_file_with(what: str, here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text, message = BROKEN_FILES[what]
    path = written(here, text)
    code = run(["verify", str(path), "--jobs", "1"])
    out, err = capfd.readouterr()
    assert LINE.fullmatch(err), err
    assert re.search(message, err), err
    assert (code, out) == (2, "")


def test_an_error_in_a_neighbour_names_the_neighbour(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    written(here, "x = 1\ny = x +\n", "neighbour_with_a_mistake.py")
    path = written(here, "import neighbour_with_a_mistake\n")
    assert run(["verify", str(path)]) == 2
    assert "neighbour_with_a_mistake.py, line 2: invalid syntax" in capfd.readouterr().err


def test_an_error_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(theorylab.cli.catalogue.registry, "select", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(["list"])


WHOLE = [
    "verify double_descend",
    "verify my_theory.py --budget quik",
    "verify my_theory.py --backend numba",
    "verify my_theory.py --jobs 0",
    "predict my_theory.py -p m=3",
    "predict my_theory.py -p n=2.5",
    "predict two.py:pair -p n=2 -p d=3",
    "predict my_theory.py -p n=5:1:3",
    "predict my_theory.py -p n=1:5:0",
    "predict my_theory.py -p n=x",
    "sweep my_theory.py -p n=3 -o no/out.nc",
    "verify my_theory.py --store my_theory.py",
    "verify no_claims.py",
    "verify syntax_error.py",
]


@pytest.mark.parametrize("command", WHOLE)
def test_whole_process(here: Path, command: str) -> None:
    written(here, "x = 1\n", "no_claims.py")
    written(here, "x = = 1\n", "syntax_error.py")
    done = command_line(*command.split(), cwd=here)
    assert LINE.fullmatch(done.stderr), done.stderr
    assert (done.returncode, done.stdout) == (2, "")


def damaged_store(path: Path, what: str) -> None:
    """A store with something in it, and something wrong with it."""
    with Store(path) as store:
        for i in range(40):
            store.put(Block("c", {}, 0, i, 8, "numpy"), "code", {"value": np.arange(100.0)}, 0.0)
    if what == "truncated":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif what == "of another version":
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA user_version = 99")
        db.close()
    elif what == "read-only":
        path.chmod(0o444)
        path.parent.chmod(0o555)


def without_privileges() -> None:
    """Let the superuser's programs respect permissions, as those of all others do."""
    if os.geteuid() == 0:
        drop_from_bounding_set, override_permissions = 24, 1
        ctypes.CDLL(None).prctl(drop_from_bounding_set, override_permissions, 0, 0, 0)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("truncated", "is damaged (database disk image is malformed); move it away and run again"),
        ("of another version", "has version 99, this theorylab writes version"),
        ("locked", "is locked by another program (waited 10 s); run again, or name another file with --store"),
        ("read-only", "cannot be written (attempt to write a readonly database); name another file with --store"),
    ],
)
def test_whole_process_with_a_store_that_is(here: Path, what: str, message: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "store.sqlite"
        damaged_store(path, what)
        before = path.read_bytes()
        lock = sqlite3.connect(path, isolation_level=None) if what == "locked" else None
        if lock is not None:
            lock.execute("BEGIN EXCLUSIVE")
        done = subprocess.run(
            [sys.executable, "-m", "theorylab", "verify", "my_theory.py", "--jobs", "1", "--store", path],
            cwd=here, env=environment(here), capture_output=True, text=True, timeout=120,
            preexec_fn=without_privileges,
        )  # fmt: skip
        if lock is not None:
            lock.close()
        assert LINE.fullmatch(done.stderr), done.stderr
        assert message in done.stderr
        assert (done.returncode, done.stdout) == (2, "")
        assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (
            "sweep my_theory.py -p n=3 -o closed/out.nc",
            "closed/out.nc: the folder closed is closed to you",
        ),
        ("simulate my_theory.py -p n=3 -o closed/out", "cannot write closed/out: the folder closed is closed to you"),
        ("report my_theory.py -o closed/report", "cannot make the folder closed/report: Permission denied"),
        ("new toy/theory -o closed", "cannot write closed/theory: Permission denied; nothing was left behind"),
    ],
)
def test_whole_process_with_a_closed_folder(here: Path, command: str, message: str) -> None:
    (here / "closed").mkdir(mode=0o555)
    done = subprocess.run(
        [sys.executable, "-m", "theorylab", *command.split()],
        cwd=here, env=environment(here), capture_output=True, text=True, timeout=120, preexec_fn=without_privileges,
    )  # fmt: skip
    assert LINE.fullmatch(done.stderr), done.stderr
    assert message in done.stderr
    assert (done.returncode, done.stdout) == (2, "")


WRONG_IN_A_WORKER = {
    "nan": (".max(axis=1)", ".max(axis=1) * float('nan')", "is not finite in row 0"),
    "shape": (".max(axis=1)", ".max()", "its first axis must be the"),
    "error": (".max(axis=1)", ".max(axis=7)", "my_theory.py, line 9: AxisError: axis 7 is out of bounds"),
}


@pytest.mark.parametrize("what", WRONG_IN_A_WORKER)
def test_whole_process_with_workers(here: Path, what: str) -> None:
    before, after, message = WRONG_IN_A_WORKER[what]
    written(here, LARGEST.replace(before, after))
    done = command_line("verify", "my_theory.py", "--jobs", "2", cwd=here)
    assert LINE.fullmatch(done.stderr), done.stderr
    assert message in done.stderr
    assert (done.returncode, done.stdout) == (2, "")


def test_a_lambda_runs_here_but_not_in_workers(here: Path) -> None:
    text = LARGEST.replace("simulation=draw", "simulation=lambda trials, rng, n: draw(trials, rng, n=n)")
    written(here, text)
    done = command_line("verify", "my_theory.py", "--jobs", "2", cwd=here)
    assert LINE.fullmatch(done.stderr), done.stderr
    assert "cannot be sent to worker processes: define it with `def`" in done.stderr
    assert done.returncode == 2
    assert run(["verify", "my_theory.py", "--jobs", "1"]) == 0


def test_a_full_disk_while_verifying(here: Path) -> None:
    large = LARGEST.replace(".max(axis=1)", ".max(axis=1)[:, None] + __import__('numpy').zeros(2000)")
    written(here, large)
    limited = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (6_000_000, 6_000_000)); "
        "from theorylab.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", limited, "verify", "my_theory.py", "--jobs", "1"],
        cwd=here, env=environment(here), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert LINE.fullmatch(done.stderr), done.stderr
    assert "the disk is full" in done.stderr
    assert (done.returncode, done.stdout) == (2, "")
    with Store(here / "store.sqlite") as store:
        assert store.check() >= 1
    done = command_line("verify", "my_theory.py", "--jobs", "1", cwd=here)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("command", ["list", "predict my_theory.py -p n=1:9:9 --csv", "--help"])
def test_output_that_cannot_be_written(here: Path, command: str) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "theorylab", *command.split()],
            cwd=here, env=environment(here), stdout=full, stderr=subprocess.PIPE, text=True, timeout=120,
        )  # fmt: skip
    assert done.stderr == "theorylab: output: No space left on device\n"
    assert done.returncode == 2


def test_a_reader_that_leaves_is_no_error(here: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "theorylab", "predict", "my_theory.py", "-p", "n=1:9:9"],
        cwd=here, env=environment(here), stdout=writing, stderr=subprocess.PIPE, text=True, timeout=120,
    )  # fmt: skip
    os.close(writing)
    assert done.stderr == ""
    assert done.returncode == 141


def test_a_lock_while_verifying(here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(theorylab.store, "_LOCK_SECONDS", 0.2)
    assert run(["verify", "my_theory.py", "--jobs", "1"]) == 0
    capfd.readouterr()
    other = sqlite3.connect(here / "store.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert run(["verify", "my_theory.py", "--jobs", "1"]) == 2
    other.close()
    out, err = capfd.readouterr()
    assert LINE.fullmatch(err), err
    assert "locked by another program" in err
    assert out == ""
