"""Trees whose parts may be shared: each distinct node is visited once, and hashed once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import cached_property
from typing import Any, Generic, TypeVar

N = TypeVar("N")
C = TypeVar("C")
T = TypeVar("T", bound="Tree[Any]")


class Tree(Generic[C]):
    """Base of dataclasses with eq=False, whose children are C. Immutable; equal when built alike.

    A node works its hash out once. Two nodes found equal have one key from then on, so that comparing two
    DAGs compares no pair of parts twice.
    """

    @cached_property
    def _key(self) -> tuple[object, ...]:
        return tuple(getattr(self, field.name) for field in fields(self))  # type: ignore[arg-type]

    @cached_property
    def _hash(self) -> int:
        return hash(self._key)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Tree) or type(self) is not type(other):
            return NotImplemented
        if self._hash != other._hash:
            return False
        if self._key is not other._key and self._key == other._key:
            self.__dict__["_key"] = other._key
        return self._key is other._key

    def __getstate__(self) -> dict[str, Any]:
        """The fields alone: the hash of a text is another one in another process."""
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]

    @property
    def children(self) -> tuple[C, ...]:
        return ()

    def rebuild(self, children: tuple[C, ...]) -> C:
        """The same node over other children (of the same shapes)."""
        if children:
            raise TypeError(f"{type(self).__name__} has no children")
        return self  # type: ignore[return-value]


def walk(node: T) -> Iterator[T]:
    """The node and everything below it, parents first; each distinct node once, where it is met first."""
    seen: set[T] = set()
    waiting = [node]
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            yield node
            waiting.extend(reversed(node.children))


def upwards(node: T) -> Iterator[T]:
    """The same nodes, children first."""
    done: set[T] = set()
    waiting = [node]
    while waiting:
        due = [child for child in waiting[-1].children if child not in done]
        waiting.extend(reversed(due))
        if not due:
            node = waiting.pop()
            if node not in done:
                done.add(node)
                yield node


def folded(node: T, make: Callable[[T, tuple[N, ...]], N]) -> N:
    """What `make` gives for the tree, from every distinct node and what it gave for its children."""
    made: dict[T, N] = {}
    for part in upwards(node):
        made[part] = make(part, tuple(made[child] for child in part.children))
    return made[node]


def transform(node: T, change: Callable[[T], T]) -> T:
    """The tree with `change` applied to every distinct node, children first; what does not change stays."""

    def changed(old: T, children: tuple[T, ...]) -> T:
        same = all(new is one for new, one in zip(children, old.children, strict=True))
        return change(old if same else old.rebuild(children))

    return folded(node, changed)
