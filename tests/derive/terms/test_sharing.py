"""Expressions are DAGs: a part that stands in many places is walked, hashed, compared and written once."""

from __future__ import annotations

import pickle
from collections import Counter
from dataclasses import fields

from chalkgrad.derive.terms.algebra import (
    Expr,
    MatVec,
    Parameter,
    Reduce,
    Symbol,
    elementwise,
)
from chalkgrad.derive.terms.softmax import softmax
from chalkgrad.derive.terms.trees import folded, transform, upwards, walk
from chalkgrad.derive.writing.expressions import expr_node
from tests.growth import MOST, growth

z = Symbol("z", ("n",))
W = Parameter("W", ("n", "n"))
DEPTH = 60  # as a tree it has more nodes than could be counted


def nested(depth: int = DEPTH) -> Expr:
    """W softmax(W softmax(…)): five nodes more each time, and four times as many ways down."""
    node: Expr = z
    for _ in range(depth):
        node = MatVec(W, softmax(node))
    return node


def test_each_distinct_node_is_walked_once() -> None:
    nodes = list(walk(nested()))
    assert nodes[0] == nested() and len(nodes) == len(set(nodes)) == 1 + 5 * DEPTH
    assert sum(isinstance(node, Reduce) for node in nodes) == 2 * DEPTH


def test_upwards_gives_the_same_nodes_children_first() -> None:
    order = list(upwards(nested()))
    assert len(order) == len(set(order)) and set(order) == set(walk(nested()))
    place = {node: number for number, node in enumerate(order)}
    assert all(place[child] < place[node] for node in order for child in node.children)


def test_what_is_met_first_comes_first() -> None:
    one, other = Reduce("sum", z), Reduce("max", z)
    both = elementwise(lambda a, b, c: a * b + c, (other, z, one))
    assert list(walk(both)) == [both, other, z, one]
    assert list(upwards(both)) == [z, other, one, both]


def test_a_change_is_applied_to_each_distinct_node_once() -> None:
    met: Counter[Expr] = Counter()

    def note(node: Expr) -> Expr:
        met[node] += 1
        return node

    assert transform(nested(), note) == nested()
    assert set(met.values()) == {1} and len(met) == 1 + 5 * DEPTH


def test_folding_counts_the_ways_down_without_going_them() -> None:
    assert folded(nested(), lambda node, ways: sum(ways) or 1) == 4**DEPTH


def test_the_work_grows_with_the_nodes() -> None:
    """Hashing, comparing two that were built apart, transforming, writing."""
    runs = {
        "built": nested,
        "compared": lambda depth: nested(depth) == nested(depth),
        "told apart": lambda depth: nested(depth) == MatVec(W, nested(depth)),
        "transformed": lambda depth: transform(nested(depth), lambda node: node),
        "written": lambda depth: expr_node(nested(depth)),
    }
    for name, run in runs.items():
        assert growth(lambda n, run=run: lambda: run(n), 20) < MOST, name  # type: ignore[misc]


def test_a_pickle_has_the_fields_alone() -> None:
    """Hashes of texts differ between processes."""
    node = nested(3)
    assert hash(node) == hash(nested(3)) and node == nested(3)
    again = pickle.loads(pickle.dumps(node))
    assert vars(again).keys() == {field.name for field in fields(node)}  # type: ignore[arg-type]
    assert again == node and hash(again) == hash(node)


def test_nodes_of_two_kinds_with_the_same_fields_differ() -> None:
    assert Symbol("W", ("n",)) != Parameter("W", ("n",)) and z != "z"
    assert {z: 1}.get(Parameter("z", ("n",))) is None  # type: ignore[call-overload]
