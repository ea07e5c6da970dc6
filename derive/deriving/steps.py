"""Named steps: the definitions of a model in a normal form that the adjoint can walk.

In normal form the value of every step is one of

    Symbol                                  another name for a value
    MatVec(W, v)                            v a symbol or a parameter
    Map(body, args)                         args are symbols, parameters, or products W v
                                            that enter the body with a constant factor
    Reduce(kind, v), Others(v)              v a symbol or a parameter

Whatever else an equation contains gets a name of its own, after the value v that it belongs to:
`z_v` the argument of a function (the pre-activation; the logits of a softmax), `u_v` any other vector,
`s_v`, `m_v`, `l_v` a sum, a maximum, a log-sum-exp, `w_v` what the other components weigh.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import sympy

from chalkgrad.derive.cells.model import Definition
from chalkgrad.derive.terms.algebra import (
    Expr,
    Map,
    MatVec,
    Others,
    Parameter,
    Reduce,
    Symbol,
    arg,
    elementwise,
)
from chalkgrad.derive.terms.trees import upwards

_REDUCTION_PREFIX = {"sum": "s", "max": "m", "logsumexp": "l"}


@dataclass(frozen=True)
class Step:
    """`target` at step t is `value`, in normal form."""

    target: Symbol
    value: Expr


def is_arithmetic(body: sympy.Expr) -> bool:
    """Sums, products, quotients and integer powers: nothing worth a name of its own."""
    return all(
        isinstance(node, (sympy.Add, sympy.Mul, sympy.Symbol, sympy.Number))
        or (isinstance(node, sympy.Pow) and node.exp.is_Integer)
        for node in sympy.preorder_traversal(body)
    )


def is_linear(body: sympy.Expr, index: int) -> bool:
    """Whether argument `index` enters the body with a constant factor."""
    slope = sympy.diff(body, arg(index)) if is_arithmetic(body) else None
    return slope is not None and slope.is_number


class Namer:
    """Hands out names that are not taken yet."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)
        self._counts: dict[str, int] = {}

    def fresh(self, wanted: str) -> str:
        name, count = wanted, self._counts.get(wanted, 1)
        while name in self._taken:
            count += 1
            name = f"{wanted}{count}"
        self._taken.add(name)
        self._counts[wanted] = count
        return name


class _Naming:
    """One walk over the definitions, collecting steps."""

    def __init__(self, definitions: tuple[Definition, ...], namer: Namer) -> None:
        self.steps: list[Step] = []
        self._namer = namer
        self._named: dict[Expr, Symbol] = {}
        roots = [d.value for d in definitions]
        distinct = dict.fromkeys(node for root in roots for node in upwards(root))
        readers = Counter(roots) + Counter(child for node in distinct for child in node.children)
        plain: set[Expr] = set()
        self._products: set[Expr] = set()  # those, and what has one in it
        for node in distinct:
            if _is_plain(node, plain):
                plain.add(node)
            if isinstance(node, MatVec) or not self._products.isdisjoint(node.children):
                self._products.add(node)
        self._shared = {node for node, count in readers.items() if count > 1 and node not in plain}

    def define(self, definition: Definition) -> None:
        value = self._normal(definition.value, definition.name)
        target = Symbol(definition.name, value.shape)
        self.steps.append(Step(target, value))
        if not isinstance(definition.value, Map) or definition.value.args:  # a number needs no name
            self._named.setdefault(definition.value, target)

    def _atom(self, node: Expr, owner: str, prefix: str) -> Expr:
        """A symbol or parameter that stands for the node."""
        if isinstance(node, (Symbol, Parameter)):
            return node
        if node not in self._named:
            value = self._normal(node, owner)
            target = Symbol(self._namer.fresh(f"{prefix}_{owner}"), value.shape)
            self.steps.append(Step(target, value))
            self._named[node] = target
        return self._named[node]

    def _normal(self, node: Expr, owner: str) -> Expr:
        if node in self._named:
            return self._named[node]
        match node:
            case Symbol() | Parameter():
                return node
            case MatVec(vector=vector):
                return node.rebuild((self._atom(vector, owner, "u"),))
            case Reduce(vector=vector) | Others(vector=vector):
                return node.rebuild((self._atom(vector, owner, "z"),))
            case Map():
                return self._map(node, owner)
            case _:
                raise TypeError(f"{type(node).__name__} cannot stand in a forward equation")

    def _map(self, node: Map, owner: str) -> Expr:
        if not is_arithmetic(node.body):
            prefix = "z" if len(node.args) == 1 else "u"
            return node.rebuild(tuple(self._atom(a, owner, _prefix(a, prefix)) for a in node.args))
        changed = node.rebuild(tuple(self._operand(node, i, owner) for i in range(len(node.args))))
        return _flat(changed) if isinstance(changed, Map) else changed

    def _operand(self, node: Map, index: int, owner: str) -> Expr:
        """An argument of arithmetic: kept in place where that does no harm, named otherwise."""
        operand = node.args[index]
        linear = is_linear(node.body, index)
        match operand:
            case MatVec() if linear and operand not in self._shared:
                return self._normal(operand, owner)
            case Map() if is_arithmetic(operand.body) and operand not in self._shared:
                if linear or operand not in self._products:
                    return self._map(operand, owner)
        return self._atom(operand, owner, _prefix(operand, "z" if operand in self._shared else "u"))


def _is_plain(node: Expr, plain: set[Expr]) -> bool:
    """Cheap arithmetic on values that have names already: repeated rather than named."""
    return isinstance(node, (Symbol, Parameter)) or (
        isinstance(node, Map) and plain.issuperset(node.args) and is_arithmetic(node.body)
    )


def _prefix(node: Expr, otherwise: str) -> str:
    match node:
        case Reduce(kind=kind):
            return _REDUCTION_PREFIX[kind]
        case Others():
            return "w"
        case _:
            return otherwise


def _flat(node: Map) -> Expr:
    """Arithmetic over arithmetic as one body."""
    args: list[Expr] = []
    inner: dict[sympy.Symbol, sympy.Expr] = {}
    for index, operand in enumerate(node.args):
        if isinstance(operand, Map) and is_arithmetic(operand.body):
            places = {arg(i): arg(len(args) + i) for i in range(len(operand.args))}
            inner[arg(index)] = operand.body.xreplace(places)
            args.extend(operand.args)
        else:
            inner[arg(index)] = arg(len(args))
            args.append(operand)
    return elementwise(node.body.xreplace(inner), tuple(args), node.shape)


def name_steps(definitions: tuple[Definition, ...], namer: Namer) -> tuple[Step, ...]:
    """The definitions as steps in normal form, in an order in which each reads only earlier ones."""
    naming = _Naming(definitions, namer)
    for definition in definitions:
        naming.define(definition)
    return tuple(naming.steps)
