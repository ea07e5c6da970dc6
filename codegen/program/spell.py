"""Scalars as text: the one owner of precedence and of literals, for C, NumPy and plain text."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from chalkgrad.codegen.errors import ProgramError
from chalkgrad.codegen.program.ir import Call, Const, Scalar, Select
from chalkgrad.codegen.program.operations import COMPARISONS, OPERATIONS
from chalkgrad.codegen.program.walk import folded

SELECT, COMPARE, SUM, PRODUCT, UNARY, ATOM = range(6)
_LEVELS = {"+": SUM, "-": SUM, "*": PRODUCT, "/": PRODUCT}


@dataclass(frozen=True)
class Style:
    """How one language writes what is not an operator.

    call(name, argument texts), literal(value), select(condition, then, otherwise) and power(base text,
    whether the base is an atom, exponent) give a text and its precedence.
    """

    call: Callable[[str, tuple[str, ...]], str]
    literal: Callable[[Fraction], str]
    select: Callable[[str, str, str], tuple[str, int]]
    power: Callable[[str, bool, Fraction], tuple[str, int]]


def spell(scalar: Scalar, style: Style, leaf: Callable[[Scalar], str]) -> str:
    """The expression as text; `leaf` writes arguments, locals, loads and sizes."""
    return folded(scalar, lambda part, operands: _spelled(part, operands, style, leaf))[0]


def _spelled(
    scalar: Scalar, operands: tuple[tuple[str, int], ...], style: Style, leaf: Callable[[Scalar], str]
) -> tuple[str, int]:
    """Text and precedence, from those of the operands."""

    def at(operand: tuple[str, int], least: int) -> str:
        text, precedence = operand
        return text if precedence >= least else f"({text})"

    match scalar:
        case Const(value=value):
            text = style.literal(abs(value))
            return (f"-{text}", UNARY) if value < 0 else (text, ATOM)
        case Call(op="neg"):
            return f"-{at(operands[0], ATOM)}", UNARY
        case Call(op="power", args=(_, Const(value=exponent))):
            text, precedence = operands[0]
            return style.power(text, precedence == ATOM, exponent)
        case Call(op=op, args=(_, _)) if sign := OPERATIONS[op].sign:
            level = _LEVELS[sign]
            tight = level + 1 if op in ("sub", "div") else level
            return f"{at(operands[0], level)} {sign} {at(operands[1], tight)}", level
        case Call(op=op):
            return style.call(op, tuple(at(operand, SELECT) for operand in operands)), ATOM
        case Select():
            left, right, then, otherwise = operands
            condition = f"{at(left, SUM)} {COMPARISONS[scalar.op].sign} {at(right, SUM)}"
            return style.select(condition, at(then, COMPARE), at(otherwise, COMPARE))
        case Scalar():
            return leaf(scalar), ATOM
        case _:
            raise ProgramError(f"expected a scalar, received {type(scalar).__name__}")


def c_literal(value: Fraction, dtype: str) -> str:
    """A number as C text that reads back as the nearest `dtype`; infinite where it has none."""
    number = _nearest(value)
    if dtype == "float32":
        if number > 3.4028235677973362e38:
            return "INFINITY"
        return f"{_shortest(number)}f"
    return "INFINITY" if math.isinf(number) else _shortest(number)


def python_literal(value: Fraction) -> str:
    """A number as Python text; whole numbers without a point."""
    number = _nearest(value)
    if math.isinf(number):
        return "np.inf"
    return str(value.numerator) if value.denominator == 1 and number < 1e15 else _shortest(number)


def _nearest(value: Fraction) -> float:
    try:
        return value.numerator / value.denominator
    except OverflowError:
        return math.inf


def _shortest(number: float) -> str:
    text = repr(number)
    return text if any(c in text for c in ".en") else f"{text}.0"


def _text_power(base: str, atom: bool, exponent: Fraction) -> tuple[str, int]:
    shown = f"{exponent}" if exponent.denominator == 1 and exponent > 0 else f"({exponent})"
    return f"{base if atom else f'({base})'}^{shown}", ATOM


TEXT = Style(
    call=lambda name, args: f"{name}({', '.join(args)})",
    literal=python_literal,
    select=lambda condition, then, otherwise: (f"{then} if {condition} else {otherwise}", SELECT),
    power=_text_power,
)
