"""What a document prints, read back by the checker of formulas and judged again.

This guards what the numbers do not see: a letter, an index or a parenthesis that says something else than
the claim behind it. What the checker has no words for is left out: sums over components, dW, stacked
states, 1[z > 0], and δ of the loss of one step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import pytest
import sympy

from chalkgrad.derive.cells.model import YHAT
from chalkgrad.derive.cells.modelfile import load
from chalkgrad.derive.checking.check import check
from chalkgrad.derive.claims.equality import Equality
from chalkgrad.derive.deriving.derivation import Derivation, bptt
from chalkgrad.derive.documents.content import Wanted
from chalkgrad.derive.documents.tree import Document, Line
from chalkgrad.derive.documents.verified import general_steps
from chalkgrad.derive.errors import DeriveError
from chalkgrad.derive.terms.algebra import Role, exact
from chalkgrad.derive.values.oracle import oracles
from chalkgrad.derive.writing.expressions import t
from chalkgrad.derive.writing.latex import latex
from chalkgrad.derive.writing.tree import Derivative, Name, Node, Objective, joined, transform, walk
from chalkgrad.derive.writing.unicode import unicode
from tests.chosen import together
from tests.derive.documents.test_equalities import equations
from tests.derive.once import content

MODELS: dict[str, tuple[str, dict[str, str]]] = {
    "one-to-one": ("vanilla", {"architecture": "one-to-one", "h": "identity"}),
    "one-to-many": ("vanilla", {"architecture": "one-to-many", "feed": "output"}),
    "many-to-one": ("vanilla", {"architecture": "many-to-one", "loss": "cross_entropy"}),
    "many-to-many": ("vanilla", {}),
    "encoder-decoder": ("vanilla", {"architecture": "encoder-decoder", "feed": "output"}),
    "gru": ("gru", {"h": "identity"}),
    "gru_reset_after": ("gru_reset_after", {}),
    "lstm": ("lstm", {"loss": "squared_error"}),
    "vanilla_stacked": ("vanilla_stacked", {"h": "identity"}),
}
KEPT = ("one-to-one", "many-to-one", "many-to-many", "encoder-decoder")
every_model = pytest.mark.parametrize("model", together("round trip", MODELS, KEPT.__contains__))


@cache
def derivation(model: str) -> Derivation:
    name, choices = MODELS[model]
    return bptt(load(name, **choices))


@cache
def document(model: str) -> Document:
    return content(derivation(model), Wanted(pictures=False), "")


def lines(made: Document, key: str) -> Iterator[tuple[Line, Node, Node]]:
    """Every line of a section that claims something, with both of its sides in full."""
    section = next(s for s in made.sections if s.key == key)
    for block in equations(section.blocks):
        left: Node | None = None
        terms: list[Node] = []
        for line in block.lines:
            left = left if line.left is None else line.left
            terms = [*terms, line.right] if line.relation == "+" else [line.right]
            if line.equality is not None and left is not None:
                yield line, left, joined(terms)


Sides = tuple[Node, Node]


def at_every_step(derived: Derivation, claim: Equality, sides: Sides) -> Iterator[Sides]:
    """The sides with numbers for the steps, at each of those for which the line is said."""
    (oracle,) = oracles(derived, general_steps(derived), points=1)
    for at in claim.places(oracle):
        known = {k: sympy.Integer(v) for k, v in (oracle.extent.times | dict(at.indices)).items()}

        def numbered(node: Node, known: dict[sympy.Symbol, sympy.Integer] = known) -> Node:
            match node:
                case Name(name=name, step=step, role=role) if step is not None:
                    return Name(name, exact(step).xreplace(known), role)
                case Objective(name=name, step=step) if step is not None:
                    return Objective(name, exact(step).xreplace(known))
                case _:
                    return node

        yield transform(sides[0], numbered), transform(sides[1], numbered)


def is_of_the_stable_loss(derived: Derivation, sides: Sides) -> bool:
    """Whether a line means the loss in its stable form, as ∂⁺L/∂z_ŷ does, or what comes back to ŷ from later
    steps alone. In a claim L is a function of ŷ."""
    fed = YHAT in derived.carried
    for node in (n for side in sides for n in walk(side)):
        match node:
            case Derivative(of=Objective(), immediate=True):
                return True
            case Name(name="yhat", role=Role.COTANGENT) if fed:
                return True
    return False


def judged(derived: Derivation, left: Node, right: Node, print_: Callable[[Node], str] = latex) -> bool:
    text = f"{print_(left)} = {print_(right)}"
    report = check(derived, text, T=general_steps(derived))
    return report.correct and not any(" = 0" in condition for condition in report.conditions)


# ----------------------------------------------------------------------------- δ and gradients


def worked(model: str, key: str) -> list[tuple[Equality, Node, Node]]:
    """The equations with numbers, which are what the generator consumes, that the checker can read."""
    found = lines(document(model), key)
    return [(x.equality, *sides) for x, *sides in found if x.equality is not None and x.numbers]


@every_model
def test_every_adjoint_equation_is_judged_right(model: str) -> None:
    derived, count = derivation(model), 0
    for claim, *sides in worked(model, "backward"):
        if is_of_the_stable_loss(derived, (sides[0], sides[1])):
            continue
        for left, right in at_every_step(derived, claim, (sides[0], sides[1])):
            assert judged(derived, left, right), (latex(left), latex(right))
            count += 1
    names = {e.target.name for p in derived.towards("loss").phases for e in p.adjoint}
    assert count >= len(names)


@every_model
def test_every_gradient_is_judged_right(model: str) -> None:
    derived = derivation(model)
    found = worked(model, "gradients")
    assert len(found) >= len(derived.gradients)
    for claim, left, right in found:
        given = [(left, right)] if not claim.over else list(at_every_step(derived, claim, (left, right)))
        for one, other in given:
            assert judged(derived, one, other), (latex(one), latex(other))


@pytest.mark.parametrize("model", together("round trip", (*KEPT, "lstm"), KEPT.__contains__))
def test_the_sums_over_paths_are_judged_right(model: str) -> None:
    """∂⁺u/∂v of one equation; in these cells no value reaches another by two ways within a step."""
    derived = derivation(model)
    paths = [(x.equality, *sides) for x, *sides in lines(document(model), "backward") if not x.numbers]
    assert len(paths) > 3
    for claim, *sides in paths:
        assert claim is not None
        if is_of_the_stable_loss(derived, (sides[0], sides[1])):
            continue
        for left, right in at_every_step(derived, claim, (sides[0], sides[1])):
            assert judged(derived, left, right), (latex(left), latex(right))


@every_model
def test_a_wrong_print_is_judged_wrong(model: str) -> None:
    """A step, or a name, that is printed wrong in a gradient."""
    derived, count = derivation(model), 0
    for claim, left, right in worked(model, "gradients"):
        if claim.over or left == right:
            continue
        for change in (_shifted, _renamed):
            wrong = transform(right, change)
            if wrong != right:
                count += 1
                assert not _correct(derived, left, wrong), (latex(left), latex(wrong))
    assert count >= len(derived.schedule.parameters)


def _correct(derived: Derivation, left: Node, right: Node) -> bool:
    """What cannot be read is not correct."""
    try:
        return judged(derived, left, right)
    except DeriveError:
        return False


def _shifted(node: Node) -> Node:
    """a⟨t⟩ for a⟨t−1⟩"""
    if isinstance(node, Name) and node.step is not None and exact(node.step) == t - 1:
        return Name(node.name, t, node.role)
    return node


def _renamed(node: Node) -> Node:
    """δ_a for δ_z_a, and δ_z_a for δ_a."""
    if isinstance(node, Name) and node.role is Role.COTANGENT:
        other = node.name.removeprefix("z_") if node.name.startswith("z_") else f"z_{node.name}"
        return Name(other, node.step, node.role)
    return node


# ----------------------------------------------------------------------------- the chain


def test_the_chain_is_judged_as_it_is_told() -> None:
    """T = 2: what is quoted, true or false, the sum over the steps, and the factors."""
    derived = derivation("many-to-many")
    judgements: list[tuple[bool, bool]] = []
    for line, left, right in lines(document("many-to-many"), "chain"):
        claim = line.equality
        assert claim is not None
        if claim.initial == "zero" or any(getattr(node, "moved", False) for node in walk(left)):
            continue
        if claim.flat:
            continue  # a row in the parameter's shape
        text = f"{latex(left)} = {latex(right)}"
        judgements.append((check(derived, text, T=2).correct, claim.holds))
    assert all(found == told for found, told in judgements)
    assert judgements.count((False, False)) == 2 and len(judgements) >= 12


# ----------------------------------------------------------------------------- the forward equations


@every_model
def test_every_forward_equation_is_judged_right(model: str) -> None:
    derived, count = derivation(model), 0
    for key in ("model", "forward"):
        for line, left, right in lines(document(model), key):
            claim = line.equality
            if claim is None or isinstance(left, Objective) or not isinstance(left, Name):
                continue
            for one, other in at_every_step(derived, claim, (left, right)):
                assert judged(derived, one, other), (latex(one), latex(other))
                count += 1
    assert count >= 5


def test_steps_are_numbered_everywhere() -> None:
    """No t is left in what is handed to the checker."""
    claim, left, right = worked("many-to-many", "backward")[2]
    for sides in at_every_step(derivation("many-to-many"), claim, (left, right)):
        assert not any("t" in unicode(side).replace("tanh", "") for side in sides)
    assert "t" in unicode(left)
