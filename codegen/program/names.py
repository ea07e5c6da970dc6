"""Fresh names for what passes add."""

from __future__ import annotations

from collections.abc import Iterable


class FreshNames:
    """Hands out names that are not taken yet: z, z2, z3, …"""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)
        self._counts: dict[str, int] = {}

    def fresh(self, wanted: str) -> str:
        name, count = wanted, self._counts.get(wanted, 1)
        while name in self._taken:
            count += 1
            name = f"{wanted}{count}"
        self._taken.add(name)
        self._counts[wanted] = count
        return name
