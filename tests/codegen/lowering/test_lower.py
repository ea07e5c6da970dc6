"""The gate from the derivation: programs mean what the equations say, by complex-step differentiation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy

from chalkgrad import derive
from chalkgrad.codegen import numpy_twin
from chalkgrad.codegen.lowering.lower import functions_of, lower, scalar
from chalkgrad.codegen.program.interface import Array, Counts, Interface
from chalkgrad.codegen.program.interpret import interpret
from chalkgrad.codegen.program.ir import (
    Arg,
    Assign,
    Block,
    Call,
    Const,
    Extent,
    Layout,
    Program,
    Role,
    Select,
    Span,
    statements,
)
from chalkgrad.derive.terms.algebra import arg, size_symbol
from chalkgrad.derive.terms.functions import leaky_relu, relu, sigmoid
from tests.codegen.calls import (
    Arguments,
    arguments,
    compare,
    everything,
    fixed,
    interface_of,
    interpreted,
    lowered,
    steps,
)

H = 1e-30  # of the complex step: no difference is taken, so nothing cancels
B = 3
SIZES = {"n_x": 2, "n_a": 4, "n_y": 5}


def _forward(face: Interface, program: Program, a: Arguments, step: Mapping[str, Array]) -> dict[str, Array]:
    """The results of `program` at the arguments + i H step, by canonical name."""
    assert face.sizes is not None
    T_x, T_y, length = steps(face)
    given = {
        **{name: value.astype(complex) for name, value in a.params.items()},
        "x": a.x.astype(complex),
        **{f"{s}0": value.astype(complex) for s, value in a.initial.items()},
    }
    for name, direction in step.items():
        given[name] = given[name] + 1j * H * direction
    y = {} if a.y is None else {"y": a.y.astype(complex)}
    out = {} if face.yhat is None else {"yhat": (T_y, B, *(face.sizes[s] for s in face.yhat))}
    shapes = {f"states.{s}": (length + 1, B, face.sizes[n]) for s, n in face.states.items()} | out
    results = {"loss": np.zeros(1, complex)} | {n: np.zeros(s, complex) for n, s in shapes.items()}
    pair = face.architecture == "encoder-decoder"
    last_x, last_y = (a.lengths or (None, None)) if pair else (a.lengths, a.lengths)
    lengths = {"last_x": last_x, "last_y": last_y}
    count = T_y if face.yhat is not None else 0
    interpret(program, face.sizes, Counts(T_x, count, B), given | y | results | lengths, complex)
    return results


def _hold_to_complex_step(derivation: derive.Derivation, sizes: Mapping[str, int], seed: int) -> None:
    """Both gradients along a random direction of everything that there is to differentiate by."""
    face = fixed(interface_of(derivation, sizes))
    a = arguments(face, seed, lengths=seed % 2 == 0, B=B)
    programs = lowered(derivation)
    grads = everything(interpreted(face, programs), a)
    rng = np.random.default_rng(seed)
    differentiable = {**a.params, "x": a.x, **{f"{s}0": v for s, v in a.initial.items()}}
    step = {name: rng.standard_normal(np.shape(v)) for name, v in differentiable.items()}

    def along(prefix: str) -> float:
        return float(sum(np.sum(grads[f"{prefix} {name}"] * d) for name, d in step.items()))

    ahead = _forward(face, programs["forward"], a, step)
    slopes = {name: value.imag / H for name, value in ahead.items()}
    expected = sum(np.sum(a.dstates[s] * slopes[f"states.{s}"][1:]) for s in face.states)
    if a.dyhat is not None:
        expected += np.sum(a.dyhat * slopes["yhat"])
    assert along("vjp") == pytest.approx(float(expected), rel=1e-9, abs=1e-9)
    if a.y is not None:
        loss = _forward(face, programs["loss_and_grad"], a, step)["loss"]
        assert along("d") == pytest.approx(float(loss[0].imag / H), rel=1e-9, abs=1e-9)
        assert everything(interpreted(face, programs), a)["loss"] == pytest.approx(float(loss[0].real))


@pytest.mark.parametrize("name", derive.builtin_names())
def test_gradients_of_the_built_in_cells(name: str) -> None:
    model = derive.load(name)
    _hold_to_complex_step(derive.bptt(model), dict(zip(model.sizes, (2, 4, 5, 6), strict=False)), 2)


def test_the_complex_step_finds_a_wrong_sign() -> None:
    derivation = derive.bptt(derive.load("vanilla"))
    (phase,) = derivation.phases
    adjoint = tuple(
        replace(e, terms=tuple(replace(t, expr=_negative(t.expr)) for t in e.terms))
        if e.target.name == "z_a"
        else e
        for e in phase.adjoint
    )
    wrong = replace(derivation, phases=(replace(phase, adjoint=adjoint),))
    with pytest.raises(AssertionError):
        _hold_to_complex_step(wrong, SIZES, 2)


def _negative(expr: Any) -> Any:
    return derive.terms.algebra.elementwise(lambda v: -v, (expr,))


# ----------------------------------------------------------------------------- what is lowered


def test_functions_of_a_model_without_output() -> None:
    with_output = derive.bptt(derive.load("vanilla"))
    assert functions_of(with_output) == ("loss_and_grad", "forward", "vjp")
    with pytest.raises(ValueError, match="function"):
        lower(with_output, "backward")


_DEAD = """
name = "dead"
[sizes]
n_x = "a"
n_a = "b"
n_y = "c"
[inputs]
x = ["n_x"]
[states]
a = ["n_a"]
[parameters]
W_a = ["n_a", "n_a"]
b_y = ["n_y"]
s = []
[equations]
a = "tanh(W_a @ a[t-1]) * s"
[output]
yhat = "sigmoid(b_y)"
"""


@pytest.fixture
def dead(tmp_path: Path) -> derive.Derivation:
    """A cell whose loss depends neither on its state nor on its input."""
    (tmp_path / "dead.toml").write_text(_DEAD)
    return derive.bptt(derive.load(tmp_path / "dead.toml"))


def test_what_has_no_path_to_the_loss_has_gradient_zero(dead: derive.Derivation) -> None:
    face = fixed(interface_of(dead, SIZES))
    a = arguments(face, 1, B=B)
    results = everything(interpreted(face, lowered(dead)), a)
    for name in ("W_a", "s", "x", "a0"):
        assert not results[f"d {name}"].any()
    assert results["d b_y"].all() and results["vjp W_a"].any()
    compare(results, everything(numpy_twin(dead), a), 1e-12)


def test_the_loss_has_no_part_in_vjp(dead: derive.Derivation) -> None:
    """Also where it is the parameter itself that the loss reads."""
    face = fixed(interface_of(dead, SIZES))
    a = arguments(face, 1, B=B)
    assert a.dyhat is not None
    vjp = everything(interpreted(face, lowered(dead)), a)["vjp b_y"]
    p = 1 / (1 + np.exp(-a.params["b_y"]))
    assert vjp == pytest.approx(a.dyhat.sum(axis=(0, 1)) * p * (1 - p))


def test_only_what_is_read_again_is_kept_over_time() -> None:
    program = lower(derive.bptt(derive.load("vanilla")), "loss_and_grad")
    kept = {n for n, b in program.buffers.items() if b.layout is Layout.TIME and b.role is Role.WORK}
    assert kept == {"a", "yhat", "delta_a"}
    forward = lower(derive.bptt(derive.load("vanilla")), "forward")
    assert not [b for b in forward.buffers.values() if b.layout is Layout.TIME and b.role is Role.WORK]


def test_blocks_run_forwards_then_backwards() -> None:
    model = derive.load("vanilla", architecture="many-to-one")
    program = lower(derive.bptt(model), "loss_and_grad")
    blocks = [s for s in program.body if isinstance(s, Block)]
    assert [(b.span, b.reverse) for b in blocks] == [
        (Span.ONCE, False),
        (Span.EACH, False),
        (Span.LAST, False),
        (Span.LAST, True),
        (Span.EACH, True),
        (Span.ONCE, False),
    ]


def test_every_equation_is_in_the_notes_once_or_twice() -> None:
    """Every number of the derivation is the number of a statement, and every note names its buffer."""
    derivation = derive.bptt(derive.load("gru"))
    program = lower(derivation, "loss_and_grad")
    notes = [s.note for s in statements(program.body) if isinstance(s, Assign)]
    numbered = {int(n[1 : n.index(")")]) for n in notes if n.startswith("(")}
    only_loss = derivation.towards("loss")
    due = {e.number for p in only_loss.phases for e in p.forward}
    due |= {e.number for p in only_loss.phases for e in p.adjoint}
    due |= {g.number for g in only_loss.parameter_gradients}
    assert numbered == due


Z, W = arg(0), arg(1)


@pytest.mark.parametrize(
    "body, expected",
    [
        (Z - W, Call("sub", (Arg(0), Arg(1)))),
        (-Z, Call("neg", (Arg(0),))),
        (sympy.Rational(1, 4), Const(Fraction(1, 4))),
        (Z / 3, Call("mul", (Const(Fraction(1, 3)), Arg(0)))),
        (Z**-2, Call("div", (Const(Fraction(1)), Call("power", (Arg(0), Const(Fraction(2))))))),
        (sympy.sqrt(Z), Call("sqrt", (Arg(0),))),
        (Z / size_symbol("n_a"), Call("div", (Arg(0), Extent("n_a")))),
        (sigmoid(Z), Call("sigmoid", (Arg(0),))),
        (
            leaky_relu(Z).doit(),
            Select("le", Arg(0), Const(Fraction(0)), Call("mul", (Const(Fraction(1, 100)), Arg(0))), Arg(0)),
        ),
        (relu(Z).diff(Z), Select("le", Arg(0), Const(Fraction(0)), Const(Fraction(0)), Const(Fraction(1)))),
    ],
)
def test_scalars(body: sympy.Expr, expected: object) -> None:
    assert scalar(body) == expected


def test_what_has_no_scalar_form_is_refused() -> None:
    for body in (sympy.erf(Z), Z**W, sympy.Piecewise((Z, sympy.Contains(Z, sympy.Reals)), (W, True))):
        with pytest.raises(TypeError, match="no scalar form"):
            scalar(body)
