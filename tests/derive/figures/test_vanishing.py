"""Vanishing and exploding gradients: the numbers against the oracle, and the picture of them."""

from __future__ import annotations

import itertools
import math
import random
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
import sympy
from networks import ALL, KEPT, network

from chalkgrad.derive.chaining.chain import chain
from chalkgrad.derive.deriving.derivation import LOSS, Derivation
from chalkgrad.derive.deriving.extent import Extent, extent
from chalkgrad.derive.documents.plot import numbers, plot, rate, rounded
from chalkgrad.derive.figures.vanishing import Vanishing, drawn, recurrent, vanishing
from chalkgrad.derive.terms.algebra import arg
from chalkgrad.derive.terms.functions import ELEMENTWISE, written_out
from chalkgrad.derive.values.arrays import Arrays
from chalkgrad.derive.values.oracle import Oracle, ParameterAt, ValueAt
from chalkgrad.derive.values.reals import context, tape
from chalkgrad.derive.values.walk import Data, Tensor
from chalkgrad.derive.writing.notation import NOTE
from chalkgrad.derive.writing.tree import Number
from chalkgrad.derive.writing.unicode import unicode
from tests.chosen import some

SCALES = (0.7, 1.3)
SIZES = 3
PLACES = [
    (cell, way, feed) for cell, way, feed in ALL if way != "one-to-one" and cell not in ("silent", "still")
]
FEW = [place for place in PLACES if place[0] == "vanilla"] + [
    ("lstm", "many-to-many", "none"),
    ("lstm", "encoder-decoder", "output"),
    ("past", "one-to-many", "output"),
    ("past", "many-to-one", "none"),
    ("tower", "many-to-many", "none"),
]


def short(architecture: str) -> int | tuple[int, int]:
    return (2, 2) if architecture == "encoder-decoder" else 3


def found(derivation: Derivation, **given: object) -> Vanishing:
    sizes = dict.fromkeys(derivation.model.sizes, SIZES)
    result = vanishing(derivation, short(derivation.model.architecture), sizes, SCALES, **given)  # type: ignore[arg-type]
    assert result is not None
    return result


def oracle_at(derivation: Derivation, at: Extent, which: int) -> Oracle:
    """The oracle at the very numbers of one scale."""
    scaled = recurrent(derivation)
    data = drawn(derivation, at, scaled, SCALES, random.Random("0 0"))

    def exact(tensor: Tensor) -> Tensor[sympy.Rational]:  # type: ignore[type-arg]
        entries = (float(e[which, 0]) if np.ndim(e) else float(e) for e in tensor.entries)
        return Tensor(tensor.shape, tuple(sympy.Rational(*e.as_integer_ratio()) for e in entries))

    def all_exact(tensors: Mapping) -> dict:  # type: ignore[type-arg]
        return {key: exact(tensor) for key, tensor in tensors.items()}

    plain = Data(*(all_exact(part) for part in (data.parameters, data.initial, data.x, data.y)))
    return Oracle(derivation, plain, at, 20, LOSS)


def norm(entries: object) -> float:
    return math.sqrt(sum(float(e) ** 2 for e in entries))  # type: ignore[attr-defined]


def of_scale(derivation: Derivation) -> Iterator[tuple[int, Oracle, Extent]]:
    sizes = dict.fromkeys(derivation.model.sizes, SIZES)
    at = extent(derivation, short(derivation.model.architecture), sizes, lambda _: SIZES)
    yield from ((i, oracle_at(derivation, at, i), at) for i in range(len(SCALES)))


# ----------------------------------------------------------------------------- against the oracle


@pytest.mark.parametrize("cell, architecture, feed", some(FEW, FEW[1::2].__contains__))
def test_contributions_are_those_of_the_oracle(cell: str, architecture: str, feed: str) -> None:
    """‖∂L⟨t⟩/∂W via step k‖: forwards, with W moving at step k alone. Over all k they are the gradient."""
    derivation = network(cell, architecture, feed)
    result = found(derivation)
    for i, oracle, _ in of_scale(derivation):
        for t, line in zip(result.losses, result.strengths[i].contributions, strict=True):
            assert set(line[t:]) <= {None}
            parts = [oracle.slope(ParameterAt(result.parameter, k), t).entries for k in range(1, t + 1)]
            for value, part in zip(line, parts, strict=False):
                assert (value or 0.0) == pytest.approx(norm(part), rel=1e-10, abs=1e-14)
            whole = oracle.slope(ParameterAt(result.parameter), t).entries
            for total, *each in zip(whole, *parts, strict=True):
                assert float(total) == pytest.approx(float(sum(each)), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("cell, architecture, feed", some(FEW, FEW[1::2].__contains__))
def test_products_are_those_of_the_oracle(cell: str, architecture: str, feed: str) -> None:
    """∂s⟨k+1⟩/∂s⟨k⟩ from the oracle, multiplied up: what moves at k is what step k + 1 reads."""
    derivation = network(cell, architecture, feed)
    result = found(derivation)
    for i, oracle, _ in of_scale(derivation):
        one_step = {k: jacobian(oracle, result.through, k) for k in range(1, result.length)}
        for t in range(1, result.length + 1):
            for k in range(1, t):
                product = np.eye(one_step[k].shape[0])
                for step in range(k, t):
                    product = one_step[step] @ product
                due = np.linalg.norm(product, 2)
                assert result.strengths[i].jacobians[t - 1][k - 1] == pytest.approx(due, rel=1e-9, abs=1e-13)


def jacobian(oracle: Oracle, through: tuple[str, ...], k: int) -> np.ndarray:
    """∂s⟨k+1⟩/∂s⟨k⟩ of one step: total derivatives, solved for those where each component moves alone.

    D = J E with D = ds⟨k+1⟩/ds⟨k⟩ and E = ds⟨k⟩/ds⟨k⟩, in which a component of a step moves those after it.
    """
    later = block(oracle, through, k + 1, k)
    same = block(oracle, through, k, k)
    return np.linalg.solve(same.T, later.T).T


def block(oracle: Oracle, through: tuple[str, ...], of: int, by: int) -> np.ndarray:
    """A value that a step does not have moves nothing, and is moved by itself alone."""
    rows = []
    for row in through:
        line = []
        for column in through:
            if oracle.has(row, of) and oracle.has(column, by):
                grid = oracle.jacobian(row, of, ValueAt(column, by))
                line.append(np.array([float(e) for e in grid.entries]).reshape(grid.shape))
            else:
                line.append(np.eye(SIZES) * (of == by and row == column))
        rows.append(np.hstack(line))
    return np.vstack(rows)


def test_a_wrong_derivation_gives_other_numbers() -> None:
    """What comes through the next step, three times as large, shows: the derivation's equations are used."""
    derivation = network("vanilla")
    wrong = replace(derivation, phases=tuple(map(planted, derivation.phases)))
    good, bad = found(derivation), found(wrong)
    assert good.strengths[0].contributions[0] == bad.strengths[0].contributions[0]
    assert good.strengths[0].contributions[-1] != bad.strengths[0].contributions[-1]


def planted(phase):  # type: ignore[no-untyped-def]
    from chalkgrad.derive.terms.algebra import elementwise

    def turned(term):  # type: ignore[no-untyped-def]
        return replace(term, expr=elementwise(3 * arg(0), (term.expr,))) if term.lag else term

    adjoint = tuple(replace(e, terms=tuple(map(turned, e.terms))) for e in phase.adjoint)
    return replace(phase, adjoint=adjoint)


# ----------------------------------------------------------------------------- what is true of them


def test_a_contraction_vanishes() -> None:
    """Orthogonal weights times 1/2 and slopes of at most one: each step halves at least."""
    result = vanishing(network("vanilla"), 12, scales=(0.5,))
    assert result is not None
    for line in result.strengths[0].jacobians:
        values = [v for v in line if v is not None]
        assert all(a <= b / 2 * (1 + 1e-12) for a, b in itertools.pairwise(values))
    assert rate(result.strengths[0]) <= 0.5


def test_without_a_function_the_scale_is_the_rate() -> None:
    """h⟨t⟩ = W h⟨t−1⟩ + …, W orthogonal: ‖∂h⟨t⟩/∂h⟨k⟩‖ = scaleᵗ⁻ᵏ."""
    result = vanishing(network("linear"), 9, scales=(0.5, 1.0, 2.0))
    assert result is not None and result.scaled == ("W",)
    for strength in result.strengths:
        for t, line in enumerate(strength.jacobians):
            assert line[: t + 1] == pytest.approx([strength.scale ** (t - k) for k in range(t + 1)])
        assert rate(strength) == pytest.approx(strength.scale)


def test_recurrent_parameters_are_found() -> None:
    assert recurrent(network("many")) == ("W_alpha_first", "W_second", "W_third", "W_fourth", "W_fifth")
    assert recurrent(network("past")) == ("w_decay", "c")
    assert recurrent(network("lstm")) == ("W_ia", "W_fa", "W_oa", "W_ka")


@pytest.mark.parametrize("cell, architecture, feed", some(PLACES, KEPT.__contains__))
def test_every_network_has_both_norms(cell: str, architecture: str, feed: str) -> None:
    derivation = network(cell, architecture, feed)
    result = vanishing(derivation, (3, 4) if architecture == "encoder-decoder" else 6)
    assert result is not None and result.parameter == chain(derivation).parameter.name
    assert result.length in (6, 7) and result.losses[-1] == result.length
    for strength in result.strengths:
        assert len(strength.contributions) == len(result.losses)
        assert len(strength.jacobians) == result.length
        for t, line in enumerate(strength.jacobians, start=1):
            assert len(line) == result.length and line[t - 1] == 1.0 and set(line[t:]) <= {None}
            assert all(v is not None and math.isfinite(v) and v >= 0 for v in line[:t])
        assert any(v for v in strength.contributions[-1])


def test_where_there_is_nothing_to_show() -> None:
    assert vanishing(network("silent")) is None
    assert vanishing(network("vanilla", "one-to-one")) is None
    still = vanishing(network("still"))
    assert still is not None and still.scaled == () and rate(still.strengths[0]) == 0
    assert plot(still, NOTE).numbers.rows


def test_the_same_seed_gives_the_same_numbers() -> None:
    derivation = network("vanilla")
    assert found(derivation) == found(derivation)
    assert found(derivation).strengths != found(derivation, seed=1).strengths


# ----------------------------------------------------------------------------- arrays


@pytest.mark.parametrize("function", sorted(ELEMENTWISE))
def test_arrays_are_what_reals_are(function: str) -> None:
    body = ELEMENTWISE[function](arg(0)) * 2 - 1 / (3 + arg(1) ** 2)
    left, right = np.array([0.3, 1.7, 2.5]), np.array([-1.2, 0.4, 0.0])
    if function not in ("log", "sqrt"):
        left = left - 1.0
    values = Arrays().compile(body, 2)(left, right)
    run = tape([written_out(body)], [arg(0), arg(1)], context(20))
    due = [float(run(context(20).mpf(a), context(20).mpf(b))[0]) for a, b in zip(left, right, strict=True)]
    assert np.allclose(values, due, rtol=1e-13)


def test_arrays_choose_entry_by_entry() -> None:
    x = arg(0)
    body = sympy.Piecewise(
        (1, sympy.And(x > 0, x < 1)), (2, sympy.Or(x > 5, sympy.Eq(x, 2))), (3, sympy.true)
    )
    assert list(Arrays().compile(body, 1)(np.array([0.5, 6.0, 2.0, -1.0]))) == [1, 2, 2, 3]
    open_ended = sympy.Piecewise((1, x > 0))
    assert list(np.isnan(Arrays().compile(open_ended, 1)(np.array([1.0, -1.0])))) == [False, True]
    with pytest.raises(TypeError, match="no numerical value"):
        Arrays().compile(sympy.gamma(x), 1)


# ----------------------------------------------------------------------------- the picture


@pytest.mark.parametrize(
    "value, text",
    [
        (0.0, "0"),
        (0.4789, "0.48"),
        (12.3, "12"),
        (1.0, "1.0"),
        (9.97, "10"),
        (123.0, "120"),
        (999.0, "1.0·10³"),
        (0.0123, "0.012"),
        (0.0099, "9.9·10⁻³"),
        (3.14e-5, "3.1·10⁻⁵"),
        (5.6e7, "5.6·10⁷"),
    ],
)
def test_two_digits(value: float, text: str) -> None:
    assert unicode(rounded(value), NOTE) == text


def test_numbers_are_those_of_the_last_loss() -> None:
    result = found(network("vanilla"))
    table = numbers(result)
    assert len(table.head) == 1 + 2 * len(SCALES) and all(len(row) == len(table.head) for row in table.rows)
    assert len(table.rows) == result.length
    first = [cell.parts[0] for cell in table.rows[0]]
    assert first[1] == rounded(result.strengths[0].contributions[-1][-1] or 0.0)
    assert first[-1] == Number("1.0")
    many = vanishing(network("vanilla"), 40)
    assert many is not None and len(numbers(many).rows) <= 10


@pytest.mark.parametrize(
    "cell, architecture, feed",
    some(
        [
            ("vanilla", "many-to-many", "none"),
            ("lstm", "many-to-one", "none"),
            ("past", "encoder-decoder", "output"),
            ("gru", "one-to-many", "target"),
        ],
        lambda place: place[0] in ("vanilla", "past"),
    ),
)
def test_the_picture_is_small_and_the_same_each_time(cell: str, architecture: str, feed: str) -> None:
    pytest.importorskip("matplotlib")
    result = vanishing(network(cell, architecture, feed))
    assert result is not None
    made, again = plot(result, NOTE), plot(result, NOTE)
    assert made.svg is not None and made.pdf is not None
    assert made.svg == again.svg and made.pdf == again.pdf
    assert len(made.svg.encode()) <= 60_000 and made.pdf.startswith(b"%PDF")
    root = ElementTree.fromstring(made.svg)
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert "image" not in tags and "metadata" not in tags
    names = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(names) == len(set(names))
    assert set(re.findall(r'(?:url\(|href=")#([\w.-]+)', made.svg)) <= set(names)
    assert not re.search(r"20\d\d-\d\d-\d\d", made.svg) and b"CreationDate" not in made.pdf
    texts = [element.text or "" for element in root.iter() if element.tag.endswith("}text")]
    assert {"k", "scale 0.5", "scale 1.6"} <= set(texts)
    assert any("via step k" in text for text in texts)


def test_without_matplotlib_there_are_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    seek = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n, *a: None if n == "matplotlib" else seek(n, *a))
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    made = plot(found(network("vanilla")), NOTE)
    assert made.svg is None and made.pdf is None and made.numbers.rows


def test_the_caption_says_what_the_numbers_are() -> None:
    result = found(network("vanilla"))
    text = "".join(p if isinstance(p, str) else unicode(p, NOTE) for p in plot(result, NOTE).caption.parts)
    for strength in result.strengths:
        assert f"at scale {strength.scale:g}" in text and f"{rate(strength):.2f}" in text
    lstm = "".join(map(str, plot(found(network("lstm")), NOTE).caption.parts))
    assert "stacks" in lstm
