"""What computes a program: the NumPy twin, the interpreter at each level, and C, many programs at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any
from unittest.mock import patch

import numpy as np

from chalkgrad import codegen
from chalkgrad.codegen import Emitted, Network
from chalkgrad.codegen.building import toolchain
from chalkgrad.codegen.building.build import compile_sources
from chalkgrad.codegen.building.native import CBackend
from chalkgrad.codegen.c.identifiers import struct_fields
from chalkgrad.codegen.c.render import Texts, render
from chalkgrad.codegen.calling import network
from chalkgrad.codegen.calling.arguments import Inputs
from chalkgrad.codegen.driver import fixed_counts
from chalkgrad.codegen.lowering.lower import functions_of, interface, lower
from chalkgrad.codegen.passes import pipeline
from chalkgrad.codegen.passes.unroll import unroll
from chalkgrad.codegen.program.interface import Arrays, Counts, Interface, Prepared
from chalkgrad.codegen.program.interpret import interpret
from chalkgrad.codegen.program.ir import Program
from tests.merged import merged, without_library
from tests.programs.cases import Array, Case
from tests.quick import flags_at


class Interpreted:
    """Implements `codegen.program.interface.Backend` over the programs of one level."""

    def __init__(self, programs: Sequence[Program], face: Interface) -> None:
        self._programs, self._face = {p.function: p for p in programs}, face

    def run(self, function: str, counts: Counts, arrays: Arrays) -> None:
        assert self._face.sizes is not None
        interpret(self._programs[function], self._face.sizes, counts, arrays, np.dtype(self._face.dtype).type)

    def prepare(self, function: str, counts: Counts, arrays: Arrays) -> Prepared:
        return partial(self.run, function, counts, arrays)


@contextmanager
def budget(operations: int) -> Iterator[None]:
    """Straight-line code of at most so many operations."""
    with patch.object(pipeline, "unroll", partial(unroll, budget=operations)):
        yield


@dataclass(frozen=True)
class Levels:
    """The programs of all functions at each level, from one lowering; straight ones where they are short."""

    vector: tuple[Program, ...]
    loops: tuple[Program, ...]
    straight: Mapping[str, Program]


@lru_cache(maxsize=128)
def levels_of(case: Case) -> Levels:
    """As `codegen.emit` makes them."""
    face = interface_of(case)
    counts = fixed_counts(face)
    assert face.sizes is not None
    passes = pipeline.vector_passes()
    vector = tuple(pipeline.run(lower(case.derivation, f), passes) for f in functions_of(case.derivation))
    loops = tuple(pipeline.run(p, pipeline.loop_passes(face.sizes)) for p in vector)
    straight = {} if counts is None else pipeline.straighten(vector, face.sizes, counts)
    return Levels(vector, loops, straight)


def emitted(case: Case, name: str) -> Emitted:
    """The C of a program."""
    face, levels = interface_of(case), levels_of(case)
    counts = fixed_counts(face)
    steps = {} if counts is None or not levels.straight else {"T_x": counts.T_x, "T_y": counts.T_y}
    return Emitted(render(Texts(name, case.model.title, face, levels.loops, levels.straight, steps)), face)


def interface_of(case: Case) -> Interface:
    """As a build fixes it."""
    plain, T = interface(case.model, case.derivation.schedule), case.setting.T
    fixed = T if case.setting.fixed or case.program.architecture == "one-to-one" else None
    return replace(plain, sizes=dict(case.setting.sizes), dtype=case.setting.dtype, T=fixed)


def interpreted(case: Case) -> dict[str, Network]:
    """The interpreter at each level that there is."""
    face, levels = interface_of(case), levels_of(case)
    programs = {"vector": levels.vector, "loops": levels.loops}
    if levels.straight and case.data.lengths is None:
        programs["straight"] = tuple(levels.straight.values())
    return {name: Network(face, Interpreted(own, face)) for name, own in programs.items()}


def twin(case: Case) -> Network:
    return codegen.numpy_twin(case.derivation, case.setting.sizes)


@contextmanager
def poisoned() -> Iterator[None]:
    """Results and workspaces hold NaN before a call: what is not written shows."""
    room, workspace = network._room, CBackend._workspace

    def no_results(inputs: Inputs, rows: tuple[int, ...], sizes: tuple[str, ...]) -> Array:
        array = room(inputs, rows, sizes)
        array.fill(np.nan)
        return array

    def no_memory(backend: CBackend, function: str, counts: Counts) -> Any:
        memory = workspace(backend, function, counts)
        backend._ffi.memmove(memory, b"\xff" * len(memory), len(memory))  # every float of it is NaN
        return memory

    with patch.object(network, "_room", no_results), patch.object(CBackend, "_workspace", no_memory):
        yield


# ----------------------------------------------------------------------------- C


def compiled(cases: Sequence[Case], level: str = "-O1", apart: bool = False) -> list[Network]:
    """One extension of all programs, and a network for each.

    As one C file for each type, with one copy of the library, which takes two thirds of the time; or,
    `apart`, as a file for each program, as a build has it.
    """
    with nullcontext() if apart else without_library() as used:
        made = [emitted(case, f"program_{n}") for n, case in enumerate(cases)]
    made = [_in_slices(e) if c.setting.sliced else e for c, e in zip(cases, made, strict=True)]
    sources = [e.source for e in made] if used is None else merged(made, used)
    with patch.object(toolchain, "FLAGS", flags_at(level)):
        module = compile_sources(sources)
    return [Network(e.interface, CBackend(module, e.source.name, struct_fields(e.interface))) for e in made]


def _in_slices(e: Emitted) -> Emitted:
    """The same C, but that it takes two examples at a time."""
    code, count = re.subn(r"return slice\(.*\);", "return least(2, B);", e.source.code)
    assert count or "return B + !B;" in code
    return replace(e, source=replace(e.source, code=code))
