"""The SymPy bodies of elementwise maps as written mathematics, in our order of terms (`derive.terms.order`).

Nothing here knows about vectors' names or time; `derive.writing.expressions` writes the arguments first
and hands them over.
"""

from __future__ import annotations

from collections.abc import Sequence

import sympy

from chalkgrad.derive.terms.algebra import arg_index
from chalkgrad.derive.terms.functions import function_of
from chalkgrad.derive.terms.order import factors, signed_terms
from chalkgrad.derive.writing.tree import (
    AST,
    MINUS,
    Call,
    Cases,
    Fence,
    Frac,
    Ident,
    Level,
    Node,
    Number,
    Op,
    Piece,
    Root,
    Size,
    Sub,
    Sup,
    joined,
    listed,
    row,
)

_RELATIONS: dict[type[sympy.Basic], str] = {
    sympy.Eq: "=",
    sympy.Ne: "≠",
    sympy.Lt: "<",
    sympy.Le: "≤",
    sympy.Gt: ">",
    sympy.Ge: "≥",
}
_CONSTANTS = {"E": "e", "Exp1": "e"}
_PLAIN_FROM, _PLAIN_TO = -3, 6  # decimal exponents that are written out


def body_piece(body: sympy.Basic, args: Sequence[Piece]) -> Piece:
    """The body with its placeholders replaced by `args`. Raises TypeError for what it cannot write."""
    match body:
        case sympy.Symbol():
            index = arg_index(body)
            return Piece(Size(body.name)) if index is None else args[index]
        case sympy.Rational():
            return _signed_number(body)
        case sympy.NumberSymbol():
            return Piece(Ident(_CONSTANTS.get(str(body), str(body).lower())))
        case sympy.Add():
            return _sum(body, args)
        case sympy.Mul():
            return _product(body, args)
        case sympy.Piecewise():
            return _cases(body, args)
        case sympy.Pow() if not isinstance(body, sympy.exp):
            return _power(body, args)
        case sympy.Function():
            return _call(body, args)
        case _:
            raise TypeError(f"no way to write {type(body).__name__}")


def _call(body: sympy.Function, args: Sequence[Piece]) -> Piece:
    function = function_of(body)
    name = type(body).__name__ if function is None else function.written
    inside = [body_piece(argument, args) for argument in body.args]
    return Piece(Call(name, listed(piece.node for piece in inside)), vector=any(p.vector for p in inside))


def _sum(body: sympy.Add, args: Sequence[Piece]) -> Piece:
    terms = [(sign, body_piece(term, args)) for sign, term in signed_terms(body)]
    pieces = [row(MINUS, piece.at(Level.PRODUCT)) if sign < 0 else piece.node for sign, piece in terms]
    return Piece(joined(pieces), Level.SUM, any(piece.vector for _, piece in terms))


def _product(body: sympy.Expr, args: Sequence[Piece]) -> Piece:
    """A sign, a number, the factors, and under a bar what divides."""
    coefficient, above, below = factors(body)
    minus, size = ([MINUS], -coefficient) if coefficient < 0 else ([], coefficient)
    above = sorted(above, key=lambda factor: isinstance(factor, sympy.Function))  # y log ŷ, not log ŷ y
    over = product_piece([body_piece(factor, args) for factor in above])
    under = product_piece([body_piece(factor, args) for factor in below])
    level = Level.SUM if minus else Level.PRODUCT
    if under is not None:
        top, bottom = _scaled(sympy.Integer(size.p), over), _scaled(sympy.Integer(size.q), under)
        fraction = Frac(top.node, bottom.node)
        return Piece(row(*minus, fraction), Level.SUM if minus else Level.ATOM, bottom.vector or top.vector)
    inner = _scaled(size, over)
    return Piece(row(*minus, inner.at(Level.PRODUCT)), min(level, inner.level), inner.vector)


def _scaled(size: sympy.Rational, over: Piece | None) -> Piece:
    if over is None:
        return Piece(number_node(size))
    if size == 1:
        return over
    level = Level.MATVEC if over.level is Level.MATVEC else Level.PRODUCT
    return Piece(row(number_node(size), over.at(Level.PRODUCT), thin=True), level, over.vector)


def product_piece(pieces: Sequence[Piece]) -> Piece | None:
    """Vectors multiply componentwise, with ∗; a scalar stands in front without a sign."""
    if len(pieces) < 2:
        return pieces[0] if pieces else None
    scalars = [piece.at(Level.ATOM) for piece in pieces if not piece.vector]
    vectors = [piece for piece in pieces if piece.vector]
    if len(vectors) == 1:
        level = Level.MATVEC if vectors[0].level is Level.MATVEC else Level.PRODUCT
        return Piece(row(*scalars, vectors[0].at(Level.PRODUCT), thin=True), level, True)
    if not vectors:
        return Piece(row(*scalars, thin=True), Level.PRODUCT)
    starred: list[Node] = []
    for piece in vectors:
        starred += [AST, _beside_ast(piece)] if starred else [_beside_ast(piece)]
    return Piece(row(*scalars, row(*starred), thin=True), Level.PRODUCT, True)


def _beside_ast(piece: Piece) -> Node:
    """∗ is associative; W v ∗ u could be read as W (v ∗ u)."""
    return piece.node if piece.level is Level.PRODUCT else piece.at(Level.ATOM)


def _power(body: sympy.Pow, args: Sequence[Piece]) -> Piece:
    base, exponent = body.args
    if exponent.is_Rational and exponent.is_negative:
        return _product(body, args)
    inside = body_piece(base, args)
    if exponent == sympy.Rational(1, 2):
        return Piece(Root(inside.node), vector=inside.vector)
    return Piece(Sup(fenced_base(inside.node), body_piece(exponent, args).node), vector=inside.vector)


def fenced_base(node: Node) -> Node:
    """What an exponent is put to: a letter as it is, anything else in parentheses."""
    bare = isinstance(node, (Ident, Number, Size)) or (
        isinstance(node, Fence) or (isinstance(node, Sub) and isinstance(node.base, Ident))
    )
    return node if bare else Fence(node, sized=False)


def _cases(body: sympy.Piecewise, args: Sequence[Piece]) -> Piece:
    """A step from 0 to 1 as an indicator, anything else as cases."""
    pairs = [(value, condition) for value, condition in body.args]
    if [value for value, _ in pairs] == [0, 1] and pairs[1][1] == sympy.true:
        inside = condition_piece(sympy.Not(pairs[0][1]), args)
        return Piece(row(Ident("1", "bold"), Fence(inside.node, "[]")), vector=inside.vector)
    branches: list[tuple[Node, Node | None]] = []
    vector = False
    for value, condition in pairs:
        shown = body_piece(value, args)
        when = None if condition == sympy.true else condition_piece(condition, args)
        branches.append((shown.node, None if when is None else when.node))
        vector = vector or shown.vector or (when is not None and when.vector)
    return Piece(Cases(tuple(branches)), Level.SUM, vector)


def condition_piece(condition: sympy.Basic, args: Sequence[Piece]) -> Piece:
    """A comparison of two bodies."""
    sign = _RELATIONS.get(type(condition))
    if sign is None:
        raise TypeError(f"no way to write {type(condition).__name__}")
    left, right = (body_piece(side, args) for side in condition.args)
    return Piece(row(left.node, Op(sign), right.node), Level.SUM, left.vector or right.vector)


# ----------------------------------------------------------------------------- numbers


def _signed_number(value: sympy.Rational) -> Piece:
    if value < 0:
        return Piece(row(MINUS, number_node(-value)), Level.SUM)
    return Piece(number_node(value))


def number_node(value: sympy.Rational) -> Node:
    """A non-negative rational: a decimal if it terminates (0.01, 10^-7), else a fraction; ½ is one too."""
    p, q = int(value.p), int(value.q)
    places = _decimal_places(q)
    if places is None or (p, q) == (1, 2):
        return Frac(Number(str(p)), Number(str(q)))
    scaled = p * 10**places // q
    digits = str(scaled).rstrip("0") or "0"
    exponent = len(str(scaled)) - 1 - places
    if digits == "0" or _PLAIN_FROM <= exponent <= _PLAIN_TO:
        return Number(_plain_decimal(scaled, places))
    if digits == "1":
        return Number("", exponent)
    return Number(f"{digits[0]}.{digits[1:]}" if digits[1:] else digits[0], exponent)


def _plain_decimal(scaled: int, places: int) -> str:
    text = str(scaled).rjust(places + 1, "0")
    return f"{text[:-places]}.{text[-places:]}" if places else text


def _decimal_places(denominator: int) -> int | None:
    """The decimals of a fraction with that denominator; None where they never end."""
    counts = []
    for prime in (2, 5):
        count = 0
        while denominator % prime == 0:
            denominator, count = denominator // prime, count + 1
        counts.append(count)
    return max(counts) if denominator == 1 else None
