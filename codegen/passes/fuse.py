"""Neighbouring loops become one, and what then lives and dies inside one iteration becomes a scalar.

Loops level to loops level.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from codegen.passes.scalars import substitute
from codegen.program.ir import (
    Block,
    For,
    Layout,
    Let,
    Load,
    Local,
    Program,
    Role,
    Rows,
    Scalar,
    Span,
    Statement,
    Store,
    statements,
)
from codegen.program.names import FreshNames
from codegen.program.walk import at_other_steps, map_scalars, reads, rewrite, writes


def fuse_loops(program: Program) -> Program:
    """Join neighbouring loops over the same rows, and in them over the same components.

    before   for r: for i: z[i] = …        for r: for i: a[i] = tanh(z[i])
    after    for r: for i: { z[i] = …;  a[i] = tanh(z[i]) }
    needs    a row reads no other row, and within a joined loop a component no other component: true of
             all loops that `to_loops` writes, whose vectors are indexed by the loop's own index; but where
             a row is an example at a step, a loop may need another step of what an earlier loop writes
    """

    def change(statement: Statement) -> tuple[Statement, ...]:
        match statement:
            case Block(body=body, span=span):
                return (replace(statement, body=_joined(body, steps_apart=span is Span.ALL)),)
            case Rows(body=body):
                return (replace(statement, body=_joined(body)),)
            case _:
                return (statement,)

    return replace(program, body=rewrite(program.body, change))


def _joined(body: tuple[Statement, ...], steps_apart: bool = False) -> tuple[Statement, ...]:
    result: list[Statement] = []
    for statement in body:
        previous = result[-1] if result else None
        match previous, statement:
            case (Rows(rows=first), Rows(rows=second)) if first == second and not (
                steps_apart and at_other_steps(previous.body, statement.body)
            ):
                result[-1] = Rows(first, _joined(previous.body + statement.body))
            case (For(extent=n), For(extent=m)) if n == m:
                result[-1] = For(previous.index, n, previous.body + statement.body)
            case _:
                result.append(statement)
    return tuple(result)


def contract_temporaries(program: Program) -> Program:
    """Keep in a local what is written and read only within one iteration of one loop.

    before   for i: { z[i] = …;  a[i] = tanh(z[i]) }
    after    for i: { const z = …;  a[i] = tanh(z) }
    needs    every access stands in the same body, the first is a plain store
    """
    everywhere = Counter(_accesses(program.body))
    names = FreshNames(program.buffers)
    gone: set[str] = set()

    def change(statement: Statement) -> tuple[Statement, ...]:
        match statement:
            case Rows(body=body) | For(body=body):
                here = Counter(name for s in body if not isinstance(s, (Rows, For)) for name in _own(s))
                local = {n for n, count in here.items() if count == everywhere[n] and _fits(program, n, body)}
                gone.update(local)
                return (
                    replace(
                        statement, body=_contracted(body, {n: names.fresh(f"{n}_i") for n in sorted(local)})
                    ),
                )
            case _:
                return (statement,)

    body = rewrite(program.body, change)
    return replace(program, body=body, buffers={n: b for n, b in program.buffers.items() if n not in gone})


def _accesses(body: tuple[Statement, ...]) -> Iterator[str]:
    for statement in statements(body):
        yield from _own(statement)


def _own(statement: Statement) -> Iterator[str]:
    """The buffers that a statement itself touches, one for each access."""
    yield from (ref.buffer for ref in reads(statement))
    written = writes(statement)
    if written is not None:
        yield written


def _fits(program: Program, name: str, body: tuple[Statement, ...]) -> bool:
    buffer = program.buffers[name]
    if buffer.role is not Role.WORK or buffer.layout is not Layout.BATCH:
        return False
    stores = [s for s in body if isinstance(s, Store) and s.ref.buffer == name]
    first = next((s for s in body if name in _own(s)), None)
    return len(stores) == 1 and first is stores[0] and not stores[0].accumulate


def _contracted(body: tuple[Statement, ...], local: dict[str, str]) -> tuple[Statement, ...]:
    def leaf(scalar: Scalar) -> Scalar:
        return (
            Local(local[scalar.ref.buffer])
            if isinstance(scalar, Load) and scalar.ref.buffer in local
            else scalar
        )

    result: list[Statement] = []
    for statement in body:
        changed = map_scalars(statement, lambda s: substitute(s, leaf))
        if isinstance(changed, Store) and changed.ref.buffer in local:
            changed = Let(local[changed.ref.buffer], changed.value)
        result.append(changed)
    return tuple(result)
