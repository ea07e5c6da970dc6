"""Lines of C with their indentation, long statements broken before operators."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

_WIDTH = 100


class Text:
    """The text of a function body as it grows."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._depth = 1

    def __str__(self) -> str:
        return "\n".join(self._lines)

    def put(self, *lines: str) -> None:
        for line in lines:
            self._lines.extend(f"{'    ' * self._depth}{part}" for part in _wrapped(line, self._depth))

    def space(self) -> None:
        self._lines.append("")

    @contextmanager
    def inside(self, head: str = "") -> Iterator[None]:
        """What is put meanwhile stands in braces behind the head."""
        self.put(f"{head} {{".lstrip())
        self._depth += 1
        yield
        self._depth -= 1
        self.put("}")


def _wrapped(line: str, depth: int) -> Iterator[str]:
    """A long statement over several lines, broken before operators; comments stay whole."""
    room = _WIDTH - 4 * depth
    indent = ""
    while len(line) > room and not line.startswith("/*"):
        cut = _cut(line, len(indent), room, "-+?:") or _cut(line, len(indent), room, "*/")
        if not cut:
            break
        yield line[:cut]
        indent = "    "
        line = indent + line[cut + 1 :]
    yield line


def _cut(line: str, start: int, room: int, operators: str) -> int:
    """The last place to break before one of the operators, outside brackets; 0 if there is none."""
    found = (m.start() for m in re.finditer(rf" [{operators}] (?![^\[]*\])", line))
    return max((cut for cut in found if start < cut < room), default=0)
