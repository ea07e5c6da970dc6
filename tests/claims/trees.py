"""Claims as trees, and their print in the ASCII grammar: no parentheses but those that are needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

Operator = Literal["*", "@", "/"]
Path = tuple[int, ...]


@dataclass(frozen=True)
class Index:
    """A step: letters, each +1 or -1 times, and a number. t-1, T, T_x+T_y, 2."""

    letters: tuple[tuple[str, int], ...] = ()
    number: int = 0

    def __str__(self) -> str:
        signed = [("+" if sign > 0 else "-", letter) for letter, sign in self.letters]
        if self.number or not signed:
            signed.append(("-" if self.number < 0 else "+", str(abs(self.number))))
        return "".join(sign + word for sign, word in signed).removeprefix("+")

    def plus(self, number: int) -> Index:
        return Index(self.letters, self.number + number)


def at(letter: str, number: int = 0) -> Index:
    """letter + number"""
    return Index(((letter, 1),), number)


@dataclass(frozen=True)
class Node:
    """Base of all nodes."""


@dataclass(frozen=True)
class Num(Node):
    """Not negative: a negative number is a sum of one term."""

    value: Fraction


@dataclass(frozen=True)
class Count(Node):
    """A size as a number: n_a."""

    name: str


@dataclass(frozen=True)
class StepNumber(Node):
    """A step as a number: T."""

    index: Index


@dataclass(frozen=True)
class Value(Node):
    """v[t]"""

    name: str
    index: Index


@dataclass(frozen=True)
class Delta(Node):
    """delta_v[t]"""

    name: str
    index: Index


@dataclass(frozen=True)
class Weight(Node):
    """A parameter."""

    name: str


@dataclass(frozen=True)
class Loss(Node):
    """L, or L[t]."""

    index: Index | None = None


@dataclass(frozen=True)
class Slope(Node):
    """dof/dby, or d+of/dby."""

    of: Value | Loss
    by: Value | Weight
    immediate: bool = False


@dataclass(frozen=True)
class Sum(Node):
    """Terms with their signs, +1 or -1; one negative term is -v."""

    terms: tuple[tuple[int, Node], ...]


@dataclass(frozen=True)
class Mul(Node):
    """left op right"""

    op: Operator
    left: Node
    right: Node


@dataclass(frozen=True)
class Power(Node):
    inner: Node
    exponent: int


@dataclass(frozen=True)
class Turned(Node):
    """The transpose."""

    inner: Node


@dataclass(frozen=True)
class Diag(Node):
    inner: Node


@dataclass(frozen=True)
class Call(Node):
    """A function, differentiated `primes` times."""

    name: str
    primes: int
    inner: Node


@dataclass(frozen=True)
class Total(Node):
    """sum(v)"""

    inner: Node


@dataclass(frozen=True)
class Over(Node):
    """Over a letter, first … last, or over all steps: Σ, or Π with the later step on the left."""

    kind: Literal["sum", "prod"]
    letter: str
    first: Index | None
    last: Index | None
    inner: Node


@dataclass(frozen=True)
class Claim:
    left: Node
    right: Node

    def __str__(self) -> str:
        return f"{text(self.left)} = {text(self.right)}"


# ----------------------------------------------------------------------------- printing


def text(node: Node) -> str:
    """What a reader of the grammar reads as this tree."""
    match node:
        case Num(value=value):
            return str(value) if value.denominator == 1 else f"({value})"
        case Count(name=name) | Weight(name=name):
            return name
        case StepNumber(index=index):
            return str(index)
        case Value(name=name, index=index):
            return f"{name}[{index}]"
        case Delta(name=name, index=index):
            return f"delta_{name}[{index}]"
        case Loss(index=index):
            return "L" if index is None else f"L[{index}]"
        case Slope(of=of, by=by, immediate=immediate):
            return f"d{'+' * immediate}{text(of)}/d{text(by)}"
        case Sum(terms=terms):
            return _sum(terms)
        case Mul(op=op, left=left, right=right):
            within = isinstance(left, Mul) and not (op == "/" and isinstance(left.right, Slope))
            before = text(left) if within else _operand(left, op)
            return f"{before} {op} {_operand(right, op)}"
        case Power(inner=inner, exponent=exponent):
            raised = f"({text(inner)})" if isinstance(inner, Slope) else _atom(inner)
            return f"{raised}^{exponent}"
        case Turned(inner=inner):
            return f"{_atom(inner)}^T"
        case Diag(inner=inner):
            return f"diag({text(inner)})"
        case Call(name=name, primes=primes, inner=inner):
            return f"{name}{chr(39) * primes}({text(inner)})"
        case Total(inner=inner):
            return f"sum({text(inner)})"
        case Over(kind=kind, letter=letter, first=first, last=last, inner=inner):
            bounds = letter if first is None else f"{{{letter}={first}}}^{{{last}}}"
            body = f"({text(inner)})" if isinstance(inner, Sum) or _ends_in_steps(inner) else text(inner)
            return f"{kind}_{bounds} {body}"
    raise TypeError(f"no way to print {node!r}")


def _sum(terms: tuple[tuple[int, Node], ...]) -> str:
    out = ""
    for number, (sign, term) in enumerate(terms):
        told = f"({text(term)})" if isinstance(term, Sum) or _ends_in_steps(term) else text(term)
        if number == 0:
            out = f"-{told}" if sign < 0 else told
        else:
            out += f" {'+' if sign > 0 else '-'} {told}"
    return out


def _ends_in_steps(node: Node) -> bool:
    """T + 1 as a number is a sum to its reader."""
    return isinstance(node, StepNumber) and (len(node.index.letters) > 1 or node.index.number != 0)


def _operand(node: Node, op: str) -> str:
    """A factor; a quotient of quotients keeps its parentheses."""
    if isinstance(node, (Sum, Mul, Over)) or _ends_in_steps(node) or (isinstance(node, Slope) and op == "/"):
        return f"({text(node)})"
    return text(node)


def _atom(node: Node) -> str:
    if isinstance(node, (Sum, Mul, Over)) or _ends_in_steps(node):
        return f"({text(node)})"
    return text(node)


# ----------------------------------------------------------------------------- walking


def children(node: Node) -> tuple[Node, ...]:
    match node:
        case Slope(of=of, by=by):
            return (of, by)
        case Sum(terms=terms):
            return tuple(term for _, term in terms)
        case Mul(left=left, right=right):
            return (left, right)
        case (
            Power(inner=inner)
            | Turned(inner=inner)
            | Diag(inner=inner)
            | Call(inner=inner)
            | Total(inner=inner)
            | Over(inner=inner)
        ):
            return (inner,)
    return ()


def rebuilt(node: Node, new: tuple[Node, ...]) -> Node:
    match node:
        case Slope():
            of, by = new
            if not isinstance(of, (Value, Loss)) or not isinstance(by, (Value, Weight)):
                raise TypeError("a derivative is one of a value or a loss by a value or a parameter")
            return replace(node, of=of, by=by)
        case Sum(terms=terms):
            return Sum(tuple((sign, term) for (sign, _), term in zip(terms, new, strict=True)))
        case Mul():
            return Mul(node.op, *new)
        case Power() | Turned() | Diag() | Call() | Total() | Over():
            return replace(node, inner=new[0])
    return node


def places(node: Node, path: Path = ()) -> Iterator[tuple[Path, Node]]:
    """Every node with the way that leads to it, parents first."""
    yield path, node
    for number, child in enumerate(children(node)):
        yield from places(child, (*path, number))


def put(node: Node, path: Path, new: Node) -> Node:
    """The tree with another node at a place."""
    if not path:
        return new
    below = list(children(node))
    below[path[0]] = put(below[path[0]], path[1:], new)
    return rebuilt(node, tuple(below))


def indices(node: Node) -> tuple[Index, ...]:
    """The steps that the node itself is told by; the bounds of a sum too."""
    match node:
        case Value(index=index) | Delta(index=index) | StepNumber(index=index):
            return (index,)
        case Loss(index=Index() as index):
            return (index,)
        case Over(first=Index() as first, last=Index() as last):
            return (first, last)
    return ()


def stepped(node: Node, change: Callable[[Index], Index]) -> Node:
    """The node with its own steps changed."""
    match node:
        case Value() | Delta() | StepNumber():
            return replace(node, index=change(node.index))
        case Loss(index=Index() as index):
            return Loss(change(index))
        case Over(first=Index() as first, last=Index() as last):
            return replace(node, first=change(first), last=change(last))
    return node


END = frozenset({"T", "T_x", "T_y"})
"""Letters that are told and do not range."""


def free_letters(node: Node) -> frozenset[str]:
    """The letters that range over all steps."""
    own = {letter for index in indices(node) for letter, _ in index.letters}
    below = [free_letters(child) for child in children(node)]
    inner = frozenset[str]().union(*below)
    if isinstance(node, Over):
        inner -= {node.letter}
    return (own | inner) - END
