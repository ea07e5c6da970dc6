"""The worked numbers are those of the compiled C, in every printed digit."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chalkgrad.codegen.building import toolchain
from chalkgrad.derive.cells.modelfile import load
from chalkgrad.derive.deriving.derivation import bptt
from chalkgrad.derive.documents.content import Wanted, content
from chalkgrad.derive.documents.example import PRINTED, example
from chalkgrad.derive.documents.tree import Document, Equations, Line, Listing, Section, Table
from chalkgrad.derive.errors import DerivationError
from chalkgrad.derive.publishing.document import loading
from chalkgrad.derive.terms.algebra import Role
from chalkgrad.derive.writing.tree import (
    Derivative,
    Fence,
    Matrix,
    Name,
    Node,
    Number,
    Objective,
    Op,
    Par,
    Row,
    Transposed,
)
from tests.agreement.cells import PEEPHOLE
from tests.chosen import together
from tests.promises import Promise
from tests.quick import flags_at

CASES: dict[str, tuple[str, dict[str, str], Any]] = {
    "one-to-one": ("vanilla", {"architecture": "one-to-one", "h": "softmax"}, None),
    "one-to-many": ("vanilla", {"architecture": "one-to-many", "feed": "output"}, 3),
    "one-to-many-target": ("vanilla", {"architecture": "one-to-many", "feed": "target", "g": "relu"}, 3),
    "many-to-one": ("vanilla", {"architecture": "many-to-one", "loss": "cross_entropy"}, 3),
    "many-to-many": ("vanilla", {}, 2),
    "encoder-decoder": ("vanilla", {"architecture": "encoder-decoder", "feed": "output"}, (2, 3)),
    "gru": ("gru", {"h": "softmax"}, 2),
    "lstm": ("lstm", {"h": "identity"}, 3),
    "scalar parameters": ("", {"h": "softmax", "g": "relu", "loss": "squared_error"}, 2),
}


KEPT = ("many-to-one", "encoder-decoder", "scalar parameters")


@pytest.fixture(scope="module", params=together("example", CASES, KEPT.__contains__))
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    name, choices, T = CASES[request.param]
    if not name:
        file = tmp_path_factory.mktemp("cell") / "peephole.toml"
        file.write_text(PEEPHOLE, encoding="utf-8")
        name = str(file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(toolchain, "FLAGS", flags_at("-O0"))
        yield Case(name, choices, T)


class Case:
    """A document, and what the program that it lists computes."""

    def __init__(self, name: str, choices: dict[str, str], T: Any) -> None:
        model = load(name, **choices)
        self.derivation, self.T = bptt(model), T
        self.document = content(self.derivation, Wanted(T, pictures=False), loading(model))
        self.listing = next(b for b in section(self.document).blocks if isinstance(b, Listing))
        self.listed: dict[str, Any] = {}
        with contextlib.redirect_stdout(io.StringIO()):
            exec("\n".join(self.listing.lines), self.listed)
        self.states = [s.name for s in self.derivation.schedule.states]
        names = [p.name for p in self.derivation.schedule.parameters]
        given = example(self.derivation, T)
        initial = {k: np.array(given.data.initial[k].entries, dtype=float) for k in self.states}
        rnn, x, y = (self.listed[k] for k in ("rnn", "x", "y"))
        wanted = [*names, "x", *(f"{s}0" for s in self.states)]
        self.loss, self.grads = rnn.loss_and_grad(self.listed["params"], x, y, initial=initial, wrt=wanted)
        fed = {"y": y} if self.derivation.model.feed == "target" else {}
        steps = {} if self.derivation.schedule.y_steps is None else {"steps": len(y)}
        needs = self.derivation.model.architecture in ("one-to-many", "encoder-decoder") and not fed
        extra = fed | (steps if needs else {})
        self.yhat, self.values = rnn.forward(self.listed["params"], x, initial=initial, **extra)
        self.x_steps = list(given.extent.span(self.derivation.schedule.x_steps))
        assert self.derivation.schedule.y_steps is not None
        self.y_steps = list(given.extent.span(self.derivation.schedule.y_steps))

    def computed(self, left: Node) -> Any:
        """What the C has for the left side of a line; None for what it keeps to itself."""
        match left:
            case Objective(step=None):
                return self.loss
            case Derivative(of=Objective(step=None), by=Par(name=name)):
                return self.grads[name]
            case Derivative(of=Objective(step=None), by=Name(name=name, step=0)):
                return self.grads[f"{name}0"]
            case Name(name="yhat", step=t, role=Role.VALUE) if t in self.y_steps:
                return self.yhat[self.y_steps.index(int(t))]
            case Name(name="x", step=t, role=Role.COTANGENT):
                return self.grads["x"][self.x_steps.index(int(t))]
            case Name(name=name, step=t, role=Role.VALUE) if name in self.states and t is not None:
                return self.values[name][int(t) - 1]
            case _:
                return None


def section(document: Document) -> Section:
    return next(s for s in document.sections if s.key == "numbers")


def lines(document: Document) -> list[Line]:
    return [x for b in section(document).blocks if isinstance(b, Equations) for x in b.lines]


def shown(right: Node) -> list[list[Decimal]]:
    """The numbers behind ≈, row by row."""
    match right:
        case Row(items=(*_, Op(sign="≈"), last)):
            return shown(last)
        case Number(text=text, power=power):
            return [[Decimal(text.replace("−", "-") or "1").scaleb(power or 0)]]
        case Transposed(base=base):
            return [list(column) for column in zip(*shown(base), strict=True)]
        case Fence(body=Row(items=items)):
            return [[shown(item)[0][0] for item in items if item != Op(",")]]
        case Matrix(rows=rows):
            return [[shown(cell)[0][0] for cell in cells] for cells in rows]
        case _:
            raise TypeError(type(right).__name__)


def agrees(printed: Decimal, value: float) -> bool:
    """Whether a number is `value` rounded to the digits it is printed with."""
    if printed == 0:
        return abs(value) < 1e-14
    half = Decimal(5).scaleb(int(printed.as_tuple().exponent) - 1)
    return abs(printed - Decimal(value)) <= half + abs(printed) * Decimal("1e-12")


def test_the_comparison_can_fail() -> None:
    right, wrong = Decimal("0.123456"), Decimal("0.123457")
    assert agrees(right, 0.1234561) and not agrees(wrong, 0.1234561)
    assert agrees(Decimal("12.3400"), 12.34001) and not agrees(Decimal("12.3400"), 12.3401)
    assert shown(Matrix(((Number("-1.5"), Number("2", -3)),))) == [[Decimal("-1.5"), Decimal("0.002")]]


def test_every_printed_digit_is_that_of_the_compiled_c(case: Case, promise: Promise) -> None:
    compared: dict[str, int] = {}
    count, off = 0, []
    for line in lines(case.document):
        if line.equality is None or line.left is None or (value := case.computed(line.left)) is None:
            continue
        computed = np.array(value, dtype=float)
        printed = shown(line.right)
        if computed.ndim < 2:
            computed = computed.reshape(-1, 1)
        assert computed.shape == (len(printed), len(printed[0]))
        for row, numbers in zip(printed, computed.tolist(), strict=True):
            for number, exact in zip(row, numbers, strict=True):
                count, off = count + 1, off + ([] if agrees(number, exact) else [(line.left, number, exact)])
                assert number == 0 or len(number.as_tuple().digits) == PRINTED
        kind = type(line.left).__name__
        compared[kind] = compared.get(kind, 0) + 1
    promise.none("printed numbers that are not those of the compiled C", off, count)
    parameters, states = len(case.derivation.schedule.parameters), len(case.states)
    assert compared["Objective"] == 1
    assert compared["Derivative"] == parameters + states
    steps = len(next(iter(case.values.values())))
    assert compared["Name"] == len(case.y_steps) + len(case.x_steps) + states * steps


def test_the_listed_program_prints_the_same_gradients(case: Case) -> None:
    """It is run as it is shown, and nothing else is needed to run it."""
    grads, loss = case.listed["grads"], case.listed["loss"]
    assert set(grads) == {p.name for p in case.derivation.schedule.parameters}
    assert loss == case.loss
    for name, gradient in grads.items():
        assert np.array_equal(gradient, case.grads[name])
    assert {"params", "x", "y", "rnn"} <= set(case.listed)


def test_the_listed_numbers_are_the_given_ones(case: Case) -> None:
    """Parameters, initial states, inputs and targets: those above the example and those in the program."""
    given = {line.left: shown(line.right) for line in lines(case.document) if line.equality is None}
    for name, value in case.listed["params"].items():
        rows = np.array(value, dtype=float)
        assert np.array_equal(_array(given.pop(Par(name))), rows.reshape(-1, 1) if rows.ndim < 2 else rows)
    for name, steps in (("x", case.x_steps), ("y", case.y_steps)):
        for t, values in zip(steps, case.listed[name], strict=True):
            assert np.array_equal(_array(given.pop(Name(name, t))).ravel(), values)
    assert set(given) == {Name(s, 0) for s in case.states}


def _array(rows: list[list[Decimal]]) -> Any:
    return np.array([[float(v) for v in row] for row in rows])


def test_the_gradient_check_falls_with_the_square_of_the_step(case: Case) -> None:
    """One row for each parameter; each error is about 10⁻⁴ of that in the column before, or zero."""
    check = next(s for s in case.document.sections if s.key == "check")
    table = next(b for b in check.blocks if isinstance(b, Table))
    assert len(table.rows) == len(case.derivation.schedule.parameters)
    numbers = [[cell.parts[0] for cell in row[2:]] for row in table.rows]
    errors = [[float(shown(n)[0][0]) for n in row if isinstance(n, Node)] for row in numbers]
    assert all(len(row) == 3 for row in errors) and any(row[0] > 0 for row in errors)
    for larger, smaller in (pair for row in errors for pair in pairwise(row)):
        assert larger == smaller == 0 or 0.8e-4 < smaller / larger < 1.25e-4


def test_numerator_layout_turns_the_numbers() -> None:
    derivation = bptt(load("vanilla"))
    gradient, jacobian = (
        {line.left: shown(line.right) for line in lines(content(derivation, wanted, "")) if line.equality}
        for wanted in (Wanted(pictures=False), Wanted(layout="jacobian", pictures=False))
    )
    turned = [left for left in gradient if jacobian[left] != gradient[left]]
    assert all(jacobian[x] == [list(c) for c in zip(*gradient[x], strict=True)] for x in turned)
    assert {type(left) for left in turned} == {Name, Derivative}
    assert not any(isinstance(left, Name) and left.role is Role.VALUE for left in turned)


def test_only_what_is_asked_for_is_printed() -> None:
    document = content(bptt(load("vanilla")), Wanted(wrt=("W_ax", "a0"), pictures=False), "")
    found = [x.left for x in lines(document) if isinstance(x.left, Derivative)]
    assert [node.by for node in found if isinstance(node, Derivative)] == [Par("W_ax"), Name("a", 0)]


def test_an_example_without_a_finite_loss_says_so(tmp_path: Path) -> None:
    """log of what is never positive."""
    file = tmp_path / "never.toml"
    file.write_text(
        'name = "never"\ntitle = "never"\n[sizes]\nn = "n"\n[inputs]\nx = ["n"]\n[states]\na = ["n"]\n'
        '[parameters]\nW = ["n", "n"]\n[equations]\na = "W @ a[t-1] + x"\n'
        '[output]\nyhat = "log(-square(a))"\n'
    )
    with pytest.raises(DerivationError, match="never: "):
        example(bptt(load(file)), None)
