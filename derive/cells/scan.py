"""The scanner of equations: characters, numbers, brackets, and that operands and operators alternate.

What passes is a well-formed Python expression without keywords, strings or comments; `derive.cells.parse`
reads it with Python's `ast` and decides what it means. Knows nothing about names or shapes.
"""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Callable
from fractions import Fraction

import sympy

from chalkgrad.derive.errors import ModelFileError

Mistake = Callable[[int | None, str, str], ModelFileError]  # column, expected, found

MAX_LENGTH = 10_000  # characters of an equation
MAX_DEPTH = 100  # brackets, and operations, nested in each other
_MAX_PREFIXES = 200  # signs and powers, for which Python's parser recurses on the C stack
_MAX_DIGITS = 1_000  # characters of a number; a float64 written out exactly needs fewer than 800

_TOKEN = re.compile(
    r"""(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
      | (?P<name>[A-Za-z_]\w*)
      | (?P<attribute>\.[ ]*[A-Za-z_]\w*)
      | (?P<operator>\*\*|[-+*/@,])
      | (?P<open>[(\[])
      | (?P<close>[)\]])
      | (?P<space>[ ]+)""",
    re.VERBOSE | re.ASCII,
)
_CLOSING = {"(": ")", "[": "]"}
_OPERAND = "a name, a number or '('"
_OPERATOR = "one of the operators + - * / @ **"
_END = "the end of the equation"


def one_line(text: str) -> str:
    """The text with line breaks and tabs as spaces and nothing around it: what columns count in."""
    lines = (line.strip(" ") for line in re.split("[\r\n]", text.replace("\t", " ")))
    return " ".join(line for line in lines if line)


def scan(text: str, mistake: Mistake) -> None:
    """Raise `mistake(column, expected, found)`, columns from 1, where `text` is no expression."""
    position = 0
    operand_due = True
    prefixes = 0
    opened: list[tuple[str, int]] = []
    while position < len(text):
        column = position + 1
        token = _TOKEN.match(text, position)
        if token is None:
            raise _unreadable(text, position, _OPERAND if operand_due else _OPERATOR, mistake)
        position = token.end()
        piece = token[0]
        match token.lastgroup:
            case "space":
                continue
            case "number" | "name":
                if not operand_due:
                    raise mistake(column, _OPERATOR, repr(short(piece)))
                _check_word(piece, column, mistake)
                operand_due = False
            case "attribute":
                if operand_due:
                    raise mistake(column, _OPERAND, repr(short(piece)))
                if piece[1:].strip() != "T":
                    raise mistake(column, "'.T', the transpose, after a matrix", repr(short(piece)))
            case "operator":
                if operand_due and piece not in "+-":
                    raise mistake(column, _OPERAND, repr(piece))
                prefixes += operand_due or piece == "**"
                if prefixes > _MAX_PREFIXES:
                    raise mistake(column, f"at most {_MAX_PREFIXES} signs and powers", "more")
                operand_due = True
            case "open":
                if operand_due and piece == "[":
                    raise mistake(column, _OPERAND, repr(piece))
                opened.append((piece, column))
                if len(opened) > MAX_DEPTH:
                    raise mistake(column, f"at most {MAX_DEPTH} nested brackets", "more")
                operand_due = True
            case "close":
                if operand_due:
                    raise mistake(column, _OPERAND, repr(piece))
                if not opened or _CLOSING[opened[-1][0]] != piece:
                    due = repr(_CLOSING[opened[-1][0]]) if opened else f"{_OPERATOR} or the end"
                    raise mistake(column, due, repr(piece))
                opened.pop()
            case _:
                raise TypeError(f"no rule for the token {token.lastgroup!r}")
    if operand_due:
        raise mistake(len(text) + 1, _OPERAND, _END)
    if opened:
        bracket, column = opened[-1]
        raise mistake(column, f"{_CLOSING[bracket]!r} to close {bracket!r}", _END)


def _unreadable(text: str, position: int, due: str, mistake: Mistake) -> ModelFileError:
    """The mistake of text that is no token at all: `0x10`, `1_000`, `<`, `é`."""
    number = re.compile(r"[.\w]+", re.ASCII).match(text, position)
    if number is not None and number[0][0].isdigit():
        return mistake(position + 1, "a decimal number", repr(short(number[0])))
    character = text[position]
    return mistake(position + 1, due if character.isascii() else "ASCII characters only", repr(character))


def _check_word(word: str, column: int, mistake: Mistake) -> None:
    if keyword.iskeyword(word):
        raise mistake(column, _OPERAND, f"the Python keyword {word!r}")
    if word.isdigit() and word[0] == "0" and word.strip("0"):
        raise mistake(column, "a decimal number without leading zeros", repr(short(word)))
    if word[0] in ".0123456789" and rational(word) is None:
        raise mistake(column, "a number that float64 can hold", repr(short(word)))


def rational(literal: str) -> sympy.Rational | None:
    """The exact value of a literal; None where float64 cannot hold it or it is absurdly long."""
    if len(literal) > _MAX_DIGITS or not math.isfinite(float(literal)):
        return None
    if float(literal) == 0:
        return None if re.search("[1-9]", re.split("[eE]", literal)[0]) else sympy.Integer(0)
    value = Fraction(literal)
    return sympy.Rational(value.numerator, value.denominator)


def short(text: str) -> str:
    """The text as an error message quotes it."""
    return text if len(text) <= 60 else f"{text[:57]}..."
