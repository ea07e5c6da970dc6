"""Claimed formulas as written mathematics, for LaTeX and for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from chalkgrad.derive.checking.reading.scope import EXAMPLES, Scope
from chalkgrad.derive.checking.reading.tree import (
    Count,
    Delta,
    Diag,
    Factors,
    FunctionCall,
    Given,
    Index,
    Loss,
    Num,
    Over,
    Power,
    Slope,
    StepNumber,
    Sum,
    Syntax,
    Total,
    Turned,
    Value,
    Weight,
    letter,
)
from chalkgrad.derive.terms.algebra import Role
from chalkgrad.derive.writing.expressions import expr_piece
from chalkgrad.derive.writing.scalar import fenced_base, number_node
from chalkgrad.derive.writing.tree import (
    AST,
    EQUALS,
    MINUS,
    Big,
    Call,
    Derivative,
    Frac,
    Ident,
    Level,
    Name,
    Node,
    Objective,
    Op,
    Par,
    Piece,
    Size,
    Sup,
    Transposed,
    When,
    joined,
    listed,
    row,
)

_UNDER_BAR = (Num, Count, StepNumber)


def written(node: Syntax, scope: Scope) -> Node:
    """The tree in writing. Raises TypeError for a node it does not know."""
    return _piece(node, scope).node


def _piece(node: Syntax, scope: Scope) -> Piece:
    def piece(inner: Syntax) -> Piece:
        return _piece(inner, scope)

    match node:
        case Num(value=value):
            return Piece(number_node(value))
        case Count(name=name):
            return Piece(Ident(name) if name in EXAMPLES else Size(name))
        case StepNumber(index=index):
            level = Level.SUM if index.number and index.letters else Level.ATOM
            return Piece(When(index.sympy), level)
        case Value() | Weight() | Loss() | Delta():
            return Piece(_named(node, scope), vector=not isinstance(node, Loss))
        case Slope(of=of, by=by, immediate=immediate):
            return Piece(Derivative(_named(of, scope), _named(by, scope), immediate), vector=True)
        case Given(expr=expr, index=index):
            return expr_piece(expr, index.sympy)
        case Sum(terms=terms):
            return Piece(_sum([(sign, piece(term)) for sign, term in terms]), Level.SUM, True)
        case Factors(first=first, rest=rest):
            return _factors(first, rest, scope)
        case Power(inner=inner, exponent=exponent):
            return Piece(Sup(fenced_base(piece(inner).node), number_node(exponent)), vector=True)
        case Turned(inner=inner):
            return Piece(Transposed(piece(inner).at(Level.ATOM)), vector=True)
        case Diag(inner=inner):
            return Piece(Call("diag", piece(inner).node), vector=True)
        case Total(inner=inner, mean=mean):
            return Piece(Call("mean" if mean else "sum", piece(inner).node))
        case FunctionCall(primes=primes):
            arguments = listed(piece(argument).node for argument in node.children)
            return Piece(Call(_function(node, scope), arguments, primes=primes), vector=True)
        case Over(inner=inner, index=index, first=first, last=last, product=product):
            below: Node = When(letter(index))
            if first is not None:
                below = row(below, EQUALS, When(first.sympy))
            above = None if last is None else When(last.sympy)
            body = piece(inner).at(Level.PRODUCT)
            return Piece(Big("Π" if product else "Σ", below, above, body), Level.PRODUCT, True)
        case _:
            raise TypeError(f"no way to write {type(node).__name__}")


def _named(node: Syntax, scope: Scope) -> Node:
    match node:
        case Value(name=name, index=index):
            return Name(name, index.sympy)
        case Delta(name=name, index=index):
            return Name(name, index.sympy, Role.COTANGENT)
        case Weight(name=name):
            return Par(name)
        case Loss(index=index):
            return Objective(scope.objective, index.sympy if isinstance(index, Index) else None)
        case _:
            raise TypeError(f"{type(node).__name__} names nothing")


def _function(call: FunctionCall, scope: Scope) -> str:
    """As the formula has it: g where the model has a g."""
    name = call.name or call.function
    return name if name in scope.derivation.model.functions else call.function


def _sum(terms: Sequence[tuple[int, Piece]]) -> Node:
    nodes = [row(MINUS, p.at(Level.PRODUCT)) if sign < 0 else p.at(Level.PRODUCT) for sign, p in terms]
    return joined(nodes)


def _factors(first: Syntax, rest: Sequence[tuple[str, Syntax]], scope: Scope) -> Piece:
    """What a number divides stands before a fraction; * between vectors, @ without a sign."""
    if rest[0][0] == "/":
        above, below = _piece(first, scope), _piece(rest[0][1], scope)
        quotient = Piece(Frac(above.node, below.node), vector=above.vector or below.vector)
        return quotient if len(rest) == 1 else _beside(quotient, first, rest[1:], scope)
    return _beside(_piece(first, scope), first, rest, scope)


def _beside(start: Piece, first: Syntax, rest: Sequence[tuple[str, Syntax]], scope: Scope) -> Piece:
    items: list[Node] = []
    before: Syntax = first
    only_matrices = all(sign in "@·" for sign, _ in rest)
    level = Level.MATVEC if only_matrices else Level.PRODUCT
    for number, (sign, factor) in enumerate((("", first), *rest)):
        last = number == len(rest)
        piece = _piece(factor, scope) if number else start
        open_ended = isinstance(factor, Over) and last
        node = piece.node if open_ended else piece.at(Level.ATOM)
        plain = isinstance(before, _UNDER_BAR) or (
            isinstance(before, Factors) and not _piece(before, scope).vector
        )
        if number and sign == "*" and not plain:
            items.append(AST)
        elif number and sign == "/":
            items.append(Op("/"))
        items.append(node)
        before = factor
    return Piece(row(*items), level, True)
