"""What a random program is: a model file and a setting; and who decides what is in it."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

V = TypeVar("V")
Lengths = str | tuple[int, ...]


class Choices(Protocol):
    def pick(self, options: Sequence[V]) -> V: ...


class Seeded:
    """The same choices for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def pick(self, options: Sequence[V]) -> V:
        return self._random.choice(options)


class Drawn:
    """Choices that hypothesis makes; `draw` is that of a composite strategy or of `st.data()`."""

    def __init__(self, draw: Callable[[Any], Any]) -> None:
        from hypothesis import strategies

        self._draw, self._integers = draw, strategies.integers

    def pick(self, options: Sequence[V]) -> V:
        return options[self._draw(self._integers(0, len(options) - 1))]


@dataclass(frozen=True)
class Setting:
    """What a program is run with.

    sizes: name → number. T: the steps, a pair (T_x, T_y) for an encoder–decoder. batched: False leaves the
    axis of the one example away. lengths: how those of x and of y are made. fixed: whether the C knows T.
    sliced: whether it takes two examples at a time. initial, wrt, cotangents: "all", "some" or "none" of
    what there is. seed: of the numbers.
    """

    sizes: Mapping[str, int] = field(hash=False)
    T: int | tuple[int, int] = 2
    B: int = 2
    batched: bool = True
    lengths: tuple[Lengths, Lengths] = ("none", "none")
    dtype: str = "float64"
    fixed: bool = False
    initial: str = "all"
    sliced: bool = False
    wrt: str = "all"
    cotangents: str = "all"
    seed: int = 0


@dataclass(frozen=True)
class Program:
    """A model file, the choices to load it with, and a setting."""

    text: str
    setting: Setting
    architecture: str = "many-to-many"
    feed: str = "none"
    loss: str = "auto"
    functions: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def equations(self) -> list[str]:
        """The right-hand sides."""
        tables = tomllib.loads(self.text)
        return [*tables["equations"].values(), *tables.get("output", {}).values()]
