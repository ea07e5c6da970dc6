"""Which statements a team of threads can run without meeting, each with rows of its own.

Loops level. Every row is computed by itself, but for the sums over rows: there a thread has its part of
what is summed up. In a block of all steps at once a row is an example at a step, so that a value of
another step may be in another thread's hands.
"""

from __future__ import annotations

from dataclasses import dataclass

from codegen.ir import SUMS, Block, Kernel, Note, Span, Statement, statements
from codegen.walk import all_reads, all_writes, at_other_steps

Body = tuple[Statement, ...]


@dataclass(frozen=True)
class Region:
    """sums: all statements are sums over rows. alone: one thread has to run them all."""

    body: Body
    sums: bool = False
    alone: bool = False


def regions(block: Block) -> list[Region]:
    """The block's statements in an order that computes the same, cut where the threads have to meet."""
    if block.span is not Span.ALL:
        return [Region(block.body, alone=any(map(is_sum, statements(block.body))))]
    bodies: list[Body] = [()]
    sums: Body = ()
    for unit in _units(block.body):
        if is_sum(unit[-1]):
            sums += unit
        elif _disturbs(unit, sums):
            return [Region(block.body, alone=True)]
        elif at_other_steps(bodies[-1], unit):
            bodies.append(unit)
        else:
            bodies[-1] += unit
    found = [Region(body) for body in bodies if body]
    return [*found, Region(sums, sums=True)] if sums else found


def is_sum(statement: Statement) -> bool:
    return isinstance(statement, Kernel) and statement.name in SUMS


def _units(body: Body) -> list[Body]:
    """Each statement with the notes before it."""
    units: list[Body] = []
    notes: Body = ()
    for statement in body:
        if isinstance(statement, Note):
            notes += (statement,)
        else:
            units.append((*notes, statement))
            notes = ()
    return units


def _disturbs(unit: Body, sums: Body) -> bool:
    """Whether the sums could not as well come after the unit."""
    read, written = {r.buffer for r in all_reads(sums)}, {r.buffer for r in all_writes(sums)}
    return any(r.buffer in read for r in all_writes(unit)) or any(
        r.buffer in written for r in all_reads(unit)
    )
