"""The grammar has a place for everything that the language has: what programs are made of, counted."""

from __future__ import annotations

import ast
import inspect
import tomllib
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from chalkgrad.derive import choices
from chalkgrad.derive.cells import parse, tables
from chalkgrad.derive.deriving.architecture import schedule
from chalkgrad.derive.terms.functions import NAMES
from tests.programs import grammar
from tests.programs.cases import Case
from tests.programs.program import Program, Seeded

COUNT = 1000
pytestmark = pytest.mark.xdist_group("grammar")


@cache
def drawn() -> tuple[Program, ...]:
    return tuple(grammar.program(Seeded(n)) for n in range(COUNT))


@cache
def files() -> tuple[dict[str, Any], ...]:
    return tuple(tomllib.loads(program.text) for program in drawn())


@cache
def nodes() -> tuple[ast.AST, ...]:
    """Every node of every equation."""
    return tuple(
        node
        for program in drawn()
        for text in program.equations
        for node in ast.walk(ast.parse(text, mode="eval").body)
    )


def allowed() -> set[str]:
    """The kinds of `ast` that the parser of the language names in its patterns: its allow-list."""
    tree = ast.parse(inspect.getsource(parse._Parser))
    patterns = [node.cls for node in ast.walk(tree) if isinstance(node, ast.MatchClass)]
    return {p.attr for p in patterns if isinstance(p, ast.Attribute) and ast.unparse(p.value) == "ast"}


def test_every_kind_of_node_is_drawn() -> None:
    kinds = allowed()
    assert {"Constant", "Name", "Subscript", "Attribute", "UnaryOp", "BinOp", "Call", "MatMult"} <= kinds
    found = {type(node).__name__ for node in nodes()}
    assert kinds <= found
    assert found - kinds <= {"Load"}


def test_every_function_is_called() -> None:
    called = {
        node.func.id for node in nodes() if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert called == {*NAMES, "g", "h"}
    chosen = {(name, choice) for program in drawn() for name, choice in program.functions.items()}
    assert {choice for name, choice in chosen if name == "g"} == set(grammar.CHOSEN)


def test_every_index_is_drawn() -> None:
    indices = {ast.unparse(node.slice) for node in nodes() if isinstance(node, ast.Subscript)}
    assert indices == {"t", "t - 1"}


def exponents() -> Iterator[str]:
    for node in nodes():
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            yield ast.unparse(node.right)


def test_exponents_are_whole_negative_fractions_and_worked_out() -> None:
    assert {"0", "1", "2", "3", "-1", "-2", "0.5", "1.5", "-0.5", "1 / 3", "4 / 2"} <= set(exponents())


def test_numbers_are_written_in_every_way() -> None:
    texts = {text for program in drawn() for text in program.equations}
    for literal in ("1e-1", ".25", "0. ", "1.5"):
        assert any(literal in text for text in texts), literal


def test_matrices_come_in_every_form() -> None:
    left = [
        ast.unparse(n.left) for n in nodes() if isinstance(n, ast.BinOp) and isinstance(n.op, ast.MatMult)
    ]
    kinds = {type(ast.parse(text, mode="eval").body).__name__ for text in left}
    assert kinds == {"Name", "Attribute", "BinOp", "UnaryOp"}
    assert any(text.endswith(".T.T.T") for text in left)


@pytest.mark.parametrize(
    ("name", "language"),
    [("architecture", choices.ARCHITECTURES), ("feed", choices.FEEDS), ("loss", ("auto", *choices.LOSSES))],
)
def test_every_choice_is_made(name: str, language: tuple[str, ...]) -> None:
    assert {getattr(program, name) for program in drawn()} == set(language)


def test_every_layout_is_drawn() -> None:
    layouts = {(program.architecture, program.feed) for program in drawn()}
    fed = {(a, feed) for a in ("one-to-many", "encoder-decoder") for feed in choices.FEEDS}
    assert layouts == fed | {(a, "none") for a in choices.ARCHITECTURES}


def test_every_table_is_written_and_left_out() -> None:
    keys = [set(file) for file in files()]
    assert set().union(*keys) == set(tables._KEYS)
    assert set.intersection(*keys) >= set(tables._REQUIRED)
    optional = set(tables._KEYS) - set(tables._REQUIRED)
    assert set.intersection(*keys) & optional == set()


def test_every_kind_of_loss_is_listed() -> None:
    kinds = [file["loss"]["kind"] for file in files() if "loss" in file]
    assert {kind for kind in kinds if isinstance(kind, str)} == set(choices.LOSSES)
    assert {one for kind in kinds if isinstance(kind, list) for one in kind} == set(choices.KINDS)


def test_parameters_have_every_shape_and_some_are_unused() -> None:
    shapes = [shape for file in files() for shape in file.get("parameters", {}).values()]
    assert {len(shape) for shape in shapes} == {0, 1, 2}
    assert {tuple(shape) for shape in shapes if len(shape) == 2} == {
        (a, b) for a in grammar.SIZES for b in grammar.SIZES
    }
    words = [
        (set(file.get("parameters", {})), " ".join(program.equations))
        for file, program in zip(files(), drawn(), strict=True)
    ]
    assert any(any(name not in text for name in names) for names, text in words)
    assert any(any(text.count(name) > 1 for name in names) for names, text in words)


def test_one_to_three_states_and_intermediates_between() -> None:
    assert {len(file["states"]) for file in files()} == {1, 2, 3}
    assert any(next(iter(file["equations"])) not in file["states"] for file in files())
    assert {len(file.get("output", {})) for file in files()} == {0, 1, 2, 3}


@pytest.mark.parametrize(
    "name", ["lengths", "dtype", "fixed", "sliced", "batched", "initial", "wrt", "cotangents"]
)
def test_every_setting_is_drawn(name: str) -> None:
    due = {
        "lengths": {(a, b) for a in grammar.LENGTHS for b in grammar.LENGTHS},
        "dtype": {"float64", "float32"},
        "initial": {"all", "some", "none"},
        "wrt": {"all", "some"},
        "cotangents": {"all", "some"},
    }
    assert {getattr(program.setting, name) for program in drawn()} == due.get(name, {True, False})


def test_numbers_of_sizes_and_steps() -> None:
    settings = [program.setting for program in drawn()]
    numbers = {number for setting in settings for number in setting.sizes.values()}
    assert {1, 2, 3, 5, 7, 13, 17} <= numbers
    assert sum(len(set(s.sizes.values())) == len(s.sizes) for s in settings) > len(settings) / 2
    assert {T for s in settings for T in (s.T if isinstance(s.T, tuple) else (s.T,))} == {1, 2, 3, 4, 5}
    assert {1, 2} <= {s.B for s in settings} and max(s.B for s in settings) > 8


def test_every_program_is_in_the_language() -> None:
    for program in drawn()[:200]:
        case = Case(program)
        assert case.model.loss == case.oracle.loss
        assert {*case.oracle.parameters} >= {p.name for p in schedule(case.model).parameters}
