"""Drops what nobody reads. Any level; keeps the meaning of every result."""

from __future__ import annotations

from dataclasses import replace

from codegen.program.ir import Program, Role, Statement, statements
from codegen.program.walk import reads, rewrite, writes


def drop_dead_code(program: Program) -> Program:
    """Remove statements that only write work buffers which no other buffer's statement reads.

    before   m = max(z);  u = z + b;  yhat = u      with m read nowhere
    after    u = z + b;  yhat = u
    """
    while True:
        body = list(statements(program.body))
        used = {r.buffer for s in body for r in reads(s) if r.buffer != writes(s)}
        dead = {n for n, b in program.buffers.items() if b.role is Role.WORK and n not in used}

        def keep(statement: Statement, dead: set[str] = dead) -> tuple[Statement, ...]:
            return () if writes(statement) in dead else (statement,)

        changed = rewrite(program.body, keep)
        if changed == program.body:
            live = {n: b for n, b in program.buffers.items() if b.role is Role.RESULT or n in used}
            return replace(program, buffers=live)
        program = replace(program, body=changed)
