"""Stored values in place of work done twice: the same number at any point, and really the stored value."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
import sympy

from chalkgrad.derive.cells.modelfile import builtin_names, load
from chalkgrad.derive.deriving.adjoint import pull
from chalkgrad.derive.deriving.derivation import Phase, bptt
from chalkgrad.derive.deriving.reuse import Stored, reuse
from chalkgrad.derive.deriving.steps import Step
from chalkgrad.derive.terms.algebra import (
    Expr,
    Map,
    MatVec,
    Outer,
    Parameter,
    Reduce,
    Role,
    Symbol,
    arg,
    elementwise,
    symbols,
    total,
)
from chalkgrad.derive.terms.functions import relu, sigmoid, softplus
from chalkgrad.derive.terms.trees import transform, walk
from tests.derive.meaning import Known, agree, entries, number, numbers

z, p, q = (Symbol(name, ("n",)) for name in ("z", "p", "q"))
a, i = Symbol("a", ("n",)), Symbol("i", ("n",))
s, l = Symbol("s", ()), Symbol("l", ())  # noqa: E741
delta = Symbol("a", ("n",), 0, Role.COTANGENT)
S = Parameter("S", ("n", "n"))


def worked_out(steps: list[Step]) -> dict[Expr, list[sympy.Expr]]:
    """What every step's value is, the steps before it known."""
    known: dict[Expr, list[sympy.Expr]] = {}
    for step in steps:
        known[step.target] = [number(e) for e in entries(step.value, known)]
    return known


def same(one: Expr, other: Expr, known: Known) -> bool:
    return one.shape == other.shape and agree(numbers(one, known), numbers(other, known))


TANH, SIGMOID = elementwise(sympy.tanh, (z,)), elementwise(sigmoid, (z,))
SOFTMAX = elementwise(lambda u, n: sympy.exp(u - n), (z, l))
REUSED = {
    "1 - tanh²": (a, TANH, elementwise(lambda d, z: d * (1 - sympy.tanh(z) ** 2), (delta, z))),
    "σ - σ²": (i, SIGMOID, elementwise(lambda d, z: d * (sigmoid(z) - sigmoid(z) ** 2), (delta, z))),
    "softplus′": (i, SIGMOID, elementwise(lambda d, z: d * sympy.diff(softplus(z), z), (delta, z))),
    "among others": (a, TANH, elementwise(lambda p, z, q: p * sympy.tanh(z) - q, (p, z, q))),
    "in a quotient": (a, TANH, elementwise(lambda p, z: p / (2 + sympy.tanh(z)), (p, z))),
    "inside a function": (a, TANH, elementwise(lambda z: sympy.exp(sympy.tanh(z)), (z,))),
    "z stays where it is read": (a, TANH, elementwise(lambda d, z: d * z * sympy.tanh(z), (delta, z))),
    "arguments in another order": (
        i,
        elementwise(lambda p, q: sigmoid(2 * p - q), (p, q)),
        elementwise(lambda q, d, p: d * q * sigmoid(2 * p - q) ** 2, (q, delta, p)),
    ),
    "a scalar among them": (
        a,
        elementwise(lambda s, z: sympy.sin(s * z), (s, z)),
        elementwise(lambda d, s, z: d * s + sympy.sin(s * z) ** 2, (delta, s, z)),
    ),
    "softmax": (a, SOFTMAX, elementwise(lambda d, u, n: d * sympy.exp(u - n), (delta, z, l))),
    "a quotient": (a, elementwise(lambda p: 1 / (1 + p**2), (p,)),
                   elementwise(lambda d, p: -2 * d * p / (1 + p**2) ** 2, (delta, p))),
    "a root": (a, elementwise(lambda p: sympy.sqrt(1 + p**2), (p,)),
               elementwise(lambda d, p: d * p / sympy.sqrt(1 + p**2), (delta, p))),
}  # fmt: skip


@pytest.mark.parametrize(("target", "value", "node"), REUSED.values(), ids=REUSED)
def test_the_stored_value_is_read_and_nothing_changes(target: Symbol, value: Map, node: Map) -> None:
    steps = [Step(target, value)]
    changed = reuse(node, Stored(steps))
    assert target in symbols(changed) and changed != node
    assert same(changed, node, worked_out(steps))
    assert isinstance(changed, Map)
    assert not any(type(f) is value.body.func for f in changed.body.atoms(sympy.Function))


def test_what_is_read_for_the_stored_value_alone_is_gone() -> None:
    """δ ∗ (1 − tanh² z) needs a and no z any more."""
    changed = reuse(REUSED["1 - tanh²"][2], Stored([Step(a, TANH)]))
    assert changed == elementwise(lambda d, a: d * (1 - a**2), (delta, a))


def test_a_value_that_is_stored_as_it_stands_is_that_symbol() -> None:
    assert reuse(elementwise(sympy.diff(softplus(arg(0)), arg(0)), (z,)), Stored([Step(i, SIGMOID)])) == i


def test_two_stored_values_in_one_body() -> None:
    steps = [Step(a, TANH), Step(i, SIGMOID)]
    node = elementwise(lambda d, z: d * sigmoid(z) * (1 - sympy.tanh(z) ** 2), (delta, z))
    changed = reuse(node, Stored(steps))
    assert changed == elementwise(lambda d, a, i: d * i * (1 - a**2), (delta, a, i))
    assert same(changed, node, worked_out(steps))


def test_one_stored_value_inside_another() -> None:
    """e = exp(a) is found once a = tanh(z) is."""
    e = Symbol("e", ("n",))
    steps = [Step(a, TANH), Step(e, elementwise(sympy.exp, (a,)))]
    node = elementwise(lambda d, z: d * sympy.exp(sympy.tanh(z)), (delta, z))
    changed = reuse(node, Stored(steps))
    assert changed == elementwise(lambda d, e: d * e, (delta, e))
    assert same(changed, node, worked_out(steps))


# ----------------------------------------------------------------------------- what is left alone


@pytest.mark.parametrize(
    ("value", "node"),
    [
        (elementwise(lambda p, q: p * q, (p, q)), elementwise(lambda d, p, q: d * p * q, (delta, p, q))),
        (elementwise(lambda p, q: p + q, (p, q)), elementwise(lambda d, p, q: d * (p + q), (delta, p, q))),
        (elementwise(lambda p: 1 - p, (p,)), elementwise(lambda d, p: d * (1 - p), (delta, p))),
        (elementwise(lambda p: p**2, (p,)), elementwise(lambda d, p: d * p**2, (delta, p))),
        (TANH, elementwise(lambda d, z: d * sympy.sin(z), (delta, z))),
        (TANH, elementwise(lambda d, p: d * sympy.tanh(p), (delta, p))),
        (elementwise(sympy.tanh, (Symbol("z", ("n",), -1),)), elementwise(sympy.tanh, (z,))),
        (elementwise(relu, (z,)), elementwise(lambda d, z: d * sympy.diff(relu(z), z), (delta, z))),
        (total(z), elementwise(lambda d, z: d * z, (delta, z))),
        (MatVec(S, z), elementwise(lambda d, z: d * z, (delta, z))),
        (elementwise(lambda p, q: sympy.tanh(p + q), (p, q)), elementwise(lambda p: sympy.tanh(p), (p,))),
    ],
)
def test_what_has_no_stored_value_stays(value: Expr, node: Expr) -> None:
    """Sums and products among them: naming those would hide the rule and save nothing."""
    assert reuse(node, Stored([Step(a, value)])) == node


@pytest.mark.parametrize("node", [z, S, MatVec(S, z), Outer(delta, z), Reduce("sum", z)])
def test_other_nodes_are_returned_as_they_are(node: Expr) -> None:
    assert reuse(node, Stored([Step(a, TANH)])) is node


# ----------------------------------------------------------------------------- in derivations

CELLS = [(name, g, h) for name in builtin_names() for g, h in (("tanh", "sigmoid"), ("relu", "softmax"))]


def steps_of(phase: Phase) -> list[Step]:
    return [Step(f.target, f.value) for f in phase.forward]


def pulled(phase: Phase) -> Iterator[Expr]:
    """Every contribution of the step as its rule gives it, before any rewriting."""
    for step in steps_of(phase):
        if not (isinstance(step.value, Reduce) and step.value.kind == "max"):
            cotangent = Symbol(step.target.name, step.target.shape, 0, Role.COTANGENT)
            yield from (part.contribution for part in pull(step.value, cotangent, step.target))


@pytest.mark.parametrize(("name", "g", "h"), CELLS)
def test_every_contribution_of_a_cell_keeps_its_value(name: str, g: str, h: str) -> None:
    (phase,) = bptt(load(name, g=g, h=h, loss="binary_cross_entropy")).phases
    steps = steps_of(phase)
    known = worked_out(steps)
    changed = 0
    for before in pulled(phase):
        after = transform(before, lambda n: reuse(n, Stored(steps)) if isinstance(n, Map) else n)
        changed += after != before
        assert same(after, before, known)
    assert changed


@pytest.mark.parametrize(("name", "g", "h"), CELLS)
def test_no_function_of_the_forward_pass_is_computed_again(name: str, g: str, h: str) -> None:
    derivation = bptt(load(name, g=g, h=h))
    exprs = [t.expr for phase in derivation.phases for e in phase.adjoint for t in e.terms]
    exprs += [s.expr for gradient in derivation.parameter_gradients for s in gradient.sums]
    bodies = [node.body for expr in exprs for node in walk(expr) if isinstance(node, Map)]
    again = {f.func for body in bodies for f in body.atoms(sympy.Function)} - {sympy.Piecewise}
    assert bodies and not again


@pytest.mark.parametrize("known", [sympy.sqrt, lambda q: 1 / q, lambda q: q**-2])
def test_a_root_or_a_quotient_is_not_inverted_to_name_its_argument(
    known: Callable[[sympy.Expr], sympy.Expr],
) -> None:
    """δ ∗ q² stays: q is at hand, and k⁴ is NaN where q < 0."""
    d, q, k = (Symbol(name, ("n",)) for name in ("d", "q", "k"))
    node = elementwise(lambda d, q: d * q**2, (d, q))
    assert reuse(node, Stored([Step(k, elementwise(known, (q,)))])) == node


def test_a_number_is_not_read_off_a_vector_that_it_was_spread_over() -> None:
    spread = elementwise(sympy.tanh, (s,), ("n",))
    of_number = elementwise(lambda d, s: d * sympy.tanh(s), (l, s))
    assert reuse(of_number, Stored([Step(a, spread)])) == of_number
    of_vector = elementwise(lambda d, s: d * sympy.tanh(s), (delta, s))
    assert a in set(symbols(reuse(of_vector, Stored([Step(a, spread)]))))


# ----------------------------------------------------------------------------- work


def test_only_values_of_what_the_node_reads_are_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 300 stored values, those of arguments and functions that the node has, in the order of the steps."""
    tried: list[sympy.Expr] = []

    def noted(body: sympy.Expr, known: sympy.Expr, fresh: sympy.Symbol) -> sympy.Expr:
        tried.append(known)
        return body.subs(known, fresh)

    monkeypatch.setattr("derive.deriving.reuse._reading", noted)
    values = [Symbol(f"v{n}", ("n",)) for n in range(301)]
    steps = [Step(one, elementwise(sympy.tanh, (before,))) for before, one in itertools.pairwise(values)]
    stored = Stored([*steps, Step(a, elementwise(sympy.sin, (values[7],)))])
    node = elementwise(lambda d, v: d * sympy.tanh(sympy.tanh(v)), (delta, values[7]))
    assert reuse(node, stored) == elementwise(lambda d, v: d * v, (delta, values[9]))
    assert tried == [sympy.tanh(arg(1)), sympy.tanh(arg(1))]
