"""Every displayed equality is held to numbers, all of them are, and none that is wrong gets through."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any

import pytest
import sympy

from chalkgrad.derive.cells.modelfile import builtin_names, load
from chalkgrad.derive.claims.equality import Equality
from chalkgrad.derive.claims.formula import (
    Blocks,
    Constant,
    Figures,
    Formula,
    Lost,
    Modelled,
    Partial,
    Plus,
    Turned,
    Values,
)
from chalkgrad.derive.deriving.derivation import Derivation, bptt
from chalkgrad.derive.documents import content as contents
from chalkgrad.derive.documents import verified as verification
from chalkgrad.derive.documents.content import Wanted, content
from chalkgrad.derive.documents.tree import Block, Document, Equations, Line, Remark, Section
from chalkgrad.derive.documents.verified import Judge, WrongStep, verified
from chalkgrad.derive.writing.formulas import formula_node
from chalkgrad.derive.writing.tree import Derivative, Name, Node, Number, Objective, Par, Row, Sub, walk
from tests.derive.documents.planted import KINDS, Planted, planted, wrong_forward
from tests.derive.publishing.test_latex import ARCHITECTURES
from tests.promises import Promise

LAYOUTS = ("gradient", "jacobian")
LOSSES = ("binary_cross_entropy", "cross_entropy", "squared_error")
OUTPUTS = ("sigmoid", "softmax", "identity")
Case = tuple[str, str, str, str, str, str]
"""cell, architecture, feed, output, loss, layout"""

EVERYTHING: list[Case] = [
    (cell, *where, output, loss, LAYOUTS[n % 2])
    for n, (cell, where, output, loss) in enumerate(product(builtin_names(), ARCHITECTURES, OUTPUTS, LOSSES))
]
"""In turn in either layout: their numbers are odd, so each meets every pair of the others."""


KEPT = {
    *(("vanilla", *where, "sigmoid", "binary_cross_entropy") for where in ARCHITECTURES[::4]),
    ("vanilla", "many-to-one", "none", "sigmoid", "binary_cross_entropy"),
    ("vanilla", "many-to-many", "none", "softmax", "cross_entropy"),
    ("vanilla", "many-to-many", "none", "identity", "squared_error"),
    ("gru", "one-to-many", "output", "identity", "squared_error"),
}
"""Every architecture, feed, output and loss; another cell."""
FULL = [
    pytest.param(case, id="-".join(case), marks=[] if case[:5] in KEPT else pytest.mark.full)
    for case in EVERYTHING
]


@cache
def derivation(cell: str, architecture: str, feed: str, output: str, loss: str) -> Derivation:
    return bptt(load(cell, architecture=architecture, feed=feed, h=output, loss=loss))


def made(derived: Derivation, layout: str = "gradient", **wanted: Any) -> Document:
    return content(derived, Wanted(layout=layout, pictures=False, **wanted), "cg.load(...)")


@pytest.mark.parametrize("case", FULL)
def test_everything_displayed_is_checked(case: Case, promise: Promise) -> None:
    *model, layout = case
    derived = derivation(*model)
    document = made(derived, layout)
    exact = [x for x in document.lines() if x.equality is not None and x.equality.digits is None]
    rounded = [x for x in document.lines() if x.equality is not None and x.equality.digits is not None]
    assert document.checked == (len(exact), 3, 40) and len(exact) > 30
    wrong = [x for x in (*exact, *rounded) if x.equality and x.verdict is not x.equality.holds]
    promise.none("displayed equalities that do not hold to 40 digits", wrong, len(exact))
    assert all(isinstance(line.equality.right, Figures) for line in rounded if line.equality)
    assert uncovered(document) == given_numbers(document)
    assert not [line for section in document.sections for line in other_than_claimed(section)]


# ----------------------------------------------------------------------------- what is covered


def equations(blocks: tuple[Block, ...]) -> Iterator[Equations]:
    for block in blocks:
        match block:
            case Equations():
                yield block
            case Remark(blocks=inner):
                yield from equations(inner)
            case _:
                pass


def uncovered(document: Document) -> list[Line]:
    """Equations that no claim stands behind: neither their own nor that of the sum that they begin."""
    return [
        line
        for section in document.sections
        for block in equations(section.blocks)
        for n, line in enumerate(block.lines)
        if line.relation and _claim(block.lines, n) is None
    ]


def _claim(lines: tuple[Line, ...], n: int) -> Equality | None:
    """What line n claims; a sum that goes on in lines that start with + is claimed by its last line."""
    if (own := lines[n].equality) is not None:
        return own
    following = lines[n + 1 : n + 2]
    goes_on = bool(following) and following[0].relation == "+" and following[0].left is None
    return _claim(lines, n + 1) if goes_on else None


def given_numbers(document: Document) -> list[Line]:
    """The definitions of the example, `parameter = given numbers`: the lines in front of everything else."""
    (section,) = (s for s in document.sections if s.key == "numbers")
    first = next(equations(section.blocks))
    for line in first.lines:
        assert line.relation == "=" and isinstance(line.left, Par | Name)
        leaves = [node for node in walk(line.right) if isinstance(node, Name | Par | Derivative | Objective)]
        assert not leaves and any(isinstance(node, Number) for node in walk(line.right))
    return list(first.lines)


def test_the_count_of_what_is_covered_can_fail() -> None:
    a, b, zero = Name("a", 1), Name("b", 1), Constant(sympy.Integer(0))
    claim = Equality(zero, zero)
    bare, claimed = Line(a, b), Line(a, b, equality=claim)
    more, last = Line(None, b, "+"), Line(None, b, "+", equality=claim)
    for lines, missing in (
        ((bare,), 1),
        ((claimed,), 0),
        ((bare, more, last), 0),
        ((bare, more), 2),
        ((bare, claimed), 1),
        ((bare, Line(None, b), last), 1),
    ):
        section = Section("s", "s", (Remark("remark", (Equations(lines),)),))
        document = Document("", "", (section,), contents.notation("note", vanilla()), (), (0, 0, 0))
        assert len(uncovered(document)) == missing


# ----------------------------------------------------------------------------- what is written is claimed


def other_than_claimed(section: Section) -> Iterator[str]:
    """Lines whose sides in writing are not those of the claim, but for the names of the same thing."""
    for block in equations(section.blocks):
        left: Node | None = None
        terms: list[Node] = []
        for line in block.lines:
            left = left if line.left is None else line.left
            terms = [*terms, line.right] if line.relation == "+" else [line.right]
            claim = line.equality
            if claim is None:
                continue
            if left is not None and not _same_left(left, claim.left):
                yield f"{section.key}: {left} is not {claim.left}"
            parts = claim.right.terms if isinstance(claim.right, Plus) and len(terms) > 1 else (claim.right,)
            if line.relation == "≈" or isinstance(claim.right, Figures) or _two_losses(line):
                continue
            if not all(_same_right(shown, part) for shown, part in zip(terms, parts, strict=True)):
                yield f"{section.key}: {line.right} is not {claim.right}"


def _same_left(shown: Node, claimed: Formula) -> bool:
    """As it is; or L⟨t⟩ for a loss by its name, ∂L/∂v for δ_v, ∂L/∂W, a block of ∂s/∂s by row and column."""
    node = formula_node(claimed)
    match shown, node:
        case Objective(name=name, step=step), Name():
            return node == Name(name, step)
        case Derivative(of=Objective(step=None), by=Name() as by), Name(name=name, step=step):
            return (by.name, by.step) == (name, step)
        case Sub(below=Row(items=(Name() as u, _, Name() as v))), Derivative():
            assert isinstance(claimed, Partial) and isinstance(claimed.of, Values)
            return (claimed.of.names, claimed.only) == ((u.name,), v.name)
        case Derivative(of=Objective(step=None), by=Par() as by), Derivative():
            return node == shown
        case _:
            return node == shown


def _same_right(shown: Node, claimed: Formula) -> bool:
    """As it is; or without the transposition that only lays out a claim; or 0 for several blocks of zeros."""
    if isinstance(claimed, Blocks) and shown == Number("0"):
        return all(isinstance(block, Constant) and block.number == 0 for row in claimed.rows for block in row)
    if isinstance(claimed, Turned) and shown == formula_node(claimed.of):
        return True
    return shown == formula_node(claimed)


def _two_losses(line: Line) -> bool:
    """L⟨1⟩(ŷ⟨1⟩, y⟨1⟩) + L⟨2⟩(…), as the note writes the loss of two steps."""
    claim = line.equality
    return claim is not None and claim.left == Lost() and isinstance(claim.right, Plus)


# ----------------------------------------------------------------------------- the quoted lines


def vanilla() -> Derivation:
    return derivation("vanilla", "many-to-many", "none", "sigmoid", "auto")


@cache
def quotation() -> list[Line]:
    section = next(s for s in made(vanilla(), T=2).sections if s.key == "chain")
    return [line for block in equations(section.blocks[:2]) for line in block.lines]


def test_what_is_quoted_is_judged() -> None:
    """T = 2: the loss of two steps with its slip and without, the three lines, the last one as what it is."""
    lines = quotation()
    assert [(line.quoted, line.verdict) for line in lines] == [
        (True, False),
        (False, True),
        (True, True),
        (True, True),
        (True, False),
        (False, True),
        (False, True),
    ]
    last, as_term, zero = lines[4], lines[5], lines[6]
    assert as_term.left == last.right and as_term.equality is not None and last.equality is not None
    assert as_term.equality.left == last.equality.right and as_term.equality.holds
    assert zero.right == Number("0") and zero.equality is not None and zero.equality.initial == "zero"


@pytest.mark.parametrize("index", range(7))
def test_a_quoted_line_has_to_be_as_it_is_said(index: int) -> None:
    """What is true and said to be false raises, and the other way round."""
    line = quotation()[index]
    assert line.equality is not None
    other = replace(line, equality=replace(line.equality, holds=not line.equality.holds))
    section = Section("s", "s", (Remark("quotation", (Equations((other,)),)),))
    with pytest.raises(WrongStep, match="the quoted line: expected two") as caught:
        verified(section, Judge(vanilla()), lambda line: "the quoted line")
    assert caught.value.holds is other.equality.holds if other.equality else False
    right = verified(replace(section, blocks=(Equations((line,)),)), Judge(vanilla()), str)
    assert [x.verdict for b in equations(right.blocks) for x in b.lines] == [line.equality.holds]


def test_a_line_about_no_step_and_one_about_no_value_are_wrong() -> None:
    t = sympy.Symbol("t", integer=True)
    value = Modelled("a", t)
    nothing, missing = Equality(value, value, ((t, 2, 1),)), Equality(value, value, ((t, 1, 9),))
    for claim, found in ((nothing, "found no step at which it is said"), (missing, "found no value of")):
        with pytest.raises(WrongStep, match=found):
            Judge(vanilla()).check(claim, lambda: "a = a")


# ----------------------------------------------------------------------------- planted mistakes

PLACES = [
    ("vanilla", "many-to-many", "none"),
    ("gru", "many-to-many", "none"),
    ("lstm", "many-to-many", "none"),
    ("vanilla", "encoder-decoder", "output"),
]


def _mistakes() -> Iterator[Any]:
    """Every mistake; of the larger models one for every third term unless the full product is asked for."""
    for place in PLACES:
        derived = derivation(*place, "sigmoid", "auto")
        terms: dict[tuple[str, int, int], int] = {}
        for wrong in planted(derived):
            number = terms.setdefault(wrong.where, len(terms))
            one = number % 3 == 0 and KINDS[number // 3 % len(KINDS)] == wrong.kind
            normal = place == PLACES[0] or (one and place[0] != "lstm")
            group = pytest.mark.xdist_group("-".join(("planted", *place)))
            marks = [group] if normal else [group, pytest.mark.full]
            name = "-".join(map(str, (*place, wrong.kind, *wrong.where)))
            yield pytest.param(place, wrong, id=name, marks=marks)


@pytest.fixture
def same_points(monkeypatch: pytest.MonkeyPatch) -> None:
    """The points at which a derivation is tried, which its adjoint equations have no part in, only once."""

    def right(wrong: Derivation) -> Derivation:
        model = wrong.model
        return derivation(model.name, model.architecture, model.feed, "sigmoid", "auto")

    monkeypatch.setattr(verification, "oracles", lambda wrong, *a, **k: _oracles(right(wrong), *a, **k))
    monkeypatch.setattr(contents, "example", lambda wrong, steps: _example(right(wrong), steps))


@cache
def _oracles_of(derived: Derivation, steps: Any, items: tuple[tuple[str, Any], ...]) -> Any:
    return ORACLES(derived, steps, **dict(items))


def _oracles(derived: Derivation, steps: Any, **choices: Any) -> Any:
    return _oracles_of(derived, steps, tuple(choices.items()))


@cache
def _example(derived: Derivation, steps: Any) -> Any:
    return EXAMPLE(derived, steps)


ORACLES, EXAMPLE = verification.oracles, contents.example


@pytest.mark.parametrize(("place", "wrong"), _mistakes())
@pytest.mark.usefixtures("same_points")
def test_a_planted_mistake_is_found(place: tuple[str, str, str], wrong: Planted, promise: Promise) -> None:
    found: list[WrongStep] = []
    try:
        made(wrong.derivation)
    except WrongStep as error:
        found.append(error)
    promise.none("mistakes planted in a derivation that its document does not find", [wrong][len(found) :], 1)
    (told,) = found
    assert told.line and str(told).startswith(told.line) and told.holds


@pytest.mark.usefixtures("same_points")
@pytest.mark.parametrize(
    "place",
    [pytest.param(p, id="-".join(p), marks=[] if p[0] == "vanilla" else pytest.mark.full) for p in PLACES],
)
def test_nothing_is_found_where_nothing_is_planted(place: tuple[str, str, str]) -> None:
    assert made(derivation(*place, "sigmoid", "auto")).checked[0] > 50


def test_a_mistake_is_found_without_help() -> None:
    """At points of its own, as a reader's derivation would be."""
    for wrong in planted(vanilla()):
        if wrong.where[0] in ("a", "W_aa") and wrong.kind == "sign":
            with pytest.raises(WrongStep, match="found a relative difference of"):
                made(wrong.derivation)


@pytest.mark.parametrize("cell", ["vanilla", "gru"])
def test_a_wrong_forward_equation_is_found(cell: str) -> None:
    for wrong in wrong_forward(derivation(cell, "one-to-one", "none", "sigmoid", "squared_error")):
        with pytest.raises(WrongStep) as caught:
            made(wrong.derivation)
        assert "=" in caught.value.line, wrong
