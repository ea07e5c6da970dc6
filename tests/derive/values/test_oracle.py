"""The oracle of every displayed equality: against sympy.diff, and shown to be independent of the adjoint."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import sympy

from chalkgrad.derive.cells.modelfile import builtin_names, load
from chalkgrad.derive.claims.equality import Equality
from chalkgrad.derive.claims.formula import At, Constant, Of, Partial, Plus, Product, Turned, Values, Weights
from chalkgrad.derive.deriving.derivation import LOSS, OUTSIDE, Derivation, bptt
from chalkgrad.derive.deriving.extent import extent
from chalkgrad.derive.errors import DerivationError, ShapeError
from chalkgrad.derive.terms.algebra import Parameter, Role, Symbol, elementwise
from chalkgrad.derive.values.expand import symbols, unroll
from chalkgrad.derive.values.grid import Grid, beside, stacked
from chalkgrad.derive.values.oracle import Oracle, ParameterAt, ValueAt, distinct_sizes, oracles
from chalkgrad.derive.values.points import at_point, draw
from chalkgrad.derive.values.reals import number, tape
from chalkgrad.derive.values.walk import Walk, named_equations
from tests.chosen import some

SIZES = {"n_x": 2, "n_a": 2, "n_y": 2}


def at_random(derivation: Derivation, T: int) -> tuple[Oracle, dict[sympy.Symbol, sympy.Rational]]:
    """An oracle and the point that it is at."""
    at = extent(derivation, T, SIZES, lambda _: 2)
    names = symbols(derivation, at)
    point = dict(draw(names, random.Random(3), modest=False))
    return Oracle(derivation, at_point(names, lambda s: point[s]), at, 40, LOSS), point


@pytest.mark.parametrize("h", some(["sigmoid", "softmax", "identity"], "softmax".__eq__))
def test_slopes_are_those_of_the_expanded_loss(h: str) -> None:
    """Total derivatives by parameters, inputs and the initial state, against sympy.diff."""
    derivation = bptt(load("vanilla", h=h))
    oracle, point = at_random(derivation, 2)
    u = unroll(derivation.model, 2, SIZES)
    places = [(s, oracle.slope(ParameterAt(n))) for n, s in u.parameters.items()]
    places += [(s, oracle.slope(ValueAt("x", t))) for t, s in u.x.items()]
    places += [(s, oracle.slope(ValueAt(n, 0))) for n, s in u.initial.items()]
    wanted = [symbol for matrix, _ in places for symbol in matrix]
    found = [value for _, grid in places for value in grid.entries]
    run = tape([sympy.diff(u.loss, symbol) for symbol in wanted], list(point), oracle.real)
    expected = run(*(number(value, oracle.real) for value in point.values()))
    for one, other in zip(expected, found, strict=True):
        assert abs(one - other) < 1e-36 * max(1, abs(one))


def test_the_loss_by_its_output_is_the_documented_one() -> None:
    """∂L⟨t⟩/∂ŷ = (1 − y)/(1 − ŷ) − y/ŷ, though the stable loss never reads ŷ."""
    derivation = bptt(load("vanilla"))
    oracle, _ = at_random(derivation, 2)
    yhat, y = oracle.entries("yhat", 2).entries, oracle.entries("y", 2).entries
    found = oracle.slope(ValueAt("yhat", 2), 2, documented=True).entries
    for p, q, slope in zip(yhat, y, found, strict=True):
        assert abs((1 - q) / (1 - p) - q / p - slope) < 1e-36


def test_a_parameter_at_one_step_alone() -> None:
    """The total derivative is the sum over the steps at which the parameter moves."""
    derivation = bptt(load("lstm"))
    oracle = oracles(derivation, 3, points=1)[0]
    whole = oracle.slope(ParameterAt("W_fa")).entries
    parts = [oracle.slope(ParameterAt("W_fa", t)).entries for t in (1, 2, 3)]
    assert all(abs(sum(p) - w) < 1e-38 for w, p in zip(whole, zip(*parts, strict=True), strict=True))
    assert all(any(p) for p in parts)


@pytest.mark.parametrize("name", builtin_names())
def test_it_does_not_read_the_adjoint_equations(name: str) -> None:
    """Without any of them the derivatives stay what they were."""
    derivation = bptt(load(name))
    bare = replace(derivation, phases=tuple(replace(p, adjoint=()) for p in derivation.phases))
    one, other = (oracles(d, 2, points=1)[0] for d in (derivation, bare))
    for parameter in derivation.schedule.parameters:
        slopes = [o.slope(ParameterAt(parameter.name)) for o in (one, other)]
        assert slopes[0] == slopes[1]


@pytest.mark.parametrize("architecture", ["many-to-many", "many-to-one", "one-to-many", "encoder-decoder"])
@pytest.mark.parametrize("towards", [LOSS, OUTSIDE])
def test_the_recurrence_gives_the_same(architecture: str, towards: str) -> None:
    """δ of every state by the walk backwards, and by the oracle."""
    derivation = bptt(load("gru", architecture=architecture))
    oracle = oracles(derivation, None, points=1, towards=towards)[0]
    walk = oracle._model
    walk = Walk(derivation, named_equations(derivation), oracle.extent, walk._numbers, oracle._data)
    outside = {key: oracle.outside(*key) for key in oracle._brought_keys}
    pulled = walk.backward(towards, outside)
    for name, tensor in pulled.parameters.items():
        found = oracle.slope(ParameterAt(name)).entries
        assert all(abs(a - b) < 1e-35 * max(1, abs(a)) for a, b in zip(tensor.entries, found, strict=True))


def test_stacked_values_hold_each_other() -> None:
    """∂a⟨t⟩/∂c⟨t−1⟩ with a⟨t−1⟩ held, not through it: J of a stack multiplies step by step."""
    derivation = bptt(load("lstm"))
    at = At(oracles(derivation, 3, points=1)[0])
    s = [Values(("c", "a"), t) for t in range(4)]
    long = Partial(s[3], s[1]).value(at)
    product = Product((Partial(s[3], s[2]), Partial(s[2], s[1]))).value(at)
    assert max(abs(a - b) for a, b in zip(long.entries, product.entries, strict=True)) < 1e-36
    held, total = Partial(s[3], s[1], only="c").value(at), Partial(s[3], Values(("c",), 1)).value(at)
    assert held != total


def test_equalities_can_fail() -> None:
    derivation = bptt(load("vanilla"))
    oracle = oracles(derivation, 3, points=1)[0]
    a = Of(Symbol("a", ("n_a",)), 2)
    delta = Of(Symbol("a", ("n_a",), 0, Role.COTANGENT), 2)
    twice = Of(elementwise(lambda v: 2 * v, (Symbol("a", ("n_a",)),)), 2)
    assert Equality(Plus((a, a)), twice).difference(oracle) < 1e-38
    assert Equality(Plus((a, delta)), twice).difference(oracle) > 1e-3
    with pytest.raises(ShapeError, match="expected"):
        Equality(a, Turned(a)).difference(oracle)
    with pytest.raises(ShapeError, match="a product: expected 3 rows"):
        Product((Of(Parameter("W_aa", ("n_a", "n_a")), 1), Constant(sympy.Integer(1), ("n_x",)))).value(
            At(oracle)
        )
    with pytest.raises(DerivationError, match="yhat: expected a step that has it, found 7"):
        oracle.entries("yhat", 7)
    nothing = Partial(Values(("a",), 1), Weights("W_ya")).value(At(oracle))
    assert nothing.shape == (3, 12) and not any(nothing.entries)


def test_grids() -> None:
    one, two = Grid(1, 2, (1, 2)), Grid(2, 2, (3, 4, 5, 6))
    assert stacked([one, two]) == Grid(3, 2, (1, 2, 3, 4, 5, 6))
    assert beside([one.turned, two]) == Grid(2, 3, (1, 3, 4, 2, 5, 6))
    with pytest.raises(ShapeError):
        stacked([one, two.turned, one.turned])


def test_sizes_differ() -> None:
    """No two sizes are equal by chance; those that are tied are."""
    assert len(set(distinct_sizes(bptt(load("vanilla"))).values())) == 3
    fed = distinct_sizes(bptt(load("vanilla", architecture="one-to-many", feed="output")))
    assert fed["n_x"] == fed["n_y"] != fed["n_a"]
