"""C as text: what an emitter hands to `codegen.build`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """One C translation unit with its header; all that it exports starts with `name`."""

    name: str  # the C prefix and the stem of the file names, unique in a build
    header: str  # text of NAME.h
    code: str  # text of NAME.c, which includes "NAME.h"
    cdef: str  # the declarations that Python needs, a subset of the header
