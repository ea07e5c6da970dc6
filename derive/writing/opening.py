"""What a piece of mathematics consists of, where it is too wide for a line: brackets become signs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from chalkgrad.derive.writing.latex import tall
from chalkgrad.derive.writing.signs import TALL
from chalkgrad.derive.writing.tree import (
    Big,
    Call,
    Cases,
    Fence,
    Frac,
    Node,
    Number,
    Op,
    Root,
    Row,
    Sub,
    Sup,
    Transposed,
    Words,
    Wrong,
    is_sum,
)

Items: TypeAlias = tuple[Node, ...]

NOTHING = Row(())


def flat(items: Items) -> Items:
    """Rows within rows taken apart."""
    found: list[Node] = []
    for item in items:
        found.extend(flat(item.items) if isinstance(item, Row) and not item.thin else (item,))
    return tuple(found)


def opened(items: Items, at: int) -> Items:
    """What the item consists of, with brackets as signs; nothing where it cannot be taken apart."""
    node = items[at]
    match node:
        case Row(items=inner):
            return flat(inner) if len(inner) > 1 else ()
        case Fence(body=body, marks=marks):
            return _around(body, marks)
        case Transposed(base=base) if (found := _base(base)) is not None:
            return (*found[:-1], Transposed(found[-1]))
        case Sup(base=base, above=above) if (found := _base(base)) is not None:
            return (*found[:-1], Sup(found[-1], above))
        case Sub(base=base, below=below) if (found := _base(base)) is not None:
            return (*found[:-1], Sub(found[-1], below))
        case Call(argument=argument) if argument != NOTHING:
            bare = node.bare and not is_sum(argument)
            name = Call(node.function, NOTHING, True, node.primes)
            return (name, *(flat((argument,)) if bare else _around(argument)))
        case Big(body=body) if body != NOTHING:
            sign = Big(node.sign, node.below, node.above, NOTHING)
            return (sign, *(_around(body) if is_sum(body) else flat((body,))))
        case Frac(above=above, below=below):
            return (Op("("), *_grouped(above), Op("/"), *_grouped(below), Op(")"))
        case Root(body=body):
            around = _around(body)
            return (*around[:-1], Sup(around[-1], Frac(Number("1"), Number("2"))))
        case Cases(branches=branches):
            return (Op("{"), *_branches(branches), Op("}"))
        case Words(text=text):
            return _words(text)
        case Wrong(body=body):
            return flat((body,))
        case _:
            return ()


def _around(body: Node, marks: str = "()") -> Items:
    signs = [Op(TALL.get(mark, mark) if tall(body) else mark) for mark in marks]
    return (signs[0], *flat((body,)), signs[1])


def _base(base: Node) -> Items | None:
    """What carries an exponent or index and stands in brackets for it."""
    match base:
        case Fence(body=body, marks=marks):
            return _around(body, marks)
        case Row() | Frac() | Big() | Call() | Cases():
            return _around(base)
        case _:
            return None


def _grouped(part: Node) -> Items:
    return _around(part) if isinstance(part, Row | Big | Frac | Call) else (part,)


def _branches(branches: Sequence[tuple[Node, Node | None]]) -> Iterator[Node]:
    for number, (value, condition) in enumerate(branches):
        if number:
            yield Op(";")
        yield from flat((value,))
        yield Words(" otherwise" if condition is None else " if ")
        if condition is not None:
            yield from flat((condition,))


def _words(text: str) -> Items:
    first, *others = text.strip().split(" ")
    if not others:
        return ()
    start, end = " " * text.startswith(" "), " " * text.endswith(" ")
    words = [f"{start}{first}", *(f" {word}" for word in others)]
    return tuple(Words(word) for word in (*words[:-1], words[-1] + end))
