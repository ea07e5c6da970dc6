"""The layout of printed mathematics: numbered rows in sections that amsmath, MathJax and KaTeX accept."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import sympy

from derive.latex_expr import parameter_latex, step_latex

BREAK = " \\\\\n"


@dataclass(frozen=True)
class Row:
    """`(numbers)  left = right    remark`, all but the numbers being LaTeX."""

    left: str
    right: str
    numbers: tuple[int, ...] = ()
    remark: str = ""

    def latex(self) -> str:
        label = ", ".join(f"({number})" for number in self.numbers)
        start = rf"\text{{{label}}}\quad" if label else ""
        end = rf" && \qquad {self.remark}" if self.remark else ""
        return f"{start} && {self.left} & = {self.right}{end}".lstrip()


def rows_latex(rows: Iterable[Row]) -> str:
    """Rows aligned at their equality signs."""
    return aligned(row.latex() for row in rows)


def aligned(lines: Iterable[str]) -> str:
    return "\\begin{aligned}\n" + BREAK.join(lines) + "\n\\end{aligned}"


def section_latex(title: str, *parts: str) -> str:
    """One display: the title and the parts below each other, flush left."""
    return display([rf"\textbf{{{plain(title)}}}", *parts])


def display(parts: Sequence[str]) -> str:
    """A paragraph of displayed mathematics, its parts below each other and flush left."""
    return "$$\n" + aligned(f"& {part}" for part in parts) + "\n$$"


def prose(text: str) -> str:
    """Words with mathematics between backquotes, as mathematics with words."""
    pieces = text.split("`")
    return "".join(
        piece if index % 2 else rf"\text{{{plain(piece)}}}" for index, piece in enumerate(pieces) if piece
    )


def plain(text: str) -> str:
    """Words that mean the same in \\text of LaTeX, MathJax and KaTeX: nothing that they would interpret."""
    return re.sub(r"[\\{}$&#%_^~`<>\s]+", " ", text)


def rule_latex(rule: str, names: Collection[str]) -> str:
    """The name of a rule; a parameter in it is printed as mathematics."""
    words = [f"`{parameter_latex(word)}`" if word in names else plain(word) for word in rule.split()]
    return prose(" ".join(words))


def rules_latex(rules: Iterable[str], names: Collection[str]) -> str:
    return r";\ ".join(rule_latex(rule, names) for rule in dict.fromkeys(rules))


def steps_latex(first: sympy.Expr, last: sympy.Expr, backwards: bool = False) -> str:
    """t = 1, \\ldots, T, or down from the last step."""
    ends = (last, first) if backwards else (first, last)
    start, end = (step_latex(step) for step in ends)
    return f"t = {start}" if first == last else rf"t = {start}, \ldots, {end}"
