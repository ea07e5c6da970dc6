"""The intermediate representation: two small languages that share their scalars.

A `Program` is one function of a network (loss_and_grad, forward or vjp). At the **vector** level its
statements assign whole vectors, for all examples of the batch, inside blocks of time steps:

    program   ::= Block*
    block     ::= Block(span, statement*)              the steps of a phase, or once
    statement ::= Assign(ref, value, accumulate, rows) | Zero(buffer)
    value     ::= Ref | Elementwise | Product | Reduce | Others | OthersPull      one row per example
                | Outer | BatchSum                                                summed over the rows

At the **loops** level, and **straight** with one Block alone, rows and components are explicit:

    statement ::= Rows(rows, statement*) | For(index, extent, statement*)
                | Let(name, scalar) | Start(name, scalar) | Update(name, op, scalar)
                | Store(ref, components, scalar, accumulate) | Kernel(name, operands) | Zero(buffer)
                | Note(text)

Steps count from 1 over the one trajectory of all phases; slot `step - buffer.first` of a buffer that
keeps all steps holds the value of that step. What a program means is what `codegen.program.interpret` does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction


class Scalar:
    """Base of elementwise expressions."""

    @property
    def operands(self) -> tuple[Scalar, ...]:
        return ()


@dataclass(frozen=True)
class Const(Scalar):
    value: Fraction


@dataclass(frozen=True)
class Extent(Scalar):
    """A size as a number, by name; gone once the sizes are known."""

    size: str


@dataclass(frozen=True)
class Arg(Scalar):
    """The argument `index` of the Elementwise that this body belongs to. Vector level only."""

    index: int


@dataclass(frozen=True)
class Local(Scalar):
    """A named scalar. Not at the vector level."""

    name: str


@dataclass(frozen=True)
class Load(Scalar):
    """One component of a vector, or entry of a parameter. Not at the vector level."""

    ref: Ref
    components: tuple[str | int, ...]


@dataclass(frozen=True)
class Call(Scalar):
    """Of `codegen.program.operations`. power(x, k) has a constant k; tail(z) = ln(1 + e^−|z|);
    weighted(w, v) = w v, and 0 where w = 0 whatever v is, unless it is NaN."""

    op: str
    args: tuple[Scalar, ...]

    @property
    def operands(self) -> tuple[Scalar, ...]:
        return self.args


@dataclass(frozen=True)
class Select(Scalar):
    """`then` where left `op` right holds, else `otherwise`; comparisons with NaN are false but for ne."""

    op: str
    left: Scalar
    right: Scalar
    then: Scalar
    otherwise: Scalar

    @property
    def operands(self) -> tuple[Scalar, ...]:
        return (self.left, self.right, self.then, self.otherwise)


def rebuild(scalar: Scalar, operands: tuple[Scalar, ...]) -> Scalar:
    """The same operation on other operands."""
    match scalar:
        case Call(op=op):
            return Call(op, operands)
        case Select(op=op):
            return Select(op, *operands)
        case _:
            return scalar


# ----------------------------------------------------------------------------- places


class Role(Enum):
    PARAMETER = "parameter"  # read, no batch axis
    INPUT = "input"  # read, from the caller
    RESULT = "result"  # written, to the caller, if the caller wants it
    WORK = "work"  # our own


class Layout(Enum):
    PARAMETER = "parameter"  # the declared shape
    BATCH = "batch"  # (B, *shape): one step at a time, or no time axis at all
    TIME = "time"  # (slots, B, *shape)
    PANELS = "panels"  # a matrix (k, n) as the kernel product reads it
    TOTAL = "total"  # one number, kept in float64


@dataclass(frozen=True)
class Affine:
    """constant + Σ counts, each of "T_x" or "T_y": a number of steps known at run time."""

    constant: int = 0
    counts: tuple[str, ...] = ()

    def __add__(self, other: Affine | int) -> Affine:
        other = Affine(other) if isinstance(other, int) else other
        return Affine(self.constant + other.constant, tuple(sorted(self.counts + other.counts)))

    def before(self, other: Affine) -> bool:
        """Whether this is the smaller one whatever the counts, each of them at least 1."""
        more = Counter(other.counts)
        more.subtract(self.counts)
        return min(more.values(), default=0) >= 0 and self.constant < other.constant + more.total()

    def at(self, counts: Mapping[str, int]) -> int:
        return self.constant + sum(counts[name] for name in self.counts)


@dataclass(frozen=True)
class Buffer:
    """An array. public: its name in an `Interface`, if any. held: whose place it was before its own."""

    name: str
    role: Role
    layout: Layout
    shape: tuple[str | int, ...] = ()
    first: Affine = Affine()
    slots: Affine = Affine()
    public: str | None = None
    held: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ref:
    """A buffer at the block's step + lag (the lag means nothing where there is no time axis)."""

    buffer: str
    lag: int = 0


# ----------------------------------------------------------------------------- vector level


@dataclass(frozen=True)
class Elementwise:
    """`body` on each component; arguments without components (scalars) spread."""

    body: Scalar
    args: tuple[Ref | Product | Reduce | Others | OthersPull | Elementwise, ...]
    shape: tuple[str | int, ...]


@dataclass(frozen=True)
class Product:
    """W v for each row, or Wᵀ v."""

    matrix: Ref
    vector: Ref | Elementwise
    transposed: bool = False


@dataclass(frozen=True)
class Reduce:
    """sum, max or logsumexp over the components of each row."""

    kind: str
    vector: Ref | Elementwise


@dataclass(frozen=True)
class Others:
    vector: Ref | Elementwise


@dataclass(frozen=True)
class OthersPull:
    cotangent: Ref | Elementwise
    vector: Ref | Elementwise


@dataclass(frozen=True)
class Outer:
    """Σ over the rows of left rightᵀ."""

    left: Ref | Elementwise
    right: Ref | Elementwise


@dataclass(frozen=True)
class BatchSum:
    """Σ over the rows."""

    value: Ref | Elementwise | Reduce


RowValue = Ref | Elementwise | Product | Reduce | Others | OthersPull
AnyValue = RowValue | Outer | BatchSum


@dataclass(frozen=True)
class Assign:
    """target = value, or += ; `note` is the equation in plain text, with the derivation's number.

    rows: "active" examples that reach this step, "idle" ones that have ended before it, or "all".
    """

    target: Ref
    value: AnyValue
    accumulate: bool = False
    rows: str = "active"
    note: str = ""


@dataclass(frozen=True)
class Zero:
    """Every element of a buffer becomes 0."""

    buffer: str


class Span(Enum):
    EACH = "each"  # every step from start + 1 to start + steps
    ALL = "all"  # the same, all at once: one statement after the other, each for all of these steps
    LAST = "last"  # once, each example at its own last step
    ONCE = "once"  # once, at step `start`, for all examples


@dataclass(frozen=True)
class Block:
    """Statements at some steps. `lengths`: whose lengths ("x", "y") say which examples are active."""

    span: Span
    start: Affine
    steps: Affine
    lengths: str
    body: tuple[Statement, ...]
    reverse: bool = False
    title: str = ""


# ----------------------------------------------------------------------------- loops level


@dataclass(frozen=True)
class Rows:
    """For each of the rows (as in Assign); the statements see one example."""

    rows: str
    body: tuple[Statement, ...]


@dataclass(frozen=True)
class For:
    index: str
    extent: int
    body: tuple[Statement, ...]


@dataclass(frozen=True)
class Let:
    name: str
    value: Scalar


@dataclass(frozen=True)
class Start:
    """A running value begins."""

    name: str
    value: Scalar


@dataclass(frozen=True)
class Update:
    """name = name + value ("sum") or the larger of the two, NaN included ("max")."""

    name: str
    op: str
    value: Scalar


@dataclass(frozen=True)
class Store:
    ref: Ref
    components: tuple[str | int, ...]
    value: Scalar
    accumulate: bool = False


@dataclass(frozen=True)
class Kernel:
    """Work on whole rows, known by shape and role. `rows` as in Assign.

    pack(out, matrix)               out = matrix, in panels
    pack_transposed(out, matrix)    out = matrixᵀ, in panels
    product(out, vector, matrix)    out[row] (+)= factor · vector[row] · matrix, (k, n) in panels; a third
                                    operand is what each row starts from
    outer(out, left, right)         out += Σ over rows of left[row]ᵀ right[row]
    sum_rows(out, value), total     out += Σ over rows of value[row]; total: and over components
    others(out, vector), others_pull(out, cotangent, vector)    as the values of those names, each row
    """

    name: str
    out: Ref
    operands: tuple[Ref, ...]
    factor: Fraction = Fraction(1)
    rows: str = "active"
    accumulate: bool = True  # product only: onto what out holds


SUMS = ("outer", "sum_rows", "total")  # the kernels that sum over rows; all others take each by itself


@dataclass(frozen=True)
class Note:
    """What the statements after it compute: the equation, its number and its shape."""

    text: str


Statement = Assign | Zero | Block | Rows | For | Let | Start | Update | Store | Kernel | Note


@dataclass(frozen=True)
class Program:
    """One function of a network, at the level "vector", "loops" or "straight"."""

    function: str
    buffers: Mapping[str, Buffer] = field(hash=False)
    body: tuple[Statement, ...]
    level: str = "vector"


def statements(body: tuple[Statement, ...]) -> Iterator[Statement]:
    """All statements, outer ones first."""
    for statement in body:
        yield statement
        match statement:
            case Block(body=inner) | Rows(body=inner) | For(body=inner):
                yield from statements(inner)
            case _:
                pass
