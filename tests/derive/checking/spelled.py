"""Trees in the words of the grammar: what is printed here is read back as the same claim."""

from __future__ import annotations

from enum import IntEnum

from chalkgrad.derive.checking.reading.scope import Scope
from chalkgrad.derive.checking.reading.tree import (
    Count,
    Delta,
    Diag,
    Factors,
    FunctionCall,
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
)


class _Level(IntEnum):
    SUM = 1
    RUNNING = 2  # sum_t …, which takes all factors that follow
    PRODUCT = 3
    ATOM = 4


def spelled(node: Syntax, scope: Scope) -> str:
    """The tree as text. Raises TypeError for what the grammar has no words for."""
    return _text(node, scope)[0]


def _at(node: Syntax, scope: Scope, level: _Level) -> str:
    text, own = _text(node, scope)
    return text if own >= level else f"({text})"


def _text(node: Syntax, scope: Scope) -> tuple[str, _Level]:
    match node:
        case Num(value=value):
            return (str(value), _Level.ATOM if value.q == 1 else _Level.PRODUCT)
        case Count(name=name) | Weight(name=name):
            return name, _Level.ATOM
        case StepNumber(index=index):
            return _index(index), _Level.ATOM if len(index.letters) == 1 and not index.number else _Level.SUM
        case Value(name=name, index=index):
            return f"{name}[{_index(index)}]", _Level.ATOM
        case Delta(name=name, index=index):
            return f"delta_{name}[{_index(index)}]", _Level.ATOM
        case Loss(index=None):
            return scope.objective, _Level.ATOM
        case Loss(index=Index() as index):
            return f"{scope.objective}[{_index(index)}]", _Level.ATOM
        case Slope(of=of, by=by, immediate=immediate):
            mark = "+" if immediate else ""
            return f"d{mark}{_text(of, scope)[0]}/d{_text(by, scope)[0]}", _Level.ATOM
        case Sum(terms=terms):
            return _sum(terms, scope), _Level.SUM
        case Factors(first=first, rest=rest):
            return _factors(first, rest, scope), _Level.PRODUCT
        case Power(inner=inner, exponent=exponent):
            raised = str(exponent) if exponent.q == 1 and exponent >= 0 else f"({exponent})"
            return f"{_at(inner, scope, _Level.ATOM)}^{raised}", _Level.ATOM
        case Turned(inner=inner):
            return f"{_at(inner, scope, _Level.ATOM)}^T", _Level.ATOM
        case Diag(inner=inner):
            return f"diag({_text(inner, scope)[0]})", _Level.ATOM
        case Total(inner=inner, mean=mean):
            return f"{'mean' if mean else 'sum'}({_text(inner, scope)[0]})", _Level.ATOM
        case FunctionCall(inner=inner, function=function, primes=primes, name=name):
            return f"{name or function}{chr(39) * primes}({_text(inner, scope)[0]})", _Level.ATOM
        case Over(inner=inner, index=letter, first=None, product=False):
            return f"sum_{letter} {_at(inner, scope, _Level.PRODUCT)}", _Level.RUNNING
        case Over(inner=inner, index=letter, first=Index() as first, last=Index() as last, product=product):
            word = "prod" if product else "sum"
            bounds = f"_{{{letter}={_index(first)}}}^{{{_index(last)}}}"
            return f"{word}{bounds} {_at(inner, scope, _Level.PRODUCT)}", _Level.RUNNING
        case _:
            raise TypeError(f"the grammar has no words for {type(node).__name__}")


def _index(index: Index) -> str:
    text = str(index.sympy)
    if index.number and index.letters and not text.startswith("-"):
        letters = str(Index(index.letters).sympy)
        return f"{letters} {'+' if index.number > 0 else '-'} {abs(index.number)}".replace(" ", "")
    return text.replace(" ", "")


def _sum(terms: tuple[tuple[int, Syntax], ...], scope: Scope) -> str:
    (sign, first), *rest = terms
    text = ("-" if sign < 0 else "") + _at(first, scope, _Level.RUNNING)
    for sign, term in rest:
        text += f" {'-' if sign < 0 else '+'} {_at(term, scope, _Level.RUNNING)}"
    return text


def _factors(first: Syntax, rest: tuple[tuple[str, Syntax], ...], scope: Scope) -> str:
    """Products in parentheses within products: the order in which they are taken stays."""
    text = _at(first, scope, _Level.ATOM)
    for number, (sign, factor) in enumerate(rest, start=1):
        last = number == len(rest)
        running = last and isinstance(factor, Over)
        text += f" {sign} {_text(factor, scope)[0] if running else _at(factor, scope, _Level.ATOM)}"
    return text
