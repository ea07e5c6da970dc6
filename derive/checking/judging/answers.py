"""Whether a claim answers a question: it is about what was asked, and uses no more than may be used."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from chalkgrad.derive import choices
from chalkgrad.derive.checking.judging.claim import subject
from chalkgrad.derive.checking.reading.tree import Delta, Loss, Slope, Syntax, Value, Weight, places


def refused(
    sides: tuple[Syntax, ...], target: Syntax, allow: Collection[choices.Allowed] | None
) -> Syntax | str | None:
    """What is wrong with an answer for the target: a name that it may not use, or words; None if nothing.

    allow: the kinds of names beside parameters and numbers; None for all. The target itself, and what it is
    only another name of, is never one of them.
    """
    about = subject(sides[0])
    if about is None or _plain(about) != _plain(target):
        return "it is not about what was asked"
    for side in sides[1:]:
        for node in _named(side):
            if restates(node, target) or (allow is not None and _kind(node) not in (*allow, "")):
                return node
    return None


def restates(node: Syntax, target: Syntax) -> bool:
    """Whether a name says what was asked: itself, δ for ∂L/∂v, or the same of the loss of one step."""
    match _plain(node), _plain(target):
        case Slope(of=of, by=Weight(name=name), immediate=False), Slope(of=asked, by=Weight(name=other)):
            return name == other and (of == asked or isinstance(of, Loss))
        case one, other:
            return one == other


def _plain(node: Syntax) -> Syntax:
    """δ_v as ∂L/∂v."""
    return Slope(Loss(), Value(node.name, node.index)) if isinstance(node, Delta) else node


def _named(side: Syntax) -> Iterator[Syntax]:
    """Values, δ and derivatives; what a derivative is of, or by, is no name of its own."""
    inside: set[tuple[int, ...]] = set()
    for path, node in places(side):
        if path[:-1] in inside:
            inside.add(path)
        elif isinstance(node, Slope):
            inside.add(path)
            yield node
        elif isinstance(node, (Value, Delta, Loss)):
            yield node


def _kind(node: Syntax) -> str:
    match node:
        case Value():
            return choices.VALUES
        case Delta() | Slope(of=Loss(), by=Value(), immediate=False):
            return choices.DELTA
        case Slope(immediate=True):
            return choices.IMMEDIATE
        case Slope():
            return choices.TOTAL
        case _:
            return choices.LOSS_ITSELF
