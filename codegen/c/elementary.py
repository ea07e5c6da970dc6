"""Elementary functions as C text of our own, without branches: those that have a macro in the template.

`render` gives the functions asked for, and what they call, from templates/elementary.c.j2 with the
coefficients of templates/elementary.toml (codegen/minimax.py). Three kinds of the same text:

    scalar  {real} exp_1({real} x)   for single numbers
    four    four exp_f(four x)       for a few numbers, where there are vector types
    vector  vec exp_v(vec x)

All stand behind templates/vectors.c.j2, which says how wide `vec` is, and give the same bits.
"""

from __future__ import annotations

import functools
import re
import textwrap
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from chalkgrad.codegen.c.templating import environment
from chalkgrad.codegen.program.operations import OPERATIONS

SUFFIX = {"scalar": "_1", "four": "_f", "vector": "_v"}
_TYPES = {"scalar": None, "four": ("four", "four_words"), "vector": ("vec", "words")}

_TEMPLATES = Path(__file__).parent / "templates"
_IN_VECTORS = ("bits", "from_bits", "all", "pick")  # what templates/vectors.c.j2 defines
_WIDTH = 108
_MACROS = re.findall(r"macro (\w+)\(\)", (_TEMPLATES / "elementary.c.j2").read_text(encoding="utf-8"))
FUNCTIONS = tuple(name for name in _MACROS if name in OPERATIONS or name == "log1p")
"""The operations that have C of our own, in the order of the template."""


@dataclass(frozen=True)
class Format:
    """A floating-point type: its layout, as C text where that is a pattern of bits."""

    real: str
    word: str
    fraction: int  # bits after the point
    bias: int  # of the exponent
    exp_top: float  # e^x overflows from here on
    exp_bottom: float  # e^-x rounds to 0 from here on
    tanh_top: float  # tanh rounds to 1 from here on
    lift: int  # 2^lift keeps the smallest e^-x a normal number

    @property
    def shifter(self) -> float:
        """Added to a number, it leaves that number rounded in the last bits."""
        return 1.5 * 2.0**self.fraction

    @property
    def counter(self) -> float:
        """From here to its double, numbers are whole and their last bits count them."""
        return 2.0**self.fraction

    @property
    def unlift(self) -> float:
        return 2.0**-self.lift

    @property
    def normal(self) -> float:
        """The smallest normal number."""
        return 2.0 ** (1 - self.bias)

    @property
    def up_exponent(self) -> int:
        return self.fraction + 1

    @property
    def up(self) -> float:
        """Makes subnormal numbers normal."""
        return 2.0**self.up_exponent

    @property
    def sign(self) -> str:
        return self._pattern(1 << self._width - 1)

    @property
    def magnitude(self) -> str:
        return self._pattern((1 << self._width - 1) - 1)

    @property
    def exponent(self) -> str:
        return self._pattern((2 * self.bias + 1) << self.fraction)

    @property
    def one(self) -> str:
        return self._pattern(self.bias << self.fraction)

    @property
    def counter_bits(self) -> str:
        return self._pattern((self.bias + self.fraction) << self.fraction)

    @property
    def quarter(self) -> str:
        """The bits of 1 less those of 3/4."""
        return self._pattern(1 << self.fraction - 1)

    @property
    def _width(self) -> int:
        return 32 if self.real == "float" else 64

    def _pattern(self, value: int) -> str:
        return f"0x{value:0{self._width // 4}x}u" if self._width == 32 else f"UINT64_C(0x{value:016x})"


FORMATS = {
    "float32": Format("float", "uint32_t", 23, 127, 89.0, 104.5, 9.25, 32),
    "float64": Format("double", "uint64_t", 52, 1023, 710.0, 746.0, 19.5, 64),
}


@dataclass(frozen=True)
class Coefficients:
    """What elementary.toml holds for one type: numbers, and polynomials from the lowest power on."""

    constant: Mapping[str, float]
    polynomial: Mapping[str, tuple[float, ...]]


def render(functions: Iterable[str], dtype: str, kind: str) -> str:
    """C definitions of the functions and of what they call, each behind what it calls.

    dtype is "float32" or "float64", kind "scalar" or "vector". Raises ValueError for anything else, and for
    a function that is none of FUNCTIONS.
    """
    wanted = tuple(dict.fromkeys(functions))
    _expect("dtype", dtype, FORMATS)
    _expect("kind", kind, SUFFIX)
    for name in wanted:
        _expect("function", name, FUNCTIONS)
    pieces: dict[str, str] = {} if kind == "scalar" else dict.fromkeys(_IN_VECTORS, "")
    for name in wanted:
        _add(name, dtype, kind, pieces)
    text = "\n".join(f"{text}\n" for text in pieces.values() if text)
    return f"#if defined(VEC_BYTES)\n{text}#endif\n" if kind == "four" and text else text


@functools.cache
def names() -> frozenset[str]:
    """The names of all C functions that there may be."""
    return frozenset(name + s for name in _MACROS for s in SUFFIX.values())


@functools.cache
def coefficients(dtype: str) -> Coefficients:
    """The coefficients of one type."""
    with (_TEMPLATES / "elementary.toml").open("rb") as file:
        table = tomllib.load(file)[dtype]
    return Coefficients(
        {name: float.fromhex(value) for name, value in table["constant"].items()},
        {name: tuple(map(float.fromhex, values)) for name, values in table["polynomial"].items()},
    )


def _expect(what: str, given: str, known: Iterable[str]) -> None:
    if given not in known:
        raise ValueError(f"{what} {given!r}: expected one of {', '.join(known)}")


def _add(name: str, dtype: str, kind: str, pieces: dict[str, str]) -> None:
    """The piece behind all that it calls."""
    if name in pieces:
        return
    text = _piece(name, dtype, kind)
    for called in re.findall(rf"\b([a-z]\w*){SUFFIX[kind]}\(", text):
        if called != name:
            _add(called, dtype, kind, pieces)
    pieces[name] = text


@functools.cache
def _piece(name: str, dtype: str, kind: str) -> str:
    """One definition as C. A literal is printed with all its bits."""
    layout, table = FORMATS[dtype], coefficients(dtype)
    number, word = _TYPES[kind] or (layout.real, layout.word)
    inner = "static inline" if kind == "scalar" else "INLINE"
    ending = "f" if layout.real == "float" else ""
    context = {
        "real": layout.real,
        "word": layout.word,
        "T": number,
        "U": word,
        "s": SUFFIX[kind],
        "how": "NOINLINE" if name in FUNCTIONS and kind != "vector" else inner,
        "format": layout,
        "constant": table.constant,
        "polynomial": table.polynomial,
        "number": lambda value: f"{_decimal(float(value))}{ending}",
        "at": lambda value: f"{_hexadecimal(value)}{ending}",
    }
    macros = environment("chalkgrad.codegen.c").get_template("elementary.c.j2").make_module(context)
    text = str(getattr(macros, name)())
    return "\n".join(part for line in text.strip().splitlines() for part in _wrapped(line))


def _wrapped(line: str) -> list[str]:
    """A long statement over several lines; anything else as it is."""
    if len(line) <= _WIDTH or not line.startswith(" "):
        return [line]
    return textwrap.wrap(
        line.strip(),
        _WIDTH,
        initial_indent="    ",
        subsequent_indent="        ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _decimal(value: float) -> str:
    """A short exact literal, without its sign."""
    text = repr(value)
    return text if len(text) < 12 and float(text) == value else _hexadecimal(value)


def _hexadecimal(value: float) -> str:
    mantissa, exponent = value.hex().split("p")
    return f"{mantissa.rstrip('0').rstrip('.')}p{exponent}"
