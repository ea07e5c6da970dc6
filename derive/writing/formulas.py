"""Formulas of `derive.claims.formula` as written mathematics."""

from __future__ import annotations

from collections.abc import Sequence

import sympy

from chalkgrad.derive.claims.formula import (
    Applied,
    Back,
    Blocks,
    Change,
    Constant,
    Diagonal,
    Formula,
    Gradient,
    Laid,
    Local,
    Loss,
    Lost,
    Modelled,
    Of,
    OverTime,
    Partial,
    Plus,
    Product,
    Times,
    Turned,
    Values,
    Weights,
)
from chalkgrad.derive.terms.algebra import Role
from chalkgrad.derive.writing.expressions import expr_piece
from chalkgrad.derive.writing.scalar import body_piece, number_node, product_piece
from chalkgrad.derive.writing.tree import (
    EQUALS,
    MINUS,
    Big,
    Call,
    Derivative,
    Fence,
    Ident,
    Level,
    Matrix,
    Name,
    Node,
    Objective,
    Op,
    Par,
    Piece,
    Transposed,
    When,
    is_sum,
    joined,
    row,
)

_WRITTEN_OUT = 4  # as many steps back are written one by one


def formula_node(formula: Formula, objective: str = "L") -> Node:
    """The formula in writing; objective: the name of what is differentiated. Raises TypeError."""
    return formula_piece(formula, objective).node


def formula_piece(formula: Formula, objective: str = "L") -> Piece:
    """The formula with how tightly it binds; `vector` says that it is more than a scalar."""

    def piece(inner: Formula) -> Piece:
        return formula_piece(inner, objective)

    match formula:
        case Of(expr=expr, step=step):
            return expr_piece(expr, step)
        case Modelled(name=name, step=step):
            return Piece(Name(name, step), vector=True)
        case Lost(step=step):
            return Piece(Objective(objective, step))
        case Partial(of=of, by=by, immediate=immediate):
            derivative = Derivative(moving_node(of, objective), moving_node(by, objective), immediate)
            return Piece(derivative, vector=True)
        case Back(start=start, end=end):
            few = start - end <= _WRITTEN_OUT
            shown = formula.factors(_WRITTEN_OUT) if few else (*formula.factors(1), formula.last)
            nodes = [piece(factor).node for factor in shown]
            return Piece(row(*nodes) if few else row(nodes[0], Op("⋯"), nodes[1]), vector=True)
        case Local(of=of, of_step=of_step, by=by, by_step=by_step):
            above = Objective(of, of_step) if of == objective else Name(of, of_step)
            below = Par(by) if by_step is None else Name(by, by_step)
            return Piece(Derivative(above, below, True), vector=True)
        case Gradient(name=name, step=step):
            return Piece(Derivative(Objective(objective, step), Par(name)), vector=True)
        case Laid(of=of_):
            return piece(of_)
        case Change(name=name):
            return Piece(Par(name, moved=True), vector=True)
        case Constant():
            return _constant(formula)
        case Plus(terms=terms):
            pieces = [piece(term) for term in terms]
            return Piece(joined([p.node for p in pieces]), Level.SUM, any(p.vector for p in pieces))
        case Times(factors=factors):
            return product_piece([piece(f) for f in factors]) or Piece(Ident("1", "upright"))
        case Product(factors=factors):
            return _product(factors, objective)
        case Turned(of=of_):
            inner = piece(of_)
            return Piece(Transposed(inner.at(Level.ATOM)), vector=inner.vector)
        case Diagonal(of=of_):
            inner = piece(of_)
            return Piece(Call("diag", inner.node), vector=True) if inner.vector else inner
        case Applied(body=body, args=args):
            return body_piece(body, [piece(a) for a in args])
        case Blocks(rows=rows):
            return Piece(Matrix(tuple(tuple(piece(b).node for b in line) for line in rows)), vector=True)
        case OverTime(index=index, first=first, last=last, body=body):
            inner = piece(body)
            added = Fence(inner.node) if is_sum(inner.node) else inner.node
            start_row = row(When(index), EQUALS, When(first))
            return Piece(Big("Σ", start_row, When(last), added), Level.PRODUCT, inner.vector)
        case _:
            raise TypeError(f"no way to write {type(formula).__name__}")


def moving_node(what: Loss | Values | Weights, objective: str = "L") -> Node:
    """What is differentiated, or by what."""
    match what:
        case Loss(step=step):
            return Objective(objective, step)
        case Weights(name=name):
            return Par(name)
        case Values(names=(name,), step=step):
            return Name(name, step)
        case Values(letter=letter, step=step):
            return Name(letter, step, Role.VALUE)
        case _:
            raise TypeError(f"no way to write {type(what).__name__}")


def _constant(constant: Constant) -> Piece:
    number, unit, shape = constant.number, constant.unit, constant.shape
    if unit and number == 1:
        return Piece(Ident("I"), vector=True)
    if shape and number == 1:
        return Piece(Ident("1", "bold"), vector=True)
    if number.is_negative:
        return Piece(row(MINUS, number_node(-number)), Level.SUM)
    return Piece(number_node(number))


def _product(factors: Sequence[Formula], objective: str) -> Piece:
    """Numbers and scalars in front with thin spaces, matrices side by side."""
    number = sympy.Integer(1)
    front: list[Node] = []
    matrices: list[Piece] = []
    for factor in factors:
        piece = formula_piece(factor, objective)
        if isinstance(factor, Constant) and not factor.shape:
            number *= factor.number
        elif isinstance(factor, Of) and not factor.expr.shape:
            front.append(piece.at(Level.ATOM))
        else:
            matrices.append(piece)
    signs = [MINUS] if number < 0 else []
    front = [*([] if abs(number) == 1 else [number_node(abs(number))]), *front]
    body = [p.at(Level.MATVEC) if p is matrices[-1] else p.at(Level.ATOM) for p in matrices]
    if len(body) == 1 and not front and not signs:
        return matrices[0]
    inner = row(*front, row(*body), thin=True) if front and body else row(*(front or body))
    if not front and not body:
        inner = Ident("1", "upright")
    return Piece(row(*signs, inner), Level.SUM if signs else Level.MATVEC, bool(matrices))
