"""Model files, read anew: TOML by `tomllib`, equations by `ast`, shapes as tuples of size names.

Nothing here knows an architecture. What a matrix does to a vector is settled while reading: `-W @ v`,
`0.5 * W @ v`, `U @ V @ v` and `(U + V) @ v` become products of declared matrices with vectors, so that
values are scalars and vectors throughout.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from tests.oracle.errors import OracleError

MODELS = Path(__file__).parents[2] / "derive" / "cells" / "models"
KINDS = ("auto", "binary_cross_entropy", "cross_entropy", "squared_error")
SQUASHING = {"tanh", "sigmoid", "relu", "leaky_relu", "softplus", "softmax"}
FUNCTIONS = SQUASHING | {"exp", "log", "sqrt", "square", "sin", "cos", "identity", "sum", "mean"}

Shape = tuple[str, ...]


@dataclass(frozen=True)
class Expr:
    """A scalar, shape (), or a vector, shape (size,). op is a function, or one of

    number       name: Fraction              input, parameter, value, previous    name: str
    neg add sub mul div (a scalar operand spreads over a vector)
    power        name: Fraction, exponent    matvec       name: matrix; `transposed`
    """

    op: str
    shape: Shape
    args: tuple[Expr, ...] = ()
    name: str | Fraction = ""
    transposed: bool = False


@dataclass(frozen=True)
class ModelFile:
    """What a file says, its function choices made, its equations as text."""

    sizes: Mapping[str, str]
    x: str
    states: Mapping[str, str]
    parameters: Mapping[str, Shape]
    functions: Mapping[str, str]
    equations: Mapping[str, str]
    output: Mapping[str, str]
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class Cell:
    """One step: its equations in order, then those of the output, and the parameters that only these read."""

    equations: Mapping[str, Expr]
    output: Mapping[str, Expr]
    output_only: frozenset[str]


def text_of(text_or_path: str | Path) -> str:
    """The text itself if it has a newline, else that of a built-in model or of a file."""
    if isinstance(text_or_path, str) and "\n" in text_or_path:
        return text_or_path
    built_in = MODELS / f"{text_or_path}.toml"
    path = built_in if built_in.exists() else Path(text_or_path)
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise OracleError(f"no model file {text_or_path}: {error}") from error


def read(text: str, functions: Mapping[str, str]) -> ModelFile:
    """The file with its function choices: those given, else the first that is listed."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise OracleError(f"not TOML: {error}") from error
    try:
        inputs = dict(table["inputs"])
        states = {name: _only(shape) for name, shape in table["states"].items()}
        parameters = {name: tuple(shape) for name, shape in table.get("parameters", {}).items()}
        equations = dict(table["equations"])
    except KeyError as error:
        raise OracleError(f"the file has no [{error.args[0]}]") from error
    if set(inputs) != {"x"}:
        raise OracleError(f"[inputs] declares x and nothing else, not {sorted(inputs)}")
    chosen: dict[str, str] = {}
    for name, choices in table.get("functions", {}).items():
        chosen[name] = functions.get(name, choices[0])
        if chosen[name] not in choices:
            raise OracleError(f"function {name}: one of {choices}, not {chosen[name]!r}")
    if unknown := set(functions) - set(chosen):
        raise OracleError(f"the file has no function {sorted(unknown)}")
    kinds = table.get("loss", {}).get("kind", KINDS)
    return ModelFile(
        sizes=dict(table.get("sizes", {})),
        x=_only(inputs["x"]),
        states=states,
        parameters=parameters,
        functions=chosen,
        equations=equations,
        output=dict(table.get("output", {})),
        kinds=(kinds,) if isinstance(kinds, str) else tuple(kinds),
    )


def _only(shape: list[str]) -> str:
    if len(shape) != 1:
        raise OracleError(f"x and states are vectors, of one size, not {shape}")
    return shape[0]


def cell_of(file: ModelFile, renamed: Mapping[str, str]) -> Cell:
    """The equations with their shapes; `renamed` replaces sizes, as in a decoder that is fed."""
    reader = _Reader(file, renamed)
    equations = {name: reader.equation(name, text) for name, text in file.equations.items()}
    if missing := set(file.states) - set(equations):
        raise OracleError(f"no equation writes the state {sorted(missing)}")
    read = set(reader.read)
    output = {name: reader.equation(name, text) for name, text in file.output.items()}
    if output and list(output)[-1] != "yhat":
        raise OracleError(f"[output] ends with yhat, not {list(output)[-1]}")
    return Cell(equations, output, frozenset(reader.read - read))


class _Reader:
    def __init__(self, file: ModelFile, renamed: Mapping[str, str]) -> None:
        def rename(shape: Shape) -> Shape:
            return tuple(renamed.get(size, size) for size in shape)

        self.functions = file.functions
        self.x = rename((file.x,))
        self.states = {name: rename((size,)) for name, size in file.states.items()}
        self.parameters = {name: rename(shape) for name, shape in file.parameters.items()}
        self.values: dict[str, Shape] = {}
        self.read: set[str] = set()
        self.where = ""
        self.text = ""

    def equation(self, name: str, text: str) -> Expr:
        self.where, self.text = name, f"({text})"
        if name in self.values or name in self.parameters or name == "x":
            raise self.error("written twice")
        try:
            tree = ast.parse(self.text, mode="eval").body
        except SyntaxError as error:
            raise self.error(f"not an expression: {error}") from error
        expr = self.expr(tree)
        if name in self.states and expr.shape != self.states[name]:
            raise self.error(f"the state has shape {self.states[name]}, its equation {expr.shape}")
        self.values[name] = expr.shape
        return expr

    def error(self, text: str) -> OracleError:
        return OracleError(f"{self.where} = {self.text[1:-1]!r}: {text}")

    def expr(self, tree: ast.expr) -> Expr:
        match tree:
            case ast.Constant(value=int() | float()) if not isinstance(tree.value, bool):
                return Expr("number", (), name=self.number(tree))
            case ast.Name(id=name):
                return self.at_t(name)
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Name(id="t")):
                return self.at_t(name)
            case ast.Subscript(
                value=ast.Name(id=name),
                slice=ast.BinOp(left=ast.Name(id="t"), op=ast.Sub(), right=ast.Constant(value=1)),
            ):
                if name not in self.states:
                    raise self.error(f"only a state is read at t-1, and {name} is none")
                return Expr("previous", self.states[name], name=name)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.expr(operand)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self.negative(self.expr(operand))
            case ast.BinOp(left=left, op=ast.MatMult(), right=right):
                return self.product(left, self.expr(right), transposed=False)
            case ast.BinOp(left=base, op=ast.Pow(), right=exponent):
                value = self.expr(base)
                return Expr("power", value.shape, (value,), self.constant(exponent))
            case ast.BinOp(left=left, op=op, right=right):
                return self.elementwise(self.operator(op), self.expr(left), self.expr(right))
            case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]):
                return self.call(self.functions.get(name, name), self.expr(argument))
        raise self.error(f"not in the language: {ast.unparse(tree)}")

    def at_t(self, name: str) -> Expr:
        if name == "x":
            return Expr("input", self.x, name="x")
        if name in self.values:
            return Expr("value", self.values[name], name=name)
        if name in self.parameters:
            if len(self.parameters[name]) > 1:
                raise self.error(f"the matrix {name} stands on the left of @ only")
            self.read.add(name)
            return Expr("parameter", self.parameters[name], name=name)
        raise self.error(f"{name} is not known, or not yet")

    def negative(self, value: Expr) -> Expr:
        return Expr("neg", value.shape, (value,))

    def operator(self, op: ast.operator) -> str:
        match op:
            case ast.Add():
                return "add"
            case ast.Sub():
                return "sub"
            case ast.Mult():
                return "mul"
            case ast.Div():
                return "div"
        raise self.error(f"no operator of the language: {type(op).__name__}")

    def elementwise(self, op: str, left: Expr, right: Expr) -> Expr:
        shape = left.shape or right.shape
        if left.shape and right.shape and left.shape != right.shape:
            raise self.error(f"{op} of {left.shape} and {right.shape}")
        return Expr(op, shape, (left, right))

    def call(self, name: str, value: Expr) -> Expr:
        if name not in FUNCTIONS:
            raise self.error(f"no function {name}")
        if name in ("softmax", "sum", "mean"):
            if not value.shape:
                raise self.error(f"{name} is of a vector")
            return Expr(name, value.shape if name == "softmax" else (), (value,))
        return Expr(name, value.shape, (value,))

    def product(self, matrix: ast.expr, vector: Expr, *, transposed: bool) -> Expr:
        """matrix @ vector, the matrix an expression in declared matrices."""
        match matrix:
            case ast.Name(id=name) if len(self.parameters.get(name, ())) == 2:
                rows, columns = self.parameters[name]
                if transposed:
                    rows, columns = columns, rows
                if vector.shape != (columns,):
                    raise self.error(
                        f"{ast.unparse(matrix)} has {columns} columns, the vector {vector.shape}"
                    )
                self.read.add(name)
                return Expr("matvec", (rows,), (vector,), name, transposed)
            case ast.Attribute(value=inner, attr="T"):
                return self.product(inner, vector, transposed=not transposed)
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                return self.negative(self.product(inner, vector, transposed=transposed))
            case ast.UnaryOp(op=ast.UAdd(), operand=inner):
                return self.product(inner, vector, transposed=transposed)
            case ast.BinOp(left=left, op=ast.MatMult(), right=right):
                first, last = (left, right) if transposed else (right, left)
                inside = self.product(first, vector, transposed=transposed)
                return self.product(last, inside, transposed=transposed)
            case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op, right=right):
                one = self.product(left, vector, transposed=transposed)
                return self.elementwise(
                    self.operator(op), one, self.product(right, vector, transposed=transposed)
                )
            case ast.BinOp(left=left, op=ast.Mult(), right=right) if self.is_matrix(right):
                factor = self.scalar(left)
                return self.elementwise("mul", factor, self.product(right, vector, transposed=transposed))
            case ast.BinOp(left=left, op=ast.Mult() | ast.Div() as op, right=right) if self.is_matrix(left):
                factor = self.scalar(right)
                return self.elementwise(
                    self.operator(op), self.product(left, vector, transposed=transposed), factor
                )
        raise self.error(f"@ has a matrix on its left, not {ast.unparse(matrix)}")

    def is_matrix(self, tree: ast.expr) -> bool:
        match tree:
            case ast.Name(id=name):
                return len(self.parameters.get(name, ())) == 2
            case ast.Attribute(value=inner, attr="T") | ast.UnaryOp(operand=inner):
                return self.is_matrix(inner)
            case ast.BinOp(left=left, op=ast.MatMult(), right=right):
                return self.is_matrix(left) and self.is_matrix(right)
            case ast.BinOp(left=left, right=right):
                return self.is_matrix(left) or self.is_matrix(right)
        return False

    def scalar(self, tree: ast.expr) -> Expr:
        value = self.expr(tree)
        if value.shape:
            raise self.error(
                f"a matrix takes scalar factors, {ast.unparse(tree)} is a vector: use parentheses"
            )
        return value

    def number(self, tree: ast.Constant) -> Fraction:
        """Exactly as it is written: 0.1 is a tenth."""
        segment = ast.get_source_segment(self.text, tree)
        if isinstance(tree.value, int) or segment is None:
            return Fraction(tree.value)  # type: ignore[arg-type]
        return Fraction(segment.replace("_", ""))

    def constant(self, tree: ast.expr) -> Fraction:
        match tree:
            case ast.Constant(value=int() | float()) if not isinstance(tree.value, bool):
                return self.number(tree)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self.constant(operand)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.constant(operand)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self.constant(left) + self.constant(right)
            case ast.BinOp(left=left, op=ast.Sub(), right=right):
                return self.constant(left) - self.constant(right)
            case ast.BinOp(left=left, op=ast.Mult(), right=right):
                return self.constant(left) * self.constant(right)
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                return self.constant(left) / self.constant(right)
            case ast.BinOp(left=left, op=ast.Pow(), right=right):
                base, exponent = self.constant(left), self.constant(right)
                if exponent.denominator == 1:
                    return base**exponent.numerator
        raise self.error(f"an exponent is constant, {ast.unparse(tree)} is not")
