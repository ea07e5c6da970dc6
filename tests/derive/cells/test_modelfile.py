"""The reader of model files: the built-in cells, the choices, and what every mistake in a file says."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from chalkgrad.derive.cells.model import Model
from chalkgrad.derive.cells.modelfile import builtin_names, load
from chalkgrad.derive.choices import ARCHITECTURES, LOSSES
from chalkgrad.derive.errors import ChoiceError, ModelFileError
from chalkgrad.derive.terms.algebra import Map, MatVec, Parameter, Symbol, parameters
from chalkgrad.derive.terms.trees import walk

OUTPUT = '[output]\nu = "W_ya @ a"\nyhat = "h(u)"\n'
LOSS = '[loss]\nkind = ["auto", "binary_cross_entropy", "cross_entropy", "squared_error"]\n'

Write = Callable[..., Path]


# ----------------------------------------------------------------------------- built-in cells


def test_builtin_names() -> None:
    assert builtin_names() == ("gru", "gru_reset_after", "lstm", "vanilla", "vanilla_stacked")


BUILTIN_EQUATIONS = {
    "vanilla": {"a": "g(W_aa @ a[t-1] + W_ax @ x + b_a)", "yhat": "h(W_ya @ a + b_y)"},
    "gru": {
        "z": "sigmoid(W_za @ a[t-1] + W_zx @ x + b_z)",
        "r": "sigmoid(W_ra @ a[t-1] + W_rx @ x + b_r)",
        "k": "g(W_ka @ (r * a[t-1]) + W_kx @ x + b_k)",
        "a": "(1 - z) * k + z * a[t-1]",
        "yhat": "h(W_ya @ a + b_y)",
    },
    "gru_reset_after": {
        "z": "sigmoid(W_za @ a[t-1] + W_zx @ x + b_z)",
        "r": "sigmoid(W_ra @ a[t-1] + W_rx @ x + b_r)",
        "k": "g(W_kx @ x + b_k + r * (W_ka @ a[t-1] + c_k))",
        "a": "(1 - z) * k + z * a[t-1]",
        "yhat": "h(W_ya @ a + b_y)",
    },
    "lstm": {
        "i": "sigmoid(W_ia @ a[t-1] + W_ix @ x + b_i)",
        "f": "sigmoid(W_fa @ a[t-1] + W_fx @ x + b_f)",
        "o": "sigmoid(W_oa @ a[t-1] + W_ox @ x + b_o)",
        "k": "g(W_ka @ a[t-1] + W_kx @ x + b_k)",
        "c": "f * c[t-1] + i * k",
        "a": "o * g(c)",
        "yhat": "h(W_ya @ a + b_y)",
    },
    "vanilla_stacked": {
        "a": "g(W_aa @ a[t-1] + W_ax @ x + b_a)",
        "d": "g(W_dd @ d[t-1] + W_da @ a + b_d)",
        "yhat": "h(W_ya @ d + b_y)",
    },
}


@pytest.mark.parametrize("name", BUILTIN_EQUATIONS)
def test_builtin(name: str) -> None:
    model = load(name)
    definitions = model.cell + model.output
    assert model.name == name
    assert {d.name: d.source for d in definitions} == BUILTIN_EQUATIONS[name]
    assert {s.name for s in model.states} <= {d.name for d in model.cell}
    assert model.functions == {"g": "tanh", "h": "sigmoid"}
    assert (model.loss, model.architecture, model.feed) == ("binary_cross_entropy", "many-to-many", "none")
    assert {"W_ya", "b_y"} <= {p.name for p in model.parameters}
    assert {p for d in definitions for p in parameters(d.value)} == set(model.parameters)
    assert {s for shape in (p.shape for p in model.parameters) for s in shape} == set(model.sizes)
    assert model.y == Symbol("y", ("n_y",))


def test_vanilla_in_full() -> None:
    model = load("vanilla", g="relu", h="softmax")
    assert model.title == "Vanilla recurrent network"
    assert list(model.sizes.items()) == [
        ("n_x", "input features"),
        ("n_a", "hidden units"),
        ("n_y", "outputs"),
    ]
    assert model.x == Symbol("x", ("n_x",))
    assert model.states == (Symbol("a", ("n_a",)),)
    assert model.parameters == (
        Parameter("W_aa", ("n_a", "n_a")),
        Parameter("W_ax", ("n_a", "n_x")),
        Parameter("b_a", ("n_a",)),
        Parameter("W_ya", ("n_y", "n_a")),
        Parameter("b_y", ("n_y",)),
    )
    products = [n for n in walk(model.cell[0].value) if isinstance(n, MatVec)]
    assert products == [
        MatVec(Parameter("W_aa", ("n_a", "n_a")), Symbol("a", ("n_a",), -1)),
        MatVec(Parameter("W_ax", ("n_a", "n_x")), Symbol("x", ("n_x",))),
    ]
    assert model.loss == "cross_entropy"


def test_the_layers_of_a_stack_may_differ_in_size() -> None:
    assert [s.shape for s in load("vanilla_stacked").states] == [("n_a",), ("n_d",)]


# ----------------------------------------------------------------------------- finding the file


def test_paths(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plain").write_text(path.read_text())
    (tmp_path / "gru").write_text(path.read_text())
    for spelled in (
        path,
        str(path),
        "cell.toml",
        "./cell.toml",
        "plain",
        Path("plain"),
        Path("gru"),
        "./gru",
    ):
        assert load(spelled).name == "cell"
    assert load("gru").name == "gru"


@pytest.mark.parametrize("name", ["vanila", "", "a\x00b", "VANILLA", "__init__"])
def test_unknown_builtin(name: str) -> None:
    with pytest.raises(ChoiceError, match="gru, gru_reset_after, lstm, vanilla, vanilla_stacked") as caught:
        load(name)
    assert caught.value.argument == "name_or_path"


@pytest.mark.parametrize("value", [None, 3, b"vanilla", ["vanilla"]])
def test_neither_name_nor_path(value: object) -> None:
    with pytest.raises(ChoiceError, match="name_or_path"):
        load(value)  # type: ignore[arg-type]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.toml"
    os.mkfifo(pipe)
    (tmp_path / "folder.toml").mkdir()
    unreadable: list[tuple[str | Path, str]] = [
        (tmp_path / "none.toml", "No such file"),
        (tmp_path / "none.toml" / "below.toml", "No such file"),
        (tmp_path / "folder.toml", "a directory or a device"),
        (pipe, "a directory or a device"),
        ("nul\x00.toml", "null"),
        ("n" * 5_000 + ".toml", "too long"),
        ("line\nbreak.toml", "No such file"),
    ]
    for path, found in unreadable:
        with pytest.raises(ModelFileError) as caught:
            load(path)
        assert (caught.value.equation, caught.value.column) == (None, None)
        assert found in caught.value.found
        assert "\n" not in str(caught.value)


# ----------------------------------------------------------------------------- choices


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"g": "sigmoid"}, "g"),
        ({"g": None}, "g"),
        ({"g": ["tanh"]}, "g"),
        ({"f": "tanh"}, "f"),
        ({"loss": "hinge"}, "loss"),
        ({"loss": None}, "loss"),
        ({"architecture": "many-to-few"}, "architecture"),
        ({"architecture": ("one-to-one",)}, "architecture"),
        ({"feed": "input"}, "feed"),
        ({"feed": "output"}, "feed"),
        ({"feed": "target", "architecture": "many-to-one"}, "feed"),
        ({"feed": "output", "architecture": "one-to-one"}, "feed"),
    ],
)
def test_wrong_choices(arguments: dict[str, str], argument: str) -> None:
    with pytest.raises(ChoiceError) as caught:
        load("vanilla", **arguments)
    assert caught.value.argument == argument
    assert caught.value.received == arguments[argument]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("feed", ["none", "output", "target"])
def test_architectures_and_feeds(architecture: str, feed: str) -> None:
    if feed == "none" or architecture in ("one-to-many", "encoder-decoder"):
        model = load("vanilla", architecture=architecture, feed=feed)
        assert (model.architecture, model.feed) == (architecture, feed)
    else:
        with pytest.raises(ChoiceError, match="feed"):
            load("vanilla", architecture=architecture, feed=feed)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_without_output(write: Write, architecture: str) -> None:
    path = write((OUTPUT, ""), (LOSS, ""))
    if architecture in ("one-to-one", "many-to-many"):
        model = load(path, architecture=architecture)
        assert (model.output, model.loss, model.y) == ((), None, None)
    else:
        with pytest.raises(ChoiceError, match="architecture"):
            load(path, architecture=architecture)
    with pytest.raises(ChoiceError, match="loss"):
        load(path, loss="squared_error")


def test_a_scalar_output_cannot_be_fed_back(write: Write) -> None:
    path = write(('yhat = "h(u)"', 'yhat = "sigmoid(sum(u))"'))
    assert load(path, architecture="one-to-many").y == Symbol("y", ())
    with pytest.raises(ChoiceError, match="feed"):
        load(path, architecture="one-to-many", feed="output")


OUTERMOST = [
    ("h(u)", "sigmoid", "binary_cross_entropy"),
    ("h(u)", "softmax", "cross_entropy"),
    ("h(u)", "identity", "squared_error"),
    ("sigmoid(u)", "identity", "binary_cross_entropy"),
    ("identity(sigmoid(u))", "identity", "binary_cross_entropy"),
    ("h(sigmoid(u))", "identity", "binary_cross_entropy"),
    ("+(sigmoid(u[t]))", "identity", "binary_cross_entropy"),
    ("sigmoid(-u)", "identity", "binary_cross_entropy"),
    ("sigmoid(sum(u))", "identity", "binary_cross_entropy"),
    ("softmax(softmax(u))", "identity", "cross_entropy"),
    ("sigmoid(softmax(u))", "identity", "binary_cross_entropy"),
    ("softmax(sigmoid(u))", "identity", "cross_entropy"),
    ("1 - sigmoid(u)", "identity", "binary_cross_entropy"),  # it is sigmoid(-u)
    ("1.0 - (1 - h(u))", "sigmoid", "binary_cross_entropy"),
    ("1 - softmax(u)", "identity", "squared_error"),
    ("sigmoid(u - u)", "identity", "binary_cross_entropy"),
    ("softmax(0 * u)", "identity", "cross_entropy"),
    ("2 - sigmoid(u)", "identity", "squared_error"),
    ("2 * sigmoid(u)", "identity", "squared_error"),
    ("sigmoid(u) * 1 + 1", "identity", "squared_error"),
    ("tanh(sigmoid(u))", "identity", "squared_error"),
    ("exp(u - log(sum(exp(u))))", "identity", "squared_error"),
    ("1 / (1 + exp(-u))", "identity", "squared_error"),
    ("u", "sigmoid", "squared_error"),
]


@pytest.mark.parametrize(("yhat", "h", "expected"), OUTERMOST)
def test_automatic_loss(write: Write, yhat: str, h: str, expected: str) -> None:
    for changes in (
        [('yhat = "h(u)"', f'yhat = "{yhat}"')],
        [('yhat = "h(u)"', f'p = "{yhat}"\nq = "p[t]"\nyhat = "identity(q)"')],
        [('yhat = "h(u)"', f'yhat = "{yhat}"'), (LOSS, "")],
    ):
        assert load(write(*changes), h=h).loss == expected


@pytest.mark.parametrize("kind", LOSSES)
def test_every_loss_on_every_output(kind: str) -> None:
    for h in ("sigmoid", "softmax", "identity"):
        assert load("vanilla", h=h, loss=kind).loss == kind


def test_the_losses_of_the_file(write: Write) -> None:
    one = write((LOSS, '[loss]\nkind = "squared_error"\n'))
    assert load(one).loss == "squared_error"
    assert load(one, loss="squared_error").loss == "squared_error"
    with pytest.raises(ChoiceError, match="loss: expected one of squared_error, received 'cross_entropy'"):
        load(one, loss="cross_entropy")
    two = write((LOSS, '[loss]\nkind = ["cross_entropy", "squared_error"]\n'))
    assert load(two).loss == "cross_entropy"
    late = write((LOSS, '[loss]\nkind = ["squared_error", "auto"]\n'))
    assert load(late).loss == "binary_cross_entropy"
    with pytest.raises(ChoiceError, match="loss"):
        load(late, loss="binary_cross_entropy")


# ----------------------------------------------------------------------------- what files may say


def test_names_are_free(write: Write) -> None:
    """C keywords, single letters of the field and the names of SymPy are names like any other."""
    model = load(
        write(
            ("s    = []", "double = []\nE = []\nI = []\nlambda_ = []"),
            ('a = "s * g(z)"', 'pi = "double * E * I * lambda_"\nfor_ = "pi"\na = "for_ * g(z)"'),
        )
    )
    assert [p.name for p in model.parameters][3:7] == ["double", "E", "I", "lambda_"]
    assert [d.name for d in model.cell] == ["z", "pi", "for_", "a"]


def test_the_output_reads_the_cell(write: Write) -> None:
    model = load(write(('u = "W_ya @ a"', 'u = "W_ya @ (a - a[t-1] + z) + sum(x)"')))
    read = {(n.name, n.lag) for n in walk(model.output[0].value) if isinstance(n, Symbol)}
    assert read == {("a", 0), ("a", -1), ("z", 0), ("x", 0)}


def test_an_unused_parameter_stays(write: Write) -> None:
    model = load(write(("s    = []", 's    = []\nspare = ["n_y"]')))
    assert Parameter("spare", ("n_y",)) in model.parameters


def test_optional_tables(write: Write) -> None:
    model = load(
        write(
            base='name = "memory"\n[sizes]\nn = "units"\n[inputs]\nx = ["n"]\n[states]\na = ["n"]\n'
            '[equations]\na = "x + a[t-1]"\n'
        )
    )
    assert (model.title, model.parameters, model.functions, model.output) == ("memory", (), {}, ())


def test_equations_over_many_lines(write: Write) -> None:
    text = '"""\n    W_aa @ a[t-1]\n    + W_ax @ x\n    + b_a\n"""'
    model = load(write(('"W_aa @ a[t-1] + W_ax @ x + b_a"', text)))
    assert model.cell[0].source == "W_aa @ a[t-1] + W_ax @ x + b_a"
    assert model.cell == load(write()).cell


def test_states_wait_for_their_equations(write: Write) -> None:
    """A state is read at t once it is written, at t-1 anywhere."""
    changes = (('a = ["n_a"]', 'a = ["n_a"]\nc = ["n_a"]'), ("s * g(z)", "s * g(z) + c[t-1]"))
    model = load(write(*changes, ("\n[output]", '\nc = "a + c[t-1]"\n[output]')))
    assert [d.name for d in model.cell] == ["z", "a", "c"]
    assert isinstance(model.cell[2].value, Map)
    assert model.cell[2].value.args == (Symbol("a", ("n_a",)), Symbol("c", ("n_a",), -1))


def test_many_equations_load_in_linear_time(write: Write) -> None:
    chain = "\n".join(f'v{i} = "v{i - 1}"' for i in range(1, 3_000))
    model: Model = load(write(('a = "s * g(z)"', f'v0 = "z"\n{chain}\na = "s * g(v2999)"')))
    assert len(model.cell) == 3_002
