"""Lines of C with their indentation, long statements broken where they bind least."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

_WIDTH = 100
_BINDING = ("", "?", ":", "||", "&&", "-", "+", "*", "/")
"""Where a line may be broken, what binds least first: behind a comma, or before one of these."""

_BREAK = re.compile(r"(?<=,) (?! )| (?:\?|:|\|\||&&|[-+*/]) ")


class Text:
    """The text of a function body as it grows."""

    def __init__(self, depth: int = 1) -> None:
        self._lines: list[str] = []
        self._depth = depth

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
    """A long statement over several lines; comments stay whole."""
    room = _WIDTH - 4 * depth
    indent = ""
    while len(line) > room and not line.startswith("/*"):
        cut = _cut(line, room // 2, room) or _cut(line, len(indent), room // 2)
        if not cut:
            break
        yield line[:cut]
        indent = "    "
        line = indent + line[cut + 1 :]
    yield line


def _cut(line: str, start: int, end: int) -> int:
    """Where to break: in as few brackets as possible, before what binds least; 0 if there is no place."""
    places: list[tuple[int, int, int]] = []
    depth = 0
    for place, character in enumerate(line[:end]):
        depth += (character in "([{") - (character in ")]}")
        if place > start and (found := _BREAK.match(line, place)):
            places.append((-depth, len(_BINDING) - _BINDING.index(found[0].strip()), place))
    return max(places, default=(0, 0, 0))[2]
