"""Sources: the C file, its header and the declarations for cffi, from the programs of a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from chalkgrad.codegen.c.emit import Function, emit_function
from chalkgrad.codegen.c.identifiers import struct_fields
from chalkgrad.codegen.c.library import SLICES, library
from chalkgrad.codegen.c.places import CNames
from chalkgrad.codegen.c.source import Source
from chalkgrad.codegen.c.templating import environment
from chalkgrad.codegen.program.interface import Interface
from chalkgrad.codegen.program.ir import Buffer, Layout, Program


@dataclass(frozen=True)
class Texts:
    """What a network is made of, as text.

    loops: its functions. straight: the same for exactly `steps` steps, by function; may be empty. math: whose
    elementary functions, "own" or "libm".
    """

    prefix: str
    title: str
    interface: Interface
    loops: tuple[Program, ...]
    straight: Mapping[str, Program]
    steps: Mapping[str, int]
    math: str = "own"


def render(texts: Texts) -> Source:
    """The functions as one C file with its header."""
    face = texts.interface
    dtype = face.dtype or "float64"
    real = "float" if dtype == "float32" else "double"
    fields = struct_fields(face)
    names = CNames((*texts.loops, *texts.straight.values()), fields)
    loops = [emit_function(p, names, dtype, texts.prefix) for p in texts.loops]
    straight = {name: emit_function(p, names, dtype, texts.prefix) for name, p in texts.straight.items()}
    emitted = [*loops, *straight.values()]
    declarations = _declarations(texts, real, fields)
    context = {
        "prefix": texts.prefix,
        "title": _in_comment(texts.title),
        "real": real,
        "precision": f"{dtype} ({real})",
        "sizes": ", ".join(f"{k} = {v}" for k, v in (face.sizes or {}).items()),
        "fixed": ", ".join(f"{c} = {n}" for c, n in texts.steps.items()),
        "library": library(_used(emitted), dtype, texts.math),
        "most": SLICES["most"],
        "functions": _functions(texts, loops, straight, fields),
        "declarations": declarations,
    }
    code = environment("chalkgrad.codegen.c").get_template("network.c.j2").render(context)
    header = environment("chalkgrad.codegen.c").get_template("network.h.j2").render(context)
    return Source(texts.prefix, header, code, declarations)


def _used(functions: Sequence[Function]) -> Iterator[str]:
    """C text with all that the functions call for from the library."""
    yield "members() slice() least()"
    for function in functions:
        yield from (function.body, function.prologue)
        if (found := function.bindings) is not None:
            yield from (found.shared, found.own, found.back, found.shared_bytes, found.own_bytes)


def _in_comment(text: str) -> str:
    """One line of free text as it can stand in a C comment."""
    return text.replace("*/", "* /").replace("/*", "/ *").replace("??", "? ?")


def _functions(
    texts: Texts, loops: Sequence[Function], straight: Mapping[str, Function], fields: Mapping[str, str]
) -> list[dict[str, Function | str | None]]:
    condition = [f"p->{count} == {n}" for count, n in texts.steps.items()]
    condition += [f"!p->{fields[name]}" for name in ("last_x", "last_y") if name in fields]
    result = []
    for program, function in zip(texts.loops, loops, strict=True):
        inner = straight.get(program.function)
        result.append(
            {
                "loops": function,
                "straight": None if inner is None else inner.body,
                "condition": " && ".join(condition),
            }
        )
    return result


def _declarations(texts: Texts, real: str, fields: Mapping[str, str]) -> str:
    """The struct of the arguments and the prototypes, as both the header and cffi read them."""
    buffers = {b.public: b for p in texts.loops for b in p.buffers.values() if b.public is not None}
    lines = [
        "typedef struct {",
        "    size_t T_x, T_y, B;",
        "    size_t threads; /* at most so many, 0 for as many as OpenMP would take */",
    ]
    for public, member in fields.items():
        if public in ("last_x", "last_y"):
            lines.append(f"    const size_t *{member}; /* (B,), the length of each example, or NULL */")
            continue
        kind = "double" if public == "loss" else real
        buffer = buffers.get(public)
        result = public in ("loss", "yhat") or public.startswith(("d.", "states."))
        axes = f" /* {_axes(buffer)} */" if buffer is not None else ""
        lines.append(f"    {'' if result else 'const '}{kind} *{member};{axes}")
    lines += ["    void *work;", f"}} {texts.prefix}_args;", ""]
    for program in texts.loops:
        name = f"{texts.prefix}_{program.function}"
        lines.append(f"size_t {name}_work(size_t T_x, size_t T_y, size_t B);")
        lines.append(f"void {name}(const {texts.prefix}_args *p);")
    return "\n".join(lines)


def _axes(buffer: Buffer) -> str:
    axes = [str(e) for e in buffer.shape]
    match buffer.layout:
        case Layout.BATCH:
            axes.insert(0, "B")
        case Layout.TIME:
            slots = [*buffer.slots.counts, *([str(buffer.slots.constant)] if buffer.slots.constant else [])]
            axes[:0] = [" + ".join(slots), "B"]
        case _:
            pass
    return f"({', '.join(axes)})" if axes else "a number"
