"""Drops what nobody reads. Any level; keeps the meaning of every result."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from chalkgrad.codegen.program.ir import Program, Role, Statement, statements
from chalkgrad.codegen.program.walk import reads, rewrite, writes


def drop_dead_code(program: Program) -> Program:
    """Remove statements that only write work buffers which no other buffer's statement reads.

    before   m = max(z);  u = z + b;  yhat = u      with m read nowhere
    after    u = z + b;  yhat = u
    """
    uses: Counter[str] = Counter()
    made: dict[str | None, list[Statement]] = {}
    for statement in statements(program.body):
        made.setdefault(writes(statement), []).append(statement)
        uses.update(_needs(statement))
    waiting = [n for n, b in program.buffers.items() if b.role is Role.WORK and not uses[n]]
    dead = set(waiting)
    while waiting:
        for statement in made.get(waiting.pop(), ()):
            for name in _needs(statement):
                uses[name] -= 1
                if not uses[name] and program.buffers[name].role is Role.WORK:
                    dead.add(name)
                    waiting.append(name)

    def keep(statement: Statement) -> tuple[Statement, ...]:
        return () if writes(statement) in dead else (statement,)

    live = {n: b for n, b in program.buffers.items() if b.role is Role.RESULT or uses[n]}
    return replace(program, body=rewrite(program.body, keep), buffers=live)


def _needs(statement: Statement) -> list[str]:
    """The other buffers that it reads, as often as it does."""
    return [ref.buffer for ref in reads(statement) if ref.buffer != writes(statement)]
