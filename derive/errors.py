"""The exceptions of the derivation: each names the thing, what was expected and what was found."""

from __future__ import annotations

from chalkgrad.errors import ChalkgradError, printable


class DeriveError(ChalkgradError):
    """Base class of everything that `derive` raises on purpose; its message is safe to print."""


class ShapeError(DeriveError):
    """Two shapes that do not fit each other."""


class ModelFileError(DeriveError):
    """A mistake in a model file, told in one line.

    `file`, `equation`, `column` (1-based, within the equation's text), `expected` and `found` are
    kept as attributes; `equation` and `column` are None where the mistake is not inside an equation.
    """

    def __init__(
        self, file: str, equation: str | None, column: int | None, expected: str, found: str
    ) -> None:
        self.file, self.equation, self.column = file, equation, column
        self.expected, self.found = expected, found
        place = file if equation is None else f"{file}: equation '{equation}'"
        place = place if column is None else f"{place}, column {column}"
        super().__init__(printable(f"{place}: expected {expected}, found {found}", breaks=""))


class ChoiceError(DeriveError, ValueError):
    """An argument whose value is not one of those allowed."""

    def __init__(self, argument: str, expected: str, received: object) -> None:
        self.argument, self.expected, self.received = argument, expected, received
        super().__init__(printable(f"{argument}: expected {expected}, received {received!r}", breaks=""))


class DerivationError(DeriveError):
    """A model that has no derivation of the kind asked for, or no text."""


class MissingProgram(DeriveError):
    """A program that is needed and not there; one line that says what to install."""
