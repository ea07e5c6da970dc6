"""The JSON Schema of model files beside the reader: the same lists, and the same verdicts."""

from __future__ import annotations

import keyword
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chalkgrad.derive.cells import scan, tables
from chalkgrad.derive.cells.modelfile import builtin_names, load, schema
from chalkgrad.derive.choices import ARGUMENTS, KINDS
from chalkgrad.derive.errors import ModelFileError
from chalkgrad.derive.terms.functions import NAMES
from tests.derive.cells.test_modelfile_mistakes import MISTAKES, NO_TOML
from tests.programs import grammar
from tests.programs.program import Seeded

jsonschema = pytest.importorskip("jsonschema")
ROOT = Path(__file__).parents[3]

BEYOND = {
    "not in use",
    "writes no state",
    "writes the state 'a'",
    "[states] a: a name declared in [sizes], perhaps",
}
"""What is expected where names are held to each other, which a schema cannot do."""
OTHERS = {("[parameters] W_ya", "'n_y'"), ("'yhat' as the last equation", "'v'")}
"""With what was found: a size that nobody declares, and an order."""


def complaints(text: str) -> list[str]:
    validator = jsonschema.Draft202012Validator(schema())
    return [error.message for error in validator.iter_errors(tomllib.loads(text))]


# ----------------------------------------------------------------------------- its lists


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    assert schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_the_lists_are_those_of_the_reader() -> None:
    made, parts = schema(), schema()["$defs"]
    assert parts["function"]["enum"] == list(NAMES)
    assert parts["kind"]["enum"] == list(KINDS)
    assert made["required"] == list(tables._REQUIRED)
    assert set(made["properties"]) == set(tables._KEYS)
    assert parts["name"]["pattern"] == f"^{tables._NAME.pattern}$"
    assert parts["equation"]["maxLength"] == scan.MAX_LENGTH
    reserved = {"own": _refused(parts["own"])}
    reserved |= {
        key: _refused(made["properties"][key]["propertyNames"])
        for key in made["properties"]
        if key in tables._RESERVED_IN
    }
    assert reserved == {"own": tables._RESERVED | set(keyword.kwlist), **tables._RESERVED_IN}


def _refused(names: dict[str, Any]) -> set[str]:
    """The words of a `not` beside other conditions, each of them once."""
    (words,) = [part["not"]["enum"] for part in names["allOf"] if "not" in part]
    assert len(set(words)) == len(words)
    return set(words)


# ----------------------------------------------------------------------------- its verdicts

FILES = [ROOT / "benchmarks" / "peephole_mgu.toml", ROOT / "docs" / "minimal_gate.toml"]


@pytest.mark.parametrize("origin", [*builtin_names(), *FILES])
def test_files_that_are_right(origin: str | Path) -> None:
    assert complaints(load(origin).to_toml()) == []


@pytest.mark.parametrize("first", range(0, 200, 50))
def test_random_files_are_right(first: int) -> None:
    for seed in range(first, first + 50):
        assert complaints(grammar.program(Seeded(seed)).text) == []


@pytest.mark.parametrize(
    ("changes", "place", "expected", "found"),
    [m for m in MISTAKES if m[2] not in NO_TOML],
    ids=lambda v: None,
)
def test_mistakes(
    write: Callable[..., Path],
    changes: list[tuple[str, str]],
    place: tuple[str | None, int | None],
    expected: str,
    found: str,
) -> None:
    """The schema complains of all but those within equations and among names."""
    path = write(*changes)
    with pytest.raises(ModelFileError):
        load(path)
    within = place[1] is not None and found != "the end"
    among = expected in BEYOND or "the initial state" in found or (expected, found) in OTHERS
    assert bool(complaints(path.read_text())) is not (within or among)


def test_both_kinds_of_mistakes_are_there() -> None:
    assert len([m for m in MISTAKES if m[2] in BEYOND]) > 8
    assert len([m for m in MISTAKES if m[2] not in NO_TOML and m[1][1] is None and m[2] not in BEYOND]) > 50


@pytest.mark.parametrize("name", [*ARGUMENTS, "relu", "lambda", "T", "2g", "g-h", ""])
def test_names_that_no_function_may_have(write: Callable[..., Path], name: str) -> None:
    path = write(('g = ["tanh", "relu"]', f'g = ["tanh"]\n"{name}" = ["relu"]'))
    with pytest.raises(ModelFileError):
        load(path)
    assert len(complaints(path.read_text())) == 1
