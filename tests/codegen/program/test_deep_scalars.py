"""A sum is as deep as it is long: what reads, rewrites and spells scalars does not call itself."""

from __future__ import annotations

from fractions import Fraction

from chalkgrad.codegen.c.lanes import Lanes
from chalkgrad.codegen.passes.scalars import ZERO, args_read, linear_factors, substitute
from chalkgrad.codegen.passes.specialise import specialise
from chalkgrad.codegen.program.ir import (
    Affine,
    Arg,
    Assign,
    Block,
    Buffer,
    Call,
    Const,
    Elementwise,
    Extent,
    Layout,
    Local,
    Program,
    Ref,
    Role,
    Scalar,
    Select,
    Span,
)
from chalkgrad.codegen.program.spell import TEXT, spell
from chalkgrad.codegen.program.walk import folded, moved, parts, terms

DEEP = 20_000


def summed(*leaves: Scalar) -> Scalar:
    total, *rest = leaves
    for leaf in rest:
        total = Call("add", (total, leaf))
    return total


SUM = summed(*(Arg(i) for i in range(DEEP)))


def spelled(scalar: Scalar) -> str:
    return spell(scalar, TEXT, lambda leaf: f"v{leaf.index}" if isinstance(leaf, Arg) else "x")


def test_parts_come_in_the_order_in_which_they_are_written() -> None:
    a, b, c = Arg(0), Arg(1), Arg(2)
    inner = Call("mul", (b, c))
    chosen = Select("lt", a, inner, b, a)
    assert list(parts(chosen)) == [chosen, a, inner, b, c, b, a]
    assert sum(1 for _ in parts(SUM)) == 2 * DEEP - 1


def test_folding_gives_each_part_what_its_operands_gave() -> None:
    a, b = Arg(0), Arg(1)
    both = Call("sub", (Call("neg", (a,)), Call("mul", (a, b))))
    assert folded(both, lambda part, operands: (type(part).__name__, *operands)) == (
        ("Call", ("Call", ("Arg",)), ("Call", ("Arg",), ("Arg",)))
    )
    assert folded(SUM, lambda part, operands: 1 + max(operands, default=0)) == DEEP


def test_a_long_sum_is_taken_apart_and_spelled() -> None:
    assert terms(SUM) == [Arg(i) for i in range(DEEP)]
    assert terms(moved(SUM, 3))[::DEEP] == [Arg(3)]
    assert args_read(SUM) == set(range(DEEP))
    assert spelled(SUM) == " + ".join(f"v{i}" for i in range(DEEP))


def test_a_long_sum_is_rewritten() -> None:
    assert linear_factors(SUM) == dict.fromkeys(range(DEEP), Fraction(1))
    odd = substitute(SUM, lambda leaf: leaf if isinstance(leaf, Arg) and leaf.index % 2 else ZERO)
    assert terms(odd) == [Arg(i) for i in range(1, DEEP, 2)]


def test_a_long_sum_over_lanes() -> None:
    """What all lanes share is spread, a number that every format holds stands as it is."""
    leaves = [Local("x"), Arg(0), Const(Fraction(2)), Const(Fraction(1, 3))]
    lanes = Lanes("float64", lambda leaf: isinstance(leaf, Arg), lambda leaf: "v", lambda leaf: "s")
    text = lanes.spell(summed(*leaves, *[Arg(0)] * DEEP))
    assert text == " + ".join(["all_v(s)", "v", "2.0", "all_v(s)", *["v"] * DEEP])


def test_sizes_in_a_long_sum_become_numbers() -> None:
    body = summed(*(Arg(0), Extent("n")) * (DEEP // 2))
    buffer = Buffer("u", Role.WORK, Layout.BATCH, ("n",))
    assign = Assign(Ref("u"), Elementwise(body, (Ref("u"),), ("n",)))
    block = Block(Span.ONCE, Affine(), Affine(1), "x", (assign,))
    (made,) = specialise(Program("forward", {"u": buffer}, (block,)), {"n": 3}).body
    assert isinstance(made, Block)
    (changed,) = made.body
    assert isinstance(changed, Assign) and isinstance(changed.value, Elementwise)
    assert terms(changed.value.body)[:4] == [Arg(0), Const(Fraction(3))] * 2
