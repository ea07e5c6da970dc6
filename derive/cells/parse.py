"""The parser of equations: from the text of a right-hand side to an `Expr`.

The text is checked by `derive.cells.scan`, read by Python's `ast` and walked with an allow-list. Nothing is
ever evaluated, and no text reaches SymPy. What the functions mean is said in `derive.terms.functions`.

    + - * /      elementwise, a scalar spreads over a vector        ** with a constant exponent
    W @ v        matrix times vector, W.T @ v with the transpose; only parameters are matrices
    v  v[t]      the value at this step        v[t-1]  at the step before, states only

`-W @ v`, `0.5 * W @ v` and `U @ V @ v` mean −(W v), 0.5 (W v) and U (V v), although `ast` binds the left
pair first: the left side of `@` is kept as a scalar and a chain of matrices until a vector arrives.
"""

from __future__ import annotations

import ast
import difflib
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

import sympy

from chalkgrad.derive.cells.scan import MAX_DEPTH, MAX_LENGTH, one_line, rational, scan, short
from chalkgrad.derive.errors import ModelFileError
from chalkgrad.derive.terms.algebra import (
    Expr,
    Map,
    MatVec,
    Parameter,
    Shape,
    Symbol,
    constant,
    elementwise,
    size_symbol,
    spell,
    total,
)
from chalkgrad.derive.terms.functions import ELEMENTWISE, NAMES
from chalkgrad.derive.terms.softmax import softmax

_MAX_BITS = 4_096  # of an exact power of constants; the largest float64 needs 1,024


@dataclass(frozen=True)
class Scope:
    """What the names in an equation stand for.

    values: what has a value at step t already (the input, states and intermediates written so far).
    states: all of them, at lag 0. written: the names that some equation writes, at any place.
    functions: the file's own function names → one of `derive.terms.functions.NAMES`.
    file and equation only say where a mistake is.
    """

    file: str
    equation: str
    values: Mapping[str, Symbol]
    states: Mapping[str, Symbol]
    parameters: Mapping[str, Parameter]
    functions: Mapping[str, str]
    written: Collection[str] = ()

    def mistake(self, column: int | None, expected: str, found: str) -> ModelFileError:
        return ModelFileError(self.file, self.equation, column, expected, found)


def parse(text: str, scope: Scope) -> Expr:
    """The expression that `text` stands for, a scalar () or a vector (n,).

    Raises ModelFileError for every mistake; columns count from 1 in `one_line(text)`.
    """
    if len(text) > MAX_LENGTH:
        raise scope.mistake(None, f"at most {MAX_LENGTH} characters", f"{len(text)}")
    text = one_line(text)
    scan(text, scope.mistake)
    try:
        return _Parser(text, scope).parse()
    except SyntaxError as error:
        column = min(max(error.offset or 1, 1), len(text) + 1)
        raise scope.mistake(column, "an expression", error.msg) from None
    except (RecursionError, MemoryError):
        raise scope.mistake(None, f"at most {MAX_DEPTH} nested operations", "more") from None
    except (OverflowError, ValueError) as error:
        raise scope.mistake(None, "an equation of moderate size", str(error)) from None


def nearest(name: str, known: Collection[str]) -> str:
    """`, perhaps 'W_aa'` where a known name is like `name`, else nothing."""
    found = difflib.get_close_matches(name[:100], sorted(known), n=1)
    return f", perhaps {found[0]!r}" if found else ""


# ----------------------------------------------------------------------------- parsing


@dataclass(frozen=True)
class _Matrix:
    """c · P₁ P₂ … on its way to a vector: c a scalar, each Pᵢ a parameter or its transpose."""

    coefficient: Expr
    chain: tuple[tuple[Parameter, bool], ...]

    @property
    def shape(self) -> Shape:
        (first, first_turned), (last, last_turned) = self.chain[0], self.chain[-1]
        return (first.shape[1 if first_turned else 0], last.shape[0 if last_turned else 1])

    @property
    def transposed(self) -> _Matrix:
        return replace(self, chain=tuple((p, not turned) for p, turned in reversed(self.chain)))


_Operand = Expr | _Matrix

_ARITHMETIC: dict[type[ast.operator], Callable[[sympy.Expr, sympy.Expr], sympy.Expr]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
}


class _Parser:
    """One walk over the syntax tree of one equation."""

    def __init__(self, text: str, scope: Scope) -> None:
        self._text, self._scope = text, scope

    def parse(self) -> Expr:
        tree = ast.parse(self._text, mode="eval").body
        self._check_depth(tree)
        return self._value(tree)

    def _check_depth(self, tree: ast.expr) -> None:
        level: list[ast.AST] = [tree]
        for _ in range(MAX_DEPTH):
            level = [c for n in level for c in ast.iter_child_nodes(n) if isinstance(c, ast.expr)]
            if not level:
                return
        raise self._mistake(level[0], f"at most {MAX_DEPTH} nested operations", "more")

    def _mistake(self, node: ast.AST, expected: str, found: str) -> ModelFileError:
        return self._scope.mistake(getattr(node, "col_offset", 0) + 1, expected, found)

    def _source(self, node: ast.AST) -> str:
        return short(self._text[getattr(node, "col_offset", 0) : getattr(node, "end_col_offset", None)])

    def _value(self, node: ast.expr) -> Expr:
        """A scalar or a vector."""
        result = self._operand(node)
        if isinstance(result, _Matrix):
            raise self._mistake(node, "a vector or a scalar", f"the matrix {self._source(node)!r}")
        return result

    def _operand(self, node: ast.expr, applied_to: str = "v") -> _Operand:
        """A scalar, a vector, or a matrix that waits for its vector, the text `applied_to`."""
        match node:
            case ast.Constant():
                literal = self._text[node.col_offset : node.end_col_offset]
                number = rational(literal) if type(node.value) in (int, float) else None
                if number is None:
                    raise self._mistake(node, "a number", repr(self._source(node)))
                return constant(number)
            case ast.Name(id=name):
                return self._name(node, name)
            case ast.Subscript():
                return self._indexed(node)
            case ast.Attribute(value=value, attr="T"):
                matrix = self._operand(value, applied_to)
                if not isinstance(matrix, _Matrix):
                    raise self._mistake(value, "a matrix before '.T'", _described(matrix))
                return matrix.transposed
            case ast.UnaryOp(op=ast.UAdd(), operand=inner):
                return self._operand(inner, applied_to)
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                operand = self._operand(inner, applied_to)
                if isinstance(operand, _Matrix):
                    return replace(operand, coefficient=elementwise(lambda c: -c, (operand.coefficient,)))
                return elementwise(lambda v: -v, (operand,))
            case ast.BinOp(op=ast.MatMult()):
                return self._product(node, applied_to)
            case ast.BinOp(op=ast.Pow()):
                return self._power(node)
            case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div()):
                return self._arithmetic(node, applied_to)
            case ast.Call():
                return self._call(node)
            case _:
                raise self._mistake(node, "an expression", repr(self._source(node)))

    # -- names

    def _name(self, node: ast.expr, name: str) -> _Operand:
        scope = self._scope
        if name in scope.parameters:
            parameter = scope.parameters[name]
            return _Matrix(constant(1), ((parameter, False),)) if len(parameter.shape) == 2 else parameter
        if name in scope.values:
            return scope.values[name]
        if name in scope.states:
            raise self._mistake(
                node,
                f"'{name}[t-1]', or an equation for {name!r} before this one",
                f"{name!r}, used before its definition",
            )
        if name in scope.written:
            raise self._mistake(
                node, f"an equation for {name!r} before this one", f"{name!r}, used before its definition"
            )
        if name in scope.functions or name in NAMES:
            raise self._mistake(node, f"'{name}(…)', with an argument", f"the function {name!r}")
        known = {*scope.parameters, *scope.values, *scope.states, *scope.written}
        raise self._mistake(
            node, f"a declared name{nearest(name, known)}", f"the unknown name {short(name)!r}"
        )

    def _indexed(self, node: ast.Subscript) -> _Operand:
        if not isinstance(node.value, ast.Name):
            raise self._mistake(node.value, "a name before '['", repr(self._source(node.value)))
        name = node.value.id
        match node.slice:
            case ast.Name(id="t"):
                return self._name(node.value, name)
            case ast.BinOp(left=ast.Name(id="t"), op=ast.Sub(), right=ast.Constant(value=int(1))):
                if name in self._scope.states:
                    return replace(self._scope.states[name], lag=-1)
                if name not in self._scope.written:
                    self._name(node.value, name)
                raise self._mistake(
                    node, f"'{name}[t]', only states are read at [t-1]", repr(self._source(node))
                )
            case _:
                raise self._mistake(node.slice, "the index [t] or [t-1]", f"'[{self._source(node.slice)}]'")

    # -- operators

    def _product(self, node: ast.BinOp, applied_to: str) -> _Operand:
        left = self._operand(node.left, self._source(node.right))
        right = self._operand(node.right, applied_to)
        if not isinstance(left, _Matrix):
            raise self._mistake(node.left, "a matrix before '@'", _described(left))
        rows = left.shape[1]
        if isinstance(right, _Matrix):
            if right.shape[0] != rows:
                raise self._mistake(node.right, f"a matrix ({rows}, …) after '@'", _described(right))
            coefficient = self._built(node, lambda a, b: a * b, left.coefficient, right.coefficient)
            return _Matrix(coefficient, left.chain + right.chain)
        if right.shape != (rows,):
            raise self._mistake(node.right, f"a vector ({rows}) after '@'", _described(right))
        for parameter, transposed in reversed(left.chain):
            right = MatVec(parameter, right, transposed)
        return self._built(node, lambda c, v: c * v, left.coefficient, right)

    def _arithmetic(self, node: ast.BinOp, applied_to: str) -> _Operand:
        left, right = self._operand(node.left, applied_to), self._operand(node.right, applied_to)
        body = _ARITHMETIC[type(node.op)]
        match (left, right):
            case (_Matrix(), _Matrix()):
                raise self._mistake(node.right, "a vector or a scalar", _described(right))
            case (_Matrix(), Expr()) if isinstance(node.op, (ast.Mult, ast.Div)):
                self._check_factor(node, node.right, right, applied_to)
                return replace(left, coefficient=self._built(node, body, left.coefficient, right))
            case (Expr(), _Matrix()) if isinstance(node.op, ast.Mult):
                self._check_factor(node, node.left, left, applied_to)
                return replace(right, coefficient=self._built(node, body, left, right.coefficient))
            case (Expr(), Expr()):
                if left.shape and right.shape and left.shape != right.shape:
                    raise self._mistake(node.right, f"{_described(left)} or a scalar", _described(right))
                return self._built(node, body, left, right)
            case _:
                side, matrix = (node.left, left) if isinstance(left, _Matrix) else (node.right, right)
                raise self._mistake(side, "a vector or a scalar", _described(matrix))

    def _check_factor(self, node: ast.BinOp, side: ast.expr, factor: Expr, applied_to: str) -> None:
        """A factor of a matrix is a scalar; for a vector, say where the parentheses belong."""
        if not factor.shape:
            return
        matrix = node.left if side is node.right else node.right
        sign = "/" if isinstance(node.op, ast.Div) else "*"
        product = f"({self._source(matrix)} @ {applied_to})"
        parts = (product, self._source(side)) if side is node.right else (self._source(side), product)
        raise self._mistake(
            side, f"a scalar factor, or parentheses: {f' {sign} '.join(parts)}", _described(factor)
        )

    def _power(self, node: ast.BinOp) -> Expr:
        base, exponent = self._value(node.left), self._operand(node.right)
        if not isinstance(exponent, Map) or not exponent.body.is_Rational or exponent.shape:
            raise self._mistake(node.right, "a constant exponent", repr(self._source(node.right)))
        power = exponent.body
        if isinstance(base, Map) and not base.args:
            exact = [max(abs(n.p), n.q).bit_length() for n in base.body.atoms(sympy.Rational)]
            if max(exact, default=0) * abs(power) > _MAX_BITS:
                raise self._mistake(node, "a constant of moderate size", repr(self._source(node)))
        return self._built(node, lambda v: v**power, base)

    def _built(self, node: ast.expr, body: Callable[..., sympy.Expr], *args: Expr) -> Expr:
        """Elementwise work whose numbers are real and fit in float64."""
        result = elementwise(body, args)
        if isinstance(result, Map) and not _is_sound(result):
            raise self._mistake(node, "finite real numbers", repr(self._source(node)))
        return result

    # -- functions

    def _call(self, node: ast.Call) -> Expr:
        scope = self._scope
        name = node.func.id if isinstance(node.func, ast.Name) else None
        if name is None or (name not in scope.functions and name not in NAMES):
            hint = "" if name is None else nearest(name, {*scope.functions, *NAMES})
            raise self._mistake(node.func, f"a function{hint}", repr(self._source(node.func)))
        function = scope.functions.get(name, name)
        arity = ELEMENTWISE[function].arity if function in ELEMENTWISE else 1
        if len(node.args) != arity or node.keywords:
            expected = "one argument" if arity == 1 else f"{arity} arguments"
            raise self._mistake(node, f"{expected} of {name!r}", f"{len(node.args)}")
        operands = [self._argument(argument, name) for argument in node.args]
        operand = operands[0]
        if function in ELEMENTWISE:
            for argument, other in zip(node.args[1:], operands[1:], strict=True):
                if operand.shape and other.shape and operand.shape != other.shape:
                    raise self._mistake(argument, f"{_described(operand)} or a scalar", _described(other))
            return self._built(node, ELEMENTWISE[function], *operands)
        if not operand.shape:
            raise self._mistake(node.args[0], f"a vector in {name!r}", _described(operand))
        match function:
            case "softmax":
                return softmax(operand)
            case "sum":
                return total(operand)
            case "mean":
                return elementwise(lambda s: s / size_symbol(operand.shape[0]), (total(operand),))
            case _:
                raise TypeError(f"no rule for the function {function!r}")

    def _argument(self, node: ast.expr, name: str) -> Expr:
        operand = self._operand(node)
        if isinstance(operand, _Matrix):
            raise self._mistake(node, f"a vector or a scalar in {name!r}", _described(operand))
        return operand


def _described(operand: _Operand) -> str:
    kind = "" if not operand.shape else "a vector " if len(operand.shape) == 1 else "a matrix "
    return f"{kind}{spell(operand.shape)}"


def _is_sound(node: Map) -> bool:
    """Whether the numbers in a body are real and float64 can hold each, and the value of a constant."""
    if node.body.has(sympy.zoo, sympy.nan, sympy.oo, -sympy.oo, sympy.I):
        return False
    return all(_fits(n) for n in node.body.atoms(sympy.Number)) and (
        not node.body.is_number or _fits(node.body)
    )


def _fits(number: sympy.Expr) -> bool:
    try:
        value = float(number)
    except (TypeError, OverflowError):
        return False
    return math.isfinite(value) and (value != 0 or not number.is_Rational or number == 0)
