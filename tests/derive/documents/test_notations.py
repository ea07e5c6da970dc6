"""Notations and layouts differ in writing only: the same claims, the same order, no two things alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path

import pytest

from chalkgrad.derive.cells.modelfile import builtin_names, load
from chalkgrad.derive.choices import NOTATIONS
from chalkgrad.derive.deriving.derivation import Derivation, bptt
from chalkgrad.derive.documents.content import Wanted
from chalkgrad.derive.documents.notated import glossary
from chalkgrad.derive.documents.tree import Block, Document, Equations, Paragraph, Remark, Section
from chalkgrad.derive.errors import ChoiceError
from chalkgrad.derive.formats.latex import print_latex
from chalkgrad.derive.publishing.document import document
from chalkgrad.derive.terms.algebra import Role
from chalkgrad.derive.writing.latex import latex
from chalkgrad.derive.writing.mathml import mathml
from chalkgrad.derive.writing.notation import Notation, notation
from chalkgrad.derive.writing.tree import Derivative, Ident, Name, Node, Objective, Par, Size, When, row
from chalkgrad.derive.writing.unicode import unicode
from tests.chosen import some, together
from tests.derive.documents.test_levels import nodes
from tests.derive.once import content

LAYOUTS = ("gradient", "jacobian")
KEPT = ("vanilla", "vanilla, fed", "lstm")
MODELS: dict[str, tuple[str, dict[str, str]]] = {
    "vanilla": ("vanilla", {}),
    "vanilla, fed": ("vanilla", {"architecture": "one-to-many", "feed": "output", "h": "softmax"}),
    "two networks": ("vanilla", {"architecture": "encoder-decoder"}),
    "gru": ("gru", {"g": "relu", "architecture": "many-to-one"}),
    "lstm": ("lstm", {"architecture": "one-to-one"}),
}
CELL = """
name = "c"
title = "A cell with letters of its own"
[sizes]
n_x = "inputs"
n_a = "units"
n_y = "outputs"
[inputs]
x = ["n_x"]
[states]
{state} = ["n_a"]
[parameters]
W_{state}{state} = ["n_a", "n_a"]
W_{state}x = ["n_a", "n_x"]
{parameter} = ["n_a"]
W_y{state} = ["n_y", "n_a"]
[equations]
{value} = "sigmoid(W_{state}x @ x + {parameter})"
{state} = "tanh(W_{state}{state} @ {state}[t-1] + {value})"
[output]
yhat = "sigmoid(W_y{state} @ {state})"
"""


@cache
def derivation(model: str) -> Derivation:
    name, choices = MODELS[model]
    return bptt(load(name, **choices))


@cache
def made(model: str, name: str, layout: str) -> Document:
    return content(derivation(model), Wanted(notation=name, layout=layout, pictures=False), "")


# ----------------------------------------------------------------------------- the same document


@pytest.mark.parametrize("layout", some(LAYOUTS, "gradient".__eq__))
@pytest.mark.parametrize("model", together("notations", MODELS, KEPT.__contains__))
def test_notations_share_the_tree(model: str, layout: str) -> None:
    """The sections are the same, but for the sentence that names the notation; the texts are not."""
    documents = [made(model, name, layout) for name in NOTATIONS]
    assert len({document.checked for document in documents}) == 1
    first, *others = (nameless(document) for document in documents)
    assert all(other == first for other in others)
    assert len({print_latex(document) for document in documents}) == len(NOTATIONS)


def nameless(document: Document) -> tuple[Section, ...]:
    """Without the last paragraph of the table of notation."""
    found = [
        replace(section, blocks=section.blocks[:-1]) if section.key == "notation" else section
        for section in document.sections
    ]
    (dropped,) = (s.blocks[-1] for s in document.sections if s.key == "notation")
    assert (isinstance(dropped, Paragraph) and "notation" in str(dropped.parts)) or "Steps" in str(dropped)
    return tuple(found)


@pytest.mark.parametrize("model", together("notations", MODELS, KEPT.__contains__))
def test_layouts_have_the_same_structure(model: str) -> None:
    """Sections, blocks, lines, numbers, relations, rules and verdicts; what differs is how sides are laid."""
    gradient, jacobian = (made(model, "note", layout) for layout in LAYOUTS)
    assert gradient.checked == jacobian.checked
    assert structure(gradient) == structure(jacobian)
    both = list(zip(gradient.lines(), jacobian.lines(), strict=True))
    assert any(one.right != other.right for one, other in both)
    assert any(one.shape != other.shape for one, other in both)


def structure(document: Document) -> list[object]:
    return [(s.key, s.title, [shape(block) for block in s.blocks]) for s in document.sections]


def shape(block: Block) -> object:
    match block:
        case Equations(lines=lines, answer=answer):
            kept = [(x.left is None, x.relation, x.numbers, x.rule, x.where) for x in lines]
            return (answer, kept, [(x.verdict, x.quoted) for x in lines])
        case Remark(kind=kind, blocks=blocks):
            return (kind, [shape(inner) for inner in blocks])
        case _:
            return type(block).__name__


# ----------------------------------------------------------------------------- letters


def first_lines(derived: Derivation, name: str) -> tuple[str, str]:
    """The state's equation and the output's, as the model has them."""
    chosen = notation(name, derived)
    section = content(derived, Wanted(notation=name, pictures=False), "").sections[0]
    equations = next(b for b in section.blocks if isinstance(b, Equations))
    lines = [f"{latex(x.left, chosen)} = {latex(x.right, chosen)}" for x in equations.lines if x.left]
    return lines[-2], lines[-1]


@pytest.mark.parametrize(
    ("name", "state", "output"),
    [
        ("note", r"a^{<t>} = \tanh\left( W_{aa} a^{<t-1>} + W_{ax} x^{<t>} + b_{a} \right)",
         r"\hat{y}^{<t>} = \sigma\left( W_{ya} a^{<t>} + b_{y} \right)"),
        ("d2l", r"h_{t} = \tanh\left( W_{hh} h_{t-1} + W_{hx} x_{t} + b_{h} \right)",
         r"o_{t} = \sigma\left( W_{oh} h_{t} + b_{o} \right)"),
        ("pascanu", r"x_{t} = \tanh\left( W_{xx} x_{t-1} + W_{xu} u_{t} + b_{x} \right)",
         r"\hat{y}_{t} = \sigma\left( W_{yx} x_{t} + b_{y} \right)"),
        ("werbos", r"a(t) = \tanh\left( W_{aa} a(t - 1) + W_{ax} x(t) + b_{a} \right)",
         r"\hat{y}(t) = \sigma\left( W_{ya} a(t) + b_{y} \right)"),
    ],
)  # fmt: skip
def test_the_notes_network_in_every_notation(name: str, state: str, output: str) -> None:
    assert first_lines(derivation("vanilla"), name) == (state, output)


@pytest.fixture
def cell(tmp_path: Path) -> Callable[..., Derivation]:
    def written(state: str = "a", value: str = "g", parameter: str = "b") -> Derivation:
        file = tmp_path / "c.toml"
        file.write_text(CELL.format(state=state, value=value, parameter=parameter))
        return bptt(load(file))

    return written


@pytest.mark.parametrize(
    ("names", "name", "letters"),
    [
        ({}, "d2l", {"a": "h", "yhat": "o"}),
        ({"state": "h"}, "d2l", {"yhat": "o"}),
        ({"state": "h"}, "pascanu", {"h": "x", "x": "u"}),
        ({"state": "u"}, "pascanu", {"u": "x", "x": "u"}),  # each for the other
        ({"value": "u"}, "pascanu", {}),
        ({"value": "u"}, "d2l", {"a": "h", "yhat": "o"}),
        ({"value": "o"}, "d2l", {}),
        ({"value": "o"}, "pascanu", {"a": "x", "x": "u"}),
        ({"value": "h"}, "d2l", {}),
        ({"parameter": "u"}, "pascanu", {}),
        ({"parameter": "h"}, "d2l", {}),
        ({"parameter": "V_oo"}, "d2l", {}),
    ],
)
def test_letters_are_exchanged_where_they_are_free(
    cell: Callable[..., Derivation], names: dict[str, str], name: str, letters: dict[str, str]
) -> None:
    assert notation(name, cell(**names)).letters == letters


def test_a_gate_keeps_its_letter() -> None:
    """The LSTM's output gate is o, so nothing is exchanged; it has no u, so there all is."""
    assert notation("d2l", derivation("lstm")).letters == {}
    assert notation("pascanu", derivation("lstm")).letters == {"a": "x", "x": "u"}


# ----------------------------------------------------------------------------- no two alike

PRINTERS: tuple[Callable[[Node, Notation], str], ...] = (latex, unicode, mathml)


def alike(symbols: set[Node], chosen: Notation) -> Iterator[tuple[str, ...]]:
    """What prints as something else does; a step is what its name says."""
    for print_ in PRINTERS:
        found: dict[str, set[str]] = {}
        for symbol in symbols:
            text = re.sub(r' data-sym="[^"]*"', "", print_(symbol, chosen))
            found.setdefault(text, set()).add(str(symbol).replace(" ", ""))
        yield from (tuple(sorted(same)) for same in found.values() if len(same) > 1)


@pytest.mark.parametrize("name", NOTATIONS)
@pytest.mark.parametrize("cell_name", builtin_names())
def test_no_two_symbols_of_a_model_print_alike(cell_name: str, name: str) -> None:
    """Those of the glossary, with the parameters of two networks too."""
    for architecture in ("many-to-many", "encoder-decoder"):
        derived = bptt(load(cell_name, architecture=architecture))
        symbols = {entry.symbol for entry in glossary(derived)}
        assert len(symbols) > 15
        assert list(alike(symbols, notation(name, derived))) == []


@pytest.mark.parametrize("name", NOTATIONS)
@pytest.mark.parametrize("model", together("notations", MODELS, KEPT.__contains__))
def test_no_two_symbols_of_a_document_print_alike(model: str, name: str) -> None:
    """Everything with a meaning that is written anywhere in it."""
    document = made(model, name, "gradient")
    kinds = (Name, Par, Size, When, Objective)
    symbols = {node for node in nodes((document.sections, document.glossary)) if isinstance(node, kinds)}
    assert len(symbols) > 50
    assert list(alike(symbols, document.notation)) == []


@pytest.mark.parametrize("parameter", some(("b", "u", "b_h", "lambda_h"), "u".__eq__))
def test_odd_names_do_not_print_alike(cell: Callable[..., Derivation], parameter: str) -> None:
    """Whatever a state, a value and a parameter are called."""
    states, values = ("a", "h", "u", "o", "L", "ox", "phi"), ("o", "u", "h", "F", "o_h", "a_t", "xt")
    tried = 0
    for state, value in product(states, values):
        if len({state, value, parameter}) == 3:
            tried += 1
            derived = cell(state, value, parameter)
            symbols = {entry.symbol for entry in glossary(derived)}
            for name in NOTATIONS:
                assert list(alike(symbols, notation(name, derived))) == [], (state, value, parameter, name)
    assert tried > 25


def test_the_search_for_what_is_alike_can_fail() -> None:
    one, other = Name("a", 1), row(Name("a", 1))
    assert list(alike({one, Name("a", 2)}, Notation())) == []
    assert len(list(alike({Name("a", 1), Par("a", False), Name("a")}, Notation()))) == len(PRINTERS)
    assert one == other


# ----------------------------------------------------------------------------- the two derivatives


def test_each_notation_tells_the_two_derivatives_apart() -> None:
    a, W = Name("a", 1), Par("W_aa")
    total, immediate = Derivative(a, W), Derivative(a, W, immediate=True)
    for name in ("note", "d2l", "pascanu"):
        chosen = notation(name, derivation("vanilla"))
        assert r"\partial^{+}" in latex(immediate, chosen) and r"\partial^{+}" not in latex(total, chosen)
    werbos = notation("werbos", derivation("vanilla"))
    assert latex(total, werbos) == r"\frac{\partial^{+} a(1)}{\partial^{+} W_{aa}}"
    assert latex(immediate, werbos) == r"\frac{\partial a(1)}{\partial W_{aa}}"
    assert unicode(total, werbos) == "∂⁺a(1)/∂⁺W_aa" and unicode(immediate, werbos) == "∂a(1)/∂W_aa"


@pytest.mark.parametrize("model", ["vanilla", "lstm"])
def test_werbos_has_a_plus_on_every_total_derivative_and_on_nothing_else(model: str) -> None:
    """∂⁺ in both places of each total derivative, none in an immediate one, and F for δ."""
    document = made(model, "werbos", "gradient")
    found = {node for node in nodes(document.sections) if isinstance(node, Derivative)}
    assert {node.immediate for node in found} == {True, False}
    for node in found:
        text = latex(node, document.notation)
        assert text.count(r"\partial^{+}") == (0 if node.immediate else 2)
    text = print_latex(document)
    assert r"\delta" not in text and "F_{" in text
    assert unicode(Name("a", 1, Role.COTANGENT), document.notation) == "F_a(1)"
    assert Ident("δ") not in set(nodes(document.sections))


def test_pascanu_writes_an_error() -> None:
    text = print_latex(made("vanilla", "pascanu", "gradient"))
    assert r"\mathcal{E}_{t}" in text and not re.search(r"\bL[_^]", text)


@pytest.mark.parametrize(
    ("argument", "choice"), [("notation", {"notation": "mine"}), ("layout", {"layout": "denominator"})]
)
def test_a_choice_there_is_not_is_named(argument: str, choice: dict[str, str]) -> None:
    with pytest.raises(ChoiceError) as caught:
        document(load("vanilla"), **choice)
    assert caught.value.argument == argument
