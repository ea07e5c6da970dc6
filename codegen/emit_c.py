"""Programs as C11: declarations, loops, kernel calls and workspaces. Knows no cell and no mathematics.

The text of a function body is made here; `templates/` hold what all files share. Every place that a
program can name has one spelling, so the loops level and the straight level print through the same code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from codegen.c_places import Names, Places, count, elements
from codegen.elementary import FUNCTIONS
from codegen.errors import ProgramError
from codegen.ir import (
    Block,
    Buffer,
    Call,
    For,
    Kernel,
    Layout,
    Let,
    Load,
    Note,
    Program,
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
    statements,
)
from codegen.spell import c_literal
from codegen.walk import scalars

_WIDTH = 100


@dataclass(frozen=True)
class Function:
    """One C function: its name, workspace and body, and what the body calls."""

    name: str
    size: str  # of the workspace in bytes, an expression in T_x, T_y and B
    body: str
    functions: frozenset[str]  # elementary ones
    kernels: frozenset[str]


def emit_function(program: Program, names: Names, dtype: str, prefix: str) -> Function:
    """The program, at the loops or straight level, as a C function over a pointer `p` to its arguments."""
    return _Emitter(program, names, dtype).function(f"{prefix}_{program.function}")


class _Emitter:
    def __init__(self, program: Program, names: Names, dtype: str) -> None:
        self._program, self._names, self._dtype = program, names, dtype
        self._real = "float" if dtype == "float32" else "double"
        self._places = Places(program, names, dtype)
        self._span = Span.ONCE
        self._every = "B"  # how many rows a vector has
        self._lines: list[str] = []
        self._depth = 1
        self._last = ""  # each example's own last step, as C
        self._returning = False  # whether the way back has begun
        self._guarded = ""  # the optional result that is known to be wanted here

    def function(self, name: str) -> Function:
        for statement in self._program.body:
            self._statement(statement)
        body = "\n".join(self._lines)
        size, bindings = self._bindings(body)
        kernels = {s.name for s in statements(self._program.body) if isinstance(s, Kernel)}
        called = f"{bindings}{body}"
        kernels |= {name for name in ("active_rows", "active_steps", "take") if f"{name}(" in called}
        functions = {op for s in statements(self._program.body) for op in _operations(s)} & set(FUNCTIONS)
        functions |= {"exp", "log"} if kernels & {"others", "others_pull"} else set()
        return Function(name, size, f"{bindings}\n{body}", frozenset(functions), frozenset(kernels))

    # ------------------------------------------------------------------------- declarations

    def _bindings(self, body: str) -> tuple[str, str]:
        """The size of the workspace, and pointers for the buffers, our own cut from it in order."""
        body = re.sub(r"/\*.*?\*/", "", body)  # a name in a comment is no use of it
        inputs: list[str] = []
        own: list[str] = []
        sizes: list[str] = []
        if lists := [name for name in ("active_steps(", "active_rows(") if name in body]:
            sizes.append(f"{'(T_x + T_y) * ' if lists[0] == 'active_steps(' else ''}B * sizeof(size_t)")
            own.append(f"size_t *const list = take(&work, {sizes[0]});")
        for buffer in self._program.buffers.values():
            spelled = self._names[buffer.name]
            if not re.search(rf"\b{spelled}\b", body):
                continue
            kind = "double" if buffer.layout is Layout.TOTAL else self._real
            field = f"p->{self._names.fields[buffer.public]}" if buffer.public else ""
            match buffer.role:
                case Role.WORK:
                    sizes.append(f"{elements(buffer)} * sizeof({kind})")
                    own.append(f"{kind} *restrict const {spelled} = take(&work, {sizes[-1]});")
                case Role.RESULT if buffer.layout is Layout.PARAMETER:
                    sizes.append(f"{elements(buffer)} * sizeof({kind})")
                    own.append(
                        f"{kind} *restrict const {spelled} = {field} ? {field} : take(&work, {sizes[-1]});"
                    )
                case Role.RESULT:
                    inputs.append(f"{kind} *restrict const {spelled} = {field};")
                case _:
                    inputs.append(f"const {kind} *restrict const {spelled} = {field};")
        text = "\n".join([*inputs, *own, body])
        counts = [f"const size_t {c} = p->{c};" for c in ("T_x", "T_y", "B") if re.search(rf"\b{c}\b", text)]
        arena = ["unsigned char *work = p->work;"] if own else []
        size = " + ".join(f"padded({s})" for s in sizes) or "0"
        return size, "\n".join(f"    {line}" for line in [*counts, *arena, *inputs, *own])

    # ------------------------------------------------------------------------- statements

    def _put(self, line: str) -> None:
        self._lines.extend(f"{'    ' * self._depth}{part}" for part in _wrapped(line, self._depth))

    def _inside(self, head: str, body: tuple[Statement, ...]) -> None:
        self._put(f"{head} {{")
        self._depth += 1
        self._all(body)
        self._depth -= 1
        self._put("}")

    def _statement(self, statement: Statement) -> None:
        match statement:
            case Note(text=text):
                self._put(f"/* {text} */")
            case Zero(buffer=name):
                self._zero(self._program.buffers[name])
            case Block():
                self._block(statement)
            case Rows(rows=rows, body=body):
                self._rows(rows, body)
            case For(index=index, extent=extent, body=body):
                self._inside(f"for (size_t {index} = 0; {index} < {extent}; ++{index})", body)
            case Let(name=name, value=value):
                self._put(f"const {self._real} {self._names[name]} = {self._places.scalar(value)};")
            case Start(name=name, value=value):
                self._put(f"{self._real} {self._names[name]} = {self._places.scalar(value)};")
            case Update(name=name, op=op, value=value):
                self._update(self._names[name], op, value)
            case Store():
                self._store(statement)
            case Kernel():
                self._kernel(statement)
            case _:
                raise ProgramError(
                    f"emit_c: no C for {type(statement).__name__} (the pass to_loops or unroll?)"
                )

    def _zero(self, buffer: Buffer) -> None:
        spelled = self._names[buffer.name]
        if buffer.layout is Layout.TOTAL:
            self._put(f"{spelled}[0] = 0.0;")
            return
        fill = f"memset({spelled}, 0, {elements(buffer)} * sizeof *{spelled});"
        optional = buffer.role is Role.RESULT and buffer.layout is not Layout.PARAMETER
        self._put(f"if ({spelled}) {fill}" if optional else fill)

    def _block(self, block: Block) -> None:
        self._span, start = block.span, count(block.start)
        if block.reverse:
            self._stop_without_gradients()
        if block.title:
            self._lines.append("")
            self._put(f"/* ---- {block.title} */")
        end = count(block.start + block.steps)
        limit = self._limit(block)
        match block.span:
            case Span.ONCE:
                self._places.step = block.start
                self._all(block.body)
                self._places.step = None
            case Span.LAST:
                self._last = f"p->last_{block.lengths} ? p->last_{block.lengths}[b]{limit} : {start}"
                self._all(block.body)
            case Span.ALL:
                first, steps = count(block.start + 1), count(block.steps)
                self._put("{")
                self._depth += 1
                self._places.enter_all(block.start + 1)
                self._every = f"{steps} * B"
                self._active_rows(block, f"active_steps(B, {{}}, {first}, {steps}, list)")
                self._all(block.body)
                self._every = "B"
                self._places.leave_all()
                self._depth -= 1
                self._put("}")
            case Span.EACH:
                up = f"for (size_t t = {count(block.start + 1)}; t <= {end}; ++t)"
                down = f"for (size_t t = {end}; t > {start}; --t)"
                self._put(f"{down if block.reverse else up} {{")
                self._depth += 1
                self._active_rows(block, "active_rows(B, {}, t, list)")
                self._all(block.body)
                self._depth -= 1
                self._put("}")

    def _active_rows(self, block: Block, call: str) -> None:
        """How many rows are active, and which, where the statements of a block want to know."""
        inner = [s for s in statements(block.body) if isinstance(s, (Rows, Kernel))]
        if any(s.rows != "all" for s in inner):
            last = f"p->last_{block.lengths}"
            self._put(f"const size_t *const rows = {last} ? list : NULL;")
            before = "T_x" if self._limit(block) else "0"
            self._put(f"const size_t active = {call.format(f'{last}, {before}')};")

    def _stop_without_gradients(self) -> None:
        """Before the way back: nothing is left to do if no gradient is wanted."""
        if not self._returning:
            self._returning = True
            gradients = [b for b in self._program.buffers.values() if str(b.public).startswith("d.")]
            wanted = " || ".join(f"p->{self._names.fields[str(b.public)]}" for b in gradients)
            self._put(f"if (!({wanted})) return;")

    def _limit(self, block: Block) -> str:
        """What a decoder's lengths count from."""
        return " + T_x" if block.lengths == "y" and "T_x" in block.start.counts else ""

    def _all(self, body: tuple[Statement, ...]) -> None:
        runs = [(key, tuple(group)) for key, group in groupby(body, self._optional_store)]
        for target, group in runs:
            if target is None:
                for statement in group:
                    self._statement(statement)
            else:
                outer, self._guarded = self._guarded, target
                self._inside(f"if ({self._names[target]})", group)
                self._guarded = outer

    def _optional_store(self, statement: Statement) -> str | None:
        """The optional result that a statement stores to."""
        if isinstance(statement, Store) and self._optional(statement.ref.buffer):
            return None if statement.ref.buffer == self._guarded else statement.ref.buffer
        return None

    def _rows(self, rows: str, body: tuple[Statement, ...]) -> None:
        if self._span not in (Span.EACH, Span.ALL) or rows == "all":
            head = f"for (size_t b = 0; b < {self._every}; ++b)"
            first = None
        else:
            head = (
                "for (size_t r = 0; r < active; ++r)"
                if rows == "active"
                else "for (size_t r = active; r < B; ++r)"
            )
            first = "const size_t b = at(rows, r);"
        guard = self._guard(body)
        if guard:
            self._guarded = guard
            self._put(f"if ({self._names[guard]}) {{")
            self._depth += 1
        self._put(f"{head} {{")
        self._depth += 1
        if first:
            self._put(first)
        if self._span is Span.LAST and any(self._timed(s) for s in statements(body)):
            self._put(f"const size_t t = {self._last};")
        for line in self._places.point_at(self._touched(body), self._real):
            self._put(line)
        self._all(body)
        self._places.leave()
        self._depth -= 1
        self._put("}")
        if guard:
            self._guarded = ""
            self._depth -= 1
            self._put("}")

    def _touched(self, body: tuple[Statement, ...]) -> list[tuple[Ref, bool]]:
        """The vectors that a loop reads or writes, and whether it writes them; no optional results."""
        touched: dict[Ref, bool] = {}
        for statement in statements(body):
            for load in _loads(statement):
                touched.setdefault(load.ref, False)
            if isinstance(statement, Store):
                touched[statement.ref] = True
        return [
            (r, w) for r, w in touched.items() if r.buffer == self._guarded or not self._optional(r.buffer)
        ]

    def _guard(self, body: tuple[Statement, ...]) -> str:
        """The optional result that all stores of this loop go to, if that is so."""
        targets = {s.ref.buffer for s in statements(body) if isinstance(s, Store)}
        optional = [n for n in targets if self._optional(n)]
        return optional[0] if len(targets) == 1 and optional else ""

    def _optional(self, name: str) -> bool:
        buffer = self._program.buffers[name]
        return buffer.role is Role.RESULT and buffer.layout in (Layout.TIME, Layout.BATCH)

    def _timed(self, statement: Statement) -> bool:
        refs = [load.ref for load in _loads(statement)]
        refs += [statement.ref] if isinstance(statement, Store) else []
        return any(self._program.buffers[r.buffer].layout is Layout.TIME for r in refs)

    def _update(self, name: str, op: str, value: Scalar) -> None:
        text = self._places.scalar(value)
        if op == "sum":
            self._put(f"{name} += {text};")
        else:
            self._put(f"if ({text} > {name} || {text} != {text}) {name} = {text};")

    def _store(self, statement: Store) -> None:
        buffer = self._program.buffers[statement.ref.buffer]
        sign = "+=" if statement.accumulate else "="
        value = self._places.scalar(statement.value)
        if buffer.layout is Layout.TOTAL and self._real == "float":
            value = f"(double)({value})"
        line = f"{self._places.element(statement.ref, statement.components)} {sign} {value};"
        self._put(line)

    def _kernel(self, kernel: Kernel) -> None:
        out = self._program.buffers[kernel.out.buffer]
        place = [self._places.base(ref) for ref in (kernel.out, *kernel.operands)]
        match kernel.name:
            case "pack" | "pack_transposed":
                k, n = out.shape
                call = f"{kernel.name}({k}, {n}, {place[1]}, {place[0]});"
            case "product":
                k, n = self._program.buffers[kernel.operands[1].buffer].shape
                factor = c_literal(abs(kernel.factor), self._dtype)
                factor = f"-{factor}" if kernel.factor < 0 else factor
                call = f"product({self._active}, {k}, {n}, {place[1]}, {place[2]}, {factor}, {place[0]});"
            case "outer":
                n, m = out.shape
                call = f"outer({self._active}, {n}, {m}, {place[1]}, {place[2]}, {place[0]});"
            case "others" | "others_pull":
                (n,) = out.shape
                call = f"{kernel.name}({self._active}, {n}, {', '.join(place[1:])}, {place[0]});"
            case _:
                raise ProgramError(f"emit_c: no C for the kernel {kernel.name!r}")
        wanted = self._wanted(out)
        self._put(f"if ({wanted}) {call}" if wanted else call)

    def _wanted(self, buffer: Buffer) -> str:
        """The condition under which a gradient is to be computed; empty for what always is."""
        if self._optional(buffer.name):
            return self._names[buffer.name]
        parameter = buffer.role is Role.RESULT and buffer.layout is Layout.PARAMETER
        return f"p->{self._names.fields[str(buffer.public)]}" if parameter else ""

    @property
    def _active(self) -> str:
        """The first two arguments of a kernel: how many rows, and which."""
        return "B, NULL" if self._span is Span.LAST else "active, rows"


def _wrapped(line: str, depth: int) -> Iterator[str]:
    """A long statement over several lines, broken before operators; comments stay whole."""
    room = _WIDTH - 4 * depth
    indent = ""
    while len(line) > room and not line.startswith("/*"):
        cut = _cut(line, len(indent), room, "-+?:") or _cut(line, len(indent), room, "*/")
        if not cut:
            break
        yield line[:cut]
        indent = "    "
        line = indent + line[cut + 1 :]
    yield line


def _cut(line: str, start: int, room: int, operators: str) -> int:
    """The last place to break before one of the operators, outside brackets; 0 if there is none."""
    found = (m.start() for m in re.finditer(rf" [{operators}] (?![^\[]*\])", line))
    return max((cut for cut in found if start < cut < room), default=0)


def _loads(statement: Statement) -> Iterator[Load]:
    for scalar in scalars(statement):
        if isinstance(scalar, Load):
            yield scalar


def _operations(statement: Statement) -> Iterator[str]:
    for scalar in scalars(statement):
        if isinstance(scalar, Call):
            yield scalar.op
