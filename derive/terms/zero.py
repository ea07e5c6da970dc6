"""What is zero: an expression of ours with nothing but zeros to work on, and a SymPy one for all values.

The second is a decision for rational functions of function values.

exp, tanh, log, … of anything are replaced by independent unknowns, exp(u + n v) by a product of them.
What is then zero as a rational function is zero for all values. The converse does not hold, so the
answer is "yes" or "unknown".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import sympy
from sympy.core.relational import Relational
from sympy.functions.elementary.piecewise import ExprCondPair

from chalkgrad.derive.terms.algebra import Expr, MatVec, Outer, Reduce, constant, is_zero

SIMPLIFY_BELOW = 250  # operations, those inside the argument of a function not counted
CASES_BELOW = 32  # combinations of the conditions of all Piecewise


def without_zeros(node: Expr) -> Expr:
    """0 for a product, an outer product, a sum or a maximum of zeros; any other node as it is."""
    match node:
        case MatVec(vector=vector) if is_zero(vector):
            return constant(0, node.shape)
        case Outer(left=left, right=right) if is_zero(left) or is_zero(right):
            return constant(0, node.shape)
        case Reduce(kind="sum" | "max", vector=vector) if is_zero(vector):
            return constant(0)
        case _:
            return node


def is_identically_zero(expr: sympy.Expr) -> bool:
    """True if it is shown to be zero; False if it is not, or where that would cost too much."""
    if expr == 0:
        return True
    if operations(expr, _outside_functions) >= SIMPLIFY_BELOW:
        return False
    cases = _cases(expr, CASES_BELOW)
    return bool(cases) and all(_vanishes(case) for case in cases)


def operations(
    expr: sympy.Basic, parts: Callable[[sympy.Basic], tuple[sympy.Basic, ...]] = lambda node: node.args
) -> int:
    """The operations in an expression written out, shared parts counted as often as they occur."""
    known: dict[sympy.Basic, int] = {}

    def count(node: sympy.Basic) -> int:
        if node not in known:
            below = parts(node)
            known[node] = max(1, len(below) - 1) + sum(map(count, below)) if node.args else 0
        return known[node]

    return count(expr)


def _outside_functions(node: sympy.Basic) -> tuple[sympy.Basic, ...]:
    match node:
        case sympy.Piecewise():
            return node.args  # type: ignore[no-any-return]
        case ExprCondPair():
            return (node.expr,)
        case sympy.Function():
            return ()
        case _:
            return node.args  # type: ignore[no-any-return]


def _vanishes(expr: sympy.Expr) -> bool:
    return bool(sympy.fraction(sympy.together(_Unknowns().replace(expr)))[0].expand() == 0)


def _cases(expr: sympy.Expr, budget: int) -> list[sympy.Expr]:
    """The expression for either truth value of each condition in it; none where the budget is exceeded."""
    conditions = [node for node in _distinct(expr) if isinstance(node, Relational)]
    if not conditions:
        return [expr]
    if budget < 2:
        return []
    innermost = min(conditions, key=lambda c: (operations(c), sympy.default_sort_key(c)))
    sides = [_cases(expr.xreplace({innermost: truth}), budget // 2) for truth in (sympy.true, sympy.false)]
    return [case for side in sides for case in side] if all(sides) else []


def _distinct(expr: sympy.Basic) -> Iterator[sympy.Basic]:
    """Every different subexpression once."""
    seen: set[sympy.Basic] = set()
    waiting = [expr]
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            yield node
            waiting.extend(node.args)


class _Unknowns:
    """Function values as unknowns, the same one for the same value."""

    def __init__(self) -> None:
        self._known: dict[sympy.Basic, sympy.Basic] = {}
        self._unknowns: dict[sympy.Expr, sympy.Dummy] = {}

    def replace(self, node: sympy.Basic) -> sympy.Basic:
        if node not in self._known:
            self._known[node] = self._replaced(node)
        return self._known[node]

    def _replaced(self, node: sympy.Basic) -> sympy.Basic:
        if not node.args:
            return node
        rebuilt = node.func(*map(self.replace, node.args))
        match rebuilt:
            case sympy.exp():
                return sympy.Mul(*map(self._power, sympy.Add.make_args(rebuilt.args[0].expand())))
            case sympy.Function():
                return self._unknown(rebuilt)
            case sympy.Pow() if not rebuilt.exp.is_Integer:
                return self._unknown(rebuilt)
            case _:
                return rebuilt

    def _power(self, term: sympy.Expr) -> sympy.Expr:
        """exp(n v) = (exp v)ⁿ"""
        factor, rest = term.as_coeff_Mul()
        if rest == 1 or not factor.is_Integer:
            return self._unknown(sympy.exp(term))
        return self._unknown(sympy.exp(rest)) ** factor

    def _unknown(self, value: sympy.Expr) -> sympy.Dummy:
        return self._unknowns.setdefault(value, sympy.Dummy(f"f{len(self._unknowns)}"))
