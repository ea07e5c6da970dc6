"""What a claimed formula is worth: from the tree to formulas that the oracle can work out.

A tree may be read in more than one way (`formulas.Reading`); a `Meaning` is one of them. Parts that two
trees share are worked out once: repairs of a formula change a little of it at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import sympy

from chalkgrad.derive.checking.judging.formulas import (
    Kept,
    Leaf,
    Raised,
    Reading,
    Running,
    Softmax,
    Summed,
    Written,
    derivative,
)
from chalkgrad.derive.checking.reading.scope import Scope
from chalkgrad.derive.checking.reading.tree import (
    Diag,
    Factors,
    FunctionCall,
    Num,
    Over,
    Power,
    Sum,
    Syntax,
    Total,
    Turned,
    indices,
    letter,
)
from chalkgrad.derive.claims.formula import Applied, Constant, Diagonal, Formula, Plus, Product, Times
from chalkgrad.derive.claims.formula import Turned as Transposed

_Bound = frozenset[str]


@dataclass(frozen=True)
class Meaning:
    """One reading of the formulas about one network."""

    scope: Scope
    reading: Reading
    _known: dict[tuple[int, _Bound], tuple[Syntax, Kept]] = field(default_factory=dict, compare=False)

    def formula(self, node: Syntax, bound: _Bound = frozenset()) -> Kept:
        """The formula. bound: the indices of the sums around it. Raises TypeError for an unknown node."""
        key = (id(node), bound)
        if key not in self._known:
            inside = bound | {node.index} if isinstance(node, Over) else bound
            parts = tuple(self.formula(child, inside) for child in node.children) if _built(node) else ()
            own = {letter(name) for name in _letters(node)}
            letters = own | {name for part in parts for name in part.letters}
            if isinstance(node, Over):
                letters -= {letter(node.index)} - own
            made = Kept(self._made(node, parts, bound), tuple(sorted(letters, key=str)))
            self._known[key] = (node, made)  # the node is kept, so that its id stays its own
        return self._known[key][1]

    def _made(self, node: Syntax, parts: tuple[Formula, ...], bound: _Bound) -> Formula:
        match node:
            case Num(value=value):
                return Constant(value)
            case Sum(terms=terms):
                return Plus(tuple(_signed(sign, part) for (sign, _), part in zip(terms, parts, strict=True)))
            case Factors(rest=rest):
                return _product(tuple(sign for sign, _ in rest), parts)
            case Power(exponent=exponent):
                return Raised(parts[0], exponent)
            case Turned():
                return Transposed(parts[0])
            case Diag():
                return Diagonal(parts[0])
            case Total(mean=mean):
                return Summed(parts[0], mean)
            case FunctionCall(function="softmax"):
                return Softmax(parts[0])
            case FunctionCall(function=function, primes=primes):
                return Applied(derivative(function, primes), parts)
            case Over(index=index, first=first, last=last, product=product):
                return Running(parts[0], letter(index), first, last, self.reading.steps, product)
            case _:
                return Leaf(node, self.scope, self.reading, _letters(node) - bound)


def _built(node: Syntax) -> bool:
    return isinstance(node, (Sum, Factors, Power, Turned, Diag, Total, FunctionCall, Over))


def _letters(node: Syntax) -> _Bound:
    """The letters that the node itself is told by, those of a derivative's two sides among them."""
    own = frozenset(name for index in indices(node) for name in index.names)
    sides = () if _built(node) else node.children
    return own.union(*(_letters(side) for side in sides))


def _signed(sign: int, part: Formula) -> Formula:
    return part if sign > 0 else Times((Constant(sympy.Integer(-1)), part))


def _product(signs: tuple[str, ...], parts: tuple[Formula, ...]) -> Formula:
    if set(signs) == {"@"}:
        return Product(parts)
    if set(signs) == {"*"}:
        return Times(parts)
    first, *rest = parts
    return Written(first, tuple(zip(signs, rest, strict=True)))
