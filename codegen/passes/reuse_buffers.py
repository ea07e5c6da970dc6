"""Vectors whose lives do not overlap share their memory. Loops level to loops level."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from codegen.passes.scalars import substitute
from codegen.program.ir import (
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
from codegen.program.walk import map_scalars, reads, rewrite


def reuse_buffers(program: Program) -> Program:
    """Let a vector stand where one stood that nobody needs any more: less memory, and less of it to move.

    before   for i: a[t][i] = tanh(z[t][i])      with z read nowhere after it
    after    for i: a[t][i] = tanh(a[t][i])      and z's other statements at a
    needs    both are our own, of one shape and kept for every step; at no step is z touched once a is made
    """
    shared = _Shared(program)
    for block, place, store in _definitions(program):
        if v := shared.place_of.get(store.ref.buffer):
            for z in shared.others(store):
                if shared.fits(z, v, block, place):
                    shared.merge(z, v)
    return _renamed(program, shared.buffers, shared.place_of)


class _Shared:
    """The vectors of a program that are its own, what is done with each, and where each has its place now."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.buffers = {
            name: b for name, b in program.buffers.items() if b.role is Role.WORK and b.layout is Layout.TIME
        }
        self.place_of = {name: name for name in self.buffers}
        self._zeroed = {s.buffer for s in program.body if isinstance(s, Zero)}
        self._accesses: dict[str, list[_Access]] = {name: [] for name in self.buffers}
        for access in _accesses(program):
            if access.ref.buffer in self.buffers:
                self._accesses[access.ref.buffer].append(access)

    def others(self, store: Store) -> list[str]:
        """The vectors in whose place a stored one might stand; those that it is made from come first."""
        made_from = [self.place_of[ref.buffer] for ref in reads(store) if ref.buffer in self.place_of]
        return list(dict.fromkeys([*made_from, *self.buffers]))

    def fits(self, z: str, v: str, block: int, place: int) -> bool:
        """Whether v, which is made at this place of this block, can stand where z stood."""
        if z == v or v in self._zeroed or not _alike(self.buffers[z], self.buffers[v]):
            return False
        site = _Site(self.program, block, place, self.buffers[z], self.buffers[v])
        later = (a for a in self._accesses[v] if (a.place, a.writes) != (place, True))
        return site.is_over(self._accesses[z], self._accesses[v]) and all(map(site.is_later, later))

    def merge(self, z: str, v: str) -> None:
        room, own = self.buffers.pop(z), self.buffers[v]
        held = (*room.held, z, *own.held)
        self.buffers[v] = replace(own if _within(room, own) else room, name=v, held=held)
        self._accesses[v] += self._accesses.pop(z)
        self._zeroed |= {v} if z in self._zeroed else set()
        self.place_of = {name: v if now == z else now for name, now in self.place_of.items()}


@dataclass(frozen=True)
class _Access:
    """One access: in which block, and at which place of the program. Sums count as the end of a block."""

    ref: Ref
    block: int
    place: int
    rows: str
    writes: bool = False


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
        return block.span is Span.ONCE and (block.start + access.ref.lag).before(other.first)

    def _block(self, number: int) -> Block:
        block = self.program.body[number]
        assert isinstance(block, Block)
        return block


def _alike(z: Buffer, v: Buffer) -> bool:
    """Whether one of them has room for all steps of the other."""
    return z.shape == v.shape and (_within(z, v) or _within(v, z))


def _within(small: Buffer, large: Buffer) -> bool:
    same = small.first.counts == large.first.counts and _end(small).counts == _end(large).counts
    return same and not (small.first.before(large.first) or _end(large).before(_end(small)))


def _end(buffer: Buffer) -> Affine:
    return buffer.first + buffer.slots


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


def _renamed(program: Program, kept: Mapping[str, Buffer], place_of: Mapping[str, str]) -> Program:
    """The program with the buffers `kept` of its own, and each of the others in the place of one."""

    def moved(ref: Ref) -> Ref:
        return replace(ref, buffer=place_of.get(ref.buffer, ref.buffer))

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
                return (Zero(place_of.get(name, name)),)
            case _:
                return (statement,)

    buffers = {n: kept.get(n, b) for n, b in program.buffers.items() if n in kept or n not in place_of}
    return replace(program, buffers=buffers, body=rewrite(program.body, change))
