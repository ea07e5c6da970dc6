"""Vectors whose lives do not overlap share their memory. Loops level to loops level."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush

from chalkgrad.codegen.passes.scalars import substitute
from chalkgrad.codegen.program.ir import (
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
from chalkgrad.codegen.program.walk import map_scalars, reads, rewrite


def reuse_buffers(program: Program) -> Program:
    """Let a vector stand where one stood that nobody needs any more: less memory, and less of it to move.

    before   for i: a[t][i] = tanh(z[t][i])      with z read nowhere after it
    after    for i: a[t][i] = tanh(a[t][i])      and z's other statements at a
    needs    both are our own, of one shape and kept for every step; at no step is z touched once a is made
    """
    shared = _Shared(program)
    for block, place, store in _definitions(program):
        shared.make_room(store, block, place)
    return _renamed(program, shared.buffers(), shared.places())


Time = tuple[int, int]  # the number of a block, a place of the program


@dataclass(frozen=True)
class _Access:
    """One access: in which block, and at which place of the program. Sums count as the end of a block."""

    ref: Ref
    block: int
    place: int
    rows: str
    writes: bool = False


@dataclass(eq=False)
class _Vector:
    """A vector that is the program's own, and what is done at its place by all that it has been.

    single: block and step of those accesses that are at one step alone. given_to: who has the place now.
    """

    number: int
    buffer: Buffer
    accesses: list[_Access]
    single: list[tuple[int, Affine]]
    held: list[str]
    given_to: _Vector | None = None

    def __post_init__(self) -> None:
        self.active = all(access.rows == "active" for access in self.accesses)  # without values of other rows

    def now(self) -> _Vector:
        """The vector that has its place."""
        way = [self]
        while (further := way[-1].given_to) is not None:
            way.append(further)
        for vector in way[:-1]:
            vector.given_to = way[-1]
        return way[-1]

    def take(self, other: _Vector) -> None:
        """Stand where the other one stood."""
        room = self.buffer if _within(other.buffer, self.buffer) else other.buffer
        self.buffer = replace(room, name=self.buffer.name)
        other.accesses.extend(self.accesses)  # what has been many vectors has the longer lists
        other.single.extend(self.single)
        other.held.extend([other.buffer.name, *self.held])
        self.accesses, self.single, self.held = other.accesses, other.single, other.held
        self.active = self.active and other.active
        other.given_to = self


@dataclass(frozen=True)
class _Kind:
    """What decides who fits in the place of a vector that is over. ahead: single steps at which it is not."""

    room: Buffer
    active: bool
    ahead: frozenset[Affine]


class _Shared:
    """The vectors of a program, and at each place of it those that are over."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._zeroed = {s.buffer for s in program.body if isinstance(s, Zero)}
        done: dict[str, list[_Access]] = {}
        for access in _accesses(program):
            done.setdefault(access.ref.buffer, []).append(access)
        self._vectors = {
            name: _Vector(
                number, buffer, done.get(name, []), [*self._single(done.get(name, []))], [*buffer.held]
            )
            for number, (name, buffer) in enumerate(program.buffers.items())
            if buffer.role is Role.WORK and buffer.layout is Layout.TIME
        }
        self._ends = [(self._end(v), v.number, v) for v in self._vectors.values()]
        heapify(self._ends)
        self._over: dict[_Vector, _Kind] = {}
        self._rooms: dict[tuple[str | int, ...], dict[_Kind, list[tuple[int, _Vector]]]] = {}

    def buffers(self) -> dict[str, Buffer]:
        """Those that are left."""
        left = {name: v for name, v in self._vectors.items() if v.given_to is None}
        return {name: replace(v.buffer, held=tuple(v.held)) for name, v in left.items()}

    def places(self) -> dict[str, str]:
        """Vector → the one in whose place it stands."""
        return {name: v.now().buffer.name for name, v in self._vectors.items()}

    def make_room(self, store: Store, block: int, place: int) -> None:
        """Let what is stored here stand where a vector stood that is over, if there is one.

        Those that it is made from come first. One is all that it takes: where that one was before, it is not
        made here.
        """
        if store.ref.buffer not in self._vectors:
            return
        while self._ends and self._ends[0][0] <= (block, place):
            self._enter(heappop(self._ends)[2], block)
        v = self._vectors[store.ref.buffer].now()
        if v.buffer.name in self._zeroed or (ahead := self._made_here(v, block, place)) is None:
            return
        fitting = [k for k in self._rooms.get(v.buffer.shape, ()) if _fits(k, v, ahead)]
        sources = (self._vectors[ref.buffer].now() for ref in reads(store) if ref.buffer in self._vectors)
        nearest = (z for z in sources if z is not v and self._over.get(z) in fitting)
        others = (found for kind in fitting if (found := self._first(kind, v)) is not None)
        z = next(nearest, None) or min(others, default=(0, None))[1]
        if z is not None:
            del self._over[z]
            v.take(z)
            self._zeroed |= {v.buffer.name} if z.buffer.name in self._zeroed else set()
            if v in self._over:
                self._enter(v, block)

    # ------------------------------------------------------------------------- when a vector is made and over

    def _block(self, number: int) -> Block:
        block = self._program.body[number]
        assert isinstance(block, Block)
        return block

    def _single(self, accesses: Iterable[_Access]) -> Iterator[tuple[int, Affine]]:
        for access in accesses:
            block = self._block(access.block)
            if block.span is Span.ONCE:
                yield access.block, block.start + access.ref.lag

    def _ahead(self, access: _Access) -> int:
        """1 where the access is at a later step of its loop than the one at hand, −1 at an earlier one."""
        block, lag = self._block(access.block), access.ref.lag
        if block.span is not Span.EACH or not lag:
            return 0
        return 1 if (lag > 0) != block.reverse else -1

    def _end(self, vector: _Vector) -> Time:
        """From when on what is made touches nothing of it, but at single steps."""
        ends = [(0, 0)]
        for access in vector.accesses:
            if self._block(access.block).span is Span.ONCE:
                continue
            if access.rows == "idle" or self._ahead(access) > 0:
                ends.append((access.block, 0))
            else:
                ends.append((access.block, access.place) if not access.ref.lag else (access.block + 1, 0))
        return max(ends)

    def _made_here(self, v: _Vector, block: int, place: int) -> frozenset[Affine] | None:
        """None where v is touched before it is made here; else the single steps at which it is."""
        before: set[Affine] = set()
        for access in v.accesses:
            if access.block < block:
                single = next(self._single([access]), None)
                if single is None:
                    return None
                before.add(single[1])
            elif access.block == block and (access.place, access.writes) != (place, True):
                made = self._ahead(access) < 0 and not access.writes
                later = not access.ref.lag and (access.rows == "idle" or access.place >= place)
                if not made and not later:
                    return None
        return frozenset(before)

    # ------------------------------------------------------------------------- what is over

    def _enter(self, vector: _Vector, block: int) -> None:
        """The vector is over, from this block on."""
        if vector.given_to is not None:
            return
        left = [(number, step) for number, step in vector.single if number >= block]
        if left:
            heappush(self._ends, ((min(number for number, _ in left) + 1, 0), vector.number, vector))
        room = replace(vector.buffer, name="", held=())
        kind = self._over[vector] = _Kind(room, vector.active, frozenset(step for _, step in left))
        heappush(self._rooms.setdefault(room.shape, {}).setdefault(kind, []), (vector.number, vector))

    def _first(self, kind: _Kind, v: _Vector) -> tuple[int, _Vector] | None:
        """The first vector of that kind, other than v."""
        waiting = self._rooms[kind.room.shape][kind]
        while waiting and self._over.get(waiting[0][1]) != kind:
            heappop(waiting)
        if not waiting or waiting[0][1] is not v:
            return waiting[0] if waiting else None
        own = heappop(waiting)
        found = self._first(kind, v)
        heappush(waiting, own)
        return found


def _fits(kind: _Kind, v: _Vector, ahead: frozenset[Affine]) -> bool:
    """Whether v can stand in the place of a vector of that kind. ahead: single steps of v before it."""
    room, own = kind.room, v.buffer
    return (
        (_within(room, own) or _within(own, room))
        and (kind.active or v.active)
        and all(step.before(own.first) for step in kind.ahead)
        and all(step.before(room.first) for step in ahead)
    )


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
