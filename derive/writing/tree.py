"""Written mathematics as a tree: what stands where, before any format and any notation.

What has a meaning stays what it is until a printer writes it: a value at a step, a parameter, a size, a
derivative. A printer asks a `derive.writing.notation.Notation` how those are written, and turns the rest
into LaTeX, MathML or Unicode. Characters are Unicode throughout: "−" is written "-", "∗" is "∗", "≠" is "≠".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from enum import IntEnum

from chalkgrad.derive.terms.algebra import Role, StepLike


@dataclass(frozen=True)
class Node:
    """Base of everything that can be written. Immutable."""


@dataclass(frozen=True)
class Name(Node):
    """The value `name` at `step`; δ of it, or v̄ from outside, by its role. Without a step: at any."""

    name: str
    step: StepLike | None = None
    role: Role = Role.VALUE


@dataclass(frozen=True)
class Par(Node):
    """A parameter; `moved` is its small change, dW."""

    name: str
    moved: bool = False


@dataclass(frozen=True)
class Size(Node):
    """A size: n_a."""

    name: str


@dataclass(frozen=True)
class When(Node):
    """A step of the trajectory as a number: t-1, T, 2."""

    step: StepLike


@dataclass(frozen=True)
class Objective(Node):
    """What is differentiated: the loss, of all steps or of one step."""

    name: str
    step: StepLike | None = None


@dataclass(frozen=True)
class Derivative(Node):
    """∂of/∂by: total, or immediate, where what the step before hands on stays."""

    of: Node
    by: Node
    immediate: bool = False


@dataclass(frozen=True)
class Ident(Node):
    """Letters as they are: an index i, the unit matrix I, ∂. A Greek letter is spelled: "alpha"."""

    text: str
    style: str = "italic"  # or "upright", "bold"


@dataclass(frozen=True)
class Number(Node):
    """A decimal as it is printed; `power`: times 10 to that."""

    text: str
    power: int | None = None


@dataclass(frozen=True)
class Op(Node):
    """A sign between two things, with the space that belongs to it: + - = ∗ ≠ < ≤ ⋯ … , : and so on."""

    sign: str


@dataclass(frozen=True)
class Words(Node):
    """Words amid mathematics."""

    text: str


@dataclass(frozen=True)
class Row(Node):
    """Things beside each other. `space`: a thin space between factors that have no sign between them."""

    items: tuple[Node, ...]
    thin: bool = False


@dataclass(frozen=True)
class Fence(Node):
    """( body ) or [ body ], as large as the body unless it says otherwise."""

    body: Node
    marks: str = "()"
    sized: bool = True


@dataclass(frozen=True)
class Frac(Node):
    above: Node
    below: Node


@dataclass(frozen=True)
class Sup(Node):
    base: Node
    above: Node


@dataclass(frozen=True)
class Sub(Node):
    base: Node
    below: Node


@dataclass(frozen=True)
class Accent(Node):
    """A mark above: ^ or ‾."""

    base: Node
    mark: str


@dataclass(frozen=True)
class Transposed(Node):
    base: Node


@dataclass(frozen=True)
class Root(Node):
    body: Node


@dataclass(frozen=True)
class Call(Node):
    """A function by its name, tanh or σ, and its argument, in parentheses unless `bare`."""

    function: str
    argument: Node
    bare: bool = False
    primes: int = 0


@dataclass(frozen=True)
class Big(Node):
    """Σ, max or Π over an index, and what is added up; either bound may be missing."""

    sign: str
    below: Node | None
    above: Node | None
    body: Node


@dataclass(frozen=True)
class Matrix(Node):
    """Blocks in round brackets."""

    rows: tuple[tuple[Node, ...], ...]


@dataclass(frozen=True)
class Cases(Node):
    """value, condition; the last condition may be None: otherwise."""

    branches: tuple[tuple[Node, Node | None], ...]


@dataclass(frozen=True)
class Wrong(Node):
    """A part that is marked as mistaken."""

    body: Node


# ----------------------------------------------------------------------------- building


class Level(IntEnum):
    """How tightly a piece binds; what stands in a tighter place gets parentheses."""

    SUM = 1  # a + b, −a
    PRODUCT = 2  # a ∗ b, 2 a
    MATVEC = 3  # W v: bare in a sum and behind a number, in parentheses beside ∗
    ATOM = 4


@dataclass(frozen=True)
class Piece:
    """Something written, how tightly it binds, and whether it is a vector (a scalar spreads over one)."""

    node: Node
    level: Level = Level.ATOM
    vector: bool = False

    def at(self, level: Level) -> Node:
        """The node for a place that needs `level`."""
        return self.node if self.level >= level else Fence(self.node)


MINUS, PLUS, EQUALS, AST = Op("-"), Op("+"), Op("="), Op("∗")


def row(*items: Node, thin: bool = False) -> Node:
    """Items beside each other; rows in it are taken apart, one item is itself."""
    flat: list[Node] = []
    for item in items:
        flat.extend(item.items if isinstance(item, Row) and item.thin == thin else (item,))
    return flat[0] if len(flat) == 1 else Row(tuple(flat), thin)


def negative(node: Node) -> bool:
    """Whether it starts with a minus."""
    return isinstance(node, Row) and bool(node.items) and (node.items[0] == MINUS or negative(node.items[0]))


def unsigned(node: Node) -> Node:
    """What a minus stands in front of."""
    assert isinstance(node, Row)
    first, *rest = node.items
    return row(*rest, thin=node.thin) if first == MINUS else row(unsigned(first), *rest, thin=node.thin)


def joined(pieces: Sequence[Node]) -> Node:
    """Terms, each with its own sign in front if it has one, as one sum."""
    first, *others = pieces
    items = [first]
    for piece in others:
        items += [MINUS, unsigned(piece)] if negative(piece) else [PLUS, piece]
    return row(*items)


def listed(pieces: Iterable[Node]) -> Node:
    """Arguments, a comma between two of them."""
    first, *others = pieces
    return row(first, *(item for other in others for item in (Op(","), other)))


def is_sum(node: Node) -> bool:
    """Whether a sign stands in it, at the top."""
    return isinstance(node, Row) and any(item in (PLUS, MINUS) or is_sum(item) for item in node.items)


# ----------------------------------------------------------------------------- walking


def children(node: Node) -> Iterator[Node]:
    """The nodes directly below."""
    for field in fields(node):
        yield from _nodes(getattr(node, field.name))


def _nodes(value: object) -> Iterator[Node]:
    if isinstance(value, Node):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _nodes(item)


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below it, parents first."""
    yield node
    for child in children(node):
        yield from walk(child)


def transform(node: Node, change: Callable[[Node], Node]) -> Node:
    """The tree with `change` applied to every node, children first."""
    values = {field.name: getattr(node, field.name) for field in fields(node)}
    changed = {name: _changed(value, change) for name, value in values.items() if any(_nodes(value))}
    return change(replace(node, **changed) if changed else node)


def _changed(value: object, change: Callable[[Node], Node]) -> object:
    if isinstance(value, Node):
        return transform(value, change)
    if isinstance(value, tuple):
        return tuple(_changed(item, change) for item in value)
    return value


def names(nodes: Iterable[Node]) -> set[str]:
    """The names of all values and parameters written anywhere in them."""
    return {n.name for node in nodes for n in walk(node) if isinstance(n, (Name, Par))}
