"""The exceptions of generated code and its callers: each names the argument, expected and received."""

from __future__ import annotations

from typing import ClassVar

from chalkgrad.errors import FAULT, ChalkgradError


class CodegenError(ChalkgradError):
    """Base class of everything that `codegen` raises on purpose; its message is safe to print."""


class ArgumentError(CodegenError, ValueError):
    """An argument of the right type with a value that does not fit."""

    def __init__(self, argument: str, expected: str, received: str) -> None:
        self.argument, self.expected, self.received = argument, expected, received
        super().__init__(f"{argument}: expected {expected}, received {received}")


class ArgumentTypeError(CodegenError, TypeError):
    """An argument of the wrong type or dtype."""

    def __init__(self, argument: str, expected: str, received: str) -> None:
        self.argument, self.expected, self.received = argument, expected, received
        super().__init__(f"{argument}: expected {expected}, received {received}")


class BusyError(CodegenError, RuntimeError):
    """A plan was called while it computes, by another thread or from within the call."""


class BuildError(CodegenError, RuntimeError):
    """The C compiler or Python's headers are missing, or the compiler refused; says what to install."""


class TimeLimitError(BuildError):
    """A compiler that did not end in time."""


class CacheWarning(UserWarning):
    """A cache folder that is not used, as somebody else could write to it."""


class ProgramError(CodegenError):
    """A program that breaks the grammar of its level."""

    status: ClassVar[int] = FAULT
