"""Immutable nodes that others share: a hash is worked out once, and no pair is compared twice."""

from __future__ import annotations

from dataclasses import fields
from functools import cached_property
from typing import Any


class Node:
    """Base of dataclasses without a hash and an equality of their own; two are equal when built alike.

    Two nodes found equal have one key from then on, so that comparing two DAGs compares no two parts twice.
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
        if not isinstance(other, Node) or type(self) is not type(other):
            return NotImplemented
        if self._hash != other._hash:
            return False
        if self._key is not other._key and self._key == other._key:
            self.__dict__["_key"] = other._key
        return self._key is other._key

    def __getstate__(self) -> dict[str, Any]:
        """The fields alone: the hash of a text is another one in another process."""
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
