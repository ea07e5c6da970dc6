"""The reader of model files: `load` gives the Model, with every choice made and checked."""

from __future__ import annotations

import ast
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import replace
from importlib import resources
from typing import Any

from chalkgrad.derive import choices
from chalkgrad.derive.cells.model import YHAT, Definition, Model
from chalkgrad.derive.cells.parse import Scope, parse
from chalkgrad.derive.cells.scan import one_line, short
from chalkgrad.derive.cells.tables import MAX_BYTES, Tables, read_tables
from chalkgrad.derive.cells.written import MAPPING, written
from chalkgrad.derive.choices import check_choice
from chalkgrad.derive.errors import ChoiceError, ModelFileError
from chalkgrad.derive.terms.algebra import Symbol, spell


def load(
    name_or_path: str | os.PathLike[str] | Mapping[str, object] | None = None,
    *,
    text: str | None = None,
    architecture: choices.Architecture = choices.MANY_TO_MANY,
    feed: choices.Feed = choices.NO_FEED,
    loss: choices.Kind = choices.AUTO,
    **functions: str,
) -> Model:
    """Read a built-in cell by name, a model file by path, or a mapping of what TOML reads such a file as.

    A name is a path if it ends with .toml, contains a separator, or exists, and is no built-in name.
    text: the text of a model file, in place of name_or_path.
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
    origin, file, content = _content(name_or_path, text)
    tables = read_tables(file, content)
    chosen = _chosen(tables, functions)
    definitions = _definitions(tables, chosen)
    cell, output = definitions[: len(tables.equations)], definitions[len(tables.equations) :]
    _check_layout(architecture, feed, output)
    model = Model(
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
        origin=origin,
        text=content.decode(),
    )
    return replace(model, loaded=model)


def builtin_names() -> tuple[str, ...]:
    """The names of the built-in cells, in alphabetical order."""
    files = (resources.files("chalkgrad.derive.cells") / "models").iterdir()
    return tuple(sorted(f.name.removesuffix(".toml") for f in files if f.name.endswith(".toml")))


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of model files, for editors: names, types, what may be chosen.

    What it cannot say, such as whether a size is declared or an equation fits, `load` does.
    """
    text = (resources.files("chalkgrad.derive.cells") / "model.schema.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


# ----------------------------------------------------------------------------- files


def _content(name_or_path: object, text: object) -> tuple[str, str, bytes]:
    """The name or path that a model file has, if any, its name as messages show it, and its bytes."""
    if text is not None:
        if not isinstance(text, str):
            raise ChoiceError("text", "the text of a model file", text)
        if name_or_path is not None:
            raise ChoiceError("text", "none beside name_or_path", short(text))
        return "", "text", text.encode("utf-8", "surrogatepass")
    if isinstance(name_or_path, Mapping):
        return "", MAPPING, written(name_or_path).encode("utf-8", "surrogatepass")
    if isinstance(name_or_path, str):
        names = builtin_names()
        if name_or_path in names:
            file = f"{name_or_path}.toml"
            content = (resources.files("chalkgrad.derive.cells") / "models" / file).read_bytes()
            return name_or_path, file, content
        if not _is_path(name_or_path):
            raise ChoiceError(
                "name_or_path", f"one of {', '.join(names)}, or the path of a model file", name_or_path
            )
        return name_or_path, name_or_path, _read(name_or_path)
    if isinstance(name_or_path, os.PathLike):
        path = os.fsdecode(name_or_path)
        return path, path, _read(path)
    raise ChoiceError("name_or_path", "a built-in name, a path or a mapping, or else text=…", name_or_path)


def _is_path(text: str) -> bool:
    separators = {os.sep, os.altsep or os.sep, "/"}
    return text.endswith(".toml") or any(s in text for s in separators) or os.path.exists(text)


def _read(path: str) -> bytes:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise ModelFileError(path, None, None, "a regular file", "a directory or a device")
        with open(path, "rb") as stream:
            return stream.read(MAX_BYTES + 1)
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
