"""Programs as C11: declarations, regions of work, loops, kernel calls and workspaces. Knows no cell.

The text of a function body is made here; `templates/` hold what all files share. A body is run by the
threads of a team together, each with its part of the rows, or, of a sum over rows, of what is summed;
it is cut into regions, at whose end all of them meet. No result depends on how many they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from codegen.c_loops import Loops
from codegen.c_places import Names, Places, count, elements, optional
from codegen.c_straight import Straight
from codegen.c_text import Text
from codegen.errors import ProgramError
from codegen.ir import (
    Block,
    Buffer,
    Kernel,
    Layout,
    Note,
    Program,
    Ref,
    Role,
    Rows,
    Span,
    Statement,
    Zero,
    statements,
)
from codegen.regions import Region, regions
from codegen.spell import c_literal


@dataclass(frozen=True)
class Function:
    """One C function: its name, workspace and body."""

    name: str
    size: str  # of the workspace in bytes, an expression in T_x, T_y and B
    body: str
    work: int  # multiply-adds of one example at one step


def emit_function(program: Program, names: Names, dtype: str, prefix: str) -> Function:
    """The program, at the loops or straight level, as C over a pointer `p` to its arguments."""
    return _Emitter(program, names, dtype).function(f"{prefix}_{program.function}")


class _Emitter:
    def __init__(self, program: Program, names: Names, dtype: str) -> None:
        self._program, self._names, self._dtype = program, names, dtype
        self._real = "float" if dtype == "float32" else "double"
        self._places = Places(program, names, dtype)
        self._text = Text()
        self._loops = Loops(program, names, self._places, dtype, self._text)
        self._returning = False  # whether the way back has begun
        self._together = False  # whether all threads sum over the same rows
        self._turn = "0"  # what counts how often the same matrix has been used

    def function(self, name: str) -> Function:
        if self._program.level == "straight":
            Straight(self._program, self._names, self._places, self._dtype, self._text).print()
        else:
            self._regions()
        body = str(self._text)
        size, bindings = self._bindings(body)
        return Function(name, size, f"{bindings}\n{body}", self._work())

    def _work(self) -> int:
        """The multiply-adds of the kernels, for one example at one step."""
        kernels = [s for s in statements(self._program.body) if isinstance(s, Kernel)]
        matrices = [k.operands[1] if k.name == "product" else k.out for k in kernels]
        shapes = [self._program.buffers[m.buffer].shape for m in matrices]
        return sum(int(shape[0]) * int(shape[1]) for shape in shapes if len(shape) == 2)

    # ------------------------------------------------------------------------- declarations

    def _bindings(self, body: str) -> tuple[str, str]:
        """The size of the workspace, and pointers for the buffers, our own cut from it in order."""
        body = _code(body)
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
                    held = f" /* {', '.join(buffer.held)}, then {buffer.name} */" if buffer.held else ""
                    own.append(f"{kind} *restrict const {spelled} = take(&work, {sizes[-1]});{held}")
                case Role.RESULT:
                    inputs.append(f"{kind} *restrict const {spelled} = {field};")
                case _:
                    inputs.append(f"const {kind} *restrict const {spelled} = {field};")
        text = _code("\n".join([*inputs, *own, body]))
        counts = [f"const size_t {c} = p->{c};" for c in ("T_x", "T_y", "B") if re.search(rf"\b{c}\b", text)]
        arena = ["unsigned char *work = p->work;"] if own else []
        size = "\n        + ".join(f"padded({s})" for s in sizes) or "0"
        return size, "\n".join(f"    {line}" for line in [*counts, *arena, *inputs, *own])

    # ------------------------------------------------------------------------- regions

    def _regions(self) -> None:
        prologue = [s for s in self._program.body if not isinstance(s, Block)]
        for statement in prologue:
            match statement:
                case Zero(buffer=name):
                    self._zero(self._program.buffers[name])
                case Kernel():
                    self._pack(statement)
                case _:
                    raise ProgramError(f"emit_c: no C for {type(statement).__name__} outside a block")
        if prologue:
            self._meet()
        for block in self._program.body:
            if isinstance(block, Block):
                self._block(block)

    def _meet(self) -> None:
        self._text.put("meet(team);")

    def _zero(self, buffer: Buffer) -> None:
        spelled = self._names[buffer.name]
        if buffer.layout is Layout.TOTAL:
            self._text.put(f"if (me == 0) {spelled}[0] = 0.0;")
            return
        fill = f"clear({spelled}, {elements(buffer)} * sizeof *{spelled}, me, team);"
        self._text.put(f"if ({spelled}) {fill}" if buffer.role is Role.RESULT else fill)

    def _pack(self, kernel: Kernel) -> None:
        """A matrix in panels, if a product with it is wanted."""
        k, n = self._program.buffers[kernel.out.buffer].shape
        matrix, panels = self._names[kernel.operands[0].buffer], self._names[kernel.out.buffer]
        products = [
            s for s in statements(self._program.body) if isinstance(s, Kernel) and s.name == "product"
        ]
        conditions = {self._wanted(s.out) for s in products if s.operands[1] == kernel.out}
        call = f"{kernel.name}({k}, {n}, {matrix}, {panels}, me, team);"
        self._text.put(call if "" in conditions else f"if ({' || '.join(sorted(conditions))}) {call}")

    def _block(self, block: Block) -> None:
        if block.reverse:
            self._stop_without_gradients()
        if block.title:
            self._text.space()
            self._text.put(f"/* ---- {block.title} */")
        for region in regions(block):
            with self._text.inside("if (me == 0)" if region.alone else ""):
                self._region(block, region)
            self._meet()

    def _region(self, block: Block, region: Region) -> None:
        body, start, first = region.body, count(block.start), count(block.start + 1)
        rows = f"{count(block.steps)} * B" if block.span is Span.ALL else "B"
        whole = region.sums or region.alone
        self._text.put(f"const rows all = {f'whole({rows})' if whole else f'part({rows}, me, team)'};")
        self._together = region.sums
        match block.span:
            case Span.ONCE:
                self._places.step = block.start
                self._body(body, "all")
                self._places.step = None
            case Span.LAST:
                last = f"p->last_{block.lengths}"
                self._body(body, "all", f"{last} ? {last}[b]{self._limit(block)} : {start}")
            case Span.ALL:
                self._places.enter_all(block.start + 1)
                fill = "me == 0" if region.sums else "1"
                self._active(block, body, f"active_steps(all, B, {{}}, {first}, list, {fill})")
                if region.sums:
                    self._text.put(f"if (p->last_{block.lengths}) meet(team);")
                self._body(body)
                self._places.leave_all()
            case Span.EACH:
                up = f"for (size_t t = {first}; t <= {count(block.start + block.steps)}; ++t)"
                down = f"for (size_t t = {count(block.start + block.steps)}; t > {start}; --t)"
                with self._text.inside(down if block.reverse else up):
                    self._turn = "t"
                    self._active(block, body, "active_rows(all, {}, t, list)")
                    self._body(body)
                    self._turn = "0"

    def _active(self, block: Block, body: tuple[Statement, ...], call: str) -> None:
        """The rows that are active and those that are not, where the statements want to know."""
        wanted = {s.rows for s in statements(body) if isinstance(s, (Rows, Kernel))}
        if wanted & {"active", "idle"}:
            before = self._limit(block).removeprefix(" + ") or "0"
            self._text.put(f"const rows active = {call.format(f'p->last_{block.lengths}, {before}')};")
        if "idle" in wanted:
            self._text.put("const rows idle = idle_rows(all, active);")

    def _limit(self, block: Block) -> str:
        """What a decoder's lengths count from."""
        return " + T_x" if block.lengths == "y" and "T_x" in block.start.counts else ""

    def _stop_without_gradients(self) -> None:
        """Before the way back: nothing is left to do if no gradient is wanted."""
        if not self._returning:
            self._returning = True
            gradients = [b for b in self._program.buffers.values() if str(b.public).startswith("d.")]
            wanted = " || ".join(f"p->{self._names.fields[str(b.public)]}" for b in gradients)
            self._text.put(f"if (!({wanted})) return;")

    # ------------------------------------------------------------------------- statements

    def _body(self, body: tuple[Statement, ...], rows: str = "", step: str | None = None) -> None:
        """rows: those of all statements, where they do not choose. step: each row's own, as C."""
        for statement in body:
            match statement:
                case Note(text=text):
                    self._text.put(f"/* {text} */")
                case Rows():
                    self._loops.print(statement.body, rows or statement.rows, step)
                case Kernel():
                    self._kernel(statement, rows or statement.rows)
                case _:
                    raise ProgramError(
                        f"emit_c: no C for {type(statement).__name__} (the pass to_loops or unroll?)"
                    )

    def _kernel(self, kernel: Kernel, rows: str) -> None:
        buffers = self._program.buffers
        out = buffers[kernel.out.buffer]
        place = [self._places.base(ref) for ref in (kernel.out, *kernel.operands)]
        wanted = [condition] if (condition := self._wanted(kernel.out)) else []
        share = "me, team" if self._together else "0, 1"
        match kernel.name:
            case "product":
                k, n = buffers[kernel.operands[1].buffer].shape
                call = f"product_{k}_{n}({rows}, {place[1]}, {place[2]}, {self._factor(kernel)}, "
                call += f"{self._base(kernel, place)}, {place[0]}, {self._turn});"
            case "outer":
                n, m = out.shape
                call = f"outer_{n}_{m}({rows}, {place[1]}, {place[2]}, {place[0]}, {share});"
            case "sum_rows":
                call = f"sum_rows({rows}, {out.shape[0]}, {place[1]}, {place[0]}, {share});"
            case "total":
                wanted += ["me == 0"] if self._together else []
                (n,) = buffers[kernel.operands[0].buffer].shape or (1,)
                to_real = "(float)" if self._dtype == "float32" and out.layout is not Layout.TOTAL else ""
                call = f"{place[0]}[0] += {to_real}total({rows}, {n}, {place[1]});"
            case "others" | "others_pull":
                (n,) = out.shape
                call = f"{kernel.name}({rows}, {n}, {', '.join(place[1:])}, {place[0]});"
            case _:
                raise ProgramError(f"emit_c: no C for the kernel {kernel.name!r}")
        self._text.put(f"if ({' && '.join(wanted)}) {call}" if wanted else call)

    def _factor(self, kernel: Kernel) -> str:
        sign = "-" if kernel.factor < 0 else ""
        return f"{sign}{c_literal(abs(kernel.factor), self._dtype)}"

    def _base(self, kernel: Kernel, place: list[str]) -> str:
        """What a product is added to, and the distance of its rows."""
        ref = kernel.operands[2] if len(kernel.operands) == 3 else kernel.out if kernel.accumulate else None
        if ref is None:
            return "NULL, 0"
        buffer = self._program.buffers[ref.buffer]
        step = 0 if buffer.layout is Layout.PARAMETER else buffer.shape[0]
        return f"{place[3] if len(kernel.operands) == 3 else place[0]}, {step}"

    def _wanted(self, ref: Ref) -> str:
        """The condition under which a result is to be computed; empty for what always is."""
        buffer = self._program.buffers[ref.buffer]
        gradient = buffer.role is Role.RESULT and buffer.layout is Layout.PARAMETER
        return self._names[ref.buffer] if gradient or optional(buffer) else ""


def _code(text: str) -> str:
    """Without comments: a name there is no use of it."""
    return re.sub(r"/\*.*?\*/", "", text)
