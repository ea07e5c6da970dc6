"""Scalars of a loop over components as C over vectors: LANES components at once.

What is the same for all components of the loop stays a number, and is spread over the lanes where it meets
a vector. Only a literal may meet one as it is, if every format holds it: a compiler that computes in a wider
format than numbers have (FLT_EVAL_METHOD) refuses anything else.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from codegen.program.ir import Call, Const, Scalar, Select, rebuild
from codegen.program.operations import OPERATIONS
from codegen.program.spell import ATOM, PRODUCT, Style, c_literal, spell
from codegen.program.walk import parts


@dataclass(frozen=True)
class _Same(Scalar):
    """A number that all lanes share, as a vector."""

    scalar: Scalar


@dataclass(frozen=True)
class Lanes:
    """How the scalars of one loop are spelled.

    varies: whether a leaf differs between lanes. vector: the C of such a leaf. number: the C of a scalar
    that does not vary.
    """

    dtype: str
    varies: Callable[[Scalar], bool]
    vector: Callable[[Scalar], str]
    number: Callable[[Scalar], str]

    def spell(self, scalar: Scalar) -> str:
        """A vector."""
        return spell(self._over_lanes(scalar, beside=False), self._style(), self._leaf)

    def _over_lanes(self, scalar: Scalar, beside: bool) -> Scalar:
        """beside: whether what it is combined with is a vector, so that it may itself be a constant."""
        if not any(self.varies(part) for part in parts(scalar)):
            return scalar if beside and _is_exact(scalar) else _Same(scalar)
        match scalar:
            case Call(op="power", args=(base, exponent)):
                return Call("power", (self._over_lanes(base, False), exponent))
            case Call(op=op, args=args):
                beside = bool(OPERATIONS[op].sign)
                return Call(op, tuple(self._over_lanes(a, beside) for a in args))
            case Select(left=left, right=right):
                beside = any(self.varies(part) for side in (left, right) for part in parts(side))
                sides = (beside, beside, False, False)
                return rebuild(scalar, tuple(map(self._over_lanes, scalar.operands, sides)))
            case _:
                return scalar

    def _leaf(self, scalar: Scalar) -> str:
        if isinstance(scalar, _Same):
            return f"all_v({self.number(scalar.scalar)})"
        return self.vector(scalar)

    def _style(self) -> Style:
        def power(base: str, atom: bool, exponent: Fraction) -> tuple[str, int]:
            if exponent == 2:
                return (
                    (f"{base} * {base}", PRODUCT)
                    if re.fullmatch(r"\w+", base)
                    else (f"square_v({base})", ATOM)
                )
            return f"pow_v({base}, {c_literal(exponent, self.dtype)})", ATOM

        return Style(
            call=lambda name, args: f"{name}_v({', '.join(args)})",
            literal=lambda value: c_literal(value, self.dtype),
            select=lambda test, then, otherwise: (f"pick_v((words)({test}), {then}, {otherwise})", ATOM),
            power=power,
        )


def _is_exact(scalar: Scalar) -> bool:
    """Whether this is written as a literal without a sign that every format holds as it is."""
    if not isinstance(scalar, Const):
        return False
    numerator, denominator = scalar.value.numerator, scalar.value.denominator
    return 0 <= numerator < 1 << 24 and denominator <= 1 << 24 and denominator & (denominator - 1) == 0
