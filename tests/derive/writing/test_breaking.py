"""Broken lines: they fit, say the same, and start with their sign."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalkgrad.derive.writing.breaking import broken, characters, ems
from chalkgrad.derive.writing.latex import latex
from chalkgrad.derive.writing.metrics import width
from chalkgrad.derive.writing.notation import NOTE
from chalkgrad.derive.writing.tree import (
    AST,
    MINUS,
    PLUS,
    Big,
    Call,
    Cases,
    Fence,
    Frac,
    Ident,
    Matrix,
    Name,
    Node,
    Number,
    Op,
    Par,
    Root,
    Row,
    Sup,
    Transposed,
    Words,
    Wrong,
    joined,
    row,
    walk,
)
from chalkgrad.derive.writing.unicode import unicode
from tests.derive.writing.trees import formulas, nodes, t

TERMS = [row(Par("W_aa"), Name("a", t - i)) for i in range(8)]
SUM = joined(TERMS)
REWRITTEN = (Frac, Root, Cases, Matrix, Wrong)  # in other words where they have to be broken
DROPPED = re.compile(r"\\left(?![a-z])|\\right(?![a-z])|\\Big[lr]|\\,|\{\}|\s")


def tokens(*pieces: Node) -> str:
    """What is printed, but for the sizes of brackets and the spaces."""
    return DROPPED.sub("", "".join(latex(piece) for piece in pieces))


def leaves(*pieces: Node) -> list[Node]:
    """Names, letters and numbers in reading order."""
    return [n for piece in pieces for n in walk(piece) if isinstance(n, Name | Par | Ident | Number)]


def test_what_fits_is_left_as_it_is() -> None:
    assert broken(SUM, NOTE, 1000) == [SUM]


def test_sums_break_before_their_signs() -> None:
    lines = [latex(piece) for piece in broken(SUM, NOTE, 12)]
    assert len(lines) > 2
    assert lines[0].startswith("W_{aa}")
    assert all(line.startswith("{} + W_{aa}") for line in lines[1:])


def test_minus_goes_with_its_term() -> None:
    node = row(MINUS, TERMS[0], MINUS, TERMS[1], PLUS, TERMS[2])
    assert [unicode(p) for p in broken(node, NOTE, 8)] == [
        "−W_aa a⟨t⟩",
        "− W_aa a⟨t−1⟩",
        "+ W_aa a⟨t−2⟩",
    ]


def test_products_break_where_sums_cannot() -> None:
    node = row(*[item for term in TERMS for item in (AST, Fence(term))][1:])
    pieces = broken(node, NOTE, 16)
    assert len(pieces) > 3
    assert all(latex(piece).startswith(r"{} \ast \left(") for piece in pieces[1:])


def test_brackets_open_where_nothing_else_helps() -> None:
    node = row(Call("tanh", SUM), AST, Transposed(Fence(SUM)), Sup(Fence(SUM, "[]"), Number("2")))
    pieces = broken(node, NOTE, 14)
    assert tokens(*pieces) == tokens(node)
    assert all(ems(piece, NOTE) <= 14 for piece in pieces)
    assert not any(r"\left" in latex(piece) for piece in pieces)
    assert latex(pieces[0]).startswith(r"\tanh (")
    assert any(latex(piece).endswith(r")^{\top}") for piece in pieces)
    assert latex(pieces[-1]).endswith("]^{2}")


def test_brackets_around_fractions_stay_tall() -> None:
    node = Fence(joined([Frac(term, Ident("s")) for term in TERMS]))
    pieces = broken(node, NOTE, 14)
    assert latex(pieces[0]).startswith(r"\Bigl(")
    assert latex(pieces[-1]).endswith(r"\Bigr)")


def test_bodies_of_sums_go_on() -> None:
    pieces = broken(Big("Σ", Ident("i"), None, SUM), NOTE, 14)
    assert latex(pieces[0]).startswith(r"\sum_{i} (W_{aa}")
    assert latex(pieces[-1]).endswith(")")


def test_wide_fractions_and_roots_become_lines() -> None:
    node = row(Frac(SUM, Root(SUM)), Ident("c"))
    pieces = broken(node, NOTE, 14)
    assert all(ems(piece, NOTE) <= 14 for piece in pieces)
    assert unicode(pieces[0]).startswith("((W_aa")
    assert any("/" in unicode(piece) for piece in pieces)
    assert leaves(*pieces) == [*leaves(SUM, SUM), Number("1"), Number("2"), Ident("c")]


def test_cells_of_matrices_get_lines_of_their_own() -> None:
    node = Matrix(((Number("0"), SUM), (SUM, Ident("I"))))
    (piece,) = broken(node, NOTE, 24)
    assert ems(piece, NOTE) <= 24 < ems(node, NOTE)
    assert latex(piece).count(r"\begin{aligned}") == 2
    assert leaves(piece) == leaves(node)


def test_matrices_on_one_line_break_as_others() -> None:
    node = Matrix(((Number("0"), SUM), (SUM, Ident("I"))))
    pieces = broken(node, NOTE, 30, characters, linear=True)
    assert all(characters(piece, NOTE) <= 30 for piece in pieces)
    assert unicode(pieces[0]).startswith("[0,")
    assert leaves(*pieces) == leaves(node)


def test_words_break_at_spaces() -> None:
    words = Words("it is what the outer function is applied to, at every step")
    pieces = broken(words, NOTE, 12)
    assert len(pieces) > 1
    assert all(ems(piece, NOTE) <= 12 for piece in pieces)
    assert "".join(piece.text for piece in pieces if isinstance(piece, Words)) == words.text


def test_what_is_applied_stays_with_its_function() -> None:
    node = row(Ident("F"), Fence(Ident("t"), sized=False), Ident("G"), Fence(Ident("t"), sized=False))
    assert [unicode(piece) for piece in broken(node, NOTE, 3)] == ["F(t)", "G(t)"]


@pytest.mark.parametrize("room", [14, 20, 32])
def test_formulas_fit_and_say_the_same(room: float) -> None:
    for node, notation in formulas():
        pieces = broken(node, notation, room)
        assert all(ems(piece, notation) <= room for piece in pieces), latex(node, notation)
        assert leaves(*pieces) == leaves(node)
        if not any(isinstance(n, REWRITTEN) for n in walk(node)):
            assert tokens(*pieces) == tokens(node)


@pytest.mark.parametrize("room", [30, 50])
def test_formulas_fit_a_terminal(room: int) -> None:
    for node, notation in formulas():
        pieces = broken(node, notation, room, characters, linear=True)
        assert all(characters(piece, notation) <= room for piece in pieces), unicode(node, notation)
        assert leaves(*pieces) == leaves(node)


@given(nodes, st.floats(1, 40))
def test_any_tree_keeps_what_it_says(node: Node, room: float) -> None:
    pieces = broken(node, NOTE, room)
    assert all(latex(piece) for piece in pieces)
    if not any(isinstance(n, (*REWRITTEN, Words)) for n in walk(node)):
        assert leaves(*pieces) == leaves(node)
        brackets = "()"  # what carries a script may need them when it stands alone
        told = [t for t in tokens(*pieces) if t not in brackets]
        assert sorted(told) == sorted(t for t in tokens(node) if t not in brackets)


@given(nodes, st.floats(1, 40))
def test_a_piece_that_is_too_wide_has_no_place_to_break(node: Node, room: float) -> None:
    for piece in broken(node, NOTE, room):
        if width(latex(piece)) > room:
            again = broken(piece, NOTE, room)
            assert len(again) == 1


def test_a_row_of_nothing_is_nothing() -> None:
    assert latex(Row(())) == "{}"
    assert unicode(Row(())) == ""
    assert unicode(Op("⟮")) == "("
