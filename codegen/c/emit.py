"""Programs as C11: declarations, regions of work, loops, kernel calls and workspaces. Knows no cell.

The text of a function body is made here; `templates/` hold what all files share. A body is run by the
threads of a team together, each with slices of the batch of its own (`codegen.c.slices`); only for sums over
examples do they meet, and there each has its part of what is summed up. No result depends on how many they
are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from chalkgrad.codegen.c.loops import Loops
from chalkgrad.codegen.c.places import CNames, Places, count, elements, optional
from chalkgrad.codegen.c.slices import Bindings, Here, bindings, carry_of, elsewhere, fields
from chalkgrad.codegen.c.straight import Straight
from chalkgrad.codegen.c.text import Text
from chalkgrad.codegen.errors import ProgramError
from chalkgrad.codegen.passes.sums_last import has_sums, is_sum, split
from chalkgrad.codegen.program.ir import (
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
from chalkgrad.codegen.program.spell import c_literal
from chalkgrad.codegen.program.walk import all_reads, all_writes


@dataclass(frozen=True)
class Function:
    """One C function: its name and body; of one that works on slices, also what comes before and around."""

    name: str
    body: str
    prologue: str = ""
    bindings: Bindings | None = None
    work: int = 0  # multiply-adds of one example at one step
    whole: bool = False  # the batch is one slice, since there are sums that do not come last


def emit_function(program: Program, names: CNames, dtype: str, prefix: str) -> Function:
    """The program, at the loops or straight level, as C over a pointer `p` to its arguments."""
    return _Emitter(program, names, dtype).function(f"{prefix}_{program.function}")


class _Emitter:
    def __init__(self, program: Program, names: CNames, dtype: str) -> None:
        self._program, self._names, self._dtype = program, names, dtype
        self._real = "float" if dtype == "float32" else "double"
        self._places = Places(program, names, dtype)
        self._text = Text(1 if program.level == "straight" else 2)
        self._loops = Loops(program, names, self._places, dtype, self._text)
        self._here = Here()
        self._turn = "0"  # what counts how often the same matrix has been used

    def function(self, name: str) -> Function:
        if self._program.level == "straight":
            Straight(self._program, self._names, self._places, self._dtype, self._text).print()
            straight = str(self._text)
            names = fields(self._program, self._names, self._real, straight)
            return Function(name, f"{names}\n{straight}")
        prologue = str(self._prologue())
        self._slices()
        body = str(self._text)
        whole = has_sums(split(self._program)[0])
        found = bindings(self._program, self._names, self._real, f"{prologue}\n{body}", whole)
        return Function(name, body, prologue, found, self._work(), whole)

    def _work(self) -> int:
        """The multiply-adds of the kernels, for one example at one step."""
        kernels = [s for s in statements(self._program.body) if isinstance(s, Kernel)]
        matrices = [k.operands[1] if k.name == "product" else k.out for k in kernels]
        shapes = [self._program.buffers[m.buffer].shape for m in matrices]
        return sum(int(shape[0]) * int(shape[1]) for shape in shapes if len(shape) == 2)

    # ------------------------------------------------------------------------- before all blocks

    def _prologue(self) -> Text:
        """What all slices share: sums start at zero, matrices are packed."""
        text = Text()
        sums = {s.out.buffer for s in statements(self._program.body) if is_sum(s) and isinstance(s, Kernel)}
        for statement in self._program.body:
            match statement:
                case Zero(buffer=name):
                    buffer = self._program.buffers[name]
                    if buffer.layout is Layout.TOTAL:
                        text.put(f"if (me == 0) {self._names[name]}[0] = 0.0;")
                    elif buffer.layout is Layout.PARAMETER:
                        text.put(self._clear(buffer, "me, team"))
                    if name in sums:
                        text.put(self._clear_carry(buffer))
                case Kernel():
                    text.put(self._pack(statement))
                case Block():
                    pass
                case _:
                    raise ProgramError(f"emit_c: no C for {type(statement).__name__} outside a block")
        if str(text):
            text.put("meet(team);")
        return text

    def _clear(self, buffer: Buffer, share: str) -> str:
        spelled = self._names[buffer.name]
        fill = f"clear({spelled}, {elements(buffer)} * sizeof *{spelled}, {share});"
        return f"if ({spelled}) {fill}" if buffer.role is Role.RESULT else fill

    def _clear_carry(self, buffer: Buffer) -> str:
        carry = carry_of(buffer, self._names)
        return f"if ({carry}) clear({carry}, {elements(buffer)} * sizeof *{carry}, me, team);"

    def _pack(self, kernel: Kernel) -> str:
        """A matrix in panels, if a product with it is wanted."""
        k, n = self._program.buffers[kernel.out.buffer].shape
        matrix, panels = self._names[kernel.operands[0].buffer], self._names[kernel.out.buffer]
        targets = self._multiplied.get(kernel.out, [])
        call = f"{kernel.name}({k}, {n}, {matrix}, {panels}, me, team);"
        if not all(optional(target) for target in targets):
            return call
        conditions = {f"p->{self._names.fields[str(target.public)]}" for target in targets}
        return f"if ({' || '.join(sorted(conditions))}) {call}"

    @cached_property
    def _multiplied(self) -> dict[Ref, list[Buffer]]:
        """Panels → where the products with them go."""
        found: dict[Ref, list[Buffer]] = {}
        for s in statements(self._program.body):
            if isinstance(s, Kernel) and s.name == "product":
                found.setdefault(s.operands[1], []).append(self._program.buffers[s.out.buffer])
        return found

    # ------------------------------------------------------------------------- blocks

    def _slices(self) -> None:
        """What is done for the examples of a slice, and the sums over those of all slices of a round."""
        own, sums = split(self._program)
        for statement in self._program.body:
            if isinstance(statement, Zero):
                buffer = self._program.buffers[statement.buffer]
                if buffer.layout in (Layout.TIME, Layout.BATCH):
                    self._text.put(self._clear(buffer, "0, 1"))
        there = next((place for place, block in enumerate(own) if block.reverse), len(own))
        for block in own[:there]:
            self._block(block)
        if own[there:]:
            self._text.space()
            with self._text.inside(f"if ({self._gradients()})"):
                for block in own[there:]:
                    self._block(block)
        if sums:
            self._text.put("meet(team);")
            with self._text.inside("for (size_t k = 0; k < team; ++k)"):
                self._sums(sums)
            self._text.put("meet(team);")

    def _gradients(self) -> str:
        """Whether one is wanted, and so the way back."""
        gradients = [b for b in self._program.buffers.values() if str(b.public).startswith("d.")]
        return " || ".join(f"p->{self._names.fields[str(b.public)]}" for b in gradients)

    def _sums(self, blocks: tuple[Block, ...]) -> None:
        """Over the examples of the k-th slice of this round."""
        touched = {ref.buffer for ref in (*all_reads(blocks), *all_writes(blocks))}
        arrays = [
            buffer
            for buffer in self._program.buffers.values()
            if buffer.name in touched and buffer.layout in (Layout.TIME, Layout.BATCH)
        ]
        aliases = {buffer.name: self._names.pointer(buffer.name, "k") for buffer in arrays}
        axes = {block.lengths for block in blocks if block.span is Span.ALL}
        self._text.put(*elsewhere(arrays, self._names, aliases, self._real, sorted(axes)))
        self._here, self._places.examples, self._places.aliases = (
            Here("count", "ends", "me, team"),
            "count",
            aliases,
        )
        for block in blocks:
            self._block(block)
        self._here, self._places.examples, self._places.aliases = Here(), "B", {}

    def _block(self, block: Block) -> None:
        if block.title:
            self._text.space()
            self._text.put(f"/* ---- {block.title} */")
        with self._text.inside():
            self._steps(block)

    def _steps(self, block: Block) -> None:
        start, first, examples = count(block.start), count(block.start + 1), self._here.examples
        body = block.body
        rows = f"{count(block.steps)} * {examples}" if block.span is Span.ALL else examples
        self._text.put(f"const rows all = whole({rows});")
        match block.span:
            case Span.ONCE:
                self._places.step = block.start
                self._body(body, "all")
                self._places.step = None
            case Span.LAST:
                ends = self._here.lengths(block.lengths)
                self._body(body, "all", f"{ends} ? {ends}[b]{self._limit(block)} : {start}")
            case Span.ALL:
                self._places.enter_all(block.start + 1)
                self._active(block, f"active_steps(all, {examples}, {{}}, {first}, list)")
                self._body(body)
                self._places.leave_all()
            case Span.EACH:
                up = f"for (size_t t = {first}; t <= {count(block.start + block.steps)}; ++t)"
                down = f"for (size_t t = {count(block.start + block.steps)}; t > {start}; --t)"
                with self._text.inside(down if block.reverse else up):
                    self._turn = "t"
                    self._active(block, "active_rows(all, {}, t, list)")
                    self._body(body)
                    self._turn = "0"

    def _active(self, block: Block, call: str) -> None:
        """The rows that are active and those that are not, where the statements want to know."""
        wanted = {s.rows for s in statements(block.body) if isinstance(s, (Rows, Kernel))}
        if wanted & {"active", "idle"}:
            before = self._limit(block).removeprefix(" + ") or "0"
            lengths = f"{self._here.lengths(block.lengths)}, {before}"
            self._text.put(f"const rows active = {call.format(lengths)};")
        if "idle" in wanted:
            self._text.put("const rows idle = idle_rows(all, active);")

    def _limit(self, block: Block) -> str:
        """What a decoder's lengths count from."""
        return " + T_x" if block.lengths == "y" and "T_x" in block.start.counts else ""

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
        share, carry = self._here.share or "0, 1", carry_of(out, self._names)
        match kernel.name:
            case "product":
                k, n = buffers[kernel.operands[1].buffer].shape
                call = f"product_{k}_{n}({rows}, {place[1]}, {place[2]}, {self._factor(kernel)}, "
                call += f"{self._base(kernel, place)}, {place[0]}, {self._turn});"
            case "outer":
                n, m = out.shape
                call = f"outer_{n}_{m}({rows}, {place[1]}, {place[2]}, {place[0]}, {carry}, {share});"
            case "sum_rows":
                call = f"sum_rows({rows}, {out.shape[0]}, {place[1]}, {place[0]}, {carry}, {share});"
            case "total":
                wanted += ["me == 0"] if self._here.share else []
                (n,) = buffers[kernel.operands[0].buffer].shape or (1,)
                is_loss = out.layout is Layout.TOTAL
                to_real = "(float)" if self._dtype == "float32" and not is_loss else ""
                call = f"{'add_total' if is_loss else 'add_one'}({place[0]}, {carry}, "
                call += f"{to_real}total({rows}, {n}, {place[1]}));"
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
        return self._places.spelled(ref.buffer) if gradient or optional(buffer) else ""
