"""Models from a mapping or from text, and the text that a model gives back."""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, strategies

from chalkgrad.__main__ import main
from chalkgrad.derive.cells.modelfile import builtin_names, load
from chalkgrad.derive.cells.tables import MAX_BYTES, MAX_DOTS
from chalkgrad.derive.cells.written import toml_value
from chalkgrad.derive.choices import ARGUMENTS
from chalkgrad.derive.errors import ChoiceError, DerivationError, ModelFileError
from tests.derive.cells.test_modelfile_mistakes import MISTAKES, NO_TOML
from tests.derive.conftest import CELL
from tests.programs import grammar
from tests.programs.program import Seeded

Write = Callable[..., Path]


def mapping() -> dict[str, Any]:
    return tomllib.loads(CELL)


# ----------------------------------------------------------------------------- the same model


@pytest.mark.parametrize("name", builtin_names())
def test_all_ways_give_the_same_model(name: str) -> None:
    chosen: dict[str, Any] = {"h": "softmax", "architecture": "many-to-one"}
    model = load(name, **chosen)
    text = model.to_toml()
    for other in (load(text=text, **chosen), load(tomllib.loads(text), **chosen)):
        assert (other, hash(other), repr(other)) == (model, hash(model), repr(model))
        assert other.origin == "" != model.origin
        assert load(text=other.to_toml(), **chosen) == model


@pytest.mark.parametrize("seed", range(60))
def test_random_files(seed: int) -> None:
    program = grammar.program(Seeded(seed))
    chosen: dict[str, Any] = {"architecture": program.architecture, "feed": program.feed}
    chosen |= {"loss": program.loss, **program.functions}
    model = load(text=program.text, **chosen)
    assert model.to_toml() == program.text
    made = load(tomllib.loads(program.text), **chosen)
    assert made == model and load(text=made.to_toml(), **chosen) == model


def test_a_file_keeps_its_comments(write: Write) -> None:
    path = write(("[states]", "[states]  # é, and a line break of another kind\r"))
    for given_path in (path, str(path)):
        model = load(given_path)
        assert model.to_toml().encode() == path.read_bytes()
        assert model.origin == str(path)
    assert load(text=model.to_toml()) == model


def test_mappings_of_any_kind_and_none_is_kept() -> None:
    tables = mapping()
    model = load(tables)
    frozen = MappingProxyType(
        {k: MappingProxyType(v) if isinstance(v, dict) else v for k, v in tables.items()}
    )
    assert load(frozen) == model
    tables["parameters"]["s"].append("n_a")
    tables["sizes"].clear()
    assert model == load(text=CELL) and load(text=model.to_toml()) == model


# ----------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(("changes", "place", "expected", "found"), MISTAKES, ids=lambda v: None)
def test_mistakes_are_told_as_for_files(
    write: Write,
    changes: list[tuple[str, str]],
    place: tuple[str | None, int | None],
    expected: str,
    found: str,
) -> None:
    text = write(*changes).read_bytes().decode("utf-8", "surrogateescape")
    with pytest.raises(ModelFileError) as caught:
        load(text=text)
    told = caught.value
    assert (told.file, (told.equation, told.column)) == ("text", place)
    assert expected in told.expected and found in told.found
    if expected not in NO_TOML:
        with pytest.raises(ModelFileError) as caught:
            load(tomllib.loads(text))
        assert str(caught.value) == str(told).replace("text:", "mapping:", 1)


@pytest.mark.parametrize(
    ("table", "key", "value", "expected"),
    [
        ("", "sizes", None, "[sizes]: a table"),
        ("", "states", [("a", ["n_a"])], "[states]: a table"),
        ("", 3, {}, "texts as keys"),
        ("", b"loss", {}, "texts as keys"),
        ("", "name", b"cell", "name: one line"),
        ("", "title", Path("cell"), "title: one line"),
        ("", "title", "\udcff", "title: one line"),
        ("sizes", "n_y", 2, "[sizes] n_y"),
        ("states", "a", ("n_a",), "[states] a: one size, as a list"),
        ("states", "a", [["n_a"]], "[states] a"),
        ("parameters", "s", {}, "[parameters] s"),
        ("parameters", None, [], "texts as keys"),
        ("parameters", "\udcff", [], "ASCII"),
        ("functions", "g", {"tanh"}, "[functions] g: a list"),
        ("functions", "g", [print], "[functions] g: one of"),
        ("equations", "a", lambda: "z", "the right-hand side as a text"),
        ("equations", "a", "z + \udcff", "UTF-8"),
        ("equations", "a", "z + \x00", "a name, a number"),
        ("equations", "a", "z" + " " * MAX_BYTES, "bytes"),
        ("output", "yhat", 3.0, "the right-hand side as a text"),
        ("loss", "kind", ("auto",), "[loss] kind: a list"),
    ],
)
def test_what_is_no_model_file(table: str, key: Any, value: object, expected: str) -> None:
    tables: Any = mapping()
    (tables[table] if table else tables)[key] = value
    with pytest.raises(ModelFileError) as caught:
        load(tables)
    assert caught.value.file == "mapping" and "\n" not in str(caught.value)
    assert expected in caught.value.expected


def test_anything_anywhere_is_told_in_one_line() -> None:
    leaves = strategies.none() | strategies.integers() | strategies.text(max_size=9) | strategies.binary()
    values = strategies.recursive(
        leaves,
        lambda v: strategies.lists(v, max_size=3) | strategies.dictionaries(leaves, v, max_size=3),
        max_leaves=5,
    )
    places = [
        (table, name) for table, names in mapping().items() if isinstance(names, dict) for name in names
    ]

    @given(
        strategies.sampled_from(places), strategies.sampled_from(["value", "key", "table"]), values, leaves
    )
    def holds(place: tuple[str, str], changed: str, value: object, key: Any) -> None:
        tables = mapping()
        table, name = place
        match changed:
            case "value":
                tables[table][name] = value
            case "key":
                tables[table][key] = tables[table].pop(name)
            case _:
                tables[table] = value
        try:
            model = load(tables)
        except ModelFileError as error:
            assert len(str(error).splitlines()) == 1
        else:
            assert load(text=model.to_toml()) == model

    holds()


def test_a_mapping_within_itself() -> None:
    tables = mapping()
    tables["equations"]["a"] = tables
    with pytest.raises(ModelFileError, match="right-hand side as a text"):
        load(tables)


@pytest.mark.parametrize(
    ("arguments", "choices", "argument"),
    [
        ((), {}, "name_or_path"),
        ((None,), {"text": None}, "name_or_path"),
        (("gru",), {"text": CELL}, "text"),
        (({},), {"text": ""}, "text"),
        ((), {"text": CELL.encode()}, "text"),
        ((), {"text": Path("cell.toml")}, "text"),
        ((), {"text": 3}, "text"),
    ],
)
def test_exactly_one_is_given(arguments: tuple[Any, ...], choices: dict[str, Any], argument: str) -> None:
    with pytest.raises(ChoiceError) as caught:
        load(*arguments, **choices)
    assert caught.value.argument == argument and len(str(caught.value)) < 1_500


# ----------------------------------------------------------------------------- names of arguments


def test_the_arguments_are_those_of_load() -> None:
    assert list(inspect.signature(load).parameters) == [*ARGUMENTS, "functions"]


@pytest.mark.parametrize("name", ARGUMENTS)
def test_no_function_is_called_as_an_argument_is(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ModelFileError, match=f"your own, found the reserved word '{name}'"):
        load(text=CELL.replace("[functions]", f'[functions]\n{name} = ["tanh"]'))
    sizes = ["--sizes", "n_x=1,n_a=2,n_y=1", "--out", str(tmp_path)]
    for command in (["derive", "vanilla"], ["c", "vanilla", *sizes]):
        try:
            status: Any = main([*command, "--function", f"{name}=tanh"])
        except SystemExit as end:
            status = end.code
        told = capsys.readouterr().err
        assert status == 2 and "--function" in told and len(told.splitlines()) == 1


# ----------------------------------------------------------------------------- the writer


def test_what_is_written_is_read() -> None:
    texts = strategies.text(strategies.characters(exclude_categories=["Cs"]))

    @given(texts | strategies.lists(texts))
    def holds(value: Any) -> None:
        line = f"value = {toml_value(value)}"
        assert tomllib.loads(line) == {"value": value} and "\n" not in line

    holds()


@pytest.mark.parametrize("text", ['"', "\\", '"""', "'''", "\\u0041", "\x7f\x1b\x00", "é\u2028𝟙", "\t\r\n"])
def test_what_needs_an_escape(text: str) -> None:
    tables = mapping()
    tables["equations"]["z"] += f" + ({text}"
    with pytest.raises(ModelFileError) as caught:
        load(tables)
    assert caught.value.file == "mapping" and caught.value.expected != "TOML"
    tables = mapping() | {"title": f"one {text} two"}
    if text.isprintable():
        assert load(text=load(tables).to_toml()).title == tables["title"]


def test_what_a_file_has_on_many_lines() -> None:
    """More dots than a line may have, of which the mapping makes one."""
    lines = "\n".join([f"+ ({' + '.join(['0.5'] * 20)})"] * (MAX_DOTS // 10))
    model = load(text=CELL.replace('"s * g(z)"', f'"""\n\ts * g(z)\n{lines}"""'))
    made = load(tomllib.loads(model.to_toml()))
    assert made == model and load(text=made.to_toml()) == model


# ----------------------------------------------------------------------------- a changed model


def changed(**what: Any) -> Callable[[], object]:
    return lambda: replace(load(text=CELL), **what).to_toml()


@pytest.mark.parametrize(
    "told",
    [
        changed(cell=load("vanilla").cell),
        changed(output=()),
        changed(title="Another"),
        changed(functions={"g": "relu", "h": "sigmoid"}),
        changed(loss="squared_error"),
        changed(parameters=()),
        changed(loaded=None),
    ],
)
def test_a_changed_model_has_no_text(told: Callable[[], object]) -> None:
    with pytest.raises(
        DerivationError, match="to_toml: expected a model as load has read it, received <Model"
    ):
        told()


def test_of_architecture_and_feed_a_file_says_nothing() -> None:
    chosen: Mapping[str, Any] = {"architecture": "one-to-many", "feed": "output"}
    model = replace(load("vanilla"), **chosen)
    assert load(text=model.to_toml(), **chosen) == model


def test_the_text_is_no_part_of_the_model() -> None:
    plain, told = load(text=CELL), load(text=f"# a cell\n{CELL}")
    assert plain.to_toml() != told.to_toml()
    assert (plain, hash(plain), repr(plain)) == (told, hash(told), repr(told))
