"""What a value says of itself: one short line as `repr`, whole as `str`, and as Markdown in a notebook."""

from __future__ import annotations

_SHORT = 60  # characters of what a repr shows


def brief(value: object, text: str) -> str:
    """<Type text>, in one line and cut where it is long."""
    line = " ".join(text.split())
    return f"<{type(value).__name__} {line if len(line) <= _SHORT else line[: _SHORT - 1] + '…'}>"


class Told:
    """Base of what says of itself in words, `__str__`; what is mathematics is `derive.showing.Shown`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return brief(self, (str(self).splitlines() or [""])[0])

    def _repr_markdown_(self) -> str:
        return fenced(str(self))


def fenced(text: str, language: str = "") -> str:
    """A block of Markdown that shows the text as it is, whatever fences stand in it."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text}\n{fence}"
