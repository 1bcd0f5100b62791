"""BibTeX entries: keys, entry types, escaping, duplicates, and what BibTeX itself would read back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import theorylab
from theorylab.cite import RELEASED, bibtex, citation_key, latex
from theorylab.claim import Source
from theorylab.errors import UsageError

HASTIE = Source(
    authors="Trevor Hastie and Andrea Montanari and Saharon Rosset and Ryan J. Tibshirani",
    title="Surprises in High-Dimensional Ridgeless Least Squares Interpolation",
    year=2022,
    where="Theorem 1",
    arxiv="1903.08560v5",
    doi="10.1214/21-AOS2133",
    journal="Annals of Statistics 50 (2), 949-986",
)


def parse(text: str) -> dict[str, dict[str, str]]:
    """Entries by key, each a dictionary with its type under "type": a reader of brace-delimited BibTeX."""
    entries: dict[str, dict[str, str]] = {}
    position = 0
    while (head := re.compile(r"\s*@(\w+)\{([^,\s]+),").match(text, position)) is not None:
        fields = {"type": head.group(1)}
        position = head.end()
        while (field := re.compile(r"\s*(\w+)\s*=\s*\{").match(text, position)) is not None:
            depth, start = 1, field.end()
            position = start
            while depth:
                depth += {"{": 1, "}": -1}.get(text[position], 0)
                position += 1
            fields[field.group(1)] = text[start : position - 1]
            assert text[position] == ","
            position += 1
        closing = re.compile(r"\s*\}").match(text, position)
        assert closing is not None
        position = closing.end()
        assert head.group(2) not in entries
        entries[head.group(2)] = fields
    assert not text[position:].strip()
    return entries


def test_article_with_journal_and_preprint() -> None:
    entries = parse(bibtex(HASTIE))
    assert list(entries) == ["hastie2022surprises", "theorylab"]
    assert entries["hastie2022surprises"] == {
        "type": "article",
        "author": "Trevor Hastie and Andrea Montanari and Saharon Rosset and Ryan J. Tibshirani",
        "title": "Surprises in {High}-{Dimensional} {Ridgeless} {Least} {Squares} {Interpolation}",
        "journal": "Annals of Statistics 50 (2), 949-986",
        "year": "2022",
        "doi": "10.1214/21-AOS2133",
        "eprint": "1903.08560v5",
        "archivePrefix": "arXiv",
        "annote": "Theorem 1",
    }


def test_preprint_alone_is_misc() -> None:
    source = Source("Elliot Paquette and others", "4+3 Phases of Compute-Optimal Scaling", 2024, arxiv="2405.15074v3")
    entry = parse(bibtex(source))["paquette20244"]
    assert entry["type"] == "misc"
    assert (entry["eprint"], entry["archivePrefix"]) == ("2405.15074v3", "arXiv")
    assert "journal" not in entry
    assert "annote" not in entry


def test_own_entry_always_closes_the_list_and_dates_from_the_changelog() -> None:
    own = parse(bibtex())["theorylab"]
    assert own["note"] == f"Python package, version {theorylab.__version__}"
    changelog = (Path(__file__).parents[2] / "CHANGELOG.md").read_text(encoding="utf-8")
    heading = re.search(rf"^## {re.escape(theorylab.__version__)} \((\d{{4}})", changelog, re.MULTILINE)
    assert heading is not None
    assert own["year"] == heading.group(1) == str(RELEASED)


def test_one_entry_for_the_claims_of_one_paper() -> None:
    first = Source("A. Author", "On Things", 2020, where="Theorem 1", arxiv="2001.00001v1")
    again = Source("A. Author", "On Things", 2020, where="Eq. (7)", arxiv="2001.00001v2")
    entries = parse(bibtex(first, again, first))
    assert list(entries) == ["author2020things", "theorylab"]
    assert entries["author2020things"]["annote"] == "Theorem 1; Eq. (7)"


def test_different_papers_with_the_same_key_are_told_apart() -> None:
    papers = [Source("A. Author", f"Networks {i}", 2020, arxiv=f"2001.0000{i}") for i in range(3)]
    assert list(parse(bibtex(*papers))) == [
        "author2020networks",
        "author2020networks-2",
        "author2020networks-3",
        "theorylab",
    ]


@pytest.mark.parametrize(
    ("authors", "title", "key"),
    [
        ("Hastie, Trevor and Montanari, Andrea", "The Surprises of It", "hastie2020surprises"),
        ("Aad van der Vaart", "Asymptotic Statistics", "vandervaart2020asymptotic"),
        ("Paul Erdős and Alfréd Rényi", "On Random Graphs", "erdos2020random"),
        (r"Paul Erd\H{o}s", "On Random Graphs", "erdos2020random"),
        ("Jørgen Łukasz Strauß", "What Is It?", "strauss2020what"),
        ("Kaczmarz", r"$\ell_2$ Regularisation", "kaczmarz2020regularisation"),
        ("{The NIST Team}", "Reference Data", "thenistteam2020reference"),
        ("K. O'Hara", "Bayes' Rule", "ohara2020bayes"),
    ],
)
def test_keys(authors: str, title: str, key: str) -> None:
    assert citation_key(Source(authors, title, 2020)) == key


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bias & variance, 5% of #1, a_b", r"bias \& variance, 5\% of \#1, a\_b"),
        (r"already \& done, \~{n}", r"already \& done, \~{n}"),
        (r"the $\ell_2$ & $x^2$ norm", r"the $\ell_2$ \& $x^2$ norm"),
        ("costs 5$", r"costs 5\$"),
        ("Erdős, Lévy, Müller, Çınlar", r"Erd{\H{o}}s, L{\'{e}}vy, M{\"{u}}ller, {\c{C}}{\i}nlar"),
        ("Marčenko\u2013Pastur", r"Mar{\v{c}}enko--Pastur"),
        ("\u201cquoted\u201d ‘so’", "``quoted'' `so'"),
    ],
)
def test_escaping(text: str, expected: str) -> None:
    assert latex(text) == expected


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Deep ReLU networks and SGD", "Deep {ReLU} networks and {SGD}"),
        ("SGD on deep networks", "{SGD} on deep networks"),
        ("{PAC}-Bayes & beyond", r"{PAC}-{Bayes} \& beyond"),
        (r"The $\ell_2$ Norm of {GOE} Matrices", r"The $\ell_2$ {Norm} of {GOE} {Matrices}"),
        ("Lévy flights and Éclairs", r"L{\'{e}}vy flights and {{\'{E}}clairs}"),
    ],
)
def test_titles_keep_their_capitals(title: str, expected: str) -> None:
    entries = parse(bibtex(Source("A", title, 2020)))
    assert next(iter(entries.values()))["title"] == expected


def test_unbalanced_braces_are_named() -> None:
    with pytest.raises(UsageError, match="unbalanced braces in the title of a2020open"):
        bibtex(Source("A", "Open {brace", 2020))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text(alphabet=st.characters(exclude_categories=["C", "Z"], exclude_characters="{}\\"), min_size=1))
def test_any_text_without_braces_is_readable(text: str) -> None:
    entries = parse(bibtex(Source("A. " + text, "B " + text, 2020, where=text, journal=text)))
    assert len(entries) == 2
    assert re.search(r"(?<!\\)[&%#]", re.sub(r"\$[^$]*\$", "", next(iter(entries.values()))["journal"])) is None
