"""Formulas, spectra and labelled data that users hand in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from theorylab.errors import UsageError
from theorylab.expressions import FUNCTIONS, parse
from theorylab.inputs import Formula, Labelled, Vector

z = sp.Symbol("z", real=True)
LOSS = Formula("LOSS", "z", "a loss", {"logistic": "log(1 + exp(-z))"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tanh(z)", sp.tanh(z)),
        ("Max(0, z)", sp.Max(0, z)),
        ("relu(z) - z/2", sp.Max(0, z) - z / 2),
        ("0.1*z**3", z**3 / 10),
        ("1e-3 + z", z + sp.Rational(1, 1000)),
        ("-z*Abs(z)", -z * sp.Abs(z)),
        ("pi + E", sp.pi + sp.E),
        (" z ", z),
    ],
)
def test_text_becomes_an_exact_expression(text: str, expected: sp.Expr) -> None:
    assert parse(text, z) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tanz(z)", "unknown function 'tanz'; did you mean 'tan' or 'tanh'"),
        ("tanh(x)", "unknown name 'x'"),
        ("z^2", r"powers are written \*\*"),
        ("z +", "is not an expression"),
        ("", "is not an expression"),
        ("__import__('os').system('x')", "is not arithmetic"),
        ("z.real", "is not arithmetic"),
        ("[z]", "is not arithmetic"),
        ("True", "is not arithmetic"),
        ("'z'", "is not arithmetic"),
        ("1/0", "is not a real expression"),
        ("sqrt(-1)*z", "is not a real expression"),
        ("exp(z, z, z)", "does not take 3 arguments"),
        ("exp(z=1)", "is not arithmetic"),
    ],
)
def test_other_text_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        parse(text, z)
    assert "\n" not in str(caught.value)


@given(st.sampled_from(sorted(FUNCTIONS)), st.integers(1, 9), st.integers(1, 9))
def test_what_sympy_prints_is_read_back(name: str, a: int, b: int) -> None:
    arguments = (z * a, sp.Integer(b)) if name in ("max", "min") else (z * a,)
    expr = FUNCTIONS[name](*arguments) / b
    assert parse(str(expr), z).equals(expr) is not False
    assert parse(str(expr), z) == expr


def test_a_formula_is_text_a_word_or_an_expression() -> None:
    wanted = sp.log(1 + sp.exp(-z))
    assert LOSS.read("log(1+exp(-z))") == LOSS.read("logistic") == LOSS.read(sp.log(1 + sp.exp(-sp.Symbol("z"))))
    assert LOSS.read("logistic") == wanted
    assert "logistic" in LOSS.describe()
    with pytest.raises(UsageError, match="LOSS is an expression of z, not of t"):
        LOSS.read(sp.exp(sp.Symbol("t")))


def test_numbers_are_read_from_files_and_arrays(tmp_path: Path) -> None:
    vector = Vector("EIGS.npy", "eigenvalues", least=2)
    values = np.array([3.0, 1.0, 0.5])
    np.save(tmp_path / "a.npy", values)
    (tmp_path / "a.txt").write_text("3\n1\n0.5\n")
    for source in (values, [3, 1, 0.5], tmp_path / "a.npy", str(tmp_path / "a.txt")):
        assert np.array_equal(vector.read(source), values)
    np.savez(tmp_path / "d.npz", X=values, labels=values[:, None])
    x, y = Labelled().read(tmp_path / "d.npz")
    assert x.shape == (3, 1)
    assert np.array_equal(y, values)
    assert Labelled().read({"x": np.ones((3, 2)), "y": values})[0].shape == (3, 2)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ([1.0, np.nan], r"entry \[1\] is nan"),
        ([1.0], "at least 2 are needed"),
        (np.ones((2, 2)), "one dimension is expected"),
        (np.array(["a", "b"]), "real numbers are expected"),
        (np.array([1j, 2]), "real numbers are expected"),
    ],
)
def test_bad_vectors_get_one_line(source: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Vector("EIGS.npy", "eigenvalues", least=2).read(source)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.ones((3, 2)), "y": np.ones(2)}, "3 rows of x and 2 labels y"),
        ({"x": np.ones((3, 2)), "y": np.array([1, np.nan, 2])}, r"DATA.npz, y: entry \[1\] is nan"),
        ({"x": np.ones((3, 2, 2)), "y": np.ones(3)}, r"x has shape \(3, 2, 2\)"),
        ({"x": np.ones((3, 2))}, "one array called y or labels"),
        ({"x": np.ones(3), "X": np.ones(3), "y": np.ones(3)}, "one array called x or inputs"),
        ({"x": np.ones(1), "y": np.ones(1)}, "at least 2 are needed"),
        (np.ones(3), "is one array"),
    ],
)
def test_bad_data_get_one_line(arrays: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Labelled().read(arrays)


def test_bad_files_get_one_line(tmp_path: Path) -> None:
    (tmp_path / "eigs.npy").write_bytes(b"\x93NUMPY broken")
    (tmp_path / "words.txt").write_text("no numbers\n")
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "d.npz").write_bytes(b"PK broken")
    vector = Vector("EIGS.npy", "eigenvalues")
    for name, message in [
        ("eigs.npy", r"cannot be read as \.npy"),
        ("words.txt", r"neither \.npy nor numbers as text"),
        ("objects.npy", "cannot be read"),
        ("eigz.npy", "did you mean"),
    ]:
        with pytest.raises(UsageError, match=message) as caught:
            vector.read(tmp_path / name)
        assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match=r"cannot be read as \.npz"):
        Labelled().read(tmp_path / "d.npz")
