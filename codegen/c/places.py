"""How C spells the places of a program: elements, rows and sizes of its buffers, and scalars over them.

Inside a block the current step is `t`, or a number known before run time; the current example is `b`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from fractions import Fraction

from chalkgrad.codegen.c import elementary
from chalkgrad.codegen.c.identifiers import c_names
from chalkgrad.codegen.errors import ProgramError
from chalkgrad.codegen.program.ir import (
    Affine,
    Buffer,
    Layout,
    Let,
    Load,
    Local,
    Program,
    Ref,
    Role,
    Scalar,
    Start,
    statements,
)
from chalkgrad.codegen.program.names import FreshNames
from chalkgrad.codegen.program.operations import OPERATIONS
from chalkgrad.codegen.program.spell import ATOM, PRODUCT, SELECT, Style, c_literal, spell


class CNames:
    """The spelling of every name of a network, the same in all its functions.

    fields: canonical name → member of the struct of arguments.
    """

    def __init__(self, programs: tuple[Program, ...], fields: Mapping[str, str]) -> None:
        buffers = [name for p in programs for name in p.buffers]
        locals_ = [s.name for p in programs for s in statements(p.body) if isinstance(s, (Let, Start))]
        self._spelled = c_names(dict.fromkeys([*buffers, *locals_]))
        self.fields = fields
        self._unused = FreshNames(self._spelled.values())
        self._pointers: dict[tuple[str, str], str] = {}

    def pointer(self, buffer: str, suffix: str) -> str:
        """The name of a pointer into a buffer, unlike all other names."""
        key = (buffer, suffix)
        if key not in self._pointers:
            self._pointers[key] = self._unused.fresh(f"{self._spelled[buffer]}_{suffix}")
        return self._pointers[key]

    def __getitem__(self, name: str) -> str:
        return self._spelled[name]


class Places:
    """The places of one program. `step`: the block's step where it is known, None where it is `t`."""

    def __init__(self, program: Program, names: CNames, dtype: str) -> None:
        self._program, self._names, self._style = program, names, style(dtype)
        self.step: Affine | None = None
        self.examples = "B"  # how many examples there are, in C
        self.aliases: Mapping[str, str] = {}  # buffer → another name of it in C
        self._all = False
        self._pointers: dict[Ref, str] = {}

    def enter_all(self, first: Affine) -> None:
        """From here on `b` counts the examples of all steps from `first` on, one step after the other."""
        self.step, self._all = first, True

    def leave_all(self) -> None:
        self.step, self._all = None, False

    def spelled(self, name: str) -> str:
        """A buffer's name in C."""
        return self.aliases.get(name) or self._names[name]

    def base(self, ref: Ref) -> str:
        """The first row of a buffer at the block's step."""
        buffer, spelled = self._program.buffers[ref.buffer], self.spelled(ref.buffer)
        if buffer.layout is not Layout.TIME:
            return spelled
        width = " * ".join([self.examples, *(str(e) for e in buffer.shape if e != 1)])
        match self._slot(buffer, ref.lag):
            case "0":
                return spelled
            case "1":
                return f"{spelled} + {width}"
            case slot:
                return f"{spelled} + {slot} * {width}"

    def point_at(self, refs: Iterable[tuple[Ref, bool]], real: str) -> list[str]:
        """Pointers to the current example's row of every vector among `refs`; (ref, written).

        From here on, until `leave`, elements of these vectors are spelled through them.
        """
        lines = []
        for ref, written in refs:
            buffer = self._program.buffers[ref.buffer]
            if not buffer.shape or buffer.layout in (Layout.PARAMETER, Layout.PANELS, Layout.TOTAL):
                continue
            name = self._names.pointer(ref.buffer, self._suffix(buffer, ref.lag))
            const = "" if written else "const "
            spelled = self._names[ref.buffer]
            start = self.element(ref, (0,) * len(buffer.shape)).partition("[")[2][:-1]
            place = spelled + ("" if start == "0" else f" + {start}")
            if optional(buffer):
                place = f"{spelled} ? {place} : NULL"
            lines.append(f"{const}{real} *const {name} = {place};")
            self._pointers[ref] = name
        return lines

    def _suffix(self, buffer: Buffer, lag: int) -> str:
        if buffer.layout is Layout.BATCH:
            return "b"
        if self.step is None or self._all:
            return {0: "t", -1: "before"}.get(lag, f"lag{lag}")
        return str(self.step.constant + lag)

    def leave(self) -> None:
        """Forget the pointers of a loop over rows."""
        self._pointers = {}

    def element(self, ref: Ref, components: tuple[str | int, ...]) -> str:
        """One number of the current example, or of a parameter."""
        buffer, spelled = self._program.buffers[ref.buffer], self._names[ref.buffer]
        if ref in self._pointers:
            return f"{self._pointers[ref]}[{_flat('', buffer.shape, components)}]"
        match buffer.layout:
            case Layout.TOTAL:
                return f"{spelled}[0]"
            case Layout.PARAMETER:
                row = ""
            case Layout.BATCH:
                row = "b"
            case Layout.TIME:
                slot = self._slot(buffer, ref.lag)
                before = {"0": "", "1": "B + "}.get(slot, f"{slot} * B + ")
                row = f"({before}b)" if before and buffer.shape else f"{before}b"
        return f"{spelled}[{_flat(row, buffer.shape, components)}]"

    def vector(self, ref: Ref) -> str:
        """A pointer to the components of the current example, or of a parameter."""
        return self._pointers.get(ref, self._names[ref.buffer])

    def scalar(self, scalar: Scalar) -> str:
        return spell(scalar, self._style, self._leaf)

    def _leaf(self, scalar: Scalar) -> str:
        match scalar:
            case Local(name=name):
                return self._names[name]
            case Load(ref=ref, components=components):
                return self.element(ref, components)
            case _:
                raise ProgramError(f"emit_c: no C for {type(scalar).__name__}")

    def _slot(self, buffer: Buffer, lag: int) -> str:
        """step + lag - first, an atom of C."""
        constant = lag - buffer.first.constant
        if self.step is not None:
            left = Counter(self.step.counts)
            left.subtract(buffer.first.counts)
            if min(left.values(), default=0) < 0:
                raise ProgramError(f"{buffer.name}: expected a step from {buffer.first} on")
            return count(Affine(self.step.constant + constant, tuple(sorted(left.elements()))))
        terms = "t" + "".join(f" - {c}" for c in buffer.first.counts)
        if constant:
            terms += f" {'+' if constant > 0 else '-'} {abs(constant)}"
        return terms if terms == "t" else f"({terms})"


def style(dtype: str) -> Style:
    """How C writes calls and numbers of one precision."""
    suffix = "f" if dtype == "float32" else ""

    def call(name: str, args: tuple[str, ...]) -> str:
        library = "" if name in elementary.FUNCTIONS else OPERATIONS[name].c
        function = f"{library}{suffix}" if library else f"{name}{elementary.SUFFIX['scalar']}"
        return f"{function}({', '.join(args)})"

    def power(base: str, atom: bool, exponent: Fraction) -> tuple[str, int]:
        if exponent == 2 and atom and re.fullmatch(r"[\w\[\]]+", base):
            return f"{base} * {base}", PRODUCT
        return f"pow{suffix}({base}, {c_literal(exponent, dtype)})", ATOM

    return Style(
        call=call,
        literal=lambda value: c_literal(value, dtype),
        select=lambda condition, then, otherwise: (f"{condition} ? {then} : {otherwise}", SELECT),
        power=power,
    )


def optional(buffer: Buffer) -> bool:
    """Whether this is a result that may be NULL, and then is not computed."""
    return buffer.role is Role.RESULT and buffer.layout in (Layout.TIME, Layout.BATCH)


def elements(buffer: Buffer, examples: str = "B") -> str:
    """How many numbers a buffer has, with so many examples."""
    parts = [str(e) for e in buffer.shape if e != 1]
    match buffer.layout:
        case Layout.PANELS:
            k, n = buffer.shape
            return f"{k} * vectors({n}) * LANES"
        case Layout.BATCH:
            parts.insert(0, examples)
        case Layout.TIME:
            parts[:0] = [count(buffer.slots), examples]
        case _:
            pass
    return " * ".join(parts) or "1"


def count(affine: Affine) -> str:
    """A number of steps, an atom of C."""
    terms = list(affine.counts)
    if affine.constant > 0 or not terms:
        terms.append(str(affine.constant))
    text = " + ".join(terms)
    text = f"{text} - {-affine.constant}" if affine.constant < 0 else text
    return f"({text})" if " " in text else text


def _flat(row: str, shape: tuple[str | int, ...], components: tuple[str | int, ...]) -> str:
    """row-major: (row * n + i) * m + j"""
    index = row
    for extent, component in zip(shape, components, strict=True):
        if isinstance(component, int) and (not index or index.isdigit()):
            index = str(int(index or 0) * int(extent) + component)
            continue
        scaled = index if extent == 1 or not index else f"{index} * {extent}"
        part = "" if component == 0 or extent == 1 else str(component)
        index = " + ".join(filter(None, [scaled, part])) or "0"
    return index or "0"
