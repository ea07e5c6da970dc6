"""A place in a list of tokens: looking, taking, going back, and saying what was expected."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TypeVar

from chalkgrad.derive.cells.parse import nearest
from chalkgrad.derive.cells.scan import short
from chalkgrad.derive.checking.reading.errors import FormulaError
from chalkgrad.derive.checking.reading.scanner import Token

MAX_DEPTH = 30  # brackets, signs, sums and functions, nested in each other
V = TypeVar("V")


class Cursor:
    def __init__(self, text: str, tokens: list[Token]) -> None:
        self.text, self._tokens, self.position, self._depth = text, tokens, 0, 0

    @property
    def token(self) -> Token:
        return self._tokens[self.position]

    def ahead(self, count: int = 1) -> Token:
        return self._tokens[max(0, min(self.position + count, len(self._tokens) - 1))]

    def replace(self, token: Token) -> None:
        """Read the place as another token."""
        self._tokens[self.position] = token

    def take(self) -> Token:
        token = self.token
        if token.kind != "end":
            self.position += 1
        return token

    def breaks(self) -> bool:
        """Whether a line of LaTeX ends before the token."""
        return r"\\" in self.text[self.ahead(-1).end : self.token.start]

    def sign(self, *texts: str) -> bool:
        """Take the sign if it is there."""
        found = self.token.is_sign(*texts)
        if found:
            self.position += 1
        return found

    def word(self, text: str) -> bool:
        """Take the word if it is there."""
        found = self.token.kind == "word" and self.token.text == text
        if found:
            self.position += 1
        return found

    def due(self, *texts: str, otherwise: str = "") -> None:
        """Take one of the signs, or raise."""
        if not self.sign(*texts):
            raise self.mistake(otherwise or " or ".join(repr(text) for text in texts))

    def close(self, sign: str) -> None:
        """Take a closing bracket, or say that it or an operator is due."""
        self.due(sign, otherwise=f"{sign!r} or an operator")

    def tried(self, read: Callable[[], V | None]) -> V | None:
        """What `read` gives; where that is nothing, the place is as before."""
        before = self.position
        found = read()
        if found is None:
            self.position = before
        return found

    @contextmanager
    def deeper(self) -> Iterator[None]:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self.mistake(f"at most {MAX_DEPTH} things nested in each other", "more")
        yield
        self._depth -= 1

    # ------------------------------------------------------------------------- mistakes

    def mistake(self, expected: str, found: str | None = None, at: Token | None = None) -> FormulaError:
        token = at or self.token
        if found is None:
            found = "the end" if token.kind == "end" else repr(short(self.text[token.start : token.end]))
        return FormulaError(self.text, token.start + 1, expected, found)

    def unknown(self, expected: str, name: str, known: Collection[str], at: Token) -> FormulaError:
        return self.mistake(f"{expected}{nearest(name, known)}", at=at)
