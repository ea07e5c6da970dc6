"""Reading programs: which buffers a statement reads and writes; and making statements from others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TypeVar

from chalkgrad.codegen.program.ir import (
    AnyValue,
    Arg,
    Assign,
    BatchSum,
    Block,
    Call,
    Const,
    Elementwise,
    For,
    Kernel,
    Let,
    Load,
    Others,
    OthersPull,
    Outer,
    Product,
    Reduce,
    Ref,
    Rows,
    RowValue,
    Scalar,
    Start,
    Statement,
    Store,
    Update,
    Zero,
    rebuild,
    statements,
)

N = TypeVar("N")


def terms(scalar: Scalar) -> list[Scalar]:
    """What a sum adds up, in order; of anything else, itself."""
    found, waiting = list[Scalar](), [scalar]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Call) and part.op == "add":
            waiting.extend(reversed(part.operands))
        else:
            found.append(part)
    return found


def children(value: AnyValue) -> tuple[AnyValue, ...]:
    """The values that a vector value is made of."""
    match value:
        case Ref():
            return ()
        case Elementwise(args=args):
            return args
        case Product(matrix=matrix, vector=vector):
            return (matrix, vector)
        case Reduce(vector=vector) | Others(vector=vector):
            return (vector,)
        case OthersPull(cotangent=cotangent, vector=vector):
            return (cotangent, vector)
        case Outer(left=left, right=right):
            return (left, right)
        case BatchSum(value=inner):
            return (inner,)
        case _:
            raise TypeError(f"not a value: {type(value).__name__}")


def map_value(value: AnyValue, change: Callable[[AnyValue], AnyValue]) -> AnyValue:
    """The same kind of value over changed children."""
    match value:
        case Ref():
            return value
        case Elementwise(args=args):
            return replace(value, args=tuple(change(a) for a in args))  # type: ignore[misc]
        case Product(vector=vector) | Reduce(vector=vector) | Others(vector=vector):
            return replace(value, vector=change(vector))  # type: ignore[arg-type]
        case OthersPull(cotangent=cotangent, vector=vector):
            return replace(value, cotangent=change(cotangent), vector=change(vector))  # type: ignore[arg-type]
        case Outer(left=left, right=right):
            return replace(value, left=change(left), right=change(right))  # type: ignore[arg-type]
        case BatchSum(value=inner):
            return replace(value, value=change(inner))  # type: ignore[arg-type]
        case _:
            raise TypeError(f"not a value: {type(value).__name__}")


def within(value: AnyValue) -> Iterator[AnyValue]:
    """The value and every value that it is made of."""
    yield value
    for child in children(value):
        yield from within(child)


def refs(value: AnyValue) -> Iterator[Ref]:
    """Every buffer access in a vector value."""
    if isinstance(value, Ref):
        yield value
    for child in children(value):
        yield from refs(child)


def parts(scalar: Scalar) -> Iterator[Scalar]:
    """The scalar and everything it is made of, in the order in which it is written."""
    waiting = [scalar]
    while waiting:
        part = waiting.pop()
        yield part
        waiting.extend(reversed(part.operands))


def folded(scalar: Scalar, make: Callable[[Scalar, tuple[N, ...]], N]) -> N:
    """What `make` gives for the scalar, from each part of it and what it gave for the operands.

    A sum of many terms is as deep as it is long: nothing here calls itself.
    """
    made: list[N] = []
    waiting = [(scalar, False)]
    while waiting:
        part, is_ready = waiting.pop()
        count = len(part.operands) if isinstance(part, Scalar) else 0  # what is none is for `make` to refuse
        if count and not is_ready:
            waiting.append((part, True))
            waiting.extend((operand, False) for operand in reversed(part.operands))
        else:
            operands = tuple(made[len(made) - count :])
            del made[len(made) - count :]
            made.append(make(part, operands))
    return made[0]


def loads(scalar: Scalar) -> Iterator[Load]:
    """Every buffer access in a scalar."""
    return (part for part in parts(scalar) if isinstance(part, Load))


def values(value: AnyValue) -> Iterator[Scalar]:
    """Every scalar in the bodies of a vector value."""

    if isinstance(value, Elementwise):
        yield from parts(value.body)
    for child in children(value):
        yield from values(child)


def added(values: Sequence[RowValue], shape: tuple[str | int, ...]) -> RowValue:
    """The sum of row values in their order, as one Elementwise; a value alone stays what it is."""
    if len(values) == 1:
        return values[0]
    args: list[RowValue] = []
    total: Scalar | None = None
    for value in values:
        body, own = (value.body, value.args) if isinstance(value, Elementwise) else (Arg(0), (value,))
        body = moved(body, len(args))
        args.extend(own)
        match total, body:
            case None, _:
                total = body
            case _, Call(op="neg", args=(positive,)):
                total = Call("sub", (total, positive))
            case _:
                total = Call("add", (total, body))
    return Elementwise(Const(Fraction(0)) if total is None else total, tuple(args), shape)


def moved(body: Scalar, places: int) -> Scalar:
    """The body with its arguments counted from `places` on."""
    return folded(body, lambda s, own: Arg(s.index + places) if isinstance(s, Arg) else rebuild(s, own))


def reads(statement: Statement) -> Iterator[Ref]:
    """What one statement reads, without the statements inside it; `+=` does not count as reading."""
    match statement:
        case Assign(value=value):
            yield from refs(value)
        case Let(value=scalar) | Start(value=scalar) | Update(value=scalar) | Store(value=scalar):
            yield from (load.ref for load in loads(scalar))
        case Kernel(operands=operands):
            yield from operands
        case _:
            return


def writes(statement: Statement) -> str | None:
    """The buffer that one statement writes."""
    match statement:
        case Assign(target=ref) | Store(ref=ref) | Kernel(out=ref):
            return ref.buffer
        case Zero(buffer=name):
            return name
        case _:
            return None


def rewrite(
    body: tuple[Statement, ...], change: Callable[[Statement], tuple[Statement, ...]]
) -> tuple[Statement, ...]:
    """The statements with `change` applied to each, inner ones first; emptied loops are dropped."""
    result: list[Statement] = []
    for statement in body:
        match statement:
            case Block(body=inner) | Rows(body=inner) | For(body=inner):
                changed = rewrite(inner, change)
                if changed:
                    result.extend(change(replace(statement, body=changed)))
            case _:
                result.extend(change(statement))
    return tuple(result)


def map_scalars(statement: Statement, change: Callable[[Scalar], Scalar]) -> Statement:
    """The statement with its own scalar, if it has one, changed."""
    match statement:
        case Let(value=value) | Start(value=value) | Update(value=value) | Store(value=value):
            return replace(statement, value=change(value))
        case _:
            return statement


def scalars(statement: Statement) -> Iterator[Scalar]:
    """Every scalar that stands in a statement itself, parts included."""

    match statement:
        case Let(value=value) | Start(value=value) | Update(value=value) | Store(value=value):
            yield from parts(value)
        case _:
            return


class Done:
    """What statements have read and written so far, and at which steps."""

    def __init__(self) -> None:
        self._written: dict[str, set[int]] = {}
        self._touched: dict[str, set[int]] = {}

    def add(self, body: tuple[Statement, ...]) -> None:
        written = all_writes(body)
        for where, refs in ((self._written, written), (self._touched, written | all_reads(body))):
            for ref in refs:
                where.setdefault(ref.buffer, set()).add(ref.lag)

    def at_other_steps(self, body: tuple[Statement, ...]) -> bool:
        """Whether they write a buffer that the body reads or writes at another step, or the reverse."""
        written = all_writes(body)
        return any(
            where.get(ref.buffer, set()) - {ref.lag}
            for where, refs in ((self._touched, written), (self._written, written | all_reads(body)))
            for ref in refs
        )


def all_reads(body: tuple[Statement, ...]) -> set[Ref]:
    """What the statements read, with those inside them."""
    return {ref for statement in statements(body) for ref in reads(statement)}


def all_writes(body: tuple[Statement, ...]) -> set[Ref]:
    """What the statements write, with those inside them; not what they set to zero."""
    return {
        s.target if isinstance(s, Assign) else s.ref if isinstance(s, Store) else s.out
        for s in statements(body)
        if isinstance(s, (Assign, Store, Kernel))
    }
