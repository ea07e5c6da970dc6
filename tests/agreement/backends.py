"""Everything that computes a gradient, behind one interface: `codegen.Network`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from unittest.mock import patch

import numpy as np

from chalkgrad import codegen
from chalkgrad.codegen import Emitted, Network
from chalkgrad.codegen.building import toolchain
from chalkgrad.codegen.building.build import compile_sources
from chalkgrad.codegen.building.native import CBackend
from chalkgrad.codegen.c.identifiers import struct_fields
from chalkgrad.codegen.driver import fixed_counts
from chalkgrad.codegen.lowering.lower import functions_of, interface, lower
from chalkgrad.codegen.passes import pipeline
from chalkgrad.codegen.program.interface import Arrays, Counts, Interface, Prepared
from chalkgrad.codegen.program.interpret import interpret
from chalkgrad.codegen.program.ir import Program
from chalkgrad.derive import Derivation
from tests.agreement.cases import Case, derivation_of, sizes_of
from tests.merged import merged, without_library
from tests.quick import PLAIN_FUNCTIONS

LEVELS = ("vector", "loops", "straight")
QUICK = {"quick": ("-march=native", "-O0", PLAIN_FUNCTIONS)}
"""A build without optimisation, many times as fast; the production flags come before these."""


class InterpreterBackend:
    """Implements `codegen.program.interface.Backend` over the programs of one level."""

    def __init__(self, programs: Sequence[Program], face: Interface) -> None:
        self._programs = {p.function: p for p in programs}
        self._face = face

    def run(self, function: str, counts: Counts, arrays: Arrays) -> None:
        assert self._face.sizes is not None
        dtype = np.dtype(self._face.dtype).type
        interpret(self._programs[function], self._face.sizes, counts, arrays, dtype)

    def prepare(self, function: str, counts: Counts, arrays: Arrays) -> Prepared:
        return partial(self.run, function, counts, arrays)


def vector_programs(derivation: Derivation) -> tuple[Program, ...]:
    lowered = (lower(derivation, function) for function in functions_of(derivation))
    return tuple(pipeline.run(p, pipeline.vector_passes()) for p in lowered)


@cache
def programs_of(case: Case) -> tuple[Program, ...]:
    return vector_programs(derivation_of(case))


def interpreted(programs: tuple[Program, ...], face: Interface, level: str) -> Network:
    """The network that takes programs of the vector level to `level` and runs them there."""
    assert face.sizes is not None
    match level:
        case "vector":
            pass
        case "loops":
            programs = tuple(pipeline.run(p, pipeline.loop_passes(face.sizes)) for p in programs)
        case "straight":
            counts = fixed_counts(face)
            assert counts is not None
            programs = tuple(pipeline.run(p, pipeline.straight_passes(face.sizes, counts)) for p in programs)
        case _:
            raise ValueError(f"level: expected one of {LEVELS}, received {level!r}")
    return Network(face, InterpreterBackend(programs, face))


@cache
def interface_of(case: Case) -> Interface:
    """As `codegen.emit` fixes it."""
    derivation = derivation_of(case)
    T = case.steps if case.form == "straight" or case.layout == "one-to-one" else None
    plain = interface(derivation.model, derivation.schedule)
    return replace(plain, sizes=sizes_of(case), dtype=case.dtype, T=T)


def emitted(case: Case, name: str, derivation: Derivation | None = None) -> Emitted:
    fixed = case.steps if case.form == "straight" else None
    subject = derivation_of(case) if derivation is None else derivation
    return codegen.emit(subject, sizes=sizes_of(case), dtype=case.dtype, T=fixed, name=name)


def compiled(emitting: Iterable[Emitted], target: str) -> list[Network]:
    """One extension of all that is emitted here, and a network for each.

    target: as for a build, or "quick": without optimisation, as one C file for each type.
    """
    if target == "quick":
        with without_library() as used:
            made = list(emitting)
        sources = merged(made, used)
    else:
        made = list(emitting)
        sources = [e.source for e in made]
    with patch.dict(toolchain.TARGETS, QUICK):
        module = compile_sources(sources, target=target)
    return [Network(e.interface, CBackend(module, e.source.name, struct_fields(e.interface))) for e in made]


@dataclass(frozen=True)
class Suite:
    """Cases in groups that are each compiled into one extension, by the first test that needs it.

    few: how many of them `make test` has, the first ones.
    """

    name: str
    cases: tuple[Case, ...]
    target: str = "native"
    group_size: int = 12
    few: int = 1_000_000

    def is_of_the_few(self, case: Case) -> bool:
        return self.cases.index(case) < self.few

    def group(self, case: Case) -> int:
        return self.cases.index(case) // self.group_size

    def members(self, group: int) -> tuple[Case, ...]:
        return self.cases[group * self.group_size : (group + 1) * self.group_size]


@cache
def _extension(suite: Suite, group: int) -> dict[Case, Network]:
    """A case with lengths needs no code of its own."""
    code = {
        case: replace(case, form="loop") if case.form == "lengths" else case for case in suite.members(group)
    }
    distinct = list(dict.fromkeys(code.values()))
    emitting = (emitted(case, f"{suite.name}_{group}_{n}") for n, case in enumerate(distinct))
    networks = dict(zip(distinct, compiled(emitting, suite.target), strict=True))
    return {case: networks[own] for case, own in code.items()}


def backends_of(case: Case) -> tuple[str, ...]:
    straight = ("straight",) if case.form == "straight" else ()
    return ("twin", "vector", "loops", *straight, "c")


@cache
def network(suite: Suite, case: Case, backend: str) -> Network:
    match backend:
        case "twin":
            return codegen.numpy_twin(derivation_of(case))
        case "c":
            return _extension(suite, suite.group(case))[case]
        case _:
            return interpreted(programs_of(case), interface_of(case), backend)


def forget() -> None:
    """Let go of all networks and extensions made so far."""
    network.cache_clear()
    programs_of.cache_clear()
    _extension.cache_clear()
