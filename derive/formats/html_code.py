"""Lines of a program as HTML: escaped, with comments told apart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

from chalkgrad.derive.documents.tree import Listing

_PIECE = re.compile(r"""/\*|//.*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[^/"']+|.""", re.DOTALL)


def code_lines(listing: Listing) -> Iterator[str]:
    """The lines; in C a comment may go on over several of them."""
    if listing.language.lower() != "c":
        yield from (escape(line, quote=False) for line in listing.lines)
        return
    inside = False
    for line in listing.lines:
        shown, inside = _line(line, inside)
        yield shown


def _line(line: str, inside: bool) -> tuple[str, bool]:
    """One line of C; inside: whether it starts in a comment, and whether it ends in one."""
    found, at = "", 0
    while at < len(line):
        if inside:
            end = line.find("*/", at)
            stop = len(line) if end < 0 else end + 2
            inside = end < 0
            found += _comment(line[at:stop])
        else:
            piece = _PIECE.match(line, at)
            assert piece is not None
            stop = piece.end()
            if piece[0] == "/*":
                end = line.find("*/", stop)
                stop, inside = (len(line), True) if end < 0 else (end + 2, False)
            text = line[at:stop]
            found += _comment(text) if text.startswith(("/*", "//")) else escape(text, quote=False)
        at = stop
    return found, inside


def _comment(text: str) -> str:
    return f"<i>{escape(text, quote=False)}</i>"
