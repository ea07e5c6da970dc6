"""Pieces that several sections are made of: steps, shapes, rules and words."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import sympy

from chalkgrad.derive.choices import Layout
from chalkgrad.derive.documents.tree import Inline, Paragraph
from chalkgrad.derive.terms.algebra import Role, Shape, StepLike, exact
from chalkgrad.derive.writing.expressions import t
from chalkgrad.derive.writing.tree import (
    EQUALS,
    Big,
    Fence,
    Name,
    Node,
    Number,
    Op,
    Par,
    Size,
    When,
    Words,
    row,
)

Over = tuple[tuple[sympy.Symbol, StepLike, StepLike], ...]


def paragraph(text: str, *mathematics: Inline | tuple[Inline, ...]) -> Paragraph:
    """Words with mathematics, in order, where {} stands."""
    words, *after = text.split("{}")
    parts: list[Inline] = [words] if words else []
    for piece, then in zip(mathematics, after, strict=True):
        parts += piece if isinstance(piece, tuple) else (piece,)
        parts += [then] if then else []
    return Paragraph(tuple(parts))


def called(first: StepLike, last: StepLike) -> StepLike:
    """How the steps first … last are called: by the only one there is, or t."""
    return first if first == last else t


def over(first: StepLike, last: StepLike) -> Over:
    """For the machine: t runs from first to last, unless they are one step, which is called by itself."""
    return () if first == last else ((t, first, last),)


def steps(first: StepLike, last: StepLike, backwards: bool = False, index: sympy.Symbol = t) -> Node:
    """t = 1, …, T, or down from the last step."""
    start, end = (last, first) if backwards else (first, last)
    if first == last:
        return row(When(index), EQUALS, When(start))
    if exact(last) - exact(first) == 1:
        return row(When(index), EQUALS, When(start), Op(","), When(end))
    return row(When(index), EQUALS, When(start), Op(","), Op("…"), Op(","), When(end))


def shape_node(shape: Shape) -> Node:
    """(n_a, n_x); a vector is a column (n_a), a scalar is called so."""
    if not shape:
        return Words("scalar")
    sizes: list[Node] = []
    for size in shape:
        sizes += [Op(","), Size(size)] if sizes else [Size(size)]
    return Fence(row(*sizes), sized=False)


def gradient_shape(shape: Shape, layout: Layout) -> Node:
    """Of a derivative: the shape of what it is by, turned in numerator layout."""
    if layout == "gradient" or not shape:
        return shape_node(shape)
    sizes = ("", *shape)[-2:]
    first, second = (Size(size) if size else Number("1") for size in (sizes[0], sizes[1]))
    first, second = (first, second) if len(shape) == 1 else (second, first)
    return Fence(row(first, Op(","), second), sized=False)


def rule(words: str, parameters: Collection[str]) -> tuple[Inline, ...]:
    """The name of a rule; a parameter in it is mathematics."""
    parts: list[Inline] = []
    for word in words.split():
        if word in parameters:
            parts += [" ", Par(word)] if parts else [Par(word)]
        elif parts and isinstance(parts[-1], str):
            parts[-1] = f"{parts[-1]} {word}"
        else:
            parts.append(f" {word}" if parts else word)
    return tuple(parts)


def rules(words: Iterable[str], parameters: Collection[str]) -> tuple[Inline, ...]:
    """Several rules, each once."""
    return listed([rule(one, parameters) for one in dict.fromkeys(words)], "; ")


def listed(items: Iterable[tuple[Inline, ...]], separator: str = ", ") -> tuple[Inline, ...]:
    """Items with a separator between them."""
    result: list[Inline] = []
    for item in items:
        result += [separator, *item] if result else [*item]
    return tuple(result)


def mathematics(nodes: Iterable[Node], separator: str = ", ") -> tuple[Inline, ...]:
    """Pieces of mathematics, listed in words."""
    return listed(((node,) for node in nodes), separator)


def zero() -> Node:
    return Number("0")


def pairing() -> Node:
    """Σ v̄ ∗ v: what a cotangent from outside is the derivative of."""
    return Big("Σ", None, None, row(Name("v", t, Role.EXTERNAL), Op("∗"), Name("v", t)))
