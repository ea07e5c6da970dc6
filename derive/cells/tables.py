"""The tables of a model file: from TOML to declarations whose names, types and sizes are checked.

The equations stay text here; `derive.cells.modelfile` has them parsed. Nothing in a file is ever evaluated.
"""

from __future__ import annotations

import keyword
import re
import reprlib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chalkgrad.derive.cells.model import YHAT
from chalkgrad.derive.cells.parse import nearest
from chalkgrad.derive.cells.scan import short
from chalkgrad.derive.choices import ARGUMENTS, KINDS, Kind, Name
from chalkgrad.derive.errors import ModelFileError
from chalkgrad.derive.terms.algebra import Parameter, Shape, Symbol
from chalkgrad.derive.terms.functions import NAMES

MAX_BYTES = 200_000  # of a model file
MAX_DOTS = 200  # on one line: tomllib takes quadratic time for a dotted key

_REQUIRED = ("name", "sizes", "inputs", "states", "equations")
_KEYS = (*_REQUIRED, "title", "parameters", "functions", "output", "loss")
_RESERVED = frozenset({"t", "T", "B", "x", "y", YHAT, *NAMES})
_RESERVED_IN = {  # names that mean something else where this table's names are used
    "sizes": frozenset({"T_x", "T_y"}),
    "functions": frozenset(ARGUMENTS),
}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TWICE = ("Cannot overwrite", "Cannot declare", "Cannot mutate", "Cannot redefine", "Duplicate")


@dataclass(frozen=True)
class Tables:
    """A model file as declared. `functions`: name → the choices, the first of which is the default.

    `equations` and `output`: name → text, in order. `kinds`: the losses allowed, "auto" among them or not.
    """

    file: str
    name: str
    title: str
    sizes: Mapping[str, str]
    x: Symbol
    states: tuple[Symbol, ...]
    parameters: tuple[Parameter, ...]
    functions: Mapping[str, tuple[str, ...]]
    equations: Mapping[str, str]
    output: Mapping[str, str]
    kinds: tuple[Kind, ...]


def read_tables(file: str, content: bytes) -> Tables:
    """The tables in the bytes of a model file. Raises ModelFileError for every mistake."""
    return checked_tables(file, _document(file, content))


def checked_tables(file: str, document: Mapping[str, object]) -> Tables:
    """The tables in what TOML reads a model file as. Raises ModelFileError for every mistake."""
    return _Reader(file, document).tables()


def _document(file: str, content: bytes) -> Mapping[str, object]:
    if len(content) > MAX_BYTES:
        raise ModelFileError(file, None, None, f"at most {MAX_BYTES} bytes", "more")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelFileError(file, None, None, "UTF-8 text", f"byte {error.start} is none") from None
    if any(line.count(".") > MAX_DOTS for line in text.splitlines()):
        raise ModelFileError(file, None, None, f"at most {MAX_DOTS} dots on a line", "more")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = " ".join(str(error).split())
        if message.startswith(_TWICE):
            raise _written_twice(file, text, message) from None
        raise ModelFileError(file, None, None, "TOML", message) from None
    except (RecursionError, ValueError) as error:
        raise ModelFileError(file, None, None, "TOML of moderate size", type(error).__name__) from None


def _written_twice(file: str, text: str, message: str) -> ModelFileError:
    """tomllib names the place where a key repeats, not the key: read it off the line."""
    lines = text.splitlines()
    place = re.search(r"at line (\d+)", message)
    if place is not None:
        lines = lines[: int(place[1])]
    while lines and not lines[-1].strip():
        lines.pop()
    key = re.match(r"\s*([A-Za-z_]\w*)\s*=", lines[-1]) if lines else None
    headers = [m[1] for line in lines if (m := re.match(r"\s*\[\s*(\w+)\s*\]", line))]
    if key is None:
        return ModelFileError(
            file, None, None, "every table and every name once", f"one written twice: {message}"
        )
    equation = key[1] if headers and headers[-1] in ("equations", "output") else None
    return ModelFileError(file, equation, None, "every name once", f"{key[1]!r} written twice")


class _Reader:
    """One walk over the tables; `_taken` remembers which table has declared a name."""

    def __init__(self, file: str, document: Mapping[str, object]) -> None:
        self._file, self._document = file, document
        self._taken: dict[str, str] = {}

    def tables(self) -> Tables:
        for key in self._document:
            if key not in _KEYS:
                raise self._mistake(f"one of {', '.join(_KEYS)}{nearest(key, _KEYS)}", repr(short(key)))
        for key in _REQUIRED:
            if key not in self._document:
                raise self._mistake(f"{key if key == 'name' else f'[{key}]'}", "none")
        name = self._line("name", self._document["name"])
        if not _NAME.fullmatch(name):
            raise self._mistake("name: ASCII letters, digits and _", repr(short(name)))
        title = self._line("title", self._document.get("title", name))
        sizes = self._sizes()
        x = self._input(sizes)
        states = tuple(Symbol(n, s) for n, s in self._shapes("states", sizes, 1, 1))
        parameters = tuple(Parameter(n, s) for n, s in self._shapes("parameters", sizes, 0, 2))
        functions = self._functions()
        if not states:
            raise self._mistake("[states]: at least one state", "none")
        equations, output = self._equations(states), self._output()
        self._check_initial(states)
        kinds = self._kinds()
        return Tables(
            self._file, name, title, sizes, x, states, parameters, functions, equations, output, kinds
        )

    def _mistake(self, expected: str, found: str, equation: str | None = None) -> ModelFileError:
        return ModelFileError(self._file, equation, None, expected, found)

    # -- values

    def _table(self, key: str) -> Mapping[str, object]:
        table = self._document.get(key, {})
        if not isinstance(table, dict):
            raise self._mistake(f"[{key}]: a table", reprlib.repr(table))
        return table

    def _line(self, where: str, value: object) -> str:
        """A text that can stand in one line of a title or a comment."""
        if not isinstance(value, str) or not value.strip() or len(value) > 200 or not value.isprintable():
            raise self._mistake(f"{where}: one line of text", reprlib.repr(value))
        return value

    def _texts(self, where: str, value: object, allowed: Iterable[Name]) -> tuple[Name, ...]:
        """A list of distinct texts, at least one."""
        allowed = tuple(allowed)
        if not isinstance(value, list) or not value:
            raise self._mistake(f"{where}: a list out of {', '.join(allowed)}", reprlib.repr(value))
        for item in value:
            if not isinstance(item, str) or item not in allowed:
                hint = nearest(item, allowed) if isinstance(item, str) else ""
                raise self._mistake(f"{where}: one of {', '.join(allowed)}{hint}", reprlib.repr(item))
        if len(set(value)) < len(value):
            raise self._mistake(f"{where}: every entry once", reprlib.repr(value))
        return tuple(value)

    def _declare(self, table: str, name: str, equation: str | None = None) -> None:
        if not _NAME.fullmatch(name):
            raise self._mistake(
                f"[{table}]: a name of ASCII letters, digits and _", repr(short(name)), equation
            )
        if name in _RESERVED or name in _RESERVED_IN.get(table, ()) or keyword.iskeyword(name):
            raise self._mistake(f"[{table}]: a name of your own", f"the reserved word {name!r}", equation)
        if name in self._taken:
            found = f"{short(name)!r}, declared in [{self._taken[name]}]"
            raise self._mistake(f"[{table}]: a name that is not in use", found, equation)
        self._taken[name] = table

    # -- tables

    def _sizes(self) -> Mapping[str, str]:
        sizes = {}
        for name, meaning in self._table("sizes").items():
            self._declare("sizes", name)
            sizes[name] = self._line(f"[sizes] {name}", meaning)
        return sizes

    def _input(self, sizes: Mapping[str, str]) -> Symbol:
        inputs = self._table("inputs")
        if set(inputs) != {"x"}:
            raise self._mistake("[inputs]: exactly one input, x", reprlib.repr(list(inputs)))
        return Symbol("x", self._shape("[inputs] x", inputs["x"], sizes, 1, 1))

    def _shapes(
        self, key: str, sizes: Mapping[str, str], least: int, most: int
    ) -> Iterable[tuple[str, Shape]]:
        for name, shape in self._table(key).items():
            self._declare(key, name)
            yield name, self._shape(f"[{key}] {name}", shape, sizes, least, most)

    def _shape(self, where: str, value: object, sizes: Mapping[str, str], least: int, most: int) -> Shape:
        count = {(1, 1): "one size, as a list", (0, 2): "a list of at most two sizes"}[least, most]
        if not isinstance(value, list) or not least <= len(value) <= most:
            raise self._mistake(f"{where}: {count}", reprlib.repr(value))
        for size in value:
            if not isinstance(size, str) or size not in sizes:
                hint = nearest(size, sizes) if isinstance(size, str) else ""
                raise self._mistake(f"{where}: a name declared in [sizes]{hint}", reprlib.repr(size))
        return tuple(value)

    def _functions(self) -> Mapping[str, tuple[str, ...]]:
        functions = {}
        for name, choices in self._table("functions").items():
            self._declare("functions", name)
            functions[name] = self._texts(f"[functions] {name}", choices, NAMES)
        return functions

    def _text(self, name: str, text: object) -> str:
        if not isinstance(text, str):
            raise self._mistake("the right-hand side as a text", reprlib.repr(text), short(name))
        return text

    def _equations(self, states: tuple[Symbol, ...]) -> Mapping[str, str]:
        owned = {state.name for state in states}
        equations = {}
        for name, text in self._table("equations").items():
            if name not in owned:
                self._declare("equations", name, short(name))
            equations[name] = self._text(name, text)
        for state in states:
            if state.name not in equations:
                raise self._mistake(f"[equations]: an equation that writes the state {state.name!r}", "none")
        return equations

    def _output(self) -> Mapping[str, str]:
        if "output" not in self._document:
            return {}
        output = {}
        for name, text in self._table("output").items():
            if self._taken.get(name) == "states":
                found = f"the state {name!r}, written twice"
                raise self._mistake("[output]: an equation that writes no state", found, name)
            if name != YHAT:
                self._declare("output", name, short(name))
            output[name] = self._text(name, text)
        last = next(reversed(output), None)
        if last != YHAT:
            raise self._mistake(
                "[output]: 'yhat' as the last equation", "none" if last is None else repr(short(last))
            )
        return output

    def _check_initial(self, states: tuple[Symbol, ...]) -> None:
        for state in states:
            initial = f"{state.name}0"
            if initial in self._taken:
                table = self._taken[initial]
                equation = initial if table in ("equations", "output") else None
                found = f"{initial!r}, reserved for the initial state of {state.name!r}"
                raise self._mistake(f"[{table}]: a name of your own", found, equation)

    def _kinds(self) -> tuple[Kind, ...]:
        if "loss" not in self._document:
            return KINDS
        table = self._table("loss")
        if set(table) != {"kind"}:
            raise self._mistake("[loss]: exactly one key, kind", reprlib.repr(list(table)))
        if "output" not in self._document:
            raise self._mistake("[output] where there is a [loss]", "none")
        kind = table["kind"]
        return self._texts("[loss] kind", [kind] if isinstance(kind, str) else kind, KINDS)
