"""What an expression means, component by component, in plain SymPy: apart from the package, to judge it by.

Every component of a leaf is one real symbol, and a symbol has one value, drawn by its name.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import product

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
    Shape,
    Symbol,
    arg,
    size_symbol,
)
from chalkgrad.derive.terms.functions import leaky_relu, relu, sigmoid, softplus

SIZES = {"n": 3, "m": 2, "n_x": 2, "n_a": 3, "n_d": 2, "n_y": 4}
Leaf = Symbol | Parameter
Known = Mapping[Expr, Sequence[sympy.Expr]]
WRITTEN_OUT = {
    sigmoid: lambda z: 1 / (1 + sympy.exp(-z)),
    softplus: lambda z: sympy.log(1 + sympy.exp(z)),
    relu: lambda z: sympy.Piecewise((z, z > 0), (0, True)),
    leaky_relu: lambda z: sympy.Piecewise((z, z > 0), (z / 100, True)),
}


def written_out(body: sympy.Expr) -> sympy.Expr:
    """The body without functions of our own."""
    for function, meaning in WRITTEN_OUT.items():
        body = body.replace(function, meaning)
    return body.xreplace({size_symbol(name): sympy.Integer(n) for name, n in SIZES.items()})


def concrete(shape: Shape) -> tuple[int, ...]:
    return tuple(SIZES[name] for name in shape)


def count(shape: Shape) -> int:
    return int(sympy.prod(concrete(shape)))


@cache
def variables(leaf: Leaf) -> tuple[sympy.Symbol, ...]:
    """One symbol for each component, row-major."""
    name = leaf.name if isinstance(leaf, Parameter) else f"{leaf.name}[{leaf.lag}]{leaf.role.value}"
    indices = product(*(range(n) for n in concrete(leaf.shape)))
    return tuple(sympy.Symbol("_".join((name, *map(str, index))), real=True) for index in indices)


def entries(node: Expr, known: Known | None = None) -> list[sympy.Expr]:
    """The components, row-major; `known` says what some leaves are, the others are variables.

    A maximum is the component that is largest at the point.
    """
    known = known or {}
    match node:
        case Symbol() | Parameter():
            return list(known.get(node, ())) or list(variables(node))
        case MatVec(matrix=matrix, vector=vector, transposed=transposed):
            w = sympy.Matrix(*concrete(matrix.shape), entries(matrix, known))
            return list((w.T if transposed else w) * sympy.Matrix(entries(vector, known)))
        case Map(body=body, args=args, shape=shape):
            columns = [spread(entries(a, known), a.shape, shape) for a in args]
            plain = written_out(body)
            return [
                plain.xreplace({arg(j): column[i] for j, column in enumerate(columns)})
                for i in range(count(shape))
            ]
        case Reduce(kind="sum", vector=vector):
            return [sympy.Add(*entries(vector, known))]
        case Reduce(kind="max", vector=vector):
            return [max(entries(vector, known), key=number)]
        case Reduce(kind="logsumexp", vector=vector):
            return [sympy.log(sympy.Add(*map(sympy.exp, entries(vector, known))))]
        case Others(vector=vector):
            return others(entries(vector, known))
        case OthersPull(cotangent=cotangent, vector=vector):
            c, v = entries(cotangent, known), entries(vector, known)
            w, indices = others(v), range(len(v))
            return [sympy.Add(*(c[i] * sympy.exp(v[j] - w[i]) for i in indices if i != j)) for j in indices]
        case Outer(left=left, right=right):
            return [u * v for u in entries(left, known) for v in entries(right, known)]
        case _:
            raise TypeError(type(node).__name__)


def others(v: Sequence[sympy.Expr]) -> list[sympy.Expr]:
    """log Σ_{k≠i} exp vₖ for each i."""
    return [sympy.log(sympy.Add(*(sympy.exp(u) for k, u in enumerate(v) if k != i))) for i in range(len(v))]


def spread(values: Sequence[sympy.Expr], shape: Shape, over: Shape) -> Sequence[sympy.Expr]:
    return values if shape == over else [values[0]] * count(over)


@cache
def value(symbol: sympy.Symbol) -> sympy.Float:
    """Of both signs, apart from 0; one value for each name."""
    rng = random.Random(symbol.name)
    return sympy.Float(sympy.Rational(rng.randint(1300, 11000) * rng.choice((-1, 1)), 9697), 60)


def number(expr: sympy.Expr) -> sympy.Expr:
    """The expression at the point, to 60 digits."""
    return expr.xreplace({s: value(s) for s in expr.free_symbols})


def numbers(node: Expr, known: Known | None = None) -> list[sympy.Expr]:
    return [number(entry) for entry in entries(node, known)]


def agree(one: Sequence[sympy.Expr], other: Sequence[sympy.Expr], digits: int = 40) -> bool:
    """Whether all components are the same to `digits` digits; NaN agrees with nothing."""
    pairs = zip(one, other, strict=True)
    return all(abs(number(p - q)) <= 10**-digits * max(1, abs(number(q))) for p, q in pairs)
