"""Definitions as named steps: in normal form, in order, with the meaning of the definitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
import sympy

from chalkgrad.derive.cells.model import Definition
from chalkgrad.derive.cells.parse import Scope, parse
from chalkgrad.derive.deriving.steps import Namer, Step, is_arithmetic, is_linear, name_steps
from chalkgrad.derive.terms.algebra import (
    Expr,
    Map,
    MatVec,
    Others,
    OthersPull,
    Outer,
    Parameter,
    Reduce,
    Symbol,
    arg,
    size_symbol,
    symbols,
)
from chalkgrad.derive.terms.functions import relu, sigmoid
from chalkgrad.derive.terms.trees import walk
from tests.derive.meaning import Known, agree, entries, number, numbers

p, q, r = arg(0), arg(1), arg(2)
Texts = Mapping[str, str]


def definitions(scope: Scope, texts: Texts) -> tuple[Definition, ...]:
    """Equations over the scope; each may read those before it."""
    values = dict(scope.values)
    found = []
    for name, text in texts.items():
        own = Scope("cell.toml", name, values, scope.states, scope.parameters, scope.functions, scope.written)
        value = parse(text, own)
        values[name] = Symbol(name, value.shape)
        found.append(Definition(name, value, text))
    return tuple(found)


def named(scope: Scope, texts: Texts, taken: Sequence[str] = ()) -> tuple[Step, ...]:
    return name_steps(definitions(scope, texts), Namer({*texts, *scope.values, *scope.parameters, *taken}))


def names(steps: Sequence[Step]) -> list[str]:
    return [step.target.name for step in steps]


# ----------------------------------------------------------------------------- the normal form


def is_atom(node: Expr) -> bool:
    return isinstance(node, (Symbol, Parameter))


def is_normal(value: Expr) -> bool:
    match value:
        case Symbol() | Parameter():
            return True
        case MatVec(vector=vector) | Reduce(vector=vector) | Others(vector=vector):
            return is_atom(vector)
        case Map(body=body, args=args):
            return all(
                is_atom(a) or (isinstance(a, MatVec) and is_atom(a.vector) and is_linear(body, i))
                for i, a in enumerate(args)
            )
        case _:
            return False


EQUATIONS: dict[str, Texts] = {
    "a name": {"e": "v"},
    "a parameter": {"e": "b"},
    "a constant": {"e": "3"},
    "a product": {"e": "W @ x"},
    "a pre-activation": {"e": "g(U @ a[t-1] + W @ x + b)"},
    "products of products": {"e": "U @ U.T @ (W @ x)"},
    "a product of a sum": {"e": "U @ (v + r * b)"},
    "gates": {"f": "sigmoid(U @ v + W @ x)", "e": "(1 - f) * v + f * g(U @ (r * v) + b)"},
    "a gated product": {"e": "r * (U @ v) + 2 * (U @ r) - (W @ x) / 3"},
    "a gated sum": {"e": "r * (U @ v + b)"},
    "a product in a denominator": {"e": "v / (2 + (U @ v) ** 2)"},
    "a square of a product": {"e": "(U @ v) ** 2"},
    "a softmax": {"e": "h(U @ v + b)"},
    "a softmax in arithmetic": {"e": "s * h(v) - r"},
    "a softmax of a softmax": {"e": "softmax(softmax(U @ v))"},
    "means": {"c": "v - mean(v)", "e": "c / sqrt(mean(square(c)) + 0.01)"},
    "a sum of a function": {"e": "sum(g(v) * r)"},
    "nested functions": {"e": "sin(exp(-square(g(U @ v))))"},
    "shared products": {"e": "g(U @ v) * sigmoid(U @ v) + U @ v"},
    "a shared function": {"e": "g(v) * r + g(v) ** 2"},
    "shared between equations": {"c": "g(U @ v)", "e": "r * g(U @ v)"},
    "an equation as part of another": {"c": "U @ v + b", "e": "g(U @ v + b)"},
    "the same equation twice": {"c": "g(v)", "e": "g(v)"},
    "scalars": {"e": "k * s + sum(v) * exp(k)"},
    "a spread function": {"e": "sigmoid(k) * v"},
    "division by a sum": {"e": "exp(v) / sum(exp(v))"},
    "both times": {"e": "g(a[t-1]) * v + v[t-1]"},
}


@pytest.mark.parametrize("texts", EQUATIONS.values(), ids=EQUATIONS)
def test_every_step_is_in_normal_form(scope: Scope, texts: Texts) -> None:
    assert all(is_normal(step.value) for step in named(scope, texts))


@pytest.mark.parametrize("texts", EQUATIONS.values(), ids=EQUATIONS)
def test_steps_mean_what_the_definitions_mean(scope: Scope, texts: Texts) -> None:
    expected: dict[Expr, list[sympy.Expr]] = {}
    for definition in definitions(scope, texts):
        target = Symbol(definition.name, definition.value.shape)
        expected[target] = numbers(definition.value, expected)
    known = worked_out(named(scope, texts))
    assert all(agree(known[target], expected[target]) for target in expected)


@pytest.mark.parametrize("texts", EQUATIONS.values(), ids=EQUATIONS)
def test_a_step_reads_only_what_is_there(scope: Scope, texts: Texts) -> None:
    """Each name is defined once, with the shape of its value, before it is read."""
    steps = named(scope, texts)
    assert len(set(names(steps))) == len(steps)
    assert names(steps)[-1] == "e" and [n for n in names(steps) if n in texts] == list(texts)
    ready = set(scope.values.values())
    for step in steps:
        assert step.target.shape == step.value.shape
        assert {s for s in symbols(step.value) if s.lag == 0} <= ready
        ready.add(step.target)


def worked_out(steps: Sequence[Step]) -> Known:
    known: dict[Expr, list[sympy.Expr]] = {}
    for step in steps:
        known[step.target] = [number(e) for e in entries(step.value, known)]
    return known


def test_the_check_of_the_normal_form_can_fail(scope: Scope) -> None:
    for text in ("g(U @ v)", "U @ (v + r)", "r * (U @ v)", "h(v)", "sum(v * r)", "v * g(r)"):
        assert not is_normal(parse(text, scope))


# ----------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({"e": "v"}, ["e"]),
        ({"e": "W @ x + b"}, ["e"]),
        ({"e": "g(W @ x + b)"}, ["z_e", "e"]),
        ({"e": "g(v)"}, ["e"]),
        ({"e": "h(U @ v)"}, ["z_e", "m_e", "u_e", "l_e", "e"]),
        ({"e": "r * g(v)"}, ["u_e", "e"]),
        ({"e": "U @ (r * v)"}, ["u_e", "e"]),
        ({"e": "v / sum(v)"}, ["s_e", "e"]),
        ({"e": "g(U @ v) * g(U @ r)"}, ["z_e", "u_e", "z_e2", "u_e2", "e"]),
        ({"c": "g(U @ v)", "e": "g(U @ r)"}, ["z_c", "c", "z_e", "e"]),
    ],
)
def test_names_say_what_a_value_is_for(scope: Scope, texts: Texts, expected: list[str]) -> None:
    assert names(named(scope, texts)) == expected


def test_a_name_that_is_taken_gets_a_number(scope: Scope) -> None:
    assert names(named(scope, {"e": "g(W @ x)"}, taken=["z_e"])) == ["z_e2", "e"]
    assert names(named(scope, {"z_e": "v", "e": "g(W @ x)"}, taken=["z_e2"])) == ["z_e", "z_e3", "e"]
    namer = Namer(["u"])
    assert [namer.fresh("u") for _ in range(2)] + [namer.fresh("l")] == ["u2", "u3", "l"]


# ----------------------------------------------------------------------------- what is shared


def applications(steps: Sequence[Step], kind: type) -> list[Expr]:
    return [n for step in steps for n in walk(step.value) if isinstance(n, kind)]


def test_a_product_that_is_read_twice_is_formed_once(scope: Scope) -> None:
    steps = named(scope, EQUATIONS["shared products"])
    assert len(applications(steps, MatVec)) == 1
    apart = named(scope, {"e": "g(U @ v) * sigmoid(U @ r)"})
    assert len(applications(apart, MatVec)) == 2


def test_a_function_that_is_read_twice_is_computed_once(scope: Scope) -> None:
    bodies = [s.value.body for s in named(scope, EQUATIONS["a shared function"]) if isinstance(s.value, Map)]
    assert sum(body.count(sympy.tanh) for body in bodies) == 1


def test_what_an_equation_has_named_is_read_by_that_name(scope: Scope) -> None:
    steps = named(scope, EQUATIONS["an equation as part of another"])
    assert names(steps) == ["c", "e"]
    assert list(symbols(steps[-1].value)) == [Symbol("c", ("n_a",))]
    again = named(scope, EQUATIONS["the same equation twice"])
    assert again[-1].value == Symbol("c", ("n_a",))


def test_cheap_arithmetic_is_repeated_rather_than_named(scope: Scope) -> None:
    steps = named(scope, {"c": "(1 - v) * r", "e": "(1 - v) * r + (1 - v) * b"})
    assert names(steps) == ["c", "e"]


def test_a_softmax_shares_one_maximum_and_one_normaliser(scope: Scope) -> None:
    steps = {s.target.name: s.value for s in named(scope, {"e": "h(v)"})}
    assert steps["m_e"] == Reduce("max", Symbol("v", ("n_a",)))
    assert steps["l_e"] == Reduce("logsumexp", Symbol("u_e", ("n_a",)))
    assert [s.name for s in symbols(steps["e"])] == ["u_e", "l_e"]


# ----------------------------------------------------------------------------- kinds of body


@pytest.mark.parametrize(
    ("body", "arithmetic"),
    [
        (p, True),
        (sympy.Integer(2), True),
        (p * q - r / 3, True),
        (p / (1 + q), True),
        (p**-2, True),
        (p / size_symbol("n"), True),
        (sympy.sqrt(p), False),
        (p ** sympy.Rational(-1, 2), False),
        (sympy.tanh(p), False),
        (1 + sigmoid(p), False),
        (relu(p), False),
        (sympy.Piecewise((p, p > 0), (0, True)), False),
        (2**p, False),
    ],
)
def test_arithmetic(body: sympy.Expr, arithmetic: bool) -> None:
    assert is_arithmetic(body) is arithmetic


@pytest.mark.parametrize(
    ("body", "linear"),
    [
        (p + q, (True, True)),
        (2 * p - q / 3, (True, True)),
        (p * q, (False, False)),
        (p / q, (False, False)),
        (p**2 + q, (False, True)),
        (p * size_symbol("n") + q, (False, True)),
        (sympy.tanh(p) + q, (False, False)),
    ],
)
def test_linear_means_a_constant_factor(body: sympy.Expr, linear: tuple[bool, bool]) -> None:
    """A size is a symbol: what it multiplies gets a name of its own."""
    assert (is_linear(body, 0), is_linear(body, 1)) == linear


@pytest.mark.parametrize("kind", [Outer, OthersPull])
def test_a_node_of_the_backward_pass_is_no_definition(kind: type[Outer | OthersPull]) -> None:
    vector = Symbol("v", ("n_a",))
    with pytest.raises(TypeError, match=f"{kind.__name__} cannot stand in a forward equation"):
        name_steps((Definition("e", kind(vector, vector), ""),), Namer(()))
