"""How much more work a larger input makes, in calls of Python functions: no clock is read."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import FrameType

from chalkgrad import derive

MOST = 2.6
"""What twice the input may cost: n log n stays below it, n² is 4."""


def calls(run: Callable[[], object]) -> int:
    """The calls of Python functions that it takes, once everything that is kept for good is there."""
    run()
    count = 0

    def note(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(before)
    return count


def growth(run: Callable[[int], Callable[[], object]], size: int) -> float:
    """The calls of run(2 size) to those of run(size)."""
    return calls(run(2 * size)) / calls(run(size))


# ----------------------------------------------------------------------------- cells

Equations = Sequence[tuple[str, str]]
FIRST = ("v1", "W_aa @ a[t-1] + W_ax @ x + b_a")


def chained(n: int) -> Equations:
    """Each value of the one before it."""
    return [
        FIRST,
        *((f"v{i}", f"0.5*v{i - 1} + sin(v{i - 1})") for i in range(2, n)),
        ("a", f"tanh(v{n - 1})"),
    ]


def shared(n: int) -> Equations:
    """Each value of the three before it."""
    lines = ((f"v{i}", f"tanh(v{i - 1} * v{i - 2} + 0.5 * v{i - 3}) + v{i - 1}") for i in range(4, n))
    return [FIRST, ("v2", "tanh(v1)"), ("v3", "v1 * v2 + b_a"), *lines, ("a", f"tanh(v{n - 1})")]


def star(n: int) -> Equations:
    """One value that all others read."""
    return [FIRST, *((f"v{i}", f"tanh(v1 + 0.5 * v{i - 1})") for i in range(2, n)), ("a", f"tanh(v{n - 1})")]


def summed(n: int) -> Equations:
    """One sum of all values, and of a product with each."""
    terms = [f"(v{i} + W_aa @ v{i})" for i in range(1, n)]
    while len(terms) > 1:
        pairs = zip(terms[::2], [*terms[1::2], "0"], strict=False)
        terms = [f"({one} + {other})" for one, other in pairs]
    return [FIRST, *((f"v{i}", f"tanh(v{i - 1})") for i in range(2, n)), ("a", terms[0])]


def nested(n: int) -> Equations:
    """softmax n deep: each has what it is applied to in two places."""
    return [("a", f"{'softmax(' * n}{FIRST[1]}{')' * n}")]


CELLS: dict[str, Callable[[int], Equations]] = {
    "chained": chained,
    "shared": shared,
    "star": star,
    "summed": summed,
    "nested": nested,
}


def model(cell: str, n: int, folder: Path) -> derive.Model:
    """A cell of that kind and length."""
    lines = "\n".join(f'{name} = "{value}"' for name, value in CELLS[cell](n))
    path = folder / f"{cell}{n}.toml"
    path.write_text(
        f'name = "{cell}"\n[sizes]\nn_x = "x"\nn_a = "a"\nn_y = "y"\n[inputs]\nx = ["n_x"]\n'
        '[states]\na = ["n_a"]\n[parameters]\nW_aa = ["n_a", "n_a"]\nW_ax = ["n_a", "n_x"]\nb_a = ["n_a"]\n'
        f'W_ya = ["n_y", "n_a"]\n[equations]\n{lines}\n[output]\nyhat = "softmax(W_ya @ a)"\n'
    )
    return derive.load(path)


def of(
    cell: str, folder: Path, run: Callable[[derive.Model], object]
) -> Callable[[int], Callable[[], object]]:
    """`run` for a cell of that kind, by its length."""
    return lambda n: partial(run, model(cell, n, folder))
