"""A changed simulation has another fingerprint; what does not change its numbers leaves the fingerprint alone."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import theorylab.fingerprint
from theorylab.errors import UsageError
from theorylab.fingerprint import fingerprint
from theorylab.registry import load_file
from theorylab.simulation import Simulation
from theorylab.slicing import needed_by

FILE = '''
"""A theory."""
import numpy as np
from neighbour import noise

SCALE = 2.0
UNUSED = 1.0
TABLE = {}
TABLE["a"] = 1
formula = "n + 1"

def helper(x):
    """Doubles."""
    return SCALE * x

class Model:
    width = 3

    def __call__(self, trials, rng, *, n):
        return rng.normal(trials, n).mean(axis=1)

def simulate(trials, rng, *, n):
    # A comment.
    return helper(noise(rng, trials, n)) + TABLE["a"]

def lazy(trials, rng, *, n):
    from late import offset
    return rng.normal(trials) + offset()

def make(width):
    def inner(trials, rng, *, n):
        return width * rng.normal(trials)
    return inner

def other(trials, rng, *, n):
    return rng.normal(trials)

if __name__ == "__main__":
    print("script")
'''
NEIGHBOUR = """
import deeper
def noise(rng, trials, n):
    return deeper.LEVEL * rng.normal(trials)
"""
LATE = """
import numpy as np
def offset():
    return 5.0
"""

Write = Callable[..., Any]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write the files with replacements, as at another time, and import the theory anew."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def again(*replacements: tuple[str, str]) -> Any:
        texts = {
            "theory.py": FILE,
            "neighbour.py": NEIGHBOUR,
            "late.py": LATE,
            "deeper.py": "LEVEL = 1.0\n",
            "sims_of_my_own.py": "",
        }
        for before, after in replacements:
            assert any(before in text for text in texts.values()), before
            texts = {name: text.replace(before, after) for name, text in texts.items()}
        for name, text in texts.items():
            (tmp_path / name).write_text(text)
        for name in ("neighbour", "late", "deeper", "sims_of_my_own"):
            sys.modules.pop(name, None)
        for cached in (load_file, fingerprint, theorylab.fingerprint._file):
            cached.cache_clear()
        return load_file(str(tmp_path / "theory.py"))

    return again


def of(function: Callable[..., Any]) -> str:
    return fingerprint(Simulation(function))


@pytest.mark.parametrize(
    "change",
    [
        ("# A comment.", "# Another comment."),
        ('"""Doubles."""', '"""Multiplies by two."""'),
        ('"""A theory."""', '"""My theory."""'),
        ("SCALE * x", "(SCALE\n            * x)"),
        ('formula = "n + 1"', 'formula = "n + 2"'),
        ("UNUSED = 1.0", "UNUSED = 7.0"),
        ("return rng.normal(trials)\n\nif", "return rng.uniform(trials)\n\nif"),
        ('print("script")', 'print("this is a script")'),
        ("width = 3", "width = 4"),
        ("return 5.0", "return 6.0"),
    ],
)
def test_same_when_the_simulation_is_the_same(write: Write, change: tuple[str, str]) -> None:
    before = of(write().simulate)
    assert of(write(change).simulate) == before


@pytest.mark.parametrize(
    "change",
    [
        ("SCALE = 2.0", "SCALE = 2.5"),
        ("SCALE * x", "SCALE + x"),
        ('+ TABLE["a"]', '- TABLE["a"]'),
        ('TABLE["a"] = 1', 'TABLE["a"] = 3'),
        ("deeper.LEVEL * rng", "deeper.LEVEL + rng"),
        ("LEVEL = 1.0", "LEVEL = 3.0"),
        ("trials, rng, *, n):\n    # A", "trials, rng, *, n=5):\n    # A"),
        ("import noise", "import noise as noise"),
        ("import deeper", "import deeper\nfrom theorylab.kernels.random import Stream"),
        ("import deeper", "import deeper\nimport sims_of_my_own"),
    ],
)
def test_different_when_anything_that_it_uses_is_different(write: Write, change: tuple[str, str]) -> None:
    before = of(write().simulate)
    assert of(write(change).simulate) != before


def test_imports_inside_functions_are_followed(write: Write) -> None:
    before = of(write().lazy)
    assert "late" not in sys.modules
    assert of(write(("return 5.0", "return 6.0")).lazy) != before
    assert of(write(("SCALE = 2.0", "SCALE = 2.5")).lazy) == before


def test_packages_are_followed_with_and_without_an_init_file(write: Write, tmp_path: Path) -> None:
    for name in ("regular", "bare"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "part.py").write_text("from . import inner\nfrom .inner import LEVEL\n")
        (tmp_path / name / "inner.py").write_text("LEVEL = 1.0\n")
    (tmp_path / "regular" / "__init__.py").touch()
    for name in ("regular", "bare"):
        use = ("from late import offset", f"import {name}.part\n    from late import offset")
        before = of(write(use).lazy)
        (tmp_path / name / "inner.py").write_text("LEVEL = 2.0\n")
        assert of(write(use).lazy) != before
        assert not {n for n in sys.modules if n.startswith(name)}


def test_values_that_a_simulation_was_made_with_count(write: Write) -> None:
    module = write()
    assert of(module.make(3)) == of(module.make(3)) != of(module.make(4))
    partial = [functools.partial(module.simulate, n=n) for n in (3, 3, 4)]
    assert of(partial[0]) == of(partial[1]) != of(partial[2])
    models = [module.Model() for _ in range(3)]
    models[2].width = 8
    assert of(models[0]) == of(models[1]) != of(models[2])
    assert len({of(module.simulate), of(module.other), of(module.lazy), of(models[0])}) == 4


def test_array_in_a_closure_counts_by_its_content(write: Write) -> None:
    module = write()
    assert of(module.make(np.arange(3.0))) == of(module.make(np.arange(3.0))) != of(module.make(np.arange(4.0)))


def test_random_numbers_and_libraries_count(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    simulate = write().simulate
    before = of(simulate)
    with monkeypatch.context() as patch:
        patch.setattr(theorylab.fingerprint, "_versions", lambda: "numpy 99")
        fingerprint.cache_clear()
        assert of(simulate) != before
    real = theorylab.fingerprint._source
    for changed in ("theorylab.kernels.random", "theorylab.kernels.philox"):
        with monkeypatch.context() as patch:
            patch.setattr(theorylab.fingerprint, "_source", lambda n, c=changed: b"new = 1" if n == c else real(n))
            fingerprint.cache_clear()
            assert of(simulate) != before
    fingerprint.cache_clear()
    assert of(simulate) == before


def test_the_file_may_move_and_may_be_run_as_a_script(write: Write, tmp_path: Path) -> None:
    script = ('print("script")', "import theorylab as tl; from theorylab.fingerprint import fingerprint as f; "
              "print(f(tl.Simulation(simulate)))")  # fmt: skip
    before = of(write(script).simulate)
    done = subprocess.run([sys.executable, tmp_path / "theory.py"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == before
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "theory.py").rename(elsewhere / "renamed.py")
    assert of(load_file(str(elsewhere / "renamed.py")).simulate) == before


def test_a_simulation_without_source_is_refused() -> None:
    namespace: dict[str, Any] = {"__name__": "typed_in"}
    sys.modules["typed_in"] = type(sys)("typed_in")
    try:
        exec("def simulate(trials, rng):\n    return rng.normal(trials)", namespace)
        with pytest.raises(UsageError, match="source of the simulation simulate cannot be found"):
            of(namespace["simulate"])
    finally:
        del sys.modules["typed_in"]


def test_a_lambda_takes_its_whole_module(write: Write) -> None:
    add = ("UNUSED = 1.0", "UNUSED = 1.0\nshort = lambda trials, rng: rng.normal(trials)")
    before = of(write(add).short)
    assert of(write(add, ("UNUSED = 1.0", "UNUSED = 2.0")).short) != before


def test_catalogue_simulations_have_fingerprints() -> None:
    from theorylab.registry import entries

    claims = [e.claim for e in entries(controls=True).values()]
    found = {c.simulator: fingerprint(c.simulator) for c in claims if c.simulation is not None}
    assert len(set(found.values())) == len(found)


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ("a = 1\nb = 2\ndef f(): return a", "a f"),
        ("a, b = 1, 2\ndef f(): return a", "a,b f"),
        ("import x.y\nimport z\ndef f(): return x.y.g()", "x f"),
        ("from x import g as h, k\ndef f(): return h", "h,k f"),
        ("def g(): return h()\ndef h(): return 1\ndef f(): return g()", "g h f"),
        ("def f(): return f()", "f"),
        ("def f():\n    global c\n    return 1\nc = 2", "f c"),
        ("class A:\n    x = b\nb = 1\ndef f(): return A()", "A b f"),
        ("a: int = 1\ndef f(): return a", "a f"),
        ("def f(): return 1\ndef f(): return 2", "f f"),
    ],
)
def test_statements_that_bind_used_names_are_needed(source: str, kept: str) -> None:
    assert bound(source) == kept


@pytest.mark.parametrize(
    "acting",
    [
        "print(1)", "d = {}\nd[1] = 2", "f.x = 1", "for i in range(3): pass", "from x import *", "with x: pass",
        "try:\n    import x\nexcept E:\n    x = 1", "@register\ndef g(): pass", "if DEBUG:\n    b = 1",
        "from __future__ import annotations", "a = 1\na += 1",
    ],
)  # fmt: skip
def test_statements_that_may_act_unnamed_are_needed(acting: str) -> None:
    tree = ast.parse(f"{acting}\ndef f(): return 1")
    assert len(needed_by("f", tree)) == len(tree.body)


@pytest.mark.parametrize(
    "idle",
    [
        '"""Documentation."""', 'if __name__ == "__main__":\n    main()', "@theory.claim\ndef c(): pass",
        "@theory.claim(control=True)\ndef c(): pass", "@simulation(backends=('numpy',))\ndef g(t, rng): pass",
        "def g(): pass", "import numpy", "from numpy import linalg", "x = 1", "if TYPE_CHECKING:\n    import x",
    ],
)  # fmt: skip
def test_statements_that_do_nothing_for_it_are_not_needed(idle: str) -> None:
    assert bound(f"{idle}\ndef f(): return 1") == "f"


def bound(source: str) -> str:
    from theorylab.slicing import _binds

    return " ".join(",".join(_binds(s)) for s in needed_by("f", ast.parse(source)))


def test_does_not_depend_on_what_else_is_imported() -> None:
    # A worker imports what one block needs, the coordinating process the whole catalogue.
    code = (
        "import sys, importlib; [importlib.import_module(m) for m in sys.argv[1:]]\n"
        "from theorylab.fingerprint import fingerprint\n"
        "from theorylab.sims.random_matrix.bidiagonal import spiked_top\n"
        "print(fingerprint(spiked_top))"
    )
    others = ["theorylab.sims.double_descent.least_squares", "theorylab.kernels.conditional_risk"]
    found = {
        subprocess.run([sys.executable, "-c", code, *extra], capture_output=True, text=True, check=True).stdout
        for extra in ([], others)
    }
    assert len(found) == 1
