"""Vectors become loops over rows and components, products become kernels. Vector level to loops level."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from chalkgrad.codegen.errors import ProgramError
from chalkgrad.codegen.passes.scalars import ZERO, args_read, linear_factors, substitute
from chalkgrad.codegen.program.ir import (
    AnyValue,
    Arg,
    Assign,
    BatchSum,
    Block,
    Buffer,
    Call,
    Elementwise,
    For,
    Kernel,
    Layout,
    Load,
    Local,
    Note,
    Others,
    OthersPull,
    Outer,
    Product,
    Program,
    Reduce,
    Ref,
    Role,
    Rows,
    Scalar,
    Span,
    Start,
    Statement,
    Store,
    Update,
    Zero,
)
from chalkgrad.codegen.program.names import FreshNames

_INDEX = "i"


def to_loops(program: Program) -> Program:
    """Write every vector statement as loops and kernels.

    before   z[t] = W a[t-1] + b
    after    for each row: for i: z[t][i] = b[i];   product(z[t], a[t-1], panels of Wᵀ)
    needs    the sizes are numbers
    costs    a copy of each matrix in panels, made once per call
    """
    return _ToLoops(program).run()


class _ToLoops:
    def __init__(self, program: Program) -> None:
        self._program = program
        self._buffers = dict(program.buffers)
        self._names = FreshNames(program.buffers)
        self._panels: dict[tuple[str, bool], str] = {}
        self._out: list[Statement] = []

    def run(self) -> Program:
        body: list[Statement] = []
        for statement in self._program.body:
            match statement:
                case Block():
                    body.append(replace(statement, body=self._block(statement)))
                case Zero():
                    body.append(statement)
                case _:
                    raise ProgramError(f"to_loops: expected a block, received {type(statement).__name__}")
        copies = tuple(
            Kernel("pack" if transposed else "pack_transposed", Ref(panels), (Ref(matrix),))
            for (matrix, transposed), panels in self._panels.items()
        )
        return replace(self._program, buffers=self._buffers, body=(*copies, *body), level="loops")

    def _block(self, block: Block) -> tuple[Statement, ...]:
        self._out, self._last = [], block.span is Span.LAST
        self._steps = (block.start + 1, block.steps) if block.span is Span.ALL else None
        for statement in block.body:
            if not isinstance(statement, Assign):
                raise ProgramError(f"to_loops: expected an assignment, received {type(statement).__name__}")
            self._assign(statement)
        return tuple(self._out)

    # ------------------------------------------------------------------------- statements

    def _assign(self, a: Assign) -> None:
        match a.value:
            case Outer(left=left, right=right):
                operands = (self._operand(left, a), self._operand(right, a))
                self._kernel(Kernel("outer", a.target, operands, rows=a.rows), a.note)
            case BatchSum(value=Reduce(kind="sum", vector=vector)):
                self._kernel(Kernel("total", a.target, (self._operand(vector, a),), rows=a.rows), a.note)
            case BatchSum(value=value):
                kernel = "sum_rows" if self._buffers[a.target.buffer].shape else "total"
                self._kernel(Kernel(kernel, a.target, (self._operand(value, a),), rows=a.rows), a.note)
            case Ref() as value:
                self._each(a, _copy(value, self._shape(value)))
            case Reduce():
                self._reduce(a, a.value)
            case Others(vector=vector):
                self._on_rows("others", a, (vector,))
            case OthersPull(cotangent=cotangent, vector=vector):
                self._on_rows("others_pull", a, (cotangent, vector))
            case Product():
                shape = self._buffers[a.target.buffer].shape
                self._elementwise(a, Elementwise(Arg(0), (a.value,), shape))
            case Elementwise():
                self._elementwise(a, a.value)
            case _:
                raise ProgramError(f"to_loops: no loops for {type(a.value).__name__}")

    def _elementwise(self, a: Assign, value: Elementwise) -> None:
        """The elementwise part into the target, then the products on top of it."""
        products: list[tuple[Fraction, Product]] = []
        factors = linear_factors(value.body)
        added = set[Scalar]()
        for index, arg in enumerate(value.args):
            factor = factors.get(index, Fraction(0))
            if factor is not None and isinstance(arg, Product):
                products.append((factor, arg))
                added.add(Arg(index))
        body = substitute(value.body, lambda s: ZERO if s in added else s) if added else value.body
        note = a.note
        base = self._base(body, value, a) if products else None
        if base is None and not (products and body == ZERO):
            self._each(a, replace(value, body=body))
            note = ""
        accumulate = a.accumulate or (base is None and body != ZERO)
        for factor, product in products:
            self._product(replace(a, accumulate=accumulate, note=note), factor, product, base)
            note, base, accumulate = "", None, True

    def _base(self, body: Scalar, value: Elementwise, a: Assign) -> Ref | None:
        """What a product can start from as it is: a vector of each row, or one for all of them."""
        arg = value.args[body.index] if isinstance(body, Arg) else None
        if a.accumulate or self._last or not isinstance(arg, Ref):
            return None
        return arg if self._shape(arg) == self._buffers[a.target.buffer].shape else None

    def _product(self, a: Assign, factor: Fraction, product: Product, base: Ref | None) -> None:
        vector = self._operand(product.vector, a)
        matrix = self._packed(product.matrix, product.transposed)
        operands = (vector, matrix) if base is None else (vector, matrix, base)
        out, accumulate = a.target, a.accumulate
        if self._last and self._buffers[out.buffer].layout is Layout.TIME:
            out, accumulate = self._temporary(out.buffer, self._buffers[out.buffer].shape), False
        self._kernel(Kernel("product", out, operands, factor, a.rows, accumulate), a.note)
        if out != a.target:
            self._each(replace(a, note=""), _copy(out, self._shape(out)))

    def _on_rows(self, kernel: str, a: Assign, vectors: tuple[AnyValue, ...]) -> None:
        operands = tuple(self._operand(v, a) for v in vectors)
        out = a.target
        if a.accumulate or (self._last and self._buffers[out.buffer].layout is Layout.TIME):
            out = self._temporary(a.target.buffer, self._buffers[out.buffer].shape)
        self._kernel(Kernel(kernel, out, operands, rows=a.rows), a.note)
        if out != a.target:
            self._each(replace(a, note=""), _copy(out, self._shape(out)))

    def _each(self, a: Assign, value: Elementwise) -> None:
        """One loop over rows, and over components where there are any."""
        shape = self._buffers[a.target.buffer].shape
        components = (_INDEX,) if value.shape else ()
        store = Store(a.target, components, self._scalar(value, a, components), a.accumulate)
        inner: tuple[Statement, ...] = (Note(a.note), store) if a.note else (store,)
        if value.shape:
            inner = (For(_INDEX, _extent(value.shape), inner),)
        elif shape:
            raise ProgramError(f"{a.target.buffer}: expected a vector, received a scalar")
        self._out.append(Rows(a.rows, inner))

    def _reduce(self, a: Assign, value: Reduce) -> None:
        name = self._names.fresh(f"{a.target.buffer}_{value.kind}")
        vector = value.vector
        if not isinstance(vector, Elementwise):
            vector = _copy(vector, self._shape(vector))
        term = self._scalar(vector, a, (_INDEX,))
        start: Scalar = ZERO
        result: Scalar = Local(name)
        match value.kind:
            case "sum":
                update = Update(name, "sum", term)
            case "max":
                start = self._scalar(vector, a, (0,))
                update = Update(name, "max", term)
            case "logsumexp":
                update, result = Update(name, "sum", Call("exp", (term,))), Call("log", (result,))
            case _:
                raise ProgramError(f"to_loops: no loop for the reduction {value.kind!r}")
        notes = (Note(a.note),) if a.note else ()
        loop = For(_INDEX, _extent(self._shape(value.vector)), (update,))
        self._out.append(
            Rows(a.rows, (*notes, Start(name, start), loop, Store(a.target, (), result, a.accumulate)))
        )

    def _kernel(self, kernel: Kernel, note: str) -> None:
        self._out.extend((Note(note), kernel) if note else (kernel,))

    # ------------------------------------------------------------------------- values

    def _operand(self, value: AnyValue, a: Assign) -> Ref:
        """A kernel reads whole rows of a buffer: anything else is put into a temporary first."""
        if isinstance(value, Ref):
            layout = self._buffers[value.buffer].layout
            if layout is Layout.BATCH or (layout is Layout.TIME and not self._last):
                return value
            value = _copy(value, self._shape(value))
        temporary = self._temporary(a.target.buffer, self._shape(value))
        self._assign(Assign(temporary, value, rows=a.rows))
        return temporary

    def _scalar(self, value: Elementwise, a: Assign, components: tuple[str | int, ...]) -> Scalar:
        leaves: list[Scalar] = []
        read = args_read(value.body)
        for arg in value.args:
            if isinstance(arg, Elementwise):
                leaves.append(self._scalar(arg, a, components if arg.shape else ()))
                continue
            ref = arg if isinstance(arg, Ref) else None
            if ref is None:
                if len(leaves) not in read:
                    leaves.append(ZERO)
                    continue
                ref = self._temporary(a.target.buffer, self._shape(arg))
                self._assign(Assign(ref, arg, rows=a.rows))
            leaves.append(Load(ref, components if self._buffers[ref.buffer].shape else ()))
        return substitute(value.body, lambda s: leaves[s.index] if isinstance(s, Arg) else s)

    def _shape(self, value: AnyValue) -> tuple[str | int, ...]:
        match value:
            case Ref():
                return self._buffers[value.buffer].shape
            case Elementwise():
                return value.shape
            case Product():
                return (self._buffers[value.matrix.buffer].shape[1 if value.transposed else 0],)
            case Reduce():
                return ()
            case Others(vector=vector) | OthersPull(vector=vector):
                return self._shape(vector)
            case _:
                raise ProgramError(f"to_loops: no row shape for {type(value).__name__}")

    def _temporary(self, owner: str, shape: tuple[str | int, ...]) -> Ref:
        name = self._names.fresh(f"{owner}_part")
        buffer = Buffer(name, Role.WORK, Layout.BATCH, shape)
        if self._steps is not None:
            buffer = replace(buffer, layout=Layout.TIME, first=self._steps[0], slots=self._steps[1])
        self._buffers[name] = buffer
        return Ref(name)

    def _packed(self, matrix: Ref, transposed: bool) -> Ref:
        """The matrix that a row vector is multiplied by from the left: W for Wᵀ v, and Wᵀ for W v."""
        key = (matrix.buffer, transposed)
        if key not in self._panels:
            shape = self._buffers[matrix.buffer].shape
            name = self._names.fresh(f"{matrix.buffer}_{'P' if transposed else 'PT'}")
            self._buffers[name] = Buffer(name, Role.WORK, Layout.PANELS, shape if transposed else shape[::-1])
            self._panels[key] = name
        return Ref(self._panels[key])


def _copy(value: AnyValue, shape: tuple[str | int, ...]) -> Elementwise:
    return Elementwise(Arg(0), (value,), shape)  # type: ignore[arg-type]


def _extent(shape: tuple[str | int, ...]) -> int:
    (extent,) = shape
    if not isinstance(extent, int):
        raise ProgramError(f"to_loops: expected numbers for sizes (the pass specialise), received {extent!r}")
    return extent
