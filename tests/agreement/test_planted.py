"""One flipped sign in one adjoint equation shows in the LaTeX, the twin, the interpreter and the C alike."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from chalkgrad import codegen
from chalkgrad.codegen import Network
from chalkgrad.derive import Derivation
from chalkgrad.derive.deriving.derivation import OUTSIDE, Adjoint, Term
from chalkgrad.derive.terms.algebra import elementwise
from tests.agreement.backends import compiled, emitted, interface_of, interpreted, vector_programs
from tests.agreement.cases import Case, Setting, data_of, derivation_of
from tests.agreement.reference import beyond_its_condition, evaluated, far, loss_and_gradients

SETTING = Setting(n_x=5, n_a=4, n_d=6, n_y=3, T=4, T_xy=(3, 4), B=2)
VANILLA, LSTM = (
    Case("many-to-many", model, "sigmoid", "squared_error", "tanh", "float64", "loop", SETTING)
    for model in ("vanilla", "lstm")
)
Place = tuple[Case, str, int]
"""The case, the name whose adjoint equation it is, and the number of the term in it."""


def _terms(case: Case, *names: str) -> list[Place]:
    """Every term that the gradient of the loss needs, in the equations of these names or of all."""
    needed = {e.target.name for e in derivation_of(case).towards("loss").phases[0].adjoint}
    return [
        (case, e.target.name, n)
        for e in derivation_of(case).phases[0].adjoint
        if e.target.name in (names or needed)
        for n, term in enumerate(e.terms)
        if term.seed != OUTSIDE
    ]


PLACES = _terms(VANILLA) + _terms(LSTM, "c")


def _flipped(place: Place) -> Derivation:
    case, name, n = place
    derivation = derivation_of(case)
    (phase,) = derivation.phases

    def negated(term: Term) -> Term:
        return replace(term, expr=elementwise(lambda v: -v, (term.expr,), term.expr.shape))

    def changed(equation: Adjoint) -> Adjoint:
        if equation.target.name != name:
            return equation
        terms = tuple(negated(term) if i == n else term for i, term in enumerate(equation.terms))
        return replace(equation, terms=terms)

    return replace(derivation, phases=(replace(phase, adjoint=tuple(map(changed, phase.adjoint))),))


@cache
def _compiled() -> dict[Place, Network]:
    emitting = (emitted(place[0], f"planted_{n}", _flipped(place)) for n, place in enumerate(PLACES))
    return dict(zip(PLACES, compiled(emitting, "quick"), strict=True))


def _network(place: Place, backend: str) -> Network:
    match backend:
        case "twin":
            return codegen.numpy_twin(_flipped(place))
        case "c":
            return _compiled()[place]
        case _:
            return interpreted(vector_programs(_flipped(place)), interface_of(place[0]), backend)


EVERY_PLACE = pytest.mark.parametrize(
    "place",
    [
        pytest.param(
            p,
            id=f"{p[0].model}-{p[1]}-{p[2]}",
            marks=[pytest.mark.xdist_group("planted"), *([] if n % 2 == 0 else [pytest.mark.full])],
        )
        for n, p in enumerate(PLACES)
    ],
)


def test_there_is_a_place_in_every_equation_of_the_adjoint() -> None:
    assert {name for case, name, _ in PLACES if case is VANILLA} >= {"a", "yhat", "x"}
    assert {n for case, name, n in PLACES if case is LSTM and name == "c"} == {1, 2}


@EVERY_PLACE
def test_the_latex_shows_it(place: Place) -> None:
    right, wrong = derivation_of(place[0]).latex().splitlines(), _flipped(place).latex().splitlines()
    changed = [line for line in wrong if line not in right]
    assert len(right) == len(wrong)
    assert changed and all(
        "-" in line or "-" in old for line, old in zip(wrong, right, strict=True) if line != old
    )


@EVERY_PLACE
@pytest.mark.parametrize("backend", ["twin", "vector", "loops", "c"])
def test_every_backend_computes_it(place: Place, backend: str) -> None:
    case = place[0]
    data = data_of(case)
    right, wrong = evaluated(case, data), evaluated(case, data, _flipped(place))
    found = loss_and_gradients(_network(place, backend), data, right.names)
    assert far(found, {"loss": wrong.loss, **wrong.gradients}, 1e-13) == {}
    off = far(found, {"loss": right.loss, **right.gradients}, 1e-13)
    assert max(off.values()) > 1e-2


@EVERY_PLACE
def test_no_condition_number_explains_it(place: Place) -> None:
    assert beyond_its_condition(place[0], codegen.numpy_twin(derivation_of(place[0]))) == {}
    assert beyond_its_condition(place[0], codegen.numpy_twin(_flipped(place))) != {}
