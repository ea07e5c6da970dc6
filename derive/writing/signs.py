"""What only broken mathematics has: brackets that are signs of their own, and lines below each other."""

from __future__ import annotations

from dataclasses import dataclass

from chalkgrad.derive.writing.tree import Node, Op, Sub, Sup, Transposed

TALL = {"(": "⟮", ")": "⟯", "[": "⟬", "]": "⟭"}  # around fractions and sums
LEVEL = {tall: mark for mark, tall in TALL.items()}
_OPENING, _CLOSING = frozenset("([{⟨⟮⟬"), frozenset(")]}⟩⟯⟭")


@dataclass(frozen=True)
class Stacked(Node):
    """One thing on several lines, within a matrix."""

    lines: tuple[Node, ...]


def opens(node: Node | None) -> bool:
    """Whether it is a bracket that opens."""
    return isinstance(node, Op) and node.sign in _OPENING


def closes(node: Node | None) -> bool:
    """Whether it is a bracket that closes, with an exponent or index or without."""
    match node:
        case Op(sign=sign):
            return sign in _CLOSING
        case Sup(base=base) | Sub(base=base) | Transposed(base=base):
            return closes(base)
        case _:
            return False
