"""Words and lines of programs as LaTeX text, in ASCII."""

from __future__ import annotations

import re
from collections.abc import Iterator

from chalkgrad.derive.writing.latex import sign
from chalkgrad.derive.writing.words import ascii_words

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "`": r"\textasciigrave{}",
    **{character: rf"\{character}" for character in "{}$&#%_"},
}
_LONG, _STRIDE = 24, 8  # a word of that many letters may break behind every so many
_TAB = 4


def letters(text: str) -> str:
    """Words for TeX's text mode; signs of mathematics among them between dollar signs."""
    pieces = ascii_words(text)
    return "".join(f"${sign(p)}$" if math and not p.isascii() else _escaped(p) for math, p in pieces)


def bare(text: str) -> str:
    """Words for the outline of a PDF: letters, digits and plain punctuation."""
    pieces = (p if p.isascii() else sign(p).strip("\\{}") for _, p in ascii_words(text))
    return " ".join(re.sub(r"[^A-Za-z0-9 ,.:;()=+'-]+", " ", "".join(pieces)).split())


def code(line: str) -> str:
    """A line of a program, in a typewriter font that has all of ASCII in its place."""
    pieces = ascii_words(line)
    return "".join(f"${sign(p)}$" if math and not p.isascii() else _typed(p) for math, p in pieces)


def folded(line: str, length: int) -> Iterator[str]:
    """A line in pieces of at most that many letters, cut at spaces that are near; others are indented."""
    line = line.expandtabs(_TAB)
    while len(line) > length:
        space = line.rfind(" ", max(length // 2, _TAB), length + 1)
        cut = space if space > 0 else length
        yield line[:cut]
        line = " " * _TAB + line[cut:].lstrip()
    yield line


def _escaped(text: str) -> str:
    words = (_word(word) for word in re.split(r"(\s+)", text))
    return "".join(words)


def _word(word: str) -> str:
    if word.isspace():
        return " "
    pieces = [word] if len(word) <= _LONG else [word[i : i + _STRIDE] for i in range(0, len(word), _STRIDE)]
    shown = ("".join(_SPECIAL.get(character, character) for character in piece) for piece in pieces)
    return r"\allowbreak{}".join(shown)


def _typed(text: str) -> str:
    """Characters by their code where TeX would read them as something else."""
    return "".join(
        character if character.isalnum() or character in ".,:;()[]=+*/" else rf"\char{ord(character)}{{}}"
        for character in text.replace(" ", "\x00")
    ).replace(r"\char0{}", r"\ ")
