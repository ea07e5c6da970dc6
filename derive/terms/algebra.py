"""Expressions over named, time-indexed vectors: what every equation of a derivation is made of.

A node knows its symbolic shape, a tuple of size names: `()` is a scalar, `("n_a",)` a vector,
`("n_a", "n_x")` a matrix. Shapes are checked when a node is built. Only matrices are parameters.

An expression is a DAG: a part that it has twice is walked once, whether it is one node or two that are equal.
Elementwise work is one node, `Map`, whose body is a SymPy expression in the placeholders `arg(0)`,
`arg(1)`, …; a scalar argument spreads over a vector one. Nothing here differentiates and nothing
here knows about batches: an expression speaks of one example at one step t.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache
from typing import TypeAlias

import sympy

from chalkgrad.derive.errors import ShapeError
from chalkgrad.derive.showing import Shown
from chalkgrad.derive.terms.trees import Tree, transform, walk

Shape = tuple[str, ...]
StepLike: TypeAlias = "sympy.Expr | int"  # a step t: a number, or an expression in T and index symbols


class Role(Enum):
    """What a time-indexed symbol stands for."""

    VALUE = "value"  # v[t], a value of the forward pass, an input or a target
    COTANGENT = "cotangent"  # delta_v[t] = dL/dv[t], the total derivative
    EXTERNAL = "external"  # a cotangent of v[t] that the caller brings (vector-Jacobian product)


class Expr(Tree["Expr"], Shown):
    """Base of all nodes."""

    shape: Shape


@dataclass(frozen=True, eq=False, repr=False)
class Symbol(Expr):
    """The value `name` at step t + lag."""

    name: str
    shape: Shape
    lag: int = 0
    role: Role = Role.VALUE


@dataclass(frozen=True, eq=False, repr=False)
class Parameter(Expr):
    """A trained quantity, the same at every step."""

    name: str
    shape: Shape


@dataclass(frozen=True, eq=False, repr=False)
class MatVec(Expr):
    """W v, or Wᵀ v when `transposed`."""

    matrix: Parameter
    vector: Expr
    transposed: bool = False

    def __post_init__(self) -> None:
        if len(self.matrix.shape) != 2:
            raise ShapeError(f"{self.matrix.name}: expected a matrix, found {spell(self.matrix.shape)}")
        inner = self.matrix.shape[0 if self.transposed else 1]
        if self.vector.shape != (inner,):
            name = f"{self.matrix.name}{'.T' if self.transposed else ''}"
            raise ShapeError(
                f"{name} @ …: expected a vector {spell((inner,))}, found {spell(self.vector.shape)}"
            )

    @property
    def shape(self) -> Shape:  # type: ignore[override]
        return (self.matrix.shape[1 if self.transposed else 0],)

    @property
    def children(self) -> tuple[Expr, ...]:
        return (self.vector,)

    def rebuild(self, children: tuple[Expr, ...]) -> Expr:
        return replace(self, vector=children[0])


@dataclass(frozen=True, eq=False, repr=False)
class Map(Expr):
    """`body` applied to each component; `body` is SymPy in arg(0), arg(1), … and size symbols.

    Build it with `elementwise`, which checks shapes and keeps one placeholder per distinct argument.
    """

    body: sympy.Expr
    args: tuple[Expr, ...]
    shape: Shape

    @property
    def children(self) -> tuple[Expr, ...]:
        return self.args

    def rebuild(self, children: tuple[Expr, ...]) -> Expr:
        return elementwise(self.body, children, self.shape)


REDUCTIONS = ("sum", "max", "logsumexp")


@dataclass(frozen=True, eq=False, repr=False)
class Reduce(Expr):
    """A vector to a scalar: Σᵢ vᵢ, maxᵢ vᵢ or log Σᵢ exp vᵢ (of a vector whose maximum is 0)."""

    kind: str
    vector: Expr
    shape: Shape = ()

    def __post_init__(self) -> None:
        if self.kind not in REDUCTIONS:
            raise ValueError(f"kind: expected one of {REDUCTIONS}, received {self.kind!r}")
        if len(self.vector.shape) != 1:
            raise ShapeError(f"{self.kind}(…): expected a vector, found {spell(self.vector.shape)}")

    @property
    def children(self) -> tuple[Expr, ...]:
        return (self.vector,)

    def rebuild(self, children: tuple[Expr, ...]) -> Expr:
        return replace(self, vector=children[0])


@dataclass(frozen=True, eq=False, repr=False)
class Others(Expr):
    """ωᵢ = log Σ_{k≠i} exp vₖ: for each component, what the other ones weigh."""

    vector: Expr

    def __post_init__(self) -> None:
        if len(self.vector.shape) != 1:
            raise ShapeError(f"others(…): expected a vector, found {spell(self.vector.shape)}")

    @property
    def shape(self) -> Shape:  # type: ignore[override]
        return self.vector.shape

    @property
    def children(self) -> tuple[Expr, ...]:
        return (self.vector,)

    def rebuild(self, children: tuple[Expr, ...]) -> Expr:
        return Others(children[0])


@dataclass(frozen=True, eq=False, repr=False)
class OthersPull(Expr):
    """v̄ⱼ = Σ_{i≠j} ω̄ᵢ exp(vⱼ − ωᵢ): the pull-back of `Others` at `vector`, for a cotangent ω̄."""

    cotangent: Expr
    vector: Expr

    def __post_init__(self) -> None:
        if self.cotangent.shape != self.vector.shape or len(self.vector.shape) != 1:
            raise ShapeError(
                f"others: expected a cotangent {spell(self.vector.shape)}, "
                f"found {spell(self.cotangent.shape)}"
            )

    @property
    def shape(self) -> Shape:  # type: ignore[override]
        return self.vector.shape

    @property
    def children(self) -> tuple[Expr, ...]:
        return (self.cotangent, self.vector)

    def rebuild(self, children: tuple[Expr, ...]) -> Expr:
        return OthersPull(*children)


@dataclass(frozen=True, eq=False, repr=False)
class Outer(Expr):
    """u vᵀ, (n, m) from vectors (n) and (m): how a gradient gets the shape of its matrix."""

    left: Expr
    right: Expr

    def __post_init__(self) -> None:
        for side in (self.left, self.right):
            if len(side.shape) != 1:
                raise ShapeError(f"outer product: expected a vector, found {spell(side.shape)}")

    @property
    def shape(self) -> Shape:  # type: ignore[override]
        return self.left.shape + self.right.shape

    @property
    def children(self) -> tuple[Expr, ...]:
        return (self.left, self.right)

    def rebuild(self, children: tuple[Expr, ...]) -> Expr:
        return Outer(*children)


# ----------------------------------------------------------------------------- building


@cache
def arg(index: int) -> sympy.Symbol:
    """The placeholder of a Map's argument `index`. No identifier can be spelled like it."""
    return sympy.Symbol(f"${index}")


def arg_index(symbol: sympy.Symbol) -> int | None:
    """The argument that a placeholder stands for; None for a size."""
    return int(symbol.name[1:]) if symbol.name.startswith("$") else None


@cache
def size_symbol(name: str) -> sympy.Symbol:
    """The SymPy symbol of a size, for bodies that need one (the mean of a vector)."""
    return sympy.Symbol(name, integer=True, positive=True)


def exact(value: sympy.Expr | int) -> sympy.Expr:
    """A SymPy expression as it is, a whole number as SymPy's."""
    return value if isinstance(value, sympy.Basic) else sympy.Integer(value)


def spell(shape: Shape) -> str:
    """A shape as an error message shows it."""
    return "a scalar" if not shape else f"({', '.join(shape)})"


def common_shape(args: tuple[Expr, ...]) -> Shape:
    """The shape of elementwise work on `args`: scalars spread over the one vector shape there is."""
    shape: Shape = ()
    for node in args:
        if len(node.shape) > 1:
            raise ShapeError(f"elementwise: expected vectors or scalars, found {spell(node.shape)}")
        if node.shape and shape and node.shape != shape:
            raise ShapeError(f"elementwise: expected {spell(shape)}, found {spell(node.shape)}")
        shape = shape or node.shape
    return shape


def elementwise(
    body: sympy.Expr | Callable[..., sympy.Expr], args: tuple[Expr, ...], shape: Shape | None = None
) -> Expr:
    """A Map over `args`, in normal form: equal arguments share a placeholder, constants join the body,
    and what the body does not read is gone.

    A body that is one of its arguments is that argument, unless it has to spread over `shape`.
    """
    natural = common_shape(args)
    if shape is not None and natural not in ((), shape):
        raise ShapeError(f"elementwise: expected {spell(shape)}, found {spell(natural)}")
    shape = natural if shape is None else shape
    if isinstance(body, sympy.Lambda) or (callable(body) and not isinstance(body, sympy.Basic)):
        body = body(*(arg(i) for i in range(len(args))))
    numbers = {arg(i): a.body for i, a in enumerate(args) if isinstance(a, Map) and not a.args}
    body = exact(body).xreplace(numbers)
    read = {s.name for s in body.free_symbols}
    kept = list(dict.fromkeys(a for i, a in enumerate(args) if arg(i).name in read))
    place = {a: arg(i) for i, a in enumerate(kept)}
    body = body.xreplace({arg(i): place[a] for i, a in enumerate(args) if a in place})
    if len(body.free_symbols & {arg(i) for i in range(len(kept))}) < len(kept):
        return elementwise(body, tuple(kept), shape)  # equal arguments cancelled: v - v
    if body == arg(0) and kept and kept[0].shape == shape:
        return kept[0]
    return Map(body, tuple(kept), shape)


def constant(value: sympy.Expr | int, shape: Shape = ()) -> Map:
    """The same number in every component."""
    return Map(exact(value), (), shape)


def total(vector: Expr) -> Expr:
    """Σᵢ vᵢ; a constant counts its components."""
    if isinstance(vector, Map) and not vector.args:
        return constant(vector.body * size_symbol(vector.shape[0]))
    return Reduce("sum", vector)


def is_zero(node: Expr) -> bool:
    return isinstance(node, Map) and node.body == 0


# ----------------------------------------------------------------------------- reading


def shifted(node: Expr, steps: int) -> Expr:
    """The same expression read `steps` later."""
    return transform(node, lambda n: replace(n, lag=n.lag + steps) if isinstance(n, Symbol) else n)


def symbols(node: Expr) -> Iterator[Symbol]:
    return (n for n in walk(node) if isinstance(n, Symbol))


def parameters(node: Expr) -> Iterator[Parameter]:
    for n in walk(node):
        match n:
            case Parameter():
                yield n
            case MatVec(matrix=matrix):
                yield matrix
            case _:
                pass
