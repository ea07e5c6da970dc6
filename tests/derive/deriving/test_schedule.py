"""The five architectures laid out in time: steps, inputs, outputs, what is fed back, what survives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy

from chalkgrad.derive.cells.model import Model
from chalkgrad.derive.cells.modelfile import load
from chalkgrad.derive.deriving.architecture import Schedule, Segment, T, T_x, T_y, schedule
from chalkgrad.derive.deriving.derivation import bptt
from chalkgrad.derive.errors import DerivationError
from chalkgrad.derive.terms.algebra import (
    Expr,
    Map,
    Parameter,
    Symbol,
    constant,
    is_zero,
    parameters,
    symbols,
)
from chalkgrad.derive.terms.trees import walk
from chalkgrad.derive.values.evaluate import Evaluated, evaluate

ZERO, ONE = sympy.S.Zero, sympy.S.One
CELL = ("W_aa", "W_ax", "b_a")
HEAD = ("W_ya", "b_y")
WITHOUT_X = ("W_aa", "b_a")


def prefixed(prefix: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{prefix}_{name}" for name in names)


# architecture, feed → (first, last, what stands for x, has an output) of each segment, steps with x, steps
# with y, parameters
FED = {"none": (), "output": ("yhat",), "target": ("y",)}
LAYOUTS: dict[tuple[str, str], Any] = {
    ("one-to-one", "none"): ([(ONE, ONE, ("x",), True)], (ZERO, ONE), (ZERO, ONE), (*CELL, *HEAD)),
    ("many-to-many", "none"): ([(ONE, T, ("x",), True)], (ZERO, T), (ZERO, T), (*CELL, *HEAD)),
    ("many-to-one", "none"): (
        [(ONE, T, ("x",), False), (T, T, (), True)],
        (ZERO, T),
        (T - 1, ONE),
        (*CELL, *HEAD),
    ),
    **{
        ("one-to-many", feed): (
            [(ONE, ONE, ("x",), True), (sympy.Integer(2), T, fed, True)],
            (ZERO, ONE),
            (ZERO, T),
            (*CELL, *HEAD),
        )
        for feed, fed in FED.items()
    },
    ("encoder-decoder", "none"): (
        [(ONE, T_x, ("x",), False), (T_x + 1, T_x + T_y, (), True)],
        (ZERO, T_x),
        (T_x, T_y),
        prefixed("enc", *CELL) + prefixed("dec", *WITHOUT_X, *HEAD),
    ),
    **{
        ("encoder-decoder", feed): (
            [
                (ONE, T_x, ("x",), False),
                (T_x + 1, T_x + 1, (), True),
                (T_x + 2, T_x + T_y, FED[feed], True),
            ],
            (ZERO, T_x),
            (T_x, T_y),
            prefixed("enc", *CELL) + prefixed("dec", *CELL, *HEAD),
        )
        for feed in ("output", "target")
    },
}


def vanilla(architecture: str, feed: str) -> Schedule:
    return schedule(load("vanilla", architecture=architecture, feed=feed))


def read_from_outside(segment: Segment) -> tuple[str, ...]:
    """What the first definition reads besides the state."""
    value = segment.definitions[0].value
    return tuple(s.name for s in symbols(value) if s.name != "a")


@pytest.mark.parametrize(("architecture", "feed"), LAYOUTS)
def test_layout(architecture: str, feed: str) -> None:
    plan = vanilla(architecture, feed)
    segments, x_steps, y_steps, names = LAYOUTS[architecture, feed]
    found = [(s.first, s.last, read_from_outside(s), s.definitions[-1].name == "yhat") for s in plan.segments]
    assert found == segments
    assert (plan.x_steps, plan.y_steps) == (x_steps, y_steps)
    assert tuple(p.name for p in plan.parameters) == names
    assert plan.length == plan.segments[-1].last


@pytest.mark.parametrize(("architecture", "feed"), LAYOUTS)
def test_segments_follow_one_another(architecture: str, feed: str) -> None:
    """Every step lies in one segment; a readout reads the step that ends the segment before it."""
    plan = vanilla(architecture, feed)
    at = {T: 5, T_x: 3, T_y: 4}
    covered: list[int] = []
    for segment in plan.segments:
        first, last = (int(step.xreplace(at)) for step in (segment.first, segment.last))
        if segment.readout:
            assert first == last == covered[-1]
        else:
            assert last - first + 1 == segment.steps.xreplace(at)
            covered.extend(range(first, last + 1))
    assert covered == list(range(1, int(plan.length.xreplace(at)) + 1))


@pytest.mark.parametrize(("architecture", "feed"), LAYOUTS)
def test_what_is_fed_back_comes_from_the_step_before(architecture: str, feed: str) -> None:
    for segment in vanilla(architecture, feed).segments:
        for definition in segment.definitions:
            lags = {s.name: s.lag for s in symbols(definition.value)}
            assert all(
                lag == (-1 if name in ("y", "yhat") else 0) for name, lag in lags.items() if name != "a"
            )


def test_whose_lengths_end_a_segment() -> None:
    ends = {key: [s.lengths for s in vanilla(*key).segments] for key in LAYOUTS}
    assert ends["many-to-many", "none"] == ["x"] and ends["many-to-one", "none"] == ["x", "x"]
    assert ends["one-to-many", "output"] == ["y", "y"]
    assert ends["encoder-decoder", "target"] == ["x", "y", "y"]


def test_two_networks_have_two_instances() -> None:
    """The state is one trajectory; the parameters are apart, also where they have the same name."""
    plan = vanilla("encoder-decoder", "output")
    assert [s.instance for s in plan.segments] == ["enc", "dec", "dec"]
    for segment in plan.segments:
        used = {p.name for d in segment.definitions for p in parameters(d.value)}
        assert used and all(name.startswith(f"{segment.instance}_") for name in used)
    assert [s.name for s in plan.states] == ["a"]


# ----------------------------------------------------------------------------- sizes tied by feeding back


def shape(plan: Schedule, name: str) -> tuple[str, ...]:
    return next(p.shape for p in plan.parameters if p.name == name)


@pytest.mark.parametrize("feed", ["output", "target"])
def test_one_to_many_ties_the_sizes_of_input_and_output(feed: str) -> None:
    plan = vanilla("one-to-many", feed)
    assert plan.tied == (("n_x", "n_y"),)
    assert plan.x.shape == shape(plan, "W_ax")[1:] == ("n_y",)


@pytest.mark.parametrize("feed", ["output", "target"])
def test_an_encoder_keeps_its_input_size(feed: str) -> None:
    plan = vanilla("encoder-decoder", feed)
    assert plan.tied == () and plan.x.shape == ("n_x",)
    assert shape(plan, "enc_W_ax") == ("n_a", "n_x") and shape(plan, "dec_W_ax") == ("n_a", "n_y")


@pytest.mark.parametrize("architecture", ["one-to-many", "encoder-decoder"])
def test_without_feed_nothing_is_tied(architecture: str) -> None:
    plan = vanilla(architecture, "none")
    assert plan.tied == () and plan.x.shape == ("n_x",)


FILE = """
name = "cell"
[sizes]
n_x = "inputs"
n_a = "units"
n_y = "outputs"
[inputs]
x = ["n_x"]
[states]
{states}
[parameters]
W = ["n_a", "n_a"]
U = ["n_a", "n_x"]
V = ["n_y", "n_a"]
R = ["n_x", "n_x"]
[equations]
{equations}
[output]
yhat = "{yhat}"
"""
Cell = Callable[..., Path]


@pytest.fixture
def cell(tmp_path: Path) -> Cell:
    """A cell of its states and equations, yhat = V a unless said otherwise."""

    def written(states: str, equations: str, yhat: str = "V @ a") -> Path:
        path = tmp_path / "cell.toml"
        path.write_text(FILE.format(states=states, equations=equations, yhat=yhat))
        return path

    return written


def test_an_encoder_whose_state_has_the_inputs_size_is_tied(cell: Cell) -> None:
    path = cell('a = ["n_a"]\nd = ["n_x"]', 'd = "tanh(R @ d[t-1] + x)"\na = "tanh(W @ a[t-1] + U @ d)"')
    plan = schedule(load(path, architecture="encoder-decoder", feed="output"))
    assert plan.tied == (("n_x", "n_y"),)
    assert plan.x.shape == ("n_y",) and [s.shape for s in plan.states] == [("n_a",), ("n_y",)]
    assert shape(plan, "enc_U") == shape(plan, "dec_U") == ("n_a", "n_y")


def test_sizes_in_a_mean_are_renamed_with_the_rest(cell: Cell) -> None:
    path = cell('a = ["n_a"]', 'a = "tanh(W @ a[t-1] + mean(x))"')
    plan = schedule(load(path, architecture="one-to-many", feed="target"))
    nodes = (n for s in plan.segments for d in s.definitions for n in walk(d.value))
    names = {str(s) for n in nodes if isinstance(n, Map) for s in n.body.free_symbols}
    assert "n_y" in names and "n_x" not in names


def test_an_input_of_the_outputs_size_needs_no_tie(cell: Cell) -> None:
    path = cell('a = ["n_a"]', 'a = "tanh(W @ a[t-1] + U @ x)"', "R @ x")
    plan = schedule(load(path, architecture="one-to-many", feed="output"))
    assert plan.tied == () and plan.x.shape == ("n_x",)


# ----------------------------------------------------------------------------- what an absent input leaves


def later(path: Path) -> Mapping[str, Expr]:
    """The definitions of the steps that have no input."""
    plan = schedule(load(path, architecture="one-to-many"))
    return {d.name: d.value for d in plan.segments[1].definitions}


def test_products_with_an_absent_input_are_gone(cell: Cell) -> None:
    found = later(cell('a = ["n_a"]', 'u = "U @ x"\nk = "2 * u"\na = "tanh(W @ a[t-1] + k) + u * a[t-1]"'))
    assert list(found) == ["a", "yhat"]
    assert {p.name for p in parameters(found["a"])} == {"W"}
    assert [(s.name, s.lag) for s in symbols(found["a"])] == [("a", -1)]


def test_what_an_absent_input_leaves_constant_stays(cell: Cell) -> None:
    """cos(0) = 1: the intermediate is no zero, so it is still there."""
    found = later(cell('a = ["n_a"]', 'k = "cos(U @ x)"\na = "tanh(W @ a[t-1]) * k"'))
    assert found["k"] == constant(1, ("n_a",))


def test_a_state_that_vanishes_stays_as_zero(cell: Cell) -> None:
    """The next step reads it, at lag −1."""
    path = cell('a = ["n_a"]\nd = ["n_x"]', 'd = "R @ x"\na = "tanh(W @ a[t-1] + U @ d + U @ d[t-1])"')
    found = later(path)
    assert is_zero(found["d"]) and found["d"].shape == ("n_x",)
    assert [(s.name, s.lag) for s in symbols(found["a"])] == [("a", -1), ("d", -1)]


def test_an_output_that_vanishes_stays_as_zero(cell: Cell) -> None:
    found = later(cell('a = ["n_a"]', 'a = "tanh(W @ a[t-1])"', "V @ (U @ x)"))
    assert is_zero(found["yhat"])


def test_a_parameter_that_nothing_reads_does_not_survive(cell: Cell) -> None:
    """R is declared and read nowhere; U is read by the encoder alone."""
    plan = schedule(
        load(cell('a = ["n_a"]', 'a = "tanh(W @ a[t-1] + U @ x)"'), architecture="encoder-decoder")
    )
    assert [p.name for p in plan.parameters] == ["enc_W", "enc_U", "dec_W", "dec_V"]


# ----------------------------------------------------------------------------- each against many-to-many

SIZES = {"n_x": 2, "n_a": 3, "n_y": 2}
STEPS = 3
OWN = (
    'a = ["n_a"]\nd = ["n_a"]',
    'k = "softmax(U @ x) + softmax(W @ a[t-1]) * cos(sum(x))"\n'
    'd = "tanh(U @ x + mean(x) + W @ d[t-1])"\n'
    'a = "sigmoid(k * d[t-1] + d + log(2 + sum(square(x))))"',
)


def numbers(model: Model, seed: int = 1) -> dict[str, Any]:
    """Parameters under the names of the model, initial states, and y at every step."""
    rng = np.random.default_rng(seed)
    found: dict[str, Any] = {
        p.name: rng.normal(size=tuple(SIZES[n] for n in p.shape)) for p in model.parameters
    }
    found |= {f"{s.name}0": rng.normal(size=tuple(SIZES[n] for n in s.shape)) for s in model.states}
    return found | {"x": rng.normal(size=(STEPS, 2)), "y": rng.uniform(0.1, 0.9, size=(STEPS, 2))}


def run(model: Model, values: Mapping[str, Any], steps: Any = STEPS) -> Evaluated:
    plan = bptt(model)
    names = {p.name for p in plan.schedule.parameters} | {"x", "y"} | {f"{s.name}0" for s in model.states}
    given = {name: array for name, array in values.items() if name in names}
    return evaluate(plan, given, sizes=SIZES, T=steps, digits=40)


def close(one: Any, other: Any) -> bool:
    return bool(np.all(abs(np.asarray(one) - np.asarray(other)) < 1e-38))


@pytest.mark.parametrize("own", [False, True])
def test_steps_without_an_input_are_steps_with_a_zero_one(own: bool, cell: Cell) -> None:
    path = cell(*OWN) if own else "gru"
    values = numbers(load(path))
    one = run(load(path, architecture="one-to-many"), values | {"x": values["x"][:1]})
    x = np.concatenate([values["x"][:1], np.zeros((STEPS - 1, 2))])
    many = run(load(path), values | {"x": x})
    assert one.loss is not None and close(one.loss, many.loss)
    for name in one.gradients:
        due = many.gradients[name][:1] if name == "x" else many.gradients[name]
        assert close(one.gradients[name], due), name


def test_targets_fed_back_are_inputs_one_step_late() -> None:
    values = numbers(load("gru"))
    one = run(load("gru", architecture="one-to-many", feed="target"), values | {"x": values["x"][:1]})
    many = run(load("gru"), values | {"x": np.concatenate([values["x"][:1], values["y"][:-1]])})
    assert close(one.loss, many.loss)
    assert all(close(one.gradients[n], many.gradients[n]) for n in one.gradients if n != "x")


def test_outputs_fed_back_are_inputs_one_step_late_and_carry_a_path() -> None:
    values = numbers(load("gru"))
    one = run(load("gru", architecture="one-to-many", feed="output"), values | {"x": values["x"][:1]})
    assert one.yhat is not None
    many = run(load("gru"), values | {"x": np.concatenate([values["x"][:1], one.yhat[:-1]])})
    assert close(one.loss, many.loss) and close(one.states["a"], many.states["a"])
    assert not any(close(one.gradients[n], many.gradients[n]) for n in one.gradients if n != "x")


def test_many_to_one_is_the_last_step() -> None:
    values = numbers(load("lstm"))
    one = run(load("lstm", architecture="many-to-one"), values | {"y": values["y"][-1:]})
    many = run(load("lstm"), values)
    assert one.yhat is not None and many.yhat is not None
    assert close(one.yhat, many.yhat[-1:]) and close(one.states["c"], many.states["c"])


def test_one_to_one_is_one_step() -> None:
    values = numbers(load("lstm"))
    values |= {"x": values["x"][:1], "y": values["y"][:1]}
    one, many = run(load("lstm", architecture="one-to-one"), values, 1), run(load("lstm"), values, 1)
    assert close(one.loss, many.loss)
    assert all(close(one.gradients[n], many.gradients[n]) for n in many.gradients)


def test_an_encoder_hands_its_state_to_the_decoder() -> None:
    """With equal weights the trajectory is that of one network whose input ends after T_x steps."""
    values = numbers(load("gru"))
    both = {f"{prefix}_{name}": array for name, array in values.items() for prefix in ("enc", "dec")}
    given = both | {"x": values["x"][:2], "a0": values["a0"]} | {"y": values["y"][:1]}
    one = run(load("gru", architecture="encoder-decoder"), given, (2, 1))
    many = run(load("gru"), values | {"x": np.concatenate([values["x"][:2], np.zeros((1, 2))])})
    assert one.yhat is not None and many.yhat is not None
    assert close(one.states["a"], many.states["a"]) and close(one.yhat, many.yhat[-1:])


# ----------------------------------------------------------------------------- what makes no sense


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "sideways"}, "architecture: expected one of the five, found 'sideways'"),
        ({"architecture": "one-to-many", "feed": "input"}, "feed: expected none, output or target, found"),
        ({"architecture": "encoder-decoder", "output": ()}, "encoder-decoder needs a model with an output"),
        ({"architecture": "one-to-many", "output": ()}, "one-to-many needs a model with an output"),
    ],
)
def test_an_impossible_layout_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DerivationError, match=message):
        schedule(replace(load("vanilla"), **changes))


@pytest.mark.parametrize("architecture", ["one-to-many", "encoder-decoder"])
def test_a_scalar_output_cannot_stand_for_the_input(architecture: str, cell: Cell) -> None:
    path = cell('a = ["n_a"]', 'a = "tanh(W @ a[t-1] + U @ x)"', "sum(V @ a)")
    model = load(path, architecture=architecture)
    assert schedule(model).y == Symbol("y", ())
    with pytest.raises(DerivationError, match="feed: expected an output that is a vector, found a scalar"):
        schedule(replace(model, feed="output"))


def test_without_an_output_no_step_has_one() -> None:
    model = replace(load("vanilla"), output=(), loss=None)
    plan = schedule(model)
    assert plan.y is None and plan.y_steps is None
    assert plan.parameters == tuple(Parameter(p.name, p.shape) for p in model.parameters if p.name in CELL)


SILENT = """
name = "silent"
[sizes]
n_x = "inputs"
n_a = "units"
n_y = "outputs"
[inputs]
x = ["n_x"]
[states]
a = ["n_a"]
d = ["n_x"]
[parameters]
U = ["n_a", "n_x"]
V = ["n_y", "n_a"]
b = ["n_y"]
[equations]
u = "U @ x"
v = "u - u"
d = "0 * d[t-1]"
a = "tanh(u) + v"
[output]
w = "V @ (v + u)"
yhat = "w + b + sum(v) + sum(d)"
"""


@pytest.mark.parametrize("architecture, feed", LAYOUTS)
def test_what_is_read_has_been_written(tmp_path: Path, architecture: str, feed: str) -> None:
    """States have a value at every step, and whatever else is read is defined in its segment."""
    (tmp_path / "silent.toml").write_text(SILENT)
    for cell in (tmp_path / "silent.toml", "lstm"):
        model = load(cell, architecture=architecture, feed=feed)
        plan = schedule(model)
        before: set[str] = set()
        for segment in plan.segments:
            defined = {d.name for d in segment.definitions}
            known = {"x", "y"} | (before if segment.readout else set())
            for d in segment.definitions:
                assert {s.name for s in symbols(d.value) if s.lag == 0} <= known | defined, d.name
            if not segment.readout:
                assert {state.name for state in plan.states} <= defined
            before = defined
