"""Rewrites derivatives with values that the forward pass already has: 1 − tanh²(z) becomes 1 − a²."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush

import sympy

from chalkgrad.derive.deriving.steps import Step, is_arithmetic
from chalkgrad.derive.terms.algebra import Expr, Map, arg, elementwise


class Stored:
    """The values of steps that are worth reading, found by what they are made of."""

    def __init__(self, steps: Iterable[Step]) -> None:
        maps = [(step.value, step.target) for step in steps if isinstance(step.value, Map)]
        self.values = [(v, target, _functions(v.body)) for v, target in maps if _worth(v.body)]
        readers = Counter(argument for value, _, _ in self.values for argument in value.args)
        self._numbers: dict[Expr | None, list[int]] = {}
        for number, (value, _, _) in enumerate(self.values):
            rarest = min(value.args, key=readers.__getitem__, default=None)
            self._numbers.setdefault(rarest, []).append(number)

    def over(self, args: Iterable[Expr | None]) -> Iterator[int]:
        """The numbers of values, each found by one argument alone, so that none comes twice."""
        return (number for argument in args for number in self._numbers.get(argument, ()))


def reuse(node: Expr, stored: Stored) -> Expr:
    """The same elementwise expression, reading the values of steps instead of computing them again.

    A step v = f(args) is used where f(args) stands in the body, also inside a power or a quotient.
    Sums and products of values are left alone: naming them would hide the rule and save nothing. What is
    shorter with its products multiplied out is written so: y ∗ (ŷ − 1) + (1 − y) ∗ ŷ becomes ŷ − y.
    """
    if not isinstance(node, Map):
        return node
    place, called = {argument: arg(i) for i, argument in enumerate(node.args)}, _functions(node.body)
    waiting = sorted(stored.over((None, *node.args)))
    while waiting:
        number = heappop(waiting)
        value, target, functions = stored.values[number]
        if not functions <= called or not all(argument in place for argument in value.args):
            continue
        if value.shape not in ((), node.shape):  # numbers spread over components, where the node has none
            continue
        places = {arg(i): place[argument] for i, argument in enumerate(value.args)}
        fresh = arg(len(node.args))
        body = _reading(node.body, value.body.xreplace(places), fresh)
        if body.has(fresh):
            changed = elementwise(body, (*node.args, target), node.shape)
            if not isinstance(changed, Map):
                return changed
            for later in stored.over((target,)):
                if later > number and later not in waiting:
                    heappush(waiting, later)
            node = changed
            place, called = {argument: arg(i) for i, argument in enumerate(node.args)}, _functions(node.body)
    expanded = sympy.expand_mul(node.body)
    if sympy.count_ops(expanded) < sympy.count_ops(node.body):
        return elementwise(expanded, node.args, node.shape)
    return node


def _reading(body: sympy.Expr, known: sympy.Expr, fresh: sympy.Symbol) -> sympy.Expr:
    """The body with `fresh` where `known` stands, also in powers of it; no root or quotient is undone."""
    if not isinstance(known, sympy.Pow):
        return body.subs(known, fresh)

    def is_power(node: sympy.Basic) -> bool:
        if not isinstance(node, sympy.Pow) or node.base != known.base:
            return False
        times = node.exp / known.exp
        return bool(times.is_Integer and (times > 0 if known.exp.is_Integer else not node.exp.is_Integer))

    return body.replace(is_power, lambda node: fresh ** (node.exp / known.exp))


def _functions(body: sympy.Expr) -> set[type[sympy.Basic]]:
    """Those that are applied in it: where one is lacking, nothing that applies it stands."""
    return {call.func for call in body.atoms(sympy.Function)}


def _worth(body: sympy.Expr) -> bool:
    quotient = any(isinstance(n, sympy.Pow) and n.exp.is_negative for n in sympy.preorder_traversal(body))
    return bool(body.free_symbols) and (quotient or not is_arithmetic(body))
