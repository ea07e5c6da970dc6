"""The pass lists, in order, and what runs them: every pass is followed by a check of its result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from codegen.check import check
from codegen.interface import Counts
from codegen.ir import Program
from codegen.passes.common import share_common
from codegen.passes.dead_code import drop_dead_code
from codegen.passes.distribute import distribute
from codegen.passes.fuse import contract_temporaries, fuse_loops
from codegen.passes.specialise import specialise
from codegen.passes.to_loops import to_loops
from codegen.passes.unroll import OverBudget, unroll

Pass = Callable[[Program], Program]
Dump = Callable[[str, Program], None]


def vector_passes() -> tuple[Pass, ...]:
    """On what `codegen.lower` gives; the NumPy twin is printed after them."""
    return (drop_dead_code,)


def loop_passes(sizes: Mapping[str, int]) -> tuple[Pass, ...]:
    """From the vector level to loops, T and B at run time."""

    def specialise_sizes(program: Program) -> Program:
        return specialise(program, sizes)

    return (specialise_sizes, distribute, to_loops, fuse_loops, contract_temporaries)


def straight_passes(sizes: Mapping[str, int], counts: Counts) -> tuple[Pass, ...]:
    """From the vector level to straight-line code for `counts`; raises OverBudget where that is too long."""

    def specialise_sizes(program: Program) -> Program:
        return specialise(program, sizes)

    def unroll_steps(program: Program) -> Program:
        return unroll(program, counts)

    return (specialise_sizes, unroll_steps, share_common)


def run(program: Program, passes: Sequence[Pass], dump: Dump | None = None) -> Program:
    """The program after all passes. `dump(name of the pass, program)` is called after each."""
    for step in passes:
        program = step(program)
        check(program)
        if dump is not None:
            dump(step.__name__, program)
    return program


def straighten(programs: Sequence[Program], sizes: Mapping[str, int], counts: Counts) -> dict[str, Program]:
    """The straight form of every function, or of none if one of them is beyond the budget."""
    try:
        return {p.function: run(p, straight_passes(sizes, counts)) for p in programs}
    except OverBudget:
        return {}
