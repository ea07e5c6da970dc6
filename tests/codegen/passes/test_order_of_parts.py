"""Which parts of a loop come after which: a graph of uses in their order says what all pairs would."""

from __future__ import annotations

import random
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from chalkgrad.codegen.passes.distribute import Graph, _after, _in_order, _Part, _turned
from chalkgrad.codegen.program.ir import Arg, Assign, Call, Elementwise, Ref, Scalar

Pairs = dict[int, set[int]]

SEEDS = st.integers(0, 2**32)


def drawn(rng: random.Random) -> list[_Part]:
    """Parts that read and write few buffers at near steps; some of them terms of one sum."""
    parts: list[_Part] = []
    for number in range(rng.randint(2, 6)):
        target, accumulate = Ref(rng.choice("abc"), rng.choice((0, 0, -1))), rng.random() < 0.4
        for _ in range(rng.choice((1, 1, 2))):
            args = tuple(
                Ref(rng.choice("abcd"), rng.choice((0, 0, 0, -1, 1))) for _ in range(rng.randint(0, 2))
            )
            body: Scalar = Arg(0)
            for i in range(1, len(args)):
                body = Call("add", (body, Arg(i)))
            parts.append(_Part(Assign(target, Elementwise(body, args, ("n",)), accumulate), number))
    return parts


def meeting(one: _Part, other: _Part) -> list[int]:
    """How many steps after `one` the `other` touches what one of them writes."""
    a, b = one.assign, other.assign
    commute = one.number == other.number or (a.accumulate and b.accumulate)
    found = [a.target.lag - b.target.lag] if a.target.buffer == b.target.buffer and not commute else []
    assert isinstance(a.value, Elementwise) and isinstance(b.value, Elementwise)
    refs = [[r for r in value.args if isinstance(r, Ref)] for value in (a.value, b.value)]
    found += [a.target.lag - r.lag for r in refs[1] if r.buffer == a.target.buffer]
    return found + [r.lag - b.target.lag for r in refs[0] if r.buffer == b.target.buffer]


def closed(after: Pairs) -> Pairs:
    for middle, start in product(after, after):
        if middle in after[start]:
            after[start] |= after[middle]
    return after


def pairwise(parts: list[_Part], reverse: bool) -> Pairs:
    """For each part all that comes after it, by looking at every pair."""
    after: Pairs = {i: set() for i in range(len(parts))}
    for i, j in product(after, after):
        if i == j:
            lags = [d for d in meeting(parts[i], parts[i]) if d]
            after[i] |= {i} if lags else set()
        for distance in meeting(parts[i], parts[j]) if i < j else ():
            forwards = distance <= 0 if reverse else distance >= 0
            after[i if forwards else j].add(j if forwards else i)
    return closed(after)


def reached(graph: Graph) -> Pairs:
    return closed({node: set(later) for node, later in enumerate(graph)})


@given(SEEDS)
def test_the_graph_says_what_all_pairs_do(seed: int) -> None:
    rng = random.Random(seed)
    parts, reverse = drawn(rng), bool(seed % 2)
    own = set(range(len(parts)))
    graph, expected = _after(parts, reverse), pairwise(parts, reverse)
    assert {i: later & own for i, later in reached(graph).items() if i in own} == expected

    everything, circles = set(range(len(graph))), {i for i in own if i in expected[i]}
    behind = {i for c in circles for i in expected[c]}
    assert set(_in_order(everything, graph, everything)) & own == own - behind
    needed = {i for i in own if expected[i] & circles}
    assert set(_in_order(everything, _turned(graph), everything)) & own == own - needed


@given(SEEDS)
def test_members_stand_behind_what_they_wait_for_and_else_in_their_order(seed: int) -> None:
    rng = random.Random(seed)
    parts = drawn(rng)
    graph, expected = _after(parts, False), pairwise(parts, False)
    within = set(_in_order(set(range(len(graph))), graph, set(range(len(graph)))))
    members = {i for i in range(len(parts)) if i in within and rng.random() < 0.8}
    left, order = sorted(members), list[int]()
    while left:
        order.append(next(i for i in left if not any(i in expected[j] for j in left)))
        left.remove(order[-1])
    assert _in_order(members, graph, within) == order
