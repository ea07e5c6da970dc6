"""Where things stand on a page: wrapped words, columns of tables, rows of equations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalkgrad.derive.documents.tree import Inline, Line
from chalkgrad.derive.formats.arranging import Placed, arranged, remark
from chalkgrad.derive.formats.displays import Ems, label, lines_of, tag
from chalkgrad.derive.formats.text import Sheet
from chalkgrad.derive.formats.wrapping import Parts, fitted, listed, merged, wrapped
from chalkgrad.derive.writing.notation import NOTE
from chalkgrad.derive.writing.tree import AST, MINUS, Ident, Name, Node, Number, Par, Words, joined, row
from tests.derive.writing.trees import t

SUM = joined([row(Par("W_aa"), Name("a", t - i)) for i in range(8)])
a, z = Name("a", t), Ident("z")


@dataclass(frozen=True)
class Typewriter:
    """A page on which every letter of words, and every letter of mathematics, is as wide as any other."""

    page: float
    space: float = 1
    gap: float = 3
    indent: float = 2

    def node(self, node: Node) -> float:
        return Sheet(NOTE, self.page).node(node)

    def words(self, parts: Parts) -> float:
        return Sheet(NOTE, self.page).words(parts)

    def broken(self, node: Node, width: float) -> list[Node]:
        return Sheet(NOTE, self.page).broken(node, width)

    def number(self, numbers: tuple[int, ...]) -> float:
        return 2 + len(label(numbers)) if numbers else 0

    def relation(self, sign: str) -> float:
        return 3


def text(lines: Sequence[Parts]) -> str:
    return "\n".join(Sheet(NOTE, 80).shown(line) for line in lines)


# ----------------------------------------------------------------------------- words


def test_words_wrap_at_spaces_only() -> None:
    parts: tuple[Inline, ...] = ("the state ", a, ", which is ", Words("given"), ".")
    lines = wrapped(parts, Typewriter(12), 12)
    assert text(lines) == "the state\na⟨t⟩, which\nis given."


def test_nothing_is_one_empty_line() -> None:
    assert wrapped((), Typewriter(10), 10) == [()]


def test_wide_mathematics_among_words_breaks() -> None:
    lines = wrapped(("so ", SUM, "."), Typewriter(30), 30)
    assert len(lines) > 3
    assert all(Typewriter(30).words(line) <= 30 for line in lines)


@given(st.lists(st.text(alphabet="ab c", max_size=12), max_size=8), st.integers(3, 20))
def test_no_letter_is_lost(parts: list[str], width: int) -> None:
    lines = wrapped(tuple(parts), Typewriter(width), width)
    assert text(lines).split() == "".join(parts).split()
    for line in lines:
        assert len(text([line])) <= width or " " not in text([line])


def test_strings_are_put_together() -> None:
    assert merged(["a", "b", z, "c"]) == ("ab", z, "c")
    assert listed([("a",), (), (z, "b")], "; ") == ("a", "; ", z, "b")


# ----------------------------------------------------------------------------- tables


def test_columns_that_fit_keep_their_widths() -> None:
    (group,) = fitted([[("name",), ("what it is",)], [("a",), ("b",)]], Typewriter(40), 3)
    assert group.places == (0, 1)
    assert group.widths == (4, 10)


def test_wide_columns_share_what_is_left() -> None:
    words = ("many words about it, and many more of them",)
    (group,) = fitted([[("name",), words, words]], Typewriter(40), 3)
    assert sum(group.widths) == pytest.approx(34)
    assert group.widths[0] == 4
    assert group.widths[1] == group.widths[2] == 15


def test_what_cannot_stand_beside_goes_below_with_the_first_column() -> None:
    cell = ("incompressible",)
    groups = fitted([[("k",), cell, cell, cell, cell]], Typewriter(40), 3)
    assert [group.places for group in groups] == [(0, 1, 2), (0, 3, 4)]
    assert all(sum(g.widths) + 6 <= 40 for g in groups)


# ----------------------------------------------------------------------------- equations


def lines_wide(rows: Sequence[Placed], page: float) -> bool:
    paper = Typewriter(page)
    number = max(paper.number(r.numbers) for r in rows)
    left = max((paper.node(r.left) for r in rows if r.left is not None and not r.flush), default=0)
    for r in rows:
        right = 0 if r.right is None else 3 + paper.node(r.right)
        right += 0 if r.left is None or not r.flush else paper.node(r.left)
        said = paper.gap + paper.words(r.remark) if r.remark else 0
        if number + left + right + 2 * r.depth + said > page + 1e-9:
            return True
    return False


def test_what_is_said_stands_beside() -> None:
    lines = [Line(a, z, numbers=(3,), rule=("a rule",)), Line(None, row(z, AST, z), rule=("another",))]
    rows = arranged(lines, Typewriter(40))
    assert [r.apart for r in rows] == [True, True]
    assert [r.numbers for r in rows] == [(3,), ()]
    assert [r.last for r in rows] == [True, True]


def test_what_is_said_stands_below_where_the_page_is_narrow() -> None:
    line = Line(a, row(z, AST, z, AST, z), rule=("a_rule_whose_name_is_long",))
    rows = arranged([line], Typewriter(36))
    assert [r.right is None for r in rows] == [False, True]
    assert rows[1].depth == 1 and not rows[1].apart
    assert not lines_wide(rows, 36)


def test_wide_right_sides_are_broken() -> None:
    rows = arranged([Line(a, SUM, numbers=(1, 2))], Typewriter(50))
    assert len(rows) > 2
    assert [r.relation for r in rows] == ["=", *[""] * (len(rows) - 1)]
    assert [r.depth for r in rows] == [0, *[1] * (len(rows) - 1)]
    assert not lines_wide(rows, 50)


def test_wide_left_sides_get_a_row() -> None:
    rows = arranged([Line(SUM, SUM, numbers=(7,), rule=("why",))], Typewriter(120))
    assert rows[0].right is None and rows[0].flush and rows[0].numbers == (7,)
    assert rows[1].relation == "=" and rows[1].depth == 1
    assert not lines_wide(rows, 120)


def test_a_sum_goes_on_with_the_sign_of_its_term() -> None:
    rows = arranged([Line(a, z), Line(None, row(MINUS, z), relation="+")], Typewriter(40))
    assert rows[1].relation == "-"
    assert rows[1].right == z


def test_what_is_said_of_a_line() -> None:
    line = Line(a, z, rule=("rule",), where=(t_is_one(),), shape=Words("scalar"), quoted=True, verdict=False)
    assert text([remark(line)]) == "scalar; t = 1; rule; quoted, does not hold"
    assert text([remark(Line(a, z))]) == ""


def t_is_one() -> Node:
    from chalkgrad.derive.writing.tree import EQUALS, When

    return row(When(t), EQUALS, Number("1"))


SIDES = st.sampled_from([a, z, row(z, AST, a), SUM, Par("W_aa"), row(SUM, AST, SUM)])
LINES = st.builds(
    Line,
    st.none() | SIDES,
    SIDES,
    st.sampled_from(["=", "+", "≈"]),
    st.sampled_from([(), (1,), (12, 13)]),
    st.sampled_from([(), ("a rule",), ("the chain rule, through ", a, " and what follows")]),
)


@given(st.lists(LINES, min_size=1, max_size=5), st.integers(44, 140))
def test_rows_fit_the_page(lines: list[Line], page: int) -> None:
    rows = arranged(lines, Typewriter(page))
    left = max((Typewriter(page).node(line.left) for line in lines if line.left is not None), default=0)
    if left < page / 2:
        assert not lines_wide(rows, page)
    assert len(lines_of(rows)) == len(lines)
    assert [n for r in rows for n in r.numbers] == [n for line in lines for n in line.numbers]


def test_labels_and_tags() -> None:
    assert label((3, 4)) == "(3), (4)"
    assert tag((3, 4)) == "3, 4"
    assert Ems(NOTE, 40).number(()) == 0
    assert Ems(NOTE, 40, tagged=True).number((3,)) > Ems(NOTE, 40).number(())
