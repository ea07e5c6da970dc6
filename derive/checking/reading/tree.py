"""The formula that somebody claims, as a tree: what the parser gives and what repairs rewrite.

A node knows what it names and nothing about shapes or numbers: a formula whose shapes do not fit is a
formula too. `derive.checking.judging.meaning` says what it is worth, `spelled` and `written` print it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import TypeAlias

import sympy

from chalkgrad.derive.terms.algebra import Expr
from chalkgrad.derive.terms.trees import Tree, transform


@cache
def letter(name: str) -> sympy.Symbol:
    """The SymPy symbol of an index letter."""
    return sympy.Symbol(name, integer=True, positive=True)


@dataclass(frozen=True)
class Index:
    """A step: a whole number plus letters, each with its factor: t - 1, T, 2."""

    letters: tuple[tuple[str, int], ...] = ()
    number: int = 0

    def moved(self, steps: int) -> Index:
        return replace(self, number=self.number + steps)

    def plus(self, other: Index, sign: int = 1) -> Index:
        total = dict(self.letters)
        for name, factor in other.letters:
            total[name] = total.get(name, 0) + sign * factor
        kept = tuple(sorted((name, factor) for name, factor in total.items() if factor))
        return Index(kept, self.number + sign * other.number)

    def having(self, name: str, other: Index) -> Index:
        """With a letter replaced by another step."""
        factor = dict(self.letters).get(name, 0)
        rest = Index(tuple(pair for pair in self.letters if pair[0] != name), self.number)
        for _ in range(abs(factor)):
            rest = rest.plus(other, 1 if factor > 0 else -1)
        return rest

    def value(self, known: Mapping[sympy.Symbol, int]) -> int:
        return self.number + sum(factor * known[letter(name)] for name, factor in self.letters)

    @property
    def names(self) -> frozenset[str]:
        return frozenset(name for name, _ in self.letters)

    @property
    def sympy(self) -> sympy.Expr:
        return sympy.Add(self.number, *(factor * letter(name) for name, factor in self.letters))


def at(name: str, number: int = 0) -> Index:
    """The step name + number."""
    return Index(((name, 1),), number)


class Syntax(Tree["Syntax"]):
    """Base of all nodes."""

    @cached_property
    def size(self) -> int:
        """How many nodes are written."""
        return 1 + sum(child.size for child in self.children)

    @cached_property
    def free(self) -> frozenset[str]:
        """The letters of steps that no sum in the tree runs over."""
        own = frozenset(name for index in indices(self) for name in index.names)
        return own.union(*(child.free for child in self.children))

    @cached_property
    def letters(self) -> tuple[str, ...]:
        """The same in order."""
        return tuple(sorted(self.free))


# ----------------------------------------------------------------------------- what is named


@dataclass(frozen=True, eq=False)
class Num(Syntax):
    value: sympy.Rational


@dataclass(frozen=True, eq=False)
class Count(Syntax):
    """A number that goes by a name: a size, or how many examples there are."""

    name: str


@dataclass(frozen=True, eq=False)
class StepNumber(Syntax):
    """A step as a number among others: T, or an index."""

    index: Index


@dataclass(frozen=True, eq=False)
class Value(Syntax):
    """v[t]"""

    name: str
    index: Index


@dataclass(frozen=True, eq=False)
class Delta(Syntax):
    """delta_v[t], the derivative of the whole loss."""

    name: str
    index: Index


@dataclass(frozen=True, eq=False)
class Weight(Syntax):
    """A parameter; with a step the copy of it that this step uses, as what is differentiated by."""

    name: str
    index: Index | None = None


@dataclass(frozen=True, eq=False)
class Loss(Syntax):
    """L, or L[t], the loss of one step."""

    index: Index | None = None


@dataclass(frozen=True, eq=False)
class Slope(Syntax):
    """dof/dby, total, or with d+ immediate."""

    of: Loss | Value
    by: Value | Weight
    immediate: bool = False

    @property
    def children(self) -> tuple[Syntax, ...]:
        return (self.of, self.by)

    def rebuild(self, children: tuple[Syntax, ...]) -> Syntax:
        of, by = children
        if not isinstance(of, (Loss, Value)) or not isinstance(by, (Value, Weight)):
            raise TypeError("a derivative is that of a value by a value or a parameter")
        return replace(self, of=of, by=by)


@dataclass(frozen=True, eq=False)
class Given(Syntax):
    """An expression of the derivation that the grammar has no words for, written at a step."""

    expr: Expr
    index: Index


# ----------------------------------------------------------------------------- what is built


@dataclass(frozen=True, eq=False)
class Sum(Syntax):
    """Terms, each with its sign, +1 or -1; -v alone is a sum of one term."""

    terms: tuple[tuple[int, Syntax], ...]

    @cached_property
    def children(self) -> tuple[Syntax, ...]:
        return tuple(term for _, term in self.terms)

    def rebuild(self, children: tuple[Syntax, ...]) -> Syntax:
        signs = (sign for sign, _ in self.terms)
        return Sum(tuple(zip(signs, children, strict=True)))


@dataclass(frozen=True, eq=False)
class Factors(Syntax):
    """first op v op v …, from the left; op is "*", "/", "@", or "·" for either product."""

    first: Syntax
    rest: tuple[tuple[str, Syntax], ...]

    @cached_property
    def children(self) -> tuple[Syntax, ...]:
        return (self.first, *(factor for _, factor in self.rest))

    def rebuild(self, children: tuple[Syntax, ...]) -> Syntax:
        first, *others = children
        signs = (sign for sign, _ in self.rest)
        return Factors(first, tuple(zip(signs, others, strict=True)))


@dataclass(frozen=True, eq=False)
class _Single(Syntax):
    """A node over one other."""

    inner: Syntax

    @property
    def children(self) -> tuple[Syntax, ...]:
        return (self.inner,)

    def rebuild(self, children: tuple[Syntax, ...]) -> Syntax:
        return replace(self, inner=children[0])


@dataclass(frozen=True, eq=False)
class Power(_Single):
    """Of each component; of a square matrix the product with itself."""

    exponent: sympy.Rational


@dataclass(frozen=True, eq=False)
class Turned(_Single):
    """The transpose."""


@dataclass(frozen=True, eq=False)
class Diag(_Single):
    """diag(v)"""


@dataclass(frozen=True, eq=False)
class Total(_Single):
    """Of all components their sum, or their mean."""

    mean: bool = False


@dataclass(frozen=True, eq=False)
class FunctionCall(_Single):
    """A function of `derive.terms.functions`, differentiated `primes` times; `name` as it was written.

    others: the arguments behind the first.
    """

    function: str
    primes: int = 0
    name: str = ""
    others: tuple[Syntax, ...] = ()

    @property
    def children(self) -> tuple[Syntax, ...]:
        return (self.inner, *self.others)

    def rebuild(self, children: tuple[Syntax, ...]) -> Syntax:
        return replace(self, inner=children[0], others=children[1:])


@dataclass(frozen=True, eq=False)
class Over(_Single):
    """Σ over an index, first to last; without bounds over every step. Or the product, the last in front."""

    index: str
    first: Index | None = None
    last: Index | None = None
    product: bool = False

    @cached_property
    def free(self) -> frozenset[str]:
        own = frozenset(name for index in indices(self) for name in index.names)
        return own | (self.inner.free - {self.index})


Path: TypeAlias = "tuple[int, ...]"

# ----------------------------------------------------------------------------- walking


def places(node: Syntax, path: Path = ()) -> Iterator[tuple[Path, Syntax]]:
    """Every node with the way that leads to it, parents first."""
    waiting = [(path, node)]
    while waiting:
        way, part = waiting.pop()
        yield way, part
        waiting.extend(((*way, n), child) for n, child in reversed(list(enumerate(part.children))))


def parts(node: Syntax) -> Iterator[tuple[Path, Syntax]]:
    """Every node that another kind of node can stand for: not what a derivative is of, or by."""
    return ((path, n) for path, n in places(node) if not path or not isinstance(get(node, path[:-1]), Slope))


def get(node: Syntax, path: Path) -> Syntax:
    """The node at a place."""
    for number in path:
        node = node.children[number]
    return node


def put(node: Syntax, path: Path, new: Syntax) -> Syntax:
    """The tree with another node at a place; what is not on the way stays the same object."""
    if not path:
        return new
    number, *rest = path
    children = list(node.children)
    children[number] = put(children[number], tuple(rest), new)
    return node.rebuild(tuple(children))


def differing(old: Syntax, new: Syntax) -> tuple[Syntax, Syntax]:
    """The smallest parts in which two trees differ, the one of the first and the one of the second."""
    pairs = list(zip(old.children, new.children, strict=False))
    if type(old) is not type(new) or len(old.children) != len(new.children) or not pairs:
        return old, new
    different = [(one, other) for one, other in pairs if one != other]
    if len(different) != 1 or old.rebuild(new.children) != new:
        return old, new
    return differing(*different[0])


def indices(node: Syntax) -> Iterator[Index]:
    """The steps that the node itself is told by, not those below it."""
    match node:
        case Value(index=index) | Delta(index=index) | Given(index=index) | StepNumber(index=index):
            yield index
        case Loss(index=Index() as index) | Weight(index=Index() as index):
            yield index
        case Over(first=first, last=last):
            yield from (bound for bound in (first, last) if bound is not None)
        case _:
            return


def stepped(node: Syntax, change: Callable[[Index], Index]) -> Syntax:
    """The tree with every step changed, but for the letters of sums."""

    def changed(n: Syntax) -> Syntax:
        match n:
            case Value() | Delta() | Given() | StepNumber():
                return replace(n, index=change(n.index))
            case Loss(index=Index() as index) | Weight(index=Index() as index):
                return replace(n, index=change(index))
            case Over(first=Index() as first, last=Index() as last):
                return replace(n, first=change(first), last=change(last))
            case _:
                return n

    return transform(node, changed)


# ----------------------------------------------------------------------------- building


def negative(node: Syntax) -> Syntax:
    """−node, without two signs in a row."""
    if isinstance(node, Sum):
        return Sum(tuple((-sign, term) for sign, term in node.terms))
    return Sum(((-1, node),))


def added(*nodes: Syntax) -> Syntax:
    """The sum; sums among the terms are taken apart. Without any it is 0."""
    if not nodes:
        return Num(sympy.Integer(0))
    terms: list[tuple[int, Syntax]] = []
    for node in nodes:
        terms.extend(node.terms if isinstance(node, Sum) else ((1, node),))
    return terms[0][1] if len(terms) == 1 and terms[0][0] > 0 else Sum(tuple(terms))


def product(sign: str, nodes: Iterable[Syntax]) -> Syntax:
    """The product; products with the same sign are taken apart."""
    flat: list[Syntax] = []
    for node in nodes:
        inner = isinstance(node, Factors) and all(op == sign for op, _ in node.rest)
        flat.extend(node.children if inner else (node,))
    first, *others = flat
    return Factors(first, tuple((sign, other) for other in others)) if others else first
