"""Programs of the vector level as a NumPy module that a teacher would show: one line for each equation.

Inside the module a step is counted from 1 and `r` are the examples that are still running at step t: a
slice when all of them are, an index array when they have different lengths.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from chalkgrad.codegen.c.identifiers import python_names
from chalkgrad.codegen.errors import ArgumentError, ProgramError
from chalkgrad.codegen.program.interface import Interface, parameter_key
from chalkgrad.codegen.program.ir import (
    Affine,
    AnyValue,
    Assign,
    BatchSum,
    Block,
    Buffer,
    Extent,
    Layout,
    Outer,
    Program,
    Ref,
    Role,
    Span,
    Statement,
    Zero,
    statements,
)
from chalkgrad.codegen.program.walk import values, within
from chalkgrad.codegen.twin.text import DOCS, HEADER, HELPERS, helpers, in_docstring
from chalkgrad.codegen.twin.values import ValuePrinter

_OWN = (
    "np",
    "arrays",
    "params",
    "T_x",
    "T_y",
    "T",
    "B",
    "t",
    "r",
    "idle",
    "last",
    "dtype",
    "zeros",
    "rows_at",
    "wanted",
)
_LENGTHS = {"x": "lengths_x", "y": "lengths_y"}

# the array of each function that has the shape of yhat
_OUTPUTS = {"loss_and_grad": "y", "forward": "yhat", "vjp": "dyhat"}


def emit_numpy(interface: Interface, programs: Sequence[Program], title: str) -> str:
    """The text of a module with the functions of `programs`, each over canonical arrays.

    Every function takes `arrays` (see `codegen.program.interface`) and T_x, T_y, B as keyword-free arguments
    and returns a dict of its results; `codegen.twin.network` puts the public signatures on top. A size that
    no array tells is the number that the interface has for it; raises ArgumentError if it has none.
    """
    names = python_names(
        dict.fromkeys(n for p in programs for n in p.buffers), [*_OWN, *HELPERS, *_LENGTHS.values()]
    )
    sizes = dict.fromkeys(
        s for p in programs for b in p.buffers.values() for s in b.shape if isinstance(s, str)
    )
    sized = python_names(sizes, [*_OWN, *HELPERS, *_LENGTHS.values(), *names.values()])
    bodies = [_Function(interface, p, names, sized).text() for p in programs]
    text = "\n\n\n".join(bodies)
    parts = [HEADER.format(title=in_docstring(title)), *helpers(text), text]
    return "\n\n\n".join(p for p in parts if p) + "\n"


class _Function:
    """One program as one Python function."""

    def __init__(
        self, interface: Interface, program: Program, names: Mapping[str, str], sized: Mapping[str, str]
    ) -> None:
        self._interface, self._program, self._names, self._sized = interface, program, names, sized
        self._values = ValuePrinter(program, names, sized)
        self._lines: list[str] = []
        self._depth = 1
        self._values.now = "0"

    def text(self) -> str:
        self._signature()
        for statement in self._program.body:
            match statement:
                case Zero():
                    pass
                case Block():
                    self._block(statement)
                case _:
                    raise ProgramError(f"emit_numpy: no text for {type(statement).__name__}")
        results = [b for b in self._program.buffers.values() if b.role is Role.RESULT]
        self._put("")
        self._put("return {")
        for buffer in results:
            self._put(f'    "{buffer.public}": {self._names[buffer.name]},')
        self._put("}")
        return "\n".join(self._lines)

    def _signature(self) -> None:
        inputs = [b for b in self._program.buffers.values() if b.role in (Role.PARAMETER, Role.INPUT)]
        groups = {s.lengths for s in self._program.body if isinstance(s, Block) and s.span is not Span.ONCE}
        self._depth = 0
        self._put(f"def {self._program.function}(arrays, T_x, T_y, B):")
        self._depth = 1
        self._put(f'"""{DOCS[self._program.function]}"""')
        for buffer in inputs:
            value = f'arrays["{buffer.public}"]'
            if buffer.layout is Layout.BATCH and buffer.public in ("y", "dyhat"):
                value += "[0]"
            shape = ", ".join(map(str, self._axes(buffer)))
            comment = f"  # ({shape})" if shape else ""
            self._put(f"{self._names[buffer.name]} = {value}{comment}")
        for group in sorted(groups):
            self._put(f'{_LENGTHS[group]} = arrays.get("last_{group}")')
        for size in self._sizes():
            self._put(f"{self._sized[size]} = {self._extent(size)}")
        self._put('dtype = arrays["x"].dtype')
        zeroed = {s.buffer for s in self._program.body if isinstance(s, Zero)}
        for buffer in self._program.buffers.values():
            stored = buffer.role in (Role.WORK, Role.RESULT) and buffer.layout is Layout.TIME
            if buffer.name in zeroed or stored:
                axes = ", ".join(map(str, self._axes(buffer)))
                shape = f"({axes}{',' if axes and ',' not in axes else ''})"
                room = "zeros" if buffer.name in zeroed else "empty"
                match buffer.layout:
                    case Layout.TOTAL:
                        value = "0.0"
                    case Layout.PARAMETER:  # a sum over steps and examples, in float64
                        value = f"np.zeros({shape})"
                    case _:
                        value = f"np.{room}({shape}, dtype)"
                self._put(f"{self._names[buffer.name]} = {value}")

    def _sizes(self) -> list[str]:
        """The sizes whose numbers the function needs."""
        stored = [b for b in self._program.buffers.values() if b.role in (Role.WORK, Role.RESULT)]
        zeroed = {s.buffer for s in self._program.body if isinstance(s, Zero)}
        shapes = [b.shape for b in stored if b.layout is Layout.TIME or b.name in zeroed]
        assigned = [s for s in statements(self._program.body) if isinstance(s, Assign)]
        shared = [s for s in assigned if not self._values.per_example(s.value)]
        shapes += [self._program.buffers[s.target.buffer].shape for s in shared]
        shapes += [
            self._values.shape(v) for s in assigned for v in within(s.value) if self._values.is_spread(v)
        ]
        named = dict.fromkeys(str(s) for shape in shapes for s in shape)
        return sorted(named | dict.fromkeys(size for s in assigned for size in _extents(s.value)))

    def _extent(self, size: str) -> str:
        """Where a size can be read off."""
        for buffer in self._program.buffers.values():
            if buffer.role in (Role.PARAMETER, Role.INPUT) and size in buffer.shape:
                axis = buffer.shape.index(size) - len(buffer.shape)
                return f"{self._names[buffer.name]}.shape[{axis}]"
        face = self._interface
        states = [(f"{state}0", (size,)) for state, size in face.states.items()]
        given = [(parameter_key(name), shape) for name, shape in face.parameters.items()]
        output = (_OUTPUTS[self._program.function], face.yhat or ())
        for name, shape in (*given, ("x", (face.x,)), *states, output):  # though not read
            if size in shape:
                return f'arrays["{name}"].shape[{shape.index(size) - len(shape)}]'
        if face.sizes is None:
            raise ArgumentError("sizes", f"the model's sizes, as no array tells {size}", "None")
        return str(face.sizes[size])

    def _axes(self, buffer: Buffer) -> list[str]:
        axes = [self._sized[str(e)] for e in buffer.shape]
        match buffer.layout:
            case Layout.BATCH:
                return ["B", *axes]
            case Layout.TIME:
                return [_count(buffer.slots), "B", *axes]
            case _:
                return axes

    # ------------------------------------------------------------------------- statements

    def _put(self, line: str) -> None:
        self._lines.append(f"{'    ' * self._depth}{line}" if line else "")

    def _block(self, block: Block) -> None:
        self._values.span = block.span
        self._put("")
        if block.title:
            self._put(f"# {block.title}")
        limit = _LENGTHS[block.lengths]
        start, end = _count(block.start), _count(block.start + block.steps)
        shift = " + T_x" if block.lengths == "y" and "T_x" in block.start.counts else ""
        last = f"None if {limit} is None else {limit}{shift}" if shift else limit
        match block.span:
            case Span.ONCE:
                self._values.now = start
                self._body(block.body)
            case Span.LAST:
                self._put(f"t, r = {start} if {limit} is None else {limit}, np.arange(B)")
                self._values.now = "t"
                self._body(block.body)
            case Span.EACH:
                up = f"range({_count(block.start + 1)}, {_count(block.start + block.steps + 1)})"
                self._put(f"for t in {f'range({end}, {start}, -1)' if block.reverse else up}:")
                self._depth += 1
                rows = {s.rows for s in block.body if isinstance(s, Assign)}
                if rows - {"all"}:
                    left = "r, idle" if "idle" in rows else "r, _"
                    self._put(f"{left} = rows_at(t, {last}, B)")
                self._values.now = "t"
                self._body(block.body)
                self._depth -= 1

    def _body(self, body: tuple[Statement, ...]) -> None:
        for statement in body:
            assert isinstance(statement, Assign)
            number = re.match(r"\(\d+\)", statement.note)
            self._assign(statement, f"  # {number.group()}" if number else "")

    def _assign(self, a: Assign, comment: str) -> None:
        buffer = self._program.buffers[a.target.buffer]
        sign = "+=" if a.accumulate else "="
        value = self._values.value(a.value, a.rows, 0)[0]
        if isinstance(a.value, (Outer, BatchSum)):
            target = self._names[buffer.name]
        elif buffer.layout is Layout.BATCH and isinstance(a.value, Ref) and self._values.span is Span.ONCE:
            target, value = self._names[buffer.name], f"{value}.copy()"
        else:
            target = self._target(a, buffer)
        if buffer.layout is Layout.BATCH and not a.accumulate and not self._values.per_example(a.value):
            shape = ", ".join(["B", *(self._sized[str(s)] for s in buffer.shape)])
            value = (
                f"np.broadcast_to(np.asarray({value}, dtype), ({shape}{',' if ',' not in shape else ''}))[r]"
            )
        elif buffer.layout is Layout.BATCH and not a.accumulate:
            value = self._values.whole(a.value, a.rows, value)
        self._put(f"{target} {sign} {value}{comment}")

    def _target(self, a: Assign, buffer: Buffer) -> str:
        """A value of one step is a plain name for the rows at hand; a stored one is indexed."""
        if buffer.layout is Layout.BATCH:
            public = buffer.public is not None and not (
                self._program.function != "forward" and buffer.public == "yhat"
            )
            stored = public and any(
                isinstance(s, Zero) and s.buffer == buffer.name for s in self._program.body
            )
            return f"{self._names[buffer.name]}[r]" if stored else self._names[buffer.name]
        return self._values.at(a.target, a.rows)


def _extents(value: AnyValue) -> list[str]:
    return [s.size for s in values(value) if isinstance(s, Extent)]


def _count(affine: Affine) -> str:
    terms = list(affine.counts) or ([] if affine.constant > 0 else ["0"])
    text = " + ".join(terms)
    if affine.constant > 0:
        return f"{text} + {affine.constant}" if text else str(affine.constant)
    return f"{text} - {-affine.constant}" if affine.constant < 0 else text
