"""What the derivation says, as trees of the grammar: equations to print, and terms to put into a formula."""

from __future__ import annotations

from collections.abc import Iterable

import sympy

from chalkgrad.derive.checking.reading.scope import Scope
from chalkgrad.derive.checking.reading.tree import (
    Count,
    Delta,
    Factors,
    FunctionCall,
    Given,
    Index,
    Num,
    Power,
    Slope,
    Sum,
    Syntax,
    Total,
    Turned,
    Value,
    Weight,
    added,
    negative,
)
from chalkgrad.derive.deriving.derivation import LOSS
from chalkgrad.derive.terms.algebra import (
    Expr,
    Map,
    MatVec,
    Outer,
    Parameter,
    Reduce,
    Role,
    Symbol,
    arg_index,
)
from chalkgrad.derive.terms.functions import ELEMENTWISE, function_of
from chalkgrad.derive.terms.order import factors, signed_terms
from chalkgrad.derive.terms.trees import walk


def in_own_names(node: Syntax, scope: Scope, used: Iterable[Syntax]) -> Syntax:
    """The formula without names that the derivation has introduced, z_v and those in `used` excepted."""
    said = {n.name for side in used for n in walk(side) if isinstance(n, (Value, Delta))}
    strange = {name for name in scope.introduced if not name.startswith("z_")} - said
    derivation = scope.derivation.towards(LOSS)

    def own(part: Syntax) -> Syntax:
        match part:
            case Slope():
                return part
            case Value(name=name, index=index) if name in strange:
                values = [e.value for p in derivation.phases for e in p.forward if e.target.name == name]
                return own(tree(values[0], index))
            case Delta(name=name, index=index) if name in strange:
                adjoint = [e for p in derivation.phases for e in p.adjoint if e.target.name == name]
                terms = dict.fromkeys(tree(t.at_t, index) for e in adjoint for t in e.terms)
                return own(added(*terms)) if terms else part
            case _:
                return part.rebuild(tuple(map(own, part.children))) if part.children else part

    return own(node)


def tree(expr: Expr, index: Index) -> Syntax:
    """The expression, written at a step. What the grammar has no words for stays as it is."""
    match expr:
        case Symbol(role=Role.VALUE, name=name, lag=lag):
            return Value(name, index.moved(lag))
        case Symbol(role=Role.COTANGENT, name=name, lag=lag):
            return Delta(name, index.moved(lag))
        case Parameter(name=name):
            return Weight(name)
        case MatVec(matrix=matrix, vector=vector, transposed=transposed):
            weight: Syntax = Weight(matrix.name)
            return Factors(Turned(weight) if transposed else weight, (("@", tree(vector, index)),))
        case Outer(left=left, right=right):
            return Factors(tree(left, index), (("@", Turned(tree(right, index))),))
        case Reduce(kind="sum", vector=vector):
            return Total(tree(vector, index))
        case Reduce(kind="logsumexp", vector=vector):
            return FunctionCall(Total(FunctionCall(tree(vector, index), "exp", 0, "exp")), "log", 0, "log")
        case Map(body=body, args=args):
            return _body(body, [tree(a, index) for a in args]) or Given(expr, index)
        case _:
            return Given(expr, index)


def _body(body: sympy.Expr, args: list[Syntax]) -> Syntax | None:
    """The body with its arguments; None for what the grammar has no words for."""
    match body:
        case sympy.Symbol():
            place = arg_index(body)
            return Count(body.name) if place is None else args[place]
        case sympy.Rational():
            return Num(body) if body >= 0 else negative(Num(-body))
        case sympy.Add():
            terms = [(sign, _body(term, args)) for sign, term in signed_terms(body)]
            kept = tuple((sign, term) for sign, term in terms if term is not None)
            return Sum(kept) if len(kept) == len(terms) else None
        case sympy.Pow() if not isinstance(body, sympy.exp) and body.exp.is_Rational and body.exp.is_positive:
            base = _body(body.base, args)
            return None if base is None else Power(base, body.exp)
        case sympy.Mul() | sympy.Pow() if not isinstance(body, sympy.exp):
            return _product(body, args)
        case sympy.Piecewise():
            return _slope_by_cases(body, args)
        case sympy.Function() if (function := function_of(body)) is not None:
            first, *others = (_body(argument, args) for argument in body.args)
            behind, name = _all(others), function.name
            if first is None or behind is None:
                return None
            return FunctionCall(first, name, 0, name, tuple(behind))
        case _:
            return None


def _product(body: sympy.Expr, args: list[Syntax]) -> Syntax | None:
    coefficient, above, below = factors(body)
    over = _all([_body(factor, args) for factor in above])
    under = _all([_body(factor, args) for factor in below])
    if over is None or under is None:
        return None
    size = abs(coefficient)
    first: list[Syntax] = [Num(sympy.Integer(size.p))] if size.p != 1 or not over else []
    divided = [*under, *([Num(sympy.Integer(size.q))] if size.q != 1 else [])]
    start, *others = [*first, *over]
    rest = [("*", factor) for factor in others] + [("/", factor) for factor in divided]
    made = Factors(start, tuple(rest)) if rest else start
    return negative(made) if coefficient < 0 else made


def _all(parts: Iterable[Syntax | None]) -> list[Syntax] | None:
    found = list(parts)
    kept = [part for part in found if part is not None]
    return kept if len(kept) == len(found) else None


def _slope_by_cases(body: sympy.Piecewise, args: list[Syntax]) -> Syntax | None:
    """f'(v) of a function that is told by cases."""
    places = sorted(body.free_symbols, key=str)
    if len(places) != 1:
        return None
    for name, function in ELEMENTWISE.items():
        if function.by_cases and function.arity == 1 and sympy.diff(function(*places), *places) == body:
            inner = _body(places[0], args)
            return None if inner is None else FunctionCall(inner, name, 1, name)
    return None
