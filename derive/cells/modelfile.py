"""The reader of model files: `load(name_or_path)` gives the Model, with every choice made and checked."""

from __future__ import annotations

import ast
import os
import stat
from collections.abc import Mapping
from importlib import resources

from chalkgrad.derive import choices
from chalkgrad.derive.cells.model import YHAT, Definition, Model
from chalkgrad.derive.cells.parse import Scope, parse
from chalkgrad.derive.cells.scan import one_line
from chalkgrad.derive.cells.tables import MAX_BYTES, Tables, read_tables
from chalkgrad.derive.choices import check_choice
from chalkgrad.derive.errors import ChoiceError, ModelFileError
from chalkgrad.derive.terms.algebra import Symbol, spell


def load(
    name_or_path: str | os.PathLike[str],
    *,
    architecture: choices.Architecture = choices.MANY_TO_MANY,
    feed: choices.Feed = choices.NO_FEED,
    loss: choices.Kind = choices.AUTO,
    **functions: str,
) -> Model:
    """Read a built-in cell by name, or a model file by path.

    A text is a path if it ends with .toml, contains a separator, or exists, and is no built-in name.
    functions: the file's own function names → one of its choices; the first is the default.

    loss="auto" is what the file lists first, if its list lacks "auto"; otherwise it is told by the
    outermost function of yhat as it is written: binary cross-entropy for sigmoid (and 1 − sigmoid),
    cross-entropy for softmax, squared error for anything else.

    Raises ModelFileError for a mistake in the file or a file that cannot be read, ChoiceError for an
    argument that is not one of those allowed.
    """
    check_choice("architecture", architecture, choices.ARCHITECTURES)
    check_choice("feed", feed, choices.FEEDS)
    check_choice("loss", loss, choices.KINDS)
    tables = read_tables(*_content(name_or_path))
    chosen = _chosen(tables, functions)
    definitions = _definitions(tables, chosen)
    cell, output = definitions[: len(tables.equations)], definitions[len(tables.equations) :]
    _check_layout(architecture, feed, output)
    return Model(
        name=tables.name,
        title=tables.title,
        sizes=tables.sizes,
        x=tables.x,
        states=tables.states,
        parameters=tables.parameters,
        functions=chosen,
        cell=cell,
        output=output,
        loss=_loss(tables, chosen, loss),
        architecture=architecture,
        feed=feed,
        origin=os.fspath(name_or_path),
    )


def builtin_names() -> tuple[str, ...]:
    """The names of the built-in cells, in alphabetical order."""
    files = (resources.files("chalkgrad.derive.cells") / "models").iterdir()
    return tuple(sorted(f.name.removesuffix(".toml") for f in files if f.name.endswith(".toml")))


# ----------------------------------------------------------------------------- files


def _content(name_or_path: object) -> tuple[str, bytes]:
    """The file's name as messages show it, and its bytes."""
    if isinstance(name_or_path, str):
        names = builtin_names()
        if name_or_path in names:
            file = f"{name_or_path}.toml"
            return file, (resources.files("chalkgrad.derive.cells") / "models" / file).read_bytes()
        if not _is_path(name_or_path):
            raise ChoiceError(
                "name_or_path", f"one of {', '.join(names)}, or the path of a model file", name_or_path
            )
        return _read(name_or_path)
    if isinstance(name_or_path, os.PathLike):
        return _read(os.fsdecode(name_or_path))
    raise ChoiceError("name_or_path", "a built-in name or a path", name_or_path)


def _is_path(text: str) -> bool:
    separators = {os.sep, os.altsep or os.sep, "/"}
    return text.endswith(".toml") or any(s in text for s in separators) or os.path.exists(text)


def _read(path: str) -> tuple[str, bytes]:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise ModelFileError(path, None, None, "a regular file", "a directory or a device")
        with open(path, "rb") as stream:
            return path, stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ModelFileError(path, None, None, "a file that can be read", reason or "none") from None


# ----------------------------------------------------------------------------- choices


def _chosen(tables: Tables, functions: Mapping[str, object]) -> dict[str, str]:
    for name, choice in functions.items():
        if name not in tables.functions:
            declared = ", ".join(tables.functions) or "none"
            raise ChoiceError(name, f"a function that {tables.file} declares ({declared})", choice)
        check_choice(name, choice, tables.functions[name])
    return {name: str(functions.get(name, choices[0])) for name, choices in tables.functions.items()}


def _check_layout(
    architecture: choices.Architecture, feed: choices.Feed, output: tuple[Definition, ...]
) -> None:
    if not output and architecture not in choices.WITHOUT_OUTPUT:
        raise ChoiceError(
            "architecture", f"{' or '.join(choices.WITHOUT_OUTPUT)} for a model without output", architecture
        )
    if feed == choices.NO_FEED:
        return
    if architecture not in choices.WITH_FEED:
        raise ChoiceError("feed", f"none, unless the architecture is {' or '.join(choices.WITH_FEED)}", feed)
    if not output[-1].value.shape:
        raise ChoiceError("feed", "none, since yhat is a scalar and x a vector", feed)


def _loss(tables: Tables, functions: Mapping[str, str], loss: choices.Kind) -> choices.Loss | None:
    if not tables.output:
        if loss != choices.AUTO:
            raise ChoiceError("loss", "auto for a model without output", loss)
        return None
    if loss == choices.AUTO and choices.AUTO not in tables.kinds:
        loss = tables.kinds[0]
    check_choice("loss", loss, tables.kinds)
    if loss != choices.AUTO:
        return loss
    match _outermost(tables, functions):
        case "sigmoid":
            return choices.BINARY
        case "softmax":
            return choices.CATEGORICAL
        case _:
            return choices.SQUARED


def _outermost(tables: Tables, functions: Mapping[str, str]) -> str:
    """The function that yhat is written as the value of.

    Looks through the identity and other names in the output for the same value: yhat = s with s = σ(…); and
    1 − σ(z) is σ(−z). What is written decides, even where it comes to a number.
    """
    written = {name: ast.parse(one_line(text), mode="eval").body for name, text in tables.output.items()}

    def function(node: ast.expr) -> str:
        match node:
            case ast.Name(id=name) | ast.Subscript(value=ast.Name(id=name)) if name in written:
                return function(written[name])
            case ast.UnaryOp(op=ast.UAdd(), operand=inner):
                return function(inner)
            case ast.Call(func=ast.Name(id=name), args=[argument]):
                called = functions.get(name, name)
                return function(argument) if called == "identity" else called
            case ast.BinOp(left=ast.Constant(value=1), op=ast.Sub(), right=inner):
                return "sigmoid" if function(inner) == "sigmoid" else ""
            case _:
                return ""

    return function(written[YHAT])


# ----------------------------------------------------------------------------- equations


def _definitions(tables: Tables, functions: Mapping[str, str]) -> tuple[Definition, ...]:
    """The equations in order, those of the cell first, then those of the output."""
    states = {state.name: state for state in tables.states}
    parameters = {parameter.name: parameter for parameter in tables.parameters}
    texts = {**tables.equations, **tables.output}
    values = {tables.x.name: tables.x}
    result = []
    for name, text in texts.items():
        scope = Scope(tables.file, name, values, states, parameters, functions, texts.keys())
        value = parse(text, scope)
        due = states[name].shape if name in states else value.shape
        if value.shape != due:
            raise scope.mistake(1, f"the state's shape {spell(due)}", spell(value.shape))
        values[name] = Symbol(name, value.shape)
        result.append(Definition(name, value, one_line(text)))
    return tuple(result)
