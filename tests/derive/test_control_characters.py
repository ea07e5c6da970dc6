"""No text of a model file, and no path or argument, steers the terminal that shows a message."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalkgrad import derive
from chalkgrad.codegen.__main__ import main as export
from chalkgrad.codegen.errors import ArgumentError, ArgumentTypeError, BuildError, CodegenError
from chalkgrad.derive.__main__ import main as show
from chalkgrad.derive.errors import ChoiceError, ModelFileError

STEERING = ["\x1b[2J", "\x07", "\r", "\n", "\t", "\x00", "\x7f", "\x9b2J", "\u202e", "\u2028", "\udc9b"]
FILE: dict[str, Any] = {
    "name": "cell",
    "title": "A cell",
    "sizes": {"n_x": "inputs", "n_a": "units", "n_y": "outputs"},
    "inputs": {"x": ["n_x"]},
    "states": {"a": ["n_a"]},
    "parameters": {"W": ["n_a", "n_x"], "V": ["n_y", "n_a"]},
    "functions": {"g": ["tanh", "relu"]},
    "equations": {"k": "g(W @ x)", "a": "k + a[t-1]"},
    "output": {"u": "V @ a", "yhat": "sigmoid(u)"},
    "loss": {"kind": ["auto", "squared_error"]},
}


def toml(table: dict[str, Any], indent: str = "") -> str:
    """The tables as TOML, every control character as an escape."""
    lines = []
    for key, value in table.items():
        if isinstance(value, dict):
            lines.append(f"[{quoted(key)}]\n{toml(value)}")
        elif isinstance(value, list):
            lines.append(f"{quoted(key)} = [{', '.join(map(quoted, value))}]\n")
        else:
            lines.append(f"{quoted(key)} = {quoted(value)}\n")
    return "".join(lines)


def quoted(text: str) -> str:
    return json.dumps(text).replace("\x7f", "\\u007f")


def spoiled(value: Any, steering: str) -> Iterator[Any]:
    """The tables with the text in one key or one value, at every place."""
    match value:
        case str():
            yield value + steering
            yield steering + value
        case list():
            for i, item in enumerate(value):
                yield from ([*value[:i], other, *value[i + 1 :]] for other in spoiled(item, steering))
        case dict():
            for key, item in value.items():
                others = {k: v for k, v in value.items() if k != key}
                yield {**others, key + steering: item}
                yield {(k + steering if k == key else k): v for k, v in value.items()}
                yield from ({**value, key: other} for other in spoiled(item, steering))


def message(path: Path) -> str | None:
    """What is wrong with the file; None if it can be read."""
    try:
        derive.load(path)
    except ModelFileError as error:
        return str(error)
    return None


def test_the_file_is_right(tmp_path: Path) -> None:
    (tmp_path / "cell.toml").write_text(toml(FILE))
    assert message(tmp_path / "cell.toml") is None


@pytest.mark.parametrize("steering", [s for s in STEERING if s != "\udc9b"], ids=ascii)
def test_every_text_of_a_file(tmp_path: Path, steering: str) -> None:
    path, found = tmp_path / "cell.toml", 0
    for tables in spoiled(FILE, steering):
        path.write_text(toml(tables))
        told = message(path)
        assert told is None or told.isprintable(), ascii(told)
        found += told is not None
    assert found > 60


@pytest.mark.parametrize("steering", STEERING, ids=ascii)
def test_raw_bytes_in_a_file(tmp_path: Path, steering: str) -> None:
    path = tmp_path / "cell.toml"
    text = toml(FILE)
    for place in range(0, len(text), 7):
        path.write_bytes((text[:place] + steering + text[place:]).encode("utf-8", "surrogateescape"))
        told = message(path)
        assert told is None or told.isprintable(), ascii(told)


@pytest.mark.parametrize("steering", [s for s in STEERING if s != "\0"], ids=ascii)
def test_paths(tmp_path: Path, steering: str, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (tmp_path / f"ce{steering}ll.toml", tmp_path / f"fold{steering}er" / "cell.toml"):
        told = message(path)
        assert told is not None and told.isprintable() and "a file that can be read" in told
        path.parent.mkdir(exist_ok=True)
        path.write_text("name = 3")
        told = message(path)
        assert told is not None and told.isprintable() and "ll.toml" in told
        assert show([str(path)]) == 2
        assert export([str(path), "--sizes", "n_x=1", "--out", str(tmp_path / "out")]) == 2
        written = capsys.readouterr()
        assert written.out == "" and len(written.err.splitlines()) == 2
        assert written.err.replace("\n", "").isprintable()


@pytest.mark.parametrize("steering", STEERING, ids=ascii)
def test_arguments(steering: str) -> None:
    for given in ({"architecture": steering}, {f"g{steering}": "tanh"}, {"g": f"tanh{steering}"}):
        with pytest.raises(ChoiceError) as caught:
            derive.load("vanilla", **given)
        assert str(caught.value).isprintable()


@pytest.mark.parametrize("steering", [s for s in STEERING if s != "\n"], ids=ascii)
def test_errors_of_generated_code(steering: str) -> None:
    text = f"one{steering}two"
    errors: list[CodegenError] = [ArgumentError(text, text, text), ArgumentTypeError(text, text, text)]
    for error in (*errors, BuildError(text)):
        assert str(error).isprintable() and "one" in str(error) and "two" in str(error)


def test_what_is_no_danger_stays() -> None:
    text = "é ŷ⟨t⟩ 中 a\u0301\n  a caret ^"
    assert str(BuildError(text)) == text and str(derive.DeriveError(text)) == text
