"""The proof: every derived gradient against `sympy.diff`, and planted mistakes that it has to find."""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
import sympy

import derive
from derive.algebra import elementwise
from derive.derivation import Adjoint, Derivation, Term
from derive.zero import is_identically_zero

HEADS = tuple(product(("tanh", "relu"), ("sigmoid", "softmax", "identity"), derive.LOSSES))
LAYOUTS = (
    ("one-to-one", "none"),
    ("many-to-one", "none"),
    *product(("one-to-many", "encoder-decoder"), derive.FEEDS),
)


@pytest.mark.parametrize(("g", "h", "loss"), HEADS)
def test_every_head_of_the_vanilla_network(g: str, h: str, loss: str) -> None:
    report = derive.prove(derive.load("vanilla", g=g, h=h, loss=loss))
    assert report, str(report)


@pytest.mark.parametrize(("architecture", "feed"), LAYOUTS)
def test_every_architecture(architecture: str, feed: str) -> None:
    h = "softmax" if feed == "output" else "sigmoid"
    report = derive.prove(derive.load("vanilla", h=h, architecture=architecture, feed=feed))
    assert report, str(report)


@pytest.mark.parametrize(
    ("name", "h"),
    [("gru", "sigmoid"), ("gru_reset_after", "sigmoid"), ("lstm", "softmax"), ("vanilla_stacked", "softmax")],
)
def test_every_model(name: str, h: str) -> None:
    report = derive.prove(derive.load(name, h=h))
    assert report, str(report)


@pytest.mark.parametrize(("g", "architecture"), [("tanh", "many-to-one"), ("relu", "one-to-one")])
def test_different_sizes_along_random_lines(
    g: str, architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["derive.prove"], "DIFFERENTIATE_BELOW", 100)
    model = derive.load("vanilla", g=g, h="softmax", architecture=architecture)
    report = derive.prove(model, sizes={"n_x": 1, "n_a": 2, "n_y": 3})
    assert report, str(report)
    assert {e.how for e in report.entries} == {"3 points, 50 digits"}


def test_three_steps_are_identical_where_the_difference_is_short() -> None:
    report = derive.prove(derive.load("vanilla"), T=3)
    assert report.ok
    found = {e.name: e.how for e in report.entries}
    assert set(found) == {"loss", "W_aa", "W_ax", "b_a", "W_ya", "b_y", "x", "a0"}
    assert found["W_ya"] == "identical" and found["loss"] == "3 points, 50 digits"


def negated(d: Derivation, target: str, term: int) -> Derivation:
    """The derivation with the sign of one term flipped wherever `target` receives it."""

    def flip(equation: Adjoint) -> Adjoint:
        terms = list(equation.terms)
        terms[term] = replace(terms[term], expr=elementwise(lambda v: -v, (terms[term].expr,)))
        return replace(equation, terms=tuple(terms))

    phases = tuple(
        replace(p, adjoint=tuple(flip(e) if e.target.name == target else e for e in p.adjoint))
        for p in d.phases
    )
    return replace(d, phases=phases)


@pytest.mark.parametrize(
    ("target", "term", "right"),
    [
        ("a", 2, {"W_ya", "b_y", "loss"}),
        ("a", 1, {"W_ya", "b_y", "loss"}),
        ("z_a", 0, {"W_ya", "b_y", "loss"}),
        ("z_yhat", 0, {"loss"}),
        ("x", 0, {"loss", "W_aa", "W_ax", "b_a", "W_ya", "b_y", "a0"}),
    ],
)
def test_a_flipped_sign_is_found(target: str, term: int, right: set[str]) -> None:
    report = derive.prove(negated(derive.bptt(derive.load("vanilla")), target, term), T=3)
    assert not report and not report.ok
    assert {e.name for e in report.entries if e.ok} == right
    assert "WRONG" in str(report)


def test_a_lost_path_is_found() -> None:
    d = derive.bptt(derive.load("vanilla"))

    def without_recurrence(e: Adjoint) -> Adjoint:
        return replace(e, terms=tuple(t for t in e.terms if not t.lag))

    phases = tuple(replace(p, adjoint=tuple(map(without_recurrence, p.adjoint))) for p in d.phases)
    report = derive.prove(replace(d, phases=phases))
    assert {e.name for e in report.entries if not e.ok} == {"W_aa", "W_ax", "b_a", "x", "a0"}


def test_a_wrong_forward_equation_is_found() -> None:
    d = derive.bptt(derive.load("vanilla", h="softmax"))
    phase = d.phases[0]
    forward = tuple(
        replace(f, value=elementwise(lambda v: 2 * v, (f.value,))) if f.target.name == "L" else f
        for f in phase.forward
    )
    report = derive.prove(replace(d, phases=(replace(phase, forward=forward),)))
    assert [e.name for e in report.entries if not e.ok] == ["loss"]


def test_a_wrong_sum_over_time_is_found() -> None:
    d = derive.bptt(derive.load("vanilla"))
    first, *rest = d.parameter_gradients
    wrong = replace(first, sums=(*first.sums, *first.sums))
    report = derive.prove(replace(d, parameter_gradients=(wrong, *rest)))
    assert [e.name for e in report.entries if not e.ok] == [first.name]


def test_report_prints_a_table() -> None:
    report = derive.prove(derive.load("vanilla"))
    lines = str(report).splitlines()
    assert lines[0] == "vanilla, many-to-many: T = 2, n_x = 1, n_a = 1, n_y = 1"
    assert lines[1].split() == ["gradient", "compared", "largest", "difference"]
    assert lines[3].split() == ["W_aa", "identical", "0"]
    assert len(lines) == 3 + len(report.entries)


def test_the_same_seed_gives_the_same_report() -> None:
    model = derive.load("gru")
    assert derive.prove(model, T=1, seed=3) == derive.prove(model, T=1, seed=3)


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ({"points": 2}, "points: expected at least 3"),
        ({"digits": 20}, "digits: expected at least 50"),
        ({"T": (1, 2)}, "T: expected a positive integer"),
    ],
)
def test_wrong_choices(arguments: dict[str, Any], found: str) -> None:
    with pytest.raises(derive.ChoiceError, match=found):
        derive.prove(derive.load("vanilla"), **arguments)


def test_a_loss_too_large_to_expand_is_refused() -> None:
    with pytest.raises(derive.DerivationError, match="fewer than 1000000 operations, found about"):
        derive.prove(derive.load("gru"), T=5, sizes={"n_x": 3, "n_a": 4, "n_y": 2})


def test_zero_is_recognised_and_only_zero() -> None:
    x, y = sympy.symbols("x y", real=True)
    relu = sympy.Piecewise((0, x * y <= 0), (x * y, True))
    for expr in (
        sympy.exp(x + 2 * y) - sympy.exp(x) * sympy.exp(y) ** 2,
        1 / (1 + sympy.exp(-x)) - sympy.exp(x) / (1 + sympy.exp(x)),
        (1 - sympy.tanh(x)) * (1 + sympy.tanh(x)) - 1 + sympy.tanh(x) ** 2,
        relu.diff(x) - sympy.Piecewise((0, x * y <= 0), (y, True)),
    ):
        assert is_identically_zero(expr), expr
        assert not is_identically_zero(expr + sympy.Rational(1, 10**30))
        assert not is_identically_zero(expr + relu)


def test_terms_are_what_the_flip_expects() -> None:
    """δa has the cotangent from outside, the output and the next step, in this order."""
    d = derive.bptt(derive.load("vanilla"))
    (terms,) = (e.terms for e in d.phases[0].adjoint if e.target.name == "a")
    assert [(type(t), t.lag) for t in terms] == [(Term, 0), (Term, 0), (Term, 1)]
