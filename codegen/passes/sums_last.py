"""Sums over examples come last: a thread does all else for its examples before them. Loops to loops level."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from chalkgrad.codegen.program.ir import (
    SUMS,
    Affine,
    Block,
    Kernel,
    Layout,
    Note,
    Program,
    Span,
    Statement,
    statements,
)
from chalkgrad.codegen.program.walk import all_reads, all_writes

Body = tuple[Statement, ...]
TITLE = "sums over examples"


def sums_last(program: Program) -> Program:
    """Move each sum over the rows of a block behind all other blocks.

    before   all steps: d_W += Σ δ[t] a[t]ᵀ;  each step: …
    after    each step: …;  all steps: d_W += Σ δ[t] a[t]ᵀ
    needs    what it reads is not written later, and what it adds to is not read later
    """
    body: list[Statement] = []  # from the end, as all lists here
    last: tuple[Block, ...] = ()
    later = _Later()
    for block in reversed(program.body):
        if not isinstance(block, Block):
            body.append(block)
            continue
        own: list[Statement] = []
        sums: list[Statement] = []
        for unit in reversed(_units(block.body)):
            accesses = list(_accesses(program, block, unit))
            if block.span is not Span.EACH and is_sum(unit[-1]) and not later.meets(accesses):
                sums.extend(reversed(unit))
            else:
                own.extend(reversed(unit))
                later.add(accesses)
        body += [replace(block, body=tuple(reversed(own)))] if own else []
        moved = replace(block, body=tuple(reversed(sums)), reverse=False, title="")
        last = _joined(moved, last) if sums else last
    titled = (replace(last[0], title=TITLE), *last[1:]) if last else ()
    return replace(program, body=(*reversed(body), *titled))


def split(program: Program) -> tuple[tuple[Block, ...], tuple[Block, ...]]:
    """The blocks before, and those at the end that do nothing but sum over examples, once."""
    blocks = tuple(s for s in program.body if isinstance(s, Block))
    own = len(blocks)
    while own and blocks[own - 1].span is not Span.EACH and _only_sums(blocks[own - 1]):
        own -= 1
    return blocks[:own], blocks[own:]


def _only_sums(block: Block) -> bool:
    return all(isinstance(s, Note) or is_sum(s) for s in block.body)


def has_sums(blocks: tuple[Block, ...]) -> bool:
    return any(map(is_sum, statements(blocks)))


def is_sum(statement: Statement) -> bool:
    return isinstance(statement, Kernel) and statement.name in SUMS


def _joined(block: Block, others: tuple[Block, ...]) -> tuple[Block, ...]:
    """The block before the others, as one with the first of them where both are of the same steps."""
    if others and replace(others[0], body=block.body) == block:
        return (replace(block, body=block.body + others[0].body), *others[1:])
    return (block, *others)


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


@dataclass(frozen=True)
class _Access:
    """What is done to a buffer, at the steps from `first` to `last` where these are known."""

    buffer: str
    writes: bool
    first: Affine | None
    last: Affine | None

    def touches(self, other: _Access) -> bool:
        """Whether both may be at the same place, and not both only read it."""
        if self.buffer != other.buffer or not (self.writes or other.writes):
            return False
        if self.first is None or self.last is None or other.first is None or other.last is None:
            return True
        return not (self.last.before(other.first) or other.last.before(self.first))


def _accesses(program: Program, block: Block, unit: Body) -> Iterator[_Access]:
    first = block.start + (0 if block.span is Span.ONCE else 1)
    last = block.start if block.span is Span.ONCE else block.start + block.steps
    for refs, writes in ((all_reads(unit), False), (all_writes(unit), True)):
        for ref in refs:
            timed = program.buffers[ref.buffer].layout is Layout.TIME and block.span is not Span.LAST
            steps = (first + ref.lag, last + ref.lag) if timed else (None, None)
            yield _Access(ref.buffer, writes, *steps)


class _Later:
    """What is done behind a place, by buffer."""

    def __init__(self) -> None:
        self._known: dict[str, dict[_Access, None]] = {}

    def add(self, accesses: Iterable[_Access]) -> None:
        for access in accesses:
            self._known.setdefault(access.buffer, {})[access] = None

    def meets(self, accesses: Iterable[_Access]) -> bool:
        return any(one.touches(other) for one in accesses for other in self._known.get(one.buffer, ()))
