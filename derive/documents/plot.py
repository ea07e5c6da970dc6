"""The picture of vanishing and exploding gradients: heat maps and curves where matplotlib is, else numbers.

The same numbers give the same bytes: no date, no random names, no font outlines.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator, Sequence

import sympy

from chalkgrad.derive.documents.tree import Inline, Paragraph, Plot, Table
from chalkgrad.derive.figures.vanishing import Strength, Vanishing
from chalkgrad.derive.writing.notation import Notation
from chalkgrad.derive.writing.tree import (
    EQUALS,
    Derivative,
    Fence,
    Ident,
    Name,
    Node,
    Number,
    Objective,
    Op,
    Par,
    Size,
    Sup,
    When,
    row,
)

T_STEP, K_STEP = sympy.Symbol("t", integer=True), sympy.Symbol("k", integer=True)
STEADY = 1.1  # a factor a step between 1/STEADY and STEADY neither vanishes nor explodes
_SHOWN_ROWS = 8


def plot(vanishing: Vanishing, notation: Notation, drawn: bool = True) -> Plot:
    """Both norms as a picture, and as numbers for where none can be drawn: then `svg` and `pdf` are None.

    drawn: False where no picture is wanted.
    """
    svg, pdf = None, None
    if drawn and importlib.util.find_spec("matplotlib") is not None:
        from chalkgrad.derive.figures.plotted import pictures

        svg, pdf = pictures(vanishing, notation, contribution(vanishing), product(vanishing))
    return Plot(svg, pdf, numbers(vanishing), caption(vanishing))


# ----------------------------------------------------------------------------- in words and numbers


def numbers(vanishing: Vanishing) -> Table:
    """For the last loss, by step k: both norms for every scale."""
    t = vanishing.losses[-1]
    head = [Paragraph((Ident("k"),))]
    for norm, what in ((contribution(vanishing), " via "), (product(vanishing), "")):
        via: tuple[Inline, ...] = (what, Ident("k")) if what else ()
        head += [Paragraph((norm, *via, f", scale {s.scale:g}")) for s in vanishing.strengths]
    shown = _some(range(t, 0, -1))
    return Table(tuple(head), tuple(tuple(_row(vanishing, k)) for k in shown))


def _some(steps: Sequence[int]) -> list[int]:
    """All of them, or the nearest ones, the last, and some between at growing distances."""
    if len(steps) <= _SHOWN_ROWS:
        return list(steps)
    ratio = (len(steps) - 1) ** (1 / (_SHOWN_ROWS - 3))
    places = {0, 1, 2, len(steps) - 1, *(round(ratio**i) for i in range(_SHOWN_ROWS - 2))}
    return [steps[i] for i in sorted(places) if i < len(steps)]


def _row(vanishing: Vanishing, k: int) -> Iterator[Paragraph]:
    t = vanishing.losses[-1]
    yield Paragraph((When(k),))
    for strength in vanishing.strengths:
        yield _cell(strength.contributions[-1][k - 1])
    for strength in vanishing.strengths:
        yield _cell(strength.jacobians[t - 1][k - 1])


def _cell(value: float | None) -> Paragraph:
    return Paragraph(("–",) if value is None else (rounded(value),))


def rounded(value: float) -> Node:
    """Two digits: 0.48, 12, 3.1·10⁻⁵."""
    if value == 0:
        return Number("0")
    power = math.floor(math.log10(abs(value)))
    digits = f"{value / 10.0**power:.1f}"
    if digits.startswith("10"):
        power, digits = power + 1, "1.0"
    if -2 <= power <= 2:
        return Number(f"{float(digits) * 10.0**power:.{max(0, 1 - power)}f}")
    return Number(digits, power)


def contribution(vanishing: Vanishing) -> Node:
    """‖∂L⟨t⟩/∂W‖, of which only the way through step k is meant."""
    return _norm(Derivative(Objective(vanishing.loss, T_STEP), Par(vanishing.parameter)))


def product(vanishing: Vanishing) -> Node:
    """‖∂s⟨t⟩/∂s⟨k⟩‖"""
    return _norm(Derivative(handed(vanishing, T_STEP), handed(vanishing, K_STEP)))


def handed(vanishing: Vanishing, step: sympy.Symbol) -> Node:
    """What a step hands on: its one state, or s for several stacked."""
    if len(vanishing.through) == 1:
        return Name(vanishing.through[0], step)
    return Sup(Ident("s"), row(Op("<"), When(step), Op(">")))


def _norm(node: Node) -> Node:
    return Fence(node, "‖‖")


def caption(vanishing: Vanishing) -> Paragraph:
    """What is shown, and what there is to see, as the numbers have it."""
    parts: list[Inline] = [
        f"Gradients over {vanishing.length} steps, in a network with random weights (",
        *_sizes(vanishing), "): ",
        contribution(vanishing), " through step ", Ident("k"), " alone (Frobenius norm), and ",
        product(vanishing), ", the largest singular value of the product of the Jacobians from step ",
        Ident("k"), " to step ", Ident("t"),
    ]  # fmt: skip
    if len(vanishing.through) > 1:
        parts += [", where ", handed(vanishing, T_STEP), " stacks ", *_listed(vanishing.through)]
    parts.append(". ")
    if vanishing.scaled:
        parts += ["Scale: the singular values of ", *_listed(vanishing.scaled, parameters=True), ". "]
    parts += [_observed(vanishing.strengths)]
    return Paragraph(tuple(parts))


def _sizes(vanishing: Vanishing) -> Iterator[Inline]:
    """n_x = n_a = 5, n_y = 3"""
    numbers = dict.fromkeys(vanishing.sizes.values())
    for i, number in enumerate(numbers):
        equal = [name for name, own in vanishing.sizes.items() if own == number]
        items: list[Node] = [item for name in equal for item in (Size(name), EQUALS)]
        yield from [", "] * (i > 0)
        yield row(*items, Number(str(number)))


def _listed(names: Sequence[str], parameters: bool = False) -> Iterator[Inline]:
    for i, name in enumerate(names):
        if i:
            yield " and " if i == len(names) - 1 else ", "
        yield Par(name) if parameters else Name(name)


def _observed(strengths: Sequence[Strength]) -> str:
    rates = [(s.scale, rate(s)) for s in strengths]
    *others, last = [f"{_course(value)} at scale {scale:g}" for scale, value in rates]
    told = f"{', '.join(others)} and {last}" if others else last
    text = f"From the last step back to the first, the product {told}."
    largest, value = max(rates)
    if len(rates) > 1 and largest > STEADY and value <= STEADY:
        text += (
            " Here even the largest weights do not make it grow: the slopes of the functions outweigh them."
        )
    return text


def _course(value: float) -> str:
    if value == 0:
        return "is zero"
    if value > STEADY:
        return f"grows {value:.2f}-fold a step"
    return (
        f"shrinks to {value:.2f} of itself a step"
        if value < 1 / STEADY
        else f"keeps its size ({value:.2f} a step)"
    )


def rate(strength: Strength) -> float:
    """The factor a step, on the mean, of the product from the first step to the last."""
    last = [value for value in strength.jacobians[-1] if value is not None]
    return float(last[0] ** (1 / max(1, len(last) - 1)))
