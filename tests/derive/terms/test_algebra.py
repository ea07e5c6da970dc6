"""Expressions: shapes checked when a node is built, one normal form for elementwise work, walking."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace

import pytest
import sympy

from chalkgrad.derive.errors import ShapeError
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
    arg,
    arg_index,
    common_shape,
    constant,
    elementwise,
    is_zero,
    parameters,
    shifted,
    size_symbol,
    spell,
    symbols,
    total,
)
from chalkgrad.derive.terms.trees import transform, walk
from tests.derive.meaning import SIZES, agree, entries, value, variables

u, v = Symbol("u", ("n",)), Symbol("v", ("n",), -1)
w = Symbol("w", ("m",))
s = Symbol("s", ())
W, S = Parameter("W", ("n", "m")), Parameter("S", ("n", "n"))
b, rate = Parameter("b", ("n",)), Parameter("rate", ())
delta = Symbol("u", ("n",), 1, Role.COTANGENT)

NODES: tuple[Expr, ...] = (
    u,
    W,
    MatVec(W, w),
    MatVec(W, MatVec(S, u), transposed=True),
    elementwise(lambda p, q, r: p * sympy.tanh(q) - r, (u, s, v)),
    constant(3, ("n",)),
    Reduce("sum", u),
    Reduce("max", MatVec(S, v)),
    Reduce("logsumexp", u),
    Others(MatVec(W, w)),
    OthersPull(delta, u),
    Outer(delta, MatVec(W, w, transposed=False)),
)

# ----------------------------------------------------------------------------- shapes


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: MatVec(W, u), r"W @ …: expected a vector (m), found (n)"),
        (lambda: MatVec(W, w, transposed=True), r"W.T @ …: expected a vector (n), found (m)"),
        (lambda: MatVec(W, s), r"W @ …: expected a vector (m), found a scalar"),
        (lambda: MatVec(b, u), r"b: expected a matrix, found (n)"),
        (lambda: MatVec(rate, u), r"rate: expected a matrix, found a scalar"),
        (lambda: Reduce("sum", s), r"sum(…): expected a vector, found a scalar"),
        (lambda: Reduce("max", W), r"max(…): expected a vector, found (n, m)"),
        (lambda: Others(s), r"others(…): expected a vector, found a scalar"),
        (lambda: OthersPull(w, u), r"others: expected a cotangent (n), found (m)"),
        (lambda: OthersPull(s, rate), r"others: expected a cotangent a scalar, found a scalar"),
        (lambda: Outer(u, s), r"outer product: expected a vector, found a scalar"),
        (lambda: Outer(W, u), r"outer product: expected a vector, found (n, m)"),
        (lambda: elementwise(lambda p, q: p + q, (u, w)), r"elementwise: expected (n), found (m)"),
        (
            lambda: elementwise(lambda p: p, (W,)),
            r"elementwise: expected vectors or scalars, found (n, m)",
        ),
        (lambda: elementwise(lambda p: p, (u,), ("m",)), r"elementwise: expected (m), found (n)"),
        (lambda: elementwise(lambda p: p, (u,), ()), r"elementwise: expected a scalar, found (n)"),
    ],
)
def test_shapes_that_do_not_fit(build: Callable[[], Expr], message: str) -> None:
    with pytest.raises(ShapeError) as caught:
        build()
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("node", "shape"),
    [
        (MatVec(W, w), ("n",)),
        (MatVec(W, u, transposed=True), ("m",)),
        (Outer(w, u), ("m", "n")),
        (Reduce("logsumexp", w), ()),
        (Others(w), ("m",)),
        (OthersPull(delta, v), ("n",)),
        (elementwise(lambda p, q: p * q, (s, w)), ("m",)),
        (elementwise(lambda p, q: p * q, (s, rate)), ()),
        (elementwise(lambda p: p, (s,), ("n",)), ("n",)),
    ],
)
def test_shapes_follow_from_the_parts(node: Expr, shape: tuple[str, ...]) -> None:
    assert node.shape == shape
    concrete = [SIZES[name] for name in shape]
    assert len(entries(node)) == sympy.prod(concrete)


def test_a_scalar_spreads_over_the_one_vector_shape() -> None:
    assert common_shape(()) == common_shape((s, rate)) == ()
    assert common_shape((s, u, rate, v)) == ("n",)


def test_an_unknown_reduction_is_named() -> None:
    with pytest.raises(ValueError, match=r"kind: expected one of .*'logsumexp'.*received 'prod'"):
        Reduce("prod", u)


def test_shapes_as_messages_spell_them() -> None:
    assert [spell(shape) for shape in ((), ("n",), ("n", "m"))] == ["a scalar", "(n)", "(n, m)"]


# ----------------------------------------------------------------------------- normal form


def test_equal_arguments_share_a_placeholder() -> None:
    node = elementwise(lambda p, q, r: p * q + r, (u, v, u))
    assert isinstance(node, Map) and node.args == (u, v)
    assert node.body == arg(0) * arg(1) + arg(0)
    assert node == elementwise(lambda p, q: p * q + p, (u, v))


def test_constants_join_the_body() -> None:
    node = elementwise(lambda p, q, r: p * q + r, (constant(2), u, constant(sympy.Rational(1, 3))))
    assert node == Map(2 * arg(0) + sympy.Rational(1, 3), (u,), ("n",))
    assert elementwise(lambda p, q: p + q, (constant(2), constant(3))) == constant(5)


def test_what_the_body_does_not_read_is_gone() -> None:
    node = elementwise(lambda p, q, r: sympy.tanh(r), (u, s, v))
    assert node == Map(sympy.tanh(arg(0)), (v,), ("n",))


def test_arguments_that_cancel_leave_the_shape() -> None:
    node = elementwise(lambda p, q: p - q, (u, u))
    assert node == constant(0, ("n",)) and is_zero(node)
    partly = elementwise(lambda p, q, r: p - q + r, (u, u, s))
    assert partly == Map(arg(0), (s,), ("n",))
    assert elementwise(lambda p, q, r: p * q / r, (u, v, u)) == v


def test_a_bare_argument_is_itself_unless_it_spreads() -> None:
    assert elementwise(lambda p, q: q, (v, u)) is u
    assert elementwise(sympy.Lambda(arg(7), arg(7)), (u,)) is u
    assert elementwise(lambda p: p, (s,), ("n",)) == Map(arg(0), (s,), ("n",))
    assert entries(elementwise(lambda p: p, (s,), ("n",))) == list(variables(s)) * SIZES["n"]


def test_a_body_may_be_an_expression_a_function_or_a_number() -> None:
    body = arg(0) ** 2 + arg(1)
    assert elementwise(body, (u, v)) == elementwise(lambda p, q: p**2 + q, (u, v))
    assert elementwise(lambda p: 7, (u,)) == constant(7, ("n",))


def test_sizes_in_a_body_are_no_placeholders() -> None:
    node = elementwise(lambda p: p / size_symbol("n"), (u,))
    assert isinstance(node, Map) and node.args == (u,)
    assert agree(entries(node), [x / SIZES["n"] for x in variables(u)])
    assert [arg_index(x) for x in (arg(0), arg(12), size_symbol("n"))] == [0, 12, None]


@pytest.mark.parametrize("seed", range(25))
def test_the_normal_form_keeps_the_meaning(seed: int) -> None:
    """Random bodies over arguments that repeat, spread, are constant or not read."""
    rng = random.Random(seed)
    pool: tuple[Expr, ...] = (u, v, s, b, rate, constant(2), constant(sympy.Rational(-3, 7)), MatVec(S, u))
    args = tuple(rng.choice(pool) for _ in range(rng.randint(1, 6)))
    body: sympy.Expr = sympy.Integer(rng.randint(-2, 2))
    for _ in range(rng.randint(1, 7)):
        term = arg(rng.randrange(len(args))) * rng.choice((1, -1, sympy.tanh(arg(rng.randrange(len(args))))))
        body = rng.choice((body + term, body * term, term - body))
    node = elementwise(body, args, ("n",))
    columns = [entries(a) if a.shape else entries(a) * SIZES["n"] for a in args]
    expected = [
        body.xreplace({arg(j): column[i] for j, column in enumerate(columns)}) for i in range(SIZES["n"])
    ]
    assert node.shape == ("n",) and agree(entries(node), expected)
    if isinstance(node, Map):
        assert len(set(node.args)) == len(node.args)
        assert node.body.free_symbols == {arg(i) for i in range(len(node.args))}
        assert not any(isinstance(a, Map) and not a.args for a in node.args)


def test_a_total_counts_the_components_of_a_constant() -> None:
    assert total(u) == Reduce("sum", u)
    assert total(constant(sympy.Rational(1, 2), ("n",))) == constant(size_symbol("n") / 2)


def test_zero_is_the_constant_and_nothing_else() -> None:
    assert is_zero(constant(0)) and is_zero(constant(0, ("n",)))
    assert not any(is_zero(node) for node in (constant(1), u, W, Reduce("sum", constant(0, ("n",)))))


# ----------------------------------------------------------------------------- nodes as values


@pytest.mark.parametrize("node", NODES, ids=lambda node: type(node).__name__)
def test_a_node_rebuilt_over_its_children_is_the_same(node: Expr) -> None:
    assert node.rebuild(node.children) == node
    assert transform(node, lambda n: n) == node
    assert hash(node.rebuild(node.children)) == hash(node)
    with pytest.raises(FrozenInstanceError):
        node.shape = ("m",)


@pytest.mark.parametrize("leaf", [u, W])
def test_a_leaf_has_no_children(leaf: Expr) -> None:
    with pytest.raises(TypeError, match=f"{type(leaf).__name__} has no children"):
        leaf.rebuild((u,))


def test_what_distinguishes_two_nodes() -> None:
    assert replace(u, lag=-1) != u != replace(u, role=Role.COTANGENT)
    assert MatVec(S, u) != MatVec(S, u, transposed=True)
    assert Outer(u, v) != Outer(v, u)
    assert Reduce("sum", u) != Reduce("max", u)
    alike: Expr = Symbol("W", ("n", "m"))
    assert alike != W
    assert constant(0) != constant(0, ("n",))


def test_a_rebuilt_map_is_in_normal_form() -> None:
    node = elementwise(lambda p, q: p * q, (u, v))
    assert node.rebuild((u, u)) == elementwise(lambda p: p**2, (u,))
    assert node.rebuild((constant(0, ("n",)), v)) == constant(0, ("n",))


# ----------------------------------------------------------------------------- walking

DEEP = Outer(MatVec(S, elementwise(lambda p, q: p * q, (u, b))), MatVec(W, v, transposed=True))


def test_parents_come_first_and_matrices_are_parameters() -> None:
    seen = list(walk(DEEP))
    for node in seen:
        assert all(seen.index(node) < seen.index(child) for child in node.children)
    assert list(symbols(DEEP)) == [u, v]
    assert list(parameters(DEEP)) == [S, b, W]


def test_children_are_transformed_before_their_parents() -> None:
    order: list[Expr] = []

    def note(node: Expr) -> Expr:
        order.append(node)
        return node

    transform(DEEP, note)
    for node in order:
        assert all(order.index(child) < order.index(node) for child in node.children)
    swapped = transform(DEEP, lambda n: v if n == u else n)
    assert list(symbols(swapped)) == [v] and swapped.shape == DEEP.shape


@pytest.mark.parametrize("node", NODES, ids=lambda node: type(node).__name__)
def test_shifting_moves_every_time_index_and_nothing_else(node: Expr) -> None:
    later = shifted(node, 2)
    assert [x.lag for x in symbols(later)] == [x.lag + 2 for x in symbols(node)]
    assert list(parameters(later)) == list(parameters(node)) and later.shape == node.shape
    assert shifted(later, -2) == node
    moved = zip(symbols(later), symbols(node), strict=True)
    assert entries(later, {after: variables(before) for after, before in moved}) == entries(node)


def test_the_point_of_these_tests_is_not_degenerate() -> None:
    """No component is 0 and no two are equal."""
    drawn = [value(x) for leaf in (u, v, w, s, W, S, b, delta) for x in variables(leaf)]
    assert 0 not in drawn and len(set(drawn)) == len(drawn)
