r"""BibTeX entries for the sources of claims, and for theorylab itself.

Everything is written in ASCII LaTeX, for styles and engines that do not read UTF-8. What is LaTeX already,
maths such as `$\ell_2$` or `Erd\H{o}s`, stays as it is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import theorylab
from theorylab.claim import Source
from theorylab.errors import UsageError

RELEASED = 2026

_SKIPPED = {
    "a", "about", "all", "an", "and", "are", "as", "at", "beyond", "by", "can", "do", "does", "for", "from",
    "how", "in", "into", "is", "it", "its", "of", "on", "or", "over", "some", "that", "the", "their", "to",
    "towards", "under", "via", "what", "when", "where", "why", "with", "without",
}  # fmt: skip
# Combining accents (grave, acute, circumflex, ...) and the LaTeX commands that set them.
_ACCENTS = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u", "\u0307": ".",
    "\u0308": '"', "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0323": "d", "\u0327": "c", "\u0328": "k",
}  # fmt: skip
_LETTERS = {
    "æ": r"{\ae}", "Æ": r"{\AE}", "œ": r"{\oe}", "Œ": r"{\OE}", "ø": r"{\o}", "Ø": r"{\O}", "ł": r"{\l}",
    "Ł": r"{\L}", "ß": r"{\ss}", "ı": r"{\i}", "đ": r"{\dj}", "Đ": r"{\DJ}", "ð": r"{\dh}", "þ": r"{\th}",
    "\u2013": "--", "\u2014": "---", "\u2019": "'", "\u2018": "`", "\u201c": "``", "\u201d": "''",
    "\u2011": "-", "\u00a0": "~", "\u2026": r"\ldots{}",
}  # fmt: skip
_SPECIAL = {
    "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_", "$": r"\$", "^": r"\^{}", "~": r"\textasciitilde{}",
}  # fmt: skip
_PLAIN = str.maketrans({"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "ß": "ss", "ı": "i", "đ": "d", "ð": "d", "þ": "th"})
_MATHS = re.compile(r"(?<!\\)(\$[^$]*[^$\\]\$)")
_TOKENS = re.compile(r"(?<!\\)\$[^$]*[^$\\]\$|\{[^{}]*\}|[^\s\-\u2010-\u2014{}]+|.", re.DOTALL)


def bibtex(*sources: Source) -> str:
    """BibTeX entries of `sources`, one per paper, followed by theorylab's own.

    A paper that is the source of several claims appears once; the places cited in it are collected in the
    field `annote`, which the standard styles do not print.

    Raises
    ------
    UsageError
        When a field has unbalanced braces, which would make the whole file unreadable.
    """
    papers: dict[tuple[object, ...], list[Source]] = {}
    for source in sources:
        papers.setdefault(_identity(source), []).append(source)
    entries: dict[str, str] = {}
    for same in papers.values():
        key = citation_key(same[0])
        while key in entries:
            key = _next_key(key)
        entries[key] = _entry(key, same)
    return "\n\n".join([*entries.values(), _own_entry()])


def citation_key(source: Source) -> str:
    """First author's last name, year and first significant word of the title: `hastie2022surprises`."""
    family = re.sub(r"[^a-z0-9]", "", _ascii(_family_name(source.authors.split(" and ")[0])))
    words = re.findall(r"[a-z0-9]+", _ascii(_MATHS.sub(" ", source.title)).replace("'", ""))
    significant = [word for word in words if word not in _SKIPPED] or words or ["untitled"]
    return f"{family}{source.year}{significant[0]}"


def latex(text: str) -> str:
    """`text` with accents, ligatures, dashes and LaTeX's special characters written as LaTeX commands."""
    return "".join(part if i % 2 else _escape(part) for i, part in enumerate(_MATHS.split(text)))


def _identity(source: Source) -> tuple[object, ...]:
    if source.doi:
        return ("doi", source.doi.lower())
    if source.arxiv:
        return ("arxiv", re.sub(r"v\d+$", "", source.arxiv))
    return (_ascii(source.authors), _ascii(source.title), source.year)


def _next_key(key: str) -> str:
    # hastie2022surprises, hastie2022surprises-2, hastie2022surprises-3, ...
    stem, _, number = key.partition("-")
    return f"{stem}-{int(number or 1) + 1}"


def _entry(key: str, same: Sequence[Source]) -> str:
    source = same[0]
    fields = {
        "author": " and ".join(latex(author.strip()) for author in source.authors.split(" and ")),
        "title": _title(source.title),
        "journal": latex(source.journal or ""),
        "year": str(source.year),
        "doi": source.doi or "",
        "eprint": source.arxiv or "",
        "archivePrefix": "arXiv" if source.arxiv else "",
        "annote": latex("; ".join(dict.fromkeys(s.where for s in same if s.where))),
    }
    return _format("article" if source.journal else "misc", key, fields)


def _own_entry() -> str:
    fields = {
        "author": "{The theorylab authors}",
        "title": "{theorylab}: closed forms of machine-learning theory, derived and verified by simulation",
        "year": str(RELEASED),
        "note": f"Python package, version {theorylab.__version__}",
    }
    return _format("misc", "theorylab", fields)


def _format(kind: str, key: str, fields: dict[str, str]) -> str:
    given = {name: value for name, value in fields.items() if value}
    for name, value in given.items():
        if not _balanced(value):
            raise UsageError(f"unbalanced braces in the {name} of {key}: {value}")
    width = max(map(len, given))
    lines = [f"  {name:<{width}} = {{{value}}}," for name, value in given.items()]
    return "\n".join([f"@{kind}{{{key},", *lines, "}"])


def _balanced(text: str) -> bool:
    # BibTeX counts every brace, escaped or not.
    depth = 0
    for character in text:
        depth += (character == "{") - (character == "}")
        if depth < 0:
            return False
    return depth == 0


def _escape(text: str) -> str:
    out = ""
    for character in unicodedata.normalize("NFC", text):
        if character in _SPECIAL:
            # A backslash before it: escaped already, or an accent command such as \~{n}.
            out += character if out.endswith("\\") else _SPECIAL[character]
        else:
            out += _LETTERS.get(character) or _accented(character)
    return out


def _accented(character: str) -> str:
    decomposed = unicodedata.normalize("NFD", character)
    base, marks = decomposed[0], decomposed[1:]
    if not marks or any(mark not in _ACCENTS for mark in marks):
        return character
    for mark in marks:
        base = f"\\{_ACCENTS[mark]}{{{base}}}"
    return f"{{{base}}}"


def _title(title: str) -> str:
    # Styles lower the case of titles: braces protect words with capitals, save the first initial.
    out = ""
    for match in _TOKENS.finditer(title):
        token = match.group()
        capitals = token[1:] if match.start() == 0 else token
        if token[0] in "{$" or "\\" in token:
            out += token
        elif capitals != capitals.lower():
            out += f"{{{latex(token)}}}"
        else:
            out += latex(token)
    return out


def _family_name(author: str) -> str:
    # "Last, First" or "First von Last"; a name in braces is that of a group.
    if author.startswith("{"):
        return author
    if "," in author:
        return author.partition(",")[0]
    words = author.split()
    particle = next((i for i, word in enumerate(words[1:-1], start=1) if word[0].islower()), len(words) - 1)
    return " ".join(words[particle:])


def _ascii(text: str) -> str:
    bare = re.sub(r"\\([A-Za-z]+(?=[{\s])|.)", "", text).lower().translate(_PLAIN)
    return unicodedata.normalize("NFKD", bare).encode("ascii", "ignore").decode()
