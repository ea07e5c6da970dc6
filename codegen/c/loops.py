"""Loops over rows as C: the components of a row, or of several rows side by side, in vectors."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from chalkgrad.codegen.c.lanes import Lanes
from chalkgrad.codegen.c.places import CNames, Places, optional
from chalkgrad.codegen.c.text import Text
from chalkgrad.codegen.errors import ProgramError
from chalkgrad.codegen.program.ir import (
    For,
    Layout,
    Let,
    Load,
    Local,
    Note,
    Program,
    Ref,
    Scalar,
    Start,
    Statement,
    Store,
    Update,
    statements,
)
from chalkgrad.codegen.program.walk import scalars

_COMBINED = {"sum": ("{0} + {1}", "sum_of"), "max": ("larger_v({0}, {1})", "largest_of")}


class Loops:
    """Prints the loops of one program into `text`, with `places` at the step where they stand."""

    def __init__(self, program: Program, names: CNames, places: Places, dtype: str, text: Text) -> None:
        self._program, self._names, self._places, self._text = program, names, places, text
        self._dtype = dtype
        self._real = "float" if dtype == "float32" else "double"
        self._vectors: set[str] = set()  # locals of the loop over components
        self._index, self._limit = "", ""
        self._wanted = ""  # the optional result that is known to be wanted here

    def print(self, body: tuple[Statement, ...], rows: str, step: str | None) -> None:
        """One loop over rows. step: the C of each row's own step, where rows differ in it."""
        self._wanted = self._only_target(body)
        if self._wanted:
            with self._text.inside(f"if ({self._names[self._wanted]})"):
                self._rows(body, rows, step)
        else:
            self._rows(body, rows, step)

    def _rows(self, body: tuple[Statement, ...], rows: str, step: str | None) -> None:
        run = f"{rows}.run" if step is None and self._is_flat(body) else ""
        with self._text.inside(f"for (size_t r = 0; r < {rows}.count; {f'r += {run}' if run else '++r'})"):
            self._text.put(f"const size_t b = at({rows}, r);")
            touched = self._touched(body)
            if step is not None and any(self._layout(ref) is Layout.TIME for ref, _ in touched):
                self._text.put(f"const size_t t = {step};")
            self._text.put(*self._places.point_at(touched, self._real))
            for statement in body:
                self._statement(statement, run)
            self._places.leave()

    def _is_flat(self, body: tuple[Statement, ...]) -> bool:
        """Whether each component is by itself, so that rows side by side are one long row."""
        loops = [s for s in body if not isinstance(s, Note)]
        if len(loops) != 1 or not isinstance(loops[0], For):
            return False
        index, inner = loops[0].index, loops[0].body
        refs = [(part.ref, part.components) for s in inner for part in scalars(s) if isinstance(part, Load)]
        refs += [(s.ref, s.components) for s in inner if isinstance(s, Store)]
        in_rows = (self._layout(ref) in (Layout.BATCH, Layout.TIME) for ref, _ in refs)
        return (
            all(isinstance(s, (Note, Let, Store)) for s in inner)
            and all(components == (index,) for _, components in refs)
            and all(in_rows)
        )

    def _touched(self, body: tuple[Statement, ...]) -> list[tuple[Ref, bool]]:
        """The vectors that a loop reads or writes, and whether it writes them."""
        touched: dict[Ref, bool] = {}
        for statement in statements(body):
            for part in scalars(statement):
                if isinstance(part, Load):
                    touched.setdefault(part.ref, False)
            if isinstance(statement, Store):
                touched[statement.ref] = True
        return list(touched.items())

    def _only_target(self, body: tuple[Statement, ...]) -> str:
        """The optional result that all stores of this loop go to, if that is so."""
        targets = {s.ref.buffer for s in statements(body) if isinstance(s, Store)}
        (target, *others) = targets or {""}
        return target if not others and target and optional(self._program.buffers[target]) else ""

    def _layout(self, ref: Ref) -> Layout:
        return self._program.buffers[ref.buffer].layout

    # ------------------------------------------------------------------------- one row

    def _statement(self, statement: Statement, run: str) -> None:
        match statement:
            case Note(text=text):
                self._text.put(f"/* {text} */")
            case For():
                self._components(statement, run)
            case Let(name=name, value=value):
                self._text.put(f"const {self._real} {self._names[name]} = {self._places.scalar(value)};")
            case Start(name=name, value=value):
                self._text.put(f"{self._real} {self._names[name]} = {self._places.scalar(value)};")
            case Store(ref=ref, components=components, value=value, accumulate=accumulate):
                place = self._places.element(ref, components)
                line = f"{place} {'+=' if accumulate else '='} {self._places.scalar(value)};"
                target = self._optional_target(statement)
                self._text.put(f"if ({self._names[target]}) {line}" if target else line)
            case _:
                raise ProgramError(f"emit_c: no C for {type(statement).__name__} in a loop over rows")

    def _components(self, loop: For, run: str) -> None:
        running = [s for s in loop.body if isinstance(s, Update)]
        for update in running:
            name = self._names[update.name]
            self._text.put(f"vec {self._in_lanes(update)} = all_v({name});")
        self._vectors = {s.name for s in loop.body if isinstance(s, Let)}
        i = self._index = loop.index
        if run:
            self._limit = "m"
            head = f"for (size_t {i} = 0, m = {run} * {loop.extent}; {i} < m; {i} += LANES)"
        else:
            self._limit = str(loop.extent)
            head = f"for (size_t {i} = 0; {i} < {loop.extent}; {i} += LANES)"
        with self._text.inside(head):
            reads = any(isinstance(p, Load) and self._varies(p) for s in loop.body for p in scalars(s))
            if reads or any(isinstance(s, Store) for s in loop.body):
                self._text.put(f"const size_t left = {loop.extent} % LANES ? {self._limit} - {i} : LANES;")
            for target, group in groupby(loop.body, self._optional_target):
                if target:
                    with self._text.inside(f"if ({self._names[target]})"):
                        self._each_component(group)
                else:
                    self._each_component(group)
        for update in running:
            reduced = _COMBINED[update.op][1]
            self._text.put(f"{self._names[update.name]} = {reduced}({self._in_lanes(update)});")

    def _each_component(self, body: Iterator[Statement]) -> None:
        i, n = self._index, self._limit
        lanes = Lanes(self._dtype, self._varies, self._vector, self._places.scalar)
        for statement in body:
            match statement:
                case Note(text=text):
                    self._text.put(f"/* {text} */")
                case Let(name=name, value=value):
                    self._text.put(f"const vec {self._names[name]} = {lanes.spell(value)};")
                case Store(ref=ref, value=value, accumulate=accumulate):
                    x = self._places.vector(ref)
                    before = f"get({x} + {i}, left) + " if accumulate else ""
                    self._text.put(f"put({x} + {i}, left, {before}{lanes.spell(value)});")
                case Update(op=op, value=value):
                    v = self._in_lanes(statement)
                    combined = _COMBINED[op][0].format(v, lanes.spell(value))
                    self._text.put(f"{v} = pick_v(upto({i}, {n}), {combined}, {v});")
                case _:
                    raise ProgramError(f"emit_c: no C for {type(statement).__name__} over components")

    def _in_lanes(self, update: Update) -> str:
        return self._names.pointer(update.name, "v")

    def _varies(self, leaf: Scalar) -> bool:
        match leaf:
            case Load(components=components):
                return self._index in components
            case Local(name=name):
                return name in self._vectors
            case _:
                return False

    def _vector(self, leaf: Scalar) -> str:
        match leaf:
            case Load(ref=ref):
                return f"get({self._places.vector(ref)} + {self._index}, left)"
            case Local(name=name):
                return self._names[name]
            case _:
                raise ProgramError(f"emit_c: no C for {type(leaf).__name__}")

    def _optional_target(self, statement: Statement) -> str:
        """The optional result that a statement stores to, where it is not known to be wanted."""
        if not isinstance(statement, Store) or statement.ref.buffer == self._wanted:
            return ""
        return statement.ref.buffer if optional(self._program.buffers[statement.ref.buffer]) else ""
