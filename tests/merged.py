"""Many networks in one C file for each type: one copy of the library, which takes two thirds of a build."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from unittest.mock import patch

from chalkgrad.codegen import Emitted
from chalkgrad.codegen.c import render
from chalkgrad.codegen.c.library import library
from chalkgrad.codegen.c.source import Source

HEAD = "\n".join(f"#include <{name}.h>" for name in ("math", "stddef", "stdint", "string"))
OPENMP = "#ifdef _OPENMP\n#include <omp.h>\n#endif"
Bodies = dict[str, list[str]]
"""By type: the texts of what is emitted, which say what of the library is used."""


@contextmanager
def without_library() -> Iterator[Bodies]:
    """What is emitted here has no library of its own; `merged` wants the bodies that come of it."""
    used: Bodies = {}

    def collect(bodies: Iterable[str], dtype: str, math: str = "own") -> str:
        used.setdefault(dtype, []).extend(bodies)
        return ""

    with patch.object(render, "library", collect):
        yield used


def merged(emitted: Sequence[Emitted], used: Mapping[str, Sequence[str]]) -> list[Source]:
    """A source for each type, with all networks of that type."""
    return [_one(emitted, dtype, bodies) for dtype, bodies in used.items()]


def _one(emitted: Sequence[Emitted], dtype: str, bodies: Sequence[str]) -> Source:
    own = [e.source for e in emitted if e.interface.dtype == dtype]
    name = f"networks_{dtype}"
    codes = [s.code.replace(f'#include "{s.name}.h"\n', "") for s in own]
    head = f'#include "{name}.h"\n{HEAD}\n{OPENMP}\n{library(bodies, dtype)}'
    return Source(
        name, "\n".join(s.header for s in own), "\n".join([head, *codes]), "\n".join(s.cdef for s in own)
    )
