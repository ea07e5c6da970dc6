"""Neighbouring loops become one, and what then lives and dies inside one iteration becomes a scalar.

Loops level to loops level.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from chalkgrad.codegen.passes.scalars import substitute
from chalkgrad.codegen.program.ir import (
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
from chalkgrad.codegen.program.names import FreshNames
from chalkgrad.codegen.program.walk import Done, map_scalars, reads, rewrite, writes


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
    run: list[Statement] = []
    for statement, joins in _neighbours(body, steps_apart):
        if run and not joins:
            result.append(_as_one(run))
            run = []
        run.append(statement)
    return (*result, _as_one(run)) if run else ()


def _neighbours(body: tuple[Statement, ...], steps_apart: bool) -> Iterator[tuple[Statement, bool]]:
    """Each statement, and whether it can be one loop with all that have joined just before it."""
    first: Statement | None = None
    done = Done()
    for statement in body:
        match first, statement:
            case (Rows(rows=one), Rows(rows=other)):
                joins = one == other and not (steps_apart and done.at_other_steps(statement.body))
            case (For(extent=one), For(extent=other)):
                joins = one == other
            case _:
                joins = False
        if not joins:
            first, done = statement, Done()
        if steps_apart and isinstance(statement, Rows):
            done.add(statement.body)
        yield statement, joins


def _as_one(run: Sequence[Statement]) -> Statement:
    """Loops over the same as one loop."""
    first = run[0]
    if len(run) == 1 or not isinstance(first, (Rows, For)):
        return first
    body = tuple(inner for loop in run if isinstance(loop, (Rows, For)) for inner in loop.body)
    return replace(first, body=_joined(body) if isinstance(first, Rows) else body)


def contract_temporaries(program: Program) -> Program:
    """Keep in a local what is written and read only within one iteration of one loop.

    before   for i: { z[i] = …;  a[i] = tanh(z[i]) }
    after    for i: { const z = …;  a[i] = tanh(z) }
    needs    every access stands in the same body, the first is a plain store
    """
    everywhere = Counter(name for s in statements(program.body) for name in _own(s))
    names = FreshNames(program.buffers)
    gone: set[str] = set()

    def change(statement: Statement) -> tuple[Statement, ...]:
        match statement:
            case Rows(body=body) | For(body=body):
                local = sorted(_temporaries(program, body, everywhere))
                gone.update(local)
                return (
                    replace(statement, body=_contracted(body, {n: names.fresh(f"{n}_i") for n in local})),
                )
            case _:
                return (statement,)

    body = rewrite(program.body, change)
    return replace(program, body=body, buffers={n: b for n, b in program.buffers.items() if n not in gone})


def _own(statement: Statement) -> Iterator[str]:
    """The buffers that a statement itself touches, one for each access."""
    yield from (ref.buffer for ref in reads(statement))
    written = writes(statement)
    if written is not None:
        yield written


def _temporaries(
    program: Program, body: tuple[Statement, ...], everywhere: Mapping[str, int]
) -> Iterator[str]:
    """The buffers whose every access stands in the body itself, after one plain store."""
    here: Counter[str] = Counter()
    stores: dict[str, list[Store]] = {}
    first: dict[str, Statement] = {}
    for statement in body:
        for name in _own(statement):
            here[name] += 1
            first.setdefault(name, statement)
        if isinstance(statement, Store):
            stores.setdefault(statement.ref.buffer, []).append(statement)
    for name, made in stores.items():
        buffer = program.buffers[name]
        ours = buffer.role is Role.WORK and buffer.layout is Layout.BATCH
        plain = len(made) == 1 and first[name] is made[0] and not made[0].accumulate
        if ours and plain and here[name] == everywhere[name]:
            yield name


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
