"""A text that tells values apart: dataclasses, tuples, mappings, and what they are made of."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass


def fingerprint(value: object) -> str:
    """The same for what is built alike, in every process. Parts that several places share are read once.

    Fields that do not count in a comparison do not count here.
    """
    known: dict[int, str] = {}

    def of(part: object) -> str:
        if id(part) not in known:
            known[id(part)] = hashlib.sha256(written(part).encode()).hexdigest()
        return known[id(part)]

    def written(part: object) -> str:
        if is_dataclass(part):
            compared = (field.name for field in fields(part) if field.compare)
            return " ".join([type(part).__name__, *(of(getattr(part, name)) for name in compared)])
        if isinstance(part, Mapping):
            return " ".join(["{", *(of(item) for pair in part.items() for item in pair)])
        if isinstance(part, (tuple, list)):
            return " ".join(["(", *map(of, part)])
        return f"{type(part).__name__} {part!r}"

    return of(value)
