"""Reports and figures: everything on one page that needs nothing else, and pictures in the formats asked for."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import sympy as sp
from claim_files import LARGEST, written
from matplotlib.figure import Figure

from theorylab import gallery
from theorylab.cli import run
from theorylab.mathml import mathml

VOID = {"meta", "img", "br"}


class Checker(HTMLParser):
    """Every element is closed, in order; collects identifiers, links and text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.images: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if values.get("id"):
            self.ids.append(str(values["id"]))
        if values.get("href"):
            self.links.append(str(values["href"]))
        if tag == "img":
            self.images.append(str(values["src"]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def parsed(page: str) -> Checker:
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    return checker


def drawn(budget: str) -> Figure:
    figure = Figure()
    figure.subplots().plot([0, 1], [0, 1], label=budget)
    return figure


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("THEORYLAB_STORE", str(tmp_path / "store.sqlite"))
    known = {"toy/line": drawn, "toy/second-line": drawn, "my_theory/largest-figure": drawn}
    monkeypatch.setattr(gallery, "available", lambda: known)
    step = 'tl.Step("trivial", right, n.symbol / (1 + n.symbol), "a < b & c")'
    text = LARGEST.replace('quantity="mean', f'derivation=tl.Derivation("me", lambda: [{step}]), quantity="mean')
    text = text.replace("The largest of n", "The <largest> of n").replace("n + 2 instead", "n + 2 <i>instead</i>")
    written(tmp_path, text)
    return tmp_path


def test_report_is_one_sound_page(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["report", "my_theory.py", "-o", "out/report", "--jobs", "1"]) == 0
    assert capfd.readouterr().out == "out/report/index.html\n"
    page = parsed((here / "out/report/index.html").read_text(encoding="utf-8"))
    for part in (
        "1 of 1 claims as expected", "budget quick", "my_theory/largest", "The <largest> of n uniforms", "holds", "1/1",
        "n + 2 <i>instead</i> of n + 1: rejected", "trivial", "a < b & c", "n = 3", "Derivation, after me",
    ):  # fmt: skip
        assert part in page.text
    assert {f"#{i}" for i in page.ids} == set(page.links) == {"#my_theory/largest"}
    assert page.images == ["figures/my_theory-largest-figure.png"]
    assert all((here / "out/report" / i).read_bytes().startswith(b"\x89PNG") for i in page.images)
    (verdict,) = json.loads((here / "out/report/verdicts.json").read_text())
    assert (verdict["claim"], verdict["status"]) == ("my_theory/largest", "holds")
    assert {p.name for p in (here / "out/report").iterdir()} == {"index.html", "verdicts.json", "figures"}


def test_report_without_figures_and_with_a_failure(here: Path) -> None:
    wrong = LARGEST.replace("n.symbol / (n.symbol + 1)", "n.symbol / (n.symbol + 2)").replace("+ 2))]", "+ 1))]")
    written(here, wrong, "w.py")
    assert run(["report", "w.py", "-o", "out", "--no-figures", "--jobs", "1"]) == 1
    page = parsed((here / "out/index.html").read_text(encoding="utf-8"))
    assert "FAILS (expected holds)" in page.text
    assert "the sample behaves as if the prediction were 1.2" in page.text
    assert page.images == []


def test_figures_in_every_format(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["figures", "toy", "-o", "pictures", "--format", "png,pdf,svg"]) == 0
    heads = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}
    names = {f"toy-{n}.{kind}" for n in ("line", "second-line") for kind in heads}
    assert {p.name for p in (here / "pictures").iterdir()} == names
    for p in (here / "pictures").iterdir():
        assert p.read_bytes().startswith(heads[p.suffix[1:]])
    err = capfd.readouterr().err
    assert "[1/2] pictures/toy-line.png, pictures/toy-line.pdf, pictures/toy-line.svg\n" in err


def test_figures_are_listed_and_selected(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["figures", "--list"]) == 0
    assert capfd.readouterr().out == "toy/line\ntoy/second-line\nmy_theory/largest-figure\n"
    assert run(["figures", "toy/line", "toy", "-o", "."]) == 0
    assert len(list(here.glob("toy-*.png"))) == 2
    assert run(["figures", "toy/lime"]) == 2
    assert "unknown figure 'toy/lime'; did you mean 'toy/line'" in capfd.readouterr().err


def test_a_figure_that_cannot_be_written_leaves_nothing(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(path: str, **_: Any) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    figure = Figure()
    monkeypatch.setattr(figure, "savefig", broken)
    monkeypatch.setattr(gallery, "available", lambda: {"toy/line": lambda _: figure})
    assert run(["figures", "-o", "pictures"]) == 2
    assert list((here / "pictures").iterdir()) == []


def test_the_catalogue_has_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    known = gallery.available()
    assert known
    assert all(name.count("/") == 1 and callable(draw) for name, draw in known.items())


def test_formulas_become_mathml() -> None:
    x, y = sp.symbols("x y")
    text = mathml(sp.Piecewise((x / y, x < 3), (sp.Sum(y, (y, 1, x)), x > 4), (sp.Integral(x, x), True)), x**2)
    page = parsed(text)
    assert text.startswith('<math display="block">')
    assert "otherwise" in page.text
    assert "<mfrac>" in text
    assert "<mo>&lt;</mo>" in text
    assert "<mo>&gt;</mo>" in text
    assert text.count("<mo>=</mo>") >= 1
