"""Every pass keeps the meaning of a program: random ones, pass by pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings

from chalkgrad import derive
from chalkgrad.codegen.driver import fixed_counts
from chalkgrad.codegen.errors import ProgramError
from chalkgrad.codegen.passes import pipeline
from chalkgrad.codegen.passes.common import share_common
from chalkgrad.codegen.passes.dead_code import drop_dead_code
from chalkgrad.codegen.passes.distribute import distribute
from chalkgrad.codegen.passes.scalars import fold, linear_factors
from chalkgrad.codegen.passes.specialise import specialise
from chalkgrad.codegen.passes.sums_last import has_sums, split
from chalkgrad.codegen.passes.to_loops import to_loops
from chalkgrad.codegen.passes.unroll import OverBudget, unroll
from chalkgrad.codegen.program.interface import Array, Counts, Interface
from chalkgrad.codegen.program.ir import (
    Affine,
    Arg,
    Assign,
    Block,
    Buffer,
    Call,
    Const,
    Elementwise,
    For,
    Kernel,
    Layout,
    Let,
    Load,
    Local,
    Outer,
    Product,
    Program,
    Ref,
    Role,
    Rows,
    Span,
    Statement,
    Store,
    Zero,
    statements,
)
from chalkgrad.codegen.program.walk import parts, rewrite, scalars, within
from tests.codegen.calls import (
    Arguments,
    arguments,
    compare,
    everything,
    fixed,
    interface_of,
    interpreted,
    lowered,
    steps,
)
from tests.programs.cases import Case
from tests.programs.program import Program as RandomProgram
from tests.programs.runs import programs

TOLERANCE = 1e-9  # norm-wise, float64: the sums of the levels have different orders
SMALL_B, LARGEST = 3, 5  # the interpreter is slow


def _run(face: Interface, programs: Mapping[str, Program], a: Arguments) -> dict[str, Array]:
    return everything(interpreted(face, programs), a)


def _stages(programs: Mapping[str, Program], passes: Sequence[pipeline.Pass]) -> list[dict[str, Program]]:
    """The programs after each pass, checked."""
    result = [dict(programs)]
    for step in passes:
        result.append({name: pipeline.run(p, (step,)) for name, p in result[-1].items()})
    return result[1:]


def _straight_passes(face: Interface, counts: Counts, budget: int) -> tuple[pipeline.Pass, ...]:
    assert face.sizes is not None
    passes = pipeline.straight_passes(face.sizes, counts)
    return tuple(
        partial(unroll, counts=counts, budget=budget) if p.__name__ == "unroll_steps" else p for p in passes
    )


def _hold_all_levels(case: Case) -> None:
    sizes = {name: min(number, LARGEST) for name, number in case.setting.sizes.items()}
    face = fixed(interface_of(case.derivation, sizes))
    counts = fixed_counts(face)
    assert face.sizes is not None and counts is not None
    lengths = case.setting.lengths[0] != "none"
    a = arguments(face, case.setting.seed, lengths, B=SMALL_B)
    (vector,) = _stages(lowered(case.derivation), pipeline.vector_passes())
    expected = _run(face, vector, a)
    assume(all(np.isfinite(value).all() for value in expected.values()))
    for stage in _stages(vector, pipeline.loop_passes(face.sizes)):
        compare(expected, _run(face, stage, a), TOLERANCE)
    if not lengths:
        for stage in _stages(vector, _straight_passes(face, counts, budget=1_000_000)):
            compare(expected, _run(face, stage, a), TOLERANCE)


@settings(
    max_examples=settings().max_examples // 5,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(drawn=programs())
def test_every_pass_keeps_the_meaning(drawn: RandomProgram) -> None:
    """What the programs mean is held to the oracle in tests/programs."""
    _hold_all_levels(Case(drawn))


def test_the_comparison_can_fail() -> None:
    """A program with one sign turned round is told from what it was."""
    derivation = derive.bptt(derive.load("vanilla"))
    face = interface_of(derivation, {"n_x": 2, "n_a": 4, "n_y": 5})
    programs = lowered(derivation)
    a = arguments(face, 0)
    expected = _run(face, programs, a)

    def turned(statement: Statement) -> tuple[Statement, ...]:
        match statement:
            case Assign(target=Ref(buffer="delta_z_a"), value=Elementwise() as value):
                return (replace(statement, value=replace(value, body=Call("neg", (value.body,)))),)
            case _:
                return (statement,)

    broken = {name: replace(p, body=rewrite(p.body, turned)) for name, p in programs.items()}
    with pytest.raises(AssertionError):
        compare(expected, _run(face, broken, a), TOLERANCE)


# ----------------------------------------------------------------------------- what each pass does


def _vanilla(function: str = "loss_and_grad") -> Program:
    (stage,) = _stages(lowered(derive.load("vanilla")), pipeline.vector_passes())
    return stage[function]


SIZES = {"n_x": 2, "n_a": 4, "n_y": 5}


def test_dead_code_goes_with_what_only_dead_code_reads() -> None:
    buffers = {
        "x": Buffer("x", Role.INPUT, Layout.BATCH, ("n",), public="x"),
        "u": Buffer("u", Role.WORK, Layout.BATCH, ("n",)),
        "v": Buffer("v", Role.WORK, Layout.BATCH, ("n",)),
        "w": Buffer("w", Role.INPUT, Layout.BATCH, ("n",), public="w"),
        "yhat": Buffer("yhat", Role.RESULT, Layout.BATCH, ("n",), public="yhat"),
    }
    body = (
        Zero("u"),
        Assign(Ref("u"), Ref("w"), accumulate=True),
        Assign(Ref("v"), Ref("u")),
        Assign(Ref("yhat"), Ref("x")),
    )
    block = Block(Span.ONCE, Affine(), Affine(1), "x", body[1:])
    program = drop_dead_code(Program("forward", buffers, (body[0], block)))
    assert list(program.buffers) == ["x", "yhat"]
    assert program.body == (Block(Span.ONCE, Affine(), Affine(1), "x", body[3:]),)


def test_specialise_leaves_no_name_of_a_size() -> None:
    program = specialise(_vanilla(), SIZES)
    assert program.buffers["W_ya"].shape == (5, 4)
    assert all(isinstance(e, int) for b in program.buffers.values() for e in b.shape)


def test_to_loops_wants_numbers_for_sizes() -> None:
    with pytest.raises(ProgramError, match="specialise"):
        to_loops(_vanilla())


def test_loops_have_only_statements_of_their_level() -> None:
    program = to_loops(specialise(_vanilla(), SIZES))
    found = list(statements(program.body))
    assert not any(isinstance(s, Assign) for s in found)
    kernels = [s for s in found if isinstance(s, Kernel)]
    assert {k.name for k in kernels} == {"pack", "pack_transposed", "product", "outer", "sum_rows", "total"}
    packed = [(k.name, k.operands) for k in kernels if k.name.startswith("pack")]
    assert len(packed) == len(set(packed)) == 6


@pytest.mark.parametrize(("name", "states", "carried"), [("vanilla", 1, 1), ("gru", 1, 3), ("lstm", 2, 4)])
def test_only_the_recurrence_stays_in_the_loop(name: str, states: int, carried: int) -> None:
    """One product with a state for each recurrent matrix on the way there, and one on the way back."""
    program = distribute(specialise(lowered(derive.load(name))["loss_and_grad"], SIZES))
    loops = [b for b in program.body if isinstance(b, Block) and b.span is Span.EACH]
    assert len(loops) == 2
    for loop in loops:
        inside = [v for s in loop.body if isinstance(s, Assign) for v in within(s.value)]
        matrices = [v.matrix.buffer for v in inside if isinstance(v, Product)]
        assert sorted(matrices) == sorted(set(matrices)) and len(matrices) == carried
        assert all(m.endswith("a") for m in matrices)
        assert not any(isinstance(v, Outer) for v in inside)
    at_once = [s for b in program.body if isinstance(b, Block) and b.span is Span.ALL for s in b.body]
    assert sum(isinstance(s, Assign) and isinstance(s.value, Outer) for s in at_once) == 2 * carried + 1
    kept = [b for b in program.buffers.values() if b.role is Role.WORK and b.layout is Layout.BATCH]
    assert len(kept) < len(program.buffers) / 2 and len(loops[0].body) > states


def test_a_sum_is_parted_only_for_a_product() -> None:
    program = distribute(specialise(_vanilla(), SIZES))
    assert _targets_at_once(program)[0] == ["z_a"]
    (loop, _) = (b for b in program.body if isinstance(b, Block) and b.span is Span.EACH)
    assert [s.accumulate for s in loop.body if isinstance(s, Assign) and s.target.buffer == "z_a"] == [True]
    fed = lowered(derive.load("vanilla", architecture="one-to-many", feed="output"))["forward"]
    first, *later = _targets_at_once(distribute(specialise(fed, SIZES | {"n_x": SIZES["n_y"]})))
    assert "z_a" in first
    assert not any("z_a" in targets for targets in later)


def _targets_at_once(program: Program) -> list[list[str]]:
    blocks = [b for b in program.body if isinstance(b, Block) and b.span is Span.ALL]
    return [[s.target.buffer for s in b.body if isinstance(s, Assign)] for b in blocks]


def test_fusion_and_contraction_shorten_the_program() -> None:
    program = specialise(lowered(derive.load("lstm"))["loss_and_grad"], SIZES)
    loops, fused, contracted, reused = _stages({"f": program}, pipeline.loop_passes(SIZES)[1:])[-4:]

    def count(stage: Mapping[str, Program], kind: type) -> int:
        return sum(isinstance(s, kind) for s in statements(stage["f"].body))

    assert count(fused, Rows) < count(loops, Rows)
    assert count(fused, For) < count(loops, For)
    assert count(contracted, Let) > 0
    assert len(contracted["f"].buffers) < len(fused["f"].buffers)
    assert len(reused["f"].buffers) < len(contracted["f"].buffers) - 5


def test_sums_come_last() -> None:
    """Behind all else, those over the same steps in one block; what a later phase overwrites stays."""
    programs = [
        pipeline.run(program, pipeline.loop_passes({"n_x": 2, "n_a": 3, "n_y": 2}))
        for architecture in ("many-to-many", "many-to-one", "one-to-many")
        for program in _stages(
            lowered(derive.load("lstm", architecture=architecture)), pipeline.vector_passes()
        )[0].values()
    ]
    for program in programs:
        own, last = split(program)
        assert not has_sums(own) and bool(last) == (program.function != "forward")
    without = pipeline.loop_passes({"n_x": 2, "n_a": 3, "n_y": 2}, ["sums_last"])
    (program, *_) = lowered(derive.load("vanilla")).values()
    assert has_sums(
        split(pipeline.run(program, (*pipeline.vector_passes(), *without)))[0]
    )  # sums of each step


def test_before() -> None:
    T, twice = Affine(0, ("T_x",)), Affine(0, ("T_x", "T_x"))
    assert Affine(0).before(T) and not Affine(1).before(T) and T.before(T + 1) and not T.before(T)
    assert T.before(twice) and not twice.before(T) and not T.before(Affine(9)) and not Affine(9).before(T)
    assert not T.before(Affine(3, ("T_y",))) and T.before(Affine(0, ("T_x", "T_y")))


def test_straight_code_has_no_loops_and_shares() -> None:
    model = derive.load("vanilla")
    face = fixed(interface_of(model, SIZES))
    counts = fixed_counts(face)
    assert counts is not None and steps(face)[0] == counts.T_x
    program = unroll(specialise(_vanilla(), SIZES), counts)
    found = list(statements(program.body))
    assert not any(isinstance(s, (For, Kernel, Assign)) for s in found)
    assert [s.span for s in found if isinstance(s, Block)] == [Span.ONCE]
    assert not any(b.role is Role.WORK for b in program.buffers.values())
    operations = [s for st in found for s in scalars(st) if isinstance(s, Call)]
    shared = [s for st in statements(share_common(program).body) for s in scalars(st) if isinstance(s, Call)]
    assert len(shared) <= len(operations)
    assert len(set(shared)) == len(shared), "an operation is done twice"


def test_dear_functions_stand_side_by_side() -> None:
    """What binary cross-entropy needs of every output of every step, before the loss adds it up."""
    counts = Counts(2, 2, 1)
    program = pipeline.run(lowered(derive.load("vanilla"))["loss_and_grad"], pipeline.vector_passes())
    program = pipeline.run(program, pipeline.straight_passes(SIZES, counts))
    values = [s.value for s in statements(program.body) if isinstance(s, (Let, Store))]
    called = [value.op if isinstance(value, Call) else "" for value in values]
    first, count = called.index("tail"), 2 * SIZES["n_y"]
    assert called[first : first + count] == ["tail"] * count
    inside = [part for value in values for operand in value.operands for part in parts(operand)]
    assert not any(isinstance(part, Call) and part.op == "tail" for part in inside)


def test_unroll_gives_up_beyond_the_budget() -> None:
    counts = fixed_counts(fixed(interface_of(derive.load("vanilla"), SIZES)))
    assert counts is not None
    program = specialise(_vanilla(), SIZES)
    with pytest.raises(OverBudget):
        unroll(program, counts, budget=100)
    assert unroll(program, counts, budget=10_000).level == "straight"


def _c(number: int) -> Const:
    return Const(Fraction(number))


X = Local("x")


@pytest.mark.parametrize(
    "before, after",
    [
        (Call("add", (_c(2), _c(3))), _c(5)),
        (Call("mul", (_c(2), _c(3))), _c(6)),
        (Call("neg", (Call("neg", (X,)),)), X),
        (Call("add", (_c(0), X)), X),
        (Call("sub", (X, _c(0))), X),
        (Call("sub", (_c(0), X)), Call("neg", (X,))),
        (Call("mul", (_c(1), X)), X),
        (Call("div", (X, _c(1))), X),
        (Call("mul", (_c(0), X)), Call("mul", (_c(0), X))),  # x may be infinite
        (Call("div", (_c(0), X)), Call("div", (_c(0), X))),
        (Call("add", (X, Call("neg", (Local("y"),)))), Call("sub", (X, Local("y")))),
    ],
)
def test_folding(before: Call, after: Call) -> None:
    assert fold(before) == after


def test_linear_factors() -> None:
    z = Arg(0)
    assert linear_factors(Call("sub", (Arg(1), Call("mul", (_c(3), z))))) == {0: Fraction(-3), 1: Fraction(1)}
    assert linear_factors(Call("div", (Call("add", (z, z)), _c(4)))) == {0: Fraction(1, 2)}
    assert linear_factors(Call("mul", (Arg(1), z))) == {0: None, 1: None}
    assert linear_factors(Call("add", (z, Call("tanh", (z,))))) == {0: None}
    assert linear_factors(Call("add", (Call("tanh", (Arg(1),)), z))) == {0: Fraction(1), 1: None}


def test_loads_survive_contraction_where_another_step_reads_them() -> None:
    """What is kept over time is never turned into a local."""
    program = pipeline.run(_vanilla(), pipeline.loop_passes(SIZES))
    assert program.buffers["a"].layout is Layout.TIME
    stores = [s for s in statements(program.body) if isinstance(s, Store) and s.ref.buffer == "a"]
    loads = [p for s in statements(program.body) for q in scalars(s) for p in parts(q) if isinstance(p, Load)]
    assert stores and any(p.ref.buffer == "a" for p in loads)
