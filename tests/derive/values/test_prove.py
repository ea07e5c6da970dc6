"""The proof: every derived gradient against `sympy.diff`, and planted mistakes that it has to find."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import sympy

import derive.values.prove
from chalkgrad import derive
from chalkgrad.derive.deriving.derivation import Adjoint, Derivation, Term
from chalkgrad.derive.terms.algebra import elementwise
from chalkgrad.derive.terms.zero import is_identically_zero
from tests.chosen import diagonal, some
from tests.promises import Promise

HEADS = (("tanh", "relu"), ("sigmoid", "softmax", "identity"), derive.LOSSES)
LAYOUTS = (
    ("one-to-one", "none"),
    ("many-to-one", "none"),
    *product(("one-to-many", "encoder-decoder"), derive.FEEDS),
)


FEW_LAYOUTS = (LAYOUTS[1], ("one-to-many", "target"), ("encoder-decoder", "output"))
MODELS = (
    ("gru", "sigmoid"),
    ("gru_reset_after", "sigmoid"),
    ("lstm", "softmax"),
    ("vanilla_stacked", "softmax"),
)
LARGE: tuple[tuple[str, dict[str, str], derive.Steps], ...] = (
    ("gru", {"h": "softmax"}, 5),
    ("gru_reset_after", {"loss": "squared_error"}, 4),
    ("lstm", {"architecture": "many-to-one"}, 6),
    ("vanilla_stacked", {"architecture": "one-to-many", "feed": "output"}, 5),
    ("lstm", {"architecture": "encoder-decoder", "feed": "output", "h": "softmax"}, (3, 4)),
)


def hold(promise: Promise, report: derive.Report) -> None:
    """Every gradient of the report is right."""
    wrong = [entry for entry in report.entries if not entry.ok]
    promise.none("gradients that are not those of sympy.diff", wrong, len(report.entries))
    assert report, str(report)


@pytest.mark.parametrize("g, h, loss", diagonal(*HEADS))
def test_every_head_of_the_vanilla_network(g: str, h: str, loss: str, promise: Promise) -> None:
    hold(promise, derive.prove(derive.load("vanilla", g=g, h=h, loss=loss)))


@pytest.mark.parametrize("architecture, feed", some(LAYOUTS, FEW_LAYOUTS.__contains__))
def test_every_architecture(architecture: str, feed: str, promise: Promise) -> None:
    h = "softmax" if feed == "output" else "sigmoid"
    hold(promise, derive.prove(derive.load("vanilla", h=h, architecture=architecture, feed=feed)))


@pytest.mark.parametrize("name, h", some(MODELS, MODELS[:1].__contains__))
def test_every_model(name: str, h: str, promise: Promise) -> None:
    hold(promise, derive.prove(derive.load(name, h=h)))


def test_different_sizes_written_out_and_forwards(monkeypatch: pytest.MonkeyPatch) -> None:
    model = derive.load("vanilla", h="softmax", architecture="many-to-one")
    written_out, forwards = "3 points, 50 digits", "3 points, 50 digits, forwards"
    for limit, hows in ((4000, {"identical", written_out}), (100, {forwards})):
        monkeypatch.setattr(derive.values.prove, "EXPAND_BELOW", limit)
        report = derive.prove(model, sizes={"n_x": 1, "n_a": 2, "n_y": 3})
        assert report, str(report)
        assert {e.how for e in report.entries} <= hows


@pytest.mark.parametrize("name, choices, T", some(LARGE, lambda case: case[0].startswith("gru")))
def test_networks_too_large_to_write_out(
    name: str, choices: dict[str, str], T: derive.Steps, promise: Promise
) -> None:
    sizes = {"n_a": 3, "n_y": 2} | ({"n_d": 2} if name == "vanilla_stacked" else {})
    report = derive.prove(derive.load(name, **choices), T, sizes)
    hold(promise, report)
    assert {e.how for e in report.entries} == {"3 points, 50 digits, forwards"}


NORMALISED = """
name = "normalised"
[sizes]
n_x = "input features"
n_a = "hidden units"
[inputs]
x = ["n_x"]
[states]
a = ["n_a"]
[parameters]
U = ["n_a", "n_a"]
V = ["n_a", "n_x"]
s = ["n_a"]
[equations]
c = "U @ a[t-1] + V @ x"
d = "c - mean(c)"
a = "tanh(s * softmax(d) * d / sqrt(mean(square(d)) + 0.01))"
[output]
yhat = "softmax(a)"
"""


def test_a_cell_full_of_reductions(tmp_path: Path) -> None:
    (tmp_path / "normalised.toml").write_text(NORMALISED)
    report = derive.prove(derive.load(tmp_path / "normalised.toml"), sizes={"n_x": 2, "n_a": 3})
    assert report, str(report)


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
    report = derive.prove(negated(derive.bptt(derive.load("vanilla")), target, term), T=2)
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
    model = derive.load("vanilla", h="softmax")
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


def test_a_flipped_sign_is_found_in_a_network_too_large_to_write_out() -> None:
    wrong = negated(derive.bptt(derive.load("lstm", architecture="many-to-one")), "c", 1)
    report = derive.prove(wrong, T=4, sizes={"n_x": 2, "n_a": 3, "n_y": 2})
    right = {e.name for e in report.entries if e.ok}
    assert {"loss", "W_ya", "b_y"} <= right
    assert not right & {"W_ia", "W_fx", "b_k", "x", "c0"}


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
