"""MathML: what each node becomes, that it is well formed, and that a cut formula says the same."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from xml.etree import ElementTree

import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from chalkgrad import derive
from chalkgrad.derive.choices import NOTATIONS
from chalkgrad.derive.terms.algebra import Role
from chalkgrad.derive.writing.expressions import expr_node, t
from chalkgrad.derive.writing.mathml import MathML, mathml, symbol_key
from chalkgrad.derive.writing.mathml_lines import ROOM, Lines, maths
from chalkgrad.derive.writing.notation import NOTE, Notation, notation
from chalkgrad.derive.writing.tree import (
    AST,
    EQUALS,
    MINUS,
    PLUS,
    Accent,
    Big,
    Call,
    Cases,
    Derivative,
    Fence,
    Frac,
    Ident,
    Matrix,
    Name,
    Node,
    Number,
    Objective,
    Op,
    Par,
    Root,
    Row,
    Size,
    Sub,
    Sup,
    Transposed,
    When,
    Words,
    Wrong,
    row,
)

a, b = Ident("a"), Ident("b")
CHILDREN = {
    "mfrac": 2, "msup": 2, "msub": 2, "msubsup": 3, "munder": 2, "mover": 2, "munderover": 3, "mspace": 0,
}  # fmt: skip
CORE = {*CHILDREN, "math", "mrow", "mi", "mn", "mo", "mtext", "msqrt", "mtable", "mtr", "mtd"}
TOKENS = {"mi", "mn", "mo", "mtext", "mspace"}


def inside(node: Node, chosen: Notation = NOTE) -> str:
    """What stands in the `math` element."""
    found = re.fullmatch(r"<math>(.*)</math>", mathml(node, chosen))
    assert found is not None
    return found[1]


@cache
def chosen(name: str) -> Notation:
    return notation(name, derive.bptt(derive.load("vanilla")))


# ----------------------------------------------------------------------------- single nodes


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (Ident("a"), "<mi>a</mi>"),
        (Ident("ah"), "<mi>𝑎ℎ</mi>"),  # a browser sets <mi>ah</mi> upright
        (Ident("a1"), "<mi>𝑎1</mi>"),
        (Ident("enc", "upright"), "<mi>enc</mi>"),
        (Ident("d", "upright"), '<mi mathvariant="normal">d</mi>'),
        (Ident("2", "upright"), "<mn>2</mn>"),
        (Ident("alpha"), "<mi>α</mi>"),
        (Ident("Gamma"), '<mi mathvariant="normal">Γ</mi>'),
        (Ident("1", "bold"), "<mi>𝟏</mi>"),
        (Ident("s", "bold"), "<mi>𝐬</mi>"),
        (Number("-1.5"), "<mn>−1.5</mn>"),
        (Number("2.5", -7), "<mrow><mn>2.5</mn><mo>·</mo><msup><mn>10</mn><mn>−7</mn></msup></mrow>"),
        (Number("", 3), "<msup><mn>10</mn><mn>3</mn></msup>"),
        (Op("-"), "<mo>−</mo>"),
        (Op("<"), "<mo>&lt;</mo>"),
        (Words(" if "), "<mtext>\u00a0if\u00a0</mtext>"),
        (Frac(a, row(a, PLUS, b)), "<mfrac><mi>a</mi><mrow><mi>a</mi><mo>+</mo><mi>b</mi></mrow></mfrac>"),
        (Sup(Sub(a, b), Number("2")), "<msubsup><mi>a</mi><mi>b</mi><mn>2</mn></msubsup>"),
        (Sub(Sup(a, Number("2")), b), "<msubsup><mi>a</mi><mi>b</mi><mn>2</mn></msubsup>"),
        (Transposed(a), "<msup><mi>a</mi><mi>⊤</mi></msup>"),
        (row(MINUS, a), '<mo form="prefix">−</mo><mi>a</mi>'),
        (Root(a), "<msqrt><mi>a</mi></msqrt>"),
        (Call("sqrt", a), "<msqrt><mi>a</mi></msqrt>"),
        (Call("log", a, bare=True), '<mi>log</mi><mspace width=".17em"/><mi>a</mi>'),
        (Accent(a, "^"), '<mover accent="true"><mi>a</mi><mo stretchy="false">^</mo></mover>'),
        (Fence(a, "|]"), "<mi>|</mi><mi>a</mi><mi>]</mi>"),
        (Fence(Frac(a, b)), "<mrow><mo>(</mo><mfrac><mi>a</mi><mi>b</mi></mfrac><mo>)</mo></mrow>"),
        (Big("Σ", a, b, a), "<munderover><mo>∑</mo><mi>a</mi><mi>b</mi></munderover><mi>a</mi>"),
        (Big("Π", None, b, a), "<mover><mo>∏</mo><mi>b</mi></mover><mi>a</mi>"),
    ],
)
def test_a_node(node: Node, expected: str) -> None:
    assert inside(node) == expected


def test_what_it_does_not_know_is_named() -> None:
    @dataclass(frozen=True)
    class Strange(Node):
        pass

    for node in (Strange(), Frac(a, Strange()), row(a, Strange())):
        with pytest.raises(TypeError, match="Strange"):
            mathml(node, NOTE)
        with pytest.raises(TypeError, match="Strange"):
            maths(node, NOTE)
    with pytest.raises(TypeError, match="fat"):
        mathml(Ident("a", "fat"), NOTE)
    with pytest.raises(TypeError, match=r"'\('"):
        mathml(Fence(a, "("), NOTE)


def test_everything_is_escaped() -> None:
    evil = "<script>\"&'</script>"
    nodes = (
        Words(evil),
        Ident(evil, "upright"),
        Op(evil),
        Call(evil, a),
        Name(evil),
        Par(evil),
        Number(evil),
    )
    for node in nodes:
        text = mathml(node, NOTE)
        assert "<script" not in text
        ElementTree.fromstring(text)


def test_a_line_of_its_own_says_so() -> None:
    assert mathml(a, NOTE, display=True) == '<math display="block"><mi>a</mi></math>'


def test_signs_in_an_index_stand_close() -> None:
    assert "<mi>⟨𝑡−1⟩</mi>" in inside(Name("a", t - 1))
    assert "<mi>𝑡−1</mi>" in inside(Name("a", t - 1), chosen("d2l"))
    bounds = inside(Big("Σ", row(When(t), EQUALS, Number("1")), When(t), a))
    assert bounds.startswith("<munderover><mo>∑</mo><mi>𝑡=1</mi><mi>t</mi>")
    later = inside(Name("a", sympy.Symbol("T_x") + 1))  # its own index cannot be a run of letters
    assert '<msub><mi>T</mi><mi>x</mi></msub><mo form="prefix">+</mo><mn>1</mn>' in later
    assert "form" not in inside(row(a, MINUS, b))


def test_parentheses_keep_two_scripts_of_one_kind_apart() -> None:
    step = '<msup data-sym="v:a"><mi>a</mi><mi>⟨2⟩</mi></msup>'
    assert inside(Name("a", 2)) == step
    assert inside(Sup(Name("a", 2), Number("2"))).startswith(f"<msup><mrow><mi>(</mi>{step}<mi>)</mi></mrow>")
    assert "(" not in inside(Sub(Name("a", 2), Ident("i")))
    assert "(" not in inside(Transposed(Par("enc_W_aa")))
    assert "(" not in inside(Sup(Name("a", 2), Number("2")), chosen("d2l"))


# ----------------------------------------------------------------------------- symbols


@pytest.mark.parametrize(
    ("node", "key"),
    [
        (Name("a", t), "v:a"),
        (Name("a", 3), "v:a"),
        (Name("a", t, Role.COTANGENT), "d:a"),
        (Name("a", t, Role.EXTERNAL), "e:a"),
        (Par("W_aa"), "p:W_aa"),
        (Par("W_aa", moved=True), "m:W_aa"),
        (Size("n_a"), "n:n_a"),
        (Objective("L", 2), "L:L"),
    ],
)
@pytest.mark.parametrize("name", NOTATIONS)
def test_a_symbol_carries_its_key_in_every_notation(node: Node, key: str, name: str) -> None:
    assert symbol_key(node) == key
    root = ElementTree.fromstring(mathml(row(node, PLUS, Ident("c")), chosen(name)))
    found = [e for e in root.iter() if e.get("data-sym")]
    assert [e.get("data-sym") for e in found] == [key]
    assert "".join(found[0].itertext()) + "+c" == "".join(root.itertext())


def test_letters_are_symbols_where_the_glossary_has_them() -> None:
    node = row(Ident("t"), Name("a", t), Call("g", Ident("z")), When(t))
    plain = ElementTree.fromstring(mathml(node, NOTE))
    assert [e.get("data-sym") for e in plain.iter() if e.get("data-sym")] == ["v:a"]
    known = ElementTree.fromstring(mathml(node, NOTE, known={"i:t", "i:g", "w:t"}))
    found = [e for e in known.iter() if e.get("data-sym")]
    assert [e.get("data-sym") for e in found] == ["i:t", "v:a", "i:g", "w:t"]
    assert not [inner for e in found for inner in e.iter() if inner is not e and inner.get("data-sym")]


# ----------------------------------------------------------------------------- any tree


identifiers = st.sampled_from(
    [
        "a",
        "x",
        "yhat",
        "z_a",
        "z_yhat",
        "W_aa",
        "enc_W_aa",
        "dec_b_y",
        "alpha",
        "gate_x",
        "n_a",
        "s1",
        "_x",
        "k_",
    ]
)
words = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Co", "Cn")), max_size=8)
steps = st.sampled_from([None, 0, 2, t, t - 1, sympy.Symbol("T_x") + 1])
marks = st.sampled_from(["()", "[]", "||", "{}", "⟨⟩"])
leaves: st.SearchStrategy[Node] = st.one_of(
    st.builds(Name, identifiers, steps, st.sampled_from(Role)),
    st.builds(Par, identifiers, st.booleans()),
    st.builds(Size, identifiers),
    st.builds(When, steps.filter(lambda step: step is not None)),
    st.builds(Objective, st.sampled_from(["L", "loss", "L_a"]), steps),
    st.builds(Ident, identifiers | words.filter(bool), st.sampled_from(["italic", "upright", "bold"])),
    st.builds(Number, st.sampled_from(["", "1", "-1", "0.25", "-3.14"]), st.sampled_from([None, -7, 12])),
    st.builds(Op, st.sampled_from("+-=∗≠<>≤≥,:;/()[]⋯…→") | words.filter(bool)),
    st.builds(Words, words),
)


def larger(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    several = st.lists(inner, min_size=1, max_size=4).map(tuple)
    return st.one_of(
        st.builds(Row, several, st.booleans()),
        st.builds(Fence, inner, marks, st.booleans()),
        st.builds(Frac, inner, inner),
        st.builds(Sup, inner, inner),
        st.builds(Sub, inner, inner),
        st.builds(Accent, inner, st.sampled_from("^‾~")),
        st.builds(Transposed, inner),
        st.builds(Root, inner),
        st.builds(
            Call,
            st.sampled_from(["tanh", "g", "sqrt", "relu", "sigma"]),
            inner,
            st.booleans(),
            st.integers(0, 2),
        ),
        st.builds(Big, st.sampled_from(["Σ", "Π", "max"]), st.none() | inner, st.none() | inner, inner),
        st.builds(Derivative, inner, inner, st.booleans()),
        st.builds(Matrix, st.lists(st.tuples(inner, inner), min_size=1, max_size=3).map(tuple)),
        st.builds(Cases, st.lists(st.tuples(inner, st.none() | inner), min_size=1, max_size=3).map(tuple)),
        st.builds(Wrong, inner),
    )


trees: st.SearchStrategy[Node] = st.deferred(lambda: leaves | larger(trees))
every_notation = st.sampled_from(NOTATIONS).map(chosen)
keys = st.sampled_from([(), ("i:a", "i:g", "i:tanh", "w:t")])


def held(root: ElementTree.Element) -> None:
    """Only elements of MathML Core, each with as many children as it has to have."""
    for element in root.iter():
        assert element.tag in CORE
        assert len(element) == CHILDREN.get(element.tag, len(element))
        if element.tag in TOKENS:
            assert len(element) == 0
        else:
            assert not (element.text or "").strip()
        assert not (element.tail or "").strip()


@given(trees, every_notation, keys)
def test_any_tree_is_well_formed(node: Node, notation: Notation, known: tuple[str, ...]) -> None:
    held(ElementTree.fromstring(mathml(node, notation, known=known)))


@given(trees, every_notation, st.sampled_from([1.0, 4.0, ROOM]))
def test_a_cut_formula_says_the_same(node: Node, notation: Notation, room: float) -> None:
    whole = ElementTree.fromstring(mathml(node, notation))
    cut = ElementTree.fromstring(f"<all>{maths(node, notation, room).replace('<wbr>', '<wbr/>')}</all>")
    pieces = [e for e in cut.iter() if e.tag == "math"]
    for piece in pieces:
        held(piece)
    assert "".join(cut.itertext()) == "".join(whole.itertext())
    symbols = [[e.get("data-sym") for e in root.iter() if e.get("data-sym")] for root in (whole, cut)]
    assert symbols[0] == symbols[1]
    assert len(pieces) == len(list(cut.iter("wbr"))) + 1


# ----------------------------------------------------------------------------- cutting


def test_a_long_sum_is_cut_before_its_signs_and_in_its_parentheses() -> None:
    terms = [Name("a", t - i) for i in range(12)]
    long = row(terms[0], *(n for term in terms[1:] for n in (PLUS, term)))
    for node in (
        long,
        Fence(long),
        Call("tanh", long),
        Sup(Fence(long), Number("2")),
        Transposed(Fence(long)),
    ):
        text = maths(node, NOTE)
        assert text.count("<wbr>") >= 3
        for piece in text.split("<wbr>")[1:]:
            assert piece.startswith('<math><mo form="infix">+</mo>')
    assert "<wbr>" not in maths(row(*terms[:1], PLUS, terms[1]), NOTE)


def test_a_long_product_is_cut_between_its_factors() -> None:
    chain = [Derivative(Name("a", t - i), Name("a", t - i - 1)) for i in range(12)]
    assert maths(row(*chain), NOTE).count("<wbr>") >= 3
    starred = row(chain[0], *(n for factor in chain[1:] for n in (AST, factor)))
    pieces = maths(starred, NOTE).split("<wbr>")
    assert len(pieces) >= 4
    assert all(piece.startswith('<math><mo form="infix">∗</mo>') for piece in pieces[1:])


def test_what_cannot_be_cut_may_scroll() -> None:
    wide = Matrix((tuple(Number(f"0.{i}23456789") for i in range(6)),))
    assert re.match(r'<span class="wide" style="--em:\d\d"><math>', maths(wide, NOTE))
    assert "wide" not in maths(wide, NOTE, room=60)


def test_widths_grow_with_what_is_written() -> None:
    lines = Lines(MathML(NOTE), ROOM)
    for f in (f for phase in derive.bptt(derive.load("vanilla")).phases for f in phase.forward):
        node = expr_node(f.value)
        assert 0 < lines.width(node) < lines.width(Fence(node)) < lines.width(row(node, PLUS, node)) + 1
