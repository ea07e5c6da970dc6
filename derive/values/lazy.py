"""A mapping whose keys are known at once and whose values are worked out when the first is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Generic, TypeVar

V = TypeVar("V")


class Lazy(Mapping[str, V], Generic[V]):
    """`compute` is called at most once and gives a value for every key."""

    def __init__(self, keys: tuple[str, ...], compute: Callable[[], Mapping[str, V]]) -> None:
        self._keys, self._compute = keys, compute

    @cached_property
    def _found(self) -> Mapping[str, V]:
        return self._compute()

    def __getitem__(self, key: str) -> V:
        if key not in self._keys:
            raise KeyError(key)
        return self._found[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return f"<gradients of {', '.join(self._keys)}>"
