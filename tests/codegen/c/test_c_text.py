"""Lines of generated C: none too long, broken where they bind least, the same tokens as before."""

from __future__ import annotations

import random
from contextlib import ExitStack

import pytest

from chalkgrad.codegen.c.text import Text


def lines_of(statement: str, depth: int = 0) -> list[str]:
    text = Text()
    with ExitStack() as braces:
        for _ in range(depth):
            braces.enter_context(text.inside())
        text.put(statement)
        return str(text).splitlines()[depth:]


def test_a_short_line_stays() -> None:
    assert lines_of("x = a + b;") == ["    x = a + b;"]


def test_arguments_are_parted_before_what_is_in_them() -> None:
    call = f"f({', '.join(f'first_{i} + (second_{i} - 1) * third' for i in range(6))});"
    first, *others = lines_of(call)
    assert first.startswith("    f(first_0")
    assert all(line.endswith((",", ");")) for line in (first, *others))
    assert all(line.startswith("        first_") for line in others)


def test_sums_are_parted_before_products() -> None:
    terms = " + ".join(f"W_aa[{i}] * a0[{i}]" for i in range(12))
    others = lines_of(f"const double z = {terms};")[1:]
    assert others and all(line.lstrip().startswith("+ W_aa") for line in others)


def test_comments_stay_whole() -> None:
    comment = f"/* {'a + b, ' * 40}*/"
    assert lines_of(comment) == [f"    {comment}"]


@pytest.mark.parametrize("seed", range(20))
def test_nothing_but_white_space_changes(seed: int) -> None:
    pick = random.Random(seed)

    def expression(depth: int) -> str:
        if depth == 0:
            return pick.choice(["x", "W_aa[i * n + j]", "delta_z_yhat", "-1.0", "p->last_x ? 1 : 2"])
        operator = pick.choice([" + ", " - ", " * ", " / ", ", ", " && ", " || "])
        return f"({expression(depth - 1)}{operator}{expression(depth - 1)})"

    statement = f"result = {expression(6)};"
    lines = lines_of(statement, depth=pick.randrange(5))
    assert " ".join(line.strip() for line in lines) == statement
    assert len(lines) > 1 and max(map(len, lines)) <= 100
