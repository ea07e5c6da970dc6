"""The terms of a chain as SymPy matrices, through the walk that `derive.unroll` uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

import sympy

from derive.chaining.chain import Chain
from derive.errors import ChoiceError
from derive.terms.algebra import Expr, Symbol
from derive.values.expand import INITIAL, Exact, symbols
from derive.values.walk import Data, Extent, Numbers, Tensor, Walk, extent, named_equations

N = TypeVar("N")


class ChainWalk(Walk[N]):
    """The forward pass, and cotangents of the loss of one step; expressions are absolute."""

    def __init__(self, chain: Chain, at: Extent, numbers: Numbers[N], data: Data[N]) -> None:
        super().__init__(chain.derivation, named_equations(chain.derivation), at, numbers, data)
        self._terms = chain.unfolded.cotangents()
        self._made: dict[tuple[str, int], Tensor[N]] = {}

    def _cotangent(self, symbol: Symbol, t: int) -> Tensor[N]:
        key = (symbol.name, t)
        if key not in self._made:
            self._made[key] = self.sum_of(self._terms[key])
        return self._made[key]

    def sum_of(self, terms: tuple[Expr, ...]) -> Tensor[N]:
        """Σ of absolute expressions."""
        result, *others = (self.value(term, 0) for term in terms)
        for other in others:
            result = self._sum(result, other)
        return result


def values(chain: Chain, sizes: Mapping[str, int] | None, initial: str) -> list[Any]:
    """One matrix of the parameter's shape per term, in their order. Raises ChoiceError."""
    if initial not in INITIAL:
        raise ChoiceError("initial", " or ".join(INITIAL), initial)
    at = sized(chain, sizes)
    walk = ChainWalk(chain, at, Exact(), symbols(chain.derivation, at, initial))
    return [_matrix(walk.sum_of(term.terms)) for term in chain.terms]


def sized(chain: Chain, sizes: Mapping[str, int] | None) -> Extent:
    """The chain's steps with these sizes, 1 where missing. Raises ChoiceError."""
    return replace(extent(chain.derivation, None, sizes, lambda _: 1), times=chain.unfolded.extent.times)


def _matrix(tensor: Tensor[sympy.Expr]) -> sympy.Matrix:
    rows, columns = (*tensor.shape, 1, 1)[:2]
    return sympy.Matrix(rows, columns, tensor.entries)
