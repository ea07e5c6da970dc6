"""Vectors whose lives do not overlap share their memory. Loops level to loops level."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from codegen.ir import (
    SUMS,
    Affine,
    Block,
    Buffer,
    For,
    Kernel,
    Layout,
    Load,
    Note,
    Program,
    Ref,
    Role,
    Rows,
    Scalar,
    Span,
    Statement,
    Store,
    Zero,
)
from codegen.passes.scalars import substitute
from codegen.walk import map_scalars, reads, rewrite


def reuse_buffers(program: Program) -> Program:
    """Let a vector stand where one stood that nobody needs any more: less memory, and less of it to move.

    before   for i: a[t][i] = tanh(z[t][i])      with z read nowhere after it
    after    for i: a[t][i] = tanh(a[t][i])      and z's other statements at a
    needs    both are our own, of one shape and kept for every step; at no step is z touched once a is made
    """
    while pair := next(_pairs(program), None):
        program = _merged(program, *pair)
    return program


@dataclass(frozen=True)
class _Access:
    """One access: in which block, and at which place of the program. Sums count as the end of a block."""

    ref: Ref
    block: int
    place: int
    rows: str
    writes: bool = False


def _pairs(program: Program) -> Iterator[tuple[Buffer, Buffer]]:
    """(z, v) where v can stand in z's place; those that v is made from come first."""
    accesses: dict[str, list[_Access]] = {}
    for access in _accesses(program):
        accesses.setdefault(access.ref.buffer, []).append(access)
    zeroed = {s.buffer for s in program.body if isinstance(s, Zero)}
    for block, place, store in _definitions(program):
        v = program.buffers[store.ref.buffer]
        names = dict.fromkeys([*(ref.buffer for ref in reads(store)), *program.buffers])
        for z in (program.buffers[name] for name in names if name in accesses):
            if z != v and v.name not in zeroed and _alike(z, v):
                site = _Site(program, block, place, z, v)
                others = (a for a in accesses[v.name] if (a.place, a.writes) != (place, True))
                if site.is_over(accesses[z.name], accesses[v.name]) and all(map(site.is_later, others)):
                    yield z, v


@dataclass(frozen=True)
class _Site:
    """Where v is made, and z has to be over."""

    program: Program
    block: int
    place: int
    z: Buffer
    v: Buffer

    def is_over(self, z: list[_Access], v: list[_Access]) -> bool:
        """Whether z is touched only before v is made, at each step, or where v has nothing."""
        others = any(access.rows != "active" for access in v)  # v has values of rows that are not active
        if others and any(access.rows != "active" for access in z):
            return False
        return all(self._is_over(access) for access in z)

    def _is_over(self, z: _Access) -> bool:
        if z.block != self.block:
            return z.block < self.block or self._at_once_before(z, self.v)
        if z.rows == "idle":
            return True
        each = self._block(self.block)
        ahead = each.span is Span.EACH and (z.ref.lag < 0 if each.reverse else z.ref.lag > 0)
        return ahead or (z.ref.lag == 0 and z.place <= self.place)

    def is_later(self, v: _Access) -> bool:
        """Whether an access of v touches only what is made already, or no step of z."""
        if v.block != self.block:
            return v.block > self.block or self._at_once_before(v, self.z)
        each = self._block(self.block)
        made = each.span is Span.EACH and (v.ref.lag > 0 if each.reverse else v.ref.lag < 0)
        at_idle = v.rows == "idle" and v.ref.lag == 0
        return (made and not v.writes) or at_idle or (v.ref.lag == 0 and v.place >= self.place)

    def _at_once_before(self, access: _Access, other: Buffer) -> bool:
        """Whether the access is at one step alone, before all those of the other buffer."""
        block = self._block(access.block)
        return block.span is Span.ONCE and _before(block.start + access.ref.lag, other.first)

    def _block(self, number: int) -> Block:
        block = self.program.body[number]
        assert isinstance(block, Block)
        return block


def _alike(z: Buffer, v: Buffer) -> bool:
    """Whether one of them has room for all steps of the other."""
    own = all(b.role is Role.WORK and b.layout is Layout.TIME for b in (z, v))
    return own and z.shape == v.shape and any(_within(*pair) for pair in ((z, v), (v, z)))


def _within(small: Buffer, large: Buffer) -> bool:
    same = small.first.counts == large.first.counts and _end(small).counts == _end(large).counts
    return same and not (_before(small.first, large.first) or _before(_end(large), _end(small)))


def _end(buffer: Buffer) -> Affine:
    return buffer.first + buffer.slots


def _before(one: Affine, other: Affine) -> bool:
    return one.counts == other.counts and one.constant < other.constant


def _definitions(program: Program) -> Iterator[tuple[int, int, Store]]:
    """The stores to one component of the current step of each active row."""
    for block, place, rows, statement in _walk(program):
        plain = isinstance(statement, Store) and not statement.accumulate and len(statement.components) == 1
        if plain and isinstance(statement, Store) and statement.ref.lag == 0 and rows == "active":
            yield block, place, statement


def _accesses(program: Program) -> Iterator[_Access]:
    for block, place, rows, statement in _walk(program):
        for ref in reads(statement):
            yield _Access(ref, block, place, rows)
        match statement:
            case Store(ref=ref) | Kernel(out=ref):
                yield _Access(ref, block, place, rows, writes=True)
            case _:
                pass


_LATE = 1 << 30  # a place behind all others


def _walk(program: Program) -> Iterator[tuple[int, int, str, Statement]]:
    """(number of the block, place, rows, statement) of all statements that are no loops."""
    place = 0

    def inside(body: tuple[Statement, ...], rows: str) -> Iterator[tuple[str, Statement]]:
        for statement in body:
            match statement:
                case Rows(rows=own, body=inner):
                    yield from inside(inner, own)
                case For(body=inner):
                    yield from inside(inner, rows)
                case Kernel(rows=own):
                    yield own, statement
                case Note():
                    pass
                case _:
                    yield rows, statement

    for number, block in enumerate(program.body):
        if isinstance(block, Block):
            everywhere = "all" if block.span in (Span.ONCE, Span.LAST) else ""
            for rows, statement in inside(block.body, "all"):
                place += 1
                late = isinstance(statement, Kernel) and statement.name in SUMS
                yield number, _LATE if late else place, everywhere or rows, statement


def _merged(program: Program, z: Buffer, v: Buffer) -> Program:
    def moved(ref: Ref) -> Ref:
        return replace(ref, buffer=v.name) if ref.buffer == z.name else ref

    def leaf(scalar: Scalar) -> Scalar:
        return replace(scalar, ref=moved(scalar.ref)) if isinstance(scalar, Load) else scalar

    def change(statement: Statement) -> tuple[Statement, ...]:
        statement = map_scalars(statement, lambda s: substitute(s, leaf))
        match statement:
            case Store(ref=ref):
                return (replace(statement, ref=moved(ref)),)
            case Kernel(out=out, operands=operands):
                return (replace(statement, out=moved(out), operands=tuple(map(moved, operands))),)
            case Zero(buffer=name):
                return (Zero(v.name if name == z.name else name),)
            case _:
                return (statement,)

    buffers: dict[str, Buffer] = {n: b for n, b in program.buffers.items() if n != z.name}
    buffers[v.name] = v if _within(z, v) else replace(z, name=v.name)
    return replace(program, buffers=buffers, body=rewrite(program.body, change))
