"""Expressions of `derive.terms.algebra` as written mathematics: vectors at a step, products, reductions."""

from __future__ import annotations

from collections.abc import Sequence

import sympy

from chalkgrad.derive.terms.algebra import (
    Expr,
    Map,
    MatVec,
    Others,
    OthersPull,
    Outer,
    Parameter,
    Reduce,
    StepLike,
    Symbol,
    exact,
)
from chalkgrad.derive.terms.softmax import softmax_argument
from chalkgrad.derive.terms.trees import folded, walk
from chalkgrad.derive.writing.scalar import body_piece
from chalkgrad.derive.writing.tree import (
    EQUALS,
    Big,
    Call,
    Fence,
    Frac,
    Ident,
    Level,
    Name,
    Node,
    Number,
    Op,
    Par,
    Piece,
    Size,
    Sub,
    Transposed,
    row,
)

t = sympy.Symbol("t", integer=True, positive=True)
_INDICES = "ijkmpqrs"


def expr_node(expr: Expr, step: StepLike = t) -> Node:
    """The expression as it stands at `step`: lag 0 is written as `step`, lag −1 as `step` − 1."""
    return expr_piece(expr, step).node


def symbol_node(symbol: Symbol, step: StepLike = t) -> Name:
    return Name(symbol.name, exact(step) + symbol.lag, symbol.role)


def expr_piece(expr: Expr, step: StepLike = t) -> Piece:
    """The expression with how tightly it binds. Raises TypeError for a node it does not know."""
    return _Writing(step).piece(expr)


class _Writing:
    """Expressions at one step; what several places share is written once."""

    def __init__(self, step: StepLike) -> None:
        self._step = step
        self._written: dict[Expr, Piece] = {}

    def piece(self, expr: Expr) -> Piece:
        if expr not in self._written:
            self._written[expr] = self._piece(expr)
        return self._written[expr]

    def _piece(self, expr: Expr) -> Piece:
        vector = len(expr.shape) == 1
        match expr:
            case Symbol():
                return Piece(symbol_node(expr, self._step), vector=vector)
            case Parameter(name=name):
                return Piece(Par(name), vector=vector)
            case MatVec(matrix=matrix, vector=operand, transposed=transposed):
                left: Node = Par(matrix.name)
                left = Transposed(left) if transposed else left
                return Piece(row(left, self.piece(operand).at(Level.MATVEC)), Level.MATVEC, True)
            case Map() if (logits := softmax_argument(expr)) is not None:
                return Piece(Call("softmax", self.piece(logits).node), vector=True)
            case Map(body=body, args=args):
                inner = body_piece(body, [self.piece(operand) for operand in args])
                return Piece(inner.node, inner.level, inner.vector or vector)
            case Outer(left=left_side, right=right_side):
                column = self.piece(left_side)
                before = column.node if column.level >= Level.MATVEC else Fence(column.node, "[]")
                return Piece(row(before, Transposed(self.piece(right_side).node)), Level.PRODUCT)
            case Reduce() | Others() | OthersPull():
                return _indexed(expr, [self.piece(child).node for child in expr.children])
            case _:
                raise TypeError(f"no way to write {type(expr).__name__}")


def _indexed(expr: Reduce | Others | OthersPull, parts: Sequence[Node]) -> Piece:
    """What runs over components, with index letters that the expression does not use."""
    i, k, m = (Ident(letter) for letter in _free_indices(expr))

    def component(part: Node, index: Node) -> Node:
        return Sub(Fence(part), index)

    def over(index: Node, size: str, body: Node) -> Node:
        return Big("Σ", row(index, EQUALS, Number("1")), Size(size), body)

    def others(index: Node, other: Node, body: Node) -> Node:
        return Big("Σ", row(index, Op("≠"), other), None, body)

    match expr:
        case Reduce(kind="sum", vector=v):
            return Piece(over(i, v.shape[0], component(parts[0], i)), Level.PRODUCT)
        case Reduce(kind="max"):
            return Piece(Big("max", i, None, component(parts[0], i)), Level.PRODUCT)
        case Reduce(kind="logsumexp", vector=v):
            inside = over(i, v.shape[0], Call("exp", component(parts[0], i), bare=True))
            return Piece(Call("log", inside, bare=True), Level.PRODUCT)
        case Others():
            inside = Call("log", others(k, i, Call("exp", component(parts[0], k), bare=True)), bare=True)
            return Piece(Sub(Fence(inside, "[]"), i), vector=True)
        case OthersPull():
            weight, total = component(parts[1], k), component(parts[1], m)
            below = others(m, i, Call("exp", total, bare=True))
            share = Frac(Call("exp", weight, bare=True), below)
            inside = others(i, k, row(component(parts[0], i), share))
            return Piece(Sub(Fence(inside, "[]"), k), vector=True)
        case _:
            raise TypeError(f"no way to write {type(expr).__name__}")


def _free_indices(expr: Expr) -> list[str]:
    """Three index letters that are neither a name in the expression nor an index inside it."""
    inside = {n for child in expr.children for n in walk(child)}
    names = {n.name for n in inside if isinstance(n, (Symbol, Parameter))}
    deep = sum(folded(child, _reductions) for child in expr.children)
    free = [c for c in _INDICES if c not in names]
    free = free[3 * deep :] if deep and len(free) >= 3 * (deep + 1) else free
    return [*free, "i'", "k'", "m'"][:3]


def _reductions(node: Expr, below: tuple[int, ...]) -> int:
    """How many of them are written."""
    return isinstance(node, (Reduce, Others, OthersPull)) + sum(below)
