"""Straight-line code as C: a single example in numbers, more of them in vectors, one example a lane."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from chalkgrad.codegen.c.elementary import FUNCTIONS
from chalkgrad.codegen.c.lanes import Lanes
from chalkgrad.codegen.c.library import SUMS
from chalkgrad.codegen.c.places import CNames, Places, elements
from chalkgrad.codegen.c.text import Text
from chalkgrad.codegen.errors import ProgramError
from chalkgrad.codegen.program.ir import (
    Block,
    Call,
    Layout,
    Let,
    Load,
    Local,
    Note,
    Program,
    Ref,
    Rows,
    Scalar,
    Statement,
    Store,
    Zero,
)
from chalkgrad.codegen.program.walk import scalars, terms


@dataclass(frozen=True)
class Straight:
    """Prints a program of the straight level into `text`."""

    program: Program
    names: CNames
    places: Places
    dtype: str
    text: Text

    def print(self) -> None:
        for statement in self.program.body:
            match statement:
                case Zero(buffer=name):
                    self._zero(name)
                case Block(body=(Rows(body=body),)):
                    self.places.step = statement.start
                    with self.text.inside("if (B == 1)"):
                        self.text.put("const size_t b = 0;")
                        self._one(body)
                    with self.text.inside("else"):
                        self._many(body)
                case _:
                    raise ProgramError(f"emit_c: no straight C for {type(statement).__name__}")

    def _zero(self, name: str) -> None:
        buffer, spelled = self.program.buffers[name], self.names[name]
        if buffer.layout is Layout.TOTAL:
            self.text.put(f"{spelled}[0] = 0.0;")
        else:
            self.text.put(f"if ({spelled}) memset({spelled}, 0, {elements(buffer)} * sizeof *{spelled});")

    # ------------------------------------------------------------------------- one example

    def _one(self, body: tuple[Statement, ...]) -> None:
        real = self._real

        def let(group: list[Let]) -> None:
            """By itself, or up to four that one function is applied to."""
            if len(group) == 1:
                value = self.places.scalar(group[0].value)
                self.text.put(f"const {real} {self.names[group[0].name]} = {value};")
                return
            array, function = self.names.pointer(group[0].name, "4"), _function(group[0])
            arguments = [self.places.scalar(argument) for s in group for argument in s.value.operands]
            arguments += arguments[-1:] * (4 - len(group))
            self.text.put(f"{real} {array}[4] = {{{', '.join(arguments)}}};", f"{function}_4({array});")
            for q, s in enumerate(group):
                self.text.put(f"const {real} {self.names[s.name]} = {array}[{q}];")

        def store(statement: Store) -> None:
            value = self.places.scalar(statement.value)
            if self._layout(statement) is Layout.TOTAL and real == "float":
                value = f"(double)({value})"
            place = self.places.element(statement.ref, statement.components)
            self.text.put(f"{place} {'+=' if statement.accumulate else '='} {value};")

        self._statements(body, let, store)

    # ------------------------------------------------------------------------- one example a lane

    def _many(self, body: tuple[Statement, ...]) -> None:
        """As many examples first as are left over, then LANES at a time; their sums in blocks."""
        stores = [s for s in body if isinstance(s, Store)]
        totals = list(dict.fromkeys(s.ref.buffer for s in stores if self._layout(s) is Layout.TOTAL))
        gradients = list(dict.fromkeys(s.ref.buffer for s in stores if self._layout(s) is Layout.PARAMETER))
        sizes = {name: elements(self.program.buffers[name]) for name in gradients}
        for name in totals:
            self.text.put(f"double {self._carry(name)} = 0;")
        for name in gradients:
            self.text.put(f"{self._real} {self._carry(name)}[{sizes[name]}] = {{0}};")
        self.text.put("size_t many = (B - 1) % LANES + 1;")
        if not totals and not gradients:
            with self.text.inside("for (size_t b = 0; b < B; b += many, many = LANES)"):
                self._lanes(body)
            return
        added = max((len(list(terms(s.value))) for s in stores if s.ref.buffer in sizes), default=1)
        block = f"{max(SUMS['block'] // added, 1)} * LANES"
        with self.text.inside("for (size_t b = 0; b < B;)"):
            self.text.put(f"const size_t end = B - b > {block} ? b + {block} : B;")
            for name in totals:
                self.text.put(f"double {self._sum(name)}[LANES] = {{0}};")
            for name in gradients:
                self.text.put(f"vec {self._sum(name)}[{sizes[name]}] = {{0}};")
            with self.text.inside("for (; b < end; b += many, many = LANES)"):
                self._lanes(body)
                for name in gradients:
                    self.text.put(f"if (many < LANES) keep_first({sizes[name]}, {self._sum(name)}, many);")
            for name in totals:
                self.text.put(f"add_totals({self._sum(name)}, {self.names[name]}, &{self._carry(name)});")
            for name in gradients:
                arguments = f"{sizes[name]}, {self._sum(name)}, {self.names[name]}, {self._carry(name)}"
                self.text.put(f"if ({self.names[name]}) add_sums({arguments});")

    def _lanes(self, body: tuple[Statement, ...]) -> None:
        columns: dict[Ref, str] = {}
        for part in (part for statement in body for part in scalars(statement)):
            if isinstance(part, Load) and self._varies(part) and part.ref not in columns:
                columns[part.ref] = self.names.pointer(part.ref.buffer, str(part.ref.lag))
                name, width = columns[part.ref], self._width(part)
                rows = self.names.pointer(part.ref.buffer, f"{part.ref.lag}_rows")
                self.text.put(
                    f"vec {name}[{width}], {rows}[{width}];",
                    f"columns(next_rows({self._rows(part)}, {rows}), {width}, {name});",
                )
        lanes = Lanes(self.dtype, self._varies, lambda leaf: self._lane(leaf, columns), self.places.scalar)

        def let(group: list[Let]) -> None:
            for s in group:
                self.text.put(f"const vec {self.names[s.name]} = {lanes.spell(s.value)};")

        def store(statement: Store) -> None:
            match self._layout(statement):
                case Layout.TOTAL:
                    added = f"{self._sum(statement.ref.buffer)}, {lanes.spell(statement.value)}, many"
                    self.text.put(f"add_lanes({added});")
                case Layout.PARAMETER:
                    place = f"{self._sum(statement.ref.buffer)}[{self._component(statement)}]"
                    for term in terms(statement.value):
                        self.text.put(f"{place} += {lanes.spell(term)};")
                case _:
                    value = lanes.spell(statement.value)
                    self.text.put(
                        f"put_column({self._rows(statement)}, {self._component(statement)}, {value});"
                    )

        self._statements(body, let, store, grouped=(Layout.BATCH, Layout.TIME))

    def _varies(self, leaf: Scalar) -> bool:
        return isinstance(leaf, Local) or (
            isinstance(leaf, Load) and self._layout(leaf) is not Layout.PARAMETER
        )

    def _lane(self, leaf: Scalar, columns: dict[Ref, str]) -> str:
        match leaf:
            case Local(name=name):
                return self.names[name]
            case Load():
                return f"{columns[leaf.ref]}[{self._component(leaf)}]"
            case _:
                raise ProgramError(f"emit_c: no C for {type(leaf).__name__}")

    def _width(self, place: Load | Store) -> int:
        """How many components an example has."""
        return math.prod(int(extent) for extent in self.program.buffers[place.ref.buffer].shape)

    def _component(self, place: Load | Store) -> int:
        component = 0
        for extent, at in zip(self.program.buffers[place.ref.buffer].shape, place.components, strict=True):
            component = component * int(extent) + int(at)
        return component

    def _rows(self, place: Load | Store) -> str:
        """Where the examples are, how many numbers each has, and which examples are meant."""
        return f"{self.places.base(place.ref)}, {self._width(place)}, b, many"

    def _sum(self, name: str) -> str:
        return self.names.pointer(name, "sum")

    def _carry(self, name: str) -> str:
        """What rounding took from a sum."""
        return self.names.pointer(name, "carry")

    @property
    def _real(self) -> str:
        return "float" if self.dtype == "float32" else "double"

    def _layout(self, place: Load | Store) -> Layout:
        return self.program.buffers[place.ref.buffer].layout

    # ------------------------------------------------------------------------- both

    def _statements(
        self,
        body: tuple[Statement, ...],
        let: Callable[[list[Let]], None],
        store: Callable[[Store], None],
        grouped: tuple[Layout, ...] = (Layout.BATCH, Layout.TIME, Layout.PARAMETER),
    ) -> None:
        """Stores to one result that the caller may not want stand together behind one condition."""

        def target(statement: Statement) -> str:
            stores = isinstance(statement, Store) and self._layout(statement) in grouped
            return statement.ref.buffer if stores and isinstance(statement, Store) else ""

        for name, group in groupby(body, target):
            if name:
                with self.text.inside(f"if ({self.names[name]})"):
                    for statement in group:
                        if isinstance(statement, Store):
                            store(statement)
                continue
            for statements in _alike(group):
                match statements:
                    case [Note(text=text)]:
                        self.text.put(f"/* {text} */")
                    case [Store() as stored]:
                        store(stored)
                    case [Let(), *_]:
                        let([s for s in statements if isinstance(s, Let)])
                    case _:
                        raise ProgramError(f"emit_c: no straight C for {type(statements[0]).__name__}")


def _function(statement: Statement) -> str:
    """The elementary function that is all of a value; empty for any other statement."""
    if isinstance(statement, Let) and isinstance(statement.value, Call) and statement.value.op in FUNCTIONS:
        return statement.value.op
    return ""


def _alike(body: Iterable[Statement]) -> Iterator[list[Statement]]:
    """Statement by statement, but together up to four that apply one function, none to what another gives."""
    group: list[Statement] = []
    for statement in body:
        function = _function(statement)
        names = {s.name for s in group if isinstance(s, Let)}
        needs = any(isinstance(part, Local) and part.name in names for part in scalars(statement))
        if group and (needs or not function or function != _function(group[0]) or len(group) == 4):
            yield group
            group = []
        group.append(statement)
        if not function:
            yield group
            group = []
    if group:
        yield group
