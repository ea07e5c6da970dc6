"""The derivation of whole models: complete, numbered, symbolic, and right for cells of every kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from chalkgrad import derive
from chalkgrad.derive.cells.modelfile import builtin_names, load
from chalkgrad.derive.deriving.architecture import T, T_x, T_y
from chalkgrad.derive.deriving.derivation import LOSS, OUTSIDE, Adjoint, Derivation, Gradient, bptt, derived
from chalkgrad.derive.errors import ChoiceError
from chalkgrad.derive.terms.algebra import (
    Expr,
    Map,
    Outer,
    Parameter,
    Reduce,
    Role,
    Symbol,
    arg_index,
    parameters,
    shifted,
    symbols,
)
from chalkgrad.derive.terms.trees import walk

LAYOUTS = (
    ("one-to-one", "none"),
    ("many-to-one", "none"),
    ("many-to-many", "none"),
    *product(("one-to-many", "encoder-decoder"), derive.FEEDS),
)
BUILTIN = [(name, *layout) for name in builtin_names() for layout in LAYOUTS]

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
b = ["n_a"]
gain = []
rate = []
[equations]
{equations}
"""
HEAD = '[output]\nyhat = "softmax(V @ a)"\n'
ONE, TWO = 'a = ["n_a"]', 'a = ["n_a"]\nd = ["n_a"]'
Cell = Callable[..., Path]


@pytest.fixture
def cell(tmp_path: Path) -> Cell:
    def written(states: str, equations: str, head: str = HEAD) -> Path:
        path = tmp_path / "cell.toml"
        path.write_text(FILE.format(states=states, equations=equations) + head)
        return path

    return written


@cache
def built(name: str, architecture: str, feed: str) -> Derivation:
    return bptt(load(name, h="softmax", architecture=architecture, feed=feed))


def adjoints(d: Derivation) -> Iterator[Adjoint]:
    return (e for p in d.phases for e in p.adjoint)


def adjoint(d: Derivation, name: str, phase: int = 0) -> Adjoint:
    (found,) = (e for e in d.phases[phase].adjoint if e.target.name == name)
    return found


def backward_exprs(d: Derivation) -> list[Expr]:
    found = [t.expr for e in adjoints(d) for t in e.terms]
    return found + [s.expr for g in d.parameter_gradients for s in g.sums]


def exprs(d: Derivation) -> list[Expr]:
    return [f.value for p in d.phases for f in p.forward] + backward_exprs(d)


# ----------------------------------------------------------------------------- numbers and rules


@pytest.mark.parametrize(("name", "architecture", "feed"), BUILTIN)
def test_equations_are_numbered_in_reading_order(name: str, architecture: str, feed: str) -> None:
    """1, 2, … without a gap: forward, adjoint, gradients, then what only a cotangent from outside needs."""
    d = built(name, architecture, feed)
    shown = d.towards(LOSS)
    needed = {(i, e.target) for i, p in enumerate(shown.phases) for e in p.adjoint}
    split: dict[bool, list[int]] = {True: [], False: []}
    for i, phase in enumerate(d.phases):
        for equation in phase.adjoint:
            split[(i, equation.target) in needed].append(equation.number)
    numbers = [f.number for p in d.phases for f in p.forward] + split[True]
    numbers += [g.number for g in d.parameter_gradients] + split[False]
    numbers += [g.number for n, g in d.gradients.items() if n not in {p.name for p in d.schedule.parameters}]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize(("name", "architecture", "feed"), BUILTIN)
def test_every_equation_has_a_rule(name: str, architecture: str, feed: str) -> None:
    d = built(name, architecture, feed)
    assert all(f.rule for p in d.phases for f in p.forward)
    assert all(e.rule and e.terms and all(t.rule for t in e.terms) for e in adjoints(d))
    assert all(g.sums and all(s.rule for s in g.sums) for g in d.parameter_gradients)
    assert {t.seed for e in adjoints(d) for t in e.terms} == {"", LOSS, OUTSIDE}


def test_the_rules_of_the_vanilla_network() -> None:
    d = bptt(load("vanilla"))
    assert [f.rule for f in d.phases[0].forward] == [
        "pre-activation", "definition", "pre-activation", "definition", "loss of one step",
    ]  # fmt: skip
    assert [t.rule for t in adjoint(d, "a").terms] == [
        "cotangent from outside", "product with W_ya", "product with W_aa",
    ]  # fmt: skip
    assert adjoint(d, "a").rule == "sum of three paths" and adjoint(d, "z_a").rule == "one path"
    assert adjoint(d.towards(LOSS), "a").rule == "sum of two paths"
    assert adjoint(bptt(load("lstm")), "a").rule == "sum of 6 paths"


# ----------------------------------------------------------------------------- shapes and symbols


@pytest.mark.parametrize(("name", "architecture", "feed"), BUILTIN)
def test_every_gradient_is_there_with_its_shape(name: str, architecture: str, feed: str) -> None:
    d = built(name, architecture, feed)
    plan, found = d.schedule, d.gradients
    assert list(found) == [*(p.name for p in plan.parameters), "x", *(f"{s.name}0" for s in plan.states)]
    assert all(gradient.sums for gradient in found.values())
    for gradient in found.values():
        for part in gradient.sums:
            assert part.expr.shape == gradient.shape == gradient.of.shape
    for equation in adjoints(d):
        assert {t.expr.shape for t in equation.terms} == {equation.target.shape}


@pytest.mark.parametrize(("name", "architecture", "feed"), BUILTIN)
def test_steps_and_sizes_stay_symbolic(name: str, architecture: str, feed: str) -> None:
    """Every dimension is a size by name; how many steps there are is in no equation."""
    d = built(name, architecture, feed)
    sizes = set(d.model.sizes)
    for node in (n for expr in exprs(d) for n in walk(expr)):
        assert set(node.shape) <= sizes
        if isinstance(node, Map):
            free = {s.name for s in node.body.free_symbols if arg_index(s) is None}
            assert free <= sizes
        if isinstance(node, Symbol):
            assert node.lag in (0, -1)
    steps = {"one-to-one": set(), "encoder-decoder": {T_x, T_y}}.get(architecture, {T})
    assert d.schedule.length.free_symbols == steps


def test_one_derivation_serves_every_number_of_steps() -> None:
    d = bptt(load("vanilla", architecture="many-to-one"))
    losses = [derive.unroll(d, T=steps, sizes={"n_a": steps}).loss for steps in (1, 2, 3)]
    assert len(set(losses)) == 3
    assert derive.prove(d, T=1) and derive.prove(d, T=7, sizes={"n_x": 2, "n_a": 4, "n_y": 3})


def test_a_term_is_written_at_the_step_of_its_consumer() -> None:
    """δa[t] has Wᵀ δz[t+1], held as Wᵀ δz[t] with lag 1."""
    d = bptt(load("vanilla"))
    here, next_step = adjoint(d, "a").terms[1:]
    assert (here.lag, next_step.lag) == (0, 1) and here.at_t == here.expr
    assert next_step.at_t == shifted(next_step.expr, 1)
    assert [(s.name, s.lag, s.role) for s in symbols(next_step.at_t)] == [("z_a", 1, Role.COTANGENT)]


@pytest.mark.parametrize(("name", "architecture", "feed"), BUILTIN)
def test_adjoint_equations_come_in_the_order_of_their_cotangents(
    name: str, architecture: str, feed: str
) -> None:
    """Within a step, a cotangent is complete before another equation reads it."""
    for phase in built(name, architecture, feed).phases:
        place = {e.target.name: i for i, e in enumerate(phase.adjoint)}
        for i, equation in enumerate(phase.adjoint):
            for term in (t for t in equation.terms if t.lag == 0):
                read = [s.name for s in symbols(term.expr) if s.role is Role.COTANGENT]
                assert all(place[n] < i for n in read)


def test_targets_and_shifts_carry_no_derivative() -> None:
    d = built("vanilla", "one-to-many", "target")
    shifts = {
        f.target.name
        for p in d.phases
        for f in p.forward
        if isinstance(f.value, Reduce) and f.value.kind == "max"
    }
    assert shifts == {"m_yhat"}
    assert not {e.target.name for e in adjoints(d)} & (shifts | {"y", "L"})


# ----------------------------------------------------------------------------- objectives


def reaches(d: Derivation, goal: str) -> set[str]:
    """The names with a path to `goal`, followed through the forward equations of the one phase."""
    (phase,) = d.phases
    found = {goal}
    while True:
        more = {s.name for f in phase.forward if f.target.name in found for s in symbols(f.value)}
        if more <= found:
            return found
        found |= more


@pytest.mark.parametrize("name", builtin_names())
def test_towards_the_loss_is_what_has_a_path_to_it(name: str) -> None:
    """ŷ of a fused loss is not among it: the loss reads the logits."""
    d = bptt(load(name, h="softmax"))
    assert d.loss is not None
    constant = {"L", "y", "m_yhat"}
    shown = d.towards(LOSS)
    assert {e.target.name for e in adjoints(shown)} == reaches(d, d.loss.name) - constant
    assert {e.target.name for e in adjoints(d)} - {e.target.name for e in adjoints(shown)} == {"yhat"}


SIDES = 'k = "tanh(b) * gain"\nd = "tanh(W @ d[t-1])"\na = "tanh(W @ a[t-1] + U @ x)"'


def test_towards_drops_only_what_has_no_path(cell: Cell) -> None:
    """k is read by nobody; the state d by itself alone, so only a cotangent from outside reaches it."""
    d = bptt(load(cell(TWO, SIDES)))
    loss, outside = d.towards(LOSS), d.towards(OUTSIDE)
    left = [{e.target.name for e in adjoints(one)} for one in (d, loss, outside)]
    assert left[0] - left[1] == {"u_k", "yhat", "d", "z_d"}
    assert {"d", "z_d", "yhat"} <= left[2] and "u_k" not in left[2]
    roles = {s.role for expr in backward_exprs(loss) for s in symbols(expr)}
    assert Role.EXTERNAL not in roles
    assert {t.seed for e in adjoints(outside) for t in e.terms} == {"", OUTSIDE}
    pairs = zip(d.parameter_gradients, loss.parameter_gradients, strict=True)
    uses = {g.name: (len(g.sums), len(h.sums)) for g, h in pairs}
    assert uses == {"W": (2, 1), "U": (1, 1), "V": (1, 1), "b": (1, 0), "gain": (1, 0)}
    assert loss.gradients["d0"].sums == () and loss.gradients["a0"].sums != ()


@pytest.mark.parametrize("objective", [LOSS, OUTSIDE])
@pytest.mark.parametrize(("name", "architecture", "feed"), BUILTIN[:: len(LAYOUTS) + 2])
def test_towards_twice_is_towards_once(name: str, architecture: str, feed: str, objective: str) -> None:
    d = built(name, architecture, feed)
    once = d.towards(objective)
    assert once.towards(objective) == once != d
    assert [p.forward for p in once.phases] == [p.forward for p in d.phases]


@pytest.mark.parametrize(("name", "architecture", "feed"), BUILTIN)
def test_an_objective_has_its_own_seed_and_no_other(name: str, architecture: str, feed: str) -> None:
    d = built(name, architecture, feed)
    for objective, other in ((LOSS, OUTSIDE), (OUTSIDE, LOSS)):
        left = d.towards(objective)
        seeds = {t.seed for e in adjoints(left) for t in e.terms}
        assert objective in seeds and other not in seeds


def test_a_decoders_first_step_is_not_reached_by_what_is_fed_in_later() -> None:
    """dec_W_ax is used from the second output on."""
    d = built("vanilla", "encoder-decoder", "output")
    assert [s.phase for s in d.gradients["dec_W_ax"].sums] == [2]
    assert [s.phase for s in d.gradients["dec_W_aa"].sums] == [1, 2]
    assert [s.phase for s in d.gradients["enc_W_aa"].sums] == [s.phase for s in d.gradients["x"].sums] == [0]
    assert d.carried == {"a", "yhat"} and built("vanilla", "encoder-decoder", "target").carried == {"a", "y"}
    assert any(t.lag == 1 for t in adjoint(d, "yhat", phase=2).terms)
    assert all(t.seed == OUTSIDE for t in adjoint(d, "yhat", phase=1).terms)


# ----------------------------------------------------------------------------- cells of one's own

CELLS = {
    "one state": (ONE, 'a = "tanh(W @ a[t-1] + U @ x + b)"'),
    "two states": (TWO, 'd = "sigmoid(W @ a[t-1] + U @ x)"\na = "d * d[t-1] + (1 - d) * tanh(W @ a[t-1])"'),
    "states that swap": (TWO, 'd = "tanh(a[t-1] + U @ x)"\na = "tanh(W @ d[t-1] + b)"'),
    "a matrix shared between uses": (TWO, 'd = "tanh(W @ d[t-1] + U @ x)"\na = "tanh(W @ a[t-1] + W.T @ d)"'),
    "a product used twice": (ONE, 'a = "tanh(W @ a[t-1] + U @ x) * sigmoid(W @ a[t-1] + b)"'),
    "scalar parameters": (ONE, 'a = "rate * a[t-1] + (1 - rate) * tanh(gain * (U @ x) + W @ a[t-1])"'),
    "a scalar of scalars": (ONE, 'k = "sigmoid(rate * gain)"\na = "k * tanh(U @ x) + k ** 2 * a[t-1]"'),
    "a scalar that depends on the state": (ONE, 'k = "mean(a[t-1] * b)"\na = "tanh(U @ x + k) - k * a[t-1]"'),
    "linear": (ONE, 'a = "W @ a[t-1] + U @ x"'),
    "names that are taken": (ONE, 'z_a = "U @ x"\nL = "W @ a[t-1]"\na = "tanh(z_a + L * b)"'),
}


@pytest.mark.parametrize("name", CELLS)
def test_the_gradients_of_a_cell_are_those_of_sympy(name: str, cell: Cell) -> None:
    """Of parameters, inputs and initial states, for sizes that all differ."""
    report = derive.prove(load(cell(*CELLS[name])), T=3, sizes={"n_x": 2, "n_a": 4, "n_y": 3})
    assert report, str(report)
    assert {e.name for e in report.entries} >= {"loss", "U", "V", "x", "a0"}


def test_a_readout_may_read_what_is_no_state(cell: Cell) -> None:
    """The cotangent of k arrives at the last step alone, where the output is."""
    head = '[output]\nyhat = "softmax(V @ k)"\n'
    d = bptt(load(cell(ONE, 'k = "tanh(W @ a[t-1])"\na = "k + U @ x"', head), architecture="many-to-one"))
    assert {e.target.name for e in d.towards(LOSS).phases[0].adjoint} == {"k", "z_k", "a", "x"}
    report = derive.prove(d, T=3, sizes={"n_x": 2, "n_a": 4, "n_y": 3})
    assert report, str(report)


def gradient(path: Path, name: str) -> Gradient:
    return bptt(load(path)).gradients[name]


def test_a_shared_matrix_has_one_sum_for_each_use(cell: Cell) -> None:
    """W a, W d and Wᵀ d: the last one's outer product is the other way round."""
    found = gradient(cell(*CELLS["a matrix shared between uses"]), "W")
    pairs = []
    for part in found.sums:
        assert isinstance(part.expr, Outer)
        sides = [next(symbols(side)) for side in (part.expr.left, part.expr.right)]
        pairs.append(tuple((s.name, s.lag, s.role) for s in sides))
    delta, value = Role.COTANGENT, Role.VALUE
    assert sorted(pairs, key=str) == [
        (("d", 0, value), ("z_a", 0, delta)),
        (("z_a", 0, delta), ("a", -1, value)),
        (("z_d", 0, delta), ("d", -1, value)),
    ]


def test_a_scalar_parameter_gets_a_sum_over_components(cell: Cell) -> None:
    found = gradient(cell(*CELLS["scalar parameters"]), "rate")
    assert found.shape == () and all(s.expr.shape == () for s in found.sums)
    assert all(isinstance(s.expr, Reduce) and s.expr.kind == "sum" for s in found.sums)


def test_a_state_gets_a_term_for_each_reading_a_step_later(cell: Cell) -> None:
    d = bptt(load(cell(*CELLS["states that swap"])))
    for state, reader in (("a", "z_d"), ("d", "z_a")):
        late = [t for t in adjoint(d, state).terms if t.lag]
        assert [{s.name for s in symbols(t.expr) if s.role is Role.COTANGENT} for t in late] == [{reader}]
        assert [s.expr for s in d.gradients[f"{state}0"].sums] == [t.expr for t in late]


def test_names_of_the_cell_come_before_ours(cell: Cell) -> None:
    """The cell has a z_a and an L of its own: what we add is called otherwise."""
    d = bptt(load(cell(*CELLS["names that are taken"])))
    names = [f.target.name for f in d.phases[0].forward]
    assert len(set(names)) == len(names) and {"z_a", "L", "z_a2", "L2"} <= set(names)
    assert d.loss == Symbol("L2", ()) and d.gradients["b"].sums


def test_a_model_without_an_output_is_derived_for_cotangents(cell: Cell) -> None:
    d = bptt(load(cell(ONE, CELLS["one state"][1], head="")))
    assert d.loss is None and list(d.gradients) == ["W", "U", "b", "x", "a0"]
    assert all(g.sums for g in d.gradients.values())
    numbers = [f.number for p in d.phases for f in p.forward] + [e.number for e in adjoints(d)]
    numbers += [g.number for g in d.gradients.values()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_every_parameter_has_a_gradient_from_where_it_is_read() -> None:
    """And from nowhere else: a phase contributes exactly if its forward equations read the parameter."""
    for name, architecture, feed in BUILTIN:
        d = built(name, architecture, feed)
        for found in d.parameter_gradients:
            assert isinstance(found.of, Parameter)
            readers = {
                i for i, p in enumerate(d.phases) for f in p.forward if found.of in set(parameters(f.value))
            }
            assert {s.phase for s in found.sums} == readers


# ----------------------------------------------------------------------------- what is no model


@pytest.mark.parametrize("wrong", ["gru", None, 3, Path("gru")])
@pytest.mark.parametrize(
    "call",
    [bptt, derive.prove, derive.unroll, derive.chain, lambda model: derive.evaluate(model, {}, sizes={})],
    ids=["bptt", "prove", "unroll", "chain", "evaluate"],
)
def test_what_is_no_model_is_named(call: Callable[[Any], object], wrong: object) -> None:
    with pytest.raises(ChoiceError, match="model: expected a Model, which load gives, received") as caught:
        call(wrong)
    assert (caught.value.argument, caught.value.received) == ("model", wrong)


def test_a_derivation_is_taken_as_it_is() -> None:
    d = bptt(load("vanilla"))
    assert derived(d) is d and derived(d.model) == d
    assert derive.unroll(d).loss == derive.unroll(d.model).loss
    with pytest.raises(ChoiceError, match="model"):
        bptt(d)  # type: ignore[arg-type]
