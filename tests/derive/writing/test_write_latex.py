"""LaTeX of written mathematics: what the project prints, balanced, and accepted by KaTeX and TeX."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings

from chalkgrad.derive.terms.algebra import Role
from chalkgrad.derive.terms.functions import NAMES
from chalkgrad.derive.writing.latex import latex, words_latex
from chalkgrad.derive.writing.notation import NOTE
from chalkgrad.derive.writing.signs import Stacked
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
    Size,
    Sub,
    Sup,
    Transposed,
    When,
    Words,
    Wrong,
    row,
)
from tests.derive.formats.typeset import PAGE, katex_errors, needs_tex, tex_log
from tests.derive.writing.trees import NOTATIONS, T, formulas, nodes, t

a, W, z = Name("a", t), Par("W_aa"), Ident("z")
CASES: list[tuple[Node, str]] = [
    (a, "a^{<t>}"),
    (Name("z_a", t - 1), "z_{a}^{<t-1>}"),
    (Name("z_a", t, Role.COTANGENT), r"\delta_{z_{a}}^{<t>}"),
    (Name("yhat", 2, Role.EXTERNAL), r"\bar{\hat{y}}^{<2>}"),
    (Name("my_long_name", t), r"\mathrm{my}_{\mathrm{long}\_\mathrm{name}}^{<t>}"),
    (W, "W_{aa}"),
    (Par("enc_W_aa"), r"W^{\mathrm{enc}}_{aa}"),
    (Transposed(W), r"W_{aa}^{\top}"),
    (Transposed(Par("enc_W_aa")), r"{W^{\mathrm{enc}}_{aa}}^{\top}"),
    (Transposed(a), r"(a^{<t>})^{\top}"),
    (Transposed(row(W, a)), r"\left( W_{aa} a^{<t>} \right)^{\top}"),
    (Sup(a, Number("2")), "(a^{<t>})^{2}"),
    (Sup(Par("gamma_z"), Number("2")), r"\gamma_{z}^{2}"),
    (Par("W_aa", moved=True), r"(\mathrm{d}W_{aa})"),
    (Derivative(Objective("L", 2), W), r"\frac{\partial L^{<2>}}{\partial W_{aa}}"),
    (Derivative(a, W, immediate=True), r"\frac{\partial^{+} a^{<t>}}{\partial W_{aa}}"),
    (row(MINUS, a, PLUS, row(W, Name("a", t - 1))), "-a^{<t>} + W_{aa} a^{<t-1>}"),
    (row(a, AST, Fence(row(Number("1"), MINUS, a))), r"a^{<t>} \ast \left( 1 - a^{<t>} \right)"),
    (row(Number("2"), a, thin=True), r"2\,a^{<t>}"),
    (row(Ident("s"), a, thin=True), r"s \, a^{<t>}"),
    (Call("tanh", z), r"\tanh\left( z \right)"),
    (Call("sigmoid", z), r"\sigma\left( z \right)"),
    (Call("relu", z, primes=1), r"\operatorname{ReLU}'\left( z \right)"),
    (Call("softplus", z), r"\operatorname{softplus}\left( z \right)"),
    (Call("g", z, primes=2), r"g''\left( z \right)"),
    (Call("exp", Sub(Fence(a), Ident("i")), bare=True), r"\exp \left( a^{<t>} \right)_{i}"),
    (Call("exp", row(a, PLUS, z), bare=True), r"\exp\left( a^{<t>} + z \right)"),
    (Big("Σ", row(z, EQUALS, Number("1")), When(T), row(W, a)), r"\sum_{z=1}^{T} W_{aa} a^{<t>}"),
    (Big("Σ", z, None, row(a, PLUS, z)), r"\sum_{z} \left( a^{<t>} + z \right)"),
    (Big("max", row(z, Op("≠"), Ident("i")), None, z), r"\max_{z \neq i} z"),
    (Matrix(((W, Ident("I")), (Number("0"), z))), r"\begin{pmatrix} W_{aa} & I \\ 0 & z \end{pmatrix}"),
    (
        Cases(((Number("0"), row(z, Op("≤"), Number("0"))), (z, None))),
        r"\begin{cases} 0 & \text{if } z \le 0 \\ z & \text{otherwise} \end{cases}",
    ),
    (row(Ident("1", "bold"), Fence(row(z, Op(">"), Number("0")), "[]")), r"\mathbf{1}\left[ z > 0 \right]"),
    (Number("2.5", -16), r"2.5 \cdot 10^{-16}"),
    (Number("1", -7), "10^{-7}"),
    (Number("", -7), "10^{-7}"),
    (row(Ident("t"), EQUALS, Number("1"), Op(","), Op("…"), Op(","), When(T)), r"t = 1, \ldots, T"),
    (row(Words("step "), z), r"\text{step }z"),
    (row(Ident("alpha"), z), r"\alpha z"),
    (Sub(Ident("x"), row(Ident("alpha"), Ident("z"))), r"x_{\alpha z}"),
    (Size("n_a"), "n_{a}"),
    (Root(Frac(z, Number("2"))), r"\sqrt{\frac{z}{2}}"),
    (Wrong(z), r"\boxed{z}"),
    (row(Objective("L", 1), Fence(row(a, Op(","), z), sized=False)), "L^{<1>}(a^{<t>}, z)"),
    (Transposed(Op(")")), r")^{\top}"),
    (Accent(Ident("y"), "^"), r"\hat{y}"),
    (Stacked((z, row(PLUS, a))), r"\begin{aligned} & z \\ & +a^{<t>} \end{aligned}"),
]


@pytest.mark.parametrize(("node", "expected"), CASES)
def test_printed(node: Node, expected: str) -> None:
    assert latex(node) == expected


@pytest.mark.parametrize("name", [*NAMES, "diag", "max", "σ", "ReLU", "LeakyReLU", "f", "phi"])
def test_every_function_has_a_name(name: str) -> None:
    assert "z" in latex(Call(name, z))


@pytest.mark.parametrize(
    ("node", "named"),
    [
        (Op("☃"), "☃"),
        (Ident("☃"), "☃"),
        (Ident("a", "slanted"), "slanted"),
        (Ident(r"\input{x}"), "input"),
        (Call("a b", z), "a b"),
        (Big("∮", None, None, z), "∮"),
        (Accent(z, "?"), "?"),
        (Fence(z, "("), "("),
        (Number("1e5"), "1e5"),
        (Node(), "Node"),
    ],
)
def test_what_is_unknown_is_named(node: Node, named: str) -> None:
    with pytest.raises(TypeError, match=re.escape(named)):
        latex(node)


def test_words_hold_nothing_that_is_interpreted() -> None:
    told = words_latex("50 % of δ_1 & {x} # \\input $y$ ~ ^ `z` – “é” ☃ <b> ²")
    outside = re.sub(r"\\text\{[^{}]*\}", "", told)
    assert set(re.findall(r"\\[A-Za-z]+", outside)) == {r"\delta"}
    for inside in re.findall(r"\\text\{([^{}]*)\}", told):
        assert not set(inside) & set("\\{}$&#%_^~`<>")
    assert told.isascii()
    assert "e" in told


@given(nodes)
def test_every_tree_is_balanced(node: Node) -> None:
    for notation in NOTATIONS:
        text = latex(node, notation)
        assert text.isascii()
        assert "\n" not in text and "$" not in text
        depth = 0
        for brace in re.findall(r"\\.|[{}]", text):
            depth += {"{": 1, "}": -1}.get(brace, 0)
            assert depth >= 0
        assert depth == 0
        assert text.count(r"\left") - text.count(r"\leftarrow") == text.count(r"\right")
        assert text.count(r"\begin{") == text.count(r"\end{")


def test_katex_takes_every_case_and_every_formula() -> None:
    printed = [(latex(node), True) for node, _ in CASES if node != Transposed(Op(")"))]
    printed += [(latex(node, notation), True) for node, notation in formulas()]
    assert len(printed) > 500
    assert katex_errors(printed) == []


def test_the_katex_check_can_fail() -> None:
    assert len(katex_errors([(r"\undefined", True), ("é", True), ("x", True)])) == 2


@given(nodes)
@settings(max_examples=5)
def test_katex_takes_random_trees(node: Node) -> None:
    assert katex_errors([(latex(node, notation), True) for notation in NOTATIONS]) == []


@needs_tex
def test_tex_takes_every_case() -> None:
    lines = [rf"$\displaystyle {latex(node)}$\\" for node, _ in CASES]
    lines += [rf"$\displaystyle {latex(node, NOTATIONS[i % 4])}$\\" for i, (node, _) in enumerate(CASES)]
    log = tex_log("\n".join([PAGE, *lines, r"x\end{document}"]))
    assert "Missing character" not in log


def test_the_default_is_the_notation_of_the_note() -> None:
    assert latex(a) == latex(a, NOTE)
