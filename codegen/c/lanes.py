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

from chalkgrad.codegen.program.ir import Call, Const, Scalar, Select, rebuild
from chalkgrad.codegen.program.operations import OPERATIONS
from chalkgrad.codegen.program.spell import ATOM, PRODUCT, Style, c_literal, spell
from chalkgrad.codegen.program.walk import folded


@dataclass(frozen=True)
class _Same(Scalar):
    """A number that all lanes share, as a vector."""

    scalar: Scalar


@dataclass(frozen=True)
class _Laid:
    """A scalar laid over lanes; as it is, where it does not vary between them."""

    scalar: Scalar
    varies: bool = True

    def beside(self, vector: bool) -> Scalar:
        """As an operand. vector: whether what it meets is one, so that it may itself be a constant."""
        if self.varies or (vector and _is_exact(self.scalar)):
            return self.scalar
        return _Same(self.scalar)


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
        return spell(folded(scalar, self._over_lanes).beside(False), self._style(), self._leaf)

    def _over_lanes(self, scalar: Scalar, operands: tuple[_Laid, ...]) -> _Laid:
        if not self.varies(scalar) and not any(o.varies for o in operands):
            return _Laid(scalar, varies=False)
        match scalar:
            case Call(op="power", args=(_, exponent)):
                return _Laid(Call("power", (operands[0].beside(False), exponent)))
            case Call(op=op):
                vectors = bool(OPERATIONS[op].sign)
                return _Laid(Call(op, tuple(o.beside(vectors) for o in operands)))
            case Select():
                vectors = any(side.varies for side in operands[:2])
                sides = (vectors, vectors, False, False)
                return _Laid(rebuild(scalar, tuple(map(_Laid.beside, operands, sides))))
            case _:
                return _Laid(scalar)

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
