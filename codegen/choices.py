"""The names that may be chosen of generated code, in calls and commands: each list once, as a type."""

from __future__ import annotations

from typing import Any, Literal, TypeVar, get_args

import numpy as np

from chalkgrad.codegen.errors import ArgumentError

DtypeName = Literal["float64", "float32"]
DTYPES: tuple[DtypeName, ...] = get_args(DtypeName)
Dtype = DtypeName | np.dtype[np.float64] | np.dtype[np.float32] | type[np.float64] | type[np.float32]

Target = Literal["native", "portable"]
TARGETS: tuple[Target, ...] = get_args(Target)

Math = Literal["own", "libm"]
MATHS: tuple[Math, ...] = get_args(Math)

Reduction = Literal["sum", "mean"]
REDUCTIONS: tuple[Reduction, ...] = get_args(Reduction)

Name = TypeVar("Name", bound=str)


def check_choice(argument: str, value: object, allowed: tuple[Name, ...]) -> Name:
    """The one of those allowed that the value is. Raises ArgumentError for any other."""
    for name in allowed:
        if isinstance(value, str) and value == name:
            return name
    raise ArgumentError(argument, " or ".join(map(repr, allowed)), repr(value))


def check_dtype(dtype: Any) -> DtypeName:
    """The name of a type of numbers, given as NumPy takes them. Raises ArgumentError."""
    try:
        name = str(np.dtype(dtype).name)
    except TypeError:
        name = ""
    for known in DTYPES:
        if dtype is not None and name == known:
            return known
    raise ArgumentError("dtype", " or ".join(map(repr, DTYPES)), repr(dtype))
