"""One value of a caller → one NumPy array: reading, safe casts, and nothing silently wrong.

An array keeps the precision it has: it may be widened, never narrowed. Lists and plain numbers have no
precision of their own and take the one that is wanted. Integers and booleans are cast.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chalkgrad.codegen.errors import ArgumentError, ArgumentTypeError
from chalkgrad.codegen.program.interface import Array


@dataclass(frozen=True)
class Given:
    """A value as read: a plain ndarray, and what it was made from."""

    array: Array
    source: object

    @property
    def plain(self) -> bool:
        """Made from lists or plain numbers, which have no dtype of their own."""
        return _is_plain(self.source)


def read(argument: str, value: object) -> Given:
    """The value as an ndarray of numbers, in whatever dtype and layout it has."""
    if type(value) is np.ndarray:
        array: Array = value
    elif isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ArgumentTypeError(argument, "an array of numbers", "a masked array with masked elements")
    else:
        try:
            array = np.asarray(value)
        except MemoryError:
            raise
        except Exception as error:
            received = f"{describe(value)} ({error})"
            raise ArgumentTypeError(argument, "an array of numbers", received) from error
    if array.dtype.kind not in "biuf":
        raise ArgumentTypeError(argument, "an array of numbers", describe(value, array))
    return Given(array, value)


def common_dtype(values: Iterable[Given]) -> np.dtype[Any]:
    """float32 if there is a floating array and all of them are float32, else float64."""
    floating = {value.array.dtype.newbyteorder("=") for value in values if _floating(value)}
    return np.dtype(np.float32 if floating == {np.dtype(np.float32)} else np.float64)


def canonical(argument: str, value: Given, dtype: np.dtype[Any], *, copy: bool) -> Array:
    """The value as a C-contiguous, aligned ndarray of the dtype; itself if it is one.

    With copy = False anything else is refused. Raises ArgumentTypeError, ArgumentError.
    """
    array = value.array
    usable = array.dtype == dtype and array.flags.c_contiguous and array.flags.aligned
    if not copy:
        if not isinstance(value.source, np.ndarray):
            raise _never_copied(argument, dtype, describe(value.source))
        if array.dtype != dtype:
            raise _never_copied(argument, dtype, f"an array of {_dtype_name(array)}")
        if not usable:
            received = f"strides {array.strides} for shape {array.shape}"
            raise ArgumentError(argument, "a C-contiguous, aligned array: a plan never copies", received)
        return array.view()
    if usable:
        return array
    if not _safe(array.dtype, dtype, value.plain):
        expected = f"numbers that cast safely to {dtype}"
        raise ArgumentTypeError(argument, expected, describe(value.source, array))
    return _cast(argument, array, dtype)


def read_lengths(argument: str, value: object, limit: int, batch: int, batched: bool) -> Array:
    """The length of each example as a fresh (B,) intp array, values in 1..limit."""
    whole = "whole numbers"
    given = read(argument, value)
    array = given.array
    if array.size == 0 and given.plain:
        array = array.astype(np.intp)
    if array.dtype.kind not in "iu":
        raise ArgumentTypeError(argument, whole, describe(value, array))
    if not batched and array.ndim == 0:
        array = array.reshape(1)
    if array.shape != (batch,):
        raise ArgumentError(argument, f"shape (B,) with B = {batch}", f"shape {array.shape}")
    outside = (array < 1) | (array > limit)
    if outside.any():
        example = int(outside.argmax())
        raise ArgumentError(argument, f"lengths in 1..{limit}", f"{array[example]} for example {example}")
    return array.astype(np.intp, order="C", copy=True)


def whole_number(argument: str, value: object) -> int:
    """The value as an int; a float or a boolean is refused."""
    if isinstance(value, bool | np.bool_):
        raise ArgumentTypeError(argument, "a whole number", describe(value))
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise ArgumentTypeError(argument, "a whole number", describe(value)) from None


def describe(value: object, array: Array | None = None) -> str:
    """What was received, for an error message: never the data."""
    if value is None:
        return "None"
    name = "array" if isinstance(value, np.ndarray) else type(value).__name__
    article = "an" if name[0] in "aeio" else "a"
    if array is None or array.dtype.kind == "O":
        return f"{article} {name}" + (" of objects" if array is not None and array.ndim else "")
    return f"{article} {name} of {_dtype_name(array)}"


def _dtype_name(array: Array) -> str:
    dtype = array.dtype
    return str(dtype) if dtype.isnative else f"{dtype.newbyteorder('=')} in foreign byte order"


def _is_plain(value: object) -> bool:
    if isinstance(value, np.generic | np.ndarray):
        return False
    if isinstance(value, int | float | list | tuple | range):
        return True
    if not isinstance(value, Sequence) or hasattr(value, "__array__"):
        return False
    try:
        memoryview(value)  # type: ignore[arg-type]
    except TypeError:
        return True
    return False


def _floating(value: Given) -> bool:
    return value.array.dtype.kind == "f" and not value.plain


def _safe(source: np.dtype[Any], target: np.dtype[Any], plain: bool) -> bool:
    if source.kind != "f":
        return source.kind in "biu"
    return source.itemsize <= target.itemsize or (plain and source.itemsize <= np.dtype(float).itemsize)


def _cast(argument: str, array: Array, dtype: np.dtype[Any]) -> Array:
    try:
        with np.errstate(over="ignore"):
            result = np.array(array, dtype=dtype, order="C")
    except (ValueError, MemoryError) as error:
        raise MemoryError(f"{argument}: no room for {array.size} numbers of {dtype}") from error
    if array.dtype.kind == "f" and array.dtype.itemsize > dtype.itemsize:
        lost = np.isinf(result) & np.isfinite(array)
        if lost.any():
            largest = math.floor(math.log10(float(np.finfo(dtype).max)))
            raise ArgumentError(argument, f"numbers that fit into {dtype}", f"one above 1e{largest}")
    return result


def _never_copied(argument: str, dtype: np.dtype[Any], received: str) -> ArgumentTypeError:
    return ArgumentTypeError(argument, f"a NumPy array of {dtype}: a plan never copies", received)
