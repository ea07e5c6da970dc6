"""The pass lists, in order, and what runs them: every pass is followed by a check of its result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from chalkgrad.codegen.passes.common import share_common
from chalkgrad.codegen.passes.dead_code import drop_dead_code
from chalkgrad.codegen.passes.distribute import distribute
from chalkgrad.codegen.passes.fuse import contract_temporaries, fuse_loops
from chalkgrad.codegen.passes.reuse_buffers import reuse_buffers
from chalkgrad.codegen.passes.softplus import share_tails
from chalkgrad.codegen.passes.specialise import specialise
from chalkgrad.codegen.passes.sums_last import sums_last
from chalkgrad.codegen.passes.to_loops import to_loops
from chalkgrad.codegen.passes.unroll import OverBudget, unroll
from chalkgrad.codegen.program.check import check
from chalkgrad.codegen.program.interface import Counts
from chalkgrad.codegen.program.ir import Program

Pass = Callable[[Program], Program]
Dump = Callable[[str, Program], None]


OPTIONAL: tuple[str, ...] = (
    "share_tails",
    "distribute",
    "sums_last",
    "fuse_loops",
    "contract_temporaries",
    "reuse_buffers",
    "unroll",
    "share_common",
)
"""The passes that a build may leave out: they change how fast it is, not what it computes."""


def vector_passes() -> tuple[Pass, ...]:
    """On what `codegen.lowering.lower` gives; the NumPy twin is printed after them."""
    return (drop_dead_code,)


def loop_passes(sizes: Mapping[str, int], chosen: Sequence[str] = OPTIONAL) -> tuple[Pass, ...]:
    """From the vector level to loops, T and B at run time."""

    def specialise_sizes(program: Program) -> Program:
        return specialise(program, sizes)

    passes = (
        specialise_sizes,
        share_tails,
        distribute,
        to_loops,
        sums_last,
        fuse_loops,
        contract_temporaries,
        reuse_buffers,
    )
    return _wanted(passes, chosen)


def straight_passes(
    sizes: Mapping[str, int], counts: Counts, chosen: Sequence[str] = OPTIONAL
) -> tuple[Pass, ...]:
    """From the vector level to straight-line code for `counts`; raises OverBudget where that is too long."""

    def specialise_sizes(program: Program) -> Program:
        return specialise(program, sizes)

    def unroll_steps(program: Program) -> Program:
        return unroll(program, counts)

    return _wanted((specialise_sizes, share_tails, unroll_steps, share_common), chosen)


def _wanted(passes: tuple[Pass, ...], chosen: Sequence[str]) -> tuple[Pass, ...]:
    return tuple(p for p in passes if p.__name__ in chosen or p.__name__ not in OPTIONAL)


def run(program: Program, passes: Sequence[Pass], dump: Dump | None = None) -> Program:
    """The program after all passes. `dump(name of the pass, program)` is called after each."""
    for step in passes:
        program = step(program)
        check(program)
        if dump is not None:
            dump(step.__name__, program)
    return program


def straighten(
    programs: Sequence[Program], sizes: Mapping[str, int], counts: Counts, chosen: Sequence[str] = OPTIONAL
) -> dict[str, Program]:
    """The straight form of every function, or of none if one of them is beyond the budget."""
    if "unroll" not in chosen:
        return {}
    try:
        return {p.function: run(p, straight_passes(sizes, counts, chosen)) for p in programs}
    except OverBudget:
        return {}
