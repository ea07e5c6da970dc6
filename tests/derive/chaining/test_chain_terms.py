"""Every term and every factor of the chain rule is true, by numbers.

A term k is held to the derivative of the loss when the parameter moves at step k alone, by central
differences with 60 digits on the forward pass; the factors, as printed, to the terms; the sum to
`sympy.diff`.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import mpmath
import pytest
import sympy

from chalkgrad.derive.cells.modelfile import load
from chalkgrad.derive.chaining.chain import Chain, ChainWalk, chain
from chalkgrad.derive.chaining.jacobian import (
    Column,
    Diagonal,
    FactorProduct,
    Move,
    Number,
    Weight,
    edges,
    parameter_edges,
    parameter_paths,
    paths,
)
from chalkgrad.derive.chaining.unfold import Inlining, summed
from chalkgrad.derive.deriving.adjoint import pull
from chalkgrad.derive.deriving.derivation import Derivation
from chalkgrad.derive.deriving.loss import documented
from chalkgrad.derive.terms.algebra import Expr, constant
from chalkgrad.derive.values.expand import symbols, unroll
from chalkgrad.derive.values.reals import Reals, context, number, tape
from chalkgrad.derive.values.walk import Data, Tensor, Walk, named_equations
from tests.derive.chaining.test_chain import CASES, built, label, unwrapped

OWN = """
name = "own"
title = "A normalised cell with two states that shares a matrix"
[sizes]
n_x = "inputs"
n_q = "units"
n_y = "outputs"
[inputs]
x = ["n_x"]
[states]
s = ["n_q"]
p = ["n_q"]
[parameters]
U = ["n_q", "n_q"]
V = ["n_q", "n_x"]
C = ["n_y", "n_q"]
gain = []
b = ["n_q"]
[equations]
m = "mean(U @ s[t-1])"
v = "U @ s[t-1] - m"
w = "v / sqrt(mean(v ** 2) + 1e-5)"
gate = "sigmoid(gain * w + V @ x + b)"
s = "gate * tanh(U @ p[t-1]) + (1 - gate) * s[t-1]"
p = "U.T @ s + 0.5 * p[t-1]"
[output]
yhat = "softmax(C @ gate + C @ p[t-1] + C @ (U @ s))"
"""


DIGITS, STEP = 60, 20


def numbers(derivation: Derivation, at: Any, seed: int) -> Data[Any]:
    """Random data, all sizes different, no initial state zero."""
    rng, real = random.Random(seed), Reals(DIGITS).context

    def fill(tensor: Tensor[Any]) -> Tensor[Any]:
        entries = (
            number(Fraction(rng.choice([-1, 1]) * rng.randint(100, 900), 1000), real) for _ in tensor.entries
        )
        return Tensor(tensor.shape, tuple(entries))

    def fill_all(group: Any) -> Any:
        return {key: fill(tensor) for key, tensor in group.items()}

    data = symbols(derivation, at)
    y = {key: Tensor(t.shape, tuple(abs(v) for v in fill(t).entries)) for key, t in data.y.items()}
    return Data(fill_all(data.parameters), fill_all(data.initial), fill_all(data.x), y)


class MovedAtOneStep(Walk[Any]):
    """The forward pass with other parameters at step `k` alone."""

    def __init__(self, made: Chain, at: Any, data: Data[Any], k: int, moved: Data[Any]) -> None:
        self._k, self._base, self._moved = k, data, moved
        super().__init__(made.derivation, named_equations(made.derivation), at, Reals(DIGITS), data)

    def value(self, node: Expr, t: int) -> Tensor[Any]:
        self._data = self._moved if t == self._k else self._base
        return super().value(node, t)


def sizes_of(made: Chain) -> dict[str, int]:
    names = list(made.derivation.model.sizes)
    sizes = dict(zip(names, (3, 2, 2, 2, 2), strict=False))
    for one, other in made.derivation.schedule.tied:
        sizes[one] = sizes[other]
    return sizes


def slope(made: Chain, at: Any, data: Data[Any], k: int, entry: int) -> Any:
    """∂L⟨loss_step⟩/∂W_entry when W moves at step k alone."""
    real = Reals(DIGITS).context
    h = real.mpf(10) ** -STEP
    tensor = data.parameters[made.parameter.name]
    losses = []
    for sign in (1, -1):
        entries = list(tensor.entries)
        entries[entry] += sign * h
        moved = Tensor(tensor.shape, tuple(entries))
        there = replace(data, parameters={**data.parameters, made.parameter.name: moved})
        walk = MovedAtOneStep(made, at, data, k, there)
        assert made.derivation.loss is not None
        losses.append(walk.values[made.derivation.loss.name, made.loss_step].entries[0])
    return (losses[0] - losses[1]) / (2 * h)


def close(left: Sequence[Any], right: Sequence[Any]) -> bool:
    scale = max([abs(v) for v in (*left, *right)] + [mpmath.mpf(10) ** -30])
    return all(abs(p - q) <= scale * mpmath.mpf(10) ** -28 for p, q in zip(left, right, strict=True))


@pytest.mark.parametrize("case", CASES, ids=label)
def test_every_term_is_what_its_step_contributes(case: Any) -> None:
    check_terms(built(case))


def check_terms(made: Chain) -> None:
    at = made.sized(sizes_of(made))
    data = numbers(made.derivation, at, 7)
    walk = ChainWalk(made, at, Reals(DIGITS), data)
    count = len(data.parameters[made.parameter.name].entries)
    found = {term.k: walk.sum_of(term.terms).entries for term in made.terms}
    assert found
    for k in range(1, made.loss_step + 1):
        expected = [slope(made, at, data, k, entry) for entry in range(count)]
        assert close(found.get(k, (mpmath.mpf(0),) * count), expected), k


def matrix(walk: ChainWalk[Any], product: FactorProduct, step: int, moved: Tensor[Any] | None = None) -> Any:
    """A product of factors at `step` as an mpmath matrix; `moved` stands for the parameter's change."""
    real = Reals(DIGITS).context
    result = None
    for factor in product:
        match factor:
            case Number(value=value):
                piece = real.mpf(int(value.p)) / int(value.q)
            case Diagonal(expr=expr) if expr.shape:
                piece = real.diag(list(walk.value(expr, step).entries))
            case Diagonal(expr=expr):
                piece = walk.value(expr, step).entries[0]
            case Column(expr=expr, row=row):
                column = real.matrix(list(walk.value(expr, step).entries))
                piece = column.T if row else column
            case Weight(matrix=parameter, transposed=transposed):
                piece = as_matrix(walk.value(parameter, step))
                piece = piece.T if transposed else piece
            case Move(transposed=transposed):
                assert moved is not None
                piece = as_matrix(moved).T if transposed else as_matrix(moved)
        result = piece if result is None else result * piece
    return result


def as_matrix(tensor: Tensor[Any]) -> Any:
    rows, columns = (*tensor.shape, 1, 1)[:2]
    made = Reals(DIGITS).context.matrix(rows, columns)
    for i, value in enumerate(tensor.entries):
        made[i // columns, i % columns] = value
    return made


def stacked_step(made: Chain, walk: ChainWalk[Any], step: int) -> Any:
    """∂s⟨step⟩/∂s⟨step−1⟩ from the paths that the chain prints."""
    real = Reals(DIGITS).context
    graph = edges(made.derivation.phases[i] for i, _ in made.unfolded.active(step))
    sizes = [walk.extent.shape(s.shape)[0] for s in made.through]
    offset = {s.name: sum(sizes[:i]) for i, s in enumerate(made.through)}
    result = real.zeros(sum(sizes))
    for u, rows in zip(made.through, sizes, strict=True):
        for path in paths(graph, u.name):
            block = matrix(walk, path.factors, step)
            columns = dict(zip(offset, sizes, strict=True))[path.leaf]
            block = real.eye(rows) if block is None else block
            block = block if hasattr(block, "rows") else block * real.eye(rows)
            for i in range(rows):
                for j in range(columns):
                    result[offset[u.name] + i, offset[path.leaf] + j] += block[i, j]
    return result


def immediate(made: Chain, walk: ChainWalk[Any], step: int, moved: Tensor[Any]) -> Any:
    """∂⁺s⟨step⟩/∂W applied to `moved`."""
    real = Reals(DIGITS).context
    active = made.unfolded.active(step)
    graph = edges(made.derivation.phases[i] for i, _ in active)
    entries = parameter_edges(made.gradient, [i for i, _ in active])
    parts = []
    for component in made.through:
        total = real.zeros(walk.extent.shape(component.shape)[0], 1)
        for way in parameter_paths(graph, entries, component.name):
            total += matrix(walk, way, step, moved)
        parts.extend(total)
    return real.matrix(parts)


def loss_row(made: Chain, walk: ChainWalk[Any]) -> Any:
    """∂L/∂s, from the documented loss where ŷ is a component of s, through the output otherwise."""
    step, plan = made.loss_step, made.derivation.schedule
    yhat = next((s for s in made.through if s.name == "yhat"), None)
    entries: list[Any] = []
    found = made.unfolded.cotangents(stop={s.name for s in made.through})
    for component in made.through:
        zero = (mpmath.mpf(0),) * walk.extent.shape(component.shape)[0]
        if yhat is None:
            terms = found.get((component.name, step))
            entries.extend(zero if terms is None else walk_terms(made, walk, terms, found).entries)
        elif component == yhat:
            assert (
                made.derivation.model.loss is not None
                and plan.y is not None
                and made.derivation.loss is not None
            )
            formula = documented(made.derivation.model.loss, yhat, plan.y)
            pulled = pull(formula, constant(1), made.derivation.loss)
            parts = tuple(p.contribution for p in pulled if p.leaf == yhat)
            entries.extend(walk.value(summed(parts), step).entries)
        else:
            entries.extend(zero)
    return Reals(DIGITS).context.matrix(entries).T


def walk_terms(made: Chain, walk: ChainWalk[Any], terms: tuple[Expr, ...], known: Any) -> Tensor[Any]:
    return walk.sum_of(tuple(map(Inlining(known, ()).of, terms)))


@pytest.mark.parametrize("case", CASES, ids=label)
def test_the_factors_multiply_to_the_terms(case: Any) -> None:
    """∂L/∂s · ∂s/∂s ⋯ · ∂⁺s/∂W dW, each factor as it is printed, is the term in direction dW."""
    check_factors(built(case))


def check_factors(made: Chain) -> None:
    at = made.sized(sizes_of(made))
    data = numbers(made.derivation, at, 11)
    walk = ChainWalk(made, at, Reals(DIGITS), data)
    moved = numbers(made.derivation, at, 13).parameters[made.parameter.name]
    for term in made.terms:
        row = loss_row(made, walk)
        for step in range(made.loss_step, term.k, -1):
            row = row * stacked_step(made, walk, step)
        product = (row * immediate(made, walk, term.k, moved))[0, 0]
        found = walk.sum_of(term.terms).entries
        expected = sum(g * m for g, m in zip(found, moved.entries, strict=True))
        assert close([product], [expected]), term.k


@pytest.mark.parametrize("parameter", ["U", "V", "C", "gain", "b"])
def test_a_cell_of_ones_own(parameter: str, tmp_path: Path) -> None:
    """The output reads a gate and an old state, so ŷ is a component of s; the step is told line by line."""
    file = tmp_path / "own.toml"
    file.write_text(OWN)
    made = chain(load(file), 3, None, parameter)
    assert [component.name for component in made.through] == ["s", "p", "yhat"]
    check_terms(made)
    check_factors(made)
    text = unwrapped(made.latex())
    handed_on = r"s^{<t>}\text{, }p^{<t>}\text{, }\hat{y}^{<t>}"
    assert rf"q^{{<t>}}\text{{ stacks what a step hands on: }}{handed_on}\text{{." in text
    assert r"\mathbf{1}^{\top}" in text and r"\mathrm{gain}" in text


@pytest.mark.parametrize(
    ("choices", "sizes", "parameter"),
    [
        ({}, None, "W_aa"),
        ({"h": "softmax"}, {"n_y": 2}, "W_aa"),
        ({}, {"n_a": 2}, "W_ax"),
    ],
)
def test_the_terms_sum_to_the_gradient(
    choices: dict[str, str], sizes: dict[str, int] | None, parameter: str
) -> None:
    """Σ values == sympy.diff of L⟨2⟩, which is the loss of two steps less that of one."""
    model = load("vanilla", **choices)
    two, one = unroll(model, 2, sizes), unroll(model, 1, sizes)
    total = sum(
        chain(model, 2, 2, parameter).values(sizes)[1:], chain(model, 2, 2, parameter).values(sizes)[0]
    )
    rng = random.Random(3)
    free = sorted(two.loss.free_symbols, key=str)
    real = context(DIGITS)
    point = [real.mpf(rng.randint(100, 900)) / 1000 for _ in free]
    for entry, symbol in zip(total, two.parameters[parameter], strict=True):
        expected = sympy.diff(two.loss - one.loss, symbol)
        (found,), (wanted,) = (tape([e], free, real)(*point) for e in (entry, expected))
        assert close([found], [wanted])


def test_the_scalar_terms_are_identical_to_the_gradient() -> None:
    model = load("vanilla")
    loss = unroll(model, 2).loss - unroll(model, 1).loss
    total = sum(matrix[0] for matrix in chain(model, 2, 2, "W_aa").values())
    difference = total - sympy.diff(loss, unroll(model, 2).parameters["W_aa"][0])
    free = {f: sympy.Dummy() for f in difference.atoms(sympy.tanh)}
    assert sympy.simplify(difference.xreplace(free)) == 0
