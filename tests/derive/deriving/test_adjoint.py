"""Pull-back rules, each against `sympy.diff` of what the node means, component by component."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
import sympy

from chalkgrad.derive.cells.model import Definition
from chalkgrad.derive.deriving.adjoint import Pull, pull
from chalkgrad.derive.deriving.steps import Namer, name_steps
from chalkgrad.derive.terms.algebra import (
    Expr,
    Map,
    MatVec,
    Others,
    OthersPull,
    Outer,
    Parameter,
    Reduce,
    Role,
    Symbol,
    constant,
    elementwise,
    parameters,
    size_symbol,
    symbols,
    total,
)
from chalkgrad.derive.terms.functions import ELEMENTWISE, leaky_relu, relu
from chalkgrad.derive.terms.trees import walk
from tests.derive.meaning import agree, entries, number, variables

u, v, r = Symbol("u", ("n",)), Symbol("v", ("n",), -1), Symbol("r", ("n",))
w = Symbol("w", ("m",))
s = Symbol("s", ())
W, S = Parameter("W", ("n", "m")), Parameter("S", ("n", "n"))
b, rate = Parameter("b", ("n",)), Parameter("rate", ())


def outcome(node: Expr) -> tuple[Symbol, Symbol]:
    """The symbol that has the node's value, and its cotangent."""
    result = Symbol("y", node.shape)
    return result, replace(result, role=Role.COTANGENT)


def differentiated(node: Expr, cotangent: Expr, leaf: Symbol | Parameter) -> list[sympy.Expr]:
    """∂/∂leaf of Σᵢ ȳᵢ yᵢ"""
    weighed = sympy.Add(*(c * y for c, y in zip(entries(cotangent), entries(node), strict=True)))
    return [number(sympy.diff(weighed, variable)) for variable in variables(leaf)]


def added(node: Expr, parts: Sequence[Pull], leaf: Symbol | Parameter, result: Symbol) -> list[sympy.Expr]:
    """Σ of the contributions to one leaf; the stored result means what the node means."""
    known: dict[Expr, list[sympy.Expr]] = {result: entries(node)}
    columns = [entries(part.contribution, known) for part in parts if part.leaf == leaf]
    return [number(sympy.Add(*(column[i] for column in columns))) for i in range(len(variables(leaf)))]


def leaves(node: Expr) -> Iterator[Symbol | Parameter]:
    yield from dict.fromkeys(symbols(node))
    yield from dict.fromkeys(parameters(node))


def right(node: Expr, parts: Sequence[Pull], cotangent: Expr, result: Symbol) -> bool:
    assert {part.leaf for part in parts} <= set(leaves(node))
    assert all(part.contribution.shape == part.leaf.shape for part in parts)
    return all(
        agree(added(node, parts, leaf, result), differentiated(node, cotangent, leaf))
        for leaf in leaves(node)
    )


def softmax(vector: Expr) -> Expr:
    shifted = elementwise(lambda p, m: p - m, (vector, Reduce("max", vector)))
    return elementwise(lambda p, n: sympy.exp(p - n), (shifted, Reduce("logsumexp", shifted)))


NODES: dict[str, Expr] = {
    "symbol": v,
    "parameter": b,
    "W w": MatVec(W, w),
    "Wᵀ u": MatVec(W, u, transposed=True),
    "S b": MatVec(S, b),
    "S S u": MatVec(S, MatVec(S, u)),
    "Sᵀ S u": MatVec(S, MatVec(S, u), transposed=True),
    "W Wᵀ (u ∗ v)": MatVec(W, MatVec(W, elementwise(lambda p, q: p * q, (u, v)), transposed=True)),
    "W w + S u + b": elementwise(lambda p, q, r: p + q + r, (MatVec(W, w), MatVec(S, u), b)),
    "product": elementwise(lambda p, q: p * q, (u, v)),
    "square": elementwise(lambda p: p**2, (u,)),
    "difference": elementwise(lambda p, q: 2 * p - q / 3, (u, v)),
    "quotient": elementwise(lambda p, q: p / (2 + q**2), (u, v)),
    "leaky step": elementwise(lambda k, p, q: (1 - k) * p + k * q, (b, v, u)),
    "three times": elementwise(lambda p, q, r: p * q * r + p**2 * q, (u, b, v)),
    "one symbol at two steps": elementwise(lambda p, q: sympy.tanh(p) * q, (v, replace(v, lag=0))),
    "scalar times vector": elementwise(lambda p, q: p * q, (s, u)),
    "scalars among vectors": elementwise(lambda p, q, r: sympy.tanh(p * q) + r, (rate, u, s)),
    "scalar spread bare": elementwise(lambda p: p, (s,), ("n",)),
    "scalars": elementwise(lambda p, q: sympy.exp(p * q), (s, rate)),
    "power": elementwise(lambda p: (2 + p**2) ** sympy.Rational(-3, 2), (u,)),
    "mean": elementwise(lambda p: p / size_symbol("n"), (total(u),)),
    "centred": elementwise(lambda p, q: p - q / size_symbol("n"), (u, total(u))),
    "sum": total(u),
    "sum of products": total(elementwise(lambda p, q: p * q, (u, v))),
    "sum of W w": total(MatVec(W, w)),
    "log-sum-exp": Reduce("logsumexp", u),
    "others": Others(u),
}


@pytest.mark.parametrize("node", NODES.values(), ids=NODES)
def test_rules(node: Expr) -> None:
    result, cotangent = outcome(node)
    assert right(node, list(pull(node, cotangent, result)), cotangent, result)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_functions(name: str) -> None:
    """On arguments of both signs; a logarithm and a root get positive ones."""
    inner = u if name not in ("log", "sqrt") else elementwise(lambda p: 1 + p**2, (u,))
    node = elementwise(lambda p: ELEMENTWISE[name](p), (inner,))
    result, cotangent = outcome(node)
    assert right(node, list(pull(node, cotangent, result)), cotangent, result)
    signs = {number(x) > 0 for x in variables(u)}
    assert signs == {True, False}


@pytest.mark.parametrize(
    ("node", "factor"),
    [(MatVec(W, w), -1), (MatVec(W, u, transposed=True), sympy.Rational(1, 3)), (MatVec(S, MatVec(S, u)), 2)],
)
def test_a_numeric_factor_stays_in_front_of_the_product(node: MatVec, factor: sympy.Expr) -> None:
    """W (2 c) is formed as 2 (W c)."""
    result, plain = outcome(node)
    cotangent = elementwise(lambda c: factor * c, (plain,))
    parts = list(pull(node, cotangent, result))
    assert right(node, parts, cotangent, result)
    back = next(p.contribution for p in parts if p.leaf in (u, w))
    assert isinstance(back, Map) and all(isinstance(a, MatVec) for a in back.args)
    assert not any(isinstance(n.vector, Map) for n in walk(back) if isinstance(n, MatVec))


@pytest.mark.parametrize("name", ["W w", "quotient", "scalar times vector", "sum", "log-sum-exp", "others"])
def test_a_cotangent_may_be_any_expression(name: str) -> None:
    node = NODES[name]
    result, plain = outcome(node)
    cotangent = elementwise(lambda c: sympy.tanh(c) - 2, (plain,))
    assert right(node, list(pull(node, cotangent, result)), cotangent, result)


@pytest.mark.parametrize(
    "name", ["W w", "Wᵀ u", "leaky step", "scalar times vector", "log-sum-exp", "others"]
)
def test_a_wrong_rule_is_found(name: str) -> None:
    """Every part negated or left out, one at a time."""
    node = NODES[name]
    result, cotangent = outcome(node)
    parts = list(pull(node, cotangent, result))
    for i, part in enumerate(parts):
        others = parts[:i] + parts[i + 1 :]
        assert not right(node, others, cotangent, result)
        if len(part.leaf.shape) < 2:
            wrong = replace(part, contribution=elementwise(lambda c: -c, (part.contribution,)))
            assert not right(node, [*others, wrong], cotangent, result)


def test_an_outer_product_has_the_shape_of_its_matrix_either_way_round() -> None:
    """W̄ = ȳ vᵀ for y = W v, v ȳᵀ for y = Wᵀ v."""
    for node, order in ((MatVec(S, u), (0, 1)), (MatVec(S, u, transposed=True), (1, 0))):
        result, cotangent = outcome(node)
        (outer,) = (p.contribution for p in pull(node, cotangent, result) if p.leaf == S)
        pair = (cotangent, u)
        assert outer == Outer(pair[order[0]], pair[order[1]])


# ----------------------------------------------------------------------------- no derivative


@pytest.mark.parametrize(("function", "slope"), [(relu, 0), (leaky_relu, sympy.Rational(1, 100))])
def test_the_slope_at_the_kink(function: type[sympy.Function], slope: sympy.Expr) -> None:
    node = elementwise(function, (u,))
    result, cotangent = outcome(node)
    (part,) = pull(node, cotangent, result)
    at_kink = [c.xreplace(dict.fromkeys(variables(u), sympy.S.Zero)) for c in entries(part.contribution)]
    assert at_kink == [slope * c for c in variables(cotangent)]


def test_what_carries_no_derivative_gets_no_part() -> None:
    result, cotangent = outcome(s)
    assert list(pull(Reduce("max", u), cotangent, result)) == []
    result, _ = outcome(u)
    product = elementwise(lambda p, q: p * q, (u, v))
    assert list(pull(product, constant(0, ("n",)), result)) == []


def backward(value: Expr) -> tuple[list[Pull], dict[Expr, list[sympy.Expr]]]:
    """The parts of a composed value, step by step, and the cotangent that every leaf and step gets."""
    steps = name_steps((Definition("y", value, ""),), Namer(()))
    _, cotangent = outcome(value)
    known: dict[Expr, list[sympy.Expr]] = {}
    for step in steps:
        known[step.target] = [number(e) for e in entries(step.value, known)]
    parts: list[Pull] = []
    arrived: dict[Expr, list[sympy.Expr]] = {steps[-1].target: [number(e) for e in entries(cotangent)]}
    for step in reversed(steps):
        bar = replace(step.target, role=Role.COTANGENT)
        known[bar] = arrived.get(step.target, [sympy.S.Zero] * len(variables(step.target)))
        for part in pull(step.value, bar, step.target):
            parts.append(part)
            got = [number(e) for e in entries(part.contribution, known)]
            before = arrived.get(part.leaf, [sympy.S.Zero] * len(got))
            arrived[part.leaf] = [p + q for p, q in zip(before, got, strict=True)]
    return parts, arrived


def test_the_shift_of_a_softmax_cancels() -> None:
    """The maximum moves with its argument; that its rule says 0 changes nothing."""
    value = softmax(MatVec(W, w))
    _, cotangent = outcome(value)
    _, arrived = backward(value)
    for leaf in (W, w):
        assert agree(arrived[leaf], differentiated(value, cotangent, leaf))


def test_steps_chained_are_the_derivative_of_the_composition() -> None:
    inner = elementwise(sympy.tanh, (elementwise(lambda p, q: p + q, (MatVec(S, u), b)),))
    value = elementwise(
        lambda k, p, q: k * p / (2 + q), (rate, MatVec(S, inner, transposed=True), total(inner))
    )
    _, cotangent = outcome(value)
    parts, arrived = backward(value)
    for leaf in (S, u, b, rate):
        assert agree(arrived[leaf], differentiated(value, cotangent, leaf)), leaf
    assert len([p for p in parts if p.leaf == S]) == 2


# ----------------------------------------------------------------------------- rules and errors


@pytest.mark.parametrize(
    ("node", "rules"),
    [
        (u, {u: "same value"}),
        (MatVec(W, w), {W: "product with W", w: "product with W"}),
        (elementwise(sympy.tanh, (u,)), {u: "chain rule through tanh"}),
        (elementwise(lambda p, q: p + q, (u, v)), {u: "chain rule through the sum"}),
        (elementwise(lambda p, q: p * q, (u, v)), {v: "chain rule through the product"}),
        (elementwise(lambda p: p**2, (u,)), {u: "chain rule through the power"}),
        (
            elementwise(lambda p, q: p * q, (s, u)),
            {
                s: "sum over the components that the scalar was spread to",
                u: "chain rule through the product",
            },
        ),
        (total(u), {u: "sum over components"}),
        (Reduce("logsumexp", u), {u: "log-sum-exp"}),
        (Others(u), {u: "log-sum-exp of the others"}),
    ],
)
def test_every_part_says_its_rule(node: Expr, rules: dict[Expr, str]) -> None:
    result, cotangent = outcome(node)
    assert rules.items() <= {p.leaf: p.rule for p in pull(node, cotangent, result)}.items()


@pytest.mark.parametrize("node", [Outer(u, v), OthersPull(u, v)])
def test_a_node_without_a_rule_is_named(node: Expr) -> None:
    result, cotangent = outcome(node)
    with pytest.raises(TypeError, match=f"no pull-back for {type(node).__name__}"):
        list(pull(node, cotangent, result))
