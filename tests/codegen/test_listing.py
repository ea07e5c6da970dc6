"""The C beside the equations: the lines that compute them, with the derivation's own numbers."""

from __future__ import annotations

import re
from importlib.metadata import entry_points

import pytest

from chalkgrad import derive
from chalkgrad.codegen.listing import c_listing


@pytest.mark.parametrize("name", derive.builtin_names())
@pytest.mark.parametrize("architecture", ["many-to-many", "encoder-decoder", "many-to-one"])
def test_every_equation_has_its_lines(name: str, architecture: str) -> None:
    """Each numbered equation towards the loss, but what is the same value by another name."""
    derivation = derive.bptt(derive.load(name, architecture=architecture, h="softmax"))
    language, lines, numbers = c_listing(derivation)
    assert language == "C" and len(lines) == len(numbers)
    shown = derivation.towards("loss")
    due = {g.number for g in shown.parameter_gradients}
    due |= {e.number for p in shown.phases for e in p.adjoint}
    found = {n for line in numbers for n in line}
    known = due | {e.number for p in shown.phases for e in p.forward} | {0}
    known |= {g.number for g in derivation.gradients.values()}
    assert found <= known
    assert len(due - found) <= len(due) // 10, sorted(due - found)


def test_a_comment_and_the_code_below_it() -> None:
    _, lines, numbers = c_listing(derive.bptt(derive.load("vanilla")))
    (at,) = (i for i, line in enumerate(lines) if re.search(r"/\* \(2\) ", line))
    assert numbers[at] == numbers[at + 1] == (2,) and "tanh" in lines[at + 1]
    assert any("for (size_t t" in line and not found for line, found in zip(lines, numbers, strict=True))


def test_it_is_registered() -> None:
    (entry,) = entry_points(group="chalkgrad.programs")
    assert entry.load() is c_listing
