"""Long claims: what is asked of a tree again and again is worked out once, and idle changes are not made."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import fields

import pytest
import sympy

from chalkgrad.derive.cells.modelfile import load
from chalkgrad.derive.checking.check import check
from chalkgrad.derive.checking.explaining.edits import leaves, runs
from chalkgrad.derive.checking.reading.tree import (
    Delta,
    Factors,
    Num,
    Over,
    Sum,
    Syntax,
    Turned,
    Value,
    Weight,
    at,
    places,
    product,
)
from chalkgrad.derive.terms.trees import walk
from tests.chosen import some

N = 400
HALF = Num(sympy.Rational(1, 2))
DELTA = Delta("a", at("t"))


def long(sign: str) -> Syntax:
    """½ … ½ δ."""
    return product(sign, [*[HALF] * N, DELTA])


def test_runs_without_a_value_are_not_gone_through() -> None:
    """Of the N² / 2 runs of factors those that end with the only δ, and the two parts that hold it."""
    side = long("*")
    found = list(runs(side))
    assert len(found) == 1 + N and all(leaves(node) == [DELTA] for node, _ in found)
    node, put_back = found[N // 2]
    assert put_back(node) != side and put_back(DELTA).size < side.size


def test_a_run_takes_its_place() -> None:
    v, w = Value("a", at("t")), Value("b", at("t"))
    side = Factors(v, (("*", HALF), ("*", w)))
    parts = [(node, put_back(HALF)) for node, put_back in runs(side)]
    assert parts == [
        (side, HALF),
        (product("*", (v, HALF)), product("*", (HALF, w))),
        (product("*", (HALF, w)), product("*", (v, HALF))),
        (v, Factors(HALF, (("*", HALF), ("*", w)))),
        (w, Factors(v, (("*", HALF), ("*", HALF)))),
    ]


def test_size_and_free_letters() -> None:
    side = Over(Sum(((1, Turned(DELTA)), (-1, Value("a", at("k"))))), "t", at("s"), at("T"))
    assert side.size == sum(1 for _ in walk(side)) == 5
    assert side.free == {"k", "s", "T"} and side.inner.free == {"t", "k"}
    assert [node for _, node in places(side)] == list(walk(side))


@pytest.mark.parametrize("make", [lambda: long("*"), lambda: Over(long("@"), "t"), lambda: Weight("W_aa")])
def test_trees_are_equal_when_written_alike(make: Callable[[], Syntax]) -> None:
    one, other = make(), make()
    assert one is not other and one == other and hash(one) == hash(other)
    again = pickle.loads(pickle.dumps(one))
    assert vars(again).keys() == {field.name for field in fields(one)} and again == one


LONG = {
    "wrong product": ("0.5 * " * N + "delta_z_a[t]", False),
    "right product": ("sum_t " + "1 * " * N + "delta_z_a[t]", True),
    "wrong sum": ("sum_t (" + " + ".join(["delta_z_a[t]"] * 60) + ")", False),
}


@pytest.mark.parametrize("name", some(LONG, lambda name: name != "wrong sum"))
def test_long_claims_are_judged(name: str) -> None:
    right, correct = LONG[name]
    assert check(load("vanilla"), f"dL/db_a = {right}").correct is correct
