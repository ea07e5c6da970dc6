"""Which statements a thread can run on its slice of the batch, and which sum over the slices of all threads.

Loops level. Every example is computed by itself, but for the sums over rows: there a thread has its part of
what is summed up.
"""

from __future__ import annotations

from dataclasses import dataclass

from codegen.ir import SUMS, Block, Kernel, Note, Span, Statement, statements
from codegen.walk import all_reads, all_writes

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
    own: Body = ()
    sums: Body = ()
    for unit in _units(block.body):
        if is_sum(unit[-1]):
            sums += unit
        elif _disturbs(unit, sums):
            return [Region(block.body, alone=True)]
        else:
            own += unit
    return [region for region in (Region(own), Region(sums, sums=True)) if region.body]


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
