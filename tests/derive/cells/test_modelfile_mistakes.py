"""Mistakes in model files: what each one says, and that no file does anything else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, strategies

from chalkgrad.derive.cells.modelfile import load
from chalkgrad.derive.cells.tables import MAX_BYTES
from chalkgrad.derive.errors import ModelFileError

OUTPUT = '[output]\nu = "W_ya @ a"\nyhat = "h(u)"\n'
LOSS = '[loss]\nkind = ["auto", "binary_cross_entropy", "cross_entropy", "squared_error"]\n'

Write = Callable[..., Path]

# what is changed, (equation, column), part of what was expected, part of what was found
MISTAKES: list[tuple[list[tuple[str, str]], tuple[str | None, int | None], str, str]] = [
    # equations
    ([("s * g(z)", "s * g(zz)")], ("a", 7), "perhaps 'z'", "'zz'"),
    ([("s * g(z)", "s * f(z)")], ("a", 5), "a function", "'f'"),
    ([("s * g(z)", "x")], ("a", 1), "the state's shape (n_a)", "(n_x)"),
    ([("s * g(z)", "s")], ("a", 1), "the state's shape (n_a)", "a scalar"),
    ([("s * g(z)", "s * g(a)")], ("a", 7), "'a[t-1]'", "before its definition"),
    ([("W_aa @ a[t-1]", "W_aa @ a")], ("z", 8), "'a[t-1]'", "before its definition"),
    ([("W_aa @ a[t-1]", "W_aa @ z")], ("z", 8), "an equation for 'z'", "before its definition"),
    ([("W_aa @ a[t-1]", "W_aa @ yhat")], ("z", 8), "an equation for 'yhat'", "before its definition"),
    ([("W_aa @ a[t-1]", "W_aa @ u")], ("z", 8), "an equation for 'u'", "before its definition"),
    ([("W_aa @ a[t-1]", "W_aa @ z[t-1]")], ("z", 8), "only states", "'z[t-1]'"),
    ([("W_aa @ a[t-1]", "W_aa @ x[t-1]")], ("z", 8), "only states", "'x[t-1]'"),
    ([("W_ya @ a", "W_ya @ x")], ("u", 8), "a vector (n_a)", "(n_x)"),
    ([("h(u)", "h(u, u)")], ("yhat", 1), "one argument", "2"),
    ([("h(u)", "softmax(sum(u))")], ("yhat", 9), "a vector", "a scalar"),
    ([("h(u)", "y")], ("yhat", 1), "a declared name", "'y'"),
    ([("h(u)", "n_y * u")], ("yhat", 1), "a declared name", "'n_y'"),
    ([('a = "s * g(z)"', "a = 3")], ("a", None), "as a text", "3"),
    ([('a = "s * g(z)"', "a = true")], ("a", None), "as a text", "True"),
    ([('a = "s * g(z)"', 'a = ["s"]')], ("a", None), "as a text", "['s']"),
    ([('a = "s * g(z)"', 'a.b = "s"')], ("a", None), "as a text", "{'b': 's'}"),
    ([("h(u)", "")], ("yhat", 1), "a name", "the end"),
    # who writes what
    ([('a = "s * g(z)"', 'a = "s * g(z)"\na = "z"')], ("a", None), "every name once", "'a' written twice"),
    ([('u = "W_ya @ a"', 'u = "W_ya @ a"\nu = "W_ya @ a"')], ("u", None), "once", "'u' written twice"),
    ([('u = "W_ya @ a"', 'a = "z"')], ("a", None), "writes no state", "'a', written twice"),
    ([('u = "W_ya @ a"', 'z = "W_ya @ a"')], ("z", None), "not in use", "'z', declared in [equations]"),
    ([('a = "s * g(z)"', 'b = "s * g(z)"')], (None, None), "writes the state 'a'", "none"),
    ([('a = "s * g(z)"\n', "")], (None, None), "writes the state 'a'", "none"),
    ([('a = "s * g(z)"', 'a = "z"\nb_a = "z"')], ("b_a", None), "not in use", "declared in [parameters]"),
    ([('a = "s * g(z)"', 'a = "z"\nx = "z"')], ("x", None), "your own", "the reserved word 'x'"),
    ([('a = "s * g(z)"', 'a = "z"\ny = "z"')], ("y", None), "your own", "the reserved word 'y'"),
    ([('a = "s * g(z)"', 'a = "z"\nyhat = "z"')], ("yhat", None), "your own", "the reserved word 'yhat'"),
    ([('a = "s * g(z)"', 'a = "z"\nn_a = "z"')], ("n_a", None), "not in use", "declared in [sizes]"),
    ([('a = "s * g(z)"', 'a = "z"\ng = "z"')], ("g", None), "not in use", "declared in [functions]"),
    ([('a = "s * g(z)"', 'a = "z"\na0 = "z"')], ("a0", None), "your own", "the initial state of 'a'"),
    ([('u = "W_ya @ a"', 'a0 = "z"')], ("a0", None), "your own", "the initial state of 'a'"),
    ([('u = "W_ya @ a"', 'W_ya = "z"')], ("W_ya", None), "not in use", "declared in [parameters]"),
    ([('yhat = "h(u)"\n', "")], (None, None), "'yhat' as the last equation", "'u'"),
    ([('yhat = "h(u)"', 'yhat = "h(u)"\nv = "u"')], (None, None), "'yhat' as the last equation", "'v'"),
    ([(OUTPUT, "[output]\n")], (None, None), "'yhat' as the last equation", "none"),
    # names
    ([("s    = []", "a = []")], (None, None), "not in use", "'a', declared in [states]"),
    ([("s    = []", "n_x = []")], (None, None), "not in use", "'n_x', declared in [sizes]"),
    ([("s    = []", "a0 = []")], (None, None), "[parameters]", "the initial state of 'a'"),
    ([("s    = []", "t = []")], (None, None), "your own", "the reserved word 't'"),
    ([("s    = []", "T = []")], (None, None), "your own", "the reserved word 'T'"),
    ([("s    = []", "B = []")], (None, None), "your own", "the reserved word 'B'"),
    ([("s    = []", "lambda = []")], (None, None), "your own", "the reserved word 'lambda'"),
    ([("s    = []", "None = []")], (None, None), "your own", "the reserved word 'None'"),
    ([("s    = []", "softmax = []")], (None, None), "your own", "the reserved word 'softmax'"),
    ([("s    = []", "mean = []")], (None, None), "your own", "the reserved word 'mean'"),
    ([("s    = []", '"é" = []')], (None, None), "ASCII", "'é'"),
    ([("s    = []", '"a b" = []')], (None, None), "ASCII", "'a b'"),
    ([("s    = []", '"" = []')], (None, None), "ASCII", "''"),
    ([("s    = []", "2s = []")], (None, None), "ASCII", "'2s'"),
    ([("s    = []", "W-a = []")], (None, None), "ASCII", "'W-a'"),
    ([("s    = []", '"s\\n" = []')], (None, None), "ASCII", "'s\\n'"),
    ([("s    = []", "s = []\ns = []")], (None, None), "every name once", "'s' written twice"),
    ([('n_y = "outputs"', 'n_y = "outputs"\nT_x = "steps"')], (None, None), "[sizes]", "'T_x'"),
    ([('g = ["tanh", "relu"]', 'tanh = ["tanh"]')], (None, None), "[functions]", "'tanh'"),
    ([('g = ["tanh", "relu"]', 'loss = ["tanh"]')], (None, None), "[functions]", "'loss'"),
    ([('g = ["tanh", "relu"]', 's = ["tanh"]')], (None, None), "not in use", "declared in [parameters]"),
    # declarations
    (
        [('a = ["n_a"]', 'a = ["n_b"]')],
        (None, None),
        "[states] a: a name declared in [sizes], perhaps",
        "'n_b'",
    ),
    ([('a = ["n_a"]', 'a = ["n_a", "n_a"]')], (None, None), "[states] a: one size", "['n_a', 'n_a']"),
    ([('a = ["n_a"]', "a = []")], (None, None), "[states] a: one size", "[]"),
    ([('a = ["n_a"]', 'a = "n_a"')], (None, None), "[states] a: one size", "'n_a'"),
    ([('a = ["n_a"]', "a = [4]")], (None, None), "[states] a", "4"),
    ([('a = ["n_a"]', "")], (None, None), "at least one state", "none"),
    (
        [("s    = []", 's = ["n_a", "n_a", "n_a"]')],
        (None, None),
        "at most two sizes",
        "['n_a', 'n_a', 'n_a']",
    ),
    ([("s    = []", "s = {}")], (None, None), "at most two sizes", "{}"),
    ([("s    = []", 's = [["n_a"]]')], (None, None), "[parameters] s", "['n_a']"),
    ([('x = ["n_x"]', 'x = ["n_x", "n_a"]')], (None, None), "[inputs] x: one size", "['n_x', 'n_a']"),
    ([('x = ["n_x"]', "x = []")], (None, None), "[inputs] x: one size", "[]"),
    ([('x = ["n_x"]', 'u = ["n_x"]')], (None, None), "exactly one input, x", "['u']"),
    ([('x = ["n_x"]', 'x = ["n_x"]\nv = ["n_x"]')], (None, None), "exactly one input, x", "['x', 'v']"),
    ([('x = ["n_x"]', "")], (None, None), "exactly one input, x", "[]"),
    ([('n_y = "outputs"', "n_y = 3")], (None, None), "[sizes] n_y", "3"),
    ([('n_y = "outputs"', 'n_y = ""')], (None, None), "[sizes] n_y", "''"),
    ([('n_y = "outputs"', 'n_y = "a\\nb"')], (None, None), "[sizes] n_y: one line", "'a\\nb'"),
    ([('n_y = "outputs"\n', "")], (None, None), "[parameters] W_ya", "'n_y'"),
    ([('g = ["tanh", "relu"]', 'g = ["tan"]')], (None, None), "[functions] g: one of tanh, sigmoid", "'tan'"),
    ([('g = ["tanh", "relu"]', "g = []")], (None, None), "[functions] g: a list", "[]"),
    ([('g = ["tanh", "relu"]', 'g = "tanh"')], (None, None), "[functions] g: a list", "'tanh'"),
    ([('g = ["tanh", "relu"]', 'g = ["tanh", 3]')], (None, None), "[functions] g", "3"),
    (
        [('g = ["tanh", "relu"]', 'g = ["tanh", "tanh"]')],
        (None, None),
        "every entry once",
        "['tanh', 'tanh']",
    ),
    # the loss
    ([('kind = ["auto",', 'kind = ["hinge",')], (None, None), "[loss] kind: one of auto", "'hinge'"),
    ([(LOSS, "[loss]\nkind = []\n")], (None, None), "[loss] kind: a list", "[]"),
    ([(LOSS, "[loss]\nkind = 3\n")], (None, None), "[loss] kind: a list", "3"),
    ([(LOSS, "[loss]\n")], (None, None), "exactly one key, kind", "[]"),
    ([(LOSS, '[loss]\nkind = "auto"\nweight = 2\n')], (None, None), "exactly one key, kind", "'weight'"),
    ([(OUTPUT, "")], (None, None), "[output] where there is a [loss]", "none"),
    # the file
    ([('name  = "cell"', "")], (None, None), "name", "none"),
    ([('name  = "cell"', "name = 3")], (None, None), "name: one line", "3"),
    ([('name  = "cell"', 'name = "my cell"')], (None, None), "name: ASCII", "'my cell'"),
    ([('name  = "cell"', 'name = "../cell"')], (None, None), "name: ASCII", "'../cell'"),
    ([('title = "A cell"', "title = []")], (None, None), "title: one line", "[]"),
    ([('title = "A cell"', 'title = "a\\nb"')], (None, None), "title: one line", "'a\\nb'"),
    ([('title = "A cell"', 'tittle = "A cell"')], (None, None), "perhaps 'title'", "'tittle'"),
    ([("[output]", "[outputs]")], (None, None), "perhaps 'output'", "'outputs'"),
    ([("[inputs]", "[sizes]")], (None, None), "once", "written twice"),
    ([("[equations]", "[[equations]]")], (None, None), "[equations]: a table", "[{"),
    (
        [('title = "A cell"', 'title = "A cell"\nstates = 3'), ('[states]\na = ["n_a"]', "")],
        (None, None),
        "[states]: a table",
        "3",
    ),
    ([("[equations]", "")], (None, None), "[equations]", "none"),
    ([('[inputs]\nx = ["n_x"]', "")], (None, None), "[inputs]", "none"),
    ([('title = "A cell"', 'title = "A cell')], (None, None), "TOML", "line 3"),
    ([('title = "A cell"', "title")], (None, None), "TOML", "line 3"),
    ([('title = "A cell"', "title = \udcff")], (None, None), "UTF-8", "byte"),
    ([('title = "A cell"', "title = 1" + "0" * 5_000)], (None, None), "moderate size", "ValueError"),
    ([('title = "A cell"', "title = " + "[" * 50_000)], (None, None), "moderate size", "RecursionError"),
    ([('title = "A cell"', "title" + ".a" * 40_000 + " = 1")], (None, None), "dots on a line", "more"),
    ([('title = "A cell"', "# " + "a" * MAX_BYTES)], (None, None), "bytes", "more"),
    ([('title = "A cell"', "title = '\x00'")], (None, None), "TOML", "\\x00"),
]
NO_TOML = ("TOML", "UTF-8", "moderate size", "dots on a line", "bytes", "every name once", "once")
"""What is expected where there are no tables yet."""


@pytest.mark.parametrize(("changes", "place", "expected", "found"), MISTAKES, ids=lambda v: None)
def test_mistakes(
    write: Write,
    changes: list[tuple[str, str]],
    place: tuple[str | None, int | None],
    expected: str,
    found: str,
) -> None:
    path = write(*changes)
    with pytest.raises(ModelFileError) as caught:
        load(path)
    error = caught.value
    assert (error.file, (error.equation, error.column)) == (str(path), place)
    assert expected in error.expected
    assert found in error.found
    assert "\n" not in str(error)
    assert len(str(error)) < 500


def test_the_base_of_the_mistakes_has_none(write: Write) -> None:
    assert load(write()).loss == "binary_cross_entropy"


def test_empty_file(write: Write) -> None:
    with pytest.raises(ModelFileError, match="expected name, found none"):
        load(write(base=""))


def test_one_line_names_everything(write: Write) -> None:
    path = write(("W_ax @ x", "W_ax @ a[t-1]"))
    with pytest.raises(ModelFileError) as caught:
        load(path)
    assert str(caught.value) == (
        f"{path}: equation 'z', column 24: expected a vector (n_x) after '@', found a vector (n_a)"
    )


def test_nothing_in_a_file_is_evaluated(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    for text in ("open('made', 'w')", "__import__('os').system('touch made')", "x.__class__.__mro__"):
        with pytest.raises(ModelFileError):
            load(write(("s * g(z)", text)))
    assert set(tmp_path.iterdir()) - before == {tmp_path / "cell.toml"}


def test_fuzz_equations_and_tables(write: Write) -> None:
    lines = write().read_text().strip().splitlines()
    pieces = strategies.sampled_from(
        [*lines, "[a]", "a = 1", 'a = "x"', "x = []", '"" = ""', "[[output]]", "a.b = 2"]
    )

    edits = strategies.lists(
        strategies.tuples(strategies.integers(0, len(lines) - 1), pieces | strategies.text(max_size=30)),
        max_size=4,
    )

    def holds(edits: list[tuple[int, str]]) -> None:
        changed = list(lines)
        for index, line in edits:
            changed[index] = line
        path = write()
        path.write_text("\n".join(changed), encoding="utf-8", errors="replace")
        try:
            load(path)
        except ModelFileError as error:
            assert len(str(error).splitlines()) == 1

    given(edits)(holds)()
