"""The grammar of each level as data, and a check that a program keeps to it. Runs after every pass."""

from __future__ import annotations

from collections.abc import Iterator, Set

from chalkgrad.codegen.errors import ProgramError
from chalkgrad.codegen.program.ir import (
    Arg,
    Assign,
    Block,
    Call,
    Extent,
    For,
    Kernel,
    Layout,
    Let,
    Load,
    Local,
    Note,
    Program,
    Ref,
    Role,
    Rows,
    Scalar,
    Select,
    Span,
    Start,
    Statement,
    Store,
    Update,
    Zero,
)
from chalkgrad.codegen.program.operations import COMPARISONS, OPERATIONS
from chalkgrad.codegen.program.walk import reads, scalars, values

STATEMENTS: dict[str, tuple[type, ...]] = {
    "vector": (Zero, Block, Assign),
    "loops": (Zero, Block, Rows, For, Let, Start, Update, Store, Kernel, Note),
    "straight": (Zero, Block, Rows, Let, Store, Note),
}
KERNELS: dict[str, tuple[int, ...]] = {  # how many operands
    "pack": (1,),
    "pack_transposed": (1,),
    "product": (2, 3),
    "outer": (2,),
    "sum_rows": (1,),
    "total": (1,),
    "others": (1,),
    "others_pull": (2,),
}


def check(program: Program) -> None:
    """Raises ProgramError where the program breaks the grammar of its level."""
    if program.level not in STATEMENTS:
        raise ProgramError(f"level: expected one of {tuple(STATEMENTS)}, received {program.level!r}")
    if program.level != "vector":
        for buffer in program.buffers.values():
            if not all(isinstance(extent, int) for extent in buffer.shape):
                raise ProgramError(f"{buffer.name}: expected numbers for sizes, received {buffer.shape}")
    _Checker(program).all(program.body)


class _Checker:
    def __init__(self, program: Program) -> None:
        self._program = program
        self._allowed = STATEMENTS[program.level]
        self._known: set[str] = set()  # the locals and loop indices that a statement may read

    def all(self, body: tuple[Statement, ...], indices: Set[str] = frozenset()) -> None:
        """`indices`: those of the loop around the statements."""
        own = set(indices) - self._known
        self._known |= own
        for statement in body:
            if not isinstance(statement, self._allowed):
                raise ProgramError(
                    f"{type(statement).__name__}: not a statement of the {self._program.level} level"
                )
            self._statement(statement)
            match statement:
                case Let(name=name) | Start(name=name):
                    if name in self._known:
                        raise ProgramError(f"{name}: expected one definition, received a second")
                    own.add(name)
                    self._known.add(name)
                case Block(body=inner) | Rows(body=inner):
                    self.all(inner)
                case For(index=index, body=inner):
                    self.all(inner, {index})
                case _:
                    pass
        self._known -= own

    def _statement(self, statement: Statement) -> None:
        for ref in self._refs(statement):
            if ref.buffer not in self._program.buffers:
                raise ProgramError(f"{ref.buffer}: expected a declared buffer")
            if ref.lag and self._program.buffers[ref.buffer].layout is not Layout.TIME:
                raise ProgramError(f"{ref.buffer}: a lag of {ref.lag} needs a time axis")
        for scalar in self._scalars(statement):
            self._scalar(scalar)
        match statement:
            case Zero(buffer=name):
                self._writable(name)
            case Assign(target=target, rows=rows) | Kernel(out=target, rows=rows):
                self._writable(target.buffer)
                self._choice(rows, ("active", "idle", "all"))
            case Rows(rows=rows):
                self._choice(rows, ("active", "idle", "all"))
            case Store(ref=ref):
                self._writable(ref.buffer)
                self._components(ref, statement.components)
            case Update(name=name, op=op):
                self._choice(op, ("sum", "max"))
                if name not in self._known:
                    raise ProgramError(f"{name}: updated before it is started")
            case Block(span=span, body=body):
                if span in (Span.EACH, Span.ALL) and any(isinstance(s, Block) for s in body):
                    raise ProgramError("Block: expected no block inside a block")
            case _:
                pass
        if isinstance(statement, Kernel) and len(statement.operands) not in KERNELS.get(statement.name, ()):
            raise ProgramError(
                f"{statement.name}: expected a kernel and its operands, received {statement.operands}"
            )

    def _refs(self, statement: Statement) -> Iterator[Ref]:
        yield from reads(statement)
        match statement:
            case Assign(target=ref) | Store(ref=ref) | Kernel(out=ref):
                yield ref
            case Zero(buffer=name):
                yield Ref(name)
            case _:
                return

    def _scalars(self, statement: Statement) -> Iterator[Scalar]:
        yield from scalars(statement)
        if isinstance(statement, Assign):
            yield from values(statement.value)

    def _scalar(self, scalar: Scalar) -> None:
        vector = self._program.level == "vector"
        match scalar:
            case Arg() | Extent():
                if not vector:
                    raise ProgramError(f"{scalar}: only at the vector level")
            case Local(name=name):
                if name not in self._known:
                    raise ProgramError(f"{name}: read before it is defined")
            case Load(ref=ref, components=components):
                if vector:
                    raise ProgramError(f"{scalar}: not at the vector level")
                self._components(ref, components)
            case Call(op=op):
                self._choice(op, tuple(OPERATIONS))
            case Select(op=op):
                self._choice(op, tuple(COMPARISONS))
            case _:
                pass

    def _components(self, ref: Ref, components: tuple[str | int, ...]) -> None:
        shape = self._program.buffers[ref.buffer].shape
        if len(components) != len(shape):
            raise ProgramError(f"{ref.buffer}: expected {len(shape)} components, received {components}")
        for extent, component in zip(shape, components, strict=True):
            inside = component in self._known if isinstance(component, str) else 0 <= component < int(extent)
            if not inside:
                raise ProgramError(f"{ref.buffer}: component {component} is not within {extent}")

    def _writable(self, name: str) -> None:
        if self._program.buffers[name].role not in (Role.RESULT, Role.WORK):
            raise ProgramError(f"{name}: expected a result or work buffer to write to")

    def _choice(self, received: str, expected: tuple[str, ...]) -> None:
        if received not in expected:
            raise ProgramError(f"expected one of {expected}, received {received!r}")
