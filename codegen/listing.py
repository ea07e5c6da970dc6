"""The C of a derivation beside its equations: the lines of the gradient with the numbers that they carry."""

from __future__ import annotations

import re
from itertools import takewhile
from typing import Any

from chalkgrad.codegen.driver import Subject, emit

SIZE = 8  # of everything; the lines are the same for others
_FUNCTIONS = ("loss_and_grad_part", "loss_and_grad", "vjp_part", "vjp")  # the first that there is
_COMMENT = re.compile(r"(\s*)/\* ((?:\(\d+\)[ ,]*)+)")


def c_listing(subject: Subject) -> tuple[str, tuple[str, ...], tuple[tuple[int, ...], ...]]:
    """The language, the lines that compute the gradients, and for each its equations' numbers.

    T and the batch are free, the sizes are `SIZE`, the arithmetic is float64. Of what only leads there,
    the headings and the loops over steps are kept.
    """
    model: Any = getattr(subject, "model", subject)
    code = emit(subject, dict.fromkeys(model.sizes, SIZE)).source.code
    lines = _function(code.splitlines())
    kept = [
        (line, found) for line, found in zip(lines, _numbers(lines), strict=True) if found or _leads(line)
    ]
    return "C", tuple(line for line, _ in kept), tuple(found for _, found in kept)


def _leads(line: str) -> bool:
    return line.lstrip().startswith(("/* ----", "for (size_t t "))


def _function(lines: list[str]) -> tuple[str, ...]:
    """What the function computes, from its first heading on, without what prepares it."""
    starts = (
        number
        for name in _FUNCTIONS
        for number, line in enumerate(lines)
        if re.match(rf"(static )?void \w+_{name}\(", line)
    )
    first = next(starts)
    last = next(i for i in range(first, len(lines)) if lines[i] == "}")
    start = next(i for i in range(first, last) if lines[i].lstrip().startswith("/* ----"))
    margin = len(lines[start]) - len(lines[start].lstrip())
    kept = takewhile(lambda line: not line.strip() or line[:margin].isspace(), lines[start:last])
    return tuple(line[margin:] for line in kept)


def _numbers(lines: tuple[str, ...]) -> tuple[tuple[int, ...], ...]:
    """A comment's numbers hold for what follows it, up to the next comment, loop or end of the block."""
    found: list[tuple[int, ...]] = []
    numbers: tuple[int, ...] = ()
    depth = 0
    for line in lines:
        comment = _COMMENT.match(line)
        indent = len(line) - len(line.lstrip())
        if comment is not None:
            numbers, depth = tuple(int(n) for n in re.findall(r"\d+", comment[2])), indent
        elif not line.strip() or indent < depth or line.lstrip().startswith(("/*", "for (")):
            numbers = ()
        found.append(numbers)
    return tuple(found)
