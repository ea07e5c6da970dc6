"""What every exception of this project is: a message that is safe to print, and what a command ends with."""

from __future__ import annotations

from typing import ClassVar

WRONG, MISUSE, UNREADABLE, FAULT = 1, 2, 3, 4
"""What a command ends with; `chalkgrad.commands.STATUSES` says it in words."""


def printable(text: str, breaks: str = "\n") -> str:
    """The text with line breaks, and escapes for all else that could steer a terminal."""
    return "".join(
        c if c.isprintable() or c in breaks else c.encode("unicode_escape").decode("ascii") for c in text
    )


class ChalkgradError(Exception):
    """Base class of everything that is raised on purpose. `status`: what a command then ends with."""

    status: ClassVar[int] = MISUSE

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))
