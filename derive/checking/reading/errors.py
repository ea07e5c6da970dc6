"""The exceptions of the checker: a formula that cannot be read, and one that has no value."""

from __future__ import annotations

import unicodedata
from typing import ClassVar

from chalkgrad.derive.errors import DeriveError
from chalkgrad.errors import UNREADABLE

_WIDTH = 76  # columns of the formula that are shown around a mistake
_INDENT = "    "


class FormulaError(DeriveError):
    """A formula that cannot be read: one line that says why, the text, and a caret under the place.

    `column` counts from 1 in `formula`, the text with line breaks as spaces; it is None where the mistake
    is nowhere in particular. `expected` and `found` are kept as attributes.
    """

    status: ClassVar[int] = UNREADABLE

    def __init__(self, formula: str, column: int | None, expected: str, found: str) -> None:
        self.formula, self.column, self.expected, self.found = formula, column, expected, found
        place = "the formula" if column is None else f"the formula, column {column}"
        message = f"{place}: expected {expected}, found {found}"
        super().__init__(message if column is None else f"{message}\n{pointed(formula, column)}")


class NoValue(DeriveError):
    """A formula that cannot be worked out at a place: shapes that do not fit, numbers without bound."""


class NoStep(NoValue):
    """A value at a step that does not exist. `letters`: the free indices that its step is told by."""

    def __init__(self, name: str, step: int, letters: frozenset[str]) -> None:
        self.name, self.step, self.letters = name, step, letters
        super().__init__(f"{name} has no step {step}")


def pointed(text: str, column: int) -> str:
    """Two lines: the part of the text around the column, and a caret under it."""
    start = max(0, min(column - 1 - _WIDTH // 2, len(text) - _WIDTH))
    before, after = ("…" if start else ""), ("…" if start + _WIDTH < len(text) else "")
    part = text[start : start + _WIDTH]
    left = before + _shown(part[: column - 1 - start])
    return f"{_INDENT}{before}{_shown(part)}{after}\n{_INDENT}{' ' * _columns(left)}^"


def _shown(text: str) -> str:
    return "".join(c if c.isprintable() or unicodedata.combining(c) else "?" for c in text)


def _columns(text: str) -> int:
    """Columns of a terminal: wide characters take two, marks on others none."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(bool(unicodedata.combining(c)) for c in text)
